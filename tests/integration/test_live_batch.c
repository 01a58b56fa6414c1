/* Batches with real daemons, beside a reference that shares no code with them: pair by pair,
 * element by element. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"
#include "tests/integration/reference.h"

#include "common/base/rng.h"
#include "common/linalg/npy.h"

#include <math.h>
#include <unistd.h>

enum { PAIRS_MAX = 16 };

static kofn_error error;

/* ---- pairs ----------------------------------------------------------------------------------- */

typedef struct wish {
    const char *field, *family, *policy, *verify;
    size_t count, rows, inner, cols;
    bool transposed[2];
    size_t distinct[2]; // blocks of X and of Y: pair i has those that are i modulo these; 0: count
    const double *weights; // NULL: all products
    uint64_t tasks;
    kofn_dependency depends; // count 0: none
} wish;

typedef struct rig { // the blocks of a wish
    const wish *w;
    void *block[2][PAIRS_MAX];
    kofn_matrix side[2][PAIRS_MAX];
    kofn_pairs pairs;
} rig;

static size_t
rows_of(const wish *w, size_t side)
{
    return side == 0 ? w->rows : w->inner;
}

static size_t
cols_of(const wish *w, size_t side)
{
    return side == 0 ? w->inner : w->cols;
}

static double
draw(const char *field, kofn_rng *rng)
{
    const uint64_t q = reference_order(field);
    return q == 0 ? (double)(float)(2 * kofn_rng_unit(rng) - 1) : (double)kofn_rng_below(rng, q);
}

/* One block a pair, in memory of its own, though it may be equal to an earlier one. */
static void
make_block(rig *r, size_t side, size_t pair, kofn_rng *rng)
{
    const wish *w = r->w;
    const size_t rows = rows_of(w, side), cols = cols_of(w, side), of = w->distinct[side];
    const kofn_dtype dtype = reference_dtype(w->field);
    void *at = calloc(rows * cols + 1, sizeof(double));
    assert_non_null(at);
    for (size_t i = 0; i < rows * cols; i++)
        reference_store(at, dtype, i,
                        of && pair >= of ? reference_load(r->block[side][pair % of], dtype, i)
                                         : draw(w->field, rng));
    r->block[side][pair] = at;
    r->side[side][pair] = (kofn_matrix){.data = at,
                                        .dtype = dtype,
                                        .rows = w->transposed[side] ? cols : rows,
                                        .cols = w->transposed[side] ? rows : cols,
                                        .transposed = w->transposed[side]};
}

static void
combine_blocks(rig *r, size_t side)
{
    const wish *w = r->w;
    const kofn_dependency *d = &w->depends;
    const kofn_dtype dtype = reference_dtype(w->field);
    for (size_t i = 0; i < rows_of(w, side) * cols_of(w, side); i++) {
        double sum = 0;
        for (size_t t = 0; t < d->count; t++)
            sum = reference_add(
                w->field, sum,
                reference_multiply(w->field, d->scale[t],
                                   reference_load(r->block[side][d->of[t]], dtype, i)));
        reference_store(r->block[side][d->pair], dtype, i, sum);
    }
}

static void
rig_init(rig *r, const wish *w, kofn_rng *rng)
{
    *r = (rig){.w = w};
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < w->count; i++)
            make_block(r, side, i, rng);
        if (w->depends.count > 0)
            combine_blocks(r, side);
    }
    r->pairs = (kofn_pairs){.count = w->count,
                            .x = r->side[0],
                            .y = r->side[1],
                            .weights = w->weights,
                            .dependency_count = w->depends.count > 0,
                            .dependencies = &w->depends};
}

static void
rig_fini(rig *r)
{
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < r->w->count; i++)
            free(r->block[side][i]);
}

/* ---- products -------------------------------------------------------------------------------- */

static double
get(const rig *r, size_t side, size_t pair, size_t row, size_t col)
{
    const kofn_matrix *m = &r->side[side][pair];
    return reference_load(m->data, m->dtype,
                          m->transposed ? col * m->cols + row : row * m->cols + col);
}

static double
expect_element(const rig *r, size_t pair, size_t row, size_t col)
{
    double sum = 0;
    for (size_t k = 0; k < r->w->inner; k++)
        sum = reference_add(
            r->w->field, sum,
            reference_multiply(r->w->field, get(r, 0, pair, row, k), get(r, 1, pair, k, col)));
    return sum;
}

/* Element of C: of product row / rows, or of the sum. */
static double
expect(const rig *r, size_t row, size_t col)
{
    const wish *w = r->w;
    if (!w->weights)
        return expect_element(r, row / w->rows, row % w->rows, col);
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum = reference_add(
            w->field, sum,
            reference_multiply(w->field, w->weights[i], expect_element(r, i, row, col)));
    return sum;
}

/* Frobenius, over all pairs: no less than that of the operands, where equal blocks are once. */
static double
norm_of(const rig *r, size_t side)
{
    double sum = 0;
    for (size_t i = 0; i < r->w->count; i++)
        for (size_t e = 0; e < rows_of(r->w, side) * cols_of(r->w, side); e++) {
            const double number = reference_load(r->block[side][i], r->side[side][i].dtype, e);
            sum += number * number;
        }
    return sqrt(sum);
}

/* |C' - C| <= error_bound |A| |B|, as the account promises, and a few roundings of the
 * reference. */
