#include "common/code/nonzero.h"

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

void
kofn_nonzero_mark_csr(const kofn_csr *stored, bool transposed, kofn_grid grid, bool *ret_mask)
{
    const kofn_grid cut = turn_grid(grid, transposed);
    const size_t rows = kofn_part_size(stored->rows, cut.rows);
    const size_t cols = kofn_part_size(stored->cols, cut.cols);
    memset(ret_mask, 0, grid.rows * grid.cols * sizeof *ret_mask);
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

void
kofn_nonzero_mark(const kofn_bands *stored, bool transposed, kofn_grid grid, bool *ret_mask)
{
    const kofn_grid cut = turn_grid(grid, transposed);
    const size_t rows = kofn_part_size(stored->rows, cut.rows);
    const size_t cols = kofn_part_size(stored->cols, cut.cols);
    const size_t width = kofn_dtype_width(stored->dtype);
    memset(ret_mask, 0, grid.rows * grid.cols * sizeof *ret_mask);
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
