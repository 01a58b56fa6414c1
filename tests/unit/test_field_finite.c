/* Every finite field against its definition (field_brute.h); GF(p) products against FLINT, GF(2^8)
 * against the plain twin of its kernels as well. */
#include "common/linalg/field_binary.h"
#include "common/linalg/field_prime.h"
#include "common/linalg/multiply.h"
#include "common/linalg/prime.h"
#include "tests/unit/field_brute.h"

#include <flint/nmod_mat.h>
#include <math.h>

static kofn_error error;

typedef void check_function(const kofn_field *f, kofn_rng *rng);

static void
for_every_field(check_function *check, uint64_t seed)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(seed), 0);
    for (size_t i = 0; i < FINITE_FIELDS; i++) {
        const kofn_field *f = new_field(finite_fields[i]);
        check(f, &rng);
        kofn_field_destroy(&f);
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static void
fields_are_named_as_they_were_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < FINITE_FIELDS; i++) {
        const kofn_field *f = new_field(finite_fields[i]), *more = kofn_field_ref(f);
        assert_string_equal(f->name, finite_fields[i]);
        assert_true(strlen(f->name) < KOFN_FIELD_NAME_MAX);
        assert_true(f->epsilon == 0 && f->order >= 2);
        kofn_field_destroy(&f);
        assert_null(f);
        assert_true(more->order >= 2); // a ref keeps it
        kofn_field_destroy(&more);
        kofn_field_destroy(&more); // NULL by now
    }
    const kofn_field *f64 = new_field("f64");
    assert_ptr_equal(f64, kofn_field_find("f64"));
    kofn_field_destroy(&f64);
    assert_string_equal(kofn_field_for_dtype(KOFN_U8)->name, "gf256");
    assert_null(kofn_field_for_dtype(KOFN_U32));
    assert_null(kofn_field_find("gfp:7"));
}

static void
what_is_no_field_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        kofn_status status;
        const char *says;
    } wrong[] = {
        {"", KOFN_NOT_FOUND, "gf256"},
        {"f16", KOFN_NOT_FOUND, "'f16'"},
        {"gf8", KOFN_NOT_FOUND, "gfp:P"},
        {"gfp", KOFN_NOT_FOUND, "gfp:P"},
        {"gfp:", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:x", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:-7", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:+7", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp: 7", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:7 ", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:07", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:0x7", KOFN_INVALID_ARGUMENT, "names no number"},
        {"gfp:0", KOFN_INVALID_ARGUMENT, "nearest is 2"},
        {"gfp:1", KOFN_INVALID_ARGUMENT, "nearest is 2"},
        {"gfp:4", KOFN_INVALID_ARGUMENT, "nearest is 3"},
        {"gfp:256", KOFN_INVALID_ARGUMENT, "nearest is 257"},
        {"gfp:65536", KOFN_INVALID_ARGUMENT, "nearest is 65537"},
        {"gfp:561", KOFN_INVALID_ARGUMENT, "not a prime"}, // Carmichael
        {"gfp:2147483646", KOFN_INVALID_ARGUMENT, "2147483647"},
        {"gfp:2147483648", KOFN_OUT_OF_RANGE, "2147483647"},
        {"gfp:2147483659", KOFN_OUT_OF_RANGE, "too large"},           // a prime
        {"gfp:4294967311", KOFN_OUT_OF_RANGE, "too large"},           // 2^32 + 15
        {"gfp:18446744073709551629", KOFN_OUT_OF_RANGE, "too large"}, // 2^64 + 13
        {"gfp:99999999999999999999999999999999999999999999999", KOFN_OUT_OF_RANGE, "too large"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const kofn_field *f = NULL;
        assert_fails(kofn_field_new(wrong[i].name, &f, &error), wrong[i].status);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].says);
        assert_null(f);
        assert_int_equal(kofn_field_new(wrong[i].name, &f, NULL), wrong[i].status);
    }
}

