#include "master/jobs.h"
#include "master/keep.h"
#include "master/sched/list.h"
#include "common/base/map.h"
#include "common/base/slab.h"
#include "common/linalg/integers.h"

#include <assert.h>
#include <stdlib.h>

/* Tries alone after which the master died, before a job is given up. */
enum { TRIES_MAX = 3 };

#define UPLOAD_IDLE_NS (30 * KOFN_NS_PER_S) // operands of which nothing comes for so long

/* A job over integers has a code for each of its primes. */
enum { CODES_KEPT = 2 * KOFN_INTEGERS_PRIMES_MAX };

typedef TAILQ_HEAD(job_list, kofn_job) job_list;

struct kofn_jobs {
    kofn_master *master;
    kofn_slab records;
    kofn_map by_id;
    kofn_owned_keys by_key; // of kofn_job
    kofn_rng names;
    job_list all;      // owned here, in the order in which they were accepted
    job_list waiting;  // PREPARING, for a worker to be there
    job_list touched;  // have tasks to encode
    job_list kept;     // DONE, with a product to be fetched; oldest first
    job_list ended;    // over, and nothing left in memory but the record; oldest first
    job_list fetched;  // of them: the product is on disk
    job_list spent;    // parts that are over: their wholes know what is to be known
    job_list suspects; // to be tried one at a time (kofn_jobs_resume)
    kofn_job *tried;   // of them: the one that is
    bool may_try;      // one of them could not be begun before, and perhaps can now
    kofn_timers due;   // of those that are not over: when to look for their deadlines
    uint64_t added;
    size_t live, ended_count, charged;
    size_t live_parts, blocked; // of `live`
    size_t running;             // of it, or decode; without parts
    uint64_t done, failed;
    bool acting; // or held back

    /* Codes that were built last: many jobs ask for the same. */
    struct {
        kofn_code *code; // knows its field
        kofn_code_spec spec;
        bool staged;
    } codes[CODES_KEPT];
    size_t codes_next;
    kofn_choices choices;
};

kofn_status
kofn_jobs_new(kofn_master *master, kofn_jobs **ret_jobs, kofn_error *err)
{
    kofn_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs) {
        kofn_slab_init(&jobs->records, sizeof(kofn_job));
        TAILQ_INIT(&jobs->all);
    }
    if (!jobs || kofn_owned_keys_init(&jobs->by_key, NULL) != KOFN_OK) {
        kofn_jobs_destroy(&jobs);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the table of jobs");
    }
    jobs->master = master;
    kofn_rng_init(&jobs->names, kofn_rng_fresh_seed(), 0);
    TAILQ_INIT(&jobs->waiting);
    TAILQ_INIT(&jobs->touched);
    TAILQ_INIT(&jobs->kept);
    TAILQ_INIT(&jobs->ended);
    TAILQ_INIT(&jobs->fetched);
    TAILQ_INIT(&jobs->spent);
    TAILQ_INIT(&jobs->suspects);
    *ret_jobs = jobs;
    return KOFN_OK;
}

void
kofn_jobs_destroy(kofn_jobs **jobs_p)
{
    kofn_jobs *jobs = *jobs_p;
    if (!jobs)
        return;

    for (kofn_job *job; (job = TAILQ_LAST(&jobs->all, job_list)) != NULL;) { // parts first
        TAILQ_REMOVE(&jobs->all, job, of_all);
        kofn_job_destroy(&job);
    }
    for (size_t i = 0; i < CODES_KEPT; i++)
        kofn_code_destroy(&jobs->codes[i].code);
    kofn_timers_fini(&jobs->due);
    kofn_map_fini(&jobs->by_id);
    kofn_owned_keys_fini(&jobs->by_key);
    kofn_slab_fini(&jobs->records);
    free(jobs);
    *jobs_p = NULL;
}

kofn_job *
kofn_jobs_new_record(kofn_jobs *jobs)
{
    kofn_job *job = kofn_slab_take(&jobs->records);
    if (job)
        job->master = jobs->master;
    return job;
}

void
kofn_jobs_free_record(kofn_jobs *jobs, kofn_job *job)
{
    kofn_slab_give(&jobs->records, job);
}

kofn_job *
kofn_jobs_find(kofn_jobs *jobs, const char *name)
{
    if (strlen(name) != 16 || strspn(name, "0123456789abcdef") != 16)
        return NULL;
    kofn_job *job = kofn_map_find(&jobs->by_id, strtoull(name, NULL, 16));
    return job && !job->is_part ? job : NULL;
}

