/* D with D G = T, from the rows that a real span has seen.
 *
 *  1. Peel. A row with a single coefficient (an answer of a systematic task) gives its unknown
 *     outright: its column leaves the system. A target that lies in such columns is a copy or a sum
 *     of copies, with coefficients that carry no rounding at all, however bad the rest is.
 *  2. Choose. Of the other rows, in order of arrival, those that reach the targets left: what is
 *     not needed is not read, and decoding is bound by what it reads. All, where only all do.
 *  3. Solve these by LAPACK's gelsy: QR with pivoting and, where rows depend on each other, the
 *     solution of least norm. Rows are normalised, so that the least norm is the least noise.
 *  4. If that amplifies errors badly and there are rows that it left out, solve once more with all
 *     of them, and take that if it halves the errors at least: reading more costs time.
 *
 * Among 3 systematic answers of 4 and one parity row p, the three are copies, and the fourth is
 * (answer_p - sum of the three) / p_4. */
#include "common/linalg/span_real.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = 256,        // of so many rows one too many costs less to read than to find
    POOR = 1000,        // amplification from which all rows are worth reading
    SVD_SIDE_MAX = 256, // larger sets get a condition estimate by QR (within a small factor)
};

static const size_t NONE = SIZE_MAX;

typedef struct solver {
    const kofn_span_reals *s;
    size_t *unit;        // [cols]: the row that is a multiple of this unit vector, or NONE
    size_t *open_col;    // [open_cols]: columns without one
    size_t *open_row;    // [open_rows]: rows with anything in open columns
    size_t *open_target; // [open_targets]: targets likewise, unless they are a copy of a row
    size_t open_cols, open_rows, open_targets;
    size_t *chosen; // [chosen_count] of open_row
    size_t chosen_count;
    double *product; // [targets, cols]: T - D G
} solver;

static const double *
row_at(const solver *v, size_t row)
{
    return v->s->row + row * v->s->cols;
}

static const double *
target_at(const solver *v, size_t target)
{
    return v->s->target + target * v->s->cols;
}

static void
solver_fini(solver *v)
{
    free(v->unit);
    free(v->open_col);
    free(v->open_row);
    free(v->open_target);
    free(v->chosen);
    free(v->product);
}

static bool
solver_init(solver *v, const kofn_span_reals *s)
{
    *v = (solver){.s = s};
    v->unit = calloc(s->cols + 1, sizeof *v->unit);
    v->open_col = calloc(s->cols + 1, sizeof *v->open_col);
    v->open_row = calloc(s->base.rows + 1, sizeof *v->open_row);
    v->open_target = calloc(s->targets + 1, sizeof *v->open_target);
    v->chosen = calloc(s->base.rows + 1, sizeof *v->chosen);
    v->product = calloc(s->targets * s->cols + 1, sizeof *v->product);
    return v->unit && v->open_col && v->open_row && v->open_target && v->chosen && v->product;
}

/* The only column in which the row is not zero, or NONE. */
static size_t
single_column(const double *row, size_t cols)
{
    size_t found = NONE;
    for (size_t j = 0; j < cols; j++)
        if (row[j] != 0) {
            if (found != NONE)
                return NONE;
            found = j;
        }
    return found;
}

static bool
touches_open(const solver *v, const double *row)
{
    for (size_t c = 0; c < v->open_cols; c++)
        if (row[v->open_col[c]] != 0)
            return true;
    return false;
}

/* A row that is the target itself, or NONE. */
static size_t
find_copy(const solver *v, size_t target)
{
    for (size_t r = 0; r < v->s->base.rows; r++)
        if (memcmp(row_at(v, r), target_at(v, target), v->s->cols * sizeof(double)) == 0)
            return r;
    return NONE;
}

static void
peel(solver *v, double *d)
{
    const kofn_span_reals *s = v->s;
    for (size_t j = 0; j < s->cols; j++)
        v->unit[j] = NONE;
    for (size_t r = 0; r < s->base.rows; r++) {
        const size_t j = single_column(row_at(v, r), s->cols);
        if (j != NONE && v->unit[j] == NONE)
            v->unit[j] = r;
    }
    for (size_t j = 0; j < s->cols; j++)
        if (v->unit[j] == NONE)
            v->open_col[v->open_cols++] = j;
    for (size_t r = 0; r < s->base.rows; r++)
        if (touches_open(v, row_at(v, r)))
            v->open_row[v->open_rows++] = r;
    for (size_t t = 0; t < s->targets; t++) {
        if (!touches_open(v, target_at(v, t)))
            continue;
        const size_t copy = find_copy(v, t);
        if (copy != NONE)
            d[t * s->base.rows + copy] = 1;
        else
            v->open_target[v->open_targets++] = t;
    }
}

