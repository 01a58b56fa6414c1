/* A worker in its thread against a master made of nothing but a socket. */
#include "tests/assert.h"

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/linalg/multiply.h"
#include "proto/link/link.h"
#include "worker/worker.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 20000, EPOCH = 81, WINDOW = 1 << 20, HEARTBEAT_MS = 50 };

typedef struct stage {
    void *context, *socket;
    char endpoint[256];
    kofn_pool *pool;
    kofn_worker *worker;
    pthread_t thread;
    bool running;
    kofn_status ended;
    kofn_peer *peer; // the worker's present connection
    kofn_inbound in;
    kofn_msg_hello hello;
    kofn_msg_welcome welcome; // what the next hello gets
    size_t partings;          // connections that it said it gave up
} stage;

/* ---- the worker's side of the stage ---------------------------------------------------------- */

static void
bind_master(stage *s, const char *endpoint)
{
    kofn_error error;
    assert_ok(kofn_link_socket_new(s->context, KOFN_LINK_MASTER_WORKERS, &s->socket, &error));
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    kofn_status status;
    do // a port that was closed just now is free a little later
        status = kofn_link_open(s->socket, KOFN_LINK_MASTER_WORKERS, endpoint, s->endpoint,
                                sizeof s->endpoint, &error);
    while (status == KOFN_ALREADY_EXISTS && kofn_clock_ns() < until_ns);
    assert_int_equal(status, KOFN_OK);
}

static void
close_master(stage *s)
{
    const int none = 0;
    kofn_peer_destroy(&s->peer);
    zmq_setsockopt(s->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_close(s->socket);
}

static void *
run_worker(void *argument)
{
    stage *s = argument;
    kofn_error error;
    s->ended = kofn_worker_run(s->worker, &error);
    return NULL;
}

static void
start_worker(stage *s, const kofn_worker_config *config)
{
    kofn_error error;
    kofn_worker_config here = *config;
    snprintf(here.master, sizeof here.master, "%s", s->endpoint);
    kofn_log log;
    kofn_log_init(&log, KOFN_LOG_DEBUG, getenv("KOFN_TEST_LOG") ? 2 : -1);
    assert_ok(kofn_worker_new(s->context, &here, log, &s->worker, &error));
    assert_int_equal(pthread_create(&s->thread, NULL, run_worker, s), 0);
    s->running = true;
}

static void
join_worker(stage *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    s->running = false;
    assert_int_equal(s->ended, KOFN_OK);
    kofn_worker_destroy(&s->worker);
}

static kofn_worker_config
default_config(void)
{
    kofn_error error;
    kofn_worker_config config;
    assert_ok(kofn_worker_config_load(NULL, &config, &error));
    config.memory = 1 << 30;
    return config;
}

static void
stage_init(stage *s)
{
    kofn_error error;
    *s = (stage){.context = zmq_ctx_new()};
    s->welcome = (kofn_msg_welcome){
        .version = KOFN_PROTOCOL_VERSION,
        .epoch = EPOCH,
        .worker = 1,
        .window = WINDOW,
        .heartbeat_ms = HEARTBEAT_MS,
        .silence_ms = 600000,
        .chunk_bytes = 65536,
    };
    assert_ok(kofn_pool_new(1 << 24, &s->pool, &error));
}

/* A stage with a worker of that configuration; NULL: the default one. */
static void
stage_open(stage *s, const char *endpoint, const kofn_worker_config *config)
{
    const kofn_worker_config plain = default_config();
    stage_init(s);
    bind_master(s, endpoint);
    start_worker(s, config ? config : &plain);
}

static void
stage_close(stage *s)
{
    if (s->running) {
        kofn_worker_stop(s->worker);
        kofn_worker_stop(s->worker);
        join_worker(s);
    }
    kofn_inbound_fini(&s->in);
    close_master(s);
    zmq_ctx_term(s->context);
    kofn_pool_destroy(&s->pool);
}

/* ---- what the worker says ------------------------------------------------------------------- */

static bool
hears(stage *s, long wait_ms)
{
    zmq_pollitem_t item = {.socket = s->socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, wait_ms) == 1;
}

static const void *
head_of(const stage *s, size_t *ret_length)
{
    *ret_length = kofn_buf_get_size(s->in.head);
    return kofn_buf_get_data(s->in.head);
}

/* A bye on a connection that the worker gave up: it comes before or after what it says on the
 * next. */
static bool
is_parting(const stage *s, const char *type)
{
    kofn_msg_bye bye;
    kofn_error error;
    size_t length;
    const void *head = head_of(s, &length);
    if (strcmp(type, "bye") != 0)
        return false;
    assert_ok(kofn_message_unpack(&kofn_bye_message, head, length, &bye, &error));
    return strcmp(bye.reason, "it gives this connection up") == 0;
}

/* The next message, its type in ret_type; acks and heartbeats are dealt with on the way. */
static void
next_message(stage *s, char *ret_type, size_t size)
{
    kofn_error error;
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    for (;;) {
        bool got;
        size_t length;
        assert_true(kofn_clock_ns() < until_ns);
        assert_true(hears(s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s->socket, KOFN_LINK_MASTER_WORKERS, &s->in, &got, &error));
        assert_true(got);
        const void *head = head_of(s, &length);
        assert_ok(kofn_message_peek(head, length, "type", ret_type, size, &error));
        if (strcmp(ret_type, "ack") == 0) {
            kofn_msg_ack ack;
            assert_ok(kofn_message_unpack(&kofn_ack_message, head, length, &ack, &error));
            if (s->peer)
                assert_ok(kofn_peer_acked(s->peer, ack.bytes, &error));
        } else if (is_parting(s, ret_type)) {
            s->partings++;
        } else if (strcmp(ret_type, "heartbeat") != 0) {
            return;
        }
    }
}

static void
expect(stage *s, const kofn_wire_message *of, void *ret_message)
{
    char type[KOFN_NAME_MAX];
    kofn_error error;
    size_t length;
    next_message(s, type, sizeof type);
    assert_string_equal(type, of->name);
    const void *head = head_of(s, &length);
    assert_ok(kofn_message_unpack(of, head, length, ret_message, &error));
}

static void
post(stage *s, const kofn_wire_message *of, const void *message)
{
    kofn_error error;
    assert_ok(kofn_peer_post(s->peer, of, message, &error));
}

/* Wait for the next hello, on whatever connection it comes. */
static void
expect_hello(stage *s)
{
    kofn_error error;
    expect(s, &kofn_hello_message, &s->hello);
    kofn_peer_destroy(&s->peer);
    assert_ok(kofn_peer_new(s->socket, KOFN_LINK_MASTER_WORKERS, &s->in.peer, s->hello.window,
                            &s->peer, &error));
}

static void
welcome_worker(stage *s)
{
    expect_hello(s);
    post(s, &kofn_welcome_message, &s->welcome);
}

/* As a master does for every hello: what was said on this connection before is void. */
static void
begin_session(stage *s)
{
    kofn_error error;
    kofn_peer_destroy(&s->peer);
    assert_ok(kofn_peer_new(s->socket, KOFN_LINK_MASTER_WORKERS, &s->in.peer, s->hello.window,
                            &s->peer, &error));
    post(s, &kofn_welcome_message, &s->welcome);
    s->welcome.worker++;
}

/* Welcome further hellos, until the worker beats; it has nothing else to say. */
static void
answer_hellos(stage *s)
{
    char type[KOFN_NAME_MAX] = "";
    while (strcmp(type, "heartbeat") != 0) {
        bool got;
        size_t length;
        kofn_error error;
        assert_true(hears(s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s->socket, KOFN_LINK_MASTER_WORKERS, &s->in, &got, &error));
        const void *head = head_of(s, &length);
        assert_ok(kofn_message_peek(head, length, "type", type, sizeof type, &error));
        if (strcmp(type, "hello") == 0)
            begin_session(s);
        else
            assert_string_equal(type, "heartbeat");
    }
}

/* ---- tasks ---------------------------------------------------------------------------------- */

typedef struct task {
    kofn_msg_task head;
    kofn_bands a, b;
} task;

static void
fill_random(kofn_bands *bands, uint64_t stream)
{
    kofn_rng rng;
    kofn_rng_init(&rng, 4711, stream);
    for (size_t i = 0; i < bands->count; i++)
        for (size_t j = 0; j < bands->at[i].mat.rows * bands->cols; j++)
            if (bands->dtype == KOFN_F64)
                ((double *)bands->at[i].mat.data)[j] = kofn_rng_normal(&rng);
            else if (bands->dtype == KOFN_F32)
                ((float *)bands->at[i].mat.data)[j] = (float)kofn_rng_normal(&rng);
}

static void
make_task(stage *s, uint64_t assignment, kofn_dtype dtype, size_t rows, size_t inner, size_t cols,
          task *t)
{
    kofn_error error;
    const size_t chunk = s->welcome.chunk_bytes;
    assert_ok(kofn_block_bands_new(s->pool, dtype, rows, inner, chunk, &t->a, &error));
    assert_ok(kofn_block_bands_new(s->pool, dtype, inner, cols, chunk, &t->b, &error));
    fill_random(&t->a, 1);
    fill_random(&t->b, 2);
    t->head = (kofn_msg_task){
        .assignment = assignment,
        .epoch = EPOCH,
        .a = {.rows = rows, .cols = inner},
        .b = {.rows = inner, .cols = cols},
    };
    snprintf(t->head.field, sizeof t->head.field, "%s", kofn_dtype_name(dtype));
    snprintf(t->head.a.dtype, sizeof t->head.a.dtype, "%s", kofn_dtype_name(dtype));
    snprintf(t->head.b.dtype, sizeof t->head.b.dtype, "%s", kofn_dtype_name(dtype));
}

static void
free_task(task *t)
{
    kofn_bands_fini(&t->a);
    kofn_bands_fini(&t->b);
}

static void
send_task(stage *s, const task *t)
{
    kofn_error error;
    assert_ok(kofn_peer_transfer(s->peer, t->head.assignment, &kofn_task_message, &t->head, 2,
                                 (const kofn_bands *const[]){&t->a, &t->b}, &error));
}

/* A task of that size, sent and forgotten. */
static void
send_new_task(stage *s, uint64_t assignment, size_t size)
{
    task t;
    make_task(s, assignment, KOFN_F64, size, size, size, &t);
    send_task(s, &t);
    free_task(&t);
}

static void
take_blocks(stage *s, kofn_assembler *assembler)
{
    kofn_error error;
    for (size_t i = 0; i < s->in.count; i++)
        assert_ok(kofn_assembler_take(assembler, s->in.blocks[i], &error));
    /* A worker that answered its last task may be gone before it is acknowledged. */
    const kofn_status took = kofn_peer_took(s->peer, s->in.block_bytes, WINDOW, &error);
    assert_true(took == KOFN_OK || took == KOFN_UNAVAILABLE);
}

/* The next result, with all of its blocks. */
static void
expect_result(stage *s, kofn_msg_result *result, kofn_bands *ret_c)
{
    kofn_error error;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    expect(s, &kofn_result_message, result);
    *ret_c = (kofn_bands){0};
    if (result->status != KOFN_OK) {
        assert_int_equal(s->in.count, 0);
        return;
    }
    assert_ok(kofn_assembler_expect(&assembler, kofn_dtype_parse(result->c.dtype), result->c.rows,
                                    result->c.cols, &error));
    take_blocks(s, &assembler);
    for (kofn_msg_data data = {.more = result->more}; data.more;) {
        expect(s, &kofn_data_message, &data);
        assert_int_equal(data.id, result->assignment);
        take_blocks(s, &assembler);
    }
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_ok(kofn_bands_ref(&assembler.mat[0], ret_c, &error));
    kofn_assembler_fini(&assembler);
}

static void
expect_status(stage *s, uint64_t assignment, kofn_status status)
{
    kofn_msg_result result;
    kofn_bands c;
    expect_result(s, &result, &c);
    assert_int_equal(result.assignment, assignment);
    if (result.status != status)
        print_error("assignment %zu: %s: %s\n", (size_t)assignment,
                    kofn_status_name((kofn_status)result.status), result.message);
    assert_int_equal(result.status, status);
    kofn_bands_fini(&c);
}

/* After whatever came before, the worker still does its work. */
static void
assert_works(stage *s, uint64_t assignment)
{
    send_new_task(s, assignment, 8);
    expect_status(s, assignment, KOFN_OK);
}

/* ---- products ------------------------------------------------------------------------------- */

/* C of the worker against BLAS on the same numbers. Both are dot products of length k over the same
 * terms, so |C - C'| <= 2 k eps |A| |B| elementwise; with bits, the very same numbers. */
static void
assert_product(stage *s, const task *t, const kofn_bands *c, bool to_the_bit)
{
    kofn_error error;
    kofn_mat a, b, mine;
    assert_ok(kofn_bands_gather(&t->a, s->pool, &a, &error));
    assert_ok(kofn_bands_gather(&t->b, s->pool, &b, &error));
    assert_ok(kofn_bands_gather(c, s->pool, &mine, &error));
    const bool ta = t->head.transpose_a, tb = t->head.transpose_b;
    const size_t rows = ta ? a.cols : a.rows, inner = ta ? a.rows : a.cols;
    const size_t cols = tb ? b.rows : b.cols;
    assert_int_equal(c->rows, rows);
    assert_int_equal(c->cols, cols);

    double *expected = calloc(rows * cols + 1, sizeof *expected);
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                (int)rows, (int)cols, (int)inner, 1.0, a.data, (int)a.cols, b.data, (int)b.cols,
                0.0, expected, (int)cols);
    const double largest = 6.0 * 6.0; // of |a_ij b_jk|: normals beyond 6 do not come up
    const double bound = 2.0 * (double)inner * 0x1p-53 * (double)inner * largest;
    double worst = 0;
    for (size_t i = 0; i < rows * cols; i++) {
        double value;
        memcpy(&value, (char *)mine.data + i * sizeof value, sizeof value);
        worst = fmax(worst, fabs(value - expected[i]));
    }
    assert_at_most(worst, to_the_bit ? 0.0 : bound);
    free(expected);
    kofn_mat_fini(&a);
    kofn_mat_fini(&b);
    kofn_mat_fini(&mine);
}

