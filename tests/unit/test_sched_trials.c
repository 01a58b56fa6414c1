/* Sets of answers that are too dear to look at on the scheduler's thread: here, all of them. */
#include "tests/unit/sched_rig.h"

static int
set_up(void **state)
{
    static rig r;
    kofn_sched_config config = rig_config();
    config.trial_multiplications = 0.5;
    rig_init_with(&r, config);
    *state = &r;
    return 0;
}

#define trial_test(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)

/* Three workers have answered the three tasks of a job. */
static void
start_trial(rig *r)
{
    join_many(r, 3);
    add(r, 1, "polynomial", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "try 1");
}

/* The trial that the last TRY handed out has run. */
static void
end_trial(rig *r)
{
    kofn_trial *trial = r->last.trial;
    assert_int_equal(r->last.kind, KOFN_ACTION_TRY);
    kofn_trial_run(trial);
    kofn_sched_job_tried(r->sched, r->now_ns, r->last.job, &trial);
    assert_null(trial);
}

static void
a_set_that_may_do_is_tried_and_nothing_is_sent_meanwhile(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "polynomial", 3, 6, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.3>1, send 1.4>2");
    answer(r, 1, 2, 3);
    assert_actions(r, "try 1");
    at(r, 1000);
    assert_actions(r, ""); // worker 3 waits, and task 5
    end_trial(r);
    assert_actions(r, "cancel 1.3>1, cancel 1.4>2, decode 1");
    assert_int_equal(kofn_decoder_get_state(kofn_sched_job_get_decoder(r->sched, 1)),
                     KOFN_DECODE_EXACT);
    kofn_sched_job_forget(r->sched, 1);
}

static void
answers_that_come_during_a_trial_are_kept_and_not_tried_beside_it(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    add(r, 1, "polynomial", 3, 6, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6");
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "try 1");
    assert_int_equal(answer(r, 1, 3, 4), KOFN_VERDICT_KEEP);
    assert_int_equal(answer(r, 1, 4, 5), KOFN_VERDICT_KEEP);
    assert_int_equal(view_of(r, 1).kept, 5);
    end_trial(r);
    assert_actions(r, "cancel 1.5>6, decode 1");
    kofn_sched_job_forget(r->sched, 1);
}

/* Of MatDot with two blocks any three answers do; this one says that any two do. */
static kofn_code *
boastful_code(void)
{
    const kofn_code_spec spec = {.family = "matdot", .part = {1, 2, 1}, .tasks = 5};
    kofn_code *code = rig_build(&spec);
    code->threshold = code->enough = 2;
    return code;
}

static void
a_set_that_does_not_do_is_added_to_and_tried_again(void **state)
{
    rig *r = *state;
    join_many(r, 2);
    add_code(r, 1, "oneshot", boastful_code());
    assert_actions(r, "send 1.0>1, send 1.1>2");
    answer(r, 1, 0, 1);
    assert_actions(r, "send 1.2>1");
    answer(r, 1, 1, 2);
    assert_actions(r, "try 1");
    end_trial(r);
    assert_actions(r, "send 1.3>2"); // goes on where it stopped
    answer(r, 1, 2, 1);
    assert_actions(r, "try 1");
    end_trial(r);
    assert_actions(r, "cancel 1.3>2, decode 1");
    kofn_sched_job_forget(r->sched, 1);
}

static void
what_was_lost_is_sent_again_once_a_trial_has_refuted_the_rest(void **state)
{
    rig *r = *state;
    join_many(r, 5);
    add_code(r, 1, "oneshot", boastful_code());
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    answer(r, 1, 0, 1);
    for (uint64_t worker = 3; worker <= 5; worker++)
        lose(r, worker);
    assert_actions(r, ""); // task 1 is out, and two are said to do
    answer(r, 1, 1, 2);
    assert_actions(r, "try 1");
    end_trial(r);
    assert_actions(r, "send 1.2>1");
    answer(r, 1, 2, 1);
    assert_actions(r, "try 1");
    end_trial(r);
    assert_actions(r, "decode 1");
    kofn_sched_job_forget(r->sched, 1);
}

