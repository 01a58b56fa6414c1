/* Workers that keep answers and blocks, say that they do, and lie about it; against a real
 * master. */
#include "master/verify.h"
#include "tests/unit/master_stage.h"

#include <string.h>

/* Two tasks, both needed, of flops and blocks that are worth a name. */
static const problem large = {.rows = 120,
                              .inner = 100,
                              .cols = 100,
                              .family = "uncoded",
                              .x = 2,
                              .z = 1,
                              .y = 1,
                              .tasks = 2};

static void
say_hello(peer *p, kofn_msg_hello *hello)
{
    kofn_msg_welcome welcome;
    hello->version = 1;
    hello->window = p->window;
    (void)snprintf(hello->name, sizeof hello->name, "keeper");
    (void)snprintf(hello->fields, sizeof hello->fields, "f64");
    post(p, &kofn_hello_message, hello);
    expect(p, &kofn_welcome_message, &welcome);
    p->epoch = welcome.epoch;
}

static peer *
join_keeper(stage *s, const kofn_msg_held *held, size_t count)
{
    peer *p = open_worker(s);
    kofn_msg_hello hello = {.credit = 2,
                            .keep_bytes = 1 << 20,
                            .cache_bytes = 1 << 20,
                            .held = {.at = (void *)held, .count = count}};
    say_hello(p, &hello);
    return p;
}

static kofn_msg_held
held_of(const peer *p, const task *t)
{
    kofn_msg_held held = {
        .assignment = t->head.assignment, .epoch = p->epoch, .task = t->head.task};
    memcpy(held.job, t->head.job, sizeof held.job);
    memcpy(held.answer, t->head.answer, sizeof held.answer);
    return held;
}

static void
forget_task(task *t)
{
    kofn_message_clear(&kofn_task_message, &t->head);
    task_fini(t);
}

static void
answer_and_forget(stage *s, peer *p, task *t)
{
    answer(s, p, t);
    kofn_message_clear(&kofn_task_message, &t->head);
}

/* So many answers are settled, in one message or more. */
static void
expect_settled(peer *p, size_t count)
{
    for (size_t seen = 0; seen < count;) {
        kofn_msg_settled settled;
        expect(p, &kofn_settled_message, &settled);
        seen += settled.answers.count;
        kofn_message_clear(&kofn_settled_message, &settled);
        assert_in_range(seen, 1, count);
    }
}

static void
not_found(peer *p, uint64_t assignment)
{
    const kofn_msg_result result = {
        .assignment = assignment, .epoch = p->epoch, .status = KOFN_NOT_FOUND};
    post(p, &kofn_result_message, &result);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
answers_of_a_product_are_settled_when_they_are_there(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &large);
    for (size_t i = 0; i < 2; i++) {
        expect_task(worker, &t[i]);
        assert_int_equal(strlen(t[i].head.answer), KOFN_TAG_MAX - 1);
    }
    assert_string_not_equal(t[0].head.answer, t[1].head.answer);
    for (size_t i = 0; i < 2; i++)
        answer(s, worker, &t[i]);
    expect_product(s, client, 1, &large, job);
    expect_settled(worker, 2);
}

static void
a_small_task_is_not_worth_keeping(void **state)
{
    stage *s = *state;
    static const problem tiny = {.rows = 6, .inner = 4, .cols = 3};
    char job[KOFN_ID_MAX];
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &tiny);
    expect_task(worker, &t);
    assert_string_equal(t.head.answer, "");
    answer(s, worker, &t);
    expect_product(s, client, 1, &tiny, job);
}

static void
what_a_worker_has_no_room_for_gets_no_name(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    problem what = large;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "plain", 1);
    put_operand(s, client, 1, &large, 0, id);
    what.operand[0] = id;
    for (uint64_t round = 0; round < 2; round++) {
        send_product(s, client, 2 + round, KOFN_METHOD_MULTIPLY, &what);
        for (size_t i = 0; i < 2; i++) {
            expect_task(worker, &t); // with all its blocks
            assert_string_equal(t.head.answer, "");
            const kofn_msg_task_block *blocks = t.head.blocks.at;
            for (size_t o = 0; o < t.head.blocks.count; o++)
                assert_string_equal(blocks[o].name, "");
            answer_and_forget(s, worker, &t);
        }
        expect_product(s, client, 2 + round, &what, job);
    }
}

