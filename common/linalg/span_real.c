/* Spans over the reals: which rows raise the rank, which targets are covered.
 *
 * Rows come in all scales, so each is normalised first. Row g_r is then split along the basis Q so
 * far (Gram-Schmidt, twice: that is enough to stay orthonormal to rounding, Giraud and others
 * 2005),
 *
 *     g_r = l Q + rho q        and q becomes the next row of Q if rho counts as non-zero.
 *
 * When does it count? Q spans the rows only up to rounding, and an error of epsilon in each row
 * moves the span by far more when rows are nearly dependent. A fixed threshold is wrong both ways:
 * it takes rounding for a new direction in a badly conditioned set, or loses small true ones in a
 * good one. So the test is one of backward error: g_r is dependent when some change of all rows by
 * rounding alone could make it so. With M the lower triangle in Q = M G, g_r is w G up to rho q,
 * where w = l M, and changes of size delta in the rows reach g_r as delta (1 + sum |w|):
 *
 *     g_r is new         when  rho      >  delta (1 + sum |w|)
 *     a target is in it  when  |left|  <=  delta (|t| + sum |d|),  t - left = d G
 *
 * with delta = 16 epsilon sqrt(cols). M grows by one row with each row of Q, (-w, 1) / rho, and d
 * by the part of the target along q times that row. A set so bad that rounding passes for coverage
 * is stopped by LEFT_MAX; one less bad is covered, and its amplification says what it is worth.
 *
 * M depends on the order of the rows: 94 neighbours of 120 Chebyshev points span less than they
 * count, and with the weights that they leave behind no later row is new, although all 120 together
 * have a condition of 20. Pivoting would need all rows beforehand. So who expects a set to do asks
 * for a review (span_solve.c): the same test on a solution from all rows at once. */
#include "common/linalg/span_real.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILL_LEAST = 64 }; // rows that are looked at together

/* The largest part of a target outside the span that may count as rounding, whatever the
 * weights. */
static const double LEFT_MAX = 0x1p-10;

static void *
new_array(size_t count, size_t others, size_t width)
{
    size_t total;
    if (__builtin_mul_overflow(count, others, &total))
        return NULL;
    return calloc(total > 0 ? total : 1, width); // lazily mapped: what is not reached costs nothing
}

void
kofn_span_reals_destroy(kofn_span **span_p)
{
    kofn_span_reals *s = (kofn_span_reals *)*span_p;
    if (!s)
        return;
    free(s->target);
    free(s->target_norm);
    free(s->covered);
    free(s->row);
    free(s->row_norm);
    free(s->grew);
    free(s->basis);
    free(s->inverse);
    free(s->left);
    free(s->weight);
    free(s->scratch);
    free(s->solution);
    free(s);
    *span_p = NULL;
}

static double
norm(const double *vector, size_t length)
{
    return cblas_dnrm2((blasint)length, vector, 1); // scaled: no overflow, no underflow
}

static double
slack(const kofn_span_reals *s)
{
    return 16 * KOFN_SPAN_EPSILON * sqrt((double)s->cols);
}

static void
set_targets(kofn_span_reals *s, const double *target)
{
    const size_t count = s->targets * s->cols;
    if (count > 0) {
        memcpy(s->target, target, count * sizeof *target);
        memcpy(s->left, target, count * sizeof *target);
    }
    for (size_t t = 0; t < s->targets; t++) {
        s->target_norm[t] = norm(s->target + t * s->cols, s->cols);
        s->covered[t] = s->target_norm[t] == 0;
        s->missing += !s->covered[t];
    }
}

kofn_status
kofn_span_reals_create(const kofn_field *f, size_t cols, size_t targets, const double *target,
                       kofn_span **ret_span, kofn_error *err)
{
    kofn_span_reals *s = calloc(1, sizeof *s);
    if (!s)
        goto no_memory;
    s->base.field = f;
    s->cols = cols;
    s->targets = targets;
    s->target = new_array(targets, cols, sizeof *s->target);
    s->target_norm = new_array(targets, 1, sizeof *s->target_norm);
    s->covered = new_array(targets, 1, sizeof *s->covered);
    s->left = new_array(targets, cols, sizeof *s->left);
    s->weight = new_array(targets, cols, sizeof *s->weight);
    s->scratch = new_array(3, cols, sizeof *s->scratch);
    if (!s->target || !s->target_norm || !s->covered || !s->left || !s->weight || !s->scratch)
        goto no_memory;
    set_targets(s, target);
    *ret_span = &s->base;
    return KOFN_OK;

no_memory:
    kofn_span_reals_destroy((kofn_span **)&s);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a span of %zu targets x %zu",
                     targets, cols);
}

