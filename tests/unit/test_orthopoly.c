/* The two Chebyshev families against T_k(t) = cos(k acos t), in long double. */
#include "common/code/points.h"
#include "tests/unit/code_brute.h"

static long double
chebyshev(size_t k, double t)
{
    return cosl((long double)k * acosl((long double)t));
}

static kofn_code *
make(const char *family, const char *partition, size_t tasks)
{
    const test_code t = {.family = family, .partition = partition, .tasks = tasks};
    return make_code(&t, "f64", 1);
}

/* The recurrence is within k^2 epsilon of T_k; composed, T_b(T_x) within (x b)^2 epsilon. 2: both
 * factors of a product. */
static double
allowed(size_t degree)
{
    const double k = (double)degree + 1;
    return 2 * k * k * 0x1p-53;
}

static void
points_are_chebyshev_nodes(void **state)
{
    (void)state;
    kofn_code *codes[] = {make("orthopoly", "3,1,4", 14), make("orthomatdot", "1,6,1", 14)};
    for (size_t c = 0; c < 2; c++) {
        size_t task = 14;
        for (size_t w = 1; w <= 14; w++) { // as the paper counts them
            task = kofn_points_scatter(14, task);
            assert_at_most(fabs(codes[c]->point[task] -
                                (double)cosl((2 * (long double)w - 1) * acosl(-1) / 28)),
                           0x1p-40);
        }
        assert_null(codes[c]->power);
        kofn_code_destroy(&codes[c]);
    }
}

static void
entries_are_chebyshev_polynomials_of_the_point(void **state)
{
    (void)state;
    kofn_code *code = make("orthopoly", "3,1,4", 14);
    for (size_t task = 0; task < 14; task++) {
        const double t = code->point[task];
        for (size_t a = 0; a < 3; a++)
            assert_at_most(fabs(kofn_code_get_row(code, 0, task)[a] - (double)chebyshev(a, t)),
                           allowed(a));
        for (size_t b = 0; b < 4; b++)
            assert_at_most(fabs(kofn_code_get_row(code, 1, task)[b] - (double)chebyshev(3 * b, t)),
                           allowed(3 * b));
    }
    kofn_code_destroy(&code);
}

/* H of the paper, whose text lost the formula: row i of G is (T_0 .. T_(k-1))(t) H with
 * H[x b + a, (a, b)] = H[|x b - a|, (a, b)] = 1/2, or 1 where the two are one (a = 0 or b = 0: both
 * indices are equal). */
static void
g_is_the_chebyshev_vandermonde_matrix_times_h(void **state)
{
    (void)state;
    static const struct {
        const char *partition;
        size_t x, y;
    } parts[] = {
        {"1,1,1", 1, 1}, {"2,1,2", 2, 2}, {"3,1,4", 3, 4}, {"4,1,1", 4, 1}, {"1,1,5", 1, 5}};
    for (size_t p = 0; p < 5; p++) {
        const size_t x = parts[p].x, y = parts[p].y, n = x * y + 2;
        kofn_code *code = make("orthopoly", parts[p].partition, n);
        double row[32];
        for (size_t task = 0; task < n; task++) {
            kofn_code_fill_row(code, task, row);
            for (size_t a = 0; a < x; a++)
                for (size_t b = 0; b < y; b++) {
                    long double h[32] = {0}, sum = 0;
                    h[x * b + a] += 0.5L;
                    h[x * b > a ? x * b - a : a - x * b] += 0.5L;
                    for (size_t i = 0; i < x * y; i++)
                        sum += h[i] * chebyshev(i, code->point[task]);
                    assert_at_most(fabs(row[a * y + b] - (double)sum), allowed(x * y));
                }
        }
        kofn_code_destroy(&code);
    }
}

/* C = (2 / z) sum over the roots of T_z of A(t) B(t): with n = z the points are those roots, so the
 * rows of a code of n = z tasks would do it; rows are made for n >= 2 z - 1, so T_k is evaluated
 * here, with the code's own factor of T_0. */
static void
the_roots_of_t_z_give_the_sum_of_products(void **state)
{
    (void)state;
    for (size_t z = 1; z <= 9; z++) {
        char partition[16];
        (void)snprintf(partition, sizeof partition, "1,%zu,1", z);
        kofn_code *code = make("orthomatdot", partition, 2 * z - 1);
        const size_t end = kofn_points_scatter(code->tasks, code->tasks); // where no T_k is 0
        const double t0 = code->point[end];
        long double a_scale[9], b_scale[9];
        for (size_t k = 0; k < z; k++) {
            a_scale[k] = kofn_code_get_row(code, 0, end)[k] / chebyshev(k, t0);
            b_scale[k] = kofn_code_get_row(code, 1, end)[k] / chebyshev(k, t0);
        }
        for (size_t i = 0; i < z; i++)
            for (size_t j = 0; j < z; j++) {
                long double sum = 0;
                for (size_t r = 0; r < z; r++) {
                    const double root =
                        (double)cosl((2 * (long double)r + 1) * acosl(-1) / (2 * (long double)z));
                    sum += a_scale[i] * chebyshev(i, root) * b_scale[j] * chebyshev(j, root);
                }
                assert_at_most(fabs((double)(2 * sum / (long double)z) - (i == j)),
                               1e-11); // points are rounded to 2^-40, T_k' is up to k^2
            }
        kofn_code_destroy(&code);
    }
}

static void
blocks_of_b_are_coded_alike_by_both(void **state)
{
    (void)state;
    kofn_code *poly = make("orthopoly", "1,1,5", 11), *dot = make("orthomatdot", "1,5,1", 11);
    assert_int_equal(poly->e[1].cols, dot->e[1].cols);
    assert_memory_equal(poly->e[1].at, dot->e[1].at, 11 * 5 * sizeof(double));
    kofn_code_destroy(&poly);
    kofn_code_destroy(&dot);
}

