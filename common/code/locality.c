#include "common/code/locality.h"
#include "common/code/curve.h"
#include "common/code/grouping.h"
#include "common/code/points.h"
#include "common/code/sides.h"

#include <assert.h>
#include <stdlib.h>

static const char family_name[] = "locality";

/* ---- rules ----------------------------------------------------------------------------------- */

static kofn_grouping_params
grouping_params(const kofn_family_args *args)
{
    const kofn_locality_params *params = args->params;
    return (kofn_grouping_params){.batch = args->batch,
                                  .field = args->field,
                                  .choice = (kofn_grouping_choice)params->construction,
                                  .exact = KOFN_GROUPING_EXACT};
}

/* What tasks beyond those of the grouping make of its groups: task counts, which add up to n.
 * False: the field has no points for them. */
static bool
count_tasks(const kofn_family_args *args, const kofn_grouping *g, size_t *ret_tasks)
{
    size_t left = args->tasks - g->tasks;
    for (size_t k = 0; k < g->count; k++)
        ret_tasks[k] = g->at[k].answers + g->spare;
    for (bool some = true; left > 0 && some;) {
        some = false;
        for (size_t k = 0; k < g->count && left > 0; k++) {
            if (args->field->order != 0 && g->at[k].answers > 1 &&
                (double)ret_tasks[k] >= args->field->order)
                continue;
            ret_tasks[k]++;
            left--;
            some = true;
        }
    }
    return left == 0;
}

/* The grouping for n tasks, and the tasks [groups] of each group, which the caller frees. */
static kofn_status
choose(const kofn_family_args *args, kofn_grouping *ret_grouping, size_t **ret_tasks,
       kofn_error *err)
{
    const kofn_grouping_params params = grouping_params(args);
    kofn_grouping g;
    kofn_status status = kofn_grouping_init_within(&g, &params, args->tasks, err);
    if (status)
        return kofn_fail_within(err, "%s", family_name);
    size_t *tasks = malloc(g.count * sizeof *tasks);
    if (!tasks)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu groups",
                           family_name, g.count);
    else if (!count_tasks(args, &g, tasks))
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "%s: tasks=%zu, but field %s has points for no more than %zu where each "
                           "group may lose %zu; take tasks=%zu, or a larger field",
                           family_name, args->tasks, args->field->name, g.tasks, g.spare, g.tasks);
    if (status) {
        free(tasks);
        kofn_grouping_fini(&g);
        return status;
    }
    *ret_grouping = g;
    *ret_tasks = tasks;
    return KOFN_OK;
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    kofn_grouping g;
    size_t *tasks;
    const kofn_status status = choose(args, &g, &tasks, err);
    if (status)
        return status;
    const size_t k = args->tasks - g.spare;
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    kofn_grouping_fini(&g);
    free(tasks);
    return KOFN_OK;
}

/* One task of each group may be lost, and more where there are workers for them, up to twice as
 * many. */
static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    kofn_grouping g, more;
    const kofn_grouping_params params = grouping_params(args);
    if (kofn_grouping_init(&g, &params, 1, NULL) && kofn_grouping_init(&g, &params, 0, NULL))
        return 1; // threshold_for says why
    size_t tasks = g.tasks;
    kofn_grouping_fini(&g);
    const size_t most = workers < 2 * tasks ? workers : 2 * tasks;
    if (most > tasks && !kofn_grouping_init_within(&more, &params, most, NULL)) {
        tasks = more.tasks;
        kofn_grouping_fini(&more);
    }
    return tasks;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The sides of one coordinate of a grid that all others are sums of. */
typedef struct basis {
    size_t rank;
    size_t *term;  // [rank] whose sides they are
    size_t *place; // [terms] which of them the term's side is a multiple of; SIZE_MAX: none
} basis;

/* A group while its rows are made. */
typedef struct part {
    bool grid;
    size_t tasks, plain; // of them the first so many are the sides of a pair
    size_t numbered;     // whose rows are known
    size_t *task;        // [tasks] which row of the code each is
    kofn_terms terms;
    kofn_curve curve; // of all but grids
    basis basis[2];   // of grids
} part;

