/* Daemons that come and go: start-up in any order, deaths, freezes, restarts, ends. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

/* Held until it is cancelled, killed or replaced: a wait that no test sits out. */
#define STUCK "inject:\n  sleep: 1h\n"

static const product_wish split_in_four = {
    .rows = 96, .inner = 64, .cols = 80, .family = "uncoded", .partition = "2,1,2"};

/* ---- start ----------------------------------------------------------------------------------- */

static void
workers_may_start_before_the_master(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_worker(c, 0, "");
    cluster_start_worker(c, 1, "");
    cluster_start_master(c);
    cluster_await_workers(c, 2);
    (void)cluster_multiply(c, &split_in_four);
}

static void
the_master_may_start_before_its_workers(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_await_workers(c, 0);
    cluster_start_worker(c, 0, "");
    cluster_start_worker(c, 1, "");
    cluster_await_workers(c, 2);
    (void)cluster_multiply(c, &split_in_four);
}

static void
a_client_may_start_first_and_a_job_waits_for_workers(void **state)
{
    kofn_error error;
    cluster *c = cluster_new(state, "");
    double *a = test_matrix(40, 30, 1), *b = test_matrix(30, 20, 2);
    const kofn_matrix a_view = test_view(a, 40, 30), b_view = test_view(b, 30, 20);
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_client_start(cluster_get_client(c), &a_view, &b_view, NULL, &call, &error));
    assert_false(kofn_call_poll(call));
    cluster_start_master(c);
    cluster_await_workers(c, 0);
    assert_false(kofn_call_poll(call));
    cluster_start_worker(c, 0, "");
    assert_ok(kofn_call_finish(&call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(a, b, &product, 30, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
    free(a);
    free(b);
}

static void
a_port_in_use_is_a_clear_error(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    char config[CLUSTER_PATH_MAX];
    cluster_get_path(c, "master.yaml", config);
    outcome second;
    cluster_run_program(c, &second, KOFN_MASTER_PROGRAM, "-c", config, NULL);
    assert_int_not_equal(second.status, 0);
    assert_true(second.status < 128);
    const char *port = strrchr(cluster_get_workers_endpoint(c), ':');
    const char *other_port = strrchr(cluster_get_clients_endpoint(c), ':');
    assert_true(strstr(second.err, port) || strstr(second.err, other_port));
    (void)cluster_multiply(c, &split_in_four); // the first goes on
}

/* ---- deaths and freezes ---------------------------------------------------------------------- */

/* A job with a stuck worker: everything is out and answered but what that one holds. */
static kofn_call *
start_job_with_stuck_worker(cluster *c, const double *a, const double *b, size_t stuck)
{
    kofn_error error;
    kofn_call *call = NULL;
    const kofn_matrix a_view = test_view(a, 96, 64), b_view = test_view(b, 64, 80);
    kofn_product_options options = {.policy = "oneshot"};
    assert_ok(kofn_code_choice_set(&options.code, "family", "uncoded", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,1,2", &error));
    assert_ok(kofn_client_start(cluster_get_client(c), &a_view, &b_view, &options, &call, &error));
    cluster_await_running(c, stuck, 1);
    assert_false(kofn_call_poll(call));
    return call;
}

static kofn_account
finish_job(kofn_call **call, const double *a, const double *b)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_call_finish(call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_product(a, b, &product, 64, account.amplification);
    kofn_result_destroy(&result);
    return account;
}

static void
tasks_of_a_killed_worker_go_to_others(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    cluster_start_worker(c, 2, STUCK);
    cluster_await_workers(c, 3);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 2);
    cluster_signal_worker(c, 2, SIGKILL);
    const kofn_account account = finish_job(&call, a, b);
    assert_true(account.replaced >= 1);
    cluster_await_workers(c, 2);
    free(a);
    free(b);
}

static void
a_frozen_worker_is_lost_and_found_again(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    cluster_start_worker(c, 2, STUCK);
    cluster_await_workers(c, 3);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 2);
    cluster_signal_worker(c, 2, SIGSTOP);
    const kofn_account account = finish_job(&call, a, b);
    assert_true(account.replaced >= 1);
    cluster_await_workers(c, 2);
    cluster_signal_worker(c, 2, SIGCONT);
    cluster_await_workers(c, 3);
    free(a);
    free(b);
}

static void
a_coded_job_does_not_wait_for_the_dead(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    cluster_start_worker(c, 4, STUCK);
    cluster_await_workers(c, 5);
    const product_wish any_four_of_five = {.rows = 100,
                                           .inner = 50,
                                           .cols = 60,
                                           .family = "rkrp",
                                           .partition = "2,1,2",
                                           .policy = "oneshot",
                                           .tasks = 5};
    for (int i = 0; i < 3; i++) {
        const kofn_account account = cluster_multiply(c, &any_four_of_five);
        assert_int_equal(account.answers_used, 4);
        assert_int_equal(account.replaced, 0);
    }
    cluster_signal_worker(c, 4, SIGKILL);
    (void)cluster_multiply(c, &any_four_of_five);
}

static void
a_job_goes_on_with_its_last_worker(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    cluster_start_worker(c, 1, STUCK);
    cluster_start_worker(c, 2, STUCK);
    cluster_await_workers(c, 3);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 1);
    cluster_await_running(c, 2, 1);
    cluster_signal_worker(c, 1, SIGKILL);
    cluster_signal_worker(c, 2, SIGKILL);
    (void)finish_job(&call, a, b);
    free(a);
    free(b);
}

static void
a_worker_that_crashes_in_mid_task_is_replaced(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    cluster_start_worker(c, 1, "inject:\n  crash_after: 1\n");
    cluster_await_workers(c, 2);
    const product_wish wish = {
        .rows = 96, .inner = 64, .cols = 80, .family = "uncoded", .partition = "4,1,4"};
    while (
        !cluster_worker_has_ended(c, 1)) // its second task may go to the other, if that is faster
        (void)cluster_multiply(c, &wish);
    assert_int_not_equal(cluster_await_worker_end(c, 1), 0);
}

/* ---- the master's life ----------------------------------------------------------------------- */

static void
workers_and_clients_find_a_restarted_master(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    (void)cluster_multiply(c, &split_in_four);
    cluster_signal_master(c, SIGKILL);
    (void)cluster_await_master_end(c);
    cluster_start_master(c);
    cluster_await_workers(c, 3);
    (void)cluster_multiply(c, &split_in_four);
}

static void
a_call_survives_the_masters_restart(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    cluster_start_worker(c, 2, STUCK);
    cluster_await_workers(c, 3);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 2);
    cluster_signal_worker(c, 2, SIGKILL);
    cluster_signal_master(c, SIGKILL);
    (void)cluster_await_master_end(c);
    cluster_start_master(c);
    (void)finish_job(&call, a, b);
    free(a);
    free(b);
}

