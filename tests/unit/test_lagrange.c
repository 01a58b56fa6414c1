#include "common/code/batch.h"
#include "tests/unit/code_brute.h"

/* Of the batch, which is taken; NULL: refused as invalid. */
static kofn_code *
new_code_of(kofn_batch *batch, const kofn_field *f, size_t tasks, const char *systematic)
{
    kofn_error error;
    kofn_code *code = NULL;
    kofn_code_spec spec = {.tasks = tasks, .batch = batch, .has_seed = true};
    assert_ok(kofn_code_spec_set(&spec, "family", "lagrange", &error));
    assert_ok(kofn_code_spec_set(&spec, "systematic", systematic, &error));
    const kofn_code_context context = {.field = f, .workers = 3};
    kofn_status status = kofn_code_spec_complete(&spec, &context, &error);
    if (!status)
        status = kofn_code_spec_build(&spec, f, &code, &error);
    assert_true(status == KOFN_OK || status == KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
    return code;
}

/* Of `pairs` pairs of blocks of their own. */
static kofn_code *
new_code(size_t pairs, size_t tasks, const char *systematic, const char *field)
{
    kofn_error error;
    kofn_batch *batch;
    size_t blocks[64];
    const kofn_field *f = new_field(field);
    for (size_t i = 0; i < pairs; i++)
        blocks[i] = i;
    assert_ok(kofn_batch_new_stacked(pairs, pairs, pairs, blocks, blocks, NULL, f, &batch, &error));
    kofn_code *code = new_code_of(batch, f, tasks, systematic);
    kofn_field_destroy(&f);
    return code;
}

static void
systematic_tasks_are_the_pairs_at_points_of_their_own(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "f32", "gf16", "gfp:65537"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        kofn_code *code = new_code(5, 13, "yes", fields[i]);
        for (size_t task = 0; task < 13; task++) {
            for (size_t o = 0; o < 2; o++)
                assert_int_equal(kofn_code_plain_block(code, o, task), task < 5 ? task : SIZE_MAX);
            for (size_t other = 0; other < task; other++)
                assert_true(code->point[task] != code->point[other]);
        }
        kofn_code_destroy(&code);
        code = new_code(5, 11, "no", fields[i]);
        for (size_t task = 0; task < 11; task++)
            assert_int_equal(kofn_code_plain_block(code, 0, task), SIZE_MAX);
        kofn_code_destroy(&code);
    }
}

/* Row t is L_1(t), ..., L_k(t): with values q(beta_i) in the place of blocks it gives q(t), for
 * every polynomial q of degree below k. Systematic codes say where the betas are. */
static void
rows_interpolate_polynomials(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256", "gfp:257"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        kofn_code *code = new_code(7, 20, "yes", fields[i]);
        const kofn_field *f = code->field;
        for (size_t task = 0; task < 20; task++)
            for (size_t degree = 0; degree < 7; degree++) {
                double sum = 0, wants = 1;
                for (size_t b = 0; b < 7; b++) {
                    double power = 1;
                    for (size_t d = 0; d < degree; d++)
                        power = f->multiply(f, power, code->point[b]);
                    sum = f->add(f, sum, f->multiply(f, code->e[1].at[task * 7 + b], power));
                }
                for (size_t d = 0; d < degree; d++)
                    wants = f->multiply(f, wants, code->point[task]);
                /* 7 terms of at most 2, each with some 20 roundings */
                assert_at_most(fabs(sum - wants), f->order == 0 ? 7 * 2 * 20 * 0x1p-53 : 0);
            }
        kofn_code_destroy(&code);
    }
}

