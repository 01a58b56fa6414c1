/* Span tracking: do the rows seen so far span the targets, and how do they combine to them?
 *
 *     rows    g_0, g_1, ...   arrive one by one, each with `cols` coefficients
 *     targets T [count, cols] known from the start
 *     solve   D [count, r]    with D G = T, G the r rows seen
 *
 * Over the reals (span_real.c) rows are kept orthonormalised (twice-is-enough Gram-Schmidt), so
 * one add costs O(r cols + count cols), and solve() is a rank-revealing least-squares solution
 * (LAPACK gelsy/gelsd class) with its condition and residual. Over finite fields (span_exact.c) it
 * is elimination, for the same cost, and nothing is rounded.
 *
 * Threads    One thread at a time for each span.
 */
#ifndef KOFN_LINALG_SPAN_H
#define KOFN_LINALG_SPAN_H

#include "common/linalg/field.h"

typedef struct kofn_span kofn_span;

/* What solve() knows about D. Exact fields: {1, 0, 0}, or a residual of 1 where a target is not
 * covered. */
typedef struct kofn_span_quality {
    double condition;     // sigma_max / sigma_min of G restricted to what D uses; 1 when exact
    double residual;      // |D G - T|_F / |T|_F
    double amplification; // max over targets t of sum_r |D[t,r]| |g_r| / |T_t|: how much an error
                          // of the answers' size can grow in the result; 1 for copies
} kofn_span_quality;

/* The functions behind kofn_field.span. Contracts are those of the wrappers below. */
struct kofn_span_class {
    kofn_status (*create)(const kofn_field *f, size_t cols, size_t targets, const double *target,
                          kofn_span **ret_span, kofn_error *err);
    void (*destroy)(kofn_span **span_p);
    kofn_status (*add)(kofn_span *span, const double *row, bool *ret_grew, kofn_error *err);
    kofn_status (*fill)(kofn_span *span, const double *rows, size_t count,
                        const atomic_bool *cancelled, kofn_error *err); // NULL: by add()
    size_t (*missing)(const kofn_span *span);
    bool (*covers)(const kofn_span *span, size_t target);
    kofn_status (*review)(kofn_span *span, kofn_error *err); // NULL: add() misses nothing
    kofn_status (*solve)(const kofn_span *span, double *ret_d, kofn_span_quality *ret_quality,
                         kofn_error *err);
};

/* `target` [targets, cols] is copied, the field borrowed. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_span_new(const kofn_field *f, size_t cols, size_t targets,
                                          const double *target, kofn_span **ret_span,
                                          kofn_error *err);
void kofn_span_destroy(kofn_span **span_p);

/* Add a row [cols]; *ret_grew says whether it raised the rank. INVALID_ARGUMENT: a coefficient is
 * no number of the field. */
KOFN_MUST_CHECK kofn_status kofn_span_add(kofn_span *span, const double *row, bool *ret_grew,
                                          kofn_error *err);

/* Add `rows` [count, cols] to a span without any. Many real ones are looked at together, by a
 * review, which takes a fifth of the time, and one by one only where that does not find all targets
 * covered; the rank is not known then. Given up soon once *cancelled (may be NULL) is true, but for
 * such a look. INVALID_ARGUMENT: as for add. CANCELLED; RESOURCE_EXHAUSTED: no memory; and the span
 * is of no use. */
KOFN_MUST_CHECK kofn_status kofn_span_fill(kofn_span *span, const double *rows, size_t count,
                                           size_t cols, const atomic_bool *cancelled,
                                           kofn_error *err);

size_t kofn_span_rows(const kofn_span *span); // rows added
size_t kofn_span_rank(const kofn_span *span);
size_t kofn_span_missing(const kofn_span *span); // targets outside the span: 0 means solvable
bool kofn_span_covers(const kofn_span *span, size_t target);

/* Look for targets that rows cover all together and add() has not found: it takes rows as they
 * come, and after many that nearly depend on each other, like those of neighbouring points, it
 * cannot tell a new direction from rounding any more. Costs a solution. RESOURCE_EXHAUSTED: nothing
 * changed. */
KOFN_MUST_CHECK kofn_status kofn_span_review(kofn_span *span, kofn_error *err);

/* D [targets, rows added], row-major, zero where a row is not needed. Rows of uncovered targets
 * are the least-squares estimate, in exact fields zeros. Deterministic. */
KOFN_MUST_CHECK kofn_status kofn_span_solve(const kofn_span *span, double *ret_d,
                                            kofn_span_quality *ret_quality, kofn_error *err);

#endif
