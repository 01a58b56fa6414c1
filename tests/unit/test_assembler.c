#include "proto/transfer.h"

#include "tests/assert.h"

#include "common/base/rng.h"

static kofn_error error;

/* A matrix whose frames are taken from and given to assemblers. */
typedef struct fixture {
    kofn_pool *pool;
    kofn_bands a, b; // 7 x 3 f64 in bands of two rows, 5 x 2 f32 in bands of one
} fixture;

static size_t frames_held;

static void
let_go(void *data, void *hint)
{
    (void)data, (void)hint;
    frames_held--;
}

static int
set_up(void **state)
{
    frames_held = 0;
    static fixture f;
    assert_ok(kofn_pool_new(1 << 20, &f.pool, &error));
    assert_ok(kofn_block_bands_new(f.pool, KOFN_F64, 7, 3, 40 + 48, &f.a, &error));
    assert_ok(kofn_block_bands_new(f.pool, KOFN_F32, 5, 2, 1, &f.b, &error));
    assert_int_equal(f.a.count, 4);
    assert_int_equal(f.b.count, 5);
    for (size_t i = 0; i < f.a.count; i++)
        memset(f.a.at[i].mat.data, (int)i + 1, f.a.at[i].frame_bytes - KOFN_BLOCK_HEADER_BYTES);
    for (size_t i = 0; i < f.b.count; i++)
        memset(f.b.at[i].mat.data, (int)i + 11, f.b.at[i].frame_bytes - KOFN_BLOCK_HEADER_BYTES);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    kofn_bands_fini(&f->a);
    kofn_bands_fini(&f->b);
    size_t out, idle;
    kofn_pool_get_usage(f->pool, &out, &idle);
    kofn_pool_destroy(&f->pool);
    return out == 0 && frames_held == 0 ? 0 : -1; // else a ref was forgotten
}

/* As it would arrive: the frame's bytes alone. */
static kofn_status
give_bytes(kofn_assembler *assembler, void *bytes, size_t length)
{
    kofn_buf *frame;
    assert_ok(kofn_buf_wrap(bytes, length, let_go, NULL, &frame, &error));
    frames_held++;
    kofn_status status = kofn_assembler_take(assembler, frame, &error);
    kofn_buf_unref(&frame);
    return status;
}

static kofn_status
give(kofn_assembler *assembler, const kofn_band *band)
{
    return give_bytes(assembler, band->frame, band->frame_bytes);
}

static void
expect_both(kofn_assembler *assembler)
{
    kofn_assembler_init(assembler);
    assert_ok(kofn_assembler_expect(assembler, KOFN_F64, 7, 3, &error));
    assert_ok(kofn_assembler_expect(assembler, KOFN_F32, 5, 2, &error));
}

static void
assert_same_elements(const kofn_bands *got, const kofn_bands *want)
{
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < want->count; i++)
        assert_memory_equal(got->at[i].mat.data, want->at[i].mat.data,
                            want->at[i].frame_bytes - KOFN_BLOCK_HEADER_BYTES);
}

static void
frames_in_order_make_the_matrices(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    expect_both(&assembler);
    for (size_t i = 0; i < f->a.count; i++) {
        assert_false(kofn_assembler_is_complete(&assembler));
        assert_ok(give(&assembler, &f->a.at[i]));
    }
    for (size_t i = 0; i < f->b.count; i++) {
        assert_false(kofn_assembler_is_complete(&assembler));
        assert_ok(give(&assembler, &f->b.at[i]));
    }
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_same_elements(&assembler.mat[0], &f->a);
    assert_same_elements(&assembler.mat[1], &f->b);
    kofn_assembler_fini(&assembler);
}

static void
a_frame_skipped_repeated_or_of_the_other_matrix_is_refused(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    expect_both(&assembler);
    assert_fails(give(&assembler, &f->a.at[1]), KOFN_INVALID_ARGUMENT);
    assert_fails(give(&assembler, &f->b.at[0]), KOFN_INVALID_ARGUMENT);
    assert_ok(give(&assembler, &f->a.at[0]));
    assert_fails(give(&assembler, &f->a.at[0]), KOFN_INVALID_ARGUMENT);
    assert_fails(give(&assembler, &f->a.at[2]), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "starts at row 4 where row 2 is due"));
    for (size_t i = 1; i < f->a.count; i++) // what was refused has left no trace
        assert_ok(give(&assembler, &f->a.at[i]));
    assert_fails(give(&assembler, &f->a.at[3]), KOFN_INVALID_ARGUMENT);
    assert_same_elements(&assembler.mat[0], &f->a);
    kofn_assembler_fini(&assembler);
}

