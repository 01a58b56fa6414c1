/* Drives rounds (master/sched/rounds.h) in virtual time: each slot does its mini-tasks one after
 * the other, one unit of time each, or `factor` units of a straggler; a job is finished by `need`
 * answers.
 *
 *     rounds_rig rig;
 *     rig_open(&rig, config, need);
 *     rig_fill_all(&rig);
 *     rig_push(&rig);
 *     while (rig_round(&rig)) ...
 *     rig_close(&rig);
 *
 * It asserts what holds whatever happens: each job is finished by round birth + T, no row is
 * answered twice, none is out twice but as a copy, and the counts of the view add up. */
#ifndef KOFN_TESTS_ROUNDS_RIG_H
#define KOFN_TESTS_ROUNDS_RIG_H

#include "tests/assert.h"

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "master/sched/rounds.h"

enum { RIG_UNIT_NS = 1000, RIG_SLOTS_MAX = 16, RIG_JOBS_MAX = 64, RIG_ROWS_MAX = 256 };

typedef struct rig_task {
    kofn_mini_task task;
    int64_t done_ns;
} rig_task;

typedef struct rig_slot {
    bool present;
    rig_task out[RIG_ROWS_MAX]; // sent, in order
    size_t count;
} rig_slot;

typedef struct rig_job { // job i is jobs[i mod RIG_JOBS_MAX]
    uint64_t id;         // 0: finished
    size_t answers;
    uint8_t out[RIG_ROWS_MAX]; // times that the row is out
    bool given[RIG_ROWS_MAX], answered[RIG_ROWS_MAX];
} rig_job;

/* When a job with answers enough is told to be finished. */
typedef enum rig_tell {
    RIG_AT_ONCE,
    RIG_AT_END, // of the round; if it is due, when nothing but it is waited for: the paper's scheme
    RIG_AT_DUE, // likewise, but not before it is due
} rig_tell;

typedef struct rounds_rig rounds_rig;

struct rounds_rig {
    kofn_rounds *rounds;
    kofn_rounds_config config;
    size_t need, plain;
    int64_t now_ns, deadline_ns;
    uint64_t pushed, first, round; // jobs first to pushed; those before are finished
    rig_tell tell;
    size_t credit; // mini-tasks that a slot is sent at a time; 0: all
    size_t extra;  // answers that a job takes beyond `need`, as if they did not span
    rig_slot slots[RIG_SLOTS_MAX];
    rig_job jobs[RIG_JOBS_MAX];

    /* Of a slot in a round: 1, or more of a straggler. NULL: 1. */
    double (*factor)(rounds_rig *rig, uint64_t round, size_t slot);
    /* After each event: may do anything. */
    void (*disturb)(rounds_rig *rig);
    /* In mid-round nothing is out, and nothing would ever happen. NULL: that is a failure. */
    void (*on_stuck)(rounds_rig *rig);
    void (*on_sent)(rounds_rig *rig, const kofn_mini_task *task);
    void (*on_finish)(rounds_rig *rig, const rig_job *job); // about to be told
    void *context;
};

static inline void
rig_open(rounds_rig *rig, kofn_rounds_config config, size_t need)
{
    kofn_error error;
    memset(rig, 0, sizeof *rig);
    assert_ok(kofn_rounds_settle(&config, need, &error));
    assert_ok(kofn_rounds_new(&config, need, &rig->rounds, &error));
    size_t coded = 0;
    kofn_rounds_count_rows(&config, need, &rig->plain, &coded);
    assert_true(config.slots <= RIG_SLOTS_MAX && rig->plain + coded <= RIG_ROWS_MAX);
    rig->config = config;
    rig->need = need;
    rig->first = 1;
}

static inline void
rig_close(rounds_rig *rig)
{
    kofn_rounds_destroy(&rig->rounds);
}

static inline rig_job *
rig_job_at(rounds_rig *rig, uint64_t id)
{
    return &rig->jobs[id % RIG_JOBS_MAX];
}

static inline void
rig_fill(rounds_rig *rig, size_t slot)
{
    rig->slots[slot].present = true;
    kofn_rounds_fill_slot(rig->rounds, rig->now_ns, slot);
}

static inline void
rig_fill_all(rounds_rig *rig)
{
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        rig_fill(rig, slot);
}

static inline void
rig_remove(rounds_rig *rig, size_t slot, size_t index)
{
    rig_slot *s = &rig->slots[slot];
    rig_job_at(rig, s->out[index].task.job)->out[s->out[index].task.row]--;
    memmove(&s->out[index], &s->out[index + 1], (--s->count - index) * sizeof s->out[0]);
}

