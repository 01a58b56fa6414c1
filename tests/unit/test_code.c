#include "tests/unit/code_brute.h"

static kofn_code *
alloc_code(kofn_partition part, size_t tasks)
{
    kofn_error error;
    kofn_code *code;
    assert_ok(kofn_code_alloc("test", kofn_field_find("f64"), part, tasks, &code, &error));
    return code;
}

static void
targets_are_the_sums_of_the_plain_product(void **state)
{
    (void)state;
    kofn_code *code = alloc_code((kofn_partition){.x = 2, .z = 3, .y = 2}, 1);
    assert_int_equal(code->targets.rows, 4);
    assert_int_equal(kofn_code_columns(code), 2 * 3 * 3 * 2);
    double *targets = new_dense_targets(code);
    for (size_t t = 0; t < 4; t++)
        for (size_t c = 0; c < 36; c++) {
            const size_t a = c / 6, b = c % 6; // A_ik is block 3 i + k, B_kj is block 2 k + j
            const bool wanted = a / 3 == t / 2 && b % 2 == t % 2 && a % 3 == b / 2;
            assert_true(targets[t * 36 + c] == (wanted ? 1 : 0));
        }
    free(targets);
    kofn_code_destroy(&code);
}

static void
grids_cut_the_operands_and_the_product(void **state)
{
    (void)state;
    kofn_code *code = alloc_code((kofn_partition){.x = 2, .z = 3, .y = 4}, 5);
    assert_int_equal(code->grid[0].rows, 2);
    assert_int_equal(code->grid[0].cols, 3);
    assert_int_equal(code->grid[1].rows, 3);
    assert_int_equal(code->grid[1].cols, 4);
    assert_int_equal(code->out.rows, 2);
    assert_int_equal(code->out.cols, 4);
    assert_int_equal(code->e[0].rows, 5);
    assert_int_equal(code->e[0].cols, 6);
    assert_int_equal(code->e[1].cols, 12);
    kofn_code_destroy(&code);
}

static void
a_row_of_g_is_the_kronecker_product(void **state)
{
    (void)state;
    kofn_code *code = alloc_code((kofn_partition){.x = 2, .z = 1, .y = 3}, 2);
    const double a[] = {2, -1}, b[] = {3, 0, 5};
    memcpy(code->e[0].at + 2, a, sizeof a);
    memcpy(code->e[1].at + 3, b, sizeof b);
    double row[6];
    const double expected[] = {6, 0, 10, -3, 0, -5};
    kofn_code_fill_row(code, 1, row);
    for (size_t c = 0; c < 6; c++)
        assert_true(row[c] == expected[c]);
    kofn_code_destroy(&code);
}

static void
only_a_unit_row_is_plain(void **state)
{
    (void)state;
    kofn_code *code = alloc_code((kofn_partition){.x = 3, .z = 1, .y = 2}, 5);
    const double a[] = {0, 1, 0, /**/ 0, 2, 0, /**/ 1, 1, 0, /**/ 0, 0, 0, /**/ 0, 0, 1};
    const double b[] = {0, 1, 0, 1, 0, 1, 0, 1, 1, 0.5};
    memcpy(code->e[0].at, a, sizeof a);
    memcpy(code->e[1].at, b, sizeof b);
    kofn_code_seal(code);
    assert_int_equal(kofn_code_plain_block(code, 0, 0), 1);
    assert_int_equal(kofn_code_plain_block(code, 1, 0), 1);
    assert_int_equal(kofn_code_plain_column(code, 0), 1 * 2 + 1);
    for (size_t task = 1; task < 4; task++) { // scaled, a sum, nothing
        assert_true(kofn_code_plain_block(code, 0, task) == SIZE_MAX);
        assert_true(kofn_code_plain_column(code, task) == SIZE_MAX);
    }
    assert_int_equal(kofn_code_plain_block(code, 0, 4), 2); // one operand plain, the other mixed
    assert_true(kofn_code_plain_column(code, 4) == SIZE_MAX);
    kofn_code_destroy(&code);
}

static void
a_code_lives_until_its_last_ref_goes(void **state)
{
    (void)state;
    kofn_code *code = alloc_code((kofn_partition){.x = 1, .z = 1, .y = 1}, 1);
    kofn_code *second = kofn_code_ref(code);
    kofn_code_destroy(&code);
    assert_null(code);
    assert_int_equal(second->tasks, 1);
    kofn_code_destroy(&second);
    kofn_code_destroy(&second); // accepts NULL
}

static void
sizes_above_the_limits_are_refused_before_allocation(void **state)
{
    (void)state;
    static const struct {
        kofn_partition part;
        size_t tasks;
    } wrong[] = {
        {{.x = 0, .z = 1, .y = 1}, 1},
        {{.x = 1, .z = 1, .y = 1}, 0},
        {{.x = 1, .z = 1, .y = 1}, KOFN_TASKS_MAX + 1},
        {{.x = 1 << 11, .z = 1, .y = 1 << 10}, 1},           // columns
        {{.x = 1, .z = 1025, .y = 1}, 1},                    // columns: z twice
        {{.x = 1 << 10, .z = 1, .y = 1 << 10}, 1},           // coefficients of the targets
        {{.x = SIZE_MAX / 2, .z = 3, .y = SIZE_MAX / 2}, 1}, // overflow
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code *code = NULL;
        assert_fails(kofn_code_alloc("test", kofn_field_find("f64"), wrong[i].part, wrong[i].tasks,
                                     &code, &error),
                     KOFN_OUT_OF_RANGE);
        assert_null(code);
    }
    assert_true(kofn_size_multiply(SIZE_MAX, 2) == SIZE_MAX);
    assert_int_equal(kofn_size_multiply(6, 7), 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_the_sums_of_the_plain_product),
        cmocka_unit_test(grids_cut_the_operands_and_the_product),
        cmocka_unit_test(a_row_of_g_is_the_kronecker_product),
        cmocka_unit_test(only_a_unit_row_is_plain),
        cmocka_unit_test(a_code_lives_until_its_last_ref_goes),
        cmocka_unit_test(sizes_above_the_limits_are_refused_before_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
