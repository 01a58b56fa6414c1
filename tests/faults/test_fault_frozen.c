/* A worker that is stopped (SIGSTOP) in the middle of a job: the job ends without it, it is told
 * when it wakes, and nothing of it is left behind: no assignment, no descriptor, no memory.
 *
 * The time of the disturbed job is printed as a ratio to the job before it; bench_faults measures
 * the same on jobs that are long enough to be judged, and the full run here judges it too.
 */
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

#include <stdlib.h>

enum { WORKERS = 5 };

#define RATIO_MAX 1.15
#define MIB       (1 << 20)

typedef struct scene {
    cluster *c;
    size_t n;
    double *a, *b;
} scene;

static kofn_call *
begin(const scene *s)
{
    const kofn_matrix a = test_view(s->a, s->n, s->n), b = test_view(s->b, s->n, s->n);
    kofn_product_options options = {
        .policy = "oneshot", .timeout_ms = PATIENCE_S * 1000, .code = {.tasks = WORKERS}};
    kofn_error error;
    kofn_call *call = NULL;
    assert_ok(kofn_code_choice_set(&options.code, "family", "rkrp", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,1,2", &error));
    assert_ok(kofn_client_start(cluster_get_client(s->c), &a, &b, &options, &call, &error));
    return call;
}

static void
end(const scene *s, kofn_call **call)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_call_finish(call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(s->a, s->b, &product, s->n, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
}

/* Seconds of a job; with a victim, that one is stopped `after_s` into it. */
static double
time_job(const scene *s, const size_t *victim, double after_s)
{
    const double start_s = fault_now_s();
    kofn_call *call = begin(s);
    if (victim) {
        while (fault_now_s() < start_s + after_s)
            (void)kofn_call_poll(call);
        cluster_signal_worker(s->c, *victim, SIGSTOP);
    }
    while (!kofn_call_poll(call))
        fault_pause();
    const double seconds = fault_now_s() - start_s;
    end(s, &call);
    return seconds;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct holdings {
    size_t memory[1 + WORKERS], descriptors[1 + WORKERS]; // the master's, the workers'
} holdings;

static holdings
look(const scene *s)
{
    holdings h;
    for (size_t i = 0; i <= WORKERS; i++) {
        const pid_t pid =
            i == 0 ? cluster_get_master_pid(s->c) : cluster_get_worker_pid(s->c, i - 1);
        h.memory[i] = fault_get_memory(pid);
        h.descriptors[i] = fault_count_descriptors(pid);
    }
    return h;
}

/* Awake again, and free for the next job. */
static void
wake(const scene *s, size_t victim)
{
    cluster_signal_worker(s->c, victim, SIGCONT);
    cluster_await_workers(s->c, WORKERS);
    for (size_t w = 0; w < WORKERS; w++)
        cluster_await_running(s->c, w, 0);
}

static void
a_frozen_worker_delays_no_job_and_leaves_nothing(void **state)
{
    const size_t rounds = fault_amount(4, 40), settle = rounds / 2;
    scene s = {.c = cluster_new_ready(state, "", WORKERS), .n = fault_amount(600, 2000)};
    s.a = test_matrix(s.n, s.n, 1);
    s.b = test_matrix(s.n, s.n, 2);
    double ratio[64], usual_s = time_job(&s, NULL, 0);
    holdings before = {.memory = {0}};
    for (size_t i = 0; i < rounds; i++) {
        const size_t victim = i % WORKERS;
        if (i == settle)
            before = look(&s);
        usual_s = time_job(&s, NULL, 0);
        ratio[i] = time_job(&s, &victim, usual_s / 2) / usual_s;
        wake(&s, victim);
    }
    const holdings after = look(&s);
    qsort(ratio, rounds, sizeof ratio[0], compare);
    print_message("frozen: %.3f of an undisturbed job (median of %zu), at worst %.2f\n",
                  ratio[rounds / 2], rounds, ratio[rounds - 1]);
    for (size_t i = 0; i <= WORKERS; i++) {
        assert_int_equal(after.descriptors[i], before.descriptors[i]);
        assert_true(!FAULT_MEMORY_COUNTS ||
                    after.memory[i] <= before.memory[i] + before.memory[i] / 20 + 4 * MIB);
    }
    if (fault_amount(0, 1))
        assert_true(ratio[rounds / 2] <= RATIO_MAX);
    free(s.a);
    free(s.b);
}

/* For longer than the master hears nothing of it: it is lost, and joins anew. */
static void
a_worker_that_slept_too_long_joins_anew(void **state)
{
    scene s = {.n = 64, .c = cluster_new(state, "heartbeat: 100ms\nsilence: 500ms\n")};
    s.a = test_matrix(s.n, s.n, 1);
    s.b = test_matrix(s.n, s.n, 2);
    cluster_start_master(s.c);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_start_worker(s.c, i, "inject:\n  sleep: 1s\n");
    cluster_await_workers(s.c, WORKERS);
    kofn_call *call = begin(&s);
    cluster_await_running(s.c, 0, 1);
    cluster_signal_worker(s.c, 0, SIGSTOP);
    end(&s, &call);
    cluster_await_workers(s.c, WORKERS - 1);
    const uint64_t silent = cluster_get_worker(s.c, 1).id;
    wake(&s, 0);
    assert_true(cluster_get_worker(s.c, 0).id > silent); // another connection
    assert_int_equal(cluster_get_worker(s.c, 0).tasks_running, 0);
    (void)time_job(&s, NULL, 0);
    free(s.a);
    free(s.b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_frozen_worker_delays_no_job_and_leaves_nothing,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_worker_that_slept_too_long_joins_anew, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
