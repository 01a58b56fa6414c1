/* What people type and what is in their files: each mistake is one line and an exit code, the file
 * that was there stays as it was, and the daemons live. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <math.h>
#include <unistd.h>

enum { USAGE = 2, FAILED = 3, DEADLINE = 4, UNAVAILABLE = 5, REFUSED = 6 };

/* ---- files ----------------------------------------------------------------------------------- */

static void
write_file(const cluster *c, const char *name, const void *head, size_t head_length,
           const void *body, size_t body_length)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(head, 1, head_length, file), head_length);
    if (body_length > 0) // fwrite takes no NULL, whatever the length
        assert_int_equal(fwrite(body, 1, body_length, file), body_length);
    assert_int_equal(fclose(file), 0);
}

/* An .npy file with this dictionary and these bytes of elements. */
static void
write_npy(const cluster *c, const char *name, const char *dictionary, const void *elements,
          size_t bytes)
{
    unsigned char head[512] = "\x93NUMPY\x01";
    const size_t length = (10 + strlen(dictionary) + 1 + 63) / 64 * 64 - 10;
    head[8] = (unsigned char)length;
    head[9] = (unsigned char)(length >> 8);
    assert_true(10 + length <= sizeof head);
    memset(head + 10, ' ', length - 1);
    memcpy(head + 10, dictionary, strlen(dictionary));
    head[10 + length - 1] = '\n';
    write_file(c, name, head, 10 + length, elements, bytes);
}

static void
write_matrix(const cluster *c, const char *name, size_t rows, size_t cols, const double *at)
{
    char dictionary[128];
    (void)snprintf(dictionary, sizeof dictionary,
                   "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, cols);
    write_npy(c, name, dictionary, at, rows * cols * sizeof *at);
}

static void
write_random(const cluster *c, const char *name, size_t rows, size_t cols)
{
    double *at = test_matrix(rows, cols, 1);
    write_matrix(c, name, rows, cols, at);
    free(at);
}

/* Elements of a version 1 .npy file of doubles that kofn wrote. */
static double *
read_matrix(const cluster *c, const char *name, size_t count)
{
    char path[CLUSTER_PATH_MAX];
    unsigned char head[10];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    assert_int_equal(fseek(file, 10 + head[8] + 256 * head[9], SEEK_SET), 0);
    double *at = calloc(count + 1, sizeof *at);
    assert_non_null(at);
    assert_int_equal(fread(at, sizeof *at, count, file), count);
    (void)fclose(file);
    return at;
}

static bool
exists(const cluster *c, const char *name)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    return access(path, F_OK) == 0;
}

/* The last line of talk starts with "kofn: " and says this; nothing was written. */
static void
assert_complains(cluster *c, const outcome *run, int status, const char *says)
{
    if (run->status != status || !strstr(run->err, says))
        print_error("exit code %d, stderr: %s\n", run->status, run->err);
    assert_int_equal(run->status, status);
    assert_non_null(strstr(run->err, says));
    assert_non_null(strstr(run->err, "kofn"));
    assert_string_equal(run->out, "");
    assert_false(exists(c, "c.npy"));
}

/* ---- operands -------------------------------------------------------------------------------- */

static void
shapes_that_do_not_match(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_random(c, "a.npy", 4, 3);
    write_random(c, "b.npy", 2, 5);
    cluster_run(c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "3");
}

static void
a_dtype_that_cannot_be_multiplied(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_npy(c, "a.npy", "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 1), }", "ab", 2);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "i2");
    write_npy(c, "a.npy", "{'descr': '<c32', 'fortran_order': False, 'shape': (1, 1), }",
              "0123456789abcdef0123456789abcdef", 32);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "c32");
}

static void
files_that_are_no_matrix(void **state)
{
    static const struct {
        const char *dictionary, *says;
    } hostile[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (100, 100), }", "a.npy"}, // truncated
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "a.npy"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }", "a.npy"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1), }", "a.npy"},
        {"{'descr': '<f8', 'fortran_order': False}", "a.npy"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", "a.npy"},
        {"__import__('os').system('true')", "a.npy"},
    };
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        write_npy(c, "a.npy", hostile[i].dictionary, "01234567", 8);
        cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
        assert_complains(c, &run, USAGE, hostile[i].says);
    }
    write_file(c, "a.npy", "\x93NUMPY\x02\0\xff\xff\xff\xff", 12, "", 0); // a 4 GiB header
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "a.npy");
    write_file(c, "a.npy", "hallo", 5, "", 0);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "a.npy");
    cluster_run(c, &run, "multiply", "none.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, USAGE, "none.npy");
}

