#include "common/code/grouping_search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef kofn_grouping_search state;
typedef kofn_group_cost cost;

enum {
    SUBSET_STEPS = 1 << 26, // to measure all subsets
    BEGIN_STEPS = 1 << 22,  // to measure the groups of a beginning
    STEPS = 1 << 21,        // to improve it
    NEAR = 64,              // so many groups or fewer: each is tried with each
    BESIDE = 4,             // else: those that share a side, and so many others
};

static bool
has_points(const state *s, const cost *c)
{
    return kofn_group_cost_has_points(c, s->costs.field, s->spare);
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
measure_subsets(state *s, kofn_error *err)
{
    const size_t all = ((size_t)1 << s->costs.batch->count) - 1;
    size_t pair[KOFN_GROUPING_EXACT];
    s->subset = calloc(all + 1, sizeof *s->subset);
    if (!s->subset)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the subsets of %zu pairs",
                         s->costs.batch->count);
    kofn_status status = KOFN_OK;
    kofn_pair_costs_limit(&s->costs, SUBSET_STEPS);
    for (size_t mask = 1; mask <= all && !status; mask++)
        status =
            kofn_pair_costs_measure(&s->costs, pair, list_bits(mask, pair), &s->subset[mask], err);
    return status;
}

/* group[pair] of the partition of fewest tasks; of several one with small groups, which more often
 * have what they need. best[mask] are those of the pairs in it, last[mask] the group of its lowest
 * pair. */
static kofn_status
search_all(state *s, size_t *group, kofn_error *err)
{
    const size_t all = ((size_t)1 << s->costs.batch->count) - 1;
    size_t *best = calloc(2 * (all + 1), sizeof *best);
    if (!best)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the subsets of %zu pairs",
                         s->costs.batch->count);
    size_t *last = best + all + 1;
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

/* ---- a partition that is improved ----------------------------------------------------------- */

