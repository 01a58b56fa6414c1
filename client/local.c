#include "client/local.h"

#include "client/kofn.h"
#include "master/master.h"
#include "worker/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct local_worker {
    kofn_worker *worker;
    pthread_t thread;
    bool running;
} local_worker;

struct kofn_local {
    kofn_master *master;
    pthread_t thread;
    bool running;
    size_t count;
    local_worker workers[]; // [count]
};

/* How the threads end does not matter to anybody: who waits for them sees calls fail. */
static void *
run_master(void *arg)
{
    (void)!kofn_master_run(arg, NULL);
    return NULL;
}

static void *
run_worker(void *arg)
{
    (void)!kofn_worker_run(arg, NULL);
    return NULL;
}

/* A thread that takes no signals: they are the program's. */
static kofn_status
start_thread(void *(*run)(void *arg), void *arg, pthread_t *ret_thread, kofn_error *err)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int reason = pthread_create(ret_thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason != 0)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no thread for a local daemon: %s",
                         strerror(reason));
    return KOFN_OK;
}

static kofn_status
start_master(kofn_local *local, void *context, const char *algorithms, kofn_error *err)
{
    kofn_master_config config;
    kofn_log quiet;
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    kofn_status status = kofn_master_config_load(NULL, &config, err);
    if (status != KOFN_OK)
        return status;
    /* Names are of the context, so a process may hold several of these. */
    (void)snprintf(config.workers, sizeof config.workers, "inproc://kofn-workers");
    (void)snprintf(config.clients, sizeof config.clients, "inproc://kofn-clients");
    config.grace_ns = 0; // whoever could wait for a result is about to go
    if (algorithms)
        status = kofn_master_config_set(&config, "algorithms", algorithms, err);
    if (status == KOFN_OK)
        status = kofn_master_new(context, &config, quiet, NULL, &local->master, err);
    kofn_master_config_fini(&config);
    if (status == KOFN_OK)
        status = start_thread(run_master, local->master, &local->thread, err);
    local->running = status == KOFN_OK;
    return status;
}

static kofn_status
start_worker(kofn_local *local, void *context, kofn_error *err)
{
    local_worker *worker = &local->workers[local->count];
    kofn_worker_config config;
    kofn_log quiet;
    kofn_log_init(&quiet, KOFN_LOG_ERROR, -1);
    kofn_status status = kofn_worker_config_load(NULL, &config, err);
    if (status != KOFN_OK)
        return status;
    (void)snprintf(config.master, sizeof config.master, "%s",
                   kofn_master_get_workers_endpoint(local->master));
    (void)snprintf(config.name, sizeof config.name, "local-%zu", local->count + 1);
    config.grace_ns = 0;
    status = kofn_worker_new(context, &config, quiet, &worker->worker, err);
    if (status != KOFN_OK)
        return status;
    local->count++;
    status = start_thread(run_worker, worker->worker, &worker->thread, err);
    worker->running = status == KOFN_OK;
    return status;
}

kofn_status
kofn_local_start(void *context, int workers, const char *algorithms, kofn_local **ret_local,
                 kofn_error *err)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t wanted = workers > 0 ? (size_t)workers : cores > 0 ? (size_t)cores : 1;
    kofn_local *local = calloc(1, sizeof *local + wanted * sizeof local->workers[0]);
    if (!local)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu local workers", wanted);

    kofn_status status = start_master(local, context, algorithms, err);
    while (status == KOFN_OK && local->count < wanted)
        status = start_worker(local, context, err);
    if (status != KOFN_OK) {
        kofn_local_stop(&local);
        return kofn_fail_within(err, "local master and workers");
    }
    *ret_local = local;
    return KOFN_OK;
}

/* Twice: at once. Workers first, so that none looks for a master that has gone. */
void
kofn_local_stop(kofn_local **local_p)
{
    kofn_local *local = *local_p;
    *local_p = NULL;
    if (!local)
        return;
    for (size_t i = 0; i < local->count; i++)
        if (local->workers[i].running) {
            kofn_worker_stop(local->workers[i].worker);
            kofn_worker_stop(local->workers[i].worker);
        }
    if (local->running) {
        kofn_master_stop(local->master);
        kofn_master_stop(local->master);
    }
    for (size_t i = 0; i < local->count; i++) {
        if (local->workers[i].running)
            (void)pthread_join(local->workers[i].thread, NULL);
        kofn_worker_destroy(&local->workers[i].worker);
    }
    if (local->running)
        (void)pthread_join(local->thread, NULL);
    kofn_master_destroy(&local->master);
    free(local);
}

const char *
kofn_local_get_endpoint(const kofn_local *local)
{
    return kofn_master_get_clients_endpoint(local->master);
}

size_t
kofn_local_count_workers(const kofn_local *local)
{
    return local->count;
}
