#include "client/engine.h"

#include "common/base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a connection with its handshakes, to a master that is there: what a slow link or machine
 * takes. */
#define KNOCK_NS (500 * KOFN_NS_PER_MS)

/* Matrices of a stack that are smaller than this are gathered: each would be a frame, of which a
 * peer takes few that are small. */
enum { GATHERED_BYTES = 64 << 10 };

void
kofn_client_memory_release(kofn_client_memory **memory_p)
{
    kofn_client_memory *memory = *memory_p;
    *memory_p = NULL;
    if (!memory || --memory->holders > 0)
        return;
    kofn_pool_destroy(&memory->pool);
    free(memory);
}

/* ---- the life of one call -------------------------------------------------------------------- */

static const kofn_method_info *
method_of(const kofn_call *call)
{
    return kofn_method_get(call->method);
}

static bool
makes_something(kofn_method method)
{
    return method == KOFN_METHOD_MULTIPLY || method == KOFN_METHOD_SUBMIT ||
           method == KOFN_METHOD_PUT_OPERAND;
}

/* The caller's, or 128 random bits where the call makes a job or an operand. */
static kofn_status
set_key(kofn_client *client, kofn_call *call, const char *key, kofn_error *err)
{
    if (key && strlen(key) >= sizeof call->key)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "idempotency key of %zu bytes, at most %zu are carried", strlen(key),
                         sizeof call->key - 1);
    if (key && *key)
        memcpy(call->key, key, strlen(key) + 1);
    else if (makes_something(call->method))
        (void)snprintf(call->key, sizeof call->key, "%016" PRIx64 "%016" PRIx64,
                       kofn_rng_u64(&client->rng), kofn_rng_u64(&client->rng));
    return KOFN_OK;
}

/* A copy of them in one piece. */
static kofn_status
gather_stack(const kofn_client *client, const kofn_stack *from, kofn_mat *ret_mat, kofn_error *err)
{
    const kofn_matrix *first = kofn_stack_get(from, 0);
    const size_t row_bytes = first->cols * kofn_dtype_width(first->dtype);
    kofn_status status = kofn_mat_new(client->memory->pool, first->dtype, from->count * first->rows,
                                      first->cols, ret_mat, err);
    for (size_t i = 0; status == KOFN_OK && i < from->count; i++) {
        const kofn_mat mat = kofn_matrix_view(kofn_stack_get(from, i));
        for (size_t row = 0; row < mat.rows && row_bytes > 0; row++)
            memcpy(kofn_mat_get_row(ret_mat, i * mat.rows + row), kofn_mat_get_row(&mat, row),
                   row_bytes);
    }
    return status;
}

