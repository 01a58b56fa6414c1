/* How the operands of an outer product are cut: so many parts each, along one direction.
 *
 *     A_1 in 2 parts, A_2 in 3:   pieces of C = A_1 (x) A_2 are products of two blocks, 6 in all
 *
 * Each operand is cut along its longer direction, by rows where it is square: the parts differ
 * least from each other there, and the most of them have elements. All of them are blocks of one
 * size, as everywhere, the last padded.
 *
 * Threads    Any thread; values.
 */
#ifndef KOFN_CODE_CUTS_H
#define KOFN_CODE_CUTS_H

#include "common/linalg/partition.h"

enum {
    KOFN_OPERANDS_MAX = 8,   // of one task's product
    KOFN_CUTS_TEXT_MAX = 96, // "65536,2,1", with the final NUL
};

/* Of each operand, in order. */
typedef struct kofn_cuts {
    size_t count; // operands, at least 2; 0: no outer product
    size_t of[KOFN_OPERANDS_MAX];
} kofn_cuts;

/* Rows and columns of each operand as it enters the product, after transposition. */
typedef struct kofn_extents {
    size_t count;
    size_t rows[KOFN_OPERANDS_MAX], cols[KOFN_OPERANDS_MAX];
} kofn_extents;

/* How messages name operand `index`: A and B, and of an outer product A_1 to A_8. */
const char *kofn_operand_name(bool outer, size_t index);

size_t kofn_cuts_count_pieces(const kofn_cuts *parts); // their product; SIZE_MAX: too many

bool kofn_cuts_are_equal(const kofn_cuts *a, const kofn_cuts *b);

/* "2,3,1". */
void kofn_cuts_format(const kofn_cuts *parts, char text[KOFN_CUTS_TEXT_MAX]);

/* 2 to KOFN_OPERANDS_MAX whole numbers up to `max`. INVALID_ARGUMENT: anything else. */
KOFN_MUST_CHECK kofn_status kofn_cuts_parse(const char *text, size_t max, kofn_cuts *ret_cuts,
                                            kofn_error *err);

/* The grid of operand `index` in parts.of[index] parts. */
kofn_grid kofn_cuts_get_grid(const kofn_cuts *parts, const kofn_extents *extents, size_t index);

/* Parts that are zero become some whose product is `pieces`, for the least data in a task: prime
 * factors of pieces, the largest first, each to the operand whose blocks are the largest and have
 * room for it. False: they do not all fit, no operand gets more parts than it is long. */
bool kofn_cuts_spread(kofn_cuts *parts, const kofn_extents *extents, size_t pieces);

#endif
