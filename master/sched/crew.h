/* The crew: the workers, what each of them has to do, who is free, and how fast each one is.
 *
 * A task is a row of a code; an assignment puts a task on a worker. A worker does its assignments
 * in the order in which it got them, so the one at the head of its queue is the one it works on:
 * that one's time is measured from when it got there.
 *
 *     worker 3, credit 2     head                       expected: head_ns + e
 *                            |  #17 task 5, job a  |    #18 behind it: ahead = 1
 *                            |  #18 task 0, job b  |    expected: head_ns + e(a) + e(b)
 *
 * Rates      flops a second: decayed sums of flops and of seconds, so that long tasks weigh more.
 *            An unfinished assignment counts as finished at the moment it is taken back if even
 *            that shows its worker to be slower than thought: else the slowest, always cancelled,
 *            would never be measured. What answers take beyond flops over rate (sending, waking
 *            up) is the overhead, the median of the last ones. A task below
 *            KOFN_MEASURABLE_FLOPS is nearly all overhead: it says nothing of a worker's rate.
 * Failing    A failure counts as one more task in hand until the worker's next answer, so that a
 *            broken worker, always free, does not draw every task to itself first.
 * Stuck      Who is not measured yet is tried first, to be measured. A worker that never answers
 *            must not stay there: cancelled where no rate can tell anything by that, it stands
 *            behind all others until its next answer.
 * Cost       A few hash probes and O(log P) for each call. Only join allocates.
 */
#ifndef KOFN_MASTER_SCHED_CREW_H
#define KOFN_MASTER_SCHED_CREW_H

#include "common/base/map.h"
#include "common/linalg/field.h"
#include "master/sched/deaths.h"
#include "master/sched/list.h"
#include "master/sched/order.h"

#define KOFN_MEASURABLE_FLOPS 2e7 // some 0.3 ms on a fast core, about what a task costs around it

typedef struct kofn_sched_worker kofn_sched_worker; // sched.h
typedef struct kofn_run kofn_run;                   // run.h: a job as the scheduler runs it
typedef struct kofn_slot kofn_slot;                 // stream_run.h: a place of a stream
typedef struct kofn_crew_worker kofn_crew_worker;

typedef struct kofn_assignment {
    kofn_link pending; // in the actions to take, once it is cancelled; first: cast from there
    uint64_t id, job_id, worker_id, giver;
    kofn_crew_worker *worker; // NULL once it is over
    kofn_run *run;            // may be gone once it is over
    size_t task;
    double flops;
    int64_t sent_ns;
    int64_t head_ns;    // when it came to the head of its worker's queue; KOFN_NEVER_NS: not yet
    int64_t service_ns; // once answered: how long it was at the head
    size_t ahead;       // tasks in front of it when it was sent
    bool adopted;       // nothing was sent: the worker had it. Says nothing of how fast it is
    bool alone;         // nothing else is sent to its worker meanwhile
    bool copy;          // its task was out already
    kofn_slot *slot;    // of a stream, that it was sent for; NULL: none, or taken back
    kofn_link in_worker, in_run;
    struct kofn_assignment *next_copy; // of the same task
} kofn_assignment;

struct kofn_crew_worker {
    kofn_order_node order; // first: cast from there
    uint64_t id, giver;
    char name[KOFN_DEATHS_NAME_MAX];
    uint64_t life; // of its process; 0: not known
    size_t credit;
    uint32_t fields;       // kinds that it computes in (kofn_field_kinds_parse)
    bool leaving, ordered; // ordered: it is among the free ones
    bool alone;            // one task at a time: it has a suspect, or is to get one (deaths.h)
    kofn_link queue;       // of assignments
    kofn_link slots;       // that it holds, of streams
    size_t slot_count;
    kofn_link waiting; // of those slots: have something for it, once it is free
    size_t running, done, failed, cancelled;
    size_t failing;        // failures since its last answer
    size_t stuck;          // cancellations since then that came late
    double flops, seconds; // decayed sums
    double rate;           // 0: nothing measured yet
};

