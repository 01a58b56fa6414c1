/* A mixed code is a family's code with unit rows put in front of it; rkrp makes its own, and
 * chooses them better. What the family promises of its rows alone holds no longer for mixtures:
 * what is checked here is whatever can be seen to break them, and inner.h says what is then true.
 */
#include "common/code/inner.h"
#include "common/code/plain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
names_param(const kofn_code_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->set_count; i++)
        if (strcmp(spec->sets[i].name, name) == 0)
            return true;
    return false;
}

static const kofn_key *
find_param(const kofn_code_spec *spec, const char *name)
{
    const kofn_family *family = kofn_family_find(spec->family);
    return family ? kofn_keys_find(family->keys, name) : NULL;
}

kofn_status
kofn_inner_set_defaults(kofn_code_spec *spec, const kofn_field *field, kofn_error *err)
{
    if (kofn_code_spec_is_open(spec))
        (void)snprintf(spec->family, sizeof spec->family, "%s",
                       field->order == 0 ? "rkrp" : "polynomial");
    const kofn_key *points = find_param(spec, "points");
    const char *choice = field->order == 0 ? "spread" : "random";
    if (!points || names_param(spec, "points") || !strstr(points->choices, choice))
        return KOFN_OK; // a family that has no such points says itself what it lacks
    return kofn_code_spec_set(spec, "points", choice, err);
}

size_t
kofn_inner_count_rows(const kofn_code_spec *spec, const kofn_field *field)
{
    return field->order > 0 && find_param(spec, "points") ? (size_t)field->order - 1 : SIZE_MAX;
}

static kofn_status
check_spec(const kofn_code_spec *spec, bool plain, kofn_error *err)
{
    const kofn_partition p = spec->part;
    if (spec->parts.count > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inner code: parts are for outer products, and streams are of products of "
                         "two matrices; give a partition x,1,y");
    if (spec->reserve > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inner code: reserve=%zu, but a stream takes coded rows as it needs them; "
                         "take reserve 0",
                         spec->reserve);
    if (strcmp(spec->family, "uncoded") == 0 &&
        spec->tasks > (plain ? 0 : kofn_partition_products(p)))
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "inner code: this scheme takes coded rows, and family uncoded has none; take "
            "rkrp or polynomial, or the scheme uncoded");
    if (plain && p.z != 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inner code: partition %zu,%zu,%zu splits the inner dimension, and plain "
                         "rows are blocks of the product; take %zu,1,%zu",
                         p.x, p.z, p.y, p.x, p.y);
    return KOFN_OK;
}

static kofn_status
check_threshold(const kofn_code *code, bool plain, kofn_error *err)
{
    const size_t outputs = kofn_partition_outputs(code->part);
    if (!kofn_code_is_certain(code) || code->groups > 0 || code->threshold > code->tasks)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inner code: of family %s no number of answers suffices whichever they "
                         "are; take rkrp or polynomial",
                         code->family);
    if (plain && code->threshold != outputs)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inner code: family %s needs %zu answers where plain rows need x y = %zu; "
                         "take rkrp or polynomial",
                         code->family, code->threshold, outputs);
    return KOFN_OK;
}

static kofn_status
build_family(const kofn_code_spec *spec, const kofn_field *field, bool plain, kofn_code **ret_code,
             kofn_error *err)
{
    kofn_code *code;
    kofn_status status = kofn_code_spec_build(spec, field, &code, err);
    if (status)
        return status;
    status = check_threshold(code, plain, err);
    if (status)
        kofn_code_destroy(&code);
    else
        *ret_code = code;
    return status;
}

/* ---- coded rows beside plain ones ------------------------------------------------------------ */

static int
compare_sizes(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Points at t and -t, or at 0: then there are mixtures that do not decode. */
static kofn_status
check_points(const kofn_code *code, size_t coded, kofn_error *err)
{
    double *size = malloc(coded * sizeof *size);
    if (!size)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "inner code: no memory for %zu points",
                         coded);
    for (size_t i = 0; i < coded; i++)
        size[i] = fabs(code->point[i]);
    qsort(size, coded, sizeof *size, compare_sizes);
    bool opposite = size[0] == 0;
    for (size_t i = 1; i < coded; i++)
        opposite = opposite || size[i] == size[i - 1];
    free(size);
    if (!opposite)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "inner code: %s evaluates at 0 or at points t and -t, and then not every x y "
                     "of plain and coded rows suffice; take polynomial with points=spread",
                     code->family);
}

