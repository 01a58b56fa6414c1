/* Peel, then solve: peel.h has the picture. While plain answers alone do not suffice and there are
 * fewer coded answers than open targets, an add is a few counters. From then on a span tracks what
 * is left, and the answer that completes it pays for one solution, which the plan is made of. Where
 * no condition is too bad, as in exact arithmetic, it does not: the solution tells nothing of the
 * set, and waits for whoever asks for the plan, on another thread than the adds. If nothing is
 * rounded and the threshold certain, there is no span, too: a count is the whole answer.
 */
#include "common/code/decoder.h"
#include "common/code/columns.h"
#include "common/code/estimate.h"
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
    bool counts;   // answers, and nothing else: what follows `task` is empty
    bool trusts;   // the threshold: solved when a plan is asked for
    double most;   // multiplications of an elimination; INFINITY: no bound
    bool deferred; // the last one that was due was dearer: the rest is none, the state as told
    const atomic_bool *cancelled; // NULL: cannot be given up
    size_t told;                  // answers of which the state was told; 0: of none
    bool covers;                  // it was decodable then
    bool doubts;        // that groups give what they should: they do, and it is not enough
    size_t due, step;   // answers from which the next one is due, and how many more then
    unsigned char *has; // [n] ABSENT or ANSWERED
    size_t *task;       // [n] answers in the order of their arrival
    size_t count;
    size_t peeled; // of them, the first ones: those before it was EXACT
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
    kofn_status status = KOFN_OK;
    if (!d->counts)
        status = kofn_target_index_init(&d->index, d->code, err);
    if (!status && !d->counts)
        status = kofn_peel_init(&d->peel, &d->index, NULL, err);
    if (!status && !d->counts)
        status = kofn_groups_init(&d->groups, d->code, d->max_amplification, err);
    if (status)
        return status;
    d->task = malloc(tasks * sizeof *d->task);
    d->has = calloc(tasks, sizeof *d->has);
    if (!d->task || !d->has)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu tasks", tasks);
    return KOFN_OK;
}

/* Any `threshold` answers suffice, without rounding, and fewer never: they are as many as there are
 * targets to be had, which are independent. */
static bool
is_trusted(const kofn_code *code, const kofn_target_index *index)
{
    return code->field->epsilon == 0 && kofn_code_is_certain(code) && index->disjoint &&
           code->threshold == index->wanted;
}

static kofn_status
make(kofn_code *code, double max_amplification, bool counts, kofn_decoder **ret_decoder,
     kofn_error *err)
{
    kofn_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory");
    d->code = kofn_code_ref(code);
    d->counts = counts;
    d->most = INFINITY;
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
    d->trusts = !counts && is_trusted(code, &d->index);
    d->step = 1;
    if (!counts && d->peel.open == 0)
        d->state = KOFN_DECODE_EXACT; // all targets are zero
    *ret_decoder = d;
    return KOFN_OK;
}

kofn_status
kofn_decoder_new(kofn_code *code, double max_amplification, kofn_decoder **ret_decoder,
                 kofn_error *err)
{
    return make(code, max_amplification, false, ret_decoder, err);
}

kofn_status
kofn_decoder_new_counter(kofn_code *code, kofn_decoder **ret_decoder, kofn_error *err)
{
    assert(kofn_code_is_certain(code));
    return make(code, 0, true, ret_decoder, err);
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

/* The plan from all that were peeled. Without open targets `rest` is cleared, and d_coded not
 * read. */
static kofn_status
make_plan(const kofn_decoder *d, const kofn_rest *rest, const double *d_coded,
          kofn_span_quality quality, kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_decode_plan plan;
    kofn_status status = kofn_decode_plan_init(&plan, d->code->targets.rows, d->peeled, err);
    if (status)
        return status;
    kofn_peel_expand(&d->peel, rest, d->task, d->peeled, d_coded, plan.coef);
    kofn_decode_plan_fill_tasks(&plan, d->task, d->peeled);
    plan.quality = quality;
    if (d->code->field->epsilon != 0)
        status = kofn_decode_plan_amplify(&plan, d->code, err);
    if (status)
        kofn_decode_plan_fini(&plan);
    else
        *ret_plan = plan;
    return status;
}

/* The span of `rest` covers all open targets. */
static kofn_status
solve(const kofn_decoder *d, const kofn_rest *rest, kofn_decode_plan *ret_plan, kofn_error *err)
{
    double *d_coded = malloc(rest->targets * d->peel.coded_count * sizeof *d_coded);
    if (!d_coded)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu coded answers",
                         d->peel.coded_count);
    kofn_span_quality quality;
    kofn_status status = kofn_span_solve(rest->span, d_coded, &quality, err);
    if (!status)
        status = make_plan(d, rest, d_coded, quality, ret_plan, err);
    free(d_coded);
    return status;
}

