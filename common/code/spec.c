#include "common/code/spec.h"
#include "common/base/size.h"
#include "common/code/batch.h"
#include "common/code/liars.h"
#include "common/code/plan.h"
#include "common/linalg/outer.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------------ */

/* A whole number of [0, max] and nothing else; *ret_end as strtoull's. */
static bool
parse_number(const char *text, int base, uint64_t max, const char **ret_end, uint64_t *ret_number)
{
    if (*text < '0' || *text > '9') // strtoull would take blanks and signs
        return false;
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, base);
    if (errno || number > max)
        return false;
    *ret_end = end;
    *ret_number = number;
    return true;
}

static kofn_status
set_partition(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    uint64_t part[3];
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        while (*at == ' ')
            at++;
        if (!parse_number(at, 10, KOFN_TASKS_MAX, &at, &part[i]))
            break;
        while (*at == ' ')
            at++;
        if (*at != (i < 2 ? ',' : '\0'))
            break;
        if (i == 2) {
            spec->part = (kofn_partition){.x = part[0], .z = part[1], .y = part[2]};
            return KOFN_OK;
        }
        at++;
    }
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "partition '%.60s' is not x,z,y: three whole numbers up to %d, 0 for 'choose', "
        "like 2,1,2",
        text, KOFN_TASKS_MAX);
}

static kofn_status
set_parts(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    return kofn_cuts_parse(text, KOFN_TASKS_MAX, &spec->parts, err);
}

/* A number of tasks; 0: choose. */
static kofn_status
parse_tasks(const char *name, const char *text, size_t *ret_tasks, kofn_error *err)
{
    const char *end;
    uint64_t tasks;
    if (!parse_number(text, 10, UINT64_MAX, &end, &tasks) || *end)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s '%.60s' is not a whole number", name,
                         text);
    if (tasks > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s=%.60s, need 0 (choose) to %d", name, text,
                         KOFN_TASKS_MAX);
    *ret_tasks = tasks;
    return KOFN_OK;
}

static kofn_status
set_tasks(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    return parse_tasks("tasks", text, &spec->tasks, err);
}

static kofn_status
set_reserve(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    return parse_tasks("reserve", text, &spec->reserve, err);
}

static kofn_status
set_seed(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    const char *end;
    uint64_t seed;
    const int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    if (!parse_number(text, base, UINT64_MAX, &end, &seed) || *end)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "seed '%.60s' is not a whole number from 0 to 2^64 - 1", text);
    spec->seed = seed;
    spec->has_seed = true;
    return KOFN_OK;
}

static kofn_status
set_family(kofn_code_spec *spec, const char *text, kofn_error *err)
{
    if (strlen(text) >= sizeof spec->family)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "family '%.60s' is longer than %zu letters",
                         text, sizeof spec->family - 1);
    (void)snprintf(spec->family, sizeof spec->family, "%s", text);
    return KOFN_OK;
}

static kofn_code_set *
find_set(kofn_code_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->set_count; i++)
        if (strcmp(spec->sets[i].name, name) == 0)
            return &spec->sets[i];
    return NULL;
}

/* A parameter of the family, whichever that will be: kofn_code_spec_check looks at it. */
static kofn_status
set_param(kofn_code_spec *spec, const char *name, const char *text, kofn_error *err)
{
    if (!*name || strlen(name) >= KOFN_NAME_MAX || strlen(text) >= KOFN_SET_VALUE_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parameter '%.60s': a name has 1 to %d letters, a value at most %d", name,
                         KOFN_NAME_MAX - 1, KOFN_SET_VALUE_MAX - 1);
    kofn_code_set *set = find_set(spec, name);
    if (!set && spec->set_count == KOFN_SETS_MAX)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "parameter '%s': there are %d already", name,
                         KOFN_SETS_MAX);
    if (!set)
        set = &spec->sets[spec->set_count++];
    (void)snprintf(set->name, sizeof set->name, "%s", name);
    (void)snprintf(set->value, sizeof set->value, "%s", text);
    return KOFN_OK;
}

typedef kofn_status set_function(kofn_code_spec *spec, const char *text, kofn_error *err);

#define FIELD(field_) KOFN_KEY_FIELD(kofn_code_spec, field_)

