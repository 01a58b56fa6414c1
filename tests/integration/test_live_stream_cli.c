/* `kofn stream` against a real master and real workers. Lists come through a pipe, so that a test
 * knows how far the command is: it writes a line, and waits for the product's file.
 */
#include "tests/assert.h"
#include "tests/faults/proxy.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include "common/base/clock.h"
#include "common/linalg/npy.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUCK "inject:\n  sleep: 1h\n"

enum { ROWS = 40, INNER = 30, COLS = 50, JOBS_MAX = 40 };

/* ---- matrices as files ----------------------------------------------------------------------- */

static void
write_matrix(cluster *c, const char *name, const double *at, size_t rows, size_t cols)
{
    kofn_error error;
    char path[CLUSTER_PATH_MAX];
    kofn_bands bands;
    kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)at, KOFN_F64, rows, cols);
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

/* Of zeros, which are elements of every field. */
static void
write_words(cluster *c, const char *name, size_t rows, size_t cols)
{
    kofn_error error;
    char path[CLUSTER_PATH_MAX];
    kofn_bands bands;
    uint32_t *at = calloc(rows * cols, sizeof *at);
    assert_non_null(at);
    const kofn_mat mat = kofn_mat_wrap(at, KOFN_U32, rows, cols);
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
    free(at);
}

/* A1.npy B1.npy, ...; shapes differ from pair to pair. */
static void
write_pairs(cluster *c, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        char name[32];
        double *a = test_matrix(ROWS + i, INNER, i), *b = test_matrix(INNER, COLS, 100 + i);
        (void)snprintf(name, sizeof name, "A%zu.npy", i);
        write_matrix(c, name, a, ROWS + i, INNER);
        (void)snprintf(name, sizeof name, "B%zu.npy", i);
        write_matrix(c, name, b, INNER, COLS);
        free(a);
        free(b);
    }
}

static bool
has_product(cluster *c, size_t i)
{
    char name[32], path[CLUSTER_PATH_MAX];
    (void)snprintf(name, sizeof name, "C%zu.npy", i);
    cluster_get_path(c, name, path);
    return access(path, F_OK) == 0;
}

/* Random codes amplify rounding: not beyond a millionfold here. */
static void
assert_product_file(cluster *c, size_t i)
{
    kofn_error error;
    char name[32], path[CLUSTER_PATH_MAX];
    kofn_npy npy;
    (void)snprintf(name, sizeof name, "C%zu.npy", i);
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.rows, ROWS + i);
    assert_int_equal(npy.mat.cols, COLS);
    double *a = test_matrix(ROWS + i, INNER, i), *b = test_matrix(INNER, COLS, 100 + i);
    const kofn_matrix product = {.data = npy.mat.data,
                                 .dtype = KOFN_F64,
                                 .rows = npy.mat.rows,
                                 .cols = npy.mat.cols,
                                 .stride = npy.mat.stride};
    assert_product(a, b, &product, INNER, 1e6);
    free(a);
    free(b);
    kofn_mat_fini(&npy.mat);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int
make_list(cluster *c)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "list", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    const int list = open(path, O_RDWR | O_CLOEXEC); // waits for no reader
    assert_true(list >= 0);
    return list;
}

static void
say(int list, const char *text)
{
    assert_int_equal(write(list, text, strlen(text)), (ssize_t)strlen(text));
}

static void
say_pairs(int list, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        char line[96];
        (void)snprintf(line, sizeof line, "A%zu.npy B%zu.npy C%zu.npy\n", i, i, i);
        say(list, line);
    }
}

static void
await_product(cluster *c, size_t i)
{
    const int64_t until = kofn_clock_ns() + (int64_t)(cluster_get_patience_s() * 1e9);
    while (!has_product(c, i)) {
        if (kofn_clock_ns() > until) {
            cluster_note_in_vain();
            fail_msg("product %zu does not come", i);
        }
        (void)usleep(2000);
    }
}

static void
assert_products(cluster *c, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        assert_product_file(c, i);
}

static void
read_text(cluster *c, const char *name, char *text, size_t size)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    (void)fclose(file);
}

static void
write_list(cluster *c, const char *text)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "list", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

/* ---- the usual ------------------------------------------------------------------------------- */

static void
every_scheme_makes_all_products_in_their_order(void **state)
{
    static const char *const schemes[][2] = {{"dip", "2,1,2"},
                                             {"idip", "2,1,4"},
                                             {"idip_burst", "2,1,4"},
                                             {"polynomial", "2,1,1"},
                                             {"uncoded", "2,1,2"}};
    cluster *c = cluster_new_ready(state, "", 3);
    outcome run;
    write_pairs(c, 8);
    for (size_t s = 0; s < sizeof schemes / sizeof schemes[0]; s++) {
        char list[1024] = "# eight\n\n";
        for (size_t i = 1; i <= 8; i++) {
            char *end = list + strlen(list);
            (void)snprintf(end, (size_t)(list + sizeof list - end), "A%zu.npy B%zu.npy C%zu.npy\n",
                           i, i, i);
        }
        write_list(c, list);
        cluster_run(c, &run, "stream", "list", "--scheme", schemes[s][0], "--partition",
                    schemes[s][1], NULL);
        if (run.status != 0)
            fail_msg("%s: exit %d: %s", schemes[s][0], run.status, run.err);
        assert_string_equal(run.out, "C1.npy\nC2.npy\nC3.npy\nC4.npy\n"
                                     "C5.npy\nC6.npy\nC7.npy\nC8.npy\n");
        assert_has(run.err, schemes[s][0]);
        assert_has(run.err, "8 done, 0 failed");
        assert_products(c, 8);
    }
}

