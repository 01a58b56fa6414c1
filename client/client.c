#include "client/kofn.h"

#include "client/convert.h"
#include "client/engine.h"
#include "common/base/clock.h"
#include "master/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define DEFAULT_ENDPOINT "tcp://127.0.0.1:7501"

enum {
    DEFAULT_PATIENCE_MS = 5000,
    DEFAULT_AWAY_MS = 60000,
    DEFAULT_RETRIES = 8,
    DEFAULT_BACKOFF_MS = 100,
    DEFAULT_BACKOFF_MAX_MS = 5000,
    DEFAULT_KEEP_BYTES = 256 << 20,
    DEFAULT_CHECK_MS = 5000,
    LOCAL_READY_MS = 10000, // for local workers to be known to the local master
    MS_MAX = INT32_MAX,     // longest time in any option: 24 days
};

const char *
kofn_client_version(void)
{
    return KOFN_VERSION;
}

/* ---- open and close -------------------------------------------------------------------------- */

static kofn_status
check_options(const kofn_client_options *options, kofn_error *err)
{
    const struct {
        const char *name;
        int64_t value, max, min;
    } checks[] = {
        {"patience_ms", options->patience_ms, MS_MAX, 0},
        {"away_ms", options->away_ms, MS_MAX, KOFN_CLIENT_FOREVER},
        {"backoff_ms", options->backoff_ms, MS_MAX, 0},
        {"backoff_max_ms", options->backoff_max_ms, MS_MAX, 0},
        {"local_workers", options->local_workers, 1024, KOFN_CLIENT_LOCAL_CORES},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (checks[i].value > checks[i].max || checks[i].value < checks[i].min)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "option %s is %" PRId64 ", %" PRId64 " to %" PRId64, checks[i].name,
                             checks[i].value, checks[i].min, checks[i].max);
    return KOFN_OK;
}

static const char *
find_text(const char *given, const char *variable, const char *fallback)
{
    const char *from_environment = getenv(variable);
    if (given && *given)
        return given;
    return from_environment && *from_environment ? from_environment : fallback;
}

static void
fill_options(kofn_client_options *options)
{
    options->endpoint = find_text(options->endpoint, "KOFN_MASTER", DEFAULT_ENDPOINT);
    options->algorithms = find_text(options->algorithms, "KOFN_ALGORITHMS", NULL);
    options->key = find_text(options->key, "KOFN_KEY", NULL);
    options->server_key = find_text(options->server_key, "KOFN_SERVER_KEY", NULL);
    options->patience_ms = options->patience_ms ? options->patience_ms : DEFAULT_PATIENCE_MS;
    options->away_ms = options->away_ms ? options->away_ms : DEFAULT_AWAY_MS;
    options->retries = options->retries ? options->retries : DEFAULT_RETRIES;
    options->backoff_ms = options->backoff_ms ? options->backoff_ms : DEFAULT_BACKOFF_MS;
    options->backoff_max_ms =
        options->backoff_max_ms ? options->backoff_max_ms : DEFAULT_BACKOFF_MAX_MS;
    options->window = options->window ? options->window : KOFN_WINDOW_BYTES;
    options->keep_bytes = options->keep_bytes ? options->keep_bytes : DEFAULT_KEEP_BYTES;
}

static kofn_status
memory_new(size_t keep_bytes, kofn_client_memory **ret_memory, kofn_error *err)
{
    kofn_client_memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a client");
    kofn_status status = kofn_pool_new(keep_bytes, &memory->pool, err);
    if (status != KOFN_OK) {
        free(memory);
        return status;
    }
    memory->holders = 1;
    *ret_memory = memory;
    return KOFN_OK;
}

/* Until the local master knows its workers: a job that comes sooner would be cut for fewer. */
static kofn_status
await_local_workers(kofn_client *client, kofn_error *err)
{
    const int64_t until = kofn_clock_after(kofn_clock_ns(), LOCAL_READY_MS * KOFN_NS_PER_MS);
    const size_t wanted = kofn_local_count_workers(client->local);
    kofn_health health;
    do {
        kofn_status status = kofn_client_check(client, NULL, LOCAL_READY_MS, &health, err);
        if (status != KOFN_OK)
            return status;
        if (health.workers >= wanted)
            return KOFN_OK;
    } while (kofn_clock_ns() < until);
    return kofn_fail(err, KOFN_INTERNAL, "only %" PRIu64 " of %zu local workers came up",
                     health.workers, wanted);
}

