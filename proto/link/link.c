/* Three things make up a link:
 *
 * The socket. libzmq accepts or refuses a whole message at its first frame: a ROUTER looks up the
 * peer's pipe and its high-water mark there, a DEALER picks a pipe there; frames that follow belong
 * to a message that is under way. So the first frame decides. Should the pipe end between two
 * frames, libzmq throws the message away, provided that it gets the rest of it: send_message always
 * offers every frame.
 *
 * The way in. Each block frame stays in the zmq_msg_t that it arrived in, wrapped as a kofn_buf, so
 * that an answer is used where libzmq read it.
 *
 * The sum. Where nothing else protects what is on the way, the envelope carries a checksum
 * (checksum.h).
 *
 * The way out. A block frame is handed to libzmq with a ref of its owner; libzmq's I/O thread lets
 * go when the bytes are on the wire.
 */
#include "proto/link/link.h"
#include "proto/link/checksum.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* ---- the socket ------------------------------------------------------------------------------ */

/* Heartbeats of ZMTP only find connections that are half open, which costs a reconnect when it is
 * wrong; dead peers are found by the protocol's own heartbeats, sooner. Hence the long timeout. */
enum {
    LINGER_MS = 1000,
    MESSAGES_MAX = 10000, // high-water marks: a backstop behind credit, which counts bytes
    HEARTBEAT_MS = 3000,
    HEARTBEAT_TIMEOUT_MS = 15000,
    HEARTBEAT_TTL_MS = 30000, // what we ask the peer to apply to us
    HANDSHAKE_MS = 10000,
    /* The kernel asks again after 1, 3, 7, ... 63 s. A network that was away for a minute would be
     * back for another before anybody noticed; so an attempt of ours is not as long as its
     * pauses. */
    CONNECT_MS = 3000,
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 2000,
    COPIED_BYTES = 8192, // smaller frames are, see wrap_frame
    BACKLOG = 1024,      // a rack of workers that starts at once
};

static bool
is_router(kofn_link_kind kind)
{
    return kind == KOFN_LINK_MASTER_CLIENTS || kind == KOFN_LINK_MASTER_WORKERS;
}

static bool
is_delimited(kofn_link_kind kind)
{
    return kind == KOFN_LINK_MASTER_CLIENTS || kind == KOFN_LINK_CLIENT;
}

static bool
set_options(void *socket, kofn_link_kind kind)
{
    const struct {
        int option, value;
        bool apply;
    } settings[] = {
        {ZMQ_LINGER, LINGER_MS, true},
        {ZMQ_SNDHWM, MESSAGES_MAX, true},
        {ZMQ_RCVHWM, MESSAGES_MAX, true},
        {ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS, true},
        {ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS, true},
        {ZMQ_HEARTBEAT_TTL, HEARTBEAT_TTL_MS, true},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS, true},
        {ZMQ_CONNECT_TIMEOUT, CONNECT_MS, true},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS, true},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS, true},
        {ZMQ_TCP_KEEPALIVE, 1, true},
        {ZMQ_IPV6, 1, true},
        {ZMQ_BACKLOG, BACKLOG, is_router(kind)},
        /* A message to a peer that is gone must fail, not vanish. */
        {ZMQ_ROUTER_MANDATORY, 1, is_router(kind)},
        /* A worker's old results must not be replayed to a restarted master ahead of its hello. */
        {ZMQ_IMMEDIATE, 1, kind == KOFN_LINK_WORKER},
    };
    const int64_t frame_max = (int64_t)KOFN_FRAME_BYTES_MAX + KOFN_BLOCK_HEADROOM;

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (settings[i].apply && zmq_setsockopt(socket, settings[i].option, &settings[i].value,
                                                sizeof settings[i].value) != 0)
            return false;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0;
}

