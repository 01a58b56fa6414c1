/* Keys: who may do what, and that all others may do nothing. Each case of denial has a twin that is
 * let in, in `those_with_keys_may`. */
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include "tests/assert.h"

#include <dirent.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECURED "keys:\n  own: keys/master.key\n  allowed: keys\n"

enum { REVOKED_WITHIN_S = 5, SHORT_MS = 700 };

/* ---- keys of a cluster ------------------------------------------------------------------------- */

static void
make_key(cluster *c, const char *folder, const char *name, const char *role)
{
    outcome run;
    cluster_run(c, &run, "keygen", name, "--role", role, "-o", folder, NULL);
    assert_int_equal(run.status, 0);
}

static void
use_keys(cluster *c, const char *own, const char *master)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, own, path);
    assert_int_equal(setenv("KOFN_KEY", path, 1), 0);
    cluster_get_path(c, master, path);
    assert_int_equal(setenv("KOFN_SERVER_KEY", path, 1), 0);
}

static int
setup(void **state)
{
    (void)state;
    return unsetenv("KOFN_KEY") | unsetenv("KOFN_SERVER_KEY");
}

static cluster *
new_secured(void **state)
{
    cluster *c = cluster_new(state, SECURED);
    make_key(c, "keys", "master", "master");
    make_key(c, "keys", "w0", "worker");
    make_key(c, "keys", "w1", "worker");
    make_key(c, "keys", "alice", "client");
    make_key(c, "keys", "bob", "client");
    make_key(c, "keys", "boss", "admin");
    make_key(c, "out", "mallory", "client");
    make_key(c, "out", "w9", "worker");
    make_key(c, "out", "other", "master");
    return c;
}

static void
start_worker(cluster *c, size_t number, const char *more)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml, "keys:\n  own: keys/w%zu.key\n  master: keys/master.key\n%s",
                   number, more);
    cluster_start_worker(c, number, yaml);
}

static cluster *
new_ready(void **state)
{
    cluster *c = new_secured(state);
    cluster_start_master(c);
    start_worker(c, 0, "");
    use_keys(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1); // as boss, who stays connected
    return c;
}

/* A call as somebody: its status. */
static kofn_status
call_as(cluster *c, const char *own, const char *master)
{
    char key[CLUSTER_PATH_MAX], server_key[CLUSTER_PATH_MAX];
    kofn_client_options options = {
        .endpoint = cluster_get_clients_endpoint(c), .patience_ms = SHORT_MS, .retries = -1};
    (void)setup(NULL);
    if (own) {
        cluster_get_path(c, own, key);
        cluster_get_path(c, master, server_key);
        options.key = key;
        options.server_key = server_key;
    }
    kofn_client *client = NULL;
    kofn_health health;
    kofn_status status = kofn_client_open(&options, &client, NULL);
    if (status == KOFN_OK)
        status = kofn_client_check(client, NULL, 10 * SHORT_MS, &health, NULL);
    kofn_client_close(&client);
    return status;
}

static void
wait_a_moment(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static double
now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
await_log(cluster *c, const char *text)
{
    const double limit = now_s() + PATIENCE_S;
    while (!strstr(cluster_get_master_log(c), text)) {
        if (now_s() > limit)
            fail_msg("the master does not log '%s'", text);
        wait_a_moment();
    }
}

static void
remove_key(cluster *c, const char *name)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    assert_int_equal(unlink(path), 0);
}

/* Until a call as this one comes to that; no longer than revoking may take. */
static void
await_status(cluster *c, const char *own, kofn_status wanted)
{
    const double limit = now_s() + REVOKED_WITHIN_S;
    kofn_status status;
    while ((status = call_as(c, own, "keys/master.key")) != wanted && now_s() < limit)
        wait_a_moment();
    assert_int_equal(status, wanted);
}

/* ---- who may ------------------------------------------------------------------------------------ */

static void
those_with_keys_may(void **state)
{
    cluster *c = new_ready(state);
    const product_wish wish = {.rows = 60, .inner = 50, .cols = 40};
    (void)cluster_multiply(c, &wish);
    assert_int_equal(call_as(c, "keys/alice.key", "keys/master.key"), KOFN_OK);
    assert_int_equal(call_as(c, "keys/boss.key", "keys/master.key"), KOFN_OK);
}

