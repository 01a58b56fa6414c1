#include "master/sched/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool
kofn_trace_init(kofn_trace *trace, size_t slots)
{
    const size_t row_bytes = (slots + 7) / 8;
    assert(slots > 0 && row_bytes <= KOFN_TRACE_BYTES_MAX);
    *trace = (kofn_trace){
        .row_bytes = row_bytes,
        .capacity = KOFN_TRACE_BYTES_MAX / row_bytes,
        .rows = malloc(KOFN_TRACE_BYTES_MAX), // rows are cleared one by one
    };
    return trace->rows;
}

void
kofn_trace_fini(kofn_trace *trace)
{
    free(trace->rows);
    *trace = (kofn_trace){0};
}

static unsigned char *
row_of(const kofn_trace *trace, uint64_t round)
{
    assert(round >= 1 && round <= trace->rounds && trace->rounds - round < trace->capacity);
    return trace->rows + (round - 1) % trace->capacity * trace->row_bytes;
}

void
kofn_trace_add(kofn_trace *trace)
{
    trace->rounds++;
    memset(row_of(trace, trace->rounds), 0, trace->row_bytes);
}

void
kofn_trace_mark(kofn_trace *trace, size_t slot)
{
    row_of(trace, trace->rounds)[slot / 8] |= (unsigned char)(1U << slot % 8);
}

size_t
kofn_trace_count(const kofn_trace *trace)
{
    return trace->rounds < trace->capacity ? (size_t)trace->rounds : trace->capacity;
}

void
kofn_trace_copy(const kofn_trace *trace, unsigned char *ret_rows)
{
    const size_t count = kofn_trace_count(trace);
    for (size_t i = 0; i < count; i++)
        memcpy(ret_rows + i * trace->row_bytes, row_of(trace, trace->rounds - count + 1 + i),
               trace->row_bytes);
}
