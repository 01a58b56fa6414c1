#include "master/store/spool.h"
#include "master/store/digest.h"
#include "master/store/failpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    NAME_DIGITS = 16,
    NAME_MAX_BYTES = 32,
    STEP_BYTES = 1 << 20, // that are written or read at once: each step counts as progress
    SYNC_BYTES = 64 << 20 // and so many are synced, lest a sync have gigabytes to do
};

kofn_status
kofn_spool_status(int error_number)
{
    const kofn_status status = kofn_status_from_errno(error_number);
    return status == KOFN_PERMISSION_DENIED || status == KOFN_NOT_FOUND ? KOFN_FAILED_PRECONDITION
                                                                        : status;
}

static kofn_status
fail_by_errno(kofn_error *err, int error_number, const char *what, const char *name)
{
    const kofn_status status = kofn_spool_status(error_number);
    const char *hint = error_number == ENOSPC               ? "; free some space on that disk"
                       : status == KOFN_FAILED_PRECONDITION ? "; make the store writable again"
                                                            : "";
    return kofn_fail(err, status, "spool: cannot %s '%s': %s%s", what, name, strerror(error_number),
                     hint);
}

kofn_status
kofn_spool_open(const char *path, bool sync, atomic_uint_fast64_t *moved, kofn_spool *ret_spool,
                kofn_error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail_by_errno(err, errno, "make the folder", path);
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail_by_errno(err, errno, "open the folder", path);
    *ret_spool = (kofn_spool){.folder = folder, .sync = sync, .moved = moved};
    return KOFN_OK;
}

void
kofn_spool_close(kofn_spool *spool)
{
    if (spool->folder >= 0)
        close(spool->folder);
    spool->folder = -1;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void
count_moved(const kofn_spool *spool, ssize_t bytes)
{
    atomic_fetch_add_explicit(spool->moved, (uint64_t)bytes, memory_order_relaxed);
}

/* 0 or an errno. *unsynced: bytes of the file since its last sync. */
static int
write_whole(const kofn_spool *spool, int fd, const char *data, size_t bytes, size_t *unsynced)
{
    while (bytes > 0) {
        const ssize_t written = write(fd, data, bytes < STEP_BYTES ? bytes : STEP_BYTES);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        data += written;
        bytes -= (size_t)written;
        *unsynced += (size_t)written;
        if (spool->sync && *unsynced >= SYNC_BYTES) {
            if (fdatasync(fd) != 0)
                return errno;
            *unsynced = 0;
        }
        count_moved(spool, written);
    }
    return 0;
}

static int
write_elements(const kofn_spool *spool, int fd, const kofn_bands *bands)
{
    kofn_piece_cursor cursor = {0};
    const void *data;
    size_t bytes, unsynced = 0;
    int failed = 0;
    while (!failed && kofn_bands_next_piece(bands, &cursor, &data, &bytes))
        failed = write_whole(spool, fd, data, bytes, &unsynced);
    if (!failed)
        failed = kofn_failpoint_pass(KOFN_FAIL_FILE_WRITTEN);
    if (!failed && spool->sync && fdatasync(fd) != 0)
        failed = errno;
    return failed;
}

kofn_status
kofn_spool_write(const kofn_spool *spool, uint64_t file, const kofn_bands *bands, kofn_error *err)
{
    char name[NAME_MAX_BYTES], new_name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%016" PRIx64, file);
    snprintf(new_name, sizeof new_name, "%s.new", name);
    const int fd =
        openat(spool->folder, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_by_errno(err, errno, "make", new_name);

    int failed = write_elements(spool, fd, bands);
    if (close(fd) != 0 && !failed)
        failed = errno;
    if (!failed)
        failed = kofn_failpoint_pass(KOFN_FAIL_FILE_SYNCED);
    if (!failed && renameat(spool->folder, new_name, spool->folder, name) != 0)
        failed = errno;
    if (failed) {
        (void)unlinkat(spool->folder, new_name, 0); // or the next start does it
        return fail_by_errno(err, failed, "write", name);
    }
    if ((failed = kofn_failpoint_pass(KOFN_FAIL_FILE_RENAMED)) != 0) {
        kofn_spool_remove(spool, file);
        return fail_by_errno(err, failed, "write", name);
    }
    return KOFN_OK;
}

kofn_status
kofn_spool_sync(const kofn_spool *spool, kofn_error *err)
{
    if (spool->sync && fsync(spool->folder) != 0)
        return fail_by_errno(err, errno, "sync", "its folder");
    return KOFN_OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* 0 or an errno; ENODATA where the file ends too soon. */
static int
read_whole(const kofn_spool *spool, int fd, char *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t got = read(fd, data, bytes < STEP_BYTES ? bytes : STEP_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : ENODATA;
        data += got;
        bytes -= (size_t)got;
        count_moved(spool, got);
    }
    return 0;
}

static kofn_status
read_elements(const kofn_spool *spool, int fd, const char *name, kofn_pool *pool,
              const kofn_mat *shape, kofn_mat *ret_mat, kofn_error *err)
{
    struct stat st;
    size_t bytes;
    kofn_status status = kofn_mat_bytes(shape->dtype, shape->rows, shape->cols, &bytes, err);
    if (status)
        return status;
    if (fstat(fd, &st) != 0)
        return fail_by_errno(err, errno, "look at", name);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes) // before memory is taken for it
        return kofn_fail(err, KOFN_DATA_LOSS, "spool: '%s' has %jd bytes, its row says %zu", name,
                         (intmax_t)st.st_size, bytes);
    kofn_mat mat;
    status = kofn_mat_new(pool, shape->dtype, shape->rows, shape->cols, &mat, err);
    if (status)
        return status;
    const int failed = read_whole(spool, fd, mat.data, bytes);
    if (failed) {
        kofn_mat_fini(&mat);
        return kofn_fail(err, KOFN_DATA_LOSS, "spool: cannot read '%s': %s", name,
                         strerror(failed));
    }
    *ret_mat = mat;
    return KOFN_OK;
}

kofn_status
kofn_spool_read(const kofn_spool *spool, uint64_t file, kofn_pool *pool, kofn_dtype dtype,
                size_t rows, size_t cols, kofn_mat *ret_mat, kofn_error *err)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%016" PRIx64, file);
    /* NONBLOCK: a pipe in its place must not hold us up. */
    const int fd = openat(spool->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP))
        return kofn_fail(err, KOFN_DATA_LOSS, "spool: there is no file '%s'", name);
    if (fd < 0)
        return fail_by_errno(err, errno, "open", name);
    const kofn_mat shape = {.dtype = dtype, .rows = rows, .cols = cols};
    const kofn_status status = read_elements(spool, fd, name, pool, &shape, ret_mat, err);
    close(fd);
    return status;
}

