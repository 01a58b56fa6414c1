/* The command `kofn` as people and scripts use it: arguments in, exit code and output out. Against
 * a real master and real workers over a socket file, and without any daemon.
 */
#include "tests/assert.h"

#include "common/base/clock.h"
#include "common/linalg/npy.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char kofn_path[] = KOFN_BINARY_DIR "/client/kofn";
static const char master_path[] = KOFN_BINARY_DIR "/master/kofn-master";
static const char worker_path[] = KOFN_BINARY_DIR "/worker/kofn-worker";
static const char digits_path[] = KOFN_SOURCE_DIR "/tests/data/digits.npy";

enum { OUTPUT_MAX = 1 << 16, ARGS_MAX = 24, PATIENCE_S = 30, WORKERS = 2 };

/* ---- processes ------------------------------------------------------------------------------- */

typedef struct run_result {
    int exit_code; // -1: ended by a signal
    char out[OUTPUT_MAX], err[OUTPUT_MAX];
} run_result;

static char root[64]; // of all files of this test

static const char *
in_root(const char *name)
{
    static char paths[8][128]; // a call's arguments are used before it is called eight times more
    static size_t next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static pid_t
spawn(const char *const *argv, const char *out, const char *err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, out, flags, 0600), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, err, flags, 0600), 0);
    assert_int_equal(
        posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void
read_file(const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    const ssize_t length = read(file, text, size - 1);
    assert_true(length >= 0);
    text[length] = '\0';
    (void)close(file);
}

/* "multiply a.npy b.npy" for `kofn`, split at blanks. */
static pid_t
start_kofn(const char *line)
{
    static char words[1024];
    const char *argv[ARGS_MAX] = {kofn_path};
    size_t count = 1;
    assert_true(strlen(line) < sizeof words);
    memcpy(words, line, strlen(line) + 1);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        assert_true(count + 1 < ARGS_MAX);
        argv[count++] = word;
    }
    return spawn(argv, in_root("out"), in_root("err"));
}

static void
finish_kofn(pid_t pid, run_result *ret)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ret->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    read_file(in_root("out"), ret->out, sizeof ret->out);
    read_file(in_root("err"), ret->err, sizeof ret->err);
}

static run_result *kofn(const char *format, ...) KOFN_PRINTF(1, 2);

static run_result *
kofn(const char *format, ...)
{
    static run_result result;
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    finish_kofn(start_kofn(line), &result);
    return &result;
}

static void
assert_exit(const run_result *r, int exit_code)
{
    if (r->exit_code != exit_code)
        fail_msg("exit code %d, expected %d\n%s%s", r->exit_code, exit_code, r->out, r->err);
}

static json_t *
parse(const run_result *r)
{
    json_error_t error;
    json_t *value = json_loads(r->out, 0, &error);
    if (!value)
        fail_msg("no JSON (%s): %s", error.text, r->out);
    return value;
}

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        fail_msg("no text '%s' in the JSON", key);
    return text;
}

/* ---- daemons --------------------------------------------------------------------------------- */

static pid_t master, workers[WORKERS];

static void write_file(const char *path, const char *format, ...) KOFN_PRINTF(2, 3);

static void
write_file(const char *path, const char *format, ...)
{
    FILE *file = fopen(path, "w");
    va_list args;
    assert_non_null(file);
    va_start(args, format);
    assert_true(vfprintf(file, format, args) >= 0);
    va_end(args);
    assert_int_equal(fclose(file), 0);
}

static pid_t
start_daemon(const char *program, const char *config)
{
    const char *argv[] = {program, "-c", config, NULL};
    return spawn(argv, "/dev/null", in_root("log"));
}

static void
stop_daemon(pid_t *pid)
{
    if (*pid <= 0)
        return;
    (void)kill(*pid, SIGTERM);
    (void)waitpid(*pid, NULL, 0);
    *pid = 0;
}

static void
wait_until_serving(void)
{
    const int64_t until = kofn_clock_ns() + PATIENCE_S * KOFN_NS_PER_S;
    while (kofn_clock_ns() < until) {
        run_result *r = kofn("health --patience %ds --timeout %ds", PATIENCE_S, PATIENCE_S);
        if (r->exit_code == 0) {
            r = kofn("workers --json");
            json_t *list = parse(r);
            const size_t count = json_array_size(list);
            json_decref(list);
            if (count == WORKERS)
                return;
        }
        (void)usleep(20000);
    }
    fail_msg("the daemons did not come up");
}

/* `worker` is what stands in the workers' configuration besides the endpoint. */
static void
start_daemons(const char *worker)
{
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/clients", root);
    assert_int_equal(setenv("KOFN_MASTER", endpoint, 1), 0);
    write_file(in_root("master.yaml"),
               "listen:\n  workers: ipc://%s/workers\n  clients: %s\ngrace: 100ms\n", root,
               endpoint);
    write_file(in_root("worker.yaml"), "master: ipc://%s/workers\ngrace: 100ms\n%s", root, worker);
    master = start_daemon(master_path, in_root("master.yaml"));
    for (size_t i = 0; i < WORKERS; i++)
        workers[i] = start_daemon(worker_path, in_root("worker.yaml"));
    wait_until_serving();
}

static int
stop_daemons(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORKERS; i++)
        stop_daemon(&workers[i]);
    stop_daemon(&master);
    (void)unsetenv("KOFN_MASTER");
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
write_ones(const char *path, size_t rows, size_t cols)
{
    kofn_error error;
    kofn_bands bands;
    double *data = malloc(rows * cols * sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < rows * cols; i++)
        data[i] = 1;
    const kofn_mat mat = kofn_mat_wrap(data, KOFN_F64, rows, cols);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
    free(data);
}

/* u1 or u4, the same number everywhere. */
static void
write_numbers(const char *path, kofn_dtype dtype, size_t rows, size_t cols, uint64_t value)
{
    kofn_error error;
    kofn_bands bands;
    const size_t width = kofn_dtype_width(dtype);
    unsigned char *data = malloc(rows * cols * width);
    assert_non_null(data);
    for (size_t i = 0; i < rows * cols; i++)
        memcpy(data + i * width, &value, width); // little-endian
    const kofn_mat mat = kofn_mat_wrap(data, dtype, rows, cols);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
    free(data);
}

static void
assert_numbers(const char *path, kofn_dtype dtype, size_t rows, size_t cols, uint64_t value)
{
    kofn_error error;
    kofn_npy c;
    const size_t width = kofn_dtype_width(dtype);
    assert_ok(kofn_npy_read(path, &c, &error));
    assert_int_equal(c.mat.dtype, dtype);
    assert_int_equal(c.mat.rows, rows);
    assert_int_equal(c.mat.cols, cols);
    for (size_t i = 0; i < rows * cols; i++)
        assert_memory_equal((const char *)c.mat.data + i * width, &value, width);
    kofn_mat_fini(&c.mat);
}

/* Ones times ones: each element is the inner dimension, whatever the code, up to its rounding. */
static void
assert_product_of_ones(const char *path, size_t rows, size_t inner, size_t cols)
{
    kofn_error error;
    kofn_npy c;
    assert_ok(kofn_npy_read(path, &c, &error));
    assert_int_equal(c.mat.rows, rows);
    assert_int_equal(c.mat.cols, cols);
    double worst = 0;
    for (size_t i = 0; i < rows * cols; i++)
        worst = fmax(worst, fabs(((const double *)c.mat.data)[i] - (double)inner));
    assert_at_most(worst, 1e-9 * (double)inner); // far above any rounding, far below any mistake
    kofn_mat_fini(&c.mat);
}

static void
remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            remove_tree(inner);
        else
            (void)unlink(inner);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

static int
make_root(void **state)
{
    (void)state;
    (void)unsetenv("KOFN_MASTER");
    (void)snprintf(root, sizeof root, "/tmp/kofn-test-command-XXXXXX");
    assert_non_null(mkdtemp(root));
    write_ones(in_root("a.npy"), 30, 20);
    write_ones(in_root("b.npy"), 20, 40);
    return 0;
}

static int
remove_root(void **state)
{
    (void)state;
    remove_tree(root);
    return 0;
}

/* ---- without a daemon ------------------------------------------------------------------------ */

