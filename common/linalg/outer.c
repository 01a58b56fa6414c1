/* A product of two, over and over: the factors are cut into a left and a right half, each of which
 * is written out first, as it is small beside the whole.
 *
 *     row i of L    l_0    l_1    l_2  ...          rows of C with that i
 *                                                  +--------+--------+--------+
 *     R (m rows)  +-----+                          | l_0 R  | l_1 R  | l_2 R  |  m rows
 *                 |     |              ==>         +--------+--------+--------+
 *                 +-----+
 *
 * So what is to be written are multiples of one rectangle, which is what fields combine: R is read
 * from the caches, and all that moves is C. */
#include "common/linalg/outer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUTS = 64,            // results of one call: what the combine kernels take in one pass
    CALL_BYTES = 4 << 20, // of C between two looks at the flag: under a millisecond or two
};

static size_t
factor_rows(const kofn_outer *p, size_t i)
{
    return p->transpose && p->transpose[i] ? p->factor[i].cols : p->factor[i].rows;
}

static size_t
factor_cols(const kofn_outer *p, size_t i)
{
    return p->transpose && p->transpose[i] ? p->factor[i].rows : p->factor[i].cols;
}

/* Of factors [first, first + count); false: too large. */
static bool
measure(const kofn_outer *p, size_t first, size_t count, size_t *ret_rows, size_t *ret_cols)
{
    size_t rows = 1, cols = 1;
    for (size_t i = first; i < first + count; i++)
        if (__builtin_mul_overflow(rows, factor_rows(p, i), &rows) ||
            __builtin_mul_overflow(cols, factor_cols(p, i), &cols))
            return false;
    *ret_rows = rows;
    *ret_cols = cols;
    return true;
}

kofn_status
kofn_outer_shape(const kofn_outer *p, size_t *ret_rows, size_t *ret_cols, kofn_error *err)
{
    size_t rows, cols, bytes;
    for (size_t i = 1; i < p->count; i++)
        if (p->factor[i].dtype != p->factor[0].dtype)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "A_1 is %s and A_%zu is %s: convert one of them, a "
                             "product has one dtype",
                             kofn_dtype_name(p->factor[0].dtype), i + 1,
                             kofn_dtype_name(p->factor[i].dtype));
    if (!measure(p, 0, p->count, &rows, &cols))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the outer product of %zu operands is larger than any memory", p->count);
    const kofn_status status = kofn_mat_bytes(p->factor[0].dtype, rows, cols, &bytes, err);
    if (status)
        return status;
    *ret_rows = rows;
    *ret_cols = cols;
    return KOFN_OK;
}

/* Where the halves are smallest together. */
static size_t
choose_split(const kofn_outer *p, size_t first, size_t count)
{
    double least = 0;
    size_t best = 0;
    for (size_t split = 1; split < count; split++) {
        size_t rows[2] = {0}, cols[2] = {0};
        (void)measure(p, first, split, &rows[0], &cols[0]); // parts of what fits
        (void)measure(p, first + split, count - split, &rows[1], &cols[1]);
        const double sum = (double)rows[0] * (double)cols[0] + (double)rows[1] * (double)cols[1];
        if (best == 0 || sum < least) {
            least = sum;
            best = split;
        }
    }
    return best;
}

/* Bytes that factors [first, first + count) take as one matrix, and to make it. */
static size_t
count_room(const kofn_outer *p, size_t first, size_t count, bool made)
{
    size_t rows = 0, cols = 0, bytes = 0;
    if (made) {
        (void)measure(p, first, count, &rows, &cols); // parts of what fits
        bytes = rows * cols * kofn_dtype_width(p->factor[0].dtype);
    }
    if (count == 1)
        return bytes;
    const size_t split = choose_split(p, first, count);
    return bytes + count_room(p, first, split, true) +
           count_room(p, first + split, count - split, true);
}

size_t
kofn_outer_count_room(const kofn_outer *p)
{
    return count_room(p, 0, p->count, false);
}

/* ---- two factors ----------------------------------------------------------------------------- */

typedef struct work {
    const kofn_field *field;
    const kofn_outer *p;
    size_t width; // bytes an element
    bool spreads; // zero times some element is no zero
} work;

