#include "common/code/liars.h"

#include <assert.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_APART = 64 }; // answers of a set at most of which each is asked for by itself

static const double LARGEST = 1.1; // rounding included, of what an honest answer's sums can be
static const double NULL_COLUMN = 1e-10; // of a column of H that depends on others, over 1

/* ---- how many it takes ----------------------------------------------------------------------- */

size_t
kofn_liars_count_each(size_t tasks, size_t threshold, size_t most)
{
    return tasks > threshold && most > 0 ? (tasks - threshold) / (2 * most) : 0;
}

size_t
kofn_liars_count_workers(size_t tasks, size_t threshold, size_t most)
{
    const size_t each = kofn_liars_count_each(tasks, threshold, most);
    return each > 0 ? 2 * most + (threshold + each - 1) / each : SIZE_MAX;
}

/* Rounds of a task to everyone, of which all but 2 b count; then what is left of k, and 2 b that do
 * not count either. */
size_t
kofn_liars_count_tasks(size_t threshold, size_t most, size_t workers)
{
    if (workers <= 2 * most)
        return SIZE_MAX;
    const size_t counted = workers - 2 * most;
    const size_t rounds = threshold / counted, left = threshold % counted;
    return rounds * workers + (left > 0 ? 2 * most + left : 0);
}

/* ---- may it be asked for? -------------------------------------------------------------------- */

/* Sets of 1 to `most` of `count`; INFINITY where there are too many to write down. */
static double
count_sets(size_t count, size_t most)
{
    double sets = 0, of_size = 1;
    for (size_t size = 1; size <= most && size <= count; size++) {
        of_size *= (double)(count - size + 1) / (double)size;
        sets += of_size;
    }
    return sets;
}

/* As many liars as may be looked for among so many. */
static size_t
find_most(size_t count)
{
    size_t most = 0;
    while (most < KOFN_LIARS_MAX && count_sets(count, most + 1) <= KOFN_LIARS_SETS_MAX)
        most++;
    return most;
}

kofn_status
kofn_liars_check(const kofn_code *code, size_t most, kofn_error *err)
{
    if (most > KOFN_LIARS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "liars is %zu, need at most %d", most,
                         KOFN_LIARS_MAX);
    if (!kofn_code_is_certain(code))
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "not any %zu answers of this %s code suffice, so parity cannot tell who "
                         "lies: verify by freivalds, or take another family",
                         code->threshold, code->family);
    if (code->tasks < code->threshold + 2 * most)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "parity needs n >= k + 2 b: there are n = %zu tasks, k = %zu answers "
                         "suffice, and b = %zu workers may lie; leave the number of tasks open, or "
                         "allow for fewer liars",
                         code->tasks, code->threshold, most);
    if (count_sets(code->tasks, most) > KOFN_LIARS_SETS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "there are more than %d sets of up to %zu of %zu answers: allow for no "
                         "more than %zu liars, or verify by freivalds",
                         KOFN_LIARS_SETS_MAX, most, code->tasks, find_most(code->tasks));
    if (code->tasks > KOFN_LIARS_ELEMENTS_MAX / (kofn_code_columns(code) + code->tasks))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "parity of %zu tasks over %zu block products is too large: %s, or verify "
                         "by freivalds",
                         code->tasks, kofn_code_columns(code),
                         code->pairs ? "split the batch" : "take fewer parts");
    return KOFN_OK;
}

/* ---- parity ---------------------------------------------------------------------------------- */

typedef struct search {
    const kofn_liars_answers *answers;
    const kofn_code *code;
    const kofn_field *field;          // of coefficients
    size_t most;                      // b, without those known already
    size_t count, parities;           // r, likewise; h
    size_t *at;                       // [r]: places in answers, a giver's side by side
    size_t givers, *first;            // [givers + 1]: where those of each begin in `at`
    size_t reach[KOFN_LIARS_MAX + 1]; // answers that so many givers have at most
    size_t *column;                   // [r]: of a set, while it is tried
    double *parity;                   // H^T [r, h]: an answer's column in one piece
    double *syndrome;                 // its transpose: [sums, h]; exact fields: a basis of its span
    size_t sums;
    double tolerance; // reals: what may be left of |H X|_F; 0 in exact fields
    double own;       // of that, what is not rounding of answers
    double *room;     // r + 1 rows of r
} search;

