/* A product that can be given up: C := op(A) op(B) in panels, with a look at a flag between them.
 *
 * The packaged OpenBLAS cannot be interrupted, so the product is cut into panels of at most
 * `panel_flops`, and the flag is read between two. Bands of C may have any height, and elements may
 * lie at any address.
 *
 * Cost       2 rows inner cols flops; at the default panel (about 20 ms on one core) the loss
 *            against one BLAS call is measured in bench/.
 * Threads    The caller's; OpenBLAS's own threads as set by kofn_blas_set_threads.
 */
#ifndef KOFN_LINALG_MULTIPLY_H
#define KOFN_LINALG_MULTIPLY_H

#include "common/linalg/field.h"

#include <stdatomic.h>

#define KOFN_PANEL_FLOPS_DEFAULT 1e9

typedef struct kofn_product {
    const kofn_mat *a, *b;         // as stored
    bool transpose_a, transpose_b; // op(A) := A^T, op(B) := B^T
    const atomic_bool *cancelled;  // NULL: cannot be given up
    double panel_flops;            // 0: the default
} kofn_product;

/* Shape of op(A) op(B). INVALID_ARGUMENT: inner sizes or dtypes differ. */
KOFN_MUST_CHECK kofn_status kofn_product_shape(const kofn_product *p, size_t *ret_rows,
                                               size_t *ret_cols, kofn_error *err);

/* c is complete, of the product's shape and f's dtype; its elements are written, and with inner
 * size 0 become zeros.
 * CANCELLED: the flag was seen, c's elements are undefined. INVALID_ARGUMENT: shapes or dtypes.
 * RESOURCE_EXHAUSTED: no memory for a panel aside, or to align an operand. */
KOFN_MUST_CHECK kofn_status kofn_multiply(const kofn_field *f, const kofn_product *p,
                                          const kofn_bands *c, kofn_error *err);

/* The whole process's BLAS threads, and the kernel that OpenBLAS chose ("Haswell"). */
void kofn_blas_set_threads(int threads);
const char *kofn_blas_kernel(void);

#endif
