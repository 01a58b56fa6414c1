/* Reduced row echelon form: rank, and which columns depend on which.
 *
 *     1 0 2 0        pivots 0, 1, 3. Column 2 is 2 times column 0 plus 3 times column 1: what
 *                    stands
 *     0 1 3 0        in a column that has no pivot is how it is made of the pivots' columns.
 *     0 0 0 1
 *
 * Accuracy   Exact over finite fields. In the reals a pivot is the greatest of its column, and what
 *            is below 2^-44 of the greatest number of the matrix counts as zero: for rows and
 *            columns of about one size, and small problems. Whether a column really is the sum that
 *            is said is for the caller to try, on the matrix as it was.
 * Cost       rows x cols, and a row for each number that is cleared: `steps`.
 * Threads    Any thread; nothing is kept.
 */
#ifndef KOFN_LINALG_ECHELON_H
#define KOFN_LINALG_ECHELON_H

#include "common/linalg/field.h"

/* at [rows, cols], row-major, becomes its echelon form. ret_pivot [rows]: the columns of the
 * pivots, which ascend, for the first *ret_rank rows. *steps: the multiplications that it may take,
 * and then those that are left of them. False: they were not enough, and at[] is of no use. */
bool kofn_echelon_reduce(const kofn_field *f, double *at, size_t rows, size_t cols, size_t *steps,
                         size_t *ret_pivot, size_t *ret_rank);

#endif
