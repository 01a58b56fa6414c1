#include "client/convert.h"
#include "common/linalg/integers.h"
#include "common/linalg/mat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of both sides have the same size and end with a NUL. */
#define COPY_TEXT(to_, from_)                                                                      \
    do {                                                                                           \
        _Static_assert(sizeof(to_) == sizeof(from_), "texts of one size");                         \
        memcpy((to_), (from_), sizeof(to_));                                                       \
    } while (0)

static bool
is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static kofn_status
check_choice(const kofn_code_choice *choice, kofn_error *err)
{
    if (!is_terminated(choice->family, sizeof choice->family))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "code: the family's name does not end");
    if (choice->set_count > KOFN_CLIENT_SETS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "code: %zu parameters, at most %d are carried",
                         choice->set_count, KOFN_CLIENT_SETS_MAX);
    if (choice->operands == 1 || choice->operands > KOFN_CLIENT_OPERANDS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "code: parts for %zu operands, need 2 to %d",
                         choice->operands, KOFN_CLIENT_OPERANDS_MAX);
    for (size_t i = 0; i < choice->set_count; i++)
        if (!is_terminated(choice->sets[i].name, sizeof choice->sets[i].name) ||
            !is_terminated(choice->sets[i].value, sizeof choice->sets[i].value))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "code: parameter %zu's name or value does not end", i);
    return KOFN_OK;
}

kofn_status
kofn_choice_to_spec(const kofn_code_choice *choice, kofn_code_spec *ret_spec, kofn_error *err)
{
    kofn_status status = check_choice(choice, err);
    if (status != KOFN_OK)
        return status;

    kofn_code_spec spec = {
        .part = {.x = choice->x, .z = choice->z, .y = choice->y},
        .tasks = choice->tasks,
        .reserve = choice->reserve,
        .has_seed = choice->has_seed,
        .seed = choice->seed,
        .set_count = choice->set_count,
        .parts = {.count = choice->operands},
    };
    COPY_TEXT(spec.family, choice->family);
    for (size_t i = 0; i < choice->operands; i++)
        spec.parts.of[i] = choice->parts[i];
    for (size_t i = 0; i < choice->set_count; i++) {
        COPY_TEXT(spec.sets[i].name, choice->sets[i].name);
        COPY_TEXT(spec.sets[i].value, choice->sets[i].value);
    }
    *ret_spec = spec;
    return KOFN_OK;
}

void
kofn_choice_from_spec(const kofn_code_spec *spec, kofn_code_choice *ret_choice)
{
    kofn_code_choice choice = {
        .x = spec->part.x,
        .z = spec->part.z,
        .y = spec->part.y,
        .tasks = spec->tasks,
        .reserve = spec->reserve,
        .has_seed = spec->has_seed,
        .seed = spec->seed,
        .set_count = spec->set_count,
        .operands = spec->parts.count,
    };
    COPY_TEXT(choice.family, spec->family);
    for (size_t i = 0; i < spec->parts.count; i++)
        choice.parts[i] = spec->parts.of[i];
    for (size_t i = 0; i < spec->set_count; i++) {
        COPY_TEXT(choice.sets[i].name, spec->sets[i].name);
        COPY_TEXT(choice.sets[i].value, spec->sets[i].value);
    }
    *ret_choice = choice;
}

