/* Random Khatri-Rao-product codes: each coded task mixes blocks with Gaussian coefficients.
 *
 * Source     Subramaniam, Heidarzadeh, Narayanan, "Random Khatri-Rao-Product Codes for
 *            Numerically-Stable Distributed Matrix Multiplication", 2019: Definition 5
 *            (systematic=no) and Definition 8 (systematic=yes). Added here: several draws, of which
 *            the best conditioned is kept; and z > 1.
 * Shapes     E_A [n, x z], E_B [n, z y], standard normals; with `systematic`, the first x y z tasks
 *            are the plain block products, in the order of uncoded.h.
 *            Rows depend on (seed, draw, task number) only: the code records the draw it kept.
 * Threshold  k = x y z^2, the columns of G, with probability 1 (Theorems 7 and 10). For z = 1 that
 *            is x y, the least possible. For z > 1 random rows do not span the sums without
 *            spanning all x y z^2 products, wanted or not: MatDot codes need far fewer. Outer
 *            products of any order: one matrix for each operand, and k the number of pieces. A
 *            systematic code is then decodable from its x y z plain tasks alone, too.
 *            Batches: d_A d_B, of all blocks that pairs are made of, for the same reason: as random
 *            rows do not know which of their products are pairs. That is k for pairs of all blocks
 *            with all, where lagrange needs 2 k - 1, and k^2 for k pairs without a common block.
 *            Plain tasks of a systematic code are the pairs of single blocks.
 * Accuracy   Relative error of 400 products of 24 x 24, x = y = 2, n = 6, any 4 answers (f64):
 *            median 3e-16 and worst 2e-15 when systematic, 7e-16 and 6e-15 when not.
 *            What was kept is recorded in chosen_condition: the worst, over the sets of k tasks
 *            looked at, of |G^-1|_F / sqrt(k), rows of G scaled to length 1. It is 1 for
 *            orthonormal rows, and the root mean square factor by which errors of the answers grow;
 *            with 16 draws, 4 to 9 for that code.
 * Cost       Drawing and judging: 70 us for that code, 2 ms at most; by then sets are sampled. With
 *            more than about 64 coded tasks in a set, the first draw is taken unseen and
 *            chosen_condition is 0.
 */
#ifndef KOFN_CODE_RKRP_H
#define KOFN_CODE_RKRP_H

#include "common/code/family.h"

typedef struct kofn_rkrp_params {
    bool systematic; // the first x y z tasks are plain
    int64_t draws;   // codes drawn, of which the best conditioned is kept
} kofn_rkrp_params;

extern const kofn_family kofn_rkrp_family;

#endif