/* As IEEE says, and the account says that there is something to look at. */
static void
nan_and_inf_are_multiplied_and_reported(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    outcome run;
    double a[16], b[16];
    for (int i = 0; i < 16; i++) {
        a[i] = i;
        b[i] = i % 5 == 0; // the identity
    }
    a[6] = NAN;
    write_matrix(c, "a.npy", 4, 4, a);
    write_matrix(c, "b.npy", 4, 4, b);
    static const char *const families[] = {"uncoded", "replication", "polynomial", "rkrp"};
    for (size_t f = 0; f < 4; f++) {
        cluster_run(c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--json", "--code",
                    families[f], "--partition", f == 1 ? "2,1,1" : "2,1,2", NULL);
        assert_int_equal(run.status, 0);
        assert_non_null(strstr(run.out, "\"nonfinite\": true"));
        double *product = read_matrix(c, "c.npy", 16);
        for (int j = 0; j < 4; j++)
            assert_true(isnan(product[4 + j])); // NaN times zero is NaN: the whole row
        if (f < 2)
            for (int j = 0; j < 4; j++) // copies smear nothing
                assert_true(product[j] == a[j] && product[12 + j] == a[12 + j]);
        free(product);
    }
}

static void
empty_and_single_element_matrices(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome run;
    const double three = 3;
    write_matrix(c, "one.npy", 1, 1, &three);
    cluster_run(c, &run, "multiply", "one.npy", "one.npy", "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    double *product = read_matrix(c, "c.npy", 1);
    assert_true(product[0] == 9);
    free(product);

    write_matrix(c, "wide.npy", 0, 3, NULL);
    write_random(c, "tall.npy", 3, 2);
    cluster_run(c, &run, "multiply", "wide.npy", "tall.npy", "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    free(read_matrix(c, "c.npy", 0));

    write_matrix(c, "left.npy", 2, 0, NULL);
    write_matrix(c, "right.npy", 0, 2, NULL);
    cluster_run(c, &run, "multiply", "left.npy", "right.npy", "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    product = read_matrix(c, "c.npy", 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(product[i] == 0); // a sum of nothing
    free(product);
}

static void
digits_times_their_transpose(void **state)
{
    enum { ROWS = 1797, COLS = 64 };
    cluster *c = cluster_new_ready(state, "", 4);
    outcome run;
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "x.npy", path);
    cluster_run_program(c, &run, "/bin/cp", KOFN_SOURCE_DIR "/tests/data/digits.npy", path, NULL);
    assert_int_equal(run.status, 0);
    double *x = read_matrix(c, "x.npy", ROWS * COLS);
    double *transposed = calloc(ROWS * COLS, sizeof *transposed);
    assert_non_null(transposed);
    for (size_t i = 0; i < ROWS * COLS; i++)
        transposed[i % COLS * ROWS + i / COLS] = x[i];
    cluster_run(c, &run, "multiply", "x.npy", "x.npy", "--transpose-b", "-o", "c.npy", "--code",
                "rkrp", "--partition", "2,1,2", "--tasks", "5", NULL);
    assert_int_equal(run.status, 0);
    double *product = read_matrix(c, "c.npy", (size_t)ROWS * ROWS);
    const kofn_matrix view = test_view(product, ROWS, ROWS);
    assert_product(x, transposed, &view, COLS, 100); // amplification of a 5-task code: 1 to 10
    free(product);
    free(transposed);
    free(x);
}

/* ---- the command line ------------------------------------------------------------------------ */

static void
misspelt_names_are_corrected(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_random(c, "a.npy", 4, 4);
    cluster_run(c, &run, "multiplu", NULL);
    assert_complains(c, &run, USAGE, "multiply");
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--code", "rkpr", NULL);
    assert_true(run.status == USAGE || run.status == REFUSED);
    assert_complains(c, &run, run.status, "did you mean 'rkrp'");
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--code", "rkrp", "--set",
                "sistematic=no", NULL);
    assert_true(run.status == USAGE || run.status == REFUSED);
    assert_complains(c, &run, run.status, "systematic");
}

static void
impossible_codes_are_refused(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_random(c, "a.npy", 4, 4);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--code", "polynomial",
                "--partition", "2,1,2", "--tasks", "3", NULL);
    assert_true(run.status == USAGE || run.status == REFUSED);
    assert_complains(c, &run, run.status, "4"); // answers needed
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--partition", "2,1", NULL);
    assert_complains(c, &run, USAGE, "partition");
}

