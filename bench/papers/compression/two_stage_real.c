/* Two stages with a real master and real workers on this machine: lines of two_stage.csv to
 * standard output, without the header.
 *
 *     bench_compression_two_stage_real [--jobs 90] [--points 3] [--seed 1]
 *
 * Blocks are small, and what a task would take is waited for (inject.pace), and more by who is slow
 * (inject.straggler): so two cores carry sixteen workers, and the figures are of who waits for
 * whom, with the scheduler, the wire and the decoder as they are. Jobs of all schemes take turns,
 * so that whatever else the machine has to do hits all of them.
 *
 * Time       From the call of the client to the product in its memory, in times of a task.
 */
#include "bench/must.h"
#include "bench/papers/compression/two_stage.h"
#include "tests/integration/cluster.h"

#include <getopt.h>
#include <stdlib.h>

enum { SIDE = 96, SCHEMES_MAX = 16 };

static const two_stage_point POINTS[] = {{0.1, 5}, {0.3, 5}, {0.1, 10}};

enum { POINTS_MAX = sizeof POINTS / sizeof POINTS[0] };

typedef struct site {
    cluster *daemons;
    kofn_client *client;
    double *left, *right; // [BLOCKS SIDE, SIDE], as pairs; [2 SIDE, SIDE] and [SIDE, BLOCKS SIDE]
} site;

static site
start(void **state, const two_stage_point *point, unsigned long seed)
{
    char yaml[256], model[64];
    (void)snprintf(yaml, sizeof yaml, "scheduler:\n  backup_factor: %g\n  stage_factor: %g\n",
                   TWO_STAGE_LATE, TWO_STAGE_LATE);
    site s = {.daemons = cluster_new(state, yaml)};
    cluster_start_master(s.daemons);
    two_stage_name_model(point, seed, model);
    for (size_t i = 0; i < TWO_STAGE_WORKERS; i++) {
        (void)snprintf(yaml, sizeof yaml,
                       "inject:\n  straggler: '%s'\n  straggler_workers: %d\n  column: %zu\n"
                       "  by: wait\n  pace: %.9g\n",
                       model, TWO_STAGE_WORKERS, i,
                       2.0 * SIDE * SIDE * SIDE / TWO_STAGE_TASK_MS * 1e-6);
        cluster_start_worker(s.daemons, i, yaml);
    }
    cluster_await_workers(s.daemons, TWO_STAGE_WORKERS);
    s.client = cluster_get_client(s.daemons);
    s.left = bench_matrix_new(TWO_STAGE_BLOCKS * SIDE, SIDE, 1);
    s.right = bench_matrix_new(SIDE, TWO_STAGE_BLOCKS * SIDE, 2);
    return s;
}

static void
stop(site *s, void **state)
{
    (void)cluster_teardown(state); // says nothing: it kills what runs
    free(s->left);
    free(s->right);
}

static kofn_product_options
options_of(const two_stage_scheme *scheme)
{
    kofn_product_options o = {.policy = scheme->policy};
    must(kofn_code_choice_set(&o.code, "family", scheme->family, &error));
    if (!two_stage_is_batch(scheme))
        must(kofn_code_choice_set(&o.code, "partition", "2,1,4", &error));
    o.code.tasks = scheme->tasks;
    return o;
}

/* Pair i is of left matrix i mod 4, and of that right one, in the second turn of the next. */
static kofn_result *
run_batch(const site *s, const kofn_product_options *o)
{
    kofn_matrix x[TWO_STAGE_PAIRS], y[TWO_STAGE_PAIRS];
    for (size_t i = 0; i < TWO_STAGE_PAIRS; i++) {
        const size_t right = (i + i / TWO_STAGE_BLOCKS) % TWO_STAGE_BLOCKS;
        x[i] = test_view(s->left + i % TWO_STAGE_BLOCKS * SIDE * SIDE, SIDE, SIDE);
        y[i] = test_view(s->right + right * SIDE * SIDE, SIDE, SIDE);
    }
    const kofn_pairs pairs = {.count = TWO_STAGE_PAIRS, .x = x, .y = y};
    kofn_result *result;
    must(kofn_client_batch(s->client, &pairs, o, &result, &error));
    return result;
}

static kofn_result *
run_product(const site *s, const kofn_product_options *o)
{
    const kofn_matrix a = test_view(s->left, 2 * SIDE, SIDE);
    const kofn_matrix b = test_view(s->right, SIDE, TWO_STAGE_BLOCKS * SIDE);
    kofn_result *result;
    must(kofn_client_multiply(s->client, &a, &b, o, &result, &error));
    return result;
}

static void
run_job(const site *s, const two_stage_scheme *scheme, two_stage_jobs *jobs)
{
    const kofn_product_options o = options_of(scheme);
    const double begin = bench_now();
    kofn_result *result = two_stage_is_batch(scheme) ? run_batch(s, &o) : run_product(s, &o);
    jobs->time[jobs->count] = (bench_now() - begin) * 1e3 / TWO_STAGE_TASK_MS;
    jobs->load[jobs->count++] =
        (double)kofn_result_get_account(result)->tasks_sent / TWO_STAGE_PAIRS;
    kofn_result_destroy(&result);
}

static void
measure(const two_stage_point *point, size_t count, unsigned long seed)
{
    void *state = NULL;
    two_stage_jobs jobs[SCHEMES_MAX];
    site s = start(&state, point, seed);
    for (size_t i = 0; i < two_stage_scheme_count; i++) {
        jobs[i] = two_stage_jobs_new(count + 1);
        jobs[i].count = 0;
    }
    for (size_t job = 0; job <= count; job++)
        for (size_t i = 0; i < two_stage_scheme_count; i++) {
            if (two_stage_schemes[i].is_real)
                run_job(&s, &two_stage_schemes[i], &jobs[i]);
            if (job == 0)
                jobs[i].count = 0; // the first one connects, and nothing is known of any worker
        }
    stop(&s, &state);
    for (size_t i = 0; i < two_stage_scheme_count; i++) {
        if (two_stage_schemes[i].is_real)
            two_stage_print(stdout, "real", point, &two_stage_schemes[i], &jobs[i]);
        two_stage_jobs_fini(&jobs[i]);
    }
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"points", required_argument, NULL, 'p'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    size_t jobs = 90, points = POINTS_MAX;
    unsigned long seed = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            jobs = strtoul(optarg, NULL, 10);
        else if (option == 'p')
            points = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else
            bench_die("see the head of two_stage_real.c for the options");
    }
    if (jobs == 0 || points == 0 || points > POINTS_MAX)
        bench_die("need a job, and 1 to %d points", POINTS_MAX);
    for (size_t i = 0; i < points; i++)
        measure(&POINTS[i], jobs, seed);
    return 0;
}
