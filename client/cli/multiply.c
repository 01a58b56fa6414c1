/* kofn multiply, kofn outer, kofn submit: files to the master, and the product back into one. */
#include "client/cli/cli.h"
#include "client/cli/output.h"
#include "client/cli/product.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/sketch.h"
#include "client/cli/terms.h"
#include "client/cli/text.h"
#include "common/linalg/integers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SUBMIT = 0x300, KEY_COMPLEX };

typedef struct arguments {
    cli_common common;
    cli_product product;
    cli_terms terms;
    cli_sketch sketch;  // not of outer
    const char *output; // multiply
    bool wants_output, submits;
} arguments;

static void
check_sketch(const arguments *args, struct argp_state *state)
{
    for (size_t i = 0; i < args->product.count && cli_sketch_is_asked(&args->sketch); i++)
        if (cli_product_is_stored(&args->product, i))
            argp_error(state,
                       "%s: a sketch is drawn before anything is sent; give a file, or leave "
                       "--approx and --samples out",
                       args->product.path[i]);
}

static error_t
parse_multiply(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->product;
        state->child_inputs[1] = &args->terms;
        state->child_inputs[2] = &args->common;
        if (!args->product.outer)
            state->child_inputs[3] = &args->sketch;
        return 0;
    case 'o':
        args->output = cli_parse_output(state, arg);
        return 0;
    case KEY_COMPLEX:
        args->product.complex_method = arg;
        return 0;
    case KEY_SUBMIT:
        args->submits = true;
        args->wants_output = false;
        return 0;
    case ARGP_KEY_END:
        check_sketch(args, state);
        if (args->submits && args->output)
            argp_error(state, "a job that is handed over has no output yet: `kofn wait JOB -o` "
                              "fetches it");
        if (args->submits && args->common.local)
            argp_error(state, "--local has no master that outlives this command: leave --submit "
                              "out");
        if (args->wants_output && !args->output)
            argp_error(state, "say where the product goes: -o C.npy");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

#define COMPLEX_OPTION                                                                             \
    {                                                                                              \
        "complex", KEY_COMPLEX, "HOW", 0,                                                          \
            "Complex operands (c8, c16 files; c64, c128 in messages) as real products: 3m, three " \
            "for each product of blocks; 4m, four, which keep the digits of Re C and of Im C; "    \
            "plain, one of twice the size, for any code (default: 3m)",                            \
            1                                                                                      \
    }

static const struct argp_option multiply_options[] = {
    {"output", 'o', "C.npy", 0, "Where the product goes", 1},
    COMPLEX_OPTION,
    {0},
};

static const struct argp_option submit_options[] = {COMPLEX_OPTION, {0}};

static const struct argp_option outer_options[] = {
    {"output", 'o', "C.npy", 0, "Where the product goes", 1},
    {"submit", KEY_SUBMIT, NULL, 0, "Hand it over and print the job's id, as kofn submit does", 1},
    {0},
};

static const struct argp_child children[] = {{&cli_product_argp, 0, NULL, 0},
                                             {&cli_terms_argp, 0, NULL, 0},
                                             {&cli_connect_argp, 0, "Connection and output:", 80},
                                             {&cli_sketch_argp, 0, NULL, 0},
                                             {0}};

static const struct argp multiply_argp = {
    .options = multiply_options,
    .parser = parse_multiply,
    .args_doc = "A.npy|@ID B.npy|@ID -o C.npy",
    .doc = "Multiply two matrices on the master's workers.\vFiles may be .mtx as well, sparse "
           "ones; products of their blocks that are zero are left out. @ID is an operand that "
           "`kofn put` stored (a file of such a name is ./@ID). With --json the product's account "
           "goes to "
           "standard output: status, code, tasks, answers used, seconds, error. Ctrl-C cancels the "
           "job.",
    .children = children,
};

static const struct argp_child outer_children[] = {
    {&cli_outer_argp, 0, NULL, 0},
    {&cli_terms_argp, 0, NULL, 0},
    {&cli_connect_argp, 0, "Connection and output:", 80},
    {0}};

static const struct argp outer_argp = {
    .options = outer_options,
    .parser = parse_multiply,
    .args_doc = "A1.npy|@ID A2.npy|@ID ... -o C.npy|--submit",
    .doc =
        "Make the outer (Kronecker) product of two to eight matrices on the master's workers: "
        "every element of one times every element of the others.\v@ID is an operand that `kofn "
        "put` "
        "stored. Rows and columns of C count like digits, the last operand's fastest. With --json "
        "the product's account goes to standard output. Ctrl-C cancels the job.",
    .children = outer_children,
};

static const struct argp submit_argp = {
    .options = submit_options,
    .parser = parse_multiply,
    .args_doc = "A.npy|@ID B.npy|@ID",
    .doc =
        "Hand a product over to the master and print the job's id.\vIt runs on without this "
        "command: `kofn wait JOB -o C.npy` fetches it. A master that has no room, or is away for a "
        "moment, is asked again until --timeout.",
    .children = children,
};

/* A product that has no place to go is better known before an hour of work. */
static kofn_status
check_output(const arguments *args, int *exit_code, kofn_error *err)
{
    const kofn_shape shape = cli_product_get_shape(&args->product);
    if (!args->output)
        return KOFN_OK;
    const kofn_dtype dtype = kofn_integers_get_product_dtype(args->product.npy[0].mat.dtype);
    kofn_status status = cli_output_check(args->output, dtype, shape.rows, shape.cols, err);
    if (status != KOFN_OK)
        *exit_code = CLI_FAILED;
    return status;
}

static int
report(const arguments *args, kofn_result *result)
{
    const kofn_account *account = kofn_result_get_account(result);
    kofn_error error;
    if (kofn_result_write_npy(result, args->output, &error) != KOFN_OK)
        return cli_fail(&args->common, &error, CLI_FAILED);

    cli_say_product(&args->common, args->output, account);
    return args->common.json ? cli_print_json(cli_json_of_account(account)) : CLI_OK;
}

static void
list_operands(const arguments *args, kofn_matrix ret[KOFN_CLIENT_OPERANDS_MAX])
{
    for (size_t i = 0; i < args->product.count; i++)
        ret[i] = cli_product_get_matrix(&args->product, i);
}

static kofn_product_options
get_options(const arguments *args, cli_progress *progress)
{
    kofn_product_options options = cli_terms_get_options(&args->terms, &args->product, progress);
    cli_sketch_set_options(&args->sketch, &options);
    return options;
}

/* A sketch is drawn before anything is sent: what is wrong with its operands is so in their
 * files. */
static bool
is_own_fault(const arguments *args, const cli_progress *progress)
{
    return cli_sketch_is_asked(&args->sketch) && !progress->shown;
}

static int
multiply(const arguments *args, kofn_client *client)
{
    cli_progress progress;
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix operands[KOFN_CLIENT_OPERANDS_MAX];
    list_operands(args, operands);

    cli_progress_init(&progress, &args->common);
    const kofn_product_options options = get_options(args, &progress);
    kofn_status status =
        args->product.outer
            ? kofn_client_outer(client, operands, args->product.count, &options, &result, &error)
            : kofn_client_multiply(client, &operands[0], &operands[1], &options, &result, &error);
    cli_progress_end(&progress);
    const char *job = progress.account.job; // "": it was not accepted
    if (status != KOFN_OK && is_own_fault(args, &progress))
        return cli_fail(&args->common, &error, cli_exit_of_own(status));
    if (status != KOFN_OK)
        return cli_fail_job(&args->common, client, job, &error,
                            job[0] ? cli_exit_of_job(status) : cli_exit_of(status));
    const int exit_code = report(args, result);
    kofn_result_destroy(&result);
    return exit_code;
}

static int
submit(const arguments *args, kofn_client *client)
{
    cli_progress progress;
    kofn_error error;
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_matrix operands[KOFN_CLIENT_OPERANDS_MAX];
    list_operands(args, operands);

    cli_progress_init(&progress, &args->common);
    const kofn_product_options options = get_options(args, &progress);
    kofn_status status =
        args->product.outer
            ? kofn_client_submit_outer(client, operands, args->product.count, &options, job, &error)
            : kofn_client_submit(client, &operands[0], &operands[1], &options, job, &error);
    cli_progress_end(&progress);
    if (status != KOFN_OK && is_own_fault(args, &progress))
        return cli_fail(&args->common, &error, cli_exit_of_own(status));
    return cli_print_submitted(&args->common, status, job, &error);
}

static int
run(arguments *args, int (*act)(const arguments *args, kofn_client *client))
{
    kofn_error error;
    kofn_client *client = NULL;
    int exit_code = CLI_USAGE; // whatever is wrong before anything was sent
    bool stored = false;
    for (size_t i = 0; i < args->product.count; i++)
        stored |= cli_product_is_stored(&args->product, i);
    if (cli_sketch_is_asked(&args->sketch)) {
        args->product.sketched = true;
        args->product.takes_sparse = false; // its files are made dense
    }
    kofn_status status = cli_product_read(&args->product, &error);
    if (status == KOFN_OK && !stored)
        status = check_output(args, &exit_code, &error);
    if (status == KOFN_OK)
        status = cli_open(&args->common, &client, &error);
    if (status == KOFN_OK && stored) { // the shapes are with the master
        status = cli_product_find(&args->product, client, &error);
        exit_code = cli_exit_of(status);
        if (status == KOFN_OK)
            status = check_output(args, &exit_code, &error);
    }
    if (status == KOFN_OK)
        exit_code = act(args, client);
    else
        (void)cli_fail(&args->common, &error, exit_code);
    kofn_client_close(&client);
    cli_product_fini(&args->product);
    return exit_code;
}

int
cli_multiply(int argc, char **argv)
{
    arguments args = {.common.insists = true,
                      .wants_output = true,
                      .product = {.takes_sparse = true, .takes_complex = true}};
    cli_parse(&multiply_argp, argc, argv, &args);
    return run(&args, multiply);
}

int
cli_outer(int argc, char **argv)
{
    arguments args = {.common.insists = true, .wants_output = true, .product = {.outer = true}};
    cli_parse(&outer_argp, argc, argv, &args);
    return run(&args, args.submits ? submit : multiply);
}

int
cli_submit(int argc, char **argv)
{
    arguments args = {.common.insists = true,
                      .product = {.takes_sparse = true, .takes_complex = true}};
    cli_parse(&submit_argp, argc, argv, &args);
    if (args.common.local) {
        (void)fprintf(stderr, "kofn submit: --local has no master that outlives this command; use "
                              "`kofn multiply --local`\n");
        return CLI_USAGE;
    }
    return run(&args, submit);
}
