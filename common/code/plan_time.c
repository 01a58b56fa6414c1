/* Events in the order of time, on a heap of workers by when their next answer is ready. Answers are
 * taken off it one by one; a worker that has no further task gets one that was not sent yet.
 */
#include "common/code/plan_time.h"
#include "common/base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct event {
    double finish; // of the worker's task at hand
    double ready;  // when the last of those behind it is there
    size_t worker;
    size_t queued; // tasks behind it
} event;

struct kofn_plan_model {
    kofn_plan_machine machine;
    kofn_plan_worker *at; // [workers], fastest first
    double total_rate;
    event *heap; // [workers]
    size_t count;
    double *idle; // [workers] since when; INFINITY: it has work
    event *late;  // [workers] of policy speculative: stragglers' tasks
    size_t late_count;
    /* Of the run: */
    const kofn_plan_load *load;
    size_t stragglers;
    double out_free, in_free; // when the master's link is
    size_t unsent;
    size_t behind;    // tasks that wait behind another one
    double take_from; // when those may be taken over
};

static const double TAKE_PATIENCE = 1.25; // of the first answer's time, as policy oneshot has it

void
kofn_plan_machine_init(kofn_plan_machine *machine, size_t workers)
{
    *machine = (kofn_plan_machine){
        .workers = workers,
        .flops_rate = 2e10,
        .link_rate = 1e9,
        .memory_rate = 1.2e10,
        .coding_rate = 2e10,
        .overhead = 5e-4,
        .credit = 2,
        .backup_factor = 2,
        .backup_floor = 0.01,
        .slowdown = 5,
    };
}

