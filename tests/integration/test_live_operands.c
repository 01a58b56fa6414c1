/* Stored operands with real daemons: put, many products, transposed use, drops, limits, and peers
 * that break off or send what nobody should. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

static kofn_error error;

/* M [rows, cols], stored, and what a test multiplies it with. */
enum { ROWS = 61, COLS = 47, OTHER = 33 };

typedef struct matrices {
    double *m, *turned; // M, and its transpose
    double *b, *r;      // [COLS, OTHER], [ROWS, OTHER]
    char id[KOFN_CLIENT_JOB_MAX];
} matrices;

static matrices
make_matrices(void)
{
    matrices x = {.m = test_matrix(ROWS, COLS, 1),
                  .turned = malloc(ROWS * COLS * sizeof(double)),
                  .b = test_matrix(COLS, OTHER, 2),
                  .r = test_matrix(ROWS, OTHER, 3)};
    assert_non_null(x.turned);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++)
            x.turned[j * ROWS + i] = x.m[i * COLS + j];
    return x;
}

static void
free_matrices(matrices *x)
{
    free(x->m);
    free(x->turned);
    free(x->b);
    free(x->r);
}

static void
put(kofn_client *client, matrices *x)
{
    const kofn_matrix view = test_view(x->m, ROWS, COLS);
    assert_ok(kofn_client_put(client, &view, NULL, x->id, &error));
}

static kofn_product_options
options_of(const char *family, const char *partition)
{
    kofn_product_options options = test_options(NULL, family);
    test_choose(&options, "partition", partition);
    return options;
}

/* M B, or with `transposed` M' R: right, and the account. */
static kofn_account
multiply(kofn_client *client, const matrices *x, bool transposed,
         const kofn_product_options *options)
{
    const kofn_matrix stored = {.operand = x->id, .transposed = transposed};
    const kofn_matrix other = test_view(transposed ? x->r : x->b, transposed ? ROWS : COLS, OTHER);
    kofn_result *result = NULL;
    kofn_matrix c;
    assert_ok(kofn_client_multiply(client, &stored, &other, options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal(c.rows, transposed ? COLS : ROWS);
    assert_int_equal(c.cols, OTHER);
    const kofn_account account = *kofn_result_get_account(result);
    if (transposed)
        assert_product(x->turned, x->r, &c, ROWS, account.amplification);
    else
        assert_product(x->m, x->b, &c, COLS, account.amplification);
    kofn_result_destroy(&result);
    return account;
}

static uint64_t
memory_of(kofn_client *client)
{
    kofn_health health;
    assert_ok(kofn_client_check(client, NULL, PATIENCE_S * 1000, &health, &error));
    return health.memory_bytes;
}

static size_t
count_operands(kofn_client *client)
{
    kofn_operand_info *operands = NULL;
    size_t count = 0;
    assert_ok(kofn_client_list_operands(client, &operands, &count, &error));
    free(operands);
    return count;
}

static void
await_memory(kofn_client *client, uint64_t bytes)
{
    while (memory_of(client) != bytes) // the test's own patience ends it
        ;
}

/* ---- products -------------------------------------------------------------------------------- */

/* Whichever task answers last: as many blocks of M as tasks were sent are there the second time. */
static void
check_second_product(kofn_client *client)
{
    matrices x = make_matrices();
    put(client, &x);
    const kofn_product_options options = options_of("rkrp", "2,1,2");
    assert_int_equal(multiply(client, &x, false, &options).blocks_reused, 0);
    for (size_t i = 0; i < 2; i++) {
        const kofn_account again = multiply(client, &x, false, &options);
        assert_true(again.blocks_reused > 0 && again.blocks_reused <= again.tasks_sent);
    }
    assert_ok(kofn_client_drop(client, x.id, &error));
    await_memory(client, 0);
    free_matrices(&x);
}

static void
a_second_product_reuses_what_the_first_encoded(void **state)
{
    check_second_product(cluster_get_client(cluster_new_ready(state, "", 4)));
}

static void
a_local_master_stores_operands_as_well(void **state)
{
    (void)state;
    const kofn_client_options options = {.local_workers = 4};
    kofn_client *client = NULL;
    assert_ok(kofn_client_open(&options, &client, &error));
    check_second_product(client);
    kofn_client_close(&client);
}

static void
every_family_multiplies_a_stored_operand_both_ways(void **state)
{
    static const struct {
        const char *family, *partition;
    } codes[] = {{"uncoded", "2,1,2"},
                 {"uncoded", "2,2,1"},
                 {"replication", "2,1,1"},
                 {"polynomial", "2,1,2"},
                 {"rkrp", "2,1,2"},
                 {"rkrp", "1,2,1"},
                 {"polynomial", "3,1,1"},
                 {"orthomatdot", "1,2,1"},
                 {"orthopoly", "2,1,2"},
                 {"polydot", "2,2,1"},
                 {NULL, NULL}};
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 5));
    matrices x = make_matrices();
    put(client, &x);
    for (size_t round = 0; round < 2; round++) // the second with whatever fits of the first
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
            const kofn_product_options options = options_of(codes[i].family, codes[i].partition);
            (void)multiply(client, &x, false, &options);
            (void)multiply(client, &x, true, &options);
        }
    free_matrices(&x);
}

