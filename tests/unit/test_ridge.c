#include "common/linalg/ridge.h"
#include "common/base/rng.h"
#include "tests/assert.h"

#include <math.h>

static kofn_error error;

enum { SIDE_MAX = 24 };

static void
fill_normal(double *at, size_t count, kofn_rng *rng)
{
    for (size_t i = 0; i < count; i++)
        at[i] = kofn_rng_normal(rng);
}

/* |D G - T|^2 + delta^2 |D|^2 in long double. */
static long double
objective(const kofn_ridge *r, const double *d)
{
    long double sum = 0;
    for (size_t t = 0; t < r->targets; t++) {
        for (size_t c = 0; c < r->cols; c++) {
            long double left = -(long double)r->target[t * r->cols + c];
            for (size_t i = 0; i < r->rows; i++)
                left += (long double)d[t * r->rows + i] * r->row[i * r->cols + c];
            sum += left * left;
        }
        for (size_t i = 0; i < r->rows; i++)
            sum += (long double)r->delta * r->delta * d[t * r->rows + i] * d[t * r->rows + i];
    }
    return sum;
}

/* Half the gradient with respect to D[t, i]: zero at the minimum. */
static long double
slope(const kofn_ridge *r, const double *d, size_t t, size_t i)
{
    long double sum = (long double)r->delta * r->delta * d[t * r->rows + i];
    for (size_t c = 0; c < r->cols; c++) {
        long double left = -(long double)r->target[t * r->cols + c];
        for (size_t j = 0; j < r->rows; j++)
            left += (long double)d[t * r->rows + j] * r->row[j * r->cols + c];
        sum += left * r->row[i * r->cols + c];
    }
    return sum;
}

static void
the_slope_is_zero_at_the_solution(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (int round = 0; round < 200; round++) {
        double row[SIDE_MAX * SIDE_MAX], target[4 * SIDE_MAX], d[4 * SIDE_MAX];
        const kofn_ridge r = {
            .rows = 1 + kofn_rng_below(&rng, SIDE_MAX),
            .cols = 1 + kofn_rng_below(&rng, SIDE_MAX),
            .targets = 1 + kofn_rng_below(&rng, 4),
            .delta = pow(10, -(double)kofn_rng_below(&rng, 6)),
            .row = row,
            .target = target,
        };
        fill_normal(row, r.rows * r.cols, &rng);
        fill_normal(target, r.targets * r.cols, &rng);
        assert_ok(kofn_ridge_solve(&r, d, &error));
        /* backward error of QR, a few (rows + cols) epsilon, against |G| (|G| |D| + |T|) */
        double g = 0, most = 0;
        for (size_t i = 0; i < r.rows * r.cols; i++)
            g += row[i] * row[i];
        for (size_t i = 0; i < r.targets * r.rows; i++)
            most = fmax(most, fabs(d[i]));
        const double size = g * most * (double)r.rows + sqrt(g) * 10;
        for (size_t t = 0; t < r.targets; t++)
            for (size_t i = 0; i < r.rows; i++)
                assert_at_most(fabs((double)slope(&r, d, t, i)),
                               8 * (double)(r.rows + r.cols) * 0x1p-53 * size);
    }
}

/* Powers of points as small as these have no condition to speak of: rows agree to 1e-15. What is
 * left is a minimum all the same, which no other D undercuts. */
static void
no_other_combination_is_better_however_bad_the_rows_are(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    enum { ROWS = 8, COLS = 12 };
    for (int round = 0; round < 100; round++) {
        double row[ROWS * COLS], target[COLS] = {0}, d[ROWS], other[ROWS];
        const double size = pow(10, -(double)kofn_rng_below(&rng, 6));
        const kofn_ridge r = {.rows = ROWS,
                              .cols = COLS,
                              .targets = 1,
                              .delta = 16 * 0x1p-53,
                              .row = row,
                              .target = target};
        target[round % ROWS] = 1;
        for (size_t i = 0; i < ROWS; i++)
            for (size_t c = 0; c < COLS; c++)
                row[i * COLS + c] = pow(size * cos((double)i + 0.5), (double)c);
        assert_ok(kofn_ridge_solve(&r, d, &error));
        const long double best = objective(&r, d);
        assert_at_most((double)best, 1 + 1e-12); // zeros miss all of the target
        for (int step = 0; step < 50; step++) {
            for (size_t i = 0; i < ROWS; i++)
                other[i] = d[i] * (1 + pow(10, -(double)(step % 10)) * kofn_rng_normal(&rng));
            assert_at_most((double)best, (double)objective(&r, other) * (1 + 1e-2));
        }
    }
}

static void
a_larger_weight_makes_smaller_coefficients(void **state)
{
    (void)state;
    const double row[] = {1, 0, 1, 1e-8}, target[] = {0, 1}; // two rows that almost agree
    double before = INFINITY;
    for (double delta = 1e-12; delta < 1; delta *= 10) {
        double d[2];
        const kofn_ridge r = {
            .rows = 2, .cols = 2, .targets = 1, .delta = delta, .row = row, .target = target};
        assert_ok(kofn_ridge_solve(&r, d, &error));
        assert_true(hypot(d[0], d[1]) < before);
        before = hypot(d[0], d[1]);
    }
    assert_at_most(before, 1e-6);
}

static void
a_row_that_repeats_shares_its_coefficient(void **state)
{
    (void)state;
    const double row[] = {2, 2}, target[] = {2};
    double d[2];
    const kofn_ridge r = {
        .rows = 2, .cols = 1, .targets = 1, .delta = 1e-9, .row = row, .target = target};
    assert_ok(kofn_ridge_solve(&r, d, &error));
    assert_at_most(fabs(d[0] - 0.5), 1e-14);
    assert_at_most(fabs(d[1] - 0.5), 1e-14);
}

static void
empties_are_solved_by_nothing(void **state)
{
    (void)state;
    double d[2] = {7, 7};
    const double one = 1;
    kofn_ridge r = {.rows = 0, .cols = 1, .targets = 1, .delta = 1, .row = &one, .target = &one};
    assert_ok(kofn_ridge_solve(&r, d, &error));
    r = (kofn_ridge){.rows = 1, .cols = 1, .targets = 0, .delta = 1, .row = &one, .target = &one};
    assert_ok(kofn_ridge_solve(&r, d, &error));
    assert_true(d[0] == 7);
    r = (kofn_ridge){.rows = 2, .cols = 0, .targets = 1, .delta = 1};
    assert_ok(kofn_ridge_solve(&r, d, &error)); // nothing to meet: no coefficient
    assert_true(d[0] == 0 && d[1] == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slope_is_zero_at_the_solution),
        cmocka_unit_test(no_other_combination_is_better_however_bad_the_rows_are),
        cmocka_unit_test(a_larger_weight_makes_smaller_coefficients),
        cmocka_unit_test(a_row_that_repeats_shares_its_coefficient),
        cmocka_unit_test(empties_are_solved_by_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
