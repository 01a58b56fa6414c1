#include "common/base/hash.h"
#include "common/code/grouping.h"
#include "master/integers.h"
#include "master/jobs.h"
#include "master/keep.h"
#include "master/operands.h"
#include "master/streams.h"

#include <stdlib.h>

/* One operand as the order has it. */
typedef struct asked_operand {
    const char *stored; // id; "": its blocks follow
    kofn_msg_matrix matrix;
    bool transpose;
} asked_operand;

typedef struct operand_list {
    kofn_form form;
    size_t count;
    asked_operand operand[KOFN_OPERANDS_MAX];
} operand_list;

/* All operands of an order in one list. */
static kofn_status
list_operands(const kofn_msg_product *p, operand_list *ret_asked, kofn_error *err)
{
    operand_list list;
    const kofn_status status =
        kofn_msg_form_read(p->form, &p->further, &list.form, &list.count, err);
    if (status)
        return status;
    list.operand[0] =
        (asked_operand){.stored = p->operand_a, .matrix = p->a, .transpose = p->transpose_a};
    list.operand[1] =
        (asked_operand){.stored = p->operand_b, .matrix = p->b, .transpose = p->transpose_b};
    const kofn_msg_factor *further = p->further.at;
    for (size_t o = 2; o < list.count; o++, further++)
        list.operand[o] = (asked_operand){.stored = further->operand,
                                          .matrix = further->matrix,
                                          .transpose = further->transposed};
    *ret_asked = list;
    return KOFN_OK;
}

static const char *
name_operand(const operand_list *asked, size_t operand)
{
    return kofn_operand_name(asked->form == KOFN_OUTER_PRODUCT, operand);
}

/* A stored operand of the order, and what the order leaves out of its description; nothing for one
 * whose blocks follow. */
static kofn_status
resolve_operand(kofn_operands *operands, const kofn_asker *who, const char *which,
                asked_operand *asked, kofn_operand **ret_operand, kofn_error *err)
{
    /* Nobody asks: the order was accepted before, and one that was dropped since is held for it. */
    kofn_msg_matrix *matrix = &asked->matrix;
    const bool described = matrix->dtype[0] || matrix->rows || matrix->cols;
    if (asked->stored[0] && kofn_sparse_refuse(which, matrix, err) != KOFN_OK)
        return KOFN_UNIMPLEMENTED;
    if (!asked->stored[0] && described)
        return KOFN_OK;
    if (!asked->stored[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s has neither a shape nor an operand: send its blocks with its shape, "
                         "or name a stored operand",
                         which);
    kofn_operand *operand = who ? kofn_operands_find(operands, who, asked->stored)
                                : kofn_operands_find_kept(operands, asked->stored);
    if (!operand)
        return kofn_fail(err, who ? KOFN_NOT_FOUND : KOFN_DATA_LOSS,
                         "operand '%s' for %s is not stored: it never was, it was dropped, or "
                         "nobody used it for too long",
                         asked->stored, which);
    const kofn_bands *bands = kofn_operand_get_bands(operand);
    kofn_status status = kofn_operand_check_fit(operand, err);
    if (status)
        return status;
    if (described && (kofn_dtype_parse(matrix->dtype) != bands->dtype ||
                      matrix->rows != bands->rows || matrix->cols != bands->cols))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s is said to be %s of %zu x %zu, and operand %s is %s of %zu x %zu as "
                         "stored: leave the shape out",
                         which, matrix->dtype, (size_t)matrix->rows, (size_t)matrix->cols,
                         asked->stored, kofn_dtype_name(bands->dtype), bands->rows, bands->cols);
    *matrix = (kofn_msg_matrix){.rows = bands->rows, .cols = bands->cols};
    snprintf(matrix->dtype, sizeof matrix->dtype, "%s", kofn_dtype_name(bands->dtype));
    asked->transpose = asked->transpose != kofn_operand_is_transposed(operand);
    *ret_operand = operand;
    return KOFN_OK;
}

static bool
is_among(kofn_operand *const *operands, size_t count, const kofn_operand *operand)
{
    for (size_t i = 0; i < count; i++)
        if (operands[i] == operand)
            return true;
    return false;
}

