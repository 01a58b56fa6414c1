#include "common/code/lagrange.h"
#include "common/code/batch.h"
#include "common/code/plain.h"
#include "common/code/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
is_systematic(const kofn_family_args *args)
{
    const kofn_lagrange_params *params = args->params;
    return params->systematic;
}

static size_t
count_needed(const kofn_family_args *args)
{
    return 2 * args->batch->count - 1;
}

/* Points of tasks and of pairs that are none of theirs. */
static size_t
count_points(const kofn_family_args *args)
{
    return args->tasks + (is_systematic(args) ? 0 : args->batch->count);
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const size_t k = count_needed(args);
    if (args->tasks < k)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "lagrange: tasks=%zu, need at least 2 k - 1 = %zu for %zu pairs; take more "
            "tasks, or family uncoded",
            args->tasks, k, args->batch->count);
    kofn_family_args all = *args;
    all.tasks = count_points(args);
    const kofn_status status = kofn_points_check("lagrange", &all, KOFN_POINTS_CHEBYSHEV, k, err);
    if (!status)
        *ret = (kofn_thresholds){.exact = k, .enough = k};
    return status;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    const size_t k = count_needed(args), own = is_systematic(args) ? 0 : args->batch->count;
    const size_t tasks = kofn_points_tasks(args, KOFN_POINTS_CHEBYSHEV, k + own, workers + own);
    return tasks > k + own ? tasks - own : k;
}

/* Of all points in order, the place of pair i. */
static size_t
find_place(size_t pairs, size_t points, size_t i)
{
    return (2 * i + 1) * points / (2 * pairs);
}

/* beta [k], and the points of tasks: all of them are the field's points, and in the reals tasks
 * that are no pairs take theirs in scattered order. free [tasks]. */
static void
fill_points(const kofn_family_args *args, double *beta, double *point, double *free)
{
    const kofn_field *f = args->field;
    const size_t k = args->batch->count, all = count_points(args),
                 plain = is_systematic(args) ? k : 0;
    size_t pair = 0, coded = 0;
    for (size_t i = 0; i < all; i++) {
        const double t = f->point(f, i, all);
        if (pair < k && (f->order != 0 || i == find_place(k, all, pair)))
            beta[pair++] = t;
        else
            free[coded++] = t;
    }
    memcpy(point, beta, plain * sizeof *beta);
    for (size_t i = 0, task = coded; i < coded; i++) {
        task = f->order == 0 ? kofn_points_scatter(coded, task) : i;
        point[plain + task] = free[i];
    }
}

/* Room for all L_i at a point: products of the differences from the betas before i, and likewise
 * behind; and what is the same for all points, 1 over those of beta_i. */
typedef struct basis {
    const kofn_field *field;
    size_t count;
    const double *beta;        // [count]
    kofn_scaled *before, *own; // [count + 1], [count]
} basis;

/* by[i] := L_i(t) = prod over j != i of (t - beta_j) / (beta_i - beta_j) */
static void
evaluate(const basis *b, double t, double *by)
{
    const kofn_field *f = b->field;
    kofn_scaled behind = {.number = 1};
    b->before[0] = behind;
    for (size_t i = 0; i < b->count; i++) {
        b->before[i + 1] = b->before[i];
        kofn_scaled_multiply_difference(f, &b->before[i + 1], t, b->beta[i]);
    }
    for (size_t i = b->count; i-- > 0;) {
        const double number = f->multiply(f, b->before[i].number, behind.number);
        by[i] = f->multiply(f, number, b->own[i].number);
        if (f->order == 0)
            by[i] = ldexp(by[i], b->before[i].exponent + behind.exponent + b->own[i].exponent);
        kofn_scaled_multiply_difference(f, &behind, t, b->beta[i]);
    }
}

static void
fill_tasks(const kofn_family_args *args, kofn_code *code, basis *b, double *beta, double *by)
{
    const size_t k = b->count, plain = is_systematic(args) ? k : 0;
    kofn_code_use_points(code);
    fill_points(args, beta, code->point, by + k);
    kofn_points_weigh(code->field, beta, k, b->own);
    for (size_t task = 0; task < plain; task++)
        kofn_family_fill_product(args, code, task, task);
    for (size_t task = plain; task < code->tasks; task++) {
        evaluate(b, code->point[task], by);
        for (size_t o = 0; o < 2; o++)
            kofn_batch_mix(args->batch, code->field, o, by, code->e[o].at + task * code->e[o].cols,
                           by + k);
    }
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    const size_t k = args->batch->count;
    const size_t most = code->e[code->e[1].cols > code->e[0].cols].cols;
    const size_t room = most > code->tasks ? most : code->tasks; // and that of free points
    double *beta = malloc((2 * k + room) * sizeof *beta);
    kofn_scaled *products = malloc((2 * k + 1) * sizeof *products);
    kofn_status status = KOFN_OK;
    if (beta && products) {
        basis b = {.field = code->field,
                   .count = k,
                   .beta = beta,
                   .own = products,
                   .before = products + k};
        fill_tasks(args, code, &b, beta, beta + k);
    } else {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "lagrange: no memory for %zu points", k);
    }
    free(beta);
    free(products);
    return status;
}

static const kofn_key keys[] = {
    {.name = "systematic",
     .type = KOFN_KEY_BOOL,
     KOFN_KEY_FIELD(kofn_lagrange_params, systematic),
     .fallback = "yes",
     .help = "The first k tasks are the pairs themselves, and they do without the others"},
};

const kofn_family kofn_lagrange_family = {
    .name = "lagrange",
    .summary = "All products of a batch of k pairs; the smallest threshold for pairs without a "
               "relation",
    .threshold = "2 k - 1 for k pairs",
    .encoding = kofn_family_mixing,
    .communication = "a block of A and one of B to the worker, their product back",
    .storage = "a block of A, one of B and their product",
    .source = "Yu et al., Lagrange Coded Computing, AISTATS 2019",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_lagrange_params),
    .batches = true,
    .only_batches = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .fill = fill,
};
