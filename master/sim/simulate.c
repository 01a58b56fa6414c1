#include "master/sim/simulate.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "master/sched/policy.h"
#include "master/sched/timers.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = 1 << 20, // rows, inner and columns of the product that open codes are chosen for
    STEPS_UNASKED = 1 << 13,
    TASK_NS_MIN = 100, // below it rounding to nanoseconds would show
};

static const double JOB_FLOPS = 1e12; // any: rates are compared with each other alone

typedef struct job {
    uint64_t number; // from 1
    int64_t begun_ns;
    size_t sent, answered;
    double *factor; // [workers]
} job;

typedef struct task { // on a worker
    uint64_t assignment;
    int64_t takes_ns;
    job *job;
} task;

typedef struct worker {
    kofn_timer timer; // first: when the task in front is done
    int64_t began_ns; // that one
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
    double *factors; // [at_once][workers]
    double share;    // of a job that is one task
    int64_t now_ns, busy_ns;
    uint64_t added, slow;
    kofn_sim_figures figures;
    kofn_error *err;
} run;

/* ---- configuration --------------------------------------------------------------------------- */

static const kofn_key keys[] = {
    {"workers", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, workers), 1, KOFN_SIM_WORKERS_MAX,
     "4", NULL, "How many workers"},
    {"jobs", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, jobs), 1, KOFN_SIM_JOBS_MAX, "10000",
     NULL, "How many jobs"},
    {"at_once", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, at_once), 1, 1000, "1", NULL,
     "Jobs under way at a time: whenever one ends, the next is added"},
    {"credit", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, credit), 1, KOFN_CREDIT_MAX, "2", NULL,
     "Tasks that a worker takes at a time"},
    {"unit", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sim_config, unit_ns), 1e6, 1e15, "1s", NULL,
     "Time that the whole job takes on one worker"},
    {"overhead", KOFN_KEY_DURATION, KOFN_KEY_FIELD(kofn_sim_config, overhead_ns), 0, 1e15, "0",
     NULL, "Time that each task takes beside its work"},
    {"jitter", KOFN_KEY_REAL, KOFN_KEY_FIELD(kofn_sim_config, jitter), 0, 5, "0", NULL,
     "Sigma of the log-normal factor by which the times of tasks vary"},
    {"seed", KOFN_KEY_INT, KOFN_KEY_FIELD(kofn_sim_config, seed), 0, 0, "1", NULL,
     "Of all that is drawn"},
};

const kofn_keys kofn_sim_keys = {keys, sizeof keys / sizeof keys[0]};

void
kofn_sim_config_init(kofn_sim_config *config)
{
    *config = (kofn_sim_config){.policy = "oneshot", .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_sim_keys, config);
    kofn_keys_set_defaults(kofn_sched_keys, &config->sched);
    kofn_keys_set_defaults(kofn_straggler_keys, &config->stragglers);
}

/* By parsing what is there again: the table has the bounds and the words. */
static kofn_status
check_keys(const kofn_sim_config *config, kofn_error *err)
{
    for (size_t i = 0; i < kofn_sim_keys.count; i++) {
        char text[64];
        kofn_sim_config copy = *config;
        kofn_key_format(&kofn_sim_keys.at[i], config, text, sizeof text);
        const kofn_status status = kofn_key_parse(&kofn_sim_keys.at[i], text, &copy, err);
        if (status != KOFN_OK)
            return status;
    }
    return KOFN_OK;
}