/* Each stored operand is held once, however often it is named (kofn_job_release_work). */
static kofn_status
resolve_operands(kofn_master *master, const kofn_asker *who, operand_list *asked, kofn_job *job,
                 kofn_error *err)
{
    kofn_operand *found[KOFN_OPERANDS_MAX] = {NULL};
    kofn_status status = KOFN_OK;
    for (size_t o = 0; o < asked->count && !status; o++)
        status = resolve_operand(master->operands, who, name_operand(asked, o), &asked->operand[o],
                                 &found[o], err);
    if (status)
        return status;
    for (size_t o = 0; o < asked->count; o++) {
        job->stored[o] = found[o];
        job->transposed[o] = asked->operand[o].transpose;
        if (found[o] && !is_among(found, o, found[o]))
            kofn_operand_hold(found[o]);
    }
    return KOFN_OK;
}

/* Those of the order's operands that are sparse. */
static kofn_status
read_sparse(const operand_list *asked, const kofn_job_order *order, kofn_job *job, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    if (asked->form == KOFN_PRODUCT && !order->stream && !job->parts)
        return kofn_sparse_read(&asked->operand[0].matrix, &asked->operand[1].matrix,
                                &order->product->code, job, err);
    for (size_t o = 0; o < asked->count && !status; o++)
        status = kofn_sparse_refuse(name_operand(asked, o), &asked->operand[o].matrix, err);
    return status;
}

static size_t
count_batch_bytes(const kofn_batch *batch)
{
    if (!batch)
        return 0;
    const kofn_sums *sums[] = {&batch->side[0], &batch->side[1], &batch->weights};
    size_t bytes = sizeof *batch + batch->count * sizeof *batch->origin +
                   kofn_groupings_most_bytes(batch->count);
    for (size_t i = 0; i < 3; i++)
        bytes += (sums[i]->rows + 1) * sizeof(size_t) +
                 sums[i]->first[sums[i]->rows] * (sizeof(size_t) + sizeof(double));
    return bytes;
}

/* What an operand takes, and *ret_coded what it takes to code it. Of a sparse one the lists are
 * gathered, and the blocks charged when it is known what they are (sparse.c). */
static kofn_status
estimate_operand(const kofn_job *job, size_t operand, const kofn_msg_matrix *m, kofn_dtype dtype,
                 size_t *ret_bytes, size_t *ret_coded, kofn_error *err)
{
    const bool sparse = operand < 2 && job->sparse.is[operand];
    const kofn_status status = sparse ? kofn_csr_bytes(dtype, m->rows, m->elements, ret_bytes, err)
                                      : kofn_mat_bytes(dtype, m->rows, m->cols, ret_bytes, err);
    if (status)
        return status;
    if (*ret_bytes > SIZE_MAX / 128)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "the operands are larger than any memory");
    *ret_coded = sparse ? *ret_bytes : 2 * *ret_bytes;
    return KOFN_OK;
}

/* Operands that are not stored, the product, and the answers and coded blocks that it takes to get
 * there: blocks out at once are bounded by the workers' credit, so twice the operands is what they
 * come to. Of a product of integers: with one prime. */
static kofn_status
estimate_charge(const operand_list *asked, kofn_job *job, kofn_error *err)
{
    const kofn_dtype dtype = kofn_dtype_parse(asked->operand[0].matrix.dtype);
    const size_t width = kofn_dtype_width(dtype);
    size_t bytes[KOFN_OPERANDS_MAX], c, sum = sizeof(kofn_job) + count_batch_bytes(job->batch);
    kofn_status status = kofn_mat_bytes(kofn_integers_get_product_dtype(dtype), job->shape.rows,
                                        job->shape.cols, &c, err);
    for (size_t o = 0; o < asked->count && !status; o++) {
        size_t coded = 0;
        status = estimate_operand(job, o, &asked->operand[o].matrix, dtype, &bytes[o], &coded, err);
        if (!status && c > SIZE_MAX / 128)
            status = kofn_fail(err, KOFN_OUT_OF_RANGE, "the product is larger than any memory");
        if (!status)
            sum += (job->stored[o] ? 0 : bytes[o]) + (job->parts ? 0 : coded);
    }
    if (status)
        return status;
    job->charge =
        sum + (job->parts ? c + kofn_part_estimate_charge(bytes[0] / width, bytes[1] / width, c / 8)
                          : 2 * c);
    return KOFN_OK;
}

static kofn_status
check_product(const kofn_extents *e, kofn_shape *ret_shape, kofn_error *err)
{
    if (e->cols[0] != e->rows[1])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A has %zu columns and B has %zu rows (after transposition): they must be "
                         "equal to multiply",
                         e->cols[0], e->rows[1]);
    *ret_shape = (kofn_shape){.rows = e->rows[0], .inner = e->cols[0], .cols = e->cols[1]};
    return KOFN_OK;
}

