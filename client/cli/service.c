/* kofn workers, codes, health: what the service has, knows, and whether it is well. */
#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TIMEOUT = 0x500 };

typedef struct arguments {
    cli_common common;
    int64_t timeout_ns;
} arguments;

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        return 0;
    case KEY_TIMEOUT:
        args->timeout_ns = cli_parse_duration(state, "--timeout", arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_connect_argp, 0, "Connection and output:", 80},
                                             {0}};

/* ---- workers --------------------------------------------------------------------------------- */

static const struct argp workers_argp = {
    .parser = parse,
    .doc =
        "List the master's workers.\vSLOWDOWN is a worker's time against the median worker's for "
        "the same work, SILENT the time since it was last heard.",
    .children = children,
};

static json_t *
json_of_workers(const kofn_worker_info *workers, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        (void)json_array_append_new(array, cli_json_of_worker(&workers[i]));
    return array;
}

int
cli_workers(int argc, char **argv)
{
    arguments args = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_worker_info *workers = NULL;
    size_t count = 0;
    cli_parse(&workers_argp, argc, argv, &args);
    if (cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    kofn_status status = kofn_client_list_workers(client, &workers, &count, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    int exit_code = CLI_OK;
    if (args.common.json)
        exit_code = cli_print_json(json_of_workers(workers, count));
    else
        cli_print_workers(workers, count);
    free(workers);
    return cli_finish(exit_code);
}

/* ---- codes ----------------------------------------------------------------------------------- */

static const struct argp codes_argp = {
    .parser = parse,
    .doc =
        "List code families with their parameters, and policies.\vThose of this program, or with "
        "--master those of a master.",
    .children = children,
};

int
cli_codes(int argc, char **argv)
{
    arguments args = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_code_list list = {0};
    cli_parse(&codes_argp, argc, argv, &args);
    if ((args.common.master || args.common.local) &&
        cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    kofn_status status = kofn_client_list_codes(client, &list, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    int exit_code = CLI_OK;
    if (args.common.json)
        exit_code = cli_print_json(cli_json_of_codes(&list));
    else
        cli_print_codes(&list);
    kofn_code_list_fini(&list);
    return cli_finish(exit_code);
}

/* ---- health ---------------------------------------------------------------------------------- */

static const struct argp_option health_options[] = {
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Time for the master to answer (default: as --patience)",
     1},
    {0},
};

static const struct argp health_argp = {
    .options = health_options,
    .parser = parse,
    .doc = "Ask the master whether it serves, and what is missing.\vExit code 0: it does, though "
           "it may "
           "have no room for new jobs now, and says why. 5: it does not, or it does not answer.",
    .children = children,
};

int
cli_health(int argc, char **argv)
{
    arguments args = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_health health;
    cli_parse(&health_argp, argc, argv, &args);
    if (cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    const int64_t timeout_ns = args.timeout_ns ? args.timeout_ns : args.common.patience_ns;
    kofn_status status =
        kofn_client_check(client, NULL, (timeout_ns + 999999) / 1000000, &health, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    const int answer = strcmp(health.status, "SERVING") == 0 ? CLI_OK : CLI_UNAVAILABLE;
    if (!args.common.json) {
        (void)cli_line(stdout, "%s%s%s", health.status, health.why[0] ? ": " : "", health.why);
        return cli_finish(answer);
    }
    const int printed = cli_print_json(cli_json_of_health(&health));
    return printed ? printed : answer;
}
