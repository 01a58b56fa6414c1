/* The core: what holds for every job, whatever its policy.
 *
 * Events move the states at once; what they bring about waits in two lists, the assignments that
 * were cancelled and the runs that ended, whose records are the actions: nothing is allocated.
 * Sends are not stored at all. next_action makes one when everything else is taken, from whose turn
 * it is and who is free at that moment, so that the order of sends follows from the states alone.
 */
#include "master/sched/sched.h"
#include "common/base/clock.h"
#include "common/code/liars.h"
#include "master/sched/core.h"
#include "master/sched/trial.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAILURES_MAX = 3,      // distinct workers that a task may fail on
    RUNS_LOOKED_AT = 64,   // for a task that some free worker may take
    HOLDERS_PASSED = 64,   // free workers with a task of a job, before one of them gets another
    GROUPS_NAMED = 4,      // that lack answers, in an error
    GROUPS_TEXT_MAX = 400, // so many, three numbers of up to 20 digits each, and how many more
};

static const kofn_key keys[] = {
    {"backup_factor", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sched_config, backup_factor), 1, 1000, "2",
     NULL, "speculative: copy a task that is out past this times what it should take"},
    {"backup_floor", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sched_config, backup_floor_ns), 1e5,
     3.6e12, "10ms", NULL, "speculative: never copy a task that is out for less than this"},
    {"backup_quantile", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sched_config, backup_quantile), 0.01, 1,
     "0.5", NULL, "speculative: share of a job's tasks whose times must be known to judge by them"},
    {"stage_factor", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sched_config, stage_factor), 1, 1000, "1.5",
     NULL, "two_stage: coded tasks for one that is out past this times what stage_quantile says"},
    {"stage_quantile", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sched_config, stage_quantile), 0, 1,
     "0.5", NULL,
     "two_stage: the time by which this share of the first stage answered; 0: the fastest"},
    {"stage_floor", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sched_config, stage_floor_ns), 1e5,
     3.6e12, "10ms", NULL, "two_stage: no coded tasks for one that is out for less than this"},
    {"wait_for_better", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sched_config, wait_for_better_ns), 0,
     6e10, "100ms", NULL, "longest wait for one more answer to a badly conditioned set"},
    {"max_amplification", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sched_config, max_amplification), 0,
     1e300, "0", NULL, "growth of errors from which a set is badly conditioned (0: by the field)"},
};

const kofn_keys kofn_sched_keys = {keys, sizeof keys / sizeof keys[0]};

static kofn_status
check_config(const kofn_sched_config *c, kofn_error *err)
{
    if (!(c->backup_factor >= 1))
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "backup_factor is %g, need at least 1",
                         c->backup_factor);
    if (c->backup_floor_ns <= 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "backup_floor is %" PRId64 " ns, need more than 0",
                         c->backup_floor_ns);
    if (!(c->backup_quantile > 0 && c->backup_quantile <= 1))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "backup_quantile is %g, need more than 0 and at most 1",
                         c->backup_quantile);
    if (!(c->stage_factor >= 1))
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "stage_factor is %g, need at least 1",
                         c->stage_factor);
    if (!(c->stage_quantile >= 0 && c->stage_quantile <= 1))
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "stage_quantile is %g, need 0 to 1",
                         c->stage_quantile);
    if (c->stage_floor_ns <= 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "stage_floor is %" PRId64 " ns, need more than 0",
                         c->stage_floor_ns);
    if (c->wait_for_better_ns < 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "wait_for_better is %" PRId64 " ns, need 0 or more",
                         c->wait_for_better_ns);
    if (!(c->max_amplification >= 0))
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "max_amplification is %g, need 0 or more",
                         c->max_amplification);
    return KOFN_OK;
}

kofn_status
kofn_sched_new(const kofn_sched_config *config, kofn_sched **ret_sched, kofn_error *err)
{
    kofn_status status = check_config(config, err);
    if (status != KOFN_OK)
        return status;
    kofn_sched *s = calloc(1, sizeof *s);
    if (!s)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the scheduler");
    s->config = *config;
    s->now_ns = INT64_MIN;
    kofn_crew_init(&s->crew);
    kofn_map_init(&s->runs);
    kofn_turns_init(&s->turns);
    kofn_map_init(&s->streams);
    kofn_link_init(&s->stirred);
    kofn_link_init(&s->cancels);
    kofn_link_init(&s->outcomes);
    kofn_link_init(&s->recodes);
    kofn_link_init(&s->trials);
    kofn_link_init(&s->troubled);
    kofn_link_init(&s->bereaved);
    kofn_link_init(&s->suspicious);
    *ret_sched = s;
    return KOFN_OK;
}

static kofn_assignment *
take_cancel(kofn_sched *s)
{
    kofn_link *link = kofn_list_take_first(&s->cancels);
    return link ? KOFN_OWNER(link, kofn_assignment, pending) : NULL;
}

static kofn_run *
take_outcome(kofn_sched *s)
{
    kofn_link *link = kofn_list_take_first(&s->outcomes);
    return link ? KOFN_OWNER(link, kofn_run, pending) : NULL;
}

void
kofn_sched_destroy(kofn_sched **sched_p)
{
    kofn_sched *s = *sched_p;
    if (!s)
        return;
    for (kofn_assignment *a; (a = take_cancel(s));)
        free(a);
    for (kofn_run *run; (run = take_outcome(s));)
        if (run->state == KOFN_RUN_FAILED || run->forgotten) // else the map has it
            kofn_run_destroy(&run);
    size_t cursor = 0;
    for (kofn_run *run; (run = kofn_map_next(&s->runs, &cursor));)
        kofn_run_destroy(&run);
    cursor = 0;
    for (kofn_stream_run *stream; (stream = kofn_map_next(&s->streams, &cursor));)
        kofn_stream_run_destroy(&stream);
    kofn_map_fini(&s->runs);
    kofn_map_fini(&s->streams);
    kofn_timers_fini(&s->round_timers);
    kofn_turns_fini(&s->turns);
    kofn_timers_fini(&s->timers);
    kofn_crew_fini(&s->crew);
    free(s->scratch);
    free(s);
    *sched_p = NULL;
}

/* ---- how a run ends -------------------------------------------------------------------------- */

typedef enum run_event {
    EV_EXACT,        // the answers suffice
    EV_POOR_DUE,     // they do, badly, and one that may mend it is due
    EV_POOR,         // they do, badly, and that is the best that will come in time
    EV_ESTIMATE_DUE, // an estimate would do, and the product may come in time
    EV_ESTIMATE,     // an estimate would do, and that is the best that will come in time
    EV_BEST,         // at the deadline, or without hope: whatever the answers are worth must do
    EV_STOPPED,      // the job may not go on, or cannot
} run_event;

typedef struct run_move {
    kofn_run_state from;
    run_event event;
    kofn_run_state to;
    void (*action)(kofn_sched *s, kofn_run *run);
} run_move;

static void
release(kofn_sched *s, kofn_assignment *a, kofn_ending how)
{
    kofn_run_detach(a->run, a);
    if (how != KOFN_ENDED_ANSWERED)
        kofn_run_take_back(a->run, a);
    if (a->run->stream)
        kofn_core_stir(s, a->run->stream);
    kofn_slot_release(a);
    kofn_crew_release(&s->crew, a, s->now_ns, how);
}

