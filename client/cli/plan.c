/* kofn plan: which codes fit a product, and whether coding pays. Nothing is run but, without a
 * master and without --rate, three small multiplications to see how fast this machine is. With
 * --straggler, which scheme fits a stream of products (plan_stream.h).
 */
#include "client/cli/cli.h"
#include "client/cli/plan_stream.h"
#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "common/base/clock.h"
#include "common/linalg/field.h"
#include "common/linalg/multiply.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_SHAPE = 0x700,
    KEY_WORKERS,
    KEY_STRAGGLERS,
    KEY_ERROR,
    KEY_FAILURE,
    KEY_ODDS,
    KEY_PARTITION,
    KEY_DTYPE,
    KEY_SLOWDOWN,
    KEY_RATE,
    KEY_LOCAL_RATE,
    KEY_LINK,
    KEY_TASKS,
    KEY_SEED,
    KEY_LIMIT,
    KEY_LIVE,
    KEY_FIELD,
};

enum { MEASURED_SIZE = 640, MEASURED_ROUNDS = 3 };

typedef struct arguments {
    cli_common common;
    kofn_plan_question question;
    cli_plan_stream stream;
    int product_key; // of an option that a stream does not have; 0: none is given
    bool live, has_shape, has_stragglers;
} arguments;

/* ---- options --------------------------------------------------------------------------------- */

static double
parse_real(const struct argp_state *state, const char *option, const char *text, double least)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least))
        argp_error(state, "%s '%s': want a number of %g or more", option, text, least);
    return value;
}

static void
parse_shape(const struct argp_state *state, const char *text, kofn_plan_question *question)
{
    unsigned long long sizes[3];
    char rest;
    for (const char *at = text; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strspn(at, "0123456789") > 10)
            argp_error(state, "--shape '%s': '%.*s' is too large, at most %d in each direction",
                       text, (int)strcspn(at, ","), at, KOFN_DIMENSION_MAX);
    if (text[strspn(text, "0123456789,")] != '\0' ||
        sscanf(text, "%10llu,%10llu,%10llu%c", &sizes[0], &sizes[1], &sizes[2], &rest) != 3)
        argp_error(state,
                   "--shape '%s': want M,K,N, like 4000,4000,4000 for A of M x K, B of K x N",
                   text);
    question->rows = sizes[0];
    question->inner = sizes[1];
    question->cols = sizes[2];
}

static void
parse_partition(const struct argp_state *state, const char *text, kofn_plan_question *question)
{
    kofn_code_choice choice = {0};
    kofn_error error;
    if (kofn_code_choice_set(&choice, "partition", text, &error) != KOFN_OK)
        argp_error(state, "--partition: %s", error.text);
    question->x = choice.x;
    question->z = choice.z;
    question->y = choice.y;
}

