#include "tests/assert.h"

#include "master/sched/trace.h"

static bool
is_late(uint64_t round, size_t slot) // any pattern without a short period
{
    return (round * 2654435761U + slot * 40503U) >> 7 & 1;
}

static void
add_rounds(kofn_trace *trace, size_t slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kofn_trace_add(trace);
        for (size_t slot = 0; slot < slots; slot++)
            if (is_late(trace->rounds, slot))
                kofn_trace_mark(trace, slot);
    }
}

static void
assert_holds(const kofn_trace *trace, size_t slots, size_t count)
{
    assert_int_equal(kofn_trace_count(trace), count);
    unsigned char *rows = malloc(KOFN_TRACE_BYTES_MAX);
    assert_non_null(rows);
    kofn_trace_copy(trace, rows);
    for (size_t i = 0; i < count; i++) {
        const uint64_t round = trace->rounds - count + 1 + i;
        const unsigned char *row = rows + i * trace->row_bytes;
        for (size_t slot = 0; slot < trace->row_bytes * 8; slot++) {
            const bool late = slot < slots && is_late(round, slot);
            assert_int_equal(row[slot / 8] >> slot % 8 & 1, late);
        }
    }
    free(rows);
}

static void
the_latest_rounds_are_kept_bit_for_bit(void **state)
{
    (void)state;
    static const size_t slots[] = {1, 7, 8, 9, 64, 1000, 10000};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        kofn_trace trace;
        assert_true(kofn_trace_init(&trace, slots[i]));
        const size_t capacity = KOFN_TRACE_BYTES_MAX / ((slots[i] + 7) / 8);
        assert_holds(&trace, slots[i], 0);
        add_rounds(&trace, slots[i], 1);
        assert_holds(&trace, slots[i], 1);
        add_rounds(&trace, slots[i], capacity - 2);
        assert_holds(&trace, slots[i], capacity - 1);
        add_rounds(&trace, slots[i], 1);
        assert_holds(&trace, slots[i], capacity);
        add_rounds(&trace, slots[i], 1); // over the oldest
        assert_holds(&trace, slots[i], capacity);
        add_rounds(&trace, slots[i], capacity / 2 + capacity);
        assert_holds(&trace, slots[i], capacity);
        kofn_trace_fini(&trace);
    }
}

static void
a_trace_that_never_was_ends_as_well(void **state)
{
    (void)state;
    kofn_trace trace = {0};
    kofn_trace_fini(&trace);
    assert_null(trace.rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_rounds_are_kept_bit_for_bit),
        cmocka_unit_test(a_trace_that_never_was_ends_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
