#include "master/operands.h"
#include "common/base/map.h"
#include "common/base/rng.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef enum operand_state {
    RECEIVING,
    STORED,
    DROPPED,
} operand_state;

typedef struct operand_wait {
    kofn_job *job;
    size_t which;
} operand_wait;

struct kofn_operand {
    uint64_t id;
    char name[KOFN_ID_MAX];      // the id as clients see it
    char owner[KOFN_CURVE_TEXT]; // whose it is
    kofn_owned_key key;
    operand_state state;
    kofn_operands *of;
    bool transposed;
    kofn_assembler upload; // of one matrix
    double bound;          // of its elements
    kofn_coded_set coded;
    size_t charge;       // bytes, coded blocks aside
    size_t jobs;         // that hold it
    bool on_disk;        // its record is
    bool needed;         // and stays until the next start
    bool removing;       // DROPPED, and the record goes at once
    bool away;           // its elements are there alone
    bool coming;         // from there
    bool too_large;      // to be loaded: it waits there for more limits.memory
    operand_wait *waits; // for that
    size_t wait_count, wait_capacity;
    kofn_operand_stored *tell;          // RECEIVING, and on its way to disk: whoever put it
    kofn_operand_dropped *tell_dropped; // DROPPED, and so is that: whoever asked; NULL: nobody
    void *context;                      // of either
    uint64_t products;
    int64_t stored_ns, used_ns; // used: when the last job let go of it
    TAILQ_ENTRY(kofn_operand) of_all;
};

struct kofn_operands {
    kofn_master *master;
    kofn_map by_id;         // those that are STORED, or whose drop is on its way to disk
    kofn_owned_keys by_key; // of them
    kofn_rng names;
    TAILQ_HEAD(operand_list, kofn_operand) stored; // oldest first
    struct operand_list dropped;                   // on disk, held by jobs that were restored
    bool settled;                                  // and no longer in that list
    size_t count;                                  // RECEIVING and STORED
    size_t charged;                                // all, coded blocks aside
    kofn_coded *coded;
};

kofn_status
kofn_operands_new(kofn_master *master, kofn_operands **ret_operands, kofn_error *err)
{
    kofn_operands *operands = calloc(1, sizeof *operands);
    if (operands) {
        TAILQ_INIT(&operands->stored);
        TAILQ_INIT(&operands->dropped);
    }
    if (!operands || kofn_owned_keys_init(&operands->by_key, NULL) != KOFN_OK ||
        kofn_coded_new(&operands->coded, NULL) != KOFN_OK) {
        kofn_operands_destroy(&operands);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the table of operands");
    }
    operands->master = master;
    operands->settled = !master->config.store[0]; // else when all is read
    kofn_rng_init(&operands->names, kofn_rng_fresh_seed(), 0);
    *ret_operands = operands;
    return KOFN_OK;
}

static void
destroy_operand(kofn_operand *operand)
{
    kofn_operands *operands = operand->of;
    operands->charged -= operand->charge;
    kofn_coded_clear(operands->coded, &operand->coded);
    kofn_assembler_fini(&operand->upload);
    free(operand->waits);
    free(operand);
}

void
kofn_operands_destroy(kofn_operands **operands_p)
{
    kofn_operands *operands = *operands_p;
    if (!operands)
        return;

    for (kofn_operand *operand; (operand = TAILQ_FIRST(&operands->stored)) != NULL;) {
        TAILQ_REMOVE(&operands->stored, operand, of_all);
        destroy_operand(operand);
    }
    for (kofn_operand *operand; (operand = TAILQ_FIRST(&operands->dropped)) != NULL;) {
        TAILQ_REMOVE(&operands->dropped, operand, of_all);
        destroy_operand(operand);
    }
    kofn_coded_destroy(&operands->coded);
    kofn_map_fini(&operands->by_id);
    kofn_owned_keys_fini(&operands->by_key);
    free(operands);
    *operands_p = NULL;
}