static kofn_status
check_outer_product(const kofn_extents *e, kofn_shape *ret_shape, kofn_error *err)
{
    kofn_shape shape = {1, 1, 1};
    for (size_t o = 0; o < e->count; o++) {
        shape.rows = kofn_size_multiply(shape.rows, e->rows[o]);
        shape.cols = kofn_size_multiply(shape.cols, e->cols[o]);
    }
    if (shape.rows > KOFN_DIMENSION_MAX || shape.cols > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the outer product of these %zu operands has more than %d rows or columns",
                         e->count, KOFN_DIMENSION_MAX);
    *ret_shape = shape;
    return KOFN_OK;
}

static kofn_status
check_shapes(const operand_list *asked, kofn_job *job, kofn_error *err)
{
    kofn_extents e = {.count = asked->count};
    for (size_t o = 0; o < asked->count; o++) {
        const asked_operand *operand = &asked->operand[o];
        e.rows[o] = operand->transpose ? operand->matrix.cols : operand->matrix.rows;
        e.cols[o] = operand->transpose ? operand->matrix.rows : operand->matrix.cols;
    }
    job->outer = asked->form == KOFN_OUTER_PRODUCT;
    job->extents = e;
    const bool batch = job->batch && !kofn_sparse_is_any(&job->sparse);
    kofn_status status = batch        ? kofn_batch_get_shape(job->batch, &e, &job->shape, err)
                         : job->outer ? check_outer_product(&e, &job->shape, err)
                                      : check_product(&e, &job->shape, err);
    if (status)
        return status;
    const kofn_dtype dtype = kofn_dtype_parse(asked->operand[0].matrix.dtype);
    status = kofn_block_check_size(kofn_integers_get_product_dtype(dtype), job->shape.rows,
                                   job->shape.cols, err); // before any work is done for it
    return status ? kofn_fail_within(err, "the product") : KOFN_OK;
}

static kofn_status
choose_field(const char *name, const operand_list *asked, kofn_job *job, kofn_error *err)
{
    const char *first = asked->operand[0].matrix.dtype;
    for (size_t o = 1; o < asked->count; o++)
        if (strcmp(asked->operand[o].matrix.dtype, first) != 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "%s holds %s and %s holds %s: convert one, operands must be of one "
                             "dtype",
                             name_operand(asked, 0), first, name_operand(asked, o),
                             asked->operand[o].matrix.dtype);
    const kofn_dtype dtype = kofn_dtype_parse(first);
    bool integers;
    kofn_status status = kofn_integers_choose(name, dtype, &job->field, &integers, err);
    if (status || !integers)
        return status;
    if (asked->form != KOFN_PRODUCT)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s are not made of integers; take u32 elements and a field gfp:P, or f64",
                         asked->form == KOFN_OUTER_PRODUCT ? "outer products" : "batches");
    job->parts = calloc(1, sizeof *job->parts);
    if (!job->parts)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another job");
    job->parts->dtype = dtype;
    return KOFN_OK;
}

/* Which products a batch is of. */
static kofn_status
read_batch(const kofn_msg_product *p, const operand_list *asked, kofn_job *job, kofn_error *err)
{
    if (asked->form == KOFN_BATCH_OF_PRODUCTS) {
        const kofn_status status = kofn_msg_batch_to_batch(&p->batch, job->field, &job->batch, err);
        job->pairs = status ? 0 : job->batch->count;
        return status;
    }
    if (p->batch.pairs > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a batch of %" PRIu64 " pairs is given: say form batch", p->batch.pairs);
    return KOFN_OK;
}

/* What the client made the operands from, as far as it says so. */
static kofn_status
read_compression(const kofn_msg_product *p, kofn_job *job, kofn_error *err)
{
    if (!p->compression.method[0])
        return KOFN_OK;
    job->compression = p->compression;
    return kofn_msg_compression_check(&p->compression, job->shape.rows, job->shape.cols, err);
}

static kofn_status
check_no_integers(const operand_list *asked, kofn_error *err)
{
    const char *dtype = asked->operand[0].matrix.dtype;
    if (!kofn_integers_has_dtype(kofn_dtype_parse(dtype)))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "streams are not made of integers: convert %s elements to f64, or to u32 and "
                     "open the stream with a field gfp:P",
                     dtype);
}