size_t
kofn_jobs_list(kofn_jobs *jobs, const kofn_asker *who, size_t limit, kofn_job **ret_jobs)
{
    size_t count = 0;
    kofn_job *job;
    TAILQ_FOREACH_REVERSE(job, &jobs->all, job_list, of_all)
    {
        if (count == limit)
            break;
        if (!job->is_part && kofn_asker_may(who, job->owner))
            ret_jobs[count++] = job;
    }
    return count;
}

void
kofn_jobs_get_totals(const kofn_jobs *jobs, kofn_jobs_totals *ret_totals)
{
    *ret_totals = (kofn_jobs_totals){
        .running = jobs->running,
        .queued = jobs->live - jobs->live_parts - jobs->blocked - jobs->running,
        .memory = jobs->charged,
        .done = jobs->done,
        .failed = jobs->failed,
    };
}

kofn_master *
kofn_jobs_get_master(const kofn_jobs *jobs)
{
    return jobs->master;
}

/* ---- lists ----------------------------------------------------------------------------------- */

void
kofn_jobs_add_waiting(kofn_jobs *jobs, kofn_job *job)
{
    TAILQ_INSERT_TAIL(&jobs->waiting, job, of_stage);
    job->waits = true;
}

void
kofn_jobs_add_touched(kofn_jobs *jobs, kofn_job *job)
{
    if (!job->touched)
        TAILQ_INSERT_TAIL(&jobs->touched, job, of_touched);
    job->touched = true;
}

void
kofn_jobs_count_move(kofn_jobs *jobs, const kofn_job *job, kofn_job_state from)
{
    const bool ran = from == KOFN_JOB_RUNNING || from == KOFN_JOB_DECODING;
    const bool runs = job->state == KOFN_JOB_RUNNING || job->state == KOFN_JOB_DECODING;
    if (!job->is_part)
        jobs->running = jobs->running - ran + runs;
    jobs->blocked -= from == KOFN_JOB_BLOCKED;
}

void
kofn_jobs_set_aside(kofn_jobs *jobs, kofn_job *job)
{
    if (job->waits)
        TAILQ_REMOVE(&jobs->waiting, job, of_stage);
    if (job->touched)
        TAILQ_REMOVE(&jobs->touched, job, of_touched);
    if (job->suspect)
        TAILQ_REMOVE(&jobs->suspects, job, of_stage);
    job->waits = job->touched = job->suspect = false;
    if (jobs->tried == job) {
        jobs->tried = NULL;
        jobs->may_try = true;
    }
    kofn_timers_set(&jobs->due, &job->due, KOFN_NEVER_NS);
}

/* Among those that are over, by what is left of it. */
static void
list_ended(kofn_jobs *jobs, kofn_job *job)
{
    if (job->has_product) {
        TAILQ_INSERT_TAIL(&jobs->kept, job, of_stage);
    } else {
        TAILQ_INSERT_TAIL(&jobs->ended, job, of_stage);
        jobs->ended_count++;
    }
}

void
kofn_jobs_add_ended(kofn_jobs *jobs, kofn_job *job)
{
    kofn_jobs_set_aside(jobs, job);
    jobs->live--;
    if (job->is_part) {
        jobs->live_parts--;
        TAILQ_INSERT_TAIL(&jobs->spent, job, of_stage);
        return;
    }
    if (job->state == KOFN_JOB_DONE)
        jobs->done++;
    else
        jobs->failed++;
    list_ended(jobs, job);
}

static void
move_to_ended(kofn_jobs *jobs, kofn_job *job)
{
    TAILQ_REMOVE(&jobs->kept, job, of_stage);
    TAILQ_INSERT_TAIL(&jobs->ended, job, of_stage);
    jobs->ended_count++;
}

void
kofn_jobs_add_fetched(kofn_jobs *jobs, kofn_job *job)
{
    if (job->fetched) // once more
        return;
    move_to_ended(jobs, job);
    TAILQ_INSERT_TAIL(&jobs->fetched, job, of_fetched);
    job->fetched = true;
}

void
kofn_jobs_add_dropped(kofn_jobs *jobs, kofn_job *job)
{
    if (job->fetched)
        TAILQ_REMOVE(&jobs->fetched, job, of_fetched);
    else
        move_to_ended(jobs, job);
    job->fetched = false;
}

