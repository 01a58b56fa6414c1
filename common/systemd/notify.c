#include "common/systemd/notify.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* What systemd does not hear it notices by itself, so failures of sd_notify have no other
 * answer. */
#define tell(...) ((void)sd_notifyf(0, __VA_ARGS__))

/* Each gives far more time than passes until the next as a rule: a step may be the check of a
 * database of gigabytes, on a disk that is busy with others. */
#define EXTEND_EVERY_NS (5 * KOFN_NS_PER_S)
#define EXTEND_BY_NS    (600 * KOFN_NS_PER_S)

static void
on_starting(void *context)
{
    kofn_notify *notify = context;
    const int64_t now_ns = kofn_clock_ns();
    if (now_ns - notify->fed_ns < EXTEND_EVERY_NS)
        return;
    notify->fed_ns = now_ns;
    tell("EXTEND_TIMEOUT_USEC=%" PRId64, EXTEND_BY_NS / KOFN_NS_PER_US);
}

static void
on_ready(void *context)
{
    kofn_notify *notify = context;
    notify->fed_ns = kofn_clock_ns(); // systemd counts from here
    tell("READY=1");
}

/* A busy loop makes thousands of rounds a second: all but a few of them only look at the clock. */
static void
on_round(void *context)
{
    kofn_notify *notify = context;
    if (notify->supervisor.round_ns == KOFN_NEVER_NS)
        return;
    const int64_t now_ns = kofn_clock_ns();
    if (now_ns - notify->fed_ns < notify->supervisor.round_ns)
        return;
    notify->fed_ns = now_ns;
    tell("WATCHDOG=1");
}

static void
on_reload(void *context)
{
    const kofn_notify *notify = context;
    tell("RELOADING=1\nMONOTONIC_USEC=%" PRId64, kofn_clock_ns() / KOFN_NS_PER_US);
    notify->reload(notify->context);
    tell("READY=1");
}

static void
on_stopping(void *context)
{
    (void)context;
    tell("STOPPING=1");
}

void
kofn_notify_init(kofn_notify *notify, void (*reload)(void *context), void *context)
{
    uint64_t watchdog_us = 0;
    const bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    *notify = (kofn_notify){
        .supervisor =
            {
                .round_ns = watched && watchdog_us < INT64_MAX / KOFN_NS_PER_US
                                ? (int64_t)watchdog_us * KOFN_NS_PER_US / 4
                                : KOFN_NEVER_NS,
                .starting = on_starting,
                .ready = on_ready,
                .round = on_round,
                .reload = on_reload,
                .stopping = on_stopping,
                .context = notify,
            },
        .reload = reload,
        .context = context,
        .fed_ns = -EXTEND_EVERY_NS,
    };
}
