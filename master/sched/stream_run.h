/* A stream as the scheduler runs it: places for workers, and the jobs that share them in rounds.
 *
 * Which mini-task goes to which slot, and when a round is over, is the rounds' to say (rounds.h).
 * Here slots are bound to workers, and each slot is where its next mini-task can be found at once:
 *
 *     slot 0   worker 7   in stream->ready     it has something to send, and its worker may be free
 *     slot 1   worker 3   in worker->waiting   it has, and its worker is not
 *     slot 2   worker 9   nowhere              it has nothing
 *     slot 3   worker 2   in run->parked       of a suspect (deaths.h), which goes a way of its own
 *     slot 4   -          in stream->vacated   its worker is gone, and the rounds are to be told
 *     slot 5   -          in stream->vacant    they know
 *
 * The first of a stream's jobs takes the client's turns for all of them, whosever mini-task is
 * next: so slots are served in turn, each getting its first before any gets its second.
 *
 * Cost       O(1) for each mini-task. To take a worker in the place of one that is gone: a look at
 *            all.
 */
#ifndef KOFN_MASTER_SCHED_STREAM_RUN_H
#define KOFN_MASTER_SCHED_STREAM_RUN_H

#include "master/sched/run.h"

typedef struct kofn_stream_run kofn_stream_run;

struct kofn_slot {
    kofn_link link; // see above; first: cast from there
    kofn_link in_worker;
    kofn_stream_run *stream;
    kofn_crew_worker *worker; // NULL: vacant
    size_t number;
    size_t out;   // assignments
    bool offered; // it has something to send, now or once its worker is free
};

struct kofn_stream_run {
    kofn_timer timer; // first: cast from there
    uint64_t id;
    kofn_rounds *rounds;
    uint64_t round; // that is on, or was last
    size_t need, rows;
    size_t kind;   // of the field
    bool closed;   // gone with its last job
    bool skipped;  // what was next, for something answered already or a suspect: look again
    kofn_map jobs; // runs that are not over, by number
    kofn_link runs;
    kofn_link ready, vacated, vacant; // slots
    size_t held;                      // slots that have a worker
    size_t seated;                    // of those, whose worker stays
    size_t offered;                   // of those, with something to send
    kofn_link stirred;                // among those to be turned
    size_t slot_count;
    kofn_slot slots[];
};

/* RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_stream_run_new(const kofn_sched_stream *params,
                                                kofn_stream_run **ret_stream, kofn_error *err);
void kofn_stream_run_destroy(kofn_stream_run **stream_p); // workers are left alone

/* May jobs of this code and these wishes be of the stream? INVALID_ARGUMENT,
 * FAILED_PRECONDITION. */
KOFN_MUST_CHECK kofn_status kofn_stream_run_check(const kofn_stream_run *stream,
                                                  const kofn_sched_job *job, kofn_error *err);

/* A job comes, and goes: nothing of it is out. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_stream_run_add(kofn_stream_run *stream, kofn_run *run,
                                                kofn_error *err);
void kofn_stream_run_remove(kofn_stream_run *stream, kofn_run *run, int64_t now_ns);

/* The run that takes the turns; NULL: there is none. */
kofn_run *kofn_stream_run_get_first(const kofn_stream_run *stream);

/* There is a vacant slot, and the worker may have it. */
bool kofn_stream_run_wants(const kofn_stream_run *stream, const kofn_crew_worker *worker);
void kofn_stream_run_seat(kofn_stream_run *stream, kofn_crew_worker *worker, int64_t now_ns);

/* A worker for each slot, as far as there are any: first those with the fewest slots of other
 * streams, then the fastest, then those with the lowest numbers. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_stream_run_fill(kofn_stream_run *stream, const kofn_crew *crew,
                                                 int64_t now_ns, kofn_error *err);

/* The first of those for one vacant slot; NULL: none may have it. */
kofn_crew_worker *kofn_stream_run_find_worker(const kofn_stream_run *stream, const kofn_crew *crew);

/* The slot's worker goes. The rounds are told by kofn_stream_run_vacate: what it had is lost. */
void kofn_slot_unseat(kofn_slot *slot);
void kofn_stream_run_vacate(kofn_stream_run *stream, int64_t now_ns);

/* The worker's slot; NULL: it has none. */
kofn_slot *kofn_stream_run_find_slot(const kofn_stream_run *stream, const kofn_crew_worker *worker);

/* Put the slot where it belongs; and all that the rounds gave something new. */
void kofn_slot_offer(kofn_slot *slot);
void kofn_stream_run_offer(kofn_stream_run *stream);

/* An assignment of the slot is over; the rounds are not told. A worker that leaves is unseated with
 * its last one. */
void kofn_slot_release(kofn_assignment *a);

#endif
