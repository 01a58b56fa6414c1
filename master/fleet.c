#include "master/fleet.h"
#include "common/base/map.h"
#include "master/jobs.h"
#include "master/keepers.h"
#include "master/meter.h"
#include "master/tags.h"
#include "proto/link/link.h"

#include <assert.h>
#include <stdlib.h>

enum {
    MESSAGES_A_TURN = 64, // taken off the socket before the loop looks at others
    TURN_MS = 50, // likewise: an answer that completes a job of hundreds of parts takes 0.2 s
    REFUSALS_MAX = 1000,  // between two beats: who floods us does not read either, and they pile up
    REFUSALS_LOGGED = 10, // likewise
};

typedef struct assignment assignment;
typedef TAILQ_HEAD(assignment_list, assignment) assignment_list;

typedef enum worker_state {
    WORKER_READY,   // takes tasks, unless it is barred
    WORKER_LEAVING, // said bye: finishes what it has
    WORKER_GONE,    // lost: to be removed at the end of this turn
} worker_state;

typedef struct worker {
    kofn_peer_id id;
    char key[KOFN_CURVE_TEXT]; // "" without keys
    uint64_t number;           // of this connection, the scheduler's name for it
    worker_state state;
    int64_t barred_ns; // answered wrongly: is there, and gets nothing until then; 0: it is not
    kofn_peer *peer;
    kofn_msg_hello hello;
    int64_t heard_ns;
    kofn_meter link; // block bytes to it
    assignment_list held;
    TAILQ_ENTRY(worker) of_fleet;
} worker;

typedef TAILQ_HEAD(worker_list, worker) worker_list;

/* A task on a worker, from SEND until its answer, CANCEL or loss. */
struct assignment {
    uint64_t id;
    worker *on;
    kofn_job *job;
    size_t task;
    uint64_t round; // of a stream; 0: of none
    size_t slot;    // of a stream
    bool sent;      // its blocks were given to the connection
    bool left;      // and all of them went out
    bool receiving; // the head of its answer came
    bool complete;  // and all of its blocks
    bool nonfinite;
    kofn_freivalds_look look;                    // of its answer, where it is looked at so
    bool kept;                                   // its worker keeps the answer until it is settled
    bool recalled;                               // of a task that was not sent
    size_t named;                                // blocks that were named and not sent
    bool whole;                                  // the worker lacked one: now all are sent
    char fresh[KOFN_OPERANDS_MAX][KOFN_TAG_MAX]; // names of blocks that its worker gets by this
    kofn_assembler answer;
    TAILQ_ENTRY(assignment) of_worker;
};

struct kofn_fleet {
    kofn_master *master;
    zhashx_t *by_peer;    // of worker
    kofn_map by_number;   // of worker
    kofn_map assignments; // of assignment, by id
    worker_list workers;
    size_t count;
    uint64_t next_number;
    int64_t beat_ns; // when the last beat was due and done
    kofn_inbound in; // reused
    uint64_t strangers;
    kofn_keepers *keepers;
    size_t refusals;  // since the last beat; who is not told says something again
    kofn_meter link;  // block bytes to all workers together
    size_t receiving; // workers whose meters run
    kofn_quarantine quarantine;
};

/* ---- assignments ----------------------------------------------------------------------------- */

