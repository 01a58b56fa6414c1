/* One table for each message: it packs, unpacks, checks and describes the message's struct.
 *
 * A message is a msgpack map with text keys. Unknown keys are ignored (versions N and N-1 mix);
 * a missing key leaves the field's zero value unless it is required; a key with the wrong type, a
 * text that does not fit, a number out of range or a key given twice is INVALID_ARGUMENT and names
 * the field. A nil counts as a missing key.
 *
 * Ownership  Unpacked structs own their lists and bytes (kofn_message_clear frees them); raw slices
 *            point into what was unpacked.
 * Threads    Any thread; tables are const.
 */
#ifndef KOFN_PROTO_CODEC_H
#define KOFN_PROTO_CODEC_H

#include "common/base/status.h"
#include "proto/limits.h"

#include <stdint.h>

typedef enum kofn_wire_type {
    KOFN_WIRE_BOOL,    // bool
    KOFN_WIRE_U64,     // uint64_t
    KOFN_WIRE_I64,     // int64_t
    KOFN_WIRE_F64,     // double; integers are accepted
    KOFN_WIRE_TEXT,    // char[size], UTF-8 without NUL inside, NUL-terminated in the struct
    KOFN_WIRE_BYTES,   // kofn_wire_bytes
    KOFN_WIRE_MESSAGE, // a nested struct, described by `of`
    KOFN_WIRE_LIST,    // kofn_wire_list of structs described by `of`
    KOFN_WIRE_RAW,     // kofn_wire_raw: one msgpack object, carried as it is
} kofn_wire_type;

typedef struct kofn_wire_raw {
    const void *bytes; // NULL: absent
    size_t length;
} kofn_wire_raw;

typedef struct kofn_wire_bytes {
    unsigned char *at; // malloc'd
    size_t length;
} kofn_wire_bytes;

typedef struct kofn_wire_list {
    void *at; // array of `count` structs
    size_t count;
} kofn_wire_list;

/* A zeroed list of `count` structs of `entry_size` bytes, malloc'd: its holder's to clear.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_wire_list_new(size_t count, size_t entry_size,
                                               kofn_wire_list *ret_list, kofn_error *err);

enum { KOFN_WIRE_FIELDS_MAX = 64 };

typedef struct kofn_wire_message kofn_wire_message;

typedef struct kofn_wire_field {
    const char *name; // the key on the wire
    kofn_wire_type type;
    bool required;
    size_t offset, size; // in the struct
    double max;          // numbers: largest value; lists, bytes: largest count; 0: the type's own
    const kofn_wire_message *of; // nested struct or list entry
    const char *help;            // meaning and unit
} kofn_wire_field;

struct kofn_wire_message {
    const char *name; // "task"
    bool envelope;    // packed with a `type` key in front, whose value is the name
    const kofn_wire_field *fields;
    size_t count; // at most KOFN_WIRE_FIELDS_MAX
    size_t struct_size;
    const char *help;
};

/* The field's type as PROTOCOL.md writes it ("u64", "matrix", "list of job"), and the largest
 * value, longest text or bytes or longest list that is taken; 0: whatever the type holds. */
void kofn_wire_type_format(const kofn_wire_field *field, char *ret_text, size_t size);
double kofn_wire_field_max(const kofn_wire_field *field);

/* Bytes that grow; init with {0}. */
typedef struct kofn_wire_buffer {
    unsigned char *at;
    size_t length, capacity;
} kofn_wire_buffer;

void kofn_wire_buffer_fini(kofn_wire_buffer *buffer);

/* Append the packed message. Zero-valued optional fields are left out; bytes of a text that are no
 * UTF-8 (a sentence that was cut, say) become '?'. RESOURCE_EXHAUSTED: no memory, or larger than
 * KOFN_ENVELOPE_BYTES_MAX; the buffer is as before. */
KOFN_MUST_CHECK kofn_status kofn_message_pack(const kofn_wire_message *of, const void *message,
                                              kofn_wire_buffer *buffer, kofn_error *err);

/* Scan, then unpack into *ret_message (zeroed first; cleared again on failure). NULL bytes, an
 * absent kofn_wire_raw, are an empty map. INVALID_ARGUMENT: malformed, names the field.
 * RESOURCE_EXHAUSTED: no memory for a list. */
KOFN_MUST_CHECK kofn_status kofn_message_unpack(const kofn_wire_message *of, const void *bytes,
                                                size_t length, void *ret_message, kofn_error *err);

void kofn_message_clear(const kofn_wire_message *of, void *message);

/* The text under a top-level key, e.g. "type", before its message is known. Reads up to there and
 * no further: the rest is for kofn_message_unpack to check. NOT_FOUND: no such key.
 * INVALID_ARGUMENT: no map, malformed before that key, no text, or too long for `size`. */
KOFN_MUST_CHECK kofn_status kofn_message_peek(const void *bytes, size_t length, const char *key,
                                              char *ret_text, size_t size, kofn_error *err);

#endif
