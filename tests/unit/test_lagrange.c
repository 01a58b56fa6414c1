#include "common/code/batch.h"
#include "tests/unit/code_brute.h"

/* Of `pairs` pairs of blocks of their own; NULL: refused as invalid. */
static kofn_code *
new_code(size_t pairs, size_t tasks, const char *systematic, const char *field)
{
    kofn_error error;
    kofn_code *code = NULL;
    kofn_batch *batch;
    size_t blocks[64];
    const kofn_field *f = new_field(field);
    for (size_t i = 0; i < pairs; i++)
        blocks[i] = i;
    assert_ok(kofn_batch_new_stacked(pairs, pairs, pairs, blocks, blocks, NULL, f, &batch, &error));
    kofn_code_spec spec = {.tasks = tasks, .batch = batch, .has_seed = true};
    assert_ok(kofn_code_spec_set(&spec, "family", "lagrange", &error));
    assert_ok(kofn_code_spec_set(&spec, "systematic", systematic, &error));
    const kofn_code_context context = {.field = f, .workers = 3};
    kofn_status status = kofn_code_spec_complete(&spec, &context, &error);
    if (!status)
        status = kofn_code_spec_build(&spec, f, &code, &error);
    assert_true(status == KOFN_OK || status == KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
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

/* Row t is L_1(t), ..., L_k(t): with values q(beta_i) in the place of blocks it gives q(t), for every
 * polynomial q of degree below k. Systematic codes say where the betas are. */
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(systematic_tasks_are_the_pairs_at_points_of_their_own),
        cmocka_unit_test(rows_interpolate_polynomials),
        cmocka_unit_test(finite_fields_need_a_point_for_each_task_and_pair),
        cmocka_unit_test(too_few_tasks_are_refused),
        cmocka_unit_test(errors_stay_small_while_few_answers_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
