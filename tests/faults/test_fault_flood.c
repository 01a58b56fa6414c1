/* Strangers who send rubbish, at both ports: frames that are no messages, and connections that are
 * no ZeroMQ. The master lives, a good client hardly notices, and nothing stays behind.
 *
 * The good client multiplies small matrices all the time, in a thread of its own; its 99th
 * percentile while the flood lasts is compared with that before it. Flooders, master, worker and
 * client share the machine's cores.
 */
#include "common/base/rng.h"
#include "tests/assert.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRAMES_A_SECOND = 20000, // on both ports together
    NO_PAUSE = 1 << 30,      // a second
    FRAMES_PAUSE_US = 500,   // 10 at a time: what a core makes at once is as long a wait for others
    CONNECTIONS_A_SECOND = 500,
    FRAMES_A_LIFE = 5000, // of a flooder, who then comes again on another connection
    GARBAGE_MAX = 4096,
    SAMPLES_MAX = 1 << 20,
    MEMORY_MORE_MAX = 1 << 20,
    SETTLE_S = 90, // a stranger's session is forgotten after 60 s, and memory given back every 10 s
};

/* ---- a good client --------------------------------------------------------------------------- */

typedef struct witness {
    const char *endpoint;
    pthread_t thread;
    _Atomic bool ends;
    _Atomic size_t count; // of samples; those of a phase lie from the count at its start on
    size_t failures;
    double *seconds;
} witness;

static void *
be_good(void *context)
{
    witness *w = context;
    const kofn_client_options options = {.endpoint = w->endpoint, .patience_ms = 60000};
    kofn_client *client = NULL;
    kofn_error error;
    double at[16 * 16];
    for (size_t i = 0; i < 16 * 16; i++)
        at[i] = (double)i;
    const kofn_matrix view = test_view(at, 16, 16);
    if (kofn_client_open(&options, &client, &error) != KOFN_OK)
        return NULL;
    while (!w->ends && w->count < SAMPLES_MAX) {
        kofn_result *result = NULL;
        const double start_s = fault_now_s();
        w->failures += kofn_client_multiply(client, &view, &view, NULL, &result, &error) != KOFN_OK;
        w->seconds[w->count] = fault_now_s() - start_s;
        w->count++;
        kofn_result_destroy(&result);
    }
    kofn_client_close(&client);
    return NULL;
}

/* On the heap, and left there by a test that fails: the thread goes on. */
static witness *
start_witness(cluster *c)
{
    witness *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->endpoint = cluster_get_clients_endpoint(c);
    w->seconds = malloc(SAMPLES_MAX * sizeof *w->seconds);
    assert_non_null(w->seconds);
    assert_int_equal(pthread_create(&w->thread, NULL, be_good, w), 0);
    return w;
}

static void
end_witness(witness *w)
{
    w->ends = true;
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    assert_int_equal(w->failures, 0);
    free(w->seconds);
    free(w);
}

