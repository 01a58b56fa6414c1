/* OrthoPoly codes: the polynomial code in the Chebyshev basis.
 *
 * Source     Fahim, Cadambe, "Numerically Stable Polynomially Coded Computing", 2021; section VII
 *            of the random Khatri-Rao-product paper. Their m, n are our x, y.
 * Shapes     E_A [n, x]: T_a(t); E_B [n, y]: T_(x b)(t); t the task's point (points.h). z = 1.
 *            Since T_a T_xb = (T_(xb+a) + T_|xb-a|) / 2, G is the Chebyshev-Vandermonde matrix of
 *            the points times a triangular matrix of ones and halves, the paper's H.
 * Threshold  k = x y, whichever tasks answer.
 *            With points=spread, turns, no minor of G is 0 (points.h says the same of powers): turn
 *            i is T_i(c), i from 1 on, c = cos(2 pi / g), so a minor is a polynomial in c. Column
 *            (a, b) has degree i (a + x b), and the highest degree of all, larger i with larger
 *            a + x b, comes up once; c is transcendental.
 * Accuracy   At Chebyshev nodes: condition grows as a power of n for a fixed n - k, and
 *            exponentially in n - k. Amplification (span.h) of 400 random sets of k for x = y = 4,
 *            median and worst: 9 and 9 for n = 16, 24 and 1.9e3 for n = 18, 52 and 1e5 for n = 20.
 *            Answers come about in the order of tasks, so the nodes are in scattered order
 *            (points.h). From the first k, the last k, and the worst k in a row, scattered and in
 *            the nodes' order:
 *
 *                x, y    n        first k          last k           k in a row
 *                4, 4     20      14   5e5         14   5e5          15   5e5
 *                6, 6     40      23   1.3e8       32   1.3e8        61   1.3e8
 *                6, 6     48      21   >1e16       33   >1e16       110   >1e16
 *                10, 10  120      49   >1e16       58   >1e16       420   >1e16
 *
 *            For any n <= 40, y = 1: at most 4 k from the first k, 8 k from the last.
 */
#ifndef KOFN_CODE_ORTHOPOLY_H
#define KOFN_CODE_ORTHOPOLY_H

#include "common/code/family.h"

extern const kofn_family kofn_orthopoly_family;

#endif
