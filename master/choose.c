/* PREPARING, where choosing the code takes time: one that is left open is planned for the workers
 * as they were measured, and the pairs of a batch are put into groups. On a coder, since both try
 * many; what was planned once is remembered.
 */
#include "master/choices.h"
#include "master/jobs.h"

#include <stdlib.h>

typedef struct choose_item {
    kofn_coder_item item;
    kofn_job *job;
    bool planned;
    kofn_measured measured; // where it is planned; owned
    kofn_choice_key key;    // likewise
    kofn_code_context context;
    kofn_code_spec spec;
    kofn_status status;
    kofn_error error;
} choose_item;

/* One in six, as families leave room for by default, unless the configuration says. */
static size_t
count_stragglers(const kofn_master *master, size_t workers)
{
    const int64_t configured = master->config.plan.stragglers;
    const size_t usual = workers < 6 ? 1 : workers / 6;
    const size_t wanted = configured > 0 ? (size_t)configured : usual;
    return wanted < workers ? wanted : workers - 1;
}

static void
choose_run(kofn_coder_item *item)
{
    choose_item *choose = (choose_item *)item;
    choose->status = kofn_code_spec_complete(&choose->spec, &choose->context, &choose->error);
}

static void
destroy_item(choose_item *choose)
{
    free(choose->measured.at);
    free(choose);
}

static void
choose_done(kofn_coder_item *item)
{
    choose_item *choose = (choose_item *)item;
    kofn_job *job = choose->job;
    kofn_job_leave(job);
    if (!item->start_ns) // the pool was drained before it ran
        choose->status = kofn_fail(&choose->error, KOFN_UNAVAILABLE, "the master stopped");
    if (!choose->status && choose->planned)
        kofn_choices_keep(kofn_jobs_get_choices(job->master->jobs), &choose->key, &choose->spec);
    if (!kofn_job_is_over(job)) {
        job->spec = choose->spec;
        kofn_job_take_choice(job, choose->status, &choose->error);
    }
    destroy_item(choose);
}

/* What it is planned for. False: nothing is measured to plan with; sizes alone will do. */
static bool
plan(choose_item *choose)
{
    const kofn_job *job = choose->job;
    const kofn_master *master = job->master;
    kofn_plan_machine *machine = &choose->measured.machine;
    if (master->carrier->measure(master->fleet, &choose->measured, NULL) != KOFN_OK ||
        !choose->measured.known || machine->workers < 2)
        return false;
    kofn_choices_round(machine, choose->measured.at);
    choose->planned = true;
    choose->context.workers = machine->workers;
    choose->context.machine = machine;
    choose->context.stragglers = count_stragglers(master, machine->workers);
    choose->context.error = job->accept.kind == KOFN_ACCEPT_ERROR ? job->accept.error : 0;
    choose->key = (kofn_choice_key){
        .shape = job->shape,
        .workers = machine->workers,
        .stragglers = choose->context.stragglers,
        .error = choose->context.error,
        .link_rate = machine->link_rate,
        .slowdown = machine->slowdown,
        .rates = kofn_choices_digest(machine),
        .seed = job->spec.seed,
        .exact = choose->context.exact,
        .liars = choose->context.liars,
        .reserve = choose->context.reserve,
    };
    snprintf(choose->key.field, sizeof choose->key.field, "%s", job->field->name);
    return true;
}

/* It was planned before: the job has that now. */
static bool
take_known(const choose_item *choose)
{
    kofn_job *job = choose->job;
    const kofn_code_spec *known =
        kofn_choices_find(kofn_jobs_get_choices(job->master->jobs), &choose->key);
    if (known)
        job->spec = *known;
    return known != NULL;
}

/* NULL: no memory. */
static choose_item *
new_item(kofn_job *job)
{
    choose_item *choose = calloc(1, sizeof *choose);
    if (!choose)
        return NULL;
    choose->item.run = choose_run;
    choose->item.done = choose_done;
    choose->job = job;
    choose->spec = job->spec;
    choose->context = kofn_job_get_context(job);
    return choose;
}

/* Whole is what a small product goes, whoever asks; outer products and batches are no planner's
 * matter. */
static bool
is_planned(const kofn_job *job)
{
    const kofn_code_spec *spec = &job->spec;
    const double flops =
        2.0 * (double)job->shape.rows * (double)job->shape.inner * (double)job->shape.cols;
    return kofn_code_spec_is_open(spec) && kofn_code_spec_is_uncut(spec) && !job->outer &&
           !job->batch && !spec->tasks && flops > job->master->config.whole_flops;
}

bool
kofn_job_choose(kofn_job *job)
{
    if (!job->batch && !is_planned(job))
        return false;
    choose_item *choose = new_item(job);
    if (!choose && job->batch) { // which this thread does not try
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to choose a code");
        kofn_job_break(job, &err);
        return true;
    }
    if (!choose)
        return false;
    if (!job->batch && (!plan(choose) || take_known(choose))) {
        destroy_item(choose);
        return false;
    }
    job->items++;
    kofn_coders_submit(job->master->coders, &choose->item);
    return true;
}
