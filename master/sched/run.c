#include "master/sched/run.h"
#include "master/sched/trial.h"
#include "common/base/clock.h"
#include "common/code/liars.h"

#include <assert.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BEHIND_LOOKS = 16 }; // assignments looked at for one that waits behind another

static const double SLOW = 2; // times the median: nothing is left to such a worker

static const uint32_t none = UINT32_MAX; // no task

/* ---- groups ---------------------------------------------------------------------------------- */

size_t
kofn_run_count_groups(const kofn_run *run)
{
    return run->code->groups > 0 ? run->code->groups : 1;
}

size_t
kofn_run_get_group(const kofn_run *run, size_t task)
{
    return run->code->groups > 0 ? kofn_code_get_group(run->code, task) : 0;
}

size_t
kofn_run_get_group_threshold(const kofn_run *run, size_t group)
{
    if (run->code->groups > 0)
        return kofn_code_get_group_threshold(run->code, group);
    return run->accept.liars > 0 ? kofn_run_get_enough(run) : run->code->threshold;
}

size_t
kofn_run_get_group_kept(const kofn_run *run, size_t group)
{
    return run->groups[group].kept;
}

/* Of a group's rows those with numbers below `tasks`. Groups whose rows are not every so many have
 * no fresh ones, and nobody asks for theirs. */
static size_t
count_rows(const kofn_run *run, size_t group, size_t tasks)
{
    const size_t groups = kofn_run_count_groups(run);
    return tasks > group ? (tasks - group + groups - 1) / groups : 0;
}

static void
init_groups(kofn_run *run)
{
    for (size_t task = 0; task < run->code->tasks; task++)
        run->groups[kofn_run_get_group(run, task)].idle++;
    for (size_t g = 0; g < kofn_run_count_groups(run); g++)
        run->groups[g].next = count_rows(run, g, kofn_code_first_tasks(run->code));
}

/* The next idle row of the group, past *passed of its rows, or `none`. */
static size_t
find_fresh(const kofn_run *run, size_t group, size_t *passed)
{
    const size_t groups = kofn_run_count_groups(run);
    const size_t rows = count_rows(run, group, run->code->tasks);
    if (run->code->reserve == 0 || run->groups[group].idle == 0)
        return none;
    while (*passed < rows) {
        const size_t task = group + (run->groups[group].next + (*passed)++) % rows * groups;
        if (run->tasks[task].state == KOFN_TASK_IDLE)
            return task;
    }
    return none;
}

bool
kofn_run_find_fresh(const kofn_run *run, size_t group, size_t *ret_task)
{
    size_t passed = 0;
    const size_t task = find_fresh(run, group, &passed);
    if (task != none)
        *ret_task = task;
    return task != none;
}

/* ---- life ------------------------------------------------------------------------------------ */

static size_t
round_up(size_t bytes) // to where anything may lie
{
    const size_t align = alignof(max_align_t);
    return (bytes + align - 1) / align * align;
}

/* Those of a staged code are made one after another. */
static size_t
count_rows_made(const kofn_code *code)
{
    size_t rows = code->staged ? kofn_code_first_tasks(code) : code->tasks;
    while (rows < code->tasks && !kofn_code_is_blank(code, rows))
        rows++;
    return rows;
}

