/* Binomial odds: of n workers each fails with probability p, whatever the others do.
 *
 *     P(m of n live)            binomial(n, m) (1 - p)^m p^(n - m)
 *     P(fewer than k of n live) the sum of these over m < k
 *
 * Accuracy   Relative, about 1e-11: sums are of what is small and never one minus what is large, so
 *            odds of 1e-30 are as good as odds of 0.3.
 * Cost       A few logarithms of factorials, and for the sum as many terms as count: about 10 roots
 *            of n.
 * Threads    Any thread; no state.
 */
#ifndef KOFN_CODE_BINOMIAL_H
#define KOFN_CODE_BINOMIAL_H

#include <stddef.h>

/* m at most n; failure in [0, 1]. */
double kofn_binomial(size_t n, size_t m, double failure);

/* 1 where k is above n. */
double kofn_binomial_below(size_t n, size_t k, double failure);

#endif
