/* The structural scan: is this one well-formed, bounded msgpack object? Runs in front of msgpack-c,
 * which trusts counts (100 bytes can make it reserve 40 GB).
 *
 * Linear in length, no allocation, no recursion beyond the depth limit. Checks: depth, every count
 * against the bytes left, total number of values, known type bytes, text is UTF-8, nothing behind
 * the object.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_PROTO_SCAN_H
#define KOFN_PROTO_SCAN_H

#include "common/base/status.h"

/* INVALID_ARGUMENT, with the byte offset. */
KOFN_MUST_CHECK kofn_status kofn_scan(const void *bytes, size_t length, size_t depth_max,
                                      size_t items_max, kofn_error *err);

#endif
