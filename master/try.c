/* TRY: a compute thread finds out whether the answers of a job suffice (sched/trial.h). */
#include "master/jobs.h"

#include <stdlib.h>

typedef struct try_item {
    kofn_coder_item item;
    kofn_job *job;
    kofn_trial *trial;
} try_item;

static void
try_run(kofn_coder_item *item)
{
    kofn_trial_run(((try_item *)item)->trial);
}

static void
try_done(kofn_coder_item *item)
{
    try_item *try = (try_item *)item;
    kofn_job *job = try->job;
    kofn_master *master = job->master;
    job->trial = NULL;
    if (item->start_ns)
        kofn_sched_job_tried(master->sched, kofn_clock_ns(), job->id, &try->trial);
    else // the pool was drained before it ran
        kofn_trial_destroy(&try->trial);
    free(try);
    kofn_job_leave(job);
    kofn_jobs_act(master->jobs);
}

void
kofn_job_try(kofn_job *job, kofn_trial *trial)
{
    try_item *try = malloc(sizeof *try);
    if (!try) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to find out whether answers suffice");
        kofn_trial_destroy(&trial);
        kofn_job_stop(job, &err);
        return;
    }
    *try = (try_item){
        .item = {.run = try_run, .done = try_done, .is_long = true}, .job = job, .trial = trial};
    job->trial = trial;
    job->items++;
    kofn_coders_submit(job->master->coders, &try->item);
}

void
kofn_job_give_up_trial(kofn_job *job)
{
    if (job->trial)
        kofn_trial_give_up(job->trial);
}
