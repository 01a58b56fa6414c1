/* Streams through libkofn and a network that ends connections in mid-sentence: each product comes
 * once, in its turn and right, and the master counts no job twice.
 */
#include "tests/assert.h"
#include "tests/faults/proxy.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"

#include <string.h>

enum { SIZE = 160, JOBS = 40 };

typedef struct operands {
    double *a[JOBS + 1], *b[JOBS + 1]; // from 1
} operands;

static void
make_operands(operands *o)
{
    for (size_t i = 1; i <= JOBS; i++) {
        o->a[i] = test_matrix(SIZE, SIZE, i);
        o->b[i] = test_matrix(SIZE, SIZE, 1000 + i);
    }
}

static void
free_operands(operands *o)
{
    for (size_t i = 1; i <= JOBS; i++) {
        free(o->a[i]);
        free(o->b[i]);
    }
}

/* Every seventh job names an operand that nobody stored: it fails, and alone. */
static bool
is_bad(size_t i)
{
    return i % 7 == 0;
}

static void
push(kofn_stream *stream, operands *o, size_t i)
{
    kofn_error error;
    const kofn_matrix a = test_view(o->a[i], SIZE, SIZE), b = test_view(o->b[i], SIZE, SIZE);
    const kofn_matrix nobodys = {.operand = "0123456789abcdef"};
    assert_ok(kofn_stream_push(stream, is_bad(i) ? &nobodys : &a, &b, o->a[i], &error));
}

static void
take(kofn_stream *stream, operands *o, size_t i)
{
    kofn_error error;
    kofn_stream_product product;
    kofn_matrix c;
    assert_ok(
        kofn_stream_next(stream, (int64_t)(cluster_get_patience_s() * 1000), &product, &error));
    if (product.index == 0)
        cluster_note_in_vain();
    assert_int_equal(product.index, i);
    assert_ptr_equal(product.context, o->a[i]);
    if (is_bad(i)) {
        assert_null(product.result);
        assert_int_equal(product.error.status, KOFN_NOT_FOUND);
        return;
    }
    if (!product.result)
        fail_msg("job %zu: %s", i, product.error.text);
    assert_ok(kofn_result_get_matrix(product.result, &c, &error));
    assert_int_equal(kofn_result_get_account(product.result)->index, i);
    assert_product(o->a[i], o->b[i], &c, SIZE,
                   kofn_result_get_account(product.result)->amplification);
    kofn_result_destroy(&product.result);
}

/* A push is 400 kB and a product half of it. Eight pushes are repeated on each connection, and then
 * it is to last for a product. */
static void
cut_sooner_or_later(fault_proxy *proxy, kofn_rng *rng)
{
    fault_proxy_get(proxy, FAULT_UP)->cut_after = 4000000 + (int64_t)(kofn_rng_u64(rng) % 2000000);
    fault_proxy_get(proxy, FAULT_DOWN)->cut_after = 300000 + (int64_t)(kofn_rng_u64(rng) % 1000000);
}

static void
run_jobs(kofn_stream *stream, operands *o, fault_proxy *proxy, kofn_rng *rng)
{
    size_t pushed = 0, taken = 0;
    while (taken < JOBS) {
        if (pushed < JOBS && kofn_stream_count(stream) < kofn_stream_get_limit(stream)) {
            push(stream, o, ++pushed);
            continue;
        }
        if (proxy)
            cut_sooner_or_later(proxy, rng);
        take(stream, o, ++taken);
    }
}

