#include "master/integers.h"

#include <math.h>

static double
seconds_between(int64_t from_ns, int64_t to_ns)
{
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0;
}

static void
fill_seconds(const kofn_job *job, const kofn_job_times *t, kofn_msg_seconds *s)
{
    s->receive = seconds_between(t->accepted_ns, t->received_ns);
    s->queue = seconds_between(t->received_ns, t->sent_ns);
    s->encode = (double)t->encode_ns * 1e-9;
    s->send = fmax(0, seconds_between(t->sent_ns, t->left_ns) - s->encode);
    s->wait = seconds_between(t->left_ns > t->sent_ns ? t->left_ns : t->sent_ns, t->enough_ns);
    s->decode = (double)t->decode_ns * 1e-9;
    s->total =
        seconds_between(t->accepted_ns, kofn_job_is_over(job) ? t->ended_ns : kofn_clock_ns());
}

static void
fill_error(const kofn_job *job, kofn_msg_job *m)
{
    const kofn_span_quality *q = &job->quality;
    const char *real = job->estimate ? "estimate" : "rounding";
    snprintf(m->error_kind, sizeof m->error_kind, "%s", job->field->epsilon > 0 ? real : "exact");
    m->condition = q->condition;
    m->amplification = q->amplification;
    m->residual = q->residual;
    m->error_bound = job->error_bound;
    m->error_estimate = job->error_opinion;
}

/* What was asked for, and what it became. */
static void
fill_order(const kofn_job *job, kofn_job_state state, kofn_msg_job *m)
{
    snprintf(m->id, sizeof m->id, "%s", job->name);
    snprintf(m->state, sizeof m->state, "%s", kofn_job_state_name(state));
    m->durable = job->on_disk;
    snprintf(m->policy, sizeof m->policy, "%s", job->policy);
    const bool sparse = kofn_sparse_is_any(&job->sparse); // what was asked for is a product
    const kofn_form form = job->pairs > 0 && !sparse ? KOFN_BATCH_OF_PRODUCTS
                           : job->outer              ? KOFN_OUTER_PRODUCT
                                                     : KOFN_PRODUCT;
    snprintf(m->form, sizeof m->form, "%s", kofn_form_name(form));
    m->pairs = job->pairs;
    if (job->parts || job->field) // one that is BLOCKED may have none
        snprintf(m->field, sizeof m->field, "%s", job->parts ? "integers" : job->field->name);
    if (job->error.status) {
        m->status = job->error.status;
        snprintf(m->message, sizeof m->message, "%s", job->error.text);
    }
    m->rows = job->shape.rows;
    m->inner = job->shape.inner;
    m->cols = job->shape.cols;
    m->threshold = job->code ? job->code->threshold : 0;
    m->enough = job->code ? kofn_accept_enough(&job->accept, job->code) : 0;
    snprintf(m->accept, sizeof m->accept, "%s", kofn_job_accept_name(job->accept.kind));
    m->accept_error = job->accept.error;
    m->compression = job->compression;
    if (job->verification.how != KOFN_VERIFY_NONE)
        snprintf(m->verify, sizeof m->verify, "%s", kofn_verify_name(job->verification.how));
    m->refuted = job->verification.refuted;
    m->unchecked = job->verification.unchecked;
    snprintf(m->liars, sizeof m->liars, "%s", job->verification.liars);
    m->likely = job->code && !kofn_code_is_certain(job->code);
    m->tasks = job->code ? kofn_code_first_tasks(job->code) : job->spec.tasks;
    snprintf(m->stream, sizeof m->stream, "%s", job->stream_name);
    m->index = job->index;
    m->born = job->born;
    m->finished = job->finished;
}

/* Of one that could go on if there were somebody to do its tasks: nobody is, and where to look. */
static void
fill_idleness(const kofn_job *job, kofn_job_state state, kofn_msg_job *m)
{
    const kofn_master *master = job->master;
    const kofn_field *field = job->parts ? NULL : job->field; // a part has one each, not the whole
    if (state != KOFN_JOB_PREPARING && state != KOFN_JOB_RUNNING)
        return;
    const bool none = kofn_sched_count_workers(master->sched) == 0;
    if (none)
        snprintf(m->message, sizeof m->message,
                 "no worker takes tasks; they come to %s, and `kofn workers` shows who is there",
                 master->config.workers);
    else if (field && kofn_sched_count_able(master->sched, field) == 0)
        snprintf(m->message, sizeof m->message, "no worker that is there takes tasks of %s",
                 field->name);
}

/* How far it came. */
static void
fill_tasks(const kofn_job *job, kofn_job_state state, kofn_msg_job *m)
{
    kofn_sched_job_view view = job->last;
    (void)kofn_sched_get_job(job->master->sched, job->id, &view); // it forgets those that are over
    m->tasks_sent = view.sent;
    m->answers = view.kept;
    m->answers_used = job->answers_used;
    m->workers = view.workers;
    m->backups = view.backups;
    m->replaced = view.replaced;
    m->fresh = view.fresh;
    m->blocks_reused = job->blocks_reused;
    m->blocks_spared = job->blocks_spared;
    m->answers_held = view.held;
    m->decodable = view.decodable || state == KOFN_JOB_DECODING || state == KOFN_JOB_DONE;
    m->waited = job->waited;
    m->nonfinite = job->nonfinite;
    if (state == KOFN_JOB_DONE)
        fill_error(job, m);
    else if (state == KOFN_JOB_RUNNING)
        m->error_bound = view.bound;
}

static uint64_t
count_age_ms(const kofn_job *job)
{
    return (uint64_t)((kofn_clock_ns() - job->times.accepted_ns) / KOFN_NS_PER_MS);
}

/* As it was packed when it ended. */
static kofn_status
recall(const kofn_job *job, kofn_msg_job *ret_message, kofn_error *err)
{
    const kofn_status status = kofn_message_unpack(&kofn_job_message, job->account.at,
                                                   job->account.length, ret_message, err);
    if (!status)
        ret_message->age_ms = count_age_ms(job);
    return status;
}

static kofn_status
describe(const kofn_job *job, kofn_job_state state, kofn_msg_job *ret_message, kofn_error *err)
{
    if (job->account.length > 0)
        return recall(job, ret_message, err);
    kofn_msg_job m = {0};
    kofn_job_times times = job->times;
    kofn_status status = kofn_msg_code_from_spec(&job->spec, &m.code, err);
    if (status)
        return status;
    if (kofn_sparse_is_any(&job->sparse)) { // it builds the same code again
        m.code.x = job->sparse.part.x;
        m.code.z = job->sparse.part.z;
        m.code.y = job->sparse.part.y;
    }
    fill_order(job, state, &m);
    if (!job->error.status)
        fill_idleness(job, state, &m);
    fill_tasks(job, state, &m);
    if (job->parts)
        status = kofn_job_describe_parts(job, &m, &times, err);
    if (status)
        return status;
    fill_seconds(job, &times, &m.seconds);
    m.progress = state == KOFN_JOB_DONE ? 1
                 : m.enough             ? fmin(0.99, (double)m.answers / (double)m.enough)
                                        : 0;
    m.age_ms = count_age_ms(job);
    *ret_message = m;
    return KOFN_OK;
}

kofn_status
kofn_job_describe(const kofn_job *job, kofn_msg_job *ret_message, kofn_error *err)
{
    return describe(job, job->state, ret_message, err);
}

kofn_status
kofn_job_describe_end(const kofn_job *job, kofn_msg_job *ret_message, kofn_error *err)
{
    return describe(job, kofn_job_get_end(job), ret_message, err);
}
