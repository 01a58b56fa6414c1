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

/* ---- rounding -------------------------------------------------------------------------------- */

enum { WIDE = 16 };

/* Sides that are rows of numbers in the reals, each with a class; what is found of all of them. */
static kofn_sides_set
look_at(const double *at, size_t count, size_t blocks)
{
    kofn_error error;
    kofn_sides sides;
    kofn_sides_set set;
    size_t all[64];
    assert_in_range(count, 1, 64);
    for (size_t i = 0; i < count; i++)
        all[i] = i;
    kofn_sums sums = brute_sums(count, blocks, at, blocks);
    assert_ok(kofn_sides_init(&sides, kofn_field_find("f64"), &sums, &error));
    assert_ok(kofn_sides_look(&sides, all, count, &set, &error));
    kofn_sides_fini(&sides);
    free(sums.first);
    return set;
}

/* A relation counts where it holds number by number, and not where it nearly does. */
static void
a_side_that_is_nearly_a_sum_is_one_of_its_own(void **state)
{
    (void)state;
    static const double apart[] = {1, 1e-14, 1, 2e-14};
    kofn_sides_set set = look_at(apart, 2, 2);
    assert_int_equal(set.rank, 2);
    assert_false(set.dependent);
    static const double tiny[] = {1,     1e-14, 1,
                                  2e-14, 2,     3e-14}; // the third is the sum of the others
    set = look_at(tiny, 3, 2);
    assert_int_equal(set.rank, 2);
    assert_true(set.dependent);
    static const double off[] = {1e-14, 1e-13, 1e-12, -1e-14};
    for (size_t i = 0; i < 4; i++) {
        const double near[] = {1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1 + off[i]};
        set = look_at(near, 3, 4);
        assert_int_equal(set.rank, 3);
        assert_false(set.dependent);
    }
    static const double exact[] = {1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
    assert_int_equal(look_at(exact, 3, 4).rank, 2);
    static const double decimals[] = {.1, 0, 0, .2, .1, .2};
    assert_true(look_at(decimals, 3, 2).dependent);
}

/* Sums of others by random numbers, each number rounded as a program would that writes them
 * down. */
static void
sums_in_doubles_are_seen(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261123), 0);
    size_t seen = 0;
    enum { TRIALS = 400 };
    for (size_t trial = 0; trial < TRIALS; trial++) {
        const size_t count = 3 + trial % (WIDE - 2), blocks = count + kofn_rng_below(&rng, 4);
        double at[WIDE * (WIDE + 4)] = {0};
        for (size_t i = 0; i + 1 < count; i++)
            for (size_t c = 0; c < blocks; c++)
                at[i * blocks + c] = kofn_rng_normal(&rng);
        for (size_t i = 0; i + 1 < count; i++) {
            const double by = kofn_rng_normal(&rng);
            for (size_t c = 0; c < blocks; c++)
                at[(count - 1) * blocks + c] += by * at[i * blocks + c];
        }
        const kofn_sides_set set = look_at(at, count, blocks);
        seen += set.dependent && set.rank == count - 1;
    }
    print_message("%zu of %d sums are seen\n", seen, TRIALS);
    assert_in_range(seen, TRIALS - TRIALS / 50, TRIALS);
}

/* ---- many sides ------------------------------------------------------------------------------ */

