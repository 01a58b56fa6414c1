#include "master/jobs.h"
#include "master/operands.h"

#include <stdlib.h>

/* A stored operand of the order, and what the order leaves out of its description; nothing for one
 * whose blocks follow. */
static kofn_status
resolve_operand(kofn_operands *operands, char letter, const char *name, kofn_msg_matrix *matrix,
                bool *transpose, kofn_operand **ret_operand, kofn_error *err)
{
    const bool described = matrix->dtype[0] || matrix->rows || matrix->cols;
    if (!name[0] && described)
        return KOFN_OK;
    if (!name[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%c has neither a shape nor an operand: send its blocks with its shape, "
                         "or name a stored operand",
                         letter);
    kofn_operand *operand = kofn_operands_find(operands, name);
    if (!operand)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "operand '%s' for %c is not stored: it never was, it was dropped, or "
                         "nobody used it for too long",
                         name, letter);
    const kofn_bands *bands = kofn_operand_get_bands(operand);
    if (described && (kofn_dtype_parse(matrix->dtype) != bands->dtype ||
                      matrix->rows != bands->rows || matrix->cols != bands->cols))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%c is said to be %s of %zu x %zu, and operand %s is %s of %zu x %zu as "
                         "stored: leave the shape out",
                         letter, matrix->dtype, (size_t)matrix->rows, (size_t)matrix->cols, name,
                         kofn_dtype_name(bands->dtype), bands->rows, bands->cols);
    *matrix = (kofn_msg_matrix){.rows = bands->rows, .cols = bands->cols};
    snprintf(matrix->dtype, sizeof matrix->dtype, "%s", kofn_dtype_name(bands->dtype));
    *transpose = *transpose != kofn_operand_is_transposed(operand);
    *ret_operand = operand;
    return KOFN_OK;
}

static kofn_status
resolve_operands(kofn_master *master, kofn_msg_product *p, kofn_job *job, kofn_error *err)
{
    kofn_operand *a = NULL, *b = NULL;
    kofn_status status =
        resolve_operand(master->operands, 'A', p->operand_a, &p->a, &p->transpose_a, &a, err);
    if (!status)
        status =
            resolve_operand(master->operands, 'B', p->operand_b, &p->b, &p->transpose_b, &b, err);
    if (status)
        return status;
    if (a)
        kofn_operand_hold(a);
    if (b && b != a)
        kofn_operand_hold(b);
    job->stored[0] = a;
    job->stored[1] = b;
    return KOFN_OK;
}

/* Operands that are not stored, the product, and the answers and coded blocks that it takes to get
 * there: blocks out at once are bounded by the workers' credit, so twice the operands is what they
 * come to. */
static kofn_status
estimate_charge(const kofn_msg_product *product, const kofn_shape *shape,
                kofn_operand *const *stored, size_t *ret_bytes, kofn_error *err)
{
    size_t a, b, c;
    kofn_dtype dtype = kofn_dtype_parse(product->a.dtype);
    kofn_status status = kofn_mat_bytes(dtype, product->a.rows, product->a.cols, &a, err);
    if (!status)
        status = kofn_mat_bytes(dtype, product->b.rows, product->b.cols, &b, err);
    if (!status)
        status = kofn_mat_bytes(dtype, shape->rows, shape->cols, &c, err);
    if (status)
        return status;
    if (a > SIZE_MAX / 16 || b > SIZE_MAX / 16 || c > SIZE_MAX / 16)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "the operands are larger than any memory");
    *ret_bytes = sizeof(kofn_job) + (stored[0] ? 2 : 3) * a + (stored[1] ? 2 : 3) * b + 2 * c;
    return KOFN_OK;
}

static kofn_status
check_shapes(const kofn_msg_product *p, kofn_shape *ret_shape, kofn_error *err)
{
    const size_t a_inner = p->transpose_a ? p->a.rows : p->a.cols;
    const size_t b_inner = p->transpose_b ? p->b.cols : p->b.rows;
    if (a_inner != b_inner)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A has %zu columns and B has %zu rows (after transposition): they must be "
                         "equal to multiply",
                         a_inner, b_inner);
    *ret_shape = (kofn_shape){.rows = p->transpose_a ? p->a.cols : p->a.rows,
                              .inner = a_inner,
                              .cols = p->transpose_b ? p->b.rows : p->b.cols};
    return KOFN_OK;
}

