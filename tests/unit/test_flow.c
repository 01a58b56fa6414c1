#include "proto/messages.h"
#include "proto/transfer.h"

#include "tests/assert.h"

#include "common/base/rng.h"

static kofn_error error;

/* A flow, a pool behind the blocks, and the frames' size: one row of 60 bytes behind 40. */
enum { FRAME = 100, ROW = FRAME - KOFN_BLOCK_HEADER_BYTES };

typedef struct fixture {
    kofn_pool *pool;
    kofn_flow *flow;
} fixture;

static fixture
fixture_with(size_t window)
{
    fixture f = {0};
    assert_ok(kofn_pool_new(1 << 20, &f.pool, &error));
    assert_ok(kofn_flow_new(window, &f.flow, &error));
    return f;
}

static void
fixture_fini(fixture *f)
{
    size_t out, idle;
    kofn_flow_destroy(&f->flow);
    kofn_pool_get_usage(f->pool, &out, &idle);
    assert_int_equal(out, 0); // every ref was let go
    kofn_pool_destroy(&f->pool);
}

static kofn_bands
new_frames(const fixture *f, size_t count)
{
    kofn_bands bands;
    assert_ok(kofn_block_bands_new(f->pool, KOFN_U8, count, ROW, FRAME, &bands, &error));
    assert_int_equal(bands.count, count);
    return bands;
}

/* Queue `count` frames under `id`, with heads "<id>" and "<id>+". */
static void
push(const fixture *f, uint64_t id, size_t count)
{
    char text[2][32];
    const size_t length = (size_t)snprintf(text[0], sizeof text[0], "%d", (int)id);
    snprintf(text[1], sizeof text[1], "%d+", (int)id);
    const kofn_wire_buffer head = {(unsigned char *)text[0], length, 0};
    const kofn_wire_buffer more = {(unsigned char *)text[1], length + 1, 0};
    kofn_bands bands = new_frames(f, count);
    assert_ok(kofn_flow_push(f->flow, id, &head, &more, 1, &(const kofn_bands *){&bands}, &error));
    kofn_bands_fini(&bands);
}

static size_t
bytes_of(const kofn_flow_message *message)
{
    size_t bytes = 0;
    for (size_t i = 0; i < message->count; i++)
        bytes += message->blocks[i].frame_bytes;
    return bytes;
}

/* What a message's head says. */
typedef struct seen {
    bool is_data, more;
    uint64_t id;
} seen;

static seen
read_head(const kofn_flow_message *message)
{
    const char *head = message->head;
    if ((unsigned char)head[0] >= 0x80) { // a map: a data message
        kofn_msg_data data;
        assert_ok(
            kofn_message_unpack(&kofn_data_message, head, message->head_length, &data, &error));
        return (seen){true, data.more, data.id};
    }
    char text[32] = "";
    assert_true(message->head_length < sizeof text);
    memcpy(text, head, message->head_length);
    return (seen){false, strchr(text, '+') != NULL, strtoull(text, NULL, 10)};
}

static void
assert_next(const fixture *f, seen want, size_t frames)
{
    kofn_flow_message message;
    assert_true(kofn_flow_next(f->flow, &message));
    const seen got = read_head(&message);
    assert_int_equal(got.id, want.id);
    assert_int_equal(got.is_data, want.is_data);
    assert_int_equal(got.more, want.more);
    assert_int_equal(message.count, frames);
}

static void
assert_none(const fixture *f)
{
    kofn_flow_message message;
    assert_false(kofn_flow_next(f->flow, &message));
}

#define HEAD(id_)      ((seen){false, false, id_})
#define HEAD_MORE(id_) ((seen){false, true, id_})
#define DATA(id_)      ((seen){true, false, id_})
#define DATA_MORE(id_) ((seen){true, true, id_})

static void
a_small_transfer_goes_as_one_message(void **state)
{
    (void)state;
    fixture f = fixture_with(1000);
    assert_none(&f);
    push(&f, 7, 2);
    assert_int_equal(kofn_flow_get_queued(f.flow), 2 * FRAME);
    assert_next(&f, HEAD(7), 2);
    assert_int_equal(kofn_flow_get_queued(f.flow), 0);
    assert_int_equal(kofn_flow_get_unacked(f.flow), 2 * FRAME);
    assert_none(&f);
    fixture_fini(&f);
}

