/* kofn algorithm: is this file an algorithm, and what does it cost? */
#include "client/cli/cli.h"
#include "client/cli/text.h"
#include "common/code/algorithms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_FIELD = 0x800, PRIMES_MAX = 16 }; // 2^60 has no more different ones

typedef struct arguments {
    cli_common common;
    const char *file;
    const char *field; // NULL: any
} arguments;

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        return 0;
    case KEY_FIELD:
        args->field = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (args->file)
            argp_error(state, "'%s' is one argument too many", arg);
        args->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (!args->file)
            argp_error(state, "want a FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"field", KEY_FIELD, "FIELD", 0, "Fail if it does not work there (f64, gf256, gfp:P)", 1},
    {0},
};

static const struct argp_child children[] = {{&cli_common_argp, 0, "Output:", 80}, {0}};

static const struct argp algorithm_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Prove that a file is a bilinear algorithm for matrix products.\vFILE is YAML or JSON: "
           "size: [x, z, y], then under products a name for each with a, b and c, the numbers of "
           "A's, B's and C's blocks row by row. The proof is in whole numbers. Where a single "
           "number is wrong, its line is said and what it would have to be. A master reads such "
           "files from the directory that its key `algorithms` names.",
    .children = children,
};

/* The primes that divide n > 0, ascending. */
static size_t
find_primes(int64_t n, int64_t *ret_primes)
{
    size_t count = 0;
    for (int64_t p = 2; n > 1; p++) {
        if (p * p > n) // what is left is one
            p = n;
        if (n % p == 0)
            ret_primes[count++] = p;
        while (n % p == 0)
            n /= p;
    }
    return count;
}

/* "any field", or "any field but those of characteristic 2 (gf256, gf16, gf4), 3". */
static void
format_fields(const int64_t *primes, size_t count, char *ret_text, size_t size)
{
    int length =
        snprintf(ret_text, size, "any field%s", count > 0 ? " but those of characteristic " : "");
    for (size_t i = 0; i < count && length >= 0 && (size_t)length < size; i++)
        length +=
            snprintf(ret_text + length, size - (size_t)length, "%s%" PRId64 "%s", i > 0 ? ", " : "",
                     primes[i], primes[i] == 2 ? " (gf256, gf16, gf4)" : "");
}

static json_t *
json_of_primes(const int64_t *primes, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        (void)json_array_append_new(array, json_integer((json_int_t)primes[i]));
    return array;
}

static int
report(const arguments *args, const kofn_bilinear *f)
{
    int64_t primes[PRIMES_MAX];
    const size_t count = find_primes(f->denominator, primes);
    const size_t additions = kofn_bilinear_count_additions(f);
    char fields[256];
    if (args->common.json)
        return cli_print_json(json_pack(
            "{s:s, s:[I,I,I], s:I, s:I, s:I, s:o}", "status", "OK", "size", (json_int_t)f->x,
            (json_int_t)f->z, (json_int_t)f->y, "rank", (json_int_t)f->rank, "additions",
            (json_int_t)additions, "denominator", (json_int_t)f->denominator,
            "not_in_characteristic", json_of_primes(primes, count)));
    format_fields(primes, count, fields, sizeof fields);
    (void)cli_line(stdout,
                   "<%zu,%zu,%zu;%zu>: %zu products instead of %zu, %zu addition%s of blocks", f->x,
                   f->z, f->y, f->rank, f->rank, f->x * f->z * f->y, additions, cli_s(additions));
    (void)cli_line(stdout, "divides by %" PRId64 ": %s", f->denominator, fields);
    return cli_finish(CLI_OK);
}

/* INVALID_ARGUMENT: it does not work in the field that is named. */
static kofn_status
check_field(const char *name, const char *file, const kofn_bilinear *f, kofn_error *err)
{
    const kofn_field *field;
    if (!name)
        return KOFN_OK;
    kofn_status status = kofn_field_new(name, &field, err);
    if (status != KOFN_OK)
        return status;
    if (!kofn_bilinear_fits(f->denominator, field))
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "%s divides by %" PRId64 ", which is zero in field %s", file,
                           f->denominator, name);
    kofn_field_destroy(&field);
    return status;
}

int
cli_algorithm(int argc, char **argv)
{
    arguments args = {0};
    kofn_bilinear *f = NULL;
    kofn_error error;
    cli_parse(&algorithm_argp, argc, argv, &args);
    kofn_status status = kofn_bilinear_load(args.file, &f, &error);
    if (status == KOFN_OK)
        status = check_field(args.field, args.file, f, &error);
    const int exit_code =
        status == KOFN_OK ? report(&args, f) : cli_fail(&args.common, &error, CLI_USAGE);
    kofn_bilinear_destroy(&f);
    return exit_code;
}
