#include "master/stream.h"

#include "common/code/inner.h"

#include <assert.h>
#include <stdlib.h>

struct kofn_streams {
    kofn_master *master;
    TAILQ_HEAD(stream_list, kofn_stream) all; // oldest first
    kofn_rng names;
    size_t live, closed; // live: all others
    size_t charge;
};

kofn_status
kofn_streams_new(kofn_master *master, kofn_streams **ret_streams, kofn_error *err)
{
    kofn_streams *streams = calloc(1, sizeof *streams);
    if (!streams)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the table of streams");
    streams->master = master;
    TAILQ_INIT(&streams->all);
    kofn_rng_init(&streams->names, kofn_rng_fresh_seed(), 0);
    *ret_streams = streams;
    return KOFN_OK;
}

/* Who waits for the end of a stream: with `why`, in vain. */
static void
tell_closers(kofn_stream *stream, const kofn_error *why)
{
    for (kofn_stream_closer *closer; (closer = STAILQ_FIRST(&stream->closers));) {
        STAILQ_REMOVE_HEAD(&stream->closers, next);
        closer->done(closer->context, why ? NULL : stream, why);
        free(closer);
    }
}

void
kofn_streams_destroy(kofn_streams **streams_p)
{
    kofn_streams *streams = *streams_p;
    if (!streams)
        return;

    const kofn_error stopped = {.status = KOFN_UNAVAILABLE, .text = "the master stopped"};
    for (kofn_stream *stream; (stream = TAILQ_FIRST(&streams->all));) {
        TAILQ_REMOVE(&streams->all, stream, of_all);
        tell_closers(stream, &stopped);
        kofn_streams_free_record(&stream);
    }
    free(streams);
    *streams_p = NULL;
}

size_t
kofn_streams_get_charge(const kofn_streams *streams)
{
    return streams ? streams->charge : 0;
}

static kofn_stream *
find_named(const kofn_streams *streams, const char *name)
{
    kofn_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        if (strcmp(stream->name, name) == 0)
            return stream;
    }
    return NULL;
}

static bool
is_told_to(const kofn_stream *stream, const kofn_asker *who)
{
    return stream->state != KOFN_STREAM_OPENING && kofn_asker_may(who, stream->owner);
}

kofn_stream *
kofn_streams_find(kofn_streams *streams, const kofn_asker *who, const char *name)
{
    kofn_stream *stream = find_named(streams, name);
    return stream && is_told_to(stream, who) ? stream : NULL;
}

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct open_item {
    kofn_coder_item item;
    kofn_stream *stream;
    kofn_stream_done *done;
    void *context;
    kofn_status status;
    kofn_error error;
} open_item;

static void
open_run(kofn_coder_item *item)
{
    open_item *open = (open_item *)item;
    kofn_stream *stream = open->stream;
    open->status =
        kofn_inner_build(&stream->spec, stream->field, stream->plain, &stream->code, &open->error);
    if (!open->status && stream->code->threshold != stream->need)
        open->status =
            kofn_fail(&open->error, KOFN_INVALID_ARGUMENT,
                      "the inner code takes %zu answers, and its scheme counts on %zu: take "
                      "another family",
                      stream->code->threshold, stream->need);
    if (!open->status && stream->code->enough < stream->code->threshold)
        open->status = kofn_fail(&open->error, KOFN_INVALID_ARGUMENT,
                                 "the inner code: %s settles for estimates, and jobs of a stream "
                                 "end with the product; take %s",
                                 stream->spec.family, stream->spec.part.z > 1 ? "matdot" : "rkrp");
}

static kofn_status
begin_rounds(kofn_stream *stream, kofn_error *err)
{
    const kofn_sched_stream rounds = {
        .id = stream->id,
        .need = stream->need,
        .field = stream->field,
        .rounds = stream->rounds,
    };
    return kofn_sched_stream_open(stream->of->master->sched, kofn_clock_ns(), &rounds, err);
}