/* Groups have numbers below the number of pairs; some are empty. */
typedef struct partition {
    size_t pairs;
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
measure_group(state *s, partition *p, size_t group, kofn_error *err)
{
    if (p->size[group] == 0)
        return KOFN_OK;
    return kofn_pair_costs_measure(&s->costs, p->list, list_group(p, group, SIZE_MAX, 0),
                                   &p->cost[group], err);
}

static size_t
count_tasks(const state *s, const partition *p)
{
    size_t tasks = 0;
    for (size_t g = 0; g < p->pairs; g++)
        if (p->size[g] > 0)
            tasks += has_points(s, &p->cost[g]) ? p->cost[g].answers + s->spare : KOFN_TASKS_MAX;
    return tasks;
}

/* What a group of these pairs takes; more than any where it cannot be. */
static kofn_status
try_group(state *s, const partition *p, size_t count, size_t *ret_tasks, cost *ret_cost,
          kofn_error *err)
{
    *ret_tasks = 0;
    if (count == 0)
        return KOFN_OK;
    const kofn_status status = kofn_pair_costs_measure(&s->costs, p->list, count, ret_cost, err);
    if (!status)
        *ret_tasks =
            has_points(s, ret_cost) ? ret_cost->answers + s->spare : (size_t)KOFN_TASKS_MAX;
    return status;
}

static size_t
tasks_of(const state *s, const partition *p, size_t group)
{
    if (p->size[group] == 0)
        return 0;
    return has_points(s, &p->cost[group]) ? p->cost[group].answers + s->spare : KOFN_TASKS_MAX;
}

/* p->tried[h]: group h is worth trying together with group `of`. */
static void
mark_near(state *s, partition *p, size_t of)
{
    size_t groups = 0, beside = 0;
    s->costs.steps +=
        p->pairs * (1 + p->size[of]) / 8; // a look at a class costs less than a measure
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
            if (s->costs.side[0].class[o] == s->costs.side[0].class[i] ||
                s->costs.side[1].class[o] == s->costs.side[1].class[i])
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
improve_by_merging(state *s, partition *p, size_t group, bool *ret_better, kofn_error *err)
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
improve_by_moving(state *s, partition *p, size_t pair, bool *ret_better, kofn_error *err)
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

static bool
goes_on(const state *s, size_t end)
{
    return kofn_pair_costs_get_steps(&s->costs) < end;
}

static kofn_status
improve(state *s, partition *p, kofn_error *err)
{
    const size_t end = kofn_pair_costs_get_steps(&s->costs) + STEPS;
    kofn_pair_costs_limit(&s->costs, STEPS);
    kofn_status status = KOFN_OK;
    bool better = true;
    while (better && !status && goes_on(s, end)) {
        better = false;
        for (size_t g = 0; g < p->pairs && !status && goes_on(s, end); g++)
            if (p->size[g] > 0)
                status = improve_by_merging(s, p, g, &better, err);
        for (size_t i = 0; i < p->pairs && !status && goes_on(s, end); i++)
            status = improve_by_moving(s, p, i, &better, err);
    }
    return status;
}

/* ---- beginnings ------------------------------------------------------------------------------ */

typedef void beginning(const state *s, partition *p);

static void
begin_alone(const state *s, partition *p)
{
    (void)s;
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = i;
}

static void
begin_together(const state *s, partition *p)
{
    (void)s;
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = 0;
}

/* Stars: the side that most of the pairs left have takes them. Groups are named by their first
 * pair. */
static void
begin_with_stars(const state *s, partition *p)
{
    for (size_t i = 0; i < p->pairs; i++)
        p->group[i] = SIZE_MAX;
    for (size_t left = p->pairs; left > 0;) {
        size_t most = 0, side = 0, class = 0;
        for (size_t j = 0; j < 2; j++) {
            memset(p->size, 0, p->pairs * sizeof *p->size);
            for (size_t i = 0; i < p->pairs; i++)
                if (p->group[i] == SIZE_MAX && ++p->size[s->costs.side[j].class[i]] > most) {
                    most = p->size[s->costs.side[j].class[i]];
                    side = j;
                    class = s->costs.side[j].class[i];
                }
        }
        size_t name = SIZE_MAX;
        for (size_t i = 0; i < p->pairs; i++)
            if (p->group[i] == SIZE_MAX && s->costs.side[side].class[i] == class) {
                name = name == SIZE_MAX ? i : name;
                p->group[i] = name;
            }
        left -= most;
    }
}

/* What hangs together by sums of blocks, as the three pairs of a complex product do. */
static void
begin_with_kin(const state *s, partition *p)
{
    memcpy(p->group, s->costs.kin, p->pairs * sizeof *p->group);
}

static beginning *const beginnings[] = {begin_alone, begin_together, begin_with_stars,
                                        begin_with_kin};

static kofn_status
begin(state *s, beginning *how, partition *p, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    how(s, p);
    link_pairs(p);
    kofn_pair_costs_limit(&s->costs, BEGIN_STEPS);
    for (size_t g = 0; g < p->pairs && !status; g++)
        status = measure_group(s, p, g, err);
    return status;
}

/* group[pair] of the best partition found. */
static kofn_status
search_some(state *s, size_t *group, kofn_error *err)
{
    partition p;
    size_t least = SIZE_MAX;
    kofn_status status = partition_init(&p, s->costs.batch->count, err);
    if (status)
        return status;
    for (size_t b = 0; b < sizeof beginnings / sizeof beginnings[0] && !status; b++) {
        if (beginnings[b] == begin_with_kin && !s->costs.side[0].sums && !s->costs.side[1].sums)
            continue; // each pair alone
        status = begin(s, beginnings[b], &p, err);
        if (!status)
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

/* ---- searches -------------------------------------------------------------------------------- */

kofn_status
kofn_grouping_search_init(kofn_grouping_search *search, const kofn_grouping_params *params,
                          kofn_error *err)
{
    assert(params->exact <= KOFN_GROUPING_EXACT);
    *search = (kofn_grouping_search){.subset = NULL};
    kofn_status status = kofn_pair_costs_init(&search->costs, params, err);
    if (!status && params->choice == KOFN_GROUPING_AUTO && params->batch->count <= params->exact)
        status = measure_subsets(search, err);
    if (status)
        kofn_grouping_search_fini(search);
    return status;
}

void
kofn_grouping_search_fini(kofn_grouping_search *search)
{
    kofn_pair_costs_fini(&search->costs);
    free(search->subset);
    *search = (kofn_grouping_search){.subset = NULL};
}

kofn_status
kofn_grouping_search_choose(kofn_grouping_search *search, size_t spare, size_t *group,
                            kofn_error *err)
{
    const kofn_grouping_choice choice = search->costs.params->choice;
    search->spare = spare;
    if (search->subset)
        return search_all(search, group, err);
    const bool alone = choice == KOFN_GROUPING_ALONE ||
                       (choice == KOFN_GROUPING_AUTO && spare == 0 && search->costs.unrelated);
    if (choice == KOFN_GROUPING_AUTO && !alone)
        return search_some(search, group, err);
    for (size_t i = 0; i < search->costs.batch->count; i++)
        group[i] = alone ? i : 0;
    return KOFN_OK;
}
