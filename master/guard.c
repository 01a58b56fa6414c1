#include "master/guard.h"
#include "common/base/clock.h"

#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_NS KOFN_NS_PER_S

enum {
    PROVE_MS = 5000,
    REQUESTS_A_TURN = 64,
    FRAME_MAX = 256,           // longest frame of a ZAP request: a routing id
    CERTIFICATES_MAX = 100000, // in the folder
};

struct kofn_guard {
    kofn_link_keys keys;
    char folder[KOFN_CERTIFICATE_PATH];
    kofn_log log;
    void *socket;     // REP: libzmq asks
    zhashx_t *listed; // of kofn_certificate, by public key
    uint64_t look;    // digest of the folder as it was read
    int64_t looked_ns;
    uint64_t refused, unheard;
    bool proving; // the stranger is ourselves
};

/* ---- the list -------------------------------------------------------------------------------- */

static void
destroy_certificate(void **item_p)
{
    free(*item_p);
    *item_p = NULL;
}

static zhashx_t *
list_new(void)
{
    zhashx_t *list = zhashx_new();
    if (!list)
        return NULL;
    zhashx_set_key_duplicator(list, NULL); // keys live in their certificates
    zhashx_set_key_destructor(list, NULL);
    zhashx_set_destructor(list, destroy_certificate);
    return list;
}

static bool
is_listed_file(const char *name)
{
    static const char ending[] = ".key";
    const size_t length = strlen(name), tail = sizeof ending - 1;
    return name[0] != '.' && length > tail && strcmp(name + length - tail, ending) == 0;
}

static uint64_t
mix(uint64_t digest, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) // FNV-1a
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    return digest;
}

/* Names, sizes, times: what changes whenever a certificate does. The sum of the files' digests, since
 * a folder has no order. */
static uint64_t
look_at(const struct dirent *entry, int folder)
{
    struct stat s;
    if (fstatat(folder, entry->d_name, &s, 0) != 0)
        return 0; // it went between two looks
    uint64_t digest = mix(UINT64_C(14695981039346656037), entry->d_name, strlen(entry->d_name));
    digest = mix(digest, &s.st_ino, sizeof s.st_ino);
    digest = mix(digest, &s.st_size, sizeof s.st_size);
    digest = mix(digest, &s.st_mtim, sizeof s.st_mtim);
    return mix(digest, &s.st_ctim, sizeof s.st_ctim);
}

static void
list_file(kofn_guard *guard, zhashx_t *list, const char *name)
{
    char path[KOFN_CERTIFICATE_PATH + 256];
    kofn_error err;
    kofn_certificate *c = calloc(1, sizeof *c);
    (void)snprintf(path, sizeof path, "%s/%s", guard->folder, name);
    kofn_status status = c ? kofn_certificate_load(path, c, &err)
                           : kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory for %s", path);
    if (status == KOFN_OK && zhashx_insert(list, c->public_key, c) == 0)
        return;
    if (status == KOFN_OK)
        kofn_fail(&err, KOFN_ALREADY_EXISTS, "%s: its key is another certificate's as well", path);
    kofn_log_write(&guard->log, KOFN_LOG_WARNING, "certificate_ignored", err.text, "%s", "");
    free(c);
}

/* Walk the folder: its digest, and when `list` is not NULL its certificates. */
static kofn_status
walk(kofn_guard *guard, zhashx_t *list, uint64_t *ret_look, kofn_error *err)
{
    DIR *folder = opendir(guard->folder);
    if (!folder)
        return kofn_fail(err, kofn_status_from_errno(errno), "keys.allowed: %s: %s", guard->folder,
                         strerror(errno));
    uint64_t look = 1;
    size_t count = 0;
    for (const struct dirent *e; count < CERTIFICATES_MAX && (e = readdir(folder)) != NULL;) {
        if (!is_listed_file(e->d_name))
            continue;
        count++;
        look += look_at(e, dirfd(folder));
        if (list)
            list_file(guard, list, e->d_name);
    }
    (void)closedir(folder); // it was only read
    *ret_look = look;
    return KOFN_OK;
}