static void
a_masters_own_algorithms_are_listed_and_used(void **state)
{
    cluster *c = cluster_new_ready(state, "algorithms: " KOFN_SOURCE_DIR "/config/algorithms\n", 3);
    outcome run;
    enum { ROWS = 31, INNER = 20, COLS = 25 };
    double *a = test_matrix(ROWS, INNER, 1), *b = test_matrix(INNER, COLS, 2);
    write_matrix(c, "a.npy", ROWS, INNER, a);
    write_matrix(c, "b.npy", INNER, COLS, b);
    cluster_run(c, &run, "codes", "--master", cluster_get_clients_endpoint(c), NULL);
    assert_non_null(strstr(run.out, "algorithm=blocks323: <3,2,3;15>, 66 additions; the master's"));
    cluster_run(c, &run, "multiply", "a.npy", "b.npy", "-o", "own.npy", "--code", "alloy_local",
                "--set", "algorithm=blocks323*classical:2,1,1", "--json", NULL);
    if (run.status != 0)
        print_error("%s\n", run.err);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "\"algorithm\": \"blocks323*classical:2,1,1\""));
    double *product = read_matrix(c, "own.npy", (size_t)ROWS * COLS);
    const kofn_matrix view = test_view(product, ROWS, COLS);
    assert_product(a, b, &view, INNER, 1e6); // what normals of 30 groups may cost, and more
    free(product);
    free(a);
    free(b);
    cluster_run(c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--code", "alloy_local",
                "--set", "algorithm=blocks32", NULL);
    assert_complains(c, &run, REFUSED, "laderman, blocks323, classical:X,Z,Y");
}

static void
no_master_is_exit_code_5(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    write_random(c, "a.npy", 4, 4);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--patience", "300ms", NULL);
    assert_complains(c, &run, UNAVAILABLE, "");
    cluster_run(c, &run, "health", NULL);
    assert_int_equal(run.status, UNAVAILABLE);
}

static void
a_deadline_is_exit_code_4(void **state)
{
    cluster *c = cluster_new_ready(state, "", 0);
    outcome run;
    write_random(c, "a.npy", 4, 4);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--timeout", "300ms", NULL);
    assert_complains(c, &run, DEADLINE, "");
}

static void
a_job_over_the_memory_limit_is_exit_code_6(void **state)
{
    cluster *c = cluster_new_ready(state, "limits:\n  memory: 32MiB\n", 1);
    outcome run;
    write_random(c, "a.npy", 2000, 2000);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_complains(c, &run, REFUSED, "memory");
}

/* A file that may not grow behaves as a disk that is full. */
static void
a_full_disk_leaves_the_old_file(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_random(c, "a.npy", 200, 200);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    double *before = read_matrix(c, "c.npy", 200 * 200);

    char command[1024];
    (void)snprintf(command, sizeof command,
                   "trap '' XFSZ; ulimit -f 16; exec '%s' multiply a.npy a.npy -o c.npy --quiet "
                   "--transpose-a",
                   KOFN_CLI_PROGRAM);
    cluster_run_program(c, &run, "/bin/sh", "-c", command, NULL);
    assert_int_equal(run.status, FAILED);
    assert_non_null(strstr(run.err, "c.npy"));
    double *after = read_matrix(c, "c.npy", 200 * 200);
    assert_memory_equal(before, after, sizeof(double) * 200 * 200);
    free(before);
    free(after);

    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "/dev/full", NULL);
    assert_int_not_equal(run.status, 0);
    assert_int_equal(access("/dev/full", W_OK), 0);
}

static void
an_output_that_cannot_be_written_is_known_before_the_work(void **state)
{
    cluster *c = cluster_new_ready(state, "", 0); // no worker: a job would wait for ever
    outcome run;
    write_random(c, "a.npy", 4, 4);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "no/such/folder/c.npy", NULL);
    assert_complains(c, &run, FAILED, "no/such/folder");
}

static void
submit_wait_status_jobs_and_cancel(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome run;
    write_random(c, "a.npy", 30, 30);
    cluster_run(c, &run, "submit", "a.npy", "a.npy", NULL);
    assert_int_equal(run.status, 0);
    char job[32];
    assert_int_equal(sscanf(run.out, "%31s", job), 1);
    cluster_run(c, &run, "wait", job, "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    free(read_matrix(c, "c.npy", 900));
    cluster_run(c, &run, "jobs", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, job));
    cluster_run(c, &run, "status", job, NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "done"));
    cluster_run(c, &run, "cancel", job, NULL);
    assert_int_equal(run.status, 0);
    cluster_run(c, &run, "wait", "0123456789abcdef", "-o", "d.npy", NULL);
    assert_int_equal(run.status, REFUSED);
    cluster_run(c, &run, "workers", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "w0"));
    cluster_run(c, &run, "codes", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "rkrp"));
    cluster_run(c, &run, "health", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "SERVING"));
}

static void
local_needs_no_daemon(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    write_random(c, "a.npy", 100, 100);
    cluster_run(c, &run, "multiply", "a.npy", "a.npy", "-o", "c.npy", "--local=3", NULL);
    assert_int_equal(run.status, 0);
    double *a = read_matrix(c, "a.npy", 10000), *product = read_matrix(c, "c.npy", 10000);
    const kofn_matrix view = test_view(product, 100, 100);
    assert_product(a, a, &view, 100, 1);
    free(a);
    free(product);
}

