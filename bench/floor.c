/* The floor's three roles. A job, streamed from end to end in frames of `chunk_rows` rows:
 *
 *   client   A0[0] A1[0] A0[1] A1[1] ...  B[0] B[1] ...      zero-copy from the caller's matrices
 *   master   A_i[c]: forwarded as it came to the two workers with that half;
 *            B[c]:   cut into column halves, one copy, each sent to two workers;
 *            task 4: a coded pair, encoded as the chunks pass, sent behind task 0's.
 *   worker   keeps A's frames, adds A[:, chunk] B[chunk] to C as each chunk of B comes, and sends
 *            C band by band while the last chunk is added.
 *   master   a band of C goes to the client when both of its halves are there; the coded task's
 *            band replaces the first that is missing.
 *
 * Frames carry no header on the way out: both sides know the order. Results name their task and
 * band. The cancel for the fifth task travels on a socket of its own, past the data.
 *
 * libzmq takes the memory of large received messages from malloc: with mmap and trimming off, pages
 * stay mapped and are used again (first touch costs eight copies).
 */
#include "bench/floor.h"

#include "bench/bench.h"

#include <cblas.h>
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LINKS = 1 + 2 * FLOOR_WORKERS, // client; data and control of each worker
    BUFFER_SETS = 2,               // a set may still be on its way when the next job starts
    ENDPOINT_MAX = 64,
};

/* The coded task's rows of E_A and E_B. */
static const double coded_a[2] = {0.8, -0.6}, coded_b[2] = {0.6, 0.8};

typedef struct result_head {
    uint32_t job, task, band;
} result_head;

static size_t
chunks_of_half(const floor_setup *s)
{
    return s->n / 2 / s->chunk_rows;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static void *
new_context(void)
{
    (void)mallopt(M_MMAP_MAX, 0); // should it fail, the floor is merely higher
    (void)mallopt(M_TRIM_THRESHOLD, -1);
    (void)mallopt(M_TOP_PAD, 64 << 20);
    void *context = zmq_ctx_new();
    if (!context)
        bench_die("zmq_ctx_new: %s", zmq_strerror(errno));
    return context;
}

static void *
new_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    if (!socket)
        bench_die("zmq_socket: %s", zmq_strerror(errno));
    const int none = 0;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none); // no limit
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    return socket;
}

static void *
bound_socket(void *context, char *ret_endpoint)
{
    void *socket = new_socket(context, ZMQ_DEALER);
    size_t size = ENDPOINT_MAX;
    if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size) != 0)
        bench_die("bind: %s", zmq_strerror(errno));
    return socket;
}

static void *
connected_socket(void *context, const char *endpoint)
{
    void *socket = new_socket(context, ZMQ_DEALER);
    if (zmq_connect(socket, endpoint) != 0)
        bench_die("connect %s: %s", endpoint, zmq_strerror(errno));
    return socket;
}

static void
send_message(void *socket, zmq_msg_t *message, int flags)
{
    if (zmq_msg_send(message, socket, flags) < 0)
        bench_die("send: %s", zmq_strerror(errno));
}

static void
receive(void *socket, zmq_msg_t *message)
{
    (void)zmq_msg_init(message); // cannot fail
    while (zmq_msg_recv(message, socket, 0) < 0)
        if (errno != EINTR)
            bench_die("receive: %s", zmq_strerror(errno));
}

static void
send_bytes(void *socket, const void *bytes, size_t length, int flags)
{
    if (zmq_send(socket, bytes, length, flags) < 0)
        bench_die("send: %s", zmq_strerror(errno));
}

/* A second sender of the same bytes. */
static void
send_shared(void *socket, zmq_msg_t *message)
{
    zmq_msg_t copy;
    (void)zmq_msg_init(&copy);
    (void)zmq_msg_copy(&copy, message); // counts a reference
    send_message(socket, &copy, 0);
}

/* ---- kept buffers ---------------------------------------------------------------------------- */

