/* Jobs as records. The body has what was ordered, the code as far as it is chosen, and at the end
 * the account; slots 0 to 7 the operands that came with the order, slot 8 the product. */
#include "master/jobs.h"
#include "master/keep.h"

#include <stdlib.h>

/* States of a record: on disk, never renumber. */
enum { OPEN = 1, DONE = 2, FETCHED_OR_OLD = 3, FAILED = 4, CANCELLED = 5 };

enum { OPERAND_SLOTS = (1 << KOFN_KEEP_PRODUCT_SLOT) - 1 };

typedef struct kept_job {
    kofn_wire_raw order; // a product
    kofn_msg_code code;
    char policy[KOFN_NAME_MAX];
    char verify[KOFN_NAME_MAX];
    uint64_t liars;
    uint64_t attempts;
    kofn_wire_raw account; // a job, once it is over
    kofn_msg_matrix product;
} kept_job;

#define FIELD(member_)                                                                             \
    .offset = offsetof(kept_job, member_), .size = sizeof(((kept_job *)0)->member_)

static const kofn_wire_field fields[] = {
    {.name = "order",
     .type = KOFN_WIRE_RAW,
     FIELD(order),
     .help = "the product that was asked for"},
    {.name = "code",
     .type = KOFN_WIRE_MESSAGE,
     FIELD(code),
     .of = &kofn_code_message,
     .help = "as far as it is chosen"},
    {.name = "policy", .type = KOFN_WIRE_TEXT, FIELD(policy), .help = "likewise"},
    {.name = "verify",
     .type = KOFN_WIRE_TEXT,
     FIELD(verify),
     .help = "how, whatever the default is by now"},
    {.name = "liars", .type = KOFN_WIRE_U64, FIELD(liars), .help = "of parity"},
    {.name = "attempts",
     .type = KOFN_WIRE_U64,
     FIELD(attempts),
     .help = "ends of masters that it may be the cause of"},
    {.name = "account", .type = KOFN_WIRE_RAW, FIELD(account), .help = "once it is over"},
    {.name = "product",
     .type = KOFN_WIRE_MESSAGE,
     FIELD(product),
     .of = &kofn_matrix_message,
     .help = "its shape, once it is there"},
};
static const kofn_wire_message kept_job_message = {.name = "kept_job",
                                                   .fields = fields,
                                                   .count = sizeof fields / sizeof fields[0],
                                                   .struct_size = sizeof(kept_job),
                                                   .help = "a submitted job on disk"};

/* ---- records --------------------------------------------------------------------------------- */

static unsigned
record_state(const kofn_job *job)
{
    switch (kofn_job_get_end(job)) {
    case KOFN_JOB_DONE:
        return job->has_product ? DONE : FETCHED_OR_OLD;
    case KOFN_JOB_FAILED:
        return FAILED;
    case KOFN_JOB_CANCELLED:
        return CANCELLED;
    default:
        return OPEN;
    }
}

/* What clients will be told of it. */
static kofn_status
pack_account(const kofn_job *job, kofn_wire_buffer *account, kofn_error *err)
{
    kofn_msg_job m = {0};
    kofn_status status = kofn_job_describe_end(job, &m, err);
    if (!status)
        status = kofn_message_pack(&kofn_job_message, &m, account, err);
    kofn_message_clear(&kofn_job_message, &m);
    return status;
}

static kofn_status
pack_body(const kofn_job *job, kofn_wire_buffer *ret_body, kofn_error *err)
{
    kept_job body = {.order = {.bytes = job->order.at, .length = job->order.length}};
    kofn_wire_buffer account = {0};
    const bool over = record_state(job) != OPEN;
    kofn_status status = KOFN_OK;
    if (!over)
        status = kofn_msg_code_from_spec(&job->spec, &body.code, err);
    snprintf(body.policy, sizeof body.policy, "%s", job->policy);
    snprintf(body.verify, sizeof body.verify, "%s", kofn_verify_name(job->verification.how));
    body.liars = job->accept.liars;
    body.attempts = job->attempts;
    if (over)
        status = pack_account(job, &account, err);
    if (over && job->has_product) {
        body.product = (kofn_msg_matrix){.rows = job->product.rows, .cols = job->product.cols};
        snprintf(body.product.dtype, sizeof body.product.dtype, "%s",
                 kofn_dtype_name(job->product.dtype));
    }
    body.account = (kofn_wire_raw){.bytes = account.at, .length = account.length};
    if (!status)
        status = kofn_message_pack(&kept_job_message, &body, ret_body, err);
    body.order = body.account = (kofn_wire_raw){0};
    kofn_message_clear(&kept_job_message, &body);
    kofn_wire_buffer_fini(&account);
    return status;
}

