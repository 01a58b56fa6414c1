/* Plans: what is listed, in which order, and what is said when coding does not pay or nothing
 * fits. */
#include "tests/assert.h"

#include "common/code/odds.h"
#include "common/code/plan.h"

#include <math.h>
#include <time.h>

static kofn_plan_query
query(size_t size, size_t workers, size_t stragglers)
{
    kofn_plan_query q;
    kofn_plan_query_init(&q, kofn_field_find("f64"), (kofn_shape){size, size, size}, workers);
    q.stragglers = stragglers;
    q.machine.link_rate = 1e10;
    return q;
}

static kofn_plan
make(const kofn_plan_query *q)
{
    kofn_error error;
    kofn_plan plan;
    assert_ok(kofn_plan_make(q, &plan, &error));
    assert_true(plan.count > 0);
    return plan;
}

static const kofn_plan_row *
find_row(const kofn_plan *plan, const char *family)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->rows[i].spec.family, family) == 0)
            return &plan->rows[i];
    return NULL;
}

static void
assert_row_is_sound(const kofn_plan_query *q, const kofn_plan_row *row)
{
    kofn_error error;
    kofn_code *code = NULL;
    assert_ok(kofn_code_spec_check(&row->spec, q->field, &error));
    assert_ok(kofn_code_spec_build(&row->spec, q->field, &code, &error)); // complete
    assert_int_equal(code->tasks, row->spec.tasks);
    assert_int_equal(code->threshold, row->exact);
    assert_true(row->needed <= row->spec.tasks && row->redundant == (row->needed < code->tasks));
    assert_string_equal(row->policy, row->redundant ? "oneshot" : "speculative");
    const size_t workers = q->machine.workers;
    const size_t each = (row->spec.tasks + workers - 1) / workers;
    if (row->redundant)
        assert_true(row->spec.tasks - row->needed >= q->stragglers * each);
    assert_true(row->decodable >= 0 && row->decodable <= 1);
    assert_true(row->seconds > 0 && row->seconds <= row->seconds_late);
    kofn_code_destroy(&code);
}

static void
every_row_can_be_built_and_loses_what_was_asked(void **state)
{
    (void)state;
    static const struct {
        size_t size, workers, stragglers;
    } all[] = {{2000, 1, 0}, {2000, 2, 1}, {2000, 6, 0}, {2000, 6, 1},  {2000, 6, 5},
               {2000, 7, 3}, {64, 6, 2},   {1, 3, 1},    {2000, 20, 4}, {4000, 90, 12}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const kofn_plan_query q = query(all[i].size, all[i].workers, all[i].stragglers);
        kofn_plan plan = make(&q);
        for (size_t j = 0; j < plan.count; j++) {
            assert_row_is_sound(&q, &plan.rows[j]);
            if (j > 0)
                assert_true(plan.rows[j - 1].seconds_late <= plan.rows[j].seconds_late);
        }
        assert_non_null(find_row(&plan, "uncoded"));
        assert_true(plan.verdict[0] != '\0');
        kofn_plan_fini(&plan);
    }
}

static void
what_a_worker_gets_and_does_is_that_of_its_tasks(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 6, 1);
    kofn_plan plan = make(&q);
    size_t several = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_plan_row *row = &plan.rows[i];
        const kofn_partition p = row->spec.part;
        const double m = ceil(2000.0 / (double)p.x), k = ceil(2000.0 / (double)p.z),
                     n = ceil(2000.0 / (double)p.y), each = ceil((double)row->spec.tasks / 6);
        several += each > 1;
        assert_true(row->flops == each * 2 * m * k * n);
        assert_true(row->bytes_in == each * 8 * (m * k + k * n));
        assert_true(row->bytes_out == each * 8 * m * n);
    }
    assert_true(several > 0);
    kofn_plan_fini(&plan);

    q.field = kofn_field_find("f32");
    plan = make(&q);
    assert_true(plan.rows[0].bytes_out > 0 && fmod(plan.rows[0].bytes_out, 4) == 0);
    assert_true(plan.rows[0].error > 1e-8);
    kofn_plan_fini(&plan);
}

