/* Any records in a store, and a master that begins with them: it takes them up or says that they
 * are lost, keeps to its memory, tells whoever asks, and lets go of all in the end.
 *
 *     input -> records   [kind, state] [owner, deadline, matrices] [body's length, 2] [body]
 *                        and for each matrix [slot, dtype] [rows] [columns] [every element]
 *
 * The store, its digests and the master are real; what is wrong is what the bodies and the shapes
 * say. Record i has the id i + 1, 16 digits in texts. A worker that takes tasks and never answers
 * has open jobs read their operands and encode them. What comes out as a product is what the store
 * had: of the shape that the account tells, each element as it was put. */
#include "common/base/clock.h"
#include "master/keep.h"
#include "proto/block.h"
#include "proto/link/link.h"
#include "tests/fuzz/fuzz_master.h"

#include <ftw.h>
#include <poll.h>
#include <string.h>

enum { RECORDS_MAX = 6, MATRICES_MAX = 7, SIDE_MAX = 32, MEMORY = 8 << 20, ROUNDS = 40 };

/* A record as it was put. */
typedef struct put {
    bool there;
    kofn_store_request request;
    kofn_mat mat[MATRICES_MAX];
    kofn_bands bands[MATRICES_MAX];
    size_t count;
    uint8_t fill[KOFN_STORE_SLOTS];
    uint8_t *body;
} put;

typedef struct stage {
    fuzz_source from;
    char folder[64];
    put puts[RECORDS_MAX];
    size_t count;
    void *context;
    kofn_master_config config;
    kofn_master *master;
    void *client, *worker;
    kofn_inbound in;
    size_t replies;
} stage;

/* ---- records --------------------------------------------------------------------------------- */

static void
take_matrix(stage *s, put *p)
{
    const unsigned what = next_byte(&s->from);
    const unsigned slot = (what & 15) % (KOFN_KEEP_PRODUCT_SLOT + 1);
    const kofn_dtype dtype = (kofn_dtype)(1 + (what >> 4) % KOFN_I64);
    const size_t rows = next_byte(&s->from) % SIDE_MAX, cols = next_byte(&s->from) % SIDE_MAX;
    const unsigned fill = next_byte(&s->from);
    size_t bytes;
    for (size_t i = 0; i < p->count; i++)
        if (p->request.matrices[i].slot == slot)
            return;
    insist(kofn_mat_bytes(dtype, rows, cols, &bytes, NULL) == KOFN_OK);
    void *elements = malloc(bytes + 1);
    insist(elements != NULL);
    memset(elements, (int)fill, bytes);
    p->fill[slot] = (uint8_t)fill;
    p->mat[p->count] = kofn_mat_wrap(elements, dtype, rows, cols);
    insist(kofn_bands_from_mat(&p->mat[p->count], &p->bands[p->count], NULL) == KOFN_OK);
    p->request.matrices[p->count] = (kofn_store_matrix){.slot = slot, .bands = &p->bands[p->count]};
    p->count++;
}

static void
take_body(stage *s, put *p)
{
    size_t length = next_byte(&s->from);
    length |= (size_t)next_byte(&s->from) << 8;
    const uint8_t *bytes = next_bytes(&s->from, &length);
    p->body = malloc(length + 1); // ASan looks on
    insist(p->body != NULL);
    if (length > 0)
        memcpy(p->body, bytes, length);
    p->request.record.body = p->body;
    p->request.record.body_bytes = length;
}

static void
note_done(kofn_store_request *request)
{
    ((put *)request->context)->there = true;
}

