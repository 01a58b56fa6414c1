/* A job: what a product goes through in the master, from its operands to its result.
 *
 *     RECEIVING   operands are coming in
 *     STORING     it and its operands are on their way to disk, or from there
 *     PREPARING   the code is being completed and built (a coder), or waits for a worker
 *     RUNNING     the scheduler has it: tasks are encoded, sent, answered
 *     DECODING    the answers suffice: a coder rebuilds the product, or the estimate of it that the
 *                 job accepts
 *     BLOCKED     it is on disk, and this master cannot take it up: another configuration can
 *     ENDING      how it ends is known, and is on its way to disk: nobody is told yet
 *     DONE        the product is there (or was, and has been fetched)
 *     FAILED, CANCELLED
 *
 * A job is a record before it is work: it has an id, its parameters and its times from the moment
 * it is accepted, and keeps them after it ended, until newer records push it out.
 *
 *     job.c        states, and what a record holds       build.c   PREPARING: its code
 *     check.c      PREPARING: its operands' elements     choose.c  PREPARING: which code
 *     encode.c     RUNNING: blocks for tasks             decode.c  DECODING: its product
 *     recode.c     RUNNING: tasks for what is late
 *     try.c        RUNNING: do the answers suffice?
 *     account.c    what clients are told of it           accept.c  orders become jobs (jobs.h)
 *     durable.c    STORING, ENDING: to disk and back     keep.h    what is on disk, and how
 *     sparse.c     PREPARING: what is not zero of sparse operands (sparse.h)
 *     verify.c     PREPARING, DECODING: are answers right?
 *     integers.c   products of integers, which are put together from other jobs' (integers.h)
 *
 * Pass-through  A block that needs no arithmetic and no cutting leaves in the frames in which it
 *               came: the whole product of a small job, an operand that is not partitioned, and an
 *               answer that is the product. So does a block of a stored operand that was kept.
 * Threads       The I/O thread; coders' items own their inputs while they run.
 */
#ifndef KOFN_MASTER_JOB_H
#define KOFN_MASTER_JOB_H

#include "common/code/batch.h"
#include "common/code/coding.h"
#include "master/coded.h"
#include "master/owned_keys.h"
#include "master/root.h"
#include "master/sparse.h"
#include "master/sched/timers.h"
#include "master/verify.h"
#include "proto/messages.h"
#include "proto/transfer.h"

#include <sys/queue.h>

typedef struct kofn_job kofn_job;

typedef enum kofn_job_state {
    KOFN_JOB_RECEIVING,
    KOFN_JOB_STORING,
    KOFN_JOB_PREPARING,
    KOFN_JOB_RUNNING,
    KOFN_JOB_DECODING,
    KOFN_JOB_BLOCKED,
    KOFN_JOB_ENDING,
    KOFN_JOB_DONE,
    KOFN_JOB_FAILED,
    KOFN_JOB_CANCELLED,
} kofn_job_state; // the last four are over, and of the last three people know

typedef struct kofn_request kofn_request; // session.h
typedef TAILQ_HEAD(kofn_request_list, kofn_request) kofn_request_list;

/* Who is told of a job's life: the sessions. */
struct kofn_audience {
    void (*moved)(kofn_job *job); // to another state: watchers want to know. May not end jobs.
    /* Ended: whoever waits gets the outcome; pushes not while it is held back. Called once, after
     * moved. */
    void (*over)(kofn_job *job);
    void (*turn)(kofn_job *job); // over, and held back no more
    /* Pushed again: earlier pushes wait for it no longer, and are told why. */
    void (*superseded)(kofn_job *job, const kofn_error *why);
    void (*accepted)(kofn_job *job); // it will not be lost any more: whoever submitted it may know
    /* Of a job that is over: its product is in memory again, or why not (else NULL). */
    void (*loaded)(kofn_job *job, const kofn_error *why);
    /* It goes on when the master is started again: whoever waits is told that. */
    void (*suspended)(kofn_job *job, const kofn_error *why);
};

/* Workers that are there, as measured or as the configuration has it; what neither says is
 * assumed. */
typedef struct kofn_measured {
    kofn_plan_machine machine; // its `at` is `at`
    kofn_plan_worker *at;      // [machine.workers]
    bool known;                // nothing had to be assumed
} kofn_measured;

/* Who takes tasks to workers: the fleet. None of these ends a job or calls back into jobs; what
 * they learn of a worker goes to the scheduler, whose actions kofn_jobs_act carries out later. */
