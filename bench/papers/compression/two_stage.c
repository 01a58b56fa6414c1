#include "bench/papers/compression/two_stage.h"

#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const two_stage_scheme two_stage_schemes[] = {
    {"batch", "uncoded", "uncoded", "oneshot", 8, false},
    {"batch", "speculative", "uncoded", "speculative", 8, true},
    {"batch", "replication", "replication", "oneshot", 16, false},
    {"batch", "lagrange", "lagrange", "oneshot", 16, false},
    {"batch", "locality", "locality", "oneshot", 16, true},
    {"batch", "two_stage_lagrange", "lagrange", "two_stage", 0, false},
    {"batch", "two_stage", "locality", "two_stage", 0, true},
    {"product", "uncoded", "uncoded", "oneshot", 8, false},
    {"product", "speculative", "uncoded", "speculative", 8, true},
    {"product", "rkrp_12", "rkrp", "oneshot", 12, false},
    {"product", "rkrp", "rkrp", "oneshot", 16, true},
    {"product", "two_stage", "rkrp", "two_stage", 0, true},
};

const size_t two_stage_scheme_count = sizeof two_stage_schemes / sizeof two_stage_schemes[0];

bool
two_stage_is_batch(const two_stage_scheme *scheme)
{
    return strcmp(scheme->workload, "batch") == 0;
}

void
two_stage_name_model(const two_stage_point *point, unsigned long seed, char ret_text[64])
{
    (void)snprintf(ret_text, 64, "iid:delta=%g,slowdown=%g,seed=%lu", point->delta, point->alpha,
                   seed);
}

two_stage_jobs
two_stage_jobs_new(size_t count)
{
    return (two_stage_jobs){.count = count,
                            .time = bench_alloc(count * sizeof(double)),
                            .load = bench_alloc(count * sizeof(double))};
}

void
two_stage_jobs_fini(two_stage_jobs *jobs)
{
    free(jobs->time);
    free(jobs->load);
}

typedef struct figure {
    double value, error;
} figure;

static figure
find_mean(const double *of, size_t count)
{
    const double n = (double)count;
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        sum += of[i] / n;
    for (size_t i = 0; i < count; i++)
        square += (of[i] - sum) * (of[i] - sum);
    return (figure){sum, count > 1 ? sqrt(square / (n - 1) / n) : 0};
}

/* How many values are below a quantile is binomial. One deviation of that to either side, in ranks,
 * is about one of the quantile's estimate. */
static figure
find_quantile(double *of, size_t count, double q)
{
    const double value = bench_quantile(of, count, q);
    const double aside = sqrt(q * (1 - q) / (double)count);
    return (figure){value, (bench_quantile(of, count, fmin(q + aside, 1)) -
                            bench_quantile(of, count, fmax(q - aside, 0))) /
                               2};
}

void
two_stage_print_header(FILE *out)
{
    (void)fputs(
        "how,delta,alpha,workload,scheme,jobs,mean,mean_error,p99,p99_error,load,load_error\n",
        out);
}

void
two_stage_print(FILE *out, const char *how, const two_stage_point *point,
                const two_stage_scheme *scheme, two_stage_jobs *jobs)
{
    const figure mean = find_mean(jobs->time, jobs->count);
    const figure load = find_mean(jobs->load, jobs->count);
    const figure p99 = find_quantile(jobs->time, jobs->count, 0.99);
    (void)fprintf(out, "%s,%g,%g,%s,%s,%zu,%.4f,%.4f,%.4f,%.4f,%.4f,%.4f\n", how, point->delta,
                  point->alpha, scheme->workload, scheme->name, jobs->count, mean.value, mean.error,
                  p99.value, p99.error, load.value, load.error);
    (void)fflush(out); // so that a run that dies shows how far it came
}
