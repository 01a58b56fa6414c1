/* Sums over rows are the encoder's kernel (kofn_field.combine), with the rows of the matrix as its
 * sources: it reads each element once, at the speed of memory. Sums over columns, of operands that
 * are stored transposed, are matrix products on small panels. Both take sums in pieces, since the
 * bounds count roundings. */
#include "common/code/projection.h"
#include "common/code/code.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = KOFN_PROJECTION_PIECE,
    REAL_COUNT = 16,
    STRETCH = 512,  // columns at a time: 64 rows of doubles are 256 KiB
    LIE_BITS = 40,  // a lie passes with 2^-LIE_BITS
    COUNT_MAX = 41, // l of GF(2)
};

typedef struct secret { // S or R
    size_t length;
    size_t piece;  // rows that are summed at a time: in exact fields all of them
    double *coef;  // pieces of [l, rows of the piece], as combine takes them
    void *element; // [length, l], as products do
} secret;

struct kofn_projection {
    const kofn_field *field, *wide; // of answers, a ref; what is computed in
    size_t count;                   // l
    secret side[2];
};

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t
kofn_projection_choose_count(const kofn_field *field)
{
    if (field->order == 0)
        return REAL_COUNT;
    return (size_t)ceil((LIE_BITS + 1) / log2(field->order));
}

static kofn_status
draw_secret(const kofn_projection *p, size_t length, secret *s, kofn_error *err)
{
    const size_t width = kofn_dtype_width(p->wide->dtype);
    size_t bytes;
    const kofn_status status = kofn_mat_bytes(KOFN_F64, length, p->count, &bytes, err);
    if (status != KOFN_OK)
        return status;
    s->length = length;
    s->piece = p->field->order == 0 || length == 0 ? PIECE : length;
    s->coef = malloc(bytes + 1);
    s->element = malloc(length * p->count * width + 1);
    if (!s->coef || !s->element)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for secrets of %zu rows", length);
    kofn_rng rng;
    kofn_rng_init(&rng, kofn_rng_fresh_seed(), kofn_rng_fresh_seed());
    unsigned char *element = s->element;
    for (size_t row = 0; row < length; row++) {
        const size_t first = row / s->piece * s->piece;
        const size_t rows = smaller(length - first, s->piece);
        double drawn[COUNT_MAX];
        for (size_t i = 0; i < p->count; i++) {
            drawn[i] = p->wide->draw(p->wide, &rng);
            s->coef[first * p->count + i * rows + (row - first)] = drawn[i];
        }
        p->wide->narrow(p->wide, p->count, drawn, element + row * p->count * width);
    }
    return KOFN_OK;
}

kofn_status
kofn_projection_new(const kofn_field *field, size_t rows, size_t cols,
                    kofn_projection **ret_projection, kofn_error *err)
{
    kofn_projection *p = calloc(1, sizeof *p);
    if (!p)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a projection");
    p->field = kofn_field_ref(field);
    p->wide = field->order == 0 ? kofn_field_find("f64") : field;
    p->count = kofn_projection_choose_count(field);
    kofn_status status = draw_secret(p, rows, &p->side[KOFN_PROJECTION_LEFT], err);
    if (status == KOFN_OK)
        status = draw_secret(p, cols, &p->side[KOFN_PROJECTION_RIGHT], err);
    if (status != KOFN_OK)
        kofn_projection_destroy(&p);
    else
        *ret_projection = p;
    return status;
}

void
kofn_projection_destroy(kofn_projection **projection_p)
{
    kofn_projection *p = *projection_p;
    if (!p)
        return;
    for (size_t i = 0; i < 2; i++) {
        free(p->side[i].coef);
        free(p->side[i].element);
    }
    kofn_field_destroy(&p->field);
    free(p);
    *projection_p = NULL;
}

size_t
kofn_projection_get_count(const kofn_projection *p)
{
    return p->count;
}

const kofn_field *
kofn_projection_get_field(const kofn_projection *p)
{
    return p->wide;
}

/* ---- rounding -------------------------------------------------------------------------------- */

double
kofn_projection_count_roundings(size_t terms)
{
    const size_t pieces = terms / PIECE;
    return (double)(PIECE + pieces + 1);
}

