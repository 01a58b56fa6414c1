/* Statuses and errors: gRPC's 17 canonical codes, with one sentence for a person.
 *
 * Source     gRPC status codes (names and numbers), so that a status travels on the wire as it is.
 * Threads    Any thread. Nothing here allocates or blocks.
 */
#ifndef KOFN_BASE_STATUS_H
#define KOFN_BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define KOFN_MUST_CHECK            __attribute__((warn_unused_result))
#define KOFN_PRINTF(text_, first_) __attribute__((format(printf, text_, first_)))

typedef enum kofn_status {
    KOFN_OK = 0,
    KOFN_CANCELLED = 1,           // the caller asked for it
    KOFN_UNKNOWN = 2,             // a peer sent a status that we do not know
    KOFN_INVALID_ARGUMENT = 3,    // fix the call
    KOFN_DEADLINE_EXCEEDED = 4,   // give up
    KOFN_NOT_FOUND = 5,           // fix the call
    KOFN_ALREADY_EXISTS = 6,      // fix the state
    KOFN_PERMISSION_DENIED = 7,   // fix the rights
    KOFN_RESOURCE_EXHAUSTED = 8,  // try again, later or smaller
    KOFN_FAILED_PRECONDITION = 9, // fix the state
    KOFN_ABORTED = 10,            // try again
    KOFN_OUT_OF_RANGE = 11,       // fix the call
    KOFN_UNIMPLEMENTED = 12,      // this peer cannot do that
    KOFN_INTERNAL = 13,           // report a bug
    KOFN_UNAVAILABLE = 14,        // try again
    KOFN_DATA_LOSS = 15,          // give up
    KOFN_UNAUTHENTICATED = 16,    // fix the keys
} kofn_status;

enum { KOFN_ERROR_TEXT_MAX = 512 };

/* The caller owns it, usually on the stack. Every function that takes one accepts NULL. */
typedef struct kofn_error {
    kofn_status status;
    char text[KOFN_ERROR_TEXT_MAX]; // one sentence: what, value, limit, next step; cut if too long
} kofn_error;

/* Fill err (may be NULL) and return status, so that a failure is one line:
 * `return kofn_fail(err, KOFN_NOT_FOUND, "job '%s' is not known", id);` */
kofn_status kofn_fail(kofn_error *err, kofn_status status, const char *format, ...)
    KOFN_PRINTF(3, 4);

/* Put "context: " in front of the text that err holds; returns err's status, KOFN_UNKNOWN when err
 * is NULL, so callers that pass NULL keep the status they got from the callee. */
kofn_status kofn_fail_within(kofn_error *err, const char *format, ...) KOFN_PRINTF(2, 3);

/* What a failed system call on a file or socket means to the receiver: ENOENT is NOT_FOUND, EACCES
 * PERMISSION_DENIED, ENOMEM and ENOSPC RESOURCE_EXHAUSTED, EEXIST and EADDRINUSE ALREADY_EXISTS;
 * what is not listed in status.c is UNAVAILABLE. */
kofn_status kofn_status_from_errno(int error_number);

/* "INVALID_ARGUMENT" and its like; "UNKNOWN" for a number outside the table. */
const char *kofn_status_name(kofn_status status);

#endif
