#include "common/code/family.h"
#include "common/code/alloy_global.h"
#include "common/code/alloy_local.h"
#include "common/code/batch.h"
#include "common/code/columns.h"
#include "common/code/eps.h"
#include "common/code/lagrange.h"
#include "common/code/locality.h"
#include "common/code/matdot.h"
#include "common/code/orthomatdot.h"
#include "common/code/orthopoly.h"
#include "common/code/polydot.h"
#include "common/code/polynomial.h"
#include "common/code/replication.h"
#include "common/code/rkrp.h"
#include "common/code/uncoded.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const kofn_family *const families[] = {
    &kofn_uncoded_family,     &kofn_replication_family,  &kofn_polynomial_family,
    &kofn_orthopoly_family,   &kofn_rkrp_family,         &kofn_matdot_family,
    &kofn_orthomatdot_family, &kofn_polydot_family,      &kofn_eps_matdot_family,
    &kofn_eps_polydot_family, &kofn_alloy_global_family, &kofn_alloy_local_family,
    &kofn_lagrange_family,    &kofn_locality_family,
};

const char kofn_family_mixing[] = "2 (M K + K N) flops";
const char kofn_family_communication[] =
    "M K / (x z) + K N / (z y) elements to the worker, M N / (x y) back";
const char kofn_family_storage[] = "M K / (x z) + K N / (z y) + M N / (x y) elements";

size_t
kofn_family_count(void)
{
    return sizeof families / sizeof families[0];
}

const kofn_family *
kofn_family_at(size_t index)
{
    assert(index < kofn_family_count());
    return families[index];
}

const kofn_family *
kofn_family_find(const char *name)
{
    for (size_t i = 0; i < kofn_family_count(); i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

void
kofn_family_args_set_parts(kofn_family_args *args, const kofn_cuts *parts)
{
    args->parts = *parts;
    args->part = (kofn_partition){.x = kofn_cuts_count_pieces(parts), .z = 1, .y = 1};
}

void
kofn_family_args_set_batch(kofn_family_args *args, const kofn_batch *batch)
{
    args->batch = batch;
    args->part = (kofn_partition){.x = batch->weights.rows, .z = 1, .y = 1};
}

const char *
kofn_family_name_cut(const kofn_family_args *args, char text[KOFN_CUT_TEXT_MAX])
{
    char parts[KOFN_CUTS_TEXT_MAX];
    kofn_cuts_format(&args->parts, parts);
    if (args->batch)
        (void)snprintf(text, KOFN_CUT_TEXT_MAX, "%zu pair%s", args->batch->count,
                       args->batch->count == 1 ? "" : "s");
    else if (args->parts.count > 0)
        (void)snprintf(text, KOFN_CUT_TEXT_MAX, "parts %s", parts);
    else
        (void)snprintf(text, KOFN_CUT_TEXT_MAX, "partition %zu,%zu,%zu", args->part.x, args->part.z,
                       args->part.y);
    return text;
}

kofn_status
kofn_family_check_form(const kofn_family *family, const kofn_family_args *args, kofn_error *err)
{
    if (args->batch && !family->batches)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: this family makes products of two matrices, no batches of pairs; "
                         "take lagrange or %s",
                         family->name, args->field->order == 0 ? "rkrp" : "replication");
    if (!args->batch && family->only_batches)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: this family makes batches of pairs only; for this product take "
                         "alloy_global or %s",
                         family->name, args->field->order == 0 ? "rkrp" : "polynomial");
    if (args->parts.count > 0 && !family->outer)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: this family makes products of two matrices, no outer products; take "
                         "alloy_global or %s",
                         family->name, args->field->order == 0 ? "rkrp" : "polynomial");
    return KOFN_OK;
}

static kofn_status
check_rules(const kofn_family *family, const kofn_family_args *args, kofn_thresholds *ret,
            kofn_error *err)
{
    const kofn_status status = kofn_family_check_form(family, args, err);
    if (status)
        return status;
    if (args->reserve > 0 && !family->rateless)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: reserve=%zu, but its rows depend on how many there are; take reserve "
                         "0, or a family with fresh rows: %s",
                         family->name, args->reserve,
                         args->field->order == 0 ? "rkrp" : "alloy_global");
    if (args->reserve > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: reserve=%zu, at most %d", family->name,
                         args->reserve, KOFN_TASKS_MAX);
    return family->threshold_for(args, ret, err);
}

kofn_status
kofn_family_check(const kofn_family *family, const kofn_family_args *args, kofn_thresholds *ret,
                  double *ret_error, kofn_error *err)
{
    kofn_thresholds thresholds;
    double error = args->field->epsilon;
    kofn_status status = check_rules(family, args, &thresholds, err);
    if (!status && family->judge)
        status = family->judge(args, &error, err);
    if (status)
        return status;
    *ret = thresholds;
    if (ret_error)
        *ret_error = error;
    return KOFN_OK;
}

void
kofn_code_set_thresholds(kofn_code *code, const kofn_thresholds *k)
{
    code->threshold = k->exact;
    code->enough = k->enough;
    code->likely = k->likely;
}

static kofn_status
alloc_code(const kofn_family *family, const kofn_family_args *args, kofn_code **ret_code,
           kofn_error *err)
{
    const size_t tasks = args->tasks + args->reserve;
    if (args->batch)
        return kofn_code_alloc_batch(family->name, args->field, args->batch, tasks, ret_code, err);
    if (args->parts.count > 0)
        return kofn_code_alloc_outer(family->name, args->field, &args->parts, tasks, ret_code, err);
    return kofn_code_alloc(family->name, args->field, args->part, tasks, ret_code, err);
}

kofn_status
kofn_family_build(const kofn_family *family, const kofn_family_args *args, kofn_code **ret_code,
                  kofn_error *err)
{
    kofn_thresholds k = {0};
    kofn_code *code = NULL;
    kofn_status status = check_rules(family, args, &k, err);
    if (!status)
        status = alloc_code(family, args, &code, err);
    if (status)
        return status;

    kofn_code_set_thresholds(code, &k);
    code->reserve = args->reserve;
    code->seed = args->seed;
    status = family->fill(args, code, err);
    if (!status)
        status = kofn_columns_fill(code, NULL, err);
    if (status) {
        kofn_code_destroy(&code);
        return status;
    }
    kofn_code_seal(code);
    *ret_code = code;
    return KOFN_OK;
}

size_t
kofn_family_reserve(const kofn_family *family, const kofn_family_args *args)
{
    const size_t most = args->batch ? kofn_code_most_batch_tasks(args->batch, args->field)
                                    : kofn_code_most_tasks(args->part);
    const size_t tasks = args->tasks;
    if (!family->rateless || most <= tasks)
        return 0;
    return most - tasks < tasks ? most - tasks : tasks;
}

size_t
kofn_family_tasks_beyond(size_t k, size_t workers)
{
    if (k > KOFN_TASKS_MAX)
        return k; // refused later, with the limit
    const size_t least = k + (k < 5 ? 1 : k / 5), most = 2 * k;
    if (workers <= least)
        return least;
    return workers < most ? workers : most;
}
