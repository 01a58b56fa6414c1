#include "tests/unit/fake_master.h"

#include "common/base/clock.h"
#include "common/linalg/multiply.h"
#include "tests/assert.h"

#include <zmq.h>

enum { WINDOW = KOFN_WINDOW_BYTES };

/* cmocka's failures do not leave a thread; a fake that cannot go on ends the program. */
static void
must(kofn_status status, const kofn_error *error)
{
    if (status == KOFN_OK)
        return;
    print_error("fake master: %s\n", error->text);
    abort();
}

static void
open_socket(fake_master *fake, const char *endpoint)
{
    kofn_error error;
    must(kofn_link_socket_new(fake->context, KOFN_LINK_MASTER_CLIENTS, &fake->socket, &error),
         &error);
    /* libzmq gives the port of a closed socket back in its own time. */
    const int64_t until = kofn_clock_ns() + 10 * KOFN_NS_PER_S;
    kofn_status status;
    do
        status = kofn_link_open(fake->socket, KOFN_LINK_MASTER_CLIENTS, endpoint, fake->endpoint,
                                sizeof fake->endpoint, &error);
    while (status == KOFN_ALREADY_EXISTS && kofn_clock_ns() < until);
    must(status, &error);
}

static void
close_socket(fake_master *fake)
{
    const int linger = 0;
    kofn_peer_destroy(&fake->peer);
    (void)zmq_setsockopt(fake->socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_close(fake->socket);
    fake->socket = NULL;
}

/* ---- taking calls ---------------------------------------------------------------------------- */

static void
know_peer(fake_master *fake, const kofn_peer_id *id, size_t window)
{
    kofn_error error;
    if (fake->peer && fake->peer_id.length == id->length &&
        memcmp(fake->peer_id.at, id->at, id->length) == 0)
        return;
    kofn_peer_destroy(&fake->peer);
    fake->peers++;
    fake->peer_id = *id;
    fake->unacked = 0;
    must(kofn_peer_new(fake->socket, KOFN_LINK_MASTER_CLIENTS, id, window, &fake->peer, &error),
         &error);
}

static void
hand_over(fake_master *fake, fake_call *call)
{
    if (call->complete || !kofn_assembler_is_complete(&call->operands))
        return;
    call->complete = true;
    fake->handle(fake, call);
}

static void
take_blocks(fake_call *call, kofn_inbound *in)
{
    kofn_error error;
    for (size_t i = 0; i < in->count; i++)
        must(kofn_assembler_take(&call->operands, in->blocks[i], &error), &error);
}

static void
expect(fake_call *call, const kofn_msg_matrix *m)
{
    kofn_error error;
    must(kofn_assembler_expect(&call->operands, kofn_dtype_parse(m->dtype), m->rows, m->cols,
                               &error),
         &error);
}

static void
expect_factors(fake_call *call)
{
    if (!call->product.operand_a[0])
        expect(call, &call->product.a);
    if (!call->product.operand_b[0])
        expect(call, &call->product.b);
}

static void
on_call(fake_master *fake, kofn_inbound *in, const void *bytes, size_t length)
{
    kofn_error error;
    if (fake->call_count == FAKE_CALLS_MAX)
        abort();
    fake_call *call = &fake->calls[atomic_fetch_add(&fake->call_count, 1)];
    must(kofn_message_unpack(&kofn_call_message, bytes, length, &call->call, &error), &error);
    must(kofn_method_find(call->call.method, &call->method, &error), &error);
    know_peer(fake, &in->peer, call->call.window);

    const kofn_wire_message *of = kofn_method_get(call->method)->request;
    kofn_assembler_init(&call->operands);
    if (of == &kofn_product_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->product,
                                 &error),
             &error);
        expect_factors(call);
    } else if (of == &kofn_push_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->push,
                                 &error),
             &error);
        call->product.a = call->push.a;
        call->product.b = call->push.b;
        call->product.transpose_a = call->push.transpose_a;
        call->product.transpose_b = call->push.transpose_b;
        memcpy(call->product.operand_a, call->push.operand_a, sizeof call->product.operand_a);
        memcpy(call->product.operand_b, call->push.operand_b, sizeof call->product.operand_b);
        expect_factors(call);
    } else if (of == &kofn_open_stream_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->opening,
                                 &error),
             &error);
    } else if (of == &kofn_close_stream_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->closing,
                                 &error),
             &error);
    } else if (of == &kofn_put_operand_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->put,
                                 &error),
             &error);
        expect(call, &call->put.matrix);
    } else if (of == &kofn_operand_ref_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->operand,
                                 &error),
             &error);
    } else if (of == &kofn_job_ref_message) {
        must(kofn_message_unpack(of, call->call.body.bytes, call->call.body.length, &call->job,
                                 &error),
             &error);
    }
    call->call.body = (kofn_wire_raw){0}; // its bytes go with the message
    if (fake->on_head)
        fake->on_head(fake, call);
    take_blocks(call, in);
    hand_over(fake, call);
}

