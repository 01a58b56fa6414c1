#include "proto/codec.h"

#include "tests/assert.h"

#include "common/base/rng.h"

#include <float.h>
#include <math.h>
#include <msgpack.h>

static kofn_error error;

/* A message with a field of each type, and a part that nests. */
typedef struct part {
    uint64_t number;
    char name[8];
    kofn_wire_list parts;
} part;

typedef struct sample {
    bool flag;
    uint64_t count, small;
    int64_t balance;
    double ratio;
    char name[8];
    char needed[8];
    part nested;
    kofn_wire_list parts;
    kofn_wire_raw any;
    kofn_wire_bytes bits;
} sample;

#define ROW(of_, key_)                                                                             \
    .name = #key_, .offset = offsetof(of_, key_), .size = sizeof(((of_ *)0)->key_)

static const kofn_wire_message part_message;

static const kofn_wire_field part_fields[] = {
    {ROW(part, number), .type = KOFN_WIRE_U64, .required = true},
    {ROW(part, name), .type = KOFN_WIRE_TEXT},
    {ROW(part, parts), .type = KOFN_WIRE_LIST, .max = 4, .of = &part_message},
};
static const kofn_wire_message part_message = {
    .name = "part", .fields = part_fields, .count = 3, .struct_size = sizeof(part)};

static const kofn_wire_field sample_fields[] = {
    {ROW(sample, flag), .type = KOFN_WIRE_BOOL},
    {ROW(sample, count), .type = KOFN_WIRE_U64},
    {ROW(sample, small), .type = KOFN_WIRE_U64, .max = 100},
    {ROW(sample, balance), .type = KOFN_WIRE_I64, .max = 1000},
    {ROW(sample, ratio), .type = KOFN_WIRE_F64},
    {ROW(sample, name), .type = KOFN_WIRE_TEXT},
    {ROW(sample, needed), .type = KOFN_WIRE_TEXT, .required = true},
    {ROW(sample, nested), .type = KOFN_WIRE_MESSAGE, .of = &part_message},
    {ROW(sample, parts), .type = KOFN_WIRE_LIST, .max = 3, .of = &part_message},
    {ROW(sample, any), .type = KOFN_WIRE_RAW},
    {ROW(sample, bits), .type = KOFN_WIRE_BYTES, .max = 3},
};
static const kofn_wire_message sample_message = {
    .name = "sample", .fields = sample_fields, .count = 11, .struct_size = sizeof(sample)};

/* Unpack a copy of exactly the right size. Raw slices dangle afterwards. */
static kofn_status
unpack_copy(const void *bytes, size_t length, sample *ret_sample)
{
    void *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    kofn_status status = kofn_message_unpack(&sample_message, copy, length, ret_sample, &error);
    free(copy);
    return status;
}

/* A literal behind the map head and "needed": "y", so that it is a whole sample of `pairs_` more
 * pairs. */
#define unpack(pairs_, literal_, ret_)                                                             \
    unpack_copy(with_needed((pairs_), (literal_), sizeof(literal_) - 1), sizeof(literal_) + 9,     \
                (ret_))

static const void *
with_needed(unsigned pairs, const char *literal, size_t length)
{
    static char bytes[4096];
    assert_true(length + 10 <= sizeof bytes && pairs < 15);
    bytes[0] = (char)(0x81 + pairs);
    memcpy(bytes + 1, "\xa6needed\xa1y", 9);
    memcpy(bytes + 10, literal, length);
    return bytes;
}

static sample
full_sample(void)
{
    static part inner[2] = {{.number = 7, .name = "seven"}, {.number = 0}};
    static unsigned char bits[] = {0x00, 0xff, 0x80};
    static part outer[1] = {{.number = 9, .name = "nine", .parts = {inner, 2}}};
    return (sample){
        .flag = true,
        .count = UINT64_MAX,
        .small = 100,
        .balance = INT64_MIN,
        .ratio = -DBL_MIN,
        .name = "h\xc3\xa9llo",
        .needed = "1234567",
        .nested = {.number = 1, .name = "one"},
        .parts = {outer, 1},
        .any = {"\x92\x01\xa1x", 4},
        .bits = {bits, sizeof bits},
    };
}

