/* Local alloy codes beside entangled polynomials, and beside their algorithm uncoded and
 * replicated.
 *
 *     needed.csv     share of sets of m answers that decode
 *     failure.csv    how often a product fails when each worker does with probability p
 *     crossing.csv   below which p entangled polynomials fail less often than local alloy codes
 *     recover.csv    the typical recovery threshold R(p, epsilon): workers for a given odds
 *     rate.csv       R for larger and larger groups, beside Theorem 5's limit
 *
 * All tasks of a setting are of one size: the products of the algorithm, each cut in 2 x 2 strips,
 * and the polynomials' have the same partition. */
#include "bench/bench.h"
#include "bench/papers/alloy/arrivals.h"
#include "bench/papers/alloy/paper.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const char *name, *algorithm, *partition;
    size_t rank, entangled; // products of the algorithm; threshold of entangled polynomials
    size_t tasks[2];        // the larger: each uncoded task twice
    size_t part;            // a trial in so many: those of larger codes take longer
} setting;

static const setting settings[] = {
    {"strassen", "strassen", "4;2;4", 7, 33, {35, 56}, 5},
    {"laderman", "laderman", "6;3;6", 23, 110, {115, 184}, 200},
    {"strassen2", "strassen*strassen", "8;4;8", 49, 259, {294, 392}, 2000},
};
enum { SETTINGS = sizeof settings / sizeof settings[0], STRIPS = 4 };

/* Schemes that there are for a setting, in the order of the files. */
typedef struct scheme {
    const char *name;
    double order;       // of the field, where that matters
    const char *family; // measured; NULL: its formula is all there is
    const char *field;
} scheme;

static const scheme schemes[] = {
    {"alloy", 0, NULL, NULL},
    {"alloy_gf256", 256, "alloy_local", "gf256"},
    {"alloy_gfp65537", 65537, "alloy_local", "gfp:65537"},
    {"entangled", 0, "polydot", "gfp:65537"},
    {"replicated", 0, "alloy_local", "gfp:65537"},
    {"uncoded", 0, NULL, NULL},
};
enum { SCHEMES = sizeof schemes / sizeof schemes[0], ALLOYS = 3 };

static arrivals
model(const setting *s, const scheme *c, size_t tasks)
{
    if (strcmp(c->name, "entangled") == 0)
        return (arrivals){.groups = 1, .need = s->entangled, .tasks = tasks};
    if (strcmp(c->name, "replicated") == 0)
        return (arrivals){.groups = s->rank * STRIPS, .need = 1, .tasks = tasks};
    if (strcmp(c->name, "uncoded") == 0)
        return (arrivals){.groups = s->rank * STRIPS, .need = 1, .tasks = s->rank * STRIPS};
    return (arrivals){.groups = s->rank, .need = STRIPS, .tasks = tasks, .order = c->order};
}

/* ---- measured -------------------------------------------------------------------------------- */

typedef struct measured {
    size_t tasks, trials;
    uint64_t first_seed;
    size_t *answers; // [trials] until it decoded
    size_t most_wanted;
    double mean;
} measured;

/* Replicated: the products of 2 x 2 strips are products of the algorithm, of one strip each. */
static kofn_code *
build(const setting *s, const scheme *c, size_t tasks, uint64_t seed)
{
    char set[128];
    if (strcmp(c->name, "entangled") == 0)
        (void)snprintf(set, sizeof set, "partition=%s", s->partition);
    else if (strcmp(c->name, "replicated") == 0)
        (void)snprintf(set, sizeof set, "partition=%s,algorithm=%s*classical:2;1;2,rows=1,cols=1",
                       s->partition, s->algorithm);
    else
        (void)snprintf(set, sizeof set, "partition=%s,algorithm=%s", s->partition, s->algorithm);
    return paper_code(c->field, c->family, tasks, set, seed);
}

static measured
measure(const setting *s, const scheme *c, size_t tasks, const paper_options *o,
        uint64_t first_seed)
{
    const size_t share = o->trials / s->part;
    measured found = {.tasks = tasks, .trials = share > 4 ? share : 4, .first_seed = first_seed};
    found.answers = bench_alloc(found.trials * sizeof *found.answers);
    for (size_t t = 0; t < found.trials; t++) {
        kofn_code *code = build(s, c, tasks, first_seed + t);
        const arrivals_count count = arrivals_try(code, first_seed + t);
        found.answers[t] = count.answers;
        found.mean += (double)count.answers / (double)found.trials;
        if (count.wanted > found.most_wanted)
            found.most_wanted = count.wanted;
        kofn_code_destroy(&code);
    }
    return found;
}

static double
share_with(const measured *f, size_t answers)
{
    size_t count = 0;
    for (size_t t = 0; t < f->trials; t++)
        count += f->answers[t] <= answers;
    return (double)count / (double)f->trials;
}