static void
odds_of_a_row_follow_from_its_numbers(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 6, 2);
    q.failure = 0.1;
    kofn_plan plan = make(&q);
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_plan_row *row = &plan.rows[i];
        const kofn_partition p = row->spec.part;
        const double counted = kofn_odds_count(row->spec.tasks, row->needed, 6, 0.1);
        if (p.z == 1 && row->needed == p.x * p.y)
            assert_at_most(fabs(row->decodable - counted), 1e-12);
        else
            assert_true(row->decodable >= counted - 1e-12); // fewer answers may do
    }
    kofn_plan_fini(&plan);
}

static void
coding_pays_where_copies_come_too_late(void **state)
{
    (void)state;
    const kofn_plan_query q = query(4000, 6, 1);
    kofn_plan plan = make(&q);
    const kofn_plan_row *first = &plan.rows[0], *plain = find_row(&plan, "uncoded");
    assert_true(plan.pays && first->redundant && first->pays);
    assert_true(!plain->pays && plain->seconds_late > first->seconds_late);
    assert_non_null(strstr(plan.verdict, "Coding pays with 1 straggler"));
    assert_non_null(strstr(plan.verdict, first->spec.family));
    kofn_plan_fini(&plan);
}

static void
where_nothing_straggles_uncoded_comes_first_and_the_verdict_says_so(void **state)
{
    (void)state;
    const kofn_plan_query q = query(4000, 6, 0);
    kofn_plan plan = make(&q);
    assert_true(!plan.pays && !plan.rows[0].redundant);
    assert_string_equal(plan.rows[0].policy, "speculative");
    for (size_t i = 0; i < plan.count; i++)
        assert_false(plan.rows[i].pays);
    assert_non_null(strstr(plan.verdict, "Coding does not pay with 0 stragglers"));
    kofn_plan_fini(&plan);
}

static void
a_faster_local_multiplication_is_told(void **state)
{
    (void)state;
    kofn_plan_query q = query(4000, 6, 1);
    kofn_plan plan = make(&q);
    assert_null(strstr(plan.verdict, "local OpenBLAS"));
    kofn_plan_fini(&plan);

    q.machine.local_rate = 1e12;
    plan = make(&q);
    assert_true(plan.local == 2 * 4000.0 * 4000 * 4000 / 1e12 && !plan.pays);
    assert_ptr_equal(strstr(plan.verdict, "Coding does not pay with 1 straggler"), plan.verdict);
    assert_non_null(strstr(plan.verdict, "local OpenBLAS would be faster than all"));
    for (size_t i = 0; i < plan.count; i++)
        assert_false(plan.rows[i].pays); // as the verdict says
    kofn_plan_fini(&plan);
}

/* In one part all families that can lose a task are copies. */
static void
of_equal_codes_the_simplest_comes_first(void **state)
{
    (void)state;
    const kofn_plan_query q = query(1, 4, 1);
    kofn_plan plan = make(&q);
    assert_string_equal(plan.rows[0].spec.family, "replication");
    assert_string_equal(plan.rows[1].spec.family, "polynomial");
    kofn_plan_fini(&plan);
}

static void
a_parameter_is_raised_where_the_default_cannot_lose_enough(void **state)
{
    (void)state;
    const kofn_plan_query q = query(2000, 6, 2);
    kofn_plan plan = make(&q);
    const kofn_plan_row *row = find_row(&plan, "replication");
    assert_non_null(row);
    assert_string_equal(row->spec.sets[0].name, "copies");
    assert_string_equal(row->spec.sets[0].value, "3");
    kofn_plan_fini(&plan);
}

static void
families_that_do_not_fit_are_left_out_with_the_reason(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 64, 40);
    q.tasks_max = 64;
    kofn_plan plan = make(&q);
    assert_null(find_row(&plan, "replication")); // has at most 16 copies
    assert_true(plan.left_out > 0);
    assert_non_null(strstr(plan.left_why, "replication"));
    assert_non_null(strstr(plan.left_why, "cannot lose the stragglers' tasks"));
    kofn_plan_fini(&plan);

    const kofn_plan_query easy = query(2000, 6, 1);
    plan = make(&easy);
    kofn_plan_fini(&plan);
}

