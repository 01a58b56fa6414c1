#include "common/code/alloy_local.h"

enum { STRIPS_DEFAULT = 2, STRIPS_MAX = 1024 };

static const char family_name[] = "alloy_local";

/* ---- rules ----------------------------------------------------------------------------------- */

/* n times one, in the field. */
static double
count_ones(const kofn_field *f, int64_t n)
{
    double sum = 0, power = 1; // 1 doubled as often as bits were looked at
    for (uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; left > 0; left /= 2) {
        if (left % 2)
            sum = f->add(f, sum, power);
        power = f->add(f, power, power);
    }
    return n < 0 ? f->negate(f, sum) : sum;
}

static kofn_status
fail_partition(const kofn_bilinear *g, const kofn_alloy_local_params *params, kofn_partition p,
               kofn_error *err)
{
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "%s: partition %zu,%zu,%zu is not that of %s <%zu,%zu,%zu;%zu> with rows=%lld and "
        "cols=%lld (0: any) strips; take %zu,%zu,%zu",
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
find_strips(const kofn_family_args *args, const kofn_bilinear *g, strips *ret, kofn_error *err)
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

/* All the rules, for an algorithm that is at hand. */
static kofn_status
check(const kofn_family_args *args, const kofn_bilinear *g, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    strips s = {0};
    kofn_status status = kofn_alloy_check(family_name, args->field, &params->alloy, err);
    if (!status)
        status = find_strips(args, g, &s, err);
    if (status)
        return status;
    if (count_ones(args->field, g->denominator) == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: algorithm %s divides by %lld, which is zero in field %s", family_name,
                         params->algorithm, (long long)g->denominator, args->field->name);
    const size_t need = s.rows * s.cols, group = args->tasks / g->rank;
    if (group < need)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: tasks=%zu, need at least %zu products x %zu = %zu for %s and partition "
            "%zu,%zu,%zu",
            family_name, args->tasks, g->rank, need, g->rank * need, params->algorithm,
            args->part.x, args->part.z, args->part.y);
    const size_t k = args->tasks - (group - need);
    *ret = (kofn_thresholds){
        .exact = k, .enough = k, .likely = !kofn_alloy_is_certain(args->field, &params->alloy)};
    return KOFN_OK;
}

static kofn_status
parse(const kofn_family_args *args, kofn_bilinear **ret, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    const kofn_status status = kofn_bilinear_parse(params->algorithm, ret, err);
    if (status)
        (void)kofn_fail_within(err, "%s", family_name);
    return status;
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    kofn_bilinear *g;
    kofn_status status = parse(args, &g, err);
    if (status)
        return status;
    status = check(args, g, ret, err);
    kofn_bilinear_destroy(&g);
    return status;
}

/* ---- choices --------------------------------------------------------------------------------- */

static void
cut(const kofn_family_args *args, kofn_partition *part)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear *g;
    if (kofn_bilinear_parse(params->algorithm, &g, NULL))
        return; // threshold_for says why
    if (!part->x)
        part->x = g->x * (size_t)(params->rows ? params->rows : STRIPS_DEFAULT);
    if (!part->z)
        part->z = g->z;
    if (!part->y)
        part->y = g->y * (size_t)(params->cols ? params->cols : STRIPS_DEFAULT);
    kofn_bilinear_destroy(&g);
}

/* For each product as many tasks as decode it but for its share of `miss`, and some to lose. */
static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    const kofn_alloy_local_params *params = args->params;
    strips s = {.rows = 1, .cols = 1};
    kofn_bilinear *g;
    if (kofn_bilinear_parse(params->algorithm, &g, NULL))
        return 1; // likewise
    size_t tasks = g->rank;
    if (!find_strips(args, g, &s, NULL)) {
        const size_t answers = kofn_alloy_answers(args->field, &params->alloy, s.rows, s.cols,
                                                  params->alloy.miss / (double)g->rank);
        tasks = kofn_size_multiply(g->rank, kofn_family_tasks_beyond(answers, workers / g->rank));
    }
    kofn_bilinear_destroy(&g);
    return tasks;
}

