#include "tests/integration/keyring.h"

#include "tests/assert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int
keyring_setup(void **state)
{
    (void)state;
    return unsetenv("KOFN_KEY") | unsetenv("KOFN_SERVER_KEY");
}

/* ---- time ------------------------------------------------------------------------------------ */

void
keyring_wait_a_moment(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

double
keyring_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
read_file(cluster *c, const char *name, char *ret_text, size_t size)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    ret_text[fread(ret_text, 1, size - 1, file)] = '\0';
    (void)fclose(file);
}

/* Whole or not at all: a master that looks at half a certificate takes that key back, and who has
 * it is refused for a moment. A secret stays one. */
static void
write_file(cluster *c, const char *name, const char *text)
{
    char path[CLUSTER_PATH_MAX], beside[CLUSTER_PATH_MAX + 8];
    struct stat old;
    cluster_get_path(c, name, path);
    (void)snprintf(beside, sizeof beside, "%s.tmp", path); // not the name of a certificate
    FILE *file = fopen(beside, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    if (stat(path, &old) == 0)
        assert_int_equal(fchmod(fileno(file), old.st_mode & 0777), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(beside, path), 0);
}

void
keyring_make(cluster *c, const char *folder, const char *name, const char *role)
{
    outcome run;
    cluster_run(c, &run, "keygen", name, "--role", role, "-o", folder, NULL);
    assert_int_equal(run.status, 0);
}

void
keyring_remove(cluster *c, const char *name)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    assert_int_equal(unlink(path), 0);
}

static void
rename_file(cluster *c, const char *from, const char *to, const char *ending)
{
    char name[CLUSTER_PATH_MAX / 2], path[2][CLUSTER_PATH_MAX];
    (void)snprintf(name, sizeof name, "%s%s", from, ending);
    cluster_get_path(c, name, path[0]);
    (void)snprintf(name, sizeof name, "%s%s", to, ending);
    cluster_get_path(c, name, path[1]);
    assert_int_equal(rename(path[0], path[1]), 0);
}

void
keyring_move(cluster *c, const char *from, const char *to)
{
    rename_file(c, from, to, "_secret");
    rename_file(c, from, to, "");
}

void
keyring_copy(cluster *c, const char *from, const char *to)
{
    char text[8192];
    read_file(c, from, text, sizeof text);
    write_file(c, to, text);
}

void
keyring_edit(cluster *c, const char *path, const char *old, const char *fresh)
{
    char text[4096], edited[8192];
    read_file(c, path, text, sizeof text);
    const char *at = strstr(text, old);
    assert_non_null(at);
    (void)snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - text), text, fresh,
                   at + strlen(old));
    write_file(c, path, edited);
}

void
keyring_read(cluster *c, const char *path, const char *which, char ret_key[41])
{
    char text[4096], wanted[64];
    read_file(c, path, text, sizeof text);
    (void)snprintf(wanted, sizeof wanted, "    %s = \"", which);
    const char *at = strstr(text, wanted);
    assert_non_null(at);
    (void)snprintf(ret_key, 41, "%.40s", at + strlen(wanted));
}

void
keyring_use(cluster *c, const char *own, const char *master)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, own, path);
    assert_int_equal(setenv("KOFN_KEY", path, 1), 0);
    cluster_get_path(c, master, path);
    assert_int_equal(setenv("KOFN_SERVER_KEY", path, 1), 0);
}

/* ---- clusters -------------------------------------------------------------------------------- */

cluster *
keyring_new(void **state)
{
    static const char *const people[][3] = {
        {"keys", "master", "master"}, {"keys", "w0", "worker"},  {"keys", "w1", "worker"},
        {"keys", "alice", "client"},  {"keys", "bob", "client"}, {"keys", "boss", "admin"},
        {"out", "mallory", "client"}, {"out", "w9", "worker"},   {"out", "other", "master"},
    };
    cluster *c = cluster_new(state, KEYRING_MASTER);
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
        keyring_make(c, people[i][0], people[i][1], people[i][2]);
    return c;
}

void
keyring_start_worker(cluster *c, size_t number, const char *more_yaml)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, "keys:\n  own: keys/w%zu.key\n  master: keys/master.key\n%s",
                   number, more_yaml);
    cluster_start_worker(c, number, yaml);
}

cluster *
keyring_new_ready(void **state)
{
    cluster *c = keyring_new(state);
    cluster_start_master(c);
    keyring_start_worker(c, 0, "");
    keyring_use(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1); // as boss, who stays connected
    return c;
}

/* ---- as somebody ----------------------------------------------------------------------------- */

kofn_client *
keyring_open(cluster *c, const char *own)
{
    char key[CLUSTER_PATH_MAX], server_key[CLUSTER_PATH_MAX];
    cluster_get_path(c, own, key);
    cluster_get_path(c, "keys/master.key", server_key);
    const kofn_client_options options = {
        .endpoint = cluster_get_clients_endpoint(c), .key = key, .server_key = server_key};
    kofn_client *client = NULL;
    kofn_error error;
    assert_ok(kofn_client_open(&options, &client, &error));
    return client;
}