static void
take_jobs(kofn_stream *stream)
{
    stream->state = KOFN_STREAM_OPEN;
    kofn_log_write(&stream->of->master->log, KOFN_LOG_INFO, "stream_opened", "it takes jobs",
                   "stream=%s scheme=%s slots=%d delay=%d need=%zu family=%s", stream->name,
                   kofn_scheme_name((kofn_scheme)stream->rounds.scheme), (int)stream->rounds.slots,
                   (int)stream->rounds.delay, stream->need, stream->spec.family);
    if (stream->of->master->config.verify == KOFN_VERIFY_PARITY)
        kofn_log_write(&stream->of->master->log, KOFN_LOG_WARNING, "verified_otherwise",
                       "rounds wait for no more answers than the product takes",
                       "stream=%s configured=parity verify=freivalds", stream->name);
}

static void
warn_of_cost(const kofn_stream *stream)
{
    const size_t usual = kofn_rounds_get_usual_parts(&stream->rounds);
    if (stream->need > usual && stream->rounds.scheme != KOFN_SCHEME_UNCODED)
        kofn_log_write(
            &stream->of->master->log, KOFN_LOG_WARNING, "stream_costly",
            "its jobs have so many parts that coding them takes longer than it saves, as "
            "a rule: fewer are faster",
            "stream=%s need=%zu usual=%zu", stream->name, stream->need, usual);
}

static void
list_stream(kofn_stream *stream)
{
    kofn_streams *streams = stream->of;
    TAILQ_INSERT_TAIL(&streams->all, stream, of_all);
    streams->live++;
    streams->charge += stream->charge;
}

static void
unlist_stream(kofn_stream *stream)
{
    kofn_streams *streams = stream->of;
    TAILQ_REMOVE(&streams->all, stream, of_all);
    *(stream->state == KOFN_STREAM_CLOSED ? &streams->closed : &streams->live) -= 1;
    streams->charge -= stream->charge;
}

static void
open_done(kofn_coder_item *item)
{
    open_item *open = (open_item *)item;
    kofn_stream *stream = open->stream;
    if (!item->start_ns) // the pool was drained before it ran
        open->status = kofn_fail(&open->error, KOFN_UNAVAILABLE, "the master stopped");
    if (!open->status)
        open->status = begin_rounds(stream, &open->error);
    if (open->status) {
        unlist_stream(stream);
        open->done(open->context, NULL, &open->error);
        kofn_streams_free_record(&stream);
    } else {
        take_jobs(stream);
        warn_of_cost(stream);
        open->done(open->context, stream, NULL);
    }
    free(open);
}

/* Without keys everybody is one owner: then it is a connection that has a share. */
static size_t
count_of_client(const kofn_streams *streams, const kofn_asker *who, uint64_t session)
{
    const kofn_stream *stream;
    size_t count = 0;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        count += stream->state != KOFN_STREAM_CLOSED &&
                 (who->key[0] ? strcmp(stream->owner, who->key) == 0 : stream->session == session);
    }
    return count;
}

static kofn_status
check_limits(const kofn_streams *streams, const kofn_asker *who, uint64_t session, kofn_error *err)
{
    const kofn_master_config *config = &streams->master->config;
    const size_t all = streams->live;
    const size_t own = count_of_client(streams, who, session);
    if (streams->master->draining)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the master is stopping: try again in a moment");
    if (all >= (size_t)config->streams_max)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu streams are open, limits.streams is %zu: try again later", all,
                         (size_t)config->streams_max);
    if (own >= (size_t)config->client_streams_max)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "this client has %zu streams open, limits.client_streams is %zu: close "
                         "one first",
                         own, (size_t)config->client_streams_max);
    return KOFN_OK;
}

static void
give_name(kofn_streams *streams, kofn_stream *stream)
{
    do {
        stream->id = kofn_rng_u64(&streams->names);
        snprintf(stream->name, sizeof stream->name, "%016" PRIx64, stream->id);
    } while (stream->id == 0 || find_named(streams, stream->name));
}

