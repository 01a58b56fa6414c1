/* Batches of pairs in virtual time, and stragglers that are drawn for each task. */
#include "common/code/batch.h"
#include "tests/unit/simulate_rig.h"

#include <math.h>

/* 16 workers; tasks take a second, of which the floors of policies say nothing. */
static kofn_sim_config
batch_config(kofn_batch **batch, size_t count, size_t blocks, const char *family,
             const char *policy)
{
    kofn_error error;
    kofn_sim_config c;
    kofn_sim_config_init(&c);
    c.workers = 16;
    c.jobs = 50;
    c.unit_ns = 8 * KOFN_NS_PER_S;
    c.code.has_seed = true;
    c.code.seed = 1;
    (void)snprintf(c.code.family, sizeof c.code.family, "%s", family);
    (void)snprintf(c.policy, sizeof c.policy, "%s", policy);
    assert_ok(kofn_sim_make_pairs(count, blocks, blocks, false, c.field, batch, &error));
    assert_ok(kofn_code_spec_set_batch(&c.code, *batch, &error));
    return c;
}

/* Eight pairs, uncoded, are no other work than eight blocks of one product. */
static void
uncoded_pairs_take_what_uncoded_blocks_take(void **state)
{
    (void)state;
    static const char *const policies[] = {"oneshot", "speculative", "two_stage"};
    for (size_t i = 0; i < 3; i++) {
        kofn_batch *batch = NULL;
        kofn_sim_config c = batch_config(&batch, 8, 8, "uncoded", policies[i]);
        c.jobs = 500;
        choose_stragglers(&c, "iid:delta=0.2", (int64_t)test_seed(1));
        kofn_sim_figures pairs = simulate(&c);
        c.code = (kofn_code_spec){0};
        choose_code(&c, "uncoded", 8, 1, 8);
        kofn_sim_figures blocks = simulate(&c);
        assert_true(pairs.time == blocks.time);
        assert_true(pairs.load == blocks.load);
        assert_int_equal(pairs.sent, blocks.sent);
        assert_int_equal(pairs.backups, blocks.backups);
        kofn_sim_figures_fini(&pairs);
        kofn_sim_figures_fini(&blocks);
        kofn_batch_destroy(&batch);
    }
}

/* 2 k - 1 = 15 of 17. Three are too many for the first job, of which they have pairs; those that
 * follow give the pairs to the others, and these are enough. */
static void
a_lagrange_code_loses_what_its_threshold_says(void **state)
{
    (void)state;
    for (int64_t slow = 0; slow <= 3; slow++) {
        kofn_batch *batch = NULL;
        kofn_sim_config c = batch_config(&batch, 8, 8, "lagrange", "oneshot");
        c.workers = 17;
        c.code.tasks = 17;
        choose_stragglers(&c, "persistent:slowdown=7", 1);
        c.stragglers.count = slow;
        kofn_sim_figures f = simulate(&c);
        assert_int_equal(f.sent, 17 * 50);
        assert_at_most(fabs(kofn_sim_percentile(&f, 1) - (slow < 3 ? 1 : 7)), 1e-6);
        assert_at_most(fabs(kofn_sim_percentile(&f, 0.9) - 1), 1e-6);
        assert_at_most(fabs(f.mean - (slow < 3 ? 1 : 1.12)), 1e-6);
        kofn_sim_figures_fini(&f);
        kofn_batch_destroy(&batch);
    }
}

/* Late after 1.5 s, and rows take another; from then on it is known who is slow. */
static void
rows_are_made_for_pairs_that_are_late(void **state)
{
    (void)state;
    static const char *const families[] = {"locality", "lagrange", ""};
    for (size_t i = 0; i < 3; i++) {
        kofn_batch *batch = NULL;
        kofn_sim_config c = batch_config(&batch, 8, 4, families[i], "two_stage");
        choose_stragglers(&c, "persistent:count=3,slowdown=20", 1);
        kofn_sim_figures f = simulate(&c);
        assert_at_most(fabs(kofn_sim_percentile(&f, 1) - 2.5), 1e-6);
        assert_at_most(fabs(kofn_sim_percentile(&f, 0.9) - 1), 1e-6);
        assert_int_equal(f.made, 1);
        assert_in_range(f.fresh, 3, 24);
        assert_int_equal(f.sent, 8 * 50 + f.fresh);
        assert_int_equal(f.backups, 0);
        kofn_sim_figures_fini(&f);
        kofn_batch_destroy(&batch);
    }
}

