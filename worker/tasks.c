/* The tasks that a worker holds.
 *
 *     task, data --> RECEIVING --complete--> COMPUTING --done--> answered
 *                        |                       |
 *                      cancel                  cancel: at once if it had not begun,
 *                        v                       v     else between two panels
 *                      gone                  CANCELLED --done--> answered with CANCELLED
 *
 * When the session ends, what runs is DETACHED: its answer is kept, and listed in the next hello,
 * where the master recalls it (then it is COMPUTING again, under another number) or settles it.
 * What the master did not name so that it could be kept is ABANDONED and goes without a word.
 *
 * A task that is refused is answered and forgotten: its further blocks are taken off the socket,
 * acknowledged and dropped like those of any assignment that is not known.
 */
#include "worker/root.h"

#include "common/base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Products of no more flops than this are done at once in the I/O thread, when nothing waits for
 * the compute thread. The way there and back costs two wake-ups: 64 x 64 x 64 and its answer take
 * 100 us over loopback with them and 78 us without, of which 8 us are the product, and 10,000 small
 * jobs a second must pass. 1e6 flops (twice that product) take below 100 us on any core that we
 * care for, so no cancel or heartbeat is late for them. */
#define INLINE_FLOPS_MAX 1e6

/* ---- the list ------------------------------------------------------------------------------- */

static bool
is_wanted(const held_task *task)
{
    return task->state == TASK_RECEIVING || task->state == TASK_COMPUTING;
}

static held_task *
find_task(const kofn_worker *worker, uint64_t assignment)
{
    for (held_task *task = worker->tasks; task; task = task->next)
        if (task->assignment == assignment && is_wanted(task))
            return task;
    return NULL;
}

static held_task *
find_by_work(const kofn_worker *worker, const kofn_work *work)
{
    held_task *task = worker->tasks;
    while (task && &task->work != work)
        task = task->next;
    assert(task); // work comes only from the list, and stays in it until it is back
    return task;
}

void
kofn_tasks_forget(kofn_worker *worker, held_task *task)
{
    held_task **at = &worker->tasks;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    worker->memory_used -= task->charge;
    worker->tasks_held -= is_wanted(task);
    kofn_assembler_fini(&task->assembler);
    kofn_work_fini(&task->work);
    free(task);
}

/* Change the state, and with it who waits. */
static void
move(kofn_worker *worker, held_task *task, task_state state)
{
    worker->tasks_held -= is_wanted(task);
    task->state = state;
    worker->tasks_held += is_wanted(task);
}

void
kofn_tasks_abandon(kofn_worker *worker, held_task *task)
{
    const bool is_here =
        task->state == TASK_RECEIVING || kofn_compute_cancel(worker->compute, &task->work);
    move(worker, task, TASK_ABANDONED);
    if (is_here)
        kofn_tasks_forget(worker, task);
}

void
kofn_tasks_abandon_all(kofn_worker *worker)
{
    for (held_task *task = worker->tasks, *next; task; task = next) {
        next = task->next;
        kofn_tasks_abandon(worker, task);
    }
}

void
kofn_tasks_detach_all(kofn_worker *worker)
{
    for (held_task *task = worker->tasks, *next; task; task = next) {
        next = task->next;
        if (task->state == TASK_COMPUTING && task->id.tag[0])
            move(worker, task, TASK_DETACHED);
        else if (task->state != TASK_DETACHED)
            kofn_tasks_abandon(worker, task);
    }
}

void
kofn_tasks_attach(kofn_worker *worker, held_task *task, kofn_answer_name name)
{
    assert(task->state == TASK_DETACHED);
    task->assignment = name.assignment;
    task->id.latest = name;
    move(worker, task, TASK_COMPUTING);
}