/* Amplification from tasks [first, first + threshold). */
static double
amplify_run(kofn_code *code, size_t first)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t r = 0; r < code->threshold; r++)
        assert_ok(kofn_decoder_add(d, first + r, &error));
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    const double found = plan.quality.amplification;
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return found;
}

static void
assert_runs(const char *family, const char *partition, size_t tasks)
{
    kofn_code *code = make(family, partition, tasks);
    const size_t k = code->threshold;
    const double first = amplify_run(code, 0), last = amplify_run(code, tasks - k);
    if (first > 4 * (double)k || last > 8 * (double)k)
        fail_msg("%s %s n=%zu: %g from the first %zu, %g from the last", family, partition, tasks,
                 first, k, last);
    kofn_code_destroy(&code);
}

/* orthopoly.h, orthomatdot.h. In the order of the nodes it would be 1e16 for most. */
static void
errors_hardly_grow_when_the_last_or_the_first_tasks_are_missing(void **state)
{
    (void)state;
    static const size_t sides[] = {2, 3, 4, 6};
    char partition[32];
    for (size_t n = 1; n <= 40; n++)
        for (size_t k = 1; k <= n; k++) {
            (void)snprintf(partition, sizeof partition, "%zu,1,1", k);
            assert_runs("orthopoly", partition, n);
            (void)snprintf(partition, sizeof partition, "1,%zu,1", (k + 1) / 2);
            assert_runs("orthomatdot", partition, n);
        }
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        for (size_t k = sides[i] * sides[i], n = k; n <= k + k / 2; n++) {
            (void)snprintf(partition, sizeof partition, "%zu,1,%zu", sides[i], sides[i]);
            assert_runs("orthopoly", partition, n);
        }
}

/* Median and worst amplification over 400 random sets of k. */
static void
measure(const char *family, const char *partition, size_t tasks, double *ret_median,
        double *ret_worst)
{
    enum { SETS = 400 };
    kofn_error error;
    kofn_code *code = make(family, partition, tasks);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    double *seen = calloc(SETS, sizeof *seen);
    for (size_t i = 0; i < SETS; i++) {
        size_t order[64], at = i;
        for (size_t task = 0; task < tasks; task++)
            order[task] = task;
        shuffle(&rng, order, tasks);
        kofn_decoder *d;
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t r = 0; r < code->threshold; r++)
            assert_ok(kofn_decoder_add(d, order[r], &error));
        kofn_decode_plan plan;
        assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
        for (; at > 0 && seen[at - 1] > plan.quality.amplification; at--)
            seen[at] = seen[at - 1];
        seen[at] = plan.quality.amplification;
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    *ret_median = seen[SETS / 2];
    *ret_worst = seen[SETS - 1];
    print_message("%s %s n=%zu: median %.3g, worst %.3g\n", family, partition, tasks, *ret_median,
                  *ret_worst);
    free(seen);
    kofn_code_destroy(&code);
}

static void
errors_grow_as_the_headers_say(void **state)
{
    (void)state;
    static const struct {
        const char *family, *partition;
        size_t tasks;
        double median, worst; // at most
    } claims[] = {
        {"orthopoly", "4,1,4", 16, 9, 9},       {"orthopoly", "4,1,4", 18, 50, 2e4},
        {"orthopoly", "4,1,4", 20, 100, 3e6},   {"orthomatdot", "1,5,1", 9, 2.4, 2.4},
        {"orthomatdot", "1,5,1", 11, 8, 2e3},   {"orthomatdot", "1,20,1", 39, 5, 5},
        {"orthomatdot", "1,20,1", 42, 30, 3e6},
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        double median, worst;
        measure(claims[i].family, claims[i].partition, claims[i].tasks, &median, &worst);
        assert_at_most(median, claims[i].median);
        assert_at_most(worst, claims[i].worst);
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
        {{.family = "orthopoly", .partition = "2,2,3"}, "take 2,1,3, or family orthomatdot"},
        {{.family = "orthopoly", .partition = "2,1,3", .tasks = 5}, "at least x y = 6"},
        {{.family = "orthomatdot", .partition = "2,2,1"}, "take 1,2,1, or family polydot"},
        {{.family = "orthomatdot", .partition = "1,5,1", .tasks = 8}, "partition 1,4,1"},
    };
    kofn_error error;
    kofn_code_spec spec;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fill_spec(&wrong[i].code, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                     KOFN_INVALID_ARGUMENT);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].says);
    }
    kofn_field finite = *kofn_field_find("f64");
    finite.order = 256;
    finite.name = "gf256";
    static const char *const families[] = {"orthopoly", "orthomatdot", "eps_matdot", "eps_polydot"},
                             *const instead[] = {"polynomial", "matdot", "matdot", "polydot"};
    for (size_t i = 0; i < 4; i++) {
        const test_code t = {.family = families[i], .partition = "1,1,1"};
        fill_spec(&t, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, &finite, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, instead[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_chebyshev_nodes),
        cmocka_unit_test(entries_are_chebyshev_polynomials_of_the_point),
        cmocka_unit_test(g_is_the_chebyshev_vandermonde_matrix_times_h),
        cmocka_unit_test(the_roots_of_t_z_give_the_sum_of_products),
        cmocka_unit_test(blocks_of_b_are_coded_alike_by_both),
        cmocka_unit_test(errors_hardly_grow_when_the_last_or_the_first_tasks_are_missing),
        cmocka_unit_test(errors_grow_as_the_headers_say),
        cmocka_unit_test(wrong_settings_are_refused_with_one_that_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
