#include "bench/papers/eps-approx/scheme.h"

#include "bench/bench.h"
#include "common/code/coding.h"
#include "common/code/points.h"
#include "common/code/spec.h"
#include "common/linalg/field.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The encoding matrices of the authors' program. matdot is kofn's matdot (and eps_matdot) but for
 * gamma, which is free here; chebyshev is orthomatdot with T_0 / sqrt 2 on both sides instead of
 * T_0 / 2 on one, which weighs the columns of G otherwise when answers are too few. */
static void
fill_authors(kofn_code *code, const char *family, double gamma)
{
    const size_t m = code->part.z;
    for (size_t i = 0; i < code->tasks; i++) {
        const double t = code->field->point(code->field, i, code->tasks) / gamma;
        double *a = code->e[0].at + i * m, *b = code->e[1].at + i * m;
        if (strcmp(family, "matdot") == 0) {
            for (size_t k = 0; k < m; k++)
                a[k] = b[m - 1 - k] = k == 0 ? 1 : a[k - 1] * t;
        } else {
            kofn_fill_chebyshev(t, m, a);
            a[0] = M_SQRT1_2;
            memcpy(b, a, m * sizeof *a);
        }
    }
    code->threshold = 2 * m - 1;
    kofn_code_seal(code);
}

static kofn_code *
code_new(const char *family, size_t m, size_t nodes, double gamma)
{
    const kofn_field *field = kofn_field_find("f64");
    const kofn_partition part = {1, m, 1};
    kofn_error error;
    kofn_code *code;
    if (strcmp(family, "matdot") == 0 || strcmp(family, "chebyshev") == 0) {
        if (kofn_code_alloc(family, field, part, nodes, &code, &error))
            bench_die("%s", error.text);
        fill_authors(code, family, gamma);
        return code;
    }
    kofn_code_spec spec = {.part = part, .tasks = nodes};
    const kofn_code_context context = {
        .field = field, .rows = m, .inner = m, .cols = m, .workers = nodes};
    (void)snprintf(spec.family, sizeof spec.family, "%s", family);
    if (kofn_code_spec_complete(&spec, &context, &error) ||
        kofn_code_spec_build(&spec, field, &code, &error))
        bench_die("%s", error.text);
    return code;
}

void
scheme_pseudo_inverse_row(const double *a, size_t rows, size_t cols, const double *target,
                          double *ret_d)
{
    const size_t rank = rows < cols ? rows : cols;
    double *work = bench_alloc((rows * cols + rows * rank + rank * cols + rank) * sizeof *work);
    double *u = work + rows * cols, *vt = u + rows * rank, *sigma = vt + rank * cols;
    memcpy(work, a, rows * cols * sizeof *a);
    if (LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'S', (lapack_int)rows, (lapack_int)cols, work,
                       (lapack_int)cols, sigma, u, (lapack_int)rank, vt, (lapack_int)cols) != 0)
        bench_die("dgesdd found no singular values of a %zu x %zu matrix", rows, cols);

    memset(ret_d, 0, rows * sizeof *ret_d);
    for (size_t k = 0; k < rank && sigma[k] > 1e-15 * sigma[0]; k++) {
        const double along = cblas_ddot((int)cols, target, 1, vt + k * cols, 1) / sigma[k];
        cblas_daxpy((int)rows, along, u + k, (int)rank, ret_d, 1);
    }
    free(work);
}

/* [answers, columns] of G for one pattern. */
static void
fill_products(const scheme *s, const size_t *task, double *ret_g)
{
    const size_t columns = kofn_code_columns(s->code);
    for (size_t u = 0; u < s->answers; u++)
        kofn_code_fill_row(s->code, task[u], ret_g + u * columns);
}

static void
decode_by_powers(const scheme *s, const size_t *task, double *ret_row)
{
    const size_t powers = 2 * s->m - 1;
    double *v = bench_alloc((s->answers + 1) * powers * sizeof *v);
    double *target = v + s->answers * powers;
    for (size_t u = 0; u < s->answers; u++) {
        const double t = kofn_code_get_row(s->code, 0, task[u])[1];
        for (size_t k = 0; k < powers; k++)
            v[u * powers + k] = k == 0 ? 1 : v[u * powers + k - 1] * t;
    }
    target[s->m - 1] = 1;
    scheme_pseudo_inverse_row(v, s->answers, powers, target, ret_row);
    free(v);
}

static void
fill_identity(size_t m, double *ret_target)
{
    memset(ret_target, 0, m * m * sizeof *ret_target);
    for (size_t k = 0; k < m; k++)
        ret_target[k * m + k] = 1;
}

static void
decode_by_products(const scheme *s, const size_t *task, double *ret_row)
{
    const size_t columns = s->m * s->m;
    double *g = bench_alloc((s->answers + 1) * columns * sizeof *g);
    fill_products(s, task, g);
    fill_identity(s->m, g + s->answers * columns);
    scheme_pseudo_inverse_row(g, s->answers, columns, g + s->answers * columns, ret_row);
    free(g);
}

/* The polynomial through all r answers has, at t^(m-1), the coefficient
 *
 *     sum_u answer_u (-1)^(r-m) e_{r-m}(t_j, j != u) / prod_{j != u} (t_u - t_j),
 *
 * e_k the elementary symmetric polynomial; with r = m, Theorem 2's last row of the inverse.
 * Products only: no system is solved, so that what is left is the error of the answers. */
