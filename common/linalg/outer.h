/* Kronecker products: C := A_1 (x) A_2 (x) ... (x) A_l, every element of one factor times every
 * element of the others. A product that can be given up.
 *
 * Shapes     A_i [m_i, n_i] after transposition, C [m_1 ... m_l, n_1 ... n_l]. With rows i_1, ...,
 *            i_l and columns j_1, ..., j_l counted like digits, the last one fastest:
 *                C[(i_1 ... i_l), (j_1 ... j_l)] = A_1[i_1, j_1] ... A_l[i_l, j_l].
 * Accuracy   Exact in finite fields. In the reals l - 1 roundings of each element, a tree of
 *            products: at most (1 + epsilon)^(l - 1) - 1 relative. As IEEE has it for values that
 *            are not finite: zero times infinity is no number.
 * Cost       One multiplication an element, so memory is what it costs. Reals, of the speed of
 *            memset (bench_outer, C of 128 MiB): 1.3 to 2.2 where the right half of the product has
 *            rows of 1 KiB or more, which are written past the caches, or is a column; 0.6 with
 *            rows of half a KiB, 0.2 with rows of 32 bytes. gf256 0.45, prime fields 0.3: there it
 *            is arithmetic. Beside C there is room for the two halves, about two roots of it.
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_OUTER_H
#define KOFN_LINALG_OUTER_H

#include "common/linalg/field.h"

#include <stdatomic.h>

/* One element of the product takes a processor about as long as so many flops of a matrix product,
 * in f64: for those who compare tasks by their flops. */
#define KOFN_OUTER_FLOPS 32.0

typedef struct kofn_outer {
    size_t count;           // l, at least 2
    const kofn_mat *factor; // [l] as stored, wherever elements lie
    const bool *transpose;  // [l]: the factor is the transpose of what is stored; NULL: none is
    const atomic_bool *cancelled; // NULL: cannot be given up
} kofn_outer;

/* Shape of the product. INVALID_ARGUMENT: dtypes differ. OUT_OF_RANGE: larger than any memory. */
KOFN_MUST_CHECK kofn_status kofn_outer_shape(const kofn_outer *p, size_t *ret_rows,
                                             size_t *ret_cols, kofn_error *err);

/* Bytes that making it takes beside the factors and the product, at most. Of a product whose shape
 * is known to fit. */
size_t kofn_outer_count_room(const kofn_outer *p);

/* c is complete, of the product's shape and f's dtype; its elements are written, and overlap no
 * factor. CANCELLED: the flag was seen, c's elements are undefined. INVALID_ARGUMENT: shapes or
 * dtypes; a number that is none of the finite field. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_outer_multiply(const kofn_field *f, const kofn_outer *p,
                                                const kofn_bands *c, kofn_error *err);

#endif
