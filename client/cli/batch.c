/* kofn batch: a list of pairs of files, multiplied in one job: each product into a file of its own,
 * all of them into one, or their weighted sum. */
#include "client/cli/cli.h"
#include "client/cli/output.h"
#include "client/cli/pairs.h"
#include "client/cli/product.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/terms.h"
#include "client/cli/text.h"
#include "common/code/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_SUM = 0xb00, KEY_SUBMIT, WAIT_MS = 200 }; // wait: between looks at signals

/* ---- arguments ------------------------------------------------------------------------------- */

typedef struct arguments {
    cli_common common;
    cli_product product; // of each line, but for its operands
    cli_terms terms;
    const char *list, *folder, *output;
    bool sums, submits;
} arguments;

static void
check_arguments(const arguments *args, struct argp_state *state)
{
    if (!args->list)
        argp_error(state, "say which list of pairs; - is standard input");
    if (args->submits && (args->output || args->folder))
        argp_error(state, "a job that is handed over has no output yet: `kofn wait JOB -o` fetches "
                          "it");
    if (args->submits && args->common.local)
        argp_error(state, "--local has no master that outlives this command: leave --submit out");
    if (args->output && args->folder)
        argp_error(state, "-o and -d exclude each other: all products in one file, or each in one");
    if (args->sums && !args->output && !args->submits)
        argp_error(state, "say where the sum goes: -o C.npy");
}

static error_t
parse_batch(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->product;
        state->child_inputs[1] = &args->terms;
        state->child_inputs[2] = &args->common;
        return 0;
    case 'd':
        args->folder = arg;
        return 0;
    case 'o':
        args->output = cli_parse_output(state, arg);
        return 0;
    case KEY_SUM:
        args->sums = true;
        return 0;
    case KEY_SUBMIT:
        args->submits = true;
        return 0;
    case ARGP_KEY_ARG:
        if (args->list)
            argp_error(state, "'%s' is one argument too many: want one list", arg);
        args->list = arg;
        return 0;
    case ARGP_KEY_END:
        check_arguments(args, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option own_options[] = {
    {"output", 'o', "C.npy", 0, "All products, stacked on each other in one file; or their sum", 1},
    {"directory", 'd', "DIR", 0,
     "Where products go that the list has no name for: DIR/1.npy is of the first line", 1},
    {"sum", KEY_SUM, NULL, 0,
     "The sum of all products alone; a third word in a line is what its product counts, else 1", 1},
    {"submit", KEY_SUBMIT, NULL, 0,
     "Hand it over and print the job's id; `kofn wait JOB -o C.npy` fetches what -o would write",
     1},
    {0},
};

static const struct argp_child children[] = {{&cli_batch_argp, 0, NULL, 0},
                                             {&cli_terms_argp, 0, NULL, 0},
                                             {&cli_connect_argp, 0, "Connection and output:", 80},
                                             {0}};

static const struct argp batch_argp = {
    .options = own_options,
    .parser = parse_batch,
    .args_doc = "LIST|-",
    .doc = "Multiply a list of pairs in one job, whose tasks mix all of them.\vLIST has a line "
           "for each product: A.npy B.npy C.npy, or A.npy B.npy alone, as -o and --submit want it "
           "and -d lets you; a line that begins with # is none. .mtx files are made dense. All A "
           "are of one shape, dtype and order, and all B. A matrix that is in several pairs "
           "travels once. Where something is wrong with a pair the text says which, counted from "
           "0. Each product's name is printed once it is written; with --json the job's account. "
           "Ctrl-C cancels the job.",
    .children = children,
};

/* ---- the list -------------------------------------------------------------------------------- */

typedef struct entry {
    size_t line;
    kofn_npy operands[2];
    char *output; // NULL: none of its own
} entry;

typedef struct batch {
    const arguments *args;
    kofn_client *client;
    cli_pairs list;
    size_t count, capacity;
    entry *entries;     // [count]
    kofn_matrix *sides; // [2 count]: all A, then all B
    double *weights;    // [capacity]
} batch;

static void
batch_fini(batch *b)
{
    kofn_client_close(&b->client);
    for (size_t i = 0; i < b->count; i++) {
        for (size_t side = 0; side < 2; side++)
            kofn_mat_fini(&b->entries[i].operands[side].mat);
        free(b->entries[i].output);
    }
    free(b->entries);
    free(b->sides);
    free(b->weights);
    cli_pairs_close(&b->list);
}

static kofn_status
fail_memory(kofn_error *err)
{
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a batch");
}

static kofn_status
grow(batch *b, kofn_error *err)
{
    if (b->count == KOFN_PAIRS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "more than %d pairs, which is all that fits a job",
                         KOFN_PAIRS_MAX);
    if (b->count < b->capacity)
        return KOFN_OK;
    const size_t capacity = b->capacity ? 2 * b->capacity : 16;
    entry *entries = reallocarray(b->entries, capacity, sizeof *entries);
    b->entries = entries ? entries : b->entries;
    double *weights = reallocarray(b->weights, capacity, sizeof *weights);
    b->weights = weights ? weights : b->weights;
    if (!entries || !weights)
        return fail_memory(err);
    b->capacity = capacity;
    return KOFN_OK;
}

static kofn_status
read_operand(const char *path, kofn_npy *ret_npy, kofn_error *err)
{
    if (path[0] == '@')
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: a batch is made of files, not of stored operands (a file of such a "
                         "name is ./%s)",
                         path, path);
    return cli_dense_read(path, ret_npy, err);
}

/* Where the product of this line goes, unless all go into one file: then a name would be for
 * nothing. */
static kofn_status
name_output(const arguments *args, const cli_pair *pair, char **ret_output, kofn_error *err)
{
    const bool is_one = args->output || args->submits;
    if (is_one && pair->c)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "'%s' would be this product's own file, and %s: leave it out, or give "
                         "--sum, where the third word is what the product counts",
                         pair->c,
                         args->output ? "-o is one file for all of them"
                                      : "with --submit `kofn wait` fetches all of them as one");
    if (is_one)
        return KOFN_OK;
    if (!pair->c && !args->folder)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "no word says where the product goes: A.npy B.npy C.npy, or give -d DIR or "
            "-o C.npy");
    *ret_output = cli_pair_name_output(pair, args->folder);
    return *ret_output ? cli_output_check_name(*ret_output, err) : fail_memory(err);
}

