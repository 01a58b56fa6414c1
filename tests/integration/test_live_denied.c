/* What the keys deny, each case between real daemons. The table at the foot is the count; the twins
 * of these cases that are let in are in test_live_keys.c, and at the table's end.
 */
#include "tests/integration/curve.h"
#include "tests/integration/keyring.h"

#include "tests/assert.h"

#include <stdlib.h>
#include <string.h>

/* ---- the handshake --------------------------------------------------------------------------- */

static void
assert_refused(void **state, const char *own, const char *master, const char *words)
{
    cluster *c = keyring_new_ready(state);
    kofn_error error;
    const double start = keyring_now_s();
    assert_fails(keyring_call(c, own, master, &error), KOFN_UNAUTHENTICATED);
    if (!strstr(error.text, words))
        fail_msg("'%s' is not in: %s", words, error.text);
    assert_true(keyring_now_s() - start < PATIENCE_S); // it did not wait in vain
}

static void
a_client_whose_key_is_not_listed_is_refused(void **state)
{
    assert_refused(state, "out/mallory.key", "keys/master.key", "does not take this key");
}

/* libzmq tells one that its master wants a key, or cuts it off before it can. */
static void
a_client_without_a_key_is_refused(void **state)
{
    assert_refused(state, NULL, NULL, "want");
}

static void
a_client_with_another_masters_certificate_is_refused(void **state)
{
    assert_refused(state, "keys/alice.key", "out/other.key",
                   "is the master's certificate at this end that master's");
}

static void
a_workers_key_is_refused_among_clients(void **state)
{
    assert_refused(state, "keys/w0.key", "keys/master.key", "does not take this key");
}

static void
assert_no_reply(cluster *c, const char *own)
{
    raw_peer peer;
    const kofn_msg_check body = {.service = ""};
    kofn_msg_call call = {.call = 1};
    keyring_open_raw(c, &peer, own, NULL, cluster_get_clients_endpoint(c), true);
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
    keyring_await_master_log(c, "connection_refused: its key is not among keys.allowed, or not in "
                                "that role from=clients");
    assert_false(keyring_hears_something(&peer));
    raw_close(&peer);
}

static void
the_masters_own_key_is_refused_among_clients(void **state)
{
    assert_no_reply(keyring_new_ready(state), "keys/master.key");
}

/* libzmq asks for the proof of who has the secret; ours is only to see that it is asked for. */
static void
a_public_key_without_its_secret_is_refused(void **state)
{
    cluster *c = keyring_new_ready(state);
    char alice[41], mallory[41], master[41];
    curve_peer peer;
    const curve_property none[] = {{NULL, NULL}};
    keyring_read(c, "keys/alice.key", "public-key", alice);
    keyring_read(c, "out/mallory.key_secret", "secret-key", mallory);
    keyring_read(c, "keys/master.key", "public-key", master);
    assert_false(curve_open(&peer, cluster_get_clients_endpoint(c), alice, mallory, master, none));
    curve_close(&peer);
}

static void
a_user_and_password_are_refused(void **state)
{
    cluster *c = keyring_new_ready(state);
    raw_peer peer = {.context = zmq_ctx_new(), .delimited = true};
    const kofn_msg_check body = {.service = ""};
    kofn_msg_call call = {.call = 1};
    peer.socket = zmq_socket(peer.context, ZMQ_DEALER);
    int rc = zmq_setsockopt(peer.socket, ZMQ_PLAIN_USERNAME, "alice", 5);
    rc |= zmq_setsockopt(peer.socket, ZMQ_PLAIN_PASSWORD, "alice", 5);
    rc |= zmq_connect(peer.socket, cluster_get_clients_endpoint(c));
    assert_int_equal(rc, 0);
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
    assert_false(keyring_hears_something(&peer));
    raw_close(&peer);
}

static void
assert_no_worker_by(cluster *c, const char *own)
{
    raw_peer peer;
    keyring_open_raw(c, &peer, own, NULL, cluster_get_workers_endpoint(c), false);
    keyring_say_hello(&peer, "stranger");
    keyring_await_master_log(c, "connection_refused: its key is not among keys.allowed, or not in "
                                "that role from=workers");
    assert_false(keyring_hears_something(&peer));
    cluster_await_workers(c, 1); // w0 alone
    raw_close(&peer);
}

