/* Coding on matrices: encode operands into tasks, decode answers into the product.
 *
 * The library calls behind the master's compute pool and behind `kofn encode` / `kofn decode`.
 * Transposed operands are coded as they are stored (a linear combination commutes with the
 * transpose), and the flag travels with the task to the worker's BLAS call.
 *
 *     stored A [m, k] or [k, m]  --blocks-->  A~_i [coded block]  --worker-->  C~_i = op(A~) op(B~)
 *
 * Threads    Any thread; blocks only by computing. Different tasks may be encoded, and different
 *            rows decoded, side by side.
 */
#ifndef KOFN_CODE_CODING_H
#define KOFN_CODE_CODING_H

#include "common/code/decoder.h"
#include "common/linalg/csr.h"

typedef struct kofn_range {
    size_t first, end; // [first, end)
} kofn_range;

/* What a job is about: filled by an init, then const. Of an outer product rows and cols of `shape`
 * and `part` are products of the operands', and inner is 1. Of a batch `shape` is what
 * kofn_batch_get_shape says. */
typedef struct kofn_coding {
    const kofn_code *code; // borrowed
    kofn_shape shape;      // of the product
    kofn_shape part;       // of one task's product: shape's sizes over the grids', rounded up
    size_t rows[KOFN_OPERANDS_MAX], cols[KOFN_OPERANDS_MAX]; // of each op(operand)
    bool transposed[KOFN_OPERANDS_MAX];
    kofn_grid
        grid[KOFN_OPERANDS_MAX]; // the code's, where outer products are cut along the longer side
} kofn_coding;

void kofn_coding_init(kofn_coding *coding, const kofn_code *code, kofn_shape shape,
                      bool transpose_a, bool transpose_b);

/* The same for an outer product, whose operands have these shapes after transposition; their
 * product does not overflow. */
void kofn_coding_init_outer(kofn_coding *coding, const kofn_code *code,
                            const kofn_extents *operands, const bool *transposed);

/* The same for a batch of stacked or gridded operands, whole, of these shapes after transposition;
 * `shape` is what kofn_batch_get_shape made of them. */
void kofn_coding_init_batch(kofn_coding *coding, const kofn_code *code, kofn_shape shape,
                            const kofn_extents *operands, const bool *transposed);

/* Shape of the coded block of `operand`, as stored (transposed when the operand is). */
void kofn_coding_block_shape(const kofn_coding *coding, size_t operand, size_t *ret_rows,
                             size_t *ret_cols);

/* Has the operand, as stored, the shape and dtype that the job says, and all its rows?
 * INVALID_ARGUMENT. */
KOFN_MUST_CHECK kofn_status kofn_coding_check_operand(const kofn_coding *coding, size_t operand,
                                                      const kofn_bands *stored, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_coding_check_csr(const kofn_coding *coding, size_t operand,
                                                  const kofn_csr *stored, kofn_error *err);

/* The elements of blocks[t] := coded block of tasks[t], for t < count, in one pass over the
 * operand. Each is complete and of block shape (banded as the wire wants it). Plain tasks are
 * copies. INVALID_ARGUMENT: shape or dtype of the operand or of a block. RESOURCE_EXHAUSTED: no
 * memory. */
KOFN_MUST_CHECK kofn_status kofn_coding_encode(const kofn_coding *coding, size_t operand,
                                               const kofn_bands *stored, size_t count,
                                               const size_t *tasks, const kofn_bands *blocks,
                                               kofn_error *err);

/* The same of an operand that is sparse, checked (csr.h); blocks are dense. */
KOFN_MUST_CHECK kofn_status kofn_coding_encode_csr(const kofn_coding *coding, size_t operand,
                                                   const kofn_csr *stored, size_t count,
                                                   const size_t *tasks, const kofn_bands *blocks,
                                                   kofn_error *err);

/* c's elements := the product, from answers[u] of plan->task[u], each [part.rows, part.cols]: those
 * in rows `rows` of every block of the product, so that threads can share the work (all rows:
 * kofn_coding_all_rows). INVALID_ARGUMENT: shape or dtype of an answer or of c. RESOURCE_EXHAUSTED:
 * no memory. */
KOFN_MUST_CHECK kofn_status kofn_coding_decode(const kofn_coding *coding,
                                               const kofn_decode_plan *plan,
                                               const kofn_bands *const *answers, kofn_range rows,
                                               const kofn_bands *c, kofn_error *err);

kofn_range kofn_coding_all_rows(const kofn_coding *coding);

/* A bound on the rounding of one answer C~ = A~ B~, encoding included, whatever the elements:
 * |fl(C~) - C~|_F <= noise |e_A| |e_B| |A|_F |B|_F with e_A, e_B the task's rows, and so on for
 * outer products. It counts every term of every sum once; what is usual is about the root of that.
 * 0 in exact fields. */
double kofn_coding_get_noise(const kofn_coding *coding);

/* *ret_relative := |C - C'|_F / |C|_F, C made by `plan` and C' by `other`, over at most `sample`
 * rows of each block, evenly spread: what an independent look at the answers says of the error.
 * answers[task] is read for the tasks of both plans. 0 when both are zero; INFINITY when only C is,
 * or something is not finite. INVALID_ARGUMENT: shape or dtype of an answer. RESOURCE_EXHAUSTED: no
 * memory. */
KOFN_MUST_CHECK kofn_status kofn_coding_disagree(const kofn_coding *coding,
                                                 const kofn_decode_plan *plan,
                                                 const kofn_decode_plan *other,
                                                 const kofn_bands *answers, size_t sample,
                                                 double *ret_relative, kofn_error *err);

#endif