/* ---- cleaning ---------------------------------------------------------------------------------- */

void
kofn_spool_remove(const kofn_spool *spool, uint64_t file)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%016" PRIx64, file);
    (void)unlinkat(spool->folder, name, 0); // a file too many does no harm
}

/* Is it a name that we give? Anything else in the folder is not ours to remove. */
static bool
parse_name(const char *name, uint64_t *ret_file, bool *ret_whole)
{
    if (strspn(name, "0123456789abcdef") != NAME_DIGITS)
        return false;
    *ret_whole = name[NAME_DIGITS] == '\0';
    *ret_file = strtoull(name, NULL, 16);
    return *ret_whole || strcmp(name + NAME_DIGITS, ".new") == 0;
}

kofn_status
kofn_spool_sweep(const kofn_spool *spool, bool (*is_wanted)(void *context, uint64_t file),
                 void *context, kofn_error *err)
{
    const int fd = openat(spool->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        const int failed = errno;
        if (fd >= 0)
            close(fd);
        return fail_by_errno(err, failed, "list", "its folder");
    }
    uint64_t file;
    bool whole;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (parse_name(entry->d_name, &file, &whole) && !(whole && is_wanted(context, file)))
            (void)unlinkat(spool->folder, entry->d_name, 0); // tried again at the next start
    closedir(folder);
    return KOFN_OK;
}

kofn_status
kofn_spool_get_free(const kofn_spool *spool, uint64_t *ret_bytes, kofn_error *err)
{
    struct stat folder;
    struct statvfs st;
    if (fstat(spool->folder, &folder) == 0 &&
        folder.st_nlink == 0) // writing would go on, to nowhere
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "the store's folder was removed: start kofn-master anew");
    if (fstatvfs(spool->folder, &st) != 0)
        return fail_by_errno(err, errno, "ask for the space left for", "its folder");
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return KOFN_OK;
}
