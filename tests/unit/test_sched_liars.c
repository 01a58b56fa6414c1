#include "common/base/rng.h"
#include "common/code/liars.h"
#include "master/sched/deaths.h"
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
    assert_actions(r, ""); // one each
    assert_int_equal(answer(r, 1, 4, 6), KOFN_VERDICT_KEEP);
    assert_actions(r, "");
    join(r, 7);
    assert_actions(r, "send 1.3>7");
    assert_int_equal(answer(r, 1, 3, 7), KOFN_VERDICT_KEEP);
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
    add(r, 1, "polynomial", 1, 5, "oneshot"); // two of each leave one without those of any two
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.4>1");
    assert_int_equal(answer(r, 1, 4, 1), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, ""); // three answers, of two
    assert_int_equal(answer(r, 1, 2, 3), KOFN_VERDICT_KEEP);
    assert_actions(r, "cancel 1.3>4, decode 1");
}

/* Four answers suffice, and two workers may lie: of five each gives all that the product takes. */
static void
few_workers_give_several_answers_each(void **state)
{
    rig *r = *state;
    join_many(r, 5);
    r->accept.liars = 2;
    add(r, 1, "polynomial", 4, 20, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    for (size_t task = 0; task < 20; task++) {
        char expected[32] = "";
        assert_int_equal(answer(r, 1, task, task % 5 + 1), KOFN_VERDICT_KEEP);
        if (task < 15)
            (void)snprintf(expected, sizeof expected, "send 1.%zu>%zu", task + 5, task % 5 + 1);
        assert_actions(r, task < 19 ? expected : "decode 1");
    }
}

/* A seventh had one task more, of which nobody can tell whether it comes: what it gave does not
 * matter. */
static void
a_job_ends_as_soon_as_enough_is_left_without_those_of_any_two_b(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 7);
    r->accept.liars = 2;
    add(r, 1, "polynomial", 3, 11, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6, "
                      "send 1.6>7, send 1.7>1, send 1.8>2, send 1.9>3, send 1.10>4");
    static const size_t order[] = {0, 7, 1, 8, 2, 9, 3, 4};
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(answer(r, 1, order[i], order[i] % 7 + 1), KOFN_VERDICT_KEEP);
    assert_actions(r, ""); // 2 2 2 1 1: one is left
    assert_int_equal(answer(r, 1, 5, 6), KOFN_VERDICT_KEEP);
    assert_actions(r, ""); // 2 2 2 1 1 1: two
    assert_int_equal(answer(r, 1, 10, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, ""); // 2 2 2 2 1 1
    assert_int_equal(answer(r, 1, 6, 7), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1"); // 2 2 2 2 1 1 1
}

static void
too_few_workers_fail_a_job_when_others_had_time_to_come(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    r->accept.liars = 2;
    add(r, 1, "polynomial", 4, 8, "oneshot");
    add(r, 2, "polynomial", 4, 8, "oneshot");
    for (kofn_action action; kofn_sched_next_action(r->sched, &action);)
        assert_int_equal(action.kind, KOFN_ACTION_SEND);
    at(r, 4999);
    assert_actions(r, "");
    at(r, 5000);
    kofn_action action;
    size_t failed = 0;
    while (kofn_sched_next_action(r->sched, &action)) {
        if (action.kind != KOFN_ACTION_FAIL)
            continue;
        failed++;
        assert_int_equal(action.error.status, KOFN_FAILED_PRECONDITION);
        assert_non_null(strstr(action.error.text, "it takes 8 workers that give up to 1 answers"));
        assert_non_null(strstr(action.error.text, "there are 6"));
    }
    assert_int_equal(failed, 2);
}

static void
workers_that_come_in_time_save_it(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2");
    at(r, 3000);
    join(r, 3);
    assert_actions(r, "send 1.2>3");
    at(r, 20000);
    assert_actions(r, "");
    lose(r, 3); // and it has time again
    at(r, 24000);
    assert_actions(r, "");
    join(r, 4);
    assert_actions(r, "send 1.2>4");
    for (size_t task = 0; task < 3; task++)
        assert_int_equal(answer(r, 1, task, task < 2 ? task + 1 : 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* Worker 3 has none yet, and is busy with another job when it goes: nobody else would look at the
 * run. */
static void
a_job_does_not_wait_for_who_is_gone(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 2.0>1");
    r->accept.liars = 1;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    assert_actions(r, "send 1.0>2, send 1.1>3");
    assert_int_equal(answer(r, 1, 0, 2), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 1, 3), KOFN_VERDICT_KEEP);
    at(r, 30000);
    assert_actions(r, ""); // 1 may come to it
    lose(r, 1);
    assert_actions(r, "send 2.0>2");
    at(r, 35000);
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
}

/* Three lie, or nobody is there: the deadline says when to stop waiting. */
static void
without_any_worker_it_waits_as_any_job_does(void **state)
{
    rig *r = *state;
    r->accept.liars = 1;
    r->deadline_ns = 60000 * KOFN_NS_PER_MS;
    add(r, 1, "polynomial", 1, 3, "oneshot");
    at(r, 50000);
    assert_actions(r, "");
    join_many(r, 3);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    for (uint64_t worker = 1; worker <= 3; worker++)
        lose(r, worker);
    at(r, 60000);
    assert_actions(r, "fail 1 DEADLINE_EXCEEDED");
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
    add(r, 1, "polynomial", 1, 5, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.3>1");
}

static void
nobody_gets_more_than_all_tasks_make_up_for(void **state)
{
    rig *r = *state;
    join_many(r, 5);
    r->accept.liars = 2;
    add(r, 1, "polynomial", 1, 9, "oneshot"); // four may have two of them
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.5>1");
    assert_int_equal(answer(r, 1, 5, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, ""); // and no third
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.6>2");
}

static void
no_more_answers_are_adopted_of_one_worker_than_it_may_be_sent(void **state)
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

enum { JOBS = 12, WORKERS = 14, TASKS = 24 };

typedef struct world {
    rig r;
    kofn_rng rng;
    bool liar[WORKERS + 1], barred[WORKERS + 1];
    size_t tasks[JOBS + 1], threshold[JOBS + 1], liars[JOBS + 1];
    size_t gave[JOBS + 1][WORKERS + 1];
    bool over[JOBS + 1];
    size_t failed;
    kofn_action out[RIG_SENDS_MAX];
    size_t count;
} world;

/* Of as many as each of them gave, or could: how many are left without those of any 2 b? */
static size_t
count_left(const world *w, uint64_t job, bool could)
{
    const size_t each = kofn_liars_count_each(w->tasks[job], w->threshold[job], w->liars[job]);
    size_t count[WORKERS + 1] = {0}, left = 0, all = 0;
    for (size_t i = 1; i <= WORKERS; i++) {
        count[i] = could && !w->barred[i] ? each : w->gave[job][i];
        all += count[i];
    }
    for (size_t out = 0; out < 2 * w->liars[job]; out++) {
        size_t most = 0;
        for (size_t i = 1; i <= WORKERS; i++)
            most = count[i] > count[most] ? i : most;
        count[most] = 0;
    }
    for (size_t i = 1; i <= WORKERS; i++)
        left += count[i];
    return could && all >= w->tasks[job] ? w->threshold[job] : left;
}

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
        assert_in_range(view_of(&w->r, a->job).kept, w->threshold[a->job] + 2 * w->liars[a->job],
                        w->tasks[a->job]);
        assert_true(count_left(w, a->job, false) >= w->threshold[a->job]);
        w->over[a->job] = true;
        kofn_sched_job_forget(w->r.sched, a->job);
        break;
    case KOFN_ACTION_FAIL:
        assert_int_equal(a->error.status, KOFN_FAILED_PRECONDITION);
        assert_non_null(strstr(a->error.text, "too few workers"));
        assert_true(w->liars[a->job] > 0 && count_left(w, a->job, true) < w->threshold[a->job]);
        w->over[a->job] = true;
        w->failed++;
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
        w->gave[a.job][a.worker] +=
            kofn_sched_answer(r->sched, r->now_ns, a.worker, a.assignment) == KOFN_VERDICT_KEEP;
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
        w->r.accept.liars = kofn_rng_below(&w->rng, spare / 2 < 4 ? spare / 2 + 1 : 5);
        w->r.deadline_ns = KOFN_NEVER_NS;
        w->tasks[job] = x + spare;
        w->threshold[job] = x;
        w->liars[job] = w->r.accept.liars;
        add(&w->r, job, families[family], x, x + spare,
            rig_policies[kofn_rng_below(&w->rng, RIG_POLICIES)]);
        drain(w);
    }
}

static void
every_job_ends_well_while_enough_workers_are_honest(void **state)
{
    (void)state;
    static world w;
    const uint64_t seed = test_seed(1);
    size_t barred = 0, failed = 0;
    for (uint64_t round = 0; round < 300; round++) {
        start_world(&w, seed, round);
        do { // a job that has too few is given up when the time of grace is over
            while (w.count > 0)
                step(&w);
            w.r.now_ns += KOFN_DEATHS_GRACE_NS;
            kofn_sched_tick(w.r.sched, w.r.now_ns);
            drain(&w);
        } while (w.count > 0);
        failed += w.failed;
        for (uint64_t job = 1; job <= JOBS; job++)
            assert_true(w.over[job]);
        for (uint64_t worker = 1; worker <= WORKERS; worker++) {
            barred += w.barred[worker];
            assert_false(w.barred[worker] && !w.liar[worker]);
        }
        rig_fini(&w.r);
    }
    assert_true(barred > 300);
    assert_in_range(failed, 100, 300 * JOBS / 2);
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
        rig_test(few_workers_give_several_answers_each),
        rig_test(a_job_ends_as_soon_as_enough_is_left_without_those_of_any_two_b),
        rig_test(too_few_workers_fail_a_job_when_others_had_time_to_come),
        rig_test(workers_that_come_in_time_save_it),
        rig_test(a_job_does_not_wait_for_who_is_gone),
        rig_test(without_any_worker_it_waits_as_any_job_does),
        rig_test(nobody_gets_more_than_all_tasks_make_up_for),
        rig_test(no_more_answers_are_adopted_of_one_worker_than_it_may_be_sent),
        rig_test(who_comes_again_with_another_number_is_spent),
        rig_test(two_connections_of_one_giver_have_the_answers_of_one),
        rig_test(who_comes_again_has_no_more_adopted_than_may_be_wrong),
        rig_test(too_few_tasks_are_refused_with_the_equation),
        rig_test(a_code_that_is_only_likely_has_no_parity),
        rig_test(a_refuted_task_goes_to_another_and_the_liar_gets_nothing_any_more),
        rig_test(many_liars_make_no_task_a_suspect),
        rig_test(a_job_without_honest_workers_waits_for_one),
        rig_test(a_liar_that_was_found_at_the_end_is_barred_as_well),
        cmocka_unit_test(every_job_ends_well_while_enough_workers_are_honest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
