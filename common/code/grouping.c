/* A grouping is made of a partition of the pairs (grouping_search.h), whose groups are then numbered and
 * measured as they will be coded. What was found once is kept with the batch. */
#include "common/code/grouping.h"
#include "common/code/grouping_search.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was found before ------------------------------------------------------------------- */

enum { KEPT_MAX = 16 };

/* One of a list that only grows, at its head: whoever reads it needs no lock. */
typedef struct kept {
    struct kept *next;
    kofn_grouping_choice choice;
    size_t exact;
    char field[KOFN_FIELD_NAME_MAX];
    kofn_grouping grouping;
} kept;

struct kofn_groupings {
    _Atomic(kept *) newest;
};

kofn_groupings *
kofn_groupings_new(void)
{
    kofn_groupings *groupings = malloc(sizeof *groupings);
    if (groupings)
        atomic_init(&groupings->newest, NULL);
    return groupings;
}

void
kofn_groupings_destroy(kofn_groupings **groupings_p)
{
    kept *at = *groupings_p ? atomic_load(&(*groupings_p)->newest) : NULL;
    while (at) {
        kept *next = at->next;
        kofn_grouping_fini(&at->grouping);
        free(at);
        at = next;
    }
    free(*groupings_p);
    *groupings_p = NULL;
}

size_t
kofn_groupings_most_bytes(size_t pairs)
{
    const size_t each = sizeof(kofn_pair_group) + sizeof(size_t) + sizeof(double);
    return KEPT_MAX * (sizeof(kept) + pairs * each);
}

size_t
kofn_groupings_count(const kofn_groupings *groupings)
{
    size_t count = 0;
    for (const kept *at = atomic_load(&groupings->newest); at; at = at->next)
        count++;
    return count;
}

static const kofn_grouping *
find_kept(const kofn_grouping_params *params, size_t spare)
{
    const kofn_groupings *groupings = params->batch->groupings;
    for (const kept *at = groupings ? atomic_load(&groupings->newest) : NULL; at; at = at->next)
        if (at->grouping.spare == spare && at->choice == params->choice &&
            at->exact == params->exact && strcmp(at->field, params->field->name) == 0)
            return &at->grouping;
    return NULL;
}

/* False: no memory. */
static bool
copy_grouping(const kofn_grouping *from, size_t pairs, kofn_grouping *ret)
{
    kofn_grouping g = *from;
    g.at = malloc(g.count * sizeof *g.at);
    g.pair = malloc(pairs * sizeof *g.pair);
    g.factor = malloc(pairs * sizeof *g.factor);
    if (!g.at || !g.pair || !g.factor) {
        kofn_grouping_fini(&g);
        return false;
    }
    memcpy(g.at, from->at, g.count * sizeof *g.at);
    memcpy(g.pair, from->pair, pairs * sizeof *g.pair);
    memcpy(g.factor, from->factor, pairs * sizeof *g.factor);
    *ret = g;
    return true;
}

/* If there is room: else it is found again. */
static void
keep(const kofn_grouping_params *params, const kofn_grouping *g)
{
    kofn_groupings *groupings = params->batch->groupings;
    if (!groupings || kofn_groupings_count(groupings) >= KEPT_MAX)
        return;
    kept *new = calloc(1, sizeof *new);
    if (!new || !copy_grouping(g, params->batch->count, &new->grouping)) {
        free(new);
        return;
    }
    new->choice = params->choice;
    new->exact = params->exact;
    (void)snprintf(new->field, sizeof new->field, "%s", params->field->name);
    new->next = atomic_load(&groupings->newest);
    while (!atomic_compare_exchange_weak(&groupings->newest, &new->next, new))
        continue;
}

/* ---- groupings ------------------------------------------------------------------------------- */

/* A search that begins with the first grouping that is not there yet. */
typedef struct finder {
    const kofn_grouping_params *params;
    kofn_grouping_search search;
    bool began;
} finder;