static int
compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The 99th percentile of what came since `from`, in seconds. */
static double
get_p99(const witness *w, size_t from)
{
    const size_t count = w->count - from;
    assert_true(count >= 100);
    double *sorted = malloc(count * sizeof *sorted);
    assert_non_null(sorted);
    memcpy(sorted, w->seconds + from, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    const double p99 = sorted[count - 1 - count / 100];
    free(sorted);
    return p99;
}

static double
watch(const witness *w, size_t count)
{
    const size_t from = w->count;
    const double limit = fault_now_s() + 120;
    while (w->count < from + count && fault_now_s() < limit)
        fault_pause();
    return get_p99(w, from);
}

/* ---- frames that are no messages ------------------------------------------------------------- */

typedef struct garbage {
    size_t length;
    unsigned char at[GARBAGE_MAX];
} garbage;

/* Real envelopes, to be spoilt. */
static size_t
pack_real(kofn_rng *rng, bool from_client, unsigned char *ret_at)
{
    const kofn_msg_call call = {
        .version = 1, .call = kofn_rng_below(rng, 100), .method = "kofn.v1.Master/Multiply"};
    const kofn_msg_data data = {.id = kofn_rng_below(rng, 100)};
    const kofn_msg_ack ack = {.bytes = 1};
    const kofn_msg_result result = {.assignment = kofn_rng_below(rng, 1000), .epoch = 1};
    const kofn_msg_hello hello = {
        .version = 1, .name = "no", .fields = "f64", .credit = 1, .window = 1};
    const kofn_msg_heartbeat heartbeat = {.epoch = 1};
    const struct {
        const kofn_wire_message *of;
        const void *message;
    } real[2][4] = {{{&kofn_result_message, &result},
                     {&kofn_hello_message, &hello},
                     {&kofn_heartbeat_message, &heartbeat},
                     {&kofn_data_message, &data}},
                    {{&kofn_call_message, &call},
                     {&kofn_data_message, &data},
                     {&kofn_ack_message, &ack},
                     {&kofn_reply_message, &(kofn_msg_reply){.version = 1}}}};
    kofn_wire_buffer buffer = {0};
    kofn_error error;
    const size_t which = kofn_rng_below(rng, 4);
    assert_ok(kofn_message_pack(real[from_client][which].of, real[from_client][which].message,
                                &buffer, &error));
    assert_true(buffer.length < GARBAGE_MAX);
    memcpy(ret_at, buffer.at, buffer.length);
    const size_t length = buffer.length;
    kofn_wire_buffer_fini(&buffer);
    return length;
}

static void
fill(kofn_rng *rng, unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        at[i] = (unsigned char)kofn_rng_u64(rng);
}

static const char *const lies[] = {
    "\xdd\xff\xff\xff\xff",
    "\xdf\xff\xff\xff\xff",
    "\xc6\xff\xff\xff\xff",
    "\xdb\x7f\xff\xff\xff",
    "\x81\xa4type\xdb\xff\xff\xff",
    ("\x82\xa4type\xa3\x61\x63k\xa5" // a field of an ack that is an endless array
     "bytes\xdd\x7f\xff\xff\xff"),
    "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
};

static void
make_garbage(kofn_rng *rng, bool from_client, garbage *g)
{
    switch (kofn_rng_below(rng, 5)) {
    case 0: // random
        g->length = kofn_rng_below(rng, 300);
        fill(rng, g->at, g->length);
        break;
    case 1: // a real one, cut short
        g->length = pack_real(rng, from_client, g->at);
        g->length = kofn_rng_below(rng, g->length);
        break;
    case 2: // some bytes of it changed
        g->length = pack_real(rng, from_client, g->at);
        for (size_t i = 0; i < 3; i++)
            g->at[kofn_rng_below(rng, g->length)] = (unsigned char)kofn_rng_u64(rng);
        break;
    case 3: // somebody else's
        g->length = pack_real(rng, !from_client, g->at);
        break;
    default: { // huge counts
        const char *lie = lies[kofn_rng_below(rng, sizeof lies / sizeof lies[0])];
        g->length = strlen(lie);
        memcpy(g->at, lie, g->length);
    }
    }
}

/* A hello that is whole, by chance, is none: its sender would be a worker. */
static bool
is_hello(const garbage *g)
{
    kofn_msg_hello hello;
    char type[KOFN_NAME_MAX];
    kofn_error error;
    if (kofn_message_peek(g->at, g->length, "type", type, sizeof type, &error) != KOFN_OK ||
        strcmp(type, "hello") != 0 ||
        kofn_message_unpack(&kofn_hello_message, g->at, g->length, &hello, &error) != KOFN_OK)
        return false;
    kofn_message_clear(&kofn_hello_message, &hello);
    return true;
}

static void
send_garbage(raw_peer *peer, kofn_rng *rng, bool to_clients)
{
    static garbage g;
    do
        make_garbage(rng, to_clients, &g);
    while (is_hello(&g));
    const size_t blocks = kofn_rng_below(rng, 3) % 2;
    if (to_clients && kofn_rng_below(rng, 10) > 0)
        raw_send(peer, "", 0, true);
    raw_send(peer, g.at, g.length, blocks > 0);
    if (blocks > 0)
        raw_send(peer, g.at, g.length / 2, false);
}

/* Half of the flooders read what they get, half never do. */
static void
drain(raw_peer *peer)
{
    char bytes[1024];
    while (zmq_recv(peer->socket, bytes, sizeof bytes, ZMQ_DONTWAIT) >= 0)
        ;
}

static void
flood_frames(cluster *c, size_t frames, size_t a_second)
{
    kofn_rng rng;
    raw_peer peers[2] = {{0}, {0}};
    const double start_s = fault_now_s();
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t i = 0; i < frames; i++) {
        const size_t port = i % 2;
        if (i / 2 % FRAMES_A_LIFE == 0) {
            raw_close(&peers[port]);
            raw_open(&peers[port], ZMQ_DEALER, false,
                     port ? cluster_get_clients_endpoint(c) : cluster_get_workers_endpoint(c));
        }
        send_garbage(&peers[port], &rng, port);
        if (i / 2 / FRAMES_A_LIFE % 2 == 0)
            drain(&peers[port]);
        while (fault_now_s() - start_s < (double)i / (double)a_second)
            (void)usleep(FRAMES_PAUSE_US);
    }
    raw_close(&peers[0]);
    raw_close(&peers[1]);
}

