#include "master/sched/watch.h"
#include "common/base/clock.h"
#include "master/sched/sorted.h"

#include <math.h>

static const uint32_t none = UINT32_MAX; // no task

size_t
kofn_watch_count_bytes(size_t tasks)
{
    return tasks * (sizeof(double) + sizeof(kofn_watch_node));
}

void
kofn_watch_init(kofn_watch *watch, void *room, size_t tasks)
{
    watch->service = room;
    watch->nodes = (kofn_watch_node *)(void *)(watch->service + tasks);
    for (size_t list = 0; list < KOFN_WATCH_LISTS; list++)
        watch->first[list] = watch->last[list] = none;
}

static void
unlist(kofn_watch *w, size_t task)
{
    kofn_watch_node *n = &w->nodes[task];
    if (n->list == KOFN_WATCH_NONE)
        return;
    *(n->prev == none ? &w->first[n->list] : &w->nodes[n->prev].next) = n->next;
    *(n->next == none ? &w->last[n->list] : &w->nodes[n->next].prev) = n->prev;
    w->late -= n->list == KOFN_WATCH_LATE;
    n->list = KOFN_WATCH_NONE;
}

static void
list_after(kofn_watch *w, uint32_t list, uint32_t prev, size_t task)
{
    kofn_watch_node *n = &w->nodes[task];
    n->list = list;
    n->prev = prev;
    n->next = prev == none ? w->first[list] : w->nodes[prev].next;
    *(prev == none ? &w->first[list] : &w->nodes[prev].next) = (uint32_t)task;
    *(n->next == none ? &w->last[list] : &w->nodes[n->next].prev) = (uint32_t)task;
}

/* Its place is by age: last, but for one that lost its copy. */
static void
list_by_age(kofn_watch *w, const kofn_run *run, size_t task)
{
    const kofn_assignment *a = kofn_run_get_oldest(run, task);
    const size_t ahead = a->ahead < KOFN_WATCH_AHEAD_MAX ? a->ahead : KOFN_WATCH_AHEAD_MAX;
    const uint32_t list = KOFN_WATCH_TIMED + (uint32_t)ahead;
    uint32_t prev = w->last[list];
    while (prev != none && kofn_run_get_oldest(run, prev)->sent_ns > a->sent_ns)
        prev = w->nodes[prev].prev;
    list_after(w, list, prev, task);
}

void
kofn_watch_follow(kofn_watch *watch, const kofn_run *run, size_t task)
{
    unlist(watch, task);
    if (kofn_run_get_copies(run, task) == 1)
        list_by_age(watch, run, task);
}

void
kofn_watch_note_answer(kofn_watch *watch, const kofn_assignment *a)
{
    unlist(watch, a->task);
    if (!a->adopted) // it took no time here
        kofn_sorted_insert(watch->service, &watch->answered, (double)a->service_ns * 1e-9);
}

static int64_t
due_ns(const kofn_watch *w, const kofn_run *run, uint32_t list, const kofn_patience *p)
{
    if (p->expected_ns == KOFN_NEVER_NS)
        return kofn_clock_after(kofn_run_get_now_ns(run), p->floor_ns);
    const int64_t sent_ns = kofn_run_get_oldest(run, w->first[list])->sent_ns;
    const double limit = p->factor * (double)p->expected_ns * (list - KOFN_WATCH_TIMED + 1);
    const double wait = fmax((double)p->floor_ns, limit);
    return wait < 9e18 ? kofn_clock_after(sent_ns, (int64_t)wait) : KOFN_NEVER_NS;
}

void
kofn_watch_look(kofn_watch *watch, kofn_run *run, const kofn_patience *patience)
{
    const int64_t now_ns = kofn_run_get_now_ns(run);
    int64_t wake_ns = KOFN_NEVER_NS;
    for (uint32_t list = KOFN_WATCH_TIMED; list < KOFN_WATCH_LISTS; list++) {
        while (watch->first[list] != none) {
            const int64_t due = due_ns(watch, run, list, patience);
            if (due > now_ns) {
                wake_ns = due < wake_ns ? due : wake_ns;
                break;
            }
            const uint32_t task = watch->first[list];
            unlist(watch, task);
            list_after(watch, KOFN_WATCH_LATE, watch->last[KOFN_WATCH_LATE], task);
            watch->late++;
            watch->ever_late++;
        }
    }
    kofn_run_wake_at(run, wake_ns);
}

bool
kofn_watch_find_late(const kofn_watch *watch, const kofn_run *run, uint64_t worker,
                     size_t *ret_task)
{
    uint32_t task = watch->first[KOFN_WATCH_LATE];
    while (task != none && !kofn_run_may_take(run, worker, task))
        task = watch->nodes[task].next;
    if (task == none)
        return false;
    *ret_task = task;
    return true;
}

bool
kofn_watch_is_late_on(const kofn_watch *watch, const kofn_run *run, uint64_t worker)
{
    uint32_t task = watch->first[KOFN_WATCH_LATE];
    while (task != none && kofn_run_get_oldest(run, task)->worker_id != worker)
        task = watch->nodes[task].next;
    return task != none;
}