struct kofn_carrier {
    /* SEND: note the assignment; its blocks follow with send, or fail says that they will not. */
    void (*assign)(kofn_fleet *fleet, const kofn_action *action, kofn_job *job);
    /* The assignment's blocks, one of each operand, which are ref'd. False: it is over. */
    bool (*send)(kofn_fleet *fleet, uint64_t assignment, const kofn_bands *const *blocks);
    /* Its answer of this task was wrong: it is in quarantine from now on. */
    void (*quarantine)(kofn_fleet *fleet, const kofn_giver *who, kofn_job *job, size_t task);
    void (*fail)(kofn_fleet *fleet, uint64_t assignment, const kofn_error *why);
    void (*cancel)(kofn_fleet *fleet, uint64_t assignment);
    /* The scheduler has the job, and nothing of it was sent; it has ended. */
    void (*begin)(kofn_fleet *fleet, kofn_job *job);
    void (*over)(kofn_fleet *fleet, const kofn_job *job);
    /* What the workers are, for planning. RESOURCE_EXHAUSTED. Ownership: free(ret->at). */
    kofn_status (*measure)(const kofn_fleet *fleet, kofn_measured *ret, kofn_error *err);
};

/* Moments of a job's life, monotonic; 0: not reached. */
typedef struct kofn_job_times {
    int64_t accepted_ns, received_ns, ended_ns;
    int64_t heard_ns;             // its client last sent operand blocks, of this job or others
    int64_t sent_ns;              // the scheduler gave out the first task
    int64_t left_ns;              // the last task so far was handed to its connection, whole
    int64_t enough_ns;            // the answers sufficed
    int64_t encode_ns, decode_ns; // of the compute threads
} kofn_job_times;

/* Bytes of elements that are looked at on the I/O thread: some 20 us, less than the way to another
 * thread and back. */
enum { KOFN_CHECK_AT_ONCE = 64 << 10 };

/* Of a request as it is packed: what the same key must come with again. The key is its owner's, so
 * whoever finds two requests of one digest (BLAKE2b) misleads nobody else. */
typedef struct kofn_order_digest {
    unsigned char at[16];
} kofn_order_digest;

typedef struct kofn_queued_task kofn_queued_task; // a task that waits to be encoded
typedef struct kofn_recode kofn_recode;           // tasks that are being made
typedef struct kofn_parts kofn_parts;             // integers.h
typedef struct kofn_stream kofn_stream;           // streams.h

struct kofn_job {
    uint64_t id;
    char name[KOFN_ID_MAX]; // the id as clients see it
    kofn_job_state state;
    kofn_master *master;

    uint64_t session;            // who asked: turns are by connection, of one from disk by owner
    char owner[KOFN_CURVE_TEXT]; // and whose it is (asker.h)
    kofn_owned_key key;          // idempotency key
    kofn_wire_buffer order;      // kept on disk: the request, packed
    kofn_order_digest digest;    // with a key or on disk: of the request
    bool keep;                   // submitted: the product waits to be fetched
    int64_t deadline_ns;
    kofn_request_list requests; // that wait for or watch this job

    const kofn_field *field; // a ref of it; of integers: that of the first prime
    kofn_parts *parts;       // of a product of integers; NULL: of any other
    kofn_job *whole;         // of a part that works: what it is a part of
    bool is_part;
    kofn_stream *stream;              // that it has a place in; NULL: none, or not any more
    char stream_name[KOFN_ID_MAX];    // that it was pushed to; "": none
    uint64_t index;                   // of a stream: its number there
    uint64_t born, finished;          // rounds
    bool held_back;                   // pushes wait: a job before it is not over
    bool orphan;                      // the connection that its blocks came by is gone
    bool outer;                       // the product's form
    kofn_batch *batch;                // which products, while there is work; NULL: one
    size_t pairs;                     // of the batch; 0: it is none
    kofn_msg_compression compression; // of its operands, as the client says; method "": none
    kofn_job_sparse sparse;           // which operands are, and what it makes of the job
    kofn_extents extents;             // of its operands, after transposition
    kofn_shape shape;                 // of the product; as kofn_coding has it
    bool transposed[KOFN_OPERANDS_MAX];
    char policy[KOFN_NAME_MAX];
    kofn_accept accept; // what it is done with
    kofn_verification verification;
    kofn_code_spec spec;
    kofn_code *code;
    kofn_coding coding;

