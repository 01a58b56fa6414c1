/* Products of integers with real daemons, beside a triple loop over 128 bits. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"
#include "common/linalg/npy.h"

static kofn_error error;

/* ---- matrices -------------------------------------------------------------------------------- */

/* Elements as stored: i32 or i64; free both. */
typedef struct numbers {
    size_t rows, cols;
    int64_t *at;
    int32_t *narrow; // the same in i32, or NULL
} numbers;

/* Of at most `bits` bits and a sign. */
static numbers
make_numbers(kofn_dtype dtype, size_t rows, size_t cols, unsigned bits, kofn_rng *rng)
{
    const size_t count = rows * cols;
    numbers m = {.rows = rows, .cols = cols, .at = calloc(count + 1, sizeof *m.at)};
    if (dtype == KOFN_I32)
        m.narrow = calloc(count + 1, sizeof *m.narrow);
    assert_true(m.at && (m.narrow || dtype == KOFN_I64));
    for (size_t i = 0; i < count; i++) {
        const int64_t x = (int64_t)(kofn_rng_u64(rng) >> (64 - bits));
        m.at[i] = kofn_rng_below(rng, 2) ? -x : x;
        if (m.narrow)
            m.narrow[i] = (int32_t)m.at[i];
    }
    return m;
}

static void
free_numbers(numbers *m)
{
    free(m->at);
    free(m->narrow);
}

static kofn_matrix
view(const numbers *m, bool transposed)
{
    return (kofn_matrix){.data = m->narrow ? (const void *)m->narrow : m->at,
                         .dtype = m->narrow ? KOFN_I32 : KOFN_I64,
                         .rows = m->rows,
                         .cols = m->cols,
                         .transposed = transposed};
}

static int64_t
get(const numbers *m, bool transposed, size_t row, size_t col)
{
    return m->at[transposed ? col * m->cols + row : row * m->cols + col];
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct wish {
    const char *family, *partition, *tasks, *policy;
    bool transposed[2];
    size_t rows, inner, cols;
} wish;

static kofn_product_options
options_of(const wish *w)
{
    kofn_product_options options = test_options(w->policy, w->family);
    test_choose(&options, "partition", w->partition);
    test_choose(&options, "tasks", w->tasks);
    return options;
}

static void
assert_exact(const wish *w, const numbers *a, const numbers *b, const kofn_matrix *c)
{
    const int64_t *got = c->data;
    assert_int_equal(c->dtype, KOFN_I64);
    assert_int_equal(c->rows, w->rows);
    assert_int_equal(c->cols, w->cols);
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < w->cols; j++) {
            __int128 sum = 0;
            for (size_t k = 0; k < w->inner; k++)
                sum += (__int128)get(a, w->transposed[0], i, k) * get(b, w->transposed[1], k, j);
            assert_true(got[i * w->cols + j] == sum);
        }
}

static kofn_account
multiply_views(kofn_client *client, const wish *w, const numbers *a, const numbers *b,
               const kofn_matrix *views)
{
    kofn_result *result = NULL;
    kofn_matrix c;
    const kofn_product_options options = options_of(w);
    assert_ok(kofn_client_multiply(client, &views[0], &views[1], &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_exact(w, a, b, &c);
    const kofn_account account = *kofn_result_get_account(result);
    assert_string_equal(account.field, "integers");
    assert_string_equal(account.error_kind, "exact");
    assert_in_range(account.prime_count, 1, KOFN_CLIENT_PRIMES_MAX);
    uint64_t answers = 0;
    for (size_t k = 0; k < account.prime_count; k++) {
        assert_string_equal(account.primes[k].state, "done");
        answers += account.primes[k].answers;
    }
    assert_int_equal(account.answers, answers);
    kofn_result_destroy(&result);
    return account;
}

static kofn_account
multiply(kofn_client *client, kofn_dtype dtype, unsigned bits, const wish *w, kofn_rng *rng)
{
    numbers a = make_numbers(dtype, w->transposed[0] ? w->inner : w->rows,
                             w->transposed[0] ? w->rows : w->inner, bits, rng);
    numbers b = make_numbers(dtype, w->transposed[1] ? w->cols : w->inner,
                             w->transposed[1] ? w->inner : w->cols, bits, rng);
    const kofn_matrix views[] = {view(&a, w->transposed[0]), view(&b, w->transposed[1])};
    const kofn_account account = multiply_views(client, w, &a, &b, views);
    free_numbers(&a);
    free_numbers(&b);
    return account;
}

static void
the_product_is_exact_for_integers_of_any_size(void **state)
{
    static const unsigned bits[] = {1, 8, 20, 27};
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(21), 0);
    for (size_t i = 0; i < 4; i++)
        for (size_t turned = 0; turned < 4; turned++) {
            const wish open = {
                .rows = 37, .inner = 29, .cols = 41, .transposed = {turned & 1, turned >> 1}};
            wish coded = open;
            coded.family = "polynomial";
            coded.partition = "2,1,2";
            coded.tasks = "6";
            (void)multiply(cluster_get_client(c), KOFN_I32, bits[i], &open, &rng);
            (void)multiply(cluster_get_client(c), KOFN_I64, bits[i], &coded, &rng);
        }
}

static void
every_family_that_is_exact_multiplies(void **state)
{
    static const wish wishes[] = {
        {.family = "uncoded", .partition = "2,2,2"},
        {.family = "replication", .partition = "2,1,2"},
        {.family = "polynomial", .partition = "2,1,3", .tasks = "8"},
        {.family = "matdot", .partition = "1,3,1", .tasks = "7"},
        {.family = "polydot", .partition = "2,2,2", .tasks = "11"},
        {.family = "alloy_global", .partition = "2,1,2", .tasks = "7"},
        {.family = "alloy_local", .partition = "2,2,2", .tasks = "35"},
    };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(22), 0);
    for (size_t w = 0; w < sizeof wishes / sizeof wishes[0]; w++) {
        wish one = wishes[w];
        one.rows = 53, one.inner = 31, one.cols = 47; // nothing divides
        const kofn_account account = multiply(cluster_get_client(c), KOFN_I64, 28, &one, &rng);
        assert_int_equal(account.prime_count, 3);
        assert_string_equal(account.code.family, one.family);
    }
}