static const struct {
    const char *name;
    kofn_accept_kind kind;
} accepts[] = {
    {"", KOFN_ACCEPT_PROMISE},
    {"exact", KOFN_ACCEPT_EXACT},
    {"error", KOFN_ACCEPT_ERROR},
};

const char *
kofn_job_accept_name(kofn_accept_kind kind)
{
    return accepts[kind].name;
}

static kofn_status
read_accept(const kofn_msg_product *p, kofn_accept *ret_accept, kofn_error *err)
{
    const size_t count = sizeof accepts / sizeof accepts[0];
    size_t i = 0;
    while (i < count && strcmp(accepts[i].name, p->accept) != 0)
        i++;
    if (i == count)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "accept '%s' is not known, need exact, error or nothing", p->accept);
    if (accepts[i].kind != KOFN_ACCEPT_ERROR && p->accept_error != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "accept_error is %g and accept is '%s': say accept error", p->accept_error,
                         p->accept);
    *ret_accept = (kofn_accept){
        .kind = accepts[i].kind,
        .error = p->accept_error,
        .best = p->deadline_best,
        .settle_ns = (int64_t)p->settle_ms * KOFN_NS_PER_MS, // a day at most
    };
    return KOFN_OK;
}

/* What of a spec can be told already: how many tasks suit sparse operands is known with their
 * pairs. */
static kofn_code_spec
get_known(const kofn_job *job, const kofn_code_spec *spec)
{
    kofn_code_spec known = *spec;
    if (job->sparse.uncut)
        known.tasks = known.reserve = 0;
    return known;
}

/* The I/O thread looks for no groups of pairs: what is wrong with those is told when a coder
 * does. */
static kofn_status
check_known(const kofn_code_spec *spec, const kofn_field *field, kofn_error *err)
{
    kofn_thresholds k;
    return kofn_code_spec_glance(spec, field, &k, err);
}

/* What can be told from an order that names its code. */
static kofn_status
check_accept(const kofn_accept *accept, const kofn_code_spec *spec, const kofn_field *field,
             kofn_error *err)
{
    kofn_thresholds k;
    if (accept->best && field->epsilon == 0)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "deadline_best: nothing is rounded in field %s, and where nothing is there "
            "are no estimates; leave it out",
            field->name);
    kofn_status status = kofn_code_spec_glance(spec, field, &k, err);
    if (status)
        return status;
    kofn_code code = {.threshold = k.exact, .enough = k.enough, .tasks = spec->tasks};
    kofn_accept told = *accept;
    told.liars = spec->tasks > 0 ? accept->liars : 0; // how many tasks there are is known later
    snprintf(code.family, sizeof code.family, "%s", spec->family);
    return kofn_accept_check(&told, &code, err);
}

/* On these terms its code is to be able to give the product; a default that stands in the way gives
 * way. */
static kofn_status
check_terms(kofn_job *job, kofn_error *err)
{
    const kofn_code_spec known = get_known(job, &job->spec);
    kofn_status status = check_accept(&job->accept, &known, job->field, err);
    if (status && kofn_job_yield_verify(job))
        status = check_accept(&job->accept, &known, job->field, err);
    return status;
}

/* The spec is for the job's form. */
static kofn_status
set_form(const kofn_job *job, kofn_code_spec *spec, kofn_error *err)
{
    if (job->batch)
        return kofn_code_spec_set_batch(spec, job->batch, err);
    return kofn_code_spec_set_form(spec, job->outer ? job->extents.count : 0, err);
}

/* Is the configured code one of the job's field and form? It was chosen for products of real
 * numbers; a job that it does not fit has its code left open. */
static bool
has_default(const kofn_code_spec *configured, const kofn_job *job)
{
    kofn_code_spec spec = *configured;
    const kofn_family *family = kofn_family_find(spec.family);
    if (family && family->only_batches && !job->batch)
        return false;
    if (family && family->searches &&
        spec.tasks > 0) // nobody has looked whether they do for this one
        return false;
    return set_form(job, &spec, NULL) == KOFN_OK &&
           ((job->field->order == 0 && !job->outer && !job->batch) ||
            check_known(&spec, job->field, NULL) == KOFN_OK);
}

