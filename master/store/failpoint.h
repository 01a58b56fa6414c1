/* Failpoints: places in the store at which a test lets the process die or the disk be full.
 *
 *     KOFN_FAILPOINT=group_written:kill:3     the third pass there is the last thing it does
 *     KOFN_FAILPOINT=file_written:full:1      from the first pass on, no space is left
 *
 * Only kofn_store_failing, the layer as tests link it, has them; elsewhere a pass is nothing.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_MASTER_STORE_FAILPOINT_H
#define KOFN_MASTER_STORE_FAILPOINT_H

typedef enum kofn_failpoint {
    KOFN_FAIL_SCHEMA_MADE,     // tables are made or migrated, not committed
    KOFN_FAIL_FILE_WRITTEN,    // a temporary file has all its bytes, not synced
    KOFN_FAIL_FILE_SYNCED,     // synced, not renamed
    KOFN_FAIL_FILE_RENAMED,    // a file, and no row that names it
    KOFN_FAIL_GROUP_WRITTEN,   // rows of a group, not committed
    KOFN_FAIL_GROUP_COMMITTED, // committed, nobody told; files that no row names still there
    KOFN_FAIL_GROUP_CLEANED,   // those removed
    KOFN_FAIL_GROUP_TOLD,      // the submitters' thread is woken
    KOFN_FAIL_COUNT,
} kofn_failpoint;

#ifdef KOFN_FAILPOINTS
/* 0, or the errno with which what follows is to fail. May not return at all. */
int kofn_failpoint_pass(kofn_failpoint point);

const char *kofn_failpoint_name(kofn_failpoint point);
#else
static inline int
kofn_failpoint_pass(kofn_failpoint point)
{
    (void)point;
    return 0;
}
#endif

#endif