kofn_status
kofn_streams_open(kofn_streams *streams, const kofn_msg_open_stream *asked, const kofn_asker *who,
                  uint64_t session, kofn_stream_done *done, void *context, bool *ret_never,
                  kofn_error *err)
{
    kofn_stream *stream = NULL;
    *ret_never = false;
    kofn_status status = check_limits(streams, who, session, err);
    if (!status)
        status = kofn_stream_settle(streams->master, asked, &stream, err);
    if (!status)
        status = kofn_master_check_room(streams->master, "this stream", 0, stream->charge,
                                        ret_never, err);
    open_item *open = status ? NULL : calloc(1, sizeof *open);
    if (!status && !open)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another stream");
    if (status) {
        kofn_streams_free_record(&stream);
        return status;
    }
    stream->of = streams;
    stream->session = session;
    stream->opened_ns = kofn_clock_ns();
    memcpy(stream->owner, who->key, sizeof stream->owner);
    give_name(streams, stream);
    list_stream(stream);
    *open = (open_item){
        .item = {.run = open_run, .done = open_done},
        .stream = stream,
        .done = done,
        .context = context,
    };
    kofn_coders_submit(streams->master->coders, &open->item);
    return KOFN_OK;
}

void
kofn_stream_use(kofn_stream *stream, uint64_t session)
{
    stream->session = session;
}

/* ---- places ---------------------------------------------------------------------------------- */

static kofn_stream_place *
get_place(const kofn_stream *stream, uint64_t index)
{
    assert(index > stream->released && index <= stream->released + stream->limit);
    return &stream->places[index % stream->limit];
}

/* The client has these outcomes, or can ask for them no more. */
static void
release_places(kofn_stream *stream, uint64_t upto)
{
    if (upto > stream->answered)
        upto = stream->answered;
    while (stream->released < upto) {
        kofn_stream_place *place = get_place(stream, stream->released + 1);
        kofn_job *job = place->job;
        *place = (kofn_stream_place){.job = NULL};
        stream->released++;
        if (!job)
            continue;
        job->stream = NULL;
        kofn_job_drop_product(job);
    }
}

/* The scheduler's goes with the stream there. Without memory there is none. */
static void
keep_trace(kofn_stream *stream)
{
    const kofn_trace *trace = kofn_sched_get_trace(stream->of->master->sched, stream->id);
    const size_t bytes = trace ? kofn_trace_count(trace) * trace->row_bytes : 0;
    stream->trace.at = bytes > 0 ? malloc(bytes) : NULL;
    if (!stream->trace.at)
        return;
    stream->trace.length = bytes;
    kofn_trace_copy(trace, stream->trace.at);
}

/* No job asks for its code any more: those that still compute with it have refs. */
static void
keep_account(kofn_stream *stream)
{
    kofn_code_destroy(&stream->code);
    stream->of->charge -= stream->charge;
    stream->charge = kofn_stream_count_account(stream) + stream->trace.length;
    stream->of->charge += stream->charge;
}

static void
end_stream(kofn_stream *stream)
{
    kofn_streams *streams = stream->of;
    kofn_sched *sched = streams->master->sched;
    (void)kofn_sched_get_stream(sched, stream->id, &stream->last);
    keep_trace(stream);
    (void)kofn_sched_stream_close(sched, stream->id); // with its last job it is gone there
    stream->state = KOFN_STREAM_CLOSED;
    stream->closed_ns = kofn_clock_ns();
    streams->live--;
    streams->closed++;
    keep_account(stream);
    kofn_log_write(&streams->master->log, KOFN_LOG_INFO, "stream_closed", "its last job has ended",
                   "stream=%s jobs=%" PRIu64 " done=%" PRIu64 " failed=%" PRIu64, stream->name,
                   stream->pushed, stream->done, stream->failed);
    tell_closers(stream, NULL);
}

/* An index that is free blocks the way for those behind it, unless nobody can push any more. */
static bool
may_come_again(const kofn_stream *stream)
{
    return stream->state == KOFN_STREAM_OPEN && !stream->of->master->draining;
}

