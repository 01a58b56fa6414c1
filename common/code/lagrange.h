/* Lagrange codes: all products of a batch from any 2 k - 1 answers, for k pairs without a relation.
 *
 * Source     Yu, Li, Raviv, Kalan, Soltanolkotabi, Avestimehr, "Lagrange Coded Computing: Optimal
 *            Design for Resiliency, Security and Privacy", AISTATS 2019; w_{k,s} = 2 k - 1 + s of the
 *            paper in batch.h.
 * Shapes     Points beta_1 .. beta_k, one for each pair, and L_i the polynomial of degree k - 1 that
 *            is 1 at beta_i and 0 at the others. Task t: E_A = sum_i L_i(t) left_i, E_B = sum_i
 *            L_i(t) right_i. Pair i is the product at beta_i.
 * Points     With `systematic` the betas are points of tasks: task i < k is pair i as it is, and the
 *            first k tasks do. In the reals the n tasks are at Chebyshev nodes, and the betas those
 *            next to the k nodes that cut the circle as evenly; in finite fields both count from 0.
 * Threshold  2 k - 1, whichever tasks answer: the product has degree 2 k - 2. No code does better
 *            for pairs without a relation.
 * Accuracy   Exact in finite fields, which need n points, and k more without `systematic`.
 */
#ifndef KOFN_CODE_LAGRANGE_H
#define KOFN_CODE_LAGRANGE_H

#include "common/code/family.h"

typedef struct kofn_lagrange_params {
    bool systematic; // the first k tasks are the pairs
} kofn_lagrange_params;

extern const kofn_family kofn_lagrange_family;

#endif