static void
products_without_a_name_are_named_by_their_line(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    char path[CLUSTER_PATH_MAX];
    write_pairs(c, 2);
    write_list(c, "A1.npy B1.npy\n\nA2.npy B2.npy\n");
    cluster_run(c, &run, "stream", "list", "-q", NULL);
    assert_int_equal(run.status, 3);
    assert_has(run.err, "list:1: no word says where the product goes");
    cluster_run(c, &run, "stream", "list", "-d", "products", "-q", NULL);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "products/1.npy\nproducts/3.npy\n");
    assert_string_equal(run.err, "");
    cluster_get_path(c, "products/3.npy", path);
    assert_int_equal(access(path, F_OK), 0);
}

static void
a_list_that_waits_for_each_product_is_served(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    write_pairs(c, 8);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", "--delay", "3", NULL);
    for (size_t i = 1; i <= 8; i++) {
        say_pairs(list, i, i);
        await_product(c, i);
    }
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 8);
}

static void
stored_operands_take_part(void **state)
{
    kofn_error error;
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    char line[128], id[KOFN_CLIENT_JOB_MAX];
    double *a = test_matrix(ROWS + 1, INNER, 1);
    const kofn_matrix view = test_view(a, ROWS + 1, INNER);
    write_pairs(c, 1);
    assert_ok(kofn_client_put(cluster_get_client(c), &view, NULL, id, &error));
    (void)snprintf(line, sizeof line, "@%s B1.npy C1.npy\n@0123456789abcdef B1.npy C2.npy\n", id);
    write_list(c, line);
    cluster_run(c, &run, "stream", "list", NULL);
    assert_int_equal(run.status, 3);
    assert_has(run.err, "list:2: ");
    assert_product_file(c, 1);
    free(a);
}

/* ---- lines that read what others write ------------------------------------------------------- */

enum { CHAIN = 8, CHAIN_SIDE = 20 };

/* Twice a rotation of the columns: what comes of many of them is known. */
static void
write_chain(cluster *c, const double *x)
{
    static double s[CHAIN_SIDE][CHAIN_SIDE], old[CHAIN_SIDE][CHAIN_SIDE];
    char name[32];
    for (size_t i = 0; i < CHAIN_SIDE; i++)
        s[i][(i + 1) % CHAIN_SIDE] = 2;
    write_matrix(c, "s.npy", s[0], CHAIN_SIDE, CHAIN_SIDE);
    write_matrix(c, "x0.npy", x, CHAIN_SIDE, CHAIN_SIDE);
    for (size_t i = 1; i <= CHAIN; i++) { // of another day
        (void)snprintf(name, sizeof name, "x%zu.npy", i);
        write_matrix(c, name, old[0], CHAIN_SIDE, CHAIN_SIDE);
    }
}

static void
assert_link_of_chain(cluster *c, const double *x, size_t i, size_t turns)
{
    kofn_error error;
    kofn_npy npy;
    char name[32], path[CLUSTER_PATH_MAX];
    (void)snprintf(name, sizeof name, "x%zu.npy", i);
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    const double *at = npy.mat.data, scale = ldexp(1, (int)turns);
    for (size_t row = 0; row < CHAIN_SIDE; row++)
        for (size_t col = 0; col < CHAIN_SIDE; col++) {
            const size_t from = (col + CHAIN_SIDE - turns) % CHAIN_SIDE;
            const double want = scale * x[row * CHAIN_SIDE + from];
            if (!(fabs(at[row * npy.mat.stride + col] - want) <= 1e-6 * scale))
                fail_msg("%s: [%zu, %zu] is not that of its chain", name, row, col);
        }
    kofn_mat_fini(&npy.mat);
}

static void
a_line_waits_for_the_product_that_it_reads(void **state)
{
    static const char *const ways[] = {"", "./", "behind/", "link"};
    cluster *c = cluster_new_ready(state, "", 3);
    outcome run;
    double *x = test_matrix(CHAIN_SIDE, CHAIN_SIDE, 5);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "behind", path);
    assert_int_equal(symlink(".", path), 0);
    for (size_t i = 1; i <= CHAIN; i++) {
        char name[32], to[32];
        (void)snprintf(name, sizeof name, "linkx%zu.npy", i);
        (void)snprintf(to, sizeof to, "x%zu.npy", i);
        cluster_get_path(c, name, path);
        assert_int_equal(symlink(to, path), 0);
    }
    for (size_t way = 0; way < 4; way++)
        for (size_t distance = 1; distance <= 3; distance += 2) { // 3: T + 1
            char list[1024] = "";
            write_chain(c, x);
            for (size_t i = 1; i <= CHAIN; i++) {
                char *end = list + strlen(list);
                const size_t from = i <= distance ? 0 : i - distance;
                (void)snprintf(end, (size_t)(list + sizeof list - end),
                               "%sx%zu.npy s.npy x%zu.npy\n", from ? ways[way] : "", from, i);
            }
            write_list(c, list);
            cluster_run(c, &run, "stream", "list", "--scheme", "dip", "--delay", "2", NULL);
            if (run.status != 0)
                fail_msg("exit %d: %s", run.status, run.err);
            for (size_t i = 1; i <= CHAIN; i++)
                assert_link_of_chain(c, x, i, i / distance + (i % distance != 0));
        }
    free(x);
}

