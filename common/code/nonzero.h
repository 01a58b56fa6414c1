/* What is not zero: which blocks of a grid hold anything, and the batch of the products that do.
 *
 *        A  # . #      B  # .      C_00 = A_00 B_00 + A_02 B_20     of 12 block products 5 are left,
 *           . # .         . .      C_01 = A_02 B_21                 of which 2 are the same block of A
 *                         # #      C_10 = C_11 = 0                  or B again: for `locality`
 *
 * C := A B is then a batch like another (batch.h): its pairs are the products of blocks that both
 * hold something, each with weight 1, and blocks of C without a pair are zero.
 *
 * Accuracy   That of the code. A NaN or an infinity in one factor meets no zero block of the other,
 *            as it would in a dense product.
 * Cost       Masks: one pass over what is stored, also for all partitions that are tried.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_NONZERO_H
#define KOFN_CODE_NONZERO_H

#include "common/code/batch.h"
#include "common/linalg/csr.h"

/* An operand as it is stored, sparse or dense. Borrowed. */
typedef struct kofn_nonzero_operand {
    const kofn_csr *csr; // checked; NULL: it is dense
    const kofn_bands *dense;
    bool transposed;
} kofn_nonzero_operand;

/* ret_mask [grid.rows grid.cols] of op(operand)'s blocks, row by row: does it store an element,
 * zero or not; and of a dense one, has it an element with a bit set. RESOURCE_EXHAUSTED: no
 * memory. */
KOFN_MUST_CHECK kofn_status kofn_nonzero_mark(const kofn_nonzero_operand *operand, kofn_grid grid,
                                              bool *ret_mask, kofn_error *err);

/* Block products that are left of x z y; left [x, z], right [z, y]. */
size_t kofn_nonzero_count(kofn_partition part, const bool *left, const bool *right);

/* The batch, and NULL in *ret_batch where nothing is left: the product is zero. OUT_OF_RANGE: more
 * pairs than a batch has, or blocks. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_nonzero_new_batch(kofn_partition part, const bool *left,
                                                   const bool *right, const kofn_field *field,
                                                   kofn_batch **ret_batch, kofn_error *err);

/* The same for the partition with the least to do for so many workers, by what each pair is to
 * multiply and to move; numbers of `asked` that are not 0 stay. A product that is zero by some
 * partition has that one. Errors as above, of the last one tried. */
typedef struct kofn_nonzero_choice {
    kofn_partition part;
    size_t left;       // block products, of x z y
    kofn_batch *batch; // NULL: nothing is left
} kofn_nonzero_choice;

KOFN_MUST_CHECK kofn_status kofn_nonzero_choose(const kofn_nonzero_operand *operands,
                                                const kofn_shape *shape, kofn_partition asked,
                                                size_t workers, const kofn_field *field,
                                                kofn_nonzero_choice *ret_choice, kofn_error *err);

#endif
