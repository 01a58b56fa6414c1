#include "client/cli/report.h"

#include "client/cli/table.h"
#include "client/cli/text.h"
#include "common/linalg/mat.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- JSON ------------------------------------------------------------------------------------ */

/* JSON has no infinities and no NaN. */
static json_t *
real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *
count(uint64_t value)
{
    return json_integer((json_int_t)value); // sizes and counts: far below 2^63
}

/* A text as UTF-8, whatever it holds: it came from elsewhere. */
static json_t *
text(const char *value)
{
    json_t *string = json_string(value);
    return string ? string : json_string("?");
}

static json_t *
json_of_parts(const kofn_code_choice *code)
{
    json_t *parts = json_array();
    for (size_t i = 0; parts && i < code->operands; i++)
        (void)json_array_append_new(parts, count(code->parts[i]));
    return parts;
}

json_t *
cli_json_of_code(const kofn_code_choice *code)
{
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%" PRIu64, code->seed);
    json_t *sets = json_object();
    for (size_t i = 0; sets && i < code->set_count; i++)
        (void)json_object_set_new(sets, code->sets[i].name, text(code->sets[i].value));
    json_t *object =
        json_pack("{s:o, s:[o,o,o], s:o, s:o, s:s, s:o}", "code", text(code->family), "partition",
                  count(code->x), count(code->z), count(code->y), "tasks", count(code->tasks),
                  "reserve", count(code->reserve), "seed", seed, "set", sets);
    if (object && code->operands > 0) { // of an outer product: these cut it
        (void)json_object_del(object, "partition");
        (void)json_object_set_new(object, "parts", json_of_parts(code));
    }
    return object;
}

static json_t *
json_of_seconds(const kofn_account *account)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "queue",
                     real(account->seconds.queue), "receive", real(account->seconds.receive),
                     "encode", real(account->seconds.encode), "send", real(account->seconds.send),
                     "wait", real(account->seconds.wait), "decode", real(account->seconds.decode),
                     "check", real(account->seconds.check), "total", real(account->seconds.total),
                     "call", real(account->seconds.call));
}

/* One object of four; all are taken. */
static json_t *
join(json_t *first, json_t *second, json_t *third, json_t *fourth)
{
    json_t *const others[] = {second, third, fourth};
    for (size_t i = 0; i < 3; i++) {
        if (!others[i] || json_object_update(first, others[i]) != 0) {
            json_decref(first);
            first = NULL; // json_object_update refuses NULL, so the rest is only released
        }
        json_decref(others[i]);
    }
    return first;
}

static const char *
accept_name(kofn_accept_choice kind)
{
    static const char *const names[] = {
        [KOFN_ACCEPT_PROMISED] = "promise",
        [KOFN_ACCEPT_EXACTLY] = "exact",
        [KOFN_ACCEPT_WITHIN] = "error",
    };
    return names[kind];
}

static bool
is_complex(const kofn_account *account)
{
    return kofn_dtype_get_part(account->compression.dtype) != KOFN_DTYPE_NONE;
}

static json_t *
json_of_primes(const kofn_account *account)
{
    json_t *primes = json_array();
    for (size_t i = 0; primes && i < account->prime_count; i++) {
        const kofn_prime_account *p = &account->primes[i];
        (void)json_array_append_new(
            primes, json_pack("{s:o, s:o, s:o, s:o, s:o}", "prime", count(p->prime), "state",
                              text(p->state), "enough", count(p->enough), "tasks_sent",
                              count(p->tasks_sent), "answers", count(p->answers)));
    }
    return primes;
}

/* Elements of A and B. */
static double
count_elements(const kofn_account *account)
{
    return ((double)account->rows + (double)account->cols) * (double)account->inner;
}

/* `of`: elements of A and B, of which so many were sent. */
static json_t *
json_of_compression(const kofn_account *account)
{
    const kofn_compression *c = &account->compression;
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%" PRIu64, c->seed);
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "method", text(c->method),
                     "samples", count(c->samples), "seed", seed, "elements", count(c->elements),
                     "of", real(count_elements(account)), "bound", real(c->bound), "lemma",
                     real(c->lemma), "expected", c->expected > 0 ? real(c->expected) : json_null(),
                     "relative", c->relative > 0 ? real(c->relative) : json_null());
}

