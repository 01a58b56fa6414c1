/* Everything at once: all n tasks are queued at the start, the job ends with the first answers that
 * suffice, and what is still out then is cancelled. What coding is for: no straggler is waited for,
 * none is even noticed.
 *
 * With fewer workers than tasks some get a second one while they do their first, but only as long as
 * the threshold needs it. What is beyond waits for a worker that has nothing of the job: behind
 * another task it would be lost together with that one, and whoever is done first is no straggler.
 *
 *     n = 5, k = 4     worker 0  [0]        all four are out: task 4 goes to whoever answers first,
 *                      worker 1  [1]        and not behind task 0, on a worker that may be frozen
 *                      worker 2  [2]
 *                      worker 3  [3] */
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

static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    if (kofn_run_count_coming(run) >= kofn_run_get_code(run)->threshold &&
        kofn_run_is_on(run, worker))
        return false;
    return kofn_run_find_queued(run, worker, ret_task);
}

const kofn_policy kofn_policy_oneshot = {
    .name = "oneshot",
    .help = "send all tasks at once, cancel the rest as soon as the answers suffice",
    .start = start,
    .has_work = has_work,
    .pick = pick,
};
