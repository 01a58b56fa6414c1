/* GF(2^8) on long vectors through ISA-L, whose kernels multiply bytes by looking up their two
 * halves in tables of sixteen, a whole vector register at a time:
 *
 *     ec_encode_data(len, k, rows, tables, src[k], dst[rows])    dst[r] := sum_i coef[r, i] src[i]
 *
 * with 32 bytes of table for each coefficient, up to six results in one sweep of the sources. It
 * overwrites results, and its last step overlaps the one before, so results cannot be sources. What
 * has more sources than tables fit in the cache is computed in parts beside the result and added.
 *
 * A product takes rows of B for sources and rows of A for coefficients. Strips of B are packed side
 * by side: sources a power of two apart would share few lines of the first-level cache, narrow
 * strips would fall out of the vector kernels (they need 64 bytes), and B may be stored transposed.
 *
 *              K sources                  strip                    strip
 *            +-----------+          +-------------+          +-------------+
 *      six   | tables    |   *    K | packed B    |   ==>    | six results | += into C
 *            +-----------+          |             |          +-------------+
 *             24 KiB                +-------------+
 */
#include "common/linalg/field_binary.h"

#include <isa-l/erasure_code.h>
#include <string.h>

enum {
    TABLE = 32,  // bytes for each coefficient
    NARROW = 64, // bytes below which ISA-L leaves its vector kernels
    SIX = 6,     // results in one sweep
    ORDER = 256, // of the field

    SOURCES = 32, // of one pass of combine, and results: tables of 24 KiB
    RESULTS = 24,
    PANEL = 4096, // bytes of each source swept at once: all sources stay in the second-level cache

    K = 128,      // sources of one pass of a product
    STRIP = 2048, // columns of C
    PITCH = STRIP + NARROW,
};

/* ---- combinations ---------------------------------------------------------------------------- */

/* One pass: some results from some sources. */
typedef struct pass {
    const kofn_combination *c;
    size_t outs, ins;
    size_t out[RESULTS], in[SOURCES]; // which
    bool add;                         // to what earlier sources left in the results
    unsigned char tables[RESULTS * SOURCES * TABLE];
} pass;

static unsigned char *
result_at(const kofn_combination *c, size_t o, size_t row)
{
    return (unsigned char *)c->dst[o] + (c->rows > 1 ? row * c->dst_stride[o] : 0);
}

/* ISA-L's prototypes know no const. */
static unsigned char *
source_at(const kofn_combination *c, size_t i, size_t row)
{
    return (unsigned char *)(uintptr_t)c->src[i] + (c->rows > 1 ? row * c->src_stride[i] : 0);
}

static void
add_bytes(unsigned char *dst, const unsigned char *src, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dst[i] ^= src[i];
}

static void
make_tables(pass *p)
{
    unsigned char coefs[RESULTS * SOURCES];
    for (size_t o = 0; o < p->outs; o++)
        for (size_t i = 0; i < p->ins; i++)
            coefs[o * p->ins + i] = (unsigned char)p->c->coef[p->out[o] * p->c->ins + p->in[i]];
    ec_init_tables((int)p->ins, (int)p->outs, coefs, p->tables);
}

static void
run_panel(pass *p, size_t row, size_t at, size_t len)
{
    unsigned char *src[SOURCES], *dst[RESULTS], part[SIX][PANEL], *parts[SIX];
    for (size_t i = 0; i < p->ins; i++)
        src[i] = source_at(p->c, p->in[i], row) + at;
    for (size_t o = 0; o < p->outs; o++)
        dst[o] = result_at(p->c, p->out[o], row) + at;
    if (!p->add) {
        ec_encode_data((int)len, (int)p->ins, (int)p->outs, p->tables, src, dst);
        return;
    }
    for (size_t o = 0; o < SIX; o++)
        parts[o] = part[o];
    for (size_t first = 0; first < p->outs; first += SIX) {
        const size_t some = p->outs - first < SIX ? p->outs - first : SIX;
        ec_encode_data((int)len, (int)p->ins, (int)some, p->tables + first * p->ins * TABLE, src,
                       parts);
        for (size_t o = 0; o < some; o++)
            add_bytes(dst[first + o], parts[o], len);
    }
}

static void
run_pass(pass *p)
{
    const kofn_combination *c = p->c;
    make_tables(p);
    for (size_t row = 0; row < c->rows; row++)
        for (size_t at = 0; at < c->len; at += PANEL)
            run_panel(p, row, at, c->len - at < PANEL ? c->len - at : PANEL);
}

/* The sources that count in a row of coefficients; the last of them. */
static size_t
count_sources(const kofn_combination *c, size_t o, size_t *ret_last)
{
    size_t count = 0;
    for (size_t i = 0; i < c->ins; i++)
        if (c->src[i] && c->coef[o * c->ins + i] != 0) {
            *ret_last = i;
            count++;
        }
    return count;
}

