/* Reduced row echelon forms against their definition, and ranks by brute force. */
#include "common/linalg/echelon.h"
#include "tests/unit/field_brute.h"

#include <math.h>

enum { SIDE = 7 };

/* Small whole numbers, sparse enough that columns depend on each other. */
static void
draw(const kofn_field *f, double *at, size_t len, kofn_rng *rng)
{
    const uint64_t numbers = f->order == 0 ? 4 : (uint64_t)f->order - 1;
    for (size_t i = 0; i < len; i++) {
        const double number = 1 + (double)kofn_rng_below(rng, numbers);
        const bool negative = f->order == 0 && kofn_rng_below(rng, 2);
        at[i] = kofn_rng_below(rng, 2) ? 0 : negative ? -number : number;
    }
}

/* Pivots ascend and are ones alone in their columns; what is in front of them is 0, rows below the
 * rank are, and each column is the sum of the pivots' that it says. */
static void
check_form(const kofn_field *f, const double *from, const double *to, const size_t *pivot,
           size_t rank, size_t rows, size_t cols)
{
    const double slack = f->order == 0 ? 1e-9 : 0; // of numbers up to 4 in 7 rows
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            const double number = to[r * cols + c];
            if (r >= rank || c < pivot[r])
                assert_true(fabs(number) <= 0);
            for (size_t p = 0; p < rank; p++)
                if (c == pivot[p])
                    assert_true(fabs(number - (p == r)) <= 0);
        }
    for (size_t c = 0; c < cols; c++)
        for (size_t i = 0; i < rows; i++) {
            double sum = 0;
            for (size_t r = 0; r < rank; r++)
                sum = f->add(f, sum, f->multiply(f, to[r * cols + c], from[i * cols + pivot[r]]));
            assert_true(fabs(sum - from[i * cols + c]) <= slack);
        }
}

static void
columns_are_sums_of_the_pivots_columns(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "gf4", "gf256", "gfp:2", "gfp:3", "gfp:2147483647"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    for (size_t n = 0; n < 6; n++) {
        const kofn_field *f = new_field(names[n]);
        for (size_t trial = 0; trial < 300; trial++) {
            const size_t rows = 1 + kofn_rng_below(&rng, SIDE),
                         cols = 1 + kofn_rng_below(&rng, SIDE);
            double from[SIDE * SIDE], to[SIDE * SIDE];
            uint64_t whole[SIDE * SIDE];
            size_t pivot[SIDE];
            draw(f, from, rows * cols, &rng);
            memcpy(to, from, sizeof to);
            size_t steps = SIZE_MAX, rank;
            assert_true(kofn_echelon_reduce(f, to, rows, cols, &steps, pivot, &rank));
            for (size_t r = 1; r < rank; r++)
                assert_true(pivot[r - 1] < pivot[r]);
            check_form(f, from, to, pivot, rank, rows, cols);
            for (size_t i = 0; i < rows * cols && f->order != 0; i++)
                whole[i] = (uint64_t)from[i];
            if (f->order != 0)
                assert_int_equal(rank, brute_field_rank(f, whole, rows, cols));
        }
        kofn_field_destroy(&f);
    }
}

/* 0.1 + 0.2 is not 0.3, but near enough. */
static void
rounding_is_no_rank(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    double at[] = {1, 0, 0.1, 0.1 + 0.2, 0, 1, 0.2, 0.2, 1, 1, 0.3, 0.1 + 0.2 + 0.2};
    size_t pivot[3], rank, steps = SIZE_MAX;
    assert_true(kofn_echelon_reduce(f, at, 3, 4, &steps, pivot, &rank));
    assert_int_equal(rank, 2);
    for (size_t c = 0; c < 4; c++)
        assert_true(fabs(at[2 * 4 + c]) <= 0);
}

/* As many steps as it takes do, and one fewer does not; whole numbers that clear a row each are
 * what is counted. */
static void
what_takes_more_steps_than_there_are_is_given_up(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    static const double from[] = {1, 0, 0, 2, 0, 1, 0, 3, 0, 0, 1, 4},
                        full[] = {2, 1, 1, 1, 2, 1, 1, 1, 2};
    double at[12];
    size_t pivot[3], rank, steps = 1000;
    memcpy(at, from, sizeof from);
    assert_true(kofn_echelon_reduce(f, at, 3, 4, &steps, pivot, &rank));
    const size_t few = 1000 - steps;
    for (size_t given = 0; given <= few; given++) {
        memcpy(at, from, sizeof from);
        steps = given;
        assert_int_equal(kofn_echelon_reduce(f, at, 3, 4, &steps, pivot, &rank), given == few);
        assert_int_equal(steps, 0);
    }
    steps = 1000;
    memcpy(at, full, sizeof full);
    assert_true(kofn_echelon_reduce(f, at, 3, 3, &steps, pivot, &rank));
    assert_int_equal(1000 - steps,
                     9 + 3 * 3 + 3 * (3 + 2 + 1)); // rows cleared thrice for each pivot
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_sums_of_the_pivots_columns),
        cmocka_unit_test(rounding_is_no_rank),
        cmocka_unit_test(what_takes_more_steps_than_there_are_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