static void
forget_assignment(kofn_fleet *fleet, assignment *a)
{
    TAILQ_REMOVE(&a->on->held, a, of_worker);
    (void)kofn_map_remove(&fleet->assignments, a->id); // it is at hand
    kofn_assembler_fini(&a->answer);
    free(a);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* Blocks were given to the connection at now_ns. Few are not worth it: they may be acknowledged
 * much later, together with others. */
static void
begin_burst(kofn_fleet *fleet, worker *w, int64_t now_ns)
{
    const size_t coming = kofn_peer_get_queued(w->peer) + kofn_peer_get_unacked(w->peer);
    if (w->link.running || (double)coming < KOFN_METER_BURST)
        return;
    kofn_meter_begin(&w->link, now_ns);
    kofn_meter_begin(&fleet->link, now_ns);
    fleet->receiving++;
}

static void
count_burst(kofn_fleet *fleet, worker *w, uint64_t bytes)
{
    kofn_meter_count(&w->link, bytes);
    kofn_meter_count(&fleet->link, bytes);
    if (!w->link.running || kofn_peer_get_queued(w->peer) > 0 ||
        kofn_peer_get_unacked(w->peer) >= KOFN_ACK_BYTES)
        return;
    const int64_t now_ns = kofn_clock_ns();
    kofn_meter_end(&w->link, now_ns);
    if (--fleet->receiving == 0)
        kofn_meter_end(&fleet->link, now_ns);
}

static void
drop_burst(kofn_fleet *fleet, worker *w)
{
    if (!w->link.running)
        return;
    kofn_meter_drop(&w->link);
    if (--fleet->receiving == 0)
        kofn_meter_drop(&fleet->link);
}

/* ---- assignments ----------------------------------------------------------------------------- */

/* The worker is lost: its assignments are void, the scheduler places their tasks anew. The record
 * stays until sweep(), since callers up the stack may hold it. `excused`: not by what it had. */
static void
end_worker(kofn_fleet *fleet, worker *w, const char *why, bool excused)
{
    if (w->state == WORKER_GONE)
        return;
    const bool left = w->state == WORKER_LEAVING;
    const bool expected = left && TAILQ_EMPTY(&w->held);
    w->state = WORKER_GONE;
    kofn_log_write(&fleet->master->log, expected ? KOFN_LOG_NOTICE : KOFN_LOG_WARNING,
                   expected ? "worker_left" : "worker_lost", why, "worker=%s number=%" PRIu64,
                   w->hello.name, w->number);
    while (!TAILQ_EMPTY(&w->held))
        forget_assignment(fleet, TAILQ_FIRST(&w->held));
    drop_burst(fleet, w);
    kofn_keepers_lose(fleet->keepers, w->number);
    if (excused || left)
        kofn_sched_worker_lose(fleet->master->sched, kofn_clock_ns(), w->number);
    else
        kofn_sched_worker_die(fleet->master->sched, kofn_clock_ns(), w->number);
}

/* It is there, or may be, but not any more for us. */
static void
lose_worker(kofn_fleet *fleet, worker *w, const char *why)
{
    end_worker(fleet, w, why, true);
}

/* It is silent, or its connection has ended: for all we know, something that it had killed it. */
static void
bury_worker(kofn_fleet *fleet, worker *w, const char *why)
{
    end_worker(fleet, w, why, false);
}

/* Whom nothing can be sent to is gone. */
static void
post(kofn_fleet *fleet, worker *w, const kofn_wire_message *type, const void *message)
{
    kofn_error err;
    if (kofn_peer_post(w->peer, type, message, &err) != KOFN_OK)
        bury_worker(fleet, w, err.text);
}

static void
destroy_worker(kofn_fleet *fleet, worker *w)
{
    TAILQ_REMOVE(&fleet->workers, w, of_fleet);
    zhashx_delete(fleet->by_peer, &w->id);
    (void)kofn_map_remove(&fleet->by_number, w->number);
    kofn_peer_destroy(&w->peer);
    free(w);
    fleet->count--;
}

static void
sweep(kofn_fleet *fleet)
{
    worker *next;
    for (worker *w = TAILQ_FIRST(&fleet->workers); w; w = next) {
        next = TAILQ_NEXT(w, of_fleet);
        if (w->state == WORKER_GONE)
            destroy_worker(fleet, w);
    }
}

static void
assign(kofn_fleet *fleet, const kofn_action *action, kofn_job *job)
{
    worker *w = kofn_map_find(&fleet->by_number, action->worker);
    assignment *a = calloc(1, sizeof *a);
    kofn_error err;
    assert(w && "the scheduler sends to workers that joined and were not lost");
    if (!a || kofn_map_put(&fleet->assignments, action->assignment, a, NULL) != KOFN_OK) {
        free(a);
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory for an assignment");
        kofn_sched_task_fail(fleet->master->sched, kofn_clock_ns(), action->worker,
                             action->assignment, &err);
        return;
    }
    a->id = action->assignment;
    a->on = w;
    a->job = job;
    a->task = action->task;
    a->round = action->round;
    a->slot = action->slot;
    kofn_assembler_init(&a->answer);
    TAILQ_INSERT_TAIL(&w->held, a, of_worker);
}

/* What has entirely left counts as sent in its job's account. */
static void
note_left(worker *w)
{
    if (kofn_peer_get_queued(w->peer) > 0)
        return;
    assignment *a;
    TAILQ_FOREACH(a, &w->held, of_worker)
    {
        if (a->sent && !a->left) {
            a->left = true;
            a->job->times.left_ns = kofn_clock_ns();
        }
    }
}

static void
fill_matrix(kofn_msg_matrix *m, const kofn_bands *bands)
{
    snprintf(m->dtype, sizeof m->dtype, "%s", kofn_dtype_name(bands->dtype));
    m->rows = bands->rows;
    m->cols = bands->cols;
}

static bool
has_name(const kofn_msg_task_block *names, size_t count)
{
    for (size_t o = 0; o < count; o++)
        if (names[o].name[0])
            return true;
    return false;
}

/* An answer that is worked out sooner than it is listed is not worth keeping. */
#define KEEP_FLOPS_MIN 1e6

static bool
is_worth_keeping(const worker *w, const kofn_job *job)
{
    const kofn_shape *part = &job->coding.part;
    return w->hello.keep_bytes > 0 &&
           2.0 * (double)part->rows * (double)part->inner * (double)part->cols >= KEEP_FLOPS_MIN;
}

/* Blocks that the worker keeps are named, those that it may keep are named and sent: *ret_sent, in
 * order; returns how many. */
static size_t
name_blocks(kofn_fleet *fleet, assignment *to, const kofn_bands *const *blocks,
            kofn_msg_task_block *ret_names, const kofn_bands **ret_sent)
{
    kofn_holdings *holdings = kofn_keepers_get_holdings(fleet->keepers);
    const worker *w = to->on;
    size_t sent = 0, bytes;
    for (size_t o = 0; o < to->job->code->operands; o++) {
        char *name = ret_names[o].name;
        const bool may = kofn_keepers_name_block(to->job, o, to->task, &bytes, name) &&
                         bytes <= w->hello.cache_bytes;
        name[0] = may ? name[0] : '\0';
        ret_names[o].kept = may && !to->whole && kofn_holdings_has(holdings, w->number, name);
        to->fresh[o][0] = '\0';
        if (ret_names[o].kept) {
            to->named++;
            continue;
        }
        ret_sent[sent++] = blocks[o];
        if (may)
            memcpy(to->fresh[o], name, sizeof to->fresh[o]);
    }
    to->job->blocks_spared += to->named;
    for (size_t o = 0; o < to->job->code->operands; o++) // now: both operands may be one block
        if (to->fresh[o][0])
            kofn_holdings_note(holdings, w->number, to->fresh[o]);
    return sent;
}

/* The task did not get there whole, or was refused: who knows what became of its blocks. */
static void
forget_blocks(kofn_fleet *fleet, const assignment *a)
{
    for (size_t o = 0; a->sent && o < KOFN_OPERANDS_MAX; o++)
        if (a->fresh[o][0])
            kofn_holdings_forget(kofn_keepers_get_holdings(fleet->keepers), a->on->number,
                                 a->fresh[o]);
}

static bool
send_blocks(kofn_fleet *fleet, uint64_t id, const kofn_bands *const *blocks)
{
    assignment *to = kofn_map_find(&fleet->assignments, id);
    if (!to)
        return false;

    kofn_msg_task task = {
        .assignment = id,
        .epoch = fleet->master->epoch,
        .task = to->task,
        .round = to->round,
        .slot = to->slot,
        .transpose_a = to->job->transposed[0],
        .transpose_b = to->job->transposed[1],
    };
    const size_t count = to->job->code->operands;
    kofn_msg_factor further[KOFN_OPERANDS_MAX - 2];
    kofn_msg_task_block names[KOFN_OPERANDS_MAX] = {0};
    const kofn_bands *sent[KOFN_OPERANDS_MAX];
    const size_t sent_count = name_blocks(fleet, to, blocks, names, sent);
    task.blocks = (kofn_wire_list){.at = names, .count = has_name(names, count) ? count : 0};
    to->kept = is_worth_keeping(to->on, to->job);
    if (to->kept)
        kofn_tag_answer(to->job, to->task, task.answer);
    snprintf(task.form, sizeof task.form, "%s", to->job->outer ? KOFN_FORM_OUTER : "");
    for (size_t o = 2; o < count; o++) {
        further[o - 2] = (kofn_msg_factor){.transposed = to->job->transposed[o]};
        fill_matrix(&further[o - 2].matrix, blocks[o]);
    }
    task.further = (kofn_wire_list){.at = further, .count = count - 2};
    snprintf(task.job, sizeof task.job, "%s", kofn_job_get_whole(to->job)->name);
    snprintf(task.field, sizeof task.field, "%s", to->job->field->name);
    fill_matrix(&task.a, blocks[0]);
    fill_matrix(&task.b, blocks[1]);
    kofn_error err;
    to->sent = true;
    const int64_t now_ns = kofn_clock_ns();
    if (kofn_peer_transfer(to->on->peer, id, &kofn_task_message, &task, sent_count, sent, &err) !=
        KOFN_OK) {
        bury_worker(fleet, to->on, err.text);
        return true;
    }
    begin_burst(fleet, to->on, now_ns);
    note_left(to->on);
    return true;
}

/* Forget an assignment whose task is no longer wanted of this worker, and have the worker forget
 * it: it may lack blocks, compute, or be sending. */
static void
take_back(kofn_fleet *fleet, assignment *a)
{
    worker *w = a->on;
    const bool sent = a->sent;
    const kofn_msg_cancel cancel = {.assignment = a->id, .epoch = fleet->master->epoch};
    if (!a->left)
        forget_blocks(fleet, a);
    forget_assignment(fleet, a);
    if (!sent)
        return;
    (void)kofn_peer_drop(w->peer,
                         cancel.assignment); // a torso is dropped by the worker at our cancel
    post(fleet, w, &kofn_cancel_message, &cancel);
}

static void
cancel_task(kofn_fleet *fleet, uint64_t id)
{
    assignment *a = kofn_map_find(&fleet->assignments, id);
    if (a)
        take_back(fleet, a);
}

static void
fail_task(kofn_fleet *fleet, uint64_t id, const kofn_error *why)
{
    assignment *a = kofn_map_find(&fleet->assignments, id);
    if (!a)
        return;
    const uint64_t number = a->on->number;
    forget_assignment(fleet, a);
    kofn_sched_task_fail(fleet->master->sched, kofn_clock_ns(), number, id, why);
}

/* ---- what workers keep ----------------------------------------------------------------------- */

static size_t
count_answer_bytes(const kofn_job *job)
{
    const kofn_shape *part = &job->coding.part;
    return part->rows * part->cols * kofn_dtype_width(job->field->dtype);
}

/* It has the answer to this assignment, and will send it. */
static void
recall(kofn_fleet *fleet, uint64_t number, uint64_t id, kofn_job *job, const kofn_msg_held *held)
{
    const kofn_action action = {.worker = number, .assignment = id, .task = held->task};
    const kofn_msg_recall message = {.assignment = id,
                                     .epoch = fleet->master->epoch,
                                     .held_assignment = held->assignment,
                                     .held_epoch = held->epoch};
    assign(fleet, &action, job);
    assignment *a = kofn_map_find(&fleet->assignments, id);
    if (!a) // no memory: the task has failed there
        return;
    a->sent = a->left = a->kept = a->recalled = true;
    post(fleet, a->on, &kofn_recall_message, &message);
}

static void
tell_settled(kofn_fleet *fleet, uint64_t number, const kofn_msg_settled *settled)
{
    worker *w = kofn_map_find(&fleet->by_number, number);
    if (w && w->state != WORKER_GONE)
        post(fleet, w, &kofn_settled_message, settled);
}

static void
begin_job(kofn_fleet *fleet, kofn_job *job)
{
    kofn_keepers_begin(fleet->keepers, job);
}

static void
end_job(kofn_fleet *fleet, const kofn_job *job)
{
    kofn_keepers_over(fleet->keepers, job);
}

static const kofn_keepers_fleet keepers_fleet = {.recall = recall, .settle = tell_settled};

/* ---- answers --------------------------------------------------------------------------------- */

static void
fail_assignment(kofn_fleet *fleet, assignment *a, const kofn_error *why)
{
    const uint64_t number = a->on->number, id = a->id;
    kofn_log_write(&fleet->master->log, KOFN_LOG_WARNING, "task_failed", why->text,
                   "job=%s task=%zu worker=%s", a->job->name, a->task, a->on->hello.name);
    forget_blocks(fleet, a);
    if (a->kept && a->complete) // it was no answer, so nobody wants it again
        kofn_keepers_settle(fleet->keepers, number, id, count_answer_bytes(a->job));
    if ((a->receiving && !a->complete) || !a->left) // it still sends, or is still sent to
        take_back(fleet, a);
    else
        forget_assignment(fleet, a);
    kofn_sched_task_fail(fleet->master->sched, kofn_clock_ns(), number, id, why);
}

/* An answer that a coder looks at. Over a finite field elements that are no numbers of it would
 * spoil the product unseen; and it may be wrong (verify.h). */
typedef struct answer_check {
    kofn_coder_item item;
    kofn_fleet *fleet;
    kofn_job *job;   // of which this is an item
    kofn_code *code; // of it, as it was when the answer came; a ref
    size_t task;
    uint64_t assignment;
    kofn_giver giver;
    kofn_bands blocks; // a second holder
    kofn_freivalds_look look;
    kofn_status status;
    kofn_error error;
} answer_check;

/* ---- quarantine ------------------------------------------------------------------------------ */

static kofn_giver
get_giver(const worker *w)
{
    kofn_giver giver = {.number = w->number};
    snprintf(giver.name, sizeof giver.name, "%s", w->hello.name);
    snprintf(giver.key, sizeof giver.key, "%s", w->key);
    return giver;
}

/* Nothing more for it until then, and nothing of what it has. */
static void
isolate(kofn_fleet *fleet, worker *w, int64_t until_ns)
{
    const bool before = w->barred_ns != 0;
    w->barred_ns = until_ns > w->barred_ns ? until_ns : w->barred_ns;
    if (w->state == WORKER_GONE || before)
        return;
    drop_burst(fleet, w);
    kofn_keepers_lose(fleet->keepers, w->number);
    kofn_sched_worker_lose(fleet->master->sched, kofn_clock_ns(), w->number);
    while (!TAILQ_EMPTY(&w->held) && w->state != WORKER_GONE)
        take_back(fleet, TAILQ_FIRST(&w->held));
}

static void
quarantine_worker(kofn_fleet *fleet, const kofn_giver *who, kofn_job *job, size_t task)
{
    const int64_t for_ns = fleet->master->config.quarantine_ns;
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), for_ns);
    kofn_log_write(&fleet->master->log, KOFN_LOG_ERROR, "worker_quarantined",
                   "its answer is not the product that it was asked for",
                   "worker=%s number=%" PRIu64 " job=%s task=%zu found_by=%s seconds=%.0f",
                   who->name, who->number, job->name, task, kofn_verify_name(job->verification.how),
                   (double)for_ns * 1e-9);
    kofn_job_note_liar(job, who);
    if (!kofn_quarantine_add(&fleet->quarantine, who, until_ns))
        kofn_log_write(&fleet->master->log, KOFN_LOG_WARNING, "quarantine_forgotten",
                       "no memory to know it when it comes again", "worker=%s", who->name);
    worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        const kofn_giver other = get_giver(w);
        if (kofn_giver_is(who, &other))
            isolate(fleet, w, until_ns);
    }
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void
finish_answer(kofn_fleet *fleet, assignment *a)
{
    kofn_master *master = fleet->master;
    kofn_job *job = a->job;
    const size_t task = a->task;
    const bool nonfinite = a->nonfinite;
    const kofn_freivalds_look look = a->look;
    kofn_bands blocks = a->answer.mat[0];
    a->answer.count = 0; // ours now
    const kofn_giver giver = get_giver(a->on);
    const uint64_t id = a->id, number = a->on->number;
    const bool kept = a->kept;
    const size_t bytes = count_answer_bytes(job);
    worker *w = a->on;
    if (!a->left) // it did not need all of the task
        (void)kofn_peer_drop(w->peer, id);
    forget_assignment(fleet, a);
    if (TAILQ_EMPTY(&w->held)) // it has all, and does not acknowledge the end of a task
        drop_burst(fleet, w);
    const kofn_verdict verdict = kofn_sched_answer(master->sched, kofn_clock_ns(), number, id);
    if (kept && verdict == KOFN_VERDICT_KEEP)
        kofn_keepers_owe(fleet->keepers, number, id, job, bytes);
    else if (kept)
        kofn_keepers_settle(fleet->keepers, number, id, bytes);
    if (verdict == KOFN_VERDICT_KEEP) {
        kofn_job_keep_answer(job, task, &giver, &blocks, nonfinite);
        kofn_job_note_look(job, &look);
    }
    kofn_bands_fini(&blocks);
}

