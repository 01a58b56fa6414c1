#include "common/code/nonzero.h"
#include "common/base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what an operand holds ------------------------------------------------------------------- */

/* Where pieces begin, ascending, and behind them where the last ends. */
typedef struct edges {
    size_t count; // of pieces
    size_t *at;   // [count + 1]
} edges;

/* Of a matrix as it is stored, in pieces that no cut splits which it is asked for: one pass gives
 * the masks of all cuts. */
typedef struct pattern {
    bool transposed;
    size_t size[2]; // rows and columns
    edges edges[2]; // of both
    bool *full;     // [pieces of rows, of columns]
} pattern;

/* Cuts of op(operand), by rows and by columns, that masks are asked for. */
typedef struct cut_lists {
    const size_t *parts[2];
    size_t count[2];
} cut_lists;

/* So many parts of a direction, or so many of several at once: wherever one of them begins. */
static bool
edges_init(edges *e, size_t size, const size_t *parts, size_t count)
{
    size_t most = 1, found = 0;
    for (size_t i = 0; i < count; i++)
        most += parts[i];
    e->at = malloc(most * sizeof *e->at);
    if (!e->at)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < parts[i]; p++)
            e->at[found++] =
                kofn_size_smaller(kofn_size_multiply(p, kofn_part_size(size, parts[i])), size);
    e->at[found++] = size;
    qsort(e->at, found, sizeof *e->at, kofn_size_compare);
    e->count = 0;
    for (size_t i = 1; i < found; i++)
        if (e->at[i] != e->at[e->count])
            e->at[++e->count] = e->at[i];
    return true;
}

static void
mark_csr(const kofn_csr *stored, pattern *p)
{
    for (size_t piece = 0; piece < p->edges[0].count; piece++) {
        bool *full = p->full + piece * p->edges[1].count;
        for (size_t row = p->edges[0].at[piece]; row < p->edges[0].at[piece + 1]; row++) {
            const size_t end = kofn_csr_get_first(stored, row + 1);
            size_t at = 0; // columns ascend
            for (size_t i = kofn_csr_get_first(stored, row); i < end; i++) {
                const size_t column = kofn_csr_get_column(stored, i);
                while (column >= p->edges[1].at[at + 1])
                    at++;
                full[at] = true;
            }
        }
    }
}

static bool
is_zero(const unsigned char *at, size_t length)
{
    return length == 0 || (at[0] == 0 && memcmp(at, at + 1, length - 1) == 0);
}

static void
mark_dense(const kofn_bands *stored, pattern *p)
{
    const size_t width = kofn_dtype_width(stored->dtype), *edge = p->edges[1].at;
    size_t piece = 0;
    for (size_t b = 0; b < stored->count; b++)
        for (size_t row = 0; row < stored->at[b].mat.rows; row++) {
            const unsigned char *at = kofn_mat_get_row(&stored->at[b].mat, row);
            while (stored->at[b].first_row + row >= p->edges[0].at[piece + 1])
                piece++;
            for (size_t i = 0; i < p->edges[1].count; i++) {
                bool *full = p->full + piece * p->edges[1].count + i;
                *full = *full || !is_zero(at + edge[i] * width, (edge[i + 1] - edge[i]) * width);
            }
        }
}

static void
pattern_fini(pattern *p)
{
    free(p->edges[0].at);
    free(p->edges[1].at);
    free(p->full);
}

/* To be ended in any case. */
static kofn_status
pattern_init(pattern *p, const kofn_nonzero_operand *operand, const cut_lists *c, kofn_error *err)
{
    *p = (pattern){.transposed = operand->transposed};
    p->size[0] = operand->csr ? operand->csr->rows : operand->dense->rows;
    p->size[1] = operand->csr ? operand->csr->cols : operand->dense->cols;
    bool there = true;
    for (size_t d = 0; d < 2; d++) {
        const size_t asked = p->transposed ? 1 - d : d;
        there = there && edges_init(&p->edges[d], p->size[d], c->parts[asked], c->count[asked]);
    }
    if (there)
        p->full = calloc(p->edges[0].count * p->edges[1].count + 1, sizeof *p->full);
    if (!p->full)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for masks of %zu x %zu elements",
                         p->size[0], p->size[1]);
    if (operand->csr)
        mark_csr(operand->csr, p);
    else
        mark_dense(operand->dense, p);
    return KOFN_OK;
}

/* By a grid whose cuts are among those that were asked for. */
static void
fill_mask(const pattern *p, kofn_grid grid, bool *ret_mask)
{
    const size_t *row_at = p->edges[0].at, *col_at = p->edges[1].at;
    const size_t high = kofn_part_size(p->size[0], p->transposed ? grid.cols : grid.rows);
    const size_t wide = kofn_part_size(p->size[1], p->transposed ? grid.rows : grid.cols);
    memset(ret_mask, 0, grid.rows * grid.cols * sizeof *ret_mask);
    for (size_t r = 0; r < p->edges[0].count; r++)
        for (size_t c = 0; c < p->edges[1].count; c++) {
            const size_t i = row_at[r] / high, j = col_at[c] / wide;
            if (p->full[r * p->edges[1].count + c])
                ret_mask[p->transposed ? j * grid.cols + i : i * grid.cols + j] = true;
        }
}

