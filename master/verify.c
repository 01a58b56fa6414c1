#include "master/verify.h"
#include "master/jobs.h"
#include "master/streams.h"

#include <math.h>
#include <stdlib.h>

static const char *const names[] = {"none", "freivalds", "parity"};

enum { NAMES = sizeof names / sizeof names[0] };

const char *
kofn_verify_name(kofn_verify how)
{
    return names[how];
}

/* ---- orders ---------------------------------------------------------------------------------- */

static kofn_status
find_name(const char *name, kofn_verify *ret_how, kofn_error *err)
{
    for (size_t i = 0; i < NAMES; i++)
        if (strcmp(names[i], name) == 0) {
            *ret_how = (kofn_verify)i;
            return KOFN_OK;
        }
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "verify '%s' is not known, need none, freivalds or parity", name);
}

static kofn_status
check_order(const kofn_msg_product *p, const kofn_job *job, kofn_error *err)
{
    const kofn_verification *v = &job->verification;
    if (p->liars > 0 && v->how != KOFN_VERIFY_PARITY)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "liars is %" PRIu64 " and verify is %s: verify by parity, which looks for "
                         "so many, or leave it out",
                         p->liars, names[v->how]);
    if (v->how == KOFN_VERIFY_FREIVALDS && job->outer && !v->by_default)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "answers of outer products are not checked one by one: verify by parity, or "
            "not at all");
    return KOFN_OK;
}

kofn_status
kofn_verify_read(const kofn_job_order *order, kofn_job *job, kofn_error *err)
{
    const kofn_master_config *config = &job->master->config;
    const kofn_msg_product *p = order->product;
    const bool kept = order->verify && order->verify[0];
    const char *name = kept ? order->verify : p->verify[0] ? p->verify : names[config->verify];
    kofn_verification *v = &job->verification;
    kofn_status status = find_name(name, &v->how, err);
    v->by_default = !p->verify[0] && p->liars == 0;
    if (!status)
        status = check_order(p, job, err);
    if (status)
        return status;
    if (v->how == KOFN_VERIFY_PARITY)
        job->accept.liars = kept           ? (size_t)order->liars
                            : p->liars > 0 ? (size_t)p->liars
                                           : (size_t)config->liars;
    const bool cannot = v->how == KOFN_VERIFY_FREIVALDS ? job->outer : order->stream != NULL;
    if (cannot) // a default, or it was refused; who pushes to a stream says nothing of it
        (void)kofn_job_yield_verify(job);
    return KOFN_OK;
}

bool
kofn_job_yield_verify(kofn_job *job)
{
    kofn_verification *v = &job->verification;
    const kofn_verify other = job->outer ? KOFN_VERIFY_NONE : KOFN_VERIFY_FREIVALDS;
    if (!v->by_default || v->how == KOFN_VERIFY_NONE || v->how == other)
        return false;
    v->how = other;
    v->yielded = true;
    job->accept.liars = 0;
    if (job->whole) { // whose account tells it, and what is kept of it
        job->whole->verification.how = other;
        job->whole->verification.yielded = true;
        job->whole->accept.liars = 0;
    }
    return true;
}

/* ---- before it runs -------------------------------------------------------------------------- */

typedef struct check_item {
    kofn_coder_item item;
    kofn_job *job;
    kofn_code *code; // a ref
    kofn_freivalds *check;
    kofn_status status;
    kofn_error error;
} check_item;

static void
check_run(kofn_coder_item *item)
{
    check_item *work = (check_item *)item;
    const kofn_job *job = work->job;
    kofn_coding coding;
    kofn_job_init_coding(job, work->code, &coding);
    kofn_freivalds_operand operands[2];
    for (size_t o = 0; o < 2; o++)
        operands[o] = (kofn_freivalds_operand){
            .dense = &job->operands.mat[o],
            .csr = job->sparse.is[o] ? &job->sparse.csr[o] : NULL,
        };
    work->status = kofn_freivalds_new(&coding, operands, &work->check, &work->error);
}

/* Of a stream: when its turn comes. */
static void
go_on(kofn_job *job, kofn_code *code)
{
    if (job->stream)
        kofn_stream_on_ready(job->stream, job);
    else
        kofn_job_run(job, code);
}

