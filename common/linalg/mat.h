/* Matrices as views: dtype, shape, stride and, where somebody must keep the memory, its owner.
 *
 * A kofn_mat is one dense row-major rectangle. A kofn_bands is a matrix that arrived in pieces: an
 * ordered list of bands of whole rows, each a rectangle of its own, used where it arrived.
 *
 *       kofn_bands                     A matrix that never travelled has one band.
 *      +-----------+  band 0           Column-major data (Fortran order) is the row-major view of
 *      +-----------+  band 1           its transpose: readers set `transposed` beside the view,
 *      |           |  band 2           nothing is copied.
 *      +-----------+
 *
 * Elements   Read and written as memcpy would: a frame's data may lie at any address, so kernels
 *            must not assume that elements are aligned.
 * Ownership  A view with an owner holds one ref of it; without one it borrows. Views are cheap to
 *            copy; kofn_mat_ref makes a second owning view.
 * Threads    None of its own: views are values.
 */
#ifndef KOFN_LINALG_MAT_H
#define KOFN_LINALG_MAT_H

#include "common/base/pool.h"
#include "common/linalg/dtype.h"

#include <stdint.h>

typedef struct kofn_mat {
    void *data;
    kofn_dtype dtype;
    size_t rows, cols;
    size_t stride;   // elements from one row to the next, at least cols
    kofn_buf *owner; // NULL: borrowed
} kofn_mat;

/* What the two parts of a complex element are, f64 of c128, and back; KOFN_DTYPE_NONE: it is none
 * of a complex matrix, or no part of one. */
kofn_dtype kofn_dtype_get_part(kofn_dtype dtype);
kofn_dtype kofn_dtype_get_complex(kofn_dtype part);

/* rows x cols x width, and KOFN_OUT_OF_RANGE where that passes SIZE_MAX / 2 or dtype is unknown. */
KOFN_MUST_CHECK kofn_status kofn_mat_bytes(kofn_dtype dtype, size_t rows, size_t cols,
                                           size_t *ret_bytes, kofn_error *err);

/* A contiguous matrix from the pool, contents undefined. RESOURCE_EXHAUSTED, OUT_OF_RANGE. */
KOFN_MUST_CHECK kofn_status kofn_mat_new(kofn_pool *pool, kofn_dtype dtype, size_t rows,
                                         size_t cols, kofn_mat *ret_mat, kofn_error *err);

/* The same with memory of its own, zeroed: for callers without a pool. */
KOFN_MUST_CHECK kofn_status kofn_mat_alloc(kofn_dtype dtype, size_t rows, size_t cols,
                                           kofn_mat *ret_mat, kofn_error *err);

kofn_mat kofn_mat_wrap(void *data, kofn_dtype dtype, size_t rows, size_t cols); // borrows
kofn_mat kofn_mat_ref(const kofn_mat *mat); // a second owner of the same elements
void kofn_mat_fini(kofn_mat *mat);          // lets go, clears; accepts a cleared one
bool kofn_mat_is_contiguous(const kofn_mat *mat);
void *kofn_mat_get_row(const kofn_mat *mat, size_t row);

typedef struct kofn_band {
    size_t first_row;   // of the whole matrix
    kofn_mat mat;       // [mat.rows, cols]
    void *frame;        // the message frame whose tail the elements are (proto/block.h), or NULL;
    size_t frame_bytes; // kept alive by mat.owner
} kofn_band;

typedef struct kofn_bands {
    kofn_dtype dtype;
    size_t rows, cols;
    size_t count, capacity;
    kofn_band *at; // in order, without gaps: at[i].first_row + at[i].mat.rows == at[i+1].first_row
} kofn_bands;

/* An empty rows x cols matrix that waits for its bands. */
void kofn_bands_init(kofn_bands *bands, kofn_dtype dtype, size_t rows, size_t cols);

/* Append the next band; takes over mat's ref and clears it, on success only. `frame` as in
 * kofn_band, or NULL. INVALID_ARGUMENT: other dtype or cols, or more rows than are missing.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_bands_append(kofn_bands *bands, kofn_mat *mat, void *frame,
                                              size_t frame_bytes, kofn_error *err);

/* A second holder of the same bands (refs, no elements). */
KOFN_MUST_CHECK kofn_status kofn_bands_ref(const kofn_bands *bands, kofn_bands *ret_bands,
                                           kofn_error *err);

/* One band that borrows or refs `mat`: how a plain matrix enters functions that take bands. */
KOFN_MUST_CHECK kofn_status kofn_bands_from_mat(const kofn_mat *mat, kofn_bands *ret_bands,
                                                kofn_error *err);

/* Refs of rows [first, first + rows) of a complete matrix, which has them. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_bands_get_rows(const kofn_bands *bands, size_t first, size_t rows,
                                                kofn_bands *ret_bands, kofn_error *err);

bool kofn_bands_are_complete(const kofn_bands *bands); // true for a matrix without rows

/* Where row `row` of a complete matrix lies, for those who go through them in order: *band is what
 * the call for the row before left there, at first 0. */
void *kofn_bands_get_row(const kofn_bands *bands, size_t row, size_t *band);

void kofn_bands_fini(kofn_bands *bands);

/* The matrix in one piece: a view (ref) of the only band, or a copy from the pool. */
KOFN_MUST_CHECK kofn_status kofn_bands_gather(const kofn_bands *bands, kofn_pool *pool,
                                              kofn_mat *ret_mat, kofn_error *err);

#endif
