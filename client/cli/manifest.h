/* The manifest of a folder of coded tasks: which code, which product. JSON, written last, so a
 * folder with a manifest is complete.
 *
 *     DIR/manifest.json   {"kofn": 1, "code": "rkrp", "partition": [2, 1, 2], "tasks": 6, ...}
 *     DIR/000.a.npy       A's coded block of task 0      whoever multiplies them plainly, a @ b,
 *     DIR/000.b.npy       B's                            writes DIR/000.c.npy
 */
#ifndef KOFN_CLI_MANIFEST_H
#define KOFN_CLI_MANIFEST_H

#include "common/code/coding.h"
#include "common/code/spec.h"

#include <jansson.h>

enum { CLI_MANIFEST_BYTES_MAX = 64 * 1024, CLI_PATH_MAX = 4096 };

typedef struct cli_manifest {
    char field[KOFN_FIELD_NAME_MAX];
    kofn_dtype dtype;    // of the field's elements
    kofn_code_spec spec; // complete
    kofn_shape shape;    // of the product
} cli_manifest;

/* UNAVAILABLE, PERMISSION_DENIED, RESOURCE_EXHAUSTED (full disk): nothing is left behind. */
KOFN_MUST_CHECK kofn_status cli_manifest_save(const cli_manifest *manifest, const char *folder,
                                              kofn_error *err);

/* NOT_FOUND: there is none. INVALID_ARGUMENT: it is not one, or describes no code or product that
 * there can be. */
KOFN_MUST_CHECK kofn_status cli_manifest_load(const char *folder, cli_manifest *ret_manifest,
                                              kofn_error *err);

/* The same for a text in memory. */
KOFN_MUST_CHECK kofn_status cli_manifest_parse(const char *text, cli_manifest *ret_manifest,
                                               kofn_error *err);

/* "DIR/manifest.json", and "DIR/017.c.npy" for task 17's file 'c'. OUT_OF_RANGE: too long. */
KOFN_MUST_CHECK kofn_status cli_manifest_path(const char *folder, char ret_path[CLI_PATH_MAX],
                                              kofn_error *err);
KOFN_MUST_CHECK kofn_status cli_task_path(const char *folder, size_t task, char file,
                                          char ret_path[CLI_PATH_MAX], kofn_error *err);

#endif
