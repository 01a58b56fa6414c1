/* Streams in the scheduler: rounds over workers that come, go, fail and are late. */
#include "common/base/rng.h"
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

/* ---- workers --------------------------------------------------------------------------------- */

static void
a_worker_takes_no_more_than_its_credit_of_all_jobs_together(void **state)
{
    rig *r = *state;
    r->credit = 2;
    start(r, 3);
    r->stream = 0;
    r->client = 2;
    add(r, 7, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 7.0>1, send 7.1>2, send 7.2>3");
    r->stream = 1;
    r->client = 1;
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    at(r, 50);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.4>2, send 1.5>3");
    answer(r, 1, 3, 1);
    assert_actions(r, "cancel 1.4>2, cancel 1.5>3, decode 1");
}

static void
mini_tasks_wait_for_credit_and_go_out_in_the_order_of_the_list(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    push(r, 2, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    at(r, 10);
    assert_actions(r, "cancel 1.2>3, send 2.0>1, send 2.1>2, send 2.2>3");
    answer(r, 2, 1, 2);
    assert_actions(r, "send 1.4>2"); // of the same round: the due job after the new one
    answer(r, 2, 0, 1);
    answer(r, 2, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.5>3");
}

static void
clients_take_turns_with_those_of_streams(void **state)
{
    rig *r = *state;
    join(r, 1);
    open_stream(r, 1, 1, 1, 2); // 1 + 2 rows
    push(r, 1, 3, 2);
    assert_actions(r, "send 1.0>1");
    r->stream = 0;
    r->client = 2;
    add(r, 7, "uncoded", 2, 2, "oneshot");
    answer(r, 1, 0, 1);
    assert_actions(r, "send 7.0>1");
    answer(r, 7, 0, 1);
    assert_actions(r, "send 1.1>1");
    answer(r, 1, 1, 1);
    assert_actions(r, "decode 1, send 7.1>1");
}

static void
a_lost_worker_is_replaced_by_the_next_one_without_a_slot(void **state)
{
    rig *r = *state;
    start(r, 4); // worker 4 has none
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    lose(r, 2);
    assert_actions(r, ""); // of dip nothing is given again in a round
    assert_int_equal(stream_of(r, 1).vacant, 0);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.4>4, send 1.5>3");
    assert_int_equal(r->sends[4].slot, 1);
    lose(r, 1);
    assert_int_equal(stream_of(r, 1).vacant, 1);
    assert_actions(r, "");
    join(r, 5);
    assert_int_equal(stream_of(r, 1).vacant, 0);
    answer(r, 1, 4, 4);
    assert_actions(r, "");
    answer(r, 1, 5, 3);
    assert_actions(r, "decode 1");
}

static void
rounds_go_on_without_the_workers_that_are_gone(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    lose(r, 3);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.3>1, send 1.4>2");
    answer(r, 1, 3, 1);
    answer(r, 1, 4, 2);
    assert_actions(r, "decode 1");
}

static void
without_workers_a_stream_waits_for_one_or_the_deadline(void **state)
{
    rig *r = *state;
    start(r, 1);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1");
    lose(r, 1);
    r->deadline_ns = 100 * KOFN_NS_PER_MS;
    push(r, 2, ROWS, NEED);
    assert_actions(r, "");
    at(r, 100);
    assert_actions(r, "fail 2 DEADLINE_EXCEEDED");
    join(r, 2);
    assert_actions(r, "send 1.1>2");
    assert_int_equal(stream_of(r, 1).vacant, 2);
}

static void
who_does_not_compute_in_the_field_gets_no_slot(void **state)
{
    rig *r = *state;
    r->fields = 0;
    join(r, 1);
    r->fields = UINT32_MAX;
    join(r, 2);
    open_stream(r, 1, 3, 1, 4);
    assert_int_equal(stream_of(r, 1).vacant, 2);
    r->fields = 0;
    join(r, 3);
    assert_int_equal(stream_of(r, 1).vacant, 2);
}

static void
streams_share_out_the_workers(void **state)
{
    rig *r = *state;
    join_many(r, 4);
    open_stream(r, 1, 2, 1, 4);
    push(r, 1, 2 * (1 + 2), 4);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    open_stream(r, 2, 2, 1, 4);
    push(r, 2, 2 * (1 + 2), 4);
    assert_actions(r, "send 2.0>3, send 2.1>4");
}

static void
a_worker_that_leaves_does_what_it_has_and_gets_nothing_more(void **state)
{
    rig *r = *state;
    r->credit = 2;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    kofn_sched_worker_leave(r->sched, r->now_ns, 2);
    assert_actions(r, "");
    assert_int_equal(stream_of(r, 1).vacant, 0);
    at(r, 10);
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "");
    assert_int_equal(stream_of(r, 1).vacant, 1);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.4>3");
    kofn_sched_worker_leave(r->sched, r->now_ns, 3);
    join(r, 4);
    join(r, 5); // one has the slot of worker 2, and this one waits for that of worker 3
    at(r, 20);
    assert_actions(r, "");
    assert_int_equal(stream_of(r, 1).vacant, 0);
    answer(r, 1, 4, 3);
    assert_actions(r, "cancel 1.3>1, decode 1");
    push(r, 2, ROWS, NEED);
    assert_actions(r, "send 2.0>1, send 2.1>4, send 2.2>5");
}

static void
stragglers_are_measured_as_such_and_others_are_not(void **state)
{
    rig *r = *state;
    kofn_sched_worker_view view;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    at(r, 1000);
    answer(r, 1, 0, 1);
    at(r, 1200);
    answer(r, 1, 1, 2);
    at(r, 1250); // 1e9 flops in 1, in 1.2, and not in 1.25 seconds
    assert_actions(r, "cancel 1.2>3, send 1.3>1, send 1.4>2, send 1.5>3");
    assert_true(kofn_sched_get_worker(r->sched, 3, &view));
    assert_true(view.flops_rate > 0 && view.flops_rate <= 1e9 / 1.25);
    at(r, 1300); // cancelled early: that tells nothing
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "cancel 1.3>1, cancel 1.4>2, cancel 1.5>3, fail 1 CANCELLED");
    assert_true(kofn_sched_get_worker(r->sched, 1, &view));
    assert_true(view.flops_rate == 1e9);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void
a_cancelled_job_makes_room_in_mid_round(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    push(r, 2, ROWS, NEED);
    push(r, 3, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 2)); // not born yet
    assert_actions(r, "fail 2 CANCELLED");
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.2>3, fail 1 CANCELLED, "
                      "send 3.0>1, send 3.1>2, send 3.2>3");
    assert_int_equal(stream_of(r, 1).jobs, 1);
}