static inline void
rig_vacate(rounds_rig *rig, size_t slot)
{
    rig->slots[slot].present = false;
    kofn_rounds_vacate_slot(rig->rounds, rig->now_ns, slot);
    while (rig->slots[slot].count > 0)
        rig_remove(rig, slot, 0);
}

/* What is out there came to nothing. */
static inline void
rig_lose(rounds_rig *rig, size_t slot, size_t index)
{
    const kofn_mini_task task = rig->slots[slot].out[index].task;
    rig_remove(rig, slot, index);
    kofn_rounds_lose(rig->rounds, rig->now_ns, task.job, task.row, slot);
}

static inline uint64_t
rig_push(rounds_rig *rig)
{
    kofn_error error;
    rig_job *job = rig_job_at(rig, ++rig->pushed);
    assert_true(job->id == 0);
    memset(job, 0, sizeof *job);
    job->id = rig->pushed;
    assert_ok(kofn_rounds_push(rig->rounds, job->id, &error));
    return job->id;
}

/* What is out of the job, or a row of it, is dropped. */
static inline void
rig_drop(rounds_rig *rig, uint64_t id, const size_t *only)
{
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        for (size_t i = rig->slots[slot].count; i-- > 0;) {
            const kofn_mini_task *task = &rig->slots[slot].out[i].task;
            if (task->job == id && (!only || task->row == *only))
                rig_remove(rig, slot, i);
        }
}

static inline void
rig_finish(rounds_rig *rig, uint64_t id)
{
    rig_job *job = rig_job_at(rig, id);
    assert_true(job->id == id);
    if (rig->on_finish)
        rig->on_finish(rig, job);
    rig_drop(rig, id, NULL);
    job->id = 0;
    while (rig->first <= rig->pushed && rig_job_at(rig, rig->first)->id == 0)
        rig->first++;
    kofn_rounds_finish(rig->rounds, rig->now_ns, id);
}

static inline bool
rig_is_complete(const rounds_rig *rig, const rig_job *job)
{
    return job->id != 0 && job->answers >= rig->need + rig->extra;
}

static inline size_t
rig_count_out(const rounds_rig *rig, uint64_t id) // 0: of all jobs
{
    size_t count = 0;
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        for (size_t i = 0; i < rig->slots[slot].count; i++)
            count += id == 0 || rig->slots[slot].out[i].task.job == id;
    return count;
}

static inline void
rig_send(rounds_rig *rig, size_t slot)
{
    rig_slot *s = &rig->slots[slot];
    kofn_mini_task task;
    while ((rig->credit == 0 || s->count < rig->credit) &&
           kofn_rounds_peek(rig->rounds, slot, &task)) {
        rig_job *job = rig_job_at(rig, task.job);
        assert_true(s->present && task.slot == slot && job->id == task.job);
        assert_false(job->answered[task.row]);
        assert_true(job->out[task.row] == 0 || rig->config.rescue > 0);
        assert_true(job->out[task.row]++ < 2);
        job->given[task.row] = true;
        assert_true(s->count < RIG_ROWS_MAX);
        kofn_rounds_send(rig->rounds, rig->now_ns, slot);
        const double factor = rig->factor ? rig->factor(rig, rig->round, slot) : 1;
        const int64_t from_ns = s->count > 0 ? s->out[s->count - 1].done_ns : rig->now_ns;
        s->out[s->count++] = (rig_task){task, from_ns + (int64_t)(factor * RIG_UNIT_NS)};
        if (rig->on_sent)
            rig->on_sent(rig, &task);
    }
}

/* Slots that were woken, and those that had no credit left: nobody else has anything to send. */
static inline void
rig_send_all(rounds_rig *rig)
{
    size_t slot = 0;
    kofn_mini_task task;
    while (kofn_rounds_next_woken(rig->rounds, &slot))
        rig_send(rig, slot);
    for (slot = 0; slot < (size_t)rig->config.slots; slot++) {
        assert_true(rig->credit > 0 || !kofn_rounds_peek(rig->rounds, slot, &task));
        rig_send(rig, slot);
    }
}

static inline void
rig_answer(rounds_rig *rig, size_t slot)
{
    const kofn_mini_task task = rig->slots[slot].out[0].task;
    rig_job *job = rig_job_at(rig, task.job);
    assert_true(job->id == task.job && !job->answered[task.row]);
    job->answered[task.row] = true;
    job->answers++;
    rig_drop(rig, task.job, &task.row);
    kofn_rounds_answer(rig->rounds, rig->now_ns, task.job, task.row, slot);
    if (rig->tell == RIG_AT_ONCE && rig_is_complete(rig, job))
        rig_finish(rig, task.job);
}

