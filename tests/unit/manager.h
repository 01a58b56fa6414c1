/* A service manager's end of $NOTIFY_SOCKET, for tests of what it is told. */
#ifndef TESTS_UNIT_MANAGER_H
#define TESTS_UNIT_MANAGER_H

#include "tests/assert.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct manager {
    int fd;
    char path[64], said[512];
} manager;

/* Programs started from now on, and this one, tell it. watchdog_us 0: no watchdog. */
static inline void
manager_open(manager *m, const char *watchdog_us)
{
    static int number;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(m->path, sizeof m->path, "/tmp/kofn-manager-%d-%d", (int)getpid(), number++);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", m->path);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(m->fd >= 0);
    assert_int_equal(bind(m->fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", m->path, 1), 0);
    if (watchdog_us)
        assert_int_equal(setenv("WATCHDOG_USEC", watchdog_us, 1), 0);
}

static inline void
manager_close(manager *m)
{
    (void)close(m->fd);
    (void)unlink(m->path);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
}

/* What it is told next; "": nothing within the time. */
static inline const char *
manager_hear(manager *m, int timeout_ms)
{
    struct pollfd item = {.fd = m->fd, .events = POLLIN};
    m->said[0] = '\0';
    if (poll(&item, 1, timeout_ms) != 1)
        return m->said;
    const ssize_t length = recv(m->fd, m->said, sizeof m->said - 1, 0);
    assert_true(length >= 0);
    m->said[length] = '\0';
    return m->said;
}

/* Until it is told something that begins so; the watchdog's food and more time to
 * start are passed over. */
static inline void
manager_await(manager *m, const char *wanted)
{
    enum { PATIENCE_MS = 20000 };
    for (;;) {
        const char *said = manager_hear(m, PATIENCE_MS);
        if (strncmp(said, wanted, strlen(wanted)) == 0)
            return;
        if (strncmp(said, "EXTEND_TIMEOUT_USEC=", 20) != 0)
            assert_string_equal(said, "WATCHDOG=1");
    }
}

#endif