static kofn_status
judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_bilinear *g;
    strips s;
    kofn_status status = parse(args, &g, err);
    if (status)
        return status;
    status = find_strips(args, g, &s, err);
    const size_t rank = g->rank;
    kofn_bilinear_destroy(&g);
    if (status)
        return status;
    const double miss = (double)rank * kofn_alloy_miss(args->field, &params->alloy, s.rows, s.cols,
                                                       args->tasks / rank);
    if (miss > 0.5)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: %zu tasks in field %s, %zu for each product, may well not suffice even "
            "together; take %zu or a larger field",
            family_name, args->tasks, args->field->name, args->tasks / rank,
            default_tasks(args, 1));
    *ret_error = args->field->epsilon;
    return KOFN_OK;
}

static void
settle(const kofn_family_args *args, void *params)
{
    kofn_alloy_local_params *own = params;
    kofn_bilinear *g;
    own->alloy.draw = kofn_alloy_settle(args->field, &own->alloy);
    if (kofn_bilinear_parse(own->algorithm, &g, NULL))
        return; // no memory: they follow from the partition
    own->rows = (int64_t)(args->part.x / g->x);
    own->cols = (int64_t)(args->part.y / g->y);
    kofn_bilinear_destroy(&g);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* ret[i, k] of [rows x of_rows, cols x of_cols] := the algorithm's numbers [rows, cols] times strips
 * of_rows by of_cols, one of which is 1. */
static void
spread(const kofn_field *f, const int32_t *numbers, size_t rows, size_t cols, const double *strip,
       size_t of_rows, size_t of_cols, double *ret)
{
    for (size_t i = 0; i < rows * of_rows; i++)
        for (size_t k = 0; k < cols * of_cols; k++)
            ret[i * cols * of_cols + k] =
                f->multiply(f, count_ones(f, numbers[i / of_rows * cols + k / of_cols]),
                            strip[i % of_rows + k % of_cols]);
}

static void
fill_rows(const kofn_bilinear *g, const kofn_alloy_params *params, kofn_code *code)
{
    const strips s = {.rows = code->part.x / g->x, .cols = code->part.y / g->y};
    double *of_a = code->e[0].at, *of_b = code->e[1].at;
    double strip[STRIPS_MAX];
    code->groups = g->rank;
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
    const kofn_status status = parse(args, &g, err);
    if (status)
        return status;
    fill_rows(g, &params->alloy, code);
    kofn_bilinear_destroy(&g);
    return KOFN_OK;
}

kofn_status
kofn_code_alloy_local_new(const kofn_family_args *args, const kofn_bilinear *algorithm,
                          kofn_code **ret_code, kofn_error *err)
{
    const kofn_alloy_local_params *params = args->params;
    kofn_thresholds k;
    kofn_code *code;
    kofn_status status = check(args, algorithm, &k, err);
    if (!status)
        status = kofn_code_alloc(family_name, args->field, args->part, args->tasks, &code, err);
    if (status)
        return status;
    kofn_code_set_thresholds(code, &k);
    code->seed = args->seed;
    fill_rows(algorithm, &params->alloy, code);
    kofn_code_seal(code);
    *ret_code = code;
    return KOFN_OK;
}

static const kofn_key keys[] = {
    {.name = "algorithm",
     .type = KOFN_KEY_STRING,
     KOFN_KEY_FIELD(kofn_alloy_local_params, algorithm),
     .min = 1,
     .max = KOFN_BILINEAR_NAME_MAX - 1,
     .fallback = "strassen",
     .help =
         "strassen, winograd, laderman, strassen_column, classical:X,Z,Y, or products of these: "
         "strassen*strassen"},
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
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .cut = cut,
    .judge = judge,
    .settle = settle,
    .fill = fill,
};
