/* A stream of which nothing comes: for how long, and why, as far as its client can find out.
 *
 * Threads    The client's. A look asks the master, and waits a second for it at most where it is
 *            silent.
 */
#ifndef KOFN_CLI_QUIET_H
#define KOFN_CLI_QUIET_H

#include "client/cli/cli.h"

typedef struct cli_quiet {
    int64_t away_ns;            // how long to be without workers
    int64_t moved_ns;           // when something moved last
    int64_t looked_ns, idle_ns; // for why; since when no worker is there, 0: some is
    char why[320];              // nothing comes; "": it is not known
} cli_quiet;

/* Nothing for some seconds, though something is under way. `stream` may be NULL: there is none. */
bool cli_quiet_is(const cli_quiet *q, const kofn_stream *stream);

/* Look for the reason when it is time for that. UNAVAILABLE: for away_ns there were no workers. */
KOFN_MUST_CHECK kofn_status cli_quiet_look(cli_quiet *q, kofn_client *client,
                                           const kofn_stream *stream, kofn_error *err);

/* At the last look the master said nothing. */
bool cli_quiet_is_silent(const cli_quiet *q);

#endif
