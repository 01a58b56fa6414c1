/* Block frames. The header that we write uses integers of fixed width, so that it takes the same 40
 * bytes whatever the shape:
 *
 *     dc 00 05                     array of 5
 *     ce dd dd dd dd               dtype, u32
 *     cf rr rr rr rr rr rr rr rr   rows, u64
 *     cf cc cc cc cc cc cc cc cc   cols, u64
 *     cf ff ff ff ff ff ff ff ff   first_row, u64
 *     c6 ll ll ll ll               elements, bin of l bytes
 */
#include "proto/block.h"
#include "proto/token.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "elements travel as they lie in memory, and the protocol says little-endian"
#endif

static unsigned char *
put_head(unsigned char *at, unsigned char head, uint64_t number, size_t width)
{
    *at++ = head;
    for (size_t i = 0; i < width; i++)
        at[i] = (unsigned char)(number >> (8 * (width - 1 - i)));
    return at + width;
}

static void
write_header(unsigned char *at, const kofn_mat *mat, size_t first_row, size_t bytes)
{
    const unsigned char *const start = at;
    at = put_head(at, 0xdc, 5, 2);
    at = put_head(at, 0xce, (uint64_t)mat->dtype, 4);
    at = put_head(at, 0xcf, mat->rows, 8);
    at = put_head(at, 0xcf, mat->cols, 8);
    at = put_head(at, 0xcf, first_row, 8);
    at = put_head(at, 0xc6, bytes, 4);
    assert(at == start + KOFN_BLOCK_HEADER_BYTES);
    (void)start; // only asserted
}

/* A band of `rows` rows in a buffer of its own, header written, elements undefined. */
static kofn_status
band_new(kofn_pool *pool, kofn_dtype dtype, size_t first_row, size_t rows, size_t cols,
         kofn_band *ret_band, kofn_error *err)
{
    const size_t bytes = rows * cols * kofn_dtype_width(dtype);
    kofn_buf *buf;
    kofn_status status = kofn_pool_get(pool, KOFN_BLOCK_HEADROOM + bytes, &buf, err);
    if (status != KOFN_OK)
        return status;

    unsigned char *elements = (unsigned char *)kofn_buf_get_data(buf) + KOFN_BLOCK_HEADROOM;
    kofn_band band = {
        .first_row = first_row,
        .mat = kofn_mat_wrap(elements, dtype, rows, cols),
        .frame = elements - KOFN_BLOCK_HEADER_BYTES,
        .frame_bytes = KOFN_BLOCK_HEADER_BYTES + bytes,
    };
    band.mat.owner = buf;
    write_header(band.frame, &band.mat, first_row, bytes);
    *ret_band = band;
    return KOFN_OK;
}

static kofn_status
append_band(kofn_pool *pool, kofn_bands *bands, size_t first_row, size_t rows, kofn_error *err)
{
    kofn_band band;
    kofn_status status = band_new(pool, bands->dtype, first_row, rows, bands->cols, &band, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_bands_append(bands, &band.mat, band.frame, band.frame_bytes, err);
    if (status != KOFN_OK)
        kofn_mat_fini(&band.mat);
    return status;
}

static size_t
round_up_divide(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Rows of each band but the last: as many as chunk_bytes hold, evened out, so that the buffers fall
 * into one size class of the pool; at least one, and never more bands than `most`. */
static size_t
band_rows(size_t rows, size_t row_bytes, size_t chunk_bytes, size_t most)
{
    if (row_bytes == 0)
        return rows;
    const size_t chunk = chunk_bytes < KOFN_FRAME_BYTES_MAX ? chunk_bytes : KOFN_FRAME_BYTES_MAX;
    const size_t room = chunk > KOFN_BLOCK_HEADER_BYTES ? chunk - KOFN_BLOCK_HEADER_BYTES : 0;
    size_t fit = room / row_bytes;
    if (fit < round_up_divide(rows, most))
        fit = round_up_divide(rows, most);
    if (round_up_divide(rows, fit) > KOFN_SMALL_FRAMES_MAX &&
        fit < round_up_divide(KOFN_SMALL_FRAME_BYTES, row_bytes))
        fit = round_up_divide(KOFN_SMALL_FRAME_BYTES, row_bytes);
    return round_up_divide(rows, round_up_divide(rows, fit));
}

kofn_status
kofn_block_check_dtype(kofn_dtype dtype, kofn_error *err)
{
    if (!kofn_dtype_get_part(dtype))
        return KOFN_OK;
    return kofn_fail(err, KOFN_UNIMPLEMENTED,
                     "matrices of %s do not travel: the real and imaginary parts of two that are "
                     "multiplied do",
                     kofn_dtype_name(dtype));
}

static kofn_status
check_size(kofn_dtype dtype, size_t rows, size_t cols, kofn_error *err)
{
    size_t bytes;
    kofn_status status = kofn_block_check_dtype(dtype, err);
    if (status == KOFN_OK)
        status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status != KOFN_OK)
        return status;
    if (rows > KOFN_DIMENSION_MAX || cols > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "a matrix of %zu x %zu: rows and columns may be at most %d", rows, cols,
                         KOFN_DIMENSION_MAX);
    return KOFN_OK;
}

/* Rows of each band of such a matrix in at most so many frames; every check that these need. */
static kofn_status
plan_bands(kofn_dtype dtype, size_t rows, size_t cols, size_t chunk_bytes, size_t most,
           size_t *ret_step, kofn_error *err)
{
    kofn_status status = check_size(dtype, rows, cols, err);
    if (status != KOFN_OK)
        return status;
    const size_t row_bytes = cols * kofn_dtype_width(dtype);
    const size_t step = rows > 0 ? band_rows(rows, row_bytes, chunk_bytes, most) : 1;
    if (rows > 0 && step * row_bytes > KOFN_FRAME_BYTES_MAX - KOFN_BLOCK_HEADER_BYTES)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "a matrix of %zu x %zu needs block frames of %zu bytes, since rows travel "
                         "whole, and at most %d are taken: it must be less wide",
                         rows, cols, KOFN_BLOCK_HEADER_BYTES + step * row_bytes,
                         KOFN_FRAME_BYTES_MAX);
    *ret_step = step;
    return KOFN_OK;
}

