/* The inside of the scheduler's core, for its two files: sched.c, and sched_streams.c.
 *
 * Threads    The scheduler's.
 */
#ifndef KOFN_MASTER_SCHED_CORE_H
#define KOFN_MASTER_SCHED_CORE_H

#include "master/sched/crew.h"
#include "master/sched/run.h"
#include "master/sched/sched.h"
#include "master/sched/stream_run.h"
#include "master/sched/timers.h"
#include "master/sched/turns.h"

struct kofn_sched {
    kofn_sched_config config;
    int64_t now_ns; // of the latest event
    kofn_crew crew;
    kofn_map runs; // by job id: those not over, and those decoded and not forgotten
    kofn_turns turns;
    kofn_timers timers;
    kofn_map streams;
    kofn_timers round_timers; // of streams
    kofn_link stirred;        // streams whose rounds are to be looked at
    kofn_link cancels;        // actions to take: assignments
    kofn_link outcomes;       // likewise: runs
    kofn_link recodes;        // likewise
    kofn_link trials;         // likewise
    kofn_link troubled;       // runs that fewer workers may leave without hope
    kofn_link bereaved;       // runs with deaths
    kofn_link suspicious;     // runs with suspects
    uint64_t kept_free;       // worker for a suspect that waits; 0: none
    size_t open;              // runs not over
    uint64_t arrivals, stream_arrivals;
    size_t *scratch; // room for the tasks of the largest code so far
    size_t scratch_size;
};

/* ---- sched.c --------------------------------------------------------------------------------- */

void kofn_core_advance(kofn_sched *s, int64_t now_ns); // time, which does not go back

/* Take the assignment from its worker. Its task is not moved: what follows says what came of it. */
void kofn_core_cancel(kofn_sched *s, kofn_assignment *a);

/* Who may be given work, and who wants to be woken when: after whatever changed that for the
 * run. */
void kofn_core_refresh(kofn_sched *s, kofn_run *run);

/* ---- sched_streams.c ------------------------------------------------------------------------- */

/* May the job be added to its stream? NOT_FOUND: the stream. INVALID_ARGUMENT,
 * FAILED_PRECONDITION. */
KOFN_MUST_CHECK kofn_status kofn_core_check_stream(const kofn_sched *s, const kofn_sched_job *job,
                                                   kofn_error *err);

/* The rounds of the stream are looked at before the next action is taken; and: they are, of all. */
void kofn_core_stir(kofn_sched *s, kofn_stream_run *stream);
void kofn_core_turn_streams(kofn_sched *s);

/* A worker joined: every stream that lacks one has it. And it takes nothing more: `is_gone`, what
 * it has is lost, else it does that. */
void kofn_core_seat(kofn_sched *s, kofn_crew_worker *worker);
void kofn_core_unseat(kofn_sched *s, kofn_crew_worker *worker, bool is_gone);

/* A place for a row of the run, which is a suspect; *waits is set if one is wanted. NULL: none
 * now. */
kofn_crew_worker *kofn_core_place_parked(kofn_sched *s, kofn_run *run, size_t *ret_task,
                                         bool *waits);

#endif
