#include "tests/faults/crowd.h"

#include "client/kofn.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALL_MS = 120000, ELEMENT_MAX = 9 };

typedef struct shape {
    size_t rows, inner, cols;
} shape;

/* What is larger than 64 KiB is a file in a store (store.h). */
static const shape small = {8, 8, 8}, deep = {8, 1032, 8}, wide = {96, 8, 96};

enum { MATRIX_MAX = 8 * 1032 }; // elements of any operand of these

typedef struct out_job {
    char name[KOFN_CLIENT_JOB_MAX];
    uint64_t id;
} out_job;

typedef struct operand { // that a client has stored, or had
    char name[KOFN_CLIENT_JOB_MAX];
    uint64_t id;
    bool stored;
    const shape *of; // its products
    double at[MATRIX_MAX];
} operand;

typedef struct member {
    crowd *of;
    size_t number;
    pthread_t thread;
    kofn_client *client;
    kofn_rng rng;
    out_job out[CROWD_OUT_MAX]; // a ring
    size_t first, count;
    operand a;
} member;

struct crowd {
    crowd_wish wish;
    char endpoint[256];
    history *history;
    atomic_bool stop;
    atomic_size_t orders, accepted, settled, put_off, troubles;
    member members[CROWD_MAX];
};

static void
give_up(const char *why)
{
    (void)fprintf(stderr, "crowd: %s\n", why);
    exit(1);
}

static void
note(const crowd *c, history_kind kind, uint64_t job)
{
    history_note(c->history, (history_event){.kind = kind, .job = job, .at_ns = kofn_clock_ns()});
}

static void
note_operand(const crowd *c, history_kind kind, uint64_t id)
{
    history_note(c->history,
                 (history_event){.kind = kind, .operand = id, .at_ns = kofn_clock_ns()});
}

static void
trouble(crowd *c, const char *what, const kofn_error *why)
{
    if (atomic_fetch_add(&c->troubles, 1) < 10)
        (void)fprintf(stderr, "crowd: %s: %s: %s\n", what, kofn_status_name(why->status),
                      why->text);
}

/* ---- products of small whole numbers: rounding hides nothing --------------------------------- */

static void
fill(kofn_rng *rng, double *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        at[i] = (double)(kofn_rng_u64(rng) % (2 * ELEMENT_MAX + 1)) - ELEMENT_MAX;
}

/* Over the elements as whole numbers. */
static uint64_t
digest_add(uint64_t digest, double element)
{
    return kofn_hash_word(digest, (uint64_t)llround(element));
}

static uint64_t
digest_begin(size_t rows, size_t cols)
{
    return digest_add(digest_add(KOFN_HASH_START, (double)rows), (double)cols);
}

static uint64_t
digest_product(const shape *of, const double *a, const double *b)
{
    uint64_t digest = digest_begin(of->rows, of->cols);
    for (size_t i = 0; i < of->rows; i++)
        for (size_t j = 0; j < of->cols; j++) {
            double sum = 0;
            for (size_t k = 0; k < of->inner; k++)
                sum += a[i * of->inner + k] * b[k * of->cols + j];
            digest = digest_add(digest, sum);
        }
    return digest;
}

/* 0, which no product has, for what is not near whole numbers. */
static uint64_t
digest_result(kofn_result *result)
{
    kofn_matrix c;
    if (kofn_result_get_matrix(result, &c, NULL) != KOFN_OK)
        return 0;
    uint64_t digest = digest_begin(c.rows, c.cols);
    for (size_t i = 0; i < c.rows * c.cols; i++) {
        const double at = ((const double *)c.data)[i / c.cols * c.stride + i % c.cols];
        if (!(fabs(at - nearbyint(at)) < 1e-6)) // any code's rounding is far below that here
            return 0;
        digest = digest_add(digest, at);
    }
    return digest;
}

/* ---- what a client does ---------------------------------------------------------------------- */

static bool
count_put_off(void *context, const kofn_account *account)
{
    crowd *c = context;
    if (strcmp(account->state, "put off") == 0)
        atomic_fetch_add(&c->put_off, 1);
    return true;
}

static void
note_account(const crowd *c, uint64_t job, const kofn_account *account)
{
    static const struct {
        const char *state;
        history_kind kind;
    } ends[] = {
        {"done", HISTORY_DONE}, {"failed", HISTORY_FAILED}, {"cancelled", HISTORY_CANCELLED}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(account->state, ends[i].state) == 0) {
            note(c, ends[i].kind, job);
            return;
        }
    note(c, HISTORY_RUNS, job);
}

static void
look_at(member *m, const out_job *job)
{
    kofn_account account;
    kofn_error error;
    if (kofn_client_get_job(m->client, job->name, &account, &error) == KOFN_OK)
        note_account(m->of, job->id, &account);
    else
        trouble(m->of, "get_job", &error);
}

