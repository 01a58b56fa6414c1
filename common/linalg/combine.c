/* Linear combinations of long vectors: dst = coef src, the work of encoding and decoding.
 *
 * With few sources and results this is bound by memory, so what counts is to read each source and
 * to write each result once. All sources are swept together in panels small enough that a panel
 * of every source stays in the first-level cache while all groups of results take it up:
 *
 *     source 0   ====[panel]===========>        result 0..3   ====[panel]====>
 *     source 1   ====[panel]===========>        result 4..7   ====[panel]====>
 *
 * Large results are stored past the caches: a plain store first reads the line that it is about to
 * overwrite, which is a third of all traffic or more (measured: 26 to 32 GB/s with 4 sources and 6
 * results, 11 to 27 with 20). Fetching the next panel ahead by hand was tried and gained nothing.
 *
 * With many it is a matrix product of a skinny shape, and the register tile of combine_kernel.h
 * reaches what BLAS does on packed panels without packing them.
 *
 * Compiled with -ffp-contract=fast (CMakeLists.txt): fused multiply-adds halve the work of the
 * compute-bound case, and no property of codes rests on a product's own rounding. */
#include "common/linalg/combine.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    GROUP = 4,               // results in one register tile
    VECTORS = 4,             // vectors of columns in one register tile
    TILE = 64,               // results, and sources, of one pass: a tile's coefficients are 32 KiB
    PANEL_BUDGET = 20 << 10, // bytes of a panel of all sources: under half of a first-level cache
    PANEL_MAX = 4 << 10,     // bytes of a panel of one source: a page
    STREAM_ROW = 1 << 10,    // bytes of a row from which streaming it pays
    LINE = 64,               // bytes of a cache line
    STREAM_FROM = 8 << 20,   // bytes of results that would only push each other out of the caches
};

/* Up to TILE results, sorted by what they need. Results that nobody wants are in no list. */
typedef struct sorted_rows {
    size_t dense_count, copy_count, zero_count;
    size_t dense[TILE], zero[TILE];
    struct {
        size_t row, source;
    } copy[TILE]; // a unit vector: one source as it is
} sorted_rows;

static void
sort_row(const kofn_combination *c, size_t row, sorted_rows *sorted)
{
    const double *coef = c->coef + row * c->ins;
    size_t used = 0, last = 0;
    for (size_t i = 0; i < c->ins; i++)
        if (coef[i] != 0 && c->src[i]) {
            used++;
            last = i;
        }
    if (used == 0) {
        sorted->zero[sorted->zero_count++] = row;
    } else if (used == 1 && coef[last] == 1) {
        sorted->copy[sorted->copy_count].row = row;
        sorted->copy[sorted->copy_count++].source = last;
    } else {
        sorted->dense[sorted->dense_count++] = row;
    }
}

static void
sort_rows(const kofn_combination *c, size_t first, size_t end, sorted_rows *sorted)
{
    sorted->dense_count = sorted->copy_count = sorted->zero_count = 0;
    for (size_t o = first; o < end; o++)
        if (c->dst[o])
            sort_row(c, o, sorted);
}

/* Where row `row` of a rectangle starts. */
static size_t
offset(const kofn_combination *c, const size_t *stride, size_t index, size_t row)
{
    return c->rows > 1 ? row * stride[index] : 0;
}

/* memcpy for pieces of results that are larger than the caches together. It would fetch each line
 * of the destination first, since it sees one piece of a few KiB at a time: half as fast. */
static void
copy_past_caches(unsigned char *dst, const unsigned char *src, size_t bytes)
{
#if defined(__x86_64__)
    const size_t head = -(uintptr_t)dst % LINE;
    if (bytes >= head + LINE) {
        memcpy(dst, src, head);
        dst += head, src += head, bytes -= head;
        for (; bytes >= LINE; dst += LINE, src += LINE, bytes -= LINE)
            for (size_t i = 0; i < LINE; i += sizeof(__m128i))
                _mm_stream_si128((__m128i *)(dst + i), _mm_loadu_si128((const __m128i *)(src + i)));
        _mm_sfence();
    }
#endif
    memcpy(dst, src, bytes);
}

