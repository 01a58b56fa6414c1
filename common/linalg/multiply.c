/* How the product is cut.
 *
 * One BLAS call works through the inner dimension in steps of its own (256 to 512), and adds to all
 * of C in each. So panels are cut along the inner dimension first: at a multiple of such steps that
 * costs nothing. Rows come next, and columns last: a call packs all of its columns of B anew for
 * each panel of rows, and narrow panels of columns were measured at 0.85 to 0.92 of the whole.
 *
 *          inner        columns                columns
 *         +--+--+      +-------+              +-------+
 *    rows |p0|p1|   *  |  p0   | inner   ==>  |p0 + p1| rows of a band
 *         +--+--+      +-------+              +-------+
 *         |  |  |      |  p1   |              |       |
 *         +--+--+      +-------+              +-------+
 *
 * A panel of C lies in one band. Where bands are so short that this would make thin panels (a call
 * with 32 rows runs at two thirds of full speed), panels are computed aside and copied to their
 * bands: two more passes over C, a few per cent. */
#include "common/linalg/multiply.h"
#include "common/linalg/planes.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    INNER_STEP = 384,        // of OpenBLAS's kernels with AVX-512; no worse for the others
    INNER_MIN = 768,         // cut the inner dimension down to this before anything else
    ROWS_MIN = 192,          // from here a panel runs at nineteen twentieths of full speed
    SCRATCH_BYTES = 4 << 20, // of a panel computed aside: touching new memory costs, too
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
                         kofn_planes_title(p->a->dtype), kofn_planes_title(p->b->dtype));
    if (inner_a != inner_b)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "A has %zu columns and B has %zu rows%s: they must be equal", inner_a,
                         inner_b,
                         p->transpose_a || p->transpose_b ? ", as they are multiplied" : "");
    *ret_rows = p->transpose_a ? p->a->cols : p->a->rows;
    *ret_cols = p->transpose_b ? p->b->rows : p->b->cols;
    return KOFN_OK;
}

/* A product under way. */
typedef struct work {
    const kofn_field *field;
    const kofn_product *p;
    const kofn_bands *c;
    size_t width;             // bytes an element
    size_t rows, cols, inner; // of the whole product
    kofn_mat a, b;            // as stored, elements aligned
    size_t panel_rows, panel_cols, panel_inner;
    bool cross_bands; // panels reach over the ends of bands
    void *aside;      // a panel of C, where it cannot be computed in place; may be NULL
    void *scratch;    // the field's; may be NULL
} work;

static bool
is_aligned(const kofn_mat *mat)
{
    return (uintptr_t)mat->data % kofn_dtype_width(mat->dtype) == 0;
}

/* `size` in equal parts of at most `limit`, of whole steps where such fit. */
static size_t
even_part(size_t size, size_t limit, size_t step)
{
    const size_t parts = size / limit + (size % limit != 0);
    const size_t part = size / parts + (size % parts != 0);
    const size_t round = part + (step - part % step) % step;
    return round <= limit ? round : part;
}

/* How far one side of a panel may reach, when the others take `others` of `volume`. */
static size_t
side_for(double volume, double others, size_t size, size_t least)
{
    const size_t most = size < BLAS_SIZE_MAX ? size : BLAS_SIZE_MAX;
    const double fits = volume / others;
    if (fits >= (double)most)
        return most;
    const size_t floor = least < most ? least : most;
    return fits > (double)floor ? (size_t)fits : floor;
}

