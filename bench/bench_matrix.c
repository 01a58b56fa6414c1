/* Matrices for the demo: make a random one, or hold a product against local OpenBLAS.
 *
 *     bench_matrix random N SEED OUT.npy
 *     bench_matrix check A.npy B.npy C.npy [--transpose-b]   prints |C - A B|_F / |A B|_F, seconds
 *
 * check exits with 1 when that is above WRONG: far above what rounding does to any code that the
 * demo runs (1e-16 to 1e-13), far below what one wrong element in a block would do.
 */
#include "bench/must.h"
#include "common/linalg/blas.h"
#include "common/linalg/npy.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRONG 1e-10

static int
make_random(size_t n, uint64_t seed, const char *path)
{
    double *at = bench_matrix_new(n, n, seed);
    const kofn_mat mat = kofn_mat_wrap(at, KOFN_F64, n, n);
    kofn_bands bands;
    must(kofn_bands_from_mat(&mat, &bands, &error));
    must(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
    free(at);
    return 0;
}

static double
relative_error(const kofn_mat *c, const double *expected)
{
    double off = 0, all = 0;
    for (size_t row = 0; row < c->rows; row++) {
        const double *got = kofn_mat_get_row(c, row), *wanted = expected + row * c->cols;
        for (size_t col = 0; col < c->cols; col++) {
            off += (got[col] - wanted[col]) * (got[col] - wanted[col]);
            all += wanted[col] * wanted[col];
        }
    }
    return sqrt(off / all);
}

static int
check(const char *const path[3], bool transpose_b)
{
    kofn_npy npy[3];
    for (size_t i = 0; i < 3; i++) {
        must(kofn_npy_read(path[i], &npy[i], &error));
        if (npy[i].transposed || npy[i].mat.dtype != KOFN_F64)
            bench_die("%s: want f64 in C order", path[i]);
    }
    const kofn_mat *a = &npy[0].mat, *b = &npy[1].mat, *c = &npy[2].mat;
    const size_t inner = transpose_b ? b->cols : b->rows, cols = transpose_b ? b->rows : b->cols;
    if (a->cols != inner || c->rows != a->rows || c->cols != cols)
        bench_die("%s: %zu x %zu is not the shape of the product", path[2], c->rows, c->cols);
    double *expected = bench_alloc(c->rows * c->cols * sizeof *expected);
    const double start = bench_now();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)c->rows,
                (int)cols, (int)inner, 1, a->data, (int)a->stride, b->data, (int)b->stride, 0,
                expected, (int)cols);
    const double seconds = bench_now() - start, off = relative_error(c, expected);
    printf("%.1e %.6f\n", off, seconds);
    free(expected);
    for (size_t i = 0; i < 3; i++)
        kofn_mat_fini(&npy[i].mat);
    return off <= WRONG ? 0 : 1; // NaN is wrong
}

int
main(int argc, char **argv)
{
    kofn_blas_choose_kernel(argv);
    if (argc == 5 && strcmp(argv[1], "random") == 0)
        return make_random(strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), argv[4]);
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "check") == 0)
        return check((const char *const[]){argv[2], argv[3], argv[4]},
                     argc == 6 && strcmp(argv[5], "--transpose-b") == 0);
    bench_die("usage: bench_matrix random N SEED OUT.npy | check A B C [--transpose-b]");
}
