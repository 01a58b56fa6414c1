/* PREPARING, where the code is left open: the planner chooses it for the workers as they were
 * measured. On a coder, since it tries codes; what was chosen once is remembered.
 */
#include "master/choices.h"
#include "master/jobs.h"

#include <stdlib.h>

typedef struct choose_item {
    kofn_coder_item item;
    kofn_job *job;
    kofn_measured measured; // owned
    kofn_choice_key key;
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
    if (!choose->status)
        kofn_choices_keep(kofn_jobs_get_choices(job->master->jobs), &choose->key, &choose->spec);
    if (!kofn_job_is_over(job) && choose->status) {
        kofn_job_break(job, &choose->error);
    } else if (!kofn_job_is_over(job)) {
        job->spec = choose->spec;
        kofn_job_prepare(job);
    }
    destroy_item(choose);
}

static void
fill_item(choose_item *choose)
{
    const kofn_job *job = choose->job;
    const kofn_plan_machine *machine = &choose->measured.machine;
    const size_t workers = machine->workers;
    choose->item.run = choose_run;
    choose->item.done = choose_done;
    choose->spec = job->spec;
    choose->context = kofn_job_get_context(job);
    choose->context.workers = workers;
    choose->context.machine = machine;
    choose->context.stragglers = count_stragglers(job->master, workers);
    choose->context.error = job->accept.kind == KOFN_ACCEPT_ERROR ? job->accept.error : 0;
    choose->key = (kofn_choice_key){
        .shape = job->shape,
        .workers = workers,
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
}

/* NULL: nothing is measured to plan with, or no memory; sizes alone will do. */
static choose_item *
new_item(kofn_job *job)
{
    const kofn_master *master = job->master;
    choose_item *choose = calloc(1, sizeof *choose);
    if (!choose)
        return NULL;
    choose->job = job;
    if (master->carrier->measure(master->fleet, &choose->measured, NULL) != KOFN_OK ||
        !choose->measured.known || choose->measured.machine.workers < 2) {
        destroy_item(choose);
        return NULL;
    }
    kofn_choices_round(&choose->measured.machine, choose->measured.at);
    fill_item(choose);
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
    choose_item *choose = is_planned(job) ? new_item(job) : NULL;
    if (!choose)
        return false;
    const kofn_choices *choices = kofn_jobs_get_choices(job->master->jobs);
    const kofn_code_spec *known = kofn_choices_find(choices, &choose->key);
    if (known) {
        job->spec = *known;
        destroy_item(choose);
        return false; // complete now
    }
    job->items++;
    kofn_coders_submit(job->master->coders, &choose->item);
    return true;
}
