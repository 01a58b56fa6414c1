/* Mild stragglers: when does coding pay at all? The daemon's scheduler in virtual time
 * (master/sim), over how often a task is slow and how slow it is then.
 *
 *     bench_sequential_mild --out mild.csv [--jobs 20000] [--seed 1]
 *
 * A job that WORKERS workers do in LENGTH seconds if nobody is slow. Each task takes a further
 * millisecond, and 5 % more or less. What is slow is drawn for each job (or round) and worker
 * alone.
 *
 *     uncoded      as many tasks as workers, and all are waited for
 *     speculative  the same; what takes longer than `parameter` times the median task is copied to
 *                  who is done
 *     polynomial   any WORKERS - S tasks; S
 *     dip, idip    streams with T = DELAY, mu = 0.25; lambda, or N
 *
 * The first three with one job at a time, and as *_many with as many as a stream has under way: a
 * worker that is done with one goes on with the next, whoever is late. Parameters are the best of
 * some, chosen on a tenth of the jobs from another seed.
 *
 * mild.csv   rate, slowdown, scheme; x y and the parameter; mean time of a job, 99th percentile
 *            from its begin to its end, in times of an undisturbed uncoded one; load of a worker,
 *            likewise.
 */
#include "bench/must.h"
#include "master/sim/simulate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 10, DELAY = 3, CHOICES_MAX = 64 };

static const double LENGTH = 1; // s
static const double RATES[] = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3};
static const double SLOWDOWNS[] = {1.5, 2, 5};

typedef struct setup {
    size_t jobs;
    uint64_t seed;
    double rate, slowdown;
} setup;

/* A scheme with its parameters, and what it takes. */
typedef struct choice {
    size_t blocks;    // x y
    double parameter; // S, N, lambda or the backup factor
    double time, p99, load;
} choice;

typedef struct contender {
    const char *name, *policy;
    size_t at_once; // jobs under way; 0: as many as its rounds take
    kofn_scheme rounds;
    size_t (*list)(choice *choices);
} contender;

static size_t
list_uncoded(choice *choices)
{
    choices[0] = (choice){.blocks = WORKERS};
    return 1;
}

static size_t
list_speculative(choice *choices)
{
    static const double factors[] = {1.25, 1.5, 2};
    for (size_t i = 0; i < 3; i++)
        choices[i] = (choice){.blocks = WORKERS, .parameter = factors[i]};
    return 3;
}

static size_t
list_polynomial(choice *choices)
{
    for (size_t s = 1; s <= WORKERS / 2; s++)
        choices[s - 1] = (choice){.blocks = WORKERS - s, .parameter = (double)s};
    return WORKERS / 2;
}

static size_t
list_dip(choice *choices)
{
    size_t count = 0;
    for (size_t blocks = WORKERS; blocks <= (DELAY + 1) * WORKERS; blocks += 5) {
        for (size_t lambda = WORKERS / 2; lambda <= WORKERS; lambda++)
            choices[count++] = (choice){.blocks = blocks, .parameter = (double)lambda};
    }
    return count;
}

static size_t
list_idip(choice *choices)
{
    size_t count = 0;
    for (size_t n = 0; n <= 2 * WORKERS; n++)
        choices[count++] = (choice){.blocks = (DELAY + 1) * WORKERS - n, .parameter = (double)n};
    return count;
}

static const contender CONTENDERS[] = {
    {"uncoded", "oneshot", 1, 0, list_uncoded},
    {"uncoded_many", "oneshot", DELAY + 2, 0, list_uncoded},
    {"speculative", "speculative", 1, 0, list_speculative},
    {"speculative_many", "speculative", DELAY + 2, 0, list_speculative},
    {"polynomial", "oneshot", 1, 0, list_polynomial},
    {"polynomial_many", "oneshot", DELAY + 2, 0, list_polynomial},
    {"idip", "rounds", 0, KOFN_SCHEME_IDIP, list_idip},
    {"dip", "rounds", 0, KOFN_SCHEME_DIP, list_dip},
};

