/* The master towards its clients: calls, transfers, what is wrong with them, and the views. */
#include "tests/unit/master_stage.h"

#include <cblas.h>
#include <math.h>
#include <unistd.h>
#include <zmq.h>

static const problem small = {.rows = 6, .inner = 4, .cols = 3};

/* ---- products -------------------------------------------------------------------------------- */

static void
check_product(stage *s, peer *client, const problem *what)
{
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 2);
    client = client ? client : open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 7, KOFN_METHOD_MULTIPLY, what);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 7, what, NULL);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_dealer_gets_its_product(void **state)
{
    check_product(*state, NULL, &small);
}

/* Compute threads are those of the configuration, and BLAS makes no others behind their back. */
static void
a_master_computes_with_the_threads_it_was_given(void **state)
{
    openblas_set_num_threads(2);
    stage_run(*state);
    assert_int_equal(openblas_get_num_threads(), 1);
}

static void
transposed_operands_are_multiplied_as_asked(void **state)
{
    const problem what = {
        .rows = 6, .inner = 4, .cols = 3, .transpose_a = true, .transpose_b = true};
    check_product(*state, NULL, &what);
}

static void
one_by_one_is_a_product(void **state)
{
    const problem what = {.rows = 1, .inner = 1, .cols = 1};
    check_product(*state, NULL, &what);
}

static void
a_plain_client_gets_its_product(void **state)
{
    stage *s = *state;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *dealer = open_client(s, 0), *req = open_req_client(s);
    peer *clients[] = {dealer, req, req};
    for (size_t i = 0; i < 3; i++) {
        send_product(s, clients[i], 1, KOFN_METHOD_MULTIPLY, &small);
        expect_task(worker, &t);
        answer(s, worker, &t);
        expect_product(s, clients[i], 1, &small, NULL);
    }
}

static void
products_without_elements_are_products(void **state)
{
    static const problem shapes[] = {
        {.rows = 0, .inner = 3, .cols = 2},
        {.rows = 2, .inner = 0, .cols = 3},
        {.rows = 2, .inner = 3, .cols = 0},
        {.rows = 0, .inner = 0, .cols = 0},
    };
    stage *s = *state;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        send_product(s, client, i, KOFN_METHOD_MULTIPLY, &shapes[i]);
        expect_task(worker, &t);
        answer(s, worker, &t);
        expect_product(s, client, i, &shapes[i], NULL);
    }
}

/* Both windows are small against the matrices, and the client takes its time to acknowledge. */
static void
large_matrices_travel_in_pieces(void **state)
{
    stage *s = *state;
    const problem what = {.rows = 300, .inner = 30, .cols = 200, .frame_rows = 7};
    const size_t window = 64 * 1024;
    task t;
    s->config.chunk_bytes = 4096;
    s->config.window = window;
    s->config.whole_flops = 1e18;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, window);
    client->silent_acks = true;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    answer(s, worker, &t); // 480 KB, as the master's acks allow
    kofn_msg_reply reply;
    kofn_msg_data data = {.more = true};
    expect(client, &kofn_reply_message, &reply);
    assert_true(reply.more);
    size_t got = client->in.block_bytes;
    while (got < window) {
        expect(client, &kofn_data_message, &data);
        got += client->in.block_bytes;
    }
    assert_true(got <= window + window / 4); // a window and one message, no more
    while (data.more) {
        post(client, &kofn_ack_message, &(kofn_msg_ack){.bytes = client->in.block_bytes});
        expect(client, &kofn_data_message, &data);
    }
}

