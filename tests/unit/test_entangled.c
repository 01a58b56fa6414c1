/* The four families of entangled polynomials against the paper's sums, in whole numbers: points are
 * small integers here, so nothing is rounded. */
#include "common/code/batch.h"
#include "common/code/entangled.h"
#include "tests/unit/code_brute.h"

enum { COEFS_MAX = 64, BLOCKS_MAX = 64 };

static const struct {
    const char *family;
    kofn_partition part;
} cases[] = {
    {"polynomial", {1, 1, 1}}, {"polynomial", {3, 1, 2}}, {"matdot", {1, 1, 1}},
    {"matdot", {1, 2, 1}},     {"matdot", {1, 4, 1}},     {"polydot", {2, 2, 2}},
    {"polydot", {1, 3, 2}},    {"polydot", {3, 2, 1}},    {"polydot", {2, 1, 3}},
    {"polydot", {1, 5, 1}},    {"polydot", {2, 3, 2}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* ---- a second implementation, after Construction 2 ------------------------------------------- */

/* p_A(t) and p_B(t) for blocks that are numbers, i, j, k, l counted from 1 as in the paper, whose q
 * is z; its p is x in p_A and in the step of l. */
typedef struct polynomials {
    int64_t a[BLOCKS_MAX], b[BLOCKS_MAX]; // blocks, row by row
    int64_t pa[COEFS_MAX], pb[COEFS_MAX], pc[COEFS_MAX];
} polynomials;

static void
draw_polynomials(kofn_partition part, kofn_rng *rng, polynomials *p)
{
    const size_t x = part.x, q = part.z, y = part.y;
    *p = (polynomials){0};
    for (size_t i = 1; i <= x; i++)
        for (size_t j = 1; j <= q; j++) {
            const int64_t value = (int64_t)kofn_rng_below(rng, 19) - 9;
            p->a[(i - 1) * q + j - 1] = value;
            p->pa[q * (i - 1) + (j - 1)] += value;
        }
    for (size_t k = 1; k <= q; k++)
        for (size_t l = 1; l <= y; l++) {
            const int64_t value = (int64_t)kofn_rng_below(rng, 19) - 9;
            p->b[(k - 1) * y + l - 1] = value;
            p->pb[q - k + x * q * (l - 1)] += value;
        }
    for (size_t i = 0; i < COEFS_MAX; i++)
        for (size_t j = 0; i + j < COEFS_MAX; j++)
            p->pc[i + j] += p->pa[i] * p->pb[j];
}

static int64_t
evaluate(const int64_t *coefs, int64_t t)
{
    int64_t value = 0;
    for (size_t i = COEFS_MAX; i-- > 0;)
        value = value * t + coefs[i];
    return value;
}

/* ---- the tests ------------------------------------------------------------------------------- */

/* -3 .. 4 for eight tasks: whole numbers, of which doubles hold every power met here. */
static double
whole_point(const kofn_field *f, size_t i, size_t n)
{
    (void)f;
    const size_t middle = (n - 1) / 2;
    return (double)i - (double)middle;
}

static kofn_code *
build(const char *family, const kofn_field *field, kofn_partition part, size_t tasks)
{
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_family_args args = {.field = field, .part = part, .tasks = tasks};
    assert_ok(kofn_family_build(kofn_family_find(family), &args, &code, &error));
    return code;
}

static void
answers_are_the_values_of_the_papers_polynomial(void **state)
{
    (void)state;
    kofn_field whole = *kofn_field_find("f64");
    whole.point = whole_point;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t c = 0; c < CASES; c++) {
        const size_t n = kofn_entangled_threshold(cases[c].part) + 1;
        kofn_code *code = build(cases[c].family, &whole, cases[c].part, n);
        polynomials p;
        draw_polynomials(cases[c].part, &rng, &p);
        for (size_t task = 0; task < n && n <= 14; task++) { // 5^13 90 stays below 2^53
            int64_t a = 0, b = 0;
            for (size_t i = 0; i < code->e[0].cols; i++)
                a += (int64_t)kofn_code_get_row(code, 0, task)[i] * p.a[i];
            for (size_t i = 0; i < code->e[1].cols; i++)
                b += (int64_t)kofn_code_get_row(code, 1, task)[i] * p.b[i];
            assert_true(a == evaluate(p.pa, (int64_t)code->point[task]));
            assert_true(b == evaluate(p.pb, (int64_t)code->point[task]));
            assert_true(a * b == evaluate(p.pc, (int64_t)code->point[task]));
        }
        kofn_code_destroy(&code);
    }
}

static void
the_power_of_each_target_has_its_sum_and_nothing_else(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t c = 0; c < CASES; c++) {
        const kofn_partition part = cases[c].part;
        const size_t k = kofn_entangled_threshold(part);
        kofn_code *code = build(cases[c].family, kofn_field_find("f64"), part, k);
        for (int draw = 0; draw < 20; draw++) {
            polynomials p;
            draw_polynomials(part, &rng, &p);
            for (size_t i = 0; i < part.x; i++)
                for (size_t j = 0; j < part.y; j++) {
                    int64_t sum = 0;
                    for (size_t l = 0; l < part.z; l++)
                        sum += p.a[i * part.z + l] * p.b[l * part.y + j];
                    assert_true(p.pc[code->power[i * part.y + j]] == sum);
                }
            for (size_t power = k; power < COEFS_MAX; power++)
                assert_true(p.pc[power] == 0); // k coefficients, so k answers
        }
        assert_int_equal(code->threshold, k);
        assert_int_equal(code->enough, k);
        kofn_code_destroy(&code);
    }
}

