/* Products: one call that does it all, or a job that is submitted, watched and waited for.
 *
 *     no progress wanted        C: Multiply + operands           S: outcome + product
 *
 *     progress wanted           C: Submit + operands             S: job id
 *                               C: Watch id, Wait id             S: events ... outcome + product
 *
 * The second form costs a round trip more and knows its job from the start: it can be shown and
 * cancelled by id.
 */
#include "client/kofn.h"

#include "client/batch.h"
#include "client/complex.h"
#include "client/convert.h"
#include "client/engine.h"
#include "client/factors.h"
#include "client/result.h"
#include "client/sketches.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long after its deadline a product may still arrive: what is made of the answers that were
 * there by then takes time, less than they took. */
static int64_t
outcome_slack_ms(const kofn_product_options *options)
{
    const bool more = options->deadline_best && options->timeout_ms > KOFN_CLIENT_SLACK_MS;
    return more ? options->timeout_ms : KOFN_CLIENT_SLACK_MS;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static kofn_status
describe_accept(const kofn_product_options *options, kofn_msg_product *message, kofn_error *err)
{
    static const char *const names[] = {
        [KOFN_ACCEPT_PROMISED] = "",
        [KOFN_ACCEPT_EXACTLY] = "exact",
        [KOFN_ACCEPT_WITHIN] = "error",
    };
    const kofn_accept_options *accept = &options->accept;
    if ((size_t)accept->kind >= sizeof names / sizeof names[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "accept: no kind has the number %d",
                         (int)accept->kind);
    if (accept->kind == KOFN_ACCEPT_WITHIN && !(accept->error > 0 && isfinite(accept->error)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "accept: an error of %g, need more than 0, like 1e-6", accept->error);
    if (options->settle_ms < 0 || options->settle_ms > KOFN_SETTLE_MS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "settle: %" PRId64 " ms, need 0 to %d",
                         options->settle_ms, KOFN_SETTLE_MS_MAX);
    (void)snprintf(message->accept, sizeof message->accept, "%s", names[accept->kind]);
    message->accept_error = accept->kind == KOFN_ACCEPT_WITHIN ? accept->error : 0;
    message->deadline_best = options->deadline_best;
    message->settle_ms = (uint64_t)options->settle_ms;
    message->liars = options->liars;
    return kofn_text_describe(message->verify, sizeof message->verify, options->verify, "verify",
                              err);
}

/* Operands beyond the second. The list is *message's. */
static kofn_status
describe_further(const kofn_factors *f, kofn_msg_product *message, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(f->count - 2, sizeof(kofn_msg_factor), &message->further, err);
    kofn_msg_factor *further = message->further.at;
    for (size_t i = 2; i < f->count && status == KOFN_OK; i++, further++) {
        further->transposed = f->at[i].of->transposed;
        status = kofn_factor_describe(&f->at[i], &further->matrix, further->operand, err);
    }
    return status;
}

/* The message owns lists: cleared by the caller, also on failure. */
static kofn_status
describe_product(const kofn_factors *f, const kofn_product_options *options,
                 kofn_msg_product *message, kofn_error *err)
{
    kofn_code_spec spec;
    *message = (kofn_msg_product){.transpose_a = f->at[0].of->transposed,
                                  .transpose_b = f->at[1].of->transposed};
    (void)snprintf(message->form, sizeof message->form, "%s",
                   f->batch   ? KOFN_FORM_BATCH
                   : f->outer ? KOFN_FORM_OUTER
                              : "");
    kofn_status status = kofn_factor_describe(&f->at[0], &message->a, message->operand_a, err);
    if (status == KOFN_OK)
        status = kofn_factor_describe(&f->at[1], &message->b, message->operand_b, err);
    if (status == KOFN_OK)
        status = describe_further(f, message, err);
    if (status == KOFN_OK && f->batch)
        status = kofn_msg_batch_from_batch(f->batch, &message->batch, err);
    if (f->compression)
        message->compression = *f->compression;
    if (status == KOFN_OK)
        status = kofn_text_describe(message->policy, sizeof message->policy, options->policy,
                                    "policy", err);
    if (status == KOFN_OK)
        status =
            kofn_text_describe(message->field, sizeof message->field, options->field, "field", err);
    if (status == KOFN_OK)
        status = describe_accept(options, message, err);
    if (status == KOFN_OK)
        status = kofn_choice_to_spec(&options->code, &spec, err);
    if (status == KOFN_OK)
        status = kofn_msg_code_from_spec(&spec, &message->code, err);
    return status;
}

static kofn_status
gather(kofn_client *client, const kofn_pairs *pairs, const kofn_product_options *options,
       kofn_gathering *ret, kofn_error *err)
{
    return kofn_gathering_init(ret, pairs, options ? options->field : NULL, client->memory->pool,
                               err);
}

/* A product of two as it is sent: the matrices themselves, a sketch of them, or the parts of
 * complex ones. */
typedef struct two {
    kofn_factors factors;
    kofn_product_options options;
    kofn_sketching sketching; // of which the factors are; zeros: there is none
    kofn_complex parts;       // likewise
} two;

static kofn_status
two_init_sketch(two *ret, kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                kofn_error *err)
{
    const kofn_status status =
        kofn_sketching_init(&ret->sketching, client->memory->pool, a, b, &ret->options, err);
    if (status != KOFN_OK)
        return status;
    ret->factors = ret->sketching.factors;
    ret->options.code = ret->sketching.code;
    return KOFN_OK;
}

static kofn_status
two_init_complex(two *ret, kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                 size_t workers, kofn_error *err)
{
    const kofn_status status =
        kofn_complex_init(&ret->parts, client->memory->pool, a, b, &ret->options, workers, err);
    if (status != KOFN_OK)
        return status;
    ret->factors = ret->parts.factors;
    ret->options.code = ret->parts.code;
    return KOFN_OK;
}

/* `workers`: how many there are, where that is known (0: it is not) and matters. */
static kofn_status
two_init(two *ret, kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
         const kofn_product_options *options, size_t workers, kofn_error *err)
{
    *ret = (two){.factors = kofn_factors_two(a, b)};
    if (options)
        ret->options = *options;
    if (kofn_sketching_is_asked(&ret->options))
        return two_init_sketch(ret, client, a, b, err);
    if (kofn_complex_is_asked(a, b))
        return two_init_complex(ret, client, a, b, workers, err);
    return KOFN_OK;
}

static void
two_fini(two *t)
{
    kofn_sketching_fini(&t->sketching);
    kofn_complex_fini(&t->parts);
}

/* A product that has no complex operands is made by no method for these. */
static kofn_status
check_method(const kofn_factors *f, const char *method, kofn_error *err)
{
    if (!method || !method[0] || (f->compression && strcmp(f->compression->method, method) == 0))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "complex_method '%.20s' is for a product of two complex matrices, and this is "
                     "another one: leave it out",
                     method);
}

static kofn_status
open_product(kofn_client *client, kofn_method method, const kofn_factors *f,
             const kofn_product_options *options, kofn_call **ret_call, kofn_error *err)
{
    static const kofn_product_options defaults;
    kofn_sent sent;
    const size_t count = kofn_factors_list_sent(f, &sent);
    kofn_msg_product request;
    kofn_msg_matrix c;

    options = options ? options : &defaults;
    kofn_status status = kofn_factors_check(f, &c, err);
    if (status == KOFN_OK && kofn_sketching_is_asked(options) && !f->compression)
        status = kofn_fail(err, KOFN_UNIMPLEMENTED,
                           "sketches are of products of two matrices: %s are not estimated by them",
                           f->batch ? "batches" : "outer products");
    if (status == KOFN_OK)
        status = check_method(f, options->complex_method, err);
    if (status != KOFN_OK)
        return status;
    const kofn_call_params params = {
        .method = method,
        .request = &request,
        .operand_count = count,
        .operands = sent.at,
        .product = method == KOFN_METHOD_MULTIPLY ? &c : NULL,
        .timeout_ms = options->timeout_ms,
        .slack_ms = outcome_slack_ms(options),
        .key = options->key,
        .compressed = f->compression != NULL,
    };
    status = describe_product(f, options, &request, err);
    if (status == KOFN_OK)
        status = kofn_engine_open(client, &params, ret_call, err);
    if (status == KOFN_OK)
        memcpy((*ret_call)->verify, request.verify, sizeof request.verify);
    kofn_message_clear(&kofn_product_message, &request);
    return status;
}

static bool
asks_for_proof(const char *verify)
{
    return verify && verify[0] && strcmp(verify, "none") != 0;
}

/* A master that knows no `verify` leaves it out, and its product is one that nobody looked at. */
static kofn_status
check_verified(const char *asked, const kofn_account *account, kofn_error *err)
{
    if (!asks_for_proof(asked) || strcmp(asked, account->verify) == 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "job '%s' was to be verified by %s, and this master verifies %s%s: it is an "
                     "older one, so take another, or leave verify out",
                     account->job, asked, account->verify[0] ? "by " : "nothing", account->verify);
}

/* ---- calls in flight ------------------------------------------------------------------------- */

static kofn_status
start(kofn_client *client, const kofn_factors *f, const kofn_product_options *options,
      kofn_call **ret_call, kofn_error *err)
{
    kofn_call *call;
    kofn_status status = open_product(client, KOFN_METHOD_MULTIPLY, f, options, &call, err);
    if (status != KOFN_OK)
        return status;
    (void)kofn_engine_step(client, 0); // it is on its way when this returns
    *ret_call = call;
    return KOFN_OK;
}

kofn_status
kofn_client_start(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                  const kofn_product_options *options, kofn_call **ret_call, kofn_error *err)
{
    two t;
    kofn_status status = two_init(&t, client, a, b, options, 0, err);
    if (status == KOFN_OK)
        status = start(client, &t.factors, &t.options, ret_call, err);
    two_fini(&t);
    return status;
}

kofn_status
kofn_client_start_outer(kofn_client *client, const kofn_matrix *operands, size_t count,
                        const kofn_product_options *options, kofn_call **ret_call, kofn_error *err)
{
    kofn_factors f;
    kofn_status status = kofn_factors_outer(operands, count, &f, err);
    return status == KOFN_OK ? start(client, &f, options, ret_call, err) : status;
}

kofn_status
kofn_client_start_batch(kofn_client *client, const kofn_pairs *pairs,
                        const kofn_product_options *options, kofn_call **ret_call, kofn_error *err)
{
    kofn_gathering g;
    kofn_status status = gather(client, pairs, options, &g, err);
    if (status != KOFN_OK)
        return status;
    status = start(client, &g.factors, options, ret_call, err);
    kofn_gathering_fini(&g);
    return status;
}

static kofn_call *
find_untold(const kofn_call_list *calls)
{
    kofn_call *call;
    TAILQ_FOREACH(call, calls, link)
    if (!call->told && !call->stream)
        return call;
    return NULL;
}

kofn_status
kofn_client_next(kofn_client *client, int64_t timeout_ms, kofn_call **ret_call, kofn_error *err)
{
    const int64_t until = timeout_ms < 0 || timeout_ms > INT64_MAX / KOFN_NS_PER_MS
                              ? KOFN_NEVER_NS
                              : kofn_clock_after(kofn_clock_ns(), timeout_ms * KOFN_NS_PER_MS);
    kofn_call *call = find_untold(&client->done);
    bool may_wait = true;
    if (!call && !find_untold(&client->open))
        return kofn_fail(err, KOFN_FAILED_PRECONDITION, "no call is open on this client");
    while (!call && may_wait) {
        may_wait = kofn_engine_step(client, until) && kofn_clock_ns() < until;
        call = find_untold(&client->done);
    }
    if (call)
        call->told = true;
    *ret_call = call;
    return KOFN_OK;
}

bool
kofn_call_poll(kofn_call *call)
{
    if (call->state != KOFN_CALL_DONE)
        (void)kofn_engine_step(call->client, 0);
    return call->state == KOFN_CALL_DONE;
}

kofn_status
kofn_call_finish(kofn_call **call_p, kofn_result **ret_result, kofn_error *err)
{
    kofn_call *call = *call_p;
    while (call->state != KOFN_CALL_DONE)
        (void)kofn_engine_step(call->client, KOFN_NEVER_NS);
    kofn_result *result = NULL;
    kofn_status status = call->error.status == KOFN_OK
                             ? kofn_result_take(call, &result, err)
                             : kofn_fail(err, call->error.status, "%s", call->error.text);
    if (status == KOFN_OK)
        status = check_verified(call->verify, kofn_result_get_account(result), err);
    kofn_engine_drop(call_p);
    if (status != KOFN_OK)
        kofn_result_destroy(&result);
    else
        *ret_result = result;
    return status;
}

void
kofn_call_abandon(kofn_call **call_p)
{
    kofn_engine_drop(call_p);
}

void
kofn_call_set_context(kofn_call *call, void *context)
{
    call->context = context;
}

void *
kofn_call_get_context(const kofn_call *call)
{
    return call->context;
}

/* ---- waiting with somebody who looks on ------------------------------------------------------ */

typedef struct onlooker {
    kofn_progress *progress;
    void *context;
    kofn_account account; // as last heard
    bool news;
} onlooker;

static void
hear(kofn_call *call, const kofn_msg_job *job)
{
    onlooker *looker = call->event_context;
    kofn_account_from_message(job, &looker->account);
    looker->news = true;
}

static kofn_status
fail_cancelled(kofn_error *err)
{
    return kofn_fail(err, KOFN_CANCELLED, "interrupted");
}

static void
say_put_off(const kofn_call *call, kofn_account *ret_account)
{
    memcpy(ret_account->state, "put off", sizeof "put off");
    ret_account->status = call->error.status;
    (void)snprintf(ret_account->message, sizeof ret_account->message, "%s", call->error.text);
}

/* Until the call is done. CANCELLED: the onlooker does not want to wait; the call is still open. */
static kofn_status
wait_watched(kofn_client *client, kofn_call *call, onlooker *looker, kofn_error *err)
{
    int64_t next = looker->progress ? 0 : KOFN_NEVER_NS;
    while (call->state != KOFN_CALL_DONE) {
        const bool on = kofn_engine_step(client, next); // false: a signal came
        const int64_t now = kofn_clock_ns();
        if (!looker->progress || (on && !looker->news && now < next))
            continue;
        looker->news = false;
        next = now + KOFN_CLIENT_TICK_NS;
        kofn_account account = looker->account;
        if (kofn_engine_is_away(client))
            memcpy(account.state, "away", sizeof "away");
        else if (call->state == KOFN_CALL_QUEUED && call->attempts > 0)
            say_put_off(call, &account);
        if (!looker->progress(looker->context, &account))
            return fail_cancelled(err);
    }
    return KOFN_OK;
}

/* What is said while operands are on their way. */
typedef struct upload {
    kofn_client *client;
    kofn_progress *progress; // NULL: nobody looks on
    void *context;
    size_t total; // bytes
    kofn_account account;
} upload;

static bool
show_upload(void *context, const kofn_account *account)
{
    upload *up = context;
    if (account->state[0]) { // not the job's, which is not accepted yet: why it is not
        up->account = *account;
    } else if (up->client->down_ns != KOFN_NEVER_NS) {
        up->account = (kofn_account){0}; // nothing is on its way before there is a connection
    } else {
        const size_t unsent = kofn_engine_get_unsent(up->client);
        memcpy(up->account.state, "sending", sizeof "sending");
        up->account.progress =
            up->total > 0 && unsent < up->total ? 1.0 - (double)unsent / (double)up->total : 0;
    }
    return up->progress(up->context, &up->account);
}

static size_t
bytes_of(const kofn_stack *s)
{
    const kofn_matrix *m = kofn_stack_get(s, 0); // all are of its shape, which was checked
    if (m->sparse)
        return (m->rows + 1) * sizeof *m->sparse->first +
               m->sparse->elements * (sizeof *m->sparse->column + kofn_dtype_width(m->dtype));
    return m->operand ? 0 : s->count * m->rows * m->cols * kofn_dtype_width(m->dtype);
}

/* Until the upload's call is done; its outcome. */
static kofn_status
wait_uploaded(kofn_call *call, upload *up, kofn_error *err)
{
    onlooker looker = {.progress = up->progress ? show_upload : NULL, .context = up};
    kofn_status status = wait_watched(up->client, call, &looker, err);
    if (status == KOFN_OK && call->error.status != KOFN_OK)
        status = kofn_fail(err, call->error.status, "%s", call->error.text);
    return status;
}

/* Time left of a timeout that began at start_ns, at least 1: 0 would mean none. */
static int64_t
time_left_ms(int64_t timeout_ms, int64_t start_ns)
{
    const int64_t spent_ms = (kofn_clock_ns() - start_ns) / KOFN_NS_PER_MS;
    if (timeout_ms <= 0)
        return 0;
    return timeout_ms > spent_ms ? timeout_ms - spent_ms : 1;
}

/* How many workers there are, asked within the product's own time. */
static kofn_status
count_workers(kofn_client *client, const kofn_product_options *options, size_t *ret_count,
              kofn_error *err)
{
    const kofn_msg_check request = {0};
    const kofn_call_params params = {
        .method = KOFN_METHOD_CHECK, .request = &request, .timeout_ms = options->timeout_ms};
    upload up = {.client = client, .progress = options->progress, .context = options->context};
    kofn_call *call;
    kofn_status status = kofn_engine_open(client, &params, &call, err);
    if (status != KOFN_OK)
        return status;
    status = wait_uploaded(call, &up, err);
    if (status == KOFN_OK)
        *ret_count = (size_t)((const kofn_msg_health *)call->reply)->workers;
    kofn_engine_drop(&call);
    return status;
}

/* For calls that wait: what is cut is cut for the workers that are there. */
static kofn_status
two_init_counted(two *ret, kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                 const kofn_product_options *options, kofn_error *err)
{
    static const kofn_product_options defaults;
    const int64_t start_ns = kofn_clock_ns();
    size_t workers = 0;
    kofn_status status = KOFN_OK;
    *ret = (two){0};
    options = options ? options : &defaults;
    if (kofn_complex_asks_workers(a, b, options))
        status = count_workers(client, options, &workers, err);
    if (status == KOFN_OK)
        status = two_init(ret, client, a, b, options, workers, err);
    ret->options.timeout_ms = time_left_ms(ret->options.timeout_ms, start_ns);
    return status;
}

/* Before anything is computed for it: an older master forgets how its product is to be verified,
 * and what the operands were made from, and whoever fetched it would take it for another. */
static kofn_status
check_submitted(kofn_client *client, const kofn_factors *f, const char *verify, const char *job,
                kofn_error *err)
{
    kofn_account account;
    if (!f->compression && !asks_for_proof(verify))
        return KOFN_OK;
    kofn_status status = kofn_client_get_job(client, job, &account, err);
    if (status != KOFN_OK || strcmp(account.state, "blocked") == 0)
        return KOFN_OK; // nothing is known of it, or nothing computed: it is there all the same
    if (f->compression && !account.compression.method[0])
        status = kofn_compression_fail(err);
    else
        status = check_verified(verify, &account, err);
    if (status != KOFN_OK) // or it ends unseen: nobody knows its id
        (void)!kofn_client_cancel(client, job, NULL, NULL);
    return status;
}

static kofn_status
submit(kofn_client *client, const kofn_factors *f, const kofn_product_options *options,
       char ret_job[KOFN_CLIENT_JOB_MAX], kofn_error *err)
{
    kofn_call *call;
    kofn_status status = open_product(client, KOFN_METHOD_SUBMIT, f, options, &call, err);
    if (status != KOFN_OK)
        return status;

    upload up = {.client = client};
    for (size_t i = 0; i < f->count; i++)
        up.total += bytes_of(&f->at[i]);
    if (options) {
        up.progress = options->progress;
        up.context = options->context;
    }
    char job[KOFN_CLIENT_JOB_MAX];
    status = wait_uploaded(call, &up, err);
    if (status == KOFN_OK)
        memcpy(job, ((const kofn_msg_job_ref *)call->reply)->job, sizeof job);
    kofn_engine_drop(&call);
    if (status == KOFN_OK)
        status = check_submitted(client, f, options ? options->verify : NULL, job, err);
    if (status == KOFN_OK)
        memcpy(ret_job, job, sizeof job);
    return status;
}

kofn_status
kofn_client_submit(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                   const kofn_product_options *options, char ret_job[KOFN_CLIENT_JOB_MAX],
                   kofn_error *err)
{
    two t;
    kofn_status status = two_init_counted(&t, client, a, b, options, err);
    if (status == KOFN_OK)
        status = submit(client, &t.factors, &t.options, ret_job, err);
    two_fini(&t);
    return status;
}

kofn_status
kofn_client_submit_outer(kofn_client *client, const kofn_matrix *operands, size_t count,
                         const kofn_product_options *options, char ret_job[KOFN_CLIENT_JOB_MAX],
                         kofn_error *err)
{
    kofn_factors f;
    kofn_status status = kofn_factors_outer(operands, count, &f, err);
    return status == KOFN_OK ? submit(client, &f, options, ret_job, err) : status;
}

kofn_status
kofn_client_submit_batch(kofn_client *client, const kofn_pairs *pairs,
                         const kofn_product_options *options, char ret_job[KOFN_CLIENT_JOB_MAX],
                         kofn_error *err)
{
    kofn_gathering g;
    kofn_status status = gather(client, pairs, options, &g, err);
    if (status != KOFN_OK)
        return status;
    status = submit(client, &g.factors, options, ret_job, err);
    kofn_gathering_fini(&g);
    return status;
}

kofn_status
kofn_client_put(kofn_client *client, const kofn_matrix *matrix, const kofn_put_options *options,
                char ret_operand[KOFN_CLIENT_JOB_MAX], kofn_error *err)
{
    static const kofn_put_options defaults;
    const kofn_stack one = {.of = matrix, .count = 1};
    kofn_msg_put_operand request = {.transposed = matrix->transposed};
    kofn_call *call;
    options = options ? options : &defaults;
    if (matrix->operand)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "operand '%.40s' is stored already",
                         matrix->operand);
    kofn_status status = kofn_factor_check(matrix, "the operand", err);
    if (status != KOFN_OK)
        return status;
    kofn_shape_describe(matrix->dtype, matrix->rows, matrix->cols, &request.matrix);
    status = kofn_engine_open(client,
                              &(kofn_call_params){.method = KOFN_METHOD_PUT_OPERAND,
                                                  .request = &request,
                                                  .operand_count = 1,
                                                  .operands = &one,
                                                  .timeout_ms = options->timeout_ms,
                                                  .key = options->key},
                              &call, err);
    if (status != KOFN_OK)
        return status;

    upload up = {.client = client,
                 .progress = options->progress,
                 .context = options->context,
                 .total = bytes_of(&one)};
    status = wait_uploaded(call, &up, err);
    if (status == KOFN_OK)
        memcpy(ret_operand, ((const kofn_msg_operand_ref *)call->reply)->operand,
               KOFN_CLIENT_JOB_MAX);
    kofn_engine_drop(&call);
    return status;
}

static kofn_status
open_job_call(kofn_client *client, kofn_method method, const char *job,
              const kofn_wait_options *options, kofn_call **ret_call, kofn_error *err)
{
    kofn_msg_job_ref request = {.without_result = options->without_product,
                                .hold = !options->without_product};
    kofn_status status = kofn_text_describe(request.job, sizeof request.job, job, "job", err);
    if (status != KOFN_OK)
        return status;
    return kofn_engine_open(client,
                            &(kofn_call_params){.method = method,
                                                .request = &request,
                                                .timeout_ms = options->timeout_ms},
                            ret_call, err);
}

/* The product is here, whole: the master need not keep it. It is not lost with a connection
 * before. */
static void
let_go(kofn_client *client, const char *job)
{
    kofn_msg_job_ref request = {.without_result = true, .let_go = true};
    memcpy(request.job, job, strlen(job) + 1); // it was waited for: it fits
    kofn_engine_tell(client, KOFN_METHOD_WAIT, &request);
}

/* A wait for the account alone ends well even when the job did not. */
static kofn_status
check_outcome(const kofn_result *result, const kofn_wait_options *options, kofn_error *err)
{
    const kofn_account *account = kofn_result_get_account(result);
    if (account->status != KOFN_OK)
        return kofn_fail(err, account->status, "%s",
                         account->message[0] ? account->message : account->state);
    if (!options->without_product && kofn_result_get_dtype(result) == KOFN_DTYPE_NONE)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "the product of job '%s' is gone: it was fetched, or kept too long",
                         account->job);
    return KOFN_OK;
}