static inline bool
rig_is_due(const rounds_rig *rig, uint64_t id)
{
    const uint64_t birth = kofn_rounds_get_birth(rig->rounds, id);
    return birth != 0 && birth + (uint64_t)rig->config.delay == rig->round;
}

/* In the round: the due job, once the round would be over but for it. */
static inline void
rig_finish_due(rounds_rig *rig)
{
    const int64_t due_ns = kofn_rounds_get_due(rig->rounds);
    if (rig->deadline_ns == KOFN_NEVER_NS)
        rig->deadline_ns = due_ns;
    for (uint64_t id = rig->first; id <= rig->pushed; id++)
        if (rig_is_complete(rig, rig_job_at(rig, id)) && rig_is_due(rig, id) &&
            (rig->now_ns >= rig->deadline_ns || rig_count_out(rig, id) == 0))
            rig_finish(rig, id);
}

static inline void
rig_finish_others(rounds_rig *rig)
{
    for (uint64_t id = rig->first; id <= rig->pushed; id++)
        if (rig_is_complete(rig, rig_job_at(rig, id)))
            rig_finish(rig, id);
}

/* The next time at which something happens; KOFN_NEVER_NS: none. */
static inline int64_t
rig_next_ns(const rounds_rig *rig)
{
    int64_t next_ns = kofn_rounds_get_due(rig->rounds);
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        if (rig->slots[slot].count > 0 && rig->slots[slot].out[0].done_ns < next_ns)
            next_ns = rig->slots[slot].out[0].done_ns;
    return next_ns;
}

static inline void
rig_take_back(rounds_rig *rig)
{
    kofn_mini_task task;
    while (kofn_rounds_take_back(rig->rounds, &task)) {
        const rig_slot *s = &rig->slots[task.slot];
        size_t i = 0;
        while (i < s->count && (s->out[i].task.job != task.job || s->out[i].task.row != task.row))
            i++;
        assert_true(i < s->count);
        rig_remove(rig, task.slot, i);
    }
    assert_true(rig_count_out(rig, 0) == 0);
}

static inline void
rig_check(rounds_rig *rig)
{
    const kofn_rounds_view view = kofn_rounds_get_view(rig->rounds);
    assert_true(!view.on && view.rounds == view.round && view.round == rig->round);
    assert_true(view.given == view.answered + view.failed + view.dropped);
    size_t stragglers = 0, unfinished = 0;
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        stragglers += kofn_rounds_was_straggler(rig->rounds, slot);
    assert_int_equal(view.stragglers, stragglers);
    for (uint64_t id = rig->first; id <= rig->pushed; id++) {
        if (rig_job_at(rig, id)->id == 0)
            continue;
        const uint64_t birth = kofn_rounds_get_birth(rig->rounds, id);
        unfinished += birth != 0;
        assert_true(birth == 0 || rig->round < birth + (uint64_t)rig->config.delay);
    }
    assert_int_equal(view.unfinished, unfinished);
}

/* One round from its begin to its end. False: there is none. Dies where nothing would ever
 * happen. */
static inline bool
rig_round(rounds_rig *rig)
{
    if (!kofn_rounds_begin(rig->rounds, rig->now_ns))
        return false;
    rig->round++;
    rig->deadline_ns = KOFN_NEVER_NS;
    const size_t slots = (size_t)rig->config.slots;
    for (;;) {
        rig_send_all(rig);
        if (rig->tell != RIG_AT_ONCE)
            rig_finish_due(rig);
        if (kofn_rounds_end(rig->rounds, rig->now_ns))
            break;
        rig_send_all(rig); // what time brought
        const int64_t next_ns = rig_next_ns(rig);
        if (next_ns == KOFN_NEVER_NS && rig->on_stuck) {
            rig->on_stuck(rig);
            continue;
        }
        assert_true(next_ns < KOFN_NEVER_NS);
        assert_true(next_ns >= rig->now_ns);
        rig->now_ns = next_ns;
        for (size_t slot = 0; slot < slots; slot++) // all that happens at that time, in any order
            while (rig->slots[slot].count > 0 && rig->slots[slot].out[0].done_ns <= next_ns)
                rig_answer(rig, slot);
        if (rig->disturb)
            rig->disturb(rig);
    }
    rig_take_back(rig);
    if (rig->tell == RIG_AT_END)
        rig_finish_others(rig);
    rig_check(rig);
    return true;
}

#endif
