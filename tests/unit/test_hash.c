/* FNV-1a against known answers, of its authors' test vectors. */
#include "tests/assert.h"

#include "common/base/hash.h"

static void
texts_have_the_numbers_that_their_authors_publish(void **state)
{
    (void)state;
    assert_int_equal(kofn_hash_text(""), 0xcbf29ce484222325);
    assert_int_equal(kofn_hash_text("a"), 0xaf63dc4c8601ec8c);
    assert_int_equal(kofn_hash_text("foobar"), 0x85944171f73967e8);
}

static void
bytes_go_on_where_those_before_them_ended(void **state)
{
    (void)state;
    const uint64_t foo = kofn_hash_bytes(KOFN_HASH_START, "foo", 3);
    assert_int_equal(kofn_hash_bytes(foo, "bar", 3), kofn_hash_text("foobar"));
    assert_int_equal(kofn_hash_bytes(foo, NULL, 0), foo);
    assert_int_equal(kofn_hash_bytes(KOFN_HASH_START, "\xff", 1), // no sign is extended
                     kofn_hash_word(KOFN_HASH_START, 0xff));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_the_numbers_that_their_authors_publish),
        cmocka_unit_test(bytes_go_on_where_those_before_them_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