static void
a_small_block_gets_no_name(void **state)
{
    stage *s = *state;
    static const problem tiny = {.rows = 6, .inner = 4, .cols = 3};
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    problem what = tiny;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    put_operand(s, client, 1, &tiny, 0, id);
    what.operand[0] = id;
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    const kofn_msg_task_block *blocks = t.head.blocks.at;
    for (size_t o = 0; o < t.head.blocks.count; o++)
        assert_string_equal(blocks[o].name, "");
    answer_and_forget(s, worker, &t);
    expect_product(s, client, 2, &what, job);
}

/* Two answers of three suffice; the third worker had no time to hear of that. */
static void
an_answer_that_comes_too_late_is_settled(void **state)
{
    stage *s = *state;
    problem spare = large;
    peer *worker[3];
    task t[3];
    stage_run(s);
    spare.family = "polynomial";
    spare.tasks = 3;
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 3; i++)
        worker[i] = join_keeper(s, NULL, 0);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &spare);
    for (size_t i = 0; i < 3; i++)
        expect_task(worker[i], &t[i]);
    for (size_t i = 0; i < 2; i++)
        answer(s, worker[i], &t[i]);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_OK);
    kofn_msg_cancel cancel;
    expect(worker[2], &kofn_cancel_message, &cancel);
    answer(s, worker[2], &t[2]);
    for (size_t i = 0; i < 3; i++)
        expect_settled(worker[i], 1);
}

/* The worker comes back on another connection with one of its two answers. */
static void
a_held_answer_is_recalled_and_used(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *before = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(before, &t[i]);
    const kofn_msg_held held = held_of(before, &t[1]);
    peer *now = join_keeper(s, &held, 1);
    kofn_msg_recall recall;
    expect(now, &kofn_recall_message, &recall);
    assert_int_equal(recall.held_assignment, held.assignment);
    assert_int_equal(recall.held_epoch, held.epoch);
    t[1].head.assignment = recall.assignment;
    answer(s, now, &t[1]);
    kofn_msg_cancel cancel;
    expect_settled(join_keeper(s, &held, 1), 1); // one is enough
    expect(before, &kofn_cancel_message, &cancel);
    assert_int_equal(cancel.assignment, held.assignment);
    answer(s, before, &t[0]);
    await_state(client, job, "done");
    assert_int_equal(get_job(client, job).answers_held, 1);
    assert_int_equal(get_job(client, job).tasks_sent, 2);
}

/* One name is one worker where there are no keys: whatever it has is taken back with the lie. */
static void
a_held_answer_is_verified_like_others(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2];
    s->config.verify = KOFN_VERIFY_FREIVALDS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *before = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(before, &t[i]);
    const kofn_msg_held held = held_of(before, &t[1]);
    peer *now = join_keeper(s, &held, 1);
    kofn_msg_recall recall;
    expect(now, &kofn_recall_message, &recall);
    t[1].head.assignment = recall.assignment;
    const kofn_msg_result head = result_of(now, &t[1]);
    answer_filled(s, now, &head, 12345);
    kofn_msg_cancel cancel;
    for (size_t i = 0; i < 2; i++)
        expect(before, &kofn_cancel_message, &cancel);
    peer *other = join_worker(s, "other", 2);
    for (size_t i = 0; i < 2; i++) {
        task again;
        expect_task(other, &again);
        answer_and_forget(s, other, &again);
        forget_task(&t[i]);
    }
    await_state(client, job, "done");
    const kofn_msg_job account = get_job(client, job);
    assert_string_equal(account.liars, "keeper");
    assert_int_equal(account.refuted, 1);
    assert_int_equal(account.answers_held, 0);
}

static void
await_replaced(peer *client, const char *job)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (get_job(client, job).replaced == 0)
        assert_true(kofn_clock_ns() < until_ns);
}