static void
fill_open(const solver *v, const double *row, double *ret_open)
{
    for (size_t c = 0; c < v->open_cols; c++)
        ret_open[c] = row[v->open_col[c]];
}

static void
choose_all(solver *v)
{
    memcpy(v->chosen, v->open_row, v->open_rows * sizeof *v->chosen);
    v->chosen_count = v->open_rows;
}

/* Open rows in order of arrival until they reach the open targets, those left out that add
 * nothing. The same tracking as when they arrived, on the smaller system: a row that was new then
 * may not be any more, now that the unit vectors that came after it count first. Tracking takes
 * several times as long as solving: where hardly any can be left out, none is. */
static kofn_status
choose_rows(solver *v, kofn_error *err)
{
    kofn_span *small = NULL;
    const size_t spare = v->open_targets >= LARGE ? v->open_targets / LARGE : 0;
    if (v->s->missing == 0 && v->open_rows <= v->open_targets + spare) {
        choose_all(v);
        return KOFN_OK;
    }
    double *open = calloc(v->open_cols * (v->open_targets + 1) + 1, sizeof *open);
    kofn_status status;
    if (!open) {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to choose among %zu rows",
                           v->open_rows);
        goto out;
    }
    double *row = open + v->open_cols * v->open_targets;
    for (size_t t = 0; t < v->open_targets; t++)
        fill_open(v, target_at(v, v->open_target[t]), open + t * v->open_cols);
    status =
        kofn_span_reals_create(v->s->base.field, v->open_cols, v->open_targets, open, &small, err);

    for (size_t i = 0; !status && i < v->open_rows && kofn_span_missing(small) > 0; i++) {
        bool grew;
        fill_open(v, row_at(v, v->open_row[i]), row);
        status = kofn_span_reals_add(small, row, &grew, err);
        if (!status && grew)
            v->chosen[v->chosen_count++] = v->open_row[i];
    }
    if (!status && kofn_span_missing(small) > 0 && v->s->missing == 0)
        choose_all(v); // only all together do: a review found it
out:
    kofn_span_reals_destroy(&small);
    free(open);
    return status;
}

/* D of the open targets over the chosen rows: least squares in the open columns. */
static kofn_status
solve_open(const solver *v, double *d, kofn_error *err)
{
    const size_t m = v->open_cols, n = v->chosen_count, rhs = v->open_targets;
    if (m == 0 || n == 0 || rhs == 0)
        return KOFN_OK;

    const size_t ldb = m > n ? m : n;
    double *a = calloc(m * n, sizeof *a), *b = calloc(ldb * rhs, sizeof *b);
    lapack_int *pivot = calloc(n, sizeof *pivot), rank, info = LAPACK_WORK_MEMORY_ERROR;
    if (!a || !b || !pivot)
        goto out;
    for (size_t i = 0; i < n; i++) {
        fill_open(v, row_at(v, v->chosen[i]), a + i * m);
        cblas_dscal((blasint)m, 1 / v->s->row_norm[v->chosen[i]], a + i * m, 1);
    }
    for (size_t t = 0; t < rhs; t++)
        fill_open(v, target_at(v, v->open_target[t]), b + t * ldb);

    const double rcond = KOFN_SPAN_EPSILON * (double)ldb;
    info = LAPACKE_dgelsy(LAPACK_COL_MAJOR, (lapack_int)m, (lapack_int)n, (lapack_int)rhs, a,
                          (lapack_int)m, b, (lapack_int)ldb, pivot, rcond, &rank);
    for (size_t t = 0; info == 0 && t < rhs; t++)
        for (size_t i = 0; i < n; i++)
            d[v->open_target[t] * v->s->base.rows + v->chosen[i]] =
                b[t * ldb + i] / v->s->row_norm[v->chosen[i]];
out:
    free(pivot);
    free(b);
    free(a);
    if (info == 0)
        return KOFN_OK;
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to solve %zu x %zu", m, n);
    return kofn_fail(err, KOFN_INTERNAL, "gelsy refused its argument %d", -(int)info);
}

/* product := T - D G */
static void
subtract_product(const solver *v, const double *d)
{
    const kofn_span_reals *s = v->s;
    const size_t count = s->targets * s->cols;
    if (count == 0)
        return;
    memcpy(v->product, s->target, count * sizeof *v->product);
    if (s->base.rows > 0)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)s->targets,
                    (blasint)s->cols, (blasint)s->base.rows, -1, d, (blasint)s->base.rows, s->row,
                    (blasint)s->cols, 1, v->product, (blasint)s->cols);
}

/* sum_r |D[t,r]| |g_r| */
static double
magnitude(const solver *v, const double *d, size_t t)
{
    const size_t rows = v->s->base.rows;
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        sum += fabs(d[t * rows + r]) * v->s->row_norm[r];
    return sum;
}