static void
what_is_wrong_in_the_command_line_exits_with_2(void **state)
{
    static const char *const wrong[] = {
        "",
        "nonsense",
        "multiply",
        "multiply a.npy",
        "multiply a.npy b.npy",
        "multiply a.npy b.npy c.npy -o d.npy",
        "multiply a.npy b.npy -o -",
        "multiply --no-such-option",
        "multiply a.npy b.npy -o c.npy --local=0",
        "multiply a.npy b.npy -o c.npy --local=x",
        "multiply a.npy b.npy -o c.npy --local --master tcp://127.0.0.1:1",
        "multiply a.npy b.npy -o c.npy --timeout never",
        "multiply a.npy b.npy -o c.npy --tasks many",
        "multiply a.npy b.npy -o c.npy --partition 2",
        "multiply a.npy b.npy -o c.npy --set x",
        "multiply /no/such/file.npy b.npy -o c.npy --local",
        "submit a.npy b.npy --local",
        "wait",
        "wait a b",
        "cancel",
        "jobs x",
        "jobs --limit 0",
        "workers x",
        "health --timeout 5",
        "put",
        "put a.npy b.npy",
        "put /no/such/file.npy",
        "put a.npy --local",
        "drop",
        "drop a b",
        "drop a --local",
        "operands x",
        "encode a.npy b.npy",
        "encode @0123456789abcdef b.npy -d d",
        "decode -d x",
        "health --master nonsense",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const run_result *r = kofn("%s", wrong[i]);
        if (r->exit_code != 2 || r->out[0] != '\0' || r->err[0] == '\0')
            fail_msg("'%s': exit code %d\n%s%s", wrong[i], r->exit_code, r->out, r->err);
    }
}

static void
misspelt_names_get_a_hint(void **state)
{
    const struct {
        const char *line, *hint;
    } cases[] = {
        {"mutliply", "multiply"},
        {"multiply --partion 2,1,2", "--partition"},
        {"health --timout 1s", "--timeout"},
        {"encode %s %s -d %s --code rkpr", "rkrp"},
        {"encode %s %s -d %s --code rkrp --set sytematic=no", "systematic"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        (void)snprintf(line, sizeof line, "%s", cases[i].line);
        if (strchr(cases[i].line, '%'))
            (void)snprintf(line, sizeof line,
                           i == 3 ? "encode %s %s -d %s --code rkpr"
                                  : "encode %s %s -d %s --code rkrp "
                                    "--set sytematic=no",
                           in_root("a.npy"), in_root("b.npy"), in_root("d"));
        const run_result *r = kofn("%s", line);
        assert_exit(r, 2);
        if (!strstr(r->err, cases[i].hint))
            fail_msg("'%s' gives no hint: %s", cases[i].line, r->err);
    }
}

static void
help_and_version_go_to_standard_output(void **state)
{
    (void)state;
    assert_exit(kofn("--help"), 0);
    assert_non_null(strstr(kofn("--help")->out, "multiply"));
    assert_non_null(strstr(kofn("multiply --help")->out, "--partition"));
    assert_non_null(strstr(kofn("--version")->out, "kofn "));
}

static void
codes_are_listed_without_a_daemon(void **state)
{
    (void)state;
    run_result *r = kofn("codes --json");
    assert_exit(r, 0);
    json_t *codes = parse(r);
    assert_true(json_array_size(json_object_get(codes, "families")) >= 4);
    const json_t *policies = json_object_get(codes, "policies");
    assert_true(json_array_size(policies) >= 3);
    assert_string_equal(text_of(json_array_get(policies, 0), "name"), "auto");
    json_decref(codes);
    r = kofn("codes");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "rkrp"));
    assert_non_null(strstr(r->out, "--policy speculative"));
}

static void
algorithms_are_proven_listed_and_used(void **state)
{
    (void)state;
    const char *directory = KOFN_SOURCE_DIR "/config/algorithms";
    run_result *r = kofn("algorithm %s/blocks323.yaml --json --field gf256", directory);
    assert_exit(r, 0);
    json_t *found = parse(r);
    assert_int_equal(json_integer_value(json_object_get(found, "rank")), 15);
    assert_int_equal(json_integer_value(json_object_get(found, "denominator")), 1);
    json_decref(found);
    r = kofn("algorithm %s/blocks323.yaml", directory);
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "<3,2,3;15>: 15 products instead of 18, 66 additions"));

    write_file(in_root("half.yaml"),
               "size: [1, 1, 1]\nproducts:\n  p: {a: [1], b: [2], c: [1/2]}\n");
    r = kofn("algorithm %s", in_root("half.yaml"));
    assert_non_null(strstr(r->out, "divides by 2: any field but those of characteristic 2"));
    r = kofn("algorithm %s --field gf256", in_root("half.yaml"));
    assert_exit(r, 2);
    assert_non_null(strstr(r->err, "divides by 2, which is zero in field gf256"));
    write_file(in_root("bad.yaml"), "size: [1, 1, 1]\nproducts:\n  p: {a: [1], b: [3], c: [1]}\n");
    r = kofn("algorithm %s", in_root("bad.yaml"));
    assert_exit(r, 2);
    assert_non_null(strstr(r->err, "bad.yaml:3:15: products.p.b: number 1 is 3 and would have to"));

    r = kofn("codes --local=1 --algorithms %s --json", directory);
    assert_exit(r, 0);
    found = parse(r);
    const json_t *all = json_object_get(found, "algorithms");
    const json_t *last = json_array_get(all, json_array_size(all) - 1);
    assert_string_equal(text_of(last, "name"), "blocks323");
    assert_true(json_is_false(json_object_get(last, "ships")));
    json_decref(found);
    r = kofn("multiply %s %s -o %s --local=3 --algorithms %s --code alloy_local --set "
             "algorithm=blocks323 --json",
             in_root("a.npy"), in_root("b.npy"), in_root("own.npy"), directory);
    assert_exit(r, 0);
    assert_exit(kofn("multiply %s %s -o %s --algorithms %s", in_root("a.npy"), in_root("b.npy"),
                     in_root("own.npy"), directory),
                2); // a daemon has a directory of its own
}

static void
a_plan_needs_no_daemon(void **state)
{
    (void)state;
    run_result *r = kofn("plan --shape 3000,3000,3000 --workers 6 --stragglers 2 --rate 50 --link "
                         "10 --json");
    assert_exit(r, 0);
    json_t *plan = parse(r);
    assert_true(json_is_true(json_object_get(plan, "pays")));
    const json_t *first = json_array_get(json_object_get(plan, "plans"), 0);
    assert_string_equal(text_of(first, "policy"), "oneshot");
    const json_t *seconds = json_object_get(first, "seconds");
    const double late = json_real_value(json_object_get(seconds, "with_stragglers"));
    assert_true(late > 0 && late < 10);
    const int tasks = (int)json_integer_value(json_object_get(first, "tasks"));
    assert_true(tasks - json_integer_value(json_object_get(first, "needed")) >= 2);
    json_decref(plan);

    r = kofn("plan --shape 3000,3000,3000 --workers 6 --stragglers 0 --rate 50 --link 10");
    assert_exit(r, 0);
    assert_ptr_equal(strstr(r->out, "Coding does not pay with 0 stragglers: "), r->out);
    assert_non_null(strstr(r->out, "\nuncoded "));
    r = kofn("plan --shape 500,500,500 --workers 4 --local-rate 1000 --rate 5");
    assert_non_null(strstr(r->out, "local OpenBLAS would be faster than all"));
    assert_exit(kofn("plan --shape 500,500,500 --workers 2"), 0); // measures this machine
    assert_exit(kofn("plan --shape 500,500,500 --workers 2 --field gfp:65537"), 0); // in its field
    r = kofn("plan --shape 500,500,500 --workers 4 --rate 1 --field gf256");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "polynomial"));
    assert_null(strstr(r->out, "\nrkrp"));
    assert_non_null(strstr(kofn("plan --help")->out, "--stragglers"));
}

static void
a_plan_by_odds_says_how_many_workers_each_code_takes(void **state)
{
    (void)state;
    run_result *r = kofn("plan --shape 2000,2000,2000 --workers 80 --rate 20 --field gf256 "
                         "--failure 0.1 --odds 1e-3 --partition 4,2,4 --json");
    assert_exit(r, 0);
    json_t *plan = parse(r);
    const json_t *plans = json_object_get(plan, "plans"), *entangled = json_array_get(plans, 0),
                 *local = json_array_get(plans, 1);
    assert_int_equal(json_array_size(plans), 2);
    assert_string_equal(text_of(entangled, "code"), "polydot");
    assert_int_equal(json_integer_value(json_object_get(entangled, "typical")), 44);
    assert_string_equal(text_of(local, "code"), "alloy_local");
    assert_int_equal(json_integer_value(json_object_get(local, "typical")), 62);
    assert_string_equal(text_of(local, "typical_by"), "bound");
    assert_true(json_is_true(json_object_get(local, "likely")));
    json_decref(plan);
}