static void
decode_by_theorem(const scheme *s, const size_t *task, double *ret_row)
{
    const size_t r = s->answers, order = r - s->m;
    double *e = bench_alloc((order + 1) * sizeof *e);
    for (size_t u = 0; u < r; u++) {
        const double t = kofn_code_get_row(s->code, 0, task[u])[1];
        double scale = 1;
        memset(e, 0, (order + 1) * sizeof *e);
        e[0] = 1;
        for (size_t j = 0; j < r; j++) {
            if (j == u)
                continue;
            const double other = kofn_code_get_row(s->code, 0, task[j])[1];
            scale *= t - other;
            for (size_t k = order; k > 0; k--)
                e[k] += e[k - 1] * -other;
        }
        ret_row[u] = e[order] / scale;
    }
    free(e);
}

/* What the service decodes with, for answers of its own noise. */
static void
decode_balanced(const scheme *s, kofn_shape shape, const size_t *task, double *ret_row)
{
    kofn_error error;
    kofn_coding coding;
    kofn_decoder *d;
    kofn_decode_plan plan;
    kofn_coding_init(&coding, s->code, shape, false, false);
    if (kofn_decoder_new(s->code, 0, &d, &error))
        bench_die("%s", error.text);
    for (size_t u = 0; u < s->answers; u++) {
        if (kofn_decoder_add(d, task[u], &error))
            bench_die("%s", error.text);
    }
    if (kofn_decoder_estimate(d, kofn_coding_get_noise(&coding), &plan, &error))
        bench_die("%s", error.text);
    for (size_t i = 0; i < plan.used; i++) {
        for (size_t u = 0; u < s->answers; u++)
            ret_row[u] += task[u] == plan.task[i] ? plan.coef[i] : 0;
    }
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
}

static void
decode(const scheme *s, decoding how, kofn_shape shape, const size_t *task, double *ret_row)
{
    switch (how) {
    case DECODING_POWERS:
        decode_by_powers(s, task, ret_row);
        break;
    case DECODING_PRODUCTS:
        decode_by_products(s, task, ret_row);
        break;
    case DECODING_THEOREM:
        decode_by_theorem(s, task, ret_row);
        break;
    case DECODING_BALANCED:
        decode_balanced(s, shape, task, ret_row);
        break;
    case DECODING_SUM:
        for (size_t u = 0; u < s->answers; u++)
            ret_row[u] = 1;
        break;
    }
}

/* |d G_R - vec(I)|^2: for operands of independent elements, the expected square error of C^. */
static double
measure_loss(const scheme *s, const size_t *task, const double *row)
{
    const size_t columns = s->m * s->m;
    double *g = bench_alloc((s->answers + 1) * columns * sizeof *g);
    double *left = g + s->answers * columns;
    fill_products(s, task, g);
    fill_identity(s->m, left);
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)s->answers, (int)columns, 1, g, (int)columns, row,
                1, -1, left, 1);
    const double loss = cblas_ddot((int)columns, left, 1, left, 1);
    free(g);
    return loss;
}

static size_t
choose(size_t n, size_t k)
{
    size_t count = 1;
    for (size_t i = 0; i < k; i++)
        count = count * (n - i) / (i + 1);
    return count;
}

/* task := the next subset of [0, nodes) in lexicographic order; false: it was the last. */
static bool
next_pattern(size_t nodes, size_t answers, size_t *task)
{
    size_t i = answers;
    while (i > 0 && task[i - 1] == nodes - answers + i - 1)
        i--;
    if (i == 0)
        return false;
    task[i - 1]++;
    for (size_t j = i; j < answers; j++)
        task[j] = task[j - 1] + 1;
    return true;
}

scheme *
scheme_new(const char *family, size_t m, size_t nodes, size_t answers, double gamma,
           kofn_shape shape, decoding how)
{
    scheme *s = bench_alloc(sizeof *s);
    *s = (scheme){.code = code_new(family, m, nodes, gamma),
                  .m = m,
                  .nodes = nodes,
                  .answers = answers,
                  .gamma = gamma};
    if (gamma == 0 && s->code->point)
        s->gamma = s->code->field->point(s->code->field, 0, nodes) /
                   s->code->point[kofn_points_scatter(nodes, nodes)]; // of the first node

    /* Without a code it does not matter which are lost. */
    s->patterns = how == DECODING_SUM ? 1 : choose(nodes, answers);
    s->task = bench_alloc(s->patterns * answers * sizeof *s->task);
    s->row = bench_alloc(s->patterns * answers * sizeof *s->row);
    s->loss = bench_alloc(s->patterns * sizeof *s->loss);
    for (size_t u = 0; u < answers; u++)
        s->task[u] = u;
    for (size_t p = 0; p < s->patterns; p++) {
        size_t *task = s->task + p * answers;
        if (p > 0) {
            memcpy(task, task - answers, answers * sizeof *task);
            (void)next_pattern(nodes, answers, task); // there is one: p < patterns
        }
        decode(s, how, shape, task, s->row + p * answers);
        s->loss[p] = measure_loss(s, task, s->row + p * answers);
        if (s->loss[p] > s->loss[s->worst])
            s->worst = p;
    }
    return s;
}

void
scheme_destroy(scheme **s_p)
{
    if (!*s_p)
        return;
    kofn_code_destroy(&(*s_p)->code);
    free((*s_p)->task);
    free((*s_p)->row);
    free((*s_p)->loss);
    free(*s_p);
    *s_p = NULL;
}
