#include "common/code/polydot.h"
#include "common/code/entangled.h"
#include "common/code/points.h"

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const size_t k = kofn_entangled_threshold(args->part);
    const size_t outputs = kofn_partition_outputs(args->part);
    const size_t z_fits = outputs < SIZE_MAX ? (args->tasks + 1) / (outputs + 1) : 0;
    kofn_status status =
        kofn_entangled_check_tasks("polydot", args, k, "x y z + z - 1", z_fits, err);
    if (!status)
        status = kofn_points_check("polydot", args, KOFN_POINTS_CHEBYSHEV, k, err);
    if (!status)
        *ret = (kofn_thresholds){.exact = k, .enough = k};
    return status;
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return kofn_entangled_judge("polydot", args, 1, ret_error, err);
}

const kofn_family kofn_polydot_family = {
    .name = "polydot",
    .summary = "Entangled polynomials: any partition, between polynomial and matdot",
    .threshold = "x y z + z - 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Yu et al., Straggler Mitigation in Distributed Matrix Multiplication, 2020",
    .edition = 1, // 0: nodes in their order
    .splits_inner = true,
    .threshold_for = threshold_for,
    .default_tasks = kofn_entangled_default_tasks,
    .judge = judge,
    .fill = kofn_entangled_fill_whole,
};
