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

kofn_status
kofn_connection_open(kofn_connection *connection, kofn_error *err)
{
    kofn_status status =
        kofn_link_socket_new(connection->context, KOFN_LINK_CLIENT, &connection->socket, err);
    if (status == KOFN_OK && connection->keys)
        status = kofn_link_secure(connection->socket, KOFN_LINK_CLIENT, connection->keys, err);
    if (status == KOFN_OK && is_monitored(connection)) // before connecting: no event is missed
        status = kofn_monitor_open(connection->context, connection->socket, false,
                                   &connection->monitor, err);
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
    kofn_monitor_close(&connection->monitor);
    /* zmq_close cannot fail on a socket that is one. Its linger is set by the link: an abandon that
     * was just sent still leaves. */
    if (connection->socket)
        (void)zmq_close(connection->socket);
    connection->socket = NULL;
    connection->state = KOFN_CONNECTION_NONE;
}

/* Handshakes that are cut off are a refusal to who has keys and was never let in: they are wrong,
 * most likely. Without keys the master may be starting, behind something that connects in its
 * place. */
static bool
is_refusal(const kofn_connection *connection, kofn_monitor_event event)
{
    return event == KOFN_MONITOR_REFUSED || event == KOFN_MONITOR_MISMATCH ||
           (event == KOFN_MONITOR_CUT && connection->keys && !connection->was_up);
}

void
kofn_connection_look(kofn_connection *connection)
{
    kofn_monitor_event event;
    while (kofn_monitor_next(&connection->monitor, &event)) {
        if (connection->state == KOFN_CONNECTION_LOST)
            continue; // and stays lost: see the header
        if (event == KOFN_MONITOR_DOWN) {
            connection->state = KOFN_CONNECTION_LOST;
        } else if (event == KOFN_MONITOR_UP) {
            connection->state = KOFN_CONNECTION_UP;
            connection->was_up = true;
            connection->cut_off = false;
        } else if (is_refusal(connection, event)) {
            connection->state = KOFN_CONNECTION_REFUSED;
            connection->refusal = event;
        } else {
            connection->cut_off = true;
        }
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
    if (connection->monitor.socket)
        items[count++] =
            (zmq_pollitem_t){.socket = connection->monitor.socket, .events = ZMQ_POLLIN};
    return zmq_poll(items, count, milliseconds_until(until_ns)) >= 0 || errno != EINTR;
}
