/* A table of keys: name, type, bounds, default and help of each field of a plain struct.
 *
 * The one list from which configuration files, command lines, a family's parameters, `--help`,
 * `kofn codes` and the protocol's reflection are all served. A struct has a table; nothing else
 * knows its keys.
 *
 *     static const kofn_key keys[] = {
 *         {.name = "blas.threads", .type = KOFN_KEY_INT, KOFN_KEY_FIELD(my_config, blas_threads),
 *          .min = 1, .max = 256, .fallback = "1", .help = "BLAS threads for each worker"},
 *     };
 *
 * Grammar    A duration is 0 or a decimal number with a unit, ns, us, ms, s, min or h. A size is a
 *            decimal number with B, KiB, MiB, GiB, TiB or nothing, and comes out in whole bytes.
 *            MB and its like are refused: half of their users mean the other one. Numbers have a
 *            point, in and out, whatever the locale of the program.
 *
 * Units      Durations are written "250ms", "3.5s", "2min", "1h" and held as int64_t nanoseconds.
 *            Sizes are written "512", "64KiB", "8MiB", "2GiB" and held as uint64_t bytes.
 * Threads    Any thread; tables are const.
 */
#ifndef KOFN_BASE_KEYS_H
#define KOFN_BASE_KEYS_H

#include "common/base/status.h"

#include <stdint.h>

typedef enum kofn_key_type {
    KOFN_KEY_BOOL,     // bool: true, false, yes, no, on, off, in any case
    KOFN_KEY_INT,      // int64_t
    KOFN_KEY_SIZE,     // uint64_t bytes
    KOFN_KEY_REAL,     // double, finite; NAN when it may be left open and is
    KOFN_KEY_DURATION, // int64_t nanoseconds
    KOFN_KEY_STRING,   // char[size], NUL-terminated; min and max bound its length
    KOFN_KEY_CHOICE,   // int: index into choices
} kofn_key_type;

typedef struct kofn_key {
    const char *name; // dotted path: "limits.memory"
    kofn_key_type type;
    size_t offset, size; // of the field in its struct
    double min, max; // inclusive, in the field's unit (ns, bytes); lengths for strings. Both 0: no
                     // bounds but the type's; -INFINITY and INFINITY leave one end open
    const char *fallback; // the default, as it would be written; NULL leaves the field zeroed
    const char *choices;  // "oneshot|speculative" for KOFN_KEY_CHOICE; for KOFN_KEY_REAL, the word
                          // that leaves it open ("auto"), if there is one; else NULL
    const char *help;     // one sentence without a full stop
} kofn_key;

#define KOFN_KEY_FIELD(type_, field_)                                                              \
    .offset = offsetof(type_, field_), .size = sizeof(((type_ *)0)->field_)

/* A view of one table; passed by value. */
typedef struct kofn_keys {
    const kofn_key *at;
    size_t count;
} kofn_keys;

/* Every field to its default. A default that does not parse is a bug: asserts. */
void kofn_keys_set_defaults(kofn_keys keys, void *target);

/* NULL when the table has no such key. */
const kofn_key *kofn_keys_find(kofn_keys keys, const char *name);

/* Some names of a table in one text, with a blank on either side of each: " slots delay window ".
 * Is this one of them? */
bool kofn_names_have(const char *names, const char *name);

/* The known name closest to a misspelt one, for "did you mean"; NULL when none is close: at most
 * one edit (letter added, lost, changed, or two neighbours swapped) for each three letters begun.
 * `names` has `count` entries. Keys match as well by their last part alone ("memory" finds
 * "limits.memory"): in a file, that is a key under the wrong section. */
const char *kofn_nearest_name(const char *name, const char *const *names, size_t count);
const char *kofn_keys_nearest(kofn_keys keys, const char *name);

/* Parse text into key's field of target, which is untouched on failure.
 * KOFN_INVALID_ARGUMENT: not of the key's type. KOFN_OUT_OF_RANGE: outside its bounds. Both say
 * the key, the value and what would be right. */
KOFN_MUST_CHECK kofn_status kofn_key_parse(const kofn_key *key, const char *text, void *target,
                                           kofn_error *err);

/* kofn_keys_find and kofn_key_parse; NOT_FOUND with the nearest name when there is no such key.
 * The name of a section ("limits") is accepted with an empty text: that is a section of a file
 * whose keys are all commented out. */
KOFN_MUST_CHECK kofn_status kofn_keys_parse(kofn_keys keys, const char *name, const char *text,
                                            void *target, kofn_error *err);

/* Of a struct that no parser filled: is each number and choice one that could be parsed? One key,
 * and all of a table. OUT_OF_RANGE: the first that is not, in the words of a parser. */
KOFN_MUST_CHECK kofn_status kofn_key_check(const kofn_key *key, const void *target,
                                           kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_keys_check(kofn_keys keys, const void *target, kofn_error *err);

/* The field's value, as it would be written; cut to `size`. */
void kofn_key_format(const kofn_key *key, const void *target, char *ret_text, size_t size);

/* "integer", "duration" and so on; and "1 to 256", "oneshot or speculative", "" where unbounded. */
const char *kofn_key_type_name(kofn_key_type type);
void kofn_key_format_bounds(const kofn_key *key, char *ret_text, size_t size);

#endif
