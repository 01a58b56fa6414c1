/* What the daemons' command lines have in common, by running both programs. Serving is left to
 * others: everything here ends by itself. */
#include "tests/assert.h"

#include "master/config.h"
#include "worker/config.h"

#include <ctype.h>
#include <sys/wait.h>

enum { TABLES = 5 };

typedef struct program {
    const char *name, *path, *config, *shortcut;
    struct {
        const char *prefix;
        const kofn_keys *keys;
    } tables[TABLES];
} program;

static const program programs[] = {
    {.name = "kofn-master",
     .path = KOFN_MASTER_PROGRAM,
     .config = KOFN_SOURCE_DIR "/config/master.yaml",
     .shortcut = "--workers",
     .tables = {{"", &kofn_master_keys},
                {"scheduler.", &kofn_sched_keys},
                {"code.", &kofn_code_spec_keys},
                {"streams.", &kofn_rounds_keys},
                {"streams.code.", &kofn_code_spec_keys}}},
    {.name = "kofn-worker",
     .path = KOFN_WORKER_PROGRAM,
     .config = KOFN_SOURCE_DIR "/config/worker.yaml",
     .shortcut = "--master",
     .tables = {{"", &kofn_worker_keys}}},
};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

typedef struct outcome {
    int exit_code;
    char out[1 << 16]; // standard output, or standard error when asked for
} outcome;

static const char *const standard_error = "2>&1 >/dev/null";
static const char *const standard_output = "2>/dev/null";

/* Through the shell: arguments hold no quotes. Static: it is large. */
static outcome *
run(const program *p, const char *arguments, const char *redirection)
{
    static outcome o;
    char command[4096];
    (void)snprintf(command, sizeof command, "'%s' %s %s </dev/null", p->path, arguments,
                   redirection);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const size_t length = fread(o.out, 1, sizeof o.out - 1, pipe);
    o.out[length] = '\0';
    const int how = pclose(pipe);
    assert_true(WIFEXITED(how));
    o.exit_code = WEXITSTATUS(how);
    return &o;
}

static void
assert_says(const outcome *o, const char *text)
{
    if (strstr(o->out, text))
        return;
    print_error("'%s' is not in: %s\n", text, o->out);
    fail();
}

/* Refused, with `text` on standard error and nothing on standard output. */
static void
assert_refuses(const program *p, const char *arguments, const char *text)
{
    const outcome *o = run(p, arguments, standard_error);
    assert_int_equal(o->exit_code, 2);
    assert_says(o, text);
    assert_string_equal(run(p, arguments, standard_output)->out, "");
}

/* argp breaks lines where they are long: each run of blanks becomes one. */
static void
unwrap(char *text)
{
    size_t length = 0;
    for (const char *at = text; *at; at++)
        if (!isspace((unsigned char)*at))
            text[length++] = *at;
        else if (length == 0 || text[length - 1] != ' ')
            text[length++] = ' ';
    text[length] = '\0';
}

static void
help_lists_every_key_and_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        outcome *o = run(&programs[i], "--help", standard_output);
        assert_int_equal(o->exit_code, 0);
        unwrap(o->out);
        for (size_t t = 0; t < TABLES && programs[i].tables[t].keys; t++)
            for (size_t k = 0; k < programs[i].tables[t].keys->count; k++) {
                char line[256];
                (void)snprintf(line, sizeof line, " %s%s (", programs[i].tables[t].prefix,
                               programs[i].tables[t].keys->at[k].name);
                assert_says(o, line);
                assert_says(o, programs[i].tables[t].keys->at[k].help);
            }
        assert_says(o, "--config=FILE");
        assert_says(o, "--check-config");
        assert_says(o, "--set=KEY=VALUE");
        assert_says(o, programs[i].shortcut);
    }
}

static void
version_is_printed(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "%s " KOFN_VERSION "\n", programs[i].name);
        const outcome *o = run(&programs[i], "--version", standard_output);
        assert_int_equal(o->exit_code, 0);
        assert_string_equal(o->out, line);
    }
}

static void
check_config_says_what_was_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        const outcome *o = run(&programs[i], "--check-config", standard_output);
        assert_int_equal(o->exit_code, 0);
        assert_string_equal(o->out, "defaults: no faults found\n");
        char arguments[1024];
        (void)snprintf(arguments, sizeof arguments, "--check-config -c '%s'", programs[i].config);
        o = run(&programs[i], arguments, standard_output);
        assert_int_equal(o->exit_code, 0);
        assert_says(o, programs[i].config);
        assert_says(o, ": no faults found\n");
    }
}

static void
wrong_usage_is_refused_with_what_would_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        const program *p = &programs[i];
        assert_refuses(p, "--no-such-option", "--no-such-option");
        assert_refuses(p, "surplus", "unexpected argument 'surplus'");
        assert_refuses(p, "--set", "--set");
        assert_refuses(p, "--set log.level", "--set log.level: write it as KEY=VALUE");
        assert_refuses(p, "--set log.level=loud", "debug");
        assert_refuses(p, "--set log.levle=debug", "did you mean 'log.level'?");
        assert_refuses(p, "-c /nowhere/kofn.yaml", "/nowhere/kofn.yaml: cannot be read");
        assert_refuses(p, "-c /dev/null --set =", "no such key");
    }
}

static void
more_settings_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        char arguments[2048] = "--check-config";
        for (int s = 0; s < 64; s++)
            (void)strcat(arguments, " --set log.level=info");
        assert_int_equal(run(&programs[i], arguments, standard_output)->exit_code, 0);
        (void)strcat(arguments, " --set log.level=info");
        assert_refuses(&programs[i], arguments, "more than 64 settings; use a file");
    }
}

static void
the_command_line_has_the_last_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        char path[] = "/tmp/kofn-daemon-XXXXXX";
        const int fd = mkstemp(path);
        FILE *file = fdopen(fd, "w");
        assert_non_null(file);
        assert_true(fputs("log:\n  level: loud\n", file) >= 0);
        assert_int_equal(fclose(file), 0);

        /* A fault of the file stays one, and has its place. */
        char arguments[128], place[64];
        (void)snprintf(arguments, sizeof arguments, "--check-config -c %s --set log.level=debug",
                       path);
        (void)snprintf(place, sizeof place, "%s:2:3: log.level: 'loud'", path);
        const outcome *o = run(&programs[i], arguments, standard_error);
        (void)remove(path);
        assert_int_equal(o->exit_code, 2);
        assert_says(o, place);

        /* Of two settings the later one counts; a shortcut is one of them. */
        assert_refuses(&programs[i], "--check-config --set log.level=info --set log.level=loud",
                       "'loud'");
        (void)snprintf(arguments, sizeof arguments, "--check-config %s tcp://127.0.0.1:1",
                       programs[i].shortcut);
        assert_int_equal(run(&programs[i], arguments, standard_error)->exit_code, 0);
        (void)snprintf(arguments, sizeof arguments, "--check-config %s ''", programs[i].shortcut);
        assert_int_equal(run(&programs[i], arguments, standard_error)->exit_code, 2);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_every_key_and_option),
        cmocka_unit_test(version_is_printed),
        cmocka_unit_test(check_config_says_what_was_checked),
        cmocka_unit_test(wrong_usage_is_refused_with_what_would_be_right),
        cmocka_unit_test(more_settings_than_there_is_room_for_are_refused),
        cmocka_unit_test(the_command_line_has_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