/* --key is of the product: another thing than --identity. */
static void
the_command_takes_keys_from_its_line(void **state)
{
    static const char digits[] = KOFN_SOURCE_DIR "/tests/data/digits.npy";
    cluster *c = new_ready(state);
    outcome run;
    (void)setup(state);
    cluster_run(c, &run, "multiply", digits, digits, "--transpose-b", "-o", "gram.npy", "--key",
                "mine", "--identity", "keys/alice.key", "--server-key", "keys/master.key", NULL);
    assert_int_equal(run.status, 0);
    cluster_run(c, &run, "jobs", "--identity", "out/mallory.key", "--server-key", "keys/master.key",
                NULL);
    assert_int_equal(run.status, 6);
}

static void
a_key_that_is_not_listed_is_refused(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, "out/mallory.key", "keys/master.key"), KOFN_UNAUTHENTICATED);
}

static void
a_client_without_a_key_gets_no_answer(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, NULL, NULL), KOFN_UNAVAILABLE);
}

static void
a_master_with_another_key_gets_no_call(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, "keys/alice.key", "out/other.key"), KOFN_UNAVAILABLE);
}

static void
a_workers_key_is_refused_among_clients(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, "keys/w0.key", "keys/master.key"), KOFN_UNAUTHENTICATED);
}

static void
a_client_with_a_masters_key_does_not_start(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, "keys/master.key", "keys/master.key"), KOFN_INVALID_ARGUMENT);
}

static void
a_clients_key_for_a_masters_is_found_out_before_connecting(void **state)
{
    cluster *c = new_ready(state);
    assert_int_equal(call_as(c, "keys/alice.key", "keys/bob.key"), KOFN_INVALID_ARGUMENT);
}

static void
a_client_with_half_of_its_keys_does_not_start(void **state)
{
    cluster *c = new_ready(state);
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c), .key = "a"};
    kofn_client *client = NULL;
    kofn_error error;
    (void)setup(state);
    assert_fails(kofn_client_open(&options, &client, &error), KOFN_INVALID_ARGUMENT);
}

/* ---- the workers' socket ------------------------------------------------------------------------- */

static void
read_key(cluster *c, const char *name, const char *which, char ret_key[41])
{
    char path[CLUSTER_PATH_MAX], line[256], wanted[64];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    (void)snprintf(wanted, sizeof wanted, "    %s = \"", which);
    ret_key[0] = '\0';
    while (fgets(line, sizeof line, file))
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            (void)snprintf(ret_key, 41, "%.40s", line + strlen(wanted));
    (void)fclose(file);
    assert_int_equal(strlen(ret_key), 40);
}

/* A DEALER with anybody's key, and the routing id that it likes. */
static void
open_with_key(cluster *c, raw_peer *peer, const char *own, const char *routing_id,
              const char *endpoint, bool delimited)
{
    char path[CLUSTER_PATH_MAX / 2], public_key[41], secret_key[41], server_key[41];
    const int linger = 0;
    (void)snprintf(path, sizeof path, "%s_secret", own);
    read_key(c, path, "public-key", public_key);
    read_key(c, path, "secret-key", secret_key);
    read_key(c, "keys/master.key", "public-key", server_key);
    *peer = (raw_peer){.context = zmq_ctx_new(), .delimited = delimited};
    peer->socket = zmq_socket(peer->context, ZMQ_DEALER);
    assert_non_null(peer->socket);
    int rc = zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_SERVERKEY, server_key, 41);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_PUBLICKEY, public_key, 41);
    rc |= zmq_setsockopt(peer->socket, ZMQ_CURVE_SECRETKEY, secret_key, 41);
    if (routing_id)
        rc |= zmq_setsockopt(peer->socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
    rc |= zmq_connect(peer->socket, endpoint);
    assert_int_equal(rc, 0);
}

static void
say_hello(raw_peer *peer, const char *name)
{
    kofn_msg_hello hello = {
        .version = KOFN_PROTOCOL_VERSION, .credit = 1, .window = 1 << 20, .cores = 1};
    (void)snprintf(hello.name, sizeof hello.name, "%s", name);
    (void)snprintf(hello.fields, sizeof hello.fields, "f64");
    raw_send_message(peer, &kofn_hello_message, &hello, false);
}

static bool
hears_something(raw_peer *peer)
{
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, SHORT_MS) > 0;
}

static void
assert_no_worker_by(cluster *c, const char *own)
{
    raw_peer peer;
    open_with_key(c, &peer, own, NULL, cluster_get_workers_endpoint(c), false);
    say_hello(&peer, "stranger");
    assert_false(hears_something(&peer));
    cluster_await_workers(c, 1); // w0 alone
    raw_close(&peer);
    await_log(c, "connection_refused: its key is not among keys.allowed, or not in that role "
                 "from=workers");
}

