#include "master/sched/deaths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kofn_death {
    kofn_death *next;
    size_t task;
    uint64_t issued; // the last assignment that was made before it was seen
    uint64_t life;
    char worker[KOFN_DEATHS_NAME_MAX];
};

void
kofn_deaths_fini(kofn_deaths *deaths)
{
    while (deaths->first) {
        kofn_death *death = deaths->first;
        deaths->first = death->next;
        free(death);
    }
}

/* The latest of the task from here on. */
static const kofn_death *
find_death(const kofn_death *from, size_t task)
{
    while (from && from->task != task)
        from = from->next;
    return from;
}

bool
kofn_deaths_note(kofn_deaths *deaths, size_t task, const char *worker, uint64_t life,
                 uint64_t assignment, uint64_t issued)
{
    const kofn_death *last = find_death(deaths->first, task);
    if (last && assignment <= last->issued)
        return false; // it was out already when the one before died
    kofn_death *death = malloc(sizeof *death);
    if (!death)
        return false;
    *death = (kofn_death){.next = deaths->first, .task = task, .issued = issued, .life = life};
    (void)snprintf(death->worker, sizeof death->worker, "%s", worker);
    deaths->first = death;
    return true;
}

static void
remove_death(kofn_death **link)
{
    kofn_death *death = *link;
    *link = death->next;
    free(death);
}

void
kofn_deaths_withdraw(kofn_deaths *deaths, const char *worker, uint64_t life)
{
    kofn_death **link = &deaths->first;
    while (*link) {
        if (life == 0 || (*link)->life != life || strcmp((*link)->worker, worker) != 0)
            link = &(*link)->next;
        else
            remove_death(link);
    }
}

void
kofn_deaths_acquit(kofn_deaths *deaths, size_t task, uint64_t assignment)
{
    const kofn_death *last = find_death(deaths->first, task);
    kofn_death **link = &deaths->first;
    if (!last || assignment <= last->issued)
        return;
    while (*link) {
        if ((*link)->task != task)
            link = &(*link)->next;
        else
            remove_death(link);
    }
}

void
kofn_deaths_move(kofn_deaths *deaths, size_t from, size_t to)
{
    for (kofn_death *death = deaths->first; death; death = death->next)
        if (death->task == from)
            death->task = to;
}

/* Has the same worker died of its task later? */
static bool
came_back(const kofn_deaths *deaths, const kofn_death *death)
{
    for (const kofn_death *later = find_death(deaths->first, death->task); later != death;
         later = find_death(later->next, death->task))
        if (strcmp(later->worker, death->worker) == 0)
            return true;
    return false;
}

size_t
kofn_deaths_count(const kofn_deaths *deaths, size_t task, const char *worker)
{
    size_t count = 0;
    for (const kofn_death *death = find_death(deaths->first, task); death;
         death = find_death(death->next, task))
        count += strcmp(death->worker, worker) == 0;
    return count;
}

bool
kofn_deaths_is_suspect(const kofn_deaths *deaths, size_t task)
{
    size_t all = 0;
    for (const kofn_death *death = find_death(deaths->first, task); death;
         death = find_death(death->next, task))
        all++;
    return all >= KOFN_DEATHS_SUSPECT;
}

bool
kofn_deaths_is_proven(const kofn_deaths *deaths, size_t task)
{
    size_t distinct = 0;
    for (const kofn_death *death = find_death(deaths->first, task); death;
         death = find_death(death->next, task))
        distinct += !came_back(deaths, death);
    return distinct >= KOFN_DEATHS_DISTINCT_MAX;
}

bool
kofn_deaths_is_spent(const kofn_deaths *deaths, size_t task)
{
    for (const kofn_death *death = find_death(deaths->first, task); death;
         death = find_death(death->next, task))
        if (kofn_deaths_count(deaths, task, death->worker) >= KOFN_DEATHS_OF_ONE_MAX)
            return true;
    return false;
}

/* The records are few, latest first, and wanted the other way round. */
static void
list_from(const kofn_deaths *deaths, const kofn_death *death, char *text)
{
    if (!death)
        return;
    list_from(deaths, find_death(death->next, death->task), text);
    if (came_back(deaths, death))
        return;
    const size_t used = strlen(text);
    (void)snprintf(text + used, KOFN_DEATHS_TEXT_MAX - used, "%s%s", used ? ", " : "",
                   death->worker);
}

void
kofn_deaths_list(const kofn_deaths *deaths, size_t task, char ret_text[KOFN_DEATHS_TEXT_MAX])
{
    ret_text[0] = '\0';
    list_from(deaths, find_death(deaths->first, task), ret_text);
}

bool
kofn_deaths_next_suspect(const kofn_deaths *deaths, const kofn_death **cursor, size_t *ret_task)
{
    const kofn_death *death = *cursor ? (*cursor)->next : deaths->first;
    while (death && !(find_death(deaths->first, death->task) == death &&
                      kofn_deaths_is_suspect(deaths, death->task)))
        death = death->next;
    *cursor = death;
    if (death)
        *ret_task = death->task;
    return death != NULL;
}
