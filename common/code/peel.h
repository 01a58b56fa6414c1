/* A set of answers with its plain ones peeled off, and the problem that is left: the decoder's
 * inside.
 *
 *               known   unknown
 *     plain   [   I        0    ]       D_coded U = T on the unknown columns   (the span)
 *     coded   [   K        U    ]       D_plain   = T - D_coded K              (known columns)
 *
 * A plain answer is a block product itself: it gives its column of G and costs no arithmetic. For a
 * systematic code that lost s tasks, what is left is s x s. For a code without plain tasks, all.
 */
#ifndef KOFN_CODE_PEEL_H
#define KOFN_CODE_PEEL_H

#include "common/code/code.h"
#include "common/linalg/span.h"

#define KOFN_NO_COLUMN SIZE_MAX // of a task that is not plain: what kofn_code_plain_column says
#define KOFN_NO_TASK   SIZE_MAX // that gives a column

/* A target that has some column, and its coefficient there. */
typedef struct kofn_target_part {
    size_t target;
    double coef;
} kofn_target_part;

/* T by columns: the targets that have column c are part[first[c]] to part[first[c + 1] - 1]. */
typedef struct kofn_target_index {
    const kofn_code *code; // borrowed
    size_t *first;
    kofn_target_part *part;
    size_t wanted; // targets that have a column: the others are zero, and take no answer
    bool disjoint; // no column belongs to two targets
} kofn_target_index;

KOFN_MUST_CHECK kofn_status kofn_target_index_init(kofn_target_index *index, const kofn_code *code,
                                                   kofn_error *err);
void kofn_target_index_fini(kofn_target_index *index);

typedef struct kofn_peel {
    const kofn_target_index *index; // borrowed
    size_t *giver;                  // [columns] the task whose plain answer it is; KOFN_NO_TASK
    size_t *left;                   // [targets] columns of the target that are not known
    size_t *coded;                  // [n] tasks that are not plain, as they were added
    size_t coded_count;
    size_t known; // columns
    size_t open;  // targets with columns left
} kofn_peel;

/* Without answers; or with those of `from`, which may be NULL. */
KOFN_MUST_CHECK kofn_status kofn_peel_init(kofn_peel *peel, const kofn_target_index *index,
                                           const kofn_peel *from, kofn_error *err);
void kofn_peel_fini(kofn_peel *peel);

/* The answer of `task`, a plain copy of `column` or coded (KOFN_NO_COLUMN). False: a second copy of
 * a column, which changes nothing. */
bool kofn_peel_add(kofn_peel *peel, size_t task, size_t column);
void kofn_peel_take_back(kofn_peel *peel, size_t column); // what the last add changed

/* Could linear algebra cover the open targets? Their parts on the unknown columns are independent
 * when they share none, and need as many coded rows. Cheap: before that, no span is built. */
bool kofn_peel_may_suffice(const kofn_peel *peel);

/* The problem that is left: coded rows and open targets, on the unknown columns. */
typedef struct kofn_rest {
    const kofn_code *code;   // borrowed
    size_t cols, *col;       // unknown columns of G
    size_t targets, *target; // open targets
    double *row;             // [cols] room for one
    kofn_span *span;         // of the coded rows; NULL: there is no rest
} kofn_rest;

/* Which columns and targets are left, without a span. */
KOFN_MUST_CHECK kofn_status kofn_rest_list(kofn_rest *rest, const kofn_peel *peel, kofn_error *err);

/* Where a column of G stands in col, which ascends; cols when it is known. */
size_t kofn_rest_find(const kofn_rest *rest, size_t column);

/* Of a peel with open targets; its coded rows are added, and CANCELLED is what it fails with once
 * *cancelled (may be NULL) is true. */
KOFN_MUST_CHECK kofn_status kofn_rest_init(kofn_rest *rest, const kofn_peel *peel,
                                           const atomic_bool *cancelled, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_rest_add(kofn_rest *rest, size_t task, kofn_error *err);
void kofn_rest_fini(kofn_rest *rest); // leaves a cleared one

/* D [all targets, count] over answers tasks[count], from that of the open targets over
 * the coded ones, d_coded [rest targets, coded answers in the peel's order], which is theirs among
 * tasks[], too. ret_d is zeros before. Without open targets d_coded is not read. */
void kofn_peel_expand(const kofn_peel *peel, const kofn_rest *rest, const size_t *tasks,
                      size_t count, const double *d_coded, double *ret_d);

#endif
