/* The typical recovery threshold: how many workers a code takes to decode but for a small
 * probability.
 *
 *     R(x, y, z, p, epsilon) := the fewest tasks, each on a worker of its own that fails with
 *                               probability p, whose answers do not suffice with a probability
 *                               below epsilon
 *
 * Source     Soto, "Random Alloy Codes and the Fundamental Limits of Coded Distributed Tensors",
 *            section I.B. A threshold counts the worst case; this counts how often it comes.
 * Method     formula    P(fewer than k of n live) where exactly the number of answers counts; for
 *                       families that know better, what they say (kofn_family.miss_for): products
 *                       over the groups of uncoded, replicated and locally coded algorithms
 *            bound      the same where fewer answers may do now and then, or rows are drawn in a
 *                       finite field (alloy.h): R is that or less
 *            trials     of the decoder (odds.h) with fewer tasks than the bound asks for, as long
 *                       as the mean plus two standard errors is below epsilon
 *            Odds fall with each further task, so that R is found by doubling and bisection.
 * Cost       Formulas some microseconds for each number that is looked at. Trials: a code built and
 *            `trials` decoders for each.
 * Threads    Any thread; no shared state.
 */
#ifndef KOFN_CODE_TYPICAL_H
#define KOFN_CODE_TYPICAL_H

#include "common/code/family.h"

typedef enum kofn_typical_method {
    KOFN_TYPICAL_NONE, // no number of tasks will do
    KOFN_TYPICAL_FORMULA,
    KOFN_TYPICAL_BOUND,
    KOFN_TYPICAL_TRIALS,
} kofn_typical_method;

/* "formula", "bound", "trials"; "" for none. */
const char *kofn_typical_method_name(kofn_typical_method method);

typedef struct kofn_typical_question {
    const kofn_family *family;
    const kofn_field *field;
    kofn_partition part;
    const void *params; // the family's; NULL if it has none. Its tasks_key is not read
    bool estimate;      // where the family promises one, it will do
    double failure;     // p: from 0 to 1
    double odds;        // epsilon: above 0, below 1
    size_t tasks_max;   // at least 1
    uint64_t seed;      // of trials and of codes
    size_t trials;      // 0: bounds will do
} kofn_typical_question;

typedef struct kofn_typical {
    kofn_typical_method method;
    size_t tasks;  // R; NONE: of what comes nearest, or 0 where no code can be built
    int64_t value; // of the family's tasks_key, where it has one
    double miss;   // the probability that so many do not suffice, by that method
} kofn_typical;

/* INVALID_ARGUMENT: a probability out of range, or no tasks allowed. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_typical_find(const kofn_typical_question *question,
                                              kofn_typical *ret_typical, kofn_error *err);

/* The odds of one number of tasks (and of one value of tasks_key, in params): ret_typical->tasks is
 * `tasks`; no trials. Errors of threshold_for. */
KOFN_MUST_CHECK kofn_status kofn_typical_weigh(const kofn_typical_question *question, size_t tasks,
                                               kofn_typical *ret_typical, kofn_error *err);

#endif
