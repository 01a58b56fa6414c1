/* Streams of libkofn against a master that does what each test wants. Products are of 1 x 1
 * matrices: job i is i times 2.
 */
#include "tests/assert.h"

#include "client/engine.h"
#include "client/kofn.h"
#include "common/base/clock.h"
#include "tests/unit/fake_master.h"

#include <signal.h>
#include <sys/time.h>

enum { LIMIT = 4, JOBS_MAX = 64 };

typedef struct fixture {
    fake_master fake;
    kofn_client *client;
    kofn_stream *stream;
    double factors[JOBS_MAX + 1]; // [i] is i
} fixture;

static const char stream_id[] = "5eed5eed5eed5eed";

/* ---- handlers -------------------------------------------------------------------------------- */

static void
answer_open(fake_master *fake, const fake_call *call)
{
    kofn_msg_stream opened = {.state = "open",
                              .scheme = "dip",
                              .slots = 3,
                              .delay = 1,
                              .lambda = 3,
                              .need = 4,
                              .limit = call->opening.limit ? call->opening.limit : LIMIT,
                              .grace_ms = 5000,
                              .code = {.family = "polynomial", .x = 2, .z = 1, .y = 2},
                              .field = "f64"};
    memcpy(opened.id, stream_id, sizeof stream_id);
    fake_reply(fake, call, &kofn_stream_message, &opened);
}

static void
answer_list(fake_master *fake, const fake_call *call)
{
    kofn_msg_stream two[2] = {{.id = "b", .state = "open", .scheme = "idip", .pushed = 5},
                              {.id = "a", .state = "closed", .scheme = "dip", .dropped = 7}};
    const kofn_msg_streams list = {.streams = {.count = 2, .at = two}};
    fake_reply(fake, call, &kofn_streams_message, &list);
}

static void
answer_close(fake_master *fake, const fake_call *call)
{
    kofn_msg_stream closed = {.state = "closed", .rounds = 7, .waited = 2, .load_max = 3};
    memcpy(closed.id, stream_id, sizeof stream_id);
    for (size_t i = 0; i < fake->call_count; i++)
        closed.pushed += fake->calls[i].method == KOFN_METHOD_PUSH;
    closed.done = closed.pushed;
    fake_reply(fake, call, &kofn_stream_message, &closed);
}

static void
do_all(fake_master *fake, fake_call *call)
{
    if (call->method == KOFN_METHOD_OPEN_STREAM)
        answer_open(fake, call);
    if (call->method == KOFN_METHOD_PUSH)
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
    if (call->method == KOFN_METHOD_CLOSE_STREAM)
        answer_close(fake, call);
    if (call->method == KOFN_METHOD_LIST_STREAMS)
        answer_list(fake, call);
}

static void
do_open_only(fake_master *fake, fake_call *call)
{
    if (call->method != KOFN_METHOD_PUSH)
        do_all(fake, call);
}

/* ---- the usual ------------------------------------------------------------------------------- */

static void
begin(fixture *f, fake_handler *handle, void *test)
{
    kofn_error error;
    f->stream = NULL;
    f->client = NULL;
    fake_start(&f->fake, handle, test);
    const kofn_client_options options = {
        .endpoint = f->fake.endpoint, .patience_ms = 10000, .backoff_ms = 1, .backoff_max_ms = 20};
    assert_ok(kofn_client_open(&options, &f->client, &error));
    assert_ok(kofn_client_open_stream(f->client, NULL, &f->stream, &error));
    for (size_t i = 0; i <= JOBS_MAX; i++)
        f->factors[i] = (double)i;
}

static void
end(fixture *f)
{
    kofn_stream_abandon(&f->stream);
    kofn_client_close(&f->client);
    fake_stop(&f->fake);
}

static kofn_matrix
number(const fixture *f, size_t i)
{
    return (kofn_matrix){.data = &f->factors[i], .dtype = KOFN_F64, .rows = 1, .cols = 1};
}

static kofn_status
push(fixture *f, size_t i, kofn_error *err)
{
    const kofn_matrix a = number(f, i), b = number(f, 2);
    return kofn_stream_push(f->stream, &a, &b, &f->factors[i], err);
}

static void
assert_next_is(fixture *f, size_t i)
{
    kofn_error error;
    kofn_stream_product product;
    double c;
    assert_ok(kofn_stream_next(f->stream, -1, &product, &error));
    assert_int_equal(product.index, i);
    assert_ptr_equal(product.context, &f->factors[i]);
    assert_int_equal(product.error.status, KOFN_OK);
    assert_ok(kofn_result_copy(product.result, &c, 0, &error));
    assert_true(c == 2 * (double)i);
    kofn_result_destroy(&product.result);
}