static void
an_answer_that_is_not_finite_is_told(void **state)
{
    stage *s = *state;
    const problem what = {.rows = 2, .inner = 2, .cols = 2, .scale = NAN};
    kofn_msg_outcome outcome;
    task t;
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    kofn_msg_result head = result_of(worker, &t);
    head.nonfinite = true;
    answer_as(s, worker, &head);
    task_fini(&t);
    assert_int_equal(expect_reply(client, 1, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_true(outcome.job.nonfinite);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

/* ---- calls that are wrong -------------------------------------------------------------------- */

static void
a_bad_block_ends_the_call_and_nothing_else(void **state)
{
    stage *s = *state;
    unsigned char junk[1000] = {0x95};
    kofn_error error;
    kofn_wire_buffer head = {0};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_head(client, 1, KOFN_METHOD_MULTIPLY, &small);
    assert_ok(kofn_message_pack(&kofn_data_message, &(kofn_msg_data){.id = 1, .more = true}, &head,
                                &error));
    for (size_t i = 0; i < 5000; i++) // what follows the refusal is dropped, and acknowledged
        post_raw(client, head.at, head.length, junk, sizeof junk);
    kofn_wire_buffer_fini(&head);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);
    expect_acks(client, 4195000); // the first whole block past a quarter of the window
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_call_without_all_its_blocks_is_refused(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_product m = problem_message(&small);
    send_call(client, 1, KOFN_METHOD_MULTIPLY, &kofn_product_message, &m);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);

    send_head(client, 2, KOFN_METHOD_SUBMIT, &small);
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 2});
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_plain_call_cannot_go_on(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, 0);
    send_head(client, 1, KOFN_METHOD_MULTIPLY, &small);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);
}

static void
an_open_calls_number_is_taken(void **state)
{
    stage *s = *state;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 5, KOFN_METHOD_MULTIPLY, &small); // waits for a worker
    send_call(client, 5, KOFN_METHOD_CHECK, NULL, NULL);
    assert_int_equal(expect_reply(client, 5, NULL, NULL), KOFN_ALREADY_EXISTS);
    peer *worker = join_worker(s, "w", 1);
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 5, &small, NULL);
}

static void
another_version_is_told_ours(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    kofn_msg_call call = {.version = 0, .call = 3, .method = "kofn.v1.Master/Check"};
    stage_run(s);
    peer *client = open_client(s, 0);
    post(client, &kofn_call_message, &call);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(reply.message, "1"));

    call.version = 2; // speaks 1 as well
    post(client, &kofn_call_message, &call);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
}

static void
a_call_must_fit_its_method(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_call unknown = {.version = 1, .call = 1, .method = "kofn.v1.Master/Divide"};
    post(client, &kofn_call_message, &unknown);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_UNIMPLEMENTED);

    static const struct {
        kofn_method method;
        const char *field;
    } bodies[] = {{KOFN_METHOD_MULTIPLY, "a"}, {KOFN_METHOD_WAIT, "job"}};
    for (size_t i = 0; i < 2; i++) { // no body is an empty one, which lacks what is required
        send_call(client, 2 + i, bodies[i].method, NULL, NULL);
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(reply.message, bodies[i].field));
    }
}

static void
a_product_must_make_sense(void **state)
{
    static const struct {
        const char *a, *b, *field, *family, *policy;
        size_t inner;
        kofn_status status;
    } wrong[] = {
        {"f64", "f64", "", "", "", 5, KOFN_INVALID_ARGUMENT}, // inner sizes
        {"f64", "f32", "", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"i64", "i64", "gf256", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"i64", "i32", "", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"f64", "f64", "integers", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"i64", "i64", "integers", "rkrp", "", 4, KOFN_INVALID_ARGUMENT},
        {"f64", "f64", "f32", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"u32", "u32", "", "", "", 4, KOFN_INVALID_ARGUMENT}, // which of many?
        {"u32", "u32", "gfp:6", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"u32", "u32", "gfp:4294967291", "", "", 4, KOFN_OUT_OF_RANGE},
        {"u8", "u8", "gfp:7", "", "", 4, KOFN_INVALID_ARGUMENT},
        {"u8", "u8", "gf8", "", "", 4, KOFN_NOT_FOUND},
        {"u8", "u8", "", "rkrp", "", 4, KOFN_INVALID_ARGUMENT},
        {"f64", "f64", "", "polynomail", "", 4, KOFN_NOT_FOUND},
        {"f64", "f64", "", "", "oneshto", 4, KOFN_NOT_FOUND},
    };
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_msg_product m = problem_message(&small);
        snprintf(m.a.dtype, sizeof m.a.dtype, "%s", wrong[i].a);
        snprintf(m.b.dtype, sizeof m.b.dtype, "%s", wrong[i].b);
        snprintf(m.field, sizeof m.field, "%s", wrong[i].field);
        snprintf(m.code.family, sizeof m.code.family, "%s", wrong[i].family);
        snprintf(m.policy, sizeof m.policy, "%s", wrong[i].policy);
        m.b.rows = wrong[i].inner;
        send_call(client, i, KOFN_METHOD_MULTIPLY, &kofn_product_message, &m);
        assert_int_equal(expect_reply(client, i, NULL, NULL), wrong[i].status);
    }
}

