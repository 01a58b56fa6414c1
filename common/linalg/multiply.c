/* How the product is cut.
 *
 * Each BLAS call packs its panel of A and its panel of B once, so a panel of C costs
 * 2 r c k flops and (r + c) k packed elements: for a given number of flops a square panel loses
 * least. The inner dimension k is cut only where even a small square over the whole of it would
 * pass the limit, because each cut makes one more pass over the panel of C.
 *
 *         +------------+------------+
 *         |   panel    |   panel    |  r rows: none reaches over the end of a band
 *         +------------+------------+
 *         |            |            |
 *  band --+------------+------------+--
 *         |            |            |
 */
#include "common/linalg/multiply.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PANEL_SIDE_MIN = 192, // below this the packing of a square panel is a tenth of its time
    PANEL_GRAIN =
        48, // panel sides are multiples of OpenBLAS's register tiles (4, 6, 8, 12, 16, 24)
    BLAS_SIZE_MAX = INT_MAX,
};

kofn_status
kofn_product_shape(const kofn_product *p, size_t *ret_rows, size_t *ret_cols, kofn_error *err)
{
    const size_t inner_a = p->transpose_a ? p->a->rows : p->a->cols;
    const size_t inner_b = p->transpose_b ? p->b->cols : p->b->rows;
    if (p->a->dtype != p->b->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A is %s and B is %s: convert one of them, a product has one dtype",
                         kofn_dtype_name(p->a->dtype), kofn_dtype_name(p->b->dtype));
    if (inner_a != inner_b)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A has %zu %s and B has %zu %s: they must be equal", inner_a,
                         p->transpose_a ? "rows (transposed)" : "columns", inner_b,
                         p->transpose_b ? "columns (transposed)" : "rows");
    *ret_rows = p->transpose_a ? p->a->cols : p->a->rows;
    *ret_cols = p->transpose_b ? p->b->rows : p->b->cols;
    return KOFN_OK;
}

/* A product under way. */
typedef struct work {
    const kofn_field *field;
    const kofn_product *p;
    size_t width;             // bytes an element
    size_t rows, cols, inner; // of the whole product
    kofn_mat a, b;            // as stored, elements aligned
    size_t panel_rows, panel_cols, panel_inner;
    void *scratch; // a panel of C for bands whose elements are not aligned
} work;

static bool
is_aligned(const kofn_mat *mat)
{
    return (uintptr_t)mat->data % kofn_dtype_width(mat->dtype) == 0;
}

/* `size` in equal parts of at most `limit`, rounded up to the grain where that stays below it. */
static size_t
even_part(size_t size, size_t limit)
{
    const size_t parts = size / limit + (size % limit != 0);
    const size_t part = size / parts + (size % parts != 0);
    const size_t round = part + (PANEL_GRAIN - part % PANEL_GRAIN) % PANEL_GRAIN;
    return round <= limit ? round : part;
}

static size_t
clamp_side(double side, size_t size)
{
    const double limit = size < BLAS_SIZE_MAX ? (double)size : (double)BLAS_SIZE_MAX;
    return side < 1 ? 1 : side < limit ? (size_t)side : (size_t)limit;
}

/* Panel sides for bands of at most `band_rows` rows. */
static void
choose_panels(work *w, size_t band_rows)
{
    const double limit = w->p->panel_flops > 0 ? w->p->panel_flops : KOFN_PANEL_FLOPS_DEFAULT;

    /* The smallest square that BLAS runs well on, or what C has if that is less. */
    const double small_rows = fmin((double)band_rows, PANEL_SIDE_MIN);
    const double small_cols = fmin((double)w->cols, PANEL_SIDE_MIN);
    const size_t inner = clamp_side(limit / (2 * small_rows * small_cols), w->inner);
    w->panel_inner = even_part(w->inner, inner);

    const double area = fmax(1, limit / (2 * (double)w->panel_inner));
    const size_t cols = clamp_side(fmax(sqrt(area), area / (double)band_rows), w->cols);
    w->panel_cols = even_part(w->cols, cols);
    w->panel_rows = clamp_side(area / (double)w->panel_cols, band_rows);
}

static const void *
element(const work *w, const kofn_mat *mat, bool transposed, size_t row, size_t col)
{
    const size_t index = transposed ? col * mat->stride + row : row * mat->stride + col;
    return (const unsigned char *)mat->data + index * w->width;
}

static bool
is_cancelled(const kofn_product *p)
{
    /* Relaxed: the flag carries no data with it, and a panel's delay does not matter. */
    return p->cancelled && atomic_load_explicit(p->cancelled, memory_order_relaxed);
}

/* Rows [row, row + rows) and columns [col, col + cols) of C, at `c`: all inner panels, one by one. */
static bool
multiply_inner(const work *w, size_t row, size_t rows, size_t col, size_t cols, void *c,
               size_t stride)
{
    size_t inner;
    for (size_t k = 0; k < w->inner; k += inner) {
        if (is_cancelled(w->p))
            return false;
        inner = w->inner - k < w->panel_inner ? w->inner - k : w->panel_inner;
        w->field->multiply_panel(w->field, w->p->transpose_a, w->p->transpose_b, rows, cols, inner,
                                 element(w, &w->a, w->p->transpose_a, row, k), w->a.stride,
                                 element(w, &w->b, w->p->transpose_b, k, col), w->b.stride, k > 0,
                                 c, stride);
    }
    return true;
}

