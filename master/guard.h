/* The guard: which keys may speak to this master, and as what.
 *
 * Problem    libzmq asks a ZAP handler (ZeroMQ RFC 27) once for each connection, and a CURVE socket
 *            without a handler lets every key in. A certificate that goes from the list later does
 *            not close the links that its key has.
 * Answer     Two lines. The handler is a socket of the I/O thread's own loop, so it answers from
 *            the same list that the loop changes, and cannot die by itself. And each message brings
 *            the key that the handler named (User-Id), which is looked up again: a key that is not
 *            on the list any more is not heard. A peer can give itself a User-Id where no handler
 *            did; so the handler's seal, a number made at each start, must be beside it.
 *
 *     connection --CURVE--> libzmq --ZAP: domain, key--> on_readable --200 key, seal / 400--> libzmq
 *     message    --User-Id: key, seal------------------> admit: certificate, or NULL
 *
 * The list is a folder of public certificates, *.key. A look at it, once a second, finds those that
 * changed and reads them. A file that cannot be read allows nobody; neither does a folder that is
 * gone or closed to us, nor a key that is there in two roles. What cannot be read for the moment
 * (no descriptors left) stays as it was; that a file is gone is seen even then.
 *
 * Cost       A look takes a stat for each file, and no more than a tenth of a second of reading; a
 *            folder in which it takes long is looked at less often, every three seconds at least.
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_GUARD_H
#define KOFN_MASTER_GUARD_H

#include "common/base/log.h"
#include "proto/link/link.h"

typedef struct kofn_guard kofn_guard;

/* Read the master's certificate and the list, and become the ZAP handler of `context`. The log is
 * borrowed: its level may change. NOT_FOUND,
 * PERMISSION_DENIED, INVALID_ARGUMENT: a file. ALREADY_EXISTS: the context has a handler. */
KOFN_MUST_CHECK kofn_status kofn_guard_new(void *context, const char *own, const char *folder,
                                           const kofn_log *log, kofn_guard **ret_guard,
                                           kofn_error *err);
void kofn_guard_destroy(kofn_guard **guard_p);

/* kofn_link_secure with the master's certificate. */
KOFN_MUST_CHECK kofn_status kofn_guard_secure(const kofn_guard *guard, void *socket,
                                              kofn_link_kind kind, kofn_error *err);

/* Connect to ourselves with a key that nobody has: it must be refused. INTERNAL: it was let in.
 * UNAVAILABLE: no answer within five seconds. Serves other connections meanwhile. */
KOFN_MUST_CHECK kofn_status kofn_guard_prove(kofn_guard *guard, void *context, kofn_link_kind kind,
                                             const char *endpoint, kofn_error *err);

void *kofn_guard_get_socket(const kofn_guard *guard); // for the loop
void kofn_guard_on_readable(kofn_guard *guard);

/* The certificate of a message's sender, or NULL: it may not speak there. Valid until the next
 * tick. */
const kofn_certificate *kofn_guard_admit(kofn_guard *guard, kofn_link_kind kind,
                                         const kofn_inbound *in);

/* The same of a key that did not speak just now. */
const kofn_certificate *kofn_guard_find(const kofn_guard *guard, kofn_link_kind kind,
                                        const char *key);

/* True when the list was read anew: look after those that are connected. */
bool kofn_guard_on_tick(kofn_guard *guard, int64_t now_ns);

/* Have the next tick read every certificate, changed or not. The master's own is used as it was
 * read at the start, since its sockets are bound with it; one that changed is worth a line in the
 * log. */
void kofn_guard_look_again(kofn_guard *guard);

#endif
