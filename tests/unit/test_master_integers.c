/* Jobs over the integers in the master: what they are put together from, and how whole and parts
 * end. */
#include "common/linalg/integers.h"
#include "master/verify.h"
#include "tests/unit/master_stage.h"

#include <math.h>

/* By value: a test changes what it needs. Elements of A are to 5 scale, so that three primes are
 * needed; SMALL is worked on at once, LARGE by the coders. */
static const problem small = {.rows = 6,
                              .inner = 5,
                              .cols = 4,
                              .family = "polynomial",
                              .x = 2,
                              .z = 1,
                              .y = 2,
                              .tasks = 6,
                              .integers = KOFN_I64,
                              .scale = 0x1p40};
static const problem large = {.rows = 130,
                              .inner = 120,
                              .cols = 110,
                              .family = "polynomial",
                              .x = 2,
                              .z = 1,
                              .y = 1,
                              .tasks = 3,
                              .integers = KOFN_I64,
                              .scale = 0x1p40};

static size_t
count_primes(const problem *what)
{
    const double scale = what->scale != 0 ? what->scale : 1;
    return kofn_integers_count_primes(what->inner, (uint64_t)(5 * scale), 5);
}

static size_t
count_needed(const problem *what) // answers, of one prime
{
    return what->x * what->z * what->y;
}

/* One worker that answers whatever it is asked, until all parts have enough. */
static void
answer_all(stage *s, peer *worker, const problem *what)
{
    for (size_t i = 0; i < count_primes(what) * count_needed(what); i++) {
        task t;
        expect_task(worker, &t);
        assert_string_equal(t.head.a.dtype, "u32");
        answer(s, worker, &t);
    }
}

/* The account with its list: cleared by the caller. */
static void
fetch_account(peer *client, const char *job, kofn_msg_outcome *ret_outcome)
{
    send_job_call(client, 2000000, KOFN_METHOD_GET_JOB, job);
    assert_int_equal(expect_reply(client, 2000000, &kofn_outcome_message, ret_outcome), KOFN_OK);
}

static void
check_product(stage *s, peer *client, peer *worker, const problem *what, char *ret_job)
{
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, what);
    answer_all(s, worker, what);
    expect_product(s, client, 1, what, ret_job);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* ---- products -------------------------------------------------------------------------------- */

