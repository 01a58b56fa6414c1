/* Batches in a master: who looks for groups of their pairs, how often, and what is refused at
 * once. */
#include "common/code/grouping_search.h"
#include "tests/unit/master_stage.h"

/* Every search for groups, of any thread, ends when the test lets it. */
static struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool closed;
    size_t searches; // begun
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

kofn_status __real_kofn_grouping_search_init(kofn_grouping_search *search,
                                             const kofn_grouping_params *params, kofn_error *err);
kofn_status __wrap_kofn_grouping_search_init(kofn_grouping_search *search,
                                             const kofn_grouping_params *params, kofn_error *err);

kofn_status
__wrap_kofn_grouping_search_init(kofn_grouping_search *search, const kofn_grouping_params *params,
                                 kofn_error *err)
{
    pthread_mutex_lock(&gate.mutex);
    gate.searches++;
    pthread_cond_broadcast(&gate.moved);
    while (gate.closed)
        pthread_cond_wait(&gate.moved, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
    return __real_kofn_grouping_search_init(search, params, err);
}

static void
set_gate(bool closed)
{
    pthread_mutex_lock(&gate.mutex);
    gate.closed = closed;
    if (closed)
        gate.searches = 0;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.mutex);
}

static size_t
count_searches(void)
{
    pthread_mutex_lock(&gate.mutex);
    const size_t searches = gate.searches;
    pthread_mutex_unlock(&gate.mutex);
    return searches;
}

