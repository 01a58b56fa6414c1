/* A master that keeps its jobs: killed in each phase of a job and started again, it goes on as if
 * it had only been slow. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { SIDE = 24, LARGE = 160 }; // elements of LARGE x LARGE fill a file of the spool

/* ---- jobs with an answer that is known ------------------------------------------------------- */

typedef struct work {
    size_t rows, inner, cols;
    uint64_t seed;
    const char *key;
    int64_t timeout_ms;
    const char *family, *partition;
    const char *operand; // A is this stored one
    kofn_progress *progress;
    void *context;
} work;

static const work small = {.rows = SIDE, .inner = SIDE, .cols = SIDE, .seed = 1};
static const work large = {.rows = LARGE, .inner = LARGE, .cols = LARGE, .seed = 2};

static kofn_status
try_submit(kofn_client *client, const work *w, char *ret_job, kofn_error *ret_error)
{
    kofn_error error = {.status = KOFN_OK};
    double *a = test_matrix(w->rows, w->inner, w->seed);
    double *b = test_matrix(w->inner, w->cols, w->seed + 100);
    kofn_matrix a_view = test_view(a, w->rows, w->inner);
    const kofn_matrix b_view = test_view(b, w->inner, w->cols);
    kofn_product_options options = {
        .key = w->key, .timeout_ms = w->timeout_ms, .progress = w->progress, .context = w->context};
    if (w->operand)
        a_view = (kofn_matrix){.operand = w->operand};
    if (w->family)
        assert_ok(kofn_code_choice_set(&options.code, "family", w->family, &error));
    if (w->partition)
        assert_ok(kofn_code_choice_set(&options.code, "partition", w->partition, &error));
    const kofn_status status =
        kofn_client_submit(client, &a_view, &b_view, &options, ret_job, &error);
    *ret_error = error;
    free(a);
    free(b);
    return status;
}

static void
submit(cluster *c, const work *w, char *ret_job)
{
    kofn_error error;
    assert_ok(try_submit(cluster_get_client(c), w, ret_job, &error));
}

static void
await_product(cluster *c, const char *job, const work *w)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    double *a = test_matrix(w->rows, w->inner, w->seed);
    double *b = test_matrix(w->inner, w->cols, w->seed + 100);
    assert_int_equal(product.rows, w->rows);
    assert_int_equal(product.cols, w->cols);
    assert_product(a, b, &product, w->inner, kofn_result_get_account(result)->amplification);
    assert_string_equal(kofn_result_get_account(result)->job, job);
    kofn_result_destroy(&result);
    free(a);
    free(b);
}

static kofn_status
await_failure(cluster *c, const char *job, kofn_error *err)
{
    kofn_result *result = NULL;
    const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000};
    const kofn_status status = kofn_client_wait(cluster_get_client(c), job, &options, &result, err);
    kofn_result_destroy(&result);
    return status;
}

static void
await_done(cluster *c, const char *job)
{
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000, .without_product = true};
    assert_ok(kofn_client_wait(cluster_get_client(c), job, &options, &result, &error));
    kofn_result_destroy(&result);
}

static void
restart(cluster *c)
{
    cluster_kill_master(c);
    cluster_start_master(c);
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void
a_job_that_waits_for_a_worker_survives_the_master(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX];
    submit(c, &small, first);
    submit(c, &large, second);
    restart(c);
    cluster_start_worker(c, 0, "");
    await_product(c, first, &small);
    await_product(c, second, &large);
}

static void
a_running_job_begins_anew_with_the_code_that_was_chosen(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    cluster_start_master(c);
    cluster_start_worker(c, 0, "inject:\n  sleep: 1h\n");
    cluster_await_workers(c, 1);
    const work coded = {
        .rows = 60, .inner = 30, .cols = 40, .seed = 3, .family = "rkrp", .partition = "2,1,2"};
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_error error;
    kofn_account before, after;
    submit(c, &coded, job);
    cluster_await_running(c, 0, 1);
    assert_ok(kofn_client_get_job(cluster_get_client(c), job, &before, &error));
    assert_true(before.durable);
    /* What was chosen goes to disk behind the start: another job's commit is proof that it is
     * there. */
    char other[KOFN_CLIENT_JOB_MAX];
    submit(c, &small, other);
    restart(c);
    assert_ok(kofn_client_get_job(cluster_get_client(c), job, &after, &error));
    assert_int_equal(after.code.tasks, before.code.tasks);
    assert_int_equal(after.code.seed, before.code.seed);
    for (size_t i = 1; i < 4; i++)
        cluster_start_worker(c, i, "");
    await_product(c, job, &coded);
    await_product(c, other, &small);
}

static void
a_result_survives_the_master_and_can_be_fetched_again(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 1);
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX];
    submit(c, &small, first);
    submit(c, &large, second);
    await_done(c, first);
    await_done(c, second);
    restart(c);
    await_product(c, first, &small);
    await_product(c, second, &large);
    await_product(c, second, &large); // its reply might have been lost
    restart(c);
    await_product(c, first, &small);
    assert_non_null(strstr(cluster_get_master_log(c), "jobs=0 results=2 operands=0 broken=0"));
}

