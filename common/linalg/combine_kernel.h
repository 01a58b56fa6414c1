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
    bool stream;     // past the caches; then the results of this row are aligned alike
    unsigned char *dst[GROUP];
    const unsigned char *src[TILE];
    size_t dst_stride[GROUP], src_stride[TILE];
    ELEMENT coef[TILE][GROUP];
} group_type;

static void
NAME(pack_source)(group_type *g, const kofn_combination *c, const size_t *rows, size_t source)
{
    g->src[g->count] = c->src[source];
    g->src_stride[g->count] = c->rows > 1 ? c->src_stride[source] : 0;
    for (size_t o = 0; o < g->outs; o++)
        g->coef[g->count][o] = (ELEMENT)c->coef[rows[o] * c->ins + source];
    g->count++;
}

/* Take the sources of tile [first, end) that any of the results at `rows` needs. */
static void
NAME(pack_group)(group_type *g, const kofn_combination *c, const size_t *rows, size_t outs,
                 size_t first, size_t end)
{
    g->outs = outs;
    g->count = 0;
    g->accumulate = first > 0;
    for (size_t o = 0; o < outs; o++) {
        g->dst[o] = c->dst[rows[o]];
        g->dst_stride[o] = c->rows > 1 ? c->dst_stride[rows[o]] : 0;
    }

    size_t partial[TILE], partial_count = 0;
    for (size_t i = first; i < end; i++) {
        size_t used = 0;
        for (size_t o = 0; c->src[i] && o < outs; o++)
            used += c->coef[rows[o] * c->ins + i] != 0;
        if (used == outs)
            NAME(pack_source)(g, c, rows, i);
        else if (used > 0)
            partial[partial_count++] = i;
    }
    g->full = g->count;
    for (size_t p = 0; p < partial_count; p++)
        NAME(pack_source)(g, c, rows, partial[p]);
}

static void
NAME(next_row)(group_type *g)
{
    for (size_t o = 0; o < g->outs; o++)
        g->dst[o] += g->dst_stride[o];
    for (size_t i = 0; i < g->count; i++)
        g->src[i] += g->src_stride[i];
}

/* `outs` results by `vectors` vectors of columns at byte `at`. Both are constants at each call, so
 * that the tile unrolls into registers. */
TARGET TILED void
NAME(block)(const group_type *g, size_t at, const size_t outs, const size_t vectors, bool stream)
{
    vector_type sum[GROUP][VECTORS], v[VECTORS];
#pragma GCC unroll UNROLL
    for (size_t o = 0; o < outs; o++)
#pragma GCC unroll UNROLL
        for (size_t q = 0; q < vectors; q++)
            if (g->accumulate)
                sum[o][q] = *(const loose_type *)(g->dst[o] + at + q * VECTOR_BYTES);
            else
                sum[o][q] = (vector_type){0};

    size_t i = 0;
    for (; i < g->full; i++) {
#pragma GCC unroll UNROLL
        for (size_t q = 0; q < vectors; q++)
            v[q] = *(const loose_type *)(g->src[i] + at + q * VECTOR_BYTES);
#pragma GCC unroll UNROLL
        for (size_t o = 0; o < outs; o++)
#pragma GCC unroll UNROLL
            for (size_t q = 0; q < vectors; q++)
                sum[o][q] += g->coef[i][o] * v[q];
    }
    for (; i < g->count; i++) {
#pragma GCC unroll UNROLL
        for (size_t q = 0; q < vectors; q++)
            v[q] = *(const loose_type *)(g->src[i] + at + q * VECTOR_BYTES);
#pragma GCC unroll UNROLL
        for (size_t o = 0; o < outs; o++)
            if (g->coef[i][o] != 0)
#pragma GCC unroll UNROLL
                for (size_t q = 0; q < vectors; q++)
                    sum[o][q] += g->coef[i][o] * v[q];
    }

#pragma GCC unroll UNROLL
    for (size_t o = 0; o < outs; o++)
#pragma GCC unroll UNROLL
        for (size_t q = 0; q < vectors; q++) {
            unsigned char *dst = g->dst[o] + at + q * VECTOR_BYTES;
            if (stream)
                STREAM(dst, sum[o][q]);
            else
                *(loose_type *)dst = sum[o][q];
        }
}

/* One column, where a vector would not fit or would add twice. */
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

/* Bytes [at, end), fewer than a vector, of a row that has `bytes`: one vector that overlaps columns
 * that are done (`back`) or are done again (not `back`), or column by column. */