/* The job's own spec, or the configured default where it names no family. */
static kofn_status
choose_spec(const kofn_master_config *config, const kofn_msg_product *p, const kofn_job *job,
            kofn_code_spec *ret_spec, kofn_error *err)
{
    kofn_code_spec asked = {0};
    kofn_status status = kofn_msg_code_to_spec(&p->code, &asked, err);
    if (job->sparse.uncut) // job->sparse.asked: of its pairs nothing is cut any more
        asked.part = (kofn_partition){0};
    if (!status)
        status = set_form(job, &asked, err);
    kofn_code_spec known = get_known(job, &asked);
    if (!status && kofn_code_spec_is_open(&asked)) // what only a named family can have
        status = check_known(&known, job->field, err);
    if (status)
        return status;
    kofn_code_spec spec = asked;
    if (!asked.family[0] && has_default(&config->code, job)) {
        spec = config->code;
        if (asked.has_seed)
            spec.seed = asked.seed, spec.has_seed = true;
        if (!kofn_code_spec_is_uncut(&asked))
            spec.part = asked.part, spec.parts = asked.parts;
        if (asked.tasks)
            spec.tasks = asked.tasks;
        status = set_form(job, &spec, err);
    }
    if (!spec.has_seed) {     // a fixed default: the same job gives the same bits, and its code is
        spec.has_seed = true; // found in the cache
        spec.seed = 1;
    }
    spec.algorithms = config->known;
    known = get_known(job, &spec);
    if (!status)
        status = check_known(&known, job->field, err);
    if (!status)
        *ret_spec = spec;
    return status;
}

/* A code from disk was checked before it was put there, but not by whoever changed it since. */
static kofn_status
check_kept_spec(kofn_job *job, kofn_error *err)
{
    kofn_status status = set_form(job, &job->spec, err);
    const kofn_code_spec known = get_known(job, &job->spec);
    if (!status)
        status = check_known(&known, job->field, err);
    return status;
}

static kofn_status
check_room(const kofn_master *master, size_t charge, bool *ret_never, kofn_error *err)
{
    const size_t most = (size_t)master->config.jobs_max;
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(master->jobs, &totals);
    const size_t live = totals.running + totals.queued;
    kofn_status status = kofn_master_check_room(master, "this job", 0, charge, ret_never, err);
    if (status)
        return status;
    if (live >= most)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu jobs are waiting or running, limits.jobs is %zu: try again later",
                         live, most);
    return KOFN_OK;
}

static kofn_order_digest
digest_order(const kofn_wire_buffer *order)
{
    kofn_order_digest digest;
    (void)crypto_generichash(digest.at, sizeof digest.at, order->at, order->length, NULL, 0);
    return digest;
}

/* What the same key must come with again, however it was spelled on the wire. The request itself is
 * for the disk alone. */
static kofn_status
identify_order(const kofn_master *master, const kofn_job_order *order, kofn_job *job,
               kofn_error *err)
{
    job->keep = order->keep;
    snprintf(job->owner, sizeof job->owner, "%s",
             order->stream ? kofn_stream_get_owner(order->stream) : order->asker->key);
    job->key = kofn_owned_key_make(job->owner, order->key);
    const bool to_disk = order->keep && master->keep;
    if (!order->key[0] && !to_disk)
        return KOFN_OK;
    const kofn_status status =
        kofn_message_pack(&kofn_product_message, order->product, &job->order, err);
    if (!status)
        job->digest = digest_order(&job->order);
    if (!to_disk)
        kofn_wire_buffer_fini(&job->order);
    return status;
}

static bool
is_same_order(const kofn_job *a, const kofn_job *b)
{
    return a->keep == b->keep && memcmp(&a->digest, &b->digest, sizeof a->digest) == 0;
}

/* Not a job that never got its blocks: whoever calls again with all of them comes sooner. */
static bool
is_useful(const kofn_job *job)
{
    return job->state == KOFN_JOB_STORING || job->state == KOFN_JOB_PREPARING ||
           job->state == KOFN_JOB_RUNNING || job->state == KOFN_JOB_DECODING ||
           job->state == KOFN_JOB_BLOCKED || job->has_product;
}

static kofn_status
find_known(kofn_jobs *jobs, const kofn_job_order *order, const kofn_job *like, kofn_job **ret_job,
           kofn_error *err)
{
    *ret_job = NULL;
    kofn_job *known = kofn_jobs_find_key(jobs, &like->key);
    if (!known)
        return KOFN_OK;
    if (!is_same_order(known, like))
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "key '%s' belongs to job %s, which is another product: choose a new key",
                         order->key, known->name);
    if (is_useful(known))
        *ret_job = known;
    else
        kofn_jobs_forget_key(jobs, known); // run it anew under the same key
    return KOFN_OK;
}