static void
a_clients_key_is_refused_among_workers(void **state)
{
    assert_no_worker_by(new_ready(state), "keys/alice.key");
}

static void
an_admins_key_is_refused_among_workers(void **state)
{
    assert_no_worker_by(new_ready(state), "keys/boss.key");
}

static void
a_worker_that_is_not_listed_is_refused(void **state)
{
    assert_no_worker_by(new_ready(state), "out/w9.key");
}

static void
a_worker_without_a_key_does_not_join(void **state)
{
    cluster *c = new_ready(state);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, false, cluster_get_workers_endpoint(c));
    say_hello(&peer, "stranger");
    assert_false(hears_something(&peer));
    cluster_await_workers(c, 1);
    raw_close(&peer);
}

static void
a_worker_with_a_clients_key_does_not_start(void **state)
{
    cluster *c = new_ready(state);
    cluster_start_worker(c, 5, "keys:\n  own: keys/alice.key\n  master: keys/master.key\n");
    assert_int_equal(cluster_await_worker_end(c, 5), 1);
}

/* Two clients with one routing id: the second one never gets what is the first one's. */
static void
a_routing_id_that_is_taken_gives_nothing(void **state)
{
    cluster *c = new_ready(state);
    raw_peer first, second;
    raw_message message;
    const kofn_msg_check body = {.service = ""};
    open_with_key(c, &first, "keys/alice.key", "same", cluster_get_clients_endpoint(c), true);
    kofn_msg_call call = {.call = 1};
    raw_call(&first, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&first, 1, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);

    open_with_key(c, &second, "keys/bob.key", "same", cluster_get_clients_endpoint(c), true);
    raw_call(&second, &call, KOFN_METHOD_CHECK, &body, false);
    assert_false(hears_something(&second));
    call.call = 2;
    raw_call(&first, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&first, 2, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);
    raw_close(&second);
    raw_close(&first);
}

/* ---- revoking ------------------------------------------------------------------------------------ */

static void
a_client_that_is_revoked_is_refused_within_five_seconds(void **state)
{
    cluster *c = new_ready(state);
    await_status(c, "keys/alice.key", KOFN_OK);
    char from[CLUSTER_PATH_MAX], to[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys/alice.key", from);
    cluster_get_path(c, "out/alice.key", to);
    assert_int_equal(rename(from, to), 0);
    cluster_get_path(c, "keys/alice.key_secret", from);
    cluster_get_path(c, "out/alice.key_secret", to);
    assert_int_equal(rename(from, to), 0);
    await_status(c, "out/alice.key", KOFN_UNAUTHENTICATED);
    assert_int_equal(call_as(c, "keys/bob.key", "keys/master.key"), KOFN_OK);
}

/* On the link that was made while it was allowed. */
static void
an_open_link_is_not_heard_after_its_key_was_revoked(void **state)
{
    cluster *c = new_ready(state);
    raw_peer peer;
    raw_message message;
    const kofn_msg_check body = {.service = ""};
    open_with_key(c, &peer, "keys/bob.key", NULL, cluster_get_clients_endpoint(c), true);
    kofn_msg_call call = {.call = 1};
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&peer, 1, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);

    remove_key(c, "keys/bob.key");
    const double limit = now_s() + REVOKED_WITHIN_S;
    await_log(c, "keys_read: who may connect count=5");
    assert_true(now_s() < limit);
    call.call = 2;
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&peer, 0, KOFN_UNAUTHENTICATED, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);
    raw_close(&peer);
}

static void
a_worker_that_is_revoked_loses_its_tasks_to_others(void **state)
{
    cluster *c = new_secured(state);
    cluster_start_master(c);
    start_worker(c, 0, "inject:\n  freeze_after: 0\n  sleep: 1h\n");
    use_keys(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1);
    const double one[4] = {1, 2, 3, 4};
    const kofn_matrix a = test_view(one, 2, 2);
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_error error;
    assert_ok(kofn_client_submit(cluster_get_client(c), &a, &a, NULL, job, &error));
    cluster_await_running(c, 0, 1);
    start_worker(c, 1, "");
    cluster_await_workers(c, 2);
    remove_key(c, "keys/w0.key");
    kofn_result *result = NULL;
    assert_ok(kofn_client_wait(cluster_get_client(c), job, NULL, &result, &error));
    kofn_result_destroy(&result);
    cluster_await_workers(c, 1);
    assert_non_null(
        strstr(cluster_get_master_log(c), "worker_lost: its key was revoked worker=w0"));
}