kofn_status
kofn_nonzero_mark(const kofn_nonzero_operand *operand, kofn_grid grid, bool *ret_mask,
                  kofn_error *err)
{
    const cut_lists c = {.parts = {&grid.rows, &grid.cols}, .count = {1, 1}};
    pattern p;
    const kofn_status status = pattern_init(&p, operand, &c, err);
    if (!status)
        fill_mask(&p, grid, ret_mask);
    pattern_fini(&p);
    return status;
}

/* ---- the batch ------------------------------------------------------------------------------- */

size_t
kofn_nonzero_count(kofn_partition part, const bool *left, const bool *right)
{
    size_t count = 0;
    for (size_t k = 0; k < part.z; k++) {
        size_t lefts = 0, rights = 0;
        for (size_t i = 0; i < part.x; i++)
            lefts += left[i * part.z + k];
        for (size_t j = 0; j < part.y; j++)
            rights += right[k * part.y + j];
        count += lefts * rights;
    }
    return count;
}

static void
add_pairs(kofn_partition part, const bool *left, const bool *right, kofn_batch *batch)
{
    for (size_t i = 0; i < part.x; i++)
        for (size_t j = 0; j < part.y; j++) {
            for (size_t k = 0; k < part.z; k++)
                if (left[i * part.z + k] && right[k * part.y + j])
                    kofn_batch_add_product(batch, i * part.z + k, k * part.y + j, 1);
            batch->weights.first[i * part.y + j + 1] = batch->count;
        }
}

kofn_status
kofn_nonzero_new_batch(kofn_partition part, const bool *left, const bool *right,
                       const kofn_field *field, kofn_batch **ret_batch, kofn_error *err)
{
    const size_t count = kofn_nonzero_count(part, left, right);
    kofn_batch from = {.grid = {{part.x, part.z}, {part.z, part.y}}, .out = {part.x, part.y}};
    if (count > KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%zu block products of partition %zu,%zu,%zu are not zero, at most %d fit "
                         "one job; take fewer blocks",
                         count, part.x, part.z, part.y, KOFN_PAIRS_MAX);
    if (count == 0) {
        *ret_batch = NULL;
        return KOFN_OK;
    }
    kofn_status status = KOFN_OK;
    if (!kofn_sums_alloc(count, part.x * part.z, count, &from.side[0]) ||
        !kofn_sums_alloc(count, part.z * part.y, count, &from.side[1]) ||
        !kofn_sums_alloc(part.x * part.y, count, count, &from.weights))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu block products", count);
    if (!status) {
        add_pairs(part, left, right, &from);
        status = kofn_batch_new(&from, field, ret_batch, err);
    }
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return status;
}

/* ---- which partition ------------------------------------------------------------------------- */

/* Roughly, of a machine with 25 Gflop/s for a worker and 1 GB/s to it: what is compared are numbers
 * of blocks, and these matter little. */
enum {
    MOVE_FLOPS = 200,      // an element on its way, in flops
    TASK_FLOPS = 25000000, // what each task takes beside, a millisecond
    SIDES = 6,             // sizes that are tried for each direction: 1, 2, 4, ... 32
};

/* What it takes until all workers have done their part, with one task in six to spare. */
static double
count_cost(kofn_partition p, const kofn_shape *shape, size_t left, size_t workers)
{
    const double rows = (double)kofn_part_size(shape->rows, p.x);
    const double inner = (double)kofn_part_size(shape->inner, p.z);
    const double cols = (double)kofn_part_size(shape->cols, p.y);
    const size_t tasks = left + (left + 5) / 6;
    return (double)kofn_part_size(tasks, workers) *
           (2 * rows * inner * cols + MOVE_FLOPS * (rows * inner + inner * cols + rows * cols) +
            TASK_FLOPS);
}

/* Cuts of one direction to try; how many. */
static size_t
list_cuts(size_t size, size_t asked, size_t cuts[SIDES])
{
    size_t count = 0;
    if (asked > 0)
        cuts[count++] = asked;
    for (size_t cut = 1; asked == 0 && count < SIDES && (cut == 1 || cut <= size); cut *= 2)
        cuts[count++] = cut;
    return count;
}

/* Would a code of it keep to the limits, about? The coefficients of twice the pairs are the
 * most. */
static bool
fits_code(kofn_partition p, size_t left)
{
    const size_t blocks = p.x * p.z + p.z * p.y;
    return left <= KOFN_PAIRS_MAX && p.x * p.z * p.z * p.y <= KOFN_COLUMNS_MAX &&
           2 * left * blocks * sizeof(double) <= KOFN_CODE_BYTES_MAX;
}