static void
odd_sizes_multiply(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 7, 1}, {2, 1, 5}, {3, 400, 1},
                                      {0, 3, 4}, {4, 0, 3}, {3, 4, 0}, {0, 0, 0}};
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(23), 0);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        wish one = {.rows = sizes[s][0], .inner = sizes[s][1], .cols = sizes[s][2]};
        (void)multiply(cluster_get_client(c), KOFN_I32, 26, &one, &rng);
        one.family = "replication";
        one.partition = "2,1,2";
        (void)multiply(cluster_get_client(c), KOFN_I64, 26, &one, &rng);
    }
}

/* Of many frames and pieces, and from the second on with measured rates. */
static void
a_product_that_the_planner_cuts_is_exact(void **state)
{
    cluster *c = cluster_new_ready(state, "whole_flops: 1e5\nchunk: 64KiB\n", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(24), 0);
    for (size_t again = 0; again < 3; again++) {
        const wish one = {.rows = 310, .inner = 1150, .cols = 230};
        (void)multiply(cluster_get_client(c), KOFN_I64, 26, &one, &rng);
    }
}

static void
many_products_run_side_by_side(void **state)
{
    enum { CALLS = 32 };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_client *client = cluster_get_client(c);
    const wish w = {.rows = 24,
                    .inner = 18,
                    .cols = 21,
                    .family = "polynomial",
                    .partition = "2,1,2",
                    .tasks = "6"};
    const kofn_product_options options = options_of(&w);
    kofn_call *calls[CALLS];
    numbers a[CALLS], b[CALLS];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(25), 0);
    for (size_t i = 0; i < CALLS; i++) {
        const kofn_dtype dtype = i % 2 ? KOFN_I32 : KOFN_I64;
        a[i] = make_numbers(dtype, 24, 18, 1 + (unsigned)i % 28, &rng);
        b[i] = make_numbers(dtype, 18, 21, 28, &rng);
        const kofn_matrix left = view(&a[i], false), right = view(&b[i], false);
        assert_ok(kofn_client_start(client, &left, &right, &options, &calls[i], &error));
    }
    for (size_t i = 0; i < CALLS; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_call_finish(&calls[i], &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_exact(&w, &a[i], &b[i], &product);
        kofn_result_destroy(&result);
        free_numbers(&a[i]);
        free_numbers(&b[i]);
    }
}

/* A^T A of the stored handwritten digits, which takes one prime, and again without coding it. */
static void
the_gram_matrix_of_the_digits_is_exact(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_client *client = cluster_get_client(c);
    kofn_npy npy;
    char id[KOFN_CLIENT_JOB_MAX];
    assert_ok(kofn_npy_read(KOFN_SOURCE_DIR "/tests/data/digits.npy", &npy, &error));
    assert_int_equal(npy.mat.dtype, KOFN_F64);
    numbers x = {.rows = npy.mat.rows, .cols = npy.mat.cols};
    x.at = calloc(x.rows * x.cols, sizeof *x.at);
    assert_non_null(x.at);
    for (size_t i = 0; i < x.rows * x.cols; i++)
        x.at[i] = (int64_t)((const double *)npy.mat.data)[i];
    const kofn_matrix digits = view(&x, false);
    assert_ok(kofn_client_put(client, &digits, NULL, id, &error));
    const kofn_matrix views[] = {{.operand = id, .transposed = true}, {.operand = id}};
    const wish w = {.rows = x.cols,
                    .inner = x.rows,
                    .cols = x.cols,
                    .transposed = {true, false},
                    .family = "matdot",
                    .partition = "1,2,1",
                    .tasks = "5"};
    for (size_t round = 0; round < 2; round++) {
        const kofn_account account = multiply_views(client, &w, &x, &x, views);
        assert_int_equal(account.prime_count, 1);
        assert_int_equal(account.blocks_reused > 0, round > 0);
    }
    free_numbers(&x);
    kofn_mat_fini(&npy.mat);
}