void
kofn_core_cancel(kofn_sched *s, kofn_assignment *a)
{
    release(s, a, KOFN_ENDED_CANCELLED);
    kofn_link_insert_before(&s->cancels, &a->pending);
}

/* Nothing of the run is out, queued or timed any more. */
static void
end_run(kofn_sched *s, kofn_run *run)
{
    for (kofn_link *link; (link = kofn_list_first(&run->out));)
        kofn_core_cancel(s, KOFN_OWNER(link, kofn_assignment, in_run));
    if (run->stream) {
        kofn_core_stir(s, run->stream);
        kofn_stream_run_remove(run->stream, run, s->now_ns);
    }
    kofn_turns_remove(&s->turns, run);
    kofn_timers_set(&s->timers, &run->timer, KOFN_NEVER_NS);
    kofn_link_remove(&run->troubled);
    kofn_link_remove(&run->bereaved);
    kofn_link_remove(&run->suspicious);
    kofn_link_remove(&run->recoding);
    kofn_link_remove(&run->to_try);
    kofn_link_insert_before(&s->outcomes, &run->pending);
    s->open--;
}

static void
end_poor(kofn_sched *s, kofn_run *run)
{
    run->poor = true;
    end_run(s, run);
}

static void
end_estimate(kofn_sched *s, kofn_run *run)
{
    run->estimate = true;
    end_run(s, run);
}

static void
end_failed(kofn_sched *s, kofn_run *run)
{
    (void)kofn_map_remove(&s->runs, run->id); // it lives on in outcomes
    end_run(s, run);
}

static void
start_wait(kofn_sched *s, kofn_run *run)
{
    run->settle_ns = kofn_clock_after(s->now_ns, s->config.wait_for_better_ns);
    run->waited = true;
}

static void
start_improving(kofn_sched *s, kofn_run *run)
{
    run->settle_ns = kofn_clock_after(s->now_ns, run->accept.settle_ns);
    run->waited = true;
}

static void
go_on(kofn_sched *s, kofn_run *run)
{
    (void)s;
    (void)run;
}

static const run_move run_moves[] = {
    {KOFN_RUN_OPEN, EV_EXACT, KOFN_RUN_DECODED, end_run},
    {KOFN_RUN_OPEN, EV_POOR_DUE, KOFN_RUN_SETTLING, start_wait},
    {KOFN_RUN_OPEN, EV_POOR, KOFN_RUN_DECODED, end_poor},
    {KOFN_RUN_OPEN, EV_ESTIMATE_DUE, KOFN_RUN_IMPROVING, start_improving},
    {KOFN_RUN_OPEN, EV_ESTIMATE, KOFN_RUN_DECODED, end_estimate},
    {KOFN_RUN_OPEN, EV_BEST, KOFN_RUN_DECODED, end_estimate},
    {KOFN_RUN_OPEN, EV_STOPPED, KOFN_RUN_FAILED, end_failed},
    {KOFN_RUN_IMPROVING, EV_EXACT, KOFN_RUN_DECODED, end_run},
    {KOFN_RUN_IMPROVING, EV_ESTIMATE_DUE, KOFN_RUN_IMPROVING, go_on},
    {KOFN_RUN_IMPROVING, EV_ESTIMATE, KOFN_RUN_DECODED, end_estimate},
    {KOFN_RUN_IMPROVING, EV_STOPPED, KOFN_RUN_FAILED, end_failed},
    {KOFN_RUN_SETTLING, EV_EXACT, KOFN_RUN_DECODED, end_run},
    {KOFN_RUN_SETTLING, EV_POOR_DUE, KOFN_RUN_SETTLING, go_on},
    {KOFN_RUN_SETTLING, EV_POOR, KOFN_RUN_DECODED, end_poor},
    {KOFN_RUN_SETTLING, EV_STOPPED, KOFN_RUN_FAILED, end_failed},
};

static void
move_run(kofn_sched *s, kofn_run *run, run_event event)
{
    size_t i = 0;
    while (run_moves[i].from != run->state || run_moves[i].event != event) {
        i++;
        assert(i < sizeof run_moves / sizeof run_moves[0]);
    }
    run->state = run_moves[i].to;
    run_moves[i].action(s, run);
}

/* ---- what an event means to a run ------------------------------------------------------------ */

static bool
better_is_due(const kofn_sched *s, const kofn_run *run)
{
    if (s->config.wait_for_better_ns == 0 || run->stream)
        return false;
    int64_t by_ns = kofn_clock_after(s->now_ns, s->config.wait_for_better_ns);
    if (run->state == KOFN_RUN_SETTLING)
        by_ns = run->settle_ns;
    if (by_ns > run->deadline_ns)
        by_ns = run->deadline_ns;
    for (kofn_link *link = run->out.next; link != &run->out; link = link->next)
        if (kofn_crew_is_due(&s->crew, KOFN_OWNER(link, kofn_assignment, in_run), s->now_ns, by_ns))
            return true;
    return false;
}

/* The failures of this task by workers that still take tasks, and so would be asked again. */
static size_t
count_present(const kofn_sched *s, const kofn_run *run, size_t task)
{
    size_t count = 0;
    for (const kofn_failure *f = run->failures; f; f = f->next) {
        const kofn_crew_worker *worker =
            f->task == task ? kofn_crew_find(&s->crew, f->worker) : NULL;
        count += worker && !worker->leaving;
    }
    return count;
}

/* Estimates are made of numbers that may be rounded. */
static bool
takes_best(const kofn_run *run)
{
    return run->accept.best && run->code->field->epsilon > 0;
}

/* The product may come in time for a run that an estimate would end. */
static bool
product_is_due(const kofn_sched *s, const kofn_run *run)
{
    if (run->accept.settle_ns == 0 ||
        (run->state == KOFN_RUN_IMPROVING && run->settle_ns <= s->now_ns))
        return false;
    return kofn_run_may_complete(run, s->scratch);
}

/* The run cannot get what it accepts, and its error says why. What is out may still make the best
 * better, for one that wants that. */
static void
give_up(kofn_sched *s, kofn_run *run)
{
    if (!takes_best(run))
        move_run(s, run, EV_STOPPED);
    else if (run->count[KOFN_TASK_OUT] == 0)
        move_run(s, run, run->count[KOFN_TASK_KEPT] > 0 ? EV_BEST : EV_STOPPED);
}

/* Why all answers do not give the product, and what would. */
static const char *
explain_end(const kofn_run *run)
{
    if (!run->code->likely)
        return "too badly conditioned; take fewer parts or another family";
    if (run->stream)
        return "their rows do not span it; take another family or a larger field";
    return run->policy == &kofn_policy_rateless || run->policy == &kofn_policy_two_stage
               ? "their random rows do not span it; take more tasks or another seed"
               : "their random rows do not span it; take more tasks or another seed, or policy "
                 "rateless, which sends fresh rows";
}

static void
fail_at_end(kofn_run *run)
{
    const size_t kept = run->count[KOFN_TASK_KEPT];
    const size_t tasks = run->code->tasks - run->count[KOFN_TASK_IDLE];
    if (run->accept.kind == KOFN_ACCEPT_ERROR)
        kofn_fail(&run->error, KOFN_FAILED_PRECONDITION,
                  "%zu answers of the %zu tasks of this %s code give an error of up to %.2g, and "
                  "%.2g is accepted: accept more, or take more tasks or fewer parts",
                  kept, tasks, run->code->family, run->look.bound, run->accept.error);
    else
        kofn_fail(&run->error, KOFN_FAILED_PRECONDITION,
                  "%zu answers of the %zu tasks of this %s code do not give the product: %s", kept,
                  tasks, run->code->family, explain_end(run));
}

