/* Streams: a call for each push, held in a ring until its product is taken.
 *
 *     index    taken        +1    +2            pushed
 *     -----------|-----------|-----|---- ... -----|------->    at most `limit` are under way
 *                        calls[(index - 1) % limit]
 *
 * Each push is a call like another: the engine sends it again when the connection was lost, and the
 * master knows it by its index. A refusal with an account is of that job alone, anything else that
 * ends a push is of the whole stream: no later one could be answered in order.
 */
#include "client/kofn.h"

#include "client/convert.h"
#include "client/engine.h"
#include "client/factors.h"
#include "client/result.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct kofn_stream {
    kofn_client *client;
    TAILQ_ENTRY(kofn_stream) link; // of the client's
    kofn_stream_account account;
    uint64_t pushed, taken;
    kofn_error over;    // KOFN_OK: it goes on. Then: why not
    size_t limit;       // of calls under way
    kofn_call *calls[]; // [limit]
};

static kofn_call **
call_of(kofn_stream *stream, uint64_t index)
{
    return &stream->calls[(index - 1) % stream->limit];
}

/* ---- open ------------------------------------------------------------------------------------ */

double
kofn_stream_number(double asked)
{
    return asked == 0 ? -1 : asked;
}

/* The message owns a list: cleared by the caller, also on failure. */
static kofn_status
describe_stream(const kofn_stream_options *options, kofn_msg_open_stream *message, kofn_error *err)
{
    kofn_code_spec spec;
    *message = (kofn_msg_open_stream){.slots = options->slots,
                                      .delay = options->delay,
                                      .lambda = options->lambda,
                                      .failures = options->failures,
                                      .window = options->window,
                                      .burst = options->burst,
                                      .tolerance = options->tolerance,
                                      .rescue = options->rescue,
                                      .limit = options->limit,
                                      .grace_ms = (uint64_t)options->grace_ms};
    if (options->grace_ms < 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "grace_ms: %" PRId64 ", need 0 or more",
                         options->grace_ms);
    kofn_status status =
        kofn_text_describe(message->scheme, sizeof message->scheme, options->scheme, "scheme", err);
    if (status == KOFN_OK)
        status =
            kofn_text_describe(message->field, sizeof message->field, options->field, "field", err);
    if (status == KOFN_OK)
        status = kofn_choice_to_spec(&options->code, &spec, err);
    if (status == KOFN_OK)
        status = kofn_msg_code_from_spec(&spec, &message->code, err);
    return status;
}

/* A limit that no master grants would cost memory, and 0 a division. */
static kofn_status
check_opened(const kofn_msg_stream *reply, kofn_error *err)
{
    if (reply->limit > 0 && reply->limit <= KOFN_STREAM_JOBS_MAX && reply->id[0])
        return KOFN_OK;
    return kofn_fail(err, KOFN_INTERNAL, "the master opened a stream '%s' of %" PRIu64 " jobs",
                     reply->id, reply->limit);
}

static kofn_msg_close_stream
closing_of(const char id[KOFN_ID_MAX])
{
    kofn_msg_close_stream message = {0};
    memcpy(message.stream, id, sizeof message.stream);
    return message;
}

static void
tell_abandoned(kofn_client *client, const char id[KOFN_ID_MAX])
{
    kofn_msg_close_stream request = closing_of(id);
    request.abandon = true;
    kofn_engine_tell(client, KOFN_METHOD_CLOSE_STREAM, &request);
}

static kofn_status
stream_new(kofn_client *client, const kofn_msg_stream *reply, kofn_stream **ret_stream,
           kofn_error *err)
{
    kofn_status status = check_opened(reply, err);
    if (status != KOFN_OK)
        return status;
    kofn_stream *stream = calloc(1, sizeof *stream + reply->limit * sizeof stream->calls[0]);
    if (!stream)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a stream of %" PRIu64 " jobs",
                         reply->limit);
    stream->client = client;
    stream->limit = reply->limit;
    kofn_stream_from_message(reply, &stream->account);
    TAILQ_INSERT_TAIL(&client->streams, stream, link);
    *ret_stream = stream;
    return KOFN_OK;
}