static void
end_check(kofn_fleet *fleet, assignment *a, const kofn_freivalds_look *look, kofn_status status,
          kofn_error *why)
{
    if (status == KOFN_OK) {
        a->look = *look;
        finish_answer(fleet, a);
        return;
    }
    if (status == KOFN_INVALID_ARGUMENT) { // an element, and not our lack of memory
        why->status = KOFN_DATA_LOSS;
        (void)kofn_fail_within(why, "worker %s", a->on->hello.name);
    }
    fail_assignment(fleet, a, why);
}

/* INVALID_ARGUMENT: an element that is no number of the field. */
static kofn_status
check_answer(const kofn_job *job, const kofn_code *code, size_t task, const kofn_bands *c,
             kofn_freivalds_look *ret_look, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    *ret_look = (kofn_freivalds_look){.finding = KOFN_FINDING_UNKNOWN};
    if (kofn_field_is_partial(job->field))
        status = kofn_field_check_elements(job->field, "its answer", c, err);
    if (!status && job->verification.check)
        status = kofn_freivalds_check(job->verification.check, code, task, c, ret_look, err);
    return status;
}

static void
check_run(kofn_coder_item *item)
{
    answer_check *check = (answer_check *)item;
    check->status = check_answer(check->job, check->code, check->task, &check->blocks, &check->look,
                                 &check->error);
}

