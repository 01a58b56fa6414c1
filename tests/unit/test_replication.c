#include "tests/unit/code_brute.h"

static void
copies_follow_the_uncoded_tasks(void **state)
{
    (void)state;
    const test_code t = {.family = "replication", .partition = "2,1,2", .set = "copies=3"};
    kofn_code *code = make_code(&t, "f64", 1);
    assert_int_equal(code->tasks, 12);
    assert_int_equal(code->threshold, 12 - 3 + 1);
    for (size_t task = 0; task < 12; task++)
        assert_int_equal(kofn_code_plain_column(code, task), task % 4);
    kofn_code_destroy(&code);
}

static void
losing_all_copies_of_one_product_is_fatal_and_less_is_not(void **state)
{
    (void)state;
    kofn_error error;
    const test_code t = {.family = "replication", .partition = "2,1,2"};
    kofn_code *code = make_code(&t, "f64", 1);
    for (size_t lost = 0; lost < 4; lost++) {
        kofn_decoder *d;
        assert_ok(kofn_decoder_new(code, 0, &d, &error));
        for (size_t task = 0; task < 8; task++)
            if (task % 4 != lost)
                assert_ok(kofn_decoder_add(d, task, &error));
        assert_int_equal(kofn_decoder_get_count(d), 6);
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
        assert_ok(kofn_decoder_add(d, lost + 4, &error));
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

static void
the_first_copy_is_the_one_that_is_used(void **state)
{
    (void)state;
    kofn_error error;
    const test_code t = {.family = "replication", .partition = "2,1,1"};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    const size_t order[] = {2, 0, 3};
    for (size_t i = 0; i < 3; i++)
        assert_ok(kofn_decoder_add(d, order[i], &error));
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    assert_int_equal(plan.used, 2);
    assert_int_equal(plan.task[0], 2);
    assert_int_equal(plan.task[1], 3);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
tasks_that_are_no_multiple_are_refused_with_the_right_number(void **state)
{
    (void)state;
    const test_code t = {.family = "replication", .partition = "2,1,2", .tasks = 7};
    kofn_error error;
    kofn_code_spec spec;
    fill_spec(&t, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "copies x y z = 8"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_follow_the_uncoded_tasks),
        cmocka_unit_test(losing_all_copies_of_one_product_is_fatal_and_less_is_not),
        cmocka_unit_test(the_first_copy_is_the_one_that_is_used),
        cmocka_unit_test(tasks_that_are_no_multiple_are_refused_with_the_right_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
