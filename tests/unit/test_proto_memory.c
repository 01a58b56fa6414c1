/* Memory that runs out: every allocation of a call fails once, and each time the call says so,
 * leaks nothing (under sanitizers and valgrind) and leaves what it was given as it was. */
#include "proto/messages.h"
#include "proto/transfer.h"

#include "tests/assert.h"
#include "tests/unit/short_memory.h"

static kofn_error error;

/* Run `call` with ever later failures until it succeeds; how often it failed. */
static size_t
run_out_of_memory(kofn_status (*call)(void *context), void *context)
{
    for (size_t n = 0;; n++) {
        assert_true(n < 1000);
        memory_calls = 0;
        memory_fails_at = n + 1;
        memory_stays_out = true;
        kofn_status status = call(context);
        memory_fails_at = 0;
        if (status == KOFN_OK)
            return n;
        assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
        assert_int_equal(error.status, KOFN_RESOURCE_EXHAUSTED);
    }
}

/* ---- what is called -------------------------------------------------------------------------- */

static kofn_status
pack_reflection(void *context)
{
    kofn_wire_buffer *buffer = context;
    kofn_msg_reflection reflection;
    const size_t before = buffer->length;
    kofn_status status = kofn_msg_reflection_fill(&reflection, &error);
    if (status != KOFN_OK)
        return status;
    status = kofn_message_pack(&kofn_reflection_message, &reflection, buffer, &error);
    if (status != KOFN_OK)
        assert_int_equal(buffer->length, before);
    kofn_message_clear(&kofn_reflection_message, &reflection);
    return status;
}

static kofn_status
unpack_reflection(void *context)
{
    const kofn_wire_buffer *buffer = context;
    kofn_msg_reflection reflection;
    kofn_status status = kofn_message_unpack(&kofn_reflection_message, buffer->at, buffer->length,
                                             &reflection, &error);
    if (status == KOFN_OK)
        kofn_message_clear(&kofn_reflection_message, &reflection);
    else
        assert_null(reflection.messages.at);
    return status;
}

static void
messages_survive_failed_allocations(void **state)
{
    (void)state;
    kofn_wire_buffer buffer = {0};
    assert_true(run_out_of_memory(pack_reflection, &buffer) > 3);
    assert_true(run_out_of_memory(unpack_reflection, &buffer) > 3);
    kofn_wire_buffer_fini(&buffer);
}

static kofn_status
make_bands(void *context)
{
    kofn_bands bands;
    kofn_status status = kofn_block_bands_new(context, KOFN_F64, 100, 100, 8040, &bands, &error);
    if (status == KOFN_OK) {
        assert_int_equal(bands.count, 10);
        kofn_bands_fini(&bands);
    }
    return status;
}

static void
bands_survive_failed_allocations(void **state)
{
    (void)state;
    kofn_pool *pool;
    size_t out, idle;
    assert_ok(kofn_pool_new(0, &pool, &error));
    assert_true(run_out_of_memory(make_bands, pool) > 10);
    kofn_pool_get_usage(pool, &out, &idle);
    assert_int_equal(out, 0);
    kofn_pool_destroy(&pool);
}

static kofn_status
send_bands(void *context)
{
    const kofn_bands *bands = context;
    const kofn_wire_buffer head = {(unsigned char *)"h", 1, 0};
    kofn_flow *flow;
    kofn_status status = kofn_flow_new(10000, &flow, &error);
    if (status != KOFN_OK)
        return status;
    status = kofn_flow_push(flow, 1, &head, &head, 1, &bands, &error);
    const size_t calls = memory_calls;
    memory_calls = memory_fails_at; // sending needs no memory
    kofn_flow_message message;
    size_t frames = 0;
    while (kofn_flow_next(flow, &message)) {
        frames += message.count;
        assert_ok(kofn_flow_ack(flow, kofn_flow_get_unacked(flow), &error));
    }
    memory_calls = calls;
    assert_int_equal(frames, status == KOFN_OK ? bands->count : 0);
    kofn_flow_destroy(&flow);
    return status;
}

static void
flows_survive_failed_allocations(void **state)
{
    (void)state;
    kofn_pool *pool;
    kofn_bands bands;
    assert_ok(kofn_pool_new(1 << 20, &pool, &error));
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 100, 100, 8040, &bands, &error));
    assert_true(run_out_of_memory(send_bands, &bands) >= 2);
    kofn_bands_fini(&bands);
    kofn_pool_destroy(&pool);
}

static kofn_status
assemble(void *context)
{
    kofn_buf *frame = context;
    kofn_assembler assembler;
    kofn_assembler_init(&assembler);
    assert_ok(kofn_assembler_expect(&assembler, KOFN_U8, 1, 1, &error));
    kofn_status status = kofn_assembler_take(&assembler, frame, &error);
    assert_int_equal(kofn_assembler_is_complete(&assembler), status == KOFN_OK);
    kofn_assembler_fini(&assembler);
    return status;
}

static void
assemblers_survive_failed_allocations(void **state)
{
    (void)state;
    static char bytes[] = "\x95\x03\x01\x01\x00\xc4\x01x";
    kofn_buf *frame;
    assert_ok(kofn_buf_wrap(bytes, sizeof bytes - 1, NULL, NULL, &frame, &error));
    assert_true(run_out_of_memory(assemble, frame) >= 1);
    kofn_buf_unref(&frame);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_survive_failed_allocations),
        cmocka_unit_test(bands_survive_failed_allocations),
        cmocka_unit_test(flows_survive_failed_allocations),
        cmocka_unit_test(assemblers_survive_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
