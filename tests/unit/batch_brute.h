/* Batches for tests, written out as dense numbers, and what groups of their pairs need, by the
 * definitions: ranks by brute force, sums factored pair by pair. */
#ifndef KOFN_TESTS_BATCH_BRUTE_H
#define KOFN_TESTS_BATCH_BRUTE_H

#include "common/code/batch.h"
#include "tests/unit/code_brute.h"

enum { BRUTE_PAIRS = 16, BRUTE_BLOCKS = 16 };

typedef struct brute_batch {
    const kofn_field *field;
    size_t pairs, blocks[2], targets;
    double side[2][BRUTE_PAIRS][BRUTE_BLOCKS];
    double weight[BRUTE_PAIRS][BRUTE_PAIRS]; // [targets][pairs]
} brute_batch;

static inline kofn_sums
brute_sums(size_t rows, size_t cols, const double *at, size_t stride)
{
    kofn_sums sums;
    assert_true(kofn_sums_alloc(rows, cols, rows * cols, &sums));
    for (size_t r = 0; r < rows; r++) {
        size_t end = sums.first[r];
        for (size_t c = 0; c < cols; c++)
            if (at[r * stride + c] != 0) {
                sums.column[end] = c;
                sums.coef[end++] = at[r * stride + c];
            }
        sums.first[r + 1] = end;
    }
    return sums;
}

static inline void
brute_dense(const kofn_sums *sums, double *at, size_t stride)
{
    for (size_t r = 0; r < sums->rows; r++)
        for (size_t c = 0; c < stride; c++)
            at[r * stride + c] = 0;
    for (size_t r = 0; r < sums->rows; r++)
        for (size_t e = sums->first[r]; e < sums->first[r + 1]; e++)
            at[r * stride + sums->column[e]] = sums->coef[e];
}

/* The batch of these numbers; *b becomes what it was merged to. NULL: nothing is left of it, as
 * when weights of equal pairs cancel. */
static inline kofn_batch *
new_brute_batch(brute_batch *b)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    kofn_batch from = {
        .grid = {{b->blocks[0], 1}, {b->blocks[1], 1}}, .out = {b->targets, 1}, .count = b->pairs};
    for (size_t j = 0; j < 2; j++)
        from.side[j] = brute_sums(b->pairs, b->blocks[j], b->side[j][0], BRUTE_BLOCKS);
    from.weights = brute_sums(b->targets, b->pairs, b->weight[0], BRUTE_PAIRS);
    const kofn_status status = kofn_batch_new(&from, b->field, &batch, &error);
    for (size_t j = 0; j < 2; j++)
        free(from.side[j].first);
    free(from.weights.first);
    if (status && strstr(error.text, "no pair has a weight"))
        return NULL;
    assert_ok(status);
    for (size_t j = 0; j < 2; j++)
        brute_dense(&batch->side[j], b->side[j][0], BRUTE_BLOCKS);
    brute_dense(&batch->weights, b->weight[0], BRUTE_PAIRS);
    b->pairs = batch->count;
    return batch;
}

/* Pairs "01 11 12": left and right block by their digits; each product for itself, or all in one
 * sum. */
static inline void
write_pairs(brute_batch *b, const kofn_field *field, const char *text, bool sum)
{
    *b = (brute_batch){.field = field, .targets = 1};
    for (; *text; text += text[2] ? 3 : 2) {
        for (size_t j = 0; j < 2; j++) {
            const size_t block = (size_t)(text[j] - '0');
            b->side[j][b->pairs][block] = 1;
            b->blocks[j] = block >= b->blocks[j] ? block + 1 : b->blocks[j];
        }
        b->weight[sum ? 0 : b->pairs][b->pairs] = 1;
        b->pairs++;
    }
    b->targets = sum ? 1 : b->pairs;
}

/* The three products of the 3M method. */
static inline void
write_3m(brute_batch *b, const kofn_field *field)
{
    const double minus = field->negate(field, 1);
    *b = (brute_batch){.field = field,
                       .pairs = 3,
                       .blocks = {2, 2},
                       .targets = 2,
                       .side = {{{1, 0}, {0, 1}, {1, 1}}, {{1, 0}, {0, 1}, {1, 1}}},
                       .weight = {{1, minus, 0}, {minus, minus, 1}}};
}

/* ---- numbers --------------------------------------------------------------------------------- */

static inline double
brute_plus(const kofn_field *f, double a, double b)
{
    return f->order == 0 ? a + b : (double)brute_add(f, (uint64_t)a, (uint64_t)b);
}

static inline double
brute_times(const kofn_field *f, double a, double b)
{
    return f->order == 0 ? a * b : (double)brute_multiply(f, (uint64_t)a, (uint64_t)b);
}

static inline size_t
brute_rank_over(const kofn_field *f, const double at[][BRUTE_BLOCKS], size_t rows)
{
    long double real[BRUTE_PAIRS * BRUTE_BLOCKS];
    uint64_t whole[BRUTE_PAIRS * BRUTE_BLOCKS];
    for (size_t i = 0; i < rows * BRUTE_BLOCKS; i++) {
        real[i] = (long double)at[i / BRUTE_BLOCKS][i % BRUTE_BLOCKS];
        whole[i] = f->order == 0 ? 0 : (uint64_t)at[i / BRUTE_BLOCKS][i % BRUTE_BLOCKS];
    }
    return f->order == 0 ? brute_rank(real, rows, BRUTE_BLOCKS)
                         : brute_field_rank(f, whole, rows, BRUTE_BLOCKS);
}

