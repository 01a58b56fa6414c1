/* Every allocation of a simulation, a plan and the scheduler below fails once: an error like
 * another, or a job that failed, after which nothing is lost. */
#include "tests/assert.h"

#include "common/code/batch.h"
#include "master/sim/plan_stream.h"
#include "tests/unit/short_memory.h"

typedef kofn_status scene_function(kofn_error *err);

/* Run the scene again and again, each time with a later allocation failing, until none fails. */
static void
fail_each(scene_function *scene)
{
    for (size_t at = 1;; at++) {
        kofn_error error = {0};
        memory_calls = 0;
        memory_fails_at = at;
        const kofn_status status = scene(&error);
        memory_fails_at = 0;
        if (memory_calls < at) {
            assert_int_equal(status, KOFN_OK);
            assert_true(at > 1);
            return;
        }
        if (status != KOFN_OK && status != KOFN_RESOURCE_EXHAUSTED)
            fail_msg("allocation %zu: %s: %s", at, kofn_status_name(status), error.text);
        assert_true(status == KOFN_OK || strlen(error.text) > 0);
    }
}

static kofn_status
run(const kofn_sim_config *c, kofn_error *err)
{
    kofn_sim_figures f = {0};
    const kofn_status status = kofn_sim_run(c, NULL, &f, err);
    if (status == KOFN_OK)
        assert_int_equal(f.jobs, c->jobs);
    kofn_sim_figures_fini(&f);
    return status;
}

static kofn_sim_config
config_of(const char *policy)
{
    kofn_sim_config c;
    kofn_sim_config_init(&c);
    assert_int_equal(kofn_straggler_parse("iid:delta=0.4", &c.stragglers, NULL), KOFN_OK);
    (void)snprintf(c.policy, sizeof c.policy, "%s", policy);
    c.code.part = (kofn_partition){2, 1, 2};
    c.workers = 5;
    c.jobs = 6;
    return c;
}

static kofn_status
jobs_scene(kofn_error *err)
{
    kofn_sim_config c = config_of("speculative");
    (void)snprintf(c.code.family, sizeof c.code.family, "rkrp");
    c.code.tasks = 5;
    c.at_once = 2;
    c.decoder = true;
    return run(&c, err);
}

/* Two of four are late, and rows are made for them. */
static kofn_status
batch_scene(kofn_error *err)
{
    kofn_batch *batch = NULL;
    kofn_sim_config c = config_of("two_stage");
    assert_int_equal(kofn_straggler_parse("persistent:count=2,slowdown=9", &c.stragglers, NULL),
                     KOFN_OK);
    (void)snprintf(c.code.family, sizeof c.code.family, "lagrange");
    c.code.part = (kofn_partition){0};
    c.workers = 8;
    c.jobs = 2;
    kofn_status status = kofn_sim_make_pairs(4, 4, 4, false, c.field, &batch, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_set_batch(&c.code, batch, err);
    if (status == KOFN_OK)
        status = run(&c, err);
    kofn_batch_destroy(&batch);
    return status;
}

static kofn_status
stream_scene(kofn_error *err)
{
    kofn_sim_config c = config_of("rounds");
    c.rounds.scheme = KOFN_SCHEME_IDIP;
    c.rounds.window = 2;
    return run(&c, err);
}

static kofn_status
plan_scene(kofn_error *err)
{
    kofn_stream_plan plan = {0};
    kofn_stream_query q = {.base = config_of("oneshot"), .delay = 1, .parts = 3, .work = 1};
    q.base.workers = 2;
    const kofn_status status = kofn_stream_plan_make(&q, NULL, NULL, &plan, err);
    assert_int_equal(status == KOFN_OK, plan.rows != NULL);
    kofn_stream_plan_fini(&plan);
    return status;
}

static void
jobs_survive_each_failed_allocation(void **state)
{
    (void)state;
    fail_each(jobs_scene);
}

static void
batches_survive_each_failed_allocation(void **state)
{
    (void)state;
    fail_each(batch_scene);
}

static void
streams_survive_each_failed_allocation(void **state)
{
    (void)state;
    fail_each(stream_scene);
}

/* All from one on, since a plan makes so many that each alone would take long. */
static void
plans_survive_memory_that_runs_out(void **state)
{
    (void)state;
    memory_stays_out = true;
    for (size_t at = 1; at < 100000; at += 1 + at / 7) {
        kofn_error error = {0};
        memory_calls = 0;
        memory_fails_at = at;
        const kofn_status status = plan_scene(&error);
        memory_fails_at = 0;
        if (status != KOFN_OK && status != KOFN_RESOURCE_EXHAUSTED)
            fail_msg("allocation %zu: %s: %s", at, kofn_status_name(status), error.text);
    }
    memory_stays_out = false;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_survive_each_failed_allocation),
        cmocka_unit_test(batches_survive_each_failed_allocation),
        cmocka_unit_test(streams_survive_each_failed_allocation),
        cmocka_unit_test(plans_survive_memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
