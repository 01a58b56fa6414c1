#include "tests/unit/code_brute.h"

#include "common/code/batch.h"
#include "common/code/rkrp.h"

static kofn_code *
build_rkrp(const char *partition, size_t tasks, bool systematic, const char *draws, uint64_t seed)
{
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code;
    const test_code t = {.family = "rkrp",
                         .partition = partition,
                         .tasks = tasks,
                         .set = systematic ? "systematic=yes" : "systematic=no"};
    fill_spec(&t, seed, &spec);
    assert_ok(kofn_code_spec_set(&spec, "draws", draws, &error));
    assert_ok(kofn_code_spec_build(&spec, kofn_field_find("f64"), &code, &error));
    return code;
}

static void
the_first_tasks_of_a_systematic_code_are_plain_blocks(void **state)
{
    (void)state;
    kofn_code *code = build_rkrp("2,1,3", 9, true, "16", 3);
    for (size_t task = 0; task < 9; task++)
        if (task < 6)
            assert_int_equal(kofn_code_plain_column(code, task), task);
        else
            assert_true(kofn_code_plain_column(code, task) == SIZE_MAX);
    kofn_code_destroy(&code);

    code = build_rkrp("2,1,3", 9, false, "16", 3);
    for (size_t task = 0; task < 9; task++)
        assert_true(kofn_code_plain_column(code, task) == SIZE_MAX);
    kofn_code_destroy(&code);
}

static void
too_few_tasks_are_refused_with_the_partition_that_fits(void **state)
{
    (void)state;
    static const struct {
        const char *partition;
        size_t tasks;
        const char *says;
    } wrong[] = {
        {"2,3,2", 20, "take more tasks or partition 2,2,2"},
        {"1,4,1", 15, "take more tasks or partition 1,3,1"},
        {"2,2,2", 4, "take more tasks or partition 2,1,2"},
        {"3,1,3", 8, "take more tasks or fewer parts"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code_spec spec;
        const test_code t = {
            .family = "rkrp", .partition = wrong[i].partition, .tasks = wrong[i].tasks};
        fill_spec(&t, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                     KOFN_INVALID_ARGUMENT);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].says);
    }
}

/* A job's seed must name the same code on every machine and in every version. */
static void
coefficients_are_those_of_the_first_release(void **state)
{
    (void)state;
    static const float golden[] = {-1.18509376f, 1.61377621f, 0.203020871f, 0.635704458f,
                                   1.02856064f,  1.22425938f, 1.37401366f,  0.661222041f};
    kofn_code *code = build_rkrp("2,1,2", 6, true, "16", 7);
    size_t at = 0;
    assert_int_equal(code->draw, 14);
    for (size_t task = 4; task < 6; task++)
        for (size_t o = 0; o < 2; o++)
            for (size_t i = 0; i < 2; i++) {
                const double coef = code->e[o].at[task * 2 + i];
                if (coef != (double)golden[at])
                    print_error("task %zu operand %zu block %zu: %.9gf\n", task, o, i, coef);
                assert_true(coef == (double)golden[at]);
                at++;
            }
    kofn_code_destroy(&code);
}

static void
the_same_seed_gives_the_same_code_and_another_seed_another(void **state)
{
    (void)state;
    for (int systematic = 0; systematic < 2; systematic++) {
        kofn_code *a = build_rkrp("3,1,2", 9, systematic, "16", 11);
        kofn_code *b = build_rkrp("3,1,2", 9, systematic, "16", 11);
        kofn_code *c = build_rkrp("3,1,2", 9, systematic, "16", 12);
        assert_int_equal(a->draw, b->draw);
        assert_int_equal(a->seed, 11);
        assert_true(a->chosen_condition == b->chosen_condition);
        for (size_t o = 0; o < 2; o++) {
            const size_t bytes = 9 * a->e[o].cols * sizeof(double);
            assert_memory_equal(a->e[o].at, b->e[o].at, bytes);
            assert_memory_not_equal(a->e[o].at, c->e[o].at, bytes);
        }
        kofn_code_destroy(&a);
        kofn_code_destroy(&b);
        kofn_code_destroy(&c);
    }
}