static void
cancel(member *m, const out_job *job)
{
    kofn_account account;
    kofn_error error;
    note(m->of, HISTORY_CANCEL, job->id);
    if (kofn_client_cancel(m->client, job->name, &account, &error) == KOFN_OK)
        note_account(m->of, job->id, &account);
    else
        trouble(m->of, "cancel", &error);
}

static void
put_operand(member *m)
{
    operand *a = &m->a;
    kofn_error error;
    a->of = kofn_rng_unit(&m->rng) < m->of->wish.large ? &deep : &small;
    fill(&m->rng, a->at, a->of->rows * a->of->inner);
    const kofn_matrix view = {
        .data = a->at, .dtype = KOFN_F64, .rows = a->of->rows, .cols = a->of->inner};
    if (kofn_client_put(m->client, &view, NULL, a->name, &error) != KOFN_OK) {
        trouble(m->of, "put", &error);
        return;
    }
    a->stored = true;
    a->id = strtoull(a->name, NULL, 16);
    note_operand(m->of, HISTORY_STORED, a->id);
}

/* The call is repeated when its reply was lost, and what it did before is not found then. */
static void
drop_operand(member *m)
{
    kofn_error error;
    m->a.stored = false;
    note_operand(m->of, HISTORY_DROP, m->a.id);
    const kofn_status status = kofn_client_drop(m->client, m->a.name, &error);
    if (status == KOFN_OK || status == KOFN_NOT_FOUND)
        note_operand(m->of, HISTORY_DROPPED, m->a.id);
    else
        trouble(m->of, "drop", &error);
}

/* C := A B of this shape. With `a` NULL, A is the stored operand, which may be gone. */
static void
submit(member *m, const shape *of, const double *a)
{
    crowd *c = m->of;
    double b[MATRIX_MAX];
    fill(&m->rng, b, of->inner * of->cols);
    const kofn_matrix sent = {.data = a, .dtype = KOFN_F64, .rows = of->rows, .cols = of->inner},
                      named = {.operand = m->a.name},
                      right = {.data = b, .dtype = KOFN_F64, .rows = of->inner, .cols = of->cols};
    const size_t order = atomic_fetch_add(&c->orders, 1);
    out_job *job = &m->out[(m->first + m->count) % CROWD_OUT_MAX];
    kofn_error error;
    const kofn_product_options options = {.progress = count_put_off, .context = c};
    history_note(c->history, (history_event){.kind = HISTORY_SUBMIT,
                                             .order = order,
                                             .operand = a ? 0 : m->a.id,
                                             .digest = digest_product(of, a ? a : m->a.at, b),
                                             .at_ns = kofn_clock_ns()});
    const kofn_status status =
        kofn_client_submit(m->client, a ? &sent : &named, &right, &options, job->name, &error);
    if (status == KOFN_NOT_FOUND && !a) {
        history_note(c->history, (history_event){.kind = HISTORY_REFUSED,
                                                 .order = order,
                                                 .operand = m->a.id,
                                                 .at_ns = kofn_clock_ns()});
        return;
    }
    if (status != KOFN_OK) {
        trouble(c, "submit", &error);
        return; // maybe accepted, maybe not: nothing is promised
    }
    job->id = strtoull(job->name, NULL, 16);
    history_note(c->history, (history_event){.kind = HISTORY_ACCEPTED,
                                             .order = order,
                                             .job = job->id,
                                             .at_ns = kofn_clock_ns()});
    m->count++;
    atomic_fetch_add(&c->accepted, 1);
    if (kofn_rng_unit(&m->rng) < c->wish.cancels)
        cancel(m, job);
}

static void
submit_sent(member *m)
{
    double a[MATRIX_MAX];
    const shape *of = &small;
    if (kofn_rng_unit(&m->rng) < m->of->wish.large)
        of = kofn_rng_unit(&m->rng) < 0.5 ? &deep : &wide;
    fill(&m->rng, a, of->rows * of->inner);
    submit(m, of, a);
}

static void
submit_named(member *m)
{
    if (!m->a.stored)
        put_operand(m);
    if (!m->a.stored)
        return;
    submit(m, m->a.of, NULL);
    if (kofn_rng_unit(&m->rng) < 0.7)
        return;
    drop_operand(m); // while the job is out, which may be about to end
    if (kofn_rng_unit(&m->rng) < 0.5)
        submit(m, m->a.of, NULL);
}

static void
submit_one(member *m)
{
    if (kofn_rng_unit(&m->rng) < m->of->wish.named)
        submit_named(m);
    else
        submit_sent(m);
}

/* To its end. A cancelled one says so. */
static void
fetch(member *m, const out_job *job)
{
    crowd *c = m->of;
    kofn_result *result = NULL;
    kofn_error error;
    const kofn_wait_options options = {.timeout_ms = CALL_MS};
    const kofn_status status = kofn_client_wait(m->client, job->name, &options, &result, &error);
    if (status == KOFN_OK)
        history_note(c->history, (history_event){.kind = HISTORY_RESULT,
                                                 .job = job->id,
                                                 .digest = digest_result(result),
                                                 .at_ns = kofn_clock_ns()});
    else if (status != KOFN_CANCELLED)
        trouble(c, "wait", &error);
    kofn_result_destroy(&result);
    if (c->wish.last_looks || status == KOFN_CANCELLED)
        look_at(m, job);
    atomic_fetch_add(&c->settled, 1);
}

