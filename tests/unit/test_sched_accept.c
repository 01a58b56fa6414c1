/* What ends a job: promises, errors, deadlines, and the time to settle. */
#include "tests/unit/sched_rig.h"

/* An approximate MatDot code by hand: z parts of the inner dimension and small points, so that any
 * z answers give the product but for an error of the points' size, and any 2 z - 1 give it. */
static kofn_code *
near_code_within(size_t z, size_t tasks, double radius)
{
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_partition part = {1, z, 1};
    assert_ok(kofn_code_alloc("near", kofn_field_find("f64"), part, tasks, &code, &error));
    for (size_t i = 0; i < tasks; i++) {
        const double t = radius * (i % 2 ? -1.0 : 1.0) * (double)(i + 2) / (double)tasks;
        for (size_t j = 0; j < z; j++) {
            code->e[0].at[i * z + j] = pow(t, (double)j);
            code->e[1].at[i * z + j] = pow(t, (double)(z - 1 - j));
        }
    }
    code->threshold = 2 * z - 1;
    code->enough = z;
    kofn_code_seal(code);
    return code;
}

static kofn_code *
near_code(size_t z, size_t tasks)
{
    return near_code_within(z, tasks, 0.01);
}

static void
add_near(rig *r, uint64_t job, size_t z, size_t tasks)
{
    add_code(r, job, "oneshot", near_code(z, tasks));
}

/* The best bound that the first `answers` tasks of the code give. */
static double
bound_of(kofn_code *code, double noise, size_t answers)
{
    kofn_error error;
    kofn_decoder *decoder = NULL;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_new(code, 0, &decoder, &error));
    for (size_t task = 0; task < answers; task++)
        assert_ok(kofn_decoder_add(decoder, task, &error));
    assert_ok(kofn_decoder_estimate(decoder, noise, &plan, &error));
    const double bound = plan.truncation + plan.rounding;
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&decoder);
    return bound;
}

static double
near_bound(size_t z, size_t tasks, size_t answers)
{
    kofn_code *code = near_code(z, tasks);
    const double bound = bound_of(code, 0x1p-46, answers);
    kofn_code_destroy(&code);
    return bound;
}

/* Five workers with a task each of a job that any 3 answers estimate and any 5 give. */
static void
start_five(rig *r)
{
    join_many(r, 5);
    add_near(r, 1, 3, 5);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
}

/* ---- what the family promises ---------------------------------------------------------------- */

static void
an_approximate_job_ends_with_the_answers_that_are_promised_to_do(void **state)
{
    kofn_sched_job_view view;
    rig *r = *state;
    start_five(r);
    answer(r, 1, 0, 1);
    answer(r, 1, 4, 5);
    assert_actions(r, "");
    assert_true(kofn_sched_get_job(r->sched, 1, &view));
    assert_false(view.decodable);
    answer(r, 1, 2, 3);
    assert_actions(r, "cancel 1.1>2, cancel 1.3>4, decode 1 estimate");
    assert_true(kofn_sched_get_job(r->sched, 1, &view));
    assert_true(view.decodable);
}

static void
a_job_that_accepts_only_the_product_waits_for_it(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_EXACT, .settle_ns = KOFN_NS_PER_S};
    start_five(r);
    for (size_t task = 0; task < 4; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    answer(r, 1, 4, 5);
    assert_actions(r, "decode 1");
}

