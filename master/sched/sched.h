/* The scheduler: events in, actions out. No socket, clock, thread or random source of its own.
 *
 *     job_add, job_cancel                          SEND    put this task on that worker
 *     worker_join, worker_leave, worker_lose, -->  CANCEL  the worker may drop it
 *     worker_die, answer, task_fail, tick,         DECODE  the answers kept so far suffice
 *     stream_open, stream_close, job_recode,               for what the job accepts
 *     job_tried                                    FAIL    the job cannot or may not go on
 *                                                  RECODE  make rows for what is late
 *                                                  TRY     find out whether they suffice
 *
 * The daemon drives it with real time, the tests with a script, the simulator with virtual time.
 * The same calls give the same actions: ties are broken by number, never by address.
 *
 * What it knows of a job is its code (rows, and through the decoder which sets of answers suffice)
 * and its policy. What a policy decides: which task goes next to a free worker, and what happens
 * when an answer, a loss or time arrives. What it does not decide: credit, fairness between
 * clients (each client in turn, its jobs in order of arrival), decodability, deadlines, losses.
 *
 * Workers     Least loaded first (so a second task only where all have their first), then fastest,
 *             then lowest number; one without a task of the job before any that has one. A failure
 *             counts as one more task until the worker answers again.
 * Spared work Once a group of a code (code.h) has what its tasks could give, those that are out are
 *             cancelled and those that are queued are not sent.
 * Lost work   When a worker is lost, or fails a task, what it held is queued again only if the
 *             answers kept and the tasks still out or queued cannot suffice. Of a code with a
 *             reserve a fresh row of the same group is queued instead of a lost one, until all were
 *             sent; under two_stage, where lost ones cost no arithmetic, it is that one. A job
 *             without any live worker waits for one until its deadline.
 * Held work   A worker may have an answer of a job from before its connection, or this process, was
 *             new. A job that can use it adopts it: the task is out there, beyond the worker's
 *             credit, since there is nothing to be sent or computed; where another has the task,
 *             beside it.
 * Affinity    A worker that has coded blocks of a queued task gets that one before others, and
 *             others leave it to it as long as it could take it at once, without another task of
 *             the job and no slower than half the median. Whoever is free never waits for one that
 *             is not.
 * Liars       A job may be held against b workers that lie, in whatever they answer: it ends when
 *             without the answers of any 2 b of them as many are left as its product takes
 *             (liars.h), k + 2 b where each gave one. Every distinct answer is of use then,
 *             whichever it is; its code is one any k answers of which suffice. Who has its share of
 *             the tasks, as many as it takes of each of the workers there are, gets another only
 *             where no other lives that could do that and has none to do; and nobody more than (n -
 *             k) / 2 b, so that all n always do. Where workers are too few for that, others have
 *             the time of grace (deaths.h) to come.
 * Deaths      A task that one worker after another dies of fails its job (deaths.h), if the job
 *             does not end without it while proof is held back. Before that, as a suspect, it runs
 *             where nothing else does: it is sent before all others, if need be to the first worker
 *             that is kept free for it. Who died of it waits for those who have not, busy or not.
 * Failures    DEADLINE_EXCEEDED, CANCELLED. ABORTED: a task failed on three distinct workers.
 *             UNAVAILABLE: it failed on all the workers there are. FAILED_PRECONDITION: all answers
 *             are here and do not suffice (rounding), workers died of a task, or are too few to
 *             tell who lies. RESOURCE_EXHAUSTED: no memory.
 * Estimates   A job may accept an estimate of the product: what its family promises of so many
 *             answers, or whatever has a small enough bound (worth.h). Then it may allow time for
 *             the product itself: for `settle_ns` it goes on, tasks are still sent, and an answer
 *             that completes the set ends it. With `best` it accepts, at its deadline or when no
 *             further answer can come, the best estimate from the answers there are, unless there
 *             are none.
 * Bad sets    A set that is decodable but POOR waits for better answers that are due, all in all
 *             for `wait_for_better_ns` at most; then DECODE says `waited`. Nothing more is sent
 *             meanwhile.
 * Trials      Whether a large set suffices takes longer to find out than this thread has: then TRY
 *             asks another one (trial.h), nothing is sent meanwhile, and answers are kept as
 *             always.
 * Streams     Jobs of a stream share rounds (rounds.h): which row goes to which worker, and when,
 *             is decided there, by slots. Slots are bound to workers, each with one slot of a
 *             stream: those with the fewest slots of others, then the fastest. Who is lost leaves a
 *             vacancy that the next worker takes which has no slot of the stream, at once if there
 *             is one; who leaves does what it has. Credit, turns and deadlines hold as for all
 *             jobs, and the oldest job of a stream takes the turns of all. What came to nothing is
 *             given again by its rounds, and is no reason to give up but on all workers of the
 *             stream (UNAVAILABLE), or three (ABORTED). No set is POOR, since rounds do not wait.
 *             Deaths of any rows of a job count together, until a row that was sent after the last
 *             one is answered. A suspect gets one row out at a time, to a worker that has nothing
 *             else.
 * Units       Times are absolute monotonic nanoseconds given by the caller; never decreasing.
 * Cost        O(log) in workers and jobs for each event and action. On one core of an AMD EPYC, a
 *             whole job of one task, job_add to job_forget: 1.3 us; with 10,000 workers and
 *             10,000 jobs at a time: 4.5 us. A mini-task of a stream of 1,000 slots, sent and
 *             answered or cancelled: 0.9 us.
 * Threads     One thread at a time. Nothing blocks.
 */
