/* Fields: the arithmetic under every code. One const table of functions for each; no caller asks
 * for a dtype.
 *
 * Coefficients of codes are doubles in every field: a real number, or an integer in [0, q), which
 * a double holds exactly for q up to 2^53. Elements of matrices have the field's dtype.
 *
 * The finite fields (GF(2^8), GF(p)) come as further tables; a parametric field carries its
 * parameter in a struct that starts with this one.
 *
 * Threads    Any thread: fields are const once made. Functions block only by computing.
 */
#ifndef KOFN_LINALG_FIELD_H
#define KOFN_LINALG_FIELD_H

#include "common/base/rng.h"
#include "common/linalg/mat.h"

typedef struct kofn_field kofn_field;
typedef struct kofn_span_class kofn_span_class; // span.h

/* What kofn_field.combine works on: sources and results are rectangles of [rows, len] elements.
 * Alignment is not assumed; no result overlaps a source. */
typedef struct kofn_combination {
    size_t outs, ins, rows, len;
    const double *coef;       // [outs, ins], row-major
    const void *const *src;   // [ins]; NULL: zeros (padding)
    void *const *dst;         // [outs]; NULL: not wanted
    const size_t *src_stride; // [ins] bytes from one row to the next; not read for a single row
    const size_t *dst_stride; // [outs]
    size_t result_bytes;      // of the whole operation that this is a part of: is it past caches?
} kofn_combination;

struct kofn_field {
    const char *name; // "f64": what config and protocol say
    kofn_dtype dtype; // of matrix elements
    double order;     // number of elements, 0 when infinite
    double epsilon;   // unit roundoff of element arithmetic (2^-53 for f64); 0 when exact
    const kofn_span_class *span; // span tracking and solving with coefficients

    /* Coefficient arithmetic. invert: a must not be zero. */
    double (*add)(const kofn_field *f, double a, double b);
    double (*multiply)(const kofn_field *f, double a, double b);
    double (*negate)(const kofn_field *f, double a);
    double (*invert)(const kofn_field *f, double a);

    /* The i-th of n distinct evaluation points, i < n; n is at most `order` where that is finite.
     * Reals: Chebyshev nodes cos((2 i + 1) pi / (2 n)), good for monomials as for Chebyshev
     * polynomials. Finite fields: i. */
    double (*point)(const kofn_field *f, size_t i, size_t n);

    /* A random coefficient: standard normal in the reals, uniform in a finite field. */
    double (*draw)(const kofn_field *f, kofn_rng *rng);

    /* dst[o] := sum over i < ins of coef[o, i] src[i], for o < outs. One pass over all sources for
     * all results, in cache-sized panels. Rows of coef that are a unit vector are plain copies, and
     * a coefficient of zero never touches its source, so a NaN behind it does not spread. */
    void (*combine)(const kofn_field *f, const kofn_combination *c);

    /* C := op(A) op(B), or C += op(A) op(B) when accumulate, op by the transpose flags:
     * op(A) is rows x inner, op(B) is inner x cols. Strides in elements. Runs to its end, so
     * callers that must be interruptible pass panels (multiply.h). */
    void (*multiply_panel)(const kofn_field *f, bool transpose_a, bool transpose_b, size_t rows,
                           size_t cols, size_t inner, const void *a, size_t stride_a, const void *b,
                           size_t stride_b, bool accumulate, void *c, size_t stride_c);

    /* Any element that is not finite? Always false in exact fields. */
    bool (*has_nonfinite)(const kofn_field *f, const void *at, size_t len);

    /* Euclidean norm of aligned elements, in doubles; exact fields: the root of how many are not
     * zero. */
    double (*norm)(const kofn_field *f, const void *at, size_t len);
};

/* By name ("f64", "f32") and by dtype; NULL when there is none. */
const kofn_field *kofn_field_find(const char *name);
const kofn_field *kofn_field_for_dtype(kofn_dtype dtype);

#endif
