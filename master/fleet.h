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

#include "master/job.h"
#include "master/root.h"

/* For the root. */
extern const kofn_carrier kofn_fleet_carrier;

KOFN_MUST_CHECK kofn_status kofn_fleet_new(kofn_master *master, kofn_fleet **ret_fleet,
                                           kofn_error *err);
void kofn_fleet_destroy(kofn_fleet **fleet_p);

/* Messages wait on the workers' socket. */
void kofn_fleet_on_readable(kofn_fleet *fleet);

/* The list of keys changed: workers that may not speak any more are lost. */
void kofn_fleet_on_keys(kofn_fleet *fleet);

/* Beat, and lose who was silent for too long. */
void kofn_fleet_on_beat(kofn_fleet *fleet, int64_t now_ns);

/* Workers that are not silent, without those in quarantine; and the latter, with when the first of
 * them comes out. */
size_t kofn_fleet_count(const kofn_fleet *fleet);
size_t kofn_fleet_count_barred(const kofn_fleet *fleet, int64_t *ret_first_ns);

/* All workers as messages, into a list that the caller clears. */
KOFN_MUST_CHECK kofn_status kofn_fleet_describe(const kofn_fleet *fleet,
                                                kofn_msg_workers *ret_workers, kofn_error *err);

#endif
