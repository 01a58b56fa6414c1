#include "master/session.h"
#include "common/base/map.h"
#include "master/jobs.h"
#include "master/operands.h"
#include "proto/link/link.h"

#include <assert.h>
#include <stdlib.h>

#define WATCH_INTERVAL_NS (100 * KOFN_NS_PER_MS)
#define PROBE_INTERVAL_NS KOFN_NS_PER_S
#define ROOM_INTERVAL_NS  (100 * KOFN_NS_PER_MS)
#define RETRY_MS          200  // hint for clients that find a master that stops
#define ROOM_RETRY_MS     1000 // the same for those that there is no session for
#define IDLE_NS           (60 * KOFN_NS_PER_S)

enum {
    MESSAGES_A_TURN = 64,
    ALL_CALLS_MAX = 4 * KOFN_CALLS_MAX, // of all connections
    COMPLAINTS_MAX = 64, // between two ticks: who floods us does not read either, and they pile up
};

struct kofn_session {
    kofn_peer_id id;
    kofn_asker asker;
    uint64_t number;
    kofn_sessions *of;
    kofn_peer *whole;  // for calls without a window: everything in one message
    kofn_peer *stream; // for calls with one; NULL until the first
    kofn_request_list requests;
    kofn_map by_call; // the same
    int64_t heard_ns, probed_ns;
    int64_t uploaded_ns; // operand blocks came, for any of its calls
    bool uses_streams;   // who goes is missed, though no call of it is open
    bool unreachable; // a message to it failed: lost when nobody is in the middle of its requests
    bool gone;        // to be removed at the end of this turn
    TAILQ_ENTRY(kofn_session) of_sessions;
};

struct kofn_sessions {
    kofn_master *master;
    zhashx_t *by_peer;
    TAILQ_HEAD(, kofn_session) all;
    uint64_t next_number;
    size_t calls;    // that are open and listed, of all sessions
    int64_t room_ns; // when room was last made
    bool by_admin;   // the message at hand
    bool reap_due;   // some session is gone or unreachable
    kofn_inbound in; // reused
    uint64_t strangers;
    uint64_t put_off;  // calls, for lack of room
    size_t complaints; // to strangers since the last tick
};

uint64_t
kofn_session_get_number(const kofn_session *session)
{
    return session->number;
}

const kofn_asker *
kofn_session_get_asker(const kofn_session *session)
{
    return &session->asker;
}

