/* The list is kept by file, so that a look at a folder in which one of many certificates changed
 * reads that one. What a file said counts until it is known to say something else: the loop has no
 * descriptor left, say, and cannot read it. It counts no longer when the file is gone, cannot be
 * read for good, or is no certificate. The folder is held open: to see that a file is gone takes no
 * descriptor, so that nobody keeps a key that is taken back by opening connections until there is
 * none.
 */
#include "master/guard.h"
#include "common/base/clock.h"
#include "common/base/hash.h"

#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_NS        KOFN_NS_PER_S
#define LOOK_MAX_NS    (3 * KOFN_NS_PER_S)  // even where looking takes long
#define LOOK_SHARE     20                   // of the time between looks, a look takes no more
#define READ_NS        (KOFN_NS_PER_S / 10) // of reading in one look; the rest waits for the next
#define JUST_CHANGED_S 2

enum {
    PROVE_MS = 5000,
    REQUESTS_A_TURN = 64,
    FRAME_MAX = 256,           // longest frame of a ZAP request: a routing id
    CERTIFICATES_MAX = 100000, // in the folder
};

typedef struct listed_file {
    uint64_t look; // digest of its stat as it was read; 0: it is to be read
    uint64_t round;
    bool read, usable, ambiguous;
    kofn_certificate certificate; // when usable
    char name[];
} listed_file;

struct kofn_guard {
    kofn_link_keys keys;
    char own[KOFN_CERTIFICATE_PATH], folder[KOFN_CERTIFICATE_PATH];
    char seal[KOFN_SEAL_TEXT]; // on every message that we vouch for
    const kofn_log *log;       // whose level changes with a reload
    void *socket;    // ROUTER: libzmq asks. A REP that failed to answer once would never hear again
    DIR *held;       // the folder; NULL: it was not there yet
    zhashx_t *files; // of listed_file, by name
    zhashx_t *listed; // the usable ones among them, by public key
    uint64_t round;   // of looks
    size_t seen;      // files in it
    int64_t look_ns;  // the next
    bool unread;      // it was said that the folder cannot be read
    uint64_t refused, unheard;
    bool proving; // the stranger is ourselves
};

/* ---- the list -------------------------------------------------------------------------------- */

static void
destroy_file(void **item_p)
{
    free(*item_p);
    *item_p = NULL;
}

/* Keys live in the items. */
static zhashx_t *
list_new(void (*destroy_item)(void **item_p))
{
    zhashx_t *list = zhashx_new();
    if (!list)
        return NULL;
    zhashx_set_key_duplicator(list, NULL);
    zhashx_set_key_destructor(list, NULL);
    zhashx_set_destructor(list, destroy_item);
    return list;
}

static bool
is_listed_file(const char *name)
{
    static const char ending[] = ".key";
    const size_t length = strlen(name), tail = sizeof ending - 1;
    return name[0] != '.' && length > tail && strcmp(name + length - tail, ending) == 0;
}

/* Of what changes whenever a file does, or what a link leads to. *ret_settled: a change from now on
 * would show. One within the same tick of the file system's clock does not. */
static uint64_t
look_at(int folder, const char *name, bool *ret_settled)
{
    struct stat s;
    *ret_settled = true;
    if (fstatat(folder, name, &s, 0) != 0)
        return 1; // a link into nothing, or it went just now
    *ret_settled = time(NULL) - s.st_ctim.tv_sec > JUST_CHANGED_S;
    uint64_t digest = kofn_hash_bytes(KOFN_HASH_START, &s.st_ino, sizeof s.st_ino);
    digest = kofn_hash_bytes(digest, &s.st_dev, sizeof s.st_dev);
    digest = kofn_hash_bytes(digest, &s.st_size, sizeof s.st_size);
    digest = kofn_hash_bytes(digest, &s.st_mtim, sizeof s.st_mtim);
    return kofn_hash_bytes(digest, &s.st_ctim, sizeof s.st_ctim);
}

