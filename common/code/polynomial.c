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
    char cut[KOFN_CUT_TEXT_MAX];
    const kofn_partition p = args->part;
    if (p.z != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: partition %zu,%zu,%zu splits the inner dimension, which this "
                         "code cannot; take %zu,1,%zu",
                         p.x, p.z, p.y, p.x, p.y);
    const size_t k = kofn_partition_outputs(p);
    if (args->tasks < k)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: tasks=%zu, need at least x y = %zu for %s", args->tasks, k,
                         kofn_family_name_cut(args, cut));
    const kofn_status status = kofn_points_check("polynomial", args, kofn_points_of(args), k, err);
    if (status)
        return status;
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    return KOFN_OK;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_points_tasks(args, kofn_points_of(args), kofn_partition_outputs(args->part),
                             workers);
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return kofn_entangled_judge("polynomial", args, 1, ret_error, err);
}

/* Operand i holds powers of t^(d_1 ... d_(i-1)). */
static void
fill_outer_task(kofn_code *code, size_t task)
{
    const kofn_field *f = code->field;
    double step = code->point[task];
    for (size_t o = 0; o < code->operands; o++) {
        double *row = code->e[o].at + task * code->e[o].cols, power = 1;
        for (size_t i = 0; i < code->e[o].cols; i++, power = f->multiply(f, power, step))
            row[i] = power;
        step = power;
    }
}

/* Of the piece at `column`: its blocks' numbers as digits, the first one fastest. */
static size_t
find_power(const kofn_code *code, size_t column)
{
    size_t power = 0;
    for (size_t o = code->operands; o-- > 0; column /= code->e[o].cols)
        power = power * code->e[o].cols + column % code->e[o].cols;
    return power;
}

/* Each power below k is again met once, at another place than its number. */
static void
fill_outer(kofn_code *code)
{
    kofn_code_use_powers(code);
    for (size_t task = 0; task < code->tasks; task++)
        fill_outer_task(code, task);
    for (size_t t = 0; t < code->targets.rows; t++)
        code->power[t] = find_power(code, t);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    kofn_code_use_points(code);
    const kofn_status status = kofn_points_fill(code, kofn_points_of(args), err);
    if (status)
        return status;
    if (args->parts.count == 0)
        kofn_entangled_fill(code);
    else
        fill_outer(code);
    return KOFN_OK;
}

static const kofn_key keys[] = {
    {.name = "points",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(kofn_points_params, points),
     .choices = "chebyshev|spread|random",
     .fallback = "chebyshev",
     .help = "Where tasks evaluate: Chebyshev nodes, spread from the first on, or drawn"},
};

const kofn_family kofn_polynomial_family = {
    .name = "polynomial",
    .summary = "Blocks as coefficients of two polynomials; the smallest threshold, for small x y",
    .threshold = "x y, with z = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Yu, Maddah-Ali, Avestimehr, Polynomial Codes, NIPS 2017",
    .edition = 1, // 0: nodes in their order
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_points_params),
    .outer = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .judge = judge,
    .fill = fill,
};
