/* A grouping is made of a partition of the pairs (grouping_search.h), whose groups are then
 * numbered and measured as they will be coded. What was found once is kept with the batch. */
#include "common/code/grouping.h"
#include "common/code/grouping_search.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was found before ------------------------------------------------------------------- */

enum {
    KEPT_MAX = 16,
    ROUNDS = 64, // of a search for the most spare tasks
};

/* What a grouping is found for: so many spare tasks of each group, or so many tasks in all. */
typedef struct grouping_goal {
    bool within;
    size_t number; // of spare tasks, or within so many
} grouping_goal;

typedef struct kept {
    grouping_goal goal;
    kofn_grouping_choice choice;
    size_t exact;
    char field[KOFN_FIELD_NAME_MAX];
    kofn_grouping grouping;
} kept;

struct kofn_groupings {
    pthread_mutex_t lock;
    size_t searches;
    size_t count, next; // next: the oldest, once all are taken
    kept at[KEPT_MAX];
};

kofn_groupings *
kofn_groupings_new(void)
{
    kofn_groupings *groupings = calloc(1, sizeof *groupings);
    if (groupings)
        pthread_mutex_init(&groupings->lock, NULL);
    return groupings;
}

void
kofn_groupings_destroy(kofn_groupings **groupings_p)
{
    kofn_groupings *groupings = *groupings_p;
    if (!groupings)
        return;
    for (size_t i = 0; i < groupings->count; i++)
        kofn_grouping_fini(&groupings->at[i].grouping);
    pthread_mutex_destroy(&groupings->lock);
    free(groupings);
    *groupings_p = NULL;
}

size_t
kofn_groupings_most_bytes(size_t pairs)
{
    const size_t each = sizeof(kofn_pair_group) + sizeof(size_t) + sizeof(double);
    return sizeof(kofn_groupings) + KEPT_MAX * pairs * each;
}

size_t
kofn_groupings_count(kofn_groupings *groupings)
{
    pthread_mutex_lock(&groupings->lock);
    const size_t count = groupings->count;
    pthread_mutex_unlock(&groupings->lock);
    return count;
}

size_t
kofn_groupings_count_searches(kofn_groupings *groupings)
{
    pthread_mutex_lock(&groupings->lock);
    const size_t searches = groupings->searches;
    pthread_mutex_unlock(&groupings->lock);
    return searches;
}

