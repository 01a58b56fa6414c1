/* What a watch counts, against looking at all tasks that are out; and how often it has to look. */
#include "common/base/rng.h"
#include "master/sched/run.h"
#include "master/sched/watch.h"
#include "tests/unit/sched_rig.h"

enum { TASKS = 20, ROWS = 40, WORKERS = 9, CREDIT = 3, OUT_MAX = WORKERS * CREDIT };

static size_t looks; // at who holds a task

/* By the linker in the place of the function, but for what run.c itself asks. */
const kofn_assignment *__real_kofn_run_get_oldest(const kofn_run *run, size_t task);
const kofn_assignment *__wrap_kofn_run_get_oldest(const kofn_run *run, size_t task);

const kofn_assignment *
__wrap_kofn_run_get_oldest(const kofn_run *run, size_t task)
{
    looks++;
    return __real_kofn_run_get_oldest(run, task);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* A run and its watch without a scheduler around them. `out` is the second account: what was sent
 * and is not over, oldest first. */
typedef struct stand {
    kofn_rng rng;
    kofn_crew crew;
    kofn_sched_config config;
    int64_t now_ns;
    kofn_run *run;
    kofn_watch *watch;
    kofn_assignment *out[OUT_MAX];
    size_t count, kept;
} stand;

static size_t
state_bytes(size_t tasks)
{
    return sizeof(kofn_watch) + kofn_watch_count_bytes(tasks);
}

static bool
has_queued(const kofn_run *run)
{
    return kofn_run_count_queued(run) > 0;
}

static const kofn_policy by_hand = {
    .name = "by hand",
    .help = "what the test wants",
    .state_bytes = state_bytes,
    .has_work = has_queued,
    .pick = kofn_run_find_queued,
};

static void
stand_init(stand *s, uint64_t seed, uint64_t round)
{
    kofn_error error;
    *s = (stand){.config = rig_config()};
    kofn_rng_init(&s->rng, seed, round);
    kofn_crew_init(&s->crew);
    for (uint64_t id = 1; id <= WORKERS; id++)
        assert_ok(kofn_crew_join(
            &s->crew,
            &(kofn_sched_worker){.id = id, .name = "w", .credit = CREDIT, .fields = UINT32_MAX},
            &error));
    kofn_code *code = rig_build(&(kofn_code_spec){.family = "rkrp",
                                                  .part = {4, 1, 5},
                                                  .tasks = TASKS,
                                                  .reserve = ROWS - TASKS,
                                                  .has_seed = true,
                                                  .seed = 1});
    assert_ok(kofn_run_new(&(kofn_sched_job){.id = 1, .code = code}, &by_hand, &s->config, &s->run,
                           &error));
    kofn_code_destroy(&code);
    s->run->crew = &s->crew;
    s->run->now_ns = &s->now_ns;
    s->watch = kofn_run_get_state(s->run);
    kofn_watch_init(s->watch, s->watch + 1, kofn_run_get_code(s->run));
}

static void
end_assignment(stand *s, size_t at, kofn_ending how)
{
    kofn_assignment *a = s->out[at];
    memmove(&s->out[at], &s->out[at + 1], (s->count - at - 1) * sizeof *s->out);
    s->count--;
    kofn_crew_release(&s->crew, a, s->now_ns, how);
    kofn_run_detach(s->run, a);
}

static void
stand_fini(stand *s)
{
    while (s->count > 0) {
        kofn_assignment *a = s->out[0];
        end_assignment(s, 0, KOFN_ENDED_LOST);
        kofn_crew_recycle(&s->crew, a);
    }
    kofn_run_destroy(&s->run);
    kofn_crew_fini(&s->crew);
}

static void
something_is_sent(stand *s)
{
    const size_t task = kofn_rng_below(&s->rng, ROWS);
    kofn_crew_worker *w = kofn_crew_find(&s->crew, 1 + kofn_rng_below(&s->rng, WORKERS));
    if (!w->ordered || s->run->tasks[task].state == KOFN_TASK_KEPT ||
        !kofn_run_may_take(s->run, w->id, task))
        return;
    kofn_assignment *a = kofn_crew_assign(&s->crew, w, s->now_ns, 1);
    kofn_run_attach(s->run, a, task);
    kofn_watch_follow(s->watch, s->run, task);
    s->out[s->count++] = a;
}

/* Other copies are gone before the policy hears of it. */
static void
something_is_answered(stand *s)
{
    kofn_error error;
    if (s->count == 0 || s->kept == TASKS - 1) // the product is not what matters here
        return;
    const size_t at = kofn_rng_below(&s->rng, s->count);
    kofn_assignment *a = s->out[at];
    end_assignment(s, at, KOFN_ENDED_ANSWERED);
    for (size_t i = s->count; i-- > 0;) {
        kofn_assignment *copy = s->out[i];
        if (copy->task != a->task)
            continue;
        end_assignment(s, i, KOFN_ENDED_CANCELLED);
        kofn_crew_recycle(&s->crew, copy);
    }
    assert_ok(kofn_run_keep(s->run, a->task, a->giver, &error));
    s->kept++;
    kofn_watch_note_answer(s->watch, a);
    kofn_crew_recycle(&s->crew, a);
}

static void
something_is_lost(stand *s)
{
    if (s->count == 0)
        return;
    const size_t at = kofn_rng_below(&s->rng, s->count);
    kofn_assignment *a = s->out[at];
    end_assignment(s, at, KOFN_ENDED_LOST);
    kofn_run_lose(s->run, a->task);
    kofn_watch_follow(s->watch, s->run, a->task);
    kofn_crew_recycle(&s->crew, a);
}

static void
time_goes_on(stand *s)
{
    const kofn_patience patience = {.factor = 2,
                                    .floor_ns = KOFN_NS_PER_MS,
                                    .slack = 0.125,
                                    .expected_ns = 10 * KOFN_NS_PER_MS};
    s->now_ns += (int64_t)kofn_rng_below(&s->rng, 12) * KOFN_NS_PER_MS;
    kofn_watch_look(s->watch, s->run, &patience);
}

static void
something_happens(stand *s)
{
    switch (kofn_rng_below(&s->rng, 12)) {
    case 0:
        something_is_answered(s);
        return;
    case 1:
    case 2:
        something_is_lost(s);
        return;
    case 3:
    case 4:
        time_goes_on(s);
        return;
    case 5:
        kofn_watch_set_aside(s->watch);
        return;
    case 6:
        if (kofn_rng_below(&s->rng, 4) == 0)
            kofn_watch_take_back(s->watch);
        return;
    default:
        something_is_sent(s);
    }
}

static bool
has_late(const stand *s, uint64_t worker)
{
    for (size_t i = 0; i < s->count; i++) {
        const size_t task = s->out[i]->task;
        const uint32_t list = s->watch->nodes[task].list;
        size_t oldest = 0;
        while (s->out[oldest]->task != task)
            oldest++;
        if (oldest == i && s->out[i]->worker_id == worker && list != KOFN_WATCH_NONE &&
            list < KOFN_WATCH_TIMED)
            return true;
    }
    return false;
}

static void
check(const stand *s)
{
    size_t late = 0, late_of_n = 0;
    for (size_t task = 0; task < ROWS; task++) {
        late += s->watch->nodes[task].list == KOFN_WATCH_LATE;
        late_of_n += task < TASKS && s->watch->nodes[task].list == KOFN_WATCH_LATE;
    }
    assert_int_equal(s->watch->late, late);
    assert_int_equal(s->watch->late_of_n, late_of_n);
    for (uint64_t id = 1; id <= WORKERS; id++)
        assert_int_equal(kofn_watch_is_late_on(s->watch, s->run, id), has_late(s, id));
    assert_false(kofn_watch_is_late_on(s->watch, s->run, WORKERS + 1)); // is not there
}

static void
counts_are_what_all_that_is_out_says(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20261122);
    size_t late = 0;
    for (uint64_t round = 0; round < 50; round++) {
        stand s;
        stand_init(&s, seed, round);
        for (size_t step = 0; step < 300; step++) {
            something_happens(&s);
            check(&s);
            late += s.watch->late_of_n;
        }
        stand_fini(&s);
    }
    assert_true(late > 1000);
}

