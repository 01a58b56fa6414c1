#include "common/code/batch.h"
#include "common/code/grouping.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What is really allocated: users see the first member. */
typedef struct counted_batch {
    kofn_batch batch;
    atomic_size_t refs;
} counted_batch;

static const char *const side_names[] = {"left", "right"};
static const char *const operand_names[] = {"A", "B"};

/* ---- checks ---------------------------------------------------------------------------------- */

static size_t
count_blocks(kofn_grid grid)
{
    return kofn_size_multiply(grid.rows, grid.cols);
}

/* Of the reals: products and quotients of some of them are numbers, too, and f32 has none beyond
 * its elements. */
static double
get_most(const kofn_field *f)
{
    return f->dtype == KOFN_F32 ? 0x1p60 : 0x1p250;
}

/* A coefficient that the field has. */
static bool
is_number(const kofn_field *f, double coef)
{
    if (f->order != 0)
        return coef >= 0 && coef < f->order && coef == floor(coef);
    return coef == 0 || (fabs(coef) <= get_most(f) && fabs(coef) >= 1 / get_most(f));
}

kofn_status
kofn_batch_check_number(const kofn_field *field, double number, kofn_error *err)
{
    if (is_number(field, number))
        return KOFN_OK;
    if (field->order != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%g cannot be counted with in %s: need a whole number below %.0f", number,
                         field->name, field->order);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%g cannot be counted with in %s: need a number between %.1e and %.1e in "
                     "size, or 0",
                     number, field->name, 1 / get_most(field), get_most(field));
}

static kofn_status
check_grid(const char *what, kofn_grid grid, kofn_error *err)
{
    if (grid.rows == 0 || grid.cols == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "batch: %s is cut into %zu by %zu blocks",
                         what, grid.rows, grid.cols);
    if (count_blocks(grid) > KOFN_BATCH_TERMS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "batch: %s is cut into %zu by %zu blocks, at most %d fit", what, grid.rows,
                         grid.cols, KOFN_BATCH_TERMS_MAX);
    return KOFN_OK;
}

/* Columns and coefficients of row `row`; "left side of pair 3" is "%s %zu". */
static kofn_status
check_row(const kofn_sums *sums, size_t row, const char *what, const kofn_field *f, kofn_error *err)
{
    const size_t first = sums->first[row];
    for (size_t i = first; i < sums->first[row + 1]; i++) {
        if (sums->column[i] >= sums->cols)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "batch: %s %zu names %zu, need less than %zu", what, row,
                             sums->column[i], sums->cols);
        if (i > first && sums->column[i] <= sums->column[i - 1])
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "batch: %s %zu names %zu after %zu, need them in ascending order",
                             what, row, sums->column[i], sums->column[i - 1]);
        if (sums->coef[i] == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "batch: %s %zu has the coefficient 0, need another number, or none",
                             what, row);
        if (kofn_batch_check_number(f, sums->coef[i], err) != KOFN_OK)
            return kofn_fail_within(err, "batch: a coefficient of %s %zu", what, row);
    }
    return KOFN_OK;
}

static kofn_status
check_sums(const kofn_sums *sums, size_t rows, size_t cols, const char *what, const kofn_field *f,
           kofn_error *err)
{
    if (sums->rows != rows || sums->cols != cols || sums->first[0] != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "batch: %s: %zu sums over %zu, need %zu over %zu", what, sums->rows,
                         sums->cols, rows, cols);
    for (size_t row = 0; row < rows; row++)
        if (sums->first[row + 1] < sums->first[row])
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "batch: %s %zu ends before it begins",
                             what, row);
    if (sums->first[rows] > KOFN_BATCH_TERMS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "batch: %zu terms of %s, at most %d fit",
                         sums->first[rows], what, KOFN_BATCH_TERMS_MAX);
    kofn_status status = KOFN_OK;
    for (size_t row = 0; row < rows && !status; row++)
        status = check_row(sums, row, what, f, err);
    return status;
}