kofn_status
kofn_block_check_size(kofn_dtype dtype, size_t rows, size_t cols, kofn_error *err)
{
    size_t unused;
    return plan_bands(dtype, rows, cols, KOFN_FRAME_BYTES_MAX, KOFN_MATRIX_FRAMES_MAX, &unused,
                      err);
}

kofn_status
kofn_block_bands_new(kofn_pool *pool, kofn_dtype dtype, size_t rows, size_t cols,
                     size_t chunk_bytes, kofn_bands *ret_bands, kofn_error *err)
{
    size_t step;
    kofn_status status =
        plan_bands(dtype, rows, cols, chunk_bytes, KOFN_MATRIX_FRAMES_MAX, &step, err);
    if (status != KOFN_OK)
        return status;

    kofn_bands bands;
    kofn_bands_init(&bands, dtype, rows, cols);
    for (size_t row = 0; status == KOFN_OK && row < rows; row += step)
        status = append_band(pool, &bands, row, rows - row < step ? rows - row : step, err);
    if (status != KOFN_OK) {
        kofn_bands_fini(&bands);
        return status;
    }
    *ret_bands = bands;
    return KOFN_OK;
}

/* ---- memory that is framed later ------------------------------------------------------------- */

static kofn_status
append_view(kofn_bands *bands, const kofn_mat *mat, size_t first_row, size_t rows, kofn_error *err)
{
    kofn_mat view = kofn_mat_ref(mat);
    view.data = kofn_mat_get_row(mat, first_row);
    view.rows = rows;
    const size_t bytes = rows * mat->cols * kofn_dtype_width(mat->dtype);
    kofn_status status =
        kofn_bands_append(bands, &view, NULL, KOFN_BLOCK_HEADER_BYTES + bytes, err);
    if (status != KOFN_OK)
        kofn_mat_fini(&view);
    return status;
}

/* Of all frames those that are the piece's by its rows. */
static size_t
share_frames(const kofn_bands *bands, const kofn_mat *mat)
{
    if (mat->rows >= bands->rows)
        return KOFN_MATRIX_FRAMES_MAX;
    const size_t share = (size_t)((uint64_t)KOFN_MATRIX_FRAMES_MAX * mat->rows / bands->rows);
    return share > 0 ? share : 1;
}

kofn_status
kofn_block_bands_add(kofn_bands *bands, const kofn_mat *mat, size_t chunk_bytes, kofn_error *err)
{
    size_t step;
    kofn_status status = plan_bands(mat->dtype, mat->rows, mat->cols, chunk_bytes,
                                    share_frames(bands, mat), &step, err);
    for (size_t row = 0; status == KOFN_OK && row < mat->rows; row += step)
        status = append_view(bands, mat, row, mat->rows - row < step ? mat->rows - row : step, err);
    return status;
}

kofn_status
kofn_block_bands_over(const kofn_mat *mat, size_t chunk_bytes, kofn_bands *ret_bands,
                      kofn_error *err)
{
    kofn_bands bands;
    kofn_bands_init(&bands, mat->dtype, mat->rows, mat->cols);
    kofn_status status = kofn_block_bands_add(&bands, mat, chunk_bytes, err);
    if (status != KOFN_OK) {
        kofn_bands_fini(&bands);
        return status;
    }
    *ret_bands = bands;
    return KOFN_OK;
}

