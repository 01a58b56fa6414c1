#include "client/cli/plan_stream.h"

#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_STRAGGLER = 0xb00,
    KEY_DELAY,
    KEY_PARTS,
    KEY_TOLERANCE,
    KEY_RESCUE,
    KEY_UNIT,
    KEY_OVERHEAD,
    KEY_JITTER,
    KEY_WORK,
    COMMAND_MAX = 512,
};

#define DRAW_EVERY_NS (KOFN_NS_PER_S / 5)

/* ---- options --------------------------------------------------------------------------------- */

static void
init(cli_plan_stream *stream)
{
    kofn_stream_query *q = &stream->query;
    *stream = (cli_plan_stream){.query.delay = 3};
    kofn_sim_config_init(&q->base);
}

static error_t
parse_time(int key, char *arg, struct argp_state *state, kofn_sim_config *base)
{
    switch (key) {
    case KEY_TOLERANCE:
        cli_parse_key(state, kofn_rounds_keys, "tolerance", arg, &base->rounds);
        return 0;
    case KEY_RESCUE:
        cli_parse_key(state, kofn_rounds_keys, "rescue", arg, &base->rounds);
        return 0;
    case KEY_UNIT:
        cli_parse_key(state, kofn_sim_keys, "unit", arg, base);
        return 0;
    case KEY_OVERHEAD:
        cli_parse_key(state, kofn_sim_keys, "overhead", arg, base);
        return 0;
    case KEY_JITTER:
        cli_parse_key(state, kofn_sim_keys, "jitter", arg, base);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    cli_plan_stream *stream = state->input;
    kofn_stream_query *q = &stream->query;
    switch (key) {
    case ARGP_KEY_INIT:
        init(stream);
        return 0;
    case KEY_STRAGGLER:
        stream->straggler = arg;
        return 0;
    case KEY_DELAY:
        q->delay = cli_parse_number(state, "--delay", arg, 0, KOFN_DELAY_MAX);
        break;
    case KEY_PARTS:
        q->parts = cli_parse_number(state, "--parts", arg, 1, KOFN_TASKS_MAX);
        break;
    case KEY_WORK:
        q->work = cli_parse_real(state, "--work", arg, 1e4, 1e12);
        break;
    default:
        if (parse_time(key, arg, state, &q->base) == ARGP_ERR_UNKNOWN)
            return ARGP_ERR_UNKNOWN;
    }
    stream->other =
        "--delay, --parts, --tolerance, --rescue, --unit, --overhead, --jitter and --work";
    return 0;
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "A stream of products instead, in place of --shape:", 20},
    {"straggler", KEY_STRAGGLER, "MODEL", 0,
     "Which scheme is best when workers are slow like this: iid:delta=0.3, fritchman, "
     "persistent:count=1, arbitrary:failures=4,window=4, trace:file=FILE; slowdown=5 says how slow",
     20},
    {"delay", KEY_DELAY, "T", 0,
     "At most, in rounds: job i + T + 1 may need the result of job i (default: 3)", 20},
    {"parts", KEY_PARTS, "N", 0,
     "A job in at most so many, X times Y (default: P (T + 1), up to 512)", 20},
    {"tolerance", KEY_TOLERANCE, "MU", 0,
     "Workers get MU times as long again as the first one took (default: 0.25)", 20},
    {"rescue", KEY_RESCUE, "F", 0,
     "Copy what a round has waited for F times as long as the first worker took (default: never)",
     20},
    {"unit", KEY_UNIT, "TIME", 0,
     "What a whole job takes on one worker: copies go out no sooner than a master's 10ms "
     "(default: 1s)",
     20},
    {"overhead", KEY_OVERHEAD, "TIME", 0, "What each task takes beside its work (default: 0)", 20},
    {"jitter", KEY_JITTER, "SIGMA", 0,
     "Times of tasks vary by a log-normal factor of this sigma (default: 0)", 20},
    {"work", KEY_WORK, "N", 0, "Tasks to simulate, about (default: 4e6, some seconds)", 20},
    {0},
};

const struct argp cli_plan_stream_argp = {.options = options, .parser = parse};

/* ---- the plan -------------------------------------------------------------------------------- */