/* The copies from sources [first, end), and with the first sources the zeros. */
static void
copy_panel(const kofn_combination *c, const sorted_rows *sorted, size_t first, size_t end,
           size_t row, size_t at, size_t stop)
{
    for (size_t k = 0; k < sorted->copy_count; k++) {
        const size_t source = sorted->copy[k].source, result = sorted->copy[k].row;
        if (source < first || source >= end)
            continue;
        unsigned char *dst =
            (unsigned char *)c->dst[result] + offset(c, c->dst_stride, result, row) + at;
        const unsigned char *src =
            (const unsigned char *)c->src[source] + offset(c, c->src_stride, source, row) + at;
        if (c->result_bytes >= STREAM_FROM)
            copy_past_caches(dst, src, stop - at);
        else
            memcpy(dst, src, stop - at);
    }
    for (size_t z = 0; first == 0 && z < sorted->zero_count; z++) {
        const size_t result = sorted->zero[z];
        memset((unsigned char *)c->dst[result] + offset(c, c->dst_stride, result, row) + at, 0,
               stop - at);
    }
}

/* Worth storing past the caches? Not in short rows, whose ends share cache lines. */
static bool
is_past_caches(const kofn_combination *c, size_t row_bytes)
{
    return c->result_bytes >= STREAM_FROM && row_bytes >= STREAM_ROW;
}

/* Bytes of each source in a panel: a multiple of the register tile's width. */
static size_t
panel_bytes(size_t ins, size_t tile_bytes)
{
    const size_t share = PANEL_BUDGET / (ins > 0 ? ins : 1);
    const size_t bytes = share < PANEL_MAX ? share : PANEL_MAX;
    return bytes < tile_bytes ? tile_bytes : bytes - bytes % tile_bytes;
}

#define PASTE_(a_, b_) a_##b_

/* Sizes of a tile are constants at each call, so that it unrolls into registers. Sanitizers check
 * each access of what was unrolled, and compiling that takes half a minute and more: there the same
 * lines are functions and loops. */
#ifdef KOFN_SANITIZED
#define TILED static
enum { UNROLL = 1 };
#else
#define TILED static inline __attribute__((always_inline))
enum { UNROLL = 4 };
#endif

#if defined(__x86_64__)
#define STREAM_F64(at_, v_) _mm_stream_pd((double *)(at_), v_)
#define STREAM_F32(at_, v_) _mm_stream_ps((float *)(at_), v_)
#define STREAM_END()        _mm_sfence()
#else
#define STREAM_F64(at_, v_) (*(loose_type *)(at_) = (v_))
#define STREAM_F32(at_, v_) (*(loose_type *)(at_) = (v_))
#define STREAM_END()        (void)0
#endif

#define ELEMENT      double
#define VECTOR_BYTES 16
#define TARGET
#define NAME(x_)        PASTE_(x_, _f64_16)
#define STREAM(at_, v_) STREAM_F64(at_, v_)
#include "common/linalg/combine_kernel.h"

#define ELEMENT      float
#define VECTOR_BYTES 16
#define TARGET
#define NAME(x_)        PASTE_(x_, _f32_16)
#define STREAM(at_, v_) STREAM_F32(at_, v_)
#include "common/linalg/combine_kernel.h"

#if defined(__x86_64__)
#define ELEMENT         double
#define VECTOR_BYTES    32
#define TARGET          __attribute__((target("avx2,fma")))
#define NAME(x_)        PASTE_(x_, _f64_32)
#define STREAM(at_, v_) _mm256_stream_pd((double *)(at_), v_)
#include "common/linalg/combine_kernel.h"

