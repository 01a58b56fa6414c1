/* Complex products by the library, with a master and workers of its own, beside zgemm. */
#include "client/kofn.h"
#include "common/linalg/npy.h"
#include "tests/unit/complex_brute.h"
#include "tests/unit/fake_master.h"

#include <unistd.h>

enum { WORKERS = 4 };

static kofn_error error;
static kofn_client *client;

static int
open_client(void **state)
{
    (void)state;
    const kofn_client_options options = {.local_workers = WORKERS};
    return kofn_client_open(&options, &client, &error) == KOFN_OK ? 0 : -1;
}

static int
close_client(void **state)
{
    (void)state;
    kofn_client_close(&client);
    return 0;
}

static kofn_matrix
view_of(const kofn_mat *m, bool transposed)
{
    return (kofn_matrix){.data = m->data,
                         .dtype = m->dtype,
                         .rows = m->rows,
                         .cols = m->cols,
                         .stride = m->stride,
                         .transposed = transposed};
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct pair {
    kofn_mat mat[2];
    bool transposed[2];
    kofn_matrix a, b;
    size_t rows, inner, cols;
    double complex *exact;
} pair;

static void
pair_init(pair *p, kofn_dtype dtype, const size_t shape[3], const bool transposed[2], kofn_rng *rng)
{
    *p = (pair){.rows = shape[0], .inner = shape[1], .cols = shape[2]};
    memcpy(p->transposed, transposed, sizeof p->transposed);
    for (size_t side = 0; side < 2; side++) {
        const size_t rows = shape[side], cols = shape[side + 1];
        p->mat[side] = complex_new(dtype, transposed[side] ? cols : rows,
                                   transposed[side] ? rows : cols, side + 1, 1, rng);
    }
    p->a = view_of(&p->mat[0], transposed[0]);
    p->b = view_of(&p->mat[1], transposed[1]);
    p->exact = complex_multiply(&p->mat[0], transposed[0], &p->mat[1], transposed[1]);
}

static void
pair_fini(pair *p)
{
    kofn_mat_fini(&p->mat[0]);
    kofn_mat_fini(&p->mat[1]);
    free(p->exact);
}

/* |C' - C| <= (2 error_bound + 8 (inner + 4) u) |A| |B|: of what was sent, which for plain has the
 * root of 2 times the norm; and zgemm's own. */
static void
assert_right(const pair *p, const kofn_mat *c, const kofn_account *account)
{
    assert_int_equal(c->rows, p->rows);
    assert_int_equal(c->cols, p->cols);
    assert_int_equal(c->dtype, p->a.dtype);
    const double unit = 8 * (double)(p->inner + 4) * complex_unit(c->dtype);
    if (!account->verify[0]) // else it has what a liar might have done unseen
        assert_at_most(account->error_bound, c->dtype == KOFN_C128 ? 1e-11 : 1e-2);
    assert_at_most(complex_off(c, p->exact), (2 * account->error_bound + unit) *
                                                 complex_norm(&p->mat[0]) *
                                                 complex_norm(&p->mat[1]));
}

static void
assert_result(const pair *p, kofn_result *result, const char *method)
{
    const kofn_account *account = kofn_result_get_account(result);
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)c.data, c.dtype, c.rows, c.cols);
    assert_int_equal(c.stride, c.cols);
    assert_right(p, &mat, account);
    assert_int_equal(kofn_result_get_rows(result), p->rows);
    assert_int_equal(kofn_result_get_cols(result), p->cols);
    assert_int_equal(kofn_result_get_dtype(result), p->a.dtype);
    assert_int_equal(account->rows, p->rows);
    assert_int_equal(account->inner, p->inner);
    assert_int_equal(account->cols, p->cols);
    assert_string_equal(account->compression.method, method);
    assert_int_equal(account->compression.dtype, p->a.dtype);
    assert_string_equal(account->field, p->a.dtype == KOFN_C128 ? "f64" : "f32");
}

static const char *const methods[] = {"3m", "4m", "plain"};
static const kofn_dtype dtypes[] = {KOFN_C128, KOFN_C64};