static void
a_deadline_in_mid_round_ends_the_job_alone(void **state)
{
    rig *r = *state;
    start(r, 3);
    r->deadline_ns = 50 * KOFN_NS_PER_MS;
    push(r, 1, ROWS, NEED);
    r->deadline_ns = KOFN_NEVER_NS;
    push(r, 2, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_true(kofn_sched_next_tick(r->sched) == 50 * KOFN_NS_PER_MS);
    at(r, 50);
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.2>3, fail 1 DEADLINE_EXCEEDED, "
                      "send 2.0>1, send 2.1>2, send 2.2>3");
    r->deadline_ns = 50 * KOFN_NS_PER_MS;
    push(r, 3, ROWS, NEED); // over before it began
    assert_actions(r, "fail 3 DEADLINE_EXCEEDED");
}

static void
a_task_that_fails_everywhere_fails_its_job_and_no_other(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    push(r, 2, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    at(r, 100);
    answer(r, 1, 1, 2);
    assert_actions(r, "");
    break_down(r, 1, 0, 1, "no memory");
    assert_actions(r, "send 1.0>2"); // again, elsewhere
    break_down(r, 1, 0, 2, "no memory");
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.0>3");
    break_down(r, 1, 0, 3, "no memory");
    assert_actions(r, "fail 1 ABORTED, send 2.0>1, send 2.1>2, send 2.2>3");
    assert_string_equal(r->last.error.text, "task 0 failed on 3 workers, last: no memory");
}

static void
a_task_that_fails_on_all_workers_of_the_stream_fails_its_job(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    open_stream(r, 1, 1, 1, 2); // worker 2 has no slot
    push(r, 1, 3, 2);
    push(r, 2, 3, 2);
    assert_actions(r, "send 1.0>1");
    break_down(r, 1, 0, 1, "no memory");
    assert_actions(r, "fail 1 UNAVAILABLE, send 2.0>1");
}

static void
open_scheme(rig *r, kofn_scheme scheme, int64_t slots, size_t need, double rescue)
{
    kofn_error error;
    kofn_sched_stream params = {.id = 1, .need = need, .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_rounds_keys, &params.rounds);
    params.rounds.scheme = (int)scheme;
    params.rounds.slots = slots;
    params.rounds.rescue = rescue;
    assert_ok(kofn_rounds_settle(&params.rounds, need, &error));
    assert_ok(kofn_sched_stream_open(r->sched, r->now_ns, &params, &error));
    r->stream = 1;
}

/* Workers that are never idle: a stream with a slot on each, and a client whose tasks never end. */
enum { SHARERS = 8, ANSWERS = 4000, ENDLESS = 1000000 }; // the latter: that client's job

typedef struct load {
    rig *rig;
    kofn_code *code; // of the stream's jobs
    uint64_t pushed;
    uint64_t has[SHARERS + 1]; // assignments, by worker
    size_t sent[2];            // tasks of the stream, and of the other client
} load;

static void
push_one(load *l)
{
    kofn_error error;
    assert_ok(try_add(l->rig, ++l->pushed, l->code, "rounds", &error));
}

static void
follow_actions(load *l)
{
    for (kofn_action a; kofn_sched_next_action(l->rig->sched, &a);) {
        if (a.kind == KOFN_ACTION_SEND) {
            l->has[a.worker] = a.assignment;
            l->sent[a.job == ENDLESS]++;
        } else {
            assert_int_equal(a.kind, KOFN_ACTION_DECODE);
            kofn_sched_job_forget(l->rig->sched, a.job);
            push_one(l);
        }
    }
}

/* The share of the stream, of all that was sent. */
static double
measure_share(rig *r, bool in_order)
{
    load l = {.rig = r, .code = rig_code("uncoded", SHARERS, 1, SHARERS)};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    join_many(r, SHARERS);
    open_scheme(r, KOFN_SCHEME_UNCODED, SHARERS, SHARERS, 0);
    r->stream = 0;
    r->client = 2;
    add(r, ENDLESS, "uncoded", ANSWERS, ANSWERS, "oneshot");
    r->stream = 1;
    r->client = 1;
    push_one(&l);
    push_one(&l);
    for (size_t i = 0; i < ANSWERS; i++) {
        const size_t worker = 1 + (in_order ? i % SHARERS : kofn_rng_below(&rng, SHARERS));
        follow_actions(&l);
        at(r, (int64_t)i);
        assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, worker, l.has[worker]),
                         KOFN_VERDICT_KEEP);
    }
    kofn_code_destroy(&l.code);
    return (double)l.sent[0] / (double)(l.sent[0] + l.sent[1]);
}