static kofn_status
cut_gathered(const kofn_client *client, const kofn_stack *from, size_t chunk_bytes,
             kofn_bands *bands, kofn_error *err)
{
    kofn_mat whole;
    kofn_status status = gather_stack(client, from, &whole, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_block_bands_add(bands, &whole, chunk_bytes, err);
    kofn_mat_fini(&whole);
    return status;
}

/* The user's memory as bands: each becomes a frame when its turn comes. */
static kofn_status
cut_operand(const kofn_client *client, const kofn_stack *from, kofn_bands *ret_bands,
            kofn_error *err)
{
    const size_t chunk_bytes = kofn_link_chunk_bytes(client->connection.keys != NULL);
    const kofn_matrix *first = kofn_stack_get(from, 0);
    const size_t bytes = first->rows * first->cols * kofn_dtype_width(first->dtype); // checked
    kofn_bands bands;
    kofn_bands_init(&bands, first->dtype, from->count * first->rows, first->cols);
    kofn_status status = KOFN_OK;
    if (from->count > 1 && bytes < GATHERED_BYTES)
        status = cut_gathered(client, from, chunk_bytes, &bands, err);
    else
        for (size_t i = 0; status == KOFN_OK && i < from->count; i++) {
            kofn_mat mat = kofn_matrix_view(kofn_stack_get(from, i));
            mat.owner = from->owner; // each band holds a ref
            status = kofn_block_bands_add(&bands, &mat, chunk_bytes, err);
        }
    if (status != KOFN_OK) {
        kofn_bands_fini(&bands);
        return status;
    }
    *ret_bands = bands;
    return KOFN_OK;
}

static void
free_call(kofn_call *call)
{
    for (size_t i = 0; i < call->operand_count; i++)
        kofn_bands_fini(&call->operands[i]);
    kofn_wire_buffer_fini(&call->body);
    kofn_assembler_fini(&call->blocks);
    if (call->reply)
        kofn_message_clear(method_of(call)->reply, call->reply);
    free(call->reply);
    free(call);
}

kofn_status
kofn_engine_open(kofn_client *client, const kofn_call_params *params, kofn_call **ret_call,
                 kofn_error *err)
{
    kofn_call *call = calloc(1, sizeof *call);
    if (!call)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a call");

    call->client = client;
    call->method = params->method;
    call->started_ns = kofn_clock_ns();
    call->deadline_ns =
        params->timeout_ms > 0
            ? kofn_clock_after(call->started_ns, params->timeout_ms < INT64_MAX / KOFN_NS_PER_MS
                                                     ? params->timeout_ms * KOFN_NS_PER_MS
                                                     : KOFN_NEVER_NS)
            : KOFN_NEVER_NS;
    const int64_t slack_ms = params->slack_ms ? params->slack_ms : KOFN_CLIENT_SLACK_MS;
    call->slack_ns =
        slack_ms < INT64_MAX / KOFN_NS_PER_MS ? slack_ms * KOFN_NS_PER_MS : KOFN_NEVER_NS;
    call->retries = params->retries ? params->retries : client->options.retries;
    call->stream = params->stream;
    call->compressed = params->compressed;
    if (params->product)
        call->product = *params->product;
    kofn_assembler_init(&call->blocks);

    kofn_status status = set_key(client, call, params->key, err);
    if (call->stream)
        call->push = *(const kofn_msg_push *)params->request;
    else if (status == KOFN_OK)
        status = kofn_message_pack(method_of(call)->request, params->request, &call->body, err);
    for (size_t i = 0; status == KOFN_OK && i < params->operand_count; i++) {
        status = cut_operand(client, &params->operands[i], &call->operands[i], err);
        call->operand_count += status == KOFN_OK;
    }
    if (status != KOFN_OK) {
        free_call(call);
        return status;
    }
    TAILQ_INSERT_TAIL(&client->open, call, link);
    *ret_call = call;
    return KOFN_OK;
}

/* Nothing of this call is to leave any more. */
static void
stop_sending(kofn_call *call)
{
    if (call->client->connection.peer && call->id)
        (void)kofn_peer_drop(call->client->connection.peer, call->id); // a torso: see `abandon`
}

/* Tell the master. That a call was given up half sent is told as well: it drops the torso. */
static void
abandon(kofn_call *call)
{
    kofn_connection *connection = &call->client->connection;
    stop_sending(call);
    if (connection->state == KOFN_CONNECTION_UP)
        (void)!kofn_peer_post(connection->peer, &kofn_abandon_message,
                              &(kofn_msg_abandon){.call = call->id}, NULL); // or it is gone anyway
}

static void
finish(kofn_call *call, const kofn_error *outcome)
{
    kofn_client *client = call->client;
    assert(call->state != KOFN_CALL_DONE);
    stop_sending(call);
    for (size_t i = 0; i < call->operand_count; i++)
        kofn_bands_fini(&call->operands[i]);
    call->operand_count = 0;
    call->state = KOFN_CALL_DONE;
    call->error = *outcome;
    call->done_ns = kofn_clock_ns();
    client->endings++;
    TAILQ_REMOVE(&client->open, call, link);
    TAILQ_INSERT_TAIL(&client->done, call, link);
}

static void
finish_ok(kofn_call *call)
{
    static const kofn_error ok = {.status = KOFN_OK};
    finish(call, &ok);
}

void
kofn_engine_drop(kofn_call **call_p)
{
    kofn_call *call = *call_p;
    *call_p = NULL;
    if (!call)
        return;
    if (call->state == KOFN_CALL_SENT || call->state == KOFN_CALL_RECEIVING)
        abandon(call);
    TAILQ_REMOVE(call->state == KOFN_CALL_DONE ? &call->client->done : &call->client->open, call,
                 link);
    free_call(call);
}

/* ---- retries --------------------------------------------------------------------------------- */

/* base x 2^attempt up to the maximum, and of that a random part between half and all: clients
 * that failed together do not come back together. */
static int64_t
backoff_ns(kofn_client *client, int attempt)
{
    const kofn_client_options *options = &client->options;
    double ms = (double)options->backoff_ms;
    for (int i = 0; i < attempt && ms < (double)options->backoff_max_ms; i++)
        ms *= 2;
    if (ms > (double)options->backoff_max_ms)
        ms = (double)options->backoff_max_ms;
    return (int64_t)(ms * (0.5 + 0.5 * kofn_rng_unit(&client->rng)) * (double)KOFN_NS_PER_MS);
}

/* Back to the queue, with nothing of what it got so far. */
static void
requeue(kofn_call *call, int64_t wait_ns)
{
    stop_sending(call);
    if (call->reply)
        kofn_message_clear(method_of(call)->reply, call->reply);
    free(call->reply);
    call->reply = NULL;
    kofn_assembler_fini(&call->blocks);
    kofn_assembler_init(&call->blocks);
    call->state = KOFN_CALL_QUEUED;
    call->retry_ns = kofn_clock_after(kofn_clock_ns(), wait_ns);
}

/* A push that has no room, or a gap before it: each product that is taken may change that. While
 * there are some to be taken before its own, it is not the push that fails. */
static bool
waits_for_room(const kofn_call *call, kofn_status why)
{
    return call->stream && (why == KOFN_RESOURCE_EXHAUSTED || why == KOFN_OUT_OF_RANGE);
}

/* The same after a refusal, or to an end when there were too many. To insist on what cannot be read
 * would bring the same for ever. */
static void
retry(kofn_call *call, int64_t wait_ns, const kofn_error *why)
{
    const uint64_t taken = call->stream ? kofn_stream_get_taken(call->stream) : 0;
    const bool for_room = waits_for_room(call, why->status);
    const bool waits = for_room && call->push.index > taken + 1;
    const bool insists =
        call->client->options.insist && call->retries > 0 && why->status != KOFN_INVALID_ARGUMENT;
    if (call->retries < 0 || (call->attempts >= call->retries && !insists && !waits)) {
        finish(call, why);
        return;
    }
    call->attempts += !waits;
    call->error = *why;
    call->refusal_ns = kofn_clock_ns() - call->sent_ns;
    requeue(call, for_room && call->push.received < taken ? 0 : wait_ns); // see kofn_engine_hurry
}

void
kofn_engine_hurry(kofn_client *client, const kofn_stream *stream)
{
    kofn_call *call;
    TAILQ_FOREACH(call, &client->open, link)
    if (call->stream == stream && waits_for_room(call, call->error.status))
        call->retry_ns = 0;
}

static int64_t
last_word(const kofn_client *client, const kofn_call *call)
{
    return call->sent_ns > client->heard_ns ? call->sent_ns : client->heard_ns;
}

/* A master that hangs keeps its connection for some time, but not its word. One that was silent for
 * too long to wait on may not know of our calls, and is asked anew. */
static int64_t
away_since(const kofn_client *client, int64_t now)
{
    int64_t since = now;
    const kofn_call *call;
    TAILQ_FOREACH(call, &client->open, link)
    if (call->state != KOFN_CALL_QUEUED && last_word(client, call) < since)
        since = last_word(client, call);
    const int64_t silent = now - since;
    return silent > KOFN_CLIENT_BEAT_NS && silent < client->silence_ns ? since : now;
}

/* Losses are not counted against a call: time bounds them (patience_end). Away is a master from
 * when it was last heard, so one that falls as soon as it stands is not there. */
static void
connection_lost(kofn_client *client, const kofn_error *why)
{
    const int64_t now = kofn_clock_ns();
    kofn_connection_close(&client->connection);
    if (client->losses == 0)
        client->unheard_ns = away_since(client, now);
    client->down_ns = client->unheard_ns;
    client->reopen_ns = kofn_clock_after(now, backoff_ns(client, client->losses));
    client->losses++;
    for (kofn_call *call = TAILQ_FIRST(&client->open), *next; call; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->state != KOFN_CALL_QUEUED && call->retries < 0)
            finish(call, why);
        else if (call->state != KOFN_CALL_QUEUED)
            requeue(call, 0); // sent as soon as there is a connection again
    }
}

