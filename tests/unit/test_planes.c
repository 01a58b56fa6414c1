/* Complex matrices as planes, element by element. */
#include "common/linalg/planes.h"

#include "tests/unit/complex_brute.h"

static kofn_error error;

static const kofn_dtype dtypes[] = {KOFN_C64, KOFN_C128};

static double
get_part(const kofn_mat *plane, size_t row, size_t col)
{
    const void *at = kofn_mat_get_row(plane, row);
    return plane->dtype == KOFN_F64 ? ((const double *)at)[col] : (double)((const float *)at)[col];
}

/* Both planes, one on the other, `more` rows and columns larger, and two columns apart; full of
 * ones. */
static kofn_mat
new_stack(const kofn_mat *of, size_t more)
{
    kofn_mat stack = {0};
    const kofn_dtype part = kofn_dtype_get_part(of->dtype);
    const size_t rows = 2 * (of->rows + more), cols = of->cols + more;
    assert_ok(kofn_mat_alloc(part, rows, cols + 2, &stack, &error));
    memset(stack.data, 0x3f, rows * stack.stride * kofn_dtype_width(part));
    stack.rows = rows;
    stack.cols = cols;
    return stack;
}

static kofn_mat
half_of(const kofn_mat *stack, size_t half)
{
    kofn_mat view = *stack;
    view.rows = stack->rows / 2;
    view.data =
        (char *)stack->data + half * view.rows * stack->stride * kofn_dtype_width(stack->dtype);
    return view;
}

static void
parts_are_taken_apart_and_put_together(void **state)
{
    static const size_t sizes[][2] = {{1, 1}, {3, 5}, {4, 511}, {2, 512}, {3, 513}, {0, 4}, {4, 0}};
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t t = 0; t < 2; t++)
            for (size_t more = 0; more < 3; more++) {
                kofn_mat m = complex_new(dtypes[t], sizes[i][0], sizes[i][1], more, 1, &rng);
                kofn_mat back = complex_new(dtypes[t], sizes[i][0], sizes[i][1], more, 1, &rng);
                kofn_mat stack = new_stack(&m, more);
                kofn_mat re = half_of(&stack, 0), im = half_of(&stack, 1);
                assert_ok(kofn_planes_split("A", &m, &re, &im, &error));
                for (size_t r = 0; r < re.rows; r++)
                    for (size_t c = 0; c < re.cols; c++) {
                        const bool there = r < m.rows && c < m.cols;
                        const double complex z = there ? complex_get(&m, r, c) : 0;
                        assert_true(get_part(&re, r, c) == creal(z));
                        assert_true(get_part(&im, r, c) == cimag(z));
                    }
                kofn_bands bands;
                assert_ok(kofn_bands_from_mat(&stack, &bands, &error));
                kofn_planes_join(&bands, &back);
                for (size_t r = 0; r < m.rows; r++)
                    assert_memory_equal(kofn_mat_get_row(&back, r), kofn_mat_get_row(&m, r),
                                        m.cols * kofn_dtype_width(m.dtype));
                kofn_bands_fini(&bands);
                kofn_mat_fini(&stack);
                kofn_mat_fini(&back);
                kofn_mat_fini(&m);
            }
}

/* What comes from elsewhere comes in bands that end anywhere, at any address. */
static void
parts_are_put_together_from_bands_wherever_they_end(void **state)
{
    enum { ROWS = 5, COLS = 7 };
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t t = 0; t < 2; t++)
        for (size_t step = 1; step <= 2 * ROWS; step++) {
            kofn_mat m = complex_new(dtypes[t], ROWS, COLS, 0, 1, &rng), back = {0};
            kofn_mat stack = new_stack(&m, 0);
            kofn_mat re = half_of(&stack, 0), im = half_of(&stack, 1);
            assert_ok(kofn_planes_split("A", &m, &re, &im, &error));
            const size_t row_bytes = COLS * kofn_dtype_width(stack.dtype);
            char *odd = malloc(2 * ROWS * row_bytes + 1);
            assert_non_null(odd);
            for (size_t r = 0; r < 2 * ROWS; r++)
                memcpy(odd + 1 + r * row_bytes, kofn_mat_get_row(&stack, r), row_bytes);
            kofn_bands bands;
            kofn_bands_init(&bands, stack.dtype, 2 * ROWS, COLS);
            for (size_t r = 0; r < 2 * ROWS; r += step) {
                const size_t rows = step < 2 * ROWS - r ? step : 2 * ROWS - r;
                kofn_mat band = kofn_mat_wrap(odd + 1 + r * row_bytes, stack.dtype, rows, COLS);
                assert_ok(kofn_bands_append(&bands, &band, NULL, 0, &error));
            }
            assert_ok(kofn_mat_alloc(m.dtype, ROWS, COLS, &back, &error));
            kofn_planes_join(&bands, &back);
            assert_memory_equal(back.data, m.data, ROWS * COLS * kofn_dtype_width(m.dtype));
            kofn_bands_fini(&bands);
            kofn_mat_fini(&back);
            kofn_mat_fini(&stack);
            kofn_mat_fini(&m);
            free(odd);
        }
}