kofn_status
kofn_link_socket_new(void *context, kofn_link_kind kind, void **ret_socket, kofn_error *err)
{
    void *socket = zmq_socket(context, is_router(kind) ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!socket)
        return kofn_fail(err, errno == EMFILE ? KOFN_RESOURCE_EXHAUSTED : KOFN_INTERNAL,
                         "no socket: %s; raise the limit of open files", zmq_strerror(errno));
    if (!set_options(socket, kind)) {
        const int reason = errno;
        (void)zmq_close(socket); // cannot fail on a socket that was just made
        return kofn_fail(err, KOFN_INTERNAL, "socket options: %s", zmq_strerror(reason));
    }
    *ret_socket = socket;
    return KOFN_OK;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static kofn_status
load_master_key(const char *path, char ret_key[KOFN_CURVE_TEXT], kofn_error *err)
{
    kofn_certificate master;
    const kofn_status status = kofn_certificate_load(path, &master, err);
    if (status != KOFN_OK)
        return status;
    if (master.role != KOFN_ROLE_MASTER)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s is the certificate of a %s: want a master's", path,
                         kofn_role_name(master.role));
    memcpy(ret_key, master.public_key, sizeof master.public_key);
    return KOFN_OK;
}

kofn_status
kofn_link_keys_load(const char *own, const char *master, kofn_link_keys *ret_keys, kofn_error *err)
{
    kofn_link_keys keys = {.master = ""};
    kofn_status status = kofn_certificate_load_secret(own, &keys.own, err);
    if (status == KOFN_OK && !master != (keys.own.role == KOFN_ROLE_MASTER))
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is the certificate of a %s: want %s",
                           own, kofn_role_name(keys.own.role),
                           master ? "a client's, worker's or admin's" : "a master's");
    if (status == KOFN_OK && master)
        status = load_master_key(master, keys.master, err);
    if (status == KOFN_OK)
        *ret_keys = keys;
    explicit_bzero(&keys, sizeof keys);
    return status;
}

size_t
kofn_link_chunk_bytes(bool secured)
{
    return secured ? KOFN_CHUNK_BYTES_CURVE : KOFN_CHUNK_BYTES;
}

const char *
kofn_link_domain(kofn_link_kind kind)
{
    return kind == KOFN_LINK_MASTER_WORKERS ? "workers" : "clients";
}

static bool
set_key(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, KOFN_CURVE_TEXT) == 0;
}

static bool
secure_server(void *socket, kofn_link_kind kind, const kofn_link_keys *keys)
{
    const int yes = 1;
    const char *domain = kofn_link_domain(kind);
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) == 0 &&
           set_key(socket, ZMQ_CURVE_SECRETKEY, keys->own.secret_key) &&
           zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0;
}

static bool
secure_client(void *socket, const kofn_link_keys *keys)
{
    return set_key(socket, ZMQ_CURVE_SERVERKEY, keys->master) &&
           set_key(socket, ZMQ_CURVE_PUBLICKEY, keys->own.public_key) &&
           set_key(socket, ZMQ_CURVE_SECRETKEY, keys->own.secret_key);
}

kofn_status
kofn_link_secure(void *socket, kofn_link_kind kind, const kofn_link_keys *keys, kofn_error *err)
{
    if (!(is_router(kind) ? secure_server(socket, kind, keys) : secure_client(socket, keys)))
        return kofn_fail(err, KOFN_INTERNAL, "keys of a socket: %s", zmq_strerror(errno));
    return KOFN_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static kofn_status
fail_open(const char *verb, const char *endpoint, int reason, kofn_error *err)
{
    switch (reason) {
    case EADDRINUSE:
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "%s '%s': the address is in use; stop the other process or choose "
                         "another port",
                         verb, endpoint);
    case EACCES:
        return kofn_fail(err, KOFN_PERMISSION_DENIED,
                         "%s '%s': not permitted; choose a port above 1023 or a path of your own",
                         verb, endpoint);
    case EADDRNOTAVAIL:
    case ENODEV:
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s '%s': this machine has no such address; use one of its own or "
                         "tcp://*:PORT",
                         verb, endpoint);
    case EMFILE:
    case ENOBUFS:
    case ENOMEM:
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s '%s': %s", verb, endpoint,
                         zmq_strerror(reason));
    default:
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s '%s': %s; an endpoint looks like tcp://host:5555 or ipc:///path", verb,
                         endpoint, zmq_strerror(reason));
    }
}

