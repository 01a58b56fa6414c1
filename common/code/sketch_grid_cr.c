#include "common/code/sketch_grid_cr.h"
#include "common/code/sketch_draw.h"

#include <math.h>
#include <stdlib.h>

static void
draw_all(const kofn_sketch_args *args, const kofn_sketch_block *blocks, double *weight,
         kofn_batch *batch)
{
    const kofn_partition p = args->part;
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++) {
            (void)kofn_sketch_draw(args, blocks, i, j, weight);
            for (size_t t = 0; t < p.z; t++)
                if (weight[t] > 0)
                    kofn_batch_add_product(batch, i * p.z + t, t * p.y + j, weight[t]);
            batch->weights.first[i * p.y + j + 1] = batch->count;
        }
}

/* Pairs that there can be at most: of each block as many as were drawn, or all. */
static size_t
count_most(const kofn_sketch_block *blocks, size_t count)
{
    size_t most = 0;
    for (size_t b = 0; b < count; b++)
        most += blocks[b].whole || blocks[b].samples > blocks[b].pairs ? blocks[b].pairs
                                                                       : blocks[b].samples;
    return most;
}

static kofn_status
make_batch(const kofn_sketch_args *args, const kofn_sketch_block *blocks, size_t most,
           kofn_sketched *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    kofn_batch like = {.grid = {{.rows = p.x, .cols = p.z}, {.rows = p.z, .cols = p.y}},
                       .out = {.rows = p.x, .cols = p.y}};
    double *weight = malloc(2 * p.z * sizeof *weight);
    kofn_status status = KOFN_OK;
    if (!weight || !kofn_sums_alloc(most, p.x * p.z, most, &like.side[0]) ||
        !kofn_sums_alloc(most, p.z * p.y, most, &like.side[1]) ||
        !kofn_sums_alloc(p.x * p.y, most, most, &like.weights))
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a sketch of %zu pairs", most);
    if (!status) {
        draw_all(args, blocks, weight, &like);
        like.side[0].rows = like.side[1].rows = like.weights.cols = like.count;
        status = kofn_batch_new(&like, kofn_field_find("f64"), &ret->batch, err);
    }
    free(like.side[0].first);
    free(like.side[1].first);
    free(like.weights.first);
    free(weight);
    return status;
}

/* The error that as many samples as fit would have. */
static kofn_status
check_most(const char *name, const kofn_sketch_args *args, const kofn_sketch_block *blocks,
           size_t most, kofn_error *err)
{
    size_t samples = 0;
    double sum = 0;
    if (most <= KOFN_PAIRS_MAX)
        return KOFN_OK;
    for (size_t b = 0; b < args->part.x * args->part.y; b++) {
        samples += blocks[b].samples;
        sum += blocks[b].sum;
    }
    return kofn_fail(
        err, KOFN_OUT_OF_RANGE,
        "%s: %zu samples may be %zu pairs, at most %d fit one job; take an error of %.3g "
        "or more, fewer blocks, or the sketch cr",
        name, samples, most, KOFN_PAIRS_MAX,
        sum / kofn_sketch_get_size(args) / sqrt(KOFN_PAIRS_MAX));
}

static kofn_status
compress(const char *name, const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err)
{
    const size_t count = args->part.x * args->part.y;
    kofn_sketched sketched = {0};
    kofn_sketch_block *blocks = calloc(count, sizeof *blocks);
    if (!blocks)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a sketch of %zu blocks",
                         count);
    kofn_status status = kofn_sketch_plan(name, args, blocks, &sketched, err);
    const size_t most = status ? 0 : count_most(blocks, count);
    if (!status)
        status = check_most(name, args, blocks, most, err);
    if (!status)
        status = make_batch(args, blocks, most, &sketched, err);
    if (!status)
        *ret = sketched;
    free(blocks);
    return status;
}

static kofn_status
compress_grid(const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err)
{
    return compress("grid_cr", args, ret, err);
}

static kofn_status
compress_block(const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err)
{
    if (args->part.x != 1 || args->part.y != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "block_cr: partition %zu,%zu,%zu, need x = y = 1; grid_cr cuts C as well",
                         args->part.x, args->part.z, args->part.y);
    return compress("block_cr", args, ret, err);
}

const kofn_sketch kofn_grid_cr_sketch = {
    .name = "grid_cr",
    .summary = "Pairs of blocks, drawn for each block of C by the norms of its own",
    .source = "Rudow et al., Compression-Informed Coded Computing, 2023",
    .cuts_outer = true,
    .compress = compress_grid,
};

const kofn_sketch kofn_block_cr_sketch = {
    .name = "block_cr",
    .summary = "Pairs of a column block of A and a row block of B; C is their weighted sum",
    .source = "Charalambides et al., Approximate Weighted CR Coded Matrix Multiplication, 2021",
    .compress = compress_block,
};