bool
kofn_tasks_are_held(const kofn_worker *worker, uint64_t assignment)
{
    return find_task(worker, assignment) != NULL;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* An answer without blocks. */
void
kofn_tasks_fail(kofn_worker *worker, uint64_t assignment, const kofn_error *why)
{
    kofn_msg_result result = {
        .assignment = assignment, .epoch = worker->epoch, .status = why->status};
    (void)snprintf(result.message, sizeof result.message, "%s", why->text);
    kofn_session_post(worker, &kofn_result_message, &result);
    kofn_log_write(&worker->log, KOFN_LOG_INFO, "task_failed", why->text,
                   "assignment=%" PRIu64 " status=%s", assignment, kofn_status_name(why->status));
}

static void
answer_cancelled(kofn_worker *worker, uint64_t assignment)
{
    const kofn_msg_result result = {
        .assignment = assignment, .epoch = worker->epoch, .status = KOFN_CANCELLED};
    kofn_session_post(worker, &kofn_result_message, &result);
}

static void
send_product(kofn_worker *worker, uint64_t assignment, const kofn_bands *c, bool nonfinite,
             int64_t compute_ns)
{
    kofn_msg_result result = {
        .assignment = assignment,
        .epoch = worker->epoch,
        .c = {.rows = c->rows, .cols = c->cols},
        .nonfinite = nonfinite,
        .compute_ns = compute_ns > 0 ? (uint64_t)compute_ns : 0,
    };
    (void)snprintf(result.c.dtype, sizeof result.c.dtype, "%s", kofn_dtype_name(c->dtype));
    const kofn_bands *const mats[] = {c};
    kofn_error error;
    if (kofn_peer_transfer(worker->peer, assignment, &kofn_result_message, &result, 1, mats,
                           &error) != KOFN_OK) {
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "answer_lost", error.text,
                       "assignment=%" PRIu64, assignment);
        kofn_session_restart(worker, kofn_clock_ns());
        return;
    }
    kofn_log_write(&worker->log, KOFN_LOG_DEBUG, "task_done", "answered",
                   "assignment=%" PRIu64 " compute_us=%" PRId64, assignment, compute_ns / 1000);
}

void
kofn_tasks_send_kept(kofn_worker *worker, const kofn_kept *kept)
{
    send_product(worker, kept->id.latest.assignment, &kept->c, kept->nonfinite, kept->compute_ns);
}

static void
answer(kofn_worker *worker, uint64_t assignment, const kofn_work *work)
{
    if (work->status == KOFN_OK)
        send_product(worker, assignment, &work->c, work->nonfinite, work->compute_ns);
    else
        kofn_tasks_fail(worker, assignment, &work->error);
    if (kofn_injector_answered(&worker->injector)) {
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "inject_freeze", "falling silent", "");
        worker->state = SESSION_FROZEN;
        kofn_monitor_close(&worker->monitor); // nobody reads it any more
    }
}

/* The work of a task is over. The answer is kept and the task goes before it is sent: answering may
 * end the session. */
static void
finish(kofn_worker *worker, held_task *task)
{
    const task_state state = task->state;
    move(worker, task, TASK_ABANDONED);
    if (state == TASK_COMPUTING || state == TASK_DETACHED)
        (void)kofn_keepsakes_add(worker, &task->id, &task->work); // if not, it goes to waste
    if (state == TASK_COMPUTING)
        answer(worker, task->assignment, &task->work);
    else if (state == TASK_CANCELLED)
        answer_cancelled(worker, task->assignment);
    kofn_tasks_forget(worker, task);
}

void
kofn_tasks_on_done(kofn_worker *worker)
{
    kofn_work *work;
    while (worker->state != SESSION_FROZEN &&
           (work = kofn_compute_take_done(worker->compute)) != NULL)
        finish(worker, find_by_work(worker, work));
}

void
kofn_tasks_hand_back(kofn_worker *worker)
{
    kofn_error why;
    (void)kofn_fail(&why, KOFN_UNAVAILABLE, "the worker stops; give the task to another");
    for (held_task *task = worker->tasks, *next; task; task = next) {
        next = task->next;
        if (is_wanted(task))
            kofn_tasks_fail(worker, task->assignment, &why);
        kofn_tasks_abandon(worker, task);
    }
}

/* ---- admission ------------------------------------------------------------------------------ */

/* Shapes of a task as the struct says them, nothing more. */
static kofn_status
read_shape(const kofn_field *field, const kofn_msg_matrix *message, const char *which,
           kofn_mat *ret_shape, uint64_t *ret_bytes, kofn_error *err)
{
    const kofn_dtype dtype = kofn_dtype_parse(message->dtype);
    if (dtype != field->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: elements are '%s', field %s takes %s; convert them", which,
                         message->dtype, field->name, kofn_dtype_name(field->dtype));
    size_t bytes;
    if (kofn_mat_bytes(dtype, message->rows, message->cols, &bytes, err) != KOFN_OK)
        return kofn_fail_within(err, "%s", which);
    *ret_shape = kofn_mat_wrap(NULL, dtype, message->rows, message->cols);
    *ret_bytes = bytes;
    return KOFN_OK;
}

