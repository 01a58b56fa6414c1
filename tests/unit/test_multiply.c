#include "common/base/rng.h"
#include "common/linalg/multiply.h"
#include "tests/assert.h"

#include <math.h>

static kofn_error error;

/* A product of random operands, its result in bands. */
typedef struct setting {
    kofn_product p;
    kofn_mat a, b;
    kofn_bands c;
    void *memory[3];
    size_t rows, inner, cols;
} setting;

static size_t
width(const setting *s)
{
    return kofn_dtype_width(s->a.dtype);
}

static double
get(const kofn_mat *mat, size_t row, size_t col)
{
    const size_t bytes = kofn_dtype_width(mat->dtype);
    const unsigned char *at = (const unsigned char *)kofn_mat_get_row(mat, row) + col * bytes;
    double wide;
    float narrow;
    if (bytes == sizeof wide)
        return memcpy(&wide, at, sizeof wide), wide;
    return memcpy(&narrow, at, sizeof narrow), (double)narrow;
}

static void
put(const kofn_mat *mat, size_t row, size_t col, double value)
{
    const size_t bytes = kofn_dtype_width(mat->dtype);
    unsigned char *at = (unsigned char *)kofn_mat_get_row(mat, row) + col * bytes;
    const float narrow = (float)value;
    memcpy(at, bytes == sizeof value ? (const void *)&value : (const void *)&narrow, bytes);
}

static kofn_mat
random_mat(kofn_dtype dtype, size_t rows, size_t cols, size_t odd, kofn_rng *rng, void **ret_memory)
{
    const size_t stride = cols + kofn_rng_below(rng, 4);
    unsigned char *memory = malloc(rows * stride * kofn_dtype_width(dtype) + odd + 1);
    assert_non_null(memory);
    kofn_mat mat = kofn_mat_wrap(memory + odd, dtype, rows, cols);
    mat.stride = stride;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            put(&mat, i, j, kofn_rng_unit(rng) - 0.5);
    *ret_memory = memory;
    return mat;
}

/* `odd` bytes off alignment for the operands, and for the result as well. */
static void
setting_init(setting *s, kofn_dtype dtype, size_t rows, size_t inner, size_t cols, int transposes,
             size_t odd, size_t band_rows, kofn_rng *rng)
{
    *s = (setting){.rows = rows, .inner = inner, .cols = cols};
    const bool ta = transposes & 1, tb = transposes & 2;
    s->a = random_mat(dtype, ta ? inner : rows, ta ? rows : inner, odd, rng, &s->memory[0]);
    s->b = random_mat(dtype, tb ? cols : inner, tb ? inner : cols, odd, rng, &s->memory[1]);
    s->p = (kofn_product){.transpose_a = ta, .transpose_b = tb};
    kofn_mat c = random_mat(dtype, rows, cols, odd, rng, &s->memory[2]);
    kofn_bands_init(&s->c, dtype, rows, cols);
    for (size_t row = 0; row < rows; row += band_rows) {
        kofn_mat band = c;
        band.data = kofn_mat_get_row(&c, row);
        band.rows = rows - row < band_rows ? rows - row : band_rows;
        for (size_t i = 0; i < band.rows; i++)
            for (size_t j = 0; j < cols; j++)
                put(&band, i, j, NAN); // every element has to be written
        assert_ok(kofn_bands_append(&s->c, &band, NULL, 0, &error));
    }
}

static kofn_product *
product(setting *s) // pointers into s itself, so not set by init
{
    s->p.a = &s->a;
    s->p.b = &s->b;
    return &s->p;
}

static void
setting_fini(setting *s)
{
    kofn_bands_fini(&s->c);
    for (int i = 0; i < 3; i++)
        free(s->memory[i]);
}

/* |C - A B| <= (inner + 2) epsilon (|A| |B|), element by element: the bound for any order of
 * sums. */
