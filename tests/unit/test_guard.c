#include "master/guard.h"

#include "proto/link/monitor.h"
#include "tests/assert.h"
#include "tests/integration/curve.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* A folder with a master's certificate and two more, a guard over it, and one secured socket. */
typedef struct scene {
    char folder[64], own[128];
    kofn_certificate master, w1, me;
    void *context, *server, *client;
    kofn_guard *guard;
    char endpoint[256];
    int64_t now_ns;
} scene;

static void
make(scene *s, const char *name, kofn_role role, kofn_certificate *ret)
{
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    assert_ok(kofn_certificate_make(name, role, ret, &error));
    assert_ok(kofn_certificate_save(ret, s->folder, KOFN_CERTIFICATE_NEW, path, &error));
}

static int
setup(void **state)
{
    static scene s;
    static kofn_log quiet;
    kofn_error error;
    s = (scene){.folder = "/tmp/kofn-guard-XXXXXX", .now_ns = INT64_C(1) << 40};
    assert_non_null(mkdtemp(s.folder));
    make(&s, "master", KOFN_ROLE_MASTER, &s.master);
    make(&s, "w1", KOFN_ROLE_WORKER, &s.w1);
    make(&s, "me", KOFN_ROLE_CLIENT, &s.me);
    (void)snprintf(s.own, sizeof s.own, "%s/master.key", s.folder);
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    s.context = zmq_ctx_new();
    assert_ok(kofn_guard_new(s.context, s.own, s.folder, &quiet, &s.guard, &error));
    assert_ok(kofn_link_socket_new(s.context, KOFN_LINK_MASTER_WORKERS, &s.server, &error));
    *state = &s;
    return 0;
}

static int
teardown(void **state)
{
    scene *s = *state;
    const int linger_ms = 0;
    if (s->client) {
        (void)zmq_setsockopt(s->client, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        (void)zmq_close(s->client);
    }
    (void)zmq_close(s->server);
    kofn_guard_destroy(&s->guard);
    (void)zmq_ctx_term(s->context);
    DIR *folder = opendir(s->folder);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", s->folder, e->d_name);
        (void)unlink(path); // "." and ".." refuse
    }
    (void)closedir(folder);
    return rmdir(s->folder);
}

static void
open_server(scene *s, bool secured)
{
    kofn_error error;
    if (secured)
        assert_ok(kofn_guard_secure(s->guard, s->server, KOFN_LINK_MASTER_WORKERS, &error));
    assert_ok(kofn_link_open(s->server, KOFN_LINK_MASTER_WORKERS, "tcp://127.0.0.1:*", s->endpoint,
                             sizeof s->endpoint, &error));
}

/* A worker's message, with a key that nobody listed. */
static void
send_as_stranger(scene *s)
{
    kofn_error error;
    kofn_link_keys keys;
    assert_ok(kofn_certificate_make("stranger", KOFN_ROLE_WORKER, &keys.own, &error));
    memcpy(keys.master, s->master.public_key, sizeof keys.master);
    assert_ok(kofn_link_socket_new(s->context, KOFN_LINK_WORKER, &s->client, &error));
    assert_ok(kofn_link_secure(s->client, KOFN_LINK_WORKER, &keys, &error));
    assert_ok(kofn_link_open(s->client, KOFN_LINK_WORKER, s->endpoint, NULL, 0, &error));
    assert_int_equal(zmq_send(s->client, "hello", 5, 0), 5); // waits for the connection
}

static void
a_key_counts_in_its_role_only(void **state)
{
    scene *s = *state;
    static const kofn_link_kind workers = KOFN_LINK_MASTER_WORKERS,
                                clients = KOFN_LINK_MASTER_CLIENTS;
    assert_non_null(kofn_guard_find(s->guard, workers, s->w1.public_key));
    assert_null(kofn_guard_find(s->guard, clients, s->w1.public_key));
    assert_non_null(kofn_guard_find(s->guard, clients, s->me.public_key));
    assert_null(kofn_guard_find(s->guard, workers, s->me.public_key));
    assert_null(kofn_guard_find(s->guard, workers, s->master.public_key));
    assert_null(kofn_guard_find(s->guard, clients, s->master.public_key));
    assert_null(kofn_guard_find(s->guard, clients, ""));
}

