/* How long a job should take: the model of time that plans are sorted by.
 *
 *     receive   (|A| + |B|) / L                        operands come over the master's link
 *     encode    max(bytes / memory, flops / coding)    all tasks of the first wave in one pass
 *     send      w in / L, and c in / l for a worker    w tasks leave at once, c of them to one
 *                                                      worker: transfers take turns, so all arrive
 *                                                      when the last one does
 *     compute   flops / r + overhead, one after another on each worker; a straggler takes
 *               `slowdown` times as long (INFINITY: it is lost and answers nothing)
 *     return    out / L each, one after another
 *     decode    once the answers suffice; max(bytes / memory, flops / coding)
 *     reply     |C| / L
 *
 * L is the master's link, l a worker's own, r its rate. The two directions of a link do not hinder
 * each other. The wave is what policy oneshot sends: all tasks, as far as credit goes; the rest
 * goes to whoever answers. What waits behind another task is taken over by a worker that is done,
 * once a quarter more than the first answer's time is over. Stragglers are the fastest workers,
 * which are given work first: nothing in the choice helps.
 *
 * A job that cannot do without any of its tasks (tasks == needed) runs under speculative: a task
 * of a straggler is late at max(floor, factor x median x tasks of its worker up to it), and a copy
 * goes to the worker that is idle first. The earlier answer counts.
 *
 * Accuracy   bench/bench_plan.c compares it with real daemons; the ratio is in bench/README.md. It
 *            leaves out queues, other jobs, and that workers on one machine share its memory.
 * Cost       O(P + n log P).
 * Threads    One thread at a time for each model.
 */
#ifndef KOFN_CODE_PLAN_TIME_H
#define KOFN_CODE_PLAN_TIME_H

#include "common/base/status.h"

enum { KOFN_PLAN_WORKERS_MAX = 4096 };

typedef struct kofn_plan_worker {
    double flops_rate; // flops a second
    double link_rate;  // bytes a second to it; 0: the master's link is all that limits
} kofn_plan_worker;

/* What the daemons run on. Rates are positive and may be infinite. */
typedef struct kofn_plan_machine {
    size_t workers;             // P: 1 to KOFN_PLAN_WORKERS_MAX
    double flops_rate;          // of each worker, where `at` is NULL
    const kofn_plan_worker *at; // [workers], in any order; NULL: all alike
    double link_rate;           // of the master, each way, bytes a second
    double memory_rate;         // of encode and decode, bytes read and written a second
    double coding_rate;         // of encode and decode, flops a second
    double local_rate;          // flops a second of the client's own BLAS; 0: not known
    double overhead;            // seconds that a task costs around its arithmetic
    size_t credit;              // tasks that a worker takes at a time
    double backup_factor;       // of policy speculative
    double backup_floor;        // seconds
    double slowdown;            // of a straggler: at least 1, INFINITY for one that is lost
} kofn_plan_machine;

/* Defaults for everything but `workers`, stated in kofn plan --help. */
void kofn_plan_machine_init(kofn_plan_machine *machine, size_t workers);

/* INVALID_ARGUMENT: no workers, a rate that is not positive, a slowdown below 1. */
KOFN_MUST_CHECK kofn_status kofn_plan_machine_check(const kofn_plan_machine *machine,
                                                    kofn_error *err);

/* What one code asks of it. */
typedef struct kofn_plan_load {
    size_t tasks, needed;  // n; answers from which the product is rebuilt
    double flops;          // of one task
    double bytes_in;       // to a worker, for one task
    double bytes_out;      // and back
    double encode, decode; // seconds
    double bytes_asked;    // |A| + |B|
    double bytes_given;    // |C|
} kofn_plan_load;

typedef struct kofn_plan_model kofn_plan_model;

/* The machine is copied. Errors of kofn_plan_machine_check; RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_plan_model_new(const kofn_plan_machine *machine,
                                                kofn_plan_model **ret_model, kofn_error *err);
void kofn_plan_model_destroy(kofn_plan_model **model_p);

/* Seconds from the call to the product when so many workers straggle; INFINITY: never. */
double kofn_plan_model_run(kofn_plan_model *model, const kofn_plan_load *load, size_t stragglers);

/* No run with any number of stragglers is faster than this; O(1). */
double kofn_plan_model_bound(const kofn_plan_model *model, const kofn_plan_load *load);

/* Seconds that `bytes` read and written and `flops` take in encode or decode. */
double kofn_plan_machine_coding(const kofn_plan_machine *machine, double bytes, double flops);

#endif