static void
products_by_every_method_are_what_zgemm_says(void **state)
{
    static const size_t shapes[][3] = {{7, 5, 3}, {1, 1, 1}, {4, 8, 6}, {3, 0, 2}};
    static const char *const partitions[] = {NULL, "2,2,1", "1,2,3"};
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t m = 0; m < 3; m++)
            for (size_t turned = 0; turned < 4; turned++) {
                const bool transposed[] = {turned & 1, turned & 2};
                kofn_product_options options = {.complex_method = methods[m]};
                kofn_result *result = NULL;
                pair p;
                const char *partition = partitions[(s + turned) % 3];
                if (partition && shapes[s][1] >= 2)
                    assert_ok(kofn_code_choice_set(&options.code, "partition", partition, &error));
                pair_init(&p, dtypes[(m + turned) % 2], shapes[s], transposed, &rng);
                assert_ok(kofn_client_multiply(client, &p.a, &p.b, &options, &result, &error));
                assert_result(&p, result, methods[m]);
                kofn_result_destroy(&result);
                pair_fini(&p);
            }
}

static const bool as_stored[2] = {false};
static const size_t small[] = {6, 5, 7};

static void
products_without_options_are_made_by_3m(void **state)
{
    kofn_rng rng;
    kofn_result *result = NULL;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(2), 0);
    pair_init(&p, KOFN_C128, small, as_stored, &rng);
    assert_ok(kofn_client_multiply(client, &p.a, &p.b, NULL, &result, &error));
    assert_result(&p, result, "3m");
    assert_int_equal(kofn_result_get_account(result)->pairs, 3);
    assert_string_equal(kofn_result_get_account(result)->code.family, "locality");
    kofn_result_destroy(&result);
    pair_fini(&p);
}

/* ---- digits ---------------------------------------------------------------------------------- */

/* Imaginary parts of an operand so much larger. */
static void
stretch_im(pair *p, size_t side, double by)
{
    kofn_mat *m = &p->mat[side];
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++) {
            const double complex z = complex_get(m, r, c);
            complex_set(m, r, c, complex_of(creal(z), by * cimag(z)));
        }
    free(p->exact);
    p->exact = complex_multiply(&p->mat[0], p->transposed[0], &p->mat[1], p->transposed[1]);
}

static double
part_norm(const kofn_mat *m, size_t half)
{
    double sum = 0;
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++) {
            const double complex z = complex_get(m, r, c);
            sum = hypot(sum, half == 0 ? creal(z) : cimag(z));
        }
    return sum;
}

/* |Re C' - Re C| <= 8 (amplification + 1) (inner + 4) u (|Re A| |Re B| + |Im A| |Im B|), and so of
 * Im C. */
static void
assert_parts_right(const pair *p, kofn_result *result)
{
    kofn_matrix c;
    double off[2] = {0}, norm[2][2];
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    const kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)c.data, c.dtype, c.rows, c.cols);
    for (size_t r = 0; r < c.rows; r++)
        for (size_t col = 0; col < c.cols; col++) {
            const double complex z = complex_get(&mat, r, col) - p->exact[r * c.cols + col];
            off[0] = hypot(off[0], creal(z));
            off[1] = hypot(off[1], cimag(z));
        }
    for (size_t i = 0; i < 4; i++)
        norm[i / 2][i % 2] = part_norm(&p->mat[i / 2], i % 2);
    const double unit = 8 * (kofn_result_get_account(result)->amplification + 1) *
                        (double)(p->inner + 4) * complex_unit(c.dtype);
    assert_at_most(off[0], unit * (norm[0][0] * norm[1][0] + norm[0][1] * norm[1][1]));
    assert_at_most(off[1], unit * (norm[0][0] * norm[1][1] + norm[0][1] * norm[1][0]));
}

/* Parts of different size, from coded answers alone: Im C keeps its digits by 4m, and Re C its
 * own. */
