/* Fresh rows for what is lost or late. The n tasks are queued at the start; what a loss leaves
 * short the core replaces by fresh rows of the same group, as of every code with a reserve. This
 * policy adds those for what is only late, and for bad luck:
 *
 *     Once there has been time for it, a worker that is done gets the next row of the group most in
 *     need, where oneshot would copy what waits behind another task.
 *
 *     group 0   [0 kept] [7 kept] [14 kept] [21 late ........]  28 fresh -> worker that had 7
 *     group 1   [1 kept] [8 kept] [15 kept] [22 kept]           has what it takes: nothing more
 *
 *     Where random rows of a small field are all there and do not span the product, fresh ones are
 *     sent at once, to any worker: the job ends with a product and not with bad luck.
 *
 * Unlike a copy a fresh row is of use beside the late one, whichever comes first. As many are sent
 * as a group still lacks, and one that may be lost; a real fountain, which never stops sending to
 * whoever is free, would spend the master's encoding and its link on rows that nobody needs. But
 * fresh rows may be late as well, on workers that are as stuck as those before: so one more is sent
 * each time that the wait has doubled. Where the group's rows are all out, or the code has no
 * reserve, it is a copy of what has been out for longest.
 *
 *     0        first answer    fresh from here    one more    one more                one more
 *     |--------------|---|-----------|--------------------|--- ...   (a quarter, a half, one, two)
 *
 * Should all that is out be on stuck workers, no first answer comes to tell the time by. So as long
 * as there is none, the limit is the one that speculative copies by: what workers did for other
 * jobs. Where they did nothing yet, only trying others can tell a long task from a stuck worker,
 * and a guess decides when: a wrong one costs a few rows on workers that had nothing to do. */
#include "master/sched/policy.h"
#include "common/base/clock.h"

#include <math.h>

enum {
    PATIENCE = 4,
    GUESS_FLOORS = 16, // backup floors that a task may take while nothing is known of any
    COPY_LOOKS = 16,   // assignments looked at for one to copy
};

typedef struct state {
    int64_t sent_ns;       // of the first task, while nobody has answered
    int64_t fresh_from_ns; // for what is late; KOFN_NEVER_NS: nothing tells yet
    bool answered;
    int64_t wait_ns;  // until one more is sent; doubles
    size_t waits;     // that are over: so many more are sent than each group lacks
    uint32_t extra[]; // [groups] of what is out: tasks of the reserve, and copies
} state;

static size_t
state_bytes(size_t tasks)
{
    return sizeof(state) + tasks * sizeof(uint32_t); // there are no more groups than tasks
}

static void
start(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    s->fresh_from_ns = KOFN_NEVER_NS;
    kofn_run_want_first(run);
}

/* Answers that the group lacks beside the extra ones that are out. */
static size_t
count_lacking(const kofn_run *run, size_t group)
{
    const state *s = kofn_run_get_state(run);
    const size_t threshold = kofn_run_get_group_threshold(run, group);
    const size_t kept = kofn_run_get_group_kept(run, group);
    const size_t spare = s->waits > 1 ? s->waits : 1; // may be lost
    const size_t lacks = (kept < threshold ? threshold - kept : 1) + spare;
    return lacks > s->extra[group] ? lacks - s->extra[group] : 0;
}

/* The next row of the group that lacks most. */
static bool
find_needed(const kofn_run *run, size_t *ret_task)
{
    size_t most = 0;
    for (size_t g = 0; g < kofn_run_count_groups(run); g++) {
        const size_t lacking = count_lacking(run, g);
        if (lacking > most && kofn_run_find_fresh(run, g, ret_task))
            most = lacking;
    }
    return most > 0;
}

/* A task of a group that has no fresh rows for what it lacks: with the fewest copies among those
 * out for longest. Nobody: for whichever worker. */
static bool
find_copy(const kofn_run *run, const uint64_t *worker, size_t *ret_task)
{
    size_t fewest = SIZE_MAX, looks = 0, fresh;
    for (const kofn_assignment *a = kofn_run_get_out(run, NULL); a && looks < COPY_LOOKS;
         a = kofn_run_get_out(run, a), looks++) {
        const size_t group = kofn_run_get_group(run, a->task);
        const size_t copies = kofn_run_get_copies(run, a->task);
        if (copies < fewest && count_lacking(run, group) > 0 &&
            !kofn_run_find_fresh(run, group, &fresh) &&
            (!worker || kofn_run_may_take(run, *worker, a->task))) {
            fewest = copies;
            *ret_task = a->task;
        }
    }
    return fewest < SIZE_MAX;
}

