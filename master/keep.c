#include "master/keep.h"
#include "master/jobs.h"
#include "master/operands.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* A sync takes milliseconds, some seconds on a disk that is busy with others. What takes longer than
 * this will not come back by itself; the service's watchdog waits a little longer. */
#define STUCK_NS (20 * KOFN_NS_PER_S)

enum {
    HELPERS = 2,           // threads for files: what one syncs the other writes
    SPARE_BYTES = 64 << 20 // of the disk, for the ends of jobs that were accepted
};

struct kofn_keep {
    kofn_master *master;
    kofn_store *store;
    TAILQ_HEAD(, kofn_keep_request) out; // oldest first
    int64_t patience_ns;
};

/* ---- time ---------------------------------------------------------------------------------------- */

int64_t
kofn_unix_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t); // cannot fail for this clock
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / KOFN_NS_PER_MS;
}

int64_t
kofn_unix_ms_at(int64_t moment_ns)
{
    return kofn_unix_ms() + (moment_ns - kofn_clock_ns()) / KOFN_NS_PER_MS;
}

int64_t
kofn_moment_of_unix_ms(int64_t unix_ms)
{
    const int64_t far_ms = INT64_MAX / KOFN_NS_PER_MS / 4; // 73 years: a record that says more errs
    int64_t away_ms = unix_ms - kofn_unix_ms();
    away_ms = away_ms > far_ms ? far_ms : away_ms < -far_ms ? -far_ms : away_ms;
    return kofn_clock_ns() + away_ms * KOFN_NS_PER_MS;
}

/* ---- requests ------------------------------------------------------------------------------------ */

kofn_keep_request *
kofn_keep_request_new(kofn_keep *keep, kofn_store_verb verb, kofn_store_kind kind, uint64_t id,
                      kofn_error *err)
{
    kofn_keep_request *request = calloc(1, sizeof *request);
    if (!request) {
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to ask the store");
        return NULL;
    }
    request->keep = keep;
    request->store.verb = verb;
    request->store.record.kind = kind;
    request->store.record.id = id;
    return request;
}

void
kofn_keep_request_destroy(kofn_keep_request **request_p)
{
    kofn_keep_request *request = *request_p;
    *request_p = NULL;
    kofn_mat_fini(&request->store.fetched);
    kofn_wire_buffer_fini(&request->body);
    free(request);
}

static void
on_done(kofn_store_request *stored)
{
    kofn_keep_request *request = (kofn_keep_request *)stored;
    TAILQ_REMOVE(&request->keep->out, request, of_out);
    if (request->done)
        request->done(request);
    kofn_keep_request_destroy(&request);
}

void
kofn_keep_submit(kofn_keep_request **request_p)
{
    kofn_keep_request *request = *request_p;
    kofn_keep *keep = request->keep;
    *request_p = NULL;
    request->store.record.body = request->body.at;
    request->store.record.body_bytes = request->body.length;
    request->store.done = on_done;
    request->since_ns = kofn_clock_ns();
    TAILQ_INSERT_TAIL(&keep->out, request, of_out);
    kofn_store_submit(keep->store, &request->store);
}

kofn_status
kofn_keep_take_fetched(kofn_keep_request *request, kofn_bands *ret_bands, kofn_error *err)
{
    if (request->store.error.status == KOFN_NOT_FOUND)
        return kofn_fail(err, KOFN_DATA_LOSS, "it is not in the store, which should have it");
    if (request->store.error.status) {
        if (err)
            *err = request->store.error;
        return request->store.error.status;
    }
    return kofn_block_bands_over(&request->store.fetched, request->keep->master->config.chunk_bytes,
                                 ret_bands, err);
}

kofn_status
kofn_keep_check_shape(const kofn_bands *bands, kofn_dtype dtype, size_t rows, size_t cols,
                      kofn_error *err)
{
    if (bands->dtype == dtype && bands->rows == rows && bands->cols == cols)
        return KOFN_OK;
    return kofn_fail(err, KOFN_DATA_LOSS,
                     "the store has %zu x %zu %s, and its record says %zu x %zu %s", bands->rows,
                     bands->cols, kofn_dtype_name(bands->dtype), rows, cols,
                     kofn_dtype_name(dtype));
}