/* What came cannot be the protocol: trying again would bring the same. */
static void
connection_garbled(kofn_client *client, const kofn_error *what)
{
    kofn_error error;
    (void)kofn_fail(&error, KOFN_DATA_LOSS, "the peer at %s does not speak kofn's protocol: %s",
                    client->endpoint, what->text);
    for (kofn_call *call = TAILQ_FIRST(&client->open), *next; call; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->state != KOFN_CALL_QUEUED)
            finish(call, &error);
    }
    connection_lost(client, &error);
}

/* A send or an ack failed: a full or broken pipe costs the connection, other failures the call. */
static void
send_failed(kofn_client *client, kofn_call *call, const kofn_error *why)
{
    if (call && why->status != KOFN_UNAVAILABLE) {
        finish(call, why);
        if (why->status != KOFN_RESOURCE_EXHAUSTED)
            return;
    }
    connection_lost(client, why); // no memory in mid-message: the master holds a torso
}

/* ---- the connection -------------------------------------------------------------------------- */

/* Trying again would not help: somebody must look at the keys. */
static void
end_refused(kofn_client *client)
{
    kofn_error error;
    (void)kofn_monitor_explain(client->connection.refusal, client->endpoint, "client",
                               client->connection.keys != NULL, &error);
    while (!TAILQ_EMPTY(&client->open))
        finish(TAILQ_FIRST(&client->open), &error);
    connection_lost(client, &error); // for later calls: libzmq may have given up
}