static void
check_product(stage *s, uint64_t assignment, size_t rows, size_t inner, size_t cols, bool transpose)
{
    task t;
    kofn_msg_result result;
    kofn_bands c;
    if (transpose) {
        make_task(s, assignment, KOFN_F64, inner, rows, cols, &t);
        kofn_error error;
        kofn_bands_fini(&t.b);
        assert_ok(kofn_block_bands_new(s->pool, KOFN_F64, cols, inner, s->welcome.chunk_bytes, &t.b,
                                       &error));
        fill_random(&t.b, 2);
        t.head.transpose_a = t.head.transpose_b = true;
        t.head.b.rows = cols;
        t.head.b.cols = inner;
    } else {
        make_task(s, assignment, KOFN_F64, rows, inner, cols, &t);
    }
    send_task(s, &t);
    expect_result(s, &result, &c);
    assert_int_equal(result.status, KOFN_OK);
    assert_int_equal(result.assignment, assignment);
    assert_int_equal(result.epoch, EPOCH);
    assert_false(result.nonfinite);
    /* One BLAS call made the small ones, panels of rows the others: there the kernel may round
     * differently at the edges. */
    assert_product(s, &t, &c, 2.0 * (double)(rows * cols * inner) < KOFN_PANEL_FLOPS_DEFAULT);
    kofn_bands_fini(&c);
    free_task(&t);
}

static void
products_are_those_of_blas(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    assert_int_equal(s.hello.version, KOFN_PROTOCOL_VERSION);
    assert_int_equal(s.hello.credit, 2);
    assert_string_equal(s.hello.fields, "f64,f32,gf256,gf16,gf4,gfp");
    check_product(&s, 1, 1, 1, 1, false);
    check_product(&s, 2, 64, 64, 64, false);
    check_product(&s, 3, 64, 64, 64, true);
    check_product(&s, 4, 130, 70, 33, false);
    check_product(&s, 5, 33, 130, 70, true);
    stage_close(&s);
}