static kofn_status
check_count(size_t count, kofn_error *err)
{
    if (count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "batch: there are no pairs");
    if (count > KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "batch: %zu pairs, at most %d fit", count,
                         KOFN_PAIRS_MAX);
    return KOFN_OK;
}

static kofn_status
check_side(const kofn_batch *b, size_t side, const kofn_field *f, kofn_error *err)
{
    const kofn_sums *sums = &b->side[side];
    kofn_status status = check_grid(operand_names[side], b->grid[side], err);
    if (!status)
        status = check_sums(sums, b->count, count_blocks(b->grid[side]),
                            side == 0 ? "left side of pair" : "right side of pair", f, err);
    for (size_t i = 0; i < b->count && !status; i++)
        if (sums->first[i] == sums->first[i + 1])
            status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                               "batch: the %s side of pair %zu has no blocks", side_names[side], i);
    return status;
}

static kofn_status
check_batch(const kofn_batch *b, const kofn_field *f, kofn_error *err)
{
    kofn_status status = check_count(b->count, err);
    for (size_t side = 0; side < 2 && !status; side++)
        status = check_side(b, side, f, err);
    if (!status)
        status = check_grid("C", b->out, err);
    if (!status)
        status =
            check_sums(&b->weights, count_blocks(b->out), b->count, "weights of block", f, err);
    return status;
}

/* ---- sums that are being made ---------------------------------------------------------------- */

typedef struct term {
    size_t column;
    double coef;
} term;

static int
compare_terms(const void *left, const void *right)
{
    const term *a = left, *b = right;
    return (a->column > b->column) - (a->column < b->column);
}

/* Terms become what a row of sums is: one for each column, ascending, none zero. In the reals what
 * is left of a sum by its own rounding counts as zero, so that dependencies written in decimals
 * cancel. Returns how many are left. */
static size_t
settle_terms(const kofn_field *f, term *at, size_t count)
{
    size_t kept = 0;
    qsort(at, count, sizeof *at, compare_terms);
    for (size_t i = 0, next; i < count; i = next) {
        double sum = 0, size = 0;
        for (next = i; next < count && at[next].column == at[i].column; next++) {
            sum = f->add(f, sum, at[next].coef);
            size += fabs(at[next].coef);
        }
        const double noise = f->order == 0 ? (double)(next - i - 1) * DBL_EPSILON * size : 0;
        if (sum != 0 && !(fabs(sum) <= noise))
            at[kept++] = (term){.column = at[i].column, .coef = sum};
    }
    return kept;
}

/* Row `row` of sums whose earlier rows are there. */
static void
put_row(kofn_sums *sums, size_t row, const term *at, size_t count)
{
    const size_t first = sums->first[row];
    for (size_t i = 0; i < count; i++) {
        sums->column[first + i] = at[i].column;
        sums->coef[first + i] = at[i].coef;
    }
    sums->first[row + 1] = first + count;
}

static size_t
count_terms(const kofn_sums *sums, size_t row)
{
    return sums->first[row + 1] - sums->first[row];
}

/* ---- pairs that are the same ----------------------------------------------------------------- */

typedef struct numbered_pair { // so that qsort's comparison knows the batch
    const kofn_batch *of;
    size_t index;
} numbered_pair;

static int
compare_rows(const kofn_sums *sums, size_t i, size_t j)
{
    const size_t count = count_terms(sums, i), others = count_terms(sums, j);
    if (count != others)
        return count < others ? -1 : 1;
    for (size_t t = 0; t < count; t++) {
        const size_t a = sums->first[i] + t, b = sums->first[j] + t;
        if (sums->column[a] != sums->column[b])
            return sums->column[a] < sums->column[b] ? -1 : 1;
        if (sums->coef[a] < sums->coef[b] || sums->coef[a] > sums->coef[b])
            return sums->coef[a] < sums->coef[b] ? -1 : 1;
    }
    return 0;
}

static int
compare_products(const numbered_pair *a, const numbered_pair *b)
{
    const int order = compare_rows(&a->of->side[0], a->index, b->index);
    return order ? order : compare_rows(&a->of->side[1], a->index, b->index);
}

