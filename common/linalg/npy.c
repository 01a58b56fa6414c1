/* .npy: magic, version, length of the header, the header, elements.
 *
 *     \x93NUMPY | 1 0 | u16 length (u32 from version 2) | dictionary, spaces, \n | elements ...
 *     {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
 *
 * The header is a Python literal; of Python's grammar this reads the dictionaries that writers
 * make: the three keys in any order, each once, either quotes, blanks anywhere between tokens.
 *
 * Source     NumPy, "The NPY format" (NEP 1), versions 1.0, 2.0 and 3.0. */
#include "common/linalg/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 8,        // with the version
    HEADER_MAX = 64 * 1024, // NumPy's own limit for what it evaluates is 10,000
    PREAMBLE_MAX = MAGIC_BYTES + 4 + HEADER_MAX,
    MAP_FROM = 1 << 20,        // bytes: below, a read is cheaper than page faults
    ALIGNMENT = 64,            // of the elements in files we write
    TOKEN_MAX = 16,            // "fortran_order" is the longest
    WRITE_BUFFER = 256 * 1024, // for rows with gaps between them
    BATCH = 32,                // files that wait for the disk together, and are open meanwhile
};

/* ---- the header's dictionary ----------------------------------------------------------------- */

typedef struct reader {
    const char *at, *end;
} reader;

static void
skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Take one character, if it is next. */
static bool
accept(reader *r, char wanted)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != wanted)
        return false;
    r->at++;
    return true;
}

/* A quoted string without escapes and NULs, into `text`; false when it is none or too long. */
static bool
read_string(reader *r, char text[TOKEN_MAX])
{
    skip_blanks(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"'))
        return false;
    const char quote = *r->at++;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    const size_t length = close ? (size_t)(close - r->at) : 0;
    if (!close || length >= TOKEN_MAX || memchr(r->at, '\\', length) || memchr(r->at, '\0', length))
        return false;
    memcpy(text, r->at, length);
    text[length] = '\0';
    r->at = close + 1;
    return true;
}

static bool
read_bool(reader *r, bool *ret_value)
{
    skip_blanks(r);
    const size_t left = (size_t)(r->end - r->at);
    *ret_value = left >= 4 && memcmp(r->at, "True", 4) == 0;
    if (!*ret_value && (left < 5 || memcmp(r->at, "False", 5) != 0))
        return false;
    r->at += *ret_value ? 4 : 5;
    return true;
}

static bool
read_size(reader *r, uint64_t *ret_value)
{
    skip_blanks(r);
    const char *first = r->at;
    uint64_t value = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*r->at - '0'), &value))
            return false;
    if (r->at == first)
        return false;
    (void)accept(r, 'L'); // Python 2 wrote long integers so
    *ret_value = value;
    return true;
}

/* What the dictionary says, before it is judged. */
typedef struct dictionary {
    char descr[TOKEN_MAX];
    bool fortran_order;
    bool negative; // a dimension
    uint64_t shape[2];
    size_t dims; // may pass 2; only the first two are kept
} dictionary;

/* (3, 4), (3,), () */
static bool
read_shape(reader *r, dictionary *h)
{
    if (!accept(r, '('))
        return false;
    h->dims = 0;
    while (!accept(r, ')')) {
        uint64_t size;
        h->negative |= accept(r, '-');
        if (!read_size(r, &size))
            return false;
        if (h->dims < 2)
            h->shape[h->dims] = size;
        h->dims++;
        if (!accept(r, ',')) {
            if (h->dims == 1) // (3) is a number, not a tuple
                return false;
            return accept(r, ')');
        }
    }
    return true;
}

/* One key with its value; *seen collects which. */
static kofn_status
read_entry(reader *r, dictionary *h, unsigned *seen, kofn_error *err)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    char key[TOKEN_MAX];
    if (!read_string(r, key) || !accept(r, ':'))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy header is no dictionary of 'descr', 'fortran_order', 'shape'");
    unsigned bit;
    bool valid;
    if (strcmp(key, "descr") == 0) {
        if (accept(r, '['))
            return kofn_fail(err, KOFN_UNIMPLEMENTED,
                             "the .npy file holds records, which are not carried: save one field");
        bit = DESCR;
        valid = read_string(r, h->descr);
    } else if (strcmp(key, "fortran_order") == 0) {
        bit = ORDER;
        valid = read_bool(r, &h->fortran_order);
    } else if (strcmp(key, "shape") == 0) {
        bit = SHAPE;
        valid = read_shape(r, h);
    } else {
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy header has an unknown key '%s'",
                         key);
    }
    if (!valid || (*seen & bit))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy header's '%s' is %s", key,
                         valid ? "given twice" : "not readable");
    if (h->negative)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy header's 'shape' has a dimension below 0");
    *seen |= bit;
    return KOFN_OK;
}