static bool
multiply_panel(const work *w, const kofn_band *band, size_t row, size_t rows, size_t col,
               size_t cols)
{
    unsigned char *c = (unsigned char *)kofn_mat_get_row(&band->mat, row) + col * w->width;
    if (is_aligned(&band->mat))
        return multiply_inner(w, band->first_row + row, rows, col, cols, c, band->mat.stride);

    if (!multiply_inner(w, band->first_row + row, rows, col, cols, w->scratch, cols))
        return false;
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * band->mat.stride * w->width,
               (unsigned char *)w->scratch + r * cols * w->width, cols * w->width);
    return true;
}

static bool
multiply_band(const work *w, const kofn_band *band)
{
    if (band->mat.rows == 0)
        return true;
    const size_t step = even_part(band->mat.rows, w->panel_rows);
    for (size_t row = 0; row < band->mat.rows; row += step) {
        const size_t rows = band->mat.rows - row < step ? band->mat.rows - row : step;
        for (size_t col = 0; col < w->cols; col += w->panel_cols) {
            const size_t left = w->cols - col;
            const size_t cols = left < w->panel_cols ? left : w->panel_cols;
            if (!multiply_panel(w, band, row, rows, col, cols))
                return false;
        }
    }
    return true;
}

static void
fill_zeros(const kofn_bands *c)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t row = 0; row < c->at[i].mat.rows; row++)
            memset(kofn_mat_get_row(&c->at[i].mat, row), 0, c->cols * kofn_dtype_width(c->dtype));
}

/* BLAS loads whole elements: a frame that arrived at an odd address is copied once. *ret_copy is
 * the memory to free, NULL when none was needed. */
static kofn_status
align_operand(const kofn_mat *mat, kofn_mat *ret_aligned, void **ret_copy, kofn_error *err)
{
    *ret_aligned = *mat;
    if (is_aligned(mat))
        return KOFN_OK;

    size_t bytes;
    kofn_status status = kofn_mat_bytes(mat->dtype, mat->rows, mat->cols, &bytes, err);
    if (status)
        return status;
    unsigned char *copy = malloc(bytes);
    if (!copy)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to align an operand of %zu bytes",
                         bytes);
    const size_t row_bytes = mat->cols * kofn_dtype_width(mat->dtype);
    for (size_t row = 0; row < mat->rows; row++)
        memcpy(copy + row * row_bytes, kofn_mat_get_row(mat, row), row_bytes);
    *ret_aligned = kofn_mat_wrap(copy, mat->dtype, mat->rows, mat->cols);
    *ret_copy = copy;
    return KOFN_OK;
}

static kofn_status
check_result(const kofn_field *f, const kofn_product *p, const kofn_bands *c, size_t rows,
             size_t cols, kofn_error *err)
{
    if (f->dtype != p->a->dtype || f->dtype != c->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a product over %s got operands of %s and a result of %s", f->name,
                         kofn_dtype_name(p->a->dtype), kofn_dtype_name(c->dtype));
    if (c->rows != rows || c->cols != cols || !kofn_bands_are_complete(c))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the product is %zu x %zu, the room for it %zu x %zu%s", rows, cols,
                         c->rows, c->cols, kofn_bands_are_complete(c) ? "" : " and incomplete");

    size_t stride = p->a->stride > p->b->stride ? p->a->stride : p->b->stride;
    for (size_t i = 0; i < c->count; i++)
        stride = c->at[i].mat.stride > stride ? c->at[i].mat.stride : stride;
    if (stride > BLAS_SIZE_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a matrix has rows of %zu elements, BLAS takes at most %d: cut it first",
                         stride, BLAS_SIZE_MAX);
    return KOFN_OK;
}

/* The tallest band, and whether any has elements that are not aligned. */
static size_t
survey_bands(const kofn_bands *c, bool *ret_aligned)
{
    size_t tallest = 0;
    *ret_aligned = true;
    for (size_t i = 0; i < c->count; i++) {
        if (c->at[i].mat.rows > tallest)
            tallest = c->at[i].mat.rows;
        *ret_aligned = *ret_aligned && is_aligned(&c->at[i].mat);
    }
    return tallest;
}

kofn_status
kofn_multiply(const kofn_field *f, const kofn_product *p, const kofn_bands *c, kofn_error *err)
{
    work w = {.field = f, .p = p, .width = kofn_dtype_width(f->dtype)};
    kofn_status status = kofn_product_shape(p, &w.rows, &w.cols, err);
    if (!status)
        status = check_result(f, p, c, w.rows, w.cols, err);
    if (status)
        return status;

    w.inner = p->transpose_a ? p->a->rows : p->a->cols;
    if (w.rows == 0 || w.cols == 0)
        return KOFN_OK;
    if (w.inner == 0) {
        fill_zeros(c);
        return KOFN_OK;
    }

    bool aligned;
    void *copy_a = NULL, *copy_b = NULL;
    choose_panels(&w, survey_bands(c, &aligned));
    status = align_operand(p->a, &w.a, &copy_a, err);
    if (!status)
        status = align_operand(p->b, &w.b, &copy_b, err);
    if (!status && !aligned && !(w.scratch = malloc(w.panel_rows * w.panel_cols * w.width)))
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a panel of %zu x %zu",
                           w.panel_rows, w.panel_cols);

    for (size_t i = 0; !status && i < c->count; i++)
        if (!multiply_band(&w, &c->at[i]))
            status = kofn_fail(err, KOFN_CANCELLED, "the product of %zu x %zu x %zu was given up",
                               w.rows, w.inner, w.cols);
    free(w.scratch);
    free(copy_b);
    free(copy_a);
    return status;
}

void
kofn_blas_set_threads(int threads)
{
    openblas_set_num_threads(threads);
}

const char *
kofn_blas_kernel(void)
{
    return openblas_get_corename();
}
