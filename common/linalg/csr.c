#include "common/linalg/csr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

kofn_status
kofn_csr_bytes(kofn_dtype dtype, size_t rows, size_t elements, size_t *ret_bytes, kofn_error *err)
{
    const size_t width = kofn_dtype_width(dtype) + sizeof(int32_t);
    size_t bytes, offsets;
    if (kofn_dtype_width(dtype) == 0 || __builtin_add_overflow(rows, 1, &offsets) ||
        __builtin_mul_overflow(offsets, sizeof(int64_t), &offsets) ||
        __builtin_mul_overflow(elements, width, &bytes) ||
        __builtin_add_overflow(bytes, offsets, &bytes) || bytes > SIZE_MAX / 2)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%zu rows with %zu elements of %s are more than any memory", rows,
                         elements, kofn_dtype_name(dtype));
    *ret_bytes = bytes;
    return KOFN_OK;
}

kofn_status
kofn_csr_new(kofn_dtype dtype, size_t rows, size_t cols, size_t elements, kofn_csr *ret_csr,
             kofn_error *err)
{
    size_t bytes;
    kofn_csr csr = {.rows = rows, .cols = cols};
    kofn_status status = kofn_csr_bytes(dtype, rows, elements, &bytes, err);
    if (!status && cols > INT32_MAX)
        status = kofn_fail(err, KOFN_OUT_OF_RANGE, "%zu columns, at most %d fit", cols, INT32_MAX);
    if (!status)
        status = kofn_mat_alloc(KOFN_I64, rows + 1, 1, &csr.first, err);
    if (!status)
        status = kofn_mat_alloc(KOFN_I32, elements, 1, &csr.column, err);
    if (!status)
        status = kofn_mat_alloc(dtype, elements, 1, &csr.value, err);
    if (status)
        kofn_csr_fini(&csr);
    else
        *ret_csr = csr;
    return status;
}

void
kofn_csr_fini(kofn_csr *csr)
{
    kofn_mat_fini(&csr->first);
    kofn_mat_fini(&csr->column);
    kofn_mat_fini(&csr->value);
    *csr = (kofn_csr){0};
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t
get_offset(const kofn_csr *csr, size_t row)
{
    int64_t value;
    memcpy(&value, (const unsigned char *)csr->first.data + row * sizeof value, sizeof value);
    return value;
}

static int64_t
get_index(const kofn_csr *csr, size_t i)
{
    const unsigned char *at = csr->column.data;
    int64_t wide;
    int32_t narrow;
    if (csr->column.dtype == KOFN_I64) {
        memcpy(&wide, at + i * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at + i * sizeof narrow, sizeof narrow);
    return narrow;
}

size_t
kofn_csr_get_first(const kofn_csr *csr, size_t row)
{
    return (size_t)get_offset(csr, row);
}

size_t
kofn_csr_get_column(const kofn_csr *csr, size_t i)
{
    return (size_t)get_index(csr, i);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static bool
is_list(const kofn_mat *mat, size_t count)
{
    return mat->rows == count && mat->cols == 1 && kofn_mat_is_contiguous(mat);
}

static kofn_status
check_lists(const char *what, const kofn_csr *csr, kofn_error *err)
{
    size_t bytes;
    const kofn_status status =
        kofn_csr_bytes(csr->value.dtype, csr->rows, csr->value.rows, &bytes, err);
    if (status)
        return status;
    if (csr->first.dtype != KOFN_I64 || !is_list(&csr->first, csr->rows + 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: row offsets are %zu x %zu %s, need %zu x 1 i64 for %zu rows", what,
                         csr->first.rows, csr->first.cols, kofn_dtype_name(csr->first.dtype),
                         csr->rows + 1, csr->rows);
    if (!is_list(&csr->value, csr->value.rows))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: values are %zu x %zu, need one column",
                         what, csr->value.rows, csr->value.cols);
    if ((csr->column.dtype != KOFN_I32 && csr->column.dtype != KOFN_I64) ||
        !is_list(&csr->column, csr->value.rows))
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: columns are %zu x %zu %s, need %zu x 1 i32 or i64, one for each value", what,
            csr->column.rows, csr->column.cols, kofn_dtype_name(csr->column.dtype),
            csr->value.rows);
    return KOFN_OK;
}

static kofn_status
check_offsets(const char *what, const kofn_csr *csr, kofn_error *err)
{
    const int64_t elements = (int64_t)csr->value.rows; // fits: kofn_csr_bytes
    if (get_offset(csr, 0) != 0 || get_offset(csr, csr->rows) != elements)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: row offsets go from %lld to %lld, need 0 to %lld, the values", what,
                         (long long)get_offset(csr, 0), (long long)get_offset(csr, csr->rows),
                         (long long)elements);
    for (size_t row = 0; row < csr->rows; row++)
        if (get_offset(csr, row + 1) < get_offset(csr, row))
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "%s: row %zu starts at %lld and ends at %lld, need offsets that ascend", what, row,
                (long long)get_offset(csr, row), (long long)get_offset(csr, row + 1));
    return KOFN_OK;
}

