/* What workers have already: answers that a job adopts, coded blocks that decide who gets which
 * task. */
#include "tests/unit/sched_rig.h"

#include <malloc.h>

/* The worker offers the answer of a task: the assignment, or 0 when the job does not want it. */
static uint64_t
offer(rig *r, uint64_t job, size_t task, uint64_t worker)
{
    uint64_t assignment = 0;
    const bool wanted = kofn_sched_adopt(r->sched, r->now_ns, worker, job, task, &assignment);
    assert_int_equal(wanted, assignment != 0);
    return assignment;
}

static kofn_verdict
deliver(rig *r, uint64_t worker, uint64_t assignment)
{
    return kofn_sched_answer(r->sched, r->now_ns, worker, assignment);
}

/* ---- held answers ---------------------------------------------------------------------------- */

static void
a_held_answer_is_adopted_and_its_task_is_not_sent(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    const uint64_t held = offer(r, 1, 0, 1);
    assert_true(held > 0);
    assert_actions(r, ""); // the worker has its one task
    assert_int_equal(deliver(r, 1, held), KOFN_VERDICT_KEEP);
    assert_actions(r, "send 1.1>1");
    assert_int_equal(answer(r, 1, 1, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
    assert_int_equal(view_of(r, 1).sent, 1);
    assert_int_equal(view_of(r, 1).held, 1);
    assert_int_equal(view_of(r, 1).kept, 2);
}

static void
a_worker_may_hold_more_answers_than_its_credit(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "polynomial", 4, 6, "oneshot");
    uint64_t held[4];
    for (size_t task = 0; task < 4; task++)
        held[task] = offer(r, 1, task, 1);
    assert_actions(r, "send 1.4>2");
    for (size_t task = 0; task < 3; task++)
        assert_int_equal(deliver(r, 1, held[task]), KOFN_VERDICT_KEEP);
    assert_actions(r, "");
    assert_int_equal(deliver(r, 1, held[3]), KOFN_VERDICT_KEEP);
    assert_actions(r, "cancel 1.4>2, decode 1");
    assert_int_equal(view_of(r, 1).held, 4);

    add(r, 2, "uncoded", 2, 2, "oneshot"); // the records of credit are all there
    assert_actions(r, "send 2.0>1, send 2.1>2");
}

static void
a_held_answer_comes_beside_one_that_is_out(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    const uint64_t held = offer(r, 1, 0, 2);
    assert_true(held > 0);
    assert_int_equal(deliver(r, 2, held), KOFN_VERDICT_KEEP);
    assert_actions(r, "cancel 1.0>1, decode 1");
    assert_int_equal(view_of(r, 1).backups, 0); // nobody sent a copy
}

static void
a_lost_task_is_adopted_from_whoever_has_its_answer(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    lose(r, 1);
    assert_actions(r, "");
    join(r, 2); // the same process on another connection
    const uint64_t held = offer(r, 1, 0, 2);
    assert_actions(r, "");
    assert_int_equal(deliver(r, 2, held), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
what_no_job_can_use_is_not_adopted(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "polynomial", 2, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2");
    assert_int_equal(offer(r, 7, 0, 1), 0); // no such job
    assert_int_equal(offer(r, 1, 3, 1), 0); // no such task
    assert_int_equal(offer(r, 1, 0, 9), 0); // no such worker
    assert_int_equal(offer(r, 1, 0, 1), 0); // it was sent that one
    assert_int_equal(offer(r, 1, SIZE_MAX, 1), 0);
    answer(r, 1, 0, 1);
    assert_actions(r, "send 1.2>1");
    assert_int_equal(offer(r, 1, 0, 2), 0); // answered
    answer(r, 1, 1, 2);
    assert_actions(r, "cancel 1.2>1, decode 1");
    assert_int_equal(offer(r, 1, 2, 2), 0); // over
}

static void
the_same_answer_is_adopted_once_from_a_worker(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    assert_true(offer(r, 1, 0, 1) > 0);
    assert_int_equal(offer(r, 1, 0, 1), 0);
}

/* A worker that leaves hands back what it has. */
static void
nothing_is_adopted_from_a_worker_that_leaves(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    assert_true(offer(r, 1, 0, 1) > 0);
    kofn_sched_worker_leave(r->sched, r->now_ns, 1);
    assert_int_equal(offer(r, 1, 1, 1), 0);
}

static void
an_answer_that_was_not_there_after_all_is_no_failure(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (int i = 0; i < 5; i++) { // three failures would end the job
        const uint64_t held = offer(r, 1, 0, 1);
        assert_true(held > 0);
        assert_actions(r, "");
        kofn_sched_task_return(r->sched, r->now_ns, 1, held);
        kofn_sched_task_return(r->sched, r->now_ns, 1, held); // over already
    }
    assert_actions(r, "send 1.0>1");
    kofn_sched_task_return(r->sched, r->now_ns, 2, assignment_of(r, 1, 0, 1)); // not this one's
    assert_int_equal(answer(r, 1, 0, 1), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* As soon as the answer is there, though the job goes on. */
static void
what_was_answered_is_not_computed_any_more(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2");
    const uint64_t held = offer(r, 1, 0, 3);
    assert_int_equal(deliver(r, 3, held), KOFN_VERDICT_KEEP);
    assert_actions(r, "cancel 1.0>1");
    assert_int_equal(answer(r, 1, 1, 2), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static size_t
count_allocated(void) // nothing where a sanitizer allocates
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Many thousands of them take no more memory than one. */
static void
adopting_leaves_nothing_behind(void **state)
{
    rig *r = *state;
    size_t used = 0;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (int i = 0; i < 20000; i++) {
        kofn_sched_task_return(r->sched, r->now_ns, 1, offer(r, 1, 0, 1));
        if (i == 10)
            used = count_allocated();
    }
    assert_in_range(count_allocated(), 0, used + 4096);
}

/* It was computed in another time: no worker is fast for having it. */
static void
adopted_answers_tell_nothing_about_speed(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "speculative");
    const uint64_t held[2] = {offer(r, 1, 0, 1), offer(r, 1, 1, 2)};
    assert_actions(r, "send 1.2>3");
    at(r, 1);
    deliver(r, 1, held[0]);
    deliver(r, 2, held[1]);
    kofn_sched_worker_view worker;
    assert_true(kofn_sched_get_worker(r->sched, 1, &worker));
    assert_true(worker.flops_rate == 0);
    at(r, 60000); // no copy: how long a task takes is not known
    assert_actions(r, "");
}

static void
a_held_row_of_the_reserve_counts_like_any_other(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    kofn_code_spec spec = {
        .part = {2, 1, 1}, .tasks = 2, .reserve = 6, .has_seed = true, .seed = 1};
    (void)snprintf(spec.family, sizeof spec.family, "rkrp");
    add_code(r, 1, "rateless", rig_build(&spec));
    const uint64_t held = offer(r, 1, 5, 1); // idle
    assert_true(held > 0);
    assert_actions(r, "send 1.0>2");
    deliver(r, 1, held);
    assert_actions(r, "send 1.1>1");
    lose(r, 1);
    lose(r, 2);
    join(r, 3);
    assert_actions(r, "send 1.2>3"); // the first that was not sent yet
    answer(r, 1, 2, 3);
    assert_actions(r, "decode 1");
    assert_int_equal(view_of(r, 1).fresh, 1);
}

static void
a_worker_that_is_lost_takes_its_held_answers_along(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    (void)offer(r, 1, 0, 1);
    (void)offer(r, 1, 1, 1);
    assert_actions(r, "");
    lose(r, 1);
    assert_actions(r, "send 1.0>2");
    answer(r, 1, 0, 2);
    assert_actions(r, "send 1.1>2");
}

/* ---- affinity -------------------------------------------------------------------------------- */

static void
prefer(rig *r, uint64_t job, size_t task, uint64_t worker, size_t bytes)
{
    kofn_sched_prefer(r->sched, job, task, worker, bytes);
}

static void
each_worker_gets_the_task_whose_blocks_it_has(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    prefer(r, 1, 2, 1, 100);
    prefer(r, 1, 0, 2, 100);
    prefer(r, 1, 1, 3, 100);
    assert_actions(r, "send 1.2>1, send 1.0>2, send 1.1>3");
}

static void
most_bytes_decide_and_then_the_number(void **state)
{
    rig *r = *state;
    r->credit = 3;
    join(r, 1);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    prefer(r, 1, 1, 1, 100);
    prefer(r, 1, 2, 1, 200);
    prefer(r, 1, 0, 1, 100);
    assert_actions(r, "send 1.2>1, send 1.0>1, send 1.1>1");
}

static void
blocks_of_both_operands_count(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    prefer(r, 1, 0, 1, 150);
    prefer(r, 1, 1, 1, 100);
    prefer(r, 1, 1, 1, 100);
    assert_actions(r, "send 1.1>1");
}

static void
a_task_is_left_to_a_free_worker_that_has_its_blocks(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    prefer(r, 1, 0, 2, 100); // worker 1, first in order, passes it over
    assert_actions(r, "send 1.1>1, send 1.0>2");
}

static void
nobody_waits_for_a_busy_worker(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    prefer(r, 2, 0, 1, SIZE_MAX);
    assert_actions(r, "send 2.0>2");
}

/* One worker that has everything does not do everything. */
static void
affinity_does_not_queue_tasks_on_one_worker(void **state)
{
    rig *r = *state;
    r->credit = 4;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    for (size_t task = 0; task < 3; task++)
        prefer(r, 1, task, 3, 100);
    assert_actions(r, "send 1.0>3, send 1.1>1, send 1.2>2");
}

/* More tasks than workers, all of them with their blocks on worker 2: the last go to whoever is
 * free. */
static void
nobody_is_idle_while_tasks_are_left_for_others(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    for (size_t task = 0; task < 3; task++)
        prefer(r, 1, task, 2, 100);
    assert_actions(r, "send 1.0>2, send 1.1>1");
    answer(r, 1, 1, 1);
    assert_actions(r, "send 1.2>1");
}

/* Worker 9 keeps blocks, and says that it cannot compute with them. */
static void
nobody_is_idle_for_a_worker_that_cannot(void **state)
{
    rig *r = *state;
    r->fields = 0;
    join(r, 9);
    r->fields = UINT32_MAX;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    prefer(r, 1, 0, 9, 100);
    prefer(r, 1, 1, 9, 100);
    assert_actions(r, "send 1.0>1");
    lose(r, 1);
    join(r, 4);
    join(r, 5);
    prefer(r, 1, 1, 5, 100);
    assert_actions(r, "send 1.1>5, send 1.0>4"); // that time is over: 4 leaves to 5 what 5 has
}

/* Two answers at the same speed, then one of a tenth: worker 3 is slow. */
static void
nothing_is_left_to_a_slow_worker(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    at(r, 100);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    at(r, 1000);
    answer(r, 1, 2, 3);
    assert_actions(r, "decode 1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    prefer(r, 2, 0, 3, 100);
    assert_actions(r, "send 2.0>1");
}

static void
a_worker_that_failed_a_task_is_not_waited_for(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    prefer(r, 1, 0, 2, 100);
    assert_actions(r, "send 1.0>2");
    break_down(r, 1, 0, 2, "no memory");
    assert_actions(r, "send 1.0>1");
}

static void
hints_about_what_is_not_there_are_dropped(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    prefer(r, 9, 0, 1, 100);
    prefer(r, 1, 2, 1, 100);
    prefer(r, 1, (size_t)1 << 30, 1, 100);
    prefer(r, 1, 0, 9, 100);
    prefer(r, 1, 1, 1, 100);
    prefer(r, 1, 1, 1, 100); // twice
    lose(r, 1);
    join(r, 2);
    assert_actions(r, "send 1.0>2");
}

static void
hints_of_one_task_are_bounded(void **state)
{
    rig *r = *state;
    join_many(r, 12);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t worker = 112; worker > 100; worker--)
        prefer(r, 1, 0, worker, 100); // nobody
    for (uint64_t worker = 12; worker > 0; worker--)
        prefer(r, 1, 0, worker, 100);
    assert_actions(r, "send 1.0>5"); // 12 to 5 were noted
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(a_held_answer_is_adopted_and_its_task_is_not_sent),
        rig_test(a_worker_may_hold_more_answers_than_its_credit),
        rig_test(a_held_answer_comes_beside_one_that_is_out),
        rig_test(a_lost_task_is_adopted_from_whoever_has_its_answer),
        rig_test(what_no_job_can_use_is_not_adopted),
        rig_test(the_same_answer_is_adopted_once_from_a_worker),
        rig_test(nothing_is_adopted_from_a_worker_that_leaves),
        rig_test(an_answer_that_was_not_there_after_all_is_no_failure),
        rig_test(what_was_answered_is_not_computed_any_more),
        rig_test(adopting_leaves_nothing_behind),
        rig_test(adopted_answers_tell_nothing_about_speed),
        rig_test(a_held_row_of_the_reserve_counts_like_any_other),
        rig_test(a_worker_that_is_lost_takes_its_held_answers_along),
        rig_test(each_worker_gets_the_task_whose_blocks_it_has),
        rig_test(most_bytes_decide_and_then_the_number),
        rig_test(blocks_of_both_operands_count),
        rig_test(a_task_is_left_to_a_free_worker_that_has_its_blocks),
        rig_test(nobody_waits_for_a_busy_worker),
        rig_test(affinity_does_not_queue_tasks_on_one_worker),
        rig_test(nobody_is_idle_while_tasks_are_left_for_others),
        rig_test(nobody_is_idle_for_a_worker_that_cannot),
        rig_test(nothing_is_left_to_a_slow_worker),
        rig_test(a_worker_that_failed_a_task_is_not_waited_for),
        rig_test(hints_about_what_is_not_there_are_dropped),
        rig_test(hints_of_one_task_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
