#include "common/base/daemon.h"

#include "common/base/clock.h"
#include "common/base/options.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_CHECK = 256, OPTION_SET, OPTION_SHORTCUT };
enum { SHORTCUTS_MAX = 8 };

/* ---- the command line ------------------------------------------------------------------------ */

static const struct argp_option common_options[] = {
    {"config", 'c', "FILE", 0, "Read the configuration from FILE (YAML)", 0},
    {"check-config", OPTION_CHECK, NULL, 0, "Check the configuration and exit", 0},
    {"set", OPTION_SET, "KEY=VALUE", 0, "Set a configuration key, over the file's value", 0},
};

enum { COMMON_OPTIONS = sizeof common_options / sizeof common_options[0] };

typedef struct parse_state {
    const kofn_daemon *daemon;
    kofn_daemon_line *line;
} parse_state;

static void
add_setting(kofn_daemon_line *line, const char *key, const char *value, struct argp_state *state)
{
    if (line->count == KOFN_DAEMON_SETTINGS_MAX)
        argp_error(state, "more than %d settings; use a file", KOFN_DAEMON_SETTINGS_MAX);
    line->settings[line->count++] = (kofn_daemon_setting){key, value};
}

static void
add_pair(kofn_daemon_line *line, char *pair, struct argp_state *state)
{
    char *equals = strchr(pair, '=');
    if (!equals)
        argp_error(state, "--set %s: write it as KEY=VALUE", pair);
    *equals = '\0';
    add_setting(line, pair, equals + 1, state);
}

static error_t
parse_option(int key, char *value, struct argp_state *state)
{
    parse_state *parse = state->input;
    switch (key) {
    case 'c':
        parse->line->file = value;
        return 0;
    case OPTION_CHECK:
        parse->line->check_only = true;
        return 0;
    case OPTION_SET:
        add_pair(parse->line, value, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'; options are listed by --help", value);
        return 0;
    default:
        if (key < OPTION_SHORTCUT || key >= OPTION_SHORTCUT + SHORTCUTS_MAX)
            return ARGP_ERR_UNKNOWN;
        add_setting(parse->line, parse->daemon->shortcuts[key - OPTION_SHORTCUT].key, value, state);
        return 0;
    }
}

static void
print_key(FILE *out, const char *prefix, const kofn_key *key)
{
    char bounds[128];
    kofn_key_format_bounds(key, bounds, sizeof bounds);
    fprintf(out, "  %s%s (%s%s%s; %s)\n      %s\n", prefix, key->name,
            kofn_key_type_name(key->type), bounds[0] ? ", " : "", bounds,
            key->fallback && key->fallback[0] ? key->fallback : "empty", key->help);
}

/* The keys below the options in --help, from the table. */
static char *
add_keys(int key, const char *text, void *input)
{
    const parse_state *parse = input;
    if (key != ARGP_KEY_HELP_POST_DOC || !parse)
        return (char *)text; // argp frees only what differs from it

    char *help = NULL;
    size_t length;
    FILE *out = open_memstream(&help, &length);
    if (!out)
        return (char *)text;
    fprintf(out, "Keys of the configuration, with their defaults:\n\n");
    const kofn_daemon_section *section = parse->daemon->sections;
    for (size_t s = 0; s < KOFN_DAEMON_SECTIONS_MAX && section[s].prefix; s++)
        for (size_t i = 0; i < section[s].keys.count; i++)
            print_key(out, section[s].prefix, &section[s].keys.at[i]);
    return fclose(out) == 0 ? help : (free(help), (char *)text);
}

static void
fill_options(const kofn_daemon *daemon, struct argp_option *options)
{
    memcpy(options, common_options, sizeof common_options);
    const kofn_daemon_shortcut *shortcut = daemon->shortcuts;
    for (int i = 0; shortcut && shortcut[i].option && i < SHORTCUTS_MAX; i++)
        options[COMMON_OPTIONS + i] = (struct argp_option){
            .name = shortcut[i].option,
            .key = OPTION_SHORTCUT + i,
            .arg = shortcut[i].argument,
            .doc = "Short for --set with the key of that name",
        };
}

/* For the build, which makes man pages and completion of it. */
static _Noreturn void
describe(const kofn_daemon *daemon, const struct argp *argp)
{
    kofn_options_describe(argp, stdout);
    const kofn_daemon_section *section = daemon->sections;
    for (size_t s = 0; s < KOFN_DAEMON_SECTIONS_MAX && section[s].prefix; s++)
        kofn_options_describe_keys(section[s].prefix, section[s].keys, stdout);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE);
}

void
kofn_daemon_parse(const kofn_daemon *daemon, int argc, char **argv, kofn_daemon_line *ret_line)
{
    static char doc[512]; // argp wants it until the process ends
    (void)snprintf(doc, sizeof doc, "%s\v", daemon->doc);
    struct argp_option options[COMMON_OPTIONS + SHORTCUTS_MAX + 1] = {{0}};
    fill_options(daemon, options);
    const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = doc,
        .help_filter = add_keys,
    };
    if (kofn_options_wanted(argc, argv))
        describe(daemon, &argp);
    *ret_line = (kofn_daemon_line){.file = NULL};
    parse_state parse = {.daemon = daemon, .line = ret_line};
    argp_err_exit_status = KOFN_DAEMON_EXIT_USAGE;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &parse); // it exits on errors
}

/* ---- signals --------------------------------------------------------------------------------- */

typedef struct signalled {
    void (*call)(void *context);
    void *context;
} signalled;

/* A handler has no other way to what it stops or reloads. */
static signalled stopped, reloaded;

static void
on_signal(int number)
{
    const signalled *by = number == SIGHUP ? &reloaded : &stopped;
    const int saved = errno;
    by->call(by->context);
    errno = saved;
}

void
kofn_daemon_on_stop(void (*stop)(void *context), void *context)
{
    const struct sigaction action = {.sa_handler = stop ? on_signal : SIG_IGN};
    if (stop)
        stopped = (signalled){stop, context};
    (void)sigaction(SIGTERM, &action, NULL); // these fail only for numbers that are none
    (void)sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

void
kofn_daemon_on_reload(void (*reload)(void *context), void *context)
{
    const struct sigaction action = {.sa_handler = reload ? on_signal : SIG_IGN};
    if (reload)
        reloaded = (signalled){reload, context};
    (void)sigaction(SIGHUP, &action, NULL); // as above
}

/* ---- supervision ----------------------------------------------------------------------------- */

static void
tell_nobody(void *context)
{
    (void)context;
}

const kofn_supervisor kofn_supervisor_none = {
    .round_ns = KOFN_NEVER_NS,
    .starting = tell_nobody,
    .ready = tell_nobody,
    .round = tell_nobody,
    .reload = tell_nobody,
    .stopping = tell_nobody,
};
