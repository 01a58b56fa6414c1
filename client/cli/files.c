/* kofn encode, kofn decode: coded multiplication by files, for those with machines of their own. */
#include "client/cli/cli.h"
#include "client/cli/folder.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "client/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_WORKERS = 0x600, KEY_BEST, KEY_ALGORITHMS, WORKERS_DEFAULT = 4 };

typedef struct arguments {
    cli_common common;
    cli_product product; // encode
    const char *folder;
    const char *output; // decode
    const char *algorithms;
    cli_decode_aim aim;
    int64_t workers;
} arguments;

/* ---- encode ---------------------------------------------------------------------------------- */

static error_t
parse_encode(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->product;
        state->child_inputs[1] = &args->common;
        return 0;
    case 'd':
        args->folder = arg;
        return 0;
    case KEY_ALGORITHMS:
        args->algorithms = arg;
        return 0;
    case KEY_WORKERS:
        args->workers = cli_parse_number(state, "--workers", arg, 1, KOFN_TASKS_MAX);
        return 0;
    case ARGP_KEY_END:
        if (!args->folder)
            argp_error(state, "say where the tasks go: -d DIR");
        if (cli_product_is_stored(&args->product, 0) || cli_product_is_stored(&args->product, 1))
            argp_error(state, "@ID is with a master, and this works without: want files");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

#define ALGORITHMS_OPTION                                                                          \
    {                                                                                              \
        "algorithms", KEY_ALGORITHMS, "DIR", 0,                                                    \
            "Directory of bilinear algorithms beside those that ship (default: "                   \
            "$KOFN_ALGORITHMS)",                                                                   \
            10                                                                                     \
    }

static const struct argp_option encode_options[] = {
    {"directory", 'd', "DIR", 0, "Where the tasks go; made if it is not there", 1},
    {"workers", KEY_WORKERS, "P", 0,
     "How many machines will multiply, for what is left open of the code (default: 4)", 10},
    ALGORITHMS_OPTION,
    {0},
};

static const struct argp_child encode_children[] = {
    {&cli_product_argp, 0, NULL, 0}, {&cli_common_argp, 0, "Output:", 80}, {0}};

static const struct argp encode_argp = {
    .options = encode_options,
    .parser = parse_encode,
    .args_doc = "A.npy B.npy -d DIR",
    .doc =
        "Write each coded task as a pair of files NNN.a.npy, NNN.b.npy.\vWhoever likes multiplies "
        "the pairs, a times b, anywhere, and puts NNN.c.npy beside them; `kofn decode` rebuilds "
        "the product as soon as enough are there.",
    .children = encode_children,
};

static int
report_encoded(const arguments *args, const cli_encoded *encoded)
{
    kofn_code_choice code;
    char text[96];
    kofn_choice_from_spec(&encoded->manifest.spec, &code);
    cli_format_code(&code, text, sizeof text);
    cli_say(&args->common, "%s: %zu task%s by %s; %s %zu answer%s of %zu x %zu suffice%s",
            args->folder, encoded->manifest.spec.tasks, cli_s(encoded->manifest.spec.tasks), text,
            encoded->likely ? "most sets of" : "any", encoded->enough, cli_s(encoded->enough),
            encoded->part.rows, encoded->part.cols, encoded->enough == 1 ? "s" : "");
    if (!args->common.json)
        return CLI_OK;

    json_t *object = cli_json_of_code(&code);
    json_t *more = json_pack(
        "{s:s, s:s, s:I, s:I, s:[I,I], s:{s:f, s:f}}", "status", "OK", "directory", args->folder,
        "threshold", (json_int_t)encoded->threshold, "enough", (json_int_t)encoded->enough,
        "answer", (json_int_t)encoded->part.rows, (json_int_t)encoded->part.cols, "seconds",
        "encode", encoded->seconds.code, "write", encoded->seconds.write);
    (void)json_object_update(object, more); // fails without memory, and so does what follows
    json_decref(more);
    return cli_print_json(object);
}

int
cli_encode(int argc, char **argv)
{
    arguments args = {.workers = WORKERS_DEFAULT};
    kofn_error error;
    cli_encoded encoded;
    cli_parse(&encode_argp, argc, argv, &args);

    int exit_code = CLI_USAGE;
    kofn_status status = cli_product_read(&args.product, &error);
    if (status == KOFN_OK) {
        status = cli_folder_encode(args.folder, &args.product, args.algorithms,
                                   (size_t)args.workers, &encoded, &error);
        exit_code = cli_exit_of_own(status);
    }
    exit_code = status == KOFN_OK ? report_encoded(&args, &encoded)
                                  : cli_fail(&args.common, &error, exit_code);
    cli_product_fini(&args.product);
    return exit_code;
}

/* ---- decode ---------------------------------------------------------------------------------- */

static error_t
parse_decode(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        return 0;
    case 'd':
        args->folder = arg;
        return 0;
    case 'o':
        args->output = cli_parse_output(state, arg);
        return 0;
    case KEY_ALGORITHMS:
        args->algorithms = arg;
        return 0;
    case KEY_BEST:
        args->aim = CLI_DECODE_BEST;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (!args->folder || !args->output)
            argp_error(state, "want -d DIR and -o C.npy");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option decode_options[] = {
    {"directory", 'd', "DIR", 0, "Where `kofn encode` wrote the tasks", 1},
    {"output", 'o', "C.npy", 0, "Where the product goes", 1},
    {"best", KEY_BEST, NULL, 0,
     "Do with the answers that there are: when they do not suffice, write the best estimate of the "
     "product and say how far off it is at most",
     1},
    ALGORITHMS_OPTION,
    {0},
};

static const struct argp_child decode_children[] = {{&cli_common_argp, 0, "Output:", 80}, {0}};

static const struct argp decode_argp = {
    .options = decode_options,
    .parser = parse_decode,
    .args_doc = "-d DIR -o C.npy",
    .doc =
        "Rebuild a product from the answers NNN.c.npy in a folder.\vWhen they do not suffice yet, "
        "the exit code is 3 and the numbers of tasks that would do go to standard output. An "
        "answer that cannot be read or has the wrong shape counts as missing. Errors are relative: "
        "a "
        "bound to |A| |B| in Frobenius norms, which holds for all matrices, and with an answer to "
        "spare an estimate, to |C|, of what it is for these.",
    .children = decode_children,
};

static json_t *
json_of_tasks(const cli_decoded *decoded)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < decoded->wanted_count; i++)
        (void)json_array_append_new(array, json_integer((json_int_t)decoded->wanted[i]));
    return array;
}

