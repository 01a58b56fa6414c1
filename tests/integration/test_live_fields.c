/* Products over finite fields with real daemons, beside a reference that shares no code with them:
 * GF(2^m) by shifting and reducing bit by bit, GF(p) by the remainder of 64-bit products. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"

static kofn_error error;

/* ---- reference ------------------------------------------------------------------------------- */

/* A field of a test: q elements; `polynomial` of GF(2^m), 0 for GF(q). */
typedef struct arithmetic {
    const char *name;
    kofn_dtype dtype;
    uint64_t q, polynomial;
} arithmetic;

static const arithmetic fields[] = {
    {"gf256", KOFN_U8, 256, 0x11d},
    {"gf16", KOFN_U8, 16, 0x13},
    {"gf4", KOFN_U8, 4, 0x7},
    {"gfp:2", KOFN_U32, 2, 0},
    {"gfp:251", KOFN_U32, 251, 0},
    {"gfp:65537", KOFN_U32, 65537, 0},
    {"gfp:8388593", KOFN_U32, 8388593, 0},
    {"gfp:2147483647", KOFN_U32, 2147483647, 0},
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static uint64_t
times(const arithmetic *f, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    if (!f->polynomial)
        return a * b % f->q;
    for (; b; b >>= 1, a = a << 1 & f->q ? (a << 1) ^ f->polynomial : a << 1)
        product ^= b & 1 ? a : 0;
    return product;
}

static uint64_t
plus(const arithmetic *f, uint64_t a, uint64_t b)
{
    return f->polynomial ? a ^ b : (a + b) % f->q;
}

/* ---- matrices -------------------------------------------------------------------------------- */

/* Elements as stored; free at. */
typedef struct numbers {
    size_t rows, cols;
    unsigned char *bytes; // u8, or
    uint32_t *words;      // u32
} numbers;

static uint64_t
get(const numbers *m, bool transposed, size_t row, size_t col)
{
    const size_t at = transposed ? col * m->cols + row : row * m->cols + col;
    return m->bytes ? m->bytes[at] : m->words[at];
}

static void
set(numbers *m, size_t row, size_t col, uint64_t value)
{
    if (m->bytes)
        m->bytes[row * m->cols + col] = (unsigned char)value;
    else
        m->words[row * m->cols + col] = (uint32_t)value;
}

static numbers
make_numbers(const arithmetic *f, size_t rows, size_t cols, kofn_rng *rng)
{
    numbers m = {.rows = rows, .cols = cols};
    if (f->dtype == KOFN_U8)
        m.bytes = calloc(rows * cols + 1, 1);
    else
        m.words = calloc(rows * cols + 1, sizeof *m.words);
    assert_true(m.bytes || m.words);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            set(&m, i, j, kofn_rng_u64(rng) % f->q);
    return m;
}

static void
free_numbers(numbers *m)
{
    free(m->bytes);
    free(m->words);
}

static kofn_matrix
view(const numbers *m, bool transposed)
{
    return (kofn_matrix){.data = m->bytes ? (const void *)m->bytes : m->words,
                         .dtype = m->bytes ? KOFN_U8 : KOFN_U32,
                         .rows = m->rows,
                         .cols = m->cols,
                         .transposed = transposed};
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct wish {
    const char *family, *partition, *tasks, *policy;
    bool transposed[2];
    size_t rows, inner, cols;
} wish;

static kofn_product_options
options_of(const arithmetic *f, const wish *w)
{
    kofn_product_options options = test_options(w->policy, w->family);
    options.field = f->name;
    test_choose(&options, "partition", w->partition);
    test_choose(&options, "tasks", w->tasks);
    return options;
}

static void
assert_exact(const arithmetic *f, const wish *w, const numbers *a, const numbers *b,
             const kofn_matrix *c)
{
    numbers got = {.rows = c->rows, .cols = c->cols};
    assert_int_equal(c->dtype, f->dtype);
    assert_int_equal(c->rows, w->rows);
    assert_int_equal(c->cols, w->cols);
    if (f->dtype == KOFN_U8)
        got.bytes = (unsigned char *)(uintptr_t)c->data;
    else
        got.words = (uint32_t *)(uintptr_t)c->data;
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < w->cols; j++) {
            uint64_t sum = 0;
            for (size_t k = 0; k < w->inner; k++)
                sum =
                    plus(f, sum,
                         times(f, get(a, w->transposed[0], i, k), get(b, w->transposed[1], k, j)));
            assert_int_equal(get(&got, false, i, j), sum);
        }
}

static kofn_account
multiply_views(kofn_client *client, const arithmetic *f, const wish *w, const numbers *a,
               const numbers *b, const kofn_matrix *views)
{
    kofn_result *result = NULL;
    kofn_matrix c;
    const kofn_product_options options = options_of(f, w);
    assert_ok(kofn_client_multiply(client, &views[0], &views[1], &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_exact(f, w, a, b, &c);
    const kofn_account account = *kofn_result_get_account(result);
    assert_string_equal(account.field, f->name);
    assert_string_equal(account.error_kind, "exact");
    assert_true(account.error_bound == 0 && !account.nonfinite);
    kofn_result_destroy(&result);
    return account;
}

static kofn_account
multiply(kofn_client *client, const arithmetic *f, const wish *w, kofn_rng *rng)
{
    numbers a = make_numbers(f, w->transposed[0] ? w->inner : w->rows,
                             w->transposed[0] ? w->rows : w->inner, rng);
    numbers b = make_numbers(f, w->transposed[1] ? w->cols : w->inner,
                             w->transposed[1] ? w->inner : w->cols, rng);
    const kofn_matrix views[] = {view(&a, w->transposed[0]), view(&b, w->transposed[1])};
    const kofn_account account = multiply_views(client, f, w, &a, &b, views);
    free_numbers(&a);
    free_numbers(&b);
    return account;
}

static void
the_product_is_exact_over_every_field(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (size_t i = 0; i < FIELDS; i++)
        for (size_t turned = 0; turned < 4; turned++) {
            const wish open = {
                .rows = 37, .inner = 29, .cols = 41, .transposed = {turned & 1, turned >> 1}};
            wish random = open;
            random.family = "alloy_global";
            random.partition = "2,1,2";
            random.tasks = "12";
            (void)multiply(cluster_get_client(c), &fields[i], &open, &rng);
            (void)multiply(cluster_get_client(c), &fields[i], &random, &rng);
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
    static const size_t of[] = {0, 4, 5, 7}; // with points enough
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    for (size_t i = 0; i < 4; i++)
        for (size_t w = 0; w < sizeof wishes / sizeof wishes[0]; w++) {
            wish one = wishes[w];
            one.rows = 53, one.inner = 31, one.cols = 47; // nothing divides
            (void)multiply(cluster_get_client(c), &fields[of[i]], &one, &rng);
        }
}

static void
odd_sizes_multiply(void **state)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 7, 1}, {2, 1, 5}, {3, 400, 1},
                                      {0, 3, 4}, {4, 0, 3}, {3, 4, 0}};
    static const size_t of[] = {0, 2, 5};
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            wish one = {.rows = sizes[s][0], .inner = sizes[s][1], .cols = sizes[s][2]};
            (void)multiply(cluster_get_client(c), &fields[of[i]], &one, &rng);
            one.family = "replication";
            one.partition = "2,1,2";
            (void)multiply(cluster_get_client(c), &fields[of[i]], &one, &rng);
        }
}

