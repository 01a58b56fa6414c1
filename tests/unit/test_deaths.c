#include "master/sched/deaths.h"
#include "tests/unit/sched_rig.h"

/* ---- the records ----------------------------------------------------------------------------- */

static void
three_workers_one_after_another_prove_it(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    char text[KOFN_DEATHS_TEXT_MAX];
    assert_true(kofn_deaths_note(&deaths, 2, "w1", 0, 1, 4));
    assert_false(kofn_deaths_is_suspect(&deaths, 2));
    assert_true(kofn_deaths_note(&deaths, 2, "w3", 0, 5, 9));
    assert_true(kofn_deaths_is_suspect(&deaths, 2));
    assert_false(kofn_deaths_is_proven(&deaths, 2));
    assert_true(kofn_deaths_note(&deaths, 2, "w4", 0, 10, 12));
    assert_true(kofn_deaths_is_proven(&deaths, 2));
    kofn_deaths_list(&deaths, 2, text);
    assert_string_equal(text, "w1, w3, w4");
    kofn_deaths_fini(&deaths);
}

static void
those_that_die_together_are_one_link(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    assert_true(kofn_deaths_note(&deaths, 0, "w1", 0, 1, 9));
    assert_false(kofn_deaths_note(&deaths, 0, "w2", 0, 8, 9)); // a copy that was out
    assert_false(kofn_deaths_note(&deaths, 0, "w3", 0, 9, 9));
    assert_false(kofn_deaths_is_suspect(&deaths, 0));
    assert_true(kofn_deaths_note(&deaths, 1, "w2", 0, 2, 9)); // another task, another chain
    assert_false(kofn_deaths_is_suspect(&deaths, 1));
    kofn_deaths_fini(&deaths);
}

static void
work_that_was_done_since_acquits_its_task_alone(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    assert_true(kofn_deaths_note(&deaths, 2, "w1", 0, 1, 4));
    assert_true(kofn_deaths_note(&deaths, 3, "w1", 0, 2, 4));
    assert_true(kofn_deaths_note(&deaths, 2, "w2", 0, 5, 9));
    kofn_deaths_acquit(&deaths, 2, 9); // it was out when w2 died
    assert_true(kofn_deaths_is_suspect(&deaths, 2));
    kofn_deaths_acquit(&deaths, 2, 10);
    assert_int_equal(kofn_deaths_count(&deaths, 2, "w1") + kofn_deaths_count(&deaths, 2, "w2"), 0);
    assert_int_equal(kofn_deaths_count(&deaths, 3, "w1"), 1);
    kofn_deaths_acquit(&deaths, 7, 11);
    kofn_deaths_fini(&deaths);
}

static void
one_worker_alone_is_spent_and_proves_nothing(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    char text[KOFN_DEATHS_TEXT_MAX];
    for (uint64_t death = 1; death <= KOFN_DEATHS_OF_ONE_MAX; death++) {
        assert_false(kofn_deaths_is_spent(&deaths, 7));
        assert_int_equal(kofn_deaths_is_suspect(&deaths, 7), death > KOFN_DEATHS_SUSPECT);
        assert_true(kofn_deaths_note(&deaths, 7, "w1", death, death, death));
        assert_int_equal(kofn_deaths_count(&deaths, 7, "w1"), death);
    }
    assert_true(kofn_deaths_is_spent(&deaths, 7));
    assert_false(kofn_deaths_is_proven(&deaths, 7));
    assert_int_equal(kofn_deaths_count(&deaths, 7, "w2"), 0);
    kofn_deaths_list(&deaths, 7, text);
    assert_string_equal(text, "w1");
    kofn_deaths_fini(&deaths);
}