static void
each_part_of_c_keeps_its_digits_by_4m(void **state)
{
    static const struct {
        kofn_dtype dtype;
        double im[2];
        const char *family, *partition;
    } cases[] = {
        {KOFN_C128, {1e-6, 1e-6}, "locality", NULL},
        {KOFN_C128, {1e-6, 1e-6}, "lagrange", NULL},
        {KOFN_C128, {1e8, 1e8}, "locality", "1,1,1"},
        {KOFN_C128, {1e-8, 1e8}, "locality", NULL},
        {KOFN_C128, {1e-30, 1}, "lagrange", NULL},
        {KOFN_C128, {1e-5, 1e-7}, "locality", "2,1,2"},
        {KOFN_C128, {1e-200, 1}, "uncoded", NULL},
        {KOFN_C128, {0, 1e-9}, "locality", NULL},
        {KOFN_C64, {1e-3, 1e-4}, "locality", NULL},
        {KOFN_C64, {1e5, 1}, "lagrange", NULL},
    };
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(12), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool turned[] = {i & 1, i & 2};
        kofn_product_options options = {.complex_method = "4m"};
        kofn_result *result = NULL;
        pair p;
        assert_ok(kofn_code_choice_set(&options.code, "family", cases[i].family, &error));
        if (cases[i].partition)
            assert_ok(kofn_code_choice_set(&options.code, "partition", cases[i].partition, &error));
        if (strcmp(cases[i].family, "uncoded") != 0)
            assert_ok(kofn_code_choice_set(&options.code, "systematic", "false", &error));
        pair_init(&p, cases[i].dtype, small, turned, &rng);
        stretch_im(&p, 0, cases[i].im[0]);
        stretch_im(&p, 1, cases[i].im[1]);
        assert_ok(kofn_client_multiply(client, &p.a, &p.b, &options, &result, &error));
        assert_result(&p, result, "4m");
        assert_parts_right(&p, result);
        kofn_result_destroy(&result);
        pair_fini(&p);
    }
}

static void
every_policy_and_defence_takes_them(void **state)
{
    static const kofn_product_options cases[] = {
        {.verify = "freivalds"},
        {.verify = "freivalds", .complex_method = "plain"},
        {.verify = "parity", .liars = 1},
        {.policy = "two_stage"},
        {.policy = "speculative", .code = {.family = "uncoded"}},
        {.policy = "rateless", .code = {.family = "rkrp"}, .complex_method = "4m"},
        {.accept = {.kind = KOFN_ACCEPT_WITHIN, .error = 1e-9}},
        {.code = {.family = "replication"}, .complex_method = "4m"},
    };
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(10), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_result *result = NULL;
        pair p;
        pair_init(&p, KOFN_C128, small, as_stored, &rng);
        assert_ok(kofn_client_multiply(client, &p.a, &p.b, &cases[i], &result, &error));
        assert_result(&p, result, cases[i].complex_method ? cases[i].complex_method : "3m");
        kofn_result_destroy(&result);
        pair_fini(&p);
    }
}

static bool
go_on(void *context, const kofn_account *account)
{
    (void)context;
    (void)account;
    return true;
}

static kofn_account
multiply_large(const kofn_product_options *options)
{
    static const size_t large[] = {150, 140, 130}; // 2.2e7 flops
    kofn_rng rng;
    kofn_result *result = NULL;
    pair p;
    kofn_rng_init(&rng, 3, 0);
    pair_init(&p, KOFN_C64, large, as_stored, &rng);
    assert_ok(kofn_client_multiply(client, &p.a, &p.b, options, &result, &error));
    assert_result(&p, result, "3m");
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    pair_fini(&p);
    return account;
}

/* Four workers for each product of blocks; who looks on does so while they are counted, too. */
static void
a_cut_that_is_left_open_is_for_the_workers(void **state)
{
    (void)state;
    assert_int_equal(multiply_large(NULL).pairs, 3);
    kofn_product_options options = {.code.tasks = 4 * 2};
    assert_int_equal(multiply_large(&options).pairs, 3 * 2);
    options = (kofn_product_options){.progress = go_on, .timeout_ms = 60000};
    assert_int_equal(multiply_large(&options).pairs, 3);
    kofn_client_close(&client);
    const kofn_client_options more = {.local_workers = 4 * 2};
    assert_ok(kofn_client_open(&more, &client, &error));
    assert_int_equal(multiply_large(NULL).pairs, 3 * 2);
    options = (kofn_product_options){.key = "the same order, whoever is there"};
    assert_int_equal(multiply_large(&options).pairs, 3);
    kofn_client_close(&client);
    assert_int_equal(open_client(state), 0);
}

/* ---- calls and jobs -------------------------------------------------------------------------- */

static void
a_call_keeps_the_parts_until_they_are_sent(void **state)
{
    kofn_rng rng;
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (size_t m = 0; m < 3; m++) {
        kofn_product_options options = {.complex_method = methods[m]};
        pair_init(&p, KOFN_C128, small, as_stored, &rng);
        assert_ok(kofn_client_start(client, &p.a, &p.b, &options, &call, &error));
        assert_ok(kofn_call_finish(&call, &result, &error));
        assert_result(&p, result, methods[m]);
        kofn_result_destroy(&result);
        pair_fini(&p);
    }
}

typedef struct seen { // by a master, the second time it is asked
    size_t rows, cols;
    double elements[256];
    kofn_msg_compression compression;
} seen;

