/* Codes in groups, each of which needs so many answers: how often what arrives suffices, by formula
 * and by asking the decoder.
 *
 *     local alloy code    as many groups as the algorithm has products, each needs rows x cols
 *     MDS                 one group: any k answers of n (entangled polynomials)
 *     replication         a group for each product, which needs one answer
 *     uncoded             the same with one task for each product
 *
 * Task i is of group i mod groups. Workers fail independently of each other, one task each.
 * Threads    Any thread.
 */
#ifndef KOFN_BENCH_PAPERS_ALLOY_ARRIVALS_H
#define KOFN_BENCH_PAPERS_ALLOY_ARRIVALS_H

#include "common/code/code.h"

typedef struct arrivals {
    size_t groups, need, tasks;
    double order; // of the field that a group's 2 x 2 rows are drawn in, uniform but not zero (need
                  // is 4); 0: any `need` answers of a group do
} arrivals;

/* P(what arrives does not suffice) when each worker fails with probability p. */
double arrivals_miss(const arrivals *a, double p);

/* ret_share[m] := share of sets of m answers that suffice, m <= tasks. */
void arrivals_shares(const arrivals *a, double *ret_share);

/* The paper's typical recovery threshold: the fewest tasks with which arrivals_miss is below
 * epsilon; 0 when RECOVER_MAX are not enough. a->tasks is not read. */
enum { ARRIVALS_RECOVER_MAX = 1 << 18 };
size_t arrivals_recover(const arrivals *a, double p, double epsilon);

/* Answers in an order drawn from `seed` until the decoder has enough (tasks + 1: all are not), and
 * how many of them were not known from their group when they came: those that a master has to
 * receive which cancels the rest of a group that is complete. */
typedef struct arrivals_count {
    size_t answers, wanted;
} arrivals_count;
arrivals_count arrivals_try(kofn_code *code, uint64_t seed);

#endif
