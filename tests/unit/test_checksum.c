#include "proto/link/checksum.h"
#include "tests/assert.h"

#include "proto/messages.h"

/* CRC32C of "123456789" (RFC 3720's polynomial), without the final inversion. */
static void
sums_are_crc32c(void **state)
{
    (void)state;
    assert_int_equal(~kofn_checksum_add(UINT32_MAX, "123456789", 9), 0xe3069283);
    const uint32_t halves = kofn_checksum_add(UINT32_MAX, "1234", 4);
    assert_int_equal(~kofn_checksum_add(halves, "56789", 5), 0xe3069283);
    assert_int_equal(kofn_checksum_add(7, NULL, 0), 7);
}

static void
the_entry_goes_first_and_its_value_is_left_out_of_the_sum(void **state)
{
    (void)state;
    static const char head[] = "\x81\xa4type\xa3"
                               "bye";
    unsigned char summed[sizeof head + KOFN_CHECKSUM_ROOM];
    const size_t length = kofn_checksum_insert(head, sizeof head - 1, summed);
    assert_int_equal(length, sizeof head - 1 + 9);
    assert_memory_equal(summed,
                        "\x82\xa3"
                        "crc\xce\0\0\0\0\xa4type\xa3"
                        "bye",
                        length);
    const size_t place = kofn_checksum_find(summed, length);
    assert_int_equal(place, 6);
    const uint32_t sum = kofn_checksum_of_head(summed, length, place);
    kofn_checksum_put(summed, place, 0x12345678);
    assert_int_equal(kofn_checksum_get(summed, place), 0x12345678);
    assert_int_equal(kofn_checksum_of_head(summed, length, place), sum);
    for (size_t bit = 0; bit < 8 * length; bit++) { // each one counts, but for the entry's
        if (bit / 8 >= 1 && bit / 8 < 10)
            continue;
        summed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_not_equal(kofn_checksum_of_head(summed, length, place), sum);
        summed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void
maps_of_all_sizes_take_an_entry(void **state)
{
    (void)state;
    unsigned char head[3 + 70000], summed[sizeof head + KOFN_CHECKSUM_ROOM];
    memset(head, 1, sizeof head);
    head[0] = 0x8e; // 14: stays small
    assert_int_equal(kofn_checksum_insert(head, 29, summed), 38);
    assert_int_equal(summed[0], 0x8f);
    head[0] = 0x8f; // 15: grows
    assert_int_equal(kofn_checksum_insert(head, 31, summed), 42);
    assert_memory_equal(summed, "\xde\x00\x10", 3);
    assert_int_equal(kofn_checksum_find(summed, 42), 8);
    memcpy(head, "\xde\x01\x00", 3);
    assert_int_equal(kofn_checksum_insert(head, 3 + 512, summed), 3 + 512 + 9);
    assert_memory_equal(summed, "\xde\x01\x01", 3);
    memcpy(head, "\xde\xff\xff", 3);
    assert_int_equal(kofn_checksum_insert(head, sizeof head, summed), 0);
}

static void
what_is_no_map_or_too_short_has_no_entry(void **state)
{
    (void)state;
    static const char whole[] = "\x81\xa3"
                                "crc\xce\1\2\3\4";
    for (size_t length = 0; length < sizeof whole - 1; length++)
        assert_int_equal(kofn_checksum_find(whole, length), 0);
    assert_int_equal(kofn_checksum_find(whole, sizeof whole - 1), 6);
    assert_int_equal(kofn_checksum_find("\x80\xa3"
                                        "crc\xce\1\2\3\4",
                                        10),
                     0);
    assert_int_equal(kofn_checksum_find("\x91\xa3"
                                        "crc\xce\1\2\3\4",
                                        10),
                     0);
    unsigned char to[32];
    assert_int_equal(kofn_checksum_insert("\x91\x01", 2, to), 0);
    assert_int_equal(kofn_checksum_insert("", 0, to), 0);
}

/* To whoever does not know it, it is an unknown key. */
static void
envelopes_are_read_as_before(void **state)
{
    (void)state;
    kofn_error error;
    kofn_wire_buffer buffer = {0};
    const kofn_msg_bye bye = {.reason = "enough"};
    kofn_msg_bye read;
    assert_ok(kofn_message_pack(&kofn_bye_message, &bye, &buffer, &error));
    unsigned char *summed = malloc(buffer.length + KOFN_CHECKSUM_ROOM);
    assert_non_null(summed);
    const size_t length = kofn_checksum_insert(buffer.at, buffer.length, summed);
    assert_ok(kofn_message_unpack(&kofn_bye_message, summed, length, &read, &error));
    assert_string_equal(read.reason, "enough");
    kofn_wire_buffer_fini(&buffer);
    free(summed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_crc32c),
        cmocka_unit_test(the_entry_goes_first_and_its_value_is_left_out_of_the_sum),
        cmocka_unit_test(maps_of_all_sizes_take_an_entry),
        cmocka_unit_test(what_is_no_map_or_too_short_has_no_entry),
        cmocka_unit_test(envelopes_are_read_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
