#include "master/integers.h"
#include "master/jobs.h"
#include "master/operands.h"
#include "master/streams.h"

#include <assert.h>
#include <stdlib.h>

static const struct {
    kofn_job_state from;
    kofn_job_event event;
    kofn_job_state to;
} moves[] = {
    {KOFN_JOB_RECEIVING, KOFN_JOB_EV_RECEIVED, KOFN_JOB_PREPARING},
    {KOFN_JOB_RECEIVING, KOFN_JOB_EV_STORING, KOFN_JOB_STORING},
    {KOFN_JOB_RECEIVING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_RECEIVING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_STORING, KOFN_JOB_EV_RECEIVED, KOFN_JOB_PREPARING},
    {KOFN_JOB_STORING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_STORING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_STORING, KOFN_JOB_EV_ENDING, KOFN_JOB_ENDING},
    {KOFN_JOB_PREPARING, KOFN_JOB_EV_BUILT, KOFN_JOB_RUNNING},
    {KOFN_JOB_PREPARING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_PREPARING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_PREPARING, KOFN_JOB_EV_ENDING, KOFN_JOB_ENDING},
    {KOFN_JOB_RUNNING, KOFN_JOB_EV_ENOUGH, KOFN_JOB_DECODING},
    {KOFN_JOB_RUNNING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_RUNNING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_RUNNING, KOFN_JOB_EV_ENDING, KOFN_JOB_ENDING},
    {KOFN_JOB_DECODING, KOFN_JOB_EV_DECODED, KOFN_JOB_DONE},
    {KOFN_JOB_DECODING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_DECODING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_DECODING, KOFN_JOB_EV_ENDING, KOFN_JOB_ENDING},
    {KOFN_JOB_BLOCKED, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_BLOCKED, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
    {KOFN_JOB_BLOCKED, KOFN_JOB_EV_ENDING, KOFN_JOB_ENDING},
    {KOFN_JOB_ENDING, KOFN_JOB_EV_DECODED, KOFN_JOB_DONE},
    {KOFN_JOB_ENDING, KOFN_JOB_EV_BROKEN, KOFN_JOB_FAILED},
    {KOFN_JOB_ENDING, KOFN_JOB_EV_CANCEL, KOFN_JOB_CANCELLED},
};

const char *
kofn_job_state_name(kofn_job_state state)
{
    static const char *const names[] = {
        [KOFN_JOB_RECEIVING] = "receiving", [KOFN_JOB_PREPARING] = "queued",
        [KOFN_JOB_RUNNING] = "running",     [KOFN_JOB_DECODING] = "decoding",
        [KOFN_JOB_DONE] = "done",           [KOFN_JOB_FAILED] = "failed",
        [KOFN_JOB_CANCELLED] = "cancelled", [KOFN_JOB_STORING] = "storing",
        [KOFN_JOB_ENDING] = "storing",      [KOFN_JOB_BLOCKED] = "blocked",
    };
    return names[state];
}

void
kofn_job_move(kofn_job *job, kofn_job_event event)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        if (moves[i].from == job->state && moves[i].event == event) {
            job->state = moves[i].to;
            kofn_jobs_count_move(job->master->jobs, job, moves[i].from);
            kofn_log_write(&job->master->log, KOFN_LOG_DEBUG, "job_moved", "it changed state",
                           "job=%s state=%s", job->name, kofn_job_state_name(job->state));
            job->master->audience->moved(job);
            return;
        }
    }
    assert(!"a job cannot make this move");
}

bool
kofn_job_is_over(const kofn_job *job)
{
    return job->state >= KOFN_JOB_ENDING;
}

const kofn_job *
kofn_job_get_whole(const kofn_job *job)
{
    return job->whole ? job->whole : job;
}

void
kofn_bands_array_fini(kofn_bands **bands_p, size_t count)
{
    for (size_t i = 0; *bands_p && i < count; i++)
        kofn_bands_fini(&(*bands_p)[i]);
    free(*bands_p);
    *bands_p = NULL;
}

static void
release_stored(kofn_job *job)
{
    for (size_t o = 0; o < KOFN_OPERANDS_MAX; o++) {
        for (size_t other = o + 1; other < KOFN_OPERANDS_MAX; other++)
            if (job->stored[other] == job->stored[o]) // held once
                job->stored[other] = NULL;
        if (job->is_part) // the whole holds it
            job->stored[o] = NULL;
        else
            kofn_operand_release(&job->stored[o]);
    }
}

/* A part that has let go of everything is an item of its whole no more. */
static void
leave_whole(kofn_job *part)
{
    kofn_job *whole = part->whole;
    part->whole = NULL;
    kofn_job_leave(whole);
}