kofn_status
kofn_code_choice_set(kofn_code_choice *choice, const char *key, const char *text, kofn_error *err)
{
    kofn_code_spec spec;
    kofn_status status = kofn_choice_to_spec(choice, &spec, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_set(&spec, key, text, err);
    if (status == KOFN_OK)
        kofn_choice_from_spec(&spec, choice);
    return status;
}

/* Only a master that has it can say anything about it. */
static bool
names_unknown_algorithm(const kofn_code_spec *spec)
{
    const char *name = kofn_code_spec_get_algorithm(spec);
    kofn_bilinear *algorithm = NULL;
    const kofn_status status = name ? kofn_algorithms_parse(NULL, name, &algorithm, NULL) : KOFN_OK;
    kofn_bilinear_destroy(&algorithm);
    return status == KOFN_NOT_FOUND;
}

kofn_status
kofn_code_choice_check(const kofn_code_choice *choice, kofn_dtype dtype, const char *field,
                       kofn_error *err)
{
    const kofn_field *f = NULL;
    kofn_code_spec spec;
    bool integers;
    kofn_status status = kofn_choice_to_spec(choice, &spec, err);
    if (status == KOFN_OK)
        status = kofn_integers_choose(field ? field : "", dtype, &f, &integers, err);
    if (status == KOFN_OK && !names_unknown_algorithm(&spec))
        status = kofn_code_spec_check(&spec, f, err);
    kofn_field_destroy(&f);
    return status;
}

static void
code_from_message(const kofn_msg_code *code, kofn_code_choice *ret_choice)
{
    const kofn_msg_set *sets = code->sets.at;
    kofn_code_choice choice = {
        .x = code->x,
        .z = code->z,
        .y = code->y,
        .tasks = code->tasks,
        .reserve = code->reserve,
        .has_seed = code->has_seed,
        .seed = code->seed,
    };
    COPY_TEXT(choice.family, code->family);
    kofn_cuts parts;
    if (kofn_cuts_parse(code->parts, KOFN_TASKS_MAX, &parts, NULL) == KOFN_OK) {
        choice.operands = parts.count;
        for (size_t i = 0; i < parts.count; i++)
            choice.parts[i] = parts.of[i];
    }
    for (size_t i = 0; i < code->sets.count && i < KOFN_CLIENT_SETS_MAX; i++) {
        COPY_TEXT(choice.sets[i].name, sets[i].name);
        COPY_TEXT(choice.sets[i].value, sets[i].value);
        choice.set_count++;
    }
    *ret_choice = choice;
}

static kofn_status
status_from_wire(uint64_t status)
{
    return status <= KOFN_UNAUTHENTICATED ? (kofn_status)status : KOFN_UNKNOWN;
}

static kofn_accept_choice
accept_from_text(const char *text)
{
    if (strcmp(text, "exact") == 0)
        return KOFN_ACCEPT_EXACTLY;
    return strcmp(text, "error") == 0 ? KOFN_ACCEPT_WITHIN : KOFN_ACCEPT_PROMISED;
}

static void
primes_from_list(const kofn_wire_list *from, kofn_account *account)
{
    const kofn_msg_prime *primes = from->at;
    for (size_t i = 0; i < from->count && i < KOFN_CLIENT_PRIMES_MAX; i++) {
        kofn_prime_account *to = &account->primes[account->prime_count++];
        *to = (kofn_prime_account){.prime = primes[i].prime,
                                   .enough = primes[i].enough,
                                   .tasks_sent = primes[i].tasks_sent,
                                   .answers = primes[i].answers};
        COPY_TEXT(to->state, primes[i].state);
    }
}

/* Block products that a product of sparse operands was cut into, without those that became
 * pairs. */
static uint64_t
count_zero_products(const kofn_msg_job *job)
{
    const kofn_msg_code *code = &job->code; // of a batch, x, y, z are 0
    uint64_t all;
    if (__builtin_mul_overflow(code->x, code->y, &all) ||
        __builtin_mul_overflow(all, code->z, &all) || job->pairs == 0 || all < job->pairs)
        return 0;
    return all - job->pairs;
}

/* The master's account is of what it was sent: of that the shape is another one, and the error of a
 * sketch, which is of rounding there, is none to speak of. */
static void
compression_from_message(const kofn_msg_compression *from, kofn_account *account)
{
    account->compression = (kofn_compression){.dtype = kofn_dtype_parse(from->dtype),
                                              .samples = from->samples,
                                              .elements = from->elements,
                                              .seed = from->seed,
                                              .bound = from->bound,
                                              .lemma = from->lemma};
    COPY_TEXT(account->compression.method, from->method);
    if (!from->method[0])
        return;
    account->rows = from->rows;
    account->inner = from->inner;
    account->cols = from->cols;
    if (account->error_kind[0] && from->bound > 0) {
        memcpy(account->error_kind, "sketch", sizeof "sketch");
        account->error_bound = INFINITY;
        account->error_estimate = 0; // result.c
    }
}

void
kofn_account_from_message(const kofn_msg_job *job, kofn_account *ret_account)
{
    kofn_account account = {
        .status = status_from_wire(job->status),
        .outer = strcmp(job->form, KOFN_FORM_OUTER) == 0,
        .pairs = strcmp(job->form, KOFN_FORM_BATCH) == 0 ? job->pairs : 0,
        .zero_products = count_zero_products(job),
        .rows = job->rows,
        .inner = job->inner,
        .cols = job->cols,
        .threshold = job->threshold,
        .enough = job->enough ? job->enough : job->threshold, // older masters know no other
        .likely = job->likely,
        .accept = {.kind = accept_from_text(job->accept), .error = job->accept_error},
        .tasks = job->tasks,
        .tasks_sent = job->tasks_sent,
        .answers = job->answers,
        .answers_used = job->answers_used,
        .workers = job->workers,
        .backups = job->backups,
        .replaced = job->replaced,
        .fresh = job->fresh,
        .blocks_reused = job->blocks_reused,
        .blocks_spared = job->blocks_spared,
        .answers_held = job->answers_held,
        .refuted = job->refuted,
        .unchecked = job->unchecked,
        .decodable = job->decodable,
        .waited = job->waited,
        .error_bound = job->error_bound,
        .error_estimate = job->error_estimate,
        .condition = job->condition,
        .amplification = job->amplification,
        .residual = job->residual,
        .nonfinite = job->nonfinite,
        .seconds = {.queue = job->seconds.queue,
                    .receive = job->seconds.receive,
                    .encode = job->seconds.encode,
                    .send = job->seconds.send,
                    .wait = job->seconds.wait,
                    .decode = job->seconds.decode,
                    .check = job->seconds.check,
                    .total = job->seconds.total},
        .progress = job->progress,
        .age_ms = job->age_ms,
        .durable = job->durable,
        .index = job->index,
        .born = job->born,
        .finished = job->finished,
    };
    COPY_TEXT(account.job, job->id);
    COPY_TEXT(account.stream, job->stream);
    COPY_TEXT(account.verify, job->verify);
    COPY_TEXT(account.liars, job->liars);
    COPY_TEXT(account.state, job->state);
    COPY_TEXT(account.message, job->message);
    COPY_TEXT(account.policy, job->policy);
    COPY_TEXT(account.field, job->field);
    COPY_TEXT(account.error_kind, job->error_kind);
    compression_from_message(&job->compression, &account);
    code_from_message(&job->code, &account.code);
    primes_from_list(&job->primes, &account);
    *ret_account = account;
}

void
kofn_stream_from_message(const kofn_msg_stream *stream, kofn_stream_account *ret_account)
{
    kofn_stream_account account = {
        .slots = stream->slots,
        .delay = stream->delay,
        .lambda = stream->lambda,
        .failures = stream->failures,
        .window = stream->window,
        .burst = stream->burst,
        .limit = stream->limit,
        .tolerance = stream->tolerance,
        .rescue = stream->rescue,
        .grace_ms = (int64_t)(stream->grace_ms < INT64_MAX ? stream->grace_ms : INT64_MAX),
        .need = stream->need,
        .pushed = stream->pushed,
        .done = stream->done,
        .failed = stream->failed,
        .rounds = stream->rounds,
        .waited = stream->waited,
        .given = stream->given,
        .answered = stream->returned,
        .lost = stream->lost,
        .dropped = stream->dropped,
        .rescued = stream->rescued,
        .mended = stream->mended,
        .load_sum = stream->load_sum,
        .load_max = stream->load_max,
        .vacant = stream->vacant,
        .busy = stream->busy,
        .late = stream->late,
        .timed = stream->timed,
        .slowdown = stream->slowdown,
        .age_ms = stream->age_ms,
    };
    COPY_TEXT(account.stream, stream->id);
    COPY_TEXT(account.state, stream->state);
    COPY_TEXT(account.scheme, stream->scheme);
    COPY_TEXT(account.field, stream->field);
    code_from_message(&stream->code, &account.code);
    *ret_account = account;
}

kofn_status
kofn_trace_from_message(const kofn_msg_stream *stream, kofn_stream_trace *ret_trace,
                        kofn_error *err)
{
    const kofn_wire_bytes *bits = &stream->trace;
    const uint64_t row_bytes = stream->slots / 8 + (stream->slots % 8 > 0);
    if (bits->length == 0 && stream->rounds > 0)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "the master sent no trace: it is an older one, or has no memory for it");
    if (bits->length == 0) {
        *ret_trace = (kofn_stream_trace){.slots = (size_t)stream->slots, .first = 1};
        return KOFN_OK;
    }
    if (stream->slots == 0 || row_bytes > bits->length || bits->length % row_bytes != 0 ||
        bits->length / row_bytes > stream->rounds)
        return kofn_fail(err, KOFN_INTERNAL,
                         "the master sent a trace of %zu bytes, for %" PRIu64 " rounds of %" PRIu64
                         " slots",
                         bits->length, stream->rounds, stream->slots);
    const size_t slots = (size_t)stream->slots, rounds = bits->length / (size_t)row_bytes;
    uint8_t *late = malloc(rounds * slots); // bounded by the bits
    if (!late)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a trace of %zu rounds",
                         rounds);
    for (size_t i = 0; i < rounds * slots; i++)
        late[i] = bits->at[i / slots * row_bytes + i % slots / 8] >> i % slots % 8 & 1;
    *ret_trace = (kofn_stream_trace){
        .slots = slots, .rounds = rounds, .first = stream->rounds - rounds + 1, .late = late};
    return KOFN_OK;
}