/* The task may have been cancelled, or its worker lost, meanwhile. */
static void
check_done(kofn_coder_item *item)
{
    answer_check *check = (answer_check *)item;
    kofn_master *master = check->fleet->master;
    assignment *a = kofn_map_find(&check->fleet->assignments, check->assignment);
    kofn_bands_fini(&check->blocks);
    const bool ran = item->start_ns != 0; // else the master stops
    if (ran && check->look.finding == KOFN_FINDING_WRONG)
        quarantine_worker(check->fleet, &check->giver, check->job, check->task);
    else if (ran && a)
        end_check(check->fleet, a, &check->look, check->status, &check->error);
    kofn_code_destroy(&check->code);
    kofn_job_leave(check->job);
    free(check);
    if (ran)
        kofn_jobs_act(master->jobs);
}

static kofn_status
start_check(kofn_fleet *fleet, const assignment *a, kofn_error *err)
{
    answer_check *check = calloc(1, sizeof *check);
    if (!check)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to check an answer");
    const kofn_status status = kofn_bands_ref(&a->answer.mat[0], &check->blocks, err);
    if (status) {
        free(check);
        return status;
    }
    check->item = (kofn_coder_item){.run = check_run, .done = check_done};
    check->fleet = fleet;
    check->job = a->job;
    check->code = kofn_code_ref(a->job->code);
    check->task = a->task;
    check->assignment = a->id;
    check->giver = get_giver(a->on);
    a->job->items++;
    kofn_coders_submit(fleet->master->coders, &check->item);
    return KOFN_OK;
}

/* What a check goes through; freivalds' also has to say what the answer's sums must be. */
static size_t
count_check_bytes(const kofn_job *job)
{
    const kofn_freivalds *check = job->verification.check;
    return count_answer_bytes(job) + (check ? kofn_freivalds_count_check_bytes(check) : 0);
}

/* An answer has come whole. */
static void
receive_answer(kofn_fleet *fleet, assignment *a)
{
    const kofn_bands *c = &a->answer.mat[0];
    kofn_error err;
    a->complete = true;
    if (!kofn_field_is_partial(a->job->field) && !a->job->verification.check) {
        finish_answer(fleet, a);
    } else if (count_check_bytes(a->job) <= KOFN_CHECK_AT_ONCE) {
        kofn_freivalds_look look;
        const kofn_giver giver = get_giver(a->on);
        const kofn_status status = check_answer(a->job, a->job->code, a->task, c, &look, &err);
        if (look.finding == KOFN_FINDING_WRONG) // whether its job still waits for it or not
            quarantine_worker(fleet, &giver, a->job, a->task);
        else
            end_check(fleet, a, &look, status, &err);
    } else if (start_check(fleet, a, &err) != KOFN_OK) {
        fail_assignment(fleet, a, &err);
    }
}

/* Block frames of an answer, whether they came with its head or after it. */
static void
take_blocks(kofn_fleet *fleet, assignment *a, const kofn_inbound *in, bool more)
{
    kofn_error err = {.status = KOFN_OK};
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < in->count && !status; i++)
        status = kofn_assembler_take(&a->answer, in->blocks[i], &err);
    if (!status && kofn_assembler_is_complete(&a->answer)) {
        receive_answer(fleet, a);
        return;
    }
    if (!status && !more)
        status = kofn_fail(&err, KOFN_INVALID_ARGUMENT, "the answer lacks blocks");
    if (status)
        fail_assignment(fleet, a, &err);
}

static assignment *
find_assignment(kofn_fleet *fleet, const worker *w, uint64_t id)
{
    assignment *a = kofn_map_find(&fleet->assignments, id);
    return a && a->on == w ? a : NULL;
}

/* It has no such block any more, whatever it said: the same task again, with all of them. */
static void
send_again(kofn_fleet *fleet, assignment *a)
{
    kofn_holdings *holdings = kofn_keepers_get_holdings(fleet->keepers);
    for (size_t o = 0; o < a->job->code->operands; o++) {
        char name[KOFN_TAG_MAX];
        size_t bytes;
        if (kofn_keepers_name_block(a->job, o, a->task, &bytes, name))
            kofn_holdings_forget(holdings, a->on->number, name);
    }
    (void)kofn_peer_drop(a->on->peer, a->id);
    a->job->blocks_spared -= a->named;
    a->named = 0;
    a->sent = a->left = false;
    a->whole = true;
    kofn_job_queue_again(a->job, a->task, a->id);
}

/* What the worker was believed to have it has not: no failure of the task. */
static bool
lacks_something(kofn_fleet *fleet, assignment *a)
{
    const uint64_t number = a->on->number, id = a->id;
    if (a->named > 0) {
        send_again(fleet, a);
    } else if (a->recalled) {
        forget_assignment(fleet, a);
        kofn_sched_task_return(fleet->master->sched, kofn_clock_ns(), number, id);
    } else {
        return false;
    }
    return true;
}