static double
multiply_modulo(const kofn_field *f, double a, double b)
{
    return fmod(a * b, f->order);
}

static double
index_point(const kofn_field *f, size_t i, size_t n)
{
    (void)f;
    (void)n;
    return (double)i;
}

/* A prime field of which nothing exists but points and products: calling more would crash. */
static void
points_and_products_are_all_they_ask_of_a_field(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field gf101 = {.name = "gf101",
                              .dtype = KOFN_F64,
                              .order = 101,
                              .multiply = multiply_modulo,
                              .point = index_point};
    for (size_t c = 0; c < CASES; c++) {
        const size_t n = 101;
        const kofn_partition part = cases[c].part;
        kofn_code *code = build(cases[c].family, &gf101, part, n);
        for (size_t task = 0; task < n; task++) {
            int64_t power = 1;
            for (size_t i = 0; i < part.x * part.z; i++, power = power * (int64_t)task % 101)
                assert_true((int64_t)kofn_code_get_row(code, 0, task)[i] == power);
            for (size_t k = 0; k < part.z; k++)
                for (size_t j = 0; j < part.y; j++) {
                    power = 1;
                    for (size_t i = 0; i < part.z - 1 - k + part.z * part.x * j; i++)
                        power = power * (int64_t)task % 101;
                    assert_true((int64_t)kofn_code_get_row(code, 1, task)[k * part.y + j] == power);
                }
        }
        kofn_code_destroy(&code);
        const kofn_family_args args = {.field = &gf101, .part = part, .tasks = 102};
        kofn_thresholds k;
        assert_fails(kofn_family_find(cases[c].family)->threshold_for(&args, &k, &error),
                     KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "tasks=101"));
    }
}

static void
wrong_settings_are_refused_with_one_that_works(void **state)
{
    (void)state;
    static const struct {
        test_code code;
        const char *says;
    } wrong[] = {
        {{.family = "matdot", .partition = "2,3,1"}, "take 1,3,1, or family polydot"},
        {{.family = "matdot", .partition = "1,3,2"}, "take 1,3,1, or family polydot"},
        {{.family = "matdot", .partition = "1,5,1", .tasks = 8}, "partition 1,4,1"},
        {{.family = "matdot", .partition = "1,2,1", .tasks = 1}, "partition 1,1,1"},
        {{.family = "polydot", .partition = "2,3,2", .tasks = 13}, "partition 2,2,2"},
        {{.family = "polydot", .partition = "3,2,3", .tasks = 8}, "or fewer parts"},
        {{.family = "matdot", .partition = "1,30,1", .tasks = 60}, "take partition 1,24,1"},
        {{.family = "polydot", .partition = "6,2,6", .tasks = 100}, "take partition 6,1,6"},
        {{.family = "polynomial", .partition = "8,1,7", .tasks = 60}, "take partition 6,1,7"},
    };
    kofn_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_code_spec spec;
        fill_spec(&wrong[i].code, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                     KOFN_INVALID_ARGUMENT);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].says);
        const char *take = strstr(error.text, "partition "); // and what it names is taken
        take = take ? strstr(take + 1, "partition ") : NULL;
        if (take &&
            sscanf(take, "partition %zu,%zu,%zu", &spec.part.x, &spec.part.z, &spec.part.y) == 3)
            assert_ok(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error));
    }
}

/* Half of the digits of f64 are all of f32's. */
static void
what_f64_carries_f32_may_not(void **state)
{
    (void)state;
    const test_code t = {.family = "matdot", .partition = "1,14,1"};
    kofn_code_spec spec;
    fill_spec(&t, 1, &spec);
    kofn_error error;
    assert_ok(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error));
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f32"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "f32"));

    /* Points that are equal once rounded to f32 are no points. */
    const test_code many = {.family = "matdot", .partition = "1,2,1", .tasks = 9100};
    fill_spec(&many, 1, &spec);
    assert_ok(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error));
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f32"), &error),
                 KOFN_INVALID_ARGUMENT);
    size_t most;
    assert_int_equal(sscanf(strstr(error.text, "take tasks="), "take tasks=%zu", &most), 1);
    for (size_t i = 1; i < most; i++) {
        const kofn_field *f = kofn_field_find("f32");
        assert_true((float)f->point(f, i, most) < (float)f->point(f, i - 1, most));
    }
}

