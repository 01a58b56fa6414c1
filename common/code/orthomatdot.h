/* OrthoMatDot codes: the MatDot code in the Chebyshev basis.
 *
 * Source     Fahim, Cadambe, "Numerically Stable Polynomially Coded Computing", 2021; the
 *            "Chebyshev" rival of the paper in entangled.h. Their m is our z.
 * Shapes     E_A [n, z]: T_0 / 2, T_1, .., T_(z-1) at the Chebyshev nodes; E_B [n, z]: T_0, T_1, ..
 *            x = y = 1. On the roots r of T_z, sum_r T_i T_j is 0 for i != j, z / 2 for i = j > 0
 *            and z for i = j = 0, so C = (2 / z) sum_r A(r) B(r). The paper has T_0 / sqrt 2 on
 *            both sides: the same code, of A_0 / sqrt 2 and B_0 sqrt 2. Here E_B is orthopoly's of
 *            partition 1, 1, z, so blocks of B that one product has encoded serve the other.
 *            The weighted sum of a batch's pairs likewise, as matdot.h says.
 * Threshold  k = 2 z - 1, whichever tasks answer: A(t) B(t) has degree 2 z - 2.
 * Accuracy   Amplification (span.h) of 400 random sets of k, median and worst: for z = 5, 2.3 and
 *            2.3 with n = 9, 3.7 and 150 with n = 11; for z = 20, 4.5 and 4.5 with n = 39, 11 and
 *            1e5 with n = 42. MatDot has some 1e12 there. As orthopoly's, nodes are in scattered
 *            order (points.h). From the first k, the last k, and the worst k in a row, scattered
 *            and in order:
 *
 *                z     n        first k          last k           k in a row
 *                 5    11       2.4  150         2.4  150         2.4  150
 *                20    42       4.7  1.7e6        11  1.7e6        11  1.7e6
 *                20    47       4.7  >1e16       4.8  >1e16       4.9  >1e16
 *                40    95       6.8  >1e16        93  >1e16       130  >1e16
 */
#ifndef KOFN_CODE_ORTHOMATDOT_H
#define KOFN_CODE_ORTHOMATDOT_H

#include "common/code/family.h"

extern const kofn_family kofn_orthomatdot_family;

#endif