static void
await_calls(fixture *f, size_t count)
{
    const int64_t until = kofn_clock_ns() + 20 * KOFN_NS_PER_S;
    while (f->fake.call_count < count && kofn_clock_ns() < until)
        (void)kofn_engine_step(f->client, kofn_clock_ns() + KOFN_NS_PER_MS);
    assert_true(f->fake.call_count >= count);
}

/* As one would: push while there is room, else take. */
static void
run_jobs(fixture *f, size_t count)
{
    kofn_error error;
    size_t pushed = 0, taken = 0;
    while (taken < count) {
        if (pushed < count && kofn_stream_count(f->stream) < kofn_stream_get_limit(f->stream))
            assert_ok(push(f, ++pushed, &error));
        else
            assert_next_is(f, ++taken);
    }
    assert_int_equal(kofn_stream_count(f->stream), 0);
}

/* ---- products -------------------------------------------------------------------------------- */

static void
a_stream_opens_pushes_takes_and_closes(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account account;
    (void)state;
    begin(&f, do_all, NULL);
    assert_string_equal(kofn_stream_get_account(f.stream)->stream, stream_id);
    assert_string_equal(kofn_stream_get_account(f.stream)->code.family, "polynomial");
    assert_int_equal(kofn_stream_get_account(f.stream)->need, 4);
    assert_int_equal(kofn_stream_get_limit(f.stream), LIMIT);
    run_jobs(&f, 20);
    assert_ok(kofn_stream_close(&f.stream, &account, &error));
    assert_null(f.stream);
    assert_string_equal(account.state, "closed");
    assert_int_equal(account.pushed, 20);
    assert_int_equal(account.rounds, 7);
    assert_int_equal(account.waited, 2);
    end(&f);
    size_t index = 0;
    for (size_t i = 0; i < f.fake.call_count; i++) {
        const fake_call *call = &f.fake.calls[i];
        if (call->method != KOFN_METHOD_PUSH)
            continue;
        assert_string_equal(call->push.stream, stream_id);
        assert_int_equal(call->push.index, ++index);
        assert_true(call->push.received < index && call->push.received + LIMIT >= index);
    }
    assert_int_equal(index, 20);
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void
answer_with_trace(fake_master *fake, fake_call *call)
{
    if (call->method != KOFN_METHOD_CLOSE_STREAM) {
        do_all(fake, call);
        return;
    }
    kofn_msg_stream closed = *(const kofn_msg_stream *)fake->test;
    if (!call->closing.trace)
        closed.trace = (kofn_wire_bytes){0};
    memcpy(closed.id, stream_id, sizeof stream_id);
    fake_reply(fake, call, &kofn_stream_message, &closed);
}

static void
who_asks_for_the_trace_gets_it_row_by_row(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account account;
    kofn_stream_trace trace;
    unsigned char bits[] = {0x01, 0x01, 0x00, 0x00, 0x84, 0xfe}; // beyond the slots: padding
    kofn_msg_stream closed = {.state = "closed",
                              .slots = 9,
                              .rounds = 30,
                              .late = 77,
                              .timed = 5,
                              .slowdown = 3.5,
                              .trace = {bits, sizeof bits}};
    (void)state;
    begin(&f, answer_with_trace, &closed);
    run_jobs(&f, 3);
    assert_ok(kofn_stream_close_traced(&f.stream, &account, &trace, &error));
    end(&f);
    assert_int_equal(account.late, 77);
    assert_int_equal(account.timed, 5);
    assert_true(account.slowdown == 3.5);
    assert_int_equal(trace.slots, 9);
    assert_int_equal(trace.rounds, 3);
    assert_int_equal(trace.first, 28);
    static const uint8_t late[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, //
                                   0, 0, 0, 0, 0, 0, 0, 0, 0, //
                                   0, 0, 1, 0, 0, 0, 0, 1, 0};
    assert_memory_equal(trace.late, late, sizeof late);
    kofn_stream_trace_fini(&trace);
    kofn_stream_trace_fini(&trace);
    assert_null(trace.late);
}

static void
assert_trace_refused(kofn_msg_stream *closed, kofn_status status)
{
    fixture f;
    kofn_error error;
    kofn_stream_trace trace = {.rounds = 99};
    begin(&f, answer_with_trace, closed);
    assert_fails(kofn_stream_close_traced(&f.stream, NULL, &trace, &error), status);
    assert_null(f.stream); // over in every case
    assert_int_equal(trace.rounds, 99);
    end(&f);
}

static void
a_trace_that_is_none_is_refused(void **state)
{
    unsigned char bits[8] = {0};
    kofn_msg_stream closed = {.state = "closed", .slots = 9, .rounds = 4};
    (void)state;
    assert_trace_refused(&closed, KOFN_UNIMPLEMENTED); // of an older master
    closed.trace = (kofn_wire_bytes){bits, 7};
    assert_trace_refused(&closed, KOFN_INTERNAL); // half a row
    closed.trace.length = 8;
    closed.rounds = 3;
    assert_trace_refused(&closed, KOFN_INTERNAL); // more rows than rounds
    closed.rounds = 100;
    static const uint64_t slots[] = {0, 65, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        closed.slots = slots[i];
        assert_trace_refused(&closed, KOFN_INTERNAL);
    }
}

static void
a_stream_without_rounds_has_an_empty_trace(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_trace trace;
    kofn_msg_stream closed = {.state = "closed", .slots = 9};
    (void)state;
    begin(&f, answer_with_trace, &closed);
    assert_ok(kofn_stream_close_traced(&f.stream, NULL, &trace, &error));
    end(&f);
    assert_int_equal(trace.rounds, 0);
    kofn_stream_trace_fini(&trace);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static void
note_opening(fake_master *fake, fake_call *call)
{
    if (call->method == KOFN_METHOD_OPEN_STREAM)
        *(kofn_msg_open_stream *)fake->test = call->opening;
    do_all(fake, call);
}

static void
what_is_asked_of_a_stream_arrives(void **state)
{
    fixture f;
    kofn_msg_open_stream asked; // its list is the fake's
    kofn_error error;
    kofn_stream *other = NULL;
    const kofn_stream_options options = {.scheme = "idip_burst",
                                         .code = {.family = "rkrp", .x = 3, .z = 1, .y = 4},
                                         .field = "f32",
                                         .slots = 5,
                                         .delay = 6,
                                         .lambda = 4,
                                         .failures = 8,
                                         .window = 7,
                                         .burst = 2,
                                         .tolerance = 0.25,
                                         .rescue = -1,
                                         .limit = 9,
                                         .grace_ms = 1234};
    (void)state;
    begin(&f, note_opening, &asked);
    assert_ok(kofn_client_open_stream(f.client, &options, &other, &error));
    assert_int_equal(kofn_stream_get_limit(other), 9);
    kofn_stream_abandon(&other);
    end(&f);
    assert_string_equal(asked.scheme, "idip_burst");
    assert_string_equal(asked.code.family, "rkrp");
    assert_int_equal(asked.code.x, 3);
    assert_int_equal(asked.code.y, 4);
    assert_string_equal(asked.field, "f32");
    const uint64_t got[] = {asked.slots,  asked.delay, asked.lambda, asked.failures,
                            asked.window, asked.burst, asked.limit,  asked.grace_ms};
    const uint64_t want[] = {5, 6, 4, 8, 7, 2, 9, 1234};
    assert_memory_equal(got, want, sizeof want);
    assert_true(asked.tolerance == 0.25);
    assert_true(asked.rescue == -1);
}

/* Once four are there: the last first. */
static void
answer_backwards(fake_master *fake, fake_call *call)
{
    if (call->method != KOFN_METHOD_PUSH) {
        do_all(fake, call);
        return;
    }
    for (size_t i = fake->call_count; call->push.index % LIMIT == 0 && i-- > 0;)
        if (fake->calls[i].method == KOFN_METHOD_PUSH &&
            fake->calls[i].push.index + LIMIT > call->push.index)
            fake_multiply(fake, &fake->calls[i], KOFN_CHUNK_BYTES);
}

static void
products_come_in_the_order_of_the_pushes(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, answer_backwards, NULL);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 1; i <= LIMIT; i++)
            assert_ok(push(&f, round * LIMIT + i, &error));
        for (size_t i = 1; i <= LIMIT; i++)
            assert_next_is(&f, round * LIMIT + i);
    }
    end(&f);
}

