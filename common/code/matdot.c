#include "common/code/matdot.h"
#include "common/code/entangled.h"
#include "common/code/points.h"

kofn_status
kofn_matdot_threshold(const char *family, const kofn_family_args *args, const char *general,
                      kofn_thresholds *ret, kofn_error *err)
{
    kofn_status status = kofn_entangled_check_inner(family, args, general, err);
    if (status)
        return status;
    const size_t k = kofn_entangled_threshold(args->part);
    status = kofn_entangled_check_tasks(family, args, k, "2 z - 1", (args->tasks + 1) / 2, err);
    if (!status)
        status = kofn_points_check(family, args, KOFN_POINTS_CHEBYSHEV, k, err);
    if (!status)
        *ret = (kofn_thresholds){.exact = k, .enough = k};
    return status;
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    return kofn_matdot_threshold("matdot", args, "polydot", ret, err);
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return kofn_entangled_judge("matdot", args, 1, ret_error, err);
}

const kofn_family kofn_matdot_family = {
    .name = "matdot",
    .summary = "Cuts the inner dimension only; few answers for small tasks, each as large as C",
    .threshold = "2 z - 1, with x = y = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source =
        "Dutta et al., On the Optimal Recovery Threshold of Coded Matrix Multiplication, 2020",
    .splits_inner = true,
    .threshold_for = threshold_for,
    .default_tasks = kofn_entangled_default_tasks,
    .judge = judge,
    .fill = kofn_entangled_fill_whole,
};
