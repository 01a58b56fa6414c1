/* Tokens: the one reader of msgpack, under the scan, the codec and the block frames.
 *
 * msgpack-c packs what we send, but it does not read what we get: its unpacker builds a tree of
 * objects on the heap, from counts that it trusts. We know the struct that a message becomes, so a
 * cursor over the received bytes does, without any allocation.
 *
 * Accuracy   Every valid encoding of a value is read, not only the shortest.
 * Threads    Any thread.
 */
#ifndef KOFN_PROTO_TOKEN_H
#define KOFN_PROTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kofn_token_kind {
    KOFN_TOKEN_NONE, // the byte 0xc1, which msgpack never uses
    KOFN_TOKEN_NIL,
    KOFN_TOKEN_BOOL,
    KOFN_TOKEN_UINT,     // an integer >= 0, in whichever encoding
    KOFN_TOKEN_NEGATIVE, // an integer < 0
    KOFN_TOKEN_REAL,
    KOFN_TOKEN_TEXT,
    KOFN_TOKEN_BIN,
    KOFN_TOKEN_EXT,
    KOFN_TOKEN_ARRAY,
    KOFN_TOKEN_MAP,
} kofn_token_kind;

typedef struct kofn_token {
    kofn_token_kind kind;
    uint64_t number;            // BOOL, UINT: value; NEGATIVE: value in two's complement;
                                // TEXT, BIN, EXT: length; ARRAY, MAP: entries
    double real;                // REAL
    const unsigned char *bytes; // TEXT, BIN, EXT: [number], inside what the cursor reads
} kofn_token;

typedef struct kofn_cursor {
    const unsigned char *at, *end;
} kofn_cursor;

kofn_cursor kofn_cursor_over(const void *bytes, size_t length);

/* The next token: a whole scalar with its bytes, or the head of an array or map, whose entries
 * follow. False when it is cut short or of kind NONE; the cursor stays where it was. */
bool kofn_cursor_next(kofn_cursor *cursor, kofn_token *ret_token);

/* Pass over one object with all that is inside; false when it is cut short or has a NONE inside. */
bool kofn_cursor_skip(kofn_cursor *cursor);

/* Number of values directly inside: pairs count twice; 0 for scalars. */
uint64_t kofn_token_children(const kofn_token *token);

/* "an integer", "a map": for messages to people. */
const char *kofn_token_kind_name(kofn_token_kind kind);

#endif
