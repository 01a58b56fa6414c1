/* Everything at once: all n tasks are queued at the start, the job ends with the first answers that
 * suffice, and what is still out then is cancelled. What coding is for: no straggler is waited for,
 * none is even noticed.
 *
 * With fewer workers than tasks some get a second one while they do their first. Should such a
 * worker freeze, both would be lost together, which may be more than the code can lose: so once
 * there has been time for it, what still waits behind another task gets a copy on a worker that is
 * done.
 *
 *     n = 5, k = 4     worker 0  [0  frozen ... 4 behind it
 *                      worker 1  [1    ]          [4      ]
 *                      worker 2  [2      ]        ^
 *                      worker 3  [3     ]         first answer, and a quarter of its time later */
#include "master/sched/policy.h"
#include "common/base/clock.h"

enum { PATIENCE = 4 };

typedef struct state {
    int64_t copy_from_ns; // what waits behind another task; 0: nobody has answered
} state;

static size_t
state_bytes(size_t tasks)
{
    (void)tasks;
    return sizeof(state);
}

static bool
may_copy(const kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    return s->copy_from_ns != 0 && s->copy_from_ns <= kofn_run_get_now_ns(run);
}

static bool
has_work(const kofn_run *run)
{
    size_t task;
    return kofn_run_count_queued(run) > 0 || (may_copy(run) && kofn_run_find_behind(run, &task));
}

static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    size_t task;
    if (kofn_run_find_queued(run, worker, ret_task))
        return true;
    if (!may_copy(run) || !kofn_run_is_idle(run, worker) || !kofn_run_find_behind(run, &task) ||
        !kofn_run_may_take(run, worker, task))
        return false;
    *ret_task = task;
    return true;
}

/* Time goes by the first answer alone: whoever comes later may be the straggler. Waking is enough:
 * has_work and pick look at the time themselves. */
static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    const int64_t now_ns = kofn_run_get_now_ns(run);
    if (s->copy_from_ns != 0 || a->adopted)
        return;
    s->copy_from_ns = kofn_clock_after(now_ns, (now_ns - a->sent_ns) / PATIENCE + 1);
    size_t task;
    if (kofn_run_count_queued(run) > 0 || kofn_run_find_behind(run, &task))
        kofn_run_wake_at(run, s->copy_from_ns);
}

const kofn_policy kofn_policy_oneshot = {
    .name = "oneshot",
    .help = "send all tasks at once, cancel the rest as soon as the answers suffice",
    .state_bytes = state_bytes,
    .start = kofn_run_want_first,
    .has_work = has_work,
    .pick = pick,
    .on_answer = on_answer,
};
