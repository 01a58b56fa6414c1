#include "common/base/size.h"
#include "common/code/code.h"
#include "master/sched/scheme.h"

#include <assert.h>

static const kofn_scheme_ops *const schemes[] = {
    [KOFN_SCHEME_DIP] = &kofn_scheme_dip,
    [KOFN_SCHEME_IDIP] = &kofn_scheme_idip,
    [KOFN_SCHEME_IDIP_BURST] = &kofn_scheme_idip_burst,
    [KOFN_SCHEME_POLYNOMIAL] = &kofn_scheme_polynomial,
    [KOFN_SCHEME_UNCODED] = &kofn_scheme_uncoded,
};

enum {
    WINDOW_USUAL = 4, // rounds: the paper's, of four workers and of six
    PARTS_USUAL = 64, // and fewer workers may have as many
};

enum { SCHEME_COUNT = sizeof schemes / sizeof schemes[0] };

#define FIELD(name_) KOFN_KEY_FIELD(kofn_rounds_config, name_)

static const kofn_key keys[] = {
    {"scheme", KOFN_KEY_CHOICE, FIELD(scheme), 0, 0, "dip",
     "dip|idip|idip_burst|polynomial|uncoded", "how a job's mini-tasks are spread over its rounds"},
    {"slots", KOFN_KEY_INT, FIELD(slots), 0, KOFN_SLOTS_MAX, "0", NULL,
     "P: workers of the stream, each with a list of mini-tasks in each round; 0: as many as are "
     "there"},
    {"delay", KOFN_KEY_INT, FIELD(delay), 0, KOFN_DELAY_MAX, "0", NULL,
     "T: rounds after that of its birth by which a job is finished; 0: left out, so window - 1, or "
     "3"},
    {"lambda", KOFN_KEY_INT, FIELD(lambda), 0, KOFN_SLOTS_MAX, "0", NULL,
     "dip: slots that must answer when a job is due; 0: all of them"},
    {"tolerance", KOFN_KEY_REAL, FIELD(tolerance), 0, 1000, "0.25", NULL,
     "mu: slots get so many times as long again as the first one took before they are "
     "stragglers; 0: none"},
    {"failures", KOFN_KEY_INT, FIELD(failures), 0, KOFN_SLOTS_MAX *(double)(KOFN_DELAY_MAX + 1),
     "0", NULL, "N: stragglers in any window of rounds that idip bears; 0: slots * window - need"},
    {"window", KOFN_KEY_INT, FIELD(window), 0, KOFN_DELAY_MAX + 1, "0", NULL,
     "W: rounds of that window; 0: delay + 1"},
    {"burst", KOFN_KEY_INT, FIELD(burst), 0, KOFN_DELAY_MAX + 1, "0", NULL,
     "B: rounds for which idip_burst expects a straggler to be one, a divisor of failures; 0: 1"},
    {"rescue", KOFN_KEY_REAL, FIELD(rescue), 0, 1e6, "0", NULL,
     "a round that waits for so many times as long as the first slot took copies what is late, up "
     "to "
     "1 + tolerance as soon as it waits; 0: never"},
};

const kofn_keys kofn_rounds_keys = {keys, sizeof keys / sizeof keys[0]};

const kofn_scheme_ops *
kofn_scheme_get(int scheme)
{
    return scheme >= 0 && scheme < SCHEME_COUNT ? schemes[scheme] : NULL;
}

const char *
kofn_scheme_name(kofn_scheme scheme)
{
    assert(kofn_scheme_get((int)scheme));
    return schemes[scheme]->name;
}

kofn_status
kofn_scheme_settle_delay(kofn_rounds_config *config, int64_t fallback, kofn_error *err)
{
    if (config->delay == 0)
        config->delay = config->window != 0 ? config->window - 1 : fallback;
    if (config->window == 0)
        config->window = config->delay + 1;
    if (config->delay == config->window - 1)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: T = W - 1, but T = %lld and W = %lld: take delay=%lld or window=%lld",
                     schemes[config->scheme]->name, (long long)config->delay,
                     (long long)config->window, (long long)config->window - 1,
                     (long long)config->delay + 1);
}