/* ---- uploads --------------------------------------------------------------------------------- */

static bool
is_same_matrix(const kofn_operand *operand, const kofn_msg_put_operand *order)
{
    const kofn_bands *bands = &operand->upload.mat[0];
    return bands->dtype == kofn_dtype_parse(order->matrix.dtype) &&
           bands->rows == order->matrix.rows && bands->cols == order->matrix.cols &&
           operand->transposed == order->transposed;
}

/* The operand that is stored under the key, NULL if there is none. ALREADY_EXISTS: it is
 * another. */
static kofn_status
find_known(const kofn_operands *operands, const kofn_msg_put_operand *order,
           const kofn_owned_key *key, const kofn_operand **ret_known, kofn_error *err)
{
    const kofn_operand *known = kofn_owned_keys_find(&operands->by_key, key);
    if (known && !is_same_matrix(known, order))
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "this key belongs to operand %s, which is another matrix: choose a new "
                         "one",
                         known->name);
    *ret_known = known;
    return KOFN_OK;
}

static kofn_status
check_room(const kofn_operands *operands, size_t charge, bool *ret_never, kofn_error *err)
{
    const kofn_master *master = operands->master;
    if (operands->count >= (size_t)master->config.operands_max)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu operands are stored, limits.operands is %zu: drop some",
                         operands->count, (size_t)master->config.operands_max);
    return kofn_master_check_room(master, "this operand", 0, charge, ret_never, err);
}

/* What was ordered, checked, as an upload that is not counted yet. */
static kofn_status
fill_operand(kofn_operand *operand, const kofn_msg_put_operand *order, const kofn_asker *who,
             const char *key, kofn_error *err)
{
    const kofn_dtype dtype = kofn_dtype_parse(order->matrix.dtype);
    size_t bytes;
    if (dtype == KOFN_DTYPE_NONE)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "dtype '%s' is not known: f64, f32, u8, u32, i32 or i64",
                         order->matrix.dtype);
    kofn_assembler_init(&operand->upload);
    kofn_status status = kofn_sparse_refuse("the operand", &order->matrix, err);
    if (!status)
        status = kofn_assembler_expect(&operand->upload, dtype, order->matrix.rows,
                                       order->matrix.cols, err);
    if (!status)
        status = kofn_mat_bytes(dtype, order->matrix.rows, order->matrix.cols, &bytes, err);
    if (status)
        return status;
    operand->transposed = order->transposed;
    operand->charge = sizeof *operand + bytes;
    memcpy(operand->owner, who->key, sizeof operand->owner);
    operand->key = kofn_owned_key_make(operand->owner, key);
    return KOFN_OK;
}

kofn_status
kofn_operands_accept(kofn_operands *operands, const kofn_msg_put_operand *order,
                     const kofn_asker *who, const char *key, kofn_operand **ret_operand,
                     const kofn_operand **ret_known, bool *ret_never, kofn_error *err)
{
    *ret_never = false;
    if (operands->master->draining)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the master is stopping: try again in a moment");
    kofn_operand *operand = calloc(1, sizeof *operand);
    if (!operand)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another operand");

    const kofn_operand *known = NULL;
    kofn_status status = fill_operand(operand, order, who, key, err);
    if (!status)
        status = find_known(operands, order, &operand->key, &known, err);
    if (!status && !known)
        status = check_room(operands, operand->charge, ret_never, err);
    if (status || known) {
        kofn_assembler_fini(&operand->upload);
        free(operand);
        operand = NULL;
    }
    if (status)
        return status;
    if (operand) {
        do
            operand->id = kofn_rng_u64(&operands->names);
        while (operand->id == 0 || kofn_map_find(&operands->by_id, operand->id));
        snprintf(operand->name, sizeof operand->name, "%016" PRIx64, operand->id);
        operand->of = operands;
        operand->bound = INFINITY;
        kofn_coded_set_init(&operand->coded, operand->id);
        operands->count++;
        operands->charged += operand->charge;
    }
    *ret_operand = operand;
    *ret_known = known;
    return KOFN_OK;
}

