#include "master/integers.h"
#include "master/jobs.h"
#include "proto/block.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { PIECE_BYTES = 2 << 20 }; // of what is read: less is not worth another thread

/* Residues, coded blocks and what is out of them, as accept.c counts for any job. */
size_t
kofn_part_estimate_charge(size_t a, size_t b, size_t c)
{
    return sizeof(kofn_job) + (3 * a + 3 * b + 2 * c) * sizeof(uint32_t);
}

void
kofn_parts_clear(kofn_parts *parts)
{
    for (size_t k = 0; k < KOFN_INTEGERS_PRIMES_MAX; k++) {
        for (size_t o = 0; o < 2; o++)
            kofn_bands_fini(&parts->operands[o][k]);
        kofn_bands_fini(&parts->at[k].residues);
    }
}

/* Is B the same stored operand as A? Then one pass does for both. */
static bool
is_square(const kofn_job *whole)
{
    return whole->stored[0] && whole->stored[0] == whole->stored[1];
}

static size_t
count_distinct(const kofn_job *whole)
{
    return is_square(whole) ? 1 : 2;
}

/* ---- passes over the elements ---------------------------------------------------------------- */

/* First room for what it makes, in one item; then the elements, in pieces side by side. */
typedef struct pass_kind {
    kofn_status (*make_room)(kofn_job *whole, kofn_error *err); // NULL: it needs none
    kofn_status (*run)(kofn_job *whole, size_t piece, size_t count, kofn_error *err);
    /* On the I/O thread, unless the job is over by then. Took so long. */
    void (*end)(kofn_job *whole, kofn_status status, const kofn_error *why, int64_t took_ns);
} pass_kind;

typedef struct pass_piece {
    kofn_coder_item item;
    struct pass *pass;
    kofn_status status;
    kofn_error error;
} pass_piece;

typedef struct pass {
    kofn_coder_item room;
    kofn_job *whole;
    const pass_kind *kind;
    kofn_status status;
    kofn_error error;
    int64_t start_ns;
    size_t out, count; // pieces: not done, all
    pass_piece piece[];
} pass;

static void
end_pass(pass *p, int64_t end_ns)
{
    kofn_job *whole = p->whole;
    const pass_kind *kind = p->kind;
    const kofn_status status = p->status;
    const kofn_error error = p->error;
    const int64_t took_ns = end_ns - p->start_ns;
    free(p);
    kofn_job_leave(whole);
    if (kofn_job_is_over(whole))
        kofn_bands_fini(&whole->product); // if that was being made
    else
        kind->end(whole, status, &error, took_ns);
}

static void
piece_run(kofn_coder_item *item)
{
    pass_piece *piece = (pass_piece *)item;
    const pass *p = piece->pass;
    piece->status = p->kind->run(p->whole, (size_t)(piece - p->piece), p->count, &piece->error);
}

/* Of pieces that failed the first one tells why, whichever was done first. */
static void
piece_done(kofn_coder_item *item)
{
    pass *p = ((pass_piece *)item)->pass;
    if (!item->start_ns) // the pool was drained before it ran
        p->status = kofn_fail(&p->error, KOFN_UNAVAILABLE, "the master stopped");
    if (--p->out > 0)
        return;
    for (size_t i = 0; i < p->count && !p->status; i++)
        if (p->piece[i].status)
            p->status = (p->error = p->piece[i].error).status;
    end_pass(p, item->end_ns);
}

static void
room_run(kofn_coder_item *item)
{
    pass *p = (pass *)item;
    p->status = p->kind->make_room ? p->kind->make_room(p->whole, &p->error) : KOFN_OK;
}

static void
room_done(kofn_coder_item *item)
{
    pass *p = (pass *)item;
    p->start_ns = item->start_ns;
    if (!item->start_ns)
        p->status = kofn_fail(&p->error, KOFN_UNAVAILABLE, "the master stopped");
    if (p->status || kofn_job_is_over(p->whole)) {
        end_pass(p, item->end_ns);
        return;
    }
    for (size_t i = 0; i < p->count; i++)
        kofn_coders_submit(p->whole->master->coders, &p->piece[i].item);
}

