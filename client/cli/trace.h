/* The trace of a stream as a file that straggler models read (common/code/straggler.h).
 *
 *     # idip P=4 T=3 N=4 W=4 mu=0.25: rounds 1 to 240, a line each; 1: a list that was late
 *     # 36 lists late in 240 rounds; 30 of them done after all, in 5.02 times tau: slowdown=5.02
 *     0 0 1 0
 *
 * Flags and no factors: how long a list would have taken that was taken back, nobody knows.
 */
#ifndef KOFN_CLI_TRACE_H
#define KOFN_CLI_TRACE_H

#include "client/kofn.h"

/* Of the last of so many `streams`: the file says so if there were others before, whose rounds
 * nobody has. FAILED_PRECONDITION: it has no round. RESOURCE_EXHAUSTED; and what a file comes
 * to. */
KOFN_MUST_CHECK kofn_status cli_trace_write(const char *path, const kofn_stream_account *account,
                                            const kofn_stream_trace *trace, size_t streams,
                                            kofn_error *err);

#endif