static void
idle_daemons_end_with_0_on_sigterm(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    cluster_signal_worker(c, 0, SIGTERM);
    assert_int_equal(cluster_await_worker_end(c, 0), 0);
    cluster_await_workers(c, 0);
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
}

static void
daemons_end_with_0_on_sigterm_without_the_other_side(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_worker(c, 0, "");
    cluster_start_master(c);
    cluster_await_workers(c, 1);
    cluster_signal_master(c, SIGKILL);
    (void)cluster_await_master_end(c);
    cluster_signal_worker(c, 0, SIGTERM);
    assert_int_equal(cluster_await_worker_end(c, 0), 0);
}

static void
a_job_is_finished_after_sigterm_within_the_grace_time(void **state)
{
    cluster *c = cluster_new(state, "grace: 10min\n");
    cluster_start_master(c);
    cluster_start_worker(c, 0, "inject:\n  sleep: 500ms\n");
    cluster_await_workers(c, 1);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 0);
    cluster_signal_master(c, SIGTERM);
    (void)finish_job(&call, a, b);
    assert_int_equal(cluster_await_master_end(c), 0);
    free(a);
    free(b);
}

static void
a_job_that_outlasts_the_grace_time_is_handed_back(void **state)
{
    kofn_error error;
    cluster *c = cluster_new(state, "grace: 200ms\n");
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    const kofn_matrix a_view = test_view(a, 96, 64), b_view = test_view(b, 64, 80);
    const kofn_client_options once = {.endpoint = cluster_get_clients_endpoint(c), .retries = -1};
    kofn_client *client = NULL;
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    assert_ok(kofn_client_open(&once, &client, &error));
    assert_ok(kofn_client_start(client, &a_view, &b_view, NULL, &call, &error));
    for (bool sent = false; !sent;) { // the call moves inside the client's own functions
        assert_false(kofn_call_poll(call));
        sent = cluster_get_worker(c, 0).tasks_running > 0;
    }
    cluster_signal_master(c, SIGTERM);
    assert_fails(kofn_call_finish(&call, &result, &error), KOFN_UNAVAILABLE);
    assert_int_equal(cluster_await_master_end(c), 0);
    kofn_client_close(&client);
    free(a);
    free(b);
}

static void
a_worker_hands_back_or_finishes_its_tasks_on_sigterm(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    cluster_start_worker(c, 1, "grace: 100ms\n" STUCK);
    cluster_await_workers(c, 2);
    double *a = test_matrix(96, 64, 1), *b = test_matrix(64, 80, 2);
    kofn_call *call = start_job_with_stuck_worker(c, a, b, 1);
    cluster_signal_worker(c, 1, SIGTERM);
    (void)finish_job(&call, a, b);
    assert_int_equal(cluster_await_worker_end(c, 1), 0);
    free(a);
    free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(workers_may_start_before_the_master, cluster_teardown),
        cmocka_unit_test_teardown(the_master_may_start_before_its_workers, cluster_teardown),
        cmocka_unit_test_teardown(a_client_may_start_first_and_a_job_waits_for_workers,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_port_in_use_is_a_clear_error, cluster_teardown),
        cmocka_unit_test_teardown(tasks_of_a_killed_worker_go_to_others, cluster_teardown),
        cmocka_unit_test_teardown(a_frozen_worker_is_lost_and_found_again, cluster_teardown),
        cmocka_unit_test_teardown(a_coded_job_does_not_wait_for_the_dead, cluster_teardown),
        cmocka_unit_test_teardown(a_job_goes_on_with_its_last_worker, cluster_teardown),
        cmocka_unit_test_teardown(a_worker_that_crashes_in_mid_task_is_replaced, cluster_teardown),
        cmocka_unit_test_teardown(workers_and_clients_find_a_restarted_master, cluster_teardown),
        cmocka_unit_test_teardown(a_call_survives_the_masters_restart, cluster_teardown),
        cmocka_unit_test_teardown(idle_daemons_end_with_0_on_sigterm, cluster_teardown),
        cmocka_unit_test_teardown(daemons_end_with_0_on_sigterm_without_the_other_side,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_job_is_finished_after_sigterm_within_the_grace_time,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_job_that_outlasts_the_grace_time_is_handed_back,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_worker_hands_back_or_finishes_its_tasks_on_sigterm,
                                  cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
