/* The flow to one peer: a ring of transfers that take turns, and the count of bytes that the peer
 * has not acknowledged.
 *
 *     first -> [transfer 7] -> [transfer 9] -> [transfer 4] -> NULL     next() sends one message of
 *                  |                               ^                    the first that may go, and
 *                  +---- more to send? to the end -+                    puts it last
 *
 * A message may start while fewer than `window` bytes are unacknowledged. It may overshoot: a rule
 * that it must fit would stand still for good when a frame is larger than what is left of the
 * window and the receiver, who acknowledges by quarters, holds back the rest of one.
 */
#include "proto/messages.h"
#include "proto/transfer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct transfer {
    struct transfer *next;
    uint64_t id;
    size_t count, sent; // block frames: all, handed out
    size_t queued;      // bytes not yet handed out
    bool started;       // its head has gone out
    bool at_once;       // all in one message, outside the credit
    size_t head_length, more_head_length;
    unsigned char *heads; // head, more_head; behind the blocks
    kofn_band blocks[];   // [count], owners ref'd
} transfer;

struct kofn_flow {
    size_t window, unacked, queued;
    transfer *first, *last;
    transfer *spent;            // handed out to its end: kept until the next call
    kofn_wire_buffer data_head; // of the message handed out last, if it was a data message
};

static kofn_status
pack_data_head(kofn_wire_buffer *buffer, uint64_t id, bool more, kofn_error *err)
{
    const kofn_msg_data data = {.id = id, .more = more};
    buffer->length = 0;
    return kofn_message_pack(&kofn_data_message, &data, buffer, err);
}

kofn_status
kofn_flow_new(size_t window, kofn_flow **ret_flow, kofn_error *err)
{
    kofn_flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a flow");
    flow->window = window;

    /* The largest data message there can be, so that kofn_flow_next never needs memory. */
    kofn_status status = pack_data_head(&flow->data_head, UINT64_MAX, true, err);
    if (status != KOFN_OK) {
        kofn_flow_destroy(&flow);
        return status;
    }
    *ret_flow = flow;
    return KOFN_OK;
}

static void
transfer_destroy(transfer **t_p)
{
    transfer *t = *t_p;
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        kofn_mat_fini(&t->blocks[i].mat);
    free(t);
    *t_p = NULL;
}

void
kofn_flow_destroy(kofn_flow **flow_p)
{
    kofn_flow *flow = *flow_p;
    if (!flow)
        return;
    while (flow->first) {
        transfer *t = flow->first;
        flow->first = t->next;
        transfer_destroy(&t);
    }
    transfer_destroy(&flow->spent);
    kofn_wire_buffer_fini(&flow->data_head);
    free(flow);
    *flow_p = NULL;
}

static void
append_transfer(kofn_flow *flow, transfer *t)
{
    t->next = NULL;
    if (flow->last)
        flow->last->next = t;
    else
        flow->first = t;
    flow->last = t;
}

/* Take out the transfer behind `before`, or the first one when that is NULL. */
static transfer *
remove_behind(kofn_flow *flow, transfer *before)
{
    transfer **link = before ? &before->next : &flow->first;
    transfer *t = *link;
    *link = t->next;
    if (flow->last == t)
        flow->last = before;
    return t;
}

static size_t
count_blocks(size_t count, const kofn_bands *const *mats)
{
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++)
        blocks += mats[i]->count;
    return blocks;
}

static void
ref_blocks(transfer *t, size_t count, const kofn_bands *const *mats)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < mats[i]->count; j++) {
            const kofn_band *band = &mats[i]->at[j];
            assert(band->frame_bytes > 0 && "a band that is sent has a frame, or will have one");
            t->blocks[t->count] = *band;
            t->blocks[t->count++].mat = kofn_mat_ref(&band->mat);
            t->queued += band->frame_bytes;
        }
    }
}

