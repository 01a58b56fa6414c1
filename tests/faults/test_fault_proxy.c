/* Networks that misbehave, between real daemons: a proxy on the way of some workers, of all, or of a
 * client. A job ends right or with a clear status, within a stated time, and once the network is
 * well again everybody is back.
 */
#include "tests/faults/proxy.h"
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

enum {
    WORKERS = 4,
    BAD = 2,         // of them behind the proxy, where only some are
    BRIEF_MS = 6000, // deadline of a job that may fail, shortened and in full
    FULL_MS = 20000,
    AMPLE_MS = 60000, // of one that may not
    SLACK_S = 25,     // beyond a call's deadline: a master under load, and the last reconnection
    FLIP_EVERY = 1500000,
};

typedef struct stage {
    cluster *c;
    fault_proxy *to_workers, *to_clients;
    kofn_client *client; // through the proxy
    char endpoint[64], keys[512];
} stage;

/* ---- the stage -------------------------------------------------------------------------------- */

static int
port_of(const char *endpoint)
{
    return (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
}

static void
make_key(const cluster *c, const char *name, const char *role)
{
    outcome run;
    cluster_run((cluster *)c, &run, "keygen", name, "--role", role, "-o", "keys", NULL);
    assert_int_equal(run.status, 0);
}

/* Keys for all, and a boss whom the cluster's own client is. */
static void
use_keys(stage *s)
{
    char path[CLUSTER_PATH_MAX];
    make_key(s->c, "master", "master");
    make_key(s->c, "w0", "worker");
    make_key(s->c, "boss", "admin");
    cluster_get_path(s->c, "keys/boss.key", path);
    assert_int_equal(setenv("KOFN_KEY", path, 1), 0);
    cluster_get_path(s->c, "keys/master.key", path);
    assert_int_equal(setenv("KOFN_SERVER_KEY", path, 1), 0);
    (void)snprintf(s->keys, sizeof s->keys,
                   "keys:\n  own: keys/w0.key\n  master: keys/master.key\n");
}

static stage *
stage_new(void **state, size_t bad, bool secured)
{
    stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    *state = s;
    void *c = NULL;
    s->c = cluster_new(&c, secured ? "keys:\n  own: keys/master.key\n  allowed: keys\n" : "");
    if (secured)
        use_keys(s);
    cluster_start_master(s->c);
    int port;
    s->to_workers = fault_proxy_new(port_of(cluster_get_workers_endpoint(s->c)), &port);
    (void)snprintf(s->endpoint, sizeof s->endpoint, "tcp://127.0.0.1:%d", port);
    cluster_set_route(s->c, s->endpoint);
    for (size_t i = 0; i < WORKERS; i++) {
        if (i == bad)
            cluster_set_route(s->c, NULL);
        cluster_start_worker(s->c, i, s->keys);
    }
    s->to_clients = fault_proxy_new(port_of(cluster_get_clients_endpoint(s->c)), &port);
    (void)snprintf(s->endpoint, sizeof s->endpoint, "tcp://127.0.0.1:%d", port);
    const kofn_client_options options = {
        .endpoint = s->endpoint, .patience_ms = 3000, .retries = 4, .backoff_max_ms = 1000};
    kofn_error error;
    assert_ok(kofn_client_open(&options, &s->client, &error));
    cluster_await_workers(s->c, WORKERS);
    return s;
}

static int
stage_teardown(void **state)
{
    stage *s = *state;
    if (!s)
        return 0;
    kofn_client_close(&s->client);
    fault_proxy_destroy(&s->to_workers);
    fault_proxy_destroy(&s->to_clients);
    void *c = s->c;
    const int failure = c ? cluster_teardown(&c) : 0;
    free(s);
    *state = NULL;
    return failure | unsetenv("KOFN_KEY") | unsetenv("KOFN_SERVER_KEY");
}

/* ---- one product ------------------------------------------------------------------------------ */

/* Any 4 of 8 tasks, whose blocks have a megabyte each. A product is right, whatever happens; what
 * else comes has a status that means something, in time. */
static kofn_status
multiply(kofn_client *client, uint64_t seed, int64_t timeout_ms)
{
    enum { SIZE = 512 };
    kofn_error error;
    kofn_result *result = NULL;
    double *a = test_matrix(SIZE, SIZE, 2 * seed), *b = test_matrix(SIZE, SIZE, 2 * seed + 1);
    const kofn_matrix a_view = test_view(a, SIZE, SIZE), b_view = test_view(b, SIZE, SIZE);
    kofn_product_options options = {.timeout_ms = timeout_ms, .code = {.tasks = 8}};
    assert_ok(kofn_code_choice_set(&options.code, "family", "polynomial", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,1,2", &error));
    const double start_s = fault_now_s();
    const kofn_status status =
        kofn_client_multiply(client, &a_view, &b_view, &options, &result, &error);
    assert_at_most(fault_now_s() - start_s, (double)timeout_ms * 1e-3 + SLACK_S);
    if (status == KOFN_OK) {
        kofn_matrix product;
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_product(a, b, &product, SIZE, kofn_result_get_account(result)->amplification);
    } else {
        print_message("status %d: %s\n", (int)status, error.text);
        assert_true(error.text[0] != '\0');
        assert_true(status == KOFN_UNAVAILABLE || status == KOFN_DEADLINE_EXCEEDED ||
                    status == KOFN_FAILED_PRECONDITION || status == KOFN_DATA_LOSS ||
                    status == KOFN_ABORTED || status == KOFN_CANCELLED);
    }
    kofn_result_destroy(&result);
    free(a);
    free(b);
    return status;
}

/* ---- faults ----------------------------------------------------------------------------------- */

typedef struct fault {
    const char *name;
    fault_settings up, down;
} fault;

static const fault faults[] = {
    {"delayed by 300 ms", {.delay_ms = 300}, {.delay_ms = 300}},
    {"throttled to 300 kB/s", {.rate = 300000}, {.rate = 300000}},
    {"stopped", {.stop = 1}, {.stop = 1}},
    {"half open: nothing comes up", {.stop = 1}, {0}},
    {"half open: nothing goes down", {0}, {.stop = 1}},
    {"bytes vanish on the way up", {.lose = 1}, {0}},
    {"bytes vanish on the way down", {0}, {.lose = 1}},
    {"cut in mid-frame on the way up", {.cut_after = 200000}, {0}},
    {"cut in mid-frame on the way down", {0}, {.cut_after = 700000}},
    {"bits flip on the way up", {.flip_every = FLIP_EVERY / 10}, {0}},
    {"bits flip on the way down", {0}, {.flip_every = FLIP_EVERY / 10}},
};

static void
set(fault_settings *to, const fault_settings *from)
{
    to->delay_ms = from->delay_ms;
    to->rate = from->rate;
    to->lose = from->lose;
    to->stop = from->stop;
    to->cut_after = from->cut_after;
    to->flip_every = from->flip_every;
}

static void
break_network(fault_proxy *proxy, const fault *f)
{
    print_message("%s\n", f->name);
    set(fault_proxy_get(proxy, FAULT_UP), &f->up);
    set(fault_proxy_get(proxy, FAULT_DOWN), &f->down);
}

/* Those beyond it are lost or slow, and the others suffice. */
static void
jobs_survive(stage *s)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        break_network(s->to_workers, &faults[i]);
        for (uint64_t job = 0; job < 2; job++)
            assert_int_equal(multiply(cluster_get_client(s->c), i * 16 + job, AMPLE_MS), KOFN_OK);
        fault_proxy_heal(s->to_workers);
        cluster_await_workers(s->c, WORKERS);
    }
}

static void
jobs_survive_any_fault_of_some_links(void **state)
{
    jobs_survive(stage_new(state, BAD, false));
}

static void
jobs_survive_any_fault_of_some_encrypted_links(void **state)
{
    jobs_survive(stage_new(state, BAD, true));
}

/* Without exception, so a job may fail: but not wrongly, and not for long. */
static void
faults_of_all_links_end_in_a_right_product_or_a_status(void **state)
{
    stage *s = stage_new(state, WORKERS, false);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        break_network(s->to_workers, &faults[i]);
        (void)multiply(cluster_get_client(s->c), i, fault_amount(BRIEF_MS, FULL_MS));
        fault_proxy_heal(s->to_workers);
        cluster_await_workers(s->c, WORKERS);
        assert_int_equal(multiply(cluster_get_client(s->c), i, AMPLE_MS), KOFN_OK);
    }
}

