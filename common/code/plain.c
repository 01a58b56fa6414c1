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
    const size_t column = kofn_product_column(code->part, product);
    const size_t a_blocks = code->e[0].cols, b_blocks = code->e[1].cols;
    code->e[0].at[task * a_blocks + column / b_blocks] = 1;
    code->e[1].at[task * b_blocks + column % b_blocks] = 1;
}
