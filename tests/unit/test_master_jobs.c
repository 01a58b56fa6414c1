/* The life of jobs in the master: their ends in every state, keys, limits, memory, and stopping. */
#include "tests/unit/master_stage.h"

#include "master/job.h"

#include <zmq.h>

static const problem small = {.rows = 6, .inner = 4, .cols = 3};
static const problem halves = { // two tasks, both needed
    .rows = 6, .inner = 4, .cols = 3, .family = "uncoded", .x = 2, .z = 1, .y = 1, .tasks = 2};
static const problem coded = { // encoded by the compute threads; any two of three
    .rows = 6, .inner = 4, .cols = 3, .family = "polynomial", .x = 2, .z = 1, .y = 1, .tasks = 3};

/* A job in each state that a test can hold it in, and who is there then. */
typedef enum hold { RECEIVING, QUEUED, RUNNING, HOLDS } hold;

static const char *const hold_names[] = {"receiving", "queued", "running"};

typedef struct scene {
    peer *client, *other, *worker;
    char job[KOFN_ID_MAX];
} scene;

static void
find_newest(peer *p, char *ret_job)
{
    kofn_msg_jobs jobs;
    send_call(p, 500, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(p, 500, &kofn_jobs_message, &jobs), KOFN_OK);
    assert_true(jobs.jobs.count > 0);
    memcpy(ret_job, ((const kofn_msg_job *)jobs.jobs.at)->id, KOFN_ID_MAX);
    kofn_message_clear(&kofn_jobs_message, &jobs);
}

