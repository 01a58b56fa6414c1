/* Progress of a job on standard error: one line that is written again and again on a terminal, one
 * line every 10 s in a log. Where Ctrl-C is noticed by those who wait (signals.h).
 */
#ifndef KOFN_CLI_PROGRESS_H
#define KOFN_CLI_PROGRESS_H

#include "client/cli/cli.h"

typedef struct cli_progress {
    const cli_common *common;
    bool terminal;
    bool drawn;                // a line stands on the terminal
    bool shown;                // called at all: a call was on its way
    int64_t start_ns, said_ns; // said: when the last line was written
    int64_t running_ns;        // when the first task went out; 0: not yet
    int64_t moved_ns;          // when the latest answer was heard of
    kofn_account account;      // as last heard
} cli_progress;

void cli_progress_init(cli_progress *progress, const cli_common *common);

/* A kofn_progress; context is a cli_progress. False after a signal. */
bool cli_progress_show(void *context, const kofn_account *account);

/* The same for a clean line of the caller's own: drawn, or where there is no terminal, said when it
 * is time, or at once for news. */
void cli_progress_say(cli_progress *progress, int64_t now_ns, bool news, const char *line);

/* Wipe the line, so that what follows has the terminal for itself. */
void cli_progress_end(cli_progress *progress);

/* "4f2a running: 6 sent, 3 of 4 answers, not decodable, 2.1/s, ETA 3s": with a real id, it just
 * fits a line of 80. "4f2a queued: no worker takes tasks; ..." where that is what it waits for. The
 * ETA is "-" while answers stay away for longer than they took so far. */
void cli_progress_format(const cli_progress *progress, int64_t now_ns, char *ret_text, size_t size);

#endif