/* Panel sides: `tallest` rows of C can be computed together. */
static void
choose_panels(work *w, size_t tallest)
{
    const double flops = w->p->panel_flops > 0 ? w->p->panel_flops : KOFN_PANEL_FLOPS_DEFAULT;
    const double volume = fmax(1, flops / 2);
    double rows = (double)tallest, cols = (double)w->cols, inner;

    /* First down to sides at which BLAS still runs well; then, for tiny limits, to whatever
     * fits. */
    inner = (double)side_for(volume, rows * cols, w->inner, INNER_MIN);
    rows = (double)side_for(volume, cols * inner, tallest, ROWS_MIN);
    cols = (double)side_for(volume, rows * inner, w->cols, 1);
    rows = (double)side_for(volume, cols * inner, tallest, 1);
    inner = (double)side_for(volume, rows * cols, w->inner, 1);

    w->panel_rows = (size_t)rows;
    w->panel_cols = even_part(w->cols, (size_t)cols, 1);
    w->panel_inner = even_part(w->inner, (size_t)inner, INNER_STEP);
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

/* Rows [row, row + rows) and columns [col, col + cols) of C, at `c`: all inner panels, one by
 * one. */
static bool
multiply_inner(const work *w, size_t row, size_t rows, size_t col, size_t cols, void *c,
               size_t stride)
{
    size_t inner;
    for (size_t k = 0; k < w->inner; k += inner) {
        if (is_cancelled(w->p))
            return false;
        inner = w->inner - k < w->panel_inner ? w->inner - k : w->panel_inner;
        const kofn_panel panel = {.transpose_a = w->p->transpose_a,
                                  .transpose_b = w->p->transpose_b,
                                  .accumulate = k > 0,
                                  .rows = rows,
                                  .cols = cols,
                                  .inner = inner,
                                  .a = element(w, &w->a, w->p->transpose_a, row, k),
                                  .b = element(w, &w->b, w->p->transpose_b, k, col),
                                  .stride_a = w->a.stride,
                                  .stride_b = w->b.stride,
                                  .c = c,
                                  .stride_c = stride,
                                  .scratch = w->scratch};
        w->field->multiply_panel(w->field, &panel);
    }
    return true;
}

/* Rows of the panel that lies aside to the bands that they belong to. */
static void
scatter(const work *w, size_t band, size_t row, size_t rows, size_t col, size_t cols)
{
    const unsigned char *from = w->aside;
    for (size_t r = row; r < row + rows; r++, from += cols * w->width) {
        while (r - w->c->at[band].first_row >= w->c->at[band].mat.rows)
            band++;
        const kofn_band *to = &w->c->at[band];
        memcpy((unsigned char *)kofn_mat_get_row(&to->mat, r - to->first_row) + col * w->width,
               from, cols * w->width);
    }
}

static bool
multiply_panel(const work *w, size_t band, size_t row, size_t rows, size_t col, size_t cols)
{
    const kofn_band *at = &w->c->at[band];
    const size_t inside = row - at->first_row;
    if (rows <= at->mat.rows - inside && is_aligned(&at->mat)) {
        unsigned char *c = (unsigned char *)kofn_mat_get_row(&at->mat, inside) + col * w->width;
        return multiply_inner(w, row, rows, col, cols, c, at->mat.stride);
    }
    if (!multiply_inner(w, row, rows, col, cols, w->aside, cols))
        return false;
    scatter(w, band, row, rows, col, cols);
    return true;
}

/* All panels, row by row of them; false: cancelled. */
static bool
multiply_all(const work *w)
{
    size_t band = 0, rows;
    for (size_t row = 0; row < w->rows; row += rows) {
        while (row - w->c->at[band].first_row >= w->c->at[band].mat.rows)
            band++; // also steps over bands without rows
        const kofn_band *at = &w->c->at[band];
        const size_t end = w->cross_bands ? w->rows : at->first_row + at->mat.rows;
        rows = even_part(end - row, w->panel_rows, 1);
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

/* How the bands of C bear on the panels; true when any panel has to be computed aside. */
static bool
survey_bands(work *w)
{
    size_t tallest = 0;
    bool aligned = true;
    for (size_t i = 0; i < w->c->count; i++) {
        tallest = w->c->at[i].mat.rows > tallest ? w->c->at[i].mat.rows : tallest;
        aligned = aligned && is_aligned(&w->c->at[i].mat);
    }
    w->cross_bands = tallest < ROWS_MIN && w->c->count > 1;
    if (w->cross_bands || !aligned) {
        const size_t fit = SCRATCH_BYTES / (w->cols * w->width) + 1;
        const size_t wanted = fit > ROWS_MIN ? fit : ROWS_MIN;
        tallest = w->cross_bands ? w->rows : tallest;
        tallest = wanted < tallest ? wanted : tallest;
    }
    choose_panels(w, tallest);
    return w->cross_bands || !aligned;
}

/* Room for a panel of C aside, and for the field's own work. */
static kofn_status
new_room(work *w, bool aside, kofn_error *err)
{
    const size_t bytes =
        w->field->scratch_bytes(w->field, w->panel_rows, w->panel_cols, w->panel_inner);
    if (aside)
        w->aside = malloc(w->panel_rows * w->panel_cols * w->width);
    if (bytes > 0)
        w->scratch = malloc(bytes);
    if ((w->aside || !aside) && (w->scratch || bytes == 0))
        return KOFN_OK;
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a panel of %zu x %zu",
                     w->panel_rows, w->panel_cols);
}

/* Memory beside the operands, then the product. */
static kofn_status
run(work *w, kofn_error *err)
{
    void *copy_a = NULL, *copy_b = NULL;
    const bool aside = survey_bands(w);
    kofn_status status = align_operand(w->p->a, &w->a, &copy_a, err);
    if (!status)
        status = align_operand(w->p->b, &w->b, &copy_b, err);
    if (!status)
        status = new_room(w, aside, err);
    if (!status && !multiply_all(w))
        status = kofn_fail(err, KOFN_CANCELLED, "the product of %zu x %zu x %zu was given up",
                           w->rows, w->inner, w->cols);
    free(w->scratch);
    free(w->aside);
    free(copy_b);
    free(copy_a);
    return status;
}

kofn_status
kofn_multiply(const kofn_field *f, const kofn_product *p, const kofn_bands *c, kofn_error *err)
{
    work w = {.field = f, .p = p, .c = c, .width = kofn_dtype_width(f->dtype)};
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
    return run(&w, err);
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