/* The digest is the one from before: what changes while it is read is read once more. */
static kofn_status
read_list(kofn_guard *guard, kofn_error *err)
{
    uint64_t before, after;
    zhashx_t *list = list_new();
    if (!list)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the list of keys");
    kofn_status status = walk(guard, NULL, &before, err);
    if (status == KOFN_OK)
        status = walk(guard, list, &after, err);
    if (status != KOFN_OK) {
        zhashx_destroy(&list);
        return status;
    }
    zhashx_destroy(&guard->listed);
    guard->listed = list;
    guard->look = before;
    kofn_log_write(&guard->log, KOFN_LOG_NOTICE, "keys_read", "who may connect", "count=%zu",
                   zhashx_size(list));
    return KOFN_OK;
}

bool
kofn_guard_on_tick(kofn_guard *guard, int64_t now_ns)
{
    uint64_t look;
    kofn_error err;
    if (now_ns - guard->looked_ns < LOOK_NS)
        return false;
    guard->looked_ns = now_ns;
    kofn_status status = walk(guard, NULL, &look, &err);
    if (status == KOFN_OK && look == guard->look)
        return false;
    if (status == KOFN_OK)
        status = read_list(guard, &err);
    if (status == KOFN_OK)
        return true;
    const bool gone = status == KOFN_NOT_FOUND && zhashx_size(guard->listed) > 0;
    if (guard->look != 0) // said once, until it can be read again
        kofn_log_write(&guard->log, KOFN_LOG_ERROR, "keys_unread", err.text, "%s", "");
    if (gone)
        zhashx_purge(guard->listed);
    guard->look = 0;
    return gone;
}

/* ---- the life of a guard --------------------------------------------------------------------- */