/* Refused at the head of the call: no operand has come. */
static void
a_product_must_be_able_to_give_what_it_accepts(void **state)
{
    static const struct {
        const char *accept;
        double error;
        size_t tasks;
        const char *says;
    } wrong[] = {
        {"exakt", 0, 6, "need exact, error or nothing"}, {"", 1e-3, 6, "say accept error"},
        {"exact", 1e-3, 6, "say accept error"},          {"error", 0, 6, "need more than 0"},
        {"error", -INFINITY, 6, "need more than 0"},     {"exact", 0, 4, "take 5 tasks"},
    };
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_msg_reply reply;
        kofn_msg_product m = problem_message(&small);
        snprintf(m.code.family, sizeof m.code.family, "eps_matdot");
        m.code.x = m.code.y = 1;
        m.code.z = 3;
        m.code.tasks = wrong[i].tasks;
        snprintf(m.accept, sizeof m.accept, "%s", wrong[i].accept);
        m.accept_error = wrong[i].error;
        send_call(client, i, KOFN_METHOD_MULTIPLY, &kofn_product_message, &m);
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, KOFN_INVALID_ARGUMENT);
        if (!strstr(reply.message, wrong[i].says))
            fail_msg("'%s' lacks '%s'", reply.message, wrong[i].says);
    }
}

static void
garbage_is_answered_and_survived(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        kofn_status status;
    } garbage[] = {
        {"\xc1", 1, KOFN_INVALID_ARGUMENT},
        {"\xff", 1, KOFN_INVALID_ARGUMENT},
        {"GET / HTTP/1.1\r\n\r\n", 18, KOFN_INVALID_ARGUMENT},
        {"\x80", 1, KOFN_UNIMPLEMENTED}, // no type
        {"\x81\xa4type\xa4"
         "boo!",
         11, KOFN_UNIMPLEMENTED},
        {"\x81\xa4type\xa4task", 11, KOFN_UNIMPLEMENTED}, // a master's
        {"\x81\xa4type\xa3"
         "bye",
         10, KOFN_UNIMPLEMENTED}, // a worker's
        {"\x81\xa4type\xa4"
         "call",
         11, KOFN_INVALID_ARGUMENT},                                 // nothing that is required
        {"\xdf\xff\xff\xff\xff\xa4type", 10, KOFN_INVALID_ARGUMENT}, // four milliards of pairs
        {"\x81\xa4type\xdb\xff\xff\xff\xff", 11, KOFN_INVALID_ARGUMENT},
    };
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)zmq_send(client->socket, "no delimiter", 12, 0); // nobody that could be answered
    (void)zmq_send(client->socket, "", 0, 0);              // nor here
    assert_int_equal(expect_reply(client, 0, NULL, NULL), KOFN_INVALID_ARGUMENT); // no envelope
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        post_raw(client, garbage[i].bytes, garbage[i].length, NULL, 0);
        assert_int_equal(expect_reply(client, 0, NULL, NULL), garbage[i].status);
    }
    assert_string_equal(check_health(client).status, "NOT_SERVING");
}

static void
blocks_of_what_was_not_understood_are_acknowledged(void **state)
{
    stage *s = *state;
    char block[4096] = "";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)check_health(client); // opens the stream
    for (size_t i = 0; i < KOFN_WINDOW_BYTES / 4 / sizeof block; i++)
        post_raw(client,
                 "\x81\xa4type\xa4"
                 "boo!",
                 11, block, sizeof block);
    for (size_t i = 0; i < KOFN_WINDOW_BYTES / 4 / sizeof block; i++)
        assert_int_equal(expect_reply(client, 0, NULL, NULL), KOFN_UNIMPLEMENTED);
    expect_acks(client, KOFN_WINDOW_BYTES / 4);
}

/* Which of its calls it belonged to, nobody knows. */
static void
a_damaged_message_ends_the_connections_work(void **state)
{
    static const char damaged[] = "\x82\xa3"
                                  "crc\xce\x01\x02\x03\x04\xa4type\xa3"
                                  "ack";
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    submit(s, client, 2, &small, id);
    assert_int_equal(check_health(other).jobs_queued, 2);
    post_raw(client, damaged, sizeof damaged - 1, NULL, 0);
    assert_int_equal(expect_reply(client, 0, NULL, NULL), KOFN_DATA_LOSS);
    assert_int_equal(check_health(other).jobs_queued, 1); // the submitted one
}

