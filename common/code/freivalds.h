/* Freivalds' check: is an answer the product that was asked for? In one pass over the answer.
 *
 *     S^T C~ R = sum_a,b E_A[i, a] E_B[i, b] (S^T A_a) (B_b R)
 *
 * The halves S^T A_a and B_b R are made once, in one pass over the operands, for all tasks: so what
 * a coded answer must be is known without its coded operands.
 *
 * Source     Freivalds 1977, on both sides (projection.h); that the check is bilinear in the code's
 *            rows, ours.
 * Shapes     A and B as kofn_coding has them: banded, stored transposed or not, padded by the grid.
 *            Batches are codes like others. Not outer products (FAILED_PRECONDITION): there S^T C~
 *            R factorises only for S and R that are outer products themselves, whose guarantees are
 *            others; parity (liars.h) takes them.
 * Accuracy   A wrong answer passes with a probability of at most 2^-40 in finite fields. In the
 *            reals that holds for what is wrong by more than
 *                kofn_freivalds_get_noise() |e_A| |e_B| |A|_F |B|_F
 *            with e_A, e_B the task's rows. A right answer, computed with any order of sums, is
 *            refused with a probability below 2^-60: the tolerance is the worst case of its
 *            rounding, GROW times (projection.h). It cannot be less: of short sums honest rounding
 *            was seen to project to 0.18 of it, and no law of square roots holds for long ones
 *            (60,000 times 0.1 * 0.1 in f32 is off by an eighth of the worst case, by thirty times
 *            what random rounding is).
 *
 *            What did pass is known better: the sums tell how wrong an answer is, not only that it
 *            is not too wrong. Whoever computed it, it is off by no more than `wrong` of its look,
 *            with the same probability. So there are two bounds: what can pass, and what is told of
 *            one that passed. Of 100 x k times k x 100, over |A| |B| (bench_verify; honest ones are
 *            OpenBLAS's, of elements in [0, 1]; kernels differ by a factor of 2):
 *
 *                    k    f64: passes   of an honest one    f32: passes   of an honest one
 *                  100        4.8e-11        2.3e-11             1.0e-3        1.9e-6
 *                 1000        6.5e-11        2.3e-11             0.010         2.3e-6
 *                10000        2.4e-10        2.6e-11             0.10          1.3e-6
 *            Independent random operands have |A B| of |A| |B| / sqrt(k) only.
 * Infinities An answer is as good as its operands: where a block that a task takes holds NaN or
 *            infinities, or the product may overflow, any answer is what an honest worker may have
 *            computed, and the check says so (UNKNOWN).
 * Cost       Of memcpy of the answer (bench_verify, 2048 x 2048 operands in four): a check 1.3 to
 *            1.9 in f64, 3.5 to 5.9 in f32, 2.4 in GF(2^31 - 1), 5 to 9 in GF(2^8). What is made of
 *            the operands, of memcpy of those: 2.5, 6, 2.5, 19. Of a sparse operand: one pass over
 *            what it stores, l multiplications for each element.
 * Threads    Const once made: any thread.
 */
#ifndef KOFN_CODE_FREIVALDS_H
#define KOFN_CODE_FREIVALDS_H

#include "common/code/coding.h"

typedef struct kofn_freivalds kofn_freivalds;

typedef enum kofn_finding {
    KOFN_FINDING_RIGHT,
    KOFN_FINDING_WRONG,
    KOFN_FINDING_UNKNOWN, // nothing can be said: operands that are not finite, or overflow
} kofn_finding;

typedef struct kofn_freivalds_operand { // as it is stored
    const kofn_bands *dense;
    const kofn_csr *csr; // checked; NULL: it is dense
} kofn_freivalds_operand;

/* Secrets and halves for this job. The operands are not needed any more afterwards; coding's code
 * is ref'd. FAILED_PRECONDITION: an outer product. INVALID_ARGUMENT: shape or dtype of an operand.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_freivalds_new(const kofn_coding *coding,
                                               const kofn_freivalds_operand operands[2],
                                               kofn_freivalds **ret_freivalds, kofn_error *err);

/* What it takes of memory, about; while it is made of sparse operands, three times that at most. */
size_t kofn_freivalds_count_bytes(const kofn_coding *coding);

/* What a check goes through beside the answer, at most: the halves of all blocks. */
size_t kofn_freivalds_count_check_bytes(const kofn_freivalds *f);
void kofn_freivalds_destroy(kofn_freivalds **freivalds_p); // accepts NULL

typedef struct kofn_freivalds_look {
    kofn_finding finding;
    double off;   // |X' - X|_F over the tolerance, more than 1 of what is wrong; in finite fields
                  // how many of the l^2 sums are wrong
    double wrong; // of what is right: |C' - C~|_F is at most so much of |e_A| |e_B| |A|_F |B|_F,
                  // rounding included, barring underflow; no more than kofn_freivalds_get_noise().
                  // 0 in finite fields; INFINITY where nothing is known
} kofn_freivalds_look;

/* `code`: that of the job, or one of the same cuts whose rows were made since. INVALID_ARGUMENT:
 * shape or dtype of the answer. RESOURCE_EXHAUSTED: no memory, so nothing is known. */
KOFN_MUST_CHECK kofn_status kofn_freivalds_check(const kofn_freivalds *f, const kofn_code *code,
                                                 size_t task, const kofn_bands *answer,
                                                 kofn_freivalds_look *ret_look, kofn_error *err);

/* See Accuracy: at least kofn_coding_get_noise(); INFINITY where nothing is excluded, 0 in finite
 * fields. */
double kofn_freivalds_get_noise(const kofn_coding *coding);

#endif
