#include "worker/root.h"

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/linalg/blas.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

/* Messages handled before timers get their turn again: a flood must not hold up a heartbeat. */
enum { MESSAGES_A_TURN = 64 };

/* ---- birth and end --------------------------------------------------------------------------- */

static uint64_t
half_of_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0)
        return UINT64_C(1) << 30; // a system that does not say
    return (uint64_t)pages / 2 * (uint64_t)page;
}

/* With the process, so that no two workers of a machine are one to whoever goes by names: where
 * there are no keys a quarantine is of a name, and would bar those that did not lie. Counting them,
 * "host-2", takes somebody who knows which is which when they start again in another order; who
 * starts them does. */
static void
fill_name(kofn_worker_config *config)
{
    if (config->name[0] != '\0')
        return;
    char host[sizeof config->name - 16] = "worker"; // leaves room for the process id
    if (gethostname(host, sizeof host - 1) != 0)
        (void)snprintf(host, sizeof host, "worker");
    (void)snprintf(config->name, sizeof config->name, "%s-%ld", host, (long)getpid());
}

kofn_status
kofn_worker_new_socket(kofn_worker *worker, void **ret_socket, kofn_error *err)
{
    void *socket;
    kofn_status status = kofn_link_socket_new(worker->context, KOFN_LINK_WORKER, &socket, err);
    if (status != KOFN_OK)
        return status;
    if (worker->config.own_key[0])
        status = kofn_link_secure(socket, KOFN_LINK_WORKER, &worker->keys, err);
    if (status == KOFN_OK)
        *ret_socket = socket;
    else
        (void)zmq_close(socket); // fails only for what is no socket
    return status;
}

static kofn_status
load_keys(const kofn_worker_config *config, kofn_link_keys *ret_keys, kofn_error *err)
{
    if (!config->own_key[0])
        return KOFN_OK;
    kofn_status status = kofn_link_keys_load(config->own_key, config->master_key, ret_keys, err);
    if (status == KOFN_OK && ret_keys->own.role != KOFN_ROLE_WORKER)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "keys.own: %s is the certificate of a %s, which no master takes for a worker",
                      config->own_key, kofn_role_name(ret_keys->own.role));
    return status;
}

/* Open and close the link once, so that an endpoint that cannot be one stops the start. */
static kofn_status
try_endpoint(kofn_worker *worker, kofn_error *err)
{
    void *socket;
    kofn_status status = kofn_worker_new_socket(worker, &socket, err);
    if (status != KOFN_OK)
        return status;
    const int linger_ms = 0;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    status = kofn_link_open(socket, KOFN_LINK_WORKER, worker->config.master, NULL, 0, err);
    (void)zmq_close(socket);
    return status;
}

static kofn_status
build(kofn_worker *worker, kofn_error *err)
{
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->reload_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->stop_fd < 0 || worker->reload_fd < 0)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no descriptor: %s", strerror(errno));
    kofn_status status = kofn_injector_init(&worker->injector, &worker->config.inject, err);
    if (status == KOFN_OK)
        status = load_keys(&worker->config, &worker->keys, err);
    if (status == KOFN_OK)
        status = try_endpoint(worker, err);
    if (status == KOFN_OK) // a quarter kept idle: enough for the blocks of one task to come back
        status = kofn_pool_new((size_t)(worker->memory_limit / 4), &worker->pool, err);
    if (status == KOFN_OK)
        status = kofn_compute_new(worker->pool, &worker->compute, err);
    return status;
}

kofn_status
kofn_worker_new(void *context, const kofn_worker_config *config, kofn_log log,
                kofn_worker **ret_worker, kofn_error *err)
{
    kofn_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a worker");
    worker->context = context;
    worker->config = *config;
    worker->log = log;
    worker->stop_fd = worker->reload_fd = -1;
    worker->supervisor = kofn_supervisor_none;
    worker->memory_limit = config->memory ? config->memory : half_of_memory();
    worker->life = kofn_rng_fresh_seed();
    fill_name(&worker->config);
    kofn_keepsakes_init(worker);
    kofn_blas_set_threads((int)config->blas_threads);

    kofn_status status = build(worker, err);
    if (status != KOFN_OK) {
        kofn_worker_destroy(&worker);
        return status;
    }
    *ret_worker = worker;
    return KOFN_OK;
}