static bool
is_exact(const search *s)
{
    return s->field->order != 0;
}

static size_t
get_task(const search *s, size_t answer)
{
    return s->answers->task[s->at[answer]];
}

/* Reals: of its row of G; 1 where that is zero, as the answer has to be. */
static double
get_length(const search *s, size_t answer)
{
    const double norm = kofn_code_row_norm(s->code, get_task(s, answer));
    return norm > 0 ? norm : 1;
}

/* y [h] -= factor x, over the field. */
static void
subtract(const search *s, double factor, const double *x, double *y, size_t len)
{
    if (factor != 0)
        s->field->add_multiple(s->field, len, s->field->negate(s->field, factor), x, y);
}

static size_t
find_pivot(const double *x, size_t len)
{
    size_t at = 0;
    while (at < len && x[at] == 0)
        at++;
    return at;
}

/* Rows [G | I] become [echelon | how], and where the left half vanished, how it did is parity. */
static kofn_status
make_exact_parity(search *s, kofn_error *err)
{
    const size_t cols = kofn_code_columns(s->code), r = s->count, width = cols + r;
    double *row = calloc(r * width + 1, sizeof *row);
    size_t *pivot = calloc(r + 1, sizeof *pivot);
    if (!row || !pivot) {
        free(row);
        free(pivot);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the parity of %zu answers",
                         r);
    }
    for (size_t i = 0; i < r; i++) {
        double *at = row + i * width;
        kofn_code_fill_row(s->code, get_task(s, i), at);
        at[cols + i] = 1;
        for (size_t k = 0; k < i; k++) {
            const double *above = row + k * width;
            if (pivot[k] < cols)
                subtract(s,
                         s->field->multiply(s->field, at[pivot[k]],
                                            s->field->invert(s->field, above[pivot[k]])),
                         above, at, width);
        }
        pivot[i] = find_pivot(at, cols);
        if (pivot[i] == cols)
            memcpy(s->room + s->parities++ * r, at + cols, r * sizeof *at);
    }
    for (size_t i = 0; i < r; i++)
        for (size_t p = 0; p < s->parities; p++)
            s->parity[i * s->parities + p] = s->room[p * r + i];
    free(row);
    free(pivot);
    return KOFN_OK;
}

static void
scale(double *x, size_t len, double by)
{
    for (size_t i = 0; i < len; i++)
        x[i] *= by;
}

/* What an honest answer's X may be off by, over |e_A| |e_B| |A|_F |B|_F, beside what the answer
 * is. */
static double
get_own(const kofn_coding *c)
{
    return (1 + kofn_coding_get_noise(c)) *
           kofn_projection_get_noise(c->code->field, c->part.rows, c->part.cols);
}

/* And by underflow. */
static double
get_floor(const kofn_liars_answers *a)
{
    const kofn_coding *c = a->coding;
    size_t terms = c->part.inner + c->code->operands;
    for (size_t o = 0; o < c->code->operands; o++)
        terms += c->code->e[o].cols;
    return kofn_projection_get_floor(c->code->field, c->part.rows, c->part.cols, terms) *
           (1 + a->norm[0]) * (1 + a->norm[1]);
}

