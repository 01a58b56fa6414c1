#include "master/sched/run.h"
#include "common/base/clock.h"

#include <assert.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BEHIND_LOOKS = 16 }; // assignments looked at for one that waits behind another

static const uint32_t none = UINT32_MAX; // no task

kofn_status
kofn_run_new(const kofn_sched_job *job, const kofn_policy *policy, const kofn_sched_config *config,
             kofn_run **ret_run, kofn_error *err)
{
    const size_t tasks = job->code->tasks, align = alignof(max_align_t);
    const size_t record = sizeof(kofn_run) + tasks * sizeof(kofn_run_task);
    const size_t state_at = (record + align - 1) / align * align;
    kofn_run *run = calloc(1, state_at + (policy->state_bytes ? policy->state_bytes(tasks) : 0));
    if (!run)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a job of %zu tasks", tasks);
    kofn_status status = kofn_decoder_new(job->code, config->max_amplification, &run->decoder, err);
    if (status != KOFN_OK) {
        free(run);
        return status;
    }

    run->id = job->id;
    run->code = kofn_code_ref(job->code);
    run->policy = policy;
    run->policy_state = (char *)run + state_at;
    run->config = config;
    run->task_flops = job->task_flops;
    run->deadline_ns = job->deadline_ns;
    run->wake_ns = run->settle_ns = KOFN_NEVER_NS;
    run->accept = job->accept;
    run->noise = job->noise;
    run->look.bound = INFINITY;
    run->queue_first = run->queue_last = none;
    run->count[KOFN_TASK_IDLE] = tasks;
    kofn_link_init(&run->out);
    kofn_link_init(&run->troubled);
    kofn_link_init(&run->ready);
    kofn_link_init(&run->pending);
    *ret_run = run;
    return KOFN_OK;
}

void
kofn_run_destroy(kofn_run **run_p)
{
    kofn_run *run = *run_p;
    if (!run)
        return;
    while (run->failures) {
        kofn_failure *failure = run->failures;
        run->failures = failure->next;
        free(failure);
    }
    kofn_map_fini(&run->seen);
    kofn_decoder_destroy(&run->decoder);
    kofn_code_destroy(&run->code);
    free(run);
    *run_p = NULL;
}

bool
kofn_run_is_over(const kofn_run *run)
{
    return run->state == KOFN_RUN_DECODED || run->state == KOFN_RUN_FAILED;
}

/* ---- the states of a task -------------------------------------------------------------------- */

typedef enum task_event {
    EV_WANTED,   // by the policy, or because the answers cannot suffice without it
    EV_SENT,     // to a worker
    EV_ANSWERED, // for the first time
    EV_LOST,     // with the last worker that had it
    EV_SPARED,   // its answer could add nothing any more
} task_event;

typedef struct task_move {
    kofn_task_state from;
    task_event event;
    kofn_task_state to;
    void (*action)(kofn_run *run, size_t task);
} task_move;

static void
enqueue_last(kofn_run *run, size_t task)
{
    run->tasks[task].next = none;
    *(run->queue_last == none ? &run->queue_first : &run->tasks[run->queue_last].next) =
        (uint32_t)task;
    run->queue_last = (uint32_t)task;
}

/* Lost work has waited longest. */
static void
enqueue_first(kofn_run *run, size_t task)
{
    run->tasks[task].next = run->queue_first;
    run->queue_first = (uint32_t)task;
    if (run->queue_last == none)
        run->queue_last = (uint32_t)task;
    run->replaced++;
}

/* It is the first, but where that one failed on the worker that was free. */
static void
dequeue(kofn_run *run, size_t task)
{
    uint32_t before = none;
    for (uint32_t at = run->queue_first; at != task; at = run->tasks[at].next)
        before = at;
    const uint32_t after = run->tasks[task].next;
    *(before == none ? &run->queue_first : &run->tasks[before].next) = after;
    if (after == none)
        run->queue_last = before;
}

static void
nothing(kofn_run *run, size_t task)
{
    (void)run;
    (void)task;
}

static const task_move task_moves[] = {
    {KOFN_TASK_IDLE, EV_WANTED, KOFN_TASK_QUEUED, enqueue_last},
    {KOFN_TASK_IDLE, EV_SENT, KOFN_TASK_OUT, nothing}, // a policy's new row
    {KOFN_TASK_QUEUED, EV_SENT, KOFN_TASK_OUT, dequeue},
    {KOFN_TASK_OUT, EV_SENT, KOFN_TASK_OUT, nothing}, // a copy
    {KOFN_TASK_OUT, EV_ANSWERED, KOFN_TASK_KEPT, nothing},
    {KOFN_TASK_OUT, EV_LOST, KOFN_TASK_LOST, nothing},
    {KOFN_TASK_LOST, EV_WANTED, KOFN_TASK_QUEUED, enqueue_first},
    {KOFN_TASK_IDLE, EV_SPARED, KOFN_TASK_SPARED, nothing},
    {KOFN_TASK_QUEUED, EV_SPARED, KOFN_TASK_SPARED, dequeue},
    {KOFN_TASK_OUT, EV_SPARED, KOFN_TASK_SPARED, nothing},
    {KOFN_TASK_LOST, EV_SPARED, KOFN_TASK_SPARED, nothing},
};

