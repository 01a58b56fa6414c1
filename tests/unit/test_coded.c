/* Coded blocks that are kept: found by what they are, within a budget. */
#include "master/coded.h"

#include "tests/assert.h"

static kofn_error error;

enum { ROWS = 4, COLS = 8, ELEMENTS = ROWS * COLS * 8 };

typedef struct fixture {
    kofn_coded *coded;
    kofn_coded_set set, other;
    kofn_pool *pool;
    kofn_bands block;
    size_t one; // bytes that a block with two coefficients takes
} fixture;

static const double halves[] = {0.5, 0.25};

static kofn_coded_key
key_of(const double *coef, size_t rows, size_t cols)
{
    return (kofn_coded_key){
        .field = kofn_field_find("f64"), .grid = {.rows = rows, .cols = cols}, .coef = coef};
}

static bool
has(fixture *f, const kofn_coded_key *key, uint64_t job)
{
    bool others;
    return kofn_coded_find(f->coded, &f->set, key, job, &others) != NULL;
}

static void
keep(fixture *f, double coef, uint64_t job, size_t limit)
{
    const double row[] = {coef, 1};
    const kofn_coded_key key = key_of(row, 2, 1);
    kofn_coded_keep(f->coded, &f->set, &key, job, &f->block, limit);
}

static bool
is_kept(fixture *f, double coef, uint64_t job)
{
    const double row[] = {coef, 1};
    const kofn_coded_key key = key_of(row, 2, 1);
    return has(f, &key, job);
}

static int
set_up(void **state)
{
    static fixture f;
    kofn_mat mat;
    assert_ok(kofn_pool_new(1 << 20, &f.pool, &error));
    assert_ok(kofn_mat_new(f.pool, KOFN_F64, ROWS, COLS, &mat, &error));
    assert_ok(kofn_bands_from_mat(&mat, &f.block, &error));
    kofn_mat_fini(&mat);
    assert_ok(kofn_coded_new(&f.coded, &error));
    kofn_coded_set_init(&f.set, 1);
    kofn_coded_set_init(&f.other, 2);
    keep(&f, 0, 1, SIZE_MAX);
    f.one = kofn_coded_get_bytes(f.coded);
    kofn_coded_shrink(f.coded, 0);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    kofn_coded_clear(f->coded, &f->set);
    kofn_coded_clear(f->coded, &f->other);
    kofn_coded_destroy(&f->coded);
    kofn_bands_fini(&f->block);
    size_t out, idle;
    kofn_pool_get_usage(f->pool, &out, &idle);
    kofn_pool_destroy(&f->pool);
    return out == 0 ? 0 : -1; // else a block was not let go
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void
a_block_is_found_by_its_coefficients(void **state)
{
    fixture *f = *state;
    const double same[] = {0.5, 0.25}, turned[] = {0.25, 0.5};
    const kofn_coded_key key = key_of(halves, 2, 1), again = key_of(same, 2, 1),
                         not = key_of(turned, 2, 1);
    bool others = true;
    kofn_coded_keep(f->coded, &f->set, &key, 1, &f->block, SIZE_MAX);
    const kofn_bands *found = kofn_coded_find(f->coded, &f->set, &again, 1, &others);
    assert_non_null(found);
    assert_ptr_equal(found->at[0].mat.data, f->block.at[0].mat.data);
    assert_false(others); // its own
    assert_non_null(kofn_coded_find(f->coded, &f->set, &again, 2, &others));
    assert_true(others);
    assert_false(has(f, &not, 1));
}

static void
what_differs_in_cut_field_or_operand_is_another_block(void **state)
{
    fixture *f = *state;
    const kofn_coded_key key = key_of(halves, 2, 1), wide = key_of(halves, 1, 2);
    kofn_coded_key single = key;
    bool others;
    single.field = kofn_field_find("f32");
    kofn_coded_keep(f->coded, &f->set, &key, 1, &f->block, SIZE_MAX);
    assert_true(has(f, &key, 1));
    assert_false(has(f, &wide, 1));
    assert_false(has(f, &single, 1));
    kofn_coded_keep(f->coded, &f->other, &wide, 1, &f->block, SIZE_MAX);
    assert_null(kofn_coded_find(f->coded, &f->other, &key, 1, &others));
}

/* The table of a prime goes with its last user, and another may come to lie where it was. */
static void
two_tables_of_one_field_are_one_field(void **state)
{
    fixture *f = *state;
    const kofn_field *first, *second, *other;
    kofn_coded_key key = key_of(halves, 2, 1);
    assert_ok(kofn_field_new("gfp:101", &first, &error));
    key.field = first;
    kofn_coded_keep(f->coded, &f->set, &key, 1, &f->block, SIZE_MAX);
    kofn_field_destroy(&first);
    assert_ok(kofn_field_new("gfp:103", &other, &error));
    assert_ok(kofn_field_new("gfp:101", &second, &error));
    key.field = other;
    assert_false(has(f, &key, 1));
    key.field = second;
    assert_true(has(f, &key, 1));
    kofn_field_destroy(&second);
    kofn_field_destroy(&other);
}

/* op(operand) cut 2 x 3; the transpose of that is the stored matrix cut 3 x 2. */
static void
a_transposed_use_finds_what_was_made_for_a_plain_one(void **state)
{
    fixture *f = *state;
    const double direct[] = {1, 2, 3, 4, 5, 6}, turned[] = {1, 4, 2, 5, 3, 6};
    const kofn_coded_key key = key_of(direct, 2, 3), untouched = key_of(direct, 3, 2);
    kofn_coded_key back = key_of(turned, 3, 2), wrong = untouched;
    back.transposed = wrong.transposed = true;
    kofn_coded_keep(f->coded, &f->set, &key, 1, &f->block, SIZE_MAX);
    assert_true(has(f, &back, 1));
    assert_false(has(f, &wrong, 1));
    assert_false(has(f, &untouched, 1));
    kofn_coded_clear(f->coded, &f->set);
    kofn_coded_keep(f->coded, &f->set, &back, 1, &f->block, SIZE_MAX);
    assert_true(has(f, &key, 1));
}

static void
a_block_that_is_kept_twice_is_one(void **state)
{
    fixture *f = *state;
    keep(f, 1, 1, SIZE_MAX);
    keep(f, 1, 2, SIZE_MAX);
    assert_int_equal(f->set.count, 1);
    assert_int_equal(kofn_coded_get_bytes(f->coded), f->one);
}

/* ---- budget ---------------------------------------------------------------------------------- */

static void
what_is_kept_is_counted_with_its_key(void **state)
{
    fixture *f = *state;
    assert_true(f->one >= ELEMENTS + 2 * sizeof(double));
    keep(f, 1, 1, SIZE_MAX);
    keep(f, 2, 1, SIZE_MAX);
    assert_int_equal(f->set.count, 2);
    assert_int_equal(f->set.bytes, 2 * f->one);
    assert_int_equal(f->other.bytes, 0);
    kofn_coded_clear(f->coded, &f->set);
    assert_int_equal(kofn_coded_get_bytes(f->coded), 0);
    assert_false(is_kept(f, 1, 1));
}

static void
what_was_used_least_recently_goes_first(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 3; i++)
        keep(f, (double)i, i, 3 * f->one);
    assert_true(is_kept(f, 0, 7));
    keep(f, 3, 8, 3 * f->one);
    assert_true(is_kept(f, 0, 9) && is_kept(f, 2, 9) && is_kept(f, 3, 9));
    assert_false(is_kept(f, 1, 9));
    kofn_coded_shrink(f->coded, f->one);
    assert_true(is_kept(f, 3, 9));
    assert_int_equal(f->set.count, 1);
}

