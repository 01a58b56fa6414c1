/* Complex products with real daemons, beside zgemm: workers that are lost, jobs that another
 * process fetches, the command line. */
#include "tests/integration/cluster.h"
#include "tests/unit/complex_brute.h"

#include "common/linalg/npy.h"

#include <unistd.h>

enum { ROWS = 12, INNER = 9, COLS = 10 };

static kofn_error error;

typedef struct operands {
    kofn_mat a, b;
    double complex *exact;
} operands;

static void
begin(operands *o, kofn_dtype dtype, uint64_t stream)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), stream);
    o->a = complex_new(dtype, ROWS, INNER, 0, 1, &rng);
    o->b = complex_new(dtype, COLS, INNER, 0, 1, &rng);
    o->exact = complex_multiply(&o->a, false, &o->b, true);
}

static void
end(operands *o)
{
    kofn_mat_fini(&o->a);
    kofn_mat_fini(&o->b);
    free(o->exact);
}

/* |C' - C| <= 8 (amplification + 1) (inner + 4) u |A| |B|. */
static void
assert_right(const operands *o, const kofn_mat *c, double amplification)
{
    assert_int_equal(c->rows, ROWS);
    assert_int_equal(c->cols, COLS);
    assert_int_equal(c->dtype, o->a.dtype);
    assert_at_most(complex_off(c, o->exact), 8 * (amplification + 1) * (INNER + 4) *
                                                 complex_unit(c->dtype) * complex_norm(&o->a) *
                                                 complex_norm(&o->b));
}

/* ---- lost workers ---------------------------------------------------------------------------- */

/* 3 + s workers, of which any s are frozen before they are asked. */
static void
any_two_of_five_workers_may_be_lost(void **state)
{
    static const size_t frozen[][2] = {{0, 1}, {1, 3}, {2, 4}};
    cluster *c = cluster_new_ready(state, "", 5);
    operands o;
    begin(&o, KOFN_C128, 1);
    const kofn_matrix a = {.data = o.a.data, .dtype = KOFN_C128, .rows = ROWS, .cols = INNER};
    const kofn_matrix b = {
        .data = o.b.data, .dtype = KOFN_C128, .rows = COLS, .cols = INNER, .transposed = true};
    kofn_product_options options = test_options("oneshot", "locality");
    options.code.tasks = 5;
    for (size_t i = 0; i < sizeof frozen / sizeof frozen[0]; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        for (size_t f = 0; f < 2; f++)
            cluster_signal_worker(c, frozen[i][f], SIGSTOP);
        assert_ok(kofn_client_multiply(cluster_get_client(c), &a, &b, &options, &result, &error));
        const kofn_account account = *kofn_result_get_account(result);
        assert_int_equal(account.answers_used, 3);
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        const kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)product.data, product.dtype,
                                           product.rows, product.cols);
        assert_right(&o, &mat, account.amplification);
        kofn_result_destroy(&result);
        for (size_t f = 0; f < 2; f++)
            cluster_signal_worker(c, frozen[i][f], SIGCONT);
        cluster_await_running(c, frozen[i][0], 0);
        cluster_await_running(c, frozen[i][1], 0);
    }
    end(&o);
}

/* ---- the command line ------------------------------------------------------------------------ */