static void
settle_oldest(member *m)
{
    const crowd_wish *wish = &m->of->wish;
    const out_job job = m->out[m->first];
    m->first = (m->first + 1) % CROWD_OUT_MAX;
    m->count--;
    if (kofn_rng_unit(&m->rng) < wish->looks)
        look_at(m, &job);
    fetch(m, &job);
}

static void *
live(void *arg)
{
    member *m = arg;
    const crowd_wish *wish = &m->of->wish;
    const struct timespec pause = {.tv_sec = wish->pause_ns / KOFN_NS_PER_S,
                                   .tv_nsec = wish->pause_ns % KOFN_NS_PER_S};
    while (!atomic_load(&m->of->stop)) {
        submit_one(m);
        while (m->count >= wish->out)
            settle_oldest(m);
        if (wish->pause_ns > 0)
            (void)nanosleep(&pause, NULL); // the load, not a wait for something
    }
    while (m->count > 0)
        settle_oldest(m);
    return NULL;
}

/* ---- the crowd ------------------------------------------------------------------------------- */

static kofn_client *
open_client(const char *endpoint)
{
    kofn_client *client = NULL;
    kofn_error error;
    const kofn_client_options options = {.endpoint = endpoint,
                                         .patience_ms = CALL_MS,
                                         .away_ms = CALL_MS,
                                         .insist = true,
                                         .backoff_ms = 20,
                                         .backoff_max_ms = 200,
                                         .keep_bytes = 1 << 20};
    if (kofn_client_open(&options, &client, &error) != KOFN_OK)
        give_up(error.text);
    return client;
}

crowd *
crowd_start(const crowd_wish *wish, history *h)
{
    crowd *c = calloc(1, sizeof *c);
    if (!c || wish->clients > CROWD_MAX || wish->out >= CROWD_OUT_MAX || wish->out == 0)
        give_up("no memory, or more than there is room for");
    c->wish = *wish;
    (void)snprintf(c->endpoint, sizeof c->endpoint, "%s", wish->endpoint);
    c->history = h;
    atomic_store(&c->orders, wish->first_order);
    for (size_t i = 0; i < wish->clients; i++) {
        member *m = &c->members[i];
        *m = (member){.of = c, .number = i, .client = open_client(c->endpoint)};
        kofn_rng_init(&m->rng, wish->seed, i);
        if (pthread_create(&m->thread, NULL, live, m) != 0)
            give_up("no thread");
    }
    return c;
}

crowd_count
crowd_look(const crowd *c)
{
    return (crowd_count){.accepted = atomic_load(&c->accepted),
                         .settled = atomic_load(&c->settled),
                         .put_off = atomic_load(&c->put_off),
                         .troubles = atomic_load(&c->troubles)};
}

crowd_count
crowd_stop(crowd **c_p)
{
    crowd *c = *c_p;
    *c_p = NULL;
    atomic_store(&c->stop, true);
    for (size_t i = 0; i < c->wish.clients; i++) {
        (void)pthread_join(c->members[i].thread, NULL);
        kofn_client_close(&c->members[i].client);
    }
    const crowd_count count = crowd_look(c);
    free(c);
    return count;
}

static void
list_jobs(kofn_client *client, history *h)
{
    kofn_account *jobs = NULL;
    size_t count = 0;
    kofn_error error;
    if (kofn_client_list_jobs(client, KOFN_JOBS_LISTED_MAX, &jobs, &count, &error) != KOFN_OK)
        give_up(error.text);
    for (size_t i = 0; i < count; i++)
        history_note(h, (history_event){.kind = HISTORY_LISTED,
                                        .job = strtoull(jobs[i].job, NULL, 16),
                                        .at_ns = kofn_clock_ns()});
    free(jobs);
}

static void
list_operands(kofn_client *client, history *h)
{
    kofn_operand_info *operands = NULL;
    size_t count = 0;
    kofn_error error;
    if (kofn_client_list_operands(client, &operands, &count, &error) != KOFN_OK)
        give_up(error.text);
    history_note(h, (history_event){.kind = HISTORY_OPERANDS, .at_ns = kofn_clock_ns()});
    for (size_t i = 0; i < count; i++)
        history_note(h, (history_event){.kind = HISTORY_HELD,
                                        .operand = strtoull(operands[i].operand, NULL, 16),
                                        .at_ns = kofn_clock_ns()});
    free(operands);
}

void
crowd_list(const char *endpoint, history *h)
{
    kofn_client *client = open_client(endpoint);
    list_jobs(client, h);
    list_operands(client, h);
    kofn_client_close(&client);
}
