/* kofn simulate: the daemon's scheduler in virtual time (master/sim/simulate.h). Here its options
 * are read and its figures said; nothing is sent anywhere.
 */
#include "client/cli/cli.h"
#include "client/cli/pair_names.h"
#include "client/cli/plot.h"
#include "client/cli/product.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "client/convert.h"
#include "common/base/clock.h"
#include "master/sim/simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_WORKERS = 0xa00,
    KEY_JOBS,
    KEY_AT_ONCE,
    KEY_CREDIT,
    KEY_UNIT,
    KEY_OVERHEAD,
    KEY_JITTER,
    KEY_SEED,
    KEY_POLICY,
    KEY_SCHEME,
    KEY_DELAY,
    KEY_LAMBDA,
    KEY_TOLERANCE,
    KEY_FAILURES,
    KEY_WINDOW,
    KEY_BURST,
    KEY_RESCUE,
    KEY_DECODER,
    KEY_STRAGGLER,
    KEY_CSV,
    KEY_PLOT,
    KEY_LIST,
    KEY_PAIRS,
    KEY_BLOCKS,
    KEY_SUM,
    KEY_EACH_TASK,
};

#define DRAW_EVERY_NS (KOFN_NS_PER_S / 5)

typedef struct arguments {
    cli_common common;
    cli_product product; // its code and field
    kofn_sim_config config;
    const kofn_field *field; // owned, where one is named
    const char *policy, *straggler, *csv, *plot;
    bool rounds;      // a key of rounds is named
    const char *list; // of the pairs of each job
    size_t pairs;     // without it; 0: a job is a product
    size_t blocks[2]; // of those, that differ; 0: all
    bool sum;
    kofn_batch *batch; // of these; owned
} arguments;

/* ---- options --------------------------------------------------------------------------------- */

static void
set_code(struct argp_state *state, arguments *args)
{
    kofn_error error;
    kofn_status status = kofn_choice_to_spec(&args->product.code, &args->config.code, &error);
    if (status == KOFN_OK && args->product.field)
        status = kofn_field_new(args->product.field, &args->field, &error);
    if (status != KOFN_OK)
        argp_error(state, "%s", error.text);
    if (args->field)
        args->config.field = args->field;
}

static void
parse_blocks(const struct argp_state *state, const char *text, arguments *args)
{
    char left[16];
    const size_t length = strcspn(text, ",");
    if (length >= sizeof left || text[length] == '\0')
        argp_error(state, "--blocks '%s': want two whole numbers, L,R", text);
    (void)snprintf(left, sizeof left, "%.*s", (int)length, text);
    args->blocks[0] = (size_t)cli_parse_number(state, "--blocks", left, 1, KOFN_PAIRS_MAX);
    args->blocks[1] =
        (size_t)cli_parse_number(state, "--blocks", text + length + 1, 1, KOFN_PAIRS_MAX);
}

static kofn_status
make_pairs(arguments *args, kofn_error *err)
{
    const kofn_field *field = args->config.field;
    if (args->list)
        return cli_pair_names_read(args->list, args->sum, field, &args->batch, err);
    const size_t left = args->blocks[0] ? args->blocks[0] : args->pairs;
    const size_t right = args->blocks[1] ? args->blocks[1] : args->pairs;
    return kofn_sim_make_pairs(args->pairs, left, right, args->sum, field, &args->batch, err);
}

static void
set_pairs(struct argp_state *state, arguments *args)
{
    kofn_error error;
    if (args->list && (args->pairs > 0 || args->blocks[0] > 0))
        argp_error(state, "--list says which pairs there are: leave --pairs and --blocks out");
    if (args->pairs == 0 && !args->list) {
        if (args->blocks[0] > 0 || args->sum)
            argp_error(state, "--blocks and --sum are of a batch: say of which pairs, --pairs K");
        return;
    }
    kofn_status status = make_pairs(args, &error);
    if (status == KOFN_OK)
        status = kofn_code_spec_set_batch(&args->config.code, args->batch, &error);
    if (status != KOFN_OK)
        argp_error(state, "%s", error.text);
}

/* One seed for all, but for a model that names its own. */
static void
set_straggler(struct argp_state *state, arguments *args)
{
    kofn_error error;
    kofn_straggler_spec *spec = &args->config.stragglers;
    if (args->straggler && kofn_straggler_parse(args->straggler, spec, &error) != KOFN_OK)
        argp_error(state, "--straggler: %s", error.text);
    if (!args->straggler || !strstr(args->straggler, "seed="))
        spec->seed = args->config.seed;
    if (!args->config.code.has_seed) {
        args->config.code.has_seed = true;
        args->config.code.seed = (uint64_t)args->config.seed;
    }
}