/* The worker could not do it. One that leaves hands back what it did not finish: it is as good as
 * gone, and its tasks have not failed. */
static void
on_failure(kofn_fleet *fleet, assignment *a, const kofn_msg_result *result)
{
    worker *w = a->on;
    const kofn_status status =
        result->status > KOFN_UNAUTHENTICATED ? KOFN_UNKNOWN : (kofn_status)result->status;
    kofn_error err;
    if (w->state == WORKER_LEAVING && status == KOFN_UNAVAILABLE) {
        lose_worker(fleet, w, "it stopped and handed its tasks back");
        return;
    }
    if (status == KOFN_NOT_FOUND && lacks_something(fleet, a))
        return;
    kofn_fail(&err, status, "worker %s: %s", w->hello.name,
              result->message[0] ? result->message : kofn_status_name(status));
    fail_assignment(fleet, a, &err);
}

static void
on_result(kofn_fleet *fleet, worker *w, const void *message)
{
    const kofn_msg_result *result = message;
    assignment *a = result->epoch == fleet->master->epoch
                        ? find_assignment(fleet, w, result->assignment)
                        : NULL;
    if (!a || a->receiving || !a->sent) { // late, twice, or nobody asked
        kofn_log_write(&fleet->master->log, KOFN_LOG_DEBUG, "answer_dropped",
                       "it is late, or nobody asked for it", "worker=%s assignment=%" PRIu64,
                       w->hello.name, result->assignment);
        if (!a && w->hello.keep_bytes > 0 && result->status == KOFN_OK &&
            result->epoch == fleet->master->epoch)
            kofn_keepers_settle(fleet->keepers, w->number, result->assignment, 0);
        return;
    }
    kofn_error err;
    if (result->status != KOFN_OK) {
        on_failure(fleet, a, result);
        return;
    }
    const kofn_shape *part = &a->job->coding.part;
    const kofn_dtype dtype = kofn_dtype_parse(result->c.dtype);
    if (dtype != a->job->field->dtype || result->c.rows != part->rows ||
        result->c.cols != part->cols) {
        kofn_fail(&err, KOFN_INVALID_ARGUMENT,
                  "worker %s answered %s %" PRIu64 " x %" PRIu64 ", asked was %s %zu x %zu",
                  w->hello.name, result->c.dtype, result->c.rows, result->c.cols,
                  kofn_dtype_name(a->job->field->dtype), part->rows, part->cols);
        fail_assignment(fleet, a, &err);
        return;
    }
    if (a->job->field->epsilon == 0 && result->nonfinite) {
        kofn_fail(&err, KOFN_DATA_LOSS,
                  "worker %s answered with elements that are no numbers of field %s", w->hello.name,
                  a->job->field->name);
        fail_assignment(fleet, a, &err);
        return;
    }
    a->receiving = true;
    a->nonfinite = result->nonfinite;
    if (kofn_assembler_expect(&a->answer, dtype, part->rows, part->cols, &err) != KOFN_OK)
        fail_assignment(fleet, a, &err);
    else
        take_blocks(fleet, a, &fleet->in, result->more);
}

static void
on_data(kofn_fleet *fleet, worker *w, const void *message)
{
    const kofn_msg_data *data = message;
    assignment *a = find_assignment(fleet, w, data->id);
    if (a && a->receiving && !a->complete)
        take_blocks(fleet, a, &fleet->in, data->more);
}

/* ---- other messages of a worker -------------------------------------------------------------- */

static void
on_ack(kofn_fleet *fleet, worker *w, const void *message)
{
    const kofn_msg_ack *ack = message;
    kofn_error err;
    if (kofn_peer_acked(w->peer, ack->bytes, &err) != KOFN_OK) {
        lose_worker(fleet, w, err.text);
        return;
    }
    count_burst(fleet, w, ack->bytes);
    note_left(w);
}

static void
on_evicted(kofn_fleet *fleet, worker *w, const void *message)
{
    const kofn_msg_evicted *evicted = message;
    const kofn_msg_block_name *names = evicted->blocks.at;
    for (size_t i = 0; i < evicted->blocks.count; i++)
        kofn_holdings_forget(kofn_keepers_get_holdings(fleet->keepers), w->number, names[i].name);
}

static void
on_heartbeat(kofn_fleet *fleet, worker *w, const void *message)
{
    (void)fleet, (void)w, (void)message; // being heard is all there is to it
}

static void
on_bye(kofn_fleet *fleet, worker *w, const void *message)
{
    const kofn_msg_bye *bye = message;
    if (w->state != WORKER_READY)
        return;
    w->state = WORKER_LEAVING;
    kofn_log_write(&fleet->master->log, KOFN_LOG_NOTICE, "worker_leaves",
                   bye->reason[0] ? bye->reason : "it said goodbye", "worker=%s", w->hello.name);
    kofn_sched_worker_leave(fleet->master->sched, kofn_clock_ns(), w->number);
}

static void
refuse(kofn_fleet *fleet, const kofn_peer_id *id, kofn_status status, const char *text)
{
    if (fleet->refusals++ >= REFUSALS_MAX)
        return;
    kofn_peer *peer = NULL;
    kofn_msg_refuse message = {.status = status};
    snprintf(message.message, sizeof message.message, "%s", text);
    kofn_status sent =
        kofn_peer_new(fleet->master->worker_socket, KOFN_LINK_MASTER_WORKERS, id, 0, &peer, NULL);
    if (!sent)
        sent = kofn_peer_post(peer, &kofn_refuse_message, &message, NULL);
    (void)sent; // if it is gone: fine
    kofn_peer_destroy(&peer);
}

static void
welcome(kofn_fleet *fleet, worker *w)
{
    const kofn_master_config *config = &fleet->master->config;
    const kofn_msg_welcome message = {
        .version = KOFN_PROTOCOL_VERSION,
        .epoch = fleet->master->epoch,
        .worker = w->number,
        .window = config->window,
        .heartbeat_ms = (uint64_t)(config->heartbeat_ns / KOFN_NS_PER_MS),
        .silence_ms = (uint64_t)(config->silence_ns / KOFN_NS_PER_MS),
        .chunk_bytes = config->chunk_bytes,
    };
    post(fleet, w, &kofn_welcome_message, &message);
}

/* So that it can be found, by peer and by number: neither is there yet. */
static kofn_status
list_worker(kofn_fleet *fleet, worker *w, kofn_error *err)
{
    const kofn_status status = kofn_map_put(&fleet->by_number, w->number, w, err);
    if (status || zhashx_insert(fleet->by_peer, &w->id, w) == 0)
        return status;
    (void)kofn_map_remove(&fleet->by_number, w->number);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to list another worker");
}