/* Singular vectors of G_R, rows of length 1, that belong to values of no more than rounding. */
static kofn_status
make_real_parity(search *s, kofn_error *err)
{
    const size_t cols = kofn_code_columns(s->code), r = s->count;
    const size_t values = cols < r ? cols : r;
    double *row = malloc((r * cols + r * r + 2 * values + 1) * sizeof *row);
    if (!row)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the parity of %zu answers",
                         r);
    double *vectors = row + r * cols, *value = vectors + r * r, shortest = INFINITY;
    for (size_t i = 0; i < r; i++) {
        const double norm = get_length(s, i);
        kofn_code_fill_row(s->code, get_task(s, i), row + i * cols);
        scale(row + i * cols, cols, 1 / norm);
        shortest = norm < shortest ? norm : shortest;
    }
    /* By rows it is G_R, by columns its transpose: the last factor is what is wanted of it. */
    const lapack_int info =
        LAPACKE_dgesvd(LAPACK_COL_MAJOR, 'N', 'A', (lapack_int)cols, (lapack_int)r, row,
                       (lapack_int)cols, value, NULL, 1, vectors, (lapack_int)r, value + values);
    const double rounding = (double)(cols + r) * DBL_EPSILON * value[0];
    size_t rank = 0;
    while (rank < values && value[rank] > rounding)
        rank++;
    s->parities = r - rank;
    for (size_t i = 0; i < r; i++)
        for (size_t p = 0; p < s->parities; p++)
            s->parity[i * s->parities + p] = vectors[rank + p + i * r];
    /* H G_R is not zero but no more than rounding, and meets block products of |A| |B| in all; and
     * H X and what is left of it are rounded. */
    const double sums = LARGEST * KOFN_PROJECTION_GROW * sqrt((double)r);
    const size_t widest = s->reach[s->most] > KOFN_LIARS_MAX ? s->reach[s->most] : KOFN_LIARS_MAX;
    const double norms = s->answers->norm[0] * s->answers->norm[1];
    s->own = norms * (sqrt((double)r) * get_own(s->answers->coding) +
                      2 * rounding * KOFN_PROJECTION_GROW +
                      (double)(2 * r + 4 * widest) * DBL_EPSILON * sums) +
             sqrt((double)r) * get_floor(s->answers) / shortest;
    s->tolerance = s->own + norms * sqrt((double)r) * KOFN_PROJECTION_GROW *
                                kofn_coding_get_noise(s->answers->coding);
    free(row);
    return info == 0 ? KOFN_OK
                     : kofn_fail(err, KOFN_INTERNAL, "no parity of %zu answers was found", r);
}

/* Exact fields: keep a basis of the sums, in echelon form. */
static void
reduce_syndrome(search *s)
{
    size_t rank = 0;
    for (size_t i = 0; i < s->sums; i++) {
        double *at = s->syndrome + i * s->parities;
        for (size_t k = 0; k < rank; k++) {
            const double *above = s->syndrome + k * s->parities;
            const size_t pivot = find_pivot(above, s->parities);
            subtract(s, at[pivot], above, at, s->parities);
        }
        const size_t pivot = find_pivot(at, s->parities);
        if (pivot == s->parities)
            continue;
        double *to = s->syndrome + rank++ * s->parities;
        const double inverse = s->field->invert(s->field, at[pivot]);
        for (size_t p = 0; p < s->parities; p++)
            to[p] = s->field->multiply(s->field, inverse, at[p]);
    }
    s->sums = rank;
}