static kofn_status
check_rate(const char *name, double rate, kofn_error *err)
{
    if (rate > 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is %g, need more than 0", name, rate);
}

kofn_status
kofn_plan_machine_check(const kofn_plan_machine *m, kofn_error *err)
{
    if (m->workers == 0 || m->workers > KOFN_PLAN_WORKERS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "workers=%zu, need 1 to %d", m->workers,
                         KOFN_PLAN_WORKERS_MAX);
    if (!(m->slowdown >= 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "slowdown=%g, need at least 1", m->slowdown);
    if (m->credit == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "credit=0, need at least 1");
    kofn_status status = check_rate("the rate of the link", m->link_rate, err);
    if (!status)
        status = check_rate("the rate of memory", m->memory_rate, err);
    if (!status)
        status = check_rate("the rate of coding", m->coding_rate, err);
    if (!status && !m->at)
        status = check_rate("the rate of a worker", m->flops_rate, err);
    for (size_t w = 0; m->at && w < m->workers && !status; w++)
        status = check_rate("the rate of a worker", m->at[w].flops_rate, err);
    return status;
}

static int
compare_rates(const void *a, const void *b)
{
    const kofn_plan_worker *left = a, *right = b;
    return (left->flops_rate < right->flops_rate) - (left->flops_rate > right->flops_rate);
}

static void
sort_workers(kofn_plan_model *model)
{
    const kofn_plan_machine *m = &model->machine;
    for (size_t w = 0; w < m->workers; w++)
        model->at[w] = m->at ? m->at[w] : (kofn_plan_worker){.flops_rate = m->flops_rate};
    qsort(model->at, m->workers, sizeof *model->at, compare_rates);
    model->machine.at = model->at;
    for (size_t w = 0; w < m->workers; w++)
        model->total_rate += model->at[w].flops_rate;
}

kofn_status
kofn_plan_model_new(const kofn_plan_machine *machine, kofn_plan_model **ret_model, kofn_error *err)
{
    kofn_status status = kofn_plan_machine_check(machine, err);
    if (status)
        return status;
    kofn_plan_model *model = calloc(1, sizeof *model);
    if (model) {
        const size_t workers = machine->workers;
        model->machine = *machine;
        model->at = calloc(workers, sizeof *model->at);
        model->heap = calloc(workers, sizeof *model->heap);
        model->idle = calloc(workers, sizeof *model->idle);
        model->late = calloc(workers, sizeof *model->late);
    }
    if (!model || !model->at || !model->heap || !model->idle || !model->late) {
        kofn_plan_model_destroy(&model);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "plan: no memory for %zu workers",
                         machine->workers);
    }
    sort_workers(model);
    *ret_model = model;
    return KOFN_OK;
}

void
kofn_plan_model_destroy(kofn_plan_model **model_p)
{
    kofn_plan_model *model = *model_p;
    *model_p = NULL;
    if (!model)
        return;
    free(model->at);
    free(model->heap);
    free(model->idle);
    free(model->late);
    free(model);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool
is_before(const event *a, const event *b)
{
    return a->finish < b->finish || (a->finish == b->finish && a->worker < b->worker);
}

static void
push(kofn_plan_model *model, event e)
{
    size_t i = model->count++;
    for (; i > 0 && is_before(&e, &model->heap[(i - 1) / 2]); i = (i - 1) / 2)
        model->heap[i] = model->heap[(i - 1) / 2];
    model->heap[i] = e;
}

static event
pop(kofn_plan_model *model)
{
    event *heap = model->heap;
    const event first = heap[0], last = heap[--model->count];
    size_t i = 0;
    for (size_t child = 1; child < model->count; i = child, child = 2 * i + 1) {
        if (child + 1 < model->count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return first;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static double
larger(double a, double b)
{
    return a > b ? a : b;
}

/* `count` tasks to one worker, beside whatever else leaves then. */
static double
own_link(const kofn_plan_model *model, size_t worker, size_t count)
{
    const double rate = model->at[worker].link_rate;
    return rate > 0 ? (double)count * model->load->bytes_in / rate : 0;
}

static double
compute(const kofn_plan_model *model, size_t worker)
{
    const double slow = worker < model->stragglers ? model->machine.slowdown : 1;
    return slow * (model->load->flops / model->at[worker].flops_rate + model->machine.overhead);
}

/* A task sent at `now`: when it is there. */
static double
send_one(kofn_plan_model *model, size_t worker, double now)
{
    const double start = larger(now, model->out_free);
    model->out_free = start + model->load->bytes_in / model->machine.link_rate;
    return larger(model->out_free, start + own_link(model, worker, 1));
}

/* What is sent at once. */
static size_t
first_wave(const kofn_plan_model *model)
{
    return kofn_size_smaller(model->load->tasks, model->machine.workers * model->machine.credit);
}

static void
send_wave(kofn_plan_model *model)
{
    const kofn_plan_load *load = model->load;
    const size_t workers = model->machine.workers, wave = first_wave(model);
    model->out_free = load->encode + (double)wave * load->bytes_in / model->machine.link_rate;
    model->unsent = load->tasks - wave;
    model->behind = 0;
    model->take_from = INFINITY;
    for (size_t w = 0; w < workers; w++) {
        const size_t tasks = wave / workers + (w < wave % workers);
        const double there = larger(model->out_free, load->encode + own_link(model, w, tasks));
        const event e = {
            .finish = there + compute(model, w), .ready = there, .worker = w, .queued = tasks - 1};
        model->idle[w] = tasks > 0 ? INFINITY : 0;
        if (tasks > 0 && w < model->stragglers && load->tasks == load->needed)
            model->late[model->late_count++] = e;
        else if (tasks > 0)
            push(model, e);
        if (tasks > 0)
            model->behind += tasks - 1;
    }
}

/* A worker that is done takes over what waits where it would wait longest, if it is any faster. */
static bool
take_over(kofn_plan_model *model, event *e, double now)
{
    event *victim = NULL;
    for (size_t i = 0; model->behind > 0 && i < model->count; i++)
        if (model->heap[i].queued > 0 && (!victim || model->heap[i].finish > victim->finish))
            victim = &model->heap[i];
    if (!victim)
        return false;
    const double free_before = model->out_free;
    const double ready = send_one(model, e->worker, larger(now, model->take_from));
    const double finish = ready + compute(model, e->worker);
    if (!(finish < victim->finish + compute(model, victim->worker))) {
        model->out_free = free_before;
        return false;
    }
    victim->queued--;
    model->behind--;
    e->finish = finish;
    return true;
}

/* A new task for the worker that just answered. False: there is none. */
static bool
refill(kofn_plan_model *model, event *e, double now)
{
    if (model->unsent == 0)
        return false;
    const double ready = send_one(model, e->worker, now);
    model->unsent--;
    const double next = e->queued == 0 ? ready : e->ready; // it goes behind those that are there
    e->finish = larger(e->finish, next) + compute(model, e->worker);
    e->ready = ready;
    return true;
}

/* The next answer, at the master. Its worker goes on with what it has, or gets. */
static double
take_answer(kofn_plan_model *model)
{
    event e = pop(model);
    const bool redundant = model->load->tasks > model->load->needed;
    const double back = model->load->bytes_out / model->machine.link_rate;
    const double arrival = larger(model->in_free, e.finish) + back;
    model->in_free = arrival;
    if (model->take_from == INFINITY && redundant)
        model->take_from = model->load->encode + TAKE_PATIENCE * (arrival - model->load->encode);
    bool busy = refill(model, &e, arrival);
    if (!busy && e.queued > 0) {
        e.finish = larger(e.finish, e.ready) + compute(model, e.worker);
        e.queued--;
        model->behind--;
        busy = true;
    } else if (!busy && redundant) {
        busy = take_over(model, &e, arrival);
    }
    if (busy)
        push(model, e);
    else
        model->idle[e.worker] = arrival;
    return arrival;
}

/* When so many answers are there. */
static double
take_answers(kofn_plan_model *model, size_t wanted)
{
    double arrival = 0;
    for (size_t answers = 0; answers < wanted && isfinite(arrival); answers++)
        arrival = model->count > 0 ? take_answer(model) : INFINITY;
    return arrival;
}

/* What a task takes on the median worker, as the policy sees it: from its sending on. */
static double
expected(const kofn_plan_model *model)
{
    const kofn_plan_load *load = model->load;
    const double rate = model->at[model->machine.workers / 2].flops_rate;
    return (double)first_wave(model) * load->bytes_in / model->machine.link_rate +
           load->flops / rate + model->machine.overhead +
           load->bytes_out / model->machine.link_rate;
}

/* The heap, empty by now, of the workers that are idle, by since when. */
static void
line_up_idle(kofn_plan_model *model)
{
    for (size_t w = 0; w < model->machine.workers; w++)
        if (isfinite(model->idle[w]))
            push(model, (event){.finish = model->idle[w], .worker = w});
}

/* The answer of a copy that may go out from `due` on, to the worker that is idle first. */
static double
send_copy(kofn_plan_model *model, double due)
{
    if (model->count == 0)
        return INFINITY;
    event e = pop(model);
    e.finish = send_one(model, e.worker, larger(due, e.finish)) + compute(model, e.worker);
    push(model, e);
    return e.finish;
}

/* The last of the stragglers' tasks, each done by itself or by its copy. */
static double
finish_late(kofn_plan_model *model)
{
    const kofn_plan_machine *m = &model->machine;
    const double back = model->load->bytes_out / m->link_rate, usual = expected(model);
    line_up_idle(model);
    for (size_t i = 0; i < model->late_count; i++) {
        const event *e = &model->late[i];
        double own = e->finish;
        for (size_t ahead = 0; ahead <= e->queued; ahead++) {
            const double patience = m->backup_factor * usual * (double)(ahead + 1);
            const double due = model->load->encode + larger(m->backup_floor, patience);
            const double copy = own <= due ? INFINITY : send_copy(model, due);
            model->in_free = larger(model->in_free, own < copy ? own : copy) + back;
            own += compute(model, e->worker);
        }
    }
    return model->in_free;
}

/* When the answers suffice. */
static double
run(kofn_plan_model *model)
{
    const kofn_plan_load *load = model->load;
    size_t late = 0;
    send_wave(model);
    for (size_t i = 0; i < model->late_count; i++)
        late += 1 + model->late[i].queued;
    const double arrival = take_answers(model, load->needed - late);
    return late > 0 && isfinite(arrival) ? finish_late(model) : arrival;
}

double
kofn_plan_model_run(kofn_plan_model *model, const kofn_plan_load *load, size_t stragglers)
{
    model->load = load;
    model->stragglers = stragglers;
    model->count = model->late_count = 0;
    model->in_free = 0;
    const double link = model->machine.link_rate;
    return (load->bytes_asked + load->bytes_given) / link + run(model) + load->decode;
}

double
kofn_plan_machine_coding(const kofn_plan_machine *machine, double bytes, double flops)
{
    return larger(bytes / machine->memory_rate, flops / machine->coding_rate);
}

double
kofn_plan_model_bound(const kofn_plan_model *model, const kofn_plan_load *load)
{
    const kofn_plan_machine *m = &model->machine;
    const double needed = (double)load->needed, one = load->flops / model->at[0].flops_rate;
    const double fixed =
        (load->bytes_asked + load->bytes_given) / m->link_rate + load->encode + load->decode;
    return fixed + larger(needed * load->bytes_in / m->link_rate + one,
                          needed * load->flops / model->total_rate);
}
