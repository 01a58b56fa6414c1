/* A grouping is made in three steps: what a set of pairs costs as one group (measure), which partition
 * costs least (all of them, or a search), and how it is handed out. Costs do not depend on the spare
 * tasks, so that subsets are measured once, whatever number of them is tried afterwards. */
#include "common/code/grouping.h"
#include "common/code/sides.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NOTHING = 0x1p-48; // of a sum that cancels, relative to its terms

/* What a set of pairs needs as one group: answers, and the points of a finite field. */
typedef struct cost {
    kofn_pair_group_form form;
    size_t answers;
    size_t points; // that differ, beside those of the answers and the spare ones
} cost;

typedef struct search {
    const kofn_grouping_params *params;
    const kofn_batch *batch;
    const kofn_field *field;
    kofn_sums columns; // [pairs, blocks of C]: the weights by pairs
    kofn_sides side[2], weight;
    size_t spare;
    size_t steps;   // done so far: pairs that were looked at
    cost *subset;   // [2^pairs] where all are measured
    bool unrelated; // products, which are all wanted: without spare tasks single pairs are best
} search;

/* ---- sums of pairs --------------------------------------------------------------------------- */

/* Row `class` of ret := the sum of the rows of `from` that are of it, times what their other sides are
 * of the class's first. Of rounding nothing is left. dense [2 cols]: zeros. */
static void
add_class(const kofn_sides *by, const kofn_sums *from, size_t class, double *dense, kofn_sums *ret)
{
    const kofn_field *f = by->field;
    double *size = dense + from->cols;
    size_t at = ret->first[class];
    for (size_t i = 0; i < from->rows; i++)
        for (size_t e = from->first[i]; by->class[i] == class && e < from->first[i + 1]; e++) {
            const double term = f->multiply(f, by->factor[i], from->coef[e]);
            dense[from->column[e]] = f->add(f, dense[from->column[e]], term);
            size[from->column[e]] += fabs(term);
        }
    for (size_t c = 0; c < from->cols; c++) {
        if (f->order != 0 ? dense[c] != 0 : fabs(dense[c]) > NOTHING * size[c]) {
            ret->column[at] = c;
            ret->coef[at++] = dense[c];
        }
        dense[c] = size[c] = 0;
    }
    ret->first[class + 1] = at;
}

/* One term for each class of a coordinate, whose other side is the sum of theirs: X Y_1 + X Y_2 is
 * X (Y_1 + Y_2). Terms that come to nothing are left out. */
static kofn_status
factor_out(kofn_terms *terms, size_t coordinate, const kofn_sides *by, kofn_error *err)
{
    const kofn_sums *from = &terms->side[1 - coordinate];
    const size_t classes = by->classes;
    double *dense = calloc(2 * from->cols, sizeof *dense);
    size_t *row = malloc(2 * classes * sizeof *row), *kept = row + classes, left = 0;
    kofn_sums sums = {0}, side[2] = {{0}, {0}};
    bool made =
        dense && row && kofn_sums_alloc(classes, from->cols, from->first[from->rows], &sums);
    for (size_t c = 0; made && c < classes; c++) {
        add_class(by, from, c, dense, &sums);
        if (sums.first[c + 1] > sums.first[c]) {
            kept[left] = c;
            row[left++] = by->first[c];
        }
    }
    made = made &&
           kofn_sums_copy_rows(&terms->side[coordinate], row, left, by->field, NULL,
                               &side[coordinate]) &&
           kofn_sums_copy_rows(&sums, kept, left, by->field, NULL, &side[1 - coordinate]);
    free(dense);
    free(row);
    free(sums.first);
    for (size_t j = 0; j < 2; j++) {
        kofn_sums *unused = made ? &terms->side[j] : &side[j];
        free(unused->first);
        if (made)
            terms->side[j] = side[j];
    }
    return made ? KOFN_OK
                : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a sum of %zu pairs",
                            classes);
}

/* Until no side comes up twice. */
static kofn_status
factor_all(const kofn_field *f, kofn_terms *terms, kofn_error *err)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t j = 0; j < 2; j++) {
            kofn_sides sides;
            kofn_status status = kofn_sides_init(&sides, f, &terms->side[j], err);
            if (status)
                return status;
            const bool repeats = sides.classes < terms->side[j].rows;
            if (repeats)
                status = factor_out(terms, j, &sides, err);
            kofn_sides_fini(&sides);
            if (status)
                return status;
            again = again || repeats;
        }
    }
    return KOFN_OK;
}