kofn_status
kofn_run_new(const kofn_sched_job *job, const kofn_policy *policy, const kofn_sched_config *config,
             kofn_run **ret_run, kofn_error *err)
{
    const size_t tasks = job->code->tasks, groups = job->code->groups;
    const size_t groups_at = round_up(sizeof(kofn_run) + tasks * sizeof(kofn_run_task));
    const size_t state_at =
        round_up(groups_at + (groups > 0 ? groups : 1) * sizeof(kofn_run_group));
    kofn_run *run = calloc(1, state_at + (policy->state_bytes ? policy->state_bytes(tasks) : 0));
    if (!run)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a job of %zu tasks", tasks);
    kofn_status status =
        config->count_only && kofn_code_is_certain(job->code)
            ? kofn_decoder_new_counter(job->code, &run->decoder, err)
            : kofn_decoder_new(job->code, job->stream ? INFINITY : config->max_amplification,
                               &run->decoder, err);
    if (status != KOFN_OK) {
        free(run);
        return status;
    }
    if (!job->stream)
        kofn_decoder_defer(run->decoder, config->trial_multiplications > 0
                                             ? config->trial_multiplications
                                             : KOFN_DECODER_DEAR);

    run->id = job->id;
    run->code = kofn_code_ref(job->code);
    run->policy = policy;
    run->groups = (kofn_run_group *)(void *)((char *)run + groups_at);
    run->policy_state = (char *)run + state_at;
    run->config = config;
    run->task_flops = job->task_flops;
    run->kind = kofn_field_kind_of(job->code->field);
    run->deadline_ns = job->deadline_ns;
    run->wake_ns = run->settle_ns = run->trial_ns = run->scarce_ns = KOFN_NEVER_NS;
    run->accept = job->accept;
    run->noise = job->noise;
    run->look.bound = INFINITY;
    run->rows = count_rows_made(job->code);
    run->queue_first = run->queue_last = none;
    run->count[KOFN_TASK_IDLE] = tasks;
    init_groups(run);
    kofn_link_init(&run->out);
    kofn_link_init(&run->troubled);
    kofn_link_init(&run->bereaved);
    kofn_link_init(&run->suspicious);
    kofn_link_init(&run->ready);
    kofn_link_init(&run->in_stream);
    kofn_link_init(&run->parked);
    kofn_link_init(&run->pending);
    kofn_link_init(&run->recoding);
    kofn_link_init(&run->to_try);
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
    for (size_t task = 0; task < run->code->tasks && run->hints.count > 0; task++) {
        while (run->tasks[task].hints) {
            kofn_hint *hint = run->tasks[task].hints;
            run->tasks[task].hints = hint->next_of_task;
            free(hint);
        }
    }
    kofn_map_fini(&run->hints);
    kofn_deaths_fini(&run->deaths);
    kofn_map_fini(&run->seen);
    kofn_map_fini(&run->givers);
    kofn_map_fini(&run->gave);
    kofn_decoder_destroy(&run->decoder);
    kofn_trial_destroy(&run->trial);
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
    EV_WANTED,    // by the policy, or because the answers cannot suffice without it
    EV_STANDS_IN, // wanted in the place of one that is lost
    EV_RETIRED,   // lost, and another stands in for it
    EV_SENT,      // to a worker
    EV_ADOPTED,   // a worker has its answer
    EV_ANSWERED,  // for the first time
    EV_LOST,      // with the last worker that had it
    EV_SPARED,    // its answer could add nothing any more
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

/* Fresh rows come after this one from now on. */
static void
advance_next(kofn_run *run, size_t task)
{
    run->groups[kofn_run_get_group(run, task)].next = task / kofn_run_count_groups(run) + 1;
}

static void
stand_in(kofn_run *run, size_t task)
{
    advance_next(run, task);
    enqueue_first(run, task);
}

static void
nothing(kofn_run *run, size_t task)
{
    (void)run;
    (void)task;
}

static const task_move task_moves[] = {
    {KOFN_TASK_IDLE, EV_WANTED, KOFN_TASK_QUEUED, enqueue_last},
    {KOFN_TASK_IDLE, EV_STANDS_IN, KOFN_TASK_QUEUED, stand_in},
    {KOFN_TASK_IDLE, EV_SENT, KOFN_TASK_OUT, advance_next}, // a policy's fresh row
    {KOFN_TASK_QUEUED, EV_SENT, KOFN_TASK_OUT, dequeue},
    {KOFN_TASK_OUT, EV_SENT, KOFN_TASK_OUT, nothing}, // a copy
    {KOFN_TASK_IDLE, EV_ADOPTED, KOFN_TASK_OUT, nothing},
    {KOFN_TASK_QUEUED, EV_ADOPTED, KOFN_TASK_OUT, dequeue},
    {KOFN_TASK_OUT, EV_ADOPTED, KOFN_TASK_OUT, nothing}, // beside another
    {KOFN_TASK_LOST, EV_ADOPTED, KOFN_TASK_OUT, nothing},
    {KOFN_TASK_LOST, EV_SENT, KOFN_TASK_OUT, nothing}, // in a later round
    {KOFN_TASK_OUT, EV_ANSWERED, KOFN_TASK_KEPT, nothing},
    {KOFN_TASK_OUT, EV_LOST, KOFN_TASK_LOST, nothing},
    {KOFN_TASK_LOST, EV_WANTED, KOFN_TASK_QUEUED, enqueue_first},
    {KOFN_TASK_LOST, EV_RETIRED, KOFN_TASK_IDLE, nothing},
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
    kofn_run_group *group = &run->groups[kofn_run_get_group(run, task)];
    group->idle -= t->state == KOFN_TASK_IDLE;
    run->count[t->state]--;
    t->state = task_moves[i].to;
    run->count[t->state]++;
    group->idle += t->state == KOFN_TASK_IDLE;
    group->kept += t->state == KOFN_TASK_KEPT;
}

/* ---- what the core does ---------------------------------------------------------------------- */

static void
note_seen(kofn_run *run, uint64_t worker)
{
    if (kofn_map_find(&run->seen, worker))
        return;
    const kofn_status noted = kofn_map_put(&run->seen, worker, run, NULL);
    (void)noted; // without memory it is one less in the account
}

/* False: no memory, which only a giver's first takes. */
static bool
set_given(kofn_map *givers, uint64_t giver, size_t count)
{
    (void)kofn_map_remove(givers, giver);
    return count == 0 || kofn_map_put(givers, giver, (void *)(uintptr_t)count, NULL) == KOFN_OK;
}

void
kofn_run_attach(kofn_run *run, kofn_assignment *a, size_t task)
{
    kofn_run_task *t = &run->tasks[task];
    a->run = run;
    a->job_id = run->id;
    a->task = task;
    a->next_copy = t->copies;
    a->copy = t->copies != NULL;
    if (!a->adopted) {
        run->sent++;
        run->backups += a->copy;
        run->fresh += !a->copy && task >= kofn_code_first_tasks(run->code);
    }
    t->copies = a;
    kofn_link_insert_before(&run->out, &a->in_run);
    move_task(run, task, a->adopted ? EV_ADOPTED : EV_SENT);
    note_seen(run, a->worker_id);
    if (run->accept.liars > 0) // where that is not noted it is as if it had none
        (void)set_given(&run->givers, a->giver, kofn_run_count_given(run, a->giver) + 1);
}

size_t
kofn_run_count_given(const kofn_run *run, uint64_t giver)
{
    return (uintptr_t)kofn_map_find(&run->givers, giver);
}

/* So many of each, and all tasks together leave k without those of any 2 b. */
static size_t
get_full(const kofn_run *run)
{
    return kofn_liars_count_each(kofn_code_first_tasks(run->code), run->code->threshold,
                                 run->accept.liars);
}

/* Of the workers there are all but 2 b count. */
static size_t
get_share(const kofn_run *run)
{
    const size_t workers = run->crew->able[run->kind], doubted = 2 * run->accept.liars;
    const size_t k = run->code->threshold, full = get_full(run);
    const size_t counted = workers > doubted ? workers - doubted : 1;
    const size_t share = (k + counted - 1) / counted;
    return share < full ? share : full;
}

bool
kofn_run_is_spent(const kofn_run *run, uint64_t giver)
{
    return run->accept.liars > 0 && kofn_run_count_given(run, giver) >= get_share(run);
}

bool
kofn_run_is_full(const kofn_run *run, uint64_t giver)
{
    return run->accept.liars > 0 && kofn_run_count_given(run, giver) >= get_full(run);
}

/* Of a task that it has under another number it gives one answer, once. */
static bool
is_full_without(const kofn_run *run, uint64_t giver, size_t task)
{
    size_t given = kofn_run_count_given(run, giver);
    for (const kofn_assignment *a = run->tasks[task].copies; a && given > 0; a = a->next_copy)
        given -= a->giver == giver;
    return run->accept.liars > 0 && given >= get_full(run);
}

bool
kofn_run_has_parity(const kofn_run *run)
{
    size_t top[2 * KOFN_LIARS_MAX] = {0}, cursor = 0, left = run->count[KOFN_TASK_KEPT];
    const size_t tops = 2 * run->accept.liars;
    for (const void *gave; (gave = kofn_map_next(&run->gave, &cursor));) {
        size_t count = (uintptr_t)gave;
        for (size_t i = 0; i < tops && count > 0; i++) { // largest first
            const size_t moved = top[i];
            if (count <= moved)
                continue;
            top[i] = count;
            count = moved;
        }
    }
    for (size_t i = 0; i < tops; i++)
        left -= top[i];
    return left >= run->code->threshold + run->untold; // these may be anyone's
}

size_t
kofn_run_count_takers_needed(const kofn_run *run)
{
    return kofn_liars_count_workers(kofn_code_first_tasks(run->code), run->code->threshold,
                                    run->accept.liars);
}

void
kofn_run_take_back(kofn_run *run, const kofn_assignment *a)
{
    const size_t given = kofn_run_count_given(run, a->giver);
    if (given > 0)
        (void)set_given(&run->givers, a->giver, given - 1);
}

void
kofn_run_note_hint(kofn_run *run, size_t task, uint64_t worker, size_t bytes)
{
    size_t count = 0;
    for (kofn_hint *h = run->tasks[task].hints; h; h = h->next_of_task, count++) {
        if (h->worker == worker)
            h->bytes += bytes; // of another operand
        if (h->worker == worker || count == KOFN_HINTS_MAX - 1)
            return;
    }
    kofn_hint *hint = malloc(sizeof *hint);
    kofn_hint *first = kofn_map_find(&run->hints, worker);
    if (!hint || (!first && kofn_map_put(&run->hints, worker, hint, NULL) != KOFN_OK)) {
        free(hint);
        return;
    }
    *hint = (kofn_hint){.next_of_task = run->tasks[task].hints,
                        .next_of_worker = first ? first->next_of_worker : NULL,
                        .worker = worker,
                        .task = task,
                        .bytes = bytes};
    run->tasks[task].hints = hint;
    if (first)
        first->next_of_worker = hint;
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
kofn_run_keep(kofn_run *run, size_t task, uint64_t giver, kofn_error *err)
{
    assert(!run->tasks[task].copies);
    move_task(run, task, EV_ANSWERED);
    run->answered++;
    const size_t gave = (uintptr_t)kofn_map_find(&run->gave, giver);
    if (run->accept.liars > 0 && !set_given(&run->gave, giver, gave + 1))
        run->untold++;
    run->plain += kofn_code_plain_column(run->code, task) != SIZE_MAX;
    return kofn_decoder_add(run->decoder, task, err);
}

kofn_status
kofn_run_make_trial(kofn_run *run, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    if (!run->trial)
        status = kofn_trial_new(run->code, run->config->max_amplification, &run->trial, err);
    if (!status)
        status = kofn_trial_load(run->trial, run->decoder, run->code, err);
    if (status)
        return status;
    run->trial->looks = run->accept.kind == KOFN_ACCEPT_ERROR;
    run->trial->noise = run->noise;
    run->trial->error = run->accept.error;
    return KOFN_OK;
}

kofn_status
kofn_run_take_trial(kofn_run *run, kofn_trial **trial_p, kofn_error *err)
{
    kofn_trial *trial = run->trial = *trial_p;
    *trial_p = NULL;
    run->trying = false;
    run->covered = false; // by number alone, which may be refuted now
    if (trial->status) {
        *err = trial->why;
        return trial->status;
    }
    if (trial->looks)
        run->look = trial->look;
    kofn_decoder_tell(run->decoder, trial->count, kofn_decoder_get_state(trial->decoder));
    return KOFN_OK;
}

void
kofn_run_lose(kofn_run *run, size_t task)
{
    if (run->tasks[task].copies)
        return;
    move_task(run, task, EV_LOST);
    run->covered = false;
}

kofn_status
kofn_run_recode(kofn_run *run, kofn_code *code, kofn_error *err)
{
    for (size_t task = 0; task < code->tasks && code->tasks == run->code->tasks; task++)
        if (run->tasks[task].state != KOFN_TASK_IDLE &&
            !kofn_code_has_row_of(code, run->code, task))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "row %zu was sent, and cannot be another any more", task);
    const kofn_status status = kofn_decoder_recode(run->decoder, code, err);
    if (status != KOFN_OK)
        return status;
    kofn_code *before = run->code;
    run->code = kofn_code_ref(code);
    run->rows = count_rows_made(code);
    kofn_code_destroy(&before);
    return KOFN_OK;
}

bool
kofn_run_is_spare(const kofn_run *run, size_t task)
{
    const uint32_t state = run->tasks[task].state;
    return state != KOFN_TASK_KEPT && state != KOFN_TASK_SPARED && run->accept.liars == 0 &&
           !kofn_decoder_would_help(run->decoder, task);
}

void
kofn_run_spare(kofn_run *run, size_t task)
{
    assert(!run->tasks[task].copies);
    move_task(run, task, EV_SPARED);
    run->covered = false; // it may have been counted on
}

static bool
has_failed_on(const kofn_run *run, size_t task, uint64_t worker)
{
    for (const kofn_failure *f = run->failures; f; f = f->next)
        if (f->task == task && f->worker == worker)
            return true;
    return false;
}

kofn_status
kofn_run_note_failure(kofn_run *run, size_t task, uint64_t worker, kofn_error *err)
{
    if (has_failed_on(run, task, worker))
        return KOFN_OK;
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

/* For each lost task the one that would be sent for it: a fresh row of its group while there are
 * any, else itself; and always itself where that failed, or the policy wants it so. */
static size_t
list_stand_ins(kofn_run *run, size_t *ret_tasks)
{
    const size_t lost = list_tasks(run, KOFN_TASK_LOST, ret_tasks);
    for (size_t g = 0; g < kofn_run_count_groups(run); g++)
        run->groups[g].passed = 0;
    for (size_t i = 0; i < lost; i++) {
        const size_t group = kofn_run_get_group(run, ret_tasks[i]);
        const bool again = run->policy->repeats || kofn_run_count_failures(run, ret_tasks[i]) > 0;
        const size_t fresh = again ? none : find_fresh(run, group, &run->groups[group].passed);
        if (fresh != none)
            ret_tasks[i] = fresh;
    }
    return lost;
}

/* Some task of the group is lost, and none of its failures is to be remembered: it may come again
 * when everything else was tried. */
static size_t
retire_one(kofn_run *run, size_t group)
{
    size_t task = group;
    while (run->tasks[task].state != KOFN_TASK_LOST || kofn_run_count_failures(run, task) > 0) {
        task += kofn_run_count_groups(run);
        assert(task < run->code->tasks);
    }
    move_task(run, task, EV_RETIRED);
    return task;
}

/* Each goes to the front of the queue: the first is the first in the end. */
static void
want_stand_ins(kofn_run *run, const size_t *tasks, size_t count)
{
    while (count-- > 0) {
        if (run->tasks[tasks[count]].state == KOFN_TASK_LOST) {
            move_task(run, tasks[count], EV_WANTED);
        } else {
            const size_t retired = retire_one(run, kofn_run_get_group(run, tasks[count]));
            kofn_deaths_move(&run->deaths, retired, tasks[count]);
            move_task(run, tasks[count], EV_STANDS_IN);
        }
    }
}

/* Of tasks [first, count) leave out whatever the others make up for, last ones first; how many are
 * left. */
static size_t
prune(const kofn_run *run, size_t *tasks, size_t first, size_t count)
{
    for (size_t i = count; i-- > first;) {
        const size_t task = tasks[i];
        memmove(tasks + i, tasks + i + 1, (count - i - 1) * sizeof *tasks);
        if (kofn_decoder_would_suffice(run->decoder, tasks, count - 1)) {
            count--;
            continue;
        }
        memmove(tasks + i + 1, tasks + i, (count - i - 1) * sizeof *tasks);
        tasks[i] = task;
    }
    return count;
}

/* Any `enough` answers do. Below that, where that is not certain, and where rounding has refuted it
 * already, the decoder has to look at which they are: once for each loss, since answers change
 * nothing about what there will be. Once it is satisfied and the job is not, whatever there is. */
void
kofn_run_replace_lost(kofn_run *run, size_t *scratch)
{
    const size_t kept = run->count[KOFN_TASK_KEPT], lost = run->count[KOFN_TASK_LOST];
    const size_t enough = kofn_run_get_enough(run);
    size_t coming = run->count[KOFN_TASK_OUT] + run->count[KOFN_TASK_QUEUED];
    if (lost == 0 || (kofn_code_is_certain(run->code) && kept < enough && kept + coming >= enough))
        return;
    if (kofn_run_is_promised_less(run) || run->accept.liars > 0) { // any will do
        const size_t listed = list_stand_ins(run, scratch);
        const size_t missing = enough > kept + coming ? enough - kept - coming : listed;
        want_stand_ins(run, scratch, missing < listed ? missing : listed);
        return;
    }
    if (kofn_decoder_get_state(run->decoder) != KOFN_DECODE_NOT_YET) {
        want_stand_ins(run, scratch, list_stand_ins(run, scratch));
        return;
    }
    if (run->covered)
        return;
    run->covered = true;
    coming = list_coming(run, scratch);
    if (kofn_decoder_would_suffice(run->decoder, scratch, coming))
        return;
    const size_t all = coming + list_stand_ins(run, scratch + coming);
    want_stand_ins(run, scratch + coming, prune(run, scratch, coming, all) - coming);
}

bool
kofn_run_may_complete(const kofn_run *run, size_t *scratch)
{
    const size_t coming = list_coming(run, scratch);
    return coming > 0 && kofn_decoder_would_suffice(run->decoder, scratch, coming);
}

bool
kofn_run_suits(const kofn_run *run, const kofn_crew_worker *worker)
{
    return worker->fields >> run->kind & 1;
}

bool
kofn_run_is_at_end(const kofn_run *run)
{
    if (run->stream) // rows that came to nothing are given again
        return run->count[KOFN_TASK_KEPT] == run->code->tasks;
    return run->count[KOFN_TASK_OUT] == 0 && !run->policy->has_work(run);
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

void
kofn_run_ask_recode(kofn_run *run)
{
    run->recode = KOFN_RECODE_WANTED;
}

void
kofn_run_want_first(kofn_run *run)
{
    for (size_t task = 0; task < kofn_code_first_tasks(run->code); task++)
        move_task(run, task, EV_WANTED);
}

size_t
kofn_run_count_queued(const kofn_run *run)
{
    return run->count[KOFN_TASK_QUEUED];
}

size_t
kofn_run_count_out(const kofn_run *run)
{
    return run->count[KOFN_TASK_OUT];
}

bool
kofn_run_find_unsent(const kofn_run *run, size_t from, size_t *ret_task)
{
    size_t task = from;
    while (task < run->rows && run->tasks[task].state != KOFN_TASK_IDLE &&
           run->tasks[task].state != KOFN_TASK_LOST)
        task++;
    if (task < run->rows)
        *ret_task = task;
    return task < run->rows;
}

bool
kofn_run_would_help(const kofn_run *run, size_t task)
{
    return run->accept.liars > 0 || kofn_decoder_would_help(run->decoder, task);
}

bool
kofn_run_would_suffice(const kofn_run *run, const size_t *tasks, size_t count)
{
    return kofn_decoder_would_suffice(run->decoder, tasks, count);
}

bool
kofn_run_is_idle(const kofn_run *run, uint64_t worker)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    return w && w->running == 0 && w->failing == 0;
}

const kofn_assignment *
kofn_run_get_out(const kofn_run *run, const kofn_assignment *before)
{
    const kofn_link *link = before ? before->in_run.next : run->out.next;
    return link != &run->out ? KOFN_OWNER(link, kofn_assignment, in_run) : NULL;
}

const kofn_assignment *
kofn_run_get_on(const kofn_run *run, uint64_t worker, const kofn_assignment *before)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    if (!w)
        return NULL;
    const kofn_link *link = before ? &before->in_worker : &w->queue;
    while ((link = link->next) != &w->queue) {
        const kofn_assignment *a = KOFN_OWNER(link, kofn_assignment, in_worker);
        if (a->run == run)
            return a;
    }
    return NULL;
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
is_able(const kofn_run *run, uint64_t worker)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    return w && kofn_run_suits(run, w);
}

/* Does a worker live, free or not, that could take the task and died of it less often? */
static bool
has_survivor(const kofn_run *run, size_t task, size_t often)
{
    size_t cursor = 0;
    for (const kofn_crew_worker *w; often > 0 && (w = kofn_map_next(&run->crew->workers, &cursor));)
        if (!w->leaving && kofn_run_suits(run, w) && !has_failed_on(run, task, w->id) &&
            kofn_deaths_count(&run->deaths, task, w->name) < often)
            return true;
    return false;
}

size_t
kofn_run_get_death_key(const kofn_run *run)
{
    return run->code->tasks;
}

bool
kofn_run_is_suspect(const kofn_run *run, size_t task)
{
    return kofn_deaths_is_suspect(&run->deaths, task) ||
           (run->stream && kofn_deaths_is_suspect(&run->deaths, kofn_run_get_death_key(run)));
}

static bool
is_proven(const kofn_run *run, size_t task)
{
    return kofn_deaths_is_proven(&run->deaths, task) ||
           (kofn_deaths_is_spent(&run->deaths, task) &&
            !has_survivor(run, task, KOFN_DEATHS_OF_ONE_MAX));
}

bool
kofn_run_is_deadly(const kofn_run *run, size_t task)
{
    return is_proven(run, task) || (run->stream && is_proven(run, kofn_run_get_death_key(run)));
}

/* A suspect is for a worker that has nothing else, and a task with deaths for whoever had fewest:
 * of a stream, where rounds say whose it is, of those whose it is. */
static bool
is_fit(const kofn_run *run, size_t task, uint64_t worker)
{
    if (!run->deaths.first)
        return true;
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    return (w->alone || !kofn_run_is_suspect(run, task)) && !kofn_run_is_deadly(run, task) &&
           (run->stream ||
            !has_survivor(run, task, kofn_deaths_count(&run->deaths, task, w->name)));
}

/* The queued task of which the worker has most. */
static const kofn_hint *
find_liked(const kofn_run *run, uint64_t worker)
{
    const kofn_hint *best = NULL;
    for (const kofn_hint *h = kofn_map_find(&run->hints, worker); h; h = h->next_of_worker) {
        if (run->tasks[h->task].state != KOFN_TASK_QUEUED || has_failed_on(run, h->task, worker) ||
            !is_fit(run, h->task, worker))
            continue;
        if (!best || h->bytes > best->bytes || (h->bytes == best->bytes && h->task < best->task))
            best = h;
    }
    return best;
}

/* Some other worker has blocks of the task, and could take it now as well. Who is slow would keep
 * the job longer than the blocks take to another. */
static bool
is_left_to_another(const kofn_run *run, size_t task, uint64_t worker)
{
    for (const kofn_hint *h = run->tasks[task].hints; h && !run->loose; h = h->next_of_task) {
        const kofn_crew_worker *w =
            h->worker != worker ? kofn_crew_find(run->crew, h->worker) : NULL;
        if (w && w->ordered && w->failing == 0 && kofn_crew_slowdown(run->crew, w) <= SLOW &&
            !kofn_crew_has_run(w, run) && !has_failed_on(run, task, w->id) &&
            is_fit(run, task, w->id))
            return true;
    }
    return false;
}

/* Of what is queued; and where that is nothing, of whatever the policy has. */
static bool
is_taker(const kofn_run *run, const kofn_crew_worker *w)
{
    if (w->leaving || !kofn_run_suits(run, w) || kofn_run_is_full(run, w->giver))
        return false;
    uint32_t task = run->queue_first;
    while (task != none && has_failed_on(run, task, w->id))
        task = run->tasks[task].next;
    return task != none || run->queue_first == none;
}

size_t
kofn_run_count_takers(const kofn_run *run)
{
    size_t cursor = 0, count = run->givers.count;
    for (const kofn_crew_worker *w; (w = kofn_map_next(&run->crew->workers, &cursor));)
        count += !w->leaving && kofn_run_suits(run, w) && kofn_run_count_given(run, w->giver) == 0;
    return count;
}

bool
kofn_run_has_taker(const kofn_run *run)
{
    size_t cursor = 0;
    for (const kofn_crew_worker *w; (w = kofn_map_next(&run->crew->workers, &cursor));)
        if (is_taker(run, w))
            return true;
    return false;
}

bool
kofn_run_find_queued(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    const bool able = w && kofn_run_suits(run, w) && !kofn_run_is_full(run, w->giver);
    const kofn_hint *liked = able ? find_liked(run, worker) : NULL;
    if (liked) {
        *ret_task = liked->task;
        return true;
    }
    uint32_t task = able ? run->queue_first : none;
    while (task != none && (has_failed_on(run, task, worker) || !is_fit(run, task, worker) ||
                            is_left_to_another(run, task, worker)))
        task = run->tasks[task].next;
    if (task == none)
        return false;
    *ret_task = task;
    return true;
}

/* Could it, where nobody is to be spared? Rounds may have nobody else for what failed there. */
static bool
can_take(const kofn_run *run, uint64_t worker, size_t task)
{
    for (const kofn_assignment *a = run->tasks[task].copies; a; a = a->next_copy)
        if (a->worker_id == worker)
            return false;
    return is_able(run, worker) && (run->stream || !has_failed_on(run, task, worker));
}

bool
kofn_run_may_take(const kofn_run *run, uint64_t worker, size_t task)
{
    const kofn_crew_worker *w = kofn_crew_find(run->crew, worker);
    return w && !kofn_run_is_full(run, w->giver) && can_take(run, worker, task) &&
           is_fit(run, task, worker);
}

/* Deaths do not matter: nothing is to be computed any more, or that has begun. */
bool
kofn_run_may_adopt(const kofn_run *run, const kofn_crew_worker *worker, size_t task)
{
    if (task >= run->code->tasks ||
        (run->state != KOFN_RUN_OPEN && run->state != KOFN_RUN_IMPROVING))
        return false;
    const uint32_t state = run->tasks[task].state;
    return state != KOFN_TASK_KEPT && state != KOFN_TASK_SPARED &&
           !is_full_without(run, worker->giver, task) && can_take(run, worker->id, task) &&
           !kofn_run_is_spare(run, task);
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