/* One pass over the workers in which every other one is the stream's, one for the rest, and one
 * until the last answer has come: nothing more is sent before that. */
static void
a_stream_has_its_share_of_workers_that_are_never_idle(void **state)
{
    const double share = measure_share(*state, true);
    assert_true(share > 0.33 && share < 0.34);
}

/* About 0.19: the round waits for the last of eight that are drawn, twice. */
static void
it_has_so_too_in_whatever_order_they_answer(void **state)
{
    assert_true(measure_share(*state, false) > 0.15);
}

static void
failures_on_one_worker_count_once(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    open_scheme(r, KOFN_SCHEME_UNCODED, 3, 3, 0);
    add(r, 1, "uncoded", 3, 3, "rounds");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    break_down(r, 1, 0, 1, "no memory");
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.0>2");
    lose(r, 2);
    join(r, 4);
    assert_actions(r, "send 1.0>1");
    break_down(r, 1, 0, 1, "no memory");
    assert_actions(r, "");
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.0>3");
    break_down(r, 1, 0, 3, "no memory");
    assert_actions(r, "send 1.0>4");
    break_down(r, 1, 0, 4, "no memory");
    assert_actions(r, "fail 1 ABORTED");
}

static void
what_is_returned_is_given_again(void **state)
{
    rig *r = *state;
    start(r, 2);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    at(r, 100);
    answer(r, 1, 1, 2);
    kofn_sched_task_return(r->sched, r->now_ns, 1, assignment_of(r, 1, 0, 1));
    assert_actions(r, "send 1.0>2");
}