static void
an_error_that_few_keep_to_leaves_the_others_out(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 6, 1);
    kofn_plan plan = make(&q);
    double least = INFINITY;
    for (size_t i = 0; i < plan.count; i++)
        least = fmin(least, plan.rows[i].error);
    kofn_plan_fini(&plan);

    q.error = 1.5 * least;
    plan = make(&q);
    for (size_t i = 0; i < plan.count; i++)
        assert_at_most(plan.rows[i].error, q.error);
    kofn_plan_fini(&plan);
}

/* Whoever names no error wants the product. */
static void
estimates_are_for_those_who_name_an_error(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 6, 1);
    q.limit = KOFN_PLAN_ROWS_MAX;
    kofn_plan plan = make(&q);
    for (size_t i = 0; i < plan.count; i++)
        assert_true(plan.rows[i].enough == plan.rows[i].exact);
    kofn_plan_fini(&plan);

    size_t estimates = 0;
    q.error = 1e-2;
    plan = make(&q);
    for (size_t i = 0; i < plan.count; i++) {
        estimates += plan.rows[i].enough < plan.rows[i].exact;
        assert_true(plan.rows[i].needed == plan.rows[i].enough);
        assert_at_most(plan.rows[i].error, q.error);
    }
    assert_true(estimates > 0);
    kofn_plan_fini(&plan);
}

static void
nothing_fits_and_the_nearest_is_named(void **state)
{
    (void)state;
    kofn_error error;
    kofn_plan plan;
    kofn_plan_query q = query(2000, 6, 1);
    q.error = 1e-30;
    assert_fails(kofn_plan_make(&q, &plan, &error), KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "1e-30"));
    assert_non_null(strstr(error.text, "nearest"));
}

static void
the_same_query_gives_the_same_plan(void **state)
{
    (void)state;
    kofn_plan_query q = query(3000, 12, 2);
    kofn_plan first = make(&q), again = make(&q);
    q.seed++;
    kofn_plan other = make(&q);
    assert_true(other.rows[0].amplification != first.rows[0].amplification);
    kofn_plan_fini(&other);
    assert_int_equal(first.count, again.count);
    assert_memory_equal(first.rows, again.rows, first.count * sizeof first.rows[0]);
    assert_string_equal(first.verdict, again.verdict);
    kofn_plan_fini(&first);
    kofn_plan_fini(&again);
}

/* ---- by odds --------------------------------------------------------------------------------- */

static void
assert_row_keeps_the_odds(const kofn_plan_query *q, const kofn_plan_row *row)
{
    kofn_error error;
    kofn_code *code = NULL;
    assert_ok(kofn_code_spec_check(&row->spec, q->field, &error));
    assert_ok(kofn_code_spec_build(&row->spec, q->field, &code, &error)); // complete
    assert_int_equal(row->typical.tasks, row->spec.tasks);
    assert_int_equal(code->likely, row->likely);
    assert_true(row->typical.method != KOFN_TYPICAL_NONE && row->typical.miss < q->odds);
    assert_true(row->spec.tasks <= q->machine.workers);
    assert_at_most(fabs(row->decodable - (1 - row->typical.miss)), 1e-15);
    kofn_code_destroy(&code);
}

static void
by_odds_each_code_has_its_typical_threshold_as_tasks(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256", "gf16"};
    static const struct {
        size_t workers, stragglers;
        double failure, odds;
    } all[] = {{6, 1, 0.05, 0.01}, {12, 0, 0.1, 1e-3}, {40, 5, 0.2, 1e-6}, {70, 1, 0.02, 0.1}};
    for (size_t i = 0; i < 12; i++) {
        kofn_plan_query q = query(2000, all[i / 3].workers, all[i / 3].stragglers);
        q.field = kofn_field_find(fields[i % 3]);
        q.failure = all[i / 3].failure;
        q.odds = all[i / 3].odds;
        kofn_plan plan = make(&q);
        for (size_t j = 0; j < plan.count; j++)
            assert_row_keeps_the_odds(&q, &plan.rows[j]);
        assert_true(find_row(&plan, "replication") && find_row(&plan, "polynomial"));
        kofn_plan_fini(&plan);
    }
}