void
kofn_jobs_change_charge(kofn_jobs *jobs, kofn_job *job, size_t charge)
{
    jobs->charged = jobs->charged - job->charge + charge;
    job->charge = charge;
}

/* When it has to be looked at next, as far as is known now. */
static int64_t
find_due(const kofn_job *job)
{
    if (job->state != KOFN_JOB_RECEIVING)
        return job->deadline_ns;
    const int64_t idle_ns = job->times.heard_ns + UPLOAD_IDLE_NS + 1;
    return idle_ns < job->deadline_ns ? idle_ns : job->deadline_ns;
}

kofn_status
kofn_jobs_add(kofn_jobs *jobs, kofn_job *job, kofn_error *err)
{
    const bool over = kofn_job_is_over(job);
    while (job->id == 0 || (!job->on_disk && kofn_map_find(&jobs->by_id, job->id)))
        job->id = kofn_rng_u64(&jobs->names);
    snprintf(job->name, sizeof job->name, "%016" PRIx64, job->id);
    kofn_status status = kofn_timers_reserve(&jobs->due, jobs->live + 1, err);
    if (!status)
        status = kofn_map_put(&jobs->by_id, job->id, job, err);
    if (status)
        return status;
    job->due.number = jobs->added++;
    if (!over)
        kofn_timers_set(&jobs->due, &job->due, find_due(job));
    kofn_owned_keys_put(&jobs->by_key, &job->key, job);
    TAILQ_INSERT_TAIL(&jobs->all, job, of_all);
    if (over)
        list_ended(jobs, job);
    jobs->failed += job->lost; // now, when it was found out
    jobs->live += !over;
    jobs->live_parts += job->is_part;
    jobs->blocked += job->state == KOFN_JOB_BLOCKED;
    jobs->charged += job->charge;
    return KOFN_OK;
}

kofn_job *
kofn_jobs_find_key(kofn_jobs *jobs, const kofn_owned_key *key)
{
    return kofn_owned_keys_find(&jobs->by_key, key);
}

void
kofn_jobs_forget_key(kofn_jobs *jobs, const kofn_job *job)
{
    kofn_owned_keys_remove(&jobs->by_key, &job->key);
}

/* One that is in no list of a stage any more. */
static void
forget_job(kofn_jobs *jobs, kofn_job *job)
{
    TAILQ_REMOVE(&jobs->all, job, of_all);
    if (job->fetched)
        TAILQ_REMOVE(&jobs->fetched, job, of_fetched);
    if (job->durable && jobs->master->keep)
        kofn_keep_forget(job);
    kofn_jobs_change_charge(jobs, job, 0);
    kofn_jobs_forget_key(jobs, job);
    (void)kofn_map_remove(&jobs->by_id, job->id); // the pointer is at hand already
    kofn_job_destroy(&job);
}

void
kofn_jobs_trim(kofn_jobs *jobs)
{
    kofn_job *job, *next;
    for (job = TAILQ_FIRST(&jobs->spent); job; job = next) {
        next = TAILQ_NEXT(job, of_stage);
        if (job->items > 0)
            continue;
        TAILQ_REMOVE(&jobs->spent, job, of_stage);
        forget_job(jobs, job);
    }
    for (job = TAILQ_FIRST(&jobs->ended);
         job && jobs->ended_count > (size_t)jobs->master->config.keep_jobs; job = next) {
        next = TAILQ_NEXT(job, of_stage);
        if (job->items > 0 || job->stream)
            continue;
        TAILQ_REMOVE(&jobs->ended, job, of_stage);
        jobs->ended_count--;
        forget_job(jobs, job);
    }
}

static void
drop_old_products(kofn_jobs *jobs, int64_t now_ns)
{
    kofn_job *job, *next;
    for (job = TAILQ_FIRST(&jobs->kept);
         job && now_ns - job->times.ended_ns > jobs->master->config.keep_ns; job = next) {
        next = TAILQ_NEXT(job, of_stage);
        if (!job->stream) // which lets go of it
            kofn_job_drop_product(job);
    }
    while ((job = TAILQ_FIRST(&jobs->fetched)) &&
           now_ns - job->times.ended_ns > jobs->master->config.keep_ns)
        kofn_job_drop_product(job);
}

static size_t
count_product_bytes(const kofn_job *job)
{
    const kofn_bands *c = &job->product;
    return c->rows * c->cols * kofn_dtype_width(c->dtype);
}

