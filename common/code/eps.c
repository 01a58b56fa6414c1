#include "common/code/eps.h"
#include "common/code/entangled.h"
#include "common/code/points.h"

#include <math.h>

/* ---- errors, as in the header ---------------------------------------------------------------- */

/* What the errors depend on. */
typedef struct scales {
    double blocks; // N
    double tasks;  // n
    double epsilon;
    double lead;     // h
    double capacity; // q
    bool truncates;  // else N answers are exact
} scales;

static scales
get_scales(const kofn_family_args *args)
{
    const size_t blocks = kofn_partition_products(args->part), z = args->part.z;
    scales s = {.blocks = (double)blocks,
                .tasks = (double)args->tasks,
                .epsilon = args->field->epsilon,
                .truncates = z > 2 || (z == 2 && args->tasks > blocks)};
    const double half = M_PI / 2 * s.blocks / s.tasks;
    s.lead = args->tasks > blocks ? sin(2 * half) / (2 * sin(M_PI / 2 / s.tasks)) : 0;
    s.capacity = 2 / (sin(half) * sin(half));
    return s;
}

static double
get_truncation(const scales *s, double gamma)
{
    if (!s->truncates)
        return 0;
    return s->lead > 0 ? s->lead / gamma : s->tasks / (4 * gamma * gamma);
}

static double
get_rounding(const scales *s, double gamma)
{
    return s->epsilon * pow(s->capacity * gamma, s->blocks - 1);
}

/* To 3 digits, which read back as the same number. */
static double
round_digits(double value)
{
    const double unit = pow(10, floor(log10(value)) - 2);
    return unit < 1 ? nearbyint(value / unit) / nearbyint(1 / unit)
                    : nearbyint(value / unit) * unit;
}

/* Where truncation and rounding have the least sum: their derivatives by log gamma cancel. */
static double
tune_gamma(const scales *s)
{
    if (!s->truncates)
        return 1;
    const double per_gamma = s->epsilon * pow(s->capacity, s->blocks - 1) * (s->blocks - 1);
    const double gamma = s->lead > 0 ? pow(s->lead / per_gamma, 1 / s->blocks)
                                     : pow(s->tasks / 2 / per_gamma, 1 / (s->blocks + 1));
    return gamma > 1 ? round_digits(gamma) : 1;
}

/* 1 / the bound (14), for any partition. */
static double
gamma_for_epsilon(const kofn_family_args *args, double epsilon)
{
    const kofn_eps_params *params = args->params;
    const double others = (double)kofn_partition_products(args->part) - 1;
    if (others == 0)
        return 1; // one block: nothing is missed at any point
    const double strict = params->eta * params->eta * (double)args->part.z * others / epsilon;
    return strict > others ? strict : others;
}

double
kofn_eps_gamma(const kofn_family_args *args)
{
    const kofn_eps_params *params = args->params;
    if (!isnan(params->epsilon))
        return gamma_for_epsilon(args, params->epsilon);
    if (!isnan(params->gamma))
        return params->gamma;
    const scales s = get_scales(args);
    return tune_gamma(&s);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static kofn_status
check_params(const char *family, const kofn_eps_params *p, kofn_error *err)
{
    if (!isnan(p->epsilon) && !isnan(p->gamma))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: epsilon=%g and gamma=%g both set the scale of the points; give one",
                         family, p->epsilon, p->gamma);
    if (p->epsilon <= 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: epsilon=%g, need more than 0; leave it out for the best that the "
                         "dtype allows",
                         family, p->epsilon);
    if (!(p->eta > 0))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: eta=%g, need more than 0: a bound of the operands' Frobenius norms",
                         family, p->eta);
    if (p->gamma < 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: gamma=%g, need 1 or more: points are divided by it; leave it out for "
                         "the best that the dtype allows",
                         family, p->gamma);
    return KOFN_OK;
}

/* Epsilon is a promise of its own; a gamma promises something when N answers leave less error than
 * there is product. */
static bool
promises(const kofn_family_args *args)
{
    const kofn_eps_params *params = args->params;
    const scales s = get_scales(args);
    return !isnan(params->epsilon) || get_truncation(&s, kofn_eps_gamma(args)) < 1;
}

