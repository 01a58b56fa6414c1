/* Sparse matrices as views: compressed sparse rows (CSR).
 *
 *     5 . . 2      first   0 2 2 4      row r has the elements first[r] <= i < first[r + 1]
 *     . . . .      column  0 3 0 2
 *     1 . 7 .      value   5 2 1 7
 *
 * What is not stored is zero; a stored zero is an element like others. A matrix in compressed
 * columns is the CSR of its transpose: a flag beside the view says so, as with dense ones.
 *
 * Shapes     first i64 [rows + 1, 1], column i32 or i64 [elements, 1], value [elements, 1] of any
 *            dtype; each without gaps. In a row columns ascend, and none is there twice.
 * Elements   At any address, as in mat.h.
 * Ownership  Each of the three has its own owner, or borrows.
 * Threads    Any thread: views are values.
 */
#ifndef KOFN_LINALG_CSR_H
#define KOFN_LINALG_CSR_H

#include "common/linalg/partition.h"

typedef struct kofn_csr {
    size_t rows, cols;
    kofn_mat first, column, value;
} kofn_csr;

/* What the three take with columns in i32. OUT_OF_RANGE: past SIZE_MAX / 2, or no such dtype. */
KOFN_MUST_CHECK kofn_status kofn_csr_bytes(kofn_dtype dtype, size_t rows, size_t elements,
                                           size_t *ret_bytes, kofn_error *err);

/* Room of its own, contents undefined, columns in i32. OUT_OF_RANGE: sizes, or columns that an i32
 * cannot count. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_csr_new(kofn_dtype dtype, size_t rows, size_t cols,
                                         size_t elements, kofn_csr *ret_csr, kofn_error *err);
void kofn_csr_fini(kofn_csr *csr); // lets go, clears; accepts a cleared one

/* Is it what the top of this file says? To be asked of whatever came from elsewhere, before all
 * functions below. INVALID_ARGUMENT with the first row that is not; `what` names the matrix. */
KOFN_MUST_CHECK kofn_status kofn_csr_check(const char *what, const kofn_csr *csr, kofn_error *err);

/* Element i >= first[row] of the row that ends at kofn_csr_get_first(csr, row + 1). */
size_t kofn_csr_get_first(const kofn_csr *csr, size_t row);
size_t kofn_csr_get_column(const kofn_csr *csr, size_t i);

/* The elements of dst[o] := sum_i coef[o, i] (block i of the grid), blocks row by row, each dst[o]
 * complete, of the blocks' shape and f's dtype: kofn_blocks_combine for a sparse source. One pass
 * over its elements; a coefficient of zero touches none. All of dst is written: {1, 1} and 1 make
 * it dense. RESOURCE_EXHAUSTED: no memory for O(outs). */
KOFN_MUST_CHECK kofn_status kofn_csr_combine(const kofn_field *f, const kofn_csr *csr,
                                             kofn_grid grid, size_t outs, const kofn_bands *dst,
                                             const double *coef, kofn_error *err);

#endif
