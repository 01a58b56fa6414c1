#include "common/code/estimate.h"
#include "common/code/residual.h"
#include "common/linalg/ridge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of columns that are taken for one, however coarse the arithmetic is. */
static const double AGREE_MAX = 0x1p-40;

double
kofn_estimate_delta(const kofn_field *field, double noise)
{
    return fmax(sqrt(noise * field->epsilon), 8 * 0x1p-53);
}

/* ---- what every estimate ends with ----------------------------------------------------------- */

static double
targets_size(const kofn_code *code)
{
    double squares = 0;
    for (size_t i = 0; i < code->targets.first[code->targets.rows]; i++)
        squares += code->targets.coef[i] * code->targets.coef[i];
    return sqrt(squares);
}

/* Account for what `residual` says D misses. On failure the plan is ended. */
static kofn_status
account(const kofn_estimate_input *in, const kofn_residual *residual, kofn_decode_plan *plan,
        kofn_error *err)
{
    kofn_residual_size size;
    kofn_status status = kofn_residual_measure(residual, &size, err);
    if (!status)
        status = kofn_decode_plan_amplify(plan, residual->code, err);
    if (!status)
        status = kofn_decode_plan_round(plan, residual->code, in->noise, 0, err);
    if (status) {
        kofn_decode_plan_fini(plan);
        return status;
    }
    plan->estimate = true;
    plan->quality.residual = size.frobenius / targets_size(residual->code);
    plan->truncation = size.bound;
    if (plan->used == 0 && in->index->code->pairs == 0) // zeros are off by |C|, at most |A| |B|
        plan->truncation = fmin(1, size.bound);
    return KOFN_OK;
}

/* ---- balanced -------------------------------------------------------------------------------- */

/* The problem on the unknown columns, of which those that agree are one group. */
typedef struct balance {
    const kofn_code *code;
    double agree; // relative difference of columns that are one
    kofn_peel peel;
    kofn_rest rest;
    size_t groups;
    size_t *group;  // [rest.cols]
    size_t *column; // [groups] one of its columns in G
    double *weight; // [groups] root of how many they are
    double *scale;  // [coded] 1 / |g_u|
    double *row;    // [coded, groups]
    double *target; // [open, groups]
    double *d;      // [open, coded]
} balance;

static void
balance_fini(balance *b)
{
    kofn_peel_fini(&b->peel);
    if (b->rest.code)
        kofn_rest_fini(&b->rest);
    free(b->group);
    free(b->column);
    free(b->weight);
    free(b->scale);
    free(b->row);
    free(b->target);
    free(b->d);
}

static bool
columns_agree(const balance *b, size_t one, size_t other)
{
    for (size_t i = 0; i < b->peel.coded_count; i++) {
        const double u = kofn_code_get_element(b->code, b->peel.coded[i], one);
        const double v = kofn_code_get_element(b->code, b->peel.coded[i], other);
        if (fabs(u - v) > b->agree * fmax(fabs(u), fabs(v)))
            return false;
    }
    return true;
}

typedef struct keyed {
    double key; // the same for columns that are, up to rounding
    size_t at;  // in rest.col
} keyed;

static int
compare_keys(const void *a, const void *b)
{
    const keyed *one = a, *other = b;
    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return one->at < other->at ? -1 : one->at > other->at;
}

/* Any weights that let no structure of the code cancel: here multiples of the golden section. */
static void
fill_keys(const balance *b, keyed *keys)
{
    for (size_t c = 0; c < b->rest.cols; c++)
        keys[c] = (keyed){.at = c};
    for (size_t i = 0; i < b->peel.coded_count; i++) {
        const double weight = (1 + fmod((double)i * 0.6180339887498949, 1)) * b->scale[i];
        for (size_t c = 0; c < b->rest.cols; c++)
            keys[c].key +=
                weight * kofn_code_get_element(b->code, b->peel.coded[i], b->rest.col[c]);
    }
}

/* Columns that agree have neighbouring keys. Should one slip in between, there are two groups
 * instead of one, which is as right and only larger. */
