/* Failpoints: places in the store, and in the life of what is kept in it, at which a test lets the
 * process die, the disk be full, or the thread that comes there hang.
 *
 *     KOFN_FAILPOINT=group_written:kill:3     the third pass there is the last thing it does
 *     KOFN_FAILPOINT=file_written:full:1      from the first pass on, no space is left
 *     KOFN_FAILPOINT=group_written:hang:2     the second pass does not return
 *
 * Only kofn_store_failing and kofn-master-failing, the layer and the daemon as tests have them, do;
 * elsewhere a pass is nothing. The daemon's own places know no full disk, and hang all of it.
 *
 *     point              where                                      a client may then have seen
 *     job_received       all operands are there, nothing is stored  nothing: its call is lost
 *     job_kept           record and operands are committed          nothing, and the job is there
 *     job_told           the Submit is answered                     the job's id
 *     job_started        the scheduler has it                       the same
 *     job_made           the product is made, not stored            the same
 *     job_ended          its end (and product) is committed         the same, or Wait has no answer
 *     job_answered       those who wait are answered                the product, or nothing yet
 *     job_removing       its record is about to go                  that it was there
 *     operand_received   all blocks are there, nothing is stored    nothing
 *     operand_kept       the operand is committed                   nothing, and it is there
 *     operand_dropping   a drop is about to be stored               the operand
 *     operand_dropped    a drop is committed, nobody told           the operand, which is gone
 *
 * Threads    Any thread.
 */
#ifndef KOFN_MASTER_STORE_FAILPOINT_H
#define KOFN_MASTER_STORE_FAILPOINT_H

#include <stdint.h>

typedef enum kofn_failpoint {
    KOFN_FAIL_SCHEMA_MADE,     // tables are made or migrated, not committed
    KOFN_FAIL_FILE_WRITTEN,    // a temporary file has all its bytes, not synced
    KOFN_FAIL_FILE_SYNCED,     // synced, not renamed
    KOFN_FAIL_FILE_RENAMED,    // a file, and no row that names it
    KOFN_FAIL_GROUP_WRITTEN,   // rows of a group, not committed
    KOFN_FAIL_GROUP_COMMITTED, // committed, nobody told; files that no row names still there
    KOFN_FAIL_GROUP_CLEANED,   // those removed
    KOFN_FAIL_GROUP_TOLD,      // the submitters' thread is woken
    KOFN_FAIL_STORE_COUNT,     // the daemon's, from here on
    KOFN_FAIL_JOB_RECEIVED = KOFN_FAIL_STORE_COUNT,
    KOFN_FAIL_JOB_KEPT,
    KOFN_FAIL_JOB_TOLD,
    KOFN_FAIL_JOB_STARTED,
    KOFN_FAIL_JOB_MADE,
    KOFN_FAIL_JOB_ENDED,
    KOFN_FAIL_JOB_ANSWERED,
    KOFN_FAIL_JOB_REMOVING,
    KOFN_FAIL_OPERAND_RECEIVED,
    KOFN_FAIL_OPERAND_KEPT,
    KOFN_FAIL_OPERAND_DROPPING,
    KOFN_FAIL_OPERAND_DROPPED,
    KOFN_FAIL_COUNT,
} kofn_failpoint;

#ifdef KOFN_FAILPOINTS
/* 0, or the errno with which what follows is to fail. May not return at all. */
int kofn_failpoint_pass(kofn_failpoint point);

const char *kofn_failpoint_name(kofn_failpoint point);

/* How long something may wait for the store before that counts as stuck: as usual, unless
 * KOFN_STUCK_MS in the environment says how many milliseconds. */
int64_t kofn_failpoint_get_patience(int64_t usual_ns);
#else
static inline int
kofn_failpoint_pass(kofn_failpoint point)
{
    (void)point;
    return 0;
}

static inline int64_t
kofn_failpoint_get_patience(int64_t usual_ns)
{
    return usual_ns;
}
#endif

#endif