static void
assert_batch(const rig *r, kofn_result *result)
{
    const wish *w = r->w;
    const kofn_account *account = kofn_result_get_account(result);
    const kofn_dtype dtype = reference_dtype(w->field);
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal(c.rows, w->weights ? w->rows : w->count * w->rows);
    assert_int_equal(c.cols, w->cols);
    assert_int_equal(c.dtype, dtype);
    double sum = 0;
    for (size_t i = 0; i < c.rows; i++)
        for (size_t j = 0; j < c.cols; j++) {
            const double off = reference_load(c.data, dtype, i * c.cols + j) - expect(r, i, j);
            sum += off * off;
        }
    const double unit = dtype == KOFN_F64 ? 0x1p-52 : dtype == KOFN_F32 ? 0x1p-23 : 0;
    const double bound = unit == 0 ? 0
                                   : (account->error_bound + (double)(w->inner * w->count) * unit) *
                                         norm_of(r, 0) * norm_of(r, 1);
    assert_at_most(sqrt(sum), bound);
    if (!w->verify) // else it has what a liar might have done unseen
        assert_at_most(account->error_bound, dtype == KOFN_F64 ? 1e-6 : 1);
    assert_string_equal(account->field, w->field);
    assert_in_range(account->pairs, 1, w->count);
    if (w->family)
        assert_string_equal(account->code.family, w->family);
}

static kofn_product_options
options_of(const wish *w)
{
    kofn_product_options options = test_options(w->policy, w->family);
    options.field = w->field;
    options.verify = w->verify;
    options.liars = w->verify && strcmp(w->verify, "parity") == 0;
    options.code.tasks = w->tasks;
    return options;
}

static kofn_account
run(cluster *c, const wish *w, kofn_rng *rng)
{
    const kofn_product_options options = options_of(w);
    kofn_result *result = NULL;
    rig r;
    rig_init(&r, w, rng);
    assert_ok(kofn_client_batch(cluster_get_client(c), &r.pairs, &options, &result, &error));
    assert_batch(&r, result);
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    rig_fini(&r);
    return account;
}

static const double weights[] = {1, 3, 2, 5, 6, 0, 7, 4};
static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void
all_products_and_their_sums_are_right_over_every_field(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    static const char *const families[] = {NULL, "lagrange", "uncoded", "replication"};
    for (size_t f = 0; f < FIELDS; f++)
        for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
            for (size_t sum = 0; sum < 2; sum++) {
                const wish w = {.field = fields[f],
                                .family = families[i],
                                .count = 5,
                                .rows = 7,
                                .inner = 6,
                                .cols = 4,
                                .weights = sum ? weights : NULL};
                assert_int_equal(run(c, &w, &rng).pairs, 5);
            }
}

static void
blocks_may_be_stored_the_other_way_round(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t i = 1; i < 4; i++)
        for (size_t sum = 0; sum < 2; sum++) {
            const wish w = {.field = "f64",
                            .family = "lagrange",
                            .count = 4,
                            .rows = 5,
                            .inner = 3,
                            .cols = 8,
                            .transposed = {i & 1, i & 2},
                            .weights = sum ? weights : NULL};
            (void)run(c, &w, &rng);
        }
}

static void
blocks_in_common_travel_once(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t f = 0; f < FIELDS; f++) {
        wish w = {.field = fields[f],
                  .family = "lagrange",
                  .count = 8,
                  .rows = 4,
                  .inner = 5,
                  .cols = 3,
                  .distinct = {4, 2}};
        assert_int_equal(run(c, &w, &rng).pairs, 4);
        w.weights = weights;
        assert_int_equal(run(c, &w, &rng).pairs, 4);
    }
}

/* ---- unlike sizes ---------------------------------------------------------------------------- */

static void
scale_blocks(rig *r, size_t side, double base)
{
    const kofn_dtype dtype = reference_dtype(r->w->field);
    for (size_t i = 0; i < r->w->count; i++)
        for (size_t e = 0; e < r->w->rows * r->w->inner; e++)
            reference_store(r->block[side][i], dtype, e,
                            pow(base, (double)i) * reference_load(r->block[side][i], dtype, e));
}

/* Each product by itself, relative to its own |X_i| |Y_i|. */
static void
assert_each(const rig *r, kofn_result *result)
{
    const wish *w = r->w;
    const kofn_dtype dtype = reference_dtype(w->field);
    const double unit = dtype == KOFN_F64 ? 0x1p-52 : 0x1p-23;
    const double bound = kofn_account_bound_each(kofn_result_get_account(result));
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    for (size_t i = 0; i < w->count; i++) {
        double off = 0, size[2] = {0};
        for (size_t row = i * w->rows; row < (i + 1) * w->rows; row++)
            for (size_t col = 0; col < w->cols; col++)
                off +=
                    pow(reference_load(c.data, dtype, row * c.cols + col) - expect(r, row, col), 2);
        for (size_t side = 0; side < 2; side++)
            for (size_t e = 0; e < rows_of(w, side) * cols_of(w, side); e++)
                size[side] += pow(reference_load(r->block[side][i], dtype, e), 2);
        assert_at_most(sqrt(off),
                       (bound + 4 * (double)w->inner * unit) * sqrt(size[0]) * sqrt(size[1]));
    }
}

