/* Clients that somebody else wrote: REQ and DEALER sockets by hand, then everything that is wrong
 * with a message. After each the master must answer the next client as if nothing had been. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const double a_elements[] = {1, 2, 3, 4}, b_elements[] = {5, 6}, c_elements[] = {17, 39};

static const kofn_msg_product two_by_two = {.a = {.dtype = "f64", .rows = 2, .cols = 2},
                                            .b = {.dtype = "f64", .rows = 2, .cols = 1}};

/* Multiply, plain, with the blocks in the same message. */
static void
send_product(raw_peer *peer, uint64_t number)
{
    kofn_msg_call call = {.call = number, .timeout_ms = PATIENCE_S * 1000};
    raw_call(peer, &call, KOFN_METHOD_MULTIPLY, &two_by_two, true);
    raw_send_block(peer, a_elements, 2, 2, 0, true);
    raw_send_block(peer, b_elements, 2, 1, 0, false);
}

static void
expect_product(raw_peer *peer, uint64_t number)
{
    kofn_msg_outcome reply;
    raw_message message;
    raw_expect_reply(peer, number, KOFN_OK, KOFN_METHOD_MULTIPLY, &reply, &message);
    assert_int_equal(reply.c.rows, 2);
    assert_int_equal(reply.c.cols, 1);
    size_t seen = 0;
    for (size_t i = 1; i < message.count; i++) {
        size_t rows, cols;
        double got[2];
        const double *band = raw_get_block(&message.frame[i], &rows, &cols);
        assert_int_equal(cols, 1);
        assert_true(seen + rows <= 2);
        memcpy(got, band, rows * sizeof *got); // elements have no alignment
        for (size_t r = 0; r < rows; r++)
            assert_true(got[r] == c_elements[seen++]);
    }
    assert_int_equal(seen, 2);
    kofn_message_clear(&kofn_outcome_message, &reply);
    raw_message_fini(&message);
}

static void
assert_alive(cluster *c)
{
    raw_peer peer;
    raw_open(&peer, ZMQ_REQ, false, cluster_get_clients_endpoint(c));
    send_product(&peer, 1);
    expect_product(&peer, 1);
    raw_close(&peer);
}

static void
expect_failure(raw_peer *peer, uint64_t call, kofn_status status)
{
    raw_message message;
    raw_expect_reply(peer, call, status, KOFN_METHOD_MULTIPLY, NULL, &message);
    raw_message_fini(&message);
}

/* ---- what is right --------------------------------------------------------------------------- */

static void
a_req_client_multiplies_again_and_again(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    raw_peer peer;
    raw_open(&peer, ZMQ_REQ, false, cluster_get_clients_endpoint(c));
    for (uint64_t i = 1; i <= 3; i++) {
        send_product(&peer, i);
        expect_product(&peer, i);
    }
    raw_close(&peer);
}

static void
a_dealer_client_has_many_calls_open(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1); // one worker: replies in order of the calls
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    for (uint64_t i = 1; i <= 3; i++)
        send_product(&peer, i);
    bool seen[4] = {false};
    for (size_t i = 0; i < 3; i++) {
        kofn_msg_reply reply;
        raw_message message;
        raw_expect(&peer, "reply", &reply, &message);
        assert_int_equal(reply.status, KOFN_OK);
        assert_in_range(reply.call, 1, 3);
        assert_false(seen[reply.call]);
        seen[reply.call] = true;
        raw_message_fini(&message);
    }
    raw_close(&peer);
}

static void
a_streamed_call_comes_in_pieces(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    kofn_msg_call call = {.call = 9, .window = 1 << 20, .more = true};
    raw_call(&peer, &call, KOFN_METHOD_MULTIPLY, &two_by_two, true);
    raw_send_block(&peer, a_elements, 1, 2, 0, false);
    const kofn_msg_data rest[] = {{.id = 9, .more = true}, {.id = 9}};
    raw_send_start(&peer);
    raw_send_message(&peer, &kofn_data_message, &rest[0], true);
    raw_send_block(&peer, a_elements + 2, 1, 2, 1, false);
    raw_send_start(&peer);
    raw_send_message(&peer, &kofn_data_message, &rest[1], true);
    raw_send_block(&peer, b_elements, 2, 1, 0, false);
    expect_product(&peer, 9);
    raw_close(&peer);
}

