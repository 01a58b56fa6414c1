#include "common/code/alloy_local.h"

#include <math.h>

enum { STRIPS_DEFAULT = 2, STRIPS_MAX = 1024 };

static const char family_name[] = "alloy_local";

/* ---- rules ----------------------------------------------------------------------------------- */

static kofn_status
fail_partition(const kofn_bilinear_shape *g, const kofn_alloy_local_params *params,
               kofn_partition p, kofn_error *err)
{
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "%s: partition %zu,%zu,%zu is not that of %s <%zu,%zu,%zu;%zu> with rows=%lld and "
        "cols=%lld (0: any) strips; take %zu,%zu,%zu, or other multiples of the first and last",
        family_name, p.x, p.z, p.y, params->algorithm, g->x, g->z, g->y, g->rank,
        (long long)params->rows, (long long)params->cols,
        g->x * (size_t)(params->rows ? params->rows : STRIPS_DEFAULT), g->z,
        g->y * (size_t)(params->cols ? params->cols : STRIPS_DEFAULT));
}

/* Strips of each product. */
typedef struct strips {
    size_t rows, cols;
} strips;

static kofn_status
find_strips(const kofn_family_args *args, const kofn_bilinear_shape *g, strips *ret,
            kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    const kofn_partition p = args->part;
    const strips s = {.rows = p.x / g->x, .cols = p.y / g->y};
    if (p.x % g->x || p.y % g->y || p.z != g->z ||
        (params->rows && (size_t)params->rows != s.rows) ||
        (params->cols && (size_t)params->cols != s.cols))
        return fail_partition(g, params, p, err);
    if (s.rows > STRIPS_MAX || s.cols > STRIPS_MAX)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "%s: partition %zu,%zu,%zu makes %zu x %zu strips of each product, at most "
            "%d x %d fit",
            family_name, p.x, p.z, p.y, s.rows, s.cols, STRIPS_MAX, STRIPS_MAX);
    *ret = s;
    return KOFN_OK;
}

/* Rules that ask for no partition. */
static kofn_status
check_field(const kofn_family_args *args, const kofn_bilinear_shape *g, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    const kofn_status status = kofn_alloy_check(family_name, args->field, &params->alloy, err);
    if (status)
        return status;
    if (!kofn_bilinear_fits(g->denominator, args->field))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: algorithm %s divides by %lld, which is zero in field %s", family_name,
                         params->algorithm, (long long)g->denominator, args->field->name);
    return KOFN_OK;
}

/* A bound on the probability that not all of `rank` products can be had from `tasks` tasks
 * together: the first of them have one more than the others. */
static double
miss_of(const kofn_family_args *args, strips s, size_t rank, size_t tasks)
{
    const kofn_alloy_params *params = args->params;
    const size_t each = tasks / rank, longer = tasks % rank;
    const double less = kofn_alloy_miss(args->field, params, s.rows, s.cols, each);
    const double more =
        longer > 0 ? kofn_alloy_miss(args->field, params, s.rows, s.cols, each + 1) : 0;
    return (double)(rank - longer) * less + (double)longer * more;
}

/* The fewest tasks that are not hopeless. */
static size_t
count_least(const kofn_family_args *args, strips s, size_t rank)
{
    const size_t each = kofn_alloy_answers(args->field, args->params, s.rows, s.cols,
                                           KOFN_ALLOY_HOPELESS / (double)rank);
    size_t least = kofn_size_multiply(rank, each);
    if (least > KOFN_TASKS_MAX)
        return least; // refused later, with the limit
    const size_t rule = rank * s.rows * s.cols;
    while (least > rule && miss_of(args, s, rank, least - 1) <= KOFN_ALLOY_HOPELESS)
        least--;
    return least;
}

static kofn_status
measure(const kofn_family_args *args, kofn_bilinear_shape *ret, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    const kofn_status status =
        kofn_algorithms_measure(args->algorithms, params->algorithm, ret, err);
    return status ? kofn_fail_within(err, "%s", family_name) : KOFN_OK;
}

