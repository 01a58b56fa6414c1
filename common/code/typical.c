#include "common/code/typical.h"
#include "common/base/size.h"
#include "common/code/binomial.h"
#include "common/code/odds.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef union params { // of a family, whichever it is
    max_align_t aligned;
    unsigned char bytes[KOFN_PARAMS_MAX];
} params;

const char *
kofn_typical_method_name(kofn_typical_method method)
{
    static const char *const names[] = {"", "formula", "bound", "trials"};
    return names[method];
}

/* ---- one number of tasks --------------------------------------------------------------------- */

static kofn_family_args
make_args(const kofn_typical_question *q, const void *of, size_t tasks)
{
    return (kofn_family_args){
        .field = q->field, .part = q->part, .tasks = tasks, .seed = q->seed, .params = of};
}

/* Does the number of answers decide, and nothing else? Independent output blocks need as many; and
 * of approximate codes nobody takes fewer for the product. */
static bool
is_counted(const kofn_family_args *args, const kofn_thresholds *k)
{
    return k->enough < k->exact || (!k->likely && (k->exact <= kofn_partition_outputs(args->part) ||
                                                   k->exact == args->tasks));
}

static kofn_status
weigh(const kofn_typical_question *q, const kofn_family_args *args, kofn_typical *ret,
      kofn_error *err)
{
    kofn_thresholds k;
    bool bound = false;
    const kofn_status status = q->family->threshold_for(args, &k, err);
    if (status)
        return status;
    *ret = (kofn_typical){.tasks = args->tasks};
    if (q->family->miss_for) {
        ret->miss = q->family->miss_for(args, q->failure, &bound);
    } else {
        ret->miss = kofn_binomial_below(args->tasks, q->estimate ? k.enough : k.exact, q->failure);
        bound = !is_counted(args, &k);
    }
    ret->method = bound ? KOFN_TYPICAL_BOUND : KOFN_TYPICAL_FORMULA;
    return KOFN_OK;
}

kofn_status
kofn_typical_weigh(const kofn_typical_question *q, size_t tasks, kofn_typical *ret_typical,
                   kofn_error *err)
{
    const kofn_family_args args = make_args(q, q->params, tasks);
    return weigh(q, &args, ret_typical, err);
}

/* ---- the search ------------------------------------------------------------------------------ */

static bool
can_build(const kofn_typical_question *q, size_t tasks)
{
    const kofn_family_args args = make_args(q, q->params, tasks);
    kofn_thresholds k;
    return q->family->threshold_for(&args, &k, NULL) == KOFN_OK;
}

/* The border between `yes`, of which a code can be built, and `no`: the last number of the former
 * kind. */
static size_t
find_border(const kofn_typical_question *q, size_t yes, size_t no)
{
    while (yes + 1 < no || no + 1 < yes) {
        const size_t middle = yes < no ? yes + (no - yes) / 2 : no + (yes - no) / 2;
        if (can_build(q, middle))
            yes = middle;
        else
            no = middle;
    }
    return yes;
}

/* The fewest tasks that a code can be built of; 0: none. Where the usual number is too much for the
 * field, a smaller one may not be. */
static size_t
find_fewest(const kofn_typical_question *q)
{
    const kofn_family_args args = make_args(q, q->params, 0);
    const size_t usual = q->family->default_tasks(&args, 1);
    if (usual > 0 && usual <= KOFN_TASKS_MAX && can_build(q, usual))
        return find_border(q, usual, 0);
    const size_t most = kofn_size_smaller(usual, q->tasks_max);
    for (size_t tasks = kofn_partition_outputs(q->part); tasks <= most; tasks++)
        if (can_build(q, tasks))
            return tasks;
    return 0;
}

/* `few` will not do, `enough` does, as *found says: to the smallest that does. */
static void
narrow(const kofn_typical_question *q, size_t few, size_t enough, kofn_typical *found)
{
    while (few + 1 < enough) {
        kofn_typical middle;
        const size_t tasks = few + (enough - few) / 2;
        if (kofn_typical_weigh(q, tasks, &middle, NULL) || middle.miss >= q->odds) {
            few = tasks;
        } else {
            enough = tasks;
            *found = middle;
        }
    }
}