static int
compare_pairs(const void *left, const void *right)
{
    const numbered_pair *a = left, *b = right;
    const int order = compare_products(a, b);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* same[i]: the first pair that has the same product as pair i. */
static kofn_status
find_same(const kofn_batch *b, size_t *same, kofn_error *err)
{
    numbered_pair *pairs = malloc(b->count * sizeof *pairs);
    if (!pairs)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs", b->count);
    for (size_t i = 0; i < b->count; i++)
        pairs[i] = (numbered_pair){.of = b, .index = i};
    qsort(pairs, b->count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < b->count; i++) {
        const bool again = i > 0 && compare_products(&pairs[i - 1], &pairs[i]) == 0;
        same[pairs[i].index] = again ? same[pairs[i - 1].index] : pairs[i].index;
    }
    free(pairs);
    return KOFN_OK;
}

/* Weights by the pairs that stand for others, still in the old numbers. */
static kofn_status
merge_weights(const kofn_batch *from, const kofn_field *f, const size_t *same, kofn_sums *weights,
              kofn_error *err)
{
    const kofn_sums *w = &from->weights;
    term *row = malloc(from->count * sizeof *row);
    kofn_status status = row && kofn_sums_alloc(w->rows, w->cols, w->first[w->rows], weights)
                             ? KOFN_OK
                             : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                                         "batch: no memory for %zu weights", w->first[w->rows]);
    for (size_t t = 0; t < w->rows && !status; t++) {
        size_t count = count_terms(w, t);
        for (size_t i = 0; i < count; i++)
            row[i] = (term){same[w->column[w->first[t] + i]], w->coef[w->first[t] + i]};
        count = settle_terms(f, row, count);
        put_row(weights, t, row, count);
        for (size_t i = 0; i < count && !status; i++)
            if (!is_number(f, row[i].coef))
                status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                                   "batch: weights of block %zu add up to %g for pair %zu", t,
                                   row[i].coef, row[i].column);
    }
    free(row);
    return status;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Weights' columns, which are pairs of `from`, become those that are kept: kept[i] in ascending
 * order, and how many. */
static size_t
number_pairs(kofn_sums *weights, size_t pairs, size_t *number, size_t *kept)
{
    size_t count = 0;
    memset(number, 0, pairs * sizeof *number);
    for (size_t i = 0; i < weights->first[weights->rows]; i++)
        number[weights->column[i]] = 1;
    for (size_t i = 0; i < pairs; i++)
        if (number[i]) {
            number[i] = count;
            kept[count++] = i;
        }
    for (size_t i = 0; i < weights->first[weights->rows]; i++)
        weights->column[i] = number[weights->column[i]];
    weights->cols = count;
    return count;
}

/* What is left of `from`, of which same[i] is known; `room` for as many numbers twice. */
static kofn_status
fill_batch(const kofn_batch *from, const kofn_field *f, const size_t *same, size_t *room,
           kofn_batch *batch, kofn_error *err)
{
    const kofn_status status = merge_weights(from, f, same, &batch->weights, err);
    if (status)
        return status;
    size_t *kept = room + from->count;
    batch->count = number_pairs(&batch->weights, from->count, room, kept);
    if (batch->count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "batch: no pair has a weight");
    batch->origin = malloc(batch->count * sizeof *batch->origin);
    if (!batch->origin)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs",
                         batch->count);
    memcpy(batch->origin, kept, batch->count * sizeof *kept);
    for (size_t side = 0; side < 2; side++)
        if (!kofn_sums_copy_rows(&from->side[side], kept, batch->count, f, NULL,
                                 &batch->side[side]))
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs",
                             batch->count);
    return KOFN_OK;
}

