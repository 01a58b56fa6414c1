/* What confine and its test must agree on. */
#ifndef KOFN_TESTS_SYSTEMD_CONFINE_H
#define KOFN_TESTS_SYSTEMD_CONFINE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CONFINE_STATE "store" // the folder that a confined program may write to, below its own

/* Locks on files take mounts: root's, and not in a container that may make none. */
static inline bool
confine_locks_files(void)
{
    return geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 1;
}

#endif