static void
put_off_once(fake_master *fake, fake_call *call)
{
    seen *s = fake->test;
    if (fake->call_count == 1) {
        fake_refuse(fake, call, KOFN_UNAVAILABLE, "in a moment", 1);
        return;
    }
    const kofn_bands *a = &call->operands.mat[0];
    size_t band = 0;
    s->rows = a->rows;
    s->cols = a->cols;
    s->compression = call->product.compression;
    for (size_t r = 0; r < a->rows && (r + 1) * a->cols <= 256; r++)
        memcpy(s->elements + r * a->cols, kofn_bands_get_row(a, r, &band),
               a->cols * sizeof(double));
    fake_refuse(fake, call, KOFN_INVALID_ARGUMENT, "that is enough", 0);
}

/* The parts are the library's own, and nobody else has them by then. */
static void
a_call_that_is_put_off_sends_the_parts_again(void **state)
{
    kofn_rng rng;
    fake_master fake;
    seen s = {0};
    kofn_client *other = NULL;
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(11), 0);
    pair_init(&p, KOFN_C128, small, as_stored, &rng);
    fake_start(&fake, put_off_once, &s);
    const kofn_client_options options = {
        .endpoint = fake.endpoint, .backoff_ms = 1, .backoff_max_ms = 20, .keep_bytes = 1};
    assert_ok(kofn_client_open(&options, &other, &error));
    assert_ok(kofn_client_start(other, &p.a, &p.b, NULL, &call, &error));
    assert_fails(kofn_call_finish(&call, &result, &error), KOFN_INVALID_ARGUMENT);
    kofn_client_close(&other);
    fake_stop(&fake);
    assert_int_equal(fake.call_count, 2);
    assert_int_equal(s.rows, 2 * 6);
    assert_int_equal(s.cols, 5);
    for (size_t r = 0; r < 6; r++)
        for (size_t c = 0; c < 5; c++) {
            const double complex z = complex_get(&p.mat[0], r, c);
            assert_true(s.elements[r * 5 + c] == creal(z));
            assert_true(s.elements[(6 + r) * 5 + c] == cimag(z));
        }
    assert_string_equal(s.compression.method, "3m");
    assert_string_equal(s.compression.dtype, "c128");
    assert_int_equal(s.compression.elements, 2 * (6 * 5 + 5 * 7));
    pair_fini(&p);
}

static void
whoever_waits_for_a_job_gets_complex_numbers(void **state)
{
    kofn_rng rng;
    kofn_result *result = NULL;
    kofn_account account;
    char job[KOFN_CLIENT_JOB_MAX];
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(5), 0);
    for (size_t m = 0; m < 3; m++) {
        kofn_product_options options = {.complex_method = methods[m]};
        pair_init(&p, KOFN_C64, small, as_stored, &rng);
        assert_ok(kofn_client_submit(client, &p.a, &p.b, &options, job, &error));
        assert_ok(kofn_client_get_job(client, job, &account, &error));
        assert_int_equal(account.rows, 6);
        assert_int_equal(account.compression.dtype, KOFN_C64);
        const kofn_wait_options look = {.without_product = true};
        assert_ok(kofn_client_wait(client, job, &look, &result, &error));
        assert_int_equal(kofn_result_get_dtype(result), KOFN_DTYPE_NONE);
        kofn_result_destroy(&result);
        assert_ok(kofn_client_wait(client, job, NULL, &result, &error));
        assert_result(&p, result, methods[m]);
        kofn_result_destroy(&result);
        pair_fini(&p);
    }
}

/* ---- reading results ------------------------------------------------------------------------- */

static void
read_back(const char *path, const kofn_mat *whole, size_t first, size_t rows)
{
    kofn_npy npy;
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.dtype, whole->dtype);
    assert_int_equal(npy.mat.rows, rows);
    assert_int_equal(npy.mat.cols, whole->cols);
    for (size_t r = 0; r < rows; r++)
        assert_memory_equal(kofn_mat_get_row(&npy.mat, r), kofn_mat_get_row(whole, first + r),
                            whole->cols * kofn_dtype_width(whole->dtype));
    kofn_mat_fini(&npy.mat);
    assert_int_equal(unlink(path), 0);
}

