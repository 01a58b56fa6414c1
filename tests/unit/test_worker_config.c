#include "tests/assert.h"

#include "common/base/config.h"
#include "worker/config.h"

#include <unistd.h>

static void
assert_same(const kofn_worker_config *one, const kofn_worker_config *two)
{
    for (size_t i = 0; i < kofn_worker_keys.count; i++) {
        char a[300], b[300];
        kofn_key_format(&kofn_worker_keys.at[i], one, a, sizeof a);
        kofn_key_format(&kofn_worker_keys.at[i], two, b, sizeof b);
        assert_string_equal(a, b);
    }
}

static kofn_status
note_key(void *context, const char *path, const char *value, kofn_error *err)
{
    (void)value;
    (void)err;
    bool *seen = context;
    const kofn_key *key = kofn_keys_find(kofn_worker_keys, path);
    if (key)
        seen[key - kofn_worker_keys.at] = true;
    return KOFN_OK;
}

static void
example_shows_every_key_with_its_default(void **state)
{
    (void)state;
    static const char path[] = KOFN_SOURCE_DIR "/config/worker.yaml";
    kofn_error error;
    kofn_worker_config defaults, example;
    bool seen[64] = {0};
    assert_ok(kofn_worker_config_load(NULL, &defaults, &error));
    assert_ok(kofn_worker_config_load(path, &example, &error));
    assert_same(&defaults, &example);

    assert_ok(kofn_config_load(path, note_key, seen, &error));
    for (size_t i = 0; i < kofn_worker_keys.count; i++) {
        if (!seen[i])
            print_error("config/worker.yaml lacks %s\n", kofn_worker_keys.at[i].name);
        assert_true(seen[i]);
    }
}

/* The status that a file of that text gets. */
static kofn_status
load_text(const char *text, kofn_worker_config *ret_config, kofn_error *err)
{
    char path[] = "/tmp/kofn-worker-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    kofn_status status = kofn_worker_config_load(path, ret_config, err);
    unlink(path);
    return status;
}

static void
file_overrides_defaults(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    assert_ok(load_text("credit: 7\ninject: {repeat: 5, sleep: 250ms}\nlog: {level: debug}\n",
                        &config, &error));
    assert_int_equal(config.credit, 7);
    assert_int_equal(config.inject.repeat, 5);
    assert_int_equal(config.inject.sleep_ns, 250000000);
    assert_int_equal(kofn_worker_config_get_log_level(&config), KOFN_LOG_DEBUG);
    assert_int_equal(config.blas_threads, 1);
}

static void
errors_carry_line_and_column_and_leave_the_config_alone(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config = {.credit = 42};
    assert_fails(load_text("credit: 2\ncrdit: 3\n", &config, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, ":2:1: "));
    assert_non_null(strstr(error.text, "'credit'"));
    assert_fails(load_text("credit: 0\n", &config, &error), KOFN_OUT_OF_RANGE);
    assert_fails(load_text("inject:\n  wrong: 1.5\n", &config, &error), KOFN_OUT_OF_RANGE);
    assert_fails(load_text("grace: soon\n", &config, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(load_text("master: ''\n", &config, &error), KOFN_OUT_OF_RANGE);
    assert_fails(load_text("log: {level: chatty}\n", &config, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(config.credit, 42);
}

static void
window_larger_than_memory_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    assert_fails(load_text("window: 64MiB\nmemory: 32MiB\n", &config, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_ok(load_text("window: 64MiB\nmemory: 0\n", &config, &error));
    config.memory = 1;
    assert_fails(kofn_worker_config_check(&config, &error), KOFN_INVALID_ARGUMENT);
}

static void
a_model_of_stragglers_is_checked_where_it_is_written(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    assert_ok(load_text("inject:\n  straggler: 'iid:delta=0.2,seed=3'\n  by: wait\n"
                        "  straggler_workers: 4\n  column: 3\n  pace: 0.5\n",
                        &config, &error));
    assert_string_equal(config.inject.straggler, "iid:delta=0.2,seed=3");
    assert_int_equal(config.inject.by, KOFN_INJECT_BY_WAIT);
    assert_true(config.inject.straggler_workers == 4 && config.inject.column == 3);
    assert_true(config.inject.pace == 0.5);

    assert_fails(load_text("inject:\n  straggler: frichman\n", &config, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, ":2:3: inject.straggler: "));
    assert_non_null(strstr(error.text, "did you mean 'fritchman'?"));
    assert_fails(load_text("inject:\n  straggler: iid:delta=2\n", &config, &error),
                 KOFN_OUT_OF_RANGE);
    assert_fails(
        load_text("inject: {straggler: iid, straggler_workers: 4, column: 4}\n", &config, &error),
        KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "columns 0 to 3"));
    assert_fails(load_text("inject: {straggler: 'trace:file=/nowhere/trace'}\n", &config, &error),
                 KOFN_NOT_FOUND); // before it is started
    assert_non_null(strstr(error.text, ":1:10: inject.straggler: "));
    assert_non_null(strstr(error.text, "/nowhere/trace"));
    assert_fails(load_text("inject: {by: sleeping}\n", &config, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(load_text("inject: {pace: -1}\n", &config, &error), KOFN_OUT_OF_RANGE);
}

static void
missing_file_is_not_found(void **state)
{
    (void)state;
    kofn_error error;
    kofn_worker_config config;
    assert_fails(kofn_worker_config_load("/nowhere/worker.yaml", &config, &error), KOFN_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_shows_every_key_with_its_default),
        cmocka_unit_test(file_overrides_defaults),
        cmocka_unit_test(errors_carry_line_and_column_and_leave_the_config_alone),
        cmocka_unit_test(window_larger_than_memory_is_refused),
        cmocka_unit_test(a_model_of_stragglers_is_checked_where_it_is_written),
        cmocka_unit_test(missing_file_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
