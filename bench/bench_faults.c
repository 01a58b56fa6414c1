/* The same job with one worker 5 times slow, frozen (SIGSTOP in mid-job) and killed (SIGKILL in
 * mid-job), each as a ratio to the job without faults that ran just before it on the same workers.
 *
 * The slow worker repeats its work, so on a machine with fewer processors than workers it also
 * takes time from the others, as a slow machine would not: faults.slow is an upper bound there.
 * faults.late waits instead: four times what its task takes, without computing.
 */
#include "bench/bench.h"
#include "bench/product.h"
#include "common/linalg/blas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct scene {
    product p;
    size_t rounds;
    double usual; // seconds of a job without faults
} scene;

typedef struct victim {
    cluster *daemons;
    int signal;
} victim;

static void
strike(void *context)
{
    const victim *v = context;
    cluster_signal_worker(v->daemons, 0, v->signal);
}

static void
print_ratios(const char *name, const double *faulty, const double *usual, size_t count)
{
    char line[64];
    double *ratio = bench_alloc(count * sizeof *ratio);
    for (size_t i = 0; i < count; i++)
        ratio[i] = faulty[i] / usual[i];
    (void)snprintf(line, sizeof line, "faults.%s", name);
    bench_print(line, bench_median(ratio, count), "times");
    (void)snprintf(line, sizeof line, "faults.%s.worst", name);
    bench_print(line, bench_quantile(ratio, count, 1), "times");
    free(ratio);
}

/* A worker that is slow all the time: a second cluster, in turns with the good one. */
static void
measure_slow(scene *s, cluster *good, const char *yaml, const char *name)
{
    void *state = NULL;
    cluster *bad = cluster_new_ready(&state, "", 0);
    cluster_start_worker(bad, 0, yaml);
    for (size_t w = 1; w < PRODUCT_WORKERS; w++)
        cluster_start_worker(bad, w, "");
    cluster_await_workers(bad, PRODUCT_WORKERS);
    double *slow = bench_alloc(s->rounds * sizeof *slow);
    double *usual = bench_alloc(s->rounds * sizeof *usual);
    for (size_t i = 0; i < s->rounds + 1; i++) {
        const size_t at = i == 0 ? 0 : i - 1;
        usual[at] = product_time(&s->p, cluster_get_client(good), 0, NULL, NULL, NULL);
        slow[at] = product_time(&s->p, cluster_get_client(bad), 0, NULL, NULL, NULL);
        cluster_await_running(bad, 0, 0); // the loser is free before the next job
    }
    s->usual = bench_median(usual, s->rounds);
    print_ratios(name, slow, usual, s->rounds);
    free(slow);
    free(usual);
    (void)cluster_teardown(&state);
}

/* One that stops in the middle of a job, and is back for the next. */
static void
measure_struck(scene *s, cluster *daemons, int signal, const char *name)
{
    victim v = {.daemons = daemons, .signal = signal};
    double *struck = bench_alloc(s->rounds * sizeof *struck);
    double *usual = bench_alloc(s->rounds * sizeof *usual);
    for (size_t i = 0; i < s->rounds; i++) {
        kofn_client *client = cluster_get_client(daemons);
        usual[i] = product_time(&s->p, client, 0, NULL, NULL, NULL);
        struck[i] = product_time(&s->p, client, s->usual / 2, strike, &v, NULL);
        if (signal == SIGKILL) {
            (void)cluster_await_worker_end(daemons, 0);
            cluster_await_workers(daemons, PRODUCT_WORKERS - 1);
            cluster_start_worker(daemons, 0, "");
        } else {
            cluster_signal_worker(daemons, 0, SIGCONT);
        }
        cluster_await_workers(daemons, PRODUCT_WORKERS);
        (void)product_time(&s->p, client, 0, NULL, NULL, NULL); // its pages are touched again
    }
    print_ratios(name, struck, usual, s->rounds);
    free(struck);
    free(usual);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    scene s = {.p = product_new(bench_setting("KOFN_BENCH_N", 2000)),
               .rounds = bench_setting("KOFN_BENCH_FAULT_ROUNDS", 9)};
    void *state = NULL;
    cluster *good = cluster_new_ready(&state, "", PRODUCT_WORKERS);
    measure_slow(&s, good, "inject:\n  repeat: 5\n", "slow");
    char late[64];
    (void)snprintf(late, sizeof late, "inject:\n  sleep: %dms\n", (int)ceil(s.usual * 4e3));
    measure_slow(&s, good, late, "late");
    measure_struck(&s, good, SIGSTOP, "frozen");
    measure_struck(&s, good, SIGKILL, "killed");
    bench_print("faults.none.time", 1e3 * s.usual, "ms");
    (void)cluster_teardown(&state);
    product_fini(&s.p);
    return 0;
}