/* It dies with the first job that starts: once when all begin together, three times of the one that
 * it tries alone. */
static void
a_job_of_which_the_master_dies_has_failed_and_others_are_done(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    char bad[KOFN_CLIENT_JOB_MAX], good[KOFN_CLIENT_JOB_MAX];
    kofn_error error;
    submit(c, &small, bad);
    submit(c, &large, good);
    cluster_kill_master(c);
    cluster_start_worker(c, 0, "");
    cluster_arm_master(c, "job_started:kill:1");
    for (size_t deaths = 0; deaths < 4; deaths++) {
        cluster_start_master(c);
        assert_int_equal(cluster_await_master_end(c), 128 + SIGKILL);
    }
    cluster_arm_master(c, NULL);
    cluster_start_master(c);
    assert_fails(await_failure(c, bad, &error), KOFN_FAILED_PRECONDITION);
    await_product(c, good, &large);
}

/* Nobody waits for a master that has ended. */
static bool
master_lives(void *context, const kofn_account *account)
{
    (void)account;
    return !cluster_master_has_ended(context);
}

static void
no_job_is_lost_at_any_failpoint(void **state)
{
    static const char *const points[] = {
        "job_received", "job_kept",     "job_told",        "job_started",   "job_made",
        "job_ended",    "job_answered", "group_committed", "group_written", "group_told"};
    cluster *c = cluster_new(state, CLUSTER_STORE);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        char armed[64], job[KOFN_CLIENT_JOB_MAX], key[32];
        (void)snprintf(armed, sizeof armed, "%s:kill:1", points[i]);
        (void)snprintf(key, sizeof key, "job at point %zu", i);
        work keyed = large;
        keyed.key = key;
        keyed.seed = i + 1;
        print_message("%s\n", armed);
        cluster_arm_master(c, armed);
        cluster_start_master(c);
        cluster_start_worker(c, 0, "");
        cluster_await_workers(c, 1);
        kofn_error error;
        keyed.progress = master_lives;
        keyed.context = c;
        const kofn_status status = try_submit(cluster_get_client(c), &keyed, job, &error);
        kofn_result *result = NULL;
        const kofn_wait_options wait = {.progress = master_lives, .context = c};
        if (status == KOFN_OK)
            (void)!kofn_client_wait(cluster_get_client(c), job, &wait, &result, &error);
        kofn_result_destroy(&result);
        assert_int_equal(cluster_await_master_end(c), 128 + SIGKILL);
        cluster_arm_master(c, NULL);
        cluster_start_master(c);
        char again[KOFN_CLIENT_JOB_MAX];
        keyed.progress = NULL;
        submit(c, &keyed, again);
        if (status == KOFN_OK)
            assert_string_equal(again, job);
        await_product(c, again, &keyed);
        cluster_kill_master(c);
        cluster_signal_worker(c, 0, SIGKILL);
        (void)cluster_await_worker_end(c, 0);
    }
}

static void
what_the_grace_time_does_not_finish_goes_on_at_the_next_start(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE "grace: 100ms\n", 0);
    char job[KOFN_CLIENT_JOB_MAX];
    submit(c, &large, job);
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
    assert_non_null(strstr(cluster_get_master_log(c), "kept=1"));
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    await_product(c, job, &large);
}

/* ---- what belongs to a job ------------------------------------------------------------------- */

static void
a_repeated_key_is_the_same_job_after_a_restart(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_error error;
    work keyed = small;
    keyed.key = "mine";
    char first[KOFN_CLIENT_JOB_MAX], again[KOFN_CLIENT_JOB_MAX];
    submit(c, &keyed, first);
    restart(c);
    submit(c, &keyed, again);
    assert_string_equal(again, first);
    work other = keyed;
    other.rows++;
    assert_fails(try_submit(cluster_get_client(c), &other, again, &error), KOFN_ALREADY_EXISTS);
    cluster_start_worker(c, 0, "");
    await_product(c, first, &keyed);
    restart(c);
    submit(c, &keyed, again);
    assert_string_equal(again, first);
}

static void
a_deadline_passes_while_the_master_is_away(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_error error;
    work hasty = small;
    hasty.timeout_ms = 1500;
    char job[KOFN_CLIENT_JOB_MAX], patient[KOFN_CLIENT_JOB_MAX];
    submit(c, &hasty, job);
    submit(c, &small, patient);
    cluster_kill_master(c);
    const struct timespec t = {.tv_sec = 2}; // past a moment of the wall clock, not for an event
    (void)nanosleep(&t, NULL);
    cluster_start_master(c);
    kofn_account account;
    for (int life = 0; life < 2; life++) { // the second finds it stored
        assert_fails(await_failure(c, job, &error), KOFN_DEADLINE_EXCEEDED);
        assert_ok(kofn_client_get_job(cluster_get_client(c), job, &account, &error));
        assert_string_equal(account.state, "failed"); // the job's deadline, not that of the wait
        assert_int_equal(account.status, KOFN_DEADLINE_EXCEEDED);
        restart(c);
    }
    cluster_start_worker(c, 0, "");
    await_product(c, patient, &small);
}