/* Zeros and copies; false: result o needs arithmetic. */
static bool
fill_plain(const kofn_combination *c, size_t o)
{
    size_t last = 0;
    const size_t count = count_sources(c, o, &last);
    if (count > 1 || (count == 1 && c->coef[o * c->ins + last] != 1))
        return false;
    for (size_t row = 0; row < c->rows; row++)
        if (count == 0)
            memset(result_at(c, o, row), 0, c->len);
        else
            memcpy(result_at(c, o, row), source_at(c, last, row), c->len);
    return true;
}

/* All sources into the results of p, pass by pass. */
static void
run_passes(pass *p)
{
    p->add = false;
    p->ins = 0;
    for (size_t i = 0; i < p->c->ins; i++) {
        if (p->c->src[i])
            p->in[p->ins++] = i;
        if (p->ins == SOURCES || (i + 1 == p->c->ins && p->ins > 0)) {
            run_pass(p);
            p->add = true;
            p->ins = 0;
        }
    }
}

void
kofn_gf256_combine(const kofn_field *f, const kofn_combination *c)
{
    (void)f;
    pass p = {.c = c};
    for (size_t o = 0; o < c->outs; o++) {
        if (c->dst[o] && !fill_plain(c, o))
            p.out[p.outs++] = o;
        if (p.outs == RESULTS || (o + 1 == c->outs && p.outs > 0)) {
            run_passes(&p);
            p.outs = 0;
        }
    }
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct room {
    unsigned char every[ORDER][TABLE]; // the tables of all coefficients: copied, not made anew
    unsigned char tables[SIX * K * TABLE];
    unsigned char packed[K][PITCH]; // B
    unsigned char part[SIX][PITCH]; // of C
} room;

size_t
kofn_gf256_scratch_bytes(const kofn_field *f, size_t rows, size_t cols, size_t inner)
{
    (void)f, (void)rows, (void)cols, (void)inner;
    return sizeof(room);
}

static void
make_every_table(room *r)
{
    for (unsigned coef = 0; coef < ORDER; coef++)
        gf_vect_mul_init((unsigned char)coef, r->every[coef]);
}

/* Rows [k, k + count) of op(B), columns [col, col + len), zeros up to `padded`. */
static void
pack_b(room *r, const kofn_panel *p, size_t k, size_t count, size_t col, size_t len, size_t padded)
{
    const unsigned char *b = p->b;
    for (size_t i = 0; !p->transpose_b && i < count; i++)
        memcpy(r->packed[i], b + (k + i) * p->stride_b + col, len);
    for (size_t j = 0; p->transpose_b && j < len; j++)
        for (size_t i = 0; i < count; i++)
            r->packed[i][j] = b[(col + j) * p->stride_b + k + i];
    for (size_t i = 0; i < count; i++)
        memset(r->packed[i] + len, 0, padded - len);
}

static void
copy_tables(room *r, const kofn_panel *p, size_t row, size_t rows, size_t k, size_t count)
{
    const unsigned char *a = p->a;
    unsigned char *table = r->tables;
    for (size_t o = 0; o < rows; o++)
        for (size_t i = 0; i < count; i++, table += TABLE)
            memcpy(table,
                   r->every[a[p->transpose_a ? (k + i) * p->stride_a + row + o
                                             : (row + o) * p->stride_a + k + i]],
                   TABLE);
}

static void
multiply_strip(room *r, const kofn_panel *p, size_t k, size_t count, size_t col, size_t len)
{
    const size_t padded = len < NARROW ? NARROW : len;
    unsigned char *src[K], *dst[SIX];
    pack_b(r, p, k, count, col, len, padded);
    for (size_t i = 0; i < count; i++)
        src[i] = r->packed[i];
    for (size_t o = 0; o < SIX; o++)
        dst[o] = r->part[o];
    for (size_t row = 0; row < p->rows; row += SIX) {
        const size_t rows = p->rows - row < SIX ? p->rows - row : SIX;
        copy_tables(r, p, row, rows, k, count);
        ec_encode_data((int)padded, (int)count, (int)rows, r->tables, src, dst);
        for (size_t o = 0; o < rows; o++) {
            unsigned char *c = (unsigned char *)p->c + (row + o) * p->stride_c + col;
            if (p->accumulate || k > 0)
                add_bytes(c, dst[o], len);
            else
                memcpy(c, dst[o], len);
        }
    }
}

void
kofn_gf256_multiply_panel(const kofn_field *f, const kofn_panel *p)
{
    (void)f;
    room *r = p->scratch;
    make_every_table(r);
    for (size_t k = 0; k < p->inner; k += K)
        for (size_t col = 0; col < p->cols; col += STRIP)
            multiply_strip(r, p, k, p->inner - k < K ? p->inner - k : K, col,
                           p->cols - col < STRIP ? p->cols - col : STRIP);
}
