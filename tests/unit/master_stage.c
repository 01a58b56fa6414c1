#include "tests/unit/master_stage.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

/* ---- the master ------------------------------------------------------------------------------ */

void
stage_init(stage *s)
{
    kofn_error error;
    *s = (stage){.context = zmq_ctx_new()};
    assert_ok(kofn_master_config_load(NULL, &s->config, &error));
    snprintf(s->config.workers, sizeof s->config.workers, "tcp://127.0.0.1:*");
    snprintf(s->config.clients, sizeof s->config.clients, "tcp://127.0.0.1:*");
    s->config.heartbeat_ns = 50 * KOFN_NS_PER_MS;
    s->config.silence_ns = 600 * KOFN_NS_PER_S;
    s->config.chunk_bytes = KOFN_CHUNK_BYTES;
    assert_ok(kofn_pool_new(1 << 24, &s->pool, &error));
}

static void *
run_master(void *argument)
{
    stage *s = argument;
    s->ended = kofn_master_run(s->master, NULL);
    return NULL;
}

void
stage_run(stage *s)
{
    kofn_error error;
    kofn_log log;
    const int fd = s->log_fd > 0 ? s->log_fd : -1;
    kofn_log_init(&log, KOFN_LOG_DEBUG, getenv("KOFN_TEST_LOG") ? 2 : fd);
    assert_ok(kofn_master_new(s->context, &s->config, log, NULL, &s->master, &error));
    assert_int_equal(pthread_create(&s->thread, NULL, run_master, s), 0);
    s->running = true;
}

void
stage_join(stage *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    s->running = false;
    kofn_master_destroy(&s->master);
}

int
stage_setup(void **state)
{
    stage *s = calloc(1, sizeof *s);
    stage_init(s);
    *state = s;
    return 0;
}

int
stage_teardown(void **state)
{
    stage *s = *state;
    if (s->running) {
        kofn_master_stop(s->master);
        kofn_master_stop(s->master);
        stage_join(s);
    }
    for (size_t i = 0; i < s->count; i++)
        close_peer(&s->peers[i]);
    zmq_ctx_term(s->context);
    kofn_pool_destroy(&s->pool);
    free(s);
    return 0;
}

int
stage_setup_kept(void **state)
{
    (void)stage_setup(state);
    stage *s = *state;
    snprintf(s->config.store, sizeof s->config.store, "/tmp/kofn-master-store-XXXXXX");
    return mkdtemp(s->config.store) ? 0 : -1;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int
stage_teardown_kept(void **state)
{
    stage *s = *state;
    char folder[256];
    snprintf(folder, sizeof folder, "%s", s->config.store);
    (void)stage_teardown(state);
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void
stage_stop(stage *s)
{
    kofn_master_stop(s->master);
    kofn_master_stop(s->master);
    stage_join(s);
    for (size_t i = 0; i < s->count; i++)
        close_peer(&s->peers[i]);
    s->count = 0;
}

void
stage_restart(stage *s)
{
    stage_stop(s);
    stage_run(s);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static peer *
open_peer(stage *s, int type, kofn_link_kind kind, const char *endpoint, size_t window)
{
    kofn_error error;
    assert_true(s->count < PEERS_MAX);
    peer *p = &s->peers[s->count++];
    *p = (peer){.socket = zmq_socket(s->context, type), .kind = kind, .window = window};
    const int none = 0; // no linger, no high-water marks
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_SNDHWM, &none, sizeof none), 0);
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_RCVHWM, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(p->socket, endpoint), 0);
    /* What the master takes unacknowledged: 16 MiB of clients, its config's window of workers. */
    const size_t theirs = kind == KOFN_LINK_CLIENT && window > 0 ? KOFN_WINDOW_BYTES
                          : type == ZMQ_REQ || window == 0       ? 0
                                                                 : s->config.window;
    assert_ok(kofn_peer_new(p->socket, kind, NULL, theirs, &p->link, &error));
    return p;
}

