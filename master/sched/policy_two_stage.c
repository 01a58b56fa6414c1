/* Uncoded first, coded rows for what is late: a job that nothing disturbs costs what its block
 * products cost, with no row encoded and none too many; and one that is disturbed is helped by rows
 * of which each makes up for any of those that are missing, where a copy makes up for one.
 *
 *     first    [0 kept] [1 late ........] [2 kept] [3 late .......] [4 kept] [5 kept]
 *     second   two are late of six: two coded rows, and one that may be late   [6 kept] [7 kept] [8]
 *              1 or 3 still counts when it comes first: any two of 1, 3, 6, 7, 8 do
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", section
 *            IV: two-stage matrix multiplication. There what straggles in the first stage is known
 *            at once; added is how it shows, below, and that the second stage goes on as long as
 *            more comes to be late, of either stage.
 * First      The first plain rows of the code that suffice. Where none do, or some answers may be
 *            wrong, as many rows as it takes, spread over the n: points of polynomials that are
 *            neighbours decode badly.
 * Late       stage_factor times what the stage_quantile of the answers took: the factor alone over
 *            the fastest (0), a median or any other; with a factor of 1 the quantile alone.
 *            Before that share has answered, what workers did for other jobs, twice over, since
 *            they may have been other matrices; and before anything did, a guess that is high: it
 *            is for the case that all who were asked first are stuck, and must not disturb others.
 * Second     Where any rows do, whichever they are, so many more that those in time and these
 *            suffice and, of those that are late now, as many spare ones as keep the odds that too
 *            few of them come in time below 1 in 20, at the rate of stragglers that the job has
 *            seen. Those that are needed go to any worker that holds nothing late of the job, and
 *            spare ones to those that have nothing to do. Elsewhere (uncoded, replication, groups),
 *            and once all rows are out, a copy of each that is late.
 * Made       The reserve of a staged code (staged.h) is empty: its rows are made for the products
 *            that are late, two or more of them, by whoever has the job, and what they are is in
 *            the code. All of them are sent. Until they come nothing else is done for those
 *            products, and where none can be made, or made with profit, they are copied. */
#include "common/code/staged.h"
#include "master/sched/watch.h"
#include "master/sched/worth.h"

#include <math.h>

enum {
    HEARSAY = 2,         // times longer, where only other jobs tell what to expect
    GUESS_FLOORS = 1024, // floors that a task may take while nothing is known of any
};

static const double SLACK = 0.125; // of the time until it is late: is late with the first that is

enum { NO_ROWS, ROWS_ASKED, ROWS_MADE };

typedef struct state {
    size_t first; // rows of the first stage
    size_t need;  // answers that suffice, whichever they are; 0: it matters which they are
    size_t next;  // no row before is idle
    enum { NOT_STAGED, EMPTY, ASKED, MADE } reserve;
    size_t missing;      // products that rows were asked for, not answered
    unsigned char *made; // [tasks] what of that
    kofn_watch watch;
    size_t room[]; // [tasks], then the watch's, then made
} state;

static size_t
state_bytes(size_t tasks)
{
    return sizeof(state) + tasks * (sizeof(size_t) + 1) + kofn_watch_count_bytes(tasks);
}

/* ---- the first stage ------------------------------------------------------------------------- */

/* The fewest of the first plain rows that suffice; 0: all do not. A code may hold each of them
 * several times over. */
