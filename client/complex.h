/* Products of two complex matrices, made into products of real ones: planes that are sent in their
 * place, a batch of these (common/code/complex.h), and a word about it by which whoever fetches the
 * product knows what it is.
 *
 *     c128 A, B  --split-->  f64 planes  ~~job~~>  f64 planes of C  --kofn_complex_restore-->  c128 C
 *
 * Range      Operands are finite, so what is not so in C has overflowed on the way: the sums of 3m
 *            may, as common/code/complex.h has it, where 4m and plain do not. The account says
 *            `nonfinite`.
 * Memory     The planes are as large as the operands; calls hold them while they need them.
 * Threads    The client's.
 */
#ifndef KOFN_CLIENT_COMPLEX_H
#define KOFN_CLIENT_COMPLEX_H

#include "client/factors.h"

typedef struct kofn_complex {
    kofn_factors factors;  // what travels; borrows all below
    kofn_code_choice code; // what is to code it
    kofn_msg_compression compression;
    const kofn_field *field;
    kofn_batch *batch;   // NULL: it is none
    kofn_mat planes[2];  // in place of A and B
    kofn_matrix sent[2]; // the same
} kofn_complex;

/* Is one of them complex? */
bool kofn_complex_is_asked(const kofn_matrix *a, const kofn_matrix *b);

/* Does the cut depend on how many workers there are? Where it is left open, for complex operands
 * that are not small. */
bool kofn_complex_asks_workers(const kofn_matrix *a, const kofn_matrix *b,
                               const kofn_product_options *options);

/* What C := op(A) op(B) is sent as; elements are from the pool. `workers` (0: not known): what a
 * cut that is left open is for. INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED: what is wrong with
 * an operand, NaN and Inf with their place, or with the options. RESOURCE_EXHAUSTED. Ownership:
 * kofn_complex_fini, also on failure; *ret must not move, for it points into itself. */
KOFN_MUST_CHECK kofn_status kofn_complex_init(kofn_complex *ret, kofn_pool *pool,
                                              const kofn_matrix *a, const kofn_matrix *b,
                                              const kofn_product_options *options, size_t workers,
                                              kofn_error *err);
void kofn_complex_fini(kofn_complex *z); // accepts zeros

/* The complex product in place of the planes that came. DATA_LOSS: they are not what the
 * compression says. RESOURCE_EXHAUSTED: no memory; the planes are as they were. */
KOFN_MUST_CHECK kofn_status kofn_complex_restore(const kofn_msg_compression *compression,
                                                 kofn_pool *pool, kofn_bands *product,
                                                 kofn_error *err);

#endif