/* Coefficient `power` of the polynomial of degree n - 1 through n points, as weights of its values:
 * Lagrange's polynomials multiplied out, in long double. */
static long double
coefficient_weight(const double *t, size_t n, size_t of, size_t power)
{
    long double c[COEFS_MAX + 1] = {1}, divisor = 1;
    size_t degree = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == of)
            continue;
        for (size_t i = ++degree; i > 0; i--)
            c[i] = c[i - 1] - c[i] * (long double)t[j];
        c[0] *= -(long double)t[j];
        divisor *= (long double)t[of] - t[j];
    }
    return c[power] / divisor;
}

static double
row_norm(const double *row, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += row[i] * row[i];
    return sqrt(sum);
}

/* The claim of kofn_entangled_growth: sum_u |D_u| |e_A,u| |e_B,u| for n = k, measured. */
static void
growth_is_within_three_of_the_measured(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        const size_t k = kofn_entangled_threshold(cases[c].part);
        kofn_code *code = build(cases[c].family, kofn_field_find("f64"), cases[c].part, k);
        double worst = 0;
        for (size_t target = 0; target < code->targets.rows; target++) {
            double sum = 0;
            for (size_t u = 0; u < k; u++)
                sum += fabs((double)coefficient_weight(code->point, k, u, code->power[target])) *
                       row_norm(kofn_code_get_row(code, 0, u), code->e[0].cols) *
                       row_norm(kofn_code_get_row(code, 1, u), code->e[1].cols);
            worst = fmax(worst, sum);
        }
        const double growth = kofn_entangled_growth(cases[c].part);
        print_message("%zu,%zu,%zu: measured %.3g, formula %.3g\n", cases[c].part.x,
                      cases[c].part.z, cases[c].part.y, worst, growth);
        assert_true(worst <= 3 * growth && growth <= 3 * worst);
        kofn_code_destroy(&code);
    }
}

/* ---- sums of pairs --------------------------------------------------------------------------- */

static kofn_status
check_sum(const char *family, const char *field, size_t pairs, size_t tasks, const double *weights,
          kofn_thresholds *ret, kofn_error *err)
{
    kofn_error error;
    kofn_batch *batch;
    size_t blocks[64];
    const kofn_field *f = new_field(field);
    for (size_t i = 0; i < pairs; i++)
        blocks[i] = i;
    assert_ok(
        kofn_batch_new_stacked(pairs, pairs, pairs, blocks, blocks, weights, f, &batch, &error));
    kofn_family_args args = {.field = f, .tasks = tasks};
    kofn_family_args_set_batch(&args, batch);
    const kofn_status status = kofn_family_check(kofn_family_find(family), &args, ret, NULL, err);
    kofn_batch_destroy(&batch);
    kofn_field_destroy(&f);
    return status;
}

static void
sums_of_pairs_have_the_rules_of_inner_blocks(void **state)
{
    (void)state;
    kofn_error error;
    kofn_thresholds k;
    double ones[64];
    for (size_t i = 0; i < 64; i++)
        ones[i] = 1;
    static const char *const families[] = {"matdot", "orthomatdot"};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(check_sum(families[i], "f64", 5, 9, ones, &k, &error));
        assert_int_equal(k.exact, 9);
        assert_fails(check_sum(families[i], "f64", 5, 8, ones, &k, &error), KOFN_INVALID_ARGUMENT);
        assert_fails(check_sum(families[i], "f64", 5, 9, NULL, &k, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "lagrange")); // which makes all products
    }
    assert_ok(check_sum("matdot", "gf16", 8, 16, ones, &k, &error));
    assert_fails(check_sum("matdot", "gf16", 8, 17, ones, &k, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(check_sum("orthomatdot", "gf16", 5, 9, ones, &k, &error), KOFN_INVALID_ARGUMENT);
    /* As for 1,24,1 and 1,25,1: no digit would be right. */
    assert_ok(check_sum("matdot", "f64", 24, 50, ones, &k, &error));
    error = (kofn_error){0};
    assert_fails(check_sum("matdot", "f64", 25, 50, ones, &k, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "orthomatdot"));
    assert_ok(check_sum("orthomatdot", "f64", 60, 130, ones, &k, &error));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_values_of_the_papers_polynomial),
        cmocka_unit_test(the_power_of_each_target_has_its_sum_and_nothing_else),
        cmocka_unit_test(points_and_products_are_all_they_ask_of_a_field),
        cmocka_unit_test(wrong_settings_are_refused_with_one_that_works),
        cmocka_unit_test(what_f64_carries_f32_may_not),
        cmocka_unit_test(growth_is_within_three_of_the_measured),
        cmocka_unit_test(sums_of_pairs_have_the_rules_of_inner_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
