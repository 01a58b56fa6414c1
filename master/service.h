/* The methods of kofn.v1.Master: each takes an open request and its body, and answers it at once or
 * makes it wait for a job.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_SERVICE_H
#define KOFN_MASTER_SERVICE_H

#include "master/session.h"

extern const kofn_service kofn_master_service;

/* The reply to ListCodes: families, policies with "auto" first, the policy that is none of the
 * scheduler's, and algorithms, those that ship and `algorithms` (may be NULL). Cleared by the
 * caller. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_master_fill_codes(const kofn_algorithms *algorithms,
                                                   kofn_msg_codes *ret_codes, kofn_error *err);

#endif
