/* Reduced row echelon form: rank, and which columns depend on which.
 *
 *     1 0 2 0        pivots 0, 1, 3. Column 2 is 2 times column 0 plus 3 times column 1: what stands
 *     0 1 3 0        in a column that has no pivot is how it is made of the pivots' columns.
 *     0 0 0 1
 *
 * Accuracy   Exact over finite fields. In the reals a pivot is the greatest of its column, and what
 *            is below 2^-44 of the greatest number of the matrix counts as zero: for columns of
 *            about one size, and small problems.
 * Threads    Any thread; nothing is kept.
 */
#ifndef KOFN_LINALG_ECHELON_H
#define KOFN_LINALG_ECHELON_H

#include "common/linalg/field.h"

/* at [rows, cols], row-major, becomes its echelon form; the rank. ret_pivot [rows]: the columns of the
 * pivots, which ascend, for the first rank rows. */
size_t kofn_echelon_reduce(const kofn_field *f, double *at, size_t rows, size_t cols,
                           size_t *ret_pivot);

#endif