static void
connections_that_end_anywhere_cost_nothing(void **state)
{
    kofn_error error;
    kofn_rng rng;
    operands o;
    char endpoint[64];
    int port;
    kofn_client *client = NULL;
    kofn_stream *stream = NULL;
    kofn_stream_account account;
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng_init(&rng, test_seed(3), 0);
    make_operands(&o);
    fault_proxy *proxy =
        fault_proxy_new(atoi(strrchr(cluster_get_clients_endpoint(c), ':') + 1), &port);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    const kofn_client_options options = {.endpoint = endpoint,
                                         .patience_ms = PATIENCE_S * 1000,
                                         .insist = true,
                                         .backoff_ms = 1,
                                         .backoff_max_ms = 50};
    const kofn_stream_options wish = {
        .scheme = "dip", .code = {.x = 2, .z = 1, .y = 2}, .delay = 3, .grace_ms = 600000};
    assert_ok(kofn_client_open(&options, &client, &error));
    assert_ok(kofn_client_open_stream(client, &wish, &stream, &error));
    run_jobs(stream, &o, proxy, &rng);
    fault_proxy_heal(proxy);
    assert_ok(kofn_stream_close(&stream, &account, &error));
    print_message("%d connections were cut\n", (int)fault_proxy_count_cuts(proxy));
    assert_true(fault_proxy_count_cuts(proxy) >= 3);
    kofn_client_close(&client);
    fault_proxy_destroy(&proxy);
    assert_int_equal(account.pushed, JOBS);
    assert_int_equal(account.failed, JOBS / 7);
    assert_int_equal(account.done, JOBS - JOBS / 7);
    free_operands(&o);
}

static void
a_local_client_has_streams_as_well(void **state)
{
    static const char *const schemes[] = {"dip", "idip", "uncoded"};
    kofn_error error;
    operands o;
    kofn_client *client = NULL;
    const kofn_client_options options = {.local_workers = 3};
    (void)state;
    make_operands(&o);
    assert_ok(kofn_client_open(&options, &client, &error));
    for (size_t i = 0; i < 3; i++) {
        const kofn_stream_options wish = {.scheme = schemes[i]};
        kofn_stream *stream = NULL;
        kofn_stream_account account;
        assert_ok(kofn_client_open_stream(client, &wish, &stream, &error));
        run_jobs(stream, &o, NULL, NULL);
        assert_ok(kofn_stream_close(&stream, &account, &error));
        assert_string_equal(account.scheme, schemes[i]);
        assert_string_equal(account.state, "closed");
        assert_int_equal(account.pushed, JOBS);
    }
    kofn_client_close(&client);
    free_operands(&o);
}

/* Two at a time, and a product beside them: nobody gets another's. */
static void
streams_of_one_client_do_not_meet(void **state)
{
    enum { STREAMS = 2 };
    kofn_error error;
    operands o;
    kofn_stream *streams[STREAMS] = {0};
    kofn_call *call = NULL;
    kofn_result *result = NULL;
    kofn_matrix product;
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_client *client = cluster_get_client(c);
    make_operands(&o);
    for (size_t s = 0; s < STREAMS; s++)
        assert_ok(kofn_client_open_stream(client, NULL, &streams[s], &error));
    for (size_t i = 1; i <= 6; i++)
        for (size_t s = 0; s < STREAMS; s++)
            push(streams[s], &o, i);
    const kofn_matrix a = test_view(o.a[8], SIZE, SIZE), b = test_view(o.b[8], SIZE, SIZE);
    assert_ok(kofn_client_start(client, &a, &b, NULL, &call, &error));
    for (size_t s = STREAMS; s-- > 0;)
        for (size_t i = 1; i <= 6; i++)
            take(streams[s], &o, i);
    assert_ok(kofn_call_finish(&call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(o.a[8], o.b[8], &product, SIZE, kofn_result_get_account(result)->amplification);
    kofn_result_destroy(&result);
    for (size_t s = 0; s < STREAMS; s++)
        assert_ok(kofn_stream_close(&streams[s], NULL, &error));
    free_operands(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(connections_that_end_anywhere_cost_nothing, cluster_teardown),
        cmocka_unit_test(a_local_client_has_streams_as_well),
        cmocka_unit_test_teardown(streams_of_one_client_do_not_meet, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