/* L (x) R into the bands of C. */
typedef struct pair {
    const work *w;
    const kofn_mat *left, *right; // elements aligned
    double *coef;                 // [cols of L, or OUTS] room
    void *row;                    // a call's share of one of C: only where w->spreads
    size_t bytes;                 // of C
} pair;

static bool
is_cancelled(const kofn_outer *p)
{
    /* Relaxed: the flag carries no data with it, and a call's delay does not matter. */
    return p->cancelled && atomic_load_explicit(p->cancelled, memory_order_relaxed);
}

/* How many of `len` elements one call makes `outs` times: all, but where a row of C alone is more
 * than a call may write. Whole lines of the caches. */
static size_t
piece_length(const pair *q, size_t rows, size_t outs, size_t len)
{
    const size_t most = CALL_BYTES / q->w->width / outs / 64 * 64;
    return rows > 1 || len < most ? len : most;
}

/* `rows` rows of C from `to` on: row i of L with rows j, j + 1, ... of R. False: cancelled. */
static bool
write_multiples(const pair *q, size_t i, size_t j, size_t rows, unsigned char *to, size_t stride)
{
    const kofn_field *f = q->w->field;
    const size_t width = q->w->width, step = q->right->cols * width;
    const unsigned char *from = kofn_mat_get_row(q->right, j);
    const size_t src_stride = q->right->stride * width;
    /* One long row, both of them? */
    const bool flat = q->left->cols == 1 && src_stride == step && stride == step;
    const size_t len = flat ? q->right->cols * rows : q->right->cols;
    const void *src;
    void *dst[OUTS];
    size_t dst_stride[OUTS];
    kofn_combination c = {.ins = 1,
                          .rows = flat ? 1 : rows,
                          .coef = q->coef,
                          .src = &src,
                          .dst = dst,
                          .src_stride = &src_stride,
                          .dst_stride = dst_stride,
                          .result_bytes = q->bytes};
    f->widen(f, q->left->cols, kofn_mat_get_row(q->left, i), q->coef);
    for (size_t p = 0; p < q->left->cols; p += c.outs, c.coef += c.outs) {
        c.outs = q->left->cols - p < OUTS ? q->left->cols - p : OUTS;
        const size_t most = piece_length(q, rows, c.outs, len);
        for (size_t at = 0; at < len; at += c.len) {
            if (is_cancelled(q->w->p))
                return false;
            c.len = len - at < most ? len - at : most;
            src = from + at * width;
            for (size_t o = 0; o < c.outs; o++) {
                dst[o] = to + (p + o) * step + at * width;
                dst_stride[o] = stride;
            }
            f->combine(f, &c);
        }
    }
    return true;
}

/* The same where R is a column: multiples of the row of L. */
static bool
write_multiples_of_left(const pair *q, size_t i, size_t j, size_t rows, unsigned char *to,
                        size_t stride)
{
    const kofn_field *f = q->w->field;
    const unsigned char *from = kofn_mat_get_row(q->left, i);
    const size_t width = q->w->width, len = q->left->cols;
    const void *src;
    void *dst[OUTS];
    kofn_combination c = {
        .ins = 1, .rows = 1, .coef = q->coef, .src = &src, .dst = dst, .result_bytes = q->bytes};
    for (size_t row = 0; row < rows; row += c.outs) {
        c.outs = rows - row < OUTS ? rows - row : OUTS;
        const size_t most = piece_length(q, rows, c.outs, len);
        for (size_t o = 0; o < c.outs; o++)
            f->widen(f, 1, kofn_mat_get_row(q->right, j + row + o), &q->coef[o]);
        for (size_t at = 0; at < len; at += c.len) {
            if (is_cancelled(q->w->p))
                return false;
            c.len = len - at < most ? len - at : most;
            src = from + at * width;
            for (size_t o = 0; o < c.outs; o++)
                dst[o] = to + (row + o) * stride + at * width;
            f->combine(f, &c);
        }
    }
    return true;
}

/* One row of C, the same by matrix products of a column and a row: some elements of L's row with
 * all of R's, or one with some. */