static void
an_ack_for_more_than_is_out_ends_the_connections_work(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    submit(s, client, 2, &small, id);
    assert_int_equal(check_health(other).jobs_queued, 2);
    post(client, &kofn_ack_message, &(kofn_msg_ack){.bytes = 1});
    assert_string_equal(check_health(client).status, "NOT_SERVING"); // begins anew
    assert_int_equal(check_health(other).jobs_queued, 1);            // the submitted one
    assert_string_equal(get_job(other, id).state, "queued");
}

static void
data_nobody_waits_for_is_dropped(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 99, .more = true});
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 98});
    post(client, &kofn_ack_message, &(kofn_msg_ack){.bytes = 0});
    assert_string_equal(check_health(client).status, "NOT_SERVING");
}

/* ---- views ----------------------------------------------------------------------------------- */

static void
check_tells_whether_work_gets_done(void **state)
{
    stage *s = *state;
    kofn_msg_health health;
    kofn_msg_check whose = {.service = "kofn.v1.Slave"};
    stage_run(s);
    peer *client = open_client(s, 0);
    health = check_health(client);
    assert_string_equal(health.status, "NOT_SERVING");
    assert_non_null(strstr(health.why, "no worker is connected"));
    (void)join_worker(s, "w", 1);
    health = check_health(client);
    assert_string_equal(health.status, "SERVING");
    assert_string_equal(health.why, "");
    assert_string_equal(health.version, KOFN_VERSION);
    assert_int_equal(health.workers, 1);
    assert_int_equal(health.memory_limit_bytes, kofn_master_config_get_memory(&s->config));
    send_call(client, 1, KOFN_METHOD_CHECK, &kofn_check_message, &whose);
    assert_int_equal(expect_reply(client, 1, &kofn_health_message, &health), KOFN_OK);
    assert_string_equal(health.status, "SERVICE_UNKNOWN");
}

static void
jobs_are_listed_newest_first(void **state)
{
    stage *s = *state;
    char id[5][KOFN_ID_MAX];
    kofn_msg_list_jobs limit = {.limit = 3};
    kofn_msg_jobs jobs;
    kofn_msg_outcome outcome;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 5; i++)
        submit(s, client, i, &small, id[i]);
    send_job_call(client, 9, KOFN_METHOD_CANCEL, id[3]);
    assert_int_equal(expect_reply(client, 9, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);

    send_call(client, 10, KOFN_METHOD_LIST_JOBS, &kofn_list_jobs_message, &limit);
    assert_int_equal(expect_reply(client, 10, &kofn_jobs_message, &jobs), KOFN_OK);
    assert_int_equal(jobs.jobs.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const kofn_msg_job *job = (const kofn_msg_job *)jobs.jobs.at + i;
        assert_string_equal(job->id, id[4 - i]);
        assert_string_equal(job->state, i == 1 ? "cancelled" : "queued");
        assert_int_equal(job->rows, 6);
        assert_int_equal(job->inner, 4);
        assert_int_equal(job->cols, 3);
    }
    kofn_message_clear(&kofn_jobs_message, &jobs);
}

static void
workers_are_listed_with_what_they_said(void **state)
{
    stage *s = *state;
    kofn_msg_workers workers;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *first = join_worker(s, "first", 3), *second = join_worker(s, "second", 1);
    post(second, &kofn_bye_message, &(kofn_msg_bye){.reason = "test"});
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small);
    expect_task(first, &t);
    do {
        send_call(client, 2, KOFN_METHOD_LIST_WORKERS, NULL, NULL);
        assert_int_equal(expect_reply(client, 2, &kofn_workers_message, &workers), KOFN_OK);
        assert_int_equal(workers.workers.count, 2);
        const kofn_msg_worker *w = workers.workers.at;
        const bool left = strcmp(w[1].state, "leaving") == 0;
        assert_string_equal(w[0].name, "first");
        assert_int_equal(w[0].credit, 3);
        assert_int_equal(w[0].tasks_running, 1);
        assert_string_equal(w[1].name, "second");
        kofn_message_clear(&kofn_workers_message, &workers);
        if (left)
            break;
    } while (true); // the bye is on another socket than the call
    task_fini(&t);
}

