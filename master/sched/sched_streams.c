/* What streams add to the core: their rounds are turned, and their slots are bound to workers.
 *
 * An event stirs the streams that it concerns. Before the next action is taken their rounds are
 * asked what follows: whether the round is over, what of it is taken back, and what slots have to
 * send. So several things that happen in one event, such as the loss of a worker and of all that it
 * had, are over when the rounds are looked at. */
#include "common/base/clock.h"
#include "master/sched/core.h"

#include <inttypes.h>
#include <string.h>

void
kofn_core_stir(kofn_sched *s, kofn_stream_run *stream)
{
    kofn_timers_set(&s->round_timers, &stream->timer, KOFN_NEVER_NS);
    if (!kofn_link_is_listed(&stream->stirred))
        kofn_link_insert_before(&s->stirred, &stream->stirred);
}

static kofn_status
check_new_stream(const kofn_sched *s, const kofn_sched_stream *params, kofn_error *err)
{
    if (params->id == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "stream id is 0, need another number");
    if (kofn_map_find(&s->streams, params->id))
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "stream %" PRIx64 " is known already",
                         params->id);
    return KOFN_OK;
}

kofn_status
kofn_sched_stream_open(kofn_sched *s, int64_t now_ns, const kofn_sched_stream *params,
                       kofn_error *err)
{
    kofn_core_advance(s, now_ns);
    kofn_stream_run *stream = NULL;
    kofn_status status = check_new_stream(s, params, err);
    if (status == KOFN_OK)
        status = kofn_timers_reserve(&s->round_timers, s->streams.count + 1, err);
    if (status == KOFN_OK)
        status = kofn_stream_run_new(params, &stream, err);
    if (status == KOFN_OK)
        status = kofn_map_put(&s->streams, params->id, stream, err);
    if (status == KOFN_OK) {
        status = kofn_stream_run_fill(stream, &s->crew, s->now_ns, err);
        if (status != KOFN_OK)
            (void)kofn_map_remove(&s->streams, params->id); // the pointer is at hand already
    }
    if (status != KOFN_OK) {
        kofn_stream_run_destroy(&stream);
        return status;
    }
    stream->timer.number = ++s->stream_arrivals;
    return KOFN_OK;
}

/* No job of it is left, and none will come. */
static void
end_stream(kofn_sched *s, kofn_stream_run *stream)
{
    kofn_timers_set(&s->round_timers, &stream->timer, KOFN_NEVER_NS);
    kofn_link_remove(&stream->stirred);
    for (size_t i = 0; i < stream->slot_count; i++)
        if (stream->slots[i].worker)
            kofn_slot_unseat(&stream->slots[i]);
    (void)kofn_map_remove(&s->streams, stream->id); // the pointer is at hand already
    kofn_stream_run_destroy(&stream);
}

bool
kofn_sched_stream_close(kofn_sched *s, uint64_t id)
{
    kofn_stream_run *stream = kofn_map_find(&s->streams, id);
    if (!stream || stream->closed)
        return false;
    stream->closed = true;
    kofn_core_stir(s, stream);
    return true;
}

/* One job of the stream has the turns of all. */
static void
refresh_stream(kofn_sched *s, const kofn_stream_run *stream)
{
    kofn_run *run = kofn_stream_run_get_first(stream);
    if (run)
        kofn_core_refresh(s, run);
}

/* Its round is over before it was done, or answered by a copy. */
static void
take_back(kofn_sched *s, kofn_stream_run *stream, const kofn_mini_task *task)
{
    kofn_run *run = kofn_map_find(&stream->jobs, task->job);
    kofn_assignment *a = run ? run->tasks[task->row].copies : NULL;
    while (a && a->slot != &stream->slots[task->slot])
        a = a->next_copy;
    if (!a)
        return;
    if (a->adopted) { // it costs nothing to wait for that
        kofn_slot_release(a);
        a->slot = NULL;
        return;
    }
    kofn_core_cancel(s, a);
    kofn_run_lose(run, task->row);
}

/* Slots of workers that are gone go to others that have none of the stream. */
static void
replace_gone(kofn_sched *s, kofn_stream_run *stream)
{
    if (!kofn_link_is_listed(&stream->vacated))
        return;
    kofn_stream_run_vacate(stream, s->now_ns);
    for (kofn_crew_worker *w; (w = kofn_stream_run_find_worker(stream, &s->crew));)
        kofn_stream_run_seat(stream, w, s->now_ns);
}

static void
end_round(kofn_sched *s, kofn_stream_run *stream)
{
    kofn_mini_task task;
    if (!kofn_rounds_end(stream->rounds, s->now_ns))
        return;
    while (kofn_rounds_take_back(stream->rounds, &task))
        take_back(s, stream, &task);
    replace_gone(s, stream); // of workers that leave, that was the last
}

