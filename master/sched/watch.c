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
kofn_watch_init(kofn_watch *watch, void *room, const kofn_code *code)
{
    watch->n = kofn_code_first_tasks(code);
    watch->service = room;
    watch->nodes = (kofn_watch_node *)(void *)(watch->service + code->tasks);
    for (size_t list = 0; list < KOFN_WATCH_LISTS; list++)
        watch->first[list] = watch->last[list] = none;
}

static void
count_late(kofn_watch *w, size_t task, bool more)
{
    w->late += more ? 1 : SIZE_MAX;
    if (task < w->n)
        w->late_of_n += more ? 1 : SIZE_MAX;
}

static void
unlist(kofn_watch *w, size_t task)
{
    kofn_watch_node *n = &w->nodes[task];
    if (n->list == KOFN_WATCH_NONE)
        return;
    *(n->prev == none ? &w->first[n->list] : &w->nodes[n->prev].next) = n->next;
    *(n->next == none ? &w->last[n->list] : &w->nodes[n->next].prev) = n->prev;
    if (n->list == KOFN_WATCH_LATE)
        count_late(w, task, false);
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
    const size_t copies = kofn_run_get_copies(run, task);
    unlist(watch, task);
    if (copies == 1)
        list_by_age(watch, run, task);
    else if (copies > 1)
        list_after(watch, KOFN_WATCH_HEDGED, watch->last[KOFN_WATCH_HEDGED], task);
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

static void
move_last(kofn_watch *w, uint32_t list, uint32_t task)
{
    unlist(w, task);
    list_after(w, list, w->last[list], task);
    if (list == KOFN_WATCH_LATE)
        count_late(w, task, true);
}

/* Move what is due by then; *wake_ns := the earliest of the others. */
static void
sweep(kofn_watch *w, const kofn_run *run, const kofn_patience *p, double slack, int64_t *wake_ns)
{
    const int64_t now_ns = kofn_run_get_now_ns(run);
    *wake_ns = KOFN_NEVER_NS;
    for (uint32_t list = KOFN_WATCH_TIMED; list < KOFN_WATCH_LISTS; list++) {
        while (w->first[list] != none) {
            const int64_t due = due_ns(w, run, list, p);
            const int64_t sent_ns = kofn_run_get_oldest(run, w->first[list])->sent_ns;
            if ((double)(due - now_ns) > slack * (double)(due - sent_ns) ||
                now_ns - sent_ns < p->floor_ns) {
                *wake_ns = due < *wake_ns ? due : *wake_ns;
                break;
            }
            move_last(w, KOFN_WATCH_LATE, w->first[list]);
            w->ever_late++;
        }
    }
}

void
kofn_watch_look(kofn_watch *watch, kofn_run *run, const kofn_patience *patience)
{
    int64_t wake_ns;
    const size_t before = watch->ever_late;
    sweep(watch, run, patience, 0, &wake_ns);
    if (watch->ever_late > before && patience->slack > 0)
        sweep(watch, run, patience, patience->slack, &wake_ns);
    const int64_t again_ns = kofn_clock_after(kofn_run_get_now_ns(run), patience->floor_ns);
    const bool again = patience->guess && wake_ns != KOFN_NEVER_NS && again_ns < wake_ns;
    kofn_run_wake_at(run, again ? again_ns : wake_ns);
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

double
kofn_watch_get_rate(const kofn_watch *watch)
{
    const double ever = (double)watch->ever_late;
    return (ever + 0.5) / (fmax(ever, (double)(watch->answered + watch->late)) + 1);
}

void
kofn_watch_set_aside(kofn_watch *watch)
{
    for (uint32_t task = watch->first[KOFN_WATCH_LATE], next; task != none; task = next) {
        next = watch->nodes[task].next;
        if (task < watch->n)
            move_last(watch, KOFN_WATCH_ASIDE, task);
    }
}

void
kofn_watch_take_back(kofn_watch *watch)
{
    while (watch->first[KOFN_WATCH_ASIDE] != none)
        move_last(watch, KOFN_WATCH_LATE, watch->first[KOFN_WATCH_ASIDE]);
}

bool
kofn_watch_next_aside(const kofn_watch *watch, size_t *task)
{
    const uint32_t next =
        *task == SIZE_MAX ? watch->first[KOFN_WATCH_ASIDE] : watch->nodes[*task].next;
    if (next != none)
        *task = next;
    return next != none;
}

/* Of a task that is out more than once, the oldest copy is the one that was late. */
static bool
is_late(const kofn_watch *w, const kofn_run *run, const kofn_assignment *a)
{
    const uint32_t list = w->nodes[a->task].list;
    return (list == KOFN_WATCH_LATE || list == KOFN_WATCH_ASIDE || list == KOFN_WATCH_HEDGED) &&
           kofn_run_get_oldest(run, a->task) == a;
}

bool
kofn_watch_is_late_on(const kofn_watch *watch, const kofn_run *run, uint64_t worker)
{
    for (const kofn_assignment *a = NULL; (a = kofn_run_get_on(run, worker, a));)
        if (is_late(watch, run, a))
            return true;
    return false;
}
