/* Any bytes as what a user writes of a code: a field's name in the first line, then pairs KEY=VALUE
 * as --set takes them. Each is set or refused with a sentence; the whole is checked, and where it
 * passes it survives its way over the wire. */
#include "common/code/bilinear.h"
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The next line, with a NUL in the place of its end; NULL: that was all. */
static char *
next_line(char **at)
{
    char *line = *at;
    if (!line)
        return NULL;
    char *end = strchr(line, '\n');
    if (end)
        *end = '\0';
    *at = end ? end + 1 : NULL;
    return line;
}

static void
try_cuts(const char *text)
{
    kofn_cuts cuts, again;
    kofn_error error = {0};
    char written[KOFN_CUTS_TEXT_MAX];
    if (kofn_cuts_parse(text, 65536, &cuts, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        return;
    }
    kofn_cuts_format(&cuts, written);
    insist(kofn_cuts_parse(written, 65536, &again, NULL) == KOFN_OK);
    insist(kofn_cuts_are_equal(&cuts, &again));
}

static void
set_pair(kofn_code_spec *spec, char *line)
{
    kofn_error error = {0};
    size_t sizes[3];
    char *value = strchr(line, '=');
    if (value)
        *value++ = '\0';
    else
        value = line + strlen(line);
    insist(kofn_code_spec_set(spec, line, value, &error) == KOFN_OK || error.text[0] != '\0');
    try_cuts(value);
    (void)kofn_bilinear_parse_size(value, sizes);
}

static bool
is_same(const kofn_code_spec *a, const kofn_code_spec *b)
{
    bool same = strcmp(a->family, b->family) == 0 && a->part.x == b->part.x &&
                a->part.z == b->part.z && a->part.y == b->part.y && a->tasks == b->tasks &&
                a->reserve == b->reserve && a->has_seed == b->has_seed && a->seed == b->seed &&
                a->set_count == b->set_count && kofn_cuts_are_equal(&a->parts, &b->parts);
    for (size_t i = 0; same && i < a->set_count; i++)
        same = strcmp(a->sets[i].name, b->sets[i].name) == 0 &&
               strcmp(a->sets[i].value, b->sets[i].value) == 0;
    return same;
}

static void
insist_on_wire(const kofn_code_spec *spec)
{
    kofn_msg_code message;
    kofn_code_spec again;
    insist(kofn_msg_code_from_spec(spec, &message, NULL) == KOFN_OK);
    insist(kofn_msg_code_to_spec(&message, &again, NULL) == KOFN_OK);
    insist(is_same(spec, &again));
    kofn_message_clear(&kofn_code_message, &message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    char *text = malloc(length + 1), *at = text;
    const kofn_field *field = NULL;
    kofn_code_spec spec = {.family = ""};
    kofn_error error = {0};
    insist(text != NULL);
    memcpy(text, data, length);
    text[length] = '\0';
    const char *name = next_line(&at);
    if (kofn_field_new(name, &field, &error) != KOFN_OK)
        insist(field == NULL && error.text[0] != '\0');
    for (char *line; (line = next_line(&at)) != NULL;)
        set_pair(&spec, line);
    if (kofn_code_spec_check(&spec, field ? field : kofn_field_find("f64"), &error) == KOFN_OK)
        insist_on_wire(&spec);
    else
        insist(error.text[0] != '\0');
    kofn_field_destroy(&field);
    free(text);
    return 0;
}
