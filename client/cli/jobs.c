/* kofn wait, watch, cancel, jobs, status: what happens to jobs that were submitted. */
#include "client/cli/cli.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "common/base/clock.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TIMEOUT = 0x400, KEY_LIMIT };

typedef struct arguments {
    cli_common common;
    const char *job; // NULL: none named
    const char *output;
    int64_t timeout_ns;
    int64_t limit;
    bool wants_job, may_name_job;
} arguments;

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->common;
        return 0;
    case 'o':
        args->output = cli_parse_output(state, arg);
        return 0;
    case KEY_TIMEOUT:
        args->timeout_ns = cli_parse_duration(state, "--timeout", arg);
        return 0;
    case KEY_LIMIT:
        args->limit = cli_parse_number(state, "--limit", arg, 1, KOFN_JOBS_LISTED_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (args->job || !args->may_name_job)
            argp_error(state, "'%s' is one argument too many", arg);
        args->job = arg;
        return 0;
    case ARGP_KEY_END:
        if (args->wants_job && !args->job)
            argp_error(state, "say which job; `kofn jobs` lists them");
        if (args->common.local)
            argp_error(state, "--local has no jobs of earlier commands");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_connect_argp, 0, "Connection and output:", 80},
                                             {0}};

static kofn_status
start(const struct argp *argp, int argc, char **argv, arguments *args, kofn_client **ret_client,
      kofn_error *err)
{
    cli_parse(argp, argc, argv, args);
    return cli_open(&args->common, ret_client, err);
}

/* ---- wait, watch ----------------------------------------------------------------------------- */

static const struct argp_option wait_options[] = {
    {"output", 'o', "C.npy", 0, "Where the product goes; left out, it stays with the master", 1},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Wait no longer than this; the job goes on", 1},
    {0},
};

static const struct argp wait_argp = {
    .options = wait_options,
    .parser = parse,
    .args_doc = "JOB",
    .doc = "Wait until a job has ended and fetch its product.\vThe exit code is the job's. Ctrl-C "
           "ends waiting; the job goes on. When the master goes away it is tried again until "
           "--timeout.",
    .children = children,
};

static int
wait_report(const arguments *args, const kofn_result *result)
{
    kofn_error error;
    if (args->output && kofn_result_write_npy(result, args->output, &error) != KOFN_OK)
        return cli_fail(&args->common, &error, CLI_FAILED);
    const kofn_account *account = kofn_result_get_account(result);
    if (args->common.json)
        return cli_print_json(cli_json_of_account(account));
    char known[CLI_QUALITY_MAX];
    const cli_quality quality = cli_quality_of(account);
    cli_format_quality(&quality, known, sizeof known);
    cli_say(&args->common, "job %s %s%s%s; %s", account->job, account->state,
            args->output ? ", product in " : "", args->output ? args->output : "", known);
    return CLI_OK;
}

/* The product is gone once it was fetched. What else is wrong with a job is the wait's to report,
 * but not after looking for a master twice. */
static kofn_status
check_output(const arguments *args, kofn_client *client, int *exit_code, kofn_error *err)
{
    kofn_account account;
    if (!args->output)
        return KOFN_OK;
    const kofn_status known = kofn_client_get_job(client, args->job, &account, err);
    *exit_code = known == KOFN_UNAVAILABLE ? cli_exit_of(known) : CLI_FAILED;
    if (known != KOFN_OK)
        return known == KOFN_UNAVAILABLE ? known : KOFN_OK;
    kofn_dtype dtype = account.compression.dtype;
    if (dtype == KOFN_DTYPE_NONE)
        dtype = kofn_dtype_parse(account.field); // real fields are named alike
    return cli_output_check(args->output, dtype ? dtype : KOFN_F64, account.rows, account.cols,
                            err);
}

/* What is left of --timeout, in milliseconds, at least 1: 0 would mean that there is none. */
static int64_t
time_left_ms(const arguments *args)
{
    const int64_t left_ns = args->common.until_ns - kofn_clock_ns();
    if (args->common.until_ns == 0)
        return 0;
    return left_ns > 0 ? left_ns / KOFN_NS_PER_MS + 1 : 1;
}

static int
wait_for(const arguments *args, kofn_client *client, kofn_wait_options *options)
{
    kofn_error error;
    kofn_result *result = NULL;
    int exit_code;
    if (check_output(args, client, &exit_code, &error) != KOFN_OK)
        return cli_fail(&args->common, &error, exit_code);
    options->timeout_ms = time_left_ms(args);
    kofn_status status = kofn_client_wait(client, args->job, options, &result, &error);
    cli_progress_end(options->context);
    if (status == KOFN_CANCELLED && cli_signals_get())
        (void)kofn_fail(&error, KOFN_CANCELLED,
                        "no longer waiting; job %s goes on, `kofn cancel %s` "
                        "ends it",
                        args->job, args->job);
    if (status != KOFN_OK)
        return cli_fail_job(&args->common, client, args->job, &error, cli_exit_of_job(status));
    exit_code = wait_report(args, result);
    kofn_result_destroy(&result);
    return exit_code;
}