static error_t
parse_numbers(int key, char *arg, struct argp_state *state, kofn_plan_question *q)
{
    switch (key) {
    case KEY_WORKERS:
        q->workers = (uint64_t)cli_parse_number(state, "--workers", arg, 1, KOFN_SIM_WORKERS_MAX);
        return 0;
    case KEY_STRAGGLERS:
        q->stragglers =
            (uint64_t)cli_parse_number(state, "--stragglers", arg, 0, KOFN_PLAN_WORKERS_MAX - 1);
        return 0;
    case KEY_TASKS:
        q->tasks = (uint64_t)cli_parse_number(state, "--tasks", arg, 1, 65536);
        return 0;
    case KEY_SEED:
        q->seed = (uint64_t)cli_parse_number(state, "--seed", arg, 1, INT64_MAX);
        return 0;
    case KEY_LIMIT:
        q->limit = (uint64_t)cli_parse_number(state, "--limit", arg, 1, 64);
        return 0;
    case KEY_ERROR:
        q->error = parse_real(state, "--error", arg, 0);
        return 0;
    case KEY_FAILURE:
        q->failure = parse_real(state, "--failure", arg, 0);
        return 0;
    case KEY_ODDS:
        q->odds = parse_real(state, "--odds", arg, 0);
        if (!(q->odds > 0 && q->odds < 1))
            argp_error(state, "--odds '%s': want a probability above 0 and below 1, like 1e-3",
                       arg);
        return 0;
    case KEY_SLOWDOWN:
        q->slowdown = parse_real(state, "--slowdown", arg, 1);
        return 0;
    case KEY_RATE:
        q->gflops = parse_real(state, "--rate", arg, 1e-6);
        return 0;
    case KEY_LOCAL_RATE:
        q->local_gflops = parse_real(state, "--local-rate", arg, 1e-6);
        return 0;
    case KEY_LINK:
        q->link_rate = 1e9 * parse_real(state, "--link", arg, 1e-9);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool
is_of_products_alone(int key)
{
    return key >= KEY_SHAPE && key <= KEY_FIELD && key != KEY_WORKERS && key != KEY_SEED &&
           key != KEY_LIMIT;
}

static const char *get_name(int key);

/* What is planned is one of two things, and options of the other one would be without effect. */
static void
check_kind(struct argp_state *state, const arguments *args)
{
    const bool stream = args->stream.straggler != NULL;
    if (stream && args->product_key)
        argp_error(state,
                   "--%s is of a product by itself, and --straggler plans a stream, of which "
                   "--workers P, --delay T and --parts N say what it is",
                   get_name(args->product_key));
    if (stream && args->live)
        argp_error(state, "--straggler plans a stream, for which no master is asked: --workers P "
                          "and --delay T say what it is");
    if (!stream && args->stream.other)
        argp_error(state, "%s are for streams: say how their workers straggle, --straggler MODEL",
                   args->stream.other);
    if (!stream && !args->has_shape)
        argp_error(state, "say what is multiplied, --shape M,K,N, or for a stream how its workers "
                          "straggle, --straggler MODEL");
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    if (is_of_products_alone(key))
        args->product_key = key;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        state->child_inputs[1] = &args->stream;
        return 0;
    case KEY_SHAPE:
        parse_shape(state, arg, &args->question);
        args->has_shape = true;
        return 0;
    case KEY_PARTITION:
        parse_partition(state, arg, &args->question);
        return 0;
    case KEY_DTYPE:
        args->question.dtype = kofn_dtype_parse(arg);
        if (args->question.dtype != KOFN_F64 && args->question.dtype != KOFN_F32)
            argp_error(state, "--dtype '%s': f64 or f32", arg);
        return 0;
    case KEY_FIELD:
        args->question.field = arg;
        return 0;
    case KEY_LIVE:
        args->live = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (!args->question.field && !args->question.dtype)
            args->question.dtype = KOFN_F64;
        args->live |= args->common.master || args->common.local;
        check_kind(state, args);
        if (!args->live && !args->question.workers)
            argp_error(state, "say on how many workers: --workers P, or --live for a master's");
        return 0;
    default:
        args->has_stragglers |= key == KEY_STRAGGLERS;
        return parse_numbers(key, arg, state, &args->question);
    }
}

static const struct argp_option options[] = {
    {"shape", KEY_SHAPE, "M,K,N", 0, "A is M x K, B is K x N", 1},
    {"workers", KEY_WORKERS, "P", 0, "How many (with --live default: those that are connected)", 1},
    {"stragglers", KEY_STRAGGLERS, "S", 0, "Of them, late or lost (default: 1, if there are two)",
     1},
    {"error", KEY_ERROR, "E", 0,
     "Largest error that will do, relative to |A||B|: families that promise estimates come in, "
     "those that cannot keep to it go out",
     2},
    {"failure", KEY_FAILURE, "p", 0,
     "Probability that a worker fails, for the odds of decoding (default: 0.05)", 2},
    {"odds", KEY_ODDS, "EPS", 0,
     "Take so many tasks, on a worker each, that they fail to decode with a probability below EPS, "
     "instead of as many as lose the stragglers; also with --error",
     2},
    {"partition", KEY_PARTITION, "X,Z,Y", 0,
     "Only codes that cut A in X by Z and B in Z by Y blocks; 0: any number (default: 0,0,0)", 2},
    {"slowdown", KEY_SLOWDOWN, "F", 0,
     "A straggler takes F times as long; inf: it is lost (default: 5)", 2},
    {"dtype", KEY_DTYPE, "NAME", 0, "f64 or f32 (default: f64)", 2},
    {"field", KEY_FIELD, "NAME", 0, "Arithmetic instead: gf256, gf16, gf4 or gfp:P for a prime P",
     2},
    {"tasks", KEY_TASKS, "N", 0, "At most so many (default: twice the workers)", 2},
    {"seed", KEY_SEED, "S", 0, "Of codes and trials (default: 1)", 2},
    {"limit", KEY_LIMIT, "N", 0, "Rows of each family (default: 2)", 2},
    {NULL, 0, NULL, 0, "On what:", 10},
    {"live", KEY_LIVE, NULL, 0, "The master's workers, as it measured them (--master implies it)",
     10},
    {"rate", KEY_RATE, "GFLOPS", 0,
     "Of each worker (default: one core of this machine, measured now; with --live, as measured)",
     10},
    {"local-rate", KEY_LOCAL_RATE, "GFLOPS", 0,
     "Of your own BLAS, for comparison (default: all cores of this machine, measured now; with "
     "--rate, none)",
     10},
    {"link", KEY_LINK, "GB/s", 0, "Of the master, each way (default: 1; with --live, as measured)",
     10},
    {0},
};

static const char *
get_name(int key)
{
    const struct argp_option *option = options;
    while (option->key != key)
        option++;
    return option->name;
}

static const struct argp_child children[] = {
    {&cli_connect_argp, 0, "Connection and output:", 80}, {&cli_plan_stream_argp, 0, NULL, 0}, {0}};

static const struct argp plan_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "--shape M,K,N|--straggler MODEL --workers P",
    .doc =
        "Say which codes fit a product, what each costs, and whether coding pays.\vThe first line "
        "says whether it does, the last one is the command for the first row. Rows are sorted by "
        "LATE, the time from the call to the product with "
        "the stragglers; TIME is the same undisturbed. ANSWERS suffice; with ~ before "
        "them, so they do with high probability, but no number does whichever they are. FLOPS, IN "
        "and OUT are of "
        "the worker with most tasks. GROWTH is how much the answers' errors usually grow, ERROR "
        "what to expect of the product. DECODES is the probability that the answers suffice "
        "although each worker fails with p, with nothing sent again.\n\n"
        "With --odds, R is the typical recovery threshold: the fewest tasks, on a worker each, "
        "that "
        "fail to decode with a probability below EPS when each worker fails with p; and so many "
        "are "
        "taken. BY says how it was found. formula: exactly. bound: R is so many or fewer, since "
        "fewer answers than counted may do, or random rows are drawn in a finite field. trials: "
        "the "
        "decoder was tried on random sets of workers. --workers bounds R.\n\n"
        "Times come from a model (common/code/plan_time.h): operands to the master, encoding, "
        "blocks over its link, arithmetic, answers back, decoding, the product back. It leaves out "
        "other jobs. What is assumed where nothing is given or measured: 20 Gflop/s, 1 GB/s, 12 "
        "GB/s of memory for encoding and decoding, 0.5 ms around each task.\n\n"
        "With --straggler, schemes of a stream are tried in virtual time, as kofn simulate does: "
        "first "
        "all with short runs, then the best of each with longer ones, and rows are sorted by R. R "
        "is the time for each job, "
        "in "
        "units of the whole job on one worker, with its standard error; LOAD what each worker is "
        "given "
        "of a job in a round; WAITED the rounds that went on beyond the tolerance; MEDIAN and 99% "
        "how "
        "long jobs took from birth to product. What needs no code stands beside it: uncoded jobs, "
        "with "
        "copies of what is late (policy speculative), one after another and as many at once as the "
        "delay allows.",
    .children = children,
};

