#include "bench/papers/eps-approx/regression.h"

#include "bench/bench.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = MNIST_CLASSES, BATCH = REGRESSION_BATCH };

/* Streams of the seed: one for the folds, then three for each fold. */
enum { STREAM_FOLDS, STREAM_WEIGHTS, STREAM_BATCHES, STREAM_PATTERNS, STREAMS };

static void
init_stream(const regression_params *p, size_t stream, kofn_rng *ret_rng)
{
    kofn_rng_init(ret_rng, p->seed, p->fold * STREAMS + stream);
}

regression_draws
regression_draws_new(const regression_params *p)
{
    const size_t count = p->data->count, folds = REGRESSION_FOLDS;
    const size_t first = count * p->fold / folds, end = count * (p->fold + 1) / folds;
    regression_draws draws = {.train = count - (end - first), .test = end - first};
    uint32_t *mixed = bench_alloc(count * sizeof *mixed);
    kofn_rng rng;
    kofn_rng_init(&rng, p->seed, STREAM_FOLDS);
    for (size_t i = 0; i < count; i++) { // Fisher-Yates, inside out
        const size_t j = (size_t)kofn_rng_below(&rng, i + 1);
        mixed[i] = mixed[j];
        mixed[j] = (uint32_t)i;
    }

    draws.order = bench_alloc(count * sizeof *draws.order);
    memcpy(draws.order, mixed, first * sizeof *mixed);
    memcpy(draws.order + first, mixed + end, (count - end) * sizeof *mixed);
    memcpy(draws.order + draws.train, mixed + first, draws.test * sizeof *mixed);
    free(mixed);
    init_stream(p, STREAM_BATCHES, &draws.batches);
    return draws;
}

void
regression_draws_fini(regression_draws *draws)
{
    free(draws->order);
    *draws = (regression_draws){0};
}

void
regression_draw_weights(const regression_params *p, double *ret_w, size_t stride)
{
    kofn_rng rng;
    init_stream(p, STREAM_WEIGHTS, &rng);
    for (size_t c = 0; c < CLASSES; c++) {
        for (size_t k = 0; k < p->data->features; k++)
            ret_w[c * stride + k] = kofn_rng_normal(&rng);
    }
}

void
regression_draw_batch(regression_draws *draws, uint32_t ret_sample[BATCH])
{
    for (size_t i = 0; i < BATCH; i++)
        ret_sample[i] = draws->order[kofn_rng_below(&draws->batches, draws->train)];
}

/* Columns of z [CLASSES, stride] become probabilities. */
static void
softmax(double *z, size_t cols, size_t stride)
{
    for (size_t i = 0; i < cols; i++) {
        double largest = z[i], sum = 0;
        for (size_t c = 1; c < CLASSES; c++)
            largest = z[c * stride + i] > largest ? z[c * stride + i] : largest;
        for (size_t c = 0; c < CLASSES; c++)
            sum += z[c * stride + i] = exp(z[c * stride + i] - largest);
        for (size_t c = 0; c < CLASSES; c++)
            z[c * stride + i] /= sum;
    }
}

void
regression_residual(const mnist *data, const uint32_t *sample, double *z, double *ret_h,
                    size_t z_stride, size_t h_stride)
{
    softmax(z, BATCH, z_stride);
    for (size_t c = 0; c < CLASSES; c++) {
        for (size_t i = 0; i < BATCH; i++)
            ret_h[c * h_stride + i] =
                z[c * z_stride + i] - (data->label[sample[i]] == c ? 1.0 : 0.0);
    }
}

/* ---- accuracy -------------------------------------------------------------------------------- */

