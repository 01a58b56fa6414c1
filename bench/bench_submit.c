/* Durable submits: 64 clients that each have one Submit of a 4 x 4 product on its way. Answers a
 * second and their latency, accepting alone (no workers) and with two workers (jobs run, and their
 * ends are stored as well): synced, written without syncs (`durability: none`), and without a
 * store. Then what all these jobs cost: processor time of a master that only holds them, and how
 * long one that was killed is away, from its start until it answers.
 *
 * The clients are sockets of one thread, so that they cost as little as they can beside the master.
 */
#include "bench/must.h"
#include "proto/block.h"
#include "proto/messages.h"
#include "tests/integration/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { CLIENTS = 64, SIDE = 4, JOBS_MAX = 1 << 20 };

static void
must_zmq(int result)
{
    if (result < 0)
        bench_die("client: %s", zmq_strerror(errno));
}

typedef struct submitter {
    void *socket;
    uint64_t call;
    double sent;
} submitter;

typedef struct crowd {
    void *context;
    submitter all[CLIENTS];
    kofn_bands block; // one, with its frame: both operands
} crowd;

static void
send_one(crowd *c, submitter *s)
{
    kofn_msg_product product = {.a = {.dtype = "f64", .rows = SIDE, .cols = SIDE},
                                .b = {.dtype = "f64", .rows = SIDE, .cols = SIDE}};
    kofn_msg_call call = {.version = KOFN_PROTOCOL_VERSION, .call = ++s->call};
    kofn_wire_buffer body = {0}, head = {0};
    const kofn_band *band = &c->block.at[0];
    (void)snprintf(call.method, sizeof call.method, "kofn.v1.Master/Submit");
    (void)snprintf(call.key, sizeof call.key, "client %td, call %" PRIu64, s - c->all, s->call);
    must(kofn_message_pack(&kofn_product_message, &product, &body, &error));
    call.body = (kofn_wire_raw){.bytes = body.at, .length = body.length};
    must(kofn_message_pack(&kofn_call_message, &call, &head, &error));
    must_zmq(zmq_send(s->socket, "", 0, ZMQ_SNDMORE));
    must_zmq(zmq_send(s->socket, head.at, head.length, ZMQ_SNDMORE));
    must_zmq(zmq_send(s->socket, band->frame, band->frame_bytes, ZMQ_SNDMORE));
    must_zmq(zmq_send(s->socket, band->frame, band->frame_bytes, 0));
    kofn_wire_buffer_fini(&body);
    kofn_wire_buffer_fini(&head);
    s->sent = bench_now();
}

/* Its status. */
static kofn_status
receive_one(submitter *s)
{
    char frame[4096];
    kofn_msg_reply reply;
    must_zmq(zmq_recv(s->socket, frame, sizeof frame, 0));
    const int length = zmq_recv(s->socket, frame, sizeof frame, 0);
    must_zmq(length);
    must(kofn_message_unpack(&kofn_reply_message, frame, (size_t)length, &reply, &error));
    return (kofn_status)reply.status;
}

/* Answers a second; a client that is refused asks again. */
static double
run(crowd *c, size_t jobs, double *latency, size_t *ret_refused)
{
    zmq_pollitem_t items[CLIENTS];
    const double start = bench_now();
    for (size_t i = 0; i < CLIENTS; i++) {
        items[i] = (zmq_pollitem_t){.socket = c->all[i].socket, .events = ZMQ_POLLIN};
        send_one(c, &c->all[i]);
    }
    *ret_refused = 0;
    size_t sent = CLIENTS;
    for (size_t done = 0; done < jobs;) {
        must_zmq(zmq_poll(items, CLIENTS, -1));
        for (size_t i = 0; i < CLIENTS && done < jobs; i++) {
            if (!(items[i].revents & ZMQ_POLLIN))
                continue;
            const bool taken = receive_one(&c->all[i]) == KOFN_OK;
            latency[done] = 1e3 * (bench_now() - c->all[i].sent);
            done += taken;
            *ret_refused += !taken;
            if (!taken || sent++ < jobs)
                send_one(c, &c->all[i]);
        }
    }
    return (double)jobs / (bench_now() - start);
}