/* libzmq takes a port modulo 65536 and connects to port 0 for ever without a word. */
static bool
has_valid_port(const char *endpoint, bool bind)
{
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return true;
    const char *colon = strrchr(endpoint, ':');
    if (bind && strcmp(colon, ":*") == 0)
        return true;
    const size_t digits = strspn(colon + 1, "0123456789");
    const long port = digits > 0 && digits <= 5 ? strtol(colon + 1, NULL, 10) : -1;
    return colon[1 + digits] == '\0' && port >= (bind ? 0 : 1) && port <= 65535;
}

/* With IPv6 on, libzmq calls 127.0.0.1 [::ffff:127.0.0.1]. People do not. */
static void
unmap_ipv4(char *endpoint)
{
    static const char mapped[] = "tcp://[::ffff:";
    const size_t scheme = strlen("tcp://"), skip = strlen(mapped);
    char *end = strchr(endpoint, ']');
    if (strncmp(endpoint, mapped, skip) != 0 || !end)
        return;
    const size_t address = (size_t)(end - endpoint) - skip;
    memmove(endpoint + scheme, endpoint + skip, address);
    memmove(endpoint + scheme + address, end + 1, strlen(end + 1) + 1);
}

kofn_status
kofn_link_check_endpoint(kofn_link_kind kind, const char *endpoint, kofn_error *err)
{
    static const char *const schemes[] = {"tcp://", "ipc://", "inproc://"};
    const bool bind = is_router(kind);
    size_t i = 0;
    while (i < sizeof schemes / sizeof schemes[0] &&
           strncmp(endpoint, schemes[i], strlen(schemes[i])) != 0)
        i++;
    if (i == sizeof schemes / sizeof schemes[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "'%s' is no endpoint: write it as tcp://ADDRESS:PORT", endpoint);
    if (!has_valid_port(endpoint, bind))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "endpoint '%s': no port; end it with a number from %d to 65535%s",
                         endpoint, bind ? 0 : 1, bind ? ", or * for any that is free" : "");
    return KOFN_OK;
}

kofn_status
kofn_link_open(void *socket, kofn_link_kind kind, const char *endpoint, char *ret_endpoint,
               size_t size, kofn_error *err)
{
    const bool bind = is_router(kind);
    const kofn_status status = kofn_link_check_endpoint(kind, endpoint, err);
    if (status != KOFN_OK)
        return status;
    if ((bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) != 0)
        return fail_open(bind ? "bind" : "connect to", endpoint, errno, err);
    if (!ret_endpoint)
        return KOFN_OK;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size) != 0)
        return kofn_fail(err, KOFN_INTERNAL, "endpoint of '%s': %s", endpoint, zmq_strerror(errno));
    unmap_ipv4(ret_endpoint);
    return KOFN_OK;
}

/* ---- the way in ------------------------------------------------------------------------------ */

static void
clear_inbound(kofn_inbound *in)
{
    kofn_buf_unref(&in->head);
    for (size_t i = 0; i < in->count; i++)
        kofn_buf_unref(&in->blocks[i]);
    in->count = 0;
    in->block_bytes = 0;
    in->peer.length = 0;
    in->delimited = false;
    in->key[0] = in->seal[0] = '\0';
}

void
kofn_inbound_fini(kofn_inbound *in)
{
    clear_inbound(in);
    free(in->blocks);
    *in = (kofn_inbound){0};
}

static void
release_frame(void *data, void *hint)
{
    (void)data; // inside the message
    (void)zmq_msg_close(hint);
    free(hint);
}

static void
release_copy(void *data, void *hint)
{
    (void)hint;
    free(data);
}

static kofn_status
copy_frame(zmq_msg_t *frame, kofn_buf **ret_buf, kofn_error *err)
{
    const size_t length = zmq_msg_size(frame);
    void *copy = malloc(length ? length : 1);
    if (!copy)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a received frame");
    if (length > 0)
        memcpy(copy, zmq_msg_data(frame), length);
    kofn_status status = kofn_buf_wrap(copy, length, release_copy, NULL, ret_buf, err);
    if (status != KOFN_OK)
        free(copy);
    return status;
}

/* As a buffer: the frame itself, moved to the heap, or a copy of a small one. libzmq reads TCP in
 * pieces of 8 KiB and hands out frames inside of them: whoever keeps one of a byte keeps 18 KiB.
 * `frame` may be closed, and nothing else, whatever happens. */