static void
make_syndrome(search *s)
{
    const kofn_liars_answers *a = s->answers;
    s->sums = a->width;
    for (size_t i = 0; i < s->count; i++) {
        const double by = is_exact(s) ? 1 : 1 / get_length(s, i);
        for (size_t k = 0; k < a->width; k++)
            s->field->add_multiple(s->field, s->parities, a->x[s->at[i] * a->width + k] * by,
                                   s->parity + i * s->parities, s->syndrome + k * s->parities);
    }
    if (is_exact(s))
        reduce_syndrome(s);
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* One more column into an echelon basis of `rank`; whether it was independent. */
static bool
extend_exact(const search *s, double *basis, size_t rank, const double *column)
{
    const size_t h = s->parities;
    double *at = basis + rank * h;
    memcpy(at, column, h * sizeof *at);
    for (size_t k = 0; k < rank; k++) {
        const double *above = basis + k * h;
        subtract(s, at[find_pivot(above, h)], above, at, h);
    }
    const size_t pivot = find_pivot(at, h);
    if (pivot == h)
        return false;
    const double inverse = s->field->invert(s->field, at[pivot]);
    for (size_t p = 0; p < h; p++)
        at[p] = s->field->multiply(s->field, inverse, at[p]);
    return true;
}

static double
dot(const double *x, const double *y, size_t len)
{
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += x[i] * y[i];
    return sum;
}

static void
leave_out(double *at, const double *basis, size_t rank, size_t h)
{
    for (size_t twice = 0; twice < 2; twice++)
        for (size_t k = 0; k < rank; k++) {
            const double part = dot(basis + k * h, at, h);
            for (size_t p = 0; p < h; p++)
                at[p] -= part * basis[k * h + p];
        }
}

/* The same into an orthonormal one. */
static bool
extend_real(const search *s, double *basis, size_t rank, const double *column)
{
    const size_t h = s->parities;
    double *at = basis + rank * h;
    memcpy(at, column, h * sizeof *at);
    leave_out(at, basis, rank, h);
    const double norm = sqrt(dot(at, at, h));
    if (norm <= NULL_COLUMN)
        return false;
    scale(at, h, 1 / norm);
    return true;
}

/* Reals: |H X|_F outside of an orthonormal basis, which has room for a row behind it. */
static double
measure_left(const search *s, double *basis, size_t rank)
{
    const size_t h = s->parities;
    double left = 0, *rest = basis + rank * h;
    for (size_t i = 0; i < s->sums; i++) {
        memcpy(rest, s->syndrome + i * h, h * sizeof *rest);
        leave_out(rest, basis, rank, h);
        left = hypot(left, s->field->norm(s->field, rest, h)); // squares may vanish
    }
    return left;
}

/* Do the other answers agree with each other? */
static bool
is_explained_by(const search *s, const size_t *answer, size_t count)
{
    const size_t h = s->parities;
    double *basis = s->room;
    size_t rank = 0;
    if (is_exact(s) && count < s->sums)
        return false;
    for (size_t i = 0; i < count; i++) {
        const double *column = s->parity + answer[i] * h;
        rank += is_exact(s) ? extend_exact(s, basis, rank, column)
                            : extend_real(s, basis, rank, column);
    }
    for (size_t i = 0; i < s->sums && is_exact(s); i++)
        if (extend_exact(s, basis, rank, s->syndrome + i * h))
            return false;
    return is_exact(s) || measure_left(s, basis, rank) <= s->tolerance; // false for NaN
}

/* Of givers, but for one answer of theirs: SIZE_MAX for none. */
static size_t
list_columns(const search *s, const size_t *set, size_t count, size_t but)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = s->first[set[i]]; k < s->first[set[i] + 1]; k++)
            if (k != but)
                s->column[listed++] = k;
    return listed;
}

/* Do the answers of all other givers agree with each other? */
static bool
explains(const search *s, const size_t *set, size_t count)
{
    return is_explained_by(s, s->column, list_columns(s, set, count, SIZE_MAX));
}

/* Exact fields: of a set with as many answers as the syndromes' rank each column is in their
 * span. */
static bool
is_candidate(const search *s, size_t giver)
{
    const size_t h = s->parities;
    memcpy(s->room, s->syndrome, s->sums * h * sizeof *s->room);
    for (size_t k = s->first[giver]; k < s->first[giver + 1]; k++)
        if (extend_exact(s, s->room, s->sums, s->parity + k * h))
            return false;
    return true;
}

static bool
contains(const size_t *set, size_t count, const size_t *part, size_t parts)
{
    size_t found = 0;
    for (size_t i = 0; i < count && found < parts; i++)
        found += set[i] == part[found];
    return found == parts;
}

/* The next set of `size` of the listed answers, in order; false: that was the last. */
static bool
advance(size_t *at, size_t size, size_t listed)
{
    size_t i = size;
    while (i > 0 && at[i - 1] == listed - size + i - 1)
        i--;
    if (i == 0)
        return false;
    for (at[i - 1]++; i < size; i++)
        at[i] = at[i - 1] + 1;
    return true;
}

typedef struct outcome {
    size_t count, set[KOFN_LIARS_MAX];     // givers: the first that explains
    size_t in_all, common[KOFN_LIARS_MAX]; // what all have in common
} outcome;

