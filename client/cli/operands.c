/* kofn put, drop, operands: matrices that the master keeps for many products. */
#include "client/cli/cli.h"
#include "client/cli/product.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TIMEOUT = 0x700, KEY_KEY };

typedef struct arguments {
    cli_common common;
    const char *name; // put: the file; drop: the operand
    const char *key;
    int64_t timeout_ns;
    const char *wants; // what `name` must be; NULL: nothing
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
    case KEY_KEY:
        args->key = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (args->name || !args->wants)
            argp_error(state, "'%s' is one argument too many", arg);
        args->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (args->wants && !args->name)
            argp_error(state, "say which %s", args->wants);
        if (args->common.local)
            argp_error(state, "--local has no master that outlives this command");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_connect_argp, 0, "Connection and output:", 80},
                                             {0}};

/* ---- put ------------------------------------------------------------------------------------- */

static const struct argp_option put_options[] = {
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Give the upload up after this time, like 30s or 5min", 1},
    {"key", KEY_KEY, "TEXT", 0, "Idempotency key: the same one means the same operand", 1},
    {0},
};

static const struct argp put_argp = {
    .options = put_options,
    .parser = parse,
    .args_doc = "A.npy",
    .doc =
        "Store a matrix with the master and print its id.\vA .mtx file is made dense. `kofn "
        "multiply @ID B.npy -o C.npy` names it, as often as one likes, and the master keeps what "
        "it encoded of it. It is kept until `kofn drop ID`, or until nobody used it for the "
        "master's limits.keep_operands.",
    .children = children,
};

static int
put(const arguments *args, kofn_client *client, const kofn_matrix *matrix)
{
    cli_progress progress;
    kofn_error error;
    char id[KOFN_CLIENT_JOB_MAX];
    cli_progress_init(&progress, &args->common);
    const kofn_put_options options = {.timeout_ms = (args->timeout_ns + 999999) / 1000000,
                                      .key = args->key,
                                      .progress = cli_progress_show,
                                      .context = &progress};
    kofn_status status = kofn_client_put(client, matrix, &options, id, &error);
    cli_progress_end(&progress);
    if (status != KOFN_OK)
        return cli_fail(&args->common, &error, cli_exit_of(status));
    if (args->common.json)
        return cli_print_json(json_pack("{s:s}", "operand", id));
    (void)puts(id);
    return cli_finish(CLI_OK);
}

int
cli_put(int argc, char **argv)
{
    arguments args = {.common.insists = true, .wants = "file: A.npy"};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_npy npy = {0};
    cli_parse(&put_argp, argc, argv, &args);
    kofn_status status = cli_dense_read(args.name, &npy, &error);
    if (status == KOFN_OK)
        status = cli_open(&args.common, &client, &error);
    const kofn_matrix matrix = {.data = npy.mat.data,
                                .dtype = npy.mat.dtype,
                                .rows = npy.mat.rows,
                                .cols = npy.mat.cols,
                                .stride = npy.mat.stride,
                                .transposed = npy.transposed};
    const int exit_code =
        status == KOFN_OK ? put(&args, client, &matrix) : cli_fail(&args.common, &error, CLI_USAGE);
    kofn_client_close(&client);
    kofn_mat_fini(&npy.mat);
    return exit_code;
}

/* ---- drop ------------------------------------------------------------------------------------ */

static const struct argp drop_argp = {
    .parser = parse,
    .args_doc = "ID",
    .doc =
        "Have the master forget a stored operand.\vJobs that use it go on; it goes when the last "
        "of them has ended.",
    .children = children,
};

int
cli_drop(int argc, char **argv)
{
    arguments args = {.wants = "operand; `kofn operands` lists them"};
    kofn_client *client = NULL;
    kofn_error error;
    cli_parse(&drop_argp, argc, argv, &args);
    if (cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    const char *id = args.name + (args.name[0] == '@'); // as multiply names it
    kofn_status status = kofn_client_drop(client, id, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    return args.common.json ? cli_print_json(json_pack("{s:s}", "operand", id)) : CLI_OK;
}

/* ---- operands -------------------------------------------------------------------------------- */

static const struct argp operands_argp = {
    .parser = parse,
    .doc = "List stored operands.\vCODED is what the master keeps of their encoding, JOBS how many "
           "use them now, UNUSED the time since one did.",
    .children = children,
};

static json_t *
json_of_operands(const kofn_operand_info *operands, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        (void)json_array_append_new(array, cli_json_of_operand(&operands[i]));
    return array;
}

int
cli_operands(int argc, char **argv)
{
    arguments args = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_operand_info *operands = NULL;
    size_t count = 0;
    cli_parse(&operands_argp, argc, argv, &args);
    if (cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    kofn_status status = kofn_client_list_operands(client, &operands, &count, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    int exit_code = CLI_OK;
    if (args.common.json)
        exit_code = cli_print_json(json_of_operands(operands, count));
    else
        cli_print_operands(operands, count);
    free(operands);
    return cli_finish(exit_code);
}
