/* Plans on the wire: what is asked, with the planner's defaults, and what comes of it.
 */
#include "proto/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the query gives counts before what was measured, and that before defaults. */
static void
set_machine(const kofn_msg_plan_query *m, const kofn_plan_machine *measured,
            kofn_plan_machine *machine)
{
    if (measured) {
        const size_t workers = machine->workers;
        *machine = *measured;
        if (workers != measured->workers) // others than are there: all like the median one
            machine->at = NULL;
        machine->workers = workers;
    }
    if (m->gflops != 0) {
        machine->flops_rate = m->gflops * 1e9;
        machine->at = NULL;
    }
    if (m->link_rate != 0)
        machine->link_rate = m->link_rate;
    if (m->slowdown != 0)
        machine->slowdown = m->slowdown;
    if (m->local_gflops != 0)
        machine->local_rate = m->local_gflops * 1e9;
}

kofn_status
kofn_msg_plan_query_to_query(const kofn_msg_plan_query *m, const kofn_plan_machine *measured,
                             kofn_plan_query *ret_query, kofn_error *err)
{
    const size_t workers = m->workers ? m->workers : measured ? measured->workers : 0;
    const kofn_field *field;
    if (workers == 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "no worker is there to plan for: say how many there will be");
    const kofn_status status = kofn_field_new(m->field[0] ? m->field : "f64", &field, err);
    if (status)
        return status;
    kofn_plan_query q;
    const kofn_shape shape = {.rows = m->rows, .inner = m->inner, .cols = m->cols};
    kofn_plan_query_init(&q, field, shape, workers);
    set_machine(m, measured, &q.machine);
    q.stragglers = m->stragglers;
    q.failure = m->failure;
    q.error = m->error;
    q.tasks_max = m->tasks;
    q.limit = m->limit;
    if (m->seed)
        q.seed = m->seed;
    *ret_query = q;
    return KOFN_OK;
}

static kofn_status
fill_row(const kofn_plan_row *row, kofn_msg_plan_row *ret_row, kofn_error *err)
{
    const kofn_status status = kofn_msg_code_from_spec(&row->spec, &ret_row->code, err);
    if (status)
        return status;
    (void)snprintf(ret_row->policy, sizeof ret_row->policy, "%s", row->policy);
    ret_row->threshold = row->exact;
    ret_row->enough = row->enough;
    ret_row->needed = row->needed;
    ret_row->flops = row->flops;
    ret_row->bytes_in = row->bytes_in;
    ret_row->bytes_out = row->bytes_out;
    ret_row->encode = row->encode;
    ret_row->decode = row->decode;
    ret_row->amplification = row->amplification;
    ret_row->worst_amplification = row->worst_amplification;
    ret_row->error = row->error;
    ret_row->decodable = row->decodable;
    ret_row->seconds = row->seconds;
    ret_row->seconds_late = row->seconds_late;
    ret_row->redundant = row->redundant;
    ret_row->pays = row->pays;
    return KOFN_OK;
}

static int
compare_rates(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* 0: no memory to find it. */
static double
median_rate(const kofn_plan_machine *machine)
{
    if (!machine->at)
        return machine->flops_rate;
    double *rates = calloc(machine->workers, sizeof *rates), median = 0;
    for (size_t w = 0; rates && w < machine->workers; w++)
        rates[w] = machine->at[w].flops_rate;
    if (rates) {
        qsort(rates, machine->workers, sizeof *rates, compare_rates);
        median = rates[machine->workers / 2];
    }
    free(rates);
    return median;
}

kofn_status
kofn_msg_plan_from_plan(const kofn_plan_query *query, const kofn_plan *plan,
                        kofn_msg_plan *ret_plan, kofn_error *err)
{
    kofn_msg_plan m = {
        .pays = plan->pays,
        .candidates = plan->candidates,
        .left_out = plan->left_out,
        .workers = query->machine.workers,
        .gflops = median_rate(&query->machine) * 1e-9,
        .link_rate = query->machine.link_rate,
        .local = plan->local,
    };
    (void)snprintf(m.verdict, sizeof m.verdict, "%s", plan->verdict);
    (void)snprintf(m.left_why, sizeof m.left_why, "%s", plan->left_why);
    const size_t count =
        plan->count < KOFN_PLAN_LISTED_MAX ? plan->count : (size_t)KOFN_PLAN_LISTED_MAX;
    kofn_status status = kofn_wire_list_new(count, sizeof(kofn_msg_plan_row), &m.rows, err);
    kofn_msg_plan_row *rows = m.rows.at;
    for (size_t i = 0; i < count && !status; i++)
        status = fill_row(&plan->rows[i], &rows[i], err);
    if (status)
        kofn_message_clear(&kofn_plan_message, &m);
    else
        *ret_plan = m;
    return status;
}
