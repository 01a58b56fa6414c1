/* grid_cr and block_cr: pairs of blocks, drawn for each block of C by its own probabilities.
 *
 * block_cr is grid_cr with one block of C. See sketch.h for probabilities, weights and accuracy.
 *
 * Source     grid_cr: Rudow, Charalambides, Hero, Rashmi, section IV-A and Lemma 1. block_cr:
 *            Charalambides, Pilanci, Hero, "Approximate Weighted CR Coded Matrix Multiplication".
 * Cost       O(k z + x y z) numbers; no elements.
 */
#ifndef KOFN_CODE_SKETCH_GRID_CR_H
#define KOFN_CODE_SKETCH_GRID_CR_H

#include "common/code/sketch.h"

extern const kofn_sketch kofn_grid_cr_sketch, kofn_block_cr_sketch;

#endif
