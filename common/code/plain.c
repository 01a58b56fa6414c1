#include "common/code/plain.h"

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