static worker *
new_worker(kofn_fleet *fleet, const kofn_peer_id *id, const kofn_msg_hello *hello, kofn_error *err)
{
    worker *w = calloc(1, sizeof *w);
    if (!w) {
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another worker");
        return NULL;
    }
    const size_t window = hello->window ? hello->window : 1;
    w->id = *id;
    memcpy(w->key, fleet->in.key, sizeof w->key);
    w->hello = *hello;
    w->hello.held = w->hello.cached = (kofn_wire_list){0}; // the message's
    w->number = ++fleet->next_number;
    w->heard_ns = kofn_clock_ns();
    TAILQ_INIT(&w->held);
    if (kofn_peer_new(fleet->master->worker_socket, KOFN_LINK_MASTER_WORKERS, id, window, &w->peer,
                      err) != KOFN_OK ||
        list_worker(fleet, w, err) != KOFN_OK) {
        kofn_peer_destroy(&w->peer);
        free(w);
        return NULL;
    }
    kofn_peer_set_pool(w->peer, fleet->master->pool); // for operands that come from disk
    TAILQ_INSERT_TAIL(&fleet->workers, w, of_fleet);
    fleet->count++;
    return w;
}

static bool
check_hello(const kofn_msg_hello *hello, kofn_error *err)
{
    uint64_t version; // there is one today: nothing depends on which
    if (kofn_version_agree(hello->version, &version, err) != KOFN_OK)
        (void)kofn_fail_within(err, "worker %s", hello->name);
    else if (hello->credit == 0 || hello->window == 0)
        kofn_fail(err, KOFN_INVALID_ARGUMENT,
                  "worker %s says credit %" PRIu64 " and window %" PRIu64 ": at least 1 each",
                  hello->name, hello->credit, hello->window);
    else if (!kofn_field_kinds_parse(hello->fields))
        kofn_fail(err, KOFN_UNIMPLEMENTED, "worker %s computes in no field of this master: '%s'",
                  hello->name, hello->fields);
    else
        return true;
    return false;
}

static kofn_status
join(kofn_fleet *fleet, const worker *w, kofn_error *err)
{
    size_t credit = w->hello.credit > KOFN_CREDIT_MAX ? KOFN_CREDIT_MAX : w->hello.credit;
    if (credit == 0)
        credit = 1;
    const kofn_giver giver = get_giver(w);
    const kofn_sched_worker joining = {
        .id = w->number,
        .giver = kofn_giver_hash(&giver),
        .name = w->hello.name,
        .life = w->hello.life,
        .credit = credit,
        .fields = kofn_field_kinds_parse(w->hello.fields),
    };
    return kofn_sched_worker_join(fleet->master->sched, w->heard_ns, &joining, err);
}

/* Until when a worker that comes now is barred; 0: it is not. */
static int64_t
find_bar(kofn_fleet *fleet, const worker *w)
{
    const kofn_giver giver = get_giver(w);
    return kofn_quarantine_get_until(&fleet->quarantine, &giver, w->heard_ns);
}

static void
on_hello(kofn_fleet *fleet, const kofn_peer_id *id, const kofn_msg_hello *hello)
{
    kofn_error err;
    if (!check_hello(hello, &err)) {
        if (fleet->refusals < REFUSALS_LOGGED)
            kofn_log_write(&fleet->master->log, KOFN_LOG_WARNING, "worker_refused", err.text, "%s",
                           "");
        refuse(fleet, id, err.status, err.text);
        return;
    }
    worker *w = zhashx_lookup(fleet->by_peer, id);
    if (w) { // it lost patience with us and starts anew on the same connection
        lose_worker(fleet, w, "it said hello again");
        destroy_worker(fleet, w);
    }
    w = new_worker(fleet, id, hello, &err);
    if (w)
        w->barred_ns = find_bar(fleet, w);
    if (!w || (!w->barred_ns && join(fleet, w, &err) != KOFN_OK)) {
        refuse(fleet, id, err.status, err.text);
        if (w)
            destroy_worker(fleet, w);
        return;
    }
    welcome(fleet, w);
    if (w->state == WORKER_GONE)
        return;
    if (w->barred_ns) {
        kofn_log_write(&fleet->master->log, KOFN_LOG_WARNING, "worker_barred",
                       "it is in quarantine, and gets nothing", "worker=%s number=%" PRIu64,
                       w->hello.name, w->number);
        return;
    }
    kofn_log_write(&fleet->master->log, KOFN_LOG_NOTICE, "worker_joined", "ready for tasks",
                   "worker=%s number=%" PRIu64 " cores=%" PRIu64 " kernel=%s version=%s",
                   w->hello.name, w->number, w->hello.cores, w->hello.kernel, w->hello.software);
    kofn_keepers_join(fleet->keepers, w->number, hello);
    kofn_jobs_on_worker(fleet->master->jobs);
}

/* ---- messages -------------------------------------------------------------------------------- */

typedef union worker_message {
    kofn_msg_hello hello;
    kofn_msg_result result;
    kofn_msg_data data;
    kofn_msg_ack ack;
    kofn_msg_heartbeat heartbeat;
    kofn_msg_bye bye;
    kofn_msg_evicted evicted;
} worker_message;

static const struct {
    const kofn_wire_message *of;
    void (*on)(kofn_fleet *fleet, worker *w, const void *message);
} handlers[] = {
    {&kofn_result_message, on_result}, {&kofn_data_message, on_data},
    {&kofn_ack_message, on_ack},       {&kofn_heartbeat_message, on_heartbeat},
    {&kofn_bye_message, on_bye},       {&kofn_evicted_message, on_evicted},
};

static void
handle(kofn_fleet *fleet, const kofn_wire_message *of, const worker_message *message)
{
    const kofn_peer_id *id = &fleet->in.peer;
    if (of == &kofn_hello_message) {
        on_hello(fleet, id, &message->hello);
        return;
    }
    worker *w = zhashx_lookup(fleet->by_peer, id);
    if (!w || w->state == WORKER_GONE) {
        refuse(fleet, id, KOFN_FAILED_PRECONDITION, "this master does not know you: say hello");
        return;
    }
    w->heard_ns = kofn_clock_ns();
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].of == of)
            handlers[i].on(fleet, w, message);
}

/* Block frames count against the sender's credit, whatever becomes of them. */
static void
acknowledge(kofn_fleet *fleet)
{
    worker *w = zhashx_lookup(fleet->by_peer, &fleet->in.peer);
    kofn_error err;
    if (w && w->state != WORKER_GONE && fleet->in.block_bytes > 0 &&
        kofn_peer_took(w->peer, fleet->in.block_bytes, fleet->master->config.window, &err) !=
            KOFN_OK)
        bury_worker(fleet, w, err.text);
}

static void
on_garbage(kofn_fleet *fleet, const kofn_error *why)
{
    fleet->strangers++;
    if ((fleet->strangers & (fleet->strangers - 1)) == 0) // at powers of two: no flood in the log
        kofn_log_write(&fleet->master->log, KOFN_LOG_WARNING, "message_dropped", why->text,
                       "from=workers count=%" PRIu64, fleet->strangers);
}

