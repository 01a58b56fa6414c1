#include "tests/assert.h"

#include "common/base/clock.h"
#include "proto/link/link.h"

#include <malloc.h>
#include <zmq.h>

/* A master's and a worker's or client's end of one inproc link, and what the far end sees raw. */
typedef struct ends {
    void *context, *near, *far;
    kofn_link_kind near_kind, far_kind;
    kofn_inbound near_in, far_in;
    kofn_pool *pool;
    kofn_peer *near_peer, *far_peer;
} ends;

static void
ends_open(ends *e, kofn_link_kind near_kind, kofn_link_kind far_kind, const char *endpoint)
{
    kofn_error error;
    *e = (ends){.near_kind = near_kind, .far_kind = far_kind};
    e->context = zmq_ctx_new();
    assert_non_null(e->context);
    assert_ok(kofn_pool_new(1 << 20, &e->pool, &error));
    assert_ok(kofn_link_socket_new(e->context, near_kind, &e->near, &error));
    assert_ok(kofn_link_socket_new(e->context, far_kind, &e->far, &error));
    char bound[256];
    assert_ok(kofn_link_open(e->near, near_kind, endpoint, bound, sizeof bound, &error));
    assert_ok(kofn_link_open(e->far, far_kind, bound, NULL, 0, &error));
}

static void
ends_close(ends *e)
{
    kofn_peer_destroy(&e->near_peer);
    kofn_peer_destroy(&e->far_peer);
    kofn_inbound_fini(&e->near_in);
    kofn_inbound_fini(&e->far_in);
    const int none = 0;
    zmq_setsockopt(e->near, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(e->far, ZMQ_LINGER, &none, sizeof none);
    zmq_close(e->near);
    zmq_close(e->far);
    zmq_ctx_term(e->context);
    kofn_pool_destroy(&e->pool);
}

static bool
readable(void *socket, long wait_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, wait_ms) == 1;
}

static kofn_status
take(void *socket, kofn_link_kind kind, kofn_inbound *in, kofn_error *err)
{
    bool got = false;
    assert_true(readable(socket, 10000));
    kofn_status status = kofn_inbound_recv(socket, kind, in, &got, err);
    assert_true(got);
    return status;
}

/* rows x cols in f64 with element i equal to start + i, in frames of about chunk bytes. */
static void
make_bands(ends *e, size_t rows, size_t cols, size_t chunk, double start, kofn_bands *bands)
{
    kofn_error error;
    assert_ok(kofn_block_bands_new(e->pool, KOFN_F64, rows, cols, chunk, bands, &error));
    for (size_t i = 0; i < bands->count; i++)
        for (size_t j = 0; j < bands->at[i].mat.rows * cols; j++)
            ((double *)bands->at[i].mat.data)[j] =
                start + (double)(bands->at[i].first_row * cols + j);
}

static void
assert_counts_up(const kofn_bands *bands, double start)
{
    for (size_t i = 0; i < bands->count; i++)
        for (size_t j = 0; j < bands->at[i].mat.rows * bands->cols; j++) {
            double value;
            memcpy(&value, (char *)bands->at[i].mat.data + j * sizeof value, sizeof value);
            assert_true(value == start + (double)(bands->at[i].first_row * bands->cols + j));
        }
}

static const kofn_msg_hello hello = {
    .version = 1, .name = "w", .fields = "f64", .credit = 2, .window = 65536};

/* ---- control messages ------------------------------------------------------------------------ */

static void
make_workers_link(ends *e, size_t window)
{
    kofn_error error;
    ends_open(e, KOFN_LINK_MASTER_WORKERS, KOFN_LINK_WORKER, "inproc://workers");
    assert_ok(kofn_peer_new(e->far, e->far_kind, NULL, window, &e->far_peer, &error));
    assert_ok(kofn_peer_post(e->far_peer, &kofn_hello_message, &hello, &error));
    assert_ok(take(e->near, e->near_kind, &e->near_in, &error));
    assert_ok(
        kofn_peer_new(e->near, e->near_kind, &e->near_in.peer, window, &e->near_peer, &error));
}