static void
assert_same_part(const part *a, const part *b)
{
    assert_int_equal(a->number, b->number);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->parts.count, b->parts.count);
    for (size_t i = 0; i < a->parts.count; i++)
        assert_same_part((const part *)a->parts.at + i, (const part *)b->parts.at + i);
}

static void
assert_same_sample(const sample *a, const sample *b)
{
    assert_int_equal(a->flag, b->flag);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->small, b->small);
    assert_int_equal(a->balance, b->balance);
    assert_memory_equal(&a->ratio, &b->ratio, sizeof a->ratio);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->needed, b->needed);
    assert_same_part(&a->nested, &b->nested);
    assert_int_equal(a->parts.count, b->parts.count);
    for (size_t i = 0; i < a->parts.count; i++)
        assert_same_part((const part *)a->parts.at + i, (const part *)b->parts.at + i);
    assert_int_equal(a->any.length, b->any.length);
    assert_memory_equal(a->any.bytes, b->any.bytes, a->any.length);
    assert_int_equal(a->bits.length, b->bits.length);
    assert_memory_equal(a->bits.at, b->bits.at, a->bits.length);
}

static void
what_is_packed_unpacks_to_the_same(void **state)
{
    (void)state;
    const sample out = full_sample();
    kofn_wire_buffer buffer = {0};
    sample in;
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    assert_ok(kofn_message_unpack(&sample_message, buffer.at, buffer.length, &in, &error));
    assert_same_sample(&out, &in);
    kofn_message_clear(&sample_message, &in);
    kofn_wire_buffer_fini(&buffer);
}

static void
packing_appends(void **state)
{
    (void)state;
    const sample out = {.needed = "x"};
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    const size_t one = buffer.length;
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    assert_int_equal(buffer.length, 2 * one);
    assert_memory_equal(buffer.at, buffer.at + one, one);
    kofn_wire_buffer_fini(&buffer);
}

static void
zero_fields_are_left_out_unless_required(void **state)
{
    (void)state;
    const sample out = {0};
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    assert_int_equal(buffer.length, 9);
    assert_memory_equal(buffer.at, "\x81\xa6needed\xa0", 9);
    kofn_wire_buffer_fini(&buffer);
}

static void
an_envelope_starts_with_its_type(void **state)
{
    (void)state;
    kofn_wire_message envelope = sample_message;
    envelope.envelope = true;
    const sample out = {.needed = "x"};
    sample in;
    char type[16];
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&envelope, &out, &buffer, &error));
    assert_memory_equal(buffer.at, "\x82\xa4type\xa6sample", 13);
    assert_ok(kofn_message_peek(buffer.at, buffer.length, "type", type, sizeof type, &error));
    assert_string_equal(type, "sample");
    assert_ok(kofn_message_unpack(&envelope, buffer.at, buffer.length, &in, &error));
    assert_string_equal(in.needed, "x");
    kofn_wire_buffer_fini(&buffer);
}

static void
missing_keys_are_zero(void **state)
{
    (void)state;
    sample in;
    memset(&in, 0x55, sizeof in);
    assert_ok(unpack(0, "", &in));
    const sample zero = {.needed = "y"};
    assert_memory_equal(&in, &zero, sizeof in);
}