static void
set_policy(struct argp_state *state, arguments *args)
{
    const char *policy = args->policy ? args->policy : args->rounds ? "rounds" : "oneshot";
    if (args->rounds && strcmp(policy, "rounds") != 0)
        argp_error(state,
                   "--scheme and what belongs to it are of a stream's rounds, not of policy %s",
                   policy);
    if (strcmp(policy, "rounds") == 0 && (args->config.code.tasks || args->config.code.reserve))
        argp_error(state,
                   "--tasks and --reserve are not of a stream: how many tasks the code of its "
                   "jobs has follows from the scheme");
    (void)snprintf(args->config.policy, sizeof args->config.policy, "%s", policy);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    static const char *const names[] = {"workers", "jobs",     "at_once", "credit",
                                        "unit",    "overhead", "jitter",  "seed"};
    static const char *const rounds[] = {"scheme",   "delay",  "lambda", "tolerance",
                                         "failures", "window", "burst",  "rescue"};
    arguments *args = state->input;
    if (key >= KEY_WORKERS && key <= KEY_SEED) {
        cli_parse_key(state, kofn_sim_keys, names[key - KEY_WORKERS], arg, &args->config);
        return 0;
    }
    if (key >= KEY_SCHEME && key <= KEY_RESCUE) {
        cli_parse_key(state, kofn_rounds_keys, rounds[key - KEY_SCHEME], arg, &args->config.rounds);
        args->rounds = true;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->product;
        state->child_inputs[1] = &args->common;
        return 0;
    case KEY_POLICY:
        args->policy = arg;
        return 0;
    case KEY_LIST:
        args->list = arg;
        return 0;
    case KEY_PAIRS:
        args->pairs = (size_t)cli_parse_number(state, "--pairs", arg, 1, KOFN_PAIRS_MAX);
        return 0;
    case KEY_BLOCKS:
        parse_blocks(state, arg, args);
        return 0;
    case KEY_SUM:
        args->sum = true;
        return 0;
    case KEY_EACH_TASK:
        args->config.each_task = true;
        return 0;
    case KEY_DECODER:
        args->config.decoder = true;
        return 0;
    case KEY_STRAGGLER:
        args->straggler = arg;
        return 0;
    case KEY_CSV:
        args->csv = arg;
        return 0;
    case KEY_PLOT:
        args->plot = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    case ARGP_KEY_END:
        set_code(state, args);
        set_pairs(state, args);
        set_straggler(state, args);
        set_policy(state, args);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"workers", KEY_WORKERS, "P", 0, "How many (default: 4)", 1},
    {"jobs", KEY_JOBS, "J", 0, "How many (default: 10000)", 1},
    {"policy", KEY_POLICY, "NAME", 0,
     "Of each job; `kofn codes` lists them (default: oneshot, with --scheme rounds)", 1},
    {"straggler", KEY_STRAGGLER, "MODEL", 0,
     "Who is slow in which job, or round: none, persistent:count=1, iid:delta=0.3, "
     "fritchman:enter=0.05,leave=0.5,states=2, arbitrary:failures=4,window=4 or trace:file=FILE; "
     "slowdown=5 says how slow (default: none)",
     1},
    {"each-task", KEY_EACH_TASK, NULL, 0,
     "Draw for each task of a worker, as its `inject` does, and not for each job", 1},
    {NULL, 0, NULL, 0, "Jobs that are batches of pairs (kofn batch), and not products:", 3},
    {"pairs", KEY_PAIRS, "K", 0, "So many pairs in each job", 3},
    {"blocks", KEY_BLOCKS, "L,R", 0,
     "Of K left and K right matrices so many differ, each in as many pairs as any other (default: "
     "all "
     "do)",
     3},
    {"list", KEY_LIST, "FILE", 0,
     "The pairs by name, as `kofn batch` reads them: the same word is the same matrix, and A+B is "
     "the sum "
     "of A and B; no other file is opened",
     3},
    {"sum", KEY_SUM, NULL, 0, "The sum of all products is wanted, and not each of them", 3},
    {NULL, 0, NULL, 0, "Jobs of one stream, in rounds:", 5},
    {"scheme", KEY_SCHEME, "NAME", 0, "dip, idip, idip_burst, polynomial or uncoded", 5},
    {"delay", KEY_DELAY, "T", 0,
     "Rounds after that of its birth by which a job is finished (default: window - 1; of dip, 3)",
     5},
    {"lambda", KEY_LAMBDA, "L", 0,
     "dip: workers that must answer when a job is due (default: all of them)", 5},
    {"tolerance", KEY_TOLERANCE, "MU", 0,
     "Workers get MU times as long again as the first one took (default: 0.25)", 5},
    {"failures", KEY_FAILURES, "N", 0,
     "idip: stragglers in any window (default: workers times window - X Y)", 5},
    {"window", KEY_WINDOW, "W", 0, "idip: rounds of a window (default: delay + 1)", 5},
    {"burst", KEY_BURST, "B", 0, "idip_burst: rounds that a straggler is one for; divides N", 5},
    {"rescue", KEY_RESCUE, "F", 0,
     "Copy what a round has waited for F times as long as the first worker took (default: never)",
     5},
    {"decoder", KEY_DECODER, NULL, 0,
     "Ask the decoder of each set of answers, where counting them says as much but for rounding",
     10},
    {NULL, 0, NULL, 0, "Time and chance:", 20},
    {"unit", KEY_UNIT, "TIME", 0, "What the whole job takes on one worker (default: 1s)", 20},
    {"overhead", KEY_OVERHEAD, "TIME", 0, "What each task takes beside its work (default: 0)", 20},
    {"jitter", KEY_JITTER, "SIGMA", 0,
     "Times of tasks vary by a log-normal factor of this sigma (default: 0)", 20},
    {"at-once", KEY_AT_ONCE, "N", 0,
     "Jobs under way; whenever one ends, the next is added (default: 1, of a stream T + 2)", 20},
    {"credit", KEY_CREDIT, "N", 0, "Tasks that a worker takes at a time (default: 2)", 20},
    {"seed", KEY_SEED, "S", 0, "Of all that is drawn (default: 1)", 20},
    {NULL, 0, NULL, 0, "Files:", 30},
    {"csv", KEY_CSV, "FILE", 0, "Write a row for each job, of a stream for each round", 30},
    {"plot", KEY_PLOT, "FILE", 0,
     "Draw times of jobs, of a stream also of rounds, FILE.svg or FILE.png, with gnuplot", 30},
    {0},
};

