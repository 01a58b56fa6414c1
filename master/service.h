/* The methods of kofn.v1.Master: each takes an open request and its body, and answers it at once or
 * makes it wait for a job.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_SERVICE_H
#define KOFN_MASTER_SERVICE_H

#include "master/session.h"

/* A call came; its block frames are with the session (kofn_request_take_blocks). */
void kofn_service_call(kofn_master *master, kofn_request *request, const kofn_msg_call *call);

/* All operands of a Multiply or Submit are there. */
void kofn_service_received(kofn_request *request);

#endif
