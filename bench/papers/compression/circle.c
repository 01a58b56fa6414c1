/* The paper's figure 2: eight pairs of four blocks of A and four of B, each of which comes up
 * twice; what they take by Theorem 1, in groups, and without either; and whether sets of so many
 * answers decode. Beside it the shortest circle that there is.
 */
#include "bench/papers/compression/figures.h"

#include "bench/must.h"
#include "bench/papers/compression/coded.h"
#include "common/code/grouping.h"
#include "common/linalg/multiply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 8, SPARE_MOST = 5, HIGH = 24, DEEP = 20, WIDE = 28 }; // and sizes of blocks

typedef struct shape {
    const char *name;
    size_t count, blocks, left[PAIRS_MAX], right[PAIRS_MAX];
} shape;

static const shape shapes[] = {
    // the drawing is not in the text at hand: one circle, or two
    {"circle", 8, 4, {0, 1, 1, 2, 2, 3, 3, 0}, {0, 0, 1, 1, 2, 2, 3, 3}},
    {"two_circles", 8, 4, {0, 0, 1, 1, 2, 2, 3, 3}, {0, 1, 0, 1, 2, 3, 2, 3}},
    {"square", 4, 2, {0, 0, 1, 1}, {0, 1, 0, 1}},
};

static const char *const constructions[] = {"auto", "alone", "curve",
                                            "grid"}; // of kofn_grouping_choice

static kofn_grouping
group(const kofn_batch *batch, const kofn_field *f, kofn_grouping_choice choice, size_t spare)
{
    const kofn_grouping_params params = {
        .batch = batch, .field = f, .choice = choice, .exact = KOFN_GROUPING_EXACT};
    kofn_grouping g;
    must(kofn_grouping_init(&g, &params, spare, &error));
    return g;
}

static size_t
count_tasks(const kofn_batch *batch, const kofn_field *f, kofn_grouping_choice choice, size_t spare)
{
    kofn_grouping g = group(batch, f, choice, spare);
    const size_t tasks = g.tasks;
    kofn_grouping_fini(&g);
    return tasks;
}

/* All products by themselves, without a code. */
static void
multiply_pairs(const kofn_field *f, const shape *s, const kofn_bands *operand, const kofn_bands *c)
{
    const size_t width = kofn_dtype_width(f->dtype);
    for (size_t i = 0; i < s->count; i++) {
        char *at[3] = {operand[0].at[0].mat.data, operand[1].at[0].mat.data, c->at[0].mat.data};
        const kofn_mat a =
            kofn_mat_wrap(at[0] + s->left[i] * HIGH * DEEP * width, f->dtype, HIGH, DEEP);
        const kofn_mat b =
            kofn_mat_wrap(at[1] + s->right[i] * DEEP * WIDE * width, f->dtype, DEEP, WIDE);
        const kofn_mat to = kofn_mat_wrap(at[2] + i * HIGH * WIDE * width, f->dtype, HIGH, WIDE);
        const kofn_product product = {.a = &a, .b = &b};
        kofn_bands bands;
        must(kofn_bands_from_mat(&to, &bands, &error));
        must(kofn_multiply(f, &product, &bands, &error));
        kofn_bands_fini(&bands);
    }
}

/* Sets of all but `spare` tasks: how many decode; errors, median and worst. */
static void
try_losses(FILE *file, const shape *s, const kofn_batch *batch, const kofn_field *f,
           const coded_wish *wish, size_t spare, size_t sets, uint64_t seed)
{
    static const bool plain[2] = {false, false};
    kofn_rng rng;
    kofn_code *code = coded_new_code(f, wish);
    kofn_bands operand[2] = {coded_new_matrix(f->dtype, s->blocks * HIGH, DEEP),
                             coded_new_matrix(f->dtype, s->blocks * DEEP, WIDE)};
    kofn_bands expected = coded_new_matrix(f->dtype, s->count * HIGH, WIDE);
    double *off = bench_alloc(sets * sizeof *off);
    size_t *tasks = bench_alloc(code->tasks * sizeof *tasks), decoded = 0;
    kofn_rng_init(&rng, seed, 0);
    for (size_t o = 0; o < 2; o++)
        coded_fill(f, &operand[o], &rng);
    multiply_pairs(f, s, operand, &expected);
    coded_job job = coded_start(code, batch, operand, plain);
    coded_encode(&job, code->tasks);
    for (size_t task = 0; task < code->tasks; task++)
        coded_multiply(&job, task);
    for (size_t i = 0; i < sets; i++) {
        coded_shuffle(&rng, code->tasks, tasks);
        if (coded_decode(&job, tasks, code->tasks - spare))
            off[decoded++] = coded_compare(&job.out, &expected);
    }
    fprintf(file, ",%zu,%zu,%.3g,%.3g", sets, decoded, decoded ? bench_median(off, decoded) : NAN,
            decoded ? bench_quantile(off, decoded, 1) : NAN);
    coded_end(&job);
    kofn_code_destroy(&code);
    kofn_bands_fini(&expected);
    kofn_bands_fini(&operand[0]);
    kofn_bands_fini(&operand[1]);
    free(off);
    free(tasks);
}

static void
run_construction(FILE *file, const shape *s, const char *field, kofn_grouping_choice choice,
                 size_t spare, size_t sets, uint64_t seed)
{
    const kofn_field *f = kofn_field_find(field);
    kofn_batch *batch = NULL;
    must(kofn_batch_new_stacked(s->blocks, s->blocks, s->count, s->left, s->right, NULL, f, &batch,
                                &error));
    kofn_grouping g = group(batch, f, choice, spare);
    const coded_wish wish = {.family = "locality",
                             .key = "construction",
                             .value = constructions[choice],
                             .batch = batch,
                             .tasks = g.tasks};
    fprintf(file, "%s,%s,%s,%zu,%zu,%zu,%zu,%zu", s->name, field, constructions[choice], spare,
            2 * s->count - 1 + spare, s->count * (1 + spare), g.tasks, g.count);
    kofn_grouping_fini(&g);
    try_losses(file, s, batch, f, &wish, spare, sets, seed);
    fprintf(file, ",%zu,%ju\n", count_tasks(batch, f, KOFN_GROUPING_GRID, spare), (uintmax_t)seed);
    kofn_batch_destroy(&batch);
}

void
figure_circle(FILE *file, const paper_options *o)
{
    static const char *const fields[] = {"f64", "gf256"};
    uint64_t seed = o->seed;
    fprintf(file, "shape,field,construction,s,separate,replicated,tasks,groups,sets,decoded,median,"
                  "worst,grid,first_seed\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t f = 0; f < 2; f++)
            for (size_t spare = 0; spare <= SPARE_MOST; spare++) {
                run_construction(file, &shapes[i], fields[f], KOFN_GROUPING_CURVE, spare, o->trials,
                                 seed);
                run_construction(file, &shapes[i], fields[f], KOFN_GROUPING_AUTO, spare, o->trials,
                                 seed + PAPER_SEEDS_A_SETTING);
                seed += 2 * PAPER_SEEDS_A_SETTING;
            }
}
