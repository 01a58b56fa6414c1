/* Peel, then solve. A plain answer is a block product itself: it gives its column of G, and costs no
 * arithmetic. What is left when all plain answers are peeled off is a smaller problem:
 *
 *               known   unknown
 *     plain   [   I        0    ]       D_coded U = T on the unknown columns   (the span)
 *     coded   [   K        U    ]       D_plain   = T - D_coded K              (known columns)
 *
 * For a systematic code that lost s tasks it is s x s. For a code without plain tasks, all of it.
 * While there are fewer coded answers than open targets (targets with an unknown column), and the
 * targets share no column, no rank argument can succeed and the span is not even built.
 */
#include "common/code/decoder.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t NONE = SIZE_MAX;

/* A set of answers with its plain ones peeled off. */
typedef struct peel {
    size_t *giver; // [columns] the task whose plain answer this column is, or NONE
    size_t *left;  // [targets] columns of the target that are not known
    size_t *coded; // [n] tasks that are not plain, as they were added
    size_t coded_count;
    size_t known; // columns
    size_t open;  // targets with columns left
} peel;

/* The problem that is left: coded rows and open targets, on the unknown columns. */
typedef struct rest {
    size_t cols, *col;       // unknown columns of G
    size_t targets, *target; // open targets
    double *row;             // [cols] room for one
    kofn_span *span;         // of the coded rows; NULL: not built
} rest;

enum { ABSENT, ANSWERED, MARKED }; // of a task; MARKED is used within one call only

struct kofn_decoder {
    kofn_code *code;
    double max_amplification;
    kofn_decode_state state;
    unsigned char *has; // [n] ABSENT or ANSWERED
    size_t *task;       // [n] answers in the order of their arrival
    size_t *column;     // [n] the column that answer gives, NONE for coded ones
    size_t count;
    size_t settled;      // answers when the state became EXACT: later ones are not looked at
    size_t *first, *who; // targets with column c: who[first[c]] to who[first[c + 1] - 1]
    bool disjoint;       // no column belongs to two targets
    peel peel;
    rest rest;
    kofn_decode_plan plan; // the best so far; used == 0: none, or not needed yet
};

/* ---- peel ------------------------------------------------------------------------------------- */

static kofn_status
peel_init(peel *p, const kofn_code *code, kofn_error *err)
{
    const size_t columns = kofn_code_columns(code), targets = code->targets.rows;
    *p = (peel){.giver = malloc((columns + targets + code->tasks) * sizeof(size_t))};
    if (!p->giver)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         columns);
    p->left = p->giver + columns;
    p->coded = p->left + targets;
    return KOFN_OK;
}

static void
peel_fini(peel *p)
{
    free(p->giver);
}

static void
peel_copy(peel *p, const kofn_code *code, const peel *from)
{
    memcpy(p->giver, from->giver, kofn_code_columns(code) * sizeof *p->giver);
    memcpy(p->left, from->left, code->targets.rows * sizeof *p->left);
    memcpy(p->coded, from->coded, from->coded_count * sizeof *p->coded);
    p->coded_count = from->coded_count;
    p->known = from->known;
    p->open = from->open;
}

/* The answer of `task`, which is a plain copy of `column` or coded (NONE). */
static void
peel_add(peel *p, const kofn_decoder *d, size_t task, size_t column)
{
    if (column == NONE) {
        p->coded[p->coded_count++] = task;
        return;
    }
    if (p->giver[column] != NONE)
        return; // a second copy
    p->giver[column] = task;
    p->known++;
    for (size_t i = d->first[column]; i < d->first[column + 1]; i++)
        if (--p->left[d->who[i]] == 0)
            p->open--;
}

/* Undo the peel_add that came last. */
static void
peel_take_back(peel *p, const kofn_decoder *d, size_t task, size_t column)
{
    if (column == NONE) {
        p->coded_count--;
        return;
    }
    if (p->giver[column] != task)
        return;
    p->giver[column] = NONE;
    p->known--;
    for (size_t i = d->first[column]; i < d->first[column + 1]; i++)
        if (p->left[d->who[i]]++ == 0)
            p->open++;
}

