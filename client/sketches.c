#include "client/sketches.h"

#include "client/convert.h"
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "common/base/size.h"
#include "common/code/sketch.h"
#include "common/code/sketch_elements.h"
#include "proto/block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fewest elements for an error: a sample is one column instead of a block of them, and what is
 * left is coded by any family. */
static const char default_sketch[] = "cr";

enum { BLOCKS_FOR_EACH_SAMPLE = 4, DEFAULT_SIDE = 2 };

/* What is known on the way. */
typedef struct draft {
    const kofn_product_options *options;
    const kofn_matrix *side[2];
    const kofn_sketch *sketch;
    const kofn_field *field;
    kofn_shape shape; // of the product
    kofn_partition part;
    uint64_t seed;
    double *norms[2]; // of the blocks
    double size;      // |A| |B|
    kofn_sketched drawn;
} draft;

bool
kofn_sketching_is_asked(const kofn_product_options *options)
{
    return options->approx != 0 || options->samples > 0 || options->sketch;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static kofn_status
check_options(const kofn_product_options *options, kofn_error *err)
{
    if (options->approx != 0 && options->samples > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "approx and samples exclude each other: an error decides how many samples "
                         "it takes");
    if (options->approx != 0 && !(options->approx > 0 && isfinite(options->approx)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "approx: an error of %g, need more than 0, like 0.05", options->approx);
    if (options->accept.kind != KOFN_ACCEPT_PROMISED || options->deadline_best)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: what is left of a product by a sketch is made as it is, or nobody "
                         "could say how far both are off; leave it out",
                         options->deadline_best ? "deadline_best" : "accept");
    return KOFN_OK;
}

static kofn_status
find_sketch(const char *name, const kofn_sketch **ret_sketch, kofn_error *err)
{
    const kofn_sketch *sketch = kofn_sketch_find(name ? name : default_sketch);
    char names[128] = "";
    size_t length = 0;
    if (sketch) {
        *ret_sketch = sketch;
        return KOFN_OK;
    }
    for (size_t i = 0; i < kofn_sketch_count() && length < sizeof names; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "",
                                   kofn_sketch_at(i)->name);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "sketch '%.40s' is not known, need one of %s",
                     name, names);
}

/* What a sketch cannot be drawn from. */
static kofn_status
check_operand(const kofn_matrix *m, const char *name, kofn_error *err)
{
    if (m->operand)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s is a stored operand, and a sketch is drawn before anything is sent: "
                         "give the matrix itself, or leave the sketch out",
                         name);
    if (m->sparse)
        return kofn_fail(
            err, KOFN_UNIMPLEMENTED,
            "%s is sparse: a sketch is drawn from matrices of which all elements are "
            "there; leave it out, products of blocks that are zero are not made anyway",
            name);
    if (m->dtype != KOFN_F64 && m->dtype != KOFN_F32)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s holds %s: only real numbers, f64 or f32, have a size that a sketch "
                         "could be drawn by",
                         name, kofn_dtype_name(m->dtype));
    return KOFN_OK;
}

static kofn_status
check_operands(draft *d, kofn_error *err)
{
    static const char *const names[] = {"A", "B"};
    const kofn_matrix *a = d->side[0], *b = d->side[1];
    kofn_msg_matrix c;
    kofn_status status = KOFN_OK;
    for (size_t s = 0; s < 2 && status == KOFN_OK; s++)
        status = check_operand(d->side[s], names[s], err);
    if (status != KOFN_OK)
        return status;
    const kofn_factors f = kofn_factors_two(a, b);
    status = kofn_factors_check(&f, &c, err);
    if (status == KOFN_OK)
        status =
            kofn_field_choose(d->options->field ? d->options->field : "", a->dtype, &d->field, err);
    if (status != KOFN_OK)
        return status;
    d->shape =
        (kofn_shape){.rows = c.rows, .inner = a->transposed ? a->rows : a->cols, .cols = c.cols};
    if (d->shape.rows == 0 || d->shape.inner == 0 || d->shape.cols == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a product of %zu x %zu by %zu x %zu has nothing to draw from; leave the "
                         "sketch out",
                         d->shape.rows, d->shape.inner, d->shape.inner, d->shape.cols);
    return KOFN_OK;
}