static void
take_record(stage *s)
{
    put *p = &s->puts[s->count++];
    const unsigned what = next_byte(&s->from), more = next_byte(&s->from);
    kofn_store_record *record = &p->request.record;
    record->kind = what & 1 ? KOFN_STORE_OPERAND : KOFN_STORE_JOB;
    record->state = what >> 1;
    record->id = s->count;
    record->created_ms = record->ended_ms = kofn_unix_ms();
    if (more & 1)
        (void)snprintf(record->owner, sizeof record->owner, "%s", "somebody else");
    if (more & 2)
        (void)snprintf(record->key, sizeof record->key, "%s", "key");
    if (more & 4)
        record->deadline_ms = record->created_ms + (more & 8 ? 1 : 1000000);
    if (more & 16)
        record->created_ms = INT64_MIN, record->ended_ms = INT64_MAX;
    take_body(s, p);
    for (size_t i = 0; i < (more >> 5) && i < MATRICES_MAX; i++)
        take_matrix(s, p);
    p->request.verb = KOFN_STORE_PUT;
    p->request.is_new = true;
    p->request.matrix_count = p->count;
    p->request.done = note_done;
    p->request.context = p;
}

/* ---- the store ------------------------------------------------------------------------------- */

static void
fill_store(stage *s)
{
    kofn_pool *pool = NULL;
    kofn_store *store = NULL;
    const kofn_store_params params = {.folder = s->folder, .helpers = 1};
    kofn_store_params with_pool = params;
    insist(kofn_pool_new(1 << 20, &pool, NULL) == KOFN_OK);
    with_pool.pool = pool;
    insist(kofn_store_open(&with_pool, &store, NULL) == KOFN_OK);
    while (s->count < RECORDS_MAX && s->from.left > 0)
        take_record(s);
    for (size_t i = 0; i < s->count; i++)
        kofn_store_submit(store, &s->puts[i].request);
    kofn_store_close(&store);
    kofn_pool_destroy(&pool);
    for (size_t i = 0; i < s->count; i++)
        insist(s->puts[i].there && s->puts[i].request.error.status == KOFN_OK);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void
drop_puts(stage *s)
{
    for (size_t i = 0; i < s->count; i++) {
        put *p = &s->puts[i];
        for (size_t m = 0; m < p->count; m++) {
            kofn_bands_fini(&p->bands[m]);
            free(p->mat[m].data);
        }
        free(p->body);
    }
    (void)nftw(s->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the master ------------------------------------------------------------------------------ */

static void
open_master(stage *s)
{
    kofn_log log;
    kofn_error error = {0};
    insist(kofn_master_config_load(NULL, &s->config, NULL) == KOFN_OK);
    (void)snprintf(s->config.workers, sizeof s->config.workers, "inproc://workers");
    (void)snprintf(s->config.clients, sizeof s->config.clients, "inproc://clients");
    (void)snprintf(s->config.store, sizeof s->config.store, "%s", s->folder);
    s->config.durability = KOFN_DURABILITY_NONE;
    s->config.memory = MEMORY;
    s->config.window = 1 << 20;
    s->config.compute_threads = 1;
    /* KOFN_FUZZ_SAY shows what the master says of an input. */
    kofn_log_init(&log, getenv("KOFN_FUZZ_SAY") ? KOFN_LOG_DEBUG : KOFN_LOG_ERROR,
                  getenv("KOFN_FUZZ_SAY") ? STDERR_FILENO : -1);
    s->context = zmq_ctx_new();
    if (kofn_master_new(s->context, &s->config, log, NULL, &s->master, &error) != KOFN_OK) {
        fprintf(stderr, "%s\n", error.text);
        insist(!"a master begins with whatever records there are");
    }
    s->client = connect_peer(s->context, s->config.clients);
    s->worker = connect_peer(s->context, s->config.workers);
}

static void
close_stage(stage *s)
{
    kofn_inbound_fini(&s->in);
    insist(zmq_close(s->client) == 0 && zmq_close(s->worker) == 0);
    close_master(&s->master, s->context);
}

/* ---- what it is asked ------------------------------------------------------------------------ */

static void
say(void *socket, const kofn_wire_message *of, const void *message, bool delimited)
{
    kofn_wire_buffer packed = {0};
    insist(kofn_message_pack(of, message, &packed, NULL) == KOFN_OK);
    if (delimited)
        insist(zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE) == 0);
    insist(zmq_send(socket, packed.at, packed.length, ZMQ_DONTWAIT) >= 0);
    kofn_wire_buffer_fini(&packed);
}

static void
call(stage *s, uint64_t number, const char *method, const kofn_wire_message *of, const void *body)
{
    kofn_wire_buffer packed = {0};
    kofn_msg_call message = {.version = KOFN_PROTOCOL_VERSION, .call = number, .window = 1 << 20};
    insist(kofn_message_pack(of, body, &packed, NULL) == KOFN_OK);
    (void)snprintf(message.method, sizeof message.method, "%s", method);
    message.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    say(s->client, &kofn_call_message, &message, true);
    kofn_wire_buffer_fini(&packed);
}

/* GetJob and Wait for each record; the call's number says which. */
static void
ask(stage *s)
{
    kofn_msg_hello hello = {.version = KOFN_PROTOCOL_VERSION, .credit = 8, .window = 1 << 20};
    (void)snprintf(hello.name, sizeof hello.name, "w");
    (void)snprintf(hello.fields, sizeof hello.fields, "f64,f32,gf256,gfp");
    hello.cores = 1;
    say(s->worker, &kofn_hello_message, &hello, false);
    for (size_t i = 0; i < s->count; i++) {
        kofn_msg_job_ref job = {0};
        (void)snprintf(job.job, sizeof job.job, "%016zx", i + 1);
        call(s, 2 * i, "kofn.v1.Master/GetJob", &kofn_job_ref_message, &job);
        call(s, 2 * i + 1, "kofn.v1.Master/Wait", &kofn_job_ref_message, &job);
    }
    const kofn_msg_nothing nothing = {0};
    call(s, 2 * s->count, "kofn.v1.Master/ListOperands", &kofn_nothing_message, &nothing);
}

/* The blocks of a product: as they were put, and as many as the reply says. */
static void
check_product(const stage *s, const put *p, const kofn_msg_matrix *c, bool more)
{
    const kofn_dtype dtype = kofn_dtype_parse(c->dtype);
    size_t rows = 0;
    for (size_t i = 0; i < s->in.count; i++) {
        kofn_band band = {0};
        insist(kofn_block_parse(s->in.blocks[i], &band, NULL) == KOFN_OK);
        insist(band.mat.dtype == dtype && band.mat.cols == c->cols);
        const uint8_t *at = band.mat.data;
        const size_t bytes = band.mat.rows * band.mat.cols * kofn_dtype_width(dtype);
        for (size_t b = 0; b < bytes; b++)
            insist(at[b] == p->fill[KOFN_KEEP_PRODUCT_SLOT]);
        rows += band.mat.rows;
        kofn_mat_fini(&band.mat);
    }
    insist(more || rows == c->rows);
}

/* What goes on, from whatever a record says, is a job that could have been ordered. */
static void
check_reopened(const kofn_msg_job *job)
{
    const bool done = strcmp(job->state, "done") == 0;
    const bool over =
        done || strcmp(job->state, "failed") == 0 || strcmp(job->state, "cancelled") == 0;
    const bool blocked =
        strcmp(job->state, "blocked") == 0; // another master may know what it means
    size_t bytes;
    insist(over || blocked || strcmp(job->state, "queued") == 0 ||
           strcmp(job->state, "storing") == 0 || strcmp(job->state, "running") == 0 ||
           strcmp(job->state, "decoding") == 0);
    insist(job->status <= KOFN_UNAUTHENTICATED && (!over || (job->status == KOFN_OK) == done));
    if (over || blocked)
        return;
    insist(kofn_master_policy_check(job->policy, NULL) == KOFN_OK);
    insist(kofn_mat_bytes(KOFN_F64, job->rows, job->cols, &bytes, NULL) == KOFN_OK);
    insist(kofn_mat_bytes(KOFN_F64, job->rows, job->inner, &bytes, NULL) == KOFN_OK);
    insist(job->code.tasks <= KOFN_TASKS_MAX && job->code.reserve <= KOFN_TASKS_MAX);
    insist(job->code.x <= KOFN_TASKS_MAX && job->code.z <= KOFN_COLUMNS_MAX &&
           job->code.y <= KOFN_TASKS_MAX);
    insist(job->progress >= 0 && job->progress <= 1);
    insist(job->durable);
}

static void
check_outcome(const stage *s, const kofn_msg_reply *reply)
{
    const put *p = &s->puts[reply->call / 2];
    const kofn_store_record *record = &p->request.record;
    kofn_msg_outcome outcome;
    insist(record->kind == KOFN_STORE_JOB);
    insist(kofn_message_unpack(&kofn_outcome_message, reply->body.bytes, reply->body.length,
                               &outcome, NULL) == KOFN_OK);
    insist(strtoull(outcome.job.id, NULL, 16) == record->id);
    check_reopened(&outcome.job);
    if (reply->call & 1) { // Wait, and all is well: there is a product, and it is this job's
        insist(strcmp(outcome.job.state, "done") == 0 && outcome.job.status == KOFN_OK);
        if (outcome.c.dtype[0]) { // else: it was fetched before
            insist(outcome.job.rows == outcome.c.rows && outcome.job.cols == outcome.c.cols);
            check_product(s, p, &outcome.c, reply->more);
        }
    }
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
hear_reply(stage *s, const void *bytes, size_t length)
{
    kofn_msg_reply reply;
    insist(kofn_message_unpack(&kofn_reply_message, bytes, length, &reply, NULL) == KOFN_OK);
    s->replies++;
    if (reply.status != KOFN_OK)
        insist(reply.message[0] && reply.status <= KOFN_UNAUTHENTICATED);
    else if (reply.call < 2 * s->count)
        check_outcome(s, &reply);
}

static void
hear(stage *s, void *socket, kofn_link_kind kind)
{
    bool got;
    while (kofn_inbound_recv(socket, kind, &s->in, &got, NULL) == KOFN_OK && got) {
        const void *bytes = kofn_buf_get_data(s->in.head);
        const size_t length = kofn_buf_get_size(s->in.head);
        char type[KOFN_NAME_MAX];
        insist(kofn_message_peek(bytes, length, "type", type, sizeof type, NULL) == KOFN_OK);
        insist(kofn_envelope_find(type) != NULL);
        if (strcmp(type, "reply") == 0)
            hear_reply(s, bytes, length);
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void
turn(stage *s)
{
    kofn_jobs_totals totals;
    run_loop(s->master);
    hear(s, s->client, KOFN_LINK_CLIENT);
    hear(s, s->worker, KOFN_LINK_WORKER);
    kofn_jobs_get_totals(s->master->jobs, &totals);
    insist(totals.memory <= MEMORY);
}

static void
pass_time(stage *s, int64_t ahead_ns)
{
    const int64_t now_ns = kofn_clock_ns() + ahead_ns;
    tick_at(s->master, now_ns);
}

/* Jobs that run wait for the worker for ever: a few rounds are enough for all else. */
static bool
is_idle(const stage *s)
{
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(s->master->jobs, &totals);
    return s->replies == 2 * s->count + 1 && totals.queued + totals.running == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    stage *s = calloc(1, sizeof *s);
    insist(s != NULL);
    s->from = (fuzz_source){data, length};
    (void)snprintf(s->folder, sizeof s->folder, "%s/kofn-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    insist(mkdtemp(s->folder) != NULL);
    fill_store(s);
    open_master(s);
    ask(s);
    for (size_t i = 0; i < ROUNDS && !is_idle(s); i++)
        turn(s);
    pass_time(s, 3600 * KOFN_NS_PER_S);
    turn(s);
    close_stage(s);
    drop_puts(s);
    free(s);
    return 0;
}