/* False when no linear algebra could cover the open targets. Their parts on the unknown columns are
 * independent when they share none, and need as many coded rows. */
static bool
peel_may_suffice(const peel *p, const kofn_decoder *d)
{
    return p->coded_count > 0 && (!d->disjoint || p->coded_count >= p->open);
}

/* ---- rest ------------------------------------------------------------------------------------- */

static void
rest_fini(rest *r)
{
    kofn_span_destroy(&r->span);
    free(r->col);
    free(r->row);
    *r = (rest){0};
}

static kofn_status
rest_add(rest *r, const kofn_code *code, size_t task, kofn_error *err)
{
    const kofn_field *f = code->field;
    const double *a = kofn_code_get_row(code, 0, task);
    const double *b = kofn_code_get_row(code, 1, task);
    const size_t b_blocks = code->e[1].cols;
    for (size_t i = 0; i < r->cols; i++)
        r->row[i] = f->multiply(f, a[r->col[i] / b_blocks], b[r->col[i] % b_blocks]);
    bool grew;
    return kofn_span_add(r->span, r->row, &grew, err);
}

static void
list_rest(rest *r, const kofn_code *code, const peel *p)
{
    size_t n = 0;
    for (size_t c = 0; c < kofn_code_columns(code); c++)
        if (p->giver[c] == NONE)
            r->col[n++] = c;
    n = 0;
    for (size_t t = 0; t < code->targets.rows; t++)
        if (p->left[t] > 0)
            r->target[n++] = t;
}

static kofn_status
create_span(rest *r, const kofn_code *code, kofn_error *err)
{
    double *targets = malloc(r->targets * r->cols * sizeof *targets);
    if (!targets)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu open targets",
                         r->targets);
    for (size_t t = 0; t < r->targets; t++) {
        const double *from = code->targets.at + r->target[t] * code->targets.cols;
        for (size_t i = 0; i < r->cols; i++)
            targets[t * r->cols + i] = from[r->col[i]];
    }
    const kofn_status status =
        kofn_span_new(code->field, r->cols, r->targets, targets, &r->span, err);
    free(targets);
    return status;
}

/* The span of p's coded rows, which has open targets. */
static kofn_status
rest_init(rest *r, const kofn_code *code, const peel *p, kofn_error *err)
{
    *r = (rest){.cols = kofn_code_columns(code) - p->known, .targets = p->open};
    r->col = malloc((r->cols + r->targets) * sizeof *r->col);
    r->row = malloc(r->cols * sizeof *r->row);
    kofn_status status = KOFN_OK;
    if (!r->col || !r->row) {
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns", r->cols);
        goto out;
    }
    r->target = r->col + r->cols;
    list_rest(r, code, p);
    status = create_span(r, code, err);
    for (size_t i = 0; i < p->coded_count && !status; i++)
        status = rest_add(r, code, p->coded[i], err);
out:
    if (status)
        rest_fini(r);
    return status;
}

/* ---- life ------------------------------------------------------------------------------------- */

/* Which targets have which column, and whether any column has two. */
static kofn_status
index_targets(kofn_decoder *d, kofn_error *err)
{
    const kofn_coefs *t = &d->code->targets;
    size_t entries = 0;
    for (size_t i = 0; i < t->rows * t->cols; i++)
        entries += t->at[i] != 0;
    d->first = calloc(t->cols + 2 + entries, sizeof *d->first);
    if (!d->first)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         t->cols);
    d->who = d->first + t->cols + 2;

    /* Counting sort by column: counts one place ahead, so that filling in leaves the starts. */
    for (size_t i = 0; i < t->rows * t->cols; i++)
        if (t->at[i] != 0) {
            d->first[i % t->cols + 2]++;
            d->peel.left[i / t->cols]++;
        }
    d->disjoint = true;
    for (size_t c = 0; c < t->cols; c++) {
        d->disjoint = d->disjoint && d->first[c + 2] <= 1;
        d->first[c + 2] += d->first[c + 1];
    }
    for (size_t i = 0; i < t->rows * t->cols; i++)
        if (t->at[i] != 0)
            d->who[d->first[i % t->cols + 1]++] = i / t->cols;
    return KOFN_OK;
}

