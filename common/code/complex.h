/* Complex products as batches of real ones.
 *
 * A and B are sent as planes, real parts stacked on imaginary parts (as stored, so that those of a
 * transpose are side by side), and C comes back as planes:
 *
 *     3m      P = Re A Re B,  Q = Im A Im B,  R = (Re A + Im A) (Re B + Im B)
 *             Re C = P - Q,   Im C = R - P - Q
 *     4m      Re C = Re A Re B - Im A Im B,   Im C = Re A Im B + Im A Re B
 *     plain   [Re C; Im C] = [[Re A, -Im A], [Im A, Re A]] [Re B; Im B], no batch: any code
 *
 * The three pairs of 3m depend on each other in both coordinates, so `locality` loses any s of 3 +
 * s tasks, where three pairs without a relation take 5 + s (`lagrange`). With a partition each
 * product of blocks has its own three, or four.
 *
 * Source     Higham, "Stability of a Method for Multiplying Complex Matrices with Three Real Matrix
 *            Multiplications", SIAM J. Matrix Anal. Appl. 13, 1992; that its pairs are coded by
 *            their dependence: Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded
 *            Computing".
 * Shapes     Partition x, z, y of the complex product, m x k by k x n. Planes have blocks of one
 *            shape, so m, k and n are first padded with zeros to multiples of x, z and y.
 * Accuracy   Products that come as they are: 4m and plain are as exact as zgemm, element by
 *            element, |C' - C| <= (k + 2) u |A||B|. 3m keeps to such a bound in norm alone: its Im
 *            C is what is left of numbers as large as Re C, and has lost its digits where it is
 *            much smaller. Decoding multiplies this by the code's amplification, and mixes what it
 *            decodes: of 3m and plain the error is then relative to |A| |B|, of 4m each part of C
 *            has its own, Re C relative to |Re A| |Re B| + |Im A| |Im B|, Im C to |Re A| |Im B| +
 *            |Im A| |Re B|, since planes are sent equal in size (kofn_complex_balance).
 * Range      The sums of 3m may overflow where zgemm does not: elements of Re A + Im A are up to
 *            twice as large as those of the parts, those of R up to four times as what C is made
 *            of. C then holds Inf or NaN. 4m and plain make no such sums, but mixtures of blocks
 *            do, of any code.
 * Threads    Any thread; no state.
 */
#ifndef KOFN_CODE_COMPLEX_H
#define KOFN_CODE_COMPLEX_H

#include "common/code/batch.h"

typedef enum kofn_complex_method {
    KOFN_COMPLEX_3M,
    KOFN_COMPLEX_4M,
    KOFN_COMPLEX_PLAIN,
} kofn_complex_method;

const char *kofn_complex_method_name(kofn_complex_method method); // "3m"

/* NULL or "": 3m. INVALID_ARGUMENT: no such method, with those that are there. */
KOFN_MUST_CHECK kofn_status kofn_complex_method_parse(const char *name,
                                                      kofn_complex_method *ret_method,
                                                      kofn_error *err);

/* Can the family (NULL or "": open) code products by this method? INVALID_ARGUMENT: it makes no
 * batches, or nothing else. One that is not known is somebody else's to refuse. */
KOFN_MUST_CHECK kofn_status kofn_complex_check_family(kofn_complex_method method,
                                                      const char *family, kofn_error *err);

/* What the parts of matrices of the dtype are multiplied in. INVALID_ARGUMENT: another field was
 * named (NULL or "": none). */
KOFN_MUST_CHECK kofn_status kofn_complex_choose_field(const char *name, kofn_dtype dtype,
                                                      const kofn_field **ret_field,
                                                      kofn_error *err);

/* OUT_OF_RANGE: more parts, or fewer, than a batch has room for. */
KOFN_MUST_CHECK kofn_status kofn_complex_check_partition(kofn_complex_method method,
                                                         kofn_partition part, kofn_error *err);

/* Planes are sent 2^shift times as large as they are: of A and B, of real and imaginary parts. */
typedef struct kofn_complex_scale {
    int shift[2][2];
} kofn_complex_scale;

/* What makes the parts of an operand about equal where their norms are more than 2^6 apart, the
 * smaller one larger, by at most 2^120 (f32: 2^30). All zero by other methods than 4m: the sums of
 * 3m have parts in their own size, and so has plain. */
kofn_complex_scale kofn_complex_balance(kofn_complex_method method, const kofn_field *field,
                                        const double norm[2][2]);

/* The batch of 3m or 4m for planes of op(A) and op(B); transposed[i]: stored the other way round,
 * and then side by side. Its C is the planes of the product, whose weights undo the scale (NULL:
 * there is none). Errors as kofn_batch_new; OUT_OF_RANGE: too many parts. */
KOFN_MUST_CHECK kofn_status kofn_complex_batch_new(kofn_complex_method method, kofn_partition part,
                                                   const bool transposed[2],
                                                   const kofn_complex_scale *scale,
                                                   const kofn_field *field, kofn_batch **ret_batch,
                                                   kofn_error *err);

#endif