double
kofn_projection_get_secret_norm(size_t rows)
{
    return sqrt((double)rows * REAL_COUNT) + 11; // a normal vector's norm leaves its mean so rarely
}

double
kofn_projection_get_spread(size_t rows, size_t cols)
{
    return KOFN_PROJECTION_GROW * kofn_projection_get_secret_norm(rows) *
           kofn_projection_get_secret_norm(cols);
}

double
kofn_projection_get_floor(const kofn_field *field, size_t rows, size_t cols, size_t terms)
{
    const double least = field->dtype == KOFN_F64 ? DBL_MIN : FLT_MIN;
    return KOFN_PROJECTION_GROW * least * (double)terms * sqrt((double)rows) * sqrt((double)cols);
}

/* fl(S^T C) is wrong by at most |S| |C| times its roundings, which R makes 12 times larger, being
 * independent of them; then fl(S^T C R), where |S^T C| is at most 12 |C|. */
double
kofn_projection_get_noise(const kofn_field *field, size_t rows, size_t cols)
{
    if (field->order != 0)
        return 0;
    return 0x1p-53 * sqrt(KOFN_PROJECTION_GROW) *
           ((kofn_projection_count_roundings(rows) + 1) * kofn_projection_get_secret_norm(rows) +
            (kofn_projection_count_roundings(cols) + 1) * kofn_projection_get_secret_norm(cols));
}

/* ---- products -------------------------------------------------------------------------------- */

kofn_status
kofn_small_multiply(const kofn_field *f, const kofn_small_product *p, void *ret_c, kofn_error *err)
{
    const size_t width = kofn_dtype_width(f->dtype);
    void *scratch = malloc(f->scratch_bytes(f, p->rows, p->cols, PIECE) + 1);
    if (!scratch)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a product of %zu x %zu",
                         p->rows, p->cols);
    if (p->inner == 0)
        memset(ret_c, 0, p->rows * p->cols * width);
    for (size_t at = 0; at < p->inner && p->rows > 0 && p->cols > 0; at += PIECE) {
        const kofn_panel panel = {
            .transpose_a = p->transpose_a,
            .transpose_b = p->transpose_b,
            .accumulate = at > 0,
            .rows = p->rows,
            .cols = p->cols,
            .inner = smaller(p->inner - at, PIECE),
            .a = (const unsigned char *)p->a + at * width * (p->transpose_a ? p->rows : 1),
            .stride_a = p->transpose_a ? p->rows : p->inner,
            .b = (const unsigned char *)p->b + at * width * (p->transpose_b ? 1 : p->cols),
            .stride_b = p->transpose_b ? p->inner : p->cols,
            .c = ret_c,
            .stride_c = p->cols,
            .scratch = scratch,
        };
        f->multiply_panel(f, &panel);
    }
    free(scratch);
    return KOFN_OK;
}

/* What the walks below need, in one allocation. */
typedef struct room {
    unsigned char *rows; // [PIECE, STRETCH], of the field that is computed in; owns the memory
    unsigned char *sums; // [l, STRETCH]
    void *scratch;
    const void **src; // [rows of a piece]
} room;

static size_t
round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static kofn_status
room_init(room *r, const kofn_projection *p, const secret *s, kofn_error *err)
{
    const kofn_field *f = p->wide;
    const size_t row = STRETCH * kofn_dtype_width(f->dtype);
    const size_t scratch = round_up(f->scratch_bytes(f, PIECE, p->count, STRETCH));
    r->rows = malloc((PIECE + p->count) * row + scratch + s->piece * sizeof *r->src);
    if (!r->rows)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to project a matrix");
    r->sums = r->rows + PIECE * row;
    r->scratch = r->sums + p->count * row;
    r->src = (const void **)(void *)(r->sums + p->count * row + scratch);
    return KOFN_OK;
}

/* Element (row, col) of the block, and *band stands where it is. */
static const void *
find_element(const kofn_block *block, size_t row, size_t col, size_t *band)
{
    const kofn_bands *m = block->of;
    const size_t wanted = block->first_row + row;
    if (m->at[*band].first_row > wanted)
        *band = 0;
    while (wanted - m->at[*band].first_row >= m->at[*band].mat.rows)
        ++*band;
    return (const unsigned char *)kofn_mat_get_row(&m->at[*band].mat,
                                                   wanted - m->at[*band].first_row) +
           (block->first_col + col) * kofn_dtype_width(m->dtype);
}

