/* Partitions: a matrix as a grid of equal blocks, padded with zeros where sizes do not divide.
 *
 *      cols / grid.cols, rounded up
 *     +-------+-------+---- +          Every block has the same shape [block_rows, block_cols].
 *     |  0,0  |  0,1  | 0,2 : <- valid columns end here, the rest is zeros that are never stored
 *     +-------+-------+---- +          A block may have no valid element at all (5 rows in 4
 *     |  1,0  |  1,1  | 1,2 :          parts of 2: the last has none).
 *     +-------+-------+---- +
 *
 * Encoding and decoding are both linear maps from blocks to blocks: kofn_blocks_combine is the one
 * function that moves elements, and where operands are read, padded and clipped.
 *
 * Threads    Any thread; nothing is shared.
 */
#ifndef KOFN_LINALG_PARTITION_H
#define KOFN_LINALG_PARTITION_H

#include "common/linalg/field.h"

/* How many parts in each direction of C := A B: A is x by z blocks, B z by y, C x by y. */
typedef struct kofn_partition {
    size_t x, z, y;
} kofn_partition;

/* x y = `outputs` > 0, as square as can be: x <= y, z = 1. */
kofn_partition kofn_partition_squarest(size_t outputs);

typedef struct kofn_grid {
    size_t rows, cols; // parts
} kofn_grid;

/* A rectangle of some matrix, seen as a block of shape [rows, cols] by its user: reading beyond
 * `valid` gives zeros, writing beyond it is dropped. */
typedef struct kofn_block {
    const kofn_bands *of;
    size_t first_row, first_col;
    size_t valid_rows, valid_cols; // 0 when the block is all padding
} kofn_block;

/* ceil(size / parts); parts > 0. */
size_t kofn_part_size(size_t size, size_t parts);

/* Block (row, col) of the grid over matrix `of`. */
kofn_block kofn_grid_get_block(kofn_grid grid, const kofn_bands *of, size_t row, size_t col);

/* dst[o] := sum_i coef[o, i] src[i] over blocks of shape [rows, cols], coef [outs, ins] row-major.
 * Destinations' bands are written through their views; source and destination do not overlap.
 * RESOURCE_EXHAUSTED: no memory for the pointers (O(outs + ins)). */
KOFN_MUST_CHECK kofn_status kofn_blocks_combine(const kofn_field *f, size_t rows, size_t cols,
                                                size_t outs, const kofn_block *dst, size_t ins,
                                                const kofn_block *src, const double *coef,
                                                kofn_error *err);

#endif
