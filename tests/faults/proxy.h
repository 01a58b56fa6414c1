/* A TCP proxy that does to connections what networks do, between daemons that know nothing of it.
 *
 *     worker or client --> 127.0.0.1:port [ proxy ] --> 127.0.0.1:upstream   master
 *                              way FAULT_UP  ---------->
 *                              way FAULT_DOWN <---------
 *
 * One thread with epoll. Settings are atomics, each way by itself, and may change at any time; they
 * hold for connections that are open as well. All zero: bytes go through as they are.
 *
 * Threads    Any thread may change settings; new and destroy are for one.
 */
#ifndef KOFN_TESTS_FAULTS_PROXY_H
#define KOFN_TESTS_FAULTS_PROXY_H

#include <stdatomic.h>
#include <stdint.h>

typedef enum fault_way { FAULT_UP, FAULT_DOWN } fault_way; // to the master, from it

typedef struct fault_settings {
    _Atomic int64_t delay_ms;   // each byte comes so much later
    _Atomic int64_t rate;       // bytes a second on each connection; 0: as fast as they come
    _Atomic int64_t lose;       // 1: bytes are read and vanish, and nobody is told
    _Atomic int64_t stop;       // 1: nothing is read any more, and nobody is told
    _Atomic int64_t cut_after;  // end each connection, by RST, once so many bytes passed; 0: never
    _Atomic int64_t flip_every; // flip one bit in each so many bytes; 0: none
} fault_settings;

typedef struct fault_proxy fault_proxy;

/* Fails the test (cmocka) where there is no socket. Listens from now on, at *ret_port. */
fault_proxy *fault_proxy_new(int upstream, int *ret_port);
void fault_proxy_destroy(fault_proxy **proxy_p); // accepts NULL; ends all connections

fault_settings *fault_proxy_get(fault_proxy *proxy, fault_way way);
void fault_proxy_heal(fault_proxy *proxy); // all settings zero: for what comes from now on

void fault_proxy_cut(fault_proxy *proxy);            // end all connections now, by RST
int64_t fault_proxy_count_cuts(fault_proxy *proxy);  // so far
int64_t fault_proxy_count_flips(fault_proxy *proxy); // likewise
int64_t fault_proxy_count_bytes(fault_proxy *proxy); // that passed, both ways

#endif