static void
a_key_may_be_added_while_the_master_runs(void **state)
{
    cluster *c = new_ready(state);
    make_key(c, "keys", "carol", "client");
    await_status(c, "keys/carol.key", KOFN_OK);
}

static void
a_broken_certificate_harms_no_other(void **state)
{
    cluster *c = new_ready(state);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys/broken.key", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("curve\n    public-key = \"short\"\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    await_log(c, "certificate_ignored");
    assert_int_equal(call_as(c, "keys/alice.key", "keys/master.key"), KOFN_OK);
}

static void
a_folder_that_is_gone_allows_nobody(void **state)
{
    cluster *c = new_ready(state);
    char from[CLUSTER_PATH_MAX], to[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys", from);
    cluster_get_path(c, "moved", to);
    assert_int_equal(rename(from, to), 0);
    const double limit = now_s() + REVOKED_WITHIN_S;
    kofn_status status;
    while ((status = call_as(c, "moved/alice.key", "moved/master.key")) == KOFN_OK &&
           now_s() < limit)
        wait_a_moment();
    assert_int_equal(status, KOFN_UNAUTHENTICATED);
}

/* ---- whose it is --------------------------------------------------------------------------------- */

static kofn_client *
open_as(cluster *c, const char *own)
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

static const double four[4] = {1, 2, 3, 4};

static void
submit(kofn_client *client, const char *key, char ret_job[KOFN_CLIENT_JOB_MAX])
{
    const kofn_matrix a = test_view(four, 2, 2);
    const kofn_product_options options = {.key = key};
    kofn_error error;
    assert_ok(kofn_client_submit(client, &a, &a, &options, ret_job, &error));
}

static size_t
count_jobs(kofn_client *client)
{
    kofn_account *jobs = NULL;
    size_t count = 0;
    kofn_error error;
    assert_ok(kofn_client_list_jobs(client, 100, &jobs, &count, &error));
    free(jobs);
    return count;
}

static void
a_job_is_its_clients_alone_and_an_admins(void **state)
{
    cluster *c = new_ready(state);
    kofn_client *alice = open_as(c, "keys/alice.key"), *bob = open_as(c, "keys/bob.key");
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_account account;
    kofn_result *result = NULL;
    kofn_error error;
    submit(alice, NULL, job);
    assert_fails(kofn_client_wait(bob, job, NULL, &result, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_client_get_job(bob, job, &account, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_client_cancel(bob, job, &account, &error), KOFN_NOT_FOUND);
    assert_int_equal(count_jobs(bob), 0);
    assert_int_equal(count_jobs(alice), 1);
    assert_int_equal(count_jobs(cluster_get_client(c)), 1);
    assert_ok(kofn_client_get_job(cluster_get_client(c), job, &account, &error));
    assert_ok(kofn_client_wait(alice, job, NULL, &result, &error));
    kofn_result_destroy(&result);
    kofn_client_close(&alice);
    kofn_client_close(&bob);
}

/* From another connection of the same key as well. */
static void
a_retried_submit_is_the_same_job_for_its_own_key_only(void **state)
{
    cluster *c = new_ready(state);
    char of_alice[KOFN_CLIENT_JOB_MAX], again[KOFN_CLIENT_JOB_MAX], of_bob[KOFN_CLIENT_JOB_MAX];
    kofn_client *alice = open_as(c, "keys/alice.key"), *bob = open_as(c, "keys/bob.key");
    submit(alice, "the same", of_alice);
    kofn_client_close(&alice);
    alice = open_as(c, "keys/alice.key");
    submit(alice, "the same", again);
    submit(bob, "the same", of_bob);
    assert_string_equal(of_alice, again);
    assert_string_not_equal(of_alice, of_bob);
    kofn_client_close(&alice);
    kofn_client_close(&bob);
}

static void
a_stored_operand_is_its_clients_alone(void **state)
{
    cluster *c = new_ready(state);
    kofn_client *alice = open_as(c, "keys/alice.key"), *bob = open_as(c, "keys/bob.key");
    const kofn_matrix a = test_view(four, 2, 2);
    char operand[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    kofn_error error;
    assert_ok(kofn_client_put(alice, &a, NULL, operand, &error));
    const kofn_matrix stored = {.operand = operand};
    assert_fails(kofn_client_multiply(bob, &stored, &a, NULL, &result, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_client_drop(bob, operand, &error), KOFN_NOT_FOUND);
    assert_ok(kofn_client_multiply(alice, &stored, &a, NULL, &result, &error));
    kofn_result_destroy(&result);
    assert_ok(kofn_client_drop(cluster_get_client(c), operand, &error)); // boss
    kofn_client_close(&alice);
    kofn_client_close(&bob);
}

/* ---- starting ------------------------------------------------------------------------------------ */

static void
assert_start_fails(void **state, const char *yaml, const char *words)
{
    cluster *c = cluster_new(state, yaml);
    cluster_start_master(c);
    assert_int_not_equal(cluster_await_master_end(c), 0);
    if (!strstr(cluster_get_master_log(c), words))
        fail_msg("'%s' is not in: %s", words, cluster_get_master_log(c));
}

static void
a_master_does_not_start_without_its_certificate(void **state)
{
    assert_start_fails(state, SECURED, "keys/master.key: No such file");
}

static void
a_master_does_not_start_with_half_of_its_keys(void **state)
{
    assert_start_fails(state, "keys:\n  own: keys/master.key\n", "keys.allowed is missing");
}

static void
a_master_does_not_start_with_a_public_certificate(void **state)
{
    cluster *c = new_secured(state);
    remove_key(c, "keys/master.key_secret");
    cluster_start_master(c);
    assert_int_equal(cluster_await_master_end(c), 1);
    assert_non_null(strstr(cluster_get_master_log(c), "has no secret key"));
}

static void
a_master_does_not_start_beyond_loopback_without_keys(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    cluster_run_program(c, &run, KOFN_MASTER_PROGRAM, "--workers", "tcp://*:*", "--clients",
                        "tcp://127.0.0.1:*", NULL);
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "kofn keygen master --role master -o keys"));
    assert_non_null(strstr(run.err, "kofn-master --set keys.own=keys/master.key"));
    cluster_run_program(c, &run, KOFN_MASTER_PROGRAM, "--workers", "tcp://*:*", "--set",
                        "insecure=true", "--check-config", NULL);
    assert_int_equal(run.status, 0);
}

static void
keygen_writes_over_nothing(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    make_key(c, "keys", "alice", "client");
    cluster_run(c, &run, "keygen", "alice", "--role", "client", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "keygen", "../alice", "--role", "client", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "keygen", "alice", "--role", "king", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
}

#define LIVE(name_) cmocka_unit_test_setup_teardown(name_, setup, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(those_with_keys_may),
        LIVE(the_command_takes_keys_from_its_line),
        LIVE(a_key_that_is_not_listed_is_refused),
        LIVE(a_client_without_a_key_gets_no_answer),
        LIVE(a_master_with_another_key_gets_no_call),
        LIVE(a_workers_key_is_refused_among_clients),
        LIVE(a_client_with_a_masters_key_does_not_start),
        LIVE(a_clients_key_for_a_masters_is_found_out_before_connecting),
        LIVE(a_client_with_half_of_its_keys_does_not_start),
        LIVE(a_clients_key_is_refused_among_workers),
        LIVE(an_admins_key_is_refused_among_workers),
        LIVE(a_worker_that_is_not_listed_is_refused),
        LIVE(a_worker_without_a_key_does_not_join),
        LIVE(a_worker_with_a_clients_key_does_not_start),
        LIVE(a_routing_id_that_is_taken_gives_nothing),
        LIVE(a_client_that_is_revoked_is_refused_within_five_seconds),
        LIVE(an_open_link_is_not_heard_after_its_key_was_revoked),
        LIVE(a_worker_that_is_revoked_loses_its_tasks_to_others),
        LIVE(a_key_may_be_added_while_the_master_runs),
        LIVE(a_broken_certificate_harms_no_other),
        LIVE(a_folder_that_is_gone_allows_nobody),
        LIVE(a_job_is_its_clients_alone_and_an_admins),
        LIVE(a_retried_submit_is_the_same_job_for_its_own_key_only),
        LIVE(a_stored_operand_is_its_clients_alone),
        LIVE(a_master_does_not_start_without_its_certificate),
        LIVE(a_master_does_not_start_with_half_of_its_keys),
        LIVE(a_master_does_not_start_with_a_public_certificate),
        LIVE(a_master_does_not_start_beyond_loopback_without_keys),
        LIVE(keygen_writes_over_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