static void
a_cancelled_job_stays_cancelled(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_error error;
    kofn_account account;
    char job[KOFN_CLIENT_JOB_MAX];
    submit(c, &large, job);
    assert_ok(kofn_client_cancel(cluster_get_client(c), job, &account, &error));
    assert_string_equal(account.state, "cancelled");
    restart(c);
    assert_fails(await_failure(c, job, &error), KOFN_CANCELLED);
}

static void
new_jobs_get_other_ids_and_all_are_listed(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 1);
    kofn_error error;
    char job[4][KOFN_CLIENT_JOB_MAX];
    for (size_t i = 0; i < 4; i++) {
        submit(c, &small, job[i]);
        await_done(c, job[i]);
        if (i == 1)
            restart(c);
    }
    kofn_account *jobs = NULL;
    size_t count = 0;
    assert_ok(kofn_client_list_jobs(cluster_get_client(c), 0, &jobs, &count, &error));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(jobs[3 - i].job, job[i]);
        assert_string_equal(jobs[3 - i].state, "done");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(job[i], job[j]);
    }
    free(jobs);
}

static void
integers_and_outer_products_survive(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_error error;
    static const int64_t x[4] = {INT64_C(1) << 30, -7, 3, 1}, y[4] = {5, 6, 7, 8};
    const kofn_matrix integer[2] = {{.data = x, .dtype = KOFN_I64, .rows = 2, .cols = 2},
                                    {.data = y, .dtype = KOFN_I64, .rows = 2, .cols = 2}};
    double *a = test_matrix(3, 4, 1), *b = test_matrix(2, 5, 2);
    const kofn_matrix factor[2] = {test_view(a, 3, 4), test_view(b, 2, 5)};
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX];
    kofn_client *client = cluster_get_client(c);
    assert_ok(kofn_client_submit(client, &integer[0], &integer[1], NULL, first, &error));
    assert_ok(kofn_client_submit_outer(client, factor, 2, NULL, second, &error));
    for (int life = 0; life < 2; life++) { // as jobs, as results
        restart(c);
        if (life == 0)
            cluster_start_worker(c, 0, "");
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_client_wait(client, first, NULL, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(((const int64_t *)product.data)[i],
                             x[i / 2 * 2] * y[i % 2] + x[i / 2 * 2 + 1] * y[2 + i % 2]);
        kofn_result_destroy(&result);
        assert_ok(kofn_client_wait(client, second, NULL, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_int_equal(product.rows, 6);
        assert_int_equal(product.cols, 20);
        for (size_t i = 0; i < 120; i++)
            assert_true(((const double *)product.data)[i] ==
                        a[i / 20 / 2 * 4 + i % 20 / 5] * b[i / 20 % 2 * 5 + i % 5]);
        kofn_result_destroy(&result);
    }
    free(a);
    free(b);
}

static void
make_key(cluster *c, const char *name, const char *role)
{
    outcome run;
    cluster_run(c, &run, "keygen", name, "--role", role, "-o", "keys", NULL);
    assert_int_equal(run.status, 0);
}

static kofn_client *
open_as(cluster *c, const char *name)
{
    char file[64], own[CLUSTER_PATH_MAX], server[CLUSTER_PATH_MAX];
    kofn_client *client = NULL;
    kofn_error error;
    (void)snprintf(file, sizeof file, "keys/%s.key", name);
    cluster_get_path(c, file, own);
    cluster_get_path(c, "keys/master.key", server);
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c),
                                         .key = own,
                                         .server_key = server,
                                         .patience_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_open(&options, &client, &error));
    return client;
}

static void
a_job_and_an_operand_are_their_keys_after_a_restart(void **state)
{
    static const char *const names[] = {"alice", "bob", "boss"};
    cluster *c = cluster_new(state, CLUSTER_STORE "keys:\n  own: keys/master.key\n"
                                                  "  allowed: keys\n");
    make_key(c, "master", "master");
    for (size_t i = 0; i < 3; i++)
        make_key(c, names[i], i == 2 ? "admin" : "client");
    cluster_start_master(c);
    kofn_client *client = open_as(c, "alice");
    kofn_error error;
    work keyed = small;
    keyed.key = "a key of hers";
    char job[KOFN_CLIENT_JOB_MAX], operand[KOFN_CLIENT_JOB_MAX], other[KOFN_CLIENT_JOB_MAX];
    assert_ok(try_submit(client, &keyed, job, &error));
    double *a = test_matrix(2, 2, 1);
    const kofn_matrix view = test_view(a, 2, 2);
    assert_ok(kofn_client_put(client, &view, NULL, operand, &error));
    free(a);
    kofn_client_close(&client);
    restart(c);
    for (size_t i = 0; i < 3; i++) {
        kofn_account account;
        kofn_operand_info *operands = NULL;
        size_t count;
        client = open_as(c, names[i]);
        assert_int_equal(kofn_client_get_job(client, job, &account, &error),
                         i == 1 ? KOFN_NOT_FOUND : KOFN_OK);
        assert_ok(kofn_client_list_operands(client, &operands, &count, &error));
        assert_int_equal(count, i != 1);
        free(operands);
        assert_ok(try_submit(client, &keyed, other, &error));
        assert_int_equal(strcmp(other, job) == 0, i == 0); // the same key of another is another
        kofn_client_close(&client);
    }
}

