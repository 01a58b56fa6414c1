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

/* INVALID_ARGUMENT: it ends like a file of another format, and would be .npy all the same. */
KOFN_MUST_CHECK kofn_status cli_output_check_name(const char *path, kofn_error *err);

/* Where a file is or will be, however it is called: free() it. NULL: there is no folder for it, or
 * no memory. */
char *cli_output_locate(const char *path);

/* The folder of -d, made if it is not there; NULL is good. Errors: the folder. */
KOFN_MUST_CHECK kofn_status cli_output_make_folder(const char *folder, kofn_error *err);

/* A text and the end of its line, under this name whole or not at all: it is written under another
 * name first. A link stays one; a pipe or a device takes it as it comes. */
KOFN_MUST_CHECK kofn_status cli_text_write(const char *path, const char *text, kofn_error *err);

/* Could it be written? What changes until then is not foreseen. */
KOFN_MUST_CHECK kofn_status cli_text_check(const char *path, kofn_error *err);

#endif
