/* Streams in the scheduler: rounds over workers that come, go, fail and are late. */
#include "tests/unit/sched_rig.h"

/* ---- scripts --------------------------------------------------------------------------------- */

/* dip; what the rig's next jobs are of. */
static void
open_stream(rig *r, uint64_t stream, int64_t slots, int64_t delay, size_t need)
{
    kofn_error error;
    kofn_sched_stream params = {.id = stream, .need = need, .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_rounds_keys, &params.rounds);
    params.rounds.slots = slots;
    params.rounds.delay = delay;
    assert_ok(kofn_rounds_settle(&params.rounds, need, &error));
    assert_ok(kofn_sched_stream_open(r->sched, r->now_ns, &params, &error));
    r->stream = stream;
}

/* A job of as many rows as the stream wants, over x row parts of A. */
static void
push(rig *r, uint64_t job, size_t rows, size_t x)
{
    add(r, job, "polynomial", x, rows, "rounds");
}

static kofn_sched_stream_view
stream_of(const rig *r, uint64_t stream)
{
    kofn_sched_stream_view view = {0};
    assert_true(kofn_sched_get_stream(r->sched, stream, &view));
    return view;
}

enum { SLOTS = 3, DELAY = 1, NEED = 4, ROWS = 9 }; // of most tests: T P + ceil(need / lambda) P

static void
start(rig *r, uint64_t workers)
{
    join_many(r, workers);
    open_stream(r, 1, SLOTS, DELAY, NEED);
}

static void
jobs_overlap_in_rounds_that_nobody_waits_for(void **state)
{
    rig *r = *state;
    r->credit = 2;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    push(r, 2, ROWS, NEED);
    assert_actions(r, ""); // born with the next round
    at(r, 100);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    answer(r, 1, 2, 3);
    /* Each gets its first before any gets its second; in the order of the list. */
    assert_actions(r, "send 2.0>1, send 2.1>2, send 2.2>3, send 1.3>1, send 1.4>2, send 1.5>3");
    assert_int_equal(stream_of(r, 1).rounds.round, 2);
    assert_int_equal(stream_of(r, 1).jobs, 2);
    at(r, 200);
    answer(r, 2, 1, 2);
    answer(r, 1, 4, 2);
    assert_actions(r, "cancel 1.3>1, cancel 1.5>3, decode 1");
    answer(r, 2, 2, 3);
    assert_actions(r, "");
    answer(r, 2, 0, 1);
    assert_actions(r, "send 2.3>1, send 2.4>2, send 2.5>3");
    answer(r, 2, 3, 1);
    assert_actions(r, "cancel 2.4>2, cancel 2.5>3, decode 2");
    assert_int_equal(stream_of(r, 1).rounds.rounds, 3);
}

static void
a_job_goes_through_its_rounds_and_is_decoded(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r->sends[i].round, 1);
        assert_int_equal(r->sends[i].slot, i);
    }
    at(r, 100);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    assert_actions(r, ""); // slot 2 has until 125 ms, and the round with it
    assert_true(kofn_sched_next_tick(r->sched) == 125 * KOFN_NS_PER_MS);
    at(r, 125);
    assert_actions(r, "cancel 1.2>3, send 1.3>1, send 1.4>2, send 1.5>3"); // it is due
    assert_int_equal(r->sends[3].round, 2);
    at(r, 200);
    answer(r, 1, 5, 3);
    assert_actions(r, "");
    answer(r, 1, 3, 1);
    assert_actions(r, "cancel 1.4>2, decode 1");
    assert_true(kofn_sched_next_tick(r->sched) == KOFN_NEVER_NS);
    assert_true(kofn_sched_stream_close(r->sched, 1));
    assert_actions(r, "");
    assert_false(kofn_sched_get_stream(r->sched, 1, &(kofn_sched_stream_view){0}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_job_goes_through_its_rounds_and_is_decoded),
        rig_test(jobs_overlap_in_rounds_that_nobody_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