#ifndef KOFN_MASTER_SCHED_SCHED_H
#define KOFN_MASTER_SCHED_SCHED_H

#include "common/base/keys.h"
#include "common/code/decoder.h"
#include "master/sched/rounds.h"

#include <stdint.h>

typedef struct kofn_sched kofn_sched;
typedef struct kofn_trial kofn_trial;

enum { KOFN_CREDIT_MAX = 256 }; // tasks that a worker takes at a time

/* How jobs are spread over workers; further policies are further files (policy.h). */
typedef struct kofn_sched_config {
    double backup_factor;         // speculative: a copy goes out past this times the median task
    int64_t backup_floor_ns;      // and never before this
    double backup_quantile;       // and not before this share of the tasks has answered (0.5)
    double stage_factor;          // two_stage: coded tasks go out past this times
    double stage_quantile;        // what this share of the first ones took; 0: the fastest
    int64_t stage_floor_ns;       // and never before this
    int64_t wait_for_better_ns;   // longest wait for one more answer to a POOR set
    double max_amplification;     // what makes a set POOR; 0: the decoder's default
    double trial_multiplications; // no key: of an elimination that needs a trial; 0: trial.h's
    /* For simulation, and no key: any `threshold` answers of a code that is certain suffice,
     * whatever they are. */
    bool count_only;
} kofn_sched_config;

/* The table of the keys above, with their defaults, for the master's configuration. */
extern const kofn_keys kofn_sched_keys;

typedef enum kofn_accept_kind {
    KOFN_ACCEPT_PROMISE, // what the code's family promises: the product, or from code->enough
                         // answers on an estimate of it
    KOFN_ACCEPT_EXACT,   // the product
    KOFN_ACCEPT_ERROR,   // whatever has a bound of at most `error`
} kofn_accept_kind;

/* What ends a job well. Zeroed: the promise, at once. */
typedef struct kofn_accept {
    kofn_accept_kind kind;
    double error;      // of |C' - C| / (|A| |B|): more than 0
    bool best;         // when time or answers run out: the best estimate
    int64_t settle_ns; // once an estimate would do: wait so long for the product
    size_t liars; // b: so many workers may lie (liars.h), and it takes 2 b answers more than the
                  // product does, or yet more; then it accepts nothing else
} kofn_accept;

