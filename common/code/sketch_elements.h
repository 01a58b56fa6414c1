/* Sketches on matrices: the norms that they are drawn by, and the columns that are kept.
 *
 * Accuracy   Norms are of any numbers that a double holds; NaN or INFINITY where an element is, or
 *            where the norm itself is beyond them. Kept elements are rounded once, by their scale.
 * Cost       One pass over the elements each, and a second one over blocks whose squares are beyond
 *            a double.
 * Threads    Any thread; blocks only by computing.
 */
#ifndef KOFN_CODE_SKETCH_ELEMENTS_H
#define KOFN_CODE_SKETCH_ELEMENTS_H

#include "common/linalg/partition.h"

/* ret[b] := Frobenius norm of block b of op(m) under the grid, ret [grid.rows grid.cols]. A real
 * field. */
void kofn_sketch_measure(const kofn_field *field, const kofn_bands *m, bool transposed,
                         kofn_grid grid, double *ret_norms);

/* into's elements := rows kept[i] of `from`, i < count, times scale[i] (NULL: 1); or with `columns`
 * the columns. Both complete, of one dtype, f64 or f32, kept ascending. */
void kofn_sketch_keep(const kofn_bands *from, bool columns, size_t count, const size_t *kept,
                      const double *scale, const kofn_bands *into);

#endif
