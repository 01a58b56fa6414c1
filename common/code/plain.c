#include "common/code/plain.h"
#include "common/code/batch.h"

#include <assert.h>

size_t
kofn_product_column(kofn_partition part, size_t product)
{
    assert(product < kofn_partition_products(part));
    const size_t k = product % part.z, j = product / part.z % part.y, i = product / part.z / part.y;
    return (i * part.z + k) * (part.z * part.y) + k * part.y + j;
}

void
kofn_code_set_plain(kofn_code *code, size_t task, size_t product)
{
    assert(task < code->tasks);
    size_t column = kofn_product_column(code->part, product);
    for (size_t o = code->operands; o-- > 0; column /= code->e[o].cols)
        code->e[o].at[task * code->e[o].cols + column % code->e[o].cols] = 1;
}

size_t
kofn_family_count_products(const kofn_family_args *args)
{
    return args->batch ? args->batch->count : kofn_partition_products(args->part);
}

const char *
kofn_family_name_products(const kofn_family_args *args)
{
    return args->batch ? "pairs" : "x y z";
}

void
kofn_family_fill_product(const kofn_family_args *args, kofn_code *code, size_t task, size_t product)
{
    if (!args->batch) {
        kofn_code_set_plain(code, task, product);
        return;
    }
    for (size_t o = 0; o < 2; o++) {
        const kofn_sums *side = &args->batch->side[o];
        double *row = code->e[o].at + task * code->e[o].cols;
        for (size_t i = side->first[product]; i < side->first[product + 1]; i++)
            row[side->column[i]] = side->coef[i];
    }
}