/* Not what stood there before. */
static void
a_line_fails_with_the_product_that_it_reads(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    double *x = test_matrix(CHAIN_SIDE, CHAIN_SIDE, 6);
    write_chain(c, x);
    write_pairs(c, 1);
    write_list(c, "x0.npy s.npy x1.npy\n"
                  "A1.npy s.npy x2.npy\n" // does not fit
                  "x2.npy s.npy x3.npy\n"
                  "s.npy ./x3.npy x4.npy\n"
                  "x1.npy s.npy x2.npy\n" // and now it is there
                  "x2.npy s.npy x3.npy\n");
    cluster_run(c, &run, "stream", "list", NULL);
    assert_int_equal(run.status, 3);
    assert_string_equal(run.out, "x1.npy\nx2.npy\nx3.npy\n");
    assert_has(run.err, "list:3: x2.npy is the product of line 2, which failed: ");
    assert_has(run.err, "list:4: ./x3.npy is the product of line 3, which failed: x2.npy is ");
    for (size_t i = 1; i <= 3; i++)
        assert_link_of_chain(c, x, i, i);
    free(x);
}

/* What README.md says is what is tried here. */
static void
the_commands_of_the_readme_run(void **state)
{
    cluster *c = cluster_new_ready(state, "", 5);
    outcome run;
    char path[CLUSTER_PATH_MAX];
    write_pairs(c, 20);
    assert_int_equal(cluster_run_readme(c, "Streams of products", &run), 5);
    assert_products(c, 20);
    cluster_get_path(c, "products/20.npy", path);
    assert_int_equal(access(path, F_OK), 0);
    assert_has(run.out, "\"scheme\": \"idip\"");
    assert_has(run.out, "\"written\": 20");
}

/* ---- who was slow ---------------------------------------------------------------------------- */

enum { TRACE_ROUNDS = 8, TRACE_SLOTS = 3 };

/* At most two in two rounds: what idip waits for nobody with. */
static const char pattern[] = "1 0 0\n0 1 0\n0 0 1\n0 0 0\n1 1 0\n0 0 0\n0 0 1\n1 0 0\n";