/* So many elements from there, to compute with: a copy that is aligned. */
static void
fetch(const kofn_projection *p, const void *from, size_t len, unsigned char *to)
{
    if (p->field->order == 0)
        p->field->widen(p->field, len, from, (double *)(void *)to);
    else
        memcpy(to, from, len * kofn_dtype_width(p->field->dtype));
}

/* Rows from `first` on, columns [at, at + len) of the block, as sources. */
static void
list_rows(const kofn_projection *p, const kofn_block *block, size_t first, size_t count, size_t at,
          size_t len, const room *r)
{
    const bool widened = p->field->dtype != p->wide->dtype;
    size_t band = 0;
    for (size_t i = 0; i < count; i++) {
        r->src[i] = NULL;
        if (first + i >= block->valid_rows)
            continue;
        r->src[i] = find_element(block, first + i, at, &band);
        if (widened) {
            unsigned char *to = r->rows + i * len * kofn_dtype_width(p->wide->dtype);
            fetch(p, r->src[i], len, to);
            r->src[i] = to;
        }
    }
}

/* ret [l, shape] := secret^T block, columns [at, at + len), of which all are valid. */
static void
sum_rows(const kofn_projection *p, const secret *s, const kofn_block *block, size_t shape,
         size_t at, size_t len, const room *r, unsigned char *ret)
{
    const size_t width = kofn_dtype_width(p->wide->dtype);
    void *dst[COUNT_MAX];
    for (size_t first = 0; first < s->length; first += s->piece) {
        const size_t rows = smaller(s->length - first, s->piece);
        list_rows(p, block, first, rows, at, len, r);
        for (size_t i = 0; i < p->count; i++)
            dst[i] = first == 0 ? ret + (i * shape + at) * width : r->sums + i * len * width;
        const kofn_combination c = {.outs = p->count,
                                    .ins = rows,
                                    .rows = 1,
                                    .len = len,
                                    .coef = s->coef + first * p->count,
                                    .src = r->src,
                                    .dst = dst};
        p->wide->combine(p->wide, &c);
        for (size_t i = 0; i < p->count && first > 0; i++) { // of the reals: others have one piece
            const double *sum = dst[i];
            double *to = (double *)(void *)(ret + (i * shape + at) * width);
            for (size_t j = 0; j < len; j++)
                to[j] += sum[j];
        }
    }
}

/* ret [rows, l] += block secret, rows [first, first + rows) of the block, columns [at, at +
 * len). */
static void
sum_cols(const kofn_projection *p, const secret *s, const kofn_block *block, size_t first,
         size_t rows, size_t at, size_t len, const room *r, unsigned char *ret)
{
    const size_t width = kofn_dtype_width(p->wide->dtype);
    size_t band = 0;
    for (size_t i = 0; i < rows; i++)
        fetch(p, find_element(block, first + i, at, &band), len, r->rows + i * len * width);
    const kofn_panel panel = {
        .accumulate = at > 0,
        .rows = rows,
        .cols = p->count,
        .inner = len,
        .a = r->rows,
        .stride_a = len,
        .b = (const unsigned char *)s->element + at * p->count * width,
        .stride_b = p->count,
        .c = ret + first * p->count * width,
        .stride_c = p->count,
        .scratch = r->scratch,
    };
    p->wide->multiply_panel(p->wide, &panel);
}

kofn_status
kofn_projection_halve(const kofn_projection *p, kofn_projection_side side, bool turned,
                      const kofn_block *block, size_t shape, void *ret_half, kofn_error *err)
{
    const secret *s = &p->side[side];
    const size_t rows = block->valid_rows, cols = block->valid_cols;
    const size_t width = p->field->order == 0 ? PIECE : STRETCH; // nothing is rounded
    room r;
    const kofn_status status = room_init(&r, p, s, err);
    if (status != KOFN_OK)
        return status;
    memset(ret_half, 0, p->count * shape * kofn_dtype_width(p->wide->dtype));
    if (turned)
        for (size_t first = 0; first < rows; first += PIECE)
            for (size_t at = 0; at < cols; at += width)
                sum_cols(p, s, block, first, smaller(rows - first, PIECE), at,
                         smaller(cols - at, width), &r, ret_half);
    else
        for (size_t at = 0; at < cols; at += STRETCH)
            sum_rows(p, s, block, shape, at, smaller(cols - at, STRETCH), &r, ret_half);
    free(r.rows);
    return KOFN_OK;
}