static void
a_plan_that_cannot_be_made_says_why(void **state)
{
    static const struct {
        const char *line, *hint;
        int exit_code;
    } cases[] = {
        {"plan --workers 4", "--shape M,K,N", 2},
        {"plan --shape 5,5 --workers 4", "M,K,N", 2},
        {"plan --shape 5,12345678901,5 --workers 4", "too large", 2},
        {"plan --shape 5,5,5,5 --workers 4", "M,K,N", 2},
        {"plan --shape 5,-5,5 --workers 4", "M,K,N", 2},
        {"plan --shape 5,5,5", "--workers", 2},
        {"plan --shape 5,5,5 --workers 4 --rate nan", "--rate", 2},
        {"plan --shape 5,5,5 --workers 4 --slowdown 0.5", "--slowdown", 2},
        {"plan --shape 5,5,5 --workers 4 --dtype u8", "f64 or f32", 2},
        {"plan --shape 5,5,5 --workers 4 --field gfp:9", "the nearest is 7", 2},
        {"plan --shape 5,5,5 --workers 4 --rate 1 --field gfp:9", "the nearest is 7", 2},
        {"plan --shape 5,5,5 --workers 4 --rate 1 --dtype f32 --field f64", "elements of f64", 2},
        {"plan --shape 0,5,5 --workers 4 --rate 1", "empty", 2},
        {"plan --shape 5,5,5 --workers 4 --stragglers 4 --rate 1", "fewer than the 4", 2},
        {"plan --shape 5,5,5 --workers 4 --failure 2 --rate 1", "probability", 2},
        {"plan --shape 5,5,5 --workers 4 --odds 0", "above 0 and below 1", 2},
        {"plan --shape 5,5,5 --workers 4 --odds nan", "--odds", 2},
        {"plan --shape 5,5,5 --workers 4 --partition 2,2", "x,z,y", 2},
        {"plan --shape 5,5,5 --workers 4 --partition 2,6,2 --rate 1", "more parts than", 2},
        {"plan --shape 500,500,500 --workers 4 --rate 1 --odds 1e-9", "comes nearest", 2},
        {"plan --shape 500,500,500 --workers 4 --rate 1 --error 1e-30", "nearest", 2},
        {"plan --shape 5,5,5 --master ipc:///nonexistent --patience 50ms", "no master answers", 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const run_result *r = kofn("%s", cases[i].line);
        assert_exit(r, cases[i].exit_code);
        if (!strstr(r->err, cases[i].hint))
            fail_msg("'%s' gives no hint: %s", cases[i].line, r->err);
    }
}

static void
where_no_master_is_every_command_exits_with_5(void **state)
{
    static const char *const commands[] = {"health",  "jobs",      "workers",
                                           "status",  "operands",  "drop aa",
                                           "wait aa", "cancel aa", "status aa"};
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const run_result *r =
            kofn("%s --patience 50ms --json --master ipc://%s", commands[i], in_root("nobody"));
        assert_exit(r, 5);
        json_t *object = parse(r);
        assert_string_equal(text_of(object, "status"), "UNAVAILABLE");
        json_decref(object);
    }
}

static void
local_multiplies_in_this_process(void **state)
{
    (void)state;
    run_result *r = kofn("multiply %s %s -o %s --local=3 --json --code rkrp --partition 2,1,2 "
                         "--tasks 5 --seed 9",
                         in_root("a.npy"), in_root("b.npy"), in_root("c.npy"));
    assert_exit(r, 0);
    json_t *account = parse(r);
    assert_string_equal(text_of(account, "status"), "OK");
    assert_string_equal(text_of(account, "code"), "rkrp");
    assert_string_equal(text_of(account, "seed"), "9");
    assert_int_equal(json_integer_value(json_object_get(account, "tasks")), 5);
    assert_int_equal(json_integer_value(json_object_get(account, "answers_used")), 4);
    json_decref(account);
    assert_product_of_ones(in_root("c.npy"), 30, 20, 40);

    r = kofn("multiply %s %s --transpose-b -o %s --local -q", digits_path, digits_path,
             in_root("g.npy"));
    assert_exit(r, 0);
    assert_string_equal(r->out, "");
    assert_string_equal(r->err, "");
    struct stat file;
    assert_int_equal(stat(in_root("g.npy"), &file), 0);
    assert_true(file.st_size > (off_t)(1797 * 1797 * 8));
}

static void
what_the_master_refuses_exits_with_6(void **state)
{
    (void)state;
    const run_result *r = kofn("multiply %s %s -o %s --local=1 --policy sideways --json",
                               in_root("a.npy"), in_root("b.npy"), in_root("c.npy"));
    assert_exit(r, 6);
    json_t *object = parse(r);
    assert_non_null(strstr(text_of(object, "message"), "sideways"));
    json_decref(object);
}

static double
real_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number '%s' in the JSON", key);
    return json_number_value(value);
}

static size_t
count_lines(const char *path)
{
    static char text[OUTPUT_MAX];
    size_t lines = 0;
    read_file(path, text, sizeof text);
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    return lines;
}

/* No daemon, no network: two of four answers suffice, one worker is slow, so each job takes a
 * half. */
static void
jobs_and_streams_run_in_virtual_time(void **state)
{
    (void)state;
    char csv[128];
    (void)snprintf(csv, sizeof csv, "%s", in_root("jobs.csv"));
    run_result *r =
        kofn("simulate --workers 4 --jobs 50 --code polynomial --partition 2,1,1 --tasks 4 "
             "--straggler persistent:slowdown=9 --csv %s --json",
             csv);
    assert_exit(r, 0);
    json_t *figures = parse(r);
    assert_true(fabs(real_of(figures, "time_per_job") - 0.5) < 1e-9);
    assert_true(fabs(real_of(json_object_get(figures, "latency"), "max") - 0.5) < 1e-9);
    assert_true(real_of(figures, "cancelled") == 100);
    assert_int_equal(count_lines(csv), 1 + 50);
    json_decref(figures);

    r = kofn(
        "simulate --workers 4 --jobs 50 --scheme idip --partition 2,1,6 --window 4 --straggler "
        "persistent --csv %s",
        csv);
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "idip 2,1,6 T=3 W=4 N=4"));
    assert_non_null(strstr(r->out, "0 waited beyond the tolerance"));
    assert_in_range(count_lines(csv), 1 + 50, 1 + 53);
    r = kofn("simulate --scheme idip --partition 2,1,6 --window 4 --failures 5");
    assert_exit(r, 2);
    assert_non_null(strstr(r->err, "P W - N"));
    r = kofn("simulate --workers 12 --jobs 20 --pairs 8 --blocks 4,4 --policy two_stage --unit 80s "
             "--straggler persistent:count=2,slowdown=9");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "locality, 8 pairs of 4 and 4 blocks, n="));
    assert_non_null(strstr(r->out, "max 25s"));
    assert_non_null(strstr(r->out, "from the reserve, whose rows were made 1 time"));
    /* 3M: one pair in three depends on the others, and one may be late: four tasks instead of
     * six. */
    write_file(in_root("3m"), "a c\nb d\na+b c+d\n");
    r = kofn("simulate --workers 4 --jobs 20 --list %s --straggler persistent", in_root("3m"));
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "locality, 3 pairs of 2 and 2 blocks, n=4, oneshot"));
    r = kofn("simulate --workers 8 --jobs 30 --pairs 6 --sum --each-task --straggler iid --json");
    assert_exit(r, 0);
    figures = parse(r);
    assert_true(real_of(json_object_get(figures, "latency"), "mean") > 0);
    assert_true(real_of(figures, "made") == 0);
    json_decref(figures);
    assert_exit(kofn("simulate --jobs 100 --csv /dev/full"), 3);
    r = kofn("simulate --jobs 1 --workers 1");
    assert_non_null(strstr(r->out, "1 worker: 1 job in 1s"));
}