/* A part takes 20 ms, of a slow worker so many times as long: it waits, and a cancel ends that. */
static void
start_slow_workers(cluster *c, const char *slowdown)
{
    char path[CLUSTER_PATH_MAX], yaml[2 * CLUSTER_PATH_MAX];
    cluster_get_path(c, "pattern", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(pattern, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(yaml, sizeof yaml,
                   "inject:\n  straggler: \"trace:file=%s,slowdown=%s\"\n  straggler_workers: %d\n"
                   "  by: wait\n  pace: 0.0015\n",
                   path, slowdown, TRACE_SLOTS);
    cluster_start_master(c);
    for (size_t i = 0; i < TRACE_SLOTS; i++)
        cluster_start_worker(c, i, yaml);
    cluster_await_workers(c, TRACE_SLOTS);
}

static void
write_named_list(cluster *c, size_t count)
{
    char list[1024] = "";
    for (size_t i = 1; i <= count; i++) {
        char *end = list + strlen(list);
        (void)snprintf(end, (size_t)(list + sizeof list - end), "A%zu.npy B%zu.npy C%zu.npy\n", i,
                       i, i);
    }
    write_pairs(c, count);
    write_list(c, list);
}

/* Its rows, behind the comments. */
static const char *
find_rows(const char *trace)
{
    while (*trace == '#')
        trace = strchr(trace, '\n') + 1;
    return trace;
}

/* Who has 2000 s to do never does, and who has 20 ms has 620 to do so. */
static void
a_trace_has_the_pattern_that_the_workers_had(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    char trace[4096];
    start_slow_workers(c, "1e5");
    write_named_list(c, TRACE_ROUNDS);
    cluster_run(c, &run, "stream", "list", "--scheme", "idip", "--delay", "1", "--failures", "2",
                "--partition", "2,1,2", "--tolerance", "30", "--limit", "16", "--trace", "trace",
                NULL);
    if (run.status != 0)
        fail_msg("exit %d: %s", run.status, run.err);
    assert_products(c, TRACE_ROUNDS);
    read_text(c, "trace", trace, sizeof trace);
    assert_has(trace, "# idip P=3 T=1 N=2 W=2 mu=30: rounds 1 to ");
    assert_has(trace, "their slowdown is not known");
    /* In the last round there is no new job: its slow slots may have nothing left to do. */
    if (strncmp(find_rows(trace), pattern, sizeof pattern - 1) != 0)
        fail_msg("not the pattern:\n%s", trace);
    cluster_run(c, &run, "plan", "--straggler", "trace:file=trace,slowdown=9", "--workers", "3",
                "--delay", "1", "--work", "1e5", NULL);
    if (run.status != 0)
        fail_msg("exit %d: %s", run.status, run.err);
    assert_has(run.out, "idip");
}

static void
a_trace_says_how_slow_those_were_that_were_waited_for(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    char trace[4096];
    double slowdown = 0;
    start_slow_workers(c, "12");
    write_named_list(c, TRACE_ROUNDS);
    cluster_run(c, &run, "stream", "list", "--scheme", "uncoded", "--partition", "3,1,1",
                "--tolerance", "4", "--trace", "trace", "--json", NULL);
    if (run.status != 0)
        fail_msg("exit %d: %s", run.status, run.err);
    read_text(c, "trace", trace, sizeof trace);
    const char *said = strstr(trace, ": slowdown=");
    if (!said || sscanf(said, ": slowdown=%lf", &slowdown) != 1 || slowdown < 5)
        fail_msg("not 1 + mu and more:\n%s", trace);
    assert_has(run.out, "\"timed\": ");
}

/* Not for each line anew: no line could be made. */
static void
a_code_that_cannot_work_in_the_arithmetic_is_told_once(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_named_list(c, 3);
    cluster_run(c, &run, "stream", "list", "--code", "polynomial", "--partition", "8,1,8", NULL);
    assert_int_equal(run.status, 2);
    assert_has(run.err, "leaves no digit");
    if (strstr(run.err, "list:"))
        fail_msg("told of a line:\n%s", run.err);
    assert_false(has_product(c, 1));
}

static void
a_trace_that_cannot_be_written_is_known_before_anything_is_sent(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_named_list(c, 1);
    cluster_run(c, &run, "stream", "list", "--trace", "nowhere/trace", NULL);
    assert_int_equal(run.status, 2);
    assert_has(run.err, "nowhere/trace cannot be written: ");
    assert_false(has_product(c, 1));
    cluster_run(c, &run, "stream", "list", "--trace", ".", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "stream", "/dev/null", "--trace", "trace", NULL); // no round
    assert_int_not_equal(run.status, 0);
    assert_has(run.err, "no round has ended");
    cluster_run(c, &run, "stream", "list", "--trace", "/dev/full", NULL);
    assert_int_equal(run.status, 3); // as of simulate --csv
    assert_has(run.err, "no trace was written: /dev/full cannot be written: No space left");
    assert_has(run.err, "kofn: 1 product in "); // and the account is there
}

/* Names go to a program. One that is gone wants no more; one that cannot take them is no reason. */
static void
names_that_cannot_be_said_are_told_with_the_reason(void **state)
{
    char script[256];
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    write_named_list(c, 4);
    (void)snprintf(script, sizeof script, "exec %s stream list --master %s > /dev/full",
                   KOFN_CLI_PROGRAM, cluster_get_clients_endpoint(c));
    cluster_run_program(c, &run, "/bin/sh", "-c", script, NULL);
    assert_int_equal(run.status, 3);
    assert_products(c, 4);
    const char *told = strstr(run.err, "kofn: standard output: No space left on device");
    assert_ptr_equal(told, run.err); // before the account
    if (strstr(told + 24, "standard output"))
        fail_msg("told again:\n%s", run.err);
    assert_has(run.err, "kofn: 4 products in ");
}

static void
a_reader_that_is_gone_ends_the_stream(void **state)
{
    char script[512];
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    write_pairs(c, 2);
    const int list = make_list(c); // and it does not end by itself
    say_pairs(list, 1, 1);
    (void)snprintf(script, sizeof script,
                   "exec 3>&1; { %s stream list --master %s; echo $? >&3; } | :", KOFN_CLI_PROGRAM,
                   cluster_get_clients_endpoint(c));
    cluster_run_program(c, &run, "/bin/sh", "-c", script, NULL);
    (void)close(list);
    assert_string_equal(run.out, "3\n");
    assert_product_file(c, 1);
    assert_has(run.err, "kofn: standard output: Broken pipe");
    assert_has(run.err, "kofn: 1 product in ");
}

static void
a_trace_takes_the_place_of_the_file_behind_a_link(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    char link[CLUSTER_PATH_MAX], trace[256];
    struct stat info;
    write_named_list(c, 1);
    cluster_get_path(c, "latest", link);
    cluster_get_path(c, "trace", trace);
    assert_int_equal(symlink("trace", link), 0);
    FILE *old = fopen(trace, "w");
    assert_non_null(old);
    assert_int_equal(fclose(old), 0);
    cluster_run(c, &run, "stream", "list", "-q", "--trace", "latest", NULL);
    assert_int_equal(run.status, 0);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    read_text(c, "trace", trace, sizeof trace);
    assert_has(trace, "P=1 ");
}

/* ---- what fails alone ------------------------------------------------------------------------ */

static void
a_bad_pair_in_the_middle_fails_alone(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    outcome run;
    write_pairs(c, 4);
    write_list(c, "A1.npy B1.npy C1.npy\n"
                  "A1.npy A2.npy bad.npy\n"
                  "A2.npy B2.npy C2.npy\n"
                  "none.npy B2.npy bad.npy\n"
                  "alone\n"
                  "A3.npy B3.npy nowhere/bad.npy\n"
                  "A3.npy B3.npy C3.npy\n");
    cluster_run(c, &run, "stream", "list", "--json", NULL);
    assert_int_equal(run.status, 3);
    assert_products(c, 3);
    assert_has(run.out, "\"written\": 3");
    assert_has(run.out, "\"pushed\": 3");
    static const char *const lines[] = {"\"line\": 2", "\"line\": 4", "\"line\": 5", "\"line\": 6"};
    for (size_t i = 0; i < 4; i++)
        assert_has(run.out, lines[i]);
    assert_has(run.err, "list:2: ");
    assert_has(run.err, "list:4: ");
    assert_has(run.err, "list:5: 1 word");
}

/* Written all the same, told once each, and no other is meant. */
static void
nan_and_inf_are_told_of_their_line(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    outcome run;
    double *a = test_matrix(ROWS + 2, INNER, 2);
    write_pairs(c, 3);
    a[3 * INNER + 1] = NAN;
    write_matrix(c, "A2.npy", a, ROWS + 2, INNER);
    free(a);
    write_list(c, "A1.npy B1.npy C1.npy\n"
                  "A2.npy B2.npy nan.npy\n"
                  "A3.npy B3.npy C3.npy\n");
    static const char *const schemes[] = {"dip", "idip", "polynomial"};
    for (size_t i = 0; i < 3; i++) {
        cluster_run(c, &run, "stream", "list", "--scheme", schemes[i], "--json", NULL);
        assert_int_equal(run.status, 0);
        const char *line = strstr(run.err, "list:2: nan.npy: it holds NaN or Inf");
        assert_non_null(line);
        assert_null(strstr(line + 1, "list:2: "));
        assert_null(strstr(run.err, "list:1: "));
        assert_null(strstr(run.err, "list:3: "));
        assert_has(run.out, "\"nonfinite\": [\n    2\n  ]");
        assert_has(run.out, "\"written\": 3");
        assert_product_file(c, 1);
        assert_product_file(c, 3);
    }
}

/* Random points make a Vandermonde matrix that is all but singular: rounds take what they get. */
static void
products_that_decode_badly_are_told_of_their_line(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    outcome run;
    write_pairs(c, 2);
    write_list(c, "A1.npy B1.npy C1.npy\nA2.npy B2.npy C2.npy\n");
    for (size_t i = 0; i < 2; i++) {
        cluster_run(c, &run, "stream", "list", "--scheme", "dip", "--slots", "4", "--partition",
                    "4,1,6", "--code", "polynomial", "--set", "points=random", "--seed", "4",
                    i ? "--json" : NULL, NULL);
        assert_int_equal(run.status, 0);
        assert_has(run.err, "kofn: list:1: C1.npy: relative error at most ");
        assert_has(run.err, "kofn: list:2: C2.npy: relative error at most ");
        if (i)
            assert_has(run.out, "\"poor\": [\n    1,\n    2\n  ]");
        else
            assert_has(run.err, ", 0 failed; relative error at most ");
    }
    const char *bound = strstr(run.out, "\"error_bound\": ");
    assert_non_null(bound);
    assert_true(strtod(strchr(bound, ' '), NULL) > 1e-3);

    cluster_run(c, &run, "stream", "list", "--scheme", "uncoded", "--json", NULL);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    assert_has(run.out, "\"poor\": []");
    assert_products(c, 2);
}

/* One that no wait would make room for. */
static void
a_product_that_is_too_large_for_the_master_fails_alone(void **state)
{
    enum { LONG = 4000 };
    cluster *c = cluster_new_ready(state, "limits:\n  memory: 64MiB\n", 2);
    outcome run;
    double *at = test_matrix(LONG, 1, 5);
    write_pairs(c, 3);
    write_matrix(c, "column.npy", at, LONG, 1);
    write_matrix(c, "row.npy", at, 1, LONG);
    free(at);
    write_list(c, "A1.npy B1.npy C1.npy\n"
                  "column.npy row.npy bad.npy\n"
                  "A2.npy B2.npy C2.npy\n"
                  "A3.npy B3.npy C3.npy\n");
    cluster_run(c, &run, "stream", "list", NULL);
    assert_int_equal(run.status, 3);
    assert_string_equal(run.out, "C1.npy\nC2.npy\nC3.npy\n");
    assert_has(run.err, "list:2: ");
    assert_has(run.err, "limits.memory");
    assert_products(c, 3);
}

/* The master has room for three products, and the stream is granted four. */
static void
products_that_were_written_make_room_for_the_next(void **state)
{
    enum { LONG = 1000 };
    cluster *c = cluster_new_ready(state, "limits:\n  memory: 36MiB\n", 1);
    outcome run;
    double *at = test_matrix(LONG, 1, 5);
    write_matrix(c, "column.npy", at, LONG, 1);
    write_matrix(c, "row.npy", at, 1, LONG);
    free(at);
    write_list(c, "column.npy row.npy 1.npy\ncolumn.npy row.npy 2.npy\n"
                  "column.npy row.npy 3.npy\ncolumn.npy row.npy 4.npy\n"
                  "column.npy row.npy 5.npy\ncolumn.npy row.npy 6.npy\n");
    cluster_run(c, &run, "stream", "--scheme", "uncoded", "--slots", "1", "--limit", "4", "list",
                NULL);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "1.npy\n2.npy\n3.npy\n4.npy\n5.npy\n6.npy\n");
}

static void
contradictions_are_refused_with_their_equation(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    write_pairs(c, 1);
    write_list(c, "A1.npy B1.npy C1.npy\n");
    cluster_run(c, &run, "stream", "list", "--scheme", "idip", "--slots", "4", "--delay", "3",
                "--failures", "3", "--partition", "3,1,4", NULL);
    assert_int_equal(run.status, 6);
    assert_has(run.err, "P W - N");
    cluster_run(c, &run, "stream", "list", "--scheme", "idipp", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "stream", "list", "--delay", "1000", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "stream", "nowhere", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "stream", ".", NULL);
    assert_int_equal(run.status, 2);
    assert_has(run.err, "it is a directory");
    cluster_run(c, &run, "stream", "list", "-d", "nowhere/products", NULL);
    assert_int_equal(run.status, 2);
    cluster_run(c, &run, "stream", NULL);
    assert_int_equal(run.status, 2);
}

/* It would be wrong for each line. */
static void
an_option_that_is_wrong_is_told_once(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    write_pairs(c, 2);
    write_list(c, "A1.npy B1.npy C1.npy\nA2.npy B2.npy C2.npy\n");
    static const char *const wrong[][3] = {{"--code", "nope", "no code family 'nope'"},
                                           {"--set", "points=foo", "'points'"},
                                           {"--field", "gfp:4", "4"},
                                           {"--field", "integers", "not made of integers"}};
    for (size_t i = 0; i < 4; i++) {
        cluster_run(c, &run, "stream", "list", wrong[i][0], wrong[i][1], NULL);
        assert_int_equal(run.status, 2);
        assert_has(run.err, wrong[i][2]);
        assert_null(strstr(run.err, "list:"));
        assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    }
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void
a_worker_that_is_killed_costs_no_product(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    write_pairs(c, 20);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", "--delay", "3", "--json", NULL);
    say_pairs(list, 1, 10);
    await_product(c, 5);
    cluster_signal_worker(c, 0, SIGKILL);
    say_pairs(list, 11, 20);
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    (void)cluster_await_worker_end(c, 0);
    assert_products(c, 20);
}

static void
an_interrupt_cancels_what_is_under_way(void **state)
{
    char text[4096];
    outcome run;
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    write_pairs(c, 2);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", "--scheme", "uncoded", "--partition",
                                    "1,1,1", "--trace", "trace", NULL);
    say_pairs(list, 1, 2);
    cluster_await_running(c, 0, 1);
    cluster_run(c, &run, "streams", NULL);
    assert_int_equal(run.status, 0);
    assert_has(run.out, "open");
    assert_has(run.out, "uncoded P=1 T=0");
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(cluster_await_run(c, pid), 4);
    (void)close(list);
    cluster_await_running(c, 0, 0);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "interrupted");
    assert_has(text, "0 products in ");
    assert_has(text, "2 under way given up");
    assert_has(text, "rounds       1 in ");
    read_text(c, "trace", text, sizeof text);
    assert_has(text, "uncoded P=1 ");
}

