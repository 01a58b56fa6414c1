/* Jobs over finite fields in the master: elements that are none, answers that are none, and what is
 * kept from one job for the next. */
#include "tests/unit/master_stage.h"

/* By value: a test changes what it needs. LARGE is checked by a coder, SMALL at once. */
static const problem small = {.rows = 6,
                              .inner = 5,
                              .cols = 4,
                              .family = "polynomial",
                              .x = 2,
                              .z = 1,
                              .y = 2,
                              .tasks = 6,
                              .prime = 101};
static const problem large = {.rows = 300,
                              .inner = 60,
                              .cols = 280,
                              .family = "polynomial",
                              .x = 2,
                              .z = 1,
                              .y = 1,
                              .tasks = 3,
                              .prime = 101};

/* A Multiply whose tasks one worker answers until they suffice. */
static kofn_msg_job
multiply(stage *s, peer *client, peer *worker, const problem *what)
{
    char job[KOFN_ID_MAX];
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, what);
    for (size_t i = 0; i < what->x * what->z * what->y; i++) {
        task t;
        expect_task(worker, &t);
        assert_string_equal(t.head.a.dtype, "u32");
        answer(s, worker, &t);
    }
    expect_product(s, client, 1, what, job);
    return get_job(client, job);
}

static void
a_product_over_a_prime_field_is_exact_and_says_so(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    static const uint32_t primes[] = {101, 7, 65537};
    for (size_t i = 0; i < 3; i++) { // one spec in three fields: not one code
        problem what = small;
        char field[KOFN_FIELD_NAME_MAX];
        what.prime = primes[i];
        snprintf(field, sizeof field, "gfp:%u", what.prime);
        const kofn_msg_job job = multiply(s, client, worker, &what);
        assert_string_equal(job.field, field);
        assert_string_equal(job.error_kind, "exact");
        assert_true(job.error_bound == 0 && !job.nonfinite);
        assert_int_equal(job.answers_used, 4);
    }
}

static void
transposed_operands_are_multiplied_as_well(void **state)
{
    stage *s = *state;
    problem what = small;
    what.transpose_a = what.transpose_b = true;
    what.frame_rows = 2;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    (void)multiply(s, client, worker, &what);
}

/* The configured code does not fit the job, which has its code left open then. */
static void
check_left_open(stage *s, const kofn_code_spec *configured)
{
    problem what = small;
    char job[KOFN_ID_MAX];
    task t;
    what.family = NULL;
    what.x = what.z = what.y = what.tasks = 0;
    s->config.code = *configured;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &what, job);
    assert_string_equal(get_job(client, job).code.family, "uncoded"); // whole, as small products go
}

static void
a_default_code_of_the_reals_is_none_of_a_finite_field(void **state)
{
    const kofn_code_spec rkrp = {.family = "rkrp", .part = {2, 1, 2}, .tasks = 6};
    check_left_open(*state, &rkrp);
}

static void
a_default_code_of_batches_is_none_of_a_product(void **state)
{
    const kofn_code_spec lagrange = {.family = "lagrange"};
    check_left_open(*state, &lagrange);
}

static void
a_default_code_that_a_finite_field_has_is_taken(void **state)
{
    stage *s = *state;
    problem what = small;
    s->config.code = (kofn_code_spec){.family = "matdot", .part = {1, 3, 1}, .tasks = 7};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    what.family = NULL;
    what.x = what.z = what.y = what.tasks = 0;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    for (size_t i = 0; i < 5; i++) { // 2 z - 1
        task t;
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    expect_product(s, client, 1, &what, NULL);
}

/* The code is left open: it is chosen once there is a worker to compute in the field, for that
 * one. */
static void
a_job_waits_for_a_worker_that_computes_in_its_field(void **state)
{
    stage *s = *state;
    problem what = small;
    task t;
    what.family = NULL;
    what.x = what.z = what.y = what.tasks = 0;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker_of(s, "reals", 2, "f64,f32");
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    (void)join_worker_of(s, "more", 2, "f64,later");
    peer *worker = join_worker_of(s, "able", 1, "gfp");
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &what, NULL);
}

/* ---- operands -------------------------------------------------------------------------------- */

