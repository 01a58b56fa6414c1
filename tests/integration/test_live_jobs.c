/* Jobs as clients see them: families, policies, many at once, deadlines, cancels, keys, memory. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#define STUCK "inject:\n  sleep: 1h\n"

static void
every_family_multiplies(void **state)
{
    cluster *c = cluster_new_ready(state, "", 5);
    static const product_wish wishes[] = {
        {.rows = 97, .inner = 33, .cols = 61, .family = "uncoded", .partition = "2,1,2"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "uncoded", .partition = "2,2,1"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "replication", .partition = "2,1,1"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "polynomial", .partition = "2,1,2"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "rkrp", .partition = "2,1,2"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "rkrp", .partition = "1,2,1"},
        {.rows = 97, .inner = 33, .cols = 61, .family = "rkrp", .tasks = 6},
        {.rows = 97, .inner = 33, .cols = 61}, // all left to the master
    };
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        const kofn_account account = cluster_multiply(c, &wishes[i]);
        assert_string_equal(account.state, "done");
        assert_true(account.answers_used >= 1);
        if (wishes[i].family)
            assert_string_equal(account.code.family, wishes[i].family);
    }
}

static void
every_policy_multiplies(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    static const char *const policies[] = {"oneshot", "speculative"};
    for (size_t i = 0; i < 2; i++) {
        const product_wish wish = {.rows = 64,
                                   .inner = 64,
                                   .cols = 64,
                                   .family = "uncoded",
                                   .partition = "2,1,2",
                                   .policy = policies[i]};
        assert_string_equal(cluster_multiply(c, &wish).policy, policies[i]);
    }
}

static void
a_speculative_job_sends_a_copy_of_what_is_late(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    cluster_start_worker(c, 3, STUCK);
    cluster_await_workers(c, 4);
    const product_wish wish = {.rows = 64,
                               .inner = 64,
                               .cols = 64,
                               .family = "uncoded",
                               .partition = "2,1,2",
                               .policy = "speculative"};
    assert_true(cluster_multiply(c, &wish).backups >= 1);
}

static void
shapes_that_do_not_divide_and_odd_sizes(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 7, 1}, {2, 1, 5}, {5, 3, 2}, {3, 100, 1},
                                      {0, 3, 4}, {4, 0, 3}, {3, 4, 0}, {0, 0, 0}};
    static const char *const families[] = {NULL, "rkrp", "polynomial", "uncoded"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t f = 0; f < 4; f++) {
            const product_wish wish = {.rows = sizes[i][0],
                                       .inner = sizes[i][1],
                                       .cols = sizes[i][2],
                                       .family = families[f],
                                       .partition = families[f] ? "2,1,2" : NULL};
            (void)cluster_multiply(c, &wish);
        }
}

static void
twenty_jobs_at_once_from_twenty_clients(void **state)
{
    enum { CLIENTS = 20 };
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_client *client[CLIENTS] = {0};
    kofn_call *call[CLIENTS] = {0};
    double *a[CLIENTS], *b[CLIENTS];
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c)};
    for (size_t i = 0; i < CLIENTS; i++) {
        const size_t n = 64 + i;
        a[i] = test_matrix(n, n, i);
        b[i] = test_matrix(n, n, i + CLIENTS);
        const kofn_matrix a_view = test_view(a[i], n, n), b_view = test_view(b[i], n, n);
        kofn_product_options product = {0};
        assert_ok(kofn_code_choice_set(&product.code, "family", "rkrp", &error));
        assert_ok(kofn_code_choice_set(&product.code, "partition", "2,1,2", &error));
        assert_ok(kofn_client_open(&options, &client[i], &error));
        assert_ok(kofn_client_start(client[i], &a_view, &b_view, &product, &call[i], &error));
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_call_finish(&call[i], &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_product(a[i], b[i], &product, 64 + i,
                       kofn_result_get_account(result)->amplification);
        kofn_result_destroy(&result);
        kofn_client_close(&client[i]);
        free(a[i]);
        free(b[i]);
    }
}

static void
many_calls_on_one_client(void **state)
{
    enum { CALLS = 50 };
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 3);
    double *a = test_matrix(64, 64, 1), *b = test_matrix(64, 64, 2);
    const kofn_matrix a_view = test_view(a, 64, 64), b_view = test_view(b, 64, 64);
    for (size_t i = 0; i < CALLS; i++) {
        kofn_call *call = NULL;
        assert_ok(kofn_client_start(cluster_get_client(c), &a_view, &b_view, NULL, &call, &error));
    }
    for (size_t i = 0; i < CALLS; i++) {
        kofn_call *call = NULL;
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_client_next(cluster_get_client(c), PATIENCE_S * 1000, &call, &error));
        assert_non_null(call);
        assert_ok(kofn_call_finish(&call, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_product(a, b, &product, 64, 1);
        kofn_result_destroy(&result);
    }
    free(a);
    free(b);
}

/* ---- ends before the end --------------------------------------------------------------------- */

