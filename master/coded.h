/* Coded blocks of stored operands, kept so that a second product does not make them again.
 *
 * What a coded block is depends on the operand, on how it is cut as it is stored, and on a row of
 * coefficients; not on which code they belong to, which task asks, or whether the product takes the
 * operand or its transpose. That is the key:
 *
 *     op(operand) cut 2 x 3, e = (e00 e01 e02 e10 e11 e12)     used as it is stored: the same
 *
 *     used transposed: stored cut 3 x 2, (e00 e10 e01 e11 e02 e12)
 *
 * so the blocks of A made for A B serve A^T C when C's code has the same coefficients, and those of
 * one family serve another.
 *
 * Budget     Bytes of elements and of keys over all operands together. What was used least recently
 *            goes first, but never for a block of the job that used it last: one pass over more
 *            blocks than fit would else push out each block just before its next use.
 * Accuracy   A block is found if its coefficients are equal byte for byte. For an operand cut in
 *            both directions and used transposed the sum was made in another order: rounding.
 * Cost       find and keep: O(coefficients). No elements are touched.
 * Threads    One thread at a time.
 */
#ifndef KOFN_MASTER_CODED_H
#define KOFN_MASTER_CODED_H

#include "common/linalg/partition.h"

#include <sys/queue.h>

typedef struct kofn_coded kofn_coded;
typedef struct kofn_coded_entry kofn_coded_entry;

/* The kept blocks of one operand. Its holder's; empty when initialised, cleared before it goes. */
typedef struct kofn_coded_set {
    uint64_t number; // of the operand: never used twice
    TAILQ_HEAD(, kofn_coded_entry) entries;
    size_t count, bytes;
} kofn_coded_set;

/* A row of E for op(operand), whose blocks `grid` counts row by row. */
typedef struct kofn_coded_key {
    const kofn_field *field;
    kofn_grid grid;     // of op(operand)
    bool transposed;    // op(operand) is the transpose of what is stored
    const double *coef; // [grid.rows grid.cols]
} kofn_coded_key;

KOFN_MUST_CHECK kofn_status kofn_coded_new(kofn_coded **ret_coded, kofn_error *err);
void kofn_coded_destroy(kofn_coded **coded_p); // after the sets were cleared

void kofn_coded_set_init(kofn_coded_set *set, uint64_t number);
void kofn_coded_clear(kofn_coded *coded, kofn_coded_set *set);

/* The block, or NULL; valid until the next call of another function. *ret_others: some other job
 * than `job`, which is now its latest user, made it. */
const kofn_bands *kofn_coded_find(kofn_coded *coded, const kofn_coded_set *set,
                                  const kofn_coded_key *key, uint64_t job, bool *ret_others);

/* Keep a block that `job` made (refs, no elements), within a budget of `limit` bytes. It may well
 * not be kept: nothing depends on it. */
void kofn_coded_keep(kofn_coded *coded, kofn_coded_set *set, const kofn_coded_key *key,
                     uint64_t job, const kofn_bands *block, size_t limit);

/* Let go of what was used least recently until at most `limit` bytes are left. */
void kofn_coded_shrink(kofn_coded *coded, size_t limit);

size_t kofn_coded_get_bytes(const kofn_coded *coded);

#endif