kofn_status
kofn_flow_push(kofn_flow *flow, uint64_t id, const kofn_wire_buffer *head,
               const kofn_wire_buffer *more_head, size_t count, const kofn_bands *const *mats,
               kofn_error *err)
{
    transfer_destroy(&flow->spent);
    const size_t blocks = count_blocks(count, mats);
    const size_t more_length = more_head ? more_head->length : 0;
    transfer *t = malloc(sizeof *t + blocks * sizeof t->blocks[0] + head->length + more_length);
    if (!t)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to queue %zu block frames",
                         blocks);

    *t = (transfer){
        .id = id,
        .at_once = !more_head || flow->window == 0,
        .heads = (unsigned char *)&t->blocks[blocks],
        .head_length = head->length,
        .more_head_length = more_length,
    };
    memcpy(t->heads, head->at, head->length);
    if (more_head)
        memcpy(t->heads + head->length, more_head->at, more_length);
    ref_blocks(t, count, mats);
    flow->queued += t->queued;
    append_transfer(flow, t);
    return KOFN_OK;
}

/* Frames of the transfer's next message: a quarter of the window, at least one. */
static size_t
plan_frames(const kofn_flow *flow, const transfer *t)
{
    const size_t left = t->count - t->sent;
    if (t->at_once || left == 0)
        return left;
    const size_t share = flow->window / 4;
    size_t frames = 1;
    size_t bytes = t->blocks[t->sent].frame_bytes;
    while (frames < left && frames < KOFN_MESSAGE_FRAMES_MAX) {
        const size_t more = t->blocks[t->sent + frames].frame_bytes;
        if (more > share || bytes > share - more)
            break;
        bytes += more;
        frames++;
    }
    return frames;
}

static void
set_head(kofn_flow *flow, transfer *t, bool more, kofn_flow_message *message)
{
    if (t->started) {
        kofn_status status = pack_data_head(&flow->data_head, t->id, more, NULL);
        assert(status == KOFN_OK && "room was made in kofn_flow_new");
        (void)status; // only asserted
        message->head = flow->data_head.at;
        message->head_length = flow->data_head.length;
        return;
    }
    message->head = more ? t->heads + t->head_length : t->heads;
    message->head_length = more ? t->more_head_length : t->head_length;
}

static void
hand_out(kofn_flow *flow, transfer *t, kofn_flow_message *message)
{
    const size_t frames = plan_frames(flow, t);
    size_t bytes = 0;
    for (size_t i = 0; i < frames; i++)
        bytes += t->blocks[t->sent + i].frame_bytes;

    set_head(flow, t, t->sent + frames < t->count, message);
    message->count = frames;
    message->blocks = &t->blocks[t->sent];
    t->started = true;
    t->sent += frames;
    t->queued -= bytes;
    flow->queued -= bytes;
    if (!t->at_once)
        flow->unacked += bytes;
}

static bool
may_go(const kofn_flow *flow, const transfer *t)
{
    return t->at_once || t->count == 0 || flow->unacked < flow->window;
}

bool
kofn_flow_next(kofn_flow *flow, kofn_flow_message *ret_message)
{
    transfer_destroy(&flow->spent);
    transfer *before = NULL;
    transfer *t = flow->first;
    while (t && !may_go(flow, t)) {
        before = t;
        t = t->next;
    }
    if (!t)
        return false;

    hand_out(flow, remove_behind(flow, before), ret_message);
    if (t->sent < t->count)
        append_transfer(flow, t);
    else
        flow->spent = t;
    return true;
}

kofn_status
kofn_flow_ack(kofn_flow *flow, uint64_t bytes, kofn_error *err)
{
    if (bytes > flow->unacked)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the peer acknowledges %llu bytes, but only %zu are out",
                         (unsigned long long)bytes, flow->unacked);
    flow->unacked -= (size_t)bytes;
    return KOFN_OK;
}

bool
kofn_flow_drop(kofn_flow *flow, uint64_t id)
{
    transfer_destroy(&flow->spent);
    bool torso = false;
    transfer *before = NULL;
    for (transfer *t = flow->first; t; t = before ? before->next : flow->first) {
        if (t->id != id) {
            before = t;
            continue;
        }
        torso |= t->started;
        flow->queued -= t->queued;
        transfer *dropped = remove_behind(flow, before);
        transfer_destroy(&dropped);
    }
    return torso;
}

size_t
kofn_flow_get_queued(const kofn_flow *flow)
{
    return flow->queued;
}

size_t
kofn_flow_get_unacked(const kofn_flow *flow)
{
    return flow->unacked;
}
