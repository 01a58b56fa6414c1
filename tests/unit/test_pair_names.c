/* Lists of pairs by their names alone. */
#include "tests/assert.h"

#include "client/cli/pair_names.h"

#include <stdlib.h>
#include <unistd.h>

static char path[64];

static int
set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/kofn-pair-names-XXXXXX");
    const int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int
tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static kofn_status
read_text(const char *text, bool sum, kofn_batch **ret_batch, kofn_error *error)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return cli_pair_names_read(path, sum, kofn_field_find("f64"), ret_batch, error);
}

static kofn_batch *
must_read(const char *text, bool sum)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    assert_ok(read_text(text, sum, &batch, &error));
    return batch;
}

static void
words_that_are_the_same_are_one_matrix(void **state)
{
    (void)state;
    static const size_t blocks[2][4] = {{0, 1, 0, 2}, {0, 0, 1, 1}};
    kofn_batch *batch = must_read("# a comment\nAA B\nA B 2.npy\n\nAA B2\nB B2\n", false);
    assert_int_equal(batch->count, 4);
    for (size_t side = 0; side < 2; side++) // B on the left is no B on the right
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(kofn_batch_get_block(batch, side, i), blocks[side][i]);
    assert_int_equal(batch->weights.rows, 4);
    kofn_batch_destroy(&batch);
    batch = must_read("A B\nAA B\n", true);
    assert_int_equal(batch->weights.rows, 1);
    assert_int_equal(batch->weights.first[1], 2);
    kofn_batch_destroy(&batch);
}

/* The 3M method: of the third pair both sides are sums. */
static void
sums_of_names_are_pairs_that_depend_on_others(void **state)
{
    (void)state;
    kofn_batch *batch =
        must_read("re_A re_B\nim_A im_B\nim_A+re_A re_B+im_B\nre_A+re_A im_B\n", false);
    assert_int_equal(batch->count, 4);
    for (size_t side = 0; side < 2; side++) {
        const kofn_sums *sums = &batch->side[side];
        assert_int_equal(sums->cols, 2);
        assert_int_equal(sums->first[3] - sums->first[2], 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(sums->column[sums->first[2] + i], i);
            assert_true(sums->coef[sums->first[2] + i] == 1);
        }
    }
    assert_true(batch->side[0].coef[batch->side[0].first[3]] == 2);
    kofn_batch_destroy(&batch);
}

/* They get numbers as they come up, and keep them, one a beginning of another. */
static void
thousands_of_names_are_told_apart(void **state)
{
    (void)state;
    enum { COUNT = 4000, ROOM = 32 };
    char *text = calloc(COUNT, ROOM);
    size_t length = 0;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++)
        length += (size_t)snprintf(text + length, ROOM, "N%zu+N%zu B%zu\n", i, i / 2, i % 7);
    kofn_batch *batch = must_read(text, false);
    const kofn_sums *left = &batch->side[0];
    assert_int_equal(left->cols, COUNT);
    assert_int_equal(batch->side[1].cols, 7);
    for (size_t i = 1; i < COUNT; i++) {
        assert_int_equal(left->first[i + 1] - left->first[i], 2);
        assert_int_equal(left->column[left->first[i]], i / 2);
        assert_int_equal(left->column[left->first[i] + 1], i);
        assert_int_equal(kofn_batch_get_block(batch, 1, i), i % 7);
    }
    kofn_batch_destroy(&batch);
    free(text);
}

static void
products_of_a_sum_count_what_the_third_word_says(void **state)
{
    (void)state;
    kofn_batch *batch = must_read("A B 2\nC D\nE F 0\nG H -0.5\n", true);
    assert_int_equal(batch->count, 3); // one is nobody's
    assert_int_equal(batch->weights.first[1], 3);
    static const double coefs[] = {2, 1, -0.5};
    for (size_t i = 0; i < 3; i++)
        assert_true(batch->weights.coef[i] == coefs[i]);
    kofn_batch_destroy(&batch);
}

static void
check_refusal(const char *text, bool sum, kofn_status status, const char *part)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    assert_fails(read_text(text, sum, &batch, &error), status);
    assert_null(batch);
    if (!strstr(error.text, part))
        fail_msg("'%s' lacks '%s'", error.text, part);
}

static void
assert_refused(const char *text, kofn_status status, const char *part)
{
    check_refusal(text, false, status, part);
}

static void
what_no_product_can_count_is_refused_with_its_line(void **state)
{
    (void)state;
    check_refusal("A B\nC D nan\n", true, KOFN_INVALID_ARGUMENT, ":2: 'nan' is no number");
    check_refusal("A B 2x\n", true, KOFN_INVALID_ARGUMENT, ":1: '2x' is no number");
    check_refusal("A B 1e300\n", true, KOFN_INVALID_ARGUMENT, ":1: ");
    check_refusal("A B 0\n", true, KOFN_INVALID_ARGUMENT, "");
}

static void
what_is_no_list_is_refused_with_its_line(void **state)
{
    (void)state;
    static char many[4097 * 4 + 1];
    assert_refused("", KOFN_INVALID_ARGUMENT, "has no pairs");
    assert_refused("A B\nA\n", KOFN_INVALID_ARGUMENT, ":2: 1 word");
    assert_refused("A+ B\n", KOFN_INVALID_ARGUMENT, "'A+': want names");
    assert_refused("A +B\n", KOFN_INVALID_ARGUMENT, ":1: '+B'");
    assert_refused("A B++C\n", KOFN_INVALID_ARGUMENT, "plus signs");
    for (size_t i = 0; i < 4097; i++)
        memcpy(many + 4 * i, "A B\n", 4);
    assert_refused(many, KOFN_OUT_OF_RANGE, ":4097: more than 4096 pairs");
    kofn_error error;
    kofn_batch *batch = NULL;
    assert_fails(
        cli_pair_names_read("/nowhere/list", false, kofn_field_find("f64"), &batch, &error),
        KOFN_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_are_the_same_are_one_matrix),
        cmocka_unit_test(sums_of_names_are_pairs_that_depend_on_others),
        cmocka_unit_test(thousands_of_names_are_told_apart),
        cmocka_unit_test(products_of_a_sum_count_what_the_third_word_says),
        cmocka_unit_test(what_no_product_can_count_is_refused_with_its_line),
        cmocka_unit_test(what_is_no_list_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
