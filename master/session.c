#include "master/session.h"
#include "master/service.h"
#include "proto/link/link.h"

#include <assert.h>
#include <stdlib.h>

#define WATCH_INTERVAL_NS (100 * KOFN_NS_PER_MS)
#define PROBE_INTERVAL_NS KOFN_NS_PER_S
#define RETRY_MS          200 // hint for clients that find no room, or a master that stops
#define IDLE_NS           (60 * KOFN_NS_PER_S)
#define UPLOAD_IDLE_NS    (30 * KOFN_NS_PER_S)

enum { MESSAGES_A_TURN = 64 };

struct kofn_session {
    kofn_peer_id id;
    uint64_t number;
    kofn_sessions *of;
    kofn_peer *whole;  // for calls without a window: everything in one message
    kofn_peer *stream; // for calls with one; NULL until the first
    kofn_request_list requests;
    int64_t heard_ns, probed_ns;
    bool unreachable; // a message to it failed: lost when nobody is in the middle of its requests
    bool gone;        // to be removed at the end of this turn
    TAILQ_ENTRY(kofn_session) of_sessions;
};

struct kofn_sessions {
    kofn_master *master;
    zhashx_t *by_peer;
    TAILQ_HEAD(, kofn_session) all;
    uint64_t next_number;
    bool reap_due;   // some session is gone or unreachable
    kofn_inbound in; // reused
    uint64_t strangers;
};

uint64_t
kofn_session_get_number(const kofn_session *session)
{
    return session->number;
}

/* ---- requests --------------------------------------------------------------------------------------- */

static kofn_request *
find_request(kofn_session *session, uint64_t call)
{
    kofn_request *request;
    TAILQ_FOREACH(request, &session->requests, of_session)
    {
        if (request->call == call)
            return request;
    }
    return NULL;
}

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
    TAILQ_REMOVE(&request->session->requests, request, of_session);
    free(request);
}

