/* One whole job (n = 2000, f64, operands in the client and the product back in it) against the
 * floor, against the sum of its parts, and against local OpenBLAS; in turns, so that all see the
 * same machine.
 *
 * The parts are what the job could not do without, one after another: its bytes over one bare
 * ZeroMQ stream, its encode and decode as the master accounts for them, and its four
 * multiplications by bare OpenBLAS, spread over the processors. A ratio below 1 means that they
 * overlap.
 */
#include "bench/bench.h"
#include "bench/floor.h"
#include "bench/product.h"
#include "common/linalg/blas.h"
#include "common/linalg/multiply.h"

#include <cblas.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

/* ---- a bare stream --------------------------------------------------------------------------- */

enum { STREAM_FRAME = 4 << 20, STREAM_FRAMES = 32 };

typedef struct stream {
    void *context, *socket;
    pid_t sink;
    char *frame;
} stream;

static void
keep(void *data, void *hint)
{
    (void)data;
    (void)hint;
}

/* Takes frames off the socket and says so after each burst. */
static void
be_sink(const char *endpoint)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    if (!socket || zmq_connect(socket, endpoint) != 0)
        bench_die("sink: %s", zmq_strerror(errno));
    for (;;) {
        for (size_t i = 0; i < STREAM_FRAMES; i++) {
            zmq_msg_t message;
            (void)zmq_msg_init(&message);
            if (zmq_msg_recv(&message, socket, 0) < 0)
                bench_die("sink: %s", zmq_strerror(errno));
            (void)zmq_msg_close(&message);
        }
        if (zmq_send(socket, "", 0, 0) < 0)
            bench_die("sink: %s", zmq_strerror(errno));
    }
}

static stream
stream_new(void)
{
    stream s = {.frame = bench_alloc(STREAM_FRAME)};
    char endpoint[64];
    size_t size = sizeof endpoint;
    s.context = zmq_ctx_new();
    s.socket = zmq_socket(s.context, ZMQ_PAIR);
    if (!s.socket || zmq_bind(s.socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(s.socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        bench_die("stream: %s", zmq_strerror(errno));
    s.sink = fork();
    if (s.sink == 0)
        be_sink(endpoint);
    return s;
}

/* Seconds a byte. */
static double
stream_time(stream *s)
{
    const double start = bench_now();
    for (size_t i = 0; i < STREAM_FRAMES; i++) {
        zmq_msg_t message;
        if (zmq_msg_init_data(&message, s->frame, STREAM_FRAME, keep, NULL) != 0 ||
            zmq_msg_send(&message, s->socket, 0) < 0)
            bench_die("stream: %s", zmq_strerror(errno));
    }
    if (zmq_recv(s->socket, NULL, 0, 0) < 0)
        bench_die("stream: %s", zmq_strerror(errno));
    return (bench_now() - start) / ((double)STREAM_FRAME * STREAM_FRAMES);
}

static void
stream_end(stream *s)
{
    (void)kill(s->sink, SIGKILL);
    (void)waitpid(s->sink, NULL, 0);
    (void)zmq_close(s->socket);
    (void)zmq_ctx_term(s->context);
    free(s->frame);
}

/* ---- local products -------------------------------------------------------------------------- */

static double
time_dgemm(const product *p, size_t rows, size_t cols, int threads, double *c)
{
    kofn_blas_set_threads(threads);
    const double start = bench_now();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)cols, (int)p->n, 1, p->a,
                (int)p->n, p->b, (int)p->n, 0, c, (int)cols);
    return bench_now() - start;
}

/* ---- all ------------------------------------------------------------------------------------- */

typedef struct rounds {
    size_t count;
    double *job, *floor, *held, *local, *parts, *coding, *bytes;
} rounds;

static void
print_all(const rounds *r)
{
    const size_t n = r->count;
    bench_print("job.to_floor", bench_median_ratio(r->job, r->floor, n), "times");
    bench_print("job.to_held_floor", bench_median_ratio(r->job, r->held, n), "times");
    bench_print("job.to_parts", bench_median_ratio(r->job, r->parts, n), "times");
    bench_print("job.to_local", bench_median_ratio(r->job, r->local, n), "times");
    bench_print("job.coding_share", bench_median_ratio(r->coding, r->job, n), "of_job");
    bench_print("job.time", 1e3 * bench_median(r->job, n), "ms");
    bench_print("floor.time", 1e3 * bench_median(r->floor, n), "ms");
    bench_print("floor.held.time", 1e3 * bench_median(r->held, n), "ms");
    bench_print("parts.time", 1e3 * bench_median(r->parts, n), "ms");
    bench_print("local.time", 1e3 * bench_median(r->local, n), "ms");
    bench_print("stream", 1e-9 / bench_median(r->bytes, n), "GB/s");
}

int
main(int argc, char **argv)
{
    floor_main(argc, argv);
    kofn_blas_choose_kernel(argv);
    const size_t n = bench_setting("KOFN_BENCH_N", 2000);
    const size_t count = bench_setting("KOFN_BENCH_ROUNDS", 15);
    const int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int at_a_time = cores < PRODUCT_WORKERS ? cores : PRODUCT_WORKERS;
    stream bare = stream_new(); // forks: before there are threads
    product p = product_new(n);
    double *c = bench_alloc(n * n * sizeof *c);

    const floor_setup plain = {.n = n, .chunk_rows = n / 8}, hold = {n, n / 8, true};
    floor_cluster *floor = floor_new("/proc/self/exe", &plain);
    floor_cluster *held = floor_new("/proc/self/exe", &hold);
    void *state = NULL;
    cluster *daemons = cluster_new_ready(&state, "", PRODUCT_WORKERS);
    kofn_client *client = cluster_get_client(daemons);

    rounds r = {.count = count};
    double **const columns[] = {&r.job, &r.floor, &r.held, &r.local, &r.parts, &r.coding, &r.bytes};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        *columns[i] = bench_alloc(count * sizeof(double));

    /* Operands, four or five coded pairs, four answers, the product. */
    const double bytes = (2 + PRODUCT_TASKS + 1 + 1) * (double)(n * n * sizeof(double));
    for (size_t i = 0; i < count + 2; i++) { // two rounds to warm up, overwritten
        const size_t at = i < 2 ? 0 : i - 2;
        kofn_account account;
        double start = bench_now();
        floor_multiply(floor, p.a, p.b);
        r.floor[at] = bench_now() - start;
        r.job[at] = product_time(&p, client, 0, NULL, NULL, &account);
        start = bench_now();
        floor_multiply(held, p.a, p.b);
        r.held[at] = bench_now() - start;
        r.local[at] = time_dgemm(&p, n, n, cores, c);
        r.bytes[at] = stream_time(&bare);
        r.coding[at] = account.seconds.encode + account.seconds.decode;
        r.parts[at] =
            bytes * r.bytes[at] + r.coding[at] + 4 * time_dgemm(&p, n / 2, n / 2, 1, c) / at_a_time;
    }
    print_all(&r);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        free(*columns[i]);
    (void)cluster_teardown(&state);
    floor_destroy(&floor);
    floor_destroy(&held);
    stream_end(&bare);
    product_fini(&p);
    free(c);
    return 0;
}