/* Count what is right among `samples` into *ret_sure and *ret_top. */
static void
count_right(const mnist *data, const uint32_t *sample, size_t samples, const double *w,
            size_t stride, size_t *ret_sure, size_t *ret_top)
{
    double *x = bench_alloc(BATCH * data->features * sizeof *x), z[CLASSES * BATCH];
    *ret_sure = *ret_top = 0;
    for (size_t first = 0; first < samples; first += BATCH) {
        const size_t count = samples - first < BATCH ? samples - first : BATCH;
        for (size_t i = 0; i < count; i++) {
            const float *from = data->image + sample[first + i] * data->features;
            for (size_t k = 0; k < data->features; k++)
                x[i * data->features + k] = from[k];
        }
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, CLASSES, (int)count,
                    (int)data->features, 1, w, (int)stride, x, (int)data->features, 0, z, BATCH);
        softmax(z, count, BATCH);
        for (size_t i = 0; i < count; i++) {
            const size_t label = data->label[sample[first + i]];
            size_t best = 0;
            for (size_t c = 1; c < CLASSES; c++)
                best = z[c * BATCH + i] > z[best * BATCH + i] ? c : best;
            *ret_top += best == label && isfinite(z[label * BATCH + i]);
            *ret_sure += z[label * BATCH + i] > 0.5; // false for what is not a number
        }
    }
    free(x);
}

regression_accuracy
regression_measure(const mnist *data, const regression_draws *draws, const double *w, size_t stride)
{
    size_t sure, top;
    regression_accuracy a;
    count_right(data, draws->order, draws->train, w, stride, &sure, &top);
    a.train_sure = 100 * (double)sure / (double)draws->train;
    a.train_top = 100 * (double)top / (double)draws->train;
    count_right(data, draws->order + draws->train, draws->test, w, stride, &sure, &top);
    a.test_sure = 100 * (double)sure / (double)draws->test;
    a.test_top = 100 * (double)top / (double)draws->test;
    return a;
}

/* ---- the coded iteration --------------------------------------------------------------------- */

/* One of the models that learn side by side. */
typedef struct model {
    double *w;           // [CLASSES, m feature_part]
    size_t pattern[2];   // of the next iteration's two products
    bool draws_patterns; // or loses the worst always
    kofn_rng rng;
} model;

enum { WORST, RANDOM, MODELS };

typedef struct learner {
    const scheme *scheme;
    model models[MODELS];
    size_t count; // 1: the scheme has one pattern, and a random one is the worst
    double seconds;
} learner;

/* Sizes, and memory for one iteration. Names as in regression.h; a `part` is a size over m. */
typedef struct run {
    const regression_params *p;
    size_t m, features, feature_part, sample_part;
    double *by_feature;    // [m][feature_part, BATCH]: X
    double *by_sample;     // [m][sample_part, features]: X^T
    double *coded_feature; // [nodes], as by_feature
    double *coded_sample;  // [nodes], as by_sample
    double *block;         // [CLASSES, the larger part]: one task's coded block of W or H
    double *answer;        // [answers][CLASSES, the larger of BATCH and features]
    double *z, *h, *gradient;
} run;

enum { BLOCKS_MAX = 64 };

/* dst[o] := sum_i coef[o, i] src[i], rectangles of [rows, len]. */
static void
combine(const scheme *s, size_t outs, size_t ins, size_t rows, size_t len, const double *coef,
        const double *const *src, size_t src_stride, double *const *dst, size_t dst_stride)
{
    size_t strides[2][BLOCKS_MAX];
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        strides[0][i] = src_stride * sizeof(double);
        strides[1][i] = dst_stride * sizeof(double);
    }
    const kofn_combination c = {.outs = outs,
                                .ins = ins,
                                .rows = rows,
                                .len = len,
                                .coef = coef,
                                .src = (const void *const *)src,
                                .dst = (void *const *)dst,
                                .src_stride = strides[0],
                                .dst_stride = strides[1]};
    s->code->field->combine(s->code->field, &c);
}

/* Blocks of X for every task that one of the models needs: what the master sends in a real run. */
static void
encode_batch(const scheme *s, const double *blocks, size_t size, const bool *needed, double *coded)
{
    const double *src[BLOCKS_MAX];
    double *dst[BLOCKS_MAX];
    for (size_t k = 0; k < s->m; k++)
        src[k] = blocks + k * size;
    for (size_t i = 0; i < s->nodes; i++)
        dst[i] = needed[i] ? coded + i * size : NULL;
    combine(s, s->nodes, s->m, 1, size, s->code->e[1].at, src, 0, dst, 0);
}

