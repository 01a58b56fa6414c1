/* MatDot codes: C := A B, with A cut into z column blocks and B into z row blocks.
 *
 * Source     Dutta, Fahim, Haddadpour, Jeong, Cadambe, Grover, "On the Optimal Recovery Threshold
 *            of Coded Matrix Multiplication", 2020; Construction 1 of the paper in entangled.h,
 *            whose m is our z.
 * Shapes     E_A [n, z]: t^k; E_B [n, z]: t^(z - 1 - k), t the task's point (points.h). x = y =
 *            1, so that each answer is as large as C. C is the coefficient of t^(z - 1).
 *            A batch of k pairs that has one block of C, their weighted sum, is the same with z =
 *            k: E_A = sum_i w_i t^i left_i, E_B = sum_i t^(k - 1 - i) right_i, half of the exponent
 *            of w_i given to E_B.
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

/* Nodes as points.h orders them, and rows of E from what row_a and row_b [count] say of a point:
 * the coefficients of blocks, or of pairs. RESOURCE_EXHAUSTED: no memory. */
typedef void kofn_matdot_fill_row(const kofn_field *f, double t, size_t count, double *row_a,
                                  double *row_b);
KOFN_MUST_CHECK kofn_status kofn_matdot_fill(const kofn_family_args *args, kofn_code *code,
                                             kofn_matdot_fill_row *fill_row, kofn_error *err);

/* kofn_family.default_tasks. */
size_t kofn_matdot_default_tasks(const kofn_family_args *args, size_t workers);

/* The rules that every code of 2 z - 1 coefficients has: x = y = 1, and tasks for them. `general`
 * takes other partitions. Of a batch: one block of C. */
KOFN_MUST_CHECK kofn_status kofn_matdot_threshold(const char *family, const kofn_family_args *args,
                                                  const char *general, kofn_thresholds *ret,
                                                  kofn_error *err);

#endif