static void
a_badly_conditioned_set_is_decoded_at_once(void **state)
{
    rig *r = *state;
    rig_fini(r);
    kofn_sched_config config = rig_config();
    config.max_amplification = 1e-9;
    rig_init_with(r, config);
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    answer(r, 1, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.4>2, send 1.5>3");
    answer(r, 1, 4, 2);
    assert_actions(r, "cancel 1.3>1, cancel 1.5>3, decode 1");
}

static void
late_mini_tasks_are_copied_where_that_is_wanted(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    open_scheme(r, KOFN_SCHEME_POLYNOMIAL, 2, 2, 3);
    push(r, 1, 2, 2);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    at(r, 100);
    answer(r, 1, 0, 1);
    assert_actions(r, "");
    at(r, 125);
    assert_actions(r, "");
    at(r, 300);
    assert_actions(r, "copy 1.1>1");
    assert_int_equal(view_of(r, 1).backups, 1);
    at(r, 400);
    answer(r, 1, 1, 1);
    assert_actions(r, "cancel 1.1>2, decode 1");
}

static void
answers_count_in_simulation_whatever_they_are(void **state)
{
    rig *r = *state;
    kofn_code_spec spec = {.part = {2, 1, 1}, .tasks = 4, .has_seed = true, .seed = 1};
    (void)snprintf(spec.family, sizeof spec.family, "polynomial");
    kofn_code *code = rig_build(&spec);
    for (size_t task = 0; task < 4; task++)
        code->e[0].at[2 * task] = code->e[0].at[2 * task + 1] = 1; // four times the same row
    rig_fini(r);
    kofn_sched_config config = rig_config();
    config.count_only = true;
    rig_init_with(r, config);
    join_many(r, 2);
    open_stream(r, 1, 2, 1, 2);
    add_code(r, 1, "rounds", code);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    at(r, 100);
    answer(r, 1, 0, 1);
    assert_actions(r, "");
    answer(r, 1, 1, 2);
    assert_actions(r, "decode 1");
}

static void
die(rig *r, uint64_t worker)
{
    kofn_sched_worker_die(r->sched, r->now_ns, worker);
}

/* ---- kept answers ---------------------------------------------------------------------------- */

static uint64_t
adopt(rig *r, uint64_t job, size_t task, uint64_t worker)
{
    uint64_t assignment = 0;
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, worker, job, task, &assignment));
    return assignment;
}

static void
an_answer_that_was_kept_is_not_computed_again(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    lose(r, 3);
    assert_actions(r, "");
    join(r, 4);
    assert_actions(r, "");
    const uint64_t kept = adopt(r, 1, 2, 4); // row 2 is nowhere now
    const uint64_t later = adopt(r, 1, 4, 4);
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 4, kept), KOFN_VERDICT_KEEP);
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 4, later), KOFN_VERDICT_KEEP);
    at(r, 100);
    assert_actions(r, "");
    answer(r, 1, 0, 1);
    assert_actions(r, "");
    answer(r, 1, 1, 2);
    assert_actions(r, "decode 1");
}

/* The rounds give row 4, since nobody has told them. */
static void
what_was_answered_before_it_was_given_is_skipped(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    const uint64_t early = adopt(r, 1, 4, 2);
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 2, early), KOFN_VERDICT_KEEP);
    at(r, 100);
    answer(r, 1, 0, 1);
    at(r, 125);
    assert_actions(r, "cancel 1.1>2, cancel 1.2>3, send 1.3>1, send 1.5>3");
    answer(r, 1, 3, 1);
    at(r, 200);
    answer(r, 1, 5, 3);
    assert_actions(r, "decode 1");
}

static void
what_was_answered_is_skipped_of_a_suspect_too(void **state)
{
    rig *r = *state;
    join(r, 1);
    open_stream(r, 1, 1, 1, 4); // 1 + 4 rows
    push(r, 1, 5, 4);
    assert_actions(r, "send 1.0>1");
    const uint64_t early = adopt(r, 1, 2, 1);
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 1, early), KOFN_VERDICT_KEEP);
    answer(r, 1, 0, 1);
    assert_actions(r, "send 1.1>1");
    die(r, 1);
    join(r, 2);
    assert_actions(r, "send 1.4>2");
    die(r, 2);
    join(r, 3); // row 2 would be next
    assert_actions(r, "send 1.3>3");
}

static void
what_is_kept_by_whom_it_is_given_to_is_waited_for_there(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    const uint64_t early = adopt(r, 1, 4, 2);
    at(r, 100);
    answer(r, 1, 0, 1);
    at(r, 125);
    assert_actions(r, "cancel 1.1>2, cancel 1.2>3, send 1.3>1, send 1.5>3");
    at(r, 200);
    answer(r, 1, 3, 1);
    answer(r, 1, 5, 3);
    assert_actions(r, "");
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 2, early), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
what_is_kept_is_not_taken_back_with_the_round(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    open_stream(r, 1, 2, 2, 6);
    push(r, 1, 10, 6); // 2 for each of two rounds, and 6
    assert_actions(r, "send 1.0>1, send 1.1>2");
    const uint64_t early = adopt(r, 1, 3, 2);
    answer(r, 1, 0, 1);
    at(r, 10);
    assert_actions(r, "cancel 1.1>2, send 1.2>1");
    at(r, 20);
    answer(r, 1, 2, 1);
    at(r, 30);
    assert_actions(r, "send 1.4>1, send 1.5>2, send 1.6>1");
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 2, early), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.7>2");
    answer(r, 1, 5, 2);
    answer(r, 1, 4, 1);
    answer(r, 1, 6, 1);
    assert_actions(r, "cancel 1.7>2, decode 1");
}

