/* A job that kills the workers it touches: it fails after three of them, and says which. Kills that
 * are nobody's fault fail no job.
 */
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

/* Every worker ends in the middle of the second task that it gets. */
static void
a_job_that_kills_its_workers_fails_and_names_three(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    for (size_t i = 0; i < 5; i++)
        cluster_start_worker(c, i, "credit: 1\ninject:\n  crash_after: 1\n");
    cluster_await_workers(c, 5);
    /* Five tasks at once for five workers that take one: each has had its first. */
    (void)cluster_multiply(c, &(product_wish){320, 64, 64, "uncoded", "5,1,1", "oneshot", 5});

    kofn_error error;
    kofn_result *result = NULL;
    double *a = test_matrix(64, 64, 1);
    const kofn_matrix view = test_view(a, 64, 64);
    kofn_product_options options = {.policy = "oneshot", .timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_code_choice_set(&options.code, "family", "uncoded", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "1,1,1", &error));
    assert_int_equal(
        kofn_client_multiply(cluster_get_client(c), &view, &view, &options, &result, &error),
        KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "died one after another"));
    size_t named = 0, ended = 0;
    for (size_t i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%zu", i);
        const bool is_named = strstr(error.text, name) != NULL;
        named += is_named;
        ended += cluster_worker_has_ended(c, i);
        if (is_named)
            assert_true(cluster_worker_has_ended(c, i));
    }
    assert_int_equal(named, 3);
    assert_int_equal(ended, 3); // and the others live
    kofn_result_destroy(&result);
    free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_job_that_kills_its_workers_fails_and_names_three,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
