/* Any bytes as a configuration file: each is read or refused with a sentence, and every scalar is
 * tried on a key of each type. */
#include "common/base/config.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct target {
    bool flag;
    int64_t count, wait_ns;
    uint64_t bytes;
    double real;
    char text[16];
    int choice;
} target;

static const kofn_key table[] = {
    {.name = "flag", .type = KOFN_KEY_BOOL, KOFN_KEY_FIELD(target, flag)},
    {.name = "a.count", .type = KOFN_KEY_INT, KOFN_KEY_FIELD(target, count), .min = -5, .max = 99},
    {.name = "a.wait", .type = KOFN_KEY_DURATION, KOFN_KEY_FIELD(target, wait_ns)},
    {.name = "a.bytes", .type = KOFN_KEY_SIZE, KOFN_KEY_FIELD(target, bytes)},
    {.name = "real", .type = KOFN_KEY_REAL, KOFN_KEY_FIELD(target, real)},
    {.name = "text", .type = KOFN_KEY_STRING, KOFN_KEY_FIELD(target, text), .min = 1, .max = 9},
    {.name = "choice",
     .type = KOFN_KEY_CHOICE,
     KOFN_KEY_FIELD(target, choice),
     .choices = "one|two|three"},
};
static const kofn_keys keys = {table, sizeof table / sizeof table[0]};

/* What was read, written out, must read back as the same field. */
static void
insist_on_round_trip(const kofn_key *key, const target *t)
{
    char written[64];
    target again = *t;
    kofn_key_format(key, t, written, sizeof written);
    insist(kofn_key_parse(key, written, &again, NULL) == KOFN_OK);
    insist(memcmp((char *)&again + key->offset, (const char *)t + key->offset, key->size) == 0);
}

static kofn_status
visit(void *context, const char *path, const char *value, kofn_error *err)
{
    target t = {0};
    for (size_t i = 0; i < keys.count; i++) {
        kofn_error own = {0};
        if (kofn_key_parse(&keys.at[i], value, &t, &own) == KOFN_OK)
            insist_on_round_trip(&keys.at[i], &t);
        else
            insist(own.text[0] != '\0');
    }
    /* Names must not stop the rest of a file from being tried. */
    kofn_error own = {0};
    insist(kofn_keys_parse(keys, path, value, context, &own) == KOFN_OK || own.text[0] != '\0');
    return strcmp(path, "stop") == 0 ? kofn_fail(err, KOFN_ABORTED, "stopped") : KOFN_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    target t;
    kofn_error error = {0};
    kofn_keys_set_defaults(keys, &t);
    const kofn_status status =
        kofn_config_parse("fuzz", (const char *)data, length, visit, &t, &error);
    insist(status == KOFN_OK || error.text[0] != '\0');
    return 0;
}
