/* Grouping: which pairs of a batch are coded together, each group for itself with tasks to lose.
 *
 *     group    what is computed                                answers that give it, whichever they are
 *
 *     curve    polynomials through k pairs, multiplied         2 k - 1 - e_A - e_B
 *     grid     all products of the sides' bases                rank_A rank_B
 *     sum      a curve through what is left of a sum after     2 r - 1 - e_A - e_B
 *              sides that come up twice were factored out
 *
 *     A group takes its answers and `spare` more tasks. A single pair is a curve of one answer:
 *     that is replication. Pairs that share a side are one of k answers.
 *
 * Source     Rudow, Charalambides, Hero, Rashmi, "Compression-Informed Coded Computing", Theorem 1:
 *            with e = u - 1 (sides.h) a curve needs w_{k,s} + 2 - u_1 - u_2 workers. Dependent
 *            pairs: e = 1, w_{k,s} - 2 when it holds in both coordinates, which need not be by the
 *            same numbers. Grids are polynomial codes. That a batch is to be cut into groups, and
 *            that single pairs and grids are often better, is ours.
 * Sums       Where pairs count in one sum only, their products are not needed: X_1 Y_1 + X_1 Y_2 is
 *            the single product X_1 (Y_1 + Y_2), and of r such products the curve's values at its
 *            points add up to the sum.
 * Method     grouping_search.h: up to KOFN_GROUPING_EXACT pairs the best of all partitions, above
 *            that what merging and moving finds in a bounded number of steps. The same grouping on
 *            every machine.
 * Kept       What was found last for a batch stays with it, so that choosing a number of tasks,
 *            checking it and building the code are one search together.
 * Numbers    The paper's figure 2, 8 pairs on 4 + 4 blocks, each of which comes up twice, in one
 *            circle:
 *
 *                 spare                        0    1    2    3    4
 *                 uncoded, spare + 1 times     8   16   24   32   40
 *                 w_{8,s}                     15   16   17   18   19
 *                 Theorem 1                   13   14   15   16   17
 *                 here                         8   12   15   16   17    (for 1: four stars of two pairs)
 * Threads    Any thread; a value. A search for given spare tasks takes up to seconds, and one for
 *            given tasks is up to 66 of them: no thread that has to answer makes one.
 */
#ifndef KOFN_CODE_GROUPING_H
#define KOFN_CODE_GROUPING_H

#include "common/code/terms.h"

enum { KOFN_GROUPING_EXACT = 14 }; // pairs: 3^14 steps

typedef enum kofn_pair_group_form {
    KOFN_GROUP_CURVE,
    KOFN_GROUP_GRID,
    KOFN_GROUP_SUM,
} kofn_pair_group_form;

typedef struct kofn_pair_group {
    kofn_pair_group_form form;
    size_t answers;      // that give what is wanted of it
    size_t first, count; // its pairs in kofn_grouping.pair, ascending
} kofn_pair_group;

typedef enum kofn_grouping_choice {
    KOFN_GROUPING_AUTO,  // the fewest tasks
    KOFN_GROUPING_ALONE, // each pair on its own
    KOFN_GROUPING_CURVE, // all pairs on one curve
    KOFN_GROUPING_GRID,  // all pairs in one grid
} kofn_grouping_choice;

typedef struct kofn_grouping {
    size_t spare; // of each group
    size_t tasks; // answers and spare ones of all groups
    size_t count;
    kofn_pair_group *at; // owns the memory of all three
    size_t *pair;        // [pairs of the batch], group after group
    double *factor;      // [pairs] in sums the weight of that pair, up to a number for each sum
} kofn_grouping;

/* What it depends on beside the batch. `exact`: pairs up to which all partitions are tried. */
typedef struct kofn_grouping_params {
    const kofn_batch *batch;
    const kofn_field *field;
    kofn_grouping_choice choice;
    size_t exact; // at most KOFN_GROUPING_EXACT
} kofn_grouping_params;

/* Groups with `spare` tasks each, or with as many as `tasks` tasks allow. End with
 * kofn_grouping_fini. INVALID_ARGUMENT: the field has too few points for the choice; more pairs
 * than the tasks can do, with the fewest that can. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_grouping_init(kofn_grouping *grouping,
                                               const kofn_grouping_params *params, size_t spare,
                                               kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_grouping_init_within(kofn_grouping *grouping,
                                                      const kofn_grouping_params *params,
                                                      size_t tasks, kofn_error *err);
void kofn_grouping_fini(kofn_grouping *grouping); // accepts a zeroed one

/* What a group is coded as. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_grouping_make_terms(const kofn_grouping *grouping, size_t group,
                                                     const kofn_grouping_params *params,
                                                     kofn_terms *ret_terms, kofn_error *err);

/* Groupings of one batch that were found so far, a few of them: what is asked for last takes the
 * place of the oldest. Its own (kofn_batch.groupings), for any thread. NULL: no memory, and each is
 * found anew. */
kofn_groupings *kofn_groupings_new(void);
void kofn_groupings_destroy(kofn_groupings **groupings_p); // accepts NULL
size_t kofn_groupings_count(kofn_groupings *groupings);
size_t kofn_groupings_count_searches(kofn_groupings *groupings); // for given spare tasks
size_t kofn_groupings_most_bytes(size_t pairs);                  // that they come to take

#endif
