#include "tests/unit/master_stage.h"

/* 8 x 6 by 6 x 4 with every other 2 x 2 block of A zero. */
static const problem board = {.rows = 8,
                              .inner = 6,
                              .cols = 4,
                              .family = "uncoded",
                              .x = 4,
                              .z = 3,
                              .y = 1,
                              .sparse = {true, false}};

/* One worker answers so many tasks. */
static void
serve(stage *s, peer *worker, size_t tasks)
{
    for (size_t i = 0; i < tasks; i++) {
        task t;
        expect_task(worker, &t);
        assert_string_equal(t.head.a.format, ""); // blocks are dense
        answer(s, worker, &t);
    }
}

static void
only_blocks_that_hold_something_become_tasks(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    stage_run(s);
    peer *worker = join_worker(s, "w", 2), *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 4; i++) {
        problem p = board;
        p.transpose_a = i & 1;
        p.transpose_b = i & 2;
        p.tasks = i % 3 ? 6 : 0; // as many as there are pairs, which only the master knows
        send_product(s, client, i, KOFN_METHOD_MULTIPLY, &p);
        serve(s, worker, 6); // of 12
        expect_product(s, client, i, &p, job);
        const kofn_msg_job account = get_job(client, job);
        assert_string_equal(account.form, "");
        assert_int_equal(account.pairs, 6);
        assert_int_equal(account.code.x, 4);
        assert_int_equal(account.code.z, 3);
        assert_int_equal(account.inner, 6);
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
both_operands_may_be_sparse(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *worker = join_worker(s, "w", 2), *client = open_client(s, KOFN_WINDOW_BYTES);
    problem p = board;
    p.sparse[1] = true;
    p.y = 2;
    p.frame_rows = 1;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    /* Row i of A's blocks and column j of B's meet in 2 or 1 of 3 when i + j is even, else nowhere:
     * blocks 0 2 of A's even rows, 1 of its odd ones, times those of B. */
    serve(s, worker, 2 * 2 + 2 * 1);
    expect_product(s, client, 1, &p, NULL);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* It does not pass through: what came are its values. */
static void
an_operand_that_is_not_cut_is_made_dense(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *worker = join_worker(s, "w", 2), *client = open_client(s, KOFN_WINDOW_BYTES);
    problem p = board;
    p.x = p.z = p.y = 1;
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    serve(s, worker, 1);
    expect_product(s, client, 1, &p, NULL);
}

/* Gathered lists twice, blocks twice: about 7 MiB of a matrix of 2 MiB. */
static const problem large = {.rows = 512,
                              .inner = 512,
                              .cols = 1,
                              .family = "uncoded",
                              .x = 2,
                              .z = 2,
                              .y = 1,
                              .sparse = {true, false}};

static void
orders_of_them_are_refused_at_their_head(void **state)
{
    static const struct {
        const char *format;
        uint64_t elements;
        const char *form, *field, *family, *verify;
        kofn_status status;
        const char *says;
    } wrong[] = {
        {"coo", 3, "", "", "", "", KOFN_INVALID_ARGUMENT, "the format 'coo', need csr"},
        {"", 3, "", "", "", "", KOFN_INVALID_ARGUMENT, "A has 3 elements and the format ''"},
        {"csr", 49, "", "", "", "", KOFN_INVALID_ARGUMENT, "8 x 6 and said to have 49"},
        {"csr", 3, "outer", "", "", "", KOFN_UNIMPLEMENTED, "format 'csr': only operands"},
        {"csr", 3, "batch", "", "", "", KOFN_UNIMPLEMENTED, "format 'csr': only operands"},
        {"csr", 3, "", "", "polynomial", "", KOFN_INVALID_ARGUMENT, "polynomial"},
        {"csr", 3, "", "", "nosuch", "", KOFN_NOT_FOUND, "nosuch"},
        {"csr", 3, "", "", "", "sometimes", KOFN_INVALID_ARGUMENT, "sometimes"},
    };
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_msg_reply reply;
        problem dense = board;
        dense.sparse[0] = false;
        kofn_msg_product m = problem_message(&dense);
        snprintf(m.a.format, sizeof m.a.format, "%s", wrong[i].format);
        m.a.elements = wrong[i].elements;
        m.code.x = m.code.z = m.code.y = 0;
        m.batch.pairs = strcmp(wrong[i].form, "batch") == 0;
        snprintf(m.form, sizeof m.form, "%s", wrong[i].form);
        snprintf(m.code.family, sizeof m.code.family, "%s", wrong[i].family);
        snprintf(m.verify, sizeof m.verify, "%s", wrong[i].verify);
        send_call(client, i, KOFN_METHOD_MULTIPLY, &kofn_product_message, &m);
        expect(client, &kofn_reply_message, &reply);
        if (reply.status != wrong[i].status || !strstr(reply.message, wrong[i].says))
            fail_msg("%zu: '%s' lacks '%s'", i, reply.message, wrong[i].says);
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
nothing_else_of_the_protocol_is_sparse(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_product m = problem_message(&board);
    const kofn_msg_put_operand put = {.matrix = m.a};
    send_call(client, 1, KOFN_METHOD_PUT_OPERAND, &kofn_put_operand_message, &put);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(reply.message, "the operand is said to be of format 'csr'"));

    kofn_msg_product named = m; // by its id, with a format
    snprintf(named.operand_a, sizeof named.operand_a, "0123456789abcdef");
    send_call(client, 2, KOFN_METHOD_MULTIPLY, &kofn_product_message, &named);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_UNIMPLEMENTED);

    problem integers = board;
    integers.sparse[0] = false;
    integers.integers = KOFN_I64;
    kofn_msg_product whole = problem_message(&integers);
    whole.a.elements = m.a.elements;
    memcpy(whole.a.format, m.a.format, sizeof whole.a.format);
    send_call(client, 3, KOFN_METHOD_MULTIPLY, &kofn_product_message, &whole);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_UNIMPLEMENTED);
}

/* It is cut for the workers that are there. */
static void
a_job_waits_for_its_first_worker(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &board, job);
    await_state(client, job, "queued");
    peer *worker = join_worker(s, "w", 2);
    serve(s, worker, 6);
    await_state(client, job, "done");
    submit(s, client, 2, &large, job);
    await_state(client, job, "running");
    assert_true(check_health(client).memory_bytes > 6 << 20);
    send_job_call(client, 3, KOFN_METHOD_CANCEL, job);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
    await_state(client, job, "cancelled");
}

/* What dense blocks take is known when it is cut. */
static void
blocks_that_do_not_fit_memory_fail_the_job(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    s->config.memory = 6 << 20;
    stage_run(s);
    (void)join_worker(s, "w", 2);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(reply.message, "the blocks of this job"));
    assert_int_equal(check_health(client).memory_bytes, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_blocks_that_hold_something_become_tasks),
        T(both_operands_may_be_sparse),
        T(an_operand_that_is_not_cut_is_made_dense),
        T(orders_of_them_are_refused_at_their_head),
        T(nothing_else_of_the_protocol_is_sparse),
        T(a_job_waits_for_its_first_worker),
        T(blocks_that_do_not_fit_memory_fail_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
