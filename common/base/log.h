/* What a daemon says on standard error: one line for each event, made to be searched.
 *
 *     2026-01-31T12:00:00.123Z notice worker_joined: ready for tasks worker=w03 cores=4
 *
 * `event` is a stable name, then a sentence, then key=value pairs. When standard error is the
 * journal ($JOURNAL_STREAM), the time is left out and lines carry a <priority> prefix, unless there
 * is a way to hand it entries whole (common/systemd/journal.h). Never operands, never keys.
 *
 * Threads    Any thread; a line is one write(2).
 */
#ifndef KOFN_BASE_LOG_H
#define KOFN_BASE_LOG_H

#include "common/base/status.h"

typedef enum kofn_log_level {
    KOFN_LOG_ERROR = 3, // somebody must act (numbers are syslog's)
    KOFN_LOG_WARNING = 4,
    KOFN_LOG_NOTICE = 5, // life cycle
    KOFN_LOG_INFO = 6,   // jobs
    KOFN_LOG_DEBUG = 7,  // messages
} kofn_log_level;

/* A line before it is one. Without control characters, so that no peer can forge a field. */
typedef struct kofn_log_entry {
    kofn_log_level level;
    const char *event, *sentence, *pairs; // pairs: "key=value key=value", or ""
    const char *format;                   // what the pairs were made by: its keys are not a peer's
} kofn_log_entry;

typedef struct kofn_log {
    kofn_log_level level;                      // lines above this level are not written
    int fd;                                    // -1: write nothing (embedded use)
    bool journal;                              // prefix with <priority>, leave the time out
    bool (*send)(const kofn_log_entry *entry); // tried before fd; false: not sent. NULL: none
} kofn_log;

void kofn_log_init(kofn_log *log, kofn_log_level level, int fd);

/* `pairs` is a printf format for "key=value key=value"; "" for none. */
void kofn_log_write(const kofn_log *log, kofn_log_level level, const char *event,
                    const char *sentence, const char *pairs, ...) KOFN_PRINTF(5, 6);

#endif
