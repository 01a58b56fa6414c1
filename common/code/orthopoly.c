#include "common/code/orthopoly.h"
#include "common/code/points.h"

/* Its points=spread are those that suit its polynomials. */
static kofn_points
points_of(const kofn_family_args *args)
{
    return kofn_points_of(args) == KOFN_POINTS_SPREAD ? KOFN_POINTS_TURNS : KOFN_POINTS_CHEBYSHEV;
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    kofn_status status = kofn_points_check_real("orthopoly", args, "polynomial", err);
    if (status)
        return status;
    if (p.z != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "orthopoly: partition %zu,%zu,%zu splits the inner dimension, which this "
                         "code cannot; take %zu,1,%zu, or family orthomatdot with 1,%zu,1",
                         p.x, p.z, p.y, p.x, p.y, p.z);
    const size_t k = kofn_partition_outputs(p);
    if (args->tasks < k)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "orthopoly: tasks=%zu, need at least x y = %zu for partition %zu,1,%zu; "
                         "take more tasks or fewer parts",
                         args->tasks, k, p.x, p.y);
    status = kofn_points_check("orthopoly", args, points_of(args), k, err);
    if (!status)
        *ret = (kofn_thresholds){.exact = k, .enough = k};
    return status;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_family_tasks_beyond(kofn_partition_outputs(args->part), workers);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    const size_t x = args->part.x, y = args->part.y;
    kofn_code_use_points(code);
    const kofn_status status = kofn_points_fill(code, points_of(args), err);
    for (size_t task = 0; !status && task < args->tasks; task++) {
        const double t = code->point[task];
        kofn_fill_chebyshev(t, x, code->e[0].at + task * x);
        kofn_fill_chebyshev(kofn_chebyshev(t, x), y, code->e[1].at + task * y); // T_b(T_x) = T_xb
    }
    return status;
}

static const kofn_key keys[] = {
    {.name = "points",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(kofn_points_params, points),
     .choices = "chebyshev|spread",
     .fallback = "chebyshev",
     .help = "Where tasks evaluate: Chebyshev nodes, or spread from the first on"},
};

const kofn_family kofn_orthopoly_family = {
    .name = "orthopoly",
    .summary = "The polynomial code in Chebyshev polynomials: stable while few tasks may be late",
    .threshold = "x y, with z = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Fahim, Cadambe, Numerically Stable Polynomially Coded Computing, 2021",
    .edition = 1, // 0: nodes in their order
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_points_params),
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .fill = fill,
};
