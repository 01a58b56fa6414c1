/* Figure 1: what a job takes against the probability of straggling, each scheme with its best
 * parameters; the formulas of section 4, and beside them the daemon's rounds in virtual time.
 *
 *     bench_sequential_fig1 --out DIR [--jobs 50000] [--steps 20] [--seed 1]
 *
 * fig1.csv   a line for each curve and delta: the least over the parameters, and which they were.
 * agree.csv  a line for each formula, its parameters and delta: formula, simulation, standard
 *            error. The formula of dip takes it that who straggles answers nothing, so there that
 *            is simulated; in fig1.csv he answers what he has, which counts where lists are longer
 *            than alpha.
 *
 * Parameters S >= 1 of polynomial and N >= 1 of idip, as in the paper; beta from P to 2 P W and
 * lambda from 1 to P of dip. Simulated ones are first tried on a twentieth of the jobs; the KEPT
 * best of those are run again, from another seed, and the best of these is run once more, so that
 * what is reported is not what luck chose. *_daemon: with the same parameters through the daemon's
 * scheduler (master/sim), which takes mini-tasks of a job off all lists as soon as its answers
 * suffice.
 */
#include "bench/must.h"
#include "bench/papers/sequential/formula.h"
#include "bench/papers/sequential/race.h"
#include "common/code/straggler.h"
#include "master/sim/simulate.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct figure {
    const char *name;
    double alpha;
    size_t workers, delay; // P, T; W = T + 1
} figure;

static const figure FIGURES[] = {{"a", 5, 4, 3}, {"b", 10, 6, 4}};

typedef struct settings {
    const char *folder;
    size_t jobs, steps;
    uint64_t seed;
    FILE *curves, *agree;
} settings;

/* One scheme with its parameters, and what it takes. `free` is S, N or lambda. */
typedef struct choice {
    size_t beta, free;
    double time, error;
} choice;

enum { KEPT = 5, CHOICES_MAX = 1024, FAR = KOFN_DELAY_MAX, FOREVER = 1000 };

typedef struct pattern {
    kofn_straggler *model;
    size_t workers;
    bool is_silent; // who straggles answers nothing, unless all do
} pattern;

static void
draw(void *context, uint64_t round, double *ret_factors)
{
    const pattern *p = context;
    size_t slow = 0;
    kofn_straggler_fill(p->model, round, ret_factors);
    for (size_t j = 0; j < p->workers; j++)
        slow += ret_factors[j] > 1;
    for (size_t j = 0; j < p->workers && p->is_silent && slow < p->workers; j++)
        ret_factors[j] = ret_factors[j] > 1 ? FOREVER : 1;
}

static kofn_straggler_spec
make_spec(const figure *f, double delta, uint64_t seed)
{
    return (kofn_straggler_spec){
        .model = KOFN_STRAGGLER_IID, .delta = delta, .slowdown = f->alpha, .seed = (int64_t)seed};
}

static race_result
race_with(const figure *f, double delta, bool is_silent, kofn_rounds_config rounds, size_t need,
          size_t jobs, uint64_t seed)
{
    const kofn_straggler_spec spec = make_spec(f, delta, seed);
    pattern p = {.workers = f->workers, .is_silent = is_silent};
    must(kofn_straggler_new(&spec, f->workers, &p.model, &error));
    rounds.slots = (int64_t)f->workers;
    const race_params params = {
        .rounds = rounds, .need = need, .jobs = jobs, .draw = draw, .context = &p};
    const race_result result = race_run(&params);
    if (result.late != 0)
        bench_die("%s: %llu jobs were late", kofn_scheme_name((kofn_scheme)rounds.scheme),
                  (unsigned long long)result.late);
    kofn_straggler_destroy(&p.model);
    return result;
}

static race_result
race(const figure *f, double delta, kofn_rounds_config rounds, size_t need, size_t jobs,
     uint64_t seed)
{
    return race_with(f, delta, false, rounds, need, jobs, seed);
}

/* ---- formulas -------------------------------------------------------------------------------- */

static size_t
beta_max(const figure *f)
{
    return 2 * f->workers * (f->delay + 1);
}

static void
print_choice(const settings *s, const figure *f, double delta, const char *curve, choice c)
{
    (void)fprintf(s->curves, "%s,%.3f,%s,%zu,%zu,%.6f,%.6f\n", f->name, delta, curve, c.beta,
                  c.free, c.time, c.error);
}

static void
keep_least(choice *best, choice c)
{
    if (best->beta == 0 || c.time < best->time)
        *best = c;
}

static choice
least_polynomial(const figure *f, double delta)
{
    choice best = {0};
    for (size_t s = 1; s < f->workers; s++)
        keep_least(&best, (choice){.beta = f->workers - s,
                                   .free = s,
                                   .time = formula_polynomial(f->alpha, f->workers, s, delta)});
    return best;
}

