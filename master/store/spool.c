#include "master/store/spool.h"
#include "master/store/digest.h"
#include "master/store/failpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOST_S (7 * 24 * 3600) // that a file stays in lost/

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
kofn_spool_make_folder(const char *path, bool sync, kofn_error *err)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? KOFN_OK : fail_by_errno(err, errno, "make the folder", path);
    char *copy = sync ? strdup(path) : NULL;
    if (!copy)
        return sync ? kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the store") : KOFN_OK;
    const int parent = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = parent >= 0 && fsync(parent) == 0;
    const int failed = errno;
    if (parent >= 0)
        close(parent);
    free(copy);
    return synced ? KOFN_OK : fail_by_errno(err, failed, "sync the folder around", path);
}

kofn_status
kofn_spool_open(const char *path, bool sync, atomic_uint_fast64_t *moved, kofn_spool *ret_spool,
                kofn_error *err)
{
    const kofn_status status = kofn_spool_make_folder(path, sync, err);
    if (status)
        return status;
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

/* ---- writing --------------------------------------------------------------------------------- */

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

/* ---- reading --------------------------------------------------------------------------------- */

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

/* ---- cleaning -------------------------------------------------------------------------------- */

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

typedef struct lost_file {
    char name[NAME_DIGITS + 1];
    uint64_t bytes;
    int64_t since_s; // it is lost
} lost_file;

typedef struct sweep {
    const kofn_spool *spool;
    bool (*is_wanted)(void *context, uint64_t file);
    void *context;
    int lost; // descriptor; -1: there is no such folder
    uint64_t count, bytes;
    lost_file *files; // [file_count]: what is in there
    size_t file_count, file_capacity;
} sweep;

/* False: the system does not let us, which is tried again at the next start. */
static bool
open_lost(sweep *s, bool make)
{
    const int folder = s->spool->folder;
    if (s->lost < 0 && make && mkdirat(folder, "lost", 0700) != 0 && errno != EEXIST)
        return false;
    if (s->lost < 0)
        s->lost = openat(folder, "lost", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return s->lost >= 0;
}

static void
lose(sweep *s, const char *name)
{
    struct stat st;
    if (!open_lost(s, true) || fstatat(s->spool->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        renameat(s->spool->folder, name, s->lost, name) != 0)
        return;
    s->count++;
    s->bytes += (uint64_t)st.st_size;
}

static void
sweep_spool(sweep *s, const char *name, uint64_t file, bool whole)
{
    if (!whole)
        (void)unlinkat(s->spool->folder, name, 0); // nobody was told of it
    else if (!s->is_wanted(s->context, file))
        lose(s, name);
}

/* What is in the spool by that name stays. Not all file systems can be told so. */
static void
bring_back(sweep *s, const char *name)
{
    const int there = s->spool->folder;
    if (renameat2(s->lost, name, there, name, RENAME_NOREPLACE) == 0 || errno == EEXIST)
        return;
    if (faccessat(there, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        (void)renameat(s->lost, name, there, name); // or the job that names it says what it lacks
}

/* A rename sets st_ctime, on all file systems that we know: since then it is lost. */
static void
sweep_lost(sweep *s, const char *name, uint64_t file, bool whole)
{
    struct stat st;
    if (!whole || fstatat(s->lost, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (s->is_wanted(s->context, file)) {
        bring_back(s, name);
        return;
    }
    if (s->file_count == s->file_capacity) {
        const size_t capacity = 2 * s->file_capacity + 16;
        lost_file *files = reallocarray(s->files, capacity, sizeof files[0]);
        if (!files)
            return; // it is counted the next time
        s->files = files;
        s->file_capacity = capacity;
    }
    lost_file *lost = &s->files[s->file_count++];
    *lost = (lost_file){.bytes = (uint64_t)st.st_size, .since_s = st.st_ctim.tv_sec};
    memcpy(lost->name, name, NAME_DIGITS);
}

static int
compare_lost(const void *a, const void *b)
{
    const lost_file *x = a, *y = b;
    return x->since_s != y->since_s ? (x->since_s < y->since_s ? 1 : -1) : strcmp(x->name, y->name);
}

/* The newest stay. */
static void
trim_lost(sweep *s, uint64_t bytes_max)
{
    struct timespec now;
    uint64_t bytes = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail for this clock
    if (s->file_count > 0)
        qsort(s->files, s->file_count, sizeof s->files[0], compare_lost);
    for (size_t i = 0; i < s->file_count; i++) {
        bytes += s->files[i].bytes;
        if (bytes > bytes_max || now.tv_sec - s->files[i].since_s > LOST_S)
            (void)unlinkat(s->lost, s->files[i].name, 0);
    }
}

/* Each of our names in a folder; what is not ours stays as it is. */
static kofn_status
walk(sweep *s, int folder, void (*visit)(sweep *s, const char *name, uint64_t file, bool whole),
     kofn_error *err)
{
    const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        const int failed = errno;
        if (fd >= 0)
            close(fd);
        return fail_by_errno(err, failed, "list", "its folder");
    }
    uint64_t file;
    bool whole;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (parse_name(entry->d_name, &file, &whole))
            visit(s, entry->d_name, file, whole);
    closedir(entries);
    return KOFN_OK;
}

kofn_status
kofn_spool_sweep(const kofn_spool *spool, bool (*is_wanted)(void *context, uint64_t file),
                 void *context, uint64_t bytes_max, uint64_t *ret_count, uint64_t *ret_bytes,
                 kofn_error *err)
{
    sweep s = {.spool = spool, .is_wanted = is_wanted, .context = context, .lost = -1};
    kofn_status status = walk(&s, spool->folder, sweep_spool, err);
    if (!status && bytes_max == 0) {
        status = kofn_spool_get_free(spool, &bytes_max, err);
        bytes_max /= 4;
    }
    if (!status && open_lost(&s, false)) {
        status = walk(&s, s.lost, sweep_lost, err);
        trim_lost(&s, bytes_max);
    }
    if (s.lost >= 0)
        close(s.lost);
    free(s.files);
    if (status)
        return status;
    *ret_count = s.count;
    *ret_bytes = s.bytes;
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
    if (st.f_flag & ST_RDONLY)
        return fail_by_errno(err, EROFS, "write to", "its folder");
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return KOFN_OK;
}
