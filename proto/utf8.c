#include "proto/utf8.h"

#include <stdint.h>
#include <string.h>

size_t
kofn_utf8_char(const unsigned char *text, size_t length)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; // that needs so many bytes

    if (length == 0)
        return 0;
    const unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc0 || lead > 0xf4 || length < bytes)
        return 0;

    uint32_t point = lead & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3f);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    return point < smallest[bytes] || surrogate || point > 0x10ffff ? 0 : bytes;
}

/* Bytes at the start that are ASCII, eight at a time: nearly all text on the wire is. */
static size_t
skip_ascii(const unsigned char *text, size_t length)
{
    size_t at = 0;
    for (uint64_t eight; length - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < length && text[at] < 0x80)
        at++;
    return at;
}

bool
kofn_utf8_is_valid(const unsigned char *text, size_t length)
{
    for (size_t at = skip_ascii(text, length); at < length;) {
        const size_t bytes = kofn_utf8_char(text + at, length - at);
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}