/* Jobs that are over, and all before them: their pushes are answered. */
static void
answer_in_turn(kofn_stream *stream)
{
    while (stream->answered < stream->pushed) {
        kofn_job *job = get_place(stream, stream->answered + 1)->job;
        if (job ? !kofn_job_is_over(job) : may_come_again(stream))
            return;
        stream->answered++;
        stream->failed += !job;
        if (!job)
            continue;
        job->held_back = false;
        stream->of->master->audience->turn(job);
    }
    if (stream->state == KOFN_STREAM_CLOSING)
        end_stream(stream);
}

/* To the scheduler, in order. One that ends at once comes back here. */
static void
hand_over(kofn_stream *stream)
{
    while (stream->handed < stream->pushed) {
        const kofn_stream_place *place = get_place(stream, stream->handed + 1);
        if (place->job ? !place->ready && !kofn_job_is_over(place->job) : may_come_again(stream))
            return;
        stream->handed++;
        if (place->job && !kofn_job_is_over(place->job))
            kofn_job_run(place->job, stream->code);
    }
}

void
kofn_stream_on_ready(kofn_stream *stream, kofn_job *job)
{
    get_place(stream, job->index)->ready = true;
    hand_over(stream);
}

void
kofn_stream_on_over(kofn_stream *stream, kofn_job *job)
{
    if (job->orphan) { // its blocks may come again
        *get_place(stream, job->index) = (kofn_stream_place){.job = NULL};
        job->stream = NULL;
        job->held_back = false;
        stream->of->master->audience->turn(job);
    } else {
        stream->done += job->state == KOFN_JOB_DONE;
        stream->failed += job->state != KOFN_JOB_DONE;
    }
    hand_over(stream);
    answer_in_turn(stream);
}

void
kofn_streams_on_stopping(kofn_streams *streams)
{
    kofn_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        hand_over(stream);
        answer_in_turn(stream);
    }
}

/* ---- pushes ---------------------------------------------------------------------------------- */

static kofn_status
check_index(const kofn_stream *stream, uint64_t index, kofn_error *err)
{
    if (index == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "index 0: jobs are numbered from 1");
    if (index <= stream->released)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "the outcome of job %" PRIu64 " of stream %s is not kept any more: it was "
                         "received, or one %zu further on was pushed",
                         index, stream->name, stream->limit);
    if (index > stream->pushed + 1)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "index %" PRIu64 " leaves a gap in stream %s: %" PRIu64 " is expected",
                         index, stream->name, stream->pushed + 1);
    return KOFN_OK;
}

static kofn_status
check_open(const kofn_stream *stream, uint64_t index, kofn_error *err)
{
    if (stream->state != KOFN_STREAM_OPEN)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "stream %s was closed: it takes no further jobs", stream->name);
    if (stream->of->master->draining)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the master is stopping: try again in a moment");
    if (index > stream->answered + stream->limit)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%" PRIu64 " jobs of stream %s are pushed and not answered, its limit is "
                         "%zu: wait for a product first",
                         stream->pushed - stream->answered, stream->name, stream->limit);
    return KOFN_OK;
}

static kofn_status
accept_job(kofn_stream *stream, const kofn_push_order *order, kofn_job **ret_job, bool *ret_never,
           kofn_error *err)
{
    const kofn_msg_push *push = order->push;
    kofn_msg_product product = {
        .a = push->a,
        .b = push->b,
        .transpose_a = push->transpose_a,
        .transpose_b = push->transpose_b,
    };
    memcpy(product.operand_a, push->operand_a, sizeof product.operand_a);
    memcpy(product.operand_b, push->operand_b, sizeof product.operand_b);
    snprintf(product.field, sizeof product.field, "%s", stream->field->name);
    const kofn_job_order plain = {
        .product = &product,
        .key = "",
        .session = order->session,
        .asker = order->asker,
        .deadline_ns = order->deadline_ns,
        .stream = stream,
        .index = push->index,
    };
    bool known;
    return kofn_jobs_accept(stream->of->master->jobs, &plain, ret_job, &known, ret_never, err);
}

