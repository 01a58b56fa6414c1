/* Outer products with real daemons, beside a reference that shares no code with them, digit by
 * digit. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/reference.h"

#include "common/base/rng.h"
#include "common/linalg/npy.h"

#include <math.h>

enum { OPERANDS_MAX = 8 };

static kofn_error error;

/* ---- operands -------------------------------------------------------------------------------- */

/* Numbers as doubles, whatever their dtype: rows x cols as they enter the product. */
typedef struct operand {
    size_t rows, cols;
    bool transposed; // is stored the other way round
    double *numbers;
    void *stored;
} operand;

typedef struct family_wish {
    const char *field, *family, *parts, *policy;
    uint64_t tasks;
    size_t count;
    operand operands[OPERANDS_MAX];
} family_wish;

static void
make_operand(operand *o, const char *field, kofn_rng *rng)
{
    const kofn_dtype dtype = reference_dtype(field);
    const uint64_t q = reference_order(field);
    o->numbers = calloc(o->rows * o->cols + 1, sizeof(double));
    o->stored = calloc(o->rows * o->cols + 1, sizeof(double));
    for (size_t i = 0; i < o->rows; i++)
        for (size_t j = 0; j < o->cols; j++) {
            const double number = q == 0 ? (double)(float)(2 * kofn_rng_unit(rng) - 1)
                                         : (double)kofn_rng_below(rng, q);
            o->numbers[i * o->cols + j] = number;
            reference_store(o->stored, dtype, o->transposed ? j * o->rows + i : i * o->cols + j,
                            number);
        }
}

static void
free_operands(family_wish *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->operands[i].numbers);
        free(w->operands[i].stored);
    }
}

static kofn_matrix
view(const operand *o, const char *field)
{
    return (kofn_matrix){.data = o->stored,
                         .dtype = reference_dtype(field),
                         .rows = o->transposed ? o->cols : o->rows,
                         .cols = o->transposed ? o->rows : o->cols,
                         .transposed = o->transposed};
}

/* ---- products -------------------------------------------------------------------------------- */

static double
expected(const family_wish *w, size_t row, size_t col)
{
    double product = 1;
    for (size_t i = w->count; i-- > 0;) {
        const operand *o = &w->operands[i];
        product = reference_multiply(w->field, o->numbers[row % o->rows * o->cols + col % o->cols],
                                     product);
        row /= o->rows;
        col /= o->cols;
    }
    return product;
}

/* Elements are products of numbers below 1, and of the answers errors grow by no more than the
 * account says. */
static void
assert_outer(const family_wish *w, const kofn_matrix *c, const kofn_account *account)
{
    const kofn_dtype dtype = reference_dtype(w->field);
    const double epsilon = dtype == KOFN_F64 ? 0x1p-53 : dtype == KOFN_F32 ? 0x1p-24 : 0;
    const double bound = 8 * (account->amplification + 1) * (double)(w->count + 2) * epsilon;
    size_t rows = 1, cols = 1;
    for (size_t i = 0; i < w->count; i++) {
        rows *= w->operands[i].rows;
        cols *= w->operands[i].cols;
    }
    assert_int_equal(c->dtype, dtype);
    assert_int_equal(c->rows, rows);
    assert_int_equal(c->cols, cols);
    double worst = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            worst =
                fmax(worst, fabs(reference_load(c->data, dtype, i * cols + j) - expected(w, i, j)));
    assert_at_most(worst, bound);
    assert_true(account->outer);
    assert_int_equal(account->rows, rows);
    assert_int_equal(account->inner, 1);
    assert_int_equal(account->cols, cols);
    assert_int_equal(account->code.operands, w->count);
    assert_string_equal(account->field, w->field);
}

static kofn_product_options
options_of(const family_wish *w)
{
    kofn_product_options options = test_options(w->policy, w->family);
    options.field = w->field;
    options.code.tasks = w->tasks;
    test_choose(&options, "parts", w->parts);
    return options;
}