static void
a_job_that_ends_workers_one_after_another_fails_and_the_stream_goes_on(void **state)
{
    rig *r = *state;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    push(r, 2, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    die(r, 1);
    die(r, 2); // they went together: one death
    die(r, 3);
    join_many(r, 3);
    assert_actions(r, "send 2.0>1, send 2.1>2, send 2.2>3");
    answer(r, 2, 0, 1);
    answer(r, 2, 1, 2);
    answer(r, 2, 2, 3);
    assert_actions(r, "send 1.3>1, send 1.4>2, send 1.5>3");
    die(r, 2);
    assert_actions(r, ""); // a suspect, of which more than one row is out
    join_as(r, 12, "w2", 0);
    die(r, 1);
    die(r, 3);
    join_as(r, 11, "w1", 0);
    join_as(r, 13, "w3", 0);
    assert_actions(r, "send 1.6>13"); // alone, to one that has not died of it
    die(r, 13);
    assert_actions(r, "");
    at(r, 4999);
    assert_actions(r, "");
    at(r, 5000);
    assert_actions(r, "fail 1 FAILED_PRECONDITION, send 2.3>11, send 2.4>12");
    assert_non_null(strstr(r->last.error.text, "workers w1, w2, w3 died one after another while"));
}

/* Job 2 ends whoever gets it; what is behind it there goes as well. */
static void
a_job_that_travels_with_such_a_one_is_cleared(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join(r, 1);
    open_stream(r, 1, 1, 2, 4);
    push(r, 1, 6, 4);
    push(r, 2, 6, 4);
    assert_actions(r, "send 1.0>1");
    answer(r, 1, 0, 1);
    assert_actions(r, "send 2.0>1, send 1.1>1");
    die(r, 1);
    join(r, 2);
    assert_actions(r, "send 2.1>2, send 1.2>2");
    die(r, 2);
    join(r, 3);
    assert_actions(r, "send 1.5>3"); // a suspect, alone
    answer(r, 1, 5, 3);
    assert_actions(r, "send 1.4>3, send 1.3>3"); // and none any more
    answer(r, 1, 4, 3);
    answer(r, 1, 3, 3);
    assert_actions(r, "decode 1, send 2.2>3");
    die(r, 3);
    join(r, 4);
    assert_actions(r, "");
    at(r, 5000);
    assert_actions(r, "fail 2 FAILED_PRECONDITION");
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
a_closed_stream_ends_with_its_last_job(void **state)
{
    rig *r = *state;
    kofn_error error;
    start(r, 3);
    push(r, 1, ROWS, NEED);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_true(kofn_sched_stream_close(r->sched, 1));
    assert_false(kofn_sched_stream_close(r->sched, 1));
    kofn_code *code = rig_code("polynomial", NEED, 1, ROWS);
    assert_fails(try_add(r, 2, code, "rounds", &error), KOFN_FAILED_PRECONDITION);
    kofn_code_destroy(&code);
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_int_equal(stream_of(r, 1).jobs, 0);
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.2>3, fail 1 CANCELLED");
    assert_false(kofn_sched_get_stream(r->sched, 1, &(kofn_sched_stream_view){0}));
    assert_false(kofn_sched_stream_close(r->sched, 1));
    lose(r, 1); // whom nothing binds any more
    open_stream(r, 1, 2, 1, 4);
}

static void
jobs_that_do_not_fit_the_stream_are_refused(void **state)
{
    rig *r = *state;
    kofn_error error;
    start(r, 3);
    kofn_code *code = rig_code("polynomial", NEED, 1, ROWS);
    kofn_code *fewer = rig_code("polynomial", NEED, 1, ROWS - 1);
    kofn_code *other = rig_code("polynomial", NEED - 1, 1, ROWS);
    assert_fails(try_add(r, 1, fewer, "rounds", &error), KOFN_INVALID_ARGUMENT);
    assert_fails(try_add(r, 1, other, "rounds", &error), KOFN_INVALID_ARGUMENT);
    assert_fails(try_add(r, 1, code, "oneshot", &error), KOFN_INVALID_ARGUMENT);
    r->accept.best = true;
    assert_fails(try_add(r, 1, code, "rounds", &error), KOFN_INVALID_ARGUMENT);
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 1e-6};
    assert_fails(try_add(r, 1, code, "rounds", &error), KOFN_INVALID_ARGUMENT);
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_EXACT};
    r->stream = 2;
    assert_fails(try_add(r, 1, code, "rounds", &error), KOFN_NOT_FOUND);
    r->stream = 0;
    assert_fails(try_add(r, 1, code, "rounds", &error), KOFN_INVALID_ARGUMENT);
    r->stream = 1;
    assert_ok(try_add(r, 1, code, "rounds", &error));
    assert_fails(try_add(r, 1, code, "rounds", &error), KOFN_ALREADY_EXISTS);
    assert_int_equal(stream_of(r, 1).jobs, 1);
    kofn_code_destroy(&code);
    kofn_code_destroy(&fewer);
    kofn_code_destroy(&other);
}