/* A stored operand is there already, whole; if only on disk, its place is taken. */
static kofn_status
expect_operand(kofn_job *job, size_t operand, kofn_error *err)
{
    static const kofn_bands empty = {.dtype = KOFN_DTYPE_NONE};
    const kofn_operand *stored = job->stored[operand];
    if (job->on_disk || (stored && !kofn_operand_is_loaded(stored))) {
        job->absent |= 1U << operand;
        return kofn_assembler_have(&job->operands, &empty, err);
    }
    if (stored)
        return kofn_assembler_have(&job->operands, kofn_operand_get_bands(stored), err);
    const kofn_bands like = kofn_job_describe_matrix(job, operand);
    return kofn_assembler_expect(&job->operands, like.dtype, like.rows, like.cols, err);
}

static kofn_status
find_spec(const kofn_master_config *config, const kofn_job_order *order, kofn_job *job,
          kofn_error *err)
{
    if (job->on_disk) // it was chosen
        return check_kept_spec(job, err);
    if (!order->stream)
        return choose_spec(config, order->product, job, &job->spec, err);
    job->spec = *kofn_stream_get_spec(order->stream);
    kofn_code_spec all = job->spec; // its plain rows as well
    all.tasks = kofn_stream_get_code(order->stream)->tasks;
    job->charge += kofn_code_count_bytes(&all, job->field, true);
    return KOFN_OK;
}

/* What is multiplied. */
static kofn_status
fill_operands(kofn_master *master, const kofn_job_order *order, operand_list *asked, kofn_job *job,
              kofn_error *err)
{
    const kofn_msg_product *p = order->product;
    kofn_status status = list_operands(p, asked, err);
    if (!status)
        status = resolve_operands(master, job->on_disk ? NULL : order->asker, asked, job, err);
    if (!status && order->stream)
        status = check_no_integers(asked, err);
    if (!status)
        status = choose_field(p->field, asked, job, err);
    if (!status)
        status = read_batch(p, asked, job, err);
    if (!status)
        status = read_sparse(asked, order, job, err);
    if (!status)
        status = check_shapes(asked, job, err);
    if (!status)
        status = read_compression(p, job, err);
    return status ? status : estimate_charge(asked, job, err);
}

/* On which terms: by which code and policy, when it is over, and what is checked. */
static kofn_status
fill_terms(const kofn_master_config *config, const kofn_job_order *order, const char *policy,
           kofn_job *job, kofn_error *err)
{
    kofn_status status = find_spec(config, order, job, err);
    if (!status && !order->stream)
        status = kofn_master_policy_check(policy, err);
    if (!status)
        status = read_accept(order->product, &job->accept, err);
    if (!status)
        status = kofn_verify_read(order, job, err);
    if (!status && !order->stream) // its code is what its stream says
        status = check_terms(job, err);
    return status;
}

/* What an order says, checked, in a record that is not listed yet. */
static kofn_status
fill_order(kofn_master *master, const kofn_job_order *order, kofn_job *job, kofn_error *err)
{
    const kofn_master_config *config = &master->config;
    const kofn_msg_product *p = order->product;
    const char *own = p->policy[0] ? p->policy : config->policy; // "auto" until the code is known
    const char *policy = order->stream ? "rounds" : own;
    operand_list asked;
    TAILQ_INIT(&job->requests);
    job->session = order->session;
    job->deadline_ns = order->deadline_ns;
    snprintf(job->policy, sizeof job->policy, "%s", policy);
    kofn_assembler_init(&job->operands);
    job->times.accepted_ns = job->times.heard_ns = kofn_clock_ns();
    kofn_status status = fill_operands(master, order, &asked, job, err);
    if (!status)
        status = fill_terms(config, order, policy, job, err);
    const size_t lists = 2 * ((size_t)job->sparse.is[0] + job->sparse.is[1]);
    for (size_t o = 0; o < asked.count + lists && !status; o++)
        status = expect_operand(job, o, err);
    return status;
}

/* Only what comes with the order goes to disk with it. */
static uint64_t
count_own_bytes(const kofn_job *job)
{
    uint64_t bytes = job->order.length;
    for (size_t o = 0; o < job->operands.count; o++) {
        const kofn_bands *m = &job->operands.mat[o];
        bytes += job->stored[o] ? 0 : m->rows * m->cols * kofn_dtype_width(m->dtype);
    }
    return bytes;
}