static kofn_status
fill_decoder(kofn_decoder *d, kofn_error *err)
{
    const kofn_code *code = d->code;
    kofn_status status = peel_init(&d->peel, code, err);
    if (status)
        return status;
    for (size_t c = 0; c < kofn_code_columns(code); c++)
        d->peel.giver[c] = NONE;
    memset(d->peel.left, 0, code->targets.rows * sizeof *d->peel.left);
    status = index_targets(d, err);
    if (status)
        return status;
    for (size_t t = 0; t < code->targets.rows; t++)
        d->peel.open += d->peel.left[t] > 0;

    d->task = malloc(2 * code->tasks * sizeof *d->task);
    d->has = calloc(code->tasks, sizeof *d->has);
    if (!d->task || !d->has)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu tasks",
                         code->tasks);
    d->column = d->task + code->tasks;
    return KOFN_OK;
}

kofn_status
kofn_decoder_new(kofn_code *code, double max_amplification, kofn_decoder **ret_decoder,
                 kofn_error *err)
{
    kofn_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory");
    d->code = kofn_code_ref(code);
    d->max_amplification = max_amplification;
    if (code->field->epsilon == 0)
        d->max_amplification = INFINITY;
    else if (max_amplification == 0)
        d->max_amplification = pow(code->field->epsilon, -5.0 / 16);

    const kofn_status status = fill_decoder(d, err);
    if (status) {
        kofn_decoder_destroy(&d);
        return status;
    }
    if (d->peel.open == 0)
        d->state = KOFN_DECODE_EXACT; // all targets are zero
    *ret_decoder = d;
    return KOFN_OK;
}

void
kofn_decoder_destroy(kofn_decoder **decoder_p)
{
    kofn_decoder *d = *decoder_p;
    *decoder_p = NULL;
    if (!d)
        return;
    kofn_decode_plan_fini(&d->plan);
    rest_fini(&d->rest);
    peel_fini(&d->peel);
    free(d->first);
    free(d->task);
    free(d->has);
    kofn_code_destroy(&d->code);
    free(d);
}

/* ---- plans ------------------------------------------------------------------------------------ */

static double
norm(const double *at, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += at[i] * at[i];
    return sqrt(sum);
}

/* max over targets t of sum_u |D[t,u]| |g_u| / |T_t|. The norm of a Kronecker product is the product
 * of the norms. */
static kofn_status
measure_amplification(const kofn_code *code, kofn_decode_plan *plan, kofn_error *err)
{
    double *growth = calloc(plan->targets, sizeof *growth);
    if (!growth)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu targets",
                         plan->targets);
    for (size_t u = 0; u < plan->used; u++) {
        const double size = norm(kofn_code_get_row(code, 0, plan->task[u]), code->e[0].cols) *
                            norm(kofn_code_get_row(code, 1, plan->task[u]), code->e[1].cols);
        for (size_t t = 0; t < plan->targets; t++)
            growth[t] += fabs(plan->coef[t * plan->used + u]) * size;
    }
    double worst = 0;
    for (size_t t = 0; t < plan->targets; t++) {
        growth[t] /= norm(code->targets.at + t * code->targets.cols, code->targets.cols);
        worst = growth[t] > worst ? growth[t] : worst;
    }
    free(growth);
    plan->quality.amplification = worst;
    return KOFN_OK;
}