/* |G^-1|_F / sqrt(k) with rows scaled to length 1, by Gauss-Jordan in long double. */
static double
brute_condition(const kofn_code *code, const size_t *tasks)
{
    const size_t k = code->threshold;
    long double *w = calloc(k * 2 * k, sizeof *w);
    for (size_t r = 0; r < k; r++) {
        long double sum = 0;
        brute_row(code, tasks[r], w + r * 2 * k);
        for (size_t c = 0; c < k; c++)
            sum += w[r * 2 * k + c] * w[r * 2 * k + c];
        for (size_t c = 0; c < k; c++)
            w[r * 2 * k + c] /= sqrtl(sum);
        w[r * 2 * k + k + r] = 1;
    }
    for (size_t p = 0; p < k; p++) {
        size_t best = p;
        for (size_t r = p; r < k; r++)
            if (fabsl(w[r * 2 * k + p]) > fabsl(w[best * 2 * k + p]))
                best = r;
        for (size_t c = 0; c < 2 * k; c++) {
            const long double moved = w[p * 2 * k + c];
            w[p * 2 * k + c] = w[best * 2 * k + c];
            w[best * 2 * k + c] = moved;
        }
        for (size_t c = 2 * k; c-- > p;)
            w[p * 2 * k + c] /= w[p * 2 * k + p];
        for (size_t r = 0; r < k; r++)
            for (size_t c = 2 * k; r != p && c-- > p;)
                w[r * 2 * k + c] -= w[r * 2 * k + p] * w[p * 2 * k + c];
    }
    long double sum = 0;
    for (size_t r = 0; r < k; r++)
        for (size_t c = k; c < 2 * k; c++)
            sum += w[r * 2 * k + c] * w[r * 2 * k + c];
    free(w);
    return (double)sqrtl(sum / (long double)k);
}

static double
brute_worst(const kofn_code *code)
{
    size_t tasks[16];
    double worst = 0;
    for (uint64_t mask = 0; mask < (uint64_t)1 << code->tasks; mask++)
        if (list_mask(mask, tasks) == code->threshold)
            worst = fmax(worst, brute_condition(code, tasks));
    return worst;
}

/* Where all sets are looked at, the recorded condition is the true worst, and no single draw that
 * was looked at is better. */
static void
the_best_of_the_draws_is_kept(void **state)
{
    (void)state;
    for (int systematic = 0; systematic < 2; systematic++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            kofn_code *first = build_rkrp("2,1,2", 6, systematic, "1", seed);
            kofn_code *best = build_rkrp("2,1,2", 6, systematic, "16", seed);
            const double worst = brute_worst(best);
            assert_int_equal(first->draw, 0);
            /* two ways of computing one number, from k^2 terms each */
            assert_at_most(fabs(best->chosen_condition / worst - 1), 16 * worst * 0x1p-52);
            assert_at_most(best->chosen_condition, first->chosen_condition);
            assert_at_most(1 - 0x1p-50, best->chosen_condition);
            kofn_code_destroy(&first);
            kofn_code_destroy(&best);
        }
}

static void
a_condition_is_recorded_also_with_inner_splits(void **state)
{
    (void)state;
    for (int systematic = 0; systematic < 2; systematic++) {
        kofn_code *code = build_rkrp("1,2,2", 10, systematic, "4", 9);
        assert_int_equal(code->threshold, 8);
        const double worst = brute_worst(code);
        assert_at_most(fabs(code->chosen_condition / worst - 1), 64 * worst * 0x1p-52);
        kofn_code_destroy(&code);
    }
}

static void
large_codes_take_the_first_draw_unseen(void **state)
{
    (void)state;
    kofn_code *code = build_rkrp("12,1,12", 150, false, "16", 1);
    assert_int_equal(code->draw, 0);
    assert_true(code->chosen_condition == 0);
    kofn_code_destroy(&code);
    code = build_rkrp("12,1,12", 150, true, "16", 1); // at most 6 coded tasks in a set: cheap
    assert_true(code->chosen_condition > 1);
    kofn_code_destroy(&code);
}

