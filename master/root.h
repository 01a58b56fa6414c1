/* The master's root: everything that the parts of the daemon share. One struct, passed down; each
 * part's own state is behind its own header. Includes go downwards, but for one knot: jobs, their
 * streams, operands and what is on disk of them know each other:
 *
 *     master.c                        binds the parts, runs the loop
 *        |
 *     service.c                       the methods of kofn.v1.Master
 *        |
 *     session.c        fleet.c        clients: connections, open requests, replies
 *          \          /               workers: connections, assignments, heartbeats
 *           \        /
 *     jobs.h, job.h                   all jobs; one: operands in, product out
 *     streams.h                       jobs that share rounds, and their order
 *        |
 *     operands.h, coded.h             matrices that are kept for many jobs, and what was made of
 *                                     them
 *        |
 *     keep.h, store/                  what of them is on disk
 *        |
 *     coders.h, sched/, proto/        threads that touch elements; who does what; the wire
 *     guard.h                         which keys may speak
 *
 * What goes up goes through const structs of functions that master.c puts into the root: jobs tell
 * an audience (the sessions) how they move and give blocks to a carrier (the fleet), sessions hand
 * calls to a service.
 */
#ifndef KOFN_MASTER_ROOT_H
#define KOFN_MASTER_ROOT_H

#include "common/base/clock.h"
#include "master/asker.h"
#include "master/coders.h"
#include "master/guard.h"
#include "master/master.h"
#include "master/retries.h"

typedef struct kofn_sessions kofn_sessions;
typedef struct kofn_streams kofn_streams;
typedef struct kofn_jobs kofn_jobs;
typedef struct kofn_fleet kofn_fleet;
typedef struct kofn_keep kofn_keep;
typedef struct kofn_operands kofn_operands;
typedef struct kofn_operand kofn_operand;   // operands.h
typedef struct kofn_audience kofn_audience; // job.h
typedef struct kofn_carrier kofn_carrier;   // job.h
typedef struct kofn_service kofn_service;   // session.h

struct kofn_master {
    kofn_master_config config;
    kofn_log log;
    uint64_t epoch; // of this life: answers to an earlier one are told by it
    int64_t started_ns;
    kofn_guard *guard; // NULL: no keys, whoever connects may speak
    void *client_socket, *worker_socket;
    char client_endpoint[256], worker_endpoint[256];

    zloop_t *loop;
    int armed_timer;  // for the scheduler
    int64_t armed_ns; // when it fires; KOFN_NEVER_NS: it is not set
    int stop_fd;      // eventfd: counts calls of kofn_master_stop
    int reload_fd;    // eventfd: counts calls of kofn_master_reload
    bool draining;
    bool thrifty;         // gives memory back (kofn_master_be_thrifty)
    uint64_t block_bytes; // of large messages, ever; and when it looked last
    uint64_t looked_at_bytes;
    int64_t looked_ns;
    int64_t grace_end_ns;
    kofn_supervisor supervisor;
    kofn_retries retries; // of those who found no room

    kofn_pool *pool;
    kofn_sched *sched;
    kofn_coders *coders;
    kofn_sessions *sessions;
    kofn_operands *operands;
    kofn_keep *keep; // NULL: nothing is kept on disk, or no more
    kofn_jobs *jobs;
    kofn_streams *streams;
    kofn_fleet *fleet;
    const kofn_audience *audience;
    const kofn_carrier *carrier;
    const kofn_service *service;
};

/* Have the loop wake up for kofn_sched_next_tick; cheap when nothing changed. */
void kofn_master_arm(kofn_master *master);

/* A message came with so many bytes of blocks. */
void kofn_master_note_blocks(kofn_master *master, size_t bytes);

/* Bytes of limits.memory that jobs and stored operands hold. */
size_t kofn_master_get_charge(const kofn_master *master);

/* Is there room for `more` bytes for one that holds `held` of them already? Coded blocks that are
 * kept make place. `what` begins the sentence. RESOURCE_EXHAUSTED: no, and when *ret_never, there
 * never will be, whatever others let go of. */
KOFN_MUST_CHECK kofn_status kofn_master_check_room(const kofn_master *master, const char *what,
                                                   size_t held, size_t more, bool *ret_never,
                                                   kofn_error *err);

/* A table whose keys are a kofn_peer_id inside each item. NULL: no memory. */
zhashx_t *kofn_peer_table_new(void);

#endif
