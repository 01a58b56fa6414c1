#include "common/linalg/ridge.h"

#include <lapacke.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Column-major: each row of G is a column of the stacked system, with delta below it. */
static void
stack(const kofn_ridge *r, double *a, double *b)
{
    const size_t height = r->cols + r->rows;
    for (size_t i = 0; i < r->rows; i++) {
        if (r->cols > 0)
            memcpy(a + i * height, r->row + i * r->cols, r->cols * sizeof *a);
        a[i * height + r->cols + i] = r->delta;
    }
    for (size_t t = 0; t < r->targets && r->cols > 0; t++)
        memcpy(b + t * height, r->target + t * r->cols, r->cols * sizeof *b);
}

kofn_status
kofn_ridge_solve(const kofn_ridge *r, double *ret_d, kofn_error *err)
{
    if (r->rows == 0 || r->targets == 0)
        return KOFN_OK;
    const size_t height = r->cols + r->rows;
    if (height > INT_MAX / 2)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%zu columns are more than LAPACK counts to",
                         height);
    double *a = calloc(height, r->rows * sizeof *a), *b = calloc(height, r->targets * sizeof *b);
    lapack_int *pivot = calloc(r->rows, sizeof *pivot), rank, info = LAPACK_WORK_MEMORY_ERROR;
    if (a && b && pivot) {
        stack(r, a, b);
        info = LAPACKE_dgelsy(LAPACK_COL_MAJOR, (lapack_int)height, (lapack_int)r->rows,
                              (lapack_int)r->targets, a, (lapack_int)height, b, (lapack_int)height,
                              pivot, 0, &rank); // 0: delta is what makes it well-posed
    }
    for (size_t t = 0; info == 0 && t < r->targets; t++)
        memcpy(ret_d + t * r->rows, b + t * height, r->rows * sizeof *ret_d);
    free(pivot);
    free(b);
    free(a);
    if (info == 0)
        return KOFN_OK;
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for least squares of %zu x %zu",
                         height, r->rows);
    return kofn_fail(err, KOFN_INTERNAL, "gelsy refused its argument %d", -(int)info);
}