kofn_status
kofn_batch_new(const kofn_batch *from, const kofn_field *field, kofn_batch **ret_batch,
               kofn_error *err)
{
    kofn_status status = check_batch(from, field, err);
    if (status)
        return status;
    counted_batch *counted = calloc(1, sizeof *counted);
    size_t *same = malloc(3 * from->count * sizeof *same);
    kofn_batch *batch = counted ? &counted->batch : NULL;
    if (!batch || !same) {
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs", from->count);
        goto out;
    }
    atomic_init(&counted->refs, 1);
    memcpy(batch->grid, from->grid, sizeof batch->grid);
    batch->out = from->out;
    batch->groupings = kofn_groupings_new();
    status = find_same(from, same, err);
    if (!status)
        status = fill_batch(from, field, same, same + from->count, batch, err);
out:
    free(same);
    if (status)
        kofn_batch_destroy(&batch);
    else
        *ret_batch = batch;
    return status;
}

kofn_status
kofn_batch_new_stacked(size_t lefts, size_t rights, size_t count, const size_t *left,
                       const size_t *right, const double *weights, const kofn_field *field,
                       kofn_batch **ret_batch, kofn_error *err)
{
    kofn_batch b = {.grid = {{.rows = lefts, .cols = 1}, {.rows = rights, .cols = 1}},
                    .out = {.rows = weights ? 1 : count, .cols = 1},
                    .count = count};
    kofn_status status = check_count(count, err);
    if (status)
        return status;
    if (kofn_sums_alloc_single(count, lefts, left, &b.side[0]) &&
        kofn_sums_alloc_single(count, rights, right, &b.side[1]) &&
        kofn_sums_alloc_single(count, count, NULL, &b.weights)) {
        if (weights) {
            b.weights.rows = 1;
            b.weights.first[1] = count;
            memcpy(b.weights.coef, weights, count * sizeof *weights);
        }
        status = kofn_batch_new(&b, field, ret_batch, err);
    } else {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs", count);
    }
    free(b.side[0].first);
    free(b.side[1].first);
    free(b.weights.first);
    return status;
}

void
kofn_batch_add_product(kofn_batch *batch, size_t left, size_t right, double weight)
{
    const size_t pair = batch->count++, block[] = {left, right};
    batch->weights.column[pair] = pair;
    batch->weights.coef[pair] = weight;
    for (size_t side = 0; side < 2; side++) {
        batch->side[side].column[pair] = block[side];
        batch->side[side].coef[pair] = 1;
        batch->side[side].first[pair + 1] = pair + 1;
    }
}

kofn_batch *
kofn_batch_ref(kofn_batch *batch)
{
    atomic_fetch_add_explicit(&((counted_batch *)batch)->refs, 1, memory_order_relaxed);
    return batch;
}

