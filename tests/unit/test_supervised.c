/* Both daemons as a service manager sees them: what they tell it, what signals do, and what they
 * go on doing. Neither needs the other for this. */
#include "tests/unit/manager.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct program {
    const char *path, *endpoints;
} program;

static const program programs[] = {
    {KOFN_MASTER_PROGRAM, "listen:\n  workers: tcp://127.0.0.1:*\n  clients: tcp://127.0.0.1:*\n"},
    {KOFN_WORKER_PROGRAM, "master: tcp://127.0.0.1:9\n"}, // nobody is there
};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

typedef struct daemon_run {
    manager manager;
    const program *program;
    pid_t pid;
    char config[64], log[64], text[1 << 16];
} daemon_run;

static void
write_config(const daemon_run *d, const char *level)
{
    FILE *file = fopen(d->config, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%slog:\n  level: %s\n", d->program->endpoints, level) > 0);
    assert_int_equal(fclose(file), 0);
}

static const char *
read_log(daemon_run *d)
{
    FILE *file = fopen(d->log, "r");
    assert_non_null(file);
    d->text[fread(d->text, 1, sizeof d->text - 1, file)] = '\0';
    (void)fclose(file);
    return d->text;
}

static void
start(daemon_run *d, const program *p)
{
    enum { WRITE = O_WRONLY | O_CREAT | O_TRUNC };
    d->program = p;
    manager_open(&d->manager, "400000");
    (void)snprintf(d->config, sizeof d->config, "%s.yaml", d->manager.path);
    (void)snprintf(d->log, sizeof d->log, "%s.log", d->manager.path);
    write_config(d, "notice");
    const char *const argv[] = {p->path, "-c", d->config, NULL};
    posix_spawn_file_actions_t to_log;
    assert_int_equal(posix_spawn_file_actions_init(&to_log), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&to_log, 2, d->log, WRITE, 0600), 0);
    assert_int_equal(posix_spawn(&d->pid, p->path, &to_log, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&to_log);
    manager_await(&d->manager, "READY=1");
}

/* Stopped as systemd does it, it says so and ends well. */
static void
stop(daemon_run *d)
{
    int how;
    assert_int_equal(kill(d->pid, SIGTERM), 0);
    assert_int_equal(waitpid(d->pid, &how, 0), d->pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    manager_await(&d->manager, "STOPPING=1");
    manager_close(&d->manager);
    (void)unlink(d->config);
    (void)unlink(d->log);
}

static void
reload(daemon_run *d)
{
    assert_int_equal(kill(d->pid, SIGHUP), 0);
    manager_await(&d->manager, "RELOADING=1");
    manager_await(&d->manager, "READY=1");
}

static void
the_loop_feeds_the_watchdog_while_nothing_happens(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        daemon_run d;
        start(&d, &programs[i]);
        for (int fed = 0; fed < 5; fed++) // each 0.4 s at most, or it would be killed
            assert_string_equal(manager_hear(&d.manager, 400), "WATCHDOG=1");
        stop(&d);
    }
}

static void
sighup_takes_the_log_level_of_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        daemon_run d;
        start(&d, &programs[i]);
        write_config(&d, "error");
        reload(&d);
        assert_null(strstr(read_log(&d), "reloaded")); // that would be a notice
        write_config(&d, "notice");
        reload(&d);
        assert_non_null(strstr(read_log(&d), "notice reloaded: "));
        stop(&d);
    }
}

static void
a_file_with_a_mistake_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        daemon_run d;
        start(&d, &programs[i]);
        write_config(&d, "loud");
        reload(&d);
        const char *log = read_log(&d);
        assert_non_null(strstr(log, "error reload_failed: "));
        assert_non_null(strstr(log, "log.level: 'loud'"));
        assert_null(strstr(log, "reloaded"));
        write_config(&d, "notice");
        reload(&d);
        assert_non_null(strstr(read_log(&d), "notice reloaded: "));
        stop(&d);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_feeds_the_watchdog_while_nothing_happens),
        cmocka_unit_test(sighup_takes_the_log_level_of_the_file),
        cmocka_unit_test(a_file_with_a_mistake_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