static kofn_status
load_keys(kofn_client *client, kofn_error *err)
{
    kofn_client_options *options = &client->options;
    if (client->local) // inside this process
        options->key = options->server_key = NULL;
    if (!options->key != !options->server_key)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: a client's key and its master's go together",
                         options->key ? "server_key (--server-key, $KOFN_SERVER_KEY) is missing"
                                      : "key (--identity, $KOFN_KEY) is missing");
    if (!options->key)
        return KOFN_OK;
    const kofn_status status =
        kofn_link_keys_load(options->key, options->server_key, &client->keys, err);
    if (status == KOFN_OK)
        client->connection.keys = &client->keys;
    options->key = options->server_key = NULL; // the caller's, and read by now
    return status;
}

static kofn_status
start(kofn_client *client, kofn_error *err)
{
    kofn_status status = memory_new(client->options.keep_bytes, &client->memory, err);
    if (status != KOFN_OK)
        return status;
    client->context = zmq_ctx_new();
    if (!client->context)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no libzmq context: %s",
                         zmq_strerror(errno));

    const char *endpoint = client->options.endpoint;
    if (client->options.local_workers != 0) {
        status = kofn_local_start(client->context, client->options.local_workers,
                                  client->options.algorithms, &client->local, err);
        client->options.algorithms = NULL; // the caller's, and read by now
        if (status != KOFN_OK)
            return status;
        endpoint = kofn_local_get_endpoint(client->local);
    }
    if (strlen(endpoint) >= sizeof client->endpoint)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "endpoint of %zu bytes, at most %zu",
                         strlen(endpoint), sizeof client->endpoint - 1);
    memcpy(client->endpoint, endpoint, strlen(endpoint) + 1);
    client->options.endpoint = client->endpoint;
    client->connection = (kofn_connection){
        .context = client->context, .endpoint = client->endpoint, .pool = client->memory->pool};
    status = load_keys(client, err);
    if (status == KOFN_OK)
        status = kofn_connection_open(&client->connection, err);
    if (status == KOFN_OK && client->local)
        status = await_local_workers(client, err);
    return status;
}

kofn_status
kofn_client_open(const kofn_client_options *options, kofn_client **ret_client, kofn_error *err)
{
    kofn_client_options given = options ? *options : (kofn_client_options){0};
    kofn_status status = check_options(&given, err);
    if (status != KOFN_OK)
        return status;
    kofn_client *client = calloc(1, sizeof *client);
    if (!client)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a client");

    fill_options(&given);
    client->options = given;
    client->down_ns = client->unheard_ns = kofn_clock_ns();
    client->reopen_ns = KOFN_NEVER_NS;
    client->silence_ns = KOFN_CLIENT_SILENCE_NS;
    TAILQ_INIT(&client->open);
    TAILQ_INIT(&client->done);
    TAILQ_INIT(&client->streams);
    kofn_rng_init(&client->rng, kofn_rng_fresh_seed(), 0);
    status = start(client, err);
    if (status != KOFN_OK) {
        kofn_client_close(&client);
        return status;
    }
    *ret_client = client;
    return KOFN_OK;
}

static void
drop_all(kofn_call_list *calls)
{
    kofn_call *call;
    while ((call = TAILQ_FIRST(calls)))
        kofn_engine_drop(&call);
}

void
kofn_client_close(kofn_client **client_p)
{
    kofn_client *client = *client_p;
    kofn_stream *stream;
    *client_p = NULL;
    if (!client)
        return;
    while ((stream = TAILQ_FIRST(&client->streams)))
        kofn_stream_abandon(&stream);
    drop_all(&client->open);
    drop_all(&client->done);
    kofn_connection_close(&client->connection);
    kofn_inbound_fini(&client->in);
    kofn_local_stop(&client->local);
    if (client->context) // waits for the linger of what was just sent
        while (zmq_ctx_term(client->context) != 0 && errno == EINTR)
            ;
    kofn_client_memory_release(&client->memory);
    explicit_bzero(&client->keys, sizeof client->keys);
    free(client);
}