static kofn_status
read_dictionary(reader *r, dictionary *h, kofn_error *err)
{
    unsigned seen = 0;
    bool open = accept(r, '{');
    while (open && !accept(r, '}')) {
        kofn_status status = read_entry(r, h, &seen, err);
        if (status)
            return status;
        if (!accept(r, ',')) {
            open = accept(r, '}');
            break;
        }
    }
    skip_blanks(r);
    if (!open || seen != 7 || r->at != r->end)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy header is no dictionary of 'descr', 'fortran_order', 'shape'");
    return KOFN_OK;
}

static const struct {
    const char *descr;
    kofn_dtype dtype;
} descrs[] = {
    {"<f8", KOFN_F64}, {"<f4", KOFN_F32}, {"|u1", KOFN_U8},  {"<u1", KOFN_U8},    {"<u4", KOFN_U32},
    {"<i4", KOFN_I32}, {"<i8", KOFN_I64}, {"<c8", KOFN_C64}, {"<c16", KOFN_C128},
};

static kofn_status
find_dtype(const char *descr, kofn_dtype *ret_dtype, kofn_error *err)
{
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++)
        if (strcmp(descrs[i].descr, descr) == 0) {
            *ret_dtype = descrs[i].dtype;
            return KOFN_OK;
        }
    for (const char *c = descr; *c; c++)
        if (*c < ' ' || *c > '~')
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy dtype is no plain text");
    return kofn_fail(err, KOFN_UNIMPLEMENTED,
                     "dtype '%s' is not carried: save as little-endian f8, f4, u1, u4, i4, i8, c8 "
                     "or c16",
                     descr);
}

/* Shape and order as a row-major view. A vector of m is m x 1, in either order. */
static kofn_status
fill_view(const dictionary *h, uint64_t available, kofn_npy *npy, kofn_error *err)
{
    if (h->dims != 1 && h->dims != 2)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy array has %zu dimensions: a matrix has 2, a vector 1", h->dims);
    kofn_dtype dtype = KOFN_DTYPE_NONE;
    kofn_status status = find_dtype(h->descr, &dtype, err);
    if (status)
        return status;

    const size_t rows = (size_t)h->shape[0], cols = h->dims == 2 ? (size_t)h->shape[1] : 1;
    const bool transposed = h->fortran_order && h->dims == 2;
    size_t bytes;
    status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy shape %zu x %zu is impossible", rows,
                         cols);
    if (bytes > available)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy file is cut off: %zu x %zu %s take %zu bytes, %" PRIu64
                         " are there",
                         rows, cols, kofn_dtype_name(dtype), bytes, available);
    if (bytes < available)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy file goes on behind its matrix: %zu x %zu %s take %zu bytes, "
                         "%" PRIu64 " are there; is it two files joined?",
                         rows, cols, kofn_dtype_name(dtype), bytes, available);
    npy->transposed = transposed;
    npy->mat = transposed ? kofn_mat_wrap(NULL, dtype, cols, rows)
                          : kofn_mat_wrap(NULL, dtype, rows, cols);
    return KOFN_OK;
}

/* Where the header starts and ends, counted from the start of the file. */
static kofn_status
find_header(const unsigned char *data, size_t length, uint64_t file_size, size_t *ret_first,
            size_t *ret_end, kofn_error *err)
{
    if (length < MAGIC_BYTES || memcmp(data, "\x93NUMPY", 6) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "no .npy file: its first bytes are not "
                         "\\x93NUMPY");
    const unsigned major = data[6], minor = data[7];
    if (major < 1 || major > 3 || minor != 0)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         ".npy version %u.%u is not known: 1.0, 2.0 and 3.0 are", major, minor);

    const size_t first = MAGIC_BYTES + (major == 1 ? 2 : 4);
    if (length < first)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy file ends in its header");
    size_t header = data[8] | (size_t)data[9] << 8;
    if (major > 1)
        header |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (header > HEADER_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the .npy header has %zu bytes, the limit is %d", header, HEADER_MAX);
    if (header > length - first || first + header > file_size)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the .npy file ends in its header");
    *ret_first = first;
    *ret_end = first + header;
    return KOFN_OK;
}

