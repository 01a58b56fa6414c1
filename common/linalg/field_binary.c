#include "common/linalg/field_binary.h"
#include "common/linalg/span_class.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { DEGREE_MAX = 8, STRIP_ROWS = 64, STRIP_COLS = 512 };

/* ---- coefficients ---------------------------------------------------------------------------- */

static unsigned
times_x(const kofn_field_binary *b, unsigned a)
{
    a <<= 1;
    return a >> b->degree ? a ^ b->polynomial : a;
}

static unsigned
product(const kofn_field *f, unsigned a, unsigned b)
{
    unsigned sum = 0;
    for (; b > 0; b >>= 1) {
        sum ^= b & 1 ? a : 0;
        a = times_x((const kofn_field_binary *)f, a);
    }
    return sum;
}

static double
add(const kofn_field *f, double a, double b)
{
    (void)f;
    return (unsigned)a ^ (unsigned)b;
}

static double
multiply(const kofn_field *f, double a, double b)
{
    return product(f, (unsigned)a, (unsigned)b);
}

static double
negate(const kofn_field *f, double a)
{
    (void)f;
    return a;
}

/* a^(q - 2): squares of squares, all bits of the exponent but the last. */
static double
invert(const kofn_field *f, double a)
{
    assert(a != 0);
    unsigned square = (unsigned)a, result = 1;
    for (unsigned i = 1; i < ((const kofn_field_binary *)f)->degree; i++) {
        square = product(f, square, square);
        result = product(f, result, square);
    }
    return result;
}

/* by x^i for each bit i of an element: what a bit adds to the product. */
static void
fill_parts(const kofn_field *f, unsigned by, unsigned char parts[DEGREE_MAX])
{
    memset(parts, 0, DEGREE_MAX);
    for (unsigned i = 0; i < ((const kofn_field_binary *)f)->degree; i++) {
        parts[i] = (unsigned char)by;
        by = times_x((const kofn_field_binary *)f, by);
    }
}

static inline unsigned char
add_parts(const unsigned char *parts, unsigned degree, unsigned char element)
{
    unsigned char sum = 0;
    for (unsigned i = 0; i < degree; i++)
        sum ^= (unsigned char)(-(element >> i & 1) & parts[i]);
    return sum;
}

static void
add_multiple(const kofn_field *f, size_t len, double by, const double *x, double *y)
{
    unsigned char parts[DEGREE_MAX];
    fill_parts(f, (unsigned)by, parts);
    for (size_t i = 0; i < len; i++)
        y[i] = (int)y[i] ^ add_parts(parts, DEGREE_MAX, (unsigned char)(int)x[i]);
}

static double
point(const kofn_field *f, size_t i, size_t n)
{
    assert(i < n && (double)n <= f->order);
    (void)f;
    (void)n;
    return (double)i;
}

static double
draw(const kofn_field *f, kofn_rng *rng)
{
    return (double)kofn_rng_below(rng, (uint64_t)f->order);
}

/* ---- elements -------------------------------------------------------------------------------- */

static bool
has_foreign(const kofn_field *f, const void *at, size_t len)
{
    enum { STRETCH = 1 << 15 }; // elements between two looks at the verdict
    const unsigned degree = ((const kofn_field_binary *)f)->degree;
    const unsigned char *element = at;
    for (size_t first = 0; degree < 8 && first < len; first += STRETCH) {
        const size_t end = len - first < STRETCH ? len : first + STRETCH;
        unsigned char bits = 0;
        for (size_t i = first; i < end; i++)
            bits |= element[i];
        if (bits >> degree)
            return true;
    }
    return false;
}

static void
widen(const kofn_field *f, size_t len, const void *at, double *ret)
{
    (void)f;
    const unsigned char *element = at;
    for (size_t i = 0; i < len; i++)
        ret[i] = element[i];
}

static void
narrow(const kofn_field *f, size_t len, const double *at, void *ret)
{
    (void)f;
    unsigned char *element = ret;
    for (size_t i = 0; i < len; i++)
        element[i] = (unsigned char)at[i];
}

/* As codes measure it: sqrt of the elements that are not zero. */
static double
norm(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    const unsigned char *element = at;
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += element[i] != 0;
    return sqrt((double)count);
}

/* dst += by src, with the number of bits a constant: eight steps of logic for a vector of bytes. */
static void
add_row(const kofn_field *f, unsigned by, const unsigned char *src, unsigned char *dst, size_t len)
{
    unsigned char parts[DEGREE_MAX];
    fill_parts(f, by, parts);
    if (((const kofn_field_binary *)f)->degree <= 4)
        for (size_t i = 0; i < len; i++)
            dst[i] ^= add_parts(parts, 4, src[i]);
    else
        for (size_t i = 0; i < len; i++)
            dst[i] ^= add_parts(parts, DEGREE_MAX, src[i]);
}

