#include "tests/fuzz/messages.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

enum { ENTRIES = 2 }; // of a list in a seed: the second shows that there may be more than one

/* ---- values ---------------------------------------------------------------------------------- */

static const char *
pick_word(kofn_rng *rng, size_t size)
{
    static const char *const words[] = {
        "f64",        "u8",
        "gfp:65521",  "rkrp",
        "polynomial", "oneshot",
        "outer",      "exact",
        "running",    "0123456789abcdef",
        "2,3,1",      "kofn.v1.Master/Submit",
        "algorithm",  "strassen",
        "x",          "\xc3\xa9",
    };
    const char *word = words[kofn_rng_below(rng, sizeof words / sizeof words[0])];
    return strlen(word) < size ? word : "f64";
}

static void
set_text(kofn_rng *rng, char *at, size_t size)
{
    (void)snprintf(at, size, "%s", pick_word(rng, size));
}

static uint64_t
pick_number(const kofn_wire_field *field, kofn_rng *rng)
{
    const uint64_t max = field->max > 0 && field->max < 0x1p63 ? (uint64_t)field->max
                         : field->type == KOFN_WIRE_I64        ? INT64_MAX
                                                               : UINT64_MAX;
    switch (kofn_rng_below(rng, 4)) {
    case 0:
        return max;
    case 1:
        return 1;
    default: // as many of few digits as of many
        return 1 + (kofn_rng_u64(rng) >> kofn_rng_below(rng, 64)) % max;
    }
}

static double
pick_real(const kofn_wire_field *field, kofn_rng *rng)
{
    static const double reals[] = {0.5, 1e-300, -1.5, 1e300, INFINITY, -INFINITY, NAN, 0x1p-1074};
    const double real = reals[kofn_rng_below(rng, sizeof reals / sizeof reals[0])];
    return field->max > 0 && real > field->max ? field->max : real;
}

static void
set_raw(kofn_rng *rng, kofn_wire_raw *at)
{
    static const unsigned char empty[] = {0x80},
                               job[] = "\x81\xa3job\xb0"
                                       "0123456789abcdef",
                               nested[] = "\x81\xa1x\x92\x01\xc4\x02\xff";
    const kofn_wire_raw objects[] = {
        {empty, sizeof empty}, {job, sizeof job - 1}, {nested, sizeof nested}};
    *at = objects[kofn_rng_below(rng, 3)];
}

static void
set_bytes(const kofn_wire_field *field, kofn_rng *rng, kofn_wire_bytes *at)
{
    static const size_t lengths[] = {1, 31, 48, 256, 4096};
    const size_t length = lengths[kofn_rng_below(rng, 5)], max = (size_t)field->max;
    *at = (kofn_wire_bytes){.length = length < max ? length : max};
    at->at = calloc(at->length, 1);
    insist(at->at);
    at->at[kofn_rng_below(rng, at->length)] = (unsigned char)kofn_rng_u64(rng);
}

static void
set_list(const kofn_wire_field *field, size_t count, kofn_rng *rng, kofn_wire_list *list)
{
    insist(kofn_wire_list_new(count, field->of->struct_size, list, NULL) == KOFN_OK);
    for (size_t i = 0; i < count; i++)
        fuzz_message_fill(field->of, rng, (char *)list->at + i * field->of->struct_size);
}

/* Into a field that holds no list and no bytes. */
static void
set_field(const kofn_wire_field *field, kofn_rng *rng, void *at)
{
    switch (field->type) {
    case KOFN_WIRE_BOOL:
        *(bool *)at = true;
        break;
    case KOFN_WIRE_U64:
    case KOFN_WIRE_I64:
        *(uint64_t *)at = pick_number(field, rng);
        break;
    case KOFN_WIRE_F64:
        *(double *)at = pick_real(field, rng);
        break;
    case KOFN_WIRE_TEXT:
        set_text(rng, at, field->size);
        break;
    case KOFN_WIRE_MESSAGE:
        fuzz_message_fill(field->of, rng, at);
        break;
    case KOFN_WIRE_LIST:
        set_list(field, ENTRIES, rng, at);
        break;
    case KOFN_WIRE_BYTES:
        set_bytes(field, rng, at);
        break;
    case KOFN_WIRE_RAW:
        set_raw(rng, at);
        break;
    }
}