/* Are the workers there are too few for who may lie among them? */
static bool
is_scarce(const kofn_sched *s, const kofn_run *run)
{
    const size_t able = s->crew.able[run->kind], needed = kofn_run_count_takers_needed(run);
    if (run->accept.liars == 0 || able == 0) // nobody: it waits, as any job
        return false;
    return (able < needed && kofn_run_count_takers(run) < needed) ||
           (run->count[KOFN_TASK_OUT] == 0 && !kofn_run_has_taker(run));
}

/* Others may be on their way back: such a run ends when the time of grace is over, and they are not
 * here. */
static void
review_scarcity(kofn_sched *s, kofn_run *run)
{
    const size_t n = kofn_code_first_tasks(run->code), k = run->code->threshold;
    const size_t b = run->accept.liars;
    if (!is_scarce(s, run)) {
        run->scarce_ns = KOFN_NEVER_NS;
        return;
    }
    if (run->scarce_ns == KOFN_NEVER_NS)
        run->scarce_ns = kofn_clock_after(s->now_ns, KOFN_DEATHS_GRACE_NS);
    if (run->scarce_ns > s->now_ns)
        return;
    kofn_fail(&run->error, KOFN_FAILED_PRECONDITION,
              "too few workers to tell who lies: with n = %zu tasks, of which any %zu suffice, and "
              "b = %zu liars it takes %zu workers that give up to %zu answers each, and there are "
              "%zu; leave the number of tasks open (that does for more than 2 b workers), start "
              "more, or verify by freivalds",
              n, k, b, kofn_run_count_takers_needed(run), kofn_liars_count_each(n, k, b),
              s->crew.able[run->kind]);
    move_run(s, run, EV_STOPPED);
}

/* Stop a run whose answers will never suffice, however long it waits for the workers there are. */
static void
check_hope(kofn_sched *s, kofn_run *run)
{
    if (kofn_run_is_at_end(run)) {
        fail_at_end(run);
        give_up(s, run);
        return;
    }
    review_scarcity(s, run);
    const size_t able = kofn_run_is_over(run) ? 0
                        : run->stream         ? run->stream->seated
                                              : s->crew.able[run->kind];
    const uint32_t wanted = run->stream ? KOFN_TASK_LOST : KOFN_TASK_QUEUED; // rounds queue nothing
    for (const kofn_failure *f = run->failures; f && able > 0; f = f->next) {
        if (run->tasks[f->task].state != wanted || count_present(s, run, f->task) < able)
            continue;
        char why[KOFN_ERROR_TEXT_MAX]; // run->error holds the latest failure until the end
        (void)snprintf(why, sizeof why, "%s", run->error.text);
        kofn_fail(
            &run->error, KOFN_UNAVAILABLE,
            "task %zu failed on each of the %zu workers there are for it, last: %s; try again when "
            "others have joined",
            f->task, able, why);
        give_up(s, run);
        return;
    }
}

/* Who may be given work, and who wants to be woken when. */
void
kofn_core_refresh(kofn_sched *s, kofn_run *run)
{
    if (kofn_run_is_over(run))
        return;
    const bool sends =
        run->state != KOFN_RUN_SETTLING && kofn_decoder_get_state(run->decoder) != KOFN_DECODE_DUE;
    if (run->recode == KOFN_RECODE_WANTED && !kofn_link_is_listed(&run->recoding))
        kofn_link_insert_before(&s->recodes, &run->recoding);
    kofn_turns_set_ready(&s->turns, run, sends && run->policy->has_work(run));
    int64_t due_ns = run->deadline_ns;
    if (sends && run->wake_ns < due_ns)
        due_ns = run->wake_ns;
    if (sends && run->trial_ns < due_ns)
        due_ns = run->trial_ns;
    if (sends && run->scarce_ns < due_ns)
        due_ns = run->scarce_ns;
    if (run->settle_ns < due_ns)
        due_ns = run->settle_ns;
    kofn_timers_set(&s->timers, &run->timer, due_ns);
}

/* By a death, or since a task took the deaths of one that it stands in for to its own. */
static void
review_deaths(kofn_sched *s, kofn_run *run)
{
    const kofn_death *cursor = NULL;
    size_t task;
    if (!kofn_link_is_listed(&run->suspicious) && !kofn_run_is_over(run) &&
        kofn_deaths_next_suspect(&run->deaths, &cursor, &task))
        kofn_link_insert_before(&s->suspicious, &run->suspicious);
}

/* One at a time: the next one tries what comes meanwhile. */
static void
want_trial(kofn_sched *s, kofn_run *run)
{
    if (run->trying)
        return;
    if (kofn_run_make_trial(run, &run->error) != KOFN_OK) {
        move_run(s, run, EV_STOPPED);
        return;
    }
    run->trying = true;
    kofn_link_insert_before(&s->trials, &run->to_try);
}

/* After an event of the run: do its answers suffice, or can they still? */
static void
consider(kofn_sched *s, kofn_run *run)
{
    if (kofn_run_is_over(run))
        return;
    switch (kofn_run_weigh(run)) {
    case KOFN_WORTH_UNKNOWN:
        want_trial(s, run);
        break;
    case KOFN_WORTH_PRODUCT:
        move_run(s, run, EV_EXACT);
        break;
    case KOFN_WORTH_POOR:
        move_run(s, run, better_is_due(s, run) ? EV_POOR_DUE : EV_POOR);
        break;
    case KOFN_WORTH_ESTIMATE:
        move_run(s, run, product_is_due(s, run) ? EV_ESTIMATE_DUE : EV_ESTIMATE);
        break;
    case KOFN_WORTH_NOTHING:
        if (!run->stream) // else it is given again in its round
            kofn_run_replace_lost(run, s->scratch);
        check_hope(s, run);
        break;
    }
    review_deaths(s, run);
    kofn_core_refresh(s, run);
}

static const char *
which_suffice(const kofn_run *run)
{
    if (run->accept.liars > 0)
        return "by parity";
    return kofn_code_is_certain(run->code) ? "any" : "most sets of";
}

/* ", but group 3 has 0 of 4, group 5 has 2 of 4": the first groups that have too few answers.
 * Nothing where there are no groups, or all have enough. */
static void
list_poor_groups(const kofn_run *run, char *ret_text, size_t size)
{
    size_t poor = 0, used = 0;
    ret_text[0] = '\0';
    for (size_t g = 0; g < run->code->groups; g++) {
        const size_t kept = kofn_run_get_group_kept(run, g);
        const size_t threshold = kofn_run_get_group_threshold(run, g);
        if (kept < threshold && poor++ < GROUPS_NAMED)
            used += (size_t)snprintf(ret_text + used, size - used, "%s group %zu has %zu of %zu",
                                     poor > 1 ? "," : ", but", g, kept, threshold);
    }
    if (poor > GROUPS_NAMED)
        (void)snprintf(ret_text + used, size - used, ", and %zu more have too few",
                       poor - GROUPS_NAMED);
}

