#include "master/sched/run.h"

#include "tests/unit/sched_rig.h"

/* A run on a crew of one worker with room for all, without the core around it. */
typedef struct stand {
    kofn_crew crew;
    kofn_sched_config config;
    int64_t now_ns;
    kofn_run *run;
} stand;

static void
want_nothing(kofn_run *run)
{
    (void)run;
}

static bool
has_queued(const kofn_run *run)
{
    return kofn_run_count_queued(run) > 0;
}

static const kofn_policy by_hand = {
    .name = "by hand",
    .help = "what the test wants",
    .start = want_nothing,
    .has_work = has_queued,
    .pick = kofn_run_find_queued,
};

static void
stand_init(stand *s, size_t tasks)
{
    kofn_error error;
    *s = (stand){.config = rig_config()};
    kofn_crew_init(&s->crew);
    static const uint64_t workers[] = {1, 2, 7};
    for (size_t i = 0; i < 3; i++)
        assert_ok(kofn_crew_join(
            &s->crew,
            &(kofn_sched_worker){.id = workers[i], .name = "w", .credit = 16, .fields = UINT32_MAX},
            &error));
    const kofn_sched_job job = {
        .id = 1, .code = rig_code("uncoded", tasks, 1, tasks), .deadline_ns = KOFN_NEVER_NS};
    assert_ok(kofn_run_new(&job, &by_hand, &s->config, &s->run, &error));
    s->run->crew = &s->crew;
    s->run->now_ns = &s->now_ns;
    kofn_code *code = job.code;
    kofn_code_destroy(&code);
}

static void
stand_fini(stand *s)
{
    kofn_run_destroy(&s->run);
    kofn_crew_fini(&s->crew);
}

static kofn_assignment *
send(stand *s, size_t task)
{
    kofn_assignment *a = kofn_crew_assign(&s->crew, kofn_crew_find(&s->crew, 1), s->now_ns, 1);
    kofn_run_attach(s->run, a, task);
    return a;
}

static void
assert_next(const stand *s, uint64_t worker, size_t task)
{
    size_t next = SIZE_MAX;
    assert_true(kofn_run_find_queued(s->run, worker, &next));
    assert_int_equal(next, task);
}

static void
tasks_are_queued_in_the_order_in_which_they_are_wanted(void **state)
{
    (void)state;
    stand s;
    stand_init(&s, 3);
    assert_false(has_queued(s.run));
    kofn_run_want(s.run, 2);
    kofn_run_want(s.run, 0);
    assert_next(&s, 1, 2);
    (void)send(&s, 2);
    assert_next(&s, 1, 0);
    (void)send(&s, 0);
    assert_false(has_queued(s.run));
    kofn_run_want(s.run, 1);
    assert_next(&s, 1, 1);
    stand_fini(&s);
}

static void
the_queue_stays_whole_when_its_last_is_taken_before_its_first(void **state)
{
    (void)state;
    kofn_error error;
    stand s;
    stand_init(&s, 3);
    kofn_run_want(s.run, 0);
    kofn_run_want(s.run, 1);
    assert_ok(kofn_run_note_failure(s.run, 0, 1, &error));
    assert_next(&s, 1, 1);
    (void)send(&s, 1);
    kofn_run_want(s.run, 2);
    assert_next(&s, 1, 2);
    assert_next(&s, 7, 0); // another worker may have the first
    assert_int_equal(kofn_run_count_queued(s.run), 2);
    stand_fini(&s);
}

static void
an_idle_task_may_be_sent_without_having_been_queued(void **state)
{
    (void)state;
    stand s;
    stand_init(&s, 2);
    kofn_assignment *a = send(&s, 1);
    assert_false(has_queued(s.run));
    assert_int_equal(kofn_run_get_copies(s.run, 1), 1);
    assert_ptr_equal(kofn_run_get_oldest(s.run, 1), a);
    assert_false(kofn_run_may_take(s.run, 1, 1));
    assert_true(kofn_run_may_take(s.run, 2, 1));
    stand_fini(&s);
}

static void
a_lost_task_is_wanted_again_before_the_others(void **state)
{
    (void)state;
    stand s;
    size_t scratch[3];
    stand_init(&s, 3);
    for (size_t task = 0; task < 3; task++)
        kofn_run_want(s.run, task);
    kofn_assignment *a = send(&s, 0);
    kofn_run_replace_lost(s.run, scratch);
    assert_int_equal(s.run->replaced, 0);
    kofn_run_detach(s.run, a);
    kofn_run_lose(s.run, 0);
    assert_int_equal(kofn_run_count_queued(s.run), 2);
    kofn_run_replace_lost(s.run, scratch);
    assert_int_equal(kofn_run_count_queued(s.run), 3);
    assert_int_equal(s.run->replaced, 1);
    assert_next(&s, 1, 0);
    stand_fini(&s);
}

static void
a_task_with_a_copy_left_is_not_lost(void **state)
{
    (void)state;
    stand s;
    stand_init(&s, 1);
    kofn_assignment *first = send(&s, 0), *second = send(&s, 0);
    assert_int_equal(s.run->backups, 1);
    assert_ptr_equal(kofn_run_get_oldest(s.run, 0), first);
    kofn_run_detach(s.run, first);
    kofn_run_lose(s.run, 0);
    assert_int_equal(s.run->count[KOFN_TASK_OUT], 1);
    assert_ptr_equal(kofn_run_get_oldest(s.run, 0), second);
    stand_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_queued_in_the_order_in_which_they_are_wanted),
        cmocka_unit_test(the_queue_stays_whole_when_its_last_is_taken_before_its_first),
        cmocka_unit_test(an_idle_task_may_be_sent_without_having_been_queued),
        cmocka_unit_test(a_lost_task_is_wanted_again_before_the_others),
        cmocka_unit_test(a_task_with_a_copy_left_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