/* A title with what ran, as it is, and for which stragglers; of a stream its rounds, too. */
static void
assert_pictured(const char *svg)
{
    static char text[8 * OUTPUT_MAX];
    static const char *const parts[] = {
        "idip_burst 3,1,4 T=3 W=4 N=4 B=2, tolerance 0.25, 4 workers",
        "stragglers: iid:delta=0.3; 200 jobs, seed 7", "seconds that a round took",
        "of them, waited beyond the tolerance"};
    assert_exit(kofn("simulate --scheme idip_burst --burst 2 --jobs 200 --seed 7 "
                     "--straggler iid:delta=0.3 --plot %s",
                     svg),
                0);
    read_file(svg, text, sizeof text);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(text, parts[i]))
            fail_msg("the picture has no '%s'", parts[i]);
    write_file(in_root("it's"), "0 1 0 0\n"); // gnuplot gets the name within such quotes
    assert_exit(
        kofn("simulate --jobs 10 --straggler trace:file=%s --plot %s", in_root("it's"), svg), 0);
}

static void
simulations_are_drawn_by_gnuplot_where_it_is(void **state)
{
    (void)state;
    const bool is_there = system("command -v gnuplot >/dev/null") == 0; // NOLINT: no user's text
    char svg[128];
    (void)snprintf(svg, sizeof svg, "%s", in_root("jobs.svg"));
    run_result *r = kofn("simulate --jobs 200 --jitter 0.3 --plot %s", svg);
    assert_exit(r, is_there ? 0 : 2);
    if (is_there)
        assert_true(count_lines(svg) > 100);
    else
        assert_non_null(strstr(r->err, "gnuplot, which is not installed"));
    if (is_there)
        assert_pictured(svg);
    assert_exit(kofn("simulate --jobs 10 --plot /nowhere/jobs.svg"), 2);
}

static void
schemes_of_a_stream_are_planned_for_stragglers(void **state)
{
    (void)state;
    run_result *r =
        kofn("plan --straggler iid:delta=0.3 --workers 4 --delay 2 --work 1e5 --limit 2 --json");
    assert_exit(r, 0);
    json_t *plan = parse(r);
    assert_true(json_is_true(json_object_get(plan, "pays")));
    const json_t *best = json_array_get(json_object_get(plan, "plans"), 0);
    assert_string_equal(text_of(best, "scheme"), "dip");
    assert_true(real_of(json_object_get(best, "rounds"), "delay") <= 2);
    json_decref(plan);
    r = kofn("plan --straggler none --workers 4 --work 1e5");
    assert_exit(r, 0);
    assert_memory_equal(r->out, "Coding does not pay: uncoded", 28);

    static const char *const others[] = {"--shape 9,9,9", "--partition 2,1,2", "--stragglers 1",
                                         "--field gf256", "--rate 20"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        r = kofn("plan --straggler none --workers 4 %s", others[i]);
        assert_exit(r, 2);
        assert_non_null(strstr(r->err, "is of a product by itself"));
        assert_memory_equal(strstr(r->err, "--"), others[i], strcspn(others[i], " "));
    }
}

/* Of the plan's command, what comes after these words. */
static const char *
find_command(const json_t *plan, const char *words)
{
    const char *command = text_of(plan, "command");
    if (strncmp(command, words, strlen(words)) != 0)
        fail_msg("'%s' does not begin with '%s'", command, words);
    return command + strlen(words);
}

static void
the_command_that_a_plan_names_runs_its_first_row(void **state)
{
    (void)state;
    static const char *const schemes[] = {"--delay 3", "--delay 0", "--delay 3 --rescue 2"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        json_t *plan = parse(
            kofn("plan --straggler iid:delta=0.3 --workers 4 --work 2e4 --json %s", schemes[i]));
        char name[128];
        (void)snprintf(name, sizeof name, "%s",
                       text_of(json_array_get(json_object_get(plan, "plans"), 0), "name"));
        const run_result *r = kofn("simulate --jobs 20 --workers 4 %s",
                                   find_command(plan, "kofn stream LIST --slots 4 "));
        assert_exit(r, 0);
        assert_memory_equal(r->out, name, strlen(name));
        json_decref(plan);
    }

    /* A master may have a rescue of its own, and one multiply does not do five products at once. */
    const char *several = "plan --straggler fritchman:enter=0.04,leave=0.667 --workers 4 --delay 3 "
                          "--work 2e4";
    json_t *plan = parse(kofn("%s --json", several));
    const json_t *rows = json_object_get(plan, "plans");
    assert_non_null(strstr(text_of(json_array_get(rows, 0), "name"), "5 at once"));
    assert_non_null(strstr(text_of(json_array_get(rows, 1), "name"), "5 at once"));
    assert_string_equal(text_of(plan, "command_of"), text_of(json_array_get(rows, 2), "name"));
    assert_non_null(strstr(find_command(plan, "kofn stream LIST --slots 4 "), " --rescue 0"));
    json_decref(plan);
    assert_non_null(strstr(
        kofn("%s", several)->out,
        "Row 3, the first that is one command; what is above takes 5 at once:\n    kofn stream "));

    plan = parse(kofn("plan --shape 3000,3000,3000 --workers 2 --rate 50 --json"));
    const char *rest = find_command(plan, "kofn multiply A.npy B.npy -o C.npy ");
    const run_result *r = kofn("multiply %s %s --transpose-b --local=2 -o %s --json %s",
                               digits_path, digits_path, in_root("planned.npy"), rest);
    assert_exit(r, 0);
    const json_t *first = json_array_get(json_object_get(plan, "plans"), 0);
    json_t *account = parse(r);
    assert_string_equal(text_of(account, "code"), text_of(first, "code"));
    assert_string_equal(text_of(account, "policy"), text_of(first, "policy"));
    assert_true(json_equal(json_object_get(account, "set"), json_object_get(first, "set")));
    assert_true(
        json_equal(json_object_get(account, "partition"), json_object_get(first, "partition")));
    json_decref(account);
    json_decref(plan);
}

static void
what_the_command_can_see_by_itself_exits_with_2(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "multiply a.npy a.npy -o c.npy",
        "multiply a.npy gone.npy -o c.npy",
        "multiply a.npy b.npy -o c.npy --code nope",
        "multiply a.npy b.npy -o c.npy --field gfp:4",
        "multiply a.npy b.npy -o c.npy --code polynomial --partition 2,2,2",
        "multiply a.npy b.npy -o c.npy --code rkrp --set draws=99",
        "encode a.npy a.npy -d e",
        "encode a.npy b.npy -d e --code nope",
        "encode a.npy b.npy -d e --code alloy_local --set algorithm=nope",
        "decode gone -o c.npy",
        "put gone.npy",
        "algorithm gone.yaml",
        "plan --shape 9,9,9 --field nope",
        "plan --shape 9,9,9 --partition 10,1,1",
        "plan --shape 9,9,9 --workers 2 --stragglers 2",
        "plan --shape 900,900,900 --workers 4 --error 1e-30", // no machine is asked
        "plan --workers 4 --delay 3",
        "plan --workers 4 --straggler iid --shape 9,9,9",
        "plan --straggler iid",
        "plan --workers 4 --straggler iid:delta=2",
        "plan --workers 4 --straggler iid --unit 1ns",
        "simulate --workers 0",
        "simulate --jobs 1e9",
        "simulate --policy nope",
        "simulate --policy oneshot --scheme dip",
        "simulate --scheme dip --partition 2,2,2",
        "simulate --scheme dip --tasks 5",
        "simulate --policy rounds --reserve 5",
        "simulate --scheme dip --code uncoded --decoder",
        "simulate --scheme nope",
        "simulate --straggler trace:file=gone",
        "simulate --straggler nope",
        "simulate --code polynomial --partition 3,1,1 --tasks 2",
        "simulate --plot x.pdf",
        "simulate --csv gone/x.csv",
        "simulate --jitter nan",
        "simulate --list gone",
        "simulate --list /dev/null",
        "simulate --list /dev/null --pairs 8",
        "simulate --pairs 0",
        "simulate --pairs 5000",
        "simulate --blocks 4,4",
        "simulate --sum",
        "simulate --pairs 8 --blocks 4",
        "simulate --pairs 8 --blocks 4,",
        "simulate --pairs 8 --blocks ,4",
        "simulate --pairs 8 --blocks 2,3",
        "simulate --pairs 8 --blocks 00000000000000004,4",
        "simulate --pairs 8 --partition 2,1,2",
        "simulate --pairs 8 --code polynomial",
        "simulate --pairs 8 --scheme dip",
        "simulate --scheme dip --each-task",
        "simulate --each-task --straggler arbitrary",
        "plan --shape 900,900,900 --workers 2 --failure 0.5 --odds 1e-30",
    };
    static const char fortran[] =
        "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }     \n";
    write_file(in_root("fortran.npy"), "\x93NUMPY\x01%c%c%c%s%48s", 0, (int)strlen(fortran), 0,
               fortran, "");
    const int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(before >= 0);
    assert_int_equal(chdir(root), 0);
    const run_result *unequal = kofn("multiply fortran.npy fortran.npy -o c.npy");
    assert_non_null(strstr(unequal->err,
                           "fortran.npy, 2 x 3, and fortran.npy, 2 x 3: A has 3 columns "
                           "and B has 2 rows"));
    unequal = kofn("multiply fortran.npy a.npy --transpose-a -o c.npy");
    assert_non_null(strstr(unequal->err,
                           "fortran.npy, 2 x 3, transposed, and a.npy, 30 x 20: A has 2 "
                           "columns and B has 30 rows"));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const run_result *r = kofn("%s", calls[i]);
        if (r->exit_code != 2)
            fail_msg("kofn %s: exit code %d, expected 2\n%s", calls[i], r->exit_code, r->err);
    }
    assert_int_equal(fchdir(before), 0);
    assert_int_equal(close(before), 0);
}