static void
a_frame_too_many_is_refused(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_fails(give(&assembler, &f->a.at[0]), KOFN_INVALID_ARGUMENT);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 2, 3, &error));
    assert_ok(give(&assembler, &f->a.at[0]));
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_fails(give(&assembler, &f->a.at[1]), KOFN_INVALID_ARGUMENT);
    kofn_assembler_fini(&assembler);
}

static void
more_rows_than_expected_other_columns_or_dtype_are_refused(void **state)
{
    const fixture *f = *state;
    static const struct {
        kofn_dtype dtype;
        size_t rows, cols;
    } others[] = {{KOFN_F64, 1, 3}, {KOFN_F64, 7, 4}, {KOFN_F64, 7, 2}, {KOFN_I64, 7, 3}};
    for (size_t i = 0; i < 4; i++) {
        kofn_assembler assembler;
        kofn_assembler_init(&assembler);
        assert_ok(kofn_assembler_expect(&assembler, others[i].dtype, others[i].rows, others[i].cols,
                                        &error));
        assert_fails(give(&assembler, &f->a.at[0]), KOFN_INVALID_ARGUMENT);
        assert_false(kofn_assembler_is_complete(&assembler));
        kofn_assembler_fini(&assembler);
    }
}

static void
malformed_frames_are_refused(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    expect_both(&assembler);
    const kofn_band *first = &f->a.at[0];
    for (size_t length = 0; length < first->frame_bytes; length++)
        assert_fails(give_bytes(&assembler, first->frame, length), KOFN_INVALID_ARGUMENT);
    assert_ok(give(&assembler, first));
    kofn_assembler_fini(&assembler);
}

static void
matrices_without_rows_take_no_frame(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 0, 3, &error));
    assert_true(kofn_assembler_is_complete(&assembler));
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F32, 5, 2, &error));
    assert_false(kofn_assembler_is_complete(&assembler));
    for (size_t i = 0; i < f->b.count; i++)
        assert_ok(give(&assembler, &f->b.at[i]));
    assert_true(kofn_assembler_is_complete(&assembler));
    kofn_assembler_fini(&assembler);
}

static void
a_matrix_that_is_there_takes_no_frame(void **state)
{
    const fixture *f = *state;
    for (size_t there = 0; there < 3; there++) { // A, B, both
        kofn_assembler assembler;
        kofn_assembler_init(&assembler);
        if (there == 1)
            assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 7, 3, &error));
        else
            assert_ok(kofn_assembler_have(&assembler, &f->a, &error));
        if (there == 0)
            assert_ok(kofn_assembler_expect(&assembler, KOFN_F32, 5, 2, &error));
        else
            assert_ok(kofn_assembler_have(&assembler, &f->b, &error));
        assert_int_equal(kofn_assembler_is_complete(&assembler), there == 2);
        const kofn_bands *missing = there == 0 ? &f->b : &f->a;
        for (size_t i = 0; there < 2 && i < missing->count; i++)
            assert_ok(give(&assembler, &missing->at[i]));
        assert_true(kofn_assembler_is_complete(&assembler));
        assert_same_elements(&assembler.mat[0], &f->a);
        assert_same_elements(&assembler.mat[1], &f->b);
        for (size_t more = 2; more < KOFN_TRANSFER_MATRICES_MAX; more++)
            assert_ok(kofn_assembler_have(&assembler, &f->a, &error));
        assert_fails(kofn_assembler_have(&assembler, &f->a, &error), KOFN_OUT_OF_RANGE);
        kofn_assembler_fini(&assembler);
    }
}

static void
rows_without_columns_take_a_frame(void **state)
{
    (void)state;
    kofn_assembler assembler;
    char frame[] = "\x95\x01\x03\x00\x00\xc4\x00";
    kofn_assembler_init(&assembler);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_F64, 3, 0, &error));
    assert_false(kofn_assembler_is_complete(&assembler));
    assert_ok(give_bytes(&assembler, frame, 7));
    assert_true(kofn_assembler_is_complete(&assembler));
    kofn_assembler_fini(&assembler);
}

