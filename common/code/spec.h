/* A code as users write it: family, partition, tasks, seed and the family's own parameters.
 *
 *     code:                          --code rkrp --partition 2,1,2 --tasks 6 --set systematic=no
 *       family: rkrp
 *       partition: [2, 1, 2]         Zero or missing means: choose for the operands and workers.
 *       tasks: 6
 *       reserve: 2                 Fresh rows of families that have them, for what is lost.
 *       seed: 7
 *       systematic: no
 *
 * An outer product has `parts: [2, 3, 2]`, one number for each operand, in the place of the
 * partition. A batch (batch.h) travels beside its spec, which then has neither.
 *
 * The same struct comes from YAML, from the command line and from the wire; it is checked once,
 * here, and built once, here.
 *
 * Threads    Any thread; a spec is a value.
 */
#ifndef KOFN_CODE_SPEC_H
#define KOFN_CODE_SPEC_H

#include "common/code/family.h"
#include "common/code/plan_time.h"

enum { KOFN_SETS_MAX = 16, KOFN_SET_VALUE_MAX = 64 };

typedef struct kofn_code_set {
    char name[KOFN_NAME_MAX];
    char value[KOFN_SET_VALUE_MAX];
} kofn_code_set;

typedef struct kofn_code_spec {
    char family[KOFN_NAME_MAX]; // "" or "auto": the default for the product's size
    kofn_partition part;        // 0: choose that direction
    kofn_cuts parts;            // of an outer product, 0: choose; count 0: it is a product
    size_t tasks;               // 0: choose
    size_t reserve;             // fresh rows beyond them (code.h); 0: by the policy
    bool has_seed;
    uint64_t seed;
    size_t set_count;
    kofn_code_set sets[KOFN_SETS_MAX]; // the family's parameters, as text
    const kofn_batch *batch; // borrowed: the pairs that it is for, whose grids and sums take
                             // the partition's place; NULL: none; not recorded either
    const kofn_algorithms *algorithms; // borrowed: what the parameter `algorithm` may name beside
                                       // what ships; no part of what is recorded or compared
} kofn_code_spec;

/* Who gets a reserve that no spec names: whom the policy wants to have one. */
typedef enum kofn_reserve_choice {
    KOFN_RESERVE_NONE,
    KOFN_RESERVE_LIKELY, // codes of which nobody knows how many answers suffice
    KOFN_RESERVE_ALWAYS, // those that can have fresh rows; of families left open, one that can
    KOFN_RESERVE_STAGED, // those that can, and tasks that are left open are then as few as suffice:
                         // all others are only sent in place of what is late
} kofn_reserve_choice;

/* What a spec is completed with. */
typedef struct kofn_code_context {
    const kofn_field *field;
    size_t rows, inner, cols; // of the product; inner is 1 for an outer product
    kofn_extents operands;    // of an outer product
    size_t workers;           // alive now; 0 is taken as 1
    double whole_flops;       // a product of no more flops goes whole to one worker when the
                              // family is left open
    const kofn_plan_machine *machine; // with it, a code left open altogether is planned for that
                                      // machine; NULL: it is chosen by sizes alone
    size_t stragglers;                // and for so many
    double error;                     // and to keep to this; 0: to give the product itself
    bool exact; // tasks that are left open are to give the product, and not only the
                // estimate that the family promises
    size_t
        liars; // workers that may lie: what is left open is to have 2 more tasks for each, and as many
               // as it takes of so few workers (kofn_liars_count_tasks)
    kofn_reserve_choice reserve;
} kofn_code_context;

/* The keys above as --help shows them; kofn_code_spec_set sets them. */
extern const kofn_keys kofn_code_spec_keys;

/* Set one of the keys above, or record a parameter of the family. INVALID_ARGUMENT, OUT_OF_RANGE,
 * RESOURCE_EXHAUSTED (too many parameters). */
KOFN_MUST_CHECK kofn_status kofn_code_spec_set(kofn_code_spec *spec, const char *key,
                                               const char *text, kofn_error *err);

/* The bilinear algorithm that the spec names, NULL: none. Whoever takes specs from others without
 * having their algorithms cannot check them. */
const char *kofn_code_spec_get_algorithm(const kofn_code_spec *spec);

/* Is the family left to choose: none is named, or "auto"? */
bool kofn_code_spec_is_open(const kofn_code_spec *spec);

/* Is nothing left to choose: family, partition or parts, and tasks are there? */
bool kofn_code_spec_is_complete(const kofn_code_spec *spec);

/* Is nothing said of how operands are cut? */
bool kofn_code_spec_is_uncut(const kofn_code_spec *spec);

/* The spec is for an outer product of `operands`, or with 0 for a product. INVALID_ARGUMENT: it was
 * written for the other form, or for another number of operands. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_set_form(kofn_code_spec *spec, size_t operands,
                                                    kofn_error *err);

/* The spec is for this batch, which outlives it; NULL: for none. INVALID_ARGUMENT: it was written
 * for another form. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_set_batch(kofn_code_spec *spec, const kofn_batch *batch,
                                                     kofn_error *err);

/* Check all that can be checked without operands: family and its parameters exist and parse, and
 * where partition and tasks are given, the family's rules. NOT_FOUND with the nearest name. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_check(const kofn_code_spec *spec,
                                                 const kofn_field *field, kofn_error *err);

/* The same, and the thresholds of the code that the spec names: zeros where family, partition or
 * tasks are open. Of a family that searches (family.h) this is nothing for a thread that others
 * wait for. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_thresholds(const kofn_code_spec *spec,
                                                      const kofn_field *field,
                                                      kofn_thresholds *ret_thresholds,
                                                      kofn_error *err);

/* The same but for what takes a search: of such a family tasks count as open. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_glance(const kofn_code_spec *spec,
                                                  const kofn_field *field,
                                                  kofn_thresholds *ret_thresholds, kofn_error *err);

/* Fill what is open: family, partition, tasks, reserve, seed, and every parameter of the family, in
 * its table's order. Leaves a spec that names everything, so that it can be recorded, compared and
 * replayed, also by a version with other defaults. Never chooses more parts than the product has
 * rows, inner or columns, but where the family's parameters make the partition. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_complete(kofn_code_spec *spec,
                                                    const kofn_code_context *context,
                                                    kofn_error *err);

/* Build the code of a complete spec. */
KOFN_MUST_CHECK kofn_status kofn_code_spec_build(const kofn_code_spec *spec,
                                                 const kofn_field *field, kofn_code **ret_code,
                                                 kofn_error *err);

#endif