/* Column u of D for a plain answer: T - D_coded K on the column that it gives. */
static void
fill_plain(const kofn_decoder *d, size_t column, const double *d_coded, double *ret_d,
           size_t stride)
{
    const kofn_code *code = d->code;
    const kofn_field *f = code->field;
    const size_t b_blocks = code->e[1].cols;
    for (size_t i = d->first[column]; i < d->first[column + 1]; i++)
        ret_d[d->who[i] * stride] = code->targets.at[d->who[i] * code->targets.cols + column];

    for (size_t r = 0; r < d->peel.coded_count && d->rest.targets > 0; r++) {
        const size_t task = d->peel.coded[r];
        const double k = f->multiply(f, kofn_code_get_row(code, 0, task)[column / b_blocks],
                                     kofn_code_get_row(code, 1, task)[column % b_blocks]);
        if (k == 0)
            continue;
        for (size_t t = 0; t < d->rest.targets; t++) {
            const double coef = d_coded[t * d->peel.coded_count + r];
            double *at = ret_d + d->rest.target[t] * stride;
            if (coef != 0)
                *at = f->add(f, *at, f->negate(f, f->multiply(f, coef, k)));
        }
    }
}

/* D over the first `count` answers, zeros included. d_coded [open targets, coded answers]. */
static void
fill_all(const kofn_decoder *d, size_t count, const double *d_coded, double *ret_d)
{
    size_t coded = 0;
    for (size_t u = 0; u < count; u++) {
        const size_t column = d->column[u];
        if (column == NONE) {
            for (size_t t = 0; t < d->rest.targets; t++)
                ret_d[d->rest.target[t] * count + u] = d_coded[t * d->peel.coded_count + coded];
            coded++;
        } else if (d->peel.giver[column] == d->task[u]) {
            fill_plain(d, column, d_coded, ret_d + u, count);
        }
    }
}

/* Keep the answers that some target needs, in place. */
static void
drop_unused(kofn_decode_plan *plan, size_t count)
{
    size_t used = 0;
    for (size_t u = 0; u < count; u++) {
        bool needed = false;
        for (size_t t = 0; t < plan->targets && !needed; t++)
            needed = plan->coef[t * count + u] != 0;
        if (needed)
            plan->task[used++] = u; // its place among the answers, for now
    }
    for (size_t t = 0; t < plan->targets; t++) // only ever moves towards the front
        for (size_t u = 0; u < used; u++)
            plan->coef[t * used + u] = plan->coef[t * count + plan->task[u]];
    plan->used = used;
}

static kofn_status
plan_alloc(kofn_decode_plan *plan, size_t targets, size_t count, kofn_error *err)
{
    *plan = (kofn_decode_plan){.targets = targets, .used = count};
    plan->task = calloc(count + 1, sizeof *plan->task);
    plan->coef = calloc(targets * count + 1, sizeof *plan->coef);
    if (plan->task && plan->coef)
        return KOFN_OK;
    kofn_decode_plan_fini(plan);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for a plan of %zu answers",
                     count);
}

/* The plan for the first `count` answers. Without open targets d_coded is not read. */
static kofn_status
make_plan(const kofn_decoder *d, size_t count, const double *d_coded, kofn_span_quality quality,
          kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_decode_plan plan;
    kofn_status status = plan_alloc(&plan, d->code->targets.rows, count, err);
    if (status)
        return status;
    fill_all(d, count, d_coded, plan.coef);
    drop_unused(&plan, count);
    for (size_t u = 0; u < plan.used; u++)
        plan.task[u] = d->task[plan.task[u]];
    plan.quality = quality;
    if (d->code->field->epsilon != 0)
        status = measure_amplification(d->code, &plan, err);
    if (status)
        kofn_decode_plan_fini(&plan);
    else
        *ret_plan = plan;
    return status;
}

