/* The master towards its workers: who may join, what becomes of their tasks, and answers of every
 * wrong kind. */
#include "tests/unit/master_stage.h"

#include <math.h>
#include <zmq.h>

static const problem whole = {.rows = 6, .inner = 4, .cols = 3, .policy = "oneshot"};
static const problem halves = { // two tasks, both needed
    .rows = 6, .inner = 4, .cols = 3,  .family = "uncoded", .x = 2,
    .z = 1,    .y = 1,     .tasks = 2, .policy = "oneshot"};
static const problem twice = { // every half on two workers
    .rows = 6, .inner = 4, .cols = 3,  .family = "replication", .x = 2,
    .z = 1,    .y = 1,     .tasks = 4, .policy = "oneshot"};

/* ---- joining --------------------------------------------------------------------------------- */

static kofn_msg_refuse
expect_refusal(peer *worker, kofn_status status)
{
    kofn_msg_refuse refuse;
    expect(worker, &kofn_refuse_message, &refuse);
    assert_int_equal(refuse.status, status);
    assert_true(refuse.message[0]);
    return refuse;
}

static void
a_worker_is_welcomed_with_the_masters_terms(void **state)
{
    stage *s = *state;
    const kofn_msg_hello hello = {
        .version = 2, .name = "w", .fields = "gf2,f32", .credit = 1, .window = 4096};
    kofn_msg_welcome welcome;
    stage_run(s);
    peer *first = open_worker(s), *second = open_worker(s);
    post(first, &kofn_hello_message, &hello);
    expect(first, &kofn_welcome_message, &welcome);
    const uint64_t number = welcome.worker;
    assert_int_equal(welcome.version, 1);
    assert_true(welcome.epoch != 0);
    assert_int_equal(welcome.window, s->config.window);
    assert_int_equal(welcome.heartbeat_ms, 50);
    assert_int_equal(welcome.silence_ms, 600000);
    assert_int_equal(welcome.chunk_bytes, s->config.chunk_bytes);
    post(second, &kofn_hello_message, &hello); // a name need not be unique
    expect(second, &kofn_welcome_message, &welcome);
    assert_true(welcome.worker != number);
}

static void
a_worker_without_common_version_or_field_is_refused(void **state)
{
    stage *s = *state;
    kofn_msg_hello hello = {.version = 0, .name = "w", .fields = "f64", .credit = 1, .window = 1};
    stage_run(s);
    peer *worker = open_worker(s), *client = open_client(s, 0);
    post(worker, &kofn_hello_message, &hello);
    const kofn_msg_refuse why = expect_refusal(worker, KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(why.message, "1"));
    hello.version = 1;
    snprintf(hello.fields, sizeof hello.fields, "gf2,octonions,gfp:7"); // no kind has that name
    post(worker, &kofn_hello_message, &hello);
    (void)expect_refusal(worker, KOFN_UNIMPLEMENTED);
    assert_int_equal(check_health(client).workers, 0);
}

static void
a_stranger_is_told_to_say_hello(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *worker = open_worker(s);
    post(worker, &kofn_heartbeat_message, &(kofn_msg_heartbeat){.tasks = 1});
    (void)expect_refusal(worker, KOFN_FAILED_PRECONDITION);
    post(worker, &kofn_result_message, &(kofn_msg_result){.assignment = 1, .epoch = 2});
    (void)expect_refusal(worker, KOFN_FAILED_PRECONDITION);
}