/* And those that have come are written, each one that is named. */
static void
an_interrupt_says_what_was_done(void **state)
{
    char text[4096];
    cluster *c = cluster_new_ready(state, "", 2);
    write_pairs(c, 3);
    const int list = make_list(c);
    const pid_t pid =
        cluster_spawn(c, "stream", "list", "--json", "--slots", "2", "--trace", "trace", NULL);
    say_pairs(list, 1, 3);
    await_product(c, 3);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(cluster_await_run(c, pid), 4);
    (void)close(list);
    assert_products(c, 3);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "\"status\": \"CANCELLED\"");
    assert_has(text, "\"written\": 3");
    assert_has(text, "\"pushed\": 3");
    assert_has(text, "\"state\": \"closed\"");
    read_text(c, "trace", text, sizeof text);
    assert_has(text, "P=2 ");
    assert_true(*find_rows(text) == '0' || *find_rows(text) == '1');
}

static void
a_lost_connection_costs_neither_stream_nor_product(void **state)
{
    char text[8192], endpoint[64];
    int port;
    cluster *c = cluster_new_ready(state, "", 3);
    const char *colon = strrchr(cluster_get_clients_endpoint(c), ':');
    fault_proxy *proxy = fault_proxy_new(atoi(colon + 1), &port);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    write_pairs(c, 16);
    const int list = make_list(c);
    const pid_t pid =
        cluster_spawn(c, "stream", "list", "--master", endpoint, "--grace", "1min", "--json", NULL);
    for (size_t i = 1; i <= 16; i += 4) {
        say_pairs(list, i, i + 3);
        await_product(c, i);
        fault_proxy_cut(proxy);
    }
    (void)close(list);
    const int status = cluster_await_run(c, pid);
    fault_proxy_destroy(&proxy);
    assert_int_equal(status, 0);
    assert_products(c, 16);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "\"pushed\": 16"); // one stream, and no job twice
}

