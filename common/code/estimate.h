/* Estimates: plans from answers that do not suffice.
 *
 * Source     Jeong and others, "epsilon-approximate coded matrix multiplication": fewer answers
 *            than the threshold give the product up to an error that small evaluation points make
 *            small, until rounding takes over. Interpolation is the paper's decoder. Balanced is
 *            ours, and for any code: it weighs what is missed against rounding,
 *
 *                minimise  |D G_R - T|_F^2 + sum_u (delta |g_u| |D_u|)^2
 *
 *            over D, with plain answers free of charge: so their columns are met exactly, blocks
 *            that they give are copies, and coded answers serve the unknown columns only. More
 *            answers never make the minimum larger. delta is the rounding to expect, and not the
 *            strict `noise`: that would give up truncation, which is what it is bounded by, for
 *            rounding, which is not.
 * Method     Columns of G that agree within the noise over all answers (those of one power of the
 *            point) become one, as many times as heavy, with the mean of their targets: the same
 *            minimum. A z-part matdot has z^2 columns and 2 z - 1 different ones. Then ridge.h.
 * Accuracy   The bound is computed from D itself, whatever made it (decode_plan.h, residual.h).
 * Cost       For k coded answers, c unknown columns of which g are different, and t open targets:
 *            2 (g + k) k^2 + 4 t (g + k) k flops to solve, 2 t c k for the bound, and c k for the
 *            columns. Interpolation: 3 k^3, and the bound. On one core of an AMD EPYC: 0.6 ms for
 *            20 answers of a MatDot code with 20 blocks, 50 ms for 100 of 100, 12 ms for 399
 *            answers of a systematic code with 20 x 20 blocks, 40 of them coded.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_ESTIMATE_H
#define KOFN_CODE_ESTIMATE_H

#include "common/code/decode_plan.h"
#include "common/code/peel.h"

typedef struct kofn_estimate_input {
    const kofn_target_index *index; // of the code
    const size_t *tasks;            // answers, at least one
    size_t count;
    double noise; // of an answer, above 0
} kofn_estimate_input;

/* The weight of rounding: root of noise times epsilon, as errors of n terms grow like the root of
 * n, but at least 8 units of the doubles in which D is computed. */
double kofn_estimate_delta(const kofn_field *field, double noise);

/* RESOURCE_EXHAUSTED: no memory, or more than KOFN_CODE_BYTES_MAX of coefficients. */
KOFN_MUST_CHECK kofn_status kofn_estimate_balanced(const kofn_estimate_input *in,
                                                   kofn_decode_plan *ret_plan, kofn_error *err);

/* FAILED_PRECONDITION: the code has no points, or they are so close or small that coefficients
 * overflow. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_estimate_interpolated(const kofn_estimate_input *in,
                                                       kofn_decode_plan *ret_plan, kofn_error *err);

#endif