typedef struct watch {
    bool terminal, drawn;
    int64_t start_ns, drawn_ns;
} watch;

static bool
go_on(void *context, double done)
{
    watch *w = context;
    char left[32] = "-";
    const int64_t now_ns = kofn_clock_ns();
    if (!w->terminal || now_ns - w->drawn_ns < DRAW_EVERY_NS)
        return !cli_signals_get();
    if (done > 0)
        cli_format_seconds((double)(now_ns - w->start_ns) * 1e-9 * (1 / done - 1), left,
                           sizeof left);
    (void)fprintf(stderr, "\r\033[Kplanning: %.0f%%, ETA %s", 100 * done, left);
    w->drawn = true;
    w->drawn_ns = now_ns;
    return !cli_signals_get();
}

static json_t *
json_of_row(const kofn_stream_row *row)
{
    char name[KOFN_SIM_NAME_MAX];
    const kofn_sim_config *c = &row->config;
    const kofn_rounds_config *r = &c->rounds;
    const bool stream = kofn_sim_is_stream(c);
    kofn_sim_format(c, name, sizeof name);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:f, s:f, s:f, s:f, s:f, s:f}", "name", name, "policy",
        c->policy, "scheme", stream ? kofn_scheme_name((kofn_scheme)r->scheme) : c->code.family,
        "x", (json_int_t)c->code.part.x, "y", (json_int_t)c->code.part.y, "at_once",
        (json_int_t)c->at_once, "coded", row->coded, "time_per_job", row->time, "standard_error",
        row->spread, "load", row->load, "waited", row->waited, "latency", row->latency,
        "latency_99", row->latency_99);
    if (object && stream)
        (void)json_object_set_new(object, "rounds",
                                  json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "delay",
                                            (json_int_t)r->delay, "lambda", (json_int_t)r->lambda,
                                            "window", (json_int_t)r->window, "failures",
                                            (json_int_t)r->failures, "burst", (json_int_t)r->burst,
                                            "tolerance", r->tolerance, "rescue", r->rescue));
    return object;
}

static json_t *
json_of(const kofn_stream_plan *plan)
{
    json_t *rows = json_array();
    for (size_t i = 0; rows && i < plan->count; i++)
        (void)json_array_append_new(rows, json_of_row(&plan->rows[i]));
    return json_pack("{s:b, s:s, s:I, s:o}", "pays", plan->pays, "verdict", plan->verdict,
                     "candidates", (json_int_t)plan->candidates, "plans", rows);
}

static void
print(const kofn_stream_plan *plan)
{
    cli_table table;
    (void)cli_line(stdout, "%s", plan->verdict);
    cli_table_init(&table, "SCHEME|>R|>+-|>LOAD|>WAITED|>MEDIAN|>99%|CODED");
    for (size_t i = 0; i < plan->count; i++) {
        const kofn_stream_row *row = &plan->rows[i];
        char name[KOFN_SIM_NAME_MAX];
        kofn_sim_format(&row->config, name, sizeof name);
        cli_table_row(&table);
        cli_table_cell(&table, "%s", name);
        cli_table_cell(&table, "%.3g", row->time);
        cli_table_cell(&table, "%.1g", row->spread);
        cli_table_cell(&table, "%.4g", row->load);
        cli_table_cell(&table, "%.2f%%", 100 * row->waited);
        cli_table_cell(&table, "%.4g", row->latency);
        cli_table_cell(&table, "%.4g", row->latency_99);
        cli_table_cell(&table, "%s", row->coded ? "yes" : "no");
    }
    cli_table_print(&table);
}

static bool
takes_one_command(const kofn_sim_config *c)
{
    return kofn_sim_is_stream(c) || c->at_once == 1;
}

/* Rounds of uncoded jobs are among the rows, so there is one. */
static size_t
find_runnable(const kofn_stream_plan *plan)
{
    size_t i = 0;
    while (i + 1 < plan->count && !takes_one_command(&plan->rows[i].config))
        i++;
    return i;
}

/* "kofn stream LIST --slots 4 --scheme dip --partition 1,1,13 --delay 3 --lambda 1 --tolerance 0.25
 * --rescue 0": what is to be typed for a row. What goes without a stream is products by themselves.
 * What was planned with zero is said, too: what is left out is for the master's configuration to
 * say. */
