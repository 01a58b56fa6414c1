/* Jobs with so many coded answers that whether they suffice is found out on a compute thread
 * (master/sched/trial.h), with real daemons. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

enum { PARTS = 22, ANSWERS = PARTS * PARTS, TASKS = ANSWERS + 3, SIDE = 2 * PARTS, INNER = 3 };

static kofn_error error;

typedef struct scene {
    cluster *c;
    double a[SIDE * INNER], b[INNER * SIDE];
    char job[KOFN_CLIENT_JOB_MAX];
} scene;

static void
start(scene *s, void **state)
{
    kofn_rng rng;
    s->c = cluster_new_ready(state, "", 2);
    kofn_rng_init(&rng, test_seed(11), 0);
    for (size_t i = 0; i < SIDE * INNER; i++) {
        s->a[i] = kofn_rng_normal(&rng);
        s->b[i] = kofn_rng_normal(&rng);
    }
    kofn_product_options options = {.policy = "oneshot"};
    assert_ok(kofn_code_choice_set(&options.code, "family", "rkrp", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "22,1,22", &error));
    assert_ok(kofn_code_choice_set(&options.code, "systematic", "no", &error));
    options.code.tasks = TASKS;
    const kofn_matrix a = {.data = s->a, .dtype = KOFN_F64, .rows = SIDE, .cols = INNER},
                      b = {.data = s->b, .dtype = KOFN_F64, .rows = INNER, .cols = SIDE};
    assert_ok(kofn_client_submit(cluster_get_client(s->c), &a, &b, &options, s->job, &error));
}

static void
a_product_of_hundreds_of_coded_answers_is_right_and_uses_no_more_than_it_takes(void **state)
{
    scene s;
    double c[SIDE * SIDE];
    kofn_result *result = NULL;
    start(&s, state);
    assert_ok(kofn_client_wait(cluster_get_client(s.c), s.job, NULL, &result, &error));
    assert_ok(kofn_result_copy(result, c, 0, &error));
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    assert_int_equal(account.answers_used, ANSWERS);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, INNER, -1, s.a, INNER, s.b,
                SIDE, 1, c, SIDE);
    assert_at_most(cblas_dnrm2(SIDE * SIDE, c, 1), account.error_bound *
                                                       cblas_dnrm2(SIDE * INNER, s.a, 1) *
                                                       cblas_dnrm2(INNER * SIDE, s.b, 1));
    assert_at_most(account.error_bound, 1e-5);
}

static void
a_job_is_cancelled_while_its_answers_are_tried(void **state)
{
    scene s;
    kofn_account account;
    start(&s, state);
    kofn_client *client = cluster_get_client(s.c);
    do
        assert_ok(kofn_client_get_job(client, s.job, &account, &error));
    while (account.answers < ANSWERS);
    assert_ok(kofn_client_cancel(client, s.job, &account, &error)); // may be too late: it is done
    assert_int_equal(cluster_check(s.c).workers, 2);
    cluster_signal_master(s.c, SIGTERM); // and the trial is taken back
    assert_int_equal(cluster_await_master_end(s.c), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            a_product_of_hundreds_of_coded_answers_is_right_and_uses_no_more_than_it_takes,
            cluster_teardown),
        cmocka_unit_test_teardown(a_job_is_cancelled_while_its_answers_are_tried, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
