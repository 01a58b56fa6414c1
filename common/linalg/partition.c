/* How blocks are walked.
 *
 * Each block has a cursor that stands on one band of its matrix. All cursors advance together over
 * *chunks*: the longest runs of rows in which no block changes its band and none runs into its
 * padding. Within a chunk a block is one rectangle or nothing at all.
 *
 *     block 0   |----band 0----|------band 1------|-----band 2-----|
 *     block 1   |------------band 0-----------|:::::padding::::::::|
 *     chunks    |              |              |   |                |
 *
 * A chunk is one call of the kernel; where all rectangles are whole and without gaps between rows,
 * as one long vector. Where blocks end at different columns there is a call for each stretch of
 * columns between two ends: what ends earlier takes no part in the stretches after it. */
#include "common/linalg/partition.h"
#include "common/base/size.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

kofn_partition
kofn_partition_squarest(size_t outputs)
{
    assert(outputs > 0);
    size_t x = (size_t)sqrt((double)outputs);
    while (outputs % x != 0)
        x--;
    return (kofn_partition){x, 1, outputs / x};
}

size_t
kofn_part_size(size_t size, size_t parts)
{
    return size / parts + (size % parts != 0);
}

/* Part `index` of `parts`: where it starts, and how many of its elements exist. */
static void
find_part(size_t size, size_t parts, size_t index, size_t *ret_first, size_t *ret_valid)
{
    const size_t length = kofn_part_size(size, parts);
    const size_t first = length > 0 && index > size / length ? size : index * length;
    const size_t left = first < size ? size - first : 0;
    *ret_first = first;
    *ret_valid = left < length ? left : length;
}

kofn_block
kofn_grid_get_block(kofn_grid grid, const kofn_bands *of, size_t row, size_t col)
{
    assert(row < grid.rows && col < grid.cols);
    kofn_block block = {.of = of};
    find_part(of->rows, grid.rows, row, &block.first_row, &block.valid_rows);
    find_part(of->cols, grid.cols, col, &block.first_col, &block.valid_cols);
    if (block.valid_rows == 0 || block.valid_cols == 0)
        block.valid_rows = block.valid_cols = 0;
    return block;
}

/* Where one block stands in the walk. */
typedef struct cursor {
    const kofn_block *block;
    size_t band;         // of block->of that holds the chunk's first row
    size_t cols;         // valid columns, clipped to the block's shape; 0: nothing (any more)
    size_t stride_bytes; // of the band
    unsigned char *row;  // first element of the chunk; NULL: padding
} cursor;

typedef struct walk {
    const kofn_field *field;
    size_t width; // bytes an element
    size_t cols, outs, ins;
    cursor *cursor; // [outs + ins], destinations first
    void **at;      // [outs + ins], what a call of the kernel gets
    size_t *stride; // [outs + ins]
    size_t *ends;   // [outs + ins + 1], distinct column ends, ascending
    size_t end_count;
    kofn_combination call; // points into the arrays above
} walk;

/* Stand on row `row` of the block. Returns how many rows follow in the same band, or in the
 * padding: at least 1. */
static size_t
place_cursor(cursor *cur, size_t width, size_t row, size_t rows)
{
    const kofn_block *block = cur->block;
    cur->row = NULL;
    if (row >= block->valid_rows || cur->cols == 0)
        return rows - row;

    const kofn_bands *bands = block->of;
    const size_t wanted = block->first_row + row;
    while (wanted - bands->at[cur->band].first_row >= bands->at[cur->band].mat.rows)
        cur->band++; // also steps over bands without rows
    const kofn_band *band = &bands->at[cur->band];
    const size_t inside = wanted - band->first_row;
    cur->stride_bytes = band->mat.stride * width;
    cur->row = (unsigned char *)kofn_mat_get_row(&band->mat, inside) + block->first_col * width;

    const size_t in_band = band->mat.rows - inside;
    const size_t in_block = block->valid_rows - row;
    return in_band < in_block ? in_band : in_block;
}

/* The column ends of all blocks and of the block shape, sorted, each once. */
static void
collect_ends(walk *w)
{
    size_t count = 0;
    w->ends[count++] = w->cols;
    for (size_t i = 0; i < w->outs + w->ins; i++)
        if (w->cursor[i].cols > 0 && w->cursor[i].cols < w->cols)
            w->ends[count++] = w->cursor[i].cols;
    qsort(w->ends, count, sizeof *w->ends, kofn_size_compare);

    w->end_count = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || w->ends[i] != w->ends[i - 1])
            w->ends[w->end_count++] = w->ends[i];
}