/* ---- in the scheduler ------------------------------------------------------------------------ */

static size_t
take_sends(rig *r)
{
    const size_t before = r->send_count;
    for (kofn_action action; kofn_sched_next_action(r->sched, &action);) {
        assert_int_equal(action.kind, KOFN_ACTION_SEND);
        assert_in_range(r->send_count, 0, RIG_SENDS_MAX - 1);
        r->sends[r->send_count++] = action;
    }
    return r->send_count - before;
}

/* Half of all tasks are late at one moment, and each worker that is done gets a copy of one. */
static size_t
count_looks(const char *policy, size_t x)
{
    static rig r; // too large for a stack
    kofn_sched_config config = rig_config();
    config.count_only = true;
    rig_init_with(&r, config);
    const size_t tasks = x * 40;
    join_many(&r, tasks);
    add_code(&r, 1, policy, rig_code("uncoded", x, 40, tasks));
    assert_int_equal(take_sends(&r), tasks);
    at(&r, 20);
    for (size_t task = 0; task < tasks / 2; task++)
        answer(&r, 1, r.sends[task].task, r.sends[task].worker);
    assert_int_equal(take_sends(&r), 0);
    looks = 0;
    at(&r, 100);
    assert_int_equal(take_sends(&r), tasks / 2);
    rig_fini(&r);
    return looks;
}

/* Four times as many late ones would be sixteen times the looks, were each looked at for each. */
static void
what_is_late_is_not_walked_for_each_worker(void **state)
{
    (void)state;
    static const char *const policies[] = {"speculative", "two_stage"};
    for (size_t i = 0; i < 2; i++) {
        const size_t few = count_looks(policies[i], 10), many = count_looks(policies[i], 40);
        assert_in_range(few, 200, 10 * 200);
        assert_in_range(many, 3 * few, 5 * few);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_what_all_that_is_out_says),
        cmocka_unit_test(what_is_late_is_not_walked_for_each_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