/* A key that belongs to another job by now is not this one's after a restart either. */
static const char *
own_key(const kofn_job *job)
{
    const bool has = kofn_jobs_find_key(job->master->jobs, &job->key) == job;
    return has ? job->key.text + strlen(job->owner) : "";
}

/* A PUT of the job as it is; the job stays until it is done. NULL: short of memory. */
static kofn_keep_request *
new_put(kofn_job *job, void (*done)(kofn_keep_request *request), kofn_error *err)
{
    kofn_keep_request *request =
        kofn_keep_request_new(job->master->keep, KOFN_STORE_PUT, KOFN_STORE_JOB, job->id, err);
    if (!request)
        return NULL;
    kofn_store_record *record = &request->store.record;
    snprintf(record->owner, sizeof record->owner, "%s", job->owner);
    snprintf(record->key, sizeof record->key, "%s", own_key(job));
    record->state = record_state(job);
    record->created_ms = kofn_unix_ms_at(job->times.accepted_ns);
    record->ended_ms = record->state == OPEN ? 0 : kofn_unix_ms_at(job->times.ended_ns);
    record->deadline_ms = job->deadline_ns == KOFN_NEVER_NS ? 0 : kofn_unix_ms_at(job->deadline_ns);
    if (pack_body(job, &request->body, err) != KOFN_OK) {
        kofn_keep_request_destroy(&request);
        return NULL;
    }
    request->done = done;
    request->about = job;
    job->items++;
    return request;
}

static const kofn_error *
find_failure(const kofn_keep_request *request)
{
    return request->store.error.status ? &request->store.error : NULL;
}

static void
job_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    kofn_job_leave(job);
    kofn_job_on_kept(job, find_failure(request));
}

void
kofn_keep_job(kofn_job *job)
{
    kofn_error err;
    kofn_keep_request *request = new_put(job, job_done, &err);
    if (!request) {
        kofn_job_on_kept(job, &err);
        return;
    }
    kofn_store_request *put = &request->store;
    put->is_new = true;
    for (size_t o = 0; o < job->operands.count; o++)
        if (!job->stored[o])
            put->matrices[put->matrix_count++] =
                (kofn_store_matrix){.slot = (unsigned)o, .bands = &job->operands.mat[o]};
    kofn_keep_submit(&request);
}

static void
choice_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    const kofn_error *why = find_failure(request);
    if (why) // as good a code will be chosen
        kofn_log_write(&job->master->log, KOFN_LOG_WARNING, "choice_not_stored", why->text,
                       "job=%s", job->name);
    kofn_job_leave(job);
}

void
kofn_keep_choice(kofn_job *job)
{
    kofn_keep_request *request = new_put(job, choice_done, NULL);
    if (request)
        kofn_keep_submit(&request);
}

static void
attempts_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    const kofn_error *why = find_failure(request);
    if (why)
        kofn_log_write(&job->master->log, KOFN_LOG_WARNING, "attempts_not_stored", why->text,
                       "job=%s", job->name);
    kofn_job_leave(job);
    kofn_jobs_take_up(job->master->jobs, job);
}

void
kofn_keep_attempts(kofn_job *job)
{
    kofn_keep_request *request = new_put(job, attempts_done, NULL);
    if (request)
        kofn_keep_submit(&request);
    else // short of memory: not noted
        kofn_jobs_take_up(job->master->jobs, job);
}

static void
end_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    kofn_job_leave(job);
    kofn_job_on_end_kept(job, find_failure(request));
}

void
kofn_keep_end(kofn_job *job)
{
    kofn_error err;
    kofn_keep_request *request = new_put(job, end_done, &err);
    if (!request) {
        kofn_job_on_end_kept(job, &err);
        return;
    }
    kofn_store_request *put = &request->store;
    put->drop = OPERAND_SLOTS;
    if (job->has_product)
        put->matrices[put->matrix_count++] =
            (kofn_store_matrix){.slot = KOFN_KEEP_PRODUCT_SLOT, .bands = &job->product};
    kofn_keep_submit(&request);
}

static void
lost_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    const kofn_error *why = find_failure(request);
    if (why) // the next start finds it as this one did
        kofn_log_write(&job->master->log, KOFN_LOG_ERROR, "end_not_stored", why->text, "job=%s",
                       job->name);
    kofn_job_leave(job);
}

void
kofn_keep_lost(kofn_job *job)
{
    kofn_keep_request *request = new_put(job, lost_done, NULL);
    if (!request) // likewise
        return;
    job->on_disk = true;
    request->store.drop = OPERAND_SLOTS | 1 << KOFN_KEEP_PRODUCT_SLOT;
    kofn_keep_submit(&request);
}

static void
drop_done(kofn_keep_request *request)
{
    kofn_job_leave(request->about);
}