static void
the_field_of_a_product_is_named_or_implied_by_the_dtype(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        kofn_dtype dtype;
        kofn_status status;
        const char *says; // or the field
    } cases[] = {
        {"", KOFN_F64, KOFN_OK, "f64"},
        {"", KOFN_F32, KOFN_OK, "f32"},
        {"", KOFN_U8, KOFN_OK, "gf256"},
        {"gf16", KOFN_U8, KOFN_OK, "gf16"},
        {"gfp:101", KOFN_U32, KOFN_OK, "gfp:101"},
        {"", KOFN_U32, KOFN_INVALID_ARGUMENT, "--field gfp:P"},
        {"gfp:101", KOFN_U8, KOFN_INVALID_ARGUMENT, "elements of u32, and these are of u8"},
        {"f64", KOFN_F32, KOFN_INVALID_ARGUMENT, "elements of f64, and these are of f32"},
        {"gfp:100", KOFN_U32, KOFN_INVALID_ARGUMENT, "nearest is 101"},
        {"gf3", KOFN_U8, KOFN_NOT_FOUND, "'gf3'"},
        {"", KOFN_I64, KOFN_UNIMPLEMENTED, "no field has elements of i64"},
        {"gfp:101", KOFN_I32, KOFN_UNIMPLEMENTED, "no field has elements of i32"},
        {"f64", KOFN_DTYPE_NONE, KOFN_UNIMPLEMENTED, "none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_field *f = NULL;
        assert_fails(kofn_field_choose(cases[i].name, cases[i].dtype, &f, &error), cases[i].status);
        const char *text = f ? f->name : error.text;
        assert_int_equal(f != NULL, cases[i].status == KOFN_OK);
        if (!strstr(text, cases[i].says))
            fail_msg("'%s' does not say '%s'", text, cases[i].says);
        kofn_field_destroy(&f);
    }
}

static void
all_kinds_of_fields_are_listed(void **state)
{
    (void)state;
    static const char *const kinds[] = {"f64", "f32", "gf256", "gf16", "gf4", "gfp"};
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(kofn_field_kind_at(i), kinds[i]);
    assert_null(kofn_field_kind_at(6));
    assert_null(kofn_field_kind_at(SIZE_MAX));
    assert_int_equal(kofn_field_kinds_parse("f64,f32,gf256,gf16,gf4,gfp"), 0x3f);
    assert_int_equal(kofn_field_kinds_parse(""), 0);
    assert_int_equal(kofn_field_kinds_parse("f,gf,gfp:7,,f640"), 0);
    assert_int_equal(kofn_field_kinds_parse("later,f64,"), 1);
}

static void
fields_that_do_not_fill_their_dtype_are_partial(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool partial;
    } cases[] = {{"f64", false}, {"f32", false},  {"gf256", false},
                 {"gf16", true}, {"gfp:2", true}, {"gfp:2147483647", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_field *f = new_field(cases[i].name);
        assert_int_equal(kofn_field_is_partial(f), cases[i].partial);
        kofn_field_destroy(&f);
    }
}

