/* Globally random alloy codes: every task mixes all blocks of each operand by numbers drawn at
 * random, in any field.
 *
 * Source     Soto, "Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors",
 *            sections II.A and, for outer products of order l, II.B. Added here: vectors that are
 *            never zero (alloy.h); z > 1.
 * Shapes     E_A [n, x z], E_B [n, z y]; of an outer product E_i [n, d_i]: draws of alloy.h. Rows
 *            depend on seed and task number only, and there are as many as one likes, in any field:
 *            more than the points of polynomial codes.
 * Threshold  A code is worth its probability of decoding. `threshold` is x y z^2, the columns of G
 *            (d_1 ... d_l): no fewer answers suffice for z = 1, and so many do with high
 *            probability, in GF(q) about 1 - 1/q (alloy.h), but for bad luck with a set: the
 *            decoder decides. Each further answer divides what is missing to certainty by about q.
 *            For z > 1 random rows hardly span the sums without spanning all x y z^2 products, as
 *            with rkrp; alloy_local, matdot and polydot need fewer. Theorem 4 of the paper, that
 *            there are no such codes for x + y < x y, does not hold: 3 x 2 decodes as the others
 *            do, over gf256 and over gfp:65537 (test_alloy), and so do polynomial codes, wherever
 *            there are points for them.
 * Accuracy   Exact in finite fields. For reals take rkrp, which keeps the best of several draws.
 *            Growth of errors (amplification) from k answers of k tasks, as found in 2000 codes for
 *            x = y = 2 and 500 for x = y = 4:
 *
 *                                      k = 4                        k = 16
 *                              median    90 %    99 %        median    90 %    99 %
 *            normal              8.8      54      620           51      350    3300
 *            symmetric lift      8.7      53      530           52      260    2500
 *            positive lift        24     140     1800          180     1400    9500
 *            rkrp, 16 draws      2.8     3.8      5.0           18       27      40
 * Cost       Some microseconds for a row.
 */
#ifndef KOFN_CODE_ALLOY_GLOBAL_H
#define KOFN_CODE_ALLOY_GLOBAL_H

#include "common/code/family.h"

extern const kofn_family kofn_alloy_global_family;

#endif
