/* One random draw at one setting: every code meets the same blocks and the same stragglers.
 *
 * Source     The method of "Random Khatri-Rao-Product Codes for Numerically-Stable Distributed
 *            Matrix Multiplication", section IX; its m, n, N are our x, y and number of tasks.
 *
 *     A_i, B_j   columns of 100 standard normals; u_(i,j) := A_i^T B_j, the (p, q) element of the
 *                paper's blocks, which makes u a realization of its U
 *     y          := G u in doubles, G the code's matrix: (8), (17), (25)
 *     R          k of the N tasks, all sets equally likely, unless the setting places the others,
 *                the stragglers
 *     u^         from y_R, by each decoder; error |u^ - u| / |u|
 *
 * Decoders   paper: (11), (23), (26) by LAPACK's gesv on the matrix that each of them inverts.
 *            kofn: the coefficients of kofn_decoder, applied to the same y.
 * Seeds      A trial's seed is the seed of its random codes; stragglers and blocks come from
 *            streams of the same seed that no code uses.
 * Threads    Any thread.
 */
#ifndef KOFN_BENCH_PAPERS_RKRP_TRIAL_H
#define KOFN_BENCH_PAPERS_RKRP_TRIAL_H

#include "common/code/code.h"

typedef enum rival {
    RIVAL_POLYNOMIAL,
    RIVAL_ORTHOPOLY,
    RIVAL_RKRP,                 // Definition 5, a fresh draw in each trial
    RIVAL_RKRP_SYSTEMATIC,      // Definition 8, likewise
    RIVAL_RKRP_BEST,            // kofn's default: the best conditioned of 16 draws
    RIVAL_RKRP_SYSTEMATIC_BEST, //
    RIVALS,
} rival;

/* Which tasks straggle, in the order of trial_draw_tasks. The numbers are those of the CSV
 * files. */
typedef enum placement {
    PLACED_AT_RANDOM,
    PLACED_EVENLY,
    PLACED_IN_MIDDLE, // next to each other, around task N / 2
    PLACED_AT_END,    // the first tasks
} placement;

typedef struct setting {
    size_t m, n;  // blocks of A and of B: k = m n
    size_t tasks; // N
    placement placed;
} setting;

typedef struct trial_result {
    double paper;            // error with the paper's decoder
    double kofn;             // with kofn's; NAN: it says that the set is not decodable
    double condition;        // of the k x k matrix of the tasks that answered
    double solved_condition; // of the system that is solved: what plain answers leave of it
} trial_result;

/* Streams of a trial's seed; rkrp draws from those below 2^40 and from the last. */
#define TRIAL_TASKS_STREAM  ((uint64_t)1 << 62)
#define TRIAL_BLOCKS_STREAM (TRIAL_TASKS_STREAM + 1)

const char *rival_name(rival r); // as in the CSV files: "rkrp_systematic"

/* The code of `r` for these tasks. Exits when it cannot be built. The caller's, to
 * kofn_code_destroy. */
kofn_code *rival_code_new(rival r, const setting *s, uint64_t seed);

/* The k tasks of the code that answer in trial `seed`: ret_tasks [m n]. Tasks count, and ascend, in
 * the order of their nodes where they have some. */
void trial_draw_tasks(const setting *s, const kofn_code *code, uint64_t seed, size_t *ret_tasks);

/* ret_results [RIVALS]. */
void trial_run(const setting *s, uint64_t seed, trial_result *ret_results);

#endif