kofn_status
kofn_client_open_stream(kofn_client *client, const kofn_stream_options *options,
                        kofn_stream **ret_stream, kofn_error *err)
{
    static const kofn_stream_options defaults;
    kofn_msg_open_stream request;
    kofn_call *call = NULL;
    options = options ? options : &defaults;
    kofn_status status = describe_stream(options, &request, err);
    if (status == KOFN_OK)
        status = kofn_engine_call(client,
                                  &(kofn_call_params){.method = KOFN_METHOD_OPEN_STREAM,
                                                      .request = &request,
                                                      .timeout_ms = options->timeout_ms},
                                  &call, err);
    kofn_message_clear(&kofn_open_stream_message, &request);
    if (status != KOFN_OK)
        return status;
    status = stream_new(client, call->reply, ret_stream, err);
    if (status != KOFN_OK) // the master has one that nobody knows here
        tell_abandoned(client, ((const kofn_msg_stream *)call->reply)->id);
    kofn_engine_drop(&call);
    return status;
}

/* ---- push ------------------------------------------------------------------------------------ */

static kofn_status
check_room(const kofn_stream *stream, kofn_error *err)
{
    if (stream->over.status != KOFN_OK)
        return kofn_fail(err, stream->over.status, "%s", stream->over.text);
    if (kofn_stream_count(stream) < stream->limit)
        return KOFN_OK;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                     "%zu products of the stream are under way, as many as may be: take the next",
                     stream->limit);
}

static kofn_status
describe_push(const kofn_stream *stream, const kofn_factors *f, kofn_msg_push *ret_message,
              kofn_error *err)
{
    kofn_msg_push message = {.index = stream->pushed + 1,
                             .transpose_a = f->at[0].of->transposed,
                             .transpose_b = f->at[1].of->transposed};
    memcpy(message.stream, stream->account.stream, sizeof message.stream);
    kofn_status status = kofn_factor_describe(&f->at[0], &message.a, message.operand_a, err);
    if (status == KOFN_OK)
        status = kofn_factor_describe(&f->at[1], &message.b, message.operand_b, err);
    *ret_message = message;
    return status;
}

kofn_status
kofn_stream_push(kofn_stream *stream, const kofn_matrix *a, const kofn_matrix *b, void *context,
                 kofn_error *err)
{
    const kofn_factors f = kofn_factors_two(a, b);
    kofn_sent sent;
    kofn_msg_push request;
    kofn_msg_matrix c;
    kofn_call *call;
    kofn_status status = check_room(stream, err);
    for (size_t i = 0; i < 2 && status == KOFN_OK; i++)
        status = kofn_factor_check(f.at[i].of, kofn_operand_name(false, i), err); // none is sparse
    if (status == KOFN_OK)
        status = kofn_factors_check(&f, &c, err);
    if (status == KOFN_OK)
        status = describe_push(stream, &f, &request, err);
    if (status == KOFN_OK)
        status =
            kofn_engine_open(stream->client,
                             &(kofn_call_params){.method = KOFN_METHOD_PUSH,
                                                 .request = &request,
                                                 .operand_count = kofn_factors_list_sent(&f, &sent),
                                                 .operands = sent.at,
                                                 .product = &c,
                                                 .stream = stream},
                             &call, err);
    if (status != KOFN_OK)
        return status;
    call->context = context;
    *call_of(stream, ++stream->pushed) = call;
    (void)kofn_engine_step(stream->client, 0); // it is on its way when this returns
    return KOFN_OK;
}

/* ---- take ------------------------------------------------------------------------------------ */

size_t
kofn_stream_count(const kofn_stream *stream)
{
    return (size_t)(stream->pushed - stream->taken);
}

uint64_t
kofn_stream_get_taken(const kofn_stream *stream)
{
    return stream->taken;
}