/* Relative error of one product of 24 x 24 with one random loss. */
static double
measure_error(const kofn_code *code, kofn_rng *rng)
{
    kofn_error error;
    enum { N = 24, TASKS = 6 };
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){.rows = N, .inner = N, .cols = N}, false, false);
    kofn_bands a = new_matrix(KOFN_F64, N, N), b = new_matrix(KOFN_F64, N, N);
    kofn_bands c = new_matrix(KOFN_F64, N, N), exact = new_matrix(KOFN_F64, N, N);
    fill_normal(&a, rng);
    fill_normal(&b, rng);
    kofn_bands at[TASKS], bt[TASKS], ct[TASKS];
    size_t tasks[TASKS];
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i] = i;
        at[i] = new_matrix(KOFN_F64, N / 2, N);
        bt[i] = new_matrix(KOFN_F64, N, N / 2);
        ct[i] = new_matrix(KOFN_F64, N / 2, N / 2);
    }
    assert_ok(kofn_coding_encode(&coding, 0, &a, TASKS, tasks, at, &error));
    assert_ok(kofn_coding_encode(&coding, 1, &b, TASKS, tasks, bt, &error));
    for (size_t i = 0; i < TASKS; i++)
        naive_multiply(&at[i], false, &bt[i], false, &ct[i]);

    shuffle(rng, tasks, TASKS);
    kofn_decoder *d;
    kofn_decode_plan plan;
    const kofn_bands *answers[TASKS];
    assert_ok(kofn_decoder_new((kofn_code *)code, INFINITY, &d, &error));
    for (size_t i = 0; i < code->threshold; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        answers[u] = &ct[plan.task[u]];
    assert_ok(
        kofn_coding_decode(&coding, &plan, answers, kofn_coding_all_rows(&coding), &c, &error));
    naive_multiply(&a, false, &b, false, &exact);
    const double relative = residual_of(&a, false, &b, false, &c) / norm_of(&exact);

    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    for (size_t i = 0; i < TASKS; i++) {
        free_matrix(&at[i]);
        free_matrix(&bt[i]);
        free_matrix(&ct[i]);
    }
    free_matrix(&a);
    free_matrix(&b);
    free_matrix(&c);
    free_matrix(&exact);
    return relative;
}

static int
compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
median_error_of_four_answers_of_six_is_below_1e_13(void **state)
{
    (void)state;
    enum { TRIALS = 400 };
    double errors[TRIALS];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (int systematic = 0; systematic < 2; systematic++) {
        for (size_t i = 0; i < TRIALS; i++) {
            kofn_code *code = build_rkrp("2,1,2", 6, systematic, "16", i + 1);
            errors[i] = measure_error(code, &rng);
            kofn_code_destroy(&code);
        }
        qsort(errors, TRIALS, sizeof errors[0], compare_doubles);
        print_message("systematic=%d: median %.2e, 0.9 %.2e, worst %.2e\n", systematic,
                      errors[TRIALS / 2], errors[TRIALS * 9 / 10], errors[TRIALS - 1]);
        assert_at_most(errors[TRIALS / 2], 1e-13);
        assert_at_most(errors[TRIALS - 1], 1e-11);
    }
}

static void
wrong_settings_are_refused_with_the_rule(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec;
    const kofn_field *f64 = kofn_field_find("f64");
    const test_code few = {.family = "rkrp", .partition = "2,1,2", .tasks = 3};
    fill_spec(&few, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, f64, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "x y z^2 = 4"));

    const test_code split = {.family = "rkrp", .partition = "2,2,2", .tasks = 15};
    fill_spec(&split, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, f64, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "x y z^2 = 16"));

    kofn_field finite = *f64;
    finite.order = 257;
    const test_code fine = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    fill_spec(&fine, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, &finite, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "polynomial"));
}