/* The same key has to come with the same order. */
static uint64_t
choose_seed(const kofn_product_options *options)
{
    if (options->code.has_seed)
        return options->code.seed;
    return options->key ? kofn_hash_text(options->key) : kofn_rng_fresh_seed();
}

/* ---- how it is cut --------------------------------------------------------------------------- */

static size_t
or_default(uint64_t asked, size_t fallback, size_t size)
{
    return asked > 0 ? (size_t)asked : kofn_size_smaller(fallback, size);
}

/* Has a code room for all pairs of the blocks of A and of B that so many samples for each block of
 * C draw at most? */
static bool
has_columns(double samples, size_t x, size_t z, size_t y)
{
    const double left = (double)x * fmin((double)z, samples * (double)y),
                 right = (double)y * fmin((double)z, samples * (double)x);
    return left * right <= KOFN_COLUMNS_MAX;
}

/* See the header. */
static size_t
choose_inner(const draft *d, size_t x, size_t y)
{
    const double samples = d->options->samples > 0
                               ? ceil((double)d->options->samples / ((double)x * (double)y))
                               : ceil(1 / d->options->approx / d->options->approx);
    const size_t most = KOFN_BATCH_TERMS_MAX / (x > y ? x : y);
    const size_t fits = kofn_size_smaller(most > 0 ? most : 1, KOFN_PAIRS_MAX);
    size_t z = samples < (double)fits / BLOCKS_FOR_EACH_SAMPLE
                   ? BLOCKS_FOR_EACH_SAMPLE * (size_t)samples
                   : fits;
    while (z > 1 && !has_columns(samples, x, z, y))
        z--;
    return z;
}

static kofn_status
check_parts(const char *what, size_t parts, size_t size, kofn_error *err)
{
    if (parts <= size && parts <= KOFN_BATCH_TERMS_MAX)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "partition: %zu parts of %zu %s, at most %zu fit",
                     parts, size, what, kofn_size_smaller(size, KOFN_BATCH_TERMS_MAX));
}

static kofn_status
choose_part(draft *d, kofn_error *err)
{
    const kofn_code_choice *code = &d->options->code;
    const kofn_shape *shape = &d->shape;
    const size_t side = d->sketch->cuts_outer ? DEFAULT_SIDE : 1;
    if (d->sketch->columns) { // the partition is the code's
        d->part = (kofn_partition){.x = 1, .z = shape->inner, .y = 1};
        return KOFN_OK;
    }
    kofn_partition p = {.x = or_default(code->x, side, shape->rows),
                        .y = or_default(code->y, side, shape->cols)};
    kofn_status status = check_parts("rows of A", p.x, shape->rows, err);
    if (status == KOFN_OK)
        status = check_parts("columns of B", p.y, shape->cols, err);
    if (status != KOFN_OK)
        return status;
    p.z = or_default(code->z, choose_inner(d, p.x, p.y), shape->inner);
    status = check_parts("columns of A", p.z, shape->inner, err);
    if (status == KOFN_OK && (p.x > KOFN_BATCH_TERMS_MAX / p.z ||
                              p.y > KOFN_BATCH_TERMS_MAX / p.z || p.x > KOFN_PAIRS_MAX / p.y))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "partition %zu,%zu,%zu has more than %d blocks of A or B, or %d of C", p.x,
                         p.z, p.y, KOFN_BATCH_TERMS_MAX, KOFN_PAIRS_MAX);
    d->part = p;
    return status;
}

/* ---- norms and draws ------------------------------------------------------------------------- */

static kofn_grid
grid_of(const draft *d, size_t side)
{
    return side == 0 ? (kofn_grid){.rows = d->part.x, .cols = d->part.z}
                     : (kofn_grid){.rows = d->part.z, .cols = d->part.y};
}

/* The first element that is NaN or Inf, counted as stored: a person looks for that, not for a
 * block. */
