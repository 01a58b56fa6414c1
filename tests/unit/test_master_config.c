#include "master/config.h"
#include "tests/assert.h"

#include <unistd.h>

/* Write a file, load it, take it away. */
static kofn_status
load_text(const char *text, kofn_master_config *config, kofn_error *error)
{
    char path[] = "/tmp/kofn-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    const kofn_status status = kofn_master_config_load(path, config, error);
    unlink(path);
    return status;
}

static void
assert_refused(const char *text, kofn_status expected, const char *place, const char *words)
{
    kofn_error error;
    kofn_master_config config;
    assert_fails(load_text(text, &config, &error), expected);
    if (!strstr(error.text, place) || !strstr(error.text, words)) {
        print_error("'%s' does not name '%s' and '%s'\n", error.text, place, words);
        fail();
    }
}

static void
the_file_that_is_shipped_shows_the_defaults(void **state)
{
    (void)state;
    kofn_error error;
    kofn_master_config shipped, defaults;
    assert_ok(kofn_master_config_load(KOFN_SOURCE_DIR "/config/master.yaml", &shipped, &error));
    assert_ok(kofn_master_config_load(NULL, &defaults, &error));
    assert_string_equal(shipped.code.family, "auto"); // the one thing that the file spells out
    assert_string_equal(shipped.stream_code.family, "auto"); // twice
    memset(&shipped.code, 0, sizeof shipped.code);
    memset(&shipped.stream_code, 0, sizeof shipped.stream_code);
    memset(&defaults.code, 0, sizeof defaults.code);
    memset(&defaults.stream_code, 0, sizeof defaults.stream_code);
    assert_memory_equal(&shipped, &defaults, sizeof defaults);
}

/* What the partition asks for is right, too: loading checks it. */
static void
every_family_has_a_file_that_loads(void **state)
{
    (void)state;
    kofn_error error;
    kofn_master_config config;
    for (size_t i = 0; i < kofn_family_count(); i++) {
        const char *name = kofn_family_at(i)->name;
        char path[512];
        (void)snprintf(path, sizeof path, "%s/config/codes/%s.yaml", KOFN_SOURCE_DIR, name);
        assert_ok(kofn_master_config_load(path, &config, &error));
        assert_string_equal(config.code.family, name);
        if (kofn_family_at(i)->only_batches) // whose pairs decide
            continue;
        assert_true(config.code.part.x && config.code.part.z && config.code.part.y);
        assert_true(config.code.tasks > 0);
    }
}

static void
a_file_sets_what_it_names_and_leaves_the_rest(void **state)
{
    (void)state;
    kofn_error error;
    kofn_master_config config;
    assert_ok(load_text("listen:\n  clients: tcp://*:9001\nlimits: {memory: 2GiB}\n"
                        "scheduler: {backup_factor: 3}\npolicy: speculative\n"
                        "plan: {stragglers: 2, slowdown: 3, gflops: 50, link: 1.5}\n"
                        "code: {family: rkrp, partition: [2, 1, 3], tasks: 8, systematic: no}\n"
                        "streams: {scheme: idip, slots: 4, window: 3, tolerance: 0.5,\n"
                        "  code: {family: polynomial, partition: [3, 1, 3], points: random}}\n",
                        &config, &error));
    assert_string_equal(config.clients, "tcp://*:9001");
    assert_string_equal(config.workers, "tcp://127.0.0.1:7502");
    assert_int_equal(config.memory, UINT64_C(2) << 30);
    assert_true(config.sched.backup_factor == 3);
    assert_string_equal(config.policy, "speculative");
    assert_int_equal(config.plan.stragglers, 2);
    assert_true(config.plan.slowdown == 3 && config.plan.gflops == 50 && config.plan.link == 1.5);
    assert_string_equal(config.code.family, "rkrp");
    assert_int_equal(config.code.part.y, 3);
    assert_int_equal(config.code.tasks, 8);
    assert_int_equal(config.streams.scheme, KOFN_SCHEME_IDIP);
    assert_int_equal(config.streams.window, 3);
    assert_true(config.streams.tolerance == 0.5 && config.streams.rescue == 0);
    assert_string_equal(config.stream_code.family, "polynomial");
    assert_string_equal(config.stream_code.sets[0].value, "random");
}

