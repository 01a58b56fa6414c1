/* Evaluation points and the rows made of them: shared by the families that are polynomials.
 *
 * Shapes     Task i evaluates at field->point(i, n): Chebyshev nodes in the reals, i in finite
 *            fields.
 * Accuracy   T_k by its recurrence: within k^2 epsilon of the exact value, and the same bits on
 *            every machine, which cos(k acos t) is not.
 */
#ifndef KOFN_CODE_POINTS_H
#define KOFN_CODE_POINTS_H

#include "common/code/family.h"

/* Are there n points that differ, also once they are rounded to the field's elements?
 * INVALID_ARGUMENT with the most tasks that work, where they are the k or more that the code needs,
 * and for a finite field with the smallest that has enough. `family` is for the message. */
KOFN_MUST_CHECK kofn_status kofn_points_check(const char *family, const kofn_family_args *args,
                                              size_t k, kofn_error *err);

/* kofn_family_tasks_beyond, but no more than there are points as long as k are. */
size_t kofn_points_tasks(const kofn_family_args *args, size_t k, size_t workers);

/* KOFN_OK in the reals. INVALID_ARGUMENT in a finite field, with the family that works there. */
KOFN_MUST_CHECK kofn_status kofn_points_check_real(const char *family, const kofn_family_args *args,
                                                   const char *instead, kofn_error *err);

/* t^power. */
double kofn_power(const kofn_field *f, double t, size_t power);

/* T_degree(t). */
double kofn_chebyshev(double t, size_t degree);

/* ret_row[i] := T_i(t), the Chebyshev polynomials, for i < count. */
void kofn_fill_chebyshev(double t, size_t count, double *ret_row);

#endif
