#include "common/base/rng.h"
#include "common/linalg/outer.h"
#include "tests/assert.h"
#include "tests/unit/field_brute.h"

#include <math.h>

enum { FACTORS_MAX = 8 };

static kofn_error error;

/* Random factors, and a result in bands that is full of what no product is. */
typedef struct setting {
    const kofn_field *f;
    kofn_outer p;
    kofn_mat factor[FACTORS_MAX];
    bool transpose[FACTORS_MAX];
    void *memory[FACTORS_MAX + 1];
    size_t rows, cols;
    kofn_bands c;
} setting;

static double
get(const kofn_mat *mat, size_t row, size_t col)
{
    const size_t bytes = kofn_dtype_width(mat->dtype);
    const unsigned char *at = (const unsigned char *)kofn_mat_get_row(mat, row) + col * bytes;
    double wide;
    float narrow;
    if (mat->dtype == KOFN_F64)
        return memcpy(&wide, at, sizeof wide), wide;
    if (mat->dtype == KOFN_F32)
        return memcpy(&narrow, at, sizeof narrow), (double)narrow;
    return (double)exact_get(mat->dtype, at, 0);
}

static void
put(const kofn_mat *mat, size_t row, size_t col, double value)
{
    const size_t bytes = kofn_dtype_width(mat->dtype);
    unsigned char *at = (unsigned char *)kofn_mat_get_row(mat, row) + col * bytes;
    const float narrow = (float)value;
    if (mat->dtype == KOFN_F64)
        memcpy(at, &value, sizeof value);
    else if (mat->dtype == KOFN_F32)
        memcpy(at, &narrow, sizeof narrow);
    else
        exact_set(mat->dtype, at, 0, (uint64_t)value);
}

static double
random_element(const kofn_field *f, kofn_rng *rng)
{
    return f->order == 0 ? kofn_rng_unit(rng) - 0.5
                         : (double)kofn_rng_below(rng, (uint64_t)f->order);
}

/* Rows that need not touch, at an address that is `odd` bytes off. */
static kofn_mat
random_mat(const kofn_field *f, size_t rows, size_t cols, size_t odd, kofn_rng *rng,
           void **ret_memory)
{
    const size_t stride = cols + kofn_rng_below(rng, 3);
    unsigned char *memory = malloc(rows * stride * kofn_dtype_width(f->dtype) + odd + 1);
    assert_non_null(memory);
    kofn_mat mat = kofn_mat_wrap(memory + odd, f->dtype, rows, cols);
    mat.stride = stride;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            put(&mat, i, j, random_element(f, rng));
    *ret_memory = memory;
    return mat;
}

/* `shape` is l pairs of rows and columns, of the factors as they enter the product. */
static void
setting_init(setting *s, const kofn_field *f, size_t count, const size_t (*shape)[2], bool turn,
             size_t odd, size_t band_rows, kofn_rng *rng)
{
    *s = (setting){.f = f, .rows = 1, .cols = 1};
    for (size_t i = 0; i < count; i++) {
        s->transpose[i] = turn && kofn_rng_below(rng, 2);
        s->rows *= shape[i][0];
        s->cols *= shape[i][1];
        s->factor[i] = random_mat(f, shape[i][s->transpose[i]], shape[i][!s->transpose[i]], odd,
                                  rng, &s->memory[i]);
    }
    s->p = (kofn_outer){.count = count, .factor = s->factor, .transpose = s->transpose};
    kofn_mat c = random_mat(f, s->rows, s->cols, odd, rng, &s->memory[FACTORS_MAX]);
    memset(c.data, 0xff, s->rows * c.stride * kofn_dtype_width(f->dtype));
    kofn_bands_init(&s->c, f->dtype, s->rows, s->cols);
    for (size_t row = 0; row < s->rows; row += band_rows) {
        kofn_mat band = c;
        band.data = kofn_mat_get_row(&c, row);
        band.rows = s->rows - row < band_rows ? s->rows - row : band_rows;
        assert_ok(kofn_bands_append(&s->c, &band, NULL, 0, &error));
    }
}

