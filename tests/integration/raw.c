#include "tests/integration/raw.h"

#include "common/base/clock.h"
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <errno.h>

void
raw_open(raw_peer *peer, int type, bool delimited, const char *endpoint)
{
    *peer = (raw_peer){.context = zmq_ctx_new(), .delimited = delimited};
    assert_non_null(peer->context);
    peer->socket = zmq_socket(peer->context, type);
    assert_non_null(peer->socket);
    const int patience_ms = (int)(1000 * cluster_get_patience_s());
    assert_int_equal(zmq_setsockopt(peer->socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms),
                     0);
    assert_int_equal(zmq_connect(peer->socket, endpoint), 0);
}

void
raw_close(raw_peer *peer)
{
    const int none = 0;
    if (peer->socket) {
        (void)zmq_setsockopt(peer->socket, ZMQ_LINGER, &none, sizeof none);
        (void)zmq_close(peer->socket);
        (void)zmq_ctx_term(peer->context);
    }
    *peer = (raw_peer){0};
}

/* ---- sending --------------------------------------------------------------------------------- */

void
raw_send(raw_peer *peer, const void *bytes, size_t length, bool more)
{
    const int sent = zmq_send(peer->socket, bytes, length, more ? ZMQ_SNDMORE : 0);
    assert_int_equal(sent, (int)length);
}

void
raw_send_start(raw_peer *peer)
{
    if (peer->delimited)
        raw_send(peer, "", 0, true);
}

void
raw_send_message(raw_peer *peer, const kofn_wire_message *of, const void *message, bool more)
{
    kofn_error error;
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(of, message, &buffer, &error));
    raw_send(peer, buffer.at, buffer.length, more);
    kofn_wire_buffer_fini(&buffer);
}

/* A msgpack integer of fixed width: marker byte, then big-endian. */
static unsigned char *
put_number(unsigned char *at, unsigned char marker, uint64_t value, size_t width)
{
    *at++ = marker;
    for (size_t i = width; i-- > 0;)
        *at++ = (unsigned char)(value >> (8 * i));
    return at;
}

void
raw_send_block(raw_peer *peer, const double *elements, size_t rows, size_t cols, size_t first_row,
               bool more)
{
    const size_t bytes = rows * cols * sizeof *elements;
    unsigned char *frame = malloc(64 + bytes);
    assert_non_null(frame);
    unsigned char *at = frame;
    *at++ = 0x95;
    *at++ = KOFN_F64;
    at = put_number(at, 0xce, rows, 4);
    at = put_number(at, 0xce, cols, 4);
    at = put_number(at, 0xce, first_row, 4);
    at = put_number(at, 0xc6, bytes, 4);
    memcpy(at, elements, bytes);
    raw_send(peer, frame, (size_t)(at - frame) + bytes, more);
    free(frame);
}

void
raw_call(raw_peer *peer, kofn_msg_call *call, kofn_method method, const void *body, bool more)
{
    kofn_error error;
    const kofn_method_info *info = kofn_method_get(method);
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(info->request, body, &buffer, &error));
    call->version = KOFN_PROTOCOL_VERSION;
    (void)snprintf(call->method, sizeof call->method, "%s", info->name);
    call->body = (kofn_wire_raw){.bytes = buffer.at, .length = buffer.length};
    raw_send_start(peer);
    raw_send_message(peer, &kofn_call_message, call, more);
    kofn_wire_buffer_fini(&buffer);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void
receive(raw_peer *peer, const char *awaited, raw_message *ret_message)
{
    ret_message->count = 0;
    bool more = true;
    for (size_t i = 0; more; i++) {
        zmq_msg_t frame;
        assert_int_equal(zmq_msg_init(&frame), 0);
        if (zmq_msg_recv(&frame, peer->socket, 0) < 0) {
            cluster_note_in_vain();
            fail_msg("awaited %s, and got no message: %s", awaited, zmq_strerror(errno));
        }
        more = zmq_msg_more(&frame);
        if (i == 0 && peer->delimited) {
            assert_int_equal(zmq_msg_size(&frame), 0);
            (void)zmq_msg_close(&frame);
            continue;
        }
        assert_true(ret_message->count < RAW_FRAMES_MAX);
        ret_message->frame[ret_message->count++] = frame;
    }
    assert_true(ret_message->count > 0);
}

