/* Curves: polynomials through the sides of k terms at k points, one in each coordinate, whose
 * product has the terms' products as its values there.
 *
 *     p_A(beta_i) = a_i X_i      p_B(beta_i) = b_i Y_i      P = p_A p_B      P(beta_i) = a_i b_i X_i Y_i
 *
 *     P has degree 2 (k - 1) - e_A - e_B, so that its values at one more point than that give it,
 *     and all products. What a coordinate saves, and how (sides.h):
 *
 *     u sides of each class       p = sum over classes of B_l p_l, with p_l(t) the product of t -
 *                                 beta_i over all i that are not of class l: degree k - u
 *     c_1 X_1 + ... + c_k X_k     p(beta_i) = c_i w_i X_i, w_i the product of beta_i - beta_j over
 *                                 all
 *       = 0, no c_i is 0          other j: the coefficient of t^(k - 1) is that sum
 *     neither                     p(beta_i) = X_i
 *
 * Source     Rudow et al. (batch.h), Theorem 1 and section II.B; scales are ours.
 * Points     In the reals tasks evaluate at the n Chebyshev nodes, and the betas are k of them,
 *            evenly spread; in a finite field 0, 1, 2, ... for both. Where a task's point is a
 *            beta, its row is the term's sides: plain, for single blocks. Otherwise the betas are
 *            the k Chebyshev nodes, or the last k numbers. In the reals terms are given to betas so
 *            that those of a class lie apart: p_l is then of one size at all of its own.
 * Threads    A value: any thread.
 */
#ifndef KOFN_CODE_CURVE_H
#define KOFN_CODE_CURVE_H

#include "common/code/points.h"

typedef struct kofn_curve {
    const kofn_field *field; // borrowed, as the sides
    const kofn_sums *side[2];
    size_t terms, tasks;
    double *beta;        // [terms]; owns the memory of all that follow
    double *point;       // [tasks] first those at which a task has a term's sides
    size_t *term;        // [tasks] that term; SIZE_MAX: a mixture
    kofn_scaled *weight; // [terms] 1 / w_i
    bool constant[2];    // all sides are multiples of the first
    double *factor[2];   // [terms] a_i and b_i
    size_t *as[2];       // [terms] the side that stands for it: the first of its class
} kofn_curve;

/* Through terms that are the rows of side[0] and side[1]. A finite field has as many elements as
 * there are terms, and tasks, unless all terms are multiples of one. RESOURCE_EXHAUSTED: no
 * memory. */
KOFN_MUST_CHECK kofn_status kofn_curve_init(kofn_curve *curve, const kofn_field *field,
                                            const kofn_sums side[2], size_t tasks, bool systematic,
                                            kofn_error *err);
void kofn_curve_fini(kofn_curve *curve); // accepts a zeroed one

/* Row `task` of E: ret_row [blocks], zero so far. */
void kofn_curve_fill_row(const kofn_curve *curve, size_t task, size_t coordinate, double *ret_row);

#endif
