/* One combine kernel. combine.c includes this once for each pair of an element type and a vector
 * width, with these set:
 *
 *     ELEMENT       double or float
 *     VECTOR_BYTES  16, 32 or 64
 *     TARGET        attribute that lets the compiler use such vectors
 *     STREAM(p, v)  store vector v at p, which is aligned, past the caches
 *     NAME(x)       x with a suffix of this instance
 *
 * Registers hold a tile of up to GROUP results by VECTORS vectors of columns; sources stream past
 * it, each loaded once for the whole group:
 *
 *                 columns ->   |v0|v1|v2|v3|
 *     source i        .........|  |  |  |  |......   4 loads
 *     result 0..3     .........|  |  |  |  |......   16 multiply-adds into 16 registers
 *
 * Assumes nothing about alignment, and that no result overlaps a source. */

#define vector_type NAME(vector)
#define loose_type  NAME(loose)
#define group_type  NAME(group)

typedef ELEMENT vector_type __attribute__((vector_size(VECTOR_BYTES)));
typedef ELEMENT loose_type __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

/* Results that are computed side by side. Sources [0, full) enter all of them; those in
 * [full, count) have a zero coefficient for some result, which must not touch them. */
typedef struct group_type {
    size_t outs, full, count;
    bool accumulate; // onto what an earlier tile of sources left in the results
    bool stream;     // past the caches; then dst is aligned
    unsigned char *dst[GROUP];
    const unsigned char *src[TILE];
    ELEMENT coef[TILE][GROUP];
} group_type;

static void
NAME(pack_source)(group_type *g, const combine_call *call, const size_t *rows, size_t source)
{
    g->src[g->count] = call->src[source];
    for (size_t o = 0; o < g->outs; o++)
        g->coef[g->count][o] = (ELEMENT)call->coef[rows[o] * call->ins + source];
    g->count++;
}

/* Take the sources of tile [first, end) that any of the results at `rows` needs. */
static void
NAME(pack_group)(group_type *g, const combine_call *call, const size_t *rows, size_t outs,
                 size_t first, size_t end)
{
    g->outs = outs;
    g->count = 0;
    g->accumulate = first > 0;
    g->stream = call->stream && end == call->ins; // until then it is read again
    for (size_t o = 0; o < outs; o++) {
        g->dst[o] = call->dst[rows[o]];
        g->stream = g->stream && (uintptr_t)g->dst[o] % VECTOR_BYTES == 0;
    }

    size_t partial[TILE], partial_count = 0;
    for (size_t i = first; i < end; i++) {
        size_t used = 0;
        for (size_t o = 0; call->src[i] && o < outs; o++)
            used += call->coef[rows[o] * call->ins + i] != 0;
        if (used == outs)
            NAME(pack_source)(g, call, rows, i);
        else if (used > 0)
            partial[partial_count++] = i;
    }
    g->full = g->count;
    for (size_t p = 0; p < partial_count; p++)
        NAME(pack_source)(g, call, rows, partial[p]);
}

/* `outs` results by `vectors` vectors of columns at byte `at`. Both are constants at each call, so
 * that the tile unrolls into registers. */
TARGET static inline __attribute__((always_inline)) void
NAME(block)(const group_type *g, size_t at, const size_t outs, const size_t vectors)
{
    vector_type sum[GROUP][VECTORS], v[VECTORS];
#pragma GCC unroll 4
    for (size_t o = 0; o < outs; o++)
#pragma GCC unroll 4
        for (size_t q = 0; q < vectors; q++)
            if (g->accumulate)
                sum[o][q] = *(const loose_type *)(g->dst[o] + at + q * VECTOR_BYTES);
            else
                sum[o][q] = (vector_type){0};

    size_t i = 0;
    for (; i < g->full; i++) {
#pragma GCC unroll 4
        for (size_t q = 0; q < vectors; q++)
            v[q] = *(const loose_type *)(g->src[i] + at + q * VECTOR_BYTES);
#pragma GCC unroll 4
        for (size_t o = 0; o < outs; o++)
#pragma GCC unroll 4
            for (size_t q = 0; q < vectors; q++)
                sum[o][q] += g->coef[i][o] * v[q];
    }
    for (; i < g->count; i++) {
#pragma GCC unroll 4
        for (size_t q = 0; q < vectors; q++)
            v[q] = *(const loose_type *)(g->src[i] + at + q * VECTOR_BYTES);
#pragma GCC unroll 4
        for (size_t o = 0; o < outs; o++)
            if (g->coef[i][o] != 0)
#pragma GCC unroll 4
                for (size_t q = 0; q < vectors; q++)
                    sum[o][q] += g->coef[i][o] * v[q];
    }

#pragma GCC unroll 4
    for (size_t o = 0; o < outs; o++)
#pragma GCC unroll 4
        for (size_t q = 0; q < vectors; q++) {
            unsigned char *dst = g->dst[o] + at + q * VECTOR_BYTES;
            if (g->stream)
                STREAM(dst, sum[o][q]);
            else
                *(loose_type *)dst = sum[o][q];
        }
}