static void
advice_names_the_smallest_fields_that_do(void **state)
{
    (void)state;
    static const struct {
        double least;
        const char *text;
    } cases[] = {{0, "gfp:2 or gf4"},
                 {3, "gfp:3 or gf4"},
                 {5, "gfp:5 or gf16"},
                 {16, "gfp:17 or gf16"},
                 {17, "gfp:17 or gf256"},
                 {256, "gfp:257 or gf256"},
                 {257, "gfp:257"},
                 {65536, "gfp:65537"},
                 {2147483647, "gfp:2147483647"},
                 {2147483648.0, "f64: no finite field is that large"}};
    char text[KOFN_FIELD_ADVICE_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_field_advise(cases[i].least, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
primes_are_those_of_the_sieve_and_of_flint(void **state)
{
    (void)state;
    enum { N = 1000000 };
    unsigned char *composite = calloc(N, 1);
    assert_non_null(composite);
    composite[0] = composite[1] = 1;
    for (uint32_t i = 2; i < N; i++)
        for (uint32_t j = 2 * i; !composite[i] && j < N; j += i)
            composite[j] = 1;
    for (uint32_t i = 0, next = 0; i < N - 200; i++) {
        assert_int_equal(kofn_is_prime(i), !composite[i]);
        for (next = i > next ? i : next; composite[next]; next++)
            ;
        if (i % 997 == 0)
            assert_int_equal(kofn_next_prime(i), next);
    }
    free(composite);

    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(71), 0);
    for (int i = 0; i < 100000; i++) {
        const uint32_t n = (uint32_t)kofn_rng_u64(&rng) | 1;
        assert_int_equal(kofn_is_prime(n), n_is_prime(n));
    }
    /* Strong pseudoprimes to the first one to four primes. */
    const uint32_t liars[] = {2047, 1373653, 25326001, 3215031751U};
    for (size_t i = 0; i < sizeof liars / sizeof liars[0]; i++)
        assert_false(kofn_is_prime(liars[i]));
    assert_int_equal(kofn_next_prime(4294967291U), 4294967291U);
    assert_int_equal(kofn_next_prime(4294967292U), 0);
    assert_int_equal(kofn_previous_prime(1), 0);
    assert_int_equal(kofn_previous_prime(UINT32_MAX), 4294967291U);
}

/* ---- coefficients ---------------------------------------------------------------------------- */

static void
check_pair(const kofn_field *f, uint64_t a, uint64_t b)
{
    assert_true(f->add(f, (double)a, (double)b) == (double)brute_add(f, a, b));
    assert_true(f->multiply(f, (double)a, (double)b) == (double)brute_multiply(f, a, b));
    assert_true(f->negate(f, (double)a) == (double)brute_negate(f, a));
    if (a != 0)
        assert_true(f->invert(f, (double)a) == (double)brute_invert(f, a));
}

static void
check_coefficients(const kofn_field *f, kofn_rng *rng)
{
    const uint64_t q = (uint64_t)f->order;
    for (uint64_t a = 0; q <= 257 && a < q; a++)
        for (uint64_t b = 0; b < q; b++)
            check_pair(f, a, b);
    const uint64_t edges[] = {0, 1, q / 2, q - 2, q - 1};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            check_pair(f, edges[i], edges[j]);
    for (int i = 0; i < 1000; i++)
        check_pair(f, kofn_rng_below(rng, q), kofn_rng_below(rng, q));
}

static void
coefficients_follow_the_definition(void **state)
{
    (void)state;
    for_every_field(check_coefficients, 72);
}

static void
check_add_multiple(const kofn_field *f, kofn_rng *rng)
{
    enum { LEN = 67 };
    const uint64_t q = (uint64_t)f->order;
    double x[LEN], y[LEN], before[LEN];
    for (int round = 0; round < 200; round++) {
        const size_t len = kofn_rng_below(rng, LEN + 1);
        const uint64_t by = round == 0 ? q - 1 : kofn_rng_below(rng, q);
        for (size_t i = 0; i < LEN; i++) {
            x[i] = (double)(round < 2 ? q - 1 : kofn_rng_below(rng, q));
            before[i] = y[i] = (double)(round < 2 ? q - 1 : kofn_rng_below(rng, q));
        }
        f->add_multiple(f, len, (double)by, x, y);
        for (size_t i = 0; i < LEN; i++) {
            const uint64_t sum =
                brute_add(f, (uint64_t)before[i], brute_multiply(f, by, (uint64_t)x[i]));
            assert_true(y[i] == (i < len ? (double)sum : before[i]));
        }
    }
}

static void
multiples_are_added_to_vectors(void **state)
{
    (void)state;
    for_every_field(check_add_multiple, 73);
}

static void
check_points_and_draws(const kofn_field *f, kofn_rng *rng)
{
    const size_t q = f->order < 100 ? (size_t)f->order : 100;
    for (size_t i = 0; i < q; i++)
        assert_true(f->point(f, i, q) == (double)i);
    kofn_rng again = *rng;
    double most = 0;
    size_t zeros = 0;
    for (int i = 0; i < 4000; i++) {
        const double a = f->draw(f, rng);
        assert_true(a >= 0 && a < f->order && a == (double)(uint64_t)a);
        assert_true(a == f->draw(f, &again));
        most = a > most ? a : most;
        zeros += a == 0;
    }
    assert_true(most >= 0.99 * (f->order - 1));
    /* 4,000 draws: mean 4,000 / q, six standard deviations. */
    const double mean = 4000 / f->order;
    assert_true((double)zeros < mean + 6 * sqrt(mean) + 1 &&
                (double)zeros > mean - 6 * sqrt(mean) - 1);
}

static void
points_count_from_zero_and_draws_are_uniform(void **state)
{
    (void)state;
    for_every_field(check_points_and_draws, 74);
}

/* ---- combinations ---------------------------------------------------------------------------- */

enum { ODD = 3, GUARD = 0xa5 };

typedef struct rectangles {
    size_t count, rows, len;
    unsigned char **at; // at odd addresses, between guards; some NULL
    size_t *stride;
} rectangles;

static rectangles
new_rectangles(const kofn_field *f, size_t count, size_t rows, size_t len, kofn_rng *rng)
{
    const size_t width = kofn_dtype_width(f->dtype);
    rectangles r = {.count = count, .rows = rows, .len = len};
    r.at = calloc(count + 1, sizeof *r.at);
    r.stride = calloc(count + 1, sizeof *r.stride);
    for (size_t i = 0; i < count; i++) {
        r.stride[i] = (len + kofn_rng_below(rng, 3)) * width + 1;
        if (kofn_rng_below(rng, 8) == 0)
            continue;
        r.at[i] = malloc(rows * r.stride[i] + 2 * ODD);
        assert_non_null(r.at[i]);
        memset(r.at[i], GUARD, rows * r.stride[i] + 2 * ODD);
        r.at[i] += ODD;
    }
    return r;
}

static void
free_rectangles(rectangles *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->at[i])
            free(r->at[i] - ODD);
    free(r->at);
    free(r->stride);
}

static void
fill_rectangles(const kofn_field *f, rectangles *r, bool extreme, kofn_rng *rng)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t row = 0; r->at[i] && row < r->rows; row++)
            for (size_t j = 0; j < r->len; j++)
                exact_set(f->dtype, r->at[i] + row * r->stride[i], j,
                          extreme ? (uint64_t)f->order - 1
                                  : kofn_rng_below(rng, (uint64_t)f->order));
}