static void
assert_found(const kofn_mat *m, const char *where)
{
    kofn_mat stack = new_stack(m, 0);
    kofn_mat re = half_of(&stack, 0), im = half_of(&stack, 1);
    assert_fails(kofn_planes_split("left.npy", m, &re, &im, &error), KOFN_INVALID_ARGUMENT);
    if (!strstr(error.text, where) || !strstr(error.text, "left.npy"))
        fail_msg("'%s' does not say '%s'", error.text, where);
    assert_fails(kofn_planes_check("left.npy", m, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, where));
    kofn_mat_fini(&stack);
}

static void
what_is_no_number_is_named_with_its_place(void **state)
{
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t t = 0; t < 2; t++) {
        kofn_mat m = complex_new(dtypes[t], 4, 700, 1, 1, &rng); // NaN between rows is nobody's
        assert_ok(kofn_planes_check("left.npy", &m, &error));
        complex_set(&m, 3, 699, complex_of(0, INFINITY));
        assert_found(&m, "(3, 699) is 0 +infi");
        complex_set(&m, 2, 511, complex_of(-INFINITY, 1));
        assert_found(&m, "(2, 511) is -inf +1i");
        complex_set(&m, 0, 0, complex_of(NAN, 0));
        assert_found(&m, "(0, 0)");
        kofn_mat_fini(&m);
    }
}

static void
negating_changes_signs_alone(void **state)
{
    static const double wide[] = {1.5, -2.5, 0, INFINITY};
    static const float narrow[] = {1.5F, -2.5F, 0, INFINITY};
    double other_wide[4];
    float other_narrow[4];
    (void)state;
    const kofn_mat from = kofn_mat_wrap((void *)(uintptr_t)wide, KOFN_F64, 2, 2);
    kofn_mat to = kofn_mat_wrap(other_wide, KOFN_F64, 2, 2);
    kofn_planes_negate(&from, &to);
    const kofn_mat small = kofn_mat_wrap((void *)(uintptr_t)narrow, KOFN_F32, 1, 4);
    to = kofn_mat_wrap(other_narrow, KOFN_F32, 1, 4);
    kofn_planes_negate(&small, &to);
    for (size_t i = 0; i < 4; i++) {
        assert_true(other_wide[i] == -wide[i] && signbit(other_wide[i]) != signbit(wide[i]));
        assert_true(other_narrow[i] == -narrow[i]);
    }
}

/* The plane alone: what lies between its rows stays. */
static void
scaling_is_exact(void **state)
{
    static const kofn_dtype parts[] = {KOFN_F64, KOFN_F32};
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        double wide[] = {1.5, 7, 0x1.fffffep-40, 7, -3, 7};
        float narrow[] = {1.5F, 7, 0x1.fffffep-40F, 7, -3, 7};
        kofn_mat plane = kofn_mat_wrap(t == 0 ? (void *)wide : narrow, parts[t], 3, 1);
        plane.stride = 2;
        kofn_planes_scale(&plane, 30);
        assert_true(get_part(&plane, 0, 0) == 0x1.8p30);
        assert_true(get_part(&plane, 1, 0) == 0x1.fffffep-10);
        assert_true(get_part(&plane, 2, 0) == -0x3p30);
        kofn_planes_scale(&plane, -30);
        plane.cols = 2;
        for (size_t r = 0; r < 3; r++)
            assert_true(get_part(&plane, r, 1) == 7);
        assert_true(get_part(&plane, 1, 0) == 0x1.fffffep-40);
        kofn_planes_scale(&plane, 0);
        assert_true(get_part(&plane, 0, 0) == 1.5);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_taken_apart_and_put_together),
        cmocka_unit_test(parts_are_put_together_from_bands_wherever_they_end),
        cmocka_unit_test(what_is_no_number_is_named_with_its_place),
        cmocka_unit_test(scaling_is_exact),
        cmocka_unit_test(negating_changes_signs_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