static void
the_catalogue_is_complete(void **state)
{
    stage *s = *state;
    kofn_msg_codes codes;
    kofn_msg_reflection reflection;
    stage_run(s);
    peer *client = open_client(s, 0);
    send_call(client, 1, KOFN_METHOD_LIST_CODES, NULL, NULL);
    assert_int_equal(expect_reply(client, 1, &kofn_codes_message, &codes), KOFN_OK);
    assert_int_equal(codes.families.count, kofn_family_count());
    assert_true(codes.policies.count >= 2);
    kofn_message_clear(&kofn_codes_message, &codes);

    send_call(client, 2, KOFN_METHOD_REFLECT, NULL, NULL);
    assert_int_equal(expect_reply(client, 2, &kofn_reflection_message, &reflection), KOFN_OK);
    assert_int_equal(reflection.version, 1);
    assert_int_equal(reflection.methods.count, KOFN_METHOD_COUNT);
    assert_int_equal(reflection.messages.count, kofn_messages_count());
    assert_true(reflection.limits.count > 0);
    kofn_message_clear(&kofn_reflection_message, &reflection);
}

static void
an_unknown_job_is_not_found(void **state)
{
    static const char *const names[] = {"",  "0123456789abcdef", "0123456789ABCDEF",
                                        "x", "             123", "+123456789abcdef"};
    static const kofn_method methods[] = {KOFN_METHOD_WAIT, KOFN_METHOD_WATCH, KOFN_METHOD_CANCEL,
                                          KOFN_METHOD_GET_JOB};
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t m = 0; m < 4; m++) {
            send_job_call(client, 1, methods[m], names[i]);
            assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_NOT_FOUND);
        }
}

/* The end of a Watch: the account, and no product. */
static void
expect_end(peer *watcher, uint64_t call, const char *state)
{
    kofn_msg_outcome outcome;
    assert_int_equal(expect_reply(watcher, call, &kofn_outcome_message, &outcome), KOFN_OK);
    assert_int_equal(watcher->in.count, 0);
    assert_string_equal(outcome.job.state, state);
    assert_int_equal(outcome.c.rows, 0);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

/* Events until one tells of that state; time alone makes some more. */
static void
expect_event(peer *watcher, uint64_t call, const char *state)
{
    bool found;
    do {
        kofn_msg_event event;
        expect(watcher, &kofn_event_message, &event);
        assert_int_equal(event.call, call);
        found = strcmp(event.job.state, state) == 0;
        kofn_message_clear(&kofn_event_message, &event);
    } while (!found);
}

static void
a_watcher_sees_every_state(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *watcher = open_client(s, 4096);
    submit(s, client, 1, &small, id);
    send_job_call(watcher, 2, KOFN_METHOD_WATCH, id);
    expect_event(watcher, 2, "queued");
    peer *worker = join_worker(s, "w", 1);
    expect_event(watcher, 2, "running");
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_event(watcher, 2, "decoding");
    expect_event(watcher, 2, "done");
    expect_end(watcher, 2, "done");
    send_job_call(client, 3, KOFN_METHOD_WAIT, id);
    expect_product(s, client, 3, &small, NULL); // watching fetches nothing
}

static void
a_waiter_gives_up_at_its_deadline_and_the_job_goes_on(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    kofn_error error;
    kofn_msg_job_ref ref = {0};
    kofn_wire_buffer packed = {0};
    kofn_msg_call call = {
        .version = 1, .call = 2, .method = "kofn.v1.Master/Wait", .timeout_ms = 1};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, id);
    memcpy(ref.job, id, sizeof ref.job);
    assert_ok(kofn_message_pack(&kofn_job_ref_message, &ref, &packed, &error));
    call.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    post(client, &kofn_call_message, &call);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_DEADLINE_EXCEEDED);
    assert_string_equal(get_job(client, id).state, "queued");
    kofn_wire_buffer_fini(&packed);
}