static void
check_guards(const kofn_field *f, const rectangles *r)
{
    const size_t bytes = r->len * kofn_dtype_width(f->dtype);
    for (size_t i = 0; i < r->count; i++) {
        for (size_t row = 0; r->at[i] && row < r->rows; row++)
            for (size_t b = bytes; b < r->stride[i]; b++)
                assert_int_equal(r->at[i][row * r->stride[i] + b], GUARD);
        for (size_t b = 0; r->at[i] && b < ODD; b++) {
            assert_int_equal(r->at[i][(ptrdiff_t)b - ODD], GUARD);
            assert_int_equal(r->at[i][r->rows * r->stride[i] + b], GUARD);
        }
    }
}

/* Rows of coefficients: dense, sparse, unit vectors, zeros. */
static void
fill_coefs(const kofn_field *f, size_t outs, size_t ins, bool extreme, kofn_rng *rng, double *coef)
{
    const uint64_t q = (uint64_t)f->order;
    for (size_t o = 0; o < outs; o++) {
        const uint64_t kind = extreme ? 0 : kofn_rng_below(rng, 4);
        for (size_t i = 0; i < ins; i++)
            coef[o * ins + i] =
                kind == 0   ? (double)(extreme ? q - 1 : kofn_rng_below(rng, q))
                : kind == 1 ? (double)(kofn_rng_below(rng, q) * (kofn_rng_below(rng, 4) == 0))
                            : 0;
        if (kind == 2 && ins > 0)
            coef[o * ins + kofn_rng_below(rng, ins)] = 1;
    }
}

static void
check_combination(const kofn_field *f, size_t outs, size_t ins, size_t rows, size_t len,
                  bool extreme, kofn_rng *rng)
{
    rectangles src = new_rectangles(f, ins, rows, len, rng);
    rectangles dst = new_rectangles(f, outs, rows, len, rng);
    double *coef = calloc(outs * ins + 1, sizeof *coef);
    fill_coefs(f, outs, ins, extreme, rng, coef);
    fill_rectangles(f, &src, extreme, rng);
    const kofn_combination c = {.outs = outs,
                                .ins = ins,
                                .rows = rows,
                                .len = len,
                                .coef = coef,
                                .src = (const void *const *)src.at,
                                .dst = (void *const *)dst.at,
                                .src_stride = src.stride,
                                .dst_stride = dst.stride,
                                .result_bytes = outs * rows * len};
    f->combine(f, &c);
    for (size_t o = 0; o < outs; o++)
        for (size_t row = 0; dst.at[o] && row < rows; row++)
            for (size_t j = 0; j < len; j++) {
                uint64_t sum = 0;
                for (size_t i = 0; i < ins; i++)
                    if (src.at[i])
                        sum =
                            brute_add(f, sum,
                                      brute_multiply(
                                          f, (uint64_t)coef[o * ins + i],
                                          exact_get(f->dtype, src.at[i] + row * src.stride[i], j)));
                const uint64_t got = exact_get(f->dtype, dst.at[o] + row * dst.stride[o], j);
                if (got != sum)
                    fail_msg("%s: %zu from %zu, %zu x %zu: result %zu (%zu, %zu) is %" PRIu64
                             ", not %" PRIu64,
                             f->name, outs, ins, rows, len, o, row, j, got, sum);
            }
    check_guards(f, &dst);
    check_guards(f, &src);
    free(coef);
    free_rectangles(&src);
    free_rectangles(&dst);
}

