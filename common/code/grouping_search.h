/* Grouping search: which partition of a batch's pairs into groups (grouping.h) takes fewest tasks.
 *
 * Method     Up to params->exact pairs the cost of each subset, and all partitions by dynamic
 *            programming over these; costs do not depend on the spare tasks, so subsets are
 *            measured once. Above that groups are merged, and pairs moved between them, while that
 *            saves tasks, from several beginnings: each pair alone, all together, stars, and what
 *            hangs together by sums of blocks.
 * Cost       A bounded number of steps for each beginning, of which an elimination takes as many as
 *            it has multiplications. What is not found in these is not found: the grouping is then
 *            worse, and as right.
 * Threads    A value: one thread at a time.
 */
#ifndef KOFN_CODE_GROUPING_SEARCH_H
#define KOFN_CODE_GROUPING_SEARCH_H

#include "common/code/pair_costs.h"

typedef struct kofn_grouping_search {
    kofn_pair_costs costs;
    kofn_group_cost *subset; // [2^pairs] where all are measured; NULL: there are too many
    size_t spare;            // what is looked for now
} kofn_grouping_search;

/* Ownership: kofn_grouping_search_fini. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_grouping_search_init(kofn_grouping_search *search,
                                                      const kofn_grouping_params *params,
                                                      kofn_error *err);
void kofn_grouping_search_fini(kofn_grouping_search *search); // accepts a zeroed one

/* group[pair], numbers below the number of pairs, for groups with so many spare tasks each.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_grouping_search_choose(kofn_grouping_search *search, size_t spare,
                                                        size_t *group, kofn_error *err);

#endif
