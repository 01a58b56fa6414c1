/* Any bytes as block frames: the first byte chooses a shape to expect, the second where the rest is
 * cut in two frames. What is taken keeps the assembler's order and stays inside its frame. */
#include "proto/transfer.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void
free_data(void *data, void *hint)
{
    (void)hint;
    free(data);
}

/* In a block of exactly their size, so that ASan sees a read behind it. */
static kofn_buf *
frame_of(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    kofn_buf *frame = NULL;
    insist(copy != NULL);
    if (length)
        memcpy(copy, bytes, length);
    insist(kofn_buf_wrap(copy, length, free_data, NULL, &frame, NULL) == KOFN_OK);
    return frame;
}

static void
insist_on_inside(const kofn_buf *frame, const kofn_band *band)
{
    const uint8_t *start = kofn_buf_get_data(frame), *at = band->mat.data;
    const size_t bytes = band->mat.rows * band->mat.cols * kofn_dtype_width(band->mat.dtype);
    insist(at >= start && at + bytes == start + kofn_buf_get_size(frame));
    insist(band->mat.rows > 0 && band->mat.stride == band->mat.cols);
}

static void
give(kofn_assembler *assembler, const uint8_t *bytes, size_t length)
{
    kofn_buf *frame = frame_of(bytes, length);
    kofn_error error = {0};
    kofn_band band;
    const bool is_frame = kofn_block_parse(frame, &band, &error) == KOFN_OK;
    if (is_frame) {
        insist_on_inside(frame, &band);
        kofn_mat_fini(&band.mat);
    } else {
        insist(error.status == KOFN_INVALID_ARGUMENT && error.text[0] != '\0');
    }
    const bool was_complete = kofn_assembler_is_complete(assembler);
    if (kofn_assembler_take(assembler, frame, &error) == KOFN_OK)
        insist(is_frame && !was_complete);
    else
        insist(error.text[0] != '\0');
    kofn_buf_unref(&frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const struct {
        kofn_dtype dtype;
        size_t rows, cols;
    } shapes[] = {{KOFN_F64, 2, 2}, {KOFN_F64, 0, 5}, {KOFN_U8, 3, 1}, {KOFN_I32, 4, 0}};

    if (length < 2)
        return 0;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    for (size_t i = 0; i < KOFN_TRANSFER_MATRICES_MAX; i++) {
        const size_t s = data[0] >> (2 * i) & 3;
        insist(kofn_assembler_expect(&assembler, shapes[s].dtype, shapes[s].rows, shapes[s].cols,
                                     NULL) == KOFN_OK);
    }
    const size_t cut = data[1] < length - 2 ? data[1] : length - 2;
    give(&assembler, data + 2, cut);
    give(&assembler, data + 2 + cut, length - 2 - cut);
    kofn_assembler_fini(&assembler);
    return 0;
}
