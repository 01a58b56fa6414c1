/* kofn-worker: the command line, signals, and nothing else. */
#include "common/base/daemon.h"
#include "common/linalg/blas.h"
#include "common/systemd/journal.h"
#include "common/systemd/notify.h"
#include "proto/link/link.h"
#include "worker/worker.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

const char *argp_program_version = "kofn-worker " KOFN_VERSION; // argp's name for --version

static const kofn_daemon_shortcut shortcuts[] = {
    {"master", "master", "ENDPOINT"},
    {"name", "name", "NAME"},
    {0},
};

static kofn_status
load(const kofn_daemon_line *line, kofn_worker_config *ret_config, kofn_error *err)
{
    kofn_status status = kofn_worker_config_load(line->file, ret_config, err);
    for (size_t i = 0; i < line->count && status == KOFN_OK; i++)
        status = kofn_keys_parse(kofn_worker_keys, line->settings[i].key, line->settings[i].value,
                                 ret_config, err);
    return status == KOFN_OK ? kofn_worker_config_check(ret_config, err) : status;
}

static void
stop(void *worker)
{
    kofn_worker_stop(worker);
}

static void
ask_reload(void *worker)
{
    kofn_worker_reload(worker);
}

typedef struct serving {
    const kofn_daemon_line *line;
    kofn_log log;
    kofn_worker *worker;
} serving;

/* File and command line again. A file with a mistake changes nothing. */
static void
reload(void *context)
{
    const serving *s = context;
    kofn_error err;
    kofn_worker_config fresh;
    if (load(s->line, &fresh, &err) != KOFN_OK) {
        kofn_log_write(&s->log, KOFN_LOG_ERROR, "reload_failed", err.text, "");
        return;
    }
    kofn_worker_reconfigure(s->worker, &fresh);
}

static kofn_status
serve(const kofn_daemon_line *line, void *context, const kofn_worker_config *config, kofn_log log,
      kofn_error *err)
{
    kofn_worker *worker = NULL;
    kofn_status status = kofn_worker_new(context, config, log, &worker, err);
    if (status != KOFN_OK)
        return status;
    serving s = {.line = line, .log = log, .worker = worker};
    kofn_notify notify;
    kofn_notify_init(&notify, reload, &s);
    kofn_worker_set_supervisor(worker, &notify.supervisor);
    kofn_daemon_on_reload(ask_reload, worker);
    kofn_daemon_on_stop(stop, worker);
    status = kofn_worker_run(worker, err);
    kofn_daemon_on_stop(NULL, NULL);
    kofn_daemon_on_reload(NULL, NULL);
    kofn_worker_destroy(&worker);
    return status;
}

/* The context ends after the last answers are gone, or their linger is over. */
static kofn_status
serve_in_context(const kofn_daemon_line *line, const kofn_worker_config *config, kofn_log log,
                 kofn_error *err)
{
    void *context = zmq_ctx_new();
    if (!context)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no ZeroMQ context: %s", strerror(errno));
    const kofn_status status = serve(line, context, config, log, err);
    while (zmq_ctx_term(context) != 0 && errno == EINTR)
        continue;
    return status;
}

int
main(int argc, char **argv)
{
    kofn_blas_choose_kernel(argv);
    kofn_link_tune_malloc();
    const kofn_daemon daemon = {
        .doc = "Multiplies coded blocks for a kofn master until it is told to stop.",
        .sections = {{"", kofn_worker_keys}},
        .shortcuts = shortcuts,
    };
    kofn_daemon_line line;
    kofn_daemon_parse(&daemon, argc, argv, &line);

    kofn_error error;
    kofn_worker_config config;
    if (load(&line, &config, &error) != KOFN_OK) {
        fprintf(stderr, "kofn-worker: %s\n", error.text);
        return KOFN_DAEMON_EXIT_USAGE;
    }
    if (line.check_only) {
        printf("%s: no faults found\n", line.file ? line.file : "defaults");
        return EXIT_SUCCESS;
    }

    kofn_log log;
    kofn_log_init(&log, kofn_worker_config_get_log_level(&config), STDERR_FILENO);
    kofn_journal_attach(&log);
    const kofn_status status = serve_in_context(&line, &config, log, &error);
    if (status == KOFN_OK)
        return EXIT_SUCCESS;
    kofn_log_write(&log, KOFN_LOG_ERROR, "failed", error.text, "status=%s",
                   kofn_status_name(status));
    return EXIT_FAILURE;
}
