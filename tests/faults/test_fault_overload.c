/* Ten times the load that the workers can serve: what there is no room for is refused, with a hint
 * when to come again; what is accepted is served at the full rate; and memory stays within its
 * limit.
 *
 * Workers wait a fixed time for each task, so the capacity is known: WORKERS / SLEEP. Callers do
 * not try again, and each offers its next product when its time has come, whatever became of the
 * last, unless OUT_MAX are out. Once with products that are waited for; once with jobs that are
 * submitted to a store, each of which must be done, and right, if it was accepted.
 */
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WORKERS = 2,
    SLEEP_MS = 10,
    CAPACITY = WORKERS * 1000 / SLEEP_MS, // jobs a second
    CALLERS = 4,
    N = 64,
    LIMIT_MIB = 32,
    TIMES = 10,
    /* Offers of a caller that are out: more than its share of what the limit has room for (some
     * 40), so that there are refusals. Without an end to them those that a master short of the
     * processor has not read yet pile up in its socket, which no limit counts. */
    OUT_MAX = 72,
};

typedef char job_name[KOFN_CLIENT_JOB_MAX];

typedef struct caller {
    pthread_t thread;
    const char *endpoint;
    double rate, seconds; // of its offers
    bool submits;
    const double *at, *square; // N x N: what is offered, and its product with itself
    size_t offered, served, refused, wrong, others;
    job_name *jobs; // [accepted]
    size_t accepted, fetched;
    atomic_bool done;
} caller;

static bool
is_right(const caller *self, kofn_result *result)
{
    kofn_matrix c;
    if (kofn_result_get_matrix(result, &c, NULL) || c.rows != N || c.cols != N)
        return false;
    const double *got = c.data;
    double most = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            most = fmax(most, fabs(got[i * c.stride + j] - self->square[i * N + j]));
    return most <= 2 * N * 0x1p-52 * N; // two ways to add N products of at most 1
}

static void
count_ending(caller *self, kofn_status status, kofn_result **result)
{
    const bool is_wrong = status == KOFN_OK && !is_right(self, *result);
    self->served += status == KOFN_OK && !is_wrong;
    self->refused += status == KOFN_RESOURCE_EXHAUSTED;
    self->wrong += is_wrong;
    self->others += status != KOFN_OK && status != KOFN_RESOURCE_EXHAUSTED;
    kofn_result_destroy(result);
}

static void
settle(caller *self, kofn_call **call)
{
    kofn_result *result = NULL;
    const kofn_status status = kofn_call_finish(call, &result, NULL);
    count_ending(self, status, &result);
}

/* Take what has ended, until the next offer is due and may be made. */
static void
settle_until(caller *self, kofn_client *client, double until_s, size_t *open)
{
    for (double left_s; (left_s = until_s - fault_now_s()) > 0 || *open == OUT_MAX;) {
        const int64_t wait_ms = *open == OUT_MAX ? 100 : (int64_t)(left_s * 1e3);
        kofn_call *call = NULL;
        if (*open == 0) {
            fault_pause();
        } else if (kofn_client_next(client, wait_ms, &call, NULL) == KOFN_OK && call) {
            settle(self, &call);
            (*open)--;
        }
    }
}

static double
next_offer_s(const caller *self, double start_s)
{
    return start_s + (double)(self->offered + 1) / self->rate;
}

static void
offer_products(caller *self, kofn_client *client)
{
    const kofn_matrix view = test_view(self->at, N, N);
    const double start_s = fault_now_s();
    size_t open = 0;
    for (; fault_now_s() < start_s + self->seconds; self->offered++) {
        kofn_call *call;
        if (kofn_client_start(client, &view, &view, NULL, &call, NULL) != KOFN_OK)
            abort();
        open++;
        settle_until(self, client, next_offer_s(self, start_s), &open);
    }
    while (open > 0)
        settle_until(self, client, fault_now_s() + 0.1, &open);
}

/* The product of the oldest job that was accepted; 0: as long as it takes. False: there is none, or
 * it is not done. */
static bool
fetch_next(caller *self, kofn_client *client, int64_t timeout_ms)
{
    if (self->fetched == self->accepted)
        return false;
    const kofn_wait_options options = {.timeout_ms = timeout_ms};
    kofn_result *result = NULL;
    const kofn_status status =
        kofn_client_wait(client, self->jobs[self->fetched], &options, &result, NULL);
    if (timeout_ms > 0 && status == KOFN_DEADLINE_EXCEEDED)
        return false;
    self->fetched++;
    count_ending(self, status, &result);
    return true;
}

/* One call at a time: it returns when the job is on disk, or refused. Between them products are
 * fetched, since those that nobody fetches take room as well. */
static void
offer_jobs(caller *self, kofn_client *client)
{
    const kofn_matrix view = test_view(self->at, N, N);
    const double start_s = fault_now_s();
    for (; fault_now_s() < start_s + self->seconds; self->offered++) {
        const kofn_status status =
            kofn_client_submit(client, &view, &view, NULL, self->jobs[self->accepted], NULL);
        self->accepted += status == KOFN_OK;
        self->refused += status == KOFN_RESOURCE_EXHAUSTED;
        self->others += status != KOFN_OK && status != KOFN_RESOURCE_EXHAUSTED;
        for (double left_s; (left_s = next_offer_s(self, start_s) - fault_now_s()) > 0;)
            if (left_s < 1e-3 || !fetch_next(self, client, (int64_t)(left_s * 1e3)))
                fault_pause();
    }
    while (fetch_next(self, client, 0))
        ;
}

