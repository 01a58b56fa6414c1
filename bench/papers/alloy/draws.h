/* The paper's distributions, as formulas and as draws: numbers of GF(q) for an outer product of a
 * given order, by equation (7), of which (5) is order 2; uniform numbers; and vectors that are
 * uniform but never zero.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_BENCH_PAPERS_ALLOY_DRAWS_H
#define KOFN_BENCH_PAPERS_ALLOY_DRAWS_H

#include "common/code/alloy.h"

#define DRAWS_FIRST KOFN_ALLOY_NONZERO
#define DRAWS_END   KOFN_ALLOY_NORMAL // of those in finite fields

typedef struct draw {
    kofn_alloy_draw kind;
    size_t order; // factors of the product that it is made for
} draw;

const char *draw_name(kofn_alloy_draw kind); // as users write it

/* P(a number is zero), of a vector of len numbers, and P(all of them are). */
double draw_zero(draw d, double q, size_t len);
double draw_all_zero(draw d, double q, size_t len);

/* The share of vectors of two numbers that have the direction (1, 0), which is that of (0, 1), and
 * of (1, c) for one c that is not zero. */
double draw_axis(draw d, double q);
double draw_slope(draw d, double q);

/* As the families do. */
void draw_vector(const kofn_field *f, draw d, kofn_rng *rng, size_t len, double *ret);

#endif
