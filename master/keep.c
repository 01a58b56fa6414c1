#include "master/keep.h"
#include "master/jobs.h"
#include "master/operands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* How long the store may stand still with work to do: a disk may be slow, and have gigabytes to
 * write, but each step is small (spool.c). What takes longer than this will not come back by
 * itself; the service's watchdog waits a little longer. */
#define STUCK_NS (20 * KOFN_NS_PER_S)

enum {
    HELPERS = 2,           // threads for files: what one syncs the other writes
    SPARE_BYTES = 64 << 20 // of the disk, for the ends of jobs that were accepted
};

struct kofn_keep {
    kofn_master *master;
    kofn_store *store;
    bool marked;                         // this life is, in its folder
    TAILQ_HEAD(, kofn_keep_request) out; // oldest first
    int64_t patience_ns;
    uint64_t progress; // the store's, when it was seen to move last
    int64_t moved_ns;  // and when that was
};

/* ---- time ------------------------------------------------------------------------------------ */

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

/* ---- requests -------------------------------------------------------------------------------- */

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
    TAILQ_INSERT_TAIL(&keep->out, request, of_out);
    kofn_store_submit(keep->store, &request->store);
}

const kofn_log *
kofn_keep_get_log(const kofn_keep *keep)
{
    return &keep->master->log;
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
kofn_keep_is_stuck(kofn_keep *keep, int64_t now_ns)
{
    const uint64_t progress = kofn_store_get_progress(keep->store);
    if (progress != keep->progress || TAILQ_EMPTY(&keep->out)) {
        keep->progress = progress;
        keep->moved_ns = now_ns;
    }
    return now_ns - keep->moved_ns > keep->patience_ns;
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

/* ---- life ------------------------------------------------------------------------------------ */

/* Whoever reads the log can look after what was lost; nobody else learns of it. */
static void
tell_findings(kofn_keep *keep)
{
    const kofn_log *log = &keep->master->log;
    const char *folder = keep->master->config.store;
    kofn_store_findings found;
    kofn_store_get_findings(keep->store, &found);
    if (found.aside[0])
        kofn_log_write(
            log, KOFN_LOG_ERROR, "store_damaged",
            "jobs.db was damaged: what can be read of it is there again, and the damaged "
            "file is kept beside it; look at the disk",
            "records=%" PRIu64 " matrices=%" PRIu64 " unreadable=%" PRIu64 " file=%s/%s",
            found.records, found.matrices, found.spoilt, folder, found.aside);
    if (found.commits > 0)
        kofn_log_write(log, KOFN_LOG_ERROR, "commits_lost",
                       "the end of jobs.db-wal cannot be read: jobs that were accepted last may be "
                       "lost; look at the disk",
                       "commits=%" PRIu64 " store=%s", found.commits, folder);
    if (found.files > 0)
        kofn_log_write(
            log, KOFN_LOG_WARNING, "files_lost",
            "no record names these matrices, a few of which a kill may leave: they are in "
            "the spool's folder 'lost' for a week",
            "files=%" PRIu64 " bytes=%" PRIu64 " store=%s", found.files, found.files_bytes, folder);
}

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
    keep->moved_ns = kofn_clock_ns();
    const kofn_store_params params = {
        .folder = config->store,
        .sync = config->durability == KOFN_DURABILITY_FULL,
        .bytes_max = config->store_bytes,
        .spare_bytes = SPARE_BYTES,
        .helpers = HELPERS,
        .pool = master->pool,
        .starting = master->supervisor.starting,
        .context = master->supervisor.context,
    };
    const kofn_status status = kofn_store_open(&params, &keep->store, err);
    if (status) {
        free(keep);
        return status;
    }
    tell_findings(keep);
    *ret_keep = keep;
    return KOFN_OK;
}

/* ---- lives: a file that is there while a master is, and after one that died ------------------ */

/* Lives of one boot agree about when that was, but for steps of the clock: one that is longer makes
 * a death look like the machine's. */
#define BOOT_TOLERANCE_MS 5000

/* The boot's id would be a better name, but in /proc/sys, which services do not see
 * (ProcSubset=pid). */
static int64_t
get_boot_unix_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t); // cannot fail for this clock
    return kofn_unix_ms() - (int64_t)t.tv_sec * 1000 - t.tv_nsec / KOFN_NS_PER_MS;
}

static void
get_mark_path(const kofn_keep *keep, char *ret_path, size_t size)
{
    (void)snprintf(ret_path, size, "%s/running", keep->master->config.store); // the store's fits
}

/* The boot of the life that left a mark; 0: there is none, or not a whole one. */
static int64_t
read_mark(const char *path)
{
    int64_t boot_ms = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNd64 "\n", &boot_ms) != 1)
        boot_ms = 0;
    (void)fclose(file); // of reading
    return boot_ms;
}

/* Did the master before this one die, in this boot? The machine's end is no job's fault. */
static bool
begin_life(kofn_keep *keep)
{
    char path[4096];
    get_mark_path(keep, path, sizeof path);
    const int64_t boot_ms = get_boot_unix_ms(), before_ms = read_mark(path);
    FILE *file = fopen(path, "we");
    keep->marked = file && fprintf(file, "%" PRId64 "\n", boot_ms) >= 0;
    if (file && fclose(file) != 0)
        keep->marked = false;
    if (!keep->marked)
        kofn_log_write(&keep->master->log, KOFN_LOG_WARNING, "life_not_marked",
                       "if this master dies, the next one takes it for stopped", "file=%s", path);
    return before_ms >= boot_ms - BOOT_TOLERANCE_MS && before_ms <= boot_ms + BOOT_TOLERANCE_MS;
}

static void
end_life(const kofn_keep *keep)
{
    char path[4096];
    get_mark_path(keep, path, sizeof path);
    if (keep->marked)
        (void)unlink(path); // if it stays, jobs that are open count one death more
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
    load->master->supervisor.starting(load->master->supervisor.context);
    return kofn_keep_restore_operand(load->master, record, broken, err);
}

static kofn_status
on_job(void *context, const kofn_store_record *record, const kofn_error *broken, kofn_error *err)
{
    loading *load = context;
    load->broken += broken != NULL;
    load->master->supervisor.starting(load->master->supervisor.context);
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
    const bool crashed = begin_life(keep);
    kofn_jobs_resume(master->jobs, crashed, &jobs, &results);
    const size_t operands = kofn_operands_settle(master->operands);
    kofn_log_write(
        &master->log, KOFN_LOG_NOTICE, "restored",
        "what was kept is there again, and jobs that had not ended go on",
        "jobs=%zu results=%zu operands=%zu broken=%zu bytes=%" PRIu64 " crashed=%d from=%s", jobs,
        results, operands, load.broken, kofn_keep_get_bytes(keep), crashed, master->config.store);
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
    end_life(keep);
    *keep_p = NULL; // not sooner: whoever is told meanwhile may ask for more
    free(keep);
}