/* One column, for runs shorter than a vector. */
static void
NAME(column)(const group_type *g, size_t at)
{
    for (size_t o = 0; o < g->outs; o++) {
        ELEMENT sum = 0, v;
        if (g->accumulate)
            memcpy(&sum, g->dst[o] + at, sizeof sum);
        for (size_t i = 0; i < g->count; i++)
            if (g->coef[i][o] != 0) {
                memcpy(&v, g->src[i] + at, sizeof v);
                sum += g->coef[i][o] * v;
            }
        memcpy(g->dst[o] + at, &sum, sizeof sum);
    }
}

/* Bytes [first, end) of `outs` results. What is left over at the end is narrower than a tile: whole
 * vectors, then single columns. (One overlapping tile instead would add twice when accumulating.) */
TARGET static inline __attribute__((always_inline)) void
NAME(sweep_group)(const group_type *g, size_t first, size_t end, const size_t outs)
{
    size_t at = first;
    for (; end - at >= VECTORS * VECTOR_BYTES; at += VECTORS * VECTOR_BYTES)
        NAME(block)(g, at, outs, VECTORS);
    for (; end - at >= VECTOR_BYTES; at += VECTOR_BYTES)
        NAME(block)(g, at, outs, 1);
    for (; at < end; at += sizeof(ELEMENT))
        NAME(column)(g, at);
}

TARGET static void
NAME(sweep)(const group_type *g, size_t first, size_t end)
{
    switch (g->outs) {
    case 1:
        NAME(sweep_group)(g, first, end, 1);
        break;
    case 2:
        NAME(sweep_group)(g, first, end, 2);
        break;
    case 3:
        NAME(sweep_group)(g, first, end, 3);
        break;
    default:
        NAME(sweep_group)(g, first, end, GROUP);
    }
}

/* Up to TILE results over the sources [first, end): one pass over all columns. */
static void
NAME(combine_tile)(const combine_call *call, const combine_rows *rows, size_t first, size_t end)
{
    group_type groups[TILE / GROUP];
    size_t count = 0;
    for (size_t o = 0; o < rows->dense_count; o += GROUP) {
        const size_t left = rows->dense_count - o;
        NAME(pack_group)
        (&groups[count], call, rows->dense + o, left < GROUP ? left : GROUP, first, end);
        count += groups[count].count > 0 || first == 0;
    }

    const size_t bytes = call->len * sizeof(ELEMENT);
    const size_t panel = panel_bytes(end - first, VECTORS * VECTOR_BYTES);
    for (size_t at = 0; at < bytes; at += panel) {
        const size_t stop = bytes - at < panel ? bytes : at + panel;
        for (size_t g = 0; g < count; g++)
            NAME(sweep)(&groups[g], at, stop);
        copy_panel(call, rows, first, end, at, stop);
    }
}

static void
NAME(combine)(size_t outs, size_t ins, const double *coef, const void *const *src, void *const *dst,
              size_t len)
{
    const combine_call call = {.outs = outs,
                               .ins = ins,
                               .coef = coef,
                               .src = (const unsigned char *const *)src,
                               .dst = (unsigned char *const *)dst,
                               .len = len,
                               .stream = outs * len * sizeof(ELEMENT) >= STREAM_FROM};
    combine_rows rows;
    for (size_t o = 0; o < outs; o += TILE) {
        sort_rows(&call, o, outs - o < TILE ? outs : o + TILE, &rows);
        for (size_t i = 0; i == 0 || i < ins; i += TILE)
            NAME(combine_tile)(&call, &rows, i, ins - i < TILE ? ins : i + TILE);
    }
    if (call.stream)
        STREAM_END();
}

#undef vector_type
#undef loose_type
#undef group_type
#undef ELEMENT
#undef VECTOR_BYTES
#undef TARGET
#undef STREAM
#undef NAME
