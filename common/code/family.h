/* Families: pure functions from parameters to a code, each with a table that describes itself.
 *
 * The tables are the only list of families and parameters: configuration checks, `kofn codes`, the
 * protocol's ListCodes and the planner read them. A new family is one file and one line in
 * family.c.
 *
 * Threads    Any thread; all const.
 */
#ifndef KOFN_CODE_FAMILY_H
#define KOFN_CODE_FAMILY_H

#include "common/base/keys.h"
#include "common/code/code.h"

enum { KOFN_PARAMS_MAX = 256 }; // bytes of a family's parameter struct

/* What a family is asked for. Partition and tasks are already non-zero. */
typedef struct kofn_family_args {
    const kofn_field *field;
    kofn_partition part;
    size_t tasks;
    uint64_t seed;
    const void *params; // the family's own struct, filled through its table; NULL if it has none
} kofn_family_args;

typedef struct kofn_family {
    const char *name;      // "rkrp"
    const char *summary;   // one sentence
    const char *threshold; // formula in x, z, y, n and the parameters: "x y"
    const char *source;    // paper
    kofn_keys keys;        // of the parameter struct; count 0 if there is none
    size_t params_size;
    bool rateless; // row i does not depend on n: new rows can be made on demand

    /* k for these arguments, and whether they can be built: the one place for a family's rules.
     * INVALID_ARGUMENT with the rule and the nearest setting that works. */
    kofn_status (*threshold_for)(const kofn_family_args *args, size_t *ret_k, kofn_error *err);

    /* Tasks when the user names none, for `workers` workers: usually enough to lose one. */
    size_t (*default_tasks)(const kofn_family_args *args, size_t workers);

    /* The encoding matrices, zero so far, of a code whose threshold is known and whose seed is
     * set. */
    kofn_status (*fill)(const kofn_family_args *args, kofn_code *code, kofn_error *err);
} kofn_family;

/* The code for these arguments: rules, limits, memory, coefficients. Errors of threshold_for, of
 * kofn_code_alloc and of fill. */
KOFN_MUST_CHECK kofn_status kofn_family_build(const kofn_family *family,
                                              const kofn_family_args *args, kofn_code **ret_code,
                                              kofn_error *err);

/* What default_tasks says for a code of threshold k: a task for each worker, but no fewer than lets
 * one answer in six be lost (at least one), and no more than 2 k. */
size_t kofn_family_tasks_beyond(size_t k, size_t workers);

const kofn_family *kofn_family_find(const char *name);
size_t kofn_family_count(void);
const kofn_family *kofn_family_at(size_t index); // index < count; in the order of the documentation

#endif
