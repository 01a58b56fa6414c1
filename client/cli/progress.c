#include "client/cli/progress.h"

#include "client/cli/report.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOG_EVERY_NS (10 * KOFN_NS_PER_S)

enum { COLUMNS_DEFAULT = 80 };

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t signal_caught;

static void
on_signal(int number)
{
    if (signal_caught)
        _exit(CLI_CANCELLED);
    signal_caught = number;
}

void
cli_progress_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: waiting ends
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int
cli_progress_get_signal(void)
{
    return signal_caught;
}

void
cli_progress_init(cli_progress *progress, const cli_common *common)
{
    *progress = (cli_progress){
        .common = common,
        .terminal = isatty(STDERR_FILENO) == 1,
        .start_ns = kofn_clock_ns(),
        .said_ns = kofn_clock_ns(),
    };
}

/* Both need a beginning: what was done in which time. */
static void
format_rate(const cli_progress *progress, int64_t now_ns, char *ret_text, size_t size)
{
    const kofn_account *account = &progress->account;
    const double seconds = (double)(now_ns - progress->running_ns) / 1e9;
    ret_text[0] = '\0';
    if (progress->running_ns == 0 || account->answers == 0 || seconds <= 0)
        return;

    char eta[32];
    const double done = account->progress;
    cli_format_seconds(seconds * (1 - done) / (done > 0 ? done : 1), eta, sizeof eta);
    (void)snprintf(ret_text, size, ", %.3g/s%s%s", (double)account->answers / seconds,
                   done > 0 && done < 1 ? ", ETA " : "", done > 0 && done < 1 ? eta : "");
}

void
cli_progress_format(const cli_progress *progress, int64_t now_ns, char *ret_text, size_t size)
{
    const kofn_account *account = &progress->account;
    char rate[80];
    if (account->state[0] == '\0') {
        (void)snprintf(ret_text, size, "waiting for the master");
    } else if (account->job[0] == '\0') {
        (void)snprintf(ret_text, size, "%s operands: %.0f%%", account->state,
                       100 * account->progress);
    } else if (account->tasks == 0) {
        (void)snprintf(ret_text, size, "%s %s", account->job, account->state);
    } else {
        format_rate(progress, now_ns, rate, sizeof rate);
        (void)snprintf(ret_text, size,
                       "%s %s: %" PRIu64 " sent, %" PRIu64 " of %" PRIu64 " answers, %sdecodable%s",
                       account->job, account->state, account->tasks_sent, account->answers,
                       account->threshold, account->decodable ? "" : "not ", rate);
    }
}

static size_t
terminal_columns(void)
{
    struct winsize window = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
        return COLUMNS_DEFAULT;
    return window.ws_col;
}

static void
draw(cli_progress *progress, int64_t now_ns)
{
    char line[256];
    cli_progress_format(progress, now_ns, line, sizeof line);
    const size_t columns = terminal_columns();
    (void)fprintf(stderr, "\r\033[K%.*s", (int)(columns > 1 ? columns - 1 : 1), line);
    progress->drawn = true;
}

bool
cli_progress_show(void *context, const kofn_account *account)
{
    cli_progress *progress = context;
    const int64_t now = kofn_clock_ns();
    progress->account = *account;
    if (progress->running_ns == 0 && account->tasks_sent > 0)
        progress->running_ns = now;

    if (progress->common->quiet)
        return !signal_caught;
    if (progress->terminal) {
        draw(progress, now);
    } else if (now - progress->said_ns >= LOG_EVERY_NS) {
        char line[256];
        cli_progress_format(progress, now, line, sizeof line);
        cli_say(progress->common, "%s", line);
        progress->said_ns = now;
    }
    return !signal_caught;
}

void
cli_progress_end(cli_progress *progress)
{
    if (progress->drawn)
        (void)fputs("\r\033[K", stderr);
    progress->drawn = false;
}