static void
where_all_are_slow_nobody_is_late(void **state)
{
    (void)state;
    static const char *const models[] = {"persistent:count=16,slowdown=5",
                                         "iid:delta=1,slowdown=5"};
    for (size_t i = 0; i < 4; i++) {
        kofn_batch *batch = NULL;
        kofn_sim_config c = batch_config(&batch, 8, 4, "locality", "two_stage");
        choose_stragglers(&c, models[i / 2], 1);
        c.each_task = i % 2;
        kofn_sim_figures f = simulate(&c);
        assert_int_equal(f.sent, 8 * 50);
        assert_int_equal(f.made, 0);
        assert_at_most(fabs(f.mean - 5), 1e-6);
        assert_true(f.slow == 1);
        kofn_sim_figures_fini(&f);
        kofn_batch_destroy(&batch);
    }
}

/* Two never answer. Whoever waits for them alone waits for ever. */
static void
workers_that_never_answer_are_done_without(void **state)
{
    (void)state;
    static const char *const families[] = {"locality", "lagrange", "uncoded"};
    for (size_t i = 0; i < 3; i++) {
        kofn_batch *batch = NULL;
        kofn_sim_config c = batch_config(&batch, 8, 4, families[i], "two_stage");
        c.unit_ns = 8 * INT64_C(100000000000000);
        c.sched.stage_floor_ns = 1000 * KOFN_NS_PER_S; // of which the first guess is a multiple
        choose_stragglers(&c, "persistent:count=2,slowdown=1e6", 1);
        kofn_sim_figures f = simulate(&c);
        assert_at_most(fabs(kofn_sim_percentile(&f, 1) - 2.5e5), 1e-3);
        assert_int_equal(f.made, i < 2);
        assert_int_equal(f.backups, i < 2 ? 0 : 2);
        kofn_sim_figures_fini(&f);
        (void)snprintf(c.code.family, sizeof c.code.family, "uncoded");
        (void)snprintf(c.policy, sizeof c.policy, "oneshot");
        kofn_error error;
        assert_fails(kofn_sim_run(&c, NULL, &f, &error), KOFN_FAILED_PRECONDITION);
        kofn_batch_destroy(&batch);
    }
}

static kofn_sim_figures
simulate_stages(const char *family, const char *policy, size_t tasks, int64_t seed)
{
    kofn_batch *batch = NULL;
    kofn_sim_config c = batch_config(&batch, 8, 4, family, policy);
    c.jobs = 2000;
    c.code.tasks = tasks;
    c.each_task = true;
    choose_stragglers(&c, "iid:delta=0.1,slowdown=10", seed);
    kofn_sim_figures f = simulate(&c);
    kofn_batch_destroy(&batch);
    return f;
}

/* What the policy is for: little more load than without a code, and little of a tail. */
static void
two_stages_of_a_batch_stand_between_copies_and_coding_all(void **state)
{
    (void)state;
    const int64_t seed = (int64_t)test_seed(5);
    kofn_sim_figures plain = simulate_stages("uncoded", "oneshot", 8, seed);
    kofn_sim_figures copies = simulate_stages("uncoded", "speculative", 8, seed);
    kofn_sim_figures all = simulate_stages("locality", "oneshot", 16, seed);
    kofn_sim_figures stages = simulate_stages("locality", "two_stage", 0, seed);
    assert_true(all.mean < stages.mean && stages.mean < copies.mean && copies.mean < plain.mean);
    assert_true(plain.sent <= copies.sent && stages.sent < all.sent);
    assert_true(2 * kofn_sim_percentile(&stages, 0.9) < kofn_sim_percentile(&plain, 0.9));
    assert_true(stages.made > 200 && stages.fresh > 2 * stages.made);
    assert_at_most(fabs(stages.slow - 0.1), 5 * sqrt(0.1 * 0.9 / (double)stages.sent));
    kofn_sim_figures_fini(&plain);
    kofn_sim_figures_fini(&copies);
    kofn_sim_figures_fini(&all);
    kofn_sim_figures_fini(&stages);
}

static void
assert_runs(const char *family, const char *policy, bool sum)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    kofn_sim_config c = batch_config(&batch, 8, 4, family, policy);
    kofn_batch_destroy(&batch);
    assert_ok(kofn_sim_make_pairs(8, 4, 4, sum, c.field, &batch, &error));
    c.code.batch = batch;
    c.jobs = 100;
    c.at_once = 3;
    c.jitter = 0.3;
    choose_stragglers(&c, "iid:delta=0.3", 1);
    kofn_sim_figures f = simulate(&c), again = simulate(&c);
    assert_true(f.mean > 0 && f.time == again.time);
    assert_in_range(f.sent, 4 * 100, 60 * 100); // four terms, where the sum alone is wanted
    assert_int_equal(f.made, again.made);
    kofn_sim_figures_fini(&f);
    kofn_sim_figures_fini(&again);
    kofn_batch_destroy(&batch);
}

static void
every_family_of_batches_runs_under_every_policy(void **state)
{
    (void)state;
    static const char *const policies[] = {"oneshot", "speculative", "two_stage", "rateless"};
    static const char *const families[] = {"uncoded", "replication", "lagrange", "locality",
                                           "rkrp"};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 5; k++) {
            assert_runs(families[k], policies[i], false);
            assert_runs(families[k], policies[i], true);
        }
    assert_runs("matdot", "oneshot", true);
    assert_runs("orthomatdot", "two_stage", true);
}

