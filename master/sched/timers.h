/* Who wants to be woken when: a binary heap of timers that lie in their owners.
 *
 * Cost       first: O(1). set: O(log n), also when it moves a timer that is set. Timers due at the
 *            same time come in the order of their numbers.
 */
#ifndef KOFN_MASTER_SCHED_TIMERS_H
#define KOFN_MASTER_SCHED_TIMERS_H

#include "common/base/status.h"

#include <stdint.h>

typedef struct kofn_timer {
    int64_t due_ns;
    uint64_t number; // unique
    size_t slot;     // place in the heap, from 1; 0: not set
} kofn_timer;

typedef struct kofn_timers {
    kofn_timer **heap; // heap[0] is due first
    size_t count, capacity;
} kofn_timers;

void kofn_timers_fini(kofn_timers *timers); // a zeroed struct is an empty heap

/* Room for `count` timers, so that set cannot fail. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_timers_reserve(kofn_timers *timers, size_t count, kofn_error *err);

void kofn_timers_set(kofn_timers *timers, kofn_timer *timer, int64_t due_ns); // NEVER: clears
kofn_timer *kofn_timers_first(const kofn_timers *timers);                     // NULL: none is set

#endif