static void
expect_refusal(peer *client, uint64_t call, const char *hint)
{
    kofn_msg_reply reply;
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.call, call);
    assert_int_equal(reply.status, KOFN_INVALID_ARGUMENT);
    if (!strstr(reply.message, hint))
        fail_msg("'%s' does not say '%s'", reply.message, hint);
}

static void
an_element_outside_of_the_field_is_named_and_nothing_is_sent(void **state)
{
    static const char *const hints[2][2] = {
        {"A: element (5, 4) is 101, not in field gfp:101, whose largest is 100",
         "B: element (4, 3) is 101, not in field gfp:101, whose largest is 100"},
        {"A: element (299, 59) is 101, not in field gfp:101",
         "B: element (59, 279) is 101, not in field gfp:101"},
    };
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < 4; i++) {
        problem what = i / 2 == 0 ? small : large;
        what.foreign[i % 2] = true;
        send_product(s, client, i + 2, KOFN_METHOD_MULTIPLY, &what);
        expect_refusal(client, i + 2, hints[i / 2][i % 2]);
    }
    (void)multiply(s, client, worker, &small); // whose task is the first that the worker sees
    assert_int_equal(check_health(client).jobs_failed, 4);
}

static void
where_nothing_is_rounded_no_best_estimate_can_be_had(void **state)
{
    stage *s = *state;
    problem what = small;
    what.deadline_best = true;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &what);
    expect_refusal(client, 2, "deadline_best: nothing is rounded in field gfp:101");
    what.prime = 0;
    what.integers = KOFN_I32;
    send_product(s, client, 3, KOFN_METHOD_MULTIPLY, &what);
    expect_refusal(client, 3, "deadline_best: nothing is rounded");
    assert_int_equal(check_health(client).jobs_failed, 0); // they never were jobs
}

static void
a_submitted_job_fails_with_the_element(void **state)
{
    stage *s = *state;
    problem what = large;
    char job[KOFN_ID_MAX];
    what.foreign[1] = true;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker(s, "w", 1);
    submit(s, client, 1, &what, job);
    await_state(client, job, "failed");
    const kofn_msg_job account = get_job(client, job);
    assert_int_equal(account.status, KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(account.message, "B: element (59, 279)"));
}

static void
a_job_may_be_abandoned_while_its_elements_are_looked_at(void **state)
{
    stage *s = *state;
    problem what = large;
    what.foreign[1] = true;
    s->config.compute_threads = 1;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (uint64_t i = 0; i < 20; i++) {
        what.foreign[1] = i % 2;
        send_product(s, client, i + 10, KOFN_METHOD_MULTIPLY, &what);
        post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = i + 10});
    }
    await_read(client);
    close_peer(worker); // whatever it was sent
    worker = join_worker(s, "v", 1);
    peer *other = open_client(s, KOFN_WINDOW_BYTES);
    while (check_health(other).jobs_running + check_health(other).jobs_queued > 0)
        ;
    (void)multiply(s, other, worker, &small);
}

static void
more_tasks_than_the_field_has_points_are_refused_with_one_that_has_them(void **state)
{
    stage *s = *state;
    problem what = small;
    what.prime = 5;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_head(client, 1, KOFN_METHOD_MULTIPLY, &what); // before any block
    expect_refusal(client, 1, "gfp:7");
}

/* ---- stored operands ------------------------------------------------------------------------- */

static void
coded_blocks_are_found_again_in_their_own_field_only(void **state)
{
    static const struct {
        uint32_t prime;
        bool reused;
    } products[] = {{101, false}, {103, false}, {101, true}, {103, true}};
    stage *s = *state;
    problem what = small;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 2, &what, 0, id); // the same numbers in all of these fields
    what.operand[0] = id;
    for (size_t i = 0; i < 4; i++) { // and the same coefficients
        what.prime = products[i].prime;
        assert_int_equal(multiply(s, client, worker, &what).blocks_reused > 0, products[i].reused);
    }
}