/* Solve, and keep the plan. */
static kofn_status
solve_now(kofn_decoder *d, kofn_error *err)
{
    kofn_decode_plan plan;
    const kofn_status status = solve(d, &d->rest, &plan, err);
    if (status)
        return status;
    kofn_decode_plan_fini(&d->plan);
    d->plan = plan;
    d->state =
        plan.quality.amplification <= d->max_amplification ? KOFN_DECODE_EXACT : KOFN_DECODE_POOR;
    return KOFN_OK;
}

/* Of answers that were counted. */
static kofn_status
solve_counted(const kofn_decoder *d, kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_rest rest = {0};
    kofn_status status = kofn_rest_init(&rest, &d->peel, d->cancelled, err);
    if (!status && kofn_span_missing(rest.span) > 0)
        status = kofn_fail(err, KOFN_INTERNAL,
                           "decoder: %zu answers of a %s code leave %zu of %zu output blocks open, "
                           "and any %zu were to suffice",
                           d->peeled, d->code->family, kofn_span_missing(rest.span),
                           d->code->targets.rows, d->code->threshold);
    if (!status)
        status = solve(d, &rest, ret_plan, err);
    kofn_rest_fini(&rest);
    return status;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* With this many answers the code promises the product, and still some are said to be missing. Not
 * at each further answer, as it costs what a solution does. */
static bool
is_review_due(const kofn_decoder *d)
{
    const size_t threshold = d->code->threshold;
    if (d->count < threshold)
        return false;
    const size_t more = d->count - threshold;
    return d->count == kofn_code_first_tasks(d->code) || d->count == d->code->tasks ||
           (more > 0 && (more & (more - 1)) == 0);
}

/* Multiplications: coded rows against each other and the open targets, on the columns that are not
 * known. In exact fields each takes the time of ten, by measurement. */
static double
count_multiplications(const kofn_decoder *d, const kofn_peel *peel)
{
    const double rows = (double)peel->coded_count, open = (double)peel->open;
    const double columns = (double)(kofn_code_columns(d->code) - peel->known);
    return rows * columns * (rows + open) * (d->code->field->epsilon == 0 ? 10 : 1);
}

/* As many answers of each group as the code says to be enough. Marked ones count, and what follows
 * from others of its group. */
static bool
has_all_groups(const kofn_decoder *d)
{
    const kofn_code *code = d->code;
    for (size_t g = 0; g < code->groups; g++) {
        size_t lacks = kofn_code_get_group_threshold(code, g);
        for (size_t task = kofn_code_next_of_group(code, g, 0); task < SIZE_MAX && lacks > 0;
             task = kofn_code_next_of_group(code, g, task + 1))
            lacks -= d->has[task] != ABSENT || kofn_groups_has(&d->groups, task);
        if (lacks > 0)
            return false;
    }
    return code->groups > 0;
}

/* As many as the code says to be enough, more or less: with fewer an elimination is no use for
 * which somebody else has to be asked. */
static bool
has_promised(const kofn_decoder *d, size_t count)
{
    return count >= d->code->threshold || count == d->code->tasks || has_all_groups(d);
}

/* The elimination that answers ask for is not made. */
static void
defer(kofn_decoder *d)
{
    kofn_rest_fini(&d->rest);
    kofn_decode_plan_fini(&d->plan);
    d->deferred = true;
    if ((d->count >= d->due && has_promised(d, d->count)) || d->count == d->code->tasks)
        d->state = KOFN_DECODE_DUE;
}

/* Does what is left cover all targets, and how well? */
static kofn_status
look_at_rest(kofn_decoder *d, kofn_error *err)
{
    if (kofn_span_missing(d->rest.span) > 0)
        return KOFN_OK;
    if (!isinf(d->max_amplification))
        return solve_now(d, err);
    d->state = KOFN_DECODE_EXACT;
    return KOFN_OK;
}

/* Work out the state after answer `task` was peeled. `plain`: the unknown columns changed. */
static kofn_status
settle(kofn_decoder *d, size_t task, bool plain, kofn_error *err)
{
    if (d->peel.open == 0) {
        kofn_decode_plan_fini(&d->plan); // made when it is asked for: all copies and sums
        kofn_rest_fini(&d->rest);
        d->state = KOFN_DECODE_EXACT;
        d->deferred = false;
        return KOFN_OK;
    }
    if (d->trusts && d->count >= d->code->threshold)
        d->state = KOFN_DECODE_EXACT;
    if (d->trusts || !kofn_peel_may_suffice(&d->peel))
        return KOFN_OK;
    if (count_multiplications(d, &d->peel) > d->most) {
        defer(d);
        return KOFN_OK;
    }
    if (d->deferred) {
        d->deferred = false;
        d->state = KOFN_DECODE_NOT_YET; // whatever was told of fewer answers
    }

    kofn_status status;
    if (!d->rest.span || plain) {
        kofn_rest_fini(&d->rest);
        status = kofn_rest_init(&d->rest, &d->peel, d->cancelled, err);
    } else {
        status = kofn_rest_add(&d->rest, task, err);
    }
    if (!status && is_review_due(d))
        status = kofn_span_review(d->rest.span, err);
    return status ? status : look_at_rest(d, err);
}

/* With all that its groups give an answer may be rounded off still, as rows come one by one, and
 * with fewer answers than the threshold. Where a look at all of them finds nothing either, what
 * follows from its group may help all the same. */
static void
keep_promise(kofn_decoder *d)
{
    if (d->state != KOFN_DECODE_NOT_YET || d->deferred || !d->rest.span ||
        d->code->field->epsilon == 0 || !has_all_groups(d))
        return;
    if (kofn_span_review(d->rest.span, NULL) == KOFN_OK)
        (void)look_at_rest(d, NULL); // without memory the next answer finds it
    d->doubts = d->state == KOFN_DECODE_NOT_YET;
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
    d->task[d->count++] = task;
    if (d->counts) {
        if (d->count >= d->code->threshold)
            d->state = KOFN_DECODE_EXACT;
        return KOFN_OK;
    }
    if (d->state == KOFN_DECODE_EXACT)
        return KOFN_OK;
    d->peeled = d->count;
    if (!kofn_peel_add(&d->peel, task, column))
        return KOFN_OK;

    const kofn_status status = settle(d, task, column != KOFN_NO_COLUMN, err);
    if (status) {
        kofn_rest_fini(&d->rest); // it is built anew from the peel
        kofn_peel_take_back(&d->peel, column);
        d->has[task] = ABSENT;
        d->peeled = --d->count;
    } else {
        kofn_groups_add(&d->groups, task);
        keep_promise(d);
    }
    return status;
}

void
kofn_decoder_defer(kofn_decoder *d, double multiplications)
{
    d->most = multiplications;
}

void
kofn_decoder_watch(kofn_decoder *d, const atomic_bool *cancelled)
{
    d->cancelled = cancelled;
}

bool
kofn_decoder_is_deferred(const kofn_decoder *d)
{
    return d->deferred && d->state != KOFN_DECODE_EXACT && d->count > d->told;
}

void
kofn_decoder_tell(kofn_decoder *d, size_t count, kofn_decode_state state)
{
    if (!d->deferred)
        return; // it knows better by now
    d->told = count;
    d->due = count + d->step; // one more, two, four
    d->step *= 2;
    d->covers = d->covers || state != KOFN_DECODE_NOT_YET; // more answers never span less
    d->state = d->covers && state == KOFN_DECODE_NOT_YET ? KOFN_DECODE_POOR : state;
    if (d->state != KOFN_DECODE_EXACT &&
        (d->count >= d->due || (d->count > count && d->count == d->code->tasks)))
        d->state = KOFN_DECODE_DUE;
}

/* Mixtures are drawn from the seed, and those of rows that a code had before are its own
 * (columns.h). */
static bool
has_same_columns(const kofn_code *a, const kofn_code *b)
{
    const kofn_columns *x = a->columns, *y = b->columns;
    if (!x || !y)
        return x == y;
    return x->size.kept == y->size.kept && x->size.mixed == y->size.mixed && a->seed == b->seed &&
           memcmp(x->product, y->product, x->size.kept * sizeof *x->product) == 0;
}

static bool
has_same_scale(const kofn_code *a, const kofn_code *b)
{
    if (!a->scale || !b->scale)
        return a->scale == b->scale;
    return memcmp(a->scale, b->scale, a->targets.rows * sizeof *a->scale) == 0;
}

static bool
is_same_form(const kofn_code *a, const kofn_code *b)
{
    const kofn_sums *s = &a->targets, *t = &b->targets;
    if (strcmp(a->field->name, b->field->name) != 0 || a->operands != b->operands ||
        a->tasks != b->tasks || a->reserve != b->reserve || a->groups + b->groups > 0 ||
        s->rows != t->rows || s->cols != t->cols ||
        memcmp(s->first, t->first, (s->rows + 1) * sizeof *s->first) != 0)
        return false;
    const size_t terms = s->first[s->rows];
    for (size_t o = 0; o < a->operands; o++)
        if (a->e[o].cols != b->e[o].cols)
            return false;
    return has_same_columns(a, b) && has_same_scale(a, b) &&
           memcmp(s->column, t->column, terms * sizeof *s->column) == 0 &&
           memcmp(s->coef, t->coef, terms * sizeof *s->coef) == 0;
}

kofn_status
kofn_decoder_recode(kofn_decoder *d, kofn_code *code, kofn_error *err)
{
    if (!is_same_form(d->code, code))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "decoder: a code of other numbers cannot take the place of this one");
    for (size_t task = 0; task < code->tasks; task++)
        if ((d->has[task] || task < kofn_code_first_tasks(code)) &&
            !kofn_code_has_row_of(code, d->code, task))
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "decoder: row %zu of the code that is to take the place of this one is "
                "another, and not to be changed",
                task);
    kofn_code *before = d->code;
    d->code = kofn_code_ref(code);
    d->index.code = d->groups.code = code;
    if (d->rest.span)
        d->rest.code = code;
    kofn_code_destroy(&before);
    return KOFN_OK;
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

