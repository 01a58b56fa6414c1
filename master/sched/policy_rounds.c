/* Rounds: the jobs of a stream take turns as one, and the rounds (rounds.h) say whose mini-task
 * comes next. What is left to this policy is to tell them what was sent, answered and lost. */
#include "master/sched/stream_run.h"

/* Also while those whose turn it would be are busy: who lost his place for that would stand behind
 * everybody whenever one of them is free. */
static bool
has_work(const kofn_run *run)
{
    return run->stream->offered > 0 && kofn_stream_run_get_first(run->stream) == run;
}

static kofn_assignment *
find_copy(const kofn_run *run, size_t task, const kofn_crew_worker *worker)
{
    kofn_assignment *a = run->tasks[task].copies;
    while (a && a->worker != worker)
        a = a->next_copy;
    return a;
}

/* What was adopted may be answered, or there, before the rounds give it. */
static bool
skip(kofn_slot *slot, const kofn_placed *placed)
{
    kofn_stream_run *stream = slot->stream;
    const kofn_run *run = placed->run;
    const int64_t now_ns = kofn_run_get_now_ns(run);
    kofn_assignment *a = find_copy(run, placed->task, slot->worker);
    const bool answered = run->tasks[placed->task].state == KOFN_TASK_KEPT;
    if (!answered && !a)
        return false;
    kofn_rounds_send(stream->rounds, now_ns, slot->number);
    if (answered) {
        kofn_rounds_answer(stream->rounds, now_ns, run->id, placed->task, SIZE_MAX);
        stream->skipped = true;
    } else {
        a->slot = slot;
        slot->out++;
    }
    return true;
}

static bool
look_at(const kofn_slot *slot, kofn_placed *ret_placed)
{
    const kofn_stream_run *stream = slot->stream;
    kofn_mini_task task;
    if (!kofn_rounds_peek(stream->rounds, slot->number, &task))
        return false;
    *ret_placed = (kofn_placed){
        .run = kofn_map_find(&stream->jobs, task.job),
        .worker = slot->worker,
        .task = task.row,
    };
    return true;
}

static bool
place(kofn_run *run, kofn_placed *ret_placed)
{
    for (kofn_link *link; (link = kofn_list_first(&run->stream->ready));) {
        kofn_slot *slot = (kofn_slot *)link;
        if (!slot->worker->ordered || !look_at(slot, ret_placed)) {
            kofn_slot_offer(slot); // somewhere else
        } else if (skip(slot, ret_placed)) {
            continue;
        } else if (ret_placed->run->deaths.first &&
                   kofn_run_is_suspect(ret_placed->run, ret_placed->task)) {
            kofn_link_remove(link);
            kofn_link_insert_before(&ret_placed->run->parked, link);
            run->stream->skipped = true; // suspects have their turn before all others
        } else {
            return true;
        }
    }
    return false;
}

static void
on_sent(kofn_run *run, const kofn_assignment *a)
{
    kofn_slot *slot = a->slot;
    if (!slot) // adopted
        return;
    slot->out++;
    kofn_rounds_send(slot->stream->rounds, kofn_run_get_now_ns(run), slot->number);
    kofn_slot_offer(slot);
}

static void
on_answer(kofn_run *run, const kofn_assignment *a)
{
    kofn_rounds_answer(run->stream->rounds, kofn_run_get_now_ns(run), run->id, a->task,
                       a->slot ? a->slot->number : SIZE_MAX);
    if (!a->adopted) // which was computed who knows when
        kofn_deaths_acquit(&run->deaths, kofn_run_get_death_key(run), a->id);
}

/* Not of what was taken back, or was in a slot that is vacated. */
static void
on_gone(kofn_run *run, const kofn_assignment *a)
{
    if (a->slot)
        kofn_rounds_lose(run->stream->rounds, kofn_run_get_now_ns(run), run->id, a->task,
                         a->slot->number);
}

const kofn_policy kofn_policy_rounds = {
    .name = "rounds",
    .help = "jobs of a stream in rounds, coded across workers and time",
    .has_work = has_work,
    .place = place,
    .on_sent = on_sent,
    .on_answer = on_answer,
    .on_gone = on_gone,
};