void
kofn_keep_drop_product(kofn_job *job)
{
    kofn_keep_request *request = new_put(job, drop_done, NULL);
    if (!request) // short of memory: it stays until the record goes
        return;
    request->store.drop = 1 << KOFN_KEEP_PRODUCT_SLOT;
    kofn_keep_submit(&request);
}

/* ---- matrices -------------------------------------------------------------------------------- */

static void
fetch_done(kofn_keep_request *request)
{
    kofn_job *job = request->about;
    const size_t slot = request->store.slot;
    kofn_bands bands = {0};
    kofn_error err;
    const kofn_status status = kofn_keep_take_fetched(request, &bands, &err);
    kofn_job_leave(job);
    if (slot == KOFN_KEEP_PRODUCT_SLOT)
        kofn_job_on_product(job, &bands, status ? &err : NULL);
    else
        kofn_job_on_operand(job, slot, &bands, status ? &err : NULL);
    kofn_bands_fini(&bands); // if nobody took them
}

static void
fetch(kofn_job *job, unsigned slot)
{
    kofn_error err;
    kofn_keep_request *request =
        kofn_keep_request_new(job->master->keep, KOFN_STORE_FETCH, KOFN_STORE_JOB, job->id, &err);
    if (!request) {
        kofn_bands none = {0};
        if (slot == KOFN_KEEP_PRODUCT_SLOT)
            kofn_job_on_product(job, &none, &err);
        else
            kofn_job_on_operand(job, slot, &none, &err);
        return;
    }
    request->store.slot = slot;
    request->done = fetch_done;
    request->about = job;
    job->items++;
    kofn_keep_submit(&request);
}

void
kofn_keep_fetch_operand(kofn_job *job, size_t operand)
{
    fetch(job, (unsigned)operand);
}

void
kofn_keep_fetch_product(kofn_job *job)
{
    fetch(job, KOFN_KEEP_PRODUCT_SLOT);
}

static void
forget_done(kofn_keep_request *request)
{
    const kofn_error *why = find_failure(request);
    if (why) // the next start lists it again
        kofn_log_write(kofn_keep_get_log(request->keep), KOFN_LOG_WARNING, "job_not_removed",
                       why->text, "job=%016" PRIx64, request->store.record.id);
}

void
kofn_keep_forget(const kofn_job *job)
{
    (void)kofn_failpoint_pass(KOFN_FAIL_JOB_REMOVING);
    kofn_keep_request *request =
        kofn_keep_request_new(job->master->keep, KOFN_STORE_REMOVE, KOFN_STORE_JOB, job->id, NULL);
    if (!request) // short of memory: likewise
        return;
    request->done = forget_done;
    kofn_keep_submit(&request);
}

/* ---- at the start ---------------------------------------------------------------------------- */

static kofn_kept_job
describe_record(const kofn_store_record *record)
{
    kofn_kept_job kept = {
        .id = record->id,
        .owner = record->owner,
        .key = record->key,
        .accepted_ns = kofn_moment_of_unix_ms(record->created_ms),
        .ended_ns = kofn_moment_of_unix_ms(record->ended_ms),
        .deadline_ns =
            record->deadline_ms ? kofn_moment_of_unix_ms(record->deadline_ms) : KOFN_NEVER_NS,
    };
    return kept;
}

static kofn_status
restore_open(kofn_master *master, const kept_job *body, kofn_kept_job *kept, kofn_error *err)
{
    kofn_msg_product product;
    kept->policy = body->policy;
    kept->verify = body->verify;
    kept->liars = body->liars;
    kept->attempts = body->attempts;
    kofn_status status = kofn_message_unpack(&kofn_product_message, body->order.bytes,
                                             body->order.length, &product, err);
    if (status)
        return status;
    kept->product = &product;
    status = kofn_msg_code_to_spec(&body->code, &kept->spec, err);
    if (!status)
        status = kofn_jobs_restore(master->jobs, kept, err);
    if (status && status != KOFN_RESOURCE_EXHAUSTED && status != KOFN_DATA_LOSS) {
        const kofn_error why = *err;
        kofn_log_write(&master->log, KOFN_LOG_ERROR, "job_blocked", why.text, "job=%016" PRIx64,
                       kept->id);
        status = kofn_jobs_restore_blocked(master->jobs, kept, &why, err);
    }
    kofn_message_clear(&kofn_product_message, &product);
    return status;
}

static kofn_job_state
get_end(const kofn_store_record *record)
{
    return record->state == FAILED      ? KOFN_JOB_FAILED
           : record->state == CANCELLED ? KOFN_JOB_CANCELLED
                                        : KOFN_JOB_DONE;
}

/* Does the account tell of this job, and of this end? What says otherwise would be a product that
 * is another's, or a failure that reads as none. */
