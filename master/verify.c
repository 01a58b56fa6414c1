#include "master/verify.h"
#include "master/jobs.h"

#include <stdlib.h>

static const char *const names[] = {"none", "freivalds", "parity"};

enum { NAMES = sizeof names / sizeof names[0] };

const char *
kofn_verify_name(kofn_verify how)
{
    return how == KOFN_VERIFY_NONE ? "" : names[how];
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

kofn_status
kofn_verify_read(const kofn_msg_product *product, kofn_job *job, kofn_error *err)
{
    const kofn_master_config *config = &job->master->config;
    kofn_verify how = (kofn_verify)config->verify;
    const bool asked = product->verify[0];
    const kofn_status status = asked ? find_name(product->verify, &how, err) : KOFN_OK;
    if (status)
        return status;
    if (product->liars > 0 && how != KOFN_VERIFY_PARITY)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "liars is %" PRIu64 " and verify is %s: verify by parity, which looks for "
                         "so many, or leave it out",
                         product->liars, names[how]);
    if (how == KOFN_VERIFY_FREIVALDS && job->outer && asked)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "answers of outer products are not checked one by one: verify by parity, or "
            "not at all");
    if (how == KOFN_VERIFY_FREIVALDS && job->outer)
        how = KOFN_VERIFY_NONE; // the default is of what it can be
    job->verification.how = how;
    if (how == KOFN_VERIFY_PARITY)
        job->accept.liars = product->liars > 0 ? product->liars : (size_t)config->liars;
    return KOFN_OK;
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
        kofn_job_run(job, work->code);
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
    const size_t bytes = kofn_freivalds_count_bytes(&coding);
    const kofn_status status = kofn_master_check_room(job->master, "what answers are checked by",
                                                      job->charge, bytes, &never, err);
    if (!status)
        kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    return status;
}

void
kofn_job_run_verified(kofn_job *job, kofn_code *code)
{
    if (job->verification.how != KOFN_VERIFY_FREIVALDS) {
        kofn_job_run(job, code);
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

static kofn_status
project_answers(const kofn_job *job, const kofn_decoder *decoder, kofn_liars_answers *answers,
                size_t *task, double **ret_x, kofn_error *err)
{
    kofn_projection *p = NULL;
    kofn_status status =
        kofn_projection_new(job->field, job->coding.part.rows, job->coding.part.cols, &p, err);
    if (status)
        return status;
    const size_t count = kofn_decoder_get_count(decoder), l = kofn_projection_get_count(p);
    double *x = calloc(count * l * l + 1, sizeof *x);
    if (!x)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to compare %zu answers", count);
    for (size_t i = 0; i < job->code->tasks && !status; i++)
        if (kofn_decoder_has(decoder, i)) {
            task[answers->count] = i;
            status = kofn_projection_apply(p, &job->answers[i], x + answers->count * l * l, err);
            answers->count++;
        }
    kofn_projection_destroy(&p);
    answers->width = l * l;
    answers->task = task;
    answers->x = *ret_x = x;
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
    double *x = NULL;
    size_t *task = calloc(kofn_decoder_get_count(decoder) + 1, sizeof *task);
    if (!task)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to compare answers");
    kofn_status status = project_answers(job, decoder, &answers, task, &x, err);
    if (!status) {
        measure_operands(job, answers.norm);
        status = kofn_liars_find(&answers, ret_liars, err);
    }
    *ret_rest = NULL;
    if (!status && ret_liars->count > 0)
        status = make_rest(job, decoder, ret_liars, ret_rest, err);
    free(task);
    free(x);
    return status;
}

/* ---- what is known of it --------------------------------------------------------------------- */

/* A job that an error ends has all of it in each look. */
double
kofn_job_get_noise(const kofn_job *job)
{
    return job->verification.how == KOFN_VERIFY_FREIVALDS && job->accept.kind == KOFN_ACCEPT_ERROR
               ? kofn_freivalds_get_noise(&job->coding)
               : kofn_coding_get_noise(&job->coding);
}

double
kofn_job_get_doubt(const kofn_job *job)
{
    const kofn_verification *v = &job->verification;
    const double noise = kofn_job_get_noise(job);
    const double all =
        v->how == KOFN_VERIFY_FREIVALDS ? kofn_freivalds_get_noise(&job->coding) : v->slack;
    return all > noise ? all - noise : 0;
}

void
kofn_job_note_liar(kofn_job *job, const kofn_giver *who)
{
    kofn_verification *v = &job->verification;
    const size_t used = strlen(v->liars);
    v->refuted++;
    const char *at = strstr(v->liars, who->name);
    const size_t length = strlen(who->name);
    if (at && (at == v->liars || at[-1] == ',') && (at[length] == ',' || !at[length]))
        return; // said already
    if (used + length + 2 <= sizeof v->liars)
        snprintf(v->liars + used, sizeof v->liars - used, "%s%s", used > 0 ? "," : "", who->name);
}

void
kofn_verification_release(kofn_verification *verification)
{
    kofn_freivalds_destroy(&verification->check);
    free(verification->givers);
    verification->givers = NULL;
}
