/* Inside of the real span, shared by span_real.c (which tracks) and span_solve.c (which solves). */
#ifndef KOFN_LINALG_SPAN_REAL_H
#define KOFN_LINALG_SPAN_REAL_H

#include "common/linalg/span_class.h"

/* Coefficients are doubles whatever the elements are, so rounding is that of doubles. */
#define KOFN_SPAN_EPSILON 0x1p-53

typedef struct kofn_span_reals {
    kofn_span base;
    size_t cols, targets, missing;
    bool untracked;      // what grew is not known, but that all targets are covered
    double *target;      // [targets, cols]
    double *target_norm; // [targets]
    bool *covered;       // [targets]

    size_t capacity;  // rows that the next three have room for
    double *row;      // [rows, cols], as added
    double *row_norm; // [rows]
    size_t *grew;     // [rank]: the rows that raised the rank, in order
    double *basis;    // [rank, cols], orthonormal
    double *inverse;  // [rank, rank], lower triangle in packed rows; see span_real.c

    double *solution; // [targets, solved], D of a review by which all are covered; NULL: none
    size_t solved;    // rows then

    double *left;    // [targets, cols]: what of each target lies outside the span so far
    double *weight;  // [targets, cols]: target - left over the normalised rows in grew
    double *scratch; // [3 cols]
} kofn_span_reals;

kofn_status kofn_span_reals_create(const kofn_field *f, size_t cols, size_t targets,
                                   const double *target, kofn_span **ret_span, kofn_error *err);
void kofn_span_reals_destroy(kofn_span **span_p);
kofn_status kofn_span_reals_add(kofn_span *base, const double *row, bool *ret_grew,
                                kofn_error *err);

kofn_status kofn_span_reals_fill(kofn_span *base, const double *rows, size_t count,
                                 const atomic_bool *cancelled, kofn_error *err);

/* Is a part of this length of target t, outside the span, rounding of a sum with such weights (of
 * normalised rows)? */
bool kofn_span_reals_is_rounding(const kofn_span_reals *s, size_t t, double left, double weights);

kofn_status kofn_span_reals_review(kofn_span *base, kofn_error *err);
kofn_status kofn_span_reals_solve(const kofn_span *base, double *ret_d,
                                  kofn_span_quality *ret_quality, kofn_error *err);

#endif