/* Points so small that three answers look like the product to the decoder, badly conditioned. */
static void
what_only_comes_near_to_the_product_is_not_accepted_for_it(void **state)
{
    rig *r = *state;
    r->accept.kind = KOFN_ACCEPT_EXACT;
    join_many(r, 5);
    add_code(r, 1, "oneshot", near_code_within(3, 5, 1e-5));
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    for (size_t task = 0; task < 4; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    assert_int_equal(kofn_decoder_get_state(kofn_sched_job_get_decoder(r->sched, 1)),
                     KOFN_DECODE_POOR);
    answer(r, 1, 4, 5);
    assert_actions(r, "decode 1 poor");
}

/* Three of five will do: the fifth worker's task is replaced only once fewer are left. */
static void
lost_work_is_replaced_only_where_the_promise_needs_it(void **state)
{
    rig *r = *state;
    start_five(r);
    lose(r, 1);
    lose(r, 2);
    answer(r, 1, 2, 3);
    assert_actions(r, ""); // one is here and two are out
    lose(r, 4);
    join(r, 6);
    assert_actions(r, "send 1.0>6"); // one more makes three, though worker 3 is free
    answer(r, 1, 4, 5);
    answer(r, 1, 0, 6);
    assert_actions(r, "decode 1 estimate");
}

/* ---- time to settle -------------------------------------------------------------------------- */

static void
start_settling(rig *r)
{
    r->accept.settle_ns = 50 * KOFN_NS_PER_MS;
    start_five(r);
    at(r, 20);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    assert_actions(r, "");
    answer(r, 1, 2, 3);
}

static void
a_settling_job_that_gets_the_exact_set_is_decoded_exactly(void **state)
{
    kofn_sched_job_view view;
    rig *r = *state;
    start_settling(r);
    assert_actions(r, "");
    assert_true(kofn_sched_get_job(r->sched, 1, &view));
    assert_true(view.decodable);
    at(r, 60);
    answer(r, 1, 3, 4);
    assert_actions(r, "");
    at(r, 69);
    answer(r, 1, 4, 5);
    assert_actions(r, "decode 1 waited");
}

static void
a_settling_job_ends_with_the_estimate_when_its_time_is_over(void **state)
{
    rig *r = *state;
    start_settling(r);
    answer(r, 1, 4, 5);
    assert_actions(r, "");
    at(r, 69);
    assert_actions(r, "");
    assert_true(kofn_sched_next_tick(r->sched) == 70 * KOFN_NS_PER_MS);
    at(r, 70);
    assert_actions(r, "cancel 1.3>4, decode 1 estimate waited");
}

static void
a_settling_job_ends_at_once_when_the_product_cannot_come_any_more(void **state)
{
    rig *r = *state;
    start_settling(r);
    assert_actions(r, "");
    lose(r, 4);
    assert_actions(r, "cancel 1.4>5, decode 1 estimate waited");
}

static void
a_job_does_not_settle_for_a_product_that_cannot_come(void **state)
{
    rig *r = *state;
    r->accept.settle_ns = KOFN_NS_PER_S;
    start_five(r);
    lose(r, 4);
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "cancel 1.4>5, decode 1 estimate");
}

static void
a_settling_job_ends_with_the_estimate_at_its_deadline(void **state)
{
    rig *r = *state;
    r->accept.settle_ns = KOFN_NS_PER_S;
    r->deadline_ns = 30 * KOFN_NS_PER_MS;
    start_five(r);
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    at(r, 30);
    assert_actions(r, "cancel 1.3>4, cancel 1.4>5, decode 1 estimate waited");
}

static void
a_settling_job_goes_on_sending(void **state)
{
    rig *r = *state;
    r->accept.settle_ns = KOFN_NS_PER_S;
    join(r, 1);
    add_near(r, 1, 2, 3);
    assert_actions(r, "send 1.0>1");
    answer(r, 1, 0, 1);
    assert_actions(r, "send 1.1>1");
    answer(r, 1, 1, 1);
    assert_actions(r, "send 1.2>1"); // two would do
    answer(r, 1, 2, 1);
    assert_actions(r, "decode 1 waited");
}

static void
a_settling_job_may_be_cancelled(void **state)
{
    rig *r = *state;
    start_settling(r);
    assert_actions(r, "");
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "cancel 1.3>4, cancel 1.4>5, fail 1 CANCELLED");
}

/* Task 0 fails on workers 1 and 6, and on 7 while the job settles. */
static void
a_settling_job_does_without_a_task_that_fails_everywhere(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 0.5, .settle_ns = KOFN_NS_PER_S};
    start_five(r);
    break_down(r, 1, 0, 1, "no");
    assert_actions(r, "");
    join(r, 6);
    assert_actions(r, "send 1.0>6");
    break_down(r, 1, 0, 6, "no");
    join(r, 7);
    assert_actions(r, "send 1.0>7");
    for (size_t task = 1; task <= 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    break_down(r, 1, 0, 7, "no");
    assert_actions(r, "cancel 1.4>5, decode 1 estimate waited");
}

