/* Transfers: matrices that travel beside an envelope, in one message or in many, with credit.
 *
 *     sender                                        receiver
 *       head {..., more: true} + blocks  ------->     assembler: shapes known from the head
 *       data {id, more: true} + blocks   ------->       bands appended in order
 *       data {id} + blocks               ------->     complete
 *                                        <-------   ack {bytes}   as bytes are taken off the socket
 *
 * kofn_assembler  receives: knows the shapes to expect, takes block frames in order (operand by
 *                 operand, first row to last), refuses anything else.
 * kofn_flow       sends: holds queued transfers to one peer and hands out the next message while
 *                 fewer than `window` bytes are unacknowledged (so that at most a window and a
 *                 message are on the way). Transfers take turns, so that a small one does not wait
 *                 behind a large one. Control messages do not pass here.
 *
 * Both are pure: no socket, no clock.
 * Threads    One thread at a time for each.
 */
#ifndef KOFN_PROTO_TRANSFER_H
#define KOFN_PROTO_TRANSFER_H

#include "proto/block.h"
#include "proto/codec.h"

enum { KOFN_TRANSFER_MATRICES_MAX = 8 }; // operands of a product

typedef struct kofn_assembler {
    size_t count, current; // matrices expected, the one being filled
    kofn_bands mat[KOFN_TRANSFER_MATRICES_MAX];
} kofn_assembler;

void kofn_assembler_init(kofn_assembler *assembler);

/* Expect one more matrix. OUT_OF_RANGE: more than KOFN_TRANSFER_MATRICES_MAX, or its size.
 * UNIMPLEMENTED: it is complex. */
KOFN_MUST_CHECK kofn_status kofn_assembler_expect(kofn_assembler *assembler, kofn_dtype dtype,
                                                  size_t rows, size_t cols, kofn_error *err);

/* One more matrix that is there already: refs of its bands, no frame is expected. Errors: as above.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_assembler_have(kofn_assembler *assembler, const kofn_bands *bands,
                                                kofn_error *err);

/* Take the next block frame (its own ref). INVALID_ARGUMENT: malformed, or not the next one. */
KOFN_MUST_CHECK kofn_status kofn_assembler_take(kofn_assembler *assembler, kofn_buf *frame,
                                                kofn_error *err);

bool kofn_assembler_is_complete(const kofn_assembler *assembler);
void kofn_assembler_fini(kofn_assembler *assembler);

typedef struct kofn_flow kofn_flow;

/* One message to send now. */
typedef struct kofn_flow_message {
    const void *head; // packed envelope; valid until the next call on this flow
    size_t head_length;
    size_t count;            // block frames
    const kofn_band *blocks; // [count], frames to be sent; valid until the next call on this flow
} kofn_flow_message;

/* `window` 0: the peer cannot acknowledge; each transfer goes at once, in one message. */
KOFN_MUST_CHECK kofn_status kofn_flow_new(size_t window, kofn_flow **ret_flow, kofn_error *err);
void kofn_flow_destroy(kofn_flow **flow_p);

/* Queue a transfer: `head` with its block frames. Bands without a frame (kofn_block_bands_over)
 * come out as they are, for the sender to frame. `id` names the transfer in `data` messages and in
 * kofn_flow_drop. The packed head must be the whole-transfer form; if the blocks do not fit the
 * window at once, `more_head` (the same message with more: true) goes first.
 * more_head NULL: this one goes at once, in one message, outside the credit (a plain call's reply).
 * Both heads are copied, the bands are ref'd. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_flow_push(kofn_flow *flow, uint64_t id,
                                           const kofn_wire_buffer *head,
                                           const kofn_wire_buffer *more_head, size_t count,
                                           const kofn_bands *const *mats, kofn_error *err);

/* The next message, if any may go now. Counts its block bytes as unacknowledged. A message holds as
 * many frames as fit in a quarter of the window, at least one. False: nothing to send, or no
 * credit. */
bool kofn_flow_next(kofn_flow *flow, kofn_flow_message *ret_message);

/* The peer took `bytes` off its socket. OUT_OF_RANGE: more than were sent (a broken peer). */
KOFN_MUST_CHECK kofn_status kofn_flow_ack(kofn_flow *flow, uint64_t bytes, kofn_error *err);

/* Forget what is left of a transfer. Returns whether some of it had gone out already and some had
 * not: then the receiver holds a torso and must be told (cancel). */
bool kofn_flow_drop(kofn_flow *flow, uint64_t id);

size_t kofn_flow_get_queued(const kofn_flow *flow); // block bytes not yet handed out
size_t kofn_flow_get_unacked(const kofn_flow *flow);

#endif