static void
a_missing_required_key_is_named(void **state)
{
    (void)state;
    sample in;
    assert_fails(unpack_copy("\x80", 1, &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: needed: required, but missing");
    assert_fails(unpack(1, "\xa6nested\x80", &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: nested: number: required, but missing");
    assert_fails(unpack(1, "\xa5parts\x92\x81\xa6number\x01\x80", &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: parts[1]: number: required, but missing");
}

static void
absent_bytes_are_an_empty_map(void **state)
{
    (void)state;
    part in;
    sample whole;
    kofn_wire_message optional = part_message;
    optional.fields = &part_fields[1];
    optional.count = 1;
    assert_ok(kofn_message_unpack(&optional, NULL, 0, &in, &error));
    assert_string_equal(in.name, "");
    assert_fails(kofn_message_unpack(&sample_message, NULL, 0, &whole, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack_copy("", 0, &whole), KOFN_INVALID_ARGUMENT); // present, but no object
}

static void
unknown_keys_are_skipped_with_all_inside(void **state)
{
    (void)state;
    sample in;
    assert_ok(
        unpack(3, "\xa5later\x82\x01\x92\xc0\xa1x\xa1m\x80\xa1q\xc4\x01\xff\xa4name\xa2ok", &in));
    assert_string_equal(in.name, "ok");
    assert_ok(unpack(2, "\xa6nested\x82\xa3new\x91\x90\xa6number\x05\xa5newer\xd4\x01\x02", &in));
    assert_int_equal(in.nested.number, 5);
}

static void
keys_come_in_any_order(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(4,
                     "\xa5ratio\x02\xa5small\x03\xa4name\xa1n\xa4"
                     "flag\xc3",
                     &in));
    assert_true(in.flag && in.ratio == 2 && in.small == 3);
    assert_string_equal(in.name, "n");
}

/* They are the message's own: what they came in may go. */
static void
bytes_are_bounded_and_copied(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1,
                     "\xa4"
                     "bits\xc4\x03\x01\0\xff",
                     &in));
    assert_int_equal(in.bits.length, 3);
    assert_memory_equal(in.bits.at, "\x01\0\xff", 3);
    kofn_message_clear(&sample_message, &in);
    assert_null(in.bits.at);
    assert_ok(unpack(1,
                     "\xa4"
                     "bits\xc5\0\x01x",
                     &in)); // a longer head than it takes
    assert_int_equal(in.bits.length, 1);
    kofn_message_clear(&sample_message, &in);
    assert_ok(unpack(1,
                     "\xa4"
                     "bits\xc4\0",
                     &in));
    assert_null(in.bits.at);
    assert_fails(unpack(1,
                        "\xa4"
                        "bits\xc4\x04"
                        "1234",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: bits: 4 bytes, at most 3 are taken");
    assert_fails(unpack(1,
                        "\xa4"
                        "bits\xa1x",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(2,
                        "\xa4"
                        "bits\xc4\x01x\xa4"
                        "bits\xc4\x01x",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(2,
                        "\xa4"
                        "bits\xc4\x01x\xa5small\xff",
                        &in),
                 KOFN_INVALID_ARGUMENT);
}

static void
nil_counts_as_missing(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(4,
                     "\xa5parts\xc0\xa4name\xc0\xa3"
                     "any\xc0\xa5ratio\xc0",
                     &in));
    assert_int_equal(in.parts.count, 0);
    assert_null(in.any.bytes);
    assert_fails(unpack_copy("\x81\xa6needed\xc0", 9, &in), KOFN_INVALID_ARGUMENT);
}

static void
a_key_given_twice_is_refused(void **state)
{
    (void)state;
    sample in;
    assert_fails(unpack(2, "\xa5small\x01\xa5small\x02", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(2, "\xa5parts\x91\x81\xa6number\x01\xa5parts\x90", &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa6needed\xa1z", &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: needed: given twice");
}

static void
keys_must_be_text(void **state)
{
    (void)state;
    sample in;
    assert_fails(unpack(1, "\x01\x01", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xc4\x04name\xa1x", &in), KOFN_INVALID_ARGUMENT);
    assert_ok(unpack(1, "\xa5name\0\xa1x", &in)); // a key of five bytes, and not ours
    assert_string_equal(in.name, "");
}

static void
a_value_of_another_type_is_refused(void **state)
{
    (void)state;
    sample in;
    assert_fails(unpack(1,
                        "\xa4"
                        "flag\x01",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa5"
                        "count\xff",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa5"
                        "count\xcb\x3f\xf0\0\0\0\0\0\0",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa5"
                        "count\xa1"
                        "1",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa7"
                        "balance\xc3",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa5ratio\xa1"
                        "1",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa4name\xc4\x01x", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa4name\x01", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa6nested\x90", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa5parts\x80", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa5parts\x91\x01", &in), KOFN_INVALID_ARGUMENT);
    assert_fails(unpack_copy("\x91\x01", 2, &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: want a map, got an array");
}

static void
integers_are_read_in_every_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } fives[] = {{"\x05", 1},
                 {"\xcc\x05", 2},
                 {"\xcd\0\x05", 3},
                 {"\xce\0\0\0\x05", 5},
                 {"\xcf\0\0\0\0\0\0\0\x05", 9},
                 {"\xd0\x05", 2},
                 {"\xd1\0\x05", 3},
                 {"\xd2\0\0\0\x05", 5},
                 {"\xd3\0\0\0\0\0\0\0\x05", 9}};
    for (size_t i = 0; i < sizeof fives / sizeof fives[0]; i++) {
        char pair[32] = "\xa5"
                        "count";
        sample in;
        memcpy(pair + 6, fives[i].bytes, fives[i].length);
        assert_ok(
            unpack_copy(with_needed(1, pair, 6 + fives[i].length), 16 + fives[i].length, &in));
        assert_int_equal(in.count, 5);
    }
}

static void
negative_integers_keep_their_value(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xff",
                     &in));
    assert_int_equal(in.balance, -1);
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xe0",
                     &in));
    assert_int_equal(in.balance, -32);
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xd0\x80",
                     &in));
    assert_int_equal(in.balance, -128);
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xd1\x80\x00",
                     &in));
    assert_int_equal(in.balance, -32768);
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xd2\x80\0\0\0",
                     &in));
    assert_int_equal(in.balance, INT32_MIN);
    assert_ok(unpack(1,
                     "\xa7"
                     "balance\xd3\x80\0\0\0\0\0\0\0",
                     &in));
    assert_true(in.balance == INT64_MIN);
    assert_ok(unpack(1, "\xa5ratio\xd0\x80", &in));
    assert_true(in.ratio == -128);
}

static void
floats_are_read_in_both_widths(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1, "\xa5ratio\xca\x3f\xc0\0\0", &in));
    assert_true(in.ratio == 1.5);
    assert_ok(unpack(1, "\xa5ratio\xcb\xbf\xf8\0\0\0\0\0\0", &in));
    assert_true(in.ratio == -1.5);
    assert_ok(unpack(1, "\xa5ratio\xcb\x7f\xf8\0\0\0\0\0\0", &in));
    assert_true(isnan(in.ratio));
    assert_ok(unpack(1, "\xa5ratio\xcb\x7f\xf0\0\0\0\0\0\0", &in));
    assert_true(isinf(in.ratio));
}

static void
numbers_beyond_their_limit_are_refused(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1, "\xa5small\x64", &in));
    assert_fails(unpack(1, "\xa5small\x65", &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: small: 101 is above the largest value, 100");
    assert_fails(unpack(1, "\xa5small\xcf\xff\xff\xff\xff\xff\xff\xff\xff", &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa7"
                        "balance\xcd\x03\xe9",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1,
                        "\xa7"
                        "balance\xcf\x80\0\0\0\0\0\0\0",
                        &in),
                 KOFN_INVALID_ARGUMENT);
}

static void
text_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1, "\xa4name\xa7seventy", &in));
    assert_string_equal(in.name, "seventy");
    assert_fails(unpack(1,
                        "\xa4name\xa8"
                        "eightyyy",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: name: a text of 8 bytes, at most 7 fit");
    assert_fails(unpack(1,
                        "\xa4name\xa3"
                        "a\0b",
                        &in),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(unpack(1, "\xa4name\xa1\xff", &in), KOFN_INVALID_ARGUMENT);
}

static void
lists_beyond_their_limit_are_refused_before_they_are_allocated(void **state)
{
    (void)state;
    sample in;
    assert_ok(
        unpack(1, "\xa5parts\x93\x81\xa6number\x01\x81\xa6number\x02\x81\xa6number\x03", &in));
    assert_int_equal(in.parts.count, 3);
    kofn_message_clear(&sample_message, &in);
    assert_fails(unpack(1, "\xa5parts\x94\x80\x80\x80\x80", &in), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "sample: parts: a list of 4 entries, at most 3 are taken");
    assert_fails(unpack(1, "\xa5parts\xdd\xff\xff\xff\xff", &in), KOFN_INVALID_ARGUMENT);
}

static void
an_empty_list_is_no_list(void **state)
{
    (void)state;
    sample in;
    assert_ok(unpack(1, "\xa5parts\x90", &in));
    assert_int_equal(in.parts.count, 0);
    assert_null(in.parts.at);
}

static void
a_message_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    const sample out = full_sample();
    kofn_wire_buffer buffer = {0};
    sample in, zero = {0};
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    for (size_t length = 0; length < buffer.length; length++) {
        assert_fails(unpack_copy(buffer.at, length, &in), KOFN_INVALID_ARGUMENT);
        assert_memory_equal(&in, &zero, sizeof in); // cleared again
    }
    kofn_wire_buffer_fini(&buffer);
}

/* Each byte of a good message set to each of some bad values: taken or refused, and never a leak or
 * a read outside (under sanitizers and valgrind). */
static void
a_message_with_any_byte_changed_is_taken_or_refused(void **state)
{
    (void)state;
    static const unsigned char bad[] = {0x00, 0x80, 0x8f, 0x9f, 0xa1, 0xc0, 0xc1, 0xc6,
                                        0xcb, 0xd9, 0xdb, 0xdd, 0xdf, 0xe0, 0xff};
    const sample out = full_sample();
    kofn_wire_buffer buffer = {0};
    sample in;
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    for (size_t at = 0; at < buffer.length; at++) {
        const unsigned char good = buffer.at[at];
        for (size_t i = 0; i < sizeof bad; i++) {
            buffer.at[at] = bad[i];
            if (unpack_copy(buffer.at, buffer.length, &in) == KOFN_OK)
                kofn_message_clear(&sample_message, &in);
        }
        buffer.at[at] = good;
    }
    kofn_wire_buffer_fini(&buffer);
}

static void
a_raw_field_is_carried_as_it_is(void **state)
{
    (void)state;
    static const char bytes[] = "\x82\xa6needed\xa1y\xa3"
                                "any\x92\xcc\x01\x81\xa1k\xc4\x01\xff";
    sample in;
    assert_ok(kofn_message_unpack(&sample_message, bytes, sizeof bytes - 1, &in, &error));
    assert_int_equal(in.any.length, 9);
    assert_ptr_equal(in.any.bytes, bytes + 14);
}

static void
a_text_cut_inside_a_character_is_repaired_when_packed(void **state)
{
    (void)state;
    sample out = {.needed = "x"}, in;
    memcpy(out.name, "gut\xe2\x82", 6);
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
    assert_ok(kofn_message_unpack(&sample_message, buffer.at, buffer.length, &in, &error));
    assert_string_equal(in.name, "gut??");
    kofn_wire_buffer_fini(&buffer);
}

static void
an_envelope_too_large_is_refused_by_both_sides(void **state)
{
    (void)state;
    static char large[KOFN_ENVELOPE_BYTES_MAX];
    memset(large, 0, sizeof large);
    memcpy(large, "\xc6\0\x0f\xff\xf0", 5);
    const sample out = {.needed = "x", .any = {large, 5 + 0xffff0}};
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_message_pack(&part_message, &(part){.number = 1}, &buffer, &error));
    const size_t before = buffer.length;
    assert_fails(kofn_message_pack(&sample_message, &out, &buffer, &error),
                 KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(buffer.length, before);
    assert_ok(kofn_message_pack(&part_message, &(part){.number = 1}, &buffer, &error));
    kofn_wire_buffer_fini(&buffer);

    static char larger[KOFN_ENVELOPE_BYTES_MAX + 1];
    sample in;
    memset(larger, '\x01', sizeof larger);
    assert_fails(unpack_copy(larger, sizeof larger, &in), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "1048577"));
}