static void
write_file(const cluster *c, const char *name, const kofn_mat *m)
{
    char path[CLUSTER_PATH_MAX];
    kofn_bands bands;
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(m, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static void
assert_file(const cluster *c, const char *name, const operands *o)
{
    char path[CLUSTER_PATH_MAX];
    kofn_npy npy;
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_right(o, &npy.mat, 1e3);
    kofn_mat_fini(&npy.mat);
}

static void
the_command_line_makes_and_fetches_them(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    outcome *run = calloc(1, sizeof *run);
    operands o;
    char job[64];
    begin(&o, KOFN_C64, 2);
    write_file(c, "a.npy", &o.a);
    write_file(c, "b.npy", &o.b);
    cluster_run(c, run, "multiply", "a.npy", "b.npy", "--transpose-b", "-o", "c.npy", "--complex",
                "plain", NULL);
    if (run->status != 0)
        fail_msg("%s", run->err);
    assert_non_null(strstr(run->err, "12 x 9 x 10 complex, by plain"));
    assert_file(c, "c.npy", &o);

    cluster_run(c, run, "submit", "a.npy", "b.npy", "--transpose-b", NULL);
    assert_int_equal(run->status, 0);
    run->out[strcspn(run->out, "\n")] = '\0';
    (void)snprintf(job, sizeof job, "%.60s", run->out);
    cluster_run(c, run, "wait", job, "-o", "later.npy", "--json", NULL);
    assert_int_equal(run->status, 0);
    assert_non_null(strstr(run->out, "\"complex\": \"3m\""));
    assert_non_null(strstr(run->out, "\"form\": \"product\""));
    assert_file(c, "later.npy", &o);
    cluster_run(c, run, "jobs", NULL);
    assert_non_null(strstr(run->out, "12 x 9 x 10 complex, by 3m"));
    free(run);
    end(&o);
}

/* Re + Im of A is beyond the range of f32, and nothing that C is made of. */
static void
sums_of_3m_that_overflow_are_told_and_4m_has_none(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    outcome *run = calloc(1, sizeof *run);
    operands o;
    begin(&o, KOFN_C64, 5);
    for (size_t i = 0; i < ROWS; i++)
        complex_set(&o.a, i, 0, complex_of(2e38, 2e38));
    for (size_t j = 0; j < COLS; j++)
        complex_set(&o.b, j, 0, complex_of(1e-38, 0));
    free(o.exact);
    o.exact = complex_multiply(&o.a, false, &o.b, true);
    write_file(c, "a.npy", &o.a);
    write_file(c, "b.npy", &o.b);
    cluster_run(c, run, "multiply", "a.npy", "b.npy", "--transpose-b", "-o", "c.npy", "--code",
                "uncoded", NULL);
    assert_int_equal(run->status, 0);
    if (!strstr(run->err, "it holds NaN or Inf") || !strstr(run->err, "--complex=4m makes none"))
        fail_msg("%s", run->err);
    cluster_run(c, run, "multiply", "a.npy", "b.npy", "--transpose-b", "-o", "c.npy", "--code",
                "uncoded", "--complex=4m", NULL);
    assert_int_equal(run->status, 0);
    assert_null(strstr(run->err, "NaN"));
    assert_file(c, "c.npy", &o);
    free(run);
    end(&o);
}

static void
the_commands_of_the_readme_run(void **state)
{
    cluster *c = cluster_new_ready(state, "", 5);
    outcome *run = calloc(1, sizeof *run);
    kofn_rng rng;
    operands o;
    kofn_rng_init(&rng, test_seed(3), 0);
    o.a = complex_new(KOFN_C128, ROWS, INNER, 0, 1, &rng);
    o.b = complex_new(KOFN_C128, INNER, COLS, 0, 1, &rng);
    o.exact = complex_multiply(&o.a, false, &o.b, false);
    write_file(c, "Z.npy", &o.a);
    write_file(c, "W.npy", &o.b);
    assert_int_equal(cluster_run_readme(c, "Complex matrices", run), 3);
    assert_file(c, "V.npy", &o);
    free(run);
    end(&o);
}

static void
files_that_cannot_be_multiplied_say_why(void **state)
{
    static const struct {
        const char *command, *a, *b, *option, *hint;
    } cases[] = {
        {"multiply", "a.npy", "nan.npy", "--quiet", "nan.npy: element (2, 1)"},
        {"multiply", "a.npy", "real.npy", "--quiet", "A is c64 (c8 of .npy files) and B is f64"},
        {"multiply", "a.npy", "a.npy", "--complex=5m", "no method '5m'"},
        {"multiply", "a.npy", "a.npy", "--code=polynomial", "take method plain"},
        {"outer", "a.npy", "a.npy", "--quiet", "no field has elements of c64 (c8"},
        {"multiply", "a.npy", "a.npy", "--field=f64", "field f64: the parts of c64 (c8"},
        {"multiply", "a.npy", "a.npy", "--field=gfp:7", "field gfp:7: the parts of c64 (c8"},
        {"multiply", "real.npy", "real.npy", "--complex=3m", "'real.npy' holds f64: leave it"},
    };
    static const double elements[9] = {1, 2, 3};
    cluster *c = cluster_new_ready(state, "", 1);
    outcome *run = calloc(1, sizeof *run);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    kofn_mat a = complex_new(KOFN_C64, 3, 3, 0, 1, &rng);
    const kofn_mat real = kofn_mat_wrap((void *)(uintptr_t)elements, KOFN_F64, 3, 3);
    write_file(c, "a.npy", &a);
    write_file(c, "real.npy", &real);
    complex_set(&a, 2, 1, complex_of(NAN, 0));
    write_file(c, "nan.npy", &a);
    kofn_mat_fini(&a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cluster_run(c, run, cases[i].command, cases[i].a, cases[i].b, cases[i].option, "-o",
                    "c.npy", NULL);
        assert_int_equal(run->status, 2);
        if (!strstr(run->err, cases[i].hint))
            fail_msg("case %zu: '%s' does not say '%s'", i, run->err, cases[i].hint);
    }
    cluster_run(c, run, "put", "nan.npy", NULL);
    assert_non_null(strstr(run->err, "the operand holds c64"));
    assert_true(run->status != 0);
    free(run);
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(any_two_of_five_workers_may_be_lost),
        T(the_command_line_makes_and_fetches_them),
        T(sums_of_3m_that_overflow_are_told_and_4m_has_none),
        T(the_commands_of_the_readme_run),
        T(files_that_cannot_be_multiplied_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