    kofn_assembler operands;                 // all of them: also refs of those that are stored
    kofn_operand *stored[KOFN_OPERANDS_MAX]; // held while there is work; NULL: came with the order
    kofn_bands *plain[KOFN_OPERANDS_MAX];    // blocks that were copied out once, by number
    kofn_queued_task *sends;                 // tasks that wait for the next encode
    size_t send_count, send_capacity;
    size_t blocks_reused; // coded blocks sent that another job had made
    size_t blocks_spared; // and those not sent, since their workers have them
    bool encoding;        // an encode item is out: one at a time
    kofn_recode *recode;  // is done, and waits until that is
    kofn_trial *trial;    // that is out, of its item; NULL: none
    size_t items;         // out, of the coders and the store: the record stays for them
    kofn_bands *answers;  // [code->tasks]: those kept
    bool nonfinite;       // an answer that was used holds NaN or Inf
    kofn_decode_plan plan;
    kofn_bands product;
    bool has_product; // that can be fetched

    bool durable;             // its record is on disk, or about to be
    bool on_disk;             // committed
    bool choice_on_disk;      // its code is complete there
    bool product_on_disk;     // of has_product
    bool product_away;        // there alone: the bands have a shape and no elements
    bool product_coming;      // from there
    bool fetched;             // is in the list of those that are only kept on disk
    bool lost;                // a record that could not be read: nobody knows whose
    bool suspect;             // is in the list of those that are to be tried alone
    uint64_t attempts;        // 1: it saw a master die; and one for each time it was tried alone
    bool suspended;           // the master stops: what becomes of it now is of no account
    unsigned absent;          // bit o: operand o is not in memory
    size_t loading;           // operands on their way
    kofn_job_state end;       // ENDING: what comes next
    kofn_wire_buffer account; // of one that ended in an earlier life of the master; packed

    size_t answers_used; // these outlive the plan
    kofn_span_quality quality;
    bool estimate;                     // of the product, not the product
    double error_bound, error_opinion; // account.c

    size_t charge;    // bytes
    kofn_error error; // why it failed
    kofn_job_times times;
    kofn_sched_job_view last; // the scheduler's account, as far as it is known without it
    bool waited;
    kofn_timer due; // when it is to be looked at, for its deadline
    bool waits;     // is in the list of those that wait for a worker
    bool touched;   // has tasks that wait to be encoded
    TAILQ_ENTRY(kofn_job) of_touched;
    TAILQ_ENTRY(kofn_job) of_fetched;
    TAILQ_ENTRY(kofn_job) of_stage; // waiting for a worker; kept with its product; ended
    TAILQ_ENTRY(kofn_job) of_all;
};

typedef enum kofn_job_event {
    KOFN_JOB_EV_STORING,  // all operand blocks are there or on disk
    KOFN_JOB_EV_RECEIVED, // all operands are in memory, and on disk where they must be
    KOFN_JOB_EV_BUILT,    // the scheduler has it
    KOFN_JOB_EV_ENOUGH,   // the answers suffice for what it accepts
    KOFN_JOB_EV_DECODED,  // the product is there
    KOFN_JOB_EV_BROKEN,   // it cannot go on
    KOFN_JOB_EV_CANCEL,   // nobody wants it any more
    KOFN_JOB_EV_ENDING,   // one of the last three, once it is on disk
} kofn_job_event;

/* Move to the next state. A move that the table does not know is a bug: asserts. */
void kofn_job_move(kofn_job *job, kofn_job_event event);
const char *kofn_job_state_name(kofn_job_state state);
bool kofn_job_is_over(const kofn_job *job);

/* What its client handed in: of a part the whole, else itself. */
const kofn_job *kofn_job_get_whole(const kofn_job *job);

/* ---- through its life ------------------------------------------------------------------------ */

/* All blocks that its client sends are there: put it on disk where it must survive, then start. */
void kofn_job_receive(kofn_job *job);

/* Read the operands that are on disk alone, if there are any; check elements, then choose a code,
 * or wait for a worker to choose it for. */
void kofn_job_start(kofn_job *job);
void kofn_job_check(kofn_job *job);
void kofn_job_begin(kofn_job *job);
void kofn_job_prepare(kofn_job *job);

/* Hand it to the scheduler, with this code; of a stream's job: when its turn comes. */
void kofn_job_run(kofn_job *job, kofn_code *code);

/* Bytes that decoding by a code of this spec takes; and the coefficients, unless it is `known`. */
size_t kofn_code_count_bytes(const kofn_code_spec *spec, const kofn_field *field, bool known);

/* Its code is complete: what survives the master begins again with the same. */
void kofn_job_keep_choice(kofn_job *job);

/* How matrices of the job are coded with this code. */
void kofn_job_init_coding(const kofn_job *job, const kofn_code *code, kofn_coding *coding);

/* What its code is completed for. */
kofn_code_context kofn_job_get_context(const kofn_job *job);

/* What matrix `index` of the assembler is to be: an operand, or a list of a sparse one. Empty. */
kofn_bands kofn_job_describe_matrix(const kofn_job *job, size_t index);