static void
check_combinations(const kofn_field *f, kofn_rng *rng)
{
    for (int round = 0; round < 60; round++)
        check_combination(f, kofn_rng_below(rng, 9), kofn_rng_below(rng, 12),
                          1 + kofn_rng_below(rng, 4), kofn_rng_below(rng, 150), false, rng);
    check_combination(f, 2, 3, 1, 9001, false, rng); // many panels and a tail
    check_combination(f, 27, 37, 2, 65, false, rng); // more than one pass either way
    check_combination(f, 3, 300, 1, 70, false, rng); // more sources than GF(2^8) has elements
    check_combination(f, 2, 300, 1, 130, true, rng); // the largest sums
    check_combination(f, 7, 5, 3, 64, true, rng);
}

static void
combinations_follow_the_definition(void **state)
{
    (void)state;
    for_every_field(check_combinations, 75);
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct setting {
    kofn_mat a, b, c;
    kofn_bands bands;
    void *memory[3];
} setting;

static kofn_mat
new_mat(const kofn_field *f, size_t rows, size_t cols, size_t odd, kofn_rng *rng, void **ret_memory)
{
    const size_t stride = cols + kofn_rng_below(rng, 3);
    unsigned char *memory = malloc(rows * stride * kofn_dtype_width(f->dtype) + odd + 1);
    assert_non_null(memory);
    memset(memory, GUARD, rows * stride * kofn_dtype_width(f->dtype) + odd + 1);
    kofn_mat mat = kofn_mat_wrap(memory + odd, f->dtype, rows, cols);
    mat.stride = stride;
    *ret_memory = memory;
    return mat;
}

static void
multiply(const kofn_field *f, setting *s, size_t rows, size_t inner, size_t cols, int transposes,
         bool extreme, double panel_flops, kofn_rng *rng)
{
    const bool ta = transposes & 1, tb = transposes & 2;
    const size_t odd = kofn_rng_below(rng, 4) == 0 ? 1 + kofn_rng_below(rng, 3) : 0;
    s->a = new_mat(f, ta ? inner : rows, ta ? rows : inner, odd, rng, &s->memory[0]);
    s->b = new_mat(f, tb ? cols : inner, tb ? inner : cols, odd, rng, &s->memory[1]);
    s->c = new_mat(f, rows, cols, odd, rng, &s->memory[2]);
    mat_fill(f, &s->a, extreme, rng);
    mat_fill(f, &s->b, extreme, rng);
    assert_ok(kofn_bands_from_mat(&s->c, &s->bands, &error));
    const kofn_product p = {
        .a = &s->a, .b = &s->b, .transpose_a = ta, .transpose_b = tb, .panel_flops = panel_flops};
    assert_ok(kofn_multiply(f, &p, &s->bands, &error));
}

static void
setting_fini(setting *s)
{
    kofn_bands_fini(&s->bands);
    for (int i = 0; i < 3; i++)
        free(s->memory[i]);
}

/* All elements of small products, some of large ones. */
static void
check_product(const kofn_field *f, size_t rows, size_t inner, size_t cols, int transposes,
              bool extreme, double panel_flops, kofn_rng *rng)
{
    setting s;
    multiply(f, &s, rows, inner, cols, transposes, extreme, panel_flops, rng);
    const size_t count = rows * cols, looks = count * inner < 100000 ? count : 200;
    for (size_t l = 0; l < looks; l++) {
        const size_t at = looks == count ? l : kofn_rng_below(rng, count);
        const size_t i = at / cols, j = at % cols;
        const uint64_t want = brute_product(f, &s.a, transposes & 1, &s.b, transposes & 2, i, j);
        if (mat_get(&s.c, i, j) != want)
            fail_msg("%s: %zu x %zu x %zu, transposes %d: (%zu, %zu) is %" PRIu64 ", not %" PRIu64,
                     f->name, rows, inner, cols, transposes, i, j, mat_get(&s.c, i, j), want);
    }
    setting_fini(&s);
}

static void
check_products(const kofn_field *f, kofn_rng *rng)
{
    for (int round = 0; round < 80; round++)
        check_product(f, kofn_rng_below(rng, 30), kofn_rng_below(rng, 40), kofn_rng_below(rng, 90),
                      round % 4, false, round % 3 == 0 ? 2000 : 0, rng);
    for (int transposes = 0; transposes < 12; transposes++) {
        check_product(f, 5, 3000, 7, transposes % 4, true, 0, rng); // past every chunk
        check_product(f, 20, 1500, 30, transposes % 4, false, 0, rng);
    }
    check_product(f, 500, 20, 700, 0, false, 0, rng); // more than one block either way
    check_product(f, 7, 300, 5000, 2, false, 0, rng);
}

static void
products_follow_the_definition(void **state)
{
    (void)state;
    for_every_field(check_products, 76);
}

static void
large_products_over_gfp_are_those_of_flint(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(77), 0);
    const size_t rows = 410, inner = 1100, cols = 530;
    for (size_t i = 0; i < FINITE_FIELDS; i++) {
        const kofn_field *f = new_field(finite_fields[i]);
        if (f->dtype != KOFN_U32) {
            kofn_field_destroy(&f);
            continue;
        }
        setting s;
        nmod_mat_t a, b, c;
        multiply(f, &s, rows, inner, cols, 0, false, 0, &rng);
        nmod_mat_init(a, rows, inner, (mp_limb_t)f->order);
        nmod_mat_init(b, inner, cols, (mp_limb_t)f->order);
        nmod_mat_init(c, rows, cols, (mp_limb_t)f->order);
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < inner; k++)
                nmod_mat_entry(a, r, k) = mat_get(&s.a, r, k);
        for (size_t k = 0; k < inner; k++)
            for (size_t j = 0; j < cols; j++)
                nmod_mat_entry(b, k, j) = mat_get(&s.b, k, j);
        nmod_mat_mul(c, a, b);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < cols; j++)
                assert_int_equal(mat_get(&s.c, r, j), nmod_mat_entry(c, r, j));
        nmod_mat_clear(a);
        nmod_mat_clear(b);
        nmod_mat_clear(c);
        setting_fini(&s);
        kofn_field_destroy(&f);
    }
}

