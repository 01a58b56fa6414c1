#include "common/base/rng.h"
#include "tests/unit/sched_rig.h"

static void
a_job_ends_with_two_b_answers_more_than_its_product_takes(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 3, 6, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6");
    for (size_t task = 0; task < 4; task++) {
        assert_int_equal(answer(r, 1, task, task + 1), KOFN_VERDICT_KEEP);
        assert_actions(r, "");
        assert_false(view_of(r, 1).decodable);
    }
    assert_int_equal(answer(r, 1, 5, 6), KOFN_VERDICT_KEEP);
    assert_actions(r, "cancel 1.4>5, decode 1");
}

/* They say nothing new of the product, and all of who lies. */
static void
copies_are_waited_for_and_not_spared(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    r->accept.liars = 1;
    kofn_error error;
    kofn_code_spec spec = {.part = {2, 1, 1}, .has_seed = true, .seed = 1, .tasks = 6};
    assert_ok(kofn_code_spec_set(&spec, "family", "replication", &error));
    assert_ok(kofn_code_spec_set(&spec, "copies", "3", &error));
    kofn_code *code = rig_build(&spec);
    assert_int_equal(code->threshold, 4);
    add_code(r, 1, "oneshot", code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6");
    for (size_t task = 0; task < 5; task++)
        assert_int_equal(answer(r, 1, task, task + 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "");
    assert_int_equal(answer(r, 1, 5, 6), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
tasks_that_parity_needs_are_sent_again_as_soon_as_they_are_lost(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 3, 5, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    lose(r, 5); // four are left, of which three would be the product
    assert_actions(r, "send 1.4>6");
    lose(r, 4);
    assert_actions(r, "");
    for (size_t task = 0; task < 3; task++)
        assert_int_equal(answer(r, 1, task, task + 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.3>1");
    assert_int_equal(answer(r, 1, 4, 6), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 3, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* Worker 1 is the fastest, and would be the first in order. */
static void
who_answered_gets_another_only_when_nobody_else_is_there(void **state)
{
    rig *r = *state;
    join_many(r, 4);
    add(r, 9, "uncoded", 4, 4, "oneshot");
    assert_actions(r, "send 9.0>1, send 9.1>2, send 9.2>3, send 9.3>4");
    for (uint64_t worker = 1; worker <= 4; worker++) {
        at(r, 10 * (int64_t)worker);
        assert_int_equal(answer(r, 9, worker - 1, worker), KOFN_VERDICT_KEEP);
    }
    assert_actions(r, "decode 9");
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    lose(r, 3);
    assert_actions(r, "send 1.2>4");
    lose(r, 4);
    assert_actions(r, "send 1.2>1");
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 2, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* One may lie, so one answer each as long as there are workers for it: one of them is soon free. */
static void
who_had_as_many_as_may_be_wrong_waits_for_others_that_are_busy(void **state)
{
    rig *r = *state;
    join_many(r, 4);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    r->accept.liars = 0;
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 2.0>4");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    lose(r, 3);
    assert_actions(r, ""); // worker 1 is free
    assert_int_equal(answer(r, 2, 0, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 2, send 1.2>4");
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 2, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* Worker 4 does not compute in that field. */
static void
nobody_is_waited_for_who_could_not_do_it(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    r->fields = 1U << kofn_field_kind_of(kofn_field_find("gf256"));
    join(r, 4);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    lose(r, 3);
    assert_actions(r, "send 1.2>1");
}

static void
two_may_be_wrong_and_be_of_one_worker(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    r->accept.liars = 2;
    add(r, 1, "polynomial", 1, 5, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    r->accept.liars = 0;
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 2.0>6");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    lose(r, 4);
    assert_actions(r, "send 1.3>1"); // its second
    assert_int_equal(answer(r, 1, 3, 1), KOFN_VERDICT_KEEP);
    lose(r, 5);
    assert_actions(r, ""); // and no third
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.4>2");
}

static void
no_more_answers_than_may_be_wrong_are_adopted_of_one_worker(void **state)
{
    rig *r = *state;
    uint64_t assignment;
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    join(r, 1);
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 1, 1, 0, &assignment));
    assert_false(kofn_sched_adopt(r->sched, r->now_ns, 1, 1, 1, &assignment));
    r->accept.liars = 0;
    add(r, 2, "uncoded", 2, 2, "oneshot");
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 1, 2, 0, &assignment));
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 1, 2, 1, &assignment));
}

enum { GIVER = 1000 }; // no worker's number

/* A hello is cheap: whoever says it again has not been honest anew. */
static void
who_comes_again_with_another_number_is_spent(void **state)
{
    rig *r = *state;
    join_with(r, (kofn_sched_worker){.id = 1, .name = "w1", .giver = GIVER});
    for (uint64_t worker = 2; worker <= 4; worker++)
        join(r, worker);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    r->accept.liars = 0;
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 2.0>4");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    lose(r, 1);
    join_with(r, (kofn_sched_worker){.id = 5, .name = "w1", .giver = GIVER});
    lose(r, 3);
    assert_actions(r, ""); // 5 is free, and 4 has given none
    assert_int_equal(answer(r, 2, 0, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 2, send 1.2>4");
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 2, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
two_connections_of_one_giver_have_the_answers_of_one(void **state)
{
    rig *r = *state;
    join_with(r, (kofn_sched_worker){.id = 1, .name = "w1", .giver = GIVER});
    join_with(r, (kofn_sched_worker){.id = 2, .name = "w1", .giver = GIVER});
    join(r, 3);
    join(r, 4);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>3, send 1.2>4");
    lose(r, 1); // without an answer: its other connection may give that one
    assert_actions(r, "send 1.0>2");
}

static void
who_comes_again_has_no_more_adopted_than_may_be_wrong(void **state)
{
    rig *r = *state;
    uint64_t assignment;
    join_with(r, (kofn_sched_worker){.id = 1, .name = "w1", .giver = GIVER});
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1");
    join_with(r, (kofn_sched_worker){.id = 2, .name = "w1", .giver = GIVER});
    assert_false(kofn_sched_adopt(r->sched, r->now_ns, 2, 1, 1, &assignment));
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 2, 1, 0, &assignment)); // what it had
    lose(r, 1);
    lose(r, 2);
    join_with(r, (kofn_sched_worker){.id = 3, .name = "w1", .giver = GIVER});
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 3, 1, 0, &assignment));
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 3, assignment), KOFN_VERDICT_KEEP);
    lose(r, 3);
    join_with(r, (kofn_sched_worker){.id = 4, .name = "w1", .giver = GIVER});
    assert_false(kofn_sched_adopt(r->sched, r->now_ns, 4, 1, 1, &assignment));
}

static void
too_few_tasks_are_refused_with_the_equation(void **state)
{
    rig *r = *state;
    kofn_error error;
    r->accept.liars = 2;
    kofn_code *code = rig_code("polynomial", 3, 1, 6);
    assert_fails(try_add(r, 1, code, "oneshot", &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "n = 6 tasks < k + 2 b"));
    assert_non_null(strstr(error.text, "k = 3"));
    assert_non_null(strstr(error.text, "b = 2"));
    r->accept.liars = SIZE_MAX;
    assert_fails(try_add(r, 1, code, "oneshot", &error), KOFN_OUT_OF_RANGE);
    r->accept.liars = 1;
    r->accept.best = true;
    assert_fails(try_add(r, 1, code, "oneshot", &error), KOFN_INVALID_ARGUMENT);
    r->accept.best = false;
    assert_ok(try_add(r, 1, code, "oneshot", &error));
    kofn_code_destroy(&code);
}

static void
a_code_that_is_only_likely_has_no_parity(void **state)
{
    rig *r = *state;
    kofn_error error;
    r->accept.liars = 1;
    kofn_code *code = rig_code("polynomial", 3, 1, 10);
    code->likely = true; // as random rows of a small field are
    assert_fails(try_add(r, 1, code, "oneshot", &error), KOFN_FAILED_PRECONDITION);
    kofn_code_destroy(&code);
}

static void
a_refuted_task_goes_to_another_and_the_liar_gets_nothing_any_more(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>1");
    lose(r, 1); // so is who was found to lie
    assert_actions(r, "send 1.0>2");
    assert_int_equal(answer(r, 1, 2, 1), KOFN_VERDICT_DROP); // what it held is lost to it
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_DROP);
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.2>2");
    assert_int_equal(answer(r, 1, 0, 2), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 2, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
    add(r, 2, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 2.0>2, send 2.1>2");
    kofn_sched_worker_view worker;
    assert_false(kofn_sched_get_worker(r->sched, 1, &worker));
    assert_int_equal(kofn_sched_count_workers(r->sched), 1);
}

/* Three deaths of a task make it a suspect, three failures end its job. */
static void
many_liars_make_no_task_a_suspect(void **state)
{
    rig *r = *state;
    join_many(r, 8);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    for (uint64_t worker = 1; worker < 8; worker++) {
        char expected[32];
        lose(r, worker);
        (void)snprintf(expected, sizeof expected, "send 1.0>%d", (int)worker + 1);
        assert_actions(r, expected);
    }
    assert_int_equal(answer(r, 1, 0, 8), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
a_job_without_honest_workers_waits_for_one(void **state)
{
    rig *r = *state;
    join(r, 1);
    r->deadline_ns = 1000 * KOFN_NS_PER_MS;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    lose(r, 1);
    assert_actions(r, "");
    at(r, 900);
    join(r, 2);
    assert_actions(r, "send 1.0>2");
    assert_int_equal(answer(r, 1, 0, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1, send 2.0>2");
    at(r, 1000);
    assert_actions(r, "cancel 2.0>2, fail 2 DEADLINE_EXCEEDED");
}

/* Found out after the answer was kept, by parity: the job is over, and others lose what it has. */
static void
a_liar_that_was_found_at_the_end_is_barred_as_well(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    add(r, 2, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 1.0>1, send 2.0>2, send 2.1>1");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
    lose(r, 1);
    assert_actions(r, "send 2.1>2");
    lose(r, 1); // again, or nobody
    lose(r, 77);
    assert_actions(r, "");
}

/* ---- at random ------------------------------------------------------------------------------- */

enum { JOBS = 12, WORKERS = 14, TASKS = 12 };

typedef struct world {
    rig r;
    kofn_rng rng;
    bool liar[WORKERS + 1], barred[WORKERS + 1];
    size_t enough[JOBS + 1];
    bool over[JOBS + 1];
    kofn_action out[RIG_SENDS_MAX];
    size_t count;
} world;

static void
follow(world *w, const kofn_action *a)
{
    switch (a->kind) {
    case KOFN_ACTION_SEND:
        assert_false(w->barred[a->worker]);
        assert_false(w->over[a->job]);
        assert_in_range(w->count, 0, RIG_SENDS_MAX - 1);
        w->out[w->count++] = *a;
        break;
    case KOFN_ACTION_CANCEL:
        break; // its answer comes all the same, late
    case KOFN_ACTION_DECODE:
        assert_false(w->over[a->job]);
        assert_true(view_of(&w->r, a->job).kept >= w->enough[a->job]);
        w->over[a->job] = true;
        kofn_sched_job_forget(w->r.sched, a->job);
        break;
    case KOFN_ACTION_FAIL:
        fail_msg("job %" PRIu64 " failed: %s", a->job, a->error.text);
        break;
    case KOFN_ACTION_RECODE:
        fail_msg("job %" PRIu64 " has no second stage", a->job);
        break;
    case KOFN_ACTION_TRY:
        fail_msg("job %" PRIu64 " is small", a->job);
    }
}

static void
drain(world *w)
{
    for (kofn_action action; kofn_sched_next_action(w->r.sched, &action);)
        follow(w, &action);
}

/* Some answer comes, of an honest worker or of a liar, which is found out. */
static void
step(world *w)
{
    rig *r = &w->r;
    const size_t i = kofn_rng_below(&w->rng, w->count);
    const kofn_action a = w->out[i];
    w->out[i] = w->out[--w->count];
    r->now_ns += (int64_t)kofn_rng_below(&w->rng, 3000000);
    kofn_sched_tick(r->sched, r->now_ns);
    if (w->liar[a.worker]) {
        lose(r, a.worker);
        w->barred[a.worker] = true;
        assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, a.worker, a.assignment),
                         KOFN_VERDICT_DROP);
    } else {
        (void)kofn_sched_answer(r->sched, r->now_ns, a.worker, a.assignment);
    }
    drain(w);
}

static void
start_world(world *w, uint64_t seed, uint64_t round)
{
    *w = (world){0};
    rig_init(&w->r);
    kofn_rng_init(&w->rng, seed, round);
    for (uint64_t worker = 1; worker <= WORKERS; worker++) {
        w->r.credit = 1 + kofn_rng_below(&w->rng, 3);
        w->liar[worker] = worker > 1 && kofn_rng_below(&w->rng, 3) == 0;
        join(&w->r, worker);
    }
    for (uint64_t job = 1; job <= JOBS; job++) {
        static const char *const families[] = {"polynomial", "uncoded", "rkrp"};
        const size_t x = 1 + kofn_rng_below(&w->rng, 4), family = kofn_rng_below(&w->rng, 3);
        const size_t spare = family == 1 ? 0 : kofn_rng_below(&w->rng, TASKS - 4);
        w->r.accept.liars = kofn_rng_below(&w->rng, spare / 2 + 1);
        w->r.deadline_ns = KOFN_NEVER_NS;
        add(&w->r, job, families[family], x, x + spare,
            rig_policies[kofn_rng_below(&w->rng, RIG_POLICIES)]);
        w->enough[job] = x + 2 * w->r.accept.liars;
        drain(w);
    }
}

static void
every_job_ends_well_while_one_worker_is_honest(void **state)
{
    (void)state;
    static world w;
    const uint64_t seed = test_seed(1);
    size_t barred = 0;
    for (uint64_t round = 0; round < 300; round++) {
        start_world(&w, seed, round);
        while (w.count > 0)
            step(&w);
        for (uint64_t job = 1; job <= JOBS; job++)
            assert_true(w.over[job]);
        for (uint64_t worker = 1; worker <= WORKERS; worker++) {
            barred += w.barred[worker];
            assert_false(w.barred[worker] && !w.liar[worker]);
        }
        rig_fini(&w.r);
    }
    assert_true(barred > 300);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_job_ends_with_two_b_answers_more_than_its_product_takes),
        rig_test(copies_are_waited_for_and_not_spared),
        rig_test(tasks_that_parity_needs_are_sent_again_as_soon_as_they_are_lost),
        rig_test(who_answered_gets_another_only_when_nobody_else_is_there),
        rig_test(who_had_as_many_as_may_be_wrong_waits_for_others_that_are_busy),
        rig_test(nobody_is_waited_for_who_could_not_do_it),
        rig_test(two_may_be_wrong_and_be_of_one_worker),
        rig_test(no_more_answers_than_may_be_wrong_are_adopted_of_one_worker),
        rig_test(who_comes_again_with_another_number_is_spent),
        rig_test(two_connections_of_one_giver_have_the_answers_of_one),
        rig_test(who_comes_again_has_no_more_adopted_than_may_be_wrong),
        rig_test(too_few_tasks_are_refused_with_the_equation),
        rig_test(a_code_that_is_only_likely_has_no_parity),
        rig_test(a_refuted_task_goes_to_another_and_the_liar_gets_nothing_any_more),
        rig_test(many_liars_make_no_task_a_suspect),
        rig_test(a_job_without_honest_workers_waits_for_one),
        rig_test(a_liar_that_was_found_at_the_end_is_barred_as_well),
        cmocka_unit_test(every_job_ends_well_while_one_worker_is_honest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