kofn_status
kofn_client_wait(kofn_client *client, const char *job, const kofn_wait_options *options,
                 kofn_result **ret_result, kofn_error *err)
{
    static const kofn_wait_options defaults;
    kofn_call *call = NULL;
    kofn_call *watch = NULL;
    kofn_result *result = NULL;
    options = options ? options : &defaults;

    kofn_status status = open_job_call(client, KOFN_METHOD_WAIT, job, options, &call, err);
    if (status != KOFN_OK)
        return status;
    onlooker looker = {.progress = options->progress, .context = options->context};
    if (looker.progress)
        status = open_job_call(client, KOFN_METHOD_WATCH, job, options, &watch, err);
    if (status == KOFN_OK && watch) {
        watch->on_event = hear;
        watch->event_context = &looker;
    }
    if (status == KOFN_OK)
        status = wait_watched(client, call, &looker, err);
    kofn_engine_drop(&watch); // if it failed, so does the wait, or it is not missed
    if (status == KOFN_OK)
        status = kofn_call_finish(&call, &result, err);
    kofn_engine_drop(&call);
    if (status == KOFN_OK)
        status = check_outcome(result, options, err);
    if (status != KOFN_OK) {
        kofn_result_destroy(&result);
        return status;
    }
    if (!options->without_product)
        let_go(client, job);
    *ret_result = result;
    return KOFN_OK;
}