static void
the_list_follows_the_folder(void **state)
{
    scene *s = *state;
    kofn_certificate more;
    int64_t now_ns = INT64_C(1) << 40;
    assert_false(kofn_guard_on_tick(s->guard, now_ns));
    make(s, "more", KOFN_ROLE_CLIENT, &more);
    assert_false(kofn_guard_on_tick(s->guard, now_ns + 1)); // looked a moment ago
    assert_true(kofn_guard_on_tick(s->guard, now_ns += INT64_C(2000000000)));
    assert_non_null(kofn_guard_find(s->guard, KOFN_LINK_MASTER_CLIENTS, more.public_key));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/more.key", s->folder);
    assert_int_equal(unlink(path), 0);
    assert_true(kofn_guard_on_tick(s->guard, now_ns += INT64_C(2000000000)));
    assert_null(kofn_guard_find(s->guard, KOFN_LINK_MASTER_CLIENTS, more.public_key));
}

#define SECONDS INT64_C(1000000000)

/* The clock of a test: a look with each step. */
static bool
look(scene *s)
{
    s->now_ns += 5 * SECONDS;
    return kofn_guard_on_tick(s->guard, s->now_ns);
}

static const char *
path_of(const scene *s, const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", s->folder, name);
    return path;
}

/* The public certificate again, under another name and in another role. */
static void
write_copy(const scene *s, const kofn_certificate *of, const char *name, const char *role,
           bool with_secret)
{
    FILE *file = fopen(path_of(s, name), "w");
    assert_non_null(file);
    (void)fprintf(file, "metadata\n    name = \"%s\"\n    role = \"%s\"\ncurve\n", of->name, role);
    (void)fprintf(file, "    public-key = \"%s\"\n", of->public_key);
    if (with_secret)
        (void)fprintf(file, "    secret-key = \"%s\"\n", of->secret_key);
    assert_int_equal(fclose(file), 0);
}

static bool
has(const scene *s, kofn_link_kind kind, const kofn_certificate *c)
{
    return kofn_guard_find(s->guard, kind, c->public_key) != NULL;
}