static void
check_done(kofn_coder_item *item)
{
    check_item *work = (check_item *)item;
    kofn_job *job = work->job;
    kofn_job_leave(job);
    if (!item->start_ns)
        work->status = kofn_fail(&work->error, KOFN_UNAVAILABLE, "the master stopped");
    job->times.encode_ns += item->end_ns - item->start_ns;
    if (kofn_job_is_over(job)) {
        kofn_freivalds_destroy(&work->check);
    } else if (work->status) {
        kofn_job_break(job, &work->error);
    } else {
        job->verification.check = work->check;
        go_on(job, work->code);
    }
    kofn_code_destroy(&work->code);
    free(work);
}

/* Halves of blocks of a few rows are larger than these. */
static kofn_status
charge_check(kofn_job *job, const kofn_code *code, kofn_error *err)
{
    kofn_coding coding;
    bool never;
    kofn_job_init_coding(job, code, &coding);
    const size_t times = kofn_sparse_is_any(&job->sparse) ? 3 : 1; // while they are made
    const size_t bytes = kofn_size_multiply(times, kofn_freivalds_count_bytes(&coding));
    const kofn_status status = kofn_master_check_room(job->master, "what answers are checked by",
                                                      job->charge, bytes, &never, err);
    if (!status)
        kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    return status;
}

/* Too few workers are the scheduler's to tell, later, of an outer product, which cannot be had
 * otherwise, and while there are none. */
static kofn_status
check_parity(const kofn_job *job, const kofn_code *code, kofn_error *err)
{
    const size_t b = job->accept.liars, n = kofn_code_first_tasks(code);
    const kofn_status status = kofn_liars_check(code, b, err);
    const size_t needed = kofn_liars_count_workers(n, code->threshold, b);
    const size_t workers = kofn_sched_count_able(job->master->sched, job->field);
    if (status || job->outer || workers == 0 || workers >= needed)
        return status;
    return kofn_fail(
        err, KOFN_FAILED_PRECONDITION,
        "parity of %zu tasks, of which any %zu suffice, takes %zu workers where %zu may "
        "lie, and there are %zu",
        n, code->threshold, needed, b, workers);
}

/* What the code tells of a default alone: any so many of its answers do not suffice, say. Parts of
 * one whole are one line of the log. */
static void
settle_default(kofn_job *job, const kofn_code *code)
{
    const kofn_verification *v = &job->verification;
    kofn_job *whole = job->whole ? job->whole : job;
    kofn_error why = {.text = "its form, its code or what it accepts leaves no other way"};
    if (v->how == KOFN_VERIFY_PARITY && check_parity(job, code, &why) != KOFN_OK)
        (void)kofn_job_yield_verify(job);
    if (!v->yielded || whole->verification.told ||
        job->stream) // of a stream its opening was logged
        return;
    whole->verification.told = true;
    kofn_log_write(&job->master->log, KOFN_LOG_WARNING, "verified_otherwise", why.text,
                   "job=%s configured=%s verify=%s", whole->name, names[job->master->config.verify],
                   names[v->how]);
}

void
kofn_job_run_verified(kofn_job *job, kofn_code *code)
{
    settle_default(job, code);
    if (job->verification.how != KOFN_VERIFY_FREIVALDS) {
        go_on(job, code);
        return;
    }
    kofn_error err;
    kofn_status status = charge_check(job, code, &err);
    check_item *work = status ? NULL : calloc(1, sizeof *work);
    if (!status && !work)
        status = kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to check answers");
    if (status) {
        kofn_job_break(job, &err);
        return;
    }
    work->item = (kofn_coder_item){.run = check_run, .done = check_done};
    work->job = job;
    work->code = kofn_code_ref(code);
    job->items++;
    kofn_coders_submit(job->master->coders, &work->item);
}

/* ---- parity ---------------------------------------------------------------------------------- */

typedef struct answered { // what a job has, in the order of its tasks
    size_t *task;         // [count]
    uint64_t *giver;      // [count]: as the scheduler tells them apart
    double *x;            // [count, width]
} answered;

static kofn_status
project_answers(const kofn_job *job, const kofn_decoder *decoder, kofn_liars_answers *answers,
                answered *room, kofn_error *err)
{
    kofn_projection *p = NULL;
    kofn_status status =
        kofn_projection_new(job->field, job->coding.part.rows, job->coding.part.cols, &p, err);
    if (status)
        return status;
    const size_t count = kofn_decoder_get_count(decoder), l = kofn_projection_get_count(p);
    room->task = calloc(count + 1, sizeof *room->task);
    room->giver = calloc(count + 1, sizeof *room->giver);
    room->x = calloc(count * l * l + 1, sizeof *room->x);
    if (!room->task || !room->giver || !room->x)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to compare %zu answers", count);
    for (size_t i = 0; i < job->code->tasks && !status; i++)
        if (kofn_decoder_has(decoder, i)) {
            const size_t at = answers->count++;
            room->task[at] = i;
            room->giver[at] = kofn_giver_hash(&job->verification.givers[i]);
            status = kofn_projection_apply(p, &job->answers[i], room->x + at * l * l, err);
        }
    kofn_projection_destroy(&p);
    answers->width = l * l;
    answers->task = room->task;
    answers->giver = room->giver;
    answers->x = room->x;
    return status;
}

