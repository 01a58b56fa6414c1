/* Workers that a batch takes, one task each, so that any s of them may be lost: by every scheme for
 * the same pairs of the same blocks.
 *
 *     exact       x y z + z - 1 + s      entangled polynomial: the product itself, not an estimate
 *     matdot      2 k - 1 + s            the paper's w_{k,s}, of all k samples
 *     merged      2 pairs - 1 + s        the same where no pair is computed twice (family lagrange)
 *     replicated  (s + 1) pairs
 *     curve                              Theorem 1 for all pairs together (grouping.h)
 *     locality                           kofn's choice of groups
 */
#include "bench/papers/compression/operands.h"

#include "bench/must.h"
#include "common/code/entangled.h"
#include "common/code/grouping.h"
#include "common/code/nonzero.h"
#include "common/code/spec.h"

#include <stdlib.h>

enum { TRIALS_A_SEED = 40, SAMPLES_MAX = 13 };

static const size_t spares[] = {0, 1, 2, 4, 8};
enum { SPARES = sizeof spares / sizeof spares[0] };

typedef struct setting {
    const char *matrix;
    kofn_partition part;
    size_t samples[SAMPLES_MAX];
} setting;

static const setting settings[] = {
    {"digits", {10, 28, 10}, {100, 140, 200, 280, 400, 560, 800, 1120, 1600, 2240, 2800, 4000}},
    {"digits_coarse", {4, 7, 4}, {16, 20, 24, 32, 40, 48, 64, 80, 96, 112, 160}},
    {"flow", {8, 64, 8}, {24, 32, 40, 48, 64, 80, 96, 128, 160, 200}},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

typedef struct workers { // sums over seeds
    double pairs, merged, replicated, curve, locality, groups;
} workers;

static size_t
count_lagrange(const kofn_batch *batch, size_t spare)
{
    kofn_thresholds k;
    kofn_code_spec spec = {.has_seed = true, .seed = 1, .tasks = 2 * batch->count - 1 + spare};
    must(kofn_code_spec_set(&spec, "family", "lagrange", &error));
    must(kofn_code_spec_set_batch(&spec, batch, &error));
    must(kofn_code_spec_thresholds(&spec, kofn_field_find("f64"), &k, &error));
    return k.exact + spare;
}

static size_t
count_grouped(const kofn_batch *batch, kofn_grouping_choice choice, size_t spare,
              size_t *ret_groups)
{
    kofn_grouping g;
    const kofn_grouping_params params = {.batch = batch,
                                         .field = kofn_field_find("f64"),
                                         .choice = choice,
                                         .exact = KOFN_GROUPING_EXACT};
    must(kofn_grouping_init(&g, &params, spare, &error));
    const size_t tasks = g.tasks;
    *ret_groups = g.count;
    kofn_grouping_fini(&g);
    return tasks;
}

static void
add_workers(const kofn_batch *batch, size_t spare, workers *sum)
{
    size_t groups, one;
    sum->pairs += (double)batch->count;
    sum->merged += (double)count_lagrange(batch, spare);
    sum->replicated += (double)(batch->count * (1 + spare));
    sum->curve += (double)count_grouped(batch, KOFN_GROUPING_CURVE, spare, &one);
    sum->locality += (double)count_grouped(batch, KOFN_GROUPING_AUTO, spare, &groups);
    sum->groups += (double)groups;
}

static void
print_workers(FILE *file, const workers *sum, size_t trials, uint64_t first_seed)
{
    const double t = (double)trials;
    fprintf(file, ",%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%zu,%ju\n", sum->pairs / t, sum->merged / t,
            sum->replicated / t, sum->curve / t, sum->locality / t, sum->groups / t, trials,
            (uintmax_t)first_seed);
}

/* ---- sketched -------------------------------------------------------------------------------- */

static void
run_samples(FILE *file, const setting *s, const block_norms *norms, size_t samples, size_t trials,
            uint64_t first_seed)
{
    workers sum[SPARES] = {0};
    for (size_t t = 0; t < trials; t++) {
        kofn_sketched sketched;
        const kofn_sketch_args args = operands_ask(norms, samples, first_seed + t);
        must(kofn_sketch_find("grid_cr")->compress(&args, &sketched, &error));
        for (size_t i = 0; i < SPARES; i++)
            add_workers(sketched.batch, spares[i], &sum[i]);
        kofn_sketched_fini(&sketched);
    }
    for (size_t i = 0; i < SPARES; i++) {
        fprintf(file, "%s,%zu,%zu,%zu;%zu;%zu,%zu,%zu", s->matrix, spares[i], samples, s->part.x,
                s->part.z, s->part.y, kofn_entangled_threshold(s->part) + spares[i],
                2 * samples - 1 + spares[i]);
        print_workers(file, &sum[i], trials, first_seed);
    }
}

void
figure_workers(FILE *file, const paper_options *o)
{
    operands digits = operands_load_digits(o), flow = operands_load_flow(o);
    const size_t trials = (o->trials + TRIALS_A_SEED - 1) / TRIALS_A_SEED;
    uint64_t seed = o->seed;
    fprintf(file, "matrix,s,samples,part,exact,matdot,pairs,merged,replicated,curve,locality,"
                  "groups,trials,first_seed\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];
        block_norms norms = operands_measure(i == SETTINGS - 1 ? &flow : &digits, s->part);
        for (size_t k = 0; k < SAMPLES_MAX && s->samples[k] > 0; k++, seed += PAPER_SEEDS_A_SETTING)
            run_samples(file, s, &norms, s->samples[k], trials, seed);
        block_norms_fini(&norms);
    }
    operands_fini(&digits);
    operands_fini(&flow);
}

/* ---- sparse ---------------------------------------------------------------------------------- */

static kofn_batch *
new_sparse_batch(const operands *o, kofn_partition part)
{
    bool *mask[2];
    kofn_batch *batch = NULL;
    const kofn_grid grid[2] = {{part.x, part.z}, {part.z, part.y}};
    for (size_t i = 0; i < 2; i++) {
        const kofn_nonzero_operand operand = {.csr = &o->csr, .transposed = o->transposed[i]};
        mask[i] = bench_alloc(grid[i].rows * grid[i].cols * sizeof(bool));
        must(kofn_nonzero_mark(&operand, grid[i], mask[i], &error));
    }
    must(kofn_nonzero_new_batch(part, mask[0], mask[1], kofn_field_find("f64"), &batch, &error));
    free(mask[0]);
    free(mask[1]);
    return batch;
}

void
figure_sparse(FILE *file, const paper_options *o)
{
    static const size_t parts[] = {4, 8, 16, 32};
    operands flow = operands_load_flow(o);
    fprintf(file, "parts,s,products,exact,pairs,merged,replicated,curve,locality,groups,trials,"
                  "first_seed\n");
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        const kofn_partition part = {parts[p], parts[p], parts[p]};
        kofn_batch *batch = new_sparse_batch(&flow, part);
        for (size_t i = 0; i < SPARES; i++) {
            workers sum = {0};
            add_workers(batch, spares[i], &sum);
            fprintf(file, "%zu,%zu,%zu,%zu", parts[p], spares[i], kofn_partition_products(part),
                    kofn_entangled_threshold(part) + spares[i]);
            print_workers(file, &sum, 1, 0); // nothing is drawn
        }
        kofn_batch_destroy(&batch);
    }
    operands_fini(&flow);
}