#define ELEMENT         float
#define VECTOR_BYTES    32
#define TARGET          __attribute__((target("avx2,fma")))
#define NAME(x_)        PASTE_(x_, _f32_32)
#define STREAM(at_, v_) _mm256_stream_ps((float *)(at_), v_)
#include "common/linalg/combine_kernel.h"

#define ELEMENT         double
#define VECTOR_BYTES    64
#define TARGET          __attribute__((target("avx512f,fma")))
#define NAME(x_)        PASTE_(x_, _f64_64)
#define STREAM(at_, v_) _mm512_stream_pd((double *)(at_), v_)
#include "common/linalg/combine_kernel.h"

#define ELEMENT         float
#define VECTOR_BYTES    64
#define TARGET          __attribute__((target("avx512f,fma")))
#define NAME(x_)        PASTE_(x_, _f32_64)
#define STREAM(at_, v_) _mm512_stream_ps((float *)(at_), v_)
#include "common/linalg/combine_kernel.h"
#endif

/* The twins: the definition, one result and one column at a time. */
static void
plain_row_f64(const kofn_combination *c, size_t o, size_t row)
{
    unsigned char *dst = (unsigned char *)c->dst[o] + offset(c, c->dst_stride, o, row);
    for (size_t at = 0; at < c->len; at++) {
        double sum = 0, v;
        for (size_t i = 0; i < c->ins; i++)
            if (c->src[i] && c->coef[o * c->ins + i] != 0) {
                const unsigned char *src = c->src[i];
                memcpy(&v, src + offset(c, c->src_stride, i, row) + at * sizeof v, sizeof v);
                sum += c->coef[o * c->ins + i] * v;
            }
        memcpy(dst + at * sizeof sum, &sum, sizeof sum);
    }
}

static void
plain_row_f32(const kofn_combination *c, size_t o, size_t row)
{
    unsigned char *dst = (unsigned char *)c->dst[o] + offset(c, c->dst_stride, o, row);
    for (size_t at = 0; at < c->len; at++) {
        float sum = 0, v;
        for (size_t i = 0; i < c->ins; i++)
            if (c->src[i] && c->coef[o * c->ins + i] != 0) {
                const unsigned char *src = c->src[i];
                memcpy(&v, src + offset(c, c->src_stride, i, row) + at * sizeof v, sizeof v);
                sum += (float)c->coef[o * c->ins + i] * v;
            }
        memcpy(dst + at * sizeof sum, &sum, sizeof sum);
    }
}

static void
combine_plain_f64(const kofn_combination *c)
{
    for (size_t o = 0; o < c->outs; o++)
        for (size_t row = 0; c->dst[o] && row < c->rows; row++)
            plain_row_f64(c, o, row);
}

static void
combine_plain_f32(const kofn_combination *c)
{
    for (size_t o = 0; o < c->outs; o++)
        for (size_t row = 0; c->dst[o] && row < c->rows; row++)
            plain_row_f32(c, o, row);
}

static const kofn_combine_kernel kernels[] = {
#if defined(__x86_64__)
    {"avx512f", 64, combine_f64_64, combine_f32_64},
    {"avx2", 32, combine_f64_32, combine_f32_32},
#endif
    {"baseline", 16, combine_f64_16, combine_f32_16},
    {"plain", 0, combine_plain_f64, combine_plain_f32},
};

/* How many kernels at the head of the table this processor cannot run. Asked for at each call: a
 * look into a table that the compiler's start-up code has filled. Resolving once at load time
 * (target_clones, ifunc) runs before the sanitizers are up, and crashes under them. */
static size_t
kernels_too_wide(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return 0;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 2;
#else
    return 0;
#endif
}

const kofn_combine_kernel *
kofn_combine_best(void)
{
    return &kernels[kernels_too_wide()];
}

const kofn_combine_kernel *
kofn_combine_at(size_t index)
{
    index += kernels_too_wide();
    return index < sizeof kernels / sizeof kernels[0] ? &kernels[index] : NULL;
}