/* *array_p to `count` times `others` elements; false: no memory, and nothing is lost. */
static bool
resize(void *array_p, size_t count, size_t others, size_t width)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, others, &bytes) ||
        __builtin_mul_overflow(bytes, width, &bytes))
        return false;
    void *old, *array;
    memcpy(&old, array_p, sizeof old);
    array = realloc(old, bytes > 0 ? bytes : 1);
    if (array)
        memcpy(array_p, &array, sizeof array);
    return array != NULL;
}

/* Room for one more row. Ranks end at cols, rows do not. */
static kofn_status
reserve_row(kofn_span_reals *s, kofn_error *err)
{
    if (s->base.rows < s->capacity)
        return KOFN_OK;
    const size_t capacity = s->capacity ? 2 * s->capacity : 16;
    const size_t ranks = capacity < s->cols ? capacity : s->cols;
    if (!resize(&s->row, capacity, s->cols, sizeof *s->row) ||
        !resize(&s->row_norm, capacity, 1, sizeof *s->row_norm) ||
        !resize(&s->grew, ranks, 1, sizeof *s->grew) ||
        !resize(&s->basis, ranks, s->cols, sizeof *s->basis) ||
        !resize(&s->inverse, ranks, ranks / 2 + 1, sizeof *s->inverse))
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu rows of %zu columns",
                         capacity, s->cols);
    s->capacity = capacity;
    return KOFN_OK;
}

/* Row i of M: elements 0 to i. */
static double *
inverse_row(const kofn_span_reals *s, size_t i)
{
    return s->inverse + i * (i + 1) / 2;
}

/* q := the part of q outside the span; along[i] := its part along row i of the basis. */
static void
orthogonalise(const kofn_span_reals *s, double *q, double *along, double *correction)
{
    const blasint rank = (blasint)s->base.rank, cols = (blasint)s->cols;
    memset(along, 0, s->base.rank * sizeof *along);
    for (int pass = 0; pass < 2; pass++) {
        cblas_dgemv(CblasRowMajor, CblasNoTrans, rank, cols, 1, s->basis, cols, q, 1, 0, correction,
                    1);
        cblas_dgemv(CblasRowMajor, CblasTrans, rank, cols, -1, s->basis, cols, correction, 1, 1, q,
                    1);
        cblas_daxpy(rank, 1, correction, 1, along, 1);
    }
}

/* w := l M; returns sum |w|. */
static double
combine_inverse(const kofn_span_reals *s, const double *l, double *w)
{
    memset(w, 0, s->base.rank * sizeof *w);
    for (size_t i = 0; i < s->base.rank; i++)
        cblas_daxpy((blasint)(i + 1), l[i], inverse_row(s, i), 1, w, 1);
    return cblas_dasum((blasint)s->base.rank, w, 1);
}

bool
kofn_span_reals_is_rounding(const kofn_span_reals *s, size_t t, double left, double weights)
{
    const double size = s->target_norm[t];
    return left <= fmin(slack(s) * (size + weights), LEFT_MAX * size);
}

/* Take the newest row of the basis out of what is left of target t. */
static void
advance_target(kofn_span_reals *s, size_t t)
{
    const size_t last = s->base.rank - 1;
    const blasint cols = (blasint)s->cols;
    const double *q = s->basis + last * s->cols;
    double *left = s->left + t * s->cols, *weight = s->weight + t * s->cols;

    const double along = cblas_ddot(cols, q, 1, left, 1);
    cblas_daxpy(cols, -along, q, 1, left, 1);
    cblas_daxpy((blasint)(last + 1), along, inverse_row(s, last), 1, weight, 1);

    const double weights = cblas_dasum((blasint)(last + 1), weight, 1);
    if (kofn_span_reals_is_rounding(s, t, norm(left, s->cols), weights)) {
        s->covered[t] = true;
        s->missing--;
    }
}