/* The span covers all open targets: solve, and keep the plan if it is the best so far. */
static kofn_status
solve(kofn_decoder *d, kofn_error *err)
{
    double *d_coded = malloc(d->rest.targets * d->peel.coded_count * sizeof *d_coded);
    if (!d_coded)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu coded answers",
                         d->peel.coded_count);
    kofn_span_quality quality;
    kofn_decode_plan plan;
    kofn_status status = kofn_span_solve(d->rest.span, d_coded, &quality, err);
    if (!status)
        status = make_plan(d, d->count, d_coded, quality, &plan, err);
    free(d_coded);
    if (status)
        return status;

    if (d->plan.used > 0 && !(plan.quality.amplification < d->plan.quality.amplification)) {
        kofn_decode_plan_fini(&plan);
        return KOFN_OK;
    }
    kofn_decode_plan_fini(&d->plan);
    d->plan = plan;
    d->state =
        plan.quality.amplification <= d->max_amplification ? KOFN_DECODE_EXACT : KOFN_DECODE_POOR;
    return KOFN_OK;
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* Work out the state after answer `task` was peeled. `plain`: the unknown columns changed. */
static kofn_status
settle(kofn_decoder *d, size_t task, bool plain, kofn_error *err)
{
    if (d->peel.open == 0) {
        kofn_decode_plan_fini(&d->plan); // made when it is asked for: all copies and sums
        rest_fini(&d->rest);
        d->state = KOFN_DECODE_EXACT;
        return KOFN_OK;
    }
    if (!peel_may_suffice(&d->peel, d))
        return KOFN_OK;

    kofn_status status;
    if (!d->rest.span || plain) {
        rest_fini(&d->rest);
        status = rest_init(&d->rest, d->code, &d->peel, err);
    } else {
        status = rest_add(&d->rest, d->code, task, err);
    }
    if (status || kofn_span_missing(d->rest.span) > 0)
        return status;
    return solve(d, err);
}

kofn_status
kofn_decoder_add(kofn_decoder *d, size_t task, kofn_error *err)
{
    if (task >= d->code->tasks)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "decoder: task %zu, the code has %zu", task,
                         d->code->tasks);
    if (d->has[task])
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "decoder: task %zu was answered before", task);

    const size_t column = kofn_code_plain_column(d->code, task);
    d->has[task] = ANSWERED;
    d->task[d->count] = task;
    d->column[d->count++] = column;
    if (d->state == KOFN_DECODE_EXACT)
        return KOFN_OK;

    peel_add(&d->peel, d, task, column);
    const kofn_status status = settle(d, task, column != NONE, err);
    if (status) {
        rest_fini(&d->rest); // it is built anew from the peel
        peel_take_back(&d->peel, d, task, column);
        d->has[task] = ABSENT;
        d->count--;
    } else {
        d->settled = d->count;
    }
    return status;
}

kofn_decode_state
kofn_decoder_get_state(const kofn_decoder *d)
{
    return d->state;
}

size_t
kofn_decoder_get_count(const kofn_decoder *d)
{
    return d->count;
}

bool
kofn_decoder_has(const kofn_decoder *d, size_t task)
{
    return task < d->code->tasks && d->has[task];
}

size_t
kofn_decoder_get_missing(const kofn_decoder *d)
{
    if (d->state != KOFN_DECODE_NOT_YET)
        return 0;
    return d->rest.span ? kofn_span_missing(d->rest.span) : d->peel.open;
}

/* ---- what if ---------------------------------------------------------------------------------- */

/* MARK the tasks that are new, each once; how many. */
static size_t
mark_new(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    size_t marked = 0;
    for (size_t i = 0; i < count; i++) {
        assert(tasks[i] < d->code->tasks);
        if (d->has[tasks[i]] == ABSENT) {
            d->has[tasks[i]] = MARKED;
            marked++;
        }
    }
    return marked;
}

/* Peel the marked ones among tasks into p, which may be NULL, and clear their marks. */
static void
peel_marked(const kofn_decoder *d, const size_t *tasks, size_t count, peel *p)
{
    for (size_t i = 0; i < count; i++)
        if (d->has[tasks[i]] == MARKED) {
            d->has[tasks[i]] = ABSENT;
            if (p)
                peel_add(p, d, tasks[i], kofn_code_plain_column(d->code, tasks[i]));
        }
}