/* ---- everything in one ----------------------------------------------------------------------- */

/* Submit, watch, wait: once. *ret_job is "" when it was not even accepted. */
static kofn_status
multiply_once(kofn_client *client, const kofn_factors *f, const kofn_product_options *options,
              char ret_job[KOFN_CLIENT_JOB_MAX], kofn_result **ret_result, kofn_error *err)
{
    const int64_t start = kofn_clock_ns();
    ret_job[0] = '\0';
    kofn_status status = submit(client, f, options, ret_job, err);
    if (status != KOFN_OK)
        return status;

    /* The job ends at its deadline by itself, and its outcome needs a moment to get here. */
    const int64_t left_ms = time_left_ms(options->timeout_ms, start);
    const kofn_wait_options wait = {
        .timeout_ms = left_ms > 0 ? kofn_clock_after(left_ms, outcome_slack_ms(options)) : 0,
        .progress = options->progress,
        .context = options->context,
    };
    status = kofn_client_wait(client, ret_job, &wait, ret_result, err);
    if (status == KOFN_CANCELLED) // by the onlooker, or at the master: then this does nothing
        (void)!kofn_client_cancel(client, ret_job, NULL, NULL);
    return status;
}

/* What the engine does for one call is done here for the three: a master that was restarted has
 * forgotten the job, one that was stopping has failed it. */