void
kofn_session_note_stream(kofn_session *session)
{
    session->uses_streams = true;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void
leave_job(kofn_request *request)
{
    if (request->job)
        TAILQ_REMOVE(&request->job->requests, request, of_job);
    request->job = NULL;
}

static void
forget_request(kofn_request *request)
{
    leave_job(request);
    kofn_operand_discard(&request->upload);
    if (request->place)
        *request->place = NULL;
    TAILQ_REMOVE(&request->session->requests, request, of_session);
    if (request->listed) {
        (void)kofn_map_remove(&request->session->by_call, request->call); // it is at hand
        request->session->of->calls--;
    }
    free(request);
}

/* Of a stream's job whose blocks are missing: may they still come? Whoever else waits for it does
 * not bring them. */
static bool
is_uploaded(const kofn_job *job)
{
    const kofn_request *request;
    bool uploaded = false;
    TAILQ_FOREACH(request, &job->requests, of_job)
    {
        uploaded |= request->receiving;
    }
    return uploaded;
}

/* Nobody waits any more for a job that only its caller wanted? A stream's is wanted as long as
 * that. */
static void
end_unwanted(kofn_job *job, const char *why)
{
    if (!job || kofn_job_is_over(job) ||
        (job->stream ? is_uploaded(job) : !TAILQ_EMPTY(&job->requests)) ||
        ((job->keep || job->stream) && job->state != KOFN_JOB_RECEIVING))
        return;
    job->orphan = job->stream != NULL;
    kofn_error err;
    kofn_fail(&err, KOFN_CANCELLED, "%s", why);
    kofn_job_end(job, &err);
}

static void
abandon_request(kofn_request *request, const char *why)
{
    kofn_job *job = request->job;
    forget_request(request);
    end_unwanted(job, why);
}

static void
lose_session(kofn_session *session, const char *why)
{
    if (session->gone)
        return;
    session->gone = true;
    session->of->reap_due = true;
    kofn_log_write(&session->of->master->log, KOFN_LOG_INFO, "client_lost", why, "session=%" PRIu64,
                   session->number);
    while (!TAILQ_EMPTY(&session->requests))
        abandon_request(TAILQ_FIRST(&session->requests), "the client that asked for it is gone");
}

/* From within a job's move, its requests must not go: note it, reap() loses the session. */
static void
note_unreachable(kofn_session *session, const kofn_error *why)
{
    if (!session->unreachable)
        kofn_log_write(&session->of->master->log, KOFN_LOG_DEBUG, "client_unreachable", why->text,
                       "session=%" PRIu64, session->number);
    session->unreachable = true;
    session->of->reap_due = true;
}

static void
send_reply(kofn_request *request, kofn_msg_reply *reply, const kofn_bands *mat)
{
    kofn_session *session = request->session;
    kofn_peer *peer = request->window ? session->stream : session->whole;
    kofn_error err;
    kofn_status status;
    reply->version = KOFN_PROTOCOL_VERSION;
    reply->call = request->call;
    if (mat)
        status = kofn_peer_transfer(peer, request->call, &kofn_reply_message, reply, 1, &mat, &err);
    else
        status = kofn_peer_post(peer, &kofn_reply_message, reply, &err);
    forget_request(request);
    if (status)
        note_unreachable(session, &err);
}

void
kofn_request_reply(kofn_request *request, const kofn_wire_message *of, const void *body,
                   const kofn_bands *mat)
{
    kofn_msg_reply reply = {.status = KOFN_OK};
    kofn_wire_buffer packed = {0};
    kofn_error err;
    if (of && kofn_message_pack(of, body, &packed, &err) != KOFN_OK) {
        kofn_wire_buffer_fini(&packed);
        kofn_request_fail(request, &err);
        return;
    }
    reply.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    send_reply(request, &reply, mat);
    kofn_wire_buffer_fini(&packed);
}

static void
reply_error(kofn_request *request, const kofn_error *why, uint64_t retry_ms)
{
    kofn_msg_reply reply = {.status = why->status, .retry_ms = retry_ms};
    snprintf(reply.message, sizeof reply.message, "%s", why->text);
    send_reply(request, &reply, NULL);
}

/* For lack of room: when to come again, in milliseconds. A crowd is put off in thousands: said at
 * powers of two. */
static uint64_t
put_off(const kofn_request *request, const kofn_error *why)
{
    kofn_sessions *sessions = request->session->of;
    const uint64_t count = ++sessions->put_off;
    if ((count & (count - 1)) == 0)
        kofn_log_write(&sessions->master->log, KOFN_LOG_WARNING, "no_room", why->text,
                       "method=%s count=%" PRIu64, kofn_method_get(request->method)->name, count);
    return kofn_retries_give(&sessions->master->retries, kofn_clock_ns());
}

void
kofn_request_fail(kofn_request *request, const kofn_error *why)
{
    const uint64_t may_pass_ms = why->status == KOFN_UNAVAILABLE ? RETRY_MS : 0;
    const bool full = why->status == KOFN_RESOURCE_EXHAUSTED;
    reply_error(request, why, full ? put_off(request, why) : may_pass_ms);
}

void
kofn_request_refuse(kofn_request *request, const kofn_error *why)
{
    reply_error(request, why, 0);
}

/* ---- waiting for jobs ------------------------------------------------------------------------ */

/* A stream goes down with its master: that is not its jobs' own failure, which an account would
 * tell. */
static bool
fell_with_stream(const kofn_request *request, const kofn_job *job)
{
    return request->method == KOFN_METHOD_PUSH && job->error.status == KOFN_UNAVAILABLE &&
           request->session->of->master->draining;
}

/* A failed job's account travels with the failure, so that people see how far it came. */
static void
reply_failed(kofn_request *request, const kofn_job *job, const kofn_msg_outcome *outcome)
{
    kofn_msg_reply reply = {.status = job->error.status};
    kofn_wire_buffer packed = {0};
    snprintf(reply.message, sizeof reply.message, "%s", job->error.text);
    if (request->method == KOFN_METHOD_SUBMIT && reply.status == KOFN_RESOURCE_EXHAUSTED)
        reply.retry_ms = put_off(request, &job->error); // the disk is full
    if (!fell_with_stream(request, job) &&
        kofn_message_pack(&kofn_outcome_message, outcome, &packed, NULL) == KOFN_OK)
        reply.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    send_reply(request, &reply, NULL);
    kofn_wire_buffer_fini(&packed);
}

/* A Watch or a Cancel succeeds whatever became of the job. */
static bool
wants_outcome(const kofn_request *request)
{
    return request->method != KOFN_METHOD_WATCH && request->method != KOFN_METHOD_CANCEL;
}

static bool
wants_product(const kofn_request *request, const kofn_job *job)
{
    return wants_outcome(request) && !request->without_result && job->has_product;
}

static void
reply_submitted(kofn_request *request, const kofn_job *job)
{
    kofn_msg_job_ref ref = {.without_result = false};
    snprintf(ref.job, sizeof ref.job, "%s", job->name);
    kofn_request_reply(request, &kofn_job_ref_message, &ref, NULL);
}

/* Answer one who waits for a job that is over. Has the product been taken? */
static bool
answer_request(kofn_request *request, const kofn_job *job)
{
    kofn_msg_outcome outcome = {0};
    kofn_error err;
    const bool fetch = wants_product(request, job);
    const bool watch = !wants_outcome(request);
    const bool taken = (fetch && !request->hold) || (request->let_go && job->has_product);
    if (kofn_job_describe(job, &outcome.job, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return false;
    }
    if (job->state != KOFN_JOB_DONE && !watch) {
        reply_failed(request, job, &outcome);
    } else if (fetch) {
        snprintf(outcome.c.dtype, sizeof outcome.c.dtype, "%s",
                 kofn_dtype_name(job->product.dtype));
        outcome.c.rows = job->product.rows;
        outcome.c.cols = job->product.cols;
        kofn_request_reply(request, &kofn_outcome_message, &outcome, &job->product);
    } else { // not asked for, or no longer kept
        kofn_request_reply(request, &kofn_outcome_message, &outcome, NULL);
    }
    kofn_message_clear(&kofn_outcome_message, &outcome);
    return taken;
}

static bool
is_watcher(const kofn_request *request)
{
    return request->method == KOFN_METHOD_WATCH && request->job && request->window;
}

static void
tell_watcher(kofn_request *request, int64_t now_ns)
{
    kofn_msg_event event = {.call = request->call};
    kofn_error err;
    if (kofn_job_describe(request->job, &event.job, &err) != KOFN_OK)
        return; // short of memory: the next event may find some
    request->told_ns = now_ns;
    if (kofn_peer_post(request->session->stream, &kofn_event_message, &event, &err) != KOFN_OK)
        note_unreachable(request->session, &err);
    kofn_message_clear(&kofn_event_message, &event);
}

/* It will not be lost, or only with the master. */
static bool
is_accepted(const kofn_job *job)
{
    return job->durable ? job->on_disk : job->state != KOFN_JOB_RECEIVING;
}

/* Pushes are answered in the order of their jobs. */
static bool
waits_for_turn(const kofn_request *request, const kofn_job *job)
{
    return job->held_back && request->method == KOFN_METHOD_PUSH;
}

void
kofn_request_wait(kofn_request *request, kofn_job *job)
{
    const bool told = (job->state >= KOFN_JOB_DONE && !waits_for_turn(request, job)) ||
                      (job->state == KOFN_JOB_BLOCKED && request->method != KOFN_METHOD_CANCEL);
    if (request->method == KOFN_METHOD_SUBMIT && is_accepted(job)) {
        reply_submitted(request, job);
        return;
    }
    if (told && !(wants_product(request, job) && job->product_away)) {
        if (answer_request(request, job))
            kofn_job_note_fetched(job);
        return;
    }
    request->job = job;
    TAILQ_INSERT_TAIL(&job->requests, request, of_job);
    if (told)
        kofn_job_load_product(job); // which answers
    else if (is_watcher(request))
        tell_watcher(request, kofn_clock_ns());
}

static void
answer_all(kofn_job *job)
{
    bool fetched = false;
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (waits_for_turn(request, job))
            continue;
        leave_job(request);
        fetched |= answer_request(request, job);
    }
    if (fetched)
        kofn_job_note_fetched(job);
}

static void
on_job_over(kofn_job *job)
{
    kofn_retries_note_end(&job->master->retries, kofn_clock_ns());
    answer_all(job);
}

static void
on_job_superseded(kofn_job *job, const kofn_error *why)
{
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (request->method == KOFN_METHOD_PUSH)
            kofn_request_fail(request, why);
    }
}

