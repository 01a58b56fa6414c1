#include "common/code/alloy_global.h"
#include "common/code/alloy.h"

/* From here on all tasks together may well not decode. */
static const double HOPELESS = 0.5;

/* Columns of G: the Kronecker product of x z numbers with z y. */
static size_t
count_columns(kofn_partition p)
{
    return kofn_size_multiply(kofn_partition_products(p), p.z);
}

/* As many answers as decode but for `miss`. */
static size_t
count_answers(const kofn_family_args *args, double miss)
{
    const kofn_partition p = args->part;
    return kofn_alloy_answers(args->field, args->params, kofn_size_multiply(p.x, p.z),
                              kofn_size_multiply(p.z, p.y), miss);
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    const size_t k = count_columns(p);
    const kofn_status status = kofn_alloy_check("alloy_global", args->field, args->params, err);
    if (status)
        return status;
    if (args->tasks < k) // the advice takes a search, and plans ask for many codes that cannot be
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "alloy_global: tasks=%zu, need at least x y z^2 = %zu for partition "
                         "%zu,%zu,%zu; take %zu",
                         args->tasks, k, p.x, p.z, p.y, err ? count_answers(args, HOPELESS) : k);
    const bool likely = !kofn_alloy_is_certain(args->field, args->params);
    *ret = (kofn_thresholds){.exact = k, .enough = k, .likely = likely};
    return KOFN_OK;
}

/* As many answers as decode but for the miss that is allowed, and some that may be lost. */
static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    const kofn_alloy_params *params = args->params;
    return kofn_family_tasks_beyond(count_answers(args, params->miss), workers);
}

static double
miss_for(const kofn_family_args *args, double failure, bool *ret_bound)
{
    const kofn_partition p = args->part;
    *ret_bound = !kofn_alloy_is_certain(args->field, args->params);
    return kofn_alloy_miss_lost(args->field, args->params, p.x * p.z, p.z * p.y, args->tasks,
                                failure);
}

/* In the smallest fields even all answers may not do. */
static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    const kofn_partition p = args->part;
    const double miss =
        kofn_alloy_miss(args->field, args->params, p.x * p.z, p.z * p.y, args->tasks);
    if (miss > HOPELESS)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "alloy_global: %zu tasks in field %s may well not suffice even together; "
                         "take %zu or a larger field",
                         args->tasks, args->field->name, count_answers(args, HOPELESS));
    *ret_error = args->field->epsilon;
    return KOFN_OK;
}

static void
settle(const kofn_family_args *args, void *params)
{
    kofn_alloy_params *own = params;
    own->draw = kofn_alloy_settle(args->field, own);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err;
    for (size_t task = 0; task < code->tasks; task++) {
        kofn_rng rng;
        kofn_rng_init(&rng, code->seed, task);
        for (size_t o = 0; o < code->operands; o++)
            kofn_alloy_fill(code->field, args->params, &rng, code->e[o].cols,
                            code->e[o].at + task * code->e[o].cols);
    }
    return KOFN_OK;
}

static const kofn_key keys[] = {KOFN_ALLOY_KEYS};

const kofn_family kofn_alloy_global_family = {
    .name = "alloy_global",
    .summary = "Random rows in any field; exact products, and as many tasks as one likes",
    .threshold = "x y z^2, which is x y for z = 1, with high probability (about 1 - 1/q)",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Soto, Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_alloy_params),
    .rateless = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .miss_for = miss_for,
    .judge = judge,
    .settle = settle,
    .fill = fill,
};
