/* Groups of a code's tasks, and which tasks' answers follow from those that their group has: the
 * decoder's inside, and the reason why a fast algorithm's tasks end one by one.
 *
 *     group 2:   row 2     row 9     row 16    row 23    row 30       Any four good rows give the
 *                answer    answer    answer    answer    follows      product; the fifth is theirs
 *
 * Method     A span for each group, over the columns that its rows have at all; targets are its
 *            rows, or what the code's table says that it gives: the group is then over when that is
 *            there, and its rows are not asked for one by one. In exact fields a row follows when
 *            it is covered. In the reals it is not enough that it could be computed: while errors
 *            would grow in that beyond a share of the decoder's limit for the whole, another answer
 *            is still worth having.
 * Cost       O(rank columns of the group) for each answer, nothing for a question.
 */
#ifndef KOFN_CODE_GROUPS_H
#define KOFN_CODE_GROUPS_H

#include "common/code/code.h"
#include "common/linalg/span.h"

typedef struct kofn_group kofn_group;

typedef struct kofn_groups {
    const kofn_code *code;    // borrowed
    double max_amplification; // of one group's answers
    kofn_group *at;           // [code->groups]
} kofn_groups;

/* Without answers. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_groups_init(kofn_groups *groups, const kofn_code *code,
                                             double max_amplification, kofn_error *err);
void kofn_groups_fini(kofn_groups *groups);

/* The answer of `task` is here. Without memory it is left out, and its group takes one more. */
void kofn_groups_add(kofn_groups *groups, size_t task);

/* Does the answer of `task` follow from those of its group, or what it would help to make? */
bool kofn_groups_has(const kofn_groups *groups, size_t task);

#endif