peer *
open_client(stage *s, size_t window)
{
    return open_peer(s, ZMQ_DEALER, KOFN_LINK_CLIENT, kofn_master_get_clients_endpoint(s->master),
                     window);
}

peer *
open_req_client(stage *s) // its socket makes the delimiter, as no worker's does
{
    return open_peer(s, ZMQ_REQ, KOFN_LINK_WORKER, kofn_master_get_clients_endpoint(s->master), 0);
}

peer *
open_worker(stage *s)
{
    return open_peer(s, ZMQ_DEALER, KOFN_LINK_WORKER, kofn_master_get_workers_endpoint(s->master),
                     1 << 20);
}

peer *
join_worker(stage *s, const char *name, size_t credit)
{
    return join_worker_of(s, name, credit, "f64,f32,gfp");
}

peer *
join_worker_of(stage *s, const char *name, size_t credit, const char *fields)
{
    peer *p = open_worker(s);
    kofn_msg_hello hello = {.version = 1, .credit = credit, .window = p->window};
    kofn_msg_welcome welcome;
    snprintf(hello.fields, sizeof hello.fields, "%s", fields);
    snprintf(hello.name, sizeof hello.name, "%s", name);
    post(p, &kofn_hello_message, &hello);
    expect(p, &kofn_welcome_message, &welcome);
    p->epoch = welcome.epoch;
    return p;
}

void
close_peer(peer *p)
{
    if (!p->socket)
        return;
    kofn_inbound_fini(&p->in);
    kofn_peer_destroy(&p->link);
    zmq_close(p->socket);
    p->socket = NULL;
}

void
post(peer *p, const kofn_wire_message *of, const void *message)
{
    kofn_error error;
    assert_ok(kofn_peer_post(p->link, of, message, &error));
}

void
post_raw(peer *p, const void *head, size_t length, const void *block, size_t block_length)
{
    if (p->kind == KOFN_LINK_CLIENT)
        assert_int_equal(zmq_send(p->socket, "", 0, ZMQ_SNDMORE), 0);
    assert_int_equal(zmq_send(p->socket, head, length, block ? ZMQ_SNDMORE : 0), length);
    if (block)
        assert_int_equal(zmq_send(p->socket, block, block_length, 0), block_length);
}

static void
take_ack(peer *p, const void *head, size_t length)
{
    kofn_error error;
    kofn_msg_ack ack;
    assert_ok(kofn_message_unpack(&kofn_ack_message, head, length, &ack, &error));
    assert_true(p->window > 0); // a plain peer must get none
    p->acked += ack.bytes;
    (void)!kofn_peer_acked(p->link, ack.bytes, &error); // blocks sent raw are not the link's
}

/* One message, with its type. False: it was one to be passed over. */
static bool
take_message(peer *p, char *ret_type, size_t size)
{
    kofn_error error;
    bool got;
    zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    assert_ok(kofn_inbound_recv(p->socket, p->kind, &p->in, &got, &error));
    assert_true(got);
    const void *head = kofn_buf_get_data(p->in.head);
    const size_t length = kofn_buf_get_size(p->in.head);
    assert_ok(kofn_message_peek(head, length, "type", ret_type, size, &error));
    if (p->in.block_bytes > 0 && !p->silent_acks && p->window > 0)
        assert_ok(kofn_peer_took(p->link, p->in.block_bytes, p->window, &error));
    if (strcmp(ret_type, "ack") == 0)
        take_ack(p, head, length);
    return strcmp(ret_type, "ack") != 0 && strcmp(ret_type, "heartbeat") != 0;
}

void
expect(peer *p, const kofn_wire_message *of, void *ret_message)
{
    kofn_error error;
    char type[KOFN_NAME_MAX];
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (!take_message(p, type, sizeof type))
        assert_true(kofn_clock_ns() < until_ns);
    assert_string_equal(type, of->name);
    assert_ok(kofn_message_unpack(of, kofn_buf_get_data(p->in.head), kofn_buf_get_size(p->in.head),
                                  ret_message, &error));
}