json_t *
cli_json_of_account(const kofn_account *account)
{
    json_t *object =
        json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:{s:o, s:o, s:o}}", "job",
                  text(account->job), "state", text(account->state), "status",
                  kofn_status_name(account->status), "message", text(account->message), "policy",
                  text(account->policy), "field", text(account->field), "form",
                  is_complex(account)  ? "product"
                  : account->pairs > 0 ? "batch"
                  : account->outer     ? "outer"
                                       : "product",
                  "shape", "rows", count(account->rows), "inner", count(account->inner), "cols",
                  count(account->cols));
    json_t *more = json_pack(
        "{s:o, s:o, s:b, s:{s:s, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, "
        "s:b}",
        "threshold", count(account->threshold), "enough", count(account->enough), "likely",
        account->likely, "accept", "kind", accept_name(account->accept.kind), "error",
        real(account->accept.error), "tasks_sent", count(account->tasks_sent), "answers",
        count(account->answers), "answers_used", count(account->answers_used), "workers",
        count(account->workers), "backups", count(account->backups), "replaced",
        count(account->replaced), "fresh", count(account->fresh), "blocks_reused",
        count(account->blocks_reused), "blocks_spared", count(account->blocks_spared),
        "answers_held", count(account->answers_held), "decodable", account->decodable, "waited",
        account->waited, "durable", account->durable);
    json_t *quality = json_pack(
        "{s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "error",
        "kind", text(account->error_kind), "bound", real(account->error_bound), "estimate",
        real(account->error_estimate), "condition", real(account->condition), "amplification",
        real(account->amplification), "residual", real(account->residual), "nonfinite",
        account->nonfinite, "progress", real(account->progress), "age_ms", count(account->age_ms),
        "seconds", json_of_seconds(account), "primes", json_of_primes(account), "verify",
        text(account->verify), "refuted", count(account->refuted), "unchecked",
        count(account->unchecked), "liars", text(account->liars));
    if (quality && is_complex(account))
        (void)json_object_set_new(quality, "complex", text(account->compression.method));
    else if (quality && account->compression.method[0])
        (void)json_object_set_new(quality, "sketch", json_of_compression(account));
    if (quality && account->pairs > 0)
        (void)json_object_set_new(quality, "pairs", count(account->pairs));
    if (quality && account->zero_products > 0)
        (void)json_object_set_new(quality, "zero_products", count(account->zero_products));
    if (quality && account->stream[0]) {
        (void)json_object_set_new(quality, "stream", text(account->stream));
        (void)json_object_set_new(quality, "index", count(account->index));
        (void)json_object_set_new(quality, "born", count(account->born));
        (void)json_object_set_new(quality, "finished", count(account->finished));
    }
    return join(object, cli_json_of_code(&account->code), more, quality);
}

json_t *
cli_json_of_stream(const kofn_stream_account *stream)
{
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "stream",
        text(stream->stream), "state", text(stream->state), "scheme", text(stream->scheme), "field",
        text(stream->field), "slots", count(stream->slots), "delay", count(stream->delay), "lambda",
        count(stream->lambda), "failures", count(stream->failures), "window", count(stream->window),
        "burst", count(stream->burst), "tolerance", real(stream->tolerance), "rescue",
        real(stream->rescue), "limit", count(stream->limit), "need", count(stream->need));
    json_t *rounds = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pushed",
        count(stream->pushed), "done", count(stream->done), "failed", count(stream->failed),
        "rounds", count(stream->rounds), "waited", count(stream->waited), "given",
        count(stream->given), "answered", count(stream->answered), "lost", count(stream->lost),
        "dropped", count(stream->dropped), "rescued", count(stream->rescued), "mended",
        count(stream->mended), "load_sum", count(stream->load_sum), "load_max",
        count(stream->load_max), "vacant", count(stream->vacant), "busy", real(stream->busy));
    json_t *times = json_pack("{s:o, s:I, s:o, s:o, s:o}", "age_ms", count(stream->age_ms),
                              "grace_ms", (json_int_t)stream->grace_ms, "late", count(stream->late),
                              "timed", count(stream->timed), "slowdown", real(stream->slowdown));
    return join(object, cli_json_of_code(&stream->code), rounds, times);
}

json_t *
cli_json_of_health(const kofn_health *health)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "status",
                     text(health->status), "why", text(health->why), "version",
                     text(health->version), "workers", count(health->workers), "jobs_running",
                     count(health->jobs_running), "jobs_queued", count(health->jobs_queued),
                     "jobs_done", count(health->jobs_done), "jobs_failed",
                     count(health->jobs_failed), "memory_bytes", count(health->memory_bytes),
                     "memory_limit_bytes", count(health->memory_limit_bytes), "store_bytes",
                     count(health->store_bytes), "store_limit_bytes",
                     count(health->store_limit_bytes), "uptime_ms", count(health->uptime_ms));
}

json_t *
cli_json_of_operand(const kofn_operand_info *operand)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "operand",
                     text(operand->operand), "dtype", kofn_dtype_name(operand->dtype), "rows",
                     count(operand->rows), "cols", count(operand->cols), "transposed",
                     operand->transposed, "bytes", count(operand->bytes), "coded_bytes",
                     count(operand->coded_bytes), "coded_blocks", count(operand->coded_blocks),
                     "jobs", count(operand->jobs), "products", count(operand->products),
                     "unused_ms", count(operand->unused_ms), "age_ms", count(operand->age_ms));
}

json_t *
cli_json_of_worker(const kofn_worker_info *worker)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "name", text(worker->name), "id", count(worker->id), "version", text(worker->version),
        "state", text(worker->state), "kernel", text(worker->kernel), "cores", count(worker->cores),
        "blas_threads", count(worker->blas_threads), "memory_bytes", count(worker->memory_bytes),
        "credit", count(worker->credit), "tasks_running", count(worker->tasks_running),
        "tasks_done", count(worker->tasks_done), "tasks_failed", count(worker->tasks_failed),
        "tasks_cancelled", count(worker->tasks_cancelled), "gflops", real(worker->gflops),
        "link_rate", real(worker->link_rate), "slowdown", real(worker->slowdown), "silent_ms",
        count(worker->silent_ms), "quarantine_ms", count(worker->quarantine_ms));
}

static json_t *
json_of_param(const kofn_param_info *param)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", text(param->name), "type",
                     text(param->type), "bounds", text(param->bounds), "default",
                     text(param->fallback), "help", text(param->help));
}

