#include "common/base/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    PATH_BYTES_MAX = 256,   // of a dotted path
    VALUE_BYTES_MAX = 4096, // of a scalar, or of a list's scalars together
    SEEN_BYTES_MAX = KOFN_CONFIG_BYTES_MAX,
};

typedef struct loader {
    const char *name;
    kofn_config_visit *visit;
    kofn_config_check *check; // NULL: none
    void *context;
    kofn_error *err; // never NULL

    yaml_parser_t parser;
    yaml_event_t event; // the one at hand; next_event() lets go of it
    yaml_mark_t place;  // of the pair that is being read, for complaints

    char path[PATH_BYTES_MAX]; // dotted, of the mapping or pair that is being read
    size_t path_length;
    char value[VALUE_BYTES_MAX];
    size_t value_length;
    char seen[SEEN_BYTES_MAX]; // every path so far, each with its NUL, to catch duplicates
    size_t seen_length;

    bool is_impossible; // the check fails, and has since the pair at `culprit`
    yaml_mark_t culprit;
} loader;

/* Put "file:line:column: " in front of what err says. libyaml counts from 0. */
static kofn_status
add_place(loader *l, kofn_status status)
{
    (void)kofn_fail_within(l->err, "%s:%zu:%zu", l->name, l->place.line + 1, l->place.column + 1);
    return status;
}

static kofn_status
refuse(loader *l, const char *what)
{
    return add_place(l, kofn_fail(l->err, KOFN_INVALID_ARGUMENT, "%s", what));
}

/* What libyaml could not read. Its reader, which checks UTF-8 and control characters, gives a byte
 * offset, the others a mark. */
static kofn_status
refuse_no_yaml(loader *l)
{
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return kofn_fail(l->err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory to read it", l->name);
    if (p->error == YAML_READER_ERROR)
        return kofn_fail(l->err, KOFN_INVALID_ARGUMENT, "%s: not YAML: %s at byte %zu", l->name,
                         p->problem, p->problem_offset);
    l->place = p->problem_mark;
    return add_place(l, kofn_fail(l->err, KOFN_INVALID_ARGUMENT, "not YAML: %s%s%s", p->problem,
                                  p->context ? " " : "", p->context ? p->context : ""));
}

/* Anchors, aliases and tags make a file say more than its lines show; no key needs them. */
static bool
is_fancy(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor || e->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor || e->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor || e->data.mapping_start.tag;
    default:
        return false;
    }
}

static kofn_status
next_event(loader *l)
{
    yaml_event_delete(&l->event);
    if (!yaml_parser_parse(&l->parser, &l->event))
        return refuse_no_yaml(l);
    if (is_fancy(&l->event)) {
        l->place = l->event.start_mark;
        return refuse(l, "aliases, anchors and tags are not allowed; write the value out");
    }
    return KOFN_OK;
}

/* ---- one pair -------------------------------------------------------------------------------- */

static kofn_status
refuse_duplicate(loader *l)
{
    const size_t bytes = l->path_length + 1;
    for (size_t at = 0; at < l->seen_length; at += strlen(l->seen + at) + 1)
        if (strcmp(l->seen + at, l->path) == 0)
            return add_place(l, kofn_fail(l->err, KOFN_INVALID_ARGUMENT,
                                          "%s: is set a second time; keep one", l->path));

    if (bytes > sizeof l->seen - l->seen_length)
        return refuse(l, "more keys than a configuration can hold");
    memcpy(l->seen + l->seen_length, l->path, bytes);
    l->seen_length += bytes;
    return KOFN_OK;
}

/* Add the key at hand to the path. */
static kofn_status
enter_key(loader *l)
{
    l->place = l->event.start_mark;
    if (l->event.type != YAML_SCALAR_EVENT)
        return refuse(l, "a key must be a plain word");

    const char *key = (const char *)l->event.data.scalar.value;
    const size_t length = l->event.data.scalar.length;
    const size_t dot = l->path_length > 0;
    if (length == 0 || strlen(key) != length)
        return refuse(l, "a key must be a plain word");
    if (l->path_length + dot + length >= sizeof l->path)
        return refuse(l, "the key is longer than any that is known");

    if (dot)
        l->path[l->path_length++] = '.';
    memcpy(l->path + l->path_length, key, length + 1);
    l->path_length += length;
    return refuse_duplicate(l);
}

/* Append the scalar at hand to the value. */
static kofn_status
add_scalar(loader *l)
{
    const char *text = (const char *)l->event.data.scalar.value;
    const size_t length = l->event.data.scalar.length;
    if (strlen(text) != length)
        return refuse(l, "a value must not hold a NUL character");
    if (length >= sizeof l->value - l->value_length)
        return refuse(l, "the value is longer than 4095 bytes");
    memcpy(l->value + l->value_length, text, length + 1);
    l->value_length += length;
    return KOFN_OK;
}

/* Join the scalars of the sequence that has just begun. */
static kofn_status
join_sequence(loader *l)
{
    for (bool first = true;; first = false) {
        kofn_status status = next_event(l);
        if (status != KOFN_OK)
            return status;
        if (l->event.type == YAML_SEQUENCE_END_EVENT)
            return KOFN_OK;
        if (l->event.type != YAML_SCALAR_EVENT)
            return refuse(l, "a list may hold single values only");
        if (strchr((const char *)l->event.data.scalar.value, ','))
            return refuse(l, "a value in a list must not hold a comma");
        if (!first && l->value_length + 1 < sizeof l->value)
            l->value[l->value_length++] = ',';
        status = add_scalar(l);
        if (status != KOFN_OK)
            return status;
    }
}

