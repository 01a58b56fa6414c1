/* Sparse operands with real daemons, beside dense products of the same numbers. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/reference.h"

#include "common/base/rng.h"

#include <cblas.h>
#include <math.h>

static kofn_error error;

/* ---- operands -------------------------------------------------------------------------------- */

typedef struct wish {
    const char *field, *family, *partition, *verify;
    size_t rows, inner, cols;
    bool transposed[2], sparse[2];
    uint64_t tasks;
    size_t patch; // blocks of so many elements each way hold something, one in three of them
} wish;

typedef struct operand {
    size_t rows, cols; // as stored
    void *dense;
    int64_t *first;
    int32_t *column;
    void *value;
    kofn_sparse lists;
    kofn_matrix matrix;
} operand;

static double
draw(const char *field, kofn_rng *rng)
{
    const uint64_t q = reference_order(field);
    return q == 0 ? (double)(float)(2 * kofn_rng_unit(rng) - 1)
                  : (double)(1 + kofn_rng_below(rng, q - 1));
}

static void
fill_dense(operand *o, const wish *w, kofn_rng *rng)
{
    const kofn_dtype dtype = reference_dtype(w->field);
    for (size_t r = 0; r < o->rows; r += w->patch)
        for (size_t c = 0; c < o->cols; c += w->patch) {
            if (kofn_rng_below(rng, 3) > 0)
                continue;
            for (size_t i = r; i < o->rows && i < r + w->patch; i++)
                for (size_t j = c; j < o->cols && j < c + w->patch; j++)
                    if (kofn_rng_below(rng, 2) == 0)
                        reference_store(o->dense, dtype, i * o->cols + j, draw(w->field, rng));
        }
}

static void
compress(operand *o, kofn_dtype dtype)
{
    size_t count = 0;
    for (size_t i = 0; i < o->rows; i++) {
        for (size_t j = 0; j < o->cols; j++) {
            const double number = reference_load(o->dense, dtype, i * o->cols + j);
            if (number == 0)
                continue;
            reference_store(o->value, dtype, count, number);
            o->column[count++] = (int32_t)j;
        }
        o->first[i + 1] = (int64_t)count;
    }
    o->lists = (kofn_sparse){.first = o->first, .column = o->column, .elements = count};
}

static void
operand_init(operand *o, const wish *w, size_t which, kofn_rng *rng)
{
    const kofn_dtype dtype = reference_dtype(w->field);
    const size_t rows = which == 0 ? w->rows : w->inner, cols = which == 0 ? w->inner : w->cols;
    const bool turned = w->transposed[which];
    *o = (operand){.rows = turned ? cols : rows, .cols = turned ? rows : cols};
    o->dense = calloc(rows * cols + 1, sizeof(double));
    o->value = calloc(rows * cols + 1, sizeof(double));
    o->first = calloc(o->rows + 1, sizeof *o->first);
    o->column = calloc(rows * cols + 1, sizeof *o->column);
    assert_true(o->dense && o->value && o->first && o->column);
    fill_dense(o, w, rng);
    compress(o, dtype);
    o->matrix = (kofn_matrix){.data = w->sparse[which] ? o->value : o->dense,
                              .dtype = dtype,
                              .rows = o->rows,
                              .cols = o->cols,
                              .transposed = turned,
                              .sparse = w->sparse[which] ? &o->lists : NULL};
}

static void
operand_fini(operand *o)
{
    free(o->dense);
    free(o->value);
    free(o->first);
    free(o->column);
}

/* ---- products -------------------------------------------------------------------------------- */

static double
get(const operand *o, bool turned, kofn_dtype dtype, size_t row, size_t col)
{
    return reference_load(o->dense, dtype, turned ? col * o->cols + row : row * o->cols + col);
}

static double
norm_of(const operand *o, kofn_dtype dtype)
{
    double sum = 0;
    for (size_t i = 0; i < o->rows * o->cols; i++)
        sum += pow(reference_load(o->dense, dtype, i), 2);
    return sqrt(sum);
}

/* |C' - C| <= error_bound |A| |B|, as the account promises, and a few roundings of the
 * reference. */
