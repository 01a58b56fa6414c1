/* What the master keeps on disk: submitted jobs and stored operands, in the store (store/store.h).
 *
 *     job       all operands there --> put, with its operands --> Submit is answered, it starts
 *               code chosen        --> put (body)
 *               product or failure --> put, with the product, without operands --> waiters are told
 *               out of the list    --> remove
 *
 *     operand   all blocks there   --> put, with its elements --> PutOperand is answered
 *               dropped            --> put (state) while jobs use it, remove once none does
 *
 * This is the only place where the master talks to the store. A record's body is packed like a
 * message (keep_job.c, keep_operand.c), so it is read with a message's distrust.
 *
 * At the start records become what they were: operands first, whose elements stay on disk until a
 * job needs them; jobs that had not ended, which read their operands back and begin anew, with the
 * code that was chosen; and jobs that had, whose products stay on disk until somebody waits.
 * Where the master before this one died, one of the jobs may be why: kofn_jobs_resume.
 *
 * What cannot be that is told apart by what would mend it. Short of memory: the start fails, and
 * the next one may not. What another configuration can mend (limits.memory, algorithms):
 * a job is BLOCKED and an operand listed, and both stay on disk as they are. Neither: DATA_LOSS;
 * such a job is FAILED, on disk too.
 *
 * Each request of a job that is out is an item of it (kofn_job.items), so the job stays.
 *
 * Cost       Two puts a job (three where a code of several tasks was left open) and one remove:
 *            bench_submit measures them (bench/README.md).
 *
 * Threads    The I/O thread. Nothing blocks but new, load and close.
 */
#ifndef KOFN_MASTER_KEEP_H
#define KOFN_MASTER_KEEP_H

#include "master/job.h"
#include "master/store/failpoint.h"
#include "master/store/store.h"

/* Open the store of the configuration; *ret_keep is NULL where it names none. FAILED_PRECONDITION:
 * another process has it open, a newer kofn wrote it, or it is no store. Else what the system
 * says. */
KOFN_MUST_CHECK kofn_status kofn_keep_new(kofn_master *master, kofn_keep **ret_keep,
                                          kofn_error *err);

/* Make of all records what they are, and have what had not ended go on. Once, before the loop. */
KOFN_MUST_CHECK kofn_status kofn_keep_load(kofn_keep *keep, kofn_error *err);

/* Carry out what was asked for, and tell whoever waits for that; jobs that have not ended stay as
 * they are on disk. Accepts NULL. */
void kofn_keep_close(kofn_keep **keep_p);

int kofn_keep_get_fd(const kofn_keep *keep); // readable: call serve
void kofn_keep_serve(kofn_keep *keep);

/* Does something wait for the disk, which has not moved a byte for longer than any disk takes? To
 * be asked at every tick, since that is when it looks. */
bool kofn_keep_is_stuck(kofn_keep *keep, int64_t now_ns);

/* Is there room on disk for so many bytes more? RESOURCE_EXHAUSTED: no; `keep` may be NULL: yes. */
KOFN_MUST_CHECK kofn_status kofn_keep_check_room(kofn_keep *keep, uint64_t bytes, kofn_error *err);

uint64_t kofn_keep_get_bytes(kofn_keep *keep); // stored; 0 for NULL

/* ---- jobs ------------------------------------------------------------------------------------ */

/* Put the record and its operands: kofn_job_on_kept. */
void kofn_keep_job(kofn_job *job);

/* Its code has been chosen: put that. Nobody is told. */
void kofn_keep_choice(kofn_job *job);

/* Put how many ends of masters it may be the cause of: kofn_jobs_take_up. */
void kofn_keep_attempts(kofn_job *job);

/* Put how it ends (job->end), with the product that it has: kofn_job_on_end_kept. */
void kofn_keep_end(kofn_job *job);

/* Put how it ended of one that was lost, and let go of its matrices. Nobody is told. */
void kofn_keep_lost(kofn_job *job);

/* Let go of the product on disk, of a job that is over. */
void kofn_keep_drop_product(kofn_job *job);

/* Read an operand of its own, or its product: kofn_job_on_operand, kofn_job_on_product. */
void kofn_keep_fetch_operand(kofn_job *job, size_t operand);
void kofn_keep_fetch_product(kofn_job *job);

/* The job is about to be forgotten. */
void kofn_keep_forget(const kofn_job *job);

/* ---- operands -------------------------------------------------------------------------------- */

typedef struct kofn_kept_operand {
    uint64_t id;
    const char *owner, *key; // key: without the owner
    bool transposed, dropped;
    kofn_dtype dtype;
    size_t rows, cols;
    int64_t stored_ms; // Unix time
} kofn_kept_operand;

/* `why`: NULL, or why not. `elements`: of a fetch, to be taken. */
typedef void kofn_kept_operand_done(void *operand, const kofn_error *why, kofn_bands *elements);

/* Put the record, with `bands` where they are not NULL; borrowed until done. */
void kofn_keep_operand(kofn_keep *keep, const kofn_kept_operand *what, const kofn_bands *bands,
                       kofn_kept_operand_done *done, void *operand);
void kofn_keep_fetch_elements(kofn_keep *keep, uint64_t id, kofn_kept_operand_done *done,
                              void *operand);
void kofn_keep_remove_operand(kofn_keep *keep, uint64_t id, kofn_kept_operand_done *done,
                              void *operand); // done may be NULL

/* ---- for keep_*.c ---------------------------------------------------------------------------- */

enum { KOFN_KEEP_PRODUCT_SLOT = KOFN_OPERANDS_MAX }; // operands have those below

typedef struct kofn_keep_request kofn_keep_request;
struct kofn_keep_request {
    kofn_store_request store;
    kofn_keep *keep;
    kofn_wire_buffer body;
    void (*done)(kofn_keep_request *request); // with the result in `store`; it is freed afterwards
    void *about;                              // a job, an operand
    kofn_kept_operand_done *operand_done;
    TAILQ_ENTRY(kofn_keep_request) of_out;
};

/* Short of memory: NULL, and *err says so. */
kofn_keep_request *kofn_keep_request_new(kofn_keep *keep, kofn_store_verb verb,
                                         kofn_store_kind kind, uint64_t id, kofn_error *err);
void kofn_keep_request_destroy(kofn_keep_request **request_p); // that was not submitted
void kofn_keep_submit(kofn_keep_request **request_p);          // its body is that of the record

const kofn_log *kofn_keep_get_log(const kofn_keep *keep);

/* What a fetch brought, in bands that can be sent. */
KOFN_MUST_CHECK kofn_status kofn_keep_take_fetched(kofn_keep_request *request,
                                                   kofn_bands *ret_bands, kofn_error *err);

/* Is what came from disk the matrix that its record told? DATA_LOSS: another, however whole. */
KOFN_MUST_CHECK kofn_status kofn_keep_check_shape(const kofn_bands *bands, kofn_dtype dtype,
                                                  size_t rows, size_t cols, kofn_error *err);

/* One record, at the start. A broken one: kind and id alone. */
KOFN_MUST_CHECK kofn_status kofn_keep_restore_operand(kofn_master *master,
                                                      const kofn_store_record *record,
                                                      const kofn_error *broken, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_keep_restore_job(kofn_master *master,
                                                  const kofn_store_record *record,
                                                  const kofn_error *broken, kofn_error *err);

int64_t kofn_unix_ms(void);
int64_t kofn_unix_ms_at(int64_t moment_ns);      // of a moment of kofn_clock_ns
int64_t kofn_moment_of_unix_ms(int64_t unix_ms); // and back; before the boot: negative

#endif