static void
a_recalled_answer_that_is_not_there_is_computed(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2], again;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *before = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(before, &t[i]);
    const kofn_msg_held held = held_of(before, &t[0]);
    post(before, &kofn_bye_message, &(kofn_msg_bye){.reason = "stopped"});
    const kofn_msg_result handed_back = {
        .assignment = t[0].head.assignment, .epoch = before->epoch, .status = KOFN_UNAVAILABLE};
    post(before, &kofn_result_message, &handed_back);
    await_replaced(client, job); // both are to be sent anew
    peer *liar = join_keeper(s, &held, 1);
    kofn_msg_recall recall;
    expect(liar, &kofn_recall_message, &recall);
    not_found(liar, recall.assignment);
    for (size_t i = 0; i < 2; i++) {
        expect_task(liar, &again);
        answer(s, liar, &again);
    }
    await_state(client, job, "done");
    assert_int_equal(get_job(client, job).answers_held, 0);
    for (size_t i = 0; i < 2; i++)
        forget_task(&t[i]);
}

/* Nothing of it is recalled, all of it is settled, and the job takes no harm. */
static void
answers_that_no_job_can_use_are_settled(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(worker, &t[i]);
    kofn_msg_held lies[6];
    for (size_t i = 0; i < 6; i++) {
        lies[i] = held_of(worker, &t[0]);
        lies[i].assignment = 100 + i;
    }
    snprintf(lies[0].job, sizeof lies[0].job, "0123456789abcdef"); // unknown
    snprintf(lies[1].job, sizeof lies[1].job, "../../etc/passwd"); // none
    snprintf(lies[2].answer, sizeof lies[2].answer, "nonsense");
    memcpy(lies[3].answer, t[1].head.answer, sizeof lies[3].answer); // of another row
    lies[4].task = 65536;
    lies[5].task = 1; // not this row's
    peer *liar = join_keeper(s, lies, 6);
    expect_settled(liar, 6);
    for (size_t i = 0; i < 2; i++)
        answer(s, worker, &t[i]);
    await_state(client, job, "done");
    assert_int_equal(get_job(client, job).answers_held, 0);
}

/* ---- answers of jobs that outlive the master ------------------------------------------------- */

static void
await_answers(peer *client, const char *job, size_t count)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (get_job(client, job).answers < count)
        assert_true(kofn_clock_ns() < until_ns);
}

/* Another life of the master would need them. */
static void
answers_of_a_durable_job_are_settled_when_it_is_over(void **state)
{
    stage *s = *state;
    static const problem tiny = {.rows = 6, .inner = 4, .cols = 3};
    char job[KOFN_ID_MAX], other[KOFN_ID_MAX];
    task t[2], between;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(worker, &t[i]);
    answer(s, worker, &t[0]);
    await_answers(client, job, 1);
    const int64_t beats_ns = kofn_clock_after(kofn_clock_ns(), 4 * s->config.heartbeat_ns);
    for (uint64_t call = 2; call == 2 || kofn_clock_ns() < beats_ns; call++) {
        send_product(s, client, call, KOFN_METHOD_MULTIPLY, &tiny);
        expect_task(worker, &between); // and no word of the answer before it
        answer_and_forget(s, worker, &between);
        expect_product(s, client, call, &tiny, other);
    }
    answer(s, worker, &t[1]);
    await_state(client, job, "done");
    expect_settled(worker, 2);
}