static bool
is_worth_repeating(const kofn_client *client, const char *job, kofn_status status)
{
    const bool master_is_there = client->down_ns == KOFN_NEVER_NS;
    return job[0] != '\0' && master_is_there &&
           (status == KOFN_NOT_FOUND || status == KOFN_UNAVAILABLE);
}

static kofn_status
multiply_watched(kofn_client *client, const kofn_factors *f, const kofn_product_options *options,
                 kofn_result **ret_result, kofn_error *err)
{
    const int64_t start = kofn_clock_ns();
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    kofn_status status;
    int attempts = 0;
    do {
        kofn_product_options now = *options;
        now.timeout_ms = time_left_ms(options->timeout_ms, start);
        kofn_engine_pause(client, attempts);
        status = multiply_once(client, f, &now, job, &result, err);
    } while (is_worth_repeating(client, job, status) && attempts++ < client->options.retries);
    if (status != KOFN_OK)
        return status;
    kofn_result_set_call_seconds(result, (double)(kofn_clock_ns() - start) / 1e9);
    *ret_result = result;
    return KOFN_OK;
}

static kofn_status
multiply(kofn_client *client, const kofn_factors *f, const kofn_product_options *options,
         kofn_result **ret_result, kofn_error *err)
{
    if (options && options->progress)
        return multiply_watched(client, f, options, ret_result, err);
    kofn_call *call;
    kofn_status status = start(client, f, options, &call, err);
    return status == KOFN_OK ? kofn_call_finish(&call, ret_result, err) : status;
}