static kofn_status
add_pair(batch *b, const cli_pair *pair, kofn_error *err)
{
    kofn_status status = grow(b, err);
    if (status != KOFN_OK)
        return status;
    entry *e = &b->entries[b->count];
    *e = (entry){.line = pair->line};
    b->weights[b->count++] = 1; // what is read of it is freed with all
    status = read_operand(pair->a, &e->operands[0], err);
    if (status == KOFN_OK)
        status = read_operand(pair->b, &e->operands[1], err);
    if (status == KOFN_OK && b->args->sums)
        status = cli_pair_read_weight(pair, &b->weights[b->count - 1], err);
    return status == KOFN_OK && !b->args->sums ? name_output(b->args, pair, &e->output, err)
                                               : status;
}

static kofn_status
read_list(batch *b, kofn_error *err)
{
    kofn_status status = cli_pairs_open(b->args->list, &b->list, err);
    if (status != KOFN_OK)
        return status;
    while (status == KOFN_OK && !b->list.ended) {
        cli_pair pair;
        if (cli_signals_get())
            return kofn_fail(err, KOFN_CANCELLED, "interrupted");
        status = cli_pairs_next(&b->list, WAIT_MS, &pair, err);
        if (status == KOFN_OK && pair.line)
            status = add_pair(b, &pair, err);
        if (status != KOFN_OK && pair.line)
            return kofn_fail_within(err, "%s:%zu", b->list.name, pair.line);
    }
    if (status == KOFN_OK && b->count == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no pairs", b->list.name);
    return status;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static kofn_matrix
view(const kofn_npy *npy, bool transpose)
{
    return (kofn_matrix){.data = npy->mat.data,
                         .dtype = npy->mat.dtype,
                         .rows = npy->mat.rows,
                         .cols = npy->mat.cols,
                         .stride = npy->mat.stride,
                         .transposed = npy->transposed != transpose};
}

static kofn_status
make_sides(batch *b, kofn_error *err)
{
    b->sides = calloc(2 * b->count, sizeof *b->sides);
    if (!b->sides)
        return fail_memory(err);
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < b->count; i++)
            b->sides[side * b->count + i] =
                view(&b->entries[i].operands[side], b->args->product.transpose[side]);
    return KOFN_OK;
}

static kofn_pairs
get_pairs(const batch *b)
{
    return (kofn_pairs){.count = b->count,
                        .x = b->sides,
                        .y = b->sides + b->count,
                        .weights = b->args->sums ? b->weights : NULL};
}

static size_t
get_rows(const batch *b) // of a product
{
    return b->sides[0].transposed ? b->sides[0].cols : b->sides[0].rows;
}

static kofn_status
fail_line(const batch *b, size_t pair, kofn_error *err)
{
    return kofn_fail_within(err, "%s:%zu", b->list.name, b->entries[pair].line);
}

/* As the library does, which does not know of lines. */
static kofn_status
check_weights(const batch *b, kofn_error *err)
{
    const kofn_field *field = NULL;
    const char *name = b->args->product.field;
    if (!b->args->sums)
        return KOFN_OK;
    kofn_status status = kofn_field_choose(name ? name : "", b->sides[0].dtype, &field, err);
    for (size_t i = 0; i < b->count && status == KOFN_OK; i++) {
        status = kofn_batch_check_number(field, b->weights[i], err);
        if (status != KOFN_OK)
            (void)fail_line(b, i, err);
    }
    kofn_field_destroy(&field);
    return status;
}

/* Products that have no place to go are better known before they are made. */
static kofn_status
check_outputs(const batch *b, kofn_error *err)
{
    const kofn_matrix *y = &b->sides[b->count];
    const size_t rows = get_rows(b), cols = y->transposed ? y->rows : y->cols;
    const kofn_dtype dtype = b->sides[0].dtype;
    if (b->args->output)
        return cli_output_check(b->args->output, dtype, b->args->sums ? rows : b->count * rows,
                                cols, err);
    kofn_status status = cli_output_make_folder(b->args->folder, err);
    for (size_t i = 0; i < b->count && status == KOFN_OK && !b->args->submits; i++) {
        status = cli_output_check(b->entries[i].output, dtype, rows, cols, err);
        if (status != KOFN_OK)
            (void)fail_line(b, i, err);
    }
    return status;
}

typedef struct target {
    char *name; // the one that its file has; NULL: none, or it is no file
    size_t pair;
} target;

static int
compare_targets(const void *left, const void *right)
{
    const target *a = left, *b = right;
    const int order = strcmp(a->name ? a->name : "", b->name ? b->name : "");
    return order != 0 ? order : (a->pair > b->pair) - (a->pair < b->pair);
}

/* A pipe or a device takes as many as come. */
static char *
locate_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) ? NULL : cli_output_locate(path);
}

