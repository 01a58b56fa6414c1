/* Bilinear algorithms as data: C := A B over x by z and z by y blocks from `rank` products of sums of
 * blocks.
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

#include "common/base/status.h"

#include <stdint.h>

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

/* An algorithm of the caller's numbers, which are copied. INVALID_ARGUMENT: it does not multiply
 * matrices, with the first coefficient that is wrong. OUT_OF_RANGE: too large.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_new(const kofn_bilinear *from, kofn_bilinear **ret,
                                              kofn_error *err);
void kofn_bilinear_destroy(kofn_bilinear **algorithm_p);

/* What ships, by name: strassen, winograd <2,2,2;7>, laderman <3,3,3;23>, strassen_column
 * <2,2,3;11>, classical:X,Z,Y; and products of these, "strassen*classical:1,2,1", the first of which
 * cuts first. INVALID_ARGUMENT: not of that form. NOT_FOUND: no such algorithm, with those that there
 * are. OUT_OF_RANGE: too large. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_parse(const char *text, kofn_bilinear **ret,
                                                kofn_error *err);

/* From a file of YAML, or of JSON, which is a part of it:
 *
 *     size: [2, 2, 2]                     x, z, y
 *     products:
 *       1: {a: [1, 0, 0, 1], b: [1, 0, 0, 1], c: [1, 0, 0, 1]}
 *
 * with the rows of U, V and W for each product: whole numbers or fractions like -1/2. The names of
 * products are free. Errors of kofn_config_load and of kofn_bilinear_new. For programs that link the
 * library: a job names what ships, so that no file has to travel with it. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_load(const char *path, kofn_bilinear **ret,
                                               kofn_error *err);

/* f within the blocks of `outer`: <x, z, y; rank> multiply. OUT_OF_RANGE: too large.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_multiply(const kofn_bilinear *outer,
                                                   const kofn_bilinear *f, kofn_bilinear **ret,
                                                   kofn_error *err);

/* sum_t U[t, a] V[t, b] W[t, c] must be the denominator where A_a B_b is part of C_c, else zero.
 * INVALID_ARGUMENT with the first that is not. */
KOFN_MUST_CHECK kofn_status kofn_bilinear_check(const kofn_bilinear *algorithm, kofn_error *err);

#endif
