/* Any bytes as an envelope: its type is peeked at, and it is read as what that says; its body is
 * read as both its method's request and reply, as a daemon and a client would. What can be read
 * packs, and reads and packs again to the same bytes. (fuzz_message reads bytes as every
 * message.) */
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/messages.h"

static void
try_body(const uint8_t *data, size_t length)
{
    kofn_msg_call call;
    kofn_method method;
    if (kofn_message_unpack(&kofn_call_message, data, length, &call, NULL) != KOFN_OK ||
        kofn_method_find(call.method, &method, NULL) != KOFN_OK)
        return;
    const kofn_method_info *info = kofn_method_get(method);
    (void)fuzz_message_try(info->request, call.body.bytes, call.body.length); // or refused
    (void)fuzz_message_try(info->reply, call.body.bytes, call.body.length);   // likewise
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    char type[KOFN_NAME_MAX];
    kofn_error error = {0};
    if (kofn_message_peek(data, length, "type", type, sizeof type, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        return 0;
    }
    const kofn_wire_message *of = kofn_envelope_find(type);
    if (of)
        (void)fuzz_message_try(of, data, length); // or refused
    try_body(data, length);
    return 0;
}