static void
products_of_unlike_size_are_right_each_by_itself(void **state)
{
    static const char *const families[] = {NULL, "lagrange", "rkrp", "uncoded", "replication"};
    static const double bases[][2] = {{1e8, 1e-8}, {1e8, 1}, {1, 1e-8}};
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    for (size_t i = 0; i < 30; i++) {
        const wish w = {.field = i / 3 % 2 ? "f32" : "f64",
                        .family = families[i / 6],
                        .verify = i == 6 ? "freivalds" : NULL,
                        .count = 4,
                        .rows = 6,
                        .inner = 6,
                        .cols = 6};
        kofn_product_options options = options_of(&w);
        kofn_result *result = NULL;
        rig r;
        rig_init(&r, &w, &rng);
        for (size_t side = 0; side < 2; side++)
            scale_blocks(&r, side, i / 3 % 2 ? sqrt(bases[i % 3][side]) : bases[i % 3][side]);
        if (w.family && strcmp(w.family, "uncoded") != 0 && strcmp(w.family, "replication") != 0)
            assert_ok(kofn_code_choice_set(&options.code, "systematic", "false", &error));
        assert_ok(kofn_client_batch(cluster_get_client(c), &r.pairs, &options, &result, &error));
        assert_each(&r, result);
        kofn_result_destroy(&result);
        rig_fini(&r);
    }
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static const size_t first_two[] = {0, 1};
static const double scales[] = {2, 3};

static void
dependent_pairs_are_right_though_they_never_travel(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    static const char *const families[] = {"lagrange", "locality", "uncoded"};
    for (size_t f = 0; f < FIELDS; f++)
        for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
            wish w = {.field = fields[f],
                      .family = families[i],
                      .count = 4,
                      .rows = 6,
                      .inner = 5,
                      .cols = 7,
                      .depends = {.pair = 3, .count = 2, .of = first_two, .scale = scales}};
            assert_int_equal(run(c, &w, &rng).pairs, 4);
            w.weights = weights;
            assert_int_equal(run(c, &w, &rng).pairs, 4);
        }
}

/* ---- blocks, large and within others --------------------------------------------------------- */

/* Each X is a frame of its own, taken out of a matrix that is wider. */
static void
large_blocks_come_out_of_the_callers_memory_as_they_are(void **state)
{
    enum { COUNT = 3, ROWS = 150, INNER = 90, STRIDE = 100, COLS = 20 };
    cluster *c = cluster_new_ready(state, "", 3);
    double *a = test_matrix(COUNT * ROWS, STRIDE, 5), *b = test_matrix(INNER, COLS, 6);
    kofn_matrix x[COUNT], y[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = test_view(a + i * ROWS * STRIDE, ROWS, INNER);
        x[i].stride = STRIDE;
        y[i] = test_view(b, INNER, COLS);
    }
    const kofn_pairs pairs = {.count = COUNT, .x = x, .y = y};
    const kofn_product_options options = test_options(NULL, "lagrange");
    kofn_result *result = NULL;
    assert_ok(kofn_client_batch(cluster_get_client(c), &pairs, &options, &result, &error));
    assert_int_equal(kofn_result_get_rows(result), COUNT * ROWS);
    double *product = calloc(ROWS * COLS, sizeof *product);
    double *left = calloc(ROWS * INNER, sizeof *left);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(kofn_result_copy_rows(result, i * ROWS, ROWS, product, 0, &error));
        for (size_t row = 0; row < ROWS; row++)
            memcpy(left + row * INNER, a + (i * ROWS + row) * STRIDE, INNER * sizeof *left);
        const kofn_matrix view = test_view(product, ROWS, COLS);
        assert_product(left, b, &view, INNER, kofn_result_get_account(result)->amplification);
    }
    assert_fails(kofn_result_copy_rows(result, 2 * ROWS + 1, ROWS, product, 0, &error),
                 KOFN_OUT_OF_RANGE);
    char there[CLUSTER_PATH_MAX], nowhere[CLUSTER_PATH_MAX];
    cluster_get_path(c, "there.npy", there);
    cluster_get_path(c, "nowhere.npy", nowhere);
    kofn_result_file files[] = {
        {.result = result, .first = COUNT * ROWS, .rows = 1, .path = nowhere},
        {.result = result, .first = ROWS, .rows = ROWS, .path = there}};
    kofn_results_write_npy(files, 2);
    assert_int_equal(files[0].error.status, KOFN_OUT_OF_RANGE);
    assert_int_equal(files[1].error.status, KOFN_OK);
    assert_int_equal(access(nowhere, F_OK), -1);
    assert_int_equal(access(there, F_OK), 0);
    assert_fails(kofn_result_copy_rows(result, 0, 1, product, COLS - 1, &error),
                 KOFN_INVALID_ARGUMENT);
    kofn_result_destroy(&result);
    free(a);
    free(b);
    free(product);
    free(left);
}

/* What is said of an error says what it is relative to. */
static void
the_command_tells_the_error_of_all_from_that_of_each(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    outcome *o = calloc(1, sizeof *o);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "list.txt", path);
    FILE *list = fopen(path, "w");
    assert_non_null(list);
    for (size_t i = 0; i < 4; i++)
        assert_true(fprintf(list, "%1$s %1$s\n", KOFN_SOURCE_DIR "/tests/data/digits.npy") > 0);
    assert_int_equal(fclose(list), 0);
    cluster_run(c, o, "batch", "list.txt", "--transpose-a", "-o", "all.npy", NULL);
    assert_int_equal(o->status, 0);
    assert_non_null(strstr(o->err, " of all |A| |B|\n"));
    assert_non_null(strstr(o->err, "each product is off by at most "));
    cluster_run(c, o, "batch", "list.txt", "--transpose-a", "-o", "sum.npy", "--sum", NULL);
    assert_int_equal(o->status, 0);
    assert_non_null(strstr(o->err, " of all |A| |B|\n"));
    assert_null(strstr(o->err, "each product"));
    free(o);
}