static void
on_data(fake_master *fake, kofn_inbound *in, const void *bytes, size_t length)
{
    kofn_error error;
    kofn_msg_data data;
    must(kofn_message_unpack(&kofn_data_message, bytes, length, &data, &error), &error);
    for (size_t i = fake->call_count; i-- > 0;)
        if (fake->calls[i].call.call == data.id && !fake->calls[i].complete) {
            take_blocks(&fake->calls[i], in);
            hand_over(fake, &fake->calls[i]);
            return;
        }
}

static void
on_ack(fake_master *fake, const void *bytes, size_t length)
{
    kofn_error error;
    kofn_msg_ack ack;
    must(kofn_message_unpack(&kofn_ack_message, bytes, length, &ack, &error), &error);
    must(kofn_peer_acked(fake->peer, ack.bytes, &error), &error);
}

static void
on_abandon(fake_master *fake, const void *bytes, size_t length)
{
    kofn_error error;
    kofn_msg_abandon abandon;
    must(kofn_message_unpack(&kofn_abandon_message, bytes, length, &abandon, &error), &error);
    fake->abandoned++;
    fake->last_abandoned = abandon.call;
}

/* Acks as late as the protocol allows, so that a client that overruns its credit is caught. */
static void
acknowledge(fake_master *fake, size_t bytes)
{
    fake->taken += bytes;
    fake->unacked += bytes;
    if (fake->unacked > fake->unacked_max)
        fake->unacked_max = fake->unacked;
    if (fake->peer && fake->unacked >= WINDOW / 4) {
        const kofn_msg_ack ack = {.bytes = fake->unacked};
        (void)!kofn_peer_post(fake->peer, &kofn_ack_message, &ack, NULL); // the client may be gone
        fake->unacked = 0;
    }
}

static void
on_message(fake_master *fake, kofn_inbound *in)
{
    kofn_error error;
    char type[32];
    const void *bytes = kofn_buf_get_data(in->head);
    const size_t length = kofn_buf_get_size(in->head);
    must(kofn_message_peek(bytes, length, "type", type, sizeof type, &error), &error);
    if (strcmp(type, "call") == 0)
        on_call(fake, in, bytes, length);
    else if (strcmp(type, "data") == 0)
        on_data(fake, in, bytes, length);
    else if (strcmp(type, "ack") == 0)
        on_ack(fake, bytes, length);
    else if (strcmp(type, "abandon") == 0)
        on_abandon(fake, bytes, length);
    else
        abort();
    acknowledge(fake, in->block_bytes);
}

static void *
run(void *arg)
{
    fake_master *fake = arg;
    kofn_inbound in = {0};
    while (!atomic_load(&fake->stop)) {
        kofn_error error;
        bool got = false;
        zmq_pollitem_t item = {.socket = fake->socket, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 20); // only to look at `stop`
        do {
            must(kofn_inbound_recv(fake->socket, KOFN_LINK_MASTER_CLIENTS, &in, &got, &error),
                 &error);
            if (got)
                on_message(fake, &in);
        } while (got && !fake->vanish);
        if (fake->vanish) {
            char endpoint[256];
            memcpy(endpoint, fake->endpoint, sizeof endpoint);
            fake->vanish = false;
            close_socket(fake);
            open_socket(fake, endpoint);
        }
    }
    kofn_inbound_fini(&in);
    return NULL;
}

void
fake_start(fake_master *fake, fake_handler *handle, void *test)
{
    kofn_error error;
    *fake = (fake_master){.handle = handle, .test = test, .ran = true};
    fake->context = zmq_ctx_new();
    assert_non_null(fake->context);
    assert_ok(kofn_pool_new(64 << 20, &fake->pool, &error));
    open_socket(fake, "tcp://127.0.0.1:*");
    assert_int_equal(pthread_create(&fake->thread, NULL, run, fake), 0);
}

void
fake_stop(fake_master *fake)
{
    if (!fake->ran)
        return;
    fake->ran = false;
    atomic_store(&fake->stop, true);
    (void)pthread_join(fake->thread, NULL);
    for (size_t i = 0; i < fake->call_count; i++) {
        kofn_assembler_fini(&fake->calls[i].operands);
        kofn_message_clear(&kofn_product_message, &fake->calls[i].product);
        kofn_message_clear(&kofn_open_stream_message, &fake->calls[i].opening);
    }
    close_socket(fake);
    (void)zmq_ctx_term(fake->context);
    kofn_pool_destroy(&fake->pool);
}

/* ---- answering ------------------------------------------------------------------------------- */

/* A client that is gone needs no answer. */
static void
must_or_gone(kofn_status status, const kofn_error *error)
{
    if (status != KOFN_UNAVAILABLE)
        must(status, error);
}