void
expect_acks(peer *p, size_t bytes)
{
    char type[KOFN_NAME_MAX];
    while (p->acked < bytes)
        assert_false(take_message(p, type, sizeof type));
    assert_int_equal(p->acked, bytes);
}

/* The rest of our transfers, as acks come. */
static void
flush(peer *p)
{
    char type[KOFN_NAME_MAX];
    while (kofn_peer_get_queued(p->link) > 0)
        assert_false(take_message(p, type, sizeof type));
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Of f64, f32, u32, i32 or i64: all that tests have are exact in doubles. */
static double
get_element(const kofn_mat *m, size_t row, size_t col)
{
    const char *at = (const char *)kofn_mat_get_row(m, row) + col * kofn_dtype_width(m->dtype);
    double real;
    float single;
    uint32_t number;
    int64_t wide;
    if (m->dtype == KOFN_F32)
        return memcpy(&single, at, sizeof single), (double)single;
    if (m->dtype == KOFN_U32)
        return memcpy(&number, at, sizeof number), number;
    if (m->dtype == KOFN_I64)
        return memcpy(&wide, at, sizeof wide), (double)wide;
    return memcpy(&real, at, sizeof real), real;
}

static void
set_element(const kofn_mat *m, size_t row, size_t col, double value)
{
    char *at = (char *)kofn_mat_get_row(m, row) + col * kofn_dtype_width(m->dtype);
    if (m->dtype == KOFN_U32)
        memcpy(at, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
    else if (m->dtype == KOFN_I32)
        memcpy(at, &(int32_t){(int32_t)value}, sizeof(int32_t));
    else if (m->dtype == KOFN_I64)
        memcpy(at, &(int64_t){(int64_t)value}, sizeof(int64_t));
    else if (m->dtype == KOFN_F32)
        memcpy(at, &(float){(float)value}, sizeof(float));
    else
        memcpy(at, &value, sizeof value);
}

static double
reduce(double value, uint32_t prime) // integers below 2^53: exact
{
    return prime ? value - prime * floor(value / prime) : value;
}

static kofn_dtype
dtype_of(const problem *p)
{
    return p->integers ? p->integers : p->prime ? KOFN_U32 : p->single ? KOFN_F32 : KOFN_F64;
}

static double
element(size_t operand, size_t row, size_t col)
{
    return (double)((row * 7 + col * 3 + operand * 5) % 11) - 5;
}

static bool
is_dark(size_t row, size_t col)
{
    return (row / 2 + col / 2) % 2 != 0;
}

static void
describe_sparse(kofn_msg_matrix *m)
{
    snprintf(m->format, sizeof m->format, "%s", KOFN_FORMAT_CSR);
    for (size_t i = 0; i < m->rows; i++)
        for (size_t j = 0; j < m->cols; j++)
            m->elements += !is_dark(i, j);
}

kofn_msg_product
problem_message(const problem *p)
{
    static kofn_msg_set coded_only[] = {{.name = "systematic", .value = "no"}};
    kofn_msg_product m = {
        .a = {.rows = p->rows, .cols = p->inner},
        .b = {.rows = p->inner, .cols = p->cols},
        .transpose_a = p->transpose_a,
        .transpose_b = p->transpose_b,
        .deadline_best = p->deadline_best,
        .code = {.x = p->x, .z = p->z, .y = p->y, .tasks = p->tasks},
    };
    if (p->transpose_a)
        m.a.rows = p->inner, m.a.cols = p->rows;
    if (p->transpose_b)
        m.b.rows = p->cols, m.b.cols = p->inner;
    snprintf(m.a.dtype, sizeof m.a.dtype, "%s", kofn_dtype_name(dtype_of(p)));
    snprintf(m.b.dtype, sizeof m.b.dtype, "%s", kofn_dtype_name(dtype_of(p)));
    if (p->sparse[0])
        describe_sparse(&m.a);
    if (p->sparse[1])
        describe_sparse(&m.b);
    if (p->prime)
        snprintf(m.field, sizeof m.field, "gfp:%u", p->prime);
    if (p->batch) {
        m.batch = *p->batch;
        snprintf(m.form, sizeof m.form, "batch");
    }
    if (p->operand[0])
        snprintf(m.operand_a, sizeof m.operand_a, "%s", p->operand[0]);
    if (p->operand[1])
        snprintf(m.operand_b, sizeof m.operand_b, "%s", p->operand[1]);
    snprintf(m.code.family, sizeof m.code.family, "%s", p->family ? p->family : "");
    snprintf(m.policy, sizeof m.policy, "%s", p->policy ? p->policy : "");
    if (p->coded_only)
        m.code.sets = (kofn_wire_list){.at = coded_only, .count = 1};
    if (p->compression)
        m.compression = *p->compression;
    return m;
}

static double
problem_element(const problem *p, size_t operand, size_t row, size_t col) // of op(operand)
{
    const double scale = operand == 0 && p->scale != 0 ? p->scale : 1;
    const bool mirrored = operand == 0 && p->mirrored;
    if (p->sparse[operand] && is_dark(row, col))
        return 0;
    const double value = mirrored ? element(operand, col, row) : element(operand, row, col);
    return p->prime ? reduce(value + 5, p->prime) : scale * value;
}

void
problem_operand(stage *s, const problem *p, size_t operand, kofn_bands *ret_bands)
{
    kofn_error error;
    const kofn_msg_product m = problem_message(p);
    const kofn_msg_matrix *shape = operand == 0 ? &m.a : &m.b;
    const bool transposed = operand == 0 ? p->transpose_a : p->transpose_b;
    const size_t width = kofn_dtype_width(dtype_of(p));
    const size_t chunk = p->frame_rows
                             ? p->frame_rows * shape->cols * width + KOFN_BLOCK_HEADER_BYTES
                             : KOFN_FRAME_BYTES_MAX;
    assert_ok(kofn_block_bands_new(s->pool, dtype_of(p), shape->rows, shape->cols, chunk, ret_bands,
                                   &error));
    for (size_t b = 0; b < ret_bands->count; b++)
        for (size_t i = 0; i < ret_bands->at[b].mat.rows; i++)
            for (size_t j = 0; j < shape->cols; j++) {
                const size_t row = ret_bands->at[b].first_row + i;
                const double value = transposed ? problem_element(p, operand, j, row)
                                                : problem_element(p, operand, row, j);
                set_element(&ret_bands->at[b].mat, i, j, value);
            }
    if (p->foreign[operand]) {
        const kofn_mat *last = &ret_bands->at[ret_bands->count - 1].mat;
        set_element(last, last->rows - 1, last->cols - 1, p->prime);
    }
}

static double
product_element(const problem *p, size_t row, size_t col)
{
    double sum = 0;
    for (size_t k = 0; k < p->inner; k++)
        sum += problem_element(p, 0, row, k) * problem_element(p, 1, k, col);
    return reduce(sum, p->prime);
}

static kofn_msg_call
new_call(const peer *p, uint64_t call, kofn_method method)
{
    kofn_msg_call c = {.version = 1, .call = call, .window = p->window};
    snprintf(c.method, sizeof c.method, "%s", kofn_method_get(method)->name);
    return c;
}

void
send_timed_call(peer *p, uint64_t call, uint64_t timeout_ms, kofn_method method,
                const kofn_wire_message *of, const void *body)
{
    kofn_error error;
    kofn_msg_call c = new_call(p, call, method);
    c.timeout_ms = timeout_ms;
    kofn_wire_buffer packed = {0};
    if (of)
        assert_ok(kofn_message_pack(of, body, &packed, &error));
    c.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    post(p, &kofn_call_message, &c);
    kofn_wire_buffer_fini(&packed);
}

void
send_call(peer *p, uint64_t call, kofn_method method, const kofn_wire_message *of, const void *body)
{
    send_timed_call(p, call, 0, method, of, body);
}

/* A call with a packed body, and blocks as credit allows. */
static void
send_blocks(peer *p, const kofn_msg_call *call, size_t count, const kofn_bands *const *mats)
{
    kofn_error error;
    assert_ok(
        kofn_peer_transfer(p->link, call->call, &kofn_call_message, call, count, mats, &error));
    flush(p);
}

static void
pack_order(kofn_method method, const kofn_msg_product *m, const problem *what,
           kofn_wire_buffer *packed)
{
    kofn_error error;
    kofn_msg_push push = {
        .index = what->index,
        .received = what->received,
        .a = m->a,
        .b = m->b,
        .transpose_a = m->transpose_a,
        .transpose_b = m->transpose_b,
    };
    if (method != KOFN_METHOD_PUSH) {
        assert_ok(kofn_message_pack(&kofn_product_message, m, packed, &error));
        return;
    }
    snprintf(push.stream, sizeof push.stream, "%s", what->stream);
    memcpy(push.operand_a, m->operand_a, sizeof push.operand_a);
    memcpy(push.operand_b, m->operand_b, sizeof push.operand_b);
    assert_ok(kofn_message_pack(&kofn_push_message, &push, packed, &error));
}

static void
new_list(stage *s, kofn_dtype dtype, size_t count, kofn_bands *ret_bands)
{
    kofn_error error;
    assert_ok(
        kofn_block_bands_new(s->pool, dtype, count, 1, KOFN_FRAME_BYTES_MAX, ret_bands, &error));
}

/* The operand's values, and its lists. */
static void
compress_operand(stage *s, const problem *p, size_t operand, kofn_bands *values, kofn_bands *first,
                 kofn_bands *column)
{
    const kofn_msg_product m = problem_message(p);
    const kofn_msg_matrix *shape = operand == 0 ? &m.a : &m.b;
    const bool transposed = operand == 0 ? p->transpose_a : p->transpose_b;
    new_list(s, dtype_of(p), shape->elements, values);
    new_list(s, KOFN_I64, shape->rows + 1, first);
    new_list(s, KOFN_I32, shape->elements, column);
    int64_t count = 0;
    memcpy(kofn_mat_get_row(&first->at[0].mat, 0), &count, sizeof count);
    for (size_t i = 0; i < shape->rows; i++) {
        for (size_t j = 0; j < shape->cols; j++) {
            const int32_t col = (int32_t)j;
            if (is_dark(i, j))
                continue;
            set_element(&values->at[0].mat, (size_t)count, 0,
                        problem_element(p, operand, transposed ? j : i, transposed ? i : j));
            memcpy(kofn_mat_get_row(&column->at[0].mat, (size_t)count++), &col, sizeof col);
        }
        memcpy(kofn_mat_get_row(&first->at[0].mat, i + 1), &count, sizeof count);
    }
}

static void
start_product(stage *s, peer *p, uint64_t call, kofn_method method, const problem *what)
{
    kofn_msg_product m = problem_message(what);
    kofn_wire_buffer packed = {0};
    if (what->operand[0] && !what->described)
        m.a = (kofn_msg_matrix){0};
    if (what->operand[1] && !what->described)
        m.b = (kofn_msg_matrix){0};
    pack_order(method, &m, what, &packed);
    kofn_msg_call c = new_call(p, call, method);
    c.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    c.timeout_ms = what->timeout_ms;
    snprintf(c.key, sizeof c.key, "%s", what->key ? what->key : "");
    if (s && what->operand[0] && what->operand[1]) {
        post(p, &kofn_call_message, &c);
    } else if (s) {
        kofn_bands bands[6];
        const kofn_bands *mats[6];
        size_t count = 0, lists = 2 - (what->operand[0] != NULL) - (what->operand[1] != NULL);
        for (size_t o = 0; o < 2; o++)
            if (what->sparse[o]) {
                compress_operand(s, what, o, &bands[count], &bands[lists], &bands[lists + 1]);
                lists += 2;
                count++;
            } else if (!what->operand[o]) {
                problem_operand(s, what, o, &bands[count++]);
            }
        count = lists;
        for (size_t i = 0; i < count; i++)
            mats[i] = &bands[i];
        send_blocks(p, &c, count, mats);
        for (size_t i = 0; i < count; i++)
            kofn_bands_fini(&bands[i]);
    } else {
        c.more = true;
        post(p, &kofn_call_message, &c);
    }
    kofn_wire_buffer_fini(&packed);
}

void
send_product(stage *s, peer *p, uint64_t call, kofn_method method, const problem *what)
{
    start_product(s, p, call, method, what);
}

void
send_operand(stage *s, peer *p, uint64_t call, const problem *what, size_t operand)
{
    kofn_error error;
    const kofn_msg_product m = problem_message(what);
    const kofn_msg_put_operand order = {.matrix = operand == 0 ? m.a : m.b};
    kofn_bands bands;
    const kofn_bands *mats[] = {&bands};
    kofn_wire_buffer packed = {0};
    kofn_msg_call c = new_call(p, call, KOFN_METHOD_PUT_OPERAND);
    assert_ok(kofn_message_pack(&kofn_put_operand_message, &order, &packed, &error));
    c.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    snprintf(c.key, sizeof c.key, "%s", what->key ? what->key : "");
    problem_operand(s, what, operand, &bands);
    send_blocks(p, &c, 1, mats);
    kofn_bands_fini(&bands);
    kofn_wire_buffer_fini(&packed);
}

void
put_operand(stage *s, peer *p, uint64_t call, const problem *what, size_t operand, char *ret_id)
{
    kofn_msg_operand_ref ref;
    send_operand(s, p, call, what, operand);
    assert_int_equal(expect_reply(p, call, &kofn_operand_ref_message, &ref), KOFN_OK);
    memcpy(ret_id, ref.operand, KOFN_ID_MAX);
}

void
send_head(peer *p, uint64_t call, kofn_method method, const problem *what)
{
    start_product(NULL, p, call, method, what);
}

void
send_job_call(peer *p, uint64_t call, kofn_method method, const char *job)
{
    kofn_msg_job_ref ref = {0};
    snprintf(ref.job, sizeof ref.job, "%s", job);
    send_call(p, call, method, &kofn_job_ref_message, &ref);
}

static kofn_status
open_reply(peer *p, uint64_t call, const kofn_wire_message *of, void *ret_body,
           kofn_msg_reply *ret_reply)
{
    kofn_error error;
    expect(p, &kofn_reply_message, ret_reply);
    assert_int_equal(ret_reply->call, call);
    assert_int_equal(ret_reply->version, 1);
    assert_true(ret_reply->status == KOFN_OK || ret_reply->message[0]);
    if (of)
        assert_ok(kofn_message_unpack(of, ret_reply->body.bytes, ret_reply->body.length, ret_body,
                                      &error));
    return (kofn_status)ret_reply->status;
}

kofn_status
expect_reply(peer *p, uint64_t call, const kofn_wire_message *of, void *ret_body)
{
    kofn_msg_reply reply;
    return open_reply(p, call, of, ret_body, &reply);
}

static void
take_blocks(peer *p, kofn_assembler *blocks)
{
    kofn_error error;
    for (size_t i = 0; i < p->in.count; i++)
        assert_ok(kofn_assembler_take(blocks, p->in.blocks[i], &error));
}

/* The blocks of the message at hand, and those that follow in data messages. */
static void
collect(peer *p, uint64_t id, bool more, kofn_assembler *blocks)
{
    take_blocks(p, blocks);
    while (more) {
        kofn_msg_data data;
        expect(p, &kofn_data_message, &data);
        assert_int_equal(data.id, id);
        assert_true(p->in.count > 0);
        take_blocks(p, blocks);
        more = data.more;
    }
    assert_true(kofn_assembler_is_complete(blocks));
}

static void
assert_product(const problem *what, const kofn_bands *c)
{
    for (size_t b = 0; b < c->count; b++)
        for (size_t i = 0; i < c->at[b].mat.rows; i++)
            for (size_t j = 0; j < c->cols; j++) {
                const double got = get_element(&c->at[b].mat, i, j);
                const double right = product_element(what, c->at[b].first_row + i, j);
                if (right == right) // a NaN is told by the account
                    assert_true(got == right);
            }
}

void
expect_product(stage *s, peer *p, uint64_t call, const problem *what, char *ret_job)
{
    (void)s;
    kofn_error error;
    kofn_msg_outcome outcome;
    kofn_msg_reply reply;
    assert_int_equal(open_reply(p, call, &kofn_outcome_message, &outcome, &reply), KOFN_OK);
    assert_string_equal(outcome.job.state, "done");
    const kofn_dtype dtype = what->integers ? KOFN_I64 : dtype_of(what);
    assert_string_equal(outcome.c.dtype, kofn_dtype_name(dtype));
    assert_int_equal(outcome.c.rows, what->rows);
    assert_int_equal(outcome.c.cols, what->cols);
    kofn_assembler c;
    kofn_assembler_init(&c);
    assert_ok(kofn_assembler_expect(&c, dtype, what->rows, what->cols, &error));
    collect(p, call, reply.more, &c);
    assert_product(what, &c.mat[0]);
    kofn_assembler_fini(&c);
    if (ret_job)
        memcpy(ret_job, outcome.job.id, KOFN_ID_MAX);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

void
submit(stage *s, peer *p, uint64_t call, const problem *what, char *ret_job)
{
    kofn_msg_job_ref ref;
    send_product(s, p, call, KOFN_METHOD_SUBMIT, what);
    assert_int_equal(expect_reply(p, call, &kofn_job_ref_message, &ref), KOFN_OK);
    memcpy(ret_job, ref.job, KOFN_ID_MAX);
}

kofn_msg_job
get_job(peer *p, const char *job)
{
    kofn_msg_outcome outcome;
    send_job_call(p, 1000000, KOFN_METHOD_GET_JOB, job);
    assert_int_equal(expect_reply(p, 1000000, &kofn_outcome_message, &outcome), KOFN_OK);
    const kofn_msg_job account = outcome.job;
    kofn_message_clear(&kofn_outcome_message, &outcome);
    return account;
}

kofn_msg_health
check_health(peer *p)
{
    kofn_msg_health health;
    send_call(p, 1000001, KOFN_METHOD_CHECK, NULL, NULL);
    assert_int_equal(expect_reply(p, 1000001, &kofn_health_message, &health), KOFN_OK);
    return health;
}

void
await_read(peer *p)
{
    enum { LAST = 1000002 };
    kofn_error error;
    kofn_msg_reply reply = {.call = 0};
    char type[KOFN_NAME_MAX];
    send_call(p, LAST, KOFN_METHOD_CHECK, NULL, NULL);
    while (reply.call != LAST)
        if (take_message(p, type, sizeof type) && strcmp(type, kofn_reply_message.name) == 0)
            assert_ok(kofn_message_unpack(&kofn_reply_message, kofn_buf_get_data(p->in.head),
                                          kofn_buf_get_size(p->in.head), &reply, &error));
}

void
await_state(peer *p, const char *job, const char *state)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (strcmp(get_job(p, job).state, state) != 0)
        assert_true(kofn_clock_ns() < until_ns);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

void
expect_task(peer *p, task *ret_task)
{
    kofn_error error;
    expect(p, &kofn_task_message, &ret_task->head);
    assert_int_equal(ret_task->head.epoch, p->epoch);
    const kofn_msg_matrix *shapes[] = {&ret_task->head.a, &ret_task->head.b};
    kofn_assembler_init(&ret_task->blocks);
    for (size_t o = 0; o < 2; o++)
        assert_ok(kofn_assembler_expect(&ret_task->blocks, kofn_dtype_parse(shapes[o]->dtype),
                                        shapes[o]->rows, shapes[o]->cols, &error));
    collect(p, ret_task->head.assignment, ret_task->head.more, &ret_task->blocks);
}

void
task_fini(task *t)
{
    kofn_assembler_fini(&t->blocks);
}

kofn_msg_result
result_of(const peer *p, const task *t)
{
    kofn_msg_result r = {.assignment = t->head.assignment, .epoch = p->epoch, .compute_ns = 1};
    memcpy(r.c.dtype, t->head.a.dtype, sizeof r.c.dtype);
    r.c.rows = t->head.transpose_a ? t->head.a.cols : t->head.a.rows;
    r.c.cols = t->head.transpose_b ? t->head.b.rows : t->head.b.cols;
    return r;
}

static double
entry(const kofn_mat *m, bool transposed, size_t row, size_t col)
{
    return get_element(m, transposed ? col : row, transposed ? row : col);
}

static void
fill_product(const task *t, const kofn_mat *a, const kofn_mat *b, const kofn_bands *c)
{
    const size_t inner = t->head.transpose_a ? a->rows : a->cols;
    uint32_t prime = 0;
    if (c->dtype == KOFN_U32)
        assert_int_equal(sscanf(t->head.field, "gfp:%" SCNu32, &prime), 1);
    for (size_t band = 0; band < c->count; band++)
        for (size_t i = 0; i < c->at[band].mat.rows; i++)
            for (size_t j = 0; j < c->cols; j++) {
                double sum = 0;
                for (size_t k = 0; k < inner; k++)
                    sum = reduce(sum + entry(a, t->head.transpose_a, c->at[band].first_row + i, k) *
                                           entry(b, t->head.transpose_b, k, j),
                                 prime);
                set_element(&c->at[band].mat, i, j, sum);
            }
}

static void
send_result(peer *p, const kofn_msg_result *head, const kofn_bands *c)
{
    kofn_error error;
    assert_ok(
        kofn_peer_transfer(p->link, head->assignment, &kofn_result_message, head, 1, &c, &error));
    flush(p);
}

void
answer(stage *s, peer *p, task *t)
{
    kofn_error error;
    kofn_mat a, b;
    kofn_bands c;
    const kofn_msg_result head = result_of(p, t);
    assert_ok(kofn_bands_gather(&t->blocks.mat[0], s->pool, &a, &error));
    assert_ok(kofn_bands_gather(&t->blocks.mat[1], s->pool, &b, &error));
    assert_ok(kofn_block_bands_new(s->pool, a.dtype, head.c.rows, head.c.cols,
                                   s->config.chunk_bytes, &c, &error));
    fill_product(t, &a, &b, &c);
    send_result(p, &head, &c);
    kofn_bands_fini(&c);
    kofn_mat_fini(&a);
    kofn_mat_fini(&b);
    task_fini(t);
}

void
answer_filled(stage *s, peer *p, const kofn_msg_result *head, double value)
{
    kofn_error error;
    kofn_bands c;
    assert_ok(kofn_block_bands_new(s->pool, kofn_dtype_parse(head->c.dtype), head->c.rows,
                                   head->c.cols, s->config.chunk_bytes, &c, &error));
    for (size_t b = 0; b < c.count; b++)
        for (size_t i = 0; i < c.at[b].mat.rows; i++)
            for (size_t j = 0; j < c.cols; j++)
                set_element(&c.at[b].mat, i, j, value);
    send_result(p, head, &c);
    kofn_bands_fini(&c);
}

void
answer_as(stage *s, peer *p, const kofn_msg_result *head)
{
    kofn_error error;
    kofn_bands c;
    assert_ok(kofn_block_bands_new(s->pool, kofn_dtype_parse(head->c.dtype), head->c.rows,
                                   head->c.cols, s->config.chunk_bytes, &c, &error));
    for (size_t i = 0; i < c.count; i++)
        memset(c.at[i].mat.data, 0, c.at[i].mat.rows * c.cols * kofn_dtype_width(c.dtype));
    send_result(p, head, &c);
    kofn_bands_fini(&c);
}