static void
finite_fields_need_a_point_for_each_task_and_pair(void **state)
{
    (void)state;
    const struct {
        size_t pairs, tasks;
        const char *systematic;
        bool fits;
    } cases[] = {
        {8, 16, "yes", true}, {8, 17, "yes", false}, {5, 11, "no", true},
        {5, 12, "no", false}, {6, 11, "no", false},  {9, 17, "yes", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_code *code = new_code(cases[i].pairs, cases[i].tasks, cases[i].systematic, "gf16");
        assert_int_equal(code != NULL, cases[i].fits);
        kofn_code_destroy(&code);
    }
    /* Tasks that are left open stay within the points. */
    kofn_code *code = new_code(8, 0, "yes", "gf16");
    assert_int_equal(code->tasks, 16);
    kofn_code_destroy(&code);
    code = new_code(5, 0, "no", "gf16");
    assert_in_range(code->tasks, 10, 11);
    kofn_code_destroy(&code);
}

static void
too_few_tasks_are_refused(void **state)
{
    (void)state;
    assert_null(new_code(4, 6, "yes", "f64"));
    kofn_code *code = new_code(4, 7, "yes", "f64");
    assert_int_equal(code->threshold, 7);
    kofn_code_destroy(&code);
}

/* What lagrange.h says of k = 20 and s = 2: 31 the median, 6e3 the worst of 200. */
static void
errors_stay_small_while_few_answers_are_missing(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    kofn_code *code = new_code(20, 41, "yes", "f64");
    size_t high = 0;
    for (int round = 0; round < 50; round++) {
        size_t tasks[41];
        kofn_decoder *d;
        kofn_decode_plan plan;
        for (size_t i = 0; i < 41; i++)
            tasks[i] = i;
        shuffle(&rng, tasks, 41);
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t i = 0; i < 39; i++)
            assert_ok(kofn_decoder_add(d, tasks[i], &error));
        assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
        assert_at_most(plan.quality.amplification, 1e5); // the two last ones at an end: 3e4
        high += plan.quality.amplification > 100;
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    assert_in_range(high, 0, 25);
    kofn_code_destroy(&code);
}

/* Growth from the first 2 k - 1 tasks, of which one is missing, or none (SIZE_MAX). */
static double
amplify_without(kofn_code *code, size_t missing)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t task = 0; task < code->threshold + (missing < SIZE_MAX); task++)
        if (task != missing)
            assert_ok(kofn_decoder_add(d, task, &error));
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    const double growth = plan.quality.amplification;
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return growth;
}

/* Of tasks in order of their points the last ones are neighbours, and 5e8 would become of this at
 * k = 20. With bits of places reversed it is 1e4 at k = 40 without one of the pairs. */
static void
the_last_tasks_are_not_missed(void **state)
{
    (void)state;
    static const size_t pairs[] = {5, 10, 20, 40};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const size_t k = pairs[i], tasks = 2 * k - 1 + k / 5;
        kofn_code *code = new_code(k, tasks, "no", "f64");
        assert_at_most(amplify_without(code, SIZE_MAX), 100);
        kofn_code_destroy(&code);
        code = new_code(k, tasks, "yes", "f64");
        for (size_t pair = 0; pair < k; pair++)
            assert_at_most(amplify_without(code, pair), 1000);
        kofn_code_destroy(&code);
    }
}

/* Products of so many differences are beyond the range of a double, and the polynomials near 1. Of
 * a grid of blocks a row holds sums of them, and all of them add up to 1. */
static void
rows_of_thousands_of_pairs_add_up_to_one(void **state)
{
    (void)state;
    enum { SIDE = 50, PAIRS = SIDE * SIDE };
    kofn_error error;
    kofn_batch *batch;
    size_t left[PAIRS], right[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        left[i] = i / SIDE;
        right[i] = i % SIDE;
    }
    assert_ok(kofn_batch_new_stacked(SIDE, SIDE, PAIRS, left, right, NULL, kofn_field_find("f64"),
                                     &batch, &error));
    kofn_code *code = new_code_of(batch, kofn_field_find("f64"), 2 * PAIRS - 1, "yes");
    assert_non_null(code);
    for (size_t task = PAIRS; task < code->tasks; task++) {
        double sum = 0;
        for (size_t i = 0; i < SIDE; i++)
            sum += code->e[0].at[task * SIDE + i];
        /* 20: more than the sum of the polynomials' sizes; each has three roundings of each of the
         * differences on both sides of its fraction */
        assert_at_most(fabs(sum - 1), 20 * 6.0 * PAIRS * 0x1p-53);
    }
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(systematic_tasks_are_the_pairs_at_points_of_their_own),
        cmocka_unit_test(rows_interpolate_polynomials),
        cmocka_unit_test(finite_fields_need_a_point_for_each_task_and_pair),
        cmocka_unit_test(too_few_tasks_are_refused),
        cmocka_unit_test(rows_of_thousands_of_pairs_add_up_to_one),
        cmocka_unit_test(errors_stay_small_while_few_answers_are_missing),
        cmocka_unit_test(the_last_tasks_are_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