/* ---- stored operands ------------------------------------------------------------------------- */

static void
put(cluster *c, const work *w, char *ret_operand)
{
    kofn_error error;
    double *a = test_matrix(w->rows, w->inner, w->seed);
    const kofn_matrix view = test_view(a, w->rows, w->inner);
    const kofn_put_options options = {.key = w->key};
    assert_ok(kofn_client_put(cluster_get_client(c), &view, &options, ret_operand, &error));
    free(a);
}

static size_t
count_operands(cluster *c)
{
    kofn_error error;
    kofn_operand_info *operands = NULL;
    size_t count;
    assert_ok(kofn_client_list_operands(cluster_get_client(c), &operands, &count, &error));
    free(operands);
    return count;
}

static void
a_stored_operand_survives_the_master(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 1);
    work sizes[] = {small, large};
    char operand[2][KOFN_CLIENT_JOB_MAX], again[KOFN_CLIENT_JOB_MAX], job[KOFN_CLIENT_JOB_MAX];
    for (size_t i = 0; i < 2; i++) {
        sizes[i].key = i ? "the large one" : NULL;
        put(c, &sizes[i], operand[i]);
    }
    restart(c);
    assert_int_equal(count_operands(c), 2);
    put(c, &sizes[1], again);
    assert_string_equal(again, operand[1]);
    for (size_t i = 0; i < 2; i++) {
        work named = sizes[i];
        named.key = NULL;
        named.operand = operand[i];
        submit(c, &named, job);
        await_product(c, job, &named);
    }
}

static void
a_dropped_operand_is_gone_and_a_job_that_names_it_goes_on(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    kofn_error error;
    char kept[KOFN_CLIENT_JOB_MAX], unused[KOFN_CLIENT_JOB_MAX], job[KOFN_CLIENT_JOB_MAX];
    put(c, &large, kept);
    put(c, &small, unused);
    work named = large;
    named.operand = kept;
    submit(c, &named, job);
    assert_ok(kofn_client_drop(cluster_get_client(c), kept, &error));
    assert_ok(kofn_client_drop(cluster_get_client(c), unused, &error));
    restart(c);
    assert_int_equal(count_operands(c), 0);
    char other[KOFN_CLIENT_JOB_MAX];
    assert_fails(try_submit(cluster_get_client(c), &named, other, &error), KOFN_NOT_FOUND);
    cluster_start_worker(c, 0, "");
    await_product(c, job, &named);
    restart(c);
    await_product(c, job, &named);
    assert_true(cluster_check(c).store_bytes <
                2 * LARGE * LARGE * sizeof(double)); // the product alone
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* The one file of the spool. */
static void
find_spooled(cluster *c, char *ret_path)
{
    char folder[CLUSTER_PATH_MAX], name[512];
    cluster_get_path(c, "store/spool", folder);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    ret_path[0] = '\0';
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') {
            (void)snprintf(name, sizeof name, "store/spool/%s", e->d_name);
            assert_string_equal(ret_path, ""); // no other
            cluster_get_path(c, name, ret_path);
        }
    (void)closedir(dir);
    assert_string_not_equal(ret_path, "");
}

static void
flip_bit(const char *path, off_t at)
{
    unsigned char byte;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static void
flip_spooled(const char *path)
{
    flip_bit(path, LARGE * LARGE);
}

static void
truncate_spooled(const char *path)
{
    assert_int_equal(truncate(path, LARGE * LARGE), 0);
}

static void
remove_spooled(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void (*const damages[])(const char *path) = {flip_spooled, truncate_spooled, remove_spooled};

static void
a_damaged_operand_fails_its_job_alone(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
        kofn_error error;
        const work half = {.rows = LARGE, .inner = LARGE, .cols = 1, .seed = 4};
        char bad[KOFN_CLIENT_JOB_MAX], good[KOFN_CLIENT_JOB_MAX], path[CLUSTER_PATH_MAX];
        submit(c, &half, bad);
        submit(c, &small, good);
        cluster_kill_master(c);
        find_spooled(c, path);
        damages[i](path);
        cluster_start_master(c);
        assert_fails(await_failure(c, bad, &error), KOFN_DATA_LOSS);
        cluster_start_worker(c, 0, "");
        await_product(c, good, &small);
        (void)cluster_teardown(state);
    }
}

static void
a_damaged_result_is_data_loss_and_never_a_product(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        cluster *c = cluster_new_ready(state, CLUSTER_STORE, 1);
        kofn_error error;
        char bad[KOFN_CLIENT_JOB_MAX], good[KOFN_CLIENT_JOB_MAX], path[CLUSTER_PATH_MAX];
        const work outer = {.rows = LARGE, .inner = 1, .cols = LARGE, .seed = 5};
        submit(c, &outer, bad);
        submit(c, &small, good);
        await_done(c, bad);
        await_done(c, good);
        cluster_kill_master(c);
        find_spooled(c, path);
        damages[i](path);
        cluster_start_master(c);
        assert_fails(await_failure(c, bad, &error), KOFN_DATA_LOSS);
        assert_fails(await_failure(c, bad, &error), KOFN_DATA_LOSS); // nor the second time
        await_product(c, good, &small);
        (void)cluster_teardown(state);
    }
}

