/* All jobs of the master: found by id and by key, counted, bounded, ended and forgotten.
 *
 * Memory     Each job is charged with an estimate when it is accepted: operands (but for those that
 *            are stored), product, and the answers and coded blocks on the way. What does not fit
 *            is refused. A kept product is charged with its size and its record's; a record alone
 *            is not: their number is bounded.
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_JOBS_H
#define KOFN_MASTER_JOBS_H

#include "master/choices.h"
#include "master/job.h"

KOFN_MUST_CHECK kofn_status kofn_jobs_new(kofn_master *master, kofn_jobs **ret_jobs,
                                          kofn_error *err);
void kofn_jobs_destroy(kofn_jobs **jobs_p);

/* What a call asks for. */
struct kofn_job_order {
    const kofn_msg_product *product;
    const char *key;
    uint64_t session;
    const kofn_asker *asker;
    int64_t deadline_ns;
    bool keep;
    kofn_stream *stream; // that it is pushed to, as the product's field says; NULL: to none
    uint64_t index;
    const char *verify; // from the disk: what it was taken with; NULL or "": what it says
    uint64_t liars;
};

/* Check everything that can be checked without operands and open a record, or find the one with the
 * same key (*ret_known). Whether the job can get what it accepts is checked here where the order
 * names the code, and else when that is chosen. INVALID_ARGUMENT, UNIMPLEMENTED, NOT_FOUND: the
 * order is wrong. RESOURCE_EXHAUSTED: too many jobs or bytes, and when *ret_never a single job's:
 * no later try will do. UNAVAILABLE: the master is stopping. ALREADY_EXISTS: the key belongs to
 * another order. Of a stream a wrong order is a job all the same, which is to be broken by its
 * error. */
KOFN_MUST_CHECK kofn_status kofn_jobs_accept(kofn_jobs *jobs, const kofn_job_order *order,
                                             kofn_job **ret_job, bool *ret_known, bool *ret_never,
                                             kofn_error *err);

/* ---- from the disk (keep.h) ------------------------------------------------------------------ */

/* A job as it was kept. Everything in it is borrowed. */
typedef struct kofn_kept_job {
    uint64_t id;
    const char *owner, *key;
    kofn_wire_raw order;
    int64_t accepted_ns, ended_ns,
        deadline_ns; // of kofn_clock_ns; accepted may lie before the boot

    const kofn_msg_product *product; // of one that had not ended: the order
    kofn_code_spec spec;
    const char *policy;
    const char *verify; // what it was taken with; "": an older master put it there
    uint64_t liars;
    uint64_t attempts;

    const kofn_msg_job *account; // of one that had
    kofn_job_state state;
    bool has_product, lost;
    bool stale;       // on disk it is otherwise: what is here is to be put
    kofn_dtype dtype; // of the product
    size_t rows, cols;
} kofn_kept_job;

/* One that had not ended is listed again, to be resumed. Then it is not: RESOURCE_EXHAUSTED: no
 * memory. DATA_LOSS: an operand of it is not there. Others, as of kofn_jobs_accept: this master
 * cannot. */
KOFN_MUST_CHECK kofn_status kofn_jobs_restore(kofn_jobs *jobs, const kofn_kept_job *kept,
                                              kofn_error *err);

/* One of the last kind is listed all the same, BLOCKED, and holds the operands that it names: on
 * disk nothing changes. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_jobs_restore_blocked(kofn_jobs *jobs, const kofn_kept_job *kept,
                                                      const kofn_error *why, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_jobs_restore_ended(kofn_jobs *jobs, const kofn_kept_job *kept,
                                                    kofn_error *err);

/* All are restored: go on with those that had not ended. `crashed`: the master before this one died
 * without a word, and one of them may be why. Those that saw one such end are begun together; those
 * that saw two one after another, each when the one before it is over and a worker is there. Who is
 * tried so when the master dies, three times, is FAILED. */
void kofn_jobs_resume(kofn_jobs *jobs, bool crashed, size_t *ret_jobs, size_t *ret_results);

/* What kofn_keep_attempts put is on disk: the job begins now, or in its turn. */
void kofn_jobs_take_up(kofn_jobs *jobs, kofn_job *job);

/* ---- for accept.c ---------------------------------------------------------------------------- */

/* A record of zeros that knows its master. NULL: no memory. Ownership: kofn_job_destroy, until it
 * is listed. */
