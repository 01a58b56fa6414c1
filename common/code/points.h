/* Evaluation points and the rows made of them: shared by the families that are polynomials.
 *
 * Points     Of task i; g the golden ratio, {} the fraction, s = 2^(2 {(i + 1) / g} - 1):
 *
 *                         reals                               finite fields
 *            chebyshev    field->point(p, n): the nodes       0, 1, 2, ...
 *                         cos((2 p + 1) pi / 2 n), in
 *                         scattered order
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
 * Order      Answers come about in the order of tasks, so what is missing at the end are the last
 *            ones; and a gap of neighbours is what interpolation suffers from, or one at an end,
 *            behind which there is nothing. Therefore the last tasks' nodes are spread by the
 *            golden ratio, too: the i-th last task has the node that is at the place of {i / g}
 *            among {1 / g} .. {n / g}. Any s last ones are n / 2 s - 1 nodes apart, also from those
 *            of them that are mirrored at an end (checked up to n = 300). Amplification (span.h) of
 *            orthopoly with partition k, 1, 1, n = 28, 34 .. 64 and k from n / 2 to n - 1,
 *            geometric mean and worst; `every P-th`: a worker is lost that would have had tasks p,
 *            p + P, p + 2 P ..:
 *
 *                               first k        last k         k in a row     every P-th
 *                in order       8e12  >1e16    8e12  >1e16    8e12  >1e16    1e11  >1e16
 *                bits reversed    22   1100      60   1100      87   1100      83  >1e16
 *                i s mod n        36  2e6       160  2e6       920  8e7       110  >1e16
 *                as here         8.2     16      15    340      51   1300      35   9e7
 *
 *            with s the whole number nearest to n / g that shares no factor with n. Where P is a
 *            power of two, all tasks of a worker are neighbours when bits are reversed. In finite
 *            fields no order is better than another.
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

/* Which of n tasks has the node after that of `task`, in the nodes' order; the first node's, after
 * n. O(log n). */
size_t kofn_points_scatter(size_t n, size_t task);

/* code->point := the field's points for so many tasks, in the reals scattered. */
void kofn_points_fill_nodes(kofn_code *code);

/* code->point of all tasks, from the code's seed. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_points_fill(kofn_code *code, kofn_points points, kofn_error *err);

/* KOFN_OK in the reals. INVALID_ARGUMENT in a finite field, with the family that works there. */
KOFN_MUST_CHECK kofn_status kofn_points_check_real(const char *family, const kofn_family_args *args,
                                                   const char *instead, kofn_error *err);

/* A product of many differences: number 2^exponent, so that neither overflow nor underflow waits on
 * the way. In finite fields the exponent is 0. */
typedef struct kofn_scaled {
    double number;
    int exponent;
} kofn_scaled;

/* p *= by; p *= a - b. Start with {.number = 1}. */
void kofn_scaled_multiply(const kofn_field *f, kofn_scaled *p, double by);
void kofn_scaled_multiply_difference(const kofn_field *f, kofn_scaled *p, double a, double b);

/* ret_weight[i] := 1 over the product of beta_i - beta_j over all other j: of Lagrange's
 * polynomials, L_i(t) = ret_weight[i] prod_(j != i) (t - beta_j). The betas differ. */
void kofn_points_weigh(const kofn_field *f, const double *beta, size_t count,
                       kofn_scaled *ret_weight);

/* t^power. */
double kofn_power(const kofn_field *f, double t, size_t power);

/* T_degree(t). */
double kofn_chebyshev(double t, size_t degree);

/* ret_row[i] := T_i(t), the Chebyshev polynomials, for i < count. */
void kofn_fill_chebyshev(double t, size_t count, double *ret_row);

#endif