static kofn_account
outer_views(kofn_client *client, const family_wish *w, const kofn_matrix *views)
{
    kofn_result *result = NULL;
    kofn_matrix c;
    const kofn_product_options options = options_of(w);
    assert_ok(kofn_client_outer(client, views, w->count, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_outer(w, &c, &account);
    kofn_result_destroy(&result);
    return account;
}

static kofn_account
outer(kofn_client *client, family_wish *w, kofn_rng *rng)
{
    kofn_matrix views[OPERANDS_MAX];
    for (size_t i = 0; i < w->count; i++) {
        make_operand(&w->operands[i], w->field, rng);
        views[i] = view(&w->operands[i], w->field);
    }
    const kofn_account account = outer_views(client, w, views);
    free_operands(w);
    return account;
}

static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537", "gfp:2147483647"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void
products_of_two_to_eight_operands_are_right_over_every_field(void **state)
{
    static const family_wish wishes[] = {
        {.count = 2,
         .operands = {{.rows = 13, .cols = 7}, {.rows = 5, .cols = 11, .transposed = true}}},
        {.count = 3,
         .operands = {{.rows = 9, .cols = 1},
                      {.rows = 1, .cols = 14, .transposed = true},
                      {.rows = 6, .cols = 5}}},
        {.count = 4,
         .operands = {{.rows = 5, .cols = 2},
                      {.rows = 3, .cols = 3, .transposed = true},
                      {.rows = 1, .cols = 6},
                      {.rows = 4, .cols = 1}}},
        {.count = 8,
         .operands = {{.rows = 2, .cols = 1},
                      {.rows = 1, .cols = 2},
                      {.rows = 3, .cols = 1, .transposed = true},
                      {.rows = 2, .cols = 2},
                      {.rows = 1, .cols = 3},
                      {.rows = 2, .cols = 1},
                      {.rows = 1, .cols = 1},
                      {.rows = 2, .cols = 2}}},
    };
    cluster *c = cluster_new_ready(state, "whole_flops: 1e3\n", 6);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t f = 0; f < FIELDS; f++)
        for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
            family_wish w = wishes[i];
            w.field = fields[f];
            (void)outer(cluster_get_client(c), &w, &rng);
            w.family = "alloy_global";
            (void)outer(cluster_get_client(c), &w, &rng);
        }
}

static void
every_family_that_makes_them_does(void **state)
{
    static const family_wish wishes[] = {
        {.family = "uncoded", .parts = "2,1,3"},
        {.family = "replication", .parts = "2,1,2"},
        {.family = "polynomial", .parts = "2,1,2", .tasks = 6},
        {.family = "rkrp", .parts = "2,2,2", .tasks = 10},
        {.family = "alloy_global", .parts = "2,0,2", .tasks = 7},
        {.family = "alloy_global", .parts = "3,2,0", .policy = "rateless"},
    };
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t f = 0; f < FIELDS; f++)
        for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
            family_wish w = wishes[i];
            if (f > 0 && strcmp(w.family, "rkrp") == 0)
                continue; // f64 is enough of the reals, and the others have no normals
            w.field = fields[f];
            w.count = 3;
            w.operands[0] = (operand){.rows = 31, .cols = 3};
            w.operands[1] = (operand){.rows = 2, .cols = 5, .transposed = true};
            w.operands[2] = (operand){.rows = 4, .cols = 9};
            const kofn_account account = outer(cluster_get_client(c), &w, &rng);
            assert_string_equal(account.code.family, w.family);
        }
}

static void
a_product_without_elements_is_empty(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    static const size_t shapes[][2] = {{0, 3}, {3, 0}, {0, 0}};
    for (size_t i = 0; i < 3; i++) {
        family_wish w = {
            .field = "f64",
            .count = 3,
            .operands = {{.rows = 2, .cols = 2}, {.rows = 0, .cols = 0}, {.rows = 3, .cols = 1}}};
        w.operands[1].rows = shapes[i][0];
        w.operands[1].cols = shapes[i][1];
        (void)outer(cluster_get_client(c), &w, &rng);
        w.family = "replication";
        w.parts = "2,2,2";
        (void)outer(cluster_get_client(c), &w, &rng);
    }
}

