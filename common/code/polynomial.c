#include "common/code/polynomial.h"

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
    if (args->field->order != 0 && (double)args->tasks > args->field->order)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: tasks=%zu, but field %s has only %.0f points", args->tasks,
                         args->field->name, args->field->order);
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    return KOFN_OK;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_family_tasks_beyond(kofn_partition_outputs(args->part), workers);
}

/* row[i] := t^(i step). */
static void
fill_powers(const kofn_field *f, double t, size_t step, size_t count, double *row)
{
    double factor = 1;
    for (size_t i = 0; i < step; i++)
        factor = f->multiply(f, factor, t);
    row[0] = 1;
    for (size_t i = 1; i < count; i++)
        row[i] = f->multiply(f, row[i - 1], factor);
}

/* Row i holds t^a for A, a < x, and t^(x b) for B, b < y. Their Kronecker product meets every power
 * of t below k exactly once, so G is Vandermonde and any k of its rows are independent. Chebyshev
 * points slow the growth of its condition; they do not stop it. */
static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err; // cannot fail
    const size_t x = args->part.x, y = args->part.y;
    kofn_code_use_points(code);
    kofn_code_use_powers(code);
    for (size_t target = 0; target < x * y; target++)
        code->power[target] = target / y + x * (target % y);
    for (size_t i = 0; i < args->tasks; i++) {
        const double t = args->field->point(args->field, i, args->tasks);
        code->point[i] = t;
        fill_powers(args->field, t, 1, x, code->e[0].at + i * x);
        fill_powers(args->field, t, x, y, code->e[1].at + i * y);
    }
    return KOFN_OK;
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
    .fill = fill,
};