kofn_status
kofn_guard_new(void *context, const char *own, const char *folder, kofn_log log,
               kofn_guard **ret_guard, kofn_error *err)
{
    const int linger_ms = 0;
    kofn_guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the keys");
    guard->log = log;
    (void)snprintf(guard->folder, sizeof guard->folder, "%s", folder);
    kofn_status status = kofn_link_keys_load(own, NULL, &guard->keys, err);
    if (status == KOFN_OK)
        status = read_list(guard, err);
    if (status == KOFN_OK && !(guard->socket = zmq_socket(context, ZMQ_REP)))
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no socket for ZAP: %s", zmq_strerror(errno));
    if (status == KOFN_OK)
        (void)zmq_setsockopt(guard->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    if (status == KOFN_OK && zmq_bind(guard->socket, "inproc://zeromq.zap.01") != 0)
        status = kofn_fail(err, kofn_status_from_errno(errno), "no place for a ZAP handler: %s",
                           zmq_strerror(errno));
    if (status != KOFN_OK)
        kofn_guard_destroy(&guard);
    else
        *ret_guard = guard;
    return status;
}

void
kofn_guard_destroy(kofn_guard **guard_p)
{
    kofn_guard *guard = *guard_p;
    *guard_p = NULL;
    if (!guard)
        return;
    if (guard->socket)
        (void)zmq_close(guard->socket); // fails only for what is no socket
    zhashx_destroy(&guard->listed);
    explicit_bzero(&guard->keys, sizeof guard->keys);
    free(guard);
}

kofn_status
kofn_guard_secure(const kofn_guard *guard, void *socket, kofn_link_kind kind, kofn_error *err)
{
    return kofn_link_secure(socket, kind, &guard->keys, err);
}

void *
kofn_guard_get_socket(const kofn_guard *guard)
{
    return guard->socket;
}

/* ---- who may --------------------------------------------------------------------------------- */

static bool
role_fits(kofn_role role, kofn_link_kind kind)
{
    return kind == KOFN_LINK_MASTER_WORKERS ? role == KOFN_ROLE_WORKER
                                            : role == KOFN_ROLE_CLIENT || role == KOFN_ROLE_ADMIN;
}

static const kofn_certificate *
find(const kofn_guard *guard, kofn_link_kind kind, const char *key)
{
    const kofn_certificate *c = key[0] ? zhashx_lookup(guard->listed, key) : NULL;
    return c && role_fits(c->role, kind) ? c : NULL;
}

bool
kofn_guard_allows(const kofn_guard *guard, kofn_link_kind kind, const char *key)
{
    return find(guard, kind, key) != NULL;
}

/* At powers of two: whoever is refused tries again and again. */
static void
note(kofn_guard *guard, uint64_t *counter, const char *event, const char *why, const char *domain,
     const char *key)
{
    const uint64_t count = ++*counter;
    if ((count & (count - 1)) == 0)
        kofn_log_write(&guard->log, KOFN_LOG_WARNING, event, why, "from=%s key=%s count=%" PRIu64,
                       domain, key[0] ? key : "none", count);
}

const kofn_certificate *
kofn_guard_admit(kofn_guard *guard, kofn_link_kind kind, const char *key)
{
    const kofn_certificate *c = find(guard, kind, key);
    if (!c)
        note(guard, &guard->unheard, "message_unheard", "its key may not speak here",
             kofn_link_domain(kind), key);
    return c;
}

/* ---- ZAP ------------------------------------------------------------------------------------- */

enum {
    ZAP_VERSION,
    ZAP_ID,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_ROUTING,
    ZAP_MECHANISM,
    ZAP_KEY,
    ZAP_COUNT
};

typedef struct zap_request {
    size_t count;
    size_t length[ZAP_COUNT];
    char at[ZAP_COUNT][FRAME_MAX + 1]; // NUL behind each
} zap_request;

/* False: none waits. A frame that is too long is cut, and fits nothing that is looked for. */
static bool
receive_request(void *socket, zap_request *ret_request)
{
    ret_request->count = 0;
    int more = 1;
    while (more) {
        char dropped[1];
        const bool room = ret_request->count < ZAP_COUNT;
        char *to = room ? ret_request->at[ret_request->count] : dropped;
        const int length = zmq_recv(socket, to, room ? FRAME_MAX : 0, ZMQ_DONTWAIT);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return false;
        if (room) {
            const size_t kept = length < FRAME_MAX ? (size_t)length : FRAME_MAX;
            ret_request->length[ret_request->count] = kept;
            to[kept] = '\0';
        }
        ret_request->count++;
        size_t size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
    }
    return true;
}

/* As bytes: a text of C would end at a NUL that the frame holds. */
static bool
frame_is(const zap_request *r, int frame, const char *text)
{
    return r->length[frame] == strlen(text) && memcmp(r->at[frame], text, strlen(text)) == 0;
}

/* The text of the key, when the request is from one that may connect there. */
static bool
grants(const kofn_guard *guard, const zap_request *r, char key[KOFN_CURVE_TEXT])
{
    if (r->count != ZAP_COUNT || !frame_is(r, ZAP_VERSION, "1.0") ||
        !frame_is(r, ZAP_MECHANISM, "CURVE") || r->length[ZAP_KEY] != 32)
        return false;
    if (!zmq_z85_encode(key, (const uint8_t *)r->at[ZAP_KEY], 32))
        return false;
    static const kofn_link_kind kinds[] = {KOFN_LINK_MASTER_WORKERS, KOFN_LINK_MASTER_CLIENTS};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (frame_is(r, ZAP_DOMAIN, kofn_link_domain(kinds[i])))
            return find(guard, kinds[i], key) != NULL;
    return false;
}

static void
reply(void *socket, const zap_request *r, const char *code, const char *text, const char *user)
{
    const struct {
        const char *at;
        size_t length;
    } frames[] = {{"1.0", 3},           {r->at[ZAP_ID], r->count > ZAP_ID ? r->length[ZAP_ID] : 0},
                  {code, strlen(code)}, {text, strlen(text)},
                  {user, strlen(user)}, {"", 0}};
    const size_t count = sizeof frames / sizeof frames[0];
    for (size_t i = 0; i < count; i++) // one that fails leaves the connection without an answer
        (void)zmq_send(socket, frames[i].at, frames[i].length,
                       ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0));
}

void
kofn_guard_on_readable(kofn_guard *guard)
{
    zap_request request;
    for (int i = 0; i < REQUESTS_A_TURN && receive_request(guard->socket, &request); i++) {
        char key[KOFN_CURVE_TEXT] = "";
        if (grants(guard, &request, key)) {
            reply(guard->socket, &request, "200", "OK", key);
            continue;
        }
        if (!guard->proving)
            note(guard, &guard->refused, "connection_refused",
                 "its key is not among keys.allowed, or not in that role",
                 request.count > ZAP_DOMAIN ? request.at[ZAP_DOMAIN] : "?", key);
        reply(guard->socket, &request, "400", "this key may not connect here", "");
    }
}

