#include "master/sched/timers.h"
#include "common/base/clock.h"

#include <assert.h>
#include <stdlib.h>

void
kofn_timers_fini(kofn_timers *timers)
{
    free(timers->heap);
    *timers = (kofn_timers){0};
}

kofn_status
kofn_timers_reserve(kofn_timers *timers, size_t count, kofn_error *err)
{
    if (count <= timers->capacity)
        return KOFN_OK;
    size_t capacity = timers->capacity ? timers->capacity : 16;
    while (capacity < count)
        capacity *= 2;
    kofn_timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu timers", count);
    timers->heap = heap;
    timers->capacity = capacity;
    return KOFN_OK;
}

static bool
precedes(const kofn_timer *a, const kofn_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void
place(kofn_timers *timers, kofn_timer *timer, size_t at)
{
    timers->heap[at] = timer;
    timer->slot = at + 1;
}

static void
sift_up(kofn_timers *timers, kofn_timer *timer, size_t at)
{
    while (at > 0 && precedes(timer, timers->heap[(at - 1) / 2])) {
        place(timers, timers->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(timers, timer, at);
}

static void
sift_down(kofn_timers *timers, kofn_timer *timer, size_t at)
{
    for (size_t child = 2 * at + 1; child < timers->count; child = 2 * at + 1) {
        if (child + 1 < timers->count && precedes(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!precedes(timers->heap[child], timer))
            break;
        place(timers, timers->heap[child], at);
        at = child;
    }
    place(timers, timer, at);
}

static void
unset(kofn_timers *timers, kofn_timer *timer)
{
    const size_t hole = timer->slot - 1;
    kofn_timer *last = timers->heap[--timers->count];
    timer->slot = 0;
    if (last == timer)
        return;
    sift_up(timers, last, hole);
    sift_down(timers, last, last->slot - 1);
}

void
kofn_timers_set(kofn_timers *timers, kofn_timer *timer, int64_t due_ns)
{
    if (timer->slot > 0 && timer->due_ns == due_ns)
        return;
    if (timer->slot > 0)
        unset(timers, timer);
    timer->due_ns = due_ns;
    if (due_ns == KOFN_NEVER_NS)
        return;
    assert(timers->count < timers->capacity);
    sift_up(timers, timer, timers->count++);
}

kofn_timer *
kofn_timers_first(const kofn_timers *timers)
{
    return timers->count > 0 ? timers->heap[0] : NULL;
}