static kofn_status
check_params(const kofn_family_args *args, kofn_error *err)
{
    kofn_bilinear_shape g;
    const kofn_status status = measure(args, &g, err);
    return status ? status : check_field(args, &g, err);
}

/* All the rules. */
static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear_shape g;
    strips s;
    kofn_status status = measure(args, &g, err);
    if (!status)
        status = check_field(args, &g, err);
    if (!status)
        status = find_strips(args, &g, &s, err);
    if (status)
        return status;
    const size_t need = s.rows * s.cols, group = args->tasks / g.rank;
    if (group < need) // the advice takes a search, and plans ask for many codes that cannot be
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: tasks=%zu, need at least %zu products x %zu = %zu for %s and partition "
            "%zu,%zu,%zu; take %zu",
            family_name, args->tasks, g.rank, need, g.rank * need, params->algorithm, args->part.x,
            args->part.z, args->part.y, err ? count_least(args, s, g.rank) : g.rank * need);
    const size_t k = args->tasks - (group - need);
    *ret = (kofn_thresholds){
        .exact = k, .enough = k, .likely = !kofn_alloy_is_certain(args->field, &params->alloy)};
    return KOFN_OK;
}

/* ---- choices --------------------------------------------------------------------------------- */

static void
cut(const kofn_family_args *args, kofn_partition *part)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear_shape g;
    if (measure(args, &g, NULL))
        return; // threshold_for says why
    if (!part->x)
        part->x = g.x * (size_t)(params->rows ? params->rows : STRIPS_DEFAULT);
    if (!part->z)
        part->z = g.z;
    if (!part->y)
        part->y = g.y * (size_t)(params->cols ? params->cols : STRIPS_DEFAULT);
}

/* For each product as many tasks as decode it but for its share of `miss`, and some to lose. */
static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear_shape g;
    strips s;
    if (measure(args, &g, NULL))
        return 1; // likewise
    if (find_strips(args, &g, &s, NULL))
        return g.rank;
    const size_t answers = kofn_alloy_answers(args->field, &params->alloy, s.rows, s.cols,
                                              params->alloy.miss / (double)g.rank);
    return kofn_size_multiply(g.rank, kofn_family_tasks_beyond(answers, workers / g.rank));
}

/* Each product has its own tasks, so that they fail on their own; floor(n / r) tasks or one more. A
 * product is decoded by its own tasks alone, and all are needed: of no algorithm that ships do the
 * products depend on each other. */
static double
miss_for(const kofn_family_args *args, double failure, bool *ret_bound)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear_shape g;
    strips s;
    *ret_bound = true;
    if (measure(args, &g, NULL) || find_strips(args, &g, &s, NULL))
        return 1; // threshold_for has refused it
    const size_t least = args->tasks / g.rank, more = args->tasks % g.rank;
    double log_good = 0;
    for (size_t t = 0; t < 2; t++) {
        const size_t groups = t == 0 ? g.rank - more : more, tasks = least + t;
        if (groups > 0) // else zero times minus infinity where nothing is left
            log_good +=
                (double)groups * log1p(-kofn_alloy_miss_lost(args->field, &params->alloy, s.rows,
                                                             s.cols, tasks, failure));
    }
    *ret_bound = !kofn_alloy_is_certain(args->field, &params->alloy);
    return -expm1(log_good);
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    kofn_bilinear_shape g;
    strips s;
    kofn_status status = measure(args, &g, err);
    if (!status)
        status = find_strips(args, &g, &s, err);
    if (status)
        return status;
    if (miss_of(args, s, g.rank, args->tasks) > KOFN_ALLOY_HOPELESS)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: %zu tasks in field %s, %zu for each product, may well not suffice even "
            "together; take %zu or a larger field",
            family_name, args->tasks, args->field->name, args->tasks / g.rank,
            count_least(args, s, g.rank));
    *ret_error = args->field->epsilon;
    return KOFN_OK;
}