/* Some elements are done with sooner than handed to another thread. */
static void
run_at_once(kofn_job *whole, const pass_kind *kind)
{
    kofn_error err;
    const int64_t start_ns = kofn_clock_ns();
    kofn_status status = kind->make_room ? kind->make_room(whole, &err) : KOFN_OK;
    if (!status)
        status = kind->run(whole, 0, 1, &err);
    kind->end(whole, status, &err, kofn_clock_ns() - start_ns);
}

/* `bytes`: that are read. */
static void
start_pass(kofn_job *whole, const pass_kind *kind, size_t bytes)
{
    if (bytes <= KOFN_CHECK_AT_ONCE) {
        run_at_once(whole, kind);
        return;
    }
    size_t count = (size_t)whole->master->config.compute_threads;
    count = count < bytes / PIECE_BYTES ? count : bytes / PIECE_BYTES;
    count = count > 0 ? count : 1;
    pass *p = calloc(1, sizeof *p + count * sizeof p->piece[0]);
    if (!p) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to work on integers");
        kofn_job_break(whole, &err);
        return;
    }
    p->room = (kofn_coder_item){.run = room_run, .done = room_done};
    p->whole = whole;
    p->kind = kind;
    p->out = p->count = count;
    for (size_t i = 0; i < count; i++)
        p->piece[i] = (pass_piece){.item = {.run = piece_run, .done = piece_done}, .pass = p};
    whole->items++;
    kofn_coders_submit(whole->master->coders, &p->room);
}

static size_t
count_operand_bytes(const kofn_job *whole)
{
    size_t bytes = 0;
    for (size_t o = 0; o < count_distinct(whole); o++) {
        const kofn_bands *m = &whole->operands.mat[o];
        bytes += m->rows * m->cols * kofn_dtype_width(m->dtype);
    }
    return bytes;
}

/* ---- scan ------------------------------------------------------------------------------------ */

/* Whole operands: the pieces share them out. */
static kofn_status
scan_run(kofn_job *whole, size_t piece, size_t count, kofn_error *err)
{
    (void)err;
    for (size_t o = piece; o < count_distinct(whole); o += count)
        whole->parts->largest[o] = kofn_integers_find_largest(&whole->operands.mat[o]);
    return KOFN_OK;
}

static void
scan_end(kofn_job *whole, kofn_status status, const kofn_error *why, int64_t took_ns)
{
    whole->times.encode_ns += took_ns;
    if (status) {
        kofn_job_break(whole, why);
        return;
    }
    if (is_square(whole))
        whole->parts->largest[1] = whole->parts->largest[0];
    kofn_job_begin(whole);
}

void
kofn_job_scan(kofn_job *whole)
{
    static const pass_kind kind = {.run = scan_run, .end = scan_end};
    start_pass(whole, &kind, count_operand_bytes(whole));
}

/* ---- parts ----------------------------------------------------------------------------------- */

static kofn_status
fill_part(const kofn_job *whole, size_t k, kofn_job *part, kofn_error *err)
{
    const kofn_parts *parts = whole->parts;
    char field[KOFN_FIELD_NAME_MAX];
    part->is_part = true;
    part->session = whole->session;
    memcpy(part->owner, whole->owner, sizeof part->owner);
    part->deadline_ns = whole->deadline_ns;
    part->shape = whole->shape;
    part->accept = whole->accept;
    part->verification.how = whole->verification.how;
    part->verification.by_default = whole->verification.by_default;
    part->verification.yielded = whole->verification.yielded;
    part->spec = whole->spec;
    snprintf(part->policy, sizeof part->policy, "%s", whole->policy);
    TAILQ_INIT(&part->requests);
    kofn_assembler_init(&part->operands);
    part->times.accepted_ns = part->times.received_ns = kofn_clock_ns();
    snprintf(field, sizeof field, "gfp:%u", kofn_integers_primes[k]);
    kofn_status status = kofn_field_new(field, &part->field, err);
    for (size_t o = 0; o < 2 && !status; o++) {
        part->transposed[o] = whole->transposed[o];
        part->stored[o] = whole->stored[o]; // the whole holds it
        status = kofn_assembler_have(&part->operands, &parts->operands[is_square(whole) ? 0 : o][k],
                                     err);
    }
    return status;
}