/* Answers that what is accepted takes in the worst case; where that is an error, what the product
 * takes, or all there are; where workers may lie, if each gives one. */
size_t kofn_accept_enough(const kofn_accept *accept, const kofn_code *code);

/* Can all tasks of the code together give what is accepted? INVALID_ARGUMENT: they cannot, or the
 * error is none; with the nearest that works. OUT_OF_RANGE: with so many liars they cannot, n < k +
 * 2 b. kofn_sched_job_add asks for itself, but for what takes time: whether the error can be
 * reached. */
KOFN_MUST_CHECK kofn_status kofn_accept_check(const kofn_accept *accept, const kofn_code *code,
                                              kofn_error *err);

/* The last is for another thread, and not tried for a code of more than some 0.2 s. noise: as
 * below. */
KOFN_MUST_CHECK kofn_status kofn_accept_check_reach(const kofn_accept *accept, kofn_code *code,
                                                    double noise, kofn_error *err);

typedef struct kofn_sched_job {
    uint64_t id;         // not zero, not known yet
    uint64_t client;     // whose turn it takes
    kofn_code *code;     // ref'd
    const char *policy;  // a name that kofn_policy_find knows, or "rounds"
    int64_t deadline_ns; // KOFN_NEVER_NS: none
    double task_flops;   // work of one task: what times are compared by
    kofn_accept accept;
    double noise;    // relative rounding error of an answer (kofn_coding_get_noise)
    uint64_t stream; // that it is a job of, with policy "rounds"; 0: none
} kofn_sched_job;

typedef enum kofn_action_kind {
    KOFN_ACTION_SEND,
    KOFN_ACTION_CANCEL, // the assignment is over: its answer would be dropped
    KOFN_ACTION_DECODE, // the job is over for the scheduler: nothing of it is out any more
    KOFN_ACTION_FAIL,   // likewise
    KOFN_ACTION_RECODE, // rows for the reserve of its code are wanted: kofn_sched_job_recode follows
    KOFN_ACTION_TRY,    // the trial is yours, to be run and given back: kofn_sched_job_tried
} kofn_action_kind;

typedef struct kofn_action {
    kofn_action_kind kind;
    uint64_t job;
    uint64_t assignment; // SEND, CANCEL: a task on a worker; unique in the scheduler's life
    uint64_t worker;     // SEND, CANCEL
    size_t task;         // SEND, CANCEL
    bool backup;         // SEND: a copy of a task that is out already
    uint64_t round; // SEND: of a stream's round, from 1; DECODE, FAIL: in which it was over, 0 if
                    // it was not born; 0: of no stream
    size_t slot;    // SEND: of a stream's slot
    bool estimate;  // DECODE: by kofn_decoder_estimate, the best of what is here
    bool waited;    // DECODE: better answers were waited for
    bool poor;      // DECODE: it is badly conditioned all the same
    kofn_trial *trial; // TRY
    kofn_error error;  // FAIL: see above
} kofn_action;

/* What to do with an answer that came in. */
typedef enum kofn_verdict {
    KOFN_VERDICT_KEEP,    // first answer of its task: hold its blocks until DECODE or FAIL
    KOFN_VERDICT_DROP,    // the assignment is over (answered, cancelled, lost): late or twice
    KOFN_VERDICT_UNKNOWN, // never sent, or out on another worker: nobody asked for it
} kofn_verdict;

KOFN_MUST_CHECK kofn_status kofn_sched_new(const kofn_sched_config *config, kofn_sched **ret_sched,
                                           kofn_error *err);
void kofn_sched_destroy(kofn_sched **sched_p);

/* ---- events: each may make actions ----------------------------------------------------------- */