/* ---- connections that are no ZeroMQ ---------------------------------------------------------- */

static int
connect_to(const char *endpoint)
{
    const int port = (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* `count` connections, up to `open_max` of them at a time; some begin like ZeroMQ. */
static void
flood_connections(cluster *c, size_t count, size_t open_max)
{
    static const unsigned char greeting[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3};
    kofn_rng rng;
    unsigned char at[GARBAGE_MAX];
    const double start_s = fault_now_s();
    int *open = malloc(open_max * sizeof *open);
    assert_non_null(open);
    kofn_rng_init(&rng, test_seed(1), 1);
    for (size_t i = 0; i < open_max; i++)
        open[i] = -1;
    for (size_t i = 0; i < count; i++) {
        const int fd =
            connect_to(i % 2 ? cluster_get_clients_endpoint(c) : cluster_get_workers_endpoint(c));
        const size_t length = kofn_rng_below(&rng, sizeof at);
        fill(&rng, at, length);
        if (i % 3 == 0 && length > sizeof greeting)
            memcpy(at, greeting, sizeof greeting);
        if (fd >= 0)
            (void)!send(fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (open[i % open_max] >= 0)
            (void)close(open[i % open_max]);
        open[i % open_max] = fd;
        while (fault_now_s() - start_s < (double)i / CONNECTIONS_A_SECOND)
            fault_pause();
    }
    for (size_t i = 0; i < open_max; i++)
        if (open[i] >= 0)
            (void)close(open[i]);
    free(open);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static size_t
count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* Until `holds` of the master; it lets go of connections when their handshakes time out. */
static void
await_settled(cluster *c, size_t memory, size_t descriptors)
{
    const pid_t master = cluster_get_master_pid(c);
    const double limit = fault_now_s() + SETTLE_S;
    while ((fault_get_memory(master) > memory + MEMORY_MORE_MAX ||
            fault_count_descriptors(master) > descriptors) &&
           fault_now_s() < limit)
        fault_pause();
}

typedef struct calm { // before a flood
    size_t memory, descriptors;
    double p99;
} calm;

static calm
get_calm(cluster *c, const witness *w)
{
    calm before = {.p99 = watch(w, fault_amount(2000, 20000))};
    before.memory = fault_get_memory(cluster_get_master_pid(c));
    before.descriptors = fault_count_descriptors(cluster_get_master_pid(c));
    return before;
}

/* The good client goes on while the master settles: its jobs take the places of what was there. */
static void
assert_calm_again(cluster *c, witness *w, const calm *before, const char *what, double p99,
                  double p99_limit)
{
    const pid_t master = cluster_get_master_pid(c);
    await_settled(c, before->memory, before->descriptors);
    const size_t memory = fault_get_memory(master), descriptors = fault_count_descriptors(master);
    const size_t lines = count_lines(cluster_get_master_log(c));
    print_message("%s: p99 %.2f ms before, %.2f ms meanwhile (%.2f times); memory %+ld KiB, "
                  "descriptors %+ld, log lines %zu\n",
                  what, before->p99 * 1e3, p99 * 1e3, p99 / before->p99,
                  ((long)memory - (long)before->memory) / 1024,
                  (long)descriptors - (long)before->descriptors, lines);
    cluster_await_workers(c, 1);
    end_witness(w);
    assert_true(!FAULT_MEMORY_COUNTS || memory <= before->memory + MEMORY_MORE_MAX);
    assert_true(descriptors <= before->descriptors);
    assert_true(lines < 300);
    assert_true(p99 <= p99_limit);
}

/* Of a flood that leaves the master time. Shortened, the samples are few and the cores are other
 * tests' as well: only absurd waits. */
static double
get_p99_limit(const calm *before)
{
    return fault_amount(0, 1) ? 2 * before->p99 + 1e-3 : 20 * before->p99 + 0.1;
}

static void
check_frames(void **state, const char *what, size_t frames, size_t a_second)
{
    cluster *c = cluster_new_ready(state, "", 1);
    witness *w = start_witness(c);
    const calm before = get_calm(c, w);
    const size_t from = w->count;
    flood_frames(c, frames, a_second);
    while (w->count < from + 100)
        fault_pause();
    assert_calm_again(c, w, &before, what, get_p99(w, from),
                      a_second == NO_PAUSE ? 10 : get_p99_limit(&before));
}

static void
a_flood_of_malformed_frames_does_no_harm(void **state)
{
    check_frames(state, "frames", fault_amount(40000, 1000000), FRAMES_A_SECOND);
}

/* More than it can read: frames pile up, 100 MiB of them, and good jobs come and go among them.
 * What lives long must not keep the pages between. */
static void
a_flood_that_piles_up_leaves_nothing(void **state)
{
    check_frames(state, "piled up", fault_amount(600000, 2000000), NO_PAUSE);
}

static void
a_flood_of_connections_does_no_harm(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    witness *w = start_witness(c);
    const calm before = get_calm(c, w);
    const size_t from = w->count;
    flood_connections(c, fault_amount(600, 5000), 500);
    while (w->count < from + 200)
        fault_pause();
    const double p99 = get_p99(w, from);
    assert_calm_again(c, w, &before, "connections", p99, get_p99_limit(&before));
}

/* All descriptors are taken, and stay so for a while: who is there goes on, and who was not gets in
 * once there is room. */
static void
a_master_without_descriptors_goes_on(void **state)
{
    enum { DESCRIPTORS = 1024, CONNECTIONS = 5000 };
    struct rlimit all;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    if (all.rlim_max < CONNECTIONS + 100) {
        print_message("%d descriptors are not to be had here\n", CONNECTIONS + 100);
        skip();
    }
    const struct rlimit was = all;
    all.rlim_cur = CONNECTIONS + 100;
    cluster *c = cluster_new_ready(state, "", 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    const struct rlimit few = {DESCRIPTORS, DESCRIPTORS};
    assert_int_equal(prlimit(cluster_get_master_pid(c), RLIMIT_NOFILE, &few, NULL), 0);
    witness *w = start_witness(c);
    const calm before = get_calm(c, w);
    const size_t from = w->count;
    int *open = malloc(CONNECTIONS * sizeof *open);
    assert_non_null(open);
    for (size_t i = 0; i < CONNECTIONS; i++) // the listener's queue is full from some point on
        open[i] = -1;
    size_t most = 0;
    for (size_t i = 0; i < CONNECTIONS && most < DESCRIPTORS; i++) {
        open[i] =
            connect_to(i % 2 ? cluster_get_clients_endpoint(c) : cluster_get_workers_endpoint(c));
        if (i % 50 == 0)
            most = fault_count_descriptors(cluster_get_master_pid(c));
    }
    print_message("%zu of %d descriptors in use\n", most, DESCRIPTORS);
    const size_t full = w->count;
    while (w->count < full + 200)
        fault_pause();
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (open[i] >= 0)
            (void)close(open[i]);
    free(open);
    const double p99 = get_p99(w, from);
    cluster_start_worker(c, 1, "");
    cluster_await_workers(c, 2);
    await_settled(c, SIZE_MAX / 2, before.descriptors + 4);
    print_message("without descriptors: p99 %.2f times\n", p99 / before.p99);
    end_witness(w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_flood_of_malformed_frames_does_no_harm, cluster_teardown),
        cmocka_unit_test_teardown(a_flood_that_piles_up_leaves_nothing, cluster_teardown),
        cmocka_unit_test_teardown(a_flood_of_connections_does_no_harm, cluster_teardown),
        cmocka_unit_test_teardown(a_master_without_descriptors_goes_on, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