/* Whichever is read first. */
static void
a_key_in_two_roles_may_not_connect(void **state)
{
    scene *s = *state;
    write_copy(s, &s->me, "a.key", "admin", false);
    write_copy(s, &s->me, "zz.key", "worker", false);
    assert_true(look(s));
    assert_false(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    assert_false(has(s, KOFN_LINK_MASTER_WORKERS, &s->me));
    assert_true(has(s, KOFN_LINK_MASTER_WORKERS, &s->w1));
    assert_int_equal(unlink(path_of(s, "a.key")) | unlink(path_of(s, "zz.key")), 0);
    assert_true(look(s));
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
}

static void
a_key_in_two_certificates_of_one_role_stays_until_both_are_gone(void **state)
{
    scene *s = *state;
    write_copy(s, &s->me, "again.key", "client", false);
    assert_true(look(s));
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    assert_int_equal(unlink(path_of(s, "me.key")), 0);
    assert_true(look(s));
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    assert_int_equal(unlink(path_of(s, "again.key")), 0);
    assert_true(look(s));
    assert_false(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
}

/* Within one tick of the file system's clock, and of the same size: nothing shows that it changed.
 * (A kernel from 6.13 on gives a file that was looked at a tick of its own; there it shows.) */
static void
a_role_that_changes_at_once_is_not_missed(void **state)
{
    scene *s = *state;
    write_copy(s, &s->me, "me.key", "client", false);
    assert_true(look(s) || true);
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    struct stat before;
    assert_int_equal(stat(path_of(s, "me.key"), &before), 0);
    write_copy(s, &s->me, "me.key", "worker", false);
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path_of(s, "me.key"), times, 0), 0);
    assert_true(look(s));
    assert_false(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
}

static void
a_file_that_becomes_nonsense_allows_nobody(void **state)
{
    scene *s = *state;
    FILE *file = fopen(path_of(s, "me.key"), "w");
    assert_non_null(file);
    (void)fputs("nonsense\n", file);
    assert_int_equal(fclose(file), 0);
    assert_true(look(s));
    assert_false(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    assert_true(has(s, KOFN_LINK_MASTER_WORKERS, &s->w1));
}

static void
a_link_is_what_it_leads_to(void **state)
{
    scene *s = *state;
    write_copy(s, &s->me, "aside", "client", false);
    assert_int_equal(unlink(path_of(s, "me.key")), 0);
    assert_int_equal(symlink("aside", path_of(s, "me.key")), 0);
    (void)look(s);
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
    assert_int_equal(unlink(path_of(s, "aside")), 0);
    assert_true(look(s));
    assert_false(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
}

/* The loop has no descriptor left: nobody is thrown out for that. */
static void
what_cannot_be_read_for_the_moment_stays(void **state)
{
    scene *s = *state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int spare = open("/dev/null", O_RDONLY);
    assert_true(spare >= 0);
    (void)close(spare);
    write_copy(s, &s->me, "me.key", "client", false); // it is to be read again
    few = before;
    few.rlim_cur = (rlim_t)spare + 1; // one: for the folder
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    (void)look(s);
    const bool kept = has(s, KOFN_LINK_MASTER_CLIENTS, &s->me);
    few.rlim_cur = (rlim_t)spare; // none
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    (void)look(s);
    const bool still = has(s, KOFN_LINK_MASTER_CLIENTS, &s->me);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(kept && still);
}

/* Whoever takes all descriptors with connections does not keep a key by that. */
static void
a_key_is_taken_back_even_when_no_descriptor_is_left(void **state)
{
    scene *s = *state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int spare = open("/dev/null", O_RDONLY);
    assert_true(spare >= 0);
    (void)close(spare);
    write_copy(s, &s->me, "me.key", "client", false); // it is to be read again, and cannot be
    assert_int_equal(unlink(path_of(s, "w1.key")), 0);
    none = before;
    none.rlim_cur = (rlim_t)spare;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool changed = look(s), gone = !has(s, KOFN_LINK_MASTER_WORKERS, &s->w1),
               kept = has(s, KOFN_LINK_MASTER_CLIENTS, &s->me);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(changed && gone && kept);
}

static void
the_folder_is_the_one_that_the_path_leads_to_now(void **state)
{
    scene *s = *state;
    char aside[sizeof s->folder + 8];
    (void)snprintf(aside, sizeof aside, "%s.aside", s->folder);
    assert_int_equal(rename(s->folder, aside), 0);
    assert_int_equal(mkdir(s->folder, 0700), 0);
    write_copy(s, &s->me, "fresh.key", "client", false);
    const bool changed = look(s), me = has(s, KOFN_LINK_MASTER_CLIENTS, &s->me),
               w1 = has(s, KOFN_LINK_MASTER_WORKERS, &s->w1);
    assert_int_equal(unlink(path_of(s, "fresh.key")), 0);
    assert_int_equal(rmdir(s->folder), 0);
    assert_int_equal(rename(aside, s->folder), 0);
    assert_true(changed && me && !w1);
}

static void
a_folder_that_is_gone_allows_nobody_until_it_is_back(void **state)
{
    scene *s = *state;
    char aside[sizeof s->folder + 8];
    (void)snprintf(aside, sizeof aside, "%s.aside", s->folder);
    assert_int_equal(rename(s->folder, aside), 0);
    const bool changed = look(s), any = has(s, KOFN_LINK_MASTER_CLIENTS, &s->me);
    assert_int_equal(rename(aside, s->folder), 0);
    assert_true(changed);
    assert_false(any);
    assert_true(look(s));
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &s->me));
}

/* It is used as what it is, and its owner is told: see the log. */
static void
a_secret_among_the_public_ones_is_found(void **state)
{
    scene *s = *state;
    char log[4096] = "";
    int pipe_fds[2];
    kofn_log to_pipe;
    kofn_error error;
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
    write_copy(s, &s->me, "me.key", "client", true);
    kofn_log_init(&to_pipe, KOFN_LOG_WARNING, pipe_fds[1]);
    kofn_guard_destroy(&s->guard);
    void *context = zmq_ctx_new(); // the place of the handler in the other one is free only soon
    assert_ok(kofn_guard_new(context, s->own, s->folder, &to_pipe, &s->guard, &error));
    assert_true(read(pipe_fds[0], log, sizeof log - 1) > 0);
    assert_non_null(strstr(log, "secret_exposed"));
    assert_null(strstr(log, s->me.secret_key));
    assert_string_equal(
        kofn_guard_find(s->guard, KOFN_LINK_MASTER_CLIENTS, s->me.public_key)->secret_key, "");
    kofn_guard_destroy(&s->guard);
    (void)zmq_ctx_term(context);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

/* A reload changes the level of the log that is the master's. */
static void
what_is_logged_follows_the_masters_level(void **state)
{
    scene *s = *state;
    char log[4096] = "";
    int pipe_fds[2];
    kofn_log to_pipe;
    kofn_error error;
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
    kofn_log_init(&to_pipe, KOFN_LOG_ERROR, pipe_fds[1]);
    kofn_guard_destroy(&s->guard);
    void *context = zmq_ctx_new();
    assert_ok(kofn_guard_new(context, s->own, s->folder, &to_pipe, &s->guard, &error));
    assert_true(read(pipe_fds[0], log, sizeof log - 1) < 0);
    to_pipe.level = KOFN_LOG_NOTICE;
    write_copy(s, &s->me, "me.key", "admin", false);
    assert_true(look(s));
    assert_true(read(pipe_fds[0], log, sizeof log - 1) > 0);
    assert_non_null(strstr(log, "keys_read"));
    kofn_guard_destroy(&s->guard);
    (void)zmq_ctx_term(context);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

/* Those that are there are not read again for one that comes. */
static void
ten_thousand_certificates_hold_nobody_up(void **state)
{
    enum { COUNT = 10000 };
    scene *s = *state;
    char name[32];
    kofn_certificate many = s->me;
    for (int i = 0; i < COUNT; i++) { // keys that nobody has
        (void)snprintf(name, sizeof name, "many%d.key", i);
        unsigned char bytes[32] = {(unsigned char)i, (unsigned char)(i >> 8), 1};
        assert_non_null(zmq_z85_encode(many.public_key, bytes, sizeof bytes));
        write_copy(s, &many, name, "client", false);
    }
    int looks = 0;
    while (!has(s, KOFN_LINK_MASTER_CLIENTS, &many) && looks++ < 1000)
        (void)look(s);
    assert_in_range(looks, 1, 999);
    kofn_certificate more;
    make(s, "more", KOFN_ROLE_CLIENT, &more);
    for (looks = 0; !has(s, KOFN_LINK_MASTER_CLIENTS, &more) && looks < 1000; looks++)
        (void)look(s);
    assert_true(has(s, KOFN_LINK_MASTER_CLIENTS, &more));
    assert_int_equal(unlink(path_of(s, "many7.key")), 0); // revoking waits for no reading
    assert_true(look(s));
}

static void
a_secured_socket_passes_the_proof(void **state)
{
    scene *s = *state;
    kofn_error error;
    open_server(s, true);
    assert_ok(
        kofn_guard_prove(s->guard, s->context, KOFN_LINK_MASTER_WORKERS, s->endpoint, &error));
}

/* A socket that somebody forgot to secure, or secured with another key, does not. */
static void
an_open_socket_does_not_pass_the_proof(void **state)
{
    scene *s = *state;
    kofn_error error;
    open_server(s, false);
    assert_fails(
        kofn_guard_prove(s->guard, s->context, KOFN_LINK_MASTER_WORKERS, s->endpoint, &error),
        KOFN_UNAVAILABLE);
}

/* libzmq lets every key in when no ZAP handler is there; its messages carry no key, and so are
 * those of nobody. */
static void
without_a_handler_nobody_is_admitted(void **state)
{
    scene *s = *state;
    kofn_error error;
    kofn_inbound in = {0};
    bool got = false;
    open_server(s, true);
    (void)zmq_unbind(kofn_guard_get_socket(s->guard), "inproc://zeromq.zap.01");
    send_as_stranger(s);
    zmq_pollitem_t item = {.socket = s->server, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 5000), 1); // it is in: that is the trap
    assert_ok(kofn_inbound_recv(s->server, KOFN_LINK_MASTER_WORKERS, &in, &got, &error));
    assert_true(got);
    assert_string_equal(in.key, "");
    assert_null(kofn_guard_admit(s->guard, KOFN_LINK_MASTER_WORKERS, &in));
    kofn_inbound_fini(&in);
}

/* And when the handler is there but does not answer, nobody gets in at all. */
static void
a_handler_that_is_stuck_lets_nobody_in(void **state)
{
    scene *s = *state;
    kofn_error error;
    kofn_link_keys keys = {.own = s->w1};
    memcpy(keys.master, s->master.public_key, sizeof keys.master);
    open_server(s, true);
    assert_ok(kofn_link_socket_new(s->context, KOFN_LINK_WORKER, &s->client, &error));
    assert_ok(kofn_link_secure(s->client, KOFN_LINK_WORKER, &keys, &error));
    assert_ok(kofn_link_open(s->client, KOFN_LINK_WORKER, s->endpoint, NULL, 0, &error));
    zmq_pollitem_t item = {.socket = s->client, .events = ZMQ_POLLOUT};
    assert_int_equal(zmq_poll(&item, 1, 300), 0);
    kofn_guard_on_readable(s->guard); // it wakes up
    assert_int_equal(zmq_poll(&item, 1, 5000), 1);
}

/* A peer can name itself in its handshake, and where no handler did, libzmq believes it. */
static void
a_name_that_no_handler_gave_admits_nobody(void **state)
{
    scene *s = *state;
    kofn_error error;
    kofn_inbound in = {0};
    kofn_certificate stranger;
    curve_peer peer;
    bool got = false;
    const curve_property properties[] = {{"User-Id", s->w1.public_key},
                                         {KOFN_LINK_SEAL, "0123456789abcdef0123456789abcdef"},
                                         {NULL, NULL}};
    assert_ok(kofn_certificate_make("stranger", KOFN_ROLE_WORKER, &stranger, &error));
    open_server(s, true);
    (void)zmq_unbind(kofn_guard_get_socket(s->guard), "inproc://zeromq.zap.01");
    assert_true(curve_open(&peer, s->endpoint, stranger.public_key, stranger.secret_key,
                           s->master.public_key, properties));
    curve_send(&peer, "hello", 5, false);
    zmq_pollitem_t item = {.socket = s->server, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 5000), 1);
    assert_ok(kofn_inbound_recv(s->server, KOFN_LINK_MASTER_WORKERS, &in, &got, &error));
    assert_true(got);
    assert_string_equal(in.key, s->w1.public_key); // it is believed: that is the trap
    assert_null(kofn_guard_admit(s->guard, KOFN_LINK_MASTER_WORKERS, &in));
    kofn_inbound_fini(&in);
    curve_close(&peer);
}

/* The master's loop stands in for nobody here: serve the handler until the socket has something. */
static bool
serve_until_readable(scene *s, void *socket)
{
    zmq_pollitem_t items[] = {
        {.socket = kofn_guard_get_socket(s->guard), .events = ZMQ_POLLIN},
        {.socket = socket, .events = ZMQ_POLLIN},
    };
    for (int i = 0; i < 100; i++) {
        (void)zmq_poll(items, 2, 100);
        if (items[0].revents)
            kofn_guard_on_readable(s->guard);
        if (items[1].revents)
            return true;
    }
    return false;
}

static void
open_worker(scene *s, const kofn_certificate *own)
{
    kofn_error error;
    kofn_link_keys keys = {.own = *own};
    memcpy(keys.master, s->master.public_key, sizeof keys.master);
    assert_ok(kofn_link_socket_new(s->context, KOFN_LINK_WORKER, &s->client, &error));
    assert_ok(kofn_link_secure(s->client, KOFN_LINK_WORKER, &keys, &error));
}

/* The handler's word is on the message: key and seal. */
static void
who_is_listed_is_admitted_by_what_it_sends(void **state)
{
    scene *s = *state;
    kofn_error error;
    kofn_inbound in = {0};
    bool got = false;
    open_server(s, true);
    open_worker(s, &s->w1);
    assert_ok(kofn_link_open(s->client, KOFN_LINK_WORKER, s->endpoint, NULL, 0, &error));
    zmq_pollitem_t ready = {.socket = s->client, .events = ZMQ_POLLOUT};
    for (int i = 0; i < 100 && zmq_poll(&ready, 1, 50) == 0; i++)
        kofn_guard_on_readable(s->guard);
    assert_int_equal(zmq_send(s->client, "hello", 5, ZMQ_DONTWAIT), 5);
    assert_true(serve_until_readable(s, s->server));
    assert_ok(kofn_inbound_recv(s->server, KOFN_LINK_MASTER_WORKERS, &in, &got, &error));
    const kofn_certificate *by = kofn_guard_admit(s->guard, KOFN_LINK_MASTER_WORKERS, &in);
    assert_non_null(by);
    assert_string_equal(by->name, "w1");
    assert_null(kofn_guard_admit(s->guard, KOFN_LINK_MASTER_CLIENTS, &in));
    in.seal[0] ^= 1;
    assert_null(kofn_guard_admit(s->guard, KOFN_LINK_MASTER_WORKERS, &in));
    kofn_inbound_fini(&in);
}

static void
a_worker_that_is_not_listed_hears_why(void **state)
{
    scene *s = *state;
    kofn_error error;
    kofn_certificate stranger;
    kofn_monitor monitor;
    kofn_monitor_event event;
    assert_ok(kofn_certificate_make("stranger", KOFN_ROLE_WORKER, &stranger, &error));
    open_server(s, true);
    open_worker(s, &stranger);
    assert_ok(kofn_monitor_open(s->context, s->client, false, &monitor, &error));
    assert_ok(kofn_link_open(s->client, KOFN_LINK_WORKER, s->endpoint, NULL, 0, &error));
    assert_true(serve_until_readable(s, monitor.socket));
    assert_true(kofn_monitor_next(&monitor, &event));
    assert_int_equal(event, KOFN_MONITOR_REFUSED);
    assert_false(kofn_monitor_next(&monitor, &event));
    assert_int_equal(kofn_monitor_explain(event, s->endpoint, "worker", true, &error),
                     KOFN_UNAUTHENTICATED);
    kofn_monitor_close(&monitor);
}

typedef struct zap_case {
    const char *version, *domain, *mechanism;
    size_t key_length, frames;
} zap_case;

/* Ask as libzmq asks: the status, "" without an answer. */
static void
ask_handler(scene *s, const zap_case *c, const uint8_t *key, char ret_status[8])
{
    const int patience_ms = 100;
    void *asker = zmq_socket(s->context, ZMQ_REQ);
    assert_int_equal(zmq_setsockopt(asker, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms), 0);
    assert_int_equal(zmq_setsockopt(asker, ZMQ_LINGER, &(int){0}, sizeof(int)), 0);
    assert_int_equal(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
    const struct {
        const void *at;
        size_t length;
    } frames[] = {
        {c->version, strlen(c->version)},
        {"7", 1},
        {c->domain, strlen(c->domain)},
        {"127.0.0.1", 9},
        {"", 0},
        {c->mechanism, strlen(c->mechanism)},
        {key, c->key_length},
        {"", 0},
    };
    for (size_t i = 0; i < c->frames; i++)
        assert_true(zmq_send(asker, frames[i].at, frames[i].length,
                             i + 1 < c->frames ? ZMQ_SNDMORE : 0) >= 0);
    for (int i = 0; i < 100; i++) { // it is in the handler's queue at once, or soon
        zmq_pollitem_t item = {.socket = kofn_guard_get_socket(s->guard), .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, 10) > 0)
            break;
    }
    kofn_guard_on_readable(s->guard);
    char frame[2][64] = {"", ""};
    ret_status[0] = '\0';
    if (zmq_recv(asker, frame[0], 63, 0) >= 0 && zmq_recv(asker, frame[1], 63, 0) >= 0 &&
        zmq_recv(asker, ret_status, 7, 0) == 3)
        ret_status[3] = '\0';
    (void)zmq_close(asker);
}

static void
the_handler_grants_what_is_a_request_of_a_listed_key_and_nothing_else(void **state)
{
    static const zap_case good = {"1.0", "workers", "CURVE", 32, 7};
    static const zap_case bad[] = {
        {"1.1", "workers", "CURVE", 32, 7}, {"", "workers", "CURVE", 32, 7},
        {"1.0", "clients", "CURVE", 32, 7}, {"1.0", "", "CURVE", 32, 7},
        {"1.0", "worker", "CURVE", 32, 7},  {"1.0", "workers", "NULL", 32, 7},
        {"1.0", "workers", "PLAIN", 32, 7}, {"1.0", "workers", "CURVE", 31, 7},
        {"1.0", "workers", "CURVE", 0, 7},  {"1.0", "workers", "CURVE", 32, 6},
        {"1.0", "workers", "CURVE", 32, 8}, {"1.0", "workers", "CURVE", 32, 1},
    };
    scene *s = *state;
    uint8_t key[32];
    char status[8];
    assert_non_null(zmq_z85_decode(key, s->w1.public_key));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask_handler(s, &bad[i], key, status);
        assert_string_equal(status, "400");
    }
    key[0] ^= 1;
    ask_handler(s, &good, key, status);
    assert_string_equal(status, "400");
    key[0] ^= 1;
    ask_handler(s, &good, key, status);
    assert_string_equal(status, "200");
}

