/* Evaluation points and the rows made of them: shared by the families that are polynomials.
 *
 * Points     Of task i; g the golden ratio, {} the fraction, s = 2^(2 {(i + 1) / g} - 1):
 *
 *                         reals                               finite fields
 *            chebyshev    field->point(i, n): the nodes       0, 1, 2, ...
 *                         cos((2 i + 1) pi / 2 n)
 *            spread       -s for even i, s for odd            1, 2, 3, ...
 *            random       uniform in +-[1/2, 2)               uniform, not 0
 *            turns        cos(2 pi (i + 1) / g)               as spread
 *
 *            All n differ. Those of the last three do not depend on n and are never 0, and in
 *            the reals no two are opposite. Multiples of 1 / g divide the circle evenly wherever
 *            they end: any first ones of the spread points are spread over +-[1/2, 2], on a
 *            logarithmic scale, and any first turns over (-1, 1) as Chebyshev nodes are. To powers
 *            of t a range that is its own inverse does justice: below 1 the high ones count for
 *            little, above it the low ones. To Chebyshev polynomials (-1, 1) does.
 * Minors     Of spread points, any rows and any columns of t^u, none is 0. Point i is a rational
 *            number times w^i, i from 1 on, w = 2^(2 / g): a minor is a polynomial in w, in which
 *            the highest power, larger i with larger u, comes up once. And w is transcendental
 *            (Gelfond and Schneider). At Chebyshev nodes many are 0: t and -t agree in all even
 *            powers. At random points each is 0 with probability 0; in a field of q elements, for e
 *            rows of k columns, with less than e k / q.
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
    KOFN_POINTS_TURNS,
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

/* Of n nodes in their order, the place of the next task after the one at `place`; the first is at 0.
 * Places count with their bits reversed, so that the last half of the tasks has no neighbours: what is
 * missing at the end of a job are the last tasks, and gaps of neighbours are what interpolation
 * suffers from. */
size_t kofn_points_scatter(size_t n, size_t place);

/* code->point of all tasks, from the code's seed. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_points_fill(kofn_code *code, kofn_points points, kofn_error *err);

/* KOFN_OK in the reals. INVALID_ARGUMENT in a finite field, with the family that works there. */
KOFN_MUST_CHECK kofn_status kofn_points_check_real(const char *family, const kofn_family_args *args,
                                                   const char *instead, kofn_error *err);

/* A product of many differences: number 2^exponent, so that neither overflow nor underflow waits on the
 * way. In finite fields the exponent is 0. */
typedef struct kofn_scaled {
    double number;
    int exponent;
} kofn_scaled;

/* p *= by; p *= a - b. Start with {.number = 1}. */
void kofn_scaled_multiply(const kofn_field *f, kofn_scaled *p, double by);
void kofn_scaled_multiply_difference(const kofn_field *f, kofn_scaled *p, double a, double b);

/* ret_weight[i] := 1 over the product of beta_i - beta_j over all other j: of Lagrange's polynomials,
 * L_i(t) = ret_weight[i] prod_(j != i) (t - beta_j). The betas differ. */
void kofn_points_weigh(const kofn_field *f, const double *beta, size_t count,
                       kofn_scaled *ret_weight);

/* t^power. */
double kofn_power(const kofn_field *f, double t, size_t power);

/* T_degree(t). */
double kofn_chebyshev(double t, size_t degree);

/* ret_row[i] := T_i(t), the Chebyshev polynomials, for i < count. */
void kofn_fill_chebyshev(double t, size_t count, double *ret_row);

#endif
