#include "common/linalg/echelon.h"

#include <math.h>

static const double NOTHING = 0x1p-44; // rounding of a few sums, relative

/* What counts as zero is no more than this. */
static double
find_limit(const kofn_field *f, const double *at, size_t len)
{
    double greatest = 0;
    if (f->order != 0)
        return 0;
    for (size_t i = 0; i < len; i++)
        greatest = fmax(greatest, fabs(at[i]));
    return greatest * NOTHING;
}

/* The row from `first` on whose number in the column is greatest; in finite fields any but 0
 * does. */
static size_t
find_pivot(const double *at, size_t rows, size_t cols, size_t first, size_t col)
{
    size_t found = first;
    for (size_t r = first; r < rows; r++)
        if (fabs(at[r * cols + col]) > fabs(at[found * cols + col]))
            found = r;
    return found;
}

static void
swap_rows(double *a, double *b, size_t cols)
{
    for (size_t c = 0; c < cols; c++) {
        const double moved = a[c];
        a[c] = b[c];
        b[c] = moved;
    }
}

/* Of the steps that are left; false: there are not so many. */
static bool
take_steps(size_t *steps, size_t count)
{
    const bool enough = *steps >= count;
    *steps -= enough ? count : *steps;
    return enough;
}

/* Row `top` gets a 1 in the column, all others a 0. What stands before the column is final. False:
 * that takes too many steps. */
static bool
clear_column(const kofn_field *f, double *at, size_t rows, size_t cols, size_t top, size_t col,
             size_t *steps)
{
    double *pivot = at + top * cols;
    if (!take_steps(steps, rows + cols - col))
        return false;
    const double by = f->invert(f, pivot[col]);
    for (size_t c = col; c < cols; c++)
        pivot[c] = f->multiply(f, pivot[c], by);
    pivot[col] = 1;
    for (size_t r = 0; r < rows; r++) {
        double *row = at + r * cols;
        if (r == top || row[col] == 0)
            continue;
        if (!take_steps(steps, cols - col))
            return false;
        f->add_multiple(f, cols - col, f->negate(f, row[col]), pivot + col, row + col);
        row[col] = 0;
    }
    return true;
}

bool
kofn_echelon_reduce(const kofn_field *f, double *at, size_t rows, size_t cols, size_t *steps,
                    size_t *ret_pivot, size_t *ret_rank)
{
    if (!take_steps(steps, rows * cols))
        return false;
    const double limit = find_limit(f, at, rows * cols);
    size_t rank = 0;
    for (size_t col = 0; col < cols && rank < rows; col++) {
        const size_t found = find_pivot(at, rows, cols, rank, col);
        if (fabs(at[found * cols + col]) <= limit) {
            for (size_t r = rank; r < rows; r++)
                at[r * cols + col] = 0;
            continue;
        }
        if (found != rank)
            swap_rows(at + found * cols, at + rank * cols, cols);
        if (!clear_column(f, at, rows, cols, rank, col, steps))
            return false;
        ret_pivot[rank++] = col;
    }
    for (size_t i = 0; limit > 0 && i < rank * cols; i++)
        if (fabs(at[i]) <= NOTHING) // beside pivots of 1
            at[i] = 0;
    *ret_rank = rank;
    return true;
}