static void
on_job_accepted(kofn_job *job)
{
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (request->method == KOFN_METHOD_SUBMIT)
            reply_submitted(request, job); // the request is gone with it
    }
}

/* Those who wait for its product; the others are answered at once. */
static void
on_job_loaded(kofn_job *job, const kofn_error *why)
{
    if (!why) {
        answer_all(job);
        kofn_job_put_away_product(job); // if they are gone by now
        return;
    }
    for (kofn_request *request; (request = TAILQ_FIRST(&job->requests));) {
        leave_job(request);
        kofn_request_fail(request, why);
    }
}

/* A Submit is answered with its commit, which comes before the end. */
static void
on_job_suspended(kofn_job *job, const kofn_error *why)
{
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (request->method != KOFN_METHOD_SUBMIT)
            kofn_request_fail(request, why);
    }
}

static void
on_job_moved(kofn_job *job)
{
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (is_watcher(request) && !request->session->gone)
            tell_watcher(request, kofn_clock_ns());
    }
}

const kofn_audience kofn_sessions_audience = {
    .moved = on_job_moved,
    .over = on_job_over,
    .turn = answer_all,
    .superseded = on_job_superseded,
    .accepted = on_job_accepted,
    .loaded = on_job_loaded,
    .suspended = on_job_suspended,
};