void
kofn_batch_destroy(kofn_batch **batch_p)
{
    counted_batch *counted = (counted_batch *)*batch_p;
    *batch_p = NULL;
    if (!counted || atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(counted->batch.side[0].first);
    free(counted->batch.side[1].first);
    free(counted->batch.weights.first);
    free(counted->batch.origin);
    kofn_groupings_destroy(&counted->batch.groupings);
    free(counted);
}

size_t
kofn_batch_get_block(const kofn_batch *batch, size_t side, size_t pair)
{
    assert(side < 2 && pair < batch->count);
    const kofn_sums *sums = &batch->side[side];
    const size_t at = sums->first[pair];
    return count_terms(sums, pair) == 1 && sums->coef[at] == 1 ? sums->column[at] : SIZE_MAX;
}

size_t
kofn_batch_count_used(const kofn_batch *batch, size_t side)
{
    const kofn_sums *sums = &batch->side[side];
    bool used[KOFN_BATCH_TERMS_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < sums->first[sums->rows]; i++) {
        count += !used[sums->column[i]];
        used[sums->column[i]] = true;
    }
    return count;
}

void
kofn_batch_mix(const kofn_batch *batch, const kofn_field *field, size_t side, const double *by,
               double *row, double *room)
{
    const kofn_sums *sums = &batch->side[side];
    memset(row, 0, sums->cols * sizeof *row);
    memset(room, 0, sums->cols * sizeof *room);
    for (size_t pair = 0; pair < batch->count; pair++)
        for (size_t i = sums->first[pair]; i < sums->first[pair + 1]; i++) {
            const double part = field->multiply(field, by[pair], sums->coef[i]);
            row[sums->column[i]] = field->add(field, row[sums->column[i]], part);
            room[sums->column[i]] += fabs(part);
        }
    const double noise =
        (double)batch->count * DBL_EPSILON; // of factors that took as many roundings
    for (size_t c = 0; c < sums->cols && field->order == 0; c++)
        if (fabs(row[c]) <= 4 * noise * room[c])
            row[c] = 0;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

enum { MIXED = 1 << 20 }; // no row or column of a grid

/* The row, or column, of operand `side`'s grid in which all blocks of the pair lie, or MIXED. */
static size_t
find_place(const kofn_batch *b, size_t side, bool columns, size_t pair)
{
    const kofn_sums *sums = &b->side[side];
    const size_t cols = b->grid[side].cols;
    size_t place = MIXED;
    for (size_t i = sums->first[pair]; i < sums->first[pair + 1]; i++) {
        const size_t at = columns ? sums->column[i] % cols : sums->column[i] / cols;
        if (i > sums->first[pair] && at != place)
            return MIXED;
        place = at;
    }
    return place;
}

/* Does each block of C have pairs of its own row of A's grid only, or of its own column of B's? */
static bool
is_cut_alike(const kofn_batch *b, bool columns, size_t *place)
{
    for (size_t i = 0; i < b->count; i++)
        place[i] = find_place(b, columns, columns, i);
    for (size_t t = 0; t < b->weights.rows; t++)
        for (size_t i = b->weights.first[t]; i < b->weights.first[t + 1]; i++)
            if (place[b->weights.column[i]] != (columns ? t % b->out.cols : t / b->out.cols))
                return false;
    return true;
}

/* Do the sides of each pair lie in one column of A's grid, and the same row of B's? */
static bool
meets_alike(const kofn_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const size_t place = find_place(b, 0, true, i);
        if (place == MIXED || find_place(b, 1, false, i) != place)
            return false;
    }
    return true;
}

/* Rows of C, or its columns, from `size` of the operand; `gridded`: operands are cut as those of
 * one product, and not stacked. */
static kofn_status
get_extent(const kofn_batch *b, bool columns, size_t size, bool gridded, size_t *place,
           size_t *ret_extent, kofn_error *err)
{
    const size_t cut = columns ? b->grid[1].cols : b->grid[0].rows;
    const size_t parts = columns ? b->out.cols : b->out.rows;
    if (size % cut != 0 && (!gridded || cut != parts || !is_cut_alike(b, columns, place)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "batch: the %zu %s of %s do not divide into %zu blocks of one shape", size,
                         columns ? "columns" : "rows", operand_names[columns], cut);
    *ret_extent = size % cut != 0 ? size : kofn_size_multiply(size / cut, parts);
    return *ret_extent < SIZE_MAX
               ? KOFN_OK
               : kofn_fail(err, KOFN_OUT_OF_RANGE, "batch: C would have %zu blocks of %zu %s",
                           parts, size / cut, columns ? "columns" : "rows");
}

static kofn_status
check_inner(const kofn_batch *b, const kofn_extents *operands, bool gridded, kofn_error *err)
{
    const size_t a = operands->cols[0], a_cut = b->grid[0].cols;
    const size_t c = operands->rows[1], c_cut = b->grid[1].rows;
    if (a % a_cut == 0 && c % c_cut == 0 && a / a_cut == c / c_cut)
        return KOFN_OK;
    if (gridded && meets_alike(b))
        return KOFN_OK;
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "batch: blocks of A do not fit blocks of B: the %zu columns of A in %zu parts, "
        "the %zu rows of B in %zu; need parts of one size",
        a, a_cut, c, c_cut);
}

static size_t
count_most_pairs(const kofn_batch *b)
{
    size_t most = 0;
    for (size_t t = 0; t < b->weights.rows; t++)
        most = count_terms(&b->weights, t) > most ? count_terms(&b->weights, t) : most;
    return most;
}

kofn_status
kofn_batch_get_shape(const kofn_batch *batch, const kofn_extents *operands, kofn_shape *ret_shape,
                     kofn_error *err)
{
    if (operands->count != 2)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "batch: %zu operands, need 2",
                         operands->count);
    size_t *place = malloc(batch->count * sizeof *place);
    if (!place)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu pairs",
                         batch->count);
    const size_t inner = kofn_part_size(operands->cols[0], batch->grid[0].cols);
    kofn_shape shape = {.inner = kofn_size_multiply(count_most_pairs(batch), inner)};
    const bool gridded =
        batch->grid[0].cols == batch->grid[1].rows && operands->cols[0] == operands->rows[1];
    kofn_status status = check_inner(batch, operands, gridded, err);
    if (!status)
        status = get_extent(batch, false, operands->rows[0], gridded, place, &shape.rows, err);
    if (!status)
        status = get_extent(batch, true, operands->cols[1], gridded, place, &shape.cols, err);
    if (!status && shape.inner == SIZE_MAX)
        status = kofn_fail(err, KOFN_OUT_OF_RANGE, "batch: sums of too many products");
    free(place);
    if (!status)
        *ret_shape = shape;
    return status;
}

