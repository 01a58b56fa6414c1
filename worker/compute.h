/* The compute actor: one thread that multiplies, one piece of work after another.
 *
 *     owner's thread                       compute thread
 *       push  ----- queue ------------->   gather, multiply in panels
 *       cancel: out of the queue, or ->    the flag that kofn_multiply polls
 *       take_done <---- done, fd -------   status and C
 *
 * Ownership  Work is the owner's memory, lent from push until take_done or cancel gives it back.
 * Threads    kofn_compute_*: the owner's thread. None blocks, but destroy, which waits for the
 *            panel that is being multiplied. kofn_work_run: any thread; blocks by computing.
 */
#ifndef KOFN_WORKER_COMPUTE_H
#define KOFN_WORKER_COMPUTE_H

#include "common/code/cuts.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"
#include "worker/inject.h"

typedef struct kofn_work {
    const kofn_field *field;               // the task, a ref of its field
    bool outer;                            // the outer product of all operands; else A B
    size_t count;                          // operands, at least 2
    kofn_bands operand[KOFN_OPERANDS_MAX]; // let go as soon as they were used
    bool transposed[KOFN_OPERANDS_MAX];    // the operand is the transpose of what is here
    size_t chunk_bytes;                    // of the frames of c
    kofn_faults faults;

    kofn_status status; // the answer; c is empty unless OK
    kofn_error error;
    kofn_bands c;
    bool nonfinite;     // c holds what is no number of the field: NaN, Inf, p or more
    int64_t compute_ns; // of the multiplication alone

    atomic_bool cancelled;  // the actor's
    struct kofn_work *next; // the queue's
} kofn_work;

/* The product into new frames from the pool. What went wrong is in work->status. */
void kofn_work_run(kofn_work *work, kofn_pool *pool);
void kofn_work_fini(kofn_work *work);

typedef struct kofn_compute kofn_compute;

/* The pool is borrowed. RESOURCE_EXHAUSTED: no memory, thread or descriptor. */
KOFN_MUST_CHECK kofn_status kofn_compute_new(kofn_pool *pool, kofn_compute **ret_compute,
                                             kofn_error *err);

/* Gives everything up. Work that was lent is its owner's again. */
void kofn_compute_destroy(kofn_compute **compute_p);

void kofn_compute_push(kofn_compute *compute, kofn_work *work);

/* True: it had not begun and is the owner's again. False: it will come back through take_done,
 * as CANCELLED unless it was done already. */
bool kofn_compute_cancel(kofn_compute *compute, kofn_work *work);

/* The next finished work; NULL when there is none. The descriptor is readable when there is. */
kofn_work *kofn_compute_take_done(kofn_compute *compute);
int kofn_compute_get_fd(const kofn_compute *compute);

#endif
