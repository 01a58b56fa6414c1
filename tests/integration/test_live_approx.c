/* Products that are estimated, with real daemons, beside those of OpenBLAS. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include "common/linalg/npy.h"

#include <cblas.h>
#include <math.h>

static kofn_error error;

/* ---- products -------------------------------------------------------------------------------- */

typedef struct wish {
    const char *sketch, *partition, *family;
    size_t rows, inner, cols, samples;
    bool transposed; // A
} wish;

typedef struct rig {
    double *a, *b, *c;
    size_t rows, inner, cols;
    kofn_matrix left, right;
} rig;

static void
rig_init(rig *r, size_t rows, size_t inner, size_t cols, bool transposed)
{
    *r = (rig){.a = test_matrix(rows, inner, 1),
               .b = test_matrix(inner, cols, 2),
               .c = calloc(rows * cols, sizeof(double)),
               .rows = rows,
               .inner = inner,
               .cols = cols};
    assert_non_null(r->c);
    for (size_t i = 0; i < rows * inner; i++) // not all of one size, and not around zero
        r->a[i] = (r->a[i] + 0.5) * (double)(1 + i % 7);
    r->left = transposed ? test_view(r->a, inner, rows) : test_view(r->a, rows, inner);
    r->left.transposed = transposed;
    r->right = test_view(r->b, inner, cols);
    cblas_dgemm(CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)rows,
                (int)cols, (int)inner, 1, r->a, (int)(transposed ? rows : inner), r->b, (int)cols,
                0, r->c, (int)cols);
}

static void
rig_fini(rig *r)
{
    free(r->a);
    free(r->b);
    free(r->c);
}

static double
norm_of(const double *at, size_t count)
{
    return cblas_dnrm2((int)count, at, 1);
}

/* |C' - C| over |A| |B|. */
static double
distance(const rig *r, const double *c)
{
    double sum = 0;
    for (size_t i = 0; i < r->rows * r->cols; i++)
        sum += (c[i] - r->c[i]) * (c[i] - r->c[i]);
    return sqrt(sum) / norm_of(r->a, r->rows * r->inner) / norm_of(r->b, r->inner * r->cols);
}

/* C' is about as far off as it says: one draw of a mean. */
static void
assert_estimate(const rig *r, const wish *w, kofn_result *result)
{
    const kofn_account *account = kofn_result_get_account(result);
    const kofn_compression *c = &account->compression;
    const size_t elements = r->rows * r->cols;
    double *made = malloc(elements * sizeof *made);
    assert_non_null(made);
    assert_int_equal(kofn_result_get_rows(result), r->rows);
    assert_int_equal(kofn_result_get_cols(result), r->cols);
    assert_ok(kofn_result_copy(result, made, 0, &error));
    const double off = distance(r, made);
    print_message("%s: off by %.3g, as C' says %.3g, bound %.3g\n", c->method, off, c->expected,
                  c->bound);
    assert_string_equal(c->method, w->sketch ? w->sketch : "cr");
    assert_int_equal(account->inner, r->inner);
    assert_int_equal(c->samples, w->samples);
    assert_string_equal(account->error_kind, "sketch");
    assert_true(isinf(account->error_bound));
    assert_at_most(off, 2 * c->expected);
    assert_at_most(strcmp(c->method, "cr") == 0 ? c->expected : c->bound / 20, 2 * off);
    const double size = norm_of(r->a, r->rows * r->inner) * norm_of(r->b, r->inner * r->cols);
    const double norm = norm_of(made, elements) / size;
    const double error_2 = c->expected * c->expected, own_2 = norm * norm - error_2;
    assert_true(isinf(c->relative) == (own_2 <= 0.1 * error_2)); // |C| is what is no error of |C'|
    if (isfinite(c->relative))
        assert_at_most(fabs(c->relative - sqrt(error_2 / own_2)), 1e-9 * c->relative);
    assert_true(account->error_estimate == c->relative);
    assert_true(c->elements < (r->rows + r->cols) * r->inner / 2);
    free(made);
}