static kofn_status
wrap_frame(zmq_msg_t *frame, kofn_buf **ret_buf, kofn_error *err)
{
    if (zmq_msg_size(frame) < COPIED_BYTES)
        return copy_frame(frame, ret_buf, err);
    zmq_msg_t *kept = malloc(sizeof *kept);
    if (!kept) {
        (void)zmq_msg_close(frame);
        (void)zmq_msg_init(frame);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a received frame");
    }
    (void)zmq_msg_init(kept);
    (void)zmq_msg_move(kept, frame); // neither fails on initialised messages

    kofn_status status =
        kofn_buf_wrap(zmq_msg_data(kept), zmq_msg_size(kept), release_frame, kept, ret_buf, err);
    if (status != KOFN_OK)
        release_frame(NULL, kept);
    return status;
}

static kofn_status
add_block(kofn_inbound *in, zmq_msg_t *frame, kofn_error *err)
{
    if (in->count == KOFN_MESSAGE_FRAMES_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "message with more than %d block frames; send data messages",
                         KOFN_MESSAGE_FRAMES_MAX);
    if (in->count == in->capacity) {
        const size_t capacity = in->capacity ? 2 * in->capacity : 8;
        kofn_buf **blocks = realloc(in->blocks, capacity * sizeof(kofn_buf *));
        if (!blocks)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu frames", capacity);
        in->blocks = blocks;
        in->capacity = capacity;
    }
    kofn_status status = wrap_frame(frame, &in->blocks[in->count], err);
    if (status == KOFN_OK)
        in->count++;
    return status;
}

static bool
take_peer_id(kofn_inbound *in, zmq_msg_t *frame)
{
    const size_t length = zmq_msg_size(frame);
    if (length > KOFN_PEER_ID_MAX) // libzmq's own limit for routing ids
        return false;
    memcpy(in->peer.at, zmq_msg_data(frame), length);
    in->peer.length = length;
    return true;
}

/* Frames carry what ZAP said of their sender, but for the routing id, which the socket itself
 * made. */
static void
take_property(zmq_msg_t *frame, const char *property, char *ret_text, size_t size)
{
    const char *text = zmq_msg_gets(frame, property);
    if (text && strlen(text) < size)
        memcpy(ret_text, text, strlen(text) + 1);
}

static void
take_key(kofn_inbound *in, zmq_msg_t *frame)
{
    take_property(frame, "User-Id", in->key, sizeof in->key);
    take_property(frame, KOFN_LINK_SEAL, in->seal, sizeof in->seal);
}

/* Where the next frame belongs. */
typedef enum frame_place { PLACE_PEER, PLACE_DELIMITER, PLACE_HEAD, PLACE_BLOCKS } frame_place;

/* Put one frame where it belongs and say where the next one does. */
static kofn_status
take_frame(kofn_link_kind kind, kofn_inbound *in, zmq_msg_t *frame, frame_place *place,
           kofn_error *err)
{
    switch (*place) {
    case PLACE_PEER:
        *place = is_delimited(kind) ? PLACE_DELIMITER : PLACE_HEAD;
        return take_peer_id(in, frame)
                   ? KOFN_OK
                   : kofn_fail(err, KOFN_INVALID_ARGUMENT, "routing id of more than %d bytes",
                               KOFN_PEER_ID_MAX);
    case PLACE_DELIMITER:
        *place = PLACE_HEAD;
        in->delimited = zmq_msg_size(frame) == 0;
        if (in->delimited)
            return KOFN_OK;
        /* A DEALER that left the delimiter out starts with the envelope. */
        __attribute__((fallthrough));
    case PLACE_HEAD:
        *place = PLACE_BLOCKS;
        return wrap_frame(frame, &in->head, err);
    case PLACE_BLOCKS:
        in->block_bytes += zmq_msg_size(frame);
        return add_block(in, frame, err);
    }
    return KOFN_INTERNAL; // no further places
}

static kofn_status
check_sum(const kofn_inbound *in, kofn_error *err)
{
    const void *head = kofn_buf_get_data(in->head);
    const size_t length = kofn_buf_get_size(in->head), place = kofn_checksum_find(head, length);
    if (place == 0)
        return KOFN_OK;
    uint32_t sum = kofn_checksum_of_head(head, length, place);
    for (size_t i = 0; i < in->count; i++)
        sum = kofn_checksum_add(sum, kofn_buf_get_data(in->blocks[i]),
                                kofn_buf_get_size(in->blocks[i]));
    if (sum != kofn_checksum_get(head, place))
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "a message was damaged on its way: its checksum is %08x, not %08x", sum,
                         kofn_checksum_get(head, place));
    return KOFN_OK;
}

