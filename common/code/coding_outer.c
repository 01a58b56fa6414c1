#include "common/code/coding_outer.h"

#include <stdlib.h>
#include <string.h>

enum {
    TILE_BYTES = 512 << 10, // of all pieces: most of a second-level cache
    TILE_ROWS = 16,         // so that what is worked out for columns serves some rows
    TILE_COLS_MIN = 64,     // for codes of thousands of pieces
};

/* ---- where elements belong ------------------------------------------------------------------- */

/* Rows of the product and of its pieces, or their columns: digits, one for each operand, the last
 * fastest. */
typedef struct axis {
    size_t operands;
    size_t whole[KOFN_OPERANDS_MAX]; // of each operand
    size_t block[KOFN_OPERANDS_MAX]; // of its blocks
    size_t run;                      // elements of a piece that are neighbours in the product
    size_t runner;                   // the first operand that a run goes through
} axis;

static axis
get_axis(const kofn_coding *coding, bool columns)
{
    axis a = {.operands = coding->code->operands, .run = 1};
    for (size_t o = 0; o < a.operands; o++) {
        const kofn_grid grid = coding->grid[o];
        a.whole[o] = columns ? coding->cols[o] : coding->rows[o];
        a.block[o] = kofn_part_size(a.whole[o], columns ? grid.cols : grid.rows);
    }
    bool cut = false;
    for (size_t o = a.operands; o-- > 0 && !cut;) {
        cut = (columns ? coding->grid[o].cols : coding->grid[o].rows) > 1;
        a.run *= a.block[o];
        a.runner = o;
    }
    return a;
}

/* First row, or column, of each operand's block in the piece at `target`. */
static void
find_first(const kofn_coding *coding, const axis *a, bool columns, size_t target, size_t *ret_first)
{
    for (size_t o = a->operands; o-- > 0;) {
        const size_t blocks = coding->code->e[o].cols;
        const bool cut = (columns ? coding->grid[o].cols : coding->grid[o].rows) > 1;
        ret_first[o] = cut ? target % blocks * a->block[o] : 0;
        target /= blocks;
    }
}

/* Where element `at` of a piece belongs in the product; *ret_count: so many from it on lie side by
 * side in both. False: it is padding, and so are so many. */
static bool
place(const axis *a, const size_t *first, size_t at, size_t *ret_to, size_t *ret_count)
{
    const size_t inside = at % a->run;
    const size_t left = a->whole[a->runner] - first[a->runner], block = a->block[a->runner];
    size_t to = 0, scale = 1;
    for (size_t o = a->operands; o-- > 0; at /= a->block[o]) {
        const size_t index = first[o] + at % a->block[o];
        if (index >= a->whole[o]) {
            *ret_count = a->run - inside;
            return false;
        }
        to += index * scale;
        scale *= a->whole[o];
    }
    *ret_to = to;
    *ret_count = (left < block ? left : block) * (a->run / block) - inside;
    return true;
}

/* ---- tiles ----------------------------------------------------------------------------------- */

typedef struct stretch { // of columns: in the tile, in the product
    size_t from, to, count;
} stretch;

typedef struct work {
    const kofn_coding *coding;
    const kofn_decode_plan *plan;
    const kofn_bands *const *answers;
    const kofn_bands *c;
    axis rows, cols;
    size_t width;                // bytes an element
    size_t tile_rows, tile_cols; // at most
    kofn_bands tiles; // of all pieces, one on top of the other: [targets tile_rows, tile_cols]
    void *memory;
    kofn_block *dst, *src;
    stretch *stretches; // [tile_cols]
} work;

/* A window of all pieces. */
typedef struct window {
    size_t row, rows, col, cols;
} window;

static void
choose_tile(work *w, size_t rows)
{
    const size_t cols = w->coding->part.cols;
    const size_t elements = TILE_BYTES / w->width / (w->plan->targets + 1) + 1; // of one piece
    size_t tile_cols = elements / TILE_ROWS > TILE_COLS_MIN ? elements / TILE_ROWS : TILE_COLS_MIN;
    tile_cols = tile_cols < cols ? tile_cols : cols;
    const size_t tile_rows = elements > tile_cols ? elements / tile_cols : 1;
    w->tile_cols = tile_cols;
    w->tile_rows = tile_rows < rows ? tile_rows : rows;
}

static kofn_status
work_init(work *w, size_t rows, kofn_error *err)
{
    const size_t targets = w->plan->targets, used = w->plan->used;
    size_t bytes;
    choose_tile(w, rows);
    kofn_status status =
        kofn_mat_bytes(w->c->dtype, targets * w->tile_rows, w->tile_cols, &bytes, err);
    if (status)
        return status;
    w->memory = malloc(bytes + 1);
    w->dst = malloc((targets + used + 1) * sizeof *w->dst);
    w->stretches = malloc((w->tile_cols + 1) * sizeof *w->stretches);
    if (!w->memory || !w->dst || !w->stretches)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decode: no memory for a tile of %zu pieces",
                         targets);
    w->src = w->dst + targets;
    const kofn_mat mat =
        kofn_mat_wrap(w->memory, w->c->dtype, targets * w->tile_rows, w->tile_cols);
    return kofn_bands_from_mat(&mat, &w->tiles, err);
}

