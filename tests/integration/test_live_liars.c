/* Wrong answers by real workers: products are right, liars are named and get nothing any more, and
 * honest workers are left alone. By both defences, over reals and a finite field. */
#include "common/linalg/npy.h"
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <cblas.h>
#include <math.h>

#define LIES "inject:\n  wrong: 1\n"

enum { ROWS = 90, INNER = 70, COLS = 110 };

typedef struct scene {
    cluster *c;
    size_t honest, workers; // numbered from 0, honest ones first
    double *a, *b, *truth;
    kofn_product_options options;
} scene;

static scene
begin(void **state, const char *master_yaml, const char *honest_yaml, size_t honest, size_t liars)
{
    char patient[256]; // nobody is lost for being slow: each is to have its one task
    (void)snprintf(patient, sizeof patient, "silence: 60s\n%s", master_yaml);
    scene s = {.c = cluster_new(state, patient), .honest = honest, .workers = honest + liars};
    cluster_start_master(s.c);
    for (size_t i = 0; i < honest; i++)
        cluster_start_worker(s.c, i, honest_yaml);
    for (size_t i = 0; i < liars; i++) { // an element is wrong, or the block, by the seed
        char yaml[64];
        (void)snprintf(yaml, sizeof yaml, LIES "  seed: %zu\n", 10 * liars + i);
        cluster_start_worker(s.c, honest + i, yaml);
    }
    cluster_await_workers(s.c, s.workers);
    s.a = test_matrix(ROWS, INNER, 1);
    s.b = test_matrix(INNER, COLS, 2);
    s.truth = calloc((size_t)ROWS * COLS, sizeof *s.truth);
    assert_non_null(s.truth);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ROWS, COLS, INNER, 1, s.a, INNER, s.b,
                COLS, 0, s.truth, COLS);
    s.options = test_options("oneshot", "polynomial");
    test_choose(&s.options, "partition", "2,1,2");
    return s;
}

/* As many tasks as workers, so that each has one, and all answers are needed: nobody is too late to
 * lie. */
static void
need_all(scene *s)
{
    char partition[32];
    (void)snprintf(partition, sizeof partition, "%zu,1,1", s->workers);
    test_choose(&s->options, "family", "uncoded");
    test_choose(&s->options, "partition", partition);
}

static void
end(scene *s)
{
    free(s->a);
    free(s->b);
    free(s->truth);
}

/* The product is right, to what its account says: with answers that nobody would have found it
 * would be off by about as much as an answer is large. */
static kofn_account
multiply(scene *s, const char *verify, uint64_t liars, uint64_t tasks)
{
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_matrix a = test_view(s->a, ROWS, INNER), b = test_view(s->b, INNER, COLS);
    s->options.verify = verify;
    s->options.liars = liars;
    s->options.code.tasks = tasks;
    assert_ok(kofn_client_multiply(cluster_get_client(s->c), &a, &b, &s->options, &result, &error));
    const kofn_account account = *kofn_result_get_account(result);
    double *product = calloc((size_t)ROWS * COLS, sizeof *product);
    assert_ok(kofn_result_copy(result, product, 0, &error));
    cblas_daxpy(ROWS * COLS, -1, s->truth, 1, product, 1);
    const double off = cblas_dnrm2(ROWS * COLS, product, 1);
    const double scale = cblas_dnrm2(ROWS * INNER, s->a, 1) * cblas_dnrm2(INNER * COLS, s->b, 1);
    assert_at_most(off, 1e-10 * scale);
    assert_at_most(off, (account.error_bound + INNER * 0x1p-53) * scale);
    free(product);
    kofn_result_destroy(&result);
    assert_string_equal(account.verify, strcmp(verify, "none") == 0 ? "" : verify);
    return account;
}

static void
assert_state(const scene *s, size_t worker, const char *state)
{
    const kofn_worker_info info = cluster_get_worker(s->c, worker);
    if (strcmp(state, "quarantined") == 0)
        assert_string_equal(info.state, state);
    else
        assert_string_not_equal(info.state, "quarantined");
}

static bool
names(const char *list, size_t worker)
{
    char name[16];
    (void)snprintf(name, sizeof name, "w%zu", worker);
    return strstr(list, name) != NULL; // no number is the beginning of another's
}

static void
assert_honest_ones_are_free(const scene *s, const kofn_account *account)
{
    for (size_t worker = 0; worker < s->honest; worker++) {
        assert_state(s, worker, "");
        assert_false(names(account->liars, worker));
    }
}

