/* Products over GF(p) through dgemm, with delayed reduction.
 *
 * Source     Dumas, Giorgi, Pernet, "FFPACK: Finite Field Linear Algebra Package", 2004: sums of
 *            products of integers are exact in doubles while they stay below 2^53.
 *
 * Elements are taken balanced, between -p/2 and p/2, so each product is at most p^2 / 4, and
 *
 *     chunk = 2^53 / (p^2 / 4)     inner size without any reduction: 32,767 at p near 2^20
 *
 * For larger p that is too short to be worth a call, and each element of B is split into two limbs
 * below sqrt(p) / 2 or about that:
 *
 *     B = B_1 radix + B_0,   A [B_0 | B_1] = [C_0 | C_1]    one dgemm of twice the columns,
 *     C = C_1 radix + C_0                                    chunk 361 at p near 2^31
 *
 * Splitting A as well (three or four calls, chunk 2^22) is slower than reducing more often.
 *
 *        inner                 cols
 *     +--------+         +------+------+         Blocks of A, B and C are converted to doubles in
 *     |  A     | rows    |  B_0 |  B_1 | inner   scratch that the second- and third-level caches
 *     +--------+         +------+------+         hold; each conversion serves a block's other side.
 */
#include "common/linalg/field_prime.h"
#include "common/base/size.h"

#include <cblas.h>
#include <math.h>

enum {
    ROWS = 384,      // of a block of C
    COLS = 512,      // of a block of C
    INNER = 1024,    // of one call
    CHUNK_MIN = 128, // from here one limb is faster than two
};

/* Adding and subtracting this rounds a double below 2^51 to an integer. */
static const double ROUND = 0x1.8p52;

static double
round_near(double x)
{
    return (x + ROUND) - ROUND;
}

/* 4 p: what a reduction's own steps may add to the sum. */
void
kofn_prime_plan_products(kofn_modulus *m)
{
    const uint32_t largest = m->p / 2; // of balanced elements
    const double exact = 0x1p53 - 4.0 * m->p, half = largest;
    m->limbs = 1;
    m->radix = 0;
    double chunk = floor(exact / (half * half));
    if (chunk < CHUNK_MIN) {
        m->limbs = 2;
        m->radix = ceil(sqrt(m->p));
        chunk = floor(exact / (half * (m->radix / 2 + 1)));
    }
    m->chunk = chunk < INNER ? (size_t)chunk : INNER;
}

/* Where the blocks lie in the scratch, in doubles: A's first. */
typedef struct room {
    size_t b, c, end;
} room;

static room
lay_out(const kofn_modulus *m, size_t rows, size_t cols, size_t inner)
{
    rows = kofn_size_smaller(rows, ROWS);
    cols = kofn_size_smaller(cols, COLS) * m->limbs;
    inner = kofn_size_smaller(inner, m->chunk);
    return (room){
        .b = rows * inner,
        .c = (rows + cols) * inner,
        .end = (rows + cols) * inner + rows * cols,
    };
}

size_t
kofn_prime_scratch_bytes(const kofn_field *f, size_t rows, size_t cols, size_t inner)
{
    return lay_out(&((const kofn_field_prime *)f)->modulus, rows, cols, inner).end * sizeof(double);
}

/* Elements [rows, cols] to balanced doubles, contiguous. */
static void
load(const kofn_modulus *m, const uint32_t *from, size_t stride, size_t rows, size_t cols,
     double *to)
{
    const uint32_t p = m->p, half = p / 2;
    for (size_t i = 0; i < rows; i++, from += stride, to += cols)
        for (size_t j = 0; j < cols; j++)
            to[j] = (int32_t)(from[j] - (from[j] > half ? p : 0));
}

/* As load, in two limbs: to[j] + radix to[apart + j], rows `to_stride` apart. */
static void
load_limbs(const kofn_modulus *m, const uint32_t *from, size_t stride, size_t rows, size_t cols,
           double *to, size_t to_stride, size_t apart)
{
    const uint32_t p = m->p, half = p / 2;
    const double radix = m->radix, share = 1 / radix;
    for (size_t i = 0; i < rows; i++, from += stride, to += to_stride) {
        double *low = to, *high = to + apart;
        for (size_t j = 0; j < cols; j++) {
            const double element = (int32_t)(from[j] - (from[j] > half ? p : 0));
            const double quotient = round_near(element * share);
            high[j] = quotient;
            low[j] = element - quotient * radix;
        }
    }
}

/* The number congruent to x between -p/2 and p/2, x of at most 2^53 - 4 p: the quotient is off by
 * far less than one, and quotient times p is exact. */