static kofn_status
choose_field(const kofn_msg_product *p, const kofn_field **ret_field, kofn_error *err)
{
    if (strcmp(p->a.dtype, p->b.dtype) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A holds %s and B holds %s: convert one, operands must be of one dtype",
                         p->a.dtype, p->b.dtype);
    return kofn_field_choose(p->field, kofn_dtype_parse(p->a.dtype), ret_field, err);
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

/* What can be told from an order that names its code. */
static kofn_status
check_accept(const kofn_accept *accept, const kofn_code_spec *spec, const kofn_field *field,
             kofn_error *err)
{
    kofn_thresholds k;
    kofn_status status = kofn_code_spec_thresholds(spec, field, &k, err);
    if (status)
        return status;
    kofn_code code = {.threshold = k.exact, .enough = k.enough, .tasks = spec->tasks};
    snprintf(code.family, sizeof code.family, "%s", spec->family);
    return kofn_accept_check(accept, &code, err);
}

/* Is the configured code one of that field? It was chosen for real numbers; a job over a finite field
 * that it does not fit has its code left open. */
static bool
has_default(const kofn_master_config *config, const kofn_field *field)
{
    return field->order == 0 || kofn_code_spec_check(&config->code, field, NULL) == KOFN_OK;
}

/* The job's own spec, or the configured default where it names no family. */
static kofn_status
choose_spec(const kofn_master_config *config, const kofn_msg_product *p, const kofn_field *field,
            kofn_code_spec *ret_spec, kofn_error *err)
{
    kofn_status status = kofn_msg_code_to_spec(&p->code, ret_spec, err);
    if (status)
        return status;
    if (!ret_spec->family[0] && has_default(config, field)) {
        const kofn_code_spec asked = *ret_spec;
        *ret_spec = config->code;
        if (asked.has_seed)
            ret_spec->seed = asked.seed, ret_spec->has_seed = true;
        if (asked.part.x || asked.part.z || asked.part.y)
            ret_spec->part = asked.part;
        if (asked.tasks)
            ret_spec->tasks = asked.tasks;
    }
    if (!ret_spec->has_seed) { // a fixed default: the same job gives the same bits, and its code
        ret_spec->has_seed = true; // is found in the cache
        ret_spec->seed = 1;
    }
    return kofn_code_spec_check(ret_spec, field, err);
}

static kofn_status
check_room(const kofn_master *master, size_t charge, bool *ret_never, kofn_error *err)
{
    const size_t most = (size_t)master->config.jobs_max;
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(master->jobs, &totals);
    const size_t live = totals.running + totals.queued;
    kofn_status status = kofn_master_check_room(master, "this job", charge, ret_never, err);
    if (status)
        return status;
    if (live >= most)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%zu jobs are waiting or running, limits.jobs is %zu: try again later",
                         live, most);
    return KOFN_OK;
}

/* What the same key must come with again, however it was spelled on the wire. */
static kofn_status
identify_order(const kofn_job_order *order, kofn_job *job, kofn_error *err)
{
    job->keep = order->keep;
    snprintf(job->key, sizeof job->key, "%s", order->key);
    if (!order->key[0])
        return KOFN_OK;
    return kofn_message_pack(&kofn_product_message, order->product, &job->order, err);
}

static bool
is_same_order(const kofn_job *a, const kofn_job *b)
{
    return a->keep == b->keep && a->order.length == b->order.length &&
           memcmp(a->order.at, b->order.at, a->order.length) == 0;
}

/* Not a job that never got its blocks: whoever calls again with all of them comes sooner. */
static bool
is_useful(const kofn_job *job)
{
    return job->state == KOFN_JOB_PREPARING || job->state == KOFN_JOB_RUNNING ||
           job->state == KOFN_JOB_DECODING || job->has_product;
}

static kofn_status
find_known(kofn_jobs *jobs, const kofn_job_order *order, const kofn_job *like, kofn_job **ret_job,
           kofn_error *err)
{
    *ret_job = NULL;
    kofn_job *known = kofn_jobs_find_key(jobs, order->key);
    if (!known)
        return KOFN_OK;
    if (!is_same_order(known, like))
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "key '%s' belongs to job %s, which is another product: choose a new key",
                         order->key, known->name);
    if (is_useful(known))
        *ret_job = known;
    else
        kofn_jobs_forget_key(jobs, order->key); // run it anew under the same key
    return KOFN_OK;
}

/* A stored operand is there already, whole. */
static kofn_status
expect_operand(kofn_job *job, size_t operand, const kofn_msg_matrix *matrix, kofn_error *err)
{
    if (job->stored[operand])
        return kofn_assembler_have(&job->operands, kofn_operand_get_bands(job->stored[operand]),
                                   err);
    return kofn_assembler_expect(&job->operands, job->field->dtype, matrix->rows, matrix->cols,
                                 err);
}

/* What an order says, checked, in a record that is not listed yet. */
static kofn_status
fill_order(kofn_master *master, const kofn_job_order *order, kofn_job *job, kofn_error *err)
{
    const kofn_master_config *config = &master->config;
    kofn_msg_product p = *order->product;                         // borrows its list
    const char *policy = p.policy[0] ? p.policy : config->policy; // "auto" until the code is known
    kofn_status status = resolve_operands(master, &p, job, err);
    if (!status)
        status = choose_field(&p, &job->field, err);
    if (!status)
        status = check_shapes(&p, &job->shape, err);
    if (!status)
        status = estimate_charge(&p, &job->shape, job->stored, &job->charge, err);
    if (!status)
        status = choose_spec(config, &p, job->field, &job->spec, err);
    if (!status)
        status = kofn_master_policy_check(policy, err);
    if (!status)
        status = read_accept(&p, &job->accept, err);
    if (!status)
        status = check_accept(&job->accept, &job->spec, job->field, err);
    if (status)
        return status;

    job->master = master;
    job->session = order->session;
    job->deadline_ns = order->deadline_ns;
    job->transposed[0] = p.transpose_a;
    job->transposed[1] = p.transpose_b;
    snprintf(job->policy, sizeof job->policy, "%s", policy);
    TAILQ_INIT(&job->requests);
    kofn_assembler_init(&job->operands);
    job->times.accepted_ns = job->times.heard_ns = kofn_clock_ns();
    status = expect_operand(job, 0, &p.a, err);
    return status ? status : expect_operand(job, 1, &p.b, err);
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
    kofn_job *job = calloc(1, sizeof *job);
    if (!job)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another job");

    kofn_job *known = NULL;
    kofn_status status = identify_order(order, job, err);
    if (!status) // before all else: the operands that it names may be gone by now
        status = find_known(jobs, order, job, &known, err);
    if (!status && !known)
        status = fill_order(master, order, job, err);
    if (!status && !known)
        status = check_room(master, job->charge, ret_never, err);
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