kofn_assembler *
kofn_operand_get_upload(kofn_operand *operand)
{
    assert(operand->state == RECEIVING);
    return &operand->upload;
}

void
kofn_operand_discard(kofn_operand **operand_p)
{
    kofn_operand *operand = *operand_p;
    *operand_p = NULL;
    if (!operand)
        return;
    assert(operand->state == RECEIVING);
    operand->of->count--;
    destroy_operand(operand);
}

static kofn_status
find_same(const kofn_operand *operand, const kofn_operand **ret_known, kofn_error *err)
{
    const kofn_bands *bands = &operand->upload.mat[0];
    kofn_msg_put_operand order = {.matrix = {.rows = bands->rows, .cols = bands->cols},
                                  .transposed = operand->transposed};
    snprintf(order.matrix.dtype, sizeof order.matrix.dtype, "%s", kofn_dtype_name(bands->dtype));
    return find_known(operand->of, &order, &operand->key, ret_known, err);
}

/* From now on it can be found. */
static void
list_stored(kofn_operand *operand)
{
    kofn_operands *operands = operand->of;
    operand->state = STORED;
    operand->used_ns = kofn_clock_ns();
    TAILQ_INSERT_TAIL(&operands->stored, operand, of_all);
    kofn_owned_keys_put(&operands->by_key, &operand->key, operand);
}

/* All is done but to tell: it is the one, or another was stored under its key meanwhile. */
static void
settle_upload(kofn_operand *operand, const kofn_error *why)
{
    kofn_operands *operands = operand->of;
    kofn_operand_stored *tell = operand->tell;
    void *context = operand->context;
    const kofn_operand *known = NULL;
    kofn_error err = {.status = KOFN_OK};
    kofn_status status = why ? (err = *why).status : find_same(operand, &known, &err);
    if (!status && !known)
        status = kofn_map_put(&operands->by_id, operand->id, operand, &err);
    if (!status && !known) {
        const kofn_bands *bands = kofn_operand_get_bands(operand);
        operand->stored_ns = kofn_clock_ns();
        list_stored(operand);
        kofn_log_write(&operands->master->log, KOFN_LOG_INFO, "operand_stored",
                       "products may name it", "operand=%s rows=%zu cols=%zu", operand->name,
                       bands->rows, bands->cols);
        known = operand;
    } else {
        if (operand->on_disk && operands->master->keep)
            kofn_keep_remove_operand(operands->master->keep, operand->id, NULL, NULL);
        kofn_operand_discard(&operand);
    }
    tell(context, known, status ? &err : NULL);
}

static void
on_kept(void *context, const kofn_error *why, kofn_bands *elements)
{
    (void)elements;
    kofn_operand *operand = context;
    operand->on_disk = !why;
    if (!why)
        (void)kofn_failpoint_pass(KOFN_FAIL_OPERAND_KEPT);
    settle_upload(operand, why);
}

static kofn_kept_operand
describe_kept(const kofn_operand *operand)
{
    const kofn_bands *bands = kofn_operand_get_bands(operand);
    return (kofn_kept_operand){
        .id = operand->id,
        .owner = operand->owner,
        .key = operand->key.text[0] ? operand->key.text + strlen(operand->owner) : "",
        .transposed = operand->transposed,
        .dropped = operand->state == DROPPED,
        .dtype = bands->dtype,
        .rows = bands->rows,
        .cols = bands->cols,
        .stored_ms = operand->stored_ns ? kofn_unix_ms_at(operand->stored_ns) : kofn_unix_ms(),
    };
}

