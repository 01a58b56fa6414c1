/* Figures 1 to 4 of the paper on random Khatri-Rao-product codes, measured: see trial.h for a draw,
 * RESULTS.md for what came out. Writes one CSV file for each figure: a line for each setting, code
 * and decoder, with quantiles beside the mean, since errors are heavy-tailed: a mean is made by the
 * worst few draws.
 *
 * Seeds      Trial t of a line has seed first_seed + t, whatever else is run.
 */
#include "bench/bench.h"
#include "bench/papers/rkrp/trial.h"
#include "bench/papers/rkrp/whole.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS_MAX = 16,
    SEEDS_A_POINT = 1000000, // room between the first seeds of two settings
};

typedef enum figure_kind {
    FIXED_RATIO,      // x is m; n and the stragglers' share of N are given
    FIXED_STRAGGLERS, // x is m = n
    FIXED_BLOCKS,     // x is the number of stragglers
    FIXED_PLACES,     // x says which straggle: a placement
} figure_kind;

/* The text at hand has lost the paper's numbers: those here are ours. */
typedef struct figure {
    const char *name; // of its CSV file
    figure_kind kind;
    size_t n;          // FIXED_RATIO, FIXED_BLOCKS and FIXED_PLACES (m = n)
    double ratio;      // FIXED_RATIO
    size_t stragglers; // FIXED_STRAGGLERS, FIXED_PLACES
    bool whole;        // matrices instead of vectors
    size_t x[POINTS_MAX];
} figure;

