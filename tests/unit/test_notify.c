#include "common/systemd/notify.h"

#include "common/base/clock.h"
#include "tests/unit/manager.h"

static void
count_call(void *context)
{
    (*(int *)context)++;
}

static void
readiness_reloads_and_the_end_are_told_in_order(void **state)
{
    (void)state;
    manager m;
    kofn_notify notify;
    int reloads = 0;
    manager_open(&m, NULL);
    kofn_notify_init(&notify, count_call, &reloads);
    const kofn_supervisor *s = &notify.supervisor;
    s->ready(s->context);
    s->reload(s->context);
    s->stopping(s->context);
    assert_string_equal(manager_hear(&m, 1000), "READY=1");
    const char *said = manager_hear(&m, 1000);
    assert_int_equal(strncmp(said, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_true(strtoll(said + 27, NULL, 10) <= kofn_clock_ns() / 1000);
    assert_string_equal(manager_hear(&m, 1000), "READY=1");
    assert_string_equal(manager_hear(&m, 1000), "STOPPING=1");
    assert_int_equal(reloads, 1);
    manager_close(&m);
}

static void
rounds_feed_the_watchdog_four_times_in_its_time(void **state)
{
    (void)state;
    manager m;
    kofn_notify notify;
    manager_open(&m, "40000000");
    kofn_notify_init(&notify, count_call, NULL);
    const kofn_supervisor *s = &notify.supervisor;
    assert_int_equal(s->round_ns, 10 * KOFN_NS_PER_S);
    s->ready(s->context);
    assert_string_equal(manager_hear(&m, 1000), "READY=1");

    for (int i = 0; i < 1000; i++)
        s->round(s->context);
    assert_string_equal(manager_hear(&m, 0), ""); // it is fed
    notify.fed_ns -= 10 * KOFN_NS_PER_S;
    s->round(s->context);
    s->round(s->context);
    assert_string_equal(manager_hear(&m, 1000), "WATCHDOG=1");
    assert_string_equal(manager_hear(&m, 0), "");
    manager_close(&m);
}

static void
a_start_that_takes_long_asks_for_more_time(void **state)
{
    (void)state;
    manager m;
    kofn_notify notify;
    manager_open(&m, NULL);
    kofn_notify_init(&notify, count_call, NULL);
    const kofn_supervisor *s = &notify.supervisor;
    for (int times = 0; times < 3; times++) {
        for (int i = 0; i < 100; i++)
            s->starting(s->context);
        assert_string_equal(manager_hear(&m, 1000), "EXTEND_TIMEOUT_USEC=600000000");
        assert_string_equal(manager_hear(&m, 0), ""); // it has time now
        notify.fed_ns -= 5 * KOFN_NS_PER_S;
    }
    manager_close(&m);
}

static void
without_a_watchdog_no_round_is_told(void **state)
{
    (void)state;
    static const char *const unwatched[] = {NULL, "", "0", "soon", "-1"};
    for (size_t i = 0; i < sizeof unwatched / sizeof unwatched[0]; i++) {
        manager m;
        kofn_notify notify;
        manager_open(&m, unwatched[i]);
        kofn_notify_init(&notify, count_call, NULL);
        assert_int_equal(notify.supervisor.round_ns, KOFN_NEVER_NS);
        notify.supervisor.round(notify.supervisor.context);
        assert_string_equal(manager_hear(&m, 0), "");
        manager_close(&m);
    }
}

static void
without_systemd_a_reload_is_still_done(void **state)
{
    (void)state;
    int reloads = 0;
    kofn_notify notify;
    kofn_notify_init(&notify, count_call, &reloads);
    const kofn_supervisor *s = &notify.supervisor;
    s->ready(s->context);
    s->round(s->context);
    s->reload(s->context);
    s->stopping(s->context);
    assert_int_equal(reloads, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_reloads_and_the_end_are_told_in_order),
        cmocka_unit_test(rounds_feed_the_watchdog_four_times_in_its_time),
        cmocka_unit_test(a_start_that_takes_long_asks_for_more_time),
        cmocka_unit_test(without_a_watchdog_no_round_is_told),
        cmocka_unit_test(without_systemd_a_reload_is_still_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