static void
reflection_and_health_answer_a_req_client(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_message message;
    raw_open(&peer, ZMQ_REQ, false, cluster_get_clients_endpoint(c));

    kofn_msg_call call = {.call = 1};
    raw_call(&peer, &call, KOFN_METHOD_REFLECT, &(kofn_msg_nothing){0}, false);
    kofn_msg_reflection reflection;
    raw_expect_reply(&peer, 1, KOFN_OK, KOFN_METHOD_REFLECT, &reflection, &message);
    assert_int_equal(reflection.methods.count, KOFN_METHOD_COUNT);
    kofn_message_clear(&kofn_reflection_message, &reflection);
    raw_message_fini(&message);

    call = (kofn_msg_call){.call = 2};
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &(kofn_msg_check){.service = ""}, false);
    kofn_msg_health health;
    raw_expect_reply(&peer, 2, KOFN_OK, KOFN_METHOD_CHECK, &health, &message);
    assert_string_equal(health.status, "SERVING");
    kofn_message_clear(&kofn_health_message, &health);
    raw_message_fini(&message);

    call = (kofn_msg_call){.call = 3};
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &(kofn_msg_check){.service = "no.such"}, false);
    raw_expect_reply(&peer, 3, KOFN_OK, KOFN_METHOD_CHECK, &health, &message);
    assert_string_equal(health.status, "SERVICE_UNKNOWN");
    kofn_message_clear(&kofn_health_message, &health);
    raw_message_fini(&message);
    raw_close(&peer);
}

/* ---- what is wrong with an envelope ---------------------------------------------------------- */

static void
garbage_gets_a_reply_and_the_master_lives(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } garbage[] = {
        {"", 0},
        {"\xc1", 1},                              // a byte msgpack never uses
        {"GET / HTTP/1.0\r\n\r\n", 18},           // a number and something behind it
        {"\xdf\xff\xff\xff\xff", 5},              // a map of 4 billion entries
        {"\x81\xa4type\xdd\xff\xff\xff\xff", 11}, // an array of 4 billion
        {"\x81\xa4type\xa4"
         "ca",
         9}, // cut short
        {"\x81\xa4type\xa4"
         "ca\xff"
         "l",
         11},                    // no UTF-8
        {"\x81\xa4type\x07", 7}, // no text
    };
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        raw_send_start(&peer);
        raw_send(&peer, garbage[i].bytes, garbage[i].length, false);
        expect_failure(&peer, 0, KOFN_INVALID_ARGUMENT);
    }
    raw_close(&peer);
    assert_alive(c);
}

static void
unknown_types_and_methods_are_unimplemented(void **state)
{
    static const char no_type[] = "\x80", odd_type[] = "\x81\xa4type\xa5hallo";
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    raw_send_start(&peer);
    raw_send(&peer, no_type, sizeof no_type - 1, false);
    expect_failure(&peer, 0, KOFN_UNIMPLEMENTED);
    raw_send_start(&peer);
    raw_send(&peer, odd_type, sizeof odd_type - 1, false);
    expect_failure(&peer, 0, KOFN_UNIMPLEMENTED);
    const kofn_msg_call call = {
        .version = KOFN_PROTOCOL_VERSION, .call = 5, .method = "kofn.v1.Master/Divide"};
    raw_send_start(&peer);
    raw_send_message(&peer, &kofn_call_message, &call, false);
    expect_failure(&peer, 5, KOFN_UNIMPLEMENTED);
    raw_close(&peer);
    assert_alive(c);
}