static choice
least_idip_bound(const figure *f, double delta)
{
    const size_t window = f->delay + 1, all = f->workers * window;
    choice best = {0};
    for (size_t n = 1; n < all; n++)
        keep_least(&best,
                   (choice){.beta = all - n,
                            .free = n,
                            .time = formula_idip_bound(f->alpha, f->workers, n, window, delta)});
    return best;
}

static choice
least_dip_infinite(const figure *f, double delta)
{
    choice best = {0};
    for (size_t beta = f->workers; beta <= beta_max(f); beta++)
        keep_least(&best,
                   (choice){.beta = beta,
                            .time = formula_dip_infinite(f->alpha, f->workers, beta, delta)});
    return best;
}

static void
compute(const settings *s, const figure *f, double delta)
{
    const choice uncoded = {.beta = f->workers,
                            .time = formula_polynomial(f->alpha, f->workers, 0, delta)};
    print_choice(s, f, delta, "uncoded_formula", uncoded);
    print_choice(s, f, delta, "polynomial_formula", least_polynomial(f, delta));
    print_choice(s, f, delta, "idip_bound", least_idip_bound(f, delta));
    print_choice(s, f, delta, "dip_infinite", least_dip_infinite(f, delta));
}

/* ---- simulation ------------------------------------------------------------------------------ */

static kofn_rounds_config
configure(const figure *f, kofn_scheme scheme, size_t free)
{
    kofn_rounds_config c = {.scheme = (int)scheme, .slots = (int64_t)f->workers};
    if (scheme == KOFN_SCHEME_DIP || scheme == KOFN_SCHEME_IDIP)
        c.delay = (int64_t)f->delay;
    if (scheme == KOFN_SCHEME_DIP)
        c.lambda = (int64_t)free;
    if (scheme == KOFN_SCHEME_IDIP)
        c.failures = (int64_t)free;
    return c;
}

static void
try_choice(const figure *f, double delta, kofn_scheme scheme, choice *c, size_t jobs, uint64_t seed)
{
    const race_result r = race(f, delta, configure(f, scheme, c->free), c->beta, jobs, seed);
    c->time = r.time;
    c->error = r.error;
}

static size_t
list_choices(const figure *f, kofn_scheme scheme, choice *choices)
{
    const size_t all = f->workers * (f->delay + 1);
    size_t count = 0;
    for (size_t s = 1; scheme == KOFN_SCHEME_POLYNOMIAL && s < f->workers; s++)
        choices[count++] = (choice){.beta = f->workers - s, .free = s};
    for (size_t n = 1; scheme == KOFN_SCHEME_IDIP && n < all; n++)
        choices[count++] = (choice){.beta = all - n, .free = n};
    for (size_t l = 1; scheme == KOFN_SCHEME_DIP && l <= f->workers; l++) {
        for (size_t beta = f->workers; beta <= beta_max(f); beta++)
            choices[count++] = (choice){.beta = beta, .free = l};
    }
    if (scheme == KOFN_SCHEME_UNCODED)
        choices[count++] = (choice){.beta = f->workers};
    return count;
}

static int
compare_choices(const void *left, const void *right)
{
    const double a = ((const choice *)left)->time, b = ((const choice *)right)->time;
    return (a > b) - (a < b);
}

static choice
simulate_best(const settings *s, const figure *f, double delta, kofn_scheme scheme)
{
    choice choices[CHOICES_MAX];
    size_t count = list_choices(f, scheme, choices);
    for (size_t i = 0; count > 1 && i < count; i++)
        try_choice(f, delta, scheme, &choices[i], s->jobs / 20, s->seed);
    qsort(choices, count, sizeof *choices, compare_choices);
    count = count < KEPT ? count : KEPT;
    for (size_t i = 0; count > 1 && i < count; i++)
        try_choice(f, delta, scheme, &choices[i], s->jobs, s->seed + 1);
    qsort(choices, count, sizeof *choices, compare_choices);
    try_choice(f, delta, scheme, &choices[0], s->jobs, s->seed + 2);
    return choices[0];
}

/* The same through the daemon's whole scheduler, with the parameters that were best above. */
static choice
simulate_daemon(const settings *s, const figure *f, double delta, kofn_scheme scheme, choice c)
{
    kofn_sim_config sim;
    kofn_sim_config_init(&sim);
    sim.workers = (int64_t)f->workers;
    sim.jobs = (int64_t)(s->jobs / 5);
    (void)snprintf(sim.policy, sizeof sim.policy, "rounds");
    sim.rounds = configure(f, scheme, c.free);
    sim.code.part = (kofn_partition){.x = c.beta, .z = 1, .y = 1};
    sim.stragglers = make_spec(f, delta, s->seed + 4);
    kofn_sim_figures figures;
    must(kofn_sim_run(&sim, NULL, &figures, &error));
    c.time = figures.time;
    c.error = 0; // not known: one run
    kofn_sim_figures_fini(&figures);
    return c;
}

