#include "client/cli/progress.h"

#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOG_EVERY_NS (10 * KOFN_NS_PER_S)
#define STUCK_NS     KOFN_NS_PER_S // the shortest silence that is one

enum { COLUMNS_DEFAULT = 80 };

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

/* Has it been quiet for longer than answers so far let expect? Then nobody knows the end. */
static bool
is_stuck(const cli_progress *progress, int64_t now_ns)
{
    const int64_t worked = progress->moved_ns - progress->running_ns;
    const int64_t expected = worked / (int64_t)progress->account.answers;
    const int64_t patience = expected > STUCK_NS / 2 ? 2 * expected : STUCK_NS;
    return now_ns - progress->moved_ns > patience;
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

    char eta[32] = "-";
    const double done = account->progress;
    if (done > 0 && !is_stuck(progress, now_ns))
        cli_format_seconds(seconds * (1 - done) / done, eta, sizeof eta);
    (void)snprintf(ret_text, size, ", %.3g/s%s%s", (double)account->answers / seconds,
                   done > 0 && done < 1 ? ", ETA " : "", done > 0 && done < 1 ? eta : "");
}

/* How near the error is to what the job accepts. */
static void
format_bound(const kofn_account *account, char *ret_text, size_t size)
{
    char reached[16];
    ret_text[0] = '\0';
    if (account->accept.kind != KOFN_ACCEPT_WITHIN || !(account->error_bound > 0))
        return;
    cli_format_bound(account->error_bound, reached, sizeof reached);
    (void)snprintf(ret_text, size, ", error at most %s (want %.0e)", reached,
                   account->accept.error);
}

/* NULL: it is heard of. */
static const char *
say_why_not(const kofn_account *account)
{
    if (account->state[0] == '\0')
        return "waiting for the master";
    if (strcmp(account->state, "away") == 0)
        return "master is away, trying again";
    if (strcmp(account->state, "put off") == 0)
        return "put off, trying again";
    return NULL;
}

void
cli_progress_format(const cli_progress *progress, int64_t now_ns, char *ret_text, size_t size)
{
    const kofn_account *account = &progress->account;
    char rate[80], bound[64];
    const char *why_not = say_why_not(account);
    if (why_not) {
        (void)snprintf(ret_text, size, "%s%s%s", why_not, account->message[0] ? ": " : "",
                       account->message);
    } else if (account->job[0] == '\0') {
        (void)snprintf(ret_text, size, "%s operands: %.0f%%", account->state,
                       100 * account->progress);
    } else if (account->tasks == 0) {
        const bool waits = account->status == KOFN_OK && account->message[0];
        (void)snprintf(ret_text, size, "%s %s%s%s", account->job, account->state, waits ? ": " : "",
                       waits ? account->message : "");
    } else if (account->status == KOFN_OK && account->message[0]) {
        (void)snprintf(ret_text, size, "%s %s, %" PRIu64 " of %" PRIu64 " answer%s: %s",
                       account->job, account->state, account->answers, account->enough,
                       cli_s(account->enough), account->message);
    } else {
        format_bound(account, bound, sizeof bound);
        format_rate(progress, now_ns, rate, sizeof rate);
        (void)snprintf(
            ret_text, size,
            "%s %s: %" PRIu64 " sent, %" PRIu64 " of %" PRIu64 " answer%s, %sdecodable%s%s",
            account->job, account->state, account->tasks_sent, account->answers, account->enough,
            cli_s(account->enough), account->decodable ? "" : "not ", bound, rate);
    }
    cli_clean(ret_text);
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
draw(cli_progress *progress, const char *line)
{
    const size_t columns = terminal_columns();
    (void)fprintf(stderr, "\r\033[K%.*s", (int)(columns > 1 ? columns - 1 : 1), line);
    progress->drawn = true;
}

void
cli_progress_say(cli_progress *progress, int64_t now_ns, bool news, const char *line)
{
    if (progress->common->quiet)
        return;
    if (progress->terminal) {
        draw(progress, line);
    } else if (news || now_ns - progress->said_ns >= LOG_EVERY_NS) {
        cli_say(progress->common, "%s", line);
        progress->said_ns = now_ns;
    }
}

bool
cli_progress_show(void *context, const kofn_account *account)
{
    cli_progress *progress = context;
    const int64_t now = kofn_clock_ns();
    if (account->answers != progress->account.answers)
        progress->moved_ns = now;
    const bool stopped = account->state[0] && say_why_not(account) &&
                         strcmp(account->state, progress->account.state) != 0;
    const bool waits = account->status == KOFN_OK && account->message[0] &&
                       !progress->account.message[0]; // for what nobody may bring
    progress->account = *account;
    progress->shown = true;
    if (progress->running_ns == 0 && account->tasks_sent > 0)
        progress->running_ns = now;

    char line[256];
    cli_progress_format(progress, now, line, sizeof line);
    cli_progress_say(progress, now, stopped || waits, line);
    return !cli_signals_get();
}

void
cli_progress_end(cli_progress *progress)
{
    if (progress->drawn)
        (void)fputs("\r\033[K", stderr);
    progress->drawn = false;
}
