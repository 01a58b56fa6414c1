#include "master/keepers.h"
#include "common/base/map.h"
#include "master/integers.h"
#include "master/jobs.h"
#include "master/tags.h"

#include <stdlib.h>

enum {
    BATCH = 64,                 // settlements in a message
    BATCH_BYTES = 256 << 10,    // of answers that wait to be settled
    BLOCK_BYTES_MIN = 16 << 10, // a smaller block is sent as fast as it is named
    HINTS_MAX = 8               // workers that one task is said to be at home with
};

typedef struct offer { // an answer that waits for its job to run
    kofn_msg_held held;
    TAILQ_ENTRY(offer) of_keeper;
} offer;

typedef struct keeper { // a worker
    uint64_t worker;
    TAILQ_HEAD(, offer) offers;
    kofn_msg_settlement batch[BATCH];
    size_t batch_count, batch_bytes;
    TAILQ_ENTRY(keeper) of_all;
} keeper;

typedef struct debt { // an answer to be settled when its job ends
    uint64_t worker;
    kofn_msg_settlement answer;
    size_t bytes;
    struct debt *next;
} debt;

typedef struct account { // of a job
    uint64_t job;
    debt *debts;
} account;

struct kofn_keepers {
    kofn_master *master;
    const kofn_keepers_fleet *fleet;
    kofn_holdings *holdings;
    kofn_map by_worker; // of keeper
    TAILQ_HEAD(, keeper) all;
    kofn_map accounts; // by job
    size_t offers;
};

/* ---- life ------------------------------------------------------------------------------------ */

