#include "common/code/pair_costs.h"

#include <stdlib.h>
#include <string.h>

/* ---- what there is to know of the pairs ------------------------------------------------------ */

static bool
transpose(const kofn_sums *from, kofn_sums *ret)
{
    const size_t terms = from->first[from->rows];
    if (!kofn_sums_alloc(from->cols, from->rows, terms, ret))
        return false;
    memset(ret->first, 0, (from->cols + 1) * sizeof *ret->first);
    for (size_t i = 0; i < terms; i++)
        ret->first[from->column[i] + 1]++;
    for (size_t c = 0; c < from->cols; c++)
        ret->first[c + 1] += ret->first[c];
    for (size_t row = 0; row < from->rows; row++)
        for (size_t i = from->first[row]; i < from->first[row + 1]; i++) {
            const size_t at = ret->first[from->column[i]]++; // ends as the next one's first
            ret->column[at] = row;
            ret->coef[at] = from->coef[i];
        }
    memmove(ret->first + 1, ret->first, from->cols * sizeof *ret->first);
    ret->first[0] = 0;
    return true;
}

/* Products of single blocks, which differ, and no two for the same sum. */
static bool
are_unrelated(const kofn_pair_costs *c)
{
    bool blocks = true;
    for (size_t i = 0; i < c->batch->count && blocks; i++)
        blocks = kofn_batch_get_block(c->batch, 0, i) < SIZE_MAX &&
                 kofn_batch_get_block(c->batch, 1, i) < SIZE_MAX;
    return blocks && c->weight.classes == c->batch->count;
}

static size_t
find_kin(size_t *kin, size_t pair)
{
    while (kin[pair] != pair)
        pair = kin[pair] = kin[kin[pair]];
    return pair;
}

static void
join_kin(size_t *kin, size_t pair, size_t other)
{
    const size_t a = find_kin(kin, pair), b = find_kin(kin, other);
    kin[a > b ? a : b] = a > b ? b : a;
}

/* By the blocks of sums in this coordinate: pairs that have such a block, alone or in a sum. owner
 * [blocks]: zeros; becomes a pair with a sum that has the block, and one more. */
static void
join_by_sums(const kofn_sums *side, size_t *owner, size_t *kin)
{
    for (size_t i = 0; i < side->rows; i++)
        for (size_t e = side->first[i]; e < side->first[i + 1]; e++) {
            size_t *of = &owner[side->column[e]];
            if (side->first[i + 1] - side->first[i] == 1)
                continue;
            if (*of == 0)
                *of = i + 1;
            join_kin(kin, i, *of - 1);
        }
    for (size_t i = 0; i < side->rows; i++)
        if (owner[side->column[side->first[i]]] > 0)
            join_kin(kin, i, owner[side->column[side->first[i]]] - 1);
}

static kofn_status
list_kin(kofn_pair_costs *c, kofn_error *err)
{
    const kofn_sums *side = c->batch->side;
    c->kin = malloc(c->batch->count * sizeof *c->kin);
    size_t *owner = calloc(side[0].cols + side[1].cols, sizeof *owner);
    if (!c->kin || !owner) {
        free(owner);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", c->batch->count);
    }
    for (size_t i = 0; i < c->batch->count; i++)
        c->kin[i] = i;
    join_by_sums(&side[0], owner, c->kin);
    join_by_sums(&side[1], owner + side[0].cols, c->kin);
    for (size_t i = 0; i < c->batch->count; i++)
        c->kin[i] = find_kin(c->kin, i);
    free(owner);
    return KOFN_OK;
}

kofn_status
kofn_pair_costs_init(kofn_pair_costs *costs, const kofn_grouping_params *params, kofn_error *err)
{
    kofn_pair_costs *c = costs;
    *c = (kofn_pair_costs){.params = params, .batch = params->batch, .field = params->field};
    kofn_status status = KOFN_OK;
    if (!transpose(&c->batch->weights, &c->columns))
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", c->batch->count);
    if (!status)
        status = kofn_sides_init(&c->weight, c->field, &c->columns, err);
    for (size_t j = 0; j < 2 && !status; j++)
        status = kofn_sides_init(&c->side[j], c->field, &c->batch->side[j], err);
    if (!status)
        status = list_kin(c, err);
    c->unrelated = !status && are_unrelated(c);
    if (status)
        kofn_pair_costs_fini(c);
    return status;
}

void
kofn_pair_costs_fini(kofn_pair_costs *costs)
{
    kofn_sides_fini(&costs->side[0]);
    kofn_sides_fini(&costs->side[1]);
    kofn_sides_fini(&costs->weight);
    free(costs->columns.first);
    free(costs->kin);
    *costs = (kofn_pair_costs){0};
}

size_t
kofn_pair_costs_get_steps(const kofn_pair_costs *costs)
{
    return costs->steps + costs->side[0].steps + costs->side[1].steps;
}

void
kofn_pair_costs_limit(kofn_pair_costs *costs, size_t steps)
{
    for (size_t j = 0; j < 2; j++)
        costs->side[j].most = costs->side[j].steps + steps;
}

/* ---- sets of them ---------------------------------------------------------------------------- */

