/* Projections: an answer C [rows, cols] shrunk to X := S^T C R [l, l] by secret random S and R.
 *
 *     S^T [l, rows]   C [rows, cols]   R [cols, l]        one pass over C; what is not as it
 *     |=========|     |::::::::::::|   |=|                should be makes another X, but with a
 *                     |::::::::::::|   |=|  -->  X        probability of 2^-40
 *                     |::::::::::::|   |=|
 *
 * So whoever looks at answers looks at l^2 numbers of each: Freivalds' check (freivalds.h) knows
 * what X must be from the operands, parity (liars.h) from the other answers.
 *
 * Source     Freivalds, "Probabilistic machines can use less running time", 1977, with matrices on
 *            both sides; the bounds below are ours.
 * Secrets    Fresh from the system's random bytes (128 bits of them), and never from a job's seed:
 *            who knows S or R can lie unseen. To be drawn after the answers were fixed, or be told
 *            nobody.
 * Accuracy   E := C' - C is what is wrong with an answer, whoever chose it without knowing S and R.
 *            Finite fields of q elements: X' = X for E != 0 with a probability of at most 2 / q^l,
 *            and l is the smallest with 2 / q^l <= 2^-40 (one too many where that is not needed):
 *            41 for GF(2), 6 for GF(2^8), 2 for primes near 2^31.
 *            Reals: S and R are normal, l = 16, and all is computed in f64.
 *                |X' - X|_F < KOFN_PROJECTION_SHRINK |E|_F   with a probability below 2^-40
 *                |X' - X|_F > KOFN_PROJECTION_GROW |E|_F     with a probability below 2^-64
 *            For P(|E R|_F <= d |E|_F) <= (d sqrt(e / l))^l =: (d c)^l by Chernoff, worst where E
 *            has rank 1, and likewise for S^T on E R. Both together: P(|X' - X| <= t |E|) <= w (1 -
 *            ln w) with w = (t c^2)^l. The other end is Chernoff too, on each side for itself.
 *            What is between the two ends is room for lies: 2050 with l = 8, 168 with 16, 66 with
 *            24; a check took 1.6, 1.9 times what copying an f64 answer takes, of f32 3.9 and 5.8.
 * Cost       2 l flops for each element of C, about what reading it takes.
 * Threads    Const once made: any thread.
 */
#ifndef KOFN_CODE_PROJECTION_H
#define KOFN_CODE_PROJECTION_H

#include "common/linalg/csr.h"

#define KOFN_PROJECTION_SHRINK 0.837 // w = 2.80e-14
#define KOFN_PROJECTION_GROW   141.0 // 11.9 on each side

typedef struct kofn_projection kofn_projection;

/* Secrets for answers of this shape. The field is ref'd. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_projection_new(const kofn_field *field, size_t rows, size_t cols,
                                                kofn_projection **ret_projection, kofn_error *err);
void kofn_projection_destroy(kofn_projection **projection_p); // accepts NULL

size_t kofn_projection_get_count(const kofn_projection *p);   // l
size_t kofn_projection_choose_count(const kofn_field *field); // likewise, of this field

/* The field that all is computed in: f64 for the reals, else the field. */
const kofn_field *kofn_projection_get_field(const kofn_projection *p);

/* ret_x [l, l] := S^T C R, as coefficients of that field. INVALID_ARGUMENT: c is not complete, or
 * has another shape or dtype. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_projection_apply(const kofn_projection *p, const kofn_bands *c,
                                                  double *ret_x, kofn_error *err);

/* A bound on what rounding adds to X, relative to |C|_F: see GROW; 0 in exact fields. */
double kofn_projection_get_noise(const kofn_field *field, size_t rows, size_t cols);

/* ---- of what answers are made of ------------------------------------------------------------- */

typedef enum kofn_projection_side {
    KOFN_PROJECTION_LEFT,
    KOFN_PROJECTION_RIGHT
} kofn_projection_side;

/* Half of it, for a block of an operand: S^T A [l, cols], A having as many rows as an answer; R^T A
 * [l, cols], as many rows as an answer has columns; and with `turned` their transposes A^T S, A^T R
 * [rows, l] of what is stored as A^T. `shape` is the other side's size: the block's columns, or
 * turned rows. Elements of kofn_projection_get_field. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_projection_halve(const kofn_projection *p,
                                                  kofn_projection_side side, bool turned,
                                                  const kofn_block *block, size_t shape,
                                                  void *ret_half, kofn_error *err);

/* The same of all blocks of a sparse matrix at once, in one pass over what is stored: all that it
 * takes beside the halves is twice those of a row of its blocks. RESOURCE_EXHAUSTED: no memory. */
typedef struct kofn_sparse_halves {
    kofn_projection_side side;
    bool turned;
    bool transposed;     // blocks are counted column by column, and else row by row
    const kofn_csr *csr; // checked
    kofn_grid grid;      // of it as it is stored
    size_t shape;
    void *half;   // [blocks], written
    double *norm; // [blocks], written: |block|_F of the reals, likewise
} kofn_sparse_halves;
KOFN_MUST_CHECK kofn_status kofn_projection_halve_sparse(const kofn_projection *p,
                                                         const kofn_sparse_halves *h,
                                                         kofn_error *err);

/* |block|_F, of reals: no overflow, no underflow, and NaN or infinite where an element is. */
double kofn_projection_measure(const kofn_field *field, const kofn_block *block);

/* c [rows, cols] := op(A) op(B), elements of f, without gaps; sums are taken in pieces of
 * KOFN_PROJECTION_PIECE, so that each has at most KOFN_PROJECTION_PIECE + inner /
 * KOFN_PROJECTION_PIECE + 1 roundings. RESOURCE_EXHAUSTED: no memory. */
enum { KOFN_PROJECTION_PIECE = 64 };
typedef struct kofn_small_product {
    size_t rows, cols, inner;
    const void *a, *b;
    bool transpose_a, transpose_b;
} kofn_small_product;
KOFN_MUST_CHECK kofn_status kofn_small_multiply(const kofn_field *f, const kofn_small_product *p,
                                                void *ret_c, kofn_error *err);

/* Roundings of a sum of so many terms as they are taken here. */
double kofn_projection_count_roundings(size_t terms);

/* A bound on |S|_F and |R|_F of secrets of so many rows, that one of 2^64 is above. */
double kofn_projection_get_secret_norm(size_t rows);

/* How much larger numbers on the way to X can be than those of C [rows, cols], rounding
 * included. */
double kofn_projection_get_spread(size_t rows, size_t cols);

/* What underflow may add to X, over (1 + |A|) (1 + |B|): elements of C are sums of so many terms,
 * those of the encoding included. */
double kofn_projection_get_floor(const kofn_field *field, size_t rows, size_t cols, size_t terms);

#endif