static void
who_comes_back_in_the_same_life_has_not_died(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    assert_true(kofn_deaths_note(&deaths, 0, "w1", 11, 1, 1));
    assert_true(kofn_deaths_note(&deaths, 0, "w2", 22, 2, 2));
    assert_true(kofn_deaths_note(&deaths, 1, "w1", 11, 2, 2));
    assert_true(kofn_deaths_note(&deaths, 0, "w3", 0, 3, 3));
    assert_true(kofn_deaths_is_proven(&deaths, 0));
    kofn_deaths_withdraw(&deaths, "w1", 12); // another process
    kofn_deaths_withdraw(&deaths, "w2", 11); // another worker, with its number by chance
    kofn_deaths_withdraw(&deaths, "w3", 0);  // nobody knows
    assert_true(kofn_deaths_is_proven(&deaths, 0));
    kofn_deaths_withdraw(&deaths, "w1", 11);
    assert_false(kofn_deaths_is_proven(&deaths, 0));
    assert_true(kofn_deaths_is_suspect(&deaths, 0));
    assert_int_equal(kofn_deaths_count(&deaths, 1, "w1"), 0);
    kofn_deaths_fini(&deaths);
}

static void
deaths_follow_the_work_to_another_task(void **state)
{
    (void)state;
    kofn_deaths deaths = {0};
    const kofn_death *cursor = NULL;
    size_t task = 0;
    assert_true(kofn_deaths_note(&deaths, 1, "w1", 0, 1, 1));
    assert_true(kofn_deaths_note(&deaths, 1, "w2", 0, 2, 2));
    kofn_deaths_move(&deaths, 1, 6);
    assert_false(kofn_deaths_is_suspect(&deaths, 1));
    assert_true(kofn_deaths_next_suspect(&deaths, &cursor, &task));
    assert_int_equal(task, 6);
    assert_false(kofn_deaths_next_suspect(&deaths, &cursor, &task));
    kofn_deaths_fini(&deaths);
}

enum { GRACE_MS = KOFN_DEATHS_GRACE_NS / KOFN_NS_PER_MS };

/* ---- in the scheduler ------------------------------------------------------------------------ */

static void
die(rig *r, uint64_t worker)
{
    kofn_sched_worker_die(r->sched, r->now_ns, worker);
}

static void
a_task_that_kills_three_workers_fails_its_job_and_names_them(void **state)
{
    rig *r = *state;
    join_many(r, 5);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2");
    (void)answer(r, 1, 0, 1);
    assert_actions(r, "");
    die(r, 2);
    assert_actions(r, "send 1.1>3");
    die(r, 3);
    assert_actions(r, "send 1.1>4");
    die(r, 4);
    assert_actions(r, ""); // 5 is spared
    at(r, GRACE_MS - 1);
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
    assert_non_null(strstr(r->last.error.text, "w2, w3, w4 died one after another"));
}

static void
workers_that_die_together_fail_nothing(void **state)
{
    rig *r = *state;
    join_many(r, 8);
    add(r, 1, "polynomial", 2, 6, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6");
    for (uint64_t worker = 1; worker <= 5; worker++)
        die(r, worker);
    assert_actions(r, "send 1.0>7");
    die(r, 6);
    assert_actions(r, "send 1.1>8");
    (void)answer(r, 1, 0, 7);
    (void)answer(r, 1, 1, 8);
    assert_actions(r, "decode 1");
}

static void
workers_that_leave_or_are_sent_away_are_no_evidence(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    for (uint64_t worker = 1; worker <= 5; worker++) {
        char text[32];
        lose(r, worker);
        (void)snprintf(text, sizeof text, "send 1.0>%d", (int)worker + 1);
        assert_actions(r, text);
    }
    (void)answer(r, 1, 0, 6);
    assert_actions(r, "decode 1");
}

/* Tasks 1.0 and 2.0 share a worker twice. Only alone it shows which of them kills. */
static void
what_travelled_with_a_killer_is_cleared(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1, send 2.0>1");
    die(r, 1);
    join(r, 2);
    assert_actions(r, "send 1.0>2, send 2.0>2");
    die(r, 2);
    join(r, 3);
    assert_actions(r, "send 1.0>3"); // alone, though the worker takes two
    (void)answer(r, 1, 0, 3);
    assert_actions(r, "decode 1, send 2.0>3");
    die(r, 3);
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "fail 2 FAILED_PRECONDITION");
}