void
kofn_operand_from_message(const kofn_msg_operand *operand, kofn_operand_info *ret_operand)
{
    kofn_operand_info info = {
        .dtype = kofn_dtype_parse(operand->matrix.dtype),
        .rows = (size_t)operand->matrix.rows,
        .cols = (size_t)operand->matrix.cols,
        .transposed = operand->transposed,
        .bytes = operand->bytes,
        .coded_bytes = operand->coded_bytes,
        .coded_blocks = operand->coded_blocks,
        .jobs = operand->jobs,
        .products = operand->products,
        .unused_ms = operand->unused_ms,
        .age_ms = operand->age_ms,
    };
    COPY_TEXT(info.operand, operand->id);
    *ret_operand = info;
}

void
kofn_worker_from_message(const kofn_msg_worker *worker, kofn_worker_info *ret_worker)
{
    kofn_worker_info info = {
        .id = worker->id,
        .cores = worker->cores,
        .blas_threads = worker->blas_threads,
        .memory_bytes = worker->memory_bytes,
        .credit = worker->credit,
        .tasks_running = worker->tasks_running,
        .tasks_done = worker->tasks_done,
        .tasks_failed = worker->tasks_failed,
        .tasks_cancelled = worker->tasks_cancelled,
        .gflops = worker->gflops,
        .link_rate = worker->link_rate,
        .slowdown = worker->slowdown,
        .silent_ms = worker->silent_ms,
        .quarantine_ms = worker->quarantine_ms,
    };
    COPY_TEXT(info.name, worker->name);
    COPY_TEXT(info.version, worker->version);
    COPY_TEXT(info.state, worker->state);
    COPY_TEXT(info.kernel, worker->kernel);
    *ret_worker = info;
}