kofn_status
kofn_npy_parse(const void *data, size_t length, uint64_t file_size, kofn_npy *ret_npy,
               size_t *ret_offset, kofn_error *err)
{
    size_t first = 0, end = 0;
    kofn_status status = find_header(data, length, file_size, &first, &end, err);
    if (status)
        return status;

    dictionary h = {0};
    reader r = {.at = (const char *)data + first, .end = (const char *)data + end};
    kofn_npy npy = {0};
    status = read_dictionary(&r, &h, err);
    if (!status)
        status = fill_view(&h, file_size - end, &npy, err);
    if (status)
        return status;
    *ret_npy = npy;
    *ret_offset = end;
    return KOFN_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static kofn_status
file_failure(kofn_error *err, const char *what, const char *path, int error)
{
    return kofn_fail(err, kofn_status_from_errno(error), "cannot %s '%s': %s", what, path,
                     strerrordesc_np(error));
}

/* `length` bytes from `offset`, or fewer where the file ends; negative: errno. */
static ssize_t
read_fully(int fd, unsigned char *data, size_t length, off_t offset)
{
    size_t done = 0;
    while (done < length) {
        const ssize_t got = pread(fd, data + done, length - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static void
release_memory(void *data, void *hint)
{
    (void)hint;
    free(data);
}

static void
release_mapping(void *data, void *hint)
{
    (void)munmap(data, (size_t)(uintptr_t)hint); // fails only for a range that was never mapped
}

/* A file that somebody cuts short while it is mapped raises SIGBUS at the next touch: the price of
 * not copying gigabytes. Files are replaced by rename (as kofn_npy_write does), not rewritten. */
static kofn_status
map_elements(int fd, const char *path, size_t offset, size_t bytes, kofn_npy *npy, kofn_error *err)
{
    const size_t whole = offset + bytes;
    void *base = mmap(NULL, whole, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED)
        return file_failure(err, "map", path, errno);
    kofn_status status =
        kofn_buf_wrap(base, whole, release_mapping, (void *)(uintptr_t)whole, &npy->mat.owner, err);
    if (status) {
        release_mapping(base, (void *)(uintptr_t)whole);
        return status;
    }
    npy->mat.data = (unsigned char *)base + offset;
    return KOFN_OK;
}

static kofn_status
load_elements(int fd, const char *path, size_t offset, size_t bytes, kofn_npy *npy, kofn_error *err)
{
    unsigned char *data = malloc(bytes > 0 ? bytes : 1);
    if (!data)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the %zu bytes of '%s'", bytes,
                         path);
    const ssize_t got = read_fully(fd, data, bytes, (off_t)offset);
    kofn_status status = KOFN_OK;
    if (got < 0)
        status = file_failure(err, "read", path, errno);
    else if ((size_t)got < bytes)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT, "'%s' was cut short while it was read", path);
    else
        status = kofn_buf_wrap(data, bytes, release_memory, NULL, &npy->mat.owner, err);
    if (status) {
        free(data);
        return status;
    }
    npy->mat.data = data;
    return KOFN_OK;
}

static kofn_status
read_open_file(int fd, const char *path, kofn_npy *ret_npy, kofn_error *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return file_failure(err, "look at", path, errno);
    if (!S_ISREG(info.st_mode))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "'%s' is no regular file", path);

    const uint64_t size = (uint64_t)info.st_size;
    const size_t head = size < PREAMBLE_MAX ? (size_t)size : PREAMBLE_MAX;
    unsigned char *preamble = malloc(head > 0 ? head : 1);
    if (!preamble)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the header of '%s'", path);

    kofn_npy npy;
    size_t offset = 0, bytes;
    const ssize_t got = read_fully(fd, preamble, head, 0);
    kofn_status status = got < 0 ? file_failure(err, "read", path, errno) : KOFN_OK;
    if (!status) {
        status = kofn_npy_parse(preamble, (size_t)got, size, &npy, &offset, err);
        if (status)
            (void)kofn_fail_within(err, "'%s'", path); // err may be NULL: keep our status
    }
    free(preamble);
    if (!status)
        status = kofn_mat_bytes(npy.mat.dtype, npy.mat.rows, npy.mat.cols, &bytes, err);
    if (!status)
        status =
            (bytes >= MAP_FROM ? map_elements : load_elements)(fd, path, offset, bytes, &npy, err);
    if (!status)
        *ret_npy = npy;
    return status;
}

kofn_status
kofn_npy_read(const char *path, kofn_npy *ret_npy, kofn_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block us
    if (fd < 0)
        return file_failure(err, "open", path, errno);
    kofn_status status = read_open_file(fd, path, ret_npy, err);
    (void)close(fd); // nothing was written
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The 128 bytes or so in front of the elements, padded so that they are aligned. */
static size_t
format_header(const kofn_bands *bands, unsigned char header[3 * ALIGNMENT])
{
    const char *descr = NULL;
    for (size_t i = 0; !descr && i < sizeof descrs / sizeof descrs[0]; i++)
        if (descrs[i].dtype == bands->dtype)
            descr = descrs[i].descr;
    if (!descr)
        return 0;

    const size_t first = MAGIC_BYTES + 2;
    memset(header, ' ', 3 * ALIGNMENT);
    memcpy(header, "\x93NUMPY\x01\x00", MAGIC_BYTES);
    const int used = snprintf((char *)header + first, 3 * ALIGNMENT - first,
                              "{'descr': '%s', 'fortran_order': False, 'shape': (%zu, %zu), }",
                              descr, bands->rows, bands->cols);
    const size_t text_end = first + (size_t)used + 1; // and a newline
    const size_t end = (text_end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    header[first + (size_t)used] = ' '; // snprintf's NUL
    header[end - 1] = '\n';
    header[8] = (unsigned char)((end - first) & 0xff);
    header[9] = (unsigned char)((end - first) >> 8);
    return end;
}

/* false: errno says why. */
static bool
write_matrix(FILE *file, const kofn_bands *bands)
{
    unsigned char header[3 * ALIGNMENT];
    const size_t header_bytes = format_header(bands, header);
    const size_t row_bytes = bands->cols * kofn_dtype_width(bands->dtype);
    (void)setvbuf(file, NULL, _IOFBF, WRITE_BUFFER); // refused: only slower
    bool good = fwrite(header, 1, header_bytes, file) == header_bytes;
    for (size_t i = 0; good && row_bytes > 0 && i < bands->count; i++) {
        const kofn_mat *mat = &bands->at[i].mat;
        const bool whole = mat->rows > 0 && kofn_mat_is_contiguous(mat);
        const size_t pieces = whole ? 1 : mat->rows;
        const size_t bytes = whole ? mat->rows * row_bytes : row_bytes;
        for (size_t row = 0; good && row < pieces; row++)
            good = fwrite(kofn_mat_get_row(mat, row), 1, bytes, file) == bytes;
    }
    return good && fflush(file) == 0;
}

/* A new file beside the target, with the rights of the file that it replaces. Its name is freed by
 * the caller; NULL: errno says why. */
static FILE *
open_temporary(const char *target, const struct stat *old, char **ret_name)
{
    enum { ATTEMPTS = 100 };
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        char *name;
        if (asprintf(&name, "%s.%ld-%u.tmp", target, (long)getpid(), attempt) < 0) {
            errno = ENOMEM;
            return NULL;
        }
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            if (old)
                (void)fchmod(fd, old->st_mode & 0777); // not ours to change: then as created
            *ret_name = name;
            FILE *file = fdopen(fd, "wb");
            if (!file)
                (void)close(fd); // without memory; errno says so
            return file;
        }
        const int error = errno;
        free(name);
        errno = error;
        if (error != EEXIST)
            return NULL;
    }
    return NULL;
}

/* A file on its way. Nothing of it is under its own name before it is on the disk. */
typedef struct writing {
    FILE *file;      // NULL: it came to nothing, or is a pipe or a device, and done with
    char *temporary; // its name until then
    char *target;    // behind links
} writing;

/* A link stays, the file behind it is replaced. */
static int
begin_replacing(const char *path, const struct stat *old, writing *w)
{
    w->target = old ? realpath(path, NULL) : strdup(path);
    if (w->target)
        w->file = open_temporary(w->target, old, &w->temporary);
    return w->file ? 0 : errno;
}

/* 0 or the first errno, as all below. */
static int
close_file(FILE **file_p)
{
    FILE *file = *file_p;
    *file_p = NULL;
    return file && fclose(file) != 0 ? errno : 0;
}

/* A pipe or a device: there is nothing to replace, and renaming onto /dev/null would be a bad
 * joke. */
static int
write_special(const char *path, const kofn_bands *bands)
{
    FILE *file = fopen(path, "wbe");
    int error = file && write_matrix(file, bands) ? 0 : errno;
    const int closing = close_file(&file);
    return error ? error : closing;
}

/* To the disk, but not waited for. */
static int
begin_writing(const char *path, const kofn_bands *bands, writing *w)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    if (!there && errno != ENOENT)
        return errno;
    if (there && !S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? EISDIR : write_special(path, bands);
    const int error = begin_replacing(path, there ? &info : NULL, w);
    if (error)
        return error;
    if (!write_matrix(w->file, bands))
        return errno;
    (void)sync_file_range(fileno(w->file), 0, 0, SYNC_FILE_RANGE_WRITE); // only a hint
    return 0;
}

static int
sync_and_close(writing *w)
{
    const int error = fsync(fileno(w->file)) < 0 ? errno : 0;
    const int closing = close_file(&w->file);
    return error ? error : closing;
}

/* So that the new name survives a power cut. Some file systems refuse; the data is safe then. */
static void
sync_directory(const char *directory)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* "." of one without a slash; NULL: no memory. */
static char *
directory_of(const char *target)
{
    const char *slash = strrchr(target, '/');
    return slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
}

/* Each once, where they follow one another. */
static void
sync_directories(const kofn_npy_file *files, const writing *writings, size_t count)
{
    char *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (files[i].error.status != KOFN_OK || !writings[i].target)
            continue;
        char *directory = directory_of(writings[i].target);
        if (directory && !(last && strcmp(directory, last) == 0))
            sync_directory(directory);
        free(last);
        last = directory;
    }
    free(last);
}