void
kofn_worker_destroy(kofn_worker **worker_p)
{
    kofn_worker *worker = *worker_p;
    if (!worker)
        return;
    kofn_compute_destroy(&worker->compute); // its work is ours again
    while (worker->tasks)
        kofn_tasks_forget(worker, worker->tasks);
    kofn_injector_fini(&worker->injector);
    kofn_keepsakes_fini(worker);
    kofn_field_destroy(&worker->field);
    kofn_inbound_fini(&worker->in);
    kofn_pool_destroy(&worker->pool);
    if (worker->stop_fd >= 0)
        (void)close(worker->stop_fd);
    if (worker->reload_fd >= 0)
        (void)close(worker->reload_fd);
    explicit_bzero(&worker->keys, sizeof worker->keys);
    free(worker);
    *worker_p = NULL;
}

void
kofn_worker_stop(kofn_worker *worker)
{
    const uint64_t one = 1;
    (void)!write(worker->stop_fd, &one, sizeof one); // full only after 2^64 stops
}

void
kofn_worker_set_supervisor(kofn_worker *worker, const kofn_supervisor *supervisor)
{
    worker->supervisor = *supervisor;
}

void
kofn_worker_reload(kofn_worker *worker)
{
    const uint64_t one = 1;
    (void)!write(worker->reload_fd, &one, sizeof one); // as above
}

static bool
are_same(const kofn_link_keys *a, const kofn_link_keys *b)
{
    return strcmp(a->own.secret_key, b->own.secret_key) == 0 && strcmp(a->master, b->master) == 0;
}

/* The files may say something else though their names are what they were. With files that cannot be
 * used the worker goes on as it is. */
static void
reload_keys(kofn_worker *worker, const kofn_worker_config *fresh)
{
    kofn_link_keys keys = {.master = ""};
    kofn_error err;
    if (load_keys(fresh, &keys, &err) != KOFN_OK) {
        kofn_log_write(&worker->log, KOFN_LOG_ERROR, "reload_failed", err.text, "going_on_with=%s",
                       worker->config.own_key);
    } else {
        const bool same = are_same(&keys, &worker->keys);
        worker->keys = keys;
        memcpy(worker->config.own_key, fresh->own_key, sizeof fresh->own_key);
        memcpy(worker->config.master_key, fresh->master_key, sizeof fresh->master_key);
        if (!same)
            kofn_session_renew(worker);
    }
    explicit_bzero(&keys, sizeof keys);
}

void
kofn_worker_reconfigure(kofn_worker *worker, const kofn_worker_config *fresh)
{
    worker->log.level = kofn_worker_config_get_log_level(fresh);
    reload_keys(worker, fresh);
    kofn_log_write(&worker->log, KOFN_LOG_NOTICE, "reloaded", "other keys wait for the next start",
                   "taken=log.level,keys.own,keys.master");
}

/* ---- messages -------------------------------------------------------------------------------- */

typedef union any_message {
    kofn_msg_welcome welcome;
    kofn_msg_refuse refuse;
    kofn_msg_task task;
    kofn_msg_data data;
    kofn_msg_ack ack;
    kofn_msg_heartbeat heartbeat;
    kofn_msg_cancel cancel;
    kofn_msg_recall recall;
    kofn_msg_settled settled;
} any_message;

static const struct handler {
    const kofn_wire_message *of;
    void (*on)(kofn_worker *worker, const void *message);
} handlers[] = {
    {&kofn_task_message, kofn_tasks_on_task},
    {&kofn_data_message, kofn_tasks_on_data},
    {&kofn_cancel_message, kofn_tasks_on_cancel},
    {&kofn_recall_message, kofn_keepsakes_on_recall},
    {&kofn_settled_message, kofn_keepsakes_on_settled},
    {&kofn_ack_message, kofn_session_on_ack},
    {&kofn_heartbeat_message, kofn_session_on_heartbeat},
    {&kofn_welcome_message, kofn_session_on_welcome},
    {&kofn_refuse_message, kofn_session_on_refuse},
};