static void
stop_at_deadline(kofn_sched *s, kofn_run *run)
{
    char groups[GROUPS_TEXT_MAX];
    if (takes_best(run) && run->count[KOFN_TASK_KEPT] > 0) {
        move_run(s, run, EV_BEST);
        return;
    }
    list_poor_groups(run, groups, sizeof groups);
    kofn_fail(&run->error, KOFN_DEADLINE_EXCEEDED,
              "the deadline passed with %zu answers where %s %zu suffice%s%s (tasks out: "
              "%zu, queued: %zu, workers: %zu): allow more time, or fewer or smaller tasks",
              run->count[KOFN_TASK_KEPT], which_suffice(run), kofn_run_get_enough(run), groups,
              run->trying ? ", and whether they do was being found out" : "",
              run->count[KOFN_TASK_OUT], run->count[KOFN_TASK_QUEUED], s->crew.able[run->kind]);
    move_run(s, run, EV_STOPPED);
}

/* ---- events ---------------------------------------------------------------------------------- */

void
kofn_core_advance(kofn_sched *s, int64_t now_ns)
{
    if (now_ns > s->now_ns)
        s->now_ns = now_ns;
}

static kofn_status
reserve(kofn_sched *s, size_t tasks, kofn_error *err)
{
    if (tasks > s->scratch_size) {
        size_t *scratch = realloc(s->scratch, tasks * sizeof *scratch);
        if (!scratch)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu tasks", tasks);
        s->scratch = scratch;
        s->scratch_size = tasks;
    }
    return kofn_timers_reserve(&s->timers, s->open + 1, err);
}

static kofn_status
find_policy(const char *name, const kofn_policy **ret_policy, kofn_error *err)
{
    *ret_policy = kofn_policy_find(name);
    if (*ret_policy)
        return KOFN_OK;
    if (strcmp(name, kofn_policy_rounds.name) == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "policy '%s' is for jobs of a stream: open one, or take another policy",
                         name);
    const char *nearest = kofn_policy_nearest(name);
    if (nearest)
        return kofn_fail(err, KOFN_NOT_FOUND, "policy '%s' is not known, did you mean '%s'?", name,
                         nearest);
    return kofn_fail(err, KOFN_NOT_FOUND, "policy '%s' is not known, try '%s'", name,
                     kofn_policy_at(0)->name);
}

/* A record that the maps know, in no state yet but OPEN. */
static kofn_status
add_run(kofn_sched *s, const kofn_sched_job *job, kofn_run **ret_run, kofn_error *err)
{
    const kofn_policy *policy = &kofn_policy_rounds;
    kofn_status status = KOFN_OK;
    if (job->stream == 0)
        status = find_policy(job->policy, &policy, err);
    if (status == KOFN_OK)
        status = reserve(s, job->code->tasks, err);
    if (status != KOFN_OK)
        return status;
    kofn_run *run;
    status = kofn_run_new(job, policy, &s->config, &run, err);
    if (status != KOFN_OK)
        return status;
    run->crew = &s->crew;
    run->now_ns = &s->now_ns;
    run->timer.number = s->arrivals + 1;
    status = kofn_map_put(&s->runs, job->id, run, err);
    if (status == KOFN_OK) {
        status = kofn_turns_add(&s->turns, job->client, run, err);
        if (status != KOFN_OK)
            (void)kofn_map_remove(&s->runs, job->id); // the pointer is at hand already
    }
    if (status == KOFN_OK && job->stream != 0) {
        status = kofn_stream_run_add(kofn_map_find(&s->streams, job->stream), run, err);
        if (status != KOFN_OK) {
            (void)kofn_map_remove(&s->runs, job->id); // likewise
            kofn_turns_remove(&s->turns, run);
        }
    }
    if (status != KOFN_OK) {
        kofn_run_destroy(&run);
        return status;
    }
    s->arrivals++;
    s->open++;
    *ret_run = run;
    return KOFN_OK;
}

kofn_status
kofn_sched_job_add(kofn_sched *s, int64_t now_ns, const kofn_sched_job *job, kofn_error *err)
{
    kofn_core_advance(s, now_ns);
    if (job->id == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "job id is 0, need another number");
    if (kofn_map_find(&s->runs, job->id))
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "job %" PRIx64 " is known already", job->id);
    kofn_run *run = NULL;
    kofn_status status = kofn_accept_check(&job->accept, job->code, err);
    if (status == KOFN_OK && job->accept.liars > 0)
        status = kofn_liars_check(job->code, job->accept.liars, err);
    if (status == KOFN_OK && job->stream != 0)
        status = kofn_core_check_stream(s, job, err);
    if (status == KOFN_OK)
        status = add_run(s, job, &run, err);
    if (status != KOFN_OK)
        return status;

    if (run->stream)
        kofn_core_stir(s, run->stream);
    if (run->accept.liars > 0)
        kofn_link_insert_before(&s->troubled, &run->troubled);
    if (run->policy->start)
        run->policy->start(run);
    if (run->deadline_ns <= s->now_ns)
        stop_at_deadline(s, run);
    consider(s, run);
    return KOFN_OK;
}

/* A run that is not over. */
static kofn_run *
find_running(const kofn_sched *s, uint64_t job)
{
    kofn_run *run = kofn_map_find(&s->runs, job);
    return run && !kofn_run_is_over(run) ? run : NULL;
}

bool
kofn_sched_job_cancel(kofn_sched *s, int64_t now_ns, uint64_t job)
{
    kofn_core_advance(s, now_ns);
    kofn_run *run = find_running(s, job);
    if (!run)
        return false;
    kofn_fail(&run->error, KOFN_CANCELLED,
              "the job was cancelled with %zu answers where %s %zu suffice",
              run->count[KOFN_TASK_KEPT], which_suffice(run), kofn_run_get_enough(run));
    move_run(s, run, EV_STOPPED);
    return true;
}

/* ---- workers --------------------------------------------------------------------------------- */

/* It did not die, where it was thought to have: its connection did. */
static void
withdraw_deaths(kofn_sched *s, const kofn_sched_worker *worker)
{
    for (kofn_link *link = kofn_list_first(&s->bereaved); link && worker->life;
         link = kofn_list_after(&s->bereaved, link))
        kofn_deaths_withdraw(&KOFN_OWNER(link, kofn_run, bereaved)->deaths, worker->name,
                             worker->life);
}

kofn_status
kofn_sched_worker_join(kofn_sched *s, int64_t now_ns, const kofn_sched_worker *worker,
                       kofn_error *err)
{
    kofn_core_advance(s, now_ns);
    if (worker->credit == 0 || worker->credit > KOFN_CREDIT_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "credit is %zu tasks, need 1 to %d",
                         worker->credit, KOFN_CREDIT_MAX);
    const kofn_status status = kofn_crew_join(&s->crew, worker, err);
    if (status != KOFN_OK)
        return status;
    withdraw_deaths(s, worker);
    kofn_core_seat(s, kofn_crew_find(&s->crew, worker->id));
    return KOFN_OK;
}

/* Fewer workers are left: for some run, the last that had not failed its task, or given as many
 * answers as it may, may be gone. */
static void
review_troubled(kofn_sched *s)
{
    kofn_link *link = kofn_list_first(&s->troubled);
    while (link) {
        kofn_run *run = KOFN_OWNER(link, kofn_run, troubled);
        link = kofn_list_after(&s->troubled, link);
        if (run->state == KOFN_RUN_OPEN)
            consider(s, run);
    }
}

