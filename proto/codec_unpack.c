/* Unpacking: a walk over the received map, after the scan, straight into the message's struct. Each
 * wire type is one row of `readers`.
 */
#include "proto/codec.h"
#include "proto/scan.h"
#include "proto/token.h"
#include "proto/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kofn_status unpack_message(const kofn_wire_message *of, kofn_cursor *cursor, void *message,
                                  kofn_error *err);

kofn_status
kofn_wire_list_new(size_t count, size_t entry_size, kofn_wire_list *ret_list, kofn_error *err)
{
    kofn_wire_list list = {.count = count};
    if (count > 0) {
        list.at = calloc(count, entry_size);
        if (!list.at)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of %zu entries",
                             count);
    }
    *ret_list = list;
    return KOFN_OK;
}

static size_t
list_max(const kofn_wire_field *field)
{
    return field->max > 0 ? (size_t)field->max : KOFN_LIST_MAX;
}

static void *
list_get(const kofn_wire_list *list, const kofn_wire_message *of, size_t i)
{
    return (unsigned char *)list->at + i * of->struct_size;
}

void
kofn_wire_type_format(const kofn_wire_field *field, char *ret_text, size_t size)
{
    static const char *const names[] = {
        [KOFN_WIRE_BOOL] = "bool", [KOFN_WIRE_U64] = "u64",   [KOFN_WIRE_I64] = "i64",
        [KOFN_WIRE_F64] = "f64",   [KOFN_WIRE_TEXT] = "text", [KOFN_WIRE_BYTES] = "bytes",
        [KOFN_WIRE_RAW] = "any",
    };
    if (field->type == KOFN_WIRE_LIST)
        (void)snprintf(ret_text, size, "list of %s", field->of->name); // names are ours, and short
    else
        (void)snprintf(ret_text, size, "%s",
                       field->type == KOFN_WIRE_MESSAGE ? field->of->name : names[field->type]);
}

double
kofn_wire_field_max(const kofn_wire_field *field)
{
    if (field->type == KOFN_WIRE_TEXT)
        return (double)(field->size - 1);
    return field->type == KOFN_WIRE_LIST ? (double)list_max(field) : field->max;
}

/* The field's value has the wrong kind. */
static kofn_status
fail_kind(const kofn_wire_field *field, const kofn_token *token, kofn_error *err)
{
    char wanted[KOFN_METHOD_MAX];
    kofn_wire_type_format(field, wanted, sizeof wanted);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: want %s, got %s", field->name, wanted,
                     kofn_token_kind_name(token->kind));
}

/* A number passes the field's own largest value. */
static kofn_status
fail_max(const kofn_wire_field *field, double value, kofn_error *err)
{
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: %.17g is above the largest value, %.17g",
                     field->name, value, field->max);
}

/* Scanned bytes hold a token wherever one is due. */
static kofn_token
next_token(kofn_cursor *cursor)
{
    kofn_token token = {0};
    const bool whole = kofn_cursor_next(cursor, &token);
    assert(whole && "unpacked bytes were scanned");
    (void)whole; // only asserted
    return token;
}

static void
skip_object(kofn_cursor *cursor)
{
    const bool whole = kofn_cursor_skip(cursor);
    assert(whole && "unpacked bytes were scanned");
    (void)whole; // only asserted
}

static kofn_status
unpack_bool(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind != KOFN_TOKEN_BOOL)
        return fail_kind(field, &token, err);
    *(bool *)at = token.number != 0;
    return KOFN_OK;
}

static kofn_status
unpack_u64(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind != KOFN_TOKEN_UINT)
        return fail_kind(field, &token, err);
    if (field->max > 0 && (double)token.number > field->max)
        return fail_max(field, (double)token.number, err);
    *(uint64_t *)at = token.number;
    return KOFN_OK;
}

static kofn_status
unpack_i64(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind == KOFN_TOKEN_UINT && token.number > INT64_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: %" PRIu64 " does not fit 64 signed bits",
                         field->name, token.number);
    if (token.kind != KOFN_TOKEN_UINT && token.kind != KOFN_TOKEN_NEGATIVE)
        return fail_kind(field, &token, err);
    const int64_t value = (int64_t)token.number;
    if (field->max > 0 && (double)value > field->max)
        return fail_max(field, (double)value, err);
    *(int64_t *)at = value;
    return KOFN_OK;
}

static kofn_status
unpack_f64(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    double value = token.real;
    if (token.kind == KOFN_TOKEN_UINT)
        value = (double)token.number;
    else if (token.kind == KOFN_TOKEN_NEGATIVE)
        value = (double)(int64_t)token.number;
    else if (token.kind != KOFN_TOKEN_REAL)
        return fail_kind(field, &token, err);
    if (field->max > 0 && value > field->max)
        return fail_max(field, value, err);
    *(double *)at = value;
    return KOFN_OK;
}