kofn_status
kofn_keepers_new(kofn_master *master, const kofn_keepers_fleet *fleet, kofn_keepers **ret_keepers,
                 kofn_error *err)
{
    kofn_keepers *keepers = calloc(1, sizeof *keepers);
    if (!keepers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for what workers keep");
    const kofn_status status = kofn_holdings_new(&keepers->holdings, err);
    if (status) {
        free(keepers);
        return status;
    }
    keepers->master = master;
    keepers->fleet = fleet;
    TAILQ_INIT(&keepers->all);
    *ret_keepers = keepers;
    return KOFN_OK;
}

static void
drop_offer(kofn_keepers *keepers, keeper *k, offer *o)
{
    TAILQ_REMOVE(&k->offers, o, of_keeper);
    keepers->offers--;
    free(o);
}

static void
destroy_keeper(kofn_keepers *keepers, keeper *k)
{
    while (!TAILQ_EMPTY(&k->offers))
        drop_offer(keepers, k, TAILQ_FIRST(&k->offers));
    TAILQ_REMOVE(&keepers->all, k, of_all);
    (void)kofn_map_remove(&keepers->by_worker, k->worker); // it is at hand
    free(k);
}

static void
destroy_account(kofn_keepers *keepers, account *a)
{
    (void)kofn_map_remove(&keepers->accounts, a->job);
    while (a->debts) {
        debt *d = a->debts;
        a->debts = d->next;
        free(d);
    }
    free(a);
}

void
kofn_keepers_destroy(kofn_keepers **keepers_p)
{
    kofn_keepers *keepers = *keepers_p;
    if (!keepers)
        return;
    while (!TAILQ_EMPTY(&keepers->all))
        destroy_keeper(keepers, TAILQ_FIRST(&keepers->all));
    size_t cursor = 0;
    for (account *a; (a = kofn_map_next(&keepers->accounts, &cursor)); cursor = 0)
        destroy_account(keepers, a);
    kofn_map_fini(&keepers->by_worker);
    kofn_map_fini(&keepers->accounts);
    kofn_holdings_destroy(&keepers->holdings);
    free(keepers);
    *keepers_p = NULL;
}

kofn_holdings *
kofn_keepers_get_holdings(kofn_keepers *keepers)
{
    return keepers->holdings;
}

/* ---- settling -------------------------------------------------------------------------------- */

static void
flush(kofn_keepers *keepers, keeper *k)
{
    if (k->batch_count == 0)
        return;
    const kofn_msg_settled message = {.answers = {.at = k->batch, .count = k->batch_count}};
    k->batch_count = k->batch_bytes = 0;
    keepers->fleet->settle(keepers->master->fleet, k->worker, &message);
}

void
kofn_keepers_flush(kofn_keepers *keepers)
{
    keeper *k, *next;
    for (k = TAILQ_FIRST(&keepers->all); k; k = next) {
        next = TAILQ_NEXT(k, of_all);
        flush(keepers, k);
    }
}

static void
settle(kofn_keepers *keepers, uint64_t worker, kofn_msg_settlement answer, size_t bytes)
{
    keeper *k = kofn_map_find(&keepers->by_worker, worker);
    if (!k) // it is lost, and will ask again when it comes back
        return;
    k->batch[k->batch_count++] = answer;
    k->batch_bytes += bytes;
    if (k->batch_count == BATCH || k->batch_bytes >= BATCH_BYTES)
        flush(keepers, k);
}

void
kofn_keepers_settle(kofn_keepers *keepers, uint64_t worker, uint64_t assignment, size_t bytes)
{
    settle(keepers, worker,
           (kofn_msg_settlement){.assignment = assignment, .epoch = keepers->master->epoch}, bytes);
}

/* Would another life of this master take the job up again, and need its answers? */
static bool
outlives_master(const kofn_job *job)
{
    return kofn_job_get_whole(job)->durable;
}

/* Short of memory it is settled: then it is computed again if it must be. */
static bool
note_debt(kofn_keepers *keepers, uint64_t id, const debt *owed)
{
    account *a = kofn_map_find(&keepers->accounts, id);
    debt *d = malloc(sizeof *d);
    if (d && !a) {
        a = calloc(1, sizeof *a);
        if (a && kofn_map_put(&keepers->accounts, id, a, NULL) != KOFN_OK) {
            free(a);
            a = NULL;
        }
    }
    if (!d || !a) {
        free(d);
        return false;
    }
    a->job = id;
    *d = *owed;
    d->next = a->debts;
    a->debts = d;
    return true;
}

static void
owe(kofn_keepers *keepers, const kofn_job *job, const debt *owed)
{
    const uint64_t id = kofn_job_get_whole(job)->id;
    if (!outlives_master(job) || !note_debt(keepers, id, owed))
        settle(keepers, owed->worker, owed->answer, owed->bytes);
}

void
kofn_keepers_owe(kofn_keepers *keepers, uint64_t worker, uint64_t assignment, const kofn_job *job,
                 size_t bytes)
{
    owe(keepers, job,
        &(debt){.worker = worker,
                .answer = {.assignment = assignment, .epoch = keepers->master->epoch},
                .bytes = bytes});
}

static void
pay(kofn_keepers *keepers, uint64_t job)
{
    account *a = kofn_map_find(&keepers->accounts, job);
    if (!a)
        return;
    for (const debt *d = a->debts; d; d = d->next)
        settle(keepers, d->worker, d->answer, d->bytes);
    destroy_account(keepers, a);
}

/* ---- offers ---------------------------------------------------------------------------------- */

static bool
is_answer_of(const kofn_job *job, const kofn_msg_held *held)
{
    char tag[KOFN_TAG_MAX];
    if (job->state != KOFN_JOB_RUNNING || held->task >= job->code->tasks)
        return false;
    kofn_tag_answer(job, held->task, tag);
    return strcmp(tag, held->answer) == 0;
}

/* The job that has a task with this answer: itself, or a part. NULL: none. *ret_later: one may have
 * it that does not run yet. */
static kofn_job *
find_run(kofn_job *job, const kofn_msg_held *held, bool *ret_later)
{
    if (!job->parts) {
        *ret_later = job->state < KOFN_JOB_RUNNING;
        return is_answer_of(job, held) ? job : NULL;
    }
    *ret_later = job->state < KOFN_JOB_RUNNING;
    for (size_t i = 0; i < job->parts->primes; i++) {
        kofn_job *part = job->parts->at[i].job;
        if (part && is_answer_of(part, held))
            return part;
        *ret_later |= part && part->state < KOFN_JOB_RUNNING;
    }
    return NULL;
}

/* False: not yet. */
static bool
decide(kofn_keepers *keepers, uint64_t worker, const kofn_msg_held *held)
{
    kofn_job *job = kofn_jobs_find(keepers->master->jobs, held->job);
    const kofn_msg_settlement answer = {.assignment = held->assignment, .epoch = held->epoch};
    bool later = job && job->state == KOFN_JOB_ENDING; // should that fail, it is run once more
    kofn_job *run = job && !kofn_job_is_over(job) ? find_run(job, held, &later) : NULL;
    uint64_t assignment;
    if (!run) {
        if (!later)
            settle(keepers, worker, answer, 0);
        return !later;
    }
    if (kofn_sched_adopt(keepers->master->sched, kofn_clock_ns(), worker, run->id, held->task,
                         &assignment))
        keepers->fleet->recall(keepers->master->fleet, worker, assignment, run, held);
    else
        owe(keepers, run, &(debt){.worker = worker, .answer = answer});
    return true;
}

static void
note_offer(kofn_keepers *keepers, keeper *k, const kofn_msg_held *held)
{
    offer *o = malloc(sizeof *o);
    if (!o) {
        settle(keepers, k->worker,
               (kofn_msg_settlement){.assignment = held->assignment, .epoch = held->epoch}, 0);
        return;
    }
    o->held = *held;
    TAILQ_INSERT_TAIL(&k->offers, o, of_keeper);
    keepers->offers++;
}

void
kofn_keepers_join(kofn_keepers *keepers, uint64_t worker, const kofn_msg_hello *hello)
{
    keeper *k = calloc(1, sizeof *k);
    if (!k || kofn_map_put(&keepers->by_worker, worker, k, NULL) != KOFN_OK) {
        free(k); // it keeps what it has until its budget is full
        return;
    }
    k->worker = worker;
    TAILQ_INIT(&k->offers);
    TAILQ_INSERT_TAIL(&keepers->all, k, of_all);
    const kofn_msg_block_name *names = hello->cached.at;
    for (size_t i = 0; i < hello->cached.count; i++)
        kofn_holdings_note(keepers->holdings, worker, names[i].name);
    const kofn_msg_held *held = hello->held.at;
    for (size_t i = 0; i < hello->held.count && kofn_map_find(&keepers->by_worker, worker); i++)
        if (!decide(keepers, worker, &held[i]))
            note_offer(keepers, k, &held[i]);
}

void
kofn_keepers_lose(kofn_keepers *keepers, uint64_t worker)
{
    keeper *k = kofn_map_find(&keepers->by_worker, worker);
    if (k)
        destroy_keeper(keepers, k);
    kofn_holdings_forget_worker(keepers->holdings, worker);
}

/* Deciding may lose a worker, which takes its keeper along: so each is looked up by its number. */
static void
review(kofn_keepers *keepers, const char *job)
{
    keeper *k, *next_keeper;
    for (k = TAILQ_FIRST(&keepers->all); k && keepers->offers > 0; k = next_keeper) {
        next_keeper = TAILQ_NEXT(k, of_all);
        const uint64_t worker = k->worker;
        offer *o, *next;
        for (o = TAILQ_FIRST(&k->offers); o; o = next) {
            next = TAILQ_NEXT(o, of_keeper);
            if (strcmp(o->held.job, job) != 0)
                continue;
            const bool decided = decide(keepers, worker, &o->held);
            if (kofn_map_find(&keepers->by_worker, worker) != k)
                break;
            if (decided)
                drop_offer(keepers, k, o);
        }
    }
}

/* ---- coded blocks ---------------------------------------------------------------------------- */

bool
kofn_keepers_name_block(const kofn_job *job, size_t operand, size_t task, size_t *ret_bytes,
                        char ret_tag[KOFN_TAG_MAX])
{
    size_t rows, cols;
    if (!job->stored[operand])
        return false;
    kofn_coding_block_shape(&job->coding, operand, &rows, &cols);
    *ret_bytes = rows * cols * kofn_dtype_width(job->field->dtype);
    if (*ret_bytes < BLOCK_BYTES_MIN)
        return false;
    const kofn_coded_key key = kofn_job_get_coded_key(job, operand, task);
    kofn_tag_block(job->stored[operand], &key, ret_tag);
    return true;
}

typedef struct hint {
    kofn_sched *sched;
    uint64_t job;
    size_t task, bytes;
    size_t left; // of that many workers
} hint;

static bool
give_hint(void *context, uint64_t worker)
{
    hint *h = context;
    kofn_sched_prefer(h->sched, h->job, h->task, worker, h->bytes);
    return --h->left > 0;
}

static void
give_hints(kofn_keepers *keepers, const kofn_job *job, size_t operand)
{
    hint h = {.sched = keepers->master->sched, .job = job->id};
    for (h.task = 0; h.task < kofn_code_first_tasks(job->code); h.task++) {
        char tag[KOFN_TAG_MAX];
        if (!kofn_keepers_name_block(job, operand, h.task, &h.bytes, tag))
            return;
        h.left = HINTS_MAX;
        kofn_holdings_each(keepers->holdings, tag, give_hint, &h);
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

void
kofn_keepers_begin(kofn_keepers *keepers, kofn_job *job)
{
    review(keepers, kofn_job_get_whole(job)->name);
    for (size_t o = 0; o < job->code->operands && kofn_holdings_count(keepers->holdings) > 0; o++)
        give_hints(keepers, job, o);
}

void
kofn_keepers_over(kofn_keepers *keepers, const kofn_job *job)
{
    if (job->is_part)
        return;
    review(keepers, job->name);
    pay(keepers, job->id);
}
