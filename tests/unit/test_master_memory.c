/* A master whose memory ends when it lists who has come: they are told, and may come again. */
#include "tests/unit/master_stage.h"

#include <czmq.h>
#include <stdatomic.h>

static atomic_int refused; // so many inserts find no memory

int __real_zhashx_insert(zhashx_t *table, const void *key, void *item);
int __wrap_zhashx_insert(zhashx_t *table, const void *key, void *item);

int
__wrap_zhashx_insert(zhashx_t *table, const void *key, void *item)
{
    if (atomic_fetch_sub(&refused, 1) > 0)
        return -1;
    return __real_zhashx_insert(table, key, item);
}

static void
a_client_that_cannot_be_listed_is_told(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    refused = 1;
    send_call(client, 1, KOFN_METHOD_CHECK, NULL, NULL);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.call, 0);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_true(reply.retry_ms > 0);
    (void)check_health(client);
}

static void
a_worker_that_cannot_be_listed_is_told(void **state)
{
    stage *s = *state;
    kofn_msg_refuse refuse;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = open_worker(s);
    assert_int_equal(check_health(client).workers, 0);
    const kofn_msg_hello hello = {
        .version = 1, .credit = 1, .window = worker->window, .name = "w", .fields = "f64"};
    refused = 1;
    post(worker, &kofn_hello_message, &hello);
    expect(worker, &kofn_refuse_message, &refuse);
    assert_int_equal(refuse.status, KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(check_health(client).workers, 0);
    kofn_msg_welcome welcome;
    post(worker, &kofn_hello_message, &hello);
    expect(worker, &kofn_welcome_message, &welcome);
    assert_int_equal(check_health(client).workers, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(a_client_that_cannot_be_listed_is_told),
        T(a_worker_that_cannot_be_listed_is_told),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