void
kofn_health_from_message(const kofn_msg_health *health, kofn_health *ret_health)
{
    kofn_health to = {
        .workers = health->workers,
        .jobs_running = health->jobs_running,
        .jobs_queued = health->jobs_queued,
        .jobs_done = health->jobs_done,
        .jobs_failed = health->jobs_failed,
        .memory_bytes = health->memory_bytes,
        .memory_limit_bytes = health->memory_limit_bytes,
        .store_bytes = health->store_bytes,
        .store_limit_bytes = health->store_limit_bytes,
        .uptime_ms = health->uptime_ms,
    };
    COPY_TEXT(to.status, health->status);
    COPY_TEXT(to.why, health->why);
    COPY_TEXT(to.version, health->version);
    *ret_health = to;
}

static void
param_from_message(const kofn_msg_param *param, kofn_param_info *ret_param)
{
    COPY_TEXT(ret_param->name, param->name);
    COPY_TEXT(ret_param->type, param->type);
    COPY_TEXT(ret_param->bounds, param->bounds);
    COPY_TEXT(ret_param->fallback, param->fallback);
    COPY_TEXT(ret_param->help, param->help);
}

static kofn_status
params_from_list(const kofn_wire_list *from, kofn_param_info **ret_params, size_t *ret_count,
                 kofn_error *err)
{
    const kofn_msg_param *params = from->at;
    kofn_param_info *to = calloc(from->count ? from->count : 1, sizeof *to);
    if (!to)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of codes");
    for (size_t i = 0; i < from->count; i++)
        param_from_message(&params[i], &to[i]);
    *ret_params = to;
    *ret_count = from->count;
    return KOFN_OK;
}