/* Pairs, each times a factor, as terms. */
static kofn_status
list_terms(const kofn_grouping_params *params, bool sum, const size_t *pair, const double *factor,
           size_t count, kofn_terms *ret_terms, kofn_error *err)
{
    const kofn_sums *side = params->batch->side;
    kofn_terms terms = {0};
    kofn_status status = KOFN_OK;
    if (!kofn_sums_copy_rows(&side[0], pair, count, params->field, NULL, &terms.side[0]) ||
        !kofn_sums_copy_rows(&side[1], pair, count, params->field, factor, &terms.side[1]))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    if (!status && sum)
        status = factor_all(params->field, &terms, err);
    if (status)
        kofn_terms_fini(&terms);
    else
        *ret_terms = terms;
    return status;
}

void
kofn_terms_fini(kofn_terms *terms)
{
    free(terms->side[0].first);
    free(terms->side[1].first);
    *terms = (kofn_terms){0};
}

/* ---- what a group costs ---------------------------------------------------------------------- */

static bool
has_points(const search *s, const cost *c)
{
    const size_t tasks = c->answers + s->spare;
    return s->field->order == 0 || c->answers == 1 ||
           (double)(c->points > tasks ? c->points : tasks) <= s->field->order;
}

static size_t
curve_answers(size_t count, const kofn_sides_set set[2])
{
    return 2 * count - 1 - kofn_sides_saves(&set[0]) - kofn_sides_saves(&set[1]);
}

/* What is left of the sum when sides that come up twice were factored out, if that is less. */
static kofn_status
measure_sum(const search *s, const size_t *pair, size_t count, cost *best, kofn_error *err)
{
    kofn_terms terms;
    double *factor = malloc(count * sizeof *factor);
    if (!factor)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    for (size_t i = 0; i < count; i++)
        factor[i] = s->weight.factor[pair[i]];
    kofn_status status = list_terms(s->params, true, pair, factor, count, &terms, err);
    free(factor);
    if (status)
        return status;
    const size_t left = terms.side[0].rows;
    size_t *all = malloc((left + 1) * sizeof *all);
    kofn_sides_set set[2];
    for (size_t i = 0; all && i < left; i++)
        all[i] = i;
    if (!all)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", count);
    for (size_t j = 0; j < 2 && !status && left > 0; j++) {
        kofn_sides sides;
        status = kofn_sides_init(&sides, s->field, &terms.side[j], err);
        if (!status)
            status = kofn_sides_look(&sides, all, left, &set[j], err);
        kofn_sides_fini(&sides);
    }
    if (!status && left > 0 && curve_answers(left, set) < best->answers)
        *best = (cost){KOFN_GROUP_SUM, curve_answers(left, set), left};
    free(all);
    kofn_terms_fini(&terms);
    return status;
}

static bool
is_one_sum(const search *s, const size_t *pair, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (s->weight.class[pair[i]] != s->weight.class[pair[0]])
            return false;
    return true;
}

/* Where both need as few, as for a star: in the reals errors grow less in random mixtures than between
 * points (of 8 pairs and 4 lost tasks by 350 at worst, against 15,000), and in a finite field a grid has
 * no plain rows. A single answer is a copy on a curve. */
static bool
is_grid_better(const search *s, size_t grid, size_t curve)
{
    return grid < curve || (grid == curve && curve > 1 && s->field->order == 0);
}

/* The form that needs the fewest answers. */
static kofn_status
measure(search *s, const size_t *pair, size_t count, cost *ret_cost, kofn_error *err)
{
    const kofn_grouping_choice choice = s->params->choice;
    kofn_sides_set set[2] = {{0}, {0}};
    kofn_status status = KOFN_OK;
    for (size_t j = 0; j < 2 && !status; j++)
        status = kofn_sides_look(&s->side[j], pair, count, &set[j], err);
    if (status)
        return status;
    s->steps += count;
    const cost grid = {KOFN_GROUP_GRID, set[0].rank * set[1].rank, 0};
    cost best = {KOFN_GROUP_CURVE, curve_answers(count, set), count};
    if (choice == KOFN_GROUPING_GRID ||
        (choice == KOFN_GROUPING_AUTO && is_grid_better(s, grid.answers, best.answers)))
        best = grid;
    const bool repeats = set[0].classes < count || set[1].classes < count;
    if (choice != KOFN_GROUPING_GRID && repeats && is_one_sum(s, pair, count)) {
        s->steps += count * (s->batch->side[0].cols + s->batch->side[1].cols);
        status = measure_sum(s, pair, count, &best, err);
    }
    if (!status)
        *ret_cost = best;
    return status;
}