void
kofn_job_release_work(kofn_job *job)
{
    kofn_job_give_up_trial(job);
    if (job->items > 0) // the last one to leave calls again
        return;
    kofn_assembler_fini(&job->operands);
    if (job->state != KOFN_JOB_ENDING) // until then it may have to begin anew, with what it holds
        release_stored(job);
    if (job->parts)
        kofn_parts_clear(job->parts);
    if (job->code) {
        for (size_t o = 0; o < job->code->operands; o++)
            kofn_bands_array_fini(&job->plain[o], job->code->e[o].cols);
        kofn_bands_array_fini(&job->answers, job->code->tasks);
    }
    kofn_decode_plan_fini(&job->plan);
    kofn_verification_release(&job->verification);
    kofn_sparse_release(&job->sparse);
    if (job->state != KOFN_JOB_ENDING) { // as release_stored
        job->spec.batch = NULL;
        kofn_batch_destroy(&job->batch);
    }
    free(job->sends);
    job->sends = NULL;
    job->send_count = job->send_capacity = 0;
    if (job->whole)
        leave_whole(job);
}

void
kofn_job_leave(kofn_job *job)
{
    assert(job->items > 0);
    if (--job->items == 0 && kofn_job_is_over(job))
        kofn_job_release_work(job);
}

void
kofn_job_destroy(kofn_job **job_p)
{
    kofn_job *job = *job_p;
    if (!job)
        return;

    kofn_job_release_work(job);
    if (job->has_product)
        kofn_bands_fini(&job->product);
    kofn_wire_buffer_fini(&job->account);
    kofn_code_destroy(&job->code);
    kofn_batch_destroy(&job->batch);
    kofn_field_destroy(&job->field);
    kofn_wire_buffer_fini(&job->order);
    free(job->parts);
    kofn_jobs_free_record(job->master->jobs, job);
    *job_p = NULL;
}

/* Distinct tasks answered, over all parts. */
static size_t
count_answers(const kofn_job *job)
{
    size_t count = job->last.kept;
    for (size_t i = 0; job->parts && i < job->parts->primes; i++)
        count += job->parts->at[i].account.answers;
    return count;
}

static void
log_end(const kofn_job *job)
{
    const bool failed = job->state == KOFN_JOB_FAILED, done = job->state == KOFN_JOB_DONE;
    const kofn_log_level level = failed ? KOFN_LOG_WARNING : KOFN_LOG_INFO;
    kofn_log_write(&job->master->log, job->is_part ? KOFN_LOG_DEBUG : level,
                   done ? "job_done" : "job_ended", done ? "the product is there" : job->error.text,
                   "job=%s state=%s family=%s tasks=%zu answers=%zu ms=%.3f", job->name,
                   kofn_job_state_name(job->state), job->spec.family, job->spec.tasks,
                   count_answers(job),
                   (double)(job->times.ended_ns - job->times.accepted_ns) * 1e-6);
}

size_t
kofn_job_count_kept_bytes(const kofn_job *job)
{
    const kofn_bands *c = &job->product;
    if (!job->has_product || job->is_part)
        return 0;
    const bool here = !job->product_away || job->product_coming;
    return sizeof *job + job->account.length +
           (here ? c->rows * c->cols * kofn_dtype_width(c->dtype) : 0);
}

void
kofn_job_close(kofn_job *job)
{
    kofn_jobs *jobs = job->master->jobs;
    kofn_job *whole = job->whole;
    job->times.ended_ns = kofn_clock_ns();
    if (job->parts)
        kofn_job_end_parts(job);
    kofn_job_release_work(job);
    kofn_jobs_add_ended(jobs, job);
    kofn_jobs_change_charge(jobs, job, kofn_job_count_kept_bytes(job));
    log_end(job);
    job->master->carrier->over(job->master->fleet, job);
    if (whole) {
        kofn_job_end_part(whole, job);
        return;
    }
    job->master->audience->over(job);
    if (!job->keep && !job->stream)
        kofn_job_drop_product(job);
    if (job->stream)
        kofn_stream_on_over(job->stream, job);
    if (job->parts)
        kofn_jobs_act(jobs); // those that were running
}

void
kofn_job_break(kofn_job *job, const kofn_error *why)
{
    if (why != &job->error)
        job->error = *why;
    kofn_job_finish(job, why->status == KOFN_CANCELLED ? KOFN_JOB_EV_CANCEL : KOFN_JOB_EV_BROKEN);
}

void
kofn_job_stop(kofn_job *job, const kofn_error *why)
{
    if (kofn_job_is_over(job))
        return;

    /* DECODING: the scheduler's record stays for the coder. What has parts it does not know. */
    if (job->state != KOFN_JOB_RUNNING || job->parts) {
        kofn_job_break(job, why);
        return;
    }
    kofn_master *master = job->master;
    (void)kofn_sched_get_job(master->sched, job->id, &job->last); // it is there while RUNNING
    if (kofn_sched_job_cancel(master->sched, kofn_clock_ns(), job->id))
        job->error = *why; // the scheduler ends it: its FAIL comes back through kofn_jobs_act
}

void
kofn_job_end(kofn_job *job, const kofn_error *why)
{
    kofn_job_stop(job, why);
    kofn_jobs_act(job->master->jobs);
}
