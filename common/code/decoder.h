/* The decoder: which answers suffice, and with which coefficients. One for all families.
 *
 * Source     design idea 2. R, the set of answers, suffices exactly when every row of T lies in the
 *            row span of G_R; then D G_R = T, and output block t is sum_r D[t, r] answer_r.
 *
 *                 add            add: span complete           add: condition good now
 *     NOT_YET ---------> NOT_YET -----------------> EXACT   or   POOR ------------------> EXACT
 *
 *            POOR: every target is covered, but errors would grow beyond `max_amplification`;
 *            another answer may mend that. The caller decides whether one is due soon.
 * Accuracy   Every plan carries a bound on the error of the product (decode_plan.h), and condition,
 *            residual and amplification (span.h; of an estimate condition is 0, not known). What is
 *            usual is about amplification times the field's epsilon.
 *
 *            Estimates from m answers of a MatDot code with m blocks, n tasks and points
 *            cos((2i - 1) pi / 2n) / gamma: |C' - C| / |C| for the worst of all sets of m, normal
 *            100 x 100 operands, f64. Interpolation is the paper's decoder (estimate.h); zeros for
 *            C' are an error of 1.
 *
 *                 m   n   gamma    interpolation   balanced
 *                 3   6       1      2.2             0.82
 *                           100      0.016           0.016
 *                        10,000      1.6e-4          1.6e-4
 *                        70,000      2.4e-5          2.4e-5
 *                 5   7       1      3.7             0.83
 *                           100      0.016           0.016
 *                         1,000      2.6e-3          2.6e-3
 *                        10,000     21               1.0
 *                        70,000      5.0e4           1.0
 *                20  22       1    910               0.82
 *                            10      6.2e8           1.0
 *                           100      4.2e27          1.0
 *
 *            Where interpolation is right, balanced is as right; where rounding blows up the one,
 *            the other gives little instead of nonsense.
 * Method     Plain answers (rows of G that are unit vectors) are peeled off: their columns are
 *            known. Only coded rows on the unknown columns, and only once they are as many as the
 *            targets still open, meet linear algebra. So plain answers become plain copies in D, a
 *            loss of s tasks costs one s x s factorisation, and an add before that costs O(blocks +
 *            targets).
 * Cost       add: as said, and once decodable is possible O((rank + open) unknown) for each coded
 *            answer, one factorisation for the set that decodes. plan: a copy. A decoder that is
 *            never POOR, as over finite fields, leaves the factorisation to the plan. Where besides
 *            nothing is rounded, the threshold certain, and fewer answers never do (x y), an add is
 *            a counter. The last add of 260 coded answers, and with the factorisation: f64 1 and 9
 *            ms, gfp:65537 0 and 0.1 s.
 * Threads    One thread at a time for each decoder; moves no elements, knows no sockets.
 */
#ifndef KOFN_CODE_DECODER_H
#define KOFN_CODE_DECODER_H

#include "common/code/decode_plan.h"

typedef struct kofn_decoder kofn_decoder;

/* Multiplications of a dear elimination, some 30 ms of one core: not for a thread that has other
 * things to do, and where such a set is well conditioned an estimate beside it is not worth the
 * time. */
#define KOFN_DECODER_DEAR 1e8

typedef enum kofn_decode_state {
    KOFN_DECODE_NOT_YET, // some target is outside the span
    KOFN_DECODE_DUE,     // they are as many as are promised to do; kofn_decoder_settle finds out
    KOFN_DECODE_POOR,    // decodable, but badly conditioned: worth one more answer
    KOFN_DECODE_EXACT,   // decodable
} kofn_decode_state;

/* max_amplification: 0 takes the default for the field, epsilon^(-5/16), so that a result keeps 11
 * of 16 of its digits: 9.7e4 for f64, 181 for f32. With INFINITY, and over exact fields, no set is
 * POOR. The code is ref'd. */
KOFN_MUST_CHECK kofn_status kofn_decoder_new(kofn_code *code, double max_amplification,
                                             kofn_decoder **ret_decoder, kofn_error *err);

/* One for simulation: of a code that is certain any `threshold` answers are the product, whatever
 * they are. An add costs nothing, and there are no plans, estimates and suggestions:
 * FAILED_PRECONDITION. */
KOFN_MUST_CHECK kofn_status kofn_decoder_new_counter(kofn_code *code, kofn_decoder **ret_decoder,
                                                     kofn_error *err);
void kofn_decoder_destroy(kofn_decoder **decoder_p);

/* For one whose thread has other things to do: an add leaves out an elimination of more than so
 * many multiplications, and questions about further answers are answered by their number. While it
 * is left out the state is NOT_YET, from as many answers on as the code promises to be enough DUE,
 * and what somebody told; a plan, an estimate and a second opinion make it, anew for each. */
void kofn_decoder_defer(kofn_decoder *d, double multiplications);

/* Give up an elimination, row by row, once *cancelled is true: adds fail with CANCELLED.
 * Borrowed. */
void kofn_decoder_watch(kofn_decoder *d, const atomic_bool *cancelled);