static void
a_clients_key_is_refused_among_workers(void **state)
{
    assert_no_worker_by(keyring_new_ready(state), "keys/alice.key");
}

static void
an_admins_key_is_refused_among_workers(void **state)
{
    assert_no_worker_by(keyring_new_ready(state), "keys/boss.key");
}

static void
the_masters_own_key_is_refused_among_workers(void **state)
{
    assert_no_worker_by(keyring_new_ready(state), "keys/master.key");
}

static void
a_worker_whose_key_is_not_listed_is_refused_and_says_so(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_move(c, "out/w9.key", "keys/../w9.key");
    cluster_start_worker(c, 9, "keys:\n  own: w9.key\n  master: keys/master.key\n");
    keyring_await_log(c, "w9.log", "does not take this key");
    cluster_await_workers(c, 1);
}

static void
a_worker_without_a_key_is_refused_and_says_so(void **state)
{
    cluster *c = keyring_new_ready(state);
    cluster_start_worker(c, 9, "");
    keyring_await_log(c, "w9.log", "a key");
    cluster_await_workers(c, 1);
}

static void
a_worker_with_another_masters_certificate_is_refused_and_says_so(void **state)
{
    cluster *c = keyring_new_ready(state);
    cluster_start_worker(c, 1, "keys:\n  own: keys/w1.key\n  master: out/other.key\n");
    keyring_await_log(c, "w1.log", "is the master's certificate at this end that master's");
    cluster_await_workers(c, 1);
}

static void
a_key_in_two_roles_is_refused_in_both(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_await_status(c, "keys/alice.key", KOFN_OK);
    keyring_copy(c, "keys/alice.key", "keys/zoe.key");
    keyring_edit(c, "keys/zoe.key", "\"client\"", "\"admin\"");
    keyring_await_status(c, "keys/alice.key", KOFN_UNAUTHENTICATED);
    keyring_await_master_log(c, "key_ambiguous");
    assert_int_equal(keyring_call(c, "keys/bob.key", "keys/master.key", NULL), KOFN_OK);
}

/* ---- names that are not one's own ------------------------------------------------------------ */

/* The jobs that a raw client sees. */
static size_t
list_by_curve(curve_peer *peer)
{
    kofn_wire_buffer body = {0}, head = {0};
    kofn_error error;
    kofn_msg_list_jobs list = {.limit = 10};
    kofn_msg_call call = {.version = KOFN_PROTOCOL_VERSION, .call = 1};
    assert_ok(kofn_message_pack(&kofn_list_jobs_message, &list, &body, &error));
    call.body = (kofn_wire_raw){.bytes = body.at, .length = body.length};
    (void)snprintf(call.method, sizeof call.method, "%s",
                   kofn_method_get(KOFN_METHOD_LIST_JOBS)->name);
    assert_ok(kofn_message_pack(&kofn_call_message, &call, &head, &error));
    curve_send(peer, "", 0, true);
    curve_send(peer, head.at, head.length, false);
    kofn_wire_buffer_fini(&body);
    kofn_wire_buffer_fini(&head);

    static unsigned char frame[1 << 18];
    bool more = true;
    size_t length = curve_receive(peer, frame, sizeof frame, &more);
    while (more)
        length = curve_receive(peer, frame, sizeof frame, &more);
    kofn_msg_reply reply;
    kofn_msg_jobs jobs;
    assert_ok(kofn_message_unpack(&kofn_reply_message, frame, length, &reply, &error));
    assert_int_equal(reply.status, KOFN_OK);
    assert_ok(kofn_message_unpack(&kofn_jobs_message, reply.body.bytes, reply.body.length, &jobs,
                                  &error));
    const size_t count = jobs.jobs.count;
    kofn_message_clear(&kofn_jobs_message, &jobs);
    return count;
}

