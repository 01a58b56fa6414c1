/* Nothing is forgotten: each message of the tables has a seed with all its fields, and each parser
 * of the list in README.md has its fuzzer, as each fuzzer has its place in the list. */
#include "tests/assert.h"
#include "tests/fuzz/messages.h"

#include <dirent.h>

#define FOLDER KOFN_SOURCE_DIR "/tests/fuzz/"

enum { TEXT_MAX = 1 << 20 };

/* The whole file with a NUL behind, to free(); NULL: there is none. */
static char *
read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = malloc(TEXT_MAX + 1);
    assert_non_null(text);
    *ret_length = fread(text, 1, TEXT_MAX, file);
    text[*ret_length] = '\0';
    fclose(file);
    return text;
}

static bool
is_zero(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)at)[i] != 0)
            return false;
    return true;
}

/* The first field that the message does not use, here or in a part; NULL: it uses all. */
static const char *
find_unused(const kofn_wire_message *of, const void *message)
{
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        const void *at = (const char *)message + field->offset;
        const char *within = field->type == KOFN_WIRE_MESSAGE ? find_unused(field->of, at) : NULL;
        if (within || is_zero(at, field->size))
            return within ? within : field->name;
    }
    return NULL;
}

static void
check_seed(const kofn_wire_message *of)
{
    kofn_error error;
    char path[512];
    size_t length = 0, start = 0;
    snprintf(path, sizeof path, FOLDER "seeds/message/%s", of->name);
    char *seed = read_file(path, &length);
    if (!seed)
        fail_msg("message '%s' has no seed: fuzz_seed %s > %s", of->name, of->name, path);
    assert_ptr_equal(fuzz_message_named((uint8_t *)seed, length, &start), of);

    void *message = malloc(of->struct_size);
    assert_non_null(message);
    assert_ok(kofn_message_unpack(of, seed + start, length - start, message, &error));
    const char *unused = find_unused(of, message);
    if (unused)
        fail_msg("the seed of '%s' has no '%s': fuzz_seed %s > %s", of->name, unused, of->name,
                 path);
    kofn_message_clear(of, message);
    free(message);
    free(seed);
}

static void
every_message_has_a_seed_with_all_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < kofn_messages_count(); i++)
        check_seed(kofn_messages_at(i));
}

/* "| `fuzz_NAME` |" is how a row of the list ends. */
static void
every_fuzzer_is_in_the_list_of_parsers(void **state)
{
    (void)state;
    size_t length;
    char *list = read_file(FOLDER "README.md", &length);
    assert_non_null(list);
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char row[300];
        const size_t name = strcspn(entry->d_name, ".");
        if (strncmp(entry->d_name, "fuzz_", 5) != 0 || strcmp(entry->d_name + name, ".c") != 0)
            continue;
        snprintf(row, sizeof row, "| `%.*s` |", (int)name, entry->d_name);
        if (!strstr(list, row))
            fail_msg("%s is in no row of tests/fuzz/README.md: '%s'", entry->d_name, row);
        count++;
    }
    closedir(folder);
    free(list);
    assert_true(count > 0);
}

static void
every_row_of_the_list_names_a_fuzzer_and_a_parser(void **state)
{
    (void)state;
    size_t length, rows = 0;
    char *list = read_file(FOLDER "README.md", &length);
    assert_non_null(list);
    for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n")) {
        char parser[256], fuzzer[64], path[512];
        size_t there;
        if (sscanf(line, "| %*[^|] | `%255[^`]` | `%63[a-z_0-9]` |", parser, fuzzer) != 2)
            continue;
        snprintf(path, sizeof path, FOLDER "%s.c", fuzzer);
        char *text = read_file(path, &there);
        if (!text)
            fail_msg("README.md names %s, which is not there", path);
        free(text);
        snprintf(path, sizeof path, KOFN_SOURCE_DIR "/%s", parser);
        text = read_file(path, &there);
        if (!text)
            fail_msg("README.md names %s, which is not there", path);
        free(text);
        rows++;
    }
    free(list);
    assert_true(rows >= 10);
}

/* ---- sources that read ----------------------------------------------------------------------- */

static bool
calls_a_reader(const char *text)
{
    static const char *const calls[] = {
        "kofn_message_unpack(",
        "kofn_message_peek(",
        "kofn_cursor_next(",
        "kofn_inbound_recv(",
        "kofn_config_load",
        "kofn_config_parse(",
        "yaml_parser_parse(",
        "json_load",
        "zconfig_str_load(",
        "zconfig_load(",
        "zmq_recv(",
        "zmq_msg_recv(",
        "sqlite3_column_",
        "sscanf(",
        " strtol(",
        " strtoul(",
        " strtoll(",
        " strtoull(",
        " strtod(",
        " fread(",
        " read(",
        " pread(",
        " readdir(",
        " getenv(",
        "(readdir(",
        "(getenv(",
        " fgets(",
        " getline(",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strstr(text, calls[i]))
            return true;
    return false;
}

static bool
is_source(const char *name)
{
    const size_t length = strlen(name);
    return length > 2 && strcmp(name + length - 2, ".c") == 0;
}

static size_t
check_folder(const char *folder, const char *list)
{
    char path[512];
    size_t readers = 0;
    snprintf(path, sizeof path, KOFN_SOURCE_DIR "/%s", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t length;
        char row[300];
        if (!is_source(entry->d_name))
            continue;
        snprintf(row, sizeof row, "`%s/%s`", folder, entry->d_name);
        snprintf(path, sizeof path, KOFN_SOURCE_DIR "/%s/%s", folder, entry->d_name);
        char *text = read_file(path, &length);
        assert_non_null(text);
        const bool reads = calls_a_reader(text);
        free(text);
        if (reads && !strstr(list, row))
            fail_msg("%s reads what others wrote, and tests/fuzz/README.md does not say what "
                     "fuzzes it, or why nothing has to",
                     row);
        readers += reads;
    }
    closedir(dir);
    return readers;
}

static void
every_source_that_reads_is_in_the_list_or_excused(void **state)
{
    (void)state;
    static const char *const folders[] = {
        "common/base", "common/linalg", "common/code",  "common/systemd", "proto",  "proto/link",
        "master",      "master/sched",  "master/store", "worker",         "client", "client/cli"};
    size_t length, readers = 0;
    char *list = read_file(FOLDER "README.md", &length);
    assert_non_null(list);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        readers += check_folder(folders[i], list);
    free(list);
    assert_true(readers >= 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_has_a_seed_with_all_fields),
        cmocka_unit_test(every_fuzzer_is_in_the_list_of_parsers),
        cmocka_unit_test(every_row_of_the_list_names_a_fuzzer_and_a_parser),
        cmocka_unit_test(every_source_that_reads_is_in_the_list_or_excused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
