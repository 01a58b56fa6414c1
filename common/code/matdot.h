/* MatDot codes: C := A B, with A cut into z column blocks and B into z row blocks.
 *
 * Source     Dutta, Fahim, Haddadpour, Jeong, Cadambe, Grover, "On the Optimal Recovery Threshold
 *            of Coded Matrix Multiplication", 2020; Construction 1 of the paper in entangled.h,
 *            whose m is our z.
 * Shapes     E_A [n, z]: t^k; E_B [n, z]: t^(z - 1 - k), t the field's point of the task. x = y =
 *            1, so that each answer is as large as C. C is the coefficient of t^(z - 1).
 * Threshold  k = 2 z - 1, the least for exact answers from these blocks; special sets do with fewer
 *            (z = 2, points t and -t).
 * Accuracy   Errors of the answers grow by 273 for z = 5, n = 9 and by 8.5e12 for z = 20, n = 39:
 *            see entangled.h. orthomatdot is the same with better numbers. Exact in finite fields,
 *            which need n distinct points.
 */
#ifndef KOFN_CODE_MATDOT_H
#define KOFN_CODE_MATDOT_H

#include "common/code/family.h"

extern const kofn_family kofn_matdot_family;

/* The rules that every code of 2 z - 1 coefficients has: x = y = 1, and tasks for them. `general`
 * takes other partitions. */
KOFN_MUST_CHECK kofn_status kofn_matdot_threshold(const char *family, const kofn_family_args *args,
                                                  const char *general, kofn_thresholds *ret,
                                                  kofn_error *err);

#endif
