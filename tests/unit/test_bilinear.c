/* Algorithms against the definition, over random whole numbers; files; and what is refused. */
#include "common/code/algorithms.h"
#include "tests/unit/bilinear_brute.h"

#include <unistd.h>

static kofn_bilinear *
parse(const char *text)
{
    kofn_error error;
    kofn_bilinear *f;
    assert_ok(kofn_algorithms_parse(NULL, text, &f, &error));
    return f;
}

/* Any number of U, V or W that is another one is noticed, and named by a product that is wrong. */
static void
one_wrong_number_is_noticed_and_named(void **state)
{
    (void)state;
    kofn_error error;
    kofn_bilinear *f = parse("laderman"), *other;
    for (size_t i = 0; i < 3 * 23 * 9; i++) {
        f->u[i] += 1;
        assert_fails(kofn_bilinear_new(f, &other, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "comes into C("));
        f->u[i] -= 1;
    }
    f->denominator = 2;
    assert_fails(kofn_bilinear_new(f, &other, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "A(1,1) B(1,1) comes into C(1,1) 1 / 2 times, need 1"));
    f->denominator = 1;
    f->w[5 * 9 + 4] = -7; // what a11 b11 does in C22
    assert_fails(kofn_bilinear_check(f, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "A(1,1) B(1,1) comes into C(2,2) -8 / 1 times, need 0"));
    f->w[5 * 9 + 4] = 1;
    assert_ok(kofn_bilinear_new(f, &other, &error));
    kofn_bilinear_destroy(&other);
    kofn_bilinear_destroy(&f);
}

static void
numbers_that_grow_beyond_32_bits_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    int32_t u = 1 << 20, v = 1, w = 1;
    const kofn_bilinear large = {
        .x = 1, .z = 1, .y = 1, .rank = 1, .denominator = 1 << 20, .u = &u, .v = &v, .w = &w};
    kofn_bilinear *f, *square = NULL;
    assert_ok(kofn_bilinear_new(&large, &f, &error));
    assert_fails(kofn_bilinear_multiply(f, f, &square, &error), KOFN_OUT_OF_RANGE);
    assert_null(square);
    kofn_bilinear_destroy(&f);
}

static void
assert_mended(kofn_bilinear *f, const kofn_bilinear_slip *slip)
{
    kofn_error error;
    const size_t length[] = {f->x * f->z, f->z * f->y, f->x * f->y};
    int32_t *const rows[] = {f->u, f->v, f->w};
    int32_t *number = &rows[slip->factor][slip->product * length[slip->factor] + slip->number];
    assert_int_equal(*number, slip->is);
    *number = (int32_t)slip->needs;
    assert_ok(kofn_bilinear_check(f, &error));
    *number = (int32_t)slip->is;
}

/* Each number of Laderman's made wrong, in turn. Where its row has no other, another may mend it: a
 * sign can stand in any factor. */
static void
a_single_wrong_number_is_found_with_what_it_must_be(void **state)
{
    (void)state;
    kofn_bilinear *f = parse("laderman");
    kofn_bilinear_slip slip;
    assert_false(kofn_bilinear_find_slip(f, &slip)); // nothing is wrong
    for (size_t i = 0; i < 3 * 23 * 9; i++) {
        const int32_t right = f->u[i];
        f->u[i] = right == 0 ? -1 : i % 2 ? 0 : -right;
        assert_true(kofn_bilinear_find_slip(f, &slip));
        assert_mended(f, &slip);
        f->u[i] = right;
    }
    kofn_bilinear_destroy(&f);
}

static void
no_number_is_blamed_where_several_are_wrong(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_bilinear_slip slip;
    kofn_bilinear *f = parse("laderman");
    kofn_rng_init(&rng, test_seed(11), 0);
    for (int trial = 0; trial < 200; trial++) {
        const size_t i = kofn_rng_below(&rng, 23 * 9),
                     k = 23 * 9 + kofn_rng_below(&rng, 2 * 23 * 9);
        f->u[i] += 1;
        f->u[k] += 1;
        if (kofn_bilinear_find_slip(f, &slip)) // never wrongly: the one may mend the other
            assert_mended(f, &slip);
        f->u[i] -= 1;
        f->u[k] -= 1;
    }
    f->u[0] += 1;
    f->v[8] += 1;
    assert_false(kofn_bilinear_find_slip(f, &slip));
    kofn_bilinear_destroy(&f);
}