static void
an_estimate_is_as_far_off_as_it_says(void **state)
{
    static const wish wishes[] = {
        {.rows = 60, .inner = 800, .cols = 50, .samples = 150},
        {.rows = 60,
         .inner = 800,
         .cols = 50,
         .samples = 150,
         .transposed = true,
         .family = "polynomial",
         .partition = "2,1,2"},
        {.sketch = "block_cr",
         .rows = 40,
         .inner = 803,
         .cols = 30,
         .samples = 12,
         .partition = "1,40,1"},
        {.sketch = "grid_cr",
         .rows = 41,
         .inner = 403,
         .cols = 35,
         .samples = 40,
         .partition = "2,40,2",
         .transposed = true,
         .family = "lagrange"},
    };
    cluster *c = cluster_new_ready(state, "", 3);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        const wish *w = &wishes[i];
        kofn_product_options options = test_options(NULL, w->family);
        kofn_result *result = NULL;
        rig r;
        rig_init(&r, w->rows, w->inner, w->cols, w->transposed);
        test_choose(&options, "partition", w->partition);
        test_choose(&options, "seed", "5");
        options.sketch = w->sketch;
        options.samples = w->samples;
        assert_ok(kofn_client_multiply(cluster_get_client(c), &r.left, &r.right, &options, &result,
                                       &error));
        assert_estimate(&r, w, result);
        assert_int_equal(kofn_result_get_account(result)->compression.seed, 5);
        kofn_result_destroy(&result);
        rig_fini(&r);
    }
}

/* A (v v) times B (b over -b): |C'| is nothing but error, and no measure of it. */
static void
an_estimate_of_nothing_is_off_by_more_than_the_product(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    kofn_product_options options = {.samples = 100};
    kofn_result *result = NULL;
    rig r;
    rig_init(&r, 30, 400, 30, false);
    for (size_t i = 0; i < 30 * 200; i++) {
        const size_t row = i / 200, col = i % 200;
        r.a[row * 400 + 200 + col] = r.a[row * 400 + col];
        r.b[200 * 30 + i] = -r.b[i];
    }
    test_choose(&options, "seed", "5");
    assert_ok(
        kofn_client_multiply(cluster_get_client(c), &r.left, &r.right, &options, &result, &error));
    const kofn_compression *made = &kofn_result_get_account(result)->compression;
    assert_true(made->expected > 0);
    assert_true(isinf(made->relative));
    kofn_result_destroy(&result);
    rig_fini(&r);
}

static void
all_of_it_is_the_product(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    const kofn_product_options options = {.approx = 0.01};
    kofn_result *result = NULL;
    rig r;
    rig_init(&r, 8, 60, 9, false);
    assert_ok(
        kofn_client_multiply(cluster_get_client(c), &r.left, &r.right, &options, &result, &error));
    double made[8 * 9];
    assert_ok(kofn_result_copy(result, made, 0, &error));
    assert_at_most(distance(&r, made), 1e-14);
    const kofn_account *account = kofn_result_get_account(result);
    assert_true(account->compression.bound == 0);
    assert_string_equal(account->error_kind, "rounding");
    kofn_result_destroy(&result);
    rig_fini(&r);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void
write_file(cluster *c, const char *name, const double *at, size_t rows, size_t cols)
{
    char path[CLUSTER_PATH_MAX];
    kofn_bands bands;
    const kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)at, KOFN_F64, rows, cols);
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static double
read_distance(cluster *c, const char *name, const rig *r)
{
    char path[CLUSTER_PATH_MAX];
    kofn_npy npy;
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.rows, r->rows);
    assert_int_equal(npy.mat.cols, r->cols);
    const double off = distance(r, npy.mat.data);
    kofn_mat_fini(&npy.mat);
    return off;
}

static void
assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("'%s' is not in: %s", words, text);
}