static bool
write_row_of_products(const pair *q, const unsigned char *left, const unsigned char *right,
                      unsigned char *to)
{
    const kofn_field *f = q->w->field;
    const size_t width = q->w->width, most = CALL_BYTES / width, len = q->right->cols;
    const size_t cols_most = len < most ? len : most, rows_most = most / cols_most;
    kofn_panel panel = {.inner = 1, .stride_a = 1, .stride_b = len, .c = q->row};
    for (size_t i = 0; i < q->left->cols; i += panel.rows) {
        panel.rows = q->left->cols - i < rows_most ? q->left->cols - i : rows_most;
        panel.a = left + i * width;
        for (size_t j = 0; j < len; j += panel.cols) {
            if (is_cancelled(q->w->p))
                return false;
            panel.cols = panel.stride_c = len - j < cols_most ? len - j : cols_most;
            panel.b = right + j * width;
            f->multiply_panel(f, &panel);
            memcpy(to + (i * len + j) * width, q->row, panel.rows * panel.cols * width);
        }
    }
    return true;
}

/* The same by matrix products, which multiply zeros like other numbers. Slow, and for operands that
 * hold NaN or Inf only. */
static bool
write_products(const pair *q, size_t i, size_t j, size_t rows, unsigned char *to, size_t stride)
{
    for (size_t row = 0; row < rows; row++)
        if (!write_row_of_products(q, kofn_mat_get_row(q->left, i),
                                   kofn_mat_get_row(q->right, j + row), to + row * stride))
            return false;
    return true;
}

/* Rows of one band, the first of which is `first` of C; false: cancelled. */
static bool
write_band(const pair *q, size_t first, const kofn_mat *band)
{
    const size_t row_bytes = q->left->cols * q->right->cols * q->w->width;
    const size_t most = row_bytes < CALL_BYTES ? CALL_BYTES / row_bytes : 1;
    size_t rows;
    for (size_t row = 0; row < band->rows; row += rows) {
        const size_t i = (first + row) / q->right->rows, j = (first + row) % q->right->rows;
        rows = band->rows - row < most ? band->rows - row : most;
        rows = q->right->rows - j < rows ? q->right->rows - j : rows;
        const bool goes_on = (q->w->spreads                              ? write_products
                              : q->right->cols == 1 && q->left->cols > 1 ? write_multiples_of_left
                                                                         : write_multiples)(
            q, i, j, rows, kofn_mat_get_row(band, row), band->stride * q->w->width);
        if (!goes_on)
            return false;
    }
    return true;
}

static kofn_status
multiply_pair(const work *w, const kofn_mat *left, const kofn_mat *right, const kofn_bands *c,
              kofn_error *err)
{
    const size_t cols = left->cols * right->cols, coefs = left->cols > OUTS ? left->cols : OUTS;
    pair q = {.w = w, .left = left, .right = right, .bytes = c->rows * cols * w->width};
    q.coef = malloc(coefs * sizeof *q.coef);
    q.row = malloc(!w->spreads ? 1 : cols < CALL_BYTES / w->width ? cols * w->width : CALL_BYTES);
    kofn_status status = KOFN_OK;
    if (!q.coef || !q.row)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for rows of %zu elements", cols);
    for (size_t i = 0; i < c->count && !status; i++)
        if (!write_band(&q, c->at[i].first_row, &c->at[i].mat))
            status = kofn_fail(err, KOFN_CANCELLED, "the outer product of %zu x %zu was given up",
                               c->rows, c->cols);
    free(q.row);
    free(q.coef);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static kofn_status
new_room(const work *w, size_t rows, size_t cols, kofn_mat *ret_mat, void **ret_memory,
         kofn_error *err)
{
    void *memory = malloc(rows * cols * w->width + 1); // no overflow: it is smaller than C
    if (!memory)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for an operand of %zu x %zu",
                         rows, cols);
    *ret_memory = memory;
    *ret_mat = kofn_mat_wrap(memory, w->field->dtype, rows, cols);
    return KOFN_OK;
}

static void
copy_turned(const kofn_mat *from, const kofn_mat *to, size_t width)
{
    for (size_t i = 0; i < to->rows; i++) {
        unsigned char *row = kofn_mat_get_row(to, i);
        for (size_t j = 0; j < to->cols; j++)
            memcpy(row + j * width, (const unsigned char *)kofn_mat_get_row(from, j) + i * width,
                   width);
    }
}