static json_t *
json_of_refused(const cli_decoded *decoded)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < decoded->refused_count; i++)
        (void)json_array_append_new(array, json_pack("{s:I, s:s}", "task",
                                                     (json_int_t)decoded->refused[i].task,
                                                     "message", decoded->refused[i].error.text));
    return array;
}

static const char *
error_kind(const cli_decoded *decoded)
{
    if (decoded->estimate)
        return "estimate";
    return decoded->error_bound > 0 ? "rounding" : "exact";
}

/* JSON knows no infinity. */
static json_t *
json_of_bound(double bound)
{
    return isfinite(bound) ? json_real(bound) : json_null();
}

/* What is said of the product only where there is one. */
static json_t *
json_of_decoded(const cli_decoded *decoded, const kofn_error *error)
{
    kofn_code_choice code;
    kofn_choice_from_spec(&decoded->manifest.spec, &code);
    json_t *object = cli_json_of_code(&code);
    json_t *more = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:{s:f, s:f, s:f}}", "status",
        kofn_status_name(error->status), "message", error->status == KOFN_OK ? "" : error->text,
        "threshold", (json_int_t)decoded->threshold, "answers", (json_int_t)decoded->answers,
        "answers_used", (json_int_t)decoded->used, "wanted", json_of_tasks(decoded), "refused",
        json_of_refused(decoded), "seconds", "read", decoded->seconds.read, "decode",
        decoded->seconds.code, "write", decoded->seconds.write);
    (void)json_object_update(object, more);
    json_decref(more);
    if (!decoded->decoded)
        return object;
    more = json_pack("{s:{s:s, s:o, s:f}, s:f, s:f, s:f, s:b}", "error", "kind",
                     error_kind(decoded), "bound", json_of_bound(decoded->error_bound), "estimate",
                     decoded->error_estimate, "condition", decoded->quality.condition,
                     "amplification", decoded->quality.amplification, "residual",
                     decoded->quality.residual, "nonfinite", decoded->nonfinite);
    (void)json_object_update(object, more);
    json_decref(more);
    return object;
}

static int
exit_of_decode(const cli_decoded *decoded, kofn_status status)
{
    const bool not_yet = status == KOFN_FAILED_PRECONDITION;
    return decoded->no_output || not_yet ? CLI_FAILED : cli_exit_of_own(status);
}

static void
say_decoded(const arguments *args, const cli_decoded *decoded, const kofn_error *error)
{
    for (size_t i = 0; i < decoded->refused_count; i++)
        (void)cli_line(stderr, "kofn: not used: %s", decoded->refused[i].error.text);
    if (error->status != KOFN_OK) {
        (void)cli_line(stderr, "kofn: %s", error->text);
        return;
    }
    char shape[96], known[CLI_QUALITY_MAX];
    const kofn_shape *c = &decoded->manifest.shape;
    const cli_quality quality = {.nonfinite = decoded->nonfinite,
                                 .estimate = decoded->estimate,
                                 .used = decoded->used,
                                 .threshold = decoded->threshold,
                                 .error_bound = decoded->error_bound,
                                 .error_estimate = decoded->error_estimate,
                                 .condition = decoded->quality.condition,
                                 .amplification = decoded->quality.amplification};
    cli_format_shape(c->rows, c->inner, c->cols, shape, sizeof shape);
    cli_format_quality(&quality, known, sizeof known);
    if (decoded->estimate)
        cli_say(&args->common, "%s: %s; %s", args->output, shape, known);
    else
        cli_say(&args->common, "%s: %s from %zu answer%s, condition %.3g; %s", args->output, shape,
                decoded->used, cli_s(decoded->used), decoded->quality.condition, known);
}

int
cli_decode(int argc, char **argv)
{
    arguments args = {0};
    cli_decoded decoded;
    kofn_error error = {.status = KOFN_OK};
    cli_parse(&decode_argp, argc, argv, &args);

    kofn_status status =
        cli_folder_decode(args.folder, args.output, args.algorithms, args.aim, &decoded, &error);
    int exit_code = exit_of_decode(&decoded, status);
    if (decoded.threshold == 0) // not even a manifest
        return cli_fail(&args.common, &error, exit_code);
    say_decoded(&args, &decoded, &error);
    if (args.common.json) {
        const int printed = cli_print_json(json_of_decoded(&decoded, &error));
        exit_code = exit_code ? exit_code : printed;
    } else {
        for (size_t i = 0; i < decoded.wanted_count; i++)
            printf("%03zu\n", decoded.wanted[i]);
        exit_code = cli_finish(exit_code);
    }
    cli_decoded_fini(&decoded);
    return exit_code;
}
