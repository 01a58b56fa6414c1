/* Pair costs: what a set of a batch's pairs needs as one group (grouping.h), in the form that needs
 * least.
 *
 * Accuracy   While groups are looked for, a set's sides are those of the whole batch; a group that
 *            is chosen is measured by its own, as its code is made of them (curve.h, sides.h).
 * Cost       Looks at both coordinates (sides.h); for pairs of one sum, those at what is left of
 *            it.
 * Threads    A value: one thread at a time, as looks are counted.
 */
#ifndef KOFN_CODE_PAIR_COSTS_H
#define KOFN_CODE_PAIR_COSTS_H

#include "common/code/grouping.h"
#include "common/code/sides.h"

typedef struct kofn_group_cost {
    kofn_pair_group_form form;
    size_t answers;
    size_t points; // of a finite field that differ, beside those of the answers and the spare ones
} kofn_group_cost;

typedef struct kofn_pair_costs {
    const kofn_grouping_params *params; // borrowed
    const kofn_batch *batch;
    const kofn_field *field;
    kofn_sums columns;  // [pairs, blocks of C]: the weights by pairs
    kofn_sides side[2]; // of all pairs
    kofn_sides weight;  // classes of pairs that count in the same sums, and how often
    size_t *kin;        // [pairs] the first pair that hangs together with it by a sum of blocks
    bool unrelated;     // products, which are all wanted: without spare tasks single pairs are best
    size_t steps;       // of factoring sums
} kofn_pair_costs;

/* Ownership: kofn_pair_costs_fini. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_pair_costs_init(kofn_pair_costs *costs,
                                                 const kofn_grouping_params *params,
                                                 kofn_error *err);
void kofn_pair_costs_fini(kofn_pair_costs *costs); // accepts a zeroed one

/* Of these pairs, count at least 1. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_pair_costs_measure(kofn_pair_costs *costs, const size_t *pair,
                                                    size_t count, kofn_group_cost *ret_cost,
                                                    kofn_error *err);

/* The same, of a group as it is made. */
KOFN_MUST_CHECK kofn_status kofn_pair_costs_settle(kofn_pair_costs *costs, const size_t *pair,
                                                   size_t count, kofn_group_cost *ret_cost,
                                                   kofn_error *err);

/* Steps of all looks so far; and so many more may be taken, from where on sums count as
 * independent. */
size_t kofn_pair_costs_get_steps(const kofn_pair_costs *costs);
void kofn_pair_costs_limit(kofn_pair_costs *costs, size_t steps);

/* Has the field the points for such a group with so many spare tasks? */
bool kofn_group_cost_has_points(const kofn_group_cost *cost, const kofn_field *field, size_t spare);

#endif
