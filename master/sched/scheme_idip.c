/* IDIP: plain rows as long as they cannot all fail, coded ones after that (Algorithm 2).
 *
 * Each slot has one mini-task of each unfinished job in each of its W rounds. One that fails is
 * given to the same slot again in the next round, so that N failures in those P W leave need = P W
 * - N answers; what a plain row brings must not be lost for good, so it is given only where the
 * slot cannot fail in each of the rounds that the job has left.
 *
 * idip_burst forecasts that for each slot by itself, since stragglers come in bursts: one that has
 * just been a straggler for B rounds is none now, and where N / B slots were stragglers lately no
 * other becomes one. Reality may do otherwise. By count that does no harm, whatever the forecast
 * was: of P W mini-tasks, each a row that was not answered before, at most N fail. A plain row that
 * is lost for good is solved for with the others. */
#include "master/sched/scheme.h"

enum { DELAY_DEFAULT = 3 }; // the paper's

static kofn_status
settle(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    const long long slots = (long long)config->slots, takes = (long long)need;
    const char *name = kofn_scheme_name((kofn_scheme)config->scheme);
    const int64_t slot_rounds = (int64_t)takes + config->failures; // P W, where N is given
    const int64_t least_window = (takes + slots - 1) / slots;      // by N >= 0
    int64_t fallback = DELAY_DEFAULT;
    if (config->failures != 0 && slot_rounds % slots == 0 &&
        slot_rounds / slots <= KOFN_DELAY_MAX + 1)
        fallback = slot_rounds / slots - 1;
    else if (least_window > fallback + 1)
        fallback = least_window - 1;
    kofn_status status = kofn_scheme_settle_delay(config, fallback, err);
    if (status != KOFN_OK)
        return status;

    const long long window = (long long)config->window, failures = slots * window - takes;
    if (least_window > KOFN_DELAY_MAX + 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: need = P W - N, but need = %lld > P W = %lld with P = %lld and the "
                         "longest W = %d: take slots=%lld",
                         name, takes, slots * (KOFN_DELAY_MAX + 1), slots, KOFN_DELAY_MAX + 1,
                         (takes + KOFN_DELAY_MAX) / (KOFN_DELAY_MAX + 1));
    if (failures < 0)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: need = P W - N and N >= 0, but need = %lld > P W = %lld x %lld = %lld: "
            "take window=%lld (delay=%lld)",
            name, takes, slots, window, slots * window, (long long)least_window,
            (long long)least_window - 1);
    if (config->failures >= slots * window)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: need = P W - N and N < P W, but N = %lld and P W = %lld x %lld = %lld: "
            "take failures=%lld",
            name, (long long)config->failures, slots, window, slots * window, failures);
    if (config->failures != 0 && config->failures != failures)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: need = P W - N, but %lld is not %lld x %lld - %lld: take failures=%lld, "
            "or jobs of %lld blocks",
            name, takes, slots, window, (long long)config->failures, failures,
            slots * window - (long long)config->failures);
    config->failures = failures;
    return KOFN_OK;
}

static uint64_t
count_tasks(const kofn_rounds_config *config, size_t need)
{
    (void)need;
    return (uint64_t)config->slots * (uint64_t)config->window;
}

/* A slot gets another row only once it has answered the one before: whatever happens, need - 1
 * answers and one row at each slot are the most that there can be before the job is finished. */
static void
count_rows(const kofn_rounds_config *config, size_t need, size_t *ret_plain, size_t *ret_coded)
{
    const uint64_t all = count_tasks(config, need), most = need - 1 + (uint64_t)config->slots;
    *ret_plain = need;
    *ret_coded = (size_t)(most < all ? most : all);
}

/* What is known of one job's rounds to come. */
typedef struct outlook {
    size_t left;     // rounds, with this one: t to t + W - l
    bool is_certain; // by N in W, where all slots are alike: none can fail in all of them
    bool bursts;     // else ask for each slot, by B:
    uint64_t recent; // slots that were stragglers in the last W - 1 rounds
} outlook;