kofn_status
kofn_inbound_recv(void *socket, kofn_link_kind kind, kofn_inbound *in, bool *ret_got,
                  kofn_error *err)
{
    clear_inbound(in);
    *ret_got = false;

    frame_place place = is_router(kind)      ? PLACE_PEER
                        : is_delimited(kind) ? PLACE_DELIMITER
                                             : PLACE_HEAD;
    kofn_status status = KOFN_OK;
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN) // only before the first frame: messages arrive whole
                return status;
            return kofn_fail(err, KOFN_UNAVAILABLE, "receive: %s", zmq_strerror(errno));
        }
        more = zmq_msg_more(&frame);
        *ret_got = true;
        if (is_router(kind) && (place == PLACE_DELIMITER || place == PLACE_HEAD))
            take_key(in, &frame);
        if (status == KOFN_OK)
            status = take_frame(kind, in, &frame, &place, err);
        else if (place == PLACE_BLOCKS)
            in->block_bytes += zmq_msg_size(&frame); // dropped, and still to be acknowledged
        (void)zmq_msg_close(&frame);
    }

    if (status == KOFN_OK && (!in->head || kofn_buf_get_size(in->head) == 0))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "message without an envelope");
    return status == KOFN_OK ? check_sum(in, err) : status;
}

/* ---- the way out ----------------------------------------------------------------------------- */

struct kofn_peer {
    void *socket;
    kofn_link_kind kind;
    kofn_peer_id id;
    kofn_pool *pool; // frames bands that have no frame; NULL: all have one
    size_t window;   // 0: the peer cannot acknowledge, everything goes at once
    kofn_flow *flow;
    size_t taken; // block bytes that the peer is still to be told of
    bool summed;  // messages carry a checksum
    kofn_wire_buffer head, more_head;
};

/* CURVE authenticates all that it carries, and within one process nothing is on its way. */
static bool
needs_sum(void *socket)
{
    int mechanism = ZMQ_NULL;
    char endpoint[256] = "";
    size_t size = sizeof mechanism, length = sizeof endpoint;
    (void)zmq_getsockopt(socket, ZMQ_MECHANISM, &mechanism, &size);
    (void)zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &length); // else: as if by wire
    return mechanism != ZMQ_CURVE && strncmp(endpoint, "inproc:", 7) != 0;
}

kofn_status
kofn_peer_new(void *socket, kofn_link_kind kind, const kofn_peer_id *id, size_t window,
              kofn_peer **ret_peer, kofn_error *err)
{
    kofn_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a peer");
    peer->socket = socket;
    peer->kind = kind;
    if (id)
        peer->id = *id;
    peer->window = window;
    peer->summed = needs_sum(socket);
    kofn_status status = kofn_flow_new(window, &peer->flow, err);
    if (status != KOFN_OK) {
        free(peer);
        return status;
    }
    *ret_peer = peer;
    return KOFN_OK;
}

void
kofn_peer_destroy(kofn_peer **peer_p)
{
    kofn_peer *peer = *peer_p;
    if (!peer)
        return;
    kofn_flow_destroy(&peer->flow);
    kofn_wire_buffer_fini(&peer->head);
    kofn_wire_buffer_fini(&peer->more_head);
    free(peer);
    *peer_p = NULL;
}

void
kofn_peer_set_pool(kofn_peer *peer, kofn_pool *pool)
{
    peer->pool = pool;
}

/* One message on its way to the socket: an error in its first frame ends it, one in a later frame
 * is kept until all frames were offered. */
typedef struct sending {
    void *socket;
    bool under_way;
    int reason; // errno of the first failure
} sending;