/* One pass after the other over more blocks than fit still finds as many as fit. */
static void
a_job_does_not_push_out_its_own_blocks(void **state)
{
    fixture *f = *state;
    for (uint64_t job = 1; job <= 3; job++) {
        size_t found = 0;
        for (size_t i = 0; i < 10; i++) {
            found += is_kept(f, (double)i, job);
            keep(f, (double)i, job, 4 * f->one);
        }
        assert_int_equal(found, job == 1 ? 0 : 4);
    }
}

static void
a_block_beyond_the_budget_is_not_kept(void **state)
{
    fixture *f = *state;
    keep(f, 1, 1, f->one - 1);
    keep(f, 1, 1, 0);
    assert_int_equal(f->set.count, 0);
    keep(f, 1, 1, f->one);
    assert_int_equal(f->set.count, 1);
}

static void
one_operands_blocks_go_without_the_others(void **state)
{
    fixture *f = *state;
    const kofn_coded_key key = key_of(halves, 1, 2);
    bool others;
    for (size_t i = 0; i < 100; i++)
        keep(f, (double)i, 1, SIZE_MAX);
    kofn_coded_keep(f->coded, &f->other, &key, 1, &f->block, SIZE_MAX);
    kofn_coded_clear(f->coded, &f->set);
    assert_int_equal(f->set.count + f->set.bytes, 0);
    assert_non_null(kofn_coded_find(f->coded, &f->other, &key, 1, &others));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)
        T(a_block_is_found_by_its_coefficients),
        T(what_differs_in_cut_field_or_operand_is_another_block),
        T(two_tables_of_one_field_are_one_field),
        T(a_transposed_use_finds_what_was_made_for_a_plain_one),
        T(a_block_that_is_kept_twice_is_one),
        T(what_is_kept_is_counted_with_its_key),
        T(what_was_used_least_recently_goes_first),
        T(a_job_does_not_push_out_its_own_blocks),
        T(a_block_beyond_the_budget_is_not_kept),
        T(one_operands_blocks_go_without_the_others),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
