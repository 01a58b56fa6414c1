/* When refused callers are told to come again. */
#include "tests/assert.h"

#include "common/base/clock.h"
#include "master/retries.h"

#define MS KOFN_NS_PER_MS

/* One end each gap_ms, `count` of them; returns the time of the last. */
static int64_t
end_often(kofn_retries *retries, int64_t from_ns, int64_t gap_ms, size_t count)
{
    for (size_t i = 0; i < count; i++, from_ns += gap_ms * MS)
        kofn_retries_note_end(retries, from_ns);
    return from_ns - gap_ms * MS;
}

static void
without_a_rate_turns_are_a_fixed_time_apart(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(kofn_retries_give(&retries, MS), i * KOFN_RETRIES_GAP_MS);
}

static void
turns_are_as_far_apart_as_ends(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    const int64_t now = end_often(&retries, MS, 50, 100);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(kofn_retries_give(&retries, now), i * 50);
    assert_int_equal(kofn_retries_give(&retries, now + 450 * MS), 100);  // the tenth is at 500
    assert_int_equal(kofn_retries_give(&retries, now + 10000 * MS), 50); // long after: the next one
}

static void
turns_are_neither_at_once_nor_for_ever(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    int64_t now = end_often(&retries, MS, 1, 2000);
    assert_int_equal(kofn_retries_give(&retries, now), KOFN_RETRIES_MS_MIN);
    for (size_t i = 0; i < 100000; i++)
        assert_in_range(kofn_retries_give(&retries, now), KOFN_RETRIES_MS_MIN, KOFN_RETRIES_MS_MAX);
    assert_int_equal(kofn_retries_give(&retries, now), KOFN_RETRIES_MS_MAX);
}

static void
a_rate_follows_what_happens(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    int64_t now = end_often(&retries, MS, 10, 500);
    now = end_often(&retries, now + 100 * MS, 100, 5);
    assert_in_range(kofn_retries_give(&retries, now + 10000 * MS), 20, 90); // not at once
    now = end_often(&retries, now + 100 * MS, 100, 100);
    assert_in_range(kofn_retries_give(&retries, now + 20000 * MS), 99, 100);
}

static void
ends_that_come_together_are_counted_over_time(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    int64_t now = MS;
    for (size_t i = 0; i < 20; i++, now += 600 * MS)
        (void)end_often(&retries, now, 0, 6);
    assert_int_equal(kofn_retries_give(&retries, now), 100);
}

/* Though the third comes more than five seconds after the first. */
static void
ends_that_are_seconds_apart_have_a_rate(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    int64_t now = end_often(&retries, MS, 4000, 2);
    assert_int_equal(kofn_retries_give(&retries, now), 4000);
    now = end_often(&retries, now + 2000 * MS, 2000, 1);
    retries.given_ns = 0;
    assert_in_range(kofn_retries_give(&retries, now), 2600, 2700); // 1 / (1/4 + 1/2) * 2
}

static void
idle_time_is_no_rate(void **state)
{
    kofn_retries retries = {0};
    (void)state;
    int64_t now = end_often(&retries, MS, 50, 100);
    now = end_often(&retries, now + 3600 * KOFN_NS_PER_S, 50, 3);
    assert_int_equal(kofn_retries_give(&retries, now), 50);
    now = end_often(&retries, now + 50 * MS, 50, 100); // nor do ends from before count for one
    assert_int_equal(kofn_retries_give(&retries, now + 1000 * MS), 50);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_turns_are_a_fixed_time_apart),
        cmocka_unit_test(turns_are_as_far_apart_as_ends),
        cmocka_unit_test(turns_are_neither_at_once_nor_for_ever),
        cmocka_unit_test(a_rate_follows_what_happens),
        cmocka_unit_test(ends_that_come_together_are_counted_over_time),
        cmocka_unit_test(ends_that_are_seconds_apart_have_a_rate),
        cmocka_unit_test(idle_time_is_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