/* Copy a text token to ret_text [size]; `name` stands for it in messages. */
static kofn_status
copy_text(const char *name, const kofn_token *token, char *ret_text, size_t size, kofn_error *err)
{
    const size_t length = (size_t)token->number;
    if (length >= size)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: a text of %zu bytes, at most %zu fit",
                         name, length, size - 1);
    if (memchr(token->bytes, '\0', length))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: a text with a NUL inside", name);
    memcpy(ret_text, token->bytes, length);
    ret_text[length] = '\0';
    return KOFN_OK;
}

static kofn_status
unpack_text(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind != KOFN_TOKEN_TEXT)
        return fail_kind(field, &token, err);
    return copy_text(field->name, &token, at, field->size, err);
}

static kofn_status
unpack_bytes(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind != KOFN_TOKEN_BIN)
        return fail_kind(field, &token, err);
    if ((double)token.number > field->max)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: %" PRIu64 " bytes, at most %.17g are taken", field->name,
                         token.number, field->max);
    if (token.number == 0)
        return KOFN_OK;
    kofn_wire_bytes *bytes = at;
    bytes->at = malloc((size_t)token.number);
    if (!bytes->at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %" PRIu64 " bytes",
                         field->name, token.number);
    bytes->length = (size_t)token.number;
    memcpy(bytes->at, token.bytes, bytes->length);
    return KOFN_OK;
}

static kofn_status
unpack_nested(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_status status = unpack_message(field->of, cursor, at, err);
    if (status != KOFN_OK)
        (void)kofn_fail_within(err, "%s", field->name); // the status stays
    return status;
}

static kofn_status
unpack_list(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    const kofn_token token = next_token(cursor);
    if (token.kind != KOFN_TOKEN_ARRAY)
        return fail_kind(field, &token, err);
    if (token.number > list_max(field))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s: a list of %" PRIu64 " entries, at most %zu are taken", field->name,
                         token.number, list_max(field));

    /* The message holds the list from here on, so whoever fails below leaves it to be cleared. */
    kofn_wire_list *list = at;
    kofn_status status =
        kofn_wire_list_new((size_t)token.number, field->of->struct_size, list, err);
    for (size_t i = 0; status == KOFN_OK && i < list->count; i++) {
        status = unpack_message(field->of, cursor, list_get(list, field->of, i), err);
        if (status != KOFN_OK)
            (void)kofn_fail_within(err, "%s[%zu]", field->name, i); // the status stays
    }
    return status;
}

static kofn_status
unpack_raw(const kofn_wire_field *field, kofn_cursor *cursor, void *at, kofn_error *err)
{
    (void)field;
    (void)err; // whatever was scanned is a raw object
    kofn_wire_raw *raw = at;
    raw->bytes = cursor->at;
    skip_object(cursor);
    raw->length = (size_t)(cursor->at - (const unsigned char *)raw->bytes);
    return KOFN_OK;
}

static kofn_status (*const readers[])(const kofn_wire_field *field, kofn_cursor *cursor, void *at,
                                      kofn_error *err) = {
    [KOFN_WIRE_BOOL] = unpack_bool,   [KOFN_WIRE_U64] = unpack_u64,
    [KOFN_WIRE_I64] = unpack_i64,     [KOFN_WIRE_F64] = unpack_f64,
    [KOFN_WIRE_TEXT] = unpack_text,   [KOFN_WIRE_MESSAGE] = unpack_nested,
    [KOFN_WIRE_LIST] = unpack_list,   [KOFN_WIRE_RAW] = unpack_raw,
    [KOFN_WIRE_BYTES] = unpack_bytes,
};

/* strncmp would run past a name when the key holds a NUL. */
static bool
key_is(const kofn_token *key, const char *name)
{
    size_t i = 0;
    while (i < key->number && name[i] != '\0' && key->bytes[i] == (unsigned char)name[i])
        i++;
    return i == key->number && name[i] == '\0';
}

/* Peers write keys in the table's order, give or take: the search starts behind the last hit. */
static size_t
find_field(const kofn_wire_message *of, size_t hint, const kofn_token *key)
{
    for (size_t i = hint; i < of->count; i++)
        if (key_is(key, of->fields[i].name))
            return i;
    for (size_t i = 0; i < hint; i++)
        if (key_is(key, of->fields[i].name))
            return i;
    return of->count;
}

static kofn_status
check_required(const kofn_wire_message *of, uint64_t seen, kofn_error *err)
{
    for (size_t i = 0; i < of->count; i++)
        if (of->fields[i].required && !(seen >> i & 1))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: required, but missing",
                             of->fields[i].name);
    return KOFN_OK;
}