kofn_status
kofn_client_multiply(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
                     const kofn_product_options *options, kofn_result **ret_result, kofn_error *err)
{
    two t;
    kofn_status status = two_init_counted(&t, client, a, b, options, err);
    if (status == KOFN_OK)
        status = multiply(client, &t.factors, &t.options, ret_result, err);
    two_fini(&t);
    return status;
}

kofn_status
kofn_client_outer(kofn_client *client, const kofn_matrix *operands, size_t count,
                  const kofn_product_options *options, kofn_result **ret_result, kofn_error *err)
{
    kofn_factors f;
    kofn_status status = kofn_factors_outer(operands, count, &f, err);
    return status == KOFN_OK ? multiply(client, &f, options, ret_result, err) : status;
}

kofn_status
kofn_client_batch(kofn_client *client, const kofn_pairs *pairs, const kofn_product_options *options,
                  kofn_result **ret_result, kofn_error *err)
{
    kofn_gathering g;
    kofn_status status = gather(client, pairs, options, &g, err);
    if (status != KOFN_OK)
        return status;
    status = multiply(client, &g.factors, options, ret_result, err);
    kofn_gathering_fini(&g);
    return status;
}

kofn_status
kofn_pairs_check(const kofn_pairs *pairs, const kofn_code_choice *code, const char *field,
                 kofn_error *err)
{
    static const kofn_code_choice open;
    kofn_gathering g;
    kofn_code_spec spec;
    kofn_status status = kofn_choice_to_spec(code ? code : &open, &spec, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_gathering_init(&g, pairs, field, NULL, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_code_spec_set_batch(&spec, g.batch, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_check(&spec, g.field, err);
    kofn_gathering_fini(&g);
    return status;
}
