/* Any bytes as an envelope, and as every message: each is refused with a sentence, or read; what
 * was read packs, and reads and packs again to the same bytes. Bodies are read as both their
 * method's request and reply, as a daemon and a client would. */
#include "proto/messages.h"

#include <stdlib.h>
#include <string.h>

static void
insist(bool condition)
{
    if (!condition)
        abort();
}

static void
pack(const kofn_wire_message *of, const void *message, kofn_wire_buffer *ret_buffer)
{
    kofn_error error = {0};
    insist(kofn_message_pack(of, message, ret_buffer, &error) == KOFN_OK);
}

/* Large enough for each message, and aligned for all. */
static void *
new_message(const kofn_wire_message *of)
{
    void *message = malloc(of->struct_size);
    insist(message != NULL);
    return message;
}

static void
insist_on_round_trip(const kofn_wire_message *of, const void *message)
{
    kofn_wire_buffer first = {0}, second = {0};
    kofn_error error = {0};
    void *again = new_message(of);
    pack(of, message, &first);
    insist(kofn_message_unpack(of, first.at, first.length, again, &error) == KOFN_OK);
    pack(of, again, &second);
    insist(first.length == second.length && memcmp(first.at, second.at, first.length) == 0);
    kofn_message_clear(of, again);
    free(again);
    kofn_wire_buffer_fini(&first);
    kofn_wire_buffer_fini(&second);
}

static void
try_message(const kofn_wire_message *of, const void *bytes, size_t length)
{
    kofn_error error = {0};
    void *message = new_message(of);
    const kofn_status status = kofn_message_unpack(of, bytes, length, message, &error);
    if (status == KOFN_OK) {
        insist_on_round_trip(of, message);
        kofn_message_clear(of, message);
    } else {
        insist(status == KOFN_INVALID_ARGUMENT && error.text[0] != '\0');
    }
    free(message);
}

static void
try_body(const uint8_t *data, size_t length)
{
    kofn_msg_call call;
    kofn_method method;
    if (kofn_message_unpack(&kofn_call_message, data, length, &call, NULL) != KOFN_OK ||
        kofn_method_find(call.method, &method, NULL) != KOFN_OK)
        return;
    const kofn_method_info *info = kofn_method_get(method);
    try_message(info->request, call.body.bytes, call.body.length);
    try_message(info->reply, call.body.bytes, call.body.length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    char type[KOFN_NAME_MAX];
    if (kofn_message_peek(data, length, "type", type, sizeof type, NULL) == KOFN_OK) {
        const kofn_wire_message *of = kofn_envelope_find(type);
        if (of)
            try_message(of, data, length);
        try_body(data, length);
    }
    for (size_t i = 0; i < kofn_messages_count(); i++)
        try_message(kofn_messages_at(i), data, length);
    return 0;
}