/* ---- targets --------------------------------------------------------------------------------- */

size_t
kofn_batch_count_products(const kofn_batch *batch, size_t pair)
{
    return count_terms(&batch->side[0], pair) * count_terms(&batch->side[1], pair);
}

static size_t
count_row_products(const kofn_batch *b, size_t t)
{
    size_t count = 0; // no overflow: 2^16 weights of 2^32 products at most
    for (size_t i = b->weights.first[t]; i < b->weights.first[t + 1]; i++)
        count += kofn_batch_count_products(b, b->weights.column[i]);
    return count;
}

/* weight times the pair's product, at the terms from `at` on; where they end. */
static term *
add_pair(const kofn_batch *b, const kofn_field *f, size_t pair, double weight, term *at)
{
    const kofn_sums *left = &b->side[0], *right = &b->side[1];
    for (size_t i = left->first[pair]; i < left->first[pair + 1]; i++)
        for (size_t j = right->first[pair]; j < right->first[pair + 1]; j++)
            *at++ = (term){
                .column = left->column[i] * right->cols + right->column[j],
                .coef = f->multiply(f, weight, f->multiply(f, left->coef[i], right->coef[j]))};
    return at;
}

static kofn_status
fill_targets(const kofn_batch *b, const kofn_field *f, term *room, kofn_sums *targets,
             kofn_error *err)
{
    for (size_t t = 0; t < targets->rows; t++) {
        term *end = room;
        for (size_t i = b->weights.first[t]; i < b->weights.first[t + 1]; i++)
            end = add_pair(b, f, b->weights.column[i], b->weights.coef[i], end);
        const size_t count = settle_terms(f, room, (size_t)(end - room));
        put_row(targets, t, room, count);
        for (size_t i = 0; i < count; i++)
            if (!is_number(f, room[i].coef))
                return kofn_fail(err, KOFN_OUT_OF_RANGE,
                                 "batch: a product's coefficient in block %zu is %g", t,
                                 room[i].coef);
    }
    return KOFN_OK;
}

kofn_status
kofn_batch_make_targets(const kofn_batch *batch, const kofn_field *field, kofn_sums *ret_targets,
                        kofn_error *err)
{
    size_t most = 0, all = 0;
    for (size_t t = 0; t < batch->weights.rows; t++) {
        const size_t count = count_row_products(batch, t);
        most = count > most ? count : most;
        all += count;
    }
    if (all > KOFN_BATCH_PRODUCTS_MAX)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "batch: C is a sum of %zu block products, at most %d fit; take pairs of "
                         "fewer blocks",
                         all, KOFN_BATCH_PRODUCTS_MAX);
    kofn_sums targets = {0};
    term *room = malloc((most + 1) * sizeof *room);
    if (!room || !kofn_sums_alloc(batch->weights.rows, batch->side[0].cols * batch->side[1].cols,
                                  all, &targets)) {
        free(room);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu block products",
                         all);
    }
    const kofn_status status = fill_targets(batch, field, room, &targets, err);
    free(room);
    if (status)
        free(targets.first);
    else
        *ret_targets = targets;
    return status;
}