static void
control_messages_go_both_ways(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    kofn_msg_hello got;
    assert_ok(kofn_message_unpack(&kofn_hello_message, kofn_buf_get_data(e.near_in.head),
                                  kofn_buf_get_size(e.near_in.head), &got, &error));
    assert_string_equal(got.name, "w");
    assert_true(e.near_in.peer.length > 0);
    assert_int_equal(e.near_in.count, 0);

    const kofn_msg_heartbeat beat = {.epoch = 7};
    assert_ok(kofn_peer_post(e.near_peer, &kofn_heartbeat_message, &beat, &error));
    assert_ok(take(e.far, e.far_kind, &e.far_in, &error));
    assert_int_equal(e.far_in.peer.length, 0);
    ends_close(&e);
}

static void
nothing_waiting_is_no_error(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    bool got = true;
    assert_ok(kofn_inbound_recv(e.near, e.near_kind, &e.near_in, &got, &error));
    assert_false(got);
    assert_null(e.near_in.head);
    ends_close(&e);
}

static void
peer_that_is_gone_is_unavailable(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    kofn_peer *ghost;
    const kofn_peer_id id = {.length = 5, .at = "ghost"};
    assert_ok(kofn_peer_new(e.near, e.near_kind, &id, 65536, &ghost, &error));
    const kofn_msg_heartbeat beat = {.epoch = 7};
    assert_fails(kofn_peer_post(ghost, &kofn_heartbeat_message, &beat, &error), KOFN_UNAVAILABLE);

    /* And the socket is not left in the middle of that message. */
    assert_ok(kofn_peer_post(e.near_peer, &kofn_heartbeat_message, &beat, &error));
    assert_ok(take(e.far, e.far_kind, &e.far_in, &error));
    assert_int_equal(e.far_in.count, 0);
    kofn_peer_destroy(&ghost);
    ends_close(&e);
}