/* The second product in one file would take the first one's place. What check_outputs found
 * good. */
static kofn_status
check_names(const batch *b, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    if (b->args->output || b->args->submits)
        return KOFN_OK;
    target *targets = calloc(b->count, sizeof *targets);
    if (!targets)
        return fail_memory(err);
    for (size_t i = 0; i < b->count; i++)
        targets[i] = (target){.name = locate_file(b->entries[i].output), .pair = i};
    qsort(targets, b->count, sizeof *targets, compare_targets);
    for (size_t i = 1; i < b->count && status == KOFN_OK; i++) {
        const entry *first = &b->entries[targets[i - 1].pair],
                    *second = &b->entries[targets[i].pair];
        if (targets[i].name && targets[i - 1].name &&
            strcmp(targets[i].name, targets[i - 1].name) == 0)
            status =
                kofn_fail(err, KOFN_INVALID_ARGUMENT,
                          "%s:%zu: '%s' is where the product of line %zu goes: name another file",
                          b->list.name, second->line, second->output, first->line);
    }
    for (size_t i = 0; i < b->count; i++)
        free(targets[i].name);
    free(targets);
    return status;
}

/* ---- the job --------------------------------------------------------------------------------- */

/* A name for each that was written. */
static size_t
write_products(const batch *b, const kofn_result *result, kofn_result_file *files, kofn_error *err)
{
    const size_t rows = get_rows(b);
    size_t failed = 0;
    for (size_t i = 0; i < b->count; i++)
        files[i] = (kofn_result_file){
            .result = result, .first = i * rows, .rows = rows, .path = b->entries[i].output};
    kofn_results_write_npy(files, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (files[i].error.status == KOFN_OK && !b->args->common.json)
            (void)cli_line(stdout, "%s", files[i].path);
        if (files[i].error.status != KOFN_OK && failed++ == 0)
            *err = files[i].error;
    }
    return failed;
}