/* NULL: it is not there. Under the lock. */
static const kofn_grouping *
find_kept(const kofn_grouping_params *params, grouping_goal goal)
{
    const kofn_groupings *groupings = params->batch->groupings;
    for (size_t i = 0; i < groupings->count; i++) {
        const kept *at = &groupings->at[i];
        if (at->goal.within == goal.within && at->goal.number == goal.number &&
            at->choice == params->choice && at->exact == params->exact &&
            strcmp(at->field, params->field->name) == 0)
            return &at->grouping;
    }
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

/* As it was found before. False: it was not, or there is no memory for it. */
static bool
recall(const kofn_grouping_params *params, grouping_goal goal, kofn_grouping *ret_grouping)
{
    kofn_groupings *groupings = params->batch->groupings;
    if (!groupings)
        return false;
    pthread_mutex_lock(&groupings->lock);
    const kofn_grouping *known = find_kept(params, goal);
    const bool copied = known && copy_grouping(known, params->batch->count, ret_grouping);
    pthread_mutex_unlock(&groupings->lock);
    return copied;
}

/* The place of the next one, that of the oldest where all are taken. Under the lock. */
static kept *
take_place(kofn_groupings *groupings)
{
    kept *at = &groupings->at[groupings->next];
    groupings->next = (groupings->next + 1) % KEPT_MAX;
    if (groupings->count < KEPT_MAX)
        groupings->count++;
    else
        kofn_grouping_fini(&at->grouping);
    return at;
}

/* What was asked for takes the place of what is older, and what a search comes by only one that is
 * free: such a search can come by more than there are places. Without memory for it, it is found
 * again. */
static void
keep(const kofn_grouping_params *params, grouping_goal goal, bool asked, const kofn_grouping *g)
{
    kofn_groupings *groupings = params->batch->groupings;
    kofn_grouping copy;
    if (!groupings || !copy_grouping(g, params->batch->count, &copy))
        return;
    pthread_mutex_lock(&groupings->lock);
    if (find_kept(params, goal) || (!asked && groupings->count == KEPT_MAX)) {
        kofn_grouping_fini(&copy); // another thread looked for it as well, or there is no room
    } else {
        kept *at = take_place(groupings);
        *at = (kept){
            .goal = goal, .choice = params->choice, .exact = params->exact, .grouping = copy};
        (void)snprintf(at->field, sizeof at->field, "%s", params->field->name);
    }
    pthread_mutex_unlock(&groupings->lock);
}

static void
count_search(kofn_groupings *groupings)
{
    if (!groupings)
        return;
    pthread_mutex_lock(&groupings->lock);
    groupings->searches++;
    pthread_mutex_unlock(&groupings->lock);
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
    count_search(f->params->batch->groupings);
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
make(finder *f, size_t spare, bool asked, kofn_grouping *ret_grouping, kofn_error *err)
{
    const grouping_goal goal = {.number = spare};
    if (recall(f->params, goal, ret_grouping))
        return KOFN_OK;
    const kofn_status status = find(f, spare, ret_grouping, err);
    if (!status)
        keep(f->params, goal, asked, ret_grouping);
    return status;
}

kofn_status
kofn_grouping_init(kofn_grouping *grouping, const kofn_grouping_params *params, size_t spare,
                   kofn_error *err)
{
    finder f = {.params = params};
    const kofn_status status = make(&f, spare, true, grouping, err);
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

/* The fewest tasks grow with the spare ones, slower and slower: groups that are right for some
 * number of them say how far it can be raised, and other groups are looked for at the next one. So
 * many times, kept ones among them, so that the outcome does not depend on what was found
 * before. */
static kofn_status
find_most_spare(finder *f, size_t tasks, kofn_grouping *g, kofn_error *err)
{
    for (size_t round = 0;; round++) {
        kofn_grouping more;
        raise_spare(f->params->field, tasks, g);
        if (round == ROUNDS)
            return KOFN_OK;
        const kofn_status status = make(f, g->spare + 1, false, &more, err);
        if (status)
            return status == KOFN_INVALID_ARGUMENT ? KOFN_OK : status; // there are no points for it
        const bool fits = more.tasks <= tasks;
        kofn_grouping_fini(fits ? g : &more);
        if (!fits)
            return KOFN_OK;
        *g = more;
    }
}

static kofn_status
find_within(finder *f, size_t tasks, kofn_grouping *ret_grouping, kofn_error *err)
{
    kofn_grouping g = {0};
    kofn_status status = make(f, 0, false, &g, err);
    if (!status && g.tasks > tasks)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "tasks=%zu, need at least %zu for %zu pairs; take more tasks, or fewer pairs",
                      tasks, g.tasks, f->params->batch->count);
    if (!status)
        status = find_most_spare(f, tasks, &g, err);
    if (status)
        kofn_grouping_fini(&g);
    else
        *ret_grouping = g;
    return status;
}

kofn_status
kofn_grouping_init_within(kofn_grouping *grouping, const kofn_grouping_params *params, size_t tasks,
                          kofn_error *err)
{
    const grouping_goal goal = {.within = true, .number = tasks};
    finder f = {.params = params};
    if (recall(params, goal, grouping))
        return KOFN_OK;
    const kofn_status status = find_within(&f, tasks, grouping, err);
    kofn_grouping_search_fini(&f.search);
    if (!status)
        keep(params, goal, true, grouping);
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