void
kofn_jobs_yield_memory(kofn_jobs *jobs, size_t bytes)
{
    kofn_job *job;
    size_t freed = 0;
    TAILQ_FOREACH(job, &jobs->kept, of_stage)
    {
        if (freed >= bytes)
            return;
        freed += job->product_on_disk && !job->product_away ? count_product_bytes(job) : 0;
        kofn_job_put_away_product(job);
    }
}

void
kofn_jobs_yield_disk(kofn_jobs *jobs, uint64_t bytes)
{
    kofn_job *job;
    for (uint64_t freed = 0; freed < bytes && (job = TAILQ_FIRST(&jobs->fetched));) {
        freed += count_product_bytes(job) + 1; // one without elements ends the walk, too
        kofn_job_drop_product(job);
    }
}

/* ---- codes ----------------------------------------------------------------------------------- */

static bool
is_same_spec(const kofn_code_spec *a, const kofn_code_spec *b)
{
    if (strcmp(a->family, b->family) != 0 || a->part.x != b->part.x || a->part.z != b->part.z ||
        a->part.y != b->part.y || !kofn_cuts_are_equal(&a->parts, &b->parts) ||
        a->tasks != b->tasks || a->reserve != b->reserve || a->seed != b->seed ||
        a->set_count != b->set_count)
        return false;
    for (size_t i = 0; i < a->set_count; i++)
        if (strcmp(a->sets[i].name, b->sets[i].name) != 0 ||
            strcmp(a->sets[i].value, b->sets[i].value) != 0)
            return false;
    return true;
}

kofn_code *
kofn_jobs_find_code(kofn_jobs *jobs, const kofn_field *field, const kofn_code_spec *spec,
                    bool staged)
{
    for (size_t i = 0; i < CODES_KEPT; i++)
        if (jobs->codes[i].code && jobs->codes[i].staged == staged &&
            strcmp(jobs->codes[i].code->field->name, field->name) == 0 &&
            is_same_spec(&jobs->codes[i].spec, spec))
            return jobs->codes[i].code;
    return NULL;
}

void
kofn_jobs_keep_code(kofn_jobs *jobs, const kofn_code_spec *spec, bool staged, kofn_code *code)
{
    size_t i = jobs->codes_next++ % CODES_KEPT;
    kofn_code_destroy(&jobs->codes[i].code);
    jobs->codes[i].spec = *spec;
    jobs->codes[i].staged = staged;
    jobs->codes[i].code = kofn_code_ref(code);
}

/* ---- the scheduler's actions ----------------------------------------------------------------- */

static void
fail_from_scheduler(kofn_job *job, const kofn_action *action)
{
    /* A cancel carries the reason of whoever ended the job, if one was given. */
    kofn_error why = job->error.status ? job->error : action->error;
    const kofn_verification *v = &job->verification;
    if (v->refuted > 0 && why.status != KOFN_CANCELLED) {
        const kofn_error plain = why;
        kofn_fail(&why, plain.status, "%s (%zu answers were wrong, of %s)", plain.text, v->refuted,
                  v->liars);
    }
    kofn_job_break(job, &why);
}

static void
carry_out(kofn_jobs *jobs, const kofn_action *action)
{
    const kofn_master *master = jobs->master;
    if (action->kind == KOFN_ACTION_CANCEL) {
        master->carrier->cancel(master->fleet, action->assignment);
        return;
    }
    kofn_job *job = kofn_map_find(&jobs->by_id, action->job);
    assert(job && job->state == KOFN_JOB_RUNNING);
    switch (action->kind) {
    case KOFN_ACTION_SEND:
        master->carrier->assign(master->fleet, action, job);
        kofn_job_queue_send(job, action);
        break;
    case KOFN_ACTION_DECODE:
        job->finished = action->round;
        kofn_job_decode(job, action);
        break;
    case KOFN_ACTION_FAIL:
        job->finished = action->round;
        fail_from_scheduler(job, action);
        break;
    case KOFN_ACTION_RECODE:
        kofn_job_recode(job);
        break;
    case KOFN_ACTION_TRY:
        kofn_job_try(job, action->trial);
        break;
    case KOFN_ACTION_CANCEL:
        break;
    }
}