kofn_status
kofn_csr_check(const char *what, const kofn_csr *csr, kofn_error *err)
{
    kofn_status status = check_lists(what, csr, err);
    if (!status)
        status = check_offsets(what, csr, err);
    for (size_t row = 0; row < csr->rows && !status; row++) {
        int64_t last = -1;
        for (size_t i = kofn_csr_get_first(csr, row);
             i < kofn_csr_get_first(csr, row + 1) && !status; i++) {
            const int64_t column = get_index(csr, i);
            if (column < 0 || (uint64_t)column >= csr->cols)
                status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                                   "%s: row %zu has column %lld, need 0 to %zu - 1", what, row,
                                   (long long)column, csr->cols);
            else if (column <= last)
                status =
                    kofn_fail(err, KOFN_INVALID_ARGUMENT,
                              "%s: row %zu has column %lld after %lld, need columns that ascend",
                              what, row, (long long)column, (long long)last);
            last = column;
        }
    }
    return status;
}

/* ---- combinations ---------------------------------------------------------------------------- */

typedef struct scatterer {
    const kofn_field *field;
    const kofn_csr *csr;
    kofn_grid grid;
    size_t rows, cols; // of a block
    size_t outs;
    const kofn_bands *dst;
    const double *coef;
    size_t *band; // [outs]: where row `row` is
    void **at;    // [outs]: that row
} scatterer;

/* Row `row` of all results, empty so far. */
static void
start_row(const scatterer *s, size_t row)
{
    for (size_t o = 0; o < s->outs; o++) {
        const kofn_band *band = &s->dst[o].at[s->band[o]];
        while (row - band->first_row >= band->mat.rows)
            band = &s->dst[o].at[++s->band[o]]; // also steps over bands without rows
        s->at[o] = kofn_mat_get_row(&band->mat, row - band->first_row);
        memset(s->at[o], 0, s->cols * kofn_dtype_width(s->field->dtype));
    }
}

/* Elements [i, i + len) lie in one block, at these columns of it. */
static void
scatter(const scatterer *s, size_t block, size_t i, size_t len, const size_t *place)
{
    const size_t width = kofn_dtype_width(s->field->dtype);
    for (size_t o = 0; o < s->outs; o++) {
        const double by = s->coef[o * s->grid.rows * s->grid.cols + block];
        if (by != 0)
            s->field->scatter(s->field, len, by,
                              (const unsigned char *)s->csr->value.data + i * width, place,
                              s->at[o]);
    }
}

/* One row of the matrix, which is in row `block_row` of the grid, onto the results. */
static void
scatter_row(const scatterer *s, size_t row, size_t block_row)
{
    enum { STRETCH = 512 };
    size_t place[STRETCH];
    const size_t end = kofn_csr_get_first(s->csr, row + 1);
    for (size_t i = kofn_csr_get_first(s->csr, row), len; i < end; i += len) {
        const size_t block_col = kofn_csr_get_column(s->csr, i) / s->cols;
        for (len = 0; i + len < end && len < STRETCH; len++) {
            place[len] = kofn_csr_get_column(s->csr, i + len) - block_col * s->cols;
            if (place[len] >= s->cols)
                break;
        }
        scatter(s, block_row * s->grid.cols + block_col, i, len, place);
    }
}

kofn_status
kofn_csr_combine(const kofn_field *f, const kofn_csr *csr, kofn_grid grid, size_t outs,
                 const kofn_bands *dst, const double *coef, kofn_error *err)
{
    assert(csr->value.dtype == f->dtype);
    scatterer s = {.field = f,
                   .csr = csr,
                   .grid = grid,
                   .rows = kofn_part_size(csr->rows, grid.rows),
                   .cols = kofn_part_size(csr->cols, grid.cols),
                   .outs = outs,
                   .dst = dst,
                   .coef = coef};
    s.band = calloc(outs + 1, sizeof *s.band);
    s.at = calloc(outs + 1, sizeof *s.at);
    if (!s.band || !s.at) {
        free(s.band);
        free(s.at);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to combine into %zu blocks",
                         outs);
    }
    /* Row by row of the results, each written while it is in the cache, from that row of all
     * blocks. */
    for (size_t row = 0; row < s.rows && s.cols > 0; row++) {
        start_row(&s, row);
        for (size_t b = 0; b < grid.rows && b * s.rows + row < csr->rows; b++)
            scatter_row(&s, b * s.rows + row, b);
    }
    free(s.band);
    free(s.at);
    return KOFN_OK;
}
