/* What the answers of a run are worth so far: nothing, an estimate that its job accepts, the
 * product.
 *
 *     accept     an estimate is accepted                                    the product is
 *     promise    from code->enough answers on, where the family             when decodable
 *                promises one
 *     exact      never                                                      when decodable
 *     error      when its bound, truncation and rounding, is at most        when decodable and its
 *                `error`                                                    bound is, too
 *     liars      never                                                      when decodable without
 *                                                                           those of any 2 b
 *                                                                           workers
 *
 * Cost       promise, exact: nothing, or a trial (trial.h). error: a look, which is a least-squares
 *            problem over the answers. It is taken at each answer while its flops say no more than
 *            some 3 ms; a dearer one, by a trial, only when the answers have doubled since the last
 *            (up to some 0.3 s), when they become decodable, and when nothing more is coming. None
 *            is taken while there are so few answers that their rank alone keeps the bound above
 *            `error`.
 */
#ifndef KOFN_MASTER_SCHED_WORTH_H
#define KOFN_MASTER_SCHED_WORTH_H

#include "master/sched/sched.h"

typedef struct kofn_run kofn_run; // run.h

typedef enum kofn_worth {
    KOFN_WORTH_NOTHING,
    KOFN_WORTH_UNKNOWN, // a trial is to tell
    KOFN_WORTH_ESTIMATE,
    KOFN_WORTH_POOR, // the product, badly conditioned, and the job takes no estimate instead
    KOFN_WORTH_PRODUCT,
} kofn_worth;

typedef struct kofn_look { // the last one that was taken
    size_t kept;           // answers then; 0: none was taken
    double bound;          // of the best that they give; INFINITY: nothing
    bool decodable;
    bool estimate; // that is an estimate's, not the exact plan's
} kofn_look;

kofn_worth kofn_run_weigh(kofn_run *run);

/* The smallest bound that the decoder's answers give, and whether it is within `error`; what it
 * costs is said above. */
kofn_look kofn_look_at(const kofn_decoder *decoder, double noise, double error);

/* The job accepts an estimate that its family promises. */
bool kofn_run_is_promised_less(const kofn_run *run);

/* kofn_accept_enough for its job; where workers may lie, of the workers there are now, if each
 * gives its share. */
size_t kofn_run_get_enough(const kofn_run *run);

#endif