/* Each block of A that pairs use with each of B: as many as rows of these have entries. */
static void
batches_take_as_many_answers_as_products_of_the_blocks_in_use(void **state)
{
    (void)state;
    static const struct {
        size_t lefts, rights, count, left[4], right[4], needed;
    } cases[] = {
        {3, 3, 3, {0, 1, 2}, {0, 1, 2}, 9},       // blocks of their own
        {2, 2, 4, {0, 0, 1, 1}, {0, 1, 0, 1}, 4}, // all with all
        {5, 4, 3, {1, 1, 4}, {0, 3, 3}, 4},       // two of five, two of four
        {1, 3, 2, {0, 0}, {2, 1}, 2},
    };
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        kofn_batch *batch;
        kofn_code *code = NULL;
        assert_ok(kofn_batch_new_stacked(cases[c].lefts, cases[c].rights, cases[c].count,
                                         cases[c].left, cases[c].right, NULL, f, &batch, &error));
        kofn_code_spec spec = {.batch = batch, .tasks = cases[c].needed - 1, .has_seed = true};
        assert_ok(kofn_code_spec_set(&spec, "family", "rkrp", &error));
        assert_fails(kofn_code_spec_build(&spec, f, &code, &error), KOFN_INVALID_ARGUMENT);
        spec.tasks = cases[c].needed + 2;
        assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
        assert_int_equal(code->threshold, cases[c].needed);
        assert_true(code->chosen_condition > 1);
        for (size_t task = 0; task < code->tasks; task++) {
            size_t entries = 0;
            for (size_t column = 0; column < kofn_code_columns(code); column++)
                entries += kofn_code_get_element(code, task, column) != 0;
            assert_int_equal(entries, task < cases[c].count ? 1 : cases[c].needed);
            if (task < cases[c].count) { // the pairs, in the order of their products
                const size_t plain = kofn_code_plain_column(code, task);
                bool found = false;
                for (size_t i = 0; i < cases[c].count; i++)
                    found |= plain == cases[c].left[i] * cases[c].rights + cases[c].right[i];
                assert_true(found);
            }
        }
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
}

/* Few blocks of many: G has its columns in short, and the code is that of these blocks. */
static void
a_batch_may_use_few_of_its_blocks(void **state)
{
    (void)state;
    enum { PAIRS = 6, NEEDED = 12 };
    static const size_t left[PAIRS] = {60, 60, 61, 62, 62, 62},
                        right[PAIRS] = {60, 63, 61, 60, 61, 62};
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch;
    kofn_code *code;
    assert_ok(kofn_batch_new_stacked(64, 64, PAIRS, left, right, NULL, f, &batch, &error));
    kofn_code_spec spec = {.batch = batch, .tasks = NEEDED + 2, .has_seed = true};
    assert_ok(kofn_code_spec_set(&spec, "family", "rkrp", &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    assert_non_null(code->columns);
    assert_int_equal(code->threshold, NEEDED);
    assert_true(code->chosen_condition > 1 && isfinite(code->chosen_condition));
    for (size_t i = 0; i < PAIRS; i++)
        assert_int_equal(kofn_code_plain_column(code, i),
                         kofn_code_find_column(code, left[i] * 64 + right[i]));
    for (int round = 0; round < 50; round++) {
        kofn_decoder *d;
        size_t order[NEEDED + 2], plain = 0;
        for (size_t i = 0; i < code->tasks; i++)
            order[i] = i;
        shuffle(&rng, order, code->tasks);
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t i = 0; i < NEEDED; i++) {
            assert_int_equal(kofn_decoder_get_state(d) == KOFN_DECODE_EXACT, plain == PAIRS);
            assert_ok(kofn_decoder_add(d, order[i], &error));
            plain += order[i] < PAIRS;
        }
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_tasks_of_a_systematic_code_are_plain_blocks),
        cmocka_unit_test(too_few_tasks_are_refused_with_the_partition_that_fits),
        cmocka_unit_test(coefficients_are_those_of_the_first_release),
        cmocka_unit_test(the_same_seed_gives_the_same_code_and_another_seed_another),
        cmocka_unit_test(the_best_of_the_draws_is_kept),
        cmocka_unit_test(a_condition_is_recorded_also_with_inner_splits),
        cmocka_unit_test(large_codes_take_the_first_draw_unseen),
        cmocka_unit_test(median_error_of_four_answers_of_six_is_below_1e_13),
        cmocka_unit_test(wrong_settings_are_refused_with_the_rule),
        cmocka_unit_test(batches_take_as_many_answers_as_products_of_the_blocks_in_use),
        cmocka_unit_test(a_batch_may_use_few_of_its_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