/* 8 tasks of which 4 answers do, on 6 workers: two are stuck and two die with theirs. */
static void
the_product_is_right_though_workers_are_stuck_and_killed(void **state)
{
    cluster *c = cluster_new(state, "heartbeat: 100ms\nsilence: 1s\n");
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    cluster_start_master(c);
    for (size_t i = 0; i < 6; i++)
        cluster_start_worker(c, i, i < 4 ? "inject:\n  sleep: 1h\n" : "");
    cluster_await_workers(c, 6);
    family_wish w = {
        .field = "gf256",
        .family = "alloy_global",
        .parts = "2,1,2",
        .policy = "oneshot",
        .tasks = 12,
        .count = 3,
        .operands = {{.rows = 40, .cols = 3}, {.rows = 2, .cols = 3}, {.rows = 5, .cols = 30}}};
    kofn_matrix views[OPERANDS_MAX], product;
    for (size_t i = 0; i < w.count; i++) {
        make_operand(&w.operands[i], w.field, &rng);
        views[i] = view(&w.operands[i], w.field);
    }
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    const kofn_product_options options = options_of(&w);
    assert_ok(
        kofn_client_start_outer(cluster_get_client(c), views, w.count, &options, &call, &error));
    for (size_t i = 0; i < 2; i++) {
        cluster_signal_worker(c, i, SIGKILL);
        (void)cluster_await_worker_end(c, i);
    }
    assert_ok(kofn_call_finish(&call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_outer(&w, &product, kofn_result_get_account(result));
    kofn_result_destroy(&result);
    free_operands(&w);
}

static void
stored_operands_may_be_any_of_them_and_the_same_more_than_once(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_client *client = cluster_get_client(c);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    family_wish w = {
        .field = "gf256",
        .family = "alloy_global",
        .parts = "2,1,2",
        .tasks = 6,
        .count = 3,
        .operands = {{.rows = 6, .cols = 5}, {.rows = 3, .cols = 4}, {.rows = 6, .cols = 5}}};
    make_operand(&w.operands[0], w.field, &rng);
    make_operand(&w.operands[1], w.field, &rng);
    w.operands[2] = w.operands[0]; // the same
    char id[KOFN_CLIENT_JOB_MAX];
    const kofn_matrix first = view(&w.operands[0], w.field);
    assert_ok(kofn_client_put(client, &first, NULL, id, &error));
    const kofn_matrix views[] = {{.operand = id}, view(&w.operands[1], w.field), {.operand = id}};
    const kofn_account once = outer_views(client, &w, views);
    const kofn_account again = outer_views(client, &w, views);
    assert_int_equal(once.blocks_reused, 0);
    assert_true(again.blocks_reused > 0);

    const kofn_matrix gone[] = {view(&w.operands[1], w.field), {.operand = "00000000000000ff"}};
    kofn_result *result = NULL;
    assert_fails(kofn_client_outer(client, gone, 2, NULL, &result, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "A_2"));
    w.count = 2; // what is there twice is freed once
    free_operands(&w);
}

static void
what_cannot_be_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *family, *parts;
        size_t count;
        kofn_dtype second;
        const char *field;
        kofn_status status;
        const char *hint;
    } cases[] = {
        {"matdot", NULL, 2, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "outer products"},
        {"alloy_local", NULL, 2, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "outer products"},
        {NULL, "2,2,2", 2, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "3 operands"},
        {NULL, NULL, 1, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "2 to 8"},
        {NULL, NULL, 9, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "2 to 8"},
        {NULL, NULL, 2, KOFN_F32, "", KOFN_INVALID_ARGUMENT, "dtype"},
        {NULL, NULL, 2, KOFN_U8, "gf4", KOFN_INVALID_ARGUMENT, "A_1: element (0, 0) is 77"},
        {"uncoded", "2,1", 2, KOFN_U8, "", KOFN_OK, NULL},
        {"polynomial", "20,20", 2, KOFN_U8, "", KOFN_INVALID_ARGUMENT, "points"},
    };
    static const unsigned char bytes[400] = {77};
    cluster *c = cluster_new_ready(state, "", 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_matrix m[9];
        for (size_t k = 0; k < 9; k++)
            m[k] = (kofn_matrix){.data = bytes, .dtype = KOFN_U8, .rows = 20, .cols = 1};
        m[1].dtype = cases[i].second;
        kofn_product_options options = test_options(NULL, cases[i].family);
        options.field = cases[i].field;
        test_choose(&options, "parts", cases[i].parts);
        kofn_result *result = NULL;
        const kofn_status status =
            kofn_client_outer(cluster_get_client(c), m, cases[i].count, &options, &result, &error);
        if (status != cases[i].status)
            fail_msg("case %zu: %s: %s", i, kofn_status_name(status), error.text);
        if (cases[i].hint && !strstr(error.text, cases[i].hint))
            fail_msg("case %zu: '%s' does not say '%s'", i, error.text, cases[i].hint);
        kofn_result_destroy(&result);
    }
    const kofn_matrix large = {.data = bytes, .dtype = KOFN_U8, .rows = 200, .cols = 2};
    kofn_matrix five[5];
    for (size_t k = 0; k < 5; k++) // 200^5 rows
        five[k] = large;
    kofn_result *result = NULL;
    assert_fails(kofn_client_outer(cluster_get_client(c), five, 5, NULL, &result, &error),
                 KOFN_OUT_OF_RANGE);
    static const unsigned char wide[20000];
    const kofn_matrix row = {.data = wide, .dtype = KOFN_U8, .rows = 1, .cols = sizeof wide};
    assert_fails(kofn_client_outer(cluster_get_client(c), (kofn_matrix[]){row, row}, 2, NULL,
                                   &result, &error),
                 KOFN_OUT_OF_RANGE); // when it is asked for, not by each worker
    assert_non_null(strstr(error.text, "the product"));
    const kofn_matrix empty = {.data = wide, .dtype = KOFN_U8, .rows = 0, .cols = sizeof wide};
    assert_ok(kofn_client_outer(cluster_get_client(c), (kofn_matrix[]){empty, empty}, 2, NULL,
                                &result, &error));
    assert_int_equal(kofn_result_get_cols(result), sizeof wide * sizeof wide);
    kofn_result_destroy(&result);
    const kofn_matrix whole = {.data = bytes, .dtype = KOFN_I32, .rows = 4, .cols = 1};
    assert_fails(kofn_client_outer(cluster_get_client(c), (kofn_matrix[]){whole, whole}, 2, NULL,
                                   &result, &error),
                 KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(error.text, "gfp:P"));
    kofn_product_options parts = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_code_choice_set(&parts.code, "parts", "2,2", &error));
    const kofn_matrix square = {.data = bytes, .dtype = KOFN_U8, .rows = 4, .cols = 4};
    assert_fails(
        kofn_client_multiply(cluster_get_client(c), &square, &square, &parts, &result, &error),
        KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "partition"));
}