static void
assert_sparse_product(const wish *w, const operand o[2], kofn_result *result)
{
    const kofn_account *account = kofn_result_get_account(result);
    const kofn_dtype dtype = reference_dtype(w->field);
    kofn_matrix c;
    double squares = 0;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal(c.rows, w->rows);
    assert_int_equal(c.cols, w->cols);
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < w->cols; j++) {
            double sum = 0;
            for (size_t k = 0; k < w->inner; k++)
                sum = reference_add(w->field, sum,
                                    reference_multiply(w->field,
                                                       get(&o[0], w->transposed[0], dtype, i, k),
                                                       get(&o[1], w->transposed[1], dtype, k, j)));
            squares += pow(reference_load(c.data, dtype, i * w->cols + j) - sum, 2);
        }
    const double unit = dtype == KOFN_F64 ? 0x1p-52 : dtype == KOFN_F32 ? 0x1p-23 : 0;
    const double bound = (account->error_bound + (double)w->inner * unit) * norm_of(&o[0], dtype) *
                         norm_of(&o[1], dtype);
    assert_at_most(sqrt(squares), unit == 0 ? 0 : bound);
    assert_at_most(account->error_bound, dtype == KOFN_F64 ? 1e-6 : 1);
    assert_int_equal(account->pairs, 0); // it is a product
    assert_false(account->outer);
    assert_int_equal(account->rows, w->rows);
    assert_int_equal(account->inner, w->inner);
}

static kofn_product_options
options_of(const wish *w)
{
    kofn_product_options options = test_options(NULL, w->family);
    options.field = w->field;
    options.verify = w->verify;
    options.code.tasks = w->tasks;
    if (w->partition)
        test_choose(&options, "partition", w->partition);
    return options;
}

static kofn_account
run(cluster *c, const wish *w, kofn_rng *rng)
{
    const kofn_product_options options = options_of(w);
    kofn_result *result = NULL;
    operand o[2];
    operand_init(&o[0], w, 0, rng);
    operand_init(&o[1], w, 1, rng);
    assert_ok(kofn_client_multiply(cluster_get_client(c), &o[0].matrix, &o[1].matrix, &options,
                                   &result, &error));
    assert_sparse_product(w, o, result);
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    operand_fini(&o[0]);
    operand_fini(&o[1]);
    return account;
}

static void
products_are_right_over_every_field_whichever_operand_is_sparse(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};
    static const char *const families[] = {NULL, "locality", "lagrange", "uncoded"};
    for (size_t i = 0; i < 4 * 4 * 3; i++) {
        const wish w = {.field = fields[i % 4],
                        .family = families[i / 4 % 4],
                        .partition = i % 5 ? "3,2,2" : NULL,
                        .rows = 31,
                        .inner = 22,
                        .cols = 13,
                        .transposed = {i % 2, i % 3 == 0},
                        .sparse = {i / 16 != 1, i / 16 != 0},
                        .patch = 6};
        (void)run(c, &w, &rng);
    }
}

static void
blocks_that_are_zero_become_no_task(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    double one[8], b[8 * 3];
    int64_t first[9];
    int32_t column[8];
    for (size_t i = 0; i < 8; i++) { // the identity
        one[i] = 1;
        first[i] = column[i] = (int32_t)i;
    }
    first[8] = 8;
    for (size_t i = 0; i < 24; i++)
        b[i] = i < 6 ? 0 : (double)i;
    const kofn_sparse lists = {.first = first, .column = column, .elements = 8};
    const kofn_matrix a = {.data = one, .dtype = KOFN_F64, .rows = 8, .cols = 8, .sparse = &lists};
    const kofn_matrix m = test_view(b, 8, 3);
    kofn_product_options options = test_options(NULL, "uncoded");
    test_choose(&options, "partition", "4,4,1");
    kofn_result *result = NULL;
    assert_ok(kofn_client_multiply(cluster_get_client(c), &a, &m, &options, &result, &error));
    const kofn_account *account = kofn_result_get_account(result);
    kofn_matrix product;
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_memory_equal(product.data, b, sizeof b);
    assert_int_equal(account->tasks_sent, 3); // of 16: the diagonal, and not what meets zeros of B
    assert_int_equal(account->zero_products, 13);
    assert_int_equal(account->code.x, 4);
    kofn_result_destroy(&result);
}

