/* Trace: which slots were late in the latest rounds of a stream, a bit each.
 *
 *     round t    row (t - 1) mod capacity, from round 1 on
 *     slot s     in it bit s mod 8 of byte s / 8
 *
 * Shapes     rows [capacity, row_bytes]; row_bytes = ceil(P / 8), and as many rows as fit.
 * Cost       32 KiB, whatever P is: 26 rounds of 10000 slots, 32768 of up to 8.
 * Threads    One at a time.
 */
#ifndef KOFN_MASTER_SCHED_TRACE_H
#define KOFN_MASTER_SCHED_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KOFN_TRACE_BYTES_MAX = 32 << 10 };

typedef struct kofn_trace {
    size_t row_bytes, capacity;
    uint64_t rounds; // so far; of these the latest `capacity` are kept
    unsigned char *rows;
} kofn_trace;

bool kofn_trace_init(kofn_trace *trace, size_t slots); // false: no memory
void kofn_trace_fini(kofn_trace *trace);               // accepts zeros

/* A further round has ended; nobody was late, until it is marked. */
void kofn_trace_add(kofn_trace *trace);
void kofn_trace_mark(kofn_trace *trace, size_t slot);

/* Of rounds, the latest: so many are kept. */
size_t kofn_trace_count(const kofn_trace *trace);

/* ret_rows [kofn_trace_count, row_bytes], the oldest first. */
void kofn_trace_copy(const kofn_trace *trace, unsigned char *ret_rows);

#endif
