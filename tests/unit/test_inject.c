#include "tests/assert.h"

#include "worker/inject.h"

#include <math.h>

static kofn_inject
no_faults(void)
{
    return (kofn_inject){.repeat = 1, .probability = 1, .seed = 1, .straggler_workers = 4};
}

static kofn_injector
make(const kofn_inject *config)
{
    kofn_error error;
    kofn_injector injector;
    assert_ok(kofn_injector_init(&injector, config, &error));
    return injector;
}

/* Of a task that is of no stream. */
static kofn_faults
next(kofn_injector *injector)
{
    return kofn_injector_next(injector, &(kofn_victim){.flops = 1e9});
}

static void
nothing_happens_by_default(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    assert_ok(kofn_worker_config_load(NULL, &config, &error));
    kofn_injector injector = make(&config.inject);
    assert_false(kofn_injector_is_on(&injector));
    for (int i = 0; i < 100; i++) {
        const kofn_faults faults = next(&injector);
        assert_int_equal(faults.repeat, 1);
        assert_int_equal(faults.sleep_ns, 0);
        assert_int_equal(faults.least_ns, 0);
        assert_true(faults.lag == 0);
        assert_int_equal(faults.spoil, KOFN_SPOIL_NOTHING);
        assert_false(faults.crash);
        assert_false(kofn_injector_answered(&injector));
    }
}

static void
slowness_strikes_independently_with_its_probability(void **state)
{
    (void)state;
    enum { TASKS = 10000 };
    kofn_inject config = no_faults();
    config.repeat = 5;
    config.sleep_ns = 7;
    config.probability = 0.3;
    config.seed = (int64_t)test_seed(5);
    kofn_injector injector = make(&config);
    int slow = 0, pairs = 0;
    bool before = false;
    for (int i = 0; i < TASKS; i++) {
        const kofn_faults faults = next(&injector);
        const bool now = faults.repeat == 5;
        assert_int_equal(faults.sleep_ns, now ? 7 : 0);
        slow += now;
        pairs += now && before;
        before = now;
    }
    /* Binomial: six standard deviations of a share p are 6 sqrt(p (1 - p) / n). */
    assert_at_most(fabs(slow / (double)TASKS - 0.3), 6 * sqrt(0.3 * 0.7 / TASKS));
    assert_at_most(fabs(pairs / (double)TASKS - 0.09), 6 * sqrt(0.09 * 0.91 / TASKS));
}

static void
same_seed_gives_the_same_faults(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.repeat = 2;
    config.probability = config.wrong = 0.5;
    kofn_injector one = make(&config), two = make(&config);
    for (int i = 0; i < 1000; i++) {
        const kofn_faults a = next(&one), b = next(&two);
        assert_int_equal(a.repeat, b.repeat);
        assert_int_equal(a.spoil, b.spoil);
        assert_int_equal(a.where, b.where);
    }
}

static void
one_fault_does_not_move_another(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.wrong = 0.5;
    kofn_injector one = make(&config);
    config.sleep_ns = 1;
    config.probability = 0.5;
    kofn_injector two = make(&config);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(next(&one).spoil, next(&two).spoil);
}

static void
crash_strikes_every_task_after_so_many(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.crash_after = 3;
    kofn_injector injector = make(&config);
    for (int i = 0; i < 6; i++)
        assert_int_equal(next(&injector).crash, i >= 3);
}

static void
silence_falls_after_so_many_answers(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.freeze_after = 2;
    kofn_injector injector = make(&config);
    assert_false(kofn_injector_answered(&injector));
    assert_true(kofn_injector_answered(&injector));
}

/* ---- stragglers by a model ------------------------------------------------------------------- */

static kofn_inject
stragglers(const char *model, kofn_inject_by by)
{
    kofn_inject config = no_faults();
    (void)snprintf(config.straggler, sizeof config.straggler, "%s", model);
    config.by = by;
    return config;
}

static kofn_straggler *
model_of(const kofn_inject *config)
{
    kofn_error error;
    kofn_straggler_spec spec;
    kofn_straggler *model = NULL;
    assert_ok(kofn_straggler_parse(config->straggler, &spec, &error));
    assert_ok(kofn_straggler_new(&spec, (size_t)config->straggler_workers, &model, &error));
    return model;
}

