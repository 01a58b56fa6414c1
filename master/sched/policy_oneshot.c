/* Everything at once: all n tasks are queued at the start, the job ends with the first answers that
 * suffice, and what is still out then is cancelled. What coding is for: no straggler is waited for,
 * none is even noticed. */
#include "master/sched/policy.h"

static void
start(kofn_run *run)
{
    for (size_t task = 0; task < kofn_run_get_code(run)->tasks; task++)
        kofn_run_want(run, task);
}

static bool
has_work(const kofn_run *run)
{
    return kofn_run_count_queued(run) > 0;
}

const kofn_policy kofn_policy_oneshot = {
    .name = "oneshot",
    .help = "send all tasks at once, cancel the rest as soon as the answers suffice",
    .start = start,
    .has_work = has_work,
    .pick = kofn_run_find_queued,
};
