/* A database that is damaged: what can be read of it goes into a new one, and it is kept aside.
 *
 *     jobs.db              damaged  --1-->  jobs.db.damaged
 *     jobs.db.new          what could be read of that, complete when it is  --2-->  jobs.db
 *     jobs.db.damaged      --3-->  jobs.db.damaged-1766390400, for whoever wants to look closer
 *
 * Its log (-wal) goes along with it. Each arrow is a rename, so a start that is killed here goes on
 * at the next: jobs.db.damaged alone means from 1, beside jobs.db only 3 is left.
 *
 * Rows are read one by one, by their numbers: upwards until one cannot be read, then from the end
 * downwards, then by halves in between. A record whose body cannot be read comes with kind and id
 * alone, which no digest fits, so whoever waits for it is told DATA_LOSS. Page 1, without which
 * there is no other, is the same in every database of ours but for counters: where a few bytes of
 * it differ, it is put right first.
 *
 * Threads    One, before anybody else uses the store.
 */
#ifndef KOFN_MASTER_STORE_SALVAGE_H
#define KOFN_MASTER_STORE_SALVAGE_H

#include "master/store/store.h"

/* Has a salvage been begun, or is the database damaged in a way that SQLite takes for another's, or
 * for none? */
bool kofn_salvage_is_due(const char *path);

/* Put the database of this path in order, which nobody has open. `params`: starting.
 * *ret_findings: `aside` and the rows. Else what the system says; it is tried again the next
 * time. */
KOFN_MUST_CHECK kofn_status kofn_salvage(const char *path, const kofn_store_params *params,
                                         kofn_store_findings *ret_findings, kofn_error *err);

#endif
