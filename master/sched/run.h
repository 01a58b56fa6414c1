/* A run: a job as the scheduler runs it, with the states of its tasks.
 *
 *                 wanted           sent             answered
 *        idle ------------> queued ------> out --------------> kept
 *          \                  ^   wanted    |  ^
 *           \                 +---- lost <--+  | sent (a copy)
 *            +--- sent (by a policy that queues nothing) ---+
 *
 *        any of them but kept ------> spared: its answer could add nothing any more
 *        any of these but spared ---> out: a worker has its answer (adopted)
 *
 * Of a code with a reserve a lost row is not asked for again: a fresh one of its group takes its
 * place, and it goes back among the idle ones, behind those that were never sent.
 *
 *     group's rows     0..n-1 sent first   |   reserve                    next
 *                      kept  lost  kept    |   idle   idle   idle          |
 *                             |                 ^                          v
 *                             +-- idle     +--- queued in its place: idle rows from here, around
 *
 * policy.h has what a policy sees of it; this is the core's side. Nothing here makes actions.
 */
#ifndef KOFN_MASTER_SCHED_RUN_H
#define KOFN_MASTER_SCHED_RUN_H

#include "master/sched/deaths.h"
#include "master/sched/policy.h"
#include "master/sched/timers.h"
#include "master/sched/worth.h"

typedef enum kofn_task_state {
    KOFN_TASK_IDLE,   // never wanted so far, or lost and another took its place
    KOFN_TASK_QUEUED, // wanted, waits for a worker
    KOFN_TASK_OUT,    // on a worker, or several
    KOFN_TASK_LOST,   // was out and came to nothing; the rest may do without it
    KOFN_TASK_KEPT,   // answered
    KOFN_TASK_SPARED, // not answered, and of no use any more
    KOFN_TASK_STATES,
} kofn_task_state;

typedef enum kofn_run_state {
    KOFN_RUN_OPEN,      // answers are missing
    KOFN_RUN_IMPROVING, // an estimate would do already; goes on, for the product may come in time
    KOFN_RUN_SETTLING,  // decodable, but POOR; an answer that is due may mend it, none is sent for
    KOFN_RUN_DECODED,   // over: DECODE was said, and the record waits to be forgotten
    KOFN_RUN_FAILED,    // over: FAIL was said, and the record goes when that action is taken
} kofn_run_state;

typedef enum kofn_recode_state {
    KOFN_RECODE_NONE,
    KOFN_RECODE_WANTED, // by its policy
    KOFN_RECODE_ASKED,  // RECODE was said
} kofn_recode_state;

typedef struct kofn_hint { // a worker that has coded blocks of a task
    struct kofn_hint *next_of_task, *next_of_worker;
    uint64_t worker;
    size_t task, bytes;
} kofn_hint;

enum { KOFN_HINTS_MAX = 8 }; // of one task

typedef struct kofn_run_task {
    kofn_assignment *copies; // out, oldest last
    kofn_hint *hints;
    uint32_t next; // in the queue
    uint32_t state;
} kofn_run_task;

typedef struct kofn_run_group { // the whole run, where the code has none
    size_t kept, idle;          // tasks
    size_t next;                // of its rows in order: where to look for a fresh one first
    size_t passed;              // kofn_run_replace_lost: rows looked at from there
} kofn_run_group;

typedef struct kofn_failure { // a worker that could not do a task
    struct kofn_failure *next;
    size_t task;
    uint64_t worker;
} kofn_failure;

typedef struct kofn_turn kofn_turn; // turns.h: a client

struct kofn_run {
    kofn_timer timer; // first: cast from there; its number is the order of arrival
    uint64_t id;
    kofn_run_state state;
    kofn_code *code;
    kofn_decoder *decoder;
    const kofn_policy *policy;
    void *policy_state;
    const kofn_sched_config *config;
    const kofn_crew *crew;
    const int64_t *now_ns; // the scheduler's
    double task_flops;
    size_t kind; // of the code's field

    int64_t deadline_ns;
    int64_t wake_ns;   // asked for by the policy
    int64_t settle_ns; // end of the wait for a better set, or for the product

    kofn_accept accept;
    double noise;
    kofn_look look; // worth.h
    size_t plain;   // answers that are block products as they are
    bool estimate;  // what DECODE is to make

    uint32_t queue_first, queue_last;
    size_t count[KOFN_TASK_STATES]; // tasks in each state
    kofn_run_group *groups;         // [kofn_run_count_groups]
    bool covered;                   // what is kept, out and queued can suffice: since the last loss
    kofn_link out;                  // assignments, oldest first
    kofn_failure *failures;
    kofn_link troubled; // among the runs that may have no hope with fewer workers: failures, liars
    kofn_deaths deaths;
    kofn_link bereaved;   // among the runs that have deaths
    kofn_link suspicious; // among the runs that have suspects
    int64_t trial_ns;     // when a deadly task ends it; KOFN_NEVER_NS: none that is wanted
    int64_t
        scarce_ns; // when it ends for want of workers; KOFN_NEVER_NS: there are as many as it takes

    struct kofn_stream_run *stream; // that it is a job of; NULL: of none, or over
    uint64_t round;                 // of the stream, in which it was over; 0: it was not born
    kofn_link in_stream;
    kofn_link parked; // slots of the stream that are to get a row of this run, which is a suspect

    kofn_turn *turn;
    kofn_link ready; // in its client's list of runs that have work

    kofn_link pending; // in the actions to take
    bool waited, poor, forgotten;
    kofn_error error; // of a run that failed

