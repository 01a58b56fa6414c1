#include "bench/bench.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double
bench_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int
compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double
bench_quantile(double *values, size_t count, double q)
{
    qsort(values, count, sizeof *values, compare_doubles);
    const double rank = ceil(q * (double)count);
    return values[rank < 1 ? 0 : (size_t)rank - 1];
}

double
bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double
bench_median_ratio(const double *a, const double *b, size_t count)
{
    double *ratio = bench_alloc(count * sizeof *ratio);
    for (size_t i = 0; i < count; i++)
        ratio[i] = a[i] / b[i];
    const double median = bench_median(ratio, count);
    free(ratio);
    return median;
}

void *
bench_alloc(size_t bytes)
{
    void *at = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!at)
        bench_die("no memory for %zu bytes", bytes);
    memset(at, 0, bytes); // first touch is not what is measured
    return at;
}

double *
bench_matrix_new(size_t rows, size_t cols, uint64_t seed)
{
    double *at = bench_alloc(rows * cols * sizeof *at);
    uint64_t state = seed * 2 + 1;
    for (size_t i = 0; i < rows * cols; i++) {
        /* splitmix64: any seed will do, and no library is needed to repeat it */
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        at[i] = (double)(int64_t)(z ^ (z >> 31)) * 0x1p-63;
    }
    return at;
}

void
bench_print(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
    (void)fflush(stdout); // so that a run that dies shows how far it came
}

void
bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "bench: ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

size_t
bench_setting(const char *name, size_t fallback)
{
    const char *text = getenv(name);
    if (!text)
        return fallback;
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0)
        bench_die("%s=%s is not a positive number", name, text);
    return (size_t)value;
}
