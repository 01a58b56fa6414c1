#include "common/code/matdot.h"
#include "common/code/batch.h"
#include "common/code/entangled.h"
#include "common/code/points.h"

#include <math.h>
#include <stdlib.h>

/* Blocks of the inner dimension, or pairs that are summed. */
static size_t
count_terms(const kofn_family_args *args)
{
    return args->batch ? args->batch->count : args->part.z;
}

static size_t
count_needed(const kofn_family_args *args)
{
    return args->batch ? 2 * args->batch->count - 1 : kofn_entangled_threshold(args->part);
}

static kofn_status
check_batch(const char *family, const kofn_family_args *args, kofn_error *err)
{
    const size_t need = count_needed(args);
    if (args->part.x != 1)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: of a batch this code makes one sum, and this one asks for %zu blocks; "
            "take family lagrange",
            family, args->part.x);
    if (args->tasks < need)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: tasks=%zu, need at least 2 k - 1 = %zu for the sum of %zu pairs; take "
            "more tasks, or family uncoded",
            family, args->tasks, need, args->batch->count);
    return KOFN_OK;
}

static kofn_status
check_product(const char *family, const kofn_family_args *args, const char *general,
              kofn_error *err)
{
    const kofn_status status = kofn_entangled_check_inner(family, args, general, err);
    return status ? status
                  : kofn_entangled_check_tasks(family, args, count_needed(args), "2 z - 1",
                                               (args->tasks + 1) / 2, err);
}

kofn_status
kofn_matdot_threshold(const char *family, const kofn_family_args *args, const char *general,
                      kofn_thresholds *ret, kofn_error *err)
{
    const size_t k = count_needed(args);
    kofn_status status =
        args->batch ? check_batch(family, args, err) : check_product(family, args, general, err);
    if (!status)
        status = kofn_points_check(family, args, KOFN_POINTS_CHEBYSHEV, k, err);
    if (!status)
        *ret = (kofn_thresholds){.exact = k, .enough = k};
    return status;
}

size_t
kofn_matdot_default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_points_tasks(args, KOFN_POINTS_CHEBYSHEV, count_needed(args), workers);
}

/* The weight of pair i is in two factors: in the reals both of about its root, the second a power
 * of two, so that their product is the weight itself. */
static void
split_weight(const kofn_field *f, double weight, double *ret_a, double *ret_b)
{
    int exponent = 0;
    if (f->order == 0)
        (void)frexp(weight, &exponent);
    *ret_b = f->order == 0 ? ldexp(1, exponent / 2) : 1;
    *ret_a = weight / *ret_b;
}

/* Coefficients of blocks from those of pairs, which are weighted on the way. */
static void
mix_pairs(const kofn_batch *batch, kofn_code *code, size_t task, double *row_a, double *row_b,
          double *room)
{
    const kofn_field *f = code->field;
    for (size_t i = 0; i < batch->count; i++) { // a pair without a weight would not be there
        double a, b;
        split_weight(f, batch->weights.coef[i], &a, &b);
        row_a[i] = f->multiply(f, row_a[i], a);
        row_b[i] = f->multiply(f, row_b[i], b);
    }
    kofn_batch_mix(batch, f, 0, row_a, code->e[0].at + task * code->e[0].cols, room);
    kofn_batch_mix(batch, f, 1, row_b, code->e[1].at + task * code->e[1].cols, room);
}

kofn_status
kofn_matdot_fill(const kofn_family_args *args, kofn_code *code, kofn_matdot_fill_row *fill_row,
                 kofn_error *err)
{
    const kofn_field *f = code->field;
    const size_t count = count_terms(args);
    const size_t most = code->e[code->e[1].cols > code->e[0].cols].cols;
    double *row = args->batch ? malloc((2 * count + most) * sizeof *row) : NULL;
    if (args->batch && !row)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu pairs", code->family,
                         count);
    kofn_code_use_points(code);
    kofn_points_fill_nodes(code);
    for (size_t task = 0; task < code->tasks; task++) {
        const double t = code->point[task];
        if (args->batch) {
            fill_row(f, t, count, row, row + count);
            mix_pairs(args->batch, code, task, row, row + count, row + 2 * count);
        } else {
            fill_row(f, t, count, code->e[0].at + task * count, code->e[1].at + task * count);
        }
    }
    free(row);
    return KOFN_OK;
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    return kofn_matdot_threshold("matdot", args, "polydot", ret, err);
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    kofn_family_args product = *args;
    product.part = (kofn_partition){.x = 1, .z = count_terms(args), .y = 1};
    const kofn_status status =
        kofn_entangled_judge("matdot", &product, 1, ret_error, args->batch ? NULL : err);
    if (status && args->batch)
        return kofn_fail(
            err, status,
            "matdot: %zu pairs make a polynomial of %zu coefficients, of which rounding "
            "in %s leaves no digit; take family orthomatdot",
            args->batch->count, count_needed(args), args->field->name);
    return status;
}

/* t^i, and the same powers the other way round. */
static void
fill_powers(const kofn_field *f, double t, size_t count, double *row_a, double *row_b)
{
    double power = 1;
    for (size_t i = 0; i < count; i++, power = f->multiply(f, power, t))
        row_a[i] = row_b[count - 1 - i] = power;
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    kofn_code_use_powers(code);
    code->power[0] = count_terms(args) - 1;
    return kofn_matdot_fill(args, code, fill_powers, err);
}

const kofn_family kofn_matdot_family = {
    .name = "matdot",
    .summary = "Cuts the inner dimension only; few answers for small tasks, each as large as C",
    .threshold = "2 z - 1, with x = y = 1; 2 k - 1 for the sum of a batch's k pairs",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source =
        "Dutta et al., On the Optimal Recovery Threshold of Coded Matrix Multiplication, 2020",
    .edition = 1, // 0: nodes in their order
    .splits_inner = true,
    .batches = true,
    .threshold_for = threshold_for,
    .default_tasks = kofn_matdot_default_tasks,
    .judge = judge,
    .fill = fill,
};