static void
what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("limits:\n  memmory: 1GiB\n", KOFN_NOT_FOUND, ":2:3:", "limits.memory");
    assert_refused("heartbeat: soon\n", KOFN_INVALID_ARGUMENT, ":1:1:", "soon");
    assert_refused("plan: {slowdown: 0.5}\n", KOFN_OUT_OF_RANGE, ":1:", "slowdown");
    assert_refused("store: {size: 10KiB}\n", KOFN_OUT_OF_RANGE, "store.size", "1MiB");
    assert_refused("chunk: 1GiB\n", KOFN_OUT_OF_RANGE, ":1:1:", "64MiB");
    assert_refused("a: [b\n", KOFN_INVALID_ARGUMENT, ":", "");
    assert_refused("policy: speculativ\n", KOFN_NOT_FOUND, ":1:1:", "speculative");
    assert_refused("scheduler:\n  backup_facter: 2\n", KOFN_NOT_FOUND, ":2:3:", "backup_factor");
    assert_refused("streams:\n  scheme: dipp\n", KOFN_INVALID_ARGUMENT, ":2:3:", "dip");
    assert_refused("streams:\n  burts: 2\n", KOFN_NOT_FOUND, ":2:3:", "burst");
    assert_refused("streams: {code: {family: rkpr}}\n", KOFN_NOT_FOUND, ":1:", "rkrp");
}

static void
what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    assert_refused("policy: auto\nsilence: 600ms\n", KOFN_INVALID_ARGUMENT, ":2:1:", "heartbeat");
    assert_refused("limits: {memory: 1MiB}\n", KOFN_INVALID_ARGUMENT, ":1:10:", "window");
    assert_refused(
        "streams: {scheme: polynomial, slots: 4, delay: 2, code: {partition: [2, 1, 2]}}\n",
        KOFN_INVALID_ARGUMENT, ":1:", "T = W - 1");
    assert_refused("streams:\n  scheme: idip\n  slots: 4\n  failures: 3\n  window: 4\n"
                   "  code: {partition: [3, 1, 4]}\n",
                   KOFN_INVALID_ARGUMENT, ":6:", "need = P W - N");
    assert_refused("streams: {scheme: dip, failures: 3}\n", KOFN_INVALID_ARGUMENT,
                   ":1:", "failures: the scheme dip");
    assert_refused("streams: {code: {tasks: 9}}\n", KOFN_INVALID_ARGUMENT, ":1:", "tasks");
    /* more answers needed than tasks: whichever comes last is where it goes wrong */
    assert_refused("code:\n  family: polynomial\n  partition: [3, 1, 3]\n  tasks: 8\n",
                   KOFN_INVALID_ARGUMENT, ":4:3:", "9");
    assert_refused("code:\n  tasks: 8\n  family: polynomial\n  partition: [3, 1, 3]\n",
                   KOFN_INVALID_ARGUMENT, ":4:3:", "9");
    assert_refused("code: {family: polynomal}\n", KOFN_NOT_FOUND, ":1:8:", "polynomial");
    assert_refused("code:\n  family: rkrp\n  sistematic: no\n", KOFN_NOT_FOUND,
                   ":3:3:", "systematic");
    assert_refused("listen: {workers: 'http://foo'}\n", KOFN_INVALID_ARGUMENT, ":1:10:", "tcp://");
    assert_refused("listen:\n  workers: tcp://127.0.0.1:7501\n", KOFN_INVALID_ARGUMENT,
                   ":2:3:", "listen.clients");
}