static listed_file *
find_file(kofn_guard *guard, const char *name, kofn_error *err)
{
    listed_file *file = zhashx_lookup(guard->files, name);
    if (file)
        return file;
    if (zhashx_size(guard->files) >= CERTIFICATES_MAX) {
        (void)kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                        "%s has more than %d certificates: take out those that nobody uses",
                        guard->folder, CERTIFICATES_MAX);
        return NULL;
    }
    file = calloc(1, sizeof *file + strlen(name) + 1);
    if (file)
        memcpy(file->name, name, strlen(name) + 1);
    if (file && zhashx_insert(guard->files, file->name, file) == 0) // it was not there
        return file;
    free(file);
    (void)kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the list of keys");
    return NULL;
}

static bool
is_same(const kofn_certificate *a, const kofn_certificate *b)
{
    return a->role == b->role && strcmp(a->name, b->name) == 0 &&
           strcmp(a->public_key, b->public_key) == 0 && a->holds_secret == b->holds_secret;
}

/* Take over what the file says. True: it is something else than before. */
static bool
update_file(kofn_guard *guard, listed_file *file, const kofn_certificate *fresh,
            const kofn_error *why)
{
    const bool usable = why->status == KOFN_OK, first = !file->read;
    file->read = true;
    if (!first && usable == file->usable && (!usable || is_same(fresh, &file->certificate)))
        return false;
    file->usable = usable;
    if (usable)
        file->certificate = *fresh;
    else
        kofn_log_write(guard->log, KOFN_LOG_WARNING, "certificate_ignored", why->text, "%s", "");
    if (usable && fresh->holds_secret)
        kofn_log_write(guard->log, KOFN_LOG_WARNING, "secret_exposed",
                       "a secret key is among the public certificates: take it out, and make its "
                       "owner a new one",
                       "file=%s/%s", guard->folder, file->name);
    return true;
}

/* RESOURCE_EXHAUSTED: it could not be read for now. */
static kofn_status
read_file(kofn_guard *guard, listed_file *file, bool *changed, kofn_error *err)
{
    char path[KOFN_CERTIFICATE_PATH];
    kofn_certificate fresh = {.name = ""};
    kofn_error why = {.status = KOFN_OK};
    const int length = snprintf(path, sizeof path, "%s/%s", guard->folder, file->name);
    kofn_status status =
        length > 0 && (size_t)length < sizeof path
            ? kofn_certificate_load(path, &fresh, &why)
            : kofn_fail(&why, KOFN_INVALID_ARGUMENT, "%s: the path is too long", path);
    if (status == KOFN_RESOURCE_EXHAUSTED)
        return kofn_fail(err, status, "%s", why.text);
    *changed |= update_file(guard, file, &fresh, &why);
    return KOFN_OK;
}

/* Look at every file, and read those that changed until the time is over or one cannot be read for
 * now: the others stay what they were, and are still to be read. *ret_all: every file was looked
 * at. */
static kofn_status
look_at_files(kofn_guard *guard, int64_t until_ns, bool *changed, bool *ret_all, kofn_error *err)
{
    bool late = false;
    kofn_status status = KOFN_OK;
    for (const struct dirent *e; (e = readdir(guard->held)) != NULL;) {
        bool settled;
        if (!is_listed_file(e->d_name))
            continue;
        listed_file *file = find_file(guard, e->d_name, err);
        if (!file)
            return err->status;
        const uint64_t look = look_at(dirfd(guard->held), e->d_name, &settled);
        guard->seen += file->round != guard->round;
        file->round = guard->round;
        if (look == file->look || status != KOFN_OK)
            continue;
        if (kofn_clock_ns() >= until_ns) {
            late = true;
            continue;
        }
        status = read_file(guard, file, changed, err);
        if (status == KOFN_OK)
            file->look = settled ? look : 0;
    }
    if (late)
        guard->look_ns = 0;
    *ret_all = true;
    return status;
}