void
kofn_binary_combine(const kofn_field *f, const kofn_combination *c)
{
    for (size_t o = 0; o < c->outs; o++)
        for (size_t row = 0; c->dst[o] && row < c->rows; row++) {
            unsigned char *dst =
                (unsigned char *)c->dst[o] + (c->rows > 1 ? row * c->dst_stride[o] : 0);
            memset(dst, 0, c->len);
            for (size_t i = 0; i < c->ins; i++)
                if (c->src[i] && c->coef[o * c->ins + i] != 0)
                    add_row(f, (unsigned)c->coef[o * c->ins + i],
                            (const unsigned char *)c->src[i] +
                                (c->rows > 1 ? row * c->src_stride[i] : 0),
                            dst, c->len);
        }
}

static void
scatter(const kofn_field *f, size_t len, double by, const void *src, const size_t *place, void *dst)
{
    const unsigned char *from = src;
    unsigned char *to = dst, parts[DEGREE_MAX];
    fill_parts(f, (unsigned)by, parts);
    for (size_t i = 0; i < len; i++)
        to[place[i]] ^= add_parts(parts, DEGREE_MAX, from[i]);
}

/* Rows [k, k + count) of op(B), columns [col, col + len): row by row, however B is stored. */
static void
gather(const kofn_panel *p, size_t k, size_t count, size_t col, size_t len,
       unsigned char strip[][STRIP_COLS])
{
    const unsigned char *b = p->b;
    for (size_t i = 0; !p->transpose_b && i < count; i++)
        memcpy(strip[i], b + (k + i) * p->stride_b + col, len);
    for (size_t j = 0; p->transpose_b && j < len; j++)
        for (size_t i = 0; i < count; i++)
            strip[i][j] = b[(col + j) * p->stride_b + k + i];
}

/* Row i of C += A[i, k] times row k of B. */
static void
multiply_strip(const kofn_field *f, const kofn_panel *p, size_t k, size_t count, size_t col,
               size_t len, unsigned char strip[][STRIP_COLS])
{
    const unsigned char *a = p->a;
    for (size_t row = 0; row < p->rows; row++) {
        unsigned char *c = (unsigned char *)p->c + row * p->stride_c + col;
        if (k == 0 && !p->accumulate)
            memset(c, 0, len);
        for (size_t i = 0; i < count; i++)
            add_row(f, a[p->transpose_a ? (k + i) * p->stride_a + row : row * p->stride_a + k + i],
                    strip[i], c, len);
    }
}

void
kofn_binary_multiply_panel(const kofn_field *f, const kofn_panel *p)
{
    unsigned char strip[STRIP_ROWS][STRIP_COLS];
    for (size_t col = 0; col < p->cols; col += STRIP_COLS) {
        const size_t len = p->cols - col < STRIP_COLS ? p->cols - col : STRIP_COLS;
        for (size_t k = 0; k < p->inner; k += STRIP_ROWS) {
            const size_t count = p->inner - k < STRIP_ROWS ? p->inner - k : STRIP_ROWS;
            gather(p, k, count, col, len, strip);
            multiply_strip(f, p, k, count, col, len, strip);
        }
    }
}

static size_t
no_scratch(const kofn_field *f, size_t rows, size_t cols, size_t inner)
{
    (void)f, (void)rows, (void)cols, (void)inner;
    return 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

#define BINARY_FIELD(name_, degree_, polynomial_, combine_, multiply_panel_, scratch_bytes_)       \
    {                                                                                              \
        .field = {.name = name_,                                                                   \
                  .dtype = KOFN_U8,                                                                \
                  .order = 1 << (degree_),                                                         \
                  .epsilon = 0,                                                                    \
                  .span = &kofn_span_exact,                                                        \
                  .add = add,                                                                      \
                  .multiply = multiply,                                                            \
                  .negate = negate,                                                                \
                  .invert = invert,                                                                \
                  .add_multiple = add_multiple,                                                    \
                  .point = point,                                                                  \
                  .draw = draw,                                                                    \
                  .combine = combine_,                                                             \
                  .scatter = scatter,                                                              \
                  .multiply_panel = multiply_panel_,                                               \
                  .scratch_bytes = scratch_bytes_,                                                 \
                  .has_foreign = has_foreign,                                                      \
                  .widen = widen,                                                                  \
                  .narrow = narrow,                                                                \
                  .norm = norm},                                                                   \
        .degree = degree_, .polynomial = polynomial_,                                              \
    }

const kofn_field_binary kofn_field_gf4 =
    BINARY_FIELD("gf4", 2, 0x7, kofn_binary_combine, kofn_binary_multiply_panel, no_scratch);
const kofn_field_binary kofn_field_gf16 =
    BINARY_FIELD("gf16", 4, 0x13, kofn_binary_combine, kofn_binary_multiply_panel, no_scratch);
const kofn_field_binary kofn_field_gf256 = BINARY_FIELD(
    "gf256", 8, 0x11d, kofn_gf256_combine, kofn_gf256_multiply_panel, kofn_gf256_scratch_bytes);