static void
a_large_one_goes_by_quarters_of_the_window(void **state)
{
    (void)state;
    fixture f = fixture_with(1000);
    push(&f, 7, 5);
    assert_next(&f, HEAD_MORE(7), 2);
    assert_next(&f, DATA_MORE(7), 2);
    assert_next(&f, DATA(7), 1);
    assert_none(&f);
    fixture_fini(&f);
}

static void
frames_larger_than_the_window_go_one_by_one(void **state)
{
    (void)state;
    fixture f = fixture_with(1);
    push(&f, 7, 3);
    assert_next(&f, HEAD_MORE(7), 1);
    assert_none(&f);
    assert_ok(kofn_flow_ack(f.flow, FRAME, &error));
    assert_next(&f, DATA_MORE(7), 1);
    assert_none(&f);
    assert_ok(kofn_flow_ack(f.flow, FRAME - 1, &error));
    assert_none(&f);
    assert_ok(kofn_flow_ack(f.flow, 1, &error));
    assert_next(&f, DATA(7), 1);
    fixture_fini(&f);
}

static void
nothing_goes_beyond_the_window_until_it_is_acknowledged(void **state)
{
    (void)state;
    fixture f = fixture_with(400);
    push(&f, 7, 9);
    assert_next(&f, HEAD_MORE(7), 1);
    for (size_t i = 0; i < 3; i++)
        assert_next(&f, DATA_MORE(7), 1);
    assert_int_equal(kofn_flow_get_unacked(f.flow), 400);
    assert_none(&f);
    assert_ok(kofn_flow_ack(f.flow, 1, &error));
    assert_next(&f, DATA_MORE(7), 1); // overshoots, see flow.c
    assert_int_equal(kofn_flow_get_unacked(f.flow), 499);
    assert_none(&f);
    fixture_fini(&f);
}

static void
transfers_take_turns(void **state)
{
    (void)state;
    fixture f = fixture_with(10000);
    push(&f, 1, 60);
    assert_next(&f, HEAD_MORE(1), 25);
    push(&f, 2, 30);
    push(&f, 3, 1);
    assert_next(&f, DATA_MORE(1), 25); // it was alone when it was last put back
    assert_next(&f, HEAD_MORE(2), 25);
    assert_next(&f, HEAD(3), 1);
    assert_next(&f, DATA(1), 10);
    assert_next(&f, DATA(2), 5);
    assert_none(&f);
    fixture_fini(&f);
}

static void
what_has_no_blocks_needs_no_credit(void **state)
{
    (void)state;
    fixture f = fixture_with(100);
    push(&f, 1, 3);
    assert_next(&f, HEAD_MORE(1), 1);
    push(&f, 2, 0);
    assert_next(&f, HEAD(2), 0);
    assert_none(&f);
    assert_ok(kofn_flow_ack(f.flow, FRAME, &error));
    assert_next(&f, DATA_MORE(1), 1);
    fixture_fini(&f);
}

static void
without_a_second_head_a_transfer_goes_at_once_and_uncounted(void **state)
{
    (void)state;
    fixture f = fixture_with(100);
    push(&f, 1, 2);
    assert_next(&f, HEAD_MORE(1), 1);
    const kofn_wire_buffer head = {(unsigned char *)"2", 1, 0};
    kofn_bands bands = new_frames(&f, 50);
    assert_ok(kofn_flow_push(f.flow, 2, &head, NULL, 1, &(const kofn_bands *){&bands}, &error));
    kofn_bands_fini(&bands);
    assert_next(&f, HEAD(2), 50);
    assert_int_equal(kofn_flow_get_unacked(f.flow), FRAME);
    fixture_fini(&f);
}

static void
without_a_window_everything_goes_at_once(void **state)
{
    (void)state;
    fixture f = fixture_with(0);
    push(&f, 1, 50);
    push(&f, 2, 1);
    assert_next(&f, HEAD(1), 50);
    assert_next(&f, HEAD(2), 1);
    assert_int_equal(kofn_flow_get_unacked(f.flow), 0);
    fixture_fini(&f);
}