/* *ret: the smallest number of tasks that will do, by formulas, or what comes nearest. */
static void
find_tasks(const kofn_typical_question *q, kofn_typical *ret)
{
    size_t few = find_fewest(q), enough = few, most = q->tasks_max;
    *ret = (kofn_typical){.miss = 1};
    if (few == 0 || few > most || kofn_typical_weigh(q, few, ret, NULL))
        return;
    for (size_t step = 1; ret->miss >= q->odds && enough < most; step *= 2) {
        few = enough;
        enough = kofn_size_smaller(few + step, most);
        if (!can_build(q, enough))
            most = enough = find_border(q, few, enough);
        if (kofn_typical_weigh(q, enough, ret, NULL))
            break; // no memory: as if that were the last
    }
    if (ret->miss >= q->odds)
        ret->method = KOFN_TYPICAL_NONE;
    else
        narrow(q, few, enough, ret);
}

/* Where the partition and a parameter decide: one value after another. */
static void
find_value(const kofn_typical_question *q, kofn_typical *ret)
{
    const kofn_key *key = kofn_keys_find(q->family->keys, q->family->tasks_key);
    params p;
    assert(key && key->type == KOFN_KEY_INT && key->max > 0);
    memcpy(p.bytes, q->params, q->family->params_size);
    *ret = (kofn_typical){.miss = 1};
    for (int64_t value = (int64_t)key->min; value <= (int64_t)key->max; value++) {
        kofn_typical found;
        memcpy(p.bytes + key->offset, &value, sizeof value);
        kofn_family_args args = make_args(q, &p, 0);
        args.tasks = q->family->default_tasks(&args, 1);
        if (args.tasks > q->tasks_max || weigh(q, &args, &found, NULL))
            break;
        found.value = value;
        if (found.miss >= q->odds)
            found.method = KOFN_TYPICAL_NONE;
        *ret = found;
        if (found.method != KOFN_TYPICAL_NONE)
            break;
    }
}

/* ---- trials ---------------------------------------------------------------------------------- */

/* *ret_miss: with two standard errors to spare. */
static kofn_status
try_tasks(const kofn_typical_question *q, size_t tasks, double *ret_miss, kofn_error *err)
{
    const kofn_family_args args = make_args(q, q->params, tasks);
    kofn_code *code = NULL;
    double miss = 1, spread = 0;
    kofn_status status = kofn_family_build(q->family, &args, &code, err);
    if (status)
        return status;
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){q->part.x, q->part.z, q->part.y}, false, false);
    const kofn_odds_question question = {.coding = &coding,
                                         .workers = tasks,
                                         .failure = q->failure,
                                         .seed = q->seed,
                                         .trials = q->trials};
    status = kofn_odds_miss(&question, &miss, &spread, err);
    kofn_code_destroy(&code);
    *ret_miss = miss + 2 * spread;
    return status;
}

/* Fewer tasks than the bound asks for, as long as they do. */
static kofn_status
refine(const kofn_typical_question *q, kofn_typical *found, kofn_error *err)
{
    for (size_t tasks = found->tasks - 1; tasks > 0 && can_build(q, tasks); tasks--) {
        double miss;
        const kofn_status status = try_tasks(q, tasks, &miss, err);
        if (status)
            return status;
        if (miss >= q->odds)
            break;
        *found = (kofn_typical){.method = KOFN_TYPICAL_TRIALS, .tasks = tasks, .miss = miss};
    }
    return KOFN_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

static kofn_status
check(const kofn_typical_question *q, kofn_error *err)
{
    if (!(q->failure >= 0 && q->failure <= 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "failure=%g, need a probability, 0 to 1",
                         q->failure);
    if (!(q->odds > 0 && q->odds < 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "odds=%g, need a probability above 0 and below 1, like 1e-3", q->odds);
    if (q->tasks_max == 0 || q->tasks_max > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%zu tasks at most, need 1 to %d",
                         q->tasks_max, KOFN_TASKS_MAX);
    return KOFN_OK;
}

kofn_status
kofn_typical_find(const kofn_typical_question *q, kofn_typical *ret_typical, kofn_error *err)
{
    kofn_typical found;
    kofn_status status = check(q, err);
    if (status)
        return status;
    if (q->family->tasks_key)
        find_value(q, &found);
    else
        find_tasks(q, &found);
    if (found.method == KOFN_TYPICAL_BOUND && q->trials > 0 && !q->family->miss_for)
        status = refine(q, &found, err);
    if (!status)
        *ret_typical = found;
    return status;
}
