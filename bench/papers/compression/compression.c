/* The paper on compression-informed coding, measured: RESULTS.md says what came out. Writes one CSV
 * file for each figure. */
#include "bench/bench.h"
#include "bench/papers/compression/figures.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name; // of its CSV file
    void (*run)(FILE *file, const paper_options *o);
    bool flow; // needs the option
} figures[] = {
    {"workers", figure_workers, true},    {"sparse", figure_sparse, true},
    {"sketches", figure_sketches, false}, {"coded", figure_coded, false},
    {"theorem2", figure_theorem2, false}, {"asked", figure_asked, true},
    {"theorem3", figure_theorem3, false}, {"forests", figure_forests, false},
    {"circle", figure_circle, false},     {"liars", figure_liars, false},
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
    if (figures[figure].flow && !o->flow)
        bench_die("%s needs --flow FILE", figures[figure].name);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_die("%s: %s", path, strerror(errno));
    figures[figure].run(file, o);
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
    fprintf(stderr, "%s: %.1f s\n", figures[figure].name, bench_now() - start);
}

/* ---- command line ---------------------------------------------------------------------------- */

static uint64_t
parse_number(const char *name, const char *text, uint64_t least, uint64_t most,
             struct argp_state *state)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || number < least ||
        number > most)
        argp_error(state, "--%s %s: need a number from %ju to %ju", name, text, (uintmax_t)least,
                   (uintmax_t)most);
    return number;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    paper_options *o = state->input;
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
    case 'm':
        o->mnist = arg;
        return 0;
    case 'M':
        o->flow = arg;
        return 0;
    case 's':
        o->seed = parse_number("seed", arg, 0, UINT32_MAX, state);
        return 0;
    case 't':
        o->trials = parse_number("trials", arg, 1, PAPER_SEEDS_A_SETTING / 10, state);
        return 0;
    case 'i':
        o->images = parse_number("images", arg, 2, 800, state) / 2 * 2; // four parts of ten digits
        return 0;
    case 'n':
        o->size = parse_number("size", arg, 2, 8192, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    {"kernel", 'k', NULL, 0, "Print the name of OpenBLAS's kernel, and no more", 0},
    {"output", 'o', "DIR", 0, "Where to write the CSV files (.)", 0},
    {"figure", 'f', "NAME", 0, "Only this file: workers, sparse, sketches, ...", 0},
    {"mnist", 'm', "DIR", 0, "The four files of MNIST; otherwise images are made up", 0},
    {"flow", 'M', "FILE", 0, "What the script flow has written", 0},
    {"seed", 's', "SEED", 0, "First seed of all (1)", 0},
    {"trials", 't', "COUNT", 0, "Draws for each setting (400); a part of it where one costs more",
     0},
    {"images", 'i', "COUNT", 0, "Of each digit, on either side of a product (100)", 0},
    {"size", 'n', "N", 0, "Of the products that are timed (1000)", 0},
    {0},
};

int
main(int argc, char **argv)
{
    const struct argp argp = {
        .options = argp_options,
        .parser = parse_option,
        .doc = "Measure what the paper on compression-informed coding claims.",
    };
    paper_options o = {.folder = ".", .trials = 400, .seed = 1, .images = 100, .size = 1000};
    kofn_blas_choose_kernel(argv);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    kofn_blas_set_threads(1);
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