static void
several_matrices_go_in_order(void **state)
{
    (void)state;
    fixture f = fixture_with(10000);
    kofn_bands a = new_frames(&f, 3), none = new_frames(&f, 0), b = new_frames(&f, 2);
    const kofn_wire_buffer head = {(unsigned char *)"1", 1, 0};
    const kofn_bands *mats[] = {&a, &none, &b};
    assert_ok(kofn_flow_push(f.flow, 1, &head, &head, 3, mats, &error));
    kofn_flow_message message;
    assert_true(kofn_flow_next(f.flow, &message));
    assert_int_equal(message.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_ptr_equal(message.blocks[i].frame, i < 3 ? a.at[i].frame : b.at[i - 3].frame);
    kofn_bands_fini(&a);
    kofn_bands_fini(&none);
    kofn_bands_fini(&b);
    fixture_fini(&f);
}

static void
an_ack_for_more_than_is_out_is_refused(void **state)
{
    (void)state;
    fixture f = fixture_with(1000);
    assert_fails(kofn_flow_ack(f.flow, 1, &error), KOFN_OUT_OF_RANGE);
    push(&f, 1, 1);
    assert_next(&f, HEAD(1), 1);
    assert_fails(kofn_flow_ack(f.flow, FRAME + 1, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_flow_ack(f.flow, UINT64_MAX, &error), KOFN_OUT_OF_RANGE);
    assert_ok(kofn_flow_ack(f.flow, FRAME, &error));
    assert_ok(kofn_flow_ack(f.flow, 0, &error));
    fixture_fini(&f);
}

static void
a_drop_tells_whether_the_peer_holds_a_torso(void **state)
{
    (void)state;
    fixture f = fixture_with(400);
    assert_false(kofn_flow_drop(f.flow, 1)); // not known
    push(&f, 1, 3);
    push(&f, 2, 3);
    push(&f, 3, 1);
    assert_next(&f, HEAD_MORE(1), 1);
    assert_false(kofn_flow_drop(f.flow, 2)); // not begun
    assert_true(kofn_flow_drop(f.flow, 1));
    assert_int_equal(kofn_flow_get_queued(f.flow), FRAME);
    assert_int_equal(kofn_flow_get_unacked(f.flow), FRAME); // is out all the same
    assert_next(&f, HEAD(3), 1);
    assert_false(kofn_flow_drop(f.flow, 3)); // all gone out
    assert_none(&f);
    push(&f, 4, 1);
    assert_next(&f, HEAD(4), 1); // the ring is whole
    fixture_fini(&f);
}

/* ---- random schedules against a model -------------------------------------------------------- */

enum { TRANSFERS = 64 };

typedef struct model {
    size_t window, unacked, queued;
    struct {
        size_t frames, sent;
        bool live, started;
        uint64_t turns; // messages since it last went, or was pushed
    } t[TRANSFERS];
    size_t pushed, live;
} model;

static void
model_push(const fixture *f, model *m, size_t frames)
{
    m->t[m->pushed].frames = frames;
    m->t[m->pushed].live = true;
    m->queued += frames * FRAME;
    m->live++;
    push(f, m->pushed++, frames);
}

/* One message: it belongs to a live transfer, continues it, keeps to share, window and turns. */
static void
model_next(const fixture *f, model *m)
{
    kofn_flow_message message;
    if (!kofn_flow_next(f->flow, &message)) {
        assert_true(m->live == 0 || m->unacked >= m->window);
        return;
    }
    const seen head = read_head(&message);
    assert_true(head.id < m->pushed && m->t[head.id].live);
    const size_t before = m->t[head.id].sent;
    assert_int_equal(head.is_data, m->t[head.id].started);
    m->t[head.id].started = true;
    m->t[head.id].sent += message.count;
    assert_true(m->t[head.id].sent <= m->t[head.id].frames);
    assert_int_equal(head.more, m->t[head.id].sent < m->t[head.id].frames);
    assert_true(message.count > 0 || m->t[head.id].frames == 0);
    if (message.count > 0) {
        assert_true(m->unacked < m->window);
        assert_true(message.count == 1 || bytes_of(&message) <= m->window / 4);
        kofn_buf *buf;
        kofn_band band;
        assert_ok(kofn_buf_wrap(message.blocks[0].frame, message.blocks[0].frame_bytes, NULL, NULL,
                                &buf, &error));
        assert_ok(kofn_block_parse(buf, &band, &error));
        assert_int_equal(band.first_row, before);
        kofn_mat_fini(&band.mat);
        kofn_buf_unref(&buf);
        for (size_t i = 0; i < m->pushed; i++) // nobody is passed over
            if (m->t[i].live && i != head.id && m->t[i].frames > 0)
                assert_true(++m->t[i].turns <= 2 * TRANSFERS);
    }
    m->t[head.id].turns = 0;
    m->unacked += bytes_of(&message);
    m->queued -= bytes_of(&message);
    if (!head.more) {
        m->t[head.id].live = false;
        m->live--;
    }
}

static void
model_drop(const fixture *f, model *m, size_t id)
{
    assert_int_equal(kofn_flow_drop(f->flow, id), m->t[id].live && m->t[id].started);
    if (!m->t[id].live)
        return;
    m->t[id].live = false;
    m->queued -= (m->t[id].frames - m->t[id].sent) * FRAME;
    m->live--;
}

static void
run_schedule(kofn_rng *rng)
{
    static const size_t windows[] = {1, 99, 100, 101, 400, 1000, 5000};
    model m = {.window = windows[kofn_rng_below(rng, 7)]};
    fixture f = fixture_with(m.window);
    while (m.pushed < TRANSFERS || m.live > 0) {
        const uint64_t dice = kofn_rng_below(rng, 16);
        if (dice < 3 && m.pushed < TRANSFERS) {
            model_push(&f, &m, kofn_rng_below(rng, 20));
        } else if (dice == 3 && m.pushed > 0) {
            model_drop(&f, &m, kofn_rng_below(rng, m.pushed));
        } else if (dice < 8 && m.unacked > 0) {
            const size_t bytes = 1 + kofn_rng_below(rng, m.unacked);
            assert_ok(kofn_flow_ack(f.flow, bytes, &error));
            m.unacked -= bytes;
        } else {
            model_next(&f, &m);
        }
        assert_int_equal(kofn_flow_get_queued(f.flow), m.queued);
        assert_int_equal(kofn_flow_get_unacked(f.flow), m.unacked);
        assert_true(m.unacked < m.window + (m.window / 4 > FRAME ? m.window / 4 : FRAME));
    }
    assert_int_equal(m.queued, 0);
    fixture_fini(&f);
}

static void
random_schedules_keep_credit_order_and_turns(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(3);
    for (uint64_t stream = 0; stream < 200; stream++) {
        kofn_rng rng;
        kofn_rng_init(&rng, seed, stream);
        run_schedule(&rng);
    }
}

/* A receiver that acknowledges as late as PROTOCOL.md lets it never brings a sender to a stand. */
static void
the_laziest_receiver_gets_everything(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (size_t window = 1; window < 3000; window += 1 + window / 3) {
        fixture f = fixture_with(window);
        size_t taken = 0, messages = 0;
        for (uint64_t id = 0; id < 10; id++)
            push(&f, id, 1 + kofn_rng_below(&rng, 40));
        kofn_flow_message message;
        while (kofn_flow_next(f.flow, &message)) {
            taken += bytes_of(&message);
            messages++;
            if (taken >= window / 4 && taken > 0) {
                assert_ok(kofn_flow_ack(f.flow, taken, &error));
                taken = 0;
            }
        }
        assert_int_equal(kofn_flow_get_queued(f.flow), 0);
        assert_true(messages >= 10);
        fixture_fini(&f);
    }
}

static void
a_flow_given_up_lets_go_of_its_blocks(void **state)
{
    (void)state;
    fixture f = fixture_with(100);
    push(&f, 1, 5);
    push(&f, 2, 5);
    assert_next(&f, HEAD_MORE(1), 1);
    fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_transfer_goes_as_one_message),
        cmocka_unit_test(a_large_one_goes_by_quarters_of_the_window),
        cmocka_unit_test(frames_larger_than_the_window_go_one_by_one),
        cmocka_unit_test(nothing_goes_beyond_the_window_until_it_is_acknowledged),
        cmocka_unit_test(transfers_take_turns),
        cmocka_unit_test(what_has_no_blocks_needs_no_credit),
        cmocka_unit_test(without_a_second_head_a_transfer_goes_at_once_and_uncounted),
        cmocka_unit_test(without_a_window_everything_goes_at_once),
        cmocka_unit_test(several_matrices_go_in_order),
        cmocka_unit_test(an_ack_for_more_than_is_out_is_refused),
        cmocka_unit_test(a_drop_tells_whether_the_peer_holds_a_torso),
        cmocka_unit_test(random_schedules_keep_credit_order_and_turns),
        cmocka_unit_test(the_laziest_receiver_gets_everything),
        cmocka_unit_test(a_flow_given_up_lets_go_of_its_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