typedef struct search {
    const kofn_shape *shape;
    size_t workers;
    size_t x[SIDES], y[SIDES], z[SIDES], xs, ys, zs; // what is tried
    pattern pattern[2];
    bool *mask[2];
    kofn_partition best;
    size_t left; // by the best
    double cost; // of it; INFINITY: none fits
} search;

static void
try_one(search *s, kofn_partition p)
{
    fill_mask(&s->pattern[1], (kofn_grid){p.z, p.y}, s->mask[1]);
    const size_t left = kofn_nonzero_count(p, s->mask[0], s->mask[1]);
    const double cost = left == 0 ? 0 : count_cost(p, s->shape, left, s->workers);
    if (fits_code(p, left) && cost < s->cost) {
        s->best = p;
        s->left = left;
        s->cost = cost;
    }
}

static void
try_all(search *s)
{
    for (size_t k = 0; k < s->zs; k++)
        for (size_t i = 0; i < s->xs; i++) {
            fill_mask(&s->pattern[0], (kofn_grid){s->x[i], s->z[k]}, s->mask[0]);
            for (size_t j = 0; j < s->ys; j++)
                try_one(s, (kofn_partition){.x = s->x[i], .z = s->z[k], .y = s->y[j]});
        }
}

/* The most blocks that an operand is tried with. */
static size_t
most_blocks(size_t rows, size_t cols)
{
    const size_t most = 1 << (SIDES - 1);
    return kofn_size_multiply(rows > most ? rows : most, cols > most ? cols : most);
}

static void
search_fini(search *s)
{
    for (size_t o = 0; o < 2; o++) {
        pattern_fini(&s->pattern[o]);
        free(s->mask[o]);
    }
}

/* What is to be tried, and one look at each operand. */
static kofn_status
search_init(search *s, const kofn_nonzero_operand *operands, kofn_partition asked, kofn_error *err)
{
    const size_t blocks[] = {most_blocks(asked.x, asked.z), most_blocks(asked.z, asked.y)};
    if (blocks[0] > KOFN_BATCH_TERMS_MAX || blocks[1] > KOFN_BATCH_TERMS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "partition %zu,%zu,%zu: sparse operands are cut into at most %d blocks "
                         "each",
                         asked.x, asked.z, asked.y, KOFN_BATCH_TERMS_MAX);
    s->xs = list_cuts(s->shape->rows, asked.x, s->x);
    s->ys = list_cuts(s->shape->cols, asked.y, s->y);
    s->zs = list_cuts(s->shape->inner, asked.z, s->z);
    const cut_lists tried[] = {{.parts = {s->x, s->z}, .count = {s->xs, s->zs}},
                               {.parts = {s->z, s->y}, .count = {s->zs, s->ys}}};
    kofn_status status = KOFN_OK;
    for (size_t o = 0; o < 2 && !status; o++) {
        s->mask[o] = malloc(blocks[o] * sizeof(bool));
        if (!s->mask[o])
            status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for masks of %zu blocks",
                               blocks[o]);
        else
            status = pattern_init(&s->pattern[o], &operands[o], &tried[o], err);
    }
    return status;
}

/* The best is known: its masks, and the batch of them. */
static kofn_status
make_choice(search *s, const kofn_field *field, kofn_nonzero_choice *ret_choice, kofn_error *err)
{
    const kofn_partition p = s->best;
    kofn_nonzero_choice choice = {.part = p, .left = s->left};
    fill_mask(&s->pattern[0], (kofn_grid){p.x, p.z}, s->mask[0]);
    fill_mask(&s->pattern[1], (kofn_grid){p.z, p.y}, s->mask[1]);
    const kofn_status status =
        kofn_nonzero_new_batch(p, s->mask[0], s->mask[1], field, &choice.batch, err);
    if (!status)
        *ret_choice = choice;
    return status;
}

kofn_status
kofn_nonzero_choose(const kofn_nonzero_operand *operands, const kofn_shape *shape,
                    kofn_partition asked, size_t workers, const kofn_field *field,
                    kofn_nonzero_choice *ret_choice, kofn_error *err)
{
    search s = {.shape = shape, .workers = workers > 0 ? workers : 1, .cost = INFINITY};
    kofn_status status = search_init(&s, operands, asked, err);
    if (!status) {
        try_all(&s);
        status = s.cost < INFINITY
                     ? make_choice(&s, field, ret_choice, err)
                     : kofn_fail(err, KOFN_OUT_OF_RANGE,
                                 "partition %zu,%zu,%zu (0: any) leaves more block products that "
                                 "are not zero than one job can have, %d; take fewer blocks",
                                 asked.x, asked.z, asked.y, KOFN_PAIRS_MAX);
    }
    search_fini(&s);
    return status;
}