static const struct argp_child children[] = {
    {&cli_code_argp, 0, NULL, 0}, {&cli_common_argp, 0, "Output:", 80}, {0}};

static const struct argp simulate_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "--workers P --jobs J --straggler MODEL",
    .doc =
        "Run jobs through the master's scheduler in virtual time.\vA task takes its share of the "
        "job, of a batch one of its K products, times the factor of its worker in that job; blocks "
        "come at once, encoding and "
        "decoding take no time, and what is cancelled frees its worker at once. \"time per job\" "
        "is in units of the whole job on one worker. The same options give the same figures.",
    .children = children,
};

/* ---- watching -------------------------------------------------------------------------------- */

typedef struct watch {
    const arguments *args;
    FILE *csv;
    cli_plot *plot;
    bool terminal, drawn;
    int64_t start_ns, drawn_ns;
} watch;

static void
on_job(void *context, const kofn_sim_job *job)
{
    watch *w = context;
    const double seconds = (double)(job->ended_ns - job->begun_ns) * 1e-9;
    if (w->csv && !kofn_sim_is_stream(&w->args->config)) // checked when it is closed
        (void)fprintf(w->csv, "%" PRIu64 ",%.9f,%.9f,%.9f,%zu,%zu,%d\n", job->job,
                      (double)job->begun_ns * 1e-9, (double)job->ended_ns * 1e-9, seconds,
                      job->sent, job->answered, job->failed);
    if (w->plot && !job->failed)
        cli_plot_add(w->plot, (double)job->ended_ns * 1e-9, seconds);
}

static void
on_round(void *context, const kofn_sim_round *round)
{
    watch *w = context;
    const double begun = (double)round->begun_ns * 1e-9, ended = (double)round->ended_ns * 1e-9;
    if (w->csv)
        (void)fprintf(w->csv, "%" PRIu64 ",%.9f,%.9f,%.9f,%zu,%zu,%zu,%d\n", round->round, begun,
                      ended, ended - begun, round->load, round->slow, round->stragglers,
                      round->waited);
    if (w->plot)
        cli_plot_add_round(w->plot, ended - begun, round->waited);
}