static kofn_status
check_account(const kofn_store_record *record, const kofn_msg_job *account, kofn_error *err)
{
    char name[KOFN_ID_MAX];
    const char *state = kofn_job_state_name(get_end(record));
    snprintf(name, sizeof name, "%016" PRIx64, record->id);
    if (record->state < OPEN || record->state > CANCELLED)
        return kofn_fail(err, KOFN_DATA_LOSS, "its record is in state %u, which is none",
                         record->state);
    if (strcmp(account->id, name) != 0 || strcmp(account->state, state) != 0)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "its account is of job '%s', %s; its record is of a "
                         "job that is %s",
                         account->id, account->state, state);
    const bool is_well = account->status == KOFN_OK;
    if (is_well != (get_end(record) == KOFN_JOB_DONE) || account->status > KOFN_UNAUTHENTICATED)
        return kofn_fail(err, KOFN_DATA_LOSS, "its account has status %" PRIu64 ", and it is %s",
                         account->status, state);
    return KOFN_OK;
}

static kofn_status
read_product(const kept_job *body, const kofn_msg_job *account, kofn_kept_job *kept,
             kofn_error *err)
{
    size_t bytes;
    kept->has_product = true;
    kept->dtype = kofn_dtype_parse(body->product.dtype);
    kept->rows = body->product.rows;
    kept->cols = body->product.cols;
    if (kept->rows != account->rows || kept->cols != account->cols)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "its product is %zu x %zu, and its account says %" PRIu64 " x %" PRIu64,
                         kept->rows, kept->cols, account->rows, account->cols);
    return kofn_mat_bytes(kept->dtype, kept->rows, kept->cols, &bytes, err);
}

static kofn_status
restore_ended(kofn_master *master, const kofn_store_record *record, const kept_job *body,
              kofn_kept_job *kept, kofn_error *err)
{
    kofn_msg_job account;
    kofn_status status = kofn_message_unpack(&kofn_job_message, body->account.bytes,
                                             body->account.length, &account, err);
    if (status)
        return status;
    kept->account = &account;
    kept->state = get_end(record);
    kept->lost = account.status == KOFN_DATA_LOSS && !record->owner[0]; // as in an earlier life
    status = check_account(record, &account, err);
    if (!status && record->state == DONE)
        status = read_product(body, &account, kept, err);
    if (!status)
        status = kofn_jobs_restore_ended(master->jobs, kept, err);
    kofn_message_clear(&kofn_job_message, &account);
    return status;
}

static kofn_status
restore_record(kofn_master *master, const kofn_store_record *record, kofn_kept_job *kept,
               kofn_error *err)
{
    kept_job body;
    kofn_status status =
        kofn_message_unpack(&kept_job_message, record->body, record->body_bytes, &body, err);
    if (status)
        return status;
    kept->order = body.order;
    status = record->state == OPEN ? restore_open(master, &body, kept, err)
                                   : restore_ended(master, record, &body, kept, err);
    kofn_message_clear(&kept_job_message, &body);
    return status;
}

/* Whoever asks for it is told. */
static kofn_status
restore_lost(kofn_master *master, kofn_kept_job *kept, const kofn_error *why, kofn_error *err)
{
    kofn_msg_job account = {.status = KOFN_DATA_LOSS};
    snprintf(account.id, sizeof account.id, "%016" PRIx64, kept->id);
    snprintf(account.state, sizeof account.state, "%s", kofn_job_state_name(KOFN_JOB_FAILED));
    snprintf(account.message, sizeof account.message, "the job cannot be taken up again: %.400s",
             why->text);
    kofn_log_write(&master->log, KOFN_LOG_ERROR, "job_lost", why->text, "job=%s", account.id);
    kept->account = &account;
    kept->state = KOFN_JOB_FAILED;
    kept->lost = kept->stale = true;
    kept->has_product = false;
    kept->rows = kept->cols = 0;
    return kofn_jobs_restore_ended(master->jobs, kept, err);
}

kofn_status
kofn_keep_restore_job(kofn_master *master, const kofn_store_record *record,
                      const kofn_error *broken, kofn_error *err)
{
    kofn_kept_job kept = describe_record(record);
    kofn_error why;
    if (broken)
        why = *broken;
    else if (restore_record(master, record, &kept, &why) == KOFN_OK)
        return KOFN_OK;
    if (!broken && why.status == KOFN_RESOURCE_EXHAUSTED) {
        *err = why;
        return why.status;
    }
    kept.ended_ns = kofn_clock_ns();
    if (record->created_ms == 0) // of one that is broken even that is not known
        kept.accepted_ns = kept.ended_ns;
    return restore_lost(master, &kept, &why, err);
}
