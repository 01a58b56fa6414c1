#include "master/sim/simulate.h"

#include "common/code/batch.h"
#include "common/code/inner.h"
#include "master/sched/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = 1 << 20,   // rows, inner and columns of the product that open codes are chosen for
    TASK_NS_MIN = 100, // below it rounding to nanoseconds would show
};

static const kofn_key keys[] = {
    {"workers", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, workers), 1, KOFN_SIM_WORKERS_MAX,
     "4", NULL, "How many workers"},
    {"jobs", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, jobs), 1, KOFN_SIM_JOBS_MAX, "10000",
     NULL, "How many jobs"},
    {"at_once", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, at_once), 0, 1000, "0", NULL,
     "Jobs under way at a time: whenever one ends, the next is added; 0: 1, or T + 2 of a stream"},
    {"credit", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, credit), 1, KOFN_CREDIT_MAX, "2", NULL,
     "Tasks that a worker takes at a time"},
    {"unit", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sim_config, unit_ns), 1e6, 1e15, "1s", NULL,
     "Time that the whole job takes on one worker"},
    {"overhead", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sim_config, overhead_ns), 0, 1e15, "0",
     NULL, "Time that each task takes beside its work"},
    {"jitter", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sim_config, jitter), 0, 5, "0", NULL,
     "Sigma of the log-normal factor by which the times of tasks vary"},
    {"seed", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, seed), 0, 9007199254740992.0, "1", NULL,
     "Of all that is drawn"},
};

const kofn_keys kofn_sim_keys = {keys, sizeof keys / sizeof keys[0]};

void
kofn_sim_config_init(kofn_sim_config *config)
{
    *config = (kofn_sim_config){.policy = "oneshot", .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_sim_keys, config);
    kofn_keys_set_defaults(kofn_sched_keys, &config->sched);
    kofn_keys_set_defaults(kofn_straggler_keys, &config->stragglers);
    kofn_keys_set_defaults(kofn_rounds_keys, &config->rounds);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static size_t
greatest_divisor(size_t a, size_t b) // of both
{
    while (b > 0) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

kofn_status
kofn_sim_make_pairs(size_t count, size_t left, size_t right, bool sum, const kofn_field *field,
                    kofn_batch **ret_batch, kofn_error *err)
{
    if (count == 0 || count > KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%zu pairs, want 1 to %d", count, KOFN_PAIRS_MAX);
    if (left == 0 || right == 0 || left > count || right > count || count > left * right)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "%zu pairs of %zu and %zu blocks: want no more blocks on a side than pairs, and "
            "no more pairs than %zu x %zu",
            count, left, right, left, right);
    size_t *block = malloc(2 * count * sizeof *block);
    double *weights = malloc(count * sizeof *weights);
    kofn_status status = KOFN_OK;
    if (!block || !weights)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    /* Both sides count through their blocks, and are together again after `turn` pairs: from there
     * on the right ones are one further. */
    const size_t turn = left / greatest_divisor(left, right) * right;
    for (size_t i = 0; i < count && status == KOFN_OK; i++) {
        block[i] = i % left;
        block[count + i] = (i + i / turn) % right;
        weights[i] = 1;
    }
    if (status == KOFN_OK)
        status = kofn_batch_new_stacked(left, right, count, block, block + count,
                                        sum ? weights : NULL, field, ret_batch, err);
    free(block);
    free(weights);
    return status;
}

/* ---- what fits together ---------------------------------------------------------------------- */

static kofn_status
check_policy(const char *name, kofn_error *err)
{
    const char *nearest = kofn_policy_nearest(name);
    if (kofn_policy_find(name))
        return KOFN_OK;
    return kofn_fail(err, KOFN_NOT_FOUND, "there is no policy '%.40s'%s%s%s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

bool
kofn_sim_is_stream(const kofn_sim_config *config)
{
    return strcmp(config->policy, "rounds") == 0;
}

static kofn_status
settle_jobs(kofn_sim_config *config, kofn_error *err)
{
    const kofn_status status = check_policy(config->policy, err);
    if (status != KOFN_OK)
        return status;
    const kofn_code_context context = {
        .field = config->field,
        .rows = LARGE,
        .inner = LARGE,
        .cols = LARGE,
        .workers = (size_t)config->workers,
        .reserve = kofn_policy_find(config->policy)->reserve,
    };
    return kofn_code_spec_complete(&config->code, &context, err);
}

/* Of a stream's code, all that is open is its partition. */
static kofn_status
settle_rounds(kofn_sim_config *config, kofn_error *err)
{
    kofn_partition *part = &config->code.part;
    kofn_code_spec inner = config->code;
    config->rounds.slots = config->workers;
    kofn_status status = kofn_inner_set_defaults(&inner, config->field, err);
    if (status == KOFN_OK && config->rounds.scheme != KOFN_SCHEME_UNCODED && part->z <= 1)
        status = kofn_rounds_fit(&config->rounds, 0, kofn_inner_count_rows(&inner, config->field),
                                 part, err);
    if (status != KOFN_OK)
        return kofn_fail_within(err, "field %s, family %s", config->field->name, inner.family);
    kofn_rounds_choose_parts(&config->rounds, part); // of uncoded
    if (part->z != 1)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "partition %zu,%zu,%zu: a stream's jobs are cut into x y blocks, want X,1,Y", part->x,
            part->z, part->y);
    size_t plain, coded;
    const size_t need = kofn_size_multiply(part->x, part->y);
    status = kofn_rounds_check_need(&config->rounds, need, err);
    if (status == KOFN_OK)
        status = kofn_rounds_settle(&config->rounds, need, err);
    if (status != KOFN_OK)
        return status;
    kofn_rounds_count_rows(&config->rounds, need, &plain, &coded);
    if (plain + coded <= KOFN_TASKS_MAX)
        return KOFN_OK;
    return kofn_fail(
        err, KOFN_OUT_OF_RANGE,
        "%s: the inner code of a job would have %zu rows, at most %d are possible: take "
        "fewer parts, or of dip a larger lambda",
        kofn_scheme_name((kofn_scheme)config->rounds.scheme), plain + coded, KOFN_TASKS_MAX);
}

double
kofn_sim_get_share(const kofn_sim_config *config)
{
    const kofn_partition part = config->code.part;
    if (config->code.batch)
        return 1 / (double)config->code.batch->count;
    return 1 / ((double)part.x * (double)part.z * (double)part.y);
}

static kofn_status
check_unit(const kofn_sim_config *config, kofn_error *err)
{
    const double task_ns = kofn_sim_get_share(config) * (double)config->unit_ns;
    if (task_ns >= TASK_NS_MIN)
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "a task takes %.3g ns, need at least %d: take a unit of more than %" PRId64
                     " ns, or fewer parts",
                     task_ns, TASK_NS_MIN, config->unit_ns);
}

/* What does not go together whatever the numbers are. */
static kofn_status
check_kinds(const kofn_sim_config *config, kofn_error *err)
{
    const bool stream = kofn_sim_is_stream(config);
    if (stream && config->code.batch)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "the jobs of a stream are products, not batches of %zu pairs; take another "
            "policy than rounds",
            config->code.batch->count);
    if (stream && config->each_task)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "who is slow in a stream is drawn for each round, and not for each task");
    if (config->each_task && config->stragglers.model == KOFN_STRAGGLER_ARBITRARY)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "stragglers of the model arbitrary are of rounds that all workers share; "
                         "for each task take another, like iid");
    return KOFN_OK;
}

