/* What the sketches share: how many pairs of each block of C are drawn, and which.
 *
 * Arguments are those that kofn_sketch_compress hands on: checked, and of norms whose products and
 * squares are numbers.
 *
 * Threads    Any thread; values.
 */
#ifndef KOFN_CODE_SKETCH_DRAW_H
#define KOFN_CODE_SKETCH_DRAW_H

#include "common/base/rng.h"
#include "common/code/sketch.h"

/* Of one block C_ij: its pairs t, A_it B_tj. */
typedef struct kofn_sketch_block {
    double sum;     // S_ij
    size_t pairs;   // whose norm is not zero
    size_t samples; // k_ij; 0: the block is zero
    bool whole;     // all pairs are taken, with weight 1
} kofn_sketch_block;

/* |A| |B| by their blocks' norms. */
double kofn_sketch_get_size(const kofn_sketch_args *args);

/* The plan for all blocks of C, ret_blocks [x y], and into *ret what is known of it: samples, most,
 * bound, lemma. Errors as of `compress`. */
KOFN_MUST_CHECK kofn_status kofn_sketch_plan(const char *name, const kofn_sketch_args *args,
                                             kofn_sketch_block *ret_blocks, kofn_sketched *ret,
                                             kofn_error *err);

/* weight[t] := that of pair t of block (i, j), t < z, 0 where it was not drawn; weight [2 z], the
 * second half being room. By the seed and the block's number. Returns how many are not 0. */
size_t kofn_sketch_draw(const kofn_sketch_args *args, const kofn_sketch_block *blocks, size_t i,
                        size_t j, double *weight);

#endif