/* ---- configurations -------------------------------------------------------------------------- */

static void
assert_refuses_config(cluster *c, const char *program, const char *text, const char *says)
{
    outcome run;
    write_file(c, "odd.yaml", text, strlen(text), "", 0);
    cluster_run_program(c, &run, program, "-c", "odd.yaml", "--check-config", NULL);
    if (run.status == 0 || !strstr(run.err, says))
        print_error("exit code %d, stderr: %s\n", run.status, run.err);
    assert_int_not_equal(run.status, 0);
    assert_true(run.status < 128);
    assert_non_null(strstr(run.err, "odd.yaml"));
    assert_non_null(strstr(run.err, says));
    cluster_run_program(c, &run, program, "-c", "odd.yaml", NULL); // nor does it start
    assert_int_not_equal(run.status, 0);
    assert_true(run.status < 128);
}

static void
odd_configurations_stop_the_start_with_their_place(void **state)
{
    cluster *c = cluster_new(state, "");
    static const char *const programs[] = {KOFN_MASTER_PROGRAM, KOFN_WORKER_PROGRAM};
    for (size_t i = 0; i < 2; i++) {
        assert_refuses_config(c, programs[i], "{[hallo: : :", "1:");
        assert_refuses_config(c, programs[i], "# one\nlog:\n  level: loud\n", "3:");
        assert_refuses_config(c, programs[i], "log:\n  levle: info\n", "level");
        assert_refuses_config(c, programs[i], "grace: soon\n", "1:");
        assert_refuses_config(c, programs[i], "a: &x 1\nb: *x\n", "1:");
    }
    assert_refuses_config(c, KOFN_MASTER_PROGRAM,
                          "code:\n  family: polynomial\n  partition: [2, 1, 2]\n  tasks: 3\n", "4");
    assert_refuses_config(c, KOFN_WORKER_PROGRAM, "blas_threads: 0\n", "1");
}

static void
shipped_configurations_load(void **state)
{
    cluster *c = cluster_new(state, "");
    outcome run;
    static const char *const files[] = {
        "master.yaml",           "codes/uncoded.yaml",     "codes/replication.yaml",
        "codes/polynomial.yaml", "codes/orthopoly.yaml",   "codes/rkrp.yaml",
        "codes/matdot.yaml",     "codes/orthomatdot.yaml", "codes/polydot.yaml",
        "codes/eps_matdot.yaml", "codes/eps_polydot.yaml", "codes/alloy_global.yaml",
        "codes/alloy_local.yaml"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[CLUSTER_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/config/%s", KOFN_SOURCE_DIR, files[i]);
        cluster_run_program(c, &run, KOFN_MASTER_PROGRAM, "-c", path, "--check-config", NULL);
        assert_string_equal(run.err, "");
        assert_int_equal(run.status, 0);
    }
    cluster_run_program(c, &run, KOFN_WORKER_PROGRAM, "-c", KOFN_SOURCE_DIR "/config/worker.yaml",
                        "--check-config", NULL);
    assert_string_equal(run.err, "");
    assert_int_equal(run.status, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(shapes_that_do_not_match, cluster_teardown),
        cmocka_unit_test_teardown(a_dtype_that_cannot_be_multiplied, cluster_teardown),
        cmocka_unit_test_teardown(files_that_are_no_matrix, cluster_teardown),
        cmocka_unit_test_teardown(nan_and_inf_are_multiplied_and_reported, cluster_teardown),
        cmocka_unit_test_teardown(empty_and_single_element_matrices, cluster_teardown),
        cmocka_unit_test_teardown(digits_times_their_transpose, cluster_teardown),
        cmocka_unit_test_teardown(misspelt_names_are_corrected, cluster_teardown),
        cmocka_unit_test_teardown(impossible_codes_are_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_masters_own_algorithms_are_listed_and_used, cluster_teardown),
        cmocka_unit_test_teardown(no_master_is_exit_code_5, cluster_teardown),
        cmocka_unit_test_teardown(a_deadline_is_exit_code_4, cluster_teardown),
        cmocka_unit_test_teardown(a_job_over_the_memory_limit_is_exit_code_6, cluster_teardown),
        cmocka_unit_test_teardown(a_full_disk_leaves_the_old_file, cluster_teardown),
        cmocka_unit_test_teardown(an_output_that_cannot_be_written_is_known_before_the_work,
                                  cluster_teardown),
        cmocka_unit_test_teardown(submit_wait_status_jobs_and_cancel, cluster_teardown),
        cmocka_unit_test_teardown(local_needs_no_daemon, cluster_teardown),
        cmocka_unit_test_teardown(odd_configurations_stop_the_start_with_their_place,
                                  cluster_teardown),
        cmocka_unit_test_teardown(shipped_configurations_load, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
