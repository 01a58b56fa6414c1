/* Idempotency keys: whose they are, and which record has one. */
#include "master/owned_keys.h"

#include "common/base/rng.h"
#include "tests/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 500, RECORDS = 3000, MOVES = 60000 };

static void
the_same_key_of_two_owners_is_two(void **state)
{
    (void)state;
    kofn_owned_keys keys;
    kofn_error error;
    assert_ok(kofn_owned_keys_init(&keys, &error));
    kofn_owned_key a = kofn_owned_key_make("ann", "k"), b = kofn_owned_key_make("bob", "k");
    int record_a, record_b;
    kofn_owned_keys_put(&keys, &a, &record_a);
    assert_null(kofn_owned_keys_find(&keys, &b));
    kofn_owned_keys_put(&keys, &b, &record_b);
    assert_ptr_equal(kofn_owned_keys_find(&keys, &a), &record_a);
    assert_ptr_equal(kofn_owned_keys_find(&keys, &b), &record_b);
    kofn_owned_keys_fini(&keys);
}

static void
no_key_is_nobody_s(void **state)
{
    (void)state;
    kofn_owned_keys keys;
    kofn_error error;
    assert_ok(kofn_owned_keys_init(&keys, &error));
    kofn_owned_key none = kofn_owned_key_make("ann", "");
    int record;
    kofn_owned_keys_put(&keys, &none, &record);
    assert_null(kofn_owned_keys_find(&keys, &none));
    kofn_owned_keys_remove(&keys, &none);
    assert_int_equal(keys.count, 0);
    kofn_owned_keys_fini(&keys);
}

/* Records take keys from each other and let go of them, also of those that they have lost; who has
 * which is written down beside it. Texts grow in number, so buckets do. */
static void
whoever_took_a_key_last_has_it(void **state)
{
    (void)state;
    static kofn_owned_key at[RECORDS];
    const kofn_owned_key *holders[TEXTS] = {NULL};
    kofn_owned_keys keys;
    kofn_error error;
    kofn_rng rng;
    size_t found = 0, lost = 0;
    kofn_rng_init(&rng, test_seed(1), 0);
    assert_ok(kofn_owned_keys_init(&keys, &error));
    for (size_t move = 0; move < MOVES; move++) {
        kofn_owned_key *key = &at[kofn_rng_below(&rng, RECORDS)];
        const size_t text = kofn_rng_below(&rng, 1 + move * TEXTS / MOVES);
        const size_t had = strtoul(key->text[0] ? key->text + strlen("ann") : "0", NULL, 10);
        char name[16];
        lost += key->text[0] && holders[had] && holders[had] != key;
        kofn_owned_keys_remove(&keys, key);
        if (holders[had] == key)
            holders[had] = NULL;
        (void)snprintf(name, sizeof name, "%zu", text);
        *key = kofn_owned_key_make("ann", name);
        found += holders[text] != NULL;
        assert_ptr_equal(kofn_owned_keys_find(&keys, key), holders[text]);
        if (kofn_rng_below(&rng, 4) == 0)
            continue; // it is in no table, like an order that was known
        kofn_owned_keys_put(&keys, key, key);
        holders[text] = key;
    }
    size_t held = 0;
    for (size_t t = 0; t < TEXTS; t++)
        held += holders[t] != NULL;
    assert_int_equal(keys.count, held);
    assert_true(found > MOVES / 10 && lost > MOVES / 10);
    kofn_owned_keys_fini(&keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_of_two_owners_is_two),
        cmocka_unit_test(no_key_is_nobody_s),
        cmocka_unit_test(whoever_took_a_key_last_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