static kofn_status
new_part(kofn_job *whole, size_t k, kofn_error *err)
{
    kofn_job *part = kofn_jobs_new_record(whole->master->jobs);
    if (!part)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for prime %zu of %zu", k + 1,
                         whole->parts->primes);
    kofn_status status = fill_part(whole, k, part, err);
    if (!status)
        status = kofn_jobs_add(whole->master->jobs, part, err);
    if (status) {
        kofn_job_destroy(&part);
        return status;
    }
    part->whole = whole;
    whole->items++;
    whole->parts->at[k].job = part;
    kofn_log_write(&whole->master->log, KOFN_LOG_DEBUG, "part_made", "a product modulo a prime",
                   "job=%s of=%s prime=%u", part->name, whole->name, kofn_integers_primes[k]);
    return KOFN_OK;
}

/* One that fails ends the whole, and with it those that have not begun. */
static void
begin_parts(kofn_job *whole)
{
    kofn_parts *parts = whole->parts;
    kofn_error err;
    kofn_status status = KOFN_OK;
    parts->left = parts->primes;
    for (size_t k = 0; k < parts->primes && !status; k++)
        status = new_part(whole, k, &err);
    kofn_parts_clear(parts); // theirs now
    kofn_assembler_fini(&whole->operands);
    if (status) {
        kofn_job_break(whole, &err);
        return;
    }
    kofn_job_move(whole, KOFN_JOB_EV_BUILT);
    for (size_t k = 0; k < parts->primes; k++) {
        kofn_job *part = parts->at[k].job;
        if (!part)
            continue;
        kofn_job_move(part, KOFN_JOB_EV_RECEIVED);
        kofn_job_prepare(part);
    }
}

/* ---- reduce ---------------------------------------------------------------------------------- */

static kofn_status
reduce_make_room(kofn_job *whole, kofn_error *err)
{
    const kofn_master *master = whole->master;
    kofn_parts *parts = whole->parts;
    kofn_status status = KOFN_OK;
    for (size_t o = 0; o < count_distinct(whole); o++)
        for (size_t k = 0; k < parts->primes && !status; k++) {
            const kofn_bands *m = &whole->operands.mat[o];
            status = kofn_block_bands_new(master->pool, KOFN_U32, m->rows, m->cols,
                                          master->config.chunk_bytes, &parts->operands[o][k], err);
        }
    return status;
}

static kofn_status
reduce_run(kofn_job *whole, size_t piece, size_t count, kofn_error *err)
{
    (void)err;
    for (size_t o = 0; o < count_distinct(whole); o++) {
        const kofn_bands *m = &whole->operands.mat[o];
        kofn_integers_reduce(m, whole->parts->primes, whole->parts->operands[o],
                             piece * m->rows / count, (piece + 1) * m->rows / count);
    }
    return KOFN_OK;
}

static void
reduce_end(kofn_job *whole, kofn_status status, const kofn_error *why, int64_t took_ns)
{
    whole->times.encode_ns += took_ns;
    if (status)
        kofn_job_break(whole, why);
    else
        begin_parts(whole);
}

/* What one prime takes was asked for when the job was accepted. */
static kofn_status
charge_primes(kofn_job *whole, kofn_error *err)
{
    const kofn_shape *s = &whole->shape;
    const size_t each =
        kofn_part_estimate_charge(s->rows * s->inner, s->inner * s->cols, s->rows * s->cols);
    const size_t more = (whole->parts->primes - 1) * each;
    char what[64];
    bool never;
    snprintf(what, sizeof what, "this job, now that it takes %zu primes,", whole->parts->primes);
    kofn_status status =
        kofn_master_check_room(whole->master, what, whole->charge, more, &never, err);
    if (!status) // what never fits is not told apart: the job ends either way
        kofn_jobs_change_charge(whole->master->jobs, whole, whole->charge + more);
    return status;
}

