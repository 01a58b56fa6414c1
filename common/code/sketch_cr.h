/* cr: columns of A, and the rows of B that meet them, drawn by norm; a smaller product is left.
 *
 *     C' = sum over drawn t of weight_t A[:, t] B[t, :] = (A S) B_drawn     S: the weights, diagonal
 *
 * Source     Drineas, Kannan, Mahoney, "Fast Monte Carlo algorithms for matrices I", 2006.
 * Cost       O(k z) numbers; no elements.
 */
#ifndef KOFN_CODE_SKETCH_CR_H
#define KOFN_CODE_SKETCH_CR_H

#include "common/code/sketch.h"

extern const kofn_sketch kofn_cr_sketch;

#endif