static void
a_product_is_put_together_from_one_for_each_prime(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    char job[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    check_product(s, client, worker, &small, job);
    fetch_account(client, job, &outcome);
    const kofn_msg_job *m = &outcome.job;
    const kofn_msg_prime *primes = m->primes.at;
    assert_int_equal(m->primes.count, 3);
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(primes[k].prime, kofn_integers_primes[k]);
        assert_string_equal(primes[k].state, "done");
        assert_int_equal(primes[k].answers, 4);
        assert_int_equal(primes[k].enough, 4);
        assert_int_equal(primes[k].tasks_sent, 4);
    }
    assert_string_equal(m->field, "integers");
    assert_string_equal(m->error_kind, "exact");
    assert_string_equal(m->policy, "oneshot");
    assert_int_equal(m->code.tasks, 6); // of each
    assert_int_equal(m->tasks, 18);
    assert_int_equal(m->enough, 12);
    assert_int_equal(m->threshold, 12);
    assert_int_equal(m->answers_used, 12);
    assert_int_equal(m->workers, 1);
    assert_true(m->progress == 1 && m->decodable);
    assert_true(m->seconds.encode > 0 && m->seconds.decode > 0);
    const kofn_msg_seconds *t = &m->seconds; // both of the others are of threads side by side
    assert_true(t->receive + t->queue + t->send + t->wait <= t->total);
    assert_true(t->queue > 0 && t->wait > 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static size_t
count_lines_with(FILE *file, const char *word)
{
    char line[2048];
    size_t count = 0;
    rewind(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, word) != NULL;
    return count;
}

/* Each part has too few tasks for it, but there is one job. */
static void
a_default_that_gives_way_is_logged_once_for_all_primes(void **state)
{
    stage *s = *state;
    problem few = small;
    char job[KOFN_ID_MAX];
    FILE *log = tmpfile();
    assert_non_null(log);
    few.tasks = 5;
    s->log_fd = fileno(log);
    s->config.verify = KOFN_VERIFY_PARITY;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    check_product(s, client, worker, &few, job);
    const kofn_msg_job account = get_job(client, job);
    assert_string_equal(account.verify, "freivalds");
    assert_int_equal(account.enough, 12);
    stage_stop(s);
    if (!getenv("KOFN_TEST_LOG"))
        assert_int_equal(count_lines_with(log, "verified_otherwise"), 1);
    (void)fclose(log);
}

static void
integers_of_both_sizes_in_any_shape(void **state)
{
    static const struct {
        kofn_dtype dtype;
        double scale;
        size_t primes;
    } kinds[] = {{KOFN_I32, 1, 1},
                 {KOFN_I32, 0x1p24, 2},
                 {KOFN_I64, 1, 1},
                 {KOFN_I64, 0x1p30, 2},
                 {KOFN_I64, 0x1p45, 3}};
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < 5; i++) {
        problem what = small;
        what.integers = kinds[i].dtype;
        what.scale = kinds[i].scale;
        assert_int_equal(count_primes(&what), kinds[i].primes);
        check_product(s, client, worker, &what, NULL);
        what.transpose_a = what.transpose_b = true;
        what.frame_rows = 2;
        what.rows = 5, what.inner = 7, what.cols = 1;
        check_product(s, client, worker, &what, NULL);
    }
}

static void
products_without_elements_take_one_prime(void **state)
{
    static const size_t shapes[][3] = {{0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {0, 0, 0}};
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < 4; i++) {
        problem what = {.integers = KOFN_I32, .x = 1, .z = 1, .y = 1};
        what.rows = shapes[i][0], what.inner = shapes[i][1], what.cols = shapes[i][2];
        check_product(s, client, worker, &what, NULL);
    }
}

static void
large_products_are_worked_on_in_pieces(void **state)
{
    stage *s = *state;
    problem what = large;
    s->config.compute_threads = 3;
    s->config.chunk_bytes = 4096;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    check_product(s, client, worker, &what, NULL);
    what.rows = 700, what.inner = 420, what.cols = 9; // of several MiB
    what.transpose_a = true;
    check_product(s, client, worker, &what, NULL);
}

static void
a_code_left_open_is_chosen_once_for_all_primes(void **state)
{
    stage *s = *state;
    problem what = small;
    kofn_msg_outcome outcome;
    char job[KOFN_ID_MAX];
    what.family = NULL;
    what.x = what.z = what.y = what.tasks = 0;
    s->config.code = (kofn_code_spec){.family = "rkrp", .part = {2, 1, 2}, .tasks = 6}; // of reals
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &what, job);
    await_state(client, job, "queued"); // for a worker
    peer *worker = join_worker(s, "w", 1);
    what.x = what.z = what.y = 1; // whole, as small products go
    answer_all(s, worker, &what);
    send_job_call(client, 2, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 2, &what, NULL);
    fetch_account(client, job, &outcome);
    assert_string_equal(outcome.job.code.family, "uncoded");
    assert_int_equal(outcome.job.enough, 3);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
check_too_wide(stage *s, const problem *like)
{
    problem what = *like;
    kofn_msg_reply reply;
    what.scale = 0x1p60;
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    answer_all(s, worker, &what);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(reply.message, "C: element (0, 0) is about"));
    assert_int_equal(check_health(client).memory_bytes, 0);
    close_peer(client);
    close_peer(worker);
}

static void
a_product_beyond_64_bits_is_refused_and_not_wrapped(void **state)
{
    stage_run(*state);
    check_too_wide(*state, &small);
}

static void
a_large_product_beyond_64_bits_likewise(void **state)
{
    stage *s = *state;
    s->config.compute_threads = 2;
    stage_run(s);
    check_too_wide(s, &large);
}

/* ---- whole and parts ------------------------------------------------------------------------- */