static void
a_product_that_cannot_be_written_exits_with_3(void **state)
{
    (void)state;
    const run_result *r =
        kofn("multiply %s %s -o /dev/full --local=1", in_root("a.npy"), in_root("b.npy"));
    assert_exit(r, 3);
    assert_non_null(strstr(r->err, "No space left"));
}

/* No master is asked: there is none. */
/* Minus one times minus one, and 21 ones of GF(2^8), whose sum is one. */
static void
write_field_files(void)
{
    write_numbers(in_root("a4.npy"), KOFN_U32, 30, 20, 65536);
    write_numbers(in_root("b4.npy"), KOFN_U32, 20, 40, 65536);
    write_numbers(in_root("a1.npy"), KOFN_U8, 30, 21, 1);
    write_numbers(in_root("b1.npy"), KOFN_U8, 21, 40, 1);
}

static void
finite_fields_are_named_or_implied(void **state)
{
    (void)state;
    write_field_files();
    run_result *r = kofn("multiply %s %s -o %s --local=2 --json", in_root("a1.npy"),
                         in_root("b1.npy"), in_root("c1.npy"));
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "\"field\": \"gf256\""));
    assert_numbers(in_root("c1.npy"), KOFN_U8, 30, 40, 1);
    r = kofn("multiply %s %s -o %s --local=2 --field gfp:65537 --code polynomial --partition 2,1,2 "
             "--tasks 6",
             in_root("a4.npy"), in_root("b4.npy"), in_root("c4.npy"));
    assert_exit(r, 0);
    assert_non_null(strstr(r->err, "exact"));
    assert_numbers(in_root("c4.npy"), KOFN_U32, 30, 40, 20);

    start_daemons("");
    r = kofn("put %s", in_root("a4.npy"));
    assert_exit(r, 0);
    char id[64];
    (void)snprintf(id, sizeof id, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    assert_exit(
        kofn("multiply @%s %s -o %s --field gfp:65537", id, in_root("b4.npy"), in_root("c4.npy")),
        0);
    assert_numbers(in_root("c4.npy"), KOFN_U32, 30, 40, 20);
    assert_exit(
        kofn("multiply @%s %s -o %s --field gfp:65539", id, in_root("b4.npy"), in_root("c4.npy")),
        0);
    assert_numbers(in_root("c4.npy"), KOFN_U32, 30, 40, 20 * 9); // minus three, squared
    assert_exit(kofn("multiply @%s %s -o %s", id, in_root("b4.npy"), in_root("c4.npy")), 6);
}

static void
integers_are_multiplied_exactly_into_i8(void **state)
{
    (void)state;
    write_numbers(in_root("ai4.npy"), KOFN_I32, 30, 20, UINT32_MAX); // -1
    write_numbers(in_root("bi4.npy"), KOFN_I32, 20, 40, UINT32_MAX - 1);
    run_result *r = kofn("multiply %s %s -o %s --local=2 --code polynomial --partition 2,1,2 "
                         "--tasks 5 --json",
                         in_root("ai4.npy"), in_root("bi4.npy"), in_root("ci8.npy"));
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "\"field\": \"integers\""));
    assert_non_null(strstr(r->out, "\"prime\": 8388593"));
    assert_numbers(in_root("ci8.npy"), KOFN_I64, 30, 40, 40);

    start_daemons("");
    r = kofn("put %s", in_root("ai4.npy"));
    assert_exit(r, 0);
    char id[64];
    (void)snprintf(id, sizeof id, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    assert_exit(
        kofn("multiply @%s %s -o %s --field integers", id, in_root("bi4.npy"), in_root("ci8.npy")),
        0);
    assert_numbers(in_root("ci8.npy"), KOFN_I64, 30, 40, 40);
    r = kofn("submit %s %s", in_root("ai4.npy"), in_root("bi4.npy"));
    assert_exit(r, 0);
    char job[64];
    (void)snprintf(job, sizeof job, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    assert_exit(kofn("wait %s -o %s", job, in_root("ci8.npy")), 0);
    assert_numbers(in_root("ci8.npy"), KOFN_I64, 30, 40, 40);
    r = kofn("status %s", job);
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "primes       8388593 (1/1)"));
    assert_non_null(strstr(r->out, "for each prime"));
}

static void
integers_too_large_for_64_bits_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    write_numbers(in_root("ai4.npy"), KOFN_I32, 3, 8, 1U << 31); // the smallest
    const run_result *r = kofn("multiply %s %s --transpose-b -o %s --local=1", in_root("ai4.npy"),
                               in_root("ai4.npy"), in_root("none.npy"));
    assert_exit(r, 6);
    assert_non_null(strstr(r->err, "C: element (0, 0) is about 3.68935e+19, which needs 67 bits"));
    assert_int_not_equal(access(in_root("none.npy"), F_OK), 0);
    r = kofn("encode %s %s --transpose-b -d %s", in_root("ai4.npy"), in_root("ai4.npy"),
             in_root("none"));
    assert_exit(r, 2);
    assert_non_null(strstr(r->err, "i32"));
}

static void
sparse_files_are_multiplied_as_they_are(void **state)
{
    (void)state;
    FILE *file = fopen(in_root("e.mtx"), "w"); // the identity
    assert_non_null(file);
    (void)fprintf(file, "%%%%MatrixMarket matrix coordinate pattern general\n20 20 20\n");
    for (int i = 1; i <= 20; i++)
        (void)fprintf(file, "%d %d\n", i, i);
    assert_int_equal(fclose(file), 0);
    run_result *r = kofn("multiply %s %s -o %s --local=2 --json --code uncoded --partition 4,4,1",
                         in_root("e.mtx"), in_root("b.npy"), in_root("eb.npy"));
    assert_exit(r, 0);
    assert_product_of_ones(in_root("eb.npy"), 20, 1, 40);
    json_t *account = parse(r);
    assert_string_equal(text_of(account, "form"), "product");
    assert_int_equal(json_integer_value(json_object_get(account, "zero_products")), 12);
    json_decref(account);

    /* What takes no sparse operands reads them as dense ones; array files are dense anyway. */
    assert_exit(kofn("encode %s %s -d %s --code polynomial --partition 2,1,2 --tasks 5",
                     in_root("e.mtx"), in_root("b.npy"), in_root("enc")),
                0);
    write_file(in_root("column.mtx"), "%%%%MatrixMarket matrix array integer general\n2 1\n3\n%d\n",
               3);
    write_file(in_root("row.mtx"), "%%%%MatrixMarket matrix array real general\n1 2\n2\n%d\n", 2);
    assert_exit(kofn("multiply %s %s -o %s --local=1", in_root("column.mtx"), in_root("row.mtx"),
                     in_root("six.npy")),
                0);
    assert_product_of_ones(in_root("six.npy"), 2, 6, 2);

    write_file(in_root("bad.mtx"), "%%%%MatrixMarket matrix coordinate real general\n2 2 1\n%d\n",
               12345);
    r = kofn("multiply %s %s -o %s --local=1", in_root("bad.mtx"), in_root("b.npy"),
             in_root("c.npy"));
    assert_exit(r, 2);
    assert_non_null(strstr(r->err, "line 3: need row, column and value"));
}