bool
kofn_keep_is_stuck(const kofn_keep *keep, int64_t now_ns)
{
    const kofn_keep_request *oldest = TAILQ_FIRST(&keep->out);
    return oldest && now_ns - oldest->since_ns > keep->patience_ns;
}

kofn_status
kofn_keep_check_room(kofn_keep *keep, uint64_t bytes, kofn_error *err)
{
    return keep ? kofn_store_check_room(keep->store, bytes, err) : KOFN_OK;
}

uint64_t
kofn_keep_get_bytes(kofn_keep *keep)
{
    kofn_store_totals totals = {0};
    if (keep)
        kofn_store_get_totals(keep->store, &totals);
    return totals.bytes;
}

int
kofn_keep_get_fd(const kofn_keep *keep)
{
    return kofn_store_get_fd(keep->store);
}

void
kofn_keep_serve(kofn_keep *keep)
{
    kofn_store_serve(keep->store);
}

/* ---- life ---------------------------------------------------------------------------------------- */

kofn_status
kofn_keep_new(kofn_master *master, kofn_keep **ret_keep, kofn_error *err)
{
    const kofn_master_config *config = &master->config;
    if (!config->store[0])
        return KOFN_OK;
    kofn_keep *keep = calloc(1, sizeof *keep);
    if (!keep)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the store");
    keep->master = master;
    TAILQ_INIT(&keep->out);
    keep->patience_ns = kofn_failpoint_get_patience(STUCK_NS);
    const kofn_store_params params = {
        .folder = config->store,
        .sync = config->durability == KOFN_DURABILITY_FULL,
        .bytes_max = config->store_bytes,
        .spare_bytes = SPARE_BYTES,
        .helpers = HELPERS,
        .pool = master->pool,
    };
    const kofn_status status = kofn_store_open(&params, &keep->store, err);
    if (status) {
        free(keep);
        return status;
    }
    *ret_keep = keep;
    return KOFN_OK;
}

typedef struct loading {
    kofn_master *master;
    size_t broken;
} loading;

static kofn_status
on_operand(void *context, const kofn_store_record *record, const kofn_error *broken,
           kofn_error *err)
{
    loading *load = context;
    load->broken += broken != NULL;
    return kofn_keep_restore_operand(load->master, record, broken, err);
}

static kofn_status
on_job(void *context, const kofn_store_record *record, const kofn_error *broken, kofn_error *err)
{
    loading *load = context;
    load->broken += broken != NULL;
    return kofn_keep_restore_job(load->master, record, broken, err);
}

kofn_status
kofn_keep_load(kofn_keep *keep, kofn_error *err)
{
    kofn_master *master = keep->master;
    loading load = {.master = master};
    kofn_status status = kofn_store_load(keep->store, KOFN_STORE_OPERAND, on_operand, &load, err);
    if (!status) // they find operands
        status = kofn_store_load(keep->store, KOFN_STORE_JOB, on_job, &load, err);
    if (status)
        return kofn_fail_within(err, "store '%s'", master->config.store);
    size_t jobs, results;
    kofn_jobs_resume(master->jobs, &jobs, &results);
    const size_t operands = kofn_operands_settle(master->operands);
    kofn_log_write(&master->log, KOFN_LOG_NOTICE, "restored",
                   "what was kept is there again, and jobs that had not ended go on",
                   "jobs=%zu results=%zu operands=%zu broken=%zu bytes=%" PRIu64 " from=%s", jobs,
                   results, operands, load.broken, kofn_keep_get_bytes(keep), master->config.store);
    kofn_error full;
    if (kofn_keep_check_room(keep, 1, &full) != KOFN_OK)
        kofn_log_write(&master->log, KOFN_LOG_WARNING, "store_full", full.text, "dir=%s",
                       master->config.store);
    return KOFN_OK;
}

void
kofn_keep_close(kofn_keep **keep_p)
{
    kofn_keep *keep = *keep_p;
    if (!keep)
        return;
    kofn_store_close(&keep->store);
    *keep_p = NULL; // not sooner: whoever is told meanwhile may ask for more
    free(keep);
}
