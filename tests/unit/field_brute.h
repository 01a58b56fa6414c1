/* Finite fields for tests, by their definitions: remainders of 64-bit products, polynomials
 * multiplied bit by bit, inverses that are tried. No table, no shared line with what is checked. */
#ifndef KOFN_TESTS_FIELD_BRUTE_H
#define KOFN_TESTS_FIELD_BRUTE_H

#include "common/linalg/field.h"
#include "tests/assert.h"

static const char *const finite_fields[] = {
    "gf4",     "gf16",      "gf256",       "gfp:2",        "gfp:3",         "gfp:5",
    "gfp:257", "gfp:65537", "gfp:1048573", "gfp:16777213", "gfp:2147483647"};

enum { FINITE_FIELDS = sizeof finite_fields / sizeof finite_fields[0] };

/* The caller's, to kofn_field_destroy(). */
static inline const kofn_field *
new_field(const char *name)
{
    kofn_error error;
    const kofn_field *f = NULL;
    assert_ok(kofn_field_new(name, &f, &error));
    return f;
}

/* 0 for GF(p). */
static inline uint64_t
brute_polynomial(const kofn_field *f)
{
    return f->dtype == KOFN_U32 ? 0 : f->order == 4 ? 0x7 : f->order == 16 ? 0x13 : 0x11d;
}

static inline uint64_t
brute_add(const kofn_field *f, uint64_t a, uint64_t b)
{
    return brute_polynomial(f) ? a ^ b : (a + b) % (uint64_t)f->order;
}

static inline uint64_t
brute_multiply(const kofn_field *f, uint64_t a, uint64_t b)
{
    const uint64_t polynomial = brute_polynomial(f);
    if (!polynomial)
        return a * b % (uint64_t)f->order;
    uint64_t product = 0;
    for (int i = 0; i < 8; i++)
        product ^= b >> i & 1 ? a << i : 0;
    for (int i = 15; i >= 0; i--) // long division
        if (product >> i & 1 && (uint64_t)1 << i >= (uint64_t)f->order)
            product ^= polynomial << (i - (63 - __builtin_clzll(polynomial)));
    return product;
}

static inline uint64_t
brute_negate(const kofn_field *f, uint64_t a)
{
    return brute_polynomial(f) ? a : ((uint64_t)f->order - a) % (uint64_t)f->order;
}

/* a^(q - 2); that it is one, asserted. */
static inline uint64_t
brute_invert(const kofn_field *f, uint64_t a)
{
    uint64_t inverse = 1, square = a;
    for (uint64_t e = (uint64_t)f->order - 2; e > 0; e >>= 1) {
        inverse = e & 1 ? brute_multiply(f, inverse, square) : inverse;
        square = brute_multiply(f, square, square);
    }
    assert_true(brute_multiply(f, a, inverse) == 1);
    return inverse;
}

/* Rank of rows [rows, cols], which are destroyed. */
static inline size_t
brute_field_rank(const kofn_field *f, uint64_t *at, size_t rows, size_t cols)
{
    size_t rank = 0;
    for (size_t c = 0; c < cols && rank < rows; c++) {
        size_t found = rank;
        while (found < rows && at[found * cols + c] == 0)
            found++;
        if (found == rows)
            continue;
        for (size_t j = 0; j < cols; j++) {
            const uint64_t moved = at[rank * cols + j];
            at[rank * cols + j] = at[found * cols + j];
            at[found * cols + j] = moved;
        }
        const uint64_t inverse = brute_invert(f, at[rank * cols + c]);
        for (size_t r = rank + 1; r < rows; r++) {
            const uint64_t by = brute_negate(f, brute_multiply(f, at[r * cols + c], inverse));
            for (size_t j = c; j < cols; j++)
                at[r * cols + j] =
                    brute_add(f, at[r * cols + j], brute_multiply(f, by, at[rank * cols + j]));
        }
        rank++;
    }
    return rank;
}

/* ---- elements, wherever they lie ------------------------------------------------------------- */

static inline uint64_t
exact_get(kofn_dtype dtype, const void *at, size_t i)
{
    uint32_t wide;
    if (dtype == KOFN_U8)
        return ((const unsigned char *)at)[i];
    memcpy(&wide, (const unsigned char *)at + i * sizeof wide, sizeof wide);
    return wide;
}

static inline void
exact_set(kofn_dtype dtype, void *at, size_t i, uint64_t value)
{
    const uint32_t wide = (uint32_t)value;
    if (dtype == KOFN_U8)
        ((unsigned char *)at)[i] = (unsigned char)value;
    else
        memcpy((unsigned char *)at + i * sizeof wide, &wide, sizeof wide);
}

static inline uint64_t
mat_get(const kofn_mat *mat, size_t row, size_t col)
{
    return exact_get(mat->dtype, kofn_mat_get_row(mat, row), col);
}

/* Random elements; with `extreme`, near those that make the largest sums, with low bits that
 * differ: sums of equal terms end in zeros, which hide that they are not exact. */
static inline void
mat_fill(const kofn_field *f, kofn_mat *mat, bool extreme, kofn_rng *rng)
{
    const uint64_t q = (uint64_t)f->order, kind = kofn_rng_below(rng, 3);
    for (size_t i = 0; i < mat->rows; i++)
        for (size_t j = 0; j < mat->cols; j++) {
            const uint64_t near = kofn_rng_below(rng, q > 64 ? 8 : 1);
            const uint64_t large = kind == 0   ? q - 1 - near
                                   : kind == 1 ? q / 2 - near
                                               : (q / 2 + 1 + near) % q;
            exact_set(mat->dtype, kofn_mat_get_row(mat, i), j,
                      extreme ? large : kofn_rng_below(rng, q));
        }
}

/* Element (i, j) of op(A) op(B). */
static inline uint64_t
brute_product(const kofn_field *f, const kofn_mat *a, bool ta, const kofn_mat *b, bool tb, size_t i,
              size_t j)
{
    const size_t inner = ta ? a->rows : a->cols;
    uint64_t sum = 0;
    for (size_t k = 0; k < inner; k++)
        sum = brute_add(f, sum,
                        brute_multiply(f, ta ? mat_get(a, k, i) : mat_get(a, i, k),
                                       tb ? mat_get(b, j, k) : mat_get(b, k, j)));
    return sum;
}

#endif
