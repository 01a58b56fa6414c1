/* Sketches of a kernel matrix of images: errors over many seeds beside what is known of them.
 *
 *     C' - C in block (i, j)  =  sum_t (w_t - 1) A_it B_tj        w_t the weight that was drawn, or 0
 *     |C' - C|^2              =  (w - 1)^T M (w - 1)              M[t, u] = <A_it B_tj, A_iu B_uj>
 *
 * M is made once from A_i^T A_i and B_j B_j^T, so that a draw costs z^2 and not a product; the
 * first draw of each line is multiplied out beside it.
 */
#include "bench/papers/compression/operands.h"

#include "bench/must.h"
#include "bench/papers/compression/coded.h"
#include "common/code/grouping.h"
#include "common/code/sketch_draw.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 8 };

typedef struct line {
    const char *sketch;
    kofn_partition part;
    size_t samples[SAMPLES_MAX];
} line;

static const line lines[] = {
    {"cr", {1, 784, 1}, {16, 32, 64, 128, 256, 512}},
    {"block_cr", {1, 28, 1}, {2, 4, 8, 12, 16, 20}},
    {"grid_cr", {10, 28, 10}, {100, 200, 400, 800, 1600, 2400}},
};

/* ---- what was drawn -------------------------------------------------------------------------- */

/* ret [x y, z]: the weight of A_it B_tj in block (i, j). */
static void
get_weights(const kofn_sketched *s, kofn_partition part, double *ret)
{
    memset(ret, 0, part.x * part.y * part.z * sizeof *ret);
    for (size_t i = 0; i < s->kept; i++)
        ret[s->column[i]] = s->scale[i];
    if (!s->batch)
        return;
    const kofn_sums *w = &s->batch->weights;
    for (size_t target = 0; target < w->rows; target++)
        for (size_t k = w->first[target]; k < w->first[target + 1]; k++) {
            const size_t left = kofn_batch_get_block(s->batch, 0, w->column[k]);
            ret[target * part.z + left % part.z] = w->coef[k];
        }
}

static void
draw_weights(const char *sketch, const block_norms *norms, size_t samples, uint64_t seed,
             double *ret_weights, kofn_sketched *ret_known)
{
    const kofn_sketch_args args = operands_ask(norms, samples, seed);
    kofn_sketched s;
    must(kofn_sketch_find(sketch)->compress(&args, &s, &error));
    get_weights(&s, norms->part, ret_weights);
    *ret_known = (kofn_sketched){.samples = s.samples, .bound = s.bound, .lemma = s.lemma};
    kofn_sketched_fini(&s);
}

/* out := sum over blocks and t of (w_t - shift) A_it B_tj, by products of whole blocks. */
static void
multiply_out(const operands *o, kofn_partition part, const double *weights, double shift,
             const kofn_bands *out)
{
    const size_t pixels = o->of[0].cols, deep = kofn_part_size(pixels, part.z);
    const size_t high = o->of[0].rows / part.x, wide = o->of[1].rows / part.y;
    double *scaled = bench_alloc(high * pixels * sizeof *scaled);
    for (size_t i = 0; i < part.x; i++)
        for (size_t j = 0; j < part.y; j++) {
            const double *w = weights + (i * part.y + j) * part.z;
            const double *a = coded_get_reals(&o->of[0]) + i * high * pixels;
            for (size_t r = 0; r < high; r++)
                for (size_t k = 0; k < pixels; k++)
                    scaled[r * pixels + k] = a[r * pixels + k] * (w[k / deep] - shift);
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)high, (int)wide, (int)pixels,
                        1, scaled, (int)pixels, coded_get_reals(&o->of[1]) + j * wide * pixels,
                        (int)pixels, 0, coded_get_reals(out) + i * high * out->cols + j * wide,
                        (int)out->cols);
        }
    free(scaled);
}

static double
get_norm(const kofn_bands *m)
{
    return cblas_dnrm2((int)(m->rows * m->cols), coded_get_reals(m), 1);
}

