/* Ridge least squares: combinations of rows that are near to targets, without large coefficients.
 *
 *     minimise  |D G - T|_F^2 + delta^2 |D|_F^2     G [rows, cols], T [targets, cols]
 *
 * Method     QR with pivoting (LAPACK's gelsy) of [G^T; delta I], which has full rank whatever G
 *            is. The normal equations would square the condition: with delta near rounding, they
 *            know nothing of what delta weighs.
 * Accuracy   D solves the problem for rows that differ from G's by a few roundings of their
 *            largest, so rows should have norms near 1 and delta be no less than a few epsilon.
 * Cost       2 (cols + rows) rows^2 + 4 targets (cols + rows) rows flops; as many doubles as
 *            (cols + rows) (rows + targets).
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_RIDGE_H
#define KOFN_LINALG_RIDGE_H

#include "common/base/status.h"

typedef struct kofn_ridge {
    size_t rows, cols, targets;
    double delta;         // above 0
    const double *row;    // G, row-major
    const double *target; // T, row-major
} kofn_ridge;

/* D [targets, rows], row-major. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_ridge_solve(const kofn_ridge *ridge, double *ret_d,
                                             kofn_error *err);

#endif
