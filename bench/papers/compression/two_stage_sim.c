/* Two stages in virtual time, by the daemon's scheduler (master/sim): lines of two_stage.csv to
 * standard output.
 *
 *     bench_compression_two_stage_sim [--jobs 10000] [--seed 1]
 */
#include "bench/must.h"
#include "bench/papers/compression/two_stage.h"
#include "common/base/clock.h"
#include "common/code/batch.h"
#include "master/sim/simulate.h"

#include <getopt.h>
#include <stdlib.h>

static const double DELTAS[] = {0.05, 0.1, 0.2, 0.3, 0.4};
static const double ALPHAS[] = {5, 10};

static kofn_sim_config
configure(const two_stage_point *point, const two_stage_scheme *scheme, size_t jobs,
          unsigned long seed)
{
    char model[64];
    kofn_sim_config sim;
    kofn_sim_config_init(&sim);
    sim.workers = TWO_STAGE_WORKERS;
    sim.jobs = (int64_t)jobs;
    sim.unit_ns = TWO_STAGE_PAIRS * TWO_STAGE_TASK_MS * KOFN_NS_PER_MS;
    sim.jitter = 0.05;
    sim.seed = (int64_t)seed;
    sim.each_task = true; // as workers inject it
    sim.sched.backup_factor = sim.sched.stage_factor = TWO_STAGE_LATE;
    two_stage_name_model(point, seed, model);
    must(kofn_straggler_parse(model, &sim.stragglers, &error));
    (void)snprintf(sim.policy, sizeof sim.policy, "%s", scheme->policy);
    (void)snprintf(sim.code.family, sizeof sim.code.family, "%s", scheme->family);
    sim.code.tasks = scheme->tasks;
    sim.code.has_seed = true;
    sim.code.seed = seed;
    return sim;
}

static void
note_job(void *context, const kofn_sim_job *job)
{
    two_stage_jobs *jobs = context;
    jobs->time[jobs->count] =
        (double)(job->ended_ns - job->begun_ns) / TWO_STAGE_TASK_MS / KOFN_NS_PER_MS;
    jobs->load[jobs->count++] = (double)job->sent / TWO_STAGE_PAIRS;
}

static void
simulate(const two_stage_point *point, const two_stage_scheme *scheme, size_t count,
         unsigned long seed)
{
    kofn_batch *batch = NULL;
    kofn_sim_figures figures;
    kofn_sim_config sim = configure(point, scheme, count, seed);
    two_stage_jobs jobs = two_stage_jobs_new(count);
    const kofn_sim_observer observer = {.context = &jobs, .on_job = note_job};
    if (two_stage_is_batch(scheme)) {
        must(kofn_sim_make_pairs(TWO_STAGE_PAIRS, TWO_STAGE_BLOCKS, TWO_STAGE_BLOCKS, false,
                                 sim.field, &batch, &error));
        must(kofn_code_spec_set_batch(&sim.code, batch, &error));
    } else {
        sim.code.part = (kofn_partition){.x = 2, .z = 1, .y = TWO_STAGE_PAIRS / 2};
    }
    jobs.count = 0; // so far
    must(kofn_sim_run(&sim, &observer, &figures, &error));
    if (figures.failed > 0)
        bench_die("%s, %s: %s", scheme->workload, scheme->name, figures.why);
    two_stage_print(stdout, "simulated", point, scheme, &jobs);
    kofn_sim_figures_fini(&figures);
    two_stage_jobs_fini(&jobs);
    kofn_batch_destroy(&batch);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    size_t jobs = 10000;
    unsigned long seed = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            jobs = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else
            bench_die("see the head of two_stage_sim.c for the options");
    }
    if (jobs == 0)
        bench_die("need a job");
    two_stage_print_header(stdout);
    for (size_t a = 0; a < sizeof ALPHAS / sizeof ALPHAS[0]; a++)
        for (size_t d = 0; d < sizeof DELTAS / sizeof DELTAS[0]; d++)
            for (size_t i = 0; i < two_stage_scheme_count; i++)
                simulate(&(two_stage_point){DELTAS[d], ALPHAS[a]}, &two_stage_schemes[i], jobs,
                         seed);
    return 0;
}
