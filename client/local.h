/* A master and its workers inside this process, over inproc: `--local`, and tests without daemons.
 *
 * The very code of the daemons, a thread for each of them, sharing the client's libzmq context.
 *
 * Threads    The client's; the threads made here talk to it only through sockets.
 */
#ifndef KOFN_CLIENT_LOCAL_H
#define KOFN_CLIENT_LOCAL_H

#include "common/base/status.h"

typedef struct kofn_local kofn_local;

/* Start a master and `workers` workers (KOFN_CLIENT_LOCAL_CORES: one for each core); the master
 * knows the algorithms of the directory `algorithms` (NULL: none). They may not know each other yet
 * when this returns. RESOURCE_EXHAUSTED: no threads, memory, descriptors. Errors of
 * kofn_algorithms_load. */
KOFN_MUST_CHECK kofn_status kofn_local_start(void *context, int workers, const char *algorithms,
                                             kofn_local **ret_local, kofn_error *err);

/* Stops and joins all threads. Accepts NULL. */
void kofn_local_stop(kofn_local **local_p);

const char *kofn_local_get_endpoint(const kofn_local *local); // for clients
size_t kofn_local_count_workers(const kofn_local *local);

#endif