static kofn_status
write_result(const batch *b, const kofn_result *result, kofn_error *err)
{
    if (b->args->output)
        return kofn_result_write_npy(result, b->args->output, err);
    kofn_result_file *files = calloc(b->count, sizeof *files);
    if (!files)
        return fail_memory(err);
    const size_t failed = write_products(b, result, files, err);
    free(files);
    return failed == 0 ? KOFN_OK
                       : kofn_fail_within(err, "%zu of %zu products not written", failed, b->count);
}

/* Of an estimate it may be products that nobody answered for, and says nothing of the others. */
static void
say_each(const batch *b, const kofn_account *account)
{
    char bound[16];
    const double each = kofn_account_bound_each(account);
    if (b->args->sums || account->nonfinite || strcmp(account->error_kind, "rounding") != 0 ||
        !(each > 0 && each < 1))
        return;
    cli_format_bound(each, bound, sizeof bound);
    cli_say(&b->args->common, "each product is off by at most %s of its own |A| |B|", bound);
}

static int
report(const batch *b, const kofn_result *result)
{
    const cli_common *common = &b->args->common;
    const kofn_account *account = kofn_result_get_account(result);
    kofn_error error;
    if (write_result(b, result, &error) != KOFN_OK)
        return cli_fail(common, &error, CLI_FAILED);
    cli_say_product(common, b->args->output ? b->args->output : b->list.name, account);
    say_each(b, account);
    return common->json ? cli_print_json(cli_json_of_account(account)) : cli_finish(CLI_OK);
}

static int
multiply(const batch *b)
{
    const arguments *args = b->args;
    cli_progress progress;
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_pairs pairs = get_pairs(b);
    cli_progress_init(&progress, &args->common);
    const kofn_product_options options =
        cli_terms_get_options(&args->terms, &args->product, &progress);
    const kofn_status status = kofn_client_batch(b->client, &pairs, &options, &result, &error);
    cli_progress_end(&progress);
    const char *job = progress.account.job; // "": it was not accepted
    if (status != KOFN_OK)
        return cli_fail_job(&args->common, b->client, job, &error,
                            job[0] ? cli_exit_of_job(status) : cli_exit_of(status));
    const int exit_code = report(b, result);
    kofn_result_destroy(&result);
    return exit_code;
}

static int
submit(const batch *b)
{
    const arguments *args = b->args;
    cli_progress progress;
    kofn_error error;
    char job[KOFN_CLIENT_JOB_MAX];
    const kofn_pairs pairs = get_pairs(b);
    cli_progress_init(&progress, &args->common);
    const kofn_product_options options =
        cli_terms_get_options(&args->terms, &args->product, &progress);
    const kofn_status status = kofn_client_submit_batch(b->client, &pairs, &options, job, &error);
    cli_progress_end(&progress);
    return cli_print_submitted(&args->common, status, job, &error);
}

static int
run(batch *b)
{
    const arguments *args = b->args;
    kofn_error error;
    int exit_code = CLI_USAGE; // whatever is wrong before anything was sent
    kofn_status status = read_list(b, &error);
    if (status == KOFN_OK)
        status = make_sides(b, &error);
    if (status == KOFN_OK)
        status = check_weights(b, &error);
    if (status == KOFN_OK) {
        const kofn_pairs pairs = get_pairs(b);
        status = kofn_pairs_check(&pairs, &args->product.code, args->product.field, &error);
        if (status != KOFN_OK)
            (void)kofn_fail_within(&error, "%s", b->list.name);
    }
    if (status == KOFN_OK) {
        status = check_outputs(b, &error);
        exit_code = status == KOFN_OK ? CLI_USAGE : CLI_FAILED;
    }
    if (status == KOFN_OK)
        status = check_names(b, &error);
    if (status == KOFN_OK)
        status = cli_open(&args->common, &b->client, &error);
    if (status == KOFN_OK)
        return args->submits ? submit(b) : multiply(b);
    return cli_fail(&args->common, &error, exit_code);
}

int
cli_batch(int argc, char **argv)
{
    arguments args = {.common.insists = true, .product = {.listed = true}};
    cli_parse(&batch_argp, argc, argv, &args);
    batch *b = calloc(1, sizeof *b);
    if (!b)
        return CLI_FAILED;
    b->args = &args;
    const int exit_code = run(b);
    batch_fini(b);
    free(b);
    return exit_code;
}