/* Earlier pushes of this job end. One whose blocks are coming in ends with them, since nobody knows
 * whether that connection is there: whoever comes with all of them is preferred. */
static void
supersede(kofn_stream *stream, kofn_job *job)
{
    kofn_error why;
    kofn_fail(&why, KOFN_ABORTED, "job %" PRIu64 " of stream %s was pushed again", job->index,
              stream->name);
    stream->of->master->audience->superseded(job, &why);
    if (job->state != KOFN_JOB_RECEIVING)
        return;
    job->orphan = true;
    kofn_job_end(job, &why);
}

kofn_status
kofn_stream_take(kofn_stream *stream, const kofn_push_order *order, kofn_job **ret_job,
                 bool *ret_known, bool *ret_never, kofn_error *err)
{
    const uint64_t index = order->push->index;
    *ret_never = false;
    if (stream->given_up)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "stream %s was closed: its client was away for longer than its grace time",
                         stream->name);
    release_places(stream, order->push->received);
    kofn_status status = check_index(stream, index, err);
    if (status)
        return status;
    kofn_job *there = index <= stream->pushed ? get_place(stream, index)->job : NULL;
    *ret_known = there && there->state != KOFN_JOB_RECEIVING;
    status = *ret_known ? KOFN_OK : check_open(stream, index, err);
    if (!status && there)
        supersede(stream, there);
    if (*ret_known) {
        *ret_job = there;
        return KOFN_OK;
    }
    kofn_job *job = NULL;
    if (!status)
        status = accept_job(stream, order, &job, ret_never, err);
    if (status)
        return status;
    if (index > stream->limit)
        release_places(stream, index - stream->limit);
    if (index > stream->pushed)
        stream->pushed = index;
    *get_place(stream, index) = (kofn_stream_place){.job = job};
    *ret_job = job;
    if (job->error.status) // it does not fit
        kofn_job_break(job, &job->error);
    return KOFN_OK;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* The last one first: none comes to the scheduler in the place of another. */
static void
abandon_jobs(kofn_stream *stream, const char *text)
{
    kofn_error why;
    kofn_fail(&why, KOFN_CANCELLED, "%s", text);
    for (uint64_t index = stream->pushed; index > stream->answered; index--) {
        kofn_job *job = get_place(stream, index)->job;
        if (job)
            kofn_job_stop(job, &why);
    }
    kofn_jobs_act(stream->of->master->jobs);
}

static void
close_stream(kofn_stream *stream, const char *abandon)
{
    if (stream->state == KOFN_STREAM_OPEN)
        stream->state = KOFN_STREAM_CLOSING;
    if (abandon)
        abandon_jobs(stream, abandon);
    hand_over(stream); // past those that will not come any more
    if (stream->state == KOFN_STREAM_CLOSING)
        answer_in_turn(stream);
}

kofn_status
kofn_stream_shut(kofn_stream *stream, bool abandon, kofn_stream_done *done, void *context,
                 kofn_error *err)
{
    if (stream->state == KOFN_STREAM_CLOSED) {
        done(context, stream, NULL);
        return KOFN_OK;
    }
    kofn_stream_closer *closer = calloc(1, sizeof *closer);
    if (!closer)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to close a stream");
    *closer = (kofn_stream_closer){.done = done, .context = context};
    STAILQ_INSERT_TAIL(&stream->closers, closer, next);
    close_stream(stream, abandon ? "its stream was abandoned" : NULL);
    return KOFN_OK;
}

void
kofn_stream_forsake(kofn_stream *stream)
{
    close_stream(stream, NULL);
}

void
kofn_stream_note_call(kofn_stream *stream, uint64_t call)
{
    stream->call = call;
}

void
kofn_streams_on_abandoned(kofn_streams *streams, uint64_t session, uint64_t call)
{
    kofn_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        if (stream->state == KOFN_STREAM_OPEN && stream->session == session &&
            stream->call == call && stream->pushed == 0)
            kofn_stream_forsake(stream);
    }
}