/* A configured code of products leaves outer products to the master's choice. */
static void
a_configured_code_that_makes_none_is_left_open(void **state)
{
    cluster *c = cluster_new_ready(
        state, "whole_flops: 1\ncode:\n  family: matdot\n  partition: [1, 2, 1]\n  tasks: 4\n", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    family_wish w = {
        .field = "f64", .count = 2, .operands = {{.rows = 12, .cols = 2}, {.rows = 9, .cols = 3}}};
    const kofn_account account = outer(cluster_get_client(c), &w, &rng);
    assert_string_equal(account.code.family, "rkrp");
}

static void
write_npy(const char *path, const operand *o, const char *field)
{
    const kofn_matrix m = view(o, field);
    const kofn_mat mat = kofn_mat_wrap(o->stored, m.dtype, m.rows, m.cols);
    kofn_bands bands;
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

static void
assert_written(cluster *c, const char *name, const family_wish *w, size_t rows, size_t cols)
{
    char path[CLUSTER_PATH_MAX];
    kofn_npy npy;
    cluster_get_path(c, name, path);
    assert_ok(kofn_npy_read(path, &npy, &error));
    assert_int_equal(npy.mat.rows, rows);
    assert_int_equal(npy.mat.cols, cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            assert_true(reference_load(npy.mat.data, KOFN_U32, i * cols + j) == expected(w, i, j));
    kofn_mat_fini(&npy.mat);
}

static void
the_command_line_makes_them(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    static const char *const names[] = {"a.npy", "b.npy", "c.npy"};
    char path[CLUSTER_PATH_MAX];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    family_wish w = {.field = "gfp:65537",
                     .count = 3,
                     .operands = {{.rows = 7, .cols = 3},
                                  {.rows = 2, .cols = 5, .transposed = true},
                                  {.rows = 4, .cols = 1}}};
    for (size_t i = 0; i < 3; i++) {
        make_operand(&w.operands[i], w.field, &rng);
        cluster_get_path(c, names[i], path);
        write_npy(path, &w.operands[i], w.field);
    }
    outcome *o = calloc(1, sizeof *o);
    cluster_run(c, o, "outer", "a.npy", "b.npy", "c.npy", "--transpose", "2", "--field",
                "gfp:65537", "--code", "alloy_global", "--parts", "2,1,2", "--tasks", "6", "-o",
                "out.npy", NULL);
    if (o->status != 0)
        fail_msg("%s", o->err);
    assert_non_null(strstr(o->err, "56 x 15 outer"));
    assert_non_null(strstr(o->err, "alloy_global 2,1,2 n=6"));
    assert_written(c, "out.npy", &w, 56, 15);

    cluster_run(c, o, "outer", "a.npy", "b.npy", "c.npy", "--transpose", "2", "--field",
                "gfp:65537", "--submit", NULL);
    assert_int_equal(o->status, 0);
    o->out[strcspn(o->out, "\n")] = '\0';
    char job[64];
    (void)snprintf(job, sizeof job, "%s", o->out);
    cluster_run(c, o, "wait", job, "-o", "later.npy", NULL);
    assert_int_equal(o->status, 0);
    assert_written(c, "later.npy", &w, 56, 15);
    cluster_run(c, o, "outer", "a.npy", "b.npy", "--submit", "-o", "out.npy", NULL);
    assert_int_equal(o->status, 2);

    cluster_run(c, o, "jobs", NULL);
    assert_non_null(strstr(o->out, "56 x 15 outer"));
    cluster_run(c, o, "outer", "a.npy", "b.npy", "--parts", "2,2,2", "-o", "out.npy", NULL);
    assert_int_equal(o->status, 2);
    free(o);
    free_operands(&w);
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(products_of_two_to_eight_operands_are_right_over_every_field),
        T(every_family_that_makes_them_does),
        T(a_product_without_elements_is_empty),
        T(the_product_is_right_though_workers_are_stuck_and_killed),
        T(stored_operands_may_be_any_of_them_and_the_same_more_than_once),
        T(what_cannot_be_is_refused_with_the_reason),
        T(a_configured_code_that_makes_none_is_left_open),
        T(the_command_line_makes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
