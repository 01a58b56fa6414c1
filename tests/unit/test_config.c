#include "common/base/config.h"

#include "tests/assert.h"

#include <sys/stat.h>
#include <unistd.h>

static kofn_error error;

/* Writes down what it is given, as "path=value;". */
typedef struct notes {
    char text[8192];
    size_t used;
} notes;

static kofn_status
note(void *context, const char *path, const char *value, kofn_error *err)
{
    notes *n = context;
    if (strcmp(path, "refuse") == 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: '%s' is refused", path, value);
    const size_t room = sizeof n->text - n->used;
    const size_t wanted = (size_t)snprintf(n->text + n->used, room, "%s=%s;", path, value);
    n->used += wanted < room ? wanted : room - 1; // a long file's notes are cut
    return KOFN_OK;
}

static kofn_status
parse_bytes(const char *text, size_t length, notes *n)
{
    *n = (notes){.used = 0};
    memset(&error, 0, sizeof error);
    return kofn_config_parse("a.yaml", text, length, note, n, &error);
}

static void
assert_read(const char *text, const char *expected)
{
    notes n;
    assert_ok(parse_bytes(text, strlen(text), &n));
    assert_string_equal(n.text, expected);
}

static void
assert_refused(const char *text, const char *sentence)
{
    notes n;
    assert_fails(parse_bytes(text, strlen(text), &n), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, sentence);
}

static void
scalars_come_with_their_dotted_path_in_order(void **state)
{
    (void)state;
    assert_read("name: w1\n"
                "limits:\n"
                "  memory: 4GiB   # a comment\n"
                "  job:\n"
                "    tasks: 7\n"
                "listen: 'tcp://*:5555'\n",
                "name=w1;limits.memory=4GiB;limits.job.tasks=7;listen=tcp://*:5555;");
    assert_read("limits.memory: 4GiB\n", "limits.memory=4GiB;");
    assert_read("{a: {b: 1, c: \"x y\"}}", "a.b=1;a.c=x y;");
}

static void
lists_are_joined_by_commas(void **state)
{
    (void)state;
    assert_read("partition: [2, 1, 2]\n", "partition=2,1,2;");
    assert_read("cores:\n- 1\n- 3\n", "cores=1,3;");
    assert_read("none: []\none: [x]\nempty: ['', '']\n", "none=;one=x;empty=,;");
}

static void
an_empty_file_is_valid(void **state)
{
    (void)state;
    assert_read("", "");
    assert_read("# only a comment\n", "");
    assert_read("---\n", "");
    assert_read("---\n...\n", "");
    assert_read("a:\n", "a=;");
}

static void
what_the_visitor_says_gets_the_place_in_front(void **state)
{
    (void)state;
    notes n;
    const char *text = "a: 1\nb:\n  c: 2\nrefuse: 3\nlater: 4\n";
    assert_fails(parse_bytes(text, strlen(text), &n), KOFN_OUT_OF_RANGE);
    assert_string_equal(error.text, "a.yaml:4:1: refuse: '3' is refused");
    assert_string_equal(n.text, "a=1;b.c=2;"); // and it stopped there
}

typedef struct limits {
    uint64_t memory;
} limits;

static const kofn_key limits_table[] = {
    {.name = "limits.memory", .type = KOFN_KEY_SIZE, KOFN_KEY_FIELD(limits, memory)},
};

static kofn_status
set_key(void *context, const char *path, const char *value, kofn_error *err)
{
    return kofn_keys_parse((kofn_keys){limits_table, 1}, path, value, context, err);
}

static void
a_table_of_keys_makes_whole_sentences(void **state)
{
    (void)state;
    limits l = {0};
    const char *good = "limits:\n  memory: 4GiB\n", *bad = "limits:\n  memory: 4 apples\n";
    assert_ok(kofn_config_parse("master.yaml", good, strlen(good), set_key, &l, &error));
    assert_true(l.memory == UINT64_C(4) << 30);
    assert_fails(kofn_config_parse("master.yaml", bad, strlen(bad), set_key, &l, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "master.yaml:2:3: limits.memory: '4 apples' is not a size; "
                                    "write it as 512MiB or 4GiB");
}

static void
duplicates_are_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: a: is set a second time; keep one");
    assert_refused("a: {b: 1}\na: {c: 1}\n", "a.yaml:2:1: a: is set a second time; keep one");
    assert_refused("a:\n  b: 1\na.b: 2\n", "a.yaml:3:1: a.b: is set a second time; keep one");
    assert_read("a: {x: 1}\nb: {x: 2}\n", "a.x=1;b.x=2;");
    assert_read("ab: 1\na: 2\n", "ab=1;a=2;");
}

static void
aliases_anchors_and_tags_are_refused(void **state)
{
    (void)state;
    const char *rest = "aliases, anchors and tags are not allowed; write the value out";
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"a: &x 1\n", "1:4"},      {"a: *x\n", "1:4"},     {"a: !!int 1\n", "1:4"},
        {"a: &x {b: 1}\n", "1:4"}, {"a: &x [1]\n", "1:4"}, {"a: 1\nb: [1, !t 2]\n", "2:8"},
        {"a: !t {b: 1}\n", "1:4"}, {"&k a: 1\n", "1:1"},   {"!t\na: 1\n", "1:1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sentence[128];
        snprintf(sentence, sizeof sentence, "a.yaml:%s: %s", cases[i].place, rest);
        assert_refused(cases[i].text, sentence);
    }
}