static kofn_status
fail_points(const kofn_field *f, size_t spare, const kofn_group_cost *c, size_t pairs,
            kofn_error *err)
{
    char larger[KOFN_FIELD_ADVICE_MAX];
    const size_t tasks = c->answers + spare, need = c->points > tasks ? c->points : tasks;
    kofn_field_advise((double)need, larger);
    return kofn_fail(
        err, KOFN_INVALID_ARGUMENT,
        "%zu pairs on one %s take %zu points, but field %s has %.0f; take construction "
        "auto, or field %s",
        pairs, c->form == KOFN_GROUP_GRID ? "grid" : "curve", need, f->name, f->order, larger);
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
settle_groups(finder *f, kofn_grouping *g, kofn_error *err)
{
    const kofn_field *field = f->params->field;
    kofn_status status = KOFN_OK;
    for (size_t k = 0; k < g->count && !status; k++) {
        kofn_group_cost c = {0};
        status = kofn_pair_costs_settle(&f->search.costs, g->pair + g->at[k].first, g->at[k].count,
                                        &c, err);
        if (!status && !kofn_group_cost_has_points(&c, field, g->spare))
            status = fail_points(field, g->spare, &c, g->at[k].count, err);
        g->at[k].form = c.form;
        g->at[k].answers = c.answers;
        g->tasks += c.answers + g->spare;
    }
    return status;
}

static kofn_status
find(finder *f, size_t spare, kofn_grouping *ret_grouping, kofn_error *err)
{
    const size_t pairs = f->params->batch->count;
    kofn_status status = KOFN_OK;
    if (!f->began)
        status = kofn_grouping_search_init(&f->search, f->params, err);
    if (status)
        return status;
    f->began = true;
    kofn_grouping g = {.spare = spare, .at = calloc(pairs, sizeof *g.at)};
    g.pair = malloc(pairs * sizeof *g.pair);
    g.factor = malloc(pairs * sizeof *g.factor);
    size_t *group = malloc(2 * pairs * sizeof *group);
    if (!g.at || !g.pair || !g.factor || !group)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for groups of %zu pairs", pairs);
    if (!status)
        status = kofn_grouping_search_choose(&f->search, spare, group, err);
    if (!status) {
        sort_pairs(group, f->search.costs.weight.factor, pairs, group + pairs, &g);
        status = settle_groups(f, &g, err);
    }
    free(group);
    if (status)
        kofn_grouping_fini(&g);
    else
        *ret_grouping = g;
    return status;
}

/* As it was found before, or else now. */
static kofn_status
make(finder *f, size_t spare, kofn_grouping *ret_grouping, kofn_error *err)
{
    const kofn_grouping *known = find_kept(f->params, spare);
    if (known)
        return copy_grouping(known, f->params->batch->count, ret_grouping)
                   ? KOFN_OK
                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for groups of %zu pairs",
                               f->params->batch->count);
    const kofn_status status = find(f, spare, ret_grouping, err);
    if (!status)
        keep(f->params, ret_grouping);
    return status;
}

kofn_status
kofn_grouping_init(kofn_grouping *grouping, const kofn_grouping_params *params, size_t spare,
                   kofn_error *err)
{
    finder f = {.params = params};
    const kofn_status status = make(&f, spare, grouping, err);
    kofn_grouping_search_fini(&f.search);
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
raise_spare(const kofn_field *field, size_t tasks, kofn_grouping *g)
{
    const size_t answers = count_answers(g);
    size_t spare = (tasks - answers) / g->count;
    for (size_t k = 0; k < g->count; k++)
        if (field->order != 0 && g->at[k].answers > 1) {
            const size_t most = (size_t)field->order - g->at[k].answers;
            spare = most < spare ? most : spare;
        }
    g->spare = spare;
    g->tasks = answers + g->count * spare;
}

/* The fewest tasks grow with the spare ones, slower and slower: groups that are right for some number of
 * them say how far it can be raised, and other groups are looked for at the next one. */
static kofn_status
find_most_spare(finder *f, size_t tasks, kofn_grouping *g, kofn_error *err)
{
    for (;;) {
        kofn_grouping more;
        raise_spare(f->params->field, tasks, g);
        const kofn_status status = make(f, g->spare + 1, &more, err);
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
    finder f = {.params = params};
    kofn_grouping g = {0};
    kofn_status status = make(&f, 0, &g, err);
    if (!status && g.tasks > tasks)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "tasks=%zu, need at least %zu for %zu pairs; take more tasks, or fewer pairs",
                      tasks, g.tasks, params->batch->count);
    if (!status)
        status = find_most_spare(&f, tasks, &g, err);
    kofn_grouping_search_fini(&f.search);
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
    const kofn_terms_params of = {.batch = params->batch,
                                  .field = params->field,
                                  .pair = grouping->pair + g->first,
                                  .factor = sum ? grouping->factor + g->first : NULL,
                                  .count = g->count};
    return kofn_terms_init(ret_terms, &of, err);
}
