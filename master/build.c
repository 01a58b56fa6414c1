#include "common/base/size.h"
#include "common/code/columns.h"
#include "common/code/staged.h"
#include "common/linalg/outer.h"
#include "master/integers.h"
#include "master/jobs.h"
#include "master/sched/policy.h"
#include "master/store/failpoint.h"
#include "master/streams.h"

#include <stdlib.h>

typedef struct build_item {
    kofn_coder_item item;
    kofn_job *job;
    kofn_code_spec spec;
    const kofn_field *field;
    bool staged;
    kofn_code *code; // found before, or built
    bool built;
    kofn_error error;
    kofn_status status;
} build_item;

static kofn_status
allocate_work(kofn_job *job, kofn_error *err)
{
    bool short_of_memory = false;
    for (size_t o = 0; o < job->code->operands; o++) {
        job->plain[o] = calloc(job->code->e[o].cols, sizeof(kofn_bands));
        short_of_memory |= !job->plain[o];
    }
    job->answers = calloc(job->code->tasks, sizeof(kofn_bands));
    if (job->accept.liars > 0) {
        job->verification.givers = calloc(job->code->tasks, sizeof(kofn_giver));
        short_of_memory |= !job->verification.givers;
    }
    if (short_of_memory || !job->answers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a code of %zu tasks",
                         job->code->tasks);
    return KOFN_OK;
}

void
kofn_job_init_coding(const kofn_job *job, const kofn_code *code, kofn_coding *coding)
{
    if (job->batch)
        kofn_coding_init_batch(coding, code, job->shape, &job->extents, job->transposed);
    else if (job->outer)
        kofn_coding_init_outer(coding, code, &job->extents, job->transposed);
    else
        kofn_coding_init(coding, code, job->shape, job->transposed[0], job->transposed[1]);
}

static double
count_task_flops(const kofn_job *job)
{
    const kofn_shape *part = &job->coding.part;
    const double elements = (double)part->rows * (double)part->cols;
    return elements * (job->outer ? KOFN_OUTER_FLOPS : 2 * (double)part->inner);
}

static bool
is_policy(const kofn_job *job, const char *name)
{
    return strcmp(job->policy, name) == 0;
}

/* What "auto" is for this code. Where nobody knows how many answers suffice, fresh rows make up for
 * bad luck; without a task to lose, only a copy helps against delay. */
static const char *
choose_policy(const kofn_job *job, const kofn_code *code)
{
    if (code->likely && code->reserve > 0)
        return "rateless";
    const size_t tasks = kofn_code_first_tasks(code);
    return tasks > kofn_accept_enough(&job->accept, code) ? "oneshot" : "speculative";
}

void
kofn_job_run(kofn_job *job, kofn_code *code)
{
    kofn_error err;
    job->code = kofn_code_ref(code);
    if (is_policy(job, "auto"))
        snprintf(job->policy, sizeof job->policy, "%s", choose_policy(job, code));
    kofn_job_init_coding(job, code, &job->coding);
    kofn_sched_job order = {
        .id = job->id,
        .client = job->session,
        .code = code,
        .policy = job->policy,
        .deadline_ns = job->deadline_ns,
        .task_flops = count_task_flops(job),
        .accept = job->accept,
        .noise = kofn_job_get_noise(job, &job->coding),
        .stream = job->stream ? kofn_stream_get_id(job->stream) : 0,
    };
    kofn_status status = allocate_work(job, &err);
    if (!status)
        status = kofn_sched_job_add(job->master->sched, kofn_clock_ns(), &order, &err);
    if (status) {
        kofn_job_break(job, &err);
        return;
    }
    kofn_job_move(job, KOFN_JOB_EV_BUILT);
    job->master->carrier->begin(job->master->fleet, job);
    if (job->durable)
        (void)kofn_failpoint_pass(KOFN_FAIL_JOB_STARTED);
    kofn_jobs_act(job->master->jobs);
}

/* Its policy sends products as they are first, and makes tasks for what it misses then. Not where
 * tasks check each other, which takes more than those from the beginning. */
static bool
is_staged(const kofn_job *job)
{
    const kofn_policy *policy = kofn_policy_find(job->policy);
    return policy && policy->reserve == KOFN_RESERVE_STAGED && job->accept.liars == 0;
}

/* Multiplications of an elimination: a few minutes of a compute thread. */
#define ELIMINATION_MAX 2e11

/* Of what may be left when plain answers are copied. */
typedef struct elimination {
    size_t rows, cols; // coded answers, columns that they have to give
    double multiplications;
} elimination;

static elimination
measure_elimination(const kofn_code *code)
{
    const size_t enough = kofn_size_smaller(code->threshold, kofn_code_first_tasks(code));
    const size_t rows = kofn_size_smaller(kofn_code_count_coded(code), enough);
    const size_t columns = kofn_code_columns(code);
    const size_t cols = columns - kofn_size_smaller(columns, enough - rows);
    return (elimination){.rows = rows,
                         .cols = cols,
                         .multiplications = (double)rows * (double)cols *
                                            ((double)rows + (double)code->targets.rows)};
}