/* By OpenBLAS, at a size at which blocks come in several frames. */
static void
a_large_product_is_that_of_openblas(void **state)
{
    enum { N = 1500, P = 400 };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    const wish w = {
        .field = "f64", .rows = N, .inner = N, .cols = P, .sparse = {true, false}, .patch = 250};
    operand o[2];
    operand_init(&o[0], &w, 0, &rng);
    operand_init(&o[1], &w, 1, &rng);
    const kofn_product_options options = options_of(&w);
    kofn_result *result = NULL;
    kofn_matrix got;
    assert_ok(kofn_client_multiply(cluster_get_client(c), &o[0].matrix, &o[1].matrix, &options,
                                   &result, &error));
    assert_ok(kofn_result_get_matrix(result, &got, &error));
    double *want = calloc((size_t)N * P, sizeof *want), squares = 0;
    assert_non_null(want);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, P, N, 1, o[0].dense, N, o[1].dense, P,
                0, want, P);
    for (size_t i = 0; i < (size_t)N * P; i++)
        squares += pow(((const double *)got.data)[i] - want[i], 2);
    assert_at_most(sqrt(squares), (kofn_result_get_account(result)->error_bound + N * 0x1p-52) *
                                      norm_of(&o[0], KOFN_F64) * norm_of(&o[1], KOFN_F64));
    free(want);
    kofn_result_destroy(&result);
    operand_fini(&o[0]);
    operand_fini(&o[1]);
}

static void
a_product_of_which_nothing_is_left_is_zero(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 2);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    const wish w = {.field = "f32",
                    .rows = 5,
                    .inner = 4,
                    .cols = 7,
                    .sparse = {true, true},
                    .patch = SIZE_MAX / 2};
    operand o[2];
    operand_init(&o[0], &w, 0, &rng);
    operand_init(&o[1], &w, 1, &rng);
    memset(o[1].dense, 0, 4 * 7 * sizeof(float));
    compress(&o[1], KOFN_F32);
    const kofn_product_options options = options_of(&w);
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    kofn_client *client = cluster_get_client(c);
    assert_ok(kofn_client_multiply(client, &o[0].matrix, &o[1].matrix, &options, &result, &error));
    assert_sparse_product(&w, o, result);
    assert_int_equal(kofn_result_get_account(result)->tasks_sent, 0);
    kofn_result_destroy(&result);

    assert_ok(kofn_client_submit(client, &o[0].matrix, &o[1].matrix, &options, job, &error));
    const kofn_wait_options wait = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_wait(client, job, &wait, &result, &error)); // by way of the disk
    assert_sparse_product(&w, o, result);
    kofn_result_destroy(&result);
    operand_fini(&o[0]);
    operand_fini(&o[1]);
}

static void
answers_are_verified(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    wish w = {.field = "f64",
              .family = "lagrange",
              .verify = "parity",
              .tasks = 16, // pairs: at most 4, of which 7 answers suffice
              .partition = "2,2,1",
              .rows = 12,
              .inner = 12,
              .cols = 5,
              .sparse = {true, false},
              .patch = 3};
    assert_string_equal(run(c, &w, &rng).verify, "parity");
    w.verify = "freivalds";
    w.sparse[1] = true;
    cluster_start_worker(c, 4, "inject:\n  wrong: 1\n");
    cluster_await_workers(c, 5);
    assert_string_equal(run(c, &w, &rng).verify, "freivalds"); // and is right
}

/* ---- what is not right ----------------------------------------------------------------------- */

static void
assert_refused(cluster *c, const operand o[2], const kofn_product_options *options,
               kofn_status status, const char *says)
{
    kofn_result *result = NULL;
    assert_fails(kofn_client_multiply(cluster_get_client(c), &o[0].matrix, &o[1].matrix, options,
                                      &result, &error),
                 status);
    if (!strstr(error.text, says))
        fail_msg("%s: expected '%s'", error.text, says);
}