static void
part_fini(part *p)
{
    kofn_terms_fini(&p->terms);
    kofn_curve_fini(&p->curve);
    for (size_t j = 0; j < 2; j++) {
        free(p->basis[j].term);
        free(p->basis[j].place);
    }
    free(p->task);
}

static kofn_status
init_basis(const kofn_field *f, const kofn_sums *of, basis *b, kofn_error *err)
{
    kofn_sides sides;
    kofn_status status = kofn_sides_init(&sides, f, of, err);
    if (status)
        return status;
    b->term = malloc(of->rows * sizeof *b->term);
    b->place = malloc(of->rows * sizeof *b->place);
    if (!b->term || !b->place) {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", of->rows);
        goto out;
    }
    for (size_t i = 0; i < of->rows; i++)
        b->place[i] = i; // all of them, for now
    status = kofn_sides_find_basis(&sides, b->place, of->rows, b->term, &b->rank, err);
    for (size_t i = 0; i < of->rows; i++) {
        b->place[i] = SIZE_MAX;
        for (size_t k = 0; k < b->rank && !status; k++)
            if (sides.class[b->term[k]] == sides.class[i])
                b->place[i] = k;
    }
out:
    kofn_sides_fini(&sides);
    return status;
}

static bool
is_systematic(const kofn_family_args *args)
{
    return ((const kofn_locality_params *)args->params)->systematic;
}

/* Is the term a product of the bases, and the first that is this one? */
static bool
is_in_grid(const part *p, size_t term)
{
    const size_t *left = p->basis[0].place, *right = p->basis[1].place;
    bool is = left[term] < SIZE_MAX && right[term] < SIZE_MAX;
    for (size_t i = 0; i < term && is; i++)
        is = left[i] != left[term] || right[i] != right[term];
    return is;
}

static kofn_status
init_grid(part *p, const kofn_family_args *args, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t j = 0; j < 2 && !status; j++)
        status = init_basis(args->field, &p->terms.side[j], &p->basis[j], err);
    for (size_t i = 0; i < p->terms.side[0].rows && !status; i++)
        p->plain += is_systematic(args) && args->field->order == 0 && is_in_grid(p, i);
    return status;
}

static kofn_status
init_curve(part *p, const kofn_family_args *args, kofn_error *err)
{
    const kofn_status status =
        kofn_curve_init(&p->curve, args->field, p->terms.side, p->tasks, is_systematic(args), err);
    while (!status && p->plain < p->tasks && p->curve.term[p->plain] == p->plain)
        p->plain++;
    return status;
}

