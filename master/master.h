/* The master: accepts products, cuts and codes them, has workers multiply, rebuilds the product.
 *
 *     clients <--ROUTER-->  I/O thread (zloop)  <--ROUTER--> workers
 *                           scheduler, records,
 *                           transfers, heartbeats
 *                              |  ^
 *                              v  |  pipes
 *                           compute threads: encode, decode
 *
 * Threads    kofn_master_run blocks its thread until stopped; kofn_master_stop and _reload may be
 *            called from any thread and from a signal handler.
 */
#ifndef KOFN_MASTER_MASTER_H
#define KOFN_MASTER_MASTER_H

#include "common/base/daemon.h"
#include "master/config.h"

typedef struct kofn_master kofn_master;

/* Binds both endpoints and restores what was kept. ALREADY_EXISTS: an address is in use. The config
 * is copied, and what it refers to held; so is the supervisor, who is told how the master goes.
 * NULL: nobody. */
KOFN_MUST_CHECK kofn_status kofn_master_new(void *context, const kofn_master_config *config,
                                            kofn_log log, const kofn_supervisor *supervisor,
                                            kofn_master **ret_master, kofn_error *err);
void kofn_master_destroy(kofn_master **master_p);

/* The endpoints as bound (a wildcard port resolved). */
const char *kofn_master_get_workers_endpoint(const kofn_master *master);
const char *kofn_master_get_clients_endpoint(const kofn_master *master);

/* Serve until stopped. OK: running jobs were finished, or failed with UNAVAILABLE after the grace
 * time. */
KOFN_MUST_CHECK kofn_status kofn_master_run(kofn_master *master, kofn_error *err);

/* The process is the master's alone and its allocator set by kofn_link_tune_malloc: have it give
 * memory back when few blocks come. Before it runs. */
void kofn_master_be_thrifty(kofn_master *master);

/* Have the loop call the supervisor's `reload`, which calls kofn_master_reconfigure. */
void kofn_master_reload(kofn_master *master);

/* Take what may change while the master runs, which is log.level; the rest of `fresh` is for the
 * next start. In the loop's thread. */
void kofn_master_reconfigure(kofn_master *master, const kofn_master_config *fresh);

/* Begin to stop: take no further jobs, finish within the grace time. A second call ends at once. */
void kofn_master_stop(kofn_master *master);

#endif
