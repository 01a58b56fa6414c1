/* Policies: which task goes next to a free worker, and what an answer, a loss or time changes.
 *
 * The scheduler's core owns what holds for every job (sched.h): credit, turns, losses, deadlines
 * and when the answers suffice. A policy is a const struct of functions beside it; each job that
 * runs under it has one zeroed piece of memory for its state. A new policy is one file and one line
 * in policy.c.
 *
 *     job_add -> start                 wants tasks: they queue until a worker is free
 *     a worker is free -> pick -> on_sent
 *     answer -> on_answer              loss, failure -> on_gone; what the job cannot do without is
 *     the time asked for -> on_tick    queued again by the core, before or after
 *
 * A task that is idle may be sent without having been queued: rateless hands out rows that nobody
 * wanted before, two_stage those that it held back. Jobs of a stream share rounds that say which
 * row is whose: rounds names worker and task itself (place), and when a round is over is the core's
 * to ask (stream_run.h).
 *
 * Threads    The scheduler's. No hook blocks, allocates, or fails.
 */
#ifndef KOFN_MASTER_SCHED_POLICY_H
#define KOFN_MASTER_SCHED_POLICY_H

#include "common/code/spec.h"
#include "master/sched/crew.h"
#include "master/sched/sched.h"

typedef struct kofn_placed {
    kofn_run *run;
    kofn_crew_worker *worker;
    size_t task;
} kofn_placed;

/* Hooks are called only while tasks of the job may still be sent, each from one event at a time.
 * Any may be NULL but name, help, has_work, and one of pick and place. */
typedef struct kofn_policy {
    const char *name;
    const char *help;            // one sentence without a full stop
    bool repeats;                // what is lost is sent again, and no row of a reserve in its place
    kofn_reserve_choice reserve; // rows beyond n that codes are to have for it (spec.h)

    /* Bytes of state for a job with so many tasks: zeroed, aligned for any type. */
    size_t (*state_bytes)(size_t tasks);

    /* Once, first: say what is wanted from the beginning. */
    void (*start)(kofn_run *run);

    /* Is there a task that could go to some worker now? Asked after each event of the job; while it
     * is true, free workers are offered. */
    bool (*has_work)(const kofn_run *run);

    /* The task that this free worker should get; false: nothing for this one, offer another. Must
     * not change anything: on_sent says that it was sent. A task that is out already makes the
     * assignment a copy, and may not go where it is. */
    bool (*pick)(const kofn_run *run, uint64_t worker, size_t *ret_task);

    /* Instead of pick, of a policy by which it is settled whose task is whose: the next one, of
     * this job or another that shares its turns, and the free worker that it is for. False: none
     * now. */
    bool (*place)(kofn_run *run, kofn_placed *ret_placed);

    void (*on_sent)(kofn_run *run, const kofn_assignment *a);
    /* The first answer of a task; its other copies are gone already. */
    void (*on_answer)(kofn_run *run, const kofn_assignment *a);
    /* Lost with its worker, failed there, or cancelled since its answer could add nothing any more.
     * kofn_run_get_copies: how many are still out. */
    void (*on_gone)(kofn_run *run, const kofn_assignment *a);
    /* The time of kofn_run_wake_at has come; then has_work is asked again, as without this. Time
     * makes no work where nothing is out: a job without either is at its end. */
    void (*on_tick)(kofn_run *run);

    /* Of a policy that asks for rows: the tasks that they are to make up for, into room for all,
     * and the share of tasks that are late. And: the code has such rows now, or there are none. */
    size_t (*list_missing)(const kofn_run *run, size_t *ret_tasks, double *ret_rate);
    void (*on_recode)(kofn_run *run, bool made);
    /* And: all that the rows which were made are for is answered. NULL: they always have a use. */
    bool (*has_done)(const kofn_run *run);
} kofn_policy;

extern const kofn_policy kofn_policy_oneshot, kofn_policy_speculative, kofn_policy_rateless,
    kofn_policy_two_stage;
extern const kofn_policy kofn_policy_rounds; // of streams: nobody asks for it by name

const kofn_policy *kofn_policy_find(const char *name); // NULL: unknown
const char *kofn_policy_nearest(const char *name);     // "did you mean"; NULL: none is close
size_t kofn_policy_count(void);
const kofn_policy *kofn_policy_at(size_t index); // index < count; in the order of the documentation

/* ---- what a policy may ask and do ------------------------------------------------------------ */

const kofn_code *kofn_run_get_code(const kofn_run *run);
void *kofn_run_get_state(const kofn_run *run);
const kofn_sched_config *kofn_run_get_config(const kofn_run *run);
int64_t kofn_run_get_now_ns(const kofn_run *run); // time of the event

void kofn_run_want(kofn_run *run, size_t task);        // queue a task that is idle or lost
void kofn_run_want_first(kofn_run *run);               // the n that are sent first, all idle
void kofn_run_wake_at(kofn_run *run, int64_t when_ns); // after now; KOFN_NEVER_NS: not at all
void kofn_run_ask_recode(kofn_run *run);               // have rows made; on_recode follows
size_t kofn_run_count_queued(const kofn_run *run);
size_t kofn_run_count_out(const kofn_run *run);

/* The first task from `from` on that is idle or lost; false: there is none. Could its answer add
 * something, or show that others are wrong? */
bool kofn_run_find_unsent(const kofn_run *run, size_t from, size_t *ret_task);
bool kofn_run_would_help(const kofn_run *run, size_t task);

/* Would these, with what is answered, give the product? */
bool kofn_run_would_suffice(const kofn_run *run, const size_t *tasks, size_t count);

/* That worker has nothing to do, and did not fail what it did last. */
bool kofn_run_is_idle(const kofn_run *run, uint64_t worker);

/* What is out, oldest first: the one after `before`, or the first. NULL: none. */
const kofn_assignment *kofn_run_get_out(const kofn_run *run, const kofn_assignment *before);

/* What this worker has of the job, in the order in which it does it: the one after `before`, or the
 * first. NULL: none. */
const kofn_assignment *kofn_run_get_on(const kofn_run *run, uint64_t worker,
                                       const kofn_assignment *before);

/* A task that is out once, and waits there behind another: among the ones sent last, as many as are
 * looked at in constant time. */
bool kofn_run_find_behind(const kofn_run *run, size_t *ret_task);

/* Groups (code.h), at least one: of a code without any, all tasks. Answers that one takes, and
 * has. */
size_t kofn_run_count_groups(const kofn_run *run);
size_t kofn_run_get_group(const kofn_run *run, size_t task);
size_t kofn_run_get_group_threshold(const kofn_run *run, size_t group);
size_t kofn_run_get_group_kept(const kofn_run *run, size_t group);

/* The idle task of a group that comes next: of the reserve first, then those that were lost. False:
 * there is none, or the code has no reserve. */
bool kofn_run_find_fresh(const kofn_run *run, size_t group, size_t *ret_task);

/* The first queued task that has not failed on this worker; false: none, or it cannot do any. */
bool kofn_run_find_queued(const kofn_run *run, uint64_t worker, size_t *ret_task);

/* It is able, the task is not there now, and has not failed there (but of a stream). */
bool kofn_run_may_take(const kofn_run *run, uint64_t worker, size_t task);
size_t kofn_run_get_copies(const kofn_run *run, size_t task);                 // assignments out
const kofn_assignment *kofn_run_get_oldest(const kofn_run *run, size_t task); // of them; or NULL

/* How long a task of this job takes on the median worker, by what workers did before.
 * KOFN_NEVER_NS: nothing is measured yet. */
int64_t kofn_run_expect_ns(const kofn_run *run);

#endif