/* ---- trouble --------------------------------------------------------------------------------- */

/* One worker never answers, and one is killed while it has tasks of some product. */
static void
the_product_is_exact_though_workers_are_late_and_lost(void **state)
{
    enum { CALLS = 8 };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_client *client = cluster_get_client(c);
    kofn_call *calls[CALLS];
    numbers a[CALLS], b[CALLS];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(26), 0);
    cluster_start_worker(c, 4, "inject:\n  sleep: 1h\n");
    cluster_await_workers(c, 5);
    wish w = {.rows = 60, .inner = 45, .cols = 52, .partition = "2,1,2", .tasks = "7"};
    for (size_t i = 0; i < CALLS; i++) {
        w.family = i % 2 ? "polynomial" : "alloy_global";
        const kofn_product_options options = options_of(&w);
        a[i] = make_numbers(KOFN_I64, 60, 45, 27, &rng);
        b[i] = make_numbers(KOFN_I64, 45, 52, 27, &rng);
        const kofn_matrix left = view(&a[i], false), right = view(&b[i], false);
        assert_ok(kofn_client_start(client, &left, &right, &options, &calls[i], &error));
    }
    cluster_signal_worker(c, 3, SIGKILL);
    for (size_t i = 0; i < CALLS; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_call_finish(&calls[i], &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_exact(&w, &a[i], &b[i], &product);
        kofn_result_destroy(&result);
        free_numbers(&a[i]);
        free_numbers(&b[i]);
    }
}

static void
a_product_beyond_64_bits_is_out_of_range(void **state)
{
    static const int64_t large[] = {1, 2, INT64_MIN, 3};
    static const int64_t factor[] = {1, 0, 1, -1};
    cluster *c = cluster_new_ready(state, "", 2);
    const kofn_matrix a = {.data = large, .dtype = KOFN_I64, .rows = 2, .cols = 2};
    const kofn_matrix b = {.data = factor, .dtype = KOFN_I64, .rows = 2, .cols = 2};
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_client_multiply(cluster_get_client(c), &a, &b, NULL, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error)); // just fits: -2^63 + 3
    static const int64_t right[] = {3, -2, INT64_MIN + 3, -3};
    assert_memory_equal(product.data, right, sizeof right);
    kofn_result_destroy(&result);
    assert_fails(kofn_client_multiply(cluster_get_client(c), &b, &a, NULL, &result, &error),
                 KOFN_OUT_OF_RANGE); // row 1: 1 - INT64_MIN
    assert_non_null(strstr(error.text, "C: element (1, 0) is about 9.22337e+18, which needs 65"));
}

static void
what_is_no_product_of_integers_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *field, *family;
        kofn_dtype dtype;
        kofn_status status;
        const char *hint;
    } cases[] = {
        {"integers", NULL, KOFN_F64, KOFN_INVALID_ARGUMENT, "i32 or i64, and these are of f64"},
        {"integers", NULL, KOFN_U32, KOFN_INVALID_ARGUMENT, "i32 or i64, and these are of u32"},
        {"gfp:7", NULL, KOFN_I64, KOFN_INVALID_ARGUMENT, "'gfp:7' is no field of i64 elements"},
        {"", "rkrp", KOFN_I64, KOFN_INVALID_ARGUMENT, "rkrp"},
        {"Integers", NULL, KOFN_I32, KOFN_INVALID_ARGUMENT, "multiplied as integers"},
    };
    static const int64_t zeros[4];
    cluster *c = cluster_new_ready(state, "", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_matrix m = {.data = zeros, .dtype = cases[i].dtype, .rows = 2, .cols = 2};
        kofn_product_options options = {.field = cases[i].field};
        kofn_result *result = NULL;
        snprintf(options.code.family, sizeof options.code.family, "%s",
                 cases[i].family ? cases[i].family : "");
        assert_fails(kofn_client_multiply(cluster_get_client(c), &m, &m, &options, &result, &error),
                     cases[i].status);
        if (!strstr(error.text, cases[i].hint))
            fail_msg("'%s' does not say '%s'", error.text, cases[i].hint);
    }
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_product_is_exact_for_integers_of_any_size),
        T(every_family_that_is_exact_multiplies),
        T(odd_sizes_multiply),
        T(a_product_that_the_planner_cuts_is_exact),
        T(many_products_run_side_by_side),
        T(the_gram_matrix_of_the_digits_is_exact),
        T(the_product_is_exact_though_workers_are_late_and_lost),
        T(a_product_beyond_64_bits_is_out_of_range),
        T(what_is_no_product_of_integers_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
