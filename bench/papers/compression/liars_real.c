/* Wrong answers by real workers: how long jobs take by each defence, and whether their products are
 * right; lines to standard output.
 *
 *     bench_compression_liars_real [--jobs 30] [--seed 1]
 *
 * Workers wait for what a task would take (inject.pace), so that two cores carry all of them; liars
 * are wrong in every answer and come back from quarantine at once. Jobs of all defences come in
 * turns.
 *
 * Time       From the call of the client to the product in its memory, over that of the job without
 *            a defence in the same turn.
 */
#include "bench/must.h"
#include "tests/integration/cluster.h"

#include <cblas.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 8, LIARS_MOST = 2, DEFENCES = 3, N = 192, TASK_MS = 50 };

static const char *const defences[DEFENCES] = {"none", "freivalds", "parity"};

typedef struct site {
    cluster *daemons;
    size_t liars;
    double *a, *b, *c; // [N, N] each
} site;

typedef struct tally {
    double *time; // [jobs]
    size_t right, refuted, honest;
} tally;

static site
start(void **state, size_t liars, unsigned long seed)
{
    site s = {.daemons = cluster_new(state, "quarantine: 1ms\nsilence: 60s\n"), .liars = liars};
    cluster_start_master(s.daemons);
    for (size_t i = 0; i < WORKERS; i++) {
        char yaml[160];
        (void)snprintf(yaml, sizeof yaml, "inject:\n  pace: %.9g\n  wrong: %d\n  seed: %lu\n",
                       0.5 * N * N * N / TASK_MS * 1e-6, i < liars, seed + i);
        cluster_start_worker(s.daemons, i, yaml);
    }
    cluster_await_workers(s.daemons, WORKERS);
    s.a = bench_matrix_new(N, N, 1);
    s.b = bench_matrix_new(N, N, 2);
    s.c = bench_matrix_new(N, N, 3);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, s.a, N, s.b, N, 0, s.c, N);
    return s;
}

static void
stop(site *s, void **state)
{
    (void)cluster_teardown(state); // says nothing: it kills what runs
    free(s->a);
    free(s->b);
    free(s->c);
}

static bool
is_right(const site *s, const kofn_result *result)
{
    double *off = bench_alloc(sizeof(double[N][N]));
    must(kofn_result_copy(result, off, 0, &error));
    cblas_daxpy(N * N, -1, s->c, 1, off, 1);
    const bool right = cblas_dnrm2(N * N, off, 1) <=
                       1e-12 * cblas_dnrm2(N * N, s->a, 1) * cblas_dnrm2(N * N, s->b, 1);
    free(off);
    return right;
}

static size_t
count_honest(const site *s, const char *names)
{
    size_t honest = 0;
    for (size_t i = s->liars; i < WORKERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%zu", i);
        honest += strstr(names, name) != NULL; // no number is the beginning of another's
    }
    return honest;
}

static double
run_job(const site *s, const char *defence, tally *t)
{
    kofn_product_options o = test_options("oneshot", "polynomial");
    const kofn_matrix a = test_view(s->a, N, N), b = test_view(s->b, N, N);
    kofn_result *result = NULL;
    test_choose(&o, "partition", "2,1,2");
    o.code.tasks = WORKERS;
    o.verify = defence;
    o.liars = strcmp(defence, "parity") == 0 ? s->liars : 0;
    cluster_await_workers(s->daemons, WORKERS); // who lied in the job before is to lie in this one
    const double begin = bench_now();
    must(kofn_client_multiply(cluster_get_client(s->daemons), &a, &b, &o, &result, &error));
    const double time = bench_now() - begin;
    const kofn_account *account = kofn_result_get_account(result);
    t->right += is_right(s, result);
    t->refuted += account->refuted;
    t->honest += count_honest(s, account->liars);
    kofn_result_destroy(&result);
    return time;
}

static void
measure(size_t liars, size_t jobs, unsigned long seed)
{
    void *state = NULL;
    tally tallies[DEFENCES] = {0}, warm = {0};
    site s = start(&state, liars, seed);
    for (size_t d = 0; d < DEFENCES; d++)
        tallies[d].time = bench_alloc(jobs * sizeof(double));
    (void)run_job(&s, "none", &warm); // connects
    for (size_t job = 0; job < jobs; job++)
        for (size_t d = 0; d < DEFENCES; d++)
            tallies[d].time[job] = run_job(&s, defences[d], &tallies[d]);
    stop(&s, &state);
    for (size_t d = 0; d < DEFENCES; d++) {
        const tally *t = &tallies[d];
        printf("%zu,%s,%zu,%zu,%zu,%zu,%.3f\n", liars, defences[d], jobs, t->refuted, t->honest,
               t->right, bench_median_ratio(t->time, tallies[0].time, jobs));
    }
    for (size_t d = 0; d < DEFENCES; d++)
        free(tallies[d].time);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    size_t jobs = 30;
    unsigned long seed = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            jobs = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else
            bench_die("see the head of liars_real.c for the options");
    }
    if (jobs == 0)
        bench_die("need a job");
    printf("b,defence,jobs,refuted,honest,right,time\n");
    for (size_t liars = 0; liars <= LIARS_MOST; liars++)
        measure(liars, jobs, seed);
    return 0;
}