/* ---- overlaps -------------------------------------------------------------------------------- */

/* ret [parts, pixels, pixels]: X^T X of each band of images. */
static double *
new_grams(const kofn_bands *images, size_t parts)
{
    const size_t pixels = images->cols, high = images->rows / parts;
    double *grams = bench_alloc(parts * pixels * pixels * sizeof *grams);
    for (size_t p = 0; p < parts; p++) {
        const double *x = coded_get_reals(images) + p * high * pixels;
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)pixels, (int)pixels, (int)high, 1,
                    x, (int)pixels, x, (int)pixels, 0, grams + p * pixels * pixels, (int)pixels);
    }
    return grams;
}

/* m [z, z] from A_i^T A_i and B_j B_j^T [pixels, pixels]. */
static void
add_overlaps(const double *a, const double *b, size_t pixels, size_t z, double *m)
{
    const size_t deep = kofn_part_size(pixels, z);
    for (size_t r = 0; r < pixels; r++) {
        double *row = m + r / deep * z;
        for (size_t u = 0; u * deep < pixels; u++) {
            const size_t end = (u + 1) * deep < pixels ? (u + 1) * deep : pixels;
            for (size_t s = u * deep; s < end; s++)
                row[u] += a[r * pixels + s] * b[r * pixels + s];
        }
    }
}

/* M [x y, z, z] of all blocks of C. */
static double *
new_overlaps(const operands *o, kofn_partition part)
{
    const size_t pixels = o->of[0].cols, square = pixels * pixels;
    double *a = new_grams(&o->of[0], part.x), *b = new_grams(&o->of[1], part.y);
    double *m = bench_alloc(part.x * part.y * part.z * part.z * sizeof *m);
    for (size_t i = 0; i < part.x; i++)
        for (size_t j = 0; j < part.y; j++)
            add_overlaps(a + i * square, b + j * square, pixels, part.z,
                         m + (i * part.y + j) * part.z * part.z);
    free(a);
    free(b);
    return m;
}

/* |sum over blocks and t of (w_t - 1) A_it B_tj|_F^2. */
static double
get_square(kofn_partition part, const double *m, const double *weights)
{
    const size_t z = part.z;
    double sum = 0;
    for (size_t block = 0; block < part.x * part.y; block++)
        for (size_t t = 0; t < z; t++) {
            const double *row = m + (block * z + t) * z, *w = weights + block * z;
            double inner = 0;
            for (size_t u = 0; u < z; u++)
                inner += row[u] * (w[u] - 1);
            sum += (w[t] - 1) * inner;
        }
    return sum > 0 ? sum : 0; // rounding, where nothing is left out
}

/* E |C' - C|^2 by the formula of sketch.h. */
static double
get_expected(const char *sketch, const block_norms *norms, size_t samples, const double *m)
{
    const kofn_partition p = norms->part;
    kofn_sketch_block *blocks = bench_alloc(p.x * p.y * sizeof *blocks);
    const kofn_sketch_args args = operands_ask(norms, samples, 1);
    kofn_sketched plan = {0};
    double sum = 0;
    must(kofn_sketch_plan(sketch, &args, blocks, &plan, &error));
    for (size_t b = 0; b < p.x * p.y; b++) {
        if (blocks[b].whole || blocks[b].samples == 0)
            continue;
        double squares = 0, all = 0;
        for (size_t t = 0; t < p.z; t++) {
            const double norm = norms->a[b / p.y * p.z + t] * norms->b[t * p.y + b % p.y];
            squares += norm > 0 ? m[(b * p.z + t) * p.z + t] / norm : 0;
            for (size_t u = 0; u < p.z; u++)
                all += m[(b * p.z + t) * p.z + u];
        }
        sum += (blocks[b].sum * squares - all) / (double)blocks[b].samples;
    }
    free(blocks);
    return sum;
}

/* ---- errors ---------------------------------------------------------------------------------- */