static void
garbage_from_workers_is_dropped(void **state)
{
    static const char *const garbage[] = {
        "", "\xc1", "GET /", "\x80", "\x81\xa4type\xa4task", "\x81\xa4type\xa5hello"};
    stage *s = *state;
    kofn_msg_workers workers;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        post_raw(worker, garbage[i], strlen(garbage[i]), NULL, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &whole, NULL);
    send_call(client, 2, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
    assert_int_equal(expect_reply(client, 2, &kofn_workers_message, &workers), KOFN_OK);
    assert_int_equal(((const kofn_msg_worker *)workers.workers.at)->tasks_done, 1);
    kofn_message_clear(&kofn_workers_message, &workers);
}

/* It may have been the answer: the worker begins anew, and so does its task. */
static void
a_damaged_message_of_a_worker_voids_what_it_holds(void **state)
{
    static const char damaged[] = "\x82\xa3"
                                  "crc\xce\x01\x02\x03\x04\xa4type\xa6"
                                  "result";
    stage *s = *state;
    kofn_msg_refuse refuse;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(worker, &t);
    task_fini(&t);
    post_raw(worker, damaged, sizeof damaged - 1, NULL, 0);
    expect(worker, &kofn_refuse_message, &refuse);
    assert_int_equal(refuse.status, KOFN_FAILED_PRECONDITION);
    worker = join_worker(s, "w", 1);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &whole, NULL);
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void
a_second_hello_starts_anew(void **state)
{
    stage *s = *state;
    const kofn_msg_hello hello = {
        .version = 1, .name = "w", .fields = "f64", .credit = 1, .window = 1 << 20};
    kofn_msg_welcome welcome;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(worker, &t);
    const uint64_t before = t.head.assignment;
    task_fini(&t);
    post(worker, &kofn_hello_message, &hello);
    expect(worker, &kofn_welcome_message, &welcome);
    expect_task(worker, &t);
    assert_true(t.head.assignment != before);
    answer(s, worker, &t);
    expect_product(s, client, 1, &whole, NULL);
}

static void
what_a_silent_worker_held_goes_to_another(void **state)
{
    stage *s = *state;
    task t, u;
    s->config.silence_ns = 2 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *silent = join_worker(s, "silent", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(silent, &t);
    task_fini(&t);
    kofn_msg_workers workers;
    size_t count;
    do { // it says nothing until it is given up
        send_call(client, 2, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
        assert_int_equal(expect_reply(client, 2, &kofn_workers_message, &workers), KOFN_OK);
        count = workers.workers.count;
        kofn_message_clear(&kofn_workers_message, &workers);
    } while (count > 0);
    post(silent, &kofn_heartbeat_message, &(kofn_msg_heartbeat){.tasks = 1});
    (void)expect_refusal(silent, KOFN_FAILED_PRECONDITION);
    peer *worker = join_worker(s, "w", 1);
    expect_task(worker, &u);
    answer(s, worker, &u);
    expect_product(s, client, 1, &whole, NULL);
}

static void
a_lost_worker_is_not_replaced_where_the_rest_suffices(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    task t[4];
    peer *w[4];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 4; i++)
        w[i] = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &twice);
    for (size_t i = 0; i < 4; i++)
        expect_task(w[i], &t[i]);
    close_peer(w[0]);
    task_fini(&t[0]);
    while (check_health(client).workers > 3)
        ;
    /* Those with the two different tasks of the three that are left. */
    for (size_t i = 1; i < 4; i++)
        answer(s, w[i], &t[i]);
    kofn_error error;
    kofn_msg_reply reply;
    expect(client, &kofn_reply_message, &reply);
    assert_ok(kofn_message_unpack(&kofn_outcome_message, reply.body.bytes, reply.body.length,
                                  &outcome, &error));
    assert_int_equal(outcome.job.replaced, 0);
    assert_int_equal(outcome.job.tasks_sent, 4);
    assert_int_equal(outcome.job.answers_used, 2);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
a_worker_that_leaves_gets_no_more_and_may_hand_back(void **state)
{
    stage *s = *state;
    task t;
    kofn_msg_result back = {.status = KOFN_UNAVAILABLE, .message = "stopping"};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    for (size_t i = 0; i < 5; i++) { // more often than a task may fail
        peer *leaving = join_worker(s, "leaving", 1);
        expect_task(leaving, &t);
        back.assignment = t.head.assignment;
        back.epoch = leaving->epoch;
        post(leaving, &kofn_bye_message, &(kofn_msg_bye){.reason = "test"});
        post(leaving, &kofn_result_message, &back);
        task_fini(&t);
    }
    peer *worker = join_worker(s, "w", 1);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &whole, NULL);
}

static void
an_ack_for_more_than_is_out_loses_the_worker(void **state)
{
    stage *s = *state;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(liar, &t);
    task_fini(&t);
    post(liar, &kofn_ack_message, &(kofn_msg_ack){.bytes = 1 << 30});
    post(liar, &kofn_heartbeat_message, &(kofn_msg_heartbeat){.tasks = 1});
    (void)expect_refusal(liar, KOFN_FAILED_PRECONDITION);
    peer *worker = join_worker(s, "w", 1);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &whole, NULL);
}

/* ---- answers that are wrong ------------------------------------------------------------------ */

typedef void wrong_answer(stage *s, peer *worker, const task *t);