void
kofn_sched_worker_leave(kofn_sched *s, int64_t now_ns, uint64_t worker)
{
    kofn_core_advance(s, now_ns);
    kofn_crew_worker *w = kofn_crew_find(&s->crew, worker);
    if (!w || w->leaving)
        return;
    kofn_core_unseat(s, w, false);
    kofn_crew_leave(&s->crew, w);
    review_troubled(s);
}

/* An assignment came to nothing. Its run is to be considered later: others may go the same way. */
static void
drop_assignment(kofn_sched *s, kofn_assignment *a, kofn_ending how)
{
    kofn_run *run = a->run;
    release(s, a, how);
    kofn_run_lose(run, a->task);
    if (run->state != KOFN_RUN_SETTLING && run->policy->on_gone)
        run->policy->on_gone(run, a);
}

/* A job that ends its workers is over, with the best there is if that will do. */
static void
stop_poisoned(kofn_sched *s, kofn_run *run, size_t task)
{
    char workers[KOFN_DEATHS_TEXT_MAX], which[32] = "s"; // of a stream: any
    if (task != kofn_run_get_death_key(run))
        (void)snprintf(which, sizeof which, " %zu", task);
    kofn_deaths_list(&run->deaths, task, workers);
    kofn_fail(&run->error, KOFN_FAILED_PRECONDITION,
              "the job was failed: %s %s died one after another while computing its task%s; find "
              "out what ends workers before it is submitted again",
              strchr(workers, ',') ? "workers" : "three lives of worker", workers, which);
    if (run->state == KOFN_RUN_IMPROVING)
        move_run(s, run, EV_ESTIMATE);
    else if (takes_best(run) && run->count[KOFN_TASK_KEPT] > 0)
        move_run(s, run, EV_BEST);
    else
        move_run(s, run, EV_STOPPED);
}

/* Its worker died with it. */
static void
note_death(kofn_sched *s, const kofn_assignment *a, const kofn_crew_worker *dead)
{
    kofn_run *run = a->run;
    const size_t tasks[] = {a->task, kofn_run_get_death_key(run)}; // the latter of a stream
    bool noted = false;
    for (size_t i = 0; i < (run->stream ? 2 : 1) && !kofn_run_is_over(run); i++)
        noted |= kofn_deaths_note(&run->deaths, tasks[i], dead->name, dead->life, a->id,
                                  s->crew.last_id);
    if (!noted)
        return;
    if (!kofn_link_is_listed(&run->bereaved))
        kofn_link_insert_before(&s->bereaved, &run->bereaved);
}

/* Is its process here on another connection? */
static bool
lives_on(const kofn_sched *s, const kofn_crew_worker *gone)
{
    size_t cursor = 0;
    for (const kofn_crew_worker *w; (w = kofn_map_next(&s->crew.workers, &cursor));)
        if (w->id != gone->id && w->life == gone->life && strcmp(w->name, gone->name) == 0)
            return gone->life != 0;
    return false;
}

static void
lose_worker(kofn_sched *s, uint64_t worker, bool is_dead)
{
    kofn_crew_worker *w = kofn_crew_find(&s->crew, worker);
    if (!w)
        return;
    const kofn_crew_worker gone = *w; // for who it was
    is_dead = is_dead && !lives_on(s, &gone);
    kofn_core_unseat(s, w, true);
    if (!w->leaving)
        kofn_crew_leave(&s->crew, w); // and gone with the last of what it has
    kofn_link lost;
    kofn_link_init(&lost);
    for (size_t left = kofn_crew_find(&s->crew, worker) ? w->running : 0; left > 0; left--) {
        kofn_assignment *a = KOFN_OWNER(kofn_list_first(&w->queue), kofn_assignment, in_worker);
        drop_assignment(s, a, KOFN_ENDED_LOST);
        kofn_link_insert_before(&lost, &a->pending);
    }
    for (kofn_link *link; (link = kofn_list_take_first(&lost));) {
        kofn_assignment *a = KOFN_OWNER(link, kofn_assignment, pending);
        if (is_dead)
            note_death(s, a, &gone);
        consider(s, a->run);
        kofn_crew_recycle(&s->crew, a);
    }
    review_troubled(s);
}

void
kofn_sched_worker_lose(kofn_sched *s, int64_t now_ns, uint64_t worker)
{
    kofn_core_advance(s, now_ns);
    lose_worker(s, worker, false);
}

void
kofn_sched_worker_die(kofn_sched *s, int64_t now_ns, uint64_t worker)
{
    kofn_core_advance(s, now_ns);
    lose_worker(s, worker, true);
}

static bool
was_issued(const kofn_sched *s, uint64_t assignment)
{
    return assignment > 0 && assignment <= s->crew.last_id;
}

/* Nothing of the task is waited for any more. */
static void
withdraw(kofn_sched *s, kofn_run *run, size_t task)
{
    for (kofn_assignment *a; (a = run->tasks[task].copies);) {
        kofn_core_cancel(s, a);
        if (run->state != KOFN_RUN_SETTLING && run->policy->on_gone)
            run->policy->on_gone(run, a);
    }
}

/* What the answer of `task` made useless within its group is not waited for. */
static void
spare_group(kofn_sched *s, kofn_run *run, size_t task)
{
    const size_t group = kofn_code_get_group(run->code, task);
    for (size_t other = kofn_code_next_of_group(run->code, group, 0); other < SIZE_MAX;
         other = kofn_code_next_of_group(run->code, group, other + 1)) {
        if (!kofn_run_is_spare(run, other))
            continue;
        withdraw(s, run, other);
        kofn_run_spare(run, other);
    }
}

/* Rows that were made for products which have come since are not waited for either. */
static void
spare_made(kofn_sched *s, kofn_run *run)
{
    const bool all = run->policy->has_done && run->policy->has_done(run);
    if (all) // the rest is to be looked at without them
        run->covered = false;
    for (size_t task = kofn_code_first_tasks(run->code); task < run->rows; task++) {
        const uint32_t state = run->tasks[task].state;
        if (state == KOFN_TASK_KEPT || state == KOFN_TASK_SPARED ||
            (!all && !kofn_run_is_spare(run, task)))
            continue;
        withdraw(s, run, task);
        kofn_run_spare(run, task);
    }
}

/* What an answer means to a run to which tasks may still be sent. */
static void
follow_answer(kofn_sched *s, kofn_run *run, const kofn_assignment *a)
{
    if (run->policy->on_answer)
        run->policy->on_answer(run, a);
    if (run->accept.liars > 0 || // then answers that add nothing are what finds the wrong ones
        kofn_decoder_get_state(run->decoder) != KOFN_DECODE_NOT_YET)
        return;
    if (run->code->groups > 0)
        spare_group(s, run, a->task);
    if (run->code->staged)
        spare_made(s, run);
}

kofn_verdict
kofn_sched_answer(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment)
{
    kofn_core_advance(s, now_ns);
    kofn_assignment *a = kofn_crew_find_assignment(&s->crew, assignment);
    if (!a)
        return was_issued(s, assignment) ? KOFN_VERDICT_DROP : KOFN_VERDICT_UNKNOWN;
    if (a->worker_id != worker)
        return KOFN_VERDICT_UNKNOWN;

    kofn_run *run = a->run;
    release(s, a, KOFN_ENDED_ANSWERED);
    withdraw(s, run, a->task);
    kofn_status status = kofn_run_keep(run, a->task, a->giver, &run->error);
    run->held += a->adopted;
    if (status != KOFN_OK)
        move_run(s, run, EV_STOPPED);
    else if (run->state != KOFN_RUN_SETTLING)
        follow_answer(s, run, a);
    kofn_crew_recycle(&s->crew, a);
    consider(s, run);
    return status == KOFN_OK ? KOFN_VERDICT_KEEP : KOFN_VERDICT_DROP;
}

