#include "master/sched/sorted.h"

#include "common/base/rng.h"
#include "tests/assert.h"

static void
median_of_nothing_is_zero_and_of_two_the_upper_one(void **state)
{
    (void)state;
    double at[2] = {0};
    size_t count = 0;
    assert_true(kofn_sorted_median(at, count) == 0);
    kofn_sorted_insert(at, &count, 7);
    assert_true(kofn_sorted_median(at, count) == 7);
    kofn_sorted_insert(at, &count, 3);
    assert_true(kofn_sorted_median(at, count) == 7);
    kofn_sorted_remove(at, &count, 7);
    assert_true(kofn_sorted_median(at, count) == 3);
}

static void
numbers_stay_sorted_through_inserts_replacements_and_removals(void **state)
{
    (void)state;
    enum { ROOM = 100 };
    double at[ROOM], shadow[ROOM]; // shadow: the same numbers in no order
    size_t count = 0;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    for (int step = 0; step < 20000; step++) {
        const double value = (double)kofn_rng_below(&rng, 40); // many are equal
        const size_t i = count ? kofn_rng_below(&rng, count) : 0, what = kofn_rng_below(&rng, 3);
        if (count == 0 || (what == 0 && count < ROOM)) {
            shadow[count] = value;
            kofn_sorted_insert(at, &count, value);
        } else if (what == 1) {
            kofn_sorted_remove(at, &count, shadow[i]);
            shadow[i] = shadow[count];
        } else {
            kofn_sorted_replace(at, count, shadow[i], value);
            shadow[i] = value;
        }
        double sum = 0, expected = 0;
        for (size_t j = 0; j < count; j++) {
            assert_true(j == 0 || at[j - 1] <= at[j]);
            sum += at[j] * at[j];
            expected += shadow[j] * shadow[j]; // small integers: exact
        }
        assert_true(sum == expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_of_nothing_is_zero_and_of_two_the_upper_one),
        cmocka_unit_test(numbers_stay_sorted_through_inserts_replacements_and_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
