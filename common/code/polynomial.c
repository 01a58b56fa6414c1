/* Row i holds t^a for A, a < x, and t^(x b) for B, b < y. Their Kronecker product meets every power
 * of t below k exactly once, so G is Vandermonde and any k of its rows are independent. Chebyshev
 * points slow the growth of its condition; they do not stop it. That is the entangled code of
 * z = 1. */
#include "common/code/polynomial.h"
#include "common/code/entangled.h"
#include "common/code/points.h"

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    if (p.z != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: partition %zu,%zu,%zu splits the inner dimension, which this "
                         "code cannot; take %zu,1,%zu",
                         p.x, p.z, p.y, p.x, p.y);
    const size_t k = kofn_partition_outputs(p);
    if (args->tasks < k)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: tasks=%zu, need at least x y = %zu for partition %zu,1,%zu",
                         args->tasks, k, p.x, p.y);
    const kofn_status status = kofn_points_check("polynomial", args, err);
    if (status)
        return status;
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    return KOFN_OK;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_points_tasks(args, kofn_partition_outputs(args->part), workers);
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return kofn_entangled_judge("polynomial", args, 1, ret_error, err);
}

const kofn_family kofn_polynomial_family = {
    .name = "polynomial",
    .summary = "Blocks as coefficients of two polynomials; the smallest threshold, for small x y",
    .threshold = "x y, with z = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Yu, Maddah-Ali, Avestimehr, Polynomial Codes, NIPS 2017",
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .judge = judge,
    .fill = kofn_entangled_fill_whole,
};