static void
worker_that_is_not_connected_is_unavailable(void **state)
{
    (void)state;
    kofn_error error;
    void *context = zmq_ctx_new(), *socket;
    kofn_peer *peer;
    assert_ok(kofn_link_socket_new(context, KOFN_LINK_WORKER, &socket, &error));
    assert_ok(
        kofn_link_open(socket, KOFN_LINK_WORKER, "tcp://127.0.0.1:1", NULL, 0, &error)); // nobody
    assert_ok(kofn_peer_new(socket, KOFN_LINK_WORKER, NULL, 65536, &peer, &error));
    assert_fails(kofn_peer_post(peer, &kofn_hello_message, &hello, &error), KOFN_UNAVAILABLE);
    kofn_peer_destroy(&peer);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* ---- delimiters ------------------------------------------------------------------------------ */

static void
clients_have_a_delimiter_both_ways(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    ends_open(&e, KOFN_LINK_MASTER_CLIENTS, KOFN_LINK_CLIENT, "tcp://127.0.0.1:*");
    assert_ok(kofn_peer_new(e.far, e.far_kind, NULL, 65536, &e.far_peer, &error));
    const kofn_msg_abandon abandon = {.call = 3};
    assert_ok(kofn_peer_post(e.far_peer, &kofn_abandon_message, &abandon, &error));
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_true(e.near_in.delimited);

    assert_ok(kofn_peer_new(e.near, e.near_kind, &e.near_in.peer, 65536, &e.near_peer, &error));
    assert_ok(kofn_peer_post(e.near_peer, &kofn_abandon_message, &abandon, &error));
    assert_ok(take(e.far, e.far_kind, &e.far_in, &error));
    assert_true(e.far_in.delimited);
    kofn_msg_abandon got;
    assert_ok(kofn_message_unpack(&kofn_abandon_message, kofn_buf_get_data(e.far_in.head),
                                  kofn_buf_get_size(e.far_in.head), &got, &error));
    assert_int_equal(got.call, 3);
    ends_close(&e);
}

static void
client_without_delimiter_is_seen_as_such(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    ends_open(&e, KOFN_LINK_MASTER_CLIENTS, KOFN_LINK_CLIENT, "inproc://clients");
    assert_int_equal(zmq_send(e.far, "head", 4, 0), 4);
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_false(e.near_in.delimited);
    assert_int_equal(kofn_buf_get_size(e.near_in.head), 4);
    ends_close(&e);
}

/* ---- garbage --------------------------------------------------------------------------------- */

static void
message_without_envelope_is_refused_and_names_its_peer(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    assert_int_equal(zmq_send(e.far, "", 0, 0), 0);
    assert_fails(take(e.near, e.near_kind, &e.near_in, &error), KOFN_INVALID_ARGUMENT);
    assert_true(e.near_in.peer.length > 0);
    ends_close(&e);

    ends_open(&e, KOFN_LINK_MASTER_CLIENTS, KOFN_LINK_CLIENT, "inproc://clients");
    assert_int_equal(zmq_send(e.far, "", 0, 0), 0); // a delimiter and nothing behind it
    assert_fails(take(e.near, e.near_kind, &e.near_in, &error), KOFN_INVALID_ARGUMENT);
    ends_close(&e);
}

static void
message_with_too_many_frames_is_drained(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    assert_int_equal(zmq_send(e.far, "head", 4, ZMQ_SNDMORE), 4);
    for (int i = 0; i < KOFN_MESSAGE_FRAMES_MAX; i++)
        assert_int_equal(zmq_send(e.far, "b", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(e.far, "bbb", 3, 0), 3);
    assert_int_equal(zmq_send(e.far, "next", 4, 0), 4);

    assert_fails(take(e.near, e.near_kind, &e.near_in, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(e.near_in.block_bytes, KOFN_MESSAGE_FRAMES_MAX + 3);
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_memory_equal(kofn_buf_get_data(e.near_in.head), "next", 4);
    ends_close(&e);
}

static void
received_blocks_outlive_the_next_message(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    char large[9000]; // larger than what ZeroMQ keeps inside a message
    memset(large, 'x', sizeof large);
    zmq_send(e.far, "head", 4, ZMQ_SNDMORE);
    zmq_send(e.far, large, sizeof large, 0);
    zmq_send(e.far, "next", 4, 0);
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_int_equal(e.near_in.count, 1);
    kofn_buf *kept = kofn_buf_ref(e.near_in.blocks[0]);
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_memory_equal(kofn_buf_get_data(kept), large, sizeof large);
    kofn_buf_unref(&kept);
    ends_close(&e);
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void
small_transfer_is_one_message(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    kofn_bands c;
    make_bands(&e, 4, 4, 64, 1, &c);
    assert_true(c.count > 1);
    const kofn_msg_result result = {
        .assignment = 5, .epoch = 1, .c = {.dtype = "f64", .rows = 4, .cols = 4}};
    assert_ok(kofn_peer_transfer(e.far_peer, 5, &kofn_result_message, &result, 1,
                                 (const kofn_bands *const[]){&c}, &error));
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_int_equal(e.near_in.count, c.count);
    kofn_msg_result got;
    assert_ok(kofn_message_unpack(&kofn_result_message, kofn_buf_get_data(e.near_in.head),
                                  kofn_buf_get_size(e.near_in.head), &got, &error));
    assert_false(got.more);
    kofn_bands_fini(&c);
    ends_close(&e);
}

static kofn_msg_matrix
shape_of(const kofn_bands *bands)
{
    return (kofn_msg_matrix){.dtype = "f64", .rows = bands->rows, .cols = bands->cols};
}

/* What the far end does with one message of a task's transfer: blocks into the assembler, and an
 * ack back. True when it was the last. */
static bool
take_part(ends *e, size_t own_window, kofn_assembler *assembler, bool first)
{
    kofn_error error;
    assert_ok(take(e->far, e->far_kind, &e->far_in, &error));
    const void *head = kofn_buf_get_data(e->far_in.head);
    const size_t length = kofn_buf_get_size(e->far_in.head);
    kofn_msg_task task = {0};
    kofn_msg_data data = {0};
    if (first)
        assert_ok(kofn_message_unpack(&kofn_task_message, head, length, &task, &error));
    else
        assert_ok(kofn_message_unpack(&kofn_data_message, head, length, &data, &error));
    assert_int_equal(first ? task.assignment : data.id, 9);
    for (size_t i = 0; i < e->far_in.count; i++)
        assert_ok(kofn_assembler_take(assembler, e->far_in.blocks[i], &error));
    assert_ok(kofn_peer_took(e->far_peer, e->far_in.block_bytes, own_window, &error));
    return first ? !task.more : !data.more;
}

/* Hand the near end all acks that wait. Returns how many bytes they gave back. */
static uint64_t
take_acks(ends *e)
{
    kofn_error error;
    uint64_t bytes = 0;
    while (readable(e->near, 0)) {
        assert_ok(take(e->near, e->near_kind, &e->near_in, &error));
        kofn_msg_ack ack;
        assert_ok(kofn_message_unpack(&kofn_ack_message, kofn_buf_get_data(e->near_in.head),
                                      kofn_buf_get_size(e->near_in.head), &ack, &error));
        assert_ok(kofn_peer_acked(e->near_peer, ack.bytes, &error));
        bytes += ack.bytes;
    }
    return bytes;
}

static void
large_transfer_waits_for_credit_and_arrives_whole(void **state)
{
    (void)state;
    enum { WINDOW = 16384 };
    ends e;
    kofn_error error;
    make_workers_link(&e, WINDOW);
    kofn_bands a, b;
    make_bands(&e, 100, 100, 3000, 0, &a);
    make_bands(&e, 100, 50, 3000, 1e6, &b);
    const kofn_msg_task task = {
        .assignment = 9, .epoch = 1, .field = "f64", .a = shape_of(&a), .b = shape_of(&b)};
    assert_ok(kofn_peer_transfer(e.near_peer, 9, &kofn_task_message, &task, 2,
                                 (const kofn_bands *const[]){&a, &b}, &error));
    assert_true(kofn_peer_get_queued(e.near_peer) > 0);

    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 100, 100, &error));
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 100, 50, &error));
    size_t messages = 0;
    for (bool last = false; !last; messages++) {
        last = take_part(&e, WINDOW, &assembler, messages == 0);
        (void)take_acks(&e);
    }
    assert_true(messages > 4);
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_counts_up(&assembler.mat[0], 0);
    assert_counts_up(&assembler.mat[1], 1e6);
    assert_int_equal(kofn_peer_get_queued(e.near_peer), 0);
    kofn_assembler_fini(&assembler);
    kofn_bands_fini(&a);
    kofn_bands_fini(&b);
    ends_close(&e);
}

static void
transfer_without_window_goes_at_once_and_is_not_acknowledged(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 0);
    kofn_bands c;
    make_bands(&e, 1000, 100, 4000, 0, &c);
    const kofn_msg_result result = {.assignment = 5, .epoch = 1, .c = shape_of(&c)};
    assert_ok(kofn_peer_transfer(e.far_peer, 5, &kofn_result_message, &result, 1,
                                 (const kofn_bands *const[]){&c}, &error));
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_int_equal(e.near_in.count, c.count);
    assert_ok(kofn_peer_took(e.near_peer, e.near_in.block_bytes, 1024, &error));
    assert_false(readable(e.far, 0));
    assert_fails(kofn_peer_acked(e.far_peer, 1, &error), KOFN_INVALID_ARGUMENT);
    kofn_bands_fini(&c);
    ends_close(&e);
}