/* Keep in mind who failed a task and why, and stop the run when that is enough. */
static void
note_failure(kofn_sched *s, kofn_run *run, size_t task, uint64_t worker, const kofn_error *why)
{
    if (kofn_run_note_failure(run, task, worker, &run->error) != KOFN_OK) {
        move_run(s, run, EV_STOPPED);
        return;
    }
    if (!kofn_link_is_listed(&run->troubled))
        kofn_link_insert_before(&s->troubled, &run->troubled);
    const char *text = why && why->text[0] ? why->text : "no reason given";
    if (kofn_run_count_failures(run, task) < FAILURES_MAX) {
        kofn_fail(&run->error, KOFN_ABORTED, "%s", text);
        return;
    }
    kofn_fail(&run->error, KOFN_ABORTED, "task %zu failed on %d workers, last: %s", task,
              FAILURES_MAX, text);
    if (run->state == KOFN_RUN_OPEN) // else it does without
        give_up(s, run);
}

void
kofn_sched_task_fail(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment,
                     const kofn_error *why)
{
    kofn_core_advance(s, now_ns);
    kofn_assignment *a = kofn_crew_find_assignment(&s->crew, assignment);
    if (!a || a->worker_id != worker)
        return;
    kofn_run *run = a->run;
    drop_assignment(s, a, KOFN_ENDED_FAILED);
    note_failure(s, run, a->task, worker, why);
    kofn_crew_recycle(&s->crew, a);
    consider(s, run);
}

bool
kofn_sched_adopt(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t job, size_t task,
                 uint64_t *ret_assignment)
{
    kofn_core_advance(s, now_ns);
    kofn_run *run = find_running(s, job);
    kofn_crew_worker *w = kofn_crew_find(&s->crew, worker);
    if (!run || !w || w->leaving || !kofn_run_may_adopt(run, w, task))
        return false;
    kofn_assignment *a = kofn_crew_adopt(&s->crew, w, s->now_ns);
    if (!a)
        return false;
    kofn_run_attach(run, a, task);
    if (run->policy->on_sent)
        run->policy->on_sent(run, a);
    kofn_core_refresh(s, run);
    *ret_assignment = a->id;
    return true;
}

void
kofn_sched_task_return(kofn_sched *s, int64_t now_ns, uint64_t worker, uint64_t assignment)
{
    kofn_core_advance(s, now_ns);
    kofn_assignment *a = kofn_crew_find_assignment(&s->crew, assignment);
    if (!a || a->worker_id != worker)
        return;
    kofn_run *run = a->run;
    drop_assignment(s, a, KOFN_ENDED_LOST);
    consider(s, run);
    kofn_crew_recycle(&s->crew, a);
}

kofn_status
kofn_sched_job_recode(kofn_sched *s, int64_t now_ns, uint64_t job, kofn_code *code, kofn_error *err)
{
    kofn_core_advance(s, now_ns);
    kofn_run *run = find_running(s, job);
    if (!run || run->recode != KOFN_RECODE_ASKED)
        return kofn_fail(err, KOFN_NOT_FOUND, "job %" PRIx64 " does not want rows", job);
    const kofn_status status = code ? kofn_run_recode(run, code, err) : KOFN_OK;
    run->recode = KOFN_RECODE_NONE;
    if (run->state == KOFN_RUN_SETTLING)
        return status;
    run->policy->on_recode(run, code && status == KOFN_OK);
    consider(s, run);
    return status;
}

void
kofn_sched_job_tried(kofn_sched *s, int64_t now_ns, uint64_t job, kofn_trial **trial_p)
{
    kofn_core_advance(s, now_ns);
    kofn_run *run = find_running(s, job);
    if (!run) {
        kofn_trial_destroy(trial_p);
        return;
    }
    if (kofn_run_take_trial(run, trial_p, &run->error) != KOFN_OK)
        move_run(s, run, EV_STOPPED);
    consider(s, run);
}

void
kofn_sched_prefer(kofn_sched *s, uint64_t job, size_t task, uint64_t worker, size_t bytes)
{
    kofn_run *run = find_running(s, job);
    if (run && task < run->code->tasks && kofn_crew_find(&s->crew, worker))
        kofn_run_note_hint(run, task, worker, bytes);
}

/* Of a stream's job, every row is, until it is answered. */
static bool
is_wanted(const kofn_run *run, size_t task)
{
    if (!run->stream)
        return run->tasks[task].state == KOFN_TASK_QUEUED;
    return task == kofn_run_get_death_key(run) || run->tasks[task].state != KOFN_TASK_KEPT;
}

/* A suspect that is wanted, and that nobody gets: none of those that died of it has come back. */
static bool
find_deadly(const kofn_run *run, size_t *ret_task)
{
    const kofn_death *cursor = NULL;
    while (kofn_deaths_next_suspect(&run->deaths, &cursor, ret_task))
        if (is_wanted(run, *ret_task) && kofn_run_is_deadly(run, *ret_task))
            return true;
    return false;
}

/* From now on for the time of grace, or no longer. */
static void
review_trial(kofn_sched *s, kofn_run *run)
{
    size_t task;
    const bool is_on = run->trial_ns != KOFN_NEVER_NS;
    if (find_deadly(run, &task) == is_on)
        return;
    run->trial_ns = is_on ? KOFN_NEVER_NS : kofn_clock_after(s->now_ns, KOFN_DEATHS_GRACE_NS);
    kofn_core_refresh(s, run);
}

static void
judge(kofn_sched *s, kofn_run *run)
{
    size_t task;
    run->trial_ns = KOFN_NEVER_NS;
    if (find_deadly(run, &task))
        stop_poisoned(s, run, task);
    else
        consider(s, run);
}

void
kofn_sched_tick(kofn_sched *s, int64_t now_ns)
{
    kofn_core_advance(s, now_ns);
    for (kofn_timer *timer;
         (timer = kofn_timers_first(&s->timers)) && timer->due_ns <= s->now_ns;) {
        kofn_run *run = (kofn_run *)timer;
        if (run->state == KOFN_RUN_SETTLING) {
            move_run(s, run, EV_POOR);
        } else if (run->state == KOFN_RUN_IMPROVING &&
                   (run->settle_ns <= s->now_ns || run->deadline_ns <= s->now_ns)) {
            move_run(s, run, EV_ESTIMATE);
        } else if (run->deadline_ns <= s->now_ns) {
            stop_at_deadline(s, run);
        } else if (run->trial_ns <= s->now_ns) {
            judge(s, run);
        } else if (run->scarce_ns <= s->now_ns) {
            consider(s, run);
        } else {
            run->wake_ns = KOFN_NEVER_NS;
            if (run->policy->on_tick)
                run->policy->on_tick(run);
            consider(s, run);
        }
    }
    for (kofn_timer *timer;
         (timer = kofn_timers_first(&s->round_timers)) && timer->due_ns <= s->now_ns;)
        kofn_core_stir(s, (kofn_stream_run *)timer);
}

/* ---- actions --------------------------------------------------------------------------------- */

/* It has a task of the run; or gave an answer, where workers may lie: another of it is worth
 * less. */
