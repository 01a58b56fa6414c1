#include "master/root.h"
#include "common/linalg/multiply.h"
#include "master/fleet.h"
#include "master/jobs.h"
#include "master/keep.h"
#include "master/operands.h"
#include "master/service.h"
#include "master/streams.h"
#include "proto/link/link.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_MS 100 // requests' deadlines, watchers, drain
#define TRIM_NS (10 * KOFN_NS_PER_S)

enum {
    BUSY_BYTES = 64 << 20, // of blocks within TRIM_NS: their pages are wanted again at once
    LARGE_BYTES = 1 << 18, // messages whose pages count so
};

/* ---- the loop -------------------------------------------------------------------------------- */

/* A socket's readiness is edge-triggered inside libzmq's file descriptor, but zmq_poll looks at the
 * queue itself: what a handler leaves unread wakes the loop again. */
static int
on_clients(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop, (void)item;
    kofn_master *master = context;
    kofn_sessions_on_readable(master->sessions);
    return 0;
}

static int
on_workers(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop, (void)item;
    kofn_master *master = context;
    kofn_fleet_on_readable(master->fleet);
    return 0;
}

static int
on_disk(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop, (void)item;
    kofn_master *master = context;
    kofn_keep_serve(master->keep);
    kofn_jobs_act(master->jobs);
    return 0;
}

static int
on_guard(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop, (void)item;
    kofn_master *master = context;
    kofn_guard_on_readable(master->guard);
    return 0;
}

static int
on_beat(zloop_t *loop, int timer, void *context)
{
    (void)loop, (void)timer;
    kofn_master *master = context;
    kofn_fleet_on_beat(master->fleet, kofn_clock_ns());
    return 0;
}

static bool
is_drained(kofn_master *master)
{
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(master->jobs, &totals);
    return totals.running + totals.queued == 0 && kofn_sessions_are_flushed(master->sessions);
}

/* A crowd that came and went (connections, garbage, a wave of jobs) leaves free memory behind,
 * which malloc keeps for the frames to come. */
static void
trim(kofn_master *master, int64_t now_ns)
{
    if (!master->thrifty || now_ns - master->looked_ns < TRIM_NS)
        return;
    if (master->block_bytes - master->looked_at_bytes < BUSY_BYTES)
        kofn_link_trim_malloc();
    master->looked_at_bytes = master->block_bytes;
    master->looked_ns = now_ns;
}

static int
on_tick(zloop_t *loop, int timer, void *context)
{
    (void)loop, (void)timer;
    kofn_master *master = context;
    const int64_t now_ns = kofn_clock_ns();
    if (master->guard && kofn_guard_on_tick(master->guard, now_ns)) {
        kofn_fleet_on_keys(master->fleet);
        kofn_sessions_on_keys(master->sessions);
    }
    kofn_sessions_on_tick(master->sessions, now_ns);
    kofn_jobs_on_tick(master->jobs, now_ns);
    kofn_operands_on_tick(master->operands, now_ns);
    kofn_streams_on_tick(master->streams, now_ns);
    kofn_jobs_act(master->jobs);
    trim(master, now_ns);
    if (!master->keep || !kofn_keep_is_stuck(master->keep, now_ns))
        master->supervisor.round(
            master->supervisor.context); // which is no sooner than all of the above
    if (!master->draining)
        return 0;
    return now_ns >= master->grace_end_ns || is_drained(master) ? -1 : 0;
}

static int
on_sched_timer(zloop_t *loop, int timer, void *context)
{
    (void)loop, (void)timer;
    kofn_master *master = context;
    master->armed_ns = KOFN_NEVER_NS;
    kofn_sched_tick(master->sched, kofn_clock_ns());
    kofn_jobs_act(master->jobs); // arms again
    return 0;
}

