#include "proto/block.h"
#include "proto/transfer.h"

#include "tests/assert.h"

#include "common/base/rng.h"

static kofn_error error;

static kofn_pool *
new_pool(void)
{
    kofn_pool *pool;
    assert_ok(kofn_pool_new(1 << 20, &pool, &error));
    return pool;
}

static void
free_data(void *data, void *hint)
{
    (void)data;
    free(hint);
}

/* A copy of the bytes at `shift` behind an aligned address, in a block that ends where they do. */
static kofn_buf *
frame_of(const void *bytes, size_t length, size_t shift)
{
    char *copy = malloc(length + shift + 1);
    kofn_buf *buf;
    assert_non_null(copy);
    memcpy(copy + shift, bytes, length);
    assert_ok(kofn_buf_wrap(copy + shift, length, free_data, copy, &buf, &error));
    return buf;
}

static kofn_status
parse(const void *bytes, size_t length, kofn_band *ret_band)
{
    kofn_buf *frame = frame_of(bytes, length, 0);
    kofn_status status = kofn_block_parse(frame, ret_band, &error);
    kofn_buf_unref(&frame);
    return status;
}

#define assert_malformed(literal_)                                                                 \
    do {                                                                                           \
        kofn_band band_;                                                                           \
        assert_fails(parse((literal_), sizeof(literal_) - 1, &band_), KOFN_INVALID_ARGUMENT);      \
    } while (0)

/* [1, 2, 2, 0, ((1, 2), (3, 4)) in f64]: our header, as in PROTOCOL.md. */
static const char worked_example[] = "\xdc\x00\x05\xce\0\0\0\x01\xcf\0\0\0\0\0\0\0\x02"
                                     "\xcf\0\0\0\0\0\0\0\x02\xcf\0\0\0\0\0\0\0\0\xc6\0\0\0\x20"
                                     "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40"
                                     "\0\0\0\0\0\0\x08\x40\0\0\0\0\0\0\x10\x40";

/* The same as python3-msgpack 1.0.3 packs it. */
static const char python_frame[] = "\x95\x01\x02\x02\x00\xc4\x20"
                                   "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40"
                                   "\0\0\0\0\0\0\x08\x40\0\0\0\0\0\0\x10\x40";

static void
fill_from_one(const kofn_bands *bands)
{
    double value = 1;
    for (size_t b = 0; b < bands->count; b++)
        for (size_t i = 0; i < bands->at[b].mat.rows * bands->cols; i++, value++)
            memcpy((char *)bands->at[b].mat.data + i * sizeof value, &value, sizeof value);
}

static void
our_frame_is_protocol_mds_worked_example(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_bands bands;
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 2, 2, KOFN_CHUNK_BYTES, &bands, &error));
    fill_from_one(&bands);
    assert_int_equal(bands.count, 1);
    assert_int_equal(bands.at[0].frame_bytes, sizeof worked_example - 1);
    assert_memory_equal(bands.at[0].frame, worked_example, sizeof worked_example - 1);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static void
assert_two_by_two(const kofn_band *band)
{
    const double expected[] = {1, 2, 3, 4};
    assert_int_equal(band->first_row, 0);
    assert_int_equal(band->mat.dtype, KOFN_F64);
    assert_int_equal(band->mat.rows, 2);
    assert_int_equal(band->mat.cols, 2);
    assert_int_equal(band->mat.stride, 2);
    assert_memory_equal(band->mat.data, expected, sizeof expected);
}

static void
a_frame_is_read_at_any_address(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 16; shift++) {
        kofn_buf *frame = frame_of(worked_example, sizeof worked_example - 1, shift);
        kofn_band band;
        assert_ok(kofn_block_parse(frame, &band, &error));
        assert_two_by_two(&band);
        assert_ptr_equal(band.frame, kofn_buf_get_data(frame));
        assert_int_equal(band.frame_bytes, sizeof worked_example - 1);
        kofn_buf_unref(&frame);
        assert_two_by_two(&band); // holds its own ref
        kofn_mat_fini(&band.mat);
    }
}

