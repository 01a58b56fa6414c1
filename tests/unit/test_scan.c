#include "proto/scan.h"

#include "tests/assert.h"

#include "common/base/rng.h"

#include <msgpack.h>

static kofn_error error;

/* Bytes of a literal, in a block of exactly their size, so that ASan and valgrind see a read
 * behind them. */
static kofn_status
scan_copy(const void *bytes, size_t length, size_t depth_max, size_t items_max)
{
    void *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    kofn_status status = kofn_scan(copy, length, depth_max, items_max, &error);
    free(copy);
    return status;
}

#define scan(literal_) scan_copy((literal_), sizeof(literal_) - 1, 8, 1000)

/* {"a": [1, -2, 3.5, nil], "b": {"c": bin 2, "d": ext 1}, "e": text 40, "f": u64, "g": i16} */
static const char compound[] = "\x85\xa1"
                               "a\x94\x01\xfe\xcb\x40\x0c\0\0\0\0\0\0\xc0\xa1"
                               "b\x82\xa1"
                               "c\xc4\x02\0\0\xa1"
                               "d\xd4\x05x\xa1"
                               "e\xd9\x28"
                               "0123456789012345678901234567890123456789"
                               "\xa1"
                               "f\xcf\0\0\0\0\0\0\0\x07\xa1"
                               "g\xd1\xff\x80";

static void
every_type_of_msgpack_is_taken(void **state)
{
    (void)state;
    assert_ok(scan("\xc0"));
    assert_ok(scan("\xc2"));
    assert_ok(scan("\xc3"));
    assert_ok(scan("\x7f"));
    assert_ok(scan("\xe0"));
    assert_ok(scan("\xcc\xff"));
    assert_ok(scan("\xcd\xff\xff"));
    assert_ok(scan("\xce\xff\xff\xff\xff"));
    assert_ok(scan("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_ok(scan("\xd0\x80"));
    assert_ok(scan("\xd1\x80\0"));
    assert_ok(scan("\xd2\x80\0\0\0"));
    assert_ok(scan("\xd3\x80\0\0\0\0\0\0\0"));
    assert_ok(scan("\xca\x7f\xc0\0\0"));
    assert_ok(scan("\xcb\x7f\xf8\0\0\0\0\0\0"));
    assert_ok(scan("\xa2hi"));
    assert_ok(scan("\xd9\x02hi"));
    assert_ok(scan("\xda\0\x02hi"));
    assert_ok(scan("\xdb\0\0\0\x02hi"));
    assert_ok(scan("\xc4\x01\xff"));
    assert_ok(scan("\xc5\0\x01\xff"));
    assert_ok(scan("\xc6\0\0\0\x01\xff"));
    assert_ok(scan("\xc7\x01\x05\xff"));
    assert_ok(scan("\xc8\0\x01\x05\xff"));
    assert_ok(scan("\xc9\0\0\0\x01\x05\xff"));
    assert_ok(scan("\xd4\x05\x01"));
    assert_ok(scan("\xd8\x05"
                   "0123456789abcdef"));
    assert_ok(scan("\x90"));
    assert_ok(scan("\xdc\0\x01\x01"));
    assert_ok(scan("\xdd\0\0\0\x01\x01"));
    assert_ok(scan("\x80"));
    assert_ok(scan("\xde\0\x01\x01\x01"));
    assert_ok(scan("\xdf\0\0\0\x01\x01\x01"));
    assert_ok(scan(compound));
}

static void
an_object_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof compound - 1; length++)
        assert_fails(scan_copy(compound, length, 8, 1000), KOFN_INVALID_ARGUMENT);
}

static void
bytes_behind_the_object_are_refused(void **state)
{
    (void)state;
    assert_fails(scan("\x01\x01"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x90\xc0"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x81\x01\x01\x80"), KOFN_INVALID_ARGUMENT);
}

static void
the_reserved_byte_is_refused_at_every_level(void **state)
{
    (void)state;
    assert_fails(scan("\xc1"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x91\xc1"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x81\xa1k\xc1"), KOFN_INVALID_ARGUMENT);
}

