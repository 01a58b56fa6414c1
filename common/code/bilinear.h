/* Bilinear algorithms as data: C := A B over x by z and z by y blocks from `rank` products of sums
 * of blocks.
 *
 *     P_t = (sum_a U[t, a] A_a) (sum_b V[t, b] B_b)        C_c = sum_t W[t, c] P_t / denominator
 *
 * Source     Strassen, "Gaussian Elimination is not Optimal", 1969; Winograd, "On Multiplication of
 *            2 x 2 Matrices", 1971; Laderman, "A Noncommutative Algorithm for Multiplying 3 x 3
 *            Matrices Using 23 Multiplications", 1976; Hopcroft and Kerr, "On Minimizing the Number
 *            of Multiplications Necessary for Matrix Multiplication", 1971, for <2,2,3;11>: no
 *            algorithm without division takes fewer there, and Strassen's with a column of B more
 *            takes as many.
 * Shapes     U [rank, x z], V [rank, z y], W [rank, x y], blocks row by row: whole numbers, so that
 *            they mean something in every field where the denominator is not zero.
 * Accuracy   Exact: whether it multiplies matrices is decided in whole numbers.
 * Threads    Any thread; immutable once made.
 */
#ifndef KOFN_CODE_BILINEAR_H
#define KOFN_CODE_BILINEAR_H

#include "common/linalg/field.h"

enum {
    KOFN_BILINEAR_NAME_MAX = 64,      // of an algorithm as users write it, with the final NUL
    KOFN_BILINEAR_SIZE_MAX = 64,      // x, z, y
    KOFN_BILINEAR_RANK_MAX = 1 << 16, // products
    KOFN_BILINEAR_NUMBERS_MAX = 1 << 22,
};

typedef struct kofn_bilinear {
    size_t x, z, y, rank;
    int64_t denominator; // at least 1
    int32_t *u, *v, *w;  // one piece of memory, u's
} kofn_bilinear;

/* All that rules ask of an algorithm: what it is but for its numbers. That of a product follows
 * from those of its factors. */
typedef struct kofn_bilinear_shape {
    size_t x, z, y, rank;
    int64_t denominator;
    int64_t largest[3]; // of |U|, |V|, |W|
} kofn_bilinear_shape;

/* An algorithm of the caller's numbers, which are copied. INVALID_ARGUMENT: it does not multiply
 * matrices, with the first coefficient that is wrong. OUT_OF_RANGE: too large.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_new(const kofn_bilinear *from, kofn_bilinear **ret,
                                              kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_bilinear_copy(const kofn_bilinear *from, kofn_bilinear **ret,
                                               kofn_error *err);
void kofn_bilinear_destroy(kofn_bilinear **algorithm_p);

/* Every block product by itself: <x, z, y; x z y>. OUT_OF_RANGE, RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_classical(size_t x, size_t z, size_t y,
                                                    kofn_bilinear **ret, kofn_error *err);

/* From a file of YAML, or of JSON, which is a part of it:
 *
 *     size: [2, 2, 2]                     x, z, y
 *     products:
 *       1: {a: [1, 0, 0, 1], b: [1, 0, 0, 1], c: [1, 0, 0, 1]}
 *
 * with the rows of U, V and W for each product: whole numbers or fractions like -1/2. The names of
 * products are free. Errors of kofn_config_load and of kofn_bilinear_new, with the line: where one
 * number alone is wrong, its own, with what it would have to be; else that of the first product
 * that takes part in what is wrong. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_load(const char *path, kofn_bilinear **ret,
                                               kofn_error *err);

/* f within the blocks of `outer`: <x, z, y; rank> multiply. OUT_OF_RANGE: too large.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_multiply(const kofn_bilinear *outer,
                                                   const kofn_bilinear *f, kofn_bilinear **ret,
                                                   kofn_error *err);

/* The shape of that product, without making it. OUT_OF_RANGE: there will be none. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_multiply_shapes(const kofn_bilinear_shape *outer,
                                                          const kofn_bilinear_shape *f,
                                                          kofn_bilinear_shape *ret,
                                                          kofn_error *err);

/* ---- proof ----------------------------------------------------------------------------------- */

/* "X,Z,Y" and nothing else: false. Numbers beyond the limits are left to the check below. */
bool kofn_bilinear_parse_size(const char *text, size_t ret_sizes[3]);

/* Sizes that there is room for. OUT_OF_RANGE. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_check_size(size_t x, size_t z, size_t y, size_t rank,
                                                     kofn_error *err);

/* sum_t U[t, a] V[t, b] W[t, c] must be the denominator where A_a B_b is part of C_c, else zero.
 * INVALID_ARGUMENT with the first that is not. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_check(const kofn_bilinear *algorithm, kofn_error *err);

/* The first a, b, c whose sum is wrong. False: there is none. */
bool kofn_bilinear_find_wrong(const kofn_bilinear *f, size_t ret_at[3]);

/* One number of U, V or W with which, were it another, all would be right: a slip of the pen. */
typedef struct kofn_bilinear_slip {
    size_t factor, product, number; // 0, 1, 2: U, V, W
    int64_t is, needs;
} kofn_bilinear_slip;

/* Of an algorithm that is wrong; false where no single whole number mends it. */
bool kofn_bilinear_find_slip(const kofn_bilinear *f, kofn_bilinear_slip *ret);

/* ---- what is known of one -------------------------------------------------------------------- */

/* One look at each number. */
kofn_bilinear_shape kofn_bilinear_measure(const kofn_bilinear *f);

/* n times one: what a whole number of U, V, W is in a field. */
double kofn_bilinear_number(const kofn_field *field, int64_t n);

/* Does the denominator of an algorithm have an inverse there? */
bool kofn_bilinear_fits(int64_t denominator, const kofn_field *field);

/* Of blocks, by the sums as they stand: what several sums have in common is counted in each. */
size_t kofn_bilinear_count_additions(const kofn_bilinear *f);

/* Of sizes and numbers: two algorithms that differ have the same one by accident only. */
uint64_t kofn_bilinear_digest(const kofn_bilinear *f);

#endif
