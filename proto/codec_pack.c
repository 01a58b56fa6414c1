/* Packing: a walk over the message's table into msgpack-c's packer. Each wire type is one row of
 * `writers`: is the value zero, and write it.
 */
#include "proto/codec.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack/pack.h>

static bool is_zero_message(const kofn_wire_message *of, const void *message);
static void pack_message(msgpack_packer *packer, const kofn_wire_message *of, const void *message);

static bool
is_zero_bool(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return !*(const bool *)at;
}

static void
pack_bool(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    (void)field;
    if (*(const bool *)at)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static bool
is_zero_integer(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return *(const uint64_t *)at == 0; // int64_t alike
}

static void
pack_u64(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    (void)field;
    msgpack_pack_uint64(packer, *(const uint64_t *)at);
}

static void
pack_i64(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    (void)field;
    msgpack_pack_int64(packer, *(const int64_t *)at);
}

static bool
is_zero_f64(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return *(const double *)at == 0;
}

static void
pack_f64(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    (void)field;
    msgpack_pack_double(packer, *(const double *)at);
}

static bool
is_zero_text(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return *(const char *)at == '\0';
}

static void
pack_bytes_as_text(msgpack_packer *packer, const void *bytes, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, bytes, length);
}

/* A peer refuses the whole message for one bad byte, so none leaves: sentences are cut at a byte
 * count, and may quote what was received. */
static void
pack_repaired_text(msgpack_packer *packer, const unsigned char *text, size_t length)
{
    unsigned char repaired[KOFN_TEXT_MAX];
    for (size_t at = 0; at < length;) {
        const size_t bytes = kofn_utf8_char(text + at, length - at);
        if (bytes == 0)
            repaired[at++] = '?';
        for (size_t i = 0; i < bytes; i++, at++)
            repaired[at] = text[at];
    }
    pack_bytes_as_text(packer, repaired, length);
}

static void
pack_text(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    const size_t length = strnlen(at, field->size);
    assert(length < field->size && field->size <= KOFN_TEXT_MAX);
    if (kofn_utf8_is_valid(at, length))
        pack_bytes_as_text(packer, at, length);
    else
        pack_repaired_text(packer, at, length);
}

static bool
is_zero_bytes(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return ((const kofn_wire_bytes *)at)->length == 0;
}

static void
pack_bytes(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    const kofn_wire_bytes *bytes = at;
    assert((double)bytes->length <= kofn_wire_field_max(field));
    (void)field; // only asserted
    msgpack_pack_bin(packer, bytes->length);
    msgpack_pack_bin_body(packer, bytes->at, bytes->length);
}

static bool
is_zero_nested(const kofn_wire_field *field, const void *at)
{
    return is_zero_message(field->of, at);
}

static void
pack_nested(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    pack_message(packer, field->of, at);
}

static bool
is_zero_list(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return ((const kofn_wire_list *)at)->count == 0;
}

static void
pack_list(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    const kofn_wire_list *list = at;
    assert((double)list->count <= kofn_wire_field_max(field));
    msgpack_pack_array(packer, list->count);
    for (size_t i = 0; i < list->count; i++)
        pack_message(packer, field->of,
                     (const unsigned char *)list->at + i * field->of->struct_size);
}

static bool
is_zero_raw(const kofn_wire_field *field, const void *at)
{
    (void)field;
    return ((const kofn_wire_raw *)at)->bytes == NULL;
}

static void
pack_raw(msgpack_packer *packer, const kofn_wire_field *field, const void *at)
{
    const kofn_wire_raw *raw = at;
    (void)field;
    if (raw->bytes)
        msgpack_pack_str_body(packer, raw->bytes, raw->length); // appends bytes as they are
    else
        msgpack_pack_nil(packer);
}