static void
dropped_transfer_leaves_a_torso_once_begun(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 4096);
    kofn_bands c;
    make_bands(&e, 100, 100, 1000, 0, &c);
    const kofn_msg_result result = {.assignment = 5, .epoch = 1, .c = shape_of(&c)};
    assert_ok(kofn_peer_transfer(e.far_peer, 5, &kofn_result_message, &result, 1,
                                 (const kofn_bands *const[]){&c}, &error));
    assert_true(kofn_peer_drop(e.far_peer, 5));
    assert_false(kofn_peer_drop(e.far_peer, 5));
    assert_int_equal(kofn_peer_get_queued(e.far_peer), 0);
    kofn_bands_fini(&c);
    ends_close(&e);
}

static void
ack_for_more_than_was_sent_is_refused(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 65536);
    assert_fails(kofn_peer_acked(e.near_peer, 1, &error), KOFN_INVALID_ARGUMENT);
    ends_close(&e);
}

static void
blocks_are_sent_without_a_copy_and_let_go(void **state)
{
    (void)state;
    ends e;
    kofn_error error;
    make_workers_link(&e, 1 << 20);
    kofn_bands c;
    make_bands(&e, 100, 100, 1 << 20, 0, &c);
    assert_int_equal(c.count, 1);
    const void *sent = c.at[0].frame;
    const kofn_msg_result result = {.assignment = 5, .epoch = 1, .c = shape_of(&c)};
    assert_ok(kofn_peer_transfer(e.far_peer, 5, &kofn_result_message, &result, 1,
                                 (const kofn_bands *const[]){&c}, &error));
    kofn_bands_fini(&c);
    assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
    assert_ptr_equal(kofn_buf_get_data(e.near_in.blocks[0]), sent); // inproc passes the pointer

    kofn_inbound_fini(&e.near_in);
    kofn_peer_destroy(&e.far_peer); // the flow keeps what it handed out last until its next call
    size_t out, idle;
    kofn_pool_get_usage(e.pool, &out, &idle);
    assert_int_equal(out, 0);
    ends_close(&e);
}

