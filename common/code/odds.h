/* What a code is worth, by trying it: how well its answers decode, and how often they suffice.
 *
 * Method     Workers answer in a random order, one trial after another, until the decoder has
 *            enough. The set at that moment gives conditioning and the decode's cost; the number w
 *            of workers that it took gives the odds. When each of W fails with probability p,
 *
 *                P(decodable) = mean over the trials of P(at least w of the W are left)
 *
 *            Where any k answers suffice and no fewer do, w is known without a trial. As w varies
 *            little, odds far below one in the number of trials are found as well.
 *            Nothing is sent again here: the daemons would, so this is what redundancy alone gives.
 * Accuracy   The mean's standard error is at most 0.5 / sqrt(trials), mostly much less; medians are
 *            of the trials. The same seed gives the same numbers.
 * Cost       One decoder for each trial.
 * Threads    Any thread; no shared state.
 */
#ifndef KOFN_CODE_ODDS_H
#define KOFN_CODE_ODDS_H

#include "common/code/coding.h"

typedef struct kofn_odds_question {
    const kofn_coding *coding; // of a sealed code; its reserve is left alone
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

/* The probability alone that the answers do not suffice, from the trials' orders: each order needs
 * so many workers, and what its trial says is how likely fewer are left. *ret_spread: the standard
 * error. Errors as above. */
KOFN_MUST_CHECK kofn_status kofn_odds_miss(const kofn_odds_question *question, double *ret_miss,
                                           double *ret_spread, kofn_error *err);

/* P(at least `needed` answers) when each of the workers that hold `tasks` tasks, dealt out evenly,
 * fails with probability p and takes all of its answers with it. */
double kofn_odds_count(size_t tasks, size_t needed, size_t workers, double failure);

#endif