static void
note_set(outcome *o, const size_t *set, size_t count)
{
    if (o->count == 0) {
        memcpy(o->set, set, count * sizeof *set);
        memcpy(o->common, set, count * sizeof *set);
        o->count = o->in_all = count;
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < o->in_all; i++)
        if (contains(set, count, &o->common[i], 1))
            o->common[kept++] = o->common[i];
    o->in_all = kept;
}

/* Sets of one size, of the listed answers. Those that contain the first that explains say
 * nothing. */
static void
try_size(const search *s, size_t size, const size_t *list, size_t listed, outcome *o)
{
    size_t at[KOFN_LIARS_MAX], set[KOFN_LIARS_MAX];
    for (size_t i = 0; i < size; i++)
        at[i] = i;
    do {
        for (size_t i = 0; i < size; i++)
            set[i] = list[at[i]];
        if (o->count > 0 && contains(set, size, o->common, o->in_all))
            continue;
        if (explains(s, set, size))
            note_set(o, set, size);
    } while (advance(at, size, listed));
}

static kofn_status
try_sets(const search *s, outcome *o, kofn_error *err)
{
    size_t *list = malloc((s->givers + 1) * sizeof *list);
    if (!list)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to find who lies");
    for (size_t size = 1; size <= s->most; size++) {
        size_t listed = 0;
        for (size_t i = 0; i < s->givers; i++)
            if (!is_exact(s) || s->reach[size] > s->sums || is_candidate(s, i))
                list[listed++] = i;
        if (listed >= size && (!is_exact(s) || s->reach[size] >= s->sums))
            try_size(s, size, list, listed, o);
    }
    free(list);
    return KOFN_OK;
}

/* ---- what may still be wrong ----------------------------------------------------------------- */

/* Columns of H that belong to answers which are kept, those of `out` taken out of them, by what
 * they are to each other: [listed, listed]. */
typedef struct gram {
    size_t listed;
    double *at;
    size_t givers, *first; // [givers + 1], likewise
    size_t *column;        // [listed]: of a set
    double *room;          // twice [widest, widest], and widest
    double left;           // of |H X|_F, likewise
} gram;

static void
gram_fini(gram *g)
{
    free(g->at);
    free(g->first);
    free(g->column);
    free(g->room);
}

/* The columns that are listed: of givers that are not in the set. */
static void
list_kept(gram *g, const search *s, const outcome *o, double *ret_columns)
{
    const size_t h = s->parities;
    for (size_t i = 0; i < s->givers; i++) {
        if (contains(o->set, o->count, &i, 1))
            continue;
        g->first[g->givers++] = g->listed;
        for (size_t k = s->first[i]; k < s->first[i + 1]; k++)
            memcpy(ret_columns + g->listed++ * h, s->parity + k * h, h * sizeof *ret_columns);
    }
    g->first[g->givers] = g->listed;
}

static kofn_status
gram_init(gram *g, const search *s, const outcome *o, kofn_error *err)
{
    const size_t h = s->parities, widest = s->reach[s->most];
    size_t rank = 0;
    double *column = malloc(s->count * h * sizeof *column + 1);
    *g = (gram){.at = malloc(s->count * s->count * sizeof *g->at),
                .first = malloc((s->givers + 1) * sizeof *g->first),
                .column = malloc(s->count * sizeof *g->column),
                .room = malloc((2 * widest + 1) * widest * sizeof *g->room + 1)};
    if (!column || !g->at || !g->first || !g->column || !g->room) {
        free(column);
        gram_fini(g);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to find who lies");
    }
    const size_t out = list_columns(s, o->set, o->count, SIZE_MAX);
    for (size_t i = 0; i < out; i++)
        rank += extend_real(s, s->room, rank, s->parity + s->column[i] * h);
    g->left = measure_left(s, s->room, rank);
    list_kept(g, s, o, column);
    for (size_t i = 0; i < g->listed; i++)
        leave_out(column + i * h, s->room, rank, h);
    for (size_t i = 0; i < g->listed; i++)
        for (size_t k = 0; k <= i; k++)
            g->at[i * g->listed + k] = g->at[k * g->listed + i] =
                dot(column + i * h, column + k * h, h);
    free(column);
    return KOFN_OK;
}

