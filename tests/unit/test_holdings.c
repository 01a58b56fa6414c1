/* Which worker keeps what, as far as the master knows. */
#include "tests/assert.h"

#include "common/base/hash.h"
#include "master/holdings.h"
#include "proto/limits.h"

static kofn_holdings *
make(void)
{
    kofn_holdings *holdings = NULL;
    kofn_error error;
    assert_ok(kofn_holdings_new(&holdings, &error));
    return holdings;
}

typedef struct visits {
    uint64_t seen[8];
    size_t count, limit;
} visits;

static bool
visit(void *context, uint64_t worker)
{
    visits *v = context;
    v->seen[v->count++] = worker;
    return v->count < v->limit;
}

static void
what_was_noted_is_known_of_that_worker_alone(void **state)
{
    (void)state;
    kofn_holdings *h = make();
    kofn_holdings_note(h, 1, "a");
    kofn_holdings_note(h, 1, "a"); // twice
    kofn_holdings_note(h, 2, "b");
    assert_true(kofn_holdings_has(h, 1, "a") && kofn_holdings_has(h, 2, "b"));
    assert_false(kofn_holdings_has(h, 1, "b") || kofn_holdings_has(h, 2, "a"));
    assert_int_equal(kofn_holdings_count(h), 2);
    kofn_holdings_forget(h, 1, "b"); // not its own
    kofn_holdings_forget(h, 9, "b");
    assert_int_equal(kofn_holdings_count(h), 2);
    kofn_holdings_forget(h, 1, "a");
    assert_false(kofn_holdings_has(h, 1, "a"));
    kofn_holdings_destroy(&h);
    assert_null(h);
}

static void
what_one_worker_let_go_of_others_still_have(void **state)
{
    (void)state;
    kofn_holdings *h = make();
    kofn_holdings_note(h, 1, "a");
    kofn_holdings_note(h, 1, "b");
    kofn_holdings_note(h, 2, "a");
    kofn_holdings_forget(h, 1, "a");
    assert_false(kofn_holdings_has(h, 1, "a"));
    assert_true(kofn_holdings_has(h, 1, "b") && kofn_holdings_has(h, 2, "a"));
    kofn_holdings_note(h, 1, "a");
    assert_true(kofn_holdings_has(h, 1, "a"));
    kofn_holdings_destroy(&h);
}

static void
of_two_names_with_one_hash_the_second_is_not_noted(void **state)
{
    (void)state;
    static const char *const twins[2] = {"8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"};
    kofn_holdings *h = make();
    assert_true(kofn_hash_text(twins[0]) == kofn_hash_text(twins[1]));
    kofn_holdings_note(h, 1, twins[0]);
    assert_false(kofn_holdings_has(h, 1, twins[1]));
    kofn_holdings_note(h, 2, twins[1]);
    assert_false(kofn_holdings_has(h, 2, twins[0]) || kofn_holdings_has(h, 2, twins[1]));
    assert_int_equal(kofn_holdings_count(h), 1);
    kofn_holdings_destroy(&h);
}

static void
all_that_have_a_block_are_visited_latest_first(void **state)
{
    (void)state;
    kofn_holdings *h = make();
    for (uint64_t worker = 1; worker <= 3; worker++)
        kofn_holdings_note(h, worker, "a");
    visits v = {.limit = 8};
    kofn_holdings_each(h, "a", visit, &v);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.seen[0], 3);
    v = (visits){.limit = 2};
    kofn_holdings_each(h, "a", visit, &v);
    assert_int_equal(v.count, 2);
    v = (visits){.limit = 8};
    kofn_holdings_each(h, "b", visit, &v);
    assert_int_equal(v.count, 0);
    kofn_holdings_destroy(&h);
}

static void
a_worker_that_is_gone_has_nothing(void **state)
{
    (void)state;
    kofn_holdings *h = make();
    kofn_holdings_note(h, 1, "a");
    kofn_holdings_note(h, 1, "b");
    kofn_holdings_note(h, 2, "a");
    for (int twice = 0; twice < 2; twice++) {
        kofn_holdings_forget_worker(h, 1);
        assert_false(kofn_holdings_has(h, 1, "a") || kofn_holdings_has(h, 1, "b"));
        assert_true(kofn_holdings_has(h, 2, "a"));
        assert_int_equal(kofn_holdings_count(h), 1);
    }
    kofn_holdings_destroy(&h);
}

static void
a_worker_is_known_to_keep_no_more_than_it_may(void **state)
{
    (void)state;
    kofn_holdings *h = make();
    for (size_t i = 0; i <= KOFN_CACHED_MAX; i++) {
        char name[KOFN_TAG_MAX];
        (void)snprintf(name, sizeof name, "%zu", i);
        kofn_holdings_note(h, 1, name);
    }
    assert_int_equal(kofn_holdings_count(h), KOFN_CACHED_MAX);
    assert_false(kofn_holdings_has(h, 1, "0"));
    assert_true(kofn_holdings_has(h, 1, "1"));
    kofn_holdings_destroy(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_noted_is_known_of_that_worker_alone),
        cmocka_unit_test(what_one_worker_let_go_of_others_still_have),
        cmocka_unit_test(of_two_names_with_one_hash_the_second_is_not_noted),
        cmocka_unit_test(all_that_have_a_block_are_visited_latest_first),
        cmocka_unit_test(a_worker_that_is_gone_has_nothing),
        cmocka_unit_test(a_worker_is_known_to_keep_no_more_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