static void
gf256_products_are_those_of_their_twin(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(78), 0);
    const kofn_field *f = kofn_field_find("gf256");
    for (int round = 0; round < 40; round++) {
        const size_t rows = 1 + kofn_rng_below(&rng, 20), inner = 1 + kofn_rng_below(&rng, 400);
        const size_t cols = 1 + kofn_rng_below(&rng, 3000);
        setting s;
        multiply(f, &s, rows, inner, cols, round % 4, false, 0, &rng);
        unsigned char *other = calloc(rows * cols, 1);
        const kofn_panel p = {.transpose_a = round & 1,
                              .transpose_b = round & 2,
                              .rows = rows,
                              .cols = cols,
                              .inner = inner,
                              .a = s.a.data,
                              .b = s.b.data,
                              .stride_a = s.a.stride,
                              .stride_b = s.b.stride,
                              .c = other,
                              .stride_c = cols};
        kofn_binary_multiply_panel(f, &p);
        for (size_t r = 0; r < rows; r++)
            assert_memory_equal(other + r * cols, kofn_mat_get_row(&s.c, r), cols);
        free(other);
        setting_fini(&s);
    }
}

static void
check_panel(const kofn_field *f, kofn_rng *rng)
{
    enum { ROWS = 9, COLS = 33, INNER = 20 };
    setting s;
    multiply(f, &s, ROWS, INNER, COLS, 0, false, 0, rng);
    void *scratch = malloc(f->scratch_bytes(f, ROWS, COLS, INNER) + 1);
    const size_t width = kofn_dtype_width(f->dtype);
    unsigned char *c = calloc(ROWS * COLS, width), *a = calloc(ROWS * INNER, width),
                  *b = calloc(INNER * COLS, width);
    for (size_t i = 0; i < ROWS * INNER; i++)
        exact_set(f->dtype, a, i, mat_get(&s.a, i / INNER, i % INNER));
    for (size_t i = 0; i < INNER * COLS; i++)
        exact_set(f->dtype, b, i, mat_get(&s.b, i / COLS, i % COLS));
    kofn_panel p = {.rows = ROWS,
                    .cols = COLS,
                    .inner = INNER,
                    .a = a,
                    .b = b,
                    .stride_a = INNER,
                    .stride_b = COLS,
                    .c = c,
                    .stride_c = COLS,
                    .scratch = scratch};
    memset(c, 0xff, ROWS * COLS * width); // is overwritten
    f->multiply_panel(f, &p);
    p.accumulate = true;
    f->multiply_panel(f, &p);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const uint64_t once = mat_get(&s.c, i / COLS, i % COLS);
        assert_int_equal(exact_get(f->dtype, c, i), brute_add(f, once, once));
    }
    free(a);
    free(b);
    free(c);
    free(scratch);
    setting_fini(&s);
}