/* Workers are never idle: one is kept from further tasks until the suspect can have it. */
static void
a_suspect_gets_its_turn_among_busy_workers(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    r->client = 2;
    add(r, 2, "uncoded", 12, 12, "oneshot");
    assert_actions(r, "send 2.0>2");
    join(r, 3);
    assert_actions(r, "send 2.1>3, send 2.2>3");
    die(r, 2);
    assert_actions(r, "");
    (void)answer(r, 2, 1, 3);
    assert_actions(r, ""); // 3 has room, but is kept free
    (void)answer(r, 2, 2, 3);
    assert_actions(r, "send 1.0>3");
    (void)answer(r, 1, 0, 3);
    assert_actions(r, "decode 1, send 2.0>3, send 2.3>3");
}

/* One is enough, and it has to be empty: neither a second one is kept free nor a busy one taken. */
static void
a_suspect_waits_for_one_busy_worker_among_many(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    join(r, 3);
    join(r, 4);
    r->client = 2;
    add(r, 2, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 2.0>3, send 2.1>4");
    die(r, 2);
    assert_actions(r, "");
    assert_actions(r, ""); // worker 4 has room, and still has a task
    add(r, 3, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 3.0>4");
    (void)answer(r, 2, 0, 3);
    assert_actions(r, "send 1.0>3");
    (void)answer(r, 1, 0, 3);
    assert_actions(r, "decode 1, send 3.1>3");
}

static void
a_suspect_has_its_worker_for_itself(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    join(r, 2);
    assert_actions(r, "send 1.0>2");
    die(r, 2);
    r->client = 2;
    add(r, 2, "uncoded", 1, 1, "oneshot");
    join(r, 3);
    assert_actions(r, "send 1.0>3");
    (void)answer(r, 1, 0, 3);
    assert_actions(r, "decode 1, send 2.0>3");
}

/* Job 3 waits for its time of grace, and for no worker. */
static void
a_worker_is_not_kept_free_for_a_job_that_kills(void **state)
{
    rig *r = *state;
    r->credit = 2;
    add(r, 3, "uncoded", 1, 1, "oneshot");
    for (uint64_t worker = 11; worker <= 13; worker++) {
        join(r, worker);
        (void)kofn_sched_next_action(r->sched, &r->last);
        die(r, worker);
    }
    assert_actions(r, "");
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    r->client = 2;
    add(r, 2, "uncoded", 4, 4, "oneshot");
    assert_actions(r, "send 2.0>2");
    join(r, 3);
    assert_actions(r, "send 2.1>3, send 2.2>3");
    die(r, 2);
    (void)answer(r, 2, 1, 3);
    assert_actions(r, "");
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "fail 1 CANCELLED, send 2.0>3");
    at(r, GRACE_MS);
    assert_actions(r, "fail 3 FAILED_PRECONDITION");
}

static void
a_worker_is_not_kept_free_for_a_job_that_is_over(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    r->client = 2;
    add(r, 2, "uncoded", 4, 4, "oneshot");
    assert_actions(r, "send 2.0>2");
    join(r, 3);
    assert_actions(r, "send 2.1>3, send 2.2>3");
    die(r, 2);
    (void)answer(r, 2, 1, 3);
    assert_actions(r, "");
    assert_true(kofn_sched_job_cancel(r->sched, r->now_ns, 1));
    assert_actions(r, "fail 1 CANCELLED, send 2.0>3");
}

/* A fresh row in place of a lost one would kill as well, and hide how often. */
static void
fresh_rows_inherit_the_deaths_of_those_they_stand_in_for(void **state)
{
    rig *r = *state;
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_field *field = NULL;
    kofn_code_spec spec = {
        .part = {2, 1, 1}, .tasks = 2, .reserve = 2, .has_seed = true, .seed = 1};
    (void)snprintf(spec.family, sizeof spec.family, "alloy_global");
    assert_ok(kofn_field_new("gfp:65537", &field, &error));
    assert_ok(kofn_code_spec_build(&spec, field, &code, &error));
    assert_ok(try_add(r, 1, code, "rateless", &error));
    join_many(r, 2);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    die(r, 2);
    join(r, 3);
    assert_actions(r, "send 1.2>3");
    die(r, 3);
    join(r, 4);
    assert_actions(r, "send 1.3>4");
    die(r, 4);
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "cancel 1.0>1, fail 1 FAILED_PRECONDITION");
    kofn_code_destroy(&code);
    kofn_field_destroy(&field);
}