/* The answers that complete a set pay for the elimination of those that are coded, on a compute
 * thread, which it has for itself until it is through (sched/trial.h). */
static kofn_status
check_elimination(const kofn_code *code, kofn_error *err)
{
    const elimination e = measure_elimination(code);
    if (e.multiplications <= ELIMINATION_MAX)
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "decoding from %zu coded answers takes %.2g multiplications, at most %.2g: %s",
                     e.rows, e.multiplications, ELIMINATION_MAX,
                     kofn_code_count_coded(code) < kofn_code_first_tasks(code)
                         ? "take fewer coded tasks, or fewer parts"
                         : "take fewer parts, a family that is systematic, or one with "
                           "groups");
}

/* Of those that take a trial: rows, targets, what is left of them, solution, and LAPACK's
 * copies. */
static size_t
count_elimination_bytes(const kofn_code *code)
{
    enum { MATRICES = 8 };
    const elimination e = measure_elimination(code);
    return e.multiplications > KOFN_DECODER_DEAR ? MATRICES * sizeof(double) * e.rows * e.cols : 0;
}

/* All that it takes is known. */
static void
start(kofn_job *job, kofn_code *code)
{
    kofn_error err;
    bool never;
    const size_t bytes = count_elimination_bytes(code);
    if (bytes > 0 && kofn_master_check_room(job->master, "decoding this job", job->charge, bytes,
                                            &never, &err)) {
        kofn_job_break(job, &err);
        return;
    }
    kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    kofn_job_run_verified(job, code);
}

static void
build_run(kofn_coder_item *item)
{
    build_item *build = (build_item *)item;
    const kofn_job *job = build->job;
    kofn_coding coding;
    build->built = !build->code;
    if (build->built)
        build->status = (build->staged ? kofn_staged_build : kofn_code_spec_build)(
            &build->spec, build->field, &build->code, &build->error);
    if (!build->status)
        build->status = check_elimination(build->code, &build->error);
    if (build->status)
        return;
    kofn_job_init_coding(job, build->code, &coding);
    build->status = kofn_accept_check_reach(&job->accept, build->code,
                                            kofn_job_get_noise(job, &coding), &build->error);
}

static void
build_done(kofn_coder_item *item)
{
    build_item *build = (build_item *)item;
    kofn_job *job = build->job;
    kofn_job_leave(job);
    if (!item->start_ns) // the pool was drained before it ran
        build->status = kofn_fail(&build->error, KOFN_UNAVAILABLE, "the master stopped");
    if (build->code && build->built && !build->status &&
        !job->batch) // it is the code of these pairs alone
        kofn_jobs_keep_code(job->master->jobs, &build->spec, build->staged, build->code);
    if (!kofn_job_is_over(job) && build->status)
        kofn_job_break(job, &build->error);
    else if (!kofn_job_is_over(job))
        start(job, build->code);
    kofn_code_destroy(&build->code);
    free(build);
}

/* Build the code, unless it is known, and try whether it gives what the job accepts: both take
 * time. */
static void
build_code(kofn_job *job, kofn_code *known)
{
    build_item *build = calloc(1, sizeof *build);
    if (!build) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to build a code");
        kofn_job_break(job, &err);
        return;
    }
    build->item.run = build_run;
    build->item.done = build_done;
    build->job = job;
    build->spec = job->spec;
    build->staged = is_staged(job);
    build->field = job->field;
    build->code = known ? kofn_code_ref(known) : NULL;
    job->items++;
    kofn_coders_submit(job->master->coders, &build->item);
}

static kofn_reserve_choice
choose_reserve(const kofn_job *job)
{
    const kofn_policy *policy = kofn_policy_find(job->policy);
    if (!policy) // "auto"
        return KOFN_RESERVE_LIKELY;
    return policy->reserve == KOFN_RESERVE_STAGED && !is_staged(job) ? KOFN_RESERVE_ALWAYS
                                                                     : policy->reserve;
}

kofn_code_context
kofn_job_get_context(const kofn_job *job)
{
    const kofn_master *master = job->master;
    return (kofn_code_context){
        .field = job->field,
        .rows = job->shape.rows,
        .inner = job->shape.inner,
        .cols = job->shape.cols,
        .operands = job->extents,
        .workers = kofn_sched_count_able(master->sched, job->field),
        .whole_flops = master->config.whole_flops,
        .exact = job->accept.kind != KOFN_ACCEPT_PROMISE || job->accept.liars > 0,
        .liars = job->accept.liars,
        .reserve = choose_reserve(job),
    };
}

enum { TASK_BYTES = 64 }; // of what the scheduler and the job keep for each task, about