kofn_status
kofn_block_frame(kofn_pool *pool, const kofn_band *band, kofn_band *ret_band, kofn_error *err)
{
    const kofn_mat *from = &band->mat;
    kofn_band framed;
    kofn_status status =
        band_new(pool, from->dtype, band->first_row, from->rows, from->cols, &framed, err);
    if (status != KOFN_OK)
        return status;

    const size_t row_bytes = from->cols * kofn_dtype_width(from->dtype);
    if (row_bytes > 0 && kofn_mat_is_contiguous(from))
        memcpy(framed.mat.data, from->data, from->rows * row_bytes);
    else if (row_bytes > 0)
        for (size_t row = 0; row < from->rows; row++)
            memcpy(kofn_mat_get_row(&framed.mat, row), kofn_mat_get_row(from, row), row_bytes);
    *ret_band = framed;
    return KOFN_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct block_header {
    uint64_t dtype, rows, cols, first_row;
    const unsigned char *elements;
    uint64_t bytes;
} block_header;

static kofn_status
fail_frame(const char *fault, kofn_error *err)
{
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "malformed block frame: %s (want [dtype, rows, cols, first_row, bin])", fault);
}

static kofn_status
read_header(const kofn_buf *frame, block_header *ret_header, kofn_error *err)
{
    kofn_cursor cursor = kofn_cursor_over(kofn_buf_get_data(frame), kofn_buf_get_size(frame));
    kofn_token token;
    if (!kofn_cursor_next(&cursor, &token) || token.kind != KOFN_TOKEN_ARRAY || token.number != 5)
        return fail_frame("no array of five", err);

    uint64_t numbers[4];
    for (size_t i = 0; i < 4; i++) {
        if (!kofn_cursor_next(&cursor, &token) || token.kind != KOFN_TOKEN_UINT)
            return fail_frame("one of its first four entries is not an integer >= 0", err);
        numbers[i] = token.number;
    }
    if (!kofn_cursor_next(&cursor, &token) || token.kind != KOFN_TOKEN_BIN)
        return fail_frame("the last entry is not a whole bin", err);
    if (cursor.at != cursor.end)
        return fail_frame("there are bytes behind the bin", err);
    *ret_header =
        (block_header){numbers[0], numbers[1], numbers[2], numbers[3], token.bytes, token.number};
    return KOFN_OK;
}

/* rows x cols x width against the bin's length, without overflow. */
static kofn_status
check_header(const block_header *h, kofn_error *err)
{
    const size_t width = h->dtype <= KOFN_I64 ? kofn_dtype_width((kofn_dtype)h->dtype) : 0;
    if (width == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "malformed block frame: dtype %" PRIu64 " is unknown, want 1 to %d",
                         h->dtype, KOFN_I64);
    if (h->rows == 0 || h->rows > KOFN_DIMENSION_MAX || h->cols > KOFN_DIMENSION_MAX ||
        h->first_row > KOFN_DIMENSION_MAX - h->rows)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "malformed block frame: %" PRIu64 " rows from %" PRIu64 " on, %" PRIu64
                         " columns; want at least one row, and none beyond %d",
                         h->rows, h->first_row, h->cols, KOFN_DIMENSION_MAX);
    if (h->bytes % width != 0 || h->rows * h->cols != h->bytes / width) // each factor has 31 bits
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "malformed block frame: %" PRIu64 " bytes of elements for %" PRIu64
                         " x %" PRIu64 " of %zu bytes each",
                         h->bytes, h->rows, h->cols, width);
    return KOFN_OK;
}

kofn_status
kofn_block_parse(kofn_buf *frame, kofn_band *ret_band, kofn_error *err)
{
    block_header header = {0};
    kofn_status status = read_header(frame, &header, err);
    if (status == KOFN_OK)
        status = check_header(&header, err);
    if (status != KOFN_OK)
        return status;

    /* Elements of somebody else's frame are at any address; kernels read them as memcpy would. The
     * frame's bytes are ours alone, so const can go. */
    kofn_band band = {
        .first_row = (size_t)header.first_row,
        .mat = kofn_mat_wrap((void *)(uintptr_t)header.elements, (kofn_dtype)header.dtype,
                             (size_t)header.rows, (size_t)header.cols),
        .frame = kofn_buf_get_data(frame),
        .frame_bytes = kofn_buf_get_size(frame),
    };
    band.mat.owner = kofn_buf_ref(frame);
    *ret_band = band;
    return KOFN_OK;
}
