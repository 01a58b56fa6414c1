/* lift.csv: Lemma 1 in doubles. Rows drawn in GF(p) and lifted to whole numbers are independent
 * when they were in GF(p); how much do errors of the answers grow in the product (amplification),
 * beside standard normals and beside rkrp? From k answers of k tasks. */
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"
#include "common/code/decoder.h"

#include <math.h>
#include <stdlib.h>

/* INFINITY: no set of k answers decodes in doubles. */
static double
amplification_of(kofn_code *code)
{
    double found = INFINITY;
    kofn_decoder *d = NULL;
    kofn_decode_plan plan;
    paper_must(kofn_decoder_new(code, INFINITY, &d, &paper_error));
    for (size_t task = 0; task < code->tasks; task++)
        paper_must(kofn_decoder_add(d, task, &paper_error));
    if (kofn_decoder_get_state(d) == KOFN_DECODE_EXACT) {
        paper_must(kofn_decoder_plan(d, 0x1p-53, &plan, &paper_error));
        found = plan.quality.amplification;
        kofn_decode_plan_fini(&plan);
    }
    kofn_decoder_destroy(&d);
    return found;
}

typedef struct rival {
    const char *name, *family, *set;
} rival;

static const rival rivals[] = {
    {"rkrp_best", "rkrp", "systematic=no,draws=16"},
    {"rkrp", "rkrp", "systematic=no,draws=1"},
    {"normal", "alloy_global", "draw=normal"},
    {"symmetric_3", "alloy_global", "draw=product,lift=symmetric,p=3"},
    {"symmetric_17", "alloy_global", "draw=product,lift=symmetric,p=17"},
    {"symmetric_257", "alloy_global", "draw=product,lift=symmetric,p=257"},
    {"symmetric_65537", "alloy_global", "draw=product,lift=symmetric,p=65537"},
    {"symmetric_2147483647", "alloy_global", "draw=product,lift=symmetric,p=2147483647"},
    {"positive_3", "alloy_global", "draw=product,lift=positive,p=3"},
    {"positive_17", "alloy_global", "draw=product,lift=positive,p=17"},
    {"positive_257", "alloy_global", "draw=product,lift=positive,p=257"},
    {"positive_65537", "alloy_global", "draw=product,lift=positive,p=65537"},
    {"positive_2147483647", "alloy_global", "draw=product,lift=positive,p=2147483647"},
};

static void
print_line(FILE *file, const rival *r, size_t side, size_t trials, uint64_t seed)
{
    char set[128];
    double *found = bench_alloc(trials * sizeof *found);
    size_t singular = 0;
    (void)snprintf(set, sizeof set, "partition=%zu;1;%zu,%s", side, side, r->set);
    for (size_t t = 0; t < trials; t++) {
        kofn_code *code = paper_code("f64", r->family, side * side, set, seed + t);
        found[t] = amplification_of(code);
        singular += isinf(found[t]) != 0;
        kofn_code_destroy(&code);
    }
    fprintf(file, "%zu,%s,%.4f,%.3g,%.3g,%.3g,%zu,%ju\n", side * side, r->name,
            (double)singular / (double)trials, bench_median(found, trials),
            bench_quantile(found, trials, 0.9), bench_quantile(found, trials, 0.99), trials,
            (uintmax_t)seed);
    free(found);
}

void
figure_lift(FILE *file, const paper_options *o)
{
    fprintf(file, "k,code,singular,median,q90,q99,trials,first_seed\n");
    for (size_t side = 2; side <= 4; side += 2)
        for (size_t r = 0; r < sizeof rivals / sizeof rivals[0]; r++)
            print_line(file, &rivals[r], side, o->trials / (side == 2 ? 50 : 200) + 10, o->seed);
}
