/* Faults on purpose: what goes wrong with which task, drawn from the configuration's seed.
 *
 * The draws of one task are the same numbers whatever the others draw (a stream for each task), so
 * that a test can switch one fault on without moving the rest.
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
    int64_t sleep_ns;        // before the answer
    bool crash;              // exit in the middle of it
    kofn_spoil spoil;        // how the answer is wrong
    uint64_t where;          // random: which element
} kofn_faults;

typedef struct kofn_injector {
    kofn_inject config;
    uint64_t drawn;   // tasks that have their faults
    int64_t answered; // tasks whose answer went out
} kofn_injector;

void kofn_injector_init(kofn_injector *injector, const kofn_inject *config);
bool kofn_injector_is_on(const kofn_injector *injector); // false: no fault is configured
kofn_faults kofn_injector_next(kofn_injector *injector); // of the next task

/* One more answer went out; true when the worker is to fall silent now. */
bool kofn_injector_answered(kofn_injector *injector);

/* Make the answer wrong as the task's faults say: finite, plausible numbers where `c` holds
 * floats. */
void kofn_faults_spoil(const kofn_faults *faults, const kofn_bands *c);

/* "repeat=5 sleep=0s ..." for the log. */
void kofn_inject_format(const kofn_inject *config, char *ret_text, size_t size);

#endif