static void
what_is_not_right_is_refused_with_its_place(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    const wish w = {.field = "f64",
                    .partition = "2,2,2",
                    .rows = 6,
                    .inner = 8,
                    .cols = 4,
                    .sparse = {true, false},
                    .patch = 1};
    operand o[2];
    operand_init(&o[0], &w, 0, &rng);
    operand_init(&o[1], &w, 1, &rng);
    const kofn_product_options options = options_of(&w);
    assert_true(o[0].lists.elements > 2);

    const int32_t column = o[0].column[0];
    o[0].column[0] = 8;
    assert_refused(c, o, &options, KOFN_INVALID_ARGUMENT, "has column 8, need 0 to 8 - 1");
    o[0].column[0] = column;
    o[0].first[0] = 1;
    assert_refused(c, o, &options, KOFN_INVALID_ARGUMENT, "A: row offsets go from 1");
    o[0].first[0] = 0;
    const double value = ((double *)o[0].value)[1];
    ((double *)o[0].value)[1] = NAN;
    assert_refused(c, o, &options, KOFN_INVALID_ARGUMENT, "the values of A");
    ((double *)o[0].value)[1] = value;
    ((double *)o[1].dense)[3] = INFINITY;
    assert_refused(c, o, &options, KOFN_INVALID_ARGUMENT, "B");
    ((double *)o[1].dense)[3] = 1;

    kofn_product_options other = options;
    (void)snprintf(other.code.family, sizeof other.code.family, "polynomial");
    assert_refused(c, o, &other, KOFN_INVALID_ARGUMENT, "polynomial");
    other = options;
    other.code.x = other.code.z = 400;
    assert_refused(c, o, &other, KOFN_OUT_OF_RANGE, "partition 400,400,2");

    o[0].lists.elements = 49;
    assert_refused(c, o, &options, KOFN_INVALID_ARGUMENT, "A is 6 x 8 and has 49 elements");
    o[0].lists.elements = (size_t)o[0].first[6];
    char id[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    kofn_client *client = cluster_get_client(c);
    assert_fails(kofn_client_put(client, &o[0].matrix, NULL, id, &error), KOFN_UNIMPLEMENTED);
    assert_fails(kofn_client_outer(client, (kofn_matrix[]){o[0].matrix, o[1].matrix}, 2, &options,
                                   &result, &error),
                 KOFN_UNIMPLEMENTED);
    assert_ok(kofn_client_multiply(client, &o[0].matrix, &o[1].matrix, &options, &result, &error));
    kofn_result_destroy(&result);
    operand_fini(&o[0]);
    operand_fini(&o[1]);
}

/* ---- with others ----------------------------------------------------------------------------- */

static void
the_other_operand_may_be_a_stored_one(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    const wish w = {.field = "f64",
                    .partition = "3,3,1",
                    .rows = 15,
                    .inner = 21,
                    .cols = 6,
                    .sparse = {true, false},
                    .patch = 5};
    operand o[2];
    operand_init(&o[0], &w, 0, &rng);
    operand_init(&o[1], &w, 1, &rng);
    const kofn_product_options options = options_of(&w);
    char id[KOFN_CLIENT_JOB_MAX];
    kofn_client *client = cluster_get_client(c);
    assert_ok(kofn_client_put(client, &o[1].matrix, NULL, id, &error));
    const kofn_matrix stored = {.operand = id};
    for (size_t i = 0; i < 2; i++) {
        kofn_result *result = NULL;
        assert_ok(kofn_client_multiply(client, &o[0].matrix, &stored, &options, &result, &error));
        assert_sparse_product(&w, o, result);
        kofn_result_destroy(&result);
    }
    operand_fini(&o[0]);
    operand_fini(&o[1]);
}

static void
a_job_survives_the_master_that_took_it(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    const wish w = {.field = "f64",
                    .family = "lagrange",
                    .rows = 40,
                    .inner = 30,
                    .cols = 20,
                    .transposed = {false, true},
                    .sparse = {true, true},
                    .patch = 10};
    operand o[2];
    operand_init(&o[0], &w, 0, &rng);
    operand_init(&o[1], &w, 1, &rng);
    kofn_product_options options = options_of(&w);
    test_choose(&options, "partition", "4,3,2");
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    cluster_start_master(c); // and no worker, so that the job is still to be done
    assert_ok(kofn_client_submit(cluster_get_client(c), &o[0].matrix, &o[1].matrix, &options, job,
                                 &error));
    cluster_kill_master(c);
    cluster_start_master(c);
    for (size_t i = 0; i < 3; i++)
        cluster_start_worker(c, i, "");
    const kofn_wait_options wait = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &wait, &result, &error));
    assert_sparse_product(&w, o, result);
    assert_int_equal(kofn_result_get_account(result)->code.x, 4);
    kofn_result_destroy(&result);
    operand_fini(&o[0]);
    operand_fini(&o[1]);
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(products_are_right_over_every_field_whichever_operand_is_sparse),
        T(blocks_that_are_zero_become_no_task),
        T(a_large_product_is_that_of_openblas),
        T(a_product_of_which_nothing_is_left_is_zero),
        T(answers_are_verified),
        T(what_is_not_right_is_refused_with_its_place),
        T(the_other_operand_may_be_a_stored_one),
        T(a_job_survives_the_master_that_took_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