/* Call 1 of `client` is a Multiply or Submit that gets that far. */
static void
hold_job(stage *s, scene *sc, hold at, kofn_method method, const problem *what)
{
    task t;
    sc->client = open_client(s, KOFN_WINDOW_BYTES);
    sc->other = open_client(s, KOFN_WINDOW_BYTES);
    if (at == RUNNING)
        sc->worker = join_worker(s, "w", 2);
    if (at == RECEIVING)
        send_head(sc->client, 1, method, what);
    else
        send_product(s, sc->client, 1, method, what);
    (void)check_health(sc->client); // after which the call is known
    find_newest(sc->other, sc->job);
    if (at == RUNNING) {
        expect_task(sc->worker, &t);
        task_fini(&t);
    }
    await_state(sc->other, sc->job, hold_names[at]);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
check_cancelled(stage *s, hold at)
{
    scene sc = {0};
    kofn_msg_outcome outcome;
    stage_run(s);
    hold_job(s, &sc, at, KOFN_METHOD_MULTIPLY, &small);
    for (uint64_t call = 10; call < 12; call++) { // the second time it changes nothing
        send_job_call(sc.other, call, KOFN_METHOD_CANCEL, sc.job);
        assert_int_equal(expect_reply(sc.other, call, &kofn_outcome_message, &outcome), KOFN_OK);
        assert_string_equal(outcome.job.state, "cancelled");
        assert_int_equal(outcome.job.status, KOFN_CANCELLED);
        assert_false(outcome.job.decodable);
        kofn_message_clear(&kofn_outcome_message, &outcome);
    }
    assert_int_equal(expect_reply(sc.client, 1, NULL, NULL), KOFN_CANCELLED);
    if (at == RUNNING) {
        kofn_msg_cancel cancel;
        expect(sc.worker, &kofn_cancel_message, &cancel);
    }
    const kofn_msg_health health = check_health(sc.other);
    assert_int_equal(health.memory_bytes, 0);
    assert_int_equal(health.jobs_running + health.jobs_queued, 0);
}

static void
a_job_is_cancelled_while_its_operands_come(void **state)
{
    check_cancelled(*state, RECEIVING);
}

static void
a_job_is_cancelled_while_it_waits_for_a_worker(void **state)
{
    check_cancelled(*state, QUEUED);
}

static void
a_job_is_cancelled_while_it_runs(void **state)
{
    check_cancelled(*state, RUNNING);
}

static void
check_abandoned(stage *s, hold at)
{
    scene sc = {0};
    stage_run(s);
    hold_job(s, &sc, at, KOFN_METHOD_MULTIPLY, &small);
    post(sc.client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    if (at == RECEIVING) // what crosses it is dropped
        post(sc.client, &kofn_data_message, &(kofn_msg_data){.id = 1});
    await_state(sc.other, sc.job, "cancelled");
    const kofn_msg_health health = check_health(sc.client); // the next reply is this one's
    assert_int_equal(health.memory_bytes, 0);
}

static void
an_abandoned_multiply_ends_in_every_state(void **state)
{
    for (hold at = 0; at < HOLDS; at++) {
        check_abandoned(*state, at);
        stage_teardown(state);
        stage_setup(state);
    }
}

static void
an_abandoned_submit_ends_only_before_it_is_accepted(void **state)
{
    stage *s = *state;
    scene sc = {0};
    char id[KOFN_ID_MAX];
    stage_run(s);
    hold_job(s, &sc, RECEIVING, KOFN_METHOD_SUBMIT, &small);
    post(sc.client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    await_state(sc.other, sc.job, "cancelled");

    submit(s, sc.client, 2, &small, id);
    close_peer(sc.client);
    peer *worker = join_worker(s, "w", 1);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(sc.other, 3, KOFN_METHOD_WAIT, id);
    expect_product(s, sc.other, 3, &small, NULL);
}

static void
a_client_that_is_gone_wants_nothing(void **state)
{
    for (hold at = 0; at < HOLDS; at++) {
        scene sc = {0};
        stage_run(*state);
        hold_job(*state, &sc, at, KOFN_METHOD_MULTIPLY, &small);
        close_peer(sc.client);
        await_state(sc.other, sc.job, "cancelled");
        assert_int_equal(check_health(sc.other).memory_bytes, 0);
        stage_teardown(state);
        stage_setup(state);
    }
}

static void
a_jobs_deadline_holds_in_every_state(void **state)
{
    for (hold at = 0; at < HOLDS; at++) {
        scene sc = {0};
        problem what = small;
        what.timeout_ms = 1500;
        stage_run(*state);
        stage *s = *state;
        sc.client = open_client(s, KOFN_WINDOW_BYTES);
        if (at == RUNNING)
            sc.worker = join_worker(s, "w", 2);
        if (at == RECEIVING)
            send_head(sc.client, 1, KOFN_METHOD_MULTIPLY, &what);
        else
            send_product(s, sc.client, 1, KOFN_METHOD_MULTIPLY, &what);
        kofn_msg_outcome outcome;
        assert_int_equal(expect_reply(sc.client, 1, &kofn_outcome_message, &outcome),
                         KOFN_DEADLINE_EXCEEDED);
        assert_string_equal(outcome.job.state, "failed");
        assert_int_equal(outcome.job.tasks_sent, at == RUNNING ? 1 : 0);
        kofn_message_clear(&kofn_outcome_message, &outcome);
        assert_int_equal(check_health(sc.client).memory_bytes, 0);
        stage_teardown(state);
        stage_setup(state);
    }
}

/* Cancels that meet a job at random places of its encode, send and decode. */
static void
a_job_may_be_cancelled_at_any_moment(void **state)
{
    stage *s = *state;
    const problem large = {.rows = 400,
                           .inner = 100,
                           .cols = 50,
                           .family = "polynomial",
                           .x = 4,
                           .z = 1,
                           .y = 1,
                           .tasks = 6};
    kofn_msg_outcome outcome;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 6; i++)
        (void)join_worker(s, "w", 2); // they take tasks and keep silent
    for (uint64_t i = 0; i < 100; i++) {
        char id[KOFN_ID_MAX];
        submit(s, client, 2 * i, &large, id);
        for (uint64_t n = 0; n < i % 7; n++)
            (void)check_health(client); // some time
        send_job_call(client, 2 * i + 1, KOFN_METHOD_CANCEL, id);
        assert_int_equal(expect_reply(client, 2 * i + 1, &kofn_outcome_message, &outcome), KOFN_OK);
        assert_string_equal(outcome.job.state, "cancelled");
        kofn_message_clear(&kofn_outcome_message, &outcome);
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_failed_jobs_account_comes_with_its_status(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = halves;
    kofn_msg_outcome outcome;
    what.timeout_ms = 1500;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &what, id);
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 2, KOFN_METHOD_WAIT, id);
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome),
                     KOFN_DEADLINE_EXCEEDED);
    assert_string_equal(outcome.job.state, "failed");
    assert_int_equal(outcome.job.status, KOFN_DEADLINE_EXCEEDED);
    assert_int_equal(outcome.job.answers, 1);
    assert_int_equal(outcome.job.tasks_sent, 2);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

/* ---- products that are kept ------------------------------------------------------------------ */

static void
finish_one(stage *s, peer *worker)
{
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
}

static void
a_submitted_product_is_kept_until_it_was_fetched(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    kofn_msg_outcome outcome;
    kofn_msg_job_ref ref = {.without_result = true};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &small, id);
    finish_one(s, worker);
    await_state(client, id, "done");
    assert_true(check_health(client).memory_bytes >= 6 * 3 * 8);

    memcpy(ref.job, id, sizeof ref.job);
    send_call(client, 2, KOFN_METHOD_WAIT, &kofn_job_ref_message, &ref);
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_int_equal(outcome.c.rows, 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);

    send_job_call(client, 3, KOFN_METHOD_WAIT, id);
    expect_product(s, client, 3, &small, NULL);
    assert_int_equal(check_health(client).memory_bytes, 0);
    send_job_call(client, 4, KOFN_METHOD_WAIT, id); // afterwards the account
    assert_int_equal(expect_reply(client, 4, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_string_equal(outcome.job.state, "done");
    assert_int_equal(outcome.c.rows, 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
a_held_product_stays_until_it_is_let_go(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    kofn_msg_job_ref held = {.hold = true};
    kofn_msg_job_ref let_go = {.without_result = true, .let_go = true};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &small, held.job);
    memcpy(let_go.job, held.job, sizeof let_go.job);
    send_call(client, 2, KOFN_METHOD_WAIT, &kofn_job_ref_message, &held); // before its end
    finish_one(s, worker);
    expect_product(s, client, 2, &small, NULL);
    send_call(client, 3, KOFN_METHOD_WAIT, &kofn_job_ref_message, &held); // and after
    expect_product(s, client, 3, &small, NULL);
    assert_true(check_health(client).memory_bytes >= 6 * 3 * 8);

    send_call(client, 4, KOFN_METHOD_WAIT, &kofn_job_ref_message, &let_go);
    assert_int_equal(expect_reply(client, 4, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_int_equal(outcome.c.rows, 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    assert_int_equal(check_health(client).memory_bytes, 0);
    send_call(client, 5, KOFN_METHOD_WAIT, &kofn_job_ref_message, &held);
    assert_int_equal(expect_reply(client, 5, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_int_equal(outcome.c.rows, 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
all_who_wait_get_the_product(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, 0);
    submit(s, client, 1, &small, id);
    send_job_call(client, 2, KOFN_METHOD_WAIT, id);
    send_job_call(other, 3, KOFN_METHOD_WAIT, id);
    (void)check_health(other);
    finish_one(s, join_worker(s, "w", 1));
    expect_product(s, client, 2, &small, NULL);
    expect_product(s, other, 3, &small, NULL);
}

static void
a_product_nobody_fetches_goes_after_the_keep_time(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    s->config.keep_ns = 0;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &small, id);
    finish_one(s, worker);
    await_state(client, id, "done");
    while (check_health(client).memory_bytes > 0)
        ;
}

/* One that waits to be fetched must not keep the records behind it. */
static void
records_are_bounded(void **state)
{
    stage *s = *state;
    char kept[KOFN_ID_MAX];
    kofn_msg_jobs jobs;
    s->config.keep_jobs = 3;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &small, kept);
    finish_one(s, worker);
    for (uint64_t i = 0; i < 20; i++) {
        send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &small);
        finish_one(s, worker);
        expect_product(s, client, 2, &small, NULL);
    }
    send_call(client, 3, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 3, &kofn_jobs_message, &jobs), KOFN_OK);
    assert_in_range(jobs.jobs.count, 4, 5); // one more until the next is accepted, or a tick
    kofn_message_clear(&kofn_jobs_message, &jobs);
    send_job_call(client, 4, KOFN_METHOD_WAIT, kept);
    expect_product(s, client, 4, &small, NULL);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void
the_same_key_is_the_same_submitted_job(void **state)
{
    stage *s = *state;
    char first[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem what = small;
    what.key = "k1";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &what, first);
    submit(s, other, 2, &what, again); // while it waits
    assert_string_equal(first, again);
    peer *worker = join_worker(s, "w", 1);
    finish_one(s, worker);
    await_state(client, first, "done");
    submit(s, client, 3, &what, again); // and when it is done
    assert_string_equal(first, again);

    send_job_call(client, 4, KOFN_METHOD_WAIT, first);
    expect_product(s, client, 4, &what, NULL);
    submit(s, client, 5, &what, again); // anew, once the product is gone
    assert_string_not_equal(first, again);
    finish_one(s, worker);
}

static void
the_same_key_waits_for_the_same_product(void **state)
{
    stage *s = *state;
    char first[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem what = small;
    what.key = "k2";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    (void)check_health(client);
    send_product(s, other, 2, KOFN_METHOD_MULTIPLY, &what);
    assert_int_equal(check_health(other).jobs_queued, 1);
    post(client, &kofn_abandon_message,
         &(kofn_msg_abandon){.call = 1}); // the other one waits still
    (void)check_health(client);
    send_product(s, client, 3, KOFN_METHOD_MULTIPLY, &what);
    assert_int_equal(check_health(client).jobs_queued, 1);
    finish_one(s, join_worker(s, "w", 1));
    expect_product(s, other, 2, &what, first);
    expect_product(s, client, 3, &what, again);
    assert_string_equal(first, again);
}

static void
a_shared_job_outlives_the_shorter_deadline(void **state)
{
    stage *s = *state;
    problem what = small, hasty = small;
    what.key = hasty.key = "k3";
    hasty.timeout_ms = 1;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    (void)check_health(client);
    send_product(s, other, 2, KOFN_METHOD_MULTIPLY, &hasty);
    assert_int_equal(expect_reply(other, 2, NULL, NULL), KOFN_DEADLINE_EXCEEDED);
    assert_int_equal(check_health(client).jobs_queued, 1);
    finish_one(s, join_worker(s, "w", 1));
    expect_product(s, client, 1, &what, NULL);
}

static void
a_shared_job_ends_with_the_last_who_waits(void **state)
{
    stage *s = *state;
    problem what = small, hasty = small;
    what.key = hasty.key = "k4";
    hasty.timeout_ms = 300;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    (void)check_health(client);
    send_product(s, other, 2, KOFN_METHOD_MULTIPLY, &hasty);
    (void)check_health(other);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    assert_int_equal(expect_reply(other, 2, NULL, NULL), KOFN_DEADLINE_EXCEEDED);
    assert_int_equal(check_health(client).jobs_queued, 0);
}

static void
a_product_that_cannot_be_what_it_is_said_to_be_made_from_is_refused(void **state)
{
    kofn_msg_compression made = {.method = "cr", .dtype = "f64", .inner = 9, .cols = small.cols};
    stage *s = *state;
    problem what = small;
    what.compression = &made;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    made.rows = small.rows + 1;
    send_product(s, client, 1, KOFN_METHOD_SUBMIT, &what);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);
    made.rows = small.rows;
    made.bound = -1;
    send_product(s, client, 2, KOFN_METHOD_SUBMIT, &what);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(check_health(client).jobs_queued, 0);
}

static void
another_request_under_a_known_key_is_refused(void **state)
{
    stage *s = *state;
    const kofn_msg_compression made = {
        .method = "cr", .dtype = "f64", .rows = small.rows, .cols = small.cols};
    problem what = small, others[6] = {small, small, small, small, small, small};
    what.key = "k5";
    others[0].rows = 5;
    others[1].transpose_a = true;
    others[2].policy = "oneshot";
    others[3].family = "uncoded";
    others[4].family = "polynomial", others[4].x = 2;
    others[5].compression = &made;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    char id[KOFN_ID_MAX];
    submit(s, client, 1, &what, id);
    for (uint64_t i = 0; i < 6; i++) {
        others[i].key = "k5";
        send_product(s, client, 2 + i, KOFN_METHOD_SUBMIT, &others[i]);
        assert_int_equal(expect_reply(client, 2 + i, NULL, NULL), KOFN_ALREADY_EXISTS);
    }
    send_product(s, client, 9, KOFN_METHOD_MULTIPLY, &what); // another method
    assert_int_equal(expect_reply(client, 9, NULL, NULL), KOFN_ALREADY_EXISTS);
    assert_int_equal(check_health(client).jobs_queued, 1);
}

static void
a_job_that_failed_or_lost_its_upload_runs_anew(void **state)
{
    stage *s = *state;
    char first[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem what = small;
    kofn_msg_outcome outcome;
    what.key = "k6";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &what, first);
    send_job_call(client, 2, KOFN_METHOD_CANCEL, first);
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    submit(s, client, 3, &what, again);
    assert_string_not_equal(first, again);

    what.key = "k7";
    send_head(client, 4, KOFN_METHOD_SUBMIT, &what); // the rest never comes
    (void)check_health(client);
    submit(s, other, 5, &what, again);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 4});
    (void)check_health(client);
    submit(s, other, 6, &what, first); // the key is the newer job's
    assert_string_equal(first, again);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void
a_job_beyond_the_memory_is_refused(void **state)
{
    stage *s = *state;
    const problem large = {.rows = 1000, .inner = 1000, .cols = 1000}; // 64 MB by the estimate
    kofn_msg_reply reply;
    s->config.memory = 100 << 20;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const problem huge = {.rows = 1 << 20, .inner = 1 << 20, .cols = 1};
    send_head(client, 1, KOFN_METHOD_MULTIPLY, &huge);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    const problem absurd = {.rows = 2147483647, .inner = 2147483647, .cols = 2147483647};
    send_head(client, 2, KOFN_METHOD_MULTIPLY, &absurd);
    assert_int_not_equal(expect_reply(client, 2, NULL, NULL), KOFN_OK);
    assert_int_equal(check_health(client).memory_bytes, 0);

    send_head(client, 3, KOFN_METHOD_MULTIPLY, &large);
    send_head(client, 4, KOFN_METHOD_MULTIPLY, &large);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.call, 4);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_true(reply.retry_ms > 0);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 3});
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
more_jobs_than_the_limit_are_refused(void **state)
{
    stage *s = *state;
    s->config.jobs_max = 2;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (uint64_t i = 0; i < 2; i++)
        send_head(client, i, KOFN_METHOD_MULTIPLY, &small);
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &small);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 0});
    send_product(s, client, 3, KOFN_METHOD_MULTIPLY, &small);
    assert_int_equal(check_health(client).jobs_queued, 2);
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* A master that drains answers Check with NOT_SERVING. */
static void
await_draining(peer *client)
{
    while (strcmp(check_health(client).status, "SERVING") == 0)
        ;
}

static void
a_master_that_stops_finishes_what_runs(void **state)
{
    stage *s = *state;
    task t, u;
    s->config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &coded);
    expect_task(worker, &t);
    expect_task(worker, &u);
    kofn_master_stop(s->master);
    await_draining(client);
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &small);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_UNAVAILABLE);
    answer(s, worker, &t);
    answer(s, worker, &u);
    kofn_msg_outcome outcome;
    assert_int_equal(expect_reply(client, 1, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

static void
jobs_are_handed_back_when_the_grace_time_is_over(void **state)
{
    stage *s = *state;
    task t;
    s->config.grace_ns = 0;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    expect_task(worker, &t);
    kofn_master_stop(s->master);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_UNAVAILABLE);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
    task_fini(&t);
}

static void
a_second_stop_ends_at_once(void **state)
{
    stage *s = *state;
    s->config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small); // no worker
    (void)check_health(client);
    kofn_master_stop(s->master);
    kofn_master_stop(s->master);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_UNAVAILABLE);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