/* systemd starts it again each time. */
static void
the_only_worker_may_die_three_times(void **state)
{
    rig *r = *state;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t life = 1; life <= 3; life++) {
        char text[32];
        join_as(r, life, "w1", life);
        (void)snprintf(text, sizeof text, "send 1.0>%d", (int)life);
        assert_actions(r, text);
        die(r, life);
        assert_actions(r, "");
    }
    join_as(r, 4, "w1", 4);
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
    assert_non_null(strstr(r->last.error.text, "three lives of worker w1"));
}

/* Nobody is left with fewer deaths, until one comes within the time of grace. */
static void
another_worker_is_another_chance(void **state)
{
    rig *r = *state;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t life = 1; life <= 3; life++) {
        join_as(r, life, "w1", life);
        (void)kofn_sched_next_action(r->sched, &r->last);
        die(r, life);
        assert_actions(r, "");
    }
    at(r, GRACE_MS - 1);
    join(r, 5);
    assert_actions(r, "send 1.0>5");
    at(r, GRACE_MS);
    assert_actions(r, "");
    (void)answer(r, 1, 0, 5);
    assert_actions(r, "decode 1");
}

/* From the death of each, not from the first time that nobody was left. */
static void
the_time_of_grace_begins_anew(void **state)
{
    rig *r = *state;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t life = 1; life <= 3; life++) {
        join_as(r, life, "w1", life);
        (void)kofn_sched_next_action(r->sched, &r->last);
        die(r, life);
        assert_actions(r, "");
    }
    at(r, GRACE_MS - 1);
    join(r, 5);
    assert_actions(r, "send 1.0>5");
    die(r, 5);
    assert_actions(r, "");
    at(r, 2 * GRACE_MS - 2);
    assert_actions(r, "");
    at(r, 2 * GRACE_MS - 1);
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
}

static void
who_comes_at_the_last_moment_is_a_chance_too(void **state)
{
    rig *r = *state;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t life = 1; life <= 3; life++) {
        join_as(r, life, "w1", life);
        (void)kofn_sched_next_action(r->sched, &r->last);
        die(r, life);
        assert_actions(r, "");
    }
    join(r, 5); // and no action is taken before the clock is looked at
    at(r, GRACE_MS);
    assert_actions(r, "send 1.0>5");
}

/* Two in turn, the one with fewer deaths first, each three times. */
static void
two_workers_take_turns_in_dying(void **state)
{
    static const char *const sends[] = {"send 1.0>1", "send 1.0>2", "send 1.0>3",
                                        "send 1.0>4", "send 1.0>5", "send 1.0>6"};
    rig *r = *state;
    join_as(r, 1, "w1", 1);
    join_as(r, 2, "w2", 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t life = 1; life <= 6; life++) {
        assert_actions(r, sends[life - 1]);
        die(r, life);
        join_as(r, life + 2, life % 2 ? "w1" : "w2", life + 2);
    }
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "fail 1 FAILED_PRECONDITION");
}

