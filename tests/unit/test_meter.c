#include "tests/assert.h"

#include "common/base/clock.h"
#include "master/meter.h"

#include <math.h>

static const int64_t S = KOFN_NS_PER_S;

static void
burst(kofn_meter *meter, int64_t from_ns, int64_t to_ns, uint64_t bytes)
{
    kofn_meter_begin(meter, from_ns);
    kofn_meter_count(meter, bytes / 2);
    kofn_meter_begin(meter, from_ns + 1); // runs already
    kofn_meter_count(meter, bytes - bytes / 2);
    kofn_meter_end(meter, to_ns);
}

static void
a_rate_is_bytes_over_the_time_they_were_on_the_way(void **state)
{
    (void)state;
    kofn_meter meter = {0};
    assert_true(kofn_meter_get_rate(&meter) == 0);
    burst(&meter, 5 * S, 7 * S, 10000000);
    assert_true(kofn_meter_get_rate(&meter) == 5e6);
    kofn_meter_count(&meter, 100000000); // of nothing that was begun
    kofn_meter_end(&meter, 9 * S);
    assert_true(kofn_meter_get_rate(&meter) == 5e6);
}

static void
idle_time_between_bursts_does_not_count(void **state)
{
    (void)state;
    kofn_meter meter = {0};
    burst(&meter, 0, S, 4000000);
    burst(&meter, 1000 * S, 1001 * S, 4000000);
    assert_true(kofn_meter_get_rate(&meter) == 4e6);
}

static void
later_bursts_count_for_more(void **state)
{
    (void)state;
    kofn_meter meter = {0};
    for (int64_t i = 0; i < 20; i++)
        burst(&meter, 2 * i * S, (2 * i + 1) * S, 1000000);
    burst(&meter, 100 * S, 101 * S, 8000000);
    assert_at_most(fabs(kofn_meter_get_rate(&meter) - 4.5e6), 10); // half of all that was before
}

static void
small_and_dropped_bursts_say_nothing(void **state)
{
    (void)state;
    kofn_meter meter = {0};
    burst(&meter, 0, S, (uint64_t)KOFN_METER_BURST - 1);
    assert_true(kofn_meter_get_rate(&meter) == 0);
    kofn_meter_begin(&meter, 0);
    kofn_meter_count(&meter, 100000000);
    kofn_meter_drop(&meter);
    kofn_meter_end(&meter, S);
    assert_true(kofn_meter_get_rate(&meter) == 0);
    burst(&meter, S, S, 100000000); // no time at all
    assert_true(kofn_meter_get_rate(&meter) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_bytes_over_the_time_they_were_on_the_way),
        cmocka_unit_test(idle_time_between_bursts_does_not_count),
        cmocka_unit_test(later_bursts_count_for_more),
        cmocka_unit_test(small_and_dropped_bursts_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