static void
a_frame_packed_by_python_is_read(void **state)
{
    (void)state;
    kofn_band band;
    assert_ok(parse(python_frame, sizeof python_frame - 1, &band));
    assert_two_by_two(&band);
    kofn_mat_fini(&band.mat);
}

static void
a_frame_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    kofn_band band;
    for (size_t length = 0; length < sizeof worked_example - 1; length++)
        assert_fails(parse(worked_example, length, &band), KOFN_INVALID_ARGUMENT);
    for (size_t length = 0; length < sizeof python_frame - 1; length++)
        assert_fails(parse(python_frame, length, &band), KOFN_INVALID_ARGUMENT);
}

static void
what_is_no_array_of_five_with_four_integers_and_a_bin_is_refused(void **state)
{
    (void)state;
    assert_malformed("\x01");
    assert_malformed("\x94\x03\x01\x01\x00");
    assert_malformed("\x96\x03\x01\x01\x00\xc4\x01x\x01");
    assert_malformed("\x85\x03\x01\x01\x00\xc4\x01x\x01\x02\x03\x04");
    assert_malformed("\x95\xff\x01\x01\x00\xc4\x01x");     // negative dtype
    assert_malformed("\x95\x03\xff\x01\x00\xc4\x01x");     // negative rows
    assert_malformed("\x95\x03\x01\xd0\xff\x00\xc4\x01x"); // negative columns
    assert_malformed("\x95\x03\x01\x01\xc0\xc4\x01x");
    assert_malformed("\x95\x03\x01\x01\x00\xa1x");      // text
    assert_malformed("\x95\x03\x01\x01\x00\xd4\x01x");  // ext
    assert_malformed("\x95\x03\x01\x01\x00\xc4\x01xx"); // a byte behind it
    assert_malformed("\xdd\xff\xff\xff\xff\x03\x01\x01\x00\xc4\x01x");
}

static void
unknown_dtypes_are_refused(void **state)
{
    (void)state;
    assert_malformed("\x95\x00\x01\x01\x00\xc4\x01x");
    assert_malformed("\x95\x07\x01\x01\x00\xc4\x01x");
    assert_malformed("\x95\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00\xc4\x01x");
    assert_malformed("\x95\xcf\x00\x00\x00\x01\x00\x00\x00\x03\x01\x01\x00\xc4\x01x"); // 2^32 + 3
}

static void
complex_matrices_do_not_travel(void **state)
{
    kofn_assembler assembler;
    (void)state;
    assert_malformed("\x95\x07\x01\x01\x00\xc4\x08"
                     "8 bytes.");
    assert_malformed("\x95\x08\x01\x01\x00\xc4\x10"
                     "these are 16 ...");
    kofn_assembler_init(&assembler);
    for (kofn_dtype dtype = KOFN_C64; dtype <= KOFN_C128; dtype++) {
        assert_fails(kofn_block_check_size(dtype, 2, 2, &error), KOFN_UNIMPLEMENTED);
        assert_non_null(strstr(error.text, "do not travel"));
        assert_fails(kofn_assembler_expect(&assembler, dtype, 2, 2, &error), KOFN_UNIMPLEMENTED);
    }
    kofn_assembler_fini(&assembler);
}

static void
a_shape_that_is_not_the_bins_length_is_refused(void **state)
{
    (void)state;
    assert_malformed("\x95\x03\x02\x01\x00\xc4\x01x");
    assert_malformed("\x95\x03\x01\x01\x00\xc4\x02xx");
    assert_malformed("\x95\x01\x01\x01\x00\xc4\x07sevenby");
    assert_malformed("\x95\x01\x01\x01\x00\xc4\x09ninebytes");
    assert_malformed("\x95\x03\x00\x01\x00\xc4\x00"); // no row
    assert_malformed("\x95\x03\x01\x01\x00\xc4\x00");
}