/* NOT_FOUND: no such policy (with the nearest), or stream. INVALID_ARGUMENT: id 0; it accepts what
 * the code never gives, or an error of 0; of a stream: what does not fit it, or accepts other than
 * the product. FAILED_PRECONDITION: the stream was closed; the code has no parity
 * (kofn_liars_check), as OUT_OF_RANGE. ALREADY_EXISTS: the id. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_sched_job_add(kofn_sched *s, int64_t now_ns,
                                               const kofn_sched_job *job, kofn_error *err);

/* FAIL(CANCELLED) and CANCELs follow. False: no such job. */
bool kofn_sched_job_cancel(kofn_sched *s, int64_t now_ns, uint64_t job);

typedef struct kofn_sched_stream {
    uint64_t id; // not zero, not known yet
    size_t need; // answers that a job takes: the threshold of its inner code
    const kofn_field *field;
    kofn_rounds_config rounds; // settled
} kofn_sched_stream;

/* A stream, for jobs to come. Its slots are bound to the workers there are, and to those that join.
 * Jobs of it are added with its number, policy "rounds", and a code whose rows are as
 * kofn_rounds_count_rows says. ALREADY_EXISTS: the id. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_sched_stream_open(kofn_sched *s, int64_t now_ns,
                                                   const kofn_sched_stream *stream,
                                                   kofn_error *err);

/* No further jobs: it is gone with the last one that it has. False: no such stream, or closed
 * before. */
bool kofn_sched_stream_close(kofn_sched *s, uint64_t stream);

typedef struct kofn_sched_worker {
    uint64_t id;      // of this connection
    uint64_t giver;   // whose answers these are, the same whenever it comes again; 0: its id
    const char *name; // what people call it, and tells it from others when it comes again
    uint64_t life;    // a number of its process: who comes again with it has not died; 0: not known
    size_t credit;    // tasks that it takes at a time
    uint32_t fields;  // kinds that it computes in (kofn_field_kinds_parse)
} kofn_sched_worker;

/* OUT_OF_RANGE: the credit. ALREADY_EXISTS: the id. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_sched_worker_join(kofn_sched *s, int64_t now_ns,
                                                   const kofn_sched_worker *worker,
                                                   kofn_error *err);

/* Leave: it finishes what it has. Lose: it is gone with what it had, through no fault of that, as
 * who was found to answer wrongly. Die: it is gone, and nobody knows why. */
void kofn_sched_worker_leave(kofn_sched *s, int64_t now_ns, uint64_t worker);
void kofn_sched_worker_lose(kofn_sched *s, int64_t now_ns, uint64_t worker);
void kofn_sched_worker_die(kofn_sched *s, int64_t now_ns, uint64_t worker);

kofn_verdict kofn_sched_answer(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment);

/* The worker says that it has the answer of this task, or computes it. True: the job can use it,
 * and waits for it as the answer of *ret_assignment; no SEND follows. False: it cannot, now or
 * later: the job is over or not known, the task was answered or could add nothing, or there is no
 * memory. */
bool kofn_sched_adopt(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t job, size_t task,
                      uint64_t *ret_assignment);

/* What the worker was to send it has not got any more, which is no failure: the task is lost
 * there. */
void kofn_sched_task_return(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment);

/* What RECODE asked for: the job's code with rows in its reserve where there were none (staged.h),
 * all of which are sent; or NULL: none could be made, or they are not worth it. NOT_FOUND: it is
 * not asked for any more. INVALID_ARGUMENT: the code is not that of the job, which goes on as
 * without. */
KOFN_MUST_CHECK kofn_status kofn_sched_job_recode(kofn_sched *s, int64_t now_ns, uint64_t job,
                                                  kofn_code *code, kofn_error *err);

/* What TRY asked for, on any thread: as long as the elimination takes; or, from any thread, until
 * it is soon given up. */
void kofn_trial_run(kofn_trial *trial);
void kofn_trial_give_up(kofn_trial *trial);
void kofn_trial_destroy(kofn_trial **trial_p); // accepts NULL