/* ---- this machine ---------------------------------------------------------------------------- */

/* Seconds of the best of some products of the dtype. 0: no memory. */
static double
time_product(const kofn_field *f, int threads)
{
    const size_t n = MEASURED_SIZE, bytes = n * n * kofn_dtype_width(f->dtype);
    char *at = calloc(1, 3 * bytes + f->scratch_bytes(f, n, n, n));
    if (!at)
        return 0;
    const kofn_panel panel = {.rows = n,
                              .cols = n,
                              .inner = n,
                              .a = at,
                              .stride_a = n,
                              .b = at + bytes,
                              .stride_b = n,
                              .c = at + 2 * bytes,
                              .stride_c = n,
                              .scratch = at + 3 * bytes};
    double best = 0;
    kofn_blas_set_threads(threads);
    for (size_t i = 0; i <= MEASURED_ROUNDS; i++) { // the first one warms up
        const int64_t start_ns = kofn_clock_ns();
        f->multiply_panel(f, &panel);
        const double seconds = (double)(kofn_clock_ns() - start_ns) * 1e-9;
        if (i == 1 || (i > 1 && seconds < best))
            best = seconds;
    }
    free(at);
    return best;
}

static double
measure_gflops(const kofn_field *f, int threads)
{
    const double n = MEASURED_SIZE, seconds = time_product(f, threads);
    return seconds > 0 ? 2e-9 * n * n * n / seconds : 0;
}

