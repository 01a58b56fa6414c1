/* Locality: batches of pairs that share sides or depend on each other, in groups that need few
 * answers.
 *
 *     grouping.h   which pairs are coded together, and what each group needs
 *     curve.h      the rows of a group that is a curve, or a factored sum
 *
 *     Of a grid the bases of both sides are coded. In the reals all products of one of each as they
 *     are, those that are wanted first, and sums with random numbers; in a finite field
 *     polynomials, sum of t^i X_i and sum of t^(r i) Y_i with r sides X_i, at 0, 1, 2, ...: with
 *     plain products beside them not all sets would do.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", Theorem 1.
 * Shapes     Tasks at which a curve has a pair's sides come first, in the order of the pairs; all
 *            others follow in turn over the groups, in the reals those of a curve in scattered
 *            order (points.h). Tasks beyond what the grouping takes go to the first groups.
 * Threshold  n - s, with s the spare tasks of each group: any s may be lost, from whichever groups.
 *            When all groups have what they need it is over, which may be with far fewer.
 * Accuracy   Exact in finite fields. In the reals how much errors grow (amplification) when s of a
 *            group that has s spare tasks are lost, median and worst of all sets, of those with a
 *            star of 200 random ones, so that there are worse:
 *
 *                                            s = 1          s = 2          s = 4
 *                 8 pairs on a curve        9    100      11   1200      27    4.4e5
 *                16                  *      1    410      24   3100      82    7.3e4
 *                32                  *      1   1700      50   1.3e4    220    2.6e5
 *                16 in a circle            17    240      22   3e4       64    2.5e7
 *                32 of four stars    *     27   1000     100   5.6e4    470    1.6e6
 *                16 of a 4 x 4 grid        22     55      24    540      33    3.1e4
 *                 3 of the 3M method      7.1    8.2       5     12     6.3    160
 *
 *            Without a loss it is 1 with plain rows, and 2 to 43 without any. Which pair is at
 *            which point matters (curve.h): with its pairs side by side a star's factor was 50
 *            times larger. Points of tasks and betas apart, each set at its own Chebyshev nodes,
 *            are as good.
 */
#ifndef KOFN_CODE_LOCALITY_H
#define KOFN_CODE_LOCALITY_H

#include "common/code/family.h"

typedef struct kofn_locality_params {
    int construction; // kofn_grouping_choice
    bool systematic;
} kofn_locality_params;

extern const kofn_family kofn_locality_family;

#endif