/* Did the job fail, and not the stream? */
static bool
is_of_job(const kofn_call *call)
{
    return call->error.status == KOFN_OK || call->answered;
}

size_t
kofn_stream_count_ready(const kofn_stream *stream)
{
    size_t count = 0;
    for (uint64_t index = stream->taken + 1; index <= stream->pushed; index++) {
        const kofn_call *call = stream->calls[(index - 1) % stream->limit];
        count += call->state == KOFN_CALL_DONE && is_of_job(call);
    }
    return count;
}

size_t
kofn_stream_get_limit(const kofn_stream *stream)
{
    return stream->limit;
}

const kofn_stream_account *
kofn_stream_get_account(const kofn_stream *stream)
{
    return &stream->account;
}

/* What ended the push ends the stream. A master that does not know it was started again; one that
 * has closed it waited too long for us. */
static kofn_status
end_stream(kofn_stream *stream, const kofn_error *why, kofn_error *err)
{
    if (why->status == KOFN_NOT_FOUND || why->status == KOFN_FAILED_PRECONDITION)
        (void)kofn_fail(&stream->over, KOFN_ABORTED,
                        "stream %s is gone, with %zu of its products: %s", stream->account.stream,
                        kofn_stream_count(stream), why->text);
    else
        stream->over = *why;
    return kofn_fail(err, stream->over.status, "%s", stream->over.text);
}

static void
drop_next(kofn_stream *stream)
{
    kofn_engine_drop(call_of(stream, ++stream->taken));
    kofn_engine_hurry(stream->client, stream);
}

static kofn_status
take(kofn_stream *stream, kofn_call *call, kofn_stream_product *ret_product, kofn_error *err)
{
    kofn_stream_product product = {
        .index = stream->taken + 1, .context = call->context, .error = call->error};
    if (!is_of_job(call))
        return end_stream(stream, &call->error, err);
    if (call->error.status == KOFN_OK) {
        kofn_status status = kofn_result_take(call, &product.result, err);
        if (status != KOFN_OK)
            return status;
    }
    drop_next(stream);
    *ret_product = product;
    return KOFN_OK;
}

kofn_status
kofn_stream_next(kofn_stream *stream, int64_t timeout_ms, kofn_stream_product *ret_product,
                 kofn_error *err)
{
    const int64_t until = timeout_ms < 0 || timeout_ms > INT64_MAX / KOFN_NS_PER_MS
                              ? KOFN_NEVER_NS
                              : kofn_clock_after(kofn_clock_ns(), timeout_ms * KOFN_NS_PER_MS);
    bool may_wait = true;
    if (stream->over.status != KOFN_OK)
        return kofn_fail(err, stream->over.status, "%s", stream->over.text);
    if (stream->pushed == stream->taken)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION, "nothing was pushed that is to come");
    kofn_call *call = *call_of(stream, stream->taken + 1);
    while (call->state != KOFN_CALL_DONE && may_wait)
        may_wait = kofn_engine_step(stream->client, until) && kofn_clock_ns() < until;
    if (call->state == KOFN_CALL_DONE)
        return take(stream, call, ret_product, err);
    *ret_product = (kofn_stream_product){0};
    return KOFN_OK;
}

/* ---- end ------------------------------------------------------------------------------------- */

/* Products come all the same: whoever wants none abandons. */
static kofn_status
drain(kofn_stream *stream, kofn_error *err)
{
    kofn_status status = stream->over.status;
    if (status != KOFN_OK)
        return kofn_fail(err, status, "%s", stream->over.text);
    while (status == KOFN_OK && stream->taken < stream->pushed) {
        kofn_call **call = call_of(stream, stream->taken + 1);
        status = kofn_engine_await(stream->client, *call, err);
        if (status == KOFN_OK && !is_of_job(*call))
            status = end_stream(stream, &(*call)->error, err);
        if (status == KOFN_OK)
            drop_next(stream);
    }
    return status;
}