static void
await_log(cluster *c, const char *text)
{
    const int64_t until = kofn_clock_ns() + (int64_t)(cluster_get_patience_s() * 1e9);
    while (!strstr(cluster_get_master_log(c), text)) {
        if (kofn_clock_ns() > until) {
            cluster_note_in_vain();
            fail_msg("'%s' is not logged", text);
        }
        (void)usleep(10000);
    }
}

/* The master gives the stream up, and cancels its jobs: they are not lost for the list. */
static void
a_connection_that_is_away_for_too_long_costs_no_product(void **state)
{
    char endpoint[64];
    int port;
    cluster *c = cluster_new_ready(state, "", 3);
    fault_proxy *proxy =
        fault_proxy_new(atoi(strrchr(cluster_get_clients_endpoint(c), ':') + 1), &port);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    write_pairs(c, 12);
    const int list = make_list(c);
    const pid_t pid =
        cluster_spawn(c, "stream", "list", "--master", endpoint, "--grace", "300ms", NULL);
    say_pairs(list, 1, 4);
    await_product(c, 4);
    for (size_t i = 0; i < 3; i++)
        cluster_signal_worker(c, i, SIGSTOP); // what is pushed now stays under way
    say_pairs(list, 5, 12);
    cluster_await_running(c, 0, 1);
    fault_proxy_get(proxy, FAULT_UP)->cut_after = 1;
    fault_proxy_cut(proxy);
    await_log(c, "stream_abandoned");
    for (size_t i = 0; i < 3; i++)
        cluster_signal_worker(c, i, SIGCONT);
    fault_proxy_heal(proxy);
    (void)close(list);
    const int status = cluster_await_run(c, pid);
    fault_proxy_destroy(&proxy);
    assert_int_equal(status, 0);
    assert_products(c, 12);
}

/* By the command. */
static void
await_said(cluster *c, const char *what)
{
    char text[8192];
    const int64_t until = kofn_clock_ns() + (int64_t)(cluster_get_patience_s() * 1e9);
    for (;;) {
        read_text(c, "spawned.log", text, sizeof text);
        if (strstr(text, what))
            return;
        if (kofn_clock_ns() > until) {
            cluster_note_in_vain();
            fail_msg("'%s' is not said:\n%s", what, text);
        }
        (void)usleep(10000);
    }
}

