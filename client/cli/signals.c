#include "client/cli/signals.h"

#include "client/cli/cli.h"

#include <signal.h>
#include <unistd.h>

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
cli_signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: waiting ends
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int
cli_signals_get(void)
{
    return signal_caught;
}