static void
forget_stream(kofn_stream *stream)
{
    release_places(stream, stream->pushed);
    unlist_stream(stream);
    kofn_streams_free_record(&stream);
}

void
kofn_streams_on_session_gone(kofn_streams *streams, uint64_t session)
{
    kofn_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        if (stream->session != session)
            continue;
        stream->session = 0;
        stream->orphaned_ns = kofn_clock_ns();
    }
}

static bool
is_waited_for(const kofn_stream *stream)
{
    bool waited = false;
    for (uint64_t index = stream->answered + 1; index <= stream->pushed; index++) {
        const kofn_job *job = get_place(stream, index)->job;
        waited |= job && !TAILQ_EMPTY(&job->requests);
    }
    return waited;
}

static void
tick_open(kofn_stream *stream, int64_t now_ns)
{
    const bool live = stream->state == KOFN_STREAM_OPEN || stream->state == KOFN_STREAM_CLOSING;
    if (!live || stream->session != 0 || now_ns - stream->orphaned_ns <= stream->grace_ns ||
        is_waited_for(stream))
        return;
    kofn_log_write(&stream->of->master->log, KOFN_LOG_NOTICE, "stream_abandoned",
                   "its client is gone and did not come back", "stream=%s jobs=%" PRIu64,
                   stream->name, stream->pushed - stream->answered);
    stream->given_up = true;
    close_stream(stream, "the client of its stream is gone");
}

static void
forget_expired(kofn_streams *streams, int64_t now_ns)
{
    kofn_stream *next;
    for (kofn_stream *stream = TAILQ_FIRST(&streams->all); stream; stream = next) {
        next = TAILQ_NEXT(stream, of_all);
        if (stream->state == KOFN_STREAM_CLOSED && now_ns - stream->closed_ns > stream->grace_ns)
            forget_stream(stream);
    }
}

bool
kofn_streams_forget_oldest(kofn_streams *streams)
{
    kofn_stream *stream, *oldest = NULL;
    if (!streams || streams->closed == 0)
        return false;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        if (stream->state == KOFN_STREAM_CLOSED &&
            (!oldest || stream->closed_ns < oldest->closed_ns))
            oldest = stream;
    }
    forget_stream(oldest);
    return true;
}

/* What ends a stream may need room, and closed ones go for that: the next in the list is not known
 * before. */
void
kofn_streams_on_tick(kofn_streams *streams, int64_t now_ns)
{
    kofn_stream *stream;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        tick_open(stream, now_ns);
    }
    forget_expired(streams, now_ns);
    while (streams->closed > KOFN_STREAMS_CLOSED_MAX)
        (void)kofn_streams_forget_oldest(streams);
}

/* ---- views ----------------------------------------------------------------------------------- */

static const char *
name_state(kofn_stream_state state)
{
    static const char *const names[] = {
        [KOFN_STREAM_OPENING] = "opening",
        [KOFN_STREAM_OPEN] = "open",
        [KOFN_STREAM_CLOSING] = "closing",
        [KOFN_STREAM_CLOSED] = "closed",
    };
    return names[state];
}

static void
fill_rounds(const kofn_stream *stream, kofn_msg_stream *m)
{
    kofn_sched_stream_view view = stream->last;
    if (stream->state != KOFN_STREAM_CLOSED)
        (void)kofn_sched_get_stream(stream->of->master->sched, stream->id, &view);
    const kofn_rounds_view *r = &view.rounds;
    m->waiting = r->waiting;
    m->unfinished = r->unfinished;
    m->round = r->round;
    m->rounds = r->rounds;
    m->waited = r->waited;
    m->stragglers = r->stragglers;
    m->given = r->given;
    m->returned = r->answered;
    m->lost = r->failed;
    m->dropped = r->dropped;
    m->rescued = r->rescued;
    m->mended = r->mended;
    m->load = r->load;
    m->load_sum = r->load_sum;
    m->load_max = r->load_max;
    m->vacant = view.vacant;
    m->busy = (double)r->busy_ns * 1e-9;
    m->late = r->late;
    m->timed = r->timed;
    m->slowdown = r->timed > 0 ? r->slowdown_sum / (double)r->timed : 0;
}

