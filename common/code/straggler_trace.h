/* Traces of stragglers: which worker was how slow in which round, from a file.
 *
 *     # P = 3                     a line a round, a column a worker; '#' begins a comment
 *     0 0 1                       of 0 and 1 alone: 1 is slow, by a factor that the caller says
 *     0 1 0
 *
 *     0.98 1 4.7                  any other word: factors, how many times as long as usual. Up to
 *     1.02 1 1                    1 is not slow; in such a file 1 is as fast as usual
 *
 * Threads    Any thread; a trace is const once it is read.
 */
#ifndef KOFN_CODE_STRAGGLER_TRACE_H
#define KOFN_CODE_STRAGGLER_TRACE_H

#include "common/base/status.h"

#include <stddef.h>

enum { KOFN_STRAGGLER_TRACE_BYTES_MAX = 64 << 20 }; // of a file: two million rounds of 16 workers

#define KOFN_STRAGGLER_SLOWDOWN_MAX 1e6

typedef struct kofn_straggler_trace {
    size_t rounds, workers;
    float *factors; // [rounds, workers], row-major; 1: not slow, else above 1
} kofn_straggler_trace;

/* `slowdown`: what a 1 stands for in a file of 0 and 1. NOT_FOUND and its like: the file cannot be
 * read. DATA_LOSS: it is no trace, with file, line and column. OUT_OF_RANGE: it is too long.
 * Ownership: kofn_straggler_trace_fini. */
KOFN_MUST_CHECK kofn_status kofn_straggler_trace_load(const char *path, double slowdown,
                                                      kofn_straggler_trace *ret_trace,
                                                      kofn_error *err);
void kofn_straggler_trace_fini(kofn_straggler_trace *trace); // accepts zeros

#endif