/* The plain halves of M are M' cut by its columns. */
static void
a_transposed_product_reuses_what_a_plain_one_cut(void **state)
{
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 4));
    matrices x = make_matrices();
    put(client, &x);
    const kofn_product_options rows = options_of("uncoded", "2,1,1"),
                               inner = options_of("uncoded", "1,2,1");
    assert_int_equal(multiply(client, &x, false, &rows).blocks_reused, 0);
    assert_true(multiply(client, &x, true, &inner).blocks_reused >= 2);
    free_matrices(&x);
}

static void
a_column_major_matrix_is_stored_as_what_it_means(void **state)
{
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 2));
    matrices x = make_matrices();
    const kofn_matrix column_major = {
        .data = x.turned, .dtype = KOFN_F64, .rows = COLS, .cols = ROWS, .transposed = true};
    assert_ok(kofn_client_put(client, &column_major, NULL, x.id, &error));
    (void)multiply(client, &x, false, NULL);
    (void)multiply(client, &x, true, NULL);
    free_matrices(&x);
}

static void
both_factors_may_be_the_same_operand(void **state)
{
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 4));
    matrices x = make_matrices();
    put(client, &x);
    const kofn_product_options options = options_of("rkrp", "2,1,2");
    const kofn_matrix stored = {.operand = x.id}, turned = {.operand = x.id, .transposed = true};
    for (size_t i = 0; i < 2; i++) {
        kofn_result *result = NULL;
        kofn_matrix c;
        assert_ok(kofn_client_multiply(client, &turned, &stored, &options, &result, &error));
        assert_ok(kofn_result_get_matrix(result, &c, &error));
        assert_product(x.turned, x.m, &c, ROWS, kofn_result_get_account(result)->amplification);
        kofn_result_destroy(&result);
    }
    free_matrices(&x);
}

static void
many_clients_use_one_operand_at_once(void **state)
{
    enum { CLIENTS = 12 };
    cluster *c = cluster_new_ready(state, "", 4);
    matrices x = make_matrices();
    kofn_client *client[CLIENTS] = {0};
    kofn_call *call[CLIENTS] = {0};
    const kofn_client_options to = {.endpoint = cluster_get_clients_endpoint(c)};
    const kofn_product_options options = options_of("polynomial", "2,1,2");
    const kofn_matrix stored = {.operand = x.id}, b = test_view(x.b, COLS, OTHER);
    put(cluster_get_client(c), &x);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_ok(kofn_client_open(&to, &client[i], &error));
        assert_ok(kofn_client_start(client[i], &stored, &b, &options, &call[i], &error));
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        kofn_result *result = NULL;
        kofn_matrix product;
        assert_ok(kofn_call_finish(&call[i], &result, &error));
        assert_ok(kofn_result_get_matrix(result, &product, &error));
        assert_product(x.m, x.b, &product, COLS, kofn_result_get_account(result)->amplification);
        kofn_result_destroy(&result);
        kofn_client_close(&client[i]);
    }
    free_matrices(&x);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