void
kofn_job_split(kofn_job *whole)
{
    static const pass_kind kind = {
        .make_room = reduce_make_room, .run = reduce_run, .end = reduce_end};
    kofn_parts *parts = whole->parts;
    kofn_error err;
    parts->primes =
        kofn_integers_count_primes(whole->shape.inner, parts->largest[0], parts->largest[1]);
    if (charge_primes(whole, &err) == KOFN_OK)
        start_pass(whole, &kind, count_operand_bytes(whole) * parts->primes);
    else
        kofn_job_break(whole, &err);
}

/* ---- restore --------------------------------------------------------------------------------- */

static kofn_status
restore_make_room(kofn_job *whole, kofn_error *err)
{
    const kofn_master *master = whole->master;
    return kofn_block_bands_new(master->pool, KOFN_I64, whole->shape.rows, whole->shape.cols,
                                master->config.chunk_bytes, &whole->product, err);
}

static kofn_status
restore_run(kofn_job *whole, size_t piece, size_t count, kofn_error *err)
{
    const kofn_parts *parts = whole->parts;
    const size_t rows = whole->shape.rows;
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX]; // borrowed
    for (size_t k = 0; k < parts->primes; k++)
        residues[k] = parts->at[k].residues;
    return kofn_integers_restore(parts->primes, residues, piece * rows / count,
                                 (piece + 1) * rows / count, &whole->product, err);
}

static void
restore_end(kofn_job *whole, kofn_status status, const kofn_error *why, int64_t took_ns)
{
    whole->times.decode_ns += took_ns;
    if (status) {
        kofn_bands_fini(&whole->product);
        kofn_job_break(whole, why);
        return;
    }
    whole->has_product = true;
    kofn_job_finish(whole, KOFN_JOB_EV_DECODED);
}

static void
restore_product(kofn_job *whole)
{
    static const pass_kind kind = {
        .make_room = restore_make_room, .run = restore_run, .end = restore_end};
    whole->times.enough_ns = kofn_clock_ns();
    kofn_job_move(whole, KOFN_JOB_EV_ENOUGH);
    start_pass(whole, &kind,
               whole->shape.rows * whole->shape.cols * whole->parts->primes * sizeof(uint32_t));
}

/* ---- ends ------------------------------------------------------------------------------------ */

static kofn_part *
find_part(kofn_parts *parts, const kofn_job *job)
{
    for (size_t k = 0; k < parts->primes; k++)
        if (parts->at[k].job == job)
            return &parts->at[k];
    assert(!"it is a part of this job");
    return NULL;
}

static void
merge_times(kofn_job_times *into, const kofn_job_times *part)
{
    if (part->sent_ns && (!into->sent_ns || part->sent_ns < into->sent_ns))
        into->sent_ns = part->sent_ns;
    if (part->left_ns > into->left_ns)
        into->left_ns = part->left_ns;
    into->encode_ns += part->encode_ns;
    into->decode_ns += part->decode_ns;
}

/* Short of memory, its numbers are missing in the whole's account. */
static void
keep_account(kofn_job *whole, kofn_part *at)
{
    merge_times(&whole->times, &at->job->times);
    if (kofn_job_describe(at->job, &at->account, NULL) != KOFN_OK)
        return;
    kofn_message_clear(&kofn_code_message, &at->account.code);
    at->account.code = (kofn_msg_code){0};
}