static void
what_no_field_has_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *files, *options, *hint;
        int exit_code;
    } cases[] = {
        {"4", "", "--field gfp:P", 2},
        {"4", "--field gfp:65536", "the nearest is 65537", 2},
        {"4", "--field gf256", "elements of u8, and these are of u32", 2},
        {"4", "--field primes", "gfp:P", 2},
        {"4", "--field gfp:11 --code polynomial --partition 3,1,4 --tasks 13", "gfp:13", 2},
        {"1", "--code rkrp --partition 2,1,2", "take family polynomial", 2},
        {"4", "--field gfp:251", "A: element (0, 0) is 65536, not in field gfp:251", 6},
    };
    (void)state;
    write_field_files();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char a[32], b[32];
        (void)snprintf(a, sizeof a, "a%s.npy", cases[i].files);
        (void)snprintf(b, sizeof b, "b%s.npy", cases[i].files);
        const run_result *r = kofn("multiply %s %s -o %s --local=1 %s", in_root(a), in_root(b),
                                   in_root("none.npy"), cases[i].options);
        assert_exit(r, cases[i].exit_code);
        if (!strstr(r->err, cases[i].hint))
            fail_msg("'%s' gives no hint: %s", cases[i].options, r->err);
        assert_int_not_equal(access(in_root("none.npy"), F_OK), 0);
    }
}

static void
a_product_without_a_place_is_refused_before_anything_is_sent(void **state)
{
    enum { LONG = 1 << 20 };
    (void)state;
    assert_int_equal(setenv("KOFN_MASTER", "ipc:///no/such/master", 1), 0);
    const run_result *r = kofn("multiply %s %s -o %s", in_root("a.npy"), in_root("b.npy"), root);
    assert_exit(r, 3);
    assert_non_null(strstr(r->err, "directory"));
    r = kofn("multiply %s %s -o %s", in_root("a.npy"), in_root("b.npy"), in_root("no/c.npy"));
    assert_exit(r, 3);
    assert_non_null(strstr(r->err, "No such file"));

    write_ones(in_root("column.npy"), LONG, 1); // 16 MiB that make a product of 8 TiB
    write_ones(in_root("row.npy"), 1, LONG);
    r = kofn("multiply %s %s -o %s", in_root("column.npy"), in_root("row.npy"), in_root("c8.npy"));
    assert_exit(r, 3);
    assert_non_null(strstr(r->err, "No space left"));
    assert_non_null(strstr(r->err, "8TiB"));
    assert_int_not_equal(access(in_root("c8.npy"), F_OK), 0);
    assert_int_equal(unsetenv("KOFN_MASTER"), 0);
}

static void
a_product_is_not_called_like_a_file_of_another_format(void **state)
{
    static const struct {
        const char *line, *hint;
    } cases[] = {
        {"multiply a.npy b.npy -o C.mtx", "name it C.npy"},
        {"multiply a.npy b.npy -o some.csv/C.CSV", "name it some.csv/C.npy"},
        {"outer a.npy b.npy -o C.npz", "name it C.npy"},
        {"batch list -o all.csv", "name it all.npy"},
        {"batch LIST", "LIST:2: c.txt: "},
        {"wait 0123456789abcdef -o C.mtx", "name it C.npy"},
        {"wait 0123456789abcdef -o -", "complete or not at all"},
        {"decode -d tasks -o C.idx", "name it C.npy"},
    };
    (void)state;
    char here[256];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(root), 0);
    write_file("LIST", "a.npy b.npy c.npy\na.npy b.npy c.txt\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const run_result *r = kofn("%s", cases[i].line);
        if (r->exit_code != 2 || !strstr(r->err, cases[i].hint))
            fail_msg("'%s': exit code %d: %s", cases[i].line, r->exit_code, r->err);
    }
    const run_result *r = kofn("stream LIST --local=2 --scheme uncoded --partition 2,1,1");
    assert_exit(r, 3); // the first line's product is made all the same
    assert_non_null(strstr(r->err, "LIST:2: c.txt: products are written as .npy files"));
    assert_product_of_ones("c.npy", 30, 20, 40);
    assert_exit(kofn("multiply a.npy b.npy -o c.of.ones --local=1"),
                0); // an ending that says nothing
    assert_product_of_ones("c.of.ones", 30, 20, 40);
    assert_int_equal(chdir(here), 0);
}

/* Until the program takes this signal: before, it would die of it, as any program does. Its
 * handlers come one after the other, so one that is there says nothing of another. */
static void
await_handler(pid_t pid, int signal)
{
    const int64_t until = kofn_clock_ns() + PATIENCE_S * KOFN_NS_PER_S;
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    while (kofn_clock_ns() < until) {
        read_file(path, text, sizeof text);
        const char *caught = strstr(text, "SigCgt:");
        if (caught && strtoull(caught + strlen("SigCgt:"), NULL, 16) & (1u << (signal - 1)))
            return;
        (void)usleep(1000);
    }
    fail_msg("the program does not take signal %d", signal);
}

static void
every_command_that_waits_exits_with_4_when_it_is_interrupted(void **state)
{
    static const char *const commands[] = {"workers", "jobs",     "status",    "health", "operands",
                                           "drop aa", "watch aa", "cancel aa", "wait aa"};
    static const int signals[] = {SIGINT, SIGTERM};
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        static run_result r;
        char line[256];
        (void)snprintf(line, sizeof line, "%s --json --patience %ds --master ipc://%s", commands[i],
                       PATIENCE_S, in_root("nobody"));
        const pid_t pid = start_kofn(line);
        await_handler(pid, signals[i % 2]);
        assert_int_equal(kill(pid, signals[i % 2]), 0);
        finish_kofn(pid, &r);
        assert_exit(&r, 4);
        json_t *object = parse(&r);
        assert_string_equal(text_of(object, "status"), "CANCELLED");
        json_decref(object);
    }
}

static size_t
count_files(const char *folder, const char *end)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const size_t length = strlen(entry->d_name);
        count += length > strlen(end) && strcmp(entry->d_name + length - strlen(end), end) == 0;
    }
    if (dir)
        (void)closedir(dir);
    return count;
}

static void
an_interrupted_encode_leaves_whole_files_or_none(void **state)
{
    static run_result r;
    char line[512];
    (void)state;
    write_ones(in_root("large.npy"), 1000, 1000);
    (void)snprintf(line, sizeof line, "encode %s %s -d %s --code uncoded --partition 20,1,20",
                   in_root("large.npy"), in_root("large.npy"), in_root("stopped"));
    const pid_t pid = start_kofn(line);
    await_handler(pid, SIGINT);
    while (count_files(in_root("stopped"), ".npy") == 0) // 800 files, each synced to the disk
        (void)usleep(100);
    assert_int_equal(kill(pid, SIGINT), 0);
    finish_kofn(pid, &r);
    assert_exit(&r, 4);
    assert_non_null(strstr(r.err, "interrupted"));
    assert_int_equal(count_files(in_root("stopped"), ".tmp"), 0);
    assert_int_equal(count_files(in_root("stopped"), ".json"), 0);
    assert_true(count_files(in_root("stopped"), ".npy") < 800);
}

/* One of two blocks: the other is zeros, which is off by |A| |B| at most. */
static void
half_a_product_is_estimated(void)
{
    run_result *r = kofn("decode -d %s -o %s --best", in_root("tasks"), in_root("half.npy"));
    assert_exit(r, 0);
    assert_string_equal(r->out, "");
    assert_non_null(strstr(r->err, "estimate from 1 of 2 answers, relative error at most 1"));
    r = kofn("decode -d %s -o %s --best --json", in_root("tasks"), in_root("half.npy"));
    assert_exit(r, 0);
    json_t *object = parse(r), *error = json_object_get(object, "error");
    assert_string_equal(text_of(object, "status"), "OK");
    assert_string_equal(text_of(error, "kind"), "estimate");
    const double bound = json_real_value(json_object_get(error, "bound"));
    assert_true(bound > 0.99 && bound < 1.01);
    assert_true(json_real_value(json_object_get(error, "estimate")) == 0); // nothing to spare
    json_decref(object);
}

