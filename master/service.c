#include "master/service.h"
#include "master/fleet.h"
#include "master/jobs.h"
#include "master/keep.h"
#include "master/operands.h"
#include "master/sched/policy.h"
#include "master/streams.h"

#include <stdlib.h>

typedef union request_body {
    kofn_msg_product product;
    kofn_msg_job_ref ref;
    kofn_msg_put_operand put;
    kofn_msg_operand_ref operand;
    kofn_msg_list_jobs list_jobs;
    kofn_msg_check check;
    kofn_msg_plan_query plan;
    kofn_msg_open_stream open_stream;
    kofn_msg_push push;
    kofn_msg_close_stream close_stream;
    kofn_msg_nothing nothing;
} request_body;

/* A call that is answered by a callback. */
typedef struct later_call {
    kofn_request *request; // NULL: nobody waits any more
    bool traced;           // CloseStream: with the trace
} later_call;

typedef void serve(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                   const request_body *body);

static void
fail_short_of_memory(kofn_request *request)
{
    kofn_error err;
    kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory for the reply: ask for less");
    kofn_request_fail(request, &err);
}

static void
refuse(kofn_request *request, const kofn_error *why, bool never)
{
    if (never)
        kofn_request_refuse(request, why);
    else
        kofn_request_fail(request, why);
}

/* NULL: no memory, and the request has failed. */
static later_call *
new_later_call(kofn_request *request)
{
    later_call *call = calloc(1, sizeof *call);
    if (!call) {
        fail_short_of_memory(request);
        return NULL;
    }
    call->request = request;
    request->place = &call->request;
    return call;
}

static kofn_request *
end_later_call(later_call *call)
{
    kofn_request *request = call->request;
    if (request)
        request->place = NULL;
    free(call);
    return request;
}

/* ---- products -------------------------------------------------------------------------------- */

static void
serve_product(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
              const request_body *body)
{
    const kofn_job_order order = {
        .product = &body->product,
        .key = call->key,
        .session = kofn_session_get_number(request->session),
        .asker = kofn_session_get_asker(request->session),
        .deadline_ns = request->deadline_ns,
        .keep = request->method == KOFN_METHOD_SUBMIT,
    };
    kofn_job *job;
    bool known, never;
    kofn_error err;
    if (kofn_jobs_accept(master->jobs, &order, &job, &known, &never, &err) != KOFN_OK) {
        refuse(request, &err, never);
    } else if (!known) {
        kofn_request_wait(request, job);
        kofn_request_take_blocks(request, call->more);
    } else { // its blocks came with the first call of this key: these are dropped
        request->receiving = false;
        kofn_request_wait(request, job);
    }
}

/* ---- stored operands ------------------------------------------------------------------------- */

static void
reply_stored(kofn_request *request, const kofn_operand *operand)
{
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", kofn_operand_get_name(operand));
    kofn_request_reply(request, &kofn_operand_ref_message, &ref, NULL);
}

static void
serve_put_operand(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                  const request_body *body)
{
    kofn_operand *operand;
    const kofn_operand *known;
    bool never;
    kofn_error err;
    if (kofn_operands_accept(master->operands, &body->put, kofn_session_get_asker(request->session),
                             call->key, &operand, &known, &never, &err) != KOFN_OK) {
        refuse(request, &err, never);
    } else if (known) { // its blocks came with the first call of this key: these are dropped
        request->receiving = false;
        reply_stored(request, known);
    } else {
        request->upload = operand;
        kofn_request_take_blocks(request, call->more);
    }
}

static void
on_operand_stored(void *context, const kofn_operand *stored, const kofn_error *why)
{
    kofn_request *request = end_later_call(context);
    if (request && why)
        kofn_request_fail(request, why);
    else if (request)
        reply_stored(request, stored);
}

static void
receive_operand(kofn_request *request)
{
    later_call *call = new_later_call(request);
    if (call)
        kofn_operand_store(&request->upload, on_operand_stored, call);
}