/* Its checksum is wrong: it may have been a result, or anything, so both sides begin anew. */
static void
on_damage(kofn_fleet *fleet, const kofn_error *why)
{
    worker *w = zhashx_lookup(fleet->by_peer, &fleet->in.peer);
    if (!w || w->state == WORKER_GONE)
        return;
    lose_worker(fleet, w, why->text);
    refuse(fleet, &fleet->in.peer, KOFN_FAILED_PRECONDITION,
           "a message of yours was damaged on its way: say hello");
}

static void
on_message(kofn_fleet *fleet)
{
    const void *bytes = kofn_buf_get_data(fleet->in.head);
    const size_t length = kofn_buf_get_size(fleet->in.head);
    char type[KOFN_NAME_MAX];
    kofn_error err;
    if (kofn_message_peek(bytes, length, "type", type, sizeof type, &err) != KOFN_OK) {
        on_garbage(fleet, &err);
        return;
    }
    const kofn_wire_message *of = kofn_envelope_find(type);
    worker_message message;
    if (!of || of->struct_size > sizeof message) {
        kofn_fail(&err, KOFN_UNIMPLEMENTED, "no message '%s' from workers", type);
        on_garbage(fleet, &err);
        return;
    }
    if (kofn_message_unpack(of, bytes, length, &message, &err) != KOFN_OK) {
        on_garbage(fleet, &err);
        return;
    }
    handle(fleet, of, &message);
    kofn_message_clear(of, &message);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* May the sender of what was just received speak? A routing id that another key takes over is not
 * who it was: what that one held is void before a word of the new one is heard. */
static bool
is_admitted(kofn_fleet *fleet)
{
    kofn_guard *guard = fleet->master->guard;
    worker *w = zhashx_lookup(fleet->by_peer, &fleet->in.peer);
    if (!guard)
        return true;
    if (!kofn_guard_admit(guard, KOFN_LINK_MASTER_WORKERS, &fleet->in))
        return false;
    if (w && strcmp(w->key, fleet->in.key) != 0) {
        lose_worker(fleet, w, "another key came with its routing id");
        destroy_worker(fleet, w);
    }
    return true;
}

void
kofn_fleet_on_keys(kofn_fleet *fleet)
{
    worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        if (!kofn_guard_find(fleet->master->guard, KOFN_LINK_MASTER_WORKERS, w->key))
            lose_worker(fleet, w, "its key was revoked");
    }
    sweep(fleet);
    kofn_jobs_act(fleet->master->jobs);
}

void
kofn_fleet_on_readable(kofn_fleet *fleet)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), TURN_MS * KOFN_NS_PER_MS);
    for (int i = 0; i < MESSAGES_A_TURN && (i == 0 || kofn_clock_ns() < until_ns); i++) {
        bool got = false;
        kofn_error err;
        kofn_status status = kofn_inbound_recv(fleet->master->worker_socket,
                                               KOFN_LINK_MASTER_WORKERS, &fleet->in, &got, &err);
        if (!got)
            break; // nothing waits, or the context ends
        kofn_master_note_blocks(fleet->master, fleet->in.block_bytes);
        if (!is_admitted(fleet)) {
            refuse(fleet, &fleet->in.peer, KOFN_UNAUTHENTICATED, "this key may not work here");
            continue;
        }
        acknowledge(fleet);
        if (status)
            on_garbage(fleet, &err);
        if (status == KOFN_DATA_LOSS)
            on_damage(fleet, &err);
        if (!status)
            on_message(fleet);
        kofn_jobs_act(fleet->master->jobs);
    }
    sweep(fleet);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
beat(kofn_fleet *fleet, worker *w, int64_t now_ns, bool patient)
{
    const kofn_msg_heartbeat message = {.epoch = fleet->master->epoch};
    kofn_error err;
    if (patient && now_ns - w->heard_ns > fleet->master->config.silence_ns / 2)
        w->heard_ns = now_ns - fleet->master->config.silence_ns / 2;
    if (now_ns - w->heard_ns > fleet->master->config.silence_ns) {
        kofn_fail(&err, KOFN_UNAVAILABLE, "it was silent for %.1f s",
                  (double)(now_ns - w->heard_ns) * 1e-9);
        bury_worker(fleet, w, err.text);
    } else {
        post(fleet, w, &kofn_heartbeat_message, &message);
    }
}

/* Its time is over: it comes anew, and says what it has. */
static void
release_worker(kofn_fleet *fleet, worker *w)
{
    kofn_log_write(&fleet->master->log, KOFN_LOG_NOTICE, "worker_released",
                   "its quarantine is over", "worker=%s number=%" PRIu64, w->hello.name, w->number);
    w->state = WORKER_GONE; // the scheduler knows of none
    refuse(fleet, &w->id, KOFN_FAILED_PRECONDITION, "your quarantine is over: say hello");
}

void
kofn_fleet_on_beat(kofn_fleet *fleet, int64_t now_ns)
{
    /* If it was we who slept (stopped, suspended), messages wait unread: silence proves nothing. */
    const bool patient =
        fleet->beat_ns && now_ns - fleet->beat_ns > fleet->master->config.silence_ns / 2;
    fleet->beat_ns = now_ns;
    fleet->refusals = 0;
    worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        if (w->state != WORKER_GONE)
            beat(fleet, w, now_ns, patient);
        if (w->state == WORKER_READY && w->barred_ns && w->barred_ns <= now_ns)
            release_worker(fleet, w);
    }
    kofn_keepers_flush(fleet->keepers);
    sweep(fleet);
    kofn_jobs_act(fleet->master->jobs);
}

/* ---- life and views -------------------------------------------------------------------------- */

kofn_status
kofn_fleet_new(kofn_master *master, kofn_fleet **ret_fleet, kofn_error *err)
{
    kofn_fleet *fleet = calloc(1, sizeof *fleet);
    if (fleet) {
        fleet->master = master;
        TAILQ_INIT(&fleet->workers);
        fleet->by_peer = kofn_peer_table_new();
    }
    if (!fleet || !fleet->by_peer ||
        kofn_keepers_new(master, &keepers_fleet, &fleet->keepers, NULL) != KOFN_OK) {
        kofn_fleet_destroy(&fleet);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the table of workers");
    }
    *ret_fleet = fleet;
    return KOFN_OK;
}

void
kofn_fleet_destroy(kofn_fleet **fleet_p)
{
    kofn_fleet *fleet = *fleet_p;
    if (!fleet)
        return;

    while (!TAILQ_EMPTY(&fleet->workers)) {
        worker *w = TAILQ_FIRST(&fleet->workers);
        while (!TAILQ_EMPTY(&w->held))
            forget_assignment(fleet, TAILQ_FIRST(&w->held));
        destroy_worker(fleet, w);
    }
    zhashx_destroy(&fleet->by_peer);
    kofn_map_fini(&fleet->by_number);
    kofn_map_fini(&fleet->assignments);
    kofn_keepers_destroy(&fleet->keepers);
    kofn_inbound_fini(&fleet->in);
    kofn_quarantine_fini(&fleet->quarantine);
    free(fleet);
    *fleet_p = NULL;
}

