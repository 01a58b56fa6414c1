/* The methods of kofn.v1.Master: each takes an open request and its body, and answers it at once or
 * makes it wait for a job.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_SERVICE_H
#define KOFN_MASTER_SERVICE_H

#include "master/session.h"

extern const kofn_service kofn_master_service;

#endif