/* A peer may send properties along with its handshake; those of ZAP are not its to set. */
static void
a_client_that_calls_itself_an_admin_is_still_its_key(void **state)
{
    cluster *c = keyring_new_ready(state);
    char alice[41], secret[41], master[41], boss[41], job[KOFN_CLIENT_JOB_MAX];
    kofn_client *bob = keyring_open(c, "keys/bob.key");
    keyring_submit(bob, NULL, job);
    keyring_read(c, "keys/alice.key_secret", "public-key", alice);
    keyring_read(c, "keys/alice.key_secret", "secret-key", secret);
    keyring_read(c, "keys/master.key", "public-key", master);
    keyring_read(c, "keys/boss.key", "public-key", boss);
    const curve_property properties[] = {
        {"User-Id", boss}, {"X-Kofn-Seal", "0123456789abcdef0123456789abcdef"}, {NULL, NULL}};
    curve_peer peer;
    assert_true(
        curve_open(&peer, cluster_get_clients_endpoint(c), alice, secret, master, properties));
    assert_int_equal(list_by_curve(&peer), 0);
    curve_close(&peer);
    kofn_client_close(&bob);
}

/* Two clients with one routing id: the second one never gets what is the first one's. */
static void
a_clients_routing_id_that_is_taken_gives_nothing(void **state)
{
    cluster *c = keyring_new_ready(state);
    raw_peer first, second;
    raw_message message;
    const kofn_msg_check body = {.service = ""};
    keyring_open_raw(c, &first, "keys/alice.key", "same", cluster_get_clients_endpoint(c), true);
    kofn_msg_call call = {.call = 1};
    raw_call(&first, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&first, 1, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);

    keyring_open_raw(c, &second, "keys/bob.key", "same", cluster_get_clients_endpoint(c), true);
    raw_call(&second, &call, KOFN_METHOD_CHECK, &body, false);
    assert_false(keyring_hears_something(&second));
    call.call = 2;
    raw_call(&first, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&first, 2, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);
    raw_close(&second);
    raw_close(&first);
}

static void
expect_task(raw_peer *worker, kofn_msg_task *ret_task)
{
    raw_message message;
    raw_expect(worker, "task", ret_task, &message);
    raw_message_fini(&message);
}

/* A cluster whose one worker is ours, w0 by its key, and holds the one task of alice's job. It does
 * not beat, and is not lost for its silence. */
typedef struct theft {
    cluster *c;
    raw_peer worker, thief;
    kofn_client *alice;
    kofn_msg_task task;
    char job[KOFN_CLIENT_JOB_MAX];
} theft;

static void
begin_theft(void **state, theft *t)
{
    kofn_msg_welcome welcome;
    raw_message message;
    *t = (theft){.c = keyring_new(state)};
    keyring_edit(t->c, "master.yaml", KEYRING_MASTER, KEYRING_MASTER "silence: 10min\n");
    cluster_start_master(t->c);
    keyring_use(t->c, "keys/boss.key", "keys/master.key");
    keyring_open_raw(t->c, &t->worker, "keys/w0.key", "a worker",
                     cluster_get_workers_endpoint(t->c), false);
    keyring_say_hello(&t->worker, "w0");
    raw_expect(&t->worker, "welcome", &welcome, &message);
    raw_message_fini(&message);
    t->alice = keyring_open(t->c, "keys/alice.key");
    keyring_submit(t->alice, NULL, t->job);
    expect_task(&t->worker, &t->task);
}

/* The right answer by the right worker: that alone is the job's. */
static void
end_theft(theft *t)
{
    static const double square[4] = {7, 10, 15, 22};
    kofn_error error;
    raw_answer(&t->worker, &t->task, square, 2, 2);
    kofn_result *result =
        keyring_await_product(t->alice, t->job, "the answer of whose task it is counts");
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_memory_equal(c.data, square, sizeof square);
    kofn_result_destroy(&result);
    kofn_client_close(&t->alice);
    raw_close(&t->thief);
    raw_close(&t->worker);
}

static const double wrong[4] = {666, 666, 666, 666};

static void
a_workers_routing_id_that_is_taken_gives_no_task_and_no_answer(void **state)
{
    theft t;
    begin_theft(state, &t);
    keyring_open_raw(t.c, &t.thief, "keys/w1.key", "a worker", cluster_get_workers_endpoint(t.c),
                     false);
    raw_answer(&t.thief, &t.task, wrong, 2, 2);
    assert_false(keyring_hears_something(&t.thief));
    end_theft(&t);
}

