#include "common/linalg/field.h"
#include "tests/assert.h"

#include <math.h>

static void
fields_are_found_by_name_and_dtype(void **state)
{
    (void)state;
    assert_string_equal(kofn_field_find("f64")->name, "f64");
    assert_int_equal(kofn_field_find("f32")->dtype, KOFN_F32);
    assert_ptr_equal(kofn_field_for_dtype(KOFN_F64), kofn_field_find("f64"));
    assert_null(kofn_field_find("f16"));
    assert_null(kofn_field_find(""));
    assert_null(kofn_field_for_dtype(KOFN_I64));
    assert_null(kofn_field_for_dtype(KOFN_DTYPE_NONE));
}

static void
coefficients_are_real_numbers(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f32");
    assert_true(f->add(f, 0.5, 0.25) == 0.75);
    assert_true(f->multiply(f, -3, 0.5) == -1.5);
    assert_true(f->negate(f, 2) == -2);
    assert_true(f->invert(f, -4) == -0.25);
    assert_true(f->order == 0);
}

static void
points_are_chebyshev_nodes_symmetric_around_zero(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    for (size_t n = 1; n <= 40; n++)
        for (size_t i = 0; i < n; i++) {
            const double node = cos((2 * (double)i + 1) * acos(-1) / (2 * (double)n));
            assert_at_most(fabs(f->point(f, i, n) - node), 0x1p-40);
            assert_true(f->point(f, i, n) == -f->point(f, n - 1 - i, n));
        }
    assert_true(f->point(f, 3, 7) == 0);
}

static void
points_are_distinct_up_to_the_largest_code(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    const size_t n = 65536;
    for (size_t i = 1; i < n; i++)
        assert_true(f->point(f, i, n) < f->point(f, i - 1, n));
}

static void
draws_repeat_with_their_seed(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_rng a, b;
    kofn_rng_init(&a, 7, 1);
    kofn_rng_init(&b, 7, 1);
    for (int i = 0; i < 100; i++) {
        const double x = f->draw(f, &a);
        assert_true(isfinite(x) && x == f->draw(f, &b));
    }
}

static void
check_nonfinite(const kofn_field *f, void *at, size_t len, void (*set)(void *, size_t, double))
{
    const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    assert_false(f->has_foreign(f, at, 0));
    assert_false(f->has_foreign(f, at, len));
    for (size_t b = 0; b < 4; b++)
        for (size_t i = 0; i < len; i += i < 10 || i + 10 > len ? 1 : 997) {
            set(at, i, bad[b]);
            assert_true(f->has_foreign(f, at, len));
            assert_false(f->has_foreign(f, at, i)); // in front of it all is well
            set(at, i, (double)i);
        }
}

/* At odd addresses: elements of a frame lie anywhere. */
static void
set_f64(void *at, size_t i, double value)
{
    memcpy((unsigned char *)at + i * sizeof value, &value, sizeof value);
}

static void
set_f32(void *at, size_t i, double value)
{
    const float narrow = (float)value;
    memcpy((unsigned char *)at + i * sizeof narrow, &narrow, sizeof narrow);
}

static void
one_nonfinite_element_is_seen_wherever_it_is(void **state)
{
    (void)state;
    enum { LEN = 20001 };
    unsigned char *memory = malloc(LEN * sizeof(double) + 1);
    assert_non_null(memory);
    for (size_t i = 0; i < LEN; i++)
        set_f64(memory + 1, i, i % 2 ? 1.7976931348623157e308 : -5e-324); // the extremes are finite
    check_nonfinite(kofn_field_find("f64"), memory + 1, LEN, set_f64);
    for (size_t i = 0; i < LEN; i++)
        set_f32(memory + 1, i, i % 2 ? 3.4028234e38 : -1e-45);
    check_nonfinite(kofn_field_find("f32"), memory + 1, LEN, set_f32);
    free(memory);
}

static void
a_panel_is_added_to_only_when_asked(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f32");
    const float a[] = {1, 2, 3, 4, 5, 6}; // 2 x 3
    const float b[] = {1, 0, 2, 1, 1, 1}; // 2 x 3, used transposed
    float c[] = {NAN, NAN, NAN, NAN};
    kofn_panel p = {.transpose_b = true,
                    .rows = 2,
                    .cols = 2,
                    .inner = 3,
                    .a = a,
                    .stride_a = 3,
                    .b = b,
                    .stride_b = 3,
                    .c = c,
                    .stride_c = 2};
    f->multiply_panel(f, &p);
    assert_true(c[0] == 7 && c[1] == 6 && c[2] == 16 && c[3] == 15); // NaN was overwritten
    p.accumulate = true;
    f->multiply_panel(f, &p);
    assert_true(c[0] == 14 && c[1] == 12 && c[2] == 32 && c[3] == 30);
}

static void
coefficients_become_elements_and_elements_coefficients(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        double number[4];
    } cases[] = {{"f64", {0, -0.1, 1e300, 0x1p-1000}},
                 {"f32", {0, -0.25, 0x1.fffffep100, 3}},
                 {"gf256", {0, 1, 254, 255}},
                 {"gf4", {0, 3, 1, 2}},
                 {"gfp:11", {0, 10, 1, 4}},
                 {"gfp:2147483647", {0, 2147483646, 1, 65537}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        const kofn_field *f;
        double element[4], back[4]; // wide enough for those of all fields
        assert_ok(kofn_field_new(cases[i].field, &f, &error));
        f->narrow(f, 4, cases[i].number, element);
        f->widen(f, 4, element, back);
        for (size_t k = 0; k < 4; k++)
            assert_true(back[k] == cases[i].number[k]);
        kofn_field_destroy(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_name_and_dtype),
        cmocka_unit_test(coefficients_are_real_numbers),
        cmocka_unit_test(points_are_chebyshev_nodes_symmetric_around_zero),
        cmocka_unit_test(points_are_distinct_up_to_the_largest_code),
        cmocka_unit_test(draws_repeat_with_their_seed),
        cmocka_unit_test(one_nonfinite_element_is_seen_wherever_it_is),
        cmocka_unit_test(a_panel_is_added_to_only_when_asked),
        cmocka_unit_test(coefficients_become_elements_and_elements_coefficients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