/* Whatever one worker answers: another one is asked, and the product is right. */
static void
check_wrong_answer(stage *s, wrong_answer *give)
{
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *bad = join_worker(s, "bad", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    expect_task(bad, &t);
    peer *good = join_worker(s, "good", 1);
    give(s, bad, &t);
    task_fini(&t);
    expect_task(good, &t);
    answer(s, good, &t);
    expect_product(s, client, 1, &whole, NULL);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
answer_too_many_rows(stage *s, peer *worker, const task *t)
{
    kofn_msg_result head = result_of(worker, t);
    head.c.rows++;
    answer_as(s, worker, &head);
}

static void
answer_in_f32(stage *s, peer *worker, const task *t)
{
    kofn_msg_result head = result_of(worker, t);
    snprintf(head.c.dtype, sizeof head.c.dtype, "f32");
    answer_as(s, worker, &head);
}

static void
answer_in_nothing(stage *s, peer *worker, const task *t)
{
    (void)s;
    kofn_msg_result head = result_of(worker, t);
    head.c = (kofn_msg_matrix){0};
    post(worker, &kofn_result_message, &head);
}

static void
answer_without_blocks(stage *s, peer *worker, const task *t)
{
    (void)s;
    const kofn_msg_result head = result_of(worker, t);
    post(worker, &kofn_result_message, &head);
}

static void
answer_with_junk(stage *s, peer *worker, const task *t)
{
    (void)s;
    kofn_error error;
    kofn_wire_buffer packed = {0};
    const kofn_msg_result head = result_of(worker, t);
    assert_ok(kofn_message_pack(&kofn_result_message, &head, &packed, &error));
    post_raw(worker, packed.at, packed.length, "junk", 4);
    kofn_wire_buffer_fini(&packed);
}

static void
answer_half(stage *s, peer *worker, const task *t)
{
    (void)s;
    kofn_msg_result head = result_of(worker, t);
    kofn_msg_cancel cancel;
    head.more = true;
    post(worker, &kofn_result_message, &head);
    post(worker, &kofn_data_message, &(kofn_msg_data){.id = head.assignment});
    expect(worker, &kofn_cancel_message, &cancel); // it might be sending still
    assert_int_equal(cancel.assignment, head.assignment);
}

static void
answer_with_a_strange_status(stage *s, peer *worker, const task *t)
{
    (void)s;
    kofn_msg_result head = result_of(worker, t);
    head.status = UINT64_C(1) << 32; // OK, were it cut to an int
    post(worker, &kofn_result_message, &head);
}

static void
answer_that_memory_is_short(stage *s, peer *worker, const task *t)
{
    (void)s;
    kofn_msg_result head = result_of(worker, t);
    head.status = KOFN_RESOURCE_EXHAUSTED;
    post(worker, &kofn_result_message, &head);
}

#define WRONG_ANSWERS(X_)                                                                          \
    X_(answer_too_many_rows)                                                                       \
    X_(answer_in_f32)                                                                              \
    X_(answer_in_nothing)                                                                          \
    X_(answer_without_blocks)                                                                      \
    X_(answer_with_junk)                                                                           \
    X_(answer_half)                                                                                \
    X_(answer_with_a_strange_status)                                                               \
    X_(answer_that_memory_is_short)

static void
a_wrong_answer_is_asked_again_of_another(void **state)
{
#define X(name_) name_,
    static wrong_answer *const all[] = {WRONG_ANSWERS(X)};
#undef X
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        check_wrong_answer(*state, all[i]);
        stage_teardown(state);
        stage_setup(state);
    }
}

static void
a_task_that_fails_on_three_workers_fails_its_job(void **state)
{
    stage *s = *state;
    kofn_msg_outcome outcome;
    peer *w[4];
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    w[0] = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &whole);
    for (size_t i = 0; i < 3; i++) {
        expect_task(w[i], &t);
        w[i + 1] = join_worker(s, "w", 1);
        answer_that_memory_is_short(s, w[i], &t);
        task_fini(&t);
    }
    assert_int_equal(expect_reply(client, 1, &kofn_outcome_message, &outcome), KOFN_ABORTED);
    assert_string_equal(outcome.job.state, "failed");
    assert_int_equal(outcome.job.tasks_sent, 3);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* A request comes to its deadline, the last for its job; the cancel finds the worker gone, which
 * was the last hope of the client's next request. That one is gone in the middle of the look at
 * deadlines. */
static void
a_deadline_may_end_the_next_request_too(void **state)
{
    stage *s = *state;
    problem shared = whole;
    shared.key = "shared";
    task t;
    s->config.heartbeat_ns = 3 * KOFN_NS_PER_S; // or that would find the worker gone first
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *first = open_client(s, KOFN_WINDOW_BYTES);
    peer *doomed = join_worker(s, "doomed", 1);
    send_product(s, first, 1, KOFN_METHOD_MULTIPLY, &shared);
    expect_task(doomed, &t);
    task_fini(&t);
    peer *other = join_worker(s, "other", 1);
    close_peer(doomed);

    shared.timeout_ms = 1000;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &shared);
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &whole);
    (void)check_health(client);
    post(first, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    expect_task(other, &t);
    answer_that_memory_is_short(s, other, &t);
    task_fini(&t);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_DEADLINE_EXCEEDED);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_UNAVAILABLE);
}