static void
sizes_whose_product_overflows_are_refused(void **state)
{
    (void)state;
    /* 2^31 x 2^30 x 8, 2^32 x 2^32, and 2^61 x 8 = 0 modulo 2^64 */
    assert_malformed("\x95\x01\xce\x80\0\0\0\xce\x40\0\0\0\x00\xc4\x00");
    assert_malformed("\x95\x03\xcf\0\0\0\x01\0\0\0\0\xcf\0\0\0\x01\0\0\0\0\x00\xc4\x00");
    assert_malformed("\x95\x01\xcf\x20\0\0\0\0\0\0\0\x01\x00\xc4\x00");
    /* 2^32 x 0, and 2 x 2^63 = 0 modulo 2^64: products that fit, of sizes that do not */
    assert_malformed("\x95\x03\xcf\0\0\0\x01\0\0\0\0\x00\x00\xc4\x00");
    assert_malformed("\x95\x03\x02\xcf\x80\0\0\0\0\0\0\0\x00\xc4\x00");
    /* 2^31 - 1 squared, times 8 */
    assert_malformed("\x95\x01\xce\x7f\xff\xff\xff\xce\x7f\xff\xff\xff\x00\xc4\x08"
                     "eightbyt");
    /* last row beyond the largest */
    assert_malformed("\x95\x03\x01\x01\xce\x7f\xff\xff\xff\xc4\x01x");
    assert_malformed("\x95\x03\x01\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc4\x01x");
}

static void
rows_without_columns_are_a_frame_without_elements(void **state)
{
    (void)state;
    kofn_band band;
    assert_ok(parse("\x95\x01\x05\x00\x00\xc4\x00", 7, &band));
    assert_int_equal(band.mat.rows, 5);
    assert_int_equal(band.mat.cols, 0);
    kofn_mat_fini(&band.mat);
}

static void
assert_well_banded(const kofn_bands *bands, size_t chunk_bytes)
{
    const size_t width = kofn_dtype_width(bands->dtype);
    size_t row = 0;
    assert_true(kofn_bands_are_complete(bands));
    for (size_t i = 0; i < bands->count; i++) {
        const kofn_band *band = &bands->at[i];
        const size_t bytes = band->mat.rows * bands->cols * width;
        kofn_band again;
        assert_int_equal(band->first_row, row);
        assert_int_equal((uintptr_t)band->mat.data % 64, 0);
        assert_ptr_equal((char *)band->frame + KOFN_BLOCK_HEADER_BYTES, band->mat.data);
        assert_int_equal(band->frame_bytes, KOFN_BLOCK_HEADER_BYTES + bytes);
        assert_true(band->frame_bytes <= chunk_bytes || band->mat.rows == 1 || bands->cols == 0 ||
                    bytes < 2 * KOFN_SMALL_FRAME_BYTES);
        memset(band->mat.data, 0x3f, bytes);
        assert_ok(parse(band->frame, band->frame_bytes, &again));
        assert_int_equal(again.first_row, row);
        assert_int_equal(again.mat.rows, band->mat.rows);
        assert_int_equal(again.mat.cols, bands->cols);
        assert_int_equal(again.mat.dtype, bands->dtype);
        kofn_mat_fini(&again.mat);
        row += band->mat.rows;
    }
    assert_int_equal(row, bands->rows);
}

static void
matrices_of_every_shape_are_cut_into_whole_rows(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, 65, 1000};
    static const size_t chunks[] = {0, 1, 41, 100, 4096, 1 << 20, SIZE_MAX};
    kofn_pool *pool = new_pool();
    for (size_t r = 0; r < 8; r++)
        for (size_t c = 0; c < 8; c++)
            for (size_t k = 0; k < 7; k++)
                for (kofn_dtype dtype = KOFN_F64; dtype <= KOFN_I64; dtype++) {
                    kofn_bands bands;
                    assert_ok(kofn_block_bands_new(pool, dtype, sizes[r], sizes[c], chunks[k],
                                                   &bands, &error));
                    assert_int_equal(bands.count == 0, sizes[r] == 0);
                    assert_well_banded(&bands, chunks[k]);
                    kofn_bands_fini(&bands);
                }
    kofn_pool_destroy(&pool);
}

