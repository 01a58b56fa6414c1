#include "master/config.h"

#include "common/base/config.h"
#include "common/code/liars.h"
#include "common/code/plan_time.h"
#include "master/sched/policy.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELD(field_) KOFN_KEY_FIELD(kofn_master_config, field_)
#define KIB           1024.0
#define MIB           (KIB * KIB)
#define TIB           (MIB * MIB)
#define MS            1e6 // in nanoseconds
#define HOURS         3600e9

static const kofn_key keys[] = {
    {"listen.workers", KOFN_KEY_STRING, FIELD(workers), 1, 255, "tcp://127.0.0.1:7502", NULL,
     "Endpoint that workers connect to"},
    {"listen.clients", KOFN_KEY_STRING, FIELD(clients), 1, 255, "tcp://127.0.0.1:7501", NULL,
     "Endpoint that clients connect to"},
    {"keys.own", KOFN_KEY_STRING, FIELD(own_key), 0, 255, "", NULL,
     "This master's certificate, NAME.key with NAME.key_secret beside it; with it every link is "
     "encrypted; empty: none is"},
    {"keys.allowed", KOFN_KEY_STRING, FIELD(allowed_keys), 0, 255, "", NULL,
     "Folder of the certificates that may connect; read again when it changes"},
    {"insecure", KOFN_KEY_BOOL, FIELD(insecure), 0, 0, "false", NULL,
     "Listen beyond this machine without keys: whoever reaches the ports may use the service"},
    {"compute_threads", KOFN_KEY_INT, FIELD(compute_threads), 1, 64, "2", NULL,
     "Threads that encode and decode, each with one of BLAS; both are bound by memory, so two are "
     "plenty"},
    {"heartbeat", KOFN_KEY_DURATION, FIELD(heartbeat_ns), 10 * MS, HOURS, "500ms", NULL,
     "How often master and workers beat"},
    {"silence", KOFN_KEY_DURATION, FIELD(silence_ns), 50 * MS, HOURS, "2.5s", NULL,
     "A worker not heard for this long is lost, and its tasks replaced where they are needed"},
    {"chunk", KOFN_KEY_SIZE, FIELD(chunk_bytes), 0, 64 * MIB, "0", NULL,
     "Target size of a block frame, 4KiB at least; 0: what suits the links, less with keys"},
    {"window", KOFN_KEY_SIZE, FIELD(window), 64 * KIB, 4 * KIB *MIB, "16MiB", NULL,
     "Block bytes that a peer may have on their way to the master"},
    {"limits.memory", KOFN_KEY_SIZE, FIELD(memory), 0, TIB, "0", NULL,
     "Memory for operands, coded blocks, answers and results; 0: half of the machine's"},
    {"limits.jobs", KOFN_KEY_INT, FIELD(jobs_max), 1, 1000000, "10000", NULL,
     "Jobs accepted and not finished"},
    {"limits.connections", KOFN_KEY_INT, FIELD(connections_max), 1, 1000000, "16384", NULL,
     "Clients connected at a time"},
    {"limits.operands", KOFN_KEY_INT, FIELD(operands_max), 1, KOFN_STORED_MAX, "1000", NULL,
     "Operands stored"},
    {"limits.streams", KOFN_KEY_INT, FIELD(streams_max), 1, KOFN_STREAMS_LISTED_MAX, "100", NULL,
     "Streams open at a time"},
    {"limits.client_streams", KOFN_KEY_INT, FIELD(client_streams_max), 1, KOFN_STREAMS_LISTED_MAX,
     "16", NULL, "Of them, those of one client: of its key, or without keys of its connection"},
    {"limits.stream_grace", KOFN_KEY_DURATION, FIELD(stream_grace_ns), 1 * MS, HOURS, "10s", NULL,
     "How long a stream outlives its client's connection, where the client does not say"},
    {"limits.keep_operands", KOFN_KEY_DURATION, FIELD(keep_operands_ns), 0, 8760 * HOURS, "1h",
     NULL, "A stored operand that no job used for so long is dropped; 0: only clients drop it"},
    {"limits.coded_cache", KOFN_KEY_SIZE, FIELD(coded_cache), 0, TIB, "1GiB", NULL,
     "Coded blocks of stored operands that are kept for the next product, within limits.memory"},
    {"store.dir", KOFN_KEY_STRING, FIELD(store), 0, 255, "", NULL,
     "Folder for submitted jobs, their results and stored operands, which then survive the master; "
     "empty: they live in memory"},
    {"store.size", KOFN_KEY_SIZE, FIELD(store_bytes), 0, 1024 * TIB, "0", NULL,
     "Bytes in that folder, beyond which new jobs and operands are refused; 0: as the disk allows. "
     "64MiB of the disk are always left to the jobs that are there"},
    {"durability", KOFN_KEY_CHOICE, FIELD(durability), 0, 0, "full", "full|none",
     "full: what was accepted is synced to disk, and survives the machine; none: it is written "
     "and not "
     "synced, and survives the process"},
    {"results.keep", KOFN_KEY_DURATION, FIELD(keep_ns), 0, 8760 * HOURS, "10min", NULL,
     "How long a submitted job's product waits to be fetched"},
    {"results.jobs", KOFN_KEY_INT, FIELD(keep_jobs), 0, 100000, "1000", NULL,
     "Finished jobs that stay in the list"},
    {"grace", KOFN_KEY_DURATION, FIELD(grace_ns), 0, HOURS, "10s", NULL,
     "After SIGTERM: time to finish the jobs accepted"},
    {"whole_flops", KOFN_KEY_REAL, FIELD(whole_flops), 0, 1e18, "2e7", NULL,
     "Products of no more flops go whole to one worker when their code is left open"},
    {"policy", KOFN_KEY_STRING, FIELD(policy), 1, KOFN_NAME_MAX - 1, "auto", NULL,
     "Policy of jobs that name none; auto: rateless where no number of answers is certain to "
     "suffice, oneshot where the code can lose a task, else speculative"},
    {"verify", KOFN_KEY_CHOICE, FIELD(verify), 0, 0, "none", "none|freivalds|parity",
     "Are answers right, of jobs that say nothing: freivalds checks each against the operands, "
     "parity takes two more for each worker that may lie, none believes them"},
    {"liars", KOFN_KEY_INT, FIELD(liars), 1, KOFN_LIARS_MAX, "1", NULL,
     "Workers that may lie, of jobs that verify by parity and say nothing"},
    {"quarantine", KOFN_KEY_DURATION, FIELD(quarantine_ns), 1 * MS, 8760 * HOURS, "1h", NULL,
     "How long a worker that answered wrongly gets nothing, also when it comes again"},
    {"plan.stragglers", KOFN_KEY_INT, FIELD(plan.stragglers), 0, KOFN_PLAN_WORKERS_MAX, "0", NULL,
     "Workers that may straggle when a code left open is chosen; 0: one in six, at least one"},
    {"plan.slowdown", KOFN_KEY_REAL, FIELD(plan.slowdown), 1, 1e6, "5", NULL,
     "A straggler takes this times as long, in plans"},
    {"plan.gflops", KOFN_KEY_REAL, FIELD(plan.gflops), 0, 1e9, "0", NULL,
     "Gflop/s of each worker, in plans; 0: as measured"},
    {"plan.link", KOFN_KEY_REAL, FIELD(plan.link), 0, 1e6, "0", NULL,
     "GB/s of the master's link each way, in plans; 0: as measured"},
    {"algorithms", KOFN_KEY_STRING, FIELD(algorithms), 0, 255, "", NULL,
     "Directory of bilinear algorithms, NAME.yaml, NAME.yml or NAME.json, that codes may name "
     "beside "
     "those that ship; read at the start"},
    {"log.level", KOFN_KEY_CHOICE, FIELD(log_level), 0, 0, "notice",
     "error|warning|notice|info|debug", "Least urgent lines that are logged"},
};

