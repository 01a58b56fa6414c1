/* What outlives a connection: answers until they are settled, coded blocks of stored operands.
 *
 * A worker that says hello lists both. The master then recalls an answer, or settles it; a block it
 * may name in a task instead of sending it. Neither counts against the memory of tasks: they yield
 * to them.
 */
#include "worker/root.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ------------------------------------------------------------------------------------ */

/* The master believes that it is here until it hears otherwise. Before a welcome there is nobody to
 * tell: the hello lists what is there. */
static void
note_gone(void *context, const char *name)
{
    kofn_worker *worker = context;
    if (worker->state != SESSION_READY)
        return;
    if (worker->evicted_count == KOFN_EVICTED_AT_ONCE)
        kofn_keepsakes_tell_evicted(worker);
    memcpy(worker->evicted[worker->evicted_count++].name, name, KOFN_TAG_MAX);
}

static size_t
smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

void
kofn_keepsakes_init(kofn_worker *worker)
{
    kofn_shelf_init(&worker->shelf, smaller(worker->config.keep, worker->memory_limit));
    kofn_cache_init(&worker->cache, smaller(worker->config.cache, worker->memory_limit), note_gone,
                    worker);
}

void
kofn_keepsakes_fini(kofn_worker *worker)
{
    kofn_shelf_fini(&worker->shelf);
    kofn_cache_fini(&worker->cache);
}

void
kofn_keepsakes_yield(kofn_worker *worker, uint64_t bytes)
{
    const uint64_t room = worker->memory_limit - bytes;
    if (worker->cache.bytes > room - smaller(room, worker->shelf.bytes))
        kofn_cache_shrink(&worker->cache, room - smaller(room, worker->shelf.bytes));
    if (worker->shelf.bytes > room)
        kofn_shelf_shrink(&worker->shelf, room);
}

void
kofn_keepsakes_tell_evicted(kofn_worker *worker)
{
    if (worker->evicted_count == 0)
        return;
    const kofn_msg_evicted message = {
        .blocks = {.at = worker->evicted, .count = worker->evicted_count}};
    kofn_session_post(worker, &kofn_evicted_message, &message);
    worker->evicted_count = 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

kofn_kept *
kofn_keepsakes_add(kofn_worker *worker, const kofn_answer_id *id, const kofn_work *work)
{
    if (!id->tag[0] || work->status != KOFN_OK)
        return NULL;
    const uint64_t before = worker->shelf.let_go;
    kofn_kept *kept = kofn_shelf_add(&worker->shelf, id, &work->c);
    const uint64_t now = worker->shelf.let_go;
    if (now > before && (now & (now - 1)) == 0) // ever fewer lines, should it go on
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "answers_let_go",
                       "no room for all answers until they are settled; raise keep",
                       "limit=%zu so_far=%" PRIu64, worker->shelf.limit, now);
    if (!kept)
        return NULL;
    kept->nonfinite = work->nonfinite;
    kept->compute_ns = work->compute_ns;
    return kept;
}

static void
fill_held(const kofn_answer_id *id, kofn_msg_held *held)
{
    held->assignment = id->first.assignment;
    held->epoch = id->first.epoch;
    held->task = id->task;
    memcpy(held->job, id->job, sizeof held->job);
    memcpy(held->answer, id->tag, sizeof held->answer);
}

static void
list_answers(kofn_worker *worker, kofn_msg_held *held, size_t *ret_count)
{
    size_t count = 0;
    for (held_task *task = worker->tasks; task; task = task->next) {
        task->listed = task->state == TASK_DETACHED && count < KOFN_HELD_MAX;
        if (task->listed)
            fill_held(&task->id, &held[count++]);
    }
    kofn_kept *kept;
    TAILQ_FOREACH(kept, &worker->shelf.all, of_shelf)
    {
        kept->listed = count < KOFN_HELD_MAX;
        if (kept->listed)
            fill_held(&kept->id, &held[count++]);
    }
    *ret_count = count;
}