typedef struct buffer {
    double *at;
    atomic_int pending; // messages that still point into it
} buffer;

static void
init_buffer(buffer *b, size_t elements)
{
    b->at = bench_alloc(elements * sizeof *b->at);
    atomic_init(&b->pending, 0);
}

static void
await_buffer(buffer *b)
{
    while (atomic_load(&b->pending) > 0)
        (void)sched_yield();
}

static void
release(void *data, void *hint)
{
    (void)data;
    buffer *b = hint;
    atomic_fetch_sub(&b->pending, 1);
}

static void
init_view(zmq_msg_t *message, buffer *b, const double *at, size_t elements)
{
    atomic_fetch_add(&b->pending, 1);
    if (zmq_msg_init_data(message, (void *)at, elements * sizeof *at, release, b) != 0)
        bench_die("message: %s", zmq_strerror(errno));
}

/* ---- client ---------------------------------------------------------------------------------- */

struct floor_cluster {
    floor_setup setup;
    void *context, *master;
    pid_t pids[1 + FLOOR_WORKERS];
    size_t started;
    buffer borrowed;  // counts the frames that point into the caller's matrices
    zmq_msg_t *bands; // [2 chunks] of the product, in order of rows
    uint32_t job;
};

static pid_t
spawn(const char *program, char *const argv[], int *ret_output)
{
    int ends[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    if (ret_output) {
        if (pipe(ends) != 0)
            bench_die("pipe: %s", strerror(errno));
        (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    }
    pid_t pid = 0;
    const int failure = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        bench_die("%s: %s", program, strerror(failure));
    if (ret_output) {
        (void)close(ends[1]);
        *ret_output = ends[0];
    }
    return pid;
}

floor_cluster *
floor_new(const char *program, const floor_setup *setup)
{
    if (setup->n % 2 != 0 || setup->chunk_rows == 0 || setup->n / 2 % setup->chunk_rows != 0)
        bench_die("floor: %zu rows a chunk do not divide half of n=%zu", setup->chunk_rows,
                  setup->n);
    floor_cluster *c = bench_alloc(sizeof *c);
    c->setup = *setup;
    c->bands = bench_alloc(2 * chunks_of_half(setup) * sizeof *c->bands);
    for (size_t i = 0; i < 2 * chunks_of_half(setup); i++)
        (void)zmq_msg_init(&c->bands[i]);
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1); // in what is started from here

    char n[24], rows[24], endpoint[LINKS][ENDPOINT_MAX];
    (void)snprintf(n, sizeof n, "%zu", setup->n);
    (void)snprintf(rows, sizeof rows, "%zu", setup->chunk_rows);
    int output = -1;
    char *const hold = setup->hold ? "1" : "0";
    char *const master[] = {"floor", "--floor-master", n, rows, hold, NULL};
    c->pids[c->started++] = spawn(program, master, &output);
    FILE *lines = fdopen(output, "r");
    for (size_t i = 0; i < LINKS; i++)
        if (!lines || fscanf(lines, "%63s", endpoint[i]) != 1)
            bench_die("floor: the master did not start");
    (void)fclose(lines);
    for (size_t w = 0; w < FLOOR_WORKERS; w++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%zu", w);
        char *const worker[] = {"floor", "--floor-worker",    n,   rows, hold, endpoint[1 + 2 * w],
                                number,  endpoint[2 + 2 * w], NULL};
        c->pids[c->started++] = spawn(program, worker, NULL);
    }
    c->context = new_context();
    c->master = connected_socket(c->context, endpoint[0]);
    return c;
}

void
floor_destroy(floor_cluster **cluster_p)
{
    floor_cluster *c = *cluster_p;
    if (!c)
        return;
    for (size_t i = 0; i < c->started; i++) {
        (void)kill(c->pids[i], SIGKILL);
        (void)waitpid(c->pids[i], NULL, 0);
    }
    for (size_t i = 0; i < 2 * chunks_of_half(&c->setup); i++)
        (void)zmq_msg_close(&c->bands[i]);
    (void)zmq_close(c->master);
    (void)zmq_ctx_term(c->context);
    free(c->bands);
    free(c);
    *cluster_p = NULL;
}

static void
send_operand_chunk(floor_cluster *c, const double *matrix, size_t chunk)
{
    const size_t elements = c->setup.chunk_rows * c->setup.n;
    zmq_msg_t message;
    init_view(&message, &c->borrowed, matrix + chunk * elements, elements);
    send_message(c->master, &message, 0);
}

void
floor_multiply(floor_cluster *c, const double *a, const double *b)
{
    const size_t chunks = chunks_of_half(&c->setup);
    for (size_t i = 0; i < chunks; i++) {
        send_operand_chunk(c, a, i);
        send_operand_chunk(c, a, chunks + i);
    }
    for (size_t i = 0; i < 2 * chunks; i++)
        send_operand_chunk(c, b, i);
    c->job++;
    for (size_t got = 0; got < 2 * chunks; got++) {
        zmq_msg_t head;
        receive(c->master, &head);
        const result_head *h = zmq_msg_data(&head);
        zmq_msg_t *band = &c->bands[h->band];
        (void)zmq_msg_close(&head);
        (void)zmq_msg_close(band);
        receive(c->master, band);
    }
}

const double *
floor_get_row(const floor_cluster *c, size_t row)
{
    const double *band = zmq_msg_data(&c->bands[row / c->setup.chunk_rows]);
    return band + row % c->setup.chunk_rows * c->setup.n;
}

/* ---- master ---------------------------------------------------------------------------------- */

typedef struct master {
    floor_setup setup;
    void *client, *data[FLOOR_WORKERS], *control[FLOOR_WORKERS];
    buffer halves[BUFFER_SETS];  // B's two column halves, chunk by chunk
    buffer coded[BUFFER_SETS];   // A~ then B~ of the fifth task
    buffer product[BUFFER_SETS]; // C
    uint32_t job;
    size_t emitted;                 // halves of C (top or bottom) of any band, sent
    zmq_msg_t (*part)[FLOOR_TASKS]; // [chunks]: bands of the answers
    bool (*have)[FLOOR_TASKS];
    bool (*sent)[2];
} master;

__attribute__((target_clones("avx512f", "avx2", "default"))) static void
add_scaled(size_t count, double *restrict dst, double p, const double *restrict x, double q,
           const double *restrict y)
{
    for (size_t i = 0; i < count; i++)
        dst[i] = p * x[i] + q * y[i];
}

/* A0[c] and A1[c]: each to the two workers that have it, and their mix into the coded task. */
static void
pass_a(master *m, size_t chunk)
{
    const size_t elements = m->setup.chunk_rows * m->setup.n;
    zmq_msg_t half[2];
    for (size_t i = 0; i < 2; i++) {
        receive(m->client, &half[i]);
        send_shared(m->data[2 * i], &half[i]);
        send_shared(m->data[2 * i + 1], &half[i]);
    }
    if (!m->setup.hold)
        add_scaled(elements, m->coded[m->job % BUFFER_SETS].at + chunk * elements, coded_a[0],
                   zmq_msg_data(&half[0]), coded_a[1], zmq_msg_data(&half[1]));
    for (size_t i = 0; i < 2; i++)
        (void)zmq_msg_close(&half[i]);
}

/* B[c]: cut into column halves, and their mix. */
static void
pass_b(master *m, size_t chunk)
{
    const size_t rows = m->setup.chunk_rows, n = m->setup.n, cols = n / 2, elements = rows * cols;
    buffer *halves = &m->halves[m->job % BUFFER_SETS];
    double *left = halves->at + 2 * chunk * elements, *right = left + elements;
    double *mix = m->coded[m->job % BUFFER_SETS].at + n / 2 * n + chunk * elements;
    zmq_msg_t whole;
    receive(m->client, &whole);
    const double *b = zmq_msg_data(&whole);
    for (size_t r = 0; r < rows; r++) {
        memcpy(left + r * cols, b + r * n, cols * sizeof *b);
        memcpy(right + r * cols, b + r * n + cols, cols * sizeof *b);
        if (!m->setup.hold) // while the row is in the cache
            add_scaled(cols, mix + r * cols, coded_b[0], b + r * n, coded_b[1], b + r * n + cols);
    }
    (void)zmq_msg_close(&whole);
    for (size_t j = 0; j < 2; j++) {
        zmq_msg_t half;
        init_view(&half, halves, j == 0 ? left : right, elements);
        send_shared(m->data[j], &half);
        send_message(m->data[2 + j], &half, 0);
    }
}

/* The fifth task goes behind the first of one worker, each in turn. */
static void
send_coded(master *m)
{
    buffer *coded = &m->coded[m->job % BUFFER_SETS];
    const size_t rows = m->setup.chunk_rows, n = m->setup.n, chunks = chunks_of_half(&m->setup);
    void *worker = m->data[m->job % FLOOR_WORKERS];
    for (size_t c = 0; c < chunks; c++) {
        zmq_msg_t frame;
        init_view(&frame, coded, coded->at + c * rows * n, rows * n);
        send_message(worker, &frame, 0);
    }
    for (size_t c = 0; c < 2 * chunks; c++) {
        zmq_msg_t frame;
        init_view(&frame, coded, coded->at + n / 2 * n + c * rows * n / 2, rows * n / 2);
        send_message(worker, &frame, 0);
    }
}

/* Rows of C from the two answers that hold their left and right halves. */
static void
emit(master *m, size_t band, size_t half)
{
    const size_t rows = m->setup.chunk_rows, n = m->setup.n, cols = n / 2;
    const size_t place = half * chunks_of_half(&m->setup) + band;
    buffer *product = &m->product[m->job % BUFFER_SETS];
    double *c = product->at + place * rows * n;
    const double *left = zmq_msg_data(&m->part[band][2 * half]);
    const double *right = zmq_msg_data(&m->part[band][2 * half + 1]);
    for (size_t r = 0; r < rows; r++) {
        memcpy(c + r * n, left + r * cols, cols * sizeof *c);
        memcpy(c + r * n + cols, right + r * cols, cols * sizeof *c);
    }
    const result_head head = {.job = m->job, .band = (uint32_t)place};
    send_bytes(m->client, &head, sizeof head, ZMQ_SNDMORE);
    zmq_msg_t frame;
    init_view(&frame, product, c, rows * n);
    send_message(m->client, &frame, 0);
    m->sent[band][half] = true;
    m->emitted++;
}

/* With the coded band and three of the four, the fourth is known. */
static void
rebuild(master *m, size_t band)
{
    const size_t elements = m->setup.chunk_rows * m->setup.n / 2;
    size_t lost = FLOOR_WORKERS, count = 0;
    for (size_t t = 0; t < FLOOR_WORKERS; t++) {
        count += m->have[band][t];
        lost = m->have[band][t] ? lost : t;
    }
    if (count != FLOOR_WORKERS - 1 || !m->have[band][FLOOR_TASKS - 1])
        return;
    const double own = coded_a[lost / 2] * coded_b[lost % 2];
    zmq_msg_t *into = &m->part[band][lost];
    (void)zmq_msg_close(into);
    if (zmq_msg_init_size(into, elements * sizeof(double)) != 0)
        bench_die("floor: no memory");
    double *c = zmq_msg_data(into);
    memcpy(c, zmq_msg_data(&m->part[band][FLOOR_TASKS - 1]), elements * sizeof *c);
    cblas_dscal((int)elements, 1 / own, c, 1);
    for (size_t t = 0; t < FLOOR_WORKERS; t++)
        if (t != lost)
            cblas_daxpy((int)elements, -coded_a[t / 2] * coded_b[t % 2] / own,
                        zmq_msg_data(&m->part[band][t]), 1, c, 1);
    m->have[band][lost] = true;
}

static void
take_answer(master *m, void *worker)
{
    zmq_msg_t head, data;
    receive(worker, &head);
    receive(worker, &data);
    const result_head h = *(const result_head *)zmq_msg_data(&head);
    (void)zmq_msg_close(&head);
    if (h.job != m->job || m->have[h.band][h.task]) {
        (void)zmq_msg_close(&data); // late
        return;
    }
    (void)zmq_msg_move(&m->part[h.band][h.task], &data);
    m->have[h.band][h.task] = true;
    rebuild(m, h.band);
    for (size_t half = 0; half < 2; half++)
        if (m->have[h.band][2 * half] && m->have[h.band][2 * half + 1] && !m->sent[h.band][half])
            emit(m, h.band, half);
}

static void
collect(master *m)
{
    zmq_pollitem_t items[FLOOR_WORKERS];
    for (size_t w = 0; w < FLOOR_WORKERS; w++)
        items[w] = (zmq_pollitem_t){.socket = m->data[w], .events = ZMQ_POLLIN};
    const size_t wanted = 2 * chunks_of_half(&m->setup);
    while (m->emitted < wanted) {
        if (zmq_poll(items, FLOOR_WORKERS, -1) < 0 && errno != EINTR)
            bench_die("poll: %s", zmq_strerror(errno));
        for (size_t w = 0; w < FLOOR_WORKERS && m->emitted < wanted; w++)
            if (items[w].revents & ZMQ_POLLIN)
                take_answer(m, m->data[w]);
    }
}

static void
clear_job(master *m)
{
    for (size_t b = 0; b < chunks_of_half(&m->setup); b++) {
        for (size_t t = 0; t < FLOOR_TASKS; t++) {
            (void)zmq_msg_close(&m->part[b][t]);
            (void)zmq_msg_init(&m->part[b][t]);
            m->have[b][t] = false;
        }
        m->sent[b][0] = m->sent[b][1] = false;
    }
    m->emitted = 0;
}

static void
serve_job(master *m)
{
    const size_t chunks = chunks_of_half(&m->setup), set = m->job % BUFFER_SETS;
    await_buffer(&m->halves[set]);
    await_buffer(&m->coded[set]);
    await_buffer(&m->product[set]);
    for (size_t c = 0; c < chunks; c++)
        pass_a(m, c);
    for (size_t c = 0; c < 2 * chunks; c++)
        pass_b(m, c);
    if (!m->setup.hold)
        send_coded(m);
    collect(m);
    for (size_t w = 0; w < FLOOR_WORKERS; w++)
        send_bytes(m->control[w], &m->job, sizeof m->job, 0);
    clear_job(m);
}

static void
run_master(const floor_setup *setup)
{
    const size_t n = setup->n, chunks = chunks_of_half(setup);
    master m = {.setup = *setup};
    void *context = new_context();
    char endpoint[ENDPOINT_MAX];
    m.client = bound_socket(context, endpoint);
    puts(endpoint);
    for (size_t w = 0; w < FLOOR_WORKERS; w++) {
        m.data[w] = bound_socket(context, endpoint);
        puts(endpoint);
        m.control[w] = bound_socket(context, endpoint);
        puts(endpoint);
    }
    (void)fflush(stdout);
    for (size_t s = 0; s < BUFFER_SETS; s++) {
        init_buffer(&m.halves[s], n * n);
        init_buffer(&m.coded[s], n * n);
        init_buffer(&m.product[s], n * n);
    }
    m.part = bench_alloc(chunks * sizeof *m.part);
    m.have = bench_alloc(chunks * sizeof *m.have);
    m.sent = bench_alloc(chunks * sizeof *m.sent);
    for (size_t b = 0; b < chunks; b++)
        for (size_t t = 0; t < FLOOR_TASKS; t++)
            (void)zmq_msg_init(&m.part[b][t]);
    for (m.job = 1;; m.job++)
        serve_job(&m);
}

/* ---- worker ---------------------------------------------------------------------------------- */

typedef struct worker {
    floor_setup setup;
    void *data, *control;
    buffer c[BUFFER_SETS];
    size_t tasks_done;
    uint32_t job;       // of the task at hand
    uint32_t cancelled; // the last job that is over
    zmq_msg_t *a;       // [chunks] frames of A
} worker;

static bool
is_cancelled(worker *w)
{
    uint32_t job = 0;
    while (zmq_recv(w->control, &job, sizeof job, ZMQ_DONTWAIT) == sizeof job)
        w->cancelled = job;
    return w->cancelled >= w->job;
}

/* C[band] += A[band][:, chunk] B[chunk]. */
static void
add_product(worker *w, double *c, size_t band, size_t chunk, const double *b)
{
    const size_t rows = w->setup.chunk_rows, n = w->setup.n;
    const double *a = (const double *)zmq_msg_data(&w->a[band]) + chunk * rows;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)(n / 2), (int)rows, 1, a,
                (int)n, b, (int)(n / 2), chunk == 0 ? 0 : 1, c + band * rows * n / 2, (int)(n / 2));
}

