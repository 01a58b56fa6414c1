/* A job's ways to disk and back (keep.h): with its operands before it is accepted, with its product
 * before anybody is told how it ended, and again from there after the master was started anew.
 */
#include "master/integers.h"
#include "master/jobs.h"
#include "master/keep.h"
#include "master/operands.h"

/* ---- STORING: there -------------------------------------------------------------------------- */

void
kofn_job_receive(kofn_job *job)
{
    if (!job->keep || !job->master->keep) {
        job->master->audience->accepted(job);
        kofn_job_start(job);
        return;
    }
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_RECEIVED);
    job->durable = true;
    job->choice_on_disk = kofn_code_spec_is_complete(&job->spec);
    kofn_job_move(job, KOFN_JOB_EV_STORING);
    kofn_keep_job(job);
}

void
kofn_job_on_kept(kofn_job *job, const kofn_error *why)
{
    if (kofn_job_is_over(job)) { // cancelled meanwhile: its end follows
        kofn_job_release_work(job);
        return;
    }
    if (why) {
        job->durable = job->suspended = false;
        kofn_job_break(job, why);
        return;
    }
    job->on_disk = true;
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_KEPT);
    job->master->audience->accepted(job);
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_TOLD);
    if (!job->suspended)
        kofn_job_start(job);
    kofn_jobs_act(job->master->jobs);
}

/* One task alone is the product, whatever its code is called. Sparse operands are cut anew, perhaps
 * in another way. */
void
kofn_job_keep_choice(kofn_job *job)
{
    if (!job->on_disk || kofn_sparse_is_any(&job->sparse) || job->choice_on_disk ||
        job->spec.tasks <= 1 || !job->master->keep)
        return;
    job->choice_on_disk = true;
    kofn_keep_choice(job);
}

/* ---- STORING: back --------------------------------------------------------------------------- */

/* The last one goes on with the job. */
static void
end_loading(kofn_job *job)
{
    if (--job->loading > 0)
        return;
    if (kofn_job_is_over(job))
        kofn_job_release_work(job);
    else if (job->error.status)
        kofn_job_break(job, &job->error);
    else
        kofn_job_start(job);
    kofn_jobs_act(job->master->jobs);
}

/* One of its own. Stored ones are checked where they are loaded. */
static kofn_status
check_operand(const kofn_job *job, size_t operand, const kofn_bands *bands, kofn_error *err)
{
    const kofn_bands like = kofn_job_describe_matrix(job, operand);
    if (job->stored[operand])
        return KOFN_OK;
    return kofn_keep_check_shape(bands, like.dtype, like.rows, like.cols, err);
}

void
kofn_job_on_operand(kofn_job *job, size_t operand, kofn_bands *bands, const kofn_error *why)
{
    kofn_error other;
    if (!why && check_operand(job, operand, bands, &other) != KOFN_OK)
        why = &other;
    if (why && !job->error.status) {
        job->error = *why;
        (void)kofn_fail_within(&job->error, "%s, which was kept on disk",
                               kofn_operand_name(job->outer, operand));
    } else if (!why && !kofn_job_is_over(job)) {
        job->operands.mat[operand] = *bands;
        memset(bands, 0, sizeof *bands);
        job->absent &= ~(1U << operand);
    }
    end_loading(job);
}

static void
load_operands(kofn_job *job)
{
    const unsigned absent = job->absent;
    if (job->state == KOFN_JOB_RECEIVING)
        kofn_job_move(job, KOFN_JOB_EV_STORING);
    job->loading = 1; // until all are asked for
    for (size_t o = 0; o < job->operands.count; o++) {
        if (!(absent & 1U << o))
            continue;
        job->loading++;
        if (job->stored[o])
            kofn_operand_load(job->stored[o], job, o);
        else
            kofn_keep_fetch_operand(job, o);
    }
    end_loading(job);
}

void
kofn_job_start(kofn_job *job)
{
    if (job->absent) {
        load_operands(job);
        return;
    }
    job->times.received_ns = kofn_clock_ns();
    kofn_job_move(job, KOFN_JOB_EV_RECEIVED);
    kofn_job_check(job);
}

/* ---- ENDING ---------------------------------------------------------------------------------- */