static void
list_blocks(const kofn_worker *worker, kofn_msg_block_name *names)
{
    const kofn_cached *cached;
    TAILQ_FOREACH(cached, &worker->cache.all, of_cache)
    {
        memcpy(names++->name, cached->name, sizeof cached->name);
    }
}

void
kofn_keepsakes_list(kofn_worker *worker, kofn_msg_hello *hello)
{
    const size_t blocks = worker->cache.by_hash.count;
    kofn_msg_held *held = calloc(KOFN_HELD_MAX, sizeof *held);
    kofn_msg_block_name *names = calloc(blocks + 1, sizeof *names);
    worker->evicted_count = 0; // of the connection before
    hello->held = (kofn_wire_list){.at = held};
    hello->cached = (kofn_wire_list){.at = names};
    if (held)
        list_answers(worker, held, &hello->held.count);
    if (names) {
        list_blocks(worker, names);
        hello->cached.count = blocks;
    }
}

void
kofn_keepsakes_drop_unlisted(kofn_worker *worker)
{
    for (held_task *task = worker->tasks, *next; task; task = next) {
        next = task->next;
        if (task->state == TASK_DETACHED && !task->listed)
            kofn_tasks_abandon(worker, task);
    }
    for (kofn_kept *kept = TAILQ_FIRST(&worker->shelf.all), *next; kept; kept = next) {
        next = TAILQ_NEXT(kept, of_shelf);
        if (!kept->listed)
            kofn_shelf_drop(&worker->shelf, kept);
    }
}

/* ---- what comes in --------------------------------------------------------------------------- */

static held_task *
find_detached(const kofn_worker *worker, kofn_answer_name name)
{
    for (held_task *task = worker->tasks; task; task = task->next)
        if (task->state == TASK_DETACHED && kofn_answer_is(&task->id, name))
            return task;
    return NULL;
}

static bool
is_in_session(const kofn_worker *worker)
{
    return worker->state == SESSION_READY || worker->state == SESSION_LEAVING;
}

void
kofn_keepsakes_on_recall(kofn_worker *worker, const void *message)
{
    const kofn_msg_recall *recall = message;
    const kofn_answer_name held = {.epoch = recall->held_epoch,
                                   .assignment = recall->held_assignment};
    const kofn_answer_name fresh = {.epoch = recall->epoch, .assignment = recall->assignment};
    if (!is_in_session(worker) || recall->epoch != worker->epoch ||
        kofn_tasks_are_held(worker, recall->assignment))
        return;

    kofn_kept *kept = kofn_shelf_find(&worker->shelf, held);
    held_task *task = kept ? NULL : find_detached(worker, held);
    kofn_error why;
    if (kept) {
        kept->id.latest = fresh;
        kofn_tasks_send_kept(worker, kept);
    } else if (task) {
        kofn_tasks_attach(worker, task, fresh);
    } else {
        (void)kofn_fail(&why, KOFN_NOT_FOUND, "the answer is not kept any more");
        kofn_tasks_fail(worker, recall->assignment, &why);
    }
}

/* What is not known here was settled before, or let go. */
void
kofn_keepsakes_on_settled(kofn_worker *worker, const void *message)
{
    const kofn_msg_settled *settled = message;
    const kofn_msg_settlement *at = settled->answers.at;
    if (!is_in_session(worker))
        return;
    kofn_log_write(&worker->log, KOFN_LOG_DEBUG, "answers_settled", "stored, or not wanted",
                   "count=%zu", settled->answers.count);
    for (size_t i = 0; i < settled->answers.count; i++) {
        const kofn_answer_name name = {.epoch = at[i].epoch, .assignment = at[i].assignment};
        kofn_kept *kept = kofn_shelf_find(&worker->shelf, name);
        held_task *task = kept ? NULL : find_detached(worker, name);
        if (kept)
            kofn_shelf_drop(&worker->shelf, kept);
        else if (task)
            kofn_tasks_abandon(worker, task);
    }
}
