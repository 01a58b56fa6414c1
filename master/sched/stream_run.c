#include "master/sched/stream_run.h"
#include "common/base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- life ------------------------------------------------------------------------------------ */

static void
init_slots(kofn_stream_run *stream)
{
    for (size_t i = 0; i < stream->slot_count; i++) {
        kofn_slot *slot = &stream->slots[i];
        *slot = (kofn_slot){.stream = stream, .number = i};
        kofn_link_init(&slot->in_worker);
        kofn_link_insert_before(&stream->vacant, &slot->link);
    }
}

kofn_status
kofn_stream_run_new(const kofn_sched_stream *params, kofn_stream_run **ret_stream, kofn_error *err)
{
    const size_t slots = (size_t)params->rounds.slots;
    kofn_stream_run *stream = calloc(1, sizeof *stream + slots * sizeof(kofn_slot));
    if (!stream)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a stream of %zu workers",
                         slots);
    const kofn_status status = kofn_rounds_new(&params->rounds, params->need, &stream->rounds, err);
    if (status != KOFN_OK) {
        free(stream);
        return status;
    }
    size_t plain, coded;
    kofn_rounds_count_rows(&params->rounds, params->need, &plain, &coded);
    stream->id = params->id;
    stream->need = params->need;
    stream->rows = plain + coded;
    stream->kind = kofn_field_kind_of(params->field);
    stream->slot_count = slots;
    kofn_map_init(&stream->jobs);
    kofn_link_init(&stream->runs);
    kofn_link_init(&stream->ready);
    kofn_link_init(&stream->vacated);
    kofn_link_init(&stream->vacant);
    kofn_link_init(&stream->stirred);
    init_slots(stream);
    *ret_stream = stream;
    return KOFN_OK;
}

void
kofn_stream_run_destroy(kofn_stream_run **stream_p)
{
    kofn_stream_run *stream = *stream_p;
    *stream_p = NULL;
    if (!stream)
        return;
    kofn_map_fini(&stream->jobs);
    kofn_rounds_destroy(&stream->rounds);
    free(stream);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

kofn_status
kofn_stream_run_check(const kofn_stream_run *stream, const kofn_sched_job *job, kofn_error *err)
{
    const kofn_code *code = job->code;
    if (stream->closed)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "stream %" PRIx64 " was closed: open another one", stream->id);
    if (job->accept.kind == KOFN_ACCEPT_ERROR || job->accept.best || job->accept.settle_ns > 0 ||
        job->accept.liars > 0 || code->enough < code->threshold)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a job of a stream ends with the product, at once: accept nothing else");
    if (code->threshold != stream->need)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a %s code of which %zu answers suffice, and jobs of this stream take "
                         "%zu: take another partition or family",
                         code->family, code->threshold, stream->need);
    if (code->tasks != stream->rows || kofn_field_kind_of(code->field) != stream->kind)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a code of %zu rows over %s, and jobs of this stream have %zu, over the "
                         "stream's field",
                         code->tasks, code->field->name, stream->rows);
    return KOFN_OK;
}

kofn_status
kofn_stream_run_add(kofn_stream_run *stream, kofn_run *run, kofn_error *err)
{
    kofn_status status = kofn_map_put(&stream->jobs, run->id, run, err);
    if (status == KOFN_OK) {
        status = kofn_rounds_push(stream->rounds, run->id, err);
        if (status != KOFN_OK)
            (void)kofn_map_remove(&stream->jobs, run->id); // the pointer is at hand already
    }
    if (status != KOFN_OK)
        return status;
    run->stream = stream;
    kofn_link_insert_before(&stream->runs, &run->in_stream);
    return KOFN_OK;
}

void
kofn_stream_run_remove(kofn_stream_run *stream, kofn_run *run, int64_t now_ns)
{
    (void)kofn_map_remove(&stream->jobs, run->id); // the pointer is at hand already
    kofn_link_remove(&run->in_stream);
    run->stream = NULL;
    run->round = kofn_rounds_get_birth(stream->rounds, run->id) ? stream->round : 0;
    kofn_rounds_finish(stream->rounds, now_ns, run->id);
    for (kofn_link *link; (link = kofn_list_first(&run->parked));)
        kofn_slot_offer((kofn_slot *)link);
}

kofn_run *
kofn_stream_run_get_first(const kofn_stream_run *stream)
{
    const kofn_link *link = kofn_list_first(&stream->runs);
    return link ? KOFN_OWNER(link, kofn_run, in_stream) : NULL;
}

/* ---- workers --------------------------------------------------------------------------------- */

kofn_slot *
kofn_stream_run_find_slot(const kofn_stream_run *stream, const kofn_crew_worker *worker)
{
    for (kofn_link *link = worker->slots.next; link != &worker->slots; link = link->next) {
        kofn_slot *slot = KOFN_OWNER(link, kofn_slot, in_worker);
        if (slot->stream == stream)
            return slot;
    }
    return NULL;
}