static const struct handler *
find_handler(const char *type)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (strcmp(handlers[i].of->name, type) == 0)
            return &handlers[i];
    return NULL;
}

static kofn_status
dispatch(kofn_worker *worker, kofn_error *err)
{
    const void *head = kofn_buf_get_data(worker->in.head);
    const size_t length = kofn_buf_get_size(worker->in.head);
    char type[KOFN_NAME_MAX];
    kofn_status status = kofn_message_peek(head, length, "type", type, sizeof type, err);
    if (status != KOFN_OK)
        return status;
    const struct handler *handler = find_handler(type);
    if (!handler)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "message of type '%s'", type);

    any_message message;
    status = kofn_message_unpack(handler->of, head, length, &message, err);
    if (status != KOFN_OK)
        return status;
    handler->on(worker, &message);
    kofn_message_clear(handler->of, &message);
    return KOFN_OK;
}

/* A broken master may send many: say the first, then ever fewer. */
static void
note_unreadable(kofn_worker *worker, const kofn_error *error)
{
    const uint64_t count = ++worker->unreadable;
    if ((count & (count - 1)) == 0)
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "message_dropped", error->text,
                       "master=%s so_far=%" PRIu64, worker->config.master, count);
}

/* Blocks count as taken whatever becomes of them: credit is for the way here. Those of a session
 * that is over at the master, before the last welcome, must not be counted in the next. */
static void
acknowledge(kofn_worker *worker, size_t bytes, size_t window)
{
    kofn_error error;
    if (worker->state == SESSION_GREETING)
        return;
    if (kofn_peer_took(worker->peer, bytes, window, &error) != 0)
        kofn_log_write(&worker->log, KOFN_LOG_INFO, "ack_late", error.text, "");
}

void
kofn_worker_acknowledge_task(kofn_worker *worker)
{
    acknowledge(worker, 0, 4 * (size_t)KOFN_ACK_BYTES); // a quarter of it
}

static bool
has_envelope(const kofn_worker *worker)
{
    return worker->in.head && kofn_buf_get_size(worker->in.head) > 0;
}

/* Nothing moves the worker once it is frozen or over, not even a message that is there already. */
static bool
is_listening(const kofn_worker *worker)
{
    return worker->socket && worker->state != SESSION_FROZEN && worker->state != SESSION_OVER;
}

