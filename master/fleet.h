/* The fleet: workers as connections, what each holds, and who is silent.
 *
 *     hello -> welcome        a worker joins the scheduler
 *     task -> result          an assignment, from SEND to its answer
 *     silence, bye, no route  it is lost: its assignments go back to the scheduler
 *
 * A worker is its connection: one that connects anew is another worker to the scheduler, whatever
 * name it gives (identity will be its key).
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_FLEET_H
#define KOFN_MASTER_FLEET_H

#include "master/jobs.h"
#include "master/root.h"

KOFN_MUST_CHECK kofn_status kofn_fleet_new(kofn_master *master, kofn_fleet **ret_fleet,
                                           kofn_error *err);
void kofn_fleet_destroy(kofn_fleet **fleet_p);

/* Messages wait on the workers' socket. */
void kofn_fleet_on_readable(kofn_fleet *fleet);

/* Beat, and lose who was silent for too long. */
void kofn_fleet_on_beat(kofn_fleet *fleet, int64_t now_ns);

/* SEND: note the assignment; its blocks follow with kofn_fleet_send. */
void kofn_fleet_assign(kofn_fleet *fleet, const kofn_action *action, kofn_job *job);

/* The assignment's blocks are there: off they go. False: the assignment is over. */
bool kofn_fleet_send(kofn_fleet *fleet, uint64_t assignment, const kofn_bands *a,
                     const kofn_bands *b);

/* It could not be encoded. */
void kofn_fleet_fail(kofn_fleet *fleet, uint64_t assignment, const kofn_error *why);

/* CANCEL: tell the worker, forget the assignment. */
void kofn_fleet_cancel(kofn_fleet *fleet, uint64_t assignment);

size_t kofn_fleet_count(const kofn_fleet *fleet);

/* All workers as messages, into a list that the caller clears. */
KOFN_MUST_CHECK kofn_status kofn_fleet_describe(const kofn_fleet *fleet,
                                                kofn_msg_workers *ret_workers, kofn_error *err);

#endif