static size_t
count_streams(cluster *c)
{
    size_t count = 0;
    for (const char *at = cluster_get_master_log(c); (at = strstr(at, "stream_opened")); at++)
        count++;
    return count;
}

/* Until it has, or the program has ended: then it never will. */
static void
await_streams(cluster *c, pid_t pid, size_t count)
{
    const int64_t until = kofn_clock_ns() + (int64_t)(cluster_get_patience_s() * 1e9);
    siginfo_t info;
    while (count_streams(c) < count && kofn_clock_ns() < until) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            break;
        (void)usleep(10000);
    }
    assert_int_equal(count_streams(c), count);
}

/* Its workers come back later than the new stream. */
static void
a_master_that_is_killed_and_comes_back_gets_a_new_stream(void **state)
{
    enum { WORKERS = 3 };
    char text[8192];
    cluster *c = cluster_new_ready(state, "log:\n  level: info\n", WORKERS);
    write_pairs(c, 12);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", "--trace", "trace", NULL);
    say_pairs(list, 1, 4);
    await_product(c, 2);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_signal_worker(c, i, SIGSTOP);
    cluster_kill_master(c);
    say_pairs(list, 5, 12);
    (void)close(list);
    cluster_start_master(c);
    await_streams(c, pid, 2);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_signal_worker(c, i, SIGCONT);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 12);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "a new stream goes on");
    assert_has(text, "that is of the last of 2 streams");
    assert_has(text, "12 products in ");
    read_text(c, "trace", text, sizeof text);
    assert_has(text, "\n# of the last of 2 streams; the rounds before it are lost\n");
}

/* As systemctl restart does: it finishes what it can, and what it cannot is not lost either. */
static void
a_master_that_is_restarted_costs_no_product(void **state)
{
    enum { WORKERS = 2 };
    cluster *c = cluster_new_ready(state, "grace: 200ms\n", WORKERS);
    write_pairs(c, 12);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", NULL);
    say_pairs(list, 1, 4);
    await_product(c, 4);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_signal_worker(c, i, SIGSTOP);
    say_pairs(list, 5, 12);
    cluster_await_running(c, 0, 1);
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_signal_worker(c, i, SIGCONT);
    cluster_start_master(c);
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 12);
}

/* With one that never answers: it has a stream, and no product of it comes. */
static pid_t
spawn_stuck(cluster *c, int list, const char *option, const char *value)
{
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    write_pairs(c, 2);
    const pid_t pid = cluster_spawn(c, "stream", "list", "--scheme", "uncoded", "--partition",
                                    "1,1,1", option, value, NULL);
    say_pairs(list, 1, 2);
    cluster_await_running(c, 0, 1);
    return pid;
}

static void
end_worker(cluster *c)
{
    cluster_signal_worker(c, 0, SIGKILL);
    (void)cluster_await_worker_end(c, 0);
}

static void
a_master_that_is_away_is_told_and_waited_for(void **state)
{
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away", "10min");
    cluster_kill_master(c);
    await_said(c, "no master answers at tcp://");
    end_worker(c);
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 2);
}

static void
a_master_that_stays_away_ends_the_command(void **state)
{
    char text[8192];
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away=300ms", "--trace=trace");
    cluster_kill_master(c);
    assert_int_equal(cluster_await_run(c, pid), 5);
    (void)close(list);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "kofn: no master answers at tcp://");
    assert_has(text, "kofn: 0 products in ");
    assert_has(text, "2 under way given up");
    assert_has(text, "kofn: no trace was written: ");
    assert_ptr_equal(strstr(text, "to be written"), NULL); // nothing of what was lost
}

/* As one whose machine is: its connection stands. It is given up before libzmq gives that up. */
static void
a_master_that_hangs_ends_the_command(void **state)
{
    char text[8192];
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away", "4s");
    cluster_signal_master(c, SIGSTOP);
    assert_int_equal(cluster_await_run(c, pid), 5);
    cluster_signal_master(c, SIGCONT);
    (void)close(list);
    read_text(c, "spawned.log", text, sizeof text);
    double seconds = 0;
    const char *said = strstr(text, "kofn: no master answers at tcp://");
    assert_non_null(said);
    said = strstr(said, " for ");
    assert_true(said && sscanf(said, " for %lf s", &seconds) == 1 && seconds >= 4);
    assert_has(text, "2 under way given up");
}

static void
workers_that_are_gone_are_told_and_waited_for(void **state)
{
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away", "10min");
    end_worker(c);
    await_said(c, "the master has no workers for ");
    cluster_start_worker(c, 0, "");
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 2);
}

/* It is there, and says so, but not for this stream. */
static void
workers_of_other_fields_are_none(void **state)
{
    char text[8192];
    cluster *c = cluster_new(state, "");
    raw_peer other;
    kofn_msg_welcome welcome;
    cluster_start_master(c);
    cluster_start_worker(c, 0, STUCK);
    cluster_await_workers(c, 1);
    raw_join(&other, cluster_get_workers_endpoint(c), "other", &welcome);
    write_words(c, "A1.npy", 4, 4);
    write_list(c, "A1.npy A1.npy C1.npy\n");
    const pid_t pid = cluster_spawn(c, "stream", "list", "--field", "gfp:251", "--scheme",
                                    "uncoded", "--partition", "1,1,1", NULL);
    cluster_await_running(c, 0, 1);
    end_worker(c);
    const kofn_msg_heartbeat alive = {.epoch = welcome.epoch};
    const int64_t until = kofn_clock_ns() + (int64_t)(cluster_get_patience_s() * 1e9);
    do {
        raw_send_message(&other, &kofn_heartbeat_message, &alive, false);
        (void)usleep(100000);
        read_text(c, "spawned.log", text, sizeof text);
    } while (!strstr(text, "no workers that compute in gfp:251 for ") && kofn_clock_ns() < until);
    assert_has(text, "the master has no workers that compute in gfp:251 for ");
    cluster_start_worker(c, 0, "");
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_true(has_product(c, 1));
    raw_close(&other);
}