static void
move_task(kofn_run *run, size_t task, task_event event)
{
    assert(task < run->code->tasks && !kofn_run_is_over(run));
    kofn_run_task *t = &run->tasks[task];
    size_t i = 0;
    while (task_moves[i].from != t->state || task_moves[i].event != event) {
        i++;
        assert(i < sizeof task_moves / sizeof task_moves[0]);
    }
    task_moves[i].action(run, task);
    run->count[t->state]--;
    t->state = task_moves[i].to;
    run->count[t->state]++;
}

/* ---- what the core does ---------------------------------------------------------------------- */

void
kofn_run_attach(kofn_run *run, kofn_assignment *a, size_t task)
{
    kofn_run_task *t = &run->tasks[task];
    a->run = run;
    a->job_id = run->id;
    a->task = task;
    a->next_copy = t->copies;
    run->sent++;
    run->backups += t->copies != NULL;
    t->copies = a;
    kofn_link_insert_before(&run->out, &a->in_run);
    move_task(run, task, EV_SENT);
    const kofn_status noted = kofn_map_put(&run->seen, a->worker_id, run, NULL);
    (void)noted; // it was there already; or without memory, a count for people misses one
}

void
kofn_run_detach(kofn_run *run, kofn_assignment *a)
{
    kofn_link_remove(&a->in_run);
    kofn_assignment **link = &run->tasks[a->task].copies;
    while (*link != a)
        link = &(*link)->next_copy;
    *link = a->next_copy;
}

kofn_status
kofn_run_keep(kofn_run *run, size_t task, kofn_error *err)
{
    assert(!run->tasks[task].copies);
    move_task(run, task, EV_ANSWERED);
    run->answered++;
    run->plain += kofn_code_plain_column(run->code, task) != SIZE_MAX;
    return kofn_decoder_add(run->decoder, task, err);
}

void
kofn_run_lose(kofn_run *run, size_t task)
{
    if (run->tasks[task].copies)
        return;
    move_task(run, task, EV_LOST);
    run->covered = false;
}

bool
kofn_run_is_spare(const kofn_run *run, size_t task)
{
    const uint32_t state = run->tasks[task].state;
    return state != KOFN_TASK_KEPT && state != KOFN_TASK_SPARED &&
           !kofn_decoder_would_help(run->decoder, task);
}

void
kofn_run_spare(kofn_run *run, size_t task)
{
    assert(!run->tasks[task].copies);
    move_task(run, task, EV_SPARED);
}

kofn_status
kofn_run_note_failure(kofn_run *run, size_t task, uint64_t worker, kofn_error *err)
{
    kofn_failure *failure = malloc(sizeof *failure);
    if (!failure)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to note a failed task");
    *failure = (kofn_failure){.next = run->failures, .task = task, .worker = worker};
    run->failures = failure;
    return KOFN_OK;
}

size_t
kofn_run_count_failures(const kofn_run *run, size_t task)
{
    size_t count = 0;
    for (const kofn_failure *f = run->failures; f; f = f->next)
        count += f->task == task;
    return count;
}

static size_t
list_tasks(const kofn_run *run, kofn_task_state in, size_t *ret_tasks)
{
    size_t count = 0;
    for (size_t task = 0; task < run->code->tasks && count < run->count[in]; task++)
        if (run->tasks[task].state == in)
            ret_tasks[count++] = task;
    return count;
}

static size_t
list_coming(const kofn_run *run, size_t *ret_tasks)
{
    const size_t out = list_tasks(run, KOFN_TASK_OUT, ret_tasks);
    return out + list_tasks(run, KOFN_TASK_QUEUED, ret_tasks + out);
}

/* The first `count` of what is lost. */
static void
want_lost(kofn_run *run, size_t count, size_t *scratch)
{
    (void)list_tasks(run, KOFN_TASK_LOST, scratch);
    while (count-- > 0) // each goes to the front of the queue
        move_task(run, scratch[count], EV_WANTED);
}

/* Any `enough` answers do. Below that, where that is only likely, and where rounding has refuted it
 * already, the decoder has to look at which they are: once for each loss, since answers change nothing
 * about what there will be. Once it is satisfied and the job is not, whatever there is. */
