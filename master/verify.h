/* How a job's answers are verified: one by one against the operands, or all together by parity.
 *
 *     freivalds   PREPARING: halves of the operands (freivalds.h), by a coder
 *                 RUNNING:   each answer is checked before the scheduler hears of it (fleet.c)
 *     parity      RUNNING:   2 b answers more are waited for
 *                 DECODING:  who lies, before the plan is made of the others' answers (decode.c)
 *
 * Whoever is found to lie goes into quarantine (quarantine.h).
 *
 * Threads    The I/O thread; what is said to be a coder's, there.
 */
#ifndef KOFN_MASTER_VERIFY_H
#define KOFN_MASTER_VERIFY_H

#include "common/code/freivalds.h"
#include "common/code/liars.h"
#include "master/quarantine.h"

typedef struct kofn_job kofn_job;
typedef struct kofn_job_order kofn_job_order; // jobs.h

typedef enum kofn_verify { // choices of `verify`, in their order
    KOFN_VERIFY_NONE,
    KOFN_VERIFY_FREIVALDS,
    KOFN_VERIFY_PARITY,
} kofn_verify;

typedef struct kofn_verification { // of a job
    kofn_verify how;
    bool by_default;       // nobody asked for it: where it cannot be had, something else will do
    bool yielded;          // and it does
    bool told;             // of a whole: which was logged
    kofn_freivalds *check; // freivalds: from when its code is known
    kofn_giver *givers;    // [code->tasks] parity: whose the kept answers are
    double slack;          // parity: kofn_liars.slack, once it is decoded
    double wrong;          // freivalds: most of what kept answers may be wrong by
    size_t unchecked;      // and of so many of them it could say nothing
    size_t refuted;        // answers; this and the names outlive the work
    char liars[sizeof((kofn_msg_job *)0)->liars];
} kofn_verification;

const char *kofn_verify_name(kofn_verify how); // none, freivalds, parity

/* What the order says of it, or else the configuration, into job->verification and job->accept: of
 * an order from the disk what it was taken with. INVALID_ARGUMENT: no such name; liars without
 * parity; freivalds of an outer product that asks for it. */
KOFN_MUST_CHECK kofn_status kofn_verify_read(const kofn_job_order *order, kofn_job *job,
                                             kofn_error *err);

/* It cannot be had for this job. True: nobody asked for it, and there is another way from now on,
 * if only none. */
bool kofn_job_yield_verify(kofn_job *job);

/* kofn_job_run(job, code), or of a stream kofn_stream_on_ready, once there is what its answers are
 * checked by. */
void kofn_job_run_verified(kofn_job *job, kofn_code *code);

/* A coder's: are its answers wrong? Of those that `decoder` has; *ret_rest has the others, or is
 * NULL where all are right. Ownership: kofn_decoder_destroy. Errors of kofn_liars_find. */
KOFN_MUST_CHECK kofn_status kofn_job_find_liars(const kofn_job *job, const kofn_decoder *decoder,
                                                kofn_liars *ret_liars, kofn_decoder **ret_rest,
                                                kofn_error *err);

/* What an answer may be wrong by (decode_plan.h): what plans are made for, usually rounding alone,
 * so that estimates are as good as without; and beyond that, unseen by whatever verified them.
 * INFINITY: nobody knows. */
double kofn_job_get_noise(const kofn_job *job, const kofn_coding *coding);
double kofn_job_get_doubt(const kofn_job *job);

/* Likewise, of the answers that were kept: each is no more wrong than it was seen to be. */
double kofn_job_get_seen_noise(const kofn_job *job);

/* freivalds: of an answer that is kept. */
void kofn_job_note_look(kofn_job *job, const kofn_freivalds_look *look);

void kofn_job_note_liar(kofn_job *job, const kofn_giver *who);
void kofn_verification_release(kofn_verification *verification); // but for the account

#endif