static void
thousands_of_calls_are_open_at_once(void **state)
{
    stage *s = *state;
    enum { CALLS = 3000 };
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (uint64_t i = 0; i < CALLS; i++)
        send_product(s, client, i, KOFN_METHOD_MULTIPLY, &small);
    peer *worker = join_worker(s, "w", 2);
    static bool answered[CALLS];
    memset(answered, 0, sizeof answered);
    for (uint64_t i = 0; i < CALLS; i++) { // in any order, each once
        kofn_msg_reply reply;
        expect_task(worker, &t);
        answer(s, worker, &t);
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, KOFN_OK);
        assert_true(reply.call < CALLS && !answered[reply.call]);
        answered[reply.call] = true;
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
    assert_int_equal(check_health(client).jobs_done, CALLS);
}

static void
a_connection_may_have_so_many_calls_open_and_no_more(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, id); // nobody computes it
    for (uint64_t i = 0; i < KOFN_CALLS_MAX; i++)
        send_job_call(client, 2 + i, KOFN_METHOD_WAIT, id);
    send_job_call(client, 1, KOFN_METHOD_GET_JOB, id);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    assert_string_equal(get_job(other, id).state, "queued"); // others go on

    const kofn_msg_abandon abandon = {.call = 2};
    post(client, &kofn_abandon_message, &abandon);
    assert_string_equal(get_job(client, id).state, "queued");
}

static void
one_client_too_many_is_told_to_come_back(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    s->config.connections_max = 2;
    stage_run(s);
    peer *first = open_client(s, KOFN_WINDOW_BYTES), *second = open_client(s, KOFN_WINDOW_BYTES),
         *third = open_client(s, KOFN_WINDOW_BYTES);
    (void)check_health(first); // both have a stream now: their credit is counted
    (void)check_health(second);
    const kofn_msg_abandon nothing = {.call = 1};
    post(third, &kofn_abandon_message, &nothing);
    expect(third, &kofn_reply_message, &reply);
    assert_int_equal(reply.call, 0);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_true(reply.retry_ms > 0);
    (void)check_health(first);

    close_peer(second); // the master finds out when it needs the place
    do {
        (void)usleep(5000); // of a flood of them it would drop some
        send_call(third, 5, KOFN_METHOD_CHECK, NULL, NULL);
        expect(third, &kofn_reply_message, &reply);
    } while (reply.status == KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(reply.status, KOFN_OK);
    assert_int_equal(reply.call, 5);
}

static void
clients_without_a_stream_make_room_for_others(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    s->config.connections_max = 2;
    stage_run(s);
    for (size_t i = 0; i < 4; i++) {
        peer *plain = open_client(s, 0);
        do { // room is not made with every message
            (void)usleep(5000);
            send_call(plain, 7, KOFN_METHOD_CHECK, NULL, NULL);
            expect(plain, &kofn_reply_message, &reply);
        } while (reply.status == KOFN_RESOURCE_EXHAUSTED);
        assert_int_equal(reply.status, KOFN_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(a_dealer_gets_its_product),
        T(a_master_computes_with_the_threads_it_was_given),
        T(transposed_operands_are_multiplied_as_asked),
        T(one_by_one_is_a_product),
        T(a_plain_client_gets_its_product),
        T(products_without_elements_are_products),
        T(large_matrices_travel_in_pieces),
        T(an_answer_that_is_not_finite_is_told),
        T(a_bad_block_ends_the_call_and_nothing_else),
        T(a_call_without_all_its_blocks_is_refused),
        T(a_plain_call_cannot_go_on),
        T(an_open_calls_number_is_taken),
        T(another_version_is_told_ours),
        T(a_call_must_fit_its_method),
        T(a_product_must_make_sense),
        T(a_product_must_be_able_to_give_what_it_accepts),
        T(garbage_is_answered_and_survived),
        T(blocks_of_what_was_not_understood_are_acknowledged),
        T(a_damaged_message_ends_the_connections_work),
        T(an_ack_for_more_than_is_out_ends_the_connections_work),
        T(data_nobody_waits_for_is_dropped),
        T(check_tells_whether_work_gets_done),
        T(jobs_are_listed_newest_first),
        T(workers_are_listed_with_what_they_said),
        T(the_catalogue_is_complete),
        T(an_unknown_job_is_not_found),
        T(a_watcher_sees_every_state),
        T(a_waiter_gives_up_at_its_deadline_and_the_job_goes_on),
        T(thousands_of_calls_are_open_at_once),
        T(a_connection_may_have_so_many_calls_open_and_no_more),
        T(one_client_too_many_is_told_to_come_back),
        T(clients_without_a_stream_make_room_for_others),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