static void
faults_of_a_clients_link_end_in_a_right_product_or_a_status(void **state)
{
    stage *s = stage_new(state, 0, false);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        break_network(s->to_clients, &faults[i]);
        (void)multiply(s->client, i, fault_amount(BRIEF_MS, FULL_MS));
        fault_proxy_heal(s->to_clients);
        /* A handshake that began in the fault is given up after ten seconds, which is more than
         * this client's patience: it says so, and the next call may find the connection. */
        const double limit = fault_now_s() + PATIENCE_S;
        while (multiply(s->client, i, AMPLE_MS) != KOFN_OK)
            assert_true(fault_now_s() < limit);
    }
}

/* A link that flips a bit now and then: nothing but a checksum tells a flipped element from another. */
static void
no_flipped_bit_gets_into_a_product(void **state)
{
    stage *s = stage_new(state, WORKERS, false);
    const size_t jobs = fault_amount(10, 200);
    size_t done = 0;
    fault_proxy_get(s->to_workers, FAULT_UP)->flip_every = FLIP_EVERY;
    fault_proxy_get(s->to_workers, FAULT_DOWN)->flip_every = 4 * FLIP_EVERY;
    fault_proxy_get(s->to_clients, FAULT_UP)->flip_every = 4 * FLIP_EVERY;
    fault_proxy_get(s->to_clients, FAULT_DOWN)->flip_every = 4 * FLIP_EVERY;
    for (size_t job = 0; job < jobs; job++)
        done += multiply(s->client, job, FULL_MS) == KOFN_OK;
    const int64_t flips =
        fault_proxy_count_flips(s->to_workers) + fault_proxy_count_flips(s->to_clients);
    print_message("%zu of %zu jobs done, %d bits flipped\n", done, jobs, (int)flips);
    assert_true(flips > 0);
    assert_true(done > 0);
    fault_proxy_heal(s->to_workers);
    fault_proxy_heal(s->to_clients);
    cluster_await_workers(s->c, WORKERS);
}

int
main(void)
{
#define LIVE(name) cmocka_unit_test_teardown(name, stage_teardown)
    const struct CMUnitTest tests[] = {
        LIVE(jobs_survive_any_fault_of_some_links),
        LIVE(jobs_survive_any_fault_of_some_encrypted_links),
        LIVE(faults_of_all_links_end_in_a_right_product_or_a_status),
        LIVE(faults_of_a_clients_link_end_in_a_right_product_or_a_status),
        LIVE(no_flipped_bit_gets_into_a_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
