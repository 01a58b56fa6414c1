/* Backup copies: a task that is out for too long gets a copy on another worker, and the first
 * answer of the two wins.
 *
 * Source     Dean and Ghemawat, "MapReduce", OSDI 2004, section 3.6; as in Spark, a copy goes out
 *            past a multiple of the median, once a share of the job's tasks has answered. Added:
 *            before that, and for jobs of one task, the expectation comes from what the workers did
 *            for other jobs (kofn_run_expect_ns).
 *
 * Which tasks are late watch.h knows, and it tells in O(1) for each event, but for the median's
 * array.
 */
#include "master/sched/watch.h"
#include "master/sched/sorted.h"

static size_t
state_bytes(size_t tasks)
{
    return sizeof(kofn_watch) + kofn_watch_count_bytes(tasks);
}

static void
start(kofn_run *run)
{
    kofn_watch *watch = kofn_run_get_state(run);
    kofn_watch_init(watch, watch + 1, kofn_run_get_code(run));
    kofn_run_want_first(run);
}

static bool
has_work(const kofn_run *run)
{
    const kofn_watch *watch = kofn_run_get_state(run);
    return kofn_run_count_queued(run) > 0 || watch->late > 0;
}

/* New work first: a copy helps one task, and the job needs them all. */
static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    return kofn_run_find_queued(run, worker, ret_task) ||
           kofn_watch_find_late(kofn_run_get_state(run), run, worker, ret_task);
}

/* KOFN_NEVER_NS: nothing to tell it by yet. */
static int64_t
expected_ns(const kofn_run *run)
{
    const kofn_watch *watch = kofn_run_get_state(run);
    const double share = kofn_run_get_config(run)->backup_quantile;
    if (watch->answered > 0 &&
        (double)watch->answered >= share * (double)kofn_code_first_tasks(kofn_run_get_code(run)))
        return (int64_t)(kofn_sorted_median(watch->service, watch->answered) * 1e9);
    return kofn_run_expect_ns(run);
}

static void
look(kofn_run *run)
{
    const kofn_sched_config *config = kofn_run_get_config(run);
    const kofn_patience patience = {.factor = config->backup_factor,
                                    .floor_ns = config->backup_floor_ns,
                                    .expected_ns = expected_ns(run)};
    kofn_watch_look(kofn_run_get_state(run), run, &patience);
}

/* Sent: it may be the copy of a late one. Gone: what is left may be one. */
static void
follow(kofn_run *run, const kofn_assignment *a)
{
    kofn_watch_follow(kofn_run_get_state(run), run, a->task);
    look(run);
}

static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    kofn_watch_note_answer(kofn_run_get_state(run), a);
    look(run);
}

const kofn_policy kofn_policy_speculative = {
    .name = "speculative",
    .help = "send each task once, and a copy of what is late against the median",
    .state_bytes = state_bytes,
    .start = start,
    .has_work = has_work,
    .pick = pick,
    .on_sent = follow,
    .on_answer = on_answer,
    .on_gone = follow,
    .on_tick = look,
};
