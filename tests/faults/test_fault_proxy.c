/* Networks that misbehave, between real daemons: a proxy on the way of some workers, of all, or of
 * a client. A job ends right or with a clear status, within a stated time, and once the network is
 * well again everybody is back.
 */
#include "tests/faults/proxy.h"
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

#include <pthread.h>

enum {
    WORKERS = 4,
    BAD = 2,         // of them behind the proxy, where only some are
    BRIEF_MS = 6000, // deadline of a job that may fail, shortened and in full
    FULL_MS = 20000,
    AMPLE_MS = 60000, // of one that may not
    SLACK_S = 25,     // beyond a call's deadline: a master under load, and the last reconnection
    FLIP_EVERY = 1500000,
};

/* ---- faults ---------------------------------------------------------------------------------- */

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

enum { FAULTS = sizeof faults / sizeof faults[0] };

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

/* ---- the stage ------------------------------------------------------------------------------- */

typedef struct line { // what a fault is for
    fault_proxy *proxy;
    kofn_client *client; // asks for products; where it is `own`, through the proxy
} line;

typedef struct stage {
    struct stage *next; // of the same test
    cluster *c;
    fault_proxy *to_workers;
    line own[FAULTS]; // clients, each behind a proxy
    char endpoint[64], keys[512];
} stage;

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

/* A client with a proxy to itself. */
static void
open_line(stage *s, size_t number)
{
    int port;
    kofn_error error;
    line *l = &s->own[number];
    l->proxy = fault_proxy_new(port_of(cluster_get_clients_endpoint(s->c)), &port);
    (void)snprintf(s->endpoint, sizeof s->endpoint, "tcp://127.0.0.1:%d", port);
    const kofn_client_options options = {
        .endpoint = s->endpoint, .patience_ms = 3000, .retries = 4, .backoff_max_ms = 1000};
    assert_ok(kofn_client_open(&options, &l->client, &error));
}

static stage *
stage_new(void **state, size_t bad, bool secured)
{
    stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->next = *state;
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
    return s;
}

static int
stage_destroy(stage *s)
{
    for (size_t i = 0; i < FAULTS; i++) {
        kofn_client_close(&s->own[i].client);
        fault_proxy_destroy(&s->own[i].proxy);
    }
    fault_proxy_destroy(&s->to_workers);
    void *c = s->c;
    const int failure = c ? cluster_teardown(&c) : 0;
    free(s);
    return failure;
}

static int
stage_teardown(void **state)
{
    int failure = 0;
    for (stage *s = *state, *next; s; s = next) {
        next = s->next;
        failure |= stage_destroy(s);
    }
    *state = NULL;
    return failure | unsetenv("KOFN_KEY") | unsetenv("KOFN_SERVER_KEY");
}

/* ---- products -------------------------------------------------------------------------------- */

enum { SIZE = 512 };

typedef struct product { // of two matrices by their seed, from whom and until when
    kofn_client *client;
    uint64_t seed;
    int64_t timeout_ms;
    double *a, *b;
    kofn_status status;
    kofn_error error;
    kofn_result *result;
    double seconds;
    pthread_t thread;
} product;

/* Any 4 of 8 tasks, whose blocks have a megabyte each. */
static void
plan(product *p, kofn_client *client, uint64_t seed, int64_t timeout_ms)
{
    *p = (product){.client = client,
                   .seed = seed,
                   .timeout_ms = timeout_ms,
                   .a = test_matrix(SIZE, SIZE, 2 * seed),
                   .b = test_matrix(SIZE, SIZE, 2 * seed + 1)};
}

/* In a thread, which fails no assertion. */
static void *
ask(void *context)
{
    product *p = context;
    const kofn_matrix a = test_view(p->a, SIZE, SIZE), b = test_view(p->b, SIZE, SIZE);
    kofn_product_options options = {.timeout_ms = p->timeout_ms, .code = {.tasks = 8}};
    const double start_s = fault_now_s();
    p->status = kofn_code_choice_set(&options.code, "family", "polynomial", &p->error);
    if (p->status == KOFN_OK)
        p->status = kofn_code_choice_set(&options.code, "partition", "2,1,2", &p->error);
    if (p->status == KOFN_OK)
        p->status = kofn_client_multiply(p->client, &a, &b, &options, &p->result, &p->error);
    p->seconds = fault_now_s() - start_s;
    return NULL;
}

/* A product is right, whatever happens; what else comes has a status that means something, in
 * time. */
static kofn_status
judge(product *p)
{
    kofn_error error = p->error;
    assert_at_most(p->seconds, (double)p->timeout_ms * 1e-3 + SLACK_S);
    if (p->status == KOFN_OK) {
        kofn_matrix c;
        assert_ok(kofn_result_get_matrix(p->result, &c, &error));
        assert_product(p->a, p->b, &c, SIZE, kofn_result_get_account(p->result)->amplification);
    } else {
        print_message("status %d: %s\n", (int)p->status, error.text);
        assert_true(error.text[0] != '\0');
        assert_true(p->status == KOFN_UNAVAILABLE || p->status == KOFN_DEADLINE_EXCEEDED ||
                    p->status == KOFN_FAILED_PRECONDITION || p->status == KOFN_DATA_LOSS ||
                    p->status == KOFN_ABORTED || p->status == KOFN_CANCELLED);
    }
    kofn_result_destroy(&p->result);
    free(p->a);
    free(p->b);
    return p->status;
}

