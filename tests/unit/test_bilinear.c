/* Algorithms against the definition, over random whole numbers; files; and what is refused. */
#include "common/code/bilinear.h"
#include "common/base/rng.h"
#include "tests/assert.h"

#include <unistd.h>

static kofn_bilinear *
parse(const char *text)
{
    kofn_error error;
    kofn_bilinear *f;
    assert_ok(kofn_bilinear_parse(text, &f, &error));
    return f;
}

/* sum over i of numbers[i] blocks[i] */
static int64_t
mix(const int32_t *numbers, const int64_t *blocks, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i] * blocks[i];
    return sum;
}

/* One product of random matrices of small numbers, by the algorithm and by three loops. */
static void
assert_multiplies(const kofn_bilinear *f, kofn_rng *rng)
{
    const size_t x = f->x, z = f->z, y = f->y;
    int64_t a[1024], b[1024], c[1024] = {0};
    for (size_t i = 0; i < x * z; i++)
        a[i] = (int64_t)kofn_rng_below(rng, 2001) - 1000;
    for (size_t i = 0; i < z * y; i++)
        b[i] = (int64_t)kofn_rng_below(rng, 2001) - 1000;
    for (size_t t = 0; t < f->rank; t++) {
        const int64_t product = mix(f->u + t * x * z, a, x * z) * mix(f->v + t * z * y, b, z * y);
        for (size_t i = 0; i < x * y; i++)
            c[i] += f->w[t * x * y + i] * product;
    }
    for (size_t i = 0; i < x; i++)
        for (size_t j = 0; j < y; j++) {
            int64_t sum = 0;
            for (size_t k = 0; k < z; k++)
                sum += a[i * z + k] * b[k * y + j];
            assert_true(c[i * y + j] == sum * f->denominator);
        }
}

static void
everything_that_ships_multiplies_matrices(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t x, z, y, rank;
    } all[] = {
        {"strassen", 2, 2, 2, 7},
        {"winograd", 2, 2, 2, 7},
        {"laderman", 3, 3, 3, 23},
        {"strassen_column", 2, 2, 3, 11},
        {"classical:1,1,1", 1, 1, 1, 1},
        {"classical:2,3,4", 2, 3, 4, 24},
        {"strassen*strassen", 4, 4, 4, 49},
        {"strassen*classical:1,2,1", 2, 4, 2, 14},
        {"classical:1,2,1*strassen", 2, 4, 2, 14},
        {"strassen_column*laderman", 6, 6, 9, 253},
        {"winograd*strassen*classical:2,1,1", 8, 4, 4, 98},
    };
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_bilinear *f = parse(all[i].text);
        assert_true(f->x == all[i].x && f->z == all[i].z && f->y == all[i].y);
        assert_int_equal(f->rank, all[i].rank);
        for (int trial = 0; trial < 20; trial++)
            assert_multiplies(f, &rng);
        if (f->rank < 60)
            assert_ok(kofn_bilinear_check(f, &error));
        kofn_bilinear_destroy(&f);
        assert_null(f);
    }
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
assert_no_algorithm(const char *text, kofn_status status, const char *says)
{
    kofn_error error;
    kofn_bilinear *f = NULL;
    assert_fails(kofn_bilinear_parse(text, &f, &error), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
    assert_null(f);
}

static void
names_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_no_algorithm("strasen", KOFN_NOT_FOUND, "strassen, winograd");
    assert_no_algorithm("", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("strassen*", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("*strassen", KOFN_NOT_FOUND, "''");
    assert_no_algorithm("classical", KOFN_NOT_FOUND, "'classical'");
    assert_no_algorithm("file:/etc/passwd", KOFN_NOT_FOUND, "'file:/etc/passwd'");
    assert_no_algorithm("classical:", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,2,2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:2,-2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:99999,2,2", KOFN_INVALID_ARGUMENT, "X,Z,Y");
    assert_no_algorithm("classical:0,2,2", KOFN_OUT_OF_RANGE, "1 to 64");
    assert_no_algorithm("classical:65,1,1", KOFN_OUT_OF_RANGE, "<65,1,1;65>");
    assert_no_algorithm("classical:64,64,64", KOFN_OUT_OF_RANGE, "products");
    assert_no_algorithm("classical:9,9,9*classical:9,9,9", KOFN_OUT_OF_RANGE, "<81,81,81;531441>");
    assert_no_algorithm("laderman*laderman*laderman*laderman", KOFN_OUT_OF_RANGE, "1 to 64");
    assert_no_algorithm("strassen*strassen*strassen*strassen*strassen*strassen*strassen*s",
                        KOFN_INVALID_ARGUMENT, "longer than 63");
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
        {"  1: {a: [1], b: [1]}\n", KOFN_INVALID_ARGUMENT, "product '1' has not all"},
        {"  1: {a: [1], b: [1]}\n  2: {a: [1], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "'1'"},
        {"  1: {a: [1, 2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "products.1.a"},
        {"  1: {a: [x], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1/0], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1/-2], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [9999999], b: [1], c: [1]}\n", KOFN_INVALID_ARGUMENT, "number 1 is wrong"},
        {"  1: {a: [1], b: [1], d: [1]}\n", KOFN_NOT_FOUND, "products.1.d"},
        {"  a: [1]\n", KOFN_NOT_FOUND, "products.a"},
        {"  1: {a: [1/1048573], b: [1], c: [1]}\n  2: {a: [1/2], b: [1], c: [1]}\n",
         KOFN_OUT_OF_RANGE, "common denominator"},
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
        cmocka_unit_test(everything_that_ships_multiplies_matrices),
        cmocka_unit_test(one_wrong_number_is_noticed_and_named),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(numbers_that_grow_beyond_32_bits_are_refused),
        cmocka_unit_test(files_of_yaml_and_of_json_are_read),
        cmocka_unit_test(files_that_are_wrong_are_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
