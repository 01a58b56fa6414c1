/* Spans over finite fields: elimination, nothing rounded.
 *
 * Rows that raised the rank are kept in echelon form: each has a pivot, its first coefficient that
 * is not zero, made one; rows further down are zero in the pivots of those above.
 *
 *     1 . . . .        A row is reduced from the top down: a multiple of each kept row clears that
 *     0 1 . . .        row's pivot. What is left is zero (the row depends on others) or the next
 *     0 0 0 1 .        row to keep. Targets are reduced by each new row as it comes; one that
 *                      reaches zero is covered.
 *
 * That costs O(rank cols) for a row and O(cols) for a target. How rows combine to the targets is
 * not tracked along: solve() eliminates once more, with rows extended by unit vectors, and is free
 * to choose another order: copies of targets first, then sparse rows first, stopping when all is
 * covered. So a copy stays a copy, whatever came before it, and dense rows are read where only they
 * can help. Rows chosen are independent, so their D is unique, with zeros wherever it can have
 * some. */
#include "common/linalg/span_class.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct echelon {
    const kofn_field *field;
    size_t cols, width; // pivots lie in the first cols of width
    size_t rank, capacity;
    double *row;   // [rank, width]
    size_t *pivot; // [rank]
} echelon;

typedef struct span_exact {
    kofn_span base;
    size_t cols, targets, missing;
    double *target;  // [targets, cols]
    double *left;    // [targets, cols]: reduced
    bool *covered;   // [targets]
    double *scratch; // [cols]

    size_t capacity;
    double *row; // [rows, cols], as added
    echelon echelon;
} span_exact;

/* ---- memory ---------------------------------------------------------------------------------- */

static void *
new_array(size_t count, size_t others, size_t width)
{
    size_t total;
    if (__builtin_mul_overflow(count, others, &total))
        return NULL;
    return calloc(total > 0 ? total : 1, width);
}

/* *array_p to hold `rows` rows of `cols`; false: no memory, and nothing is lost. */
static bool
resize(double **array_p, size_t rows, size_t cols)
{
    size_t bytes;
    if (__builtin_mul_overflow(rows, cols, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof **array_p, &bytes))
        return false;
    double *array = realloc(*array_p, bytes > 0 ? bytes : 1);
    if (array)
        *array_p = array;
    return array != NULL;
}

static kofn_status
fail_memory(size_t rows, size_t cols, kofn_error *err)
{
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a span of %zu x %zu", rows, cols);
}

/* ---- elimination ----------------------------------------------------------------------------- */

static bool
echelon_init(echelon *e, const kofn_field *f, size_t cols, size_t width)
{
    *e = (echelon){.field = f, .cols = cols, .width = width};
    e->pivot = new_array(cols, 1, sizeof *e->pivot);
    return e->pivot != NULL;
}

static void
echelon_fini(echelon *e)
{
    free(e->row);
    free(e->pivot);
}

/* v := v - v[pivot of row i] row i, which is zero in front of its pivot. */
static void
echelon_clear(const echelon *e, size_t i, double *v)
{
    const kofn_field *f = e->field;
    const size_t pivot = e->pivot[i];
    if (v[pivot] != 0)
        f->add_multiple(f, e->width - pivot, f->negate(f, v[pivot]), e->row + i * e->width + pivot,
                        v + pivot);
}

/* Room for one more row. */
static bool
echelon_reserve(echelon *e)
{
    if (e->rank < e->capacity)
        return true;
    const size_t twice = e->capacity ? 2 * e->capacity : 16;
    const size_t capacity = twice < e->cols ? twice : e->cols;
    if (!resize(&e->row, capacity, e->width))
        return false;
    e->capacity = capacity;
    return true;
}

/* Reduce v and keep what is left of it, if anything is; there is room. */
static bool
echelon_add(echelon *e, double *v)
{
    const kofn_field *f = e->field;
    for (size_t i = 0; i < e->rank; i++)
        echelon_clear(e, i, v);
    size_t pivot = 0;
    while (pivot < e->cols && v[pivot] == 0)
        pivot++;
    if (pivot == e->cols)
        return false;
    double *row = e->row + e->rank * e->width;
    memset(row, 0, e->width * sizeof *row);
    f->add_multiple(f, e->width - pivot, f->invert(f, v[pivot]), v + pivot, row + pivot);
    e->pivot[e->rank++] = pivot;
    return true;
}