/* As many as a job may have, of the smallest blocks, each block used by many. */
static void
thousands_of_pairs_are_one_job(void **state)
{
    enum { COUNT = 4096, BLOCKS = 64 };
    cluster *c = cluster_new_ready(state, "", 3);
    double *a = test_matrix(BLOCKS, 1, 7), *b = test_matrix(BLOCKS, 1, 8);
    kofn_matrix *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y), product;
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = test_view(a + i / BLOCKS, 1, 1);
        y[i] = test_view(b + i % BLOCKS, 1, 1);
    }
    static const char *const families[] = {NULL, "lagrange"};
    for (size_t f = 0; f < 2; f++) {
        const size_t count = f == 0 ? COUNT : COUNT / 4; // of a code the master has more to do
        const kofn_pairs pairs = {.count = count, .x = x, .y = y};
        const kofn_product_options options = test_options(NULL, families[f]);
        kofn_result *result = NULL;
        assert_ok(kofn_client_batch(cluster_get_client(c), &pairs, &options, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        const kofn_account *account = kofn_result_get_account(result);
        /* Whichever answers came first: a worker that is late with some pairs leaves a set by which
         * errors grow, and the bound with them. */
        assert_at_most(account->error_bound, 8 * (double)count * 0x1p-53 * account->amplification);
        const double bound = account->error_bound * BLOCKS; // |A| |B| at most
        assert_at_most(bound, 1);
        for (size_t i = 0; i < count; i++)
            assert_at_most(fabs(((const double *)product.data)[i] - a[i / BLOCKS] * b[i % BLOCKS]),
                           bound);
        assert_int_equal(account->pairs, count);
        kofn_result_destroy(&result);
    }
    free(a);
    free(b);
    free(x);
    free(y);
}

/* ---- workers that fail ----------------------------------------------------------------------- */

/* 3 pairs take 5 answers of 8 tasks: one for each worker, of which two never answer, and one is
 * killed with its task. */
static void
products_are_right_though_workers_are_slow_and_killed(void **state)
{
    for (size_t sum = 0; sum < 2; sum++) {
        cluster *c = cluster_new(state, "heartbeat: 100ms\nsilence: 1s\n");
        kofn_rng rng;
        kofn_rng_init(&rng, test_seed(9), 0);
        cluster_start_master(c);
        for (size_t i = 0; i < 8; i++)
            cluster_start_worker(c, i, i < 3 ? "inject:\n  sleep: 1h\n" : "");
        cluster_await_workers(c, 8);
        const wish w = {.field = "f64",
                        .family = "lagrange",
                        .policy = "oneshot",
                        .count = 3,
                        .rows = 40,
                        .inner = 30,
                        .cols = 20,
                        .weights = sum ? weights : NULL,
                        .tasks = 8};
        const kofn_product_options options = options_of(&w);
        kofn_call *call = NULL;
        kofn_result *result = NULL;
        rig r;
        rig_init(&r, &w, &rng);
        assert_ok(
            kofn_client_start_batch(cluster_get_client(c), &r.pairs, &options, &call, &error));
        cluster_signal_worker(c, 0, SIGKILL);
        (void)cluster_await_worker_end(c, 0);
        assert_ok(kofn_call_finish(&call, &result, &error));
        assert_batch(&r, result);
        assert_int_equal(kofn_result_get_account(result)->threshold, 5);
        kofn_result_destroy(&result);
        rig_fini(&r);
        if (sum == 0)
            (void)cluster_teardown(state);
    }
}

/* A worker is late with all that it gets, so that backups and second stages have something to
 * do. */
static void
every_policy_and_defence_takes_batches(void **state)
{
    static const char *const policies[] = {"oneshot", "speculative", "two_stage"};
    static const char *const defences[] = {"none", "freivalds", "parity"};
    cluster *c = cluster_new(state, "");
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    cluster_start_master(c);
    for (size_t i = 0; i < 5; i++)
        cluster_start_worker(c, i, i < 1 ? "inject:\n  sleep: 300ms\n" : "");
    cluster_await_workers(c, 5);
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++)
        for (size_t d = 0; d < sizeof defences / sizeof defences[0]; d++)
            for (size_t f = 0; f < FIELDS; f++) {
                if (p == 2 && d == 2) // the first stage has no answers to spare
                    continue;
                const wish w = {.field = fields[f],
                                .family = "lagrange",
                                .policy = policies[p],
                                .verify = defences[d],
                                .count = 3,
                                .rows = 8,
                                .inner = 6,
                                .cols = 5,
                                .weights = (p + d + f) % 2 ? weights : NULL,
                                .tasks = 9};
                (void)run(c, &w, &rng);
            }
}

static void
a_submitted_batch_outlives_its_master(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(10), 0);
    enum { JOBS = 4 };
    const wish wishes[JOBS] = {
        {.field = "f64", .family = "lagrange", .count = 3, .rows = 9, .inner = 8, .cols = 7},
        {.field = "gf256", .count = 4, .rows = 9, .inner = 8, .cols = 7, .distinct = {2, 2}},
        {.field = "gfp:65537",
         .count = 4,
         .rows = 9,
         .inner = 8,
         .cols = 7,
         .weights = weights,
         .depends = {.pair = 3, .count = 2, .of = first_two, .scale = scales}},
        {.field = "f32", // a file of the spool
         .family = "lagrange",
         .count = 3,
         .rows = 200,
         .inner = 150,
         .cols = 7,
         .transposed = {true, true}},
    };
    char jobs[JOBS][KOFN_CLIENT_JOB_MAX];
    rig rigs[JOBS];
    for (size_t i = 0; i < JOBS; i++) {
        const kofn_product_options options = options_of(&wishes[i]);
        rig_init(&rigs[i], &wishes[i], &rng);
        assert_ok(kofn_client_submit_batch(cluster_get_client(c), &rigs[i].pairs, &options, jobs[i],
                                           &error));
    }
    cluster_kill_master(c);
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    cluster_start_worker(c, 1, "");
    for (size_t i = 0; i < JOBS; i++) {
        const kofn_wait_options patience = {.timeout_ms = PATIENCE_S * 1000};
        kofn_result *result = NULL;
        assert_ok(kofn_client_wait(cluster_get_client(c), jobs[i], &patience, &result, &error));
        assert_batch(&rigs[i], result);
        assert_true(kofn_result_get_account(result)->durable);
        kofn_result_destroy(&result);
        rig_fini(&rigs[i]);
    }
}