typedef struct operands {
    double *a, *b;
    kofn_matrix a_view, b_view;
} operands;

static operands
make_operands(void)
{
    operands o = {.a = test_matrix(64, 64, 1), .b = test_matrix(64, 64, 2)};
    o.a_view = test_view(o.a, 64, 64);
    o.b_view = test_view(o.b, 64, 64);
    return o;
}

static void
free_operands(operands *o)
{
    free(o->a);
    free(o->b);
}

static void
a_decoded_job_frees_the_losers(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    cluster_start_worker(c, 4, STUCK);
    cluster_await_workers(c, 5);
    const product_wish wish = {.rows = 64,
                               .inner = 64,
                               .cols = 64,
                               .family = "rkrp",
                               .partition = "2,1,2",
                               .policy = "oneshot",
                               .tasks = 10};
    const kofn_account account = cluster_multiply(c, &wish);
    assert_true(account.answers_used >= 4);
    cluster_await_running(c, 4, 0);
    assert_true(cluster_get_worker(c, 4).tasks_cancelled >= 1);
    assert_int_equal(cluster_get_worker(c, 4).tasks_done, 0);
}

static void
a_job_past_its_deadline_ends_and_frees_its_workers(void **state)
{
    kofn_error error;
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    operands o = make_operands();
    kofn_result *result = NULL;
    const kofn_product_options options = {.timeout_ms = 300};
    assert_fails(kofn_client_multiply(cluster_get_client(c), &o.a_view, &o.b_view, &options,
                                      &result, &error),
                 KOFN_DEADLINE_EXCEEDED);
    assert_null(result);
    cluster_await_running(c, 0, 0);
    free_operands(&o);
}

static void
a_job_without_workers_ends_at_its_deadline(void **state)
{
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 0);
    operands o = make_operands();
    kofn_result *result = NULL;
    const kofn_product_options options = {.timeout_ms = 300};
    assert_fails(kofn_client_multiply(cluster_get_client(c), &o.a_view, &o.b_view, &options,
                                      &result, &error),
                 KOFN_DEADLINE_EXCEEDED);
    free_operands(&o);
}

static void
a_submitted_job_can_be_cancelled(void **state)
{
    kofn_error error;
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    operands o = make_operands();
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_account account;
    kofn_result *result = NULL;
    assert_ok(kofn_client_submit(cluster_get_client(c), &o.a_view, &o.b_view, NULL, job, &error));
    cluster_await_running(c, 0, 1);
    assert_ok(kofn_client_cancel(cluster_get_client(c), job, &account, &error));
    assert_fails(kofn_client_wait(cluster_get_client(c), job, NULL, &result, &error),
                 KOFN_CANCELLED);
    assert_ok(kofn_client_get_job(cluster_get_client(c), job, &account, &error));
    assert_string_equal(account.state, "cancelled");
    cluster_await_running(c, 0, 0);
    free_operands(&o);
}

