#include "proto/link/monitor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum {
    EVENTS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
             ZMQ_EVENT_DISCONNECTED,
    ATTEMPTS = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED |
               ZMQ_EVENT_CLOSED,
};

kofn_status
kofn_monitor_open(void *context, void *watched, bool every_attempt, kofn_monitor *ret_monitor,
                  kofn_error *err)
{
    static atomic_uint count; // a name is free again only some time after its monitor has ended
    char name[64];
    const int linger_ms = 0;
    kofn_monitor monitor = {.watched = watched};
    (void)snprintf(name, sizeof name, "inproc://kofn-monitor-%u", atomic_fetch_add(&count, 1));
    if (zmq_socket_monitor(watched, name, EVENTS | (every_attempt ? ATTEMPTS : 0)) != 0)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "monitor of the connection: %s",
                         zmq_strerror(errno));
    monitor.socket = zmq_socket(context, ZMQ_PAIR);
    if (!monitor.socket ||
        zmq_setsockopt(monitor.socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms) != 0 ||
        zmq_connect(monitor.socket, name) != 0) {
        const int reason = errno;
        kofn_monitor_close(&monitor);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "monitor of the connection: %s",
                         zmq_strerror(reason));
    }
    *ret_monitor = monitor;
    return KOFN_OK;
}

/* Whatever lingers in a closed socket makes it connect again, and libzmq's I/O thread tells the
 * monitor of it: without anybody there it would wait for ever, and every connection with it. So the
 * monitor ends first. */
void
kofn_monitor_close(kofn_monitor *monitor)
{
    if (monitor->watched)
        (void)zmq_socket_monitor(monitor->watched, NULL, 0); // fails if it was never started: fine
    if (monitor->socket)
        (void)zmq_close(monitor->socket);
    *monitor = (kofn_monitor){0};
}

/* An event is two frames: number and value, then the address, which we know. */
static bool
receive(void *socket, uint16_t *ret_event, uint32_t *ret_value)
{
    unsigned char frame[64];
    const int length = zmq_recv(socket, frame, sizeof frame, ZMQ_DONTWAIT);
    if (length < (int)(sizeof *ret_event + sizeof *ret_value))
        return false;
    memcpy(ret_event, frame, sizeof *ret_event);
    memcpy(ret_value, frame + sizeof *ret_event, sizeof *ret_value);
    (void)zmq_recv(socket, frame, sizeof frame, ZMQ_DONTWAIT); // cut: nobody reads it
    return true;
}

/* Of one attempt: none of DELAYED (the address is being tried), CLOSED (it was) and CONNECTED comes
 * where there is no address. RETRIED ends an attempt in vain. */
static void
follow(kofn_monitor *monitor, uint16_t event)
{
    const bool over = event == ZMQ_EVENT_CONNECT_RETRIED;
    if (event == ZMQ_EVENT_CONNECTED)
        monitor->way = KOFN_MONITOR_WAY_OPEN;
    else if (over && !monitor->connected)
        monitor->way = monitor->tried ? KOFN_MONITOR_WAY_CLOSED : KOFN_MONITOR_WAY_NOWHERE;
    monitor->tried = !over;
    monitor->connected = !over && (monitor->connected || event == ZMQ_EVENT_CONNECTED);
}

const char *
kofn_monitor_describe_way(const kofn_monitor *monitor)
{
    switch (monitor->way) {
    case KOFN_MONITOR_WAY_NOWHERE:
        return "its name does not resolve, or there is no way to it: is it spelled right?";
    case KOFN_MONITOR_WAY_CLOSED:
        return "nobody takes connections there: is kofn-master running, and does a firewall let us "
               "through?";
    case KOFN_MONITOR_WAY_OPEN:
        if (monitor->up)
            return "somebody takes the connection and does not greet: is it a kofn master, and its "
                   "port for workers?";
        return "somebody takes the connection and nothing else: is it a kofn master, and alive?";
    case KOFN_MONITOR_WAY_UNKNOWN:
        break;
    }
    return "nothing is known of the connection yet";
}

/* False: nothing that is to be told. */
static bool
cut(kofn_monitor *monitor, kofn_monitor_event *ret_event)
{
    *ret_event = KOFN_MONITOR_CUT;
    return ++monitor->cuts >= KOFN_MONITOR_CUTS;
}

static bool
translate(kofn_monitor *monitor, uint16_t event, uint32_t value, kofn_monitor_event *ret_event)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        monitor->cuts = 0;
        monitor->up = true;
        *ret_event = KOFN_MONITOR_UP;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        *ret_event = KOFN_MONITOR_REFUSED;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (value != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            return cut(monitor, ret_event);
        *ret_event = KOFN_MONITOR_MISMATCH;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return cut(monitor, ret_event);
    case ZMQ_EVENT_DISCONNECTED: // follows a handshake that failed, too
        if (!monitor->up)
            return false;
        monitor->up = false;
        *ret_event = KOFN_MONITOR_DOWN;
        return true;
    default:
        follow(monitor, event);
        return false;
    }
}

bool
kofn_monitor_next(kofn_monitor *monitor, kofn_monitor_event *ret_event)
{
    uint16_t event;
    uint32_t value;
    while (monitor->socket && receive(monitor->socket, &event, &value))
        if (translate(monitor, event, value, ret_event))
            return true;
    return false;
}

kofn_status
kofn_monitor_explain(kofn_monitor_event event, const char *endpoint, const char *role,
                     bool has_keys, kofn_error *err)
{
    if (event == KOFN_MONITOR_REFUSED)
        return kofn_fail(err, KOFN_UNAUTHENTICATED,
                         "the master at %s does not take this key: have its public certificate, "
                         "in the role of a %s, put into the master's keys.allowed",
                         endpoint, role);
    if (event == KOFN_MONITOR_MISMATCH && has_keys)
        return kofn_fail(err, KOFN_UNAUTHENTICATED,
                         "the master at %s has no keys, and this %s has: give it some, or leave "
                         "out those of this %s",
                         endpoint, role, role);
    if (event == KOFN_MONITOR_MISMATCH)
        return kofn_fail(err, KOFN_UNAUTHENTICATED,
                         "the master at %s wants a key, and this %s has none: make one with "
                         "'kofn keygen NAME --role %s'",
                         endpoint, role, role);
    return kofn_fail(
        err, KOFN_UNAUTHENTICATED,
        "what is at %s cuts off every handshake: is it a kofn master, and %s?", endpoint,
        has_keys ? "is the master's certificate at this end that master's" : "does it want a key");
}
