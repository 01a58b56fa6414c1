#include "client/cli/output.h"

#include "client/cli/text.h"
#include "common/linalg/mat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { HEADER_BYTES = 128 }; // of an .npy file, for most shapes

static kofn_status
fail(const char *path, int reason, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(reason), "-o %s: cannot be written: %s", path,
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
                     "-o %s: the product takes %s and %s is free there: No space left on device",
                     path, needed, left);
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
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "-o %s: it is a directory", path);
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