static kofn_status
check_coded(const kofn_code *code, size_t coded, kofn_error *err)
{
    if (code->threshold == 1)
        return KOFN_OK; // any row is the product, up to a factor
    for (size_t task = 0; task < coded; task++)
        if (kofn_code_plain_column(code, task) != SIZE_MAX)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "inner code: row %zu of family %s is a plain row, which is there "
                             "already; take rkrp, or polynomial with points=spread",
                             task, code->family);
    return code->point ? check_points(code, coded, err) : KOFN_OK;
}

/* A code with the plain rows, and then the first `coded` rows of `from`. Points and powers are left
 * out: a plain row has none, and only interpolated estimates ask for them. */
static kofn_status
join(const kofn_code *from, size_t coded, kofn_code **ret_code, kofn_error *err)
{
    const size_t plain = from->threshold;
    kofn_code *code;
    const kofn_status status =
        kofn_code_alloc(from->family, from->field, from->part, plain + coded, &code, err);
    if (status)
        return status;
    for (size_t task = 0; task < plain; task++)
        kofn_code_set_plain(code, task, task);
    for (size_t o = 0; o < 2; o++) {
        const size_t cols = code->e[o].cols;
        memcpy(code->e[o].at + plain * cols, from->e[o].at, coded * cols * sizeof(double));
    }
    const bool likely = from->field->order != 0 && plain > 2;
    kofn_code_set_thresholds(code,
                             &(kofn_thresholds){.exact = plain, .enough = plain, .likely = likely});
    code->seed = from->seed;
    kofn_code_seal(code);
    *ret_code = code;
    return KOFN_OK;
}

/* Rows of the family alone, at least as many as it takes: how many are wanted is another matter. */
static kofn_status
build_mixed(const kofn_code_spec *spec, const kofn_field *field, kofn_code **ret_code,
            kofn_error *err)
{
    kofn_code_spec alone = *spec;
    const size_t outputs = kofn_partition_outputs(spec->part);
    alone.tasks = spec->tasks < outputs ? outputs : spec->tasks;
    kofn_code *from;
    kofn_status status = build_family(&alone, field, true, &from, err);
    if (status)
        return status;
    status = check_coded(from, spec->tasks, err);
    if (!status)
        status = join(from, spec->tasks, ret_code, err);
    kofn_code_destroy(&from);
    return status;
}

static kofn_status
build_systematic(const kofn_code_spec *spec, const kofn_field *field, kofn_code **ret_code,
                 kofn_error *err)
{
    kofn_code_spec whole = *spec;
    whole.tasks += kofn_partition_outputs(spec->part); // if it overflows, to too few
    const kofn_status status = kofn_code_spec_set(&whole, "systematic", "yes", err);
    return status ? status : build_family(&whole, field, true, ret_code, err);
}

/* No coded rows at all, whatever the family. */
static kofn_status
build_plain(const kofn_code_spec *spec, const kofn_field *field, kofn_code **ret_code,
            kofn_error *err)
{
    kofn_code_spec alone = *spec;
    alone.set_count = 0;
    alone.tasks = kofn_partition_outputs(spec->part);
    const kofn_status status = kofn_code_spec_set(&alone, "family", "uncoded", err);
    return status ? status : build_family(&alone, field, true, ret_code, err);
}

kofn_status
kofn_inner_build(const kofn_code_spec *spec, const kofn_field *field, bool plain,
                 kofn_code **ret_code, kofn_error *err)
{
    const kofn_status status = check_spec(spec, plain, err);
    if (status)
        return status;
    if (plain && spec->tasks == 0)
        return build_plain(spec, field, ret_code, err);
    if (!plain || !kofn_code_spec_is_complete(spec)) // which fails, and says why
        return build_family(spec, field, plain, ret_code, err);
    return find_param(spec, "systematic") ? build_systematic(spec, field, ret_code, err)
                                          : build_mixed(spec, field, ret_code, err);
}
