/* Any n - k workers killed together in the middle of a job: the product is the same, and no client
 * learns of it.
 *
 * Each run draws a code, a shape, who dies and when; the seed is printed. Workers wait before they
 * answer, so that a kill falls into the job more often than not; how often is printed as well.
 */
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"

#include <stdlib.h>
#include <time.h>

enum { WORKERS = 6, SLEEP_MS = 60 };

/* Codes of one task a worker, by the workers they can lose. */
static const struct {
    const char *family, *partition;
    size_t losses;
} codes[] = {
    {"rkrp", "2,1,2", 2},    {"polynomial", "2,1,2", 2},  {"polynomial", "3,1,1", 3},
    {"matdot", "1,2,1", 3},  {"orthopoly", "2,1,2", 2},   {"orthomatdot", "1,2,1", 3},
    {"polydot", "2,1,2", 2}, {"replication", "3,1,1", 1}, {"rkrp", "1,1,5", 1},
    {"matdot", "1,3,1", 1},
};

static const struct {
    size_t rows, inner, cols;
} shapes[] = {{64, 64, 64}, {120, 37, 210}, {301, 200, 99}, {1, 500, 40}, {400, 400, 400}};

typedef struct run {
    double *a, *b;
    size_t rows, inner, cols;
    kofn_call *call;
} run;

static run
begin(cluster *c, kofn_rng *rng, size_t code)
{
    const size_t shape = kofn_rng_below(rng, sizeof shapes / sizeof shapes[0]);
    run r = {.rows = shapes[shape].rows, .inner = shapes[shape].inner, .cols = shapes[shape].cols};
    r.a = test_matrix(r.rows, r.inner, kofn_rng_u64(rng));
    r.b = test_matrix(r.inner, r.cols, kofn_rng_u64(rng));
    const kofn_matrix a = test_view(r.a, r.rows, r.inner), b = test_view(r.b, r.inner, r.cols);
    kofn_product_options options = {
        .policy = "oneshot", .timeout_ms = PATIENCE_S * 1000, .code = {.tasks = WORKERS}};
    kofn_error error;
    assert_ok(kofn_code_choice_set(&options.code, "family", codes[code].family, &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", codes[code].partition, &error));
    assert_ok(kofn_client_start(cluster_get_client(c), &a, &b, &options, &r.call, &error));
    return r;
}

/* Fails unless the product is right. */
static void
end(run *r)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_call_finish(&r->call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_int_equal(product.rows, r->rows);
    assert_int_equal(product.cols, r->cols);
    assert_product(r->a, r->b, &product, r->inner, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
    free(r->a);
    free(r->b);
}

static void
wait_for_blow(kofn_rng *rng, kofn_call *call)
{
    const double until_s = fault_now_s() + 1.5e-3 * SLEEP_MS * kofn_rng_unit(rng);
    while (fault_now_s() < until_s)
        (void)kofn_call_poll(call); // what the client has to send goes out meanwhile
}

/* `losses` of the workers, any. */
static void
choose_victims(kofn_rng *rng, size_t losses, bool ret_dies[WORKERS])
{
    for (size_t i = 0; i < WORKERS; i++)
        ret_dies[i] = false;
    while (losses > 0) {
        const size_t victim = kofn_rng_below(rng, WORKERS);
        losses -= !ret_dies[victim];
        ret_dies[victim] = true;
    }
}

static void
start_worker(cluster *c, size_t number)
{
    char yaml[64];
    (void)snprintf(yaml, sizeof yaml, "credit: 1\ninject:\n  sleep: %dms\n", SLEEP_MS);
    cluster_start_worker(c, number, yaml);
}

static void
any_workers_that_a_code_can_lose_may_die_together(void **state)
{
    const size_t runs = fault_amount(10, 200);
    kofn_rng rng;
    size_t in_job = 0;
    kofn_rng_init(&rng, test_seed(22), 0);
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    for (size_t i = 0; i < WORKERS; i++)
        start_worker(c, i);
    cluster_await_workers(c, WORKERS);
    for (size_t i = 0; i < runs; i++) {
        const size_t code = i % (sizeof codes / sizeof codes[0]);
        bool dies[WORKERS];
        choose_victims(&rng, codes[code].losses, dies);
        run r = begin(c, &rng, code);
        wait_for_blow(&rng, r.call);
        in_job += !kofn_call_poll(r.call);
        for (size_t w = 0; w < WORKERS; w++)
            if (dies[w])
                cluster_signal_worker(c, w, SIGKILL);
        end(&r);
        for (size_t w = 0; w < WORKERS; w++)
            if (dies[w]) {
                assert_int_equal(cluster_await_worker_end(c, w), 128 + SIGKILL);
                start_worker(c, w);
            }
        cluster_await_workers(c, WORKERS);
    }
    print_message("losers: %zu of %zu runs right, %zu kills in the middle of a job\n", runs, runs,
                  in_job);
    assert_true(in_job > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(any_workers_that_a_code_can_lose_may_die_together,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