int
cli_wait(int argc, char **argv)
{
    arguments args = {.common.insists = true, .wants_job = true, .may_name_job = true};
    kofn_client *client = NULL;
    kofn_error error;
    cli_progress progress;
    if (start(&wait_argp, argc, argv, &args, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    if (args.timeout_ns > 0)
        args.common.until_ns = kofn_clock_after(kofn_clock_ns(), args.timeout_ns);
    cli_progress_init(&progress, &args.common);
    kofn_wait_options options = {
        .without_product = !args.output,
        .progress = cli_progress_show,
        .context = &progress,
    };
    const int exit_code = wait_for(&args, client, &options);
    kofn_client_close(&client);
    return exit_code;
}

static const struct argp_option watch_options[] = {
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Watch no longer than this", 1},
    {0},
};

static const struct argp watch_argp = {
    .options = watch_options,
    .parser = parse,
    .args_doc = "JOB",
    .doc = "Print a line at every step of a job until it has ended.\vWith --json a line is one "
           "object. The exit code is the job's.",
    .children = children,
};

typedef struct watcher {
    const arguments *args;
    cli_progress progress; // for its words
    char last[256];
} watcher;

/* One object on one line: programs read lines. */
static bool
print_event(watcher *w, const char *line)
{
    if (!w->args->common.json)
        return puts(line) != EOF && fflush(stdout) == 0; // cleaned where it was formatted
    json_t *object = cli_json_of_account(&w->progress.account);
    const bool good = object && json_dumpf(object, stdout, CLI_JSON_FLAGS | JSON_COMPACT) == 0 &&
                      putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(object);
    return good;
}

static bool
watch_step(void *context, const kofn_account *account)
{
    watcher *w = context;
    char line[256];
    w->progress.account = *account;
    cli_progress_format(&w->progress, 0, line, sizeof line);
    if (account->state[0] && strcmp(line, w->last) != 0) {
        memcpy(w->last, line, sizeof line);
        if (!print_event(w, line))
            return false;
    }
    return !cli_signals_get();
}

int
cli_watch(int argc, char **argv)
{
    arguments args = {.common.insists = true, .wants_job = true, .may_name_job = true};
    kofn_client *client = NULL;
    kofn_error error;
    if (start(&watch_argp, argc, argv, &args, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    watcher w = {.args = &args};
    kofn_result *result = NULL;
    const kofn_wait_options options = {
        .timeout_ms = (args.timeout_ns + 999999) / 1000000,
        .without_product = true,
        .progress = watch_step,
        .context = &w,
    };
    kofn_status status = kofn_client_wait(client, args.job, &options, &result, &error);
    int exit_code = cli_exit_of_job(status);
    if (status == KOFN_OK) {
        (void)watch_step(&w, kofn_result_get_account(result));
        exit_code = cli_finish(CLI_OK);
    } else {
        (void)cli_fail(&args.common, &error, exit_code);
    }
    kofn_result_destroy(&result);
    kofn_client_close(&client);
    return exit_code;
}

/* ---- cancel, jobs ---------------------------------------------------------------------------- */

static const struct argp cancel_argp = {
    .parser = parse,
    .args_doc = "JOB",
    .doc = "End a job.\vA job that has ended stays as it is; that is no error.",
    .children = children,
};

static bool
is_over(const kofn_account *account)
{
    return strcmp(account->state, "done") == 0 || strcmp(account->state, "failed") == 0 ||
           strcmp(account->state, "cancelled") == 0;
}

int
cli_cancel(int argc, char **argv)
{
    arguments args = {.wants_job = true, .may_name_job = true};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_account account;
    if (start(&cancel_argp, argc, argv, &args, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    bool was_over = false;
    kofn_status status = kofn_client_get_job(client, args.job, &account, &error);
    if (status == KOFN_OK) {
        was_over = is_over(&account);
        status = kofn_client_cancel(client, args.job, &account, &error);
    }
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    if (args.common.json)
        return cli_print_json(cli_json_of_account(&account));
    cli_say(&args.common, "job %s %s%s", account.job, was_over ? "was over already: " : "",
            account.state);
    return CLI_OK;
}

static const struct argp_option jobs_options[] = {
    {"limit", KEY_LIMIT, "N", 0, "At most this many, the newest (default: 100)", 1},
    {0},
};

static const struct argp jobs_argp = {
    .options = jobs_options,
    .parser = parse,
    .doc = "List the jobs that the master knows, newest first.",
    .children = children,
};

static json_t *
json_of_jobs(const kofn_account *jobs, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        (void)json_array_append_new(array, cli_json_of_account(&jobs[i]));
    return array;
}

int
cli_jobs(int argc, char **argv)
{
    arguments args = {0};
    kofn_client *client = NULL;
    kofn_error error;
    kofn_account *jobs = NULL;
    size_t count = 0;
    if (start(&jobs_argp, argc, argv, &args, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);

    kofn_status status = kofn_client_list_jobs(client, (size_t)args.limit, &jobs, &count, &error);
    kofn_client_close(&client);
    if (status != KOFN_OK)
        return cli_fail(&args.common, &error, cli_exit_of(status));
    int exit_code = CLI_OK;
    if (args.common.json)
        exit_code = cli_print_json(json_of_jobs(jobs, count));
    else
        cli_print_jobs(jobs, count);
    free(jobs);
    return cli_finish(exit_code);
}

/* ---- status ---------------------------------------------------------------------------------- */

static const struct argp status_argp = {
    .parser = parse,
    .args_doc = "[JOB]",
    .doc =
        "Say how a job stands; without a job, how the service does.\vThe exit code is 0 when the "
        "question was answered, whatever became of the job.",
    .children = children,
};

static int
job_status(const arguments *args, kofn_client *client)
{
    kofn_account account;
    kofn_error error;
    kofn_status status = kofn_client_get_job(client, args->job, &account, &error);
    if (status != KOFN_OK)
        return cli_fail(&args->common, &error, cli_exit_of(status));
    if (args->common.json)
        return cli_print_json(cli_json_of_account(&account));
    cli_print_account(&account);
    return cli_finish(CLI_OK);
}

typedef struct overview {
    kofn_health health;
    kofn_worker_info *workers;
    kofn_account *jobs;
    size_t worker_count, job_count;
} overview;

static kofn_status
look_around(kofn_client *client, overview *ret_view, kofn_error *err)
{
    kofn_status status = kofn_client_check(client, NULL, 0, &ret_view->health, err);
    if (status == KOFN_OK)
        status = kofn_client_list_workers(client, &ret_view->workers, &ret_view->worker_count, err);
    if (status == KOFN_OK)
        status = kofn_client_list_jobs(client, 10, &ret_view->jobs, &ret_view->job_count, err);
    return status;
}

static json_t *
json_of_overview(const overview *view)
{
    json_t *workers = json_array();
    for (size_t i = 0; workers && i < view->worker_count; i++)
        (void)json_array_append_new(workers, cli_json_of_worker(&view->workers[i]));
    return json_pack("{s:o, s:o, s:o}", "health", cli_json_of_health(&view->health), "workers",
                     workers, "jobs", json_of_jobs(view->jobs, view->job_count));
}

static void
print_overview(const overview *view)
{
    const kofn_health *h = &view->health;
    char uptime[32];
    cli_format_seconds((double)h->uptime_ms / 1e3, uptime, sizeof uptime);
    (void)cli_line(stdout,
                   "%s, version %s, up %s: %" PRIu64 " worker%s; jobs: %" PRIu64
                   " running, %" PRIu64 " queued, %" PRIu64 " done, %" PRIu64 " failed",
                   h->status, h->version, uptime, h->workers, cli_s(h->workers), h->jobs_running,
                   h->jobs_queued, h->jobs_done, h->jobs_failed);
    if (h->why[0])
        (void)cli_line(stdout, "%s", h->why);
    if (h->store_bytes > 0)
        (void)cli_line(stdout, "on disk: %.1f MiB", (double)h->store_bytes * 0x1p-20);
    (void)putchar('\n');
    cli_print_workers(view->workers, view->worker_count);
    (void)putchar('\n');
    cli_print_jobs(view->jobs, view->job_count);
}

static int
service_status(const arguments *args, kofn_client *client)
{
    overview view = {0};
    kofn_error error;
    int exit_code = CLI_OK;
    kofn_status status = look_around(client, &view, &error);
    if (status != KOFN_OK)
        exit_code = cli_fail(&args->common, &error, cli_exit_of(status));
    else if (args->common.json)
        exit_code = cli_print_json(json_of_overview(&view));
    else
        print_overview(&view);
    free(view.workers);
    free(view.jobs);
    return cli_finish(exit_code);
}

int
cli_status(int argc, char **argv)
{
    arguments args = {.may_name_job = true};
    kofn_client *client = NULL;
    kofn_error error;
    if (start(&status_argp, argc, argv, &args, &client, &error) != KOFN_OK)
        return cli_fail(&args.common, &error, CLI_USAGE);
    const int exit_code = args.job ? job_status(&args, client) : service_status(&args, client);
    kofn_client_close(&client);
    return exit_code;
}