static void
a_trial_that_comes_back_to_a_job_that_is_over_is_destroyed(void **state)
{
    rig *r = *state;
    start_trial(r);
    const kofn_action tried = r->last;
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "fail 1 CANCELLED");
    r->last = tried;
    end_trial(r);
    assert_actions(r, "");
}

static void
a_trial_that_is_given_up_ends_without_an_outcome(void **state)
{
    rig *r = *state;
    start_trial(r);
    kofn_trial_give_up(r->last.trial); // by whoever ended the job, which this one has not heard of
    end_trial(r);
    assert_actions(r, "fail 1 CANCELLED");
}

static void
at_its_deadline_a_job_does_not_wait_for_its_trial(void **state)
{
    rig *r = *state;
    r->deadline_ns = 10 * KOFN_NS_PER_MS;
    r->accept.best = true;
    start_trial(r);
    const kofn_action tried = r->last;
    at(r, 10);
    assert_actions(r, "decode 1 estimate");
    kofn_error error;
    kofn_decode_plan plan;
    assert_ok(
        kofn_decoder_estimate(kofn_sched_job_get_decoder(r->sched, 1), 0x1p-46, &plan, &error));
    assert_in_range(plan.used, 3, 3);
    assert_true(plan.truncation + plan.rounding <
                1e-10); // the product: nobody knew, and it asks now
    kofn_decode_plan_fini(&plan);
    kofn_sched_job_forget(r->sched, 1);
    r->last = tried;
    end_trial(r);
    assert_actions(r, "");
}

static void
a_poor_set_waits_for_a_better_one_from_the_trial_on(void **state)
{
    rig *r = *state;
    kofn_sched_config config = r->config;
    rig_fini(r);
    config.max_amplification = 1e-9; // all are poor
    config.wait_for_better_ns = 100 * KOFN_NS_PER_MS;
    rig_init_with(r, config);
    join_many(r, 4);
    add(r, 1, "polynomial", 3, 4, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
    at(r, 10);
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "try 1");
    end_trial(r);
    assert_actions(r, ""); // task 3 is due
    at(r, 110);
    assert_actions(r, "cancel 1.3>4, decode 1 waited poor");
    kofn_sched_job_forget(r->sched, 1);
}

static void
an_accepted_error_is_looked_for_by_the_trial(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.kind = KOFN_ACCEPT_ERROR, .error = 1e-6};
    start_trial(r);
    end_trial(r);
    assert_actions(r, "decode 1");
    assert_true(view_of(r, 1).bound > 0 && view_of(r, 1).bound < 1e-6);
    kofn_sched_job_forget(r->sched, 1);
}

static void
copies_need_no_trial(void **state)
{
    rig *r = *state;
    join_many(r, 3);
    add(r, 1, "uncoded", 3, 3, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "decode 1");
    kofn_sched_job_forget(r->sched, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        trial_test(a_set_that_may_do_is_tried_and_nothing_is_sent_meanwhile),
        trial_test(answers_that_come_during_a_trial_are_kept_and_not_tried_beside_it),
        trial_test(a_set_that_does_not_do_is_added_to_and_tried_again),
        trial_test(what_was_lost_is_sent_again_once_a_trial_has_refuted_the_rest),
        trial_test(a_trial_that_comes_back_to_a_job_that_is_over_is_destroyed),
        trial_test(a_trial_that_is_given_up_ends_without_an_outcome),
        trial_test(at_its_deadline_a_job_does_not_wait_for_its_trial),
        trial_test(a_poor_set_waits_for_a_better_one_from_the_trial_on),
        trial_test(an_accepted_error_is_looked_for_by_the_trial),
        trial_test(copies_need_no_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