static kofn_status
family_from_message(const kofn_msg_family *family, kofn_family_info *ret_family, kofn_error *err)
{
    COPY_TEXT(ret_family->name, family->name);
    COPY_TEXT(ret_family->summary, family->summary);
    COPY_TEXT(ret_family->threshold, family->threshold);
    COPY_TEXT(ret_family->encoding, family->encoding);
    COPY_TEXT(ret_family->communication, family->communication);
    COPY_TEXT(ret_family->storage, family->storage);
    COPY_TEXT(ret_family->source, family->source);
    ret_family->rateless = family->rateless;
    ret_family->outer = family->outer;
    ret_family->batches = family->batches;
    ret_family->only_batches = family->only_batches;
    return params_from_list(&family->params, &ret_family->params, &ret_family->param_count, err);
}

static kofn_status
algorithms_from_list(const kofn_wire_list *from, kofn_algorithm_info **ret, size_t *ret_count,
                     kofn_error *err)
{
    const kofn_msg_algorithm *algorithms = from->at;
    kofn_algorithm_info *to = calloc(from->count ? from->count : 1, sizeof *to);
    if (!to)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of algorithms");
    for (size_t i = 0; i < from->count; i++) {
        const kofn_msg_algorithm *a = &algorithms[i];
        to[i] = (kofn_algorithm_info){.x = a->x,
                                      .z = a->z,
                                      .y = a->y,
                                      .rank = a->rank,
                                      .denominator = a->denominator,
                                      .additions = a->additions,
                                      .ships = a->ships};
        COPY_TEXT(to[i].name, a->name);
    }
    *ret = to;
    *ret_count = from->count;
    return KOFN_OK;
}

kofn_status
kofn_codes_from_message(const kofn_msg_codes *codes, kofn_code_list *ret_list, kofn_error *err)
{
    const kofn_msg_family *families = codes->families.at;
    kofn_code_list list = {0};
    list.families =
        calloc(codes->families.count ? codes->families.count : 1, sizeof *list.families);
    kofn_status status =
        list.families ? KOFN_OK
                      : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of codes");
    while (status == KOFN_OK && list.family_count < codes->families.count) {
        const size_t i = list.family_count++;
        status = family_from_message(&families[i], &list.families[i], err);
    }
    if (status == KOFN_OK)
        status = params_from_list(&codes->policies, &list.policies, &list.policy_count, err);
    if (status == KOFN_OK)
        status =
            algorithms_from_list(&codes->algorithms, &list.algorithms, &list.algorithm_count, err);
    if (status != KOFN_OK) {
        kofn_code_list_fini(&list);
        return status;
    }
    *ret_list = list;
    return KOFN_OK;
}

