/* Deaths: which workers died with which task, to tell a task that kills from bad luck.
 *
 * A worker that dies takes what it held along, and mostly none of that is to blame: machines fail,
 * operators kill, several go at once. What is suspicious is a task that was given to a worker again
 * after a death, and that one died as well:
 *
 *     task 2    sent to w1, w3 (a copy) -- both die: one death -- sent to w4 -- dies: two
 *                                       -- sent to w5, which has nothing else -- dies: three
 *
 * So the deaths of a task are a chain: one counts only if the assignment was made after the one
 * before was seen. Any number of workers that go together are one link of it at most. Two deaths
 * make a suspect: it runs on a worker that has nothing else meanwhile, so that what dies then died
 * of it, and a task that happened to travel with it is cleared. It goes to workers that have not
 * died of it, or less often than the others, as long as one of those lives.
 *
 * Proof      Three distinct workers, by name. Where there are fewer: KOFN_DEATHS_OF_ONE_MAX deaths
 *            of one, and of every other that lives as many. So one worker that systemd starts again
 *            each time may die three times of a task, and two may six times.
 * Withdrawn  A connection that ends is not a death when the same process comes back, which it shows
 *            by its name and its life, a number drawn when it started. What was counted is not any
 *            more. Therefore proof is held back for KOFN_DEATHS_GRACE_NS, and the task with it.
 * Threads    One thread at a time.
 */
#ifndef KOFN_MASTER_SCHED_DEATHS_H
#define KOFN_MASTER_SCHED_DEATHS_H

#include "common/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KOFN_DEATHS_DISTINCT_MAX = 3, // workers by name
    KOFN_DEATHS_OF_ONE_MAX = 3,   // of one worker with one task: it does not get it again
    KOFN_DEATHS_SUSPECT = 2,      // of one task, whoever died
    KOFN_DEATHS_NAME_MAX = 64,    // of a worker, with its NUL
    KOFN_DEATHS_TEXT_MAX = 512,
};

#define KOFN_DEATHS_GRACE_NS (5 * KOFN_NS_PER_S) // a process finds its way back in less

typedef struct kofn_death kofn_death;

typedef struct kofn_deaths { // of one job; {0} to begin with
    kofn_death *first;       // latest first
} kofn_deaths;

void kofn_deaths_fini(kofn_deaths *deaths);

/* The worker died in this life (0: not known) with the task, which it had by `assignment`; `issued`
 * is the last one that was made for anybody so far. Does it count? Not without memory either: then
 * it takes one more. */
bool kofn_deaths_note(kofn_deaths *deaths, size_t task, const char *worker, uint64_t life,
                      uint64_t assignment, uint64_t issued);

/* The worker is back, and lives the same life. */
void kofn_deaths_withdraw(kofn_deaths *deaths, const char *worker, uint64_t life);

/* The task was done, as `assignment`: if that was made after its latest death was seen, none counts
 * any more. For what is more than one assignment's work. */
void kofn_deaths_acquit(kofn_deaths *deaths, size_t task, uint64_t assignment);

/* Another task does the work of this one from now on. */
void kofn_deaths_move(kofn_deaths *deaths, size_t from, size_t to);

/* How often this worker died of the task. */
size_t kofn_deaths_count(const kofn_deaths *deaths, size_t task, const char *worker);

bool kofn_deaths_is_suspect(const kofn_deaths *deaths, size_t task);
bool kofn_deaths_is_proven(const kofn_deaths *deaths, size_t task); // by distinct workers
bool kofn_deaths_is_spent(const kofn_deaths *deaths,
                          size_t task); // on some worker: that may be all

/* "w1, w3, w4", in the order in which they died. */
void kofn_deaths_list(const kofn_deaths *deaths, size_t task, char ret_text[KOFN_DEATHS_TEXT_MAX]);

/* Every suspect in turn, from *cursor = NULL on; false after the last. */
bool kofn_deaths_next_suspect(const kofn_deaths *deaths, const kofn_death **cursor,
                              size_t *ret_task);

#endif