double
kofn_projection_measure(const kofn_field *field, const kofn_block *block)
{
    const kofn_field *wide = kofn_field_find("f64");
    double norm = 0, piece[STRETCH]; // aligned, and of a range in which f32 does not overflow
    size_t band = 0;
    for (size_t i = 0; i < block->valid_rows; i++)
        for (size_t at = 0; at < block->valid_cols; at += STRETCH) {
            const size_t len = smaller(block->valid_cols - at, STRETCH);
            field->widen(field, len, find_element(block, i, at, &band), piece);
            norm = hypot(norm, wide->norm(wide, piece, len));
        }
    return norm;
}

/* ---- sparse matrices ------------------------------------------------------------------------- */

/* The halves of a row of blocks, which are made together: [blocks, shape, l], whichever way each is
 * to lie in the end, so that an element adds to one piece of memory. Sums of the reals have as many
 * terms as there are elements: what rounding takes from each is summed beside it (Neumaier), and is
 * worth no more than three roundings then. */
typedef struct sums {
    size_t rows, cols; // of a block
    size_t count;      // of all
    unsigned char *at;
    double *lost; // NULL: nothing is rounded
    double *norm; // of each block
    size_t place[COUNT_MAX];
} sums;

static void
sums_fini(sums *s)
{
    free(s->at);
    free(s->lost);
    free(s->norm);
}

static kofn_status
sums_init(sums *s, const kofn_projection *p, const kofn_sparse_halves *h, kofn_error *err)
{
    const size_t halves = kofn_size_multiply(h->grid.cols, h->shape);
    const bool rounds = p->field->order == 0;
    *s = (sums){.rows = kofn_part_size(h->csr->rows, h->grid.rows),
                .cols = kofn_part_size(h->csr->cols, h->grid.cols),
                .count = kofn_size_multiply(halves, p->count)};
    size_t bytes;
    for (size_t k = 0; k < p->count; k++)
        s->place[k] = k;
    const kofn_status status = kofn_mat_bytes(p->wide->dtype, halves, p->count, &bytes, err);
    if (status != KOFN_OK)
        return status;
    s->at = malloc(bytes + 1);
    s->lost = rounds ? malloc(bytes + 1) : NULL; // of doubles, too
    s->norm = malloc((h->grid.cols + 1) * sizeof *s->norm);
    if (s->at && s->norm && (s->lost || !rounds))
        return KOFN_OK;
    sums_fini(s);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to project a sparse matrix");
}

static void
sums_clear(sums *s, const kofn_projection *p, size_t blocks)
{
    const size_t bytes = s->count * kofn_dtype_width(p->wide->dtype);
    memset(s->at, 0, bytes);
    if (s->lost)
        memset(s->lost, 0, bytes);
    memset(s->norm, 0, blocks * sizeof *s->norm);
}

/* `value` times row `by` of the secret. */
static void
add_element(const kofn_projection *p, const secret *from, size_t by, double value, const sums *s,
            size_t at)
{
    const size_t width = kofn_dtype_width(p->wide->dtype), l = p->count;
    const unsigned char *row = (const unsigned char *)from->element + by * l * width;
    if (!s->lost) {
        p->wide->scatter(p->wide, l, value, row, s->place, s->at + at * l * width);
        return;
    }
    const double *x = (const double *)(const void *)row;
    double *sum = (double *)(void *)s->at + at * l, *lost = s->lost + at * l;
    for (size_t k = 0; k < l; k++) {
        const double term = x[k] * value, next = sum[k] + term;
        lost[k] += fabs(sum[k]) < fabs(term) ? (term - next) + sum[k] : (sum[k] - next) + term;
        sum[k] = next;
    }
}

