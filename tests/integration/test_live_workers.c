/* Workers that lie, babble or speak another language, beside one that works. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw.h"

/* Workers by hand do not beat: nobody is lost for silence here. */
#define PATIENT "silence: 10min\nheartbeat: 1s\n"

static const double zeros[128 * 128];

/* A job whose tasks go to the worker by hand, alone at first. */
typedef struct scene {
    cluster *c;
    raw_peer worker;
    kofn_msg_welcome welcome;
    kofn_call *call;
    double *a, *b;
} scene;

enum { SIDE = 64 };

static scene
begin(void **state)
{
    kofn_error error;
    scene s = {.c = cluster_new_ready(state, PATIENT, 0)};
    raw_join(&s.worker, cluster_get_workers_endpoint(s.c), "w9", &s.welcome);
    cluster_await_workers(s.c, 1);
    s.a = test_matrix(SIDE, SIDE, 1);
    s.b = test_matrix(SIDE, SIDE, 2);
    const kofn_matrix a = test_view(s.a, SIDE, SIDE), b = test_view(s.b, SIDE, SIDE);
    kofn_product_options options = {.policy = "oneshot"};
    assert_ok(kofn_code_choice_set(&options.code, "family", "uncoded", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,1,1", &error));
    assert_ok(kofn_client_start(cluster_get_client(s.c), &a, &b, &options, &s.call, &error));
    return s;
}

/* The call moves inside the client's functions, so poll it while the task is on its way. */
static kofn_msg_task
take_task(scene *s)
{
    kofn_msg_task task;
    raw_message message;
    zmq_pollitem_t item = {.socket = s->worker.socket, .events = ZMQ_POLLIN};
    while (zmq_poll(&item, 1, 10) == 0)
        assert_false(kofn_call_poll(s->call));
    raw_expect(&s->worker, "task", &task, &message);
    raw_message_fini(&message);
    return task;
}

/* The worker by hand goes, a real one comes and does what is left, and the product is right. */
static void
end_with_help(scene *s)
{
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix product;
    raw_close(&s->worker);
    cluster_start_worker(s->c, 0, "");
    assert_ok(kofn_call_finish(&s->call, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_product(s->a, s->b, &product, SIDE, 1);
    kofn_result_destroy(&result);
    free(s->a);
    free(s->b);
}

static void
hand_back(scene *s, const kofn_msg_task *task)
{
    const kofn_msg_result result = {
        .assignment = task->assignment, .epoch = task->epoch, .status = KOFN_UNAVAILABLE};
    raw_send_message(&s->worker, &kofn_result_message, &result, false);
}

static void
end_after_failure(scene *s)
{
    cluster_await_failed(s->c, 9, 1);
    end_with_help(s);
}

static void
a_result_of_the_wrong_shape_fails_the_assignment(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    raw_answer(&s.worker, &task, zeros, 3, 3);
    end_after_failure(&s);
}

static void
a_result_whose_blocks_belie_its_shape_fails_the_assignment(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    const kofn_msg_result result = {.assignment = task.assignment,
                                    .epoch = task.epoch,
                                    .c = {.dtype = "f64", .rows = task.a.rows, .cols = SIDE}};
    raw_send_message(&s.worker, &kofn_result_message, &result, true);
    raw_send_block(&s.worker, zeros, 1, 1, 0, false);
    end_after_failure(&s);
}

static void
a_result_without_blocks_fails_the_assignment(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    const kofn_msg_result result = {.assignment = task.assignment,
                                    .epoch = task.epoch,
                                    .c = {.dtype = "f64", .rows = task.a.rows, .cols = SIDE}};
    raw_send_message(&s.worker, &kofn_result_message, &result, false);
    end_after_failure(&s);
}

static void
a_refused_task_goes_to_another_worker(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    const kofn_msg_result result = {.assignment = task.assignment,
                                    .epoch = task.epoch,
                                    .status = KOFN_RESOURCE_EXHAUSTED,
                                    .message = "no memory"};
    raw_send_message(&s.worker, &kofn_result_message, &result, false);
    end_after_failure(&s);
}

static void
results_nobody_asked_for_are_dropped(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    kofn_msg_task other = task;
    other.assignment += 1000; // never given
    raw_answer(&s.worker, &other, zeros, task.a.rows, SIDE);
    other = task;
    other.epoch += 1; // another life of the master
    raw_answer(&s.worker, &other, zeros, task.a.rows, SIDE);
    end_with_help(&s);
}

static void
somebody_elses_result_is_dropped(void **state)
{
    scene s = begin(state);
    const kofn_msg_task task = take_task(&s);
    raw_peer thief;
    kofn_msg_welcome welcome;
    raw_join(&thief, cluster_get_workers_endpoint(s.c), "thief", &welcome);
    cluster_await_workers(s.c, 2);
    raw_answer(&thief, &task, zeros, task.a.rows, SIDE);
    const kofn_msg_bye bye = {.reason = "enough"};
    raw_send_message(&thief, &kofn_bye_message, &bye, false);
    end_with_help(&s);
    raw_close(&thief);
}

/* The right answer, twice, then once more when the job is long over. */
static void
a_result_that_comes_again_is_dropped(void **state)
{
    kofn_error error;
    scene s = begin(state);
    for (size_t i = 0; i < 2; i++) {
        const kofn_msg_task task = take_task(&s);
        for (int again = 0; again < 2; again++)
            raw_answer(&s.worker, &task, zeros, task.a.rows, SIDE);
    }
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(kofn_call_finish(&s.call, &result, &error)); // zeros: the master takes what it gets
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    assert_int_equal(kofn_result_get_account(result)->answers_used, 2);
    kofn_result_destroy(&result);
    const kofn_msg_task late = {.assignment = 1, .epoch = s.welcome.epoch};
    raw_answer(&s.worker, &late, zeros, SIDE / 2, SIDE);
    raw_close(&s.worker);
    cluster_start_worker(s.c, 0, "");
    cluster_await_workers(s.c, 1);
    (void)cluster_multiply(s.c, &(product_wish){.rows = 50, .inner = 40, .cols = 30});
    free(s.a);
    free(s.b);
}

static void
an_ack_for_more_than_was_sent_ends_the_worker(void **state)
{
    scene s = begin(state);
    (void)take_task(&s);
    const kofn_msg_ack ack = {.bytes = (uint64_t)1 << 40};
    raw_send_message(&s.worker, &kofn_ack_message, &ack, false);
    end_with_help(&s);
}

static void
another_version_of_the_protocol_is_refused(void **state)
{
    cluster *c = cluster_new_ready(state, PATIENT, 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, false, cluster_get_workers_endpoint(c));
    const kofn_msg_hello old = {
        .version = 0, .name = "old", .fields = "f64", .credit = 1, .window = 1 << 20};
    raw_send_message(&peer, &kofn_hello_message, &old, false);
    kofn_msg_refuse refuse;
    raw_message message;
    raw_expect(&peer, "refuse", &refuse, &message);
    assert_int_equal(refuse.status, KOFN_UNIMPLEMENTED);
    assert_true(strlen(refuse.message) > 0);
    raw_message_fini(&message);
    cluster_await_workers(c, 1);
    raw_close(&peer);
}

static void
who_does_not_say_hello_is_told_to(void **state)
{
    cluster *c = cluster_new_ready(state, PATIENT, 1);
    raw_peer peer;
    raw_open(&peer, ZMQ_DEALER, false, cluster_get_workers_endpoint(c));
    const kofn_msg_heartbeat heartbeat = {.tasks = 0};
    raw_send_message(&peer, &kofn_heartbeat_message, &heartbeat, false);
    kofn_msg_refuse refuse;
    raw_message message;
    raw_expect(&peer, "refuse", &refuse, &message);
    assert_int_equal(refuse.status, KOFN_FAILED_PRECONDITION);
    raw_message_fini(&message);
    raw_close(&peer);
}

static void
garbage_from_a_worker_is_dropped(void **state)
{
    scene s = begin(state);
    static const char *const garbage[] = {"", "\xc1", "hallo", "\xdf\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        raw_send(&s.worker, garbage[i], strlen(garbage[i]), i % 2 == 0);
        if (i % 2 == 0)
            raw_send(&s.worker, "more", 4, false);
    }
    const kofn_msg_task task = take_task(&s);
    hand_back(&s, &task);
    end_after_failure(&s);
}

/* A second hello: the master gives the first one's work to others. */
static void
a_second_hello_starts_anew(void **state)
{
    scene s = begin(state);
    (void)take_task(&s);
    const kofn_msg_hello again = {.version = KOFN_PROTOCOL_VERSION,
                                  .name = "w9",
                                  .fields = "f64",
                                  .credit = 1,
                                  .window = 1 << 20};
    raw_send_message(&s.worker, &kofn_hello_message, &again, false);
    kofn_msg_welcome welcome;
    raw_message message;
    raw_expect(&s.worker, "welcome", &welcome, &message);
    raw_message_fini(&message);
    const kofn_msg_task task = take_task(&s);
    hand_back(&s, &task);
    end_after_failure(&s);
}

/* ---- real workers with faults ---------------------------------------------------------------- */

static void
a_frozen_worker_stays_connected_and_is_lost(void **state)
{
    cluster *c = cluster_new_ready(state, "", 2);
    cluster_start_worker(c, 2, "inject:\n  freeze_after: 1\n");
    cluster_await_workers(c, 3);
    const product_wish wish = {
        .rows = 64, .inner = 64, .cols = 64, .family = "uncoded", .partition = "3,1,3"};
    for (int i = 0; i < 3; i++)
        (void)cluster_multiply(c, &wish);
}

static void
a_straggler_does_not_hold_up_a_coded_job(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    cluster_start_worker(c, 4, "inject:\n  sleep: 1h\n  probability: 1.0\n");
    cluster_await_workers(c, 5);
    const product_wish wish = {.rows = 64,
                               .inner = 64,
                               .cols = 64,
                               .family = "polynomial",
                               .partition = "2,1,2",
                               .tasks = 5};
    (void)cluster_multiply(c, &wish);
}

/* Two halves of 500 x 500 x 500: 3 MB to each worker, less than a quarter of its window, and more
 * than 1e8 flops. */
static void
rates_of_workers_and_links_are_measured_for_plans(void **state)
{
    static const product_wish halves = {.rows = 500,
                                        .inner = 500,
                                        .cols = 500,
                                        .family = "uncoded",
                                        .partition = "2,1,1",
                                        .policy = "oneshot"};
    kofn_error error;
    kofn_plan_answer plan;
    const kofn_plan_question question = {
        .dtype = KOFN_F64, .rows = 3000, .inner = 3000, .cols = 3000, .stragglers = 1};
    cluster *c = cluster_new_ready(state, "", 2);
    assert_ok(kofn_client_plan(cluster_get_client(c), &question, &plan, &error));
    assert_true(plan.workers == 2 && !plan.measured);
    kofn_plan_answer_fini(&plan);

    (void)cluster_multiply(c, &halves);
    for (size_t w = 0; w < 2; w++) {
        const kofn_worker_info info = cluster_get_worker(c, w);
        assert_true(info.gflops > 0 && info.link_rate > 0);
    }
    assert_ok(kofn_client_plan(cluster_get_client(c), &question, &plan, &error));
    assert_true(plan.measured && plan.count > 0 && plan.gflops != 20 && plan.link_rate != 1e9);
    kofn_plan_answer_fini(&plan);

    /* What is left open is planned now; whatever the choice, the product is right. */
    const product_wish open = {.rows = 500, .inner = 400, .cols = 450};
    const kofn_account account = cluster_multiply(c, &open);
    assert_true(account.code.tasks >= 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_result_of_the_wrong_shape_fails_the_assignment,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_result_whose_blocks_belie_its_shape_fails_the_assignment,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_result_without_blocks_fails_the_assignment, cluster_teardown),
        cmocka_unit_test_teardown(a_refused_task_goes_to_another_worker, cluster_teardown),
        cmocka_unit_test_teardown(results_nobody_asked_for_are_dropped, cluster_teardown),
        cmocka_unit_test_teardown(somebody_elses_result_is_dropped, cluster_teardown),
        cmocka_unit_test_teardown(a_result_that_comes_again_is_dropped, cluster_teardown),
        cmocka_unit_test_teardown(an_ack_for_more_than_was_sent_ends_the_worker, cluster_teardown),
        cmocka_unit_test_teardown(another_version_of_the_protocol_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(who_does_not_say_hello_is_told_to, cluster_teardown),
        cmocka_unit_test_teardown(garbage_from_a_worker_is_dropped, cluster_teardown),
        cmocka_unit_test_teardown(a_second_hello_starts_anew, cluster_teardown),
        cmocka_unit_test_teardown(a_frozen_worker_stays_connected_and_is_lost, cluster_teardown),
        cmocka_unit_test_teardown(a_straggler_does_not_hold_up_a_coded_job, cluster_teardown),
        cmocka_unit_test_teardown(rates_of_workers_and_links_are_measured_for_plans,
                                  cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