/* It was run. Of a job that is over, or was told before it ran to the end, it is destroyed. */
void kofn_sched_job_tried(kofn_sched *s, int64_t now_ns, uint64_t job, kofn_trial **trial_p);

/* A hint: the worker has coded blocks of the task, of so many bytes; said again, of so many more.
 * Comes soon after job_add; one too many, or of what is not known, is dropped. */
void kofn_sched_prefer(kofn_sched *s, uint64_t job, size_t task, uint64_t worker, size_t bytes);

/* The worker could not do it (no memory, unsupported field), or its answer was unusable. The text
 * becomes part of the job's error should the job fail of it. */
void kofn_sched_task_fail(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment,
                          const kofn_error *why);

/* Deadlines, backups, waits. */
void kofn_sched_tick(kofn_sched *s, int64_t now_ns);

/* ---- what follows ---------------------------------------------------------------------------- */

/* Take the next action; false when there is none. Drain after each event: CANCELs come first, then
 * DECODEs and FAILs, RECODEs and TRYs, then SENDs, which are not stored but made here, one for each
 * call. */
bool kofn_sched_next_action(kofn_sched *s, kofn_action *ret_action);

/* When tick is wanted next: KOFN_NEVER_NS if nothing waits for time. */
int64_t kofn_sched_next_tick(const kofn_sched *s);

/* ---- views ----------------------------------------------------------------------------------- */

typedef struct kofn_sched_job_view {
    size_t sent, answered, kept; // tasks; `kept` are distinct ones
    size_t backups, replaced;
    size_t fresh;   // tasks of the code's reserve that were sent
    size_t held;    // answers that were adopted; not among those sent
    size_t workers; // distinct ones that were given a task
    bool decodable; // those here suffice for what the job accepts
    double bound;   // of the best estimate's error, when last looked; 0: not looked
} kofn_sched_job_view;

typedef struct kofn_sched_worker_view {
    size_t running, done, failed, cancelled;
    size_t credit;
    bool leaving;
    double flops_rate; // measured, flops a second; 0: nothing measured yet
    double slowdown;   // median worker's rate over its own; 0: not known
} kofn_sched_worker_view;

bool kofn_sched_get_job(const kofn_sched *s, uint64_t job, kofn_sched_job_view *ret_view);
/* For RECODE: the tasks that rows are to make up for, into room for all of the code; how many; and
 * the share of its tasks that have been late so far. 0: none are asked for. */
size_t kofn_sched_job_list_missing(const kofn_sched *s, uint64_t job, size_t *ret_tasks,
                                   double *ret_rate);

bool kofn_sched_get_worker(const kofn_sched *s, uint64_t worker, kofn_sched_worker_view *ret_view);

typedef struct kofn_sched_stream_view {
    kofn_rounds_view rounds;
    size_t slots, vacant;
    size_t jobs; // not over
} kofn_sched_stream_view;

bool kofn_sched_get_stream(const kofn_sched *s, uint64_t stream, kofn_sched_stream_view *ret_view);

/* NULL: not known. Lives until the scheduler is called again. */
const kofn_trace *kofn_sched_get_trace(const kofn_sched *s, uint64_t stream);

size_t kofn_sched_count_workers(const kofn_sched *s);                       // that take tasks
size_t kofn_sched_count_able(const kofn_sched *s, const kofn_field *field); // of those, over it
size_t kofn_sched_count_jobs(const kofn_sched *s);                          // not over yet

/* What decodes a job that was just told to DECODE. It changes no more, so that another thread may
 * read it, and stays until kofn_sched_job_forget. FAILed jobs are forgotten by themselves. NULL: no
 * such job. */
const kofn_decoder *kofn_sched_job_get_decoder(const kofn_sched *s, uint64_t job);
void kofn_sched_job_forget(kofn_sched *s, uint64_t job); // no effect on one that is not over

#endif
