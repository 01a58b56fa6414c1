#include "common/code/nonzero.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- masks ----------------------------------------------------------------------------------- */

/* Stored matrices are cut by the turned grid; their block (i, j) is then op's block (j, i). */
static kofn_grid
turn_grid(kofn_grid grid, bool transposed)
{
    return transposed ? (kofn_grid){.rows = grid.cols, .cols = grid.rows} : grid;
}

static size_t
number_block(kofn_grid grid, bool transposed, size_t row, size_t col)
{
    return transposed ? col * grid.cols + row : row * grid.cols + col;
}

static void
mark_csr(const kofn_csr *stored, bool transposed, kofn_grid grid, bool *ret_mask)
{
    const kofn_grid cut = turn_grid(grid, transposed);
    const size_t rows = kofn_part_size(stored->rows, cut.rows);
    const size_t cols = kofn_part_size(stored->cols, cut.cols);
    for (size_t row = 0; row < stored->rows; row++)
        for (size_t i = kofn_csr_get_first(stored, row); i < kofn_csr_get_first(stored, row + 1);
             i++)
            ret_mask[number_block(grid, transposed, row / rows,
                                  kofn_csr_get_column(stored, i) / cols)] = true;
}

static bool
is_zero(const unsigned char *at, size_t length)
{
    return length == 0 || (at[0] == 0 && memcmp(at, at + 1, length - 1) == 0);
}

static void
mark_dense(const kofn_bands *stored, bool transposed, kofn_grid grid, bool *ret_mask)
{
    const kofn_grid cut = turn_grid(grid, transposed);
    const size_t rows = kofn_part_size(stored->rows, cut.rows);
    const size_t cols = kofn_part_size(stored->cols, cut.cols);
    const size_t width = kofn_dtype_width(stored->dtype);
    for (size_t b = 0; b < stored->count; b++)
        for (size_t row = 0; row < stored->at[b].mat.rows; row++) {
            const unsigned char *at = kofn_mat_get_row(&stored->at[b].mat, row);
            const size_t block_row = (stored->at[b].first_row + row) / rows;
            for (size_t col = 0; col * cols < stored->cols; col++) {
                bool *mark = &ret_mask[number_block(grid, transposed, block_row, col)];
                const size_t left = stored->cols - col * cols;
                *mark =
                    *mark || !is_zero(at + col * cols * width, (left < cols ? left : cols) * width);
            }
        }
}

