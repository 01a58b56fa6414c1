/* Any bytes as msgpack: what the scan takes, msgpack-c unpacks as one object, and the cursor passes
 * over exactly. */
#include "proto/limits.h"
#include "proto/scan.h"
#include "proto/token.h"
#include "tests/fuzz/fuzz.h"

#include <msgpack.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    kofn_error error = {0};
    kofn_cursor cursor = kofn_cursor_over(data, length);
    const bool is_whole = kofn_cursor_skip(&cursor); // must be safe on any bytes
    if (kofn_scan(data, length, KOFN_ENVELOPE_DEPTH_MAX, KOFN_ENVELOPE_ITEMS_MAX, &error) !=
        KOFN_OK) {
        insist(error.status == KOFN_INVALID_ARGUMENT && error.text[0] != '\0');
        return 0;
    }

    insist(is_whole && cursor.at == data + length);

    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    size_t end = 0;
    insist(msgpack_unpack_next(&result, (const char *)data, length, &end) ==
           MSGPACK_UNPACK_SUCCESS);
    insist(end == length);
    msgpack_unpacked_destroy(&result);
    return 0;
}
