/* The master's root: everything that the parts of the daemon share. One struct, passed down; each
 * part's own state is behind its own header.
 *
 *     session.h  clients: connections, open requests, replies         knows jobs
 *     service.h  the methods of kofn.v1.Master                        knows session, jobs, fleet
 *     jobs.h     all jobs; job.h one: operands in, product out       knows fleet, coders
 *     fleet.h    workers: connections, assignments, heartbeats        tells jobs of answers
 *     compute.h  threads that encode and decode                       knows nobody
 */
#ifndef KOFN_MASTER_ROOT_H
#define KOFN_MASTER_ROOT_H

#include "common/base/clock.h"
#include "master/coders.h"
#include "master/master.h"

typedef struct kofn_sessions kofn_sessions;
typedef struct kofn_jobs kofn_jobs;
typedef struct kofn_fleet kofn_fleet;

struct kofn_master {
    kofn_master_config config;
    kofn_log log;
    uint64_t epoch; // of this life: answers to an earlier one are told by it
    int64_t started_ns;
    void *client_socket, *worker_socket;
    char client_endpoint[256], worker_endpoint[256];

    zloop_t *loop;
    int armed_timer;  // for the scheduler
    int64_t armed_ns; // when it fires; KOFN_NEVER_NS: it is not set
    int stop_fd;      // eventfd: counts calls of kofn_master_stop
    bool draining;
    int64_t grace_end_ns;

    kofn_pool *pool;
    kofn_sched *sched;
    kofn_coders *coders;
    kofn_sessions *sessions;
    kofn_jobs *jobs;
    kofn_fleet *fleet;
};

/* Have the loop wake up for kofn_sched_next_tick; cheap when nothing changed. */
void kofn_master_arm(kofn_master *master);

/* Tables that borrow their keys, each inside its item: a uint64_t, a kofn_peer_id. NULL: no
 * memory. */
zhashx_t *kofn_number_table_new(void);
zhashx_t *kofn_peer_table_new(void);

#endif