static void
no_matrix_has_more_frames_than_a_peer_takes(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_bands bands;
    assert_ok(
        kofn_block_bands_new(pool, KOFN_U8, KOFN_MATRIX_FRAMES_MAX + 1, 1, 41, &bands, &error));
    assert_true(bands.count <= KOFN_MATRIX_FRAMES_MAX);
    assert_well_banded(&bands, 41);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static void
bands_are_evened_out(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_bands bands;
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 11, 100, 10 * 800 + 40, &bands, &error));
    assert_int_equal(bands.count, 2);
    assert_int_equal(bands.at[0].mat.rows, 6);
    assert_int_equal(bands.at[1].mat.rows, 5);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static void
what_no_frame_can_hold_is_out_of_range(void **state)
{
    (void)state;
    kofn_pool *pool = new_pool();
    kofn_bands bands;
    const size_t row = KOFN_FRAME_BYTES_MAX / 8;
    assert_fails(kofn_block_bands_new(pool, KOFN_F64, 1, row, 1, &bands, &error),
                 KOFN_OUT_OF_RANGE);
    assert_fails(kofn_block_bands_new(pool, KOFN_F64, SIZE_MAX, 2, 1, &bands, &error),
                 KOFN_OUT_OF_RANGE);
    assert_fails(
        kofn_block_bands_new(pool, KOFN_F64, (size_t)KOFN_DIMENSION_MAX + 1, 0, 1, &bands, &error),
        KOFN_OUT_OF_RANGE);
    assert_fails(kofn_block_bands_new(pool, KOFN_DTYPE_NONE, 1, 1, 1, &bands, &error),
                 KOFN_OUT_OF_RANGE);
    assert_fails(kofn_block_check_size(KOFN_F64, 1, row, &error), KOFN_OUT_OF_RANGE);
    assert_ok(kofn_block_check_size(KOFN_F64, 1, row - KOFN_BLOCK_HEADER_BYTES / 8, &error));
    assert_ok(kofn_block_check_size(KOFN_F64, 0, row, &error)); // without rows there is no frame
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 0, row, 1, &bands, &error));
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