static void
send_reply(fake_master *fake, const kofn_msg_reply *reply, const kofn_bands *mat)
{
    kofn_error error;
    kofn_status status = mat ? kofn_peer_transfer(fake->peer, reply->call, &kofn_reply_message,
                                                  reply, 1, &mat, &error)
                             : kofn_peer_post(fake->peer, &kofn_reply_message, reply, &error);
    must_or_gone(status, &error);
}

static void
reply_with(fake_master *fake, const fake_call *call, const kofn_wire_message *of, const void *body,
           const kofn_bands *mat)
{
    kofn_error error;
    kofn_wire_buffer packed = {0};
    must(kofn_message_pack(of, body, &packed, &error), &error);
    const kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION,
                                  .call = call->call.call,
                                  .body = {.bytes = packed.at, .length = packed.length}};
    send_reply(fake, &reply, mat);
    kofn_wire_buffer_fini(&packed);
}

void
fake_reply(fake_master *fake, const fake_call *call, const kofn_wire_message *of, const void *body)
{
    reply_with(fake, call, of, body, NULL);
}

void
fake_refuse(fake_master *fake, const fake_call *call, kofn_status status, const char *message,
            uint64_t retry_ms)
{
    kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION,
                            .call = call->call.call,
                            .status = status,
                            .retry_ms = retry_ms};
    (void)snprintf(reply.message, sizeof reply.message, "%s", message);
    send_reply(fake, &reply, NULL);
}

void
fake_fail_job(fake_master *fake, const fake_call *call, kofn_status status, const char *message)
{
    kofn_error error;
    kofn_wire_buffer packed = {0};
    kofn_msg_outcome outcome = {.job = {.state = "failed", .status = status}};
    (void)snprintf(outcome.job.message, sizeof outcome.job.message, "%s", message);
    must(kofn_message_pack(&kofn_outcome_message, &outcome, &packed, &error), &error);
    kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION,
                            .call = call->call.call,
                            .status = status,
                            .body = {.bytes = packed.at, .length = packed.length}};
    (void)snprintf(reply.message, sizeof reply.message, "%s", message);
    send_reply(fake, &reply, NULL);
    kofn_wire_buffer_fini(&packed);
}

void
fake_multiply(fake_master *fake, const fake_call *call, size_t chunk)
{
    kofn_error error;
    kofn_mat a, b;
    kofn_bands c;
    size_t rows, cols;
    must(kofn_bands_gather(&call->operands.mat[0], fake->pool, &a, &error), &error);
    must(kofn_bands_gather(&call->operands.mat[1], fake->pool, &b, &error), &error);
    const kofn_product product = {.a = &a,
                                  .b = &b,
                                  .transpose_a = call->product.transpose_a,
                                  .transpose_b = call->product.transpose_b};
    must(kofn_product_shape(&product, &rows, &cols, &error), &error);
    must(kofn_block_bands_new(fake->pool, a.dtype, rows, cols, chunk, &c, &error), &error);
    must(kofn_multiply(kofn_field_for_dtype(a.dtype), &product, &c, &error), &error);

    kofn_msg_outcome outcome = {.job = {.id = "00c0ffee00c0ffee", .state = "done", .answers = 5},
                                .c = {.rows = rows, .cols = cols}};
    memcpy(outcome.c.dtype, call->product.a.dtype, sizeof outcome.c.dtype);
    reply_with(fake, call, &kofn_outcome_message, &outcome, &c);
    kofn_bands_fini(&c);
    kofn_mat_fini(&a);
    kofn_mat_fini(&b);
}

void
fake_event(fake_master *fake, const fake_call *call, const kofn_msg_job *job)
{
    kofn_error error;
    const kofn_msg_event event = {.call = call->call.call, .job = *job};
    must_or_gone(kofn_peer_post(fake->peer, &kofn_event_message, &event, &error), &error);
}

void
fake_send_raw(fake_master *fake, const void *bytes, size_t length)
{
    (void)zmq_send(fake->socket, fake->peer_id.at, fake->peer_id.length, ZMQ_SNDMORE);
    (void)zmq_send(fake->socket, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(fake->socket, bytes, length, 0);
}

void
fake_send_product(fake_master *fake, const fake_call *call, const kofn_msg_matrix *c,
                  size_t rows_sent)
{
    kofn_error error;
    kofn_bands bands;
    const kofn_msg_outcome outcome = {.job = {.state = "done"}, .c = *c};
    must(kofn_block_bands_new(fake->pool, kofn_dtype_parse(c->dtype), rows_sent, c->cols,
                              KOFN_CHUNK_BYTES, &bands, &error),
         &error);
    for (size_t i = 0; i < bands.count; i++)
        memset(bands.at[i].mat.data, 0,
               bands.at[i].mat.rows * c->cols * kofn_dtype_width(bands.dtype));
    reply_with(fake, call, &kofn_outcome_message, &outcome, &bands);
    kofn_bands_fini(&bands);
}
