/* Keys: who may, what becomes of that while the daemons run, and what they start with. What keys
 * deny is in test_live_denied.c. */
#include "tests/integration/keyring.h"

#include "tests/assert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- who may --------------------------------------------------------------------------------- */

static void
those_with_keys_may(void **state)
{
    cluster *c = keyring_new_ready(state);
    const product_wish wish = {.rows = 60, .inner = 50, .cols = 40};
    (void)cluster_multiply(c, &wish);
    assert_int_equal(keyring_call(c, "keys/alice.key", "keys/master.key", NULL), KOFN_OK);
    assert_int_equal(keyring_call(c, "keys/boss.key", "keys/master.key", NULL), KOFN_OK);
}

/* --key is of the product: another thing than --identity. */
static void
the_command_takes_keys_from_its_line(void **state)
{
    static const char digits[] = KOFN_SOURCE_DIR "/tests/data/digits.npy";
    cluster *c = keyring_new_ready(state);
    outcome run;
    (void)keyring_setup(state);
    cluster_run(c, &run, "multiply", digits, digits, "--transpose-b", "-o", "gram.npy", "--key",
                "mine", "--identity", "keys/alice.key", "--server-key", "keys/master.key", NULL);
    assert_int_equal(run.status, 0);
    cluster_run(c, &run, "jobs", "--identity", "out/mallory.key", "--server-key", "keys/master.key",
                NULL);
    assert_int_equal(run.status, 6);
}

static void
a_client_with_a_masters_key_does_not_start(void **state)
{
    cluster *c = keyring_new_ready(state);
    assert_int_equal(keyring_call(c, "keys/master.key", "keys/master.key", NULL),
                     KOFN_INVALID_ARGUMENT);
}

static void
a_clients_key_for_a_masters_is_found_out_before_connecting(void **state)
{
    cluster *c = keyring_new_ready(state);
    assert_int_equal(keyring_call(c, "keys/alice.key", "keys/bob.key", NULL),
                     KOFN_INVALID_ARGUMENT);
}

static void
a_client_with_half_of_its_keys_does_not_start(void **state)
{
    cluster *c = keyring_new_ready(state);
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c), .key = "a"};
    kofn_client *client = NULL;
    kofn_error error;
    (void)keyring_setup(state);
    assert_fails(kofn_client_open(&options, &client, &error), KOFN_INVALID_ARGUMENT);
}

static void
a_worker_with_a_clients_key_does_not_start(void **state)
{
    cluster *c = keyring_new_ready(state);
    cluster_start_worker(c, 5, "keys:\n  own: keys/alice.key\n  master: keys/master.key\n");
    assert_int_equal(cluster_await_worker_end(c, 5), 1);
}

/* ---- while they run -------------------------------------------------------------------------- */

static void
a_worker_that_is_revoked_loses_its_tasks_to_others(void **state)
{
    cluster *c = keyring_new(state);
    cluster_start_master(c);
    keyring_start_worker(c, 0, "inject:\n  freeze_after: 0\n  sleep: 1h\n");
    keyring_use(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1);
    const double one[4] = {1, 2, 3, 4};
    const kofn_matrix a = test_view(one, 2, 2);
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_error error;
    assert_ok(kofn_client_submit(cluster_get_client(c), &a, &a, NULL, job, &error));
    cluster_await_running(c, 0, 1);
    keyring_start_worker(c, 1, "");
    cluster_await_workers(c, 2);
    keyring_remove(c, "keys/w0.key");
    kofn_result *result = keyring_await_product(cluster_get_client(c), job,
                                                "a revoked worker's task goes to another");
    kofn_result_destroy(&result);
    cluster_await_workers(c, 1);
    assert_non_null(
        strstr(cluster_get_master_log(c), "worker_lost: its key was revoked worker=w0"));
}

static void
a_key_may_be_added_while_the_master_runs(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_make(c, "keys", "carol", "client");
    keyring_await_status(c, "keys/carol.key", KOFN_OK);
}

static void
a_broken_certificate_harms_no_other(void **state)
{
    cluster *c = keyring_new_ready(state);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys/broken.key", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("curve\n    public-key = \"short\"\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    keyring_await_master_log(c, "certificate_ignored");
    assert_int_equal(keyring_call(c, "keys/alice.key", "keys/master.key", NULL), KOFN_OK);
}