typedef struct setting {
    const char *sketch;
    const operands *of;
    const block_norms *norms;
    const double *overlaps;
    double scale; // |A| |B|
    size_t samples, trials;
    uint64_t first_seed;
} setting;

/* Errors over |A| |B| by seed; ret_mean [x y, z]: of the weights. */
static kofn_sketched
try_seeds(const setting *s, double *ret_errors, double *ret_mean)
{
    const kofn_partition part = s->norms->part;
    const size_t count = part.x * part.y * part.z;
    double *weights = bench_alloc(count * sizeof *weights);
    kofn_sketched known = {0};
    for (size_t t = 0; t < s->trials; t++) {
        draw_weights(s->sketch, s->norms, s->samples, s->first_seed + t, weights, &known);
        ret_errors[t] = sqrt(get_square(part, s->overlaps, weights)) / s->scale;
        for (size_t i = 0; i < count; i++)
            ret_mean[i] += weights[i] / (double)s->trials;
    }
    free(weights);
    return known;
}

static double
multiply_first_out(const setting *s)
{
    const kofn_partition part = s->norms->part;
    double *weights = bench_alloc(part.x * part.y * part.z * sizeof *weights);
    kofn_bands out = coded_new_matrix(KOFN_F64, s->of->of[0].rows, s->of->of[1].rows);
    kofn_sketched known;
    draw_weights(s->sketch, s->norms, s->samples, s->first_seed, weights, &known);
    multiply_out(s->of, part, weights, 1, &out);
    const double off = get_norm(&out) / s->scale;
    kofn_bands_fini(&out);
    free(weights);
    return off;
}

static void
run_setting(FILE *file, const setting *s)
{
    const kofn_partition part = s->norms->part;
    double *errors = bench_alloc(s->trials * sizeof *errors), sum = 0, square = 0, fourth = 0;
    double *mean = bench_alloc(part.x * part.y * part.z * sizeof *mean);
    const kofn_sketched known = try_seeds(s, errors, mean);
    const double first = errors[0], trials = (double)s->trials;
    for (size_t t = 0; t < s->trials; t++) {
        sum += errors[t] / trials;
        square += errors[t] * errors[t] / trials;
        fourth += pow(errors[t], 4) / trials;
    }
    const double expected =
        get_expected(s->sketch, s->norms, s->samples, s->overlaps) / (s->scale * s->scale);
    const double spread = sqrt((fourth - square * square) / trials);
    const double bias = sqrt(get_square(part, s->overlaps, mean)) / s->scale;
    fprintf(
        file, "%s,%zu,%zu;%zu;%zu,%.5g,%.5g,%.5g,%.5g,%.5g,%.2f,%.3f,%.5g,%.5g,%.8g,%.8g,%zu,%ju\n",
        s->sketch, s->samples, part.x, part.z, part.y, sum, bench_quantile(errors, s->trials, 0.1),
        bench_quantile(errors, s->trials, 0.9), sqrt(square), sqrt(expected),
        spread > 0 ? (square - expected) / spread : 0, bias / sqrt(expected / trials), known.bound,
        known.lemma, first, multiply_first_out(s), s->trials, (uintmax_t)s->first_seed);
    free(errors);
    free(mean);
}

void
figure_sketches(FILE *file, const paper_options *o)
{
    operands digits = operands_load_digits(o);
    uint64_t seed = o->seed;
    fprintf(file, "sketch,samples,part,mean,q10,q90,rms,expected,z,bias,bound,lemma,first,"
                  "multiplied,trials,first_seed\n");
    for (size_t l = 0; l < sizeof lines / sizeof lines[0]; l++) {
        block_norms norms = operands_measure(&digits, lines[l].part);
        double *overlaps = new_overlaps(&digits, lines[l].part);
        for (size_t k = 0; k < SAMPLES_MAX && lines[l].samples[k] > 0; k++) {
            const setting s = {.sketch = lines[l].sketch,
                               .of = &digits,
                               .norms = &norms,
                               .overlaps = overlaps,
                               .scale = get_norm(&digits.of[0]) * get_norm(&digits.of[1]),
                               .samples = lines[l].samples[k],
                               .trials = o->trials,
                               .first_seed = seed};
            run_setting(file, &s);
            seed += PAPER_SEEDS_A_SETTING;
        }
        free(overlaps);
        block_norms_fini(&norms);
    }
    operands_fini(&digits);
}

