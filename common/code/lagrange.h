/* Lagrange codes: all products of a batch from any 2 k - 1 answers, for k pairs without a relation.
 *
 * Source     Yu, Li, Raviv, Kalan, Soltanolkotabi, Avestimehr, "Lagrange Coded Computing: Optimal
 *            Design for Resiliency, Security and Privacy", AISTATS 2019; w_{k,s} = 2 k - 1 + s of
 *            the paper in batch.h.
 * Shapes     Points beta_1 .. beta_k, one for each pair, and L_i the polynomial of degree k - 1
 *            that is 1 at beta_i and 0 at the others. Task t: E_A = sum_i L_i(t) left_i, E_B =
 *            sum_i L_i(t) right_i. Pair i is the product at beta_i.
 * Points     With `systematic` the betas are points of tasks: task i < k is pair i as it is, and
 *            the first k tasks do. In the reals the n tasks are at Chebyshev nodes, and the betas
 *            those next to the k nodes that cut the circle as evenly; tasks that are no pairs take
 *            theirs in scattered order (points.h), since the last ones are the likeliest to be
 *            missing. In finite fields points count from 0.
 * Threshold  2 k - 1, whichever tasks answer: the product has degree 2 k - 2. No code does better
 *            for pairs without a relation.
 * Accuracy   Exact in finite fields, which need n points, and k more without `systematic`. In the
 *            reals a product that is missing is read off a polynomial between the answers that are
 *            there: good while gaps are short, and worst at the ends. Relative error (f64) of all
 *            products from 2 k - 1 random answers of n = 2 k - 1 + s, 200 sets, median and worst:
 *
 *                                    k = 5          k = 20         k = 40
 *                systematic    s = 1  2e-16 1e-15    0     9e-15    4e-16 4e-14
 *                                  2  2e-16 7e-15    4e-16 8e-14    7e-16 4e-12
 *                                  4  5e-16 2e-13    2e-15 6e-11    3e-15 6e-11
 *                systematic=no     1  6e-16 2e-15    1e-15 8e-15    2e-15 3e-14
 *                                  2  9e-16 4e-14    2e-15 1e-12    3e-15 4e-12
 *                                  4  1e-15 9e-13    8e-15 6e-12    2e-14 6e-10
 *
 *            The decoder takes such sets for poor, and waits for more, where errors would grow by
 *            more than 1e5: 1 of 40 at k = 40, s = 4. The s + 1 nodes at one end missing is the
 *            worst that can be: 4e2, 8e4, 1e10 at k = 40 for s = 1, 2, 4. Tried: betas that are
 *            Chebyshev nodes by themselves, on all of [-1, 1] (as good in the median, twice as
 *            large at worst) and on 0.95 of it (half as large at worst up to k = 5, ruin from k =
 *            20 on).
 */
#ifndef KOFN_CODE_LAGRANGE_H
#define KOFN_CODE_LAGRANGE_H

#include "common/code/family.h"

typedef struct kofn_lagrange_params {
    bool systematic; // the first k tasks are the pairs
} kofn_lagrange_params;

extern const kofn_family kofn_lagrange_family;

#endif