void
kofn_code_list_fini(kofn_code_list *list)
{
    for (size_t i = 0; i < list->family_count; i++)
        free(list->families[i].params);
    free(list->families);
    free(list->policies);
    free(list->algorithms);
    *list = (kofn_code_list){0};
}

kofn_status
kofn_question_to_message(const kofn_plan_question *q, kofn_msg_plan_query *ret_query,
                         kofn_error *err)
{
    const char *name = q->field ? q->field : "";
    const kofn_field *field;
    kofn_status status = q->dtype || !name[0] ? kofn_field_choose(name, q->dtype, &field, err)
                                              : kofn_field_new(name, &field, err);
    if (status != KOFN_OK)
        return status;
    kofn_msg_plan_query query = {
        .rows = q->rows,
        .inner = q->inner,
        .cols = q->cols,
        .workers = q->workers,
        .stragglers = q->stragglers,
        .tasks = q->tasks,
        .limit = q->limit,
        .seed = q->seed,
        .failure = q->failure,
        .odds = q->odds,
        .x = q->x,
        .z = q->z,
        .y = q->y,
        .error = q->error,
        .slowdown = q->slowdown,
        .gflops = q->gflops,
        .local_gflops = q->local_gflops,
        .link_rate = q->link_rate,
    };
    (void)snprintf(query.field, sizeof query.field, "%s", field->name);
    kofn_field_destroy(&field);
    *ret_query = query;
    return KOFN_OK;
}

static void
choice_from_row(const kofn_msg_plan_row *row, kofn_plan_choice *ret_choice)
{
    kofn_plan_choice choice = {
        .threshold = row->threshold,
        .enough = row->enough,
        .needed = row->needed,
        .flops = row->flops,
        .bytes_in = row->bytes_in,
        .bytes_out = row->bytes_out,
        .encode = row->encode,
        .decode = row->decode,
        .amplification = row->amplification,
        .worst_amplification = row->worst_amplification,
        .error = row->error,
        .decodable = row->decodable,
        .typical = row->typical,
        .likely = row->likely,
        .seconds = row->seconds,
        .seconds_late = row->seconds_late,
        .redundant = row->redundant,
        .pays = row->pays,
    };
    COPY_TEXT(choice.policy, row->policy);
    COPY_TEXT(choice.typical_by, row->typical_by);
    code_from_message(&row->code, &choice.code);
    *ret_choice = choice;
}

kofn_status
kofn_answer_from_message(const kofn_msg_plan *plan, kofn_plan_answer *ret_answer, kofn_error *err)
{
    const kofn_msg_plan_row *rows = plan->rows.at;
    kofn_plan_answer answer = {
        .count = plan->rows.count,
        .choices = calloc(plan->rows.count ? plan->rows.count : 1, sizeof *answer.choices),
        .pays = plan->pays,
        .candidates = plan->candidates,
        .left_out = plan->left_out,
        .workers = plan->workers,
        .gflops = plan->gflops,
        .link_rate = plan->link_rate,
        .measured = plan->measured,
        .local = plan->local,
    };
    if (!answer.choices)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a plan");
    COPY_TEXT(answer.verdict, plan->verdict);
    COPY_TEXT(answer.left_why, plan->left_why);
    for (size_t i = 0; i < answer.count; i++)
        choice_from_row(&rows[i], &answer.choices[i]);
    *ret_answer = answer;
    return KOFN_OK;
}

void
kofn_plan_answer_fini(kofn_plan_answer *answer)
{
    free(answer->choices);
    *answer = (kofn_plan_answer){0};
}