static kofn_status
group_columns(balance *b, kofn_error *err)
{
    const size_t cols = b->rest.cols;
    keyed *keys = malloc((cols + 1) * sizeof *keys);
    b->group = malloc((cols + 1) * sizeof *b->group);
    b->column = malloc((cols + 1) * sizeof *b->column);
    b->weight = calloc(cols + 1, sizeof *b->weight);
    if (!keys || !b->group || !b->column || !b->weight) {
        free(keys);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns", cols);
    }
    fill_keys(b, keys);
    qsort(keys, cols, sizeof *keys, compare_keys);
    for (size_t i = 0; i < cols; i++) {
        const size_t column = b->rest.col[keys[i].at];
        if (i == 0 || !columns_agree(b, b->column[b->groups - 1], column))
            b->column[b->groups++] = column;
        b->group[keys[i].at] = b->groups - 1;
        b->weight[b->groups - 1]++;
    }
    for (size_t g = 0; g < b->groups; g++)
        b->weight[g] = sqrt(b->weight[g]);
    free(keys);
    return KOFN_OK;
}

static kofn_status
fill_system(balance *b, kofn_error *err)
{
    const size_t coded = b->peel.coded_count, open = b->rest.targets, groups = b->groups;
    if (kofn_size_multiply(groups + coded, coded + open) > KOFN_CODE_COEFS_MAX)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "decoder: an estimate from %zu coded answers for %zu block products and "
                         "%zu targets is too large; take fewer parts",
                         coded, groups, open);
    b->row = malloc((coded * groups + 1) * sizeof *b->row);
    b->target = calloc(open * groups + 1, sizeof *b->target);
    b->d = calloc(open * coded + 1, sizeof *b->d);
    if (!b->row || !b->target || !b->d)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu coded answers",
                         coded);
    for (size_t i = 0; i < coded; i++)
        for (size_t g = 0; g < groups; g++)
            b->row[i * groups + g] = b->scale[i] * b->weight[g] *
                                     kofn_code_get_element(b->code, b->peel.coded[i], b->column[g]);
    const kofn_sums *targets = &b->code->targets;
    for (size_t t = 0; t < open; t++)
        for (size_t i = targets->first[b->rest.target[t]];
             i < targets->first[b->rest.target[t] + 1]; i++) {
            const size_t at = kofn_rest_find(&b->rest, targets->column[i]);
            if (at < b->rest.cols)
                b->target[t * groups + b->group[at]] += targets->coef[i] / b->weight[b->group[at]];
        }
    return KOFN_OK;
}

static kofn_status
balance_init(balance *b, const kofn_estimate_input *in, kofn_error *err)
{
    *b = (balance){.code = in->index->code, .agree = fmin(in->noise / 4, AGREE_MAX)};
    kofn_status status = kofn_peel_init(&b->peel, in->index, NULL, err);
    if (status)
        return status;
    for (size_t i = 0; i < in->count; i++)
        (void)kofn_peel_add(&b->peel, in->tasks[i], kofn_code_plain_column(b->code, in->tasks[i]));
    b->scale = malloc((b->peel.coded_count + 1) * sizeof *b->scale);
    if (!b->scale)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu coded answers",
                         b->peel.coded_count);
    for (size_t i = 0; i < b->peel.coded_count; i++) {
        const double size = kofn_code_row_norm(b->code, b->peel.coded[i]);
        b->scale[i] = size > 0 ? 1 / size : 1;
    }
    status = kofn_rest_list(&b->rest, &b->peel, err);
    if (!status)
        status = group_columns(b, err);
    if (!status)
        status = fill_system(b, err);
    return status;
}

static kofn_status
solve(balance *b, double noise, kofn_error *err)
{
    const kofn_ridge ridge = {
        .rows = b->peel.coded_count,
        .cols = b->groups,
        .targets = b->rest.targets,
        .delta = kofn_estimate_delta(b->code->field, noise),
        .row = b->row,
        .target = b->target,
    };
    const kofn_status status = kofn_ridge_solve(&ridge, b->d, err);
    for (size_t t = 0; t < ridge.targets && !status; t++)
        for (size_t i = 0; i < ridge.rows; i++)
            b->d[t * ridge.rows + i] *= b->scale[i];
    return status;
}

static kofn_status
balanced_plan(const balance *b, const kofn_estimate_input *in, kofn_decode_plan *ret_plan,
              kofn_error *err)
{
    kofn_decode_plan plan;
    kofn_status status = kofn_decode_plan_init(&plan, b->code->targets.rows, in->count, err);
    if (status)
        return status;
    kofn_peel_expand(&b->peel, &b->rest, in->tasks, in->count, b->d, plan.coef);
    kofn_decode_plan_fill_tasks(&plan, in->tasks, in->count);
    const kofn_residual residual = {
        .code = b->code,
        .tasks = b->peel.coded_count,
        .task = b->peel.coded,
        .targets = b->rest.targets,
        .target = b->rest.target,
        .coef = b->d,
        .giver = b->peel.giver,
    };
    status = account(in, &residual, &plan, err);
    if (!status)
        *ret_plan = plan;
    return status;
}