static kofn_status
check_writable(const kofn_npy_file *file, kofn_error *err)
{
    unsigned char header[3 * ALIGNMENT];
    const bool complete = kofn_bands_are_complete(file->bands);
    if (complete && format_header(file->bands, header) > 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "cannot write '%s': %s", file->path,
                     complete ? "its dtype is not carried" : "the matrix lacks rows");
}

static void
note(kofn_npy_file *file, int error)
{
    if (error == EISDIR)
        (void)kofn_fail(&file->error, KOFN_INVALID_ARGUMENT, "cannot write '%s': it is a directory",
                        file->path);
    else if (error)
        (void)file_failure(&file->error, "write", file->path, error);
}

static void
end_with(writing *w, bool good)
{
    (void)close_file(&w->file); // open only where it came to nothing
    if (w->temporary && !good)
        (void)unlink(w->temporary); // what is left of it is of no use
    free(w->temporary);
    free(w->target);
}

static void
write_batch(kofn_npy_file *files, size_t count)
{
    writing writings[BATCH] = {0};
    for (size_t i = 0; i < count; i++) {
        files[i].error = (kofn_error){.status = KOFN_OK};
        if (check_writable(&files[i], &files[i].error) == KOFN_OK)
            note(&files[i], begin_writing(files[i].path, files[i].bands, &writings[i]));
    }
    for (size_t i = 0; i < count; i++)
        if (files[i].error.status == KOFN_OK && writings[i].file)
            note(&files[i], sync_and_close(&writings[i]));
    for (size_t i = 0; i < count; i++) // all later: a name would be something new to wait for
        if (files[i].error.status == KOFN_OK && writings[i].temporary &&
            rename(writings[i].temporary, writings[i].target) < 0)
            note(&files[i], errno);
    sync_directories(files, writings, count);
    for (size_t i = 0; i < count; i++)
        end_with(&writings[i], files[i].error.status == KOFN_OK);
}

void
kofn_npy_write_all(kofn_npy_file *files, size_t count)
{
    for (size_t i = 0; i < count; i += BATCH)
        write_batch(&files[i], count - i < BATCH ? count - i : BATCH);
}

kofn_status
kofn_npy_write(const char *path, const kofn_bands *bands, kofn_error *err)
{
    kofn_npy_file file = {.path = path, .bands = bands};
    kofn_npy_write_all(&file, 1);
    return file.error.status == KOFN_OK ? KOFN_OK
                                        : kofn_fail(err, file.error.status, "%s", file.error.text);
}
