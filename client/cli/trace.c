#include "client/cli/trace.h"

#include "client/cli/output.h"
#include "client/cli/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
print_facts(FILE *file, const kofn_stream_account *account, const kofn_stream_trace *trace,
            size_t streams)
{
    char scheme[128];
    cli_format_scheme(account, scheme, sizeof scheme);
    (void)fprintf(file,
                  "# %s: rounds %" PRIu64 " to %" PRIu64 ", a line each; 1: a list that was late\n",
                  scheme, trace->first, account->rounds);
    (void)fprintf(file, "# %" PRIu64 " lists late in %" PRIu64 " rounds", account->late,
                  account->rounds);
    if (account->timed > 0)
        (void)fprintf(file,
                      "; %" PRIu64 " of them done after all, in %.3g times tau: slowdown=%.3g",
                      account->timed, account->slowdown, account->slowdown);
    else if (account->late > 0)
        (void)fputs("; all were taken back, so their slowdown is not known", file);
    if (streams > 1)
        (void)fprintf(file, "\n# of the last of %zu streams; the rounds before it are lost",
                      streams);
}

static void
print_rows(FILE *file, const kofn_stream_trace *trace)
{
    for (size_t i = 0; i < trace->rounds * trace->slots; i++) {
        (void)fputc(i % trace->slots == 0 ? '\n' : ' ', file);
        (void)fputc(trace->late[i] ? '1' : '0', file);
    }
}

kofn_status
cli_trace_write(const char *path, const kofn_stream_account *account,
                const kofn_stream_trace *trace, size_t streams, kofn_error *err)
{
    if (trace->rounds == 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "no round has ended, so there is no trace for %s", path);
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    if (file) {
        print_facts(file, account, trace, streams);
        print_rows(file, trace);
    }
    const bool whole = file && ferror(file) == 0;
    kofn_status status =
        (file && fclose(file) != 0) || !whole
            ? kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the trace of a stream")
            : cli_text_write(path, text, err);
    free(text);
    return status;
}
