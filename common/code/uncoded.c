#include "common/code/uncoded.h"
#include "common/code/plain.h"

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    char cut[KOFN_CUT_TEXT_MAX];
    const size_t products = kofn_family_count_products(args);
    if (args->tasks != products)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "uncoded: tasks=%zu, need %s = %zu for %s",
                         args->tasks, kofn_family_name_products(args), products,
                         kofn_family_name_cut(args, cut));
    *ret = (kofn_thresholds){.exact = products, .enough = products};
    return KOFN_OK;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    (void)workers; // the partition decides
    return kofn_family_count_products(args);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err; // cannot fail
    for (size_t task = 0; task < args->tasks; task++)
        kofn_family_fill_product(args, code, task, task);
    return KOFN_OK;
}

const kofn_family kofn_uncoded_family = {
    .name = "uncoded",
    .summary = "Every block product once; all are needed",
    .threshold = "x y z, with n = x y z; the pairs of a batch",
    .encoding = "none",
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "baseline",
    .outer = true,
    .batches = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .fill = fill,
};
