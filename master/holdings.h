/* Which worker keeps which coded blocks, as far as the master knows.
 *
 * It may be wrong: a worker lets go of a block, or is restarted. Then it says so, or answers
 * NOT_FOUND to a task that names the block, and gets it sent. So nothing but time depends on it.
 *
 * Bounds     KOFN_CACHED_MAX blocks of a worker: the one noted first is forgotten.
 * Cost       O(1) for each call, but for each: O(workers that have it).
 * Threads    One thread at a time.
 */
#ifndef KOFN_MASTER_HOLDINGS_H
#define KOFN_MASTER_HOLDINGS_H

#include "common/base/status.h"

#include <stdint.h>

typedef struct kofn_holdings kofn_holdings;

KOFN_MUST_CHECK kofn_status kofn_holdings_new(kofn_holdings **ret_holdings, kofn_error *err);
void kofn_holdings_destroy(kofn_holdings **holdings_p);

/* Without memory, or when another name has the same hash, it is not noted. */
void kofn_holdings_note(kofn_holdings *holdings, uint64_t worker, const char *name);
void kofn_holdings_forget(kofn_holdings *holdings, uint64_t worker, const char *name);
void kofn_holdings_forget_worker(kofn_holdings *holdings, uint64_t worker);

bool kofn_holdings_has(const kofn_holdings *holdings, uint64_t worker, const char *name);
size_t kofn_holdings_count(const kofn_holdings *holdings); // of all workers

/* Visit each worker that has it, latest first, until visit says false. It may not note or
 * forget. */
void kofn_holdings_each(const kofn_holdings *holdings, const char *name,
                        bool (*visit)(void *context, uint64_t worker), void *context);

#endif