static void
parts_are_nobodys_to_find(void **state)
{
    stage *s = *state;
    kofn_msg_jobs jobs;
    char job[KOFN_ID_MAX];
    task t;
    s->config.jobs_max = 1; // the whole counts as one
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    submit(s, client, 1, &small, job);
    expect_task(worker, &t);
    assert_string_equal(t.head.job, job); // tasks are the whole's to everybody
    send_call(client, 3, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 3, &kofn_jobs_message, &jobs), KOFN_OK);
    const kofn_msg_job *at = jobs.jobs.at;
    assert_int_equal(jobs.jobs.count, 1);
    assert_string_equal(at[0].id, job);
    assert_int_equal(at[0].enough, 12);
    assert_int_equal(at[0].primes.count, 0);
    kofn_message_clear(&kofn_jobs_message, &jobs);
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.jobs_running, 1);
    assert_int_equal(health.jobs_queued, 0);
    task_fini(&t);
}

static void
the_account_grows_with_the_answers(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    char job[KOFN_ID_MAX];
    s->config.compute_threads = 1; // parts begin in order
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &small, job);
    double progress = 0;
    for (size_t i = 0; i < 12; i++) {
        task t;
        expect_task(worker, &t);
        fetch_account(client, job, &outcome);
        assert_string_equal(outcome.job.state, "running");
        assert_int_equal(outcome.job.answers, i);
        assert_int_equal(outcome.job.tasks_sent, i + 1);
        assert_int_equal(outcome.job.enough, 12);
        assert_false(outcome.job.decodable);
        assert_true(outcome.job.progress >= progress && outcome.job.progress < 1);
        progress = outcome.job.progress;
        const kofn_msg_prime *primes = outcome.job.primes.at;
        assert_int_equal(primes[0].answers + primes[1].answers + primes[2].answers, i);
        assert_string_equal(primes[0].state, i < 4 ? "running" : "done");
        kofn_message_clear(&kofn_outcome_message, &outcome);
        answer(s, worker, &t);
    }
    send_job_call(client, 2, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 2, &small, NULL);
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.jobs_done, 1);
    assert_int_equal(health.jobs_failed, 0);
}

static void
a_cancelled_whole_ends_its_parts(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    char job[KOFN_ID_MAX];
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    submit(s, client, 1, &small, job);
    for (size_t i = 0; i < 8; i++) { // of two primes
        expect_task(worker, &t);
        if (i == 0)
            answer(s, worker, &t);
        else
            task_fini(&t);
    }
    expect_task(worker, &t); // for the credit that the answer gave back
    task_fini(&t);
    for (uint64_t call = 10; call < 12; call++) { // the second time it changes nothing
        send_job_call(client, call, KOFN_METHOD_CANCEL, job);
        assert_int_equal(expect_reply(client, call, &kofn_outcome_message, &outcome), KOFN_OK);
        assert_string_equal(outcome.job.state, "cancelled");
        assert_int_equal(outcome.job.answers, 1);
        assert_int_equal(outcome.job.tasks_sent, 9);
        const kofn_msg_prime *primes = outcome.job.primes.at;
        assert_int_equal(outcome.job.primes.count, 3);
        for (size_t k = 0; k < 3; k++)
            assert_string_equal(primes[k].state, "cancelled");
        kofn_message_clear(&kofn_outcome_message, &outcome);
    }
    for (size_t i = 0; i < 8; i++) {
        kofn_msg_cancel cancel;
        expect(worker, &kofn_cancel_message, &cancel);
    }
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.memory_bytes, 0);
    assert_int_equal(health.jobs_running + health.jobs_queued, 0);
    assert_int_equal(health.jobs_failed, 1);
}

static void
check_any_moment(stage *s, const problem *what, uint64_t rounds)
{
    kofn_msg_outcome outcome;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 4; i++)
        (void)join_worker(s, "w", 2); // they take tasks and keep silent
    for (uint64_t i = 0; i < rounds; i++) {
        char id[KOFN_ID_MAX];
        submit(s, client, 2 * i, what, id);
        for (uint64_t n = 0; n < i % 9; n++)
            (void)check_health(client); // some time
        send_job_call(client, 2 * i + 1, KOFN_METHOD_CANCEL, id);
        assert_int_equal(expect_reply(client, 2 * i + 1, &kofn_outcome_message, &outcome), KOFN_OK);
        assert_string_equal(outcome.job.state, "cancelled");
        kofn_message_clear(&kofn_outcome_message, &outcome);
    }
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.memory_bytes, 0);
    assert_int_equal(health.jobs_running + health.jobs_queued, 0);
}