/* Answers nobody asked for: dropped, but their bytes are acknowledged. */
static void
answers_nobody_asked_for_are_dropped(void **state)
{
    stage *s = *state;
    task t, u;
    s->config.window = 64 * 1024;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *first = join_worker(s, "first", 1), *second = join_worker(s, "second", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &halves);
    expect_task(first, &t);
    expect_task(second, &u);

    kofn_msg_result head = result_of(second, &u);
    head.epoch++; // of another life
    answer_as(s, second, &head);
    head = result_of(first, &t);
    answer_as(s, second, &head); // the other's
    head.assignment = 987654321;
    answer_as(s, second, &head); // nobody's
    post(second, &kofn_data_message, &(kofn_msg_data){.id = 987654321});
    post(second, &kofn_data_message, &(kofn_msg_data){.id = u.head.assignment}); // no head yet

    head = result_of(second, &u);
    answer(s, second, &u);
    answer_as(s, second, &head); // twice
    answer(s, first, &t);
    expect_product(s, client, 1, &halves, NULL);
    for (size_t i = 0; i < 200; i++)
        answer_as(s, second, &head); // late
    expect_acks(second, 147 * 112);  // frames of 112 bytes, the first past a quarter of the window
}

static void
losers_are_cancelled(void **state)
{
    stage *s = *state;
    task t[4];
    peer *w[4];
    kofn_msg_cancel cancel;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 4; i++)
        w[i] = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &twice);
    for (size_t i = 0; i < 4; i++)
        expect_task(w[i], &t[i]);
    answer(s, w[0], &t[0]);
    answer(s, w[1], &t[1]);
    answer(s, w[2], &t[2]);
    expect_product(s, client, 1, &twice, NULL);
    expect(w[3], &kofn_cancel_message, &cancel);
    assert_int_equal(cancel.assignment, t[3].head.assignment);
    assert_int_equal(cancel.epoch, w[3]->epoch);
    task_fini(&t[3]);

    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &whole); // its credit came back
    post(w[3], &kofn_result_message,
         &(kofn_msg_result){
             .assignment = cancel.assignment, .epoch = cancel.epoch, .status = KOFN_CANCELLED});
}

