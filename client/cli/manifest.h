/* The manifest of a folder of coded tasks: which code, which product. JSON, written last, so a
 * folder with a manifest is complete.
 *
 *     DIR/manifest.json   {"kofn": 2, "code": "rkrp", "partition": [2, 1, 2], "tasks": 6, ...}
 *     DIR/000.a.npy       A's coded block of task 0      whoever multiplies them plainly, a @ b,
 *     DIR/000.b.npy       B's                            writes DIR/000.c.npy
 *
 * Versions   2 has `edition`, which is the family's in the reals (family.h) and 0 in finite fields;
 *            1 has none, which is edition 0. Tasks of another edition are never decoded: their
 *            coefficients are others.
 */
#ifndef KOFN_CLI_MANIFEST_H
#define KOFN_CLI_MANIFEST_H

#include "common/code/algorithms.h"
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

/* `algorithms`: borrowed by the manifest's spec, beside those that ship; may be NULL. NOT_FOUND:
 * there is no manifest. INVALID_ARGUMENT: it is not one, or describes no code or product that there
 * can be. FAILED_PRECONDITION: an algorithm, or the family's edition, is not the one that the tasks
 * were made by. UNIMPLEMENTED: a newer kofn wrote it. */
KOFN_MUST_CHECK kofn_status cli_manifest_load(const char *folder, const kofn_algorithms *algorithms,
                                              cli_manifest *ret_manifest, kofn_error *err);

/* The same for a text in memory. */
KOFN_MUST_CHECK kofn_status cli_manifest_parse(const char *text, const kofn_algorithms *algorithms,
                                               cli_manifest *ret_manifest, kofn_error *err);

/* "DIR/manifest.json", and "DIR/017.c.npy" for task 17's file 'c'. OUT_OF_RANGE: too long. */
KOFN_MUST_CHECK kofn_status cli_manifest_path(const char *folder, char ret_path[CLI_PATH_MAX],
                                              kofn_error *err);
KOFN_MUST_CHECK kofn_status cli_task_path(const char *folder, size_t task, char file,
                                          char ret_path[CLI_PATH_MAX], kofn_error *err);

#endif
