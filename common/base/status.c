#include "common/base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

kofn_status
kofn_fail(kofn_error *err, kofn_status status, const char *format, ...)
{
    if (!err)
        return status;

    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args); // a cut sentence is still one
    va_end(args);
    err->status = status;
    return status;
}

kofn_status
kofn_fail_within(kofn_error *err, const char *format, ...)
{
    if (!err)
        return KOFN_UNKNOWN;

    char inner[KOFN_ERROR_TEXT_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->text)
        (void)snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", inner);
    return err->status;
}

kofn_status
kofn_status_from_errno(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return KOFN_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return KOFN_PERMISSION_DENIED;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
        return KOFN_RESOURCE_EXHAUSTED;
    case EEXIST:
    case EADDRINUSE:
        return KOFN_ALREADY_EXISTS;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
        return KOFN_INVALID_ARGUMENT;
    default:
        return KOFN_UNAVAILABLE;
    }
}

const char *
kofn_status_name(kofn_status status)
{
    static const char *const names[] = {
        [KOFN_OK] = "OK",
        [KOFN_CANCELLED] = "CANCELLED",
        [KOFN_UNKNOWN] = "UNKNOWN",
        [KOFN_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [KOFN_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [KOFN_NOT_FOUND] = "NOT_FOUND",
        [KOFN_ALREADY_EXISTS] = "ALREADY_EXISTS",
        [KOFN_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [KOFN_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [KOFN_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [KOFN_ABORTED] = "ABORTED",
        [KOFN_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [KOFN_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [KOFN_INTERNAL] = "INTERNAL",
        [KOFN_UNAVAILABLE] = "UNAVAILABLE",
        [KOFN_DATA_LOSS] = "DATA_LOSS",
        [KOFN_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };
    if ((size_t)status >= sizeof names / sizeof names[0])
        return "UNKNOWN";
    return names[status];
}