/* Epoch and assignment are no secret that would make them somebody's. */
static void
an_answer_to_another_workers_task_does_not_count(void **state)
{
    theft t;
    kofn_msg_welcome welcome;
    raw_message message;
    begin_theft(state, &t);
    keyring_open_raw(t.c, &t.thief, "keys/w1.key", NULL, cluster_get_workers_endpoint(t.c), false);
    keyring_say_hello(&t.thief, "w0"); // by the other's name
    raw_expect(&t.thief, "welcome", &welcome, &message);
    raw_message_fini(&message);
    raw_answer(&t.thief, &t.task, wrong, 2, 2);
    const kofn_msg_result failed = {
        .assignment = t.task.assignment, .epoch = t.task.epoch, .status = KOFN_INTERNAL};
    raw_send_message(&t.thief, &kofn_result_message, &failed, false);
    cluster_await_workers(t.c, 2); // both were heard: beats came after the answers
    end_theft(&t);
}

/* A worker's message on the clients' socket, and the other way round, is nothing there. */
static void
a_client_is_no_worker_by_what_it_says(void **state)
{
    cluster *c = keyring_new_ready(state);
    raw_peer peer;
    raw_message message;
    keyring_open_raw(c, &peer, "keys/alice.key", NULL, cluster_get_clients_endpoint(c), true);
    raw_send_start(&peer);
    keyring_say_hello(&peer, "w7");
    raw_expect_reply(&peer, 0, KOFN_UNIMPLEMENTED, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);
    cluster_await_workers(c, 1);
    raw_close(&peer);
}

/* ---- keys that were taken back --------------------------------------------------------------- */

static void
a_client_that_is_revoked_is_refused_within_five_seconds(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_await_status(c, "keys/alice.key", KOFN_OK);
    keyring_move(c, "keys/alice.key", "out/alice.key");
    keyring_await_status(c, "out/alice.key", KOFN_UNAUTHENTICATED);
    assert_int_equal(keyring_call(c, "keys/bob.key", "keys/master.key", NULL), KOFN_OK);
}

/* On the link that was made while it was allowed. The master says in its log which list it goes by:
 * what it takes up after that line, it takes up by that list. */
static void
an_open_link_is_not_heard_after_its_key_was_revoked(void **state)
{
    cluster *c = keyring_new_ready(state);
    raw_peer peer;
    raw_message message;
    const kofn_msg_check body = {.service = ""};
    keyring_open_raw(c, &peer, "keys/bob.key", NULL, cluster_get_clients_endpoint(c), true);
    kofn_msg_call call = {.call = 1};
    raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
    raw_expect_reply(&peer, 1, KOFN_OK, KOFN_METHOD_CHECK, NULL, &message);
    raw_message_fini(&message);

    keyring_await_master_log(c, "keys_read: who may connect count=6\n"); // all six, with bob
    const double limit = keyring_now_s() + REVOKED_WITHIN_S;
    keyring_remove(c, "keys/bob.key");
    keyring_await_master_log(c, "keys_read: who may connect count=5\n");
    assert_true(keyring_now_s() < limit);
    for (call.call = 2; call.call < 5; call.call++) {
        raw_call(&peer, &call, KOFN_METHOD_CHECK, &body, false);
        raw_expect_reply(&peer, 0, KOFN_UNAUTHENTICATED, KOFN_METHOD_CHECK, NULL, &message);
        raw_message_fini(&message);
    }
    raw_close(&peer);
}

/* The master does not say of which call. */
static void
a_client_on_an_open_link_is_told_that_its_key_was_revoked(void **state)
{
    cluster *c = keyring_new_ready(state);
    kofn_client *bob = keyring_open(c, "keys/bob.key");
    kofn_error error;
    kofn_health health;
    assert_ok(kofn_client_check(bob, NULL, 1000 * PATIENCE_S, &health, &error));
    keyring_await_master_log(c, "keys_read: who may connect count=6\n");
    keyring_remove(c, "keys/bob.key");
    keyring_await_master_log(c, "keys_read: who may connect count=5\n");
    for (int i = 0; i < 2; i++) // then on a link of its own, which is refused
        assert_fails(kofn_client_check(bob, NULL, 1000 * PATIENCE_S, &health, &error),
                     KOFN_UNAUTHENTICATED);
    kofn_client_close(&bob);
}

