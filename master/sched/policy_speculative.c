/* Backup copies: a task that is out for too long gets a copy on another worker, and the first
 * answer of the two wins.
 *
 * Source     Dean and Ghemawat, "MapReduce", OSDI 2004, section 3.6; as in Spark, a copy goes out
 *            past a multiple of the median, once a share of the job's tasks has answered. Added:
 *            before that, and for jobs of one task, the expectation comes from what the workers did
 *            for other jobs (kofn_run_expect_ns).
 *
 * A task is late when it has been out longer than max(floor, factor x expected x (ahead + 1)),
 * ahead being the tasks that its worker had to do first. The limit is the same for all tasks of the
 * job with the same `ahead`, so in a list for each, in the order of sending, only the first can be
 * the next to be late: any event costs O(1), but for the median's array.
 *
 *     sent, ahead 0  -> [ 4, 7, 9 ]  --first is late-->  [ 2, 5 ] late  --copy sent-->  (hedged)
 *     sent, ahead 1  -> [ 6, 8 ]                             <--one of the two is lost--
 */
#include "master/sched/policy.h"
#include "common/base/clock.h"
#include "master/sched/sorted.h"

#include <math.h>

/* More tasks ahead than this count as this many. */
enum { AHEAD_MAX = 3 };

enum { LIST_NONE, LIST_LATE, LIST_WATCHED, LIST_COUNT = LIST_WATCHED + AHEAD_MAX + 1 };

static const uint32_t none = UINT32_MAX;

typedef struct node {
    uint32_t prev, next; // tasks
    uint32_t list;
} node;

typedef struct state {
    uint32_t first[LIST_COUNT], last[LIST_COUNT]; // tasks, by the age of what is out
    size_t answered;
    double *service; // [answered], seconds from the head of a queue to the answer, sorted
    node *nodes;     // [tasks]
} state;

static size_t
state_bytes(size_t tasks)
{
    return sizeof(state) + tasks * (sizeof(double) + sizeof(node));
}

static void
start(kofn_run *run)
{
    const size_t tasks = kofn_run_get_code(run)->tasks;
    state *s = kofn_run_get_state(run);
    s->service = (double *)(s + 1);
    s->nodes = (node *)(s->service + tasks);
    for (size_t list = 0; list < LIST_COUNT; list++)
        s->first[list] = s->last[list] = none;
    kofn_run_want_first(run);
}

static bool
has_work(const kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    return kofn_run_count_queued(run) > 0 || s->first[LIST_LATE] != none;
}

/* New work first: a copy helps one task, and the job needs them all. */
static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    if (kofn_run_find_queued(run, worker, ret_task))
        return true;
    const state *s = kofn_run_get_state(run);
    for (uint32_t task = s->first[LIST_LATE]; task != none; task = s->nodes[task].next) {
        if (kofn_run_may_take(run, worker, task)) {
            *ret_task = task;
            return true;
        }
    }
    return false;
}

static void
unlist(state *s, size_t task)
{
    node *n = &s->nodes[task];
    if (n->list == LIST_NONE)
        return;
    *(n->prev == none ? &s->first[n->list] : &s->nodes[n->prev].next) = n->next;
    *(n->next == none ? &s->last[n->list] : &s->nodes[n->next].prev) = n->prev;
    n->list = LIST_NONE;
}

static void
list_after(state *s, uint32_t list, uint32_t prev, size_t task)
{
    node *n = &s->nodes[task];
    n->list = list;
    n->prev = prev;
    n->next = prev == none ? s->first[list] : s->nodes[prev].next;
    *(prev == none ? &s->first[list] : &s->nodes[prev].next) = (uint32_t)task;
    *(n->next == none ? &s->last[list] : &s->nodes[n->next].prev) = (uint32_t)task;
}

/* Watch a task that is out once. Its place is by age: last, but for one that lost its copy. */
static void
watch(kofn_run *run, size_t task)
{
    state *s = kofn_run_get_state(run);
    const kofn_assignment *a = kofn_run_get_oldest(run, task);
    const uint32_t list = LIST_WATCHED + (uint32_t)(a->ahead < AHEAD_MAX ? a->ahead : AHEAD_MAX);
    uint32_t prev = s->last[list];
    while (prev != none && kofn_run_get_oldest(run, prev)->sent_ns > a->sent_ns)
        prev = s->nodes[prev].prev;
    list_after(s, list, prev, task);
}

/* KOFN_NEVER_NS: nothing to tell it by yet. */
static int64_t
expected_ns(const kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    const double share = kofn_run_get_config(run)->backup_quantile;
    if (s->answered > 0 &&
        (double)s->answered >= share * (double)kofn_code_first_tasks(kofn_run_get_code(run)))
        return (int64_t)(kofn_sorted_median(s->service, s->answered) * 1e9);
    return kofn_run_expect_ns(run);
}

static int64_t
due_ns(const kofn_run *run, uint32_t list, int64_t expected)
{
    const state *s = kofn_run_get_state(run);
    const kofn_sched_config *config = kofn_run_get_config(run);
    const int64_t sent_ns = kofn_run_get_oldest(run, s->first[list])->sent_ns;
    const double limit = config->backup_factor * (double)expected * (list - LIST_WATCHED + 1);
    const double wait = fmax((double)config->backup_floor_ns, limit);
    return wait < 9e18 ? kofn_clock_after(sent_ns, (int64_t)wait) : KOFN_NEVER_NS;
}

/* Move what is late by now to the late ones, and ask to be woken for the next. As long as nothing
 * is known to tell lateness by, look again from time to time: other jobs' answers will tell. */
static void
look(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    const int64_t now_ns = kofn_run_get_now_ns(run), expected = expected_ns(run);
    int64_t wake_ns = KOFN_NEVER_NS;
    for (uint32_t list = LIST_WATCHED; list < LIST_COUNT; list++) {
        while (s->first[list] != none) {
            const bool known = expected != KOFN_NEVER_NS;
            const int64_t due =
                known ? due_ns(run, list, expected)
                      : kofn_clock_after(now_ns, kofn_run_get_config(run)->backup_floor_ns);
            if (due > now_ns) {
                wake_ns = due < wake_ns ? due : wake_ns;
                break;
            }
            const uint32_t task = s->first[list];
            unlist(s, task);
            list_after(s, LIST_LATE, s->last[LIST_LATE], task);
        }
    }
    kofn_run_wake_at(run, wake_ns);
}

static void
on_sent(kofn_run *run, const kofn_assignment *a)
{
    unlist(kofn_run_get_state(run), a->task); // it was late, and this is its copy
    if (kofn_run_get_copies(run, a->task) == 1)
        watch(run, a->task);
    look(run);
}

static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    unlist(s, a->task);
    if (!a->adopted) // it took no time here
        kofn_sorted_insert(s->service, &s->answered, (double)a->service_ns * 1e-9);
    look(run);
}

static void
on_gone(kofn_run *run, const kofn_assignment *a)
{
    unlist(kofn_run_get_state(run), a->task);
    if (kofn_run_get_copies(run, a->task) == 1)
        watch(run, a->task);
    look(run);
}

const kofn_policy kofn_policy_speculative = {
    .name = "speculative",
    .help = "send each task once, and a copy of what is late against the median",
    .state_bytes = state_bytes,
    .start = start,
    .has_work = has_work,
    .pick = pick,
    .on_sent = on_sent,
    .on_answer = on_answer,
    .on_gone = on_gone,
    .on_tick = look,
};