static void
only_one_mapping_in_one_document_is_read(void **state)
{
    (void)state;
    assert_refused("a: 1\n---\nb: 2\n",
                   "a.yaml:2:1: a second document begins here; a configuration is a single one");
    assert_refused("- 1\n- 2\n", "a.yaml:1:1: a configuration is a list of 'key: value' lines");
    assert_refused("just words\n", "a.yaml:1:1: a configuration is a list of 'key: value' lines");
}

static void
lists_hold_single_values_without_commas(void **state)
{
    (void)state;
    assert_refused("a: [1, [2]]\n", "a.yaml:1:1: a list may hold single values only");
    assert_refused("a:\n- b: 1\n", "a.yaml:1:1: a list may hold single values only");
    assert_refused("a: ['1,2']\n", "a.yaml:1:1: a value in a list must not hold a comma");
    assert_refused("a: [1\n", "a.yaml:2:1: not YAML: did not find expected ',' or ']' while "
                              "parsing a flow sequence");
}

static void
keys_are_plain_words(void **state)
{
    (void)state;
    assert_refused("{[a, b]: 1}\n", "a.yaml:1:2: a key must be a plain word");
    assert_refused("'': 1\n", "a.yaml:1:1: a key must be a plain word");
    assert_refused("? {a: 1}\n: 2\n", "a.yaml:1:3: a key must be a plain word");
    assert_refused("\"a\\0b\": 2\n", "a.yaml:1:1: a key must be a plain word");
}

static void
no_yaml_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("a: b: c\n",
                   "a.yaml:1:5: not YAML: mapping values are not allowed in this context");
    assert_refused("a: 1\n\tb: 2\n", "a.yaml:2:1: not YAML: found a tab character that violates "
                                     "indentation while scanning a plain scalar");
    assert_refused("a: \xff\n", "a.yaml: not YAML: invalid leading UTF-8 octet at byte 3");
    assert_refused("a: \x01\n", "a.yaml: not YAML: control characters are not allowed at byte 3");
}

static void
values_hold_no_nul_and_have_a_limit(void **state)
{
    (void)state;
    assert_refused("a: \"x\\0y\"\n", "a.yaml:1:1: a value must not hold a NUL character");

    notes n;
    static char text[5000] = "a: ";
    memset(text + 3, 'x', 4095);
    assert_ok(parse_bytes(text, 3 + 4095, &n));
    memset(text + 3, 'x', 4096);
    assert_fails(parse_bytes(text, 3 + 4096, &n), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "a.yaml:1:1: the value is longer than 4095 bytes");
}

static void
a_long_list_has_the_limit_of_a_value(void **state)
{
    (void)state;
    notes n;
    static char text[20000] = "a: [";
    size_t used = 4;
    for (; used < 16000; used += 4)
        memcpy(text + used, "123,", 4);
    memcpy(text + used, "4]", 2);
    assert_fails(parse_bytes(text, used + 2, &n), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "a.yaml:1:1: the value is longer than 4095 bytes");
}

/* Sections s, one in the other, with a value in the innermost. */
static size_t
nest(char *text, int depth)
{
    char *at = text;
    for (int i = 0; i < depth; i++)
        at += sprintf(at, "{s: ");
    at += sprintf(at, "1");
    for (int i = 0; i < depth; i++)
        at += sprintf(at, "}");
    return (size_t)(at - text);
}

static void
nesting_has_a_limit(void **state)
{
    (void)state;
    notes n;
    static char text[KOFN_CONFIG_BYTES_MAX];
    assert_ok(parse_bytes(text, nest(text, KOFN_CONFIG_DEPTH_MAX), &n));
    assert_fails(parse_bytes(text, nest(text, KOFN_CONFIG_DEPTH_MAX + 1), &n),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "sections are nested deeper than 16"));

    memset(text, '[', sizeof text);
    assert_fails(parse_bytes(text, sizeof text, &n), KOFN_INVALID_ARGUMENT);
    memset(text, '{', sizeof text);
    assert_fails(parse_bytes(text, sizeof text, &n), KOFN_INVALID_ARGUMENT);
}

