/* What a code is worth, by trying it: how well its answers decode, and how often they suffice.
 *
 * Method     Workers answer in a random order, one trial after another, until the decoder has
 *            enough. The set at that moment gives conditioning and the decode's cost; the number of
 *            workers it took, over all trials, gives the share q_m of sets of m workers that
 *            suffice. When each worker fails with probability p,
 *
 *                P(decodable) = sum over m of q_m binomial(W, m) (1 - p)^m p^(W - m)
 *
 *            where any k answers suffice and no fewer do, q_m is 0 or 1 and known without a trial.
 *            Nothing is sent again here: the daemons would, so this is what redundancy alone gives.
 * Accuracy   q_m of t trials is off by about sqrt(q (1 - q) / t); medians are of the trials.
 *            The same seed gives the same numbers.
 * Cost       One decoder for each trial.
 * Threads    Any thread; no shared state.
 */
#ifndef KOFN_CODE_ODDS_H
#define KOFN_CODE_ODDS_H

#include "common/code/coding.h"

typedef struct kofn_odds_question {
    const kofn_coding *coding; // of a sealed code
    size_t workers;            // tasks go round: task i is with worker i mod workers
    double failure;            // p, of one worker
    bool estimate;             // code->enough answers do, for an estimate
    uint64_t seed;
    size_t trials; // at least 1
} kofn_odds_question;

typedef struct kofn_odds {
    double decodable;           // probability
    double amplification;       // median; INFINITY: more than half of the trials never decode
    double worst_amplification; // of all trials
    double error, worst_error;  // bounds relative to |A||B|: likewise
    double answers;             // mean number taken until they sufficed
    double density;             // mean share of D's entries that are not zero
} kofn_odds;

/* INVALID_ARGUMENT: failure is no probability, or workers or trials are 0. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_odds_measure(const kofn_odds_question *question,
                                              kofn_odds *ret_odds, kofn_error *err);

/* P(at least `needed` answers) when each of the workers that hold `tasks` tasks, dealt out evenly,
 * fails with probability p and takes all of its answers with it. */
double kofn_odds_count(size_t tasks, size_t needed, size_t workers, double failure);

#endif