/* A worker that answers before it has all of its task gets no more of it. */
static void
a_task_that_failed_early_is_not_sent_on(void **state)
{
    stage *s = *state;
    const problem large = {
        .rows = 1000, .inner = 1000, .cols = 10, .policy = "oneshot", .frame_rows = 8};
    kofn_msg_task head;
    s->config.whole_flops = 1e18;
    s->config.chunk_bytes = 64 * 1024;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    worker->silent_acks = true; // so that no more than its window comes
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
    expect(worker, &kofn_task_message, &head);
    assert_true(head.more);
    peer *good = join_worker(s, "good", 1);
    post(worker, &kofn_result_message,
         &(kofn_msg_result){.assignment = head.assignment,
                            .epoch = worker->epoch,
                            .status = KOFN_RESOURCE_EXHAUSTED});
    size_t got = worker->in.block_bytes;
    for (char type[KOFN_NAME_MAX] = ""; strcmp(type, "cancel") != 0;) {
        kofn_error error;
        bool any;
        zmq_pollitem_t item = {.socket = worker->socket, .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
        assert_ok(kofn_inbound_recv(worker->socket, worker->kind, &worker->in, &any, &error));
        got += worker->in.block_bytes;
        assert_ok(kofn_message_peek(kofn_buf_get_data(worker->in.head),
                                    kofn_buf_get_size(worker->in.head), "type", type, sizeof type,
                                    &error));
    }
    assert_true(got <= 2 << 20);
    post(worker, &kofn_ack_message, &(kofn_msg_ack){.bytes = got});
    task t;
    expect_task(good, &t); // the other gets all
    answer(s, good, &t);
    expect_product(s, client, 1, &large, NULL);
}

/* ---- rates and plans ------------------------------------------------------------------------- */

/* Two operands of 1.1 MB each: enough to measure a link by, and little to multiply. */
static const problem heavy = {
    .rows = 16, .inner = 8556, .cols = 16, .family = "uncoded", .x = 1, .z = 1, .y = 1};

/* A worker whose window takes all of it, so that nothing is acknowledged before the end. */
static peer *
join_wide_worker(stage *s)
{
    const kofn_msg_hello hello = {
        .version = 1, .name = "w", .fields = "f64", .credit = 1, .window = 64 << 20};
    kofn_msg_welcome welcome;
    peer *worker = open_worker(s);
    worker->window = hello.window;
    post(worker, &kofn_hello_message, &hello);
    expect(worker, &kofn_welcome_message, &welcome);
    worker->epoch = welcome.epoch;
    return worker;
}

static double
get_link_rate(peer *client, uint64_t call)
{
    kofn_msg_workers workers;
    send_call(client, call, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
    assert_int_equal(expect_reply(client, call, &kofn_workers_message, &workers), KOFN_OK);
    const double rate = ((const kofn_msg_worker *)workers.workers.at)->link_rate;
    kofn_message_clear(&kofn_workers_message, &workers);
    return rate;
}

/* At least all bytes over all the time that the test took. */
static void
the_rate_of_a_link_is_measured_by_acknowledged_bytes(void **state)
{
    stage *s = *state;
    task t;
    kofn_error error;
    s->config.whole_flops = 1e18;
    stage_run(s);
    peer *worker = join_wide_worker(s), *client = open_client(s, KOFN_WINDOW_BYTES);
    assert_true(get_link_rate(client, 1) == 0);
    const int64_t start_ns = kofn_clock_ns();
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &heavy);
    expect_task(worker, &t);
    assert_ok(kofn_peer_took(worker->link, 0, 0, &error)); // all that came
    answer(s, worker, &t);
    expect_product(s, client, 2, &heavy, NULL);
    const double rate = get_link_rate(client, 3);
    const double bytes = 2.0 * (double)heavy.rows * (double)heavy.inner * sizeof(double);
    assert_at_most(bytes * 1e9 / (double)(kofn_clock_ns() - start_ns), rate);
}

static void
a_worker_that_does_not_acknowledge_in_time_is_not_measured(void **state)
{
    stage *s = *state;
    task t;
    kofn_error error;
    s->config.whole_flops = 1e18;
    stage_run(s);
    peer *worker = join_wide_worker(s), *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &heavy);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &heavy, NULL);
    assert_ok(kofn_peer_took(worker->link, 0, 0, &error)); // at last
    assert_true(get_link_rate(client, 2) == 0);
}

static kofn_status
plan_code(peer *client, uint64_t call, const kofn_msg_plan_query *query, kofn_msg_plan *ret_plan)
{
    send_call(client, call, KOFN_METHOD_PLAN_CODE, &kofn_plan_query_message, query);
    return expect_reply(client, call, &kofn_plan_message, ret_plan);
}

static void
a_plan_is_made_for_the_workers_that_are_there(void **state)
{
    stage *s = *state;
    const kofn_msg_plan_query query = {
        .rows = 2000, .inner = 2000, .cols = 2000, .stragglers = 1, .slowdown = 5};
    kofn_msg_plan plan;
    kofn_error error;
    s->config.plan.gflops = 40;
    s->config.plan.link = 5;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    assert_int_equal(plan_code(client, 1, &query, &plan), KOFN_FAILED_PRECONDITION); // nobody there
    for (size_t i = 0; i < 4; i++)
        (void)join_worker(s, "w", 2);
    assert_int_equal(plan_code(client, 2, &query, &plan), KOFN_OK);
    assert_true(plan.workers == 4 && plan.gflops == 40 && plan.link_rate == 5e9 && plan.measured);

    kofn_plan_query q; // the same, made here
    kofn_plan expected;
    kofn_plan_query_init(&q, kofn_field_find("f64"), (kofn_shape){2000, 2000, 2000}, 4);
    q.stragglers = 1;
    q.failure = 0;
    q.machine.flops_rate = 40e9;
    q.machine.link_rate = 5e9;
    assert_ok(kofn_plan_make(&q, &expected, &error));
    assert_int_equal(plan.rows.count, expected.count);
    const kofn_msg_plan_row *rows = plan.rows.at;
    for (size_t i = 0; i < expected.count; i++)
        assert_true(rows[i].seconds_late == expected.rows[i].seconds_late);
    assert_string_equal(plan.verdict, expected.verdict);
    kofn_plan_fini(&expected);
    kofn_message_clear(&kofn_plan_message, &plan);

    kofn_msg_plan_query wrong = query;
    wrong.stragglers = 4;
    assert_int_equal(plan_code(client, 3, &wrong, &plan), KOFN_INVALID_ARGUMENT);
    wrong = query;
    wrong.rows = 0;
    assert_int_equal(plan_code(client, 4, &wrong, &plan), KOFN_INVALID_ARGUMENT);
}