static void
send_frame(sending *s, zmq_msg_t *frame, bool more)
{
    int rc;
    do
        rc = zmq_msg_send(frame, s->socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (rc < 0 && errno == EINTR);

    if (rc < 0) {
        s->reason = s->reason ? s->reason : errno;
        (void)zmq_msg_close(frame); // ours still
    } else {
        s->under_way = true;
    }
}

static void
send_copy(sending *s, const void *bytes, size_t length, bool more)
{
    zmq_msg_t frame;
    if (s->reason && !s->under_way)
        return;
    if (zmq_msg_init_size(&frame, length) != 0) {
        s->reason = ENOMEM;
        if (!s->under_way)
            return;
        (void)zmq_msg_init(&frame); // the frame's place must be filled all the same
    } else if (length > 0) {
        memcpy(zmq_msg_data(&frame), bytes, length);
    }
    send_frame(s, &frame, more);
}

static void
unref_sent(void *data, void *hint)
{
    (void)data;
    kofn_buf *owner = hint;
    kofn_buf_unref(&owner);
}

/* Takes the band's ref. */
static void
send_block(sending *s, kofn_band *band, bool more)
{
    zmq_msg_t frame;
    if (s->reason && !s->under_way) {
        kofn_mat_fini(&band->mat);
        return;
    }
    if (zmq_msg_init_data(&frame, band->frame, band->frame_bytes, unref_sent, band->mat.owner) !=
        0) {
        s->reason = ENOMEM;
        kofn_mat_fini(&band->mat);
        (void)zmq_msg_init(&frame);
    }
    send_frame(s, &frame, more);
}

/* Refs of the bands, each with a frame. NULL: no memory. */
static kofn_band *
frame_all(const kofn_peer *peer, size_t count, const kofn_band *blocks)
{
    kofn_band *framed = calloc(count + 1, sizeof *framed);
    for (size_t i = 0; framed && i < count; i++) {
        assert((blocks[i].frame || peer->pool) && "a band that is sent has a frame, or gets one");
        if (blocks[i].frame) {
            framed[i] = blocks[i];
            framed[i].mat.owner = kofn_buf_ref(blocks[i].mat.owner);
        } else if (kofn_block_frame(peer->pool, &blocks[i], &framed[i], NULL) != KOFN_OK) {
            while (i-- > 0)
                kofn_mat_fini(&framed[i].mat);
            free(framed);
            return NULL;
        }
    }
    return framed;
}

/* The envelope with the message's sum, in a buffer of its own; NULL: as it is, or no memory. */
static unsigned char *
sum_up(const void *head, size_t *length, size_t count, const kofn_band *framed)
{
    unsigned char *summed = malloc(*length + KOFN_CHECKSUM_ROOM);
    const size_t grown = summed ? kofn_checksum_insert(head, *length, summed) : 0;
    if (grown == 0) {
        free(summed);
        return NULL;
    }
    const size_t place = kofn_checksum_find(summed, grown);
    uint32_t sum = kofn_checksum_of_head(summed, grown, place);
    for (size_t i = 0; i < count; i++)
        sum = kofn_checksum_add(sum, framed[i].frame, framed[i].frame_bytes);
    kofn_checksum_put(summed, place, sum);
    *length = grown;
    return summed;
}

static void
send_frames(sending *s, const kofn_peer *peer, const void *head, size_t head_length, size_t count,
            kofn_band *framed)
{
    unsigned char *summed = peer->summed ? sum_up(head, &head_length, count, framed) : NULL;
    if (is_router(peer->kind))
        send_copy(s, peer->id.at, peer->id.length, true);
    if (is_delimited(peer->kind))
        send_copy(s, NULL, 0, true);
    send_copy(s, summed ? summed : head, head_length, count > 0);
    for (size_t i = 0; i < count; i++)
        send_block(s, &framed[i], i + 1 < count);
    free(summed);
}

/* [id] [empty] head blocks: all of it, or nothing with UNAVAILABLE. */
static kofn_status
send_message(const kofn_peer *peer, const void *head, size_t head_length, size_t count,
             const kofn_band *blocks, kofn_error *err)
{
    sending s = {.socket = peer->socket};
    kofn_band *framed = frame_all(peer, count, blocks);
    if (framed)
        send_frames(&s, peer, head, head_length, count, framed);
    else
        s.reason = ENOMEM;
    free(framed);
    if (s.reason == 0)
        return KOFN_OK;
    /* Without memory, too: a transfer that has lost a message is a torso, whatever the reason. */
    return kofn_fail(err, KOFN_UNAVAILABLE, "the peer cannot be sent to: %s",
                     zmq_strerror(s.reason));
}

kofn_status
kofn_peer_post(kofn_peer *peer, const kofn_wire_message *of, const void *message, kofn_error *err)
{
    peer->head.length = 0;
    kofn_status status = kofn_message_pack(of, message, &peer->head, err);
    if (status != KOFN_OK)
        return status;
    return send_message(peer, peer->head.at, peer->head.length, 0, NULL, err);
}

static const kofn_wire_field *
find_more(const kofn_wire_message *of)
{
    for (size_t i = 0; i < of->count; i++)
        if (strcmp(of->fields[i].name, "more") == 0)
            return &of->fields[i];
    return NULL;
}

/* The same message with `more` set. */
static kofn_status
pack_more_head(kofn_peer *peer, const kofn_wire_message *of, const void *message, kofn_error *err)
{
    const kofn_wire_field *more = find_more(of);
    assert(more && more->type == KOFN_WIRE_BOOL); // only messages that carry blocks get here
    unsigned char *copy = malloc(of->struct_size);
    if (!copy)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a message");
    memcpy(copy, message, of->struct_size);
    *(bool *)(copy + more->offset) = true;
    peer->more_head.length = 0;
    kofn_status status = kofn_message_pack(of, copy, &peer->more_head, err);
    free(copy); // its lists belong to the original
    return status;
}

static size_t
count_bytes(size_t count, const kofn_bands *const *mats)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < mats[i]->count; j++)
            bytes += mats[i]->at[j].frame_bytes;
    return bytes;
}