static void
tasks_of_streams_are_slow_by_their_round_and_slot(void **state)
{
    (void)state;
    kofn_inject config =
        stragglers("arbitrary:failures=5,window=3,seed=2,slowdown=7", KOFN_INJECT_BY_REPEAT);
    config.column = 3; // not asked for
    kofn_straggler *model = model_of(&config);
    kofn_injector injector = make(&config);
    size_t slow = 0;
    for (uint64_t round = 1; round <= 200; round++)
        for (size_t slot = 0; slot < 4; slot++)
            for (int mini_task = 0; mini_task < 2; mini_task++) { // all of a round alike
                const kofn_faults faults = kofn_injector_next(
                    &injector, &(kofn_victim){.flops = 1, .round = round, .slot = slot});
                const double factor = kofn_straggler_get_factor(model, round - 1, slot);
                assert_int_equal(faults.repeat, (int64_t)factor);
                slow += faults.repeat == 7;
            }
    assert_true(slow > 50);
    kofn_straggler_destroy(&model);
    kofn_injector_fini(&injector);
}

static void
tasks_of_no_stream_are_rounds_themselves(void **state)
{
    (void)state;
    kofn_inject config = stragglers("iid:delta=0.4,seed=3", KOFN_INJECT_BY_REPEAT);
    config.column = 2;
    kofn_straggler *model = model_of(&config);
    kofn_injector injector = make(&config);
    for (uint64_t task = 0; task < 200; task++)
        assert_int_equal(next(&injector).repeat,
                         (int64_t)kofn_straggler_get_factor(model, task, 2));
    kofn_straggler_destroy(&model);
    kofn_injector_fini(&injector);
}

static void
a_straggler_repeats_as_often_as_its_slowdown_says(void **state)
{
    (void)state;
    kofn_inject config = stragglers("persistent:slowdown=2.6", KOFN_INJECT_BY_REPEAT);
    kofn_injector injector = make(&config);
    assert_int_equal(next(&injector).repeat, 3); // the nearest
    assert_int_equal(next(&injector).sleep_ns, 0);
    kofn_injector_fini(&injector);

    config.repeat = 4; // multiplies
    config.pace = 2;
    injector = make(&config);
    const kofn_faults faults = next(&injector);
    assert_int_equal(faults.repeat, 10);
    assert_int_equal(faults.least_ns, 10 * 500000000LL); // 1e9 flops at 2 GFlop/s, each time
    assert_true(faults.sleep_ns == 0 && faults.lag == 0);
    kofn_injector_fini(&injector);
}

static void
a_straggler_that_waits_does_so_afterwards_or_at_a_pace_before(void **state)
{
    (void)state;
    kofn_inject config = stragglers("persistent:slowdown=5", KOFN_INJECT_BY_WAIT);
    kofn_injector injector = make(&config);
    kofn_faults faults = next(&injector);
    assert_true(faults.repeat == 1 && faults.sleep_ns == 0 && faults.least_ns == 0);
    assert_true(faults.lag == 4);
    kofn_injector_fini(&injector);

    config.pace = 10; // 1e9 flops: 0.1 s
    config.sleep_ns = 7;
    injector = make(&config);
    faults = next(&injector);
    assert_int_equal(faults.sleep_ns, 7 + 400000000);
    assert_int_equal(faults.least_ns, 100000000);
    assert_true(faults.repeat == 1 && faults.lag == 0);
    kofn_injector_fini(&injector);

    config.column = 1; // who does not straggle
    injector = make(&config);
    faults = next(&injector);
    assert_true(faults.sleep_ns == 7 && faults.least_ns == 100000000);
    kofn_injector_fini(&injector);
}

static void
pace_alone_makes_all_tasks_take_their_flops(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.pace = 0.5;
    kofn_injector injector = make(&config);
    assert_true(kofn_injector_is_on(&injector));
    assert_int_equal(next(&injector).least_ns, 2000000000);
    const kofn_faults forever = kofn_injector_next(&injector, &(kofn_victim){.flops = 1e30});
    assert_int_equal(forever.least_ns, INT64_MAX);
    kofn_injector_fini(&injector);
}

/* What a message says is no reason to draw for ever, or to read outside. */
static void
a_round_or_slot_beyond_the_pattern_begins_again(void **state)
{
    (void)state;
    const kofn_inject config = stragglers("fritchman", KOFN_INJECT_BY_REPEAT);
    kofn_straggler *model = model_of(&config);
    kofn_injector injector = make(&config);
    const kofn_victim far = {.round = UINT64_MAX, .slot = UINT64_MAX};
    const int64_t repeat = kofn_injector_next(&injector, &far).repeat;
    assert_int_equal(repeat, (int64_t)kofn_straggler_get_factor(
                                 model, (UINT64_MAX - 1) % KOFN_INJECT_ROUNDS, 3));
    kofn_straggler_destroy(&model);
    kofn_injector_fini(&injector);
}