size_t
kofn_decoder_get_task(const kofn_decoder *d, size_t i)
{
    assert(i < d->count);
    return d->task[i];
}

bool
kofn_decoder_has(const kofn_decoder *d, size_t task)
{
    return task < d->code->tasks && d->has[task];
}

size_t
kofn_decoder_get_missing(const kofn_decoder *d)
{
    if (d->state != KOFN_DECODE_NOT_YET && d->state != KOFN_DECODE_DUE)
        return 0;
    if (d->counts)
        return d->code->threshold - d->count;
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
    const bool promised = total > d->told && has_promised(d, total); // as far as is known
    kofn_peel peel;
    if (total == d->count || (d->index.disjoint && total < d->index.wanted) ||
        kofn_peel_init(&peel, &d->index, &d->peel, NULL)) {
        peel_marked(d, tasks, count, NULL);
        return false;
    }
    peel_marked(d, tasks, count, &peel);

    bool enough = peel.open == 0;
    kofn_rest rest = {0};
    if (!enough && count_multiplications(d, &peel) > d->most)
        enough = kofn_peel_may_suffice(&peel) && promised;
    else if (!enough && kofn_peel_may_suffice(&peel) && !kofn_rest_init(&rest, &peel, NULL, NULL))
        enough =
            (!promised || !kofn_span_review(rest.span, NULL)) && kofn_span_missing(rest.span) == 0;
    kofn_rest_fini(&rest);
    kofn_peel_fini(&peel);
    return enough;
}