static void
a_folder_that_is_gone_allows_nobody(void **state)
{
    cluster *c = keyring_new_ready(state);
    char from[CLUSTER_PATH_MAX], to[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys", from);
    cluster_get_path(c, "moved", to);
    assert_int_equal(rename(from, to), 0);
    const double limit = keyring_now_s() + REVOKED_WITHIN_S;
    kofn_status status;
    while ((status = keyring_call(c, "moved/alice.key", "moved/master.key", NULL)) == KOFN_OK &&
           keyring_now_s() < limit)
        keyring_wait_a_moment();
    assert_int_equal(status, KOFN_UNAUTHENTICATED);
}

static void
a_worker_that_was_refused_joins_when_it_is_listed(void **state)
{
    cluster *c = keyring_new_ready(state);
    cluster_start_worker(c, 9, "keys:\n  own: out/w9.key\n  master: keys/master.key\n");
    keyring_await_log(c, "w9.log", "refused: the master at ");
    keyring_copy(c, "out/w9.key", "keys/w9.key");
    cluster_await_workers(c, 2);
}

/* ZMTP ends such a connection for good: the worker must make another. */
static void
a_worker_whose_master_had_no_keys_yet_joins_when_it_has(void **state)
{
    cluster *c = keyring_new(state);
    char master[CLUSTER_PATH_MAX], config[CLUSTER_PATH_MAX], without[CLUSTER_PATH_MAX];
    cluster_get_path(c, "master.yaml", config);
    cluster_get_path(c, "with.yaml", master);
    cluster_get_path(c, "without.yaml", without);
    keyring_copy(c, "master.yaml", "with.yaml");
    keyring_edit(c, "master.yaml", KEYRING_MASTER, "");
    cluster_start_master(c);
    keyring_start_worker(c, 0, "");
    keyring_await_log(c, "w0.log", "refused: ");
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
    assert_int_equal(rename(master, config), 0);
    cluster_start_master(c);
    keyring_use(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1);
}

/* ---- SIGHUP ---------------------------------------------------------------------------------- */

static void
a_master_reads_every_certificate_after_sighup(void **state)
{
    cluster *c = keyring_new_ready(state);
    cluster_signal_master(c, SIGHUP);
    keyring_await_master_log(c, "taken=log.level,certificates");
    cluster_await_workers(c, 1);
    assert_int_equal(keyring_call(c, "keys/alice.key", "keys/master.key", NULL), KOFN_OK);
}

/* Its sockets are bound with the key that it began with, and go on with that. */
static void
a_masters_new_key_waits_for_its_next_start(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_copy(c, "keys/master.key", "old.key");
    outcome run;
    cluster_run(c, &run, "keygen", "master", "--role", "master", "-o", "keys", "--force", NULL);
    assert_int_equal(run.status, 0);
    cluster_signal_master(c, SIGHUP);
    keyring_await_master_log(c, "own_key_waits");
    assert_int_equal(keyring_call(c, "keys/alice.key", "old.key", NULL), KOFN_OK);
}

static void
a_worker_connects_with_its_new_key_after_sighup(void **state)
{
    cluster *c = keyring_new_ready(state);
    outcome run;
    cluster_run(c, &run, "keygen", "w0", "--role", "worker", "-o", "keys", "--force", NULL);
    assert_int_equal(run.status, 0);
    keyring_await_master_log(c, "worker_lost: its key was revoked worker=w0");
    keyring_await_log(c, "w0.log", "this key may not work here");
    cluster_signal_worker(c, 0, SIGHUP);
    keyring_await_log(c, "w0.log", "keys_changed");
    cluster_await_workers(c, 1);
}

static void
a_worker_hands_its_tasks_back_before_it_connects_with_another_key(void **state)
{
    cluster *c = keyring_new(state);
    cluster_start_master(c);
    keyring_start_worker(c, 0, "inject:\n  sleep: 1h\n");
    keyring_use(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1);
    char job[KOFN_CLIENT_JOB_MAX];
    keyring_submit(cluster_get_client(c), NULL, job);
    cluster_await_running(c, 0, 1);
    keyring_start_worker(c, 1, "");
    cluster_await_workers(c, 2);
    keyring_make(c, "new", "w0", "worker");
    keyring_copy(c, "new/w0.key", "keys/w00.key"); // both are good for a while
    keyring_copy(c, "new/w0.key_secret", "keys/w0.key_secret");
    keyring_await_master_log(c, "keys_read: who may connect count=7");
    cluster_signal_worker(c, 0, SIGHUP);
    kofn_result *result = keyring_await_product(cluster_get_client(c), job,
                                                "a worker with new keys hands its task back");
    kofn_result_destroy(&result);
    keyring_await_master_log(c, "worker_leaves: its keys changed worker=w0");
    keyring_await_master_log(c, "it stopped and handed its tasks back worker=w0"); // not: was gone
    cluster_await_workers(c, 2);
}

static void
a_worker_whose_files_became_useless_goes_on_after_sighup(void **state)
{
    cluster *c = keyring_new_ready(state);
    const product_wish wish = {.rows = 60, .inner = 50, .cols = 40};
    keyring_remove(c, "keys/w0.key_secret");
    cluster_signal_worker(c, 0, SIGHUP);
    keyring_await_log(c, "w0.log", "reload_failed");
    (void)cluster_multiply(c, &wish);
}

/* ---- starting -------------------------------------------------------------------------------- */

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
    assert_start_fails(state, KEYRING_MASTER, "keys/master.key: No such file");
}