/* Is the least eigenvalue of a Gram matrix [size, size], destroyed, at least this? True where its
 * determinant says so, the product of squares of Cholesky's diagonal: the others are as large as
 * can be where all are equal, trace / (size - 1). That is quick, and right for most sets. */
static bool
is_clearly_above(double *at, size_t size, double least)
{
    double bound = 1, trace = 0;
    for (size_t i = 0; i < size; i++)
        trace += at[i * size + i];
    for (size_t i = 0; i < size; i++) {
        const double pivot = at[i * size + i];
        if (!(pivot > 1e-12)) // squares are known to so much
            return false;
        bound *= i == 0 ? pivot : pivot * (double)(size - 1) / trace;
        for (size_t j = i + 1; j < size; j++) {
            const double factor = at[j * size + i] / pivot;
            for (size_t k = i + 1; k <= j; k++)
                at[j * size + k] -= factor * at[k * size + i];
        }
    }
    return bound >= least;
}

/* The smaller of *least and the least eigenvalue of the columns that `count` givers have. */
static void
measure_set(const gram *g, const size_t *set, size_t count, double *least)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = g->first[set[i]]; k < g->first[set[i] + 1]; k++)
            g->column[size++] = k;
    double *own = g->room, *tried = own + size * size, *value = tried + size * size;
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < size; k++)
            own[i * size + k] = tried[i * size + k] =
                g->at[g->column[i] * g->listed + g->column[k]];
    if (is_clearly_above(tried, size, *least))
        return;
    const bool known = LAPACKE_dsyev(LAPACK_COL_MAJOR, 'N', 'L', (lapack_int)size, own,
                                     (lapack_int)size, value) == 0;
    if (!known || value[0] <= 1e-12)
        *least = 0;
    else if (value[0] < *least)
        *least = value[0];
}

/* The smallest singular value of columns that `most` givers of those who are kept can have: at
 * least this of any lie of theirs is seen; and what is, of all lies and rounding. */
static kofn_status
find_least_seen(const search *s, const outcome *o, double *ret_seen, double *ret_left,
                kofn_error *err)
{
    gram g;
    const kofn_status status = gram_init(&g, s, o, err);
    if (status)
        return status;
    double least = 1;
    size_t at[KOFN_LIARS_MAX];
    const size_t size = s->most < g.givers ? s->most : g.givers;
    for (size_t i = 0; i < size; i++)
        at[i] = i;
    do {
        if (size > 0)
            measure_set(&g, at, size, &least);
    } while (least > 0 && advance(at, size, g.givers));
    gram_fini(&g);
    *ret_seen = sqrt(least);
    *ret_left = g.left;
    return KOFN_OK;
}

/* Of those who gave what is kept `most` might lie, in L, and the others H are off by no more than
 * rounding:
 *
 *     least |E_L| <= |H_L E_L| <= |H E| + |H_H E_H|,   |S^T (H E) R| <= left + own
 *
 * S and R may have shrunk H E, but what they make of E_H does not matter: GROW is not in it, as it
 * is in the tolerance. Rounding of the projection of E_L itself is no more than noise of that. */
static kofn_status
measure_slack(const search *s, const outcome *o, double *ret_slack, kofn_error *err)
{
    const kofn_coding *c = s->answers->coding;
    const double rounding = kofn_projection_get_noise(c->code->field, c->part.rows, c->part.cols);
    const double norms = s->answers->norm[0] * s->answers->norm[1];
    const double honest = sqrt((double)s->count) * kofn_coding_get_noise(c);
    double least, left;
    const kofn_status status = find_least_seen(s, o, &least, &left, err);
    if (status)
        return status;
    const double seen = KOFN_PROJECTION_SHRINK * least - sqrt((double)s->reach[s->most]) * rounding;
    const double slack =
        (fmin(left, s->tolerance) + s->own) / norms + KOFN_PROJECTION_SHRINK * honest;
    *ret_slack = norms == 0                    ? 0
                 : seen > 0 && isfinite(slack) ? slack / seen + kofn_coding_get_noise(c)
                                               : INFINITY;
    return KOFN_OK;
}