/* ---- all partitions -------------------------------------------------------------------------- */

/* Bits of the mask as numbers. */
static size_t
list_bits(size_t mask, size_t *ret)
{
    size_t count = 0;
    for (size_t i = 0; mask >> i; i++)
        if (mask >> i & 1)
            ret[count++] = i;
    return count;
}

static kofn_status
measure_subsets(search *s, kofn_error *err)
{
    const size_t all = ((size_t)1 << s->batch->count) - 1;
    size_t pair[KOFN_GROUPING_EXACT];
    s->subset = calloc(all + 1, sizeof *s->subset);
    if (!s->subset)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the subsets of %zu pairs",
                         s->batch->count);
    kofn_status status = KOFN_OK;
    for (size_t mask = 1; mask <= all && !status; mask++)
        status = measure(s, pair, list_bits(mask, pair), &s->subset[mask], err);
    return status;
}

/* group[pair] of the partition of fewest tasks; of several one with small groups, which more often have
 * what they need. best[mask] are those of the pairs in it, last[mask] the
 * group of its lowest pair. */
static kofn_status
search_all(search *s, size_t *group, kofn_error *err)
{
    const size_t all = ((size_t)1 << s->batch->count) - 1;
    size_t *best = calloc(2 * (all + 1), sizeof *best), *last = best + all + 1;
    if (!best)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the subsets of %zu pairs",
                         s->batch->count);
    for (size_t mask = 1; mask <= all; mask++) {
        const size_t lowest = mask & -mask, rest = mask ^ lowest;
        best[mask] = SIZE_MAX;
        for (size_t sub = rest;; sub = (sub - 1) & rest) {
            const size_t of = sub | lowest;
            const size_t tasks = s->subset[of].answers + s->spare + best[mask ^ of];
            if (tasks <= best[mask] && has_points(s, &s->subset[of])) {
                best[mask] = tasks;
                last[mask] = of;
            }
            if (sub == 0)
                break;
        }
    }
    size_t groups = 0;
    for (size_t mask = all; mask > 0; mask ^= last[mask], groups++) {
        size_t pair[KOFN_GROUPING_EXACT];
        const size_t count = list_bits(last[mask], pair);
        for (size_t i = 0; i < count; i++)
            group[pair[i]] = groups;
    }
    free(best);
    return KOFN_OK;
}

/* ---- search ---------------------------------------------------------------------------------- */

enum {
    STEPS = 1 << 20, // pairs looked at, for each beginning
    NEAR = 64,       // so many groups or fewer: each is tried with each
    BESIDE = 4,      // else: those that share a side, and so many others
};

/* A partition that is being improved. Groups have numbers below the number of pairs; some are empty. */
typedef struct partition {
    size_t pairs, tasks;
    size_t *group; // [pairs]
    size_t *first,
        *next;    // [pairs] of each group the first pair, of each pair the next; SIZE_MAX: none
    size_t *size; // [pairs] of each group
    cost *cost;   // [pairs]
    size_t *list; // [pairs] room
    bool *tried;  // [pairs] room
} partition;

static void
partition_fini(partition *p)
{
    free(p->group);
    free(p->first);
    free(p->next);
    free(p->size);
    free(p->cost);
    free(p->list);
    free(p->tried);
}

static kofn_status
partition_init(partition *p, size_t pairs, kofn_error *err)
{
    *p = (partition){.pairs = pairs,
                     .group = calloc(pairs, sizeof *p->group),
                     .first = calloc(pairs, sizeof *p->first),
                     .next = calloc(pairs, sizeof *p->next),
                     .size = calloc(pairs, sizeof *p->size),
                     .cost = calloc(pairs, sizeof *p->cost),
                     .list = calloc(pairs, sizeof *p->list),
                     .tried = calloc(pairs, sizeof *p->tried)};
    if (p->group && p->first && p->next && p->size && p->cost && p->list && p->tried)
        return KOFN_OK;
    partition_fini(p);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for groups of %zu pairs", pairs);
}