/* The paper's example: entangled polynomials, and Strassen's products in codes of their own. */
static void
the_parts_can_be_named(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 80, 1);
    q.field = kofn_field_find("gf256");
    q.part = (kofn_partition){4, 2, 4};
    q.failure = 0.1;
    q.odds = 1e-3;
    q.limit = KOFN_PLAN_ROWS_MAX;
    kofn_plan plan = make(&q);
    assert_int_equal(plan.count, 2);
    assert_int_equal(find_row(&plan, "polydot")->typical.tasks, 44);
    assert_int_equal(find_row(&plan, "alloy_local")->typical.tasks, 62);
    kofn_plan_fini(&plan);

    q = query(2000, 100, 1); // so many that parts are thinned out
    q.part = (kofn_partition){0, 1, 19};
    plan = make(&q);
    for (size_t i = 0; i < plan.count; i++)
        assert_true(plan.rows[i].spec.part.z == 1 && plan.rows[i].spec.part.y == 19);
    kofn_plan_fini(&plan);
}

/* Four copies of the whole fail with 0.3^4. */
static void
odds_that_no_code_keeps_are_refused_with_what_comes_nearest(void **state)
{
    (void)state;
    kofn_error error;
    kofn_plan plan;
    kofn_plan_query q = query(2000, 4, 1);
    q.failure = 0.3;
    q.odds = 1e-6;
    assert_fails(kofn_plan_make(&q, &plan, &error), KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "nearest with 0.0081"));
    q.part = (kofn_partition){50, 1, 50};
    assert_fails(kofn_plan_make(&q, &plan, &error), KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "can be built"));

    q = query(2000, 6, 1);
    q.failure = 0.05;
    q.odds = 0.01;
    plan = make(&q);
    assert_null(find_row(&plan, "alloy_local")); // 7 products
    assert_non_null(strstr(plan.left_why, "uncoded"));
    assert_non_null(strstr(plan.left_why, "fails more often than the odds allow"));
    kofn_plan_fini(&plan);
}

/* Some of a systematic code's answers say more than their number does. */
static void
trials_save_tasks_where_the_bound_asks_for_too_many(void **state)
{
    (void)state;
    kofn_plan_query q = query(2000, 8, 1);
    q.part = (kofn_partition){1, 2, 1};
    q.failure = 0.1;
    q.odds = 0.07;
    kofn_plan plan = make(&q);
    const kofn_plan_row *row = find_row(&plan, "rkrp");
    assert_int_equal(row->typical.method, KOFN_TYPICAL_TRIALS);
    assert_int_equal(row->spec.tasks, 5);     // the bound: 6
    for (size_t i = 0; i < plan.count; i++) { // and what follows from their number follows
        kofn_error error;
        kofn_thresholds k;
        row = &plan.rows[i];
        assert_ok(kofn_code_spec_thresholds(&row->spec, q.field, &k, &error));
        assert_int_equal(row->exact, k.exact);
        assert_int_equal(row->needed, k.enough);
    }
    kofn_plan_fini(&plan);
}

/* Where codes are too large to be tried, nothing is rounded either. */
static void
large_codes_over_finite_fields_are_planned_without_trials(void **state)
{
    (void)state;
    const kofn_field *large;
    kofn_error error;
    assert_ok(kofn_field_new("gfp:65537", &large, &error));
    kofn_plan_query q = query(4000, 400, 1);
    q.field = large;
    q.part = (kofn_partition){18, 1, 18};
    kofn_plan plan = make(&q);
    const kofn_plan_row *row = find_row(&plan, "polynomial");
    assert_int_equal(row->needed, 324);
    assert_true(row->error == 0);
    assert_at_most(fabs(row->decodable - kofn_odds_count(row->spec.tasks, 324, 400, q.failure)),
                   1e-9);
    kofn_plan_fini(&plan);
    kofn_field_destroy(&large);
}

