/* Planning a stream: which scheme, and with which numbers, is fastest for the stragglers there are.
 *
 *     schemes --grid--> candidates --short runs--> some of each scheme --longer--> few --long--> rows
 *
 * Source     Krishnan, Hosseini, Khisti, section 5: "we select best-performing code parameters for
 *            each straggler model using a simplified first order simulation". Here it is the
 *            daemon's scheduler (simulate.h) under the same stragglers for all candidates; the last
 *            runs have others than those that chose, so that luck which chose a row is not in its
 *            figures.
 * Grid       T up to `delay`, x y up to `parts`, lambda in doublings, N and B from the equations;
 *            even steps where there are many.
 * Without    What a stream competes with: uncoded jobs, with and without backup copies (policies
 *            oneshot
 *   coding   and speculative), one after another and as many at once as the stream has under way.
 * Cost       About `work` tasks, half a microsecond to one each: by default some seconds. Where
 *            short runs of the whole grid are more, some of it is drawn; with a thousand workers
 *            and more the least that says anything takes longer: 6 s with 1,000, 20 s with 4,000.
 * Threads    Any thread; there is no shared state.
 */
#ifndef KOFN_MASTER_SIM_PLAN_STREAM_H
#define KOFN_MASTER_SIM_PLAN_STREAM_H

#include "master/sim/simulate.h"

enum { KOFN_STREAM_PLAN_TEXT_MAX = 512, KOFN_STREAM_PLAN_LIMIT_MAX = 64 };

typedef struct kofn_stream_query {
    kofn_sim_config
        base;      // workers, stragglers, rounds.tolerance and rescue, times, seed, credit, sched
    int64_t delay; // T at most: job i + T + 1 may need the result of job i
    int64_t parts; // x y at most; 0: P (T + 1), up to KOFN_PARTS_MAX
    int64_t limit; // rows of each scheme; 0: 1
    double work;   // tasks in all, about; 0: 4e6
} kofn_stream_query;

typedef struct kofn_stream_row {
    kofn_sim_config config;     // settled: what was run
    double time, spread;        // R-hat, and its standard error
    double load;                // L
    double waited;              // share of rounds that waited beyond the tolerance
    double latency, latency_99; // of jobs, median and 99th percentile, in units
    bool coded;
} kofn_stream_row;

typedef struct kofn_stream_plan {
    size_t count;
    kofn_stream_row *rows; // by time to three digits, then: uncoded first, by latency
    size_t candidates;     // looked at
    bool pays;             // the best coded row beats the best of the others by more than chance
    char verdict[KOFN_STREAM_PLAN_TEXT_MAX];
} kofn_stream_plan;

/* go_on: with the share of the work that is done; false ends it as CANCELLED; may be NULL. Errors
 * of kofn_sim_run; OUT_OF_RANGE: delay, parts, limit. End with kofn_stream_plan_fini. */
KOFN_MUST_CHECK kofn_status kofn_stream_plan_make(const kofn_stream_query *query,
                                                  bool (*go_on)(void *context, double done),
                                                  void *context, kofn_stream_plan *ret_plan,
                                                  kofn_error *err);
void kofn_stream_plan_fini(kofn_stream_plan *plan);

#endif