static void
assert_liars_are_out(const scene *s, const kofn_account *account, const char *found_by)
{
    char found[32];
    (void)snprintf(found, sizeof found, "found_by=%s", found_by);
    for (size_t worker = s->honest; worker < s->workers; worker++) {
        assert_state(s, worker, "quarantined");
        assert_true(names(account->liars, worker));
    }
    assert_int_equal(account->refuted, s->workers - s->honest); // one each
    assert_non_null(strstr(cluster_get_master_log(s->c), "worker_quarantined"));
    assert_non_null(strstr(cluster_get_master_log(s->c), found));
}

static void
check_one_by_one(void **state, size_t liars)
{
    scene s = begin(state, "", "", 5, liars);
    need_all(&s);
    const kofn_account account = multiply(&s, "freivalds", 0, s.workers);
    assert_liars_are_out(&s, &account, "freivalds");
    assert_honest_ones_are_free(&s, &account);
    const kofn_account after = multiply(&s, "none", 0, s.workers); // nobody lies any more
    assert_int_equal(after.refuted, 0);
    assert_true(account.error_bound > after.error_bound); // by what passes a check
    assert_at_most(account.error_bound, 1e-7);
    end(&s);
}

static void
one_liar_is_found_by_checks(void **state)
{
    check_one_by_one(state, 1);
}

static void
two_liars_are_found_by_checks(void **state)
{
    check_one_by_one(state, 2);
}

/* As many workers as answers are taken, k + 2 b. Lies come first: a product of the first k is
 * wrong. */
static void
check_by_parity(void **state, uint64_t liars)
{
    scene s = begin(state, "", "inject:\n  sleep: 200ms\n", 4 + liars, liars);
    const kofn_account account = multiply(&s, "parity", liars, s.workers);
    assert_int_equal(account.enough, s.workers);
    assert_int_equal(account.answers, s.workers);
    assert_liars_are_out(&s, &account, "parity");
    assert_honest_ones_are_free(&s, &account);
    end(&s);
}

static void
one_liar_is_found_by_parity(void **state)
{
    check_by_parity(state, 1);
}

static void
two_liars_are_found_by_parity(void **state)
{
    check_by_parity(state, 2);
}

/* Seven workers, of whom two lie in all that they answer; five without either give the four answers
 * that the product takes, and of the tasks that are left open each gets two. */
static void
liars_that_give_several_answers_are_found_by_parity(void **state)
{
    scene s = begin(state, "", "inject:\n  sleep: 200ms\n", 5, 2);
    const kofn_account account = multiply(&s, "parity", 2, 0);
    assert_int_equal(account.threshold, 4);
    assert_int_equal(account.tasks, 12);
    assert_in_range(account.refuted, 2, 4);
    for (size_t worker = s.honest; worker < s.workers; worker++) {
        assert_state(&s, worker, "quarantined");
        assert_true(names(account.liars, worker));
    }
    assert_honest_ones_are_free(&s, &account);
    end(&s);
}

static void
too_few_workers_for_parity_are_told_how_many_it_takes(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    scene s = begin(state, "", "", 6, 0);
    const kofn_matrix a = test_view(s.a, ROWS, INNER), b = test_view(s.b, INNER, COLS);
    s.options.verify = "parity";
    s.options.liars = 2;
    s.options.code.tasks = 8;
    assert_fails(kofn_client_multiply(cluster_get_client(s.c), &a, &b, &s.options, &result, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "it takes 8 workers"));
    end(&s);
}