static void
panels_are_added_to_only_when_asked(void **state)
{
    (void)state;
    for_every_field(check_panel, 79);
}

static void
scratch_is_bounded_whatever_the_panel(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 50, 1000, 1 << 20, (size_t)1 << 31};
    for (size_t i = 0; i < FINITE_FIELDS; i++) {
        const kofn_field *f = new_field(finite_fields[i]);
        for (size_t a = 0; a < 125; a++)
            assert_true(f->scratch_bytes(f, sizes[a % 5], sizes[a / 5 % 5], sizes[a / 25]) <=
                        (size_t)16 << 20);
        kofn_field_destroy(&f);
    }
}

/* ---- what is no element ---------------------------------------------------------------------- */

static void
check_foreign(const kofn_field *f, kofn_rng *rng)
{
    enum { LEN = 40001 };
    const size_t width = kofn_dtype_width(f->dtype);
    const uint64_t most = f->dtype == KOFN_U8 ? UINT8_MAX : UINT32_MAX, q = (uint64_t)f->order;
    unsigned char *at = malloc(LEN * width + ODD);
    assert_non_null(at);
    for (size_t i = 0; i < LEN; i++)
        exact_set(f->dtype, at + ODD, i, kofn_rng_below(rng, q));
    exact_set(f->dtype, at + ODD, 7, q - 1);
    assert_false(f->has_foreign(f, at + ODD, 0));
    assert_false(f->has_foreign(f, at + ODD, LEN));
    const uint64_t bad[] = {q, most};
    for (size_t b = 0; q <= most && b < 2; b++)
        for (size_t i = 0; i < LEN; i += i < 10 || i + 10 > LEN ? 1 : 997) {
            exact_set(f->dtype, at + ODD, i, bad[b]);
            assert_true(f->has_foreign(f, at + ODD, LEN));
            assert_false(f->has_foreign(f, at + ODD, i));
            exact_set(f->dtype, at + ODD, i, 0);
        }
    free(at);
}

static void
one_foreign_element_is_seen_wherever_it_is(void **state)
{
    (void)state;
    for_every_field(check_foreign, 80);
}

static void
check_norm(const kofn_field *f, kofn_rng *rng)
{
    uint32_t aligned[16] = {0};
    unsigned count = 0;
    assert_true(f->norm(f, aligned, 16) == 0 && f->norm(f, aligned, 0) == 0);
    for (size_t i = 0; i < 16; i++) {
        const uint64_t element = kofn_rng_below(rng, (uint64_t)f->order);
        exact_set(f->dtype, aligned, i, element);
        count += element != 0;
    }
    assert_true(f->norm(f, aligned, 16) == sqrt(count));
}

static void
norms_count_what_is_not_zero(void **state)
{
    (void)state;
    for_every_field(check_norm, 82);
}

static void
a_foreign_element_is_named_with_its_place(void **state)
{
    (void)state;
    const kofn_field *f = new_field("gfp:257"), *f64 = kofn_field_find("f64");
    uint32_t at[6 * 5] = {0};
    double real[4] = {0, 1, 2, INFINITY};
    kofn_bands bands;
    kofn_bands_init(&bands, KOFN_U32, 6, 4); // in three bands with gaps between rows
    for (size_t i = 0; i < 3; i++) {
        kofn_mat mat = kofn_mat_wrap(at + i * 10, KOFN_U32, 2, 4);
        mat.stride = 5;
        assert_ok(kofn_bands_append(&bands, &mat, NULL, 0, &error));
    }
    at[4] = 1000; // in a gap: belongs to nobody
    assert_ok(kofn_field_check_elements(f, "A", &bands, &error));
    at[5 * 3 + 2] = 256;
    assert_ok(kofn_field_check_elements(f, "A", &bands, &error));
    at[5 * 3 + 2] = 257;
    at[5 * 5] = 4000000000;
    assert_fails(kofn_field_check_elements(f, "A", &bands, &error), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text,
                        "A: element (3, 2) is 257, not in field gfp:257, whose largest is 256");
    assert_fails(kofn_field_check_elements(f64, "A", &bands, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "f64"));
    kofn_bands_fini(&bands);

    const kofn_mat mat = kofn_mat_wrap(real, KOFN_F64, 2, 2);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_fails(kofn_field_check_elements(f64, "B", &bands, &error), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "B: element (1, 1) is not finite");
    kofn_bands_fini(&bands);
    kofn_field_destroy(&f);
}