static void
what_is_impossible_only_in_between_is_accepted(void **state)
{
    (void)state;
    kofn_error error;
    kofn_master_config config;
    assert_ok(load_text("listen:\n  workers: tcp://127.0.0.1:7501\n"
                        "  clients: tcp://127.0.0.1:7502\n"
                        "code:\n  family: replication\n  partition: [2, 1, 2]\n  tasks: 12\n"
                        "  copies: 3\n",
                        &config, &error));
    assert_int_equal(config.code.tasks, 12);
}

static void
a_policy_is_auto_or_one_of_the_schedulers(void **state)
{
    (void)state;
    kofn_error error;
    assert_ok(kofn_master_policy_check("auto", &error));
    assert_ok(kofn_master_policy_check("oneshot", &error));
    assert_fails(kofn_master_policy_check("oneshott", &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "'oneshot'"));
}

/* ---- algorithms ------------------------------------------------------------------------------ */

/* A directory with one file a.yaml, and a configuration that names it. */
static kofn_status
load_with_algorithm(const char *algorithm, const char *format, kofn_master_config *config,
                    kofn_error *error)
{
    char directory[] = "/tmp/kofn-test-XXXXXX", path[64], text[512];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/a.yaml", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(algorithm, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(text, sizeof text, format, directory);
    const kofn_status status = load_text(text, config, error);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    return status;
}

#define HALF "size: [1, 1, 1]\nproducts:\n  p: {a: [1], b: [2], c: [1/2]}\n"

static void
a_directory_of_algorithms_is_read_with_the_file_that_names_it(void **state)
{
    (void)state;
    static const char *const orders[] = {
        "algorithms: %s\ncode: {family: alloy_local, algorithm: a*strassen}\n",
        "code: {family: alloy_local, algorithm: a*strassen}\nalgorithms: %s\n", // unknown yet
    };
    kofn_error error;
    kofn_master_config config;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(load_with_algorithm(HALF, orders[i], &config, &error));
        assert_non_null(config.known);
        assert_int_equal(kofn_algorithms_count(config.known), kofn_algorithms_count(NULL) + 1);
        assert_ok(kofn_master_config_check(&config, &error));
        assert_ok(kofn_master_config_set(&config, "algorithms", "", &error)); // from a command line
        assert_null(config.known);
        assert_fails(kofn_master_config_check(&config, &error), KOFN_NOT_FOUND);
        kofn_master_config_fini(&config);
    }
    assert_refused("code: {family: alloy_local, algorithm: strasen}\n", KOFN_NOT_FOUND,
                   ":1:29:", "strassen, winograd");
}

static void
an_algorithm_that_is_none_stops_the_start_with_both_places(void **state)
{
    (void)state;
    kofn_error error;
    kofn_master_config config;
    assert_fails(load_with_algorithm("size: [1, 1, 1]\nproducts:\n  p: {a: [1], b: [2], c: [1]}\n",
                                     "policy: auto\nalgorithms: %s\n", &config, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, ":2:1: ")); // of the configuration
    assert_non_null(strstr(error.text,
                           "/a.yaml:3:15: products.p.b: number 1 is 2 and would have to "
                           "be 1: "));
    assert_refused("algorithms: /nowhere\n", KOFN_NOT_FOUND, ":1:1:", "/nowhere cannot be read");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_that_is_shipped_shows_the_defaults),
        cmocka_unit_test(every_family_has_a_file_that_loads),
        cmocka_unit_test(a_file_sets_what_it_names_and_leaves_the_rest),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(what_is_impossible_only_in_between_is_accepted),
        cmocka_unit_test(a_policy_is_auto_or_one_of_the_schedulers),
        cmocka_unit_test(a_directory_of_algorithms_is_read_with_the_file_that_names_it),
        cmocka_unit_test(an_algorithm_that_is_none_stops_the_start_with_both_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