/* Task 0 has killed three workers; then the others' answers come within the error. */
static void
a_settling_job_ends_with_the_estimate_when_the_rest_kills(void **state)
{
    rig *r = *state;
    r->accept =
        (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 0.5, .settle_ns = 60 * KOFN_NS_PER_S};
    start_five(r);
    kofn_sched_worker_die(r->sched, r->now_ns, 1);
    join(r, 6);
    assert_actions(r, "send 1.0>6");
    kofn_sched_worker_die(r->sched, r->now_ns, 6);
    join(r, 7);
    assert_actions(r, "send 1.0>7");
    kofn_sched_worker_die(r->sched, r->now_ns, 7);
    assert_actions(r, "");
    for (size_t task = 1; task <= 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    at(r, 60 * 1000 - 1); // when what is out would still be waited for
    assert_actions(r, "cancel 1.4>5, decode 1 estimate waited");
}

/* ---- an error -------------------------------------------------------------------------------- */

static void
expect_end_within(size_t answers)
{
    rig r;
    rig_init(&r);
    r.accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = near_bound(3, 5, answers)};
    kofn_sched_job_view view;
    start_five(&r);
    for (size_t task = 0; task + 1 < answers; task++) {
        answer(&r, 1, task, task + 1);
        assert_actions(&r, "");
        assert_true(kofn_sched_get_job(r.sched, 1, &view));
        assert_true(view.bound > r.accept.error); // the way is shown
    }
    answer(&r, 1, answers - 1, answers);
    assert_actions(&r, answers == 3   ? "cancel 1.3>4, cancel 1.4>5, decode 1 estimate"
                       : answers == 4 ? "cancel 1.4>5, decode 1 estimate"
                                      : "decode 1 estimate");
    rig_fini(&r);
}

/* Three answers leave an error of the points' size, four of its square; all five are decodable, but
 * badly: the points are near each other. */
static void
a_job_ends_with_the_first_answers_within_the_error(void **state)
{
    (void)state;
    assert_true(near_bound(3, 5, 4) < 0.1 * near_bound(3, 5, 3));
    expect_end_within(3);
    expect_end_within(4);
}

static void
an_error_that_the_product_meets_is_met_by_the_product(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 1e-6};
    join_many(r, 4);
    add(r, 1, "polynomial", 2, 4, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
    answer(r, 1, 3, 4);
    assert_actions(r, "");
    answer(r, 1, 1, 2);
    assert_actions(r, "cancel 1.0>1, cancel 1.2>3, decode 1");
}

/* Rows of random numbers, of which the first three are poor, and a fourth makes the product
 * better. */
static kofn_code *
random_code(void)
{
    kofn_error error;
    kofn_code_spec spec = {
        .family = "rkrp", .part = {3, 1, 1}, .tasks = 5, .has_seed = true, .seed = 9};
    assert_ok(kofn_code_spec_set(&spec, "systematic", "no", &error));
    return rig_build(&spec);
}

/* The answers are so rough that one more, which the product does not need, makes it better; and
 * what was lost is wanted again. */
static void
a_product_that_is_not_within_the_error_goes_on(void **state)
{
    kofn_sched_job_view view;
    rig *r = *state;
    r->noise = 1e-3;
    kofn_code *code = random_code();
    const double three = bound_of(code, r->noise, 3), four = bound_of(code, r->noise, 4);
    kofn_code_destroy(&code);
    assert_true(four < three);
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = (three + four) / 2};
    join_many(r, 3);
    add_code(r, 1, "oneshot", random_code());
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    for (size_t task = 0; task < 2; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "send 1.3>1, send 1.4>2");
    lose(r, 1);
    lose(r, 2);
    assert_actions(r, ""); // three will be there: that may be enough
    answer(r, 1, 2, 3);
    assert_true(kofn_sched_get_job(r->sched, 1, &view));
    assert_true(view.bound >= three * 0.999 && !view.decodable);
    assert_actions(r, "send 1.3>3"); // it was not
    answer(r, 1, 3, 3);
    assert_actions(r, "decode 1 estimate");
}

static void
an_error_that_no_answers_reach_fails_the_job(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 1e-30};
    start_five(r);
    for (size_t task = 0; task < 5; task++) {
        assert_actions(r, "");
        answer(r, 1, task, task + 1);
    }
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
    assert_non_null(strstr(r->last.error.text, "1e-30"));
}