static void
keep_connected(kofn_client *client, int64_t now)
{
    kofn_connection *connection = &client->connection;
    kofn_error error;

    kofn_connection_look(connection);
    if (connection->state == KOFN_CONNECTION_LOST) {
        (void)kofn_fail(&error, KOFN_UNAVAILABLE, "the connection to the master at %s was lost",
                        client->endpoint);
        connection_lost(client, &error);
    }
    if (connection->state == KOFN_CONNECTION_NONE && now >= client->reopen_ns) {
        client->reopen_ns = KOFN_NEVER_NS;
        if (kofn_connection_open(connection, &error) != KOFN_OK)
            connection_lost(client, &error); // tried again after the backoff
    }
    if (connection->state == KOFN_CONNECTION_REFUSED)
        end_refused(client);
    if (connection->state == KOFN_CONNECTION_UP)
        client->down_ns = KOFN_NEVER_NS;
}

static int64_t
silent_at(const kofn_client *client, const kofn_call *call)
{
    if (call->state == KOFN_CALL_QUEUED)
        return KOFN_NEVER_NS;
    return kofn_clock_after(last_word(client, call), client->silence_ns);
}

static void
mind_silence(kofn_client *client, int64_t now)
{
    kofn_error error;
    const kofn_call *call;
    TAILQ_FOREACH(call, &client->open, link)
    if (now >= silent_at(client, call)) {
        (void)kofn_fail(&error, KOFN_UNAVAILABLE,
                        "nothing was heard of the master at %s for %.3g s, with calls open",
                        client->endpoint, (double)client->silence_ns / 1e9);
        connection_lost(client, &error);
        return;
    }
}

/* Of a call whose connection stands: who waits for a shorter time than that is asked for anew,
 * waits no longer for a master that hangs. */
static int64_t
word_end(const kofn_client *client, const kofn_call *call)
{
    const int64_t away_ms = client->options.away_ms;
    if (call->state == KOFN_CALL_QUEUED || call->retries < 0 ||
        call->deadline_ns != KOFN_NEVER_NS || away_ms < 0 ||
        away_ms >= client->silence_ns / KOFN_NS_PER_MS)
        return KOFN_NEVER_NS;
    const int64_t away_ns = away_ms * KOFN_NS_PER_MS;
    return kofn_clock_after(last_word(client, call),
                            away_ns > KOFN_CLIENT_BEAT_NS ? away_ns : KOFN_CLIENT_BEAT_NS);
}

/* A master that was there comes back, and takes its jobs up again: a call's deadline says how long
 * that may take, or else the client's options do. */
static int64_t
patience_end(const kofn_client *client, const kofn_call *call)
{
    const kofn_client_options *options = &client->options;
    const int64_t since = client->down_ns > call->started_ns ? client->down_ns : call->started_ns;
    if (client->down_ns == KOFN_NEVER_NS)
        return word_end(client, call);
    if (!client->spoken || call->retries < 0)
        return kofn_clock_after(since, options->patience_ms * KOFN_NS_PER_MS);
    if (call->deadline_ns != KOFN_NEVER_NS || options->away_ms < 0)
        return KOFN_NEVER_NS;
    return kofn_clock_after(since, options->away_ms * KOFN_NS_PER_MS);
}

static int64_t
give_up_at(const kofn_call *call)
{
    if (call->state == KOFN_CALL_QUEUED || !makes_something(call->method))
        return call->deadline_ns;
    return kofn_clock_after(call->deadline_ns, call->slack_ns);
}

static void
say_unreachable(const kofn_client *client, const kofn_call *call, int64_t now,
                kofn_error *ret_error)
{
    const bool connected = client->down_ns == KOFN_NEVER_NS;
    const int64_t since = connected ? last_word(client, call) : client->down_ns;
    if (client->connection.cut_off)
        (void)kofn_monitor_explain(KOFN_MONITOR_CUT, client->endpoint, "client",
                                   client->connection.keys != NULL, ret_error);
    else if (client->spoken)
        (void)kofn_fail(ret_error, KOFN_UNAVAILABLE, "no master answers at %s for %.1f s",
                        client->endpoint, (double)(now - since) / 1e9);
    else
        (void)kofn_fail(ret_error, KOFN_UNAVAILABLE,
                        "no master answers at %s; is kofn-master running there?", client->endpoint);
}

/* Was there time for a master that is there to let us in? A call with less says nothing about
 * it. */
static bool
has_knocked(const kofn_client *client, int64_t now)
{
    return client->spoken || now - client->down_ns >= KNOCK_NS;
}