void
kofn_job_end_part(kofn_job *whole, kofn_job *part)
{
    kofn_part *at = find_part(whole->parts, part);
    keep_account(whole, at);
    at->job = NULL;
    if (kofn_job_is_over(whole)) {
        if (part->has_product) // decoded when the whole ended: nobody waits for it, nor is it charged
            kofn_bands_fini(&part->product);
        part->has_product = false;
        return;
    }
    if (part->state != KOFN_JOB_DONE) {
        kofn_error why = part->error;
        (void)kofn_fail_within(&why, "modulo %.0f", part->field->order);
        kofn_job_break(whole, &why);
        return;
    }
    at->residues = part->product;
    memset(&part->product, 0, sizeof part->product);
    part->has_product = false;
    if (--whole->parts->left == 0)
        restore_product(whole);
}

void
kofn_job_end_parts(kofn_job *whole)
{
    kofn_error why;
    kofn_fail(&why, KOFN_CANCELLED, "job %s, which it is a part of, is over", whole->name);
    for (size_t k = 0; k < whole->parts->primes; k++)
        if (whole->parts->at[k].job)
            kofn_job_stop(whole->parts->at[k].job, &why);
}

/* ---- account --------------------------------------------------------------------------------- */

static void
add_account(kofn_msg_job *m, const kofn_msg_job *part)
{
    m->threshold += part->threshold;
    m->enough += part->enough;
    m->tasks += part->tasks;
    m->tasks_sent += part->tasks_sent;
    m->answers += part->answers;
    m->answers_used += part->answers_used;
    m->workers = part->workers > m->workers ? part->workers : m->workers;
    m->backups += part->backups;
    m->replaced += part->replaced;
    m->fresh += part->fresh;
    m->blocks_reused += part->blocks_reused;
    m->blocks_spared += part->blocks_spared;
    m->answers_held += part->answers_held;
    m->refuted += part->refuted;
    m->unchecked += part->unchecked;
    kofn_names_add(m->liars, sizeof m->liars, part->liars);
    m->decodable &= part->decodable;
    m->waited |= part->waited;
    m->likely |= part->likely;
    m->condition = fmax(m->condition, part->condition);
    m->amplification = fmax(m->amplification, part->amplification);
    m->residual = fmax(m->residual, part->residual);
    if (part->policy[0])
        snprintf(m->policy, sizeof m->policy, "%s", part->policy);
}

/* What runs of a whole that is over is about to end. */
static void
fill_prime(const kofn_job *whole, size_t k, const kofn_msg_job *part, kofn_msg_prime *m)
{
    const bool ends = kofn_job_is_over(whole) && whole->parts->at[k].job;
    *m = (kofn_msg_prime){.prime = kofn_integers_primes[k],
                          .enough = part->enough,
                          .tasks_sent = part->tasks_sent,
                          .answers = part->answers};
    snprintf(m->state, sizeof m->state, "%s",
             ends ? kofn_job_state_name(KOFN_JOB_CANCELLED) : part->state);
}

static kofn_status
describe_part(const kofn_part *at, kofn_msg_job *ret_account, kofn_job_times *times,
              kofn_error *err)
{
    if (!at->job) { // over: its times are the whole's already
        *ret_account = at->account;
        return KOFN_OK;
    }
    kofn_status status = kofn_job_describe(at->job, ret_account, err);
    if (status)
        return status;
    kofn_message_clear(&kofn_code_message, &ret_account->code);
    merge_times(times, &at->job->times);
    return KOFN_OK;
}

kofn_status
kofn_job_describe_parts(const kofn_job *whole, kofn_msg_job *m, kofn_job_times *times,
                        kofn_error *err)
{
    const kofn_parts *parts = whole->parts;
    kofn_status status = kofn_wire_list_new(parts->primes, sizeof(kofn_msg_prime), &m->primes, err);
    if (parts->primes > 0) {
        m->tasks = 0; // so far those of one
        m->decodable = true;
    }
    for (size_t k = 0; k < parts->primes && !status; k++) {
        kofn_msg_job part;
        status = describe_part(&parts->at[k], &part, times, err);
        if (status)
            break;
        add_account(m, &part);
        fill_prime(whole, k, &part, (kofn_msg_prime *)m->primes.at + k);
    }
    if (status) // the holder clears what it was given: nothing
        kofn_message_clear(&kofn_job_message, m);
    return status;
}
