#include "master/store/store.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "master/store/digest.h"
#include "master/store/failpoint.h"
#include "master/store/rows.h"
#include "master/store/spool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Requests that one commit holds at most: enough to hide a sync, few enough that the last of them
 * does not wait for long. */
enum { GROUP_MAX = 512 };

typedef struct request_queue {
    kofn_store_request *first, **last;
} request_queue;

struct kofn_store {
    kofn_rows *rows; // the writer's, once it runs
    atomic_uint_fast64_t progress;
    kofn_spool spool;
    kofn_store_params params;
    kofn_store_findings findings;
    int lock_fd; // the folder
    int wake_fd; // an eventfd, readable while requests are done

    kofn_map busy; // by id: the request that is out; the I/O thread's, as are these
    size_t outstanding;
    kofn_rng files; // names of files

    pthread_mutex_t mutex;            // over what follows
    pthread_cond_t to_help, to_write; // signalled when the queue has more, or at the end
    pthread_cond_t to_serve;
    request_queue helping, writing, done;
    uint64_t bytes, reserved; // stored, and of new records on their way
    uint64_t commits, written;
    bool ending;

    bool writer_runs;
    pthread_t writer;
    size_t count;
    pthread_t helpers[]; // [count]
};

/* ---- queues ---------------------------------------------------------------------------------- */

static void
queue_init(request_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void
append(request_queue *queue, kofn_store_request *request)
{
    request->next = NULL;
    *queue->last = request;
    queue->last = &request->next;
}

static kofn_store_request *
take_first(request_queue *queue)
{
    kofn_store_request *request = queue->first;
    if (!request)
        return NULL;
    queue->first = request->next;
    if (!queue->first)
        queue->last = &queue->first;
    return request;
}

/* Of the threads that wait for the disk: what is refused before it comes to them does not count. */
static void
count_progress(kofn_store *store)
{
    atomic_fetch_add_explicit(&store->progress, 1, memory_order_relaxed);
}

/* Any thread, with the mutex held. */
static void
finish(kofn_store *store, kofn_store_request *request)
{
    const uint64_t one = 1;
    store->reserved -= request->reserved;
    request->reserved = 0;
    append(&store->done, request);
    pthread_cond_signal(&store->to_serve);
    if (write(store->wake_fd, &one, sizeof one) != sizeof one)
        return; // the counter is full: the I/O thread is awake
}

static size_t
matrix_bytes(const kofn_bands *bands)
{
    return bands->rows * bands->cols * kofn_dtype_width(bands->dtype);
}

static bool
needs_file(const kofn_bands *bands)
{
    return matrix_bytes(bands) > KOFN_STORE_INLINE_MAX;
}

static uint64_t
request_bytes(const kofn_store_request *request)
{
    uint64_t bytes = request->record.body_bytes;
    for (size_t i = 0; i < request->matrix_count; i++)
        bytes += matrix_bytes(request->matrices[i].bands);
    return bytes;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static kofn_status
check_disk(kofn_store *store, uint64_t bytes, kofn_error *err)
{
    uint64_t left;
    const kofn_status status = kofn_spool_get_free(&store->spool, &left, err);
    if (status || (left >= store->params.spare_bytes && left - store->params.spare_bytes >= bytes))
        return status;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                     "the store's disk has %" PRIu64 " bytes left, %" PRIu64
                     " of them kept for jobs "
                     "that are there, and this needs %" PRIu64 ": try later or free some space",
                     left, store->params.spare_bytes, bytes);
}

/* With the mutex held. */
static kofn_status
check_limit(const kofn_store *store, uint64_t bytes, kofn_error *err)
{
    const uint64_t most = store->params.bytes_max, used = store->bytes + store->reserved;
    if (most == 0 || (used <= most && bytes <= most - used))
        return KOFN_OK;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                     "the store holds %" PRIu64 " bytes, its limit is %" PRIu64
                     " and this needs %" PRIu64 " more: try later, fetch results or drop operands",
                     used, most, bytes);
}

kofn_status
kofn_store_check_room(kofn_store *store, uint64_t bytes, kofn_error *err)
{
    pthread_mutex_lock(&store->mutex);
    const kofn_status status = check_limit(store, bytes, err);
    pthread_mutex_unlock(&store->mutex);
    return status ? status : check_disk(store, bytes, err);
}

