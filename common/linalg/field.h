/* Fields: the arithmetic under every code. One const table of functions for each; no caller asks
 * for a dtype.
 *
 *     f64, f32           reals                field_real.h
 *     gf256, gf16, gf4   GF(2^m), u8          field_binary.h
 *     gfp:P              GF(P), P prime, u32  field_prime.h
 *
 * Coefficients of codes are doubles in every field: a real number, or an integer in [0, q), which
 * a double holds exactly for q up to 2^53. Elements of matrices have the field's dtype.
 *
 * Ownership  A table without parameter lives for ever. One with (gfp) carries it in a struct that
 *            starts with this one, and is counted: who looks it up holds a ref, and so does each
 *            code over it. So there is no list of primes in use that a client could fill; what
 *            exists is what jobs hold, and those are bounded. Spans and decoders borrow. Two
 *            lookups of one name may give two tables: compare names.
 * Threads    Any thread: fields are const once made. Functions block only by computing.
 */
#ifndef KOFN_LINALG_FIELD_H
#define KOFN_LINALG_FIELD_H

#include "common/base/rng.h"
#include "common/linalg/mat.h"

#include <stdatomic.h>

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

/* What kofn_field.multiply_panel computes: C := op(A) op(B), or C += op(A) op(B) when accumulate,
 * op by the transpose flags: op(A) is rows x inner, op(B) is inner x cols. No size is zero. */
typedef struct kofn_panel {
    bool transpose_a, transpose_b, accumulate;
    size_t rows, cols, inner;
    const void *a, *b;         // elements aligned
    size_t stride_a, stride_b; // in elements
    void *c;
    size_t stride_c;
    void *scratch; // kofn_field.scratch_bytes, aligned as malloc does
} kofn_panel;

enum { KOFN_FIELD_NAME_MAX = 32 }; // with the final NUL

struct kofn_field {
    const char *name;    // "f64": what config and protocol say
    atomic_size_t *refs; // of a field with a parameter; NULL: lives for ever
    kofn_dtype dtype;    // of matrix elements
    double order;        // number of elements, 0 when infinite
    double epsilon;      // unit roundoff of element arithmetic (2^-53 for f64); 0 when exact
    const kofn_span_class *span; // span tracking and solving with coefficients

    /* Coefficient arithmetic. invert: a must not be zero. */
    double (*add)(const kofn_field *f, double a, double b);
    double (*multiply)(const kofn_field *f, double a, double b);
    double (*negate)(const kofn_field *f, double a);
    double (*invert)(const kofn_field *f, double a);

    /* y[i] := y[i] + by x[i], i < len. */
    void (*add_multiple)(const kofn_field *f, size_t len, double by, const double *x, double *y);

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

    /* dst[place[i]] := dst[place[i]] + by src[i], i < len; elements at any address. */
    void (*scatter)(const kofn_field *f, size_t len, double by, const void *src,
                    const size_t *place, void *dst);

    /* C := op(A) op(B), see kofn_panel. Runs to its end, so callers that must be interruptible pass
     * panels (multiply.h). */
    void (*multiply_panel)(const kofn_field *f, const kofn_panel *p);

    /* Scratch memory for panels of at most these sizes, in bytes; never more than 16 MiB. */
    size_t (*scratch_bytes)(const kofn_field *f, size_t rows, size_t cols, size_t inner);

    /* Any element that is no number of the field: not finite in the reals, q or more in finite
     * fields. Arithmetic takes such elements without harm, but results are then worth nothing;
     * finite fields never make any. A few GB/s at least, wherever elements lie. */
    bool (*has_foreign)(const kofn_field *f, const void *at, size_t len);

    /* Elements as coefficients, wherever they lie: ret[i] is the number that element i is. And the
     * other way round: ret, aligned, gets elements; those of f32 are rounded. */
    void (*widen)(const kofn_field *f, size_t len, const void *at, double *ret);
    void (*narrow)(const kofn_field *f, size_t len, const double *at, void *ret);

    /* Euclidean norm of aligned elements, in doubles; exact fields: the root of how many are not
     * zero. */
    double (*norm)(const kofn_field *f, const void *at, size_t len);
};

/* The field of this name, for config, commands and the wire; *ret_field is the caller's, to
 * kofn_field_destroy(). NOT_FOUND: no such field, with those that are there. INVALID_ARGUMENT: the
 * parameter is no prime, with the nearest that is. OUT_OF_RANGE: too large.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_field_new(const char *name, const kofn_field **ret_field,
                                           kofn_error *err);
const kofn_field *kofn_field_ref(const kofn_field *f);
void kofn_field_destroy(const kofn_field **f_p); // lets go of one ref; accepts NULL

/* The field for elements of this dtype: the one of this name, or for "" the one that the dtype
 * implies; *ret_field is the caller's. INVALID_ARGUMENT: the field has elements of another dtype,
 * or there is no name and many fields of that dtype (u32). UNIMPLEMENTED: no field has elements of
 * that dtype. Else as kofn_field_new. */
KOFN_MUST_CHECK kofn_status kofn_field_choose(const char *name, kofn_dtype dtype,
                                              const kofn_field **ret_field, kofn_error *err);

/* What there is, by index: "f64", ... of the fields without parameter, and "gfp" for all of
 * gfp:P. NULL past the last. What workers say that they can. */
const char *kofn_field_kind_at(size_t index);
size_t kofn_field_kind_of(const kofn_field *f); // its index there: below KOFN_FIELD_KINDS_MAX

/* Kinds as a set, one bit for each index. kofn_field_kinds_parse: those that a list with commas
 * names and that there are; 0: none. */
enum { KOFN_FIELD_KINDS_MAX = 32 };
uint32_t kofn_field_kinds_parse(const char *list);

/* Of the fields without parameter, borrowed: by name; by the dtype that implies it (f64, f32, and
 * gf256 for u8). NULL when there is none. */
const kofn_field *kofn_field_find(const char *name);
const kofn_field *kofn_field_for_dtype(kofn_dtype dtype);

/* Names of finite fields with `least` elements or more, the smallest ones: "gfp:11 or gf16". For
 * messages. `text` has room for KOFN_FIELD_ADVICE_MAX. */
enum { KOFN_FIELD_ADVICE_MAX = 64 };
void kofn_field_advise(double least, char *text);

/* Can there be elements of its dtype that are no numbers of it? Not of gf256, where every byte is
 * one; NaN and infinities of the reals are values that matrices may hold. */
bool kofn_field_is_partial(const kofn_field *f);

/* Does the matrix hold numbers of the field only? INVALID_ARGUMENT with the first that is none,
 * where it is, and the limit; `what` names the matrix ("A"). To be asked of each operand once. */
KOFN_MUST_CHECK kofn_status kofn_field_check_elements(const kofn_field *f, const char *what,
                                                      const kofn_bands *m, kofn_error *err);

#endif
