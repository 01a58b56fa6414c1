/* Complex matrices as planes: real parts and imaginary parts, each a real matrix.
 *
 *     c128  re im re im ...      <-- split, join -->      f64  re re ...     f64  im im ...
 *
 * An element is its real part, then its imaginary part, as C, Fortran and NumPy have it: two f64
 * (c128) or two f32 (c64). No field has complex elements and no block frame carries them; products
 * are made of planes (common/code/complex.h).
 *
 * Accuracy   Exact: elements are copied, or multiplied by powers of two.
 * Cost       One pass; each element is read once and written once.
 * Threads    Any thread; nothing is shared.
 */
#ifndef KOFN_LINALG_PLANES_H
#define KOFN_LINALG_PLANES_H

#include "common/linalg/mat.h"

/* re, im := the parts of `from`; they may be views of one matrix, have the dtype of a part, and no
 * fewer rows and columns than `from`. What they have more is filled with zeros. INVALID_ARGUMENT: a
 * part is NaN or infinite; "`name`: element (3, 5) is nan + 1i", counted as stored. */
KOFN_MUST_CHECK kofn_status kofn_planes_split(const char *name, const kofn_mat *from, kofn_mat *re,
                                              kofn_mat *im, kofn_error *err);

/* The same look alone. */
KOFN_MUST_CHECK kofn_status kofn_planes_check(const char *name, const kofn_mat *m, kofn_error *err);

/* The dtype's name in messages: of complex ones with what files call it, "c128 (c16 of .npy
 * files)". */
const char *kofn_planes_title(kofn_dtype dtype);

/* plane := 2^shift plane, exact where no element leaves what its dtype has; shift within +- 120. */
void kofn_planes_scale(kofn_mat *plane, int shift);

/* to := -from, real matrices of one shape. */
void kofn_planes_negate(const kofn_mat *from, kofn_mat *to);

/* The matrix whose real parts are in the first half of the rows of `stacked`, and whose imaginary
 * parts in the second: its first to->rows rows and to->cols columns. */
void kofn_planes_join(const kofn_bands *stacked, kofn_mat *to);

#endif
