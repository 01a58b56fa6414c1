#include "common/code/plain.h"

#include <assert.h>

void
kofn_code_set_plain(kofn_code *code, size_t task, size_t product)
{
    const kofn_partition p = code->part;
    assert(task < code->tasks && product < kofn_partition_products(p));
    const size_t k = product % p.z, j = product / p.z % p.y, i = product / p.z / p.y;
    code->e[0].at[task * code->e[0].cols + i * p.z + k] = 1;
    code->e[1].at[task * code->e[1].cols + k * p.y + j] = 1;
}
