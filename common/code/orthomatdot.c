#include "common/code/orthomatdot.h"
#include "common/code/matdot.h"
#include "common/code/points.h"

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_status status = kofn_points_check_real("orthomatdot", args, "matdot", err);
    return status ? status : kofn_matdot_threshold("orthomatdot", args, "polydot", ret, err);
}

static void
fill_row(const kofn_field *f, double t, size_t count, double *row_a, double *row_b)
{
    (void)f; // the reals
    kofn_fill_chebyshev(t, count, row_a);
    kofn_fill_chebyshev(t, count, row_b);
    row_a[0] = 0.5;
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    return kofn_matdot_fill(args, code, fill_row, err);
}

const kofn_family kofn_orthomatdot_family = {
    .name = "orthomatdot",
    .summary = "The MatDot code in Chebyshev polynomials: the inner dimension cut, stable numbers",
    .threshold = "2 z - 1, with x = y = 1; 2 k - 1 for the sum of a batch's k pairs",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Fahim, Cadambe, Numerically Stable Polynomially Coded Computing, 2021",
    .edition = 1, // 0: nodes in their order
    .splits_inner = true,
    .batches = true,
    .threshold_for = threshold_for,
    .default_tasks = kofn_matdot_default_tasks,
    .fill = fill,
};