/* What the single rows give: the rest of each target in the peeled columns. Coefficients that are
 * small against rounding of the others are rounding, and would only cost a read: dropping them
 * moves the result by less than its own error. */
static void
fill_units(const solver *v, double *d)
{
    const size_t rows = v->s->base.rows, cols = v->s->cols;
    subtract_product(v, d);
    for (size_t t = 0; t < v->s->targets; t++) {
        const double rounding = 4 * KOFN_SPAN_EPSILON * (magnitude(v, d, t) + v->s->target_norm[t]);
        for (size_t j = 0; j < cols; j++) {
            const double rest = v->product[t * cols + j];
            if (v->unit[j] != NONE && fabs(rest) > rounding)
                d[t * rows + v->unit[j]] += rest / row_at(v, v->unit[j])[j];
        }
        for (size_t r = 0; r < rows; r++)
            if (fabs(d[t * rows + r]) * v->s->row_norm[r] <= rounding)
                d[t * rows + r] = 0;
    }
}

static double
amplification(const solver *v, const double *d)
{
    double most = 0;
    for (size_t t = 0; t < v->s->targets; t++)
        if (v->s->target_norm[t] > 0)
            most = fmax(most, magnitude(v, d, t) / v->s->target_norm[t]);
    return most;
}

/* Solve once more with all open rows; keep that in d when it is worth the reading. */
static kofn_status
try_all_rows(solver *v, double *d, kofn_error *err)
{
    const size_t count = v->s->targets * v->s->base.rows;
    double *other = calloc(count, sizeof *other);
    if (!other)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu coefficients", count);

    memcpy(other, d, count * sizeof *d); // rows of targets that are not open stay
    for (size_t t = 0; t < v->open_targets; t++)
        memset(other + v->open_target[t] * v->s->base.rows, 0, v->s->base.rows * sizeof *other);
    choose_all(v);
    kofn_status status = solve_open(v, other, err);
    if (!status) {
        fill_units(v, other);
        if (amplification(v, other) < amplification(v, d) / 2)
            memcpy(d, other, count * sizeof *d);
    }
    free(other);
    return status;
}

/* What D leaves of target t in the open columns; the others take whatever they have to. */
static double
measure_left(const solver *v, size_t t)
{
    double squares = 0;
    for (size_t c = 0; c < v->open_cols; c++) {
        const double left = v->product[t * v->s->cols + v->open_col[c]];
        squares += left * left;
    }
    return sqrt(squares);
}

/* Targets of which a solution from all rows leaves no more than rounding. */
kofn_status
kofn_span_reals_review(kofn_span *base, kofn_error *err)
{
    kofn_span_reals *s = (kofn_span_reals *)base;
    solver v;
    double *d = calloc(s->targets * base->rows + 1, sizeof *d);
    kofn_status status = KOFN_OK;
    if (!solver_init(&v, s) || !d)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to review %zu targets", s->targets);
    if (!status) {
        peel(&v, d);
        choose_all(&v);
        status = solve_open(&v, d, err);
    }
    if (!status) {
        subtract_product(&v, d);
        for (size_t t = 0; t < s->targets; t++)
            if (!s->covered[t] &&
                kofn_span_reals_is_rounding(s, t, measure_left(&v, t), magnitude(&v, d, t))) {
                s->covered[t] = true;
                s->missing--;
            }
    }
    if (!status && s->missing == 0) {
        free(s->solution);
        s->solution = d;
        s->solved = base->rows;
        d = NULL;
    }
    free(d);
    solver_fini(&v);
    return status;
}

/* The rows that D uses, [used, cols]; NULL: no memory. */
static double *
used_rows(const solver *v, const double *d, size_t *ret_used)
{
    const size_t rows = v->s->base.rows, cols = v->s->cols;
    double *used = calloc(rows * cols + 1, sizeof *used);
    size_t count = 0;
    for (size_t r = 0; used && r < rows; r++) {
        bool needed = false;
        for (size_t t = 0; t < v->s->targets && !needed; t++)
            needed = d[t * rows + r] != 0;
        if (needed)
            memcpy(used + count++ * cols, row_at(v, r), cols * sizeof *used);
    }
    *ret_used = count;
    return used;
}

/* Each row a unit vector of its own column: singular values are the coefficients. */
static bool
units_condition(const double *used, size_t count, size_t cols, double *ret_condition)
{
    double most = 0, least = INFINITY;
    for (size_t r = 0; r < count; r++) {
        const size_t j = single_column(used + r * cols, cols);
        if (j == NONE)
            return false;
        most = fmax(most, fabs(used[r * cols + j]));
        least = fmin(least, fabs(used[r * cols + j]));
    }
    *ret_condition = count > 0 ? most / least : 1;
    return true;
}

