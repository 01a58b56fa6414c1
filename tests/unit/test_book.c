#include "master/sched/book.h"
#include "tests/assert.h"

static kofn_book book;

static int
open_book(void **state)
{
    (void)state;
    assert_true(kofn_book_init(&book, 2, 3, 4)); // rows 0, 1 plain, 2 to 4 coded
    kofn_book_open(&book, 7, 1);
    return 0;
}

static int
close_book(void **state)
{
    (void)state;
    kofn_book_fini(&book);
    return 0;
}

static void
assert_any(size_t expected)
{
    size_t row = 99;
    assert_true(kofn_book_take_any(&book, &row));
    assert_int_equal(row, expected);
}

static void
fresh_rows_come_in_order_plain_and_coded_apart(void **state)
{
    (void)state;
    assert_any(2);
    assert_int_equal(kofn_book_take_plain(&book), 0);
    assert_int_equal(kofn_book_count_plain(&book), 1);
    assert_any(3);
    assert_int_equal(kofn_book_take_plain(&book), 1);
    assert_int_equal(kofn_book_count_plain(&book), 0);
}

static void
rows_that_failed_follow_coded_ones_and_plain_ones_come_last(void **state)
{
    (void)state;
    size_t row = 99;
    assert_any(2);
    kofn_book_fail(&book, 2);
    assert_any(3);
    assert_any(4);
    assert_any(2);
    assert_any(0);
    assert_any(1);
    assert_false(kofn_book_take_any(&book, &row));
    assert_int_equal(row, 99);
    kofn_book_fail(&book, 4);
    assert_any(4);
}

static void
a_row_is_owed_to_the_slot_where_it_failed_and_to_nobody_else(void **state)
{
    (void)state;
    size_t row = 99;
    for (size_t i = 0; i < 5; i++)
        assert_true(kofn_book_take_any(&book, &row));
    kofn_book_owe(&book, 0, 3);
    kofn_book_owe(&book, 4, 1);
    assert_int_equal(book.owed_count, 2);
    assert_false(kofn_book_take_any(&book, &row));
    assert_true(kofn_book_is_owed(&book, 3) && kofn_book_is_owed(&book, 1));
    assert_false(kofn_book_is_owed(&book, 0) || kofn_book_is_owed(&book, 2));
    assert_int_equal(kofn_book_take_owed(&book, 3), 0);
    assert_false(kofn_book_is_owed(&book, 3));
    assert_int_equal(book.owed_count, 1);
}

static void
a_book_that_was_closed_is_as_new(void **state)
{
    (void)state;
    assert_any(2);
    assert_int_equal(kofn_book_take_plain(&book), 0);
    kofn_book_fail(&book, 2);
    kofn_book_owe(&book, 0, 2);
    book.answers = 5;
    kofn_book_close(&book);
    assert_int_equal(book.job, 0);
    kofn_book_open(&book, 8, 9);
    assert_int_equal(book.birth, 9);
    assert_int_equal(book.answers, 0);
    assert_false(kofn_book_is_owed(&book, 2));
    assert_int_equal(book.owed_count, 0);
    size_t row = 99;
    for (size_t i = 0; i < 5; i++)
        assert_any((i + 2) % 5);
    assert_false(kofn_book_take_any(&book, &row)); // nor has any failed
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fresh_rows_come_in_order_plain_and_coded_apart, open_book,
                                        close_book),
        cmocka_unit_test_setup_teardown(rows_that_failed_follow_coded_ones_and_plain_ones_come_last,
                                        open_book, close_book),
        cmocka_unit_test_setup_teardown(
            a_row_is_owed_to_the_slot_where_it_failed_and_to_nobody_else, open_book, close_book),
        cmocka_unit_test_setup_teardown(a_book_that_was_closed_is_as_new, open_book, close_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