/* ---- messages that nobody should send -------------------------------------------------------- */

static const double four[] = {1, 2, 3, 4}, spoiled[] = {1, 2, 3, NAN};

/* Three products of numbers, with what a case has in their place. */
static kofn_msg_product
order_of(const kofn_msg_batch *batch)
{
    return (kofn_msg_product){.a = {.dtype = "f64", .rows = 4, .cols = 1},
                              .b = {.dtype = "f64", .rows = 4, .cols = 1},
                              .form = "batch",
                              .batch = *batch};
}

static void
call_with(raw_peer *peer, uint64_t number, const kofn_msg_product *order, const double *a)
{
    kofn_msg_call call = {.call = number, .timeout_ms = PATIENCE_S * 1000};
    raw_call(peer, &call, KOFN_METHOD_MULTIPLY, order, true);
    raw_send_block(peer, a, 4, 1, 0, true);
    raw_send_block(peer, four, 4, 1, 0, false);
}

/* The reason is in *ret_text. */
static void
expect_refusal(raw_peer *peer, uint64_t call, kofn_status status, char ret_text[KOFN_TEXT_MAX])
{
    kofn_msg_reply reply;
    raw_message message;
    raw_expect(peer, "reply", &reply, &message);
    assert_int_equal(reply.call, call);
    if (reply.status != (uint64_t)status)
        fail_msg("case %d: status %d, not %d: %s", (int)call, (int)reply.status, (int)status,
                 reply.message);
    memcpy(ret_text, reply.message, KOFN_TEXT_MAX);
    raw_message_fini(&message);
}

typedef struct wire_entry {
    uint32_t row, column;
    double coef;
} wire_entry;

#define ENTRIES(...)                                                                               \
    {                                                                                              \
        .at = (unsigned char *)(wire_entry[]){__VA_ARGS__},                                        \
        .length = sizeof((wire_entry[]){__VA_ARGS__})                                              \
    }

static void
assert_still_multiplies(raw_peer *peer, uint64_t number)
{
    const kofn_msg_batch plain = {.pairs = 4, .a_rows = 4, .b_rows = 4};
    const kofn_msg_product order = order_of(&plain);
    kofn_msg_outcome reply;
    raw_message message;
    call_with(peer, number, &order, four);
    raw_expect_reply(peer, number, KOFN_OK, KOFN_METHOD_MULTIPLY, &reply, &message);
    assert_int_equal(reply.c.rows, 4);
    kofn_message_clear(&kofn_outcome_message, &reply);
    raw_message_fini(&message);
}

static void
hostile_batches_are_refused_and_harm_nobody(void **state)
{
    static const unsigned char bytes[24] = {0};
    const struct {
        kofn_msg_batch batch;
        kofn_status status;
        const char *hint;
    } cases[] = {
        {{.pairs = 0}, KOFN_INVALID_ARGUMENT, "pairs"},
        {{.pairs = 4, .a_rows = 4}, KOFN_INVALID_ARGUMENT, "batch"},
        {{.pairs = 4, .a_rows = 3, .b_rows = 4}, KOFN_INVALID_ARGUMENT, "batch"},
        {{.pairs = 4, .a_rows = 4096, .a_cols = 4096, .b_rows = 4}, KOFN_OUT_OF_RANGE, "4096"},
        {{.pairs = 4, .a_rows = 4, .b_rows = 4, .c_rows = 4096, .c_cols = 4096},
         KOFN_OUT_OF_RANGE,
         "4096"},
        {{.pairs = 4, .a_rows = 4, .b_rows = 4, .c_rows = 5}, KOFN_INVALID_ARGUMENT, "names 4"},
        {{.pairs = 1,
          .a_rows = 4,
          .b_rows = 4,
          .left = {.at = (unsigned char *)bytes, .length = 24}},
         KOFN_INVALID_ARGUMENT,
         "24 bytes"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({7, 0, 1})},
         KOFN_INVALID_ARGUMENT,
         "row 7"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({0, 4, 1})},
         KOFN_INVALID_ARGUMENT,
         "names 4"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({0, UINT32_MAX, 1})},
         KOFN_INVALID_ARGUMENT,
         "names 4294967295"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({0, 1, 1}, {0, 1, 1})},
         KOFN_INVALID_ARGUMENT,
         "ascending"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({0, 1, NAN})},
         KOFN_INVALID_ARGUMENT,
         "nan"},
        {{.pairs = 1, .a_rows = 4, .b_rows = 4, .left = ENTRIES({0, 1, 0})},
         KOFN_INVALID_ARGUMENT,
         "coefficient 0"},
        {{.pairs = 2,
          .a_rows = 4,
          .b_rows = 4,
          .left = ENTRIES({1, 1, 1}),
          .right = ENTRIES({0, 0, 1}, {1, 1, 1})},
         KOFN_INVALID_ARGUMENT,
         "has no blocks"},
        {{.pairs = 4, .a_rows = 4, .b_rows = 4, .weights = ENTRIES({0, 4, 1})},
         KOFN_INVALID_ARGUMENT,
         "names 4"},
    };
    cluster *c = cluster_new_ready(state, "", 2);
    raw_peer peer;
    char text[KOFN_TEXT_MAX];
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_msg_product order = order_of(&cases[i].batch);
        call_with(&peer, 2 * i + 1, &order, four);
        expect_refusal(&peer, 2 * i + 1, cases[i].status, text);
        if (!strstr(text, cases[i].hint))
            fail_msg("case %zu: '%s' does not say '%s'", i, text, cases[i].hint);
        assert_still_multiplies(&peer, 2 * i + 2);
    }
    raw_close(&peer);
}

