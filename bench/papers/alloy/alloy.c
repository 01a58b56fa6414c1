/* The paper on random alloy codes, measured: RESULTS.md says what came out. Writes one CSV file for
 * each figure; what is known exactly stands beside what was measured, with the distance in standard
 * errors. */
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS_MAX = PAPER_SEEDS_A_SETTING };

static const struct {
    const char *name; // of its CSV file
    void (*run)(FILE *file, const paper_options *o);
} figures[] = {
    {"counts", figure_counts},     {"decode", figure_decode},   {"coefs", figure_coefs},
    {"theorem4", figure_theorem4}, {"needed", figure_needed},   {"failure", figure_failure},
    {"crossing", figure_crossing}, {"recover", figure_recover}, {"rate", figure_rate},
    {"lift", figure_lift},
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static void
run(size_t figure, const paper_options *o)
{
    const double start = bench_now();
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.csv", o->folder, figures[figure].name) >=
        (int)sizeof path)
        bench_die("folder '%s': too long a name", o->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_die("%s: %s", path, strerror(errno));
    figures[figure].run(file, o);
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
    fprintf(stderr, "%s: %.1f s\n", figures[figure].name, bench_now() - start);
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
    paper_options *o = state->input;
    switch (key) {
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
        if (o->trials == 0 || o->trials > TRIALS_MAX)
            argp_error(state, "--trials %s: from 1 to %d", arg, TRIALS_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    {"output", 'o', "DIR", 0, "Where to write the CSV files (.)", 0},
    {"figure", 'f', "NAME", 0, "Only this file: decode, counts, coefs, ...", 0},
    {"seed", 's', "SEED", 0, "First seed of all (1)", 0},
    {"trials", 't', "COUNT", 0,
     "Draws for each setting (100000); a part of it where a draw costs more", 0},
    {0},
};

int
main(int argc, char **argv)
{
    const struct argp argp = {
        .options = argp_options,
        .parser = parse_option,
        .doc = "Measure what the paper on random alloy codes claims.",
    };
    paper_options o = {.folder = ".", .trials = 100000, .seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    size_t ran = 0;
    for (size_t f = 0; f < FIGURES; f++)
        if (!o.only || strcmp(o.only, figures[f].name) == 0) {
            run(f, &o);
            ran++;
        }
    if (ran == 0)
        bench_die("there is no figure '%s'; see --help", o.only);
    return 0;
}
