#include "master/quarantine.h"
#include "tests/assert.h"

static kofn_giver
giver(const char *name, const char *key)
{
    kofn_giver who = {.number = 1};
    (void)snprintf(who.name, sizeof who.name, "%s", name);
    (void)snprintf(who.key, sizeof who.key, "%s", key);
    return who;
}

static void
who_comes_again_is_known_by_its_name_without_keys(void **state)
{
    (void)state;
    kofn_quarantine q = {0};
    const kofn_giver liar = giver("w1", ""), other = giver("w2", "");
    assert_int_equal(kofn_quarantine_get_until(&q, &liar, 0), 0);
    assert_true(kofn_quarantine_add(&q, &liar, 100));
    assert_true(kofn_quarantine_get_until(&q, &liar, 99) > 0);
    assert_int_equal(kofn_quarantine_get_until(&q, &other, 99), 0);
    assert_int_not_equal(kofn_giver_hash(&liar), kofn_giver_hash(&other));
    kofn_quarantine_fini(&q);
}

/* Else whoever lies could have another one barred by calling itself so. */
static void
with_keys_a_name_says_nothing(void **state)
{
    (void)state;
    kofn_quarantine q = {0};
    const kofn_giver liar = giver("w1", "key-a"), renamed = giver("w9", "key-a");
    const kofn_giver honest = giver("w1", "key-b"), plain = giver("w1", "");
    assert_true(kofn_quarantine_add(&q, &liar, 100));
    assert_true(kofn_quarantine_get_until(&q, &renamed, 0) > 0);
    assert_int_equal(kofn_quarantine_get_until(&q, &honest, 0), 0);
    assert_int_equal(kofn_quarantine_get_until(&q, &plain, 0), 0);
    assert_int_equal(kofn_giver_hash(&renamed), kofn_giver_hash(&liar));
    assert_int_not_equal(kofn_giver_hash(&honest), kofn_giver_hash(&liar));
    kofn_quarantine_fini(&q);
}

static void
its_time_ends_and_may_grow_but_not_shrink(void **state)
{
    (void)state;
    kofn_quarantine q = {0};
    const kofn_giver liar = giver("w1", ""), other = giver("w2", "");
    assert_true(kofn_quarantine_add(&q, &liar, 100));
    assert_true(kofn_quarantine_add(&q, &liar, 50));
    assert_true(kofn_quarantine_get_until(&q, &liar, 99) > 0);
    assert_true(kofn_quarantine_add(&q, &liar, 200));
    assert_true(kofn_quarantine_add(&q, &other, 150));
    assert_int_equal(q.count, 2);
    assert_int_equal(kofn_quarantine_get_until(&q, &other, 0), 150);
    assert_true(kofn_quarantine_get_until(&q, &liar, 199) > 0);
    assert_int_equal(q.count, 1); // the other's is over, and forgotten
    assert_int_equal(kofn_quarantine_get_until(&q, &liar, 200), 0);
    assert_int_equal(q.count, 0);
    kofn_quarantine_fini(&q);
}

static void
a_crowd_of_liars_pushes_out_whose_time_is_over_first(void **state)
{
    (void)state;
    kofn_quarantine q = {0};
    for (int i = 0; i <= KOFN_QUARANTINED_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%d", i);
        const kofn_giver who = giver(name, "");
        assert_true(kofn_quarantine_add(&q, &who, i == 7 ? 1000 : 2000 + i));
    }
    assert_int_equal(q.count, KOFN_QUARANTINED_MAX);
    const kofn_giver gone = giver("w7", ""), first = giver("w0", ""), last = giver("w4096", "");
    assert_int_equal(kofn_quarantine_get_until(&q, &gone, 0), 0);
    assert_true(kofn_quarantine_get_until(&q, &first, 0) > 0);
    assert_true(kofn_quarantine_get_until(&q, &last, 0) > 0);
    kofn_quarantine_fini(&q);
}

/* A name may be the beginning of another, and a list may be full. */
static void
each_name_is_listed_once(void **state)
{
    (void)state;
    char names[16] = "";
    kofn_names_add(names, sizeof names, "w10");
    kofn_names_add(names, sizeof names, "w1");
    kofn_names_add(names, sizeof names, "w1");
    kofn_names_add(names, sizeof names, "w10");
    assert_string_equal(names, "w10,w1");
    kofn_names_add(names, sizeof names, "w0,w1,w2"); // another list
    assert_string_equal(names, "w10,w1,w0,w2");
    kofn_names_add(names, sizeof names, "w345,w3"); // of which the second fits
    assert_string_equal(names, "w10,w1,w0,w2,w3");
    kofn_names_add(names, sizeof names, ",,");
    kofn_names_add(names, sizeof names, "");
    assert_string_equal(names, "w10,w1,w0,w2,w3");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_again_is_known_by_its_name_without_keys),
        cmocka_unit_test(with_keys_a_name_says_nothing),
        cmocka_unit_test(its_time_ends_and_may_grow_but_not_shrink),
        cmocka_unit_test(a_crowd_of_liars_pushes_out_whose_time_is_over_first),
        cmocka_unit_test(each_name_is_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