bool
kofn_decoder_would_suffice(const kofn_decoder *d, const size_t *tasks, size_t count)
{
    if (d->state != KOFN_DECODE_NOT_YET)
        return true;

    /* The threshold answers most questions, unless it is not certain or rounding has refuted it. */
    const size_t total = d->count + mark_new(d, tasks, count);
    peel_marked(d, tasks, count, NULL);
    if (kofn_code_is_certain(d->code) && total >= d->code->threshold &&
        d->count < d->code->threshold)
        return true;
    if (d->counts)
        return false;
    return would_complete(d, tasks, count);
}

/* Of columns [first, end): is there one that the task's row has, and that no plain answer gave? */
static bool
has_unknown_within(const kofn_decoder *d, size_t task, size_t first, size_t end)
{
    for (size_t c = first; c < end; c++)
        if (d->peel.giver[c] == KOFN_NO_TASK && kofn_code_get_element(d->code, task, c) != 0)
            return true;
    return false;
}

/* Of all columns: block by block of the first operand, many of which a row may be without; fewer
 * columns (columns.h) are in no such order. */
static bool
has_unknown(const kofn_decoder *d, size_t task)
{
    const size_t columns = kofn_code_columns(d->code);
    if (d->code->columns)
        return has_unknown_within(d, task, 0, columns);
    const size_t blocks = d->code->e[0].cols, each = columns / blocks;
    const double *row = kofn_code_get_row(d->code, 0, task);
    for (size_t i = 0; i < blocks; i++)
        if (row[i] != 0 && has_unknown_within(d, task, i * each, (i + 1) * each))
            return true;
    return false;
}