/* A view of rows x cols in memory with `stride`, framed band by band, is parsed as it was. */
static void
check_framed_later(size_t rows, size_t cols, size_t stride, size_t chunk)
{
    float data[400];
    kofn_pool *pool = new_pool();
    kofn_bands bands;
    const kofn_mat mat = {
        .data = data, .dtype = KOFN_F32, .rows = rows, .cols = cols, .stride = stride};
    assert_true(rows * stride <= sizeof data / sizeof data[0]);
    for (size_t i = 0; i < rows * stride; i++)
        data[i] = (float)i;
    assert_ok(kofn_block_bands_over(&mat, chunk, &bands, &error));
    assert_true(kofn_bands_are_complete(&bands));
    for (size_t i = 0; i < bands.count; i++) {
        kofn_band framed, parsed;
        assert_null(bands.at[i].frame);
        assert_ok(kofn_block_frame(pool, &bands.at[i], &framed, &error));
        assert_int_equal(framed.first_row, bands.at[i].first_row);
        assert_int_equal(framed.frame_bytes, bands.at[i].frame_bytes);
        assert_ok(parse(framed.frame, framed.frame_bytes, &parsed));
        assert_int_equal(parsed.first_row, bands.at[i].first_row);
        assert_int_equal(parsed.mat.rows, bands.at[i].mat.rows);
        assert_int_equal(parsed.mat.cols, cols);
        for (size_t row = 0; row < parsed.mat.rows; row++)
            assert_memory_equal(kofn_mat_get_row(&parsed.mat, row),
                                data + (parsed.first_row + row) * stride, cols * sizeof(float));
        kofn_mat_fini(&parsed.mat);
        kofn_mat_fini(&framed.mat);
    }
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static void
bands_over_memory_are_framed_when_they_are_sent(void **state)
{
    (void)state;
    check_framed_later(1, 1, 1, 4096);
    check_framed_later(9, 7, 7, 4096);
    check_framed_later(9, 7, 7, 100); // several bands
    check_framed_later(9, 7, 40, 100);
    check_framed_later(9, 7, 7, 1); // a row each
    check_framed_later(3, 0, 5, 100);
    check_framed_later(0, 5, 5, 100);
}

/* A matrix in pieces of these rows each, none of which is read; how many bands it has. */
static size_t
count_pieces(size_t pieces, size_t rows, size_t cols, size_t chunk)
{
    static float somewhere;
    const kofn_mat piece = kofn_mat_wrap(&somewhere, KOFN_F32, rows, cols);
    kofn_bands bands;
    kofn_bands_init(&bands, KOFN_F32, pieces * rows, cols);
    for (size_t i = 0; i < pieces; i++)
        assert_ok(kofn_block_bands_add(&bands, &piece, chunk, &error));
    assert_true(kofn_bands_are_complete(&bands));
    for (size_t i = 0; i < bands.count; i++)
        assert_int_equal(bands.at[i].mat.cols, cols);
    const size_t count = bands.count;
    kofn_bands_fini(&bands);
    return count;
}

static void
pieces_of_a_matrix_share_its_frames(void **state)
{
    (void)state;
    assert_int_equal(count_pieces(3, 16, 1024, 1 << 20), 3);
    assert_int_equal(count_pieces(3, 512, 1024, 1 << 20), 9); // 255 rows fit
    assert_int_equal(count_pieces(4096, 1000, 4096, 256 << 10), 4096 * 8);
    assert_true(count_pieces(3000, 1000, 4096, 256 << 10) <= KOFN_MATRIX_FRAMES_MAX);
    assert_int_equal(count_pieces(2, 0, 7, 100), 0);
    kofn_bands bands;
    static float somewhere;
    const kofn_mat piece = kofn_mat_wrap(&somewhere, KOFN_F32, 3, 2);
    kofn_bands_init(&bands, KOFN_F32, 4, 2);
    assert_ok(kofn_block_bands_add(&bands, &piece, 100, &error));
    assert_fails(kofn_block_bands_add(&bands, &piece, 100, &error), KOFN_INVALID_ARGUMENT);
    kofn_bands_fini(&bands);
}

static void
memory_that_no_frame_can_hold_is_out_of_range(void **state)
{
    (void)state;
    kofn_bands bands;
    kofn_mat mat = {.dtype = KOFN_F64, .rows = 1, .cols = KOFN_FRAME_BYTES_MAX / 8};
    mat.stride = mat.cols;
    assert_fails(kofn_block_bands_over(&mat, 1, &bands, &error), KOFN_OUT_OF_RANGE);
    mat.rows = SIZE_MAX;
    assert_fails(kofn_block_bands_over(&mat, 1, &bands, &error), KOFN_OUT_OF_RANGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_frame_is_protocol_mds_worked_example),
        cmocka_unit_test(a_frame_is_read_at_any_address),
        cmocka_unit_test(a_frame_packed_by_python_is_read),
        cmocka_unit_test(a_frame_cut_short_anywhere_is_refused),
        cmocka_unit_test(what_is_no_array_of_five_with_four_integers_and_a_bin_is_refused),
        cmocka_unit_test(unknown_dtypes_are_refused),
        cmocka_unit_test(complex_matrices_do_not_travel),
        cmocka_unit_test(a_shape_that_is_not_the_bins_length_is_refused),
        cmocka_unit_test(sizes_whose_product_overflows_are_refused),
        cmocka_unit_test(rows_without_columns_are_a_frame_without_elements),
        cmocka_unit_test(matrices_of_every_shape_are_cut_into_whole_rows),
        cmocka_unit_test(no_matrix_has_more_frames_than_a_peer_takes),
        cmocka_unit_test(bands_are_evened_out),
        cmocka_unit_test(what_no_frame_can_hold_is_out_of_range),
        cmocka_unit_test(bands_over_memory_are_framed_when_they_are_sent),
        cmocka_unit_test(pieces_of_a_matrix_share_its_frames),
        cmocka_unit_test(memory_that_no_frame_can_hold_is_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