/* Not before it could send a task: until then there is little that it could do to the master. */
static void
try_suspect(kofn_jobs *jobs)
{
    kofn_job *job = NULL;
    if (jobs->may_try && !jobs->tried)
        TAILQ_FOREACH(job, &jobs->suspects, of_stage)
        {
            if (kofn_sched_count_able(jobs->master->sched, job->field) > 0)
                break;
        }
    jobs->may_try = false;
    if (!job)
        return;
    TAILQ_REMOVE(&jobs->suspects, job, of_stage);
    job->suspect = false;
    jobs->tried = job;
    job->attempts++;
    kofn_log_write(&jobs->master->log, KOFN_LOG_NOTICE, "job_tried",
                   "two masters or more died while it was not done: no other of its kind runs "
                   "beside it",
                   "job=%s attempts=%" PRIu64, job->name, job->attempts);
    kofn_keep_attempts(job);
}

void
kofn_jobs_act(kofn_jobs *jobs)
{
    if (jobs->acting) // the outer call goes on with what we added
        return;

    jobs->acting = true;
    kofn_action action;
    kofn_job *job;
    bool quiet;
    try_suspect(jobs);
    do { // sending may lose a worker, which makes actions
        quiet = true;
        for (; kofn_sched_next_action(jobs->master->sched, &action); quiet = false)
            carry_out(jobs, &action);
        for (; (job = TAILQ_FIRST(&jobs->touched)); quiet = false) {
            TAILQ_REMOVE(&jobs->touched, job, of_touched);
            job->touched = false;
            kofn_job_send(job);
        }
    } while (!quiet);
    jobs->acting = false;
    kofn_master_arm(jobs->master);
}

void
kofn_jobs_hold(kofn_jobs *jobs)
{
    assert(!jobs->acting);
    jobs->acting = true;
}

void
kofn_jobs_release(kofn_jobs *jobs)
{
    jobs->acting = false;
    kofn_jobs_act(jobs);
}

/* ---- time and workers ------------------------------------------------------------------------ */

kofn_choices *
kofn_jobs_get_choices(kofn_jobs *jobs)
{
    return &jobs->choices;
}

void
kofn_jobs_on_worker(kofn_jobs *jobs)
{
    jobs->may_try = true;
    for (kofn_job *job = TAILQ_FIRST(&jobs->waiting), *next; job; job = next) {
        next = TAILQ_NEXT(job, of_stage);
        if (kofn_sched_count_able(jobs->master->sched, job->field) == 0)
            continue;
        job->waits = false;
        TAILQ_REMOVE(&jobs->waiting, job, of_stage);
        kofn_job_prepare(job);
    }
}

kofn_status
kofn_upload_check(int64_t deadline_ns, int64_t heard_ns, int64_t now_ns, kofn_error *err)
{
    if (now_ns >= deadline_ns)
        return kofn_fail(err, KOFN_DEADLINE_EXCEEDED,
                         "the deadline came before all blocks of the operands did");
    if (now_ns - heard_ns <= UPLOAD_IDLE_NS)
        return KOFN_OK;
    return kofn_fail(err, KOFN_DEADLINE_EXCEEDED, "no block of the operands came for %d s",
                     (int)(UPLOAD_IDLE_NS / KOFN_NS_PER_S));
}

/* Why a job that the scheduler has not got must end now; OK: it need not. */
static kofn_status
find_overdue(const kofn_job *job, int64_t now_ns, kofn_error *err)
{
    const bool late = now_ns >= job->deadline_ns;
    switch (job->state) {
    case KOFN_JOB_RECEIVING:
        return kofn_upload_check(job->deadline_ns, job->times.heard_ns, now_ns, err);
    case KOFN_JOB_BLOCKED:
        return !late ? KOFN_OK
                     : kofn_fail(err, KOFN_DEADLINE_EXCEEDED, "the deadline came first: %.400s",
                                 job->error.text);
    case KOFN_JOB_STORING:
        return !late
                   ? KOFN_OK
                   : kofn_fail(err, KOFN_DEADLINE_EXCEEDED,
                               "the deadline came before its operands were on disk, or read back");
    case KOFN_JOB_PREPARING:
        return !late ? KOFN_OK
                     : kofn_fail(err, KOFN_DEADLINE_EXCEEDED,
                                 "the deadline came before a task could be sent: %zu workers are "
                                 "connected that compute in %s",
                                 kofn_sched_count_able(job->master->sched, job->field),
                                 job->field->name);
    case KOFN_JOB_DECODING: // the best of what was there at the deadline is made after it
        return !late || job->accept.best
                   ? KOFN_OK
                   : kofn_fail(err, KOFN_DEADLINE_EXCEEDED,
                               "the deadline came while the product was rebuilt from its answers");
    default: // RUNNING: the scheduler's
        return KOFN_OK;
    }
}