bool
kofn_decoder_would_help(const kofn_decoder *d, size_t task)
{
    assert(task < d->code->tasks);
    if (d->has[task] == ANSWERED || d->state == KOFN_DECODE_EXACT)
        return false;
    if (d->counts)
        return true;
    const size_t column = kofn_code_plain_column(d->code, task);
    if (column != KOFN_NO_COLUMN ? d->peel.giver[column] != KOFN_NO_TASK : !has_unknown(d, task))
        return false;
    return d->doubts || !kofn_groups_has(&d->groups, task);
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
        if (d->index.disjoint && d->count + count - 1 < d->index.wanted)
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

static kofn_status
fail_counter(kofn_error *err)
{
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "decoder: it counts answers, and knows nothing else of them");
}

kofn_status
kofn_decoder_suggest(const kofn_decoder *d, size_t *ret_tasks, size_t *ret_count, kofn_error *err)
{
    if (d->state != KOFN_DECODE_NOT_YET && d->state != KOFN_DECODE_DUE) {
        *ret_count = 0;
        return KOFN_OK;
    }
    if (d->counts)
        return fail_counter(err);
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

/* ---- plans for the caller -------------------------------------------------------------------- */

/* A decoder with d's answers except that of `task`, which eliminates by itself. */
static kofn_status
new_without(const kofn_decoder *d, size_t task, kofn_decoder **ret_other, kofn_error *err)
{
    kofn_decoder *other;
    kofn_status status = kofn_decoder_new(d->code, d->max_amplification, &other, err);
    if (status)
        return status;
    for (size_t i = 0; i < d->count && !status; i++)
        if (d->task[i] != task)
            status = kofn_decoder_add(other, d->task[i], err);
    if (status)
        kofn_decoder_destroy(&other);
    else
        *ret_other = other;
    return status;
}

kofn_status
kofn_decoder_settle(const kofn_decoder *d, kofn_decoder **ret_settled, kofn_error *err)
{
    return d->counts ? fail_counter(err) : new_without(d, KOFN_NO_TASK, ret_settled, err);
}

/* What a decoder is asked for whose elimination was left out: it takes it now. */
static kofn_status
ask_settled(const kofn_decoder *d, bool estimate, double noise, kofn_decode_plan *ret_plan,
            kofn_error *err)
{
    kofn_decoder *settled;
    kofn_status status = kofn_decoder_settle(d, &settled, err);
    if (status)
        return status;
    status = estimate ? kofn_decoder_estimate(settled, noise, ret_plan, err)
                      : kofn_decoder_plan(settled, noise, ret_plan, err);
    kofn_decoder_destroy(&settled);
    return status;
}

/* |T| of the open targets on the unknown columns: what the span's residual is relative to. */
static double
rest_size(const kofn_decoder *d)
{
    const kofn_sums *targets = &d->code->targets;
    double squares = 0;
    for (size_t t = 0; t < targets->rows; t++)
        for (size_t i = targets->first[t]; i < targets->first[t + 1]; i++)
            if (d->peel.giver[targets->column[i]] == KOFN_NO_TASK)
                squares += targets->coef[i] * targets->coef[i];
    return sqrt(squares);
}

static kofn_status
exact_plan(const kofn_decoder *d, double noise, kofn_decode_plan *ret_plan, kofn_error *err)
{
    const kofn_span_quality copies = {.condition = 1, .residual = 0, .amplification = 1};
    const kofn_rest none = {0};
    kofn_decode_plan plan;
    kofn_status status = KOFN_OK;
    if (d->plan.used > 0)
        status = kofn_decode_plan_copy(&d->plan, &plan, err);
    else if (d->rest.span)
        status = solve(d, &d->rest, &plan, err);
    else if (d->peel.open > 0)
        status = solve_counted(d, &plan, err);
    else
        status = make_plan(d, &none, NULL, copies, &plan, err);
    if (status)
        return status;
    if (d->code->field->epsilon != 0)
        status = kofn_decode_plan_round(&plan, d->code, noise, plan.quality.residual * rest_size(d),
                                        err);
    if (status)
        kofn_decode_plan_fini(&plan);
    else
        *ret_plan = plan;
    return status;
}

static kofn_status
fail_open(const kofn_decoder *d, kofn_error *err)
{
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "decoder: %zu answers leave %zu of %zu output blocks open", d->count,
                     kofn_decoder_get_missing(d), d->code->targets.rows);
}