/* sigma_max / sigma_min over what is not rounding. `used` is destroyed; row-major [count, cols] is
 * column-major [cols, count], which has the same singular values. */
static lapack_int
svd_condition(double *used, size_t count, size_t cols, double *ret_condition)
{
    const size_t side = count < cols ? count : cols;
    double *sigma = calloc(side, sizeof *sigma), unused;
    if (!sigma)
        return LAPACK_WORK_MEMORY_ERROR;
    lapack_int info = LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', (lapack_int)cols, (lapack_int)count,
                                     used, (lapack_int)cols, sigma, &unused, 1, &unused, 1);
    if (info == 0) {
        const double rounding =
            KOFN_SPAN_EPSILON * (double)(count > cols ? count : cols) * sigma[0];
        size_t last = side - 1;
        while (last > 0 && sigma[last] <= rounding)
            last--;
        *ret_condition = sigma[0] / sigma[last];
    }
    free(sigma);
    return info;
}

/* For large sets: QR with pivoting, whose diagonal falls like the singular values. */
static lapack_int
qr_condition(double *used, size_t count, size_t cols, double *ret_condition)
{
    const size_t side = count < cols ? count : cols;
    lapack_int *pivot = calloc(count, sizeof *pivot);
    double *tau = calloc(side, sizeof *tau);
    lapack_int info = LAPACK_WORK_MEMORY_ERROR;
    if (pivot && tau)
        info = LAPACKE_dgeqp3(LAPACK_COL_MAJOR, (lapack_int)cols, (lapack_int)count, used,
                              (lapack_int)cols, pivot, tau);
    if (info == 0) {
        const double first = fabs(used[0]);
        size_t last = side - 1;
        while (last > 0 && fabs(used[last * cols + last]) <=
                               KOFN_SPAN_EPSILON * (double)(count > cols ? count : cols) * first)
            last--;
        *ret_condition = first / fabs(used[last * cols + last]);
    }
    free(tau);
    free(pivot);
    return info;
}

static kofn_status
measure_condition(const solver *v, const double *d, double *ret_condition, kofn_error *err)
{
    const size_t cols = v->s->cols;
    size_t count;
    double *used = used_rows(v, d, &count);
    lapack_int info = used ? 0 : LAPACK_WORK_MEMORY_ERROR;
    if (used && !units_condition(used, count, cols, ret_condition)) {
        if ((count < cols ? count : cols) <= SVD_SIDE_MAX)
            info = svd_condition(used, count, cols, ret_condition);
        else
            info = qr_condition(used, count, cols, ret_condition);
    }
    free(used);
    if (info == 0)
        return KOFN_OK;
    if (info > 0) // bdsdc did not converge: then nothing is known
        *ret_condition = INFINITY;
    return info > 0 ? KOFN_OK
                    : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the condition of %zu",
                                count);
}

static kofn_status
measure(const solver *v, const double *d, kofn_span_quality *ret_quality, kofn_error *err)
{
    const kofn_span_reals *s = v->s;
    kofn_span_quality quality = {.condition = 1, .amplification = amplification(v, d)};
    kofn_status status = measure_condition(v, d, &quality.condition, err);
    if (status)
        return status;

    subtract_product(v, d);
    const double left = cblas_dnrm2((blasint)(s->targets * s->cols), v->product, 1);
    const double whole = cblas_dnrm2((blasint)(s->targets * s->cols), s->target, 1);
    quality.residual = whole > 0 ? left / whole : 0;
    *ret_quality = quality;
    return KOFN_OK;
}

kofn_status
kofn_span_reals_solve(const kofn_span *base, double *ret_d, kofn_span_quality *ret_quality,
                      kofn_error *err)
{
    const kofn_span_reals *s = (const kofn_span_reals *)base;
    const size_t count = s->targets * base->rows;
    solver v;
    double *d = calloc(count + 1, sizeof *d); // ret_d stays untouched on failure
    kofn_status status = KOFN_OK;
    if (!solver_init(&v, s) || !d) {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to solve for %zu targets",
                           s->targets);
        goto out;
    }

    peel(&v, d);
    status = choose_rows(&v, err);
    if (!status && s->solution && s->solved == base->rows && v.chosen_count == v.open_rows)
        memcpy(d, s->solution, count * sizeof *d); // a review solved the same
    else if (!status)
        status = solve_open(&v, d, err);
    if (status)
        goto out;
    fill_units(&v, d);
    if (v.chosen_count < v.open_rows && amplification(&v, d) > POOR)
        status = try_all_rows(&v, d, err);
    if (!status)
        status = measure(&v, d, ret_quality, err);
    if (!status && count > 0)
        memcpy(ret_d, d, count * sizeof *d);
out:
    free(d);
    solver_fini(&v);
    return status;
}
