#include "common/code/replication.h"
#include "common/code/plain.h"

#include <math.h>

static size_t
count_copies(const kofn_family_args *args)
{
    const kofn_replication_params *params = args->params;
    return (size_t)params->copies;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    (void)workers; // partition and copies decide
    return kofn_size_multiply(count_copies(args), kofn_family_count_products(args));
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    char cut[KOFN_CUT_TEXT_MAX];
    const size_t copies = count_copies(args), tasks = default_tasks(args, 1);
    if (args->tasks != tasks)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "replication: tasks=%zu, need copies %s = %zu for copies=%zu and %s",
                         args->tasks, kofn_family_name_products(args), tasks, copies,
                         kofn_family_name_cut(args, cut));
    const size_t k = tasks - copies + 1;
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    return KOFN_OK;
}

/* One minus the odds that a copy of each product is left. */
static double
miss_for(const kofn_family_args *args, double failure, bool *ret_bound)
{
    const double lost = pow(failure, (double)count_copies(args));
    *ret_bound = false;
    return -expm1((double)kofn_family_count_products(args) * log1p(-lost));
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err; // cannot fail
    const size_t products = kofn_family_count_products(args);
    for (size_t task = 0; task < args->tasks; task++)
        kofn_family_fill_product(args, code, task, task % products);
    return KOFN_OK;
}

static const kofn_key keys[] = {
    {.name = "copies",
     .type = KOFN_KEY_INT,
     KOFN_KEY_FIELD(kofn_replication_params, copies),
     .min = 1,
     .max = 16,
     .fallback = "2",
     .help = "Times that each block product is computed"},
};

const kofn_family kofn_replication_family = {
    .name = "replication",
    .summary = "Every block product several times; the first copy counts",
    .threshold = "n - copies + 1, with n = copies x y z, or copies pairs",
    .encoding = "none",
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "baseline",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_replication_params),
    .outer = true,
    .batches = true,
    .tasks_key = "copies",
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .miss_for = miss_for,
    .fill = fill,
};