static void
a_whole_may_be_cancelled_at_any_moment(void **state)
{
    check_any_moment(*state, &large, 60);
}

static void
a_small_whole_may_be_cancelled_at_any_moment(void **state)
{
    check_any_moment(*state, &small, 100);
}

/* While the coders look at the operands, reduce them, or put the product together. */
static void
a_whole_may_be_abandoned_while_coders_have_it(void **state)
{
    stage *s = *state;
    s->config.compute_threads = 1;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *other = open_client(s, KOFN_WINDOW_BYTES);
    for (uint64_t i = 0; i < 6; i++) {
        peer *client = open_client(s, KOFN_WINDOW_BYTES);
        send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
        if (i % 2)
            answer_all(s, worker, &large);
        post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
        await_read(client);
        while (check_health(other).jobs_running + check_health(other).jobs_queued > 0)
            ;
        assert_int_equal(check_health(other).memory_bytes, 0);
        close_peer(client);
        close_peer(worker); // whatever it was sent
        worker = join_worker(s, "w", 1);
    }
}

static void
the_deadline_is_that_of_every_part(void **state)
{
    stage *s = *state;
    problem what = small;
    kofn_msg_outcome outcome;
    task t;
    what.timeout_ms = 800;
    s->config.compute_threads = 1; // parts begin in order
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    for (size_t i = 0; i < 5; i++) { // one prime, and one answer of the next
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    assert_int_equal(expect_reply(client, 1, &kofn_outcome_message, &outcome),
                     KOFN_DEADLINE_EXCEEDED);
    assert_string_equal(outcome.job.state, "failed");
    assert_int_equal(outcome.job.answers, 5);
    const kofn_msg_prime *primes = outcome.job.primes.at;
    assert_int_equal(outcome.job.primes.count, 3);
    assert_string_equal(primes[0].state, "done");
    assert_string_not_equal(primes[1].state, "running"); // whichever of the two was first
    assert_string_not_equal(primes[2].state, "running");
    kofn_message_clear(&kofn_outcome_message, &outcome);
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.memory_bytes, 0);
    assert_int_equal(health.jobs_failed, 1);
}

/* A part whose task fails wherever it goes ends the whole, which says which prime it was. */
static void
a_part_that_fails_fails_the_whole(void **state)
{
    stage *s = *state;
    problem what = small;
    kofn_msg_reply reply;
    what.family = "uncoded";
    what.tasks = 4;
    s->config.compute_threads = 1; // parts begin in order
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    for (size_t i = 0; i < 5; i++) {
        task t;
        expect_task(worker, &t);
        if (i < 4) {
            answer(s, worker, &t);
            continue;
        }
        kofn_msg_result head = {
            .assignment = t.head.assignment, .epoch = worker->epoch, .status = KOFN_INTERNAL};
        snprintf(head.message, sizeof head.message, "no luck");
        post(worker, &kofn_result_message, &head);
        task_fini(&t);
    }
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_UNAVAILABLE);
    assert_non_null(strstr(reply.message, "modulo 8388587: "));
    const kofn_msg_health health = check_health(client);
    assert_int_equal(health.memory_bytes, 0);
    assert_int_equal(health.jobs_running + health.jobs_queued, 0);
    assert_int_equal(health.jobs_failed, 1);
}

static void
a_lost_worker_is_made_good_in_every_part(void **state)
{
    stage *s = *state;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *lost = join_worker(s, "v", 18);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    for (size_t i = 0; i < 18; i++) {
        expect_task(lost, &t);
        task_fini(&t);
    }
    peer *worker = join_worker(s, "w", 1);
    post(lost, &kofn_bye_message, &(kofn_msg_bye){.reason = "test"});
    close_peer(lost);
    answer_all(s, worker, &small);
    expect_product(s, client, 1, &small, NULL);
}

/* ---- memory and stored operands -------------------------------------------------------------- */