/* The last place of these bytes in a file; fails the test if there is none. */
static off_t
find_bytes(const char *path, const void *bytes, size_t count)
{
    static char text[1 << 22];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t length = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    off_t found = -1;
    for (size_t i = 0; i + count <= length; i++)
        if (memcmp(text + i, bytes, count) == 0)
            found = (off_t)i;
    assert_true(found >= 0);
    return found;
}

static void
a_flipped_bit_in_a_row_fails_its_job_alone(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE "grace: 0\n", 0);
    kofn_error error;
    work marked = small;
    marked.key = "the record that will be flipped";
    marked.seed = 9;
    char body[KOFN_CLIENT_JOB_MAX], elements[KOFN_CLIENT_JOB_MAX], good[KOFN_CLIENT_JOB_MAX];
    char path[CLUSTER_PATH_MAX];
    submit(c, &marked, body);
    work inside = small;
    inside.seed = 77;
    submit(c, &inside, elements);
    submit(c, &small, good);
    cluster_signal_master(c, SIGTERM); // a clean end: all of it is in the database itself
    assert_int_equal(cluster_await_master_end(c), 0);
    cluster_get_path(c, "store/jobs.db", path);
    flip_bit(path, find_bytes(path, marked.key, strlen(marked.key)) + 4);
    double *a = test_matrix(SIDE, SIDE, inside.seed);
    flip_bit(path, find_bytes(path, a, 64) + 3);
    free(a);
    cluster_start_master(c);
    assert_fails(await_failure(c, body, &error), KOFN_DATA_LOSS);
    assert_fails(await_failure(c, elements, &error), KOFN_DATA_LOSS);
    cluster_start_worker(c, 0, "");
    await_product(c, good, &small);
}

enum { MANY = 60 };

static void
submit_many(cluster *c, work works[MANY], char keys[MANY][32], char jobs[MANY][KOFN_CLIENT_JOB_MAX])
{
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], 32, "job %zu of a damaged page", i);
        works[i] = small;
        works[i].seed = 100 + i;
        works[i].key = keys[i];
        submit(c, &works[i], jobs[i]);
    }
}

/* Right, or told: how many are not there any more. */
static size_t
count_lost(cluster *c, const work works[MANY], char jobs[MANY][KOFN_CLIENT_JOB_MAX])
{
    size_t lost = 0;
    for (size_t i = 0; i < MANY; i++) {
        kofn_error error;
        kofn_result *result = NULL;
        const kofn_wait_options options = {.timeout_ms = PATIENCE_S * 1000,
                                           .without_product = true};
        const kofn_status status =
            kofn_client_wait(cluster_get_client(c), jobs[i], &options, &result, &error);
        kofn_result_destroy(&result);
        lost += status != KOFN_OK;
        if (status == KOFN_OK)
            await_product(c, jobs[i], &works[i]);
        else
            assert_true(status == KOFN_NOT_FOUND || status == KOFN_DATA_LOSS);
    }
    return lost;
}

static void
a_damaged_page_costs_its_jobs_and_not_the_daemon(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE "grace: 0\n", 0);
    work works[MANY];
    char keys[MANY][32], jobs[MANY][KOFN_CLIENT_JOB_MAX], path[CLUSTER_PATH_MAX],
        later[KOFN_CLIENT_JOB_MAX];
    submit_many(c, works, keys, jobs);
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
    cluster_get_path(c, "store/jobs.db", path);
    const off_t at = find_bytes(path, keys[10], strlen(keys[10]));
    flip_bit(path, at / 4096 * 4096); // what kind of page it is
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    const size_t lost = count_lost(c, works, jobs);
    assert_non_null(strstr(cluster_get_master_log(c), "store_damaged"));
    assert_in_range(lost, 1, MANY / 2);
    submit(c, &large, later);
    await_product(c, later, &large);
}