/* The answers with these tasks added, tried on a copy. No memory: no. */
static bool
would_complete(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    const size_t total = d->count + mark_new(d, tasks, count);
    peel p;
    if (total == d->count || (d->disjoint && total < d->code->targets.rows) ||
        peel_init(&p, d->code, NULL)) {
        peel_marked(d, tasks, count, NULL);
        return false;
    }
    peel_copy(&p, d->code, &d->peel);
    peel_marked(d, tasks, count, &p);

    bool enough = p.open == 0;
    rest r = {0};
    if (!enough && peel_may_suffice(&p, d) && !rest_init(&r, d->code, &p, NULL))
        enough = kofn_span_missing(r.span) == 0;
    rest_fini(&r);
    peel_fini(&p);
    return enough;
}

bool
kofn_decoder_would_suffice(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    if (d->state != KOFN_DECODE_NOT_YET)
        return true;

    /* The threshold answers most questions, unless rounding has refuted it already. */
    const size_t total = d->count + mark_new(d, tasks, count);
    peel_marked(d, tasks, count, NULL);
    if (total >= d->code->threshold && d->count < d->code->threshold)
        return true;
    return would_complete(d, tasks, count);
}

/* The shortest prefix of tasks that would suffice, given that all of them would. */
static size_t
find_prefix(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    size_t low = 0, high = count; // low - 1 do not suffice, high do
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (would_complete(d, tasks, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

/* Leave out what is not needed, highest numbers first; how many remain. The last is needed. */
static size_t
prune(const kofn_decoder *d, size_t *tasks, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        if (d->disjoint && d->count + count - 1 < d->code->targets.rows)
            break; // one fewer can never do
        const size_t left_out = tasks[i];
        memmove(tasks + i, tasks + i + 1, (count - i - 1) * sizeof *tasks);
        if (would_complete(d, tasks, count - 1)) {
            count--;
        } else {
            memmove(tasks + i + 1, tasks + i, (count - i - 1) * sizeof *tasks);
            tasks[i] = left_out;
        }
    }
    return count;
}

kofn_status
kofn_decoder_suggest(const kofn_decoder *d, size_t *ret_tasks, size_t *ret_count, kofn_error *err)
{
    if (d->state != KOFN_DECODE_NOT_YET) {
        *ret_count = 0;
        return KOFN_OK;
    }
    size_t count = 0;
    for (size_t task = 0; task < d->code->tasks; task++)
        if (!d->has[task])
            ret_tasks[count++] = task;
    if (!would_complete(d, ret_tasks, count))
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "decoder: not even all %zu tasks of this %s code give the product: too "
                         "badly conditioned; take fewer parts or another family",
                         d->code->tasks, d->code->family);
    *ret_count = prune(d, ret_tasks, find_prefix(d, ret_tasks, count));
    return KOFN_OK;
}

/* ---- the plan for the caller ------------------------------------------------------------------ */

static kofn_status
copy_plan(const kofn_decode_plan *from, kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_decode_plan plan;
    const kofn_status status = plan_alloc(&plan, from->targets, from->used, err);
    if (status)
        return status;
    memcpy(plan.task, from->task, from->used * sizeof *plan.task);
    memcpy(plan.coef, from->coef, from->targets * from->used * sizeof *plan.coef);
    plan.quality = from->quality;
    *ret_plan = plan;
    return KOFN_OK;
}

kofn_status
kofn_decoder_plan(const kofn_decoder *d, kofn_decode_plan *ret_plan, kofn_error *err)
{
    if (d->state == KOFN_DECODE_NOT_YET)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "decoder: %zu answers leave %zu of %zu output blocks open", d->count,
                         kofn_decoder_get_missing(d), d->code->targets.rows);
    if (d->plan.used > 0)
        return copy_plan(&d->plan, ret_plan, err);
    const kofn_span_quality copies = {.condition = 1, .residual = 0, .amplification = 1};
    return make_plan(d, d->settled, NULL, copies, ret_plan, err);
}

void
kofn_decode_plan_fini(kofn_decode_plan *plan)
{
    free(plan->task);
    free(plan->coef);
    *plan = (kofn_decode_plan){0};
}