static void
primes_beyond_the_memory_end_the_job(void **state)
{
    stage *s = *state;
    problem what = large;
    kofn_msg_reply reply;
    what.scale = 1;
    s->config.memory = 1500000; // some 1,000,000 with one prime, and 500,000 for each further one
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    check_product(s, client, worker, &what, NULL);
    what.scale = 0x1p40;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(reply.message, "3 primes"));
    assert_non_null(strstr(reply.message, "split the product")); // waiting would not help
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
stored_integers_are_coded_once(void **state)
{
    stage *s = *state;
    problem what = small;
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    kofn_msg_operands stored;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 1, &what, 0, id);
    what.operand[0] = id;
    for (uint64_t i = 0; i < 3; i++) {
        send_product(s, client, 2 + i, KOFN_METHOD_MULTIPLY, &what);
        answer_all(s, worker, &what);
        expect_product(s, client, 2 + i, &what, job);
        assert_int_equal(get_job(client, job).blocks_reused, i > 0 ? 12 : 0);
    }
    send_call(client, 9, KOFN_METHOD_LIST_OPERANDS, NULL, NULL);
    assert_int_equal(expect_reply(client, 9, &kofn_operands_message, &stored), KOFN_OK);
    const kofn_msg_operand *at = stored.operands.at;
    assert_int_equal(at[0].products, 3); // parts are not products
    assert_int_equal(at[0].jobs, 0);
    kofn_message_clear(&kofn_operands_message, &stored);
}

/* A^T A of one stored operand, dropped while the product is made. */
static void
check_gram(stage *s, const problem *like)
{
    problem what = *like;
    char id[KOFN_ID_MAX];
    task t;
    kofn_msg_outcome outcome;
    what.cols = what.rows;
    what.scale = 0x1p15; // of both: two primes
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 1, &what, 0, id);
    what.operand[0] = what.operand[1] = id;
    what.transpose_b = true;
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", id);
    send_call(client, 3, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
    answer(s, worker, &t);
    for (size_t i = 1; i < 2 * count_needed(&what); i++) {
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_int_equal(outcome.job.primes.count, 2);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    assert_int_equal(check_health(client).memory_bytes, 0);
    close_peer(client);
    close_peer(worker);
}

static void
one_stored_operand_may_be_both(void **state)
{
    stage_run(*state);
    check_gram(*state, &small);
    check_gram(*state, &large);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void
a_master_that_stops_finishes_products_of_integers(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    task t;
    s->config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    expect_task(worker, &t);
    kofn_master_stop(s->master);
    answer(s, worker, &t);
    for (size_t i = 1; i < 12; i++) {
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    assert_int_equal(expect_reply(client, 1, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

static void
check_stop(stage *s, const problem *what, bool wait_for_task)
{
    task t;
    s->config.grace_ns = 0;
    s->config.compute_threads = 1;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, what);
    if (wait_for_task) {
        expect_task(worker, &t);
        task_fini(&t);
    }
    (void)check_health(client); // the call has come
    kofn_master_stop(s->master);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_UNAVAILABLE);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

static void
products_of_integers_are_handed_back_when_the_grace_time_is_over(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        check_stop(*state, i % 2 ? &large : &small, i < 2);
        stage_teardown(state);
        stage_setup(state);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_product_is_put_together_from_one_for_each_prime),
        T(a_default_that_gives_way_is_logged_once_for_all_primes),
        T(integers_of_both_sizes_in_any_shape),
        T(products_without_elements_take_one_prime),
        T(large_products_are_worked_on_in_pieces),
        T(a_code_left_open_is_chosen_once_for_all_primes),
        T(a_product_beyond_64_bits_is_refused_and_not_wrapped),
        T(a_large_product_beyond_64_bits_likewise),
        T(parts_are_nobodys_to_find),
        T(the_account_grows_with_the_answers),
        T(a_cancelled_whole_ends_its_parts),
        T(a_whole_may_be_cancelled_at_any_moment),
        T(a_small_whole_may_be_cancelled_at_any_moment),
        T(a_whole_may_be_abandoned_while_coders_have_it),
        T(the_deadline_is_that_of_every_part),
        T(a_part_that_fails_fails_the_whole),
        T(a_lost_worker_is_made_good_in_every_part),
        T(primes_beyond_the_memory_end_the_job),
        T(stored_integers_are_coded_once),
        T(one_stored_operand_may_be_both),
        T(a_master_that_stops_finishes_products_of_integers),
        T(products_of_integers_are_handed_back_when_the_grace_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
