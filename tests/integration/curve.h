/* A CURVE client by hand (ZeroMQ RFC 26 over ZMTP 3.0): for what libzmq's own never sends, such as
 * properties that are not a peer's to set.
 */
#ifndef KOFN_TESTS_INTEGRATION_CURVE_H
#define KOFN_TESTS_INTEGRATION_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct curve_property {
    const char *name, *value;
} curve_property;

typedef struct curve_peer {
    int fd;
    uint64_t nonce;
    unsigned char key[32]; // of the session
} curve_peer;

/* Connect to "tcp://127.0.0.1:PORT" with keys as text; Socket-Type DEALER and `properties`, ended
 * by one without a name. False: the handshake was refused or cut off. */
bool curve_open(curve_peer *peer, const char *endpoint, const char *public_key,
                const char *secret_key, const char *server_key, const curve_property *properties);
void curve_close(curve_peer *peer);

/* One frame of a message. */
void curve_send(curve_peer *peer, const void *bytes, size_t length, bool more);

/* The next frame, of at most `size` bytes: its length. Fails the test when none comes. */
size_t curve_receive(curve_peer *peer, void *ret_bytes, size_t size, bool *ret_more);

#endif