/* Those that were not there this time. */
static bool
forget_files(kofn_guard *guard)
{
    bool forgot = false;
    if (guard->seen == zhashx_size(guard->files)) // mostly
        return false;
    zlistx_t *names = zhashx_keys(guard->files);
    for (const char *name = names ? zlistx_first(names) : NULL; name; name = zlistx_next(names)) {
        const listed_file *file = zhashx_lookup(guard->files, name);
        if (file->round == guard->round)
            continue;
        zhashx_delete(guard->files, name);
        forgot = true;
    }
    zlistx_destroy(&names);
    return forgot;
}

/* A key that is there in two roles is not let in at all: nobody knows which of them is meant. */
static void
list_file(kofn_guard *guard, listed_file *file)
{
    listed_file *other = zhashx_lookup(guard->listed, file->certificate.public_key);
    file->ambiguous = false;
    if (!other) {
        (void)zhashx_insert(guard->listed, file->certificate.public_key, file);
        return;
    }
    if (other->certificate.role == file->certificate.role)
        return;
    other->ambiguous = true;
    kofn_log_write(guard->log, KOFN_LOG_ERROR, "key_ambiguous",
                   "one key is in two certificates with different roles: it may not connect until "
                   "one of them is gone",
                   "file=%s other=%s", file->name, other->name);
}

static void
list_files(kofn_guard *guard)
{
    zhashx_purge(guard->listed);
    for (listed_file *file = zhashx_first(guard->files); file; file = zhashx_next(guard->files))
        if (file->usable)
            list_file(guard, file);
    kofn_log_write(guard->log, KOFN_LOG_NOTICE, "keys_read", "who may connect", "count=%zu",
                   zhashx_size(guard->listed));
}

/* A folder that is gone, or that we are kept out of, allows nobody. */
static bool
is_closed(kofn_status status)
{
    return status == KOFN_NOT_FOUND || status == KOFN_PERMISSION_DENIED;
}

/* What the path leads to now, from its first entry on. */
static kofn_status
hold_folder(kofn_guard *guard, kofn_error *err)
{
    struct stat there, held;
    if (stat(guard->folder, &there) != 0 || access(guard->folder, R_OK | X_OK) != 0)
        goto out;
    if (guard->held && fstat(dirfd(guard->held), &held) == 0 && held.st_dev == there.st_dev &&
        held.st_ino == there.st_ino) {
        rewinddir(guard->held);
        return KOFN_OK;
    }
    DIR *fresh = opendir(guard->folder);
    if (!fresh)
        goto out;
    if (guard->held)
        (void)closedir(guard->held); // it was only read
    guard->held = fresh;
    return KOFN_OK;
out:
    return kofn_fail(err, kofn_status_from_errno(errno), "keys.allowed: %s: %s", guard->folder,
                     strerror(errno));
}

static kofn_status
read_folder(kofn_guard *guard, int64_t until_ns, bool *changed, kofn_error *err)
{
    bool all = false;
    guard->round++;
    guard->seen = 0;
    kofn_status status = hold_folder(guard, err);
    if (status == KOFN_OK)
        status = look_at_files(guard, until_ns, changed, &all, err);
    else
        all = is_closed(status);
    if (all)
        *changed |= forget_files(guard);
    return status;
}

bool
kofn_guard_on_tick(kofn_guard *guard, int64_t now_ns)
{
    bool changed = false;
    kofn_error err;
    if (now_ns < guard->look_ns)
        return false;
    const int64_t began_ns = kofn_clock_ns();
    guard->look_ns = kofn_clock_after(now_ns, LOOK_NS);
    const kofn_status status =
        read_folder(guard, kofn_clock_after(began_ns, READ_NS), &changed, &err);
    const int64_t pause_ns = LOOK_SHARE * (kofn_clock_ns() - began_ns);
    if (pause_ns > LOOK_NS && guard->look_ns != 0)
        guard->look_ns = kofn_clock_after(now_ns, pause_ns < LOOK_MAX_NS ? pause_ns : LOOK_MAX_NS);
    if (status != KOFN_OK && !guard->unread) // said once, until it can be read again
        kofn_log_write(guard->log, KOFN_LOG_ERROR, "keys_unread", err.text, "%s", "");
    guard->unread = status != KOFN_OK;
    if (changed)
        list_files(guard);
    return changed;
}