const kofn_keys kofn_master_keys = {.at = keys, .count = sizeof keys / sizeof keys[0]};

void
kofn_master_config_fini(kofn_master_config *config)
{
    config->code.algorithms = config->stream_code.algorithms = NULL;
    kofn_algorithms_destroy(&config->known);
}

static kofn_status
read_algorithms(kofn_master_config *config, kofn_error *err)
{
    kofn_algorithms *known = NULL;
    const kofn_status status =
        config->algorithms[0] ? kofn_algorithms_load(config->algorithms, &known, err) : KOFN_OK;
    if (status)
        return status;
    kofn_master_config_fini(config);
    config->known = known;
    config->code.algorithms = config->stream_code.algorithms = known;
    return KOFN_OK;
}

kofn_status
kofn_master_config_set(kofn_master_config *config, const char *path, const char *value,
                       kofn_error *err)
{
    if (strcmp(path, "code") == 0 && !value[0]) // a section whose keys are all commented out
        return KOFN_OK;
    if (strncmp(path, "code.", 5) == 0)
        return kofn_code_spec_set(&config->code, path + 5, value, err);
    if (strcmp(path, "streams") == 0 && !value[0])
        return KOFN_OK;
    if (strcmp(path, "streams.code") == 0 && !value[0])
        return KOFN_OK;
    if (strncmp(path, "streams.code.", 13) == 0)
        return kofn_code_spec_set(&config->stream_code, path + 13, value, err);
    if (strncmp(path, "streams.", 8) == 0)
        return kofn_keys_parse(kofn_rounds_keys, path + 8, value, &config->streams, err);
    if (strcmp(path, "scheduler") == 0 && !value[0])
        return KOFN_OK;
    if (strncmp(path, "scheduler.", 10) == 0)
        return kofn_keys_parse(kofn_sched_keys, path + 10, value, &config->sched, err);
    kofn_status status = kofn_keys_parse(kofn_master_keys, path, value, config, err);
    if (!status && strcmp(path, "policy") == 0) // at its line
        status = kofn_master_policy_check(config->policy, err);
    if (!status && strcmp(path, "algorithms") == 0)
        status = read_algorithms(config, err);
    return status;
}