/* ---- calls ----------------------------------------------------------------------------------- */

static void
break_upload(kofn_request *request, const kofn_error *why)
{
    if (request->upload)
        kofn_request_fail(request, why);
    else
        kofn_job_end(request->job, why); // which answers the request
}

void
kofn_request_take_blocks(kofn_request *request, bool more)
{
    const kofn_inbound *in = &request->session->of->in;
    kofn_assembler *into =
        request->upload ? kofn_operand_get_upload(request->upload) : &request->job->operands;
    kofn_error err = {.status = KOFN_OK};
    kofn_status status = KOFN_OK;
    request->receiving = more;
    if (in->count > 0)
        request->session->uploaded_ns = request->session->heard_ns;
    for (size_t i = 0; i < in->count && !status; i++)
        status = kofn_assembler_take(into, in->blocks[i], &err);
    if (!status && kofn_assembler_is_complete(into)) {
        request->receiving = false;
        request->session->of->master->service->received(request);
        return;
    }
    if (!status && !more)
        status = kofn_fail(&err, KOFN_INVALID_ARGUMENT,
                           "blocks of the operands are missing: the call ended before they came");
    if (status)
        break_upload(request, &err);
}

static bool
open_stream(kofn_session *session, uint64_t window, kofn_error *err)
{
    if (session->stream)
        return true;
    if (kofn_peer_new(session->of->master->client_socket, KOFN_LINK_MASTER_CLIENTS, &session->id,
                      window, &session->stream, err) != KOFN_OK)
        return false;
    kofn_peer_set_pool(session->stream, session->of->master->pool); // for what comes from disk
    return true;
}

static int64_t
find_deadline(const kofn_session *session, const kofn_msg_call *call)
{
    if (call->timeout_ms == 0 || call->timeout_ms > INT64_MAX / KOFN_NS_PER_MS)
        return KOFN_NEVER_NS;
    return kofn_clock_after(session->heard_ns, (int64_t)call->timeout_ms * KOFN_NS_PER_MS);
}

/* Enter it among the open calls, unless its number is. */
static kofn_status
list_request(kofn_request *request, kofn_error *err)
{
    kofn_map *by_call = &request->session->by_call;
    kofn_sessions *sessions = request->session->of;
    if (kofn_map_find(by_call, request->call))
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "call %" PRIu64 " is open already: number calls anew", request->call);
    if (by_call->count >= KOFN_CALLS_MAX || sessions->calls >= ALL_CALLS_MAX)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu calls are open on this connection and %zu on all, %d and %d may be: "
                         "wait for replies before the next",
                         by_call->count, sessions->calls, KOFN_CALLS_MAX, ALL_CALLS_MAX);
    kofn_status status = kofn_map_put(by_call, request->call, request, err);
    request->listed = status == KOFN_OK;
    sessions->calls += request->listed;
    return status;
}

