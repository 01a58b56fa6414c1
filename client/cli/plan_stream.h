/* The part of `kofn plan` that is about streams: options, and the plan itself (master/sim). */
#ifndef KOFN_CLI_PLAN_STREAM_H
#define KOFN_CLI_PLAN_STREAM_H

#include "client/cli/cli.h"
#include "master/sim/plan_stream.h"

typedef struct cli_plan_stream {
    kofn_stream_query query;
    const char *straggler; // the model; NULL: no stream is planned
    const char *other;     // an option that needs one, if there is any
} cli_plan_stream;

extern const struct argp cli_plan_stream_argp; // its input is a cli_plan_stream

/* Plan and print. seed, limit: 0 for the defaults. Returns the exit code. */
int cli_plan_stream_run(const cli_common *common, cli_plan_stream *stream, uint64_t workers,
                        uint64_t seed, uint64_t limit);

#endif
