/* Parity: which answers are wrong, from more answers than the product takes.
 *
 *     X [r, l^2]      an answer each row, shrunk by the same secrets (projection.h)
 *     H [h, r]        parity: H G_R = 0, so H X = 0 where all are right
 *     H X = H_L E_L   the syndromes: what the liars L have added, and nobody else
 *
 * Answers come from givers, the workers, of whom b may lie, each in as many of its answers as it
 * likes. A set of at most b givers *explains* the syndromes when these lie in the span of its
 * answers' columns of H: without them the others agree with each other. The answers left out are
 * those of the smallest set that does; named as liars are givers in every such set, so that an
 * honest one never is.
 *
 * Source     Bounded distance decoding of linear codes; the span of the syndromes as the span of
 *            the liars' columns is Metzner and Kapturowski, IEEE Trans. Inf. Theory 36(4), 1990,
 *            for interleaved codes: which the l^2 sums of an answer are. That any code as data will
 *            do, with partial rank or without, columns by their givers, and the bounds over the
 *            reals, are ours.
 * Threshold  Of a code any k answers of which suffice (kofn_code_is_certain): so many that without
 *            those of *any 2 b givers* k are left. That is k + 2 b where each gave one, and more
 *            where some gave several: m each of w givers do when m (w - 2 b) >= k.
 *            The product is right then, and unique. The liars are one set that explains. Let S and
 *            S' be two: outside of both, of no more than 2 b givers together, are k answers that
 *            agree, and so give one product, which all outside of S agree with as all outside of S'
 *            do. So S and S' give that product. Where it settles every answer, as the whole of G
 *            does of most codes, who gave any other is in every set that explains: these are the
 *            smallest one, and all of it is named. Where it does not, the product is right all the
 *            same and it may not be told who lied.
 * Accuracy   Finite fields: exact, once no lie vanished in its projection (2^-40).
 *            Reals: answers agree when |H X|_F is within a bound on their rounding, rows scaled to
 *            length 1. H is made of singular vectors, of values near rounding. An answer that is
 *            not finite where it must be is a lie. What may hide in answers that agree is told as
 *            `slack`: the |H X|_F that was seen, our own rounding, and root of r times the worst
 *            rounding of the others, over the least that is seen of any b. In f32 the last is most
 *            of it: 2e-3 of |A| |B| for 1000 x 1000 and b = 1, where freivalds knows 1e-6.
 * Cost       O(r^2 columns) for H, and for each set that is tried, with c answers, O(h c (c +
 *            rank)); of sets that have as many as the rank of the syndromes only columns in their
 *            span are tried. No more than KOFN_LIARS_SETS_MAX. Reals: O(r^2 h) and for each set of
 *            b O(c^3), some 0.1 us where each gave one, for the slack, whether somebody lies or
 *            not.
 * Threads    Any thread.
 */
#ifndef KOFN_CODE_LIARS_H
#define KOFN_CODE_LIARS_H

#include "common/code/coding.h"
#include "common/code/projection.h"

enum {
    KOFN_LIARS_MAX = 16,               // b
    KOFN_LIARS_SETS_MAX = 1 << 18,     // that may be looked at
    KOFN_LIARS_ELEMENTS_MAX = 1 << 22, // of G_R and what is eliminated with it
    KOFN_LIARS_ANSWERS_MAX = 1 << 11,  // so that there are no more
};

typedef struct kofn_liars_answers {
    const kofn_coding *coding;
    size_t count;          // r
    const size_t *task;    // [r], distinct
    const uint64_t *giver; // [r]: equal for those of one worker; NULL: each is of another
    size_t width;          // l^2
    const double *x;       // [r, width]: kofn_projection_apply of each
    size_t most;           // b
    double norm[2]; // reals: |A|_F and |B|_F; of outer products the first's and that of the others
} kofn_liars_answers;

/* slack: reals: kept answers are wrong by at most slack |e_A| |e_B| |A|_F |B|_F, rounding included:
 * what is not that is a plan's doubt (decode_plan.h). INFINITY: nothing is known, as where operands
 * are not finite or the product may overflow. 0 in exact fields. */
typedef struct kofn_liars {
    size_t count, task[KOFN_LIARS_ANSWERS_MAX]; // answers to leave out, all that liars gave
    size_t
        named; // so many of them, the first, are those of certain liars that are wrong; where liars gave
               // more than 64, all of theirs
    double slack;
} kofn_liars;

/* Of n tasks, any k of which suffice: how many answers each worker may give so that all n leave k
 * without those of any 2 b (0: n < k + 2 b); and how many workers it takes that give so many,
 * SIZE_MAX for none. */
size_t kofn_liars_count_each(size_t tasks, size_t threshold, size_t most);
size_t kofn_liars_count_workers(size_t tasks, size_t threshold, size_t most);

/* The fewest tasks that do with so many workers, spread evenly: k + 2 b from as many on. SIZE_MAX:
 * no number does, since there are no more than 2 b. */
size_t kofn_liars_count_tasks(size_t threshold, size_t most, size_t workers);

/* Can a code, asked for k + 2 b answers, have liars located? FAILED_PRECONDITION: not any k of its
 * answers suffice. OUT_OF_RANGE: too few tasks, with the equation; b above the limit; too many
 * sets, or too many columns of G. */
KOFN_MUST_CHECK kofn_status kofn_liars_check(const kofn_code *code, size_t most, kofn_error *err);

/* DATA_LOSS: more than b givers lied; *ret_liars has those of which that is certain all the same,
 * since they are larger than any honest one can be. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_liars_find(const kofn_liars_answers *answers,
                                            kofn_liars *ret_liars, kofn_error *err);

#endif
