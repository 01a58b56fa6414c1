/* Terms: the products that a group of a batch's pairs is coded as. They are its pairs; or, where
 * these count in one sum only, what is left of it when sides that come up twice were factored out:
 * X_1 Y_1 + X_1 Y_2 is the single product X_1 (Y_1 + Y_2).
 *
 * Shapes     side[0] [terms, blocks of A], side[1] [terms, blocks of B]. Of a sum there may be
 *            none.
 * Cost       Of a sum O(rounds x terms x (terms + blocks)), rounds of which each factors something
 *            out.
 * Threads    Any thread; a value.
 */
#ifndef KOFN_CODE_TERMS_H
#define KOFN_CODE_TERMS_H

#include "common/code/batch.h"

typedef struct kofn_terms {
    kofn_sums side[2]; // own their memory
    size_t steps;      // that it took to factor them
} kofn_terms;

typedef struct kofn_terms_params {
    const kofn_batch *batch;
    const kofn_field *field;
    const size_t *pair;
    const double *factor; // [count] of a sum; NULL: these pairs, each by itself
    size_t count;
} kofn_terms_params;

/* RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_terms_init(kofn_terms *terms, const kofn_terms_params *params,
                                            kofn_error *err);
void kofn_terms_fini(kofn_terms *terms); // accepts zeroed ones

#endif
