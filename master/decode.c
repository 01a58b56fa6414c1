#include "master/jobs.h"
#include "proto/block.h"

#include <assert.h>
#include <stdlib.h>

typedef struct decode_item {
    kofn_coder_item item;
    kofn_job *job;
    const kofn_decoder *decoder; // the scheduler's, until the job is forgotten there
    kofn_error error;
    kofn_status status;
} decode_item;

/* One answer that is the product, as it is? */
static const kofn_bands *
find_whole_answer(const kofn_job *job)
{
    const kofn_decode_plan *plan = &job->plan;
    if (plan->targets != 1 || plan->used != 1 || plan->coef[0] != 1.0)
        return NULL;
    return &job->answers[plan->task[0]];
}

static kofn_status
decode_product(kofn_job *job, kofn_error *err)
{
    const kofn_bands *whole = find_whole_answer(job);
    if (whole)
        return kofn_bands_ref(whole, &job->product, err);

    const kofn_bands **answers = calloc(job->plan.used + 1, sizeof *answers);
    if (!answers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to decode");
    for (size_t u = 0; u < job->plan.used; u++)
        answers[u] = &job->answers[job->plan.task[u]];
    kofn_status status =
        kofn_block_bands_new(job->master->pool, job->field->dtype, job->shape.rows, job->shape.cols,
                             job->master->config.chunk_bytes, &job->product, err);
    if (!status)
        status = kofn_coding_decode(&job->coding, &job->plan, answers, &job->product, err);
    if (status)
        kofn_bands_fini(&job->product);
    free(answers);
    return status;
}

static void
decode_run(kofn_coder_item *item)
{
    decode_item *decode = (decode_item *)item;
    decode->status = kofn_decoder_plan(decode->decoder, &decode->job->plan, &decode->error);
    if (!decode->status)
        decode->status = decode_product(decode->job, &decode->error);
}

static void
finish_decode(kofn_job *job, kofn_status status, const kofn_error *why)
{
    kofn_sched_job_forget(job->master->sched, job->id);
    if (status) {
        kofn_job_break(job, why);
        return;
    }
    job->has_product = true;
    job->answers_used = job->plan.used;
    job->quality = job->plan.quality;
    kofn_job_move(job, KOFN_JOB_EV_DECODED);
    kofn_job_close(job);
}

static void
decode_done(kofn_coder_item *item)
{
    decode_item *decode = (decode_item *)item;
    kofn_job *job = decode->job;
    job->items--;
    job->times.decode_ns = item->end_ns - item->start_ns;
    if (!item->start_ns) // the pool was drained before it ran
        decode->status = kofn_fail(&decode->error, KOFN_UNAVAILABLE, "the master stopped");
    if (job->state == KOFN_JOB_DECODING) {
        finish_decode(job, decode->status, &decode->error);
    } else { // it was ended while we decoded
        if (!decode->status)
            kofn_bands_fini(&job->product);
        kofn_sched_job_forget(job->master->sched, job->id);
        kofn_job_release_work(job);
    }
    free(decode);
}

/* A code with one column has a plan that costs nothing to make: no need for another thread. */
static bool
decode_at_once(kofn_job *job, const kofn_decoder *decoder)
{
    kofn_error err;
    if (kofn_code_columns(job->code) != 1)
        return false;
    if (kofn_decoder_plan(decoder, &job->plan, &err) != KOFN_OK) {
        finish_decode(job, err.status, &err);
        return true;
    }
    if (!find_whole_answer(job)) {
        kofn_decode_plan_fini(&job->plan);
        return false;
    }
    finish_decode(job, decode_product(job, &err), &err);
    return true;
}

void
kofn_job_decode(kofn_job *job, const kofn_action *action)
{
    job->times.enough_ns = kofn_clock_ns();
    job->waited = action->waited;
    (void)kofn_sched_get_job(job->master->sched, job->id,
                             &job->last); // it is there until forgotten
    kofn_job_move(job, KOFN_JOB_EV_ENOUGH);
    const kofn_decoder *decoder = kofn_sched_job_get_decoder(job->master->sched, job->id);
    if (decode_at_once(job, decoder))
        return;
    decode_item *decode = calloc(1, sizeof *decode);
    if (!decode) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to decode");
        finish_decode(job, err.status, &err);
        return;
    }
    decode->item.run = decode_run;
    decode->item.done = decode_done;
    decode->job = job;
    decode->decoder = decoder;
    job->items++;
    kofn_coders_submit(job->master->coders, &decode->item);
}

void
kofn_job_keep_answer(kofn_job *job, size_t task, kofn_bands *blocks, bool nonfinite)
{
    assert(job->state == KOFN_JOB_RUNNING && task < job->code->tasks);
    kofn_bands_fini(&job->answers[task]);
    job->answers[task] = *blocks;
    memset(blocks, 0, sizeof *blocks);
    job->last.kept++;
    job->nonfinite |= nonfinite;
}