/* 1 is free, and has died of it; 2 is busy, and has not. */
static void
who_died_of_a_task_waits_for_who_has_not(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    join(r, 2);
    assert_actions(r, "send 2.0>2");
    die(r, 1);
    join_as(r, 3, "w1", 0);
    assert_actions(r, "");
    (void)answer(r, 2, 0, 2);
    assert_actions(r, "decode 2, send 1.0>2");
}

/* Worker 1 has died of job 1 and is back as 3; who has not died of it is 2, in some way. */
static void
come_back_beside(rig *r)
{
    die(r, 1);
    join_as(r, 3, "w1", 0);
}

static void
nobody_waits_for_a_worker_that_leaves(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    join(r, 2);
    assert_actions(r, "send 2.0>2");
    come_back_beside(r);
    assert_actions(r, "");
    kofn_sched_worker_leave(r->sched, r->now_ns, 2);
    assert_actions(r, "send 1.0>3");
}

static void
nobody_waits_for_a_worker_without_the_field(void **state)
{
    rig *r = *state;
    join(r, 1);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    r->fields = 0;
    join(r, 2);
    r->fields = UINT32_MAX;
    come_back_beside(r);
    assert_actions(r, "send 1.0>3");
}

static void
nobody_waits_for_a_worker_on_which_the_task_failed(void **state)
{
    rig *r = *state;
    join(r, 2);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>2");
    join(r, 1);
    break_down(r, 1, 0, 2, "no memory");
    assert_actions(r, "send 1.0>1");
    join_as(r, 3, "w1", 0); // or nobody would be left, and the job would fail
    die(r, 1);
    assert_actions(r, "send 1.0>3");
}

static void
cut_connections_are_no_deaths_once_their_workers_are_back(void **state)
{
    rig *r = *state;
    for (uint64_t worker = 1; worker <= 4; worker++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%d", (int)worker);
        join_as(r, worker, name, worker);
    }
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    die(r, 2);
    assert_actions(r, "send 1.0>3");
    die(r, 3);
    assert_actions(r, "");
    at(r, GRACE_MS - 1);
    join_as(r, 5, "w2", 2);
    assert_actions(r, "send 1.0>4");
    die(r, 4);
    join_as(r, 6, "w1", 1);
    assert_actions(r, "send 1.0>5"); // two deaths, of 3 and 4: a suspect
    (void)answer(r, 1, 0, 5);
    assert_actions(r, "decode 1");
}

/* Its new connection is here before the end of the old one is. */
static void
who_is_here_on_another_connection_has_not_died(void **state)
{
    rig *r = *state;
    add(r, 1, "uncoded", 1, 1, "oneshot");
    for (uint64_t worker = 1; worker <= 4; worker++) {
        join_as(r, worker, "w1", 7);
        if (worker > 1)
            die(r, worker - 1);
        assert_int_equal(kofn_sched_next_action(r->sched, &r->last), true);
        assert_int_equal(r->last.worker, worker);
    }
}

/* Had it counted, the task would wait for 9, which is busy. */
static void
what_was_out_on_its_old_connection_goes_to_the_new_one(void **state)
{
    rig *r = *state;
    join_as(r, 1, "w1", 7);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    join(r, 9);
    assert_actions(r, "send 2.0>9");
    join_as(r, 3, "w1", 7);
    die(r, 1);
    assert_actions(r, "send 1.0>3");
}

static void
one_of_two_workers_of_a_name_may_die(void **state)
{
    rig *r = *state;
    join_as(r, 1, "twin", 0); // whose lives nobody knows
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    add(r, 2, "uncoded", 1, 1, "oneshot");
    join(r, 9);
    assert_actions(r, "send 2.0>9");
    join_as(r, 3, "twin", 0);
    die(r, 1);
    assert_actions(r, "");
    (void)answer(r, 2, 0, 9);
    assert_actions(r, "decode 2, send 1.0>9");
}