kofn_status
kofn_master_policy_check(const char *name, kofn_error *err)
{
    if (strcmp(name, "auto") == 0 || kofn_policy_find(name))
        return KOFN_OK;
    const char *near = kofn_policy_nearest(name);
    return kofn_fail(err, KOFN_NOT_FOUND, "there is no policy '%s'%s%s%s", name,
                     near ? "; did you mean '" : "; see kofn codes", near ? near : "",
                     near ? "'?" : "");
}

static bool
is_endpoint(const char *text)
{
    return strncmp(text, "tcp://", 6) == 0 || strncmp(text, "ipc://", 6) == 0 ||
           strncmp(text, "inproc://", 9) == 0;
}

/* Two wildcard ports differ once they are bound. */
static bool
is_wildcard(const char *endpoint)
{
    const char *port = strrchr(endpoint, ':');
    return port && (strcmp(port, ":*") == 0 || strcmp(port, ":0") == 0);
}

static kofn_status
check_endpoints(const kofn_master_config *config, kofn_error *err)
{
    const char *wrong = !is_endpoint(config->workers)   ? config->workers
                        : !is_endpoint(config->clients) ? config->clients
                                                        : NULL;
    if (wrong)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "'%s' is no endpoint: write it as tcp://ADDRESS:PORT", wrong);
    if (strcmp(config->workers, config->clients) == 0 && !is_wildcard(config->workers))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "listen.workers and listen.clients are both %s: give each its own port",
                         config->workers);
    return KOFN_OK;
}

/* Can nobody but this machine reach it? */
static bool
is_local(const char *endpoint)
{
    static const char *const local[] = {"ipc://",           "inproc://",    "tcp://127.",
                                        "tcp://localhost:", "tcp://[::1]:", "tcp://lo:"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (strncmp(endpoint, local[i], strlen(local[i])) == 0)
            return true;
    return false;
}

static kofn_status
check_keys(const kofn_master_config *config, kofn_error *err)
{
    const bool secured = config->own_key[0];
    if (secured != (config->allowed_keys[0] != '\0'))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "keys.%s is missing: keys.own and keys.allowed go together",
                         secured ? "allowed" : "own");
    const char *const endpoints[] = {config->workers, config->clients};
    for (size_t i = 0; secured && i < 2; i++)
        if (strncmp(endpoints[i], "inproc://", 9) == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "%s cannot be encrypted: use tcp:// or ipc:// with keys",
                             endpoints[i]);
    return KOFN_OK;
}

