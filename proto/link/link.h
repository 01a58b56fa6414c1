/* Links: the protocol's messages over ZeroMQ sockets. The one place that knows frames on a socket;
 * used by the master, the workers and the client. A layer of its own, so that proto stays without
 * sockets.
 *
 *     client  DEALER/REQ   [empty] [envelope] [block]*      ROUTER  master
 *     worker  DEALER               [envelope] [block]*      ROUTER  master
 *
 * kofn_inbound   one received message: who sent it, the envelope's bytes, the block frames as
 *                counted buffers that need no copy.
 * kofn_peer      the sending side towards one peer: control messages go out at once, transfers pass
 *                through a kofn_flow with credit. And the counting of what it sent us, for acks.
 *
 * Where the socket is neither encrypted nor inproc, messages go with a checksum (checksum.h); one
 * that comes with one is checked.
 *
 * Never blocks: sends use ZMQ_DONTWAIT, and a peer whose pipe is full or gone is UNAVAILABLE.
 * Threads    The socket's thread.
 */
#ifndef KOFN_PROTO_LINK_LINK_H
#define KOFN_PROTO_LINK_LINK_H

#include "proto/link/certificate.h"
#include "proto/messages.h"
#include "proto/transfer.h"

typedef enum kofn_link_kind {
    KOFN_LINK_MASTER_CLIENTS, // ROUTER for REQ and DEALER clients: [id] [empty] ...
    KOFN_LINK_MASTER_WORKERS, // ROUTER for workers: [id] ...
    KOFN_LINK_CLIENT,         // DEALER: [empty] ...
    KOFN_LINK_WORKER,         // DEALER: ...
} kofn_link_kind;

enum { KOFN_PEER_ID_MAX = 255, KOFN_SEAL_TEXT = 33 };

/* The property of a message in which the ZAP handler of this process vouches for its key. */
#define KOFN_LINK_SEAL "X-Kofn-Seal"

typedef struct kofn_peer_id { // a ROUTER's routing id; empty on a DEALER
    size_t length;
    unsigned char at[KOFN_PEER_ID_MAX];
} kofn_peer_id;

/* Have malloc keep the pages of received frames for the next ones. Call it first in main: it sets
 * glibc's allocator for the whole process, so a library has no business to. */
void kofn_link_tune_malloc(void);

/* Start the program anew without caches of threads, unless $GLIBC_TUNABLES says how it is to be:
 * first of all in main. Returns where that cannot be, or has been. */
void kofn_link_choose_malloc(char **argv);

/* Give back what malloc keeps: for when few frames come. Likewise no library's business. */
void kofn_link_trim_malloc(void);

/* A raw libzmq socket of `context` for that kind, with every option set: bounded LINGER and HWM,
 * MAXMSGSIZE, ROUTER_MANDATORY, TCP heartbeats and handshake limit. Not yet bound or connected.
 * A worker's socket is not writable until it is connected, and forgets what it could not send when
 * the connection ends; a client's keeps its messages for the master that comes. */
KOFN_MUST_CHECK kofn_status kofn_link_socket_new(void *context, kofn_link_kind kind,
                                                 void **ret_socket, kofn_error *err);

/* What one end of encrypted links holds. */
typedef struct kofn_link_keys {
    kofn_certificate own;         // with its secret key
    char master[KOFN_CURVE_TEXT]; // the master's public key; "" at the master
} kofn_link_keys;

/* Read `own` with its secret and, where this end connects, the master's public certificate;
 * `master` is NULL at the master. INVALID_ARGUMENT: not the role; errors of
 * kofn_certificate_load. */
KOFN_MUST_CHECK kofn_status kofn_link_keys_load(const char *own, const char *master,
                                                kofn_link_keys *ret_keys, kofn_error *err);

/* Have a socket speak CURVE and nothing else; before kofn_link_open. A master's asks the process's
 * ZAP handler, in the domain of kofn_link_domain; without one libzmq lets every key in, and their
 * messages carry no key. Not for inproc, which libzmq never encrypts. */
KOFN_MUST_CHECK kofn_status kofn_link_secure(void *socket, kofn_link_kind kind,
                                             const kofn_link_keys *keys, kofn_error *err);

/* The size of block frames that suits such a link, by measurement (bench/README.md). */
size_t kofn_link_chunk_bytes(bool secured);

/* ZAP's name for who comes in there: "clients" or "workers". */
const char *kofn_link_domain(kofn_link_kind kind);