static void
additions_are_those_of_the_sums_as_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t additions;
    } all[] = {{"strassen", 18},
               {"classical:1,1,1", 0},
               {"classical:2,2,2", 4},
               {"winograd", 24},
               {"laderman", 98}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_bilinear *f = parse(all[i].text);
        assert_int_equal(kofn_bilinear_count_additions(f), all[i].additions);
        kofn_bilinear_destroy(&f);
    }
}

static void
digests_tell_algorithms_apart(void **state)
{
    (void)state;
    kofn_bilinear *f = parse("strassen"), *g = parse("strassen"), *h = parse("winograd");
    const uint64_t digest = kofn_bilinear_digest(f);
    assert_true(kofn_bilinear_digest(g) == digest);
    assert_true(kofn_bilinear_digest(h) != digest);
    for (size_t i = 0; i < (size_t)7 * 12; i++) {
        g->u[i] += 1;
        assert_true(kofn_bilinear_digest(g) != digest);
        g->u[i] -= 1;
    }
    kofn_bilinear_destroy(&f);
    kofn_bilinear_destroy(&g);
    kofn_bilinear_destroy(&h);
}

static void
an_algorithm_fits_where_its_denominator_is_not_zero(void **state)
{
    (void)state;
    static const char *const fits[] = {"f64", "f32", "gfp:5", "gfp:65537"};
    static const char *const fails[] = {"gf256", "gf4", "gfp:2", "gfp:3"};
    kofn_error error;
    for (size_t i = 0; i < 4; i++) {
        const kofn_field *f;
        assert_ok(kofn_field_new(fits[i], &f, &error));
        assert_true(kofn_bilinear_fits(12, f));
        kofn_field_destroy(&f);
        assert_ok(kofn_field_new(fails[i], &f, &error));
        assert_false(kofn_bilinear_fits(12, f));
        kofn_field_destroy(&f);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static kofn_status
load(const char *text, kofn_bilinear **ret, kofn_error *error)
{
    char path[] = "/tmp/kofn-algorithm-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(file), 0);
    const kofn_status status = kofn_bilinear_load(path, ret, error);
    assert_int_equal(unlink(path), 0);
    return status;
}

/* Squares of sums: a b = ((a + b)^2 - (a - b)^2) / 4 would need commuting blocks; this does not. */
static void
files_of_yaml_and_of_json_are_read(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_bilinear *f;
    kofn_rng_init(&rng, test_seed(3), 0);
    assert_ok(load("size: [1, 2, 1]\n"
                   "products:\n"
                   "  first: {a: [1, 1], b: [1/2, 1/2], c: [1]}\n"
                   "  second: {b: [1/3, -1/3], a: [1, -1], c: [3/2]}\n",
                   &f, &error));
    assert_int_equal(f->rank, 2);
    assert_int_equal(f->denominator, 12); // 6 in V, 2 in W
    assert_multiplies(f, &rng);
    kofn_bilinear_destroy(&f);

    assert_ok(load("{\"size\": [2, 1, 1], \"products\": {\"1\": {\"a\": [1, 0], \"b\": [1], \"c\": "
                   "[1, 0]}, \"2\": {\"a\": [0, -1], \"b\": [1], \"c\": [0, -1]}}}",
                   &f, &error));
    assert_int_equal(f->denominator, 1);
    assert_multiplies(f, &rng);
    kofn_bilinear_destroy(&f);
}

static void
assert_no_file(const char *text, kofn_status status, const char *says)
{
    kofn_error error;
    kofn_bilinear *f = NULL;
    assert_fails(load(text, &f, &error), status);
    if (!strstr(error.text, says) || !strstr(error.text, "kofn-algorithm"))
        fail_msg("'%s' does not say '%s' and the file", error.text, says);
    assert_null(f);
}

static void
files_that_are_wrong_are_refused_with_the_place(void **state)
{
    (void)state;
    static const char head[] = "size: [1, 1, 1]\nproducts:\n";
    char text[256];
    static const struct {
        const char *body;
        kofn_status status;
        const char *says;
    } all[] = {
        {"  1: {a: [2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "2 / 1 times, need 1"},
        {"  1: {a: [2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT,
         ":3:7: products.1.a: number 1 is 2 and would have to be 1: "},
        {"  1: {a: [1/3], b: [2], c: [1]}\n", KOFN_INVALID_ARGUMENT,
         ":3:17: products.1.b: number 1 is 2 and would have to be 3: "},
        {"  1: {a: [1], b: [1],\n   c: [-3]}\n", KOFN_INVALID_ARGUMENT,
         ":4:4: products.1.c: number 1 is -3 and would have to be 1: "},
        {"  1: {a: [1/2], b: [1], c: [1/2]}\n", KOFN_INVALID_ARGUMENT,
         ":3:7: products.1.a: number 1 is 1/2 and would have to be 2: "},
        {"  1: {a: [0], b: [0], c: [1]}\n", KOFN_INVALID_ARGUMENT, "0 / 1 times, need 1"},
        {"  1: {a: [3], b: [2], c: [1/5]}\n", KOFN_INVALID_ARGUMENT,
         ":3:7: products.1.a: the algorithm <1,1,1;1> does not"},
        {"  1: {a: [-9223372036854775808], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT,
         "number 1 is wrong"},
        {"  1: {a: [1], b: [1]}\n", KOFN_INVALID_ARGUMENT, "product '1' has not all"},
        {"  1: {a: [1],\n   b: [1]}\n", KOFN_INVALID_ARGUMENT, ":4:4: products.1.b: product '1'"},
        {"  1: {a: [1], b: [1]}\n  2: {a: [1], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "'1'"},
        {"  1: {a: [1, 2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "products.1.a"},
        {"  1: {a: [x], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1/0], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1/-2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [9999999], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1], b: [1], d: [1]}\n", KOFN_NOT_FOUND, "products.1.d"},
        {"  a: [1]\n", KOFN_NOT_FOUND, "products.a"},
        {"  1: {a: [1/1048573], b: [1], c: [1]}\n  2: {a: [1/2], b: [1], c: [1]}\n",
         KOFN_OUT_OF_RANGE, ":4:7: products.2.a: the fractions' common denominator"},
        {"  1: {a: [1000000], b: [1], c: [1]}\n  2: {a: [1/1048573], b: [1], c: [1]}\n",
         KOFN_OUT_OF_RANGE, "32 bits"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s", head, all[i].body);
        assert_no_file(text, all[i].status, all[i].says);
    }
    assert_no_file("products:\n  1: {a: [1], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "before");
    assert_no_file("size: [1, 1]\n", KOFN_INVALID_ARGUMENT, "[x, z, y]");
    assert_no_file("size: [65, 1, 1]\n", KOFN_OUT_OF_RANGE, "1 to 64");
    assert_no_file("", KOFN_OUT_OF_RANGE, "<0,0,0;0>");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wrong_number_is_noticed_and_named),
        cmocka_unit_test(a_single_wrong_number_is_found_with_what_it_must_be),
        cmocka_unit_test(no_number_is_blamed_where_several_are_wrong),
        cmocka_unit_test(additions_are_those_of_the_sums_as_they_stand),
        cmocka_unit_test(digests_tell_algorithms_apart),
        cmocka_unit_test(an_algorithm_fits_where_its_denominator_is_not_zero),
        cmocka_unit_test(numbers_that_grow_beyond_32_bits_are_refused),
        cmocka_unit_test(files_of_yaml_and_of_json_are_read),
        cmocka_unit_test(files_that_are_wrong_are_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