static kofn_status
part_init(part *p, const kofn_family_args *args, const kofn_grouping *g, size_t group, size_t tasks,
          kofn_error *err)
{
    const kofn_grouping_params params = grouping_params(args);
    *p = (part){.grid = g->at[group].form == KOFN_GROUP_GRID, .tasks = tasks};
    p->task = malloc(tasks * sizeof *p->task);
    if (!p->task)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu tasks", tasks);
    kofn_status status = kofn_grouping_make_terms(g, group, &params, &p->terms, err);
    if (!status)
        status = p->grid ? init_grid(p, args, err) : init_curve(p, args, err);
    if (status)
        part_fini(p);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static double *
row_of(const part *p, kofn_code *code, size_t index, size_t coordinate)
{
    return code->e[coordinate].at + p->task[index] * code->e[coordinate].cols;
}

static void
add_side(const part *p, kofn_code *code, size_t index, size_t coordinate, size_t term, double by)
{
    const kofn_field *f = code->field;
    const kofn_sums *side = &p->terms.side[coordinate];
    double *row = row_of(p, code, index, coordinate);
    for (size_t e = side->first[term]; e < side->first[term + 1]; e++)
        row[side->column[e]] = f->add(f, row[side->column[e]], f->multiply(f, by, side->coef[e]));
}

/* +-[1/2, 3/2): with the first mixture alone errors grow by 41 at worst in a 4 x 4 grid, and by 340
 * with normals, whose smallest ones are divided by. */
static double
draw_number(kofn_rng *rng)
{
    const double size = 0.5 + kofn_rng_unit(rng);
    return kofn_rng_below(rng, 2) ? -size : size;
}

/* Sums of the bases: by powers of the task's point, or by numbers that it draws. */
static void
mix_bases(const part *p, kofn_code *code, size_t index)
{
    const kofn_field *f = code->field;
    const bool copies = p->basis[0].rank * p->basis[1].rank == 1; // more than there are points
    const double t = f->order == 0 || copies ? 0 : f->point(f, index, p->tasks);
    kofn_rng rng;
    kofn_rng_init(&rng, code->seed, p->task[index]);
    for (size_t j = 0; j < 2; j++) {
        const double step = kofn_power(f, t, j == 0 ? 1 : p->basis[0].rank);
        double power = 1;
        for (size_t i = 0; i < p->basis[j].rank; i++, power = f->multiply(f, power, step))
            add_side(p, code, index, j, p->basis[j].term[i],
                     f->order == 0 ? draw_number(&rng) : power);
    }
}

/* The products of the bases: first those that are terms, as these have them, then the others.
 * Returns how many. */
static size_t
fill_plain_products(const part *p, kofn_code *code)
{
    const size_t rank = p->basis[1].rank, products = p->basis[0].rank * rank;
    size_t index = 0;
    for (size_t i = 0; i < p->terms.side[0].rows; i++)
        if (is_in_grid(p, i)) {
            for (size_t j = 0; j < 2; j++)
                add_side(p, code, index, j, i, 1);
            index++;
        }
    for (size_t product = 0; product < products; product++) {
        const size_t at[2] = {product / rank, product % rank};
        bool term = false;
        for (size_t i = 0; i < p->terms.side[0].rows && !term; i++)
            term = p->basis[0].place[i] == at[0] && p->basis[1].place[i] == at[1];
        for (size_t j = 0; j < 2 && !term; j++)
            add_side(p, code, index, j, p->basis[j].term[at[j]], 1);
        index += !term;
    }
    return index;
}

static void
fill_rows(const part *p, kofn_code *code)
{
    if (p->grid) {
        for (size_t i = p->plain > 0 ? fill_plain_products(p, code) : 0; i < p->tasks; i++)
            mix_bases(p, code, i);
        return;
    }
    for (size_t i = 0; i < p->tasks; i++)
        for (size_t j = 0; j < 2; j++)
            kofn_curve_fill_row(&p->curve, i, j, row_of(p, code, i, j));
}

/* ---- the code -------------------------------------------------------------------------------- */

/* The pairs' own tasks first, then the others in turn. */
static void
number_tasks(part *parts, size_t count)
{
    size_t next = 0;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < parts[k].plain; i++)
            parts[k].task[parts[k].numbered++] = next++;
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < count; k++)
            if (parts[k].numbered < parts[k].tasks) {
                parts[k].task[parts[k].numbered++] = next++;
                more = true;
            }
    }
}

/* ---- groups ---------------------------------------------------------------------------------- */

typedef struct weight { // of a pair in a target
    size_t group, target, pair;
    double number;
} weight;

static int
compare_weights(const void *left, const void *right)
{
    const weight *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return (a->pair > b->pair) - (a->pair < b->pair);
}

/* The batch's weights, each target's once for each group that has pairs of it; table->first says
 * where groups begin. */
static kofn_status
split_weights(const kofn_batch *batch, const kofn_grouping *g, kofn_group_table *table,
              kofn_sums *ret_sums, kofn_error *err)
{
    const kofn_sums *w = &batch->weights;
    const size_t terms = w->first[w->rows];
    weight *list = malloc(terms * sizeof *list);
    size_t *group = malloc(batch->count * sizeof *group);
    const bool made = list && group && kofn_sums_alloc(terms, w->cols, terms, ret_sums);
    for (size_t k = 0; made && k < g->count; k++)
        for (size_t i = 0; i < g->at[k].count; i++)
            group[g->pair[g->at[k].first + i]] = k;
    for (size_t t = 0; made && t < w->rows; t++)
        for (size_t i = w->first[t]; i < w->first[t + 1]; i++)
            list[i] = (weight){group[w->column[i]], t, w->column[i], w->coef[i]};
    if (made) {
        qsort(list, terms, sizeof *list, compare_weights);
        ret_sums->rows = 0;
    }
    for (size_t i = 0; made && i < terms; i++) {
        const bool begins = i == 0 || list[i].group != list[i - 1].group;
        if (begins)
            table->first[list[i].group] = ret_sums->rows;
        ret_sums->rows += begins || list[i].target != list[i - 1].target;
        ret_sums->column[i] = list[i].pair;
        ret_sums->coef[i] = list[i].number;
        ret_sums->first[ret_sums->rows] = i + 1;
    }
    if (made)
        table->first[g->count] = ret_sums->rows;
    free(list);
    free(group);
    return made ? KOFN_OK
                : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu weights",
                            family_name, terms);
}