static void
stream_free(kofn_stream **stream_p)
{
    kofn_stream *stream = *stream_p;
    *stream_p = NULL;
    while (stream->taken < stream->pushed)
        kofn_engine_drop(call_of(stream, ++stream->taken));
    TAILQ_REMOVE(&stream->client->streams, stream, link);
    free(stream);
}

/* A NULL is not asked for. */
static kofn_status
ask_to_close(kofn_stream *stream, bool abandon, kofn_stream_account *ret_account,
             kofn_stream_trace *ret_trace, kofn_error *err)
{
    kofn_msg_close_stream request = closing_of(stream->account.stream);
    request.abandon = abandon;
    request.trace = ret_trace != NULL;
    const kofn_call_params params = {.method = KOFN_METHOD_CLOSE_STREAM, .request = &request};
    kofn_call *call = NULL;
    kofn_error error;
    if (kofn_engine_call(stream->client, &params, &call, &error) != KOFN_OK)
        return end_stream(stream, &error, err);
    const kofn_status status =
        ret_trace ? kofn_trace_from_message(call->reply, ret_trace, err) : KOFN_OK;
    if (status == KOFN_OK && ret_account)
        kofn_stream_from_message(call->reply, ret_account);
    kofn_engine_drop(&call);
    return status;
}

static kofn_status
close_stream(kofn_stream **stream_p, kofn_stream_account *ret_account, kofn_stream_trace *ret_trace,
             kofn_error *err)
{
    kofn_status status = drain(*stream_p, err);
    if (status == KOFN_OK)
        status = ask_to_close(*stream_p, false, ret_account, ret_trace, err);
    if (status == KOFN_OK)
        stream_free(stream_p);
    else
        kofn_stream_abandon(stream_p);
    return status;
}

kofn_status
kofn_stream_close(kofn_stream **stream_p, kofn_stream_account *ret_account, kofn_error *err)
{
    return close_stream(stream_p, ret_account, NULL, err);
}

kofn_status
kofn_stream_close_traced(kofn_stream **stream_p, kofn_stream_account *ret_account,
                         kofn_stream_trace *ret_trace, kofn_error *err)
{
    return close_stream(stream_p, ret_account, ret_trace, err);
}

void
kofn_stream_trace_fini(kofn_stream_trace *trace)
{
    free(trace->late);
    *trace = (kofn_stream_trace){0};
}

void
kofn_stream_abandon(kofn_stream **stream_p)
{
    if (!*stream_p)
        return;
    kofn_client *client = (*stream_p)->client;
    char id[KOFN_CLIENT_JOB_MAX];
    memcpy(id, (*stream_p)->account.stream, sizeof id);
    stream_free(stream_p);
    tell_abandoned(client, id);
}

/* Its pushes are answered with the cancel, and dropped then. */
kofn_status
kofn_stream_cancel(kofn_stream **stream_p, kofn_stream_account *ret_account,
                   kofn_stream_trace *ret_trace, kofn_error *err)
{
    const kofn_status status = ask_to_close(*stream_p, true, ret_account, ret_trace, err);
    if (status == KOFN_OK)
        stream_free(stream_p);
    else
        kofn_stream_abandon(stream_p);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

kofn_status
kofn_client_list_streams(kofn_client *client, kofn_stream_account **ret_streams, size_t *ret_count,
                         kofn_error *err)
{
    const kofn_msg_nothing request = {0};
    kofn_call *call;
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_LIST_STREAMS, .request = &request}, &call,
        err);
    if (status != KOFN_OK)
        return status;

    const kofn_msg_streams *reply = call->reply;
    const kofn_msg_stream *from = reply->streams.at;
    const size_t count = reply->streams.count;
    kofn_stream_account *streams = calloc(count ? count : 1, sizeof *streams);
    if (streams) {
        for (size_t i = 0; i < count; i++)
            kofn_stream_from_message(&from[i], &streams[i]);
        *ret_streams = streams;
        *ret_count = count;
    }
    kofn_engine_drop(&call);
    return streams ? KOFN_OK
                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of streams");
}
