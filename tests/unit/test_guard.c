#include "master/guard.h"

#include "tests/assert.h"

#include <dirent.h>
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
} scene;

static void
make(scene *s, const char *name, kofn_role role, kofn_certificate *ret)
{
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    assert_ok(kofn_certificate_make(name, role, ret, &error));
    assert_ok(kofn_certificate_save(ret, s->folder, path, &error));
}

static int
setup(void **state)
{
    static scene s;
    kofn_log quiet;
    kofn_error error;
    s = (scene){.folder = "/tmp/kofn-guard-XXXXXX"};
    assert_non_null(mkdtemp(s.folder));
    make(&s, "master", KOFN_ROLE_MASTER, &s.master);
    make(&s, "w1", KOFN_ROLE_WORKER, &s.w1);
    make(&s, "me", KOFN_ROLE_CLIENT, &s.me);
    (void)snprintf(s.own, sizeof s.own, "%s/master.key", s.folder);
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    s.context = zmq_ctx_new();
    assert_ok(kofn_guard_new(s.context, s.own, s.folder, quiet, &s.guard, &error));
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
    assert_non_null(kofn_guard_admit(s->guard, workers, s->w1.public_key));
    assert_null(kofn_guard_admit(s->guard, clients, s->w1.public_key));
    assert_non_null(kofn_guard_admit(s->guard, clients, s->me.public_key));
    assert_null(kofn_guard_admit(s->guard, workers, s->me.public_key));
    assert_null(kofn_guard_admit(s->guard, workers, s->master.public_key));
    assert_null(kofn_guard_admit(s->guard, clients, s->master.public_key));
    assert_null(kofn_guard_admit(s->guard, clients, ""));
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
    assert_true(kofn_guard_allows(s->guard, KOFN_LINK_MASTER_CLIENTS, more.public_key));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/more.key", s->folder);
    assert_int_equal(unlink(path), 0);
    assert_true(kofn_guard_on_tick(s->guard, now_ns += INT64_C(2000000000)));
    assert_false(kofn_guard_allows(s->guard, KOFN_LINK_MASTER_CLIENTS, more.public_key));
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
    assert_null(kofn_guard_admit(s->guard, KOFN_LINK_MASTER_WORKERS, in.key));
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

static void
one_context_has_one_guard(void **state)
{
    scene *s = *state;
    kofn_log quiet;
    kofn_guard *second = NULL;
    kofn_error error;
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    assert_fails(kofn_guard_new(s->context, s->own, s->folder, quiet, &second, &error),
                 KOFN_ALREADY_EXISTS);
}

static void
a_certificate_of_mixed_keys_is_refused(void **state)
{
    scene *s = *state;
    kofn_certificate mixed = s->w1, read;
    char path[KOFN_CERTIFICATE_PATH];
    kofn_error error;
    (void)snprintf(mixed.name, sizeof mixed.name, "mixed");
    memcpy(mixed.secret_key, s->me.secret_key, sizeof mixed.secret_key);
    assert_ok(kofn_certificate_save(&mixed, s->folder, path, &error));
    assert_ok(kofn_certificate_load(path, &read, &error));
    assert_string_equal(read.secret_key, "");
    assert_fails(kofn_certificate_load_secret(path, &read, &error), KOFN_INVALID_ARGUMENT);
}

static void
a_secret_is_for_its_owners_eyes_only(void **state)
{
    const scene *s = *state;
    char path[KOFN_CERTIFICATE_PATH];
    struct stat file;
    (void)snprintf(path, sizeof path, "%s/w1.key_secret", s->folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
}

#define SCENE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_key_counts_in_its_role_only),
        SCENE(the_list_follows_the_folder),
        SCENE(a_secured_socket_passes_the_proof),
        SCENE(an_open_socket_does_not_pass_the_proof),
        SCENE(without_a_handler_nobody_is_admitted),
        SCENE(a_handler_that_is_stuck_lets_nobody_in),
        SCENE(one_context_has_one_guard),
        SCENE(a_certificate_of_mixed_keys_is_refused),
        SCENE(a_secret_is_for_its_owners_eyes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