static void
what_is_known_of_a_stored_operand_is_of_the_field(void **state)
{
    static const struct {
        uint32_t prime;
        bool fits;
    } products[] = {{101, false}, {103, true}, {101, false}, {107, true}, {103, true}};
    stage *s = *state;
    problem what = small;
    char id[KOFN_ID_MAX], other[KOFN_ID_MAX];
    what.family = "uncoded";
    what.x = what.y = what.tasks = 1;
    what.foreign[0] = true;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 1, &what, 0, id);
    put_operand(s, client, 1, &what, 1, other);
    what.operand[0] = id;
    what.operand[1] = other;
    for (size_t i = 0; i < 5; i++) {
        kofn_msg_reply reply;
        task t;
        what.prime = products[i].prime;
        send_product(s, client, 2 + i, KOFN_METHOD_MULTIPLY, &what);
        if (products[i].fits) {
            expect_task(worker, &t);
            answer(s, worker, &t);
        }
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, products[i].fits ? KOFN_OK : KOFN_INVALID_ARGUMENT);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The worker answers its first task with the prime everywhere, or says that it is so. */
static void
check_foreign_answer(stage *s, const problem *what, bool says)
{
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    kofn_msg_workers workers = {0};
    char job[KOFN_ID_MAX];
    task t;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, what);
    expect_task(worker, &t);
    kofn_msg_result head = result_of(worker, &t);
    head.nonfinite = says;
    answer_filled(s, worker, &head, says ? 0 : what->prime);
    task_fini(&t);
    for (size_t i = 0; i < what->x * what->y; i++) {
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    expect_product(s, client, 1, what, job);
    assert_false(get_job(client, job).nonfinite);
    send_call(client, 2, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
    assert_int_equal(expect_reply(client, 2, &kofn_workers_message, &workers), KOFN_OK);
    const kofn_msg_worker *at = workers.workers.at;
    assert_int_equal(workers.workers.count, 1);
    assert_int_equal(at[0].tasks_failed, 1);
    kofn_message_clear(&kofn_workers_message, &workers);
}

static void
an_answer_outside_of_the_field_fails_its_task(void **state)
{
    stage_run(*state);
    check_foreign_answer(*state, &small, false);
}

static void
a_large_answer_outside_of_the_field_fails_its_task(void **state)
{
    stage_run(*state);
    check_foreign_answer(*state, &large, false);
}

static void
an_answer_that_is_said_to_be_foreign_fails_its_task(void **state)
{
    stage_run(*state);
    check_foreign_answer(*state, &large, true);
}

/* Its check ends for nobody: the job is over, or the worker is. */
static void
what_is_looked_at_may_be_wanted_no_more(void **state)
{
    stage *s = *state;
    s->config.compute_threads = 1;
    stage_run(s);
    for (uint64_t i = 0; i < 4; i++) {
        peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 3);
        task t;
        send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
        for (size_t k = 0; k < 3; k++) {
            expect_task(worker, &t);
            answer(s, worker, &t);
        }
        if (i % 2) // else two suffice, and the third may be under its check
            post(worker, &kofn_bye_message, &(kofn_msg_bye){.reason = "test"});
        expect_product(s, client, 1, &large, NULL);
        if (!(i % 2))
            post(worker, &kofn_bye_message, &(kofn_msg_bye){.reason = "test"});
        close_peer(client);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_product_over_a_prime_field_is_exact_and_says_so),
        T(a_job_waits_for_a_worker_that_computes_in_its_field),
        T(transposed_operands_are_multiplied_as_well),
        T(a_default_code_of_the_reals_is_none_of_a_finite_field),
        T(a_default_code_of_batches_is_none_of_a_product),
        T(a_default_code_that_a_finite_field_has_is_taken),
        T(an_element_outside_of_the_field_is_named_and_nothing_is_sent),
        T(where_nothing_is_rounded_no_best_estimate_can_be_had),
        T(a_submitted_job_fails_with_the_element),
        T(a_job_may_be_abandoned_while_its_elements_are_looked_at),
        T(more_tasks_than_the_field_has_points_are_refused_with_one_that_has_them),
        T(coded_blocks_are_found_again_in_their_own_field_only),
        T(what_is_known_of_a_stored_operand_is_of_the_field),
        T(an_answer_outside_of_the_field_fails_its_task),
        T(a_large_answer_outside_of_the_field_fails_its_task),
        T(an_answer_that_is_said_to_be_foreign_fails_its_task),
        T(what_is_looked_at_may_be_wanted_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