TARGET TILED void
NAME(edge)(const group_type *g, size_t at, size_t end, size_t bytes, bool back, const size_t outs)
{
    const size_t from = back ? end - VECTOR_BYTES : at;
    if (!g->accumulate && bytes >= VECTOR_BYTES)
        NAME(block)(g, from, outs, 1, false);
    else
        for (; at < end; at += sizeof(ELEMENT))
            NAME(column)(g, at);
}

/* Bytes [at, end) of a row of `bytes`; the first `head` bring results to their alignment. */
TARGET TILED void
NAME(sweep_group)(const group_type *g, size_t at, size_t end, size_t head, size_t bytes,
                  const size_t outs)
{
    if (head > 0) {
        NAME(edge)(g, at, at + head, bytes, false, outs);
        at += head;
    }
    if (g->stream)
        for (; end - at >= VECTORS * VECTOR_BYTES; at += VECTORS * VECTOR_BYTES)
            NAME(block)(g, at, outs, VECTORS, true);
    for (; end - at >= VECTORS * VECTOR_BYTES; at += VECTORS * VECTOR_BYTES)
        NAME(block)(g, at, outs, VECTORS, false);
    for (; end - at >= VECTOR_BYTES; at += VECTOR_BYTES)
        NAME(block)(g, at, outs, 1, false);
    if (at < end)
        NAME(edge)(g, at, end, bytes, true, outs);
}

TARGET static void
NAME(sweep)(const group_type *g, size_t at, size_t end, size_t head, size_t bytes)
{
    switch (g->outs) {
    case 1:
        NAME(sweep_group)(g, at, end, head, bytes, 1);
        break;
    case 2:
        NAME(sweep_group)(g, at, end, head, bytes, 2);
        break;
    case 3:
        NAME(sweep_group)(g, at, end, head, bytes, 3);
        break;
    default:
        NAME(sweep_group)(g, at, end, head, bytes, GROUP);
    }
}

/* Bytes in front of the first aligned element of the first result, 0 when there is none. Groups
 * whose results all are aligned there are streamed; rows differ in this. */
static size_t
NAME(align_row)(group_type *groups, size_t count)
{
    const size_t head = -(uintptr_t)groups[0].dst[0] % VECTOR_BYTES;
    const bool fits = head % sizeof(ELEMENT) == 0; // a row is longer than that: STREAM_ROW
    for (size_t g = 0; g < count; g++) {
        groups[g].stream = fits;
        for (size_t o = 0; o < groups[g].outs; o++)
            if (((uintptr_t)groups[g].dst[o] + head) % VECTOR_BYTES != 0)
                groups[g].stream = false;
    }
    return fits ? head : 0;
}

/* Up to TILE results over the sources [first, end): one pass over all columns. */
static void
NAME(combine_tile)(const kofn_combination *c, const sorted_rows *sorted, size_t first, size_t end)
{
    group_type groups[TILE / GROUP];
    size_t count = 0;
    for (size_t o = 0; o < sorted->dense_count; o += GROUP) {
        const size_t left = sorted->dense_count - o, outs = left < GROUP ? left : GROUP;
        NAME(pack_group)(&groups[count], c, sorted->dense + o, outs, first, end);
        groups[count].stream = false;
        count += groups[count].count > 0 || first == 0;
    }

    const size_t bytes = c->len * sizeof(ELEMENT);
    const size_t panel = panel_bytes(end - first, VECTORS * VECTOR_BYTES);
    const bool stream = count > 0 && end == c->ins && is_past_caches(c, bytes);
    for (size_t row = 0; row < c->rows; row++) {
        size_t head = stream ? NAME(align_row)(groups, count) : 0, stop;
        for (size_t at = 0; at < bytes; at = stop, head = 0) {
            stop = bytes - at < head + panel ? bytes : at + head + panel;
            for (size_t g = 0; g < count; g++)
                NAME(sweep)(&groups[g], at, stop, head, bytes);
            copy_panel(c, sorted, first, end, row, at, stop);
        }
        for (size_t g = 0; g < count && row + 1 < c->rows; g++)
            NAME(next_row)(&groups[g]);
    }
    if (stream)
        STREAM_END();
}

static void
NAME(combine)(const kofn_combination *c)
{
    sorted_rows sorted;
    for (size_t o = 0; o < c->outs; o += TILE) {
        sort_rows(c, o, c->outs - o < TILE ? c->outs : o + TILE, &sorted);
        for (size_t i = 0; i == 0 || i < c->ins; i += TILE)
            NAME(combine_tile)(c, &sorted, i, c->ins - i < TILE ? c->ins : i + TILE);
    }
}

#undef vector_type
#undef loose_type
#undef group_type
#undef ELEMENT
#undef VECTOR_BYTES
#undef TARGET
#undef STREAM
#undef NAME