static kofn_status
check_policy(const char *name, kofn_error *err)
{
    const char *nearest = kofn_policy_nearest(name);
    if (kofn_policy_find(name))
        return KOFN_OK;
    return kofn_fail(err, KOFN_NOT_FOUND, "there is no policy '%.40s'%s%s%s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

static kofn_status
complete_code(kofn_sim_config *config, kofn_error *err)
{
    const kofn_code_context context = {
        .field = config->field,
        .rows = LARGE,
        .inner = LARGE,
        .cols = LARGE,
        .workers = (size_t)config->workers,
        .reserve =
            strcmp(config->policy, "rateless") == 0 ? KOFN_RESERVE_ALWAYS : KOFN_RESERVE_NONE,
    };
    return kofn_code_spec_complete(&config->code, &context, err);
}

/* What one task is of the job. */
static double
get_share(const kofn_sim_config *config)
{
    const kofn_partition part = config->code.part;
    return 1 / ((double)part.x * (double)part.z * (double)part.y);
}

static kofn_status
check_unit(const kofn_sim_config *config, kofn_error *err)
{
    const double task_ns = get_share(config) * (double)config->unit_ns;
    if (task_ns >= TASK_NS_MIN)
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "a task takes %.3g ns, need at least %d: take a unit of more than %" PRId64
                     " ns, or fewer parts",
                     task_ns, TASK_NS_MIN, config->unit_ns);
}

kofn_status
kofn_sim_settle(kofn_sim_config *config, kofn_error *err)
{
    kofn_status status = check_keys(config, err);
    if (status == KOFN_OK)
        status = check_policy(config->policy, err);
    if (status == KOFN_OK)
        status = complete_code(config, err);
    return status == KOFN_OK ? check_unit(config, err) : status;
}

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

static void
on_send(run *r, const kofn_action *action)
{
    const size_t index = (size_t)action->worker - 1;
    worker *w = &r->workers[index];
    job *j = get_job(r, action->job);
    assert(w->count < (size_t)r->config.credit);
    j->sent++;
    r->figures.sent++;
    r->figures.backups += action->backup;
    w->queue[w->count++] = (task){action->assignment, draw_time(r, j->factor[index]), j};
    if (w->count == 1)
        begin_front(r, w);
}

static void
on_cancel(run *r, const kofn_action *action)
{
    worker *w = &r->workers[action->worker - 1];
    size_t at = 0;
    while (w->queue[at].assignment != action->assignment)
        at++;
    assert(at < w->count);
    r->figures.cancelled++;
    remove_task(r, w, at);
}

static void
answer(run *r, worker *w)
{
    const task done = w->queue[0];
    const uint64_t id = (uint64_t)(w - r->workers) + 1;
    remove_task(r, w, 0);
    if (kofn_sched_answer(r->sched, r->now_ns, id, done.assignment) != KOFN_VERDICT_KEEP)
        return;
    done.job->answered++;
    r->figures.answered++;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void
fill_factors(run *r, job *j)
{
    kofn_straggler_fill(r->model, j->number - 1, j->factor);
    for (int64_t i = 0; i < r->config.workers; i++)
        r->slow += j->factor[i] > 1;
}

/* The next one, in the place of one that ended. */
static kofn_status
add_job(run *r, job *j)
{
    *j = (job){.number = ++r->added, .begun_ns = r->now_ns, .factor = j->factor};
    fill_factors(r, j);
    const kofn_sched_job params = {
        .id = r->added * (uint64_t)r->config.at_once + (uint64_t)(j - r->jobs) + 1,
        .client = 1,
        .code = r->code,
        .policy = r->config.policy,
        .deadline_ns = KOFN_NEVER_NS,
        .task_flops = r->share * JOB_FLOPS,
        .noise = r->config.field->epsilon,
    };
    return kofn_sched_job_add(r->sched, r->now_ns, &params, r->err);
}

static kofn_status
end_job(run *r, const kofn_action *action)
{
    job *j = get_job(r, action->job);
    kofn_sim_figures *f = &r->figures;
    const kofn_sim_job ended = {j->number, j->begun_ns, r->now_ns,
                                j->sent,   j->answered, action->kind == KOFN_ACTION_FAIL};
    if (!ended.failed)
        f->latency[f->jobs - f->failed] = (double)(r->now_ns - j->begun_ns) * 1e-9;
    else if (f->failed == 0)
        (void)snprintf(f->why, sizeof f->why, "%s", action->error.text);
    f->jobs++;
    f->failed += ended.failed;
    if (r->observer && r->observer->on_job)
        r->observer->on_job(r->observer->context, &ended);
    kofn_sched_job_forget(r->sched, action->job);
    return r->added < (uint64_t)r->config.jobs ? add_job(r, j) : KOFN_OK;
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
        }
    }
    return status;
}

