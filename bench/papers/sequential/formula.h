/* Section 4 of the paper: what a job takes with i.i.d. stragglers, in units of the time that one
 * worker would take for all of it.
 *
 * A worker straggles in a round with probability delta, whatever happened before, and takes alpha
 * times as long. A round in which every worker straggles has no stragglers: it lasts alpha times as
 * long, and all return. mu = 0.
 *
 * Source     Krishnan, Hosseini, Khisti, NeurIPS 2020, section 4. f_beta, which is in the
 *            supplement only: f_b = 1 + sum_i P(X = i) f_{b-i}, f_b = 0 for b <= 0, X binomial(P, 1
 *            - delta) of which 0 is replaced by P.
 */
#ifndef KOFN_BENCH_SEQUENTIAL_FORMULA_H
#define KOFN_BENCH_SEQUENTIAL_FORMULA_H

#include <stddef.h>

/* Any P - S answers of a round suffice; S = 0 is uncoded. Exact. */
double formula_polynomial(double alpha, size_t workers, size_t spare, double delta);

/* An upper bound: each round is taken to be long as soon as a window has more than N stragglers. */
double formula_idip_bound(double alpha, size_t workers, size_t failures, size_t window,
                          double delta);

/* T = infinity, beta = x y. Exact. */
double formula_dip_infinite(double alpha, size_t workers, size_t beta, double delta);

#endif