static kofn_status
check_keys(const kofn_rounds_config *config, const kofn_scheme_ops *scheme, kofn_error *err)
{
    for (size_t i = 0; i < kofn_rounds_keys.count; i++) {
        const char *field = (const char *)config + keys[i].offset;
        if (keys[i].type == KOFN_KEY_INT && *(const int64_t *)(const void *)field != 0 &&
            !kofn_names_have(scheme->keys, keys[i].name))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "%s: the scheme %s has no such key; it has:%s", keys[i].name,
                             scheme->name, scheme->keys);
    }
    return KOFN_OK;
}

kofn_status
kofn_rounds_check(const kofn_rounds_config *config, kofn_error *err)
{
    const kofn_scheme_ops *scheme = kofn_scheme_get(config->scheme);
    if (!scheme)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "scheme %d is none of the %d", config->scheme,
                         (int)SCHEME_COUNT);
    const kofn_status status = kofn_keys_check(kofn_rounds_keys, config, err);
    return status != KOFN_OK ? status : check_keys(config, scheme, err);
}

kofn_status
kofn_rounds_settle(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    kofn_rounds_config settled = *config;
    kofn_status status = kofn_rounds_check(&settled, err);
    if (status != KOFN_OK)
        return status;
    const kofn_scheme_ops *scheme = kofn_scheme_get(settled.scheme);
    if (settled.slots == 0) // whoever knows the workers says how many
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "slots = 0 is not 1 to %d", KOFN_SLOTS_MAX);
    if (need < 1 || need > KOFN_ROUND_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "jobs that take %zu answers: 1 to %d are possible",
                         need, (int)KOFN_ROUND_TASKS_MAX);
    status = scheme->settle(&settled, need, err);
    if (status != KOFN_OK)
        return status;
    const uint64_t tasks = scheme->count_tasks(&settled, need);
    if (tasks > KOFN_ROUND_TASKS_MAX)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "%s: up to %llu mini-tasks in a round, at most %d are possible: take fewer "
            "slots, larger blocks, or a larger lambda",
            scheme->name, (unsigned long long)tasks, (int)KOFN_ROUND_TASKS_MAX);
    *config = settled;
    return KOFN_OK;
}

void
kofn_rounds_count_rows(const kofn_rounds_config *config, size_t need, size_t *ret_plain,
                       size_t *ret_coded)
{
    schemes[config->scheme]->count_rows(config, need, ret_plain, ret_coded);
}

size_t
kofn_rounds_get_usual_parts(const kofn_rounds_config *config)
{
    const size_t usual = WINDOW_USUAL * (size_t)config->slots;
    return kofn_size_smaller(usual > PARTS_USUAL ? usual : PARTS_USUAL, KOFN_PARTS_MAX);
}

/* Answers that a job should take: those that the scheme gathers while one worker straggles all the
 * time, of a long window not in all of its rounds. */
static size_t
choose_need(const kofn_rounds_config *r)
{
    const bool alone = r->scheme == KOFN_SCHEME_POLYNOMIAL || r->scheme == KOFN_SCHEME_UNCODED;
    const size_t slots = (size_t)r->slots, failures = (size_t)r->failures;
    const size_t window = alone       ? 1
                          : r->window ? (size_t)r->window
                          : r->delay  ? (size_t)r->delay + 1
                                      : WINDOW_USUAL;
    if (r->scheme == KOFN_SCHEME_UNCODED)
        return slots;
    if (failures > 0 && failures < slots * window)
        return slots * window - failures;
    const size_t others = slots > 1 ? slots - 1 : 1;
    const size_t rounds = kofn_size_smaller(window, kofn_rounds_get_usual_parts(r) / others);
    return kofn_size_smaller(others * (rounds > 0 ? rounds : 1), KOFN_PARTS_MAX);
}

