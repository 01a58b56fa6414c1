#include "worker/config.h"

#include "common/base/config.h"
#include "proto/link/link.h"

#include <inttypes.h>

#define FIELD(field_) KOFN_KEY_FIELD(kofn_worker_config, field_)
#define MIB           1048576.0
#define TIB           (MIB * MIB)
#define SECONDS       1e9 // in nanoseconds

static const kofn_key keys[] = {
    {"master", KOFN_KEY_STRING, FIELD(master), 1, 255, "tcp://127.0.0.1:7502", NULL,
     "Endpoint of the master that gives the tasks"},
    {"keys.own", KOFN_KEY_STRING, FIELD(own_key), 0, 255, "", NULL,
     "This worker's certificate, NAME.key with NAME.key_secret beside it; empty: no encryption"},
    {"keys.master", KOFN_KEY_STRING, FIELD(master_key), 0, 255, "", NULL,
     "The master's public certificate, which it must prove to have"},
    {"name", KOFN_KEY_STRING, FIELD(name), 0, 63, "", NULL,
     "Name shown to people; empty: host name and process id, another one with each start"},
    {"blas_threads", KOFN_KEY_INT, FIELD(blas_threads), 1, 256, "1", NULL,
     "Threads of one multiplication; one, and more workers, is faster on most machines"},
    {"credit", KOFN_KEY_INT, FIELD(credit), 1, 1024, "2", NULL,
     "Tasks held at a time; with two the next arrives while one is computed"},
    {"window", KOFN_KEY_SIZE, FIELD(window), 65536, 4096 * MIB, "16MiB", NULL,
     "Block bytes that may be on their way to this worker"},
    {"memory", KOFN_KEY_SIZE, FIELD(memory), 0, TIB, "0", NULL,
     "Memory for tasks and results; 0: half of the machine's"},
    {"keep", KOFN_KEY_SIZE, FIELD(keep), 0, TIB, "256MiB", NULL,
     "Of the memory, for answers until the master has settled them; 0: none is kept"},
    {"cache", KOFN_KEY_SIZE, FIELD(cache), 0, TIB, "512MiB", NULL,
     "Of the memory, for coded blocks of stored operands; 0: none is kept"},
    {"grace", KOFN_KEY_DURATION, FIELD(grace_ns), 0, 3600 * SECONDS, "10s", NULL,
     "After SIGTERM: time to finish the tasks held"},
    {"log.level", KOFN_KEY_CHOICE, FIELD(log_level), 0, 0, "notice",
     "error|warning|notice|info|debug", "Least urgent lines that are logged"},
    {"inject.repeat", KOFN_KEY_INT, FIELD(inject.repeat), 1, 1000000, "1", NULL,
     "Fault: do each multiplication this many times; 5 makes a 5x straggler"},
    {"inject.sleep", KOFN_KEY_DURATION, FIELD(inject.sleep_ns), 0, 86400 * SECONDS, "0s", NULL,
     "Fault: wait this long before each answer"},
    {"inject.probability", KOFN_KEY_REAL, FIELD(inject.probability), 0, 1, "1.0", NULL,
     "Share of the tasks that repeat and sleep apply to, drawn independently"},
    {"inject.seed", KOFN_KEY_INT, FIELD(inject.seed), 0, 9007199254740992.0, "1", NULL,
     "Seed of what inject.probability and inject.wrong draw"},
    {"inject.freeze_after", KOFN_KEY_INT, FIELD(inject.freeze_after), 0, 1e15, "0", NULL,
     "Fault: fall silent, connected, after this many tasks; 0: never"},
    {"inject.crash_after", KOFN_KEY_INT, FIELD(inject.crash_after), 0, 1e15, "0", NULL,
     "Fault: exit in the middle of the task after this many; 0: never"},
    {"inject.wrong", KOFN_KEY_REAL, FIELD(inject.wrong), 0, 1, "0", NULL,
     "Fault: share of the answers that are wrong, drawn independently"},
    {"inject.straggler", KOFN_KEY_STRING, FIELD(inject.straggler), 0, 0, "", NULL,
     "Fault: be slow in the rounds of a model, like iid:delta=0.3,seed=7; empty: never"},
    {"inject.straggler_workers", KOFN_KEY_INT, FIELD(inject.straggler_workers), 1, 1024, "64", NULL,
     "Workers of the model's pattern, the same for all that share it"},
    {"inject.column", KOFN_KEY_INT, FIELD(inject.column), 0, 1023, "0", NULL,
     "Which of them this worker is, for tasks of no stream; those of streams say it"},
    {"inject.by", KOFN_KEY_CHOICE, FIELD(inject.by), 0, 0, "repeat", "repeat|wait",
     "How the model's stragglers are slow: multiply again and again, or once and wait"},
    {"inject.pace", KOFN_KEY_REAL, FIELD(inject.pace), 0, 1e6, "0", NULL,
     "GFlop/s that this worker keeps to, by waiting; 0: as fast as it can"},
};

const kofn_keys kofn_worker_keys = {.at = keys, .count = sizeof keys / sizeof keys[0]};

static kofn_status
set_key(void *context, const char *path, const char *value, kofn_error *err)
{
    return kofn_keys_parse(kofn_worker_keys, path, value, context, err);
}

/* By making it: a trace is read. */
static kofn_status
check_straggler(const kofn_inject *inject, kofn_error *err)
{
    kofn_straggler_spec spec;
    kofn_straggler *model = NULL;
    if (!inject->straggler[0])
        return KOFN_OK;
    kofn_status status = kofn_straggler_parse(inject->straggler, &spec, err);
    if (status == KOFN_OK)
        status = kofn_straggler_new(&spec, (size_t)inject->straggler_workers, &model, err);
    kofn_straggler_destroy(&model);
    if (status != KOFN_OK) {
        (void)kofn_fail_within(err, "inject.straggler");
        return status;
    }
    if (inject->column >= inject->straggler_workers)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "inject.column: %" PRId64 ", and the pattern has columns 0 to %" PRId64
                         "; raise inject.straggler_workers",
                         inject->column, inject->straggler_workers - 1);
    return KOFN_OK;
}

kofn_status
kofn_worker_config_check(const kofn_worker_config *config, kofn_error *err)
{
    if (config->memory > 0 && config->memory < config->window)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "memory: %zu bytes are less than the window of %zu; raise memory or "
                         "lower window",
                         (size_t)config->memory, (size_t)config->window);
    const kofn_status status = kofn_link_check_endpoint(KOFN_LINK_WORKER, config->master, err);
    if (status != KOFN_OK)
        return kofn_fail_within(err, "master");
    if (!config->own_key[0] != !config->master_key[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "keys.%s is missing: keys.own and keys.master go together",
                         config->own_key[0] ? "master" : "own");
    return check_straggler(&config->inject, err);
}

static kofn_status
check_all(void *context, kofn_error *err)
{
    return kofn_worker_config_check(context, err);
}

kofn_status
kofn_worker_config_load(const char *path, kofn_worker_config *ret_config, kofn_error *err)
{
    kofn_worker_config config;
    kofn_keys_set_defaults(kofn_worker_keys, &config);
    if (path) {
        kofn_status status = kofn_config_load_checked(path, set_key, check_all, &config, err);
        if (status != KOFN_OK)
            return status;
    }
    *ret_config = config;
    return KOFN_OK;
}

kofn_log_level
kofn_worker_config_get_log_level(const kofn_worker_config *config)
{
    return KOFN_LOG_ERROR + (kofn_log_level)config->log_level; // choices in the levels' order
}
