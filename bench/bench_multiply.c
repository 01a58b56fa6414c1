/* What a worker's multiplication loses against one bare OpenBLAS call on the same block: panels
 * that can be given up, and a result in frames ready for the wire. One BLAS thread. Prints the
 * kernel.
 */
#include "bench/must.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"
#include "proto/block.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

static void
measure(kofn_pool *pool, size_t rows, size_t inner, size_t cols, size_t rounds)
{
    double *a = bench_matrix_new(rows, inner, 1), *b = bench_matrix_new(inner, cols, 2);
    double *c = bench_alloc(rows * cols * sizeof *c);
    const kofn_mat a_mat = kofn_mat_wrap(a, KOFN_F64, rows, inner);
    const kofn_mat b_mat = kofn_mat_wrap(b, KOFN_F64, inner, cols);
    kofn_bands answer;
    must(kofn_block_bands_new(pool, KOFN_F64, rows, cols, KOFN_CHUNK_BYTES, &answer, &error));
    atomic_bool cancelled = false;
    const kofn_product product = {.a = &a_mat, .b = &b_mat, .cancelled = &cancelled};
    double *ours = bench_alloc(rounds * sizeof *ours), *bare = bench_alloc(rounds * sizeof *bare);
    for (size_t i = 0; i < rounds + 1; i++) { // the first touches pages and is overwritten
        const size_t at = i == 0 ? 0 : i - 1;
        double start = bench_now();
        must(kofn_multiply(kofn_field_find("f64"), &product, &answer, &error));
        ours[at] = bench_now() - start;
        start = bench_now();
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)cols, (int)inner, 1,
                    a, (int)inner, b, (int)cols, 0, c, (int)cols);
        bare[at] = bench_now() - start;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "multiply.%zux%zux%zu.ratio", rows, inner, cols);
    bench_print(name, bench_median_ratio(bare, ours, rounds), "of_openblas");
    (void)snprintf(name, sizeof name, "multiply.%zux%zux%zu.time", rows, inner, cols);
    bench_print(name, bench_median(ours, rounds) * 1e3, "ms");
    (void)snprintf(name, sizeof name, "multiply.%zux%zux%zu", rows, inner, cols);
    bench_print(name, 2e-9 * (double)(rows * inner * cols) / bench_median(ours, rounds), "Gflop/s");
    kofn_bands_fini(&answer);
    free(a);
    free(b);
    free(c);
    free(ours);
    free(bare);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    const size_t n = bench_setting("KOFN_BENCH_N", 2000),
                 rounds = bench_setting("KOFN_BENCH_ROUNDS", 15);
    kofn_pool *pool = NULL;
    must(kofn_pool_new((size_t)1 << 30, &pool, &error));
    kofn_blas_set_threads(1);
    printf("kernel %s -\n", kofn_blas_kernel());
    measure(pool, n / 2, n, n / 2, rounds);
    measure(pool, 64, 64, 64, 1000);
    kofn_pool_destroy(&pool);
    return 0;
}
