/* Wrong answers in the master: who gave one, what it gets, and what becomes of an order that says
 * nothing of how it is to be verified. Workers are real in test_live_liars. */
#include "tests/unit/master_stage.h"

#include "master/verify.h"

#include <math.h>

static const problem whole = {.rows = 6, .inner = 4, .cols = 3, .policy = "oneshot"};

/* As the master lists it; state "" where it does not. */
static kofn_msg_worker
get_worker(peer *client, const char *name)
{
    kofn_msg_workers workers;
    kofn_msg_worker found = {.state = ""};
    send_call(client, 700, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
    assert_int_equal(expect_reply(client, 700, &kofn_workers_message, &workers), KOFN_OK);
    const kofn_msg_worker *at = workers.workers.at;
    for (size_t i = 0; i < workers.workers.count; i++)
        if (strcmp(at[i].name, name) == 0)
            found = at[i];
    kofn_message_clear(&kofn_workers_message, &workers);
    return found;
}

/* It is given a task, and gives no answer yet. */
static kofn_msg_result
take_task(peer *worker)
{
    task t;
    expect_task(worker, &t);
    const kofn_msg_result head = result_of(worker, &t);
    task_fini(&t);
    return head;
}

/* What it has is taken back when it was found to lie. */
static void
lie(stage *s, peer *worker, const kofn_msg_result *head)
{
    kofn_msg_cancel cancel;
    answer_filled(s, worker, head, 12345);
    expect(worker, &kofn_cancel_message, &cancel);
    assert_int_equal(cancel.assignment, head->assignment);
}

static void
do_task(stage *s, peer *worker)
{
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
}

static void
when_all_workers_are_in_quarantine_health_says_so(void **state)
{
    stage *s = *state;
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    const kofn_msg_result head = take_task(liar);
    lie(s, liar, &head);
    const kofn_msg_health health = check_health(client);
    assert_string_equal(health.status, "NOT_SERVING");
    assert_non_null(strstr(health.why, "quarantine"));
    assert_int_equal(health.workers, 0);
    const kofn_msg_worker listed = get_worker(client, "liar");
    assert_string_equal(listed.state, "quarantined");
    assert_in_range(listed.quarantine_ms, 3500000, 3600000); // an hour, by default
    peer *good = join_worker(s, "good", 1);
    assert_string_equal(check_health(client).status, "SERVING");
    assert_int_equal(get_worker(client, "good").quarantine_ms, 0);
    do_task(s, good);
    expect_product(s, client, 1, &whole, NULL);
}

/* So that the master learns what it kept. */
static void
whose_quarantine_is_over_says_hello_again(void **state)
{
    stage *s = *state;
    kofn_msg_refuse refuse;
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    s->config.quarantine_ns = KOFN_NS_PER_MS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    const kofn_msg_result head = take_task(liar);
    lie(s, liar, &head);
    expect(liar, &kofn_refuse_message, &refuse);
    assert_int_equal(refuse.status, KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(refuse.message, "hello"));
    peer *again = join_worker(s, "liar", 1);
    do_task(s, again);
    expect_product(s, client, 1, &whole, NULL);
}

/* Whether it said so before it was found out or after: it finishes nothing, and gets nothing any
 * more when its time is over, which is long before it is gone. */
static void
who_leaves_is_not_let_in_again_by_the_end_of_its_quarantine(void **state)
{
    static const int64_t quarantines_ms[] = {1, 500};
    for (size_t i = 0; i < 2; i++) {
        stage *s = *state;
        const kofn_msg_bye bye = {.reason = "test"};
        kofn_msg_worker listed;
        s->config.verify = KOFN_VERIFY_FREIVALDS;
        s->config.quarantine_ns = quarantines_ms[i] * KOFN_NS_PER_MS;
        stage_run(s);
        peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 1);
        send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
        const kofn_msg_result head = take_task(liar);
        if (i == 0)
            post(liar, &kofn_bye_message, &bye);
        lie(s, liar, &head);
        if (i == 1)
            post(liar, &kofn_bye_message, &bye);
        do // beats of 50 ms go by
            listed = get_worker(client, "liar");
        while (listed.silent_ms < (uint64_t)quarantines_ms[i] + 200);
        assert_string_equal(listed.state, "leaving");
        assert_int_equal(listed.quarantine_ms, 0);
        peer *good = join_worker(s, "good", 1);
        do_task(s, good);
        expect_product(s, client, 1, &whole, NULL);
        stage_teardown(state);
        stage_setup(state);
    }
}

/* Answers of 160 KiB, which compute threads look at. */
static const problem large = {.rows = 200,
                              .inner = 60,
                              .cols = 200,
                              .family = "uncoded",
                              .x = 2,
                              .z = 1,
                              .y = 1,
                              .tasks = 2,
                              .policy = "oneshot"};

/* The second answer may come before the first is found to be wrong, or after. */
static void
a_liar_whose_next_answer_is_being_looked_at_is_out(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    kofn_msg_result head[2];
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 2);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
    for (size_t i = 0; i < 2; i++)
        head[i] = take_task(liar);
    for (size_t i = 0; i < 2; i++)
        answer_filled(s, liar, &head[i], 12345);
    peer *good = join_worker(s, "good", 2);
    do_task(s, good);
    do_task(s, good);
    expect_product(s, client, 1, &large, job);
    const kofn_msg_job account = get_job(client, job);
    assert_string_equal(account.liars, "liar");
    assert_in_range(account.refuted, 1, 2);
    assert_int_equal(account.workers, 2);
}

