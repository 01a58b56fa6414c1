/* OrthoPoly codes: the polynomial code in the Chebyshev basis.
 *
 * Source     Fahim, Cadambe, "Numerically Stable Polynomially Coded Computing", 2021; section VII
 *            of the random Khatri-Rao-product paper. Their m, n are our x, y.
 * Shapes     E_A [n, x]: T_a(t); E_B [n, y]: T_(x b)(t); t the task's point (points.h). z = 1.
 *            Since T_a T_xb = (T_(xb+a) + T_|xb-a|) / 2, G is the Chebyshev-Vandermonde matrix of
 *            the points times a triangular matrix of ones and halves, the paper's H.
 * Threshold  k = x y, whichever tasks answer.
 *            With points=spread no minor of G is zero either, as in points.h: with growing c the
 *            entry in column (a, b) of point i goes like c^(i (a + x b)), and a minor like the one
 *            product in it that pairs larger i with larger a + x b.
 * Accuracy   At Chebyshev nodes: condition grows as a power of n for a fixed n - k, and exponentially in n - k.
 *            Amplification (span.h) of 400 random sets of k for x = y = 4, median and worst: 9 and
 *            9 for n = 16, 24 and 1.9e3 for n = 18, 52 and 1e5 for n = 20.
 */
#ifndef KOFN_CODE_ORTHOPOLY_H
#define KOFN_CODE_ORTHOPOLY_H

#include "common/code/family.h"

extern const kofn_family kofn_orthopoly_family;

#endif