void
kofn_nonzero_mark(const kofn_nonzero_operand *operand, kofn_grid grid, bool *ret_mask)
{
    memset(ret_mask, 0, grid.rows * grid.cols * sizeof *ret_mask);
    if (operand->csr)
        mark_csr(operand->csr, operand->transposed, grid, ret_mask);
    else
        mark_dense(operand->dense, operand->transposed, grid, ret_mask);
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
add_pair(kofn_batch *batch, size_t left, size_t right)
{
    const size_t pair = batch->count++;
    batch->side[0].column[pair] = left;
    batch->side[1].column[pair] = right;
    batch->weights.column[pair] = pair;
    batch->weights.coef[pair] = 1;
    for (size_t side = 0; side < 2; side++) {
        batch->side[side].coef[pair] = 1;
        batch->side[side].first[pair + 1] = pair + 1;
    }
}

static void
add_pairs(kofn_partition part, const bool *left, const bool *right, kofn_batch *batch)
{
    for (size_t i = 0; i < part.x; i++)
        for (size_t j = 0; j < part.y; j++) {
            for (size_t k = 0; k < part.z; k++)
                if (left[i * part.z + k] && right[k * part.y + j])
                    add_pair(batch, i * part.z + k, k * part.y + j);
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

/* Would a code of it keep to the limits, about? The coefficients of twice the pairs are the most. */
static bool
fits_code(kofn_partition p, size_t left)
{
    const size_t blocks = p.x * p.z + p.z * p.y;
    return left <= KOFN_PAIRS_MAX && p.x * p.z * p.z * p.y <= KOFN_COLUMNS_MAX &&
           2 * left * blocks * sizeof(double) <= KOFN_CODE_BYTES_MAX;
}

typedef struct search {
    const kofn_nonzero_operand *operands;
    const kofn_shape *shape;
    size_t workers;
    bool *mask[2];
    kofn_partition best;
    size_t left; // by the best
    double cost; // of it; INFINITY: none fits
} search;

/* All y for this x and z, whose mask of A is there. */
static void
try_columns(search *s, kofn_partition p, const size_t *cuts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        p.y = cuts[i];
        kofn_nonzero_mark(&s->operands[1], (kofn_grid){p.z, p.y}, s->mask[1]);
        const size_t left = kofn_nonzero_count(p, s->mask[0], s->mask[1]);
        const double cost = left == 0 ? 0 : count_cost(p, s->shape, left, s->workers);
        if (fits_code(p, left) && cost < s->cost) {
            s->best = p;
            s->left = left;
            s->cost = cost;
        }
    }
}

static void
try_all(search *s, kofn_partition asked)
{
    size_t x[SIDES], y[SIDES], z[SIDES];
    const size_t xs = list_cuts(s->shape->rows, asked.x, x);
    const size_t ys = list_cuts(s->shape->cols, asked.y, y);
    const size_t zs = list_cuts(s->shape->inner, asked.z, z);
    for (size_t k = 0; k < zs; k++)
        for (size_t i = 0; i < xs; i++) {
            const kofn_partition p = {.x = x[i], .z = z[k], .y = 1};
            kofn_nonzero_mark(&s->operands[0], (kofn_grid){p.x, p.z}, s->mask[0]);
            try_columns(s, p, y, ys);
        }
}

/* The most blocks that an operand is tried with. */
static size_t
most_blocks(size_t rows, size_t cols)
{
    const size_t most = 1 << (SIDES - 1);
    return kofn_size_multiply(rows > most ? rows : most, cols > most ? cols : most);
}

kofn_status
kofn_nonzero_choose(const kofn_nonzero_operand *operands, const kofn_shape *shape,
                    kofn_partition asked, size_t workers, const kofn_field *field,
                    kofn_nonzero_choice *ret_choice, kofn_error *err)
{
    search s = {.operands = operands,
                .shape = shape,
                .workers = workers > 0 ? workers : 1,
                .cost = INFINITY};
    const size_t blocks[] = {most_blocks(asked.x, asked.z), most_blocks(asked.z, asked.y)};
    if (blocks[0] > KOFN_BATCH_TERMS_MAX || blocks[1] > KOFN_BATCH_TERMS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "partition %zu,%zu,%zu: sparse operands are cut into at most %d blocks "
                         "each",
                         asked.x, asked.z, asked.y, KOFN_BATCH_TERMS_MAX);
    s.mask[0] = malloc(blocks[0] * sizeof(bool));
    s.mask[1] = malloc(blocks[1] * sizeof(bool));
    kofn_status status = KOFN_OK;
    if (!s.mask[0] || !s.mask[1])
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for masks of %zu blocks",
                           blocks[0] + blocks[1]);
    if (!status) {
        try_all(&s, asked);
        if (s.cost == INFINITY)
            status = kofn_fail(err, KOFN_OUT_OF_RANGE,
                               "partition %zu,%zu,%zu (0: any) leaves more block products that are "
                               "not zero than one job can have, %d; take fewer blocks",
                               asked.x, asked.z, asked.y, KOFN_PAIRS_MAX);
    }
    if (!status) {
        kofn_nonzero_choice choice = {.part = s.best, .left = s.left};
        kofn_nonzero_mark(&operands[0], (kofn_grid){s.best.x, s.best.z}, s.mask[0]);
        kofn_nonzero_mark(&operands[1], (kofn_grid){s.best.z, s.best.y}, s.mask[1]);
        status = kofn_nonzero_new_batch(s.best, s.mask[0], s.mask[1], field, &choice.batch, err);
        if (!status)
            *ret_choice = choice;
    }
    free(s.mask[0]);
    free(s.mask[1]);
    return status;
}
