/* What every benchmark needs: time, order statistics, matrices, a line of result.
 *
 * Results are lines `name value unit` on standard output, for bench/run to put together; remarks go
 * to standard error. Comparisons are paired: both sides run in turns within one process, and the
 * ratio is the median of the rounds' ratios, so that a busy machine hits both.
 *
 * Threads    One.
 */
#ifndef KOFN_BENCH_BENCH_H
#define KOFN_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_NORETURN __attribute__((noreturn))

/* Seconds of the monotonic clock. */
double bench_now(void);

/* Sorts `values`. The q-quantile (nearest rank), q in [0, 1]; count > 0. */
double bench_quantile(double *values, size_t count, double q);
double bench_median(double *values, size_t count);

/* The median of a[i] / b[i]. */
double bench_median_ratio(const double *a, const double *b, size_t count);

/* Aligned, touched memory; uniform numbers in [-1, 1) from a seed. Exits when there is no
 * memory. */
double *bench_matrix_new(size_t rows, size_t cols, uint64_t seed);
void *bench_alloc(size_t bytes);

void bench_print(const char *name, double value, const char *unit);

/* Print to standard error and exit with 1. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2))) BENCH_NORETURN;

/* The value of environment variable `name`, or `fallback`: rounds and sizes may be changed so. */
size_t bench_setting(const char *name, size_t fallback);

#endif