/* ---- checksums ------------------------------------------------------------------------------- */

enum { WIRE_BYTES_MAX = 8192 };

/* A 4 x 5 answer by wire, as its two frames came. */
static void
send_answer(ends *e, const char *endpoint, unsigned char frame[2][WIRE_BYTES_MAX], size_t length[2])
{
    kofn_error error;
    kofn_bands bands;
    ends_open(e, KOFN_LINK_MASTER_WORKERS, KOFN_LINK_WORKER, endpoint);
    assert_ok(kofn_peer_new(e->far, e->far_kind, NULL, 65536, &e->far_peer, &error));
    zmq_pollitem_t item = {.socket = e->far, .events = ZMQ_POLLOUT};
    assert_int_equal(zmq_poll(&item, 1, 10000), 1); // connected
    make_bands(e, 4, 5, 65536, 1, &bands);
    const kofn_bands *mats[] = {&bands};
    const kofn_msg_result result = {.assignment = 1, .c = {.dtype = "f64", .rows = 4, .cols = 5}};
    assert_ok(kofn_peer_transfer(e->far_peer, 1, &kofn_result_message, &result, 1, mats, &error));
    kofn_bands_fini(&bands);
    assert_ok(take(e->near, e->near_kind, &e->near_in, &error));
    const kofn_buf *frames[] = {e->near_in.head, e->near_in.blocks[0]};
    for (size_t i = 0; i < 2; i++) {
        length[i] = kofn_buf_get_size(frames[i]);
        assert_true(length[i] <= WIRE_BYTES_MAX);
        memcpy(frame[i], kofn_buf_get_data(frames[i]), length[i]);
    }
}