/* One was left out, and of the answers that there are now nobody told the state. */
bool kofn_decoder_is_deferred(const kofn_decoder *d);

/* A decoder with the same answers that leaves out nothing: it takes what was left out. May be
 * called for one that does not change meanwhile on any thread. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_decoder_settle(const kofn_decoder *d, kofn_decoder **ret_settled,
                                                kofn_error *err);

/* The state of such a decoder, from the first `count` answers; further ones may have come. Without
 * meaning where nothing is left out any more. */
void kofn_decoder_tell(kofn_decoder *d, size_t count, kofn_decode_state state);

/* Answer of `task` is here. On failure nothing changes. ALREADY_EXISTS: it was here before.
 * OUT_OF_RANGE: no such task. RESOURCE_EXHAUSTED: no memory; may be added again. */
KOFN_MUST_CHECK kofn_status kofn_decoder_add(kofn_decoder *d, size_t task, kofn_error *err);

/* From now on the code is this one, which has the same numbers, targets and rows, but for rows of
 * its reserve that were not answered (staged.h). On failure nothing changes. INVALID_ARGUMENT:
 * another code, or one with groups. */
KOFN_MUST_CHECK kofn_status kofn_decoder_recode(kofn_decoder *d, kofn_code *code, kofn_error *err);

kofn_decode_state kofn_decoder_get_state(const kofn_decoder *d);
size_t kofn_decoder_get_count(const kofn_decoder *d);          // answers added
size_t kofn_decoder_get_task(const kofn_decoder *d, size_t i); // of answer i < count, as they came
bool kofn_decoder_has(const kofn_decoder *d, size_t task);

/* Targets not covered yet; 0 exactly when the set is decodable. A target that coded answers alone
 * cover is counted as missing until there are as many coded answers as open targets. */
size_t kofn_decoder_get_missing(const kofn_decoder *d);

/* Would these further tasks complete the set? Repeats and tasks that were answered count for
 * nothing. For the scheduler, which replaces lost tasks only when the rest cannot suffice. Does not
 * change the decoder. Takes the code's threshold at its word until as many answers have refuted
 * it, and one that is not certain never. */
bool kofn_decoder_would_suffice(const kofn_decoder *d, const size_t *tasks, size_t count);

/* Could the answer of this task still add anything? False when it was answered, when it is a copy
 * of an answer or a sum of block products that were, when all is decoded, and when its group has
 * all that it would bring (groups.h), unless all groups have that and rounding leaves the product
 * open: then it need not be sent, and is not worth waiting for. True says no more than that nobody
 * knows better; in the reals an answer helps also by making others' errors grow less. */
bool kofn_decoder_would_help(const kofn_decoder *d, size_t task);

/* A smallest-by-inclusion list of further tasks that would complete the set, lowest numbers first:
 * what `kofn decode` tells people. *ret_count is 0 when nothing is missing. `ret_tasks` has room
 * for n. FAILED_PRECONDITION: even all tasks would not do (a code too badly conditioned for its
 * field). */
KOFN_MUST_CHECK kofn_status kofn_decoder_suggest(const kofn_decoder *d, size_t *ret_tasks,
                                                 size_t *ret_count, kofn_error *err);

/* The coefficients for the answers so far. Answers that no target needs are left out. `noise`: of
 * an answer, kofn_coding_get_noise(). FAILED_PRECONDITION: not decodable yet. Where no add asked
 * for the factorisation (max_amplification INFINITY, exact fields) it is made here:
 * RESOURCE_EXHAUSTED: no memory; INTERNAL: answers that must suffice do not. End with
 * kofn_decode_plan_fini. */
KOFN_MUST_CHECK kofn_status kofn_decoder_plan(const kofn_decoder *d, double noise,
                                              kofn_decode_plan *ret_plan, kofn_error *err);

/* The best plan from the answers that there are, by the code's estimator (estimate.h): when they
 * do not suffice an estimate, otherwise the exact plan, unless the balanced estimate has less than
 * half its bound, as may be when the set is badly conditioned (not looked for in dear sets that are
 * not POOR). Of a code that promises estimates (enough < threshold) fewer answers than the
 * threshold do not suffice, whatever the state says. FAILED_PRECONDITION: no answers; in exact
 * fields, not decodable yet. RESOURCE_EXHAUSTED: too large. */
KOFN_MUST_CHECK kofn_status kofn_decoder_estimate(const kofn_decoder *d, double noise,
                                                  kofn_decode_plan *ret_plan, kofn_error *err);

/* A plan from the answers without the one that `plan` leans on most, of the same kind (an exact one
 * for an exact one): what the two make differs by about the error of the worse
 * (kofn_coding_disagree). FAILED_PRECONDITION: the other answers do not suffice, or their estimate
 * may be no better than zeros. */
KOFN_MUST_CHECK kofn_status kofn_decoder_second_opinion(const kofn_decoder *d, double noise,
                                                        const kofn_decode_plan *plan,
                                                        kofn_decode_plan *ret_other,
                                                        kofn_error *err);

#endif
