/* Log entries in the journal's own form: with fields that can be asked for.
 *
 *     journalctl -u kofn-master JOB=4f2a        all that was said of a job
 *     journalctl EVENT=worker_lost -p warning   all workers that were lost
 *
 * Fields     MESSAGE ("event: sentence key=value ..."), PRIORITY, SYSLOG_IDENTIFIER, EVENT, and of
 *            the pairs those with a name in upper case: JOB, TASK, WORKER, SESSION, OPERAND.
 * Threads    Any thread.
 */
#ifndef KOFN_SYSTEMD_JOURNAL_H
#define KOFN_SYSTEMD_JOURNAL_H

#include "common/base/log.h"

#include <stddef.h>
#include <sys/uio.h>

/* Have the log's entries sent to the journal, where that is what its descriptor leads to. Entries
 * that the journal does not take are written as lines. */
void kofn_journal_attach(kofn_log *log);

enum { KOFN_JOURNAL_FIELDS_MAX = 16, KOFN_JOURNAL_BYTES_MAX = 8192 };

/* An entry as it is sent. The fields point into the text. */
typedef struct kofn_journal_entry {
    struct iovec fields[KOFN_JOURNAL_FIELDS_MAX]; // "NAME=value"
    size_t count;
    char text[KOFN_JOURNAL_BYTES_MAX];
    size_t used;
} kofn_journal_entry;

void kofn_journal_fill(kofn_journal_entry *ret_entry, const kofn_log_entry *entry);

#endif