static void
a_body_that_does_not_fit_names_its_field(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    const kofn_msg_call call = {.version = KOFN_PROTOCOL_VERSION,
                                .call = 6,
                                .method = "kofn.v1.Master/Multiply",
                                .body = {.bytes = "\x80", .length = 1}};
    raw_send_start(&peer);
    raw_send_message(&peer, &kofn_call_message, &call, false);
    kofn_msg_reply reply;
    raw_message message;
    raw_expect(&peer, "reply", &reply, &message);
    assert_int_equal(reply.status, KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(reply.message, "'a'") ? strstr(reply.message, "'a'")
                                                 : strstr(reply.message, "a"));
    raw_message_fini(&message);
    raw_close(&peer);
    assert_alive(c);
}

static void
a_message_without_delimiter_is_dropped(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, false, cluster_get_clients_endpoint(c));
    raw_send(&peer, "hallo", 5, false);
    raw_send(&peer, "hallo", 5, true);
    raw_send(&peer, "hallo", 5, false);
    peer.delimited = true;
    send_product(&peer, 1);
    expect_product(&peer, 1);
    raw_close(&peer);
}

static void
an_envelope_over_the_limit_is_refused(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    const size_t length = KOFN_ENVELOPE_BYTES_MAX + 1;
    char *large = calloc(length, 1);
    assert_non_null(large);
    raw_send_start(&peer);
    raw_send(&peer, large, length, false);
    expect_failure(&peer, 0, KOFN_INVALID_ARGUMENT);
    raw_close(&peer);
    free(large);
    assert_alive(c);
}

static void
a_frame_over_the_limit_costs_the_connection_and_no_more(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    const size_t length = (size_t)KOFN_FRAME_BYTES_MAX + (1 << 20);
    const char *const endpoints[] = {cluster_get_clients_endpoint(c),
                                     cluster_get_workers_endpoint(c)};
    char *large = calloc(length, 1);
    assert_non_null(large);
    for (size_t i = 0; i < 2; i++) {
        raw_peer peer;
        raw_open(&peer, ZMQ_DEALER, i == 0, endpoints[i]);
        raw_send_start(&peer);
        raw_send(&peer, large, length, false);
        assert_alive(c);
        raw_close(&peer);
    }
    free(large);
    assert_alive(c);
}

/* ---- what is wrong with a call --------------------------------------------------------------- */

static void
a_number_that_is_open_is_refused_and_the_open_call_goes_on(void **state)
{
    cluster *c = cluster_new_ready(state, "", 0); // no worker: calls stay open
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    send_product(&peer, 4);
    send_product(&peer, 4);
    expect_failure(&peer, 4, KOFN_ALREADY_EXISTS);
    cluster_start_worker(c, 0, "");
    expect_product(&peer, 4);
    raw_close(&peer);
}

static void
wrong_products_are_refused(void **state)
{
    const kofn_msg_product wrong[] = {
        {.a = {.dtype = "f64", .rows = 2, .cols = 3}, .b = {.dtype = "f64", .rows = 2, .cols = 1}},
        {.a = {.dtype = "f64", .rows = 2, .cols = 2}, .b = {.dtype = "f32", .rows = 2, .cols = 1}},
        {.a = {.dtype = "i32", .rows = 2, .cols = 2}, .b = {.dtype = "i32", .rows = 2, .cols = 1}},
        {.a = {.dtype = "f99", .rows = 2, .cols = 2}, .b = {.dtype = "f99", .rows = 2, .cols = 1}},
        {.a = {.dtype = "f64", .rows = 2, .cols = 2},
         .b = {.dtype = "f64", .rows = 2, .cols = 1},
         .code = {.family = "rkpr"}},
        {.a = {.dtype = "f64", .rows = 2, .cols = 2},
         .b = {.dtype = "f64", .rows = 2, .cols = 1},
         .code = {.family = "polynomial", .x = 2, .z = 1, .y = 2, .tasks = 3}}, // k = 4 > n
        {.a = {.dtype = "f64", .rows = 2, .cols = 2},
         .b = {.dtype = "f64", .rows = 2, .cols = 1},
         .policy = "hope"},
        {.a = {.dtype = "f64", .rows = 2, .cols = 2},
         .b = {.dtype = "f64", .rows = 2, .cols = 1},
         .field = "gf256"},
    };
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_msg_call call = {.call = i + 1};
        raw_call(&peer, &call, KOFN_METHOD_MULTIPLY, &wrong[i], false);
        kofn_msg_reply reply;
        raw_message message;
        raw_expect(&peer, "reply", &reply, &message);
        assert_int_equal(reply.call, i + 1);
        assert_true(reply.status == KOFN_INVALID_ARGUMENT || reply.status == KOFN_NOT_FOUND ||
                    reply.status == KOFN_UNIMPLEMENTED || reply.status == KOFN_OUT_OF_RANGE);
        assert_true(strlen(reply.message) > 0);
        raw_message_fini(&message);
    }
    raw_close(&peer);
    assert_alive(c);
}