static bool
go_on(void *context, uint64_t ended)
{
    watch *w = context;
    const int64_t now_ns = kofn_clock_ns();
    if (!w->terminal || now_ns - w->drawn_ns < DRAW_EVERY_NS)
        return !cli_signals_get();
    char left[32] = "-";
    const double jobs = (double)w->args->config.jobs;
    if (ended > 0)
        cli_format_seconds((double)(now_ns - w->start_ns) * 1e-9 * (jobs / (double)ended - 1), left,
                           sizeof left);
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRId64 " job%s, %.0f%%, ETA %s", ended,
                  w->args->config.jobs, cli_s((uint64_t)w->args->config.jobs),
                  100 * (double)ended / jobs, left);
    w->drawn = true;
    w->drawn_ns = now_ns;
    return !cli_signals_get();
}

static kofn_status
fail_file(const char *path, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(errno), "%s: cannot be written: %s", path,
                     strerror(errno));
}

static kofn_status
open_files(watch *w, kofn_error *err)
{
    const arguments *args = w->args;
    if (args->plot) {
        const kofn_status status = cli_plot_new(args->plot, &w->plot, err);
        if (status != KOFN_OK)
            return status;
    }
    if (!args->csv)
        return KOFN_OK;
    w->csv = fopen(args->csv, "we");
    if (!w->csv)
        return fail_file(args->csv, err);
    (void)fputs(kofn_sim_is_stream(&args->config)
                    ? "round,begun,ended,seconds,load,slow,stragglers,waited\n"
                    : "job,begun,ended,seconds,sent,answered,failed\n",
                w->csv);
    return KOFN_OK;
}

static kofn_status
close_csv(watch *w, kofn_error *err)
{
    FILE *csv = w->csv;
    w->csv = NULL;
    if (!csv)
        return KOFN_OK;
    const bool bad = ferror(csv) != 0;
    if (fclose(csv) != 0 || bad)
        return fail_file(w->args->csv, err);
    return KOFN_OK;
}

static kofn_status
draw(watch *w, kofn_error *err)
{
    char code[KOFN_SIM_NAME_MAX], title[KOFN_SIM_NAME_MAX + 64], subtitle[512];
    const kofn_sim_config *c = &w->args->config;
    kofn_sim_format(c, code, sizeof code);
    (void)snprintf(title, sizeof title, "%s, %" PRId64 " worker%s", code, c->workers,
                   cli_s((uint64_t)c->workers));
    (void)snprintf(subtitle, sizeof subtitle, "stragglers: %s; %" PRId64 " job%s, seed %" PRId64,
                   w->args->straggler ? w->args->straggler : "none", c->jobs,
                   cli_s((uint64_t)c->jobs), c->seed);
    cli_clean(subtitle);
    return cli_plot_draw(w->plot, title, subtitle, err);
}

static kofn_status
run(watch *w, kofn_sim_figures *ret_figures, kofn_error *err)
{
    const kofn_sim_observer observer = {w, on_job, on_round, go_on};
    const kofn_status status = kofn_sim_run(&w->args->config, &observer, ret_figures, err);
    if (w->drawn)
        (void)fputs("\r\033[K", stderr);
    return status;
}

/* ---- saying ---------------------------------------------------------------------------------- */

static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
static const char *const share_names[] = {"50", "90", "99", "99.9", "max"};

enum { SHARES = sizeof shares / sizeof shares[0] };

static json_t *
json_of_percentiles(const kofn_sim_figures *f)
{
    json_t *object = json_pack("{s:f}", "mean", f->mean);
    for (size_t i = 0; object && i < SHARES; i++)
        (void)json_object_set_new(object, share_names[i],
                                  json_real(kofn_sim_percentile(f, shares[i])));
    return object;
}

static json_t *
json_of(const kofn_sim_config *c, const kofn_sim_figures *f)
{
    char code[KOFN_SIM_NAME_MAX];
    kofn_sim_format(c, code, sizeof code);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:o, s:I, s:I, "
        "s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I}",
        "status", "OK", "policy", c->policy, "code", code, "workers", (json_int_t)c->workers,
        "seed", (json_int_t)c->seed, "jobs", (json_int_t)f->jobs, "failed", (json_int_t)f->failed,
        "seconds", f->seconds, "time_per_job", f->time, "load", f->load, "busy", f->busy, "slow",
        f->slow, "latency", json_of_percentiles(f), "sent", (json_int_t)f->sent, "answered",
        (json_int_t)f->answered, "cancelled", (json_int_t)f->cancelled, "backups",
        (json_int_t)f->backups, "fresh", (json_int_t)f->fresh, "made", (json_int_t)f->made,
        "rounds", (json_int_t)f->rounds, "waited", (json_int_t)f->waited, "stragglers",
        f->stragglers, "delay", f->delay, "delay_max", (json_int_t)f->delay_max);
}