static void
receive(kofn_request *request)
{
    if (request->upload)
        receive_operand(request);
    else
        kofn_job_receive(request->job);
}

static void
on_operand_dropped(void *context, const kofn_error *why)
{
    const kofn_msg_nothing nothing = {0};
    kofn_request *request = end_later_call(context);
    if (request && why)
        kofn_request_fail(request, why);
    else if (request)
        kofn_request_reply(request, &kofn_nothing_message, &nothing, NULL);
}

static void
serve_drop_operand(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                   const request_body *body)
{
    (void)call;
    kofn_operand *operand = kofn_operands_find(
        master->operands, kofn_session_get_asker(request->session), body->operand.operand);
    kofn_error err;
    if (!operand) {
        kofn_fail(&err, KOFN_NOT_FOUND, "operand '%s' is not stored: it never was, or it is gone",
                  body->operand.operand);
        kofn_request_fail(request, &err);
        return;
    }
    later_call *waits = new_later_call(request);
    if (waits)
        kofn_operands_drop(master->operands, operand, on_operand_dropped, waits);
}

static void
serve_list_operands(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                    const request_body *body)
{
    (void)call, (void)body;
    kofn_msg_operands operands = {0};
    kofn_error err;
    if (kofn_operands_describe(master->operands, kofn_session_get_asker(request->session),
                               &operands, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    kofn_request_reply(request, &kofn_operands_message, &operands, NULL);
    kofn_message_clear(&kofn_operands_message, &operands);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static kofn_job *
find_job(kofn_master *master, kofn_request *request, const char *name)
{
    kofn_job *job = kofn_jobs_find(master->jobs, name);
    kofn_error err;
    if (job && !job->lost && !kofn_asker_may(kofn_session_get_asker(request->session), job->owner))
        job = NULL;
    if (!job) {
        kofn_fail(&err, KOFN_NOT_FOUND,
                  "job '%s' is not known: it never was, or it ended too long ago", name);
        kofn_request_fail(request, &err);
    }
    return job;
}

static void
reply_account(kofn_request *request, const kofn_job *job)
{
    kofn_msg_outcome outcome = {0};
    kofn_error err;
    if (kofn_job_describe(job, &outcome.job, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    kofn_request_reply(request, &kofn_outcome_message, &outcome, NULL);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
serve_wait(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
           const request_body *body)
{
    (void)call;
    kofn_job *job = find_job(master, request, body->ref.job);
    if (!job)
        return;
    request->without_result = body->ref.without_result;
    request->hold = body->ref.hold;
    request->let_go = body->ref.let_go;
    kofn_request_wait(request, job);
}

static void
serve_cancel(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
             const request_body *body)
{
    (void)call;
    kofn_job *job = find_job(master, request, body->ref.job);
    if (!job)
        return;
    kofn_error err;
    kofn_fail(&err, KOFN_CANCELLED, "a client cancelled the job");
    kofn_job_end(job, &err); // nothing, if it has ended
    kofn_request_wait(request, job);
}

static void
serve_get_job(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
              const request_body *body)
{
    (void)call;
    kofn_job *job = find_job(master, request, body->ref.job);
    if (job)
        reply_account(request, job);
}

/* So many accounts fit an envelope without the primes of each: GetJob has them. */
static kofn_status
describe_shortly(const kofn_job *job, kofn_msg_job *ret_message, kofn_error *err)
{
    kofn_status status = kofn_job_describe(job, ret_message, err);
    free(status ? NULL : ret_message->primes.at);
    ret_message->primes = (kofn_wire_list){0};
    return status;
}

static void
serve_list_jobs(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                const request_body *body)
{
    (void)call;
    size_t limit = body->list_jobs.limit ? body->list_jobs.limit : 100;
    if (limit > KOFN_JOBS_LISTED_MAX)
        limit = KOFN_JOBS_LISTED_MAX;
    kofn_job **found = calloc(limit, sizeof *found);
    kofn_msg_job *at = calloc(limit, sizeof *at);
    kofn_msg_jobs jobs = {.jobs = {.at = at}};
    kofn_error err;
    kofn_status status = KOFN_OK;
    if (found && at) {
        const size_t count =
            kofn_jobs_list(master->jobs, kofn_session_get_asker(request->session), limit, found);
        for (; jobs.jobs.count < count && !status; jobs.jobs.count++)
            status = describe_shortly(found[jobs.jobs.count], &at[jobs.jobs.count], &err);
    }
    if (!found || !at)
        fail_short_of_memory(request);
    else if (status)
        kofn_request_fail(request, &err);
    else
        kofn_request_reply(request, &kofn_jobs_message, &jobs, NULL);
    kofn_message_clear(&kofn_jobs_message, &jobs);
    free(found);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void
reply_stream(kofn_request *request, const kofn_stream *stream, bool traced)
{
    kofn_msg_stream message = {0};
    kofn_error err;
    if (kofn_stream_describe(stream, traced, &message, &err) != KOFN_OK)
        kofn_request_fail(request, &err);
    else
        kofn_request_reply(request, &kofn_stream_message, &message, NULL);
    kofn_message_clear(&kofn_stream_message, &message);
}

static void
fail_unknown_stream(kofn_request *request, const char *name)
{
    kofn_error err;
    kofn_fail(
        &err, KOFN_NOT_FOUND,
        "stream '%s' is not known: it never was, or it was closed, or its client was gone for "
        "too long",
        name);
    kofn_request_fail(request, &err);
}

/* One that opened or closed it may have been an admin then, and is none any more. */
static void
on_stream(void *context, kofn_stream *stream, const kofn_error *why)
{
    const bool traced = ((later_call *)context)->traced;
    kofn_request *request = end_later_call(context);
    if (request && why)
        kofn_request_fail(request, why);
    else if (request && !kofn_asker_may(kofn_session_get_asker(request->session),
                                        kofn_stream_get_owner(stream)))
        fail_unknown_stream(request, kofn_stream_get_name(stream));
    else if (request)
        reply_stream(request, stream, traced);
}

static void
on_stream_opened(void *context, kofn_stream *stream, const kofn_error *why)
{
    kofn_request *request = ((later_call *)context)->request;
    if (stream && request) {
        kofn_session_note_stream(request->session);
        kofn_stream_note_call(stream, request->call);
    } else if (stream) {
        kofn_stream_forsake(stream);
    }
    on_stream(context, stream, why);
}

static void
serve_open_stream(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                  const request_body *body)
{
    (void)call;
    later_call *later = new_later_call(request);
    bool never;
    kofn_error err;
    if (!later || kofn_streams_open(master->streams, &body->open_stream,
                                    kofn_session_get_asker(request->session),
                                    kofn_session_get_number(request->session), on_stream_opened,
                                    later, &never, &err) == KOFN_OK)
        return;
    refuse(end_later_call(later), &err, never);
}

/* NULL: not known, and the request has failed. */
static kofn_stream *
find_stream(kofn_master *master, kofn_request *request, const char *name)
{
    kofn_stream *stream =
        kofn_streams_find(master->streams, kofn_session_get_asker(request->session), name);
    if (stream) {
        kofn_session_note_stream(request->session);
        kofn_stream_use(stream, kofn_session_get_number(request->session));
        return stream;
    }
    fail_unknown_stream(request, name);
    return NULL;
}

static void
serve_push(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
           const request_body *body)
{
    kofn_stream *stream = find_stream(master, request, body->push.stream);
    if (!stream)
        return;
    const kofn_push_order order = {
        .push = &body->push,
        .asker = kofn_session_get_asker(request->session),
        .session = kofn_session_get_number(request->session),
        .deadline_ns = request->deadline_ns,
    };
    kofn_job *job;
    bool known, never;
    kofn_error err;
    if (kofn_stream_take(stream, &order, &job, &known, &never, &err) != KOFN_OK) {
        refuse(request, &err, never);
        return;
    }
    const bool drop = known || kofn_job_is_over(job); // it does not fit, or its blocks came before
    if (drop)
        request->receiving = false;
    kofn_request_wait(request, job);
    if (!drop)
        kofn_request_take_blocks(request, call->more);
}

static void
serve_close_stream(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                   const request_body *body)
{
    (void)call;
    kofn_stream *stream = find_stream(master, request, body->close_stream.stream);
    later_call *later = stream ? new_later_call(request) : NULL;
    kofn_error err;
    if (!later)
        return;
    later->traced = body->close_stream.trace;
    if (kofn_stream_shut(stream, body->close_stream.abandon, on_stream, later, &err) != KOFN_OK)
        kofn_request_fail(end_later_call(later), &err);
}

static void
serve_list_streams(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                   const request_body *body)
{
    (void)call, (void)body;
    kofn_msg_streams streams = {0};
    kofn_error err;
    if (kofn_streams_describe(master->streams, kofn_session_get_asker(request->session), &streams,
                              &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    kofn_request_reply(request, &kofn_streams_message, &streams, NULL);
    kofn_message_clear(&kofn_streams_message, &streams);
}

static void
note_abandoned(kofn_master *master, uint64_t session, uint64_t call)
{
    kofn_streams_on_abandoned(master->streams, session, call);
}

static void
note_gone(kofn_master *master, uint64_t session)
{
    if (master->streams)
        kofn_streams_on_session_gone(master->streams, session);
}

/* ---- the service itself ---------------------------------------------------------------------- */

static void
serve_list_workers(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                   const request_body *body)
{
    (void)call, (void)body;
    kofn_msg_workers workers = {0};
    kofn_error err;
    if (kofn_fleet_describe(master->fleet, &workers, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    kofn_request_reply(request, &kofn_workers_message, &workers, NULL);
    kofn_message_clear(&kofn_workers_message, &workers);
}

static void
set_policy(kofn_msg_param *policy, const char *name, const char *help)
{
    snprintf(policy->name, sizeof policy->name, "%s", name);
    snprintf(policy->help, sizeof policy->help, "%s", help);
}

kofn_status
kofn_master_fill_codes(const kofn_algorithms *algorithms, kofn_msg_codes *ret_codes,
                       kofn_error *err)
{
    const size_t count = kofn_policy_count();
    kofn_status status = kofn_msg_codes_fill(algorithms, ret_codes, err);
    if (!status)
        status = kofn_wire_list_new(1 + count, sizeof(kofn_msg_param), &ret_codes->policies, err);
    if (status)
        return status;
    kofn_msg_param *at = ret_codes->policies.at;
    set_policy(
        &at[0], "auto",
        "the default: rateless where no number of answers is certain to suffice, oneshot where "
        "the code can lose a task, else speculative");
    for (size_t i = 0; i < count; i++)
        set_policy(&at[1 + i], kofn_policy_at(i)->name, kofn_policy_at(i)->help);
    return KOFN_OK;
}

static void
serve_list_codes(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                 const request_body *body)
{
    (void)call, (void)body;
    kofn_msg_codes codes = {0};
    kofn_error err;
    kofn_status status = kofn_master_fill_codes(master->config.known, &codes, &err);
    if (status)
        kofn_request_fail(request, &err);
    else
        kofn_request_reply(request, &kofn_codes_message, &codes, NULL);
    kofn_message_clear(&kofn_codes_message, &codes);
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* A plan takes up to half a second: a coder makes it. */
typedef struct plan_item {
    kofn_coder_item item;
    kofn_request *request;  // NULL: nobody waits any more
    kofn_measured measured; // owned
    kofn_plan_query query;  // its field is owned
    kofn_msg_plan reply;
    kofn_status status;
    kofn_error error;
} plan_item;

static void
plan_run(kofn_coder_item *item)
{
    plan_item *p = (plan_item *)item;
    kofn_plan plan;
    p->status = kofn_plan_make(&p->query, &plan, &p->error);
    if (p->status)
        return;
    p->status = kofn_msg_plan_from_plan(&p->query, &plan, &p->reply, &p->error);
    kofn_plan_fini(&plan);
}

static void
destroy_plan(plan_item *p)
{
    kofn_field_destroy(&p->query.field);
    free(p->measured.at);
    free(p);
}

static void
plan_done(kofn_coder_item *item)
{
    plan_item *p = (plan_item *)item;
    kofn_request *request = p->request;
    if (!item->start_ns) // the pool was drained before it ran
        p->status = kofn_fail(&p->error, KOFN_UNAVAILABLE, "the master stopped");
    p->reply.measured = p->measured.known;
    if (request)
        request->place = NULL;
    if (request && p->status)
        kofn_request_fail(request, &p->error);
    else if (request)
        kofn_request_reply(request, &kofn_plan_message, &p->reply, NULL);
    kofn_message_clear(&kofn_plan_message, &p->reply);
    destroy_plan(p);
}

static void
serve_plan_code(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
                const request_body *body)
{
    (void)call;
    plan_item *p = calloc(1, sizeof *p);
    if (!p) {
        fail_short_of_memory(request);
        return;
    }
    kofn_error err;
    kofn_status status = master->carrier->measure(master->fleet, &p->measured, &err);
    if (!status)
        status = kofn_msg_plan_query_to_query(&body->plan, &p->measured.machine, &p->query, &err);
    if (status) {
        kofn_request_fail(request, &err);
        destroy_plan(p);
        return;
    }
    p->measured.known &= body->plan.gflops == 0 && body->plan.link_rate == 0;
    p->item.run = plan_run;
    p->item.done = plan_done;
    p->request = request;
    request->place = &p->request;
    kofn_coders_submit(master->coders, &p->item);
}

/* Nobody takes tasks. */
static void
explain_idleness(const kofn_master *master, kofn_error *ret_why)
{
    int64_t first_ns;
    const size_t barred = kofn_fleet_count_barred(master->fleet, &first_ns);
    const double left = (double)(first_ns - kofn_clock_ns()) * 1e-9;
    if (barred == 0)
        (void)kofn_fail(ret_why, KOFN_UNAVAILABLE,
                        "no worker is connected; they come to %s, and their logs say what is wrong",
                        master->config.workers);
    else
        (void)kofn_fail(ret_why, KOFN_UNAVAILABLE,
                        "all workers that are connected, %zu, answered wrongly and are in "
                        "quarantine, the first for %.0f s more: see worker_quarantined in the log",
                        barred, left > 0 ? left : 0);
}

/* Does the master get work done? *ret_why: what is missing, also where it serves but has no
 * room. */
static bool
is_serving(const kofn_master *master, kofn_error *ret_why)
{
    *ret_why = (kofn_error){.status = KOFN_OK};
    if (master->draining) {
        (void)kofn_fail(ret_why, KOFN_UNAVAILABLE, "the master is stopping: it takes no new jobs");
        return false;
    }
    if (kofn_sched_count_workers(master->sched) == 0) {
        explain_idleness(master, ret_why);
        return false;
    }
    const kofn_status room = kofn_keep_check_room(master->keep, 1, ret_why);
    return room == KOFN_OK || room == KOFN_RESOURCE_EXHAUSTED; // that passes: results are fetched
}

static void
serve_check(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
            const request_body *body)
{
    (void)call;
    const char *service = body->check.service;
    const bool known = !service[0] || strcmp(service, "kofn.v1.Master") == 0;
    kofn_error why;
    const bool serving = is_serving(master, &why);
    const char *status = !known ? "SERVICE_UNKNOWN" : serving ? "SERVING" : "NOT_SERVING";
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(master->jobs, &totals);
    kofn_msg_health health = {
        .workers = kofn_fleet_count(master->fleet),
        .jobs_running = totals.running,
        .jobs_queued = totals.queued,
        .jobs_done = totals.done,
        .jobs_failed = totals.failed,
        .memory_bytes = kofn_master_get_charge(master),
        .memory_limit_bytes = master->config.memory,
        .store_bytes = kofn_keep_get_bytes(master->keep),
        .store_limit_bytes = master->keep ? master->config.store_bytes : 0,
        .uptime_ms = (uint64_t)((kofn_clock_ns() - master->started_ns) / KOFN_NS_PER_MS),
    };
    snprintf(health.status, sizeof health.status, "%s", status);
    if (known && why.status)
        snprintf(health.why, sizeof health.why, "%s", why.text);
    snprintf(health.version, sizeof health.version, "%s", KOFN_VERSION);
    kofn_request_reply(request, &kofn_health_message, &health, NULL);
}

static void
serve_reflect(kofn_master *master, kofn_request *request, const kofn_msg_call *call,
              const request_body *body)
{
    (void)master, (void)call, (void)body;
    kofn_msg_reflection reflection = {0};
    kofn_error err;
    if (kofn_msg_reflection_fill(&reflection, &err) != KOFN_OK) {
        kofn_request_fail(request, &err);
        return;
    }
    kofn_request_reply(request, &kofn_reflection_message, &reflection, NULL);
    kofn_message_clear(&kofn_reflection_message, &reflection);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static serve *const methods[KOFN_METHOD_COUNT] = {
    [KOFN_METHOD_MULTIPLY] = serve_product,
    [KOFN_METHOD_SUBMIT] = serve_product,
    [KOFN_METHOD_WAIT] = serve_wait,
    [KOFN_METHOD_WATCH] = serve_wait,
    [KOFN_METHOD_CANCEL] = serve_cancel,
    [KOFN_METHOD_GET_JOB] = serve_get_job,
    [KOFN_METHOD_LIST_JOBS] = serve_list_jobs,
    [KOFN_METHOD_PUT_OPERAND] = serve_put_operand,
    [KOFN_METHOD_DROP_OPERAND] = serve_drop_operand,
    [KOFN_METHOD_LIST_OPERANDS] = serve_list_operands,
    [KOFN_METHOD_OPEN_STREAM] = serve_open_stream,
    [KOFN_METHOD_PUSH] = serve_push,
    [KOFN_METHOD_CLOSE_STREAM] = serve_close_stream,
    [KOFN_METHOD_LIST_STREAMS] = serve_list_streams,
    [KOFN_METHOD_LIST_WORKERS] = serve_list_workers,
    [KOFN_METHOD_LIST_CODES] = serve_list_codes,
    [KOFN_METHOD_PLAN_CODE] = serve_plan_code,
    [KOFN_METHOD_CHECK] = serve_check,
    [KOFN_METHOD_REFLECT] = serve_reflect,
};

static void
serve_call(kofn_master *master, kofn_request *request, const kofn_msg_call *call)
{
    const kofn_method_info *info = kofn_method_get(request->method);
    request_body body;
    kofn_error err;
    if (kofn_message_unpack(info->request, call->body.bytes, call->body.length, &body, &err) !=
        KOFN_OK) {
        kofn_fail_within(&err, "the request of %s", info->name);
        kofn_request_fail(request, &err);
        return;
    }
    methods[request->method](master, request, call, &body);
    kofn_message_clear(info->request, &body);
}

const kofn_service kofn_master_service = {
    .call = serve_call,
    .received = receive,
    .abandoned = note_abandoned,
    .gone = note_gone,
};