/* Take one message. False: none waits, or no more may be taken. */
static bool
take_message(kofn_worker *worker)
{
    bool got;
    kofn_error error;
    worker->in_error.status =
        kofn_inbound_recv(worker->socket, KOFN_LINK_WORKER, &worker->in, &got, &worker->in_error);
    if (!got)
        return false;
    worker->heard_ns = kofn_clock_ns();
    acknowledge(worker, worker->in.block_bytes, worker->config.window);

    /* What could be read of an envelope is handled though blocks are lost: the task must fail. */
    error = worker->in_error;
    if (error.status == KOFN_DATA_LOSS) {
        kofn_session_on_damage(worker, &error);
        return is_listening(worker);
    }
    if ((error.status != KOFN_OK && !has_envelope(worker)) || dispatch(worker, &error) != KOFN_OK)
        note_unreadable(worker, &error);
    return is_listening(worker);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static long
until_ms(int64_t due_ns)
{
    if (due_ns == KOFN_NEVER_NS)
        return -1;
    const int64_t wait_ns = due_ns - kofn_clock_ns();
    if (wait_ns <= 0)
        return 0;
    const int64_t ms = (wait_ns - 1) / KOFN_NS_PER_MS + 1; // not a spin before the time has come
    return ms < INT_MAX ? (long)ms : INT_MAX;
}

static void
take_stops(kofn_worker *worker)
{
    uint64_t stops = 0;
    if (read(worker->stop_fd, &stops, sizeof stops) != sizeof stops)
        return;
    for (; stops > 0 && worker->state != SESSION_OVER; stops--)
        kofn_session_on_stop(worker, kofn_clock_ns());
}

static void
take_reloads(kofn_worker *worker)
{
    uint64_t reloads; // those that came together are one
    if (read(worker->reload_fd, &reloads, sizeof reloads) == sizeof reloads)
        worker->supervisor.reload(worker->supervisor.context);
}

static kofn_status
wait_and_handle(kofn_worker *worker, int64_t due_ns, kofn_error *err)
{
    const bool frozen = worker->state == SESSION_FROZEN;
    zmq_pollitem_t items[] = {
        {.fd = worker->stop_fd, .events = ZMQ_POLLIN},
        {.fd = worker->reload_fd, .events = ZMQ_POLLIN},
        {.fd = kofn_compute_get_fd(worker->compute), .events = ZMQ_POLLIN},
        {.socket = worker->socket,
         .events = (short)(ZMQ_POLLIN | (worker->hello_waits ? ZMQ_POLLOUT : 0))},
        {.socket = worker->monitor.socket, .events = ZMQ_POLLIN},
    };
    const int count = frozen ? 2 : !worker->socket ? 3 : worker->monitor.socket ? 5 : 4;
    if (zmq_poll(items, count, until_ms(due_ns)) < 0 && errno != EINTR)
        return kofn_fail(err, KOFN_UNAVAILABLE, "the worker's poll failed: %s",
                         zmq_strerror(errno));

    if (items[0].revents)
        take_stops(worker);
    if (items[1].revents)
        take_reloads(worker);
    if (items[2].revents && worker->state != SESSION_OVER)
        kofn_tasks_on_done(worker);
    if (items[3].revents & ZMQ_POLLOUT && worker->hello_waits)
        worker->hello_due_ns = 0; // the connection is there
    if (items[3].revents & ZMQ_POLLIN && is_listening(worker))
        for (int i = 0; i < MESSAGES_A_TURN && take_message(worker); i++)
            continue;
    if (items[4].revents)
        kofn_session_on_connection(worker);
    return KOFN_OK;
}

static void
report_start(const kofn_worker *worker)
{
    const kofn_log *log = &worker->log;
    const kofn_worker_config *config = &worker->config;
    kofn_log_write(log, KOFN_LOG_NOTICE, "started", "worker " KOFN_VERSION,
                   "name=%s master=%s kernel=%s blas_threads=%" PRId64 " memory=%" PRIu64,
                   config->name, config->master, kofn_blas_kernel(), config->blas_threads,
                   worker->memory_limit);

    if (kofn_blas_is_forced())
        kofn_log_write(log, KOFN_LOG_WARNING, "blas_pinned",
                       "OPENBLAS_CORETYPE chooses the kernel; unset it unless that is meant",
                       "kernel=%s", kofn_blas_kernel());
    if (kofn_injector_is_on(&worker->injector)) {
        char faults[768];
        kofn_inject_format(&config->inject, faults, sizeof faults);
        kofn_log_write(log, KOFN_LOG_WARNING, "inject_on", "this worker misbehaves on purpose",
                       "%s", faults);
    }
}

kofn_status
kofn_worker_run(kofn_worker *worker, kofn_error *err)
{
    report_start(worker);
    kofn_session_restart(worker, kofn_clock_ns());
    worker->heard_ns = kofn_clock_ns();
    worker->supervisor.ready(worker->supervisor.context);

    kofn_status status = KOFN_OK;
    while (status == KOFN_OK) {
        const int64_t now_ns = kofn_clock_ns();
        const int64_t due_ns = kofn_session_on_time(worker, now_ns);
        if (worker->state == SESSION_OVER)
            break;
        const int64_t round_ns = kofn_clock_after(now_ns, worker->supervisor.round_ns);
        status = wait_and_handle(worker, due_ns < round_ns ? due_ns : round_ns, err);
        worker->supervisor.round(worker->supervisor.context);
    }

    enum { LAST_ANSWERS_MS = 1000 };
    kofn_session_close(worker, status == KOFN_OK ? LAST_ANSWERS_MS : 0);
    kofn_tasks_abandon_all(worker);
    if (status == KOFN_OK)
        kofn_log_write(&worker->log, KOFN_LOG_NOTICE, "stopped", "nothing is held", "");
    return status;
}