static bool
holds(const kofn_run *run, const kofn_crew_worker *w)
{
    return kofn_crew_has_run(w, run) ||
           (run->accept.liars > 0 && kofn_run_count_given(run, w->giver) > 0);
}

/* Does another worker live, free or busy with other jobs, that is to have it rather than one that
 * is spent? */
static bool
is_left_to_others(const kofn_sched *s, const kofn_run *run, size_t task)
{
    size_t cursor = 0;
    for (const kofn_crew_worker *w; (w = kofn_map_next(&s->crew.workers, &cursor));)
        if (!w->leaving && !kofn_crew_has_run(w, run) && !kofn_run_is_spent(run, w->giver) &&
            kofn_run_may_take(run, w->id, task))
            return true;
    return false;
}

/* Of so many free workers with a task of the run. */
static kofn_crew_worker *
look_among_holders(const kofn_sched *s, const kofn_run *run, size_t count, size_t *ret_task)
{
    const kofn_crew *crew = &s->crew;
    bool waits = false; // the task, for others
    for (kofn_crew_worker *w = kofn_crew_first_free(crew); w && count > 0;
         w = kofn_crew_next_free(crew, w)) {
        if (!holds(run, w))
            continue;
        count--;
        const bool spent = kofn_run_is_spent(run, w->giver);
        if ((spent && waits) || !run->policy->pick(run, w->id, ret_task))
            continue;
        waits = spent && is_left_to_others(s, run, *ret_task);
        if (!waits)
            return w;
    }
    return NULL;
}

/* The free worker that gets the run's next task: the first in order without a task of the run, else
 * the first in order. Beyond HOLDERS_PASSED workers with one the work is spread widely enough, but
 * where answers may be wrong. */
static kofn_crew_worker *
look_for_place(const kofn_sched *s, const kofn_run *run, size_t *ret_task)
{
    const kofn_crew *crew = &s->crew;
    size_t passed = 0;
    for (kofn_crew_worker *w = kofn_crew_first_free(crew);
         w && (passed < HOLDERS_PASSED || run->accept.liars > 0);
         w = kofn_crew_next_free(crew, w)) {
        if (holds(run, w))
            passed++;
        else if (run->policy->pick(run, w->id, ret_task))
            return w;
    }
    return look_among_holders(s, run, passed, ret_task);
}

/* Tasks are left to workers that have their blocks, but nobody goes without a task for it. */
static kofn_crew_worker *
find_place(const kofn_sched *s, kofn_run *run, size_t *ret_task)
{
    kofn_crew_worker *worker = look_for_place(s, run, ret_task);
    if (worker || run->hints.count == 0)
        return worker;
    run->loose = true;
    worker = look_for_place(s, run, ret_task);
    run->loose = false;
    return worker;
}

/* The task that is sent when it is this run's turn. */
static bool
find_task(kofn_sched *s, kofn_run *run, kofn_placed *ret_placed)
{
    if (!run->policy->place) {
        ret_placed->run = run;
        ret_placed->worker = find_place(s, run, &ret_placed->task);
        return ret_placed->worker != NULL;
    }
    kofn_stream_run *stream = run->stream;
    const bool found = run->policy->place(run, ret_placed);
    if (stream->skipped)
        kofn_core_stir(s, stream);
    stream->skipped = false;
    kofn_core_refresh(s, run);
    return found;
}

static void
send(kofn_sched *s, kofn_run *run, kofn_crew_worker *worker, size_t task, kofn_action *ret_action)
{
    assert(kofn_run_may_take(run, worker->id, task));
    kofn_assignment *a = kofn_crew_assign(&s->crew, worker, s->now_ns, run->task_flops);
    kofn_run_attach(run, a, task);
    if (run->stream)
        a->slot = kofn_stream_run_find_slot(run->stream, worker);
    if (run->policy->on_sent)
        run->policy->on_sent(run, a);
    *ret_action = (kofn_action){
        .kind = KOFN_ACTION_SEND,
        .job = run->id,
        .assignment = a->id,
        .worker = worker->id,
        .task = task,
        .backup = a->copy,
        .round = a->slot ? a->slot->stream->round : 0,
        .slot = a->slot ? a->slot->number : 0,
    };
    kofn_turns_serve(&s->turns, run);
    kofn_core_refresh(s, run);
}

/* The worker that is kept free may be gone, or of no use any more: no suspect waits, or it has come
 * to have nothing and none may go there. */
static void
review_kept(kofn_sched *s, bool waits)
{
    kofn_crew_worker *worker = kofn_crew_find(&s->crew, s->kept_free);
    if (worker && !worker->leaving && worker->running > 0 && waits)
        return;
    s->kept_free = 0;
    if (worker)
        kofn_crew_set_alone(&s->crew, worker, false);
}

/* May the suspect go to this worker, once that has nothing else? */
static bool
may_be_alone_with(const kofn_run *run, kofn_crew_worker *worker, size_t task)
{
    const bool was = worker->alone;
    worker->alone = true;
    const bool may = kofn_run_may_take(run, worker->id, task);
    worker->alone = was;
    return may;
}

/* A worker that has nothing; else the first in order is kept free from now on, unless one is. */
static kofn_crew_worker *
find_lone_place(kofn_sched *s, const kofn_run *run, size_t task)
{
    for (kofn_crew_worker *w = kofn_crew_first_free(&s->crew); w;
         w = kofn_crew_next_free(&s->crew, w)) {
        if (!may_be_alone_with(run, w, task))
            continue;
        if (w->running > 0 && s->kept_free == 0) {
            s->kept_free = w->id;
            kofn_crew_set_alone(&s->crew, w, true);
            return NULL;
        }
        return w->running == 0 ? w : NULL;
    }
    return NULL;
}

/* A place for any suspect of the run that waits for one; *waits is set if there is such a one. */
static kofn_crew_worker *
place_suspect(kofn_sched *s, const kofn_run *run, size_t *ret_task, bool *waits)
{
    const kofn_death *cursor = NULL;
    while (kofn_deaths_next_suspect(&run->deaths, &cursor, ret_task)) {
        if (run->tasks[*ret_task].state != KOFN_TASK_QUEUED || kofn_run_is_deadly(run, *ret_task))
            continue;
        *waits = true;
        kofn_crew_worker *worker = find_lone_place(s, run, *ret_task);
        if (worker)
            return worker;
    }
    return NULL;
}

/* Suspects go before all others: they are few, and what they bring out serves everybody. */
static bool
dispatch_suspect(kofn_sched *s, kofn_action *ret_action)
{
    bool waits = false;
    kofn_link *link = kofn_list_first(&s->suspicious);
    for (; link; link = kofn_list_after(&s->suspicious, link)) {
        kofn_run *run = KOFN_OWNER(link, kofn_run, suspicious);
        size_t task;
        if (run->state == KOFN_RUN_SETTLING)
            continue;
        review_trial(s, run);
        kofn_crew_worker *worker = run->stream ? kofn_core_place_parked(s, run, &task, &waits)
                                               : place_suspect(s, run, &task, &waits);
        if (!worker)
            continue;
        if (worker->id == s->kept_free)
            s->kept_free = 0;
        worker->alone = true; // until its end: kofn_crew_release
        send(s, run, worker, task, ret_action);
        return true;
    }
    review_kept(s, waits);
    return false;
}