static bool
may_fail_all(const kofn_rounds *r, const outlook *o, size_t slot)
{
    if (o->is_certain || !o->bursts)
        return !o->is_certain;
    const kofn_rounds_config *config = kofn_rounds_get_config(r);
    const uint64_t burst = (uint64_t)config->burst, failures = (uint64_t)config->failures;
    return kofn_burst_may_fail_all(kofn_rounds_get_burst(r, slot), kofn_rounds_get_history(r),
                                   o->left, burst, o->recent, failures / burst);
}

static void
give_job(kofn_rounds *r, kofn_book *book, const outlook *o) // lines 5 to 19
{
    const size_t slots = (size_t)kofn_rounds_get_config(r)->slots;
    const bool has_plain = kofn_book_count_plain(book) >= slots - book->owed_count; // line 9
    for (size_t slot = 0; slot < slots; slot++) {
        if (kofn_book_is_owed(book, slot))
            kofn_rounds_give_owed(r, book, slot);
        else if (has_plain && !may_fail_all(r, o, slot)) // line 13
            kofn_rounds_give_plain(r, book, slot);
        else
            kofn_rounds_give_coded(r, book, slot);
    }
}

static uint64_t
count_recent(const kofn_rounds *r)
{
    const size_t slots = (size_t)kofn_rounds_get_config(r)->slots;
    uint64_t count = 0;
    for (size_t slot = 0; slot < slots; slot++)
        count += kofn_burst_is_recent(kofn_rounds_get_burst(r, slot), kofn_rounds_get_history(r));
    return count;
}

/* Rounds wait until N in W holds, of bursts as well: what it excludes cannot happen. */
static void
give(kofn_rounds *r)
{
    const kofn_rounds_config *config = kofn_rounds_get_config(r);
    const size_t window = (size_t)config->window;
    outlook o = {.bursts = config->scheme == KOFN_SCHEME_IDIP_BURST};
    if (o.bursts)
        o.recent = count_recent(r);
    for (size_t age = 0; age < window; age++) { // l = age + 1
        kofn_book *book = kofn_rounds_find_book(r, age);
        if (!book)
            continue;
        o.left = window - age;
        o.is_certain = !kofn_history_may_fail_all(kofn_rounds_get_history(r), o.left,
                                                  (uint64_t)config->failures);
        give_job(r, book, &o);
    }
}

static bool
conforms(const kofn_rounds *r, size_t stragglers)
{
    return kofn_history_admits(kofn_rounds_get_history(r), stragglers,
                               (uint64_t)kofn_rounds_get_config(r)->failures);
}

const kofn_scheme_ops kofn_scheme_idip = {
    .name = "idip",
    .keys = " slots delay tolerance failures window rescue ",
    .deals = true,
    .settle = settle,
    .count_rows = count_rows,
    .count_tasks = count_tasks,
    .give = give,
    .conforms = conforms,
};

static kofn_status
settle_burst(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    kofn_status status = settle(config, need, err);
    if (status != KOFN_OK)
        return status;
    if (config->burst == 0)
        config->burst = 1;
    int64_t nearest = config->burst < config->window ? config->burst : config->window;
    while (config->failures % nearest != 0)
        nearest--;
    if (nearest != config->burst)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "idip_burst: B divides N and B <= W, but B = %lld, N = %lld, W = %lld: take "
            "burst=%lld",
            (long long)config->burst, (long long)config->failures, (long long)config->window,
            (long long)nearest);
    return KOFN_OK;
}

const kofn_scheme_ops kofn_scheme_idip_burst = {
    .name = "idip_burst",
    .keys = " slots delay tolerance failures window burst rescue ",
    .deals = true,
    .settle = settle_burst,
    .count_rows = count_rows,
    .count_tasks = count_tasks,
    .give = give,
    .conforms = conforms,
};
