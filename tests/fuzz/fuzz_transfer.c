/* Any sequence of transfers between a flow and its peer's assemblers: pushes, messages, acks,
 * drops, and frames that change a byte on their way. Each side is held against a model of counts.
 *
 *     bytes of the input -> op, argument ...     kofn_flow --message--> assembler of its transfer
 *                                                         <---ack-----
 *
 * A transfer that nobody touched arrives whole; bytes queued and unacknowledged are what the model
 * says; no message begins while a window is unacknowledged. */
#include "proto/messages.h"
#include "proto/transfer.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { TRANSFERS_MAX = 12, MATRICES_MAX = 3 };

typedef struct transfer {
    kofn_assembler into;
    size_t queued; // bytes not yet handed out
    bool at_once;  // outside the credit
    bool touched;  // on its way: it may break off
    bool dropped;
    bool ended; // a message without `more` came
} transfer;

typedef struct model {
    fuzz_source from;
    kofn_pool *pool;
    kofn_flow *flow;
    size_t window, unacked;
    size_t count;
    transfer transfers[TRANSFERS_MAX]; // by id
} model;

/* ---- frames ---------------------------------------------------------------------------------- */

static void
free_data(void *data, void *hint)
{
    (void)hint;
    free(data);
}

/* In a block of exactly their size, so that ASan sees a read behind it; `flip`: 0, or the place
 * from its beginning that changes, counted from 1. */
static kofn_buf *
receive_frame(const void *bytes, size_t length, size_t flip, unsigned by)
{
    uint8_t *copy = malloc(length);
    kofn_buf *frame = NULL;
    insist(copy != NULL);
    memcpy(copy, bytes, length);
    if (flip > 0 && flip <= length)
        copy[flip - 1] ^= (uint8_t)by;
    insist(kofn_buf_wrap(copy, length, free_data, NULL, &frame, NULL) == KOFN_OK);
    return frame;
}

static void
deliver(transfer *t, const kofn_band *band, size_t flip, unsigned by)
{
    kofn_error error = {0};
    kofn_buf *frame = receive_frame(band->frame, band->frame_bytes, flip, by);
    t->touched |= flip > 0 && flip <= band->frame_bytes && by > 0;
    if (kofn_assembler_take(&t->into, frame, &error) != KOFN_OK)
        insist(t->touched && error.text[0] != '\0');
    kofn_buf_unref(&frame);
}

/* ---- what may happen ------------------------------------------------------------------------- */

static size_t
make_matrices(model *m, transfer *t, kofn_bands *ret_bands)
{
    static const kofn_dtype dtypes[] = {KOFN_F64, KOFN_U8, KOFN_I32, KOFN_F32};
    const size_t count = next_byte(&m->from) % (MATRICES_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        const kofn_dtype dtype = dtypes[next_byte(&m->from) % 4];
        const size_t rows = next_byte(&m->from), cols = next_byte(&m->from) % 16;
        const size_t chunk = 1 + 16 * (size_t)next_byte(&m->from);
        insist(kofn_block_bands_new(m->pool, dtype, rows, cols, chunk, &ret_bands[i], NULL) ==
               KOFN_OK);
        insist(kofn_assembler_expect(&t->into, dtype, rows, cols, NULL) == KOFN_OK);
        for (size_t j = 0; j < ret_bands[i].count; j++) {
            const kofn_band *band = &ret_bands[i].at[j];
            memset(band->mat.data, (int)j, band->mat.rows * cols * kofn_dtype_width(dtype));
            t->queued += band->frame_bytes;
        }
    }
    return count;
}

static void
pack_head(uint64_t id, bool more, kofn_wire_buffer *ret_head)
{
    const kofn_msg_data data = {.id = id, .more = more};
    insist(kofn_message_pack(&kofn_data_message, &data, ret_head, NULL) == KOFN_OK);
}