static kofn_status
check_elements(const draft *d, size_t side, kofn_error *err)
{
    const kofn_mat mat = kofn_matrix_view(d->side[side]);
    const size_t width = kofn_dtype_width(mat.dtype);
    for (size_t row = 0; row < mat.rows; row++) {
        const char *at = kofn_mat_get_row(&mat, row);
        size_t col = 0;
        if (!d->field->has_foreign(d->field, at, mat.cols))
            continue;
        while (!d->field->has_foreign(d->field, at + col * width, 1))
            col++;
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: element (%zu, %zu) is NaN or Inf: nobody can say what it is worth to a "
            "sketch",
            side == 0 ? "A" : "B", row, col);
    }
    return KOFN_OK;
}

static kofn_status
measure(draft *d, kofn_error *err)
{
    double norm[2] = {0};
    for (size_t s = 0; s < 2; s++) {
        const kofn_grid grid = grid_of(d, s);
        const kofn_mat mat = kofn_matrix_view(d->side[s]);
        kofn_bands bands;
        d->norms[s] = malloc(grid.rows * grid.cols * sizeof *d->norms[s]);
        if (!d->norms[s])
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the norms of %zu blocks",
                             grid.rows * grid.cols);
        kofn_status status = kofn_bands_from_mat(&mat, &bands, err);
        if (status != KOFN_OK)
            return status;
        kofn_sketch_measure(d->field, &bands, d->side[s]->transposed, grid, d->norms[s]);
        kofn_bands_fini(&bands);
        for (size_t i = 0; i < grid.rows * grid.cols; i++)
            norm[s] = hypot(norm[s], d->norms[s][i]);
        status = isfinite(norm[s]) ? KOFN_OK : check_elements(d, s, err);
        if (status != KOFN_OK)
            return status;
    }
    d->size = norm[0] * norm[1];
    return KOFN_OK;
}

static kofn_status
draw(draft *d, kofn_error *err)
{
    const kofn_sketch_args args = {
        .part = d->part,
        .a = d->norms[0],
        .b = d->norms[1],
        .samples = d->options->samples,
        .error = d->options->approx,
        .seed = d->seed,
    };
    const kofn_status status = kofn_sketch_compress(d->sketch, &args, &d->drawn, err);
    if (status == KOFN_OK && !isfinite(d->size)) // each is: the product of these need not be
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: the norms of A and B are so large that their product is none: scale "
                         "one of them down",
                         d->sketch->name);
    return status;
}

/* ---- columns --------------------------------------------------------------------------------- */