/* Send what the credit allows. */
static kofn_status
pump(kofn_peer *peer, kofn_error *err)
{
    kofn_flow_message next;
    while (kofn_flow_next(peer->flow, &next)) {
        kofn_status status =
            send_message(peer, next.head, next.head_length, next.count, next.blocks, err);
        if (status != KOFN_OK)
            return status;
    }
    return KOFN_OK;
}

kofn_status
kofn_peer_transfer(kofn_peer *peer, uint64_t id, const kofn_wire_message *of, const void *message,
                   size_t count, const kofn_bands *const *mats, kofn_error *err)
{
    peer->head.length = 0;
    kofn_status status = kofn_message_pack(of, message, &peer->head, err);
    if (status != KOFN_OK)
        return status;

    /* What fits a quarter of the window goes in one message, so it needs no second head. */
    const kofn_wire_buffer *more_head = peer->window > 0 ? &peer->head : NULL;
    if (count_bytes(count, mats) > peer->window / 4 && peer->window > 0) {
        status = pack_more_head(peer, of, message, err);
        more_head = &peer->more_head;
    }
    if (status == KOFN_OK)
        status = kofn_flow_push(peer->flow, id, &peer->head, more_head, count, mats, err);
    return status == KOFN_OK ? pump(peer, err) : status;
}

kofn_status
kofn_peer_acked(kofn_peer *peer, uint64_t bytes, kofn_error *err)
{
    kofn_error inner;
    if (kofn_flow_ack(peer->flow, bytes, &inner) != KOFN_OK)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s", inner.text);
    return pump(peer, err);
}

kofn_status
kofn_peer_took(kofn_peer *peer, size_t bytes, size_t own_window, kofn_error *err)
{
    if (peer->window == 0) // a REQ socket would take the ack for its reply
        return KOFN_OK;
    peer->taken += bytes;
    if (peer->taken == 0 || peer->taken < own_window / 4)
        return KOFN_OK;
    kofn_status status =
        kofn_peer_post(peer, &kofn_ack_message, &(kofn_msg_ack){.bytes = peer->taken}, err);
    if (status == KOFN_OK)
        peer->taken = 0;
    return status;
}

bool
kofn_peer_drop(kofn_peer *peer, uint64_t id)
{
    return kofn_flow_drop(peer->flow, id);
}

size_t
kofn_peer_get_queued(const kofn_peer *peer)
{
    return kofn_flow_get_queued(peer->flow);
}

size_t
kofn_peer_get_unacked(const kofn_peer *peer)
{
    return kofn_flow_get_unacked(peer->flow);
}
