#include "client/cli/output.h"

#include "client/cli/text.h"
#include "common/linalg/mat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { HEADER_BYTES = 128 }; // of an .npy file, for most shapes

/* What operands may be read from, and what people would open such a file with. Other endings, and
 * none, say nothing of what is in it. */
static const char *const other_endings[] = {".mtx",  ".csv", ".tsv", ".txt",
                                            ".json", ".npz", ".mat", ".idx"};

kofn_status
cli_output_check_name(const char *path, kofn_error *err)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof other_endings / sizeof other_endings[0]; i++)
        if (strcasecmp(dot, other_endings[i]) == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "%s: products are written as .npy files, not as %s: name it %.*s.npy",
                             path, other_endings[i], (int)(dot - path), path);
    return KOFN_OK;
}

static kofn_status
fail(const char *path, int reason, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(reason), "%s: cannot be written: %s", path,
                     strerror(reason));
}

/* A file system that does not tell is taken at its word later. */
static kofn_status
check_room(const char *path, const char *folder, size_t bytes, kofn_error *err)
{
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0)
        return KOFN_OK;
    const double room = (double)fs.f_bavail * (double)fs.f_frsize;
    if (room >= (double)bytes + HEADER_BYTES)
        return KOFN_OK;
    char needed[32], left[32];
    cli_format_bytes(bytes, needed, sizeof needed);
    cli_format_bytes((uint64_t)room, left, sizeof left);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                     "%s: the product takes %s and %s is free there: No space left on device", path,
                     needed, left);
}

/* `target` without its last part, in place; "." where it has one part alone. */
static const char *
folder_of(char *target)
{
    char *slash = strrchr(target, '/');
    if (!slash)
        return ".";
    slash[slash == target] = '\0'; // the root keeps its slash
    return target;
}

kofn_status
cli_output_check(const char *path, kofn_dtype dtype, size_t rows, size_t cols, kofn_error *err)
{
    struct stat info;
    size_t bytes;
    kofn_status status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status != KOFN_OK)
        return status;
    const bool exists = stat(path, &info) == 0;
    if (!exists && errno != ENOENT)
        return fail(path, errno, err);
    if (exists && S_ISDIR(info.st_mode))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: it is a directory", path);
    if (exists && !S_ISREG(info.st_mode)) // a pipe or a device takes what it takes
        return access(path, W_OK) == 0 ? KOFN_OK : fail(path, errno, err);

    /* The file is written beside the one that it replaces: behind a link, that is elsewhere. */
    char *target = exists ? realpath(path, NULL) : strdup(path);
    if (!target)
        return fail(path, errno, err);
    const char *folder = folder_of(target);
    status = access(folder, W_OK | X_OK) == 0 ? check_room(path, folder, bytes, err)
                                              : fail(path, errno, err);
    free(target);
    return status;
}

char *
cli_output_locate(const char *path)
{
    char *there = realpath(path, NULL), *name = NULL;
    if (there)
        return there;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *in = folder ? realpath(folder, NULL) : NULL;
    if (in && asprintf(&name, "%s/%s", in, slash ? slash + 1 : path) < 0)
        name = NULL;
    free(folder);
    free(in);
    return name;
}

kofn_status
cli_output_make_folder(const char *folder, kofn_error *err)
{
    if (!folder || mkdir(folder, 0777) == 0 || errno == EEXIST)
        return KOFN_OK;
    return kofn_fail(err, kofn_status_from_errno(errno), "-d %s: %s", folder, strerror(errno));
}

/* ---- texts ----------------------------------------------------------------------------------- */

static kofn_status
fail_text(const char *path, int reason, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(reason), "%s cannot be written: %s", path,
                     strerror(reason));
}

/* Where it is written, free()d by the caller: a link stays, and the file behind it is replaced.
 * *ret_special: it is a pipe or a device, which nothing takes the place of. NULL: errno says
 * why. */
static char *
find_target(const char *path, bool *ret_special)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    *ret_special = there && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
    if (there && S_ISDIR(info.st_mode))
        errno = EISDIR;
    if (there ? S_ISDIR(info.st_mode) : errno != ENOENT)
        return NULL;
    return there ? realpath(path, NULL) : strdup(path);
}

/* Beside the target; NULL: no memory. */
static char *
name_temporary(const char *target)
{
    char *name;
    return asprintf(&name, "%s.%ld.tmp", target, (long)getpid()) < 0 ? NULL : name;
}

/* 0, or why not. */
static int
write_text(const char *path, const char *mode, const char *text, bool durable)
{
    FILE *file = fopen(path, mode);
    if (!file)
        return errno;
    const bool whole = fputs(text, file) != EOF && fputc('\n', file) != EOF && fflush(file) == 0 &&
                       (!durable || fsync(fileno(file)) == 0);
    const int reason = whole ? 0 : errno;
    return fclose(file) != 0 && whole ? errno : reason;
}

static int
replace_text(const char *target, const char *text)
{
    char *temporary = name_temporary(target);
    if (!temporary)
        return ENOMEM;
    int reason = write_text(temporary, "wxe", text, true);
    if (!reason && rename(temporary, target) != 0)
        reason = errno;
    if (reason && reason != EEXIST)
        (void)unlink(temporary); // what is left of it is of no use
    free(temporary);
    return reason;
}

kofn_status
cli_text_write(const char *path, const char *text, kofn_error *err)
{
    bool special;
    char *target = find_target(path, &special);
    if (!target)
        return fail_text(path, errno, err);
    const int reason = special ? write_text(target, "we", text, false) : replace_text(target, text);
    free(target);
    return reason ? fail_text(path, reason, err) : KOFN_OK;
}

/* 0: a file could be made beside it. */
static int
try_beside(const char *target)
{
    char *temporary = name_temporary(target);
    if (!temporary)
        return ENOMEM;
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    const int reason = fd < 0 ? errno : 0;
    if (fd >= 0) {
        (void)close(fd); // nothing was written
        (void)unlink(temporary);
    }
    free(temporary);
    return reason;
}

kofn_status
cli_text_check(const char *path, kofn_error *err)
{
    bool special;
    char *target = find_target(path, &special);
    if (!target)
        return fail_text(path, errno, err);
    int reason = 0;
    if (!special)
        reason = try_beside(target);
    else if (access(target, W_OK) != 0)
        reason = errno;
    free(target);
    return reason ? fail_text(path, reason, err) : KOFN_OK;
}