static void
simulate(const settings *s, const figure *f, double delta)
{
    static const kofn_scheme schemes[] = {KOFN_SCHEME_UNCODED, KOFN_SCHEME_POLYNOMIAL,
                                          KOFN_SCHEME_IDIP, KOFN_SCHEME_DIP};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const choice best = simulate_best(s, f, delta, schemes[i]);
        char name[64];
        (void)snprintf(name, sizeof name, "%s_daemon", kofn_scheme_name(schemes[i]));
        print_choice(s, f, delta, kofn_scheme_name(schemes[i]), best);
        print_choice(s, f, delta, name, simulate_daemon(s, f, delta, schemes[i], best));
    }
}

/* ---- do they agree? -------------------------------------------------------------------------- */

/* Slow rounds that are so rare that none was met leave no deviation: one more or less is allowed
 * for. */
static void
print_agree(const settings *s, const figure *f, double delta, const char *formula, size_t beta,
            size_t free, double expected, race_result r)
{
    const double grain = (f->alpha - 1) / (double)beta / (double)s->jobs;
    (void)fprintf(s->agree, "%s,%.3f,%s,%zu,%zu,%.6f,%.6f,%.6f\n", f->name, delta, formula, beta,
                  free, expected, r.time, hypot(r.error, grain));
}

static void
agree(const settings *s, const figure *f, double delta)
{
    const size_t window = f->delay + 1;
    for (size_t spare = 0; spare < f->workers; spare++) {
        const kofn_scheme scheme = spare == 0 ? KOFN_SCHEME_UNCODED : KOFN_SCHEME_POLYNOMIAL;
        print_agree(
            s, f, delta, kofn_scheme_name(scheme), f->workers - spare, spare,
            formula_polynomial(f->alpha, f->workers, spare, delta),
            race(f, delta, configure(f, scheme, spare), f->workers - spare, s->jobs, s->seed + 3));
    }
    for (size_t n = 1; n < f->workers * window; n++) {
        const size_t beta = f->workers * window - n;
        print_agree(s, f, delta, "idip_bound", beta, n,
                    formula_idip_bound(f->alpha, f->workers, n, window, delta),
                    race(f, delta, configure(f, KOFN_SCHEME_IDIP, n), beta, s->jobs, s->seed + 3));
    }
    for (size_t beta = f->workers; beta <= beta_max(f); beta *= 2) {
        kofn_rounds_config rounds = configure(f, KOFN_SCHEME_DIP, f->workers);
        rounds.delay = FAR; // so many rounds take no job to its deadline
        print_agree(s, f, delta, "dip_infinite", beta, 0,
                    formula_dip_infinite(f->alpha, f->workers, beta, delta),
                    race_with(f, delta, true, rounds, beta, s->jobs, s->seed + 3));
    }
}

static FILE *
open_csv(const settings *s, const char *name, const char *head)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", s->folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_die("%s cannot be written", path);
    (void)fprintf(file, "%s\n", head);
    return file;
}

static settings
parse(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"steps", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    settings s = {.jobs = 50000, .steps = 20, .seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            s.folder = optarg;
        else if (option == 'j')
            s.jobs = strtoul(optarg, NULL, 10);
        else if (option == 's')
            s.steps = strtoul(optarg, NULL, 10);
        else if (option == 'e')
            s.seed = strtoull(optarg, NULL, 10);
        else
            bench_die("see the head of fig1.c for the options");
    }
    if (!s.folder || s.steps == 0 || s.jobs < (size_t)20 * RACE_BATCHES)
        bench_die("need --out DIR, a step, and %d jobs", 20 * RACE_BATCHES);
    return s;
}

int
main(int argc, char **argv)
{
    settings s = parse(argc, argv);
    s.curves = open_csv(&s, "fig1.csv", "figure,delta,curve,beta,parameter,time,error");
    s.agree = open_csv(&s, "agree.csv", "figure,delta,formula,beta,parameter,expected,time,error");
    for (size_t i = 0; i < sizeof FIGURES / sizeof FIGURES[0]; i++) {
        for (size_t step = 0; step <= s.steps; step++) {
            const double delta = (double)step / (double)s.steps;
            compute(&s, &FIGURES[i], delta);
            simulate(&s, &FIGURES[i], delta);
            agree(&s, &FIGURES[i], delta);
        }
    }
    if (fclose(s.curves) != 0 || fclose(s.agree) != 0)
        bench_die("%s cannot be written", s.folder);
    return 0;
}
