/* Streams: sequences of jobs that share rounds (sched/rounds.h) and one inner code.
 *
 *     OPENING   its code is being built (a coder); it counts, and nobody can name it yet
 *     OPEN      takes jobs
 *     CLOSING   takes no further ones; ends with its last job
 *     CLOSED    has none any more; its account stays for a while, for whoever closes it again
 *
 * Jobs have places, by their index. A place holds its job's record, and its product, from the push
 * until the client has the outcome, or must have it, since a job `limit` places further on is
 * pushed:
 *
 *     index   1 .. released     .. answered           .. handed            .. pushed
 *             let go of         over; the outcome     the scheduler has    operands are coming in
 *                               may be sent again     it, or had           (or come again: free)
 *
 * Jobs go to the scheduler in this order, and pushes are answered in this order. A job that ends
 * sooner is `held_back`. An index whose blocks were lost with their connection is free: it may be
 * pushed again.
 *
 * A stream is its owner's (asker.h) and lives as long as the connection that used it last, and for
 * the grace time after that; calls that wait for its jobs keep it, too.
 *
 * Memory     What a stream itself takes is charged to limits.memory; its jobs are charged as jobs.
 *            A closed one has no code any more, and goes, oldest first, when memory is short.
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_STREAMS_H
#define KOFN_MASTER_STREAMS_H

#include "master/jobs.h"

enum { KOFN_STREAMS_CLOSED_MAX = 32 }; // that are kept; the latest

KOFN_MUST_CHECK kofn_status kofn_streams_new(kofn_master *master, kofn_streams **ret_streams,
                                             kofn_error *err);

/* After the jobs. */
void kofn_streams_destroy(kofn_streams **streams_p);

/* Called once. `why`: NULL, or why there is no stream. */
typedef void kofn_stream_done(void *context, kofn_stream *stream, const kofn_error *why);

/* Open one for this connection. `done` is called when its code is built. Else INVALID_ARGUMENT,
 * OUT_OF_RANGE, NOT_FOUND, UNIMPLEMENTED: what is asked for contradicts itself, or cannot be.
 * FAILED_PRECONDITION: it is to have a slot for each worker, and there is none. RESOURCE_EXHAUSTED:
 * too many streams, or bytes; when *ret_never, no later try will do. UNAVAILABLE: the master is
 * stopping. */
KOFN_MUST_CHECK kofn_status kofn_streams_open(kofn_streams *streams,
                                              const kofn_msg_open_stream *asked,
                                              const kofn_asker *who, uint64_t session,
                                              kofn_stream_done *done, void *context,
                                              bool *ret_never, kofn_error *err);

/* NULL: not known, not for `who` to see, or no id at all. */
kofn_stream *kofn_streams_find(kofn_streams *streams, const kofn_asker *who, const char *name);

/* This connection uses it now: it lives as long as that. */
void kofn_stream_use(kofn_stream *stream, uint64_t session);

typedef struct kofn_push_order {
    const kofn_msg_push *push;
    const kofn_asker *asker;
    uint64_t session;
    int64_t deadline_ns;
} kofn_push_order;

/* The job of this index: a new one, or the one that is there (*ret_known). One that does not fit is
 * over already. INVALID_ARGUMENT: index 0. OUT_OF_RANGE: a gap. NOT_FOUND: the stream was given up,
 * as its client was gone too long. FAILED_PRECONDITION: it takes no further jobs, or the outcome is
 * not kept any more. UNAVAILABLE: the master stops. RESOURCE_EXHAUSTED: the window, or as of
 * kofn_jobs_accept. */
KOFN_MUST_CHECK kofn_status kofn_stream_take(kofn_stream *stream, const kofn_push_order *order,
                                             kofn_job **ret_job, bool *ret_known, bool *ret_never,
                                             kofn_error *err);

/* Whoever opened it never heard of it: it ends. */
void kofn_stream_forsake(kofn_stream *stream);

/* The number of the call that is answered with it now; and that call was abandoned, which crossed
 * the reply: it ends, unless jobs were pushed. */
void kofn_stream_note_call(kofn_stream *stream, uint64_t call);
void kofn_streams_on_abandoned(kofn_streams *streams, uint64_t session, uint64_t call);

/* No further jobs; `abandon` ends those that are there. `done` is called when none is left: at
 * once, maybe. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_stream_shut(kofn_stream *stream, bool abandon,
                                             kofn_stream_done *done, void *context,
                                             kofn_error *err);

/* With its trace if `traced`, which is there once it is closed. Cleared by the caller
 * (kofn_message_clear). */
KOFN_MUST_CHECK kofn_status kofn_stream_describe(const kofn_stream *stream, bool traced,
                                                 kofn_msg_stream *ret_message, kofn_error *err);

/* Those that `who` may see, newest first. */
KOFN_MUST_CHECK kofn_status kofn_streams_describe(const kofn_streams *streams,
                                                  const kofn_asker *who,
                                                  kofn_msg_streams *ret_message, kofn_error *err);

size_t kofn_streams_get_charge(const kofn_streams *streams); // bytes; 0 for NULL

/* Forget the closed stream that ended first, with the outcomes that it keeps. false: there is
 * none. */
bool kofn_streams_forget_oldest(kofn_streams *streams); // accepts NULL

/* The connection is gone. */
void kofn_streams_on_session_gone(kofn_streams *streams, uint64_t session);

/* The master takes no further jobs, and is `draining`: those behind an index that is free go on. */
void kofn_streams_on_stopping(kofn_streams *streams);

/* Streams that nobody uses any more are closed, and closed ones forgotten. */
void kofn_streams_on_tick(kofn_streams *streams, int64_t now_ns);

/* ---- for jobs -------------------------------------------------------------------------------- */

const char *kofn_stream_get_owner(const kofn_stream *stream);
const char *kofn_stream_get_name(const kofn_stream *stream);
uint64_t kofn_stream_get_id(const kofn_stream *stream);
const kofn_code_spec *kofn_stream_get_spec(const kofn_stream *stream);
kofn_code *kofn_stream_get_code(const kofn_stream *stream);

/* The job's operands are there, and right: it goes to the scheduler when all before it have. */
void kofn_stream_on_ready(kofn_stream *stream, kofn_job *job);

/* It is over, and whoever waits for it otherwise was told. */
void kofn_stream_on_over(kofn_stream *stream, kofn_job *job);

#endif