/* For people: each key has a setter of its own below. */
static const kofn_key own_keys[] = {
    {"family", KOFN_KEY_STRING, FIELD(family), 0, KOFN_NAME_MAX - 1, "auto", NULL,
     "Code family, with its own parameters beside this key (see kofn codes); auto: by the product"},
    {"partition", KOFN_KEY_STRING, FIELD(part), 0, 0, "0,0,0", NULL,
     "Parts X,Z,Y: A in X by Z blocks, B in Z by Y; 0: choose"},
    {"parts", KOFN_KEY_STRING, FIELD(parts), 0, 0, "0,0", NULL,
     "Of an outer product, in the place of partition: parts D1,D2,... of each operand; 0: choose"},
    {"tasks", KOFN_KEY_INT, FIELD(tasks), 0, KOFN_TASKS_MAX, "0", NULL,
     "Coded tasks; 0: choose for the workers that are there"},
    {"reserve", KOFN_KEY_INT, FIELD(reserve), 0, KOFN_TASKS_MAX, "0", NULL,
     "Fresh tasks beyond those, sent only in place of others; 0: by the policy"},
    {"seed", KOFN_KEY_INT, FIELD(seed), 0, 0, "1", NULL, "Of what the family draws"},
};
static set_function *const own_setters[] = {set_family, set_partition, set_parts,
                                            set_tasks,  set_reserve,   set_seed};

enum { OWN_KEYS = sizeof own_keys / sizeof own_keys[0] };

const kofn_keys kofn_code_spec_keys = {.at = own_keys, .count = OWN_KEYS};

kofn_status
kofn_code_spec_set(kofn_code_spec *spec, const char *key, const char *text, kofn_error *err)
{
    for (size_t i = 0; i < OWN_KEYS; i++)
        if (strcmp(key, own_keys[i].name) == 0)
            return own_setters[i](spec, text, err);
    return set_param(spec, key, text, err);
}

const char *
kofn_code_spec_get_algorithm(const kofn_code_spec *spec)
{
    for (size_t i = 0; i < spec->set_count && i < KOFN_SETS_MAX; i++)
        if (strcmp(spec->sets[i].name, "algorithm") == 0)
            return spec->sets[i].value;
    return NULL;
}

/* ---- family and parameters ------------------------------------------------------------------- */

bool
kofn_code_spec_is_open(const kofn_code_spec *spec)
{
    return !spec->family[0] || strcmp(spec->family, "auto") == 0;
}

static bool
is_cut(const kofn_code_spec *spec)
{
    if (spec->batch)
        return true;
    return spec->parts.count > 0 ? kofn_cuts_count_pieces(&spec->parts) > 0
                                 : spec->part.x && spec->part.z && spec->part.y;
}

bool
kofn_code_spec_is_complete(const kofn_code_spec *spec)
{
    return !kofn_code_spec_is_open(spec) && is_cut(spec) && spec->tasks > 0;
}

bool
kofn_code_spec_is_uncut(const kofn_code_spec *spec)
{
    bool uncut = !spec->part.x && !spec->part.z && !spec->part.y;
    for (size_t i = 0; i < spec->parts.count; i++)
        uncut = uncut && !spec->parts.of[i];
    return uncut;
}

kofn_status
kofn_code_spec_set_form(kofn_code_spec *spec, size_t operands, kofn_error *err)
{
    const kofn_partition p = spec->part;
    if (operands > 0 && (p.x || p.z || p.y))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "partition %zu,%zu,%zu is for products of two matrices; for an outer "
                         "product give parts, one number for each operand",
                         p.x, p.z, p.y);
    if (operands == 0 && spec->parts.count > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parts are for outer products; for this one give a partition x,z,y");
    if (spec->parts.count > 0 && spec->parts.count != operands)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parts are given for %zu operands, and there are %zu", spec->parts.count,
                         operands);
    spec->parts.count = operands;
    return KOFN_OK;
}

kofn_status
kofn_code_spec_set_batch(kofn_code_spec *spec, const kofn_batch *batch, kofn_error *err)
{
    if (batch && (spec->parts.count > 0 || !kofn_code_spec_is_uncut(spec)))
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s are given for a batch of %zu pairs, whose blocks are the pairs'; leave "
            "them out",
            spec->parts.count > 0 ? "parts" : "numbers of a partition", batch->count);
    spec->batch = batch;
    return KOFN_OK;
}