static void
streams_have_numbers_of_their_own(void **state)
{
    rig *r = *state;
    kofn_error error;
    start(r, 3);
    kofn_sched_stream params = {.id = 1, .need = 4, .field = kofn_field_find("f64")};
    kofn_keys_set_defaults(kofn_rounds_keys, &params.rounds);
    params.rounds.slots = 2;
    assert_ok(kofn_rounds_settle(&params.rounds, 4, &error));
    assert_fails(kofn_sched_stream_open(r->sched, 0, &params, &error), KOFN_ALREADY_EXISTS);
    params.id = 0;
    assert_fails(kofn_sched_stream_open(r->sched, 0, &params, &error), KOFN_INVALID_ARGUMENT);
    assert_false(kofn_sched_stream_close(r->sched, 5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(jobs_overlap_in_rounds_that_nobody_waits_for),
        rig_test(a_job_goes_through_its_rounds_and_is_decoded),
        rig_test(a_worker_takes_no_more_than_its_credit_of_all_jobs_together),
        rig_test(mini_tasks_wait_for_credit_and_go_out_in_the_order_of_the_list),
        rig_test(clients_take_turns_with_those_of_streams),
        rig_test(a_lost_worker_is_replaced_by_the_next_one_without_a_slot),
        rig_test(rounds_go_on_without_the_workers_that_are_gone),
        rig_test(without_workers_a_stream_waits_for_one_or_the_deadline),
        rig_test(who_does_not_compute_in_the_field_gets_no_slot),
        rig_test(streams_share_out_the_workers),
        rig_test(a_worker_that_leaves_does_what_it_has_and_gets_nothing_more),
        rig_test(stragglers_are_measured_as_such_and_others_are_not),
        rig_test(a_cancelled_job_makes_room_in_mid_round),
        rig_test(a_deadline_in_mid_round_ends_the_job_alone),
        rig_test(a_task_that_fails_everywhere_fails_its_job_and_no_other),
        rig_test(a_task_that_fails_on_all_workers_of_the_stream_fails_its_job),
        rig_test(a_stream_has_its_share_of_workers_that_are_never_idle),
        rig_test(it_has_so_too_in_whatever_order_they_answer),
        rig_test(failures_on_one_worker_count_once),
        rig_test(what_is_returned_is_given_again),
        rig_test(a_badly_conditioned_set_is_decoded_at_once),
        rig_test(late_mini_tasks_are_copied_where_that_is_wanted),
        rig_test(answers_count_in_simulation_whatever_they_are),
        rig_test(an_answer_that_was_kept_is_not_computed_again),
        rig_test(what_was_answered_before_it_was_given_is_skipped),
        rig_test(what_was_answered_is_skipped_of_a_suspect_too),
        rig_test(what_is_kept_by_whom_it_is_given_to_is_waited_for_there),
        rig_test(what_is_kept_is_not_taken_back_with_the_round),
        rig_test(a_job_that_ends_workers_one_after_another_fails_and_the_stream_goes_on),
        rig_test(a_job_that_travels_with_such_a_one_is_cleared),
        rig_test(a_closed_stream_ends_with_its_last_job),
        rig_test(jobs_that_do_not_fit_the_stream_are_refused),
        rig_test(streams_have_numbers_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