/* Where the disk is full, products that were fetched go, for whoever tries again. */
static kofn_status
check_disk(kofn_master *master, const kofn_job *job, kofn_error *err)
{
    if (!job->keep)
        return KOFN_OK;
    const uint64_t bytes = count_own_bytes(job);
    const kofn_status status = kofn_keep_check_room(master->keep, bytes, err);
    if (status)
        kofn_jobs_yield_disk(master->jobs, bytes);
    return status;
}

/* Of a stream: what is wrong with an order is its job's own end, and not that of those behind it.
 * What may pass is none. */
static kofn_status
take_place(const kofn_job_order *order, kofn_status status, kofn_job *job, const kofn_error *why)
{
    if (!order->stream)
        return status;
    job->stream = order->stream;
    job->held_back = true;
    job->index = order->index;
    snprintf(job->stream_name, sizeof job->stream_name, "%s", kofn_stream_get_name(order->stream));
    if (!status || status == KOFN_RESOURCE_EXHAUSTED || status == KOFN_UNAVAILABLE)
        return status;
    job->error = *why;
    job->charge = 0;
    return KOFN_OK;
}

/* And so is that it will never fit: those behind it may. */
static kofn_status
check_place(const kofn_master *master, const kofn_job_order *order, kofn_job *job, bool *ret_never,
            kofn_error *err)
{
    const kofn_status status = check_room(master, job->charge, ret_never, err);
    if (!order->stream || !*ret_never)
        return status;
    *ret_never = false;
    job->error = *err;
    job->charge = 0; // nothing of it is held
    return KOFN_OK;
}

kofn_status
kofn_jobs_accept(kofn_jobs *jobs, const kofn_job_order *order, kofn_job **ret_job, bool *ret_known,
                 bool *ret_never, kofn_error *err)
{
    *ret_never = false;
    kofn_master *master = kofn_jobs_get_master(jobs);
    if (master->draining)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the master is stopping: try again in a moment");
    kofn_jobs_trim(jobs);
    kofn_job *job = kofn_jobs_new_record(jobs);
    if (!job)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another job");

    kofn_job *known = NULL;
    kofn_status status = identify_order(master, order, job, err);
    if (!status) // before all else: the operands that it names may be gone by now
        status = find_known(jobs, order, job, &known, err);
    if (!status && !known)
        status = take_place(order, fill_order(master, order, job, err), job, err);
    if (!status && !known)
        status = check_place(master, order, job, ret_never, err);
    if (!status && !known)
        status = check_disk(master, job, err);
    if (!status && !known)
        status = kofn_jobs_add(jobs, job, err);
    if (status || known)
        kofn_job_destroy(&job);
    if (status)
        return status;
    *ret_known = known != NULL;
    *ret_job = known ? known : job;
    return KOFN_OK;
}

/* ---- from the disk --------------------------------------------------------------------------- */

static kofn_status
copy_order(const kofn_kept_job *kept, kofn_job *job, kofn_error *err)
{
    job->order.at = malloc(kept->order.length + 1);
    if (!job->order.at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a job that was kept");
    if (kept->order.length > 0)
        memcpy(job->order.at, kept->order.bytes, kept->order.length);
    job->order.length = kept->order.length;
    job->order.capacity = kept->order.length + 1;
    job->digest = digest_order(&job->order);
    return KOFN_OK;
}

static kofn_status
new_restored(kofn_jobs *jobs, const kofn_kept_job *kept, kofn_job **ret_job, kofn_error *err)
{
    kofn_job *job = kofn_jobs_new_record(jobs);
    if (!job || copy_order(kept, job, err) != KOFN_OK) {
        kofn_jobs_free_record(jobs, job);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a job that was kept");
    }
    job->id = kept->id;
    job->keep = job->durable = true;
    job->on_disk = !kept->stale;
    snprintf(job->owner, sizeof job->owner, "%s", kept->owner);
    job->key = kofn_owned_key_make(job->owner, kept->key);
    job->deadline_ns = kept->deadline_ns;
    TAILQ_INIT(&job->requests);
    *ret_job = job;
    return KOFN_OK;
}

/* Whose turn it takes: its client's connection is gone, so its owner's. Connections are counted
 * from 1, and never come to the highest bit. */
static uint64_t
number_owner(const char *owner)
{
    return kofn_hash_text(owner) | (uint64_t)1 << 63;
}

/* A master with less memory than the one before takes up those of its jobs that fit, the oldest
 * first: others would have to fail. */
static kofn_status
check_restored_room(const kofn_job *job, kofn_error *err)
{
    const size_t limit = job->master->config.memory, used = kofn_master_get_charge(job->master);
    if (job->charge <= limit && used <= limit - job->charge)
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "it needs about %zu MiB, and those before it hold %zu of the %zu MiB of "
                     "limits.memory: raise that",
                     job->charge >> 20, used >> 20, limit >> 20);
}