static void
setting_fini(setting *s)
{
    kofn_bands_fini(&s->c);
    for (size_t i = 0; i <= FACTORS_MAX; i++)
        free(s->memory[i]);
}

/* By the definition, one digit of row and column after the other. */
static double
brute(const setting *s, size_t row, size_t col)
{
    double product = 1;
    for (size_t i = s->p.count; i-- > 0;) {
        const bool turned = s->transpose[i];
        const size_t rows = turned ? s->factor[i].cols : s->factor[i].rows;
        const size_t cols = turned ? s->factor[i].rows : s->factor[i].cols;
        const size_t r = row % rows, c = col % cols;
        const double element = turned ? get(&s->factor[i], c, r) : get(&s->factor[i], r, c);
        product = s->f->order == 0
                      ? product * element
                      : (double)brute_multiply(s->f, (uint64_t)product, (uint64_t)element);
        row /= rows;
        col /= cols;
    }
    return product;
}

static void
assert_is_product(const setting *s)
{
    const double l = (double)s->p.count;
    for (size_t b = 0; b < s->c.count; b++)
        for (size_t i = 0; i < s->c.at[b].mat.rows; i++)
            for (size_t j = 0; j < s->cols; j++) {
                const double want = brute(s, s->c.at[b].first_row + i, j);
                const double got = get(&s->c.at[b].mat, i, j);
                if (!isinf(want)) // both sides round l - 1 times
                    assert_at_most(fabs(got - want), 2 * l * s->f->epsilon * fabs(want));
                else
                    assert_true(got == want);
            }
}

static void
check(const kofn_field *f, size_t count, const size_t (*shape)[2], size_t odd, size_t band_rows,
      kofn_rng *rng)
{
    for (int turn = 0; turn < 2; turn++) {
        setting s;
        setting_init(&s, f, count, shape, turn, odd, band_rows, rng);
        assert_ok(kofn_outer_multiply(f, &s.p, &s.c, &error));
        assert_is_product(&s);
        setting_fini(&s);
    }
}

static const char *const fields[] = {"f64",   "f32",   "gf4",       "gf16",
                                     "gf256", "gfp:2", "gfp:65537", "gfp:2147483647"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void
outer_is_every_element_times_every_other(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    static const size_t shapes[][3][2] = {
        {{2, 3}, {3, 2}, {2, 2}}, {{1, 1}, {1, 1}, {1, 1}},  {{1, 70}, {1, 3}, {1, 5}},
        {{7, 1}, {5, 1}, {3, 1}}, {{1, 9}, {40, 1}, {1, 7}}, {{40, 1}, {1, 33}, {2, 1}},
        {{1, 1}, {6, 5}, {1, 1}}, {{3, 90}, {2, 1}, {3, 1}}, {{1, 1}, {1, 1}, {17, 31}},
    };
    for (size_t i = 0; i < FIELDS; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
            check(f, 2, shapes[k], 0, SIZE_MAX, &rng);
            check(f, 3, shapes[k], 0, SIZE_MAX, &rng);
        }
        kofn_field_destroy(&f);
    }
}

static void
outer_takes_bands_of_any_height_and_elements_at_any_address(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    static const size_t shape[][2] = {{4, 2}, {3, 5}, {2, 4}};
    static const size_t column[][2] = {{9, 1}, {5, 1}, {4, 1}};
    for (size_t i = 0; i < FIELDS; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (size_t band_rows = 1; band_rows < 8; band_rows += 3)
            for (size_t odd = 0; odd < 2; odd++) {
                check(f, 3, shape, odd, band_rows, &rng);
                check(f, 3, column, odd, band_rows, &rng);
            }
        kofn_field_destroy(&f);
    }
}