typedef struct plan {        // what a task will take
    const kofn_field *field; // borrowed
    bool outer;
    size_t count;                      // operands
    kofn_mat shape[KOFN_OPERANDS_MAX]; // of each
    bool transposed[KOFN_OPERANDS_MAX];
    size_t rows, cols;
    double flops;
    uint64_t charge;
    const kofn_msg_task_block *blocks; // [count]; NULL: none is to be kept, or is
} plan;

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t
add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Borrowed until the next call. */
static kofn_status
find_field(kofn_worker *worker, const char *name, const kofn_field **ret_field, kofn_error *err)
{
    if (!worker->field || strcmp(worker->field->name, name) != 0) {
        const kofn_field *field;
        kofn_error why;
        const kofn_status status = kofn_field_new(name, &field, &why);
        if (status == KOFN_RESOURCE_EXHAUSTED)
            return kofn_fail(err, status, "%s", why.text);
        if (status)
            return kofn_fail(err, KOFN_UNIMPLEMENTED, "this worker cannot compute: %s", why.text);
        kofn_field_destroy(&worker->field);
        worker->field = field;
    }
    *ret_field = worker->field;
    return KOFN_OK;
}

/* Shapes of all operands. *ret_sum, *ret_largest: their bytes. */
static kofn_status
read_shapes(const kofn_msg_task *task, plan *p, uint64_t *ret_sum, uint64_t *ret_largest,
            kofn_error *err)
{
    const kofn_msg_factor *further = task->further.at;
    *ret_sum = *ret_largest = 0;
    for (size_t o = 0; o < p->count; o++) {
        const kofn_msg_matrix *m = o == 0 ? &task->a : o == 1 ? &task->b : &further[o - 2].matrix;
        uint64_t bytes = 0;
        const kofn_status status =
            read_shape(p->field, m, kofn_operand_name(p->outer, o), &p->shape[o], &bytes, err);
        if (status != KOFN_OK)
            return status;
        p->transposed[o] = o == 0   ? task->transpose_a
                           : o == 1 ? task->transpose_b
                                    : further[o - 2].transposed;
        *ret_sum = add(*ret_sum, bytes);
        *ret_largest = larger(*ret_largest, bytes);
    }
    return KOFN_OK;
}

/* Shape and flops of the product. *ret_room: bytes beside operands and product. */
static kofn_status
measure_product(plan *p, uint64_t *ret_room, kofn_error *err)
{
    const kofn_product product = {.a = &p->shape[0],
                                  .b = &p->shape[1],
                                  .transpose_a = p->transposed[0],
                                  .transpose_b = p->transposed[1]};
    const kofn_outer outer = {.count = p->count, .factor = p->shape, .transpose = p->transposed};
    const kofn_status status = p->outer ? kofn_outer_shape(&outer, &p->rows, &p->cols, err)
                                        : kofn_product_shape(&product, &p->rows, &p->cols, err);
    if (status != KOFN_OK)
        return status;
    if (p->rows > KOFN_DIMENSION_MAX || p->cols > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the product has %zu x %zu elements: rows and columns may be at most %d",
                         p->rows, p->cols, KOFN_DIMENSION_MAX);
    const double elements = (double)p->rows * (double)p->cols;
    const size_t inner = p->transposed[0] ? p->shape[0].rows : p->shape[0].cols;
    p->flops = elements * (p->outer ? KOFN_OUTER_FLOPS : 2 * (double)inner);
    *ret_room = p->outer ? kofn_outer_count_room(&outer) : 0;
    return KOFN_OK;
}

static kofn_status
read_blocks(const kofn_msg_task *task, plan *p, kofn_error *err)
{
    if (task->blocks.count > 0 && task->blocks.count != p->count)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "blocks: %zu entries for %zu operands; one for each, or none",
                         task->blocks.count, p->count);
    p->blocks = task->blocks.count > 0 ? task->blocks.at : NULL;
    return KOFN_OK;
}

/* OUT_OF_RANGE, INVALID_ARGUMENT, UNIMPLEMENTED: what is wrong with the task. */
static kofn_status
make_plan(const kofn_msg_task *task, const kofn_field *field, plan *ret_plan, kofn_error *err)
{
    plan p = {.field = field};
    uint64_t operands = 0, largest = 0, room = 0;
    size_t c_bytes;
    kofn_form form;
    kofn_status status = kofn_msg_form_read(task->form, &task->further, &form, &p.count, err);
    if (status == KOFN_OK && form == KOFN_BATCH_OF_PRODUCTS)
        status = kofn_fail(err, KOFN_UNIMPLEMENTED,
                           "a task is one product: a batch is multiplied in many");
    if (status == KOFN_OK)
        p.outer = form == KOFN_OUTER_PRODUCT;
    if (status == KOFN_OK)
        status = read_blocks(task, &p, err);
    if (status == KOFN_OK)
        status = read_shapes(task, &p, &operands, &largest, err);
    if (status == KOFN_OK)
        status = measure_product(&p, &room, err);
    if (status == KOFN_OK)
        status = kofn_mat_bytes(p.field->dtype, p.rows, p.cols, &c_bytes, err);
    if (status != KOFN_OK)
        return status;
    /* Blocks that came in bands are gathered one after the other, before C is made: at the worst
     * all operands and a second copy of the largest, or all and C. */
    p.charge = add(operands, larger(add(c_bytes, room), largest));
    *ret_plan = p;
    return KOFN_OK;
}