/* to [CLASSES, cols] := the product as decoded from the answers of `pattern`: left [CLASSES, m
 * part] times an operand that is coded already, [nodes][part, cols]. */
static void
multiply(const run *r, const scheme *s, size_t pattern, const double *left, size_t part,
         const double *coded, size_t cols, double *to)
{
    const size_t *task = s->task + pattern * s->answers;
    const double *src[BLOCKS_MAX];
    for (size_t u = 0; u < s->answers; u++) {
        for (size_t k = 0; k < s->m; k++)
            src[k] = left + k * part;
        combine(s, 1, s->m, CLASSES, part, kofn_code_get_row(s->code, 0, task[u]), src, s->m * part,
                &(double *){r->block}, part);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, CLASSES, (int)cols, (int)part, 1,
                    r->block, (int)part, coded + task[u] * part * cols, (int)cols, 0,
                    r->answer + u * CLASSES * cols, (int)cols);
    }
    for (size_t u = 0; u < s->answers; u++)
        src[u] = r->answer + u * CLASSES * cols;
    combine(s, 1, s->answers, 1, CLASSES * cols, s->row + pattern * s->answers, src, 0, &to, 0);
}

/* X and X^T of the batch; the padding stays zero. X is written in whole cache lines: its columns
 * are a power of two apart and would throw each other out of the cache. */
static void
gather(const run *r, const uint32_t *sample)
{
    enum { LINE = 8 };
    static_assert(BATCH % LINE == 0, "samples come in whole lines");
    for (size_t i = 0; i < BATCH; i++) {
        const float *from = r->p->data->image + sample[i] * r->features;
        for (size_t k = 0; k < r->features; k++)
            r->by_sample[i * r->features + k] = from[k];
    }
    for (size_t i = 0; i < BATCH; i += LINE) {
        const double *from = r->by_sample + i * r->features;
        for (size_t k = 0; k < r->features; k++) {
            for (size_t j = 0; j < LINE; j++)
                r->by_feature[k * BATCH + i + j] = from[j * r->features + k];
        }
    }
}

static void
descend(const run *r, const scheme *s, const model *learning, const uint32_t *sample)
{
    const size_t h_stride = r->m * r->sample_part, w_stride = r->m * r->feature_part;
    multiply(r, s, learning->pattern[0], learning->w, r->feature_part, r->coded_feature, BATCH,
             r->z);
    regression_residual(r->p->data, sample, r->z, r->h, BATCH, h_stride);
    multiply(r, s, learning->pattern[1], r->h, r->sample_part, r->coded_sample, r->features,
             r->gradient);
    for (size_t c = 0; c < CLASSES; c++)
        cblas_daxpy((int)r->features, -r->p->rate, r->gradient + c * r->features, 1,
                    learning->w + c * w_stride, 1);
}

static void
iterate(const run *r, learner *l, const uint32_t *sample)
{
    const double start = bench_now();
    const scheme *s = l->scheme;
    bool needed[2][BLOCKS_MAX] = {{false}};
    for (size_t i = 0; i < l->count; i++) {
        model *learning = &l->models[i];
        for (size_t k = 0; k < 2; k++) {
            if (learning->draws_patterns)
                learning->pattern[k] = (size_t)kofn_rng_below(&learning->rng, s->patterns);
            for (size_t u = 0; u < s->answers; u++)
                needed[k][s->task[learning->pattern[k] * s->answers + u]] = true;
        }
    }
    encode_batch(s, r->by_feature, r->feature_part * BATCH, needed[0], r->coded_feature);
    encode_batch(s, r->by_sample, r->sample_part * r->features, needed[1], r->coded_sample);
    for (size_t i = 0; i < l->count; i++)
        descend(r, s, &l->models[i], sample);
    l->seconds += bench_now() - start;
}