static void
look_at_own(const kofn_guard *guard)
{
    kofn_link_keys keys = {.master = ""};
    kofn_error err;
    if (kofn_link_keys_load(guard->own, NULL, &keys, &err) != KOFN_OK)
        kofn_log_write(guard->log, KOFN_LOG_ERROR, "own_key_unread", err.text, "%s", "");
    else if (strcmp(keys.own.secret_key, guard->keys.own.secret_key) != 0)
        kofn_log_write(guard->log, KOFN_LOG_WARNING, "own_key_waits",
                       "the master's own key changed, and is used from its next start on", "%s",
                       "");
    explicit_bzero(&keys, sizeof keys);
}

void
kofn_guard_look_again(kofn_guard *guard)
{
    look_at_own(guard);
    guard->look_ns = 0;
    for (listed_file *file = zhashx_first(guard->files); file; file = zhashx_next(guard->files))
        file->look = 0;
}

/* ---- the life of a guard --------------------------------------------------------------------- */

static kofn_status
make_parts(kofn_guard *guard, kofn_error *err)
{
    unsigned char seal[(KOFN_SEAL_TEXT - 1) / 2];
    if (sodium_init() < 0)
        return kofn_fail(err, KOFN_INTERNAL, "libsodium does not start: no source of randomness");
    randombytes_buf(seal, sizeof seal);
    (void)sodium_bin2hex(guard->seal, sizeof guard->seal, seal, sizeof seal);
    guard->files = list_new(destroy_file);
    guard->listed = list_new(NULL);
    if (!guard->files || !guard->listed)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the list of keys");
    return KOFN_OK;
}

/* All of it, however long that takes: nobody waits yet. */
static kofn_status
read_list(kofn_guard *guard, kofn_error *err)
{
    bool changed = false;
    const kofn_status status = read_folder(guard, KOFN_NEVER_NS, &changed, err);
    if (status == KOFN_OK)
        list_files(guard);
    return status;
}