static const struct {
    kofn_job_event event;
    kofn_job_state state;
} ends[] = {
    {KOFN_JOB_EV_DECODED, KOFN_JOB_DONE},
    {KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
};

kofn_job_state
kofn_job_get_end(const kofn_job *job)
{
    return job->state == KOFN_JOB_ENDING ? job->end : job->state;
}

/* Its work ends here and now; people are told later. */
static void
end_work(kofn_job *job)
{
    kofn_jobs_set_aside(job->master->jobs, job);
    if (job->parts)
        kofn_job_end_parts(job);
    kofn_job_release_work(job);
}

void
kofn_job_finish(kofn_job *job, kofn_job_event event)
{
    if (job->suspended) // its record goes on, in the next life
        return;
    if (!job->durable || !job->master->keep) {
        kofn_job_move(job, event);
        kofn_job_close(job);
        return;
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends[i].event == event)
            job->end = ends[i].state;
    job->times.ended_ns = kofn_clock_ns();
    kofn_job_move(job, KOFN_JOB_EV_ENDING);
    end_work(job);
    if (job->has_product)
        (void)kofn_failpoint_pass(KOFN_FAIL_JOB_MADE);
    kofn_keep_end(job);
    if (job->parts)
        kofn_jobs_act(job->master->jobs); // those that were running
}

static void
need_operands(const kofn_job *job)
{
    for (size_t o = 0; o < KOFN_OPERANDS_MAX; o++)
        if (job->stored[o])
            kofn_operand_need(job->stored[o]);
}

/* Where the disk takes no end, its job will be run once more after a restart, and ends alike. */
void
kofn_job_on_end_kept(kofn_job *job, const kofn_error *why)
{
    kofn_job_event event = KOFN_JOB_EV_BROKEN;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends[i].state == job->end)
            event = ends[i].event;
    if (why) {
        kofn_log_write(&job->master->log, KOFN_LOG_ERROR, "end_not_stored", why->text, "job=%s",
                       job->name);
        need_operands(job);
    }
    job->on_disk = true;
    job->product_on_disk = !why && job->has_product;
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_ENDED);
    kofn_job_move(job, event);
    kofn_job_close(job);
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_ANSWERED);
}

/* ---- products -------------------------------------------------------------------------------- */

void
kofn_job_put_away_product(kofn_job *job)
{
    const kofn_bands c = job->product;
    if (!job->product_on_disk || job->product_away)
        return;
    kofn_bands_fini(&job->product);
    kofn_bands_init(&job->product, c.dtype, c.rows, c.cols);
    job->product_away = true;
    kofn_jobs_change_charge(job->master->jobs, job, kofn_job_count_kept_bytes(job));
}

/* On disk it stays as long as the record: a reply may get lost, with the master that sent it. */
void
kofn_job_note_fetched(kofn_job *job)
{
    if (!job->has_product || job->stream) // of a stream: once its client has it
        return;
    if (!job->product_on_disk) {
        kofn_job_drop_product(job);
        return;
    }
    kofn_job_put_away_product(job);
    kofn_jobs_add_fetched(job->master->jobs, job);
}

void
kofn_job_drop_product(kofn_job *job)
{
    if (!job->has_product)
        return;
    kofn_bands_fini(&job->product);
    job->has_product = job->product_away = false;
    if (job->product_on_disk && job->master->keep)
        kofn_keep_drop_product(job);
    job->product_on_disk = false;
    kofn_jobs_change_charge(job->master->jobs, job, kofn_job_count_kept_bytes(job));
    kofn_jobs_add_dropped(job->master->jobs, job);
}

void
kofn_job_load_product(kofn_job *job)
{
    const kofn_master *master = job->master;
    const kofn_bands *c = &job->product;
    const size_t bytes = c->rows * c->cols * kofn_dtype_width(c->dtype);
    kofn_error err;
    bool never;
    if (job->product_coming)
        return;
    kofn_status status = kofn_master_check_room(master, "this result", 0, bytes, &never, &err);
    if (!status && !master->keep)
        status = kofn_fail(&err, KOFN_UNAVAILABLE, "the master is stopping: try again in a moment");
    if (status) {
        master->audience->loaded(job, &err);
        return;
    }
    job->product_coming = true;
    kofn_jobs_change_charge(master->jobs, job, kofn_job_count_kept_bytes(job));
    kofn_keep_fetch_product(job);
}

void
kofn_job_on_product(kofn_job *job, kofn_bands *bands, const kofn_error *why)
{
    const kofn_bands shape = job->product;
    kofn_error other;
    if (!why && job->has_product &&
        kofn_keep_check_shape(bands, shape.dtype, shape.rows, shape.cols, &other) != KOFN_OK)
        why = &other;
    job->product_coming = false;
    if (!why && job->has_product) { // else: dropped meanwhile
        kofn_bands_fini(&job->product);
        job->product = *bands;
        memset(bands, 0, sizeof *bands);
        job->product_away = false;
    }
    kofn_jobs_change_charge(job->master->jobs, job, kofn_job_count_kept_bytes(job));
    job->master->audience->loaded(job, job->has_product ? why : NULL);
}