/* From the targets to C, when all that is known of the plan is. */
static kofn_status
scale_plan(kofn_status made, const kofn_decoder *d, kofn_decode_plan *plan)
{
    const double *scale = d->code->scale;
    for (size_t t = 0; !made && scale && t < plan->targets; t++)
        for (size_t u = 0; u < plan->used; u++)
            plan->coef[t * plan->used + u] *= scale[t];
    return made;
}

static kofn_status
decoded_plan(const kofn_decoder *d, double noise, kofn_decode_plan *ret_plan, kofn_error *err)
{
    return d->state == KOFN_DECODE_NOT_YET ? fail_open(d, err)
                                           : exact_plan(d, noise, ret_plan, err);
}

kofn_status
kofn_decoder_plan(const kofn_decoder *d, double noise, kofn_decode_plan *ret_plan, kofn_error *err)
{
    if (d->counts)
        return fail_counter(err);
    if (d->deferred)
        return ask_settled(d, false, noise, ret_plan, err);
    return scale_plan(decoded_plan(d, noise, ret_plan, err), d, ret_plan);
}

static double
bound_of(const kofn_decode_plan *plan)
{
    return plan->truncation + plan->rounding;
}

/* *plan := the better of the two; the other is ended. An estimate reads all answers and says less
 * than an exact plan: it must halve the bound. */
