/* Entangled polynomial codes: the powers that C := A B gets from A(t) B(t), for any partition.
 * Behind polynomial, matdot, polydot and the two eps families, which differ in their rules and in
 * the scale of their points.
 *
 * Source     Jeong, Devulapalli, Cadambe, Calmon, "epsilon-Approximate Coded Matrix
 *            Multiplication", Construction 2; Yu, Maddah-Ali, Avestimehr, "Straggler Mitigation in
 *            Distributed Matrix Multiplication", Theorem 2. Their p, q are our x = y and z; blocks
 *            count from 0 here.
 * Shapes     A(t) = sum A_ik t^(k + z i), B(t) = sum B_kj t^(z - 1 - k + z x j). The product has
 *            C_ij at t^(z - 1 + z i + z x j), and no other product of blocks at that power.
 * Threshold  x y z + z - 1, the number of its coefficients.
 * Accuracy   What coefficients of polynomials of degree d cost on all of [-1, 1]: the answers'
 *            errors grow by about (1 + sqrt 2)^d for z = 1, by 2.28^d for x = y = 1. No digit is
 *            right for more than x y = 44 (f64) or 21 (f32) if z = 1, z = 24 or 12 if x = y = 1.
 */
#ifndef KOFN_CODE_ENTANGLED_H
#define KOFN_CODE_ENTANGLED_H

#include "common/code/family.h"

/* The coefficients of A(t) B(t); SIZE_MAX where that overflows. */
size_t kofn_entangled_threshold(kofn_partition part);

/* KOFN_OK if x = y = 1. INVALID_ARGUMENT with the partition that has no other cuts, and `general`,
 * the family that takes them. */
KOFN_MUST_CHECK kofn_status kofn_entangled_check_inner(const char *family,
                                                       const kofn_family_args *args,
                                                       const char *general, kofn_error *err);

/* KOFN_OK if there are `need` tasks, named by its formula, INVALID_ARGUMENT if fewer: with the
 * largest z that works, where a smaller z does. */
KOFN_MUST_CHECK kofn_status kofn_entangled_check_tasks(const char *family,
                                                       const kofn_family_args *args, size_t need,
                                                       const char *formula, size_t z_fits,
                                                       kofn_error *err);

/* By how much errors of the answers grow in the worst target when all answers are there: within a
 * factor of 3 of the measured |D| |e_A| |e_B| for up to 42 coefficients. 1 in finite fields. */
double kofn_entangled_growth(kofn_partition part);

/* The same partition with fewer parts, the inner dimension first, then the longer side; of more
 * than one part. */
kofn_partition kofn_entangled_shrink(kofn_partition part);

/* kofn_family.judge for exact answers from points divided by gamma. */
KOFN_MUST_CHECK kofn_status kofn_entangled_judge(const char *family, const kofn_family_args *args,
                                                 double gamma, double *ret_error, kofn_error *err);

/* E and powers, of the points that the code has. */
void kofn_entangled_fill(kofn_code *code);

/* The same, and Chebyshev points, each divided by gamma: 1 leaves them, and finite fields have no
 * other. */
void kofn_entangled_fill_scaled(kofn_code *code, double gamma);

/* kofn_family.default_tasks of a code whose threshold is kofn_entangled_threshold, and
 * kofn_family.fill with nodes as points.h orders them. */
size_t kofn_entangled_default_tasks(const kofn_family_args *args, size_t workers);
kofn_status kofn_entangled_fill_whole(const kofn_family_args *args, kofn_code *code,
                                      kofn_error *err);

#endif
