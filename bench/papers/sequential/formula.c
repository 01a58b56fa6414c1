#include "bench/papers/sequential/formula.h"

#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>

/* P(i of n), each with probability p. */
static double
binomial(size_t n, size_t i, double p)
{
    if (p <= 0 || p >= 1)
        return i == (p <= 0 ? 0 : n);
    return exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
               (double)i * log(p) + (double)(n - i) * log1p(-p));
}

/* P(more than `limit` of n). */
static double
tail(size_t n, size_t limit, double p)
{
    double sum = 0;
    for (size_t i = limit + 1; i <= n; i++)
        sum += binomial(n, i, p);
    return sum;
}

/* How much longer a round is that is alpha times as long with probability p. */
static double
scale(double alpha, double p)
{
    return alpha * p + (1 - p);
}

double
formula_polynomial(double alpha, size_t workers, size_t spare, double delta)
{
    return scale(alpha, tail(workers, spare, delta)) / (double)(workers - spare);
}

double
formula_idip_bound(double alpha, size_t workers, size_t failures, size_t window, double delta)
{
    return scale(alpha, tail(workers * window, failures, delta)) /
           ((double)workers - (double)failures / (double)window);
}

/* The expected rounds until `beta` answers are there. */
static double
expected_rounds(size_t workers, size_t beta, double delta)
{
    double *f = bench_alloc((beta + 1) * sizeof *f); // f[0] = 0
    for (size_t b = 1; b <= beta; b++) {
        f[b] = 1;
        for (size_t i = 0; i <= workers; i++) {
            const size_t answers = i == 0 ? workers : i;
            if (answers < b)
                f[b] += binomial(workers, i, 1 - delta) * f[b - answers];
        }
    }
    const double rounds = f[beta];
    free(f);
    return rounds;
}

double
formula_dip_infinite(double alpha, size_t workers, size_t beta, double delta)
{
    return expected_rounds(workers, beta, delta) / (double)beta *
           scale(alpha, pow(delta, (double)workers));
}