/* The group's pairs but for `without` behind count others in p->list; how many there are then. */
static size_t
list_group(const partition *p, size_t group, size_t without, size_t count)
{
    for (size_t i = p->first[group]; i != SIZE_MAX; i = p->next[i])
        if (i != without)
            p->list[count++] = i;
    return count;
}

/* Lists as p->group says. */
static void
link_pairs(partition *p)
{
    for (size_t g = 0; g < p->pairs; g++) {
        p->first[g] = SIZE_MAX;
        p->size[g] = 0;
    }
    for (size_t i = p->pairs; i-- > 0;) {
        const size_t g = p->group[i];
        p->next[i] = p->first[g];
        p->first[g] = i;
        p->size[g]++;
    }
}

static kofn_status
measure_group(search *s, partition *p, size_t group, kofn_error *err)
{
    if (p->size[group] == 0)
        return KOFN_OK;
    return measure(s, p->list, list_group(p, group, SIZE_MAX, 0), &p->cost[group], err);
}

static size_t
count_tasks(const search *s, const partition *p)
{
    size_t tasks = 0;
    for (size_t g = 0; g < p->pairs; g++)
        if (p->size[g] > 0)
            tasks += has_points(s, &p->cost[g]) ? p->cost[g].answers + s->spare : KOFN_TASKS_MAX;
    return tasks;
}

/* What a group of these pairs takes; more than any where it cannot be. */
static kofn_status
try_group(search *s, const partition *p, size_t count, size_t *ret_tasks, cost *ret_cost,
          kofn_error *err)
{
    *ret_tasks = 0;
    if (count == 0)
        return KOFN_OK;
    const kofn_status status = measure(s, p->list, count, ret_cost, err);
    if (!status)
        *ret_tasks =
            has_points(s, ret_cost) ? ret_cost->answers + s->spare : (size_t)KOFN_TASKS_MAX;
    return status;
}

static size_t
tasks_of(const search *s, const partition *p, size_t group)
{
    if (p->size[group] == 0)
        return 0;
    return has_points(s, &p->cost[group]) ? p->cost[group].answers + s->spare : KOFN_TASKS_MAX;
}

/* p->tried[h]: group h is worth trying together with group `of`. */
static void
mark_near(search *s, partition *p, size_t of)
{
    size_t groups = 0, beside = 0;
    s->steps += p->pairs * (1 + p->size[of]) / 8; // a look at a class costs less than a measure
    for (size_t g = 0; g < p->pairs; g++)
        groups += p->size[g] > 0;
    for (size_t g = 0; g < p->pairs; g++)
        p->tried[g] = p->size[g] > 0 && groups <= NEAR;
    for (size_t g = of + 1; g < p->pairs && beside < BESIDE; g++)
        if (p->size[g] > 0) {
            p->tried[g] = true;
            beside++;
        }
    for (size_t i = p->first[of]; groups > NEAR && i != SIZE_MAX; i = p->next[i])
        for (size_t o = 0; o < p->pairs; o++)
            if (s->side[0].class[o] == s->side[0].class[i] ||
                s->side[1].class[o] == s->side[1].class[i])
                p->tried[p->group[o]] = true;
    p->tried[of] = false;
}

/* Pairs of group `from` go to group `to`, whose cost is then known. */
static void
merge(partition *p, size_t from, size_t to, const cost *c)
{
    for (size_t i = 0; i < p->pairs; i++)
        if (p->group[i] == from)
            p->group[i] = to;
    link_pairs(p);
    p->cost[to] = *c;
}

/* Merge `group` with the one with which it saves most. */
static kofn_status
improve_by_merging(search *s, partition *p, size_t group, bool *ret_better, kofn_error *err)
{
    size_t best = SIZE_MAX, most = 0;
    cost best_cost = {0};
    mark_near(s, p, group);
    for (size_t other = 0; other < p->pairs; other++) {
        size_t tasks;
        cost c;
        if (!p->tried[other])
            continue;
        const size_t count = list_group(p, other, SIZE_MAX, list_group(p, group, SIZE_MAX, 0));
        const kofn_status status = try_group(s, p, count, &tasks, &c, err);
        if (status)
            return status;
        const size_t now = tasks_of(s, p, group) + tasks_of(s, p, other);
        if (now > tasks && now - tasks > most) {
            most = now - tasks;
            best = other;
            best_cost = c;
        }
    }
    if (best < SIZE_MAX) {
        merge(p, group, best, &best_cost);
        *ret_better = true;
    }
    return KOFN_OK;
}