static void
say_late(const kofn_client *client, const kofn_call *call, kofn_error *ret_error)
{
    const bool connected = client->down_ns == KOFN_NEVER_NS;
    const bool was_put_off = call->error.status != KOFN_OK;
    (void)kofn_fail(ret_error, KOFN_DEADLINE_EXCEEDED, "no %s within %.3g s%s%s; allow more time",
                    connected ? "outcome" : "connection to the master",
                    (double)(call->deadline_ns - call->started_ns) / 1e9,
                    was_put_off ? ", since it was put off: " : "",
                    was_put_off ? call->error.text : "");
}

/* A product that is on its way is not cut off by the deadline: it was met. */
static void
expire(kofn_client *client, int64_t now)
{
    kofn_error error;
    for (kofn_call *call = TAILQ_FIRST(&client->open), *next; call; call = next) {
        next = TAILQ_NEXT(call, link);
        if (now >= patience_end(client, call) ||
            (now >= give_up_at(call) && client->down_ns != KOFN_NEVER_NS &&
             has_knocked(client, now))) {
            say_unreachable(client, call, now, &error);
            finish(call, &error);
        } else if (now >= give_up_at(call) && call->state != KOFN_CALL_RECEIVING) {
            say_late(client, call, &error);
            if (call->state == KOFN_CALL_SENT)
                abandon(call);
            finish(call, &error);
        }
    }
}

/* When it may be sent. A stream takes its pushes in order: one behind another that was put off
 * would only be put off, too. When that one goes again, the next follows if it is not refused in
 * the time that the last refusal took, twice. The nearest one tells, since those before it have
 * left if it has. */
static int64_t
leaves_at(const kofn_call *call)
{
    const kofn_call *before = call;
    if (!call->stream)
        return call->retry_ns;
    do
        before = TAILQ_PREV(before, kofn_call_list, link);
    while (before && before->stream != call->stream);
    if (!before)
        return call->retry_ns;
    if (before->state == KOFN_CALL_QUEUED)
        return KOFN_NEVER_NS;
    const int64_t follows_ns = kofn_clock_after(before->sent_ns, 2 * before->refusal_ns);
    return before->refusal_ns > 0 && follows_ns > call->retry_ns ? follows_ns : call->retry_ns;
}

static int64_t
next_timer(const kofn_client *client)
{
    int64_t at = client->reopen_ns;
    const kofn_call *call;
    TAILQ_FOREACH(call, &client->open, link)
    {
        const int64_t of_call[] = {
            give_up_at(call), patience_end(client, call), silent_at(client, call),
            call->state == KOFN_CALL_QUEUED && client->connection.state == KOFN_CONNECTION_UP
                ? leaves_at(call)
                : KOFN_NEVER_NS};
        for (size_t i = 0; i < sizeof of_call / sizeof of_call[0]; i++)
            if (of_call[i] < at && !(i == 0 && call->state == KOFN_CALL_RECEIVING))
                at = of_call[i];
    }
    return at;
}

/* ---- sending --------------------------------------------------------------------------------- */

static kofn_status
pack_push(kofn_call *call, kofn_error *err)
{
    call->push.received = kofn_stream_get_taken(call->stream);
    kofn_wire_buffer_fini(&call->body);
    return kofn_message_pack(&kofn_push_message, &call->push, &call->body, err);
}

static kofn_status
send_call(kofn_client *client, kofn_call *call, int64_t now, kofn_error *err)
{
    if (call->stream) {
        kofn_status status = pack_push(call, err);
        if (status != KOFN_OK)
            return status;
    }
    kofn_msg_call message = {
        .version = KOFN_PROTOCOL_VERSION,
        .call = call->id = ++client->last_call,
        .window = client->options.window,
        .body = {.bytes = call->body.at, .length = call->body.length},
    };
    (void)snprintf(message.method, sizeof message.method, "%s", method_of(call)->name);
    memcpy(message.key, call->key, sizeof message.key);
    if (call->deadline_ns != KOFN_NEVER_NS) // at least 1: 0 would mean none
        message.timeout_ms = (uint64_t)((call->deadline_ns - now) / KOFN_NS_PER_MS) + 1;

    call->state = KOFN_CALL_SENT;
    call->sent_ns = now;
    if (call->operand_count == 0)
        return kofn_peer_post(client->connection.peer, &kofn_call_message, &message, err);
    const kofn_bands *mats[KOFN_OPERANDS_MAX];
    for (size_t i = 0; i < call->operand_count; i++)
        mats[i] = &call->operands[i];
    return kofn_peer_transfer(client->connection.peer, call->id, &kofn_call_message, &message,
                              call->operand_count, mats, err);
}

static void
send_queued(kofn_client *client, int64_t now)
{
    kofn_error error;
    for (kofn_call *call = TAILQ_FIRST(&client->open), *next; call; call = next) {
        next = TAILQ_NEXT(call, link);
        if (client->connection.state != KOFN_CONNECTION_UP)
            return;
        if (call->state == KOFN_CALL_QUEUED && leaves_at(call) <= now && now < call->deadline_ns &&
            send_call(client, call, now, &error) != KOFN_OK)
            send_failed(client, call, &error);
    }
}

