/* Random schedules with tasks that kill, workers that come back, hints, kept answers, failures, and
 * codes with fresh rows: whatever the rules about who is to get a task say to each other, every job
 * ends, and what only lost its connections is never called deadly.
 */
#include "common/base/rng.h"
#include "tests/unit/sched_rig.h"

enum {
    PLACES = 5, // workers by name
    JOBS = 6,
    TASKS = 10,
    SENDS = 6000,
    EVENTS = 250,
    ROUNDS = 400,
    STEPS = 600, // that the end may take
};

typedef struct held { // an assignment that is out
    uint64_t id, worker, job;
    size_t task;
} held;

typedef struct place { // w0 and so on
    uint64_t worker;   // 0: not there
    uint64_t life;
} place;

typedef struct world {
    kofn_rng rng;
    kofn_sched *sched;
    bool kills; // some tasks do
    int64_t now_ns;
    place places[PLACES];
    size_t used; // of the places
    uint64_t jobs[JOBS];
    bool deadly[JOBS][TASKS];
    held out[SENDS];
    size_t out_count, decoded, poisoned, adopted;
    uint64_t last_worker, last_life, last_job;
} world;

static size_t
draw(world *w, size_t bound)
{
    return kofn_rng_below(&w->rng, bound);
}

static size_t
find_job(const world *w, uint64_t id)
{
    size_t at = 0;
    while (at < JOBS && w->jobs[at] != id)
        at++;
    return at;
}

/* ---- actions --------------------------------------------------------------------------------- */

static void
forget(world *w, size_t at)
{
    w->out[at] = w->out[--w->out_count];
}

static void
forget_assignment(world *w, uint64_t id)
{
    for (size_t i = w->out_count; i-- > 0;)
        if (w->out[i].id == id)
            forget(w, i);
}

static void
end_job(world *w, const kofn_action *a)
{
    const size_t at = find_job(w, a->job);
    assert_true(at < JOBS);
    for (size_t i = 0; i < w->out_count; i++)
        assert_true(w->out[i].job != a->job);
    w->jobs[at] = 0;
    if (a->kind == KOFN_ACTION_DECODE) {
        w->decoded++;
        kofn_sched_job_forget(w->sched, a->job);
        return;
    }
    const bool poisoned = strstr(a->error.text, "died one after another") != NULL;
    assert_false(poisoned && !w->kills);
    w->poisoned += poisoned;
}