/* Large enough that a coder looks at the elements, and the planner chooses the code. */
static void
a_product_that_the_planner_cuts_is_exact(void **state)
{
    static const size_t of[] = {0, 5, 7};
    cluster *c = cluster_new_ready(state, "whole_flops: 1e5\n", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t again = 0; again < 3; again++) { // from the second on with measured rates
            const wish one = {.rows = 180, .inner = 150, .cols = 210};
            (void)multiply(cluster_get_client(c), &fields[of[i]], &one, &rng);
        }
}

static void
the_dtype_implies_gf256_and_the_local_cluster_does_as_well(void **state)
{
    (void)state;
    kofn_client *client = NULL;
    const kofn_client_options options = {.local_workers = 3};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    numbers a = make_numbers(&fields[0], 30, 20, &rng), b = make_numbers(&fields[0], 20, 25, &rng);
    const kofn_matrix views[] = {view(&a, false), view(&b, false)};
    const arithmetic implied = {.name = "gf256", .dtype = KOFN_U8, .q = 256, .polynomial = 0x11d};
    const wish w = {.rows = 30, .inner = 20, .cols = 25};
    kofn_result *result = NULL;
    kofn_matrix c;
    assert_ok(kofn_client_open(&options, &client, &error));
    assert_ok(kofn_client_multiply(client, &views[0], &views[1], NULL, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_exact(&implied, &w, &a, &b, &c);
    assert_string_equal(kofn_result_get_account(result)->field, "gf256");
    kofn_result_destroy(&result);
    kofn_client_close(&client);
    free_numbers(&a);
    free_numbers(&b);
}

/* Fields in turn, many at once: no worker and no cache takes one for another. */
static void
jobs_of_different_fields_run_side_by_side(void **state)
{
    enum { CALLS = 48 };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_client *client = cluster_get_client(c);
    const wish w = {.rows = 24,
                    .inner = 18,
                    .cols = 21,
                    .family = "polynomial",
                    .partition = "2,1,2",
                    .tasks = "6"};
    kofn_call *calls[CALLS];
    numbers a[CALLS], b[CALLS];
    static const size_t of[] = {0, 1, 4, 5, 6, 7};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(9), 0);
    for (size_t i = 0; i < CALLS; i++) {
        const arithmetic *f = &fields[of[i % 6]];
        const kofn_product_options options = options_of(f, &w);
        a[i] = make_numbers(f, 24, 18, &rng);
        b[i] = make_numbers(f, 18, 21, &rng);
        const kofn_matrix left = view(&a[i], false), right = view(&b[i], false);
        assert_ok(kofn_client_start(client, &left, &right, &options, &calls[i], &error));
    }
    for (size_t i = 0; i < CALLS; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_call_finish(&calls[i], &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_exact(&fields[of[i % 6]], &w, &a[i], &b[i], &product);
        kofn_result_destroy(&result);
        free_numbers(&a[i]);
        free_numbers(&b[i]);
    }
}

static void
a_stored_operand_serves_several_fields(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_client *client = cluster_get_client(c);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(10), 0);
    const arithmetic *least = &fields[4]; // gfp:251: its numbers are numbers of larger fields
    numbers a = make_numbers(least, 60, 40, &rng), b = make_numbers(least, 40, 50, &rng);
    numbers r = make_numbers(least, 60, 50, &rng);
    kofn_matrix views[] = {view(&a, false), view(&b, false)}, turned[] = {{0}, view(&r, false)};
    char id[KOFN_CLIENT_JOB_MAX];
    assert_ok(kofn_client_put(client, &views[0], NULL, id, &error));
    views[0] = (kofn_matrix){.operand = id};
    turned[0] = (kofn_matrix){.operand = id, .transposed = true};
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 4; i < FIELDS; i++) {
            wish w = {.rows = 60,
                      .inner = 40,
                      .cols = 50,
                      .family = "polynomial",
                      .partition = "2,1,2",
                      .tasks = "5"};
            const kofn_account account = multiply_views(client, &fields[i], &w, &a, &b, views);
            assert_int_equal(account.blocks_reused > 0, round > 0);
            w.rows = 40, w.inner = 60, w.transposed[0] = true;
            (void)multiply_views(client, &fields[i], &w, &a, &r, turned);
        }
    free_numbers(&a);
    free_numbers(&b);
    free_numbers(&r);
}

