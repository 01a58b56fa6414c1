/* A monitor: what becomes of a connecting socket's handshakes, from libzmq's events.
 *
 * Problem    A socket that was refused is as silent as one whose master is not there, and more than
 *            that: libzmq does not connect it again.
 * Events     Of one attempt, at the end that connects:
 *
 *     the handshake succeeded                        UP
 *     ZAP 300, 400, 500                              REFUSED: this key may not connect
 *     one end speaks CURVE and the other does not    MISMATCH, or CUT
 *     a handshake that was begun is cut off          CUT: by a master that cannot open what we
 *                                                    sealed for another's key, or that is going
 *     a connection that was up ends                  DOWN
 *
 * After REFUSED and MISMATCH the socket stays as it is: who wants to try again opens another. After
 * the others libzmq connects it again.
 *
 * A cut says little at first: a master that goes down cuts handshakes too. KOFN_MONITOR_CUTS in a
 * row mean that somebody is there and will not have us.
 *
 * inproc has neither handshakes nor events.
 * Threads    The socket's.
 */
#ifndef KOFN_PROTO_LINK_MONITOR_H
#define KOFN_PROTO_LINK_MONITOR_H

#include "common/base/status.h"

enum { KOFN_MONITOR_CUTS = 5 }; // at libzmq's pace: a second and a half

typedef enum kofn_monitor_event {
    KOFN_MONITOR_UP,
    KOFN_MONITOR_DOWN,
    KOFN_MONITOR_REFUSED,
    KOFN_MONITOR_MISMATCH,
    KOFN_MONITOR_CUT, // for the KOFN_MONITOR_CUTS-th time, and from then on each time
} kofn_monitor_event;

/* How far the latest attempt got. */
typedef enum kofn_monitor_way {
    KOFN_MONITOR_WAY_UNKNOWN,
    KOFN_MONITOR_WAY_NOWHERE, // there was no address to try: no such name, or no network
    KOFN_MONITOR_WAY_CLOSED,  // nobody takes connections at the address
    KOFN_MONITOR_WAY_OPEN,    // somebody does; `up` says whether the handshake succeeded
} kofn_monitor_way;

typedef struct kofn_monitor {
    void *watched, *socket; // `socket` is what to poll; NULL: closed
    unsigned cuts;          // in a row
    bool up;
    bool tried, connected; // an address, in this attempt
    kofn_monitor_way way;
} kofn_monitor;

/* Begin before the socket connects, so that no event is missed. `every_attempt`: follow `way` as
 * well, for who takes all events soon: those of attempts never end, and a monitor that is full
 * stops libzmq. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_monitor_open(void *context, void *watched, bool every_attempt,
                                              kofn_monitor *ret_monitor, kofn_error *err);

/* Before the watched socket is closed. Accepts {0}. */
void kofn_monitor_close(kofn_monitor *monitor);

/* What may be wrong where nobody has refused us and nobody greets, as a clause. */
const char *kofn_monitor_describe_way(const kofn_monitor *monitor);

/* Take one event. False: none waits. */
bool kofn_monitor_next(kofn_monitor *monitor, kofn_monitor_event *ret_event);

/* What somebody has to do about REFUSED, MISMATCH or CUT, as a sentence and UNAUTHENTICATED.
 * `role`: of the key at this end, "worker" or "client"; `has_keys`: this end speaks CURVE. */
kofn_status kofn_monitor_explain(kofn_monitor_event event, const char *endpoint, const char *role,
                                 bool has_keys, kofn_error *err);

#endif
