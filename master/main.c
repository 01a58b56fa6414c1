/* kofn-master: the command line, signals, and nothing else. */
#include "common/base/daemon.h"
#include "common/linalg/blas.h"
#include "common/systemd/journal.h"
#include "common/systemd/notify.h"
#include "master/master.h"
#include "proto/link/link.h"

#include <argp.h>
#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

const char *argp_program_version = "kofn-master " KOFN_VERSION;

static kofn_status
load(const kofn_daemon_line *line, kofn_master_config *ret_config, kofn_error *err)
{
    kofn_status status = kofn_master_config_load(line->file, ret_config, err);
    for (size_t i = 0; i < line->count && !status; i++)
        status =
            kofn_master_config_set(ret_config, line->settings[i].key, line->settings[i].value, err);
    if (!status)
        status = kofn_master_config_check(ret_config, err);
    return status ? status : kofn_master_config_check_exposure(ret_config, err);
}

static void
stop(void *master)
{
    kofn_master_stop(master);
}

static void
ask_reload(void *master)
{
    kofn_master_reload(master);
}

typedef struct serving {
    const kofn_daemon_line *line;
    kofn_log log;
    kofn_master *master;
} serving;

/* File and command line again. A file with a mistake changes nothing. */
static void
reload(void *context)
{
    const serving *s = context;
    kofn_error err;
    kofn_master_config fresh;
    if (load(s->line, &fresh, &err) != KOFN_OK) {
        kofn_log_write(&s->log, KOFN_LOG_ERROR, "reload_failed", err.text, "");
        return;
    }
    kofn_master_reconfigure(s->master, &fresh);
    kofn_master_config_fini(&fresh);
}

/* Each connection is a descriptor, and the usual soft limit of 1024 is for programs that call
 * select: none of ours. Where it cannot be raised, libzmq turns connections away until others
 * end. */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); // else: with those that there are
}

static kofn_status
serve(const kofn_daemon_line *line, const kofn_master_config *config, kofn_log log, kofn_error *err)
{
    zsys_handler_set(NULL); // signals are ours
    kofn_master *master = NULL;
    serving s = {.line = line, .log = log};
    kofn_notify notify;
    kofn_notify_init(&notify, reload, &s);
    kofn_status status =
        kofn_master_new(zsys_init(), config, log, &notify.supervisor, &master, err);
    if (status)
        return status;
    s.master = master;
    kofn_master_be_thrifty(master);
    kofn_daemon_on_reload(ask_reload, master);
    kofn_daemon_on_stop(stop, master);
    status = kofn_master_run(master, err);
    kofn_daemon_on_stop(NULL, NULL); // the master is going: nothing is left to stop
    kofn_daemon_on_reload(NULL, NULL);
    kofn_master_destroy(&master);
    zsys_shutdown(); // waits for the last replies, no longer than their linger
    return status;
}

int
main(int argc, char **argv)
{
    static const kofn_daemon_shortcut shortcuts[] = {
        {"workers", "listen.workers", "ENDPOINT"},
        {"clients", "listen.clients", "ENDPOINT"},
        {NULL, NULL, NULL},
    };
    const kofn_daemon daemon = {
        .doc = "Serves coded matrix products: clients submit them, workers compute them.",
        .sections = {{"", kofn_master_keys},
                     {"scheduler.", kofn_sched_keys},
                     {"code.", kofn_code_spec_keys},
                     {"streams.", kofn_rounds_keys},
                     {"streams.code.", kofn_code_spec_keys}},
        .shortcuts = shortcuts,
    };
    kofn_link_choose_malloc(argv);
    kofn_blas_choose_kernel(argv);
    kofn_link_tune_malloc();
    raise_descriptors();
    kofn_daemon_line line;
    kofn_daemon_parse(&daemon, argc, argv, &line);

    kofn_error err;
    kofn_master_config config;
    if (load(&line, &config, &err) != KOFN_OK) {
        fprintf(stderr, "kofn-master: %s\n", err.text);
        return KOFN_DAEMON_EXIT_USAGE;
    }
    if (line.check_only) {
        printf("%s: no faults found\n", line.file ? line.file : "defaults");
        kofn_master_config_fini(&config);
        return EXIT_SUCCESS;
    }
    kofn_log log;
    kofn_log_init(&log, kofn_master_config_get_log_level(&config), STDERR_FILENO);
    kofn_journal_attach(&log);
    kofn_status status = serve(&line, &config, log, &err);
    kofn_master_config_fini(&config);
    if (status != KOFN_OK) {
        kofn_log_write(&log, KOFN_LOG_ERROR, "failed", err.text, "status=%s",
                       kofn_status_name(err.status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