kofn_status
kofn_master_config_check_exposure(const kofn_master_config *config, kofn_error *err)
{
    const char *open = !is_local(config->workers)   ? config->workers
                       : !is_local(config->clients) ? config->clients
                                                    : NULL;
    if (!open || config->own_key[0] || config->insecure)
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "%s is open to other machines and there are no keys; run 'kofn keygen master "
                     "--role master -o keys' and 'kofn-master --set keys.own=keys/master.key --set "
                     "keys.allowed=keys' with your other options; or set insecure: true, and "
                     "whoever reaches the port may use the service",
                     open);
}

/* As far as it does not depend on workers and clients. */
static kofn_status
check_streams(const kofn_master_config *config, kofn_error *err)
{
    const kofn_code_spec *code = &config->stream_code;
    kofn_rounds_config rounds = config->streams;
    kofn_status status = KOFN_OK;
    if (code->tasks > 0 || code->reserve > 0)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "tasks=%zu reserve=%zu: how many rows the inner code has follows from "
                           "the scheme, leave both out",
                           code->tasks, code->reserve);
    if (!status)
        status = kofn_code_spec_check(code, kofn_field_find("f64"), err);
    if (!status)
        status = kofn_rounds_check(&rounds, err);
    if (!status && rounds.slots > 0 && code->part.x > 0 && code->part.y > 0)
        status = kofn_rounds_settle(&rounds, kofn_size_multiply(code->part.x, code->part.y), err);
    return status ? kofn_fail_within(err, "streams") : KOFN_OK;
}

kofn_status
kofn_master_config_check(const kofn_master_config *config, kofn_error *err)
{
    if (config->silence_ns < 2 * config->heartbeat_ns)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "silence: %.3f s is less than two heartbeats of %.3f s; every worker "
                         "would be taken for lost",
                         (double)config->silence_ns * 1e-9, (double)config->heartbeat_ns * 1e-9);
    if (config->chunk_bytes > 0 && config->chunk_bytes < 4 * KIB)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "chunk: %zu bytes are less than 4KiB",
                         (size_t)config->chunk_bytes);
    if (config->memory > 0 && config->memory < config->window)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "limits.memory: %zu bytes are less than one peer's window of %zu",
                         (size_t)config->memory, (size_t)config->window);
    if (config->store_bytes > 0 && config->store_bytes < MIB)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "store.size: %zu bytes hold next to nothing; 1MiB at least, or 0 for as "
                         "much as the disk allows",
                         (size_t)config->store_bytes);
    kofn_status status = check_endpoints(config, err);
    if (!status)
        status = check_keys(config, err);
    if (!status)
        status = kofn_master_policy_check(config->policy, err);
    if (!status)
        status = check_streams(config, err);
    return status ? status : kofn_code_spec_check(&config->code, kofn_field_find("f64"), err);
}

kofn_log_level
kofn_master_config_get_log_level(const kofn_master_config *config)
{
    return (kofn_log_level)(KOFN_LOG_ERROR + config->log_level); // choices in syslog's order
}

uint64_t
kofn_master_config_get_memory(const kofn_master_config *config)
{
    if (config->memory > 0)
        return config->memory;
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : UINT64_C(1) << 30;
}

static kofn_status
visit(void *context, const char *path, const char *value, kofn_error *err)
{
    return kofn_master_config_set(context, path, value, err);
}

static kofn_status
check_all(void *context, kofn_error *err)
{
    return kofn_master_config_check(context, err);
}

kofn_status
kofn_master_config_load(const char *path, kofn_master_config *ret_config, kofn_error *err)
{
    kofn_master_config config;
    memset(&config, 0, sizeof config);
    kofn_keys_set_defaults(kofn_master_keys, &config);
    kofn_keys_set_defaults(kofn_sched_keys, &config.sched);
    kofn_keys_set_defaults(kofn_rounds_keys, &config.streams);
    kofn_status status =
        path ? kofn_config_load_checked(path, visit, check_all, &config, err) : KOFN_OK;
    if (status) {
        kofn_master_config_fini(&config);
        return status;
    }
    *ret_config = config;
    return KOFN_OK;
}