kofn_status
kofn_sim_settle(kofn_sim_config *config, kofn_error *err)
{
    kofn_status status = kofn_keys_check(kofn_sim_keys, config, err);
    if (status == KOFN_OK)
        status = check_kinds(config, err);
    if (status == KOFN_OK && kofn_sim_is_stream(config))
        status = settle_rounds(config, err);
    else if (status == KOFN_OK)
        status = settle_jobs(config, err);
    if (config->at_once == 0)
        config->at_once = kofn_sim_is_stream(config) ? config->rounds.delay + 2 : 1;
    return status == KOFN_OK ? check_unit(config, err) : status;
}

static void
format_rounds(const kofn_rounds_config *rounds, char *ret_text, size_t size)
{
    switch ((kofn_scheme)rounds->scheme) {
    case KOFN_SCHEME_DIP:
        (void)snprintf(ret_text, size, " T=%" PRId64 " lambda=%" PRId64, rounds->delay,
                       rounds->lambda);
        return;
    case KOFN_SCHEME_IDIP:
        (void)snprintf(ret_text, size, " T=%" PRId64 " W=%" PRId64 " N=%" PRId64, rounds->delay,
                       rounds->window, rounds->failures);
        return;
    case KOFN_SCHEME_IDIP_BURST:
        (void)snprintf(ret_text, size, " T=%" PRId64 " W=%" PRId64 " N=%" PRId64 " B=%" PRId64,
                       rounds->delay, rounds->window, rounds->failures, rounds->burst);
        return;
    case KOFN_SCHEME_POLYNOMIAL:
    case KOFN_SCHEME_UNCODED:
        (void)snprintf(ret_text, size, " T=0");
    }
}

void
kofn_sim_format(const kofn_sim_config *config, char *ret_text, size_t size)
{
    const kofn_partition part = config->code.part;
    const kofn_batch *batch = config->code.batch;
    char more[96] = "";
    if (kofn_sim_is_stream(config)) {
        format_rounds(&config->rounds, more, sizeof more);
        (void)snprintf(ret_text, size, "%s %zu,1,%zu%s, tolerance %g",
                       kofn_scheme_name((kofn_scheme)config->rounds.scheme), part.x, part.y, more,
                       config->rounds.tolerance);
        return;
    }
    if (config->at_once > 1)
        (void)snprintf(more, sizeof more, ", %" PRId64 " at once", config->at_once);
    if (batch)
        (void)snprintf(ret_text, size, "%s, %zu pair%s of %zu and %zu blocks, n=%zu, %s%s",
                       config->code.family, batch->count, batch->count == 1 ? "" : "s",
                       kofn_batch_count_used(batch, 0), kofn_batch_count_used(batch, 1),
                       config->code.tasks, config->policy, more);
    else
        (void)snprintf(ret_text, size, "%s %zu,%zu,%zu n=%zu, %s%s", config->code.family, part.x,
                       part.z, part.y, config->code.tasks, config->policy, more);
}