static void
peek_finds_a_text_at_the_top_level_only(void **state)
{
    (void)state;
    char text[5];
    static const char bytes[] = "\x83\xa1k\x81\xa4type\xa3"
                                "bad\x01\x02\xa4type\xa4good";
    const size_t length = sizeof bytes - 1;
    assert_ok(kofn_message_peek(bytes, length, "type", text, sizeof text, &error));
    assert_string_equal(text, "good");
    assert_fails(kofn_message_peek(bytes, length, "type", text, 4, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_message_peek(bytes, length, "k", text, 5, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_message_peek(bytes, length, "typ", text, 5, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_message_peek("\x01", 1, "type", text, 5, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_message_peek("\x81", 1, "type", text, 5, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_message_peek(NULL, 0, "type", text, 5, &error), KOFN_INVALID_ARGUMENT);
    assert_string_equal(text, "good"); // untouched
}

static sample
random_sample(kofn_rng *rng, part parts[3])
{
    sample s = {
        .flag = kofn_rng_below(rng, 2),
        .count = kofn_rng_u64(rng) >> kofn_rng_below(rng, 64),
        .small = kofn_rng_below(rng, 101),
        .balance = -(int64_t)(kofn_rng_u64(rng) >> (1 + kofn_rng_below(rng, 63))),
        .ratio = kofn_rng_normal(rng),
        .nested.number = kofn_rng_below(rng, 1000),
        .parts = {parts, kofn_rng_below(rng, 4)},
        .any = {"\xc3", 1},
    };
    for (size_t i = 0; i < 3; i++)
        parts[i] = (part){.number = kofn_rng_u64(rng)};
    for (size_t i = kofn_rng_below(rng, 8); i > 0; i--)
        s.name[i - 1] = (char)('a' + kofn_rng_below(rng, 26));
    return s;
}

static void
random_messages_make_the_round_trip(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    kofn_wire_buffer buffer = {0};
    for (size_t trial = 0; trial < 5000; trial++) {
        part parts[3];
        const sample out = random_sample(&rng, parts);
        sample in;
        buffer.length = 0;
        assert_ok(kofn_message_pack(&sample_message, &out, &buffer, &error));
        assert_ok(kofn_message_unpack(&sample_message, buffer.at, buffer.length, &in, &error));
        assert_same_sample(&out, &in);
        kofn_message_clear(&sample_message, &in);
    }
    kofn_wire_buffer_fini(&buffer);
}

static void
types_and_limits_have_words(void **state)
{
    (void)state;
    char type[32];
    kofn_wire_type_format(&sample_fields[0], type, sizeof type);
    assert_string_equal(type, "bool");
    kofn_wire_type_format(&sample_fields[7], type, sizeof type);
    assert_string_equal(type, "part");
    kofn_wire_type_format(&sample_fields[8], type, sizeof type);
    assert_string_equal(type, "list of part");
    assert_true(kofn_wire_field_max(&sample_fields[2]) == 100);
    assert_true(kofn_wire_field_max(&sample_fields[5]) == 7);
    assert_true(kofn_wire_field_max(&sample_fields[8]) == 3);
    const kofn_wire_field open = {.type = KOFN_WIRE_LIST};
    assert_true(kofn_wire_field_max(&open) == KOFN_LIST_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_unpacks_to_the_same),
        cmocka_unit_test(packing_appends),
        cmocka_unit_test(zero_fields_are_left_out_unless_required),
        cmocka_unit_test(an_envelope_starts_with_its_type),
        cmocka_unit_test(missing_keys_are_zero),
        cmocka_unit_test(a_missing_required_key_is_named),
        cmocka_unit_test(absent_bytes_are_an_empty_map),
        cmocka_unit_test(unknown_keys_are_skipped_with_all_inside),
        cmocka_unit_test(keys_come_in_any_order),
        cmocka_unit_test(bytes_are_bounded_and_copied),
        cmocka_unit_test(nil_counts_as_missing),
        cmocka_unit_test(a_key_given_twice_is_refused),
        cmocka_unit_test(keys_must_be_text),
        cmocka_unit_test(a_value_of_another_type_is_refused),
        cmocka_unit_test(integers_are_read_in_every_encoding),
        cmocka_unit_test(negative_integers_keep_their_value),
        cmocka_unit_test(floats_are_read_in_both_widths),
        cmocka_unit_test(numbers_beyond_their_limit_are_refused),
        cmocka_unit_test(text_that_does_not_fit_is_refused),
        cmocka_unit_test(lists_beyond_their_limit_are_refused_before_they_are_allocated),
        cmocka_unit_test(an_empty_list_is_no_list),
        cmocka_unit_test(a_message_cut_short_anywhere_is_refused),
        cmocka_unit_test(a_message_with_any_byte_changed_is_taken_or_refused),
        cmocka_unit_test(a_raw_field_is_carried_as_it_is),
        cmocka_unit_test(a_text_cut_inside_a_character_is_repaired_when_packed),
        cmocka_unit_test(an_envelope_too_large_is_refused_by_both_sides),
        cmocka_unit_test(peek_finds_a_text_at_the_top_level_only),
        cmocka_unit_test(random_messages_make_the_round_trip),
        cmocka_unit_test(types_and_limits_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