void
kofn_master_arm(kofn_master *master)
{
    const int64_t next_ns = kofn_sched_next_tick(master->sched);
    if (next_ns >= master->armed_ns) // an early timer does no harm: it arms the next
        return;
    if (master->armed_ns != KOFN_NEVER_NS)
        zloop_timer_end(master->loop, master->armed_timer);
    int64_t wait_ns = next_ns - kofn_clock_ns();
    if (wait_ns < 0)
        wait_ns = 0;
    size_t wait_ms = (size_t)((wait_ns + KOFN_NS_PER_MS - 1) / KOFN_NS_PER_MS);
    if (wait_ms > 3600 * 1000)
        wait_ms = 3600 * 1000; // woken in vain once an hour
    master->armed_timer = zloop_timer(master->loop, wait_ms, 1, on_sched_timer, master);
    master->armed_ns = master->armed_timer < 0 ? KOFN_NEVER_NS : next_ns;
}

static int
on_stop(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop;
    kofn_master *master = context;
    uint64_t calls = 0;
    if (read(item->fd, &calls, sizeof calls) != sizeof calls)
        return 0;
    const bool again = master->draining || calls > 1; // asked twice: now
    master->draining = true;
    master->supervisor.stopping(master->supervisor.context);
    kofn_streams_on_stopping(master->streams);
    kofn_jobs_act(master->jobs);
    if (again) {
        master->grace_end_ns = kofn_clock_ns();
        return -1;
    }
    master->grace_end_ns = kofn_clock_after(kofn_clock_ns(), master->config.grace_ns);
    kofn_log_write(&master->log, KOFN_LOG_NOTICE, "stopping",
                   "no further jobs are taken, those accepted are finished", "grace_s=%.1f",
                   (double)master->config.grace_ns * 1e-9);
    return is_drained(master) ? -1 : 0;
}