static json_t *
json_of_family(const kofn_family_info *family)
{
    json_t *params = json_array();
    for (size_t i = 0; params && i < family->param_count; i++)
        (void)json_array_append_new(params, json_of_param(&family->params[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o}", "name",
                     text(family->name), "summary", text(family->summary), "threshold",
                     text(family->threshold), "encoding", text(family->encoding), "communication",
                     text(family->communication), "storage", text(family->storage), "source",
                     text(family->source), "rateless", family->rateless, "outer", family->outer,
                     "batches", family->batches, "only_batches", family->only_batches, "parameters",
                     params);
}

static json_t *
json_of_algorithm(const kofn_algorithm_info *algorithm)
{
    return json_pack("{s:o, s:[o,o,o], s:o, s:o, s:o, s:b}", "name", text(algorithm->name), "size",
                     count(algorithm->x), count(algorithm->z), count(algorithm->y), "rank",
                     count(algorithm->rank), "additions", count(algorithm->additions),
                     "denominator", count(algorithm->denominator), "ships", algorithm->ships);
}

json_t *
cli_json_of_codes(const kofn_code_list *list)
{
    json_t *families = json_array();
    json_t *policies = json_array();
    for (size_t i = 0; families && i < list->family_count; i++)
        (void)json_array_append_new(families, json_of_family(&list->families[i]));
    for (size_t i = 0; policies && i < list->policy_count; i++)
        (void)json_array_append_new(policies,
                                    json_pack("{s:o, s:o}", "name", text(list->policies[i].name),
                                              "help", text(list->policies[i].help)));
    json_t *algorithms = json_array();
    for (size_t i = 0; algorithms && i < list->algorithm_count; i++)
        (void)json_array_append_new(algorithms, json_of_algorithm(&list->algorithms[i]));
    return json_pack("{s:o, s:o, s:o}", "families", families, "policies", policies, "algorithms",
                     algorithms);
}

/* A master that is gone has nothing to tell, and asking takes time. */
int
cli_fail_job(const cli_common *common, kofn_client *client, const char *job,
             const kofn_error *error, int exit_code)
{
    kofn_account account;
    if (!common->json || job[0] == '\0' || error->status == KOFN_UNAVAILABLE ||
        kofn_client_get_job(client, job, &account, NULL) != KOFN_OK)
        return cli_fail(common, error, exit_code);
    (void)cli_line(stderr, "kofn: %s", error->text);
    (void)cli_print_json(cli_json_of_account(&account));
    return exit_code;
}

int
cli_print_submitted(const cli_common *common, kofn_status status, const char *job,
                    const kofn_error *error)
{
    if (status != KOFN_OK)
        return cli_fail(common, error, cli_exit_of(status));
    if (common->json)
        return cli_print_json(json_pack("{s:s}", "job", job));
    (void)puts(job);
    return cli_finish(CLI_OK);
}

/* ---- text ------------------------------------------------------------------------------------ */

void
cli_format_code(const kofn_code_choice *code, char *ret_text, size_t size)
{
    char parts[24 * KOFN_CLIENT_OPERANDS_MAX];
    size_t length = 0;
    for (size_t i = 0; i < code->operands; i++)
        length += (size_t)snprintf(parts + length, sizeof parts - length, "%s%" PRIu64,
                                   i > 0 ? "," : "", code->parts[i]);
    if (code->family[0] == '\0')
        (void)snprintf(ret_text, size, "-"); // not chosen yet
    else if (code->operands > 0)
        (void)snprintf(ret_text, size, "%s %s n=%" PRIu64, code->family, parts, code->tasks);
    else if (code->x == 0) // a batch is not cut
        (void)snprintf(ret_text, size, "%s n=%" PRIu64, code->family, code->tasks);
    else
        (void)snprintf(ret_text, size, "%s %" PRIu64 ",%" PRIu64 ",%" PRIu64 " n=%" PRIu64,
                       code->family, code->x, code->z, code->y, code->tasks);
}

void
cli_format_product(const kofn_account *account, char *ret_text, size_t size)
{
    const kofn_code_choice *code = &account->code;
    if (account->compression.method[0]) {
        cli_format_shape(account->rows, account->inner, account->cols, ret_text, size);
        const size_t used = strlen(ret_text);
        if (is_complex(account))
            (void)snprintf(ret_text + used, size - used, " complex, by %s",
                           account->compression.method);
    } else if (account->outer) {
        (void)snprintf(ret_text, size, "%" PRIu64 " x %" PRIu64 " outer", account->rows,
                       account->cols);
    } else if (account->pairs > 0) {
        (void)snprintf(ret_text, size, "%" PRIu64 " x %" PRIu64 " of %" PRIu64 " pairs",
                       account->rows, account->cols, account->pairs);
    } else {
        cli_format_shape(account->rows, account->inner, account->cols, ret_text, size);
        const size_t used = strlen(ret_text);
        if (account->zero_products > 0)
            (void)snprintf(ret_text + used, size - used,
                           " (%" PRIu64 " of %" PRIu64 " block products are zero)",
                           account->zero_products, code->x * code->z * code->y);
    }
}

/* A block of the product is a copy of one answer: what a decode adds up smears a NaN, a copy keeps
 * it where it was. */
static bool
is_copied(const cli_quality *quality)
{
    return quality->condition == 1 && quality->amplification == 1;
}

cli_quality
cli_quality_of(const kofn_account *account)
{
    return (cli_quality){
        .nonfinite = account->nonfinite,
        .estimate = strcmp(account->error_kind, "estimate") == 0,
        .used = account->answers_used,
        .threshold = account->threshold,
        .error_bound = account->error_bound,
        .together = account->pairs > 0 && !account->compression.method[0],
        .error_estimate = account->error_estimate,
        .condition = account->condition,
        .amplification = account->amplification,
        .epsilon = (strcmp(account->field, "f32") == 0 ? FLT_EPSILON : DBL_EPSILON) / 2,
        .verify = account->verify,
        .compression = account->compression,
    };
}

bool
cli_quality_is_poor(const cli_quality *quality)
{
    return !quality->nonfinite && quality->error_bound > 0 &&
           quality->amplification * sqrt(quality->epsilon) > 1;
}

/* What to do where it was verified, and a lie that matters may have passed. An estimate's bound is
 * of what it leaves out. */
static const char *
advise_on_lies(const cli_quality *quality)
{
    static const double matters = 1e-2;
    if (!quality->verify || quality->estimate || quality->error_bound <= matters)
        return "";
    if (strcmp(quality->verify, "parity") == 0)
        return ", which a lie may hide in: verify by freivalds, or take f64 or fewer parts";
    if (strcmp(quality->verify, "freivalds") == 0)
        return ", which may be a lie that passed: take f64, or fewer parts";
    return "";
}

static void
format_error(const cli_quality *quality, char *ret_text, size_t size)
{
    char from[64] = "", bound[16], about[32] = "";
    if (quality->estimate && quality->used < quality->threshold)
        (void)snprintf(from, sizeof from, "estimate from %" PRIu64 " of %" PRIu64 " answer%s, ",
                       quality->used, quality->threshold, cli_s(quality->threshold));
    else if (quality->estimate)
        (void)snprintf(from, sizeof from, "estimate from %" PRIu64 " answer%s, ", quality->used,
                       cli_s(quality->used));
    if (quality->error_estimate > 0)
        (void)snprintf(about, sizeof about, ", about %.0e", quality->error_estimate);
    cli_format_bound(quality->error_bound, bound, sizeof bound);
    if (isinf(quality->error_bound)) // answers of which nothing is known were used
        (void)snprintf(ret_text, size, "%sno bound on its error is known", from);
    else if (quality->error_bound > 0)
        (void)snprintf(ret_text, size, "%srelative error at most %s%s%s%s", from, bound,
                       quality->together ? " of all |A| |B|" : "", about, advise_on_lies(quality));
    else
        (void)snprintf(ret_text, size, "%sexact", from);
}

/* Of a sketch the mean of the error is all that has a bound; about how far it is off says C'
 * itself, of blocks at most (kofn_sketch_expect). */
static void
format_sketch(const kofn_compression *c, char *ret_text, size_t size)
{
    char bound[16];
    cli_format_bound(c->bound, bound, sizeof bound);
    if (isinf(c->relative))
        (void)snprintf(
            ret_text, size,
            "estimate by %s, off by %smore than |C|: about %.0e of |A||B| (%s at most in "
            "the mean); take more samples",
            c->method, strcmp(c->method, "cr") == 0 ? "" : "perhaps ", c->expected, bound);
    else if (c->relative > 0)
        (void)snprintf(
            ret_text, size,
            "estimate by %s, off by %sabout %.0e of |C| and %.0e of |A||B| (%s at most in "
            "the mean)",
            c->method, strcmp(c->method, "cr") == 0 ? "" : "at most ", c->relative, c->expected,
            bound);
    else
        (void)snprintf(ret_text, size, "estimate by %s, off by at most %s of |A||B| in the mean",
                       c->method, bound);
}

void
cli_format_quality(const cli_quality *quality, char *ret_text, size_t size)
{
    if (quality->nonfinite)
        (void)snprintf(ret_text, size, "it holds NaN or Inf%s%s",
                       is_copied(quality) ? "" : ", which may have spread",
                       strcmp(quality->compression.method, "3m") == 0
                           ? "; sums of real and imaginary parts may have overflowed, and "
                             "--complex=4m makes none"
                           : "");
    else if (quality->compression.bound > 0)
        format_sketch(&quality->compression, ret_text, size);
    else
        format_error(quality, ret_text, size);
}

/* More than all where blocks that stick out over an edge are filled up. */
static void
format_sent(const kofn_account *account, char *ret_text, size_t size)
{
    const double share = (double)account->compression.elements / count_elements(account);
    (void)snprintf(ret_text, size, "%.3g%% of A and B sent%s", 100 * share,
                   share > 1 ? ", with the zeros that fill up blocks at the edges" : "");
}

static void
say_sent(const cli_common *common, const kofn_account *account)
{
    const kofn_compression *c = &account->compression;
    char sent[96];
    format_sent(account, sent, sizeof sent);
    cli_say(common, "%s: %" PRIu64 " sample%s, %s%s", c->method, c->samples, cli_s(c->samples),
            sent, c->bound > 0 ? "" : "; nothing was left out, so this is the product itself");
}

void
cli_say_product(const cli_common *common, const char *where, const kofn_account *account)
{
    char code[96], seconds[32], shape[96], known[CLI_QUALITY_MAX];
    const cli_quality quality = cli_quality_of(account);
    cli_format_code(&account->code, code, sizeof code);
    cli_format_seconds(account->seconds.call, seconds, sizeof seconds);
    cli_format_product(account, shape, sizeof shape);
    cli_format_quality(&quality, known, sizeof known);
    cli_say(common, "%s: %s in %s by %s, %" PRIu64 " of %" PRIu64 " answer%s used; %s", where,
            shape, seconds, code, account->answers_used, account->answers, cli_s(account->answers),
            known);
    if (account->compression.elements > 0 && !is_complex(account))
        say_sent(common, account);
}

static void
print_sketch(const kofn_account *account)
{
    const kofn_compression *c = &account->compression;
    char sent[96];
    format_sent(account, sent, sizeof sent);
    (void)cli_line(stdout, "sketch       %s, %" PRIu64 " sample%s, seed %" PRIu64 ", %s", c->method,
                   c->samples, cli_s(c->samples), c->seed, sent);
}

static void
print_seconds(const kofn_account *account)
{
    const struct {
        const char *name;
        double seconds;
    } parts[] = {
        {"queue", account->seconds.queue},   {"receive", account->seconds.receive},
        {"encode", account->seconds.encode}, {"send", account->seconds.send},
        {"wait", account->seconds.wait},     {"decode", account->seconds.decode},
        {"total", account->seconds.total},
    };
    char line[256] = "";
    size_t length = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char time[32];
        cli_format_seconds(parts[i].seconds, time, sizeof time);
        length += (size_t)snprintf(line + length, sizeof line - length, "%s%s %s",
                                   i > 0 ? ", " : "", parts[i].name, time); // fits: 7 of 20
    }
    (void)cli_line(stdout, "time         %s", line);
}

