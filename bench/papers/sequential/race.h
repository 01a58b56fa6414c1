/* A stream in virtual time, by the daemon's own rounds (master/sched/rounds.h), to the letter of
 * the paper: a mini-task takes 1 / need of a job, times the slot's factor of that round; results
 * take no time; what a round's list has is done to its end, even of a job whose answers suffice by
 * then. (In the daemon it is taken off the list at once.)
 *
 * Time       of a job on one worker is the unit.
 * Threads    One.
 */
#ifndef KOFN_BENCH_SEQUENTIAL_RACE_H
#define KOFN_BENCH_SEQUENTIAL_RACE_H

#include "master/sched/rounds.h"

typedef struct race_params {
    kofn_rounds_config rounds; // settled here for `need`
    size_t need, jobs;
    /* How many times as long each slot takes in this round, from 1: ret_factors [slots]. */
    void (*draw)(void *context, uint64_t round, double *ret_factors);
    void *context;
} race_params;

enum { RACE_BATCHES = 50 };

typedef struct race_result {
    double time;  // of a job: the mean
    double error; // its standard error, by RACE_BATCHES batches of jobs, if there are as many
    double load, load_max;   // of a round: mini-tasks of the longest list / need
    uint64_t rounds, waited; // rounds; of them those longer than the fastest slot took
    uint64_t late;           // jobs that were not finished T rounds after their birth: 0
} race_result;

/* Ends the program with a sentence where the parameters contradict each other. */
race_result race_run(const race_params *params);

#endif
