#include "proto/transfer.h"

#include <assert.h>

void
kofn_assembler_init(kofn_assembler *assembler)
{
    *assembler = (kofn_assembler){0};
}

kofn_status
kofn_assembler_expect(kofn_assembler *assembler, kofn_dtype dtype, size_t rows, size_t cols,
                      kofn_error *err)
{
    if (assembler->count == KOFN_TRANSFER_MATRICES_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "a transfer of more than %d matrices",
                         KOFN_TRANSFER_MATRICES_MAX);
    if (rows > KOFN_DIMENSION_MAX || cols > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "a matrix of %zu x %zu: rows and columns may be at most %d", rows, cols,
                         KOFN_DIMENSION_MAX);
    size_t bytes;
    kofn_status status = kofn_block_check_dtype(dtype, err);
    if (status == KOFN_OK)
        status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status != KOFN_OK)
        return status;
    kofn_bands_init(&assembler->mat[assembler->count++], dtype, rows, cols);
    return KOFN_OK;
}

kofn_status
kofn_assembler_have(kofn_assembler *assembler, const kofn_bands *bands, kofn_error *err)
{
    assert(kofn_bands_are_complete(bands));
    if (assembler->count == KOFN_TRANSFER_MATRICES_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "a transfer of more than %d matrices",
                         KOFN_TRANSFER_MATRICES_MAX);
    kofn_status status = kofn_bands_ref(bands, &assembler->mat[assembler->count], err);
    assembler->count += status == KOFN_OK;
    return status;
}

static size_t
rows_so_far(const kofn_bands *bands)
{
    if (bands->count == 0)
        return 0;
    const kofn_band *last = &bands->at[bands->count - 1];
    return last->first_row + last->mat.rows;
}

/* The matrix that the next frame belongs to; NULL when all are complete. */
static kofn_bands *
current_matrix(kofn_assembler *assembler)
{
    while (assembler->current < assembler->count &&
           kofn_bands_are_complete(&assembler->mat[assembler->current]))
        assembler->current++;
    return assembler->current < assembler->count ? &assembler->mat[assembler->current] : NULL;
}

/* Frames cost room beside their elements, which no limit of memory counts: so few may be small. */
static bool
has_many_small_frames(const kofn_bands *bands)
{
    if (bands->count <= KOFN_SMALL_FRAMES_MAX)
        return false;
    const size_t row_bytes = bands->cols * kofn_dtype_width(bands->dtype);
    return rows_so_far(bands) * row_bytes / KOFN_SMALL_FRAME_BYTES <
           bands->count - KOFN_SMALL_FRAMES_MAX;
}

/* Dtype, columns and too many rows are kofn_bands_append's to refuse. */
static kofn_status
append_in_order(kofn_bands *bands, kofn_band *band, kofn_error *err)
{
    if (band->first_row != rows_so_far(bands))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a block frame starts at row %zu where row %zu is due: send frames in "
                         "order",
                         band->first_row, rows_so_far(bands));
    if (bands->count == KOFN_MATRIX_FRAMES_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a matrix in more than %d block frames: send larger ones",
                         KOFN_MATRIX_FRAMES_MAX);
    if (has_many_small_frames(bands))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%zu block frames hold %zu rows of %zu columns: beyond %d, send frames of "
                         "%d bytes or more",
                         bands->count, rows_so_far(bands), bands->cols, KOFN_SMALL_FRAMES_MAX,
                         KOFN_SMALL_FRAME_BYTES);
    return kofn_bands_append(bands, &band->mat, band->frame, band->frame_bytes, err);
}

kofn_status
kofn_assembler_take(kofn_assembler *assembler, kofn_buf *frame, kofn_error *err)
{
    kofn_bands *bands = current_matrix(assembler);
    if (!bands)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a block frame too many: all %zu matrices are complete", assembler->count);

    kofn_band band;
    kofn_status status = kofn_block_parse(frame, &band, err);
    if (status != KOFN_OK)
        return status;
    status = append_in_order(bands, &band, err);
    if (status != KOFN_OK)
        kofn_mat_fini(&band.mat);
    return status;
}

bool
kofn_assembler_is_complete(const kofn_assembler *assembler)
{
    for (size_t i = assembler->current; i < assembler->count; i++)
        if (!kofn_bands_are_complete(&assembler->mat[i]))
            return false;
    return true;
}

void
kofn_assembler_fini(kofn_assembler *assembler)
{
    for (size_t i = 0; i < assembler->count; i++)
        kofn_bands_fini(&assembler->mat[i]);
    *assembler = (kofn_assembler){0};
}
