#include "common/base/clock.h"

#include "tests/assert.h"

static void
the_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t last = kofn_clock_ns();
    for (int i = 0; i < 1000; i++) {
        const int64_t now = kofn_clock_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void
a_deadline_past_the_end_of_time_never_comes(void **state)
{
    (void)state;
    assert_int_equal(kofn_clock_after(5, 7), 12);
    assert_true(kofn_clock_after(KOFN_NEVER_NS - 7, 7) == KOFN_NEVER_NS);
    assert_true(kofn_clock_after(KOFN_NEVER_NS - 7, 8) == KOFN_NEVER_NS);
    assert_true(kofn_clock_after(1, KOFN_NEVER_NS) == KOFN_NEVER_NS);
    assert_true(kofn_clock_after(-1, KOFN_NEVER_NS) == KOFN_NEVER_NS - 1); // virtual time
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(a_deadline_past_the_end_of_time_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