void
kofn_operand_store(kofn_operand **operand_p, kofn_operand_stored *stored, void *context)
{
    kofn_operand *operand = *operand_p;
    kofn_keep *keep = operand->of->master->keep;
    const kofn_operand *known = NULL;
    kofn_error err;
    *operand_p = NULL;
    operand->tell = stored;
    operand->context = context;
    if (!keep || find_same(operand, &known, &err) != KOFN_OK || known) {
        settle_upload(operand, NULL); // which finds the same
        return;
    }
    (void)kofn_failpoint_pass(KOFN_FAIL_OPERAND_RECEIVED);
    const kofn_kept_operand what = describe_kept(operand);
    kofn_keep_operand(keep, &what, kofn_operand_get_bands(operand), on_kept, operand);
}

/* ---- use ------------------------------------------------------------------------------------- */

kofn_operand *
kofn_operands_find(kofn_operands *operands, const kofn_asker *who, const char *name)
{
    if (strlen(name) != 16 || strspn(name, "0123456789abcdef") != 16)
        return NULL;
    kofn_operand *operand = kofn_map_find(&operands->by_id, strtoull(name, NULL, 16));
    return operand && operand->state == STORED && kofn_asker_may(who, operand->owner) ? operand
                                                                                      : NULL;
}

kofn_operand *
kofn_operands_find_kept(kofn_operands *operands, const char *name)
{
    return kofn_map_find(&operands->by_id, strtoull(name, NULL, 16));
}

const char *
kofn_operand_get_name(const kofn_operand *operand)
{
    return operand->name;
}

const kofn_bands *
kofn_operand_get_bands(const kofn_operand *operand)
{
    return &operand->upload.mat[0];
}

bool
kofn_operand_is_transposed(const kofn_operand *operand)
{
    return operand->transposed;
}

double
kofn_operand_get_bound(const kofn_operand *operand)
{
    return operand->bound;
}

void
kofn_operand_set_bound(kofn_operand *operand, double bound)
{
    operand->bound = bound < operand->bound ? bound : operand->bound;
}

void
kofn_operand_hold(kofn_operand *operand)
{
    assert(operand->state != RECEIVING);
    operand->jobs++;
    operand->products++;
}

kofn_status
kofn_operand_check_fit(const kofn_operand *operand, kofn_error *err)
{
    const kofn_bands *m = &operand->upload.mat[0];
    return !operand->too_large
               ? KOFN_OK
               : kofn_fail(err, KOFN_FAILED_PRECONDITION,
                           "operand %s has %zu bytes on disk, and limits.memory is %" PRIu64
                           ": start the master with more, or drop it",
                           operand->name, m->rows * m->cols * kofn_dtype_width(m->dtype),
                           operand->of->master->config.memory);
}

bool
kofn_operand_is_loaded(const kofn_operand *operand)
{
    return !operand->away;
}

static void
give_operand(const kofn_operand *operand, const operand_wait *wait, const kofn_error *why)
{
    kofn_bands bands = {0};
    kofn_error err;
    if (!why && kofn_bands_ref(kofn_operand_get_bands(operand), &bands, &err) != KOFN_OK)
        why = &err;
    kofn_job_on_operand(wait->job, wait->which, &bands, why);
    kofn_job_leave(wait->job);
    kofn_bands_fini(&bands); // if it did not take them
}

/* Whoever is given it may end, and with it the last that held the operand. */
static void
on_loaded(void *context, const kofn_error *why, kofn_bands *elements)
{
    kofn_operand *operand = context;
    const kofn_bands *shape = &operand->upload.mat[0];
    kofn_error other;
    if (!why && kofn_keep_check_shape(elements, shape->dtype, shape->rows, shape->cols, &other))
        why = &other;
    operand_wait *waits = operand->waits;
    const size_t count = operand->wait_count;
    operand->waits = NULL;
    operand->wait_count = operand->wait_capacity = 0;
    operand->coming = false;
    if (!why) {
        kofn_bands_fini(&operand->upload.mat[0]);
        operand->upload.mat[0] = *elements;
        memset(elements, 0, sizeof *elements);
        operand->away = false;
    } else {
        kofn_log_write(&operand->of->master->log, KOFN_LOG_ERROR, "operand_lost", why->text,
                       "operand=%s", operand->name);
    }
    operand->jobs++;
    for (size_t i = 0; i < count; i++)
        give_operand(operand, &waits[i], why);
    free(waits);
    kofn_operand_release(&operand);
}