/* Submitted to one master, fetched from the next one: whoever fetches it knows what it is. */
static void
an_estimate_outlives_the_master_that_took_it(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    outcome *o = calloc(1, sizeof *o);
    rig r;
    assert_non_null(o);
    rig_init(&r, 31, 240, 20, false);
    write_file(c, "A.npy", r.a, 31, 240);
    write_file(c, "B.npy", r.b, 240, 20);
    cluster_start_master(c); // and no worker, so that the job is still to be done
    cluster_run(c, o, "submit", "A.npy", "B.npy", "--samples=24", "--sketch=grid_cr",
                "--partition=2,24,2", "--seed=3", NULL);
    assert_int_equal(o->status, 0);
    char job[KOFN_CLIENT_JOB_MAX] = "";
    memcpy(job, o->out, strcspn(o->out, "\n"));
    cluster_kill_master(c);
    cluster_start_master(c);
    for (size_t i = 0; i < 2; i++)
        cluster_start_worker(c, i, "");
    cluster_run(c, o, "wait", job, "-o", "C.npy", "--json", NULL);
    assert_int_equal(o->status, 0);
    assert_says(o->out, "\"method\": \"grid_cr\"");
    assert_says(o->out, "\"kind\": \"sketch\"");
    assert_says(o->out, "\"samples\": 24");
    assert_at_most(read_distance(c, "C.npy", &r), 0.5);
    assert_at_most(0.001, read_distance(c, "C.npy", &r));
    cluster_run(c, o, "status", job, NULL);
    assert_says(o->out, "product      31 x 240 x 20");
    assert_says(o->out, "sketch       grid_cr, 24 samples, seed 3");
    free(o);
    rig_fini(&r);
}

static void
the_commands_of_the_readme_run(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    outcome *o = calloc(1, sizeof *o);
    rig r;
    assert_non_null(o);
    rig_init(&r, 16, 1200, 12, false);
    write_file(c, "A.npy", r.a, 16, 1200);
    write_file(c, "B.npy", r.b, 1200, 12);
    (void)cluster_run_readme(c, "Estimates from a part of the data", o);
    assert_says(o->err, "estimate by cr, off by ");
    assert_says(o->err, "of A and B sent");
    assert_at_most(read_distance(c, "C.npy", &r), 0.5);
    free(o);
    rig_fini(&r);
}

/* Whatever the command can see by itself ends it with 2. */
static void
what_cannot_be_estimated_is_said_before_anything_is_sent(void **state)
{
    static const struct {
        const char *a, *option, *more, *says;
    } cases[] = {
        {"A.npy", "--approx=0.1", "--samples=5", "exclude each other"},
        {"A.npy", "--sketch=rc", "--samples=5", "want cr, block_cr or grid_cr"},
        {"A.npy", "--sketch=grid_cr", "--tasks=4", "say how large the error may be"},
        {"@0123456789abcdef", "--approx=0.1", "--tasks=4", "drawn before anything is sent"},
        {"zeros.npy", "--approx=0.1", "--tasks=4", "the product is zero"},
        {"odd.npy", "--approx=0.1", "--tasks=4", "A: element (1, 7) is NaN or Inf"},
        {"A.npy", "--samples=5", "--code=locality", "what cr leaves is a product"},
    };
    static const double zeros[16 * 60];
    cluster *c = cluster_new_ready(state, "", 0);
    outcome *o = calloc(1, sizeof *o);
    rig r;
    assert_non_null(o);
    rig_init(&r, 16, 60, 12, false);
    write_file(c, "A.npy", r.a, 16, 60);
    write_file(c, "B.npy", r.b, 60, 12);
    write_file(c, "zeros.npy", zeros, 16, 60);
    r.a[60 + 7] = NAN;
    write_file(c, "odd.npy", r.a, 16, 60);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cluster_run(c, o, "multiply", cases[i].a, "B.npy", "-o", "C.npy", cases[i].option,
                    cases[i].more, NULL);
        assert_says(o->err, cases[i].says);
        assert_int_equal(o->status, 2);
    }
    free(o);
    rig_fini(&r);
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_estimate_is_as_far_off_as_it_says),
        T(an_estimate_of_nothing_is_off_by_more_than_the_product),
        T(all_of_it_is_the_product),
        T(an_estimate_outlives_the_master_that_took_it),
        T(the_commands_of_the_readme_run),
        T(what_cannot_be_estimated_is_said_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