static void
open_crowd(crowd *c, const char *endpoint)
{
    kofn_pool *pool = NULL;
    must(kofn_pool_new(0, &pool, &error));
    must(kofn_block_bands_new(pool, KOFN_F64, SIDE, SIDE, 4096, &c->block, &error));
    memset(c->block.at[0].mat.data, 0, SIDE * SIDE * sizeof(double));
    kofn_pool_destroy(&pool); // its last buffer frees what is left
    c->context = zmq_ctx_new();
    for (size_t i = 0; i < CLIENTS; i++) {
        c->all[i].socket = zmq_socket(c->context, ZMQ_DEALER);
        must_zmq(c->all[i].socket ? zmq_connect(c->all[i].socket, endpoint) : -1);
    }
}

static void
close_crowd(crowd *c)
{
    const int none = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)zmq_setsockopt(c->all[i].socket, ZMQ_LINGER, &none, sizeof none);
        (void)zmq_close(c->all[i].socket);
    }
    (void)zmq_ctx_term(c->context);
    kofn_bands_fini(&c->block);
}

/* Processor seconds of the master so far. */
static double
get_master_time(const cluster *daemons)
{
    char path[64];
    unsigned long user = 0, system = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)cluster_get_master_pid(daemons));
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) != 2)
        bench_die("cannot read '%s'", path);
    (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void
print(const char *name, size_t workers, const char *what, double value, const char *unit)
{
    char label[64];
    (void)snprintf(label, sizeof label, "submit.%s.workers%zu.%s", name, workers, what);
    bench_print(label, value, unit);
}

static void
measure_idle(cluster *daemons, const char *name, size_t workers)
{
    const struct timespec pause = {.tv_sec = 3};
    const double since = bench_now(), before = get_master_time(daemons);
    (void)nanosleep(&pause, NULL); // what is measured is a time in which nothing happens
    const double busy = (get_master_time(daemons) - before) / (bench_now() - since);
    print(name, workers, "idle", 100 * busy, "%");
}

static void
measure_restart(cluster *daemons, const char *name, size_t workers)
{
    kofn_health health;
    kofn_client *client = NULL;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(daemons),
                                         .patience_ms = PATIENCE_S * 1000,
                                         .away_ms = PATIENCE_S * 1000,
                                         .backoff_ms = 10,
                                         .backoff_max_ms = 20};
    cluster_kill_master(daemons);
    const double since = bench_now();
    cluster_start_master(daemons);
    must(kofn_client_open(&options, &client, &error));
    while (kofn_client_check(client, NULL, 200, &health, &error) != KOFN_OK)
        if (bench_now() - since > PATIENCE_S)
            bench_die("the master does not answer: %s", error.text);
    print(name, workers, "restart", bench_now() - since, "s");
    kofn_client_close(&client);
}

static void
measure(const char *name, const char *yaml, size_t workers, size_t jobs)
{
    static double latency[JOBS_MAX];
    static crowd c;
    void *state = NULL;
    char text[512];
    size_t refused;
    memset(&c, 0, sizeof c);
    (void)snprintf(text, sizeof text, "%slimits:\n  jobs: 1000000\nresults:\n  jobs: 100000\n",
                   yaml);
    cluster *daemons = cluster_new_ready(&state, text, workers);
    open_crowd(&c, cluster_get_clients_endpoint(daemons));
    const double rate = run(&c, jobs, latency, &refused);
    print(name, workers, "rate", rate, "/s");
    print(name, workers, "median", bench_quantile(latency, jobs, 0.5), "ms");
    print(name, workers, "p99", bench_quantile(latency, jobs, 0.99), "ms");
    fprintf(stderr, "%s, %zu workers: %zu refused\n", name, workers, refused);
    close_crowd(&c);
    if (workers == 0)
        measure_idle(daemons, name, workers);
    if (strcmp(name, "full") == 0)
        measure_restart(daemons, name, workers);
    (void)cluster_teardown(&state);
}

int
main(void)
{
    const size_t jobs = bench_setting("BENCH_SUBMITS", 20000);
    if (jobs > JOBS_MAX || jobs < CLIENTS)
        bench_die("BENCH_SUBMITS: %d to %d", (int)CLIENTS, (int)JOBS_MAX);
    for (size_t workers = 0; workers <= 2; workers += 2) {
        measure("full", CLUSTER_STORE, workers, jobs);
        measure("none", CLUSTER_STORE "durability: none\n", workers, jobs);
        measure("memory", "", workers, jobs);
    }
    return 0;
}
