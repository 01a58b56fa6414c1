#include "common/code/alloy_global.h"
#include "common/code/alloy.h"

/* Numbers in a task's vector for each operand: rows of G are their product. */
static kofn_cuts
list_vectors(const kofn_family_args *args)
{
    const kofn_partition p = args->part;
    if (args->parts.count > 0)
        return args->parts;
    return (kofn_cuts){.count = 2,
                       .of = {kofn_size_multiply(p.x, p.z), kofn_size_multiply(p.z, p.y)}};
}

/* As many answers as decode but for `miss`. */
static size_t
count_answers(const kofn_family_args *args, double miss)
{
    const kofn_cuts vectors = list_vectors(args);
    return kofn_alloy_answers_of(args->field, args->params, &vectors, miss);
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    char cut[KOFN_CUT_TEXT_MAX];
    const kofn_cuts vectors = list_vectors(args);
    const size_t k = kofn_cuts_count_pieces(&vectors);
    const kofn_status status = kofn_alloy_check("alloy_global", args->field, args->params, err);
    if (status)
        return status;
    if (args->tasks < k) // the advice takes a search, and plans ask for many codes that cannot be
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "alloy_global: tasks=%zu, need at least %s = %zu for %s; take %zu",
                         args->tasks, args->parts.count > 0 ? "d1 d2 ..." : "x y z^2", k,
                         kofn_family_name_cut(args, cut),
                         err ? count_answers(args, KOFN_ALLOY_HOPELESS) : k);
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
    const kofn_cuts vectors = list_vectors(args);
    *ret_bound = !kofn_alloy_is_certain(args->field, args->params);
    return kofn_alloy_miss_of_lost(args->field, args->params, &vectors, args->tasks, failure);
}

/* In the smallest fields even all answers may not do. */
static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    const kofn_cuts vectors = list_vectors(args);
    const double miss = kofn_alloy_miss_of(args->field, args->params, &vectors, args->tasks);
    if (miss > KOFN_ALLOY_HOPELESS)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "alloy_global: %zu tasks in field %s may well not suffice even together; "
                         "take %zu or a larger field",
                         args->tasks, args->field->name, count_answers(args, KOFN_ALLOY_HOPELESS));
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
            kofn_alloy_fill(code->field, args->params, code->operands, &rng, code->e[o].cols,
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
    .outer = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .miss_for = miss_for,
    .judge = judge,
    .settle = settle,
    .fill = fill,
};