static void
outer_of_random_shapes_of_two_to_eight_factors(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (int round = 0; round < 200; round++) {
        const kofn_field *f = new_field(fields[kofn_rng_below(&rng, FIELDS)]);
        const size_t count = 2 + kofn_rng_below(&rng, FACTORS_MAX - 1);
        size_t shape[FACTORS_MAX][2];
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < 2; k++)
                shape[i][k] = 1 + kofn_rng_below(&rng, count > 4 ? 2 : count > 2 ? 5 : 24);
        check(f, count, shape, kofn_rng_below(&rng, 4), 1 + kofn_rng_below(&rng, 30), &rng);
        kofn_field_destroy(&f);
    }
}

static void
outer_multiplies_zero_and_infinity_as_ieee_does(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    static const size_t shape[][2] = {{2, 3}, {4, 2}, {1, 5}};
    for (size_t i = 0; i < 2; i++)
        for (size_t holder = 0; holder < 3; holder++) {
            const kofn_field *f = new_field(fields[i]);
            setting s;
            setting_init(&s, f, 3, shape, true, 1, 3, &rng);
            for (size_t k = 0; k < 3; k++)
                put(&s.factor[k], 0, 0, k == holder ? INFINITY : 0);
            put(&s.factor[holder], s.factor[holder].rows - 1, s.factor[holder].cols - 1, NAN);
            assert_ok(kofn_outer_multiply(f, &s.p, &s.c, &error));
            for (size_t b = 0; b < s.c.count; b++)
                for (size_t r = 0; r < s.c.at[b].mat.rows; r++)
                    for (size_t c = 0; c < s.cols; c++) {
                        const double want = brute(&s, s.c.at[b].first_row + r, c);
                        const double got = get(&s.c.at[b].mat, r, c);
                        assert_true(isnan(want) == isnan(got) && isinf(want) == isinf(got));
                    }
            setting_fini(&s);
            kofn_field_destroy(&f);
        }
}

static void
outer_of_a_factor_without_elements_writes_nothing(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    static const size_t shapes[][2][2] = {{{0, 3}, {2, 2}}, {{2, 2}, {3, 0}}, {{0, 0}, {0, 0}}};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
        check(kofn_field_find("f64"), 2, shapes[k], 0, 2, &rng);
}

static void
outer_can_be_given_up(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    static const size_t shape[][2] = {{2, 2}, {2, 2}};
    const kofn_field *f = new_field("f64");
    atomic_bool cancelled = true;
    setting s;
    setting_init(&s, f, 2, shape, false, 0, 2, &rng);
    s.p.cancelled = &cancelled;
    assert_fails(kofn_outer_multiply(f, &s.p, &s.c, &error), KOFN_CANCELLED);
    atomic_store(&cancelled, false);
    assert_ok(kofn_outer_multiply(f, &s.p, &s.c, &error));
    assert_is_product(&s);
    setting_fini(&s);
    kofn_field_destroy(&f);
}

/* A field that notes the most that one call makes, and raises a flag in the first. */
typedef struct watched_field {
    kofn_field field;
    const kofn_field *real;
    size_t calls, most; // elements
    atomic_bool *cancelled;
} watched_field;

static void
note_call(watched_field *watched, size_t elements)
{
    watched->calls++;
    watched->most = elements > watched->most ? elements : watched->most;
    if (watched->cancelled)
        atomic_store(watched->cancelled, true);
}

static void
watch_combine(const kofn_field *f, const kofn_combination *c)
{
    watched_field *watched = (watched_field *)(uintptr_t)f;
    watched->real->combine(watched->real, c);
    note_call(watched, c->outs * c->rows * c->len);
}

static void
watch_panel(const kofn_field *f, const kofn_panel *p)
{
    watched_field *watched = (watched_field *)(uintptr_t)f;
    watched->real->multiply_panel(watched->real, p);
    note_call(watched, p->rows * p->cols);
}