static bool
is_silent(const kofn_fleet *fleet, const worker *w, int64_t now_ns)
{
    return now_ns - w->heard_ns > 2 * fleet->master->config.heartbeat_ns;
}

size_t
kofn_fleet_count(const kofn_fleet *fleet)
{
    const int64_t now_ns = kofn_clock_ns();
    size_t count = 0;
    const worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        count += w->state != WORKER_GONE && !w->barred_ns && !is_silent(fleet, w, now_ns);
    }
    return count;
}

size_t
kofn_fleet_count_barred(const kofn_fleet *fleet, int64_t *ret_first_ns)
{
    size_t count = 0;
    *ret_first_ns = KOFN_NEVER_NS;
    const worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        if (w->state != WORKER_READY || !w->barred_ns)
            continue;
        count++;
        *ret_first_ns = w->barred_ns < *ret_first_ns ? w->barred_ns : *ret_first_ns;
    }
    return count;
}

static void
describe_worker(const kofn_fleet *fleet, const worker *w, int64_t now_ns, kofn_msg_worker *m)
{
    kofn_sched_worker_view view = {0};
    (void)kofn_sched_get_worker(fleet->master->sched, w->number, &view); // zeros when it is leaving
    const int64_t silent_ns = now_ns - w->heard_ns;
    const char *state = w->state == WORKER_LEAVING    ? "leaving"
                        : w->barred_ns                ? "quarantined"
                        : is_silent(fleet, w, now_ns) ? "silent"
                        : view.running > 0            ? "busy"
                                                      : "idle";
    snprintf(m->name, sizeof m->name, "%s", w->hello.name);
    snprintf(m->version, sizeof m->version, "%s", w->hello.software);
    snprintf(m->kernel, sizeof m->kernel, "%s", w->hello.kernel);
    snprintf(m->state, sizeof m->state, "%s", state);
    m->id = w->number;
    m->cores = w->hello.cores;
    m->blas_threads = w->hello.blas_threads;
    m->memory_bytes = w->hello.memory_bytes;
    m->credit = view.credit;
    m->tasks_running = view.running;
    m->tasks_done = view.done;
    m->tasks_failed = view.failed;
    m->tasks_cancelled = view.cancelled;
    m->gflops = view.flops_rate * 1e-9;
    m->link_rate = kofn_meter_get_rate(&w->link);
    m->slowdown = view.slowdown;
    m->silent_ms = (uint64_t)(silent_ns / KOFN_NS_PER_MS);
    if (w->barred_ns > now_ns)
        m->quarantine_ms = (uint64_t)((w->barred_ns - now_ns) / KOFN_NS_PER_MS);
}

kofn_status
kofn_fleet_describe(const kofn_fleet *fleet, kofn_msg_workers *ret_workers, kofn_error *err)
{
    size_t count =
        fleet->count < KOFN_WORKERS_LISTED_MAX ? fleet->count : (size_t)KOFN_WORKERS_LISTED_MAX;
    kofn_msg_worker *at = calloc(count + 1, sizeof *at);
    if (!at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to list %zu workers", count);
    const int64_t now_ns = kofn_clock_ns();
    size_t i = 0;
    const worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        if (i < count && w->state != WORKER_GONE)
            describe_worker(fleet, w, now_ns, &at[i++]);
    }
    ret_workers->workers = (kofn_wire_list){.at = at, .count = i};
    return KOFN_OK;
}

/* ---- for plans ------------------------------------------------------------------------------- */

static int
compare_rates(const void *a, const void *b)
{
    const double left = ((const kofn_plan_worker *)a)->flops_rate;
    const double right = ((const kofn_plan_worker *)b)->flops_rate;
    return (left < right) - (left > right);
}

/* Workers that will take tasks, and the scheduler's view of each; those measured come first,
 * fastest first. Returns how many were measured. */
static size_t
measure_workers(const kofn_fleet *fleet, kofn_measured *m)
{
    kofn_plan_machine *machine = &m->machine;
    size_t count = 0, measured = 0;
    const worker *w;
    TAILQ_FOREACH(w, &fleet->workers, of_fleet)
    {
        kofn_sched_worker_view view = {0};
        if (count == KOFN_PLAN_WORKERS_MAX || w->state != WORKER_READY || w->barred_ns)
            continue;
        (void)kofn_sched_get_worker(fleet->master->sched, w->number, &view);
        if (view.credit > 0 && (count == 0 || view.credit < machine->credit))
            machine->credit = view.credit;
        measured += view.flops_rate > 0;
        m->at[count++] = (kofn_plan_worker){.flops_rate = view.flops_rate,
                                            .link_rate = kofn_meter_get_rate(&w->link)};
    }
    machine->workers = count;
    qsort(m->at, count, sizeof *m->at, compare_rates);
    return measured;
}

/* Given rates go before measured ones; a worker that was not measured is like the median. */
static void
fill_machine(const kofn_fleet *fleet, kofn_measured *m)
{
    const kofn_master_config *config = &fleet->master->config;
    kofn_plan_machine *machine = &m->machine;
    const size_t measured = measure_workers(fleet, m);
    const double link = kofn_meter_get_rate(&fleet->link);
    const bool given = config->plan.gflops > 0;
    if (given)
        machine->flops_rate = config->plan.gflops * 1e9;
    else if (measured > 0)
        machine->flops_rate = m->at[measured / 2].flops_rate;
    for (size_t w = given ? 0 : measured; w < machine->workers; w++)
        m->at[w].flops_rate = machine->flops_rate;
    if (config->plan.link > 0)
        machine->link_rate = config->plan.link * 1e9;
    else if (link > 0)
        machine->link_rate = link;
    for (size_t w = 0; config->plan.link > 0 && w < machine->workers; w++)
        m->at[w].link_rate = 0; // no slower than what is given
    machine->slowdown = config->plan.slowdown;
    machine->backup_factor = config->sched.backup_factor;
    machine->backup_floor = (double)config->sched.backup_floor_ns * 1e-9;
    machine->at = m->at;
    m->known = (given || measured > 0) && (config->plan.link > 0 || link > 0);
}

static kofn_status
measure(const kofn_fleet *fleet, kofn_measured *ret, kofn_error *err)
{
    kofn_measured m = {.known = false};
    kofn_plan_machine_init(&m.machine, 0);
    m.at = calloc(fleet->count + 1, sizeof *m.at);
    if (!m.at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to measure %zu workers",
                         fleet->count);
    fill_machine(fleet, &m);
    *ret = m;
    return KOFN_OK;
}

const kofn_carrier kofn_fleet_carrier = {.assign = assign,
                                         .send = send_blocks,
                                         .quarantine = quarantine_worker,
                                         .fail = fail_task,
                                         .cancel = cancel_task,
                                         .begin = begin_job,
                                         .over = end_job,
                                         .measure = measure};