static void
a_held_answer_is_used_by_the_next_life_of_the_master(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    task t[2], rest;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_keeper(s, NULL, 0);
    submit(s, client, 1, &large, job);
    for (size_t i = 0; i < 2; i++)
        expect_task(worker, &t[i]);
    const kofn_msg_held held = held_of(worker, &t[1]);
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    worker = join_keeper(s, &held, 1);
    kofn_msg_recall recall;
    expect(worker, &kofn_recall_message, &recall);
    assert_int_equal(recall.held_assignment, held.assignment);
    assert_int_equal(recall.held_epoch, held.epoch);
    t[1].head.assignment = recall.assignment;
    answer(s, worker, &t[1]);
    expect_task(worker, &rest);
    assert_int_equal(rest.head.task, t[0].head.task);
    answer(s, worker, &rest);
    await_state(client, job, "done");
    assert_int_equal(get_job(client, job).answers_held, 1);
    assert_int_equal(get_job(client, job).tasks_sent, 1);
    forget_task(&t[0]);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

typedef struct named_task {
    uint64_t assignment;
    char name[KOFN_TAG_MAX]; // of A's block
} named_task;

/* All of B, and nothing else. */
static void
expect_blocks_of_b(peer *p, const kofn_msg_task *head)
{
    kofn_error error;
    kofn_assembler blocks;
    kofn_assembler_init(&blocks);
    assert_ok(kofn_assembler_expect(&blocks, KOFN_F64, head->b.rows, head->b.cols, &error));
    for (bool more = head->more;; more = false) {
        for (size_t i = 0; i < p->in.count; i++)
            assert_ok(kofn_assembler_take(&blocks, p->in.blocks[i], &error));
        if (!more)
            break;
        kofn_msg_data data;
        expect(p, &kofn_data_message, &data);
        assert_int_equal(data.id, head->assignment);
        assert_false(data.more); // that was half of it at least
    }
    assert_true(kofn_assembler_is_complete(&blocks));
    kofn_assembler_fini(&blocks);
}

/* A task with the stored A, of which the worker was sent a block by an earlier one. */
static void
expect_named(peer *p, named_task *ret_task)
{
    kofn_msg_task head;
    expect(p, &kofn_task_message, &head);
    assert_int_equal(head.blocks.count, 2);
    const kofn_msg_task_block *blocks = head.blocks.at;
    assert_int_equal(strlen(blocks[0].name), KOFN_TAG_MAX - 1);
    assert_true(blocks[0].kept);
    assert_string_equal(blocks[1].name, ""); // B is not stored
    expect_blocks_of_b(p, &head);
    ret_task->assignment = head.assignment;
    memcpy(ret_task->name, blocks[0].name, sizeof ret_task->name);
    kofn_message_clear(&kofn_task_message, &head);
}

static void
open_second_product(stage *s, peer **ret_client, peer **ret_worker, problem *ret_what,
                    char id[KOFN_ID_MAX])
{
    task t;
    char job[KOFN_ID_MAX];
    stage_run(s);
    *ret_what = large;
    *ret_client = open_client(s, KOFN_WINDOW_BYTES);
    *ret_worker = join_keeper(s, NULL, 0);
    put_operand(s, *ret_client, 1, &large, 0, id);
    ret_what->operand[0] = id;
    send_product(s, *ret_client, 2, KOFN_METHOD_MULTIPLY, ret_what);
    for (size_t i = 0; i < 2; i++) {
        expect_task(*ret_worker, &t);
        answer_and_forget(s, *ret_worker, &t);
    }
    expect_product(s, *ret_client, 2, ret_what, job);
    expect_settled(*ret_worker, 2);
    send_product(s, *ret_client, 3, KOFN_METHOD_MULTIPLY, ret_what);
}

static void
a_block_that_is_not_there_after_all_is_sent(void **state)
{
    stage *s = *state;
    problem what;
    peer *client, *worker;
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    named_task named[2];
    task t;
    open_second_product(s, &client, &worker, &what, id);
    for (size_t i = 0; i < 2; i++)
        expect_named(worker, &named[i]);
    for (size_t i = 0; i < 2; i++)
        not_found(worker, named[i].assignment);
    for (size_t i = 0; i < 2; i++) {
        expect_task(worker, &t); // the same assignment, with all blocks
        assert_int_equal(t.head.assignment, named[i].assignment);
        answer_and_forget(s, worker, &t);
    }
    expect_product(s, client, 3, &what, job);
    assert_int_equal(get_job(client, job).tasks_sent, 2);
    assert_int_equal(get_job(client, job).replaced, 0);
    assert_int_equal(get_job(client, job).blocks_spared, 0);
}

/* Then it is the worker that is broken. */
static void
a_worker_that_lacks_what_it_was_sent_has_failed(void **state)
{
    stage *s = *state;
    problem what;
    peer *client, *worker;
    char id[KOFN_ID_MAX];
    named_task named[2];
    task t;
    open_second_product(s, &client, &worker, &what, id);
    for (size_t i = 0; i < 2; i++)
        expect_named(worker, &named[i]);
    not_found(worker, named[0].assignment);
    expect_task(worker, &t);
    forget_task(&t);
    not_found(worker, named[0].assignment);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_UNAVAILABLE);
}