/* P(fewer than `need` of n answers arrive). */
static double
fewer(size_t n, size_t need, double p)
{
    return arrivals_miss(&(arrivals){.groups = 1, .need = need, .tasks = n}, p);
}

/* How often it fails: the mean over trials, each of which needed so many of the answers in its
 * order, and the mean's standard error. */
static double
failure_of(const measured *f, double p, double *ret_error)
{
    double sum = 0, squares = 0;
    double *by_need = bench_alloc((f->tasks + 2) * sizeof *by_need);
    for (size_t m = 0; m <= f->tasks + 1; m++)
        by_need[m] = m <= f->tasks ? fewer(f->tasks, m, p) : 1;
    for (size_t t = 0; t < f->trials; t++) {
        sum += by_need[f->answers[t]];
        squares += by_need[f->answers[t]] * by_need[f->answers[t]];
    }
    free(by_need);
    const double trials = (double)f->trials, mean = sum / trials;
    *ret_error = sqrt(fmax(0, squares / trials - mean * mean) / trials);
    return mean;
}

/* ---- needed.csv ------------------------------------------------------------------------------ */

/* As in decode.csv. */
static double
z_of(double found, double expected, size_t trials)
{
    const double few = fmin(expected, 1 - expected) * (double)trials;
    return few >= 5 ? (found - expected) / sqrt(expected * (1 - expected) / (double)trials) : NAN;
}

static void
print_needed(FILE *file, const setting *s, const scheme *c, const paper_options *o, uint64_t seed)
{
    const size_t tasks = s->tasks[0];
    const arrivals a = model(s, c, tasks);
    double *share = bench_alloc((tasks + 1) * sizeof *share), mean = 0;
    arrivals_shares(&a, share);
    for (size_t m = 0; m <= tasks; m++)
        mean += 1 - share[m]; // of tasks + 1 where all do not suffice
    measured f = {0};
    if (c->family)
        f = measure(s, c, tasks, o, seed);
    for (size_t m = s->rank * STRIPS - 1; m <= tasks; m++) {
        fprintf(file, "%s,%s,%zu,%zu,%.8g,%.4f", s->name, c->name, m, tasks, share[m], mean);
        if (c->family)
            fprintf(file, ",%.6f,%.2f,%.4f,%zu,%zu,%ju\n", share_with(&f, m),
                    z_of(share_with(&f, m), share[m], f.trials), f.mean, f.most_wanted, f.trials,
                    (uintmax_t)f.first_seed);
        else
            fprintf(file, ",nan,nan,nan,nan,0,0\n");
    }
    free(f.answers);
    free(share);
}

void
figure_needed(FILE *file, const paper_options *o)
{
    uint64_t seed = o->seed;
    fprintf(file, "setting,scheme,answers,tasks,share,mean,measured,z,measured_mean,most_wanted,"
                  "trials,first_seed\n");
    for (size_t s = 0; s < SETTINGS; s++)
        for (size_t c = 0; c + 1 < SCHEMES; c++) { // without uncoded: all or nothing
            print_needed(file, &settings[s], &schemes[c], o, seed);
            seed += PAPER_SEEDS_A_SETTING;
        }
}

/* ---- failure.csv ----------------------------------------------------------------------------- */

enum { FAILURES = 31 };

/* From 0.0001 to 0.5 in equal steps of the logarithm. */
static double
failure_at(size_t i)
{
    return 0.0001 * pow(5000, (double)i / (FAILURES - 1));
}

static void
print_failures(FILE *file, const setting *s, size_t tasks, const scheme *c, const paper_options *o,
               uint64_t seed)
{
    const arrivals a = model(s, c, tasks);
    measured f = {0};
    if (c->family && s->rank == 7)
        f = measure(s, c, tasks, o, seed);
    for (size_t i = 0; i < FAILURES; i++) {
        const double p = failure_at(i), expected = arrivals_miss(&a, p);
        fprintf(file, "%s,%zu,%s,%zu,%.6g,%.6g", s->name, tasks, c->name, i, p, expected);
        if (f.trials > 0) {
            double error;
            const double found = failure_of(&f, p, &error);
            fprintf(file, ",%.6g,%.3g,%zu,%ju\n", found, error, f.trials, (uintmax_t)f.first_seed);
        } else {
            fprintf(file, ",nan,nan,0,0\n");
        }
    }
    free(f.answers);
}

void
figure_failure(FILE *file, const paper_options *o)
{
    uint64_t seed = o->seed;
    fprintf(file, "setting,tasks,scheme,index,p,failure,measured,error,trials,first_seed\n");
    for (size_t s = 0; s < SETTINGS; s++)
        for (size_t t = 0; t < 2; t++)
            for (size_t c = 0; c < SCHEMES; c++) {
                print_failures(file, &settings[s], settings[s].tasks[t], &schemes[c], o, seed);
                seed += PAPER_SEEDS_A_SETTING;
            }
}