static kofn_status
check_room(kofn_worker *worker, const plan *p, kofn_error *err)
{
    if (worker->state != SESSION_READY)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the worker stops; give the task to another");
    if (worker->tasks_held >= (size_t)worker->config.credit)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu tasks are held, the worker's credit is %" PRId64 "; wait for answers",
                         worker->tasks_held, worker->config.credit);
    const uint64_t used = worker->memory_used + kofn_peer_get_queued(worker->peer);
    if (used > worker->memory_limit || p->charge > worker->memory_limit - used)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "the task takes %" PRIu64 " bytes, %" PRIu64 " of the worker's %" PRIu64
                         " are in use; cut the product finer or raise the worker's memory",
                         p->charge, used, worker->memory_limit);
    kofn_keepsakes_yield(worker, used + p->charge);
    return KOFN_OK;
}

/* An operand comes in frames, or is here. NOT_FOUND: it is not; the master thought so. */
static kofn_status
expect_operand(kofn_worker *worker, held_task *task, const plan *p, size_t o, kofn_error *err)
{
    const kofn_mat *shape = &p->shape[o];
    if (!p->blocks || !p->blocks[o].kept) {
        if (p->blocks && worker->config.cache > 0)
            memcpy(task->names[o], p->blocks[o].name, sizeof task->names[o]);
        return kofn_assembler_expect(&task->assembler, shape->dtype, shape->rows, shape->cols, err);
    }
    const char *which = kofn_operand_name(p->outer, o);
    const kofn_bands *block = kofn_cache_find(&worker->cache, p->blocks[o].name);
    if (!block)
        return kofn_fail(err, KOFN_NOT_FOUND, "%s: no block '%s' is kept here; send it", which,
                         p->blocks[o].name);
    if (block->dtype != shape->dtype || block->rows != shape->rows || block->cols != shape->cols)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: the block that is kept is %s %zu x %zu, the task says %s %zu x %zu",
                         which, kofn_dtype_name(block->dtype), block->rows, block->cols,
                         kofn_dtype_name(shape->dtype), shape->rows, shape->cols);
    return kofn_assembler_have(&task->assembler, block, err);
}

static void
fill_id(const kofn_worker *worker, const kofn_msg_task *message, kofn_answer_id *id)
{
    id->first = id->latest =
        (kofn_answer_name){.epoch = message->epoch, .assignment = message->assignment};
    memcpy(id->job, message->job, sizeof id->job);
    id->task = message->task;
    if (worker->config.keep > 0)
        memcpy(id->tag, message->answer, sizeof id->tag);
}