static void
what_contradicts_a_batch_is_refused(void **state)
{
    const kofn_msg_batch plain = {.pairs = 4, .a_rows = 4, .b_rows = 4};
    cluster *c = cluster_new_ready(state, "", 2);
    raw_peer peer;
    char text[KOFN_TEXT_MAX];
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));

    kofn_msg_product order = order_of(&plain);
    order.form[0] = '\0';
    call_with(&peer, 1, &order, four);
    expect_refusal(&peer, 1, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "form batch"));

    order = order_of(&plain);
    order.code.x = 2;
    call_with(&peer, 2, &order, four);
    expect_refusal(&peer, 2, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "partition"));

    order = order_of(&plain);
    memcpy(order.code.family, "polynomial", sizeof "polynomial");
    call_with(&peer, 3, &order, four);
    expect_refusal(&peer, 3, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "batch"));

    order = order_of(&plain);
    memcpy(order.a.dtype, "i64", sizeof "i64"); // 8 bytes each as well
    memcpy(order.b.dtype, "i64", sizeof "i64");
    call_with(&peer, 4, &order, four);
    expect_refusal(&peer, 4, KOFN_UNIMPLEMENTED, text);
    assert_non_null(strstr(text, "batches"));
    assert_still_multiplies(&peer, 5);
    raw_close(&peer);
}

/* libkofn sees it by itself; another client does not. */
static void
the_master_names_the_pair_that_holds_nan(void **state)
{
    const kofn_msg_batch plain = {.pairs = 4, .a_rows = 4, .b_rows = 4};
    const kofn_msg_batch reversed = {.pairs = 2,
                                     .a_rows = 4,
                                     .b_rows = 4,
                                     .left = ENTRIES({0, 1, 1}, {1, 3, 1}),
                                     .right = ENTRIES({0, 0, 1}, {1, 1, 1})};
    const kofn_msg_batch repeated = {.pairs = 3,
                                     .a_rows = 4,
                                     .b_rows = 4,
                                     .left = ENTRIES({0, 1, 1}, {1, 1, 1}, {2, 3, 1}),
                                     .right = ENTRIES({0, 0, 1}, {1, 0, 1}, {2, 1, 1})};
    const kofn_msg_batch without = {.pairs = 1,
                                    .a_rows = 4,
                                    .b_rows = 4,
                                    .left = ENTRIES({0, 1, 1}),
                                    .right = ENTRIES({0, 0, 1})};
    cluster *c = cluster_new_ready(state, "", 2);
    raw_peer peer;
    raw_message message;
    char text[KOFN_TEXT_MAX];
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    kofn_msg_product order = order_of(&plain);
    call_with(&peer, 1, &order, spoiled);
    expect_refusal(&peer, 1, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "pair 3 of the batch"));
    order = order_of(&reversed);
    call_with(&peer, 2, &order, spoiled);
    expect_refusal(&peer, 2, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "pair 1 of the batch"));
    order = order_of(&repeated);
    call_with(&peer, 4, &order, spoiled);
    expect_refusal(&peer, 4, KOFN_INVALID_ARGUMENT, text);
    assert_non_null(strstr(text, "pair 2 of the batch"));
    order = order_of(&without);
    call_with(&peer, 3, &order, spoiled);
    raw_expect_reply(&peer, 3, KOFN_OK, KOFN_METHOD_MULTIPLY, NULL, &message);
    raw_message_fini(&message);
    raw_close(&peer);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void
write_block(cluster *c, const char *name, const kofn_matrix *m)
{
    char path[CLUSTER_PATH_MAX];
    const kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)m->data, m->dtype, m->rows, m->cols);
    kofn_bands bands;
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

/* "a0.npy", ... and "b0.npy", ..., counted from `first`. */
static void
write_blocks(cluster *c, const rig *r, const char *left, const char *right, size_t first)
{
    char name[64];
    for (size_t i = 0; i < r->w->count; i++) {
        (void)snprintf(name, sizeof name, "%s%zu.npy", left, first + i);
        write_block(c, name, &r->side[0][i]);
        (void)snprintf(name, sizeof name, "%s%zu.npy", right, first + i);
        write_block(c, name, &r->side[1][i]);
    }
}

/* A list with a line for each pair, which ends in this text of its number. */
static void
write_list(cluster *c, const char *name, size_t count, const char *format)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    FILE *list = fopen(path, "w");
    assert_non_null(list);
    (void)fprintf(list, "# pairs\n");
    for (size_t i = 0; i < count; i++) {
        char last[64];
        (void)snprintf(last, sizeof last, "%s%zu", format, i + 1);
        (void)fprintf(list, "a%zu.npy b%zu.npy %s\n", i, i, *format ? last : "");
    }
    assert_int_equal(fclose(list), 0);
}