static void
tasks_as_files_go_round_without_a_daemon(void **state)
{
    (void)state;
    run_result *r = kofn("encode %s %s -d %s --code uncoded --partition 2,1,1 --json",
                         in_root("a.npy"), in_root("b.npy"), in_root("tasks"));
    assert_exit(r, 0);
    json_t *object = parse(r);
    assert_int_equal(json_integer_value(json_object_get(object, "threshold")), 2);
    json_decref(object);

    r = kofn("decode -d %s -o %s", in_root("tasks"), in_root("c.npy"));
    assert_exit(r, 3);
    assert_string_equal(r->out, "000\n001\n");
    r = kofn("decode -d %s -o %s --json", in_root("tasks"), in_root("c.npy"));
    assert_exit(r, 3);
    object = parse(r);
    assert_string_equal(text_of(object, "status"), "FAILED_PRECONDITION");
    assert_null(json_object_get(object, "error")); // of a product that is not there
    json_decref(object);
    assert_exit(kofn("decode -d %s -o %s", in_root("tasks"), root), 3);
    assert_exit(kofn("decode -d %s -o %s --best", in_root("tasks"), in_root("c.npy")), 3);
    for (int i = 0; i < 2; i++) {
        char a[64], b[64], c[64];
        (void)snprintf(a, sizeof a, "tasks/%03d.a.npy", i);
        (void)snprintf(b, sizeof b, "tasks/%03d.b.npy", i);
        (void)snprintf(c, sizeof c, "tasks/%03d.c.npy", i);
        assert_exit(kofn("multiply %s %s -o %s --local=1", in_root(a), in_root(b), in_root(c)), 0);
        if (i == 0)
            half_a_product_is_estimated();
    }
    r = kofn("decode -d %s -o %s --json", in_root("tasks"), in_root("c.npy"));
    assert_exit(r, 0);
    object = parse(r);
    assert_string_equal(text_of(object, "status"), "OK");
    assert_string_equal(text_of(json_object_get(object, "error"), "kind"), "rounding");
    json_decref(object);
    assert_product_of_ones(in_root("c.npy"), 30, 20, 40);
    r = kofn("decode -d %s -o %s --best", in_root("tasks"), in_root("c.npy"));
    assert_exit(r, 0);
    assert_null(strstr(r->err, "estimate")); // nothing is missing
    assert_exit(kofn("decode -d %s -o %s", in_root("nowhere"), in_root("c.npy")), 2);
}

/* ---- with daemons ---------------------------------------------------------------------------- */

/* The id that submit printed, without its line's end. */
static const char *
submit(const char *options)
{
    static char job[64];
    const run_result *r = kofn("submit %s %s %s", in_root("a.npy"), in_root("b.npy"), options);
    assert_exit(r, 0);
    (void)snprintf(job, sizeof job, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    assert_true(job[0] != '\0');
    return job;
}

static void
a_job_is_submitted_watched_and_fetched(void **state)
{
    (void)state;
    start_daemons("");
    char job[64];
    (void)snprintf(job, sizeof job, "%s", submit("--code rkrp --partition 2,1,1 --tasks 3"));
    run_result *r = kofn("wait %s -o %s", job, in_root("c.npy"));
    assert_exit(r, 0);
    assert_string_equal(r->out, "");
    assert_product_of_ones(in_root("c.npy"), 30, 20, 40);

    r = kofn("watch %s", job);
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "done"));
    r = kofn("status %s --json", job);
    assert_exit(r, 0);
    json_t *account = parse(r);
    assert_string_equal(text_of(account, "state"), "done");
    assert_string_equal(text_of(account, "job"), job);
    json_decref(account);
    r = kofn("jobs");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, job));
    r = kofn("status --json");
    assert_exit(r, 0);
    json_t *all = parse(r);
    assert_int_equal(json_array_size(json_object_get(all, "workers")), WORKERS);
    json_decref(all);
    r = kofn("cancel %s", job);
    assert_exit(r, 0); // no error
    assert_non_null(strstr(r->err, "was over already: done"));
    char newer[64];
    (void)snprintf(newer, sizeof newer, "%s", submit(""));
    r = kofn("jobs");
    assert_true(strstr(r->out, newer) < strstr(r->out, job));
    const int64_t start = kofn_clock_ns();
    assert_exit(kofn("health --patience 100ms --master ipc://%s", in_root("workers")), 5);
    assert_true(kofn_clock_ns() - start < 4 * KOFN_NS_PER_S); // not the 5 s that are the default
    assert_exit(kofn("wait %s -o %s", newer, root), 3);       // a folder: the product stays
    assert_exit(kofn("wait %s -o %s", newer, in_root("c.npy")), 0);
    assert_exit(kofn("status 0123456789abcdef"), 6);
    assert_exit(kofn("wait 0123456789abcdef"), 6);
    assert_non_null(strstr(kofn("codes --master %s", getenv("KOFN_MASTER"))->out, "--policy"));
    r = kofn("plan --live --shape 900,900,900");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "straggler"));
    assert_non_null(strstr(r->err, "workers of"));
    assert_exit(kofn("plan --live --shape 900,900,900 --error 1e-30"), 6);
}

static void
a_cancelled_job_and_a_deadline_exit_with_4(void **state)
{
    (void)state;
    start_daemons("inject:\n  sleep: 1min\n");
    char job[64];
    (void)snprintf(job, sizeof job, "%s", submit(""));
    assert_exit(kofn("cancel %s", job), 0);
    assert_exit(kofn("wait %s", job), 4);
    /* Long enough to have reached the master on a busy machine: else it is 5, nobody answers. */
    assert_exit(kofn("wait %s --timeout 2s", submit("")), 4);
    const run_result *r = kofn("multiply %s %s -o %s --timeout 2s --json", in_root("a.npy"),
                               in_root("b.npy"), in_root("late.npy"));
    assert_exit(r, 4);
    json_t *object = parse(r);
    assert_string_equal(text_of(object, "status"), "DEADLINE_EXCEEDED");
    json_decref(object);
    assert_int_not_equal(access(in_root("late.npy"), F_OK), 0);
}

/* The newest job's state, once it has one that is not in `not`. */
static void
await_state(const char *state)
{
    const int64_t until = kofn_clock_ns() + PATIENCE_S * KOFN_NS_PER_S;
    while (kofn_clock_ns() < until) {
        json_t *jobs = parse(kofn("jobs --json --limit 1"));
        const json_t *job = json_array_get(jobs, 0);
        const bool there = job && strcmp(text_of(job, "state"), state) == 0;
        json_decref(jobs);
        if (there)
            return;
        (void)usleep(20000);
    }
    fail_msg("no job became %s", state);
}

static void
ctrl_c_cancels_the_job_at_the_master(void **state)
{
    static run_result r;
    char line[512];
    (void)state;
    start_daemons("inject:\n  sleep: 1min\n");
    (void)snprintf(line, sizeof line, "multiply %s %s -o %s", in_root("a.npy"), in_root("b.npy"),
                   in_root("c.npy"));
    const char *argv[] = {kofn_path,        "multiply", in_root("a.npy"),
                          in_root("b.npy"), "-o",       in_root("stopped.npy"),
                          "--json",         NULL};
    const pid_t pid = spawn(argv, in_root("out1"), in_root("err1"));
    await_state("running");
    assert_int_equal(kill(pid, SIGINT), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    read_file(in_root("err1"), r.err, sizeof r.err);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 4);
    assert_non_null(strstr(r.err, "interrupted"));
    read_file(in_root("out1"), r.out, sizeof r.out);
    json_t *account = parse(&r); // of the job, which the master knows
    assert_string_equal(text_of(account, "state"), "cancelled");
    json_decref(account);
    await_state("cancelled");
    assert_int_not_equal(access(in_root("stopped.npy"), F_OK), 0);
}

static void
a_master_that_is_killed_is_unavailable(void **state)
{
    (void)state;
    start_daemons("");
    assert_int_equal(kill(master, SIGKILL), 0);
    assert_int_equal(waitpid(master, NULL, 0), master);
    master = 0;
    assert_exit(kofn("health --timeout 200ms"), 5);
    const int64_t asked_ns = kofn_clock_ns();
    assert_exit(kofn("wait 4f2a -o %s --timeout 800ms --patience 60s", in_root("c.npy")), 5);
    assert_true(kofn_clock_ns() - asked_ns < 30 * KOFN_NS_PER_S);
    assert_exit(kofn("multiply %s %s -o %s --patience 200ms", in_root("a.npy"), in_root("b.npy"),
                     in_root("c.npy")),
                5);
}

