#include "tests/unit/rounds_rig.h"
#include "tests/unit/short_memory.h"

/* A stream that is opened, runs for some rounds, and is closed. */
static kofn_status
run_stream(int scheme, kofn_error *err)
{
    kofn_rounds_config config = {.scheme = scheme, .slots = 3, .rescue = 2};
    kofn_rounds *rounds = NULL;
    kofn_status status = kofn_rounds_settle(&config, 3, err);
    if (status == KOFN_OK)
        status = kofn_rounds_new(&config, 3, &rounds, err);
    if (status == KOFN_OK)
        kofn_rounds_fill_slot(rounds, 0, 1);
    for (uint64_t id = 1; status == KOFN_OK && id <= 20; id++) {
        status = kofn_rounds_push(rounds, id, err);
        if (status == KOFN_OK)
            assert_int_equal(kofn_rounds_get_view(rounds).waiting, id);
    }
    if (status == KOFN_OK)
        assert_true(kofn_rounds_begin(rounds, 0));
    kofn_rounds_destroy(&rounds);
    assert_null(rounds);
    return status;
}

static void
a_stream_without_memory_is_refused_and_leaks_nothing(void **state)
{
    (void)state;
    for (int scheme = KOFN_SCHEME_DIP; scheme <= KOFN_SCHEME_UNCODED; scheme++) {
        kofn_error error;
        memory_calls = memory_fails_at = 0;
        assert_ok(run_stream(scheme, &error));
        const size_t calls = memory_calls;
        assert_in_range(calls, 20, 200);
        for (size_t at = 1; at <= calls; at++) {
            memory_calls = 0;
            memory_fails_at = at;
            assert_fails(run_stream(scheme, &error), KOFN_RESOURCE_EXHAUSTED);
        }
        memory_fails_at = 0;
    }
}

static void
what_is_pushed_without_memory_is_not_there(void **state)
{
    (void)state;
    kofn_error error;
    rounds_rig *rig = malloc(sizeof *rig);
    rig_open(rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_DIP, .slots = 1}, 1);
    rig_fill_all(rig);
    memory_calls = 0;
    memory_fails_at = 1;
    assert_fails(kofn_rounds_push(rig->rounds, 7, &error), KOFN_RESOURCE_EXHAUSTED);
    memory_fails_at = 0;
    assert_false(kofn_rounds_begin(rig->rounds, 0));
    assert_ok(kofn_rounds_push(rig->rounds, 7, &error));
    assert_true(kofn_rounds_begin(rig->rounds, 0));
    rig_close(rig);
    free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_without_memory_is_refused_and_leaks_nothing),
        cmocka_unit_test(what_is_pushed_without_memory_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