/* Rows from `first` on of what the batch comes to; of numbers below 1 in the reals. */
static void
assert_file(cluster *c, const rig *r, const char *name, size_t first, size_t rows)
{
    const double bound =
        reference_order(r->w->field) == 0 ? 1e-9 : 0; // any digit but the last ones
    char path[CLUSTER_PATH_MAX];
    kofn_npy npy;
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.rows, rows);
    assert_int_equal(npy.mat.cols, r->w->cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < r->w->cols; j++)
            assert_at_most(fabs(reference_load(npy.mat.data, npy.mat.dtype, i * r->w->cols + j) -
                                expect(r, first + i, j)),
                           bound);
    kofn_mat_fini(&npy.mat);
}

static void
the_command_line_makes_them(void **state)
{
    static const double ranks[] = {1, 2, 3, 4};
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    wish w = {
        .field = "gfp:65537", .count = 4, .rows = 5, .inner = 4, .cols = 3, .distinct = {2, 0}};
    rig r;
    rig_init(&r, &w, &rng);
    char name[64];
    write_blocks(c, &r, "a", "b", 0);
    write_list(c, "named.txt", 4, "c.npy.");
    write_list(c, "bare.txt", 4, "");
    write_list(c, "ranks.txt", 4, "+");
    outcome *o = calloc(1, sizeof *o);

    cluster_run(c, o, "batch", "named.txt", "--field", "gfp:65537", "--code", "lagrange", "--tasks",
                "9", NULL);
    assert_string_equal(o->out, "c.npy.1\nc.npy.2\nc.npy.3\nc.npy.4\n");
    assert_non_null(strstr(o->err, "20 x 3 of 4 pairs"));
    assert_non_null(strstr(o->err, "lagrange n=9"));
    for (size_t i = 0; i < w.count; i++) {
        (void)snprintf(name, sizeof name, "c.npy.%zu", i + 1);
        assert_file(c, &r, name, i * w.rows, w.rows);
    }
    cluster_run(c, o, "batch", "bare.txt", "--field", "gfp:65537", "-d", "made", NULL);
    assert_string_equal(o->out, "made/2.npy\nmade/3.npy\nmade/4.npy\nmade/5.npy\n");
    assert_file(c, &r, "made/5.npy", 3 * w.rows, w.rows);
    cluster_run(c, o, "batch", "bare.txt", "--field", "gfp:65537", "-o", "all.npy", "--json", NULL);
    assert_int_equal(o->status, 0);
    assert_non_null(strstr(o->out, "\"form\": \"batch\""));
    assert_non_null(strstr(o->out, "\"pairs\": 4"));
    assert_file(c, &r, "all.npy", 0, 4 * w.rows);

    cluster_run(c, o, "batch", "bare.txt", "--field", "gfp:65537", "--submit", NULL);
    assert_int_equal(o->status, 0);
    o->out[strcspn(o->out, "\n")] = '\0';
    (void)snprintf(name, sizeof name, "%.60s", o->out);
    cluster_run(c, o, "wait", name, "-o", "later.npy", NULL);
    assert_int_equal(o->status, 0);
    assert_file(c, &r, "later.npy", 0, 4 * w.rows);

    w.weights = ranks;
    cluster_run(c, o, "batch", "ranks.txt", "--field", "gfp:65537", "--sum", "-o", "sum.npy", NULL);
    if (o->status != 0)
        fail_msg("%s", o->err);
    assert_file(c, &r, "sum.npy", 0, w.rows);
    cluster_run(c, o, "jobs", NULL);
    assert_non_null(strstr(o->out, "20 x 3 of 4 pairs"));
    cluster_run(c, o, "codes", NULL);
    assert_non_null(strstr(o->out, "batches alone"));
    free(o);
    rig_fini(&r);
}

static void
the_commands_of_the_readme_run(void **state)
{
    cluster *c = cluster_new_ready(state, "", 5);
    static const double eighths[] = {.125, .125, .125, .125, .125, .125, .125, .125};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    wish w = {.field = "f64", .count = 8, .rows = 5, .inner = 4, .cols = 3};
    rig r;
    outcome *o = calloc(1, sizeof *o);
    rig_init(&r, &w, &rng);
    write_blocks(c, &r, "A", "B", 1);
    assert_int_equal(cluster_run_readme(c, "Batches of products", o), 4);
    assert_non_null(strstr(o->err, "lagrange n=17"));
    assert_file(c, &r, "products/8.npy", 7 * w.rows, w.rows);
    assert_file(c, &r, "all.npy", 0, 8 * w.rows);
    w.weights = eighths;
    assert_file(c, &r, "mean.npy", 0, w.rows);
    free(o);
    rig_fini(&r);
}

static void
write_text(cluster *c, const char *name, const char *text)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "%s\n", text);
    assert_int_equal(fclose(file), 0);
}