static kofn_status
keep(const draft *d, size_t side, kofn_pool *pool, kofn_sketching *s, kofn_error *err)
{
    const kofn_matrix *m = d->side[side];
    const bool columns = m->transposed == (side == 1); // of what is stored
    const size_t kept = d->drawn.kept;
    const kofn_mat mat = kofn_matrix_view(m);
    kofn_bands from, into;
    kofn_status status = kofn_mat_new(pool, m->dtype, columns ? m->rows : kept,
                                      columns ? kept : m->cols, &s->made[side], err);
    if (status == KOFN_OK)
        status = kofn_bands_from_mat(&mat, &from, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_bands_from_mat(&s->made[side], &into, err);
    if (status == KOFN_OK)
        kofn_sketch_keep(&from, columns, kept, d->drawn.column, side == 0 ? d->drawn.scale : NULL,
                         &into);
    kofn_bands_fini(&from);
    if (status != KOFN_OK)
        return status;
    kofn_bands_fini(&into);
    s->kept[side] = (kofn_matrix){.data = s->made[side].data,
                                  .dtype = m->dtype,
                                  .rows = s->made[side].rows,
                                  .cols = s->made[side].cols,
                                  .transposed = m->transposed};
    return KOFN_OK;
}

static kofn_status
keep_columns(const draft *d, kofn_pool *pool, kofn_sketching *s, kofn_error *err)
{
    if (d->drawn.most == 0 && d->drawn.kept == d->shape.inner) { // all of them, as they are
        s->factors = kofn_factors_two(d->side[0], d->side[1]);
        return KOFN_OK;
    }
    kofn_status status = KOFN_OK;
    for (size_t side = 0; side < 2 && status == KOFN_OK; side++)
        status = keep(d, side, pool, s, err);
    s->factors = kofn_factors_two(&s->kept[0], &s->kept[1]);
    for (size_t side = 0; side < 2; side++)
        s->factors.at[side].owner = s->made[side].owner;
    return status;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* number[b] := place of block b among those that were drawn, or SIZE_MAX; returns how many these
 * are. */
static size_t
number_blocks(const kofn_sums *sums, size_t *number)
{
    size_t count = 0;
    for (size_t b = 0; b < sums->cols; b++)
        number[b] = SIZE_MAX;
    for (size_t e = 0; e < sums->first[sums->rows]; e++)
        number[sums->column[e]] = 0;
    for (size_t b = 0; b < sums->cols; b++)
        if (number[b] != SIZE_MAX)
            number[b] = count++;
    return count;
}

/* Blocks of one operand as it is stored. */
typedef struct cutting {
    kofn_mat from;
    bool transposed;
    kofn_grid stored;
    size_t high, wide;
} cutting;

/* Block (row, col) as stored, where it is; true: it sticks out over an edge. */
static bool
cut_block(const cutting *c, size_t row, size_t col, kofn_matrix *ret)
{
    const size_t top = row * c->high, left = col * c->wide;
    *ret = (kofn_matrix){.dtype = c->from.dtype,
                         .rows = c->high,
                         .cols = c->wide,
                         .stride = c->from.stride,
                         .transposed = c->transposed};
    if (top + c->high > c->from.rows || left + c->wide > c->from.cols)
        return true;
    ret->data = (char *)kofn_mat_get_row(&c->from, top) + left * kofn_dtype_width(c->from.dtype);
    return false;
}

/* One that does, at row `first` of `made`, with zeros behind what there is of it. */
static void
pad_block(const cutting *c, size_t row, size_t col, const kofn_mat *made, size_t first,
          kofn_matrix *ret)
{
    const size_t width = kofn_dtype_width(c->from.dtype), top = row * c->high, left = col * c->wide;
    const size_t cols = left < c->from.cols ? kofn_size_smaller(c->from.cols - left, c->wide) : 0;
    ret->data = kofn_mat_get_row(made, first);
    ret->stride = c->wide;
    for (size_t r = 0; r < c->high; r++) {
        char *into = kofn_mat_get_row(made, first + r);
        memset(into, 0, c->wide * width);
        if (top + r < c->from.rows && cols > 0)
            memcpy(into, (char *)kofn_mat_get_row(&c->from, top + r) + left * width, cols * width);
    }
}

/* All blocks that have a number; those that stick out go to `made` (NULL: they wait). How many
 * these are. */
static size_t
cut_blocks(const cutting *c, const size_t *number, const kofn_mat *made, kofn_matrix *blocks)
{
    size_t padded = 0;
    for (size_t i = 0; i < c->stored.rows; i++)
        for (size_t j = 0; j < c->stored.cols; j++) {
            const size_t n =
                number[c->transposed ? j * c->stored.rows + i : i * c->stored.cols + j];
            if (n == SIZE_MAX || !cut_block(c, i, j, &blocks[n]))
                continue;
            if (made)
                pad_block(c, i, j, made, padded * c->high, &blocks[n]);
            padded++;
        }
    return padded;
}

/* As one matrix: what a peer would refuse is better known here. */
static kofn_status
check_stack(const cutting *c, size_t count, kofn_error *err)
{
    if (kofn_block_check_size(c->from.dtype, count * c->high, c->wide, err) == KOFN_OK)
        return KOFN_OK;
    return kofn_fail_within(err, "%zu drawn blocks, stacked", count);
}

static kofn_status
stack_blocks(const draft *d, size_t side, const size_t *number, size_t count, kofn_pool *pool,
             kofn_matrix *blocks, kofn_sketching *s, kofn_error *err)
{
    const kofn_matrix *m = d->side[side];
    const kofn_grid grid = grid_of(d, side);
    const kofn_grid stored =
        m->transposed ? (kofn_grid){.rows = grid.cols, .cols = grid.rows} : grid;
    const cutting c = {.from = kofn_matrix_view(m),
                       .transposed = m->transposed,
                       .stored = stored,
                       .high = kofn_part_size(m->rows, stored.rows),
                       .wide = kofn_part_size(m->cols, stored.cols)};
    kofn_mat *made = &s->made[side];
    kofn_status status = check_stack(&c, count, err);
    const size_t padded = cut_blocks(&c, number, NULL, blocks);
    if (status == KOFN_OK && padded > 0)
        status = kofn_mat_new(pool, m->dtype, padded * c.high, c.wide, made, err);
    if (status != KOFN_OK)
        return status;
    if (padded > 0)
        (void)cut_blocks(&c, number, made, blocks);
    s->factors.at[side] = (kofn_stack){.of = blocks, .count = count, .owner = made->owner};
    s->compression.elements += count * c.high * c.wide;
    return KOFN_OK;
}

/* Stacked as they are stored: of transposes that is side by side. */
static kofn_grid
stacked(bool transposed, size_t count)
{
    return transposed ? (kofn_grid){.rows = 1, .cols = count}
                      : (kofn_grid){.rows = count, .cols = 1};
}

/* The batch that was drawn, of the blocks that travel. */
static kofn_status
make_batch(const draft *d, size_t *const number[2], const size_t count[2], kofn_batch **ret_batch,
           kofn_error *err)
{
    kofn_batch like = *d->drawn.batch;
    size_t *columns = malloc(2 * like.count * sizeof *columns);
    if (!columns)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a batch of %zu pairs",
                         like.count);
    for (size_t s = 0; s < 2; s++) {
        size_t *column = columns + s * like.count; // a side of each pair is one block
        for (size_t pair = 0; pair < like.count; pair++)
            column[pair] = number[s][like.side[s].column[pair]];
        like.side[s].column = column;
        like.side[s].cols = count[s];
        like.grid[s] = stacked(d->side[s]->transposed, count[s]);
    }
    const kofn_status status = kofn_batch_new(&like, d->field, ret_batch, err);
    free(columns);
    return status;
}

static kofn_status
list_blocks(const draft *d, kofn_pool *pool, kofn_sketching *s, kofn_error *err)
{
    const kofn_sums *sums = d->drawn.batch->side;
    size_t *numbers = malloc((sums[0].cols + sums[1].cols) * sizeof *numbers);
    if (!numbers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to number the drawn blocks");
    size_t *const number[] = {numbers, numbers + sums[0].cols};
    const size_t count[] = {number_blocks(&sums[0], number[0]), number_blocks(&sums[1], number[1])};
    s->blocks = calloc(count[0] + count[1], sizeof *s->blocks);
    kofn_status status = s->blocks ? KOFN_OK
                                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                                               "no memory for %zu blocks", count[0] + count[1]);
    s->factors = (kofn_factors){.count = 2};
    for (size_t side = 0; side < 2 && status == KOFN_OK; side++)
        status = stack_blocks(d, side, number[side], count[side], pool,
                              s->blocks + (side == 0 ? 0 : count[0]), s, err);
    if (status == KOFN_OK)
        status = make_batch(d, number, count, &s->batch, err);
    s->factors.batch = s->batch;
    free(numbers);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Before it is drawn: a family that cannot code it is no reason to look at elements. */
static kofn_status
check_family(const draft *d, kofn_error *err)
{
    const kofn_code_choice *code = &d->options->code;
    const kofn_family *family = kofn_family_find(code->family);
    if (family && kofn_sketch_admit(d->sketch, family, err) != KOFN_OK)
        return KOFN_INVALID_ARGUMENT;
    return d->sketch->columns
               ? kofn_code_choice_check(code, d->side[0]->dtype, d->options->field, err)
               : KOFN_OK;
}

static kofn_status
check_batch_code(const draft *d, const kofn_sketching *s, kofn_error *err)
{
    kofn_code_spec spec;
    kofn_status status = kofn_choice_to_spec(&s->code, &spec, err);
    if (status == KOFN_OK && kofn_code_most_batch_tasks(s->batch, d->field) == 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s: %zu pairs of %zu and %zu blocks were drawn of partition %zu,%zu,%zu, "
                         "more than a code has room for: take fewer parts (partition) or %s",
                         d->sketch->name, s->batch->count, s->batch->side[0].cols,
                         s->batch->side[1].cols, d->part.x, d->part.z, d->part.y,
                         d->options->approx > 0 ? "a larger error (approx)"
                                                : "fewer samples (samples)");
    if (status == KOFN_OK)
        status = kofn_code_spec_set_batch(&spec, s->batch, err);
    return status == KOFN_OK ? kofn_code_spec_check(&spec, d->field, err) : status;
}

static kofn_status
prepare(draft *d, kofn_error *err)
{
    kofn_status status = check_options(d->options, err);
    if (status == KOFN_OK)
        status = find_sketch(d->options->sketch, &d->sketch, err);
    if (status == KOFN_OK && d->options->approx == 0 && d->options->samples == 0)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "sketch %s: say how large the error may be (approx), or how many samples "
                      "to draw",
                      d->sketch->name);
    if (status == KOFN_OK)
        status = check_operands(d, err);
    if (status == KOFN_OK)
        status = check_family(d, err);
    if (status == KOFN_OK)
        status = choose_part(d, err);
    if (status == KOFN_OK)
        status = measure(d, err);
    return status == KOFN_OK ? draw(d, err) : status;
}

static void
describe(const draft *d, kofn_msg_compression *ret)
{
    kofn_msg_compression c = {.rows = d->shape.rows,
                              .inner = d->shape.inner,
                              .cols = d->shape.cols,
                              .samples = d->drawn.samples,
                              .most = d->drawn.most,
                              .seed = d->seed,
                              .bound = d->drawn.bound,
                              .lemma = d->drawn.lemma,
                              .size = d->size,
                              .elements = (d->shape.rows + d->shape.cols) * d->drawn.kept};
    (void)snprintf(c.method, sizeof c.method, "%s", d->sketch->name);
    (void)snprintf(c.dtype, sizeof c.dtype, "%s", kofn_dtype_name(d->side[0]->dtype));
    *ret = c;
}

static kofn_status
fill(const draft *d, kofn_pool *pool, kofn_sketching *s, kofn_error *err)
{
    describe(d, &s->compression);
    s->code = d->options->code;
    if (d->sketch->columns)
        return keep_columns(d, pool, s, err);
    s->code.x = s->code.z = s->code.y = 0; // a batch is not cut
    const kofn_status status = list_blocks(d, pool, s, err);
    return status == KOFN_OK ? check_batch_code(d, s, err) : status;
}

kofn_status
kofn_sketching_init(kofn_sketching *ret, kofn_pool *pool, const kofn_matrix *a,
                    const kofn_matrix *b, const kofn_product_options *options, kofn_error *err)
{
    draft d = {.options = options, .side = {a, b}, .seed = choose_seed(options)};
    *ret = (kofn_sketching){0};
    kofn_status status = prepare(&d, err);
    if (status == KOFN_OK)
        status = fill(&d, pool, ret, err);
    ret->factors.compression = &ret->compression;
    kofn_sketched_fini(&d.drawn);
    kofn_field_destroy(&d.field);
    free(d.norms[0]);
    free(d.norms[1]);
    if (status != KOFN_OK)
        kofn_sketching_fini(ret);
    return status;
}

void
kofn_sketching_fini(kofn_sketching *sketching)
{
    kofn_batch_destroy(&sketching->batch);
    free(sketching->blocks);
    kofn_mat_fini(&sketching->made[0]);
    kofn_mat_fini(&sketching->made[1]);
    *sketching = (kofn_sketching){0};
}