/* A plain product whose blocks are `shape[i]` = rows, cols, first row. */
static void
expect_refusal_of_blocks(cluster *c, const size_t shape[][3], size_t count)
{
    const double zeros[64] = {0};
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    kofn_msg_call call = {.call = 1};
    raw_call(&peer, &call, KOFN_METHOD_MULTIPLY, &two_by_two, count > 0);
    for (size_t i = 0; i < count; i++)
        raw_send_block(&peer, zeros, shape[i][0], shape[i][1], shape[i][2], i + 1 < count);
    expect_failure(&peer, 1, KOFN_INVALID_ARGUMENT);
    raw_close(&peer);
}

static void
blocks_that_do_not_fit_are_refused(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    static const size_t too_few[][3] = {{2, 2, 0}}, too_wide[][3] = {{2, 3, 0}, {2, 1, 0}},
                        too_many[][3] = {{2, 2, 0}, {2, 1, 0}, {2, 1, 0}},
                        gap[][3] = {{1, 2, 1}, {2, 1, 0}}, too_long[][3] = {{3, 2, 0}, {2, 1, 0}};
    expect_refusal_of_blocks(c, NULL, 0);
    expect_refusal_of_blocks(c, too_few, 1);
    expect_refusal_of_blocks(c, too_wide, 2);
    expect_refusal_of_blocks(c, too_many, 3);
    expect_refusal_of_blocks(c, gap, 2);
    expect_refusal_of_blocks(c, too_long, 2);
    assert_alive(c);
}

static void
a_block_that_is_none_is_refused(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
    /* An f64 block of 2^40 x 2^40 with no elements, and noise. */
    static const char hostile[] = "\x95\x01\xcf\0\0\1\0\0\0\0\0\xcf\0\0\1\0\0\0\0\0\0\xc4\0";
    const struct {
        const char *bytes;
        size_t length;
    } blocks[] = {{hostile, sizeof hostile - 1}, {"noise", 5}, {"", 0}};
    for (uint64_t i = 0; i < 3; i++) {
        kofn_msg_call call = {.call = i + 1};
        raw_call(&peer, &call, KOFN_METHOD_MULTIPLY, &two_by_two, true);
        raw_send(&peer, blocks[i].bytes, blocks[i].length, false);
        expect_failure(&peer, i + 1, KOFN_INVALID_ARGUMENT);
    }
    raw_close(&peer);
    assert_alive(c);
}