/* Is that an endpoint to bind or to connect to, as far as its text says? INVALID_ARGUMENT. */
KOFN_MUST_CHECK kofn_status kofn_link_check_endpoint(kofn_link_kind kind, const char *endpoint,
                                                     kofn_error *err);

/* Bind (masters) or connect. ret_endpoint (may be NULL) gets the endpoint as bound, with the port
 * that a wildcard became. ALREADY_EXISTS: the address is in use. INVALID_ARGUMENT: no endpoint. */
KOFN_MUST_CHECK kofn_status kofn_link_open(void *socket, kofn_link_kind kind, const char *endpoint,
                                           char *ret_endpoint, size_t size, kofn_error *err);

typedef struct kofn_inbound {
    kofn_peer_id peer;
    bool delimited; // the empty delimiter was there (clients)
    /* The sender's public key as ZAP names it, "": none. A peer can write there what it likes where
     * no handler did; `seal` is what the handler adds and no peer knows. */
    char key[KOFN_CURVE_TEXT], seal[KOFN_SEAL_TEXT];
    kofn_buf *head; // envelope
    size_t count, capacity;
    kofn_buf **blocks;  // [count]
    size_t block_bytes; // of all block frames
} kofn_inbound;

/* Take one message off the socket. *ret_got is false when none waits. INVALID_ARGUMENT: a message
 * without an envelope, or with more than KOFN_MESSAGE_FRAMES_MAX frames; RESOURCE_EXHAUSTED: no
 * memory; DATA_LOSS: its checksum is wrong (in all three *ret_got is true, the message was drained,
 * peer and block_bytes are filled in).
 * UNAVAILABLE: the context was terminated. `in` must be {0} or used before; it is cleared first. */
KOFN_MUST_CHECK kofn_status kofn_inbound_recv(void *socket, kofn_link_kind kind, kofn_inbound *in,
                                              bool *ret_got, kofn_error *err);
void kofn_inbound_fini(kofn_inbound *in);

typedef struct kofn_peer kofn_peer;

/* `window`: bytes the peer takes unacknowledged; 0: it cannot acknowledge, everything goes at once
 * (REQ). */
KOFN_MUST_CHECK kofn_status kofn_peer_new(void *socket, kofn_link_kind kind, const kofn_peer_id *id,
                                          size_t window, kofn_peer **ret_peer, kofn_error *err);
void kofn_peer_destroy(kofn_peer **peer_p);

/* Send a control message now. UNAVAILABLE: the peer is gone or does not read; nothing was sent. */
KOFN_MUST_CHECK kofn_status kofn_peer_post(kofn_peer *peer, const kofn_wire_message *of,
                                           const void *message, kofn_error *err);

/* Where frames come from for bands that have none (kofn_block_bands_over). Borrowed; it outlives
 * the peer. */
void kofn_peer_set_pool(kofn_peer *peer, kofn_pool *pool);

/* Send `message` with the blocks of `mats`, as credit allows. Refs are taken; bands without a frame
 * get one when they leave, so their memory must stay until then (or until kofn_peer_drop). When it
 * does not all fit at once the message goes with its `more` field set and data messages with `id`
 * follow. `message` is not needed after the call. UNAVAILABLE, here and in kofn_peer_acked: the
 * peer holds torsos now, so it must be dropped with all its transfers. */
KOFN_MUST_CHECK kofn_status kofn_peer_transfer(kofn_peer *peer, uint64_t id,
                                               const kofn_wire_message *of, const void *message,
                                               size_t count, const kofn_bands *const *mats,
                                               kofn_error *err);

/* The peer acknowledged bytes: send what may go now. INVALID_ARGUMENT: more than was sent. */
KOFN_MUST_CHECK kofn_status kofn_peer_acked(kofn_peer *peer, uint64_t bytes, kofn_error *err);

/* We took block bytes of this peer off the socket: acknowledge, at the latest every quarter of our
 * window (`own_window`). Does nothing for a peer with window 0: a REQ socket would take the ack for
 * its reply. */
KOFN_MUST_CHECK kofn_status kofn_peer_took(kofn_peer *peer, size_t bytes, size_t own_window,
                                           kofn_error *err);

/* Forget the rest of a transfer; true when the peer holds a torso of it (kofn_flow_drop). */
bool kofn_peer_drop(kofn_peer *peer, uint64_t id);

size_t kofn_peer_get_queued(const kofn_peer *peer);  // block bytes that wait for credit
size_t kofn_peer_get_unacked(const kofn_peer *peer); // that are on their way, for all we know

#endif
