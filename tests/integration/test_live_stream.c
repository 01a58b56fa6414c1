/* Streams with real daemons, and a client that knows nothing but the protocol: every product is
 * compared with OpenBLAS's, while workers are slow, stopped or killed, and clients come and go. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include "common/base/clock.h"
#include "common/base/rng.h"

#include <cblas.h>
#include <float.h>
#include <math.h>

#define SLOW "inject:\n  sleep: 3ms\n" // so that what happens to workers happens in mid-stream

enum { WINDOW = 1 << 30, JOBS_MAX = 128, PRIME = 65521 };

/* ---- jobs ------------------------------------------------------------------------------------ */

typedef struct job {
    size_t rows, inner, cols;
    double *a, *b; // in f32 and GF(p), too: numbers of those
} job;

typedef struct feed { // a client of one stream
    raw_peer peer;
    char stream[KOFN_ID_MAX];
    const char *field, *dtype;
    size_t limit, delay;
    uint64_t pushed, answered;
    kofn_rng rng;
    job jobs[JOBS_MAX + 1]; // by index
} feed;

static double
draw(feed *f)
{
    if (f->field[0] == 'g')
        return (double)kofn_rng_below(&f->rng, PRIME);
    const double real = kofn_rng_unit(&f->rng) - 0.5;
    return f->field[1] == '3' ? (double)(float)real : real;
}

static double *
draw_matrix(feed *f, size_t rows, size_t cols)
{
    double *at = malloc(rows * cols * sizeof *at);
    assert_non_null(at);
    for (size_t i = 0; i < rows * cols; i++)
        at[i] = draw(f);
    return at;
}

/* Odd shapes, each job its own. */
static job *
make_job(feed *f, uint64_t index)
{
    assert_in_range(index, 1, JOBS_MAX);
    job *made = &f->jobs[index];
    if (made->a)
        return made; // it is pushed again
    made->rows = 1 + kofn_rng_below(&f->rng, 60);
    made->inner = 1 + kofn_rng_below(&f->rng, 50);
    made->cols = 1 + kofn_rng_below(&f->rng, 40);
    made->a = draw_matrix(f, made->rows, made->inner);
    made->b = draw_matrix(f, made->inner, made->cols);
    return made;
}

static unsigned char *
put_number(unsigned char *at, unsigned char marker, uint64_t value, size_t width)
{
    *at++ = marker;
    for (size_t i = width; i-- > 0;)
        *at++ = (unsigned char)(value >> (8 * i));
    return at;
}

/* rows x cols numbers as one block frame of the feed's dtype. */
static void
send_block(feed *f, const double *at, size_t rows, size_t cols, bool more)
{
    const kofn_dtype dtype = kofn_dtype_parse(f->dtype);
    const size_t width = kofn_dtype_width(dtype), bytes = rows * cols * width;
    unsigned char *frame = malloc(64 + bytes), *to = frame;
    assert_non_null(frame);
    *to++ = 0x95;
    *to++ = (unsigned char)dtype;
    to = put_number(to, 0xce, rows, 4);
    to = put_number(to, 0xce, cols, 4);
    to = put_number(to, 0xce, 0, 4);
    to = put_number(to, 0xc6, bytes, 4);
    for (size_t i = 0; i < rows * cols; i++, to += width) {
        const float single = (float)at[i];
        const uint32_t whole = (uint32_t)at[i];
        memcpy(to,
               dtype == KOFN_F64   ? (const void *)&at[i]
               : dtype == KOFN_F32 ? (const void *)&single
                                   : &whole,
               width);
    }
    raw_send(&f->peer, frame, (size_t)(to - frame), more);
    free(frame);
}

static double
read_number(const feed *f, const unsigned char *at)
{
    double real;
    float single;
    uint32_t whole;
    if (strcmp(f->dtype, "f64") == 0)
        return memcpy(&real, at, sizeof real), real;
    if (strcmp(f->dtype, "f32") == 0)
        return memcpy(&single, at, sizeof single), (double)single;
    return memcpy(&whole, at, sizeof whole), (double)whole;
}