static kofn_status
copy_trace(const kofn_stream *stream, kofn_wire_bytes *ret_trace, kofn_error *err)
{
    const kofn_wire_bytes *trace = &stream->trace;
    if (trace->length == 0)
        return KOFN_OK;
    ret_trace->at = malloc(trace->length);
    if (!ret_trace->at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the trace of a stream");
    ret_trace->length = trace->length;
    memcpy(ret_trace->at, trace->at, trace->length);
    return KOFN_OK;
}

kofn_status
kofn_stream_describe(const kofn_stream *stream, bool traced, kofn_msg_stream *ret_message,
                     kofn_error *err)
{
    const kofn_rounds_config *r = &stream->rounds;
    kofn_msg_stream m = {
        .slots = (uint64_t)r->slots,
        .delay = (uint64_t)r->delay,
        .lambda = (uint64_t)r->lambda,
        .failures = (uint64_t)r->failures,
        .window = (uint64_t)r->window,
        .burst = (uint64_t)r->burst,
        .tolerance = r->tolerance,
        .rescue = r->rescue,
        .need = stream->need,
        .limit = stream->limit,
        .grace_ms = (uint64_t)(stream->grace_ns / KOFN_NS_PER_MS),
        .pushed = stream->pushed,
        .answered = stream->answered,
        .done = stream->done,
        .failed = stream->failed,
        .age_ms = (uint64_t)((kofn_clock_ns() - stream->opened_ns) / KOFN_NS_PER_MS),
    };
    kofn_status status = kofn_msg_code_from_spec(&stream->spec, &m.code, err);
    if (!status && traced)
        status = copy_trace(stream, &m.trace, err);
    if (status) {
        kofn_message_clear(&kofn_stream_message, &m);
        return status;
    }
    snprintf(m.id, sizeof m.id, "%s", stream->name);
    snprintf(m.state, sizeof m.state, "%s", name_state(stream->state));
    snprintf(m.scheme, sizeof m.scheme, "%s", kofn_scheme_name((kofn_scheme)r->scheme));
    snprintf(m.field, sizeof m.field, "%s", stream->field->name);
    fill_rounds(stream, &m);
    *ret_message = m;
    return KOFN_OK;
}

kofn_status
kofn_streams_describe(const kofn_streams *streams, const kofn_asker *who,
                      kofn_msg_streams *ret_message, kofn_error *err)
{
    kofn_msg_streams m = {.streams = {.at = NULL}};
    const kofn_stream *stream;
    size_t count = 0;
    TAILQ_FOREACH(stream, &streams->all, of_all)
    {
        count += is_told_to(stream, who);
    }
    count = count < KOFN_STREAMS_LISTED_MAX ? count : KOFN_STREAMS_LISTED_MAX;
    kofn_status status = kofn_wire_list_new(count, sizeof(kofn_msg_stream), &m.streams, err);
    kofn_msg_stream *at = m.streams.at;
    size_t told = 0;
    TAILQ_FOREACH_REVERSE(stream, &streams->all, stream_list, of_all)
    {
        if (!status && told < m.streams.count && is_told_to(stream, who))
            status = kofn_stream_describe(stream, false, &at[told++], err);
    }
    if (status)
        kofn_message_clear(&kofn_streams_message, &m);
    else
        *ret_message = m;
    return status;
}

const char *
kofn_stream_get_owner(const kofn_stream *stream)
{
    return stream->owner;
}

const char *
kofn_stream_get_name(const kofn_stream *stream)
{
    return stream->name;
}

uint64_t
kofn_stream_get_id(const kofn_stream *stream)
{
    return stream->id;
}

const kofn_code_spec *
kofn_stream_get_spec(const kofn_stream *stream)
{
    return &stream->spec;
}

kofn_code *
kofn_stream_get_code(const kofn_stream *stream)
{
    return stream->code;
}
