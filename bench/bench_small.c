/* Small products, 64 x 64 in f64: jobs a second and latency, one at a time and 32 in flight, beside
 * a bare relay: the same blocks from a client through a ZeroMQ master to a worker and back, with
 * nothing but the product on the way.
 */
#include "bench/must.h"
#include "bench/product.h"
#include "common/linalg/blas.h"

#include <cblas.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { N = 64, IN_FLIGHT = 32, ELEMENTS = N * N };

/* ---- the bare relay -------------------------------------------------------------------------- */

static void
must_zmq(int result)
{
    if (result < 0)
        bench_die("relay: %s", zmq_strerror(errno));
}

static void *
bound_dealer(void *context, char *ret_endpoint)
{
    size_t size = 64;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    must_zmq(socket ? zmq_bind(socket, "tcp://127.0.0.1:*") : -1);
    must_zmq(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size));
    return socket;
}

static void *
connected_dealer(const char *endpoint)
{
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
    must_zmq(socket ? zmq_connect(socket, endpoint) : -1);
    return socket;
}

static void
be_relay_worker(const char *endpoint)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    static double a[ELEMENTS], b[ELEMENTS], c[ELEMENTS];
    void *socket = connected_dealer(endpoint);
    for (;;) {
        must_zmq(zmq_recv(socket, a, sizeof a, 0));
        must_zmq(zmq_recv(socket, b, sizeof b, 0));
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        must_zmq(zmq_send(socket, c, sizeof c, 0));
    }
}

/* Forks the relay (clients on one side, workers on the other) and its workers. */
static void
start_relay(char *ret_endpoint, pid_t *ret_pids, size_t workers)
{
    int ends[2];
    char worker_endpoint[64];
    must_zmq(pipe(ends));
    ret_pids[0] = fork();
    if (ret_pids[0] == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        void *context = zmq_ctx_new();
        char endpoint[2][64] = {0};
        void *clients = bound_dealer(context, endpoint[0]);
        void *servers = bound_dealer(context, endpoint[1]);
        must_zmq((int)write(ends[1], endpoint, sizeof endpoint));
        must_zmq(zmq_proxy(clients, servers, NULL));
        _exit(1);
    }
    char endpoint[2][64];
    if (read(ends[0], endpoint, sizeof endpoint) != sizeof endpoint)
        bench_die("the relay did not start");
    (void)close(ends[0]);
    (void)close(ends[1]);
    memcpy(ret_endpoint, endpoint[0], sizeof endpoint[0]);
    memcpy(worker_endpoint, endpoint[1], sizeof endpoint[1]);
    for (size_t w = 0; w < workers; w++) {
        ret_pids[1 + w] = fork();
        if (ret_pids[1 + w] == 0)
            be_relay_worker(worker_endpoint);
    }
}

static void
relay_send(void *socket, const double *a, const double *b)
{
    must_zmq(zmq_send(socket, a, ELEMENTS * sizeof *a, ZMQ_SNDMORE));
    must_zmq(zmq_send(socket, b, ELEMENTS * sizeof *b, 0));
}

/* Jobs a second with so many in flight. */
static double
relay_rate(void *socket, size_t in_flight, size_t jobs, const double *a, const double *b)
{
    static double c[ELEMENTS];
    const double start = bench_now();
    for (size_t i = 0; i < in_flight; i++)
        relay_send(socket, a, b);
    for (size_t done = 0; done < jobs; done++) {
        must_zmq(zmq_recv(socket, c, sizeof c, 0));
        if (done + in_flight < jobs)
            relay_send(socket, a, b);
    }
    return (double)jobs / (bench_now() - start);
}

/* ---- kofn ------------------------------------------------------------------------------------ */

typedef struct flight {
    kofn_call *call;
    double start;
} flight;

static void
launch(kofn_client *client, flight *f, const kofn_matrix *a, const kofn_matrix *b)
{
    f->start = bench_now();
    must(kofn_client_start(client, a, b, NULL, &f->call, &error));
    kofn_call_set_context(f->call, f);
}

/* Runs `jobs` with so many in flight; latencies into [jobs]. Returns jobs a second. */
static double
kofn_rate(kofn_client *client, size_t in_flight, size_t jobs, const kofn_matrix *a,
          const kofn_matrix *b, double *ret_latency)
{
    flight flights[IN_FLIGHT];
    const double start = bench_now();
    for (size_t i = 0; i < in_flight; i++)
        launch(client, &flights[i], a, b);
    for (size_t done = 0; done < jobs; done++) {
        kofn_call *call = NULL;
        kofn_result *result = NULL;
        while (!call)
            must(kofn_client_next(client, -1, &call, &error));
        flight *f = kofn_call_get_context(call);
        must(kofn_call_finish(&call, &result, &error));
        ret_latency[done] = bench_now() - f->start;
        kofn_result_destroy(&result);
        if (done + in_flight < jobs)
            launch(client, f, a, b);
    }
    return (double)jobs / (bench_now() - start);
}

static void
measure(kofn_client *client, void *relay, size_t in_flight, size_t jobs, size_t rounds,
        const double *a, const double *b)
{
    const kofn_matrix a_view = test_view(a, N, N), b_view = test_view(b, N, N);
    double *latency = bench_alloc(jobs * rounds * sizeof *latency);
    double *ours = bench_alloc(rounds * sizeof *ours), *bare = bench_alloc(rounds * sizeof *bare);
    (void)kofn_rate(client, in_flight, jobs / 4, &a_view, &b_view, latency); // warm
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = kofn_rate(client, in_flight, jobs, &a_view, &b_view, latency + i * jobs);
        bare[i] = relay_rate(relay, in_flight, jobs, a, b);
    }
    char name[64];
    (void)snprintf(name, sizeof name, "small.%zu.rate", in_flight);
    bench_print(name, bench_median(ours, rounds), "jobs/s");
    (void)snprintf(name, sizeof name, "small.%zu.relay", in_flight);
    bench_print(name, bench_median(bare, rounds), "jobs/s");
    (void)snprintf(name, sizeof name, "small.%zu.p50", in_flight);
    bench_print(name, 1e6 * bench_quantile(latency, jobs * rounds, 0.5), "us");
    (void)snprintf(name, sizeof name, "small.%zu.p99", in_flight);
    bench_print(name, 1e6 * bench_quantile(latency, jobs * rounds, 0.99), "us");
    free(latency);
    free(ours);
    free(bare);
}

int
main(int argc, char **argv)
{
    (void)argc;
    kofn_blas_choose_kernel(argv);
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const size_t rounds = bench_setting("KOFN_BENCH_SMALL_ROUNDS", 5);
    char endpoint[64];
    pid_t pids[1 + PRODUCT_WORKERS];
    start_relay(endpoint, pids, PRODUCT_WORKERS); // forks: before there are threads
    void *relay = connected_dealer(endpoint);
    double *a = bench_matrix_new(N, N, 1), *b = bench_matrix_new(N, N, 2);
    void *state = NULL;
    cluster *daemons = cluster_new_ready(&state, "", PRODUCT_WORKERS);
    measure(cluster_get_client(daemons), relay, 1, 2000, rounds, a, b);
    measure(cluster_get_client(daemons), relay, IN_FLIGHT, 8000, rounds, a, b);
    (void)cluster_teardown(&state);
    for (size_t i = 0; i < 1 + PRODUCT_WORKERS; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    free(a);
    free(b);
    return 0;
}