static bool
is_zero(const double *v, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        if (v[j] != 0)
            return false;
    return true;
}

/* ---- tracking -------------------------------------------------------------------------------- */

static void
destroy(kofn_span **span_p)
{
    span_exact *s = (span_exact *)*span_p;
    *span_p = NULL;
    if (!s)
        return;
    echelon_fini(&s->echelon);
    free(s->row);
    free(s->scratch);
    free(s->covered);
    free(s->left);
    free(s->target);
    free(s);
}

static kofn_status
create(const kofn_field *f, size_t cols, size_t targets, const double *target, kofn_span **ret_span,
       kofn_error *err)
{
    span_exact *s = calloc(1, sizeof *s);
    if (!s)
        return fail_memory(targets, cols, err);
    s->base.field = f;
    s->cols = cols;
    s->targets = targets;
    s->target = new_array(targets, cols, sizeof *s->target);
    s->left = new_array(targets, cols, sizeof *s->left);
    s->covered = new_array(targets, 1, sizeof *s->covered);
    s->scratch = new_array(cols, 1, sizeof *s->scratch);
    if (!s->target || !s->left || !s->covered || !s->scratch ||
        !echelon_init(&s->echelon, f, cols, cols)) {
        kofn_span *base = &s->base;
        destroy(&base);
        return fail_memory(targets, cols, err);
    }
    if (targets * cols > 0) {
        memcpy(s->target, target, targets * cols * sizeof *target);
        memcpy(s->left, target, targets * cols * sizeof *target);
    }
    for (size_t t = 0; t < targets; t++) {
        s->covered[t] = is_zero(s->target + t * cols, cols);
        s->missing += !s->covered[t];
    }
    *ret_span = &s->base;
    return KOFN_OK;
}

static kofn_status
check_row(const span_exact *s, const double *row, kofn_error *err)
{
    const kofn_field *f = s->base.field;
    for (size_t j = 0; j < s->cols; j++)
        if (!(row[j] >= 0 && row[j] < f->order && row[j] == floor(row[j])))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "row %zu of the code has coefficient %g, which is not in field %s",
                             s->base.rows, row[j], f->name);
    return KOFN_OK;
}

static bool
reserve_row(span_exact *s)
{
    if (s->base.rows < s->capacity)
        return true;
    const size_t capacity = s->capacity ? 2 * s->capacity : 16;
    if (!resize(&s->row, capacity, s->cols))
        return false;
    s->capacity = capacity;
    return true;
}

static kofn_status
add(kofn_span *base, const double *row, bool *ret_grew, kofn_error *err)
{
    span_exact *s = (span_exact *)base;
    const kofn_status status = check_row(s, row, err);
    if (status)
        return status;
    const bool full = base->rank == s->cols;
    if (!reserve_row(s) || (!full && !echelon_reserve(&s->echelon)))
        return fail_memory(base->rows + 1, s->cols, err);

    if (s->cols > 0) {
        memcpy(s->row + base->rows * s->cols, row, s->cols * sizeof *row);
        memcpy(s->scratch, row, s->cols * sizeof *row);
    }
    base->rows++;
    const bool grew = !full && echelon_add(&s->echelon, s->scratch);
    base->rank = s->echelon.rank;
    for (size_t t = 0; grew && t < s->targets; t++) {
        if (s->covered[t])
            continue;
        echelon_clear(&s->echelon, base->rank - 1, s->left + t * s->cols);
        s->covered[t] = is_zero(s->left + t * s->cols, s->cols);
        s->missing -= s->covered[t];
    }
    *ret_grew = grew;
    return KOFN_OK;
}

static size_t
missing(const kofn_span *base)
{
    return ((const span_exact *)base)->missing;
}

static bool
covers(const kofn_span *base, size_t target)
{
    return ((const span_exact *)base)->covered[target];
}

/* ---- solving --------------------------------------------------------------------------------- */

/* A row and what it costs to read it for its targets: 0 for a copy, else its coefficients. */
typedef struct ranked_row {
    size_t weight, row;
} ranked_row;

