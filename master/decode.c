#include "master/jobs.h"
#include "master/sched/list.h"
#include "proto/block.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    PIECE_BYTES = 2 << 20, // of the product: less is not worth another thread
    OPINION_ROWS = 64,     // of each of its blocks, by which two decodes are compared
};

/* Some rows of every block of the product. */
typedef struct decode_piece {
    kofn_coder_item item;
    struct decode_work *work;
    kofn_range rows;
    kofn_status status;
    kofn_error error;
} decode_piece;

/* First the plan and room for the product, in one item; then the product, in pieces side by side,
 * and with them what can be known of its error by doing without one of the answers. */
typedef struct decode_work {
    kofn_coder_item plan, opinion;
    kofn_job *job;
    const kofn_decoder *decoder; // the scheduler's, until the job is forgotten there; or `rest`
    kofn_liars liars;            // whose answers are left out
    kofn_decoder *rest;          // has the others; NULL: nobody lied
    const kofn_bands **answers;  // [plan.used]
    double differs;              // the opinion: relative to the product
    kofn_status status;
    kofn_error error;
    int64_t start_ns;
    bool estimate;
    size_t out;   // pieces and opinions that are not done
    size_t count; // pieces, at least 1
    decode_piece piece[];
} decode_work;

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
prepare_product(decode_work *work, kofn_error *err)
{
    kofn_job *job = work->job;
    work->answers = calloc(job->plan.used + 1, sizeof *work->answers);
    if (!work->answers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to decode");
    for (size_t u = 0; u < job->plan.used; u++)
        work->answers[u] = &job->answers[job->plan.task[u]];
    return kofn_block_bands_new(job->master->pool, job->field->dtype, job->shape.rows,
                                job->shape.cols, job->master->config.chunk_bytes, &job->product,
                                err);
}

static void
piece_run(kofn_coder_item *item)
{
    decode_piece *piece = (decode_piece *)item;
    const decode_work *work = piece->work;
    const kofn_job *job = work->job;
    piece->status = kofn_coding_decode(&job->coding, &job->plan, work->answers, piece->rows,
                                       &job->product, &piece->error);
}

/* What can be known of the error from the answers themselves takes one more than the plan used; an
 * estimate does with one less. None is no error: then there is nothing to tell. */
static bool
wants_opinion(const decode_work *work)
{
    const kofn_decode_plan *plan = &work->job->plan;
    const size_t count = kofn_decoder_get_count(work->decoder);
    return work->job->field->epsilon > 0 && (plan->estimate ? count > 1 : count > plan->used);
}

static void
opinion_run(kofn_coder_item *item)
{
    decode_work *work = KOFN_OWNER(item, decode_work, opinion);
    const kofn_job *job = work->job;
    kofn_decode_plan other;
    if (kofn_decoder_second_opinion(work->decoder, kofn_job_get_seen_noise(job), &job->plan, &other,
                                    NULL))
        return;
    double differs;
    if (!kofn_coding_disagree(&job->coding, &job->plan, &other, job->answers, OPINION_ROWS,
                              &differs, NULL) &&
        isfinite(differs))
        work->differs = differs;
    kofn_decode_plan_fini(&other);
}

static kofn_status
make_plan(const kofn_job *job, const kofn_decoder *decoder, bool estimate,
          kofn_decode_plan *ret_plan, kofn_error *err)
{
    const double noise = kofn_job_get_seen_noise(job);
    kofn_decode_plan plan;
    kofn_status status = estimate ? kofn_decoder_estimate(decoder, noise, &plan, err)
                                  : kofn_decoder_plan(decoder, noise, &plan, err);
    if (status)
        return status;
    status = kofn_decode_plan_doubt(&plan, job->code, kofn_job_get_doubt(job), err);
    if (status)
        kofn_decode_plan_fini(&plan);
    else
        *ret_plan = plan;
    return status;
}

/* By parity, where so many answers are there for it. */
static kofn_status
leave_out_liars(decode_work *work, kofn_error *err)
{
    kofn_job *job = work->job;
    if (job->accept.liars == 0)
        return KOFN_OK;
    const kofn_status status =
        kofn_job_find_liars(job, work->decoder, &work->liars, &work->rest, err);
    if (status)
        return status;
    job->verification.slack = work->liars.slack;
    work->decoder = work->rest ? work->rest : work->decoder;
    return KOFN_OK;
}

static void
plan_run(kofn_coder_item *item)
{
    decode_work *work = (decode_work *)item;
    kofn_job *job = work->job;
    work->status = leave_out_liars(work, &work->error);
    if (!work->status)
        work->status = make_plan(job, work->decoder, work->estimate, &job->plan, &work->error);
    if (work->status)
        return;
    const kofn_bands *whole = find_whole_answer(job);
    if (whole) {
        work->out = 0;
        work->status = kofn_bands_ref(whole, &job->product, &work->error);
        return;
    }
    work->status = prepare_product(work, &work->error);
    if (work->status || work->count > 1)
        return;
    work->out = 0; // one piece: here and now
    piece_run(&work->piece[0].item);
    work->status = work->piece[0].status;
    work->error = work->piece[0].error;
    if (wants_opinion(work))
        opinion_run(&work->opinion);
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
    job->estimate = job->plan.estimate;
    job->error_bound = job->plan.truncation + job->plan.rounding;
    kofn_job_finish(job, KOFN_JOB_EV_DECODED);
}

/* Those of whom it is certain. */
static bool
tell_liars(const decode_work *work)
{
    kofn_job *job = work->job;
    for (size_t i = 0; i < work->liars.named && job->verification.givers; i++)
        job->master->carrier->quarantine(job->master->fleet,
                                         &job->verification.givers[work->liars.task[i]], job,
                                         work->liars.task[i]);
    return work->liars.named > 0;
}

static void
end_work(decode_work *work, int64_t end_ns)
{
    kofn_job *job = work->job;
    kofn_jobs *jobs = job->master->jobs;
    const bool told = tell_liars(work);
    kofn_job_leave(job);
    job->times.decode_ns = end_ns - work->start_ns;
    job->error_opinion = work->differs;
    if (work->status)
        kofn_bands_fini(&job->product);
    if (job->state == KOFN_JOB_DECODING) {
        finish_decode(job, work->status, &work->error);
    } else { // it was ended while we decoded
        kofn_bands_fini(&job->product);
        kofn_sched_job_forget(job->master->sched, job->id);
    }
    kofn_decoder_destroy(&work->rest);
    free(work->answers);
    free(work);
    if (told) // others lost a worker
        kofn_jobs_act(jobs);
}

/* A piece or the plan, and whether it ran: it did not when the pool was drained before. */
static void
note_end(decode_work *work, const kofn_coder_item *item, kofn_status status, const kofn_error *why)
{
    if (!item->start_ns)
        work->status = kofn_fail(&work->error, KOFN_UNAVAILABLE, "the master stopped");
    else if (status && !work->status)
        work->status = (work->error = *why).status;
}

static void
piece_done(kofn_coder_item *item)
{
    decode_piece *piece = (decode_piece *)item;
    decode_work *work = piece->work;
    note_end(work, item, piece->status, &piece->error);
    if (--work->out == 0)
        end_work(work, item->end_ns);
}

/* Without it the product is as good: it may fail. */
static void
opinion_done(kofn_coder_item *item)
{
    decode_work *work = KOFN_OWNER(item, decode_work, opinion);
    if (--work->out == 0)
        end_work(work, item->end_ns);
}

static void
plan_done(kofn_coder_item *item)
{
    decode_work *work = (decode_work *)item;
    kofn_coders *coders = work->job->master->coders;
    work->start_ns = item->start_ns;
    note_end(work, item, work->status, &work->error);
    if (work->status || work->out == 0 || work->job->state != KOFN_JOB_DECODING) {
        end_work(work, item->end_ns);
        return;
    }
    const bool asks = wants_opinion(work);
    work->out += asks;
    for (size_t i = 0; i < work->count; i++)
        kofn_coders_submit(coders, &work->piece[i].item);
    if (asks)
        kofn_coders_submit(coders, &work->opinion);
}

/* As many pieces as there are threads, of some size each. */
static decode_work *
new_work(kofn_job *job, const kofn_decoder *decoder, bool estimate)
{
    const size_t rows = job->coding.part.rows;
    const size_t bytes = job->shape.rows * job->shape.cols * kofn_dtype_width(job->field->dtype);
    size_t count = (size_t)job->master->config.compute_threads;
    count = count < bytes / PIECE_BYTES ? count : bytes / PIECE_BYTES;
    count = count < rows ? count : rows;
    count = count > 0 ? count : 1;
    decode_work *work = calloc(1, sizeof *work + count * sizeof work->piece[0]);
    if (!work)
        return NULL;
    work->plan = (kofn_coder_item){
        .run = plan_run, .done = plan_done, .is_long = kofn_decoder_is_deferred(decoder)};
    work->opinion = (kofn_coder_item){.run = opinion_run, .done = opinion_done};
    work->estimate = estimate;
    work->job = job;
    work->decoder = decoder;
    work->out = work->count = count;
    for (size_t i = 0; i < count; i++)
        work->piece[i] = (decode_piece){
            .item = {.run = piece_run, .done = piece_done},
            .work = work,
            .rows = {.first = i * rows / count, .end = (i + 1) * rows / count},
        };
    return work;
}

/* A code with one column has a plan that costs nothing to make: no need for another thread. */
static bool
decode_at_once(kofn_job *job, const kofn_decoder *decoder)
{
    kofn_error err;
    if (kofn_code_columns(job->code) != 1 || job->accept.liars > 0)
        return false;
    if (make_plan(job, decoder, false, &job->plan, &err) != KOFN_OK) {
        finish_decode(job, err.status, &err);
        return true;
    }
    if (!find_whole_answer(job)) {
        kofn_decode_plan_fini(&job->plan);
        return false;
    }
    finish_decode(job, kofn_bands_ref(find_whole_answer(job), &job->product, &err), &err);
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
    kofn_job_give_up_trial(job); // time was up before it was
    const kofn_decoder *decoder = kofn_sched_job_get_decoder(job->master->sched, job->id);
    if (!action->estimate && decode_at_once(job, decoder))
        return;
    decode_work *work = new_work(job, decoder, action->estimate);
    if (!work) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to decode");
        finish_decode(job, err.status, &err);
        return;
    }
    job->items++;
    kofn_coders_submit(job->master->coders, &work->plan);
}

void
kofn_job_keep_answer(kofn_job *job, size_t task, const kofn_giver *giver, kofn_bands *blocks,
                     bool nonfinite)
{
    assert(job->state == KOFN_JOB_RUNNING && task < job->code->tasks);
    kofn_bands_fini(&job->answers[task]);
    job->answers[task] = *blocks;
    memset(blocks, 0, sizeof *blocks);
    if (job->verification.givers)
        job->verification.givers[task] = *giver;
    job->last.kept++;
    job->nonfinite |= nonfinite;
}