/* Move the pair to the group, perhaps an empty one, where that saves most. */
static kofn_status
improve_by_moving(search *s, partition *p, size_t pair, bool *ret_better, kofn_error *err)
{
    const size_t from = p->group[pair];
    size_t left, best = SIZE_MAX, most = 0, empty = 0;
    cost left_cost = {0}, best_cost = {0};
    if (p->size[from] == 1)
        return KOFN_OK; // merging has tried it
    kofn_status status = try_group(s, p, list_group(p, from, pair, 0), &left, &left_cost, err);
    mark_near(s, p, from);
    while (p->size[empty] > 0)
        empty++; // there is one: some group has two pairs
    p->tried[empty] = true;
    for (size_t to = 0; to < p->pairs && !status; to++) {
        size_t tasks;
        cost c;
        if (!p->tried[to])
            continue;
        const size_t count = list_group(p, to, SIZE_MAX, 0);
        p->list[count] = pair;
        status = try_group(s, p, count + 1, &tasks, &c, err);
        const size_t now = tasks_of(s, p, from) + tasks_of(s, p, to);
        if (!status && now > left + tasks && now - left - tasks > most) {
            most = now - left - tasks;
            best = to;
            best_cost = c;
        }
    }
    if (status || best == SIZE_MAX)
        return status;
    p->group[pair] = best;
    link_pairs(p);
    p->cost[from] = left_cost;
    p->cost[best] = best_cost;
    *ret_better = true;
    return KOFN_OK;
}

static kofn_status
improve(search *s, partition *p, kofn_error *err)
{
    const size_t end = s->steps + STEPS;
    kofn_status status = KOFN_OK;
    bool better = true;
    while (better && !status && s->steps < end) {
        better = false;
        for (size_t g = 0; g < p->pairs && !status && s->steps < end; g++)
            if (p->size[g] > 0)
                status = improve_by_merging(s, p, g, &better, err);
        for (size_t i = 0; i < p->pairs && !status && s->steps < end; i++)
            status = improve_by_moving(s, p, i, &better, err);
    }
    return status;
}

/* ---- beginnings ------------------------------------------------------------------------------ */

typedef void beginning(const search *s, partition *p);

static void
begin_alone(const search *s, partition *p)
{
    (void)s;
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = i;
}

static void
begin_together(const search *s, partition *p)
{
    (void)s;
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = 0;
}

/* Stars: the side that most of the pairs left have takes them. Groups are named by their first pair. */
static void
begin_with_stars(const search *s, partition *p)
{
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = SIZE_MAX;
    for (size_t left = p->pairs; left > 0;) {
        size_t most = 0, side = 0, class = 0;
        for (size_t j = 0; j < 2; j++) {
            memset(p->size, 0, p->pairs * sizeof *p->size);
            for (size_t i = 0; i < p->pairs; i++)
                if (p->group[i] == SIZE_MAX && ++p->size[s->side[j].class[i]] > most) {
                    most = p->size[s->side[j].class[i]];
                    side = j;
                    class = s->side[j].class[i];
                }
        }
        size_t name = SIZE_MAX;
        for (size_t i = 0; i < p->pairs; i++)
            if (p->group[i] == SIZE_MAX && s->side[side].class[i] == class) {
                name = name == SIZE_MAX ? i : name;
                p->group[i] = name;
            }
        left -= most;
    }
}

static beginning *const beginnings[] = {begin_alone, begin_together, begin_with_stars};

enum { SUMS_SEARCHED = 24 };

/* Sums of blocks are eliminated at each look, which is too much for a search among many of them: then
 * each pair stays alone. */
static bool
has_many_sums(const search *s)
{
    const kofn_batch *batch = s->batch;
    return batch->count > SUMS_SEARCHED && (batch->side[0].first[batch->count] > batch->count ||
                                            batch->side[1].first[batch->count] > batch->count);
}

/* group[pair] of the best partition found. */
static kofn_status
search_some(search *s, size_t *group, kofn_error *err)
{
    partition p;
    size_t least = SIZE_MAX;
    kofn_status status = partition_init(&p, s->batch->count, err);
    if (status)
        return status;
    const bool mixed = has_many_sums(s);
    for (size_t b = 0; b < sizeof beginnings / sizeof beginnings[0] && !status; b++) {
        if (mixed && b > 0)
            break;
        beginnings[b](s, &p);
        link_pairs(&p);
        for (size_t g = 0; g < p.pairs && !status; g++)
            status = measure_group(s, &p, g, err);
        if (!status && !mixed)
            status = improve(s, &p, err);
        const size_t tasks = count_tasks(s, &p);
        if (!status && tasks < least) {
            least = tasks;
            memcpy(group, p.group, p.pairs * sizeof *group);
        }
    }
    partition_fini(&p);
    return status;
}

