/* Block frames: a band of a matrix as one msgpack object, its header in headroom in front of the
 * elements.
 *
 *     |<- headroom 64 ->|
 *     | pad 24 | header 40 | elements, row-major, little-endian ...          |
 *              ^ frame     ^ 64-byte aligned
 *
 *     [dtype, rows, cols, first_row, bin]     array of five, see PROTOCOL.md
 *
 * A header of ours always takes 40 bytes (fixed-width integers), so that elements are aligned where
 * the frame is; any valid msgpack encoding is read. A matrix whose bands have frames is sent
 * without copying an element.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_PROTO_BLOCK_H
#define KOFN_PROTO_BLOCK_H

#include "common/linalg/mat.h"
#include "proto/limits.h"

enum { KOFN_BLOCK_HEADER_BYTES = 40, KOFN_BLOCK_HEADROOM = 64 };

/* A rows x cols matrix from the pool, cut into bands of whole rows with frames of about chunk_bytes
 * (at least one row each, at most KOFN_MATRIX_FRAMES_MAX frames, few of them small), headers
 * written, elements undefined. RESOURCE_EXHAUSTED: no memory. OUT_OF_RANGE: a frame would pass
 * KOFN_FRAME_BYTES_MAX, a size KOFN_DIMENSION_MAX, or the matrix size_t. UNIMPLEMENTED: it is
 * complex. */
KOFN_MUST_CHECK kofn_status kofn_block_bands_new(kofn_pool *pool, kofn_dtype dtype, size_t rows,
                                                 size_t cols, size_t chunk_bytes,
                                                 kofn_bands *ret_bands, kofn_error *err);

/* Do matrices of this dtype travel? UNIMPLEMENTED: complex ones do not (common/linalg/planes.h). */
KOFN_MUST_CHECK kofn_status kofn_block_check_dtype(kofn_dtype dtype, kofn_error *err);

/* Can such a matrix travel at all? UNIMPLEMENTED, OUT_OF_RANGE: as above. */
KOFN_MUST_CHECK kofn_status kofn_block_check_size(kofn_dtype dtype, size_t rows, size_t cols,
                                                  kofn_error *err);

/* The caller's matrix, cut likewise into bands that have no frame yet: `frame` is NULL, frame_bytes
 * says what it will take. They borrow (or ref) mat's memory; kofn_block_frame copies a band when
 * its turn to be sent comes, so an operand never lies twice in memory. Errors as above. */
KOFN_MUST_CHECK kofn_status kofn_block_bands_over(const kofn_mat *mat, size_t chunk_bytes,
                                                  kofn_bands *ret_bands, kofn_error *err);

/* The same of the next rows of a matrix that lies in several pieces. Frames are shared out by rows,
 * so that all of them stay within the limits where pieces are KOFN_SMALL_FRAME_BYTES or more.
 * Errors also as kofn_bands_append's; `bands` may then have some of the rows. */
KOFN_MUST_CHECK kofn_status kofn_block_bands_add(kofn_bands *bands, const kofn_mat *mat,
                                                 size_t chunk_bytes, kofn_error *err);

/* A copy of the band, in a frame from the pool: *ret_band.mat is its owner. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_block_frame(kofn_pool *pool, const kofn_band *band,
                                             kofn_band *ret_band, kofn_error *err);

/* Check a received frame and make it a band. `frame` is what holds the bytes; on success the band
 * holds its own ref of it. *ret_band has first_row, mat and frame filled in.
 * INVALID_ARGUMENT: not a block frame, dtype unknown, no row, a size beyond KOFN_DIMENSION_MAX, or
 * rows x cols x width is not bin's length. */
KOFN_MUST_CHECK kofn_status kofn_block_parse(kofn_buf *frame, kofn_band *ret_band, kofn_error *err);

#endif