static void
commits_that_damage_cuts_off_the_log_are_told(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    work works[MANY];
    char keys[MANY][32], jobs[MANY][KOFN_CLIENT_JOB_MAX], path[CLUSTER_PATH_MAX],
        later[KOFN_CLIENT_JOB_MAX];
    submit_many(c, works, keys, jobs);
    cluster_kill_master(c);
    cluster_get_path(c, "store/jobs.db-wal", path);
    flip_bit(path, find_bytes(path, keys[10], strlen(keys[10])));
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    assert_in_range(count_lost(c, works, jobs), 1, MANY);
    assert_non_null(strstr(cluster_get_master_log(c), "commits_lost"));
    submit(c, &large, later);
    await_product(c, later, &large);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void
a_full_store_refuses_new_jobs_and_keeps_the_old(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE "  size: 1MiB\n", 0);
    kofn_error error;
    kofn_client *brief = NULL;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c),
                                         .retries = -1};
    assert_ok(kofn_client_open(&options, &brief, &error));
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX], other[KOFN_CLIENT_JOB_MAX];
    submit(c, &large, first);
    submit(c, &large, second);
    assert_fails(try_submit(brief, &large, other, &error), KOFN_RESOURCE_EXHAUSTED);
    kofn_client_close(&brief);
    restart(c);
    cluster_start_worker(c, 0, "");
    await_product(c, first, &large);
    await_product(c, second, &large);
    submit(c, &large, other); // what was fetched makes room
    await_product(c, other, &large);
}

static void
results_leave_the_disk_when_their_time_is_over(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE "results:\n  keep: 200ms\n  jobs: 1\n", 1);
    char job[KOFN_CLIENT_JOB_MAX];
    for (size_t i = 0; i < 4; i++) {
        submit(c, &large, job);
        await_done(c, job);
    }
    const time_t until = time(NULL) + PATIENCE_S;
    while (cluster_check(c).store_bytes > 10000)
        assert_true(time(NULL) < until);
    restart(c);
    assert_true(cluster_check(c).store_bytes <= 10000);
}

static void
a_store_that_is_in_use_refuses_the_second_master(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    outcome o;
    cluster_run_program(c, &o, KOFN_MASTER_PROGRAM, "--set", "store.dir=store", "--workers",
                        "tcp://127.0.0.1:*", "--clients", "tcp://127.0.0.1:*", NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "store 'store'"));
    assert_non_null(strstr(o.err, "FAILED_PRECONDITION"));
}

static void
a_file_that_is_no_store_refuses_the_start(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "store", path);
    assert_int_equal(mkdir(path, 0700), 0);
    cluster_get_path(c, "store/jobs.db", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("this is no database\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    cluster_start_master(c);
    assert_int_equal(cluster_await_master_end(c), 1);
    assert_non_null(strstr(cluster_get_master_log(c), "FAILED_PRECONDITION"));
}

/* ---- a disk of its own, that is full --------------------------------------------------------- */

/* The store is on a disk in memory; 64 MiB of it are kept for ends (keep.c). Skips without the
 * right to mount one. */
static cluster *
new_on_disk(void **state, int mib)
{
    char path[CLUSTER_PATH_MAX], size[32];
    cluster *c = cluster_new(state, CLUSTER_STORE);
    cluster_get_path(c, "store", path);
    (void)snprintf(size, sizeof size, "size=%dm", mib);
    assert_int_equal(mkdir(path, 0700), 0);
    if (mount("tmpfs", path, "tmpfs", 0, size) != 0) {
        print_message("SKIPPED: no disk in memory can be mounted: %s\n", strerror(errno));
        skip();
    }
    cluster_start_master(c);
    cluster_await_workers(c, 0); // until it answers
    return c;
}

static int
disk_teardown(void **state)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(*state, "store", path);
    (void)umount2(path, MNT_DETACH); // not mounted where the test was skipped
    return cluster_teardown(state);
}

/* A file that takes all that is left. */
static void
fill_disk(cluster *c)
{
    static const char zeros[1 << 16];
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "store/ballast", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    size_t bytes = sizeof zeros;
    while (bytes > 0)
        if (write(fd, zeros, bytes) <= 0)
            bytes /= 2;
    assert_int_equal(close(fd), 0);
}

static void
remove_ballast(cluster *c)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "store/ballast", path);
    assert_int_equal(unlink(path), 0);
}

static void
a_disk_that_is_too_small_is_said_at_the_start(void **state)
{
    cluster *c = new_on_disk(state, 40);
    assert_non_null(strstr(cluster_get_master_log(c), "store_full"));
}

/* Refused as it should be, after so many `retries` (-1: none); true: taken. */
static bool
submit_or_be_refused(cluster *c, int retries, char *ret_job)
{
    kofn_error error;
    kofn_client *brief = NULL;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c),
                                         .retries = retries};
    assert_ok(kofn_client_open(&options, &brief, &error));
    const kofn_status status = try_submit(brief, &large, ret_job, &error);
    kofn_client_close(&brief);
    if (status == KOFN_OK)
        return true;
    assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.text, "the store's disk has"));
    assert_non_null(strstr(error.text, "free some space"));
    return false;
}