void
kofn_rounds_choose_parts(const kofn_rounds_config *config, kofn_partition *part)
{
    const size_t need = choose_need(config);
    part->z = part->z ? part->z : 1;
    if (part->x == 0 && part->y == 0)
        part->x = kofn_partition_squarest(need).x;
    if (part->x == 0)
        part->x = need > part->y ? need / part->y : 1;
    if (part->y == 0)
        part->y = need > part->x ? need / part->x : 1;
}

/* ---- what a limited number of rows leaves ---------------------------------------------------- */

typedef struct fit {
    kofn_rounds_config rounds; // open where it was
    kofn_partition part;
    int64_t delay;      // settled
    size_t parts, rows; // x y; coded rows
} fit;

/* With this delay, and these parts at most. False: it does not settle. */
static bool
try_fit(const kofn_rounds_config *config, const kofn_partition *part, size_t need, int64_t delay,
        size_t most, fit *ret_fit)
{
    fit f = {.rounds = *config, .part = *part};
    f.rounds.delay = delay;
    kofn_rounds_choose_parts(&f.rounds, &f.part);
    if (kofn_size_multiply(f.part.x, f.part.y) > most)
        f.part = kofn_partition_squarest(most);
    f.parts = kofn_size_multiply(f.part.x, f.part.y);
    kofn_rounds_config settled = f.rounds;
    const size_t answers = need ? need : f.parts;
    size_t plain, coded;
    if (kofn_rounds_settle(&settled, answers, NULL) != KOFN_OK)
        return false;
    kofn_rounds_count_rows(&settled, answers, &plain, &coded);
    f.delay = settled.delay;
    /* Beside plain rows a family is built with as many as it takes, at least. */
    f.rows = plain > 0 && coded > 0 && coded < answers ? answers : coded;
    *ret_fit = f;
    return true;
}

kofn_status
kofn_rounds_fit(kofn_rounds_config *config, size_t need, size_t rows, kofn_partition *part,
                kofn_error *err)
{
    const bool open = config->delay == 0 && config->window == 0 && config->failures == 0;
    const bool uncut = need == 0 && part->x == 0 && part->y == 0;
    fit f;
    if (!try_fit(config, part, need, config->delay, SIZE_MAX, &f)) {
        kofn_rounds_choose_parts(config, part);
        return KOFN_OK;
    }
    for (int64_t delay = f.delay - 1; open && f.rows > rows && delay > 0; delay--)
        (void)try_fit(config, part, need, delay, SIZE_MAX, &f);
    const int64_t delay = f.rounds.delay;
    for (size_t most = f.parts - 1; uncut && f.rows > rows && most > 0; most--)
        (void)try_fit(config, part, need, delay, most, &f);
    if (f.rows > rows)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s with P = %d takes %zu coded rows of a job or more: take fewer slots, "
                         "parts or rounds, or a larger field",
                         kofn_scheme_name((kofn_scheme)config->scheme), (int)config->slots, f.rows);
    config->delay = f.rounds.delay;
    *part = f.part;
    return KOFN_OK;
}

/* The decoder tracks a job's answers in the I/O thread, which has heartbeats to send, and solves
 * for them on one that other jobs wait for. */
kofn_status
kofn_rounds_check_need(const kofn_rounds_config *config, size_t need, kofn_error *err)
{
    kofn_rounds_config open = *config;
    kofn_partition nearest = {0};
    if (need <= KOFN_PARTS_MAX || config->scheme == KOFN_SCHEME_UNCODED)
        return KOFN_OK;
    open.failures = 0;
    kofn_rounds_choose_parts(&open, &nearest);
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "%s: a job would need %zu answers%s, and %d are the most that are solved for "
                     "(in need^3 steps): take partition %zu,1,%zu%s",
                     kofn_scheme_name((kofn_scheme)open.scheme), need,
                     config->failures > 0 ? " (need = P W - N)" : "", KOFN_PARTS_MAX, nearest.x,
                     nearest.y, config->failures > 0 ? " and leave failures out" : "");
}