/* ---- calls with a small reply ---------------------------------------------------------------- */

static kofn_status
set_job(kofn_msg_job_ref *ref, const char *job, kofn_error *err)
{
    if (strlen(job) >= sizeof ref->job)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "job '%.40s' is not known: ids have at most %zu "
                         "characters",
                         job, sizeof ref->job - 1);
    memcpy(ref->job, job, strlen(job) + 1);
    return KOFN_OK;
}

static kofn_status
call_for_account(kofn_client *client, kofn_method method, const char *job,
                 kofn_account *ret_account, kofn_error *err)
{
    kofn_msg_job_ref request = {0};
    kofn_call *call;
    kofn_status status = set_job(&request, job, err);
    if (status == KOFN_OK)
        status = kofn_engine_call(
            client, &(kofn_call_params){.method = method, .request = &request}, &call, err);
    if (status != KOFN_OK)
        return status;
    if (ret_account)
        kofn_account_from_message(&((const kofn_msg_outcome *)call->reply)->job, ret_account);
    kofn_engine_drop(&call);
    return KOFN_OK;
}

kofn_status
kofn_client_get_job(kofn_client *client, const char *job, kofn_account *ret_account,
                    kofn_error *err)
{
    return call_for_account(client, KOFN_METHOD_GET_JOB, job, ret_account, err);
}

kofn_status
kofn_client_cancel(kofn_client *client, const char *job, kofn_account *ret_account, kofn_error *err)
{
    return call_for_account(client, KOFN_METHOD_CANCEL, job, ret_account, err);
}

kofn_status
kofn_client_list_jobs(kofn_client *client, size_t limit, kofn_account **ret_jobs, size_t *ret_count,
                      kofn_error *err)
{
    const kofn_msg_list_jobs request = {.limit = limit};
    kofn_call *call;
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_LIST_JOBS, .request = &request}, &call,
        err);
    if (status != KOFN_OK)
        return status;

    const kofn_msg_jobs *reply = call->reply;
    const kofn_msg_job *from = reply->jobs.at;
    kofn_account *jobs = calloc(reply->jobs.count ? reply->jobs.count : 1, sizeof *jobs);
    if (jobs) {
        for (size_t i = 0; i < reply->jobs.count; i++)
            kofn_account_from_message(&from[i], &jobs[i]);
        *ret_jobs = jobs;
        *ret_count = reply->jobs.count;
    }
    kofn_engine_drop(&call);
    return jobs ? KOFN_OK : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of jobs");
}

kofn_status
kofn_client_drop(kofn_client *client, const char *operand, kofn_error *err)
{
    kofn_msg_operand_ref request = {0};
    kofn_call *call;
    if (strlen(operand) >= sizeof request.operand)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "operand '%.40s' is not stored: ids have at most %zu characters", operand,
                         sizeof request.operand - 1);
    memcpy(request.operand, operand, strlen(operand) + 1);
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_DROP_OPERAND, .request = &request}, &call,
        err);
    if (status == KOFN_OK)
        kofn_engine_drop(&call);
    return status;
}

kofn_status
kofn_client_list_operands(kofn_client *client, kofn_operand_info **ret_operands, size_t *ret_count,
                          kofn_error *err)
{
    const kofn_msg_nothing request = {0};
    kofn_call *call;
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_LIST_OPERANDS, .request = &request},
        &call, err);
    if (status != KOFN_OK)
        return status;

    const kofn_msg_operands *reply = call->reply;
    const kofn_msg_operand *from = reply->operands.at;
    const size_t count = reply->operands.count;
    kofn_operand_info *operands = calloc(count ? count : 1, sizeof *operands);
    if (operands) {
        for (size_t i = 0; i < count; i++)
            kofn_operand_from_message(&from[i], &operands[i]);
        *ret_operands = operands;
        *ret_count = count;
    }
    kofn_engine_drop(&call);
    return operands ? KOFN_OK
                    : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of operands");
}