/* ---- who lies -------------------------------------------------------------------------------- */

/* Of reals: honest answers are finite, and so are all sums on the way. */
static bool
are_finite(const kofn_liars_answers *a)
{
    const double most = a->coding->code->field->dtype == KOFN_F64 ? DBL_MAX : FLT_MAX;
    double rows = 1;
    for (size_t i = 0; i < a->count; i++)
        rows = fmax(rows, kofn_code_row_norm(a->coding->code, a->task[i]));
    const double spread =
        4 * rows * kofn_projection_get_spread(a->coding->part.rows, a->coding->part.cols);
    return rows * a->norm[0] < most / 4 && rows * a->norm[1] < most / 4 &&
           rows * a->norm[0] * a->norm[1] < most / 4 &&
           (1 + a->norm[0]) * (1 + a->norm[1]) < DBL_MAX / spread;
}

/* No honest answer's sums are larger: what is, need not be searched for, nor have its rounding
 * drown what others did. */
static bool
is_possible(const kofn_liars_answers *a, size_t answer)
{
    if (a->coding->code->field->order != 0)
        return true;
    const double length = kofn_code_row_norm(a->coding->code, a->task[answer]);
    const double most =
        LARGEST * KOFN_PROJECTION_GROW * length * a->norm[0] * a->norm[1] + get_floor(a);
    double size = 0;
    for (size_t k = 0; k < a->width; k++)
        size = hypot(size, a->x[answer * a->width + k]);
    return size <= most; // false for NaN
}

static kofn_status
fail_too_many(const kofn_liars_answers *a, kofn_error *err)
{
    return kofn_fail(
        err, KOFN_DATA_LOSS,
        "of %zu answers those of more than %zu workers are wrong: allow for more liars, "
        "or verify by freivalds, which bounds no number and names them",
        a->count, a->most);
}

static kofn_status
search_init(search *s, kofn_error *err)
{
    const size_t r = s->count;
    s->parity = malloc((r * r + 1) * sizeof *s->parity);
    s->room = malloc(((r + 1) * r + 1) * sizeof *s->room);
    if (!s->parity || !s->room)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the parity of %zu answers",
                         r);
    kofn_status status = is_exact(s) ? make_exact_parity(s, err) : make_real_parity(s, err);
    if (status != KOFN_OK)
        return status;
    s->syndrome = calloc(s->answers->width * s->parities + 1, sizeof *s->syndrome);
    if (!s->syndrome)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the parity of %zu answers",
                         r);
    make_syndrome(s);
    return KOFN_OK;
}

static kofn_status
run_search(search *s, outcome *o, double *ret_slack, kofn_error *err)
{
    kofn_status status = search_init(s, err);
    if (status == KOFN_OK && !explains(s, NULL, 0)) {
        status = try_sets(s, o, err);
        if (status == KOFN_OK && o->count == 0)
            status = fail_too_many(s->answers, err);
    }
    if (status == KOFN_OK && !is_exact(s))
        status = measure_slack(s, o, ret_slack, err);
    return status;
}

/* Named ones go to the front. */
static void
add_liar(kofn_liars *liars, size_t task, bool named)
{
    assert(liars->count < KOFN_LIARS_ANSWERS_MAX);
    liars->task[liars->count++] = task;
    if (!named)
        return;
    const size_t moved = liars->task[liars->named];
    liars->task[liars->named++] = task;
    liars->task[liars->count - 1] = liars->named == liars->count ? task : moved;
}

/* Would it not agree with the others, if it alone of the set's were kept? */
static bool
is_wrong(const search *s, const outcome *o, size_t answer)
{
    return !is_explained_by(s, s->column, list_columns(s, o->set, o->count, answer));
}

/* All answers of a liar are left out, and those named that are wrong. Where it cannot be told which
 * of several that is, or it would take too long, all are. */