static void
one_context_has_one_guard(void **state)
{
    scene *s = *state;
    kofn_log quiet;
    kofn_guard *second = NULL;
    kofn_error error;
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    assert_fails(kofn_guard_new(s->context, s->own, s->folder, &quiet, &second, &error),
                 KOFN_ALREADY_EXISTS);
}

#define SCENE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_key_counts_in_its_role_only),
        SCENE(the_list_follows_the_folder),
        SCENE(a_key_in_two_roles_may_not_connect),
        SCENE(a_key_in_two_certificates_of_one_role_stays_until_both_are_gone),
        SCENE(a_role_that_changes_at_once_is_not_missed),
        SCENE(a_file_that_becomes_nonsense_allows_nobody),
        SCENE(a_link_is_what_it_leads_to),
        SCENE(what_cannot_be_read_for_the_moment_stays),
        SCENE(a_key_is_taken_back_even_when_no_descriptor_is_left),
        SCENE(the_folder_is_the_one_that_the_path_leads_to_now),
        SCENE(a_folder_that_is_gone_allows_nobody_until_it_is_back),
        SCENE(a_secret_among_the_public_ones_is_found),
        SCENE(what_is_logged_follows_the_masters_level),
        SCENE(ten_thousand_certificates_hold_nobody_up),
        SCENE(a_secured_socket_passes_the_proof),
        SCENE(an_open_socket_does_not_pass_the_proof),
        SCENE(without_a_handler_nobody_is_admitted),
        SCENE(a_handler_that_is_stuck_lets_nobody_in),
        SCENE(a_name_that_no_handler_gave_admits_nobody),
        SCENE(who_is_listed_is_admitted_by_what_it_sends),
        SCENE(a_worker_that_is_not_listed_hears_why),
        SCENE(the_handler_grants_what_is_a_request_of_a_listed_key_and_nothing_else),
        SCENE(one_context_has_one_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