static int
compare_rows(const void *a, const void *b)
{
    const ranked_row *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static size_t
weigh_row(const span_exact *s, const double *row)
{
    for (size_t t = 0; t < s->targets; t++)
        if (memcmp(row, s->target + t * s->cols, s->cols * sizeof *row) == 0)
            return 0;
    size_t weight = 0;
    for (size_t j = 0; j < s->cols; j++)
        weight += row[j] != 0;
    return weight;
}

typedef struct solver {
    const span_exact *s;
    ranked_row *order; // [rows]
    size_t *chosen;    // [cols]: the row behind each place of a combination
    size_t open;       // covered targets that `left` does not show to be
    echelon echelon;   // [rank, cols + places]
    double *left;      // [targets, cols + places]: target - D G of what was chosen, then -D;
                       // of uncovered targets D stays zero
    double *scratch;   // [cols + places]
} solver;

static void
solver_fini(solver *v)
{
    echelon_fini(&v->echelon);
    free(v->order);
    free(v->chosen);
    free(v->left);
    free(v->scratch);
}

static bool
solver_init(solver *v, const span_exact *s)
{
    const size_t width = s->cols + s->base.rank;
    *v = (solver){.s = s};
    v->order = new_array(s->base.rows, 1, sizeof *v->order);
    v->chosen = new_array(s->base.rank, 1, sizeof *v->chosen);
    v->left = new_array(s->targets, width, sizeof *v->left);
    v->scratch = new_array(width, 1, sizeof *v->scratch);
    if (!echelon_init(&v->echelon, s->base.field, s->cols, width) || !v->order || !v->chosen ||
        !v->left || !v->scratch)
        return false;
    for (size_t r = 0; r < s->base.rows; r++)
        v->order[r] = (ranked_row){.weight = weigh_row(s, s->row + r * s->cols), .row = r};
    qsort(v->order, s->base.rows, sizeof *v->order, compare_rows);
    for (size_t t = 0; t < s->targets; t++) {
        if (s->cols > 0)
            memcpy(v->left + t * width, s->target + t * s->cols, s->cols * sizeof *v->left);
        v->open += s->covered[t] && !is_zero(v->left + t * width, s->cols);
    }
    return true;
}

/* Take a row into the combinations if it is independent; false: no memory. */
static bool
choose_row(solver *v, size_t row)
{
    const span_exact *s = v->s;
    echelon *e = &v->echelon;
    const size_t place = e->rank;
    if (place == s->base.rank)
        return true; // all others depend on what was chosen
    if (!echelon_reserve(e))
        return false;
    memset(v->scratch, 0, e->width * sizeof *v->scratch);
    memcpy(v->scratch, s->row + row * s->cols, s->cols * sizeof *v->scratch);
    v->scratch[s->cols + place] = 1;
    if (!echelon_add(e, v->scratch))
        return true;
    v->chosen[place] = row;
    for (size_t t = 0; t < s->targets; t++) {
        double *left = v->left + t * e->width;
        if (!s->covered[t] || is_zero(left, s->cols))
            continue;
        echelon_clear(e, place, left);
        v->open -= is_zero(left, s->cols);
    }
    return true;
}

static kofn_status
solve(const kofn_span *base, double *ret_d, kofn_span_quality *ret_quality, kofn_error *err)
{
    const span_exact *s = (const span_exact *)base;
    const kofn_field *f = base->field;
    solver v;
    bool memory = solver_init(&v, s);
    for (size_t i = 0; memory && v.open > 0 && i < base->rows; i++)
        memory = choose_row(&v, v.order[i].row);
    if (memory) {
        if (s->targets * base->rows > 0)
            memset(ret_d, 0, s->targets * base->rows * sizeof *ret_d);
        for (size_t t = 0; t < s->targets; t++)
            for (size_t i = 0; i < v.echelon.rank; i++)
                ret_d[t * base->rows + v.chosen[i]] =
                    f->negate(f, v.left[t * v.echelon.width + s->cols + i]);
        *ret_quality = (kofn_span_quality){.condition = 1, .residual = s->missing > 0};
    }
    solver_fini(&v);
    return memory ? KOFN_OK : fail_memory(s->targets, base->rows, err);
}

const kofn_span_class kofn_span_exact = {
    .create = create,
    .destroy = destroy,
    .add = add,
    .missing = missing,
    .covers = covers,
    .solve = solve,
};
