/* Peel, then solve: peel.h has the picture. While plain answers alone do not suffice and there are
 * fewer coded answers than open targets, an add is a few counters. From then on a span tracks what
 * is left, and the answer that completes it pays for one solution, which the plan is made of.
 */
#include "common/code/decoder.h"
#include "common/code/groups.h"
#include "common/code/peel.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ABSENT, ANSWERED, MARKED }; // of a task; MARKED is used within one call only

struct kofn_decoder {
    kofn_code *code;
    double max_amplification;
    kofn_decode_state state;
    unsigned char *has; // [n] ABSENT or ANSWERED
    size_t *task;       // [n] answers in the order of their arrival
    size_t *column;     // [n] the column that answer gives, KOFN_NO_COLUMN for coded ones
    size_t count;
    kofn_target_index index;
    kofn_peel peel;
    kofn_groups groups;
    kofn_rest rest;        // once it may suffice
    kofn_decode_plan plan; // the last solution's; used == 0: none, or plain answers do
};

/* ---- life ------------------------------------------------------------------------------------ */

static kofn_status
fill_decoder(kofn_decoder *d, kofn_error *err)
{
    const size_t tasks = d->code->tasks;
    kofn_status status = kofn_target_index_init(&d->index, d->code, err);
    if (!status)
        status = kofn_peel_init(&d->peel, &d->index, NULL, err);
    if (!status)
        status = kofn_groups_init(&d->groups, d->code, d->max_amplification, err);
    if (status)
        return status;
    d->task = malloc(2 * tasks * sizeof *d->task);
    d->has = calloc(tasks, sizeof *d->has);
    if (!d->task || !d->has)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu tasks", tasks);
    d->column = d->task + tasks;
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
    kofn_rest_fini(&d->rest);
    kofn_peel_fini(&d->peel);
    kofn_groups_fini(&d->groups);
    kofn_target_index_fini(&d->index);
    free(d->task);
    free(d->has);
    kofn_code_destroy(&d->code);
    free(d);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static double
norm(const double *at, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += at[i] * at[i];
    return sqrt(sum);
}

/* max over targets t of sum_u |D[t,u]| |g_u| / |T_t|. The norm of a Kronecker product is the
 * product of the norms. */
static kofn_status
measure_amplification(const kofn_code *code, kofn_decode_plan *plan, kofn_error *err)
{
    double *size = malloc((plan->used + 1) * sizeof *size);
    if (!size)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu answers",
                         plan->used);
    for (size_t u = 0; u < plan->used; u++)
        size[u] = norm(kofn_code_get_row(code, 0, plan->task[u]), code->e[0].cols) *
                  norm(kofn_code_get_row(code, 1, plan->task[u]), code->e[1].cols);
    double worst = 0;
    for (size_t t = 0; t < plan->targets; t++) {
        const size_t first = code->targets.first[t], end = code->targets.first[t + 1];
        double growth = 0;
        for (size_t u = 0; u < plan->used; u++)
            growth += fabs(plan->coef[t * plan->used + u]) * size[u];
        growth /= norm(code->targets.coef + first, end - first);
        worst = growth > worst ? growth : worst;
    }
    free(size);
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
    for (size_t i = d->index.first[column]; i < d->index.first[column + 1]; i++)
        ret_d[d->index.part[i].target * stride] = d->index.part[i].coef;

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

/* D over all answers, zeros included. d_coded [open targets, coded answers]. */
static void
fill_all(const kofn_decoder *d, const double *d_coded, double *ret_d)
{
    const size_t count = d->count;
    size_t coded = 0;
    for (size_t u = 0; u < count; u++) {
        const size_t column = d->column[u];
        if (column == KOFN_NO_COLUMN) {
            for (size_t t = 0; t < d->rest.targets; t++)
                ret_d[d->rest.target[t] * count + u] = d_coded[t * d->peel.coded_count + coded];
            coded++;
        } else if (d->peel.giver[column] == d->task[u]) {
            fill_plain(d, column, d_coded, ret_d + u, count);
        }
    }
}

/* Keep the answers that some target needs, in place. Walks rows, as D may be large. */
static void
drop_unused(kofn_decode_plan *plan, size_t count)
{
    for (size_t t = 0; t < plan->targets; t++)
        for (size_t u = 0; u < count; u++)
            plan->task[u] |= plan->coef[t * count + u] != 0;
    size_t used = 0;
    for (size_t u = 0; u < count; u++)
        if (plan->task[u])
            plan->task[used++] = u; // its place among the answers, for now
    plan->used = used;
    if (used == count)
        return;
    for (size_t t = 0; t < plan->targets; t++) // only ever moves towards the front
        for (size_t u = 0; u < used; u++)
            plan->coef[t * used + u] = plan->coef[t * count + plan->task[u]];
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

/* The plan from all answers. Without open targets d_coded is not read. */
static kofn_status
make_plan(const kofn_decoder *d, const double *d_coded, kofn_span_quality quality,
          kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_decode_plan plan;
    kofn_status status = plan_alloc(&plan, d->code->targets.rows, d->count, err);
    if (status)
        return status;
    fill_all(d, d_coded, plan.coef);
    drop_unused(&plan, d->count);
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

/* The span covers all open targets: solve, and keep the plan. */
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
        status = make_plan(d, d_coded, quality, &plan, err);
    free(d_coded);
    if (status)
        return status;

    kofn_decode_plan_fini(&d->plan);
    d->plan = plan;
    d->state =
        plan.quality.amplification <= d->max_amplification ? KOFN_DECODE_EXACT : KOFN_DECODE_POOR;
    return KOFN_OK;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Work out the state after answer `task` was peeled. `plain`: the unknown columns changed. */
static kofn_status
settle(kofn_decoder *d, size_t task, bool plain, kofn_error *err)
{
    if (d->peel.open == 0) {
        kofn_decode_plan_fini(&d->plan); // made when it is asked for: all copies and sums
        kofn_rest_fini(&d->rest);
        d->state = KOFN_DECODE_EXACT;
        return KOFN_OK;
    }
    if (!kofn_peel_may_suffice(&d->peel))
        return KOFN_OK;

    kofn_status status;
    if (!d->rest.span || plain) {
        kofn_rest_fini(&d->rest);
        status = kofn_rest_init(&d->rest, &d->peel, err);
    } else {
        status = kofn_rest_add(&d->rest, task, err);
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
    if (d->state == KOFN_DECODE_EXACT || !kofn_peel_add(&d->peel, task, column))
        return KOFN_OK;

    const kofn_status status = settle(d, task, column != KOFN_NO_COLUMN, err);
    if (status) {
        kofn_rest_fini(&d->rest); // it is built anew from the peel
        kofn_peel_take_back(&d->peel, column);
        d->has[task] = ABSENT;
        d->count--;
    } else {
        kofn_groups_add(&d->groups, task);
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

/* ---- what if --------------------------------------------------------------------------------- */

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

/* Peel the marked ones among tasks into peel, which may be NULL, and clear their marks. */
static void
peel_marked(const kofn_decoder *d, const size_t *tasks, size_t count, kofn_peel *peel)
{
    for (size_t i = 0; i < count; i++)
        if (d->has[tasks[i]] == MARKED) {
            d->has[tasks[i]] = ABSENT;
            if (peel)
                (void)kofn_peel_add(peel, tasks[i], kofn_code_plain_column(d->code, tasks[i]));
        }
}

/* The answers with these tasks added, tried on a copy. No memory: no. */
static bool
would_complete(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    const size_t total = d->count + mark_new(d, tasks, count);
    kofn_peel peel;
    if (total == d->count || (d->index.disjoint && total < d->code->targets.rows) ||
        kofn_peel_init(&peel, &d->index, &d->peel, NULL)) {
        peel_marked(d, tasks, count, NULL);
        return false;
    }
    peel_marked(d, tasks, count, &peel);

    bool enough = peel.open == 0;
    kofn_rest rest = {0};
    if (!enough && kofn_peel_may_suffice(&peel) && !kofn_rest_init(&rest, &peel, NULL))
        enough = kofn_span_missing(rest.span) == 0;
    kofn_rest_fini(&rest);
    kofn_peel_fini(&peel);
    return enough;
}

bool
kofn_decoder_would_suffice(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    if (d->state != KOFN_DECODE_NOT_YET)
        return true;

    /* The threshold answers most questions, unless it is only likely or rounding has refuted it. */
    const size_t total = d->count + mark_new(d, tasks, count);
    peel_marked(d, tasks, count, NULL);
    if (!d->code->likely && total >= d->code->threshold && d->count < d->code->threshold)
        return true;
    return would_complete(d, tasks, count);
}

bool
kofn_decoder_would_help(const kofn_decoder *d, size_t task)
{
    assert(task < d->code->tasks);
    if (d->has[task] == ANSWERED || d->state == KOFN_DECODE_EXACT)
        return false;
    const size_t column = kofn_code_plain_column(d->code, task);
    if (column != KOFN_NO_COLUMN && d->peel.giver[column] != KOFN_NO_TASK)
        return false;
    return !kofn_groups_has(&d->groups, task);
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
        if (d->index.disjoint && d->count + count - 1 < d->code->targets.rows)
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
                         "decoder: not even all %zu tasks of this %s code give the product: %s; "
                         "take fewer parts or another family",
                         d->code->tasks, d->code->family,
                         d->code->field->epsilon == 0 ? "they do not span it"
                                                      : "too badly conditioned");
    *ret_count = prune(d, ret_tasks, find_prefix(d, ret_tasks, count));
    return KOFN_OK;
}

/* ---- the plan for the caller ----------------------------------------------------------------- */

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
    return make_plan(d, NULL, copies, ret_plan, err);
}

void
kofn_decode_plan_fini(kofn_decode_plan *plan)
{
    free(plan->task);
    free(plan->coef);
    *plan = (kofn_decode_plan){0};
}
