#include "common/code/orthomatdot.h"
#include "common/code/entangled.h"
#include "common/code/matdot.h"
#include "common/code/points.h"

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_status status = kofn_points_check_real("orthomatdot", args, "matdot", err);
    return status ? status : kofn_matdot_threshold("orthomatdot", args, "polydot", ret, err);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err; // cannot fail
    const size_t z = args->part.z;
    kofn_code_use_points(code);
    for (size_t task = 0; task < args->tasks; task++) {
        const double t = args->field->point(args->field, task, args->tasks);
        double *a = code->e[0].at + task * z;
        kofn_fill_chebyshev(t, z, a);
        a[0] = 0.5;
        kofn_fill_chebyshev(t, z, code->e[1].at + task * z);
        code->point[task] = t;
    }
    return KOFN_OK;
}

const kofn_family kofn_orthomatdot_family = {
    .name = "orthomatdot",
    .summary = "The MatDot code in Chebyshev polynomials: the inner dimension cut, stable numbers",
    .threshold = "2 z - 1, with x = y = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Fahim, Cadambe, Numerically Stable Polynomially Coded Computing, 2021",
    .splits_inner = true,
    .threshold_for = threshold_for,
    .default_tasks = kofn_entangled_default_tasks,
    .fill = fill,
};
