/* The client's connection to a master: a socket, its monitor, and the peer on the other side.
 *
 * libzmq connects again by itself, but on the new connection the master knows nothing of credit or
 * of transfers that were half sent. So a connection that was lost is thrown away with everything
 * that waits in it, and a new one is made; the calls above it are sent again.
 *
 *     CONNECTING --handshake--> UP --disconnected--> LOST --close, open--> CONNECTING
 *
 * Threads    The client's. Nothing blocks but kofn_connection_wait.
 */
#ifndef KOFN_CLIENT_CONNECTION_H
#define KOFN_CLIENT_CONNECTION_H

#include "proto/link/link.h"
#include "proto/link/monitor.h"

typedef enum kofn_connection_state {
    KOFN_CONNECTION_NONE,       // closed
    KOFN_CONNECTION_CONNECTING, // nobody answered yet
    KOFN_CONNECTION_UP,
    KOFN_CONNECTION_REFUSED, // see `refusal`; it comes to nothing any more
    KOFN_CONNECTION_LOST,    // what was in it is gone
} kofn_connection_state;

typedef struct kofn_connection {
    void *context;              // libzmq's
    const char *endpoint;       // borrowed
    const kofn_link_keys *keys; // borrowed; NULL: no encryption
    kofn_pool *pool;            // borrowed: frames of what is sent
    kofn_connection_state state;
    bool was_up;                // this one, or one before it
    bool cut_off;               // somebody is there who ends each handshake
    kofn_monitor_event refusal; // in KOFN_CONNECTION_REFUSED: REFUSED, MISMATCH or CUT
    void *socket;
    kofn_monitor monitor;
    kofn_peer *peer;
} kofn_connection;

/* Begin to connect. INVALID_ARGUMENT: no such kind of endpoint. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_connection_open(kofn_connection *connection, kofn_error *err);

/* Drop the connection with all that waits in it, but for what its linger lets out: an abandon that
 * was just sent. Accepts a closed one. */
void kofn_connection_close(kofn_connection *connection);

/* Read what the monitor says into `state`. */
void kofn_connection_look(kofn_connection *connection);

/* Until a message or news of the connection is there, or the time (-1: never). False: a signal. */
bool kofn_connection_wait(kofn_connection *connection, int64_t until_ns);

#endif
