#include "master/sim/simulate.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/code/inner.h"
#include "common/code/staged.h"
#include "master/sched/policy.h"
#include "master/sched/timers.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM = 1, // its id
    EVENTS_UNASKED = 1 << 13,
};

static const double JOB_FLOPS = 1e12; // any: rates are compared with each other alone

typedef struct job {
    uint64_t number; // from 1
    uint64_t born;   // round
    int64_t begun_ns;
    size_t sent, answered;
    kofn_code *code; // a ref; of a batch under two_stage, with the rows that were made for it
    double *factor;  // [workers]
} job;

typedef struct task { // on a worker
    uint64_t assignment;
    int64_t takes_ns;
    job *job;
} task;

typedef struct worker {
    kofn_timer timer; // first: when the task in front is done
    int64_t began_ns; // that one
    uint64_t given;   // tasks so far
    task *queue;      // [credit], in front what it is at
    size_t count;
} worker;

typedef struct run {
    kofn_sim_config config;
    const kofn_sim_observer *observer;
    kofn_sched *sched;
    kofn_code *code;
    kofn_straggler *model;
    kofn_rng rng;
    kofn_timers timers;
    worker *workers;
    task *queues;    // [workers][credit]
    job *jobs;       // [at_once]
    double *factors; // [at_once][workers]; of a stream [workers], of the round
    size_t *missing; // [tasks] room for what rows are made for
    bool stream;
    double share; // of a job that is one task
    int64_t now_ns, busy_ns;
    uint64_t added, slow, stragglers, delays;
    size_t unasked;        // events since the observer was asked
    kofn_sim_round round;  // that is on
    kofn_rounds_view view; // when it began
    kofn_sim_figures figures;
    kofn_error *err;
} run;

/* ---- workers --------------------------------------------------------------------------------- */

static void
begin_front(run *r, worker *w)
{
    w->began_ns = r->now_ns;
    kofn_timers_set(&r->timers, &w->timer,
                    w->count > 0 ? kofn_clock_after(r->now_ns, w->queue[0].takes_ns)
                                 : KOFN_NEVER_NS);
}

static void
remove_task(run *r, worker *w, size_t at)
{
    if (at == 0)
        r->busy_ns += r->now_ns - w->began_ns;
    memmove(&w->queue[at], &w->queue[at + 1], (w->count - at - 1) * sizeof *w->queue);
    w->count--;
    if (at == 0)
        begin_front(r, w);
}

static int64_t
draw_time(run *r, double factor)
{
    double ns = r->share * (double)r->config.unit_ns * factor;
    if (r->config.jitter > 0)
        ns *= exp(r->config.jitter * kofn_rng_normal(&r->rng));
    ns += (double)r->config.overhead_ns;
    return ns < 9e18 ? llround(ns) : KOFN_NEVER_NS; // never: it does not answer
}

static job *
get_job(const run *r, uint64_t id)
{
    return &r->jobs[(id - 1) % (uint64_t)r->config.at_once];
}

/* The worker's, in what the task belongs to; or for this task. */
static double
get_factor(run *r, const job *j, size_t index)
{
    if (r->config.each_task) {
        const double factor = kofn_straggler_get_factor(r->model, r->workers[index].given++, index);
        r->slow += factor > 1;
        return factor;
    }
    return r->stream ? r->factors[index] : j->factor[index];
}

static void begin_round(run *r, uint64_t number);

static void
on_send(run *r, const kofn_action *action)
{
    const size_t index = (size_t)action->worker - 1;
    worker *w = &r->workers[index];
    job *j = get_job(r, action->job);
    assert(w->count < (size_t)r->config.credit);
    if (action->round != r->round.round)
        begin_round(r, action->round);
    if (j->sent++ == 0 && r->stream) {
        j->born = action->round;
        j->begun_ns = r->now_ns;
    }
    r->figures.sent++;
    r->figures.backups += action->backup;
    r->figures.fresh += !action->backup && action->task >= kofn_code_first_tasks(r->code);
    w->queue[w->count++] = (task){action->assignment, draw_time(r, get_factor(r, j, index)), j};
    if (w->count == 1)
        begin_front(r, w);
}