static void
keep_better(kofn_decode_plan *plan, kofn_decode_plan *estimate)
{
    if (bound_of(estimate) < bound_of(plan) / 2) {
        const kofn_decode_plan worse = *plan;
        *plan = *estimate;
        *estimate = worse;
    }
    kofn_decode_plan_fini(estimate);
}

/* A code that promises estimates has points so small that rounding passes for coverage: below its
 * threshold a set that seems to decode is one to estimate from. */
static bool
is_decodable(const kofn_decoder *d)
{
    const bool promises = d->code->enough < d->code->threshold;
    return d->state != KOFN_DECODE_NOT_YET && !(promises && d->count < d->code->threshold);
}

static kofn_status
best_plan(const kofn_decoder *d, double noise, kofn_decode_plan *ret_plan, kofn_error *err)
{
    const bool decodable = is_decodable(d);
    const bool good = d->state == KOFN_DECODE_EXACT &&
                      (d->peel.open == 0 || count_multiplications(d, &d->peel) > KOFN_DECODER_DEAR);
    if (d->code->field->epsilon == 0 || (decodable && good))
        return decoded_plan(d, noise, ret_plan, err); // also copies, and their sums
    if (d->count == 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "decoder: there is no answer to estimate from");

    const kofn_estimate_input in = {
        .index = &d->index, .tasks = d->task, .count = d->count, .noise = noise};
    if (!decodable && d->code->estimator == KOFN_ESTIMATE_INTERPOLATION)
        return kofn_estimate_interpolated(&in, ret_plan, err);
    kofn_decode_plan plan, exact;
    kofn_status status = kofn_estimate_balanced(&in, &plan, err);
    if (status || !decodable) {
        if (!status)
            *ret_plan = plan;
        return status;
    }
    status = exact_plan(d, noise, &exact, err);
    if (status) {
        kofn_decode_plan_fini(&plan);
        return status;
    }
    keep_better(&exact, &plan);
    *ret_plan = exact;
    return KOFN_OK;
}

kofn_status
kofn_decoder_estimate(const kofn_decoder *d, double noise, kofn_decode_plan *ret_plan,
                      kofn_error *err)
{
    if (d->counts)
        return fail_counter(err);
    if (d->deferred)
        return ask_settled(d, true, noise, ret_plan, err);
    return scale_plan(best_plan(d, noise, ret_plan, err), d, ret_plan);
}

/* The answer whose share of the result is largest; of equal ones the latest. */
static size_t
find_leaned_on(const kofn_decoder *d, const kofn_decode_plan *plan)
{
    size_t found = 0;
    double most = -1;
    for (size_t u = 0; u < plan->used; u++) {
        double share = 0;
        for (size_t t = 0; t < plan->targets; t++)
            share += fabs(plan->coef[t * plan->used + u]);
        share *= kofn_code_row_norm(d->code, plan->task[u]);
        if (share >= most) {
            most = share;
            found = plan->task[u];
        }
    }
    return found;
}

kofn_status
kofn_decoder_second_opinion(const kofn_decoder *d, double noise, const kofn_decode_plan *plan,
                            kofn_decode_plan *ret_other, kofn_error *err)
{
    const size_t task = find_leaned_on(d, plan);
    kofn_decoder *without;
    kofn_decode_plan other;
    kofn_status status = plan->used > 0 ? new_without(d, task, &without, err) : fail_open(d, err);
    if (status)
        return status;
    status = plan->estimate ? kofn_decoder_estimate(without, noise, &other, err)
                            : kofn_decoder_plan(without, noise, &other, err);
    kofn_decoder_destroy(&without);
    if (status)
        return status;
    if (bound_of(&other) < 1) {
        *ret_other = other;
        return KOFN_OK;
    }
    status = kofn_fail(err, KOFN_FAILED_PRECONDITION,
                       "decoder: without task %zu the %zu other answers say nothing: bound %.3g",
                       task, d->count - 1, bound_of(&other));
    kofn_decode_plan_fini(&other);
    return status;
}