/* Who waits is not the one who could allow more. */
static void
a_master_that_stands_still_is_told(void **state)
{
    char text[8192];
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away", "10min");
    cluster_signal_master(c, SIGSTOP);
    await_said(c, " does not answer within 1 s");
    cluster_signal_master(c, SIGCONT);
    read_text(c, "spawned.log", text, sizeof text);
    assert_null(strstr(text, "allow more"));
    end_worker(c);
    cluster_start_worker(c, 0, "");
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 2);
}

static void
workers_that_stay_away_end_the_command(void **state)
{
    char text[8192];
    cluster *c = cluster_new(state, "");
    const int list = make_list(c);
    const pid_t pid = spawn_stuck(c, list, "--away=300ms", "-q");
    end_worker(c);
    assert_int_equal(cluster_await_run(c, pid), 5);
    (void)close(list);
    read_text(c, "spawned.log", text, sizeof text);
    assert_ptr_equal(strstr(text, "kofn: the master has had no workers for "), text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); // and nothing else
}

/* Between the last product and the end of the list. */
static void
a_stream_that_ends_with_its_master_loses_only_its_account(void **state)
{
    char text[8192];
    cluster *c = cluster_new_ready(state, "", 2);
    write_pairs(c, 2);
    const int list = make_list(c);
    const pid_t pid = cluster_spawn(c, "stream", "list", NULL);
    say_pairs(list, 1, 2);
    await_product(c, 2);
    cluster_kill_master(c);
    cluster_start_master(c);
    (void)close(list);
    assert_int_equal(cluster_await_run(c, pid), 0);
    assert_products(c, 2);
    read_text(c, "spawned.log", text, sizeof text);
    assert_has(text, "its account is lost");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_scheme_makes_all_products_in_their_order, cluster_teardown),
        cmocka_unit_test_teardown(products_without_a_name_are_named_by_their_line,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_list_that_waits_for_each_product_is_served, cluster_teardown),
        cmocka_unit_test_teardown(stored_operands_take_part, cluster_teardown),
        cmocka_unit_test_teardown(a_line_waits_for_the_product_that_it_reads, cluster_teardown),
        cmocka_unit_test_teardown(a_line_fails_with_the_product_that_it_reads, cluster_teardown),
        cmocka_unit_test_teardown(the_commands_of_the_readme_run, cluster_teardown),
        cmocka_unit_test_teardown(a_trace_has_the_pattern_that_the_workers_had, cluster_teardown),
        cmocka_unit_test_teardown(a_trace_says_how_slow_those_were_that_were_waited_for,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_code_that_cannot_work_in_the_arithmetic_is_told_once,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_trace_that_cannot_be_written_is_known_before_anything_is_sent,
                                  cluster_teardown),
        cmocka_unit_test_teardown(names_that_cannot_be_said_are_told_with_the_reason,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_reader_that_is_gone_ends_the_stream, cluster_teardown),
        cmocka_unit_test_teardown(a_trace_takes_the_place_of_the_file_behind_a_link,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_bad_pair_in_the_middle_fails_alone, cluster_teardown),
        cmocka_unit_test_teardown(nan_and_inf_are_told_of_their_line, cluster_teardown),
        cmocka_unit_test_teardown(products_that_decode_badly_are_told_of_their_line,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_product_that_is_too_large_for_the_master_fails_alone,
                                  cluster_teardown),
        cmocka_unit_test_teardown(products_that_were_written_make_room_for_the_next,
                                  cluster_teardown),
        cmocka_unit_test_teardown(contradictions_are_refused_with_their_equation, cluster_teardown),
        cmocka_unit_test_teardown(an_option_that_is_wrong_is_told_once, cluster_teardown),
        cmocka_unit_test_teardown(a_worker_that_is_killed_costs_no_product, cluster_teardown),
        cmocka_unit_test_teardown(an_interrupt_cancels_what_is_under_way, cluster_teardown),
        cmocka_unit_test_teardown(an_interrupt_says_what_was_done, cluster_teardown),
        cmocka_unit_test_teardown(a_lost_connection_costs_neither_stream_nor_product,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_connection_that_is_away_for_too_long_costs_no_product,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_is_killed_and_comes_back_gets_a_new_stream,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_is_restarted_costs_no_product, cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_is_away_is_told_and_waited_for, cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_stays_away_ends_the_command, cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_hangs_ends_the_command, cluster_teardown),
        cmocka_unit_test_teardown(workers_that_are_gone_are_told_and_waited_for, cluster_teardown),
        cmocka_unit_test_teardown(workers_of_other_fields_are_none, cluster_teardown),
        cmocka_unit_test_teardown(a_master_that_stands_still_is_told, cluster_teardown),
        cmocka_unit_test_teardown(workers_that_stay_away_end_the_command, cluster_teardown),
        cmocka_unit_test_teardown(a_stream_that_ends_with_its_master_loses_only_its_account,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