/* One that is past its deadline and goes on (RUNNING: the scheduler ends it; DECODING the best
 * estimate) is looked at with each tick: what it moves to may have to end. */
static void
end_overdue(kofn_jobs *jobs, int64_t now_ns)
{
    kofn_error err;
    for (kofn_timer *timer; (timer = kofn_timers_first(&jobs->due)) && timer->due_ns <= now_ns;) {
        kofn_job *job = KOFN_OWNER(timer, kofn_job, due);
        const int64_t next_ns = find_due(job);
        kofn_timers_set(&jobs->due, timer, next_ns > now_ns ? next_ns : now_ns + 1);
        if (find_overdue(job, now_ns, &err) != KOFN_OK)
            kofn_job_end(job, &err);
    }
}

void
kofn_jobs_on_tick(kofn_jobs *jobs, int64_t now_ns)
{
    end_overdue(jobs, now_ns);
    drop_old_products(jobs, now_ns);
    kofn_jobs_trim(jobs);
}

/* ---- an end and a beginning ------------------------------------------------------------------ */

static void
suspend_job(kofn_job *job)
{
    kofn_error why;
    kofn_fail(&why, KOFN_UNAVAILABLE,
              "the master stopped and the job is kept: wait for %s again when it is back",
              job->name);
    job->suspended = true;
    job->master->audience->suspended(job, &why);
}

size_t
kofn_jobs_end_all(kofn_jobs *jobs, const kofn_error *why)
{
    kofn_job *job;
    size_t kept = 0;
    TAILQ_FOREACH(job, &jobs->all, of_all)
    {
        if (kofn_job_is_over(job) || (job->whole && job->whole->durable))
            continue;
        kept += job->durable;
        if (job->durable)
            suspend_job(job);
        else
            kofn_job_end(job, why); // ends others at most: none leaves the list
    }
    kofn_jobs_act(jobs);
    return kept;
}

static void
resume_job(kofn_job *job)
{
    kofn_error why;
    if (kofn_clock_ns() < job->deadline_ns) {
        kofn_job_start(job);
        return;
    }
    kofn_fail(&why, KOFN_DEADLINE_EXCEEDED, "the deadline came while the master was away");
    kofn_job_break(job, &why);
}

static void
add_suspect(kofn_jobs *jobs, kofn_job *job)
{
    TAILQ_INSERT_TAIL(&jobs->suspects, job, of_stage);
    job->suspect = jobs->may_try = true;
}

void
kofn_jobs_take_up(kofn_jobs *jobs, kofn_job *job)
{
    if (kofn_job_is_over(job) || job->suspended)
        return;
    if (job->attempts < 2 || job == jobs->tried)
        resume_job(job);
    else
        add_suspect(jobs, job);
}

/* The first death that a job sees is nobody's in particular; from the second on those who saw it
 * are suspects; each try alone is noted before it begins, so that one without an end shows. */
static void
resume_after_crash(kofn_jobs *jobs, kofn_job *job)
{
    kofn_error why;
    if (job->attempts == 0) {
        job->attempts = 1;
        kofn_keep_attempts(job);
    } else if (job->attempts <= TRIES_MAX) {
        add_suspect(jobs, job);
    } else {
        kofn_fail(&why, KOFN_FAILED_PRECONDITION,
                  "the master died %d times while it tried this job alone, after it had died "
                  "twice with others: it is not tried again; see the master's log for how it died",
                  TRIES_MAX);
        kofn_job_break(job, &why);
    }
}

/* One that was being tried when the master stopped, or the machine, did no harm by that. */
static void
resume_after_stop(kofn_job *job)
{
    if (job->attempts < 2) {
        resume_job(job);
        return;
    }
    job->attempts--;
    kofn_keep_attempts(job);
}

void
kofn_jobs_resume(kofn_jobs *jobs, bool crashed, size_t *ret_jobs, size_t *ret_results)
{
    kofn_job *job;
    size_t open = 0, results = 0;
    TAILQ_FOREACH(job, &jobs->all, of_all) // parts join at its end, and run
    {
        results += job->has_product;
        if (job->durable && !job->on_disk)
            kofn_keep_lost(job);
        if (job->state != KOFN_JOB_STORING || job->loading > 0)
            continue;
        open++;
        if (crashed)
            resume_after_crash(jobs, job);
        else
            resume_after_stop(job);
    }
    *ret_jobs = open;
    *ret_results = results;
}