/* Have its code completed where that takes time: planned, or for the pairs of a batch. True:
 * kofn_job_take_choice is called when it is. False: there is nothing to plan, or nothing to plan
 * with. */
bool kofn_job_choose(kofn_job *job);

/* Its code is complete, or why not: build it, unless it is known, and run. */
void kofn_job_take_choice(kofn_job *job, kofn_status status, kofn_error *err);

/* SEND: note the task; kofn_job_send encodes and sends all that were noted. */
void kofn_job_queue_send(kofn_job *job, const kofn_action *action);
void kofn_job_send(kofn_job *job);

/* A task whose worker lacks a block that it was believed to have: its blocks are to be sent
 * again. */
void kofn_job_queue_again(kofn_job *job, size_t task, uint64_t assignment);

/* What one block of an operand is (coded.h). */
kofn_coded_key kofn_job_get_coded_key(const kofn_job *job, size_t operand, size_t task);

/* RECODE: make tasks for what is late. And: go on with them, if they are made and nothing is being
 * encoded. */
void kofn_job_recode(kofn_job *job);
void kofn_job_take_rows(kofn_job *job);

/* TRY: takes the trial, until it has run. And: its outcome is of no use any more. */
void kofn_job_try(kofn_job *job, kofn_trial *trial);
void kofn_job_give_up_trial(kofn_job *job);

/* An answer is complete; takes over its blocks. */
void kofn_job_keep_answer(kofn_job *job, size_t task, const kofn_giver *giver, kofn_bands *blocks,
                          bool nonfinite);

/* DECODE: rebuild the product. */
void kofn_job_decode(kofn_job *job, const kofn_action *action);

/* End a job that has not ended, whatever it is doing: FAILED with this error, or CANCELLED when its
 * status says so. Goes through the scheduler where that has the job. */
void kofn_job_end(kofn_job *job, const kofn_error *why);

/* The same, but one that runs ends only with the next kofn_jobs_act: for ending several, so that
 * none gets the workers of another. */
void kofn_job_stop(kofn_job *job, const kofn_error *why);

/* Likewise, once the scheduler has it no more. */
void kofn_job_break(kofn_job *job, const kofn_error *why);

/* It ends, by DECODED, BROKEN or CANCEL: at once, or once that is on disk. */
void kofn_job_finish(kofn_job *job, kofn_job_event event);

/* What an ended job takes of limits.memory: its product and its record, as long as there is
 * something to fetch; records of others are bounded by their number (results.jobs). A part's is its
 * whole's. */
size_t kofn_job_count_kept_bytes(const kofn_job *job);

/* Common to every end: whoever waits is told, memory is let go, the record joins the ended ones. */
void kofn_job_close(kofn_job *job);

void kofn_bands_array_fini(kofn_bands **bands_p, size_t count); // accepts NULL, NULLs

/* Let go of everything but the record and the product, unless items use it. */
void kofn_job_release_work(kofn_job *job);

/* An item of it is done: the last one of a job that is over lets go of its work. */
void kofn_job_leave(kofn_job *job);

/* Of a job that is over: its product, if it has one, is no longer kept; was fetched, and is kept on
 * disk at most; is not needed in memory, since it is on disk. */
void kofn_job_drop_product(kofn_job *job);
void kofn_job_note_fetched(kofn_job *job);
void kofn_job_put_away_product(kofn_job *job);

/* Have the product read that is on disk alone: the audience's `loaded`. */
void kofn_job_load_product(kofn_job *job);
void kofn_job_destroy(kofn_job **job_p);

/* ---- from the disk (keep.h): `why` is NULL, or why not --------------------------------------- */

void kofn_job_on_kept(kofn_job *job, const kofn_error *why);
void kofn_job_on_end_kept(kofn_job *job, const kofn_error *why);
void kofn_job_on_operand(kofn_job *job, size_t operand, kofn_bands *bands, const kofn_error *why);
void kofn_job_on_product(kofn_job *job, kofn_bands *bands, const kofn_error *why);

/* The state it is in; of one that is ENDING: that will be. */
kofn_job_state kofn_job_get_end(const kofn_job *job);

const char *kofn_job_accept_name(kofn_accept_kind kind); // as on the wire

/* The account, for clients. Cleared by the caller (kofn_message_clear). */
KOFN_MUST_CHECK kofn_status kofn_job_describe(const kofn_job *job, kofn_msg_job *ret_message,
                                              kofn_error *err);

/* The same as of its end, for one that is ENDING. */
KOFN_MUST_CHECK kofn_status kofn_job_describe_end(const kofn_job *job, kofn_msg_job *ret_message,
                                                  kofn_error *err);

#endif