static void
push(model *m)
{
    if (m->count == TRANSFERS_MAX)
        return;
    const uint64_t id = m->count;
    transfer *t = &m->transfers[m->count++];
    kofn_bands bands[MATRICES_MAX];
    const kofn_bands *mats[MATRICES_MAX];
    kofn_wire_buffer head = {0}, more_head = {0};
    kofn_assembler_init(&t->into);
    const size_t count = make_matrices(m, t, bands);
    const bool plain = next_byte(&m->from) % 4 == 0;
    t->at_once = plain || m->window == 0;
    for (size_t i = 0; i < count; i++)
        mats[i] = &bands[i];
    pack_head(id, false, &head);
    pack_head(id, true, &more_head);
    insist(kofn_flow_push(m->flow, id, &head, plain ? NULL : &more_head, count, mats, NULL) ==
           KOFN_OK);
    for (size_t i = 0; i < count; i++)
        kofn_bands_fini(&bands[i]); // the flow has its own refs
    kofn_wire_buffer_fini(&head);
    kofn_wire_buffer_fini(&more_head);
}

/* False: none may go. */
static bool
send_next(model *m, size_t flip, unsigned by)
{
    kofn_flow_message message;
    kofn_msg_data data;
    const bool had_credit = m->unacked < m->window;
    if (!kofn_flow_next(m->flow, &message))
        return false;
    insist(kofn_message_unpack(&kofn_data_message, message.head, message.head_length, &data,
                               NULL) == KOFN_OK);
    insist(data.id < m->count);
    transfer *t = &m->transfers[data.id];
    size_t bytes = 0;
    for (size_t i = 0; i < message.count; i++) {
        bytes += message.blocks[i].frame_bytes;
        deliver(t, &message.blocks[i], flip, by);
    }
    insist(!t->dropped && !t->ended && bytes <= t->queued);
    insist(t->at_once || had_credit || bytes == 0);
    t->queued -= bytes;
    t->ended = !data.more;
    insist(t->ended == (t->queued == 0));
    if (!t->at_once)
        m->unacked += bytes;
    return true;
}

/* More than is out, too. */
static void
acknowledge(model *m)
{
    const uint64_t bytes = m->unacked * (uint64_t)next_byte(&m->from) / 200;
    kofn_error error = {0};
    if (kofn_flow_ack(m->flow, bytes, &error) == KOFN_OK) {
        insist(bytes <= m->unacked);
        m->unacked -= (size_t)bytes;
    } else {
        insist(bytes > m->unacked && error.text[0] != '\0');
    }
}

static void
drop(model *m)
{
    const uint64_t id = next_byte(&m->from) % TRANSFERS_MAX; // also one that there is not
    const bool torso = kofn_flow_drop(m->flow, id);
    if (id >= m->count || m->transfers[id].ended || m->transfers[id].dropped) {
        insist(!torso);
        return;
    }
    m->transfers[id].dropped = true;
    m->transfers[id].queued = 0;
}

static void
insist_on_counts(const model *m)
{
    size_t queued = 0;
    for (size_t i = 0; i < m->count; i++)
        queued += m->transfers[i].queued;
    insist(kofn_flow_get_queued(m->flow) == queued);
    insist(kofn_flow_get_unacked(m->flow) == m->unacked);
}

static void
step(model *m)
{
    const unsigned op = next_byte(&m->from);
    switch (op % 8) {
    case 0:
        push(m);
        break;
    case 1:
        acknowledge(m);
        break;
    case 2:
        drop(m);
        break;
    case 3: { // in two calls: their order is the input's
        const size_t flip = next_byte(&m->from);
        (void)send_next(m, flip, next_byte(&m->from)); // perhaps nothing may go
        break;
    }
    default:
        (void)send_next(m, 0, 0); // likewise
    }
    insist_on_counts(m);
}

/* With credit for all everything goes; what nobody touched is whole. */
static void
finish(model *m)
{
    for (bool went = true; went;) {
        insist(kofn_flow_ack(m->flow, m->unacked, NULL) == KOFN_OK);
        m->unacked = 0;
        went = send_next(m, 0, 0);
    }
    insist_on_counts(m);
    for (size_t i = 0; i < m->count; i++) {
        transfer *t = &m->transfers[i];
        insist(t->dropped || t->ended);
        insist(t->touched || t->dropped || kofn_assembler_is_complete(&t->into));
        kofn_assembler_fini(&t->into);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    model m = {.from = {data, length}};
    m.window = 64 * (size_t)next_byte(&m.from);
    insist(kofn_pool_new(1 << 20, &m.pool, NULL) == KOFN_OK);
    insist(kofn_flow_new(m.window, &m.flow, NULL) == KOFN_OK);
    while (m.from.left > 0)
        step(&m);
    finish(&m);
    kofn_flow_destroy(&m.flow);
    kofn_pool_destroy(&m.pool);
    return 0;
}