/* ---- groupings ------------------------------------------------------------------------------- */

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
are_unrelated(const search *s)
{
    bool blocks = true;
    for (size_t i = 0; i < s->batch->count && blocks; i++)
        blocks = kofn_batch_get_block(s->batch, 0, i) < SIZE_MAX &&
                 kofn_batch_get_block(s->batch, 1, i) < SIZE_MAX;
    return blocks && s->weight.classes == s->batch->count;
}

static void
search_fini(search *s)
{
    kofn_sides_fini(&s->side[0]);
    kofn_sides_fini(&s->side[1]);
    kofn_sides_fini(&s->weight);
    free(s->columns.first);
    free(s->subset);
}

/* Of as many pairs as are all tried together the costs are known from here on. */
static kofn_status
search_init(search *s, const kofn_grouping_params *params, kofn_error *err)
{
    assert(params->exact <= KOFN_GROUPING_EXACT);
    *s = (search){.params = params, .batch = params->batch, .field = params->field};
    kofn_status status = KOFN_OK;
    if (!transpose(&s->batch->weights, &s->columns))
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu pairs", s->batch->count);
    if (!status)
        status = kofn_sides_init(&s->weight, s->field, &s->columns, err);
    for (size_t j = 0; j < 2 && !status; j++)
        status = kofn_sides_init(&s->side[j], s->field, &s->batch->side[j], err);
    s->unrelated = !status && are_unrelated(s);
    if (!status && params->choice == KOFN_GROUPING_AUTO && s->batch->count <= params->exact)
        status = measure_subsets(s, err);
    if (status)
        search_fini(s);
    return status;
}

/* group[pair], for s->spare. */
static kofn_status
choose_groups(search *s, size_t *group, kofn_error *err)
{
    const size_t pairs = s->batch->count;
    if (s->subset)
        return search_all(s, group, err);
    const bool alone = s->params->choice == KOFN_GROUPING_ALONE ||
                       (s->params->choice == KOFN_GROUPING_AUTO && s->spare == 0 && s->unrelated);
    if (s->params->choice == KOFN_GROUPING_AUTO && !alone)
        return search_some(s, group, err);
    for (size_t i = 0; i < pairs; i++)
        group[i] = alone ? i : 0;
    return KOFN_OK;
}

static kofn_status
fail_points(const search *s, const cost *c, size_t pairs, kofn_error *err)
{
    char larger[KOFN_FIELD_ADVICE_MAX];
    const size_t tasks = c->answers + s->spare, need = c->points > tasks ? c->points : tasks;
    kofn_field_advise((double)need, larger);
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "%zu pairs on one %s take %zu points, but field %s has %.0f; take construction "
        "auto, or field %s",
        pairs, c->form == KOFN_GROUP_GRID ? "grid" : "curve", need, s->field->name, s->field->order,
        larger);
}

/* Groups get numbers as their first pairs come up. slot [pairs]: room. */
static void
sort_pairs(const size_t *group, const double *factor, size_t pairs, size_t *slot, kofn_grouping *g)
{
    for (size_t i = 0; i < pairs; i++)
        slot[i] = SIZE_MAX;
    for (size_t i = 0; i < pairs; i++) {
        if (slot[group[i]] == SIZE_MAX)
            slot[group[i]] = g->count++;
        g->at[slot[group[i]]].count++;
    }
    for (size_t k = 0, used = 0; k < g->count; k++) {
        g->at[k].first = used;
        used += g->at[k].count;
        g->at[k].count = 0;
    }
    for (size_t i = 0; i < pairs; i++) {
        kofn_pair_group *at = &g->at[slot[group[i]]];
        g->pair[at->first + at->count] = i;
        g->factor[at->first + at->count++] = factor[i];
    }
}

