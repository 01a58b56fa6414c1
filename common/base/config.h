/* Configuration files: YAML scalars with their dotted path and place, handed to a visitor.
 *
 * libyaml's event API, so that every complaint has file, line and column. A mapping adds to the
 * path ("limits.memory"), a sequence of scalars is one value joined by commas ("[2, 1, 2]" is
 * "2,1,2"). Refused: aliases and anchors, tags, nested sequences, duplicate keys, more than one
 * document, files over 64 KiB, nesting over 16 (libyaml is quadratic on deep nesting).
 *
 * Threads    Any thread. Blocks on the file.
 */
#ifndef KOFN_BASE_CONFIG_H
#define KOFN_BASE_CONFIG_H

#include "common/base/keys.h"

enum { KOFN_CONFIG_BYTES_MAX = 64 * 1024, KOFN_CONFIG_DEPTH_MAX = 16 };

/* Called for each scalar in the order of the file. What it returns stops the parse; its text gets
 * "file:line:column: " in front. */
typedef kofn_status kofn_config_visit(void *context, const char *path, const char *value,
                                      kofn_error *err);

/* NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the file cannot be read. INVALID_ARGUMENT: it is no
 * YAML or breaks a rule above. Otherwise what the visitor said. An empty file is a valid one. */
KOFN_MUST_CHECK kofn_status kofn_config_load(const char *path, kofn_config_visit *visit,
                                             void *context, kofn_error *err);

/* Looks at the whole of what was read so far. */
typedef kofn_status kofn_config_check(void *context, kofn_error *err);

/* kofn_config_load, and `check` after each pair. A check may fail in between, while the file is not
 * read to its end; if it fails at the end, its complaint gets the place of the pair from which on
 * it always failed. */
KOFN_MUST_CHECK kofn_status kofn_config_load_checked(const char *path, kofn_config_visit *visit,
                                                     kofn_config_check *check, void *context,
                                                     kofn_error *err);

/* kofn_config_load for text in memory; `name` stands for the file in messages. */
KOFN_MUST_CHECK kofn_status kofn_config_parse(const char *name, const char *text, size_t length,
                                              kofn_config_visit *visit, void *context,
                                              kofn_error *err);

#endif
