/* Locality: batches of pairs that share sides or depend on each other, in groups that need few answers.
 *
 *     grouping.h   which pairs are coded together, and what each group needs
 *     curve.h      the rows of a group that is a curve, or a factored sum
 *
 *     Of a grid the bases of both sides are coded. In the reals all products of one of each as they are,
 *     those that are wanted first, and sums with random numbers; in a finite field polynomials, sum of
 *     t^i X_i and sum of t^(r i) Y_i with r sides X_i, at 0, 1, 2, ...: with plain products beside them
 *     not all sets would do.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", Theorem 1.
 * Shapes     Tasks at which a curve has a pair's sides come first, in the order of the pairs; all others
 *            follow in turn over the groups. Tasks beyond what the grouping takes go to the first groups.
 * Threshold  n - s, with s the spare tasks of each group: any s may be lost, from whichever groups. When
 *            all groups have what they need it is over, which may be with far fewer.
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