bool
kofn_group_cost_has_points(const kofn_group_cost *cost, const kofn_field *field, size_t spare)
{
    const size_t tasks = cost->answers + spare;
    return field->order == 0 || cost->answers == 1 ||
           (double)(cost->points > tasks ? cost->points : tasks) <= field->order;
}

static size_t
curve_answers(size_t count, const kofn_sides_set set[2])
{
    return 2 * count - 1 - kofn_sides_saves(&set[0]) - kofn_sides_saves(&set[1]);
}

/* All sides of the terms, of which there is one at least. */
static kofn_status
look_at_terms(kofn_pair_costs *c, const kofn_terms *terms, kofn_sides_set ret_set[2],
              kofn_error *err)
{
    const size_t count = terms->side[0].rows;
    size_t *all = malloc(count * sizeof *all);
    kofn_status status =
        all ? KOFN_OK : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu terms", count);
    for (size_t i = 0; all && i < count; i++)
        all[i] = i;
    for (size_t j = 0; j < 2 && !status; j++) {
        kofn_sides sides;
        status = kofn_sides_init(&sides, c->field, &terms->side[j], err);
        if (status)
            break;
        status = kofn_sides_look(&sides, all, count, &ret_set[j], err);
        c->steps += sides.steps;
        kofn_sides_fini(&sides);
    }
    free(all);
    return status;
}

/* What is left of the sum when sides that come up twice were factored out, if that is less. */
static kofn_status
measure_sum(kofn_pair_costs *c, const size_t *pair, size_t count, kofn_group_cost *best,
            kofn_error *err)
{
    kofn_terms terms;
    kofn_sides_set set[2];
    double *factor = malloc(count * sizeof *factor);
    if (!factor)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    for (size_t i = 0; i < count; i++)
        factor[i] = c->weight.factor[pair[i]];
    kofn_status status = kofn_terms_init(
        &terms,
        &(kofn_terms_params){
            .batch = c->batch, .field = c->field, .pair = pair, .factor = factor, .count = count},
        err);
    free(factor);
    if (status)
        return status;
    const size_t left = terms.side[0].rows;
    c->steps += terms.steps;
    if (left > 0)
        status = look_at_terms(c, &terms, set, err);
    if (!status && left > 0 && curve_answers(left, set) < best->answers)
        *best = (kofn_group_cost){KOFN_GROUP_SUM, curve_answers(left, set), left};
    kofn_terms_fini(&terms);
    return status;
}

static bool
is_one_sum(const kofn_pair_costs *c, const size_t *pair, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (c->weight.class[pair[i]] != c->weight.class[pair[0]])
            return false;
    return true;
}

/* Where both need as few, as for a star: in the reals errors grow less in random mixtures than
 * between points (of 8 pairs and 4 lost tasks by 350 at worst, against 15,000), and in a finite
 * field a grid has no plain rows. A single answer is a copy on a curve. */
static bool
is_grid_better(const kofn_field *f, size_t grid, size_t curve)
{
    return grid < curve || (grid == curve && curve > 1 && f->order == 0);
}

/* The form that needs the fewest answers, of pairs whose sides are these. */
static kofn_status
choose_form(kofn_pair_costs *c, const size_t *pair, size_t count, const kofn_sides_set set[2],
            kofn_group_cost *ret_cost, kofn_error *err)
{
    const kofn_grouping_choice choice = c->params->choice;
    const kofn_group_cost grid = {KOFN_GROUP_GRID, set[0].rank * set[1].rank, 0};
    kofn_group_cost best = {KOFN_GROUP_CURVE, curve_answers(count, set), count};
    if (choice == KOFN_GROUPING_GRID ||
        (choice == KOFN_GROUPING_AUTO && is_grid_better(c->field, grid.answers, best.answers)))
        best = grid;
    const bool repeats = set[0].classes < count || set[1].classes < count;
    kofn_status status = KOFN_OK;
    if (choice != KOFN_GROUPING_GRID && repeats && is_one_sum(c, pair, count))
        status = measure_sum(c, pair, count, &best, err);
    if (!status)
        *ret_cost = best;
    return status;
}

kofn_status
kofn_pair_costs_measure(kofn_pair_costs *costs, const size_t *pair, size_t count,
                        kofn_group_cost *ret_cost, kofn_error *err)
{
    kofn_sides_set set[2];
    kofn_status status = KOFN_OK;
    for (size_t j = 0; j < 2 && !status; j++)
        status = kofn_sides_look(&costs->side[j], pair, count, &set[j], err);
    return status ? status : choose_form(costs, pair, count, set, ret_cost, err);
}

kofn_status
kofn_pair_costs_settle(kofn_pair_costs *costs, const size_t *pair, size_t count,
                       kofn_group_cost *ret_cost, kofn_error *err)
{
    const kofn_terms_params params = {
        .batch = costs->batch, .field = costs->field, .pair = pair, .count = count};
    kofn_terms terms;
    kofn_sides_set set[2];
    kofn_status status = kofn_terms_init(&terms, &params, err);
    if (status)
        return status;
    status = look_at_terms(costs, &terms, set, err);
    kofn_terms_fini(&terms);
    return status ? status : choose_form(costs, pair, count, set, ret_cost, err);
}