void
kofn_engine_tell(kofn_client *client, kofn_method method, const void *request)
{
    const kofn_method_info *info = kofn_method_get(method);
    kofn_msg_call message = {.version = KOFN_PROTOCOL_VERSION,
                             .call = ++client->last_call,
                             .window = client->options.window};
    kofn_wire_buffer body = {0};
    (void)snprintf(message.method, sizeof message.method, "%s", info->name);
    if (client->connection.state == KOFN_CONNECTION_UP &&
        kofn_message_pack(info->request, request, &body, NULL) == KOFN_OK) {
        message.body = (kofn_wire_raw){.bytes = body.at, .length = body.length};
        (void)!kofn_peer_post(client->connection.peer, &kofn_call_message, &message,
                              NULL); // or it is gone, and does not know
    }
    kofn_wire_buffer_fini(&body);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static kofn_call *
find_call(const kofn_client *client, uint64_t id, kofn_call_state state)
{
    kofn_call *call;
    TAILQ_FOREACH(call, &client->open, link)
    if (call->id == id && call->state == state)
        return call;
    return NULL;
}

static bool
is_retryable(const kofn_call *call, const kofn_msg_reply *reply, kofn_status status)
{
    if (reply->call == 0) // it has made nothing, and may be another call that was not read
        return status == KOFN_RESOURCE_EXHAUSTED || status == KOFN_UNAVAILABLE ||
               status == KOFN_INVALID_ARGUMENT;
    if (status == KOFN_RESOURCE_EXHAUSTED)
        return reply->retry_ms > 0;
    if (call->method == KOFN_METHOD_PUSH &&
        status == KOFN_OUT_OF_RANGE) // a gap: one before was put off
        return reply->body.length == 0;
    /* A job that ended so (its account says it) stays so for those who wait for it; under the key
     * that made it, it runs anew. */
    const bool waits = call->method == KOFN_METHOD_WAIT || call->method == KOFN_METHOD_WATCH ||
                       call->method == KOFN_METHOD_PUSH;
    return status == KOFN_UNAVAILABLE && !(waits && reply->body.length > 0);
}

static void
call_refused(kofn_client *client, kofn_call *call, const kofn_msg_reply *reply)
{
    kofn_error error;
    const kofn_status status =
        reply->status <= KOFN_UNAUTHENTICATED ? (kofn_status)reply->status : KOFN_UNKNOWN;
    (void)kofn_fail(&error, status, "%s",
                    reply->message[0] ? reply->message : kofn_status_name(status));
    if (!is_retryable(call, reply, status)) {
        call->answered = reply->body.length > 0;
        finish(call, &error);
        return;
    }
    const uint64_t hint_ms = reply->retry_ms < 3600000 ? reply->retry_ms : 3600000;
    const double jitter = 1 + 0.5 * kofn_rng_unit(&client->rng); // never sooner than told
    const int64_t hint_ns = (int64_t)((double)hint_ms * jitter * (double)KOFN_NS_PER_MS);
    const int64_t backoff = backoff_ns(client, call->attempts);
    retry(call, backoff > hint_ns ? backoff : hint_ns, &error);
}

/* Of which call, nobody knows: all that are out are made again, on another connection, since on
 * this one neither credit nor transfers add up any more. Only damage on the way is no call's
 * fault. */
static void
all_refused(kofn_client *client, const kofn_msg_reply *reply)
{
    kofn_error error;
    for (kofn_call *call = TAILQ_FIRST(&client->open), *next; call; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->state == KOFN_CALL_SENT && reply->status != KOFN_DATA_LOSS)
            call_refused(client, call, reply);
    }
    (void)kofn_fail(&error, KOFN_UNAVAILABLE, "a message to %s was refused: %s", client->endpoint,
                    reply->message);
    connection_lost(client, &error);
}

/* The blocks of one message. Whole matrix: done. `more`: go on. */
static void
take_blocks(kofn_client *client, kofn_call *call, bool more)
{
    kofn_error error;
    for (size_t i = 0; i < client->in.count; i++)
        if (kofn_assembler_take(&call->blocks, client->in.blocks[i], &error) != KOFN_OK) {
            (void)kofn_fail_within(&error, "the product's block %zu", i);
            error.status = KOFN_DATA_LOSS;
            if (more)
                abandon(call);
            finish(call, &error);
            return;
        }
    if (kofn_assembler_is_complete(&call->blocks)) {
        finish_ok(call);
    } else if (more) {
        call->state = KOFN_CALL_RECEIVING;
    } else {
        (void)kofn_fail(&error, KOFN_DATA_LOSS, "the product ended before its last row");
        finish(call, &error);
    }
}