/* One that was answered in the same moment is not there any more. */
static void
on_cancel(run *r, const kofn_action *action)
{
    worker *w = &r->workers[action->worker - 1];
    r->figures.cancelled++;
    for (size_t at = 0; at < w->count; at++)
        if (w->queue[at].assignment == action->assignment) {
            remove_task(r, w, at);
            return;
        }
}

static void
answer(run *r, worker *w)
{
    const task done = w->queue[0];
    const uint64_t id = (uint64_t)(w - r->workers) + 1;
    r->unasked++;
    remove_task(r, w, 0);
    if (kofn_sched_answer(r->sched, r->now_ns, id, done.assignment) != KOFN_VERDICT_KEEP)
        return;
    done.job->answered++;
    r->figures.answered++;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static kofn_rounds_view
get_view(const run *r)
{
    kofn_sched_stream_view view = {0};
    (void)kofn_sched_get_stream(r->sched, STREAM, &view);
    return view.rounds;
}

/* The round that was on is over, by what the stream says of it now. */
static void
end_round(run *r, const kofn_rounds_view *view)
{
    kofn_sim_round *round = &r->round;
    if (view->rounds == r->view.rounds)
        return;
    round->ended_ns = round->begun_ns + (view->busy_ns - r->view.busy_ns);
    round->stragglers = view->stragglers;
    round->waited = view->waited > r->view.waited;
    r->stragglers += view->stragglers;
    if (r->observer && r->observer->on_round)
        r->observer->on_round(r->observer->context, round);
}

static size_t
fill_factors(run *r, uint64_t number, double *factor)
{
    size_t slow = 0;
    kofn_straggler_fill(r->model, number - 1, factor);
    for (int64_t i = 0; i < r->config.workers; i++)
        slow += factor[i] > 1;
    r->slow += slow;
    return slow;
}

static void
begin_round(run *r, uint64_t number)
{
    const kofn_rounds_view view = get_view(r);
    if (r->round.round > 0)
        end_round(r, &view);
    r->view = view;
    r->round = (kofn_sim_round){.round = number, .begun_ns = r->now_ns, .load = view.load};
    r->round.slow = fill_factors(r, number, r->factors);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* The next one, in the place of one that ended. */
static kofn_status
add_job(run *r, job *j)
{
    *j = (job){.number = ++r->added,
               .begun_ns = r->now_ns,
               .code = kofn_code_ref(r->code),
               .factor = j->factor};
    if (!r->stream && !r->config.each_task)
        (void)fill_factors(r, j->number, j->factor);
    const kofn_sched_job params = {
        .id = r->added * (uint64_t)r->config.at_once + (uint64_t)(j - r->jobs) + 1,
        .client = 1,
        .code = r->code,
        .policy = r->config.policy,
        .deadline_ns = KOFN_NEVER_NS,
        .task_flops = r->share * JOB_FLOPS,
        .noise = r->config.field->epsilon,
        .stream = r->stream ? STREAM : 0,
    };
    return kofn_sched_job_add(r->sched, r->now_ns, &params, r->err);
}

static void
note_job(run *r, const kofn_sim_job *ended, const kofn_error *why)
{
    kofn_sim_figures *f = &r->figures;
    const uint64_t delay = ended->done - ended->born;
    if (!ended->failed)
        f->latency[f->jobs - f->failed] = (double)(ended->ended_ns - ended->begun_ns) * 1e-9;
    else if (f->failed == 0)
        (void)snprintf(f->why, sizeof f->why, "%s", why->text);
    f->jobs++;
    f->failed += ended->failed;
    r->delays += delay;
    if (delay > f->delay_max)
        f->delay_max = delay;
    if (r->observer && r->observer->on_job)
        r->observer->on_job(r->observer->context, ended);
}

static kofn_status
end_job(run *r, const kofn_action *action)
{
    job *j = get_job(r, action->job);
    const kofn_sim_job ended = {
        .job = j->number,
        .begun_ns = j->begun_ns,
        .ended_ns = r->now_ns,
        .born = j->born,
        .done = j->born > 0 ? r->round.round : 0,
        .sent = j->sent,
        .answered = j->answered,
        .failed = action->kind == KOFN_ACTION_FAIL,
    };
    note_job(r, &ended, &action->error);
    kofn_sched_job_forget(r->sched, action->job);
    kofn_code_destroy(&j->code);
    return r->added < (uint64_t)r->config.jobs ? add_job(r, j) : KOFN_OK;
}

/* As the master does (recode.c): where none can be made, what is late is copied. */
static kofn_status
make_rows(run *r, const kofn_action *action)
{
    job *j = get_job(r, action->job);
    kofn_code *made = NULL;
    double rate;
    const size_t count = kofn_sched_job_list_missing(r->sched, action->job, r->missing, &rate);
    kofn_status status = KOFN_OK;
    if (count > 0) // else it came in the same moment
        status = kofn_staged_fill(&r->config.code, j->code, r->missing, count, rate, &made, r->err);
    if (status == KOFN_RESOURCE_EXHAUSTED)
        return status;
    status = kofn_sched_job_recode(r->sched, r->now_ns, action->job, made, r->err);
    if (made && status == KOFN_OK) {
        r->figures.made++;
        kofn_code_destroy(&j->code);
        j->code = kofn_code_ref(made);
    }
    kofn_code_destroy(&made);
    return status;
}

/* ---- the run --------------------------------------------------------------------------------- */

static kofn_status
drain(run *r)
{
    kofn_status status = KOFN_OK;
    for (kofn_action action; status == KOFN_OK && kofn_sched_next_action(r->sched, &action);) {
        switch (action.kind) {
        case KOFN_ACTION_SEND:
            on_send(r, &action);
            break;
        case KOFN_ACTION_CANCEL:
            on_cancel(r, &action);
            break;
        case KOFN_ACTION_DECODE:
        case KOFN_ACTION_FAIL:
            status = end_job(r, &action);
            break;
        case KOFN_ACTION_RECODE:
            status = make_rows(r, &action);
            break;
        case KOFN_ACTION_TRY:
            kofn_trial_run(action.trial); // takes no virtual time
            kofn_sched_job_tried(r->sched, r->now_ns, action.job, &action.trial);
            break;
        }
    }
    return status;
}

/* All who are done at that moment. */
static void
answer_all(run *r, int64_t now_ns)
{
    r->now_ns = now_ns;
    for (kofn_timer *first; (first = kofn_timers_first(&r->timers)) && first->due_ns == now_ns;)
        answer(r, (worker *)first);
}

static kofn_status
step(run *r)
{
    const kofn_timer *first = kofn_timers_first(&r->timers);
    const int64_t tick_ns = kofn_sched_next_tick(r->sched);
    if (first && first->due_ns <= tick_ns) {
        answer_all(r, first->due_ns);
    } else if (tick_ns != KOFN_NEVER_NS) {
        r->now_ns = tick_ns > r->now_ns ? tick_ns : r->now_ns;
        kofn_sched_tick(r->sched, r->now_ns);
        r->unasked++;
    } else {
        return kofn_fail(
            r->err, KOFN_FAILED_PRECONDITION,
            "after %" PRIu64 " of %" PRId64
            " jobs no worker will ever answer: unit and slowdown are too large together",
            r->figures.jobs, r->config.jobs);
    }
    return drain(r);
}

static kofn_status
ask_observer(run *r)
{
    const kofn_sim_observer *o = r->observer;
    r->unasked = 0;
    if (!o || !o->go_on || o->go_on(o->context, r->figures.jobs))
        return KOFN_OK;
    return kofn_fail(r->err, KOFN_CANCELLED, "stopped after %" PRIu64 " of %" PRId64 " jobs",
                     r->figures.jobs, r->config.jobs);
}

static kofn_status
join_workers(run *r)
{
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < (size_t)r->config.workers && status == KOFN_OK; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "w%zu", i + 1);
        r->workers[i] =
            (worker){.timer.number = i + 1, .queue = r->queues + i * (size_t)r->config.credit};
        const kofn_sched_worker joins = {
            .id = i + 1, .name = name, .credit = (size_t)r->config.credit, .fields = UINT32_MAX};
        status = kofn_sched_worker_join(r->sched, 0, &joins, r->err);
    }
    return status;
}

