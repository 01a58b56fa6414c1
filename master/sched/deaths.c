#include "master/sched/deaths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 }; // of a worker, with its NUL

struct kofn_death {
    kofn_death *next;
    size_t task;
    uint64_t issued; // the last assignment that was made before it was seen
    char worker[NAME_MAX_BYTES];
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
kofn_deaths_note(kofn_deaths *deaths, size_t task, const char *worker, uint64_t assignment,
                 uint64_t issued)
{
    const kofn_death *last = find_death(deaths->first, task);
    if (last && assignment <= last->issued)
        return false; // it was out already when the one before died
    kofn_death *death = malloc(sizeof *death);
    if (!death)
        return false;
    *death = (kofn_death){.next = deaths->first, .task = task, .issued = issued};
    (void)snprintf(death->worker, sizeof death->worker, "%s", worker);
    deaths->first = death;
    return true;
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

/* Would `further` deaths of further workers prove it? */
static bool
is_near(const kofn_deaths *deaths, size_t task, size_t further)
{
    size_t all = 0, distinct = 0;
    for (const kofn_death *death = find_death(deaths->first, task); death;
         death = find_death(death->next, task)) {
        all++;
        distinct += !came_back(deaths, death);
    }
    return all + further >= KOFN_DEATHS_MAX || distinct + further >= KOFN_DEATHS_DISTINCT_MAX;
}

bool
kofn_deaths_is_suspect(const kofn_deaths *deaths, size_t task)
{
    return deaths->first && is_near(deaths, task, 1);
}

bool
kofn_deaths_is_proven(const kofn_deaths *deaths, size_t task)
{
    return is_near(deaths, task, 0);
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
