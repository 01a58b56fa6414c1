/* No code: every block product once, and every one is needed.
 *
 * The baseline, and the best choice for small products (partition 1,1,1: the product goes whole to
 * one worker) and for policies that make copies when a task is late.
 *
 * Shapes     n = x y z; task (i y + j) z + k multiplies A_ik and B_kj. Rows of E_A, E_B are unit
 *            vectors; C_ij is the sum of its z answers, a plain copy when z = 1. Of outer products
 *            n is the number of pieces, in their order; of a batch task i is pair i.
 * Threshold  k = n.
 * Accuracy   That of the field's arithmetic: no coefficient but 0 and 1.
 */
#ifndef KOFN_CODE_UNCODED_H
#define KOFN_CODE_UNCODED_H

#include "common/code/family.h"

extern const kofn_family kofn_uncoded_family;

#endif