static void
the_answer_of_a_worker_that_was_revoked_does_not_count(void **state)
{
    theft t;
    raw_message message;
    kofn_msg_refuse refuse;
    begin_theft(state, &t);
    keyring_remove(t.c, "keys/w0.key");
    const double limit = keyring_now_s() + REVOKED_WITHIN_S;
    keyring_await_master_log(t.c, "worker_lost: its key was revoked worker=w0");
    assert_true(keyring_now_s() < limit);
    raw_answer(&t.worker, &t.task, wrong, 2, 2);
    raw_expect(&t.worker, "refuse", &refuse, &message);
    assert_int_equal(refuse.status, KOFN_UNAUTHENTICATED);
    raw_message_fini(&message);

    raw_close(&t.worker); // and w1 does what it did not
    kofn_msg_welcome welcome;
    keyring_open_raw(t.c, &t.worker, "keys/w1.key", NULL, cluster_get_workers_endpoint(t.c), false);
    keyring_say_hello(&t.worker, "w1");
    raw_expect(&t.worker, "welcome", &welcome, &message);
    raw_message_fini(&message);
    expect_task(&t.worker, &t.task);
    end_theft(&t);
}

static void
a_client_whose_role_became_a_workers_is_refused(void **state)
{
    cluster *c = keyring_new_ready(state);
    keyring_await_status(c, "keys/alice.key", KOFN_OK);
    keyring_edit(c, "keys/alice.key", "\"client\"", "\"worker\"");
    keyring_await_status(c, "keys/alice.key", KOFN_UNAUTHENTICATED);
}

/* What it began to watch as an admin, too. */
static void
an_admin_that_became_a_client_sees_others_jobs_no_more(void **state)
{
    theft t;
    raw_peer boss;
    raw_message message;
    kofn_msg_job_ref watched = {.job = ""};
    kofn_msg_call call = {.call = 1, .window = 1 << 20};
    begin_theft(state, &t);
    (void)snprintf(watched.job, sizeof watched.job, "%s", t.job);
    keyring_open_raw(t.c, &boss, "keys/boss.key", NULL, cluster_get_clients_endpoint(t.c), true);
    raw_call(&boss, &call, KOFN_METHOD_WATCH, &watched, false);
    kofn_msg_event event;
    raw_expect(&boss, "event", &event, &message);
    raw_message_fini(&message);
    kofn_message_clear(&kofn_event_message, &event);
    keyring_edit(t.c, "keys/boss.key", "\"admin\"", "\"client\"");
    kofn_msg_reply reply;
    raw_expect(&boss, "reply", &reply, &message);
    assert_int_equal(reply.call, 1);
    assert_int_equal(reply.status, KOFN_NOT_FOUND);
    raw_message_fini(&message);
    call.call = 2;
    raw_call(&boss, &call, KOFN_METHOD_GET_JOB, &watched, false);
    raw_expect_reply(&boss, 2, KOFN_NOT_FOUND, KOFN_METHOD_GET_JOB, NULL, &message);
    raw_message_fini(&message);
    raw_close(&boss);
    end_theft(&t);
}

/* ---- what is another's ----------------------------------------------------------------------- */

/* Alice's job and operand, and bob. */
typedef struct house {
    cluster *c;
    kofn_client *alice, *bob;
    char job[KOFN_CLIENT_JOB_MAX], operand[KOFN_CLIENT_JOB_MAX];
} house;

static const double four[4] = {1, 2, 3, 4};

static house
enter(void **state)
{
    house h = {.c = keyring_new_ready(state)};
    const kofn_matrix a = test_view(four, 2, 2);
    kofn_error error;
    h.alice = keyring_open(h.c, "keys/alice.key");
    h.bob = keyring_open(h.c, "keys/bob.key");
    keyring_submit(h.alice, NULL, h.job);
    assert_ok(kofn_client_put(h.alice, &a, NULL, h.operand, &error));
    return h;
}

static void
leave(house *h)
{
    kofn_client_close(&h->alice);
    kofn_client_close(&h->bob);
}

static void
anothers_job_cannot_be_waited_for(void **state)
{
    house h = enter(state);
    kofn_result *result = NULL;
    kofn_error error;
    assert_fails(kofn_client_wait(h.bob, h.job, NULL, &result, &error), KOFN_NOT_FOUND);
    result = keyring_await_product(h.alice, h.job, "it is hers");
    kofn_result_destroy(&result);
    leave(&h);
}