static void
a_job_within_an_error_settles_for_the_product_too(void **state)
{
    rig *r = *state;
    r->accept =
        (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 0.5, .settle_ns = 10 * KOFN_NS_PER_MS};
    start_five(r);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    answer(r, 1, 2, 3);
    assert_actions(r, "");
    at(r, 10);
    assert_actions(r, "cancel 1.3>4, cancel 1.4>5, decode 1 estimate waited");
}

/* A look at this code is too dear from the 19th answer on, and taken by a trial; and before the 9th
 * the bound cannot hold: 3.93^2 < (256 - 8) / 16. */
static void
dear_looks_are_taken_when_the_answers_have_doubled(void **state)
{
    kofn_sched_job_view view;
    rig *r = *state;
    r->noise = 1e-6;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 3.93}; // of 4 at most
    join_many(r, 70);
    add_code(r, 1, "oneshot", rig_code("polynomial", 16, 16, 300));
    for (kofn_action action; kofn_sched_next_action(r->sched, &action);)
        r->sends[r->send_count++] = action;
    double before = 0;
    for (size_t kept = 1; kept <= 70; kept++) {
        const kofn_action *sent = &r->sends[kept - 1];
        (void)kofn_sched_answer(r->sched, 0, sent->worker, sent->assignment);
        bool tried = false;
        for (kofn_action a; kofn_sched_next_action(r->sched, &a);)
            if (a.kind == KOFN_ACTION_TRY) {
                kofn_trial_run(a.trial);
                kofn_sched_job_tried(r->sched, 0, 1, &a.trial);
                tried = true;
            } else {
                assert_int_equal(a.kind, KOFN_ACTION_SEND); // also while it is out
            }
        assert_int_equal(tried, kept == 36);
        assert_true(kofn_sched_get_job(r->sched, 1, &view));
        assert_false(view.decodable);
        assert_int_equal(view.bound != before, (kept >= 9 && kept <= 18) || kept == 36);
        before = view.bound;
    }
}

/* ---- the best there is ----------------------------------------------------------------------- */

static void
with_best_a_deadline_ends_with_the_best_estimate(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_EXACT, .best = true};
    r->deadline_ns = 30 * KOFN_NS_PER_MS;
    start_five(r);
    answer(r, 1, 3, 4);
    at(r, 30);
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.2>3, cancel 1.4>5, decode 1 estimate");
}

static void
without_any_answer_there_is_no_best(void **state)
{
    rig *r = *state;
    r->accept.best = true;
    r->deadline_ns = 30 * KOFN_NS_PER_MS;
    add(r, 1, "uncoded", 2, 2, "oneshot");
    at(r, 30);
    assert_actions(r, "fail 1 DEADLINE_EXCEEDED");
}

static void
without_best_a_deadline_fails_whatever_came(void **state)
{
    rig *r = *state;
    r->deadline_ns = 30 * KOFN_NS_PER_MS;
    start_five(r);
    answer(r, 1, 3, 4);
    answer(r, 1, 2, 3);
    at(r, 30);
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.4>5, fail 1 DEADLINE_EXCEEDED");
    assert_non_null(strstr(r->last.error.text, "any 3 suffice"));
}

static void
with_best_a_job_without_hope_ends_with_the_best_estimate(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 1e-30, .best = true};
    start_five(r);
    for (size_t task = 0; task < 5; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "decode 1 estimate");
}

/* Task 0 fails on every worker; what worker 2 has may still come. */
static void
with_best_a_failing_task_ends_the_job_only_when_nothing_more_can_come(void **state)
{
    rig *r = *state;
    r->accept.best = true;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    answer(r, 1, 2, 3);
    break_down(r, 1, 0, 1, "broken");
    assert_actions(r, "send 1.0>3");
    break_down(r, 1, 0, 3, "broken");
    assert_actions(r, ""); // worker 2 is busy, and has not failed it
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.0>2");
    break_down(r, 1, 0, 2, "broken");
    assert_actions(r, "decode 1 estimate");
}