static kofn_status
send_raw(ends *e, unsigned char frame[2][WIRE_BYTES_MAX], const size_t length[2], kofn_error *err)
{
    assert_true(zmq_send(e->far, frame[0], length[0], ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(e->far, frame[1], length[1], 0) >= 0);
    return take(e->near, e->near_kind, &e->near_in, err);
}

static void
every_flipped_bit_is_found(void **state)
{
    (void)state;
    enum { HEAD_BYTES = 1, ENTRY_BYTES = 9 };
    static unsigned char frame[2][WIRE_BYTES_MAX];
    size_t length[2];
    ends e;
    kofn_error error;
    send_answer(&e, "tcp://127.0.0.1:*", frame, length);
    assert_ok(send_raw(&e, frame, length, &error));
    for (size_t f = 0; f < 2; f++)
        for (size_t at = f ? 0 : HEAD_BYTES + ENTRY_BYTES; at < length[f]; at++) {
            frame[f][at] ^= (unsigned char)(1 << at % 8);
            assert_int_equal(send_raw(&e, frame, length, &error), KOFN_DATA_LOSS);
            assert_true(e.near_in.peer.length > 0);
            frame[f][at] ^= (unsigned char)(1 << at % 8);
        }
    ends_close(&e);
}

static void
within_one_process_there_is_no_checksum(void **state)
{
    (void)state;
    static unsigned char frame[2][WIRE_BYTES_MAX];
    size_t length[2];
    ends e;
    kofn_error error;
    send_answer(&e, "inproc://workers", frame, length);
    frame[1][length[1] - 1] ^= 1;
    assert_ok(send_raw(&e, frame, length, &error)); // so nothing notices
    ends_close(&e);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void
address_in_use_already_exists(void **state)
{
    (void)state;
    kofn_error error;
    void *context = zmq_ctx_new(), *one, *two;
    char bound[256];
    assert_ok(kofn_link_socket_new(context, KOFN_LINK_MASTER_WORKERS, &one, &error));
    assert_ok(kofn_link_socket_new(context, KOFN_LINK_MASTER_WORKERS, &two, &error));
    assert_ok(kofn_link_open(one, KOFN_LINK_MASTER_WORKERS, "tcp://127.0.0.1:*", bound,
                             sizeof bound, &error));
    assert_memory_equal(bound, "tcp://127.0.0.1:", 16); // and not its IPv6 form, nor the wildcard
    assert_true(atoi(bound + 16) > 0);
    assert_fails(kofn_link_open(two, KOFN_LINK_MASTER_WORKERS, bound, NULL, 0, &error),
                 KOFN_ALREADY_EXISTS);
    assert_non_null(strstr(error.text, bound));
    zmq_close(one);
    zmq_close(two);
    zmq_ctx_term(context);
}

static void
what_is_no_endpoint_is_invalid(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "nonsense",
                                        "tcp://",
                                        "tcp://127.0.0.1",
                                        "udp://x:1",
                                        "http://127.0.0.1:80",
                                        "tcp://127.0.0.1:99999",
                                        "tcp://127.0.0.1:port",
                                        "tcp://127.0.0.1:5x"};
    static const kofn_link_kind kinds[] = {KOFN_LINK_MASTER_CLIENTS, KOFN_LINK_WORKER};
    kofn_error error;
    void *context = zmq_ctx_new(), *socket;
    for (size_t k = 0; k < 2; k++) {
        assert_ok(kofn_link_socket_new(context, kinds[k], &socket, &error));
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            assert_fails(kofn_link_open(socket, kinds[k], wrong[i], NULL, 0, &error),
                         KOFN_INVALID_ARGUMENT);
        zmq_close(socket);
    }
    zmq_ctx_term(context);
}

/* Small frames, each kept, between others of 8 KiB that are not. */
static void
a_small_frame_that_is_kept_keeps_no_more_than_itself(void **state)
{
    (void)state;
    enum { KEPT = 2000, SMALL = 64 }; // 32 bytes would be in the message itself
    static kofn_buf *kept[KEPT];
    static char large[8192];
    kofn_error error;
    ends e;
    ends_open(&e, KOFN_LINK_MASTER_WORKERS, KOFN_LINK_WORKER, "tcp://127.0.0.1:*");
    size_t before = 0;
    for (size_t i = 0; i < KEPT; i++) {
        assert_int_equal(zmq_send(e.far, "h", 1, ZMQ_SNDMORE), 1);
        assert_int_equal(zmq_send(e.far, large, SMALL, ZMQ_SNDMORE), SMALL);
        assert_int_equal(zmq_send(e.far, large, sizeof large, 0), sizeof large);
        assert_ok(take(e.near, e.near_kind, &e.near_in, &error));
        assert_int_equal(e.near_in.count, 2);
        kept[i] = kofn_buf_ref(e.near_in.blocks[0]);
        if (i == KEPT / 2) // libzmq's own memory has settled
            before = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (size_t i = 0; i < KEPT; i++)
        kofn_buf_unref(&kept[i]);
    assert_true(after < before + KEPT / 2 * 512); // a sanitizer's malloc tells nothing: 0 and 0
    ends_close(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_messages_go_both_ways),
        cmocka_unit_test(nothing_waiting_is_no_error),
        cmocka_unit_test(peer_that_is_gone_is_unavailable),
        cmocka_unit_test(worker_that_is_not_connected_is_unavailable),
        cmocka_unit_test(clients_have_a_delimiter_both_ways),
        cmocka_unit_test(client_without_delimiter_is_seen_as_such),
        cmocka_unit_test(message_without_envelope_is_refused_and_names_its_peer),
        cmocka_unit_test(message_with_too_many_frames_is_drained),
        cmocka_unit_test(received_blocks_outlive_the_next_message),
        cmocka_unit_test(small_transfer_is_one_message),
        cmocka_unit_test(large_transfer_waits_for_credit_and_arrives_whole),
        cmocka_unit_test(transfer_without_window_goes_at_once_and_is_not_acknowledged),
        cmocka_unit_test(dropped_transfer_leaves_a_torso_once_begun),
        cmocka_unit_test(ack_for_more_than_was_sent_is_refused),
        cmocka_unit_test(blocks_are_sent_without_a_copy_and_let_go),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(within_one_process_there_is_no_checksum),
        cmocka_unit_test(address_in_use_already_exists),
        cmocka_unit_test(what_is_no_endpoint_is_invalid),
        cmocka_unit_test(a_small_frame_that_is_kept_keeps_no_more_than_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