static int
on_reload(zloop_t *loop, zmq_pollitem_t *item, void *context)
{
    (void)loop;
    kofn_master *master = context;
    uint64_t calls; // those that came together are one
    if (read(item->fd, &calls, sizeof calls) == sizeof calls)
        master->supervisor.reload(master->supervisor.context);
    return 0;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static kofn_status
open_socket(kofn_master *master, void *context, kofn_link_kind kind, const char *endpoint,
            void **ret_socket, char ret_endpoint[256], kofn_error *err)
{
    kofn_status status = kofn_link_socket_new(context, kind, ret_socket, err);
    if (!status && master->guard)
        status = kofn_guard_secure(master->guard, *ret_socket, kind, err);
    if (!status)
        status = kofn_link_open(*ret_socket, kind, endpoint, ret_endpoint, 256, err);
    if (!status && master->guard)
        status = kofn_guard_prove(master->guard, context, kind, ret_endpoint, err);
    return status;
}

/* ---- life ------------------------------------------------------------------------------------ */

static kofn_status
open_sockets(kofn_master *master, void *context, kofn_error *err)
{
    const kofn_master_config *config = &master->config;
    kofn_status status = KOFN_OK;
    if (config->own_key[0])
        status = kofn_guard_new(context, config->own_key, config->allowed_keys, &master->log,
                                &master->guard, err);
    if (!status)
        status = open_socket(master, context, KOFN_LINK_MASTER_WORKERS, config->workers,
                             &master->worker_socket, master->worker_endpoint, err);
    if (!status)
        status = open_socket(master, context, KOFN_LINK_MASTER_CLIENTS, config->clients,
                             &master->client_socket, master->client_endpoint, err);
    return status;
}

static kofn_status
make_parts(kofn_master *master, kofn_error *err)
{
    kofn_blas_set_threads(1); // of each compute thread, and of this one: nobody waits for another
    kofn_status status = kofn_pool_new(master->config.memory / 4, &master->pool, err);
    if (!status)
        status = kofn_sched_new(&master->config.sched, &master->sched, err);
    if (!status)
        status = kofn_coders_new(master->loop, (size_t)master->config.compute_threads,
                                 &master->coders, err);
    if (!status)
        status = kofn_operands_new(master, &master->operands, err);
    if (!status)
        status = kofn_jobs_new(master, &master->jobs, err);
    if (!status)
        status = kofn_streams_new(master, &master->streams, err);
    if (!status)
        status = kofn_sessions_new(master, &master->sessions, err);
    if (!status)
        status = kofn_fleet_new(master, &master->fleet, err);
    if (!status)
        status = kofn_keep_new(master, &master->keep, err);
    if (!status && master->keep)
        status = kofn_keep_load(master->keep, err);
    return status;
}

static kofn_status
fill_loop(kofn_master *master, kofn_error *err)
{
    zmq_pollitem_t clients = {.socket = master->client_socket, .events = ZMQ_POLLIN};
    zmq_pollitem_t workers = {.socket = master->worker_socket, .events = ZMQ_POLLIN};
    zmq_pollitem_t stop = {.fd = master->stop_fd, .events = ZMQ_POLLIN};
    zmq_pollitem_t reload = {.fd = master->reload_fd, .events = ZMQ_POLLIN};
    const size_t beat_ms = (size_t)(master->config.heartbeat_ns / KOFN_NS_PER_MS);
    zloop_set_nonstop(master->loop, true); // signals are not CZMQ's business here
    int rc = zloop_poller(master->loop, &workers, on_workers, master);
    if (master->guard) {
        zmq_pollitem_t guard = {.socket = kofn_guard_get_socket(master->guard),
                                .events = ZMQ_POLLIN};
        rc |= zloop_poller(master->loop, &guard, on_guard, master);
    }
    if (master->keep) {
        zmq_pollitem_t disk = {.fd = kofn_keep_get_fd(master->keep), .events = ZMQ_POLLIN};
        rc |= zloop_poller(master->loop, &disk, on_disk, master);
    }
    rc |= zloop_poller(master->loop, &clients, on_clients, master);
    rc |= zloop_poller(master->loop, &stop, on_stop, master);
    rc |= zloop_poller(master->loop, &reload, on_reload, master);
    rc |= zloop_timer(master->loop, beat_ms, 0, on_beat, master) < 0;
    rc |= zloop_timer(master->loop, TICK_MS, 0, on_tick, master) < 0;
    if (rc)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the master's loop");
    return KOFN_OK;
}

kofn_status
kofn_master_new(void *context, const kofn_master_config *config, kofn_log log,
                const kofn_supervisor *supervisor, kofn_master **ret_master, kofn_error *err)
{
    kofn_master *master = calloc(1, sizeof *master);
    if (!master)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a master");
    master->config = *config;
    master->config.memory = kofn_master_config_get_memory(config);
    if (config->chunk_bytes == 0)
        master->config.chunk_bytes = kofn_link_chunk_bytes(config->own_key[0]);
    master->config.known = kofn_algorithms_ref(config->known);
    master->log = log;
    do
        master->epoch = kofn_rng_fresh_seed();
    while (master->epoch == 0); // 0 means "none" on the wire
    master->started_ns = kofn_clock_ns();
    master->armed_ns = KOFN_NEVER_NS;
    master->audience = &kofn_sessions_audience;
    master->carrier = &kofn_fleet_carrier;
    master->service = &kofn_master_service;
    master->supervisor = supervisor ? *supervisor : kofn_supervisor_none;
    master->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    master->reload_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    master->loop = zloop_new();

    kofn_status status = KOFN_OK;
    if (master->stop_fd < 0 || master->reload_fd < 0 || !master->loop)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory or descriptors for a loop");
    if (!status)
        status = open_sockets(master, context, err);
    if (!status)
        status = make_parts(master, err);
    if (!status)
        status = fill_loop(master, err);
    if (status)
        kofn_master_destroy(&master);
    else
        *ret_master = master;
    return status;
}

void
kofn_master_destroy(kofn_master **master_p)
{
    kofn_master *master = *master_p;
    if (!master)
        return;

    kofn_keep_close(&master->keep);
    if (master->coders)
        kofn_coders_destroy(&master->coders); // its items end first: they point into the rest
    kofn_fleet_destroy(&master->fleet);
    kofn_sessions_destroy(&master->sessions);
    kofn_jobs_destroy(&master->jobs);
    kofn_streams_destroy(&master->streams);
    kofn_operands_destroy(&master->operands);
    kofn_sched_destroy(&master->sched);
    kofn_pool_destroy(&master->pool);
    kofn_master_config_fini(&master->config);
    zloop_destroy(&master->loop);
    if (master->client_socket)
        zmq_close(master->client_socket);
    if (master->worker_socket)
        zmq_close(master->worker_socket);
    kofn_guard_destroy(&master->guard); // after the sockets: without it they let everybody in
    if (master->stop_fd >= 0)
        close(master->stop_fd);
    if (master->reload_fd >= 0)
        close(master->reload_fd);
    free(master);
    *master_p = NULL;
}

const char *
kofn_master_get_workers_endpoint(const kofn_master *master)
{
    return master->worker_endpoint;
}

const char *
kofn_master_get_clients_endpoint(const kofn_master *master)
{
    return master->client_endpoint;
}

/* Replies that were handed to the socket may take the rest of the grace time to leave. */
static void
let_linger(kofn_master *master)
{
    int linger_ms;
    size_t size = sizeof linger_ms;
    const int64_t left_ms = (master->grace_end_ns - kofn_clock_ns()) / KOFN_NS_PER_MS;
    if (zmq_getsockopt(master->client_socket, ZMQ_LINGER, &linger_ms, &size) != 0 ||
        left_ms <= linger_ms)
        return;
    linger_ms = left_ms < INT_MAX ? (int)left_ms : INT_MAX;
    (void)zmq_setsockopt(master->client_socket, ZMQ_LINGER, &linger_ms, size); // else: as it was
}

kofn_status
kofn_master_run(kofn_master *master, kofn_error *err)
{
    kofn_log_write(&master->log, KOFN_LOG_NOTICE, "ready", "workers and clients may connect",
                   "workers=%s clients=%s version=%s", master->worker_endpoint,
                   master->client_endpoint, KOFN_VERSION);
    master->supervisor.ready(master->supervisor.context);
    int rc;
    do // zloop takes an interrupted poll for the end; its timers begin anew
        rc = zloop_start(master->loop);
    while (rc == 0 && errno == EINTR);
    if (!master->draining)
        return kofn_fail(err, KOFN_INTERNAL, "the loop ended by itself: %s", strerror(errno));

    kofn_error why;
    kofn_fail(&why, KOFN_UNAVAILABLE,
              "the master stopped before the job was done: submit it again");
    const size_t kept = kofn_jobs_end_all(master->jobs, &why);
    kofn_sessions_end_uploads(master->sessions, &why);
    kofn_keep_close(&master->keep);
    let_linger(master);
    kofn_log_write(&master->log, KOFN_LOG_NOTICE, "stopped",
                   kept > 0 ? "the master has ended; jobs that are kept go on when it is started "
                              "again"
                            : "the master has ended",
                   "kept=%zu", kept);
    return KOFN_OK;
}

void
kofn_master_note_blocks(kofn_master *master, size_t bytes)
{
    if (bytes >= LARGE_BYTES)
        master->block_bytes += bytes;
}

void
kofn_master_be_thrifty(kofn_master *master)
{
    master->thrifty = true;
}

void
kofn_master_reload(kofn_master *master)
{
    const uint64_t one = 1;
    (void)!write(master->reload_fd, &one, sizeof one); // full only after 2^64 calls
}

void
kofn_master_reconfigure(kofn_master *master, const kofn_master_config *fresh)
{
    master->log.level = kofn_master_config_get_log_level(fresh);
    if (master->guard)
        kofn_guard_look_again(master->guard);
    kofn_log_write(&master->log, KOFN_LOG_NOTICE, "reloaded", "other keys wait for the next start",
                   "taken=log.level%s", master->guard ? ",certificates" : "");
}

void
kofn_master_stop(kofn_master *master)
{
    const uint64_t one = 1;
    if (write(master->stop_fd, &one, sizeof one) != sizeof one)
        return; // the counter is full: it was asked often enough
}
