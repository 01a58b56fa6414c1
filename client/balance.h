/* Blocks of unlike size, brought to one.
 *
 *     X_i Y_i = 2^weight (2^shift X_i) (2^shift' Y_i)
 *
 * A task's answer is a mixture of all products, and rounded like the largest of them: of one that
 * is 10^16 times smaller nothing would be left. So each block travels multiplied by the power of
 * two that brings it to the size of all others, and each product is made back into its own by its
 * weight: exact, both of them. That size is the root of the largest product's, so that no weight is
 * above 1.
 *
 *     |A_a| ~ 2^e_a    |B_b| ~ 2^e_b    2g = max (e_a + e_b) over the pairs, or one more
 *
 *     shift of A_a: g - e_a    of B_b: g - e_b    weight of the pair: e_a + e_b - 2g
 *
 * Threads    Values: any thread.
 */
#ifndef KOFN_CLIENT_BALANCE_H
#define KOFN_CLIENT_BALANCE_H

#include "common/linalg/field.h"
#include "common/linalg/mat.h"

typedef struct kofn_balance_pairs {
    size_t count;          // pairs
    const size_t *pair;    // [count]: what a caller calls them
    const size_t *side[2]; // [count]: which block of that operand
    size_t blocks[2];
    const double *norm[2]; // [blocks]: finite, or INFINITY where it overflows
    kofn_dtype dtype;
} kofn_balance_pairs;

/* Powers of two, of blocks and of pairs. All are 0 where blocks of each operand are of about one
 * size as they are: norms within 2^LIKE. OUT_OF_RANGE: a product is so much smaller than another
 * that no weight says it. */
KOFN_MUST_CHECK kofn_status kofn_balance(const kofn_balance_pairs *of, int *ret_shift[2],
                                         int *ret_weight, kofn_error *err);

/* into := 2^shift from, of one shape; room [cols]. */
void kofn_balance_scale(const kofn_field *field, const kofn_mat *from, int shift,
                        const kofn_mat *into, double *room);

#endif