static void
models_that_are_none_are_refused_at_the_start(void **state)
{
    (void)state;
    kofn_error error;
    kofn_injector injector = {0};
    kofn_inject config = stragglers("trace:file=/nowhere/trace", KOFN_INJECT_BY_REPEAT);
    assert_fails(kofn_injector_init(&injector, &config, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "inject.straggler: "));
    config = stragglers("persistent:count=5", KOFN_INJECT_BY_REPEAT);
    assert_fails(kofn_injector_init(&injector, &config, &error), KOFN_INVALID_ARGUMENT);
    config = stragglers("idd", KOFN_INJECT_BY_REPEAT);
    assert_fails(kofn_injector_init(&injector, &config, &error), KOFN_INVALID_ARGUMENT);
    assert_null(injector.straggler);
    kofn_injector_fini(&injector);
}

/* ---- wrong answers --------------------------------------------------------------------------- */

/* How many of the rows x cols elements change, in a matrix of two bands. */
static size_t
count_spoiled(kofn_spoil spoil, uint64_t where)
{
    enum { ROWS = 5, COLS = 3 };
    kofn_error error;
    double at[ROWS * COLS];
    for (size_t i = 0; i < ROWS * COLS; i++)
        at[i] = i % 4 == 0 ? 0.0 : (double)i;
    kofn_bands c;
    kofn_bands_init(&c, KOFN_F64, ROWS, COLS);
    kofn_mat top = kofn_mat_wrap(at, KOFN_F64, 2, COLS);
    kofn_mat rest = kofn_mat_wrap(at + 2 * COLS, KOFN_F64, ROWS - 2, COLS);
    assert_ok(kofn_bands_append(&c, &top, NULL, 0, &error));
    assert_ok(kofn_bands_append(&c, &rest, NULL, 0, &error));

    kofn_faults_spoil(&(kofn_faults){.spoil = spoil, .where = where}, &c);
    size_t changed = 0;
    for (size_t i = 0; i < ROWS * COLS; i++) {
        changed += at[i] != (i % 4 == 0 ? 0.0 : (double)i);
        assert_true(isfinite(at[i]));
    }
    kofn_bands_fini(&c);
    return changed;
}

static void
wrong_answers_change_one_element_or_all(void **state)
{
    (void)state;
    assert_int_equal(count_spoiled(KOFN_SPOIL_NOTHING, 0), 0);
    for (uint64_t where = 0; where < 40; where++)
        assert_int_equal(count_spoiled(KOFN_SPOIL_ELEMENT, where), 1);
    assert_int_equal(count_spoiled(KOFN_SPOIL_BLOCK, 0), 15);
}

static void
empty_answers_cannot_be_wrong(void **state)
{
    (void)state;
    kofn_bands c;
    kofn_bands_init(&c, KOFN_F64, 0, 3);
    kofn_faults_spoil(&(kofn_faults){.spoil = KOFN_SPOIL_ELEMENT, .where = 17}, &c);
    kofn_bands_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_by_default),
        cmocka_unit_test(slowness_strikes_independently_with_its_probability),
        cmocka_unit_test(same_seed_gives_the_same_faults),
        cmocka_unit_test(one_fault_does_not_move_another),
        cmocka_unit_test(crash_strikes_every_task_after_so_many),
        cmocka_unit_test(silence_falls_after_so_many_answers),
        cmocka_unit_test(tasks_of_streams_are_slow_by_their_round_and_slot),
        cmocka_unit_test(tasks_of_no_stream_are_rounds_themselves),
        cmocka_unit_test(a_straggler_repeats_as_often_as_its_slowdown_says),
        cmocka_unit_test(a_straggler_that_waits_does_so_afterwards_or_at_a_pace_before),
        cmocka_unit_test(pace_alone_makes_all_tasks_take_their_flops),
        cmocka_unit_test(a_round_or_slot_beyond_the_pattern_begins_again),
        cmocka_unit_test(models_that_are_none_are_refused_at_the_start),
        cmocka_unit_test(wrong_answers_change_one_element_or_all),
        cmocka_unit_test(empty_answers_cannot_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
