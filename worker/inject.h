/* Faults on purpose: what goes wrong with which task, drawn from the configuration's seed.
 *
 * The draws of one task are the same numbers whatever the others draw (a stream for each task), so
 * that a test can switch one fault on without moving the rest.
 *
 * Stragglers A model (common/code/straggler.h) says in which rounds a worker is slow, and how much.
 * A
 *            task of a stream brings its round, and its slot as the column; else the worker counts
 *            its tasks and has a column of its own. Workers with the same model follow one pattern.
 * Pace       For measurements on machines with fewer cores than workers: what a task's flops take
 *            at a given rate is waited for, so that workers that share a core seem to have one
 *            each.
 *
 *     by repeat         |multiply|multiply|multiply|
 *     by wait           |multiply|     wait        |     as long as it would have taken
 *     by wait, at pace  |     wait        |multiply|     so that who is cancelled has not computed
 *
 * Threads    An injector belongs to one thread; kofn_faults are values.
 */
#ifndef KOFN_WORKER_INJECT_H
#define KOFN_WORKER_INJECT_H

#include "common/linalg/mat.h"
#include "worker/config.h"

typedef enum kofn_spoil { KOFN_SPOIL_NOTHING, KOFN_SPOIL_ELEMENT, KOFN_SPOIL_BLOCK } kofn_spoil;

typedef struct kofn_faults { // of one task
    int64_t repeat;          // multiplications, at least 1
    int64_t sleep_ns;        // before them
    int64_t least_ns;        // that they take, by waiting behind them
    double lag;              // and waited behind them, in times of what they took
    bool crash;              // exit in the middle of it
    kofn_spoil spoil;        // how the answer is wrong
    uint64_t where;          // random: which element
} kofn_faults;

typedef struct kofn_injector {
    kofn_inject config;
    kofn_straggler *straggler; // NULL: none
    uint64_t drawn;            // tasks that have their faults
    int64_t answered;          // tasks whose answer went out
} kofn_injector;

typedef struct kofn_victim { // a task, as far as its faults depend on it
    double flops;
    uint64_t round; // of its stream, from 1 on; 0: it is of none
    uint64_t slot;  // of its stream
} kofn_victim;

/* Rounds of a pattern: then it begins again, and no message makes a worker draw more of them. */
enum { KOFN_INJECT_ROUNDS = 1 << 20 };

/* Errors of kofn_straggler_parse and kofn_straggler_new: the model. */
KOFN_MUST_CHECK kofn_status kofn_injector_init(kofn_injector *injector, const kofn_inject *config,
                                               kofn_error *err);
void kofn_injector_fini(kofn_injector *injector);        // accepts zeros
bool kofn_injector_is_on(const kofn_injector *injector); // false: no fault is configured
kofn_faults kofn_injector_next(kofn_injector *injector, const kofn_victim *task);

/* One more answer went out; true when the worker is to fall silent now. */
bool kofn_injector_answered(kofn_injector *injector);

/* Make the answer wrong as the task's faults say: finite, plausible numbers where `c` holds
 * floats. */
void kofn_faults_spoil(const kofn_faults *faults, const kofn_bands *c);

/* "repeat=5 sleep=0s ..." for the log. */
void kofn_inject_format(const kofn_inject *config, char *ret_text, size_t size);

#endif
