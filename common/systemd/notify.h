/* What systemd hears of a daemon ($NOTIFY_SOCKET): READY, RELOADING, STOPPING, and WATCHDOG for as
 * long as the daemon's loop makes its rounds. A start that takes long asks for more time
 * (EXTEND_TIMEOUT) for as long as it goes on. No thread or timer of its own feeds the watchdog, so
 * a loop that hangs is a daemon that is restarted. Without systemd nothing is sent.
 *
 * Units      WatchdogSec= comes by $WATCHDOG_USEC; it is fed four times in that.
 * Threads    The daemon's loop.
 */
#ifndef KOFN_SYSTEMD_NOTIFY_H
#define KOFN_SYSTEMD_NOTIFY_H

#include "common/base/daemon.h"

typedef struct kofn_notify {
    kofn_supervisor supervisor; // for the daemon; its context is this struct, which stays in place
    void (*reload)(void *context);
    void *context;
    int64_t fed_ns; // when the watchdog was fed last, or more time asked for
} kofn_notify;

/* reload(context) reads the configuration again; systemd is told before and after. */
void kofn_notify_init(kofn_notify *notify, void (*reload)(void *context), void *context);

#endif
