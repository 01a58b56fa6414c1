/* Batches: many block products in one job, and weighted sums of them.
 *
 *     C_t := sum_i weights[t, i] X_i Y_i
 *
 *     X_i := sum_a left[i, a] A_a            Y_i := sum_b right[i, b] B_b
 *
 * A pair is X_i Y_i. Usually each side is one block: of operands that are k matrices stacked on
 * each other, or of the grid of a single matrix from which a sketch, or what is not zero, was
 * taken. A side with several blocks says that pairs depend on each other, as the third pair of the
 * 3M method does:
 *
 *                           left    right        weights
 *     Re A, Re B   pair 0    1 0     1 0          1 -1  0     Re C
 *     Im A, Im B   pair 1    0 1     0 1         -1 -1  1     Im C
 *     their sums   pair 2    1 1     1 1
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing": the k
 *            inputs X_i of section III, with the basis of each coordinate (eq. 3) as the blocks.
 * Shapes     All blocks of A have one shape, all of B, and all X_i Y_i; C is cut by `out`.
 * Threads    Immutable once made, but for the groupings that are kept: any thread. Counted, since
 *            jobs and codes share it.
 */
#ifndef KOFN_CODE_BATCH_H
#define KOFN_CODE_BATCH_H

#include "common/code/code.h"

enum {
    KOFN_PAIRS_MAX = 4096,          // of a batch
    KOFN_BATCH_TERMS_MAX = 1 << 16, // entries of left, right and weights, each; blocks of each grid
    KOFN_BATCH_PRODUCTS_MAX = 1 << 20, // of single blocks, that all of C is a sum of
};

typedef struct kofn_groupings kofn_groupings; // grouping.h

typedef struct kofn_batch {
    kofn_grid grid[2]; // how A and B are cut; blocks count row by row
    kofn_grid out;     // how C is cut
    size_t count;      // pairs
    kofn_sums side[2]; // left [count, blocks of A], right [count, blocks of B]
    kofn_sums weights; // [blocks of C, count]
    size_t *origin; // [count]: of the pairs that it was made from, the first one with these sides;
                    // not read by kofn_batch_new
    kofn_groupings
        *groupings; // how its pairs were grouped so far, likewise; NULL: that is not kept
} kofn_batch;

/* Is it a number that a batch may have as a coefficient, or 0? INVALID_ARGUMENT: no, with those
 * that are. */
KOFN_MUST_CHECK kofn_status kofn_batch_check_number(const kofn_field *field, double number,
                                                    kofn_error *err);

/* Make one of these numbers, which are copied. Pairs that are the same are merged into one, those
 * that nobody has a weight for are left out. INVALID_ARGUMENT: sizes that do not fit each other,
 * columns that do not ascend or are out of range, a coefficient that is 0 or not finite or, over a
 * finite field, no number of it; a side without blocks; no pair. OUT_OF_RANGE: the limits above.
 * RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_batch_new(const kofn_batch *from, const kofn_field *field,
                                           kofn_batch **ret_batch, kofn_error *err);

/* count pairs of single blocks of stacked operands, pair i being block left[i] of `lefts` and
 * right[i] of `rights`: all products stacked, or with weights [count] their weighted sum. Errors as
 * above. */
KOFN_MUST_CHECK kofn_status kofn_batch_new_stacked(size_t lefts, size_t rights, size_t count,
                                                   const size_t *left, const size_t *right,
                                                   const double *weights, const kofn_field *field,
                                                   kofn_batch **ret_batch, kofn_error *err);

/* One more pair for a batch that is being made, of single blocks, and its weight in the row of
 * weights that is being filled. There is room for it. */
void kofn_batch_add_product(kofn_batch *batch, size_t left, size_t right, double weight);

kofn_batch *kofn_batch_ref(kofn_batch *batch);
void kofn_batch_destroy(kofn_batch **batch_p); // lets go of one ref; accepts NULL

/* The block that the pair's side `side` is; SIZE_MAX when it is a sum of several, or a multiple. */
size_t kofn_batch_get_block(const kofn_batch *batch, size_t side, size_t pair);

/* Products of single blocks that the pair is a sum of. */
size_t kofn_batch_count_products(const kofn_batch *batch, size_t pair);

/* How many blocks of that operand pairs are made of. */
size_t kofn_batch_count_used(const kofn_batch *batch, size_t side);

/* row [blocks of that operand] := sum_i by[i] times side `side` of pair i, by [pairs]. In the reals
 * what rounding alone leaves of a number is zero, so that it is not taken for a coefficient. room
 * [blocks]. */
void kofn_batch_mix(const kofn_batch *batch, const kofn_field *field, size_t side, const double *by,
                    double *row, double *room);

/* The shape of C when the whole operands have these shapes after transposition; its inner is the
 * most products that an element of C is a sum of. Of operands that are cut as those of one product
 * the last blocks may be short, the rest of them counting as zeros, where nothing is lost by that:
 * along the rows when each block of C has pairs of its own row of A's grid only, and so on.
 * INVALID_ARGUMENT: sizes that do not divide elsewhere, or blocks of A and B that do not fit each
 * other. OUT_OF_RANGE: C is too large. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_batch_get_shape(const kofn_batch *batch,
                                                 const kofn_extents *operands,
                                                 kofn_shape *ret_shape, kofn_error *err);

/* T [blocks of C, blocks of A x blocks of B]: which columns of G each target is a sum of. A row is
 * empty where nothing is to be added. Ownership: free(ret_targets->first). RESOURCE_EXHAUSTED: no
 * memory, or too many terms. OUT_OF_RANGE: a coefficient that the field does not have. */
KOFN_MUST_CHECK kofn_status kofn_batch_make_targets(const kofn_batch *batch,
                                                    const kofn_field *field, kofn_sums *ret_targets,
                                                    kofn_error *err);

#endif
