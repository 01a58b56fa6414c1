/* Decode plans: which answers make which output blocks, and what is known of the error.
 *
 *     C'_t := sum_u coef[t, u] answer[task[u]]
 *
 * Accuracy   |C' - C|_F <= (truncation + rounding) |A|_F |B|_F, barring overflow and underflow.
 *
 *            truncation   what the answers do not tell. C'_t - C_t is sum_ab R_t[a,b] A_a B_b with
 *                         R_t row t of D G - T as a matrix [blocks of A, blocks of B], which needs
 *                         no norm of a block: its norm is at most sigma_max(R_t) |A| |B|. Over all
 *                         targets the R_t are stacked (residual.h), which is less than the root of
 *                         the sum of squares.
 *            Of a code with scales (code.h) both are told before C_t is multiplied by its scale:
 *            then |C'_t - C_t| is at most scale[t] times so much, for each t.
 *
 *            rounding     sum_u |D[t,u]| |e_A,u| |e_B,u| times `noise`, the answers' relative
 *                         rounding (coding.h), and that of the sum and of D itself. Over targets:
 *                         the root of the sum of squares.
 * Threads    Values: any thread.
 */
#ifndef KOFN_CODE_DECODE_PLAN_H
#define KOFN_CODE_DECODE_PLAN_H

#include "common/code/code.h"
#include "common/linalg/span.h"

typedef struct kofn_decode_plan {
    size_t targets, used;
    size_t *task; // [used], in the order in which they were added
    double *coef; // [targets, used], row-major
    kofn_span_quality quality;
    bool estimate;     // not every target was in the span of the answers
    double truncation; // relative to |A|_F |B|_F; 0 unless it is an estimate
    double rounding;   // likewise; 0 in exact fields
} kofn_decode_plan;

/* Zeros, with room for `count` answers. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_decode_plan_init(kofn_decode_plan *plan, size_t targets,
                                                  size_t count, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_decode_plan_copy(const kofn_decode_plan *from,
                                                  kofn_decode_plan *ret_plan, kofn_error *err);
void kofn_decode_plan_fini(kofn_decode_plan *plan);

/* Coefficients for all of tasks[count] are in place: keep the answers that some target needs. */
void kofn_decode_plan_fill_tasks(kofn_decode_plan *plan, const size_t *tasks, size_t count);

/* |e_A,u| |e_B,u|, the norm of row `task` of G. */
double kofn_code_row_norm(const kofn_code *code, size_t task);

/* quality.amplification. Real fields. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_decode_plan_amplify(kofn_decode_plan *plan, const kofn_code *code,
                                                     kofn_error *err);

/* `rounding`, to which `inexact` comes on top: what is known of D G - T beyond rounding of its own
 * terms, relative to |A| |B|. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_decode_plan_round(kofn_decode_plan *plan, const kofn_code *code,
                                                   double noise, double inexact, kofn_error *err);

/* The answers may be wrong by `doubt` more than the noise that `rounding` counts, of |e_A,u|
 * |e_B,u|: then that is more as well. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_decode_plan_doubt(kofn_decode_plan *plan, const kofn_code *code,
                                                   double doubt, kofn_error *err);

#endif