static const figure figures[] = {
    {"fig1_10", FIXED_RATIO, .n = 10, .ratio = 0.1, .x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
    {"fig1_20", FIXED_RATIO, .n = 10, .ratio = 0.2, .x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
    {"fig2_5", FIXED_STRAGGLERS, .stragglers = 5, .x = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
    {"fig2_10", FIXED_STRAGGLERS, .stragglers = 10, .x = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
    {"fig3", FIXED_BLOCKS, .n = 10, .x = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20}},
    {"places", FIXED_PLACES, .n = 10, .stragglers = 10, .x = {1, 2, 3}},
    {"whole", FIXED_STRAGGLERS, .stragglers = 5, .whole = true, .x = {2, 4, 6, 8, 10}},
};

typedef struct options {
    const char *folder, *only;
    size_t trials;
    uint64_t seed;
} options;

/* ---- one line of a file ---------------------------------------------------------------------- */

typedef struct line {
    size_t x;
    setting at;
    uint64_t first_seed;
    size_t trials;
} line;

/* Errors of all trials; NAN: not decodable. */
static void
print_errors(FILE *file, const double *found, size_t trials, uint64_t first_seed)
{
    double *sorted = bench_alloc(trials * sizeof *sorted), sum = 0;
    size_t count = 0, worst = 0;
    for (size_t t = 0; t < trials; t++) {
        if (isnan(found[t]))
            continue;
        if (count == 0 || found[t] > found[worst])
            worst = t;
        sorted[count++] = found[t];
        sum += found[t];
    }
    fprintf(file, ",%zu", trials - count);
    if (count == 0)
        fprintf(file, ",nan,nan,nan,nan,nan,");
    else
        fprintf(file, ",%.3e,%.3e,%.3e,%.3e,%.3e,%ju", bench_median(sorted, count),
                bench_quantile(sorted, count, 0.1), bench_quantile(sorted, count, 0.9),
                sum / (double)count, found[worst], (uintmax_t)(first_seed + worst));
    free(sorted);
}

/* log10 of conditions, and of those of the solved systems: median, 10 %, 90 %, mean, mean. */
static void
print_conditions(FILE *file, double *log_condition, double *log_solved, size_t trials)
{
    double sum = 0, solved = 0;
    for (size_t t = 0; t < trials; t++) {
        sum += log_condition[t];
        solved += log_solved[t];
    }
    fprintf(file, ",%.3f,%.3f,%.3f,%.3f,%.3f", bench_median(log_condition, trials),
            bench_quantile(log_condition, trials, 0.1), bench_quantile(log_condition, trials, 0.9),
            sum / (double)trials, solved / (double)trials);
}

static void
print_line_start(FILE *file, const line *l, rival r, const char *decoder)
{
    const setting *s = &l->at;
    fprintf(file, "%zu,%zu,%zu,%zu,%zu,%zu,%s,%s,%zu,%ju", l->x, s->m, s->n, s->m * s->n, s->tasks,
            s->tasks - s->m * s->n, rival_name(r), decoder, l->trials, (uintmax_t)l->first_seed);
}

/* `result` [trials, RIVALS]. */
static void
print_lines(FILE *file, const line *l, const trial_result *result, rival r, const char *decoder)
{
    double *found = bench_alloc(l->trials * sizeof *found);
    double *condition = bench_alloc(l->trials * sizeof *condition);
    double *solved = bench_alloc(l->trials * sizeof *solved);
    for (size_t t = 0; t < l->trials; t++) {
        const trial_result *one = &result[t * RIVALS + r];
        found[t] = strcmp(decoder, "paper") == 0 ? one->paper : one->kofn;
        condition[t] = log10(one->condition);
        solved[t] = log10(one->solved_condition);
    }
    print_line_start(file, l, r, decoder);
    print_errors(file, found, l->trials, l->first_seed);
    print_conditions(file, condition, solved, l->trials);
    fprintf(file, "\n");
    free(found);
    free(condition);
    free(solved);
}

/* ---- a setting: all its lines ---------------------------------------------------------------- */

static void
run_vectors(FILE *file, const line *l)
{
    trial_result *result = bench_alloc(l->trials * RIVALS * sizeof *result);
    for (size_t t = 0; t < l->trials; t++)
        trial_run(&l->at, l->first_seed + t, result + t * RIVALS);
    for (rival r = 0; r < RIVALS; r++) {
        print_lines(file, l, result, r, "paper");
        print_lines(file, l, result, r, "kofn");
    }
    free(result);
}

static void
run_whole(FILE *file, const line *l)
{
    double *found = bench_alloc(l->trials * sizeof *found);
    for (rival r = 0; r < RIVALS; r++) {
        for (size_t t = 0; t < l->trials; t++)
            found[t] = whole_run(r, &l->at, l->first_seed + t);
        print_line_start(file, l, r, "product");
        print_errors(file, found, l->trials, l->first_seed);
        fprintf(file, ",nan,nan,nan,nan,nan\n");
    }
    free(found);
}

static setting
setting_of(const figure *f, size_t x)
{
    switch (f->kind) {
    case FIXED_RATIO:
        return (setting){x, f->n, (size_t)ceil((double)(x * f->n) / (1 - f->ratio) - 1e-9),
                         PLACED_AT_RANDOM};
    case FIXED_STRAGGLERS:
        return (setting){x, x, x * x + f->stragglers, PLACED_AT_RANDOM};
    case FIXED_PLACES:
        return (setting){f->n, f->n, f->n * f->n + f->stragglers, (placement)x};
    default:
        return (setting){f->n, f->n, f->n * f->n + x, PLACED_AT_RANDOM};
    }
}

static void
run_figure(const figure *f, size_t number, const options *o)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.csv", o->folder, f->name) >= (int)sizeof path)
        bench_die("folder '%s': too long a name", o->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_die("%s: %s", path, strerror(errno));
    fprintf(file, "x,m,n,k,N,s,code,decoder,trials,first_seed,refused,median,q10,q90,mean,worst,"
                  "worst_seed,log10_condition,log10_condition_q10,log10_condition_q90,"
                  "log10_condition_mean,log10_solved_condition_mean\n");
    for (size_t p = 0; p < POINTS_MAX && f->x[p] > 0; p++) {
        const double start = bench_now();
        const line l = {
            .x = f->x[p],
            .at = setting_of(f, f->x[p]),
            .first_seed = o->seed + (number * POINTS_MAX + p) * SEEDS_A_POINT,
            .trials = f->whole ? (o->trials + 4) / 5 : o->trials,
        };
        if (f->whole)
            run_whole(file, &l);
        else
            run_vectors(file, &l);
        fprintf(stderr, "%s x=%zu: %.1f s\n", f->name, l.x, bench_now() - start);
    }
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

/* ---- command line ---------------------------------------------------------------------------- */

static size_t
parse_number(const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || number > SIZE_MAX)
        argp_error(state, "'%s' is no number", text);
    return (size_t)number;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'k':
        puts(kofn_blas_kernel());
        exit(EXIT_SUCCESS);
    case 'o':
        o->folder = arg;
        return 0;
    case 'f':
        o->only = arg;
        return 0;
    case 's':
        o->seed = parse_number(arg, state);
        return 0;
    case 't':
        o->trials = parse_number(arg, state);
        if (o->trials == 0 || o->trials > SEEDS_A_POINT)
            argp_error(state, "--trials %s: from 1 to %d", arg, SEEDS_A_POINT);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    {"kernel", 'k', NULL, 0, "Print the name of OpenBLAS's kernel, and no more", 0},
    {"output", 'o', "DIR", 0, "Where to write the CSV files (.)", 0},
    {"figure", 'f', "NAME", 0,
     "Only this one: fig1_10, fig1_20, fig2_5, fig2_10, fig3, places, whole", 0},
    {"seed", 's', "SEED", 0, "First seed of all (1)", 0},
    {"trials", 't', "COUNT", 0, "Draws for each setting (400); a fifth of it for whole", 0},
    {0},
};

int
main(int argc, char **argv)
{
    const struct argp argp = {
        .options = argp_options,
        .parser = parse_option,
        .doc = "Measure the figures of the paper on random Khatri-Rao-product codes.",
    };
    options o = {.folder = ".", .trials = 400, .seed = 1};
    kofn_blas_choose_kernel(argv);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    kofn_blas_set_threads(1);

    size_t ran = 0;
    for (size_t f = 0; f < sizeof figures / sizeof figures[0]; f++)
        if (!o.only || strcmp(o.only, figures[f].name) == 0) {
            run_figure(&figures[f], f, &o);
            ran++;
        }
    if (ran == 0)
        bench_die("there is no figure '%s'; see --help", o.only);
    return 0;
}
