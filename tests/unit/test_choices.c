#include "tests/assert.h"

#include "master/choices.h"

#include <math.h>

static kofn_choice_key
key_of(size_t rows)
{
    kofn_choice_key key;
    memset(&key, 0, sizeof key);
    key.shape.rows = rows;
    key.workers = 4;
    return key;
}

static void
what_was_kept_is_found_by_its_whole_key(void **state)
{
    (void)state;
    static kofn_choices choices;
    const kofn_choice_key key = key_of(100);
    const kofn_code_spec spec = {.family = "rkrp", .tasks = 7};
    assert_null(kofn_choices_find(&choices, &key));
    kofn_choices_keep(&choices, &key, &spec);
    assert_memory_equal(kofn_choices_find(&choices, &key), &spec, sizeof spec);

    kofn_choice_key others[11];
    for (size_t i = 0; i < 11; i++)
        others[i] = key;
    others[0].shape.inner = 1;
    others[1].shape.cols = 1;
    others[2].workers = 5;
    others[3].stragglers = 2;
    others[4].error = 1e-3;
    others[5].link_rate = 1;
    others[6].slowdown = 2;
    others[7].rates = 1;
    others[8].seed = 1;
    others[9].exact = true;
    snprintf(others[10].field, sizeof others[10].field, "gfp:101");
    for (size_t i = 0; i < 11; i++)
        assert_null(kofn_choices_find(&choices, &others[i]));
}

static void
the_oldest_goes_first(void **state)
{
    (void)state;
    static kofn_choices choices;
    const kofn_code_spec spec = {.family = "rkrp"};
    for (size_t i = 0; i <= KOFN_CHOICES_MAX; i++) {
        const kofn_choice_key key = key_of(i + 1);
        kofn_choices_keep(&choices, &key, &spec);
    }
    const kofn_choice_key first = key_of(1), second = key_of(2),
                          last = key_of(KOFN_CHOICES_MAX + 1);
    assert_null(kofn_choices_find(&choices, &first));
    assert_non_null(kofn_choices_find(&choices, &second));
    assert_non_null(kofn_choices_find(&choices, &last));
}

static void
rates_that_hardly_differ_are_the_same_once_rounded(void **state)
{
    (void)state;
    kofn_plan_machine one, other;
    kofn_plan_machine_init(&one, 2);
    other = one;
    kofn_plan_worker a[] = {{2.2e10, 1e9}, {4.4e10, 0}}, b[] = {{4.6e10, 0}, {2.3e10, 1.05e9}};
    one.at = a;
    other.at = b; // in another order
    other.link_rate *= 1.05;
    kofn_choices_round(&one, a);
    kofn_choices_round(&other, b);
    assert_true(one.link_rate == other.link_rate);
    assert_true(kofn_choices_digest(&one) == kofn_choices_digest(&other));
    assert_at_most(fabs(log2(a[0].flops_rate / 2.2e10)), 0.25); // to half an octave
    assert_true(a[1].link_rate == 0);

    b[0].flops_rate *= 2;
    assert_true(kofn_choices_digest(&one) != kofn_choices_digest(&other));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_kept_is_found_by_its_whole_key),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(rates_that_hardly_differ_are_the_same_once_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