kofn_status
kofn_jobs_restore(kofn_jobs *jobs, const kofn_kept_job *kept, kofn_error *err)
{
    kofn_master *master = kofn_jobs_get_master(jobs);
    kofn_job *job;
    kofn_status status = new_restored(jobs, kept, &job, err);
    if (status)
        return status;
    const kofn_job_order order = {.product = kept->product,
                                  .key = kept->key,
                                  .session = number_owner(kept->owner),
                                  .deadline_ns = kept->deadline_ns,
                                  .keep = true,
                                  .verify = kept->verify,
                                  .liars = kept->liars};
    job->state = KOFN_JOB_STORING;
    job->attempts = kept->attempts;
    job->spec = kept->spec;
    job->spec.algorithms = master->config.known;
    job->choice_on_disk = kofn_code_spec_is_complete(&job->spec);
    status = fill_order(master, &order, job, err);
    job->times.accepted_ns = kept->accepted_ns;
    snprintf(job->policy, sizeof job->policy, "%s", kept->policy);
    if (!status)
        status = check_restored_room(job, err);
    if (!status)
        status = kofn_master_policy_check(kept->policy, err);
    if (!status)
        status = kofn_jobs_add(jobs, job, err);
    if (status)
        kofn_job_destroy(&job);
    return status;
}

/* Those that are there: dropped ones, too, stay for it. */
static void
hold_named(kofn_job *job, const kofn_msg_product *p)
{
    operand_list asked;
    if (list_operands(p, &asked, NULL) != KOFN_OK)
        return; // it names none that this master could know
    for (size_t o = 0; o < asked.count; o++) {
        kofn_operand *operand =
            asked.operand[o].stored[0]
                ? kofn_operands_find_kept(job->master->operands, asked.operand[o].stored)
                : NULL;
        if (operand && !is_among(job->stored, o, operand))
            kofn_operand_hold(operand);
        job->stored[o] = operand;
    }
}

kofn_status
kofn_jobs_restore_blocked(kofn_jobs *jobs, const kofn_kept_job *kept, const kofn_error *why,
                          kofn_error *err)
{
    kofn_job *job;
    kofn_status status = new_restored(jobs, kept, &job, err);
    if (status)
        return status;
    job->state = KOFN_JOB_BLOCKED;
    job->compression = kept->product->compression;
    job->spec = kept->spec;
    job->times.accepted_ns = kept->accepted_ns;
    snprintf(job->policy, sizeof job->policy, "%s", kept->policy);
    kofn_fail(&job->error, KOFN_FAILED_PRECONDITION,
              "the job stays on disk until a master is started that can take it up: %.400s",
              why->text);
    hold_named(job, kept->product);
    status = kofn_jobs_add(jobs, job, err);
    if (status)
        kofn_job_destroy(&job);
    return status;
}

kofn_status
kofn_jobs_restore_ended(kofn_jobs *jobs, const kofn_kept_job *kept, kofn_error *err)
{
    kofn_job *job;
    kofn_status status = new_restored(jobs, kept, &job, err);
    if (status)
        return status;
    job->state = kept->state;
    job->lost = kept->lost;
    job->times.accepted_ns = kept->accepted_ns;
    job->times.ended_ns = kept->ended_ns;
    job->error.status = (kofn_status)kept->account->status;
    snprintf(job->error.text, sizeof job->error.text, "%s",
             kept->account->message[0] ? kept->account->message
                                       : kofn_status_name(job->error.status));
    job->has_product = job->product_on_disk = job->product_away = kept->has_product;
    kofn_bands_init(&job->product, kept->dtype, kept->rows, kept->cols);
    status = kofn_message_pack(&kofn_job_message, kept->account, &job->account, err);
    job->charge = kofn_job_count_kept_bytes(job);
    if (!status)
        status = kofn_jobs_add(jobs, job, err);
    if (status)
        kofn_job_destroy(&job);
    return status;
}