/* ---- proof ----------------------------------------------------------------------------------- */

typedef struct stranger { // a connection to ourselves
    void *socket, *monitor;
} stranger;

static void
close_stranger(stranger *s)
{
    const int linger_ms = 0;
    if (s->socket) {
        (void)zmq_socket_monitor(s->socket, NULL, 0); // fails if it was never started: fine
        (void)zmq_setsockopt(s->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        (void)zmq_close(s->socket);
    }
    if (s->monitor)
        (void)zmq_close(s->monitor);
}

static kofn_status
open_stranger(const kofn_guard *guard, void *context, kofn_link_kind kind, const char *endpoint,
              stranger *s, kofn_error *err)
{
    char name[64];
    kofn_link_keys keys = {.master = ""};
    const kofn_link_kind end =
        kind == KOFN_LINK_MASTER_WORKERS ? KOFN_LINK_WORKER : KOFN_LINK_CLIENT;
    (void)snprintf(name, sizeof name, "inproc://kofn-stranger-%p-%s", (const void *)guard,
                   kofn_link_domain(kind));
    memcpy(keys.master, guard->keys.own.public_key, sizeof keys.master);
    kofn_status status = kofn_certificate_make("stranger", KOFN_ROLE_CLIENT, &keys.own, err);
    if (status == KOFN_OK)
        status = kofn_link_socket_new(context, end, &s->socket, err);
    if (status == KOFN_OK)
        status = kofn_link_secure(s->socket, end, &keys, err);
    if (status == KOFN_OK &&
        (zmq_socket_monitor(s->socket, name,
                            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0 ||
         !(s->monitor = zmq_socket(context, ZMQ_PAIR)) || zmq_connect(s->monitor, name) != 0))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no monitor: %s", zmq_strerror(errno));
    return status == KOFN_OK ? kofn_link_open(s->socket, end, endpoint, NULL, 0, err) : status;
}

/* The first word of the connection's fate; 0: none until until_ns. */
static uint16_t
await_fate(kofn_guard *guard, const stranger *s, int64_t until_ns)
{
    zmq_pollitem_t items[] = {{.socket = guard->socket, .events = ZMQ_POLLIN},
                              {.socket = s->monitor, .events = ZMQ_POLLIN}};
    for (int64_t left_ns; (left_ns = until_ns - kofn_clock_ns()) > 0;) {
        (void)zmq_poll(items, 2, (long)(left_ns / KOFN_NS_PER_MS) + 1); // a signal: once more
        if (items[0].revents)
            kofn_guard_on_readable(guard);
        uint16_t event;
        char frame[64];
        if (items[1].revents &&
            zmq_recv(s->monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= (int)sizeof event) {
            memcpy(&event, frame, sizeof event);
            return event;
        }
    }
    return 0;
}

kofn_status
kofn_guard_prove(kofn_guard *guard, void *context, kofn_link_kind kind, const char *endpoint,
                 kofn_error *err)
{
    stranger s = {NULL, NULL};
    uint16_t fate = 0;
    kofn_status status = open_stranger(guard, context, kind, endpoint, &s, err);
    guard->proving = true;
    if (status == KOFN_OK)
        fate = await_fate(guard, &s, kofn_clock_after(kofn_clock_ns(), PROVE_MS * KOFN_NS_PER_MS));
    guard->proving = false;
    close_stranger(&s);
    if (status != KOFN_OK)
        return kofn_fail_within(err, "proof that %s refuses unknown keys", endpoint);
    if (fate == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return KOFN_OK;
    return fate ? kofn_fail(err, KOFN_INTERNAL, "%s let an unknown key in: not serving", endpoint)
                : kofn_fail(err, KOFN_UNAVAILABLE,
                            "%s did not refuse an unknown key within %d s: not serving", endpoint,
                            PROVE_MS / 1000);
}
