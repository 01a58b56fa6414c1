#include "tests/assert.h"

#include "worker/inject.h"

#include <math.h>

static kofn_inject
no_faults(void)
{
    return (kofn_inject){.repeat = 1, .probability = 1, .seed = 1};
}

static void
nothing_happens_by_default(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    kofn_injector injector;
    assert_ok(kofn_worker_config_load(NULL, &config, &error));
    kofn_injector_init(&injector, &config.inject);
    assert_false(kofn_injector_is_on(&injector));
    for (int i = 0; i < 100; i++) {
        const kofn_faults faults = kofn_injector_next(&injector);
        assert_int_equal(faults.repeat, 1);
        assert_int_equal(faults.sleep_ns, 0);
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
    kofn_injector injector;
    kofn_injector_init(&injector, &config);
    int slow = 0, pairs = 0;
    bool before = false;
    for (int i = 0; i < TASKS; i++) {
        const kofn_faults faults = kofn_injector_next(&injector);
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
    kofn_injector one, two;
    kofn_injector_init(&one, &config);
    kofn_injector_init(&two, &config);
    for (int i = 0; i < 1000; i++) {
        const kofn_faults a = kofn_injector_next(&one), b = kofn_injector_next(&two);
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
    kofn_injector one, two;
    kofn_injector_init(&one, &config);
    config.sleep_ns = 1;
    config.probability = 0.5;
    kofn_injector_init(&two, &config);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(kofn_injector_next(&one).spoil, kofn_injector_next(&two).spoil);
}

static void
crash_strikes_every_task_after_so_many(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.crash_after = 3;
    kofn_injector injector;
    kofn_injector_init(&injector, &config);
    for (int i = 0; i < 6; i++)
        assert_int_equal(kofn_injector_next(&injector).crash, i >= 3);
}

static void
silence_falls_after_so_many_answers(void **state)
{
    (void)state;
    kofn_inject config = no_faults();
    config.freeze_after = 2;
    kofn_injector injector;
    kofn_injector_init(&injector, &config);
    assert_false(kofn_injector_answered(&injector));
    assert_true(kofn_injector_answered(&injector));
}

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
        cmocka_unit_test(wrong_answers_change_one_element_or_all),
        cmocka_unit_test(empty_answers_cannot_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
