/* Complex matrices for tests, and what OpenBLAS's zgemm makes of two: of c64 ones in double
 * precision. */
#ifndef KOFN_TESTS_COMPLEX_BRUTE_H
#define KOFN_TESTS_COMPLEX_BRUTE_H

#include "common/base/rng.h"
#include "common/linalg/mat.h"
#include "tests/assert.h"

#include <cblas.h>
#include <complex.h>
#include <math.h>

/* CMPLX, which not every compiler has with every C library: parts may be NaN or Inf. */
static inline double complex
complex_of(double re, double im)
{
    const double part[2] = {re, im};
    double complex z;
    memcpy(&z, part, sizeof z);
    return z;
}

static inline double complex
complex_get(const kofn_mat *m, size_t row, size_t col)
{
    const char *at = (const char *)kofn_mat_get_row(m, row) + col * kofn_dtype_width(m->dtype);
    double wide[2];
    float narrow[2];
    if (m->dtype == KOFN_C128) {
        memcpy(wide, at, sizeof wide);
        return complex_of(wide[0], wide[1]);
    }
    memcpy(narrow, at, sizeof narrow);
    return complex_of((double)narrow[0], (double)narrow[1]);
}

static inline void
complex_set(const kofn_mat *m, size_t row, size_t col, double complex z)
{
    char *at = (char *)kofn_mat_get_row(m, row) + col * kofn_dtype_width(m->dtype);
    const double wide[2] = {creal(z), cimag(z)};
    const float narrow[2] = {(float)wide[0], (float)wide[1]};
    memcpy(at, m->dtype == KOFN_C128 ? (const void *)wide : narrow, kofn_dtype_width(m->dtype));
}

/* Normal parts, the imaginary ones times `im`; rows are `gap` elements apart, which are NaN. */
static inline kofn_mat
complex_new(kofn_dtype dtype, size_t rows, size_t cols, size_t gap, double im, kofn_rng *rng)
{
    kofn_error error;
    kofn_mat m = {0};
    assert_ok(kofn_mat_alloc(dtype, rows, cols + gap, &m, &error));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols + gap; c++) {
            const double re = kofn_rng_normal(rng);
            complex_set(&m, r, c,
                        c < cols ? complex_of(re, im * kofn_rng_normal(rng))
                                 : complex_of(NAN, NAN));
        }
    m.cols = cols;
    return m;
}

/* op(m) in one piece; the caller frees it. */
static inline double complex *
complex_widen(const kofn_mat *m, bool transpose)
{
    const size_t rows = transpose ? m->cols : m->rows, cols = transpose ? m->rows : m->cols;
    double complex *at = calloc(rows * cols + 1, sizeof *at);
    assert_non_null(at);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            at[r * cols + c] = transpose ? complex_get(m, c, r) : complex_get(m, r, c);
    return at;
}

/* op(A) op(B) [rows, cols]; the caller frees it. */
static inline double complex *
complex_multiply(const kofn_mat *a, bool transpose_a, const kofn_mat *b, bool transpose_b)
{
    const size_t rows = transpose_a ? a->cols : a->rows, inner = transpose_a ? a->rows : a->cols;
    const size_t cols = transpose_b ? b->rows : b->cols;
    const double complex one = 1, zero = 0;
    double complex *left = complex_widen(a, transpose_a), *right = complex_widen(b, transpose_b);
    double complex *c = calloc(rows * cols + 1, sizeof *c);
    assert_non_null(c);
    if (rows > 0 && inner > 0 && cols > 0)
        cblas_zgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)cols, (int)inner,
                    &one, left, (int)inner, right, (int)cols, &zero, c, (int)cols);
    free(left);
    free(right);
    return c;
}

/* Frobenius norms: of m, and of what it is off `exact` [m.rows, m.cols] by. */
static inline double
complex_norm(const kofn_mat *m)
{
    double sum = 0;
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            sum += pow(cabs(complex_get(m, r, c)), 2);
    return sqrt(sum);
}

static inline double
complex_off(const kofn_mat *m, const double complex *exact)
{
    double sum = 0;
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            sum += pow(cabs(complex_get(m, r, c) - exact[r * m->cols + c]), 2);
    return sqrt(sum);
}

static inline double
complex_unit(kofn_dtype dtype)
{
    return dtype == KOFN_C128 ? 0x1p-53 : 0x1p-24;
}

#endif
