#include "common/linalg/mat.h"
#include "tests/assert.h"

static kofn_error error;

static kofn_pool *
new_pool(void)
{
    kofn_pool *pool = NULL;
    assert_ok(kofn_pool_new(1 << 20, &pool, &error));
    return pool;
}

static void
dtypes_have_the_widths_and_names_that_travel(void **state)
{
    (void)state;
    const struct {
        kofn_dtype dtype;
        const char *name;
        size_t width;
    } expected[] = {{KOFN_F64, "f64", 8}, {KOFN_F32, "f32", 4},   {KOFN_U8, "u8", 1},
                    {KOFN_U32, "u32", 4}, {KOFN_I32, "i32", 4},   {KOFN_I64, "i64", 8},
                    {KOFN_C64, "c64", 8}, {KOFN_C128, "c128", 16}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(kofn_dtype_width(expected[i].dtype), expected[i].width);
        assert_string_equal(kofn_dtype_name(expected[i].dtype), expected[i].name);
        assert_int_equal(kofn_dtype_parse(expected[i].name), expected[i].dtype);
    }
}

static void
complex_dtypes_are_made_of_real_ones(void **state)
{
    (void)state;
    assert_int_equal(kofn_dtype_get_part(KOFN_C128), KOFN_F64);
    assert_int_equal(kofn_dtype_get_part(KOFN_C64), KOFN_F32);
    assert_int_equal(kofn_dtype_get_complex(KOFN_F64), KOFN_C128);
    assert_int_equal(kofn_dtype_get_complex(KOFN_F32), KOFN_C64);
    for (int i = -1; i < 10; i++) {
        const bool is = i == KOFN_C64 || i == KOFN_C128, makes = i == KOFN_F64 || i == KOFN_F32;
        assert_true(is == (kofn_dtype_get_part((kofn_dtype)i) != KOFN_DTYPE_NONE));
        assert_true(makes == (kofn_dtype_get_complex((kofn_dtype)i) != KOFN_DTYPE_NONE));
    }
}

static void
an_unknown_dtype_has_no_width(void **state)
{
    (void)state;
    assert_int_equal(kofn_dtype_width(KOFN_DTYPE_NONE), 0);
    assert_int_equal(kofn_dtype_width((kofn_dtype)9), 0);
    assert_int_equal(kofn_dtype_width((kofn_dtype)-1), 0);
    assert_string_equal(kofn_dtype_name((kofn_dtype)255), "none");
    assert_int_equal(kofn_dtype_parse("none"), KOFN_DTYPE_NONE);
    assert_int_equal(kofn_dtype_parse("f16"), KOFN_DTYPE_NONE);
    assert_int_equal(kofn_dtype_parse(""), KOFN_DTYPE_NONE);
}

