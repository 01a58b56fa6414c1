/* Sketches: a product is estimated from fewer, smaller ones, drawn by how much they matter.
 *
 *     A, B --norms of blocks--> compress --+--> batch: some pairs of blocks, with weights (batch.h)
 *                                          +--> columns of A and rows of B, scaled: a smaller product
 *
 * Compression and reconstruction are linear maps, so both are data: which pairs, and which weighted sum
 * of their products every block of C is. What codes them is chosen afterwards, for just these pairs.
 *
 *     name        draws                                                      is then coded as
 *     cr          k columns of A and the rows of B that meet them            a product A' B'
 *     block_cr    k of z pairs (column block of A, row block of B)           the sum of a batch
 *     grid_cr     k_ij of z pairs for each block C_ij, i < x, j < y          a batch with x y sums
 *
 * Source      Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", section IV-A;
 *             cr: Drineas, Kannan, Mahoney, SIAM J. Comput. 36 (2006); block_cr: Charalambides, Pilanci,
 *             Hero, ICASSP 2021.
 * Accuracy    Unbiased: a pair that was drawn c of k times with probability p weighs c / (k p). (The
 *             paper leaves the weights open; without them the estimate is biased.) Of any one block,
 *             exactly
 *
 *                 E |C' - C|^2 = (1/k) (S sum_t |A_t B_t|^2 / (|A_t| |B_t|) - |C|^2),  S = sum_t |A_t| |B_t|
 *
 *             of which (1/k) S^2 is a bound that norms alone give, and (1/k) |A|^2 |B|^2 Lemma 1.
 *             A block whose k_ij would be as many as its pairs that are not zero, or more, is not
 *             drawn: it gets all of them, and is exact.
 * Shares      k_ij is in proportion to S_ij, which makes the sum of the bounds least for k in all.
 * Draws       By the seed alone: the same seed gives the same pairs on every machine.
 * Threads     Any thread; values. A new sketch is one file, and one line in sketch.c.
 */
#ifndef KOFN_CODE_SKETCH_H
#define KOFN_CODE_SKETCH_H

#include "common/base/keys.h"
#include "common/code/batch.h"

enum { KOFN_SAMPLES_MAX = 1 << 24 }; // of one block of C

/* What a sketch is made from. Of `cr`, z is the inner size: one column each. */
typedef struct kofn_sketch_args {
    kofn_partition part; // how A and B are cut: x, y of `cr` and `block_cr` are 1
    const double *a;     // [x z] Frobenius norms of A's blocks, row by row
    const double *b;     // [z y] of B's
    size_t samples;      // k, of all blocks of C together; 0: as many as `error` takes. Each block
                         // that is not zero gets one at least
    double error;        // root of E |C' - C|^2 over |A| |B|, at most
    uint64_t seed;
} kofn_sketch_args;

typedef struct kofn_sketched {
    kofn_batch *batch; // NULL: columns were drawn
    size_t kept;       // distinct columns; of a batch 0
    size_t *column;    // [kept] ascending
    double *scale;     // [kept] of A's column; the row of B stays as it is
    size_t samples;    // k
    double bound;      // root of E |C' - C|^2 over |A| |B| is at most this, by the norms
    double lemma;      // the same by Lemma 1: never less
} kofn_sketched;

typedef struct kofn_sketch {
    const char *name, *summary, *source;
    bool cuts_outer; // x, y above 1 are its business
    bool columns;    // gives columns, not a batch

    /* INVALID_ARGUMENT: norms that are not finite; all of them zero for every pair (a product of
     * zeros, which no probability fits); x or y above 1 where cuts_outer does not say so; neither
     * samples nor error. OUT_OF_RANGE: more samples than fit a batch, with the error that fits.
     * RESOURCE_EXHAUSTED. Ownership: kofn_sketched_fini. */
    kofn_status (*compress)(const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err);
} kofn_sketch;

void kofn_sketched_fini(kofn_sketched *sketched); // accepts zeros

const kofn_sketch *kofn_sketch_find(const char *name); // NULL: unknown
size_t kofn_sketch_count(void);
const kofn_sketch *kofn_sketch_at(size_t index);

#endif