static kofn_status
add_wait(kofn_operand *operand, kofn_job *job, size_t which, kofn_error *err)
{
    if (operand->wait_count == operand->wait_capacity) {
        const size_t capacity = operand->wait_capacity ? 2 * operand->wait_capacity : 4;
        operand_wait *waits = reallocarray(operand->waits, capacity, sizeof *waits);
        if (!waits)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to wait for an operand");
        operand->waits = waits;
        operand->wait_capacity = capacity;
    }
    operand->waits[operand->wait_count++] = (operand_wait){job, which};
    return KOFN_OK;
}

void
kofn_operand_load(kofn_operand *operand, kofn_job *job, size_t which)
{
    kofn_keep *keep = operand->of->master->keep;
    const operand_wait wait = {job, which};
    kofn_error err;
    kofn_status status = KOFN_OK;
    job->items++;
    if (operand->away && !keep)
        status = kofn_fail(&err, KOFN_UNAVAILABLE, "the master is stopping");
    if (!status && operand->away)
        status = add_wait(operand, job, which, &err);
    if (status || !operand->away) {
        give_operand(operand, &wait, status ? &err : NULL);
        return;
    }
    if (operand->coming)
        return;
    operand->coming = true;
    kofn_keep_fetch_elements(keep, operand->id, on_loaded, operand);
}

/* Nobody holds it any more. */
static void
end_dropped(kofn_operand *operand)
{
    kofn_keep *keep = operand->of->master->keep;
    const uint64_t id = operand->id;
    const bool goes = operand->on_disk && !operand->needed && keep;
    destroy_operand(operand);
    if (goes)
        kofn_keep_remove_operand(keep, id, NULL, NULL); // or the next start does it
}

void
kofn_operand_release(kofn_operand **operand_p)
{
    kofn_operand *operand = *operand_p;
    *operand_p = NULL;
    if (!operand)
        return;
    assert(operand->jobs > 0);
    operand->used_ns = kofn_clock_ns();
    if (--operand->jobs == 0 && operand->state == DROPPED && operand->of->settled)
        end_dropped(operand); // else: a job that could not be restored, others may follow
}

void
kofn_operand_need(kofn_operand *operand)
{
    operand->needed = true;
}

const kofn_bands *
kofn_operand_find_coded(const kofn_operand *operand, const kofn_coded_key *key, uint64_t job,
                        bool *ret_others)
{
    return kofn_coded_find(operand->of->coded, &operand->coded, key, job, ret_others);
}

/* Whatever is free, and what coded blocks hold already, within their own budget. */
static size_t
coded_limit(const kofn_operands *operands)
{
    const kofn_master *master = operands->master;
    const size_t coded = kofn_coded_get_bytes(operands->coded);
    const size_t used = kofn_master_get_charge(master) - coded;
    const size_t room = used < master->config.memory ? (size_t)master->config.memory - used : 0;
    return room < master->config.coded_cache ? room : (size_t)master->config.coded_cache;
}