/* All that was sent came to an end, and more is needed. */
static bool
is_stuck(const kofn_run *run)
{
    return kofn_run_count_out(run) == 0 && kofn_run_count_queued(run) == 0;
}

static bool
is_late(const kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    return s->fresh_from_ns <= kofn_run_get_now_ns(run);
}

static bool
has_work(const kofn_run *run)
{
    size_t task;
    if (kofn_run_count_queued(run) > 0)
        return true;
    if (!is_stuck(run) && !is_late(run))
        return false;
    return find_needed(run, &task) ||
           (is_late(run) && (kofn_run_find_behind(run, &task) || find_copy(run, NULL, &task)));
}

static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    size_t task;
    if (kofn_run_find_queued(run, worker, ret_task))
        return true;
    if (!is_stuck(run) && !(is_late(run) && kofn_run_is_idle(run, worker)))
        return false;
    /* A copy where the code has no fresh rows, or no more: of what waits first. */
    if ((find_needed(run, &task) || kofn_run_find_behind(run, &task)) &&
        kofn_run_may_take(run, worker, task)) {
        *ret_task = task;
        return true;
    }
    return find_copy(run, &worker, ret_task);
}

static bool
is_extra(const kofn_run *run, const kofn_assignment *a)
{
    return a->copy || a->task >= kofn_code_first_tasks(kofn_run_get_code(run));
}

/* Nobody has answered. What is the limit, by what others took? While nothing is measured, look
 * again from time to time: other jobs' answers will tell, or the guess will be over. */
static void
foresee(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    const int64_t now_ns = kofn_run_get_now_ns(run), expected = kofn_run_expect_ns(run);
    const kofn_sched_config *config = kofn_run_get_config(run);
    const double floor_ns = (double)config->backup_floor_ns;
    const bool known = expected != KOFN_NEVER_NS;
    const double limit =
        known ? fmax(floor_ns, config->backup_factor * (double)expected) : GUESS_FLOORS * floor_ns;
    const int64_t limit_ns = limit < 9e18 ? (int64_t)limit : KOFN_NEVER_NS;
    const int64_t from_ns = kofn_clock_after(s->sent_ns, limit_ns);
    const int64_t look_ns = kofn_clock_after(now_ns, config->backup_floor_ns);
    if (known || from_ns <= now_ns) {
        s->fresh_from_ns = from_ns;
        s->wait_ns = limit_ns / PATIENCE + 1;
    }
    if (from_ns > now_ns)
        kofn_run_wake_at(run, known || from_ns < look_ns ? from_ns : look_ns);
}

static void
wait_on(kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    kofn_run_wake_at(run, kofn_clock_after(kofn_run_get_now_ns(run), s->wait_ns));
}

static void
on_sent(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    s->extra[kofn_run_get_group(run, a->task)] += is_extra(run, a);
    if (kofn_run_count_out(run) != 1)
        return;
    if (s->answered || is_late(run)) {
        wait_on(run);
    } else {
        s->sent_ns = a->sent_ns;
        foresee(run);
    }
}

static void
on_gone(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    s->extra[kofn_run_get_group(run, a->task)] -= is_extra(run, a);
}

/* A wait is over. Nothing is late while nothing is out. */
static void
on_tick(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    if (kofn_run_count_out(run) == 0)
        return;
    if (!s->answered && !is_late(run))
        foresee(run);
    if (!s->answered && !is_late(run))
        return;
    s->waits++;
    wait_on(run);
    s->wait_ns = kofn_clock_after(s->wait_ns, s->wait_ns);
}

/* Time goes by the first answer, as with oneshot; has_work and pick look at it themselves. Where it
 * is over already, fresh rows are out. */
static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    on_gone(run, a);
    if (a->adopted) // it took no time here
        return;
    if (!s->answered && !is_late(run)) {
        const int64_t now_ns = kofn_run_get_now_ns(run);
        s->wait_ns = (now_ns - a->sent_ns) / PATIENCE + 1;
        s->fresh_from_ns = kofn_clock_after(now_ns, s->wait_ns);
        kofn_run_wake_at(run, s->fresh_from_ns);
    }
    s->answered = true;
}

const kofn_policy kofn_policy_rateless = {
    .name = "rateless",
    .help = "send all tasks at once, and fresh ones in place of what is lost or late",
    .reserve = KOFN_RESERVE_ALWAYS,
    .state_bytes = state_bytes,
    .start = start,
    .has_work = has_work,
    .pick = pick,
    .on_sent = on_sent,
    .on_answer = on_answer,
    .on_gone = on_gone,
    .on_tick = on_tick,
};
