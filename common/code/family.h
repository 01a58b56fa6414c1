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

typedef struct kofn_algorithms kofn_algorithms; // algorithms.h

enum { KOFN_PARAMS_MAX = 256 }; // bytes of a family's parameter struct

/* What a family is asked for. Partition and tasks are already non-zero. */
typedef struct kofn_family_args {
    const kofn_field *field;
    kofn_partition part; // of an outer product: its pieces, 1, 1; of a batch: its targets, 1, 1
    kofn_cuts parts;     // of an outer product (kofn_family_args_set_parts); count 0: there is none
    const kofn_batch *batch; // borrowed (kofn_family_args_set_batch); NULL: there is none
    size_t tasks;            // n
    size_t reserve;          // rows beyond n: of rateless families
    uint64_t seed;
    const void *params; // the family's own struct, filled through its table; NULL if it has none
    const kofn_algorithms *algorithms; // that parameters may name beside what ships; may be NULL
} kofn_family_args;

/* How many answers suffice, whichever they are. */
typedef struct kofn_thresholds {
    size_t exact;  // for the product; above n when the family settles for estimates
    size_t enough; // for the estimate that the family promises; `exact` where it promises none
    bool likely;   // with high probability only, for each set; see code.h
} kofn_thresholds;

/* The formulas are for people: x, z, y and n as ever, A of M by K elements, B of K by N. */
typedef struct kofn_family {
    const char *name;          // "rkrp"
    const char *summary;       // one sentence
    const char *threshold;     // formula in x, z, y, n and the parameters: "x y"
    const char *encoding;      // flops to make one task
    const char *communication; // elements to and from the worker of one task
    const char *storage;       // elements that one task keeps on its worker
    const char *source;        // paper
    kofn_keys keys;            // of the parameter struct; count 0 if there is none
    size_t params_size;
    unsigned edition;      // counts up when the same spec makes other rows in the reals than before
    bool rateless;         // row i does not depend on n: new rows can be made on demand
    bool splits_inner;     // made for z > 1: a partition left open may cut the inner dimension
    bool outer;            // makes outer products, too: fill writes all of E for them
    bool batches;          // and batches, likewise
    bool only_batches;     // and nothing else
    bool searches;         // its rules and tasks take a search over a batch's pairs, up to seconds
    const char *tasks_key; // the parameter, a whole number, that decides on tasks together with the
                           // partition; NULL: there is none

    /* Whether parameters can be right at all: what their keys cannot say, and partition and tasks
     * (args->part and tasks are not read) do not matter for. NULL: there is nothing. */
    kofn_status (*check_params)(const kofn_family_args *args, kofn_error *err);

    /* The thresholds for these arguments, and whether they can be built: the one place for a
     * family's rules. INVALID_ARGUMENT with the rule and the nearest setting that works. Asked for
     * outer products and batches where `outer` and `batches` say so; else kofn_family_check has
     * refused them. */
    kofn_status (*threshold_for)(const kofn_family_args *args, kofn_thresholds *ret,
                                 kofn_error *err);

    /* Fill in what is zero in *part (args->part is not read), where parameters decide the
     * partition. NULL, or still zero: it is chosen by the product's size. */
    void (*cut)(const kofn_family_args *args, kofn_partition *part);

    /* Tasks when the user names none, for `workers` workers: usually enough to lose one. */
    size_t (*default_tasks)(const kofn_family_args *args, size_t workers);

    /* The probability that the answers do not suffice when each task is lost with probability
     * `failure` on its own, over the family's draws as well; threshold_for has taken the arguments.
     * *ret_bound says that it is at most so much. NULL: what the thresholds say is all. */
    double (*miss_for)(const kofn_family_args *args, double failure, bool *ret_bound);

    /* What the field's arithmetic makes of arguments that threshold_for takes. *ret_error: what to
     * expect of |C' - C| / (|A| |B|), Frobenius norms; of an estimate, from the worst `enough`
     * answers; else of the rounding, when all answers are there. INVALID_ARGUMENT with the reason
     * and the nearest setting that works: no digit would be right. Jobs are refused by it, but
     * kofn_family_build does not ask. NULL: the error is about the field's epsilon. */
    kofn_status (*judge)(const kofn_family_args *args, double *ret_error, kofn_error *err);

    /* Parameters that were left open become what is used for these arguments. NULL: none is. */
    void (*settle)(const kofn_family_args *args, void *params);

    /* The encoding matrices, zero so far, of a code whose thresholds are known and whose seed is
     * set; points, powers and estimator where it has them. */
    kofn_status (*fill)(const kofn_family_args *args, kofn_code *code, kofn_error *err);
} kofn_family;

/* The arguments become those of an outer product in these parts. */
void kofn_family_args_set_parts(kofn_family_args *args, const kofn_cuts *parts);

/* And those of this batch, which outlives them. */
void kofn_family_args_set_batch(kofn_family_args *args, const kofn_batch *batch);

/* "partition 2,1,3", "parts 2,3,1" or "8 pairs": for messages. */
enum { KOFN_CUT_TEXT_MAX = KOFN_CUTS_TEXT_MAX + 16 };
const char *kofn_family_name_cut(const kofn_family_args *args, char text[KOFN_CUT_TEXT_MAX]);

/* INVALID_ARGUMENT: it makes none of the form asked for, be that a product, an outer product or a
 * batch; with families that do. */
KOFN_MUST_CHECK kofn_status kofn_family_check_form(const kofn_family *family,
                                                   const kofn_family_args *args, kofn_error *err);

/* The family's rules (threshold_for) and who may have a reserve, then its judge: what a job has to
 * pass. `ret` and `ret_error` as theirs; the latter may be NULL. */
KOFN_MUST_CHECK kofn_status kofn_family_check(const kofn_family *family,
                                              const kofn_family_args *args, kofn_thresholds *ret,
                                              double *ret_error, kofn_error *err);

/* The code for these arguments: rules, limits, memory, coefficients. Errors of threshold_for, of
 * kofn_code_alloc and of fill. INVALID_ARGUMENT also: not of this form. */
KOFN_MUST_CHECK kofn_status kofn_family_build(const kofn_family *family,
                                              const kofn_family_args *args, kofn_code **ret_code,
                                              kofn_error *err);

void kofn_code_set_thresholds(kofn_code *code, const kofn_thresholds *k);

/* A reserve that is worth having beyond args->tasks: as many again, or as many as fit; 0 where rows
 * are not rateless. */
size_t kofn_family_reserve(const kofn_family *family, const kofn_family_args *args);

/* What default_tasks says for a code of threshold k: a task for each worker, but no fewer than lets
 * one answer in six be lost (at least one), and no more than 2 k. */
size_t kofn_family_tasks_beyond(size_t k, size_t workers);

/* Formulas shared by families: each operand mixed from all of its blocks, and blocks of x, z, y
 * parts to and from one worker and in its memory. */
extern const char kofn_family_mixing[], kofn_family_communication[], kofn_family_storage[];

const kofn_family *kofn_family_find(const char *name);
size_t kofn_family_count(void);
const kofn_family *kofn_family_at(size_t index); // index < count; in the order of the documentation

#endif