static void
half_a_call_and_away(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    for (int i = 0; i < 3; i++) {
        raw_peer peer;
        raw_open(&peer, ZMQ_DEALER, true, cluster_get_clients_endpoint(c));
        kofn_msg_call call = {.call = 1, .window = 1 << 20, .more = true};
        raw_call(&peer, &call, KOFN_METHOD_MULTIPLY, &two_by_two, true);
        raw_send_block(&peer, a_elements, 1, 2, 0, false);
        call = (kofn_msg_call){.call = 2}; // its reply says that the half has arrived
        raw_call(&peer, &call, KOFN_METHOD_CHECK, &(kofn_msg_check){.service = ""}, false);
        raw_message message;
        raw_expect_reply(&peer, 2, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
        raw_message_fini(&message);
        raw_close(&peer);
        assert_alive(c);
    }
}

/* Bytes that are no ZeroMQ at all, and a greeting that never goes on. */
static void
strangers_on_the_port_do_no_harm(void **state)
{
    cluster *c = cluster_new_ready(state, "", 1);
    static const char http[] = "GET / HTTP/1.1\r\nHost: kofn\r\n\r\n",
                      greeting[] = "\xff\0\0\0\0\0\0\0\1\x7f\3";
    const char *const endpoints[] = {cluster_get_clients_endpoint(c),
                                     cluster_get_workers_endpoint(c)};
    for (size_t i = 0; i < 4; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int port = atoi(strrchr(endpoints[i % 2], ':') + 1);
        const struct sockaddr_in address = {.sin_family = AF_INET,
                                            .sin_port = htons((uint16_t)port),
                                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
        assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
        const char *bytes = i < 2 ? http : greeting;
        const size_t length = i < 2 ? sizeof http - 1 : sizeof greeting - 1;
        assert_int_equal(write(fd, bytes, length), (ssize_t)length);
        assert_alive(c);
        (void)close(fd);
    }
    assert_alive(c);
}

static kofn_status
call_as(kofn_client *client)
{
    kofn_worker_info *workers = NULL;
    size_t count = 0;
    kofn_error error;
    const kofn_status status = kofn_client_list_workers(client, &workers, &count, &error);
    free(workers);
    return status;
}

static kofn_client *
open_library_client(cluster *c, int retries)
{
    const kofn_client_options options = {
        .endpoint = cluster_get_clients_endpoint(c), .insist = true, .retries = retries};
    kofn_client *client = NULL;
    kofn_error error;
    assert_ok(kofn_client_open(&options, &client, &error));
    return client;
}

static void
a_client_beyond_the_limit_comes_again_until_there_is_room(void **state)
{
    cluster *c = cluster_new_ready(state, "limits:\n  connections: 2\n", 0);
    kofn_client *second = open_library_client(c, 0), *impatient = open_library_client(c, -1),
                *patient = open_library_client(c, 0);
    assert_int_equal(call_as(cluster_get_client(c)), KOFN_OK);
    assert_int_equal(call_as(second), KOFN_OK);
    assert_int_equal(call_as(impatient), KOFN_RESOURCE_EXHAUSTED);
    kofn_client_close(&second);
    assert_int_equal(call_as(patient), KOFN_OK);
    kofn_client_close(&impatient);
    kofn_client_close(&patient);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_req_client_multiplies_again_and_again, cluster_teardown),
        cmocka_unit_test_teardown(a_dealer_client_has_many_calls_open, cluster_teardown),
        cmocka_unit_test_teardown(a_streamed_call_comes_in_pieces, cluster_teardown),
        cmocka_unit_test_teardown(reflection_and_health_answer_a_req_client, cluster_teardown),
        cmocka_unit_test_teardown(garbage_gets_a_reply_and_the_master_lives, cluster_teardown),
        cmocka_unit_test_teardown(unknown_types_and_methods_are_unimplemented, cluster_teardown),
        cmocka_unit_test_teardown(a_body_that_does_not_fit_names_its_field, cluster_teardown),
        cmocka_unit_test_teardown(a_message_without_delimiter_is_dropped, cluster_teardown),
        cmocka_unit_test_teardown(an_envelope_over_the_limit_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_frame_over_the_limit_costs_the_connection_and_no_more,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_number_that_is_open_is_refused_and_the_open_call_goes_on,
                                  cluster_teardown),
        cmocka_unit_test_teardown(wrong_products_are_refused, cluster_teardown),
        cmocka_unit_test_teardown(blocks_that_do_not_fit_are_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_block_that_is_none_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(half_a_call_and_away, cluster_teardown),
        cmocka_unit_test_teardown(strangers_on_the_port_do_no_harm, cluster_teardown),
        cmocka_unit_test_teardown(a_client_beyond_the_limit_comes_again_until_there_is_room,
                                  cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