static void
a_code_that_memory_has_no_room_for_is_not_built(void **state)
{
    static const problem huge = {.rows = 2,
                                 .inner = 2,
                                 .cols = 2,
                                 .family = "rkrp",
                                 .x = 64,
                                 .z = 1,
                                 .y = 64,
                                 .tasks = KOFN_TASKS_MAX};
    static const problem tiny = {.rows = 2, .inner = 2, .cols = 2};
    stage *s = *state;
    task t;
    s->config.memory = 64 << 20; // of 200 MiB
    s->config.window = 1 << 20;
    stage_run(s);
    peer *worker = join_worker(s, "w", 2), *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &huge);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(check_health(client).memory_bytes, 0);
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &tiny);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 2, &tiny, NULL);
}

/* Whatever it was: a piece of computing, or something asked of the store. */
static void
the_last_item_of_a_job_that_is_over_lets_go_of_its_work(void **state)
{
    (void)state;
    kofn_job job = {.state = KOFN_JOB_FAILED, .items = 2};
    kofn_bands operand;
    kofn_error error;
    kofn_bands_init(&operand, KOFN_F64, 0, 0);
    kofn_assembler_init(&job.operands);
    assert_ok(kofn_assembler_have(&job.operands, &operand, &error));
    kofn_job_leave(&job);
    assert_int_equal(job.operands.count, 1);
    kofn_job_leave(&job);
    assert_int_equal(job.operands.count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(a_job_is_cancelled_while_its_operands_come),
        T(a_job_is_cancelled_while_it_waits_for_a_worker),
        T(a_job_is_cancelled_while_it_runs),
        T(an_abandoned_multiply_ends_in_every_state),
        T(an_abandoned_submit_ends_only_before_it_is_accepted),
        T(a_client_that_is_gone_wants_nothing),
        T(a_jobs_deadline_holds_in_every_state),
        T(a_job_may_be_cancelled_at_any_moment),
        T(a_failed_jobs_account_comes_with_its_status),
        T(a_submitted_product_is_kept_until_it_was_fetched),
        T(a_held_product_stays_until_it_is_let_go),
        T(all_who_wait_get_the_product),
        T(a_product_nobody_fetches_goes_after_the_keep_time),
        T(records_are_bounded),
        T(the_same_key_is_the_same_submitted_job),
        T(the_same_key_waits_for_the_same_product),
        T(a_shared_job_outlives_the_shorter_deadline),
        T(a_shared_job_ends_with_the_last_who_waits),
        T(a_product_that_cannot_be_what_it_is_said_to_be_made_from_is_refused),
        T(another_request_under_a_known_key_is_refused),
        T(a_job_that_failed_or_lost_its_upload_runs_anew),
        T(a_job_beyond_the_memory_is_refused),
        T(more_jobs_than_the_limit_are_refused),
        T(a_master_that_stops_finishes_what_runs),
        T(jobs_are_handed_back_when_the_grace_time_is_over),
        T(a_second_stop_ends_at_once),
        T(a_code_that_memory_has_no_room_for_is_not_built),
        cmocka_unit_test(the_last_item_of_a_job_that_is_over_lets_go_of_its_work),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
