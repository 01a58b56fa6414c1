/* Products that are estimated: two matrices as a caller gives them, made smaller before anything of
 * them travels (common/code/sketch.h).
 *
 *     A, B --one pass: norms--> draw --+--> cr: copies of the columns and rows that were kept, scaled:
 *                                      |        A' B' is an ordinary product
 *                                      +--> grid_cr, block_cr: views of the blocks that were drawn, no
 *                                               copies: a batch, whose sums are the blocks of C'
 *
 *           A: x by z blocks            B: z by y blocks          drawn for C_00: (A_00, B_00) twice,
 *         +----+----+----+            +----+----+                  (A_02, B_20); for C_01: ...
 *         | 00 |    | 02 |            | 00 |    |
 *         +----+----+----+            +----+----+                 A_00, A_02, ... travel stacked on each
 *         |    | 11 |    |            |    | 11 |                 other, each once, however often it
 *         +----+----+----+            +----+----+                 was drawn
 *                                     | 20 |    |
 *                                     +----+----+
 *
 * The inner size, and with grid_cr rows and columns, need not divide: blocks that stick out over
 * the edges are copied with zeros behind them, and the rows and columns of C' that come of it are
 * cut off when it is fetched (result.c).
 *
 * Cut         z of block_cr and grid_cr, where --partition leaves it open: four times the samples
 *             of each block of C, so that about a quarter of the data travels, as far as the inner
 *             size and the limits of a batch and of a code for all that may be drawn allow; x and y
 *             of grid_cr: 2.
 * Threads     The client's.
 */
#ifndef KOFN_CLIENT_SKETCHES_H
#define KOFN_CLIENT_SKETCHES_H

#include "client/factors.h"

typedef struct kofn_sketching {
    kofn_factors factors;  // what travels; borrows all below, and the caller's matrices
    kofn_code_choice code; // what is to code it
    kofn_msg_compression compression;
    kofn_batch *batch;
    kofn_matrix *blocks; // that travel, of A, then of B
    kofn_matrix kept[2]; // columns and rows, instead
    kofn_mat made[2];    // elements that are no view of the caller's
} kofn_sketching;

/* Does anybody ask for a sketch? */
bool kofn_sketching_is_asked(const kofn_product_options *options);

/* Draw it; elements that are made are from the pool. INVALID_ARGUMENT, OUT_OF_RANGE: options that
 * contradict each other, and errors of kofn_sketch_compress. UNIMPLEMENTED: operands that are
 * stored, sparse or no real numbers. RESOURCE_EXHAUSTED. Ownership: kofn_sketching_fini; *ret must
 * not move, for it points into itself. */
KOFN_MUST_CHECK kofn_status kofn_sketching_init(kofn_sketching *ret, kofn_pool *pool,
                                                const kofn_matrix *a, const kofn_matrix *b,
                                                const kofn_product_options *options,
                                                kofn_error *err);
void kofn_sketching_fini(kofn_sketching *sketching); // accepts zeros

#endif