static void
too_few_tasks_for_parity_are_refused_with_the_equation(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    scene s = begin(state, "", "", 6, 0);
    const kofn_matrix a = test_view(s.a, ROWS, INNER), b = test_view(s.b, INNER, COLS);
    s.options.verify = "parity";
    s.options.liars = 2;
    s.options.code.tasks = 7;
    assert_fails(kofn_client_multiply(cluster_get_client(s.c), &a, &b, &s.options, &result, &error),
                 KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "n = 7 tasks < k + 2 b"));
    s.options.verify = "freivalds";
    assert_fails(kofn_client_multiply(cluster_get_client(s.c), &a, &b, &s.options, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    s.options.verify = "hope";
    s.options.liars = 0;
    assert_fails(kofn_client_multiply(cluster_get_client(s.c), &a, &b, &s.options, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "freivalds"));
    end(&s);
}

/* The master leaves room in a code that it chooses. */
static void
a_code_that_is_left_open_has_tasks_for_parity(void **state)
{
    scene s = begin(state, "liars: 2\n", "", 6, 0);
    s.options = test_options("oneshot", NULL);
    const kofn_account account = multiply(&s, "parity", 0, 0);
    assert_int_equal(account.enough, account.threshold + 4);
    assert_true(account.tasks >= account.enough);
    assert_int_equal(account.refuted, 0);
    end(&s);
}

/* Three liars where one was allowed for: no product at all, and nobody is accused. */
static void
more_liars_than_parity_looks_for_are_an_error(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    for (size_t i = 0; i < 6; i++)
        cluster_start_worker(c, i, i < 3 ? "" : LIES);
    cluster_await_workers(c, 6);
    double *a = test_matrix(ROWS, INNER, 1), *b = test_matrix(INNER, COLS, 2);
    const kofn_matrix left = test_view(a, ROWS, INNER), right = test_view(b, INNER, COLS);
    kofn_product_options options = test_options("oneshot", "polynomial");
    test_choose(&options, "partition", "2,1,2");
    options.code.tasks = 6;
    options.verify = "parity";
    options.liars = 1;
    assert_fails(
        kofn_client_multiply(cluster_get_client(c), &left, &right, &options, &result, &error),
        KOFN_DATA_LOSS);
    assert_non_null(strstr(error.text, "of 6 answers those of more than 1 workers are wrong"));
    assert_null(strstr(cluster_get_master_log(c), "worker_quarantined"));
    free(a);
    free(b);
}

/* Its process is another, its name is the same. */
static void
a_liar_that_comes_again_is_known(void **state)
{
    scene s = begin(state, "verify: freivalds\n", "", 4, 1);
    need_all(&s);
    kofn_account account = multiply(&s, "freivalds", 0, s.workers);
    assert_liars_are_out(&s, &account, "freivalds");
    cluster_signal_worker(s.c, s.honest, SIGKILL);
    (void)cluster_await_worker_end(s.c, s.honest);
    cluster_start_worker(s.c, s.honest, ""); // honest now, but who knows
    cluster_await_master_log(s.c, "worker_barred");
    assert_state(&s, s.honest, "quarantined");
    account = multiply(&s, "freivalds", 0, s.workers);
    assert_int_equal(account.workers, s.honest);
    end(&s);
}

static void
when_its_time_is_over_it_works_again(void **state)
{
    scene s = begin(state, "quarantine: 300ms\n", "", 4, 1);
    need_all(&s);
    kofn_account account = multiply(&s, "freivalds", 0, s.workers);
    assert_in_range(account.refuted, 1, s.workers); // more where it was let in meanwhile
    cluster_await_master_log(s.c, "worker_released");
    cluster_await_workers(s.c, s.workers);
    assert_state(&s, s.honest, "");
    account = multiply(&s, "freivalds", 0, s.workers); // and lies again
    assert_in_range(account.refuted, 1, s.workers);
    assert_true(names(account.liars, s.honest));
    end(&s);
}

/* How it is verified is part of what a job that survives its master was ordered with. */
static void
a_job_that_survives_its_master_is_verified(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    char job[KOFN_CLIENT_JOB_MAX];
    cluster *c = cluster_new(state, CLUSTER_STORE);
    cluster_start_master(c);
    double *a = test_matrix(ROWS, INNER, 1), *b = test_matrix(INNER, COLS, 2);
    const kofn_matrix left = test_view(a, ROWS, INNER), right = test_view(b, INNER, COLS);
    kofn_product_options options = test_options("oneshot", "uncoded");
    test_choose(&options, "partition", "3,1,1");
    options.code.tasks = 3;
    options.verify = "freivalds";
    assert_ok(kofn_client_submit(cluster_get_client(c), &left, &right, &options, job, &error));
    cluster_kill_master(c);
    cluster_start_master(c);
    cluster_start_worker(c, 0, LIES);
    cluster_await_master_log(c, "worker_quarantined");
    cluster_start_worker(c, 1, "");
    const kofn_wait_options wait = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &wait, &result, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_string_equal(account.verify, "freivalds");
    assert_in_range(account.refuted, 1,
                    2); // both that it had in hand, where they were looked at together
    assert_string_equal(account.liars, "w0");
    kofn_matrix product;
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(a, b, &product, INNER, 1);
    kofn_result_destroy(&result);
    free(a);
    free(b);
}

/* Some of its operand is no number: its honest answers are none either. */
static void
answers_that_are_no_numbers_are_no_lies_where_operands_are_none(void **state)
{
    scene s = begin(state, "", "", 6, 0);
    static const char *const ways[] = {"freivalds", "parity"};
    s.a[5] = NAN;
    for (size_t i = 0; i < 2; i++) {
        kofn_error error;
        kofn_result *result = NULL;
        const kofn_matrix a = test_view(s.a, ROWS, INNER), b = test_view(s.b, INNER, COLS);
        s.options.verify = ways[i];
        s.options.liars = i;
        s.options.code.tasks = 6;
        assert_ok(
            kofn_client_multiply(cluster_get_client(s.c), &a, &b, &s.options, &result, &error));
        const kofn_account account = *kofn_result_get_account(result);
        assert_true(account.nonfinite);
        assert_int_equal(account.refuted, 0);
        assert_true(isinf(account.error_bound));
        assert_true((account.unchecked > 0) == (i == 0)); // parity says nothing of single ones
        assert_honest_ones_are_free(&s, &account);
        kofn_result_destroy(&result);
    }
    end(&s);
}

/* Every form of product, each with as many tasks as workers. */
static void
outer_products_are_verified_by_parity_alone(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    scene s = begin(state, "", "inject:\n  sleep: 200ms\n", 5, 1);
    const kofn_matrix operands[] = {test_view(s.a, 12, 8), test_view(s.b, 10, 6)};
    test_choose(&s.options, "partition", "0,0,0");
    test_choose(&s.options, "parts", "2,2");
    s.options.code.tasks = 6;
    s.options.verify = "freivalds";
    assert_fails(
        kofn_client_outer(cluster_get_client(s.c), operands, 2, &s.options, &result, &error),
        KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "parity"));
    s.options.verify = "parity";
    assert_ok(kofn_client_outer(cluster_get_client(s.c), operands, 2, &s.options, &result, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_liars_are_out(&s, &account, "parity");
    assert_honest_ones_are_free(&s, &account);
    static double product[120][48];
    assert_ok(kofn_result_copy(result, product, 0, &error));
    for (size_t i = 0; i < 120; i++)
        for (size_t j = 0; j < 48; j++)
            assert_at_most(fabs(product[i][j] - s.a[i / 10 * 8 + j / 6] * s.b[i % 10 * 6 + j % 6]),
                           1e-12);
    kofn_result_destroy(&result);
    end(&s);
}

static void
batches_are_verified(void **state)
{
    static const char *const ways[] = {"freivalds", "parity", "parity"};
    enum { PAIRS = 3, SIDE = 20 };
    for (size_t way = 0; way < 3; way++) {
        kofn_error error;
        kofn_result *result = NULL;
        scene s = begin(state, "", "", way ? 6 : 4, 1); // k = 5
        kofn_matrix left[PAIRS], right[PAIRS];
        for (size_t i = 0; i < PAIRS; i++) {
            left[i] = test_view(s.a + i * SIDE * SIDE, SIDE, SIDE);
            right[i] = test_view(s.b + i * SIDE * SIDE, SIDE, SIDE);
        }
        const kofn_pairs pairs = {.count = PAIRS, .x = left, .y = right};
        s.options = test_options("oneshot", "lagrange");
        test_choose(&s.options, "systematic", "no"); // else three plain answers do
        s.options.code.tasks = s.workers;
        if (way == 2) { // as many as it takes, some for each
            s.options = test_options("oneshot", "locality");
            cluster_start_worker(s.c, s.workers++, LIES);
            cluster_await_workers(s.c, s.workers);
        }
        s.options.verify = ways[way];
        s.options.liars = way == 2 ? 2 : way;
        assert_ok(kofn_client_batch(cluster_get_client(s.c), &pairs, &s.options, &result, &error));
        const kofn_account account = *kofn_result_get_account(result);
        if (way < 2)
            assert_liars_are_out(&s, &account, ways[way]);
        assert_true(way < 2 || account.tasks > s.workers);
        assert_honest_ones_are_free(&s, &account);
        static double product[PAIRS * SIDE][SIDE];
        assert_ok(kofn_result_copy(result, product, 0, &error));
        for (size_t i = 0; i < PAIRS; i++) {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, -1,
                        s.a + i * SIDE * SIDE, SIDE, s.b + i * SIDE * SIDE, SIDE, 1,
                        product[i * SIDE], SIDE);
            assert_at_most(cblas_dnrm2(SIDE * SIDE, product[i * SIDE], 1), 1e-10);
        }
        kofn_result_destroy(&result);
        end(&s);
        if (way < 2)
            assert_int_equal(cluster_teardown(state), 0);
    }
}

/* Products modulo primes, each of which would be wrong alone. */
static void
products_of_integers_are_verified(void **state)
{
    kofn_error error;
    kofn_result *result = NULL;
    enum { SIDE = 30 };
    static int32_t a[SIDE][SIDE], b[SIDE][SIDE];
    static int64_t product[SIDE][SIDE];
    scene s = begin(state, "", "", 5, 1);
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i / SIDE][i % SIDE] = i * 7919 % 20011 - 10000;
        b[i / SIDE][i % SIDE] = i * 104729 % 20011 - 10000;
    }
    const kofn_matrix left = {.data = a, .dtype = KOFN_I32, .rows = SIDE, .cols = SIDE};
    const kofn_matrix right = {.data = b, .dtype = KOFN_I32, .rows = SIDE, .cols = SIDE};
    need_all(&s);
    s.options.code.tasks = s.workers;
    s.options.verify = "freivalds";
    assert_ok(
        kofn_client_multiply(cluster_get_client(s.c), &left, &right, &s.options, &result, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_true(account.refuted > 0);
    assert_true(names(account.liars, s.honest));
    assert_honest_ones_are_free(&s, &account);
    assert_ok(kofn_result_copy(result, product, 0, &error));
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            int64_t sum = 0;
            for (size_t k = 0; k < SIDE; k++)
                sum += (int64_t)a[i][k] * b[k][j];
            assert_true(product[i][j] == sum);
        }
    kofn_result_destroy(&result);
    end(&s);
}