static void
results_are_complex_however_they_are_read(void **state)
{
    enum { STRIDE = 9 };
    char path[] = "/tmp/kofn-test-complex-XXXXXX";
    double complex room[6 * STRIDE];
    kofn_rng rng;
    kofn_result *result = NULL;
    kofn_matrix c;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(6), 0);
    pair_init(&p, KOFN_C128, small, as_stored, &rng);
    kofn_product_options options = {0};
    assert_ok(
        kofn_code_choice_set(&options.code, "partition", "4,1,2", &error)); // 8 rows, 8 columns
    assert_ok(kofn_client_multiply(client, &p.a, &p.b, &options, &result, &error));
    assert_result(&p, result, "3m");
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    const kofn_mat whole = kofn_mat_wrap((void *)(uintptr_t)c.data, c.dtype, c.rows, c.cols);
    assert_ok(kofn_result_copy(result, room, STRIDE, &error));
    for (size_t r = 0; r < 6; r++)
        assert_memory_equal(room + r * STRIDE, kofn_mat_get_row(&whole, r), 7 * sizeof *room);
    assert_ok(kofn_result_copy_rows(result, 2, 3, room, 0, &error));
    assert_memory_equal(room, kofn_mat_get_row(&whole, 2), 3 * 7 * sizeof *room);
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_ok(kofn_result_write_npy(result, path, &error));
    read_back(path, &whole, 0, 6);
    kofn_result_file part = {.result = result, .first = 4, .rows = 2, .path = path};
    kofn_results_write_npy(&part, 1);
    assert_int_equal(part.error.status, KOFN_OK);
    read_back(path, &whole, 4, 2);
    kofn_result_destroy(&result);
    pair_fini(&p);
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void
assert_refused(const kofn_matrix *a, const kofn_matrix *b, const kofn_product_options *options,
               kofn_status status, const char *hint)
{
    kofn_result *result = NULL;
    kofn_call *call = NULL;
    char job[KOFN_CLIENT_JOB_MAX];
    assert_fails(kofn_client_multiply(client, a, b, options, &result, &error), status);
    if (!strstr(error.text, hint))
        fail_msg("'%s' does not say '%s'", error.text, hint);
    assert_fails(kofn_client_start(client, a, b, options, &call, &error), status);
    assert_fails(kofn_client_submit(client, a, b, options, job, &error), status);
}

static void
operands_that_cannot_be_say_why(void **state)
{
    static const int64_t first[] = {0, 0, 0, 0, 0, 0, 0};
    const kofn_sparse nothing = {.first = first};
    kofn_rng rng;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(7), 0);
    pair_init(&p, KOFN_C128, small, as_stored, &rng);
    kofn_matrix other = p.b;
    other.dtype = KOFN_C64;
    other.stride = 0;
    assert_refused(&p.a, &other, NULL, KOFN_INVALID_ARGUMENT,
                   "A is c128 (c16 of .npy files) and B is c64 (c8");
    other.dtype = KOFN_F64;
    assert_refused(&p.a, &other, NULL, KOFN_INVALID_ARGUMENT,
                   "A is c128 (c16 of .npy files) and B is f64");
    assert_refused(&other, &p.b, NULL, KOFN_INVALID_ARGUMENT, "A is f64 and B is c128");
    other = (kofn_matrix){.operand = "0123456789abcdef"};
    assert_refused(&p.a, &other, NULL, KOFN_UNIMPLEMENTED, "B is a stored operand");
    other = p.a;
    other.sparse = &nothing;
    assert_refused(&other, &p.b, NULL, KOFN_UNIMPLEMENTED, "A is sparse");
    other = p.b;
    other.transposed = true;
    assert_refused(&p.a, &other, NULL, KOFN_INVALID_ARGUMENT, "A has 5 columns and B has 7 rows");
    other = p.b;
    other.stride = 1;
    assert_refused(&p.a, &other, NULL, KOFN_INVALID_ARGUMENT, "B has a stride of 1");
    other = p.b;
    other.data = NULL;
    assert_refused(&p.a, &other, NULL, KOFN_INVALID_ARGUMENT, "B has no data");
    other = p.a;
    other.rows = (size_t)1 << 31;
    assert_refused(&other, &p.b, NULL, KOFN_OUT_OF_RANGE, "A is 2147483648 x 5");
    complex_set(&p.mat[1], 4, 6, complex_of(1, NAN));
    for (size_t m = 0; m < 3; m++) {
        const kofn_product_options options = {.complex_method = methods[m]};
        assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT, "B: element (4, 6) is 1");
    }
    pair_fini(&p);
}

