/* A disk that answers no more: the master's loop goes on, and whoever watches it is told that the
 * service is not well, by not being told that it is. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/unit/manager.h"

#include <stdlib.h>
#include <time.h>

/* A store is stuck after STUCK_MS; the service's manager waits for WATCHDOG_US. */
#define STUCK_MS    "300"
#define WATCHDOG_US "400000"

enum { SILENCE_MS = 1200, SIDE = 16 }; // three times what a manager waits

static void
start_watched(cluster *c, manager *m)
{
    assert_int_equal(setenv("KOFN_STUCK_MS", STUCK_MS, 1), 0);
    manager_open(m, WATCHDOG_US);
    cluster_start_master(c);
    assert_int_equal(unsetenv("KOFN_STUCK_MS"), 0);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0); // a worker is not watched
    manager_await(m, "READY=1");
}

static kofn_status
submit(cluster *c, int64_t timeout_ms, char *ret_job, kofn_error *err)
{
    double *a = test_matrix(SIDE, SIDE, 1);
    const kofn_matrix view = test_view(a, SIDE, SIDE);
    const kofn_product_options options = {.timeout_ms = timeout_ms};
    const kofn_status status =
        kofn_client_submit(cluster_get_client(c), &view, &view, &options, ret_job, err);
    free(a);
    return status;
}

static void
await_product(cluster *c, const char *job)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    double *a = test_matrix(SIDE, SIDE, 1);
    assert_product(a, a, &product, SIDE, kofn_result_get_account(result)->amplification);
    free(a);
    kofn_result_destroy(&result);
}

/* Until nothing is heard for longer than a manager would wait. */
static void
await_silence(manager *m)
{
    const time_t until = time(NULL) + PATIENCE_S;
    while (manager_hear(m, SILENCE_MS)[0]) {
        assert_string_equal(m->said, "WATCHDOG=1");
        assert_true(time(NULL) < until);
    }
}

static void
a_store_that_is_stuck_starves_the_watchdog_and_loses_nothing(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX];
    kofn_health health;
    kofn_error error;
    manager m;
    cluster_arm_master(c, "group_written:hang:2");
    start_watched(c, &m);
    assert_ok(submit(c, 0, first, &error));
    for (int fed = 0; fed < 5; fed++) // the disk answers so far
        assert_string_equal(manager_hear(&m, PATIENCE_S * 1000), "WATCHDOG=1");

    assert_fails(submit(c, 1000, second, &error), KOFN_DEADLINE_EXCEEDED);
    await_silence(&m);
    assert_ok(kofn_client_check(cluster_get_client(c), NULL, PATIENCE_S * 1000, &health, &error));

    cluster_kill_master(c); // as the manager does
    manager_close(&m);
    cluster_arm_master(c, NULL);
    start_watched(c, &m);
    cluster_start_worker(c, 0, "");
    await_product(c, first);
    for (int fed = 0; fed < 5; fed++)
        assert_string_equal(manager_hear(&m, PATIENCE_S * 1000), "WATCHDOG=1");
    manager_close(&m);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_store_that_is_stuck_starves_the_watchdog_and_loses_nothing,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests_name("live_stuck", tests, NULL, NULL);
}