/* What is not given and no master measures. */
static kofn_status
fill_rates(kofn_plan_question *q, kofn_error *err)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const kofn_field *f;
    if (q->gflops > 0)
        return KOFN_OK;
    kofn_status status =
        q->field ? kofn_field_new(q->field, &f, err) : kofn_field_choose("", q->dtype, &f, err);
    if (status != KOFN_OK)
        return status;
    q->gflops = measure_gflops(f, 1);
    if (q->local_gflops == 0)
        q->local_gflops = measure_gflops(f, cores > 0 ? (int)cores : 1);
    kofn_field_destroy(&f);
    return KOFN_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

static void
say_rates(const arguments *args, const kofn_plan_answer *answer)
{
    cli_say(&args->common,
            "for %llu worker%s of %.3g Gflop/s and a link of %.3g GB/s, %s; %llu "
            "code%s looked at",
            (unsigned long long)answer->workers, cli_s(answer->workers), answer->gflops,
            answer->link_rate * 1e-9,
            answer->measured ? "as measured" : "given, measured or assumed",
            (unsigned long long)answer->candidates, cli_s(answer->candidates));
}

enum {
    COMMAND_MAX = 256 + KOFN_CLIENT_SETS_MAX * sizeof(kofn_setting) + 16 * KOFN_CLIENT_SETS_MAX
};

/* What is to be typed for a row. */
static void
format_command(const kofn_plan_question *q, const kofn_plan_choice *c, char ret_text[COMMAND_MAX])
{
    const kofn_code_choice *code = &c->code;
    FILE *to = fmemopen(ret_text, COMMAND_MAX, "w");
    ret_text[0] = '\0';
    if (!to)
        return;
    (void)fprintf(to,
                  "kofn multiply A.npy B.npy -o C.npy --code %s --partition %" PRIu64 ",%" PRIu64
                  ",%" PRIu64 " --tasks %" PRIu64 " --policy %s",
                  code->family, code->x, code->z, code->y, code->tasks, c->policy);
    if (code->reserve > 0)
        (void)fprintf(to, " --reserve %" PRIu64, code->reserve);
    if (code->has_seed)
        (void)fprintf(to, " --seed %" PRIu64, code->seed);
    for (size_t i = 0; i < code->set_count; i++)
        (void)fprintf(to, " --set %s=%s", code->sets[i].name, code->sets[i].value);
    if (q->field)
        (void)fprintf(to, " --field %s", q->field);
    if (c->needed < c->threshold)
        (void)fprintf(to, " --accept-error %g", q->error);
    (void)fclose(to); // only memory
}

static int
report(const arguments *args, const kofn_plan_answer *answer)
{
    char command[COMMAND_MAX] = "";
    if (answer->count > 0)
        format_command(&args->question, &answer->choices[0], command);
    if (args->common.json)
        return cli_print_json(cli_json_with_command(cli_json_of_plan(answer), command));
    cli_print_plan(answer);
    cli_print_command("The first row", command);
    say_rates(args, answer);
    return CLI_OK;
}

/* The master knows how many there are; one of them alone cannot straggle. */
static kofn_status
fill_stragglers(kofn_client *client, kofn_plan_question *q, kofn_error *err)
{
    uint64_t workers = q->workers;
    kofn_health health;
    if (workers == 0) {
        const kofn_status status = kofn_client_check(client, NULL, 0, &health, err);
        if (status != KOFN_OK)
            return status;
        workers = health.workers;
    }
    q->stragglers = workers > 1;
    return KOFN_OK;
}

int
cli_plan(int argc, char **argv)
{
    arguments args = {.question = {.failure = 0.05}};
    kofn_client *client = NULL;
    kofn_plan_answer answer;
    kofn_error error;
    cli_parse(&plan_argp, argc, argv, &args);
    if (args.stream.straggler)
        return cli_plan_stream_run(&args.common, &args.stream, args.question.workers,
                                   args.question.seed, args.question.limit);
    if (args.live && cli_open(&args.common, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    kofn_status status = KOFN_OK;
    if (!args.has_stragglers)
        status = fill_stragglers(client, &args.question, &error);
    if (status == KOFN_OK && !args.live)
        status = fill_rates(&args.question, &error);
    if (status == KOFN_OK)
        status = kofn_client_plan(client, &args.question, &answer, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK) {
        const bool of_master = args.live && status != KOFN_INVALID_ARGUMENT;
        return cli_fail(&args.common, &error,
                        of_master ? cli_exit_of(status) : cli_exit_of_own(status));
    }
    const int exit_code = report(&args, &answer);
    kofn_plan_answer_fini(&answer);
    return cli_finish(exit_code);
}