static kofn_status
expect_product(kofn_call *call, const kofn_msg_matrix *c, kofn_error *err)
{
    const kofn_msg_matrix *want = &call->product;
    if (c->dtype[0] == '\0' && want->dtype[0] == '\0' && call->method != KOFN_METHOD_MULTIPLY)
        return KOFN_OK; // an account alone
    if (want->dtype[0] &&
        (strcmp(c->dtype, want->dtype) != 0 || c->rows != want->rows || c->cols != want->cols))
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "the master sends a product of %s [%" PRIu64 ", %" PRIu64
                         "], expected %s [%" PRIu64 ", %" PRIu64 "]",
                         c->dtype[0] ? c->dtype : "nothing", c->rows, c->cols, want->dtype,
                         want->rows, want->cols);
    const kofn_dtype dtype = kofn_dtype_parse(c->dtype);
    if (dtype == KOFN_DTYPE_NONE || c->rows > SIZE_MAX || c->cols > SIZE_MAX)
        return kofn_fail(err, KOFN_DATA_LOSS, "the master sends a product of unknown dtype '%s'",
                         c->dtype);
    kofn_status status = kofn_assembler_expect(&call->blocks, dtype, c->rows, c->cols, err);
    if (status != KOFN_OK)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "the master sends a product of %" PRIu64 " x %" PRIu64 ", which cannot be",
                         c->rows, c->cols);
    return KOFN_OK;
}

static void
on_reply(kofn_client *client, const kofn_msg_reply *reply)
{
    kofn_error error;
    if (reply->call == 0) {
        if (reply->status != KOFN_OK && reply->status != KOFN_UNIMPLEMENTED) // an older master's
            all_refused(client, reply);
        return;
    }
    kofn_call *call = find_call(client, reply->call, KOFN_CALL_SENT);
    if (!call) // abandoned, or an attempt that was given up
        return;
    if (reply->status != KOFN_OK) {
        call_refused(client, call, reply);
        return;
    }

    const kofn_wire_message *of = method_of(call)->reply;
    void *body = calloc(1, of->struct_size);
    kofn_status status =
        body ? kofn_message_unpack(of, reply->body.bytes, reply->body.length, body, &error)
             : kofn_fail(&error, KOFN_RESOURCE_EXHAUSTED, "no memory");
    if (status != KOFN_OK) {
        free(body);
        (void)kofn_fail_within(&error, "reply of %s", method_of(call)->name);
        error.status = status == KOFN_INVALID_ARGUMENT ? KOFN_INTERNAL : status;
        finish(call, &error);
        return;
    }
    call->reply = body;
    if (of == &kofn_outcome_message &&
        expect_product(call, &((kofn_msg_outcome *)body)->c, &error) != KOFN_OK) {
        abandon(call);
        finish(call, &error);
        return;
    }
    take_blocks(client, call, reply->more);
}

static kofn_status
handle_reply(kofn_client *client, const void *bytes, size_t length, kofn_error *err)
{
    kofn_msg_reply reply;
    kofn_status status = kofn_message_unpack(&kofn_reply_message, bytes, length, &reply, err);
    if (status != KOFN_OK)
        return status;
    on_reply(client, &reply);
    kofn_message_clear(&kofn_reply_message, &reply);
    return KOFN_OK;
}

static kofn_status
handle_data(kofn_client *client, const void *bytes, size_t length, kofn_error *err)
{
    kofn_msg_data data;
    kofn_status status = kofn_message_unpack(&kofn_data_message, bytes, length, &data, err);
    if (status != KOFN_OK)
        return status;
    kofn_call *call = find_call(client, data.id, KOFN_CALL_RECEIVING);
    if (call)
        take_blocks(client, call, data.more);
    return KOFN_OK;
}

static kofn_status
handle_ack(kofn_client *client, const void *bytes, size_t length, kofn_error *err)
{
    kofn_msg_ack ack;
    kofn_status status = kofn_message_unpack(&kofn_ack_message, bytes, length, &ack, err);
    return status == KOFN_OK ? kofn_peer_acked(client->connection.peer, ack.bytes, err) : status;
}

static kofn_status
handle_event(kofn_client *client, const void *bytes, size_t length, kofn_error *err)
{
    kofn_msg_event event;
    kofn_status status = kofn_message_unpack(&kofn_event_message, bytes, length, &event, err);
    if (status != KOFN_OK)
        return status;
    kofn_call *call = find_call(client, event.call, KOFN_CALL_SENT);
    if (call && call->on_event)
        call->on_event(call, &event.job);
    kofn_message_clear(&kofn_event_message, &event);
    return KOFN_OK;
}

