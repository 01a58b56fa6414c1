/* Planning: which codes fit a product and the workers there are, what each costs, how long it
 * takes.
 *
 *     query --search--> candidates  every family of family.c, partitions and tasks up to a limit;
 *                           |       threshold_for says which can be built, plan_time.h how long
 *                           |       they take; the best for each number of answers is kept
 *                      --build-->   the best of each family, until enough of them hold
 *                           |       conditioning, error, odds by trial (odds.h)
 *                       --sort-->   by time with stragglers
 *
 * Fits       A code that can lose tasks must lose all those of S workers: n - k >= S times the
 *            tasks of one. A code that cannot (n = k, and no more tasks can be had) runs under
 *            policy speculative, whose copies do the same. With an error to keep to, families that
 *            promise estimates need only `enough` answers; without, they must give the product
 *            itself. A code whose usual set is POOR (decoder.h) does not fit: it would wait for
 *            more.
 * Odds       Where odds are asked for, they take the place of S, which then says only how many are
 *            late: a code gets as many tasks as its typical recovery threshold (typical.h), each on
 *            a worker of its own, so that there are no more tasks than workers.
 * Parameters Those that families have by default, but for whole numbers that are raised where
 *            stragglers ask for it. Of alloy_local that is Strassen's algorithm only: others (kofn
 *            codes) are for those who name them.
 * Honesty    Rows without redundancy are planned like any other. `verdict` says in a sentence
 *            whether coding pays, and whether the client's own BLAS would be faster still.
 * Accuracy   Of times: plan_time.h; encode and decode are taken as dense until a code is built.
 * Cost       About 1 us for each candidate and up to some 10 ms for each code that is built: 10 to
 *            40 ms in all for 6 to 64 workers, under half a second for 4,000, where partitions of
 *            many parts are thinned out; 5 s if nearly all of them straggle. By odds up to half a
 *            second for 64 workers and one or two for 4,000.
 * Seeds      All draws follow from the query: the same one gives the same plan.
 * Threads    Any thread; no shared state.
 */
#ifndef KOFN_CODE_PLAN_H
#define KOFN_CODE_PLAN_H

#include "common/code/coding.h"
#include "common/code/plan_time.h"
#include "common/code/spec.h"
#include "common/code/typical.h"

enum {
    KOFN_PLAN_ROWS_MAX = 64,  // of one family
    KOFN_PLAN_TEXT_MAX = 512, // of a sentence
};

typedef struct kofn_plan_query {
    const kofn_field *field; // borrowed
    kofn_shape shape;
    kofn_plan_machine machine;
    size_t stragglers;   // S: fewer than workers
    double failure;      // p: of each worker, in the odds of decoding
    double odds;         // of not decoding, to keep below; 0: losing S workers is what counts
    kofn_partition part; // 0: all are tried in that direction
    double error;        // relative to |A||B|; 0: the product itself, rounded
    size_t tasks_max;    // 0: twice the workers
    size_t limit;        // rows of each family; 0: 2
    uint64_t seed;       // of codes and of trials
    bool rateless;       // only families with fresh rows
} kofn_plan_query;

/* The defaults of everything but field, shape and workers. */
void kofn_plan_query_init(kofn_plan_query *query, const kofn_field *field, kofn_shape shape,
                          size_t workers);

typedef struct kofn_plan_row {
    kofn_code_spec spec;               // complete
    kofn_shape part;                   // of one task
    size_t exact, enough;              // thresholds
    size_t needed;                     // the one that the job ends with
    const char *policy;                // oneshot; speculative where no task can be lost
    double flops, bytes_in, bytes_out; // of the worker with most tasks
    double encode, decode;             // seconds
    double amplification;              // of the usual set, and of the worst of the trials
    double worst_amplification;
    double error;         // expected, relative to |A||B|
    double decodable;     // probability when each worker fails with probability p
    kofn_typical typical; // R for the query's odds; method NONE: no odds were asked for
    bool likely;          // no number of answers suffices whichever they are (code.h)
    double seconds;       // from the call to the product, undisturbed
    double seconds_late;  // with S stragglers
    bool redundant;       // can lose tasks
    bool pays;            // with S stragglers, faster than all that is not redundant
} kofn_plan_row;

typedef struct kofn_plan {
    size_t count;
    kofn_plan_row *rows; // by seconds_late
    size_t candidates;   // looked at
    double local;        // seconds of the client's own BLAS; 0: not known
    bool pays;           // coding does
    char verdict[KOFN_PLAN_TEXT_MAX];
    size_t left_out;                   // families without a row
    char left_why[KOFN_PLAN_TEXT_MAX]; // and why, in one line; "" when there are none
} kofn_plan;

/* INVALID_ARGUMENT: the machine, S not below the workers, a probability or error out of range, an
 * empty product. FAILED_PRECONDITION: nothing fits; says what comes nearest. RESOURCE_EXHAUSTED.
 * End with kofn_plan_fini. */
KOFN_MUST_CHECK kofn_status kofn_plan_make(const kofn_plan_query *query, kofn_plan *ret_plan,
                                           kofn_error *err);
void kofn_plan_fini(kofn_plan *plan);

#endif
