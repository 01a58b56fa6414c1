/* A master over inproc, its loop and its clock under a fuzzer. */
#ifndef KOFN_TESTS_FUZZ_MASTER_H
#define KOFN_TESTS_FUZZ_MASTER_H

#include "master/fleet.h"
#include "master/jobs.h"
#include "master/operands.h"
#include "master/root.h"
#include "master/session.h"
#include "master/streams.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static inline void *
connect_peer(void *context, const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    const int linger_ms = 0;
    insist(socket && zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms) == 0);
    insist(zmq_connect(socket, endpoint) == 0);
    return socket;
}

/* All peers are closed already. */
static inline void
close_master(kofn_master **master, void *context)
{
    kofn_master_destroy(master);
    while (zmq_ctx_term(context) != 0)
        insist(errno == EINTR); // libFuzzer's alarm
}

static inline int
end_loop(zloop_t *loop, int timer, void *context)
{
    (void)loop, (void)timer, (void)context;
    return -1;
}

/* Let the loop serve what its threads have done. */
static inline void
run_loop(kofn_master *master)
{
    insist(zloop_timer(master->loop, 1, 1, end_loop, NULL) >= 0);
    (void)zloop_start(master->loop); // -1, as the timer says
}

static inline void
tick_at(kofn_master *master, int64_t now_ns)
{
    kofn_sessions_on_tick(master->sessions, now_ns);
    kofn_jobs_on_tick(master->jobs, now_ns);
    kofn_operands_on_tick(master->operands, now_ns);
    kofn_streams_on_tick(master->streams, now_ns);
    kofn_fleet_on_beat(master->fleet, now_ns);
    kofn_jobs_act(master->jobs);
}

#endif
