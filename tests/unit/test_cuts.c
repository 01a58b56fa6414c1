#include "common/code/cuts.h"
#include "tests/assert.h"

static kofn_error error;

static void
parts_are_numbers_and_commas_and_nothing_else(void **state)
{
    (void)state;
    kofn_cuts parts;
    char text[KOFN_CUTS_TEXT_MAX];
    static const char *const right[][2] = {
        {"2,3", "2,3"}, {" 2 , 0 ,1", "2,0,1"}, {"1,2,3,4,5,6,7,65536", "1,2,3,4,5,6,7,65536"}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_ok(kofn_cuts_parse(right[i][0], 65536, &parts, &error));
        kofn_cuts_format(&parts, text);
        assert_string_equal(text, right[i][1]);
    }
    static const char *const wrong[] = {"",
                                        "2",
                                        "2,",
                                        ",2",
                                        "2,,3",
                                        "2,-3",
                                        "2,+3",
                                        "2,3,",
                                        "2,3 4",
                                        "2;3",
                                        "2,3x",
                                        "2,65537",
                                        "0x2,3",
                                        "1,1,1,1,1,1,1,1,1",
                                        "2,99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (kofn_cuts_parse(wrong[i], 65536, &parts, &error) != KOFN_INVALID_ARGUMENT)
            fail_msg("'%s' was taken for parts", wrong[i]);
}

static void
pieces_are_the_product_and_never_overflow(void **state)
{
    (void)state;
    const kofn_cuts parts = {.count = 3, .of = {2, 3, 4}};
    assert_int_equal(kofn_cuts_count_pieces(&parts), 24);
    const kofn_cuts huge = {.count = 5, .of = {65536, 65536, 65536, 65536, 2}};
    assert_true(kofn_cuts_count_pieces(&huge) == SIZE_MAX);
    kofn_cuts other = parts;
    assert_true(kofn_cuts_are_equal(&parts, &other));
    other.of[2]++;
    assert_false(kofn_cuts_are_equal(&parts, &other));
}

static void
operands_are_cut_along_the_longer_side(void **state)
{
    (void)state;
    const kofn_cuts parts = {.count = 3, .of = {2, 3, 4}};
    const kofn_extents extents = {.count = 3, .rows = {10, 5, 7}, .cols = {9, 6, 7}};
    static const kofn_grid want[] = {{2, 1}, {1, 3}, {4, 1}};
    for (size_t i = 0; i < 3; i++) {
        const kofn_grid grid = kofn_cuts_get_grid(&parts, &extents, i);
        assert_int_equal(grid.rows, want[i].rows);
        assert_int_equal(grid.cols, want[i].cols);
    }
}

static void
pieces_go_to_the_operands_that_are_largest(void **state)
{
    (void)state;
    const kofn_extents even = {.count = 2, .rows = {100, 100}, .cols = {1, 1}};
    const kofn_extents uneven = {.count = 3, .rows = {100, 10, 1}, .cols = {100, 1, 1}};
    kofn_cuts parts = {.count = 2};
    assert_true(kofn_cuts_spread(&parts, &even, 4));
    assert_int_equal(parts.of[0], 2);
    assert_int_equal(parts.of[1], 2);

    parts = (kofn_cuts){.count = 3};
    assert_true(kofn_cuts_spread(&parts, &uneven, 6)); // 100 x 100 is the largest even in 6 parts
    assert_int_equal(parts.of[0], 6);
    assert_int_equal(parts.of[1], 1);
    assert_int_equal(parts.of[2], 1);

    parts = (kofn_cuts){.count = 3, .of = {2, 0, 0}}; // what is given stays
    assert_true(kofn_cuts_spread(&parts, &uneven, 10));
    assert_int_equal(parts.of[0], 2);
    assert_int_equal(parts.of[1], 5);
}

static void
no_operand_gets_more_parts_than_it_is_long(void **state)
{
    (void)state;
    const kofn_extents small = {.count = 2, .rows = {3, 1}, .cols = {1, 1}};
    kofn_cuts parts = {.count = 2};
    assert_true(kofn_cuts_spread(&parts, &small, 3));
    assert_false(kofn_cuts_spread(&(kofn_cuts){.count = 2}, &small, 4));
    assert_false(kofn_cuts_spread(&(kofn_cuts){.count = 2}, &small, 5));
    assert_false(kofn_cuts_spread(&(kofn_cuts){.count = 2, .of = {2, 0}}, &small, 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_numbers_and_commas_and_nothing_else),
        cmocka_unit_test(pieces_are_the_product_and_never_overflow),
        cmocka_unit_test(operands_are_cut_along_the_longer_side),
        cmocka_unit_test(pieces_go_to_the_operands_that_are_largest),
        cmocka_unit_test(no_operand_gets_more_parts_than_it_is_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
