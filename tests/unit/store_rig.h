/* What tests of the store share: a folder of their own, matrices that say where they belong, and
 * requests that are waited for. Included once by a test program. */
#ifndef KOFN_TESTS_STORE_RIG_H
#define KOFN_TESTS_STORE_RIG_H

#include "tests/assert.h"

#include "master/store/rows.h"
#include "master/store/store.h"

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <unistd.h>

typedef struct store_rig {
    char folder[64];
    kofn_pool *pool;
    kofn_store *store;
    kofn_store_params params;
} store_rig;

static inline int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int
rig_setup(void **state)
{
    store_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/kofn-store-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    assert_int_equal(kofn_pool_new(1 << 20, &rig->pool, NULL), KOFN_OK);
    rig->params =
        (kofn_store_params){.folder = rig->folder, .sync = true, .helpers = 2, .pool = rig->pool};
    *state = rig;
    return 0;
}

static inline int
rig_teardown(void **state)
{
    store_rig *rig = *state;
    kofn_store_close(&rig->store);
    kofn_pool_destroy(&rig->pool);
    (void)nftw(rig->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

static inline void
rig_open(store_rig *rig)
{
    kofn_error error;
    assert_ok(kofn_store_open(&rig->params, &rig->store, &error));
}

/* ---- requests -------------------------------------------------------------------------------- */

static inline void
note_done(kofn_store_request *request)
{
    *(bool *)request->context = true;
}

static inline void
rig_wait(store_rig *rig, const bool *done)
{
    while (!*done) {
        struct pollfd wake = {.fd = kofn_store_get_fd(rig->store), .events = POLLIN};
        assert_true(poll(&wake, 1, 20000) == 1);
        kofn_store_serve(rig->store);
    }
}

/* Submit and wait; the request's error is the result. */
static inline kofn_status
rig_call(store_rig *rig, kofn_store_request *request, kofn_error *error)
{
    bool done = false;
    request->done = note_done;
    request->context = &done;
    kofn_store_submit(rig->store, request);
    assert_false(done);
    rig_wait(rig, &done);
    *error = request->error;
    return request->error.status;
}

static inline kofn_store_request
request_of(kofn_store_verb verb, uint64_t id)
{
    return (kofn_store_request){.verb = verb, .record = {.kind = KOFN_STORE_JOB, .id = id}};
}

/* ---- matrices -------------------------------------------------------------------------------- */

static inline double
element_of(uint64_t id, unsigned slot, unsigned version, size_t i)
{
    return (double)(id * 1000003 + slot * 10007 + version * 101 + i % 97);
}

/* f64, in two bands of which the second has a stride, as views of a caller's transposition
 * might. */
static inline void
make_bands(kofn_pool *pool, uint64_t id, unsigned slot, unsigned version, size_t rows, size_t cols,
           kofn_bands *ret_bands)
{
    const size_t cut = rows / 2;
    kofn_mat upper, wide;
    assert_int_equal(kofn_mat_new(pool, KOFN_F64, cut, cols, &upper, NULL), KOFN_OK);
    assert_int_equal(kofn_mat_new(pool, KOFN_F64, rows - cut, cols + 3, &wide, NULL), KOFN_OK);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            (i < cut ? (double *)upper.data + i * cols
                     : (double *)wide.data + (i - cut) * (cols + 3))[j] =
                element_of(id, slot, version, i * cols + j);
    wide.cols = cols;
    kofn_bands_init(ret_bands, KOFN_F64, rows, cols);
    if (cut > 0)
        assert_int_equal(kofn_bands_append(ret_bands, &upper, NULL, 0, NULL), KOFN_OK);
    if (rows > cut)
        assert_int_equal(kofn_bands_append(ret_bands, &wide, NULL, 0, NULL), KOFN_OK);
    kofn_mat_fini(&upper);
    kofn_mat_fini(&wide);
}

static inline bool
is_matrix(const kofn_mat *mat, uint64_t id, unsigned slot, unsigned version)
{
    for (size_t i = 0; i < mat->rows * mat->cols; i++)
        if (((const double *)mat->data)[i] != element_of(id, slot, version, i))
            return false;
    return mat->dtype == KOFN_F64;
}

/* Store a new record with one matrix in slot 0. */
static inline kofn_status
rig_put(store_rig *rig, uint64_t id, size_t rows, size_t cols, kofn_error *error)
{
    kofn_bands bands;
    make_bands(rig->pool, id, 0, 1, rows, cols, &bands);
    kofn_store_request put = request_of(KOFN_STORE_PUT, id);
    put.is_new = true;
    put.record.body = "body";
    put.record.body_bytes = 4;
    put.matrix_count = 1;
    put.matrices[0] = (kofn_store_matrix){.slot = 0, .bands = &bands};
    const kofn_status status = rig_call(rig, &put, error);
    kofn_bands_fini(&bands);
    return status;
}

/* Fetch slot 0 of such a record; what comes must be right. */
static inline kofn_status
rig_fetch(store_rig *rig, uint64_t id, kofn_error *error)
{
    kofn_store_request fetch = request_of(KOFN_STORE_FETCH, id);
    const kofn_status status = rig_call(rig, &fetch, error);
    if (status == KOFN_OK)
        assert_true(is_matrix(&fetch.fetched, id, 0, 1));
    else
        assert_null(fetch.fetched.data);
    kofn_mat_fini(&fetch.fetched);
    return status;
}

/* Files in the spool; the last one's path. */
static inline size_t
count_files(const store_rig *rig, char *ret_path, size_t path_max)
{
    char folder[96];
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/spool", rig->folder);
    DIR *spool = opendir(folder);
    assert_non_null(spool);
    for (const struct dirent *entry; (entry = readdir(spool)) != NULL;)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lost") != 0) {
            count++;
            if (ret_path)
                snprintf(ret_path, path_max, "%s/%s", folder, entry->d_name);
        }
    closedir(spool);
    return count;
}

#endif
