/* Stored operands: matrices that a client uploads once and names in many products.
 *
 *     RECEIVING   its blocks are coming in, or go to disk; nobody can name it yet
 *     STORED      products may name it
 *     DROPPED     not to be found any more; lives until the last job lets go of it
 *
 *                 all blocks                 DropOperand, or unused for limits.keep_operands
 *     RECEIVING -------------> STORED ------------------------------------> DROPPED -----> gone
 *         \                                                                      no job holds it
 *          `--- abandoned, overdue, a bad block ---> gone
 *
 * An operand is the key's that put it (asker.h), and of no connection: once it is stored it
 * outlives its client's. While it is received it is its request's.
 *
 * With a store (keep.h) an operand is on disk before it can be named, and after a restart at first
 * only there: it is loaded when a job needs it.
 *
 * Jobs hold operands by count and read their blocks where they lie; what the coders made of them
 * comes back here, to be found by the next job (coded.h).
 *
 * Memory     Elements and kept coded blocks are charged to limits.memory, from the moment an upload
 *            is accepted. Coded blocks yield to whatever else needs the room.
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_OPERANDS_H
#define KOFN_MASTER_OPERANDS_H

#include "master/coded.h"
#include "master/job.h"
#include "master/keep.h"
#include "proto/messages.h"
#include "proto/transfer.h"

KOFN_MUST_CHECK kofn_status kofn_operands_new(kofn_master *master, kofn_operands **ret_operands,
                                              kofn_error *err);

/* No upload and no job may hold one any more. */
void kofn_operands_destroy(kofn_operands **operands_p);

/* ---- uploads --------------------------------------------------------------------------------- */

/* Open an upload. *ret_operand is the caller's until kofn_operand_store or kofn_operand_discard; or
 * NULL when an operand of this key is stored already: then *ret_known is that one.
 * INVALID_ARGUMENT, OUT_OF_RANGE: the shape or dtype. ALREADY_EXISTS: the key is another operand's.
 * RESOURCE_EXHAUSTED: too many operands or bytes, and when *ret_never these alone: no later try
 * will do. UNAVAILABLE: the master is stopping. */
KOFN_MUST_CHECK kofn_status kofn_operands_accept(kofn_operands *operands,
                                                 const kofn_msg_put_operand *order,
                                                 const kofn_asker *who, const char *key,
                                                 kofn_operand **ret_operand,
                                                 const kofn_operand **ret_known, bool *ret_never,
                                                 kofn_error *err);

/* Where the blocks of an upload go. */
kofn_assembler *kofn_operand_get_upload(kofn_operand *operand);

/* Called once: from now on the operand can be found. `stored` is it, or the one that was stored
 * under its key meanwhile; NULL: why not. ALREADY_EXISTS: as above. RESOURCE_EXHAUSTED: no memory,
 * or disk. */
typedef void kofn_operand_stored(void *context, const kofn_operand *stored, const kofn_error *why);

/* All blocks are there; it is taken over, whatever comes of it. */
void kofn_operand_store(kofn_operand **operand_p, kofn_operand_stored *stored, void *context);
void kofn_operand_discard(kofn_operand **operand_p); // accepts NULL

/* ---- use ------------------------------------------------------------------------------------- */

/* NULL: not stored, not for `who` to see, or no id at all. */
kofn_operand *kofn_operands_find(kofn_operands *operands, const kofn_asker *who, const char *name);

const char *kofn_operand_get_name(const kofn_operand *operand);
const kofn_bands *kofn_operand_get_bands(const kofn_operand *operand); // complete once stored
bool kofn_operand_is_transposed(const kofn_operand *operand); // it is the transpose of its bands

/* All elements are below this, as far as jobs over finite fields have looked; infinite: nobody
 * has. */
double kofn_operand_get_bound(const kofn_operand *operand);
void kofn_operand_set_bound(kofn_operand *operand, double bound); // keeps the smallest

/* FAILED_PRECONDITION: it was restored, and this master has not the memory to load it. */
KOFN_MUST_CHECK kofn_status kofn_operand_check_fit(const kofn_operand *operand, kofn_error *err);

/* Are its elements in memory? If not, have them read for one operand of a job that holds it:
 * kofn_job_on_operand. */
bool kofn_operand_is_loaded(const kofn_operand *operand);
void kofn_operand_load(kofn_operand *operand, kofn_job *job, size_t which);

/* A job's hold on it. */
void kofn_operand_hold(kofn_operand *operand);
void
kofn_operand_release(kofn_operand **operand_p); // accepts NULL; may be the end of a dropped one

/* A job that holds it is open on disk and will not be told otherwise: it begins anew at the next
 * start, with this operand, whose record stays until then even if it is dropped. */
void kofn_operand_need(kofn_operand *operand);

/* A coded block that is kept, or NULL; valid until the next call that keeps one or needs room.
 * *ret_others: another job than `job` made it. */
const kofn_bands *kofn_operand_find_coded(const kofn_operand *operand, const kofn_coded_key *key,
                                          uint64_t job, bool *ret_others);

/* Offer a coded block that `job` made to those that come after it. */
void kofn_operand_keep_coded(kofn_operand *operand, const kofn_coded_key *key, uint64_t job,
                             const kofn_bands *block);

/* ---- all of them ----------------------------------------------------------------------------- */

/* One that was found can be found no more. `dropped` (may be NULL) is called once that is sure;
 * `why` is NULL, or why it is there as before. */
typedef void kofn_operand_dropped(void *context, const kofn_error *why);
void kofn_operands_drop(kofn_operands *operands, kofn_operand *operand,
                        kofn_operand_dropped *dropped, void *context);

/* ---- from the disk (keep.h) ------------------------------------------------------------------ */

KOFN_MUST_CHECK kofn_status kofn_operands_restore(kofn_operands *operands,
                                                  const kofn_kept_operand *what, kofn_error *err);

/* Whoever's it is, and even if it was dropped: until settle, for jobs that are restored. */
kofn_operand *kofn_operands_find_kept(kofn_operands *operands, const char *name);

/* All jobs are restored: dropped ones that none of them holds go. Returns how many are stored. */
size_t kofn_operands_settle(kofn_operands *operands);

/* All that `who` may see, newest first. Cleared by the caller. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_operands_describe(const kofn_operands *operands,
                                                   const kofn_asker *who,
                                                   kofn_msg_operands *ret_message, kofn_error *err);

/* Bytes charged for all of them, coded blocks included. */
size_t kofn_operands_get_charge(const kofn_operands *operands);

/* Let go of coded blocks worth `bytes`, or of all. */
void kofn_operands_yield(kofn_operands *operands, size_t bytes);

/* Drop those that were not used for too long. */
void kofn_operands_on_tick(kofn_operands *operands, int64_t now_ns);

#endif