static kofn_status
check_call(kofn_request *request, const kofn_msg_call *call, kofn_error *err)
{
    uint64_t version; // there is one today: nothing depends on which
    if (kofn_version_agree(call->version, &version, err) != KOFN_OK)
        return kofn_fail_within(err, "this client");
    if (call->more && call->window == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a call with more blocks to come needs a window for its reply");
    return kofn_method_find(call->method, &request->method, err);
}

static void
on_call(kofn_session *session, const void *message)
{
    const kofn_msg_call *call = message;
    kofn_request *request = calloc(1, sizeof *request);
    kofn_error err;
    if (!request) {
        lose_session(session, "no memory for its request");
        return;
    }
    request->session = session;
    request->call = call->call;
    request->deadline_ns = find_deadline(session, call);
    request->opened_ns = session->heard_ns;
    TAILQ_INSERT_TAIL(&session->requests, request, of_session);
    kofn_status status = list_request(request, &err);
    if (!status && call->window > 0 && !open_stream(session, call->window, &err))
        status = err.status;
    request->window = call->window > 0 && session->stream;
    if (!status)
        status = check_call(request, call, &err);
    if (status) {
        kofn_request_fail(request, &err);
        return;
    }
    request->receiving = call->more;
    session->of->master->service->call(session->of->master, request, call);
}

static void
on_data(kofn_session *session, const void *message)
{
    const kofn_msg_data *data = message;
    kofn_request *request = kofn_map_find(&session->by_call, data->id);
    const bool open = request && request->job && !kofn_job_is_over(request->job);
    if (request && request->receiving &&
        (open || request->upload)) // else: of a call that was refused; acked
        kofn_request_take_blocks(request, data->more);
}

static void
on_ack(kofn_session *session, const void *message)
{
    const kofn_msg_ack *ack = message;
    kofn_error err;
    if (session->stream && kofn_peer_acked(session->stream, ack->bytes, &err) != KOFN_OK)
        lose_session(session, err.text);
}

/* Its index stays used. */
static void
abandon_push(kofn_request *request)
{
    kofn_job *job = request->job;
    kofn_error why;
    kofn_fail(&why, KOFN_CANCELLED, "its client abandoned the call");
    forget_request(request);
    if (TAILQ_EMPTY(&job->requests))
        kofn_job_end(job, &why); // nothing, if it is over
}

static void
on_abandon(kofn_session *session, const void *message)
{
    const kofn_msg_abandon *abandon = message;
    kofn_request *request = kofn_map_find(&session->by_call, abandon->call);
    if (session->stream)
        (void)kofn_peer_drop(session->stream, abandon->call); // it knows: no cancel needed
    if (request && request->job && request->method == KOFN_METHOD_PUSH)
        abandon_push(request);
    else if (request)
        abandon_request(request, "its client abandoned the call");
    else
        session->of->master->service->abandoned(session->of->master, session->number,
                                                abandon->call);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
destroy_session(kofn_sessions *sessions, kofn_session *session)
{
    sessions->master->service->gone(sessions->master, session->number);
    while (!TAILQ_EMPTY(&session->requests))
        forget_request(TAILQ_FIRST(&session->requests));
    TAILQ_REMOVE(&sessions->all, session, of_sessions);
    zhashx_delete(sessions->by_peer, &session->id);
    kofn_map_fini(&session->by_call);
    kofn_peer_destroy(&session->whole);
    kofn_peer_destroy(&session->stream);
    free(session);
}

static void
reap(kofn_sessions *sessions)
{
    if (!sessions->reap_due)
        return;
    sessions->reap_due = false;
    kofn_session *next;
    for (kofn_session *session = TAILQ_FIRST(&sessions->all); session; session = next) {
        next = TAILQ_NEXT(session, of_sessions);
        if (session->unreachable)
            lose_session(session, "it cannot be sent to");
        if (session->gone)
            destroy_session(sessions, session);
    }
}

/* A ROUTER is not told when a peer goes: an empty ack finds out whether there is still a route.
 * Only for clients that take messages in between (REQ would take it for its reply). */
static void
probe(kofn_session *session, int64_t now_ns, int64_t interval_ns)
{
    const kofn_msg_ack nothing = {0};
    kofn_error err;
    if (!session->stream || now_ns - session->probed_ns < interval_ns)
        return;
    session->probed_ns = now_ns;
    if (kofn_peer_post(session->stream, &kofn_ack_message, &nothing, &err) != KOFN_OK)
        lose_session(session, err.text);
}

/* Sessions that nobody would miss go: those without a stream begin anew with the next message, and
 * of the others those without a route. Looks at all of them, so not more often than it can help. */
static kofn_status
make_room(kofn_sessions *sessions, kofn_error *err)
{
    const size_t most = (size_t)sessions->master->config.connections_max;
    const int64_t now_ns = kofn_clock_ns();
    kofn_session *session;
    if (zhashx_size(sessions->by_peer) < most)
        return KOFN_OK;
    if (now_ns - sessions->room_ns >= ROOM_INTERVAL_NS) {
        sessions->room_ns = now_ns;
        TAILQ_FOREACH(session, &sessions->all, of_sessions)
        {
            if (session->stream && !session->gone)
                probe(session, now_ns, ROOM_INTERVAL_NS);
            else if (TAILQ_EMPTY(&session->requests))
                session->gone = sessions->reap_due = true;
        }
        reap(sessions);
    }
    if (zhashx_size(sessions->by_peer) < most)
        return KOFN_OK;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                     "%zu clients are connected, limits.connections is %zu: try again later",
                     zhashx_size(sessions->by_peer), most);
}

static kofn_session *
new_session(kofn_sessions *sessions, const kofn_peer_id *id, kofn_error *err)
{
    if (make_room(sessions, err) != KOFN_OK)
        return NULL;
    kofn_session *session = calloc(1, sizeof *session);
    if (!session) {
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another client");
        return NULL;
    }
    session->id = *id;
    memcpy(session->asker.key, sessions->in.key, sizeof session->asker.key);
    session->asker.admin = sessions->by_admin;
    session->number = ++sessions->next_number;
    session->of = sessions;
    session->probed_ns = kofn_clock_ns();
    TAILQ_INIT(&session->requests);
    if (kofn_peer_new(sessions->master->client_socket, KOFN_LINK_MASTER_CLIENTS, &session->id, 0,
                      &session->whole, err) != KOFN_OK) {
        free(session);
        return NULL;
    }
    if (zhashx_insert(sessions->by_peer, &session->id, session) != 0) { // it was not there
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to list another client");
        kofn_peer_destroy(&session->whole);
        free(session);
        return NULL;
    }
    kofn_peer_set_pool(session->whole, sessions->master->pool); // for what comes from disk
    TAILQ_INSERT_TAIL(&sessions->all, session, of_sessions);
    return session;
}

/* The sender's session; one that was lost a moment ago begins anew. NULL: none yet. */
static kofn_session *
find_session(kofn_sessions *sessions)
{
    kofn_session *session = zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    if (!session || !session->gone)
        return session;
    destroy_session(sessions, session);
    return NULL;
}

typedef union client_message {
    kofn_msg_call call;
    kofn_msg_data data;
    kofn_msg_ack ack;
    kofn_msg_abandon abandon;
} client_message;

typedef void handler(kofn_session *session, const void *message);

static handler *
find_handler(const kofn_wire_message *of)
{
    static const struct {
        const kofn_wire_message *of;
        handler *on;
    } handlers[] = {
        {&kofn_call_message, on_call},
        {&kofn_data_message, on_data},
        {&kofn_ack_message, on_ack},
        {&kofn_abandon_message, on_abandon},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].of == of)
            return handlers[i].on;
    return NULL;
}

