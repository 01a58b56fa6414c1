/* A worker: takes coded blocks from a master, multiplies, answers; until told to stop.
 *
 *      master  <--DEALER-->  I/O thread  <--pipe-->  compute thread
 *                            heartbeats,             kofn_multiply in panels, polls the
 *                            transfers, cancels      cancel flag between them
 *
 * The I/O thread never touches elements. It connects again by itself when the master restarts or
 * comes up late: after silence it drops what it holds and says hello anew.
 *
 * Threads    kofn_worker_run blocks its thread until stopped; kofn_worker_stop may be called from
 *            any thread and from a signal handler (it writes to an eventfd).
 */
#ifndef KOFN_WORKER_WORKER_H
#define KOFN_WORKER_WORKER_H

#include "worker/config.h"

typedef struct kofn_worker kofn_worker;

/* `context` is a libzmq context, shared in --local so that inproc works. The config is copied. */
KOFN_MUST_CHECK kofn_status kofn_worker_new(void *context, const kofn_worker_config *config,
                                            kofn_log log, kofn_worker **ret_worker,
                                            kofn_error *err);
void kofn_worker_destroy(kofn_worker **worker_p);

/* Serve until stopped. OK: stopped, tasks finished or handed back (bye) within the grace time. */
KOFN_MUST_CHECK kofn_status kofn_worker_run(kofn_worker *worker, kofn_error *err);

/* Begin to stop: finish within the grace time, then return from run. A second call ends at once. */
void kofn_worker_stop(kofn_worker *worker);

#endif
