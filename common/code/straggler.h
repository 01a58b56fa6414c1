/* Straggler models: which worker is slow in which round.
 *
 * What the simulator, the tests and the workers' fault injection draw stragglers from: the same
 * seed gives the same pattern everywhere, so that daemons that never talk to each other follow one
 * joint pattern, each looking at its own column.
 *
 *     round        1 2 3 4 5 6 ...
 *     worker 0     . x . . . x         persistent   the first `count` workers, in every round
 *     worker 1     . x x x . .         iid          each alone, with probability `delta`
 *     worker 2     x . . . . .         fritchman    bursts: a chain for each worker (below)
 *                                      arbitrary    any pattern with at most `failures` in `window`
 *                                                   successive rounds, all workers together
 *                                      trace        from a file: a line a round, a column a worker
 *
 * Fritchman  A good state, and `states` bad ones in a row. From good to the first bad one with
 *            probability `enter`; from each bad one to the next, from the last to good, with
 *            probability `leave`. One bad state is the Gilbert-Elliott model. A worker begins in
 *            the stationary distribution. Mean burst: states / leave rounds; share of slow rounds:
 *            (states / leave) / (states / leave + 1 / enter).
 * Arbitrary  In each round a number of stragglers is drawn uniformly from 0 to what the window
 *            leaves, and then who they are.
 * Trace      Words separated by blanks, one for each worker, as long as all lines: 0 or 1, or
 *            factors (straggler_trace.h). A '#' begins a comment. After the last line it begins
 *            again. Columns beyond the workers are left out.
 * Source     Krishnan, Hosseini, Khisti, "Coded Sequential Matrix Multiplication", sections 3.2.1,
 *            4 and 5; Fritchman's parameters are ours, since the supplement is not at hand.
 * Draws      Of iid and fritchman each worker has its own, so that a column is the same however
 *            many workers there are. A pattern of `arbitrary` is one of so many workers.
 * Cost       get_factor in ascending order: a draw for each round since the last one asked for of
 *            that worker, about 16 ns; arbitrary: one for each straggler of those rounds. Going
 *            back: all of them from round 0.
 * Threads    A model belongs to one thread.
 */
#ifndef KOFN_CODE_STRAGGLER_H
#define KOFN_CODE_STRAGGLER_H

#include "common/base/keys.h"

enum { KOFN_STRAGGLER_PATH_MAX = 256, KOFN_STRAGGLER_WORKERS_MAX = 65536 };

typedef enum kofn_straggler_kind {
    KOFN_STRAGGLER_NONE,
    KOFN_STRAGGLER_PERSISTENT,
    KOFN_STRAGGLER_IID,
    KOFN_STRAGGLER_FRITCHMAN,
    KOFN_STRAGGLER_ARBITRARY,
    KOFN_STRAGGLER_TRACE,
} kofn_straggler_kind;

typedef struct kofn_straggler_spec {
    int model;                           // kofn_straggler_kind
    int64_t count;                       // persistent
    double delta;                        // iid
    double enter, leave;                 // fritchman
    int64_t states;                      // fritchman
    int64_t failures, window;            // arbitrary: N, W
    char trace[KOFN_STRAGGLER_PATH_MAX]; // file
    int64_t seed;
    double slowdown; // alpha: how many times as long a straggler takes, unless the trace says
} kofn_straggler_spec;

/* The table of these keys, for configurations and command lines. */
extern const kofn_keys kofn_straggler_keys;

/* "iid", or "iid:delta=0.3,seed=7": a model by its name, and keys of the table that it has; the
 * rest by default. INVALID_ARGUMENT, with what is near: no such model or key, a value that does not
 * parse. OUT_OF_RANGE: a value out of its bounds. */
KOFN_MUST_CHECK kofn_status kofn_straggler_parse(const char *text, kofn_straggler_spec *ret_spec,
                                                 kofn_error *err);

typedef struct kofn_straggler kofn_straggler;

/* INVALID_ARGUMENT: keys that contradict each other, or the workers. NOT_FOUND, DATA_LOSS and so
 * on: the trace, with line and column. OUT_OF_RANGE: workers, or a key out of its bounds. */
KOFN_MUST_CHECK kofn_status kofn_straggler_new(const kofn_straggler_spec *spec, size_t workers,
                                               kofn_straggler **ret_model, kofn_error *err);
void kofn_straggler_destroy(kofn_straggler **model_p); // accepts NULL

/* How many times as long the worker takes in that round (from 0 on): 1, or more of a straggler.
 * Rounds are cheap to ask for in ascending order; to go back begins anew. */
double kofn_straggler_get_factor(kofn_straggler *model, uint64_t round, size_t worker);

/* Of all workers: ret_factors [workers]. */
void kofn_straggler_fill(kofn_straggler *model, uint64_t round, double *ret_factors);

#endif
