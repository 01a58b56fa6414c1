/* Evaluation points and the rows made of them: shared by the families that are polynomials.
 *
 * Points     points=      reals                             finite fields
 *            chebyshev    field->point(i, n): the nodes     0, 1, 2, ...
 *                         cos((2 i + 1) pi / 2 n)
 *            spread       cos(2 pi (i + 1) / golden ratio)  1, 2, 3, ...
 *            random       uniform in +-[1/2, 2)             uniform, not 0
 *
 *            All n differ; spread and random ones do not depend on n and are never 0, and in the
 *            reals no two are opposite. Every number of first ones of the spread points is spread
 *            over (-1, 1) as Chebyshev nodes are: multiples of the golden ratio divide the circle
 *            evenly wherever they end.
 * Minors     With c = cos(2 pi / golden ratio), spread points are T_1(c), T_2(c), ... So a minor of
 *            their Vandermonde matrix, any rows and any columns, is a polynomial in c with whole
 *            coefficients. That polynomial is not zero: at c > 1 the points are positive and differ,
 *            and there Descartes' rule of signs keeps each minor from 0. And c is transcendental
 *            (Gelfond and Schneider), so at c it is not zero either. At Chebyshev nodes many are:
 *            t and -t agree in all even powers. At random points each is 0 with probability 0; in a
 *            field of q elements, for e rows of k columns, with less than e k / q.
 * Accuracy   Points are rounded to 40 bits, random ones to 24. T_k by its recurrence: within k^2
 *            epsilon of the exact value, and the same bits on every machine, which cos(k acos t) is
 *            not.
 */
#ifndef KOFN_CODE_POINTS_H
#define KOFN_CODE_POINTS_H

#include "common/code/family.h"

typedef enum kofn_points {
    KOFN_POINTS_CHEBYSHEV,
    KOFN_POINTS_SPREAD,
    KOFN_POINTS_RANDOM,
} kofn_points;

/* The parameters of families whose points may be chosen, and what they choose; without any, as the
 * default of their tables is. */
typedef struct kofn_points_params {
    int points; // kofn_points
} kofn_points_params;

static inline kofn_points
kofn_points_of(const kofn_family_args *args)
{
    const kofn_points_params *params = args->params;
    return params ? (kofn_points)params->points : KOFN_POINTS_CHEBYSHEV;
}

/* Are there n points that differ, also once they are rounded to the field's elements?
 * INVALID_ARGUMENT with the most tasks that work, where they are the k or more that the code needs,
 * and for a finite field with the smallest that has enough. `family` is for the message. */
KOFN_MUST_CHECK kofn_status kofn_points_check(const char *family, const kofn_family_args *args,
                                              kofn_points points, size_t k, kofn_error *err);

/* kofn_family_tasks_beyond, but no more than there are points as long as k are. */
size_t kofn_points_tasks(const kofn_family_args *args, kofn_points points, size_t k,
                         size_t workers);

/* code->point of all tasks, from the code's seed. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_points_fill(kofn_code *code, kofn_points points, kofn_error *err);

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
