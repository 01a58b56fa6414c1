/* What workers keep for the master, and what they still have to be told of it.
 *
 *     hello lists an answer ---> its job is not known, or over: settled
 *                           ---> its job runs: recalled if the scheduler adopts it, else settled, but owed
 *                           |    where the job has it and would need it again should the master die
 *                           `--> its job does not run yet: decided when it does, or ends
 *
 *     an answer arrives -------> settled; owed until the job ends where that outlives the master
 *
 * Settlements go out in batches: at once when they are worth much memory, else with the next
 * heartbeat. Coded blocks: who has what (holdings.h), and the scheduler's hints from that.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_KEEPERS_H
#define KOFN_MASTER_KEEPERS_H

#include "master/holdings.h"
#include "master/job.h"

typedef struct kofn_keepers kofn_keepers;

/* What the fleet does for them. */
typedef struct kofn_keepers_fleet {
    /* The scheduler waits for this answer as `assignment`: have the worker send it. */
    void (*recall)(kofn_fleet *fleet, uint64_t worker, uint64_t assignment, kofn_job *job,
                   const kofn_msg_held *held);
    void (*settle)(kofn_fleet *fleet, uint64_t worker, const kofn_msg_settled *settled);
} kofn_keepers_fleet;

KOFN_MUST_CHECK kofn_status kofn_keepers_new(kofn_master *master, const kofn_keepers_fleet *fleet,
                                             kofn_keepers **ret_keepers, kofn_error *err);
void kofn_keepers_destroy(kofn_keepers **keepers_p);

/* A worker joined the scheduler; one of them is lost. */
void kofn_keepers_join(kofn_keepers *keepers, uint64_t worker, const kofn_msg_hello *hello);
void kofn_keepers_lose(kofn_keepers *keepers, uint64_t worker);

/* The scheduler has the job now, and has not sent anything of it; the job has ended. */
void kofn_keepers_begin(kofn_keepers *keepers, kofn_job *job);
void kofn_keepers_over(kofn_keepers *keepers, const kofn_job *job);

/* An answer of `bytes`, which the worker keeps, is of no more use; or came and is kept by this
 * job. */
void kofn_keepers_settle(kofn_keepers *keepers, uint64_t worker, uint64_t assignment, size_t bytes);
void kofn_keepers_owe(kofn_keepers *keepers, uint64_t worker, uint64_t assignment,
                      const kofn_job *job, size_t bytes);

/* Let everything go out that waits. */
void kofn_keepers_flush(kofn_keepers *keepers);

kofn_holdings *kofn_keepers_get_holdings(kofn_keepers *keepers);

/* Is this operand's block of the task worth a name? *ret_bytes: its elements. */
bool kofn_keepers_name_block(const kofn_job *job, size_t operand, size_t task, size_t *ret_bytes,
                             char ret_tag[KOFN_TAG_MAX]);

#endif