void
raw_receive(raw_peer *peer, raw_message *ret_message)
{
    receive(peer, "anything", ret_message);
}

void
raw_message_fini(raw_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        (void)zmq_msg_close(&message->frame[i]);
    message->count = 0;
}

void
raw_expect(raw_peer *peer, const char *type, void *ret_envelope, raw_message *ret_message)
{
    kofn_error error;
    const int64_t until_ns = kofn_clock_ns() + (int64_t)(1e9 * cluster_get_patience_s());
    for (;;) { // heartbeats never end
        char got[32];
        receive(peer, type, ret_message);
        zmq_msg_t *head = &ret_message->frame[0];
        assert_ok(kofn_message_peek(zmq_msg_data(head), zmq_msg_size(head), "type", got, sizeof got,
                                    &error));
        if (strcmp(got, type) == 0)
            break;
        raw_message_fini(ret_message);
        if (kofn_clock_ns() > until_ns) {
            cluster_note_in_vain();
            fail_msg("awaited %s, and the last of what came is %s", type, got);
        }
    }
    const kofn_wire_message *of = kofn_envelope_find(type);
    assert_non_null(of);
    assert_ok(kofn_message_unpack(of, zmq_msg_data(&ret_message->frame[0]),
                                  zmq_msg_size(&ret_message->frame[0]), ret_envelope, &error));
}

void
raw_expect_reply(raw_peer *peer, uint64_t call, kofn_status status, kofn_method method,
                 void *ret_body, raw_message *ret_message)
{
    kofn_error error;
    kofn_msg_reply reply;
    raw_expect(peer, "reply", &reply, ret_message);
    if (reply.status != status)
        print_error("reply: %s\n", reply.message);
    assert_int_equal(reply.call, call);
    assert_int_equal(reply.status, status);
    if (ret_body)
        assert_ok(kofn_message_unpack(kofn_method_get(method)->reply, reply.body.bytes,
                                      reply.body.length, ret_body, &error));
}

/* Reads any encoding of the four integers, as PROTOCOL.md asks of a receiver. */
static uint64_t
take_number(const unsigned char **at)
{
    const unsigned char marker = *(*at)++;
    if (marker < 0x80)
        return marker;
    assert_in_range(marker, 0xcc, 0xcf);
    uint64_t value = 0;
    for (size_t i = 0; i < (size_t)1 << (marker - 0xcc); i++)
        value = value << 8 | *(*at)++;
    return value;
}

const double *
raw_get_block(const zmq_msg_t *frame, size_t *ret_rows, size_t *ret_cols)
{
    const unsigned char *at = zmq_msg_data((zmq_msg_t *)frame);
    at += *at == 0xdc ? 3 : 1; // array of five
    assert_int_equal(take_number(&at), KOFN_F64);
    *ret_rows = take_number(&at);
    *ret_cols = take_number(&at);
    (void)take_number(&at); // first row
    assert_in_range(*at, 0xc4, 0xc6);
    return (const double *)(at + 1 + ((size_t)1 << (*at - 0xc4)));
}

/* ---- a worker -------------------------------------------------------------------------------- */

void
raw_join(raw_peer *peer, const char *endpoint, const char *name, kofn_msg_welcome *ret_welcome)
{
    raw_open(peer, ZMQ_DEALER, false, endpoint);
    kofn_msg_hello hello = {.version = KOFN_PROTOCOL_VERSION,
                            .software = "test",
                            .fields = "f64,f32",
                            .cores = 1,
                            .blas_threads = 1,
                            .memory_bytes = 1 << 30,
                            .credit = 2,
                            .window = 1 << 30};
    (void)snprintf(hello.name, sizeof hello.name, "%s", name);
    raw_send_message(peer, &kofn_hello_message, &hello, false);
    raw_message message;
    raw_expect(peer, "welcome", ret_welcome, &message);
    raw_message_fini(&message);
}

void
raw_answer(raw_peer *peer, const kofn_msg_task *task, const double *c, size_t rows, size_t cols)
{
    const kofn_msg_result result = {.assignment = task->assignment,
                                    .epoch = task->epoch,
                                    .c = {.dtype = "f64", .rows = rows, .cols = cols},
                                    .compute_ns = 1};
    raw_send_message(peer, &kofn_result_message, &result, rows > 0);
    if (rows > 0)
        raw_send_block(peer, c, rows, cols, 0, false);
}