/* There may be something for it: else it may wait for long, and is no look. */
static bool
is_to_be_looked_at(const kofn_sched *s, const kofn_run *run)
{
    return s->crew.able_free[run->kind] > 0 &&
           (!run->stream || kofn_link_is_listed(&run->stream->ready));
}

/* A run may have work that no free worker may take (its late task is on the only one, say): others
 * go first then. Such runs are few, so a look at the first ones does. */
static bool
dispatch(kofn_sched *s, kofn_action *ret_action)
{
    size_t looks = 0;
    if ((kofn_link_is_listed(&s->suspicious) || s->kept_free) && dispatch_suspect(s, ret_action))
        return true;
    if (!kofn_crew_first_free(&s->crew))
        return false;
    for (kofn_run *run = kofn_turns_first(&s->turns); run && looks < RUNS_LOOKED_AT;) {
        kofn_placed placed;
        const bool able = is_to_be_looked_at(s, run);
        kofn_run *next = kofn_turns_next(&s->turns, run); // while it has work
        if (able && find_task(s, run, &placed)) {
            send(s, placed.run, placed.worker, placed.task, ret_action);
            return true;
        }
        looks += able;
        run = next;
    }
    return false;
}

static void
tell_cancel(kofn_sched *s, kofn_assignment *a, kofn_action *ret_action)
{
    *ret_action = (kofn_action){
        .kind = KOFN_ACTION_CANCEL,
        .job = a->job_id,
        .assignment = a->id,
        .worker = a->worker_id,
        .task = a->task,
    };
    kofn_crew_recycle(&s->crew, a);
}

static void
tell_recode(kofn_run *run, kofn_action *ret_action)
{
    run->recode = KOFN_RECODE_ASKED;
    *ret_action = (kofn_action){.kind = KOFN_ACTION_RECODE, .job = run->id};
}

static kofn_run *
take_recode(kofn_sched *s)
{
    kofn_link *link = kofn_list_take_first(&s->recodes);
    return link ? KOFN_OWNER(link, kofn_run, recoding) : NULL;
}

static kofn_run *
take_wanting_trial(kofn_sched *s)
{
    kofn_link *link = kofn_list_take_first(&s->trials);
    return link ? KOFN_OWNER(link, kofn_run, to_try) : NULL;
}

static void
tell_trial(kofn_run *run, kofn_action *ret_action)
{
    *ret_action = (kofn_action){.kind = KOFN_ACTION_TRY, .job = run->id, .trial = run->trial};
    run->trial = NULL;
}

static void
tell_outcome(kofn_run *run, kofn_action *ret_action)
{
    const bool failed = run->state == KOFN_RUN_FAILED;
    *ret_action = (kofn_action){
        .kind = failed ? KOFN_ACTION_FAIL : KOFN_ACTION_DECODE,
        .job = run->id,
        .estimate = run->estimate && !failed,
        .waited = run->waited && !failed,
        .poor = run->poor,
        .round = run->round,
    };
    if (failed)
        ret_action->error = run->error;
    if (failed || run->forgotten)
        kofn_run_destroy(&run);
}

bool
kofn_sched_next_action(kofn_sched *s, kofn_action *ret_action)
{
    do {
        kofn_core_turn_streams(s);
        kofn_assignment *a = take_cancel(s);
        if (a) {
            tell_cancel(s, a, ret_action);
            return true;
        }
        kofn_run *run = take_outcome(s);
        if (run) {
            tell_outcome(run, ret_action);
            return true;
        }
        run = take_recode(s);
        if (run) {
            tell_recode(run, ret_action);
            return true;
        }
        run = take_wanting_trial(s);
        if (run) {
            tell_trial(run, ret_action);
            return true;
        }
        if (dispatch(s, ret_action))
            return true;
    } while (kofn_link_is_listed(&s->stirred)); // dispatch skipped something
    return false;
}

int64_t
kofn_sched_next_tick(const kofn_sched *s)
{
    const kofn_timer *timer = kofn_timers_first(&s->timers);
    const kofn_timer *round = kofn_timers_first(&s->round_timers);
    const int64_t due_ns = timer ? timer->due_ns : KOFN_NEVER_NS;
    return round && round->due_ns < due_ns ? round->due_ns : due_ns;
}

/* ---- views ----------------------------------------------------------------------------------- */

bool
kofn_sched_get_job(const kofn_sched *s, uint64_t job, kofn_sched_job_view *ret_view)
{
    const kofn_run *run = kofn_map_find(&s->runs, job);
    if (!run)
        return false;
    *ret_view = (kofn_sched_job_view){
        .sent = run->sent,
        .answered = run->answered,
        .kept = run->count[KOFN_TASK_KEPT],
        .backups = run->backups,
        .replaced = run->replaced,
        .fresh = run->fresh,
        .held = run->held,
        .workers = run->seen.count,
        .decodable = run->state == KOFN_RUN_IMPROVING || run->state == KOFN_RUN_SETTLING ||
                     run->state == KOFN_RUN_DECODED,
        .bound = isfinite(run->look.bound) ? run->look.bound : 0,
    };
    return true;
}

size_t
kofn_sched_job_list_missing(const kofn_sched *s, uint64_t job, size_t *ret_tasks, double *ret_rate)
{
    const kofn_run *run = find_running(s, job);
    if (!run || !run->policy->list_missing)
        return 0;
    return run->policy->list_missing(run, ret_tasks, ret_rate);
}

bool
kofn_sched_get_worker(const kofn_sched *s, uint64_t worker, kofn_sched_worker_view *ret_view)
{
    const kofn_crew_worker *w = kofn_crew_find(&s->crew, worker);
    if (!w)
        return false;
    *ret_view = (kofn_sched_worker_view){
        .running = w->running,
        .done = w->done,
        .failed = w->failed,
        .cancelled = w->cancelled,
        .credit = w->credit,
        .leaving = w->leaving,
        .flops_rate = w->rate,
        .slowdown = kofn_crew_slowdown(&s->crew, w),
    };
    return true;
}

size_t
kofn_sched_count_workers(const kofn_sched *s)
{
    return s->crew.ready;
}

size_t
kofn_sched_count_able(const kofn_sched *s, const kofn_field *field)
{
    return s->crew.able[kofn_field_kind_of(field)];
}

size_t
kofn_sched_count_jobs(const kofn_sched *s)
{
    return s->open;
}

/* What was left out is done in the trial, if that has all answers or those that it has suffice. */
static bool
has_tried(const kofn_run *run)
{
    const kofn_trial *trial = run->trial;
    return trial &&
           (kofn_decoder_get_state(trial->decoder) == KOFN_DECODE_EXACT ||
            kofn_decoder_get_count(trial->decoder) == kofn_decoder_get_count(run->decoder));
}

const kofn_decoder *
kofn_sched_job_get_decoder(const kofn_sched *s, uint64_t job)
{
    const kofn_run *run = kofn_map_find(&s->runs, job);
    if (!run)
        return NULL;
    return has_tried(run) ? run->trial->decoder : run->decoder;
}

void
kofn_sched_job_forget(kofn_sched *s, uint64_t job)
{
    kofn_run *run = kofn_map_find(&s->runs, job);
    if (!run || !kofn_run_is_over(run))
        return;
    (void)kofn_map_remove(&s->runs, job); // the pointer is at hand already
    if (kofn_link_is_listed(&run->pending))
        run->forgotten = true;
    else
        kofn_run_destroy(&run);
}