static void
print_quality(const kofn_account *account)
{
    char text[CLI_QUALITY_MAX];
    const cli_quality quality = cli_quality_of(account);
    const bool named = quality.estimate || quality.compression.bound > 0; // by the text
    cli_format_quality(&quality, text, sizeof text);
    (void)cli_line(stdout, "accuracy     %s%s%s, condition %.3g%s",
                   named ? "" : account->error_kind, named ? "" : ", ", text, account->condition,
                   account->waited ? ", waited for more answers" : "");
}

static void
print_primes(const kofn_account *account)
{
    char line[KOFN_CLIENT_PRIMES_MAX * 40] = "";
    size_t length = 0;
    for (size_t i = 0; i < account->prime_count; i++) {
        const kofn_prime_account *p = &account->primes[i];
        length += (size_t)snprintf(line + length, sizeof line - length,
                                   "%s%" PRIu64 " (%" PRIu64 "/%" PRIu64 ")", i > 0 ? ", " : "",
                                   p->prime, p->answers, p->enough);
        if (length >= sizeof line) // numbers beyond all sense are cut
            break;
    }
    if (account->prime_count > 0)
        (void)cli_line(stdout, "primes       %s", line);
}

void
cli_print_account(const kofn_account *account)
{
    char code[96];
    char shape[96];
    cli_format_code(&account->code, code, sizeof code);
    cli_format_product(account, shape, sizeof shape);
    (void)cli_line(stdout, "job          %s", account->job);
    (void)cli_line(stdout, "state        %s", account->state);
    if (account->status != KOFN_OK)
        (void)cli_line(stdout, "status       %s: %s", kofn_status_name(account->status),
                       account->message);
    else if (account->message[0])
        (void)cli_line(stdout, "waits        %s", account->message);
    (void)cli_line(stdout, "product      %s, %s", shape, account->field);
    const uint64_t products = account->prime_count > 0 ? account->prime_count : 1;
    (void)cli_line(stdout, "code         %s, %s %" PRIu64 " suffice%s%s, seed %" PRIu64, code,
                   account->likely ? "most sets of" : "any", account->enough / products,
                   account->enough == products && !account->likely ? "s" : "",
                   account->prime_count > 0 ? " for each prime" : "", account->code.seed);
    print_primes(account);
    (void)cli_line(stdout, "policy       %s", account->policy);
    (void)cli_line(stdout, "tasks        %" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64 " used",
                   account->tasks_sent, account->answers, account->answers_used);
    (void)cli_line(stdout,
                   "workers      %" PRIu64 " given a task, backups %" PRIu64 ", replaced %" PRIu64,
                   account->workers, account->backups, account->replaced);
    if (account->fresh > 0)
        (void)cli_line(stdout, "fresh        %" PRIu64 " task%s beyond the first %" PRIu64,
                       account->fresh, cli_s(account->fresh), account->tasks);
    if (account->blocks_reused > 0)
        (void)cli_line(stdout, "reused       %" PRIu64 " coded block%s of stored operands",
                       account->blocks_reused, cli_s(account->blocks_reused));
    if (account->blocks_spared > 0)
        (void)cli_line(stdout, "spared       %" PRIu64 " coded block%s that workers had kept",
                       account->blocks_spared, cli_s(account->blocks_spared));
    if (account->answers_held > 0)
        (void)cli_line(stdout, "held         %" PRIu64 " answer%s that workers had kept",
                       account->answers_held, cli_s(account->answers_held));
    if (account->verify[0])
        (void)cli_line(stdout, "verified     by %s, %" PRIu64 " wrong answer%s%s%s",
                       account->verify, account->refuted, cli_s(account->refuted),
                       account->liars[0] ? ", of " : "", account->liars);
    if (account->unchecked > 0)
        (void)cli_line(stdout, "unchecked    %" PRIu64 " answer%s: NaN, Inf, or close to overflow",
                       account->unchecked, cli_s(account->unchecked));
    if (account->compression.samples > 0)
        print_sketch(account);
    if (account->error_kind[0])
        print_quality(account);
    print_seconds(account);
}

