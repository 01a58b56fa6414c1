/* Turns: each client in turn, its runs in order of arrival.
 *
 *     ring    client 7 -> client 2 -> client 9      only clients that have work; whoever was served
 *               |           |           |           goes to the end
 *             run 12      run 3       run 8         only runs that have work, in order of arrival
 *             run 15                  run 9
 *
 * Cost       All O(1), but for a run that has work again after younger ones came to have some.
 */
#ifndef KOFN_MASTER_SCHED_TURNS_H
#define KOFN_MASTER_SCHED_TURNS_H

#include "common/base/map.h"
#include "master/sched/run.h"

struct kofn_turn {
    kofn_link ring;
    kofn_link ready; // of runs
    uint64_t client;
    size_t runs; // not over
};

typedef struct kofn_turns {
    kofn_map clients;
    kofn_link ring;
} kofn_turns;

void kofn_turns_init(kofn_turns *turns);
void kofn_turns_fini(kofn_turns *turns);

/* A client's run begins, without work so far; and ends. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_turns_add(kofn_turns *turns, uint64_t client, kofn_run *run,
                                           kofn_error *err);
void kofn_turns_remove(kofn_turns *turns, kofn_run *run);

void kofn_turns_set_ready(kofn_turns *turns, kofn_run *run, bool ready); // it has work, or none
void kofn_turns_serve(kofn_turns *turns, kofn_run *run);                 // it was given its turn

/* Runs with work, whose turn it is first; NULL after the last. */
kofn_run *kofn_turns_first(const kofn_turns *turns);
kofn_run *kofn_turns_next(const kofn_turns *turns, const kofn_run *run);

#endif
