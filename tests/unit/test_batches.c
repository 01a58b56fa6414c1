/* Batches on the wire: what is left out, what comes back, and what is refused. */
#include "proto/messages.h"
#include "tests/assert.h"

#include <stdlib.h>
#include <string.h>

static kofn_error error;

typedef struct entry {
    uint32_t row, column;
    double coef;
} entry;

#define BYTES(entries_)                                                                            \
    (kofn_wire_bytes)                                                                              \
    {                                                                                              \
        .at = (unsigned char *)(entries_), .length = sizeof(entries_)                              \
    }

static kofn_status
read_batch(const kofn_msg_batch *message, kofn_batch **ret_batch)
{
    return kofn_msg_batch_to_batch(message, kofn_field_find("f64"), ret_batch, &error);
}

static void
pairs_alone_are_products_of_stacked_blocks(void **state)
{
    (void)state;
    kofn_batch *batch;
    assert_ok(read_batch(&(kofn_msg_batch){.a_rows = 3, .b_rows = 3, .pairs = 3}, &batch));
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->out.rows, 3);
    for (size_t pair = 0; pair < 3; pair++) {
        assert_int_equal(kofn_batch_get_block(batch, 0, pair), pair);
        assert_int_equal(kofn_batch_get_block(batch, 1, pair), pair);
        assert_int_equal(batch->weights.column[pair], pair);
        assert_true(batch->weights.coef[pair] == 1);
    }
    kofn_batch_destroy(&batch);
}

/* The 3M method, as batch.h has it. */
static entry sides[] = {{0, 0, 1}, {1, 1, 1}, {2, 0, 1}, {2, 1, 1}};
static entry weights[] = {{0, 0, 1}, {0, 1, -1}, {1, 0, -1}, {1, 1, -1}, {1, 2, 1}};

static kofn_msg_batch
make_complex(void)
{
    return (kofn_msg_batch){.a_rows = 2,
                            .b_rows = 2,
                            .c_rows = 2,
                            .pairs = 3,
                            .left = BYTES(sides),
                            .right = BYTES(sides),
                            .weights = BYTES(weights)};
}

static void
a_batch_comes_back_as_it_was(void **state)
{
    (void)state;
    const kofn_msg_batch message = make_complex();
    kofn_batch *batch;
    kofn_msg_batch back;
    assert_ok(read_batch(&message, &batch));
    assert_int_equal(kofn_batch_get_block(batch, 0, 2), SIZE_MAX);
    assert_ok(kofn_msg_batch_from_batch(batch, &back, &error));
    assert_int_equal(back.pairs, 3);
    assert_int_equal(back.c_rows, 2);
    assert_int_equal(back.left.length, sizeof sides);
    assert_memory_equal(back.left.at, sides, sizeof sides);
    assert_memory_equal(back.right.at, sides, sizeof sides);
    assert_int_equal(back.weights.length, sizeof weights);
    assert_memory_equal(back.weights.at, weights, sizeof weights);
    kofn_message_clear(&kofn_batch_message, &back);
    kofn_batch_destroy(&batch);
}

static void
assert_refused(const kofn_msg_batch *message, const char *says)
{
    kofn_batch *batch = NULL;
    assert_true(read_batch(message, &batch) != KOFN_OK);
    assert_null(batch);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

static void
numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    kofn_msg_batch m = make_complex();
    m.left.length = sizeof sides - 1;
    assert_refused(&m, "no entries of 16");

    m = make_complex();
    m.weights.length = 8; // and not absent
    assert_refused(&m, "no entries of 16");

    m = make_complex();
    m.pairs = 2; // the lists speak of a third
    assert_refused(&m, "of 2 rows");

    m = make_complex();
    entry turned[] = {{1, 0, 1}, {0, 1, 1}, {2, 1, 1}};
    m.right = BYTES(turned);
    assert_refused(&m, "ascend");

    m = make_complex();
    m.a_rows = 1; // left names block 1
    assert_refused(&m, "");

    m = make_complex();
    m.c_rows = m.c_cols = KOFN_PAIRS_MAX;
    assert_refused(&m, "at most");

    m = make_complex();
    entry nothing[] = {{0, 0, 1}, {1, 1, 0}, {2, 0, 1}};
    m.left = BYTES(nothing);
    assert_refused(&m, "");

    m = (kofn_msg_batch){.a_rows = 2, .b_rows = 3, .pairs = 3}; // three pairs, two blocks of A
    assert_refused(&m, "");

    m = (kofn_msg_batch){.a_rows = 1, .b_rows = 1};
    assert_refused(&m, "pair");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_alone_are_products_of_stacked_blocks),
        cmocka_unit_test(a_batch_comes_back_as_it_was),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