/* Block frames count against the sender's credit whatever became of them, but for those of a plain
 * call. */
static void
acknowledge(kofn_sessions *sessions)
{
    kofn_session *session = zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    kofn_error err;
    if (session && session->stream && !session->gone && sessions->in.block_bytes > 0 &&
        kofn_peer_took(session->stream, sessions->in.block_bytes, KOFN_WINDOW_BYTES, &err) !=
            KOFN_OK)
        lose_session(session, err.text);
}

/* *ret_plain: its blocks are outside all credit. */
static kofn_status
on_message(kofn_sessions *sessions, bool *ret_plain, kofn_error *err)
{
    const void *bytes = kofn_buf_get_data(sessions->in.head);
    const size_t length = kofn_buf_get_size(sessions->in.head);
    char type[KOFN_NAME_MAX];
    kofn_status status = kofn_message_peek(bytes, length, "type", type, sizeof type, err);
    if (status == KOFN_NOT_FOUND)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "a message without a type");
    if (status)
        return status;
    const kofn_wire_message *of = kofn_envelope_find(type);
    handler *on = find_handler(of);
    client_message message;
    if (!on)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "no message '%s' from clients", type);
    status = kofn_message_unpack(of, bytes, length, &message, err);
    if (status)
        return status;

    *ret_plain = of == &kofn_call_message && message.call.window == 0;
    kofn_session *session = find_session(sessions);
    if (!session)
        session = new_session(sessions, &sessions->in.peer, err);
    if (session) {
        session->heard_ns = kofn_clock_ns();
        on(session, &message);
    }
    kofn_message_clear(of, &message);
    return session ? KOFN_OK : err->status;
}

/* Tell a peer that cannot be understood, or served, so that its author learns why: status and
 * sentence, call 0. A client that is told nothing in a crowd finds out by our silence. */
static void
on_garbage(kofn_sessions *sessions, const kofn_error *why)
{
    sessions->strangers++;
    if ((sessions->strangers & (sessions->strangers - 1)) == 0) // at powers of two: no flood
        kofn_log_write(&sessions->master->log, KOFN_LOG_WARNING, "message_dropped", why->text,
                       "from=clients count=%" PRIu64, sessions->strangers);
    const bool stranger = !zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    if (stranger && sessions->complaints++ >= COMPLAINTS_MAX)
        return;
    kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION, .status = why->status};
    if (why->status == KOFN_RESOURCE_EXHAUSTED)
        reply.retry_ms = ROOM_RETRY_MS;
    snprintf(reply.message, sizeof reply.message, "%s", why->text);
    kofn_peer *peer = NULL;
    kofn_status sent = kofn_peer_new(sessions->master->client_socket, KOFN_LINK_MASTER_CLIENTS,
                                     &sessions->in.peer, 0, &peer, NULL);
    if (!sent)
        sent = kofn_peer_post(peer, &kofn_reply_message, &reply, NULL);
    (void)sent; // if it is gone: fine
    kofn_peer_destroy(&peer);
}

