#include "tests/unit/code_brute.h"

static void
each_product_is_one_plain_task(void **state)
{
    (void)state;
    const test_code t = {.family = "uncoded", .partition = "2,3,2"};
    kofn_code *code = make_code(&t, "f64", 1);
    assert_int_equal(code->tasks, 12);
    assert_int_equal(code->threshold, 12);
    for (size_t task = 0; task < 12; task++) {
        const size_t k = task % 3, j = task / 3 % 2, i = task / 6;
        assert_int_equal(kofn_code_plain_block(code, 0, task), i * 3 + k);
        assert_int_equal(kofn_code_plain_block(code, 1, task), k * 2 + j);
    }
    kofn_code_destroy(&code);
}

static void
a_whole_product_is_one_task(void **state)
{
    (void)state;
    const test_code t = {.family = "uncoded", .partition = "1,1,1"};
    kofn_code *code = make_code(&t, "f32", 1);
    assert_int_equal(code->tasks, 1);
    assert_int_equal(code->threshold, 1);
    assert_int_equal(kofn_code_plain_column(code, 0), 0);
    kofn_code_destroy(&code);
}

static void
another_number_of_tasks_is_refused(void **state)
{
    (void)state;
    for (size_t tasks = 3; tasks <= 5; tasks += 2) {
        const test_code t = {.family = "uncoded", .partition = "2,1,2", .tasks = tasks};
        kofn_error error;
        kofn_code_spec spec;
        fill_spec(&t, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                     KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "x y z = 4"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_product_is_one_plain_task),
        cmocka_unit_test(a_whole_product_is_one_task),
        cmocka_unit_test(another_number_of_tasks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