static kofn_status
multiply(kofn_client *client, uint64_t seed, int64_t timeout_ms)
{
    product p;
    plan(&p, client, seed, timeout_ms);
    (void)ask(&p);
    return judge(&p);
}

/* A product over each of them at the same time; returns how many there are. */
static size_t
multiply_all(const line *lines, size_t count, int64_t timeout_ms)
{
    product p[FAULTS];
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        plan(&p[i], lines[i].client, i, timeout_ms);
        assert_int_equal(pthread_create(&p[i].thread, NULL, ask, &p[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(p[i].thread, NULL), 0);
    for (size_t i = 0; i < count; i++)
        done += judge(&p[i]) == KOFN_OK;
    return done;
}

/* ---- what a fault does ----------------------------------------------------------------------- */

/* Those beyond it are lost or slow, and the others suffice. */
static void
jobs_survive(stage *s)
{
    cluster_await_workers(s->c, WORKERS);
    for (size_t i = 0; i < FAULTS; i++) {
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

/* Faults that a job cannot survive take until its deadline, and what they leave behind takes until
 * somebody has had enough of it: nothing but waiting. So as many lines as there are faults have one
 * each, at the same time; in full, one line has them one after another. */
static size_t
count_lines(void)
{
    return fault_amount(FAULTS, 1);
}

/* Each line gets its fault, from `first` on, for the time of a job that may fail. */
static void
endure(const line *lines, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++)
        break_network(lines[i].proxy, &faults[first + i]);
    (void)multiply_all(lines, count, (int64_t)fault_amount(BRIEF_MS, FULL_MS));
    for (size_t i = 0; i < count; i++)
        fault_proxy_heal(lines[i].proxy);
}

/* Without exception, so a job may fail: but not wrongly, and not for long. */
static void
faults_of_all_links_end_in_a_right_product_or_a_status(void **state)
{
    const size_t count = count_lines();
    stage *stages[FAULTS];
    line lines[FAULTS];
    for (size_t i = 0; i < count; i++)
        stages[i] = stage_new(state, WORKERS, false);
    for (size_t i = 0; i < count; i++) {
        cluster_await_workers(stages[i]->c, WORKERS);
        lines[i] = (line){stages[i]->to_workers, cluster_get_client(stages[i]->c)};
    }
    for (size_t first = 0; first < FAULTS; first += count) {
        endure(lines, count, first);
        for (size_t i = 0; i < count; i++)
            cluster_await_workers(stages[i]->c, WORKERS);
        assert_int_equal(multiply_all(lines, count, AMPLE_MS), count);
    }
}

static void
faults_of_a_clients_link_end_in_a_right_product_or_a_status(void **state)
{
    const size_t count = count_lines();
    stage *s = stage_new(state, 0, false);
    for (size_t i = 0; i < count; i++)
        open_line(s, i);
    cluster_await_workers(s->c, WORKERS);
    assert_int_equal(multiply_all(s->own, count, AMPLE_MS), count); // over links that are there
    for (size_t first = 0; first < FAULTS; first += count) {
        endure(s->own, count, first);
        /* A handshake that began in the fault is given up after ten seconds, which is more than
         * this client's patience: it says so, and the next call may find the connection. */
        const double limit = fault_now_s() + PATIENCE_S;
        while (multiply_all(s->own, count, AMPLE_MS) < count)
            assert_true(fault_now_s() < limit);
    }
}

/* A link that flips a bit now and then: nothing but a checksum tells a flipped element from
 * another. */
static void
no_flipped_bit_gets_into_a_product(void **state)
{
    stage *s = stage_new(state, WORKERS, false);
    open_line(s, 0);
    cluster_await_workers(s->c, WORKERS);
    const size_t jobs = fault_amount(10, 200);
    size_t done = 0;
    fault_proxy_get(s->to_workers, FAULT_UP)->flip_every = FLIP_EVERY;
    fault_proxy_get(s->to_workers, FAULT_DOWN)->flip_every = 4 * FLIP_EVERY;
    fault_proxy_get(s->own[0].proxy, FAULT_UP)->flip_every = 4 * FLIP_EVERY;
    fault_proxy_get(s->own[0].proxy, FAULT_DOWN)->flip_every = 4 * FLIP_EVERY;
    for (size_t job = 0; job < jobs; job++)
        done += multiply(s->own[0].client, job, FULL_MS) == KOFN_OK;
    const int64_t flips =
        fault_proxy_count_flips(s->to_workers) + fault_proxy_count_flips(s->own[0].proxy);
    print_message("%zu of %zu jobs done, %d bits flipped\n", done, jobs, (int)flips);
    assert_true(flips > 0);
    assert_true(done > 0);
    fault_proxy_heal(s->to_workers);
    fault_proxy_heal(s->own[0].proxy);
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
