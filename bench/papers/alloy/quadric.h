/* How often n rows of the 2 x 2 outer product do not span all four columns, exactly.
 *
 *     row   (a_1 b_1, a_1 b_2, a_2 b_1, a_2 b_2): zero, or a multiple of one of (q + 1)^2 points,
 *           one for each direction of a and of b: a quadric in the projective space of GF(q)^4.
 *
 * Method     Moebius inversion over the subspaces W of V = GF(q)^4, with c the codimension of W:
 *
 *                P(n rows span V) = sum_W mu(W, V) P(row in W)^n      mu = (-1)^c q^(c (c - 1) / 2)
 *
 *            enumerate   planes, lines and points of the space one by one, each with the points of
 *                        the quadric in it; any draw. 70,161 lines for q = 16.
 *            closed      by how many subspaces hold how many points, and which; any q:
 *                        planes  (q + 1)^2 tangent ones with 2 q + 1, the other q^3 - q with q + 1
 *                        lines   2 (q + 1) inside with q + 1, (q + 1)^2 q^2 / 2 with two,
 *                                (q + 1)^2 (q - 1) tangent with one, q^2 (q - 1)^2 / 2 without
 *                        points  (q + 1)^2 with one (itself), q^3 - q without
 *            brute       every set of points, and its rank by elimination: shares nothing with them
 * Threads    Any thread.
 */
#ifndef KOFN_BENCH_PAPERS_ALLOY_QUADRIC_H
#define KOFN_BENCH_PAPERS_ALLOY_QUADRIC_H

#include "bench/papers/alloy/draws.h"

enum { QUADRIC_ENUMERATE_MAX = 16, QUADRIC_BRUTE_MAX = 5 }; // q

/* ret_miss[i] := P(n[i] rows do not span). q at most QUADRIC_ENUMERATE_MAX. */
void quadric_enumerate(const kofn_field *f, kofn_alloy_draw kind, size_t count, const size_t *n,
                       double *ret_miss);

/* P(n rows do not span), n at least 4: fewer cannot, and rounding says otherwise for large q. */
double quadric_closed(double q, kofn_alloy_draw kind, size_t n);

/* P(four rows do not span), and how many sets of k <= 4 points are independent. q at most
 * QUADRIC_BRUTE_MAX. */
double quadric_brute(const kofn_field *f, kofn_alloy_draw kind);
size_t quadric_count_sets(const kofn_field *f, size_t k);

#endif