static void
sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    size_t bytes = 77;
    assert_ok(kofn_mat_bytes(KOFN_F64, 3, 5, &bytes, &error));
    assert_int_equal(bytes, 120);
    assert_fails(kofn_mat_bytes(KOFN_F64, SIZE_MAX, 2, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_mat_bytes(KOFN_F64, SIZE_MAX / 8, 1, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_mat_bytes(KOFN_F64, SIZE_MAX / 4, 1, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_mat_bytes(KOFN_DTYPE_NONE, 1, 1, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_int_equal(bytes, 120); // untouched on failure
    assert_ok(kofn_mat_bytes(KOFN_U8, SIZE_MAX, 0, &bytes, &error));
    assert_int_equal(bytes, 0);
}

static void
a_matrix_lives_until_its_last_view_lets_go(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_mat mat, second;
    assert_ok(kofn_mat_new(pool, KOFN_F64, 4, 3, &mat, &error));
    second = kofn_mat_ref(&mat);
    double *last = kofn_mat_get_row(&mat, 3);
    last[2] = 42;
    kofn_mat_fini(&mat);
    assert_null(mat.data);
    size_t out, idle;
    kofn_pool_get_usage(pool, &out, &idle);
    assert_true(out >= 96);
    assert_true(*((double *)kofn_mat_get_row(&second, 3) + 2) == 42);
    kofn_mat_fini(&second);
    kofn_mat_fini(&second); // a cleared one is fine
    kofn_pool_get_usage(pool, &out, &idle);
    assert_int_equal(out, 0);
    kofn_pool_destroy(&pool);
}

static void
a_view_with_gaps_between_rows_is_not_contiguous(void **state)
{
    (void)state;
    double at[12] = {0};
    kofn_mat mat = kofn_mat_wrap(at, KOFN_F64, 3, 4);
    assert_true(kofn_mat_is_contiguous(&mat));
    mat.cols = 3;
    assert_false(kofn_mat_is_contiguous(&mat));
    assert_ptr_equal(kofn_mat_get_row(&mat, 2), at + 8);
    mat.rows = 1; // a single row has no gaps
    assert_true(kofn_mat_is_contiguous(&mat));
}

/* 5 x 3 in bands of 2, 0 and 3 rows, the last with a stride of 4; element (i, j) is 10 i + j. */
static void
fill_three_bands(kofn_bands *bands, double first[2][3], double last[3][4])
{
    kofn_bands_init(bands, KOFN_F64, 5, 3);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++)
            *(i < 2 ? &first[i][j] : &last[i - 2][j]) = (double)(10 * i + j);
    kofn_mat a = kofn_mat_wrap(first, KOFN_F64, 2, 3);
    kofn_mat none = kofn_mat_wrap(first, KOFN_F64, 0, 3);
    kofn_mat b = kofn_mat_wrap(last, KOFN_F64, 3, 3);
    b.stride = 4;
    assert_ok(kofn_bands_append(bands, &a, NULL, 0, &error));
    assert_ok(kofn_bands_append(bands, &none, NULL, 0, &error));
    assert_false(kofn_bands_are_complete(bands));
    assert_ok(kofn_bands_append(bands, &b, last, sizeof(double[3][4]), &error));
    assert_true(kofn_bands_are_complete(bands));
    assert_null(a.data); // taken over
}

static void
bands_gather_into_the_matrix_that_they_are(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    double first[2][3], last[3][4];
    kofn_bands bands;
    fill_three_bands(&bands, first, last);
    assert_int_equal(bands.at[2].first_row, 2);
    assert_ptr_equal(bands.at[2].frame, last);

    kofn_mat whole;
    assert_ok(kofn_bands_gather(&bands, pool, &whole, &error));
    assert_true(kofn_mat_is_contiguous(&whole));
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++)
            assert_true(((double *)kofn_mat_get_row(&whole, i))[j] == (double)(10 * i + j));
    kofn_mat_fini(&whole);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static void
gathering_one_band_copies_nothing(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_mat mat, whole;
    kofn_bands bands;
    assert_ok(kofn_mat_new(pool, KOFN_F32, 2, 2, &mat, &error));
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_bands_gather(&bands, pool, &whole, &error));
    assert_ptr_equal(whole.data, mat.data);
    kofn_mat_fini(&mat);
    kofn_bands_fini(&bands);
    kofn_mat_fini(&whole);
    size_t out, idle;
    kofn_pool_get_usage(pool, &out, &idle);
    assert_int_equal(out, 0);
    kofn_pool_destroy(&pool);
}

static void
a_second_holder_of_bands_keeps_them(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_mat mat;
    kofn_bands bands, second;
    assert_ok(kofn_mat_new(pool, KOFN_F64, 2, 2, &mat, &error));
    kofn_bands_init(&bands, KOFN_F64, 2, 2);
    double *at = mat.data;
    at[3] = 7;
    assert_ok(kofn_bands_append(&bands, &mat, NULL, 0, &error));
    assert_ok(kofn_bands_ref(&bands, &second, &error));
    kofn_bands_fini(&bands);
    assert_true(((double *)kofn_mat_get_row(&second.at[0].mat, 1))[1] == 7);
    kofn_bands_fini(&second);
    kofn_pool_destroy(&pool);
}

static void
a_band_that_does_not_fit_is_refused_and_stays_the_callers(void **state)
{
    (void)state;
    double at[8] = {0};
    kofn_bands bands;
    kofn_bands_init(&bands, KOFN_F64, 3, 2);
    kofn_mat narrow = kofn_mat_wrap(at, KOFN_F64, 1, 1);
    kofn_mat other = kofn_mat_wrap(at, KOFN_F32, 1, 2);
    kofn_mat tall = kofn_mat_wrap(at, KOFN_F64, 4, 2);
    assert_fails(kofn_bands_append(&bands, &narrow, NULL, 0, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_bands_append(&bands, &other, NULL, 0, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_bands_append(&bands, &tall, NULL, 0, &error), KOFN_INVALID_ARGUMENT);
    assert_ptr_equal(tall.data, at);
    tall.rows = 2;
    assert_ok(kofn_bands_append(&bands, &tall, NULL, 0, &error));
    tall = kofn_mat_wrap(at, KOFN_F64, 2, 2); // one row is missing
    assert_fails(kofn_bands_append(&bands, &tall, NULL, 0, &error), KOFN_INVALID_ARGUMENT);
    kofn_bands_fini(&bands);
}

/* Every range of 7 rows in bands of 3, 1 and 3. */
static void
some_rows_are_views_of_the_bands_that_have_them(void **state)
{
    static const size_t heights[] = {3, 1, 3};
    (void)state;
    double at[7 * 2];
    kofn_bands bands, part;
    kofn_bands_init(&bands, KOFN_F64, 7, 2);
    for (size_t i = 0, row = 0; i < 3; row += heights[i++]) {
        kofn_mat mat = kofn_mat_wrap(at + 2 * row, KOFN_F64, heights[i], 2);
        assert_ok(kofn_bands_append(&bands, &mat, NULL, 0, &error));
    }
    for (size_t first = 0; first <= 7; first++)
        for (size_t rows = 0; rows <= 7 - first; rows++) {
            assert_ok(kofn_bands_get_rows(&bands, first, rows, &part, &error));
            assert_int_equal(part.rows, rows);
            assert_int_equal(part.cols, 2);
            assert_true(kofn_bands_are_complete(&part));
            for (size_t i = 0; i < part.count; i++)
                assert_ptr_equal(part.at[i].mat.data, at + 2 * (first + part.at[i].first_row));
            kofn_bands_fini(&part);
        }
    kofn_bands_fini(&bands);
}

static void
a_matrix_without_rows_is_complete_at_once(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_bands bands, second;
    kofn_mat whole;
    kofn_bands_init(&bands, KOFN_F64, 0, 5);
    assert_true(kofn_bands_are_complete(&bands));
    assert_ok(kofn_bands_ref(&bands, &second, &error));
    assert_ok(kofn_bands_gather(&second, pool, &whole, &error));
    assert_int_equal(whole.rows, 0);
    assert_int_equal(whole.cols, 5);
    kofn_mat_fini(&whole);
    kofn_bands_fini(&second);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_have_the_widths_and_names_that_travel),
        cmocka_unit_test(complex_dtypes_are_made_of_real_ones),
        cmocka_unit_test(an_unknown_dtype_has_no_width),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_matrix_lives_until_its_last_view_lets_go),
        cmocka_unit_test(a_view_with_gaps_between_rows_is_not_contiguous),
        cmocka_unit_test(bands_gather_into_the_matrix_that_they_are),
        cmocka_unit_test(gathering_one_band_copies_nothing),
        cmocka_unit_test(a_second_holder_of_bands_keeps_them),
        cmocka_unit_test(a_band_that_does_not_fit_is_refused_and_stays_the_callers),
        cmocka_unit_test(some_rows_are_views_of_the_bands_that_have_them),
        cmocka_unit_test(a_matrix_without_rows_is_complete_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