static void
the_place_of_a_foreign_element_is_found_in_rows_of_any_length(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("gf16");
    unsigned char at[40] = {0};
    for (size_t len = 1; len <= sizeof at; len++)
        for (size_t i = 0; i < len; i++) {
            char place[32];
            kofn_bands bands;
            const kofn_mat mat = kofn_mat_wrap(at, KOFN_U8, 1, len);
            assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
            at[i] = 16;
            at[len - 1] = 17; // a later one is not the first
            assert_fails(kofn_field_check_elements(f, "A", &bands, &error), KOFN_INVALID_ARGUMENT);
            (void)snprintf(place, sizeof place, "(0, %zu) is %d", i, i == len - 1 ? 17 : 16);
            assert_non_null(strstr(error.text, place));
            at[i] = at[len - 1] = 0;
            kofn_bands_fini(&bands);
        }
}

/* Nobody promises a result, but nothing breaks: for the sanitizers. */
static void
check_foreign_arithmetic(const kofn_field *f, kofn_rng *rng)
{
    enum { SIDE = 40 };
    const size_t bytes = (size_t)SIDE * SIDE * kofn_dtype_width(f->dtype);
    unsigned char *at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = malloc(bytes);
        memset(at[i], i == 1 ? 0xff : (int)kofn_rng_below(rng, 256), bytes);
    }
    kofn_mat a = kofn_mat_wrap(at[0], f->dtype, SIDE, SIDE), b = a, c = a;
    b.data = at[1];
    c.data = at[2];
    kofn_bands bands;
    assert_ok(kofn_bands_from_mat(&c, &bands, &error));
    const kofn_product p = {.a = &a, .b = &b};
    assert_ok(kofn_multiply(f, &p, &bands, &error));
    const double coef[2] = {f->order - 1, 1};
    const size_t stride[2] = {0};
    const kofn_combination c2 = {.outs = 1,
                                 .ins = 2,
                                 .rows = 1,
                                 .len = SIDE * SIDE,
                                 .coef = coef,
                                 .src = (const void *const[]){at[0], at[1]},
                                 .dst = (void *const[]){at[2]},
                                 .src_stride = stride,
                                 .dst_stride = stride};
    f->combine(f, &c2);
    kofn_bands_fini(&bands);
    for (int i = 0; i < 3; i++)
        free(at[i]);
}

static void
foreign_elements_do_no_harm(void **state)
{
    (void)state;
    for_every_field(check_foreign_arithmetic, 81);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_named_as_they_were_asked_for),
        cmocka_unit_test(what_is_no_field_is_refused_with_the_reason),
        cmocka_unit_test(the_field_of_a_product_is_named_or_implied_by_the_dtype),
        cmocka_unit_test(all_kinds_of_fields_are_listed),
        cmocka_unit_test(fields_that_do_not_fill_their_dtype_are_partial),
        cmocka_unit_test(advice_names_the_smallest_fields_that_do),
        cmocka_unit_test(primes_are_those_of_the_sieve_and_of_flint),
        cmocka_unit_test(coefficients_follow_the_definition),
        cmocka_unit_test(multiples_are_added_to_vectors),
        cmocka_unit_test(points_count_from_zero_and_draws_are_uniform),
        cmocka_unit_test(combinations_follow_the_definition),
        cmocka_unit_test(products_follow_the_definition),
        cmocka_unit_test(large_products_over_gfp_are_those_of_flint),
        cmocka_unit_test(gf256_products_are_those_of_their_twin),
        cmocka_unit_test(panels_are_added_to_only_when_asked),
        cmocka_unit_test(scratch_is_bounded_whatever_the_panel),
        cmocka_unit_test(one_foreign_element_is_seen_wherever_it_is),
        cmocka_unit_test(norms_count_what_is_not_zero),
        cmocka_unit_test(a_foreign_element_is_named_with_its_place),
        cmocka_unit_test(the_place_of_a_foreign_element_is_found_in_rows_of_any_length),
        cmocka_unit_test(foreign_elements_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