/* After whatever may have ended the round, or may begin one. */
static void
turn(kofn_sched *s, kofn_stream_run *stream)
{
    kofn_link_remove(&stream->stirred);
    if (stream->closed && stream->jobs.count == 0) {
        end_stream(s, stream);
        return;
    }
    replace_gone(s, stream);
    do
        end_round(s, stream);
    while (kofn_rounds_begin(stream->rounds, s->now_ns));
    stream->round = kofn_rounds_get_view(stream->rounds).round;
    kofn_stream_run_offer(stream);
    kofn_timers_set(&s->round_timers, &stream->timer, kofn_rounds_get_due(stream->rounds));
    kofn_link_remove(&stream->stirred); // by what was taken back
    refresh_stream(s, stream);
}

void
kofn_core_turn_streams(kofn_sched *s)
{
    for (kofn_link *link; (link = kofn_list_first(&s->stirred));)
        turn(s, KOFN_OWNER(link, kofn_stream_run, stirred));
    for (kofn_link *link; (link = kofn_list_take_first(&s->crew.woken));) {
        kofn_slot *slot = (kofn_slot *)link;
        kofn_slot_offer(slot);
        refresh_stream(s, slot->stream);
    }
}

void
kofn_core_seat(kofn_sched *s, kofn_crew_worker *worker)
{
    size_t cursor = 0;
    for (kofn_stream_run *stream; (stream = kofn_map_next(&s->streams, &cursor));) {
        if (!kofn_stream_run_wants(stream, worker))
            continue;
        kofn_stream_run_seat(stream, worker, s->now_ns);
        kofn_core_stir(s, stream);
    }
}

void
kofn_core_unseat(kofn_sched *s, kofn_crew_worker *worker, bool is_gone)
{
    for (kofn_link *link = worker->slots.next; link != &worker->slots;) {
        kofn_slot *slot = KOFN_OWNER(link, kofn_slot, in_worker);
        link = link->next;
        kofn_core_stir(s, slot->stream);
        if (slot->out == 0 || is_gone)
            kofn_slot_unseat(slot);
        else
            slot->stream->seated--; // and unseated with the last
    }
}

kofn_status
kofn_core_check_stream(const kofn_sched *s, const kofn_sched_job *job, kofn_error *err)
{
    const kofn_stream_run *stream = kofn_map_find(&s->streams, job->stream);
    if (!stream)
        return kofn_fail(err, KOFN_NOT_FOUND, "stream %" PRIx64 " is not known: open it first",
                         job->stream);
    if (strcmp(job->policy, kofn_policy_rounds.name) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "policy '%s' is none for jobs of a stream: theirs is '%s'", job->policy,
                         kofn_policy_rounds.name);
    return kofn_stream_run_check(stream, job, err);
}

/* Of the slots that wait for a row of this run the one whose worker died of it least often. Those
 * that have come to wait for something else are put elsewhere. */
static kofn_slot *
choose_parked(kofn_run *run, size_t *ret_task)
{
    kofn_slot *best = NULL;
    size_t fewest = SIZE_MAX;
    for (kofn_link *next, *link = run->parked.next; link != &run->parked; link = next) {
        kofn_slot *slot = (kofn_slot *)link;
        kofn_mini_task task;
        next = link->next;
        if (!kofn_rounds_peek(run->stream->rounds, slot->number, &task) || task.job != run->id ||
            !kofn_run_is_suspect(run, task.row) || run->tasks[task.row].state == KOFN_TASK_KEPT) {
            kofn_slot_offer(slot);
            continue;
        }
        const size_t deaths =
            kofn_deaths_count(&run->deaths, kofn_run_get_death_key(run), slot->worker->name);
        if (deaths < fewest && !kofn_run_is_deadly(run, task.row)) {
            best = slot;
            fewest = deaths;
            *ret_task = task.row;
        }
    }
    return best;
}

/* A suspect of a stream goes where the rounds say, but one row of the job at a time: or its next
 * death would be that of all workers. */
kofn_crew_worker *
kofn_core_place_parked(kofn_sched *s, kofn_run *run, size_t *ret_task, bool *waits)
{
    const kofn_slot *slot = choose_parked(run, ret_task);
    refresh_stream(s, run->stream);
    if (!slot || run->count[KOFN_TASK_OUT] > 0)
        return NULL;
    *waits = true;
    if (slot->worker->running == 0)
        return slot->worker;
    if (s->kept_free == 0) {
        s->kept_free = slot->worker->id;
        kofn_crew_set_alone(&s->crew, slot->worker, true);
    }
    return NULL;
}

bool
kofn_sched_get_stream(const kofn_sched *s, uint64_t id, kofn_sched_stream_view *ret_view)
{
    const kofn_stream_run *stream = kofn_map_find(&s->streams, id);
    if (!stream)
        return false;
    *ret_view = (kofn_sched_stream_view){
        .rounds = kofn_rounds_get_view(stream->rounds),
        .slots = stream->slot_count,
        .vacant = stream->slot_count - stream->held,
        .jobs = stream->jobs.count,
    };
    return true;
}

const kofn_trace *
kofn_sched_get_trace(const kofn_sched *s, uint64_t id)
{
    const kofn_stream_run *stream = kofn_map_find(&s->streams, id);
    return stream ? kofn_rounds_get_trace(stream->rounds) : NULL;
}