kofn_status
keyring_call(cluster *c, const char *own, const char *master, kofn_error *err)
{
    char key[CLUSTER_PATH_MAX], server_key[CLUSTER_PATH_MAX];
    kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c), .retries = -1};
    (void)keyring_setup(NULL);
    if (own) {
        cluster_get_path(c, own, key);
        cluster_get_path(c, master, server_key);
        options.key = key;
        options.server_key = server_key;
    }
    kofn_client *client = NULL;
    kofn_health health;
    kofn_status status = kofn_client_open(&options, &client, err);
    if (status == KOFN_OK)
        status = kofn_client_check(client, NULL, 1000 * PATIENCE_S, &health, err);
    kofn_client_close(&client);
    return status;
}

void
keyring_await_status(cluster *c, const char *own, kofn_status wanted)
{
    const double limit = keyring_now_s() + REVOKED_WITHIN_S;
    kofn_error error = {.status = KOFN_OK};
    kofn_status status;
    double begun;
    do { // what begins after the limit decides: one that began before may end long after it
        keyring_wait_a_moment();
        begun = keyring_now_s();
        status = keyring_call(c, own, "keys/master.key", &error);
    } while (status != wanted && begun < limit);
    if (status != wanted)
        fail_msg("a call as %s comes to %s after %d s, wanted %s: %s", own,
                 kofn_status_name(status), REVOKED_WITHIN_S, kofn_status_name(wanted), error.text);
}

void
keyring_open_raw(cluster *c, raw_peer *peer, const char *own, const char *routing_id,
                 const char *endpoint, bool delimited)
{
    char path[CLUSTER_PATH_MAX / 2], public_key[41], secret_key[41], server_key[41];
    const int linger = 0, patience_ms = (int)(1000 * cluster_get_patience_s());
    (void)snprintf(path, sizeof path, "%s_secret", own);
    keyring_read(c, path, "public-key", public_key);
    keyring_read(c, path, "secret-key", secret_key);
    keyring_read(c, "keys/master.key", "public-key", server_key);
    *peer = (raw_peer){.context = zmq_ctx_new(), .delimited = delimited};
    peer->socket = zmq_socket(peer->context, ZMQ_DEALER);
    assert_non_null(peer->socket);
    int rc = zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger);
    rc |= zmq_setsockopt(peer->socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_SERVERKEY, server_key, 41);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_PUBLICKEY, public_key, 41);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_SECRETKEY, secret_key, 41);
    if (routing_id)
        rc |= zmq_setsockopt(peer->socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
    rc |= zmq_connect(peer->socket, endpoint);
    assert_int_equal(rc, 0);
}

void
keyring_say_hello(raw_peer *peer, const char *name)
{
    kofn_msg_hello hello = {.version = KOFN_PROTOCOL_VERSION,
                            .credit = 1,
                            .window = 1 << 20,
                            .cores = 1,
                            .memory_bytes = 1 << 30};
    (void)snprintf(hello.name, sizeof hello.name, "%s", name);
    (void)snprintf(hello.fields, sizeof hello.fields, "f64");
    raw_send_message(peer, &kofn_hello_message, &hello, false);
}

bool
keyring_hears_something(raw_peer *peer)
{
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, SHORT_MS) > 0;
}

void
keyring_submit(kofn_client *client, const char *key, char ret_job[KOFN_CLIENT_JOB_MAX])
{
    static const double four[4] = {1, 2, 3, 4};
    const kofn_matrix a = test_view(four, 2, 2);
    const kofn_product_options options = {.key = key};
    kofn_error error;
    assert_ok(kofn_client_submit(client, &a, &a, &options, ret_job, &error));
}

kofn_result *
keyring_await_product(kofn_client *client, const char *job, const char *for_what)
{
    const kofn_wait_options options = {.timeout_ms = (int64_t)(1000 * cluster_get_patience_s())};
    kofn_result *result = NULL;
    kofn_error error;
    if (kofn_client_wait(client, job, &options, &result, &error) != KOFN_OK) {
        cluster_note_in_vain();
        fail_msg("%s: job %s has no product: %s", for_what, job, error.text);
    }
    return result;
}

/* ---- logs ------------------------------------------------------------------------------------ */

void
keyring_await_log(cluster *c, const char *file, const char *text)
{
    static char log[1 << 16];
    char path[CLUSTER_PATH_MAX];
    const double limit = keyring_now_s() + cluster_get_patience_s();
    log[0] = '\0';
    cluster_get_path(c, file, path);
    for (;;) {
        if (access(path, F_OK) == 0) // it has begun
            read_file(c, file, log, sizeof log);
        if (strstr(log, text))
            return;
        if (keyring_now_s() > limit) {
            cluster_note_in_vain();
            fail_msg("%s does not say '%s', it says:\n%s", file, text, log);
        }
        keyring_wait_a_moment();
    }
}

void
keyring_await_master_log(cluster *c, const char *text)
{
    keyring_await_log(c, "master.log", text);
}