static void
a_full_disk_refuses_new_jobs_until_results_were_fetched(void **state)
{
    enum { MOST = 64 };
    static char job[MOST][KOFN_CLIENT_JOB_MAX];
    cluster *c = new_on_disk(state, 70);
    size_t taken = 0;
    while (taken < MOST && submit_or_be_refused(c, -1, job[taken]))
        taken++;
    print_message("%zu jobs fill the disk\n", taken);
    assert_in_range(taken, 2, MOST - 1);
    cluster_start_worker(c, 0, "");
    for (size_t i = 0; i < taken; i++)
        await_product(c, job[i], &large);

    /* Twice what the disk holds: their products are there still, and go for those who come. A
     * client that is refused asks again by itself. */
    for (size_t i = 0; i < MOST; i++) {
        const time_t until = time(NULL) + PATIENCE_S;
        while (!submit_or_be_refused(c, 8, job[0]))
            assert_true(time(NULL) < until);
        await_product(c, job[0], &large);
    }
}

static void
an_end_that_the_disk_has_no_room_for_is_told_all_the_same(void **state)
{
    cluster *c = new_on_disk(state, 80);
    char first[KOFN_CLIENT_JOB_MAX], second[KOFN_CLIENT_JOB_MAX], later[KOFN_CLIENT_JOB_MAX];
    submit(c, &small, first);
    submit(c, &large, second);
    fill_disk(c);
    assert_false(submit_or_be_refused(c, -1, later));
    cluster_start_worker(c, 0, "");
    await_product(c, second, &large);
    await_product(c, first, &small);
    assert_non_null(strstr(cluster_get_master_log(c), "end_not_stored"));
    assert_non_null(strstr(cluster_get_master_log(c), "no_room"));
    const kofn_health health = cluster_check(c);
    assert_string_equal(health.status, "SERVING"); // what is there
    assert_non_null(strstr(health.why, "the store's disk has"));
    remove_ballast(c);
    submit(c, &large, later);
    await_product(c, later, &large);
    restart(c); // what could not be stored is run once more, and ends alike
    await_product(c, second, &large);
    await_product(c, later, &large);
}

static void
a_store_that_was_removed_takes_no_jobs_and_ends_those_it_has(void **state)
{
    cluster *c = cluster_new_ready(state, CLUSTER_STORE, 0);
    char path[CLUSTER_PATH_MAX], command[2 * CLUSTER_PATH_MAX], job[KOFN_CLIENT_JOB_MAX];
    char other[KOFN_CLIENT_JOB_MAX];
    kofn_error error;
    submit(c, &large, job);
    cluster_get_path(c, "store", path);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
    assert_fails(try_submit(cluster_get_client(c), &small, other, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "was removed"));
    cluster_start_worker(c, 0, "");
    await_product(c, job, &large);
    const kofn_health health = cluster_check(c);
    assert_string_equal(health.status, "NOT_SERVING");
    assert_non_null(strstr(health.why, "was removed"));
    assert_non_null(strstr(cluster_get_master_log(c), "end_not_stored"));
}

/* ---- a disk that takes nothing --------------------------------------------------------------- */

static bool
set_immutable(const char *path, bool wanted)
{
    int flags = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags = wanted ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (fd >= 0)
        (void)close(fd);
    return done;
}

/* No file system goes read-only while somebody writes, and rights do not hold for root. What is
 * immutable takes nothing either, not even by descriptors that are open. */
static bool
lock_store(cluster *c, bool wanted)
{
    static const char *const names[] = {"store/jobs.db", "store/jobs.db-wal", "store/spool",
                                        "store"};
    char path[CLUSTER_PATH_MAX];
    bool done = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cluster_get_path(c, names[i], path);
        done = set_immutable(path, wanted) && done;
    }
    return done;
}

/* Some file systems know the flag and write all the same, by descriptors that are open. */
static bool
can_lock(cluster *c)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "probe", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    const bool can = set_immutable(path, true) && write(fd, "x", 1) < 0;
    (void)close(fd);
    (void)set_immutable(path, false);
    return can;
}

static int
lock_teardown(void **state)
{
    (void)lock_store(*state, false); // nothing was locked where the test was skipped
    return cluster_teardown(state);
}

static cluster *
new_lockable(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    if (!can_lock(c)) {
        print_message("SKIPPED: nothing can be made immutable here\n");
        skip();
    }
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    cluster_await_workers(c, 1);
    return c;
}

static void
assert_refused(kofn_status status, const kofn_error *why)
{
    const kofn_error error = *why;
    assert_fails(status, KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "make the store writable again"));
}

static void
assert_nothing_is_taken(cluster *c, const char *operand)
{
    kofn_client *client = cluster_get_client(c);
    kofn_error error;
    char none[KOFN_CLIENT_JOB_MAX];
    assert_refused(try_submit(client, &small, none, &error), &error);
    assert_refused(try_submit(client, &large, none, &error), &error);
    const work sizes[] = {small, large};
    for (size_t i = 0; i < 2; i++) {
        double *a = test_matrix(sizes[i].rows, sizes[i].inner, 1);
        const kofn_matrix view = test_view(a, sizes[i].rows, sizes[i].inner);
        assert_refused(kofn_client_put(client, &view, NULL, none, &error), &error);
        free(a);
    }
    assert_refused(kofn_client_drop(client, operand, &error), &error);
    assert_int_equal(count_operands(c), 1); // it would be there after a restart, so it is
}

