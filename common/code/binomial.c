#include "common/code/binomial.h"

#include <assert.h>
#include <math.h>

static const double NEGLIGIBLE = 0x1p-60; // of a sum

static double
log_factorial(size_t n)
{
    int sign; // lgamma's own is shared by all threads
    return lgamma_r((double)n + 1, &sign);
}

double
kofn_binomial(size_t n, size_t m, double failure)
{
    assert(m <= n);
    if (failure == 0 || failure == 1)
        return m == (failure == 0 ? n : 0);
    const double ways = log_factorial(n) - log_factorial(m) - log_factorial(n - m);
    return exp(ways + (double)m * log1p(-failure) + (double)(n - m) * log(failure));
}

/* From the largest term of the sum in both directions, each term from the one before. */
double
kofn_binomial_below(size_t n, size_t k, double failure)
{
    if (k > n || k == 0)
        return k > n;
    if (failure == 0 || failure == 1)
        return failure == 1; // k is 1 to n: all live, or none
    const double odds = (1 - failure) / failure, mode = ((double)n + 1) * (1 - failure);
    const size_t top = mode < (double)(k - 1) ? (size_t)mode : k - 1;
    const double most = kofn_binomial(n, top, failure);
    double sum = most, term = most;
    for (size_t m = top; m > 0 && term > NEGLIGIBLE * sum; m--) {
        term *= (double)m / ((double)(n - m + 1) * odds);
        sum += term;
    }
    term = most;
    for (size_t m = top + 1; m < k && term > NEGLIGIBLE * sum; m++) {
        term *= (double)(n - m + 1) / (double)m * odds;
        sum += term;
    }
    return fmin(sum, 1);
}