static kofn_status
step(run *r)
{
    kofn_timer *first = kofn_timers_first(&r->timers);
    const int64_t tick_ns = kofn_sched_next_tick(r->sched);
    if (first && first->due_ns <= tick_ns) {
        r->now_ns = first->due_ns;
        answer(r, (worker *)first);
    } else if (tick_ns != KOFN_NEVER_NS) {
        r->now_ns = tick_ns > r->now_ns ? tick_ns : r->now_ns;
        kofn_sched_tick(r->sched, r->now_ns);
    } else {
        return kofn_fail(r->err, KOFN_FAILED_PRECONDITION,
                         "after %" PRIu64 " of %" PRId64
                         " jobs no worker will ever answer: the stragglers' slowdown is too large",
                         r->figures.jobs, r->config.jobs);
    }
    return drain(r);
}

static kofn_status
ask_observer(run *r)
{
    const kofn_sim_observer *o = r->observer;
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
go(run *r)
{
    kofn_status status = join_workers(r);
    for (int64_t i = 0; i < r->config.at_once && status == KOFN_OK; i++) {
        r->jobs[i].factor = r->factors + i * r->config.workers;
        if (i < r->config.jobs)
            status = add_job(r, &r->jobs[i]);
    }
    if (status == KOFN_OK)
        status = drain(r);
    for (size_t steps = 1; status == KOFN_OK && r->figures.jobs < (uint64_t)r->config.jobs; steps++)
        status = steps % STEPS_UNASKED == 0 ? ask_observer(r) : step(r);
    return status;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
sum_up(run *r)
{
    kofn_sim_figures *f = &r->figures;
    const double jobs = (double)f->jobs, workers = (double)r->config.workers;
    const double unit = (double)r->config.unit_ns;
    f->seconds = (double)r->now_ns * 1e-9;
    f->time = (double)r->now_ns / jobs / unit;
    f->load = (double)f->sent * r->share / jobs / workers;
    f->busy = r->now_ns > 0 ? (double)r->busy_ns / (double)r->now_ns / workers : 0;
    f->slow = (double)r->slow / jobs / workers;
    qsort(f->latency, (size_t)(f->jobs - f->failed), sizeof *f->latency, compare);
}

static kofn_status
set_up(run *r)
{
    const size_t workers = (size_t)r->config.workers, at_once = (size_t)r->config.at_once;
    kofn_rng_init(&r->rng, (uint64_t)r->config.seed, 0);
    r->share = get_share(&r->config);
    r->workers = calloc(workers, sizeof *r->workers);
    r->queues = calloc(workers * (size_t)r->config.credit, sizeof *r->queues);
    r->jobs = calloc(at_once, sizeof *r->jobs);
    r->factors = calloc(at_once * workers, sizeof *r->factors);
    r->figures.latency = malloc((size_t)r->config.jobs * sizeof *r->figures.latency);
    if (!r->workers || !r->queues || !r->jobs || !r->factors || !r->figures.latency)
        return kofn_fail(r->err, KOFN_RESOURCE_EXHAUSTED,
                         "no memory for %" PRId64 " workers and %" PRId64 " jobs",
                         r->config.workers, r->config.jobs);
    kofn_status status = kofn_timers_reserve(&r->timers, workers, r->err);
    if (status == KOFN_OK)
        status = kofn_straggler_new(&r->config.stragglers, workers, &r->model, r->err);
    if (status == KOFN_OK)
        status = kofn_code_spec_build(&r->config.code, r->config.field, &r->code, r->err);
    return status == KOFN_OK ? kofn_sched_new(&r->config.sched, &r->sched, r->err) : status;
}

static void
tear_down(run *r)
{
    kofn_sched_destroy(&r->sched);
    kofn_code_destroy(&r->code);
    kofn_straggler_destroy(&r->model);
    kofn_timers_fini(&r->timers);
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