static void
add_giver(const search *s, const outcome *o, size_t giver, kofn_liars *liars)
{
    bool wrong[TOLD_APART] = {false};
    const size_t first = s->first[giver], end = s->first[giver + 1];
    const bool named = contains(o->common, o->in_all, &giver, 1);
    const bool each = list_columns(s, o->set, o->count, SIZE_MAX) <= TOLD_APART;
    size_t count = 0;
    for (size_t k = first; k < end && named && each; k++)
        count += wrong[k - first] = is_wrong(s, o, k);
    for (size_t k = first; k < end; k++)
        add_liar(liars, get_task(s, k), named && (count == 0 || wrong[k - first]));
}

typedef struct given { // an answer
    uint64_t giver;
    size_t at;
} given;

static int
compare_given(const void *x, const void *y)
{
    const given *a = x, *b = y;
    if (a->giver != b->giver)
        return a->giver < b->giver ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static given *
sort_by_giver(const kofn_liars_answers *a)
{
    given *sorted = malloc((a->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < a->count && sorted; i++)
        sorted[i] = (given){.giver = a->giver ? a->giver[i] : i, .at = i};
    if (sorted && a->count > 0)
        qsort(sorted, a->count, sizeof *sorted, compare_given);
    return sorted;
}

/* One giver's: to the search, or where some are impossible to what is left out. */
static void
take_answers(search *s, const given *g, size_t count, kofn_liars *liars, size_t *impossible)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !is_possible(s->answers, g[i].at);
    *impossible += wrong > 0;
    for (size_t i = 0; i < count; i++) {
        if (wrong > 0)
            add_liar(liars, s->answers->task[g[i].at], !is_possible(s->answers, g[i].at));
        else
            s->at[s->count++] = g[i].at;
    }
    if (wrong > 0)
        return;
    s->first[++s->givers] = s->count;
    for (size_t size = KOFN_LIARS_MAX; size > 0; size--) { // most first
        const size_t with = s->reach[size - 1] + count;
        s->reach[size] = with > s->reach[size] ? with : s->reach[size];
    }
}

static kofn_status
find_givers(search *s, kofn_liars *liars, size_t *ret_impossible, kofn_error *err)
{
    const size_t r = s->answers->count;
    given *sorted = sort_by_giver(s->answers);
    s->at = malloc((r + 1) * sizeof *s->at);
    s->first = calloc(r + 1, sizeof *s->first);
    s->column = malloc((r + 1) * sizeof *s->column);
    if (!sorted || !s->at || !s->first || !s->column) {
        free(sorted);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to find who lies");
    }
    *ret_impossible = 0;
    for (size_t i = 0, next; i < r; i = next) {
        for (next = i + 1; next < r && sorted[next].giver == sorted[i].giver;)
            next++;
        take_answers(s, sorted + i, next - i, liars, ret_impossible);
    }
    free(sorted);
    return KOFN_OK;
}

static void
search_fini(search *s)
{
    free(s->at);
    free(s->first);
    free(s->column);
    free(s->parity);
    free(s->syndrome);
    free(s->room);
}

kofn_status
kofn_liars_find(const kofn_liars_answers *answers, kofn_liars *ret_liars, kofn_error *err)
{
    const kofn_code *code = answers->coding->code;
    kofn_liars liars = {0};
    if (code->field->order == 0 && !are_finite(answers)) {
        *ret_liars = (kofn_liars){.slack = INFINITY};
        return KOFN_OK;
    }
    search s = {.answers = answers,
                .code = code,
                .field = code->field->order == 0 ? kofn_field_find("f64") : code->field};
    size_t impossible = 0;
    outcome o = {0};
    kofn_status status = find_givers(&s, &liars, &impossible, err);
    s.most = answers->most - (impossible < answers->most ? impossible : answers->most);
    if (status == KOFN_OK && impossible > answers->most)
        status = fail_too_many(answers, err);
    if (status == KOFN_OK && s.count > 0)
        status = run_search(&s, &o, &liars.slack, err);
    for (size_t i = 0; i < o.count && status == KOFN_OK; i++)
        add_giver(&s, &o, o.set[i], &liars);
    search_fini(&s);
    if (status == KOFN_OK || status == KOFN_DATA_LOSS) // then those that no honest one can be
        *ret_liars = liars;
    return status;
}
