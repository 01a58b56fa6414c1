/* Watch: which of a job's tasks that are out are late. Shared by policies that do something about
 * it.
 *
 * A task is late when it has been out for longer than max(floor, factor x expected x (ahead + 1)),
 * ahead being the tasks that its worker had to do first. The limit is the same for all tasks of the
 * job with the same `ahead`, so in a list for each, in the order of sending, only the first can be
 * the next to be late.
 *
 *     sent, ahead 0  -> [ 4, 7, 9 ]  --first is late-->  [ 2, 5 ] late  --copy sent-->  (hedged)
 *     sent, ahead 1  -> [ 6, 8 ]                             <--one of the two is lost--
 *
 * Cost       An event O(1), but for an answer's place among those before, and a step for each
 *            younger one where a task has lost its copy. Is a worker late: O(its credit), since it
 *            is asked what it has, and not each late task who has it. find_late: a step for each
 *            late task that this worker may not take. set_aside, take_back: O(late), when rows are
 *            made.
 * Threads    The scheduler's.
 */
#ifndef KOFN_MASTER_SCHED_WATCH_H
#define KOFN_MASTER_SCHED_WATCH_H

#include "master/sched/policy.h"

enum { KOFN_WATCH_AHEAD_MAX = 3 }; // more tasks ahead than this count as this many

enum {
    KOFN_WATCH_NONE,
    KOFN_WATCH_LATE,
    KOFN_WATCH_ASIDE,  // late, and somebody sees to it
    KOFN_WATCH_HEDGED, // out more than once
    KOFN_WATCH_TIMED,  // and KOFN_WATCH_AHEAD_MAX more
    KOFN_WATCH_LISTS = KOFN_WATCH_TIMED + KOFN_WATCH_AHEAD_MAX + 1
};

typedef struct kofn_watch_node {
    uint32_t prev, next; // tasks
    uint32_t list;
} kofn_watch_node;

typedef struct kofn_watch {
    uint32_t first[KOFN_WATCH_LISTS], last[KOFN_WATCH_LISTS]; // tasks, by the age of what is out
    size_t late;                                              // tasks
    size_t n, late_of_n;                                      // but the reserve; of those
    size_t ever_late;                                         // times that one came to be
    size_t answered;
    double *service;        // [answered], seconds from the head of a queue to the answer, sorted
    kofn_watch_node *nodes; // [tasks]
} kofn_watch;

typedef struct kofn_patience {
    double factor; // at least 1
    int64_t floor_ns;
    double slack;        // share of the limit within which others are late, too, once one is
    int64_t expected_ns; // of one task; KOFN_NEVER_NS: nothing tells yet, and nothing is late
    bool guess;          // nothing tells it
} kofn_patience;

/* Room for a job of so many tasks, as the last part of a policy's state: aligned as for any
 * type. */
size_t kofn_watch_count_bytes(size_t tasks);
void kofn_watch_init(kofn_watch *watch, void *room, const kofn_code *code); // zeroed so far

/* on_sent and on_gone: a task is watched while it is out once. on_answer: no longer. */
void kofn_watch_follow(kofn_watch *watch, const kofn_run *run, size_t task);
void kofn_watch_note_answer(kofn_watch *watch, const kofn_assignment *a);

/* Move what is late by now to the late ones, and ask to be woken for the next. As long as nothing
 * tells what to expect, look again from time to time: other jobs' answers will. */
void kofn_watch_look(kofn_watch *watch, kofn_run *run, const kofn_patience *patience);

/* The task that has been late for longest, of those that this worker may take. False: there is
 * none. */
bool kofn_watch_find_late(const kofn_watch *watch, const kofn_run *run, uint64_t worker,
                          size_t *ret_task);

/* The share of tasks that came to be late, with one in two of a first one. */
double kofn_watch_get_rate(const kofn_watch *watch);

/* The late ones of the first n are late no more, but set aside. And all of those are late again. */
void kofn_watch_set_aside(kofn_watch *watch);
void kofn_watch_take_back(kofn_watch *watch);

/* Those that are set aside, oldest first: the one after *task, or with SIZE_MAX there the first.
 * False: there is none. */
bool kofn_watch_next_aside(const kofn_watch *watch, size_t *task);

/* Does this worker hold one that is late, or was set aside, or that there is a copy of
 * elsewhere? */
bool kofn_watch_is_late_on(const kofn_watch *watch, const kofn_run *run, uint64_t worker);

#endif
