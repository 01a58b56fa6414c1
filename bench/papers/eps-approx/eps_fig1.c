/* Figure 1: the largest error of an element of A B, over all patterns of lost answers.
 *
 *     bench_eps_fig1 --out fig1.csv [--draws 21] [--size 100] [--seed 2]
 *     bench_eps_fig1 --kernel      which of OpenBLAS's is in use
 *
 * For each pair of operands (normal elements, Frobenius norm 1), code and number of answers: the
 * error of the pattern that errs most. A line holds the median over the pairs, and their extremes.
 *
 *     a   MatDot at gamma 1 and 70000, Chebyshev; decoders of the authors' program for that figure
 *         (products), of the theorem, and kofn's; and kofn's eps_matdot as it tunes itself
 *     b   gamma from 1 to 500,000: pseudo-inverse of the powers (the authors'), theorem, kofn's
 *     c   the six gammas of the paper's figure
 */
#include "bench/bench.h"
#include "bench/papers/eps-approx/scheme.h"
#include "common/base/rng.h"
#include "common/linalg/blas.h"

#include <cblas.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M = 3, NODES = 6, DRAWS_MAX = 1000 };

typedef struct settings {
    FILE *out;
    size_t draws, size;
    uint64_t seed;
} settings;

/* A and B of one draw, cut and padded; the product to compare with. */
typedef struct operands {
    size_t size, part; // part: columns of A's blocks, size over M rounded up
    double *a;         // [M][size, part]
    double *b;         // [M][part, size]
    double *c;         // [size, size]
} operands;

typedef struct curve {
    char figure;
    const char *family;
    double gamma; // 0: as the family tunes itself
    decoding how;
} curve;

static const char *
decoding_name(decoding how)
{
    static const char *const names[] = {"powers", "products", "theorem", "balanced", "sum"};
    return names[how];
}

/* [size, size], of norm 1, at to[i * row + j * col]: padded rows or columns stay zero. */
static void
draw_matrix(size_t size, uint64_t seed, uint64_t stream, double *ret_matrix)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, stream);
    for (size_t i = 0; i < size * size; i++)
        ret_matrix[i] = kofn_rng_normal(&rng);
    cblas_dscal((int)(size * size), 1 / cblas_dnrm2((int)(size * size), ret_matrix, 1), ret_matrix,
                1);
}

static operands
operands_new(const settings *s, size_t draw)
{
    const size_t n = s->size, part = (n + M - 1) / M;
    operands o = {.size = n,
                  .part = part,
                  .a = bench_alloc(M * part * n * sizeof(double)),
                  .b = bench_alloc(M * part * n * sizeof(double)),
                  .c = bench_alloc(n * n * sizeof(double))};
    double *a = bench_alloc(n * n * sizeof *a);
    draw_matrix(n, s->seed, 2 * draw, a);
    draw_matrix(n, s->seed, 2 * draw + 1, o.b); // its blocks are rows: cut already
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            o.a[(k / part * n + i) * part + k % part] = a[i * n + k];
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)n, (int)n, 1, a, (int)n,
                o.b, (int)n, 0, o.c, (int)n);
    free(a);
    return o;
}

static void
operands_fini(operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
}

/* Every task's answer, [NODES][size, size]. */
static double *
answers_new(const operands *o, const kofn_code *code)
{
    const size_t n = o->size, part = o->part;
    double *answer = bench_alloc(NODES * n * n * sizeof *answer);
    double *a = bench_alloc(2 * n * part * sizeof *a), *b = a + n * part;
    for (size_t i = 0; i < NODES; i++) {
        memset(a, 0, 2 * n * part * sizeof *a);
        for (size_t k = 0; k < M; k++) {
            cblas_daxpy((int)(n * part), kofn_code_get_row(code, 0, i)[k], o->a + k * n * part, 1,
                        a, 1);
            cblas_daxpy((int)(n * part), kofn_code_get_row(code, 1, i)[k], o->b + k * n * part, 1,
                        b, 1);
        }
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)n, (int)part, 1, a,
                    (int)part, b, (int)n, 0, answer + i * n * n, (int)n);
    }
    free(a);
    return answer;
}

/* |C^ - C|_max of the pattern that errs most. */
static double
largest_error(const operands *o, const scheme *s, const double *answer)
{
    const size_t n = o->size;
    double *c = bench_alloc(n * n * sizeof *c), largest = 0;
    for (size_t p = 0; p < s->patterns; p++) {
        memset(c, 0, n * n * sizeof *c);
        for (size_t u = 0; u < s->answers; u++)
            cblas_daxpy((int)(n * n), s->row[p * s->answers + u],
                        answer + s->task[p * s->answers + u] * n * n, 1, c, 1);
        cblas_daxpy((int)(n * n), -1, o->c, 1, c, 1);
        const double error = fabs(c[cblas_idamax((int)(n * n), c, 1)]);
        largest = error > largest ? error : largest;
    }
    free(c);
    return largest;
}

