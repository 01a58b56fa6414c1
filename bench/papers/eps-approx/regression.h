/* Softmax regression whose two products an iteration are coded: Z = W X and H X^T.
 *
 *     W [10, d]  cut into m column blocks   X [d, batch]  into m row blocks       (features)
 *     H [10, b]  cut into m column blocks   X^T [b, d]    into m row blocks       (samples)
 *
 * Every task's product is computed on its coded blocks and the answers are decoded, so that
 * rounding is that of a real run. Schemes that cut alike learn side by side from the same batches,
 * and each has two models, which share the coding of X: one loses the worst pattern in every
 * product, one a pattern drawn for each product.
 *
 * Threads    One call, one thread.
 */
#ifndef KOFN_BENCH_EPS_REGRESSION_H
#define KOFN_BENCH_EPS_REGRESSION_H

#include "bench/papers/eps-approx/mnist.h"
#include "bench/papers/eps-approx/scheme.h"

enum { REGRESSION_BATCH = 128, REGRESSION_FOLDS = 10 };

typedef struct regression_params {
    const mnist *data;
    size_t schemes;
    const scheme *const *scheme; // [schemes], of one m
    uint64_t seed;
    size_t fold; // below REGRESSION_FOLDS
    size_t iterations;
    double rate;
} regression_params;

/* In percent. `sure`: right with a probability above one half, which is what the authors' program
 * counts; `top`: the right class has the largest probability. */
typedef struct regression_accuracy {
    double train_sure, test_sure, train_top, test_top;
} regression_accuracy;

typedef struct regression_result { // of one scheme
    regression_accuracy worst, random;
    double seconds; // of both models; what schemes share counts for each in equal parts
} regression_result;

void regression_run(const regression_params *p, regression_result *ret_results);

/* The draws behind a fold, the same for every scheme: which samples are left out, W at the start,
 * and the generator of batches. Used by regression_run and by the run on a cluster. */
typedef struct regression_draws {
    size_t train, test; // samples in each
    uint32_t *order;    // [train + test]: training samples first
    kofn_rng batches;
} regression_draws;

regression_draws regression_draws_new(const regression_params *p);
void regression_draws_fini(regression_draws *draws);
void regression_draw_weights(const regression_params *p, double *ret_w, size_t stride);
void regression_draw_batch(regression_draws *draws, uint32_t ret_sample[REGRESSION_BATCH]);

/* h [10, stride] := softmax(z) - y by columns; stride of both. z is overwritten. */
void regression_residual(const mnist *data, const uint32_t *sample, double *z, double *ret_h,
                         size_t z_stride, size_t h_stride);

regression_accuracy regression_measure(const mnist *data, const regression_draws *draws,
                                       const double *w, size_t stride);

#endif