    size_t rows; // of the code, that are there: a staged one's reserve is made by and by
    kofn_recode_state recode;
    kofn_link recoding; // among those whose RECODE is to be said

    kofn_trial *trial; // that is not out; NULL: it is, or there was none
    bool trying;       // one is wanted, or out
    kofn_link to_try;  // among those whose TRY is to be said

    kofn_map hints; // kofn_hint, the first of each worker
    bool loose;     // tasks are not left to those that have their blocks

    size_t sent, answered, backups, replaced, fresh, held;
    kofn_map seen; // workers that were given a task
    kofn_map
        givers;    // where workers may lie: how many answers each has to give or gave, as a pointer
    kofn_map gave; // likewise: how many it gave
    size_t untold; // answers whose giver there was no memory to note
    kofn_run_task tasks[];
};

/* RESOURCE_EXHAUSTED: no memory. Takes a ref of the code. */
KOFN_MUST_CHECK kofn_status kofn_run_new(const kofn_sched_job *job, const kofn_policy *policy,
                                         const kofn_sched_config *config, kofn_run **ret_run,
                                         kofn_error *err);
void kofn_run_destroy(kofn_run **run_p);

bool kofn_run_is_over(const kofn_run *run);

/* The task goes out as this assignment. */
void kofn_run_attach(kofn_run *run, kofn_assignment *a, size_t task);

/* Where workers may lie: how many of its tasks are out at the giver (kofn_sched_worker), or were
 * answered by it, under whatever numbers. Are these its share, as many as it takes of each of the
 * workers there are; and are they full, so many that with one more of each giver all tasks together
 * would not do? */
size_t kofn_run_count_given(const kofn_run *run, uint64_t giver);
bool kofn_run_is_spent(const kofn_run *run, uint64_t giver);
bool kofn_run_is_full(const kofn_run *run, uint64_t giver);
void kofn_run_take_back(kofn_run *run, const kofn_assignment *a); // it comes to no answer

/* Without the answers of any 2 b givers are there as many left as the product takes (liars.h)? */
bool kofn_run_has_parity(const kofn_run *run);

/* Where workers may lie: the workers that it takes; those that live or gave something; and, while
 * nothing is out, is there one, busy or not, that may get one of its tasks? */
size_t kofn_run_count_takers_needed(const kofn_run *run);
size_t kofn_run_count_takers(const kofn_run *run);
bool kofn_run_has_taker(const kofn_run *run);

/* May the worker's answer of this task, that it says it has, be waited for? Not of one that
 * is full by others. */
bool kofn_run_may_adopt(const kofn_run *run, const kofn_crew_worker *worker, size_t task);

/* Without memory it is not noted. */
void kofn_run_note_hint(kofn_run *run, size_t task, uint64_t worker, size_t bytes);

/* The assignment is over. Its task is not moved: what follows says what came of it. */
void kofn_run_detach(kofn_run *run, kofn_assignment *a);

/* The first answer of a task that has no copy left, of this giver: feeds the decoder. Fails as that
 * does. */
KOFN_MUST_CHECK kofn_status kofn_run_keep(kofn_run *run, size_t task, uint64_t giver,
                                          kofn_error *err);

/* Rows that were never sent are others from now on. On failure nothing changes. INVALID_ARGUMENT:
 * so are those that were, or it is another code. */
KOFN_MUST_CHECK kofn_status kofn_run_recode(kofn_run *run, kofn_code *code, kofn_error *err);

/* The answers so far, to be tried; the run's, until it is told. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_run_make_trial(kofn_run *run, kofn_error *err);

/* What the trial found out. On failure, which is the trial's, it said nothing. */
KOFN_MUST_CHECK kofn_status kofn_run_take_trial(kofn_run *run, kofn_trial **trial_p,
                                                kofn_error *err);

/* An assignment of the task came to nothing: without another copy the task is lost. */
void kofn_run_lose(kofn_run *run, size_t task);

/* Of a task that is not answered: its answer could add nothing any more. kofn_run_spare: so be it;
 * no copy is out. */
bool kofn_run_is_spare(const kofn_run *run, size_t task);
void kofn_run_spare(kofn_run *run, size_t task);

/* The task failed on this worker: noted once. RESOURCE_EXHAUSTED: no memory to remember that. */
KOFN_MUST_CHECK kofn_status kofn_run_note_failure(kofn_run *run, size_t task, uint64_t worker,
                                                  kofn_error *err);
size_t kofn_run_count_failures(const kofn_run *run, size_t task); // workers that it failed on

/* Want lost tasks again, or fresh ones of their groups in their place, as few as it takes until
 * what is kept, out and queued can suffice for what the job accepts. What failed on a worker is
 * wanted itself: a fresh row would fail as well, and hide how often. `scratch` has room for all
 * tasks. */
void kofn_run_replace_lost(kofn_run *run, size_t *scratch);

/* Would what is out and queued complete the product? Likewise. */
bool kofn_run_may_complete(const kofn_run *run, size_t *scratch);

/* Does the worker compute in the field of the code? */
bool kofn_run_suits(const kofn_run *run, const kofn_crew_worker *worker);

/* Deaths of any row of a stream's job count for all of them as well, under this number. */
size_t kofn_run_get_death_key(const kofn_run *run);

/* Two died of the task, or of the job of a stream (deaths.h). */
bool kofn_run_is_suspect(const kofn_run *run, size_t task);

/* The deaths of the task are proof against it, for now (deaths.h): nobody gets it. */
bool kofn_run_is_deadly(const kofn_run *run, size_t task);

/* Nothing is on its way to the run, and nothing will be sent. */
bool kofn_run_is_at_end(const kofn_run *run);

#endif