/* "dip P=4 T=3 lambda=4 mu=0.25": what the scheme knows of. */
void
cli_format_scheme(const kofn_stream_account *stream, char *ret_text, size_t size)
{
    char more[64] = "";
    if (strncmp(stream->scheme, "idip", 4) == 0)
        (void)snprintf(more, sizeof more, " N=%" PRIu64 " W=%" PRIu64, stream->failures,
                       stream->window);
    else if (strcmp(stream->scheme, "dip") == 0)
        (void)snprintf(more, sizeof more, " lambda=%" PRIu64, stream->lambda);
    (void)snprintf(ret_text, size, "%s P=%" PRIu64 " T=%" PRIu64 "%s mu=%g", stream->scheme,
                   stream->slots, stream->delay, more, stream->tolerance);
}

void
cli_print_stream(FILE *to, const kofn_stream_account *stream)
{
    char scheme[128], code[96], busy[32];
    const double rounds = stream->rounds > 0 ? (double)stream->rounds : 1;
    cli_format_scheme(stream, scheme, sizeof scheme);
    cli_format_code(&stream->code, code, sizeof code);
    cli_format_seconds(stream->busy, busy, sizeof busy);
    (void)cli_line(to, "stream       %s", stream->stream);
    (void)cli_line(to, "scheme       %s", scheme);
    (void)cli_line(to, "code         %s, any %" PRIu64 " suffice%s, seed %" PRIu64, code,
                   stream->need, stream->need == 1 ? "s" : "", stream->code.seed);
    (void)cli_line(to, "jobs         %" PRIu64 " done, %" PRIu64 " failed", stream->done,
                   stream->failed);
    (void)cli_line(to, "rounds       %" PRIu64 " in %s, %" PRIu64 " waited for stragglers",
                   stream->rounds, busy, stream->waited);
    (void)cli_line(to, "load         %.3g mini-tasks a round, %" PRIu64 " at most",
                   (double)stream->load_sum / rounds, stream->load_max);
    (void)cli_line(to,
                   "mini-tasks   %" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64
                   " too late or lost, %" PRIu64 " not needed, %" PRIu64 " rescued, %" PRIu64
                   " mended",
                   stream->given, stream->answered, stream->lost, stream->dropped, stream->rescued,
                   stream->mended);
    if (stream->timed > 0)
        (void)cli_line(to,
                       "stragglers   %" PRIu64 " list%s late; %" PRIu64
                       " of them done after all, in %.3g times the fastest",
                       stream->late, cli_s(stream->late), stream->timed, stream->slowdown);
    else
        (void)cli_line(to, "stragglers   %" PRIu64 " list%s late", stream->late,
                       cli_s(stream->late));
}