static void
a_master_does_not_start_with_half_of_its_keys(void **state)
{
    assert_start_fails(state, "keys:\n  own: keys/master.key\n", "keys.allowed is missing");
}

static void
a_master_does_not_start_with_a_public_certificate(void **state)
{
    cluster *c = keyring_new(state);
    keyring_remove(c, "keys/master.key_secret");
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
a_master_does_not_start_with_a_secret_that_others_may_read(void **state)
{
    cluster *c = keyring_new(state);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "keys/master.key_secret", path);
    assert_int_equal(chmod(path, 0644), 0);
    cluster_start_master(c);
    assert_int_equal(cluster_await_master_end(c), 1);
    assert_non_null(strstr(cluster_get_master_log(c), "others may read or write this secret key"));
}

/* As LoadCredential= of the units has it: one file each, of both keys, in a folder of systemd's. */
static void
daemons_start_with_credentials_of_their_service(void **state)
{
    cluster *c = keyring_new(state);
    char folder[CLUSTER_PATH_MAX], path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "credentials", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    static const char *const files[][2] = {
        {"keys/master.key_secret", "credentials/kofn-master.key"},
        {"keys/w0.key_secret", "credentials/kofn-worker.key"},
    };
    for (size_t i = 0; i < 2; i++) {
        keyring_copy(c, files[i][0], files[i][1]);
        keyring_remove(c, files[i][0]);
        cluster_get_path(c, files[i][1], path);
        assert_int_equal(chmod(path, 0400), 0);
    }
    keyring_edit(c, "master.yaml", "keys/master.key", "$CREDENTIALS_DIRECTORY/kofn-master.key");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    cluster_start_master(c);
    cluster_start_worker(
        c, 0, "keys:\n  own: $CREDENTIALS_DIRECTORY/kofn-worker.key\n  master: keys/master.key\n");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    keyring_use(c, "keys/boss.key", "keys/master.key");
    cluster_await_workers(c, 1);
}

static void
keygen_writes_over_nothing_unless_it_is_forced(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    keyring_make(c, "keys", "alice", "client");
    cluster_run(c, &run, "keygen", "alice", "--role", "client", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "keygen", "alice", "--role", "admin", "-o", "keys", "--force", NULL);
    assert_int_equal(run.status, 0);
    cluster_run(c, &run, "keygen", "../alice", "--role", "client", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "keygen", "alice", "--role", "king", "-o", "keys", NULL);
    assert_int_equal(run.status, 2);
}

#define LIVE(name_) cmocka_unit_test_setup_teardown(name_, keyring_setup, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(those_with_keys_may),
        LIVE(the_command_takes_keys_from_its_line),
        LIVE(a_client_with_a_masters_key_does_not_start),
        LIVE(a_clients_key_for_a_masters_is_found_out_before_connecting),
        LIVE(a_client_with_half_of_its_keys_does_not_start),
        LIVE(a_worker_with_a_clients_key_does_not_start),
        LIVE(a_worker_that_is_revoked_loses_its_tasks_to_others),
        LIVE(a_key_may_be_added_while_the_master_runs),
        LIVE(a_broken_certificate_harms_no_other),
        LIVE(a_folder_that_is_gone_allows_nobody),
        LIVE(a_worker_that_was_refused_joins_when_it_is_listed),
        LIVE(a_worker_whose_master_had_no_keys_yet_joins_when_it_has),
        LIVE(a_master_reads_every_certificate_after_sighup),
        LIVE(a_masters_new_key_waits_for_its_next_start),
        LIVE(a_worker_connects_with_its_new_key_after_sighup),
        LIVE(a_worker_hands_its_tasks_back_before_it_connects_with_another_key),
        LIVE(a_worker_whose_files_became_useless_goes_on_after_sighup),
        LIVE(a_master_does_not_start_without_its_certificate),
        LIVE(a_master_does_not_start_with_half_of_its_keys),
        LIVE(a_master_does_not_start_with_a_public_certificate),
        LIVE(a_master_does_not_start_beyond_loopback_without_keys),
        LIVE(a_master_does_not_start_with_a_secret_that_others_may_read),
        LIVE(daemons_start_with_credentials_of_their_service),
        LIVE(keygen_writes_over_nothing_unless_it_is_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