static void
settle(world *w)
{
    for (kofn_action a; kofn_sched_next_action(w->sched, &a);) {
        if (a.kind == KOFN_ACTION_SEND) {
            assert_true(w->out_count < SENDS);
            w->out[w->out_count++] = (held){a.assignment, a.worker, a.job, a.task};
        } else if (a.kind == KOFN_ACTION_CANCEL) {
            forget_assignment(w, a.assignment);
        } else {
            end_job(w, &a);
        }
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static void
join_place(world *w, size_t at, bool lives_on)
{
    kofn_error error;
    char name[16];
    place *p = &w->places[at];
    if (p->worker)
        return;
    (void)snprintf(name, sizeof name, "w%zu", at);
    p->worker = ++w->last_worker;
    p->life = lives_on && p->life ? p->life : ++w->last_life;
    const kofn_sched_worker joining = {.id = p->worker,
                                       .name = name,
                                       .life = p->life,
                                       .credit = 1 + draw(w, 3),
                                       .fields = UINT32_MAX};
    assert_ok(kofn_sched_worker_join(w->sched, w->now_ns, &joining, &error));
}

static void
die_at(world *w, size_t at)
{
    const uint64_t worker = w->places[at].worker;
    if (!worker)
        return;
    for (size_t i = w->out_count; i-- > 0;)
        if (w->out[i].worker == worker)
            forget(w, i);
    w->places[at].worker = 0;
    kofn_sched_worker_die(w->sched, w->now_ns, worker);
}

static size_t
find_place(const world *w, uint64_t worker)
{
    size_t at = 0;
    while (at < PLACES && w->places[at].worker != worker)
        at++;
    assert_true(at < PLACES);
    return at;
}

/* It is done, or it kills its worker. */
static void
some_task_runs(world *w)
{
    if (w->out_count == 0)
        return;
    const held h = w->out[draw(w, w->out_count)];
    const size_t job = find_job(w, h.job);
    assert_true(job < JOBS);
    if (w->deadly[job][h.task]) {
        die_at(w, find_place(w, h.worker));
        return;
    }
    forget_assignment(w, h.id);
    (void)kofn_sched_answer(w->sched, w->now_ns, h.worker, h.id);
}

static void
some_task_fails(world *w)
{
    if (w->out_count == 0)
        return;
    const held h = w->out[draw(w, w->out_count)];
    forget_assignment(w, h.id);
    kofn_sched_task_fail(w->sched, w->now_ns, h.worker, h.id, NULL);
}

static kofn_code *
some_code(world *w)
{
    kofn_code_spec spec = {.part = {2, 1, 2}, .has_seed = true, .seed = draw(w, 1000)};
    if (draw(w, 2))
        return rig_code(draw(w, 2) ? "polynomial" : "uncoded", 2, 2, 4);
    (void)snprintf(spec.family, sizeof spec.family, "alloy_global");
    spec.tasks = 4 + draw(w, 3);
    spec.reserve = draw(w, TASKS - spec.tasks + 1);
    return rig_build(&spec);
}

static void
some_job_arrives(world *w)
{
    kofn_error error;
    const size_t at = find_job(w, 0);
    if (at == JOBS)
        return;
    kofn_code *code = some_code(w);
    const kofn_sched_job job = {.id = ++w->last_job,
                                .client = draw(w, 2),
                                .code = code,
                                .policy = rig_policies[draw(w, RIG_POLICIES)],
                                .deadline_ns = KOFN_NEVER_NS,
                                .task_flops = 1e9,
                                .noise = 0x1p-46};
    assert_ok(kofn_sched_job_add(w->sched, w->now_ns, &job, &error));
    w->jobs[at] = job.id;
    for (size_t task = 0; task < TASKS; task++)
        w->deadly[at][task] = w->kills && draw(w, 6) == 0;
    for (size_t i = draw(w, 6); i-- > 0;)
        kofn_sched_prefer(w->sched, job.id, draw(w, code->tasks),
                          w->places[draw(w, w->used)].worker, 1 + draw(w, 100));
    kofn_code_destroy(&code);
}

/* A worker says what it has. */
static void
some_answer_is_kept(world *w)
{
    const size_t job = draw(w, JOBS);
    const uint64_t worker = w->places[draw(w, w->used)].worker;
    held h = {.worker = worker, .job = w->jobs[job], .task = draw(w, 4)};
    if (!worker || !h.job || w->deadly[job][h.task] ||
        !kofn_sched_adopt(w->sched, w->now_ns, worker, h.job, h.task, &h.id))
        return;
    w->out[w->out_count++] = h;
    w->adopted++;
}

static void
time_passes(world *w, int64_t ns)
{
    const int64_t next_ns = kofn_sched_next_tick(w->sched), until_ns = w->now_ns + ns;
    w->now_ns = next_ns < until_ns ? next_ns : until_ns;
    kofn_sched_tick(w->sched, w->now_ns);
    assert_true(kofn_sched_next_tick(w->sched) > w->now_ns);
}

/* Without killers whoever goes is back, in the same life, before the time of grace is over. */
static void
something_happens(world *w)
{
    const size_t what = draw(w, 100), at = draw(w, w->used);
    if (what < 45) {
        some_task_runs(w);
    } else if (what < 55) {
        some_job_arrives(w);
    } else if (what < 65) {
        die_at(w, at);
    } else if (what < 80) {
        join_place(w, at, !w->kills || draw(w, 2));
    } else if (what < 85) {
        some_answer_is_kept(w);
    } else if (what < 87) {
        some_task_fails(w);
    } else {
        for (size_t i = 0; i < PLACES && !w->kills; i++)
            if (w->places[i].life)
                join_place(w, i, true);
        time_passes(w, KOFN_NS_PER_S);
    }
}

/* Whoever dies is there again at once, as another process. Between two steps everything that is out
 * runs, so that what waits waits for the scheduler. */
static void
all_jobs_end(world *w)
{
    for (size_t step = 0; kofn_sched_count_jobs(w->sched) > 0; step++) {
        assert_true(step < STEPS);
        for (size_t i = 0; i < w->used; i++)
            join_place(w, i, !w->kills);
        settle(w);
        for (size_t left = w->out_count; left > 0 && w->out_count > 0; left--) {
            some_task_runs(w);
            settle(w);
        }
        time_passes(w, KOFN_NS_PER_S);
        settle(w);
    }
}

static void
run_world(uint64_t seed, uint64_t round, bool kills, world *all)
{
    static world w;
    kofn_error error;
    kofn_sched_config config = rig_config();
    config.max_amplification = 1e300;
    w = (world){.kills = kills};
    kofn_rng_init(&w.rng, seed, round);
    w.used = 1 + draw(&w, PLACES);
    assert_ok(kofn_sched_new(&config, &w.sched, &error));
    for (size_t event = 0; event < EVENTS; event++) {
        something_happens(&w);
        settle(&w);
    }
    all_jobs_end(&w);
    all->decoded += w.decoded;
    all->poisoned += w.poisoned;
    all->adopted += w.adopted;
    kofn_sched_destroy(&w.sched);
}

static void
every_job_ends_though_tasks_kill(void **state)
{
    (void)state;
    static world all;
    const uint64_t seed = test_seed(20261122);
    for (uint64_t round = 0; round < ROUNDS; round++)
        run_world(seed, round, true, &all);
    print_message("%zu jobs decoded, %zu deadly, %zu answers kept\n", all.decoded, all.poisoned,
                  all.adopted);
    assert_true(all.decoded > ROUNDS && all.poisoned > ROUNDS && all.adopted > ROUNDS);
}

static void
cut_connections_never_fail_a_job(void **state)
{
    (void)state;
    static world all;
    const uint64_t seed = test_seed(20261123);
    for (uint64_t round = 0; round < ROUNDS; round++)
        run_world(seed, round, false, &all);
    print_message("%zu jobs decoded, %zu answers kept\n", all.decoded, all.adopted);
    assert_true(all.decoded > 10 * ROUNDS && all.poisoned == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_though_tasks_kill),
        cmocka_unit_test(cut_connections_never_fail_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