static void
a_store_that_cannot_be_written_takes_nothing_and_serves_what_it_has(void **state)
{
    cluster *c = new_lockable(state);
    kofn_client *client = cluster_get_client(c);
    kofn_error error;
    kofn_account account;
    char done[2][KOFN_CLIENT_JOB_MAX], open[2][KOFN_CLIENT_JOB_MAX], later[KOFN_CLIENT_JOB_MAX],
        operand[KOFN_CLIENT_JOB_MAX];
    submit(c, &small, done[0]);
    submit(c, &large, done[1]);
    await_done(c, done[0]);
    await_done(c, done[1]);
    cluster_signal_worker(c, 0, SIGKILL);
    (void)cluster_await_worker_end(c, 0);
    restart(c); // from here on their products are on disk alone
    put(c, &large, operand);
    work named = large;
    named.operand = operand;
    submit(c, &large, open[0]);
    submit(c, &named, open[1]);

    assert_true(lock_store(c, true));
    assert_nothing_is_taken(c, operand);
    await_product(c, done[0], &small);
    await_product(c, done[1], &large);
    assert_ok(kofn_client_get_job(client, open[1], &account, &error));
    cluster_start_worker(c, 0, "");
    await_product(c, open[0], &large);
    await_product(c, open[1], &named);
    assert_non_null(strstr(cluster_get_master_log(c), "end_not_stored"));
    (void)cluster_multiply(c,
                           &(product_wish){.rows = 9, .inner = 9, .cols = 9}); // leaves no record
    assert_nothing_is_taken(c, operand);

    assert_true(lock_store(c, false));
    submit(c, &large, later);
    await_product(c, later, &large);
    assert_ok(kofn_client_drop(client, operand, &error));
    assert_int_equal(count_operands(c), 0);
    restart(c); // ends that were not stored come again, though what one of them needs was dropped
    assert_int_equal(count_operands(c), 0);
    await_product(c, open[0], &large);
    await_product(c, open[1], &named);
    await_product(c, later, &large);
    await_product(c, done[1], &large);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_job_that_waits_for_a_worker_survives_the_master,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_running_job_begins_anew_with_the_code_that_was_chosen,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_result_survives_the_master_and_can_be_fetched_again,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_job_of_which_the_master_dies_has_failed_and_others_are_done,
                                  cluster_teardown),
        cmocka_unit_test_teardown(no_job_is_lost_at_any_failpoint, cluster_teardown),
        cmocka_unit_test_teardown(what_the_grace_time_does_not_finish_goes_on_at_the_next_start,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_repeated_key_is_the_same_job_after_a_restart, cluster_teardown),
        cmocka_unit_test_teardown(a_deadline_passes_while_the_master_is_away, cluster_teardown),
        cmocka_unit_test_teardown(a_cancelled_job_stays_cancelled, cluster_teardown),
        cmocka_unit_test_teardown(new_jobs_get_other_ids_and_all_are_listed, cluster_teardown),
        cmocka_unit_test_teardown(integers_and_outer_products_survive, cluster_teardown),
        cmocka_unit_test_teardown(a_job_and_an_operand_are_their_keys_after_a_restart,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_stored_operand_survives_the_master, cluster_teardown),
        cmocka_unit_test_teardown(a_dropped_operand_is_gone_and_a_job_that_names_it_goes_on,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_damaged_operand_fails_its_job_alone, cluster_teardown),
        cmocka_unit_test_teardown(a_damaged_result_is_data_loss_and_never_a_product,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_flipped_bit_in_a_row_fails_its_job_alone, cluster_teardown),
        cmocka_unit_test_teardown(a_damaged_page_costs_its_jobs_and_not_the_daemon,
                                  cluster_teardown),
        cmocka_unit_test_teardown(commits_that_damage_cuts_off_the_log_are_told, cluster_teardown),
        cmocka_unit_test_teardown(a_full_store_refuses_new_jobs_and_keeps_the_old,
                                  cluster_teardown),
        cmocka_unit_test_teardown(results_leave_the_disk_when_their_time_is_over, cluster_teardown),
        cmocka_unit_test_teardown(a_store_that_is_in_use_refuses_the_second_master,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_file_that_is_no_store_refuses_the_start, cluster_teardown),
        cmocka_unit_test_teardown(a_full_disk_refuses_new_jobs_until_results_were_fetched,
                                  disk_teardown),
        cmocka_unit_test_teardown(a_disk_that_is_too_small_is_said_at_the_start, disk_teardown),
        cmocka_unit_test_teardown(an_end_that_the_disk_has_no_room_for_is_told_all_the_same,
                                  disk_teardown),
        cmocka_unit_test_teardown(a_store_that_was_removed_takes_no_jobs_and_ends_those_it_has,
                                  cluster_teardown),
        cmocka_unit_test_teardown(
            a_store_that_cannot_be_written_takes_nothing_and_serves_what_it_has, lock_teardown),
    };
    return cmocka_run_group_tests_name("live_store", tests, NULL, NULL);
}