static kofn_status
open_stream(run *r)
{
    const kofn_sched_stream stream = {
        .id = STREAM,
        .need = r->code->threshold,
        .field = r->config.field,
        .rounds = r->config.rounds,
    };
    return kofn_sched_stream_open(r->sched, 0, &stream, r->err);
}

static kofn_status
go(run *r)
{
    kofn_status status = join_workers(r);
    if (status == KOFN_OK && r->stream)
        status = open_stream(r);
    for (int64_t i = 0; i < r->config.at_once && status == KOFN_OK; i++) {
        r->jobs[i].factor = r->stream ? NULL : r->factors + i * r->config.workers;
        if (i < r->config.jobs)
            status = add_job(r, &r->jobs[i]);
    }
    if (status == KOFN_OK)
        status = drain(r);
    while (status == KOFN_OK && r->figures.jobs < (uint64_t)r->config.jobs)
        status = r->unasked < EVENTS_UNASKED ? step(r) : ask_observer(r);
    return status;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
sum_up_rounds(run *r)
{
    kofn_sim_figures *f = &r->figures;
    const kofn_rounds_view view = get_view(r);
    end_round(r, &view);
    f->rounds = view.rounds;
    f->waited = view.waited;
    if (f->rounds == 0)
        return;
    const double pairs = (double)r->round.round * (double)r->config.workers;
    f->load = (double)view.load_sum / (double)f->rounds * r->share;
    f->stragglers = (double)r->stragglers / pairs;
    f->slow = (double)r->slow / pairs;
}

static void
sum_up(run *r)
{
    kofn_sim_figures *f = &r->figures;
    const double jobs = (double)f->jobs, workers = (double)r->config.workers;
    f->seconds = (double)r->now_ns * 1e-9;
    f->time = (double)r->now_ns / jobs / (double)r->config.unit_ns;
    f->busy = r->now_ns > 0 ? (double)r->busy_ns / (double)r->now_ns / workers : 0;
    f->load = (double)f->sent * r->share / jobs / workers;
    f->slow = (double)r->slow / (r->config.each_task ? (double)f->sent : jobs * workers);
    f->delay = (double)r->delays / jobs;
    if (r->stream)
        sum_up_rounds(r);
    const size_t ended = (size_t)(f->jobs - f->failed);
    for (size_t i = 0; i < ended; i++)
        f->mean += f->latency[i] / (double)ended;
    qsort(f->latency, ended, sizeof *f->latency, compare);
}

/* A code of which any k rows suffice, and nothing else is to be known. */
static kofn_status
make_counted(run *r, size_t rows, size_t reserve, size_t k)
{
    kofn_code *code;
    const kofn_partition whole = {1, 1, 1};
    const kofn_status status =
        kofn_code_alloc("counted", r->config.field, whole, rows, &code, r->err);
    if (status != KOFN_OK)
        return status;
    kofn_code_set_thresholds(code, &(kofn_thresholds){.exact = k, .enough = k});
    code->reserve = reserve;
    kofn_code_seal(code);
    r->code = code;
    r->config.sched.count_only = true;
    return KOFN_OK;
}

static kofn_status
make_stream_code(run *r)
{
    size_t plain, coded;
    kofn_code_spec spec = r->config.code;
    const size_t need = spec.part.x * spec.part.y;
    kofn_rounds_count_rows(&r->config.rounds, need, &plain, &coded);
    if (!r->config.decoder)
        return make_counted(r, plain + coded, 0, need);
    spec.tasks = coded;
    const kofn_status status = kofn_inner_set_defaults(&spec, r->config.field, r->err);
    if (status != KOFN_OK)
        return status;
    return kofn_inner_build(&spec, r->config.field, plain > 0, &r->code, r->err);
}

static kofn_status
make_code(run *r)
{
    const kofn_code_spec *spec = &r->config.code;
    kofn_thresholds k;
    if (r->stream)
        return make_stream_code(r);
    const kofn_status status = kofn_code_spec_thresholds(spec, r->config.field, &k, r->err);
    if (status != KOFN_OK)
        return status;
    const bool staged = kofn_policy_find(r->config.policy)->reserve == KOFN_RESERVE_STAGED;
    const bool counts = !r->config.decoder && !spec->batch && !k.likely && k.enough == k.exact &&
                        k.exact == spec->part.x * spec->part.y;
    return counts   ? make_counted(r, spec->tasks + spec->reserve, spec->reserve, k.exact)
           : staged ? kofn_staged_build(spec, r->config.field, &r->code, r->err)
                    : kofn_code_spec_build(spec, r->config.field, &r->code, r->err);
}

static kofn_status
set_up(run *r)
{
    const size_t workers = (size_t)r->config.workers, at_once = (size_t)r->config.at_once;
    kofn_rng_init(&r->rng, (uint64_t)r->config.seed, 0);
    r->stream = kofn_sim_is_stream(&r->config);
    r->share = kofn_sim_get_share(&r->config);
    r->workers = calloc(workers, sizeof *r->workers);
    r->queues = calloc(workers * (size_t)r->config.credit, sizeof *r->queues);
    r->jobs = calloc(at_once, sizeof *r->jobs);
    r->factors = calloc((r->stream ? 1 : at_once) * workers, sizeof *r->factors);
    r->figures.latency = malloc((size_t)r->config.jobs * sizeof *r->figures.latency);
    if (!r->workers || !r->queues || !r->jobs || !r->factors || !r->figures.latency)
        return kofn_fail(r->err, KOFN_RESOURCE_EXHAUSTED,
                         "no memory for %" PRId64 " workers and %" PRId64 " jobs",
                         r->config.workers, r->config.jobs);
    kofn_status status = kofn_timers_reserve(&r->timers, workers, r->err);
    if (status == KOFN_OK)
        status = kofn_straggler_new(&r->config.stragglers, workers, &r->model, r->err);
    if (status == KOFN_OK)
        status = make_code(r);
    if (status != KOFN_OK)
        return status;
    r->missing = malloc(r->code->tasks * sizeof *r->missing);
    if (!r->missing)
        return kofn_fail(r->err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu tasks",
                         r->code->tasks);
    return kofn_sched_new(&r->config.sched, &r->sched, r->err);
}

static void
tear_down(run *r)
{
    kofn_sched_destroy(&r->sched);
    for (int64_t i = 0; r->jobs && i < r->config.at_once; i++)
        kofn_code_destroy(&r->jobs[i].code);
    kofn_code_destroy(&r->code);
    kofn_straggler_destroy(&r->model);
    kofn_timers_fini(&r->timers);
    free(r->missing);
    free(r->factors);
    free(r->jobs);
    free(r->queues);
    free(r->workers);
}

kofn_status
kofn_sim_run(const kofn_sim_config *config, const kofn_sim_observer *observer,
             kofn_sim_figures *ret_figures, kofn_error *err)
{
    run *r = calloc(1, sizeof *r);
    if (!r)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a simulation");
    r->config = *config;
    r->observer = observer;
    r->err = err;
    kofn_status status = kofn_sim_settle(&r->config, err);
    if (status == KOFN_OK)
        status = set_up(r);
    if (status == KOFN_OK)
        status = go(r);
    if (status == KOFN_OK) {
        sum_up(r);
        *ret_figures = r->figures;
    } else {
        kofn_sim_figures_fini(&r->figures);
    }
    tear_down(r);
    free(r);
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

void
kofn_sim_figures_fini(kofn_sim_figures *figures)
{
    free(figures->latency);
    figures->latency = NULL;
}

double
kofn_sim_percentile(const kofn_sim_figures *figures, double share)
{
    const size_t count = (size_t)(figures->jobs - figures->failed);
    if (count == 0)
        return 0;
    const double rank = ceil(share * (double)count); // the smallest that so many are not above
    const size_t at = rank >= 1 ? (size_t)rank - 1 : 0;
    return figures->latency[at < count ? at : count - 1];
}