bool
kofn_stream_run_wants(const kofn_stream_run *stream, const kofn_crew_worker *worker)
{
    return kofn_link_is_listed(&stream->vacant) && !worker->leaving &&
           (worker->fields >> stream->kind & 1) && !kofn_stream_run_find_slot(stream, worker);
}

void
kofn_stream_run_seat(kofn_stream_run *stream, kofn_crew_worker *worker, int64_t now_ns)
{
    kofn_slot *slot = (kofn_slot *)kofn_list_take_first(&stream->vacant);
    slot->worker = worker;
    kofn_link_insert_before(&worker->slots, &slot->in_worker);
    worker->slot_count++;
    stream->held++;
    stream->seated++;
    kofn_rounds_fill_slot(stream->rounds, now_ns, slot->number);
    kofn_slot_offer(slot);
}

static bool
is_better(const kofn_crew_worker *a, const kofn_crew_worker *b)
{
    if (a->slot_count != b->slot_count)
        return a->slot_count < b->slot_count;
    return a->rate != b->rate ? a->rate > b->rate : a->id < b->id;
}

static int
compare(const void *a, const void *b)
{
    const kofn_crew_worker *const *first = a, *const *second = b;
    return is_better(*first, *second) ? -1 : 1;
}

kofn_status
kofn_stream_run_fill(kofn_stream_run *stream, const kofn_crew *crew, int64_t now_ns,
                     kofn_error *err)
{
    size_t cursor = 0, count = 0;
    kofn_crew_worker **able = malloc((crew->workers.count + 1) * sizeof *able);
    if (!able)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to choose from %zu workers",
                         crew->workers.count);
    for (kofn_crew_worker *w; (w = kofn_map_next(&crew->workers, &cursor));)
        if (kofn_stream_run_wants(stream, w))
            able[count++] = w;
    qsort(able, count, sizeof(kofn_crew_worker *), compare);
    for (size_t i = 0; i < count && kofn_link_is_listed(&stream->vacant); i++)
        kofn_stream_run_seat(stream, able[i], now_ns);
    free(able);
    return KOFN_OK;
}

kofn_crew_worker *
kofn_stream_run_find_worker(const kofn_stream_run *stream, const kofn_crew *crew)
{
    kofn_crew_worker *best = NULL;
    size_t cursor = 0;
    if (crew->able[stream->kind] <= stream->seated)
        return NULL; // all have one
    for (kofn_crew_worker *w; (w = kofn_map_next(&crew->workers, &cursor));)
        if (kofn_stream_run_wants(stream, w) && (!best || is_better(w, best)))
            best = w;
    return best;
}

void
kofn_slot_unseat(kofn_slot *slot)
{
    kofn_crew_worker *worker = slot->worker;
    for (kofn_link *link = worker->queue.next; slot->out > 0 && link != &worker->queue;
         link = link->next) {
        kofn_assignment *a = KOFN_OWNER(link, kofn_assignment, in_worker);
        if (a->slot == slot)
            a->slot = NULL;
    }
    slot->out = 0;
    slot->worker = NULL;
    slot->stream->offered -= slot->offered;
    slot->offered = false;
    slot->stream->held--;
    slot->stream->seated -= !worker->leaving;
    worker->slot_count--;
    kofn_link_remove(&slot->in_worker);
    kofn_link_remove(&slot->link);
    kofn_link_insert_before(&slot->stream->vacated, &slot->link);
}

void
kofn_stream_run_vacate(kofn_stream_run *stream, int64_t now_ns)
{
    for (kofn_link *link; (link = kofn_list_take_first(&stream->vacated));) {
        kofn_rounds_vacate_slot(stream->rounds, now_ns, ((kofn_slot *)link)->number);
        kofn_link_insert_before(&stream->vacant, link);
    }
}

/* ---- what slots have to do ------------------------------------------------------------------- */

void
kofn_slot_offer(kofn_slot *slot)
{
    kofn_mini_task task;
    if (!slot->worker)
        return;
    kofn_link_remove(&slot->link);
    slot->stream->offered -= slot->offered;
    slot->offered = kofn_rounds_peek(slot->stream->rounds, slot->number, &task);
    slot->stream->offered += slot->offered;
    if (slot->offered)
        kofn_link_insert_before(
            slot->worker->ordered ? &slot->stream->ready : &slot->worker->waiting, &slot->link);
}

void
kofn_stream_run_offer(kofn_stream_run *stream)
{
    for (size_t slot; kofn_rounds_next_woken(stream->rounds, &slot);)
        if (!kofn_link_is_listed(&stream->slots[slot].link))
            kofn_slot_offer(&stream->slots[slot]);
}

void
kofn_slot_release(kofn_assignment *a)
{
    kofn_slot *slot = a->slot;
    if (slot && --slot->out == 0 && slot->worker->leaving)
        kofn_slot_unseat(slot);
}