static void
measure_operands(const kofn_job *job, double norm[2])
{
    norm[0] = norm[1] = 1;
    for (size_t o = 0; o < job->code->operands && job->field->order == 0; o++) {
        const kofn_bands *m = &job->operands.mat[o]; // of a sparse one what is not zero
        const kofn_block whole = {.of = m, .valid_rows = m->rows, .valid_cols = m->cols};
        norm[o > 0] *= kofn_projection_measure(job->field, &whole);
    }
}

static kofn_status
make_rest(const kofn_job *job, const kofn_decoder *decoder, const kofn_liars *liars,
          kofn_decoder **ret_rest, kofn_error *err)
{
    kofn_decoder *rest = NULL;
    kofn_status status =
        kofn_decoder_new(job->code, job->master->config.sched.max_amplification, &rest, err);
    for (size_t i = 0; i < job->code->tasks && !status; i++) {
        bool lies = false;
        for (size_t k = 0; k < liars->count; k++)
            lies = lies || liars->task[k] == i;
        if (kofn_decoder_has(decoder, i) && !lies)
            status = kofn_decoder_add(rest, i, err);
    }
    if (status)
        kofn_decoder_destroy(&rest);
    else
        *ret_rest = rest;
    return status;
}

kofn_status
kofn_job_find_liars(const kofn_job *job, const kofn_decoder *decoder, kofn_liars *ret_liars,
                    kofn_decoder **ret_rest, kofn_error *err)
{
    kofn_liars_answers answers = {.coding = &job->coding, .most = job->accept.liars};
    answered room = {0};
    kofn_status status = project_answers(job, decoder, &answers, &room, err);
    if (!status) {
        measure_operands(job, answers.norm);
        status = kofn_liars_find(&answers, ret_liars, err);
    }
    *ret_rest = NULL;
    if (!status && ret_liars->count > 0)
        status = make_rest(job, decoder, ret_liars, ret_rest, err);
    free(room.task);
    free(room.giver);
    free(room.x);
    return status;
}

/* ---- what is known of it --------------------------------------------------------------------- */

/* A job that an error ends has all of it in each look. */
double
kofn_job_get_noise(const kofn_job *job, const kofn_coding *coding)
{
    return job->verification.how == KOFN_VERIFY_FREIVALDS && job->accept.kind == KOFN_ACCEPT_ERROR
               ? kofn_freivalds_get_noise(coding)
               : kofn_coding_get_noise(coding);
}

/* Honest or not: seen is what is wrong, and honest rounding is mostly far below its bound. */
double
kofn_job_get_seen_noise(const kofn_job *job)
{
    const kofn_verification *v = &job->verification;
    const double noise = kofn_job_get_noise(job, &job->coding);
    return v->how == KOFN_VERIFY_FREIVALDS ? fmin(noise, v->wrong) : noise;
}

/* Where nothing could be said of an answer, it may be anything. */
double
kofn_job_get_doubt(const kofn_job *job)
{
    const kofn_verification *v = &job->verification;
    if (v->unchecked > 0)
        return INFINITY;
    const double noise = kofn_job_get_seen_noise(job);
    const double all = v->how == KOFN_VERIFY_FREIVALDS ? v->wrong : v->slack;
    return all > noise ? all - noise : 0;
}

void
kofn_job_note_look(kofn_job *job, const kofn_freivalds_look *look)
{
    kofn_verification *v = &job->verification;
    if (!v->check)
        return;
    v->wrong = fmax(v->wrong, look->wrong);
    v->unchecked += look->finding == KOFN_FINDING_UNKNOWN;
}

void
kofn_job_note_liar(kofn_job *job, const kofn_giver *who)
{
    kofn_verification *v = &job->verification;
    v->refuted++;
    kofn_names_add(v->liars, sizeof v->liars, who->name);
}

void
kofn_verification_release(kofn_verification *verification)
{
    kofn_freivalds_destroy(&verification->check);
    free(verification->givers);
    verification->givers = NULL;
}