static void
anothers_job_cannot_be_seen(void **state)
{
    house h = enter(state);
    kofn_account account;
    kofn_error error;
    assert_fails(kofn_client_get_job(h.bob, h.job, &account, &error), KOFN_NOT_FOUND);
    assert_ok(kofn_client_get_job(h.alice, h.job, &account, &error));
    leave(&h);
}

static void
anothers_job_cannot_be_cancelled(void **state)
{
    house h = enter(state);
    kofn_account account;
    kofn_result *result = NULL;
    kofn_error error;
    assert_fails(kofn_client_cancel(h.bob, h.job, &account, &error), KOFN_NOT_FOUND);
    result = keyring_await_product(h.alice, h.job, "it is hers");
    kofn_result_destroy(&result);
    leave(&h);
}

static void
anothers_job_cannot_be_watched(void **state)
{
    house h = enter(state);
    raw_peer bob;
    raw_message message;
    kofn_msg_job_ref watched = {.job = ""};
    kofn_msg_call call = {.call = 1, .window = 1 << 20};
    (void)snprintf(watched.job, sizeof watched.job, "%s", h.job);
    keyring_open_raw(h.c, &bob, "keys/bob.key", NULL, cluster_get_clients_endpoint(h.c), true);
    raw_call(&bob, &call, KOFN_METHOD_WATCH, &watched, false);
    raw_expect_reply(&bob, 1, KOFN_NOT_FOUND, KOFN_METHOD_WATCH, NULL, &message);
    raw_message_fini(&message);
    raw_close(&bob);
    leave(&h);
}

static void
anothers_jobs_are_not_listed(void **state)
{
    house h = enter(state);
    kofn_account *jobs = NULL;
    size_t count = 1;
    kofn_error error;
    assert_ok(kofn_client_list_jobs(h.bob, 100, &jobs, &count, &error));
    assert_int_equal(count, 0);
    free(jobs);
    leave(&h);
}

static void
anothers_operand_cannot_be_used(void **state)
{
    house h = enter(state);
    const kofn_matrix a = test_view(four, 2, 2), stored = {.operand = h.operand};
    kofn_result *result = NULL;
    kofn_error error;
    assert_fails(kofn_client_multiply(h.bob, &stored, &a, NULL, &result, &error), KOFN_NOT_FOUND);
    assert_ok(kofn_client_multiply(h.alice, &stored, &a, NULL, &result, &error));
    kofn_result_destroy(&result);
    leave(&h);
}

static void
anothers_operand_cannot_be_dropped(void **state)
{
    house h = enter(state);
    kofn_error error;
    assert_fails(kofn_client_drop(h.bob, h.operand, &error), KOFN_NOT_FOUND);
    assert_ok(kofn_client_drop(h.alice, h.operand, &error));
    leave(&h);
}

static void
anothers_operands_are_not_listed(void **state)
{
    house h = enter(state);
    kofn_operand_info *operands = NULL;
    size_t count = 1;
    kofn_error error;
    assert_ok(kofn_client_list_operands(h.bob, &operands, &count, &error));
    assert_int_equal(count, 0);
    free(operands);
    leave(&h);
}

/* Its idempotency key names a request of its own. */
static void
anothers_idempotency_key_gives_another_job(void **state)
{
    house h = enter(state);
    char of_alice[KOFN_CLIENT_JOB_MAX], again[KOFN_CLIENT_JOB_MAX], of_bob[KOFN_CLIENT_JOB_MAX];
    keyring_submit(h.alice, "the same", of_alice);
    kofn_client_close(&h.alice);
    h.alice = keyring_open(h.c, "keys/alice.key"); // another connection of the same key
    keyring_submit(h.alice, "the same", again);
    keyring_submit(h.bob, "the same", of_bob);
    assert_string_equal(of_alice, again);
    assert_string_not_equal(of_alice, of_bob);
    leave(&h);
}

/* Nothing of the above holds for an admin. */
/* A stream of alice's, and what a call about it by somebody comes to. */
typedef struct stream_house {
    cluster *c;
    raw_peer alice, other;
    char stream[KOFN_ID_MAX];
} stream_house;

