/* The scheduler where memory is short: what is refused is not there, and nothing leaks. */
#include "tests/unit/sched_rig.h"
#include "tests/unit/short_memory.h"

enum { STREAM = 1, NEED = 2, ROWS = 4 };

static kofn_status
join_one(kofn_sched *s, uint64_t worker, kofn_error *err)
{
    const kofn_sched_worker joining = {
        .id = worker, .name = "w", .credit = 2, .fields = UINT32_MAX};
    const kofn_status status = kofn_sched_worker_join(s, 0, &joining, err);
    kofn_sched_worker_view view;
    assert_int_equal(kofn_sched_get_worker(s, worker, &view), status == KOFN_OK);
    return status;
}

static kofn_status
open_one(kofn_sched *s, kofn_error *err)
{
    kofn_sched_stream params = {.id = STREAM, .need = NEED, .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_rounds_keys, &params.rounds);
    params.rounds.slots = 2;
    params.rounds.delay = 1;
    kofn_status status = kofn_rounds_settle(&params.rounds, NEED, err);
    if (status == KOFN_OK)
        status = kofn_sched_stream_open(s, 0, &params, err);
    kofn_sched_stream_view view;
    assert_int_equal(kofn_sched_get_stream(s, STREAM, &view), status == KOFN_OK);
    return status;
}

static kofn_status
add_one(kofn_sched *s, uint64_t id, kofn_code *code, kofn_error *err)
{
    const kofn_sched_job job = {.id = id,
                                .client = 1,
                                .code = code,
                                .policy = "rounds",
                                .deadline_ns = KOFN_NEVER_NS,
                                .task_flops = 1e9,
                                .stream = STREAM};
    const kofn_status status = kofn_sched_job_add(s, 0, &job, err);
    kofn_sched_job_view view;
    kofn_sched_stream_view stream;
    assert_int_equal(kofn_sched_get_job(s, id, &view), status == KOFN_OK);
    assert_true(kofn_sched_get_stream(s, STREAM, &stream));
    assert_int_equal(stream.jobs, id - (status != KOFN_OK));
    assert_int_equal(stream.rounds.waiting, stream.jobs);
    return status;
}

/* Whatever comes back, first: until nothing is out. How many jobs ended, well or not. */
static size_t
do_all(kofn_sched *s)
{
    kofn_action sends[64];
    size_t first = 0, count = 0, ended = 0;
    do {
        for (kofn_action a; kofn_sched_next_action(s, &a);) {
            ended += a.kind == KOFN_ACTION_DECODE || a.kind == KOFN_ACTION_FAIL;
            if (a.kind == KOFN_ACTION_FAIL)
                assert_int_equal(a.error.status, KOFN_RESOURCE_EXHAUSTED);
            if (a.kind == KOFN_ACTION_DECODE)
                kofn_sched_job_forget(s, a.job);
            assert_in_range(count, 0, 63);
            if (a.kind == KOFN_ACTION_SEND)
                sends[count++] = a;
        }
        if (first < count) // it may be cancelled, and is dropped then
            (void)kofn_sched_answer(s, 1, sends[first].worker, sends[first].assignment);
    } while (first++ < count);
    return ended;
}

static kofn_status
run_stream(kofn_code *code, kofn_error *err)
{
    kofn_sched *s = NULL;
    size_t jobs = 0;
    const kofn_sched_config config = rig_config();
    kofn_status status = kofn_sched_new(&config, &s, err);
    if (status == KOFN_OK)
        status = join_one(s, 1, err);
    if (status == KOFN_OK)
        status = open_one(s, err);
    if (status == KOFN_OK)
        status = join_one(s, 2, err);
    for (uint64_t id = 1; status == KOFN_OK && id <= 3; id++) {
        status = add_one(s, id, code, err);
        jobs += status == KOFN_OK;
    }
    if (jobs > 0)
        assert_int_equal(do_all(s), jobs);
    kofn_sched_destroy(&s);
    return status;
}

static void
what_is_refused_without_memory_is_not_there(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code *code = rig_code("polynomial", NEED, 1, ROWS);
    memory_calls = memory_fails_at = 0;
    assert_ok(run_stream(code, &error));
    const size_t calls = memory_calls;
    assert_in_range(calls, 40, 1000);
    size_t refused = 0;
    for (size_t at = 1; at <= calls; at++) {
        memory_calls = 0;
        memory_fails_at = at;
        const kofn_status status = run_stream(code, &error);
        refused += status != KOFN_OK; // else an answer was lost, or a count for people
        if (status != KOFN_OK)
            assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
    }
    memory_fails_at = 0;
    assert_true(refused > 30);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_without_memory_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