static run
run_new(const regression_params *p)
{
    const size_t m = p->scheme[0]->m, features = p->data->features;
    const size_t feature_part = (features + m - 1) / m, sample_part = (BATCH + m - 1) / m;
    const size_t widest = features > BATCH ? features : BATCH;
    const size_t a = feature_part * BATCH, b = sample_part * features;
    size_t nodes = 0;
    for (size_t i = 0; i < p->schemes; i++) {
        nodes = p->scheme[i]->nodes > nodes ? p->scheme[i]->nodes : nodes;
        if (p->scheme[i]->m != m || nodes > BLOCKS_MAX || m > BLOCKS_MAX)
            bench_die("m=%zu, P=%zu: schemes of one m, and at most %d of each", m, nodes,
                      BLOCKS_MAX);
    }
    return (run){
        .p = p,
        .m = m,
        .features = features,
        .feature_part = feature_part,
        .sample_part = sample_part,
        .by_feature = bench_alloc(m * a * sizeof(double)),
        .by_sample = bench_alloc(m * b * sizeof(double)),
        .coded_feature = bench_alloc(nodes * a * sizeof(double)),
        .coded_sample = bench_alloc(nodes * b * sizeof(double)),
        .block = bench_alloc(CLASSES * (feature_part + sample_part) * sizeof(double)),
        .answer = bench_alloc(nodes * CLASSES * widest * sizeof(double)),
        .z = bench_alloc(CLASSES * BATCH * sizeof(double)),
        .h = bench_alloc(CLASSES * m * sample_part * sizeof(double)),
        .gradient = bench_alloc(CLASSES * features * sizeof(double)),
    };
}

static void
run_fini(run *r)
{
    double *all[] = {
        r->by_feature, r->by_sample, r->coded_feature, r->coded_sample, r->block, r->answer,
        r->z,          r->h,         r->gradient};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void
learner_init(learner *l, const run *r, const scheme *s)
{
    *l = (learner){.scheme = s, .count = s->patterns > 1 ? 2 : 1};
    for (size_t i = 0; i < l->count; i++) {
        l->models[i] = (model){.w = bench_alloc(CLASSES * r->m * r->feature_part * sizeof(double)),
                               .pattern = {s->worst, s->worst},
                               .draws_patterns = i == RANDOM};
        regression_draw_weights(r->p, l->models[i].w, r->m * r->feature_part);
        init_stream(r->p, STREAM_PATTERNS, &l->models[i].rng);
    }
}

static regression_result
learner_finish(learner *l, const run *r, const regression_draws *draws)
{
    const size_t stride = r->m * r->feature_part;
    regression_result result = {.seconds = l->seconds};
    result.worst = regression_measure(r->p->data, draws, l->models[WORST].w, stride);
    result.random = l->count == 1
                        ? result.worst
                        : regression_measure(r->p->data, draws, l->models[RANDOM].w, stride);
    for (size_t i = 0; i < l->count; i++)
        free(l->models[i].w);
    return result;
}

void
regression_run(const regression_params *p, regression_result *ret_results)
{
    const double start = bench_now();
    regression_draws draws = regression_draws_new(p);
    run r = run_new(p);
    learner *learners = bench_alloc(p->schemes * sizeof *learners);
    for (size_t i = 0; i < p->schemes; i++)
        learner_init(&learners[i], &r, p->scheme[i]);

    uint32_t sample[BATCH];
    for (size_t t = 0; t < p->iterations; t++) {
        regression_draw_batch(&draws, sample);
        gather(&r, sample);
        for (size_t i = 0; i < p->schemes; i++)
            iterate(&r, &learners[i], sample);
    }

    double shared = bench_now() - start;
    for (size_t i = 0; i < p->schemes; i++)
        shared -= learners[i].seconds;
    for (size_t i = 0; i < p->schemes; i++) {
        ret_results[i] = learner_finish(&learners[i], &r, &draws);
        ret_results[i].seconds += shared / (double)p->schemes;
    }
    free(learners);
    run_fini(&r);
    regression_draws_fini(&draws);
}