static inline double
reduce(double x, double p, double share)
{
    return x - round_near(x * share) * p;
}

static inline uint32_t
to_element(double balanced, uint32_t p)
{
    const int32_t x = (int32_t)balanced;
    return (uint32_t)x + (x < 0 ? p : 0);
}

/* C := or += sums mod p. Sums have `limbs` times cols columns. */
static void
store(const kofn_modulus *m, const double *sums, size_t rows, size_t cols, bool accumulate,
      uint32_t *c, size_t stride)
{
    const uint32_t p = m->p;
    const double modulus = p, share = 1 / modulus, radix = m->radix;
    for (size_t i = 0; i < rows; i++, c += stride, sums += m->limbs * cols) {
        const double *high = sums + cols;
        for (size_t j = 0; j < cols; j++) {
            double x = reduce(sums[j], modulus, share);
            if (m->limbs == 2)
                x = reduce(reduce(high[j], modulus, share) * radix + x, modulus, share);
            const uint32_t sum = to_element(x, p) + (accumulate ? c[j] : 0);
            c[j] = sum < p ? sum : sum - p;
        }
    }
}

/* `size` in equal parts of at most `limit`. */
static size_t
even_part(size_t size, size_t limit)
{
    const size_t parts = size / limit + (size % limit != 0);
    return size / parts + (size % parts != 0);
}

/* A block of B, or of its transpose, as it is stored: limbs beside each other along the columns of
 * op(B). */
static void
load_b(const kofn_modulus *m, const kofn_panel *q, size_t k, size_t inner, size_t col, size_t cols,
       double *to)
{
    const uint32_t *b = q->b;
    b += q->transpose_b ? col * q->stride_b + k : k * q->stride_b + col;
    const size_t rows = q->transpose_b ? cols : inner, wide = q->transpose_b ? inner : cols;
    if (m->limbs == 1)
        load(m, b, q->stride_b, rows, wide, to);
    else if (q->transpose_b)
        load_limbs(m, b, q->stride_b, rows, wide, to, wide, rows * wide);
    else
        load_limbs(m, b, q->stride_b, rows, wide, to, 2 * wide, wide);
}

static void
load_a(const kofn_modulus *m, const kofn_panel *q, size_t row, size_t rows, size_t k, size_t inner,
       double *to)
{
    const uint32_t *a = q->a;
    if (q->transpose_a)
        load(m, a + k * q->stride_a + row, q->stride_a, inner, rows, to);
    else
        load(m, a + row * q->stride_a + k, q->stride_a, rows, inner, to);
}

/* sums := block of A times block of B, both as stored. */
static void
multiply_block(const kofn_modulus *m, const kofn_panel *q, const double *a, const double *b,
               double *c, size_t rows, size_t cols, size_t inner)
{
    const size_t wide = cols * m->limbs;
    cblas_dgemm(CblasRowMajor, q->transpose_a ? CblasTrans : CblasNoTrans,
                q->transpose_b ? CblasTrans : CblasNoTrans, (blasint)rows, (blasint)wide,
                (blasint)inner, 1, a, (blasint)(q->transpose_a ? rows : inner), b,
                (blasint)(q->transpose_b ? inner : wide), 0, c, (blasint)wide);
}

void
kofn_prime_multiply_panel(const kofn_field *f, const kofn_panel *q)
{
    const kofn_modulus *m = &((const kofn_field_prime *)f)->modulus;
    const size_t inner_step = even_part(q->inner, m->chunk);
    const size_t row_step = even_part(q->rows, ROWS), col_step = even_part(q->cols, COLS);
    const room at = lay_out(m, q->rows, q->cols, q->inner);
    double *a = q->scratch, *b = a + at.b, *c = a + at.c;

    for (size_t k = 0; k < q->inner; k += inner_step) {
        const size_t inner = kofn_size_smaller(q->inner - k, inner_step);
        for (size_t col = 0; col < q->cols; col += col_step) {
            const size_t cols = kofn_size_smaller(q->cols - col, col_step);
            load_b(m, q, k, inner, col, cols, b);
            for (size_t row = 0; row < q->rows; row += row_step) {
                const size_t rows = kofn_size_smaller(q->rows - row, row_step);
                load_a(m, q, row, rows, k, inner, a);
                multiply_block(m, q, a, b, c, rows, cols, inner);
                store(m, c, rows, cols, q->accumulate || k > 0,
                      (uint32_t *)q->c + row * q->stride_c + col, q->stride_c);
            }
        }
    }
}