/* About a second; it was minutes when each code that could not be built had advice made up for
 * it. */
static void
thousands_of_workers_over_a_finite_field_are_planned_by_odds_in_seconds(void **state)
{
    (void)state;
    kofn_plan_query q = query(4000, 4096, 0);
    q.field = kofn_field_find("gf256");
    q.failure = 0.3;
    q.odds = 1e-6;
    const clock_t start = clock();
    kofn_plan plan = make(&q);
    assert_at_most((double)(clock() - start) / CLOCKS_PER_SEC, 60);
    assert_non_null(find_row(&plan, "alloy_global"));
    kofn_plan_fini(&plan);
}

static void
never_more_parts_than_the_product_has(void **state)
{
    (void)state;
    kofn_plan_query q = query(1, 20, 1);
    q.limit = KOFN_PLAN_ROWS_MAX;
    q.shape = (kofn_shape){.rows = 3, .inner = 100000000, .cols = 2};
    kofn_plan plan = make(&q);
    for (size_t i = 0; i < plan.count; i++) {
        assert_true(plan.rows[i].spec.part.x <= 3);
        assert_true(plan.rows[i].spec.part.y <= 2);
    }
    kofn_plan_fini(&plan);
}

static void
queries_without_sense_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_plan plan;
    kofn_plan_query all[13];
    for (size_t i = 0; i < 13; i++)
        all[i] = query(100, 4, 1);
    all[0].stragglers = 4;
    all[1].shape.inner = 0;
    all[2].failure = -0.1;
    all[3].error = NAN;
    all[4].machine.workers = 0;
    all[5].machine.link_rate = 0;
    all[6].limit = KOFN_PLAN_ROWS_MAX + 1;
    all[7].tasks_max = KOFN_TASKS_MAX + 1;
    all[8].machine.slowdown = 0;
    all[9].odds = 1;
    all[10].odds = -0.1;
    all[11].odds = NAN;
    all[12].part.z = 101;
    for (size_t i = 0; i < 13; i++)
        assert_fails(kofn_plan_make(&all[i], &plan, &error), KOFN_INVALID_ARGUMENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_can_be_built_and_loses_what_was_asked),
        cmocka_unit_test(what_a_worker_gets_and_does_is_that_of_its_tasks),
        cmocka_unit_test(odds_of_a_row_follow_from_its_numbers),
        cmocka_unit_test(coding_pays_where_copies_come_too_late),
        cmocka_unit_test(where_nothing_straggles_uncoded_comes_first_and_the_verdict_says_so),
        cmocka_unit_test(a_faster_local_multiplication_is_told),
        cmocka_unit_test(of_equal_codes_the_simplest_comes_first),
        cmocka_unit_test(a_parameter_is_raised_where_the_default_cannot_lose_enough),
        cmocka_unit_test(families_that_do_not_fit_are_left_out_with_the_reason),
        cmocka_unit_test(an_error_that_few_keep_to_leaves_the_others_out),
        cmocka_unit_test(estimates_are_for_those_who_name_an_error),
        cmocka_unit_test(nothing_fits_and_the_nearest_is_named),
        cmocka_unit_test(the_same_query_gives_the_same_plan),
        cmocka_unit_test(by_odds_each_code_has_its_typical_threshold_as_tasks),
        cmocka_unit_test(the_parts_can_be_named),
        cmocka_unit_test(odds_that_no_code_keeps_are_refused_with_what_comes_nearest),
        cmocka_unit_test(trials_save_tasks_where_the_bound_asks_for_too_many),
        cmocka_unit_test(large_codes_over_finite_fields_are_planned_without_trials),
        cmocka_unit_test(thousands_of_workers_over_a_finite_field_are_planned_by_odds_in_seconds),
        cmocka_unit_test(never_more_parts_than_the_product_has),
        cmocka_unit_test(queries_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