static void
a_submitted_job_outlives_its_client(void **state)
{
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 2);
    operands o = make_operands();
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_client *other = NULL;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c)};
    assert_ok(kofn_client_open(&options, &other, &error));
    assert_ok(kofn_client_submit(other, &o.a_view, &o.b_view, NULL, job, &error));
    kofn_client_close(&other);
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_client_wait(cluster_get_client(c), job, NULL, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(o.a, o.b, &product, 64, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
    free_operands(&o);
}

/* Multiply is its caller's alone; the connection closes without a word. */
static void
the_job_of_a_client_that_vanishes_is_cancelled(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    const double one = 1;
    const kofn_msg_product scalar = {.a = {.dtype = "f64", .rows = 1, .cols = 1},
                                     .b = {.dtype = "f64", .rows = 1, .cols = 1}};
    raw_peer client;
    raw_open(&client, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    kofn_msg_call call = {.call = 1, .window = 1 << 20};
    raw_call(&client, &call, KOFN_METHOD_MULTIPLY, &scalar, true);
    raw_send_block(&client, &one, 1, 1, 0, true);
    raw_send_block(&client, &one, 1, 1, 0, false);
    cluster_await_running(c, 0, 1);
    raw_close(&client);
    cluster_await_running(c, 0, 0);
}

/* The command, killed: its job may go on or not, but master and workers do. */
static void
a_killed_command_harms_nobody(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    cluster_start_worker(c, 2, STUCK);
    cluster_await_workers(c, 3);
    const pid_t client =
        cluster_spawn(c, "multiply", KOFN_SOURCE_DIR "/tests/data/digits.npy",
                      KOFN_SOURCE_DIR "/tests/data/digits.npy", "--transpose-b", "-o", "c.npy",
                      "--code", "uncoded", "--partition", "2,1,2", "--policy", "oneshot", NULL);
    cluster_await_running(c, 2, 1);
    assert_int_equal(kill(client, SIGKILL), 0);
    assert_int_equal(cluster_await_run(c, client), 128 + SIGKILL);
    const product_wish any_of_two = {.rows = 64,
                                     .inner = 64,
                                     .cols = 64,
                                     .family = "replication",
                                     .partition = "1,1,1",
                                     .policy = "oneshot"};
    (void)cluster_multiply(c, &any_of_two);
}

/* Two workers of one pattern, in which the first is slow by hours in each round: each job has its
 * answer from the other, and the slow one is free as soon as the job is over. */
static void
stragglers_of_a_model_are_passed_by_and_freed(void **state)
{
    cluster *c = cluster_new_ready(state, "", 0);
    char trace[CLUSTER_PATH_MAX], yaml[2 * CLUSTER_PATH_MAX];
    cluster_get_path(c, "pattern", trace);
    FILE *file = fopen(trace, "w");
    assert_non_null(file);
    assert_true(fputs("# w0 w1\n1 0\n1 0\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(yaml, sizeof yaml,
                       "inject:\n"
                       "  straggler: trace:file=%s,slowdown=1000000\n"
                       "  straggler_workers: 2\n"
                       "  column: %zu\n"
                       "  by: wait\n"
                       "  pace: 0.01\n",
                       trace, i);
        cluster_start_worker(c, i, yaml);
    }
    cluster_await_workers(c, 2);
    const product_wish any_of_two = {.rows = 64, // 52 ms of the one, 15 h of the other
                                     .inner = 64,
                                     .cols = 64,
                                     .family = "replication",
                                     .partition = "1,1,1",
                                     .tasks = 2,
                                     .policy = "oneshot"};
    for (int i = 0; i < 3; i++) {
        const kofn_account account = cluster_multiply(c, &any_of_two);
        assert_string_equal(account.state, "done");
        cluster_await_running(c, 0, 0);
    }
    assert_int_equal(cluster_get_worker(c, 0).tasks_done, 0);
    assert_int_equal(cluster_get_worker(c, 1).tasks_done, 3);
    assert_int_equal(cluster_get_worker(c, 0).tasks_cancelled, 3);
}

/* ---- keys, memory ---------------------------------------------------------------------------- */

static void
a_repeated_key_is_the_same_job(void **state)
{
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 1);
    operands o = make_operands();
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX], third[KOFN_CLIENT_JOB_MAX];
    kofn_product_options options = {.key = "a key of our own"};
    kofn_client *client = cluster_get_client(c);
    assert_ok(kofn_client_submit(client, &o.a_view, &o.b_view, &options, first, &error));
    assert_ok(kofn_client_submit(client, &o.a_view, &o.b_view, &options, second, &error));
    assert_string_equal(first, second);
    options.key = "another key";
    assert_ok(kofn_client_submit(client, &o.a_view, &o.b_view, &options, third, &error));
    assert_string_not_equal(first, third);
    options.key = "a key of our own";
    options.policy = "speculative"; // another request
    assert_fails(kofn_client_submit(client, &o.a_view, &o.b_view, &options, third, &error),
                 KOFN_ALREADY_EXISTS);
    free_operands(&o);
}