/* ---- through their codes --------------------------------------------------------------------- */

enum { LOSSES = 20 }; // sets of lost tasks

static kofn_code *
new_locality(const kofn_batch *batch, size_t spare)
{
    kofn_grouping g;
    const kofn_field *f = kofn_field_find("f64");
    const kofn_grouping_params params = {.batch = batch, .field = f, .exact = KOFN_GROUPING_EXACT};
    must(kofn_grouping_init(&g, &params, spare, &error));
    const coded_wish wish = {.family = "locality", .batch = batch, .tasks = g.tasks};
    kofn_grouping_fini(&g);
    return coded_new_code(f, &wish);
}

/* Encoded, multiplied, some tasks lost, decoded; against C' multiplied out. */
static void
run_coded(FILE *file, const operands *o, const block_norms *norms, size_t samples, size_t spare,
          uint64_t seed)
{
    const kofn_sketch_args args = operands_ask(norms, samples, seed);
    const kofn_partition part = norms->part;
    kofn_sketched s;
    must(kofn_sketch_find("grid_cr")->compress(&args, &s, &error));
    kofn_code *code = new_locality(s.batch, spare);
    coded_job job = coded_start(code, s.batch, o->of, o->transposed);
    double *weights = bench_alloc(part.x * part.y * part.z * sizeof *weights), off[LOSSES];
    size_t *tasks = bench_alloc(code->tasks * sizeof *tasks), decoded = 0;
    kofn_bands expected = coded_new_matrix(KOFN_F64, job.out.rows, job.out.cols);
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 1);
    get_weights(&s, part, weights);
    multiply_out(o, part, weights, 0, &expected);
    coded_encode(&job, code->tasks);
    for (size_t task = 0; task < code->tasks; task++)
        coded_multiply(&job, task);
    for (size_t i = 0; i < LOSSES; i++) {
        coded_shuffle(&rng, code->tasks, tasks);
        if (coded_decode(&job, tasks, code->tasks - spare))
            off[decoded++] = coded_compare(&job.out, &expected);
    }
    fprintf(file, "%zu,%zu,%zu;%zu;%zu,%zu,%zu,%d,%zu,%.3g,%.3g,1,%ju\n", samples, spare, part.x,
            part.z, part.y, s.batch->count, code->tasks, LOSSES, decoded,
            decoded ? bench_median(off, decoded) : NAN,
            decoded ? bench_quantile(off, decoded, 1) : NAN, (uintmax_t)seed);
    kofn_bands_fini(&expected);
    coded_end(&job);
    kofn_code_destroy(&code);
    kofn_sketched_fini(&s);
    free(weights);
    free(tasks);
}

void
figure_coded(FILE *file, const paper_options *o)
{
    static const size_t samples[] = {16, 32, 64}, spares[] = {1, 2, 4};
    operands digits = operands_load_digits(o);
    block_norms norms = operands_measure(&digits, (kofn_partition){4, 7, 4});
    uint64_t seed = o->seed;
    fprintf(file, "samples,s,part,pairs,tasks,sets,decoded,median,worst,trials,first_seed\n");
    for (size_t k = 0; k < sizeof samples / sizeof samples[0]; k++)
        for (size_t i = 0; i < sizeof spares / sizeof spares[0]; i++) {
            run_coded(file, &digits, &norms, samples[k], spares[i], seed);
            seed += PAPER_SEEDS_A_SETTING;
        }
    block_norms_fini(&norms);
    operands_fini(&digits);
}
