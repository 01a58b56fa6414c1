/* UTF-8, as far as a protocol needs it: is this text?
 *
 * Source     RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 * Threads    Any thread.
 */
#ifndef KOFN_PROTO_UTF8_H
#define KOFN_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes of the character at text[0], 1 to 4; 0 when no valid one starts there. */
size_t kofn_utf8_char(const unsigned char *text, size_t length);

bool kofn_utf8_is_valid(const unsigned char *text, size_t length);

#endif