/* Is the chunk one vector: each block whole in its columns, and its rows without gaps? */
static bool
chunk_is_long_run(const walk *w, size_t rows)
{
    for (size_t i = 0; i < w->outs + w->ins; i++) {
        const cursor *cur = &w->cursor[i];
        if (!cur->row)
            continue;
        if (cur->cols != w->cols || (rows > 1 && cur->stride_bytes != w->cols * w->width))
            return false;
    }
    return true;
}

/* Columns [first_col, first_col + len) of `rows` rows. */
static void
combine_stretch(walk *w, size_t first_col, size_t rows, size_t len)
{
    for (size_t i = 0; i < w->outs + w->ins; i++) {
        const cursor *cur = &w->cursor[i];
        const bool here = cur->row && cur->cols > first_col;
        w->at[i] = here ? cur->row + first_col * w->width : NULL;
        w->stride[i] = cur->stride_bytes;
    }
    w->call.rows = rows;
    w->call.len = len;
    w->field->combine(w->field, &w->call);
}

static void
combine_chunk(walk *w, size_t rows)
{
    if (chunk_is_long_run(w, rows)) {
        combine_stretch(w, 0, 1, rows * w->cols);
        return;
    }
    for (size_t e = 0; e < w->end_count; e++) {
        const size_t first = e == 0 ? 0 : w->ends[e - 1];
        combine_stretch(w, first, rows, w->ends[e] - first);
    }
}

static void
init_cursor(cursor *cur, const kofn_block *block, size_t cols)
{
    *cur = (cursor){.block = block, .cols = block->valid_cols < cols ? block->valid_cols : cols};
    if (block->valid_rows == 0 || cur->cols == 0)
        return;

    /* A matrix that came from a peer may have thousands of bands, and its last block starts in
     * one of the last: bisect for the band that holds first_row. */
    const kofn_bands *bands = block->of;
    assert(kofn_bands_are_complete(bands));
    size_t low = 0, high = bands->count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (bands->at[middle].first_row <= block->first_row)
            low = middle;
        else
            high = middle;
    }
    cur->band = low;
}

static kofn_status
walk_init(walk *w, kofn_error *err)
{
    const size_t count = w->outs + w->ins;
    w->cursor = calloc(count, sizeof *w->cursor);
    w->at = calloc(count, sizeof *w->at);
    w->stride = calloc(count, sizeof *w->stride);
    w->ends = calloc(count + 1, sizeof *w->ends);
    if (w->cursor && w->at && w->stride && w->ends)
        return KOFN_OK;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to combine %zu blocks into %zu",
                     w->ins, w->outs);
}

static void
walk_fini(walk *w)
{
    free(w->ends);
    free(w->stride);
    free(w->at);
    free(w->cursor);
}

kofn_status
kofn_blocks_combine(const kofn_field *f, size_t rows, size_t cols, size_t outs,
                    const kofn_block *dst, size_t ins, const kofn_block *src, const double *coef,
                    kofn_error *err)
{
    const size_t count = outs + ins;
    if (rows == 0 || cols == 0 || outs == 0)
        return KOFN_OK;

    walk w = {
        .field = f, .width = kofn_dtype_width(f->dtype), .cols = cols, .outs = outs, .ins = ins};
    kofn_status status = walk_init(&w, err);
    if (status)
        goto out;
    w.call = (kofn_combination){.outs = outs,
                                .ins = ins,
                                .coef = coef,
                                .src = (const void *const *)w.at + outs,
                                .dst = w.at,
                                .src_stride = w.stride + outs,
                                .dst_stride = w.stride,
                                .result_bytes = outs * rows * cols * w.width};

    for (size_t i = 0; i < count; i++)
        init_cursor(&w.cursor[i], i < outs ? &dst[i] : &src[i - outs], cols);
    collect_ends(&w);

    size_t chunk;
    for (size_t row = 0; row < rows; row += chunk) {
        chunk = rows - row;
        for (size_t i = 0; i < count; i++) {
            const size_t left = place_cursor(&w.cursor[i], w.width, row, rows);
            chunk = left < chunk ? left : chunk;
        }
        combine_chunk(&w, chunk);
    }
out:
    walk_fini(&w);
    return status;
}