static void
blocks_that_were_evicted_are_sent(void **state)
{
    stage *s = *state;
    problem what;
    peer *client, *worker;
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    named_task named[2];
    task t;
    open_second_product(s, &client, &worker, &what, id);
    kofn_msg_block_name names[3] = {{.name = "unknown"}};
    for (size_t i = 0; i < 2; i++) {
        expect_named(worker, &named[i]);
        memcpy(names[i + 1].name, named[i].name, sizeof named[i].name);
    }
    post(worker, &kofn_evicted_message, &(kofn_msg_evicted){.blocks = {.at = names, .count = 3}});
    for (size_t i = 0; i < 2; i++) {
        kofn_msg_result result = {.assignment = named[i].assignment,
                                  .epoch = worker->epoch,
                                  .c = {.dtype = "f64", .rows = 60, .cols = 100}};
        answer_as(s, worker, &result);
    }
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
    expect_settled(worker, 2);
    send_product(s, client, 4, KOFN_METHOD_MULTIPLY, &what);
    for (size_t i = 0; i < 2; i++) {
        expect_task(worker, &t);
        answer_and_forget(s, worker, &t);
    }
    expect_product(s, client, 4, &what, job);
    assert_int_equal(get_job(client, job).blocks_spared, 0);
}

static void
join_with_blocks(peer *p, size_t count, const kofn_msg_block_name *names)
{
    kofn_msg_hello hello = {
        .credit = 1, .cache_bytes = 1 << 20, .cached = {.at = (void *)names, .count = count}};
    say_hello(p, &hello);
}

/* One more said so in each of its lives, and has nothing in the one that it lives now. */
static void
a_task_goes_to_whoever_says_that_it_has_the_block(void **state)
{
    enum { LIVES = 9 }; // more than workers are looked at for one task
    stage *s = *state;
    problem what;
    peer *client, *worker, *has[2];
    char id[KOFN_ID_MAX];
    named_task named[2], got;
    kofn_msg_block_name names[2];
    open_second_product(s, &client, &worker, &what, id);
    for (size_t i = 0; i < 2; i++) {
        expect_named(worker, &named[i]);
        const kofn_msg_result result = {.assignment = named[i].assignment,
                                        .epoch = worker->epoch,
                                        .c = {.dtype = "f64", .rows = 60, .cols = 100}};
        answer_as(s, worker, &result);
        memcpy(names[i].name, named[i].name, sizeof names[i].name);
    }
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
    expect_settled(worker, 2);
    join_with_blocks(worker, 0, NULL); // hello again, with nothing
    for (size_t i = 0; i < 2; i++)
        join_with_blocks(has[i] = open_worker(s), 1, &names[1 - i]);
    peer *forgetful = open_worker(s);
    for (size_t life = 0; life < LIVES; life++)
        join_with_blocks(forgetful, 2, names);
    join_with_blocks(forgetful, 0, NULL);
    what.policy = "oneshot"; // nobody gets a copy
    send_product(s, client, 4, KOFN_METHOD_MULTIPLY, &what);
    for (size_t i = 0; i < 2; i++) {
        expect_named(has[i], &got);
        assert_string_equal(got.name, names[1 - i].name);
    }
}

int
main(void)
{
#define STAGED(test_) cmocka_unit_test_setup_teardown(test_, stage_setup, stage_teardown)
#define KEPT(test_)   cmocka_unit_test_setup_teardown(test_, stage_setup_kept, stage_teardown_kept)
    const struct CMUnitTest tests[] = {
        STAGED(answers_of_a_product_are_settled_when_they_are_there),
        STAGED(a_small_task_is_not_worth_keeping),
        STAGED(what_a_worker_has_no_room_for_gets_no_name),
        STAGED(a_small_block_gets_no_name),
        STAGED(an_answer_that_comes_too_late_is_settled),
        STAGED(a_held_answer_is_recalled_and_used),
        STAGED(a_held_answer_is_verified_like_others),
        STAGED(a_recalled_answer_that_is_not_there_is_computed),
        STAGED(answers_that_no_job_can_use_are_settled),
        KEPT(answers_of_a_durable_job_are_settled_when_it_is_over),
        KEPT(a_held_answer_is_used_by_the_next_life_of_the_master),
        STAGED(a_block_that_is_not_there_after_all_is_sent),
        STAGED(a_worker_that_lacks_what_it_was_sent_has_failed),
        STAGED(blocks_that_were_evicted_are_sent),
        STAGED(a_task_goes_to_whoever_says_that_it_has_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