static void
check(const setting *s)
{
    const double epsilon = width(s) == sizeof(double) ? 0x1p-53 : 0x1p-24;
    for (size_t band = 0; band < s->c.count; band++)
        for (size_t r = 0; r < s->c.at[band].mat.rows; r++)
            for (size_t j = 0; j < s->cols; j++) {
                const size_t i = s->c.at[band].first_row + r;
                long double sum = 0, size = 0;
                for (size_t k = 0; k < s->inner; k++) {
                    const long double term =
                        (long double)(s->p.transpose_a ? get(&s->a, k, i) : get(&s->a, i, k)) *
                        (s->p.transpose_b ? get(&s->b, j, k) : get(&s->b, k, j));
                    sum += term;
                    size += fabsl(term);
                }
                assert_at_most((double)fabsl(get(&s->c.at[band].mat, r, j) - sum),
                               (double)(s->inner + 2) * epsilon * (double)size);
            }
}

static void
products_of_all_shapes_and_transposes_are_right(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(31), 0);
    for (int round = 0; round < 400; round++) {
        const kofn_dtype dtype = round % 2 ? KOFN_F32 : KOFN_F64;
        setting s;
        setting_init(&s, dtype, kofn_rng_below(&rng, 30), kofn_rng_below(&rng, 30),
                     kofn_rng_below(&rng, 30), (int)kofn_rng_below(&rng, 4),
                     kofn_rng_below(&rng, 3) == 0 ? 1 + kofn_rng_below(&rng, 7) : 0,
                     1 + kofn_rng_below(&rng, 12), &rng);
        assert_ok(kofn_multiply(kofn_field_for_dtype(dtype), product(&s), &s.c, &error));
        check(&s);
        setting_fini(&s);
    }
}

/* A field that counts panels and their flops, and raises a flag after some. */
typedef struct counting_field {
    kofn_field field;
    const kofn_field *real;
    size_t panels, cancel_after;
    double most_flops;
    atomic_bool *cancelled;
} counting_field;

static void
count_panel(const kofn_field *f, const kofn_panel *p)
{
    counting_field *counting = (counting_field *)(uintptr_t)f;
    counting->most_flops = fmax(counting->most_flops, 2.0 * (double)(p->rows * p->cols * p->inner));
    counting->real->multiply_panel(counting->real, p);
    if (++counting->panels == counting->cancel_after)
        atomic_store(counting->cancelled, true);
}

static void
no_panel_is_larger_than_asked_whatever_the_shape(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(32), 0);
    counting_field counting = {.field = *kofn_field_find("f64"), .real = kofn_field_find("f64")};
    counting.field.multiply_panel = count_panel;
    const size_t shapes[][3] = {{1, 3000, 1},  {1, 50, 700}, {700, 50, 1},
                                {90, 90, 90},  {3, 900, 3},  {200, 1, 200},
                                {40, 300, 40}, {1, 1, 1},    {64, 2, 300}};
    const double limits[] = {1, 100, 1e4, 1e6, 0};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
            setting s;
            setting_init(&s, KOFN_F64, shapes[i][0], shapes[i][1], shapes[i][2], (int)(l % 4), 0,
                         50, &rng);
            s.p.panel_flops = limits[l];
            counting.most_flops = 0;
            assert_ok(kofn_multiply(&counting.field, product(&s), &s.c, &error));
            assert_at_most(counting.most_flops, fmax(2, limits[l] > 0 ? limits[l] : 1e9));
            check(&s);
            setting_fini(&s);
        }
}

static void
a_raised_flag_stops_before_the_next_panel(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(33), 0);
    atomic_bool cancelled = false;
    counting_field counting = {.field = *kofn_field_find("f64"),
                               .real = kofn_field_find("f64"),
                               .cancel_after = 3,
                               .cancelled = &cancelled};
    counting.field.multiply_panel = count_panel;
    setting s;
    setting_init(&s, KOFN_F64, 60, 60, 60, 0, 0, 60, &rng);
    s.p.panel_flops = 20000;
    s.p.cancelled = &cancelled;
    assert_fails(kofn_multiply(&counting.field, product(&s), &s.c, &error), KOFN_CANCELLED);
    assert_int_equal(counting.panels, 3);
    assert_fails(kofn_multiply(&counting.field, product(&s), &s.c, &error), KOFN_CANCELLED);
    assert_int_equal(counting.panels, 3); // raised before the start: nothing runs
    setting_fini(&s);
}

static void
an_empty_inner_size_gives_zeros(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(34), 0);
    setting s;
    setting_init(&s, KOFN_F64, 4, 0, 3, 0, 0, 3, &rng);
    assert_ok(kofn_multiply(kofn_field_find("f64"), product(&s), &s.c, &error));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 3; j++)
            assert_true(get(&s.c.at[i / 3].mat, i % 3, j) == 0);
    setting_fini(&s);
}

