/* Limits of the protocol: what a peer may make us read, keep or allocate. PROTOCOL.md lists them.
 */
#ifndef KOFN_PROTO_LIMITS_H
#define KOFN_PROTO_LIMITS_H

#include <stdint.h>

enum {
    KOFN_PROTOCOL_VERSION = 1,         // spoken
    KOFN_PROTOCOL_VERSION_MIN = 1,     // oldest that is understood
    KOFN_ENVELOPE_BYTES_MAX = 1 << 20, // first frame of a message
    KOFN_ENVELOPE_DEPTH_MAX = 8,       // nested maps and arrays
    KOFN_ENVELOPE_ITEMS_MAX = 65536,   // values in one envelope, all levels
    KOFN_MESSAGE_FRAMES_MAX = 65536,   // block frames in one message
    KOFN_MATRIX_FRAMES_MAX = 32768,    // block frames of one matrix: two such fit a message
    KOFN_SMALL_FRAMES_MAX = 64,        // block frames of one matrix, however small they are
    KOFN_SMALL_FRAME_BYTES = 1024,     // elements in each further one, taking all together
    KOFN_FRAME_BYTES_MAX = 256 << 20,  // one block frame; a row of a matrix must fit
    KOFN_CHUNK_BYTES = 4 << 20,        // target size of a block frame over plain TCP
    KOFN_CHUNK_BYTES_CURVE =
        256 << 10,                // over CURVE, which copies and seals each frame in one piece
    KOFN_WINDOW_BYTES = 16 << 20, // unacknowledged bytes that a peer accepts by default
    KOFN_ACK_BYTES = 256 << 10,   // at the end of a task, so many are acknowledged at once
    KOFN_TEXT_MAX = 512,          // of one text field, with the final NUL
    KOFN_METHOD_MAX = 64,
    KOFN_ID_MAX = 20,               // job ids: 16 hex digits and the final NUL
    KOFN_KEY_TEXT_MAX = 128,        // idempotency keys
    KOFN_TAG_MAX = 33,              // digests of rows: 32 hex digits and the final NUL
    KOFN_HELD_MAX = 2048,           // answers that a worker keeps or computes at hello
    KOFN_CACHED_MAX = 4096,         // coded blocks that a worker keeps
    KOFN_LIST_MAX = 4096,           // entries in a list field, where the field says no less
    KOFN_CALLS_MAX = 16384,         // open calls of one connection
    KOFN_PRIMES_MAX = 9,            // of a product of integers
    KOFN_SETTLE_MS_MAX = 86400000,  // a day
    KOFN_JOBS_ASKED_MAX = 500,      // of one ListJobs
    KOFN_JOBS_LISTED_MAX = 400,     // by it, however many are asked for: they must fit an envelope
    KOFN_WORKERS_LISTED_MAX = 1000, // by one ListWorkers, likewise
    KOFN_STORED_MAX = 1000,         // operands by one ListOperands: no master stores more
    KOFN_PLAN_LISTED_MAX = 500,     // rows of one plan, likewise
    KOFN_STREAMS_LISTED_MAX = 300,  // by one ListStreams, likewise; no master has more open
    KOFN_STREAM_SLOTS_MAX = 10000,  // places for workers of one stream
    KOFN_STREAM_DELAY_MAX = 64,     // rounds
    KOFN_STREAM_TRACE_MAX = 32768,  // bytes of a stream's trace
    KOFN_STREAM_JOBS_MAX = 1024,    // of one stream, pushed and not answered
    KOFN_GRACE_MS_MAX = 3600000,    // an hour
    KOFN_BATCH_BYTES_MAX = 1 << 18, // of one of a batch's three lists: 16384 entries
    KOFN_DIMENSION_MAX = INT32_MAX, // rows or columns of a matrix: what BLAS counts to
};

#endif