static kofn_sim_config
configure(const setup *s, const contender *it, const choice *c)
{
    kofn_sim_config sim;
    kofn_sim_config_init(&sim);
    sim.workers = WORKERS;
    sim.jobs = (int64_t)s->jobs;
    sim.at_once = (int64_t)it->at_once;
    sim.unit_ns = (int64_t)(WORKERS * LENGTH * 1e9);
    sim.overhead_ns = 1000000;
    sim.jitter = 0.05;
    sim.seed = (int64_t)s->seed;
    sim.stragglers = (kofn_straggler_spec){.model = KOFN_STRAGGLER_IID,
                                           .delta = s->rate,
                                           .slowdown = s->slowdown,
                                           .seed = (int64_t)s->seed};
    (void)snprintf(sim.policy, sizeof sim.policy, "%s", it->policy);
    (void)snprintf(sim.code.family, sizeof sim.code.family, "%s",
                   it->list == list_uncoded || it->list == list_speculative ? "uncoded"
                                                                            : "polynomial");
    sim.code.part = (kofn_partition){.x = c->blocks, .z = 1, .y = 1};
    sim.rounds.scheme = (int)it->rounds;
    sim.rounds.delay = DELAY;
    sim.rounds.tolerance = 0.25;
    if (it->list == list_speculative)
        sim.sched.backup_factor = c->parameter;
    else if (it->list == list_polynomial)
        sim.code.tasks = WORKERS;
    else if (it->list == list_dip)
        sim.rounds.lambda = (int64_t)c->parameter;
    else if (it->list == list_idip)
        sim.rounds.failures = (int64_t)c->parameter;
    return sim;
}

static void
try_choice(const setup *s, const contender *it, choice *c)
{
    const kofn_sim_config sim = configure(s, it, c);
    kofn_sim_figures figures;
    must(kofn_sim_run(&sim, NULL, &figures, &error));
    if (figures.failed > 0)
        bench_die("%s: %s", it->name, figures.why);
    c->time = figures.time * WORKERS;
    c->p99 = kofn_sim_percentile(&figures, 0.99) / LENGTH;
    c->load = figures.load * WORKERS;
    kofn_sim_figures_fini(&figures);
}

static void
try_scheme(FILE *out, const setup *s, const contender *it)
{
    choice choices[CHOICES_MAX];
    size_t count = it->list(choices), best = 0;
    const setup brief = {
        .jobs = s->jobs / 10, .seed = s->seed + 1, .rate = s->rate, .slowdown = s->slowdown};
    for (size_t i = 0; count > 1 && i < count; i++) {
        try_choice(&brief, it, &choices[i]);
        best = choices[i].time < choices[best].time ? i : best;
    }
    try_choice(s, it, &choices[best]);
    const choice *c = &choices[best];
    (void)fprintf(out, "%g,%g,%s,%zu,%g,%.5f,%.5f,%.5f\n", s->rate, s->slowdown, it->name,
                  c->blocks, c->parameter, c->time, c->p99, c->load);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"seed", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    setup s = {.jobs = 20000, .seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            path = optarg;
        else if (option == 'j')
            s.jobs = strtoul(optarg, NULL, 10);
        else if (option == 's')
            s.seed = strtoull(optarg, NULL, 10);
        else
            bench_die("see the head of mild.c for the options");
    }
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out || s.jobs < 10)
        bench_die("need ten jobs and --out FILE, one that can be written");
    (void)fprintf(out, "rate,slowdown,scheme,blocks,parameter,time,p99,load\n");
    for (size_t i = 0; i < sizeof SLOWDOWNS / sizeof SLOWDOWNS[0]; i++) {
        for (size_t k = 0; k < sizeof RATES / sizeof RATES[0]; k++) {
            s.slowdown = SLOWDOWNS[i];
            s.rate = RATES[k];
            for (size_t c = 0; c < sizeof CONTENDERS / sizeof CONTENDERS[0]; c++)
                try_scheme(out, &s, &CONTENDERS[c]);
        }
    }
    if (fclose(out) != 0)
        bench_die("%s cannot be written", path);
    return 0;
}