static kofn_status
get_thresholds(const char *family, const char *formula, const kofn_family_args *args,
               kofn_thresholds *ret, kofn_error *err)
{
    const size_t blocks = kofn_partition_products(args->part);
    const size_t z_fits = args->tasks / kofn_partition_outputs(args->part);
    kofn_status status = kofn_entangled_check_tasks(family, args, blocks, formula, z_fits, err);
    if (!status)
        status = kofn_points_check(family, args, KOFN_POINTS_CHEBYSHEV, blocks, err);
    if (status)
        return status;

    const size_t exact = kofn_entangled_threshold(args->part);
    const size_t enough = promises(args) ? blocks : exact;
    if (args->tasks < enough)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: with gamma=%g in %s, %zu answers leave an error above the product's "
            "size, and tasks=%zu are fewer than the %zu that are exact; take tasks=%zu "
            "or fewer parts%s",
            family, kofn_eps_gamma(args), args->field->name, blocks, args->tasks, exact, exact,
            isnan(((const kofn_eps_params *)args->params)->gamma) ? "" : ", or leave gamma out");
    *ret = (kofn_thresholds){.exact = exact, .enough = enough};
    return KOFN_OK;
}

static kofn_status
matdot_threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    kofn_status status = kofn_points_check_real("eps_matdot", args, "matdot", err);
    if (!status)
        status = check_params("eps_matdot", args->params, err);
    if (!status)
        status = kofn_entangled_check_inner("eps_matdot", args, "eps_polydot", err);
    return status ? status : get_thresholds("eps_matdot", "z", args, ret, err);
}

static kofn_status
polydot_threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    kofn_status status = kofn_points_check_real("eps_polydot", args, "polydot", err);
    if (!status)
        status = check_params("eps_polydot", args->params, err);
    return status ? status : get_thresholds("eps_polydot", "x y z", args, ret, err);
}

/* Beyond what is enough; beyond what is exact where that many tasks promise no estimate. */
static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    kofn_family_args with = *args;
    with.tasks = kofn_family_tasks_beyond(kofn_partition_products(args->part), workers);
    return promises(&with)
               ? with.tasks
               : kofn_family_tasks_beyond(kofn_entangled_threshold(args->part), workers);
}

/* ---- what the arithmetic allows -------------------------------------------------------------- */

static bool
drowns(const kofn_family_args *args)
{
    const kofn_eps_params *params = args->params;
    const scales s = get_scales(args);
    const double rounding = get_rounding(&s, kofn_eps_gamma(args));
    const double allowed =
        isnan(params->epsilon) ? 1 : params->epsilon / (params->eta * params->eta);
    return rounding > allowed || !(rounding < 1);
}

/* The partition nearest to the one at hand of which something is left. */
static kofn_partition
fewer_parts(const char *family, const kofn_family_args *args)
{
    kofn_family_args with = *args;
    kofn_thresholds k;
    double error;
    do
        with.part = kofn_entangled_shrink(with.part);
    while (get_thresholds(family, "", &with, &k, NULL) ||
           (promises(&with) && with.part.z > 1
                ? drowns(&with)
                : kofn_entangled_judge(family, &with, kofn_eps_gamma(&with), &error, NULL)));
    return with.part;
}

/* With points as large as the bound lets them be, for any epsilon. */
static bool
any_epsilon_drowns(const kofn_family_args *args)
{
    const scales s = get_scales(args);
    return !(get_rounding(&s, gamma_for_epsilon(args, INFINITY)) < 1);
}

/* The smallest epsilon whose scale rounding does not drown, to 2 digits upwards. */
static double
least_epsilon(const kofn_family_args *args)
{
    const kofn_eps_params *params = args->params;
    const double square = params->eta * params->eta;
    const scales s = get_scales(args);
    double relative = s.epsilon; // at least; geometric steps of a tenth of a digit
    while (get_rounding(&s, gamma_for_epsilon(args, relative * square)) > fmin(relative, 0.99))
        relative *= 1.25;
    const double unit = pow(10, floor(log10(relative * square)) - 1);
    return ceil(relative * square / unit) * unit;
}

static kofn_status
fail_drowned(const char *family, const kofn_family_args *args, kofn_error *err)
{
    const kofn_eps_params *params = args->params;
    const scales s = get_scales(args);
    const double gamma = kofn_eps_gamma(args), rounding = get_rounding(&s, gamma);
    const kofn_partition fits = fewer_parts(family, args);
    if (!isnan(params->epsilon) && any_epsilon_drowns(args))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: epsilon=%g: at the scale of its points, rounding in %s leaves no "
                         "digit of partition %zu,%zu,%zu, nor at that of any other epsilon; take "
                         "partition %zu,%zu,%zu, or leave epsilon out",
                         family, params->epsilon, args->field->name, args->part.x, args->part.z,
                         args->part.y, fits.x, fits.z, fits.y);
    if (!isnan(params->epsilon))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: epsilon=%g needs points below %.2g, where rounding in %s leaves an "
                         "error of %.2g; take epsilon=%.2g or more, fewer parts, or leave it out",
                         family, params->epsilon, 1 / gamma, args->field->name,
                         rounding * params->eta * params->eta, least_epsilon(args));
    const double most = pow(1 / s.epsilon, 1 / (s.blocks - 1)) / s.capacity;
    if (most >= 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: with gamma=%g, rounding in %s leaves no digit of an estimate; take "
                         "gamma=%.2g, which is best",
                         family, gamma, args->field->name, tune_gamma(&s));
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: partition %zu,%zu,%zu with %zu tasks: rounding in %s leaves no digit of "
                     "an estimate at any scale of the points; take partition %zu,%zu,%zu",
                     family, args->part.x, args->part.z, args->part.y, args->tasks,
                     args->field->name, fits.x, fits.z, fits.y);
}

