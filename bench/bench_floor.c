/* The floor alone: its time for each chunk size, so that the one in use can be seen to be the best.
 *
 *     bench_floor [N [ROUNDS]]
 */
#include "bench/bench.h"
#include "bench/floor.h"
#include "common/linalg/blas.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_DEFAULT = 2000, ROUNDS_DEFAULT = 15 };

static void
check_product(const floor_cluster *cluster, size_t n, const double *expected)
{
    double worst = 0, scale = 0;
    for (size_t i = 0; i < n * n; i++) {
        worst = fmax(worst, fabs(floor_get_row(cluster, i / n)[i % n] - expected[i]));
        scale = fmax(scale, fabs(expected[i]));
    }
    if (!(worst <= 1e-10 * scale))
        bench_die("the floor's product is off by %.2e of %.2e", worst, scale);
}

static void
measure(const char *program, const floor_setup *setup, size_t rounds, const double *a,
        const double *b, const double *expected)
{
    floor_cluster *cluster = floor_new(program, setup);
    double *seconds = bench_alloc(rounds * sizeof *seconds);
    for (size_t warm = 0; warm < 3; warm++)
        floor_multiply(cluster, a, b);
    for (size_t i = 0; i < rounds; i++) {
        const double start = bench_now();
        floor_multiply(cluster, a, b);
        seconds[i] = bench_now() - start;
    }
    check_product(cluster, setup->n, expected);
    char name[64];
    (void)snprintf(name, sizeof name, "floor.rows_%zu%s", setup->chunk_rows,
                   setup->hold ? ".hold" : "");
    bench_print(name, 1e3 * bench_median(seconds, rounds), "ms");
    free(seconds);
    floor_destroy(&cluster);
}

int
main(int argc, char **argv)
{
    floor_main(argc, argv);
    kofn_blas_choose_kernel(argv);
    const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : N_DEFAULT;
    const size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS_DEFAULT;
    if (n < 8 || n % 8 != 0 || rounds == 0)
        bench_die("usage: bench_floor [N [ROUNDS]], N a multiple of 8");
    double *a = bench_matrix_new(n, n, 1), *b = bench_matrix_new(n, n, 2);
    double *c = bench_alloc(n * n * sizeof *c);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)n, (int)n, 1, a, (int)n, b,
                (int)n, 0, c, (int)n);
    for (size_t parts = 1; parts <= 8 && n / 2 % parts == 0; parts *= 2)
        for (int hold = 0; hold < 2; hold++) {
            const floor_setup setup = {.n = n, .chunk_rows = n / 2 / parts, .hold = hold != 0};
            measure("/proc/self/exe", &setup, rounds, a, b, c);
        }
    free(a);
    free(b);
    free(c);
    return 0;
}