static void *
offer(void *arg)
{
    caller *self = arg;
    const kofn_client_options options = {.endpoint = self->endpoint, .retries = -1};
    kofn_client *client = NULL;
    if (kofn_client_open(&options, &client, NULL) != KOFN_OK)
        abort();
    if (self->submits)
        offer_jobs(self, client);
    else
        offer_products(self, client);
    kofn_client_close(&client);
    atomic_store(&self->done, true);
    return NULL;
}

typedef struct tally {
    double offered, served;                // a second
    size_t refused, wrong, others, memory; // memory: the master's most
} tally;

/* What `offered` has, this many times the capacity, for so long. */
static tally
press(cluster *c, const caller *offered, double times, double seconds)
{
    caller callers[CALLERS];
    tally sum = {.offered = 0};
    const double start_s = fault_now_s();
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = *offered;
        callers[i].endpoint = cluster_get_clients_endpoint(c);
        callers[i].rate = times * CAPACITY / CALLERS;
        callers[i].seconds = seconds;
        callers[i].jobs = calloc((size_t)(callers[i].rate * seconds) + 2, sizeof(job_name));
        assert_non_null(callers[i].jobs);
        assert_int_equal(pthread_create(&callers[i].thread, NULL, offer, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        while (!atomic_load(&callers[i].done)) {
            const size_t memory = fault_get_memory(cluster_get_master_pid(c));
            sum.memory = memory > sum.memory ? memory : sum.memory;
            fault_pause();
        }
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        free(callers[i].jobs);
        sum.offered += (double)callers[i].offered / seconds;
        sum.served += (double)callers[i].served;
        sum.refused += callers[i].refused;
        sum.wrong += callers[i].wrong;
        sum.others += callers[i].others;
    }
    sum.served /= fault_now_s() - start_s; // what waited at the end was served later
    return sum;
}

static void
check_overload(void **state, bool submits, const char *master_yaml)
{
    const double seconds = (double)fault_amount(2, 30);
    cluster *c = cluster_new(state, master_yaml);
    double *at = test_matrix(N, N, 1);
    double square[N * N];
    char yaml[64];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, at, N, at, N, 0, square, N);
    (void)snprintf(yaml, sizeof yaml, "credit: 2\ninject:\n  sleep: %dms\n", SLEEP_MS);
    cluster_start_master(c);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_start_worker(c, i, yaml);
    cluster_await_workers(c, WORKERS);
    const size_t idle = fault_get_memory(cluster_get_master_pid(c));
    const caller offered = {.submits = submits, .at = at, .square = square};
    const tally alone = press(c, &offered, 1, seconds);
    const tally pressed = press(c, &offered, TIMES, seconds);
    free(at);
    print_message("overload: %s, capacity %d a second; offered %.0f: served %.0f, refused %zu; "
                  "offered %.0f: served %.0f, refused %zu; memory %.1f MiB idle, %.1f at most, "
                  "limit %d\n",
                  submits ? "jobs in a store" : "products", CAPACITY, alone.offered, alone.served,
                  alone.refused, pressed.offered, pressed.served, pressed.refused,
                  (double)idle / 0x1p20, (double)pressed.memory / 0x1p20, LIMIT_MIB);
    assert_int_equal(alone.others + pressed.others, 0);
    assert_int_equal(alone.wrong + pressed.wrong, 0);
    assert_true(pressed.refused > 0);
    assert_true(pressed.served >= 0.5 * alone.served);
    assert_true(!FAULT_MEMORY_COUNTS ||
                (double)pressed.memory <= (double)idle + 1.1 * LIMIT_MIB * 0x1p20);
}

static void
ten_times_the_load_is_refused_and_the_rest_served(void **state)
{
    check_overload(state, false, "limits:\n  memory: 32MiB\n  coded_cache: 0\n");
}

static void
ten_times_the_load_of_a_store_is_refused_and_all_accepted_served(void **state)
{
    check_overload(state, true, "limits:\n  memory: 32MiB\n  coded_cache: 0\n" CLUSTER_STORE);
}

/* A REQ client that wants more than there is room for beside a job that waits for a worker. */
static void
a_refusal_says_when_to_come_again(void **state)
{
    cluster *c = cluster_new(state, "limits:\n  jobs: 1\n");
    raw_peer peer;
    raw_message message;
    kofn_msg_reply reply;
    double *at = test_matrix(N, N, 1);
    const kofn_matrix view = test_view(at, N, N);
    kofn_error error;
    char job[KOFN_CLIENT_JOB_MAX];
    cluster_start_master(c);
    assert_ok(kofn_client_submit(cluster_get_client(c), &view, &view, NULL, job, &error));
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    uint64_t last_ms = 0;
    for (uint64_t i = 1; i <= 3; i++) {
        const kofn_msg_product product = {.a = {.dtype = "f64", .rows = N, .cols = N},
                                          .b = {.dtype = "f64", .rows = N, .cols = N}};
        raw_call(&peer, &(kofn_msg_call){.call = i}, KOFN_METHOD_MULTIPLY, &product, true);
        raw_send_block(&peer, at, N, N, 0, true);
        raw_send_block(&peer, at, N, N, 0, false);
        raw_expect(&peer, "reply", &reply, &message);
        assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
        assert_true(reply.retry_ms > last_ms); // each has its own turn
        last_ms = reply.retry_ms;
        raw_message_fini(&message);
        kofn_message_clear(&kofn_reply_message, &reply);
    }
    raw_close(&peer);
    free(at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(ten_times_the_load_is_refused_and_the_rest_served,
                                  cluster_teardown),
        cmocka_unit_test_teardown(ten_times_the_load_of_a_store_is_refused_and_all_accepted_served,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_refusal_says_when_to_come_again, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
