/* A worker: takes coded blocks from a master, multiplies, answers; until told to stop.
 *
 *      master  <--DEALER-->  I/O thread  <--pipe-->  compute thread
 *                            heartbeats,             kofn_multiply in panels, polls the
 *                            transfers, cancels      cancel flag between them
 *
 * The I/O thread never touches elements. It connects again by itself when the master restarts or
 * comes up late: after silence it drops what it holds and says hello anew.
 *
 * Threads    kofn_worker_run blocks its thread until stopped; kofn_worker_stop and _reload may be
 *            called from any thread and from a signal handler (they write to an eventfd).
 */
#ifndef KOFN_WORKER_WORKER_H
#define KOFN_WORKER_WORKER_H

#include "common/base/daemon.h"
#include "worker/config.h"

typedef struct kofn_worker kofn_worker;

/* `context` is a libzmq context, shared in --local so that inproc works. The config is copied. */
KOFN_MUST_CHECK kofn_status kofn_worker_new(void *context, const kofn_worker_config *config,
                                            kofn_log log, kofn_worker **ret_worker,
                                            kofn_error *err);
void kofn_worker_destroy(kofn_worker **worker_p);

/* Serve until stopped. OK: stopped, tasks finished or handed back (bye) within the grace time. */
KOFN_MUST_CHECK kofn_status kofn_worker_run(kofn_worker *worker, kofn_error *err);

/* Who is told how the worker goes, from before it runs. Copied; without it: nobody. It is ready
 * when it tries to reach its master, which may come up later. */
void kofn_worker_set_supervisor(kofn_worker *worker, const kofn_supervisor *supervisor);

/* Have the loop call the supervisor's `reload`, which calls kofn_worker_reconfigure. */
void kofn_worker_reload(kofn_worker *worker);

/* Take what may change while the worker runs: log.level, and keys.own and keys.master with what
 * their files say by now. With other keys it connects anew and hands its tasks back; with files
 * that cannot be used it goes on as it is. The rest of `fresh` is for the next start. In the loop's
 * thread. */
void kofn_worker_reconfigure(kofn_worker *worker, const kofn_worker_config *fresh);

/* Begin to stop: finish within the grace time, then return from run. A second call ends at once. */
void kofn_worker_stop(kofn_worker *worker);

#endif