/* Extend basis and M by row q of length rho, which was w (rows) + rho q. */
static void
extend_basis(kofn_span_reals *s, const double *q, double rho, const double *w)
{
    const size_t rank = s->base.rank++;
    double *next = s->basis + rank * s->cols, *m = inverse_row(s, rank);
    for (size_t j = 0; j < s->cols; j++)
        next[j] = q[j] / rho;
    for (size_t j = 0; j < rank; j++)
        m[j] = -w[j] / rho;
    m[rank] = 1 / rho;
    s->grew[rank] = s->base.rows;
    for (size_t t = 0; t < s->targets; t++)
        if (!s->covered[t])
            advance_target(s, t);
}

kofn_status
kofn_span_reals_add(kofn_span *base, const double *row, bool *ret_grew, kofn_error *err)
{
    kofn_span_reals *s = (kofn_span_reals *)base;
    const double size = norm(row, s->cols);
    if (!isfinite(size))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "row %zu of the code has a coefficient that is not finite", base->rows);
    kofn_status status = reserve_row(s, err);
    if (status)
        return status;

    bool grew = false;
    if (size > 0 && base->rank < s->cols && !s->untracked) {
        double *q = s->scratch, *l = q + s->cols, *w = l + s->cols;
        for (size_t j = 0; j < s->cols; j++)
            q[j] = row[j] / size;
        orthogonalise(s, q, l, w); // w is scratch here
        const double weights = combine_inverse(s, l, w);
        const double rho = norm(q, s->cols);
        grew = rho > slack(s) * (1 + weights);
        if (grew)
            extend_basis(s, q, rho, w);
    }
    if (s->cols > 0)
        memmove(s->row + base->rows * s->cols, row,
                s->cols * sizeof *row); // it may be there already
    s->row_norm[base->rows++] = size;
    *ret_grew = grew;
    return KOFN_OK;
}

/* One after another, rows that are there already: those before `count`. */
static kofn_status
track(kofn_span_reals *s, size_t count, const atomic_bool *cancelled, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    bool grew;
    s->untracked = false;
    s->base.rows = 0;
    for (size_t i = 0; i < count && !status; i++)
        status = kofn_span_is_cancelled(cancelled)
                     ? kofn_span_fail_cancelled(err)
                     : kofn_span_reals_add(&s->base, s->row + i * s->cols, &grew, err);
    return status;
}

/* Tracking is a pass over the basis and over what is left of all targets for each row, bound by
 * memory; one solution from all rows is a factorisation by blocks. 1024 rows and targets: 1.7 and
 * 0.3 s. */
kofn_status
kofn_span_reals_fill(kofn_span *base, const double *rows, size_t count,
                     const atomic_bool *cancelled, kofn_error *err)
{
    kofn_span_reals *s = (kofn_span_reals *)base;
    kofn_status status = KOFN_OK;
    bool grew;
    s->untracked = count >= FILL_LEAST;
    for (size_t i = 0; i < count && !status; i++)
        status = kofn_span_reals_add(base, rows + i * s->cols, &grew, err);
    if (status || !s->untracked)
        return status;
    status = kofn_span_is_cancelled(cancelled) ? kofn_span_fail_cancelled(err)
                                               : kofn_span_reals_review(base, err);
    return !status && s->missing > 0 ? track(s, count, cancelled, err) : status;
}

static size_t
missing(const kofn_span *base)
{
    return ((const kofn_span_reals *)base)->missing;
}

static bool
covers(const kofn_span *base, size_t target)
{
    return ((const kofn_span_reals *)base)->covered[target];
}

const kofn_span_class kofn_span_real = {
    .create = kofn_span_reals_create,
    .destroy = kofn_span_reals_destroy,
    .add = kofn_span_reals_add,
    .fill = kofn_span_reals_fill,
    .missing = missing,
    .covers = covers,
    .review = kofn_span_reals_review,
    .solve = kofn_span_reals_solve,
};
