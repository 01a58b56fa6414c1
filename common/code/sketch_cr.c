#include "common/code/sketch_cr.h"
#include "common/code/sketch_draw.h"

#include <stdlib.h>

static kofn_status
keep_drawn(const kofn_sketch_args *args, const kofn_sketch_block *block, kofn_sketched *ret,
           kofn_error *err)
{
    const size_t z = args->part.z;
    double *weight = malloc(2 * z * sizeof *weight);
    size_t *column = malloc(z * sizeof *column);
    if (!weight || !column) {
        free(weight);
        free(column);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to draw from %zu columns", z);
    }
    ret->kept = kofn_sketch_draw(args, block, 0, 0, weight);
    size_t kept = 0;
    for (size_t t = 0; t < z; t++)
        if (weight[t] > 0) {
            column[kept] = t;
            weight[kept++] = weight[t]; // kept is at most t
        }
    ret->column = column;
    ret->scale = weight;
    return KOFN_OK;
}

static kofn_status
compress(const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err)
{
    kofn_sketch_block block;
    kofn_sketched sketched = {0};
    if (args->part.x != 1 || args->part.y != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "cr: norms of %zu x %zu blocks of C, need those of whole columns and rows",
                         args->part.x, args->part.y);
    kofn_status status = kofn_sketch_plan("cr", args, &block, &sketched, err);
    if (!status)
        status = keep_drawn(args, &block, &sketched, err);
    if (!status)
        *ret = sketched;
    return status;
}

const kofn_sketch kofn_cr_sketch = {
    .name = "cr",
    .summary = "Columns of A and the rows of B that meet them; a smaller product is left to code",
    .source = "Drineas et al., Fast Monte Carlo algorithms for matrices I, 2006",
    .columns = true,
    .compress = compress,
};