static void
paths_have_a_limit(void **state)
{
    (void)state;
    notes n;
    char text[400];
    memset(text, 'k', sizeof text);
    memcpy(text + 255, ": 1", 3);
    assert_ok(parse_bytes(text, 258, &n));
    memset(text, 'k', sizeof text);
    memcpy(text + 256, ": 1", 3);
    assert_fails(parse_bytes(text, 259, &n), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "a.yaml:1:1: the key is longer than any that is known");
}

static void
files_have_a_limit(void **state)
{
    (void)state;
    notes n;
    static char text[KOFN_CONFIG_BYTES_MAX + 1];
    memset(text, '#', sizeof text);
    assert_ok(parse_bytes(text, KOFN_CONFIG_BYTES_MAX, &n));
    assert_fails(parse_bytes(text, KOFN_CONFIG_BYTES_MAX + 1, &n), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "a.yaml: is larger than 64 KiB");
}

static void
a_file_full_of_keys_is_read(void **state)
{
    (void)state;
    static char text[KOFN_CONFIG_BYTES_MAX];
    size_t used = 0;
    for (int i = 0; used + 16 < sizeof text; i++)
        used += (size_t)sprintf(text + used, "k%d:\n", i);
    notes n;
    assert_ok(parse_bytes(text, used, &n));
}

static void
parsing_accepts_no_error(void **state)
{
    (void)state;
    notes n = {.used = 0};
    assert_int_equal(kofn_config_parse("a", "a: b: c", 7, note, &n, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(kofn_config_parse("a", "refuse: 1", 9, note, &n, NULL), KOFN_OUT_OF_RANGE);
    assert_int_equal(kofn_config_load("/no/such/file", note, &n, NULL), KOFN_NOT_FOUND);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* A temporary file with this text; the caller unlinks it. */
static void
write_file(char *path, const void *text, size_t length)
{
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    close(fd);
}

static void
a_file_is_read_and_named_in_complaints(void **state)
{
    (void)state;
    char path[] = "/tmp/kofn_test_config_XXXXXX", sentence[128];
    notes n = {.used = 0};
    write_file(path, "a: 1\nrefuse: 2\n", 15);
    assert_fails(kofn_config_load(path, note, &n, &error), KOFN_OUT_OF_RANGE);
    snprintf(sentence, sizeof sentence, "%s:2:1: refuse: '2' is refused", path);
    assert_string_equal(error.text, sentence);
    assert_string_equal(n.text, "a=1;");
    unlink(path);
}

static void
a_file_too_large_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/kofn_test_config_XXXXXX";
    static char text[2 * KOFN_CONFIG_BYTES_MAX];
    notes n = {.used = 0};
    memset(text, '#', sizeof text);
    write_file(path, text, sizeof text);
    assert_fails(kofn_config_load(path, note, &n, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "is larger than 64 KiB"));
    unlink(path);
}

static void
a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    notes n = {.used = 0};
    assert_fails(kofn_config_load("/no/such/file", note, &n, &error), KOFN_NOT_FOUND);
    assert_string_equal(error.text, "/no/such/file: cannot be read: No such file or directory");
    assert_fails(kofn_config_load("/tmp", note, &n, &error), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text, "/tmp: cannot be read: Is a directory");
    if (getuid() == 0)
        return; // root may read everything
    char path[] = "/tmp/kofn_test_config_XXXXXX";
    write_file(path, "a: 1\n", 5);
    assert_int_equal(chmod(path, 0), 0);
    assert_fails(kofn_config_load(path, note, &n, &error), KOFN_PERMISSION_DENIED);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_come_with_their_dotted_path_in_order),
        cmocka_unit_test(lists_are_joined_by_commas),
        cmocka_unit_test(an_empty_file_is_valid),
        cmocka_unit_test(what_the_visitor_says_gets_the_place_in_front),
        cmocka_unit_test(a_table_of_keys_makes_whole_sentences),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(aliases_anchors_and_tags_are_refused),
        cmocka_unit_test(only_one_mapping_in_one_document_is_read),
        cmocka_unit_test(lists_hold_single_values_without_commas),
        cmocka_unit_test(keys_are_plain_words),
        cmocka_unit_test(no_yaml_is_refused_with_its_place),
        cmocka_unit_test(values_hold_no_nul_and_have_a_limit),
        cmocka_unit_test(a_long_list_has_the_limit_of_a_value),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(paths_have_a_limit),
        cmocka_unit_test(files_have_a_limit),
        cmocka_unit_test(a_file_full_of_keys_is_read),
        cmocka_unit_test(parsing_accepts_no_error),
        cmocka_unit_test(a_file_is_read_and_named_in_complaints),
        cmocka_unit_test(a_file_too_large_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
