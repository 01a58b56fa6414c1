/* Answers on the shelf: found by either name, oldest first out, nothing beyond the budget. */
#include "tests/assert.h"

#include "worker/shelf.h"

enum { ROWS = 4, BYTES = ROWS * ROWS * 8 };

static kofn_answer_id
id_of(uint64_t epoch, uint64_t assignment)
{
    kofn_answer_id id = {.first = {epoch, assignment}, .task = assignment};
    id.latest = id.first;
    return id;
}

static kofn_kept *
add(kofn_shelf *shelf, uint64_t assignment)
{
    static double elements[ROWS * ROWS];
    const kofn_mat mat = kofn_mat_wrap(elements, KOFN_F64, ROWS, ROWS);
    kofn_bands bands;
    kofn_error error;
    const kofn_answer_id id = id_of(1, assignment);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    kofn_kept *kept = kofn_shelf_add(shelf, &id, &bands);
    kofn_bands_fini(&bands);
    return kept;
}

static bool
has(const kofn_shelf *shelf, uint64_t epoch, uint64_t assignment)
{
    return kofn_shelf_find(shelf, (kofn_answer_name){epoch, assignment}) != NULL;
}

static void
an_answer_is_found_by_its_first_and_its_latest_name(void **state)
{
    (void)state;
    kofn_shelf shelf;
    kofn_shelf_init(&shelf, 1 << 20);
    kofn_kept *kept = add(&shelf, 7);
    assert_non_null(kept);
    assert_int_equal(kept->c.rows, ROWS);
    kept->id.latest = (kofn_answer_name){2, 3};
    assert_true(has(&shelf, 1, 7) && has(&shelf, 2, 3));
    assert_false(has(&shelf, 1, 3) || has(&shelf, 2, 7));
    kofn_shelf_drop(&shelf, kept);
    assert_false(has(&shelf, 1, 7));
    assert_int_equal(shelf.bytes, 0);
    kofn_shelf_fini(&shelf);
}

static void
the_oldest_go_first_when_the_budget_is_full(void **state)
{
    (void)state;
    kofn_shelf shelf;
    kofn_shelf_init(&shelf, 3 * (BYTES + sizeof(kofn_kept)));
    for (uint64_t i = 1; i <= 5; i++)
        assert_non_null(add(&shelf, i));
    assert_int_equal(shelf.count, 3);
    assert_int_equal(shelf.let_go, 2);
    assert_false(has(&shelf, 1, 1) || has(&shelf, 1, 2));
    assert_true(has(&shelf, 1, 3) && has(&shelf, 1, 5));
    kofn_shelf_shrink(&shelf, 0);
    assert_int_equal(shelf.count, 0);
    kofn_shelf_fini(&shelf);
}

static void
what_is_larger_than_the_budget_is_not_kept_and_pushes_nothing_out(void **state)
{
    (void)state;
    kofn_shelf shelf;
    kofn_shelf_init(&shelf, 0);
    assert_null(add(&shelf, 1));
    kofn_shelf_init(&shelf, BYTES + sizeof(kofn_kept));
    assert_non_null(add(&shelf, 1));
    shelf.limit = BYTES;
    assert_null(add(&shelf, 2));
    assert_true(has(&shelf, 1, 1));
    kofn_shelf_fini(&shelf);
}

static void
so_many_are_kept_as_a_hello_can_list(void **state)
{
    (void)state;
    kofn_shelf shelf;
    kofn_shelf_init(&shelf, SIZE_MAX);
    for (uint64_t i = 0; i < KOFN_KEPT_MAX + 10; i++)
        assert_non_null(add(&shelf, i));
    assert_int_equal(shelf.count, KOFN_KEPT_MAX);
    assert_false(has(&shelf, 1, 9));
    assert_true(has(&shelf, 1, 10));
    kofn_shelf_fini(&shelf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_found_by_its_first_and_its_latest_name),
        cmocka_unit_test(the_oldest_go_first_when_the_budget_is_full),
        cmocka_unit_test(what_is_larger_than_the_budget_is_not_kept_and_pushes_nothing_out),
        cmocka_unit_test(so_many_are_kept_as_a_hello_can_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