/* Row `row` of the matrix, which is row r of its blocks. */
static void
add_sparse_row(const kofn_projection *p, const kofn_sparse_halves *h, size_t row, size_t r,
               const sums *s)
{
    const kofn_csr *csr = h->csr;
    const size_t width = kofn_dtype_width(csr->value.dtype), end = kofn_csr_get_first(csr, row + 1);
    double value[STRETCH];
    for (size_t i = kofn_csr_get_first(csr, row), len; i < end; i += len) {
        len = smaller(end - i, STRETCH);
        p->field->widen(p->field, len, (const unsigned char *)csr->value.data + i * width, value);
        for (size_t j = 0; j < len; j++) {
            const size_t col = kofn_csr_get_column(csr, i + j);
            const size_t block = col / s->cols, c = col % s->cols;
            add_element(p, &p->side[h->side], h->turned ? c : r, value[j], s,
                        block * h->shape + (h->turned ? r : c));
            s->norm[block] = hypot(s->norm[block], value[j]);
        }
    }
}

/* Half `block` of the row of blocks. */
static void
store_half(const kofn_projection *p, const kofn_sparse_halves *h, const sums *s, size_t block,
           unsigned char *half)
{
    const size_t width = kofn_dtype_width(p->wide->dtype), l = p->count, count = h->shape * l;
    unsigned char *at = s->at + block * count * width;
    for (size_t i = 0; s->lost && i < count; i++)
        ((double *)(void *)at)[i] += s->lost[block * count + i];
    if (h->turned)
        memcpy(half, at, count * width);
    for (size_t i = 0; i < h->shape && !h->turned; i++)
        for (size_t k = 0; k < l; k++)
            memcpy(half + (k * h->shape + i) * width, at + (i * l + k) * width, width);
}

kofn_status
kofn_projection_halve_sparse(const kofn_projection *p, const kofn_sparse_halves *h, kofn_error *err)
{
    const kofn_grid grid = h->grid;
    const size_t half = h->shape * p->count * kofn_dtype_width(p->wide->dtype);
    sums s;
    const kofn_status status = sums_init(&s, p, h, err);
    if (status != KOFN_OK)
        return status;
    for (size_t i = 0; i < grid.rows; i++) {
        sums_clear(&s, p, grid.cols);
        for (size_t r = 0; r < s.rows && i * s.rows + r < h->csr->rows; r++)
            add_sparse_row(p, h, i * s.rows + r, r, &s);
        for (size_t j = 0; j < grid.cols; j++) {
            const size_t block = h->transposed ? j * grid.rows + i : i * grid.cols + j;
            store_half(p, h, &s, j, (unsigned char *)h->half + block * half);
            h->norm[block] = s.norm[j];
        }
    }
    sums_fini(&s);
    return KOFN_OK;
}

static kofn_status
check_answer(const kofn_projection *p, const kofn_bands *c, kofn_error *err)
{
    const size_t rows = p->side[KOFN_PROJECTION_LEFT].length;
    const size_t cols = p->side[KOFN_PROJECTION_RIGHT].length;
    if (c->rows == rows && c->cols == cols && c->dtype == p->field->dtype &&
        kofn_bands_are_complete(c))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "an answer is %zu x %zu %s%s, need %zu x %zu %s to check it", c->rows, c->cols,
                     kofn_dtype_name(c->dtype),
                     kofn_bands_are_complete(c) ? "" : " with rows missing", rows, cols,
                     kofn_dtype_name(p->field->dtype));
}

kofn_status
kofn_projection_apply(const kofn_projection *p, const kofn_bands *c, double *ret_x, kofn_error *err)
{
    const size_t width = kofn_dtype_width(p->wide->dtype), l = p->count;
    kofn_status status = check_answer(p, c, err);
    if (status != KOFN_OK)
        return status;
    const kofn_block block = {.of = c, .valid_rows = c->rows, .valid_cols = c->cols};
    unsigned char *half = malloc((c->cols + l) * l * width);
    if (!half)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to project an answer");
    unsigned char *x = half + c->cols * l * width;
    const kofn_small_product product = {.rows = l,
                                        .cols = l,
                                        .inner = c->cols,
                                        .a = half,
                                        .b = p->side[KOFN_PROJECTION_RIGHT].element};
    status = kofn_projection_halve(p, KOFN_PROJECTION_LEFT, false, &block, c->cols, half, err);
    if (status == KOFN_OK)
        status = kofn_small_multiply(p->wide, &product, x, err);
    if (status == KOFN_OK)
        p->wide->widen(p->wide, l * l, x, ret_x);
    free(half);
    return status;
}