/* |C - A B| <= 8 (amplification + 1) inner eps max|A| max|B|, elementwise; over GF(p): A B. */
static void
assert_right(const feed *f, const job *j, const unsigned char *c, double amplification)
{
    const size_t width = kofn_dtype_width(kofn_dtype_parse(f->dtype));
    const double eps = f->field[1] == '3' ? FLT_EPSILON : DBL_EPSILON;
    double *right = malloc(j->rows * j->cols * sizeof *right);
    assert_non_null(right);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)j->rows, (int)j->cols,
                (int)j->inner, 1, j->a, (int)j->inner, j->b, (int)j->cols, 0, right, (int)j->cols);
    for (size_t i = 0; i < j->rows * j->cols; i++) {
        const double got = read_number(f, c + i * width);
        if (f->field[0] == 'g') // sums are below 2^53
            assert_true(got == fmod(right[i], PRIME));
        else
            assert_at_most(fabs(got - right[i]),
                           8 * (amplification + 1) * (double)j->inner * eps * 0.25);
    }
    free(right);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void
connect_feed(cluster *c, feed *f)
{
    raw_open(&f->peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
}

static feed *
open_feed(cluster *c, kofn_msg_open_stream asked)
{
    feed *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->field = asked.field[0] ? asked.field : "f64";
    f->field = f->field[0] == 'g' ? "gfp:65521" : f->field[1] == '3' ? "f32" : "f64";
    f->dtype = f->field[0] == 'g' ? "u32" : f->field;
    kofn_rng_init(&f->rng, test_seed(11), 0);
    connect_feed(c, f);
    kofn_msg_call call = {.call = 1000, .window = WINDOW};
    kofn_msg_stream opened;
    raw_message message;
    raw_call(&f->peer, &call, KOFN_METHOD_OPEN_STREAM, &asked, false);
    raw_expect_reply(&f->peer, 1000, KOFN_OK, KOFN_METHOD_OPEN_STREAM, &opened, &message);
    memcpy(f->stream, opened.id, sizeof f->stream);
    f->limit = opened.limit;
    f->delay = opened.delay;
    kofn_message_clear(&kofn_stream_message, &opened);
    raw_message_fini(&message);
    return f;
}

static void
close_feed(feed **f_p)
{
    feed *f = *f_p;
    raw_close(&f->peer);
    for (size_t i = 0; i <= JOBS_MAX; i++) {
        free(f->jobs[i].a);
        free(f->jobs[i].b);
    }
    free(f);
    *f_p = NULL;
}

/* Its call is numbered like the job. */
static void
push(feed *f, uint64_t index)
{
    const job *j = make_job(f, index);
    kofn_msg_call call = {.call = index, .window = WINDOW};
    kofn_msg_push push = {.index = index, .received = f->answered};
    push.a = (kofn_msg_matrix){.rows = j->rows, .cols = j->inner};
    push.b = (kofn_msg_matrix){.rows = j->inner, .cols = j->cols};
    (void)snprintf(push.stream, sizeof push.stream, "%s", f->stream);
    (void)snprintf(push.a.dtype, sizeof push.a.dtype, "%s", f->dtype);
    (void)snprintf(push.b.dtype, sizeof push.b.dtype, "%s", f->dtype);
    raw_call(&f->peer, &call, KOFN_METHOD_PUSH, &push, true);
    send_block(f, j->a, j->rows, j->inner, true);
    send_block(f, j->b, j->inner, j->cols, false);
    f->pushed = index > f->pushed ? index : f->pushed;
}

/* The reply to the push of this index, with the right product; its account, without lists. */
static kofn_msg_job
expect(feed *f, uint64_t index)
{
    const job *j = &f->jobs[index];
    kofn_msg_outcome answer;
    raw_message message;
    raw_expect_reply(&f->peer, index, KOFN_OK, KOFN_METHOD_PUSH, &answer, &message);
    const kofn_msg_job account = answer.job;
    assert_string_equal(account.stream, f->stream);
    assert_int_equal(account.index, index);
    assert_int_equal(answer.c.rows, j->rows);
    assert_int_equal(answer.c.cols, j->cols);
    assert_true(account.born >= 1 && account.finished >= account.born);
    assert_true(account.finished - account.born <= f->delay); // the invariant of all schemes
    assert_int_equal(message.count, 2);                       // such products go in one frame
    const size_t bytes = j->rows * j->cols * kofn_dtype_width(kofn_dtype_parse(f->dtype));
    const unsigned char *end = zmq_msg_data(&message.frame[1]);
    end += zmq_msg_size(&message.frame[1]);
    assert_right(f, j, end - bytes, account.amplification);
    kofn_message_clear(&kofn_outcome_message, &answer);
    raw_message_fini(&message);
    f->answered = index;
    return account;
}

static void
expect_failure(feed *f, uint64_t call, kofn_status status)
{
    raw_message message;
    raw_expect_reply(&f->peer, call, status, KOFN_METHOD_PUSH, NULL, &message);
    raw_message_fini(&message);
}

/* Push as the window allows, until `jobs` are answered. */
static void
run_until(feed *f, uint64_t jobs)
{
    while (f->answered < jobs) {
        while (f->pushed < jobs && f->pushed < f->answered + f->limit)
            push(f, f->pushed + 1);
        (void)expect(f, f->answered + 1);
    }
}

static kofn_msg_stream
finish(feed *f)
{
    kofn_msg_call call = {.call = 2000, .window = WINDOW};
    kofn_msg_close_stream order = {.abandon = false};
    kofn_msg_stream closed;
    raw_message message;
    (void)snprintf(order.stream, sizeof order.stream, "%s", f->stream);
    raw_call(&f->peer, &call, KOFN_METHOD_CLOSE_STREAM, &order, false);
    raw_expect_reply(&f->peer, 2000, KOFN_OK, KOFN_METHOD_CLOSE_STREAM, &closed, &message);
    assert_string_equal(closed.state, "closed");
    const kofn_msg_stream account = closed;
    kofn_message_clear(&kofn_stream_message, &closed);
    raw_message_fini(&message);
    return account;
}

/* As the master lists it; state "" when it does not. */
static kofn_msg_stream
look(feed *by, const char *stream)
{
    kofn_msg_call call = {.call = 3000, .window = WINDOW};
    const kofn_msg_nothing nothing = {0};
    kofn_msg_streams list;
    kofn_msg_stream found = {.state = ""};
    raw_message message;
    raw_call(&by->peer, &call, KOFN_METHOD_LIST_STREAMS, &nothing, false);
    raw_expect_reply(&by->peer, 3000, KOFN_OK, KOFN_METHOD_LIST_STREAMS, &list, &message);
    const kofn_msg_stream *at = list.streams.at;
    for (size_t i = 0; i < list.streams.count; i++)
        if (strcmp(at[i].id, stream) == 0)
            found = at[i];
    kofn_message_clear(&kofn_streams_message, &list);
    raw_message_fini(&message);
    return found;
}

static void
await_state(feed *by, const char *stream, const char *state)
{
    const int64_t until_ns = kofn_clock_ns() + (int64_t)(1e9 * cluster_get_patience_s());
    while (strcmp(look(by, stream).state, state) != 0)
        if (kofn_clock_ns() > until_ns) {
            cluster_note_in_vain();
            fail_msg("awaited stream %s to be '%s'", stream, state);
        }
}

static cluster *
start_slow(void **state, size_t workers)
{
    cluster *c = cluster_new_ready(state, "", 0);
    for (size_t worker = 0; worker < workers; worker++)
        cluster_start_worker(c, worker, SLOW);
    cluster_await_workers(c, workers);
    return c;
}

/* ---- products -------------------------------------------------------------------------------- */

static const char *const schemes[] = {"dip", "idip", "idip_burst", "polynomial", "uncoded"};

enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

static void
check_products(void **state, const char *field)
{
    cluster *c = cluster_new_ready(state, "", 4);
    for (size_t i = 0; i < SCHEMES; i++) {
        kofn_msg_open_stream asked = {.limit = 0};
        (void)snprintf(asked.scheme, sizeof asked.scheme, "%s", schemes[i]);
        (void)snprintf(asked.field, sizeof asked.field, "%s", field);
        feed *f = open_feed(c, asked);
        run_until(f, 40);
        const kofn_msg_stream closed = finish(f);
        assert_int_equal(closed.done, 40);
        assert_int_equal(closed.failed, 0);
        assert_in_range(closed.rounds, 40, 40 + 40 * f->delay);
        close_feed(&f);
    }
}

static void
every_scheme_multiplies_doubles(void **state)
{
    check_products(state, "f64");
}

static void
every_scheme_multiplies_floats(void **state)
{
    check_products(state, "f32");
}

static void
every_scheme_multiplies_residues(void **state)
{
    check_products(state, "gfp:65521");
}

static void
every_inner_family_serves(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    static const char *const families[] = {"rkrp", "polynomial", "orthopoly"};
    for (size_t i = 0; i < 3; i++) {
        kofn_msg_open_stream asked = {.scheme = "idip",
                                      .code = {.x = 3, .y = 2, .seed = 5, .has_seed = true}};
        (void)snprintf(asked.code.family, sizeof asked.code.family, "%s", families[i]);
        feed *f = open_feed(c, asked);
        run_until(f, 20);
        assert_int_equal(finish(f).done, 20);
        close_feed(&f);
    }
}

/* Where there are no plain rows, or nothing else. */
static void
the_inner_dimension_may_be_cut(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    const kofn_msg_open_stream asked[] = {
        {.scheme = "dip", .code = {.family = "matdot", .x = 1, .z = 3, .y = 1}},
        {.scheme = "uncoded", .code = {.x = 2, .z = 2, .y = 1}},
    };
    for (size_t i = 0; i < 2; i++) {
        feed *f = open_feed(c, asked[i]);
        run_until(f, 10);
        assert_int_equal(finish(f).done, 10);
        close_feed(&f);
    }
}

/* ---- workers --------------------------------------------------------------------------------- */

static void
a_worker_that_is_killed_leaves_its_slot_and_no_job_behind(void **state)
{
    cluster *c = start_slow(state, 4);
    for (size_t i = 0; i < SCHEMES; i++) {
        kofn_msg_open_stream asked = {.slots = 4, .code = {.x = 3, .y = 1}};
        (void)snprintf(asked.scheme, sizeof asked.scheme, "%s", schemes[i]);
        feed *f = open_feed(c, asked);
        run_until(f, 5);
        cluster_signal_worker(c, 0, SIGKILL);
        run_until(f, 30);
        cluster_await_workers(c, 3);
        run_until(f, 35);
        assert_int_equal(look(f, f->stream).vacant, 1);
        assert_int_equal(finish(f).done, 35);
        close_feed(&f);
        (void)cluster_await_worker_end(c, 0);
        cluster_start_worker(c, 0, SLOW);
        cluster_await_workers(c, 4);
    }
}

static void
a_spare_worker_takes_the_slot_of_one_that_is_killed(void **state)
{
    cluster *c = start_slow(state, 5);
    kofn_msg_open_stream asked = {.scheme = "idip", .slots = 4};
    feed *f = open_feed(c, asked);
    run_until(f, 5);
    for (size_t worker = 0; worker < 2; worker++) // one of the two held a slot, at least
        cluster_signal_worker(c, worker, SIGKILL);
    run_until(f, 20);
    cluster_await_workers(c, 3);
    assert_int_equal(look(f, f->stream).vacant, 1);
    for (size_t worker = 0; worker < 2; worker++) {
        (void)cluster_await_worker_end(c, worker);
        cluster_start_worker(c, worker, SLOW);
    }
    cluster_await_workers(c, 5);
    run_until(f, 40);
    assert_int_equal(look(f, f->stream).vacant, 0);
    assert_int_equal(finish(f).done, 40);
    close_feed(&f);
}

/* Silent, and not known to be lost: rounds go on without it, or wait until it is. */
static void
a_worker_that_is_stopped_costs_no_job(void **state)
{
    cluster *c = start_slow(state, 4);
    for (size_t i = 0; i < SCHEMES; i++) {
        kofn_msg_open_stream asked = {.slots = 4, .code = {.x = 3, .y = 1}};
        (void)snprintf(asked.scheme, sizeof asked.scheme, "%s", schemes[i]);
        feed *f = open_feed(c, asked);
        run_until(f, 5);
        cluster_signal_worker(c, 2, SIGSTOP);
        run_until(f, 30);
        cluster_signal_worker(c, 2, SIGCONT);
        cluster_await_workers(c, 4);
        run_until(f, 40);
        assert_int_equal(finish(f).done, 40);
        close_feed(&f);
    }
}

static void
a_stream_may_lose_all_workers_and_goes_on_with_the_next(void **state)
{
    cluster *c = start_slow(state, 2);
    kofn_msg_open_stream asked = {.scheme = "dip", .slots = 2};
    feed *f = open_feed(c, asked);
    run_until(f, 5);
    push(f, 6);
    for (size_t worker = 0; worker < 2; worker++)
        cluster_signal_worker(c, worker, SIGKILL);
    cluster_await_workers(c, 0);
    push(f, 7);
    cluster_start_worker(c, 4, SLOW);
    run_until(f, 12);
    assert_int_equal(finish(f).done, 12);
    close_feed(&f);
}

/* ---- company --------------------------------------------------------------------------------- */

static void
two_streams_and_ordinary_jobs_share_the_workers(void **state)
{
    cluster *c = start_slow(state, 4);
    kofn_msg_open_stream asked = {.scheme = "dip"},
                         other_asked = {.scheme = "idip", .field = "f32"};
    feed *one = open_feed(c, asked), *other = open_feed(c, other_asked);
    for (uint64_t jobs = 3; jobs <= 30; jobs += 3) {
        run_until(one, jobs);
        for (uint64_t i = 0; i < other->limit && other->pushed < 40; i++)
            if (other->pushed < other->answered + other->limit)
                push(other, other->pushed + 1); // in the background
        (void)cluster_multiply(c, &(product_wish){.rows = 30, .inner = 20, .cols = 10});
        run_until(other, jobs);
    }
    run_until(other, 40);
    assert_int_equal(finish(one).done, 30);
    assert_int_equal(finish(other).done, 40);
    close_feed(&one);
    close_feed(&other);
}

static void
what_goes_wrong_in_the_middle_is_told_in_its_turn(void **state)
{
    cluster *c = start_slow(state, 4);
    kofn_msg_open_stream asked = {.scheme = "idip"};
    feed *f = open_feed(c, asked);
    run_until(f, 3);
    push(f, 4);
    kofn_msg_call call = {.call = 5, .window = WINDOW}; // 5 does not fit
    kofn_msg_push misfit = {.index = 5,
                            .a = {.dtype = "f64", .rows = 4, .cols = 5},
                            .b = {.dtype = "f64", .rows = 6, .cols = 7}};
    (void)snprintf(misfit.stream, sizeof misfit.stream, "%s", f->stream);
    raw_call(&f->peer, &call, KOFN_METHOD_PUSH, &misfit, false);
    push(f, 6);
    (void)make_job(f, 7); // 7 has a block frame that is none
    call = (kofn_msg_call){.call = 7, .window = WINDOW};
    kofn_msg_push broken = {.index = 7,
                            .a = {.dtype = "f64", .rows = 4, .cols = 4},
                            .b = {.dtype = "f64", .rows = 4, .cols = 4}};
    memcpy(broken.stream, misfit.stream, sizeof broken.stream);
    raw_call(&f->peer, &call, KOFN_METHOD_PUSH, &broken, true);
    raw_send(&f->peer, "nonsense", 8, false);
    push(f, 8);
    for (uint64_t index = 4; index <= 8; index++)
        if (index % 2 == 0)
            (void)expect(f, index);
        else
            expect_failure(f, index, KOFN_INVALID_ARGUMENT);
    run_until(f, 12);
    const kofn_msg_stream closed = finish(f);
    assert_int_equal(closed.done, 10);
    assert_int_equal(closed.failed, 2);
    close_feed(&f);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void
a_client_that_goes_away_has_its_stream_closed(void **state)
{
    cluster *c = start_slow(state, 2);
    kofn_msg_open_stream asked = {.scheme = "idip", .grace_ms = 2000};
    feed *gone = open_feed(c, asked), *other = open_feed(c, asked);
    run_until(gone, 3);
    push(gone, 4);
    while (look(other, gone->stream).pushed < 4)
        ;
    raw_close(&gone->peer);
    await_state(other, gone->stream, "closed");
    await_state(other, gone->stream, "");
    run_until(other, 10); // whose stream is none the worse
    assert_int_equal(finish(other).done, 10);
    close_feed(&gone);
    close_feed(&other);
}

static void
a_client_that_comes_back_goes_on_where_it_was(void **state)
{
    cluster *c = start_slow(state, 4);
    kofn_msg_open_stream asked = {.scheme = "dip", .grace_ms = 60000};
    feed *f = open_feed(c, asked);
    for (uint64_t times = 1; times <= 4; times++) {
        run_until(f, 5 * times);
        for (uint64_t i = 1; i <= 3; i++)
            push(f, 5 * times + i); // may have come whole, or not, or be answered
        raw_close(&f->peer);
        connect_feed(c, f);
        for (uint64_t i = 1; i <= 3; i++)
            push(f, 5 * times + i);
        for (uint64_t i = 1; i <= 3; i++)
            (void)expect(f, 5 * times + i);
    }
    const kofn_msg_stream closed = finish(f);
    assert_int_equal(closed.done, 23);
    assert_int_equal(closed.pushed, 23);
    close_feed(&f);
}

static void
a_master_that_was_killed_knows_no_stream(void **state)
{
    cluster *c = start_slow(state, 2);
    kofn_msg_open_stream asked = {.scheme = "idip"};
    feed *f = open_feed(c, asked), *fresh;
    run_until(f, 3);
    cluster_kill_master(c);
    cluster_start_master(c);
    cluster_await_workers(c, 2); // which come back by themselves
    raw_close(&f->peer);
    connect_feed(c, f);
    push(f, 4);
    expect_failure(f, 4, KOFN_NOT_FOUND);
    fresh = open_feed(c, asked);
    run_until(fresh, 5);
    assert_int_equal(finish(fresh).done, 5);
    close_feed(&fresh);
    close_feed(&f);
}

/* Bodies by chance, of all methods of streams: the master answers each, and the stream goes on. */
static void
nonsense_harms_no_stream(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    kofn_msg_open_stream asked = {.scheme = "idip"};
    feed *f = open_feed(c, asked);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    raw_peer hostile;
    raw_open(&hostile, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    for (uint64_t i = 1; i <= 300; i++) {
        kofn_msg_push push = {.index = kofn_rng_below(&rng, 2)
                                           ? kofn_rng_u64(&rng)
                                           : f->pushed + 1 + kofn_rng_below(&rng, 3),
                              .received = kofn_rng_below(&rng, 4) ? 0 : kofn_rng_below(&rng, 9),
                              .a = {.dtype = "f64",
                                    .rows = kofn_rng_below(&rng, 1u << 31),
                                    .cols = kofn_rng_below(&rng, 1u << 31)},
                              .b = {.dtype = "f64",
                                    .rows = kofn_rng_below(&rng, 1u << 31),
                                    .cols = kofn_rng_below(&rng, 4)}};
        kofn_msg_open_stream open = {
            .slots = kofn_rng_below(&rng, 10001),
            .delay = kofn_rng_below(&rng, 65),
            .lambda = kofn_rng_below(&rng, 2) * kofn_rng_below(&rng, 10001),
            .failures = kofn_rng_below(&rng, 2) * kofn_rng_below(&rng, 650001),
            .window = kofn_rng_below(&rng, 66),
            .tolerance = kofn_rng_normal(&rng),
            .rescue = 1 / (kofn_rng_unit(&rng) - 0.5),
            .limit = kofn_rng_below(&rng, 1025),
            .grace_ms = 1,
            .code = {.x = kofn_rng_below(&rng, 65537), .y = kofn_rng_below(&rng, 65537)}};
        kofn_msg_close_stream close = {.abandon = true};
        const char *const id = kofn_rng_below(&rng, 2) ? f->stream : "00000000000000ff";
        (void)snprintf(push.stream, sizeof push.stream, "%s", id);
        (void)snprintf(close.stream, sizeof close.stream, "%.15s", f->stream);
        (void)snprintf(open.scheme, sizeof open.scheme, "%s", schemes[i % SCHEMES]);
        kofn_msg_call call = {.call = i, .window = 0};
        const uint64_t kind = kofn_rng_below(&rng, 3);
        const bool own =
            kind == 0 && id == f->stream && push.index > f->pushed && push.index <= f->pushed + 1;
        if (own)
            continue; // that would be a push
        if (kind == 0)
            raw_call(&hostile, &call, KOFN_METHOD_PUSH, &push, false);
        else if (kind == 1)
            raw_call(&hostile, &call, KOFN_METHOD_OPEN_STREAM, &open, false);
        else
            raw_call(&hostile, &call, KOFN_METHOD_CLOSE_STREAM, &close, false);
        kofn_msg_reply reply;
        raw_message message;
        raw_expect(&hostile, "reply", &reply, &message);
        assert_int_equal(reply.call, i);
        raw_message_fini(&message);
        if (i % 30 == 0)
            run_until(f, i / 30 * 5);
    }
    raw_close(&hostile);
    assert_int_equal(finish(f).failed, 0);
    close_feed(&f);
}

#define T(name_) cmocka_unit_test_teardown(name_, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_scheme_multiplies_doubles),
        T(every_scheme_multiplies_floats),
        T(every_scheme_multiplies_residues),
        T(every_inner_family_serves),
        T(the_inner_dimension_may_be_cut),
        T(a_worker_that_is_killed_leaves_its_slot_and_no_job_behind),
        T(a_spare_worker_takes_the_slot_of_one_that_is_killed),
        T(a_worker_that_is_stopped_costs_no_job),
        T(a_stream_may_lose_all_workers_and_goes_on_with_the_next),
        T(two_streams_and_ordinary_jobs_share_the_workers),
        T(what_goes_wrong_in_the_middle_is_told_in_its_turn),
        T(a_client_that_goes_away_has_its_stream_closed),
        T(a_client_that_comes_back_goes_on_where_it_was),
        T(a_master_that_was_killed_knows_no_stream),
        T(nonsense_harms_no_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