static void
counts_beyond_the_bytes_are_refused(void **state)
{
    (void)state;
    assert_fails(scan("\xdd\xff\xff\xff\xff"), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "byte 0 of 5 counts more values than bytes are left"));
    assert_fails(scan("\xdf\xff\xff\xff\xff"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xdf\x80\0\0\0\x01\x01"), KOFN_INVALID_ARGUMENT); // 2 x 2^31 wraps 32 bits
    assert_fails(scan("\xdc\xff\xff\x01\x02"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x9f\x01\x02"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x82\x01\x02\x03"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xdb\xff\xff\xff\xffx"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xc6\xff\xff\xff\xffx"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xc9\xff\xff\xff\xff\x05x"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xd8\x05short"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\xc7\x01\x05"), KOFN_INVALID_ARGUMENT); // the ext's type byte is no payload
    assert_non_null(strstr(error.text, "cut short"));
}

static void
depth_is_counted_in_containers(void **state)
{
    (void)state;
    const char nested[] = "\x91\x81\x01\x91\x90";
    assert_ok(scan_copy(nested, 5, 4, 1000));
    assert_fails(scan_copy(nested, 5, 3, 1000), KOFN_INVALID_ARGUMENT);
    assert_ok(scan_copy("\x01", 1, 0, 1000));
    assert_fails(scan_copy("\x90", 1, 0, 1000), KOFN_INVALID_ARGUMENT);
    assert_ok(scan_copy("\x92\x91\x01\x91\x01", 5, 2, 1000)); // side by side, not inside
}

static void
a_depth_bomb_is_refused(void **state)
{
    (void)state;
    static char bomb[1 << 20];
    memset(bomb, '\x91', sizeof bomb);
    assert_fails(scan_copy(bomb, sizeof bomb, 64, SIZE_MAX), KOFN_INVALID_ARGUMENT);
}

static void
values_of_all_levels_are_counted(void **state)
{
    (void)state;
    const char three[] = "\x92\x01\x02";
    assert_ok(scan_copy(three, 3, 8, 3));
    assert_fails(scan_copy(three, 3, 8, 2), KOFN_INVALID_ARGUMENT);
    const char pairs[] = "\x82\x01\x02\x03\x91\x04"; // the map, four values, one inside
    assert_ok(scan_copy(pairs, 6, 8, 6));
    assert_fails(scan_copy(pairs, 6, 8, 5), KOFN_INVALID_ARGUMENT);
}

static void
text_must_be_utf8_and_bin_need_not(void **state)
{
    (void)state;
    assert_ok(scan("\xa2\xc2\x80"));
    assert_ok(scan("\xa3\xed\x9f\xbf")); // U+D7FF
    assert_ok(scan("\xa4\xf4\x8f\xbf\xbf"));
    assert_fails(scan("\xa1\x80"), KOFN_INVALID_ARGUMENT);             // a continuation alone
    assert_fails(scan("\xa1\xc2"), KOFN_INVALID_ARGUMENT);             // cut
    assert_fails(scan("\xa2\xc0\x80"), KOFN_INVALID_ARGUMENT);         // overlong NUL
    assert_fails(scan("\xa3\xe0\x9f\xbf"), KOFN_INVALID_ARGUMENT);     // overlong
    assert_fails(scan("\xa3\xed\xa0\x80"), KOFN_INVALID_ARGUMENT);     // surrogate
    assert_fails(scan("\xa4\xf4\x90\x80\x80"), KOFN_INVALID_ARGUMENT); // above U+10FFFF
    assert_fails(scan("\xa1\xff"), KOFN_INVALID_ARGUMENT);
    assert_fails(scan("\x81\xa2\xc2x\x01"), KOFN_INVALID_ARGUMENT); // in a key
    assert_ok(scan("\xc4\x01\xff"));
}

static void
the_message_names_the_byte(void **state)
{
    (void)state;
    assert_fails(scan("\x93\x01\x02\xc1"), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "byte 3 of 4"));
}

/* Mostly heads of containers and short scalars, so that many strings are well-formed. */
static unsigned char
random_byte(kofn_rng *rng)
{
    static const unsigned char likely[] = {0x80, 0x81, 0x82, 0x90, 0x91, 0x92, 0xa0, 0xa1,
                                           0xc0, 0xc4, 0xcc, 0xd4, 0xd9, 0xdc, 0xde, 0x00};
    return kofn_rng_below(rng, 4) ? likely[kofn_rng_below(rng, sizeof likely)]
                                  : (unsigned char)kofn_rng_u64(rng);
}

static void
what_is_taken_msgpack_c_unpacks(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    size_t taken = 0;
    for (size_t trial = 0; trial < 200000; trial++) {
        unsigned char bytes[12];
        const size_t length = 1 + kofn_rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = random_byte(&rng);
        if (scan_copy(bytes, length, 8, 100) != KOFN_OK)
            continue;
        taken++;
        msgpack_unpacked result;
        msgpack_unpacked_init(&result);
        size_t end = 0;
        assert_int_equal(msgpack_unpack_next(&result, (const char *)bytes, length, &end),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(end, length);
        msgpack_unpacked_destroy(&result);
    }
    assert_true(taken > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_msgpack_is_taken),
        cmocka_unit_test(an_object_cut_short_anywhere_is_refused),
        cmocka_unit_test(bytes_behind_the_object_are_refused),
        cmocka_unit_test(the_reserved_byte_is_refused_at_every_level),
        cmocka_unit_test(counts_beyond_the_bytes_are_refused),
        cmocka_unit_test(depth_is_counted_in_containers),
        cmocka_unit_test(a_depth_bomb_is_refused),
        cmocka_unit_test(values_of_all_levels_are_counted),
        cmocka_unit_test(text_must_be_utf8_and_bin_need_not),
        cmocka_unit_test(the_message_names_the_byte),
        cmocka_unit_test(what_is_taken_msgpack_c_unpacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