static void
await_search(void)
{
    pthread_mutex_lock(&gate.mutex);
    while (gate.searches == 0)
        pthread_cond_wait(&gate.moved, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
}

/* A failed test leaves no thread behind the gate. */
static int
teardown(void **state)
{
    set_gate(false);
    return stage_teardown(state);
}

enum { ROWS = 4 };

/* The rows of A with all of B: what they come to is A B. */
static unsigned char right_sides[ROWS][16];

static kofn_msg_batch
make_rows(void)
{
    const double one = 1;
    for (size_t i = 0; i < ROWS; i++) { // row, block 0, 1.0
        right_sides[i][0] = (unsigned char)i;
        memcpy(right_sides[i] + 8, &one, sizeof one);
    }
    return (kofn_msg_batch){.pairs = ROWS,
                            .a_rows = ROWS,
                            .b_rows = 1,
                            .right = {.at = right_sides[0], .length = sizeof right_sides}};
}

/* Products of rows come first, and four of the five tasks do. */
static void
serve_rows(stage *s, peer *worker)
{
    for (size_t i = 0; i < ROWS; i++) {
        task t;
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
}

static void
others_are_answered_while_groups_are_looked_for(void **state)
{
    stage *s = *state;
    const kofn_msg_batch rows = make_rows();
    const problem p = {.rows = ROWS,
                       .inner = 3,
                       .cols = 2,
                       .family = "locality",
                       .tasks = ROWS + 1,
                       .batch = &rows};
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *client = open_client(s, KOFN_WINDOW_BYTES),
         *other = open_client(s, KOFN_WINDOW_BYTES);
    set_gate(true);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    await_search();
    assert_true(check_health(other).memory_bytes > 0); // the order is taken, and not carried out
    set_gate(false);
    serve_rows(s, worker);
    expect_product(s, client, 1, &p, NULL);
    assert_int_equal(count_searches(), 1); // to choose, to check and to build
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* And of a code that is left open. */
static void
a_code_that_is_left_open_takes_one_search_for_each_question(void **state)
{
    stage *s = *state;
    const kofn_msg_batch rows = make_rows();
    const problem p = {.rows = ROWS, .inner = 3, .cols = 2, .batch = &rows};
    stage_run(s);
    peer *workers[5], *client = open_client(s, KOFN_WINDOW_BYTES);
    char name[8];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "w%zu", i);
        workers[i] = join_worker(s, name, 1);
    }
    set_gate(true);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    await_search();
    assert_true(check_health(client).memory_bytes > 0);
    set_gate(false);
    for (size_t i = 0; i < 5; i++) {
        task t;
        expect_task(workers[i], &t);
        if (t.head.task < ROWS)
            answer(s, workers[i], &t);
        else
            task_fini(&t);
    }
    expect_product(s, client, 1, &p, NULL);
    assert_in_range(count_searches(), 1, 2); // how many tasks, and how many may then be lost
}

/* Before any of its blocks came. */
static void
what_no_number_of_workers_can_do_is_refused_at_its_head(void **state)
{
    static const struct {
        const char *family;
        size_t pairs, tasks;
        const char *says;
    } wrong[] = {
        {"", 1100, 0,
         "1100 pairs of 1100 and 1100 blocks, for 1100 blocks of C, are more than a code has room "
         "for, "
         "however many workers there are; send fewer pairs"},
        {"locality", 1100, 0, "1100 pairs of 1100 and 1100 blocks"},
        {"uncoded", 1100, 1100, "1100 pairs of 1100 and 1100 blocks"},
        {"lagrange", 900, 40000,
         "lagrange: 900 pairs take 40000 tasks, and a job of 900 and 900 blocks has at most "},
        {"rkrp", 300, 0, "rkrp: 300 pairs take 90000 tasks, and a job of 300 and 300 blocks has"},
        {"lagrange", 900, 1000, "need at least 2 k - 1 = 1799 for 900 pairs; take more tasks"},
    };
    stage *s = *state;
    stage_run(s);
    (void)join_worker(s, "w", 1);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    set_gate(true);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const size_t pairs = wrong[i].pairs;
        const kofn_msg_batch batch = {.pairs = pairs, .a_rows = pairs, .b_rows = pairs};
        const problem p = {
            .rows = pairs, .inner = 1, .cols = 1, .tasks = wrong[i].tasks, .batch = &batch};
        kofn_msg_product m = problem_message(&p);
        kofn_msg_reply reply;
        m.b.rows = pairs;
        snprintf(m.code.family, sizeof m.code.family, "%s", wrong[i].family);
        send_call(client, i, KOFN_METHOD_MULTIPLY, &kofn_product_message, &m);
        expect(client, &kofn_reply_message, &reply);
        if (reply.status == KOFN_OK || !strstr(reply.message, wrong[i].says))
            fail_msg("%zu: '%s' lacks '%s'", i, reply.message, wrong[i].says);
    }
    assert_int_equal(count_searches(), 0);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* What only a search can tell. */
static void
too_few_tasks_for_its_groups_fail_the_job(void **state)
{
    stage *s = *state;
    kofn_msg_reply reply;
    const kofn_msg_batch rows = make_rows();
    const problem p = {.rows = ROWS,
                       .inner = 3,
                       .cols = 2,
                       .family = "locality",
                       .tasks = ROWS - 1,
                       .batch = &rows};
    stage_run(s);
    (void)join_worker(s, "w", 1);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_INVALID_ARGUMENT);
    assert_non_null(
        strstr(reply.message,
               "locality: tasks=3, need at least 4 for 4 pairs; take more tasks, or fewer pairs"));
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* A product of parts^2 coded tasks, of which all are needed. */
static void
assert_refuses_coded(stage *s, size_t parts, size_t calls, kofn_status status, const char *text)
{
    kofn_msg_reply reply;
    const problem p = {.rows = parts,
                       .inner = 1,
                       .cols = parts,
                       .family = "rkrp",
                       .x = parts,
                       .z = 1,
                       .y = parts,
                       .coded_only = true,
                       .tasks = parts * parts};
    stage_run(s);
    (void)join_worker(s, "w", 1);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (uint64_t call = 1; call <= calls; call++) {
        send_product(s, client, call, KOFN_METHOD_MULTIPLY, &p);
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, status);
        assert_non_null(strstr(reply.message, text));
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* A compute thread would have no time for anything else. The second time its code may be there. */
static void
what_takes_too_long_to_decode_is_refused(void **state)
{
    assert_refuses_coded(*state, 69, 2, KOFN_OUT_OF_RANGE,
                         "decoding from 4761 coded answers takes 2.2e+11 multiplications, at most "
                         "2e+11: take fewer parts");
}

/* 484 coded answers: eight matrices of that size beside the product. */
static void
what_decoding_takes_is_within_the_memory(void **state)
{
    stage *s = *state;
    s->config.memory = 14 << 20;
    assert_refuses_coded(s, 22, 1, KOFN_RESOURCE_EXHAUSTED, "decoding this job needs about");
}

/* Row i of A times column i of B, of which two are late: the task that a free worker then gets. The
 * memory that the job is charged with until then into *ret_memory. */
static size_t
run_two_stages(stage *s, size_t *ret_memory)
{
    const kofn_msg_batch pairs = {.pairs = ROWS, .a_rows = ROWS, .b_cols = ROWS};
    const problem p = {.rows = ROWS,
                       .inner = 3,
                       .cols = ROWS,
                       .family = "lagrange",
                       .policy = "two_stage",
                       .batch = &pairs};
    peer *worker = join_worker(s, "w", 2), *late = join_worker(s, "late", 2),
         *client = open_client(s, KOFN_WINDOW_BYTES);
    task t, unanswered[2];
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &p);
    for (size_t i = 0; i < 2; i++)
        expect_task(late, &unanswered[i]);
    *ret_memory = check_health(client).memory_bytes;
    for (size_t i = 0; i < 2; i++) {
        expect_task(worker, &t);
        answer(s, worker, &t);
        task_fini(&unanswered[i]);
    }
    expect_task(worker, &t);
    task_fini(&t);
    return t.head.task;
}

/* A code with them stands beside the one without for a while. */
static void
tasks_for_what_is_late_are_made_where_there_is_memory(void **state)
{
    stage *s = *state;
    size_t memory, tries = 0;
    s->config.sched.stage_floor_ns = 20 * KOFN_NS_PER_MS;
    stage_run(s);
    while (run_two_stages(s, &memory) < ROWS) { // a copy: one of the two was late before the other
        assert_true(tries++ < 20);
        stage_restart(s);
    }
    s->config.memory = memory + 500;
    stage_restart(s);
    assert_in_range(run_two_stages(s, &memory), 0, ROWS - 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(others_are_answered_while_groups_are_looked_for),
        T(a_code_that_is_left_open_takes_one_search_for_each_question),
        T(what_no_number_of_workers_can_do_is_refused_at_its_head),
        T(too_few_tasks_for_its_groups_fail_the_job),
        T(what_takes_too_long_to_decode_is_refused),
        T(what_decoding_takes_is_within_the_memory),
        T(tasks_for_what_is_late_are_made_where_there_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