static void
pairs_share_their_blocks_evenly_and_none_is_there_twice(void **state)
{
    (void)state;
    const kofn_field *f64 = kofn_field_find("f64");
    for (size_t left = 1; left <= 8; left++)
        for (size_t right = 1; right <= 8; right++)
            for (size_t count = left > right ? left : right; count <= left * right; count++) {
                kofn_error error;
                kofn_batch *batch = NULL;
                size_t uses[2][8] = {{0}};
                assert_ok(kofn_sim_make_pairs(count, left, right, false, f64, &batch, &error));
                assert_int_equal(batch->count, count); // those that are the same would be one
                for (size_t i = 0; i < count; i++)
                    for (size_t side = 0; side < 2; side++)
                        uses[side][kofn_batch_get_block(batch, side, i)]++;
                for (size_t i = 0; i < left; i++)
                    assert_in_range(uses[0][i], count / left, (count + left - 1) / left);
                for (size_t i = 0; i < right; i++)
                    assert_in_range(uses[1][i], count / right, (count + right - 1) / right);
                kofn_batch_destroy(&batch);
            }
}

static void
pairs_that_there_cannot_be_are_refused(void **state)
{
    (void)state;
    static const size_t bad[][3] = {{0, 1, 1}, {4097, 4097, 4097}, {4, 0, 4}, {4, 4, 0},
                                    {4, 5, 4}, {4, 4, 5},          {5, 2, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kofn_error error;
        kofn_batch *batch = NULL;
        assert_fails(kofn_sim_make_pairs(bad[i][0], bad[i][1], bad[i][2], false,
                                         kofn_field_find("f64"), &batch, &error),
                     KOFN_OUT_OF_RANGE);
        assert_null(batch);
    }
}

/* A worker by itself, two tasks a job: its own count goes on from job to job. */
static void
stragglers_of_each_task_follow_the_count_of_the_worker(void **state)
{
    (void)state;
    kofn_error error;
    kofn_straggler *model = NULL;
    kofn_sim_config c = config_of(1, 100);
    choose_code(&c, "uncoded", 2, 1, 2);
    choose_stragglers(&c, "iid:delta=0.4,slowdown=3", (int64_t)test_seed(1));
    c.each_task = true;
    kofn_sim_figures f = simulate(&c);
    assert_ok(kofn_straggler_new(&c.stragglers, 1, &model, &error));
    double seconds = 0;
    for (uint64_t task = 0; task < 200; task++)
        seconds += 0.5 * kofn_straggler_get_factor(model, task, 0);
    assert_at_most(fabs(f.seconds - seconds), 1e-6);
    kofn_straggler_destroy(&model);
    kofn_sim_figures_fini(&f);
}

static void
what_is_not_of_batches_or_of_single_tasks_is_refused(void **state)
{
    (void)state;
    kofn_batch *batch = NULL;
    const kofn_sim_config good = batch_config(&batch, 8, 4, "", "oneshot");
    kofn_sim_config c = good;
    (void)snprintf(c.code.family, sizeof c.code.family, "polynomial");
    assert_refused(c, KOFN_INVALID_ARGUMENT, "batch");
    c = good;
    (void)snprintf(c.policy, sizeof c.policy, "rounds");
    assert_refused(c, KOFN_INVALID_ARGUMENT, "batches of 8 pairs");
    c = good;
    c.each_task = true;
    choose_stragglers(&c, "arbitrary", 1);
    assert_refused(c, KOFN_INVALID_ARGUMENT, "arbitrary");
    c = config_of(4, 10);
    (void)snprintf(c.policy, sizeof c.policy, "rounds");
    c.each_task = true;
    assert_refused(c, KOFN_INVALID_ARGUMENT, "for each round");
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uncoded_pairs_take_what_uncoded_blocks_take),
        cmocka_unit_test(a_lagrange_code_loses_what_its_threshold_says),
        cmocka_unit_test(rows_are_made_for_pairs_that_are_late),
        cmocka_unit_test(where_all_are_slow_nobody_is_late),
        cmocka_unit_test(workers_that_never_answer_are_done_without),
        cmocka_unit_test(two_stages_of_a_batch_stand_between_copies_and_coding_all),
        cmocka_unit_test(every_family_of_batches_runs_under_every_policy),
        cmocka_unit_test(pairs_share_their_blocks_evenly_and_none_is_there_twice),
        cmocka_unit_test(pairs_that_there_cannot_be_are_refused),
        cmocka_unit_test(stragglers_of_each_task_follow_the_count_of_the_worker),
        cmocka_unit_test(what_is_not_of_batches_or_of_single_tasks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
