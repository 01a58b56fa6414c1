/* Sides: what the pairs of a batch are made of in one coordinate, and how they depend on each
 * other.
 *
 *     side    A_0   A_1   A_0   A_0 + A_1   2 A_1        Sides that are multiples of each other are of
 *     class    0     1     0        2         1          one class: u of a set of sides is the least
 *                                                        number of sides that a class of it has.
 *
 * Source     Rudow et al. (batch.h), eq. 3: classes are its basis elements, u its u_j.
 * Saves      A polynomial through k sides, or multiples of them, at k points has degree k - 1 at
 *            most. It can have degree k - 1 - e where that many dependencies hold, of all k sides
 *            together: e = u - 1 where each class comes up u times, and e = 1 where some sum of
 *            multiples of all sides, none of them 0, is zero. In a field of k elements or more
 *            there is such a sum when each side depends on the others: no space is a union of k of
 *            its subspaces.
 * Accuracy   Over the reals a side depends on others when each of its numbers is the sum that is
 *            said but for 2^-48 of the sum's terms, as classes agree. A side that is near such a
 *            sum, and no nearer, is one of its own: what a code saves by a dependency it can rely
 *            on.
 * Cost       Sides that have no block in common, nor by way of others, are looked at apart: a
 *            product of complex matrices has three sides, whatever others there are. Sides that
 *            hang together take an elimination; where that takes more than 2^22 steps, or 2^20
 *            numbers (16 MiB while it goes on), they count as independent, which is a larger code
 *            and never a wrong one.
 * Threads    A value: one thread at a time, as sets are counted in it.
 */
#ifndef KOFN_CODE_SIDES_H
#define KOFN_CODE_SIDES_H

#include "common/code/code.h"

typedef struct kofn_sides {
    const kofn_field *field; // borrowed, as the sums
    const kofn_sums *of;
    bool sums;    // some side has several blocks
    size_t steps; // that looks took so far: sides, blocks, and numbers of eliminations
    size_t most;  // from so many on, sides count as independent; SIZE_MAX: always look
    size_t classes;
    size_t *class;    // [sides]; owns the memory of all that follow
    size_t *first;    // [classes] the first side of it
    double *factor;   // [sides] the side is so many times the first of its class
    size_t *seen;     // [classes] zeros between calls
    size_t *at;       // [cols] likewise
    size_t *distinct; // [sides] classes that a set has
    size_t *root;     // [sides] of these, those that hang together have one; and
    size_t *next;     // are in a list that begins there
    size_t *part;     // [sides] room for such a list
} kofn_sides;

/* Sort the rows of `of`, none of which is empty. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_sides_init(kofn_sides *sides, const kofn_field *field,
                                            const kofn_sums *of, kofn_error *err);
void kofn_sides_fini(kofn_sides *sides); // accepts a zeroed one

/* What is known of a set of sides, which are counted from 0. */
typedef struct kofn_sides_set {
    size_t classes, least; // how many, and how often the rarest comes up (u)
    size_t rank;           // of all of them
    bool dependent;        // a sum of multiples of all of them is zero
} kofn_sides_set;

/* Of side[count], count at least 1. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_sides_look(kofn_sides *sides, const size_t *side, size_t count,
                                            kofn_sides_set *ret_set, kofn_error *err);

/* e, of a set that was looked at. */
size_t kofn_sides_saves(const kofn_sides_set *set);

/* Numbers for all sides of the set, none of them 0: sum_i ret_number[i] side[i] = 0. For sides that
 * are `dependent`, in a field of at least `count` elements. Over the reals about as large as each
 * other, as far as that could be had. RESOURCE_EXHAUSTED: no memory. INVALID_ARGUMENT: none were
 * found. */
KOFN_MUST_CHECK kofn_status kofn_sides_find_sum(kofn_sides *sides, const size_t *side, size_t count,
                                                double *ret_number, kofn_error *err);

/* Sides of the set that all others are sums of, as positions in side[]; ascending, `rank` of
 * them. */
KOFN_MUST_CHECK kofn_status kofn_sides_find_basis(kofn_sides *sides, const size_t *side,
                                                  size_t count, size_t *ret_place, size_t *ret_rank,
                                                  kofn_error *err);

#endif