static void
a_job_over_the_memory_limit_is_refused_for_good(void **state)
{
    cluster *c = cluster_new_ready(state, "limits:\n  memory: 32MiB\n", 1);
    const kofn_msg_product large = {.a = {.dtype = "f64", .rows = 2000, .cols = 2000},
                                    .b = {.dtype = "f64", .rows = 2000, .cols = 2000}};
    raw_peer client;
    kofn_msg_reply reply;
    raw_message message;
    raw_open(&client, ZMQ_REQ, false, cluster_get_clients_endpoint(c));
    kofn_msg_call call = {.call = 1};
    raw_call(&client, &call, KOFN_METHOD_MULTIPLY, &large, false);
    raw_expect(&client, "reply", &reply, &message);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(reply.retry_ms, 0); // no later try will do
    raw_message_fini(&message);
    raw_close(&client);
    const product_wish small = {.rows = 64, .inner = 64, .cols = 64};
    (void)cluster_multiply(c, &small); // the master lives
}

static void
silence_and_heartbeat_keep_the_promise(void **state)
{
    cluster *c = cluster_new_ready(state, "", 0); // default settings
    raw_peer worker;
    kofn_msg_welcome welcome;
    raw_join(&worker, cluster_get_workers_endpoint(c), "raw", &welcome);
    assert_true(welcome.silence_ms + welcome.heartbeat_ms <= 3500);
    cluster_await_workers(c, 1);
    cluster_await_workers(c, 0); // it never beats
    raw_close(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_family_multiplies, cluster_teardown),
        cmocka_unit_test_teardown(every_policy_multiplies, cluster_teardown),
        cmocka_unit_test_teardown(a_speculative_job_sends_a_copy_of_what_is_late, cluster_teardown),
        cmocka_unit_test_teardown(shapes_that_do_not_divide_and_odd_sizes, cluster_teardown),
        cmocka_unit_test_teardown(twenty_jobs_at_once_from_twenty_clients, cluster_teardown),
        cmocka_unit_test_teardown(many_calls_on_one_client, cluster_teardown),
        cmocka_unit_test_teardown(a_decoded_job_frees_the_losers, cluster_teardown),
        cmocka_unit_test_teardown(a_job_past_its_deadline_ends_and_frees_its_workers,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_job_without_workers_ends_at_its_deadline, cluster_teardown),
        cmocka_unit_test_teardown(a_submitted_job_can_be_cancelled, cluster_teardown),
        cmocka_unit_test_teardown(a_submitted_job_outlives_its_client, cluster_teardown),
        cmocka_unit_test_teardown(the_job_of_a_client_that_vanishes_is_cancelled, cluster_teardown),
        cmocka_unit_test_teardown(a_killed_command_harms_nobody, cluster_teardown),
        cmocka_unit_test_teardown(stragglers_of_a_model_are_passed_by_and_freed, cluster_teardown),
        cmocka_unit_test_teardown(a_repeated_key_is_the_same_job, cluster_teardown),
        cmocka_unit_test_teardown(a_job_over_the_memory_limit_is_refused_for_good,
                                  cluster_teardown),
        cmocka_unit_test_teardown(silence_and_heartbeat_keep_the_promise, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