static void
a_push_beyond_the_limit_waits_for_a_product_to_be_taken(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, do_all, NULL);
    for (size_t i = 1; i <= LIMIT; i++)
        assert_ok(push(&f, i, &error));
    assert_fails(push(&f, LIMIT + 1, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(kofn_stream_count(f.stream), LIMIT);
    assert_next_is(&f, 1);
    assert_ok(push(&f, LIMIT + 1, &error));
    for (size_t i = 2; i <= LIMIT + 1; i++)
        assert_next_is(&f, i);
    end(&f);
}

static void
operands_that_do_not_fit_use_up_no_index(void **state)
{
    fixture f;
    kofn_error error;
    double two[2] = {1, 2};
    const kofn_matrix wide = {.data = two, .dtype = KOFN_F64, .rows = 1, .cols = 2};
    (void)state;
    begin(&f, do_all, NULL);
    assert_fails(kofn_stream_push(f.stream, &wide, &wide, NULL, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(kofn_stream_count(f.stream), 0);
    run_jobs(&f, 3);
    end(&f);
}

static void
stored_operands_are_pushed_by_their_ids(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, do_open_only, NULL);
    const kofn_matrix a = {.operand = "0123456789abcdef", .transposed = true};
    const kofn_matrix b = number(&f, 2);
    assert_ok(kofn_stream_push(f.stream, &a, &b, NULL, &error));
    while (f.fake.call_count < 2)
        (void)kofn_engine_step(f.client, kofn_clock_ns() + KOFN_NS_PER_MS);
    end(&f);
    const kofn_msg_push *pushed = &f.fake.calls[1].push;
    assert_string_equal(pushed->operand_a, "0123456789abcdef");
    assert_true(pushed->transpose_a);
    assert_string_equal(pushed->operand_b, "");
    assert_int_equal(pushed->b.rows, 1);
}

static void
streams_are_listed(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account *streams = NULL;
    size_t count = 0;
    (void)state;
    begin(&f, do_all, NULL);
    assert_ok(kofn_client_list_streams(f.client, &streams, &count, &error));
    end(&f);
    assert_int_equal(count, 2);
    assert_string_equal(streams[0].stream, "b");
    assert_int_equal(streams[0].pushed, 5);
    assert_string_equal(streams[1].scheme, "dip");
    assert_int_equal(streams[1].dropped, 7);
    free(streams);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void
next_says_when_there_is_nothing_yet_or_nothing_at_all(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_product product = {.index = 77};
    (void)state;
    begin(&f, do_open_only, NULL);
    assert_fails(kofn_stream_next(f.stream, 0, &product, &error), KOFN_FAILED_PRECONDITION);
    assert_int_equal(product.index, 77);
    assert_ok(push(&f, 1, &error));
    assert_ok(kofn_stream_next(f.stream, 0, &product, &error));
    assert_int_equal(product.index, 0);
    assert_null(product.result);
    assert_ok(kofn_stream_next(f.stream, 20, &product, &error));
    assert_int_equal(product.index, 0);
    assert_int_equal(kofn_stream_count(f.stream), 1);
    end(&f);
}

static void
note_signal(int number)
{
    (void)number;
}

static void
a_signal_ends_a_wait_for_the_next(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_product product;
    struct sigaction before;
    const struct sigaction action = {.sa_handler = note_signal};
    const struct itimerval often = {.it_value = {.tv_usec = 20000},
                                    .it_interval = {.tv_usec = 20000}};
    const struct itimerval never = {0};
    (void)state;
    begin(&f, do_open_only, NULL);
    assert_ok(push(&f, 1, &error));
    (void)sigaction(SIGALRM, &action, &before);
    (void)setitimer(ITIMER_REAL, &often, NULL);
    assert_ok(kofn_stream_next(f.stream, -1, &product, &error));
    (void)setitimer(ITIMER_REAL, &never, NULL);
    (void)sigaction(SIGALRM, &before, NULL);
    assert_int_equal(product.index, 0);
    end(&f);
}

static void
calls_and_pushes_do_not_meet(void **state)
{
    fixture f;
    kofn_error error;
    kofn_call *call = NULL;
    (void)state;
    begin(&f, do_all, NULL);
    assert_ok(push(&f, 1, &error));
    assert_fails(kofn_client_next(f.client, -1, &call, &error), KOFN_FAILED_PRECONDITION);
    assert_next_is(&f, 1);
    end(&f);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void
fail_every_third(fake_master *fake, fake_call *call)
{
    if (call->method == KOFN_METHOD_PUSH && call->push.index % 3 == 0)
        fake_fail_job(fake, call, call->push.index % 2 ? KOFN_UNAVAILABLE : KOFN_NOT_FOUND, "woe");
    else
        do_all(fake, call);
}

static void
a_job_that_fails_is_told_in_its_turn_and_the_stream_goes_on(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_product product;
    (void)state;
    begin(&f, fail_every_third, NULL);
    for (size_t i = 1; i <= 12; i++) {
        assert_ok(push(&f, i, &error));
        if (i % 3 != 0) {
            assert_next_is(&f, i);
            continue;
        }
        assert_ok(kofn_stream_next(f.stream, -1, &product, &error));
        assert_int_equal(product.index, i);
        assert_ptr_equal(product.context, &f.factors[i]);
        assert_null(product.result);
        assert_int_equal(product.error.status, i % 2 ? KOFN_UNAVAILABLE : KOFN_NOT_FOUND);
        assert_string_equal(product.error.text, "woe");
    }
    assert_ok(kofn_stream_close(&f.stream, NULL, &error));
    end(&f);
    assert_int_equal(f.fake.call_count, 14); // none was made twice
}

static void
forget_from_the_third(fake_master *fake, fake_call *call)
{
    if (call->method == KOFN_METHOD_PUSH && call->push.index >= 3)
        fake_refuse(fake, call, KOFN_NOT_FOUND, "no such stream", 0);
    else
        do_all(fake, call);
}

static void
close_from_the_third(fake_master *fake, fake_call *call)
{
    if (call->method == KOFN_METHOD_PUSH && call->push.index >= 3)
        fake_refuse(fake, call, KOFN_FAILED_PRECONDITION, "it was closed", 0);
    else
        do_all(fake, call);
}

static void
check_aborted(fake_handler *handle)
{
    fixture f;
    kofn_error error;
    kofn_stream_product product;
    begin(&f, handle, NULL);
    for (size_t i = 1; i <= 4; i++)
        assert_ok(push(&f, i, &error));
    assert_next_is(&f, 1);
    assert_next_is(&f, 2);
    assert_fails(kofn_stream_next(f.stream, -1, &product, &error), KOFN_ABORTED);
    assert_non_null(strstr(error.text, stream_id));
    assert_non_null(strstr(error.text, "2 of its products"));
    assert_fails(kofn_stream_next(f.stream, -1, &product, &error), KOFN_ABORTED);
    assert_fails(push(&f, 5, &error), KOFN_ABORTED);
    assert_fails(kofn_stream_close(&f.stream, NULL, &error), KOFN_ABORTED);
    assert_null(f.stream);
    end(&f);
}

static void
a_stream_that_the_master_has_forgotten_or_closed_is_aborted(void **state)
{
    (void)state;
    check_aborted(forget_from_the_third);
    check_aborted(close_from_the_third);
}

static void
open_too_wide(fake_master *fake, fake_call *call)
{
    call->opening.limit = 1ull << 40;
    answer_open(fake, call);
}

static void
a_limit_that_no_master_grants_is_not_believed(void **state)
{
    fixture f = {0};
    kofn_error error;
    (void)state;
    fake_start(&f.fake, open_too_wide, NULL);
    const kofn_client_options options = {.endpoint = f.fake.endpoint};
    assert_ok(kofn_client_open(&options, &f.client, &error));
    assert_fails(kofn_client_open_stream(f.client, NULL, &f.stream, &error), KOFN_INTERNAL);
    await_calls(&f, 2);
    end(&f);
    assert_int_equal(f.fake.calls[1].method,
                     KOFN_METHOD_CLOSE_STREAM); // it opened one all the same
    assert_true(f.fake.calls[1].closing.abandon);
    assert_string_equal(f.fake.calls[1].closing.stream, stream_id);
}

/* ---- again ----------------------------------------------------------------------------------- */

/* The master that loses its connection keeps the stream: it takes what comes in order, and
 * answers. */
typedef struct keeper {
    uint64_t expected; // index
    size_t gaps, repeats;
    size_t vanish_at[3], vanished; // pushes handled, ascending; 0: no more
    size_t handled;
} keeper;

static void
keep(fake_master *fake, fake_call *call)
{
    keeper *k = fake->test;
    if (call->method != KOFN_METHOD_PUSH) {
        do_all(fake, call);
        return;
    }
    k->handled++;
    k->gaps += call->push.index > k->expected;
    k->repeats += call->push.index < k->expected;
    if (call->push.index == k->expected)
        k->expected++;
    if (k->vanished < 3 && k->vanish_at[k->vanished] == k->handled) {
        k->vanished++;
        fake->vanish = true;
    } else {
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
    }
}

static void
pushes_are_repeated_in_order_when_the_connection_was_lost(void **state)
{
    fixture f;
    keeper k = {.expected = 1, .vanish_at = {3, 9, 10}};
    (void)state;
    begin(&f, keep, &k);
    run_jobs(&f, 30);
    end(&f);
    assert_int_equal(k.vanished, 3);
    assert_int_equal(k.gaps, 0);
    assert_true(k.repeats >= 1); // at least the one whose reply never came
    assert_int_equal(k.expected, 31);
}

/* A master without room puts a push off, and as gaps those behind it. */
typedef struct crowd {
    uint64_t expected;
    size_t put_off, gaps;
} crowd;

static void
put_off_thrice(fake_master *fake, fake_call *call)
{
    crowd *c = fake->test;
    if (call->method != KOFN_METHOD_PUSH) {
        do_all(fake, call);
    } else if (call->push.index > c->expected) {
        c->gaps++;
        fake_refuse(fake, call, KOFN_OUT_OF_RANGE, "a gap", 0);
    } else if (c->put_off < 3 * call->push.index) {
        c->put_off++;
        fake_refuse(fake, call, KOFN_RESOURCE_EXHAUSTED, "no room", 10);
    } else {
        c->expected++;
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
    }
}

static void
pushes_behind_one_that_was_put_off_wait_for_it(void **state)
{
    fixture f;
    crowd c = {.expected = 1};
    (void)state;
    begin(&f, put_off_thrice, &c);
    run_jobs(&f, 16); // far more refusals of jobs ahead than one push may have of its own
    end(&f);
    assert_int_equal(c.expected, 17);
    assert_int_equal(c.put_off, 48);
    /* Only what was on its way when the one before it was put off, each time. */
    assert_true(c.gaps <= c.put_off * (LIMIT - 1));
}

/* Room for one product, until the client says that it has come. The push behind it is refused more
 * often than a call may be, at last with the advice to come again in ten minutes. */
enum { REFUSALS = 12, TEN_MINUTES_MS = 600000 };

static void
keep_one_product(fake_master *fake, fake_call *call)
{
    atomic_size_t *refusals = fake->test;
    if (call->method == KOFN_METHOD_PUSH && call->push.received + 1 < call->push.index)
        fake_refuse(fake, call, KOFN_RESOURCE_EXHAUSTED, "products are kept",
                    ++*refusals < REFUSALS ? 1 : TEN_MINUTES_MS);
    else
        do_all(fake, call);
}

static void
a_push_that_waits_for_products_to_be_taken_says_so_at_once(void **state)
{
    fixture f;
    kofn_error error;
    atomic_size_t refusals = 0;
    (void)state;
    begin(&f, keep_one_product, &refusals);
    assert_ok(push(&f, 1, &error));
    assert_ok(push(&f, 2, &error));
    const int64_t until = kofn_clock_ns() + 60 * KOFN_NS_PER_S;
    while (refusals < REFUSALS && kofn_clock_ns() < until)
        (void)kofn_engine_step(f.client, kofn_clock_ns() + KOFN_NS_PER_MS);
    assert_int_equal(refusals, REFUSALS);
    assert_next_is(&f, 1);
    assert_next_is(&f, 2);
    assert_int_equal(refusals, REFUSALS);
    end(&f);
}

/* The first push is put off once, and not answered when it comes again. */
static void
put_off_then_hold(fake_master *fake, fake_call *call)
{
    crowd *c = fake->test;
    if (call->method != KOFN_METHOD_PUSH) {
        do_all(fake, call);
    } else if (call->push.index > 1) {
        c->gaps++;
        fake_refuse(fake, call, KOFN_OUT_OF_RANGE, "a gap", 0);
    } else if (c->put_off++ == 0) {
        fake_refuse(fake, call, KOFN_RESOURCE_EXHAUSTED, "no room", 10);
    }
}

static void
one_that_was_put_off_goes_ahead_alone(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account *streams;
    size_t count;
    crowd c = {.expected = 1};
    (void)state;
    begin(&f, put_off_then_hold, &c);
    assert_ok(push(&f, 1, &error));
    kofn_call *first = TAILQ_FIRST(&f.client->open);
    while (first->error.status == KOFN_OK)
        (void)kofn_engine_step(f.client, kofn_clock_ns() + KOFN_NS_PER_MS);
    first->refusal_ns = 60 * KOFN_NS_PER_S; // a slow master
    assert_ok(push(&f, 2, &error));
    while (first->state == KOFN_CALL_QUEUED)
        (void)kofn_engine_step(f.client, kofn_clock_ns() + KOFN_NS_PER_MS);
    assert_ok(kofn_client_list_streams(f.client, &streams, &count, &error)); // all sent has come
    free(streams);
    end(&f);
    assert_int_equal(c.put_off, 2);
    assert_int_equal(c.gaps, 0);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void
closing_waits_for_what_is_under_way(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account account;
    (void)state;
    begin(&f, do_all, NULL);
    for (size_t i = 1; i <= 3; i++)
        assert_ok(push(&f, i, &error));
    assert_ok(kofn_stream_close(&f.stream, &account, &error));
    assert_int_equal(account.pushed, 3);
    end(&f);
    assert_int_equal(f.fake.abandoned, 0);
}

/* Which knows how it went, products or not. */
static void
a_stream_that_is_cancelled_has_an_account_and_a_trace(void **state)
{
    fixture f;
    kofn_error error;
    kofn_stream_account account;
    kofn_stream_trace trace;
    unsigned char bits[] = {0x03};
    kofn_msg_stream closed = {
        .state = "closed", .slots = 3, .rounds = 1, .failed = 2, .trace = {bits, sizeof bits}};
    (void)state;
    begin(&f, answer_with_trace, &closed);
    assert_ok(push(&f, 1, &error));
    assert_ok(kofn_stream_cancel(&f.stream, &account, &trace, &error));
    assert_null(f.stream);
    await_calls(&f, 3);
    assert_true(f.fake.calls[2].closing.abandon);
    assert_true(f.fake.calls[2].closing.trace);
    assert_int_equal(account.failed, 2);
    assert_int_equal(trace.rounds, 1);
    kofn_stream_trace_fini(&trace);
    end(&f);
}

static void
an_abandoned_stream_is_closed_at_the_master(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, do_open_only, NULL);
    assert_ok(push(&f, 1, &error));
    assert_ok(push(&f, 2, &error));
    await_calls(&f, 3);
    kofn_stream_abandon(&f.stream);
    assert_null(f.stream);
    kofn_stream_abandon(&f.stream); // accepts NULL
    await_calls(&f, 4);
    end(&f);
    assert_int_equal(f.fake.calls[3].method, KOFN_METHOD_CLOSE_STREAM);
    assert_true(f.fake.calls[3].closing.abandon);
    assert_string_equal(f.fake.calls[3].closing.stream, stream_id);
    assert_int_equal(f.fake.abandoned, 2);
}

static void
closing_the_client_ends_its_streams(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, do_open_only, NULL);
    assert_ok(push(&f, 1, &error));
    kofn_client_close(&f.client);
    f.stream = NULL; // invalid
    end(&f);
}

static bool
give_up(void *context, const kofn_account *account)
{
    (void)context;
    (void)account;
    return false;
}

static void
a_master_that_stays_away_ends_the_stream(void **state)
{
    fixture f = {0};
    kofn_error error;
    kofn_stream_product product;
    (void)state;
    begin(&f, do_open_only, NULL);
    f.client->options.away_ms = 100;
    assert_ok(push(&f, 1, &error));
    await_calls(&f, 2);
    fake_stop(&f.fake);
    assert_fails(kofn_stream_next(f.stream, -1, &product, &error), KOFN_UNAVAILABLE);
    assert_non_null(strstr(error.text, "no master answers at tcp://"));
    assert_int_equal(kofn_stream_count_ready(f.stream), 0); // what is lost is not here
    kofn_stream_abandon(&f.stream);
    kofn_client_close(&f.client);
}

/* Its connection stands, as that of a stopped process does, and nothing is said. */
static void
a_master_that_hangs_ends_the_stream(void **state)
{
    fixture f = {0};
    kofn_error error;
    kofn_stream_product product;
    (void)state;
    begin(&f, do_open_only, NULL);
    f.client->options.away_ms = 100;
    const int64_t begin_ns = kofn_clock_ns();
    assert_ok(push(&f, 1, &error));
    assert_fails(kofn_stream_next(f.stream, 30000, &product, &error), KOFN_UNAVAILABLE);
    assert_non_null(strstr(error.text, "no master answers at tcp://"));
    assert_true(kofn_clock_ns() - begin_ns >= KOFN_CLIENT_BEAT_NS);
    kofn_stream_abandon(&f.stream);
    kofn_client_close(&f.client);
    fake_stop(&f.fake);
}

/* As where libzmq finds out by itself: the time until then counts. */
static void
a_master_is_away_since_its_last_word(void **state)
{
    fixture f = {0};
    kofn_error error;
    kofn_stream_product product;
    (void)state;
    begin(&f, do_open_only, NULL);
    f.client->options.away_ms = 3600 * 1000;
    assert_ok(push(&f, 1, &error));
    await_calls(&f, 2);
    f.client->heard_ns -= 1800 * KOFN_NS_PER_S; // it is as if half an hour had gone by
    TAILQ_FIRST(&f.client->open)->sent_ns = TAILQ_FIRST(&f.client->open)->started_ns =
        f.client->heard_ns;
    f.client->silence_ns = 7200 * KOFN_NS_PER_S;
    fake_stop(&f.fake);
    while (f.client->down_ns == KOFN_NEVER_NS)
        assert_ok(kofn_stream_next(f.stream, 10, &product, &error));
    assert_int_equal(f.client->down_ns, f.client->heard_ns);
    f.client->options.away_ms = 1800 * 1000;
    assert_fails(kofn_stream_next(f.stream, 30000, &product, &error), KOFN_UNAVAILABLE);
    kofn_stream_abandon(&f.stream);
    kofn_client_close(&f.client);
}

static void
those_that_are_here_are_counted_apart_from_those_under_way(void **state)
{
    fixture f;
    kofn_error error;
    (void)state;
    begin(&f, answer_backwards, NULL);
    for (size_t i = 1; i <= LIMIT; i++) {
        assert_ok(push(&f, i, &error));
        if (i < LIMIT) // of which none is answered before the last
            assert_int_equal(kofn_stream_count_ready(f.stream), 0);
        await_calls(&f, 1 + i);
    }
    assert_next_is(&f, 1);
    assert_int_equal(kofn_stream_count_ready(f.stream), LIMIT - 1);
    assert_next_is(&f, 2);
    assert_int_equal(kofn_stream_count_ready(f.stream), LIMIT - 2);
    end(&f);
}

static void
closing_is_given_up_by_the_clients_onlooker(void **state)
{
    fixture f = {0};
    kofn_error error;
    (void)state;
    begin(&f, do_open_only, NULL);
    f.client->options.progress = give_up;
    assert_ok(push(&f, 1, &error));
    assert_fails(kofn_stream_close(&f.stream, NULL, &error), KOFN_CANCELLED);
    assert_null(f.stream);
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_opens_pushes_takes_and_closes),
        cmocka_unit_test(who_asks_for_the_trace_gets_it_row_by_row),
        cmocka_unit_test(a_trace_that_is_none_is_refused),
        cmocka_unit_test(a_stream_without_rounds_has_an_empty_trace),
        cmocka_unit_test(what_is_asked_of_a_stream_arrives),
        cmocka_unit_test(products_come_in_the_order_of_the_pushes),
        cmocka_unit_test(a_push_beyond_the_limit_waits_for_a_product_to_be_taken),
        cmocka_unit_test(operands_that_do_not_fit_use_up_no_index),
        cmocka_unit_test(stored_operands_are_pushed_by_their_ids),
        cmocka_unit_test(streams_are_listed),
        cmocka_unit_test(next_says_when_there_is_nothing_yet_or_nothing_at_all),
        cmocka_unit_test(a_signal_ends_a_wait_for_the_next),
        cmocka_unit_test(calls_and_pushes_do_not_meet),
        cmocka_unit_test(a_job_that_fails_is_told_in_its_turn_and_the_stream_goes_on),
        cmocka_unit_test(a_stream_that_the_master_has_forgotten_or_closed_is_aborted),
        cmocka_unit_test(a_limit_that_no_master_grants_is_not_believed),
        cmocka_unit_test(pushes_are_repeated_in_order_when_the_connection_was_lost),
        cmocka_unit_test(pushes_behind_one_that_was_put_off_wait_for_it),
        cmocka_unit_test(a_push_that_waits_for_products_to_be_taken_says_so_at_once),
        cmocka_unit_test(one_that_was_put_off_goes_ahead_alone),
        cmocka_unit_test(closing_waits_for_what_is_under_way),
        cmocka_unit_test(a_stream_that_is_cancelled_has_an_account_and_a_trace),
        cmocka_unit_test(an_abandoned_stream_is_closed_at_the_master),
        cmocka_unit_test(closing_the_client_ends_its_streams),
        cmocka_unit_test(a_master_that_stays_away_ends_the_stream),
        cmocka_unit_test(a_master_that_hangs_ends_the_stream),
        cmocka_unit_test(a_master_is_away_since_its_last_word),
        cmocka_unit_test(those_that_are_here_are_counted_apart_from_those_under_way),
        cmocka_unit_test(closing_is_given_up_by_the_clients_onlooker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
