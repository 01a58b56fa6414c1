/* Groups of a code that lose their workers, with real daemons: Strassen's seven products over
 * GF(2^8), each in two tasks of which one does. Which worker gets which task nobody knows, so of 14
 * workers eight are stuck: with six answers at least one product has none. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"

#define STUCK   "inject:\n  sleep: 1h\n"
#define PATIENT "silence: 10min\nheartbeat: 1s\n" // nobody is lost for silence

enum { SIDE = 32, WELL = 6, ALL = 14 };

static kofn_error error;

static unsigned
times(unsigned a, unsigned b) // mod x^8 + x^4 + x^3 + x^2 + 1
{
    unsigned product = 0;
    for (; b; b >>= 1, a = a << 1 ^ (a & 0x80 ? 0x11d : 0))
        product ^= b & 1 ? a : 0;
    return product;
}

typedef struct scene {
    cluster *c;
    unsigned char a[SIDE * SIDE], b[SIDE * SIDE];
    kofn_call *call;
} scene;

static kofn_matrix
view(const unsigned char *at)
{
    return (kofn_matrix){.data = at, .dtype = KOFN_U8, .rows = SIDE, .cols = SIDE};
}

static void
start(scene *s, const char *policy, const char *reserve, uint64_t timeout_ms)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        s->a[i] = (unsigned char)kofn_rng_below(&rng, 256);
        s->b[i] = (unsigned char)kofn_rng_below(&rng, 256);
    }
    kofn_product_options options = {.policy = policy, .timeout_ms = timeout_ms};
    assert_ok(kofn_code_choice_set(&options.code, "family", "alloy_local", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,2,2", &error));
    assert_ok(kofn_code_choice_set(&options.code, "tasks", "14", &error));
    assert_ok(kofn_code_choice_set(&options.code, "reserve", reserve, &error));
    const kofn_matrix a = view(s->a), b = view(s->b);
    assert_ok(kofn_client_start(cluster_get_client(s->c), &a, &b, &options, &s->call, &error));
}

static void
begin(void **state, const char *yaml, const char *policy, const char *reserve, scene *s)
{
    s->c = cluster_new_ready(state, yaml, WELL);
    for (size_t worker = WELL; worker < ALL; worker++)
        cluster_start_worker(s->c, worker, STUCK);
    cluster_await_workers(s->c, ALL);
    start(s, policy, reserve, PATIENCE_S * 1000);
}

static kofn_account
finish(scene *s)
{
    kofn_result *result = NULL;
    kofn_matrix c;
    assert_ok(kofn_call_finish(&s->call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal(c.rows, SIDE);
    assert_int_equal(c.cols, SIDE);
    const unsigned char *got = c.data;
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            unsigned sum = 0;
            for (size_t k = 0; k < SIDE; k++)
                sum ^= times(s->a[i * SIDE + k], s->b[k * SIDE + j]);
            assert_int_equal(got[i * c.stride + j], sum);
        }
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    assert_string_equal(account.field, "gf256");
    assert_int_equal(account.tasks, ALL);
    assert_true(account.likely);
    assert_int_equal(account.answers_used, 7);
    return account;
}

static void
fresh_tasks_make_up_for_workers_that_never_answer(void **state)
{
    scene s;
    begin(state, PATIENT, "auto", "0", &s);
    const kofn_account account = finish(&s);
    assert_string_equal(account.policy, "rateless");
    assert_int_equal(account.code.reserve, ALL);
    assert_true(account.fresh >= 1);
    assert_int_equal(account.replaced, 0);
}

/* Answered, or cancelled since its product was there already. */
static void
await_end_of_task(scene *s, size_t worker)
{
    kofn_worker_info info;
    do {
        assert_false(kofn_call_poll(s->call));
        info = cluster_get_worker(s->c, worker);
    } while (info.tasks_running > 0 || info.tasks_done + info.tasks_cancelled == 0);
}

/* Nothing is sent for what is only late: the job waits for the dead, until they are. */
static void
a_group_whose_workers_were_killed_gets_fresh_tasks(void **state)
{
    scene s;
    begin(state, "", "oneshot", "7", &s);
    for (size_t worker = 0; worker < WELL; worker++)
        await_end_of_task(&s, worker);
    assert_false(kofn_call_poll(s.call));
    for (size_t worker = WELL; worker < ALL; worker++)
        cluster_signal_worker(s.c, worker, SIGKILL);
    const kofn_account account = finish(&s);
    assert_string_equal(account.policy, "oneshot");
    assert_in_range(account.replaced, 1, 7);
    assert_in_range(account.fresh, 1, account.replaced);
}

static void
the_deadline_names_groups_without_a_worker(void **state)
{
    scene s;
    kofn_result *result = NULL;
    s.c = cluster_new_ready(state, "", 1);
    cluster_signal_worker(s.c, 0, SIGKILL);
    cluster_await_workers(s.c, 0);
    start(&s, "rateless", "7", 500);
    assert_fails(kofn_call_finish(&s.call, &result, &error), KOFN_DEADLINE_EXCEEDED);
    assert_non_null(strstr(error.text, "most sets of 13 suffice"));
    assert_non_null(strstr(error.text, "group 0 has 0 of 1, group 1 has 0 of 1"));
    assert_non_null(strstr(error.text, "and 3 more"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fresh_tasks_make_up_for_workers_that_never_answer,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_group_whose_workers_were_killed_gets_fresh_tasks,
                                  cluster_teardown),
        cmocka_unit_test_teardown(the_deadline_names_groups_without_a_worker, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