static void
print_latency(const kofn_sim_figures *f)
{
    char line[192], cell[32];
    cli_format_seconds(f->mean, cell, sizeof cell);
    size_t length = (size_t)snprintf(line, sizeof line, "mean %s", cell);
    for (size_t i = 0; i < SHARES; i++) {
        cli_format_seconds(kofn_sim_percentile(f, shares[i]), cell, sizeof cell);
        length += (size_t)snprintf(line + length, sizeof line - length, ", %s%s %s", share_names[i],
                                   shares[i] < 1 ? "%" : "", cell);
    }
    (void)cli_line(stdout, "job latency   %s", line);
}

static void
print(const kofn_sim_config *c, const kofn_sim_figures *f)
{
    char code[KOFN_SIM_NAME_MAX];
    kofn_sim_format(c, code, sizeof code);
    (void)cli_line(stdout, "%s, %" PRId64 " worker%s: %" PRIu64 " job%s in %.6gs, seed %" PRId64,
                   code, c->workers, cli_s((uint64_t)c->workers), f->jobs, cli_s(f->jobs),
                   f->seconds, c->seed);
    (void)cli_line(stdout, "time per job  %.5f of the job on one worker", f->time);
    (void)cli_line(stdout, "load          %.5f of a job for each worker; busy %.1f%% of the time",
                   f->load, 100 * f->busy);
    if (f->rounds > 0)
        (void)cli_line(stdout,
                       "rounds        %" PRIu64 ", of which %" PRIu64
                       " waited beyond the tolerance (%.2f%%)",
                       f->rounds, f->waited, 100 * (double)f->waited / (double)f->rounds);
    if (f->rounds > 0)
        (void)cli_line(stdout,
                       "delay         %.3f rounds from that of a job's birth, at most %" PRIu64,
                       f->delay, f->delay_max);
    if (f->rounds > 0)
        (void)cli_line(stdout, "stragglers    %.2f%% slow, %.2f%% with something left to do",
                       100 * f->slow, 100 * f->stragglers);
    else
        (void)cli_line(stdout, "stragglers    %.2f%%", 100 * f->slow);
    print_latency(f);
    (void)cli_line(stdout,
                   "tasks         %" PRIu64 " sent (%.3f for each job), %" PRIu64
                   " answered, %" PRIu64 " cancelled, %" PRIu64 " cop%s",
                   f->sent, (double)f->sent / (double)f->jobs, f->answered, f->cancelled,
                   f->backups, f->backups == 1 ? "y" : "ies");
    if (f->fresh > 0)
        (void)cli_line(stdout,
                       "fresh         %" PRIu64
                       " of them from the reserve, whose rows were made %" PRIu64 " time%s",
                       f->fresh, f->made, cli_s(f->made));
    if (f->failed > 0)
        (void)cli_line(stdout, "failed        %" PRIu64 " job%s, the first: %s", f->failed,
                       cli_s(f->failed), f->why);
}

static int
report(const arguments *args, const kofn_sim_figures *f)
{
    if (args->common.json)
        return cli_print_json(json_of(&args->config, f));
    print(&args->config, f);
    return cli_finish(CLI_OK);
}

int
cli_simulate(int argc, char **argv)
{
    arguments args = {.product = {.listed = true}};
    kofn_sim_figures figures = {0};
    kofn_error error;
    kofn_sim_config_init(&args.config);
    cli_parse(&simulate_argp, argc, argv, &args);
    watch w = {.args = &args,
               .terminal = !args.common.quiet && isatty(STDERR_FILENO) == 1,
               .start_ns = kofn_clock_ns()};
    w.drawn_ns = w.start_ns;

    kofn_status status = kofn_sim_settle(&args.config, &error);
    if (status == KOFN_OK)
        status = open_files(&w, &error);
    if (status == KOFN_OK)
        status = run(&w, &figures, &error);
    if (status == KOFN_OK)
        status = close_csv(&w, &error);
    if (status == KOFN_OK && w.plot)
        status = draw(&w, &error);
    const int exit_code = status == KOFN_OK
                              ? report(&args, &figures)
                              : cli_fail(&args.common, &error, cli_exit_of_own(status));
    if (w.csv)
        (void)fclose(w.csv); // what went wrong before is said
    cli_plot_destroy(&w.plot);
    kofn_sim_figures_fini(&figures);
    kofn_batch_destroy(&args.batch);
    kofn_field_destroy(&args.field);
    return exit_code;
}