static void
large_products_travel_in_many_bands(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.window = 1 << 18;
    stage_init(&s);
    s.welcome.window = 1 << 18;
    s.welcome.chunk_bytes = 20000;
    bind_master(&s, "tcp://127.0.0.1:*");
    start_worker(&s, &config);
    welcome_worker(&s);
    check_product(&s, 1, 300, 500, 400, false); // 1.2, 1.6 and 1 MB through a quarter of that
    check_product(&s, 2, 300, 500, 400, true);
    check_product(&s, 3, 900, 800, 700, false);
    stage_close(&s);
}

static void
empty_matrices_give_empty_or_zero_products(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}};
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    for (size_t i = 0; i < 4; i++)
        check_product(&s, i + 1, shapes[i][0], shapes[i][1], shapes[i][2], false);
    stage_close(&s);
}

static void
single_precision_is_a_field_of_its_own(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    task t;
    make_task(&s, 1, KOFN_F32, 3, 4, 5, &t);
    send_task(&s, &t);
    kofn_msg_result result;
    kofn_bands c;
    expect_result(&s, &result, &c);
    assert_string_equal(result.c.dtype, "f32");
    float expected[15];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 3, 5, 4, 1, t.a.at[0].mat.data, 4,
                t.b.at[0].mat.data, 5, 0, expected, 5);
    assert_memory_equal(c.at[0].mat.data, expected, sizeof expected);
    kofn_bands_fini(&c);
    free_task(&t);
    stage_close(&s);
}

/* Element `at` of u8 or u32. */
static void
set_number(const kofn_bands *m, size_t at, unsigned value)
{
    if (m->dtype == KOFN_U8)
        ((unsigned char *)m->at[0].mat.data)[at] = (unsigned char)value;
    else
        memcpy((uint32_t *)m->at[0].mat.data + at, &value, sizeof value);
}

static unsigned
get_number(const kofn_bands *m, size_t at)
{
    unsigned value;
    if (m->dtype == KOFN_U8)
        return ((const unsigned char *)m->at[0].mat.data)[at];
    memcpy(&value, (const char *)m->at[0].mat.data + 4 * at, sizeof value);
    return value;
}

/* (1 2; 3 4) (5 6; 0 1), the same numbers in each field; one task after another, in any order. */
static void
finite_fields_take_turns(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        kofn_dtype dtype;
        unsigned product[4];
    } cases[] = {
        {"gfp:7", KOFN_U32, {5, 1, 1, 1}},     {"gfp:7", KOFN_U32, {5, 1, 1, 1}},
        {"gfp:101", KOFN_U32, {5, 8, 15, 22}}, {"gf256", KOFN_U8, {5, 4, 15, 14}},
        {"gfp:11", KOFN_U32, {5, 8, 4, 0}},    {"gf16", KOFN_U8, {5, 4, 15, 14}},
        {"gfp:101", KOFN_U32, {5, 8, 15, 22}}, {"gfp:7", KOFN_U32, {5, 1, 1, 1}},
    };
    static const unsigned a[] = {1, 2, 3, 4}, b[] = {5, 6, 0, 1};
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        task t;
        kofn_msg_result result;
        kofn_bands c;
        make_task(&s, i + 1, cases[i].dtype, 2, 2, 2, &t);
        snprintf(t.head.field, sizeof t.head.field, "%s", cases[i].field);
        for (size_t j = 0; j < 4; j++) {
            set_number(&t.a, j, a[j]);
            set_number(&t.b, j, b[j]);
        }
        send_task(&s, &t);
        expect_result(&s, &result, &c);
        assert_int_equal(result.status, KOFN_OK);
        assert_false(result.nonfinite);
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(get_number(&c, j), cases[i].product[j]);
        kofn_bands_fini(&c);
        free_task(&t);
    }
    stage_close(&s);
}

/* ---- outer products -------------------------------------------------------------------------- */

typedef struct outer_task {
    kofn_msg_task head;
    kofn_msg_factor further[KOFN_OPERANDS_MAX - 2];
    kofn_bands operand[KOFN_OPERANDS_MAX];
    size_t count;
} outer_task;

/* Operands of `shape` as stored; in u8 they hold 0, 1, 2, ..., in f64 random numbers. */
static void
make_outer_task(stage *s, uint64_t assignment, const char *field, size_t count,
                const size_t (*shape)[2], outer_task *t)
{
    kofn_error error;
    *t = (outer_task){.head = {.assignment = assignment, .epoch = EPOCH, .form = KOFN_FORM_OUTER},
                      .count = count};
    const kofn_dtype dtype = kofn_field_find(field)->dtype;
    snprintf(t->head.field, sizeof t->head.field, "%s", field);
    for (size_t o = 0; o < count; o++) {
        kofn_msg_matrix *m = o == 0 ? &t->head.a : o == 1 ? &t->head.b : &t->further[o - 2].matrix;
        *m = (kofn_msg_matrix){.rows = shape[o][0], .cols = shape[o][1]};
        snprintf(m->dtype, sizeof m->dtype, "%s", kofn_dtype_name(dtype));
        assert_ok(
            kofn_block_bands_new(s->pool, dtype, m->rows, m->cols, 64, &t->operand[o], &error));
        fill_random(&t->operand[o], o);
        for (size_t b = 0, at = 0; dtype == KOFN_U8 && b < t->operand[o].count; b++)
            for (size_t i = 0; i < t->operand[o].at[b].mat.rows * m->cols; i++)
                ((unsigned char *)t->operand[o].at[b].mat.data)[i] = (unsigned char)at++;
    }
    t->head.further = (kofn_wire_list){.at = t->further, .count = count - 2};
}

static void
send_outer_task(stage *s, const outer_task *t)
{
    kofn_error error;
    const kofn_bands *mats[KOFN_OPERANDS_MAX];
    for (size_t o = 0; o < t->count; o++)
        mats[o] = &t->operand[o];
    assert_ok(kofn_peer_transfer(s->peer, t->head.assignment, &kofn_task_message, &t->head,
                                 t->count, mats, &error));
}

static void
free_outer_task(outer_task *t)
{
    for (size_t o = 0; o < t->count; o++)
        kofn_bands_fini(&t->operand[o]);
}

static void
outer_products_of_many_operands_are_those_of_their_elements(void **state)
{
    (void)state;
    static const size_t shape[][2] = {{3, 2}, {2, 4}, {1, 3}, {5, 2}};
    kofn_error error;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    for (size_t count = 2; count <= 4; count++) {
        outer_task t;
        kofn_msg_result result;
        kofn_bands c;
        kofn_mat mine, factor[4];
        make_outer_task(&s, count, "f64", count, shape, &t);
        t.head.transpose_b = true;
        t.further[1].transposed = true;
        send_outer_task(&s, &t);
        expect_result(&s, &result, &c);
        assert_int_equal(result.status, KOFN_OK);
        assert_ok(kofn_bands_gather(&c, s.pool, &mine, &error));
        for (size_t o = 0; o < count; o++)
            assert_ok(kofn_bands_gather(&t.operand[o], s.pool, &factor[o], &error));
        for (size_t i = 0; i < c.rows; i++)
            for (size_t j = 0; j < c.cols; j++) {
                double product = 1, got;
                for (size_t o = count, row = i, col = j; o-- > 0;) {
                    const bool turned = o == 1 || o == 3;
                    const size_t rows = turned ? factor[o].cols : factor[o].rows;
                    const size_t cols = turned ? factor[o].rows : factor[o].cols;
                    const size_t r = turned ? col % cols : row % rows;
                    product *= ((double *)factor[o]
                                    .data)[r * factor[o].cols + (turned ? row % rows : col % cols)];
                    row /= rows;
                    col /= cols;
                }
                memcpy(&got, (char *)kofn_mat_get_row(&mine, i) + 8 * j, sizeof got);
                assert_at_most(fabs(got - product), 8 * 0x1p-53 * fabs(product));
            }
        for (size_t o = 0; o < count; o++)
            kofn_mat_fini(&factor[o]);
        kofn_mat_fini(&mine);
        kofn_bands_fini(&c);
        free_outer_task(&t);
    }
    stage_close(&s);
}