kofn_status
kofn_client_list_workers(kofn_client *client, kofn_worker_info **ret_workers, size_t *ret_count,
                         kofn_error *err)
{
    const kofn_msg_nothing request = {0};
    kofn_call *call;
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_LIST_WORKERS, .request = &request}, &call,
        err);
    if (status != KOFN_OK)
        return status;

    const kofn_msg_workers *reply = call->reply;
    const kofn_msg_worker *from = reply->workers.at;
    const size_t count = reply->workers.count;
    kofn_worker_info *workers = calloc(count ? count : 1, sizeof *workers);
    if (workers) {
        for (size_t i = 0; i < count; i++)
            kofn_worker_from_message(&from[i], &workers[i]);
        *ret_workers = workers;
        *ret_count = count;
    }
    kofn_engine_drop(&call);
    return workers ? KOFN_OK
                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of workers");
}

static kofn_status
list_own_codes(kofn_code_list *ret_list, kofn_error *err)
{
    kofn_msg_codes codes = {0};
    kofn_status status = kofn_master_fill_codes(NULL, &codes, err);
    if (status == KOFN_OK)
        status = kofn_codes_from_message(&codes, ret_list, err);
    kofn_message_clear(&kofn_codes_message, &codes);
    return status;
}

kofn_status
kofn_client_list_codes(kofn_client *client, kofn_code_list *ret_list, kofn_error *err)
{
    if (!client)
        return list_own_codes(ret_list, err);

    const kofn_msg_nothing request = {0};
    kofn_call *call;
    kofn_status status = kofn_engine_call(
        client, &(kofn_call_params){.method = KOFN_METHOD_LIST_CODES, .request = &request}, &call,
        err);
    if (status != KOFN_OK)
        return status;
    status = kofn_codes_from_message(call->reply, ret_list, err);
    kofn_engine_drop(&call);
    return status;
}

static kofn_status
plan_here(const kofn_msg_plan_query *asked, kofn_plan_answer *ret_answer, kofn_error *err)
{
    kofn_plan_query query;
    kofn_plan plan;
    kofn_msg_plan reply;
    kofn_status status = kofn_msg_plan_query_to_query(asked, NULL, &query, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_plan_make(&query, &plan, err);
    kofn_field_destroy(&query.field); // rows do not know it
    if (status != KOFN_OK)
        return status;
    status = kofn_msg_plan_from_plan(&query, &plan, &reply, err);
    kofn_plan_fini(&plan);
    if (status != KOFN_OK)
        return status;
    status = kofn_answer_from_message(&reply, ret_answer, err);
    kofn_message_clear(&kofn_plan_message, &reply);
    return status;
}

kofn_status
kofn_client_plan(kofn_client *client, const kofn_plan_question *question,
                 kofn_plan_answer *ret_answer, kofn_error *err)
{
    kofn_msg_plan_query request;
    kofn_call *call;
    kofn_status status = kofn_question_to_message(question, &request, err);
    if (status == KOFN_OK && !client)
        return plan_here(&request, ret_answer, err);
    if (status == KOFN_OK)
        status = kofn_engine_call(
            client, &(kofn_call_params){.method = KOFN_METHOD_PLAN_CODE, .request = &request},
            &call, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_answer_from_message(call->reply, ret_answer, err);
    kofn_engine_drop(&call);
    return status;
}

kofn_status
kofn_client_check(kofn_client *client, const char *service, int64_t timeout_ms,
                  kofn_health *ret_health, kofn_error *err)
{
    kofn_msg_check request = {0};
    if (service && strlen(service) >= sizeof request.service)
        return kofn_fail(err, KOFN_NOT_FOUND, "service '%.60s...' is not known", service);
    if (service)
        memcpy(request.service, service, strlen(service) + 1);

    kofn_call *call;
    kofn_error error;
    const kofn_call_params params = {.method = KOFN_METHOD_CHECK,
                                     .request = &request,
                                     .timeout_ms = timeout_ms > 0 ? timeout_ms : DEFAULT_CHECK_MS,
                                     .retries = -1};
    kofn_status status = kofn_engine_call(client, &params, &call, &error);
    if (status == KOFN_DEADLINE_EXCEEDED) // whoever does not answer a health check is not healthy
        return kofn_fail(err, KOFN_UNAVAILABLE, "the master at %s does not answer within %.3g s",
                         client->endpoint, (double)params.timeout_ms / 1e3);
    if (status != KOFN_OK)
        return kofn_fail(err, status, "%s", error.text);
    kofn_health_from_message(call->reply, ret_health);
    kofn_engine_drop(&call);
    return KOFN_OK;
}
