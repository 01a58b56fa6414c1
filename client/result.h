/* Results from the inside: made of a call's reply and its blocks. */
#ifndef KOFN_CLIENT_RESULT_H
#define KOFN_CLIENT_RESULT_H

#include "client/engine.h"

/* Takes the blocks out of a call that ended well with an outcome. RESOURCE_EXHAUSTED: no memory.
 * FAILED_PRECONDITION: the master does not tell what the operands were made from, and this call
 * said so. UNIMPLEMENTED: C is what a newer client makes of others. DATA_LOSS: it cannot be what it
 * is said to be. */
KOFN_MUST_CHECK kofn_status kofn_result_take(kofn_call *call, kofn_result **ret_result,
                                             kofn_error *err);

/* The sentence for a master that forgot it. */
kofn_status kofn_compression_fail(kofn_error *err);

/* When the call that brought it was only the end of the story. */
void kofn_result_set_call_seconds(kofn_result *result, double seconds);

#endif
