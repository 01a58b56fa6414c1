/* Sides: classes, ranks and dependencies against brute force, and sums that are zero. */
#include "common/code/sides.h"
#include "tests/unit/batch_brute.h"

static const char *const names[] = {"f64",   "gf4",    "gf16",          "gf256",
                                    "gfp:7", "gfp:11", "gfp:2147483647"};
enum { FIELDS = 7, SIDES = 7 };

/* Sides of up to three blocks of four, none of them zero; some are multiples of others. */
static void
draw_sides(const kofn_field *f, double at[][BRUTE_BLOCKS], size_t count, kofn_rng *rng)
{
    const uint64_t numbers = f->order == 0 ? 3 : (uint64_t)f->order - 1;
    memset(at, 0, count * sizeof at[0]);
    for (size_t i = 0; i < count; i++) {
        const double by = 1 + (double)kofn_rng_below(rng, numbers);
        const size_t like = kofn_rng_below(rng, i + 1);
        for (size_t c = 0; c < BRUTE_BLOCKS && like < i && kofn_rng_below(rng, 2) == 0; c++)
            at[i][c] = brute_times(f, by, at[like][c]);
        const size_t terms = kofn_rng_below(rng, 3);
        for (size_t t = 0; t <= terms; t++)
            at[i][kofn_rng_below(rng, 4)] = 1 + (double)kofn_rng_below(rng, numbers);
    }
}

typedef void check_function(kofn_sides *sides, const double at[][BRUTE_BLOCKS], const size_t *side,
                            size_t count);

/* Random subsets of random sides. */
static void
check_sets(check_function *check)
{
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    for (size_t trial = 0; trial < 1400; trial++) {
        const kofn_field *f = new_field(names[trial % FIELDS]);
        double at[SIDES][BRUTE_BLOCKS], set[SIDES][BRUTE_BLOCKS];
        size_t side[SIDES];
        kofn_sides sides;
        draw_sides(f, at, SIDES, &rng);
        kofn_sums sums = brute_sums(SIDES, BRUTE_BLOCKS, at[0], BRUTE_BLOCKS);
        assert_ok(kofn_sides_init(&sides, f, &sums, &error));
        const size_t count = list_mask(1 + kofn_rng_below(&rng, (1 << SIDES) - 1), side);
        for (size_t i = 0; i < count; i++)
            memcpy(set[i], at[side[i]], sizeof set[i]);
        check(&sides, (const double(*)[BRUTE_BLOCKS])set, side, count);
        kofn_sides_fini(&sides);
        free(sums.first);
        kofn_field_destroy(&f);
    }
}

static void
check_looks(kofn_sides *sides, const double at[][BRUTE_BLOCKS], const size_t *side, size_t count)
{
    kofn_error error;
    kofn_sides_set set;
    double by;
    assert_ok(kofn_sides_look(sides, side, count, &set, &error));
    assert_int_equal(set.rank, brute_rank_over(sides->field, at, count));
    assert_int_equal(kofn_sides_saves(&set), brute_saves(sides->field, at, count));
    for (size_t i = 0; i < count; i++)
        for (size_t o = 0; o < count; o++)
            assert_int_equal(sides->class[side[i]] == sides->class[side[o]],
                             brute_multiple(sides->field, at[i], at[o], &by));
}

static void
sets_are_what_brute_force_says(void **state)
{
    (void)state;
    check_sets(check_looks);
}

static void
check_sum(kofn_sides *sides, const double at[][BRUTE_BLOCKS], const size_t *side, size_t count)
{
    kofn_error error;
    kofn_sides_set set;
    double number[SIDES];
    const kofn_field *f = sides->field;
    assert_ok(kofn_sides_look(sides, side, count, &set, &error));
    if (!set.dependent || (f->order != 0 && f->order < (double)count))
        return;
    assert_ok(kofn_sides_find_sum(sides, side, count, number, &error));
    for (size_t i = 0; i < count; i++)
        assert_true(number[i] != 0);
    for (size_t c = 0; c < BRUTE_BLOCKS; c++) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < count; i++) {
            sum = brute_plus(f, sum, brute_times(f, number[i], at[i][c]));
            size += fabs(number[i] * at[i][c]);
        }
        assert_true(fabs(sum) <= (f->order == 0 ? 1e-12 * size : 0));
    }
}

/* In gf4 and gfp:7, too, where numbers that do are few. */
static void
dependent_sides_have_a_sum_without_zeros(void **state)
{
    (void)state;
    check_sets(check_sum);
}

static void
check_basis(kofn_sides *sides, const double at[][BRUTE_BLOCKS], const size_t *side, size_t count)
{
    kofn_error error;
    size_t place[SIDES], rank;
    double basis[SIDES][BRUTE_BLOCKS];
    assert_ok(kofn_sides_find_basis(sides, side, count, place, &rank, &error));
    assert_int_equal(rank, brute_rank_over(sides->field, at, count));
    for (size_t i = 0; i < rank; i++) {
        assert_true(place[i] < count && (i == 0 || place[i - 1] < place[i]));
        memcpy(basis[i], at[place[i]], sizeof basis[i]);
    }
    assert_int_equal(brute_rank_over(sides->field, (const double(*)[BRUTE_BLOCKS])basis, rank),
                     rank);
}

static void
bases_are_as_large_as_the_rank_and_independent(void **state)
{
    (void)state;
    check_sets(check_basis);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_what_brute_force_says),
        cmocka_unit_test(dependent_sides_have_a_sum_without_zeros),
        cmocka_unit_test(bases_are_as_large_as_the_rank_and_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
