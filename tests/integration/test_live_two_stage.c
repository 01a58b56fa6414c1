/* Jobs in two stages with real daemons: products as they are first, and coded tasks for what
 * workers that are stuck have not brought. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <math.h>

#define STUCK   "inject:\n  sleep: 1h\n"
#define PATIENT "silence: 10min\nheartbeat: 1s\n" // nobody is lost for silence

static kofn_error error;

static product_wish
six_products(void)
{
    return (product_wish){.rows = 90,
                          .inner = 40,
                          .cols = 60,
                          .family = "rkrp",
                          .partition = "3,1,2",
                          .policy = "two_stage"};
}

/* Nothing is late for an hour: what is sent are the six products. */
static void
an_undisturbed_job_sends_its_products_and_nothing_else(void **state)
{
    cluster *c = cluster_new_ready(state, "scheduler:\n  stage_floor: 1h\n", 4);
    const product_wish wish = six_products();
    const kofn_account account = cluster_multiply(c, &wish);
    assert_string_equal(account.policy, "two_stage");
    assert_int_equal(account.tasks_sent, 6);
    assert_int_equal(account.answers_used, 6);
    assert_int_equal(account.tasks, 6); // and coded ones in the reserve
    assert_int_equal(account.code.reserve, 6);
    assert_int_equal(account.fresh + account.backups + account.replaced, 0);
}

/* Four workers for six products: each has one, the one that is stuck as well. */
static kofn_account
run_beside_stuck(void **state, const product_wish *wish)
{
    cluster *c = cluster_new_ready(state, PATIENT, 3);
    cluster_start_worker(c, 3, STUCK);
    cluster_await_workers(c, 4);
    const kofn_account account = cluster_multiply(c, wish);
    assert_true(account.tasks_sent > 6);
    assert_int_equal(account.replaced, 0);
    assert_int_equal(account.answers_used, 6);
    assert_true(cluster_get_worker(c, 3).tasks_cancelled >= 1);
    assert_int_equal(cluster_get_worker(c, 3).tasks_done, 0);
    return account;
}

static void
coded_tasks_make_up_for_a_worker_that_is_stuck(void **state)
{
    const product_wish wish = six_products();
    assert_true(run_beside_stuck(state, &wish).fresh >= 1);
}

static void
coded_tasks_of_a_family_without_fresh_ones_are_held_back_behind_the_products(void **state)
{
    product_wish wish = six_products();
    wish.family = "polynomial";
    wish.tasks = 9;
    const kofn_account account = run_beside_stuck(state, &wish);
    assert_int_equal(account.tasks, 9);
    assert_int_equal(account.fresh, 0);
}

/* One takes half a second for each task: late, and what it has is made up for or comes all the
 * same. */
static void
a_slow_worker_delays_nobody_and_its_answers_count(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    cluster_start_worker(c, 3, "inject:\n  sleep: 500ms\n");
    cluster_await_workers(c, 4);
    const product_wish wish = six_products();
    uint64_t done = 0;
    for (size_t i = 0; i < 3; i++) {
        const kofn_account account = cluster_multiply(c, &wish);
        const uint64_t before = done;
        done = cluster_get_worker(c, 3).tasks_done;
        assert_int_equal(account.replaced, 0); // nobody is lost
        assert_true(account.fresh > 0 || done > before);
    }
}

static void
copies_go_out_where_there_are_no_coded_tasks(void **state)
{
    product_wish wish = six_products();
    wish.family = "uncoded";
    assert_true(run_beside_stuck(state, &wish).backups >= 1);
}

/* ---- batches --------------------------------------------------------------------------------- */

enum { PAIRS = 6, SIDE = 12 };

typedef struct batch {
    double *x[PAIRS], *y[PAIRS];
    kofn_matrix left[PAIRS], right[PAIRS];
    kofn_pairs pairs;
} batch;

static void
batch_init(batch *b)
{
    for (size_t i = 0; i < PAIRS; i++) {
        b->x[i] = test_matrix(SIDE, SIDE, 2 * i + 1);
        b->y[i] = test_matrix(SIDE, SIDE, 2 * i + 2);
        b->left[i] = test_view(b->x[i], SIDE, SIDE);
        b->right[i] = test_view(b->y[i], SIDE, SIDE);
    }
    b->pairs = (kofn_pairs){.count = PAIRS, .x = b->left, .y = b->right};
}

static void
batch_fini(batch *b)
{
    for (size_t i = 0; i < PAIRS; i++) {
        free(b->x[i]);
        free(b->y[i]);
    }
}

/* As assert_product: elements are at most 1. */
static void
assert_products(const batch *b, const kofn_matrix *c, double amplification)
{
    const double *at = c->data, bound = 8 * (amplification + 1) * SIDE * 0x1p-52;
    assert_int_equal(c->rows, PAIRS * SIDE);
    for (size_t i = 0; i < PAIRS; i++)
        for (size_t row = 0; row < SIDE; row++)
            for (size_t col = 0; col < SIDE; col++) {
                double sum = 0;
                for (size_t k = 0; k < SIDE; k++)
                    sum += b->x[i][row * SIDE + k] * b->y[i][k * SIDE + col];
                assert_at_most(fabs(at[(i * SIDE + row) * c->stride + col] - sum), bound);
            }
}

static kofn_account
run_batch(cluster *c, const char *family)
{
    kofn_product_options options = test_options("two_stage", family);
    kofn_result *result = NULL;
    kofn_matrix product;
    batch b;
    batch_init(&b);
    assert_ok(kofn_client_batch(cluster_get_client(c), &b.pairs, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_products(&b, &product, account.amplification);
    kofn_result_destroy(&result);
    batch_fini(&b);
    return account;
}

/* Two of six workers are stuck, and each has one of six pairs: the tasks for both are made then. */
static void
tasks_are_made_for_the_pairs_that_are_missing(void **state)
{
    cluster *c = cluster_new_ready(state, PATIENT, PAIRS - 2);
    cluster_start_worker(c, PAIRS - 2, STUCK);
    cluster_start_worker(c, PAIRS - 1, STUCK);
    cluster_await_workers(c, PAIRS);
    const kofn_account account = run_batch(c, "lagrange");
    assert_int_equal(account.tasks, PAIRS);
    assert_true(account.fresh >= 3);
    assert_int_equal(account.replaced, 0);
}

static void
a_batch_that_nothing_disturbs_is_its_pairs(void **state)
{
    cluster *c = cluster_new_ready(state, "scheduler:\n  stage_floor: 1h\n", 3);
    static const char *const families[] = {"lagrange", "locality", "uncoded"};
    for (size_t i = 0; i < 3; i++) {
        const kofn_account account = run_batch(c, families[i]);
        assert_int_equal(account.tasks_sent, PAIRS);
        assert_int_equal(account.fresh + account.backups + account.replaced, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_undisturbed_job_sends_its_products_and_nothing_else,
                                  cluster_teardown),
        cmocka_unit_test_teardown(coded_tasks_make_up_for_a_worker_that_is_stuck, cluster_teardown),
        cmocka_unit_test_teardown(
            coded_tasks_of_a_family_without_fresh_ones_are_held_back_behind_the_products,
            cluster_teardown),
        cmocka_unit_test_teardown(a_slow_worker_delays_nobody_and_its_answers_count,
                                  cluster_teardown),
        cmocka_unit_test_teardown(copies_go_out_where_there_are_no_coded_tasks, cluster_teardown),
        cmocka_unit_test_teardown(tasks_are_made_for_the_pairs_that_are_missing, cluster_teardown),
        cmocka_unit_test_teardown(a_batch_that_nothing_disturbs_is_its_pairs, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
