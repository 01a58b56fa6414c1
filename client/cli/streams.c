/* kofn streams: those that are open. */
#include "client/cli/cli.h"
#include "client/cli/report.h"

#include <stdlib.h>

static error_t
parse_streams(int key, char *arg, struct argp_state *state)
{
    cli_common *common = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = common;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (common->local)
            argp_error(state, "--local has no master that outlives this command");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child streams_children[] = {
    {&cli_connect_argp, 0, "Connection and output:", 80}, {0}};

static const struct argp streams_argp = {
    .parser = parse_streams,
    .doc = "List streams.\vJOBS is how many are under way now, WAITED how many rounds waited for "
           "stragglers, VACANT how many places have no worker.",
    .children = streams_children,
};

static json_t *
json_of_streams(const kofn_stream_account *streams, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        (void)json_array_append_new(array, cli_json_of_stream(&streams[i]));
    return array;
}

int
cli_streams(int argc, char **argv)
{
    cli_common common = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_stream_account *streams = NULL;
    size_t count = 0;
    cli_parse(&streams_argp, argc, argv, &common);
    if (cli_open(&common, &client, &error) != KOFN_OK)
        return cli_fail(&common, &error, CLI_USAGE);

    kofn_status status = kofn_client_list_streams(client, &streams, &count, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&common, &error, cli_exit_of(status));
    int exit_code = CLI_OK;
    if (common.json)
        exit_code = cli_print_json(json_of_streams(streams, count));
    else
        cli_print_streams(streams, count);
    free(streams);
    return cli_finish(exit_code);
}