static void
add_job(cli_table *table, const kofn_account *job)
{
    char text[96];
    cli_table_row(table);
    cli_table_cell(table, "%s", job->job);
    cli_table_cell(table, "%s", job->state);
    cli_format_product(job, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_format_code(&job->code, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%" PRIu64 "/%" PRIu64, job->answers, job->enough);
    cli_table_cell(table, "%.0f%%", 100 * job->progress);
    cli_format_seconds((double)job->age_ms / 1e3, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%s", job->status == KOFN_OK ? "" : kofn_status_name(job->status));
}

void
cli_print_jobs(const kofn_account *jobs, size_t count_)
{
    cli_table table;
    cli_table_init(&table, "JOB|STATE|PRODUCT|CODE|>ANSWERS|>PROGRESS|>AGE|STATUS");
    for (size_t i = 0; i < count_; i++)
        add_job(&table, &jobs[i]);
    cli_table_print(&table);
}

static void
add_stream(cli_table *table, const kofn_stream_account *stream)
{
    const uint64_t ended = stream->done + stream->failed;
    char text[128];
    cli_table_row(table);
    cli_table_cell(table, "%s", stream->stream);
    cli_table_cell(table, "%s", stream->state);
    cli_format_scheme(stream, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_format_code(&stream->code, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%" PRIu64, stream->pushed > ended ? stream->pushed - ended : 0);
    cli_table_cell(table, "%" PRIu64, stream->done);
    cli_table_cell(table, "%" PRIu64, stream->failed);
    cli_table_cell(table, "%" PRIu64, stream->rounds);
    cli_table_cell(table, "%" PRIu64, stream->waited);
    cli_table_cell(table, "%" PRIu64, stream->vacant);
    cli_format_seconds((double)stream->age_ms / 1e3, text, sizeof text);
    cli_table_cell(table, "%s", text);
}

void
cli_print_streams(const kofn_stream_account *streams, size_t count_)
{
    cli_table table;
    cli_table_init(&table, "STREAM|STATE|SCHEME|CODE|>JOBS|>DONE|>FAILED|>ROUNDS|>WAITED|>VACANT|"
                           ">AGE");
    for (size_t i = 0; i < count_; i++)
        add_stream(&table, &streams[i]);
    cli_table_print(&table);
}

static void
add_operand(cli_table *table, const kofn_operand_info *operand)
{
    const bool turned = operand->transposed; // shown as products see it
    char text[32];
    cli_table_row(table);
    cli_table_cell(table, "%s", operand->operand);
    cli_table_cell(table, "%zu x %zu", turned ? operand->cols : operand->rows,
                   turned ? operand->rows : operand->cols);
    cli_table_cell(table, "%s", kofn_dtype_name(operand->dtype));
    cli_format_bytes(operand->bytes, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_format_bytes(operand->coded_bytes, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%" PRIu64, operand->jobs);
    cli_table_cell(table, "%" PRIu64, operand->products);
    cli_format_seconds((double)operand->unused_ms / 1e3, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_format_seconds((double)operand->age_ms / 1e3, text, sizeof text);
    cli_table_cell(table, "%s", text);
}

void
cli_print_operands(const kofn_operand_info *operands, size_t count_)
{
    cli_table table;
    cli_table_init(&table, "OPERAND|SHAPE|DTYPE|>SIZE|>CODED|>JOBS|>PRODUCTS|>UNUSED|>AGE");
    for (size_t i = 0; i < count_; i++)
        add_operand(&table, &operands[i]);
    cli_table_print(&table);
}

/* A number that is measured: 0 is that it was not yet. */
static void
add_measured(cli_table *table, const char *format, double value)
{
    char text[32] = "-";
    if (value > 0)
        (void)snprintf(text, sizeof text, format, value);
    cli_table_cell(table, "%s", text);
}

static void
add_worker(cli_table *table, const kofn_worker_info *w)
{
    char text[32];
    cli_table_row(table);
    cli_table_cell(table, "%s", w->name);
    if (w->quarantine_ms > 0) {
        cli_format_seconds((double)w->quarantine_ms / 1e3, text, sizeof text);
        cli_table_cell(table, "%s (%s)", w->state, text);
    } else {
        cli_table_cell(table, "%s", w->state);
    }
    cli_table_cell(table, "%" PRIu64, w->tasks_running);
    cli_table_cell(table, "%" PRIu64, w->tasks_done);
    cli_table_cell(table, "%" PRIu64, w->tasks_failed);
    cli_table_cell(table, "%" PRIu64, w->tasks_cancelled);
    add_measured(table, "%.3g", w->gflops);
    add_measured(table, "%.3g", w->link_rate * 1e-9);
    add_measured(table, "%.2f", w->slowdown);
    cli_format_seconds((double)w->silent_ms / 1e3, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%" PRIu64, w->cores);
    cli_format_bytes(w->memory_bytes, text, sizeof text);
    cli_table_cell(table, "%s", text);
    cli_table_cell(table, "%s", w->kernel);
    cli_table_cell(table, "%s", w->version);
}

void
cli_print_workers(const kofn_worker_info *workers, size_t count_)
{
    cli_table table;
    cli_table_init(&table,
                   "WORKER|STATE|>RUNNING|>DONE|>FAILED|>CANCELLED|>GFLOP/S|>GB/S|>SLOWDOWN|"
                   ">SILENT|>CORES|>MEMORY|KERNEL|VERSION");
    for (size_t i = 0; i < count_; i++)
        add_worker(&table, &workers[i]);
    cli_table_print(&table);
}

static void
print_family(const kofn_family_info *family)
{
    (void)cli_line(stdout, "%s: %s", family->name, family->summary);
    (void)cli_line(stdout, "    threshold  %s", family->threshold);
    const struct {
        const char *label, *value;
    } rest[] = {{"encoding", family->encoding},
                {"traffic", family->communication},
                {"storage", family->storage},
                {"source", family->source}};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        if (*rest[i].value) // an older master does not tell all
            (void)cli_line(stdout, "    %-10s %s", rest[i].label, rest[i].value);
    if (family->outer)
        (void)cli_line(stdout, "    outer      outer products, too");
    if (family->batches)
        (void)cli_line(stdout, "    batches    batches%s",
                       family->only_batches ? " alone" : ", too");
    if (family->rateless)
        (void)cli_line(stdout, "    rateless   new tasks can be made on demand");
    for (size_t i = 0; i < family->param_count; i++) {
        const kofn_param_info *p = &family->params[i];
        (void)cli_line(stdout, "    --set %s=%s  (%s%s%s) %s", p->name, p->fallback, p->type,
                       p->bounds[0] ? ", " : "", p->bounds, p->help);
    }
}

static void
print_algorithm(const kofn_algorithm_info *a)
{
    char divides[48] = "";
    if (a->denominator > 1)
        (void)snprintf(divides, sizeof divides, ", divides by %" PRIu64, a->denominator);
    (void)cli_line(stdout,
                   "algorithm=%s: <%" PRIu64 ",%" PRIu64 ",%" PRIu64 ";%" PRIu64 ">, %" PRIu64
                   " additions%s%s",
                   a->name, a->x, a->z, a->y, a->rank, a->additions, divides,
                   a->ships ? "" : "; the master's own");
}

void
cli_print_codes(const kofn_code_list *list)
{
    for (size_t i = 0; i < list->family_count; i++)
        print_family(&list->families[i]);
    if (list->policy_count > 0)
        (void)putchar('\n');
    for (size_t i = 0; i < list->policy_count; i++)
        (void)cli_line(stdout, "--policy %s: %s", list->policies[i].name, list->policies[i].help);
    if (list->algorithm_count > 0)
        (void)putchar('\n');
    for (size_t i = 0; i < list->algorithm_count; i++)
        print_algorithm(&list->algorithms[i]);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static json_t *
json_of_choice(const kofn_plan_choice *c)
{
    json_t *rest = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "policy", text(c->policy),
                             "threshold", count(c->threshold), "enough", count(c->enough), "needed",
                             count(c->needed), "flops", real(c->flops), "bytes_in",
                             real(c->bytes_in), "bytes_out", real(c->bytes_out));
    json_t *quality = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "amplification", real(c->amplification),
        "worst_amplification", real(c->worst_amplification), "error", real(c->error), "decodable",
        real(c->decodable), "typical", c->typical > 0 ? count(c->typical) : json_null(),
        "typical_by", c->typical > 0 ? text(c->typical_by) : json_null(), "likely", c->likely);
    json_t *times =
        json_pack("{s:{s:o, s:o, s:o, s:o}, s:b, s:b}", "seconds", "encode", real(c->encode),
                  "decode", real(c->decode), "undisturbed", real(c->seconds), "with_stragglers",
                  real(c->seconds_late), "redundant", c->redundant, "pays", c->pays);
    return join(cli_json_of_code(&c->code), rest, quality, times);
}

json_t *
cli_json_of_plan(const kofn_plan_answer *answer)
{
    json_t *plans = json_array();
    for (size_t i = 0; plans && i < answer->count; i++)
        (void)json_array_append_new(plans, json_of_choice(&answer->choices[i]));
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "pays",
                     answer->pays, "verdict", text(answer->verdict), "candidates",
                     count(answer->candidates), "left_out", count(answer->left_out), "left_why",
                     text(answer->left_why), "workers", count(answer->workers), "gflops",
                     real(answer->gflops), "link_rate", real(answer->link_rate), "measured",
                     answer->measured, "local_seconds", real(answer->local), "plans", plans);
}

/* "33.6M": flops, with decimal prefixes. */
static void
add_flops(cli_table *table, double flops)
{
    static const char prefixes[] = {' ', 'k', 'M', 'G', 'T', 'P', 'E'};
    size_t prefix = 0;
    for (; flops >= 1000 && prefix + 1 < sizeof prefixes; prefix++)
        flops /= 1000;
    cli_table_cell(table, prefix > 0 ? "%.3g%c" : "%.3g", flops, prefixes[prefix]);
}

static void
add_bytes(cli_table *table, double bytes)
{
    char cell[32];
    cli_format_bytes(bytes < 1.8e19 ? (uint64_t)bytes : UINT64_MAX, cell, sizeof cell);
    cli_table_cell(table, "%s", cell);
}

static void
add_seconds(cli_table *table, double seconds)
{
    char cell[32];
    cli_format_seconds(seconds, cell, sizeof cell);
    cli_table_cell(table, "%s", isinf(seconds) ? "never" : cell);
}

/* `odds`: they were asked for. */
static void
add_choice(cli_table *table, const kofn_plan_choice *c, bool odds)
{
    char code[96];
    cli_format_code(&c->code, code, sizeof code);
    cli_table_row(table);
    cli_table_cell(table, "%s", code);
    cli_table_cell(table, "%s", c->policy);
    if (c->needed < c->threshold)
        cli_table_cell(table, "%" PRIu64 " (%" PRIu64 ")", c->needed, c->threshold);
    else
        cli_table_cell(table, "%s%" PRIu64, c->likely ? "~" : "", c->needed);
    add_flops(table, c->flops);
    add_bytes(table, c->bytes_in);
    add_bytes(table, c->bytes_out);
    cli_table_cell(table, "%.3g", c->amplification);
    cli_table_cell(table, "%.1e", c->error);
    cli_table_cell(table, c->decodable > 0.99995 ? "%.7f" : "%.4f", c->decodable);
    if (odds) {
        cli_table_cell(table, "%" PRIu64, c->typical);
        cli_table_cell(table, "%s", c->typical_by);
    }
    add_seconds(table, c->seconds);
    add_seconds(table, c->seconds_late);
    cli_table_cell(table, "%s", c->pays ? "yes" : "no");
}

void
cli_print_plan(const kofn_plan_answer *answer)
{
    cli_table table;
    const bool odds = answer->count > 0 && answer->choices[0].typical > 0;
    (void)cli_line(stdout, "%s", answer->verdict);
    cli_table_init(&table, odds ? "CODE|POLICY|>ANSWERS|>FLOPS|>IN|>OUT|>GROWTH|>ERROR|>DECODES|>R|"
                                  "BY|>TIME|>LATE|PAYS"
                                : "CODE|POLICY|>ANSWERS|>FLOPS|>IN|>OUT|>GROWTH|>ERROR|>DECODES|"
                                  ">TIME|>LATE|PAYS");
    for (size_t i = 0; i < answer->count; i++)
        add_choice(&table, &answer->choices[i], odds);
    cli_table_print(&table);
    if (answer->left_out > 0)
        (void)cli_line(stdout, "Left out, %" PRIu64 " famil%s: %s.", answer->left_out,
                       answer->left_out == 1 ? "y" : "ies", answer->left_why);
}

void
cli_print_command(const char *which, const char *command)
{
    (void)cli_line(stdout, "%s:", which);
    (void)cli_line(stdout, "    %s", command);
}

json_t *
cli_json_with_command(json_t *plan, const char *command)
{
    (void)json_object_set_new(plan, "command", text(command)); // of NULL, nothing
    return plan;
}