/* One factor: as it lies, unless it has to be turned or moved to where products take it. */
static kofn_status
take_factor(const work *w, size_t index, kofn_mat *ret_mat, void **ret_memory, kofn_error *err)
{
    const kofn_mat *from = &w->p->factor[index];
    const bool turned = w->p->transpose && w->p->transpose[index];
    if (!turned && (uintptr_t)from->data % w->width == 0) {
        *ret_mat = *from;
        return KOFN_OK;
    }
    const kofn_status status =
        new_room(w, factor_rows(w->p, index), factor_cols(w->p, index), ret_mat, ret_memory, err);
    if (status)
        return status;
    if (turned)
        copy_turned(from, ret_mat, w->width);
    for (size_t i = 0; !turned && i < from->rows; i++)
        memcpy(kofn_mat_get_row(ret_mat, i), kofn_mat_get_row(from, i), from->cols * w->width);
    return KOFN_OK;
}

static kofn_status take_factors(const work *w, size_t first, size_t count, kofn_mat *ret_mat,
                                void **ret_memory, kofn_error *err);

/* Factors [first, first + count), at least 2, into c. As deep as there are factors. */
static kofn_status
multiply_factors(const work *w, size_t first, size_t count, const kofn_bands *c, kofn_error *err)
{
    const size_t split = choose_split(w->p, first, count);
    kofn_mat left, right;
    void *left_memory = NULL, *right_memory = NULL;
    kofn_status status = take_factors(w, first, split, &left, &left_memory, err);
    if (!status)
        status = take_factors(w, first + split, count - split, &right, &right_memory, err);
    if (!status)
        status = multiply_pair(w, &left, &right, c, err);
    free(left_memory);
    free(right_memory);
    return status;
}

/* *ret_memory is the caller's to free; untouched where the factor is used as it lies. */
static kofn_status
take_factors(const work *w, size_t first, size_t count, kofn_mat *ret_mat, void **ret_memory,
             kofn_error *err)
{
    if (count == 1)
        return take_factor(w, first, ret_mat, ret_memory, err);
    size_t rows = 0, cols = 0;
    kofn_bands bands;
    (void)measure(w->p, first, count, &rows, &cols);
    kofn_status status = new_room(w, rows, cols, ret_mat, ret_memory, err);
    if (!status)
        status = kofn_bands_from_mat(ret_mat, &bands, err);
    if (status)
        return status;
    status = multiply_factors(w, first, count, &bands, err);
    kofn_bands_fini(&bands);
    return status;
}

static bool
has_foreign(const kofn_field *f, const kofn_mat *mat)
{
    for (size_t i = 0; i < mat->rows; i++)
        if (f->has_foreign(f, kofn_mat_get_row(mat, i), mat->cols))
            return true;
    return false;
}

/* Numbers that are none of a finite field would be taken for coefficients; those of the reals are
 * multiplied with care. */
static kofn_status
survey_factors(work *w, kofn_error *err)
{
    for (size_t i = 0; i < w->p->count; i++) {
        if (!has_foreign(w->field, &w->p->factor[i]))
            continue;
        if (w->field->order != 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "A_%zu holds numbers that are none of field %s", i + 1,
                             w->field->name);
        w->spreads = true;
    }
    return KOFN_OK;
}

kofn_status
kofn_outer_multiply(const kofn_field *f, const kofn_outer *p, const kofn_bands *c, kofn_error *err)
{
    assert(p->count >= 2);
    size_t rows, cols;
    work w = {.field = f, .p = p, .width = kofn_dtype_width(f->dtype)};
    kofn_status status = kofn_outer_shape(p, &rows, &cols, err);
    if (status)
        return status;
    if (f->dtype != p->factor[0].dtype || f->dtype != c->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a product over %s got operands of %s and a result of %s", f->name,
                         kofn_dtype_name(p->factor[0].dtype), kofn_dtype_name(c->dtype));
    if (c->rows != rows || c->cols != cols || !kofn_bands_are_complete(c))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the product is %zu x %zu, the room for it %zu x %zu%s", rows, cols,
                         c->rows, c->cols, kofn_bands_are_complete(c) ? "" : " and incomplete");
    if (rows == 0 || cols == 0)
        return KOFN_OK;
    status = survey_factors(&w, err);
    return status ? status : multiply_factors(&w, 0, p->count, c, err);
}