/* What the decoder has to know of groups: nothing where there is one. */
static kofn_status
make_table(const kofn_family_args *args, const kofn_grouping *g, const part *parts, kofn_code *code,
           kofn_error *err)
{
    if (g->count == 1)
        return KOFN_OK;
    kofn_group_table *table = calloc(1, sizeof *table);
    if (table) {
        table->of = malloc(code->tasks * sizeof *table->of);
        table->threshold = malloc(g->count * sizeof *table->threshold);
        table->first = malloc((g->count + 1) * sizeof *table->first);
    }
    kofn_batch split = *args->batch;
    split.weights = (kofn_sums){0};
    kofn_status status = KOFN_OK;
    if (!table || !table->of || !table->threshold || !table->first)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu groups",
                           family_name, g->count);
    if (!status)
        status = split_weights(args->batch, g, table, &split.weights, err);
    if (!status)
        status = kofn_batch_make_targets(&split, args->field, &table->gives, err);
    free(split.weights.first);
    for (size_t k = 0; k < g->count && !status; k++) {
        table->threshold[k] = g->at[k].answers;
        for (size_t i = 0; i < parts[k].tasks; i++)
            table->of[parts[k].task[i]] = k;
    }
    if (!status)
        kofn_code_take_groups(code, g->count, &table);
    kofn_group_table_destroy(&table);
    return status;
}

static kofn_status
fill_parts(const kofn_family_args *args, const kofn_grouping *g, const size_t *tasks,
           kofn_code *code, kofn_error *err)
{
    part *parts = calloc(g->count, sizeof *parts);
    size_t made = 0;
    kofn_status status = parts ? KOFN_OK
                               : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                                           "%s: no memory for %zu groups", family_name, g->count);
    while (!status && made < g->count) {
        status = part_init(&parts[made], args, g, made, tasks[made], err);
        made += !status;
    }
    if (!status) {
        number_tasks(parts, g->count);
        for (size_t k = 0; k < g->count; k++)
            fill_rows(&parts[k], code);
        status = make_table(args, g, parts, code, err);
    }
    while (made > 0)
        part_fini(&parts[--made]);
    free(parts);
    return status;
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    kofn_grouping g;
    size_t *tasks;
    kofn_status status = choose(args, &g, &tasks, err);
    if (status)
        return status;
    status = fill_parts(args, &g, tasks, code, err);
    kofn_grouping_fini(&g);
    free(tasks);
    return status;
}

static const kofn_key keys[] = {
    {.name = "construction",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(kofn_locality_params, construction),
     .choices = "auto|alone|curve|grid",
     .fallback = "auto",
     .help = "Groups of fewest tasks, each pair on its own, or all on one curve or grid"},
    {.name = "systematic",
     .type = KOFN_KEY_BOOL,
     KOFN_KEY_FIELD(kofn_locality_params, systematic),
     .fallback = "yes",
     .help = "Send pairs as they are first, and mixtures only beside them"},
};

const kofn_family kofn_locality_family = {
    .name = family_name,
    .summary =
        "Batches of pairs that share blocks or depend on each other, in groups of few answers",
    .threshold = "n - s, for s spare tasks in each group",
    .encoding = kofn_family_mixing,
    .communication = "a block of A and one of B to the worker, their product back",
    .storage = "a block of A, one of B and their product",
    .source = "Rudow, Charalambides, Hero, Rashmi, Compression-Informed Coded Computing",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_locality_params),
    .batches = true,
    .only_batches = true,
    .searches = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .fill = fill,
};
