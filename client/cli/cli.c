#include "client/cli/cli.h"

#include "client/cli/output.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "common/base/clock.h"
#include "common/base/keys.h"
#include "common/base/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
cli_exit_of(kofn_status status)
{
    switch (status) {
    case KOFN_OK:
        return CLI_OK;
    case KOFN_CANCELLED:
    case KOFN_DEADLINE_EXCEEDED:
        return CLI_CANCELLED;
    case KOFN_UNAVAILABLE:
        return CLI_UNAVAILABLE;
    case KOFN_DATA_LOSS:
        return CLI_DATA_LOSS;
    case KOFN_UNKNOWN:
    case KOFN_ABORTED:
    case KOFN_INTERNAL:
        return CLI_FAILED;
    default: // all that say: fix the call, the state, the rights
        return CLI_REFUSED;
    }
}

int
cli_exit_of_job(kofn_status status)
{
    return status == KOFN_FAILED_PRECONDITION ? CLI_FAILED : cli_exit_of(status);
}

int
cli_exit_of_own(kofn_status status)
{
    switch (status) {
    case KOFN_OK:
        return CLI_OK;
    case KOFN_CANCELLED:
        return CLI_CANCELLED;
    case KOFN_RESOURCE_EXHAUSTED:
    case KOFN_UNAVAILABLE:
        return CLI_FAILED;
    default:
        return CLI_USAGE;
    }
}

const char *
cli_parse_setting(const struct argp_state *state, const char *text,
                  char ret_name[KOFN_CLIENT_NAME_MAX])
{
    const size_t length = strcspn(text, "=");
    if (text[length] != '=' || length == 0 || length >= KOFN_CLIENT_NAME_MAX)
        argp_error(state, "--set '%s': want NAME=VALUE; `kofn codes` lists the names", text);
    memcpy(ret_name, text, length);
    ret_name[length] = '\0';
    return text + length + 1;
}

const char *
cli_parse_output(const struct argp_state *state, const char *path)
{
    kofn_error error;
    if (strcmp(path, "-") == 0)
        argp_error(state, "-o -: a product is written to a file, complete or not at all");
    if (cli_output_check_name(path, &error) != KOFN_OK)
        argp_error(state, "-o %s", error.text);
    return path;
}

/* ---- saying ---------------------------------------------------------------------------------- */

void
cli_say(const cli_common *common, const char *format, ...)
{
    char text[2 * KOFN_CLIENT_TEXT_MAX];
    if (common->quiet)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); // a cut line is still one
    va_end(args);
    (void)cli_line(stderr, "kofn: %s", text);
}

int
cli_finish(int exit_code)
{
    errno = 0; // of an earlier write it may be another's by now
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    (void)cli_line(stderr, "kofn: standard output: %s",
                   errno ? strerror(errno) : "it could not be written");
    return exit_code ? exit_code : CLI_FAILED;
}

int
cli_print_json(json_t *value)
{
    const int failed = !value || json_dumpf(value, stdout, CLI_JSON_FLAGS | JSON_INDENT(2)) ||
                       putchar('\n') == EOF;
    json_decref(value);
    if (failed)
        (void)cli_line(stderr, "kofn: standard output: %s", errno ? strerror(errno) : "no memory");
    return cli_finish(failed ? CLI_FAILED : CLI_OK);
}

int
cli_fail(const cli_common *common, const kofn_error *error, int exit_code)
{
    return cli_fail_with(common, error, exit_code, NULL);
}

int
cli_fail_with(const cli_common *common, const kofn_error *error, int exit_code, json_t *facts)
{
    kofn_error interrupted;
    if (cli_signals_get() && error->status != KOFN_CANCELLED) {
        (void)kofn_fail(&interrupted, KOFN_CANCELLED, "interrupted");
        error = &interrupted;
    }
    if (cli_signals_get())
        exit_code = CLI_CANCELLED;
    (void)cli_line(stderr, "kofn: %s", error->text);
    if (common->json) {
        json_t *object = json_pack("{s:s, s:s}", "status", kofn_status_name(error->status),
                                   "message", error->text);
        (void)json_object_update(object, facts); // where there is no memory, or nothing: as it is
        (void)cli_print_json(object);
    }
    json_decref(facts);
    return exit_code;
}

