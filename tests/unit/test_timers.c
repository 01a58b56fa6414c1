#include "master/sched/timers.h"

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "tests/assert.h"

static void
timers_come_when_due_and_equal_ones_by_number(void **state)
{
    (void)state;
    kofn_error error;
    kofn_timers timers = {0};
    kofn_timer a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    assert_null(kofn_timers_first(&timers));
    assert_ok(kofn_timers_reserve(&timers, 3, &error));
    kofn_timers_set(&timers, &c, 10);
    kofn_timers_set(&timers, &b, 20);
    kofn_timers_set(&timers, &a, 20);
    assert_ptr_equal(kofn_timers_first(&timers), &c);
    kofn_timers_set(&timers, &c, 30); // later
    assert_ptr_equal(kofn_timers_first(&timers), &a);
    kofn_timers_set(&timers, &a, KOFN_NEVER_NS);
    kofn_timers_set(&timers, &a, KOFN_NEVER_NS); // cleared already
    assert_ptr_equal(kofn_timers_first(&timers), &b);
    kofn_timers_set(&timers, &c, 5); // earlier
    assert_ptr_equal(kofn_timers_first(&timers), &c);
    assert_int_equal(timers.count, 2);
    kofn_timers_fini(&timers);
}

static void
timers_agree_with_a_search_while_they_are_set_and_moved(void **state)
{
    (void)state;
    enum { TIMERS = 200 };
    static kofn_timer timer[TIMERS];
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    kofn_timers timers = {0};
    assert_ok(kofn_timers_reserve(&timers, TIMERS, &error));
    for (size_t i = 0; i < TIMERS; i++)
        timer[i] = (kofn_timer){.number = i};
    for (int step = 0; step < 50000; step++) {
        const size_t i = kofn_rng_below(&rng, TIMERS);
        const uint64_t due = kofn_rng_below(&rng, 120);
        kofn_timers_set(&timers, &timer[i], due < 100 ? (int64_t)due : KOFN_NEVER_NS);
        const kofn_timer *first = NULL;
        for (size_t j = 0; j < TIMERS; j++)
            if (timer[j].slot && (!first || timer[j].due_ns < first->due_ns))
                first = &timer[j];
        assert_ptr_equal(kofn_timers_first(&timers), first);
    }
    kofn_timers_fini(&timers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_when_due_and_equal_ones_by_number),
        cmocka_unit_test(timers_agree_with_a_search_while_they_are_set_and_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