enum { KOFN_OVERHEAD_SAMPLES = 63 };

typedef struct kofn_crew {
    kofn_map workers, assignments;
    kofn_order free;
    kofn_link woken; // slots that waited for workers that are free now
    size_t ready;    // workers that take tasks
    size_t able[KOFN_FIELD_KINDS_MAX],
        able_free[KOFN_FIELD_KINDS_MAX]; // of those, and free, by kind
    size_t credit;                       // of all workers, leaving ones included
    size_t records;                      // assignments allocated: at least `credit`
    size_t adopted;                      // and those beyond all credit
    kofn_link spare;
    uint64_t last_id;
    double *rates; // of those measured, sorted
    size_t measured, rates_capacity;
    double overhead[KOFN_OVERHEAD_SAMPLES];        // seconds, in order of arrival
    double overhead_sorted[KOFN_OVERHEAD_SAMPLES]; // the same
    size_t overheads, overhead_next;
} kofn_crew;

typedef enum kofn_ending {
    KOFN_ENDED_ANSWERED,
    KOFN_ENDED_FAILED,
    KOFN_ENDED_CANCELLED,
    KOFN_ENDED_LOST, // with its worker
} kofn_ending;

void kofn_crew_init(kofn_crew *crew);
void kofn_crew_fini(kofn_crew *crew); // also frees whatever is assigned

/* ALREADY_EXISTS: the id. RESOURCE_EXHAUSTED: no memory. credit > 0. */
KOFN_MUST_CHECK kofn_status kofn_crew_join(kofn_crew *crew, const kofn_sched_worker *joining,
                                           kofn_error *err);
kofn_crew_worker *kofn_crew_find(const kofn_crew *crew, uint64_t id);

/* Gone once it has nothing; no slot either, then. kofn_crew_remove: it has nothing. */
void kofn_crew_leave(kofn_crew *crew, kofn_crew_worker *worker);
void kofn_crew_remove(kofn_crew *crew, kofn_crew_worker *worker);

/* Free workers in order; NULL after the last. */
kofn_crew_worker *kofn_crew_first_free(const kofn_crew *crew);
kofn_crew_worker *kofn_crew_next_free(const kofn_crew *crew, const kofn_crew_worker *worker);

/* Put a task on a free worker. The caller fills run, job_id, task and copy and links in_run. */
kofn_assignment *kofn_crew_assign(kofn_crew *crew, kofn_crew_worker *worker, int64_t now_ns,
                                  double flops);
/* The same for a task whose answer the worker has; it need not be free. NULL: no memory. */
kofn_assignment *kofn_crew_adopt(kofn_crew *crew, kofn_crew_worker *worker, int64_t now_ns);
kofn_assignment *kofn_crew_find_assignment(const kofn_crew *crew, uint64_t id);

/* One task at a time, from now on or no longer. Also ends with the first assignment that
 * was made so. */
void kofn_crew_set_alone(kofn_crew *crew, kofn_crew_worker *worker, bool alone);

/* The assignment is over: measure it, give its credit back. It stays the caller's to recycle. A
 * leaving worker goes with its last one. */
void kofn_crew_release(kofn_crew *crew, kofn_assignment *a, int64_t now_ns, kofn_ending how);
void kofn_crew_recycle(kofn_crew *crew, kofn_assignment *a);

bool kofn_crew_has_run(const kofn_crew_worker *worker, const kofn_run *run); // a task of it

/* How long a task takes on `worker` (NULL: on the median one); KOFN_NEVER_NS: nothing is measured
 * to tell it by. */
int64_t kofn_crew_expect_ns(const kofn_crew *crew, const kofn_crew_worker *worker, double flops);

/* Is the answer expected by then? Not when it is already late by as much as it should take. */
bool kofn_crew_is_due(const kofn_crew *crew, const kofn_assignment *a, int64_t now_ns,
                      int64_t by_ns);

double kofn_crew_slowdown(const kofn_crew *crew, const kofn_crew_worker *worker); // 0: not known

#endif