an_operand_dropped_in_use_serves_the_job_to_its_end(void **state)
{
    cluster *c = cluster_new(state, "");
    cluster_start_master(c);
    cluster_start_worker(c, 0, "inject:\n  sleep: 1s\n");
    cluster_await_workers(c, 1);
    kofn_client *client = cluster_get_client(c);
    matrices x = make_matrices();
    put(client, &x);
    const kofn_matrix stored = {.operand = x.id}, b = test_view(x.b, COLS, OTHER);
    const kofn_product_options options = options_of("uncoded", "2,1,1");
    char job[KOFN_CLIENT_JOB_MAX];
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_client_submit(client, &stored, &b, &options, job, &error));
    cluster_await_running(c, 0, 1);
    assert_ok(kofn_client_drop(client, x.id, &error));
    assert_int_equal(count_operands(client), 0);
    assert_fails(kofn_client_submit(client, &stored, &b, &options, job, &error), KOFN_NOT_FOUND);
    assert_ok(kofn_client_wait(client, job, NULL, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(x.m, x.b, &product, COLS, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
    await_memory(client, 0);
    free_matrices(&x);
}

static void
an_operand_that_is_not_there_is_not_found(void **state)
{
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 1));
    const double one = 1;
    const kofn_matrix stored = {.operand = "00c0ffee00c0ffee"}, b = test_view(&one, 1, 1);
    kofn_result *result = NULL;
    assert_fails(kofn_client_drop(client, stored.operand, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_client_multiply(client, &stored, &b, NULL, &result, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "00c0ffee00c0ffee"));
    assert_null(result);
}

static void
a_master_that_was_restarted_has_no_operands(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    kofn_client *client = cluster_get_client(c);
    matrices x = make_matrices();
    kofn_result *result = NULL;
    const kofn_matrix b = test_view(x.b, COLS, OTHER);
    put(client, &x);
    const kofn_matrix stored = {.operand = x.id};
    cluster_signal_master(c, SIGKILL);
    (void)cluster_await_master_end(c);
    cluster_start_master(c);
    cluster_await_workers(c, 1);
    assert_fails(kofn_client_multiply(client, &stored, &b, NULL, &result, &error), KOFN_NOT_FOUND);
    put(client, &x);
    (void)multiply(client, &x, false, NULL);
    free_matrices(&x);
}

static void
an_operand_nobody_uses_is_dropped(void **state)
{
    kofn_client *client =
        cluster_get_client(cluster_new_ready(state, "limits:\n  keep_operands: 50ms\n", 1));
    matrices x = make_matrices();
    put(client, &x);
    while (count_operands(client) > 0) // the test's own patience ends it
        ;
    await_memory(client, 0);
    free_matrices(&x);
}

/* ---- limits and shapes ----------------------------------------------------------------------- */

static void
shapes_that_do_not_match_are_refused(void **state)
{
    kofn_client *client = cluster_get_client(cluster_new_ready(state, "", 1));
    matrices x = make_matrices();
    put(client, &x);
    kofn_result *result = NULL;
    const kofn_matrix r = test_view(x.r, ROWS, OTHER);
    const kofn_matrix wrong[] = {
        {.operand = x.id}, // M R
        {.operand = x.id, .dtype = KOFN_F64, .rows = COLS, .cols = ROWS, .transposed = true},
        {.operand = x.id, .dtype = KOFN_F32, .rows = ROWS, .cols = COLS, .transposed = true},
        {.operand = x.id, .rows = ROWS, .cols = COLS, .transposed = true}, // of no dtype
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(kofn_client_multiply(client, &wrong[i], &r, NULL, &result, &error),
                     KOFN_INVALID_ARGUMENT);
    const kofn_matrix right = {
        .operand = x.id, .dtype = KOFN_F64, .rows = ROWS, .cols = COLS, .transposed = true};
    assert_ok(kofn_client_multiply(client, &right, &r, NULL, &result, &error));
    kofn_result_destroy(&result);
    free_matrices(&x);
}

static void
what_has_no_room_is_refused(void **state)
{
    cluster *c = cluster_new_ready(state, "limits:\n  memory: 32MiB\n  operands: 2\n", 1);
    kofn_client *client = cluster_get_client(c);
    double *large = calloc(3000 * 2000, sizeof *large); // 46 MiB
    char id[KOFN_CLIENT_JOB_MAX];
    const kofn_matrix too_large = test_view(large, 3000, 2000), small = test_view(large, 10, 10);
    const kofn_client_options once = {.endpoint = cluster_get_clients_endpoint(c), .retries = -1};
    kofn_client *impatient = NULL;
    assert_non_null(large);
    assert_ok(kofn_client_open(&once, &impatient, &error));
    assert_fails(kofn_client_put(client, &too_large, NULL, id, &error), KOFN_RESOURCE_EXHAUSTED);
    for (size_t i = 0; i < 2; i++)
        assert_ok(kofn_client_put(client, &small, NULL, id, &error));
    assert_fails(kofn_client_put(impatient, &small, NULL, id, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_ok(kofn_client_drop(client, id, &error));
    assert_ok(kofn_client_put(impatient, &small, NULL, id, &error));
    kofn_client_close(&impatient);
    free(large);
}

/* ---- peers that break off, and worse --------------------------------------------------------- */

static void
start_upload(raw_peer *peer, uint64_t number, const char *dtype, uint64_t rows, uint64_t cols)
{
    kofn_msg_put_operand order = {.matrix = {.rows = rows, .cols = cols}};
    kofn_msg_call call = {.call = number, .window = 1 << 20, .more = true};
    (void)snprintf(order.matrix.dtype, sizeof order.matrix.dtype, "%s", dtype);
    raw_call(peer, &call, KOFN_METHOD_PUT_OPERAND, &order, true);
}

static void
a_client_gone_in_mid_upload_leaves_nothing(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    const double half[4] = {1, 2, 3, 4};
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    start_upload(&peer, 1, "f64", 4, 2);
    raw_send_block(&peer, half, 2, 2, 0, false);
    while (memory_of(cluster_get_client(c)) == 0) // the test's own patience ends it
        ;
    raw_close(&peer);
    await_memory(cluster_get_client(c), 0);
    assert_int_equal(count_operands(cluster_get_client(c)), 0);
}

static void
expect_refusal(raw_peer *peer, uint64_t call, kofn_status status)
{
    raw_message message;
    raw_expect_reply(peer, call, status, KOFN_METHOD_PUT_OPERAND, NULL, &message);
    raw_message_fini(&message);
}

static void
hostile_uploads_harm_nobody(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    static const double elements[4] = {1, 2, 3, 4};
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));

    start_upload(&peer, 1, "f64", 2, 2); // not a block
    raw_send(&peer, "\x95\x01\x02\x02\x00\xc6\xff\xff\xff\xff", 10, false);
    expect_refusal(&peer, 1, KOFN_INVALID_ARGUMENT);
    start_upload(&peer, 2, "f64", 2, 2); // of another shape
    raw_send_block(&peer, elements, 1, 4, 0, false);
    expect_refusal(&peer, 2, KOFN_INVALID_ARGUMENT);
    start_upload(&peer, 3, "f32", 2, 2); // of another dtype
    raw_send_block(&peer, elements, 2, 2, 0, false);
    expect_refusal(&peer, 3, KOFN_INVALID_ARGUMENT);
    start_upload(&peer, 4, "f64", 2, 2); // one row too many
    raw_send_block(&peer, elements, 1, 2, 0, true);
    raw_send_block(&peer, elements, 1, 2, 1, true);
    raw_send_block(&peer, elements, 1, 2, 2, false);
    expect_refusal(&peer, 4, KOFN_INVALID_ARGUMENT);
    start_upload(&peer, 5, "f64", 2, 2); // the second row first
    raw_send_block(&peer, elements, 1, 2, 1, false);
    expect_refusal(&peer, 5, KOFN_INVALID_ARGUMENT);
    start_upload(&peer, 6, "f64", 1000000, 1000000); // more than there is
    raw_send_block(&peer, elements, 1, 2, 0, false);
    expect_refusal(&peer, 6, KOFN_RESOURCE_EXHAUSTED);
    start_upload(&peer, 7, "f64", 2147483647, 2147483647); // than there can be
    raw_send_block(&peer, elements, 1, 2, 0, false);
    expect_refusal(&peer, 7, KOFN_OUT_OF_RANGE);
    raw_close(&peer);

    await_memory(cluster_get_client(c), 0);
    check_second_product(cluster_get_client(c));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_teardown(name_, cluster_teardown)
        T(a_second_product_reuses_what_the_first_encoded),
        cmocka_unit_test(a_local_master_stores_operands_as_well),
        T(every_family_multiplies_a_stored_operand_both_ways),
        T(a_transposed_product_reuses_what_a_plain_one_cut),
        T(a_column_major_matrix_is_stored_as_what_it_means),
        T(both_factors_may_be_the_same_operand),
        T(many_clients_use_one_operand_at_once),
        T(an_operand_dropped_in_use_serves_the_job_to_its_end),
        T(an_operand_that_is_not_there_is_not_found),
        T(a_master_that_was_restarted_has_no_operands),
        T(an_operand_nobody_uses_is_dropped),
        T(shapes_that_do_not_match_are_refused),
        T(what_has_no_room_is_refused),
        T(a_client_gone_in_mid_upload_leaves_nothing),
        T(hostile_uploads_harm_nobody),
#undef T
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