void
kofn_operand_keep_coded(kofn_operand *operand, const kofn_coded_key *key, uint64_t job,
                        const kofn_bands *block)
{
    if (operand->state == STORED) // else nobody comes after this job
        kofn_coded_keep(operand->of->coded, &operand->coded, key, job, block,
                        coded_limit(operand->of));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void
list_again(kofn_operand *operand)
{
    kofn_operands *operands = operand->of;
    operand->state = STORED;
    operands->count++;
    TAILQ_INSERT_TAIL(&operands->stored, operand, of_all);
    if (!kofn_owned_keys_find(&operands->by_key, &operand->key)) // unless taken meanwhile
        kofn_owned_keys_put(&operands->by_key, &operand->key, operand);
}

/* What the disk did not take would be there again after a restart: so it is there at once. */
static void
on_drop_kept(void *context, const kofn_error *why, kofn_bands *elements)
{
    (void)elements;
    kofn_operand *operand = context;
    kofn_operand_dropped *tell = operand->tell_dropped;
    if (why) {
        list_again(operand);
    } else {
        operand->on_disk = operand->on_disk && !operand->removing;
        (void)kofn_map_remove(&operand->of->by_id, operand->id); // it is there
    }
    if (tell) {
        (void)kofn_failpoint_pass(KOFN_FAIL_OPERAND_DROPPED);
        tell(operand->context, why);
    }
    kofn_operand_release(&operand);
}

/* Jobs that hold it need it after a restart as well. */
static void
keep_drop(kofn_operand *operand)
{
    kofn_keep *keep = operand->of->master->keep;
    if (!operand->on_disk || !keep) {
        on_drop_kept(operand, NULL, NULL);
        return;
    }
    operand->removing = operand->jobs == 1 && !operand->needed;
    if (operand->removing) {
        kofn_keep_remove_operand(keep, operand->id, on_drop_kept, operand);
        return;
    }
    const kofn_kept_operand what = describe_kept(operand);
    kofn_keep_operand(keep, &what, NULL, on_drop_kept, operand);
}

void
kofn_operands_drop(kofn_operands *operands, kofn_operand *operand, kofn_operand_dropped *dropped,
                   void *context)
{
    assert(operand->state == STORED);
    (void)kofn_failpoint_pass(KOFN_FAIL_OPERAND_DROPPING);
    operand->state = DROPPED;
    operand->tell_dropped = dropped;
    operand->context = context;
    operands->count--;
    TAILQ_REMOVE(&operands->stored, operand, of_all);
    kofn_owned_keys_remove(&operands->by_key, &operand->key);
    kofn_coded_clear(operands->coded, &operand->coded);
    operand->jobs++; // held until the disk has done its part
    keep_drop(operand);
}

/* ---- from the disk --------------------------------------------------------------------------- */

static kofn_operand *
new_restored(kofn_operands *operands, const kofn_kept_operand *what)
{
    kofn_operand *operand = calloc(1, sizeof *operand);
    if (!operand)
        return NULL;
    operand->id = what->id;
    snprintf(operand->name, sizeof operand->name, "%016" PRIx64, what->id);
    snprintf(operand->owner, sizeof operand->owner, "%s", what->owner);
    operand->key = kofn_owned_key_make(operand->owner, what->key);
    operand->of = operands;
    operand->transposed = what->transposed;
    operand->on_disk = operand->away = true;
    operand->bound = INFINITY;
    operand->stored_ns = kofn_moment_of_unix_ms(what->stored_ms);
    kofn_coded_set_init(&operand->coded, operand->id);
    kofn_assembler_init(&operand->upload);
    return operand;
}

/* It is charged as it was: there is room to load it when it is needed. */
kofn_status
kofn_operands_restore(kofn_operands *operands, const kofn_kept_operand *what, kofn_error *err)
{
    size_t bytes;
    kofn_error why;
    kofn_operand *operand = new_restored(operands, what);
    if (!operand)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for an operand that was kept");
    kofn_status status =
        kofn_assembler_expect(&operand->upload, what->dtype, what->rows, what->cols, err);
    if (!status)
        status = kofn_mat_bytes(what->dtype, what->rows, what->cols, &bytes, err);
    if (!status)
        status = kofn_map_put(&operands->by_id, operand->id, operand, err);
    if (status) {
        kofn_assembler_fini(&operand->upload);
        free(operand);
        return status;
    }
    operand->too_large = bytes > operands->master->config.memory;
    operand->charge = sizeof *operand + (operand->too_large ? 0 : bytes);
    operands->charged += operand->charge;
    if (kofn_operand_check_fit(operand, &why) != KOFN_OK)
        kofn_log_write(&operands->master->log, KOFN_LOG_WARNING, "operand_too_large", why.text,
                       "operand=%s", operand->name);
    if (what->dropped) {
        operand->state = DROPPED;
        operand->used_ns = kofn_clock_ns();
        TAILQ_INSERT_TAIL(&operands->dropped, operand, of_all);
        return KOFN_OK;
    }
    operands->count++;
    list_stored(operand);
    return KOFN_OK;
}

size_t
kofn_operands_settle(kofn_operands *operands)
{
    kofn_operand *operand;
    operands->settled = true;
    while ((operand = TAILQ_FIRST(&operands->dropped)) != NULL) {
        TAILQ_REMOVE(&operands->dropped, operand, of_all);
        (void)kofn_map_remove(&operands->by_id, operand->id); // it is there
        if (operand->jobs == 0)
            end_dropped(operand);
    }
    return operands->count;
}

static void
describe_operand(const kofn_operand *operand, int64_t now_ns, kofn_msg_operand *m)
{
    const kofn_bands *bands = kofn_operand_get_bands(operand);
    snprintf(m->id, sizeof m->id, "%s", operand->name);
    snprintf(m->matrix.dtype, sizeof m->matrix.dtype, "%s", kofn_dtype_name(bands->dtype));
    m->matrix.rows = bands->rows;
    m->matrix.cols = bands->cols;
    m->transposed = operand->transposed;
    m->bytes = bands->rows * bands->cols * kofn_dtype_width(bands->dtype);
    m->coded_bytes = operand->coded.bytes;
    m->coded_blocks = operand->coded.count;
    m->jobs = operand->jobs;
    m->products = operand->products;
    m->unused_ms = operand->jobs > 0 ? 0 : (uint64_t)((now_ns - operand->used_ns) / KOFN_NS_PER_MS);
    m->age_ms = (uint64_t)((now_ns - operand->stored_ns) / KOFN_NS_PER_MS);
}

kofn_status
kofn_operands_describe(const kofn_operands *operands, const kofn_asker *who,
                       kofn_msg_operands *ret_message, kofn_error *err)
{
    const int64_t now_ns = kofn_clock_ns();
    const kofn_operand *operand;
    size_t i = 0;
    kofn_status status = kofn_wire_list_new(operands->by_id.count, sizeof(kofn_msg_operand),
                                            &ret_message->operands, err);
    if (status)
        return status;
    TAILQ_FOREACH_REVERSE(operand, &operands->stored, operand_list, of_all)
    {
        if (kofn_asker_may(who, operand->owner))
            describe_operand(operand, now_ns, (kofn_msg_operand *)ret_message->operands.at + i++);
    }
    ret_message->operands.count = i;
    return KOFN_OK;
}

size_t
kofn_operands_get_charge(const kofn_operands *operands)
{
    return operands->charged + kofn_coded_get_bytes(operands->coded);
}

void
kofn_operands_yield(kofn_operands *operands, size_t bytes)
{
    const size_t coded = kofn_coded_get_bytes(operands->coded);
    kofn_coded_shrink(operands->coded, bytes < coded ? coded - bytes : 0);
}

void
kofn_operands_on_tick(kofn_operands *operands, int64_t now_ns)
{
    const int64_t keep_ns = operands->master->config.keep_operands_ns;
    kofn_operand *operand, *next;
    if (keep_ns == 0)
        return;
    for (operand = TAILQ_FIRST(&operands->stored); operand; operand = next) {
        next = TAILQ_NEXT(operand, of_all);
        if (operand->jobs > 0 || now_ns - operand->used_ns <= keep_ns)
            continue;
        kofn_log_write(&operands->master->log, KOFN_LOG_NOTICE, "operand_dropped",
                       "no job used it for limits.keep_operands", "operand=%s", operand->name);
        kofn_operands_drop(operands, operand, NULL, NULL);
    }
}