static const struct {
    bool (*is_zero)(const kofn_wire_field *field, const void *at);
    void (*pack)(msgpack_packer *packer, const kofn_wire_field *field, const void *at);
} writers[] = {
    [KOFN_WIRE_BOOL] = {is_zero_bool, pack_bool},
    [KOFN_WIRE_U64] = {is_zero_integer, pack_u64},
    [KOFN_WIRE_I64] = {is_zero_integer, pack_i64},
    [KOFN_WIRE_F64] = {is_zero_f64, pack_f64},
    [KOFN_WIRE_TEXT] = {is_zero_text, pack_text},
    [KOFN_WIRE_BYTES] = {is_zero_bytes, pack_bytes},
    [KOFN_WIRE_MESSAGE] = {is_zero_nested, pack_nested},
    [KOFN_WIRE_LIST] = {is_zero_list, pack_list},
    [KOFN_WIRE_RAW] = {is_zero_raw, pack_raw},
};

static const void *
field_of(const kofn_wire_field *field, const void *message)
{
    return (const unsigned char *)message + field->offset;
}

static bool
is_zero_message(const kofn_wire_message *of, const void *message)
{
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        if (!writers[field->type].is_zero(field, field_of(field, message)))
            return false;
    }
    return true;
}

/* The fields to be written, as a set of bits. */
static uint64_t
present_fields(const kofn_wire_message *of, const void *message)
{
    uint64_t present = 0;
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        if (field->required || !writers[field->type].is_zero(field, field_of(field, message)))
            present |= UINT64_C(1) << i;
    }
    return present;
}

static void
pack_message(msgpack_packer *packer, const kofn_wire_message *of, const void *message)
{
    const uint64_t present = present_fields(of, message);
    msgpack_pack_map(packer, (size_t)__builtin_popcountll(present) + of->envelope);
    if (of->envelope) {
        pack_bytes_as_text(packer, "type", 4);
        pack_bytes_as_text(packer, of->name, strlen(of->name));
    }
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        if (!(present >> i & 1))
            continue;
        pack_bytes_as_text(packer, field->name, strlen(field->name));
        writers[field->type].pack(packer, field, field_of(field, message));
    }
}

/* Where the packer writes. The first failure sticks and is looked at once, at the end. */
typedef struct sink {
    kofn_wire_buffer *buffer;
    size_t length_max;
    bool too_large, no_memory;
} sink;

static bool
reserve(sink *to, size_t more)
{
    kofn_wire_buffer *buffer = to->buffer;
    to->too_large |= more > to->length_max - buffer->length;
    if (to->too_large || to->no_memory)
        return false;
    if (more <= buffer->capacity - buffer->length)
        return true;

    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity - buffer->length < more)
        capacity *= 2;
    void *at = realloc(buffer->at, capacity);
    if (!at) {
        to->no_memory = true;
        return false;
    }
    buffer->at = at;
    buffer->capacity = capacity;
    return true;
}

static int
append(void *data, const char *bytes, size_t length)
{
    sink *to = data;
    if (length == 0) // an empty text; bytes may be NULL
        return 0;
    if (!reserve(to, length))
        return -1;
    memcpy(to->buffer->at + to->buffer->length, bytes, length);
    to->buffer->length += length;
    return 0;
}

kofn_status
kofn_message_pack(const kofn_wire_message *of, const void *message, kofn_wire_buffer *buffer,
                  kofn_error *err)
{
    const size_t before = buffer->length;
    sink to = {.buffer = buffer, .length_max = before + KOFN_ENVELOPE_BYTES_MAX};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &to, append);
    pack_message(&packer, of, message);
    if (!to.too_large && !to.no_memory)
        return KOFN_OK;

    buffer->length = before;
    if (to.too_large)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "the %s passes the largest envelope, %d bytes: ask for less at a time",
                         of->name, KOFN_ENVELOPE_BYTES_MAX);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to pack the %s", of->name);
}

void
kofn_wire_buffer_fini(kofn_wire_buffer *buffer)
{
    free(buffer->at);
    *buffer = (kofn_wire_buffer){0};
}
