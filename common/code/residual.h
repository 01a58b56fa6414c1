/* How far D G is from T, as a bound on the product's error that needs no norm of a block.
 *
 *     C'_t - C_t = sum_ab R_t[a,b] A_a B_b,   R_t = E_A^T diag(D_t) E_B - T_t  [A blocks, B blocks]
 *
 * With A's blocks side by side and B's on top of each other, that is A (R_t x I) B. Stacked over
 * the targets it has a norm of at most sigma_max([R_1; R_2; ...]) |A|_F |B|_F, and likewise with
 * the R_t side by side; the smaller is taken. Both are at most the root of the sum of squares of
 * sigma_max(R_t), and with x by y blocks lost altogether they say root of min(x, y), not of x y.
 *
 * Outer products are taken for those of their first operand with the outer product of the others: b
 * counts pieces of that, whose norm is the product of the norms.
 *
 * Cost       2 targets columns tasks flops for the products, targets columns (A blocks + B blocks)
 *            for their Gram matrices, whose largest eigenvalue is safe from squaring.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_RESIDUAL_H
#define KOFN_CODE_RESIDUAL_H

#include "common/code/code.h"

typedef struct kofn_residual {
    const kofn_code *code;
    size_t tasks, targets;
    const size_t *task;   // [tasks]
    const size_t *target; // [targets]; the others have no residual
    const double *coef;   // D [targets, tasks], row-major
    const size_t *giver;  // [columns]: KOFN_NO_TASK where R counts; others are met exactly. NULL:
                          // all count
} kofn_residual;

typedef struct kofn_residual_size {
    double bound;     // |C' - C|_F <= bound |A|_F |B|_F; INFINITY: it overflows
    double frobenius; // |D G - T|_F; INFINITY likewise
} kofn_residual_size;

/* RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_residual_measure(const kofn_residual *residual,
                                                  kofn_residual_size *ret_size, kofn_error *err);

#endif