/* ---- options --------------------------------------------------------------------------------- */

enum {
    KEY_MASTER = 0x100,
    KEY_LOCAL,
    KEY_ALGORITHMS,
    KEY_PATIENCE,
    KEY_JSON,
    KEY_IDENTITY,
    KEY_SERVER_KEY
};

int64_t
cli_parse_duration(const struct argp_state *state, const char *option, const char *text)
{
    typedef struct holder {
        int64_t ns;
    } holder;
    const kofn_key key = {.name = option,
                          .type = KOFN_KEY_DURATION,
                          KOFN_KEY_FIELD(holder, ns),
                          .min = 1,
                          .max = 30 * 86400e9};
    holder to = {0};
    kofn_error error;
    if (kofn_key_parse(&key, text, &to, &error) != KOFN_OK)
        argp_error(state, "%s", error.text);
    return to.ns;
}

double
cli_parse_real(const struct argp_state *state, const char *option, const char *text, double min,
               double max)
{
    typedef struct holder {
        double real;
    } holder;
    const kofn_key key = {.name = option,
                          .type = KOFN_KEY_REAL,
                          KOFN_KEY_FIELD(holder, real),
                          .min = min,
                          .max = max};
    holder to = {0};
    kofn_error error;
    if (kofn_key_parse(&key, text, &to, &error) != KOFN_OK)
        argp_error(state, "%s", error.text);
    return to.real;
}

int64_t
cli_parse_number(const struct argp_state *state, const char *option, const char *text, int64_t min,
                 int64_t max)
{
    typedef struct holder {
        int64_t number;
    } holder;
    const kofn_key key = {.name = option,
                          .type = KOFN_KEY_INT,
                          KOFN_KEY_FIELD(holder, number),
                          .min = (double)min,
                          .max = (double)max};
    holder to = {0};
    kofn_error error;
    if (kofn_key_parse(&key, text, &to, &error) != KOFN_OK)
        argp_error(state, "%s", error.text);
    return to.number;
}

void
cli_parse_key(const struct argp_state *state, kofn_keys keys, const char *name, const char *text,
              void *target)
{
    kofn_error error;
    if (kofn_keys_parse(keys, name, text, target, &error) != KOFN_OK)
        argp_error(state, "--%s", error.text);
}

