#include "proto/scan.h"
#include "proto/token.h"
#include "proto/utf8.h"

#include <assert.h>

enum { STACK_MAX = 64 };

/* Where the scan stands: how many values are still due in each array and map that is open. */
typedef struct scan {
    kofn_cursor cursor;
    size_t depth, depth_max;
    size_t items, items_max;
    size_t due[STACK_MAX]; // [depth]
} scan;

/* An array or map begins. Each value takes a byte at least, so a count beyond the bytes left lies:
 * found here, before anybody reserves room for it. */
static const char *
open_container(scan *s, const kofn_token *token)
{
    const uint64_t children = kofn_token_children(token);
    if (children > (uint64_t)(s->cursor.end - s->cursor.at))
        return "counts more values than bytes are left";
    if (s->depth == s->depth_max)
        return "is nested too deeply";
    s->due[s->depth++] = (size_t)children;
    return NULL;
}

/* One value; what is wrong with it, or NULL. */
static const char *
scan_value(scan *s)
{
    kofn_token token;
    if (s->cursor.at == s->cursor.end)
        return "is missing";
    if (*s->cursor.at == 0xc1)
        return "has the reserved type 0xc1";
    if (!kofn_cursor_next(&s->cursor, &token))
        return "is cut short";
    if (++s->items > s->items_max)
        return "is one value too many";
    if (token.kind == KOFN_TOKEN_TEXT && !kofn_utf8_is_valid(token.bytes, (size_t)token.number))
        return "is text, but not UTF-8";
    if (token.kind == KOFN_TOKEN_ARRAY || token.kind == KOFN_TOKEN_MAP)
        return open_container(s, &token);
    return NULL;
}

/* Containers whose last value is through are closed; true while a value is due. */
static bool
expects_value(scan *s)
{
    while (s->depth > 0 && s->due[s->depth - 1] == 0)
        s->depth--;
    if (s->depth == 0)
        return s->items == 0;
    s->due[s->depth - 1]--;
    return true;
}

kofn_status
kofn_scan(const void *bytes, size_t length, size_t depth_max, size_t items_max, kofn_error *err)
{
    assert(depth_max <= STACK_MAX);
    scan s = {
        .cursor = kofn_cursor_over(bytes, length), .depth_max = depth_max, .items_max = items_max};
    const unsigned char *const start = s.cursor.at;

    while (expects_value(&s)) {
        const size_t offset = (size_t)(s.cursor.at - start);
        const char *fault = scan_value(&s);
        if (fault)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "malformed msgpack: the value at byte %zu of %zu %s (limits: depth "
                             "%zu, %zu values)",
                             offset, length, fault, depth_max, items_max);
    }
    if (s.cursor.at != s.cursor.end)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "malformed msgpack: one object ends at byte %zu, but there are %zu bytes",
                         (size_t)(s.cursor.at - start), length);
    return KOFN_OK;
}