static stream_house
enter_with_stream(void **state, const char *other)
{
    stream_house h = {.c = keyring_new_ready(state)};
    const kofn_msg_open_stream asked = {.scheme = "uncoded", .slots = 1, .code = {.x = 1, .y = 1}};
    kofn_msg_call call = {.call = 1};
    kofn_msg_stream opened;
    raw_message message;
    keyring_open_raw(h.c, &h.alice, "keys/alice.key", NULL, cluster_get_clients_endpoint(h.c),
                     true);
    keyring_open_raw(h.c, &h.other, other, NULL, cluster_get_clients_endpoint(h.c), true);
    raw_call(&h.alice, &call, KOFN_METHOD_OPEN_STREAM, &asked, false);
    raw_expect_reply(&h.alice, 1, KOFN_OK, KOFN_METHOD_OPEN_STREAM, &opened, &message);
    memcpy(h.stream, opened.id, sizeof h.stream);
    kofn_message_clear(&kofn_stream_message, &opened);
    raw_message_fini(&message);
    return h;
}

static void
leave_stream(stream_house *h)
{
    raw_close(&h->alice);
    raw_close(&h->other);
}

static void
push_as(stream_house *h, raw_peer *who, uint64_t call_number, uint64_t index, kofn_status status)
{
    kofn_msg_push push = {.index = index,
                          .a = {.dtype = "f64", .rows = 2, .cols = 2},
                          .b = {.dtype = "f64", .rows = 2, .cols = 2}};
    kofn_msg_call call = {.call = call_number};
    raw_message message;
    (void)snprintf(push.stream, sizeof push.stream, "%s", h->stream);
    raw_call(who, &call, KOFN_METHOD_PUSH, &push, true);
    raw_send_block(who, four, 2, 2, 0, true);
    raw_send_block(who, four, 2, 2, 0, false);
    raw_expect_reply(who, call_number, status, KOFN_METHOD_PUSH, NULL, &message);
    raw_message_fini(&message);
}

static void
close_as(stream_house *h, raw_peer *who, uint64_t call_number, kofn_status status)
{
    kofn_msg_close_stream close = {.abandon = true};
    kofn_msg_call call = {.call = call_number};
    raw_message message;
    (void)snprintf(close.stream, sizeof close.stream, "%s", h->stream);
    raw_call(who, &call, KOFN_METHOD_CLOSE_STREAM, &close, false);
    raw_expect_reply(who, call_number, status, KOFN_METHOD_CLOSE_STREAM, NULL, &message);
    raw_message_fini(&message);
}

static size_t
count_streams_as(raw_peer *who, uint64_t call_number)
{
    kofn_msg_call call = {.call = call_number};
    const kofn_msg_nothing nothing = {0};
    kofn_msg_streams list;
    raw_message message;
    raw_call(who, &call, KOFN_METHOD_LIST_STREAMS, &nothing, false);
    raw_expect_reply(who, call_number, KOFN_OK, KOFN_METHOD_LIST_STREAMS, &list, &message);
    const size_t count = list.streams.count;
    kofn_message_clear(&kofn_streams_message, &list);
    raw_message_fini(&message);
    return count;
}

static void
anothers_stream_cannot_be_pushed_to(void **state)
{
    stream_house h = enter_with_stream(state, "keys/bob.key");
    push_as(&h, &h.alice, 2, 1, KOFN_OK);
    push_as(&h, &h.other, 1, 2, KOFN_NOT_FOUND);
    push_as(&h, &h.other, 2, 1, KOFN_NOT_FOUND); // the product that is kept
    push_as(&h, &h.alice, 3, 2, KOFN_OK);
    leave_stream(&h);
}

static void
anothers_stream_cannot_be_closed(void **state)
{
    stream_house h = enter_with_stream(state, "keys/bob.key");
    close_as(&h, &h.other, 1, KOFN_NOT_FOUND);
    push_as(&h, &h.alice, 2, 1, KOFN_OK);
    close_as(&h, &h.alice, 3, KOFN_OK);
    leave_stream(&h);
}

static void
anothers_streams_are_not_listed(void **state)
{
    stream_house h = enter_with_stream(state, "keys/bob.key");
    assert_int_equal(count_streams_as(&h.other, 1), 0);
    assert_int_equal(count_streams_as(&h.alice, 2), 1);
    leave_stream(&h);
}