static error_t
parse_common(int key, char *arg, struct argp_state *state)
{
    cli_common *common = state->input;
    (void)arg; // none of these takes one
    switch (key) {
    case KEY_JSON:
        common->json = true;
        return 0;
    case 'q':
        common->quiet = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON for programs", 90},
    {"quiet", 'q', NULL, 0, "Say nothing but errors", 90},
    {0},
};

const struct argp cli_common_argp = {.options = common_options, .parser = parse_common};

static error_t
parse_connect(int key, char *arg, struct argp_state *state)
{
    cli_common *common = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = common;
        return 0;
    case KEY_MASTER:
        common->master = arg;
        return 0;
    case KEY_LOCAL:
        common->local =
            arg ? (int)cli_parse_number(state, "--local", arg, 1, 1024) : KOFN_CLIENT_LOCAL_CORES;
        return 0;
    case KEY_ALGORITHMS:
        common->algorithms = arg;
        return 0;
    case KEY_IDENTITY:
        common->identity = arg;
        return 0;
    case KEY_SERVER_KEY:
        common->server_key = arg;
        return 0;
    case KEY_PATIENCE:
        common->patience_ns = cli_parse_duration(state, "--patience", arg);
        return 0;
    case ARGP_KEY_END:
        if (common->master && common->local)
            argp_error(state, "--master and --local exclude each other");
        if (common->algorithms && !common->local)
            argp_error(state, "--algorithms is for --local; a daemon has a key `algorithms`");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option connect_options[] = {
    {"master", KEY_MASTER, "ENDPOINT", 0,
     "Where the master is (default: $KOFN_MASTER, or tcp://127.0.0.1:7501)", 80},
    {"local", KEY_LOCAL, "P", OPTION_ARG_OPTIONAL,
     "Need no daemon: a master and P workers (default: one for each core) run in this process. "
     "They share it, so none straggles: --code uncoded is fastest there",
     80},
    {"algorithms", KEY_ALGORITHMS, "DIR", 0,
     "With --local: directory of bilinear algorithms beside those that ship (default: "
     "$KOFN_ALGORITHMS)",
     80},
    {"identity", KEY_IDENTITY, "FILE", 0,
     "Certificate of yours, from kofn keygen (default: $KOFN_KEY)", 80},
    {"server-key", KEY_SERVER_KEY, "FILE", 0,
     "The master's public certificate (default: $KOFN_SERVER_KEY)", 80},
    {"patience", KEY_PATIENCE, "TIME", 0,
     "How long to look for a master that was not there yet (default: 5s). One that goes away "
     "meanwhile is waited for until --timeout, by stream for --away, else for a minute",
     80},
    {0},
};

static const struct argp_child connect_children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};

const struct argp cli_connect_argp = {
    .options = connect_options, .parser = parse_connect, .children = connect_children};

/* ---- did you mean ---------------------------------------------------------------------------- */

typedef struct option_names {
    const char *at[64];
    size_t count;
} option_names;

static void
collect_names(const struct argp *argp, option_names *names)
{
    for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc); o++)
        if (o->name && names->count < sizeof names->at / sizeof names->at[0])
            names->at[names->count++] = o->name;
    for (const struct argp_child *child = argp->children; child && child->argp; child++)
        collect_names(child->argp, names);
}

static bool
is_option(const option_names *names, const char *text, size_t length)
{
    for (size_t i = 0; i < names->count; i++)
        if (strncmp(names->at[i], text, length) == 0) // getopt takes unambiguous beginnings
            return true;
    return false;
}

/* getopt's own words for an unknown option help nobody. */
static void
check_options(const struct argp *argp, int argc, char **argv)
{
    option_names names = {.at = {"help", "usage", "version"}, .count = 3};
    collect_names(argp, &names);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(argv[i] + 2, "="), argv[i] + 2);
        if (is_option(&names, name, strlen(name)))
            continue;
        const char *nearest = kofn_nearest_name(name, names.at, names.count);
        (void)fprintf(stderr, "%s: there is no option --%s%s%s%s See %s --help\n", argv[0], name,
                      nearest ? "; did you mean --" : "", nearest ? nearest : "",
                      nearest ? "?" : ".", argv[0]);
        exit(CLI_USAGE);
    }
}

void
cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = CLI_USAGE;
    if (kofn_options_wanted(argc, argv)) { // by the build
        kofn_options_describe(argp, stdout);
        exit(cli_finish(CLI_OK));
    }
    check_options(argp, argc, argv);
    (void)argp_parse(argp, argc, argv, 0, NULL, input); // ends the process on errors
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool
is_worth_waiting(void *context, const kofn_account *account)
{
    const cli_common *common = context;
    (void)account; // there is no job
    return (common->ends || !cli_signals_get()) &&
           (common->until_ns == 0 || kofn_clock_ns() < common->until_ns);
}

kofn_status
cli_open(const cli_common *common, kofn_client **ret_client, kofn_error *err)
{
    const kofn_client_options options = {
        .endpoint = common->master,
        .local_workers = common->local,
        .algorithms = common->algorithms,
        .key = common->identity,
        .server_key = common->server_key,
        .patience_ms = (common->patience_ns + 999999) / 1000000,
        .away_ms = common->away_ns > 0 ? (common->away_ns + 999999) / 1000000
                   : common->insists   ? KOFN_CLIENT_FOREVER
                                       : 0,
        .insist = common->insists,
        .progress = is_worth_waiting,
        .context = (void *)(uintptr_t)common, // for its time: nothing is written
    };
    return kofn_client_open(&options, ret_client, err);
}
