#include "tests/integration/curve.h"

#include "tests/assert.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    MAC = crypto_box_MACBYTES,
    KEY = crypto_box_PUBLICKEYBYTES,
    COOKIE = 96,
    METADATA_MAX = 1024,
    FRAME_MAX = 1 << 20,
    COMMAND = 4, // flags of ZMTP's frames
    LONG = 2,
};

/* ---- frames of ZMTP -------------------------------------------------------------------------- */

static bool
write_all(int fd, const void *bytes, size_t length)
{
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool
read_all(int fd, void *ret_bytes, size_t length)
{
    unsigned char *at = ret_bytes;
    while (length > 0) {
        const ssize_t got = recv(fd, at, length, 0);
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

static bool
write_frame(int fd, unsigned flags, const void *bytes, size_t length)
{
    unsigned char head[9] = {(unsigned char)(flags | LONG)};
    for (int i = 0; i < 8; i++)
        head[1 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
    return write_all(fd, head, sizeof head) && write_all(fd, bytes, length);
}

/* Its length, or 0. */
static size_t
read_frame(int fd, unsigned char *ret_bytes, size_t size)
{
    unsigned char flags, length[8] = {0};
    if (!read_all(fd, &flags, 1) ||
        !read_all(fd, flags & LONG ? length : length + 7, flags & LONG ? 8 : 1))
        return 0;
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | length[i];
    return value <= size && read_all(fd, ret_bytes, value) ? (size_t)value : 0;
}

static bool
greet(int fd)
{
    unsigned char ours[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
    unsigned char theirs[64];
    return write_all(fd, ours, sizeof ours) && read_all(fd, theirs, sizeof theirs);
}

/* ---- CURVE ----------------------------------------------------------------------------------- */

/* A nonce: 16 characters and a number, or 8 and 16 bytes. */
static void
fill_nonce(unsigned char nonce[24], const char *prefix, const unsigned char *rest)
{
    const size_t length = strlen(prefix);
    memcpy(nonce, prefix, length);
    memcpy(nonce + length, rest, 24 - length);
}

static void
number_nonce(curve_peer *peer, unsigned char ret_bytes[8])
{
    peer->nonce++;
    for (int i = 0; i < 8; i++)
        ret_bytes[i] = (unsigned char)(peer->nonce >> (56 - 8 * i));
}

typedef struct handshake {
    unsigned char own_public[KEY], own_secret[KEY];     // C, c
    unsigned char brief_public[KEY], brief_secret[KEY]; // C', c'
    unsigned char server[KEY], server_brief[KEY];       // S, S'
    unsigned char cookie[COOKIE];
} handshake;

static bool
say_hello(curve_peer *peer, const handshake *h)
{
    static const unsigned char zeros[64];
    unsigned char hello[200] = "\x05HELLO\x01", nonce[24], *at = hello + 80;
    memcpy(at, h->brief_public, KEY);
    number_nonce(peer, at + KEY);
    fill_nonce(nonce, "CurveZMQHELLO---", at + KEY);
    assert_int_equal(
        crypto_box_easy(at + KEY + 8, zeros, sizeof zeros, nonce, h->server, h->brief_secret), 0);
    return write_frame(peer->fd, COMMAND, hello, sizeof hello);
}

static bool
take_welcome(curve_peer *peer, handshake *h)
{
    unsigned char welcome[256], nonce[24], plain[KEY + COOKIE];
    if (read_frame(peer->fd, welcome, sizeof welcome) != 168 ||
        memcmp(welcome, "\x07WELCOME", 8) != 0)
        return false;
    fill_nonce(nonce, "WELCOME-", welcome + 8);
    if (crypto_box_open_easy(plain, welcome + 24, MAC + sizeof plain, nonce, h->server,
                             h->brief_secret) != 0)
        return false;
    memcpy(h->server_brief, plain, KEY);
    memcpy(h->cookie, plain + KEY, COOKIE);
    return true;
}

static size_t
add_property(unsigned char *at, const char *name, const char *value)
{
    const size_t name_length = strlen(name), length = strlen(value);
    at[0] = (unsigned char)name_length;
    memcpy(at + 1, name, name_length);
    memset(at + 1 + name_length, 0, 3);
    at[4 + name_length] = (unsigned char)length;
    memcpy(at + 5 + name_length, value, length);
    return 5 + name_length + length;
}

static bool
say_initiate(curve_peer *peer, const handshake *h, const curve_property *properties)
{
    unsigned char initiate[9 + COOKIE + 8 + MAC + 128 + METADATA_MAX] = "\x08INITIATE";
    unsigned char plain[128 + METADATA_MAX], vouch[2 * KEY], nonce[24];
    memcpy(vouch, h->brief_public, KEY);
    memcpy(vouch + KEY, h->server, KEY);
    memcpy(plain, h->own_public, KEY);
    randombytes_buf(plain + KEY, 16);
    fill_nonce(nonce, "VOUCH---", plain + KEY);
    assert_int_equal(crypto_box_easy(plain + KEY + 16, vouch, sizeof vouch, nonce, h->server_brief,
                                     h->own_secret),
                     0);
    size_t length = 128;
    length += add_property(plain + length, "Socket-Type", "DEALER");
    for (; properties->name; properties++)
        length += add_property(plain + length, properties->name, properties->value);
    assert_true(length <= sizeof plain);

    unsigned char *at = initiate + 9;
    memcpy(at, h->cookie, COOKIE);
    number_nonce(peer, at + COOKIE);
    fill_nonce(nonce, "CurveZMQINITIATE", at + COOKIE);
    assert_int_equal(
        crypto_box_easy(at + COOKIE + 8, plain, length, nonce, h->server_brief, h->brief_secret),
        0);
    return write_frame(peer->fd, COMMAND, initiate, 9 + COOKIE + 8 + MAC + length);
}

static bool
shake_hands(curve_peer *peer, handshake *h, const curve_property *properties)
{
    unsigned char ready[FRAME_MAX / 16];
    return greet(peer->fd) && say_hello(peer, h) && take_welcome(peer, h) &&
           say_initiate(peer, h, properties) && read_frame(peer->fd, ready, sizeof ready) > 6 &&
           memcmp(ready, "\x05READY", 6) == 0 &&
           crypto_box_beforenm(peer->key, h->server_brief, h->brief_secret) == 0;
}

bool
curve_open(curve_peer *peer, const char *endpoint, const char *public_key, const char *secret_key,
           const char *server_key, const curve_property *properties)
{
    const struct timeval patience = {.tv_sec = 20};
    const char *colon = strrchr(endpoint, ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    handshake h;
    assert_non_null(colon);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    *peer = (curve_peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(peer->fd >= 0);
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(peer->fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_non_null(zmq_z85_decode(h.own_public, public_key));
    assert_non_null(zmq_z85_decode(h.own_secret, secret_key));
    assert_non_null(zmq_z85_decode(h.server, server_key));
    assert_int_equal(crypto_box_keypair(h.brief_public, h.brief_secret), 0);
    return shake_hands(peer, &h, properties);
}

void
curve_close(curve_peer *peer)
{
    if (peer->fd >= 0)
        (void)close(peer->fd);
    peer->fd = -1;
}

/* ---- messages -------------------------------------------------------------------------------- */

void
curve_send(curve_peer *peer, const void *bytes, size_t length, bool more)
{
    unsigned char *frame = malloc(16 + MAC + 1 + length), *plain = malloc(1 + length), nonce[24];
    assert_true(frame && plain);
    plain[0] = more;
    if (length > 0)
        memcpy(plain + 1, bytes, length);
    memcpy(frame, "\x07MESSAGE", 8);
    number_nonce(peer, frame + 8);
    fill_nonce(nonce, "CurveZMQMESSAGEC", frame + 8);
    assert_int_equal(crypto_box_easy_afternm(frame + 16, plain, 1 + length, nonce, peer->key), 0);
    assert_true(write_frame(peer->fd, 0, frame, 16 + MAC + 1 + length));
    free(frame);
    free(plain);
}

size_t
curve_receive(curve_peer *peer, void *ret_bytes, size_t size, bool *ret_more)
{
    unsigned char *frame = malloc(FRAME_MAX), *plain = malloc(FRAME_MAX), nonce[24];
    assert_true(frame && plain);
    const size_t length = read_frame(peer->fd, frame, FRAME_MAX);
    assert_true(length >= 16 + MAC + 1 && length - 16 - MAC - 1 <= size);
    fill_nonce(nonce, "CurveZMQMESSAGES", frame + 8);
    assert_int_equal(crypto_box_open_easy_afternm(plain, frame + 16, length - 16, nonce, peer->key),
                     0);
    const size_t got = length - 16 - MAC - 1;
    *ret_more = plain[0] & 1;
    memcpy(ret_bytes, plain + 1, got);
    free(frame);
    free(plain);
    return got;
}