static void
outer_products_over_bytes_are_exact(void **state)
{
    (void)state;
    static const size_t shape[][2] = {{2, 2}, {1, 3}};
    /* (0 1; 2 3) (x) (0 1 2) in GF(2^8): 2 times 2 is 4, 3 times 2 is 6. */
    static const unsigned char expected[] = {0, 0, 0, 0, 1, 2, 0, 2, 4, 0, 3, 6};
    stage s;
    outer_task t;
    kofn_msg_result result;
    kofn_bands c;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    make_outer_task(&s, 1, "gf256", 2, shape, &t);
    send_outer_task(&s, &t);
    expect_result(&s, &result, &c);
    assert_int_equal(result.status, KOFN_OK);
    assert_int_equal(c.rows, 2);
    assert_memory_equal(c.at[0].mat.data, expected, sizeof expected);
    kofn_bands_fini(&c);
    free_outer_task(&t);
    stage_close(&s);
}

static void
impossible_outer_tasks_are_answered_with_a_status(void **state)
{
    (void)state;
    static const size_t shape[][2] = {{2, 2}, {2, 2}, {2, 2}};
    stage s;
    outer_task t;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    make_outer_task(&s, 1, "f64", 3, shape, &t);
    strcpy(t.head.form, "inner");
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_UNIMPLEMENTED);

    strcpy(t.head.form, ""); // with further operands
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    strcpy(t.head.form, KOFN_FORM_OUTER);
    strcpy(t.further[0].matrix.dtype, "u8");
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    strcpy(t.further[0].matrix.dtype, "f64"); // more blocks than shapes, as old workers see it
    t.head.further.count = 0;
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    t.head.further.count = 1;
    t.head.a.rows = t.head.b.rows = 1 << 20;
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_OUT_OF_RANGE);

    t.head.a.rows = t.head.b.rows = KOFN_DIMENSION_MAX;
    t.further[0].matrix.rows = t.further[0].matrix.cols = KOFN_DIMENSION_MAX;
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_OUT_OF_RANGE);

    t.head.a.rows = t.head.b.rows = 1 << 12;
    t.head.a.cols = t.head.b.cols = 1 << 12;
    t.further[0].matrix.rows = t.further[0].matrix.cols = 1;
    send_outer_task(&s, &t);
    expect_status(&s, 1, KOFN_RESOURCE_EXHAUSTED); // two to the 51 bytes
    free_outer_task(&t);
    assert_works(&s, 2);
    stage_close(&s);
}

static void
not_a_number_is_multiplied_and_reported(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    task t;
    make_task(&s, 1, KOFN_F64, 4, 4, 4, &t);
    ((double *)t.a.at[0].mat.data)[5] = NAN;
    send_task(&s, &t);
    kofn_msg_result result;
    kofn_bands c;
    expect_result(&s, &result, &c);
    assert_int_equal(result.status, KOFN_OK);
    assert_true(result.nonfinite);
    for (size_t i = 0; i < 16; i++) { // row 1 holds it, no other
        double value;
        memcpy(&value, (char *)c.at[0].mat.data + i * sizeof value, sizeof value);
        assert_int_equal(isnan(value) != 0, i / 4 == 1);
    }
    kofn_bands_fini(&c);
    free_task(&t);
    stage_close(&s);
}

/* ---- tasks that make no sense --------------------------------------------------------------- */

static void
impossible_tasks_are_answered_with_a_status(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    task t;
    make_task(&s, 1, KOFN_F64, 4, 4, 4, &t);

    static const char *const unknown[] = {"gf257", "gfp:91", "gfp:", "gfp", "gfp:4294967311", ""};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        strcpy(t.head.field, unknown[i]);
        send_task(&s, &t);
        expect_status(&s, 1, KOFN_UNIMPLEMENTED);
    }

    strcpy(t.head.field, "gfp:7"); // the blocks say f64
    send_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    strcpy(t.head.field, "f32"); // the blocks say f64
    send_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    strcpy(t.head.field, "f64");
    t.head.b.rows = 5; // not A's columns
    send_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    t.head.b.rows = 4;
    t.head.a.cols = t.head.b.rows = 3; // not the blocks' shape
    send_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    t.head.a.rows = t.head.b.cols = KOFN_DIMENSION_MAX;
    t.head.a.cols = t.head.b.rows = KOFN_DIMENSION_MAX;
    send_task(&s, &t);
    kofn_msg_result result;
    kofn_bands c;
    expect_result(&s, &result, &c);
    assert_true(result.status == KOFN_OUT_OF_RANGE || result.status == KOFN_RESOURCE_EXHAUSTED);

    free_task(&t);
    assert_works(&s, 2);
    stage_close(&s);
}

static void
transfer_that_ends_early_is_invalid(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    kofn_error error;
    task t;
    make_task(&s, 1, KOFN_F64, 4, 4, 4, &t);
    assert_ok(kofn_peer_transfer(s.peer, 1, &kofn_task_message, &t.head, 1,
                                 (const kofn_bands *const[]){&t.a}, &error)); // B is missing
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);

    t.head.more = true; // and again, with B announced, but never sent
    assert_ok(kofn_peer_transfer(s.peer, 1, &kofn_task_message, &t.head, 1,
                                 (const kofn_bands *const[]){&t.a}, &error));
    post(&s, &kofn_data_message, &(kofn_msg_data){.id = 1});
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);
    free_task(&t);
    assert_works(&s, 2);
    stage_close(&s);
}

static void
blocks_in_the_wrong_order_are_invalid(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    kofn_error error;
    task t;
    make_task(&s, 1, KOFN_F64, 4, 6, 5, &t);
    assert_ok(kofn_peer_transfer(s.peer, 1, &kofn_task_message, &t.head, 2,
                                 (const kofn_bands *const[]){&t.b, &t.a}, &error));
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);
    free_task(&t);
    assert_works(&s, 2);
    stage_close(&s);
}

static void
task_that_does_not_fit_the_memory_is_refused_and_its_blocks_acknowledged(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.window = 1 << 18;
    config.memory = 1 << 20;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 500); // 2 MB each
    expect_status(&s, 1, KOFN_RESOURCE_EXHAUSTED);
    while (kofn_peer_get_queued(s.peer) > 0) { // only acks let the rest go
        bool got;
        kofn_error error;
        kofn_msg_ack ack;
        assert_true(hears(&s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
        size_t length;
        const void *head = head_of(&s, &length);
        if (kofn_message_unpack(&kofn_ack_message, head, length, &ack, &error) == KOFN_OK)
            assert_ok(kofn_peer_acked(s.peer, ack.bytes, &error));
    }
    assert_works(&s, 2);
    stage_close(&s);
}

static void
task_over_the_credit_is_refused(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = 3600 * KOFN_NS_PER_S;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    for (uint64_t assignment = 1; assignment <= 3; assignment++)
        send_new_task(&s, assignment, 8);
    expect_status(&s, 3, KOFN_RESOURCE_EXHAUSTED);
    stage_close(&s);
}

static void
task_of_another_epoch_is_dropped(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    task t;
    make_task(&s, 1, KOFN_F64, 4, 4, 4, &t);
    t.head.epoch = EPOCH + 1;
    send_task(&s, &t);
    free_task(&t);
    assert_works(&s, 2); // the next result is of the next task
    stage_close(&s);
}

static void
task_held_already_is_dropped(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = 200 * KOFN_NS_PER_MS;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    send_new_task(&s, 1, 8);
    expect_status(&s, 1, KOFN_OK);
    assert_works(&s, 2); // and not the first once more
    stage_close(&s);
}

/* ---- cancel --------------------------------------------------------------------------------- */

static kofn_worker_config
slow_config(void)
{
    kofn_worker_config config = default_config();
    config.inject.repeat = 1000000;
    return config;
}

static void
cancel(stage *s, uint64_t assignment)
{
    post(s, &kofn_cancel_message, &(kofn_msg_cancel){.assignment = assignment, .epoch = EPOCH});
}

static void
running_task_is_given_up_between_panels(void **state)
{
    (void)state;
    stage s;
    const kofn_worker_config config = slow_config();
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300); // a million times: hours
    const int64_t start_ns = kofn_clock_ns();
    while (kofn_clock_ns() < start_ns + 100 * KOFN_NS_PER_MS && !hears(&s, 10))
        continue; // let it begin; whether it did matters not
    cancel(&s, 1);
    const int64_t cancelled_ns = kofn_clock_ns();
    expect_status(&s, 1, KOFN_CANCELLED);
    print_message("free after %.1f ms\n",
                  (double)(kofn_clock_ns() - cancelled_ns) / KOFN_NS_PER_MS);
    stage_close(&s);
}