static void
an_admin_may_use_anothers_stream(void **state)
{
    stream_house h = enter_with_stream(state, "keys/boss.key");
    push_as(&h, &h.other, 1, 1, KOFN_OK);
    push_as(&h, &h.alice, 2, 1, KOFN_OK); // it is alice's, whoever pushed it
    assert_int_equal(count_streams_as(&h.other, 2), 1);
    close_as(&h, &h.other, 3, KOFN_OK);
    leave_stream(&h);
}

static void
an_admin_may_all_of_that(void **state)
{
    house h = enter(state);
    kofn_client *boss = cluster_get_client(h.c);
    const kofn_matrix a = test_view(four, 2, 2), stored = {.operand = h.operand};
    kofn_account account, *jobs = NULL;
    kofn_operand_info *operands = NULL;
    kofn_result *result = NULL;
    size_t count = 0;
    kofn_error error;
    assert_ok(kofn_client_list_jobs(boss, 100, &jobs, &count, &error));
    assert_int_equal(count, 1);
    assert_ok(kofn_client_list_operands(boss, &operands, &count, &error));
    assert_int_equal(count, 1);
    assert_ok(kofn_client_get_job(boss, h.job, &account, &error));
    result = keyring_await_product(boss, h.job, "an admin may wait for it");
    kofn_result_destroy(&result);
    assert_ok(kofn_client_cancel(boss, h.job, &account, &error)); // over, and so it stays
    assert_ok(kofn_client_multiply(boss, &stored, &a, NULL, &result, &error));
    kofn_result_destroy(&result);
    assert_ok(kofn_client_drop(boss, h.operand, &error));
    free(jobs);
    free(operands);
    leave(&h);
}

#define LIVE(name_) cmocka_unit_test_setup_teardown(name_, keyring_setup, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(a_client_whose_key_is_not_listed_is_refused),
        LIVE(a_client_without_a_key_is_refused),
        LIVE(a_client_with_another_masters_certificate_is_refused),
        LIVE(a_workers_key_is_refused_among_clients),
        LIVE(the_masters_own_key_is_refused_among_clients),
        LIVE(a_public_key_without_its_secret_is_refused),
        LIVE(a_user_and_password_are_refused),
        LIVE(a_clients_key_is_refused_among_workers),
        LIVE(an_admins_key_is_refused_among_workers),
        LIVE(the_masters_own_key_is_refused_among_workers),
        LIVE(a_worker_whose_key_is_not_listed_is_refused_and_says_so),
        LIVE(a_worker_without_a_key_is_refused_and_says_so),
        LIVE(a_worker_with_another_masters_certificate_is_refused_and_says_so),
        LIVE(a_key_in_two_roles_is_refused_in_both),
        LIVE(a_client_that_calls_itself_an_admin_is_still_its_key),
        LIVE(a_clients_routing_id_that_is_taken_gives_nothing),
        LIVE(a_workers_routing_id_that_is_taken_gives_no_task_and_no_answer),
        LIVE(an_answer_to_another_workers_task_does_not_count),
        LIVE(a_client_is_no_worker_by_what_it_says),
        LIVE(a_client_that_is_revoked_is_refused_within_five_seconds),
        LIVE(an_open_link_is_not_heard_after_its_key_was_revoked),
        LIVE(a_client_on_an_open_link_is_told_that_its_key_was_revoked),
        LIVE(the_answer_of_a_worker_that_was_revoked_does_not_count),
        LIVE(a_client_whose_role_became_a_workers_is_refused),
        LIVE(an_admin_that_became_a_client_sees_others_jobs_no_more),
        LIVE(anothers_job_cannot_be_waited_for),
        LIVE(anothers_job_cannot_be_seen),
        LIVE(anothers_job_cannot_be_cancelled),
        LIVE(anothers_job_cannot_be_watched),
        LIVE(anothers_jobs_are_not_listed),
        LIVE(anothers_operand_cannot_be_used),
        LIVE(anothers_operand_cannot_be_dropped),
        LIVE(anothers_operands_are_not_listed),
        LIVE(anothers_idempotency_key_gives_another_job),
        LIVE(anothers_stream_cannot_be_pushed_to),
        LIVE(anothers_stream_cannot_be_closed),
        LIVE(anothers_streams_are_not_listed),
        LIVE(an_admin_may_use_anothers_stream),
        LIVE(an_admin_may_all_of_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
