/* kofn: the command line. A table of commands, each with a file of its own kind. */
#include "client/cli/cli.h"
#include "client/cli/signals.h"
#include "common/base/keys.h"
#include "common/base/options.h"
#include "common/linalg/blas.h"
#include "proto/link/link.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"multiply", cli_multiply, "Multiply two matrices and write the product"},
    {"outer", cli_outer, "Make the outer product of two matrices or more and write it"},
    {"batch", cli_batch, "Multiply a list of pairs in one job, or make their sum"},
    {"submit", cli_submit, "Hand a product over and print the job's id"},
    {"stream", cli_stream, "Multiply a list of pairs in rounds that stragglers hardly delay"},
    {"streams", cli_streams, "List streams"},
    {"wait", cli_wait, "Wait for a job and fetch its product"},
    {"watch", cli_watch, "Print every step of a job"},
    {"cancel", cli_cancel, "End a job"},
    {"jobs", cli_jobs, "List jobs"},
    {"status", cli_status, "Say how a job stands, or how the service does"},
    {"put", cli_put, "Store an operand for use in many products and print its id"},
    {"drop", cli_drop, "Have the master forget a stored operand"},
    {"operands", cli_operands, "List stored operands"},
    {"workers", cli_workers, "List workers: state, speed, silence"},
    {"codes", cli_codes, "List code families and their parameters"},
    {"plan", cli_plan, "Say which codes fit a product, and whether coding pays"},
    {"simulate", cli_simulate, "Run jobs through the scheduler in virtual time"},
    {"health", cli_health, "Ask whether the master serves"},
    {"encode", cli_encode, "Write coded tasks as files, to be multiplied anywhere"},
    {"decode", cli_decode, "Rebuild a product from files of answers"},
    {"algorithm", cli_algorithm, "Prove a file of a bilinear algorithm"},
    {"keygen", cli_keygen, "Make the keys of a client, worker, admin or master"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int
help(FILE *to)
{
    (void)fputs("Usage: kofn COMMAND [OPTION...]\n"
                "Multiply matrices on machines that may be slow, lost or lying.\n\n",
                to);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fputs(
        "\n`kofn COMMAND --help` says more. Data goes to standard output, talk to standard "
        "error;\n--json makes every command print JSON.\n\n"
        "Exit codes: 0 good; 2 usage or an input file, as the command sees by itself; 3 the job "
        "failed,\nor its product could not be written; 4 cancelled, interrupted, or the deadline "
        "came; 5 no master,\nor no workers left; 6 refused by the master, which alone could see "
        "it; 7 data loss.\n\n"
        "$KOFN_MASTER is the master's endpoint where --master is not given, $KOFN_ALGORITHMS the "
        "directory\nof algorithms where --algorithms is not. $KOFN_KEY and $KOFN_SERVER_KEY are "
        "the files "
        "of --identity and\n--server-key.\n",
        to);
    return to == stdout ? cli_finish(CLI_OK) : CLI_USAGE;
}

/* For the build, which makes the man page and completion of it. */
static int
describe(void)
{
    for (size_t i = 0; i < COMMANDS; i++)
        kofn_options_print(stdout, "command", commands[i].name, commands[i].help, NULL);
    return cli_finish(CLI_OK);
}

static int
fail_unknown(const char *name)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = kofn_nearest_name(name, names, COMMANDS);
    (void)fprintf(stderr, "kofn: there is no command '%s'%s%s%s See kofn --help\n", name,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : ".");
    return CLI_USAGE;
}

/* Will this process multiply, for a product or to see how fast it is? Asked before the command line
 * is parsed, since choosing a kernel starts the program anew. */
static bool
multiplies(char **argv)
{
    if (strcmp(argv[1], "plan") == 0)
        return true;
    for (size_t i = 1; argv[i]; i++)
        if (strncmp(argv[i], "--local", 7) == 0)
            return true;
    return false;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && multiplies(argv))
        kofn_blas_choose_kernel(argv);
    kofn_link_tune_malloc();
    cli_signals_catch();
    (void)signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of writing
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(stdout);
    if (kofn_options_wanted(argc, argv))
        return describe();
    if (strcmp(argv[1], "--version") == 0) {
        printf("kofn %s\n", kofn_client_version());
        return cli_finish(CLI_OK);
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        char name[32];
        (void)snprintf(name, sizeof name, "kofn %s", commands[i].name);
        argv[1] = name;
        return commands[i].run(argc - 1, argv + 1);
    }
    return fail_unknown(argv[1]);
}
