/* Streams over real workers that follow one pattern of stragglers, each in the column of its slot.
 *
 * Who straggles is slow by hours: a worker that looked at another round or column than the others
 * would hold up a round for ever, or leave out a straggler that the account counts. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

enum { WORKERS = 4, JOBS = 11, SIDE = 48 };

/* Workers of this trace, a millionth of as fast in their rounds. */
static cluster *
new_cluster(void **state, const char *trace)
{
    cluster *c = cluster_new_ready(state, "", 0);
    char path[CLUSTER_PATH_MAX], yaml[2 * CLUSTER_PATH_MAX];
    cluster_get_path(c, "trace", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(trace, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(yaml, sizeof yaml,
                   "inject: {straggler: 'trace:file=%s,slowdown=1000000', straggler_workers: %d, "
                   "by: wait, pace: 0.01}\n",
                   path, WORKERS);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_start_worker(c, i, yaml);
    cluster_await_workers(c, WORKERS);
    return c;
}

/* JOBS products, all of them right. */
static kofn_stream_account
run_stream(cluster *c, const kofn_stream_options *options)
{
    kofn_error error;
    kofn_stream *stream = NULL;
    kofn_stream_product product;
    kofn_stream_account account;
    kofn_matrix result;
    double *a[JOBS], *b[JOBS];
    size_t next = 0;
    assert_ok(kofn_client_open_stream(cluster_get_client(c), options, &stream, &error));
    while (next < JOBS || kofn_stream_count(stream) > 0) {
        if (next < JOBS && kofn_stream_count(stream) < kofn_stream_get_limit(stream)) {
            a[next] = test_matrix(SIDE, SIDE, 2 * next);
            b[next] = test_matrix(SIDE, SIDE, 2 * next + 1);
            const kofn_matrix a_view = test_view(a[next], SIDE, SIDE),
                              b_view = test_view(b[next], SIDE, SIDE);
            assert_ok(kofn_stream_push(stream, &a_view, &b_view, NULL, &error));
            next++;
            continue;
        }
        assert_ok(
            kofn_stream_next(stream, (int64_t)(1000 * cluster_get_patience_s()), &product, &error));
        assert_true(product.index > 0);
        error = product.error;
        assert_ok(error.status);
        const size_t i = product.index - 1;
        assert_ok(kofn_result_get_matrix(product.result, &result, &error));
        assert_product(a[i], b[i], &result, SIDE,
                       kofn_result_get_account(product.result)->amplification);
        kofn_result_destroy(&product.result);
        free(a[i]);
        free(b[i]);
    }
    assert_ok(kofn_stream_close(&stream, &account, &error));
    assert_int_equal(account.done, JOBS);
    return account;
}

/* One straggler in each round, and the three others suffice: nobody else can be missing. */
static void
each_worker_of_a_stream_straggles_in_its_rounds(void **state)
{
    cluster *c = new_cluster(state, "0 1 0 0\n"
                                    "0 0 0 1\n"
                                    "1 0 0 0\n"
                                    "0 0 1 0\n"
                                    "0 0 0 1\n");
    const kofn_stream_options options = {
        .scheme = "polynomial", .code = {.x = 3, .z = 1, .y = 1}, .slots = WORKERS};
    const kofn_stream_account account = run_stream(c, &options);
    assert_int_equal(account.rounds, JOBS);
    assert_int_equal(account.given, WORKERS * JOBS);
    assert_int_equal(account.answered, 3 * JOBS);
}

/* A burst of two rounds, and rounds without stragglers: what a worker missed is made up in time. */
static void
bursts_are_made_up_within_the_delay(void **state)
{
    cluster *c = new_cluster(state, "0 0 0 0\n"
                                    "0 1 0 0\n"
                                    "0 1 0 0\n"
                                    "0 0 0 0\n"
                                    "1 0 0 0\n"
                                    "1 0 0 0\n");
    const kofn_stream_options options = {.scheme = "dip",
                                         .code = {.x = 2, .z = 1, .y = 3},
                                         .slots = WORKERS,
                                         .delay = 2,
                                         .lambda = 3};
    const kofn_stream_account account = run_stream(c, &options);
    assert_true(account.answered < account.given);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_worker_of_a_stream_straggles_in_its_rounds,
                                  cluster_teardown),
        cmocka_unit_test_teardown(bursts_are_made_up_within_the_delay, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
