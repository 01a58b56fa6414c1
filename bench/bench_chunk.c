/* What size of block frames suits a link: one stream of frames over loopback, as blocks travel,
 * plain and with CURVE.
 *
 *     bench_chunk [MIB [ROUNDS]]
 *
 * The sender keeps a window of KOFN_WINDOW_BYTES unacknowledged and sends without a copy; the
 * receiver acknowledges each quarter of it. Sizes take turns, so that a change of load meets them
 * all.
 */
#include "bench/bench.h"
#include "proto/link/link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    MIB_DEFAULT = 256,
    ROUNDS_DEFAULT = 7,
    SIZES = 9,
    SMALLEST = 32 << 10,
    BUFFER_BYTES = 64 << 20, // frames are cut from one end to the other: no cache holds them
};

typedef struct stream {
    void *context, *from, *to; // a worker's socket, and the master's
    size_t bytes, chunk;
} stream;

static void
must(kofn_status status, const kofn_error *error)
{
    if (status != KOFN_OK)
        bench_die("%s", error->text);
}

static void
check(bool ok)
{
    if (!ok)
        bench_die("%s", zmq_strerror(zmq_errno()));
}

static void
open_stream(stream *s, bool secured)
{
    kofn_error error;
    char endpoint[256];
    kofn_link_keys master = {.master = ""}, worker = {.master = ""};
    s->context = zmq_ctx_new();
    must(kofn_link_socket_new(s->context, KOFN_LINK_MASTER_WORKERS, &s->to, &error), &error);
    must(kofn_link_socket_new(s->context, KOFN_LINK_WORKER, &s->from, &error), &error);
    if (secured) { // no ZAP handler: every key is let in
        must(kofn_certificate_make("m", KOFN_ROLE_MASTER, &master.own, &error), &error);
        must(kofn_certificate_make("w", KOFN_ROLE_WORKER, &worker.own, &error), &error);
        memcpy(worker.master, master.own.public_key, sizeof worker.master);
        must(kofn_link_secure(s->to, KOFN_LINK_MASTER_WORKERS, &master, &error), &error);
        must(kofn_link_secure(s->from, KOFN_LINK_WORKER, &worker, &error), &error);
    }
    must(kofn_link_open(s->to, KOFN_LINK_MASTER_WORKERS, "tcp://127.0.0.1:*", endpoint,
                        sizeof endpoint, &error),
         &error);
    must(kofn_link_open(s->from, KOFN_LINK_WORKER, endpoint, NULL, 0, &error), &error);
}

static void
close_stream(stream *s)
{
    (void)zmq_close(s->from);
    (void)zmq_close(s->to);
    (void)zmq_ctx_term(s->context);
}

/* Take `bytes`, and say so at each quarter of the window. */
static void *
receive(void *context)
{
    const stream *s = context;
    size_t taken = 0, said = 0;
    while (taken < s->bytes) {
        zmq_msg_t id, frame;
        (void)zmq_msg_init(&id);
        (void)zmq_msg_init(&frame);
        check(zmq_msg_recv(&id, s->to, 0) >= 0);
        check(zmq_msg_recv(&frame, s->to, 0) >= 0);
        taken += zmq_msg_size(&frame);
        (void)zmq_msg_close(&frame);
        if (taken - said >= KOFN_WINDOW_BYTES / 4 || taken == s->bytes) {
            const size_t news = taken - said;
            said = taken;
            check(zmq_msg_send(&id, s->to, ZMQ_SNDMORE) >= 0);
            check(zmq_send(s->to, &news, sizeof news, 0) == sizeof news);
        } else {
            (void)zmq_msg_close(&id);
        }
    }
    return NULL;
}

static void
keep(void *data, void *hint)
{
    (void)data, (void)hint; // the buffer stays
}

/* Bytes a second. */
static double
measure(stream *s, unsigned char *buffer)
{
    pthread_t receiver;
    size_t sent = 0, acked = 0;
    const double start = bench_now();
    if (pthread_create(&receiver, NULL, receive, s) != 0)
        bench_die("no thread");
    while (acked < s->bytes) {
        if (sent < s->bytes && sent - acked + s->chunk <= KOFN_WINDOW_BYTES) {
            zmq_msg_t frame;
            check(zmq_msg_init_data(&frame, buffer + sent % BUFFER_BYTES, s->chunk, keep, NULL) ==
                  0);
            check(zmq_msg_send(&frame, s->from, 0) >= 0);
            sent += s->chunk;
            continue;
        }
        size_t news;
        check(zmq_recv(s->from, &news, sizeof news, 0) == sizeof news);
        acked += news;
    }
    (void)pthread_join(receiver, NULL);
    return (double)s->bytes / (bench_now() - start);
}

int
main(int argc, char **argv)
{
    kofn_link_tune_malloc();
    const size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : MIB_DEFAULT;
    const size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS_DEFAULT;
    if (mib == 0 || mib % 8 != 0 || rounds == 0)
        bench_die("usage: bench_chunk [MIB [ROUNDS]], MIB a multiple of 8");
    unsigned char *buffer = bench_alloc(BUFFER_BYTES);
    memset(buffer, 7, BUFFER_BYTES);
    double *rates[2][SIZES];
    stream streams[2] = {{.bytes = mib << 20}, {.bytes = mib << 20}};
    for (int secured = 0; secured < 2; secured++) {
        open_stream(&streams[secured], secured);
        streams[secured].chunk = 1 << 20;
        (void)measure(&streams[secured], buffer); // connects, and warms up
        for (size_t i = 0; i < SIZES; i++)
            rates[secured][i] = bench_alloc(rounds * sizeof(double));
    }
    for (size_t round = 0; round < rounds; round++)
        for (int secured = 0; secured < 2; secured++)
            for (size_t i = 0; i < SIZES; i++) {
                streams[secured].chunk = (size_t)SMALLEST << i;
                rates[secured][i][round] = measure(&streams[secured], buffer);
            }
    for (int secured = 0; secured < 2; secured++) {
        for (size_t i = 0; i < SIZES; i++) {
            char name[64];
            (void)snprintf(name, sizeof name, "chunk.%s.%zuKiB", secured ? "curve" : "plain",
                           ((size_t)SMALLEST << i) >> 10);
            bench_print(name, 1e-9 * bench_median(rates[secured][i], rounds), "GB/s");
            free(rates[secured][i]);
        }
        close_stream(&streams[secured]);
    }
    free(buffer);
    return 0;
}