static void
lists_that_cannot_be_multiplied_say_why(void **state)
{
    static const struct {
        const char *line, *option, *hint;
    } cases[] = {
        {"a.npy b.npy", "--code=lagrange", "list.txt:1: no word says where"},
        {"a.npy b.npy x.npy\na.npy", NULL, "list.txt:2: 1 word"},
        {"a.npy none.npy x.npy", NULL, "list.txt:1: cannot open 'none.npy'"},
        {"a.npy @12 x.npy", NULL, "list.txt:1: @12: a batch is made of files"},
        {"# nothing", NULL, "list.txt has no pairs"},
        {"a.npy b.npy x.npy\nb.npy a.npy y.npy", NULL, "list.txt: X of pair 1 is 2 x 3"},
        {"a.npy b.npy x.npy\nnan.npy b.npy y.npy", NULL, "list.txt: X of pair 1 holds NaN"},
        {"a.npy a.npy x.npy", NULL, "list.txt: X and Y of each pair"},
        {"a.npy b.npy x.npy", "--code=polynomial", "polynomial"},
        {"a.npy b.npy none/x.npy", NULL, "list.txt:1: none/x.npy: cannot be written"},
        {"a.npy b.npy x.npy\na.npy b.npy 2", "--output=all.npy",
         "list.txt:1: 'x.npy' would be this product's own file, and -o is one file"},
        {"a.npy b.npy\na.npy b.npy 2", "--submit", "list.txt:2: '2' would be this product's own"},
        {"a.npy b.npy x.npy\na.npy b.npy y.npy\n#\na.npy b.npy ./x.npy", NULL,
         "list.txt:4: './x.npy' is where the product of line 1 goes"},
        {"whole.npy whole.npy x.npy", NULL, "whole numbers are multiplied two matrices at a time"},
        {"a.npy b.npy 1x", "--sum", "say where the sum goes"},
    };
    static const double numbers[] = {1, 2, 3, 4, 5, 6}, odd[] = {1, NAN, 3, 4, 5, 6};
    cluster *c = cluster_new_ready(state, "", 1);
    const kofn_matrix a = test_view(numbers, 3, 2), b = test_view(numbers, 2, 3);
    const kofn_matrix nan_matrix = test_view(odd, 3, 2);
    static const int64_t whole[] = {1, 2, 3, 4};
    const kofn_matrix whole_matrix = {.data = whole, .dtype = KOFN_I64, .rows = 2, .cols = 2};
    write_block(c, "a.npy", &a);
    write_block(c, "b.npy", &b);
    write_block(c, "nan.npy", &nan_matrix);
    write_block(c, "whole.npy", &whole_matrix);
    outcome *o = calloc(1, sizeof *o);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_text(c, "list.txt", cases[i].line);
        cluster_run(c, o, "batch", "list.txt", cases[i].option ? cases[i].option : "--quiet", NULL);
        if (!strstr(o->err, cases[i].hint))
            fail_msg("case %zu: '%s' does not say '%s'", i, o->err, cases[i].hint);
        assert_in_range(o->status, 2, 3);
    }
    cluster_run(c, o, "batch", "list.txt", "--sum", "-o", "sum.npy", NULL);
    assert_int_equal(o->status, 2);
    assert_non_null(strstr(o->err, "list.txt:1: '1x' is no number"));
    write_text(c, "list.txt", "a.npy b.npy\na.npy b.npy 1e300");
    cluster_run(c, o, "batch", "list.txt", "--sum", "-o", "sum.npy", NULL);
    assert_int_equal(o->status, 2);
    assert_non_null(strstr(o->err, "list.txt:2: 1e+300 cannot be counted with in f64: need a "
                                   "number between 5.5e-76 and 1.8e+75"));
    free(o);
}

/* As `multiply` does with operands that are dense. */
static void
matrix_market_files_are_made_dense(void **state)
{
    static const double unit[] = {1, 0, 0, 1};
    cluster *c = cluster_new_ready(state, "", 2);
    char path[CLUSTER_PATH_MAX], name[64];
    kofn_npy npy;
    const kofn_matrix b = test_view(unit, 2, 2);
    outcome *o = calloc(1, sizeof *o);
    write_block(c, "b.npy", &b);
    write_text(c, "a.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 2 5\n2 1 -3");
    write_text(c, "list.txt", "a.mtx b.npy ab.npy\nb.npy a.mtx ba.npy");
    cluster_run(c, o, "batch", "list.txt", NULL);
    if (o->status != 0)
        fail_msg("%s", o->err);
    cluster_run(c, o, "put", "a.mtx", NULL);
    if (o->status != 0)
        fail_msg("%s", o->err);
    (void)snprintf(name, sizeof name, "@%.*s", (int)strcspn(o->out, "\n"), o->out);
    cluster_run(c, o, "multiply", name, "b.npy", "-o", "stored.npy", NULL);
    if (o->status != 0)
        fail_msg("%s", o->err);
    for (size_t i = 0; i < 3; i++) {
        static const char *const files[] = {"ab.npy", "ba.npy", "stored.npy"};
        static const double expected[] = {0, 5, -3, 0};
        cluster_get_path(c, files[i], path);
        assert_ok(kofn_npy_read(path, &npy, &error));
        for (size_t e = 0; e < 4; e++)
            assert_at_most(fabs(((const double *)npy.mat.data)[e] - expected[e]), 1e-12);
        kofn_mat_fini(&npy.mat);
    }
    free(o);
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_products_and_their_sums_are_right_over_every_field),
        T(blocks_may_be_stored_the_other_way_round),
        T(blocks_in_common_travel_once),
        T(products_of_unlike_size_are_right_each_by_itself),
        T(dependent_pairs_are_right_though_they_never_travel),
        T(large_blocks_come_out_of_the_callers_memory_as_they_are),
        T(the_command_tells_the_error_of_all_from_that_of_each),
        T(thousands_of_pairs_are_one_job),
        T(products_are_right_though_workers_are_slow_and_killed),
        T(every_policy_and_defence_takes_batches),
        T(a_submitted_batch_outlives_its_master),
        T(hostile_batches_are_refused_and_harm_nobody),
        T(what_contradicts_a_batch_is_refused),
        T(the_master_names_the_pair_that_holds_nan),
        T(the_command_line_makes_them),
        T(the_commands_of_the_readme_run),
        T(lists_that_cannot_be_multiplied_say_why),
        T(matrix_market_files_are_made_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
