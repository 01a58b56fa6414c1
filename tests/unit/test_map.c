#include "common/base/map.h"

#include "common/base/rng.h"
#include "tests/assert.h"

static int values[256];

static void
map_finds_what_was_put_and_nothing_else(void **state)
{
    (void)state;
    kofn_error error;
    kofn_map map;
    kofn_map_init(&map);
    assert_null(kofn_map_find(&map, 1));
    assert_ok(kofn_map_put(&map, 0, &values[0], &error));
    assert_ok(kofn_map_put(&map, UINT64_MAX, &values[1], &error));
    assert_ptr_equal(kofn_map_find(&map, 0), &values[0]);
    assert_ptr_equal(kofn_map_find(&map, UINT64_MAX), &values[1]);
    assert_null(kofn_map_find(&map, 1));
    kofn_map_fini(&map);
}

static void
map_refuses_a_key_twice_and_keeps_the_first_value(void **state)
{
    (void)state;
    kofn_error error;
    kofn_map map = {0};
    assert_ok(kofn_map_put(&map, 7, &values[0], &error));
    assert_fails(kofn_map_put(&map, 7, &values[1], &error), KOFN_ALREADY_EXISTS);
    assert_ptr_equal(kofn_map_find(&map, 7), &values[0]);
    assert_int_equal(map.count, 1);
    kofn_map_fini(&map);
}

static void
map_removes_once_and_from_an_empty_map_never(void **state)
{
    (void)state;
    kofn_error error;
    kofn_map map = {0};
    assert_null(kofn_map_remove(&map, 7));
    assert_ok(kofn_map_put(&map, 7, &values[0], &error));
    assert_ptr_equal(kofn_map_remove(&map, 7), &values[0]);
    assert_null(kofn_map_remove(&map, 7));
    assert_int_equal(map.count, 0);
    kofn_map_fini(&map);
}

static void
map_refuses_an_impossible_size_and_stays_as_it_was(void **state)
{
    (void)state;
    kofn_error error;
    kofn_map map = {0};
    assert_ok(kofn_map_put(&map, 7, &values[0], &error));
    assert_fails(kofn_map_reserve(&map, SIZE_MAX, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_ptr_equal(kofn_map_find(&map, 7), &values[0]);
    kofn_map_fini(&map);
}

static void
map_does_not_allocate_within_what_was_reserved(void **state)
{
    (void)state;
    kofn_error error;
    kofn_map map = {0};
    assert_ok(kofn_map_reserve(&map, 100, &error));
    const kofn_map_slot *slots = map.slots;
    for (uint64_t key = 0; key < 100; key++)
        assert_ok(kofn_map_put(&map, key, &values[key], &error));
    assert_ptr_equal(map.slots, slots);
    kofn_map_fini(&map);
}

/* Random puts and removes of 256 keys against a plain array, through growth and wrap-around. */
static void
map_agrees_with_an_array_under_random_use(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    kofn_map map = {0};
    bool there[256] = {false};
    size_t count = 0;
    for (int step = 0; step < 200000; step++) {
        const size_t i = kofn_rng_below(&rng, 256);
        const uint64_t key = (uint64_t)i << (i % 3 * 20); // near and far apart
        if (there[i]) {
            assert_ptr_equal(kofn_map_remove(&map, key), &values[i]);
            count--;
        } else {
            assert_ok(kofn_map_put(&map, key, &values[i], &error));
            count++;
        }
        there[i] = !there[i];
        assert_int_equal(map.count, count);
        const size_t j = kofn_rng_below(&rng, 256);
        assert_ptr_equal(kofn_map_find(&map, (uint64_t)j << (j % 3 * 20)),
                         there[j] ? &values[j] : NULL);
    }
    size_t cursor = 0, walked = 0;
    while (kofn_map_next(&map, &cursor))
        walked++;
    assert_int_equal(walked, count);
    kofn_map_fini(&map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_finds_what_was_put_and_nothing_else),
        cmocka_unit_test(map_refuses_a_key_twice_and_keeps_the_first_value),
        cmocka_unit_test(map_removes_once_and_from_an_empty_map_never),
        cmocka_unit_test(map_refuses_an_impossible_size_and_stays_as_it_was),
        cmocka_unit_test(map_does_not_allocate_within_what_was_reserved),
        cmocka_unit_test(map_agrees_with_an_array_under_random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