/* Nobody waits any more for a job that only its caller wanted. */
static void
abandon_request(kofn_request *request, const char *why)
{
    kofn_job *job = request->job;
    forget_request(request);
    if (!job || kofn_job_is_over(job) || !TAILQ_EMPTY(&job->requests) ||
        (job->keep && job->state != KOFN_JOB_RECEIVING))
        return;
    kofn_error err;
    kofn_fail(&err, KOFN_CANCELLED, "%s", why);
    kofn_job_end(job, &err);
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

void
kofn_request_fail(kofn_request *request, const kofn_error *why)
{
    const bool may_pass = why->status == KOFN_UNAVAILABLE || why->status == KOFN_RESOURCE_EXHAUSTED;
    reply_error(request, why, may_pass ? RETRY_MS : 0);
}

void
kofn_request_refuse(kofn_request *request, const kofn_error *why)
{
    reply_error(request, why, 0);
}

/* ---- waiting for jobs -------------------------------------------------------------------------------- */

/* A failed job's account travels with the failure, so that people see how far it came. */
static void
reply_failed(kofn_request *request, const kofn_job *job, const kofn_msg_outcome *outcome)
{
    kofn_msg_reply reply = {.status = job->error.status};
    kofn_wire_buffer packed = {0};
    snprintf(reply.message, sizeof reply.message, "%s", job->error.text);
    if (kofn_message_pack(&kofn_outcome_message, outcome, &packed, NULL) == KOFN_OK)
        reply.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    send_reply(request, &reply, NULL);
    kofn_wire_buffer_fini(&packed);
}

static void
answer_request(kofn_request *request, const kofn_job *job)
{
    kofn_msg_outcome outcome = {0};
    kofn_error err;
    const bool wants_product = !request->without_result && request->method != KOFN_METHOD_WATCH;
    if (kofn_job_describe(job, &outcome.job, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    if (job->state != KOFN_JOB_DONE && wants_product) {
        reply_failed(request, job, &outcome);
    } else if (wants_product && job->has_product) {
        snprintf(outcome.c.dtype, sizeof outcome.c.dtype, "%s",
                 kofn_dtype_name(job->product.dtype));
        outcome.c.rows = job->product.rows;
        outcome.c.cols = job->product.cols;
        kofn_request_reply(request, &kofn_outcome_message, &outcome, &job->product);
    } else { // not asked for, or no longer kept
        kofn_request_reply(request, &kofn_outcome_message, &outcome, NULL);
    }
    kofn_message_clear(&kofn_outcome_message, &outcome);
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

void
kofn_request_wait(kofn_request *request, kofn_job *job)
{
    if (kofn_job_is_over(job)) {
        answer_request(request, job);
        return;
    }
    request->job = job;
    TAILQ_INSERT_TAIL(&job->requests, request, of_job);
    if (is_watcher(request))
        tell_watcher(request, kofn_clock_ns());
}

void
kofn_sessions_job_over(kofn_sessions *sessions, kofn_job *job)
{
    (void)sessions;
    while (!TAILQ_EMPTY(&job->requests)) {
        kofn_request *request = TAILQ_FIRST(&job->requests);
        leave_job(request);
        answer_request(request, job);
    }
}

void
kofn_sessions_job_moved(kofn_job *job)
{
    kofn_request *request, *next;
    for (request = TAILQ_FIRST(&job->requests); request; request = next) {
        next = TAILQ_NEXT(request, of_job);
        if (is_watcher(request) && !request->session->gone)
            tell_watcher(request, kofn_clock_ns());
    }
}

/* ---- calls -------------------------------------------------------------------------------------------- */

void
kofn_request_take_blocks(kofn_request *request, bool more)
{
    const kofn_inbound *in = &request->session->of->in;
    kofn_job *job = request->job;
    kofn_error err = {.status = KOFN_OK};
    kofn_status status = KOFN_OK;
    request->receiving = more;
    for (size_t i = 0; i < in->count && !status; i++)
        status = kofn_assembler_take(&job->operands, in->blocks[i], &err);
    if (!status && kofn_assembler_is_complete(&job->operands)) {
        request->receiving = false;
        kofn_service_received(request);
        return;
    }
    if (!status && !more)
        status = kofn_fail(&err, KOFN_INVALID_ARGUMENT,
                           "blocks of the operands are missing: the call ended before they came");
    if (status)
        kofn_job_end(job, &err); // which answers the request
}

static bool
open_stream(kofn_session *session, uint64_t window, kofn_error *err)
{
    if (session->stream)
        return true;
    return kofn_peer_new(session->of->master->client_socket, KOFN_LINK_MASTER_CLIENTS, &session->id,
                         window, &session->stream, err) == KOFN_OK;
}

static void
on_call(kofn_session *session, const kofn_msg_call *call)
{
    kofn_request *request = calloc(1, sizeof *request);
    kofn_error err;
    if (!request) {
        lose_session(session, "no memory for its request");
        return;
    }
    request->session = session;
    request->call = call->call;
    const bool known = find_request(session, call->call) != NULL;
    TAILQ_INSERT_TAIL(&session->requests, request, of_session);
    request->deadline_ns =
        call->timeout_ms == 0 || call->timeout_ms > INT64_MAX / KOFN_NS_PER_MS
            ? KOFN_NEVER_NS
            : kofn_clock_after(session->heard_ns, (int64_t)call->timeout_ms * KOFN_NS_PER_MS);
    if (call->window > 0 && !open_stream(session, call->window, &err)) {
        kofn_request_fail(request, &err);
        return;
    }
    request->window = call->window > 0;
    kofn_status status = KOFN_OK;
    uint64_t version; // there is one today: nothing depends on which
    if (kofn_version_agree(call->version, &version, &err) != KOFN_OK)
        status = kofn_fail_within(&err, "this client");
    else if (known)
        status = kofn_fail(&err, KOFN_ALREADY_EXISTS,
                           "call %" PRIu64 " is open already: number calls anew", call->call);
    else if (call->more && call->window == 0)
        status = kofn_fail(&err, KOFN_INVALID_ARGUMENT,
                           "a call with more blocks to come needs a window for its reply");
    if (!status)
        status = kofn_method_find(call->method, &request->method, &err);
    if (status) {
        kofn_request_fail(request, &err);
        return;
    }
    request->receiving = call->more;
    kofn_service_call(session->of->master, request, call);
}

static void
on_data(kofn_session *session, const kofn_msg_data *data)
{
    kofn_request *request = find_request(session, data->id);
    if (request && request->receiving && request->job) // else: of a call that was refused; acked
        kofn_request_take_blocks(request, data->more);
}

static void
on_ack(kofn_session *session, const kofn_msg_ack *ack)
{
    kofn_error err;
    if (session->stream && kofn_peer_acked(session->stream, ack->bytes, &err) != KOFN_OK)
        lose_session(session, err.text);
}

static void
on_abandon(kofn_session *session, const kofn_msg_abandon *abandon)
{
    kofn_request *request = find_request(session, abandon->call);
    if (session->stream)
        (void)kofn_peer_drop(session->stream, abandon->call); // it knows: no cancel needed
    if (request)
        abandon_request(request, "its client abandoned the call");
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static kofn_session *
get_session(kofn_sessions *sessions, kofn_error *err)
{
    kofn_session *session = zhashx_lookup(sessions->by_peer, &sessions->in.peer);
    if (session)
        return session;
    session = calloc(1, sizeof *session);
    if (!session) {
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another client");
        return NULL;
    }
    session->id = sessions->in.peer;
    session->number = ++sessions->next_number;
    session->of = sessions;
    session->heard_ns = session->probed_ns = kofn_clock_ns();
    TAILQ_INIT(&session->requests);
    if (kofn_peer_new(sessions->master->client_socket, KOFN_LINK_MASTER_CLIENTS, &session->id, 0,
                      &session->whole, err) != KOFN_OK) {
        free(session);
        return NULL;
    }
    zhashx_update(sessions->by_peer, &session->id, session);
    TAILQ_INSERT_TAIL(&sessions->all, session, of_sessions);
    return session;
}

static void
destroy_session(kofn_sessions *sessions, kofn_session *session)
{
    while (!TAILQ_EMPTY(&session->requests))
        forget_request(TAILQ_FIRST(&session->requests));
    TAILQ_REMOVE(&sessions->all, session, of_sessions);
    zhashx_delete(sessions->by_peer, &session->id);
    kofn_peer_destroy(&session->whole);
    kofn_peer_destroy(&session->stream);
    free(session);
}

typedef union client_message {
    kofn_msg_call call;
    kofn_msg_data data;
    kofn_msg_ack ack;
    kofn_msg_abandon abandon;
} client_message;

static void
handle(kofn_session *session, const kofn_wire_message *of, const client_message *message)
{
    if (of == &kofn_call_message)
        on_call(session, &message->call);
    else if (of == &kofn_data_message)
        on_data(session, &message->data);
    else if (of == &kofn_ack_message)
        on_ack(session, &message->ack);
    else if (of == &kofn_abandon_message)
        on_abandon(session, &message->abandon);
}

static kofn_status
on_message(kofn_sessions *sessions, kofn_error *err)
{
    const void *bytes = kofn_buf_get_data(sessions->in.head);
    const size_t length = kofn_buf_get_size(sessions->in.head);
    char type[KOFN_NAME_MAX];
    kofn_status status = kofn_message_peek(bytes, length, "type", type, sizeof type, err);
    if (status == KOFN_NOT_FOUND)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "a message without 'type'");
    if (status)
        return status;
    const kofn_wire_message *of = kofn_envelope_find(type);
    client_message message;
    if (!of || of->struct_size > sizeof message)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "no message '%s' from clients", type);
    status = kofn_message_unpack(of, bytes, length, &message, err);
    if (status)
        return status;

    const bool plain = of == &kofn_call_message && message.call.window == 0; // outside all credit
    kofn_session *session = get_session(sessions, err);
    if (session) {
        session->heard_ns = kofn_clock_ns();
        handle(session, of, &message);
    }
    kofn_message_clear(of, &message);
    if (!session)
        return err->status;
    if (!plain && session->stream && !session->gone && sessions->in.block_bytes > 0 &&
        kofn_peer_took(session->stream, sessions->in.block_bytes, KOFN_WINDOW_BYTES, err) !=
            KOFN_OK)
        lose_session(session, err->text);
    return KOFN_OK;
}

/* Tell a peer that cannot be understood, so that its author learns why: status and sentence, call 0. */
static void
on_garbage(kofn_sessions *sessions, const kofn_error *why)
{
    sessions->strangers++;
    if ((sessions->strangers & (sessions->strangers - 1)) == 0) // at powers of two: no flood
        kofn_log_write(&sessions->master->log, KOFN_LOG_WARNING, "message_dropped", why->text,
                       "from=clients count=%" PRIu64, sessions->strangers);
    kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION, .status = why->status};
    snprintf(reply.message, sizeof reply.message, "%s", why->text);
    kofn_peer *peer = NULL;
    kofn_status sent = kofn_peer_new(sessions->master->client_socket, KOFN_LINK_MASTER_CLIENTS,
                                     &sessions->in.peer, 0, &peer, NULL);
    if (!sent)
        sent = kofn_peer_post(peer, &kofn_reply_message, &reply, NULL);
    (void)sent; // if it is gone: fine
    kofn_peer_destroy(&peer);
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

void
kofn_sessions_on_readable(kofn_sessions *sessions)
{
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        bool got = false;
        kofn_error err;
        kofn_status status = kofn_inbound_recv(sessions->master->client_socket,
                                               KOFN_LINK_MASTER_CLIENTS, &sessions->in, &got, &err);
        if (!got && !status)
            break;
        if (!status && !sessions->in.delimited)
            continue; // nobody that we could answer
        if (!status)
            status = on_message(sessions, &err);
        if (status)
            on_garbage(sessions, &err);
    }
    reap(sessions);
    kofn_jobs_act(sessions->master->jobs);
}

/* ---- time ----------------------------------------------------------------------------------------------- */

/* A ROUTER is not told when a peer goes: an empty ack finds out whether there is still a route. Only
 * for clients that take messages in between (REQ would take it for its reply). */
static void
probe(kofn_session *session, int64_t now_ns)
{
    const kofn_msg_ack nothing = {0};
    kofn_error err;
    if (!session->stream || TAILQ_EMPTY(&session->requests) ||
        now_ns - session->probed_ns < PROBE_INTERVAL_NS)
        return;
    session->probed_ns = now_ns;
    if (kofn_peer_post(session->stream, &kofn_ack_message, &nothing, &err) != KOFN_OK)
        lose_session(session, err.text);
}

static void
expire_request(kofn_request *request, int64_t now_ns)
{
    kofn_error err;
    kofn_job *job = request->job;
    if (request->receiving && job && now_ns - request->session->heard_ns > UPLOAD_IDLE_NS) {
        kofn_fail(&err, KOFN_DEADLINE_EXCEEDED, "no block of the operands came for %d s",
                  (int)(UPLOAD_IDLE_NS / KOFN_NS_PER_S));
        kofn_job_end(job, &err);
    } else if (now_ns >= request->deadline_ns && job && request->method != KOFN_METHOD_MULTIPLY &&
               request->method != KOFN_METHOD_SUBMIT) {
        kofn_fail(&err, KOFN_DEADLINE_EXCEEDED, "the job goes on: wait for %s again", job->name);
        kofn_request_fail(request, &err);
    } else if (is_watcher(request) && now_ns - request->told_ns >= WATCH_INTERVAL_NS) {
        tell_watcher(request, now_ns);
    }
}

static void
tick_session(kofn_session *session, int64_t now_ns)
{
    kofn_request *next;
    for (kofn_request *r = TAILQ_FIRST(&session->requests); r && !session->gone; r = next) {
        next = TAILQ_NEXT(r, of_session);
        expire_request(r, now_ns);
    }
    if (!session->gone)
        probe(session, now_ns);
    if (TAILQ_EMPTY(&session->requests) && now_ns - session->heard_ns > IDLE_NS &&
        (!session->stream || kofn_peer_get_queued(session->stream) == 0))
        session->gone = session->of->reap_due = true; // it is made anew when it speaks again
}

void
kofn_sessions_on_tick(kofn_sessions *sessions, int64_t now_ns)
{
    kofn_session *session;
    TAILQ_FOREACH(session, &sessions->all, of_sessions)
    {
        if (!session->gone)
            tick_session(session, now_ns);
    }
    reap(sessions);
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

/* ---- life ------------------------------------------------------------------------------------------------ */

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