static void
sizes_out_of_range_are_not_expected(void **state)
{
    (void)state;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    const size_t beyond = (size_t)KOFN_DIMENSION_MAX + 1;
    assert_fails(kofn_assembler_expect(&assembler, KOFN_U8, beyond, 1, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_assembler_expect(&assembler, KOFN_U8, 1, beyond, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_assembler_expect(&assembler, KOFN_DTYPE_NONE, 1, 1, &error),
                 KOFN_OUT_OF_RANGE);
    for (size_t i = 0; i < KOFN_TRANSFER_MATRICES_MAX; i++)
        assert_ok(kofn_assembler_expect(&assembler, KOFN_U8, 1, 1, &error));
    assert_fails(kofn_assembler_expect(&assembler, KOFN_U8, 1, 1, &error), KOFN_OUT_OF_RANGE);
    kofn_assembler_fini(&assembler);
}

/* A row of u8 elements as a frame of its own. */
static kofn_status
give_row(kofn_assembler *assembler, size_t row, size_t cols)
{
    static unsigned char frame[12 + KOFN_SMALL_FRAME_BYTES] = {0x95, 0x03, 0x01, 0xcd, 0, 0,
                                                               0xcd, 0,    0,    0xc5, 0, 0};
    frame[4] = frame[10] = (unsigned char)(cols >> 8);
    frame[5] = frame[11] = (unsigned char)cols;
    frame[7] = (unsigned char)(row >> 8);
    frame[8] = (unsigned char)row;
    return give_bytes(assembler, frame, 12 + cols);
}

static void
a_matrix_in_too_many_frames_is_refused(void **state)
{
    (void)state;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_U8, KOFN_MATRIX_FRAMES_MAX + 1,
                                    KOFN_SMALL_FRAME_BYTES, &error));
    for (size_t row = 0; row < KOFN_MATRIX_FRAMES_MAX; row++)
        assert_ok(give_row(&assembler, row, KOFN_SMALL_FRAME_BYTES));
    assert_fails(give_row(&assembler, KOFN_MATRIX_FRAMES_MAX, KOFN_SMALL_FRAME_BYTES),
                 KOFN_INVALID_ARGUMENT);
    assert_false(kofn_assembler_is_complete(&assembler));
    kofn_assembler_fini(&assembler);
}

static void
so_many_frames_of_a_matrix_may_be_small_and_no_more(void **state)
{
    (void)state;
    static const size_t cols[] = {0, 1, 512};
    for (size_t i = 0; i < 3; i++) {
        kofn_assembler assembler;
        kofn_assembler_init(&assembler);
        assert_ok(kofn_assembler_expect(&assembler, KOFN_U8, 1000, cols[i], &error));
        size_t row = 0;
        while (row < 1000 && give_row(&assembler, row, cols[i]) == KOFN_OK)
            row++;
        /* n rows of c bytes, and the next: until c n / 1024 < n - 64 */
        const size_t most =
            KOFN_SMALL_FRAMES_MAX * KOFN_SMALL_FRAME_BYTES / (KOFN_SMALL_FRAME_BYTES - cols[i]);
        assert_true(row > KOFN_SMALL_FRAMES_MAX && row >= most && row <= most + 1);
        assert_fails(give_row(&assembler, row, cols[i]), KOFN_INVALID_ARGUMENT);
        kofn_assembler_fini(&assembler);
    }
}

static void
an_assembler_given_up_lets_go_of_its_frames(void **state)
{
    const fixture *f = *state;
    kofn_assembler assembler;
    expect_both(&assembler);
    kofn_buf *frame;
    assert_ok(kofn_pool_get(f->pool, f->a.at[0].frame_bytes, &frame, &error));
    memcpy(kofn_buf_get_data(frame), f->a.at[0].frame, f->a.at[0].frame_bytes);
    assert_ok(kofn_assembler_take(&assembler, frame, &error));
    kofn_buf_unref(&frame);
    kofn_assembler_fini(&assembler); // tear_down counts what is out
}

#define with_fixture(test_) cmocka_unit_test_setup_teardown(test_, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(frames_in_order_make_the_matrices),
        with_fixture(a_frame_skipped_repeated_or_of_the_other_matrix_is_refused),
        with_fixture(a_frame_too_many_is_refused),
        with_fixture(more_rows_than_expected_other_columns_or_dtype_are_refused),
        with_fixture(malformed_frames_are_refused),
        with_fixture(matrices_without_rows_take_no_frame),
        with_fixture(a_matrix_that_is_there_takes_no_frame),
        with_fixture(rows_without_columns_take_a_frame),
        with_fixture(sizes_out_of_range_are_not_expected),
        with_fixture(a_matrix_in_too_many_frames_is_refused),
        with_fixture(so_many_frames_of_a_matrix_may_be_small_and_no_more),
        with_fixture(an_assembler_given_up_lets_go_of_its_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
