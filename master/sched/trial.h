/* Trials: what a set of answers is worth, found out on a thread that has the time.
 *
 * The scheduler's thread serves all sockets, and the answer that may complete a set asks for an
 * elimination: 10^6 multiplications with 64 coded answers, 10^11 with 4,000. Beyond
 * KOFN_DECODER_DEAR its decoder leaves them out (kofn_decoder_defer), and the scheduler asks
 * for a trial:
 *
 *     answers        scheduler                      another thread
 *     k-th      ->   DUE: TRY, nothing is sent  ->  kofn_trial_run: its own decoder takes the answers
 *     k+1-th    ->   kept
 *                    kofn_sched_job_tried       <-  decodable, poor, or not yet; and the bound
 *                    DECODE, or goes on
 *
 * The decoder stays with its run from trial to trial, and the last one's solution is what DECODE
 * reads.
 *
 * Threads    A trial has one owner: the scheduler, or who was told to TRY.
 */
#ifndef KOFN_MASTER_SCHED_TRIAL_H
#define KOFN_MASTER_SCHED_TRIAL_H

#include "master/sched/sched.h"
#include "master/sched/worth.h"

#include <stdatomic.h>

struct kofn_trial {
    kofn_code *code;
    kofn_decoder *decoder; // leaves out nothing
    bool looks;            // for the bound of what `decoder` has
    double noise, error;
    kofn_look look;
    atomic_bool cancelled;
    kofn_status status; // RESOURCE_EXHAUSTED, CANCELLED: of the answers some are not in the decoder
    kofn_error why;
    size_t count;  // of the run's answers, as they came
    size_t task[]; // [code->tasks]
};

/* Without answers. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_trial_new(kofn_code *code, double max_amplification,
                                           kofn_trial **ret_trial, kofn_error *err);

/* The answers that `from` has are to be tried, by the code, which may have more rows than it had.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_trial_load(kofn_trial *trial, const kofn_decoder *from,
                                            kofn_code *code, kofn_error *err);

#endif
