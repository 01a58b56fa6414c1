/* Where a product goes: looked at before there is one, since a product that cannot be written is
 * lost. */
#ifndef KOFN_CLI_OUTPUT_H
#define KOFN_CLI_OUTPUT_H

#include "client/kofn.h"

/* Could kofn_npy_write put a matrix of this size there? It needs a folder that can be written and
 * room for the whole file beside the one that it replaces. What changes until then is not foreseen.
 * INVALID_ARGUMENT: a folder stands there. RESOURCE_EXHAUSTED: no room. NOT_FOUND,
 * PERMISSION_DENIED: the folder. OUT_OF_RANGE: no such matrix. */
KOFN_MUST_CHECK kofn_status cli_output_check(const char *path, kofn_dtype dtype, size_t rows,
                                             size_t cols, kofn_error *err);

#endif