void
fuzz_message_fill(const kofn_wire_message *of, kofn_rng *rng, void *message)
{
    memset(message, 0, of->struct_size);
    for (size_t i = 0; i < of->count; i++)
        set_field(&of->fields[i], rng, (char *)message + of->fields[i].offset);
}

/* ---- alterations ----------------------------------------------------------------------------- */

static void
clear_list(const kofn_wire_field *field, kofn_wire_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        kofn_message_clear(field->of, (char *)list->at + i * field->of->struct_size);
    free(list->at);
    *list = (kofn_wire_list){0};
}

/* An entry changes, or the number of entries, now and then to the largest. */
static void
alter_list(const kofn_wire_field *field, kofn_rng *rng, kofn_wire_list *list)
{
    if (list->count > 0 && kofn_rng_below(rng, 4) > 0) {
        const size_t i = (size_t)kofn_rng_below(rng, list->count);
        fuzz_message_alter(field->of, rng, (char *)list->at + i * field->of->struct_size);
        return;
    }
    const size_t max = (size_t)kofn_wire_field_max(field);
    const size_t few = max < 4 ? max : 4;
    const bool largest = max <= 64 && kofn_rng_below(rng, 8) == 0;
    clear_list(field, list);
    set_list(field, largest ? max : (size_t)kofn_rng_below(rng, few + 1), rng, list);
}

void
fuzz_message_alter(const kofn_wire_message *of, kofn_rng *rng, void *message)
{
    if (of->count == 0)
        return;
    const kofn_wire_field *field = &of->fields[kofn_rng_below(rng, of->count)];
    void *at = (char *)message + field->offset;
    const bool clear = kofn_rng_below(rng, 6) == 0;
    if (field->type == KOFN_WIRE_BYTES)
        free(((kofn_wire_bytes *)at)->at);
    if (field->type == KOFN_WIRE_LIST)
        alter_list(field, rng, at);
    else if (field->type == KOFN_WIRE_MESSAGE && clear)
        kofn_message_clear(field->of, at);
    else if (field->type == KOFN_WIRE_MESSAGE)
        fuzz_message_alter(field->of, rng, at);
    else if (clear)
        memset(at, 0, field->size);
    else
        set_field(field, rng, at);
}

/* ---- the property ---------------------------------------------------------------------------- */

static void
pack(const kofn_wire_message *of, const void *message, kofn_wire_buffer *ret_buffer)
{
    insist(kofn_message_pack(of, message, ret_buffer, NULL) == KOFN_OK);
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
    void *again = new_message(of);
    pack(of, message, &first);
    insist(kofn_message_unpack(of, first.at, first.length, again, NULL) == KOFN_OK);
    pack(of, again, &second);
    insist(first.length == second.length && memcmp(first.at, second.at, first.length) == 0);
    kofn_message_clear(of, again);
    free(again);
    kofn_wire_buffer_fini(&first);
    kofn_wire_buffer_fini(&second);
}

bool
fuzz_message_try(const kofn_wire_message *of, const void *bytes, size_t length)
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
    return status == KOFN_OK;
}

const kofn_wire_message *
fuzz_message_named(const uint8_t *input, size_t length, size_t *ret_start)
{
    const uint8_t *end = memchr(input, '\n', length);
    if (!end)
        return NULL;
    const size_t name = (size_t)(end - input);
    for (size_t i = 0; i < kofn_messages_count(); i++) {
        const kofn_wire_message *of = kofn_messages_at(i);
        if (strlen(of->name) == name && memcmp(of->name, input, name) == 0) {
            *ret_start = name + 1;
            return of;
        }
    }
    return NULL;
}