static void
run_curve(const settings *s, const operands *all, const curve *shown)
{
    double error[DRAWS_MAX];
    const kofn_shape shape = {s->size, s->size, s->size};
    for (size_t answers = M; answers <= NODES; answers++) {
        scheme *code =
            scheme_new(shown->family, M, NODES, answers, shown->gamma, shape, shown->how);
        for (size_t d = 0; d < s->draws; d++) {
            double *answer = answers_new(&all[d], code->code);
            error[d] = largest_error(&all[d], code, answer);
            free(answer);
        }
        const double median = bench_median(error, s->draws); // sorts
        fprintf(s->out, "%c,%s,%.6g,%s,%zu,%zu,%llu,%.4g,%.4g,%.4g\n", shown->figure, shown->family,
                code->gamma, decoding_name(shown->how), answers, s->draws,
                (unsigned long long)s->seed, median, error[0], error[s->draws - 1]);
        scheme_destroy(&code);
    }
}

static void
run_all(const settings *s, const operands *all)
{
    static const curve figure_a[] = {
        {'a', "matdot", 1, DECODING_PRODUCTS},      {'a', "matdot", 70000, DECODING_PRODUCTS},
        {'a', "chebyshev", 1, DECODING_PRODUCTS},   {'a', "matdot", 70000, DECODING_THEOREM},
        {'a', "matdot", 1, DECODING_BALANCED},      {'a', "matdot", 70000, DECODING_BALANCED},
        {'a', "orthomatdot", 0, DECODING_BALANCED}, {'a', "eps_matdot", 0, DECODING_BALANCED},
    };
    static const double figure_c[] = {1, 400, 1000, 5000, 10000, 70000};
    static const decoding decoders[] = {DECODING_POWERS, DECODING_THEOREM, DECODING_BALANCED};
    enum { STEPS = 96 };
    for (size_t i = 0; i < sizeof figure_a / sizeof figure_a[0]; i++)
        run_curve(s, all, &figure_a[i]);
    for (size_t d = 0; d < sizeof decoders / sizeof decoders[0]; d++) {
        for (size_t i = 0; i < sizeof figure_c / sizeof figure_c[0]; i++)
            run_curve(s, all, &(curve){'c', "matdot", figure_c[i], decoders[d]});
        for (size_t i = 0; i <= STEPS; i++) {
            const double gamma = pow(5e5, (double)i / STEPS); // evenly in its logarithm
            run_curve(s, all, &(curve){'b', "matdot", gamma, decoders[d]});
        }
    }
}

static settings
parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},  {"draws", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"kernel", no_argument, NULL, 'k'},     {NULL, 0, NULL, 0}};
    settings s = {.draws = 21, .size = 100, .seed = 2};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            path = optarg;
            break;
        case 'd':
            s.draws = strtoul(optarg, NULL, 10);
            break;
        case 'n':
            s.size = strtoul(optarg, NULL, 10);
            break;
        case 'k':
            puts(openblas_get_corename());
            exit(0);
        case 's':
            s.seed = strtoul(optarg, NULL, 10);
            break;
        default:
            bench_die("see the head of eps_fig1.c for the options");
        }
    }
    if (!path || s.draws < 1 || s.draws > DRAWS_MAX || s.size < M || s.size > 1000)
        bench_die("need --out FILE, draws=%zu 1 to %d, size=%zu %d to 1000", s.draws, DRAWS_MAX,
                  s.size, M);
    s.out = fopen(path, "w");
    if (!s.out)
        bench_die("%s cannot be written", path);
    return s;
}

int
main(int argc, char **argv)
{
    kofn_blas_choose_kernel(argv);
    openblas_set_num_threads(1);
    const settings s = parse(argc, argv);
    operands *all = bench_alloc(s.draws * sizeof *all);
    for (size_t d = 0; d < s.draws; d++)
        all[d] = operands_new(&s, d);
    fputs("figure,family,gamma,decoder,answers,draws,seed,error,least,most\n", s.out);
    run_all(&s, all);
    for (size_t d = 0; d < s.draws; d++)
        operands_fini(&all[d]);
    free(all);
    if (fclose(s.out) != 0)
        bench_die("the results cannot be written");
    return 0;
}
