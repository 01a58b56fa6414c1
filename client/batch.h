/* Pairs as a caller gives them, made into a batch: which blocks travel, and what each pair is of
 * them.
 *
 * A block that several pairs have in common travels once, wherever it lies in memory. One pass over
 * the elements finds such blocks by their CRC (equal ones are then compared), and NaN, Inf or what
 * is no number of the field on the way. A dependency that is declared is checked element by
 * element, which reads no more than a random projection would, and cannot miss anything.
 *
 * Where all products are wanted, blocks of unlike size are brought to one on the way (balance.h).
 * Pairs that are declared to depend on others would not be what was declared any more: then blocks
 * that differ by more than 2^UNLIKE_MAX are refused. A sum is one matrix, as exact as its largest
 * term, and its blocks travel as they are.
 *
 * Threads    The client's.
 */
#ifndef KOFN_CLIENT_BATCH_H
#define KOFN_CLIENT_BATCH_H

#include "client/factors.h"

typedef struct kofn_gathering {
    const kofn_field *field;
    kofn_batch *batch;
    size_t *blocks; // of both operands: which matrices travel
    kofn_matrix
        *scaled;      // instead, likewise, where blocks are brought to one size (balance.h); NULL
    kofn_mat made[2]; // elements of those that had another one
    kofn_factors factors; // borrows the above, and the caller's matrices
} kofn_gathering;

/* INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED: what is wrong, with the number of its pair.
 * RESOURCE_EXHAUSTED: no memory. `field` as in kofn_product_options. Elements that are made are
 * from the pool; NULL: none are, as nothing is to travel. */
KOFN_MUST_CHECK kofn_status kofn_gathering_init(kofn_gathering *gathering, const kofn_pairs *pairs,
                                                const char *field, kofn_pool *pool,
                                                kofn_error *err);
void kofn_gathering_fini(kofn_gathering *gathering);

#endif