/* Which of its calls the message belonged to, nobody knows: all of them end, and begin anew. */
static void
lose_damaged(kofn_sessions *sessions, const kofn_error *why)
{
    kofn_session *session = zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    if (session)
        lose_session(session, why->text);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* May the sender of what was just received speak? A routing id that another key takes over is not
 * who it was: that one is lost before a word of the new one is heard. */
static bool
is_admitted(kofn_sessions *sessions)
{
    kofn_guard *guard = sessions->master->guard;
    kofn_session *session = zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    if (!guard) {
        sessions->in.key[0] = '\0'; // whatever the peer called itself
        return true;
    }
    const kofn_certificate *by = kofn_guard_admit(guard, KOFN_LINK_MASTER_CLIENTS, &sessions->in);
    if (!by)
        return false;
    sessions->by_admin = by->role == KOFN_ROLE_ADMIN;
    if (session && strcmp(session->asker.key, sessions->in.key) != 0)
        lose_session(session, "another key came with its routing id");
    else if (session)
        session->asker.admin = sessions->by_admin; // as the certificate says now
    return true;
}

static const kofn_error not_allowed = {
    .status = KOFN_UNAUTHENTICATED,
    .text = "this key may not speak to this master: it was revoked, or is no client's",
};

/* Those that wait are told why they wait in vain. */
static void
revoke_session(kofn_session *session)
{
    for (kofn_request *request; (request = TAILQ_FIRST(&session->requests));) {
        kofn_job *job = request->job;
        kofn_request_fail(request, &not_allowed);
        end_unwanted(job, "the key of the client that asked for it was revoked");
    }
    lose_session(session, "its key was revoked");
}

/* The key has another role now: what it asked for while it was an admin's, and may see no longer,
 * ends as if it were not there. */
static void
change_role(kofn_session *session, bool admin)
{
    const kofn_error not_its_own = {
        .status = KOFN_NOT_FOUND,
        .text = "this job is another client's, and this key is no admin's any more",
    };
    session->asker.admin = admin;
    for (kofn_request *request = TAILQ_FIRST(&session->requests), *next; request; request = next) {
        next = TAILQ_NEXT(request, of_session);
        if (request->job && !kofn_asker_may(&session->asker, request->job->owner))
            kofn_request_fail(request, &not_its_own);
    }
}

void
kofn_sessions_on_keys(kofn_sessions *sessions)
{
    kofn_session *session;
    TAILQ_FOREACH(session, &sessions->all, of_sessions)
    {
        const kofn_certificate *c =
            kofn_guard_find(sessions->master->guard, KOFN_LINK_MASTER_CLIENTS, session->asker.key);
        if (!c)
            revoke_session(session);
        else
            change_role(session, c->role == KOFN_ROLE_ADMIN);
    }
    reap(sessions);
    kofn_jobs_act(sessions->master->jobs);
}

void
kofn_sessions_on_readable(kofn_sessions *sessions)
{
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        bool got = false, plain = false;
        kofn_error err;
        kofn_status status = kofn_inbound_recv(sessions->master->client_socket,
                                               KOFN_LINK_MASTER_CLIENTS, &sessions->in, &got, &err);
        if (!got)
            break; // nothing waits, or the context ends
        kofn_master_note_blocks(sessions->master, sessions->in.block_bytes);
        if (!is_admitted(sessions)) {
            on_garbage(sessions, &not_allowed);
            continue;
        }
        if (!status && !sessions->in.delimited)
            continue; // nobody that we could answer
        if (!status)
            status = on_message(sessions, &plain, &err);
        if (status)
            on_garbage(sessions, &err);
        if (status == KOFN_DATA_LOSS)
            lose_damaged(sessions, &err);
        if (!plain)
            acknowledge(sessions);
    }
    reap(sessions);
    kofn_jobs_act(sessions->master->jobs);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* A Multiply, Submit or Push ends with its job, which has the deadline. Unless it shares one, by
 * its key, that may take longer. */
static bool
is_expired(const kofn_request *request, int64_t now_ns)
{
    const bool owner = request->method == KOFN_METHOD_MULTIPLY ||
                       request->method == KOFN_METHOD_SUBMIT || request->method == KOFN_METHOD_PUSH;
    return request->job && now_ns >= request->deadline_ns &&
           !(owner && request->job->deadline_ns <= request->deadline_ns);
}

static void
tick_upload(kofn_request *request, int64_t now_ns)
{
    kofn_error err;
    const int64_t uploaded_ns = request->session->uploaded_ns; // they take turns on a connection
    const int64_t heard_ns = uploaded_ns > request->opened_ns ? uploaded_ns : request->opened_ns;
    if (kofn_upload_check(request->deadline_ns, heard_ns, now_ns, &err) != KOFN_OK)
        kofn_request_fail(request, &err);
}

static void
tick_request(kofn_request *request, int64_t now_ns)
{
    kofn_error err;
    kofn_job *job = request->job;
    if (request->upload) {
        tick_upload(request, now_ns);
        return;
    }
    if (request->receiving && job && request->session->uploaded_ns > job->times.heard_ns)
        job->times.heard_ns = request->session->uploaded_ns; // uploads take turns on a connection
    if (request->place && now_ns >= request->deadline_ns) {
        kofn_fail(&err, KOFN_DEADLINE_EXCEEDED, "%s takes longer than its timeout_ms%s",
                  kofn_method_get(request->method)->name,
                  request->method == KOFN_METHOD_CLOSE_STREAM
                      ? ": the stream goes on closing, close it again"
                      : "");
        kofn_request_fail(request, &err);
    } else if (is_expired(request, now_ns)) {
        kofn_fail(&err, KOFN_DEADLINE_EXCEEDED, "the job goes on: wait for %s again", job->name);
        kofn_request_fail(request, &err);
        end_unwanted(job, "all that waited for it came to their deadlines");
    } else if (is_watcher(request) && now_ns - request->told_ns >= WATCH_INTERVAL_NS) {
        tell_watcher(request, now_ns);
    }
}

/* Credit is the connection's: a session with a stream must last as long as that, or both sides
 * count differently. One without is made anew when it speaks again. */
static void
tick_session(kofn_session *session, int64_t now_ns)
{
    const bool idle = now_ns - session->heard_ns > IDLE_NS;
    kofn_request
        *next; // which stays: r's job, if it ends, has nobody else who waits, and none acts
    for (kofn_request *r = TAILQ_FIRST(&session->requests); r; r = next) {
        next = TAILQ_NEXT(r, of_session);
        tick_request(r, now_ns);
    }
    if (session->stream && idle && kofn_peer_get_queued(session->stream) > 0)
        lose_session(session, "it does not take its replies");
    else if (!session->stream && idle && TAILQ_EMPTY(&session->requests))
        session->gone = session->of->reap_due = true;
    else
        probe(session, now_ns,
              TAILQ_EMPTY(&session->requests) && !session->uses_streams ? IDLE_NS
                                                                        : PROBE_INTERVAL_NS);
}

void
kofn_sessions_on_tick(kofn_sessions *sessions, int64_t now_ns)
{
    kofn_session *session;
    sessions->complaints = 0;
    kofn_jobs_hold(sessions->master->jobs);
    TAILQ_FOREACH(session, &sessions->all, of_sessions)
    {
        if (!session->gone)
            tick_session(session, now_ns);
    }
    reap(sessions);
    kofn_jobs_release(sessions->master->jobs);
}

void
kofn_sessions_end_uploads(kofn_sessions *sessions, const kofn_error *why)
{
    kofn_session *session;
    TAILQ_FOREACH(session, &sessions->all, of_sessions)
    {
        kofn_request *next;
        for (kofn_request *r = TAILQ_FIRST(&session->requests); r; r = next) {
            next = TAILQ_NEXT(r, of_session);
            if (r->upload)
                kofn_request_fail(r, why);
        }
    }
}

bool
kofn_sessions_are_flushed(const kofn_sessions *sessions)
{
    const kofn_session *session;
    TAILQ_FOREACH(session, &sessions->all, of_sessions)
    {
        if (session->stream && kofn_peer_get_queued(session->stream) > 0)
            return false;
    }
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

kofn_status
kofn_sessions_new(kofn_master *master, kofn_sessions **ret_sessions, kofn_error *err)
{
    kofn_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions) {
        sessions->master = master;
        TAILQ_INIT(&sessions->all);
        sessions->by_peer = kofn_peer_table_new();
    }
    if (!sessions || !sessions->by_peer) {
        free(sessions);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the table of clients");
    }
    *ret_sessions = sessions;
    return KOFN_OK;
}

void
kofn_sessions_destroy(kofn_sessions **sessions_p)
{
    kofn_sessions *sessions = *sessions_p;
    if (!sessions)
        return;

    while (!TAILQ_EMPTY(&sessions->all))
        destroy_session(sessions, TAILQ_FIRST(&sessions->all));
    zhashx_destroy(&sessions->by_peer);
    kofn_inbound_fini(&sessions->in);
    free(sessions);
    *sessions_p = NULL;
}