/* What each group is, of pairs that are sorted. */
static kofn_status
measure_groups(search *s, kofn_grouping *g, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t k = 0; k < g->count && !status; k++) {
        cost c = {0};
        status = measure(s, g->pair + g->at[k].first, g->at[k].count, &c, err);
        if (!status && !has_points(s, &c))
            status = fail_points(s, &c, g->at[k].count, err);
        g->at[k].form = c.form;
        g->at[k].answers = c.answers;
        g->tasks += c.answers + g->spare;
    }
    return status;
}

static kofn_status
make(search *s, size_t spare, kofn_grouping *ret_grouping, kofn_error *err)
{
    const size_t pairs = s->batch->count;
    kofn_grouping g = {.spare = spare, .at = calloc(pairs, sizeof *g.at)};
    g.pair = malloc(pairs * sizeof *g.pair);
    g.factor = malloc(pairs * sizeof *g.factor);
    size_t *group = malloc(2 * pairs * sizeof *group);
    kofn_status status = KOFN_OK;
    s->spare = spare;
    if (!g.at || !g.pair || !g.factor || !group)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for groups of %zu pairs", pairs);
    if (!status)
        status = choose_groups(s, group, err);
    if (!status) {
        sort_pairs(group, s->weight.factor, pairs, group + pairs, &g);
        status = measure_groups(s, &g, err);
    }
    free(group);
    if (status)
        kofn_grouping_fini(&g);
    else
        *ret_grouping = g;
    return status;
}

kofn_status
kofn_grouping_init(kofn_grouping *grouping, const kofn_grouping_params *params, size_t spare,
                   kofn_error *err)
{
    search s;
    kofn_status status = search_init(&s, params, err);
    if (status)
        return status;
    status = make(&s, spare, grouping, err);
    search_fini(&s);
    return status;
}

/* Answers of all groups. */
static size_t
count_answers(const kofn_grouping *g)
{
    return g->tasks - g->count * g->spare;
}

/* As many spare tasks as these very groups can have. */
static void
raise_spare(const search *s, size_t tasks, kofn_grouping *g)
{
    const size_t answers = count_answers(g);
    size_t spare = (tasks - answers) / g->count;
    for (size_t k = 0; k < g->count; k++)
        if (s->field->order != 0 && g->at[k].answers > 1) {
            const size_t most = (size_t)s->field->order - g->at[k].answers;
            spare = most < spare ? most : spare;
        }
    g->spare = spare;
    g->tasks = answers + g->count * spare;
}

/* The fewest tasks grow with the spare ones, slower and slower: groups that are right for some number of
 * them say how far it can be raised, and other groups are looked for at the next one. */
static kofn_status
find_most_spare(search *s, size_t tasks, kofn_grouping *g, kofn_error *err)
{
    for (;;) {
        kofn_grouping more;
        raise_spare(s, tasks, g);
        const kofn_status status = make(s, g->spare + 1, &more, err);
        if (status)
            return status == KOFN_INVALID_ARGUMENT ? KOFN_OK : status; // there are no points for it
        const bool fits = more.tasks <= tasks;
        kofn_grouping_fini(fits ? g : &more);
        if (!fits)
            return KOFN_OK;
        *g = more;
    }
}

kofn_status
kofn_grouping_init_within(kofn_grouping *grouping, const kofn_grouping_params *params, size_t tasks,
                          kofn_error *err)
{
    search s;
    kofn_grouping g = {0};
    kofn_status status = search_init(&s, params, err);
    if (status)
        return status;
    status = make(&s, 0, &g, err);
    if (!status && g.tasks > tasks)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT, "tasks=%zu, need at least %zu for %zu pairs",
                           tasks, g.tasks, params->batch->count);
    if (!status)
        status = find_most_spare(&s, tasks, &g, err);
    search_fini(&s);
    if (status)
        kofn_grouping_fini(&g);
    else
        *grouping = g;
    return status;
}

void
kofn_grouping_fini(kofn_grouping *grouping)
{
    free(grouping->at);
    free(grouping->pair);
    free(grouping->factor);
    *grouping = (kofn_grouping){0};
}

/* ---- terms ----------------------------------------------------------------------------------- */

kofn_status
kofn_grouping_make_terms(const kofn_grouping *grouping, size_t group,
                         const kofn_grouping_params *params, kofn_terms *ret_terms, kofn_error *err)
{
    const kofn_pair_group *g = &grouping->at[group];
    const bool sum = g->form == KOFN_GROUP_SUM;
    return list_terms(params, sum, grouping->pair + g->first,
                      sum ? grouping->factor + g->first : NULL, g->count, ret_terms, err);
}