kofn_status
kofn_estimate_balanced(const kofn_estimate_input *in, kofn_decode_plan *ret_plan, kofn_error *err)
{
    balance b;
    kofn_status status = balance_init(&b, in, err);
    if (!status)
        status = solve(&b, in->noise, err);
    if (!status)
        status = balanced_plan(&b, in, ret_plan, err);
    balance_fini(&b);
    return status;
}

/* ---- interpolation --------------------------------------------------------------------------- */

/* q [count] := the polynomial that is 1 at point u and 0 at the others, lowest power first. Divided
 * as it is multiplied, so that nothing overflows that need not. */
static void
fill_lagrange(const double *point, size_t count, size_t u, double *q)
{
    memset(q, 0, count * sizeof *q);
    q[0] = 1;
    size_t degree = 0;
    for (size_t j = 0; j < count; j++) {
        if (j == u)
            continue;
        const double across = point[u] - point[j];
        for (size_t p = ++degree; p > 0; p--)
            q[p] = (q[p - 1] - point[j] * q[p]) / across;
        q[0] = -point[j] * q[0] / across;
    }
}

/* D [targets, count] from coefficients of the Lagrange polynomials. `point` is in units of
 * `size`. */
static void
fill_interpolation(const kofn_code *code, const double *point, double size, size_t count, double *q,
                   double *d)
{
    for (size_t u = 0; u < count; u++) {
        fill_lagrange(point, count, u, q);
        for (size_t t = 0; t < code->targets.rows; t++) {
            const size_t power = code->power[t];
            if (power < count)
                d[t * count + u] = q[power] / pow(size, (double)power);
        }
    }
}

static bool
all_finite(const double *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(at[i]))
            return false;
    return true;
}

static kofn_status
interpolate(const kofn_estimate_input *in, double *d, kofn_error *err)
{
    const kofn_code *code = in->index->code;
    double *point = malloc(2 * in->count * sizeof *point), size = 0;
    if (!point)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu points",
                         in->count);
    for (size_t u = 0; u < in->count; u++)
        size = fmax(size, fabs(code->point[in->tasks[u]]));
    for (size_t u = 0; u < in->count; u++)
        point[u] = size > 0 ? code->point[in->tasks[u]] / size : 0;
    fill_interpolation(code, point, size > 0 ? size : 1, in->count, point + in->count, d);
    free(point);
    if (all_finite(d, code->targets.rows * in->count))
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "decoder: interpolation through %zu points of at most %.3g overflows; take "
                     "larger points or decoder=balanced",
                     in->count, size);
}

/* Every answer is a value of the polynomial, plain ones, too. */
static kofn_status
interpolated_plan(const kofn_estimate_input *in, const double *d, const size_t *targets,
                  kofn_decode_plan *ret_plan, kofn_error *err)
{
    const kofn_code *code = in->index->code;
    kofn_decode_plan plan;
    kofn_status status = kofn_decode_plan_init(&plan, code->targets.rows, in->count, err);
    if (status)
        return status;
    memcpy(plan.coef, d, plan.targets * in->count * sizeof *d);
    kofn_decode_plan_fill_tasks(&plan, in->tasks, in->count);
    const kofn_residual residual = {
        .code = code,
        .tasks = in->count,
        .task = in->tasks,
        .targets = plan.targets,
        .target = targets,
        .coef = d,
    };
    status = account(in, &residual, &plan, err);
    if (!status)
        *ret_plan = plan;
    return status;
}

kofn_status
kofn_estimate_interpolated(const kofn_estimate_input *in, kofn_decode_plan *ret_plan,
                           kofn_error *err)
{
    const kofn_code *code = in->index->code;
    if (!code->point || !code->power)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "decoder: %s has no monomials in a point to interpolate; take "
                         "decoder=balanced",
                         code->family);
    const size_t count = code->targets.rows;
    double *d = calloc(count * in->count + 1, sizeof *d);
    size_t *targets = malloc((count + 1) * sizeof *targets);
    kofn_status status = KOFN_OK;
    if (!d || !targets)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu answers",
                           in->count);
    for (size_t t = 0; t < count && !status; t++)
        targets[t] = t;
    if (!status)
        status = interpolate(in, d, err);
    if (!status)
        status = interpolated_plan(in, d, targets, ret_plan, err);
    free(targets);
    free(d);
    return status;
}
