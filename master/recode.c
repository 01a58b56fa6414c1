/* RECODE: a compute thread makes coded tasks for what a job in two stages misses (staged.h), and
 * the scheduler and the job go on with the code that has them. */
#include "common/code/columns.h"
#include "common/code/staged.h"
#include "master/jobs.h"

#include <stdlib.h>

struct kofn_recode {
    kofn_coder_item item;
    kofn_job *job;
    kofn_code_spec spec;
    kofn_code *from, *made; // made: NULL where there is none
    double rate;
    size_t charge; // of the job, as long as it takes
    kofn_error error;
    size_t count;
    size_t missing[]; // room for all tasks
};

static void
recode_run(kofn_coder_item *item)
{
    kofn_recode *recode = (kofn_recode *)item;
    const kofn_status status =
        kofn_staged_fill(&recode->spec, recode->from, recode->missing, recode->count, recode->rate,
                         &recode->made, &recode->error);
    if (status)
        recode->made = NULL;
}

/* What the scheduler has of the code is what the job has. Nothing is encoded now, by the old
 * one. */
static void
take_rows(kofn_job *job, kofn_code *made, const kofn_error *why)
{
    kofn_error err;
    const kofn_status status =
        kofn_sched_job_recode(job->master->sched, kofn_clock_ns(), job->id, made, &err);
    if (made && !status) {
        kofn_code *before = job->code;
        job->code = kofn_code_ref(made);
        kofn_job_init_coding(job, made, &job->coding);
        kofn_code_destroy(&before);
        kofn_log_write(&job->master->log, KOFN_LOG_INFO, "rows_made",
                       "coded tasks for what is late", "job=%s", job->name);
        return;
    }
    kofn_log_write(&job->master->log, KOFN_LOG_INFO, "no_rows_made", "what is late is copied",
                   "job=%s reason=\"%s\"", job->name, made ? err.text : why->text);
}

/* What a job that is over is charged with is known without it. */
static void
destroy_item(kofn_recode **recode_p)
{
    kofn_job *job = (*recode_p)->job;
    if (!kofn_job_is_over(job))
        kofn_jobs_change_charge(job->master->jobs, job, job->charge - (*recode_p)->charge);
    kofn_code_destroy(&(*recode_p)->from);
    kofn_code_destroy(&(*recode_p)->made);
    free(*recode_p);
    *recode_p = NULL;
}

void
kofn_job_take_rows(kofn_job *job)
{
    kofn_recode *recode = job->recode;
    if (!recode || job->encoding)
        return;
    job->recode = NULL;
    if (job->state == KOFN_JOB_RUNNING)
        take_rows(job, recode->made, &recode->error);
    destroy_item(&recode);
}

static void
recode_done(kofn_coder_item *item)
{
    kofn_recode *recode = (kofn_recode *)item;
    kofn_job *job = recode->job;
    if (!item->start_ns) // the pool was drained before it ran
        kofn_fail(&recode->error, KOFN_UNAVAILABLE, "the master stopped");
    job->recode = recode;
    kofn_job_take_rows(job); // or once what is being encoded is
    kofn_job_leave(job);
    kofn_jobs_act(job->master->jobs);
}

/* The code that has the rows, beside the one that has not; and theirs, of which there may be as
 * many. */
static size_t
count_bytes(const kofn_code *code)
{
    const size_t mixed = code->columns ? code->columns->size.mixed : 0;
    return 2 * code->tasks * (code->e[0].cols + code->e[1].cols + mixed) * sizeof(double);
}

/* Where there is no room they are not made: what is late is copied. */
static kofn_status
new_item(kofn_job *job, kofn_recode **ret_recode, kofn_error *err)
{
    const size_t bytes = count_bytes(job->code);
    bool never;
    const kofn_status status = kofn_master_check_room(
        job->master, "making tasks for what is late of this job", job->charge, bytes, &never, err);
    if (status)
        return status;
    kofn_recode *recode = calloc(1, sizeof *recode + job->code->tasks * sizeof recode->missing[0]);
    if (!recode)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to make tasks");
    recode->charge = bytes;
    kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    *ret_recode = recode;
    return KOFN_OK;
}

void
kofn_job_recode(kofn_job *job)
{
    kofn_recode *recode = NULL;
    kofn_error err;
    if (new_item(job, &recode, &err) != KOFN_OK) {
        take_rows(job, NULL, &err);
        return;
    }
    recode->item.run = recode_run;
    recode->item.done = recode_done;
    recode->item.is_long = true;
    recode->job = job;
    recode->spec = job->spec;
    recode->from = kofn_code_ref(job->code);
    recode->count =
        kofn_sched_job_list_missing(job->master->sched, job->id, recode->missing, &recode->rate);
    job->items++;
    kofn_coders_submit(job->master->coders, &recode->item);
}