static void
format_command(const kofn_sim_config *c, char *ret_text, size_t size)
{
    char delay[64] = "", more[64] = "";
    const kofn_partition *p = &c->code.part;
    const kofn_rounds_config *r = &c->rounds;
    if (!kofn_sim_is_stream(c)) {
        (void)snprintf(ret_text, size,
                       "kofn multiply A.npy B.npy -o C.npy --code %s --partition %zu,%zu,%zu "
                       "--tasks %zu --policy %s",
                       c->code.family, p->x, p->z, p->y, c->code.tasks, c->policy);
        return;
    }
    if (r->delay > 0)
        (void)snprintf(delay, sizeof delay, " --delay %" PRId64, r->delay);
    if (r->scheme == KOFN_SCHEME_DIP)
        (void)snprintf(more, sizeof more, " --lambda %" PRId64, r->lambda);
    else if (r->scheme == KOFN_SCHEME_IDIP_BURST)
        (void)snprintf(more, sizeof more, " --burst %" PRId64, r->burst);
    (void)snprintf(ret_text, size,
                   "kofn stream LIST --slots %" PRId64
                   " --scheme %s --partition %zu,1,%zu%s%s --tolerance %g --rescue %g",
                   r->slots, kofn_scheme_name((kofn_scheme)r->scheme), p->x, p->y, delay, more,
                   r->tolerance, r->rescue);
}

static int
print_json(const kofn_stream_plan *plan, size_t runnable, const char *command)
{
    char name[KOFN_SIM_NAME_MAX];
    kofn_sim_format(&plan->rows[runnable].config, name, sizeof name);
    json_t *object = cli_json_with_command(json_of(plan), command);
    (void)json_object_set_new(object, "command_of", json_string(name)); // of NULL, nothing
    return cli_print_json(object);
}

static void
print_with_command(const kofn_stream_plan *plan, size_t runnable, const char *command)
{
    char which[128] = "The first row";
    if (runnable > 0)
        (void)snprintf(which, sizeof which,
                       "Row %zu, the first that is one command; what is above takes %" PRId64
                       " at once",
                       runnable + 1, plan->rows[0].config.at_once);
    print(plan);
    cli_print_command(which, command);
}

static kofn_status
plan_for(const cli_common *common, const cli_plan_stream *stream, kofn_stream_plan *ret_plan,
         kofn_error *err)
{
    watch w = {.terminal = !common->quiet && isatty(STDERR_FILENO) == 1,
               .start_ns = kofn_clock_ns()};
    w.drawn_ns = w.start_ns;
    const kofn_status status = kofn_stream_plan_make(&stream->query, go_on, &w, ret_plan, err);
    if (w.drawn)
        (void)fputs("\r\033[K", stderr);
    return status;
}

int
cli_plan_stream_run(const cli_common *common, cli_plan_stream *stream, uint64_t workers,
                    uint64_t seed, uint64_t limit)
{
    kofn_stream_plan plan;
    kofn_error error;
    kofn_stream_query *q = &stream->query;
    kofn_status status = kofn_straggler_parse(stream->straggler, &q->base.stragglers, &error);
    if (status != KOFN_OK)
        return cli_fail(common, &error, CLI_USAGE);
    q->base.workers = (int64_t)workers;
    q->limit = (int64_t)limit;
    if (seed > 0)
        q->base.seed = (int64_t)seed;
    if (seed > 0 && !strstr(stream->straggler, "seed="))
        q->base.stragglers.seed = (int64_t)seed;
    status = plan_for(common, stream, &plan, &error);
    if (status != KOFN_OK)
        return cli_fail(common, &error, cli_exit_of_own(status));
    char command[COMMAND_MAX];
    const size_t runnable = find_runnable(&plan);
    format_command(&plan.rows[runnable].config, command, sizeof command);
    int exit_code = CLI_OK;
    if (common->json)
        exit_code = print_json(&plan, runnable, command);
    else
        print_with_command(&plan, runnable, command);
    kofn_stream_plan_fini(&plan);
    return cli_finish(exit_code);
}
