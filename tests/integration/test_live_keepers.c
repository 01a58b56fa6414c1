/* What workers keep across connections, lives of the master, and products. */
#include "tests/assert.h"
#include "common/base/clock.h"
#include "tests/integration/cluster.h"

/* Enough flops to be kept, and blocks large enough to be named. */
enum { SIZE = 256 };

static kofn_error error;

#define SLOW "log:\n  level: debug\ninject:\n  sleep: 2s\n"

typedef struct product {
    double *a, *b;
    kofn_call *call;
} product;

static product
start_product(cluster *c, const char *partition, const char *policy)
{
    product p = {.a = test_matrix(SIZE, SIZE, 1), .b = test_matrix(SIZE, SIZE, 2)};
    const kofn_matrix a = test_view(p.a, SIZE, SIZE), b = test_view(p.b, SIZE, SIZE);
    kofn_product_options options = {.policy = policy};
    assert_ok(kofn_code_choice_set(&options.code, "family", "uncoded", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", partition, &error));
    assert_ok(kofn_client_start(cluster_get_client(c), &a, &b, &options, &p.call, &error));
    return p;
}

static kofn_account
finish_product(product *p)
{
    kofn_result *result = NULL;
    kofn_matrix c;
    assert_ok(kofn_call_finish(&p->call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_product(p->a, p->b, &c, SIZE, account.amplification);
    kofn_result_destroy(&result);
    free(p->a);
    free(p->b);
    return account;
}

/* Until worker `number` has logged so many of these lines. */
static void
await_logged(cluster *c, size_t number, const char *line, size_t count)
{
    char name[32], path[CLUSTER_PATH_MAX], text[512];
    (void)snprintf(name, sizeof name, "w%zu.log", number);
    cluster_get_path(c, name, path);
    for (size_t seen = 0; seen < count;) { // the test's own patience ends it
        FILE *log = fopen(path, "r");
        for (seen = 0; log && fgets(text, sizeof text, log);)
            seen += strstr(text, line) != NULL;
        if (log)
            (void)fclose(log);
    }
}

/* The worker stands still until the master has lost it, and goes on. */
static void
have_worker_given_up(cluster *c)
{
    cluster_signal_worker(c, 0, SIGSTOP);
    while (!strstr(cluster_get_master_log(c), "worker_lost")) // the test's own patience ends it
        cluster_await_workers(c, 0);
    cluster_signal_worker(c, 0, SIGCONT);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The master gives it up for its silence; it comes back and goes on with what it had. */
static void
a_worker_that_was_given_up_delivers_what_it_computed(void **state)
{
    cluster *c = cluster_new(state, "heartbeat: 100ms\nsilence: 500ms\n");
    cluster_start_master(c);
    cluster_start_worker(c, 0, SLOW);
    cluster_await_workers(c, 1);
    product p = start_product(c, "1,1,1", "oneshot");
    await_logged(c, 0, "task_complete", 1);
    have_worker_given_up(c);
    const kofn_account account = finish_product(&p);
    assert_int_equal(account.answers_held, 1);
    assert_int_equal(account.tasks_sent, 1); // it was not computed again
}

static void
a_worker_that_keeps_nothing_computes_again(void **state)
{
    cluster *c = cluster_new(state, "heartbeat: 100ms\nsilence: 500ms\n");
    cluster_start_master(c);
    cluster_start_worker(c, 0, SLOW "keep: 0\ncache: 0\n");
    cluster_await_workers(c, 1);
    product p = start_product(c, "1,1,1", "oneshot");
    await_logged(c, 0, "task_complete", 1);
    have_worker_given_up(c);
    const kofn_account account = finish_product(&p);
    assert_int_equal(account.answers_held, 0);
    assert_in_range(account.tasks_sent, 2, SIZE_MAX); // on a busy machine it is lost more often
}

static void
submit(cluster *c, const char *family, const char *partition, char *ret_job)
{
    double *a = test_matrix(SIZE, SIZE, 5), *b = test_matrix(SIZE, SIZE, 6);
    const kofn_matrix a_view = test_view(a, SIZE, SIZE), b_view = test_view(b, SIZE, SIZE);
    kofn_product_options options = {.policy = "oneshot"};
    assert_ok(kofn_code_choice_set(&options.code, "family", family, &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", partition, &error));
    assert_ok(
        kofn_client_submit(cluster_get_client(c), &a_view, &b_view, &options, ret_job, &error));
    free(a);
    free(b);
}

static kofn_account
await_product(cluster *c, const char *job)
{
    double *a = test_matrix(SIZE, SIZE, 5), *b = test_matrix(SIZE, SIZE, 6);
    const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000};
    kofn_result *result = NULL;
    kofn_matrix made;
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &made, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_product(a, b, &made, SIZE, account.amplification);
    kofn_result_destroy(&result);
    free(a);
    free(b);
    return account;
}

/* Worker 0 has answered its two tasks, worker 1 computes its own, and the master dies. */
static void
a_job_ends_with_answers_from_before_the_master_was_killed(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    char job[KOFN_CLIENT_JOB_MAX];
    cluster_start_master(c);
    cluster_start_worker(c, 0, "log:\n  level: debug\n");
    cluster_start_worker(c, 1, SLOW);
    cluster_await_workers(c, 2);
    submit(c, "uncoded", "4,1,1", job);
    await_logged(c, 0, "task_done", 2);
    await_logged(c, 1, "task_complete", 2);
    cluster_kill_master(c);
    cluster_start_master(c);
    const kofn_account account = await_product(c, job);
    assert_in_range(account.answers_held, 2, 4);
    assert_in_range(account.tasks_sent, 0, 2); // those of worker 1, should 0 come back before it
}

static void
workers_are_back_within_ten_seconds(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 3);
    cluster_kill_master(c);
    cluster_start_master(c);
    const int64_t start_ns = kofn_clock_ns();
    cluster_await_workers(c, 3);
    print_message("workers were back after %.2f s\n", (double)(kofn_clock_ns() - start_ns) * 1e-9);
    assert_true(kofn_clock_ns() - start_ns < 10 * KOFN_NS_PER_S);
}

/* A job that is not on disk is unknown afterwards, and what was kept for it is let go. */
static void
answers_for_a_master_that_forgot_are_settled(void **state)
{
    cluster *c = cluster_new(state, "");
    char job[KOFN_CLIENT_JOB_MAX];
    cluster_start_master(c);
    cluster_start_worker(c, 0, SLOW);
    cluster_await_workers(c, 1);
    submit(c, "uncoded", "2,1,1", job);
    await_logged(c, 0, "task_complete", 2);
    cluster_kill_master(c);
    cluster_start_master(c);
    await_logged(c, 0, "answers_settled", 1);
    submit(c, "uncoded", "2,1,1", job);
    assert_int_equal(await_product(c, job).answers_held, 0);
}

/* ---- coded blocks ---------------------------------------------------------------------------- */

typedef struct stored {
    double *a, *b;
    char id[KOFN_CLIENT_JOB_MAX];
} stored;

static stored
put(cluster *c)
{
    stored s = {.a = test_matrix(SIZE, SIZE, 3), .b = test_matrix(SIZE, SIZE, 4)};
    const kofn_matrix a = test_view(s.a, SIZE, SIZE);
    assert_ok(kofn_client_put(cluster_get_client(c), &a, NULL, s.id, &error));
    return s;
}

static kofn_account
multiply(cluster *c, const stored *s, const char *family, const char *partition)
{
    const kofn_matrix a = {.operand = s->id}, b = test_view(s->b, SIZE, SIZE);
    kofn_product_options options = {0};
    kofn_result *result = NULL;
    kofn_matrix made;
    assert_ok(kofn_code_choice_set(&options.code, "family", family, &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", partition, &error));
    assert_ok(kofn_client_multiply(cluster_get_client(c), &a, &b, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &made, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_product(s->a, s->b, &made, SIZE, account.amplification);
    kofn_result_destroy(&result);
    return account;
}

static void
free_stored(stored *s)
{
    free(s->a);
    free(s->b);
}

/* Each worker gets the task whose block it has: not one is sent twice. */
static void
a_second_product_sends_no_block_of_the_stored_operand(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    stored s = put(c);
    assert_int_equal(multiply(c, &s, "uncoded", "4,1,1").blocks_spared, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(multiply(c, &s, "uncoded", "4,1,1").blocks_spared, 4);
    free_stored(&s);
}

/* Both operands are one block: it is sent twice to begin with, and then not at all. */
static void
a_square_of_a_stored_operand_needs_no_block_the_second_time(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    stored s = put(c);
    const kofn_matrix a = {.operand = s.id};
    for (int i = 0; i < 3; i++) {
        kofn_result *result = NULL;
        kofn_matrix made;
        assert_ok(kofn_client_multiply(cluster_get_client(c), &a, &a, NULL, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &made, &error));
        assert_product(s.a, s.a, &made, SIZE, 1);
        assert_int_equal(kofn_result_get_account(result)->blocks_spared, i > 0 ? 2 : 0);
        kofn_result_destroy(&result);
    }
    free_stored(&s);
}

/* Another cut, and another row, is another block. */
static void
blocks_of_one_code_do_not_stand_in_for_those_of_another(void **state)
{
    static const char *const codes[][2] = {
        {"uncoded", "2,1,2"}, {"uncoded", "1,2,2"}, {"polynomial", "2,1,2"}, {"rkrp", "2,1,2"},
        {"rkrp", "2,2,1"},    {"uncoded", "1,1,1"}, {"uncoded", "2,2,1"}};
    cluster *c = cluster_new_ready(state, "", 5);
    stored s = put(c), other = put(c); // equal elements, yet two operands
    uint64_t spared = 0;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
            (void)multiply(c, &s, codes[i][0], codes[i][1]);
            spared += multiply(c, &other, codes[i][0], codes[i][1]).blocks_spared;
        }
    assert_true(spared > 0);
    free_stored(&s);
    free_stored(&other);
}

static void
a_worker_that_was_restarted_gets_its_blocks_again(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    stored s = put(c);
    (void)multiply(c, &s, "uncoded", "2,1,1");
    assert_int_equal(multiply(c, &s, "uncoded", "2,1,1").blocks_spared, 2);
    cluster_signal_worker(c, 0, SIGKILL);
    (void)cluster_await_worker_end(c, 0);
    cluster_await_workers(c, 0);
    cluster_start_worker(c, 0, "");
    cluster_await_workers(c, 1);
    assert_int_equal(multiply(c, &s, "uncoded", "2,1,1").blocks_spared, 0);
    assert_int_equal(multiply(c, &s, "uncoded", "2,1,1").blocks_spared, 2);
    free_stored(&s);
}

/* Room for one block of two: each pushes the other out, and the products are right. */
static void
a_cache_that_is_too_small_costs_nothing_but_time(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, "cache: 300KiB\n"); // a block has 256 KiB
    cluster_await_workers(c, 1);
    stored s = put(c);
    for (int i = 0; i < 6; i++)
        (void)multiply(c, &s, "uncoded", "2,1,1");
    assert_int_equal(cluster_get_worker(c, 0).tasks_failed, 0);
    free_stored(&s);
}

static void
a_worker_without_a_cache_is_sent_everything(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, "cache: 0\n");
    cluster_await_workers(c, 1);
    stored s = put(c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(multiply(c, &s, "uncoded", "2,1,1").blocks_spared, 0);
    free_stored(&s);
}

/* A worker that comes back says what it has. */
static void
blocks_outlive_a_connection(void **state)
{
    cluster *c = cluster_new(state, "heartbeat: 100ms\nsilence: 500ms\n");
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    cluster_await_workers(c, 1);
    stored s = put(c);
    (void)multiply(c, &s, "uncoded", "2,1,1");
    have_worker_given_up(c);
    cluster_await_workers(c, 1);
    assert_int_equal(multiply(c, &s, "uncoded", "2,1,1").blocks_spared, 2);
    free_stored(&s);
}

int
main(void)
{
#define LIVE(test_) cmocka_unit_test_teardown(test_, cluster_teardown)
    const struct CMUnitTest tests[] = {
        LIVE(a_worker_that_was_given_up_delivers_what_it_computed),
        LIVE(a_worker_that_keeps_nothing_computes_again),
        LIVE(a_job_ends_with_answers_from_before_the_master_was_killed),
        LIVE(workers_are_back_within_ten_seconds),
        LIVE(answers_for_a_master_that_forgot_are_settled),
        LIVE(a_second_product_sends_no_block_of_the_stored_operand),
        LIVE(a_square_of_a_stored_operand_needs_no_block_the_second_time),
        LIVE(blocks_of_one_code_do_not_stand_in_for_those_of_another),
        LIVE(a_worker_that_was_restarted_gets_its_blocks_again),
        LIVE(a_cache_that_is_too_small_costs_nothing_but_time),
        LIVE(a_worker_without_a_cache_is_sent_everything),
        LIVE(blocks_outlive_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