static void
a_master_without_workers_does_not_serve(void **state)
{
    const int64_t until = kofn_clock_ns() + PATIENCE_S * KOFN_NS_PER_S;
    (void)state;
    start_daemons("");
    for (size_t i = 0; i < WORKERS; i++)
        stop_daemon(&workers[i]);
    while (kofn("health")->exit_code == 0 && kofn_clock_ns() < until)
        (void)usleep(20000);
    const run_result *r = kofn("health --json");
    assert_exit(r, 5);
    json_t *health = parse(r);
    assert_string_equal(text_of(health, "status"), "NOT_SERVING");
    assert_non_null(strstr(text_of(health, "why"), "no worker is connected"));
    json_decref(health);
    assert_non_null(strstr(kofn("health")->out, "NOT_SERVING: no worker is connected"));
    assert_non_null(strstr(kofn("status")->out, "no worker is connected"));
}

static void
await_text(const char *path, const char *text)
{
    static char all[OUTPUT_MAX];
    const int64_t until = kofn_clock_ns() + PATIENCE_S * KOFN_NS_PER_S;
    do {
        (void)usleep(20000);
        read_file(path, all, sizeof all);
    } while (!strstr(all, text) && kofn_clock_ns() < until);
    if (!strstr(all, text))
        fail_msg("'%s' is not said: %s", text, all);
}

/* And is done when one comes. With a code that is named, the job runs and nobody does its tasks. */
static void
whoever_waits_for_a_worker_is_told(void **state)
{
    static run_result r;
    char calls[4][512];
    (void)snprintf(calls[0], sizeof calls[0], "multiply %s %s", in_root("a.npy"), in_root("b.npy"));
    (void)snprintf(calls[1], sizeof calls[1], "%s --code rkrp --partition 2,1,2 --tasks 5",
                   calls[0]);
    (void)snprintf(calls[2], sizeof calls[2], "outer %s %s", in_root("a.npy"), in_root("b.npy"));
    (void)snprintf(calls[3], sizeof calls[3], "batch %s", in_root("list"));
    (void)state;
    start_daemons("");
    write_file(in_root("list"), "%s %s\n", in_root("a.npy"), in_root("b.npy"));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char line[640];
        for (size_t w = 0; w < WORKERS; w++)
            stop_daemon(&workers[w]);
        while (kofn("health")->exit_code == 0)
            (void)usleep(20000);
        (void)snprintf(line, sizeof line, "%s -o %s", calls[i], in_root("c.npy"));
        const pid_t pid = start_kofn(line);
        await_text(in_root("err"), ": no worker takes tasks; they come to ipc://");
        workers[0] = start_daemon(worker_path, in_root("worker.yaml"));
        finish_kofn(pid, &r);
        assert_exit(&r, 0);
    }
}

static void
operands_are_put_used_listed_and_dropped(void **state)
{
    char id[64];
    (void)state;
    start_daemons("");
    run_result *r = kofn("put %s", in_root("a.npy"));
    assert_exit(r, 0);
    assert_int_equal(strlen(r->out), 17); // an id and the end of its line
    (void)snprintf(id, sizeof id, "%.16s", r->out);
    for (size_t i = 0; i < 2; i++) {
        r = kofn("multiply @%s %s -o %s --code uncoded --partition 2,1,1 --json", id,
                 in_root("b.npy"), in_root("c.npy"));
        assert_exit(r, 0);
        json_t *account = parse(r);
        const json_t *reused = json_object_get(account, "blocks_reused");
        assert_int_equal(json_integer_value(reused) > 0, i > 0);
        json_decref(account);
        assert_product_of_ones(in_root("c.npy"), 30, 20, 40);
    }
    r = kofn("multiply @%s @%s --transpose-b -o %s", id, id, in_root("c.npy"));
    assert_exit(r, 0);
    assert_product_of_ones(in_root("c.npy"), 30, 20, 30);

    r = kofn("operands --json");
    assert_exit(r, 0);
    json_t *list = parse(r);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_of(json_array_get(list, 0), "operand"), id);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "products")), 3);
    json_decref(list);
    r = kofn("operands");
    assert_exit(r, 0);
    assert_non_null(strstr(r->out, "30 x 20"));

    r = kofn("multiply @%s %s -o %s", id, in_root("a.npy"), in_root("no.npy"));
    assert_exit(r, 6); // 30 x 20 times 30 x 20
    r = kofn("multiply @%s %s -o %s", id, in_root("b.npy"), in_root("no/c.npy"));
    assert_exit(r, 3);
    r = kofn("multiply @0123456789abcdef %s -o %s", in_root("b.npy"), in_root("no.npy"));
    assert_exit(r, 6);
    assert_non_null(strstr(r->err, "0123456789abcdef"));
    assert_int_not_equal(access(in_root("no.npy"), F_OK), 0);
    assert_exit(kofn("drop @%s", id), 0);
    assert_exit(kofn("drop %s", id), 6);
    r = kofn("operands --json");
    list = parse(r);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

/* The command waits for a master that comes back, and its product comes all the same. */
static void
a_master_that_comes_late_is_waited_for(void **state)
{
    static run_result r;
    char line[512];
    (void)state;
    start_daemons("");
    stop_daemon(&master);
    (void)snprintf(line, sizeof line, "multiply %s %s -o %s --patience %ds", in_root("a.npy"),
                   in_root("b.npy"), in_root("c.npy"), PATIENCE_S);
    const pid_t pid = start_kofn(line);
    master = start_daemon(master_path, in_root("master.yaml"));
    finish_kofn(pid, &r);
    assert_exit(&r, 0);
    assert_product_of_ones(in_root("c.npy"), 30, 20, 40);
}

int
main(void)
{
#define WITH_DAEMONS(name_) cmocka_unit_test_teardown(name_, stop_daemons)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_in_the_command_line_exits_with_2),
        cmocka_unit_test(misspelt_names_get_a_hint),
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(a_plan_needs_no_daemon),
        cmocka_unit_test(a_plan_by_odds_says_how_many_workers_each_code_takes),
        cmocka_unit_test(a_plan_that_cannot_be_made_says_why),
        cmocka_unit_test(codes_are_listed_without_a_daemon),
        cmocka_unit_test(algorithms_are_proven_listed_and_used),
        cmocka_unit_test(jobs_and_streams_run_in_virtual_time),
        cmocka_unit_test(simulations_are_drawn_by_gnuplot_where_it_is),
        cmocka_unit_test(schemes_of_a_stream_are_planned_for_stragglers),
        cmocka_unit_test(the_command_that_a_plan_names_runs_its_first_row),
        cmocka_unit_test(where_no_master_is_every_command_exits_with_5),
        cmocka_unit_test(local_multiplies_in_this_process),
        cmocka_unit_test(sparse_files_are_multiplied_as_they_are),
        cmocka_unit_test(what_no_field_has_is_refused_with_the_reason),
        cmocka_unit_test(what_the_master_refuses_exits_with_6),
        cmocka_unit_test(what_the_command_can_see_by_itself_exits_with_2),
        cmocka_unit_test(a_product_that_cannot_be_written_exits_with_3),
        cmocka_unit_test(a_product_without_a_place_is_refused_before_anything_is_sent),
        cmocka_unit_test(a_product_is_not_called_like_a_file_of_another_format),
        cmocka_unit_test(every_command_that_waits_exits_with_4_when_it_is_interrupted),
        cmocka_unit_test(an_interrupted_encode_leaves_whole_files_or_none),
        cmocka_unit_test(tasks_as_files_go_round_without_a_daemon),
        WITH_DAEMONS(a_job_is_submitted_watched_and_fetched),
        WITH_DAEMONS(a_cancelled_job_and_a_deadline_exit_with_4),
        WITH_DAEMONS(ctrl_c_cancels_the_job_at_the_master),
        WITH_DAEMONS(a_master_that_is_killed_is_unavailable),
        WITH_DAEMONS(a_master_without_workers_does_not_serve),
        WITH_DAEMONS(whoever_waits_for_a_worker_is_told),
        WITH_DAEMONS(a_master_that_comes_late_is_waited_for),
        WITH_DAEMONS(operands_are_put_used_listed_and_dropped),
        WITH_DAEMONS(finite_fields_are_named_or_implied),
        WITH_DAEMONS(integers_are_multiplied_exactly_into_i8),
        cmocka_unit_test(integers_too_large_for_64_bits_are_refused_and_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