/* What is done must not be refused since others died of doing it. */
static void
the_kept_answer_of_a_suspect_is_taken(void **state)
{
    rig *r = *state;
    uint64_t assignment;
    r->credit = 2;
    join_many(r, 3);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    die(r, 2);
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 3, 1, 0, &assignment));
    assert_actions(r, "");
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 3, assignment), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

/* It comes within the time of grace, which does not end the job then. */
static void
the_kept_answer_of_a_killer_is_taken(void **state)
{
    rig *r = *state;
    uint64_t assignment;
    join_many(r, 4);
    add(r, 1, "uncoded", 1, 1, "oneshot");
    assert_actions(r, "send 1.0>1");
    die(r, 1);
    assert_actions(r, "send 1.0>2");
    die(r, 2);
    assert_actions(r, "send 1.0>3");
    die(r, 3);
    assert_actions(r, "");
    assert_true(kofn_sched_adopt(r->sched, r->now_ns, 4, 1, 0, &assignment));
    at(r, GRACE_MS);
    assert_actions(r, "");
    assert_int_equal(kofn_sched_answer(r->sched, r->now_ns, 4, assignment), KOFN_VERDICT_KEEP);
    assert_actions(r, "decode 1");
}

static void
the_best_estimate_survives_a_killer(void **state)
{
    rig *r = *state;
    r->accept = (kofn_accept){.best = true};
    join_many(r, 4);
    add(r, 1, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2");
    (void)answer(r, 1, 0, 1);
    assert_actions(r, "");
    die(r, 2);
    assert_actions(r, "send 1.1>3");
    die(r, 3);
    assert_actions(r, "send 1.1>4");
    die(r, 4);
    assert_actions(r, "");
    at(r, GRACE_MS);
    assert_actions(r, "decode 1 estimate");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_workers_one_after_another_prove_it),
        cmocka_unit_test(those_that_die_together_are_one_link),
        cmocka_unit_test(work_that_was_done_since_acquits_its_task_alone),
        cmocka_unit_test(one_worker_alone_is_spent_and_proves_nothing),
        cmocka_unit_test(who_comes_back_in_the_same_life_has_not_died),
        cmocka_unit_test(deaths_follow_the_work_to_another_task),
        rig_test(a_task_that_kills_three_workers_fails_its_job_and_names_them),
        rig_test(workers_that_die_together_fail_nothing),
        rig_test(workers_that_leave_or_are_sent_away_are_no_evidence),
        rig_test(what_travelled_with_a_killer_is_cleared),
        rig_test(a_suspect_gets_its_turn_among_busy_workers),
        rig_test(a_suspect_waits_for_one_busy_worker_among_many),
        rig_test(a_suspect_has_its_worker_for_itself),
        rig_test(a_worker_is_not_kept_free_for_a_job_that_kills),
        rig_test(a_worker_is_not_kept_free_for_a_job_that_is_over),
        rig_test(fresh_rows_inherit_the_deaths_of_those_they_stand_in_for),
        rig_test(the_only_worker_may_die_three_times),
        rig_test(another_worker_is_another_chance),
        rig_test(the_time_of_grace_begins_anew),
        rig_test(who_comes_at_the_last_moment_is_a_chance_too),
        rig_test(two_workers_take_turns_in_dying),
        rig_test(who_died_of_a_task_waits_for_who_has_not),
        rig_test(nobody_waits_for_a_worker_that_leaves),
        rig_test(nobody_waits_for_a_worker_without_the_field),
        rig_test(nobody_waits_for_a_worker_on_which_the_task_failed),
        rig_test(cut_connections_are_no_deaths_once_their_workers_are_back),
        rig_test(who_is_here_on_another_connection_has_not_died),
        rig_test(what_was_out_on_its_old_connection_goes_to_the_new_one),
        rig_test(one_of_two_workers_of_a_name_may_die),
        rig_test(the_kept_answer_of_a_suspect_is_taken),
        rig_test(the_kept_answer_of_a_killer_is_taken),
        rig_test(the_best_estimate_survives_a_killer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