static void
what_is_not_finite_spreads_as_ieee_says(void **state)
{
    (void)state;
    double a[4] = {INFINITY, 1, 0, 2}, b[4] = {1, 0, 1, NAN}, c[4];
    kofn_mat am = kofn_mat_wrap(a, KOFN_F64, 2, 2), bm = kofn_mat_wrap(b, KOFN_F64, 2, 2);
    kofn_mat cm = kofn_mat_wrap(c, KOFN_F64, 2, 2);
    kofn_bands bands;
    assert_ok(kofn_bands_from_mat(&cm, &bands, &error));
    const kofn_product p = {.a = &am, .b = &bm};
    assert_ok(kofn_multiply(kofn_field_find("f64"), &p, &bands, &error));
    assert_true(isinf(c[0]) && isnan(c[1]) && c[2] == 2 && isnan(c[3]));
    kofn_bands_fini(&bands);
}

static void
shapes_and_dtypes_that_do_not_match_are_refused(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    double at[6] = {0};
    kofn_mat a = kofn_mat_wrap(at, KOFN_F64, 2, 3), b = kofn_mat_wrap(at, KOFN_F64, 2, 3);
    kofn_mat narrow = kofn_mat_wrap(at, KOFN_F32, 3, 2), c = kofn_mat_wrap(at, KOFN_F64, 2, 2);
    kofn_bands bands;
    assert_ok(kofn_bands_from_mat(&c, &bands, &error));
    size_t rows = 9, cols = 9;

    kofn_product p = {.a = &a, .b = &b};
    assert_fails(kofn_product_shape(&p, &rows, &cols, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(rows, 9);
    assert_non_null(strstr(error.text, "3 columns"));
    assert_fails(kofn_multiply(f, &p, &bands, &error), KOFN_INVALID_ARGUMENT);
    p.b = &narrow;
    assert_fails(kofn_product_shape(&p, &rows, &cols, &error), KOFN_INVALID_ARGUMENT);

    p = (kofn_product){.a = &a, .b = &b, .transpose_a = true}; // 3 x 3 does not fit 2 x 2
    assert_ok(kofn_product_shape(&p, &rows, &cols, &error));
    assert_int_equal(rows, 3);
    assert_int_equal(cols, 3);
    assert_fails(kofn_multiply(f, &p, &bands, &error), KOFN_INVALID_ARGUMENT);

    p = (kofn_product){.a = &a, .b = &b, .transpose_b = true};
    assert_fails(kofn_multiply(kofn_field_find("f32"), &p, &bands, &error), KOFN_INVALID_ARGUMENT);
    kofn_bands waiting;
    kofn_bands_init(&waiting, KOFN_F64, 2, 2);
    assert_fails(kofn_multiply(f, &p, &waiting, &error), KOFN_INVALID_ARGUMENT);
    a.stride = (size_t)1 << 31;
    a.rows = 1;
    p = (kofn_product){.a = &a, .b = &c, .transpose_b = false};
    b = kofn_mat_wrap(at, KOFN_F64, 3, 2);
    p.b = &b;
    kofn_bands row;
    kofn_mat one = kofn_mat_wrap(at, KOFN_F64, 1, 2);
    assert_ok(kofn_bands_from_mat(&one, &row, &error));
    assert_fails(kofn_multiply(f, &p, &row, &error), KOFN_INVALID_ARGUMENT); // no int holds it
    kofn_bands_fini(&row);
    kofn_bands_fini(&bands);
}

static void
blas_names_its_kernel(void **state)
{
    (void)state;
    kofn_blas_set_threads(1);
    assert_true(strlen(kofn_blas_kernel()) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_all_shapes_and_transposes_are_right),
        cmocka_unit_test(no_panel_is_larger_than_asked_whatever_the_shape),
        cmocka_unit_test(a_raised_flag_stops_before_the_next_panel),
        cmocka_unit_test(an_empty_inner_size_gives_zeros),
        cmocka_unit_test(what_is_not_finite_spreads_as_ieee_says),
        cmocka_unit_test(shapes_and_dtypes_that_do_not_match_are_refused),
        cmocka_unit_test(blas_names_its_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