static void
queued_task_is_dropped_at_once(void **state)
{
    (void)state;
    stage s;
    const kofn_worker_config config = slow_config();
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300);
    send_new_task(&s, 2, 300);
    cancel(&s, 2);
    expect_status(&s, 2, KOFN_CANCELLED); // while the first goes on
    cancel(&s, 1);
    expect_status(&s, 1, KOFN_CANCELLED);
    stage_close(&s);
}

static void
sleeping_task_is_woken_by_a_cancel(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = 3600 * KOFN_NS_PER_S;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    cancel(&s, 1);
    expect_status(&s, 1, KOFN_CANCELLED);
    stage_close(&s);
}

static void
task_cancelled_while_it_arrives_gets_no_result(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.window = 1 << 16;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300);
    assert_true(kofn_peer_drop(s.peer, 1));
    cancel(&s, 1);
    assert_works(&s, 2);
    stage_close(&s);
}

static void
cancels_of_the_unknown_are_dropped(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    cancel(&s, 99);
    assert_works(&s, 1);
    cancel(&s, 1); // answered long ago
    post(&s, &kofn_cancel_message, &(kofn_msg_cancel){.assignment = 2, .epoch = EPOCH + 1});
    assert_works(&s, 2);
    stage_close(&s);
}

static void
cancel_of_another_epoch_is_dropped(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = 100 * KOFN_NS_PER_MS;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    post(&s, &kofn_cancel_message, &(kofn_msg_cancel){.assignment = 1, .epoch = EPOCH + 1});
    expect_status(&s, 1, KOFN_OK);
    stage_close(&s);
}

static void
cancel_stops_a_result_in_the_middle(void **state)
{
    (void)state;
    stage s;
    stage_init(&s);
    s.welcome.window = 1 << 16;
    s.welcome.chunk_bytes = 8192;
    bind_master(&s, "inproc://master");
    const kofn_worker_config config = default_config();
    start_worker(&s, &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300); // 720 KB of result, never acknowledged
    kofn_msg_result result;
    expect(&s, &kofn_result_message, &result);
    assert_true(result.more);
    cancel(&s, 1);
    send_new_task(&s, 2, 8); // waits for credit behind what is in flight
    for (bool found = false; !found;) {
        char type[KOFN_NAME_MAX];
        kofn_error error;
        assert_ok(kofn_peer_took(s.peer, s.in.block_bytes, 1, &error));
        next_message(&s, type, sizeof type);
        found = strcmp(type, "result") == 0;
    }
    size_t length;
    kofn_error error;
    const void *head = head_of(&s, &length);
    assert_ok(kofn_message_unpack(&kofn_result_message, head, length, &result, &error));
    assert_int_equal(result.assignment, 2);
    assert_ok(kofn_peer_took(s.peer, s.in.block_bytes, 1, &error));
    assert_works(&s, 3); // and nothing more of the first comes in between
    stage_close(&s);
}

/* ---- garbage -------------------------------------------------------------------------------- */

static void
send_raw(stage *s, const void *bytes, size_t length, bool more)
{
    /* The id of the worker's connection is that of its last message. */
    assert_true(zmq_send(s->socket, s->in.peer.at, s->in.peer.length, ZMQ_SNDMORE) >= 0);
    assert_int_equal(zmq_send(s->socket, bytes, length, more ? ZMQ_SNDMORE : 0), length);
}

static void
garbage_changes_nothing(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    static const char truncated[] = "\x85\xa4type\xa4task\xaa"
                                    "assig";
    static const char unknown[] = "\x81\xa4type\xa7nothing";
    static const char number[] = "\x81\xa4type\x07";
    static const char huge[] = "\xdf\xff\xff\xff\xff";
    static const char bare_task[] = "\x81\xa4type\xa4task";
    static const char hello_back[] = "\x81\xa4type\xa5hello";
    send_raw(&s, "", 0, false);
    send_raw(&s, truncated, sizeof truncated - 1, false);
    send_raw(&s, unknown, sizeof unknown - 1, false);
    send_raw(&s, number, sizeof number - 1, false);
    send_raw(&s, huge, sizeof huge - 1, false);
    send_raw(&s, bare_task, sizeof bare_task - 1, false);
    send_raw(&s, hello_back, sizeof hello_back - 1, false);

    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (int i = 0; i < 2000; i++) {
        unsigned char noise[64];
        const size_t length = (size_t)kofn_rng_below(&rng, sizeof noise + 1);
        for (size_t j = 0; j < length; j++)
            noise[j] = (unsigned char)kofn_rng_below(&rng, 256);
        const bool more = kofn_rng_below(&rng, 2) == 1;
        send_raw(&s, noise, length, more);
        if (more)
            assert_int_equal(zmq_send(s.socket, noise, length, 0), length);
    }
    assert_works(&s, 1);
    stage_close(&s);
}

static void
task_with_garbage_for_blocks_is_invalid(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    kofn_error error;
    task t;
    make_task(&s, 1, KOFN_F64, 4, 4, 4, &t);
    kofn_wire_buffer head = {0};
    assert_ok(kofn_message_pack(&kofn_task_message, &t.head, &head, &error));
    send_raw(&s, head.at, head.length, true);
    assert_int_equal(zmq_send(s.socket, "rubbish", 7, 0), 7);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);
    kofn_wire_buffer_fini(&head);
    free_task(&t);
    assert_works(&s, 2);
    stage_close(&s);
}

/* ---- the session ---------------------------------------------------------------------------- */

