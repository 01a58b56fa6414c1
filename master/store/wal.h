/* SQLite's write-ahead log, looked at before SQLite recovers from it.
 *
 * Recovery ends without a word at the first frame whose checksum is wrong. After a kill that is the
 * torn end of a transaction that nobody was told of. Where whole frames of the same log follow, and
 * one of them ends a transaction, it is not: then commits are lost that somebody may rely on.
 *
 * Source     sqlite.org/fileformat2.html, section 4.
 * Cost       The log is read once: 4 MiB as a rule, since it is checkpointed at 1000 pages.
 */
#ifndef KOFN_MASTER_STORE_WAL_H
#define KOFN_MASTER_STORE_WAL_H

#include <stdint.h>

/* Transactions in the log that recovery will leave out though they were written whole. A commit
 * that failed for want of space and was followed by others may look so. 0 also where there is no
 * log, or where it cannot be read, of which SQLite complains itself. */
uint64_t kofn_wal_count_lost(const char *path);

#endif