static void
options_that_cannot_be_say_why(void **state)
{
    kofn_rng rng;
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(8), 0);
    pair_init(&p, KOFN_C128, small, as_stored, &rng);
    kofn_product_options options = {.complex_method = "5m"};
    assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT, "no method '5m'");
    options = (kofn_product_options){.field = "f32"};
    assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT,
                   "field f32: the parts of c128 (c16 of .npy files) are f64");
    options = (kofn_product_options){.field = "gfp:7"};
    assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT, "field gfp:7: the parts");
    options = (kofn_product_options){.code = {.family = "polynomial"}};
    assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT, "take method plain");
    options = (kofn_product_options){.complex_method = "plain", .code = {.family = "locality"}};
    assert_refused(&p.a, &p.b, &options, KOFN_INVALID_ARGUMENT, "take method 3m or 4m");
    options = (kofn_product_options){.code = {.x = 2000, .z = 1, .y = 1}};
    assert_refused(&p.a, &p.b, &options, KOFN_OUT_OF_RANGE, "2000,1,1 parts");
    options = (kofn_product_options){.complex_method = "3m"};
    const double numbers[] = {1, 2, 3, 4};
    const kofn_matrix real = {.data = numbers, .dtype = KOFN_F64, .rows = 2, .cols = 2};
    const kofn_matrix both[] = {real, real};
    const kofn_pairs pairs = {.count = 1, .x = &real, .y = &real};
    kofn_result *result = NULL;
    assert_refused(&real, &real, &options, KOFN_INVALID_ARGUMENT, "complex_method '3m'");
    assert_fails(kofn_client_outer(client, both, 2, &options, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_client_batch(client, &pairs, &options, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    options = (kofn_product_options){.approx = 0.1};
    assert_refused(&p.a, &p.b, &options, KOFN_UNIMPLEMENTED, "c128");
    pair_fini(&p);
}

static void
nothing_else_is_made_of_complex_matrices(void **state)
{
    kofn_rng rng;
    kofn_result *result = NULL;
    kofn_stream *stream = NULL;
    char id[KOFN_CLIENT_JOB_MAX];
    pair p;
    (void)state;
    kofn_rng_init(&rng, test_seed(9), 0);
    pair_init(&p, KOFN_C64, small, as_stored, &rng);
    const kofn_matrix both[] = {p.a, p.b};
    const kofn_pairs pairs = {.count = 1, .x = &p.a, .y = &p.b};
    assert_fails(kofn_client_outer(client, both, 2, NULL, &result, &error), KOFN_UNIMPLEMENTED);
    assert_fails(kofn_client_batch(client, &pairs, NULL, &result, &error), KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(error.text, "X of pair 0 holds c64"));
    assert_fails(kofn_client_put(client, &p.a, NULL, id, &error), KOFN_UNIMPLEMENTED);
    const kofn_stream_options uncoded = {.scheme = "uncoded"};
    assert_ok(kofn_client_open_stream(client, &uncoded, &stream, &error));
    assert_fails(kofn_stream_push(stream, &p.a, &p.b, NULL, &error), KOFN_UNIMPLEMENTED);
    kofn_stream_abandon(&stream);
    kofn_code_choice code = {0};
    assert_fails(kofn_code_choice_check(&code, KOFN_C64, NULL, &error), KOFN_UNIMPLEMENTED);
    kofn_plan_answer answer;
    const kofn_plan_question question = {
        .dtype = KOFN_C128, .rows = 4, .inner = 4, .cols = 4, .workers = 3};
    assert_fails(kofn_client_plan(NULL, &question, &answer, &error), KOFN_UNIMPLEMENTED);
    pair_fini(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_by_every_method_are_what_zgemm_says),
        cmocka_unit_test(products_without_options_are_made_by_3m),
        cmocka_unit_test(each_part_of_c_keeps_its_digits_by_4m),
        cmocka_unit_test(every_policy_and_defence_takes_them),
        cmocka_unit_test(a_cut_that_is_left_open_is_for_the_workers),
        cmocka_unit_test(a_call_keeps_the_parts_until_they_are_sent),
        cmocka_unit_test(a_call_that_is_put_off_sends_the_parts_again),
        cmocka_unit_test(whoever_waits_for_a_job_gets_complex_numbers),
        cmocka_unit_test(results_are_complex_however_they_are_read),
        cmocka_unit_test(operands_that_cannot_be_say_why),
        cmocka_unit_test(options_that_cannot_be_say_why),
        cmocka_unit_test(nothing_else_is_made_of_complex_matrices),
    };
    return cmocka_run_group_tests(tests, open_client, close_client);
}