static void
check_so_far(loader *l)
{
    kofn_error ignored;
    const bool was_impossible = l->is_impossible;
    l->is_impossible = l->check && l->check(l->context, &ignored) != KOFN_OK;
    if (l->is_impossible && !was_impossible)
        l->culprit = l->place;
}

static kofn_status
check_all(loader *l)
{
    if (!l->check)
        return KOFN_OK;
    const kofn_status status = l->check(l->context, l->err);
    l->place = l->culprit;
    return status == KOFN_OK ? KOFN_OK : add_place(l, status);
}

static kofn_status
visit_value(loader *l)
{
    l->value_length = 0;
    l->value[0] = '\0';
    const kofn_status read =
        l->event.type == YAML_SEQUENCE_START_EVENT ? join_sequence(l) : add_scalar(l);
    if (read != KOFN_OK)
        return read;

    l->err->text[0] = '\0'; // a visitor that fails without a word must not show an old one
    const kofn_status status = l->visit(l->context, l->path, l->value, l->err);
    if (status != KOFN_OK)
        return add_place(l, status);
    check_so_far(l);
    return KOFN_OK;
}

/* ---- structure ------------------------------------------------------------------------------- */

/* The pairs of the mapping that has just begun, which is the depth-th around them. Recursion is
 * bounded by KOFN_CONFIG_DEPTH_MAX. */
static kofn_status
read_mapping(loader *l, int depth)
{
    if (depth > KOFN_CONFIG_DEPTH_MAX)
        return refuse(l, "sections are nested deeper than 16");

    const size_t outer_length = l->path_length;
    for (;;) {
        kofn_status status = next_event(l);
        if (status != KOFN_OK || l->event.type == YAML_MAPPING_END_EVENT)
            return status;
        status = enter_key(l);
        if (status == KOFN_OK)
            status = next_event(l);
        if (status == KOFN_OK)
            status = l->event.type == YAML_MAPPING_START_EVENT ? read_mapping(l, depth + 1)
                                                               : visit_value(l);
        if (status != KOFN_OK)
            return status;
        l->path_length = outer_length;
        l->path[outer_length] = '\0';
    }
}

/* What a document is: a mapping, or nothing ("---" alone). */
static kofn_status
read_root(loader *l)
{
    if (l->event.type == YAML_MAPPING_START_EVENT)
        return read_mapping(l, 1);
    const bool is_nothing = l->event.type == YAML_SCALAR_EVENT && l->event.data.scalar.length == 0;
    if (is_nothing)
        return KOFN_OK;
    l->place = l->event.start_mark;
    return refuse(l, "a configuration is a list of 'key: value' lines");
}

/* libyaml guarantees the order of events: stream, document, node, end of both. */
static kofn_status
read_stream(loader *l)
{
    kofn_status status = next_event(l); // start of stream
    if (status == KOFN_OK)
        status = next_event(l); // start of document, or the end of an empty stream
    if (status != KOFN_OK || l->event.type == YAML_STREAM_END_EVENT)
        return status;
    status = next_event(l);
    if (status == KOFN_OK)
        status = read_root(l);
    if (status == KOFN_OK)
        status = next_event(l); // end of document
    if (status == KOFN_OK)
        status = next_event(l);
    if (status != KOFN_OK || l->event.type == YAML_STREAM_END_EVENT)
        return status;
    l->place = l->event.start_mark;
    return refuse(l, "a second document begins here; a configuration is a single one");
}

static kofn_status
parse(const char *name, const char *text, size_t length, kofn_config_visit *visit,
      kofn_config_check *check, void *context, kofn_error *err)
{
    kofn_error own;
    if (!err)
        err = &own;
    if (length > KOFN_CONFIG_BYTES_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: is larger than %d KiB", name,
                         KOFN_CONFIG_BYTES_MAX / 1024);

    loader *l = calloc(1, sizeof *l);
    if (!l || !yaml_parser_initialize(&l->parser)) {
        free(l);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory to read it", name);
    }
    l->name = name;
    l->visit = visit;
    l->check = check;
    l->context = context;
    l->err = err;
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)text, length);

    kofn_status status = read_stream(l);
    if (status == KOFN_OK)
        status = check_all(l);
    yaml_event_delete(&l->event);
    yaml_parser_delete(&l->parser);
    free(l);
    return status;
}

kofn_status
kofn_config_parse(const char *name, const char *text, size_t length, kofn_config_visit *visit,
                  void *context, kofn_error *err)
{
    return parse(name, text, length, visit, NULL, context, err);
}

/* ---- file ------------------------------------------------------------------------------------ */

static kofn_status
fail_file(const char *path, int error_number, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(error_number), "%s: cannot be read: %s", path,
                     strerror(error_number));
}

kofn_status
kofn_config_load(const char *path, kofn_config_visit *visit, void *context, kofn_error *err)
{
    return kofn_config_load_checked(path, visit, NULL, context, err);
}

kofn_status
kofn_config_load_checked(const char *path, kofn_config_visit *visit, kofn_config_check *check,
                         void *context, kofn_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_file(path, errno, err);

    enum { CAPACITY = KOFN_CONFIG_BYTES_MAX + 1 }; // one more shows that there is more
    kofn_status status;
    char *text = malloc(CAPACITY);
    if (!text) {
        status = fail_file(path, ENOMEM, err);
        goto out;
    }
    errno = 0;
    const size_t length = fread(text, 1, CAPACITY, file);
    if (ferror(file))
        status = fail_file(path, errno, err);
    else
        status = parse(path, text, length, visit, check, context, err);
out:
    free(text);
    (void)fclose(file); // nothing was written
    return status;
}
