#include "client/connection.h"

#include "common/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zmq.h>

/* inproc has no handshake and no monitor events; it cannot be lost either. */
static bool
is_monitored(const kofn_connection *connection)
{
    return strncmp(connection->endpoint, "inproc://", strlen("inproc://")) != 0;
}

static kofn_status
open_monitor(kofn_connection *connection, kofn_error *err)
{
    char name[96];
    (void)snprintf(name, sizeof name, "inproc://kofn-monitor-%p-%u", (void *)connection,
                   connection->number);
    if (zmq_socket_monitor(connection->socket, name,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_DISCONNECTED) != 0)
        return kofn_fail(err, KOFN_INTERNAL, "monitor of the connection: %s", zmq_strerror(errno));

    const int linger = 0;
    connection->monitor = zmq_socket(connection->context, ZMQ_PAIR);
    if (!connection->monitor ||
        zmq_setsockopt(connection->monitor, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(connection->monitor, name) != 0)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "monitor of the connection: %s",
                         zmq_strerror(errno));
    return KOFN_OK;
}

kofn_status
kofn_connection_open(kofn_connection *connection, kofn_error *err)
{
    connection->number++;
    kofn_status status =
        kofn_link_socket_new(connection->context, KOFN_LINK_CLIENT, &connection->socket, err);
    if (status == KOFN_OK && connection->keys)
        status = kofn_link_secure(connection->socket, KOFN_LINK_CLIENT, connection->keys, err);
    if (status == KOFN_OK && is_monitored(connection)) // before connecting: no event is missed
        status = open_monitor(connection, err);
    if (status == KOFN_OK)
        status = kofn_link_open(connection->socket, KOFN_LINK_CLIENT, connection->endpoint, NULL, 0,
                                err);
    if (status == KOFN_OK)
        status = kofn_peer_new(connection->socket, KOFN_LINK_CLIENT, NULL, KOFN_WINDOW_BYTES,
                               &connection->peer, err);
    if (status != KOFN_OK) {
        kofn_connection_close(connection);
        return status;
    }
    kofn_peer_set_pool(connection->peer, connection->pool);
    connection->state = is_monitored(connection) ? KOFN_CONNECTION_CONNECTING : KOFN_CONNECTION_UP;
    return KOFN_OK;
}

void
kofn_connection_close(kofn_connection *connection)
{
    kofn_peer_destroy(&connection->peer);
    /* Whatever lingers in a closed socket makes it connect again, and libzmq's I/O thread tells the
     * monitor of it: without anybody there it would wait for ever, and every connection with it. So
     * the monitor ends first. */
    if (connection->monitor)
        (void)zmq_socket_monitor(connection->socket, NULL,
                                 0); // fails if it was never started: fine
    /* zmq_close cannot fail on a socket that is one. Its linger is set by the link: an abandon that
     * was just sent still leaves. */
    if (connection->socket)
        (void)zmq_close(connection->socket);
    if (connection->monitor)
        (void)zmq_close(connection->monitor);
    connection->socket = connection->monitor = NULL;
    connection->state = KOFN_CONNECTION_NONE;
}

/* An event is two frames: number and value, then the address, which we know. */
static bool
take_event(void *monitor, uint16_t *ret_event)
{
    unsigned char frame[64];
    const int length = zmq_recv(monitor, frame, sizeof frame, ZMQ_DONTWAIT);
    if (length < (int)sizeof *ret_event)
        return false;
    memcpy(ret_event, frame, sizeof *ret_event);
    (void)zmq_recv(monitor, frame, sizeof frame, ZMQ_DONTWAIT); // cut: nobody reads it
    return true;
}

void
kofn_connection_look(kofn_connection *connection)
{
    uint16_t event;
    while (connection->monitor && take_event(connection->monitor, &event)) {
        const bool was_up = connection->state == KOFN_CONNECTION_UP;
        if (connection->state == KOFN_CONNECTION_LOST)
            continue; // and stays lost: see the header
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
            connection->state = KOFN_CONNECTION_REFUSED;
        else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            connection->state = KOFN_CONNECTION_UP;
        else if (was_up || connection->state == KOFN_CONNECTION_CONNECTING)
            connection->state = KOFN_CONNECTION_LOST;
    }
}

static long
milliseconds_until(int64_t until_ns)
{
    if (until_ns == KOFN_NEVER_NS)
        return -1;
    const int64_t left = until_ns - kofn_clock_ns();
    if (left <= 0)
        return 0;
    const int64_t ms = (left + KOFN_NS_PER_MS - 1) / KOFN_NS_PER_MS; // up: not to spin at the end
    return ms > INT_MAX ? INT_MAX : (long)ms;
}

bool
kofn_connection_wait(kofn_connection *connection, int64_t until_ns)
{
    zmq_pollitem_t items[2];
    int count = 0;
    if (connection->socket)
        items[count++] = (zmq_pollitem_t){.socket = connection->socket, .events = ZMQ_POLLIN};
    if (connection->monitor)
        items[count++] = (zmq_pollitem_t){.socket = connection->monitor, .events = ZMQ_POLLIN};
    return zmq_poll(items, count, milliseconds_until(until_ns)) >= 0 || errno != EINTR;
}