/* ---- trouble --------------------------------------------------------------------------------- */

static void
the_product_is_exact_though_workers_are_late_and_lost(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    cluster_start_worker(c, 3, "inject:\n  sleep: 1h\n");
    cluster_start_worker(c, 4, "inject:\n  crash_after: 2\n");
    cluster_await_workers(c, 5);
    for (size_t i = 0; i < 12; i++) {
        static const size_t of[] = {0, 5, 7};
        const wish w = {.rows = 60,
                        .inner = 45,
                        .cols = 52,
                        .family = i % 2 ? "polynomial" : "alloy_global",
                        .partition = "2,1,2",
                        .tasks = "6"};
        (void)multiply(cluster_get_client(c), &fields[of[i % 3]], &w, &rng);
    }
    assert_true(cluster_worker_has_ended(c, 4));
}

static void
expect_failure(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b,
               const kofn_product_options *options, kofn_status status, const char *hint)
{
    kofn_result *result = NULL;
    assert_fails(kofn_client_multiply(client, a, b, options, &result, &error), status);
    if (!strstr(error.text, hint))
        fail_msg("'%s' does not say '%s'", error.text, hint);
}

static void
what_is_no_field_or_not_of_it_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *field;
        kofn_dtype dtype;
        kofn_status status;
        const char *hint;
    } cases[] = {
        {"", KOFN_U32, KOFN_INVALID_ARGUMENT, "--field gfp:P"},
        {"gfp:1", KOFN_U32, KOFN_INVALID_ARGUMENT, "prime"},
        {"gfp:65536", KOFN_U32, KOFN_INVALID_ARGUMENT, "the nearest is 65537"},
        {"gfp:", KOFN_U32, KOFN_INVALID_ARGUMENT, "gfp:"},
        {"gfp:-7", KOFN_U32, KOFN_INVALID_ARGUMENT, "gfp:"},
        {"gfp:2147483648", KOFN_U32, KOFN_OUT_OF_RANGE, "2147483647"},
        {"gfp:99999999999999999999", KOFN_U32, KOFN_OUT_OF_RANGE, "2147483647"},
        {"gf8", KOFN_U8, KOFN_NOT_FOUND, "gf256, gf16"},
        {"GF256", KOFN_U8, KOFN_NOT_FOUND, "gf256, gf16"},
        {"gfp:7", KOFN_U8, KOFN_INVALID_ARGUMENT, "has elements of u32, and these are of u8"},
        {"gf256", KOFN_U32, KOFN_INVALID_ARGUMENT, "has elements of u8, and these are of u32"},
        {"f64", KOFN_U8, KOFN_INVALID_ARGUMENT, "has elements of f64, and these are of u8"},
    };
    static const unsigned char bytes[16];
    cluster *c = cluster_new_ready(state, "", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_matrix m = {.data = bytes, .dtype = cases[i].dtype, .rows = 2, .cols = 2};
        const kofn_product_options options = {.field = cases[i].field};
        expect_failure(cluster_get_client(c), &m, &m, &options, cases[i].status, cases[i].hint);
    }
}