void
kofn_run_replace_lost(kofn_run *run, size_t *scratch)
{
    const size_t kept = run->count[KOFN_TASK_KEPT], lost = run->count[KOFN_TASK_LOST];
    const size_t enough = kofn_run_get_enough(run);
    size_t coming = run->count[KOFN_TASK_OUT] + run->count[KOFN_TASK_QUEUED];
    if (lost == 0 || (!run->code->likely && kept < enough && kept + coming >= enough))
        return;
    if (kofn_run_is_promised_less(run)) {
        want_lost(run, enough - kept - coming,
                  scratch); // fewer than were sent, so no more than lost
        return;
    }
    if (kofn_decoder_get_state(run->decoder) != KOFN_DECODE_NOT_YET) {
        want_lost(run, lost, scratch);
        return;
    }
    if (run->covered)
        return;
    run->covered = true;
    coming = list_coming(run, scratch);
    if (kofn_decoder_would_suffice(run->decoder, scratch, coming))
        return;

    /* Want them all, but leave out whatever the others make up for, highest numbers first. */
    size_t count = coming + list_tasks(run, KOFN_TASK_LOST, scratch + coming);
    for (size_t i = count; i-- > coming;) {
        const size_t task = scratch[i];
        memmove(scratch + i, scratch + i + 1, (count - i - 1) * sizeof *scratch);
        if (kofn_decoder_would_suffice(run->decoder, scratch, count - 1)) {
            count--;
            continue;
        }
        memmove(scratch + i + 1, scratch + i, (count - i - 1) * sizeof *scratch);
        scratch[i] = task;
    }
    while (count-- > coming) // each goes to the front of the queue
        move_task(run, scratch[count], EV_WANTED);
}

bool
kofn_run_may_complete(const kofn_run *run, size_t *scratch)
{
    const size_t coming = list_coming(run, scratch);
    return coming > 0 && kofn_decoder_would_suffice(run->decoder, scratch, coming);
}

bool
kofn_run_is_at_end(const kofn_run *run)
{
    return run->count[KOFN_TASK_OUT] == 0 && !run->policy->has_work(run) &&
           run->wake_ns == KOFN_NEVER_NS;
}

/* ---- what a policy may ask and do ------------------------------------------------------------ */

const kofn_code *
kofn_run_get_code(const kofn_run *run)
{
    return run->code;
}

void *
kofn_run_get_state(const kofn_run *run)
{
    return run->policy_state;
}

const kofn_sched_config *
kofn_run_get_config(const kofn_run *run)
{
    return run->config;
}

int64_t
kofn_run_get_now_ns(const kofn_run *run)
{
    return *run->now_ns;
}

void
kofn_run_want(kofn_run *run, size_t task)
{
    move_task(run, task, EV_WANTED);
}

void
kofn_run_wake_at(kofn_run *run, int64_t when_ns)
{
    assert(when_ns > *run->now_ns); // or a tick would never end
    run->wake_ns = when_ns;
}

size_t
kofn_run_count_queued(const kofn_run *run)
{
    return run->count[KOFN_TASK_QUEUED];
}

bool
kofn_run_is_idle(const kofn_run *run, uint64_t worker)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    return w && w->running == 0;
}

bool
kofn_run_find_behind(const kofn_run *run, size_t *ret_task)
{
    size_t looks = 0;
    for (const kofn_link *link = run->out.prev; link != &run->out && looks < BEHIND_LOOKS;
         link = link->prev, looks++) {
        const kofn_assignment *a = KOFN_OWNER(link, kofn_assignment, in_run);
        if (a->head_ns == KOFN_NEVER_NS && kofn_run_get_copies(run, a->task) == 1) {
            *ret_task = a->task;
            return true;
        }
    }
    return false;
}

static bool
has_failed_on(const kofn_run *run, size_t task, uint64_t worker)
{
    for (const kofn_failure *f = run->failures; f; f = f->next)
        if (f->task == task && f->worker == worker)
            return true;
    return false;
}

bool
kofn_run_find_queued(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    uint32_t task = run->queue_first;
    while (task != none && has_failed_on(run, task, worker))
        task = run->tasks[task].next;
    if (task == none)
        return false;
    *ret_task = task;
    return true;
}

bool
kofn_run_may_take(const kofn_run *run, uint64_t worker, size_t task)
{
    for (const kofn_assignment *a = run->tasks[task].copies; a; a = a->next_copy)
        if (a->worker_id == worker)
            return false;
    return !has_failed_on(run, task, worker);
}

size_t
kofn_run_get_copies(const kofn_run *run, size_t task)
{
    size_t count = 0;
    for (const kofn_assignment *a = run->tasks[task].copies; a; a = a->next_copy)
        count++;
    return count;
}

const kofn_assignment *
kofn_run_get_oldest(const kofn_run *run, size_t task)
{
    const kofn_assignment *a = run->tasks[task].copies;
    while (a && a->next_copy)
        a = a->next_copy;
    return a;
}

int64_t
kofn_run_expect_ns(const kofn_run *run)
{
    return kofn_crew_expect_ns(run->crew, NULL, run->task_flops);
}