kofn_status
kofn_guard_new(void *context, const char *own, const char *folder, const kofn_log *log,
               kofn_guard **ret_guard, kofn_error *err)
{
    const int linger_ms = 0;
    kofn_guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the keys");
    guard->log = log;
    (void)snprintf(guard->own, sizeof guard->own, "%s", own);
    (void)snprintf(guard->folder, sizeof guard->folder, "%s", folder);
    kofn_status status = make_parts(guard, err);
    if (status == KOFN_OK)
        status = kofn_link_keys_load(own, NULL, &guard->keys, err);
    if (status == KOFN_OK)
        status = read_list(guard, err);
    if (status == KOFN_OK && !(guard->socket = zmq_socket(context, ZMQ_ROUTER)))
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
    if (guard->held)
        (void)closedir(guard->held); // it was only read
    zhashx_destroy(&guard->listed);
    zhashx_destroy(&guard->files);
    explicit_bzero(guard, sizeof *guard);
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

const kofn_certificate *
kofn_guard_find(const kofn_guard *guard, kofn_link_kind kind, const char *key)
{
    const listed_file *file = key[0] ? zhashx_lookup(guard->listed, key) : NULL;
    return file && !file->ambiguous && role_fits(file->certificate.role, kind) ? &file->certificate
                                                                               : NULL;
}

/* At powers of two: whoever is refused tries again and again. */
static void
note(kofn_guard *guard, uint64_t *counter, const char *event, const char *why, const char *domain,
     const char *address, const char *key)
{
    const uint64_t count = ++*counter;
    if ((count & (count - 1)) == 0)
        kofn_log_write(guard->log, KOFN_LOG_WARNING, event, why,
                       "from=%s address=%s key=%s count=%" PRIu64, domain, address,
                       key[0] ? key : "none", count);
}

const kofn_certificate *
kofn_guard_admit(kofn_guard *guard, kofn_link_kind kind, const kofn_inbound *in)
{
    const bool sealed = sodium_memcmp(in->seal, guard->seal, sizeof guard->seal) == 0;
    const kofn_certificate *c = sealed ? kofn_guard_find(guard, kind, in->key) : NULL;
    if (!c)
        note(guard, &guard->unheard, "message_unheard", "its key may not speak here",
             kofn_link_domain(kind), "?", sealed ? in->key : "");
    return c;
}

/* ---- ZAP ------------------------------------------------------------------------------------- */

enum {
    ZAP_ROUTE, // the connection, to our socket
    ZAP_DELIMITER,
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

static bool
says(const zap_request *r, size_t frame, const char *text)
{
    return r->length[frame] == strlen(text) && memcmp(r->at[frame], text, strlen(text)) == 0;
}

/* The text of the key, when the request is from one that may connect there. */
static bool
grants(const kofn_guard *guard, const zap_request *r, char key[KOFN_CURVE_TEXT])
{
    if (r->count != ZAP_COUNT || !says(r, ZAP_VERSION, "1.0") || !says(r, ZAP_MECHANISM, "CURVE") ||
        r->length[ZAP_KEY] != 32)
        return false;
    if (!zmq_z85_encode(key, (const uint8_t *)r->at[ZAP_KEY], 32))
        return false;
    static const kofn_link_kind kinds[] = {KOFN_LINK_MASTER_WORKERS, KOFN_LINK_MASTER_CLIENTS};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (says(r, ZAP_DOMAIN, kofn_link_domain(kinds[i])))
            return kofn_guard_find(guard, kinds[i], key) != NULL;
    return false;
}

/* The properties that libzmq attaches to the connection's messages: one, our seal. */
static size_t
write_seal(const kofn_guard *guard, char ret_bytes[128])
{
    static const char name[] = KOFN_LINK_SEAL;
    const size_t value = sizeof guard->seal - 1;
    char *at = ret_bytes;
    *at++ = (char)(sizeof name - 1);
    memcpy(at, name, sizeof name - 1);
    at += sizeof name - 1;
    memcpy(at, "\0\0\0", 3); // four bytes of length, the highest first
    at[3] = (char)value;
    memcpy(at + 4, guard->seal, value);
    return (size_t)(at + 4 + value - ret_bytes);
}

/* `user` is "" for who is refused. */
static void
reply(const kofn_guard *guard, const zap_request *r, const char *code, const char *text,
      const char *user)
{
    char seal[128];
    const size_t seal_length = user[0] ? write_seal(guard, seal) : 0;
    const struct {
        const char *at;
        size_t length;
    } frames[] = {{r->at[ZAP_ROUTE], r->length[ZAP_ROUTE]},
                  {"", 0},
                  {"1.0", 3},
                  {r->at[ZAP_ID], r->count > ZAP_ID ? r->length[ZAP_ID] : 0},
                  {code, strlen(code)},
                  {text, strlen(text)},
                  {user, strlen(user)},
                  {seal, seal_length}};
    const size_t count = sizeof frames / sizeof frames[0];
    for (size_t i = 0; i < count; i++) // one that fails leaves the connection without an answer
        (void)zmq_send(guard->socket, frames[i].at, frames[i].length,
                       ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0));
}

void
kofn_guard_on_readable(kofn_guard *guard)
{
    zap_request request;
    for (int i = 0; i < REQUESTS_A_TURN && receive_request(guard->socket, &request); i++) {
        char key[KOFN_CURVE_TEXT] = "";
        if (grants(guard, &request, key)) {
            reply(guard, &request, "200", "OK", key);
            continue;
        }
        if (!guard->proving)
            note(guard, &guard->refused, "connection_refused",
                 "its key is not among keys.allowed, or not in that role",
                 request.count > ZAP_DOMAIN ? request.at[ZAP_DOMAIN] : "?",
                 request.count > ZAP_ADDRESS ? request.at[ZAP_ADDRESS] : "?", key);
        reply(guard, &request, "400", "this key may not connect here", "");
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
    explicit_bzero(&keys, sizeof keys);
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