static size_t
find_plain(const kofn_run *run, size_t *room)
{
    const kofn_code *code = kofn_run_get_code(run);
    size_t count = 0;
    for (size_t task = 0; task < kofn_code_first_tasks(code); task++)
        if (kofn_code_plain_column(code, task) != SIZE_MAX)
            room[count++] = task;
    if (!kofn_run_would_suffice(run, room, count))
        return 0;
    size_t low = 0, high = count; // high do
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (kofn_run_would_suffice(run, room, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

/* As many as it takes, wherever they are; of groups all n, since it takes some of each. */
static size_t
spread(const kofn_run *run, size_t *room)
{
    const kofn_code *code = kofn_run_get_code(run);
    const size_t n = kofn_code_first_tasks(code), enough = kofn_run_get_enough(run);
    const size_t count = code->groups > 0 || enough > n ? n : enough;
    for (size_t i = 0; i < count; i++)
        room[i] = i * n / count;
    return count;
}

/* Where answers are checked by others it takes more: `count` rows in `room`, and then the next
 * ones. */
static size_t
add_parity(const kofn_run *run, size_t *room, size_t count)
{
    const kofn_code *code = kofn_run_get_code(run);
    const size_t enough = kofn_run_get_enough(run);
    if (enough <= code->threshold)
        return count;
    for (size_t task = 0, next = 0; task < kofn_code_first_tasks(code) && count < enough; task++) {
        if (next < count && room[next] == task)
            next++;
        else
            room[count++] = task;
    }
    return count;
}

/* Does it not matter which rows are answered, as long as there are as many as the first stage
 * has? */
static bool
is_any_row_good(const kofn_code *code, size_t first, size_t enough)
{
    return code->groups == 0 && !code->staged && first == enough;
}

static void
start(kofn_run *run)
{
    const kofn_code *code = kofn_run_get_code(run);
    state *s = kofn_run_get_state(run);
    char *room = (char *)(s->room + code->tasks);
    kofn_watch_init(&s->watch, room, code);
    s->made = (unsigned char *)room + kofn_watch_count_bytes(code->tasks);
    if (kofn_run_get_enough(run) <= code->threshold) // else plain ones do not do: some may be wrong
        s->first = find_plain(run, s->room);
    if (s->first == 0)
        s->first = spread(run, s->room);
    else
        s->first = add_parity(run, s->room, s->first);
    if (is_any_row_good(code, s->first, kofn_run_get_enough(run)))
        s->need = s->first;
    else if (code->staged && code->reserve > 0)
        s->reserve = EMPTY;
    for (size_t i = 0; i < s->first; i++)
        kofn_run_want(run, s->room[i]);
}

/* ---- the second ------------------------------------------------------------------------------ */

/* All that was sent came to an end, and more is needed: by bad luck of random rows, or since what
 * is accepted takes more. */
static bool
is_stuck(const kofn_run *run)
{
    return kofn_run_count_out(run) == 0 && kofn_run_count_queued(run) == 0;
}

typedef struct work {
    size_t needed; // assignments without which the answers do not suffice in time
    size_t spare;  // and more, for those of them that may be late
    bool row;      // to be sent, `task`; else copies of what is late
    size_t task;
} work;

/* How much the second stage is to send, whatever that is. */
static void
count_work(const kofn_run *run, work *ret)
{
    const state *s = kofn_run_get_state(run);
    const size_t kept = kofn_run_get_group_kept(run, 0), late = s->watch.late;
    const size_t lacking = kept < s->need ? s->need - kept : 1;
    *ret = (work){0};
    if (is_stuck(run)) {
        ret->needed = lacking;
    } else if (s->need == 0) {
        ret->needed = late + (s->reserve == MADE);
    } else if (late > 0) {
        const size_t coming = kofn_run_count_out(run) + kofn_run_count_queued(run) - late;
        const size_t spare = kofn_staged_count_spare(late, kofn_watch_get_rate(&s->watch));
        const size_t wanted = lacking + (spare < late ? spare : late);
        ret->needed = lacking > coming ? lacking - coming : 0;
        ret->spare = wanted > coming + ret->needed ? wanted - coming - ret->needed : 0;
    }
}

/* The next row that was held back and is of use. */
static bool
find_row(const kofn_run *run, size_t *ret_task)
{
    const state *s = kofn_run_get_state(run);
    for (size_t task = s->next; kofn_run_find_unsent(run, task, &task); task++) {
        if (kofn_run_would_help(run, task)) {
            *ret_task = task;
            return true;
        }
    }
    return false;
}

/* False: there is nothing to send, or nothing to send for it. */
static bool
find_work(const kofn_run *run, work *ret)
{
    const state *s = kofn_run_get_state(run);
    count_work(run, ret);
    if (ret->needed + ret->spare == 0)
        return false;
    const bool made = s->reserve == MADE && s->missing > 0;
    ret->row = (s->need > 0 || made || is_stuck(run)) && find_row(run, &ret->task);
    return ret->row || (s->watch.late > 0 && s->reserve != ASKED);
}

static bool
has_work(const kofn_run *run)
{
    work todo;
    return kofn_run_count_queued(run) > 0 || find_work(run, &todo);
}

static bool
pick(const kofn_run *run, uint64_t worker, size_t *ret_task)
{
    const kofn_watch *watch = &((const state *)kofn_run_get_state(run))->watch;
    work todo;
    if (kofn_run_find_queued(run, worker, ret_task))
        return true;
    if (!find_work(run, &todo) || (todo.needed == 0 && !kofn_run_is_idle(run, worker)) ||
        kofn_watch_is_late_on(watch, run, worker))
        return false;
    if (!todo.row)
        return kofn_watch_find_late(watch, run, worker, ret_task);
    *ret_task = todo.task;
    return kofn_run_may_take(run, worker, todo.task);
}

/* ---- what is late ---------------------------------------------------------------------------- */

/* The time that the share of answers took which tells, or what else does. */
static void
expect(const kofn_run *run, kofn_patience *ret)
{
    const state *s = kofn_run_get_state(run);
    const double rank = ceil(kofn_run_get_config(run)->stage_quantile * (double)s->first);
    const size_t telling = rank > 1 ? (size_t)rank : 1;
    const int64_t others_ns = kofn_run_expect_ns(run);
    const bool told = s->watch.answered >= telling;
    ret->guess = !told && others_ns == KOFN_NEVER_NS;
    const double expected = told         ? s->watch.service[telling - 1] * 1e9
                            : ret->guess ? GUESS_FLOORS * (double)ret->floor_ns / ret->factor
                                         : HEARSAY * (double)others_ns;
    ret->expected_ns = expected < 9e18 ? (int64_t)expected : KOFN_NEVER_NS;
}

/* Have rows made for the products that are late, unless they are being made, or it is a single
 * one. */
static void
ask_for_rows(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    if ((s->reserve != EMPTY && s->reserve != MADE) || s->watch.late_of_n < 2)
        return;
    kofn_watch_set_aside(&s->watch);
    for (size_t task = SIZE_MAX; kofn_watch_next_aside(&s->watch, &task);) {
        if (s->made[task] != NO_ROWS)
            continue;
        s->made[task] = ROWS_ASKED;
        s->missing++;
    }
    s->reserve = ASKED;
    kofn_run_ask_recode(run);
}

static size_t
list_missing(const kofn_run *run, size_t *ret_tasks, double *ret_rate)
{
    const state *s = kofn_run_get_state(run);
    size_t count = 0;
    for (size_t task = 0; task < kofn_code_first_tasks(kofn_run_get_code(run)); task++)
        if (s->made[task] == ROWS_ASKED)
            ret_tasks[count++] = task;
    *ret_rate = kofn_watch_get_rate(&s->watch);
    return count;
}

static bool
has_done(const kofn_run *run)
{
    const state *s = kofn_run_get_state(run);
    return s->reserve == MADE && s->missing == 0;
}

static void
look(kofn_run *run)
{
    state *s = kofn_run_get_state(run);
    const kofn_sched_config *config = kofn_run_get_config(run);
    kofn_patience patience = {
        .factor = config->stage_factor, .floor_ns = config->stage_floor_ns, .slack = SLACK};
    expect(run, &patience);
    kofn_watch_look(&s->watch, run, &patience);
    ask_for_rows(run);
}

static void
on_recode(kofn_run *run, bool made)
{
    state *s = kofn_run_get_state(run);
    for (size_t task = 0; task < kofn_code_first_tasks(kofn_run_get_code(run)); task++)
        if (s->made[task] == ROWS_ASKED)
            s->made[task] = ROWS_MADE;
    s->reserve = made ? MADE : NOT_STAGED;
    s->next = kofn_code_first_tasks(kofn_run_get_code(run));
    if (!made)
        kofn_watch_take_back(&s->watch);
    look(run);
}

/* Nothing is made any more for this one: it came, or goes out afresh. */
static void
forget_asked(state *s, size_t task)
{
    s->missing -= s->made[task] != NO_ROWS;
    s->made[task] = NO_ROWS;
}

/* Sent: it may be the copy of a late one. Gone: what is left may be one. */
static void
follow(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    if (s->made[a->task] == ROWS_ASKED && kofn_run_get_copies(run, a->task) == 0)
        forget_asked(s, a->task);
    kofn_watch_follow(&s->watch, run, a->task);
    if (s->reserve == NOT_STAGED && !kofn_run_find_unsent(run, s->next, &s->next))
        s->next = kofn_run_get_code(run)->tasks;
    look(run);
}

static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    state *s = kofn_run_get_state(run);
    kofn_watch_note_answer(&s->watch, a);
    forget_asked(s, a->task);
    look(run);
}

const kofn_policy kofn_policy_two_stage = {
    .name = "two_stage",
    .help =
        "send as few tasks as suffice, uncoded ones where there are any, and coded ones for what "
        "is late",
    .repeats = true,
    .reserve = KOFN_RESERVE_STAGED,
    .state_bytes = state_bytes,
    .start = start,
    .has_work = has_work,
    .pick = pick,
    .on_sent = follow,
    .on_answer = on_answer,
    .on_gone = follow,
    .on_tick = look,
    .list_missing = list_missing,
    .on_recode = on_recode,
    .has_done = has_done,
};
