#include "common/code/residual.h"
#include "common/code/peel.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>

enum { SIDE_MAX = 1024 }; // of a Gram matrix. The smaller always fits: their product is columns

typedef struct grams {
    const kofn_residual *in;
    size_t a, b;          // blocks of the first operand; products of the others' blocks
    double *left, *right; // sum R_t R_t^T [a, a], sum R_t^T R_t [b, b]; NULL: too large
    double *r;            // [a, b]
    double *scaled;       // [tasks, a]: rows of E_A times D_t
    double *eb;           // [tasks, b]
} grams;

static void
grams_fini(grams *g)
{
    free(g->left);
    free(g->right);
    free(g->r);
    free(g->scaled);
    free(g->eb);
}

static bool
grams_init(grams *g, const kofn_residual *in)
{
    *g = (grams){.in = in, .a = in->code->e[0].cols};
    g->b = 1;
    for (size_t o = 1; o < in->code->operands; o++)
        g->b *= in->code->e[o].cols;
    g->r = calloc(g->a * g->b, sizeof *g->r);
    g->scaled = calloc(in->tasks * g->a + 1, sizeof *g->scaled);
    g->eb = calloc(in->tasks * g->b + 1, sizeof *g->eb);
    if (g->a <= SIDE_MAX)
        g->left = calloc(g->a * g->a, sizeof *g->left);
    if (g->b <= SIDE_MAX)
        g->right = calloc(g->b * g->b, sizeof *g->right);
    if (!g->r || !g->scaled || !g->eb || (g->a <= SIDE_MAX && !g->left) ||
        (g->b <= SIDE_MAX && !g->right))
        return false;
    for (size_t u = 0; u < in->tasks; u++)
        kofn_code_fill_row_from(in->code, 1, in->task[u], g->eb + u * g->b);
    return true;
}

static bool
counts(const kofn_residual *in, size_t product)
{
    if (!in->giver)
        return true;
    const size_t column = kofn_code_find_column(in->code, product);
    return column == SIZE_MAX || in->giver[column] == KOFN_NO_TASK;
}

/* r := E_A^T diag(D_t) E_B - T_t where it counts. */
static void
fill_r(grams *g, size_t t)
{
    const kofn_residual *in = g->in;
    const double *d = in->coef + t * in->tasks;
    for (size_t u = 0; u < in->tasks; u++) {
        const double *row = kofn_code_get_row(in->code, 0, in->task[u]);
        for (size_t i = 0; i < g->a; i++)
            g->scaled[u * g->a + i] = d[u] * row[i];
    }
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)g->a, (blasint)g->b,
                (blasint)in->tasks, 1, g->scaled, (blasint)g->a, g->eb, (blasint)g->b, 0, g->r,
                (blasint)g->b);
    const kofn_sums *targets = &in->code->targets;
    const size_t target = in->target[t];
    for (size_t i = targets->first[target]; i < targets->first[target + 1]; i++)
        g->r[kofn_code_get_product(in->code, targets->column[i])] -= targets->coef[i];
    for (size_t c = 0; in->giver && c < g->a * g->b; c++)
        if (!counts(in, c))
            g->r[c] = 0;
}

static void
add_dense(grams *g, size_t t)
{
    const blasint a = (blasint)g->a, b = (blasint)g->b;
    fill_r(g, t);
    if (g->left)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, a, b, 1, g->r, b, 1, g->left, a);
    if (g->right)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, b, a, 1, g->r, b, 1, g->right, b);
}

/* Without coefficients R_t is -T_t, which is almost empty. */
static void
add_sparse(grams *g, size_t t)
{
    const kofn_sums *targets = &g->in->code->targets;
    const size_t first = targets->first[g->in->target[t]];
    const size_t end = targets->first[g->in->target[t] + 1];
    for (size_t i = first; i < end; i++)
        for (size_t j = first; j < end; j++) {
            const size_t ci = kofn_code_get_product(g->in->code, targets->column[i]);
            const size_t cj = kofn_code_get_product(g->in->code, targets->column[j]);
            if (!counts(g->in, ci) || !counts(g->in, cj))
                continue;
            const double square = targets->coef[i] * targets->coef[j];
            if (g->left && ci % g->b == cj % g->b)
                g->left[ci / g->b * g->a + cj / g->b] += square;
            if (g->right && ci / g->b == cj / g->b)
                g->right[ci % g->b * g->b + cj % g->b] += square;
        }
}

static bool
uses_answers(const kofn_residual *in, size_t t)
{
    for (size_t u = 0; u < in->tasks; u++)
        if (in->coef[t * in->tasks + u] != 0)
            return true;
    return false;
}

/* The root of the largest eigenvalue; `gram` is destroyed. NULL: no limit. */
static lapack_int
root_of_largest(double *gram, size_t side, double *bound)
{
    if (!gram)
        return 0;
    double *eigenvalue = calloc(side, sizeof *eigenvalue);
    lapack_int info = LAPACK_WORK_MEMORY_ERROR;
    if (eigenvalue) // the upper triangle by rows is the lower one by columns
        info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'L', (lapack_int)side, gram, (lapack_int)side,
                              eigenvalue);
    if (info == 0) {
        const double slack = 1 + 16 * (double)side * 0x1p-53; // of syrk and syevd
        *bound = fmin(*bound, sqrt(fmax(0, eigenvalue[side - 1])) * slack);
    }
    free(eigenvalue);
    return info;
}

static double
root_of_trace(const double *gram, size_t side)
{
    double sum = 0;
    for (size_t i = 0; i < side; i++)
        sum += gram[i * side + i];
    return sqrt(sum);
}

kofn_status
kofn_residual_measure(const kofn_residual *in, kofn_residual_size *ret_size, kofn_error *err)
{
    grams g;
    kofn_residual_size size = {.bound = INFINITY};
    lapack_int info = LAPACK_WORK_MEMORY_ERROR;
    if (grams_init(&g, in)) {
        for (size_t t = 0; t < in->targets; t++)
            (uses_answers(in, t) ? add_dense : add_sparse)(&g, t);
        size.frobenius = g.left ? root_of_trace(g.left, g.a) : root_of_trace(g.right, g.b);
        info = root_of_largest(g.left, g.a, &size.bound);
        if (info == 0)
            info = root_of_largest(g.right, g.b, &size.bound);
    }
    grams_fini(&g);
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory to bound an estimate");
    if (info != 0 || !isfinite(size.frobenius)) // it overflowed, and nothing is known
        size = (kofn_residual_size){.bound = INFINITY, .frobenius = INFINITY};
    *ret_size = size;
    return KOFN_OK;
}