/* Whoever asked is gone before the plan is made: it is dropped, and others are served. */
static void
an_abandoned_plan_harms_nobody(void **state)
{
    stage *s = *state;
    const kofn_msg_plan_query query = {
        .rows = 2000, .inner = 2000, .cols = 2000, .workers = 300, .stragglers = 9};
    kofn_msg_plan plan;
    stage_run(s);
    peer *first = open_client(s, KOFN_WINDOW_BYTES), *second = open_client(s, KOFN_WINDOW_BYTES);
    send_call(first, 1, KOFN_METHOD_PLAN_CODE, &kofn_plan_query_message, &query);
    post(first, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    send_call(first, 2, KOFN_METHOD_PLAN_CODE, &kofn_plan_query_message, &query);
    close_peer(first);
    assert_int_equal(plan_code(second, 1, &query, &plan), KOFN_OK);
    assert_true(plan.workers == 300 && !plan.measured);
    kofn_message_clear(&kofn_plan_message, &plan);
}

/* With rates given, a code left open is the first of the plan; and again, from memory. */
static void
a_code_left_open_is_planned_with_the_fleets_rates(void **state)
{
    stage *s = *state;
    kofn_error error;
    kofn_plan plan;
    kofn_plan_query q;
    char job[KOFN_ID_MAX];
    const problem open = {.rows = 40, .inner = 50, .cols = 60};
    s->config.whole_flops = 1;
    s->config.plan.gflops = 1e-3; // arithmetic is dear
    s->config.plan.link = 0.1;
    s->config.plan.stragglers = 2;
    s->config.plan.slowdown = 7;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 6; i++)
        (void)join_worker(s, "w", 2);

    kofn_plan_query_init(&q, kofn_field_find("f64"), (kofn_shape){40, 50, 60}, 6);
    q.stragglers = 2;
    q.limit = 1;
    q.machine.flops_rate = exp2(round(2 * log2(1e6)) / 2); // rounded to half an octave
    q.machine.link_rate = exp2(round(2 * log2(1e8)) / 2);
    q.machine.slowdown = 7;
    assert_ok(kofn_plan_make(&q, &plan, &error));
    const kofn_code_spec *spec = &plan.rows[0].spec;
    for (uint64_t call = 1; call < 3; call++) {
        submit(s, client, 10 * call, &open, job);
        await_state(client, job, "running");
        const kofn_msg_job now = get_job(client, job);
        assert_string_equal(now.code.family, spec->family);
        assert_true(now.code.x == spec->part.x && now.code.z == spec->part.z);
        assert_true(now.code.y == spec->part.y && now.code.tasks == spec->tasks);
    }
    kofn_plan_fini(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(a_worker_is_welcomed_with_the_masters_terms),
        T(a_worker_without_common_version_or_field_is_refused),
        T(a_stranger_is_told_to_say_hello),
        T(garbage_from_workers_is_dropped),
        T(a_damaged_message_of_a_worker_voids_what_it_holds),
        T(a_second_hello_starts_anew),
        T(what_a_silent_worker_held_goes_to_another),
        T(a_lost_worker_is_not_replaced_where_the_rest_suffices),
        T(a_worker_that_leaves_gets_no_more_and_may_hand_back),
        T(an_ack_for_more_than_is_out_loses_the_worker),
        T(a_wrong_answer_is_asked_again_of_another),
        T(a_task_that_fails_on_three_workers_fails_its_job),
        T(a_deadline_may_end_the_next_request_too),
        T(answers_nobody_asked_for_are_dropped),
        T(losers_are_cancelled),
        T(a_task_that_failed_early_is_not_sent_on),
        T(the_rate_of_a_link_is_measured_by_acknowledged_bytes),
        T(a_worker_that_does_not_acknowledge_in_time_is_not_measured),
        T(a_plan_is_made_for_the_workers_that_are_there),
        T(an_abandoned_plan_harms_nobody),
        T(a_code_left_open_is_planned_with_the_fleets_rates),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