/* A new record: room for it is taken until it is stored or refused. */
static kofn_status
admit(kofn_store *store, kofn_store_request *request)
{
    const uint64_t bytes = request_bytes(request);
    kofn_status status = check_disk(store, bytes, &request->error);
    if (status)
        return status;
    pthread_mutex_lock(&store->mutex);
    status = check_limit(store, bytes, &request->error);
    if (!status) {
        request->reserved = bytes;
        store->reserved += bytes;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

/* ---- helpers: files -------------------------------------------------------------------------- */

static void
digest_matrix(const kofn_store_request *request, unsigned slot, const kofn_bands *bands,
              uint8_t ret_digest[KOFN_DIGEST_BYTES])
{
    kofn_digest_matrix(request->record.kind, request->record.id, slot, bands, ret_digest);
}

static void
remove_files(kofn_store *store, const kofn_store_request *request, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (needs_file(request->matrices[i].bands))
            kofn_spool_remove(&store->spool, request->matrices[i].file);
}

static void
write_files(kofn_store *store, kofn_store_request *request)
{
    for (size_t i = 0; i < request->matrix_count; i++) {
        kofn_store_matrix *matrix = &request->matrices[i];
        if (!needs_file(matrix->bands))
            continue;
        digest_matrix(request, matrix->slot, matrix->bands, matrix->digest);
        if (kofn_spool_write(&store->spool, matrix->file, matrix->bands, &request->error)) {
            remove_files(store, request, i);
            return;
        }
    }
}

/* Are these elements those that were stored? If not, they are gone. */
static void
check_fetched(kofn_store_request *request)
{
    const kofn_store_matrix *stored = &request->matrices[0];
    uint8_t digest[KOFN_DIGEST_BYTES];
    kofn_bands bands;
    if (kofn_bands_from_mat(&request->fetched, &bands, &request->error) == KOFN_OK) {
        digest_matrix(request, request->slot, &bands, digest);
        kofn_bands_fini(&bands);
        if (memcmp(digest, stored->digest, sizeof digest) != 0)
            (void)kofn_fail(&request->error, KOFN_DATA_LOSS,
                            "matrix %u of record %016" PRIx64 " is not what was stored",
                            request->slot, request->record.id);
    }
    if (request->error.status)
        kofn_mat_fini(&request->fetched);
}

/* `fetched` has its shape so far, and no elements. */
static void
read_file(kofn_store *store, kofn_store_request *request)
{
    const kofn_mat shape = request->fetched;
    memset(&request->fetched, 0, sizeof request->fetched);
    if (kofn_spool_read(&store->spool, request->matrices[0].file, store->params.pool, shape.dtype,
                        shape.rows, shape.cols, &request->fetched, &request->error) == KOFN_OK)
        check_fetched(request);
}

static void *
helper_main(void *context)
{
    kofn_store *store = context;
    pthread_mutex_lock(&store->mutex);
    for (;;) {
        while (!store->helping.first && !store->ending)
            pthread_cond_wait(&store->to_help, &store->mutex);
        kofn_store_request *request = take_first(&store->helping);
        if (!request)
            break;
        pthread_mutex_unlock(&store->mutex);
        if (request->verb == KOFN_STORE_FETCH)
            read_file(store, request);
        else
            write_files(store, request);
        count_progress(store);
        pthread_mutex_lock(&store->mutex);
        if (request->verb == KOFN_STORE_FETCH || request->error.status) {
            finish(store, request);
        } else {
            append(&store->writing, request);
            pthread_cond_signal(&store->to_write);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

/* ---- the writer: rows ------------------------------------------------------------------------ */

static kofn_status
copy_row(kofn_store *store, kofn_store_request *request, const kofn_matrix_row *row)
{
    const kofn_status status = kofn_mat_new(store->params.pool, row->dtype, row->rows, row->cols,
                                            &request->fetched, &request->error);
    if (!status && row->bytes > 0)
        memcpy(request->fetched.data, row->data, row->bytes);
    return status;
}

/* True: a helper has to go on. */
static bool
fetch_row(kofn_store *store, kofn_store_request *request)
{
    kofn_matrix_row row;
    kofn_status status = kofn_rows_find(store->rows, request, &row, &request->error);
    if (!status) {
        memcpy(request->matrices[0].digest, row.digest, sizeof row.digest);
        request->matrices[0].file = row.file;
        if (row.has_file)
            request->fetched = (kofn_mat){.dtype = row.dtype, .rows = row.rows, .cols = row.cols};
        else
            status = copy_row(store, request, &row);
    }
    kofn_rows_release(store->rows);
    if (!status && !row.has_file)
        check_fetched(request);
    return !status && row.has_file;
}

static void
digest_small(kofn_store_request *request)
{
    for (size_t i = 0; i < request->matrix_count; i++) {
        kofn_store_matrix *matrix = &request->matrices[i];
        if (!needs_file(matrix->bands))
            digest_matrix(request, matrix->slot, matrix->bands, matrix->digest);
    }
}

static bool
has_files(const kofn_store_request *request)
{
    for (size_t i = 0; i < request->matrix_count; i++)
        if (needs_file(request->matrices[i].bands))
            return true;
    return false;
}

/* One commit of these, all or none. */
static kofn_status
commit_rows(kofn_store *store, kofn_store_request *const *group, size_t count,
            kofn_rows_effect *effect, kofn_error *err)
{
    kofn_status status = kofn_rows_begin(store->rows, err);
    for (size_t i = 0; !status && i < count; i++) {
        status = kofn_rows_apply(store->rows, group[i], effect, err);
        count_progress(store);
    }
    if (!status && kofn_failpoint_pass(KOFN_FAIL_GROUP_WRITTEN) != 0)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "jobs.db: the disk is full");
    if (status) {
        kofn_rows_undo(store->rows);
        return status;
    }
    return kofn_rows_commit(store->rows, err);
}

/* Files first, so that a row never names one that is not there; those that are named no more go
 * last, so that until then the old rows are right. */
static kofn_status
commit(kofn_store *store, kofn_store_request *const *group, size_t count, kofn_error *err)
{
    kofn_rows_effect effect = {0};
    kofn_status status = KOFN_OK;
    bool files = false;
    for (size_t i = 0; i < count; i++)
        files = files || has_files(group[i]);
    if (files)
        status = kofn_spool_sync(&store->spool, err);
    if (!status)
        status = commit_rows(store, group, count, &effect, err);
    if (!status) {
        count_progress(store);
        (void)kofn_failpoint_pass(KOFN_FAIL_GROUP_COMMITTED); // too late to fail
        for (size_t i = 0; i < effect.count; i++)
            kofn_spool_remove(&store->spool, effect.files[i]);
        (void)kofn_failpoint_pass(KOFN_FAIL_GROUP_CLEANED);
        pthread_mutex_lock(&store->mutex);
        store->bytes = effect.bytes < 0 && (uint64_t)-effect.bytes > store->bytes
                           ? 0 // rows lied when they were counted
                           : store->bytes + (uint64_t)effect.bytes;
        store->commits++;
        store->written += count;
        pthread_mutex_unlock(&store->mutex);
    }
    free(effect.files);
    return status;
}

/* If the group fails, one by one, so that only those fail that are at fault. */
static void
write_group(kofn_store *store, kofn_store_request *const *group, size_t count)
{
    kofn_error err;
    if (count == 0 || (count > 1 && commit(store, group, count, &err) == KOFN_OK))
        return;
    for (size_t i = 0; i < count; i++)
        if (commit(store, &group[i], 1, &group[i]->error) != KOFN_OK)
            remove_files(store, group[i], group[i]->matrix_count);
}

/* Fetches find what is committed: of a record that is written in this group there is none among
 * them, since one request is out for each id. */
static void
serve_round(kofn_store *store, kofn_store_request *const *round, size_t count)
{
    kofn_store_request *group[GROUP_MAX];
    bool goes_on[GROUP_MAX] = {false};
    size_t group_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (round[i]->verb == KOFN_STORE_FETCH) {
            goes_on[i] = fetch_row(store, round[i]);
            count_progress(store);
        } else {
            digest_small(round[i]);
            group[group_count++] = round[i];
        }
    }
    write_group(store, group, group_count);

    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        if (goes_on[i]) {
            append(&store->helping, round[i]);
            pthread_cond_signal(&store->to_help);
        } else {
            finish(store, round[i]);
        }
    }
    (void)kofn_failpoint_pass(KOFN_FAIL_GROUP_TOLD);
    pthread_mutex_unlock(&store->mutex);
}

static void *
writer_main(void *context)
{
    kofn_store *store = context;
    kofn_store_request *round[GROUP_MAX];
    for (;;) {
        size_t count = 0;
        pthread_mutex_lock(&store->mutex);
        while (!store->writing.first && !store->ending)
            pthread_cond_wait(&store->to_write, &store->mutex);
        while (count < GROUP_MAX && store->writing.first)
            round[count++] = take_first(&store->writing);
        pthread_mutex_unlock(&store->mutex);
        if (count == 0)
            return NULL;
        serve_round(store, round, count);
    }
}

/* ---- the I/O thread -------------------------------------------------------------------------- */

static kofn_status
check_request(const kofn_store_request *request, kofn_error *err)
{
    const kofn_store_record *record = &request->record;
    assert(request->matrix_count <= KOFN_STORE_SLOTS && record->state <= KOFN_STORE_STATE_MAX);
    if (request->verb == KOFN_STORE_PUT && record->body_bytes > KOFN_STORE_BODY_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "a record of %zu bytes cannot be stored, %d can",
                         record->body_bytes, (int)KOFN_STORE_BODY_MAX);
    return KOFN_OK;
}

/* To whoever has the first work with it. */
static void
dispatch(kofn_store *store, kofn_store_request *request)
{
    kofn_status status = check_request(request, &request->error);
    if (!status && request->verb == KOFN_STORE_PUT && request->is_new)
        status = admit(store, request);
    const bool files = request->verb == KOFN_STORE_PUT && has_files(request);
    for (size_t i = 0; files && i < request->matrix_count; i++)
        request->matrices[i].file = kofn_rng_u64(&store->files);

    pthread_mutex_lock(&store->mutex);
    if (status) {
        finish(store, request);
    } else if (files) {
        append(&store->helping, request);
        pthread_cond_signal(&store->to_help);
    } else {
        append(&store->writing, request);
        pthread_cond_signal(&store->to_write);
    }
    pthread_mutex_unlock(&store->mutex);
}

void
kofn_store_submit(kofn_store *store, kofn_store_request *request)
{
    request->error = (kofn_error){.status = KOFN_OK};
    request->fetched = (kofn_mat){0};
    request->follower = NULL;
    request->reserved = 0;
    if (request->verb != KOFN_STORE_PUT)
        request->matrix_count = 0;
    store->outstanding++;
    kofn_store_request *ahead = kofn_map_find(&store->busy, request->record.id);
    if (ahead) {
        while (ahead->follower)
            ahead = ahead->follower;
        ahead->follower = request;
        return;
    }
    if (kofn_map_put(&store->busy, request->record.id, request, &request->error) == KOFN_OK) {
        dispatch(store, request);
        return;
    }
    pthread_mutex_lock(&store->mutex);
    finish(store, request);
    pthread_mutex_unlock(&store->mutex);
}

/* Let the next one for its id go before anybody is told, who might submit another. */
static void
serve_one(kofn_store *store, kofn_store_request *request)
{
    kofn_store_request *follower = request->follower;
    if (kofn_map_find(&store->busy, request->record.id) == request)
        (void)kofn_map_remove(&store->busy, request->record.id); // it was found
    store->outstanding--;
    if (follower) {
        kofn_store_request *rest = follower->follower;
        store->outstanding--;               // submit counts it again
        kofn_store_submit(store, follower); // has room in the map
        follower->follower = rest;
    }
    request->done(request);
}

static void
serve_done(kofn_store *store)
{
    for (;;) {
        pthread_mutex_lock(&store->mutex);
        kofn_store_request *request = take_first(&store->done);
        pthread_mutex_unlock(&store->mutex);
        if (!request)
            return;
        serve_one(store, request);
    }
}

int
kofn_store_get_fd(const kofn_store *store)
{
    return store->wake_fd;
}

void
kofn_store_serve(kofn_store *store)
{
    uint64_t count;
    if (read(store->wake_fd, &count, sizeof count) == sizeof count)
        serve_done(store);
}

void
kofn_store_get_findings(const kofn_store *store, kofn_store_findings *ret_findings)
{
    *ret_findings = store->findings;
}

kofn_status
kofn_store_load(kofn_store *store, unsigned kind, kofn_store_visit visit, void *context,
                kofn_error *err)
{
    assert(store->outstanding == 0 && store->written == 0);
    return kofn_rows_load(store->rows, kind, visit, context, err);
}

uint64_t
kofn_store_get_progress(const kofn_store *store)
{
    return atomic_load_explicit(&store->progress, memory_order_relaxed);
}

void
kofn_store_get_totals(kofn_store *store, kofn_store_totals *ret_totals)
{
    pthread_mutex_lock(&store->mutex);
    *ret_totals = (kofn_store_totals){.bytes = store->bytes,
                                      .commits = store->commits,
                                      .written = store->written,
                                      .waiting = store->outstanding};
    pthread_mutex_unlock(&store->mutex);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static bool
names_file(void *context, uint64_t file)
{
    kofn_store *store = context;
    if (store->params.starting)
        store->params.starting(store->params.context);
    return kofn_rows_names_file(store->rows, file);
}

/* SQLite's own lock goes with the file, and a damaged one is renamed. */
static kofn_status
lock(kofn_store *store, const char *folder, kofn_error *err)
{
    store->lock_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock_fd < 0)
        return kofn_fail(err, kofn_status_from_errno(errno),
                         "the store's folder cannot be opened: %s", strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return KOFN_OK; // some file systems have no such locks
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "another kofn-master uses this store: stop it, or choose another store.dir");
}

enum { NAME_ENDS = 64 }; // room for what is put behind the name of the database

static kofn_status
open_files(kofn_store *store, kofn_error *err)
{
    char path[4096];
    const char *folder = store->params.folder;
    kofn_store_findings *found = &store->findings;
    if ((size_t)snprintf(path, sizeof path, "%s/jobs.db", folder) >= sizeof path - NAME_ENDS)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the path of the store's folder is too long");
    kofn_status status = kofn_spool_make_folder(folder, store->params.sync, err);
    if (!status)
        status = lock(store, folder, err);
    if (!status)
        status = kofn_rows_open(path, &store->params, &store->rows, found, err);
    snprintf(path, sizeof path, "%s/spool", folder);
    if (!status)
        status = kofn_spool_open(path, store->params.sync, &store->progress, &store->spool, err);
    if (!status)
        status = kofn_spool_sweep(&store->spool, names_file, store, store->params.bytes_max / 4,
                                  &found->files, &found->files_bytes, err);
    if (!status)
        status = kofn_rows_count_bytes(store->rows, &store->bytes, err);
    return status ? kofn_fail_within(err, "store '%s'", folder) : KOFN_OK;
}

static kofn_status
start_threads(kofn_store *store, kofn_error *err)
{
    store->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool good = store->wake_fd >= 0;
    if (good)
        good = store->writer_runs = pthread_create(&store->writer, NULL, writer_main, store) == 0;
    for (; good && store->count < store->params.helpers; store->count += good)
        good = pthread_create(&store->helpers[store->count], NULL, helper_main, store) == 0;
    return good ? KOFN_OK
                : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "could not start the store's %zu threads",
                            store->params.helpers + 1);
}

kofn_status
kofn_store_open(const kofn_store_params *params, kofn_store **ret_store, kofn_error *err)
{
    assert(params->helpers > 0);
    kofn_store *store = calloc(1, sizeof *store + params->helpers * sizeof store->helpers[0]);
    if (!store || sodium_init() < 0) {
        free(store);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the store");
    }
    store->params = *params;
    store->spool.folder = store->wake_fd = store->lock_fd = -1;
    queue_init(&store->helping);
    queue_init(&store->writing);
    queue_init(&store->done);
    kofn_rng_init(&store->files, kofn_rng_fresh_seed(), 0);
    pthread_mutex_init(&store->mutex, NULL); // these cannot fail with default attributes
    pthread_cond_init(&store->to_help, NULL);
    pthread_cond_init(&store->to_write, NULL);
    pthread_cond_init(&store->to_serve, NULL);
    kofn_status status = open_files(store, err);
    store->params.folder = NULL; // the caller's
    if (!status)
        status = start_threads(store, err);
    if (status) {
        kofn_store_close(&store);
        return status;
    }
    *ret_store = store;
    return KOFN_OK;
}

static void
drain(kofn_store *store)
{
    while (store->outstanding > 0) {
        pthread_mutex_lock(&store->mutex);
        while (!store->done.first)
            pthread_cond_wait(&store->to_serve, &store->mutex);
        pthread_mutex_unlock(&store->mutex);
        serve_done(store);
    }
}

static void
end_threads(kofn_store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->ending = true;
    pthread_cond_broadcast(&store->to_help);
    pthread_cond_broadcast(&store->to_write);
    pthread_mutex_unlock(&store->mutex);
    if (store->writer_runs)
        pthread_join(store->writer, NULL);
    for (size_t i = 0; i < store->count; i++)
        pthread_join(store->helpers[i], NULL);
}

void
kofn_store_close(kofn_store **store_p)
{
    kofn_store *store = *store_p;
    if (!store)
        return;
    drain(store);
    end_threads(store);
    kofn_spool_close(&store->spool);
    kofn_rows_close(&store->rows);
    kofn_map_fini(&store->busy);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->wake_fd >= 0)
        close(store->wake_fd);
    pthread_cond_destroy(&store->to_help);
    pthread_cond_destroy(&store->to_write);
    pthread_cond_destroy(&store->to_serve);
    pthread_mutex_destroy(&store->mutex);
    free(store);
    *store_p = NULL;
}