static void
answer(worker *w, buffer *c, uint32_t task, size_t band)
{
    const size_t elements = w->setup.chunk_rows * w->setup.n / 2;
    const result_head head = {.job = w->job, .task = task, .band = (uint32_t)band};
    send_bytes(w->data, &head, sizeof head, ZMQ_SNDMORE);
    zmq_msg_t frame;
    init_view(&frame, c, c->at + band * elements, elements);
    send_message(w->data, &frame, 0);
}

/* Frames are taken off the socket in any case; arithmetic stops with the job. */
static void
serve_task(worker *w, uint32_t task)
{
    const size_t chunks = chunks_of_half(&w->setup);
    buffer *c = &w->c[w->tasks_done++ % BUFFER_SETS];
    await_buffer(c);
    for (size_t i = 0; i < chunks; i++)
        receive(w->data, &w->a[i]);
    for (size_t chunk = 0; chunk < 2 * chunks; chunk++) {
        zmq_msg_t b;
        receive(w->data, &b);
        for (size_t band = 0; band < chunks && !is_cancelled(w); band++) {
            add_product(w, c->at, band, chunk, zmq_msg_data(&b));
            if (chunk == 2 * chunks - 1)
                answer(w, c, task, band);
        }
        (void)zmq_msg_close(&b);
    }
    for (size_t i = 0; i < chunks; i++)
        (void)zmq_msg_close(&w->a[i]);
}