static void
write_bytes(cluster *c, const char *name, size_t seed)
{
    static unsigned char bytes[ROWS][ROWS];
    kofn_error error;
    char path[CLUSTER_PATH_MAX];
    kofn_bands bands;
    for (size_t k = 0; k < sizeof bytes; k++)
        bytes[k / ROWS][k % ROWS] = (unsigned char)(k * 37 + k / 251 + seed);
    const kofn_mat mat = kofn_mat_wrap(bytes, KOFN_U8, ROWS, ROWS);
    cluster_get_path(c, name, path);
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    assert_ok(kofn_npy_write(path, &bands, &error));
    kofn_bands_fini(&bands);
}

/* The commands, over GF(2^8): exact, and so is who lies. */
static void
commands_verify_and_say_who_lies(void **state)
{
    static outcome out;
    cluster *c = cluster_new_ready(state, "", 7);
    cluster_start_worker(c, 7, LIES);
    cluster_await_workers(c, 8);
    write_bytes(c, "a.npy", 1);
    write_bytes(c, "b.npy", 2);
    do {
        cluster_run(c, &out, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--code", "polynomial",
                    "--partition", "2,1,2", "--tasks", "8", "--verify", "parity", "--liars", "2",
                    NULL);
        assert_int_equal(out.status, 0);
    } while (!strstr(cluster_get_master_log(c), "worker_quarantined")); // its answer may be late
    cluster_run(c, &out, "workers", NULL);
    assert_int_equal(out.status, 0);
    assert_non_null(strstr(out.out, "quarantined"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_liar_is_found_by_checks, cluster_teardown),
        cmocka_unit_test_teardown(two_liars_are_found_by_checks, cluster_teardown),
        cmocka_unit_test_teardown(one_liar_is_found_by_parity, cluster_teardown),
        cmocka_unit_test_teardown(two_liars_are_found_by_parity, cluster_teardown),
        cmocka_unit_test_teardown(liars_that_give_several_answers_are_found_by_parity,
                                  cluster_teardown),
        cmocka_unit_test_teardown(too_few_workers_for_parity_are_told_how_many_it_takes,
                                  cluster_teardown),
        cmocka_unit_test_teardown(too_few_tasks_for_parity_are_refused_with_the_equation,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_code_that_is_left_open_has_tasks_for_parity, cluster_teardown),
        cmocka_unit_test_teardown(more_liars_than_parity_looks_for_are_an_error, cluster_teardown),
        cmocka_unit_test_teardown(a_liar_that_comes_again_is_known, cluster_teardown),
        cmocka_unit_test_teardown(when_its_time_is_over_it_works_again, cluster_teardown),
        cmocka_unit_test_teardown(a_job_that_survives_its_master_is_verified, cluster_teardown),
        cmocka_unit_test_teardown(answers_that_are_no_numbers_are_no_lies_where_operands_are_none,
                                  cluster_teardown),
        cmocka_unit_test_teardown(outer_products_are_verified_by_parity_alone, cluster_teardown),
        cmocka_unit_test_teardown(batches_are_verified, cluster_teardown),
        cmocka_unit_test_teardown(products_of_integers_are_verified, cluster_teardown),
        cmocka_unit_test_teardown(commands_verify_and_say_who_lies, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