static kofn_status
handle_message(kofn_client *client, kofn_error *err)
{
    static const struct {
        const char *type;
        kofn_status (*handle)(kofn_client *client, const void *bytes, size_t length,
                              kofn_error *err);
    } handlers[] = {
        {"reply", handle_reply},
        {"data", handle_data},
        {"ack", handle_ack},
        {"event", handle_event},
    };
    char type[KOFN_NAME_MAX];
    const void *bytes = kofn_buf_get_data(client->in.head);
    const size_t length = kofn_buf_get_size(client->in.head);
    kofn_status status = kofn_message_peek(bytes, length, "type", type, sizeof type, err);
    if (status != KOFN_OK)
        return status;
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (strcmp(type, handlers[i].type) == 0)
            return handlers[i].handle(client, bytes, length, err);
    return KOFN_OK; // a newer master's
}

static void
trouble(kofn_client *client, const kofn_error *why)
{
    if (why->status == KOFN_UNAVAILABLE || why->status == KOFN_RESOURCE_EXHAUSTED)
        connection_lost(client, why);
    else
        connection_garbled(client, why);
}

/* One message, if there is one. */
static bool
receive(kofn_client *client)
{
    kofn_error error;
    bool got = false;
    if (!client->connection.socket)
        return false;

    kofn_status status =
        kofn_inbound_recv(client->connection.socket, KOFN_LINK_CLIENT, &client->in, &got, &error);
    if (status == KOFN_DATA_LOSS) // on another connection it may come as it was
        error.status = KOFN_UNAVAILABLE;
    if (status == KOFN_OK && got)
        status = handle_message(client, &error);
    if (status != KOFN_OK) {
        trouble(client, &error);
        return true;
    }
    if (!got)
        return false;
    client->losses = 0;
    client->heard_ns = kofn_clock_ns();
    client->spoken = true;
    if (client->in.block_bytes > 0 && client->connection.peer &&
        kofn_peer_took(client->connection.peer, client->in.block_bytes, client->options.window,
                       &error) != KOFN_OK)
        trouble(client, &error);
    return true;
}

bool
kofn_engine_step(kofn_client *client, int64_t until_ns)
{
    const int64_t now = kofn_clock_ns();
    const uint64_t endings = client->endings;
    bool moved = false;
    keep_connected(client, now);
    send_queued(client, now);
    while (receive(client))
        moved = true;
    mind_silence(client, now);
    expire(client, now);
    if (moved || client->endings != endings)
        return true;

    const int64_t timer = next_timer(client);
    const int64_t wake = timer < until_ns ? timer : until_ns;
    return wake <= now || kofn_connection_wait(&client->connection, wake);
}

void
kofn_engine_pause(kofn_client *client, int attempt)
{
    if (attempt == 0)
        return;
    const int64_t until = kofn_clock_after(kofn_clock_ns(), backoff_ns(client, attempt - 1));
    while (kofn_clock_ns() < until)
        (void)kofn_engine_step(client, until);
}

/* The onlooker is asked after a signal, and every tick, since a signal that comes just before the
 * wait does not interrupt it: a reply that is there at once is taken, whatever came before. */
kofn_status
kofn_engine_await(kofn_client *client, const kofn_call *call, kofn_error *err)
{
    static const kofn_account none;
    const kofn_client_options *options = &client->options;
    int64_t next = KOFN_NEVER_NS;
    while (call->state != KOFN_CALL_DONE) {
        if (options->progress && next == KOFN_NEVER_NS)
            next = kofn_clock_after(kofn_clock_ns(), KOFN_CLIENT_TICK_NS);
        const bool on = kofn_engine_step(client, next); // false: a signal came
        if (!options->progress || call->state == KOFN_CALL_DONE || (on && kofn_clock_ns() < next))
            continue;
        next = KOFN_NEVER_NS;
        if (!options->progress(options->context, &none))
            return kofn_fail(err, KOFN_CANCELLED, "interrupted");
    }
    return KOFN_OK;
}

kofn_status
kofn_engine_call(kofn_client *client, const kofn_call_params *params, kofn_call **ret_call,
                 kofn_error *err)
{
    kofn_call *call;
    kofn_status status = kofn_engine_open(client, params, &call, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_engine_await(client, call, err);
    if (status != KOFN_OK) {
        kofn_engine_drop(&call);
        return status;
    }
    if (call->error.status != KOFN_OK) {
        status = kofn_fail(err, call->error.status, "%s", call->error.text);
        kofn_engine_drop(&call);
        return status;
    }
    *ret_call = call;
    return KOFN_OK;
}

bool
kofn_engine_is_away(const kofn_client *client)
{
    return client->spoken && client->down_ns != KOFN_NEVER_NS;
}

size_t
kofn_engine_get_unsent(const kofn_client *client)
{
    return client->connection.peer ? kofn_peer_get_queued(client->connection.peer) : 0;
}