static void
run_worker(const floor_setup *setup, const char *data, const char *control, size_t number)
{
    void *context = new_context();
    worker w = {.setup = *setup};
    w.data = connected_socket(context, data);
    w.control = connected_socket(context, control);
    w.a = bench_alloc(chunks_of_half(setup) * sizeof *w.a);
    for (size_t s = 0; s < BUFFER_SETS; s++)
        init_buffer(&w.c[s], setup->n / 2 * setup->n / 2);
    for (w.job = 1;; w.job++) {
        serve_task(&w, (uint32_t)number);
        if (!setup->hold && w.job % FLOOR_WORKERS == number)
            serve_task(&w, FLOOR_TASKS - 1);
    }
}

void
floor_main(int argc, char **argv)
{
    if (argc < 5 || strncmp(argv[1], "--floor-", 8) != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // whatever becomes of the client
    const floor_setup setup = {.n = strtoul(argv[2], NULL, 10),
                               .chunk_rows = strtoul(argv[3], NULL, 10),
                               .hold = argv[4][0] == '1'};
    if (strcmp(argv[1], "--floor-master") == 0)
        run_master(&setup);
    else if (argc == 8)
        run_worker(&setup, argv[5], argv[7], strtoul(argv[6], NULL, 10));
    bench_die("floor: odd command line");
}
