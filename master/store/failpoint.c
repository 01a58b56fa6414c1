#include "master/store/failpoint.h"
#include "common/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef KOFN_FAILPOINTS
static const char *const names[] = {
    [KOFN_FAIL_SCHEMA_MADE] = "schema_made",
    [KOFN_FAIL_FILE_WRITTEN] = "file_written",
    [KOFN_FAIL_FILE_SYNCED] = "file_synced",
    [KOFN_FAIL_FILE_RENAMED] = "file_renamed",
    [KOFN_FAIL_GROUP_WRITTEN] = "group_written",
    [KOFN_FAIL_GROUP_COMMITTED] = "group_committed",
    [KOFN_FAIL_GROUP_CLEANED] = "group_cleaned",
    [KOFN_FAIL_GROUP_TOLD] = "group_told",
    [KOFN_FAIL_JOB_RECEIVED] = "job_received",
    [KOFN_FAIL_JOB_KEPT] = "job_kept",
    [KOFN_FAIL_JOB_TOLD] = "job_told",
    [KOFN_FAIL_JOB_STARTED] = "job_started",
    [KOFN_FAIL_JOB_MADE] = "job_made",
    [KOFN_FAIL_JOB_ENDED] = "job_ended",
    [KOFN_FAIL_JOB_ANSWERED] = "job_answered",
    [KOFN_FAIL_JOB_REMOVING] = "job_removing",
    [KOFN_FAIL_OPERAND_RECEIVED] = "operand_received",
    [KOFN_FAIL_OPERAND_KEPT] = "operand_kept",
    [KOFN_FAIL_OPERAND_DROPPING] = "operand_dropping",
    [KOFN_FAIL_OPERAND_DROPPED] = "operand_dropped",
};

int
kofn_failpoint_pass(kofn_failpoint point)
{
    /* The one state that is nobody's: a process is killed once. */
    static atomic_uint passes[KOFN_FAIL_COUNT];
    char name[32], action[8];
    unsigned from;
    const char *armed = getenv("KOFN_FAILPOINT");
    if (!armed || sscanf(armed, "%31[a-z_]:%7[a-z]:%u", name, action, &from) != 3 ||
        strcmp(name, names[point]) != 0 || atomic_fetch_add(&passes[point], 1) + 1 < from)
        return 0;
    if (strcmp(action, "kill") == 0)
        (void)raise(SIGKILL); // does not return
    while (strcmp(action, "hang") == 0)
        (void)pause(); // other signals than SIGKILL do not help it either
    return ENOSPC;
}

const char *
kofn_failpoint_name(kofn_failpoint point)
{
    return names[point];
}

int64_t
kofn_failpoint_get_patience(int64_t usual_ns)
{
    const char *wish = getenv("KOFN_STUCK_MS");
    return wish ? strtoll(wish, NULL, 10) * KOFN_NS_PER_MS : usual_ns;
}
#endif