kofn_job *kofn_jobs_new_record(kofn_jobs *jobs);
void kofn_jobs_free_record(kofn_jobs *jobs, kofn_job *job); // for job.c

/* Forget records beyond those that are kept. No job pointer may be held meanwhile. */
void kofn_jobs_trim(kofn_jobs *jobs);

/* Give the job an id, unless it has one, and list it; one that is over among those that have ended.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_jobs_add(kofn_jobs *jobs, kofn_job *job, kofn_error *err);
kofn_job *kofn_jobs_find_key(kofn_jobs *jobs, const kofn_owned_key *key); // NULL: none has it
void kofn_jobs_forget_key(kofn_jobs *jobs, const kofn_job *job); // it is another's, or nobody's
kofn_master *kofn_jobs_get_master(const kofn_jobs *jobs);

/* ---- views ----------------------------------------------------------------------------------- */

/* NULL: not known, a part (integers.h), or no id at all. Neither does the list have parts. */
kofn_job *kofn_jobs_find(kofn_jobs *jobs, const char *name);

/* Those that `who` may see, newest first, at most `limit`. ret_jobs has room for limit; returns how
 * many. */
size_t kofn_jobs_list(kofn_jobs *jobs, const kofn_asker *who, size_t limit, kofn_job **ret_jobs);

typedef struct kofn_jobs_totals {
    size_t running, queued, memory;
    uint64_t done, failed;
} kofn_jobs_totals;

void kofn_jobs_get_totals(const kofn_jobs *jobs, kofn_jobs_totals *ret_totals);

/* End all that have not ended: the master stops. Those that are kept on disk go on when it is
 * started again; their number is returned. */
size_t kofn_jobs_end_all(kofn_jobs *jobs, const kofn_error *why);

/* Make room: in memory, of products that are on disk as well; on disk, of products that were
 * fetched. */
void kofn_jobs_yield_memory(kofn_jobs *jobs, size_t bytes);
void kofn_jobs_yield_disk(kofn_jobs *jobs, uint64_t bytes);

/* ---- for jobs and the fleet ------------------------------------------------------------------ */

/* Carry out the scheduler's actions. Call after each of its events; may be called again from
 * within. */
void kofn_jobs_act(kofn_jobs *jobs);

/* For a walk over what actions may free: from hold to release there are none, and then those that
 * came up. Not from within kofn_jobs_act. */
void kofn_jobs_hold(kofn_jobs *jobs);
void kofn_jobs_release(kofn_jobs *jobs);

/* The job waits for a worker to join; it has tasks to encode; it has ended. */
void kofn_jobs_add_waiting(kofn_jobs *jobs, kofn_job *job);
void kofn_jobs_add_touched(kofn_jobs *jobs, kofn_job *job);
void kofn_jobs_add_ended(kofn_jobs *jobs, kofn_job *job);
void kofn_jobs_set_aside(kofn_jobs *jobs, kofn_job *job); // it waits for nothing any more
void kofn_jobs_count_move(kofn_jobs *jobs, const kofn_job *job, kofn_job_state from); // it moved
void kofn_jobs_change_charge(kofn_jobs *jobs, kofn_job *job, size_t charge);

/* Its product was fetched, and is on disk alone; or is gone, and only the record is left. */
void kofn_jobs_add_fetched(kofn_jobs *jobs, kofn_job *job);
void kofn_jobs_add_dropped(kofn_jobs *jobs, kofn_job *job);

/* A code that was built before for the same spec, in the same way (staged.h), or NULL; and one to
 * be found next time. */
kofn_code *kofn_jobs_find_code(kofn_jobs *jobs, const kofn_field *field, const kofn_code_spec *spec,
                               bool staged);
void kofn_jobs_keep_code(kofn_jobs *jobs, const kofn_code_spec *spec, bool staged, kofn_code *code);

/* Which codes were planned; theirs to keep. */
kofn_choices *kofn_jobs_get_choices(kofn_jobs *jobs);

/* Why an upload must end now: its deadline came, or nothing of it for too long. OK: it need not. */
KOFN_MUST_CHECK kofn_status kofn_upload_check(int64_t deadline_ns, int64_t heard_ns, int64_t now_ns,
                                              kofn_error *err);

/* A worker joined: jobs that waited for one may be prepared. */
void kofn_jobs_on_worker(kofn_jobs *jobs);

/* Deadlines while the scheduler has not got a job, uploads that stopped, products that waited too
 * long. */
void kofn_jobs_on_tick(kofn_jobs *jobs, int64_t now_ns);

#endif