/* Of G, as the decoder has it; SIZE_MAX: more than there can be. */
static size_t
count_columns(const kofn_code_spec *spec, const kofn_field *field)
{
    const kofn_partition p = spec->part;
    if (spec->batch) {
        const kofn_columns_size size =
            kofn_columns_choose(spec->batch, field, spec->tasks + spec->reserve);
        return size.kept + size.mixed;
    }
    return spec->parts.count > 0 ? kofn_cuts_count_pieces(&spec->parts)
                                 : kofn_size_multiply(p.x * p.z, p.z * p.y);
}

/* Of the coefficients, where the code is not there already, and of the decoder's elimination, whose
 * rows are the answers that can be independent. Without overflow: sizes of a spec have 17 bits, and
 * of a batch there are at most KOFN_COLUMNS_MAX columns, or it is refused. */
size_t
kofn_code_count_bytes(const kofn_code_spec *spec, const kofn_field *field, bool known)
{
    const kofn_partition p = spec->part;
    const size_t tasks = spec->tasks + spec->reserve;
    size_t coefs = p.z * (p.x + p.y), columns = count_columns(spec, field);
    size_t width = 0; // of the elimination's rows; 0: as many as there are
    if (spec->batch) {
        const kofn_sums *side = spec->batch->side;
        coefs = side[0].cols + side[1].cols + kofn_columns_choose(spec->batch, field, tasks).mixed;
        width = kofn_size_smaller(columns, KOFN_COLUMNS_MAX);
        columns = kofn_size_multiply(side[0].cols, side[1].cols);
    } else if (spec->parts.count > 0) {
        coefs = 0;
        for (size_t o = 0; o < spec->parts.count; o++)
            coefs += spec->parts.of[o];
    }
    const size_t rank = tasks < columns ? tasks : columns;
    return tasks * TASK_BYTES + (known ? 0 : tasks * coefs * sizeof(double)) +
           rank * (width > 0 ? width : rank) * sizeof(double);
}

/* To tell liars in a decode: the rows of G of all answers with what is eliminated beside them, and
 * LAPACK's copy (liars.h). */
static size_t
count_parity_bytes(const kofn_code_spec *spec, const kofn_field *field)
{
    const size_t most = KOFN_LIARS_ELEMENTS_MAX, columns = count_columns(spec, field);
    const size_t width = kofn_size_smaller(columns, most) + spec->tasks;
    return 2 * sizeof(double) * kofn_size_smaller(kofn_size_multiply(spec->tasks, width), most);
}

/* A product of two by two may have a code of 65536 tasks. */
static kofn_status
charge_code(kofn_job *job, bool known, kofn_error *err)
{
    kofn_code_spec spec = job->spec;
    if (is_staged(job) && job->batch) // its products beside as many tasks
        spec.reserve += job->batch->count;
    const size_t parity = job->accept.liars > 0 ? count_parity_bytes(&spec, job->field) : 0;
    const size_t bytes = kofn_code_count_bytes(&spec, job->field, known) + parity;
    bool never;
    kofn_status status = kofn_master_check_room(job->master, "the code of this job", job->charge,
                                                bytes, &never, err);
    if (!status)
        kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    return status;
}

void
kofn_job_take_choice(kofn_job *job, kofn_status status, kofn_error *err)
{
    kofn_master *master = job->master;
    if (!status)
        kofn_job_keep_choice(job);
    if (!status && job->parts) {
        kofn_job_split(job);
        return;
    }
    kofn_code *code = status || job->batch ? NULL
                                           : kofn_jobs_find_code(master->jobs, job->field,
                                                                 &job->spec, is_staged(job));
    if (!status)
        status = charge_code(job, code != NULL, err);
    if (status)
        kofn_job_break(job, err);
    else if (code && job->accept.kind != KOFN_ACCEPT_ERROR)
        start(job, code);
    else
        build_code(job, code);
}

void
kofn_job_prepare(kofn_job *job)
{
    if (job->sparse.uncut) {
        kofn_job_cut(job); // which calls again
        return;
    }
    if (kofn_job_choose(job))
        return;
    const kofn_code_context context = kofn_job_get_context(job);
    kofn_error err;
    const kofn_status status = kofn_code_spec_complete(&job->spec, &context, &err);
    kofn_job_take_choice(job, status, &err);
}

void
kofn_job_begin(kofn_job *job)
{
    if (job->stream) {
        kofn_job_run_verified(job, kofn_stream_get_code(job->stream));
        return;
    }
    if (kofn_code_spec_is_complete(&job->spec) ||
        kofn_sched_count_able(job->master->sched, job->field) > 0) {
        kofn_job_prepare(job);
        return;
    }
    kofn_jobs_add_waiting(job->master->jobs, job);
    kofn_log_write(&job->master->log, KOFN_LOG_INFO, "job_waits",
                   "no worker takes tasks that a code could be chosen for", "job=%s", job->name);
}