/* One key and its value; *hint is where to look first, *seen the fields so far. */
static kofn_status
unpack_entry(const kofn_wire_message *of, kofn_cursor *cursor, void *message, size_t *hint,
             uint64_t *seen, kofn_error *err)
{
    const kofn_token key = next_token(cursor);
    if (key.kind != KOFN_TOKEN_TEXT)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "want keys of text, got %s",
                         kofn_token_kind_name(key.kind));
    const size_t i = find_field(of, *hint, &key);
    kofn_cursor ahead = *cursor;
    if (i == of->count || next_token(&ahead).kind == KOFN_TOKEN_NIL) {
        skip_object(cursor);
        return KOFN_OK;
    }

    const kofn_wire_field *field = &of->fields[i];
    if (*seen >> i & 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: given twice", field->name);
    *seen |= UINT64_C(1) << i;
    *hint = i + 1;
    return readers[field->type](field, cursor, (unsigned char *)message + field->offset, err);
}

/* Into a zeroed struct, which is to be cleared whatever comes out. */
static kofn_status
unpack_message(const kofn_wire_message *of, kofn_cursor *cursor, void *message, kofn_error *err)
{
    assert(of->count <= KOFN_WIRE_FIELDS_MAX);
    const kofn_token map = next_token(cursor);
    if (map.kind != KOFN_TOKEN_MAP)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "want a map, got %s",
                         kofn_token_kind_name(map.kind));

    uint64_t seen = 0;
    size_t hint = 0;
    for (uint64_t entry = 0; entry < map.number; entry++) {
        kofn_status status = unpack_entry(of, cursor, message, &hint, &seen, err);
        if (status != KOFN_OK)
            return status;
    }
    return check_required(of, seen, err);
}

static kofn_status
scan_envelope(const void *bytes, size_t length, kofn_error *err)
{
    if (length > KOFN_ENVELOPE_BYTES_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "an envelope of %zu bytes, at most %d are taken", length,
                         KOFN_ENVELOPE_BYTES_MAX);
    return kofn_scan(bytes, length, KOFN_ENVELOPE_DEPTH_MAX, KOFN_ENVELOPE_ITEMS_MAX, err);
}

kofn_status
kofn_message_unpack(const kofn_wire_message *of, const void *bytes, size_t length,
                    void *ret_message, kofn_error *err)
{
    static const unsigned char empty_map[] = {0x80};

    memset(ret_message, 0, of->struct_size);
    if (!bytes) {
        bytes = empty_map;
        length = sizeof empty_map;
    }
    kofn_status status = scan_envelope(bytes, length, err);
    if (status == KOFN_OK) {
        kofn_cursor cursor = kofn_cursor_over(bytes, length);
        status = unpack_message(of, &cursor, ret_message, err);
    }
    if (status != KOFN_OK) {
        kofn_message_clear(of, ret_message);
        (void)kofn_fail_within(err, "%s", of->name); // the status stays
    }
    return status;
}

static void
clear_list(const kofn_wire_message *of, kofn_wire_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        kofn_message_clear(of, list_get(list, of, i));
    free(list->at);
}

void
kofn_message_clear(const kofn_wire_message *of, void *message)
{
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        void *at = (unsigned char *)message + field->offset;
        if (field->type == KOFN_WIRE_LIST)
            clear_list(field->of, at);
        else if (field->type == KOFN_WIRE_BYTES)
            free(((kofn_wire_bytes *)at)->at);
        else if (field->type == KOFN_WIRE_MESSAGE)
            kofn_message_clear(field->of, at);
    }
    memset(message, 0, of->struct_size);
}

static kofn_status
fail_cut_short(const char *key, kofn_error *err)
{
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the message ends before its '%s'", key);
}

static kofn_status
take_peeked(const char *key, const kofn_token *value, char *ret_text, size_t size, kofn_error *err)
{
    if (value->kind != KOFN_TOKEN_TEXT)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: want text, got %s", key,
                         kofn_token_kind_name(value->kind));
    if (!kofn_utf8_is_valid(value->bytes, (size_t)value->number))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: text that is not UTF-8", key);
    return copy_text(key, value, ret_text, size, err);
}

kofn_status
kofn_message_peek(const void *bytes, size_t length, const char *key, char *ret_text, size_t size,
                  kofn_error *err)
{
    kofn_cursor cursor = kofn_cursor_over(bytes, length);
    kofn_token token;
    if (!kofn_cursor_next(&cursor, &token) || token.kind != KOFN_TOKEN_MAP)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "want a map, got something else");
    for (uint64_t left = token.number; left > 0; left--) {
        kofn_cursor ahead = cursor;
        if (!kofn_cursor_skip(&cursor)) // whatever the key is
            return fail_cut_short(key, err);
        const bool found = kofn_cursor_next(&ahead, &token) && token.kind == KOFN_TOKEN_TEXT &&
                           key_is(&token, key);
        if (found)
            return kofn_cursor_next(&cursor, &token) ? take_peeked(key, &token, ret_text, size, err)
                                                     : fail_cut_short(key, err);
        if (!kofn_cursor_skip(&cursor))
            return fail_cut_short(key, err);
    }
    return kofn_fail(err, KOFN_NOT_FOUND, "the message has no '%s'", key);
}
