/* Rounds: the jobs of a stream take turns as one, and the rounds (rounds.h) say whose mini-task comes
 * next. What is left to this policy is to tell them what was sent, answered and lost. */
#include "master/sched/streams.h"

static bool
has_work(const kofn_run *run)
{
    return kofn_link_is_listed(&run->stream->ready) && kofn_stream_get_first(run->stream) == run;
}

/* Where the slot's next mini-task goes; false: it has none any more, or its worker is not free. */
static bool
look_at(kofn_slot *slot, kofn_placed *ret_placed)
{
    const kofn_stream *stream = slot->stream;
    kofn_mini_task task;
    if (!slot->worker->ordered || !kofn_rounds_peek(stream->rounds, slot->number, &task))
        return false;
    *ret_placed = (kofn_placed){
        .run = kofn_map_find(&stream->jobs, task.job), .worker = slot->worker, .task = task.row};
    return true;
}

static bool
place(kofn_run *run, kofn_placed *ret_placed)
{
    for (kofn_link *link; (link = kofn_list_first(&run->stream->ready));) {
        kofn_slot *slot = (kofn_slot *)link;
        if (look_at(slot, ret_placed))
            return true;
        kofn_slot_offer(slot);
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
                       a->slot ? a->slot->number : 0);
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