static void
a_job_is_cancelled_while_its_answers_are_looked_at(void **state)
{
    stage *s = *state;
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    s->config.compute_threads = 1;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    task t[8];
    char job[4][KOFN_ID_MAX];
    for (uint64_t i = 0; i < 4; i++)
        submit(s, client, i + 1, &large, job[i]);
    for (size_t i = 0; i < 8; i++)
        expect_task(worker, &t[i]);
    for (size_t i = 0; i < 8; i++)
        answer(s, worker, &t[i]);
    for (size_t i = 0; i < 4; i++) { // the last ones' checks wait for the first ones'
        kofn_msg_outcome outcome;
        send_job_call(client, 800, KOFN_METHOD_CANCEL, job[i]);
        assert_int_equal(expect_reply(client, 800, &kofn_outcome_message, &outcome), KOFN_OK);
        kofn_message_clear(&kofn_outcome_message, &outcome);
    }
    const kofn_msg_worker listed = get_worker(client, "w");
    assert_string_equal(listed.state, "idle");
}

static kofn_msg_job
get_running(stage *s, const problem *what)
{
    char job[KOFN_ID_MAX];
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, what, job);
    await_state(client, job, "running");
    return get_job(client, job);
}

/* Nobody asked for parity, so nobody is to be refused for it. */
static void
a_default_that_cannot_be_had_gives_way(void **state)
{
    stage *s = *state;
    const problem enough = {.rows = 6,
                            .inner = 4,
                            .cols = 3,
                            .family = "polynomial",
                            .x = 2,
                            .z = 1,
                            .y = 1,
                            .tasks = 4};
    problem too_few = enough, estimated = enough, likely = enough;
    too_few.tasks = 3;
    estimated.deadline_best = true;
    estimated.timeout_ms = 3600000;
    likely.family = "alloy_global"; // most sets of two random rows, not any
    likely.prime = 11;
    likely.tasks = 6;
    s->config.verify = KOFN_VERIFY_PARITY;
    stage_run(s);
    for (size_t i = 0; i < 4; i++) {
        char name[8];
        const bool few = i > 0; // none may be any number
        assert_string_equal(get_running(s, &enough).verify, few ? "freivalds" : "parity");
        (void)snprintf(name, sizeof name, "w%zu", i);
        (void)join_worker(s, name, 1);
    }
    assert_string_equal(get_running(s, &enough).verify, "parity");
    assert_int_equal(get_running(s, &enough).enough, 4);
    const problem *const others[] = {&too_few, &estimated, &likely};
    for (size_t i = 0; i < 3; i++) {
        const kofn_msg_job job = get_running(s, others[i]);
        assert_string_equal(job.verify, "freivalds");
        assert_int_equal(job.enough, 2);
    }
}

/* Where products may overflow any answer is as good as another: so is nothing known of them. */
static void
answers_of_which_nothing_is_known_are_counted(void **state)
{
    stage *s = *state;
    problem huge = whole;
    char job[KOFN_ID_MAX];
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    submit(s, client, 1, &huge, job);
    do_task(s, worker);
    await_state(client, job, "done");
    assert_int_equal(get_job(client, job).unchecked, 0);
    assert_true(isfinite(get_job(client, job).error_bound));
    huge.scale = 1e307;
    submit(s, client, 2, &huge, job);
    const kofn_msg_result head = take_task(worker);
    answer_filled(s, worker, &head, 12345); // or whatever else
    await_state(client, job, "done");
    const kofn_msg_job account = get_job(client, job);
    assert_string_equal(account.verify, "freivalds");
    assert_int_equal(account.unchecked, 1);
    assert_int_equal(account.refuted, 0);
    assert_true(isinf(account.error_bound));
}

/* 7, of |A| |B| = sqrt(46) sqrt(26). What is too small to be refused is told all the same, and who
 * did not lie is not held for one that might have, nor for one that rounds as badly as anybody
 * could. */
static void
a_lie_that_passes_is_in_the_bound_and_no_other(void **state)
{
    stage *s = *state;
    const problem single = {.rows = 1, .inner = 4, .cols = 1, .policy = "oneshot", .single = true};
    const double scale = sqrt(46) * sqrt(26), wrong = 5e-7 * scale;
    char job[KOFN_ID_MAX];
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (int lies = 0; lies < 2; lies++) {
        submit(s, client, 1 + (uint64_t)lies, &single, job);
        const kofn_msg_result head = take_task(worker);
        answer_filled(s, worker, &head, 7 + lies * wrong);
        await_state(client, job, "done");
        const kofn_msg_job account = get_job(client, job);
        assert_int_equal(account.refuted, 0);
        if (lies)
            assert_true(account.error_bound >= 5e-7 && account.error_bound < 1e-3);
        else
            assert_true(account.error_bound < 1e-10);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(when_all_workers_are_in_quarantine_health_says_so),
        T(whose_quarantine_is_over_says_hello_again),
        T(who_leaves_is_not_let_in_again_by_the_end_of_its_quarantine),
        T(a_liar_whose_next_answer_is_being_looked_at_is_out),
        T(a_job_is_cancelled_while_its_answers_are_looked_at),
        T(a_default_that_cannot_be_had_gives_way),
        T(answers_of_which_nothing_is_known_are_counted),
        T(a_lie_that_passes_is_in_the_bound_and_no_other),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
