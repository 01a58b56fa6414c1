/* The model of time, by hand: sizes and rates are small powers of two, so that sums are exact. */
#include "tests/assert.h"

#include "common/code/plan_time.h"

#include <math.h>

/* Link 1 byte a second, workers 1 flop a second, nothing else takes time. */
static kofn_plan_machine
machine(size_t workers)
{
    kofn_plan_machine m;
    kofn_plan_machine_init(&m, workers);
    m.flops_rate = m.link_rate = 1;
    m.overhead = m.backup_floor = 0;
    return m;
}

static double
run(const kofn_plan_machine *m, kofn_plan_load load, size_t stragglers)
{
    kofn_error error;
    kofn_plan_model *model = NULL;
    assert_ok(kofn_plan_model_new(m, &model, &error));
    const double seconds = kofn_plan_model_run(model, &load, stragglers);
    assert_at_most(kofn_plan_model_bound(model, &load), seconds);
    kofn_plan_model_destroy(&model);
    return seconds;
}

static void
a_whole_product_takes_each_step_after_the_other(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(1);
    m.flops_rate = 4;
    m.overhead = 0.5;
    const kofn_plan_load load = {.tasks = 1,
                                 .needed = 1,
                                 .flops = 64,
                                 .bytes_in = 8,
                                 .bytes_out = 2,
                                 .encode = 32,
                                 .decode = 128,
                                 .bytes_asked = 1024,
                                 .bytes_given = 512};
    /* receive, encode, send, compute, return, decode, reply */
    assert_true(run(&m, load, 0) == 1024 + 32 + 8 + (64.0 / 4 + 0.5) + 2 + 128 + 512);
}

static void
all_of_a_wave_arrive_together_and_answers_return_one_by_one(void **state)
{
    (void)state;
    const kofn_plan_machine m = machine(5);
    const kofn_plan_load load = {
        .tasks = 5, .needed = 4, .flops = 100, .bytes_in = 8, .bytes_out = 2};
    assert_true(run(&m, load, 0) == 5 * 8 + 100 + 4 * 2);
}

static void
a_code_does_not_wait_for_stragglers_or_the_lost(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(5);
    const kofn_plan_load load = {
        .tasks = 5, .needed = 4, .flops = 100, .bytes_in = 8, .bytes_out = 2};
    assert_true(run(&m, load, 1) == run(&m, load, 0));
    m.slowdown = INFINITY;
    assert_true(run(&m, load, 1) == run(&m, load, 0));
    assert_true(run(&m, load, 2) == INFINITY); // it loses one
    m.slowdown = 5;
    assert_true(run(&m, load, 2) == 5 * 8 + 5 * 100 + 2); // or waits for the straggler
}

static void
second_tasks_go_out_with_the_first_as_far_as_credit_goes(void **state)
{
    (void)state;
    const kofn_plan_machine m = machine(2);
    const kofn_plan_load load = {.tasks = 4, .needed = 4, .flops = 100, .bytes_in = 8};
    assert_true(run(&m, load, 0) == 4 * 8 + 2 * 100);
}

/* Three tasks, credit 2: the third leaves when the first is answered, and is there before the
 * second is done. With credit 1 each transfer is waited for. */
static void
credit_hides_transfers_behind_arithmetic(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(1);
    const kofn_plan_load load = {
        .tasks = 3, .needed = 3, .flops = 100, .bytes_in = 8, .bytes_out = 2};
    assert_true(run(&m, load, 0) == 2 * 8 + 3 * 100 + 2);
    m.credit = 1;
    assert_true(run(&m, load, 0) == 3 * (8 + 100 + 2));
}

/* n = 6, k = 4 on 4 workers: 0 and 1 have a second task behind their first. Should these two be
 * lost, the others are done with theirs at 6 x 8 + 100 and take both over, 8 bytes each, when a
 * quarter more than that is over. */
static void
what_waits_behind_the_lost_is_taken_over(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(4);
    const kofn_plan_load load = {.tasks = 6, .needed = 4, .flops = 100, .bytes_in = 8};
    const double first = 6 * 8 + 100;
    assert_true(run(&m, load, 0) == first);
    m.slowdown = INFINITY;
    assert_true(run(&m, load, 2) == 1.25 * first + 2 * 8 + 100);
}

static void
late_tasks_without_redundancy_get_a_copy(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(2);
    const kofn_plan_load load = {
        .tasks = 2, .needed = 2, .flops = 100, .bytes_in = 8, .bytes_out = 2};
    const double usual = 2 * 8 + 100 + 2; // what the policy takes for a task's time
    m.slowdown = INFINITY;
    assert_true(run(&m, load, 1) == 2 * usual + 8 + 100 + 2);
    m.slowdown = 2; // its own answer is earlier, so no copy goes out
    assert_true(run(&m, load, 1) == 2 * 8 + 2 * 100 + 2);
    m.slowdown = INFINITY;
    m.backup_floor = 1000;
    assert_true(run(&m, load, 1) == 1000 + 8 + 100 + 2);
}

static void
without_a_live_worker_the_job_does_not_end(void **state)
{
    (void)state;
    kofn_plan_machine m = machine(1);
    m.slowdown = INFINITY;
    const kofn_plan_load load = {.tasks = 1, .needed = 1, .flops = 100, .bytes_in = 8};
    assert_true(run(&m, load, 1) == INFINITY);
}

static void
workers_of_their_own_rates_and_links(void **state)
{
    (void)state;
    static const kofn_plan_worker at[] = {{.flops_rate = 1}, {.flops_rate = 4, .link_rate = 0.125}};
    kofn_plan_machine m = machine(2);
    m.at = at;
    kofn_plan_load load = {.tasks = 2, .needed = 1, .flops = 100, .bytes_in = 8};
    assert_true(run(&m, load, 0) == 8 / 0.125 + 100.0 / 4); // the fast one, behind its own link
    assert_true(run(&m, load, 1) == 2 * 8 + 100);           // which is the straggler
    load.needed = 2;
    assert_true(run(&m, load, 0) == 2 * 8 + 100);
}

static void
rates_that_are_none_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_plan_model *model = NULL;
    static const kofn_plan_worker still[] = {{.flops_rate = 0}};
    kofn_plan_machine all[8];
    for (size_t i = 0; i < 8; i++)
        all[i] = machine(1);
    all[0].workers = 0;
    all[1].workers = KOFN_PLAN_WORKERS_MAX + 1;
    all[2].link_rate = 0;
    all[3].flops_rate = NAN;
    all[4].slowdown = 0.5;
    all[5].at = still;
    all[6].credit = 0;
    all[7].memory_rate = -1;
    for (size_t i = 0; i < 8; i++)
        assert_fails(kofn_plan_model_new(&all[i], &model, &error), KOFN_INVALID_ARGUMENT);
    assert_null(model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_product_takes_each_step_after_the_other),
        cmocka_unit_test(all_of_a_wave_arrive_together_and_answers_return_one_by_one),
        cmocka_unit_test(a_code_does_not_wait_for_stragglers_or_the_lost),
        cmocka_unit_test(second_tasks_go_out_with_the_first_as_far_as_credit_goes),
        cmocka_unit_test(credit_hides_transfers_behind_arithmetic),
        cmocka_unit_test(what_waits_behind_the_lost_is_taken_over),
        cmocka_unit_test(late_tasks_without_redundancy_get_a_copy),
        cmocka_unit_test(without_a_live_worker_the_job_does_not_end),
        cmocka_unit_test(workers_of_their_own_rates_and_links),
        cmocka_unit_test(rates_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