static void
settle(const kofn_family_args *args, void *params)
{
    kofn_alloy_local_params *own = params;
    kofn_bilinear_shape g;
    own->alloy.draw = kofn_alloy_settle(args->field, &own->alloy);
    if (measure(args, &g, NULL))
        return; // threshold_for has refused it
    own->rows = (int64_t)(args->part.x / g.x);
    own->cols = (int64_t)(args->part.y / g.y);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* ret[i, k] of [rows x of_rows, cols x of_cols] := the algorithm's numbers [rows, cols] times
 * strips of_rows by of_cols, one of which is 1. */
static void
spread(const kofn_field *f, const int32_t *numbers, size_t rows, size_t cols, const double *strip,
       size_t of_rows, size_t of_cols, double *ret)
{
    for (size_t i = 0; i < rows * of_rows; i++)
        for (size_t k = 0; k < cols * of_cols; k++)
            ret[i * cols * of_cols + k] =
                f->multiply(f, kofn_bilinear_number(f, numbers[i / of_rows * cols + k / of_cols]),
                            strip[i % of_rows + k % of_cols]);
}

static void
fill_rows(const kofn_bilinear *g, const kofn_alloy_params *params, kofn_code *code)
{
    const strips s = {.rows = code->part.x / g->x, .cols = code->part.y / g->y};
    double *of_a = code->e[0].at, *of_b = code->e[1].at;
    double strip[STRIPS_MAX];
    code->groups = g->rank;
    code->group_threshold = s.rows * s.cols;
    for (size_t task = 0; task < code->tasks; task++) {
        const size_t t = task % g->rank;
        kofn_rng rng;
        kofn_rng_init(&rng, code->seed, task);
        kofn_alloy_fill(code->field, params, 2, &rng, s.rows, strip);
        spread(code->field, g->u + t * g->x * g->z, g->x, g->z, strip, s.rows, 1, of_a);
        kofn_alloy_fill(code->field, params, 2, &rng, s.cols, strip);
        spread(code->field, g->v + t * g->z * g->y, g->z, g->y, strip, 1, s.cols, of_b);
        of_a += code->e[0].cols;
        of_b += code->e[1].cols;
    }
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear *g;
    const kofn_status status = kofn_algorithms_parse(args->algorithms, params->algorithm, &g, err);
    if (status)
        return kofn_fail_within(err, "%s", family_name);
    fill_rows(g, &params->alloy, code);
    kofn_bilinear_destroy(&g);
    return KOFN_OK;
}

static const kofn_key keys[] = {
    {.name = "algorithm",
     .type = KOFN_KEY_STRING,
     KOFN_KEY_FIELD(kofn_alloy_local_params, algorithm),
     .min = 1,
     .max = KOFN_BILINEAR_NAME_MAX - 1,
     .fallback = "strassen",
     .help = "strassen, winograd, laderman, strassen_column, classical:X,Z,Y, one of the master's "
             "`algorithms`, or products of these: strassen*strassen"},
    {.name = "rows",
     .type = KOFN_KEY_INT,
     KOFN_KEY_FIELD(kofn_alloy_local_params, rows),
     .max = STRIPS_MAX,
     .fallback = "0",
     .help = "Strips of A's rows within each product of the algorithm; 0: by the partition, or 2"},
    {.name = "cols",
     .type = KOFN_KEY_INT,
     KOFN_KEY_FIELD(kofn_alloy_local_params, cols),
     .max = STRIPS_MAX,
     .fallback = "0",
     .help =
         "Strips of B's columns within each product of the algorithm; 0: by the partition, or 2"},
    KOFN_ALLOY_KEYS,
};

const kofn_family kofn_alloy_local_family = {
    .name = family_name,
    .summary = "A fast algorithm (Strassen's, say), each of its products coded by random rows",
    .threshold = "n - (floor(n/r) - rows cols), with high probability; r rows cols can do",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Soto, Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_alloy_local_params),
    .rateless = true,
    .check_params = check_params,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .cut = cut,
    .miss_for = miss_for,
    .judge = judge,
    .settle = settle,
    .fill = fill,
};
