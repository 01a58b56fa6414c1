/* G in fewer columns: of a batch of many blocks, those that matter and random mixtures of others.
 *
 *     G [n, d_A d_B]    ::::|##################     k pairs of blocks of their own have k products
 *                        |           |              in k^2 columns: those of targets and of plain
 *     kept, mixed       ::::|~~~~~                  tasks stay, the others are mixed into a few more
 *                                                   columns than there are tasks
 *
 * Method     D G = T when D gives the columns that targets have, and zero in all the others. The
 *            latter is asked of their products with a random matrix instead: column m of it is (u_m
 *            (x) v_m) for random u_m and v_m, so that row i of G has (E_A[i] u_m)(E_B[i] v_m)
 *            there, less what is kept. A combination that is not zero is taken for zero with
 *            probability 0 in the reals, and in finite fields, where there are as many mixtures as
 *            that takes, with 2^-40 at most for all combinations together.
 * Accuracy   n / 4 and more mixtures than rows keep lengths within a factor of about 10, so
 *            conditions are right to that. Bounds on errors (residual.h) look at E itself.
 * Cost       c (d_A + d_B + kept) mixed multiplications once, c tasks being no products that are
 *            kept; those of zeros are not made, the others as matrix products, in 30 MiB of room.
 *            2^36 at most. 1000 pairs without a relation, n = 2100 (lagrange): 1.9 s with f64, 2.4
 *            s with gfp:65537, a fifth and an eighth of what multiples added one by one take.
 *            Decoding then costs what a code of about 4 k columns costs: all answers taken and a
 *            plan made of them, 25 ms for k = 80 instead of 1.7 s, 370 ms for k = 160 (lagrange,
 *            one core).
 * Threads    Immutable once filled: any thread.
 */
#ifndef KOFN_CODE_COLUMNS_H
#define KOFN_CODE_COLUMNS_H

#include "common/code/code.h"

typedef struct kofn_columns_size {
    size_t kept, mixed; // mixed 0: each product has its own column
} kofn_columns_size;

typedef struct kofn_columns {
    kofn_columns_size size;
    size_t *product; // [kept] a (blocks of B) + b of each, ascending
    double *mix;     // [tasks, mixed]
    bool filled;
} kofn_columns;

/* What a code of this batch with so many tasks has: mixtures where they are few enough to be worth
 * it, and fit the limits of a code. `kept` may be more than are there, of pairs that are sums of
 * the same products. */
kofn_columns_size kofn_columns_choose(const kofn_batch *batch, const kofn_field *field,
                                      size_t tasks);

/* For codes of this batch with so many tasks, whose T is in terms of products; from then on it is
 * in terms of columns. *ret_columns is NULL where there are no mixtures. Ownership:
 * kofn_columns_destroy. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_columns_new(const kofn_batch *batch, const kofn_field *field,
                                             size_t tasks, kofn_sums *targets,
                                             kofn_columns **ret_columns, kofn_error *err);
void kofn_columns_destroy(kofn_columns **columns_p); // accepts NULL

/* Of a code whose E is filled, before it is sealed; nothing where it has no such columns. `from`
 * may be a code of the same batch, size and seed whose rows, but for blank ones, are the same:
 * their mixtures are copied. NULL: all are made. OUT_OF_RANGE: it would take too long.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_columns_fill(kofn_code *code, const kofn_code *from,
                                              kofn_error *err);

/* Where that product is kept, or SIZE_MAX. */
size_t kofn_columns_find(const kofn_columns *columns, size_t product);

#endif