static kofn_status
judge_estimate(const char *family, const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    const scales s = get_scales(args);
    const double gamma = kofn_eps_gamma(args), rounding = get_rounding(&s, gamma);
    if (drowns(args))
        return fail_drowned(family, args, err);
    *ret_error = get_truncation(&s, gamma) + rounding;
    return KOFN_OK;
}

/* Exact answers only: the points are hardly scaled, and are judged as those of polydot. */
static kofn_status
judge(const char *family, const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    if (promises(args) && args->part.z > 1)
        return judge_estimate(family, args, ret_error, err);
    return kofn_entangled_judge(family, args, kofn_eps_gamma(args), ret_error, err);
}

static kofn_status
matdot_judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return judge("eps_matdot", args, ret_error, err);
}

static kofn_status
polydot_judge(const kofn_family_args *args, double *ret_error, kofn_error *err)
{
    return judge("eps_polydot", args, ret_error, err);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void
settle(const kofn_family_args *args, void *params)
{
    kofn_eps_params *p = params;
    if (isnan(p->epsilon))
        p->gamma = kofn_eps_gamma(args);
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    (void)err; // cannot fail
    const kofn_eps_params *params = args->params;
    code->estimator = (kofn_estimator)params->decoder;
    kofn_entangled_fill_scaled(code, kofn_eps_gamma(args));
    return KOFN_OK;
}

static const kofn_key keys[] = {
    {.name = "epsilon",
     .type = KOFN_KEY_REAL,
     KOFN_KEY_FIELD(kofn_eps_params, epsilon),
     .fallback = "none",
     .choices = "none",
     .help = "Error allowed in each element when the fewest answers came; sets the points' scale"},
    {.name = "eta",
     .type = KOFN_KEY_REAL,
     KOFN_KEY_FIELD(kofn_eps_params, eta),
     .fallback = "1",
     .help = "Frobenius norm that neither operand exceeds; only epsilon needs it"},
    {.name = "gamma",
     .type = KOFN_KEY_REAL,
     KOFN_KEY_FIELD(kofn_eps_params, gamma),
     .fallback = "auto",
     .choices = "auto",
     .help =
         "What the points are divided by, 1 or more; auto: the best for dtype, parts and tasks"},
    {.name = "decoder",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(kofn_eps_params, decoder),
     .fallback = "balanced",
     .choices = "balanced|interpolation", // in the order of kofn_estimator
     .help = "How estimates are made: rounding weighed against what is missed, or as in the paper"},
};

const kofn_family kofn_eps_matdot_family = {
    .name = "eps_matdot",
    .summary = "MatDot at points near zero: an estimate from nearly half the answers",
    .threshold = "z for an estimate, 2 z - 1 for the product, with x = y = 1",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Jeong et al., epsilon-Approximate Coded Matrix Multiplication, Construction 4",
    .edition = 1, // 0: nodes in their order
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_eps_params),
    .splits_inner = true,
    .threshold_for = matdot_threshold_for,
    .default_tasks = default_tasks,
    .judge = matdot_judge,
    .settle = settle,
    .fill = fill,
};

const kofn_family kofn_eps_polydot_family = {
    .name = "eps_polydot",
    .summary = "PolyDot at points near zero: an estimate from z - 1 answers fewer",
    .threshold = "x y z for an estimate, x y z + z - 1 for the product",
    .encoding = kofn_family_mixing,
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Jeong et al., epsilon-Approximate Coded Matrix Multiplication, Construction 3",
    .edition = 1, // 0: nodes in their order
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_eps_params),
    .splits_inner = true,
    .threshold_for = polydot_threshold_for,
    .default_tasks = default_tasks,
    .judge = polydot_judge,
    .settle = settle,
    .fill = fill,
};
