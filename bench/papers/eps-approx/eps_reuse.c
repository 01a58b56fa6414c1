/* Can the blocks of X that were coded for W X serve H X^T as well?
 *
 *     bench_eps_reuse --out reuse.csv
 *
 * X~_i = sum_k E[i, k] X_k, coded from the row blocks of X for W X, is as its transpose a mix of
 * the column blocks of X^T: the answers H X~_i^T are what a polynomial code of partition 1, 1, m
 * gives, and any m of them hold all H X_k^T. This needs the inverse of m rows of E, and not the one
 * coefficient that MatDot's decoder takes. A line says what is left of H X^T on random operands,
 * for the pattern of `answers` that errs most: |G^ - G|_F / |G|_F.
 */
#include "bench/bench.h"
#include "bench/papers/eps-approx/scheme.h"
#include "common/linalg/blas.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, SAMPLES = 128, PART = 40 }; // of H [CLASSES, SAMPLES], X_k [PART, SAMPLES]

typedef struct reuse {
    const char *family;
    double gamma;
    size_t m, answers, nodes;
} reuse;

/* [nodes][CLASSES, PART]: H X~_i^T, coded and multiplied as a worker does. */
static double *
answers_new(const scheme *s, const double *h, const double *x)
{
    const size_t block = PART * SAMPLES;
    double *answer = bench_alloc(s->nodes * CLASSES * PART * sizeof *answer);
    double *coded = bench_alloc(block * sizeof *coded);
    for (size_t i = 0; i < s->nodes; i++) {
        memset(coded, 0, block * sizeof *coded);
        for (size_t k = 0; k < s->m; k++)
            cblas_daxpy((int)block, kofn_code_get_row(s->code, 1, i)[k], x + k * block, 1, coded,
                        1);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, CLASSES, PART, SAMPLES, 1, h, SAMPLES,
                    coded, SAMPLES, 0, answer + i * CLASSES * PART, PART);
    }
    free(coded);
    return answer;
}

/* Square of |G^ - G|_F for one pattern: each H X_k^T is row k of the pseudo-inverse times
 * answers. */
static double
square_error(const scheme *s, const size_t *task, const double *answer, const double *exact)
{
    const size_t size = CLASSES * PART;
    double *e = bench_alloc((s->answers * s->m + s->m + s->answers + size) * sizeof *e);
    double *target = e + s->answers * s->m, *d = target + s->m, *g = d + s->answers, sum = 0;
    for (size_t u = 0; u < s->answers; u++)
        memcpy(e + u * s->m, kofn_code_get_row(s->code, 1, task[u]), s->m * sizeof *e);
    for (size_t k = 0; k < s->m; k++) {
        memset(target, 0, s->m * sizeof *target);
        target[k] = 1;
        scheme_pseudo_inverse_row(e, s->answers, s->m, target, d);
        for (size_t i = 0; i < size; i++)
            g[i] = -exact[k * size + i];
        for (size_t u = 0; u < s->answers; u++)
            cblas_daxpy((int)size, d[u], answer + task[u] * size, 1, g, 1);
        sum += cblas_ddot((int)size, g, 1, g, 1);
    }
    free(e);
    return sum;
}

static double
worst_error(const reuse *r, double *ret_gamma)
{
    const kofn_shape shape = {CLASSES, r->m * PART, SAMPLES};
    scheme *s =
        scheme_new(r->family, r->m, r->nodes, r->answers, r->gamma, shape, DECODING_PRODUCTS);
    const size_t block = PART * SAMPLES, size = CLASSES * PART;
    double *h = bench_matrix_new(CLASSES, SAMPLES, 1);
    double *x = bench_matrix_new(r->m * PART, SAMPLES, 2);
    double *exact = bench_alloc(r->m * size * sizeof *exact);
    for (size_t k = 0; k < r->m; k++)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, CLASSES, PART, SAMPLES, 1, h, SAMPLES,
                    x + k * block, SAMPLES, 0, exact + k * size, PART);
    double *answer = answers_new(s, h, x), worst = 0;
    for (size_t p = 0; p < s->patterns; p++)
        worst = fmax(worst, square_error(s, s->task + p * s->answers, answer, exact));
    worst /= cblas_ddot((int)(r->m * size), exact, 1, exact, 1);
    free(answer);
    free(exact);
    free(x);
    free(h);
    *ret_gamma = s->gamma;
    scheme_destroy(&s);
    return sqrt(worst);
}

int
main(int argc, char **argv)
{
    static const reuse cases[] = {
        {"matdot", 70000, 3, 3, 6},   {"matdot", 400, 5, 5, 7},   {"matdot", 400, 5, 6, 8},
        {"matdot", 400, 5, 7, 9},     {"matdot", 400, 5, 8, 10},  {"matdot", 1, 5, 9, 11},
        {"matdot", 2, 20, 20, 22},    {"eps_matdot", 0, 5, 5, 7}, {"eps_matdot", 0, 20, 20, 22},
        {"chebyshev", 1, 3, 3, 6},    {"chebyshev", 1, 5, 5, 7},  {"chebyshev", 1, 5, 6, 8},
        {"chebyshev", 1, 5, 7, 9},    {"chebyshev", 1, 5, 8, 10}, {"chebyshev", 1, 5, 9, 11},
        {"chebyshev", 1, 20, 20, 22},
    };
    kofn_blas_choose_kernel(argv);
    openblas_set_num_threads(1);
    if (argc != 3 || strcmp(argv[1], "--out") != 0)
        bench_die("need --out FILE");
    FILE *out = fopen(argv[2], "w");
    if (!out)
        bench_die("%s cannot be written", argv[2]);
    fputs("family,gamma,m,answers,nodes,error\n", out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double gamma;
        const double error = worst_error(&cases[i], &gamma);
        fprintf(out, "%s,%.6g,%zu,%zu,%zu,%.3g\n", cases[i].family, gamma, cases[i].m,
                cases[i].answers, cases[i].nodes, error);
    }
    if (fclose(out) != 0)
        bench_die("%s cannot be written", argv[2]);
    return 0;
}
