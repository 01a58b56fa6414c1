/* Sketches: a product is estimated from fewer, smaller ones, drawn by how much they matter.
 *
 *     A, B --norms of blocks--> compress --+--> batch: some pairs of blocks, with weights (batch.h)
 *                                          +--> columns of A and rows of B, scaled: a smaller product
 *
 * Compression and reconstruction are linear maps, so both are data: which pairs, and which weighted
 * sum of their products every block of C is. What codes them is chosen afterwards, for just these
 * pairs.
 *
 *     name        draws                                                      is then coded as
 *     cr          k columns of A and the rows of B that meet them            a product A' B'
 *     block_cr    k of z pairs (column block of A, row block of B)           the sum of a batch
 *     grid_cr     k_ij of z pairs for each block C_ij, i < x, j < y          a batch with x y sums
 *
 * Source      Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", section
 *             IV-A; cr: Drineas, Kannan, Mahoney, SIAM J. Comput. 36 (2006); block_cr:
 *             Charalambides, Pilanci, Hero, ICASSP 2021.
 * Accuracy    Unbiased: a pair that was drawn c of k times with probability p weighs c / (k p).
 *             (The paper leaves the weights open; without them the estimate is biased.) Of any one
 *             block, exactly
 *
 *                 E |C' - C|^2 = (1/k) (S sum_t |A_t B_t|^2 / (|A_t| |B_t|) - |C|^2),
 *                 S = sum_t |A_t| |B_t|,
 *
 *             of which (1/k) S^2 is a bound that norms alone give, and (1/k) |A|^2 |B|^2 Lemma 1.
 *             A block whose k_ij would be as many as its pairs that are not zero, or more, is not
 *             drawn: it gets all of them, and is exact. What C' says of the error:
 *             kofn_sketch_expect.
 * Shares      k_ij is in proportion to S_ij, which makes the sum of the bounds least for k in all.
 * Draws       By the seed alone: the same seed gives the same pairs on every machine.
 * Threads     Any thread; values. A new sketch is one file, and one line in sketch.c.
 */
#ifndef KOFN_CODE_SKETCH_H
#define KOFN_CODE_SKETCH_H

#include "common/code/batch.h"
#include "common/code/family.h"

enum { KOFN_SAMPLES_MAX = 1 << 24 }; // k of `samples`; of one block of C by `error`

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
    size_t most;       // the largest k_ij; 0: some block is exact
    double bound;      // root of E |C' - C|^2 over |A| |B| is at most this, by the norms
    double lemma;      // the same by Lemma 1: never less
} kofn_sketched;

typedef struct kofn_sketch {
    const char *name, *summary, *source;
    bool cuts_outer; // x, y above 1 are its business
    bool columns;    // gives columns, to be coded as a product; else a batch

    /* By kofn_sketch_compress, which has checked the arguments: norms are finite, the largest of
     * each operand is near 1, and there are samples or an error. */
    kofn_status (*compress)(const kofn_sketch_args *args, kofn_sketched *ret, kofn_error *err);
} kofn_sketch;

/* Sketch it. INVALID_ARGUMENT: norms that are not finite; all of them zero for every pair (a
 * product of zeros, which no probability fits); x or y above 1 where cuts_outer does not say so;
 * neither samples nor error; fewer samples than blocks. OUT_OF_RANGE: more samples than
 * KOFN_SAMPLES_MAX; or than fit a batch, with the error that fits. RESOURCE_EXHAUSTED. Ownership:
 * kofn_sketched_fini. */
KOFN_MUST_CHECK kofn_status kofn_sketch_compress(const kofn_sketch *sketch,
                                                 const kofn_sketch_args *args, kofn_sketched *ret,
                                                 kofn_error *err);
void kofn_sketched_fini(kofn_sketched *sketched); // accepts zeros

/* Root of E |C' - C|^2 over |A| |B| as C' itself tells, from bound and most of what was sketched
 * and norm = |C'| over |A| |B|: its square is of `cr` without bias, else a bound in the mean. */
double kofn_sketch_expect(double bound, size_t most, double norm);

/* Can the family code what the sketch leaves? INVALID_ARGUMENT: no, with families that can. */
KOFN_MUST_CHECK kofn_status kofn_sketch_admit(const kofn_sketch *sketch, const kofn_family *family,
                                              kofn_error *err);

const kofn_sketch *kofn_sketch_find(const char *name); // NULL: unknown
size_t kofn_sketch_count(void);
const kofn_sketch *kofn_sketch_at(size_t index);

#endif