/* Three sides of two blocks each, as those of a complex matrix: A, B, A + B. */
static void
sides_that_have_nothing_in_common_are_looked_at_apart(void **state)
{
    (void)state;
    enum { TRIPLES = 1000, COUNT = 3 * TRIPLES };
    kofn_error error;
    kofn_sides sides;
    kofn_sides_set set;
    kofn_sums sums;
    size_t *all = calloc(COUNT, sizeof *all), *place = calloc(COUNT, sizeof *place), rank;
    double *number = calloc(COUNT, sizeof *number);
    assert_true(kofn_sums_alloc(COUNT, 2 * TRIPLES, 4 * TRIPLES, &sums));
    for (size_t i = 0, at = 0; i < COUNT; i++) {
        for (size_t b = 0; b < 2; b++)
            if (i % 3 == 2 || i % 3 == b) {
                sums.column[at] = i / 3 * 2 + b;
                sums.coef[at++] = 1;
            }
        sums.first[i + 1] = at;
        all[i] = i;
    }
    assert_ok(kofn_sides_init(&sides, kofn_field_find("f64"), &sums, &error));
    assert_ok(kofn_sides_look(&sides, all, COUNT, &set, &error));
    assert_int_equal(set.rank, 2 * TRIPLES);
    assert_true(set.dependent);
    assert_in_range(sides.steps, COUNT, 30 * COUNT);
    assert_ok(kofn_sides_find_sum(&sides, all, COUNT, number, &error));
    for (size_t i = 0; i < COUNT; i += 3) {
        assert_true(fabs(number[i]) > 0.1);
        assert_true(fabs(number[i] + number[i + 2]) <= 1e-12);
        assert_true(fabs(number[i + 1] + number[i + 2]) <= 1e-12);
    }
    assert_ok(kofn_sides_find_basis(&sides, all, COUNT, place, &rank, &error));
    assert_int_equal(rank, 2 * TRIPLES);
    kofn_sides_fini(&sides);
    free(sums.first);
    free(all);
    free(place);
    free(number);
}

/* `count` sides of `terms` blocks each of so many, by random numbers. */
static kofn_sums
draw_sums(const kofn_field *f, size_t count, size_t terms, size_t blocks, kofn_rng *rng)
{
    kofn_sums sums;
    assert_true(kofn_sums_alloc(count, blocks, count * terms, &sums));
    for (size_t i = 0, at = 0; i < count; i++) {
        const size_t first = kofn_rng_below(rng, blocks - terms + 1);
        for (size_t t = 0; t < terms; t++, at++) {
            sums.column[at] = first + t;
            sums.coef[at] = f->order == 0 ? kofn_rng_normal(rng)
                                          : 1 + (double)kofn_rng_below(rng, (uint64_t)f->order - 1);
        }
        sums.first[i + 1] = at;
    }
    return sums;
}

/* Of 4096 sides that depend on each other in ways that nobody can look at: rank and basis are too
 * large, and agree. */
static void
what_takes_too_long_counts_as_independent(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(9), 0);
    size_t *all = calloc(COUNT, sizeof *all), *place = calloc(COUNT, sizeof *place), rank;
    for (size_t n = 0; n < 2; n++) {
        const size_t blocks = n == 0 ? 2048 : 240; // too many numbers, too many steps
        const kofn_field *f = new_field(n == 0 ? "gf256" : "f64");
        kofn_sums sums = draw_sums(f, COUNT, 16, blocks, &rng);
        kofn_sides sides;
        kofn_sides_set set;
        assert_ok(kofn_sides_init(&sides, f, &sums, &error));
        for (size_t i = 0; i < COUNT; i++)
            all[i] = i;
        assert_ok(kofn_sides_look(&sides, all, COUNT, &set, &error));
        assert_int_equal(set.rank, set.classes);
        assert_false(set.dependent);
        assert_in_range(sides.steps, COUNT, (1 << 22) + 20 * COUNT);
        assert_ok(kofn_sides_find_basis(&sides, all, COUNT, place, &rank, &error));
        assert_int_equal(rank, set.rank);
        sides.most = sides.steps; // and no more than is wanted
        assert_ok(kofn_sides_look(&sides, all, 200, &set, &error));
        assert_int_equal(set.rank, set.classes);
        kofn_sides_fini(&sides);
        free(sums.first);
        kofn_field_destroy(&f);
    }
    free(all);
    free(place);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_what_brute_force_says),
        cmocka_unit_test(dependent_sides_have_a_sum_without_zeros),
        cmocka_unit_test(bases_are_as_large_as_the_rank_and_independent),
        cmocka_unit_test(a_side_that_is_nearly_a_sum_is_one_of_its_own),
        cmocka_unit_test(sums_in_doubles_are_seen),
        cmocka_unit_test(sides_that_have_nothing_in_common_are_looked_at_apart),
        cmocka_unit_test(what_takes_too_long_counts_as_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