/* Is b a multiple of a, and which? Neither is zero. */
static inline bool
brute_multiple(const kofn_field *f, const double *a, const double *b, double *ret_by)
{
    size_t c = 0;
    while (a[c] == 0)
        c++;
    const double by =
        f->order == 0 ? b[c] / a[c] : brute_times(f, b[c], (double)brute_invert(f, (uint64_t)a[c]));
    for (c = 0; c < BRUTE_BLOCKS; c++)
        if (fabs(b[c] - brute_times(f, by, a[c])) > (f->order == 0 ? 1e-12 : 0))
            return false;
    *ret_by = by;
    return by != 0;
}

/* ---- what a group needs ---------------------------------------------------------------------- */

typedef struct brute_terms {
    size_t count;
    double side[2][BRUTE_PAIRS][BRUTE_BLOCKS];
} brute_terms;

/* How many degrees less than k - 1. */
static inline size_t
brute_saves(const kofn_field *f, const double side[][BRUTE_BLOCKS], size_t count)
{
    size_t least = count;
    double by;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t o = 0; o < count; o++)
            same += brute_multiple(f, side[i], side[o], &by);
        least = same < least ? same : least;
    }
    if (least > 1)
        return least - 1;
    const size_t rank = brute_rank_over(f, side, count);
    for (size_t without = 0; without < count; without++) {
        double others[BRUTE_PAIRS][BRUTE_BLOCKS];
        for (size_t i = 0, at = 0; i < count; i++)
            if (i != without)
                memcpy(others[at++], side[i], sizeof others[0]);
        if (brute_rank_over(f, (const double(*)[BRUTE_BLOCKS])others, count - 1) < rank)
            return 0;
    }
    return 1;
}

static inline size_t
brute_curve(const kofn_field *f, const brute_terms *t)
{
    return 2 * t->count - 1 - brute_saves(f, t->side[0], t->count) -
           brute_saves(f, t->side[1], t->count);
}

/* X Y_1 + (c X) Y_2 = X (Y_1 + c Y_2): one of two such terms goes; false: there are none. */
static inline bool
brute_factor(const kofn_field *f, brute_terms *t, size_t coordinate)
{
    double by;
    for (size_t i = 0; i < t->count; i++)
        for (size_t o = i + 1; o < t->count; o++) {
            if (!brute_multiple(f, t->side[coordinate][i], t->side[coordinate][o], &by))
                continue;
            double *sum = t->side[1 - coordinate][i], greatest = 0;
            for (size_t c = 0; c < BRUTE_BLOCKS; c++) {
                sum[c] = brute_plus(f, sum[c], brute_times(f, by, t->side[1 - coordinate][o][c]));
                greatest = fmax(greatest, fabs(sum[c]));
            }
            const size_t gone[] = {o, i};
            for (size_t g = 0; g < (greatest > 1e-12 ? 1 : 2); g++, t->count--)
                for (size_t j = 0; j < 2; j++)
                    memmove(t->side[j][gone[g]], t->side[j][gone[g] + 1],
                            (t->count - 1 - gone[g]) * sizeof t->side[j][0]);
            return true;
        }
    return false;
}

/* Answers that pairs of the mask need as one group; where several forms need as few, a curve goes
 * before a grid, and that before a sum. *ret_points: that a finite field must have at least. */
static inline size_t
brute_answers(const brute_batch *b, size_t mask, size_t *ret_points)
{
    const kofn_field *f = b->field;
    size_t pair[64];
    brute_terms t = {.count = list_mask(mask, pair)};
    for (size_t i = 0; i < t.count; i++)
        for (size_t j = 0; j < 2; j++)
            memcpy(t.side[j][i], b->side[j][pair[i]], sizeof t.side[j][i]);
    size_t best = brute_curve(f, &t);
    const size_t grid =
        brute_rank_over(f, t.side[0], t.count) * brute_rank_over(f, t.side[1], t.count);
    *ret_points = grid < best ? 0 : t.count;
    best = grid < best ? grid : best;

    double weight[BRUTE_PAIRS][BRUTE_BLOCKS] = {{0}};
    for (size_t i = 0; i < t.count; i++) {
        double by;
        for (size_t c = 0; c < b->targets; c++)
            weight[i][c] = b->weight[c][pair[i]];
        if (!brute_multiple(f, weight[0], weight[i], &by))
            return best;
        for (size_t c = 0; c < BRUTE_BLOCKS; c++)
            t.side[1][i][c] = brute_times(f, by, t.side[1][i][c]);
    }
    for (bool again = true; again;) {
        again = false;
        for (size_t j = 0; j < 2; j++)
            while (brute_factor(f, &t, j))
                again = true;
    }
    const size_t sum = t.count > 0 ? brute_curve(f, &t) : best;
    *ret_points = sum < best ? t.count : *ret_points;
    return sum < best ? sum : best;
}

#endif