static void
worker_beats_without_being_asked(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "tcp://127.0.0.1:*", NULL);
    welcome_worker(&s);
    for (int beats = 0; beats < 3;) {
        char type[KOFN_NAME_MAX];
        kofn_error error;
        bool got;
        size_t length;
        assert_true(hears(&s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
        const void *head = head_of(&s, &length);
        assert_ok(kofn_message_peek(head, length, "type", type, sizeof type, &error));
        if (strcmp(type, "heartbeat") != 0)
            continue;
        kofn_msg_heartbeat beat;
        assert_ok(kofn_message_unpack(&kofn_heartbeat_message, head, length, &beat, &error));
        assert_int_equal(beat.epoch, EPOCH);
        beats++;
    }
    stage_close(&s);
}

static void
hello_is_said_again_until_somebody_answers(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    expect_hello(&s);
    expect_hello(&s);
    begin_session(&s);
    begin_session(&s);
    answer_hellos(&s);
    assert_works(&s, 1);
    stage_close(&s);
}

/* What the master sent in the first session was void when it took the second hello: so are acks and
 * answers for it, which it would count in the second. */
static void
the_last_of_several_welcomes_counts_alone(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    expect_hello(&s);
    expect_hello(&s);
    begin_session(&s);
    send_new_task(&s, 1, 300); // enough to be acknowledged when it is whole
    send_new_task(&s, 2, 8);
    begin_session(&s);
    answer_hellos(&s);
    assert_works(&s, 3);
    stage_close(&s);
}

static void
missing_welcome_is_waited_for_and_then_the_worker_connects_anew(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    expect_hello(&s);
    expect_hello(&s);
    const kofn_peer_id first = s.in.peer;
    begin_session(&s);
    do // one more hello may have been on its way
        expect_hello(&s);
    while (s.in.peer.length == first.length && memcmp(s.in.peer.at, first.at, first.length) == 0);
    begin_session(&s);
    answer_hellos(&s);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
silent_master_is_given_up_and_greeted_anew(void **state)
{
    (void)state;
    stage s;
    stage_init(&s);
    s.welcome.silence_ms = 200;
    bind_master(&s, "tcp://127.0.0.1:*");
    const kofn_worker_config config = default_config();
    start_worker(&s, &config);
    welcome_worker(&s);
    const kofn_peer_id first = s.in.peer;
    send_new_task(&s, 1, 8);
    expect_status(&s, 1, KOFN_OK);
    s.welcome.silence_ms = 600000;
    welcome_worker(&s); // on another connection
    assert_false(s.in.peer.length == first.length &&
                 memcmp(s.in.peer.at, first.at, first.length) == 0);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
what_was_held_for_a_lost_master_is_dropped(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = slow_config();
    stage_init(&s);
    s.welcome.silence_ms = 200;
    bind_master(&s, "inproc://master");
    start_worker(&s, &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300);
    send_new_task(&s, 2, 300);
    s.welcome.silence_ms = 600000;
    s.welcome.epoch = EPOCH;
    welcome_worker(&s);
    send_new_task(&s, 3, 300);
    cancel(&s, 3);
    expect_status(&s, 3, KOFN_CANCELLED); // and nothing of the first two
    send_new_task(&s, 1, 300);            // the same number in a new session: a new task
    cancel(&s, 1);
    expect_status(&s, 1, KOFN_CANCELLED);
    stage_close(&s);
}

/* Nobody knows what it was: both begin anew, and the master is told that nobody died. */
static void
a_damaged_message_ends_the_session(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "tcp://127.0.0.1:*", NULL);
    welcome_worker(&s);
    static const char damaged[] = "\x82\xa3"
                                  "crc\xce\x01\x02\x03\x04\xa4type\xa9heartbeat";
    assert_true(zmq_send(s.socket, s.in.peer.at, s.in.peer.length, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(s.socket, damaged, sizeof damaged - 1, 0) >= 0);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    expect_status(&s, 1, KOFN_OK);
    assert_true(s.partings <= 1); // it may still be on its way
    stage_close(&s);
}

static void
worker_unknown_to_its_master_says_hello_at_once(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "tcp://127.0.0.1:*", NULL);
    welcome_worker(&s);
    post(&s, &kofn_refuse_message,
         &(kofn_msg_refuse){.status = KOFN_FAILED_PRECONDITION, .message = "say hello first"});
    welcome_worker(&s);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
refused_worker_lives_and_tries_again(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    expect_hello(&s);
    post(&s, &kofn_refuse_message,
         &(kofn_msg_refuse){.status = KOFN_UNIMPLEMENTED, .message = "no common version"});
    const int64_t refused_ns = kofn_clock_ns();
    welcome_worker(&s);
    assert_true(kofn_clock_ns() - refused_ns > 4 * KOFN_NS_PER_S);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
ack_for_more_than_is_out_ends_the_session(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    post(&s, &kofn_ack_message, &(kofn_msg_ack){.bytes = 1});
    welcome_worker(&s);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
heartbeat_of_another_epoch_ends_the_session(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    post(&s, &kofn_heartbeat_message, &(kofn_msg_heartbeat){.epoch = EPOCH + 1});
    welcome_worker(&s);
    assert_works(&s, 1);
    stage_close(&s);
}

static void
worker_finds_a_master_that_comes_late_and_one_that_comes_back(void **state)
{
    (void)state;
    stage s;
    stage_init(&s);
    bind_master(&s, "tcp://127.0.0.1:*"); // to learn a free port
    close_master(&s);
    char endpoint[sizeof s.endpoint];
    snprintf(endpoint, sizeof endpoint, "%s", s.endpoint);
    const kofn_worker_config config = default_config();
    start_worker(&s, &config);
    for (int lives = 0; lives < 2; lives++) {
        s.welcome.silence_ms = 2000; // a busy machine may keep us from speaking for a while
        bind_master(&s, endpoint);
        welcome_worker(&s);
        answer_hellos(&s); // on a busy machine the first welcome may come after the next hello
        assert_works(&s, 1);
        if (lives == 0)
            close_master(&s);
    }
    stage_close(&s);
}

static void
absurd_welcome_is_taken_within_reason(void **state)
{
    (void)state;
    stage s;
    stage_init(&s);
    s.welcome = (kofn_msg_welcome){.version = 1, .epoch = EPOCH};
    s.welcome.silence_ms = s.welcome.heartbeat_ms = UINT64_MAX;
    s.welcome.chunk_bytes = UINT64_MAX;
    bind_master(&s, "inproc://master");
    const kofn_worker_config config = default_config();
    start_worker(&s, &config);
    welcome_worker(&s);
    s.welcome.chunk_bytes = 65536;
    assert_works(&s, 1);
    for (int beats = 0; hears(&s, 200); beats++) { // neither a flood of them nor another hello
        bool got;
        size_t length;
        char type[KOFN_NAME_MAX];
        kofn_error error;
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
        const void *head = head_of(&s, &length);
        assert_ok(kofn_message_peek(head, length, "type", type, sizeof type, &error));
        assert_string_equal(type, "heartbeat");
        assert_true(beats < 2);
    }
    stage_close(&s);
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void
stopped_worker_finishes_what_it_holds(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = 300 * KOFN_NS_PER_MS;
    stage_open(&s, "tcp://127.0.0.1:*", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    send_new_task(&s, 2, 300);
    kofn_msg_heartbeat beat = {0};
    while (beat.tasks < 2) { // both have come
        bool got;
        size_t length;
        kofn_error error;
        assert_true(hears(&s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
        const void *head = head_of(&s, &length);
        if (kofn_message_unpack(&kofn_heartbeat_message, head, length, &beat, &error) != KOFN_OK)
            continue;
    }
    kofn_worker_stop(s.worker);
    kofn_msg_bye bye;
    expect(&s, &kofn_bye_message, &bye);
    send_new_task(&s, 3, 8);
    expect_status(&s, 3, KOFN_UNAVAILABLE); // taken no more
    expect_status(&s, 1, KOFN_OK);
    expect_status(&s, 2, KOFN_OK);
    join_worker(&s);
    stage_close(&s);
}

static void
task_that_outlasts_the_grace_is_handed_back(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = slow_config();
    config.grace_ns = 100 * KOFN_NS_PER_MS;
    stage_open(&s, "tcp://127.0.0.1:*", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300);
    kofn_msg_heartbeat beat = {0};
    while (beat.tasks < 1) {
        bool got;
        size_t length;
        kofn_error error;
        assert_true(hears(&s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
        const void *head = head_of(&s, &length);
        if (kofn_message_unpack(&kofn_heartbeat_message, head, length, &beat, &error) != KOFN_OK)
            continue;
    }
    kofn_worker_stop(s.worker);
    kofn_msg_bye bye;
    expect(&s, &kofn_bye_message, &bye);
    expect_status(&s, 1, KOFN_UNAVAILABLE);
    join_worker(&s);
    stage_close(&s);
}

static void
second_stop_does_not_wait(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = slow_config();
    config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 300);
    kofn_worker_stop(s.worker);
    kofn_worker_stop(s.worker);
    join_worker(&s);
    stage_close(&s);
}

static void
stop_that_meets_the_welcome_is_not_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        stage s;
        stage_open(&s, "inproc://master", NULL);
        welcome_worker(&s); // which the worker may read before or after the stops, or with them
        kofn_worker_stop(s.worker);
        kofn_worker_stop(s.worker);
        join_worker(&s);
        stage_close(&s);
    }
}

static void
worker_without_a_master_stops_at_once(void **state)
{
    (void)state;
    stage s;
    stage_init(&s);
    bind_master(&s, "tcp://127.0.0.1:*");
    const kofn_worker_config config = default_config();
    start_worker(&s, &config);
    kofn_worker_stop(s.worker);
    join_worker(&s);
    stage_close(&s);
}

/* ---- injected faults ------------------------------------------------------------------------ */

static void
frozen_worker_is_silent_and_still_stops(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.freeze_after = 1;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    send_new_task(&s, 1, 8);
    expect_status(&s, 1, KOFN_OK);
    while (hears(&s, 4 * HEARTBEAT_MS)) { // what was on its way
        bool got;
        kofn_error error;
        assert_ok(kofn_inbound_recv(s.socket, KOFN_LINK_MASTER_WORKERS, &s.in, &got, &error));
    }
    send_new_task(&s, 2, 8);
    assert_false(hears(&s, 6 * HEARTBEAT_MS));
    kofn_worker_stop(s.worker);
    join_worker(&s);
    stage_close(&s);
}

static void
wrong_answers_are_wrong(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.wrong = 1;
    stage_open(&s, "inproc://master", &config);
    welcome_worker(&s);
    task t;
    make_task(&s, 1, KOFN_F64, 8, 8, 8, &t);
    send_task(&s, &t);
    kofn_msg_result result;
    kofn_bands c;
    expect_result(&s, &result, &c);
    assert_int_equal(result.status, KOFN_OK);
    assert_false(result.nonfinite);
    double expected[64];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 8, 8, 8, 1, t.a.at[0].mat.data, 8,
                t.b.at[0].mat.data, 8, 0, expected, 8);
    assert_memory_not_equal(expected, c.at[0].mat.data, sizeof expected);
    kofn_bands_fini(&c);
    free_task(&t);
    stage_close(&s);
}

/* Two heartbeats go by, in which an ordinary small task would have been answered. */
static void
expect_no_result_for_a_while(stage *s)
{
    for (int beats = 0; beats < 2;) {
        kofn_error error;
        char type[KOFN_NAME_MAX];
        bool got;
        size_t length;
        assert_true(hears(s, PATIENCE_MS));
        assert_ok(kofn_inbound_recv(s->socket, KOFN_LINK_MASTER_WORKERS, &s->in, &got, &error));
        const void *head = head_of(s, &length);
        assert_ok(kofn_message_peek(head, length, "type", type, sizeof type, &error));
        assert_string_not_equal(type, "result");
        beats += strcmp(type, "heartbeat") == 0;
    }
}

/* Slow is: for hours, unless it is cancelled. */
static void
stragglers_of_a_stream_are_slow_in_their_rounds_and_slots_alone(void **state)
{
    (void)state;
    char path[] = "/tmp/kofn-trace-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "0 0\n0 1\n", 8), 8);
    assert_int_equal(close(file), 0);
    for (int by = KOFN_INJECT_BY_REPEAT; by <= KOFN_INJECT_BY_WAIT; by++) {
        stage s;
        kofn_worker_config config = default_config();
        (void)snprintf(config.inject.straggler, sizeof config.inject.straggler,
                       "trace:file=%s,slowdown=1000000", path);
        config.inject.straggler_workers = 2;
        config.inject.by = by;
        config.inject.pace = by == KOFN_INJECT_BY_WAIT ? 1e-2 : 0; // 128,000 flops: 13 ms
        stage_open(&s, "inproc://master", &config);
        welcome_worker(&s);
        static const struct {
            uint64_t round, slot;
            kofn_status status;
        } tasks[] = {
            {1, 0, KOFN_OK}, {1, 1, KOFN_OK},        {2, 0, KOFN_OK}, {2, 1, KOFN_CANCELLED},
            {3, 1, KOFN_OK}, {4, 1, KOFN_CANCELLED}, {1, 1, KOFN_OK}, // and back
        };
        for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
            task t;
            make_task(&s, 1 + i, KOFN_F64, 40, 40, 40, &t);
            t.head.round = tasks[i].round;
            t.head.slot = tasks[i].slot;
            send_task(&s, &t);
            free_task(&t);
            if (tasks[i].status == KOFN_CANCELLED) {
                expect_no_result_for_a_while(&s);
                cancel(&s, 1 + i);
            }
            expect_status(&s, 1 + i, tasks[i].status);
        }
        stage_close(&s);
    }
    assert_int_equal(unlink(path), 0);
}

static void
a_model_that_cannot_be_had_stops_the_start(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker *worker = NULL;
    void *context = zmq_ctx_new();
    kofn_log log;
    kofn_log_init(&log, KOFN_LOG_ERROR, -1);
    kofn_worker_config config = default_config();
    strcpy(config.inject.straggler, "trace:file=/nowhere/trace");
    assert_fails(kofn_worker_new(context, &config, log, &worker, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "inject.straggler"));
    assert_null(worker);
    zmq_ctx_term(context);
}

/* ---- starting ------------------------------------------------------------------------------- */

static void
endpoint_that_is_none_stops_the_start(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker *worker = NULL;
    void *context = zmq_ctx_new();
    kofn_log log;
    kofn_log_init(&log, KOFN_LOG_ERROR, -1);
    kofn_worker_config config = default_config();
    strcpy(config.master, "tcp://nowhere");
    assert_fails(kofn_worker_new(context, &config, log, &worker, &error), KOFN_INVALID_ARGUMENT);
    assert_null(worker);
    kofn_worker_destroy(&worker);
    zmq_ctx_term(context);
}

/* ---- what outlives a connection ------------------------------------------------------------- */

enum { NEXT_EPOCH = 99 };

/* A task whose answer may be kept, and whose A is named so. */
static void
send_named(stage *s, uint64_t assignment, size_t size, const char *block, bool kept)
{
    kofn_error error;
    task t;
    make_task(s, assignment, KOFN_F64, size, size, size, &t);
    kofn_msg_task_block blocks[2] = {{.kept = kept}};
    snprintf(blocks[0].name, sizeof blocks[0].name, "%s", block);
    snprintf(t.head.job, sizeof t.head.job, "00c0ffee00c0ffee");
    snprintf(t.head.answer, sizeof t.head.answer, "answer %zu", (size_t)assignment);
    t.head.blocks = (kofn_wire_list){.at = blocks, .count = block[0] ? 2 : 0};
    const kofn_bands *const all[] = {&t.a, &t.b};
    assert_ok(kofn_peer_transfer(s->peer, assignment, &kofn_task_message, &t.head, kept ? 1 : 2,
                                 kept ? all + 1 : all, &error));
    free_task(&t);
}

/* The result of that assignment; its first element. */
static double
expect_first(stage *s, uint64_t assignment)
{
    kofn_msg_result result;
    kofn_bands c;
    double first;
    expect_result(s, &result, &c);
    assert_int_equal(result.assignment, assignment);
    assert_int_equal(result.status, KOFN_OK);
    memcpy(&first, c.at[0].mat.data, sizeof first);
    kofn_bands_fini(&c);
    return first;
}

/* The master is another one now: it knows nobody. */
static void
restart_master(stage *s)
{
    post(s, &kofn_refuse_message, &(kofn_msg_refuse){.status = KOFN_FAILED_PRECONDITION});
    s->welcome.epoch = NEXT_EPOCH;
    welcome_worker(s);
}

static void
recall(stage *s, uint64_t assignment, uint64_t held)
{
    post(s, &kofn_recall_message,
         &(kofn_msg_recall){.assignment = assignment,
                            .epoch = NEXT_EPOCH,
                            .held_assignment = held,
                            .held_epoch = EPOCH});
}

static void
settle(stage *s, uint64_t epoch, uint64_t assignment)
{
    kofn_msg_settlement answers[] = {{.epoch = epoch, .assignment = assignment}};
    post(s, &kofn_settled_message, &(kofn_msg_settled){.answers = {.at = answers, .count = 1}});
}

static void
forget_hello(stage *s)
{
    kofn_message_clear(&kofn_hello_message, &s->hello);
}

static void
an_answer_is_kept_listed_recalled_and_settled(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    assert_int_equal(s.hello.held.count, 0);
    assert_true(s.hello.keep_bytes > 0 && s.hello.cache_bytes > 0);
    send_named(&s, 7, 64, "", false);
    const double first = expect_first(&s, 7);
    restart_master(&s);
    assert_int_equal(s.hello.held.count, 1);
    const kofn_msg_held *held = s.hello.held.at;
    assert_int_equal(held->assignment, 7);
    assert_int_equal(held->epoch, EPOCH);
    assert_string_equal(held->job, "00c0ffee00c0ffee");
    assert_string_equal(held->answer, "answer 7");
    forget_hello(&s);

    for (uint64_t number = 1; number <= 2; number++) { // as often as the master likes
        recall(&s, number, 7);
        assert_true(expect_first(&s, number) == first);
    }
    settle(&s, EPOCH, 8); // unknown, like those of another epoch
    settle(&s, 4711, 7);
    settle(&s, NEXT_EPOCH, 2);
    recall(&s, 3, 7);
    expect_status(&s, 3, KOFN_NOT_FOUND);
    stage_close(&s);
}

static void
what_is_computed_for_a_lost_master_goes_on(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.inject.sleep_ns = KOFN_NS_PER_S / 2;
    stage_init(&s);
    bind_master(&s, "inproc://master");
    start_worker(&s, &config);
    welcome_worker(&s);
    send_named(&s, 1, 64, "", false);
    send_named(&s, 2, 64, "", false);
    restart_master(&s);
    assert_int_equal(s.hello.held.count, 2);
    forget_hello(&s);
    recall(&s, 11, 1);
    settle(&s, EPOCH, 2);
    (void)expect_first(&s, 11);
    recall(&s, 12, 2);
    expect_status(&s, 12, KOFN_NOT_FOUND); // it was given up
    stage_close(&s);
}

static void
a_budget_of_nothing_keeps_nothing(void **state)
{
    (void)state;
    stage s;
    kofn_worker_config config = default_config();
    config.keep = config.cache = 0;
    stage_init(&s);
    bind_master(&s, "inproc://master");
    start_worker(&s, &config);
    welcome_worker(&s);
    assert_int_equal(s.hello.keep_bytes, 0);
    assert_int_equal(s.hello.cache_bytes, 0);
    send_named(&s, 1, 64, "block", false);
    (void)expect_first(&s, 1);
    send_named(&s, 2, 64, "block", true);
    expect_status(&s, 2, KOFN_NOT_FOUND);
    restart_master(&s);
    assert_int_equal(s.hello.held.count, 0);
    assert_int_equal(s.hello.cached.count, 0);
    forget_hello(&s);
    stage_close(&s);
}

static void
a_named_block_stands_for_itself_and_for_no_other(void **state)
{
    (void)state;
    stage s;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    send_named(&s, 1, 64, "block", true); // nothing was ever sent
    expect_status(&s, 1, KOFN_NOT_FOUND);
    send_named(&s, 2, 64, "block", false);
    const double first = expect_first(&s, 2);
    send_named(&s, 3, 64, "block", true);
    assert_true(expect_first(&s, 3) == first);
    send_named(&s, 4, 64, "black", true);
    expect_status(&s, 4, KOFN_NOT_FOUND);
    send_named(&s, 5, 65, "block", true); // of another shape
    expect_status(&s, 5, KOFN_INVALID_ARGUMENT);
    assert_works(&s, 6);
    restart_master(&s);
    assert_int_equal(s.hello.cached.count, 1);
    assert_string_equal(((const kofn_msg_block_name *)s.hello.cached.at)->name, "block");
    forget_hello(&s);
    stage_close(&s);
}

static void
names_for_some_operands_only_are_invalid(void **state)
{
    (void)state;
    stage s;
    task t;
    stage_open(&s, "inproc://master", NULL);
    welcome_worker(&s);
    make_task(&s, 1, KOFN_F64, 8, 8, 8, &t);
    kofn_msg_task_block blocks[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    t.head.blocks = (kofn_wire_list){.at = blocks, .count = 3};
    send_task(&s, &t);
    expect_status(&s, 1, KOFN_INVALID_ARGUMENT);
    t.head.assignment = 2;
    t.head.blocks.count = 1;
    send_task(&s, &t);
    expect_status(&s, 2, KOFN_INVALID_ARGUMENT);
    free_task(&t);
    assert_works(&s, 3);
    stage_close(&s);
}

/* Room for one block beside the task: the first is pushed out, and the master hears of it. */
static void
a_block_that_is_pushed_out_is_told(void **state)
{
    (void)state;
    enum { SIZE = 64 };
    stage s;
    kofn_worker_config config = default_config();
    config.cache = SIZE * SIZE * 8 * 3 / 2;
    stage_init(&s);
    bind_master(&s, "inproc://master");
    start_worker(&s, &config);
    welcome_worker(&s);
    send_named(&s, 1, SIZE, "first", false);
    (void)expect_first(&s, 1);
    send_named(&s, 2, SIZE, "second", false);
    (void)expect_first(&s, 2);
    kofn_msg_evicted evicted;
    expect(&s, &kofn_evicted_message, &evicted);
    assert_int_equal(evicted.blocks.count, 1);
    assert_string_equal(((const kofn_msg_block_name *)evicted.blocks.at)->name, "first");
    kofn_message_clear(&kofn_evicted_message, &evicted);
    stage_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_blas),
        cmocka_unit_test(large_products_travel_in_many_bands),
        cmocka_unit_test(empty_matrices_give_empty_or_zero_products),
        cmocka_unit_test(single_precision_is_a_field_of_its_own),
        cmocka_unit_test(finite_fields_take_turns),
        cmocka_unit_test(outer_products_of_many_operands_are_those_of_their_elements),
        cmocka_unit_test(outer_products_over_bytes_are_exact),
        cmocka_unit_test(impossible_outer_tasks_are_answered_with_a_status),
        cmocka_unit_test(not_a_number_is_multiplied_and_reported),
        cmocka_unit_test(impossible_tasks_are_answered_with_a_status),
        cmocka_unit_test(transfer_that_ends_early_is_invalid),
        cmocka_unit_test(blocks_in_the_wrong_order_are_invalid),
        cmocka_unit_test(task_that_does_not_fit_the_memory_is_refused_and_its_blocks_acknowledged),
        cmocka_unit_test(task_over_the_credit_is_refused),
        cmocka_unit_test(task_of_another_epoch_is_dropped),
        cmocka_unit_test(task_held_already_is_dropped),
        cmocka_unit_test(running_task_is_given_up_between_panels),
        cmocka_unit_test(queued_task_is_dropped_at_once),
        cmocka_unit_test(sleeping_task_is_woken_by_a_cancel),
        cmocka_unit_test(task_cancelled_while_it_arrives_gets_no_result),
        cmocka_unit_test(cancels_of_the_unknown_are_dropped),
        cmocka_unit_test(cancel_of_another_epoch_is_dropped),
        cmocka_unit_test(cancel_stops_a_result_in_the_middle),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(task_with_garbage_for_blocks_is_invalid),
        cmocka_unit_test(worker_beats_without_being_asked),
        cmocka_unit_test(hello_is_said_again_until_somebody_answers),
        cmocka_unit_test(the_last_of_several_welcomes_counts_alone),
        cmocka_unit_test(missing_welcome_is_waited_for_and_then_the_worker_connects_anew),
        cmocka_unit_test(silent_master_is_given_up_and_greeted_anew),
        cmocka_unit_test(what_was_held_for_a_lost_master_is_dropped),
        cmocka_unit_test(a_damaged_message_ends_the_session),
        cmocka_unit_test(worker_unknown_to_its_master_says_hello_at_once),
        cmocka_unit_test(refused_worker_lives_and_tries_again),
        cmocka_unit_test(ack_for_more_than_is_out_ends_the_session),
        cmocka_unit_test(heartbeat_of_another_epoch_ends_the_session),
        cmocka_unit_test(worker_finds_a_master_that_comes_late_and_one_that_comes_back),
        cmocka_unit_test(absurd_welcome_is_taken_within_reason),
        cmocka_unit_test(stopped_worker_finishes_what_it_holds),
        cmocka_unit_test(task_that_outlasts_the_grace_is_handed_back),
        cmocka_unit_test(second_stop_does_not_wait),
        cmocka_unit_test(stop_that_meets_the_welcome_is_not_forgotten),
        cmocka_unit_test(worker_without_a_master_stops_at_once),
        cmocka_unit_test(frozen_worker_is_silent_and_still_stops),
        cmocka_unit_test(wrong_answers_are_wrong),
        cmocka_unit_test(stragglers_of_a_stream_are_slow_in_their_rounds_and_slots_alone),
        cmocka_unit_test(a_model_that_cannot_be_had_stops_the_start),
        cmocka_unit_test(endpoint_that_is_none_stops_the_start),
        cmocka_unit_test(an_answer_is_kept_listed_recalled_and_settled),
        cmocka_unit_test(what_is_computed_for_a_lost_master_goes_on),
        cmocka_unit_test(a_budget_of_nothing_keeps_nothing),
        cmocka_unit_test(a_named_block_stands_for_itself_and_for_no_other),
        cmocka_unit_test(names_for_some_operands_only_are_invalid),
        cmocka_unit_test(a_block_that_is_pushed_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