static void
work_fini(work *w)
{
    kofn_bands_fini(&w->tiles);
    free(w->stretches);
    free(w->dst);
    free(w->memory);
}

static kofn_block
cut_window(const kofn_bands *of, size_t first_row, const window *at)
{
    return (kofn_block){.of = of,
                        .first_row = first_row,
                        .first_col = at->col,
                        .valid_rows = at->rows,
                        .valid_cols = at->cols};
}

static kofn_status
fill_tiles(work *w, const window *at, kofn_error *err)
{
    const window own = {.rows = at->rows, .cols = at->cols};
    for (size_t t = 0; t < w->plan->targets; t++)
        w->dst[t] = cut_window(&w->tiles, t * w->tile_rows, &own);
    for (size_t u = 0; u < w->plan->used; u++)
        w->src[u] = cut_window(w->answers[u], at->row, at);
    return kofn_blocks_combine(w->coding->code->field, at->rows, at->cols, w->plan->targets, w->dst,
                               w->plan->used, w->src, w->plan->coef, err);
}

static size_t
list_stretches(work *w, const size_t *first, const window *at)
{
    size_t count = 0, step;
    for (size_t col = 0; col < at->cols; col += step) {
        size_t to;
        const bool real = place(&w->cols, first, at->col + col, &to, &step);
        step = step < at->cols - col ? step : at->cols - col;
        if (real)
            w->stretches[count++] = (stretch){.from = col, .to = to, .count = step};
    }
    return count;
}

/* The band of the product that holds a row. */
static const kofn_band *
find_band(const kofn_bands *c, size_t row)
{
    size_t low = 0, high = c->count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (c->at[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &c->at[low];
}

/* One row of a tile, all its stretches. */
static void
copy_row(const work *w, const unsigned char *from, size_t stretches, unsigned char *to)
{
    for (const stretch *s = w->stretches; s < w->stretches + stretches; s++)
        memcpy(to + s->to * w->width, from + s->from * w->width, s->count * w->width);
}

/* Rows of a tile that are neighbours in the product, too. */
static void
copy_rows(const work *w, size_t tile_row, size_t rows, size_t stretches, size_t to)
{
    const kofn_mat *tiles = &w->tiles.at[0].mat;
    for (size_t i = 0, count; i < rows; i += count) {
        const kofn_band *band = find_band(w->c, to + i);
        const size_t inside = to + i - band->first_row, left = band->mat.rows - inside;
        count = left < rows - i ? left : rows - i;
        const bool whole = stretches == 1 && w->stretches[0].count == tiles->stride &&
                           band->mat.stride == tiles->stride;
        if (whole) { // no gaps on either side
            memcpy(kofn_mat_get_row(&band->mat, inside), kofn_mat_get_row(tiles, tile_row + i),
                   count * tiles->stride * w->width);
            continue;
        }
        for (size_t k = 0; k < count; k++)
            copy_row(w, kofn_mat_get_row(tiles, tile_row + i + k), stretches,
                     kofn_mat_get_row(&band->mat, inside + k));
    }
}

static void
scatter_tile(work *w, size_t target, const window *at)
{
    size_t first_row[KOFN_OPERANDS_MAX], first_col[KOFN_OPERANDS_MAX];
    find_first(w->coding, &w->rows, false, target, first_row);
    find_first(w->coding, &w->cols, true, target, first_col);
    const size_t stretches = list_stretches(w, first_col, at);
    size_t step;
    for (size_t row = 0; row < at->rows && stretches > 0; row += step) {
        size_t to;
        const bool real = place(&w->rows, first_row, at->row + row, &to, &step);
        step = step < at->rows - row ? step : at->rows - row;
        if (real)
            copy_rows(w, target * w->tile_rows + row, step, stretches, to);
    }
}

static kofn_status
decode_windows(work *w, kofn_range rows, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    window at;
    for (at.row = rows.first; at.row < rows.end && !status; at.row += at.rows) {
        at.rows = rows.end - at.row < w->tile_rows ? rows.end - at.row : w->tile_rows;
        for (at.col = 0; at.col < w->coding->part.cols && !status; at.col += at.cols) {
            const size_t left = w->coding->part.cols - at.col;
            at.cols = left < w->tile_cols ? left : w->tile_cols;
            status = fill_tiles(w, &at, err);
            for (size_t t = 0; t < w->plan->targets && !status; t++)
                scatter_tile(w, t, &at);
        }
    }
    return status;
}

kofn_status
kofn_coding_decode_outer(const kofn_coding *coding, const kofn_decode_plan *plan,
                         const kofn_bands *const *answers, kofn_range rows, const kofn_bands *c,
                         kofn_error *err)
{
    if (rows.first == rows.end || coding->part.cols == 0)
        return KOFN_OK;
    work w = {.coding = coding,
              .plan = plan,
              .answers = answers,
              .c = c,
              .rows = get_axis(coding, false),
              .cols = get_axis(coding, true),
              .width = kofn_dtype_width(c->dtype)};
    kofn_status status = work_init(&w, rows.end - rows.first, err);
    if (!status)
        status = decode_windows(&w, rows, err);
    work_fini(&w);
    return status;
}