static void
with_best_what_is_out_is_waited_for_though_a_task_has_failed_thrice(void **state)
{
    rig *r = *state;
    r->accept.best = true;
    join_many(r, 4);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    answer(r, 1, 2, 3);
    break_down(r, 1, 0, 1, "broken");
    assert_actions(r, "send 1.0>4");
    break_down(r, 1, 0, 4, "broken");
    assert_actions(r, "send 1.0>3");
    break_down(r, 1, 0, 3, "broken");
    assert_actions(r, ""); // worker 2 has task 1
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.0>2");
    break_down(r, 1, 0, 2, "broken");
    assert_actions(r, "decode 1 estimate");
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void
a_job_that_can_never_get_what_it_accepts_is_refused(void **state)
{
    kofn_error error;
    rig *r = *state;
    kofn_code *code = near_code(3, 4);
    r->accept.kind = KOFN_ACCEPT_EXACT;
    assert_int_equal(try_add(r, 1, code, "oneshot", &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "take 5 tasks")); // and what would do
    assert_non_null(strstr(error.text, "any 3 answers"));
    static const double no_errors[] = {0, -1e-6, NAN, INFINITY};
    for (size_t i = 0; i < sizeof no_errors / sizeof no_errors[0]; i++) {
        r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = no_errors[i]};
        assert_int_equal(try_add(r, 1, code, "oneshot", &error), KOFN_INVALID_ARGUMENT);
    }
    r->accept = (kofn_accept){0}; // the promise can be kept
    assert_ok(try_add(r, 1, code, "oneshot", &error));
    kofn_code_destroy(&code);
}

static void
an_error_out_of_reach_is_refused_with_one_that_is_not(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code *code = near_code(3, 4);
    const double noise = 0x1p-46, reach = bound_of(code, noise, 4);
    kofn_accept accept = {.kind = KOFN_ACCEPT_ERROR, .error = reach / 2};
    assert_int_equal(kofn_accept_check_reach(&accept, code, noise, &error), KOFN_INVALID_ARGUMENT);
    const char *nearest = strstr(error.text, ": accept ");
    assert_non_null(nearest);
    accept.error = strtod(nearest + strlen(": accept "), NULL);
    assert_true(accept.error >= reach && accept.error < 1.02 * reach);
    assert_ok(kofn_accept_check_reach(&accept, code, noise, &error));
    accept = (kofn_accept){.kind = KOFN_ACCEPT_PROMISE, .error = reach / 2};
    assert_ok(kofn_accept_check_reach(&accept, code, noise, &error));
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(an_approximate_job_ends_with_the_answers_that_are_promised_to_do),
        rig_test(a_job_that_accepts_only_the_product_waits_for_it),
        rig_test(what_only_comes_near_to_the_product_is_not_accepted_for_it),
        rig_test(lost_work_is_replaced_only_where_the_promise_needs_it),
        rig_test(a_settling_job_that_gets_the_exact_set_is_decoded_exactly),
        rig_test(a_settling_job_ends_with_the_estimate_when_its_time_is_over),
        rig_test(a_settling_job_ends_at_once_when_the_product_cannot_come_any_more),
        rig_test(a_job_does_not_settle_for_a_product_that_cannot_come),
        rig_test(a_settling_job_ends_with_the_estimate_at_its_deadline),
        rig_test(a_settling_job_goes_on_sending),
        rig_test(a_settling_job_may_be_cancelled),
        rig_test(a_settling_job_does_without_a_task_that_fails_everywhere),
        rig_test(a_settling_job_ends_with_the_estimate_when_the_rest_kills),
        cmocka_unit_test(a_job_ends_with_the_first_answers_within_the_error),
        rig_test(an_error_that_the_product_meets_is_met_by_the_product),
        rig_test(a_product_that_is_not_within_the_error_goes_on),
        rig_test(an_error_that_no_answers_reach_fails_the_job),
        rig_test(a_job_within_an_error_settles_for_the_product_too),
        rig_test(dear_looks_are_taken_when_the_answers_have_doubled),
        rig_test(with_best_a_deadline_ends_with_the_best_estimate),
        rig_test(without_any_answer_there_is_no_best),
        rig_test(without_best_a_deadline_fails_whatever_came),
        rig_test(with_best_a_job_without_hope_ends_with_the_best_estimate),
        rig_test(with_best_a_failing_task_ends_the_job_only_when_nothing_more_can_come),
        rig_test(with_best_what_is_out_is_waited_for_though_a_task_has_failed_thrice),
        rig_test(a_job_that_can_never_get_what_it_accepts_is_refused),
        cmocka_unit_test(an_error_out_of_reach_is_refused_with_one_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