static void
an_element_that_is_none_is_named_with_its_place(void **state)
{
    static const struct {
        size_t field, rows, cols, row, col, operand;
        uint32_t value;
        const char *hint;
    } cases[] = {
        {4, 3, 4, 2, 1, 0, 251, "A: element (2, 1) is 251, not in field gfp:251"},
        {4, 3, 4, 3, 2, 1, UINT32_MAX, "B: element (3, 2) is 4294967295, not in field gfp:251"},
        {3, 3, 4, 0, 0, 0, 2, "A: element (0, 0) is 2, not in field gfp:2"},
        {1, 3, 4, 1, 3, 0, 16, "A: element (1, 3) is 16, not in field gf16"},
        {2, 3, 4, 0, 2, 1, 255, "B: element (0, 2) is 255, not in field gf4"},
        {5, 1500, 900, 1499, 899, 0, 65537, "A: element (1499, 899) is 65537"}, // many bands
        {7, 1500, 900, 700, 2, 1, 2147483647, "B: element (700, 2) is 2147483647"},
    };
    cluster *c = cluster_new_ready(state, "chunk: 64KiB\n", 1);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const arithmetic *f = &fields[cases[i].field];
        numbers m[] = {make_numbers(f, cases[i].rows, cases[i].cols, &rng),
                       make_numbers(f, cases[i].cols, 3, &rng)};
        const kofn_product_options options = {.field = f->name, .timeout_ms = PATIENCE_S * 1000};
        set(&m[cases[i].operand], cases[i].row, cases[i].col, cases[i].value);
        const kofn_matrix a = view(&m[0], false), b = view(&m[1], false);
        expect_failure(cluster_get_client(c), &a, &b, &options, KOFN_INVALID_ARGUMENT,
                       cases[i].hint);
        free_numbers(&m[0]);
        free_numbers(&m[1]);
    }
    assert_int_equal(cluster_get_worker(c, 0).tasks_done, 0);
}

static void
families_that_do_not_fit_the_field_say_which_would(void **state)
{
    static const struct {
        size_t field;
        wish wish;
        const char *hint;
    } cases[] = {
        {1, {.family = "polynomial", .partition = "3,1,3", .tasks = "20"}, "gfp:23 or gf256"},
        {4, {.family = "polynomial", .partition = "15,1,16", .tasks = "260"}, "gfp:263"},
        {0, {.family = "matdot", .partition = "1,100,1", .tasks = "300"}, "gfp:307"},
        {0, {.family = "rkrp", .partition = "2,1,2"}, "take family polynomial"},
        {5, {.family = "orthopoly", .partition = "2,1,2"}, "orthopoly"},
        {5, {.family = "eps_matdot", .partition = "1,3,1"}, "eps_matdot"},
    };
    static const unsigned char zeros[64];
    cluster *c = cluster_new_ready(state, "", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const arithmetic *f = &fields[cases[i].field];
        const kofn_matrix m = {.data = zeros, .dtype = f->dtype, .rows = 4, .cols = 4};
        const kofn_product_options options = options_of(f, &cases[i].wish);
        expect_failure(cluster_get_client(c), &m, &m, &options, KOFN_INVALID_ARGUMENT,
                       cases[i].hint);
    }
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_product_is_exact_over_every_field),
        T(every_family_that_is_exact_multiplies),
        T(odd_sizes_multiply),
        T(a_product_that_the_planner_cuts_is_exact),
        cmocka_unit_test(the_dtype_implies_gf256_and_the_local_cluster_does_as_well),
        T(jobs_of_different_fields_run_side_by_side),
        T(a_stored_operand_serves_several_fields),
        T(the_product_is_exact_though_workers_are_late_and_lost),
        T(what_is_no_field_or_not_of_it_is_refused_with_the_reason),
        T(an_element_that_is_none_is_named_with_its_place),
        T(families_that_do_not_fit_the_field_say_which_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