static kofn_status
find_family(const char *name, const kofn_family **ret_family, kofn_error *err)
{
    const kofn_family *family = kofn_family_find(name);
    if (family) {
        *ret_family = family;
        return KOFN_OK;
    }
    const char *names[64];
    assert(kofn_family_count() <= sizeof names / sizeof names[0]);
    for (size_t i = 0; i < kofn_family_count(); i++)
        names[i] = kofn_family_at(i)->name;
    const char *nearest = kofn_nearest_name(name, names, kofn_family_count());
    return kofn_fail(err, KOFN_NOT_FOUND, "there is no code family '%s'%s%s%s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

static kofn_status
fail_unknown_param(const kofn_family *family, const char *name, kofn_error *err)
{
    const char *names[64];
    size_t count = 0;
    assert(family->keys.count + OWN_KEYS <= sizeof names / sizeof names[0]);
    for (size_t i = 0; i < family->keys.count; i++)
        names[count++] = family->keys.at[i].name;
    for (size_t i = 0; i < OWN_KEYS; i++)
        names[count++] = own_keys[i].name;
    const char *nearest = kofn_nearest_name(name, names, count);
    return kofn_fail(err, KOFN_NOT_FOUND, "code family %s has no parameter '%s'%s%s%s",
                     family->name, name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

/* A family's parameters on the stack, whatever the family. */
typedef union params {
    max_align_t aligned;
    unsigned char bytes[KOFN_PARAMS_MAX];
} params;

static kofn_status
parse_params(const kofn_code_spec *spec, const kofn_family *family, params *ret_params,
             kofn_error *err)
{
    assert(family->params_size <= sizeof ret_params->bytes);
    if (spec->set_count > KOFN_SETS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%zu parameters, at most %d", spec->set_count,
                         KOFN_SETS_MAX);
    kofn_keys_set_defaults(family->keys, ret_params);
    for (size_t i = 0; i < spec->set_count; i++) {
        const kofn_code_set *set = &spec->sets[i];
        const kofn_key *key = kofn_keys_find(family->keys, set->name);
        if (!key)
            return fail_unknown_param(family, set->name, err);
        const kofn_status status = kofn_key_parse(key, set->value, ret_params, err);
        if (status) {
            (void)kofn_fail_within(err, "code family %s", family->name);
            return status; // kofn_fail_within does not know it when err is NULL
        }
    }
    return KOFN_OK;
}

/* A struct may come from the wire with any numbers in it; set_partition has checked text
 * already. */
static kofn_status
check_sizes(const kofn_code_spec *spec, kofn_error *err)
{
    const kofn_partition p = spec->part;
    if (p.x > KOFN_TASKS_MAX || p.z > KOFN_TASKS_MAX || p.y > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "partition %zu,%zu,%zu, need parts up to %d each",
                         p.x, p.z, p.y, KOFN_TASKS_MAX);
    if (spec->parts.count == 1 || spec->parts.count > KOFN_OPERANDS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "parts for %zu operands, need 2 to %d",
                         spec->parts.count, KOFN_OPERANDS_MAX);
    for (size_t i = 0; i < spec->parts.count; i++)
        if (spec->parts.of[i] > KOFN_TASKS_MAX)
            return kofn_fail(err, KOFN_OUT_OF_RANGE, "%zu parts of operand %zu, need up to %d",
                             spec->parts.of[i], i + 1, KOFN_TASKS_MAX);
    if (spec->parts.count > 0 && (p.x || p.z || p.y))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "partition %zu,%zu,%zu and parts are both given; parts are for outer "
                         "products",
                         p.x, p.z, p.y);
    if (spec->batch && (spec->parts.count > 0 || p.x || p.z || p.y))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a partition or parts are given beside a batch of %zu pairs",
                         spec->batch->count);
    if (spec->tasks > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "tasks=%zu, need 0 (choose) to %d", spec->tasks,
                         KOFN_TASKS_MAX);
    if (spec->reserve > KOFN_TASKS_MAX - spec->tasks)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "tasks=%zu with reserve=%zu, at most %d in all: take reserve %zu",
                         spec->tasks, spec->reserve, KOFN_TASKS_MAX, KOFN_TASKS_MAX - spec->tasks);
    return KOFN_OK;
}

static kofn_family_args
make_args(const kofn_code_spec *spec, const kofn_field *field, const params *p)
{
    kofn_family_args args = {.field = field,
                             .part = spec->part,
                             .tasks = spec->tasks,
                             .reserve = spec->reserve,
                             .seed = spec->seed,
                             .params = p,
                             .algorithms = spec->algorithms};
    if (spec->batch)
        kofn_family_args_set_batch(&args, spec->batch);
    else if (spec->parts.count > 0)
        kofn_family_args_set_parts(&args, &spec->parts);
    return args;
}

/* Has a code room for these pairs at all? How many workers there are is no matter: each does
 * several tasks. */
static kofn_status
check_batch_room(const kofn_batch *batch, const kofn_field *field, kofn_error *err)
{
    if (kofn_code_most_batch_tasks(batch, field) > 0)
        return KOFN_OK;
    return kofn_fail(
        err, KOFN_OUT_OF_RANGE,
        "batch: %zu pairs of %zu and %zu blocks, for %zu blocks of C, are more than a code has "
        "room for, however many workers there are; send fewer pairs at a time, or ask for "
        "one sum of them",
        batch->count, batch->side[0].cols, batch->side[1].cols, batch->weights.rows);
}

static kofn_status
check_batch_tasks(const kofn_family *family, const kofn_family_args *args, kofn_error *err)
{
    const kofn_batch *batch = args->batch;
    const size_t most = kofn_code_most_batch_tasks(batch, args->field);
    if (args->tasks <= most)
        return KOFN_OK;
    return kofn_fail(
        err, KOFN_OUT_OF_RANGE,
        "%s: %zu pairs take %zu tasks, and a job of %zu and %zu blocks has at most %zu, "
        "however many workers there are; send fewer pairs at a time, or ask for their sum",
        family->name, batch->count, args->tasks, batch->side[0].cols, batch->side[1].cols, most);
}

/* What a check looks at. */
typedef enum depth {
    AT_A_GLANCE, // not what takes a search
    THOROUGHLY,
} depth;

static kofn_status
find_thresholds(const kofn_code_spec *spec, const kofn_field *field, depth how,
                kofn_thresholds *ret_thresholds, kofn_error *err)
{
    const kofn_thresholds open = {0};
    kofn_status status = check_sizes(spec, err);
    if (!status && spec->batch)
        status = check_batch_room(spec->batch, field, err);
    if (status)
        return status;
    if (kofn_code_spec_is_open(spec)) {
        if (spec->set_count > 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "parameter '%s' is set but no code family is named; name one",
                             spec->sets[0].name);
        if (spec->reserve > 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "reserve=%zu needs a family with fresh rows: name one, like "
                             "alloy_global",
                             spec->reserve);
        *ret_thresholds = open;
        return KOFN_OK;
    }

    const kofn_family *family = NULL;
    params p;
    status = find_family(spec->family, &family, err);
    if (!status)
        status = parse_params(spec, family, &p, err);
    if (status)
        return status;
    kofn_family_args args = make_args(spec, field, &p);
    if (is_cut(spec) || spec->parts.count > 0) // else nobody knows for which form it will be
        status = kofn_family_check_form(family, &args, err);
    if (!status && family->check_params)
        status = family->check_params(&args, err);
    if (status || !is_cut(spec) || (family->searches && how == AT_A_GLANCE)) {
        if (!status)
            *ret_thresholds = open;
        return status;
    }
    args.tasks = spec->tasks ? spec->tasks : family->default_tasks(&args, 1);
    kofn_thresholds k;
    status = kofn_family_check(family, &args, &k, NULL, err);
    if (!status && args.batch)
        status = check_batch_tasks(family, &args, err);
    if (!status)
        *ret_thresholds = spec->tasks ? k : open;
    return status;
}

kofn_status
kofn_code_spec_thresholds(const kofn_code_spec *spec, const kofn_field *field,
                          kofn_thresholds *ret_thresholds, kofn_error *err)
{
    return find_thresholds(spec, field, THOROUGHLY, ret_thresholds, err);
}

kofn_status
kofn_code_spec_glance(const kofn_code_spec *spec, const kofn_field *field,
                      kofn_thresholds *ret_thresholds, kofn_error *err)
{
    return find_thresholds(spec, field, AT_A_GLANCE, ret_thresholds, err);
}

kofn_status
kofn_code_spec_check(const kofn_code_spec *spec, const kofn_field *field, kofn_error *err)
{
    kofn_thresholds k;
    return kofn_code_spec_thresholds(spec, field, &k, err);
}

/* ---- completion ------------------------------------------------------------------------------ */

/* What is left open of the partition is chosen for the least data that a task moves, so blocks stay
 * as square as the product allows. Candidates are the partitions for which the tasks that the
 * family asks for (which leave room for losses) are no more than the tasks given or, if those are
 * open too, the workers, and of which no great error is to be expected. The inner dimension is left
 * whole, unless the family is made for cutting it. */
static const double ESTIMATE_CHOSEN = 1e-2;    // an estimate's error, relative to |A| |B|
static const double DIGITS_CHOSEN = 11.0 / 16; // of a product's digits that rounding must leave

typedef struct choice {
    const kofn_family *family;
    kofn_family_args args;
    const kofn_code_context *context;
    size_t workers;
} choice;

/* Tasks that are left open. */
static size_t
count_tasks(const choice *c, size_t workers)
{
    kofn_family_args args = c->args;
    kofn_thresholds k;
    args.tasks = c->family->default_tasks(&args, workers);
    const bool fewest = c->context->reserve == KOFN_RESERVE_STAGED && c->family->rateless &&
                        !args.batch && !kofn_family_check(c->family, &args, &k, NULL, NULL);
    return fewest && k.exact < args.tasks ? k.exact : args.tasks;
}

static bool
is_candidate(choice *c, size_t tasks, size_t most)
{
    const size_t asked = count_tasks(c, tasks ? 1 : c->workers);
    kofn_thresholds k;
    double error;
    c->args.tasks = tasks ? tasks : asked;
    return asked <= most && !kofn_family_check(c->family, &c->args, &k, &error, NULL) &&
           error <=
               (k.enough < k.exact ? ESTIMATE_CHOSEN : pow(c->args.field->epsilon, DIGITS_CHOSEN));
}

static size_t
at_least_one(size_t n)
{
    return n > 0 ? n : 1;
}

/* Elements that a task takes to its worker; and back, where cutting the inner dimension makes less
 * of the one and more of the other. */
static double
measure_task(const choice *c)
{
    const kofn_code_context *context = c->context;
    const double rows = (double)kofn_part_size(context->rows, c->args.part.x),
                 inner = (double)kofn_part_size(context->inner, c->args.part.z),
                 cols = (double)kofn_part_size(context->cols, c->args.part.y);
    return (rows + cols) * inner + (c->family->splits_inner ? rows * cols : 0);
}

/* Sets z to the largest up to z_most that makes a candidate: for x and y as they are, it moves the
 * least. With more parts a family asks for more tasks and loses more digits, so bisection finds it.
 * False: none does. */
static bool
widen_inner(choice *c, size_t z_most, size_t tasks, size_t most)
{
    size_t fits = 1, fails = z_most + 1;
    c->args.part.z = 1;
    if (!is_candidate(c, tasks, most))
        return false;
    while (fails - fits > 1) {
        const size_t z = c->args.part.z = fits + (fails - fits) / 2;
        if (is_candidate(c, tasks, most))
            fits = z;
        else
            fails = z;
    }
    c->args.part.z = fits;
    return true;
}

static kofn_partition
choose_partition(choice *c, kofn_partition open, size_t tasks)
{
    const size_t most = tasks ? tasks : c->workers;
    const size_t x_first = at_least_one(open.x), y_first = at_least_one(open.y);
    const size_t x_last = open.x ? open.x : kofn_size_smaller(at_least_one(c->context->rows), most);
    const size_t y_most = kofn_size_smaller(at_least_one(c->context->cols), most);
    const size_t z_most = kofn_size_smaller(at_least_one(c->context->inner), most);
    const bool widens = open.z == 0 && c->family->splits_inner;

    kofn_partition best = {.x = x_first, .z = at_least_one(open.z), .y = y_first};
    double least = INFINITY;
    for (size_t x = x_first; x <= x_last; x++) {
        const size_t y_last = open.y ? open.y : kofn_size_smaller(y_most, at_least_one(most / x));
        for (size_t y = y_first; y <= y_last; y++) {
            c->args.part = (kofn_partition){.x = x, .z = at_least_one(open.z), .y = y};
            if ((widens ? widen_inner(c, z_most, tasks, most) : is_candidate(c, tasks, most)) &&
                measure_task(c) < least) {
                least = measure_task(c);
                best = c->args.part;
            }
        }
    }
    return best;
}

/* Elements to a task's worker and back. */
static double
measure_outer_task(const choice *c)
{
    double sum = 0, piece = 1;
    for (size_t i = 0; i < c->args.parts.count; i++) {
        const kofn_grid grid = kofn_cuts_get_grid(&c->args.parts, &c->context->operands, i);
        const double block = (double)kofn_part_size(c->context->operands.rows[i], grid.rows) *
                             (double)kofn_part_size(c->context->operands.cols[i], grid.cols);
        sum += block;
        piece *= block;
    }
    return sum + piece;
}

/* Of all numbers of pieces that make a candidate, each cut in the one way that kofn_cuts_spread
 * knows: what moves the least. */
static kofn_cuts
choose_parts(choice *c, const kofn_cuts *open, size_t tasks)
{
    const size_t most = tasks ? tasks : c->workers;
    kofn_cuts best = *open;
    double least = INFINITY;
    for (size_t i = 0; i < best.count; i++)
        best.of[i] = at_least_one(best.of[i]);
    for (size_t pieces = kofn_cuts_count_pieces(&best); pieces <= most; pieces++) {
        kofn_cuts parts = *open;
        if (!kofn_cuts_spread(&parts, &c->context->operands, pieces))
            continue;
        kofn_family_args_set_parts(&c->args, &parts);
        if (is_candidate(c, tasks, most) && measure_outer_task(c) < least) {
            least = measure_outer_task(c);
            best = parts;
        }
    }
    return best;
}

/* Whole to one worker when splitting cannot pay: splitting lowers the rate of a small product by
 * the number of parts, and a lone worker would do all the parts anyway. */
static bool
goes_whole(const kofn_code_spec *spec, const kofn_code_context *context, size_t workers)
{
    const double each = spec->parts.count > 0 ? KOFN_OUTER_FLOPS : 2 * (double)context->inner;
    const double flops = each * (double)context->rows * (double)context->cols;
    const kofn_partition p = spec->part;
    bool whole = p.x <= 1 && p.z <= 1 && p.y <= 1 && spec->tasks <= 1;
    for (size_t i = 0; i < spec->parts.count; i++)
        whole = whole && spec->parts.of[i] <= 1;
    return whole && (flops <= context->whole_flops || workers == 1);
}

/* Fresh rows are wanted, and with them a family that has them. */
static bool
wants_fresh(const kofn_code_context *context)
{
    return context->reserve == KOFN_RESERVE_ALWAYS;
}

/* By the planner, which takes families and partitions alike. False: not asked for, or it knows
 * nothing that fits; nor does it of two stages. */
static bool
plan_code(kofn_code_spec *spec, const kofn_code_context *context, size_t workers)
{
    const kofn_shape shape = {context->rows, context->inner, context->cols};
    kofn_plan_query q;
    kofn_plan plan;
    if (!context->machine || context->reserve == KOFN_RESERVE_STAGED || spec->batch ||
        spec->parts.count > 0 || !kofn_code_spec_is_uncut(spec) || spec->tasks ||
        context->machine->workers != workers)
        return false;
    kofn_plan_query_init(&q, context->field, shape, workers);
    q.machine = *context->machine;
    q.stragglers = context->stragglers;
    q.error = context->error;
    q.limit = 1;
    q.seed = spec->has_seed ? spec->seed : q.seed;
    q.rateless = wants_fresh(context);
    kofn_status status = kofn_plan_make(&q, &plan, NULL);
    if (status && q.rateless) { // no such family fits
        q.rateless = false;
        status = kofn_plan_make(&q, &plan, NULL);
    }
    if (status)
        return false;
    const kofn_algorithms *algorithms = spec->algorithms;
    *spec = plan.rows[0].spec;
    spec->algorithms = algorithms;
    kofn_plan_fini(&plan);
    return true;
}

static void
set_whole(kofn_code_spec *spec)
{
    spec->tasks = 1;
    if (spec->parts.count == 0)
        spec->part = (kofn_partition){.x = 1, .z = 1, .y = 1};
    for (size_t i = 0; i < spec->parts.count; i++)
        spec->parts.of[i] = 1;
}

/* Locality where there are tasks for it, or workers enough that two each can lose one. With fewer
 * workers each pair once is less work, and one that is lost is sent again. */
static const char *
name_batch_family(const kofn_code_spec *spec, const kofn_code_context *context, size_t workers)
{
    if (context->reserve == KOFN_RESERVE_STAGED)
        return "locality"; // of what is missing, be that pairs in all sorts of relations
    const kofn_family *locality = kofn_family_find("locality");
    params defaults;
    kofn_keys_set_defaults(locality->keys, &defaults);
    const kofn_family_args args = make_args(spec, context->field, &defaults);
    if (spec->tasks ? spec->tasks != spec->batch->count
                    : workers > 1 && locality->default_tasks(&args, workers) <= 2 * workers)
        return locality->name;
    return "uncoded";
}

/* Of the families, the one that most products should take. */
static void
choose_family(kofn_code_spec *spec, const kofn_code_context *context, size_t workers)
{
    const double order = context->field->order;
    const size_t most = spec->tasks ? spec->tasks : 2 * workers; // that default_tasks may say
    const char *name = order == 0 ? "rkrp" : "polynomial";
    if (spec->parts.count > 0 && order != 0 && order < (double)most)
        name = "alloy_global"; // there are not points enough
    if (wants_fresh(context) && !kofn_family_find(name)->rateless)
        name = "alloy_global";
    if (context->liars > 0) { // any so many answers of it suffice
        name = spec->batch ? "lagrange" : order == 0 ? "rkrp" : "polynomial";
    } else if (spec->batch) {
        name = name_batch_family(spec, context, workers);
    } else if (goes_whole(spec, context, workers)) {
        name = "uncoded";
        set_whole(spec);
    } else if (plan_code(spec, context, workers)) {
        return;
    }
    (void)snprintf(spec->family, sizeof spec->family, "%s", name);
}

/* What is open of partition or parts, in spec and arguments. */
static void
choose_cut(choice *c, kofn_code_spec *spec)
{
    if (spec->batch)
        return;
    if (spec->parts.count > 0) {
        if (!is_cut(spec))
            spec->parts = choose_parts(c, &spec->parts, spec->tasks);
        kofn_family_args_set_parts(&c->args, &spec->parts);
        return;
    }
    if (c->family->cut)
        c->family->cut(&c->args, &spec->part);
    if (!spec->part.x || !spec->part.y || (!spec->part.z && c->family->splits_inner))
        spec->part = choose_partition(c, spec->part, spec->tasks);
    spec->part.z = at_least_one(spec->part.z);
    c->args.part = spec->part;
}

/* Every parameter with the value that was used, in the family's order and spelling: a default that
 * changes one day leaves what was recorded as it was, and equal codes have equal specs. */
static void
record_params(kofn_code_spec *spec, const kofn_family *family, const params *p)
{
    assert(family->keys.count <= KOFN_SETS_MAX);
    memset(spec->sets, 0, sizeof spec->sets);
    for (size_t i = 0; i < family->keys.count; i++) {
        const kofn_key *key = &family->keys.at[i];
        (void)snprintf(spec->sets[i].name, sizeof spec->sets[i].name, "%s", key->name);
        kofn_key_format(key, p, spec->sets[i].value, sizeof spec->sets[i].value);
    }
    spec->set_count = family->keys.count;
}

/* Tasks that parity takes of the threshold that n tasks have; 0: the family has no n. */
static size_t
count_with_parity(choice *c, size_t n, size_t workers)
{
    kofn_thresholds k;
    c->args.tasks = n;
    if (n > KOFN_TASKS_MAX || kofn_family_check(c->family, &c->args, &k, NULL, NULL) != KOFN_OK)
        return 0;
    return kofn_liars_count_tasks(k.exact, c->context->liars, workers);
}

/* The least n from `low` on that has room for parity, of a family whose threshold may grow with n,
 * but slower; 0: none was found. */
static size_t
find_with_parity(choice *c, size_t low, size_t workers)
{
    size_t step = 1, high = low, needed = count_with_parity(c, low, workers);
    for (; needed > high; step *= 2) {
        low = high + 1;
        high = needed > high + step ? needed : high + step;
        needed = count_with_parity(c, high, workers);
    }
    if (needed == 0)
        return 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        needed = count_with_parity(c, middle, workers);
        if (needed > 0 && needed <= middle)
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

/* A task more for each worker that the cut was not chosen for, and no fewer than find who lies
 * among them; of a family that has so many. One of them may be lost, where the others are not too
 * few for any number; where all are, as if more came. */
static void
add_tasks(choice *c, size_t extra)
{
    const size_t before = c->args.tasks, alive = at_least_one(c->context->workers);
    const size_t workers[] = {alive - 1, alive, SIZE_MAX};
    size_t found = 0;
    for (size_t i = 0; i < 6 && found == 0; i++)
        found = find_with_parity(c, i % 2 == 0 ? before + extra : before, workers[i / 2]);
    c->args.tasks = found > 0 ? found : before;
}

kofn_status
kofn_code_spec_complete(kofn_code_spec *spec, const kofn_code_context *context, kofn_error *err)
{
    kofn_status status = kofn_code_spec_check(spec, context->field, err);
    if (status)
        return status;

    if (spec->parts.count > 0 && spec->parts.count != context->operands.count)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parts are given for %zu operands, and there are %zu", spec->parts.count,
                         context->operands.count);

    kofn_code_spec done = *spec;
    const size_t extra = 2 * context->liars;
    choice c = {.context = context,
                .workers = at_least_one(context->workers > extra ? context->workers - extra : 0)};
    if (kofn_code_spec_is_open(&done))
        choose_family(&done, context, c.workers);
    params p;
    status = find_family(done.family, &c.family, err);
    if (!status)
        status = parse_params(&done, c.family, &p, err);
    if (status)
        return status;
    c.args = make_args(&done, context->field, &p);
    status = kofn_family_check_form(c.family, &c.args, err);
    if (status)
        return status;

    if (!done.has_seed)
        done.seed = kofn_rng_fresh_seed();
    done.has_seed = true;
    c.args.seed = done.seed;
    choose_cut(&c, &done);
    c.args.tasks = done.tasks ? done.tasks : count_tasks(&c, c.workers);
    kofn_thresholds k;
    status = kofn_family_check(c.family, &c.args, &k, NULL, err);
    if (!status && context->exact && !done.tasks && k.exact > c.args.tasks) {
        c.args.tasks = kofn_family_tasks_beyond(k.exact, c.workers);
        status = kofn_family_check(c.family, &c.args, &k, NULL, err);
    }
    if (!status && !done.tasks && extra > 0)
        add_tasks(&c, extra);
    if (!status && done.batch)
        status = check_batch_tasks(c.family, &c.args, err);
    char cut[KOFN_CUT_TEXT_MAX];
    if (!status && c.args.tasks > KOFN_TASKS_MAX)
        status =
            kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: %s needs %zu tasks, at most %d", done.family,
                      kofn_family_name_cut(&c.args, cut), c.args.tasks, KOFN_TASKS_MAX);
    if (status)
        return status;
    done.tasks = c.args.tasks;
    if (!done.reserve && (context->reserve >= KOFN_RESERVE_ALWAYS ||
                          (context->reserve == KOFN_RESERVE_LIKELY && k.likely)))
        done.reserve = kofn_family_reserve(c.family, &c.args);
    status = check_sizes(&done, err);
    if (status)
        return status;
    if (c.family->settle)
        c.family->settle(&c.args, &p);
    record_params(&done, c.family, &p);
    *spec = done;
    return KOFN_OK;
}

kofn_status
kofn_code_spec_build(const kofn_code_spec *spec, const kofn_field *field, kofn_code **ret_code,
                     kofn_error *err)
{
    const kofn_family *family = NULL;
    params p;
    kofn_status status = check_sizes(spec, err);
    if (!status && !kofn_code_spec_is_complete(spec))
        status = kofn_fail(err, KOFN_FAILED_PRECONDITION,
                           "the code is not complete: family, partition or tasks are open");
    if (!status)
        status = find_family(spec->family, &family, err);
    if (!status)
        status = parse_params(spec, family, &p, err);
    if (status)
        return status;
    const kofn_family_args args = make_args(spec, field, &p);
    return kofn_family_build(family, &args, ret_code, err);
}