/* ---- crossing.csv ---------------------------------------------------------------------------- */

/* The p in (low, high) at which both fail as often, where they do in turns: bisection of log p. */
static double
bisect(const arrivals *one, const arrivals *other, double low, double high)
{
    const bool below = arrivals_miss(one, low) < arrivals_miss(other, low);
    for (size_t step = 0; step < 60; step++) {
        const double middle = sqrt(low * high);
        if ((arrivals_miss(one, middle) < arrivals_miss(other, middle)) == below)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The first crossing from below on: 1 if entangled polynomials stay ahead as long as alloy codes
 * ever decode, NAN if they are never. */
static double
find_crossing(const arrivals *alloy, const arrivals *entangled)
{
    enum { STEPS = 400 };
    double last = NAN;
    bool ahead = false;
    for (size_t i = 0; i <= STEPS; i++) {
        const double p = 1e-5 * pow(0.9e5, (double)i / STEPS), miss = arrivals_miss(alloy, p);
        const bool now = arrivals_miss(entangled, p) < miss;
        if (miss > 0.9999) // where both are as good as certain, rounding decides
            break;
        if (ahead && !now)
            return bisect(entangled, alloy, last, p);
        ahead = ahead || now;
        last = p;
    }
    return ahead ? 1 : NAN;
}

static void
print_crossing(FILE *file, const setting *s, size_t each, const scheme *c)
{
    const size_t tasks = each * s->rank;
    const arrivals alloy = model(s, c, tasks);
    const arrivals entangled = {.groups = 1, .need = s->entangled, .tasks = tasks};
    const double p = find_crossing(&alloy, &entangled);
    fprintf(file, "%s,%zu,%s,%zu,%.4g,%.4g,%.4g\n", s->name, each, c->name, tasks, p,
            p < 1 ? arrivals_miss(&alloy, p) : NAN, arrivals_miss(&alloy, 1e-12));
}

void
figure_crossing(FILE *file, const paper_options *o)
{
    (void)o;
    fprintf(file, "setting,each,scheme,tasks,crossing,failure,floor\n");
    for (size_t s = 0; s < SETTINGS; s++)
        for (size_t each = 5; each <= 10; each++)
            for (size_t c = 0; c < ALLOYS; c++)
                print_crossing(file, &settings[s], each, &schemes[c]);
}

/* ---- recover.csv and rate.csv ---------------------------------------------------------------- */

static const double epsilons[] = {1e-2, 1e-3, 1e-6};

static void
print_recover(FILE *file, const setting *s, double epsilon, double p, size_t index)
{
    fprintf(file, "%s,%.0e,%zu,%.6g", s->name, epsilon, index, p);
    for (size_t c = 0; c < SCHEMES; c++) {
        arrivals a = model(s, &schemes[c], s->rank * STRIPS);
        if (strcmp(schemes[c].name, "uncoded") == 0)
            fprintf(file, ",%s", arrivals_miss(&a, p) < epsilon ? "yes" : "no");
        else
            fprintf(file, ",%zu", arrivals_recover(&a, p, epsilon));
    }
    fprintf(file, "\n");
}

void
figure_recover(FILE *file, const paper_options *o)
{
    (void)o;
    fprintf(file, "setting,epsilon,index,p");
    for (size_t c = 0; c < SCHEMES; c++)
        fprintf(file, ",%s", schemes[c].name);
    fprintf(file, "\n");
    for (size_t s = 0; s < SETTINGS; s++)
        for (size_t e = 0; e < sizeof epsilons / sizeof epsilons[0]; e++)
            for (size_t i = 0; i < FAILURES; i++)
                print_recover(file, &settings[s], epsilons[e], failure_at(i), i);
}

/* Strassen with more and more strips a product, and with more and more recursion: workers a product
 * over what its strips need, which Theorem 5 has tend to 1 + p / (1 - p) = 1 / (1 - p). */
void
figure_rate(FILE *file, const paper_options *o)
{
    static const double p[] = {0.01, 0.1, 0.3, 0.5, 0.7};
    (void)o;
    fprintf(file, "p,strips,products,workers,ratio,entangled_ratio,limit\n");
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
        for (size_t side = 2; side <= 64; side *= 2) {
            const size_t strips = side * side, products = 7;
            const arrivals alloy = {.groups = products, .need = strips};
            const arrivals entangled = {.groups = 1, .need = 8 * strips + 1};
            const size_t workers = arrivals_recover(&alloy, p[i], 1e-3);
            const size_t rival = arrivals_recover(&entangled, p[i], 1e-3);
            const double least = (double)(products * strips);
            fprintf(file, "%g,%zu,%zu,%zu,%.4f,%.4f,%.4f\n", p[i], strips, products, workers,
                    workers ? (double)workers / least : NAN, rival ? (double)rival / least : NAN,
                    1 / (1 - p[i]));
        }
}
