#include "proto/token.h"

#include <string.h>

kofn_cursor
kofn_cursor_over(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    return (kofn_cursor){.at = at, .end = length ? at + length : at};
}

/* What a head byte from 0xc0 to 0xdf announces: the kind, and how many bytes of big-endian number
 * follow (a value, a length or a count). Where none follow, `number` is it. */
typedef struct long_head {
    unsigned char kind, width, number;
} long_head;

static const long_head long_heads[32] = {
    {KOFN_TOKEN_NIL, 0, 0},      {KOFN_TOKEN_NONE, 0, 0},     // c0 nil, c1
    {KOFN_TOKEN_BOOL, 0, 0},     {KOFN_TOKEN_BOOL, 0, 1},     // c2 false, true
    {KOFN_TOKEN_BIN, 1, 0},      {KOFN_TOKEN_BIN, 2, 0},      // c4 bin
    {KOFN_TOKEN_BIN, 4, 0},      {KOFN_TOKEN_EXT, 1, 0},      // c7 ext
    {KOFN_TOKEN_EXT, 2, 0},      {KOFN_TOKEN_EXT, 4, 0},      //
    {KOFN_TOKEN_REAL, 4, 0},     {KOFN_TOKEN_REAL, 8, 0},     // ca float
    {KOFN_TOKEN_UINT, 1, 0},     {KOFN_TOKEN_UINT, 2, 0},     // cc uint
    {KOFN_TOKEN_UINT, 4, 0},     {KOFN_TOKEN_UINT, 8, 0},     //
    {KOFN_TOKEN_NEGATIVE, 1, 0}, {KOFN_TOKEN_NEGATIVE, 2, 0}, // d0 int, which may be positive
    {KOFN_TOKEN_NEGATIVE, 4, 0}, {KOFN_TOKEN_NEGATIVE, 8, 0}, //
    {KOFN_TOKEN_EXT, 0, 1},      {KOFN_TOKEN_EXT, 0, 2},      // d4 fixext
    {KOFN_TOKEN_EXT, 0, 4},      {KOFN_TOKEN_EXT, 0, 8},      //
    {KOFN_TOKEN_EXT, 0, 16},     {KOFN_TOKEN_TEXT, 1, 0},     // d9 str
    {KOFN_TOKEN_TEXT, 2, 0},     {KOFN_TOKEN_TEXT, 4, 0},     //
    {KOFN_TOKEN_ARRAY, 2, 0},    {KOFN_TOKEN_ARRAY, 4, 0},    // dc array
    {KOFN_TOKEN_MAP, 2, 0},      {KOFN_TOKEN_MAP, 4, 0},      // de map
};

static uint64_t
load_big_endian(const unsigned char *at, size_t width)
{
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++)
        number = number << 8 | at[i];
    return number;
}

static double
real_from_bits(uint64_t bits, size_t width)
{
    if (width == 4) {
        const uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Integers in signed encodings: extend the sign, and call what is not negative a UINT. */
static void
settle_signed(kofn_token *token, size_t width)
{
    const unsigned shift = 64 - 8 * (unsigned)width;
    const int64_t value = (int64_t)(token->number << shift) >> shift;
    token->number = (uint64_t)value;
    token->kind = value < 0 ? KOFN_TOKEN_NEGATIVE : KOFN_TOKEN_UINT;
}

/* The head byte is taken; false when its number is cut short. */
static bool
read_long_head(kofn_cursor *cursor, const long_head *head, kofn_token *ret_token)
{
    const size_t width = head->width;
    if ((size_t)(cursor->end - cursor->at) < width)
        return false;

    ret_token->kind = (kofn_token_kind)head->kind;
    ret_token->number = width ? load_big_endian(cursor->at, width) : head->number;
    cursor->at += width;
    if (ret_token->kind == KOFN_TOKEN_NEGATIVE)
        settle_signed(ret_token, width);
    else if (ret_token->kind == KOFN_TOKEN_REAL)
        ret_token->real = real_from_bits(ret_token->number, width);
    return ret_token->kind != KOFN_TOKEN_NONE;
}

static bool
read_head(kofn_cursor *cursor, kofn_token *ret_token)
{
    const unsigned char head = *cursor->at++;
    if (head >= 0xc0 && head < 0xe0)
        return read_long_head(cursor, &long_heads[head - 0xc0], ret_token);

    if (head < 0x80)
        *ret_token = (kofn_token){.kind = KOFN_TOKEN_UINT, .number = head};
    else if (head < 0x90)
        *ret_token = (kofn_token){.kind = KOFN_TOKEN_MAP, .number = head & 0x0f};
    else if (head < 0xa0)
        *ret_token = (kofn_token){.kind = KOFN_TOKEN_ARRAY, .number = head & 0x0f};
    else if (head < 0xc0)
        *ret_token = (kofn_token){.kind = KOFN_TOKEN_TEXT, .number = head & 0x1f};
    else
        *ret_token = (kofn_token){.kind = KOFN_TOKEN_NEGATIVE, .number = UINT64_MAX << 8 | head};
    return true;
}

static bool
has_bytes(kofn_token_kind kind)
{
    return kind == KOFN_TOKEN_TEXT || kind == KOFN_TOKEN_BIN || kind == KOFN_TOKEN_EXT;
}

bool
kofn_cursor_next(kofn_cursor *cursor, kofn_token *ret_token)
{
    kofn_cursor ahead = *cursor;
    kofn_token token = {0};
    if (ahead.at == ahead.end || !read_head(&ahead, &token))
        return false;

    if (has_bytes(token.kind)) {
        const uint64_t type_byte = token.kind == KOFN_TOKEN_EXT; // stands before an ext's bytes
        if ((uint64_t)(ahead.end - ahead.at) < token.number + type_byte)
            return false;
        token.bytes = ahead.at + type_byte;
        ahead.at = token.bytes + token.number;
    }
    *cursor = ahead;
    *ret_token = token;
    return true;
}

bool
kofn_cursor_skip(kofn_cursor *cursor)
{
    kofn_token token;
    for (uint64_t left = 1; left > 0; left--) { // grows by less than 2^33 with each byte passed
        if (!kofn_cursor_next(cursor, &token))
            return false;
        left += kofn_token_children(&token);
    }
    return true;
}

uint64_t
kofn_token_children(const kofn_token *token)
{
    if (token->kind == KOFN_TOKEN_ARRAY)
        return token->number;
    return token->kind == KOFN_TOKEN_MAP ? 2 * token->number : 0;
}

const char *
kofn_token_kind_name(kofn_token_kind kind)
{
    static const char *const names[] = {
        [KOFN_TOKEN_NONE] = "a reserved byte",
        [KOFN_TOKEN_NIL] = "nil",
        [KOFN_TOKEN_BOOL] = "a bool",
        [KOFN_TOKEN_UINT] = "an integer",
        [KOFN_TOKEN_NEGATIVE] = "a negative integer",
        [KOFN_TOKEN_REAL] = "a float",
        [KOFN_TOKEN_TEXT] = "text",
        [KOFN_TOKEN_BIN] = "binary",
        [KOFN_TOKEN_EXT] = "an extension",
        [KOFN_TOKEN_ARRAY] = "an array",
        [KOFN_TOKEN_MAP] = "a map",
    };
    return names[kind];
}