static kofn_status
admit(kofn_worker *worker, const kofn_msg_task *message, const plan *p, held_task **ret_task,
      kofn_error *err)
{
    held_task *task = calloc(1, sizeof *task);
    if (!task)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a task");
    task->assignment = message->assignment;
    fill_id(worker, message, &task->id);
    task->state = TASK_RECEIVING;
    task->charge = p->charge;
    task->flops = p->flops;
    task->round = message->round;
    task->slot = message->slot;
    task->work.field = kofn_field_ref(p->field);
    task->work.outer = p->outer;
    task->work.count = p->count;
    memcpy(task->work.transposed, p->transposed, sizeof task->work.transposed);
    task->work.chunk_bytes = worker->chunk_bytes;
    task->next = worker->tasks;
    worker->tasks = task;
    worker->tasks_held++;
    worker->memory_used += p->charge;

    kofn_assembler_init(&task->assembler);
    kofn_status status = KOFN_OK;
    for (size_t o = 0; o < p->count && status == KOFN_OK; o++)
        status = expect_operand(worker, task, p, o, err);
    if (status != KOFN_OK) {
        kofn_tasks_forget(worker, task);
        return status;
    }
    *ret_task = task;
    return KOFN_OK;
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void
take_operands(kofn_worker *worker, held_task *task)
{
    kofn_assembler *assembler = &task->assembler;
    for (size_t o = 0; o < task->work.count; o++) {
        task->work.operand[o] = assembler->mat[o];
        if (task->names[o][0])
            kofn_cache_put(&worker->cache, task->names[o], &task->work.operand[o]);
    }
    kofn_assembler_init(assembler); // the bands have moved
}

/* Is anything with the compute thread? Tasks are computed in the order in which they came. */
static bool
is_computing(const kofn_worker *worker)
{
    for (const held_task *task = worker->tasks; task; task = task->next)
        if (task->state != TASK_RECEIVING)
            return true;
    return false;
}

static void
start(kofn_worker *worker, held_task *task)
{
    bool came_at_once = true;
    for (size_t o = 0; o < task->work.count; o++)
        came_at_once = came_at_once && task->assembler.mat[o].count <= 1;
    take_operands(worker, task);
    task->work.faults = kofn_injector_next(
        &worker->injector,
        &(kofn_victim){.flops = task->flops, .round = task->round, .slot = task->slot});
    kofn_log_write(&worker->log, KOFN_LOG_DEBUG, "task_complete", "to be computed",
                   "assignment=%" PRIu64 " job=%s task=%" PRIu64, task->assignment, task->id.job,
                   task->id.task);
    const bool is_idle = !is_computing(worker);
    move(worker, task, TASK_COMPUTING);
    if (task->flops <= INLINE_FLOPS_MAX && came_at_once && is_idle &&
        !kofn_injector_is_on(&worker->injector)) {
        kofn_work_run(&task->work, worker->pool);
        finish(worker, task);
        return;
    }
    kofn_compute_push(worker->compute, &task->work);
}

/* The block frames that came with this message; `more` says whether others follow. */
static void
take_blocks(kofn_worker *worker, held_task *task, bool more)
{
    kofn_error error = worker->in_error;
    kofn_status status = error.status;
    for (size_t i = 0; i < worker->in.count && status == KOFN_OK; i++)
        status = kofn_assembler_take(&task->assembler, worker->in.blocks[i], &error);
    const bool is_complete = kofn_assembler_is_complete(&task->assembler);
    if (status == KOFN_OK && !more && !is_complete)
        status =
            kofn_fail(&error, KOFN_INVALID_ARGUMENT, "the last message came, rows are missing");

    if (status != KOFN_OK) {
        const uint64_t assignment = task->assignment;
        kofn_tasks_forget(worker, task);
        kofn_tasks_fail(worker, assignment, &error);
    } else if (!more) {
        kofn_worker_acknowledge_task(worker);
        start(worker, task);
    }
}

void
kofn_tasks_on_task(kofn_worker *worker, const void *message)
{
    const kofn_msg_task *task = message;
    if (worker->state == SESSION_GREETING || task->epoch != worker->epoch)
        return; // of a session that is over
    if (find_task(worker, task->assignment)) {
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "task_repeated", "ignored",
                       "assignment=%" PRIu64, task->assignment);
        return;
    }

    plan p = {0};
    kofn_error error;
    held_task *held = NULL;
    const kofn_field *field = NULL;
    kofn_status status = find_field(worker, task->field, &field, &error);
    if (status == KOFN_OK)
        status = make_plan(task, field, &p, &error);
    if (status == KOFN_OK)
        status = check_room(worker, &p, &error);
    if (status == KOFN_OK)
        status = admit(worker, task, &p, &held, &error);
    if (status == KOFN_OK)
        take_blocks(worker, held, task->more);
    else
        kofn_tasks_fail(worker, task->assignment, &error);
}

void
kofn_tasks_on_data(kofn_worker *worker, const void *message)
{
    const kofn_msg_data *data = message;
    held_task *task = find_task(worker, data->id);
    if (task && task->state == TASK_RECEIVING)
        take_blocks(worker, task, data->more);
}

void
kofn_tasks_on_cancel(kofn_worker *worker, const void *message)
{
    const kofn_msg_cancel *cancel = message;
    if (worker->state == SESSION_GREETING || cancel->epoch != worker->epoch)
        return;
    held_task *task = find_task(worker, cancel->assignment);
    if (!task) {
        (void)kofn_peer_drop(worker->peer, cancel->assignment); // the master drops a torso itself
        kofn_kept *kept =
            kofn_shelf_find(&worker->shelf, (kofn_answer_name){.epoch = cancel->epoch,
                                                               .assignment = cancel->assignment});
        if (kept)
            kofn_shelf_drop(&worker->shelf, kept);
    } else if (task->state == TASK_RECEIVING) {
        kofn_tasks_forget(worker, task);
    } else if (kofn_compute_cancel(worker->compute, &task->work)) {
        answer_cancelled(worker, task->assignment);
        kofn_tasks_forget(worker, task);
    } else {
        move(worker, task, TASK_CANCELLED);
    }
}