static void
check_rows_in_pieces(const kofn_field *real, const size_t (*shape)[2], bool infinite)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    watched_field watched = {.field = *real, .real = real};
    atomic_bool cancelled = false;
    setting s;
    watched.field.combine = watch_combine;
    watched.field.multiply_panel = watch_panel;
    setting_init(&s, real, 2, shape, false, 0, 2, &rng);
    if (infinite)
        put(&s.factor[1], 0, shape[1][1] - 1, INFINITY);
    s.p.cancelled = &cancelled;
    assert_ok(kofn_outer_multiply(&watched.field, &s.p, &s.c, &error));
    assert_is_product(&s);
    assert_true(watched.calls > 1);
    assert_at_most((double)watched.most * (double)kofn_dtype_width(real->dtype), 4 << 20);
    watched.calls = 0;
    watched.cancelled = &cancelled;
    assert_fails(kofn_outer_multiply(&watched.field, &s.p, &s.c, &error), KOFN_CANCELLED);
    assert_int_equal(watched.calls, 1);
    setting_fini(&s);
}

/* Rows of a few MiB, whichever factor they are long by. */
static void
outer_can_be_given_up_within_a_row(void **state)
{
    (void)state;
    static const size_t shapes[][2][2] = {{{1, 900}, {1, 700}},
                                          {{1, 2}, {2, 300001}},
                                          {{2, 300001}, {1, 2}},
                                          {{2, 600001}, {2, 1}},
                                          {{1, 1}, {2, 600001}}};
    const kofn_field *f = new_field("f64");
    for (size_t i = 0; i < 5; i++)
        for (int infinite = 0; infinite < 2; infinite++)
            check_rows_in_pieces(f, shapes[i], infinite);
    kofn_field_destroy(&f);
}

static void
outer_refuses_what_does_not_fit(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    static const size_t shape[][2] = {{2, 3}, {3, 2}};
    const kofn_field *f = new_field("f64"), *gf4 = new_field("gf4"), *p = new_field("gfp:5");
    setting s;
    setting_init(&s, f, 2, shape, false, 0, 2, &rng);
    assert_fails(kofn_outer_multiply(gf4, &s.p, &s.c, &error), KOFN_INVALID_ARGUMENT);
    s.c.rows--;
    assert_fails(kofn_outer_multiply(f, &s.p, &s.c, &error), KOFN_INVALID_ARGUMENT);
    s.c.rows++;
    s.factor[1].dtype = KOFN_F32;
    assert_fails(kofn_outer_multiply(f, &s.p, &s.c, &error), KOFN_INVALID_ARGUMENT);
    s.factor[1].dtype = KOFN_F64;
    s.factor[1].rows = s.factor[0].cols = (size_t)1 << 40;
    size_t rows, cols;
    assert_fails(kofn_outer_shape(&s.p, &rows, &cols, &error), KOFN_OUT_OF_RANGE);
    setting_fini(&s);

    const kofn_field *const exact[] = {gf4, p};
    for (size_t i = 0; i < 2; i++) {
        setting_init(&s, exact[i], 2, shape, false, 0, 2, &rng);
        exact_set(exact[i]->dtype, kofn_mat_get_row(&s.factor[1], 2), 1, 7);
        assert_fails(kofn_outer_multiply(exact[i], &s.p, &s.c, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "A_2"));
        setting_fini(&s);
    }
    kofn_field_destroy(&f);
    kofn_field_destroy(&gf4);
    kofn_field_destroy(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outer_is_every_element_times_every_other),
        cmocka_unit_test(outer_takes_bands_of_any_height_and_elements_at_any_address),
        cmocka_unit_test(outer_of_random_shapes_of_two_to_eight_factors),
        cmocka_unit_test(outer_multiplies_zero_and_infinity_as_ieee_does),
        cmocka_unit_test(outer_of_a_factor_without_elements_writes_nothing),
        cmocka_unit_test(outer_can_be_given_up),
        cmocka_unit_test(outer_can_be_given_up_within_a_row),
        cmocka_unit_test(outer_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
