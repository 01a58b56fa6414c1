/* Stored operands in the master: upload, use in products, what is kept of their encoding, their
 * ends and their limits. */
#include "tests/unit/master_stage.h"

#include <zmq.h>

static const problem small = {.rows = 6, .inner = 4, .cols = 3};
static const problem cut = { // two tasks, both needed, plain blocks of A
    .rows = 6, .inner = 4, .cols = 3, .family = "uncoded", .x = 2, .z = 1, .y = 1, .tasks = 2};
static const problem coded = { // two tasks, both needed, blocks of A by arithmetic
    .rows = 6, .inner = 4, .cols = 3, .family = "polynomial", .x = 2, .z = 1, .y = 1, .tasks = 2};

static const kofn_msg_put_operand six_by_four = {.matrix = {.dtype = "f64", .rows = 6, .cols = 4}};

/* The one operand that is stored, as the master lists it. */
static kofn_msg_operand
get_only_operand(peer *p)
{
    kofn_msg_operands list;
    send_call(p, 900, KOFN_METHOD_LIST_OPERANDS, NULL, NULL);
    assert_int_equal(expect_reply(p, 900, &kofn_operands_message, &list), KOFN_OK);
    assert_int_equal(list.operands.count, 1);
    const kofn_msg_operand only = *(const kofn_msg_operand *)list.operands.at;
    kofn_message_clear(&kofn_operands_message, &list);
    return only;
}

static size_t
count_operands(peer *p)
{
    kofn_msg_operands list;
    send_call(p, 901, KOFN_METHOD_LIST_OPERANDS, NULL, NULL);
    assert_int_equal(expect_reply(p, 901, &kofn_operands_message, &list), KOFN_OK);
    const size_t count = list.operands.count;
    kofn_message_clear(&kofn_operands_message, &list);
    return count;
}

static kofn_status
drop_operand(peer *p, const char *id)
{
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", id);
    send_call(p, 902, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    return expect_reply(p, 902, NULL, NULL);
}

/* The head of an upload of which more is to follow. */
static void
send_upload_head(peer *p, uint64_t call, const char *key, uint64_t timeout_ms)
{
    kofn_error error;
    kofn_wire_buffer packed = {0};
    kofn_msg_call c = {.version = 1,
                       .call = call,
                       .window = p->window,
                       .more = true,
                       .timeout_ms = timeout_ms,
                       .method = "kofn.v1.Master/PutOperand"};
    assert_ok(kofn_message_pack(&kofn_put_operand_message, &six_by_four, &packed, &error));
    c.body = (kofn_wire_raw){.bytes = packed.at, .length = packed.length};
    snprintf(c.key, sizeof c.key, "%s", key);
    post(p, &kofn_call_message, &c);
    kofn_wire_buffer_fini(&packed);
}

static void
answer_tasks(stage *s, peer *worker, size_t count)
{
    task t;
    for (size_t i = 0; i < count; i++) {
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
}

static bool
is_plain(const char *family)
{
    return strcmp(family, "uncoded") == 0 || strcmp(family, "replication") == 0;
}

/* A product that `tasks` answers suffice for; its account. */
static kofn_msg_job
multiply(stage *s, peer *client, peer *worker, const problem *what, size_t tasks)
{
    char id[KOFN_ID_MAX];
    kofn_msg_outcome outcome;
    send_product(s, client, 50, KOFN_METHOD_MULTIPLY, what);
    answer_tasks(s, worker, tasks);
    if (what->family && !is_plain(what->family)) { // rounds: not for comparison
        assert_int_equal(expect_reply(client, 50, &kofn_outcome_message, &outcome), KOFN_OK);
        memcpy(id, outcome.job.id, sizeof id);
        kofn_message_clear(&kofn_outcome_message, &outcome);
    } else {
        expect_product(s, client, 50, what, id);
    }
    return get_job(client, id);
}

/* ---- products -------------------------------------------------------------------------------- */

static void
either_factor_or_both_may_be_stored(void **state)
{
    stage *s = *state;
    char a[KOFN_ID_MAX], b[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    put_operand(s, client, 1, &small, 0, a);
    put_operand(s, client, 2, &small, 1, b);
    assert_string_not_equal(a, b);
    const problem whats[] = {small, cut};
    for (size_t i = 0; i < 2; i++)
        for (size_t named = 1; named < 4; named++) {
            problem what = whats[i];
            what.operand[0] = named & 1 ? a : NULL;
            what.operand[1] = named & 2 ? b : NULL;
            (void)multiply(s, client, worker, &what, i + 1);
        }
}

static void
a_stored_operand_is_used_as_it_is_and_transposed(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    problem direct = small;
    put_operand(s, client, 1, &small, 0, id);
    problem turned = {
        .rows = 4, .inner = 6, .cols = 3, .transpose_a = true, .mirrored = true, .operand = {id}};
    direct.operand[0] = id;
    (void)multiply(s, client, worker, &direct, 1);
    (void)multiply(s, client, worker, &turned, 1);
    turned.family = "uncoded", turned.x = 2, turned.z = turned.y = 1, turned.tasks = 2;
    (void)multiply(s, client, worker, &turned, 2);
}

/* Stored 4 x 6, it is a 6 x 4 operand; its transpose is what was sent. */
static void
an_operand_may_be_the_transpose_of_what_was_sent(void **state)
{
    stage *s = *state;
    kofn_error error;
    kofn_msg_operand_ref ref;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const problem turned = {.rows = 6, .inner = 4, .cols = 3, .transpose_a = true};
    const kofn_msg_put_operand order = {.matrix = {.dtype = "f64", .rows = 4, .cols = 6},
                                        .transposed = true};
    kofn_wire_buffer packed = {0};
    assert_ok(kofn_message_pack(&kofn_put_operand_message, &order, &packed, &error));
    const kofn_msg_call call = {.version = 1,
                                .call = 1,
                                .window = client->window,
                                .method = "kofn.v1.Master/PutOperand",
                                .body = {.bytes = packed.at, .length = packed.length}};
    kofn_bands bands;
    const kofn_bands *mats[] = {&bands};
    problem_operand(s, &turned, 0, &bands);
    assert_ok(kofn_peer_transfer(client->link, 1, &kofn_call_message, &call, 1, mats, &error));
    kofn_bands_fini(&bands);
    kofn_wire_buffer_fini(&packed);
    assert_int_equal(expect_reply(client, 1, &kofn_operand_ref_message, &ref), KOFN_OK);
    assert_true(get_only_operand(client).transposed);

    problem what = small;
    what.operand[0] = ref.operand;
    (void)multiply(s, client, worker, &what, 1);
    const problem back = {.rows = 4,
                          .inner = 6,
                          .cols = 3,
                          .transpose_a = true,
                          .mirrored = true,
                          .operand = {ref.operand}};
    (void)multiply(s, client, worker, &back, 1);
}

static void
one_operand_may_be_both_factors(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    kofn_msg_outcome outcome;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    put_operand(s, client, 1, &small, 0, id);
    const size_t alone = check_health(client).memory_bytes;
    const problem gram = {
        .rows = 4, .inner = 6, .cols = 4, .transpose_a = true, .operand = {id, id}};
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &gram);
    expect_task(worker, &t);
    assert_int_equal(get_only_operand(client).jobs, 1);
    answer(s, worker, &t);
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);
    assert_int_equal(get_only_operand(client).jobs, 0);
    assert_int_equal(get_only_operand(client).products, 1);
    assert_int_equal(check_health(client).memory_bytes, alone);
    assert_int_equal(drop_operand(client, id), KOFN_OK);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
operands_without_elements_are_stored(void **state)
{
    static const problem shapes[] = {{.rows = 0, .inner = 3, .cols = 2},
                                     {.rows = 2, .inner = 0, .cols = 3},
                                     {.rows = 0, .inner = 0, .cols = 0}};
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        problem what = shapes[i];
        put_operand(s, client, 1, &what, 0, id);
        what.operand[0] = id;
        (void)multiply(s, client, worker, &what, 1);
    }
}

static void
a_plain_client_stores_and_uses_operands(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *worker = join_worker(s, "w", 1), *clients[] = {open_client(s, 0), open_req_client(s)};
    for (size_t i = 0; i < 2; i++) {
        problem what = small;
        put_operand(s, clients[i], 1, &small, 1, id);
        what.operand[1] = id;
        (void)multiply(s, clients[i], worker, &what, 1);
        assert_int_equal(drop_operand(clients[i], id), KOFN_OK);
    }
}

static void
an_operand_outlives_its_client(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = small;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    close_peer(client);
    what.operand[0] = id;
    (void)multiply(s, other, join_worker(s, "w", 1), &what, 1);
    const kofn_msg_operand info = get_only_operand(other);
    assert_string_equal(info.id, id);
    assert_string_equal(info.matrix.dtype, "f64");
    assert_int_equal(info.matrix.rows, 6);
    assert_int_equal(info.matrix.cols, 4);
    assert_int_equal(info.bytes, 6 * 4 * 8);
    assert_int_equal(info.products, 1);
    assert_false(info.transposed);
}

/* ---- orders that are wrong ------------------------------------------------------------------- */

static void
a_shape_that_is_said_must_be_the_stored_one(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 1, &small, 0, id);
    problem what = small;
    what.operand[0] = id;
    what.described = true;
    (void)multiply(s, client, worker, &what, 1);
    char b[KOFN_ID_MAX]; // stored as well: nothing but the shape is wrong
    put_operand(s, client, 2, &small, 1, b);
    what.operand[1] = b;
    kofn_msg_product p = problem_message(&what);
    const kofn_msg_matrix wrong[] = {{.dtype = "f64", .rows = 4, .cols = 6},
                                     {.dtype = "f64", .rows = 7, .cols = 4},
                                     {.dtype = "f32", .rows = 6, .cols = 4},
                                     {.rows = 6, .cols = 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        p.a = wrong[i];
        send_call(client, 3, KOFN_METHOD_SUBMIT, &kofn_product_message, &p);
        assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_INVALID_ARGUMENT);
    }
    assert_int_equal(drop_operand(client, b), KOFN_OK);
    assert_int_equal(get_only_operand(client).jobs, 0); // nobody holds it
}

static void
stored_shapes_that_cannot_be_multiplied_are_refused(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    const problem square = {.rows = 6, .inner = 4, .cols = 4, .operand = {id, id}};
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &square);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(get_only_operand(client).jobs, 0);
}

static void
what_is_neither_described_nor_stored_is_refused(void **state)
{
    static const char *const ids[] = {
        "0123456789abcdef", "0123456789ABCDEF", "0", "0123456789abcdefab", "..", "%s%n"};
    stage *s = *state;
    kofn_msg_product p = problem_message(&small);
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    p.b = (kofn_msg_matrix){0};
    send_call(client, 1, KOFN_METHOD_MULTIPLY, &kofn_product_message, &p);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);
    send_call(client, 2, KOFN_METHOD_MULTIPLY, NULL, NULL);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        snprintf(p.operand_b, sizeof p.operand_b, "%s", ids[i]);
        send_call(client, 3, KOFN_METHOD_MULTIPLY, &kofn_product_message, &p);
        assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_NOT_FOUND);
        assert_int_equal(drop_operand(client, ids[i]), KOFN_NOT_FOUND);
    }
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_block_of_a_stored_operand_is_one_too_many(void **state)
{
    stage *s = *state;
    kofn_error error;
    char id[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    problem what = small;
    what.operand[0] = id;
    send_head(client, 2, KOFN_METHOD_MULTIPLY, &what);
    kofn_bands a, b; // A's blocks, where B's are due
    const kofn_bands *mats[] = {&a, &b};
    problem_operand(s, &small, 0, &a);
    problem_operand(s, &small, 1, &b);
    assert_ok(kofn_peer_transfer(client->link, 2, &kofn_data_message, &(kofn_msg_data){.id = 2}, 2,
                                 mats, &error));
    kofn_bands_fini(&a);
    kofn_bands_fini(&b);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(get_only_operand(client).jobs, 0);
}

static void
operands_of_no_dtype_are_refused(void **state)
{
    static const char *const dtypes[] = {"c16", "c64", "c128", "none", "", "F64"};
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        kofn_msg_put_operand order = {.matrix = {.cols = 2}}; // no rows: no block is missing
        snprintf(order.matrix.dtype, sizeof order.matrix.dtype, "%s", dtypes[i]);
        send_call(client, 1, KOFN_METHOD_PUT_OPERAND, &kofn_put_operand_message, &order);
        assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_UNIMPLEMENTED);
    }
    const kofn_msg_put_operand beyond = {
        .matrix = {.dtype = "f64", .rows = 2147483647, .cols = 2147483647}};
    send_call(client, 2, KOFN_METHOD_PUT_OPERAND, &kofn_put_operand_message, &beyond);
    assert_int_not_equal(expect_reply(client, 2, NULL, NULL), KOFN_OK);
    send_call(client, 3, KOFN_METHOD_PUT_OPERAND, NULL, NULL);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_INVALID_ARGUMENT);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* ---- what is kept of their encoding ---------------------------------------------------------- */

static void
a_second_product_does_not_encode_again(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = coded;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 4);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    const kofn_msg_job first = multiply(s, client, worker, &what, 2);
    assert_int_equal(first.blocks_reused, 0);
    assert_true(first.seconds.encode > 0);
    const kofn_msg_operand info = get_only_operand(client);
    assert_int_equal(info.coded_blocks, 2);
    assert_true(info.coded_bytes >= 2 * 3 * 4 * 8);
    const kofn_msg_job second = multiply(s, client, worker, &what, 2);
    assert_int_equal(second.blocks_reused, 2);
    assert_true(second.seconds.encode == 0); // B is not cut: nothing is left to do
    assert_int_equal(get_only_operand(client).coded_blocks, 2);
}

static void
blocks_are_found_though_the_other_operand_must_be_encoded(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = {
        .rows = 6, .inner = 4, .cols = 4, .family = "uncoded", .x = 2, .z = 1, .y = 2, .tasks = 4};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &what, 0, id);
    what.operand[0] = id;
    assert_int_equal(multiply(s, client, worker, &what, 4).blocks_reused, 0);
    assert_int_equal(multiply(s, client, worker, &what, 4).blocks_reused, 4);
}

static void
another_family_with_equal_coefficients_finds_them(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = cut;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    (void)multiply(s, client, worker, &what, 2);
    what.family = "replication", what.tasks = 4;
    const kofn_msg_job job = multiply(s, client, worker, &what, 2); // the first two tasks suffice
    assert_string_equal(job.code.family, "replication");
    assert_true(job.tasks_sent >= 2);
    assert_int_equal(job.blocks_reused, job.tasks_sent);
}

/* B cut in two by its rows for a product of one block; its transpose cut in two by its columns for
 * one of two. Both families' E_B are T_0, T_1 at the same nodes. */
static void
orthopoly_finds_what_orthomatdot_made(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem sums = {.rows = 6,
                    .inner = 4,
                    .cols = 4,
                    .family = "orthomatdot",
                    .x = 1,
                    .z = 2,
                    .y = 1,
                    .tasks = 3};
    problem turned = {.rows = 6,
                      .inner = 4,
                      .cols = 4,
                      .transpose_b = true,
                      .family = "orthopoly",
                      .x = 1,
                      .z = 1,
                      .y = 2,
                      .tasks = 3};
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &sums, 1, id);
    sums.operand[1] = turned.operand[1] = id;
    assert_int_equal(multiply(s, client, worker, &sums, 3).blocks_reused, 0); // any 3 of 3
    const kofn_msg_job job = multiply(s, client, worker, &turned, 2);
    assert_true(job.tasks_sent >= 2);
    assert_int_equal(job.blocks_reused, job.tasks_sent);
}

/* A cut in two by its rows; its transpose cut in two by its columns is the same cut. */
static void
a_transposed_product_finds_them(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = cut;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    (void)multiply(s, client, worker, &what, 2);
    problem turned = {.rows = 4,
                      .inner = 6,
                      .cols = 3,
                      .transpose_a = true,
                      .mirrored = true,
                      .family = "uncoded",
                      .x = 1,
                      .z = 2,
                      .y = 1,
                      .tasks = 2,
                      .operand = {id}};
    assert_int_equal(multiply(s, client, worker, &turned, 2).blocks_reused, 2);
    turned.x = 2, turned.z = 1; // another cut
    assert_int_equal(multiply(s, client, worker, &turned, 2).blocks_reused, 0);
}

static void
other_coefficients_find_nothing(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = coded;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    (void)multiply(s, client, worker, &what, 2);
    problem plain = cut;
    plain.operand[0] = id;
    assert_int_equal(multiply(s, client, worker, &plain, 2).blocks_reused, 0);
    assert_int_equal(get_only_operand(client).coded_blocks, 4);
}

static void
without_a_budget_nothing_is_kept(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = coded;
    s->config.coded_cache = 0;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 8);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(multiply(s, client, worker, &what, 2).blocks_reused, 0);
    assert_int_equal(get_only_operand(client).coded_blocks, 0);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
an_operand_in_use_is_dropped_when_the_job_is_done(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = cut;
    task t, u;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    peer *other = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    const size_t alone = check_health(client).memory_bytes;
    what.operand[0] = id;
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    expect_task(worker, &u);
    assert_int_equal(get_only_operand(other).jobs, 1);
    assert_int_equal(drop_operand(other, id), KOFN_OK);
    assert_int_equal(drop_operand(other, id), KOFN_NOT_FOUND);
    assert_int_equal(count_operands(other), 0);
    assert_true(check_health(other).memory_bytes > alone); // the job's and the operand's
    send_product(s, other, 3, KOFN_METHOD_MULTIPLY, &what);
    assert_int_equal(expect_reply(other, 3, NULL, NULL), KOFN_NOT_FOUND);
    answer(s, worker, &t);
    answer(s, worker, &u);
    expect_product(s, client, 2, &what, NULL);
    assert_int_equal(check_health(other).memory_bytes, 0);
}

static void
a_job_that_ends_early_lets_go_of_its_operand(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = small;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    for (uint64_t call = 2; call < 4; call++) { // without B's blocks; and without a worker
        if (call == 2)
            send_head(client, call, KOFN_METHOD_MULTIPLY, &what);
        else
            send_product(s, client, call, KOFN_METHOD_MULTIPLY, &what);
        assert_int_equal(get_only_operand(client).jobs, 1);
        post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = call});
        assert_int_equal(get_only_operand(client).jobs, 0);
    }
}

static void
an_operand_nobody_uses_goes_after_the_keep_time(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = small;
    task t;
    s->config.keep_operands_ns = 400 * KOFN_NS_PER_MS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    send_product(s, client, 2, KOFN_METHOD_MULTIPLY, &what);
    expect_task(worker, &t);
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), 700 * KOFN_NS_PER_MS);
    while (kofn_clock_ns() < until_ns) // longer than that: in use, it stays
        assert_int_equal(count_operands(client), 1);
    answer(s, worker, &t);
    expect_product(s, client, 2, &what, NULL);
    assert_int_equal(count_operands(client), 1); // its time begins anew
    const int64_t patience_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (count_operands(client) > 0)
        assert_true(kofn_clock_ns() < patience_ns);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

/* ---- uploads that do not end well ------------------------------------------------------------ */

static void
an_upload_that_is_given_up_leaves_nothing(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    send_upload_head(client, 1, "", 0);
    assert_true(check_health(client).memory_bytes >= 6 * 4 * 8); // reserved
    assert_int_equal(count_operands(client), 0);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 1}); // what crosses it is dropped
    assert_int_equal(check_health(client).memory_bytes, 0);

    send_upload_head(client, 2, "", 0);
    (void)check_health(client);
    close_peer(client);
    while (check_health(other).memory_bytes > 0)
        ;
}

static void
an_upload_past_its_deadline_is_over(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_upload_head(client, 1, "", 1);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_DEADLINE_EXCEEDED);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_bad_block_ends_the_upload_and_nothing_else(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 3; i++) {
        kofn_wire_buffer packed = {0};
        kofn_error error;
        const kofn_msg_data data = {.id = 1, .more = i == 1};
        send_upload_head(client, 1, "", 0);
        assert_ok(kofn_message_pack(&kofn_data_message, &data, &packed, &error));
        if (i < 2)
            post_raw(client, packed.at, packed.length, "garbage", 7);
        else // the end, before all blocks came
            post_raw(client, packed.at, packed.length, NULL, 0);
        assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_INVALID_ARGUMENT);
        assert_int_equal(check_health(client).memory_bytes, 0);
        kofn_wire_buffer_fini(&packed);
    }
    char id[KOFN_ID_MAX];
    put_operand(s, client, 2, &small, 0, id);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void
the_same_key_is_the_same_operand(void **state)
{
    stage *s = *state;
    char first[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem what = small;
    what.key = "k1";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &what, 0, first);
    put_operand(s, other, 2, &what, 0, again);
    assert_string_equal(first, again);
    assert_int_equal(count_operands(client), 1);
    send_operand(s, client, 3, &what, 1); // another matrix
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_ALREADY_EXISTS);
    submit(s, client, 4, &what, again); // a product's keys are others
    assert_int_equal(drop_operand(client, first), KOFN_OK);
    put_operand(s, client, 5, &what, 0, again); // anew
    assert_string_not_equal(first, again);
}

static void
the_first_whole_upload_keeps_the_key(void **state)
{
    stage *s = *state;
    kofn_error error;
    char first[KOFN_ID_MAX];
    problem what = small;
    kofn_msg_operand_ref ref;
    what.key = "k2";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    send_upload_head(client, 1, "k2", 0);
    (void)check_health(client);
    put_operand(s, other, 2, &what, 0, first);
    kofn_bands bands;
    const kofn_bands *mats[] = {&bands};
    problem_operand(s, &small, 0, &bands);
    assert_ok(kofn_peer_transfer(client->link, 1, &kofn_data_message, &(kofn_msg_data){.id = 1}, 1,
                                 mats, &error));
    kofn_bands_fini(&bands);
    assert_int_equal(expect_reply(client, 1, &kofn_operand_ref_message, &ref), KOFN_OK);
    assert_string_equal(ref.operand, first);
    assert_int_equal(count_operands(client), 1);
    assert_int_equal(drop_operand(client, first), KOFN_OK);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
a_retried_product_is_known_though_its_operand_is_gone(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX], first[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem what = small;
    what.key = "k3";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    what.operand[0] = id;
    submit(s, client, 2, &what, first);
    assert_int_equal(drop_operand(client, id), KOFN_OK);
    submit(s, client, 3, &what, again);
    assert_string_equal(first, again);
    what.operand[0] = "0123456789abcdef"; // another operand is another product
    send_product(s, client, 4, KOFN_METHOD_SUBMIT, &what);
    assert_int_equal(expect_reply(client, 4, NULL, NULL), KOFN_ALREADY_EXISTS);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void
more_operands_than_the_limit_are_refused(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    s->config.operands_max = 2;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, id);
    send_upload_head(client, 2, "", 0); // counts, too
    send_operand(s, client, 3, &small, 1);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 2});
    put_operand(s, client, 4, &small, 1, id);
    assert_int_equal(drop_operand(client, id), KOFN_OK);
    put_operand(s, client, 5, &small, 1, id);
}

static void
an_operand_beyond_the_memory_is_refused(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    kofn_msg_reply reply;
    const problem large = {.rows = 1000, .inner = 1500, .cols = 1};
    const kofn_msg_put_operand huge = {.matrix = {.dtype = "f64", .rows = 10000, .cols = 10000}};
    s->config.memory = 20 << 20;
    stage_run(s);
    peer *client = open_client(s, 64 << 20);
    send_call(client, 1, KOFN_METHOD_PUT_OPERAND, &kofn_put_operand_message, &huge);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(reply.retry_ms, 0); // no later try will do
    put_operand(s, client, 2, &large, 0, id);
    send_operand(s, client, 3, &large, 0);
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_true(reply.retry_ms > 0);
    const problem job = {.rows = 1000, .inner = 300, .cols = 300}; // counts with the operand
    send_product(s, client, 4, KOFN_METHOD_MULTIPLY, &job);
    assert_int_equal(expect_reply(client, 4, NULL, NULL), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(drop_operand(client, id), KOFN_OK);
    assert_int_equal(check_health(client).memory_bytes, 0);
}

static void
coded_blocks_yield_to_jobs(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX];
    problem what = {.rows = 500,
                    .inner = 400,
                    .cols = 2,
                    .family = "uncoded",
                    .x = 2,
                    .z = 1,
                    .y = 1,
                    .tasks = 2};
    s->config.memory = 16 << 20;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 4);
    put_operand(s, client, 1, &what, 0, id);
    what.operand[0] = id;
    (void)multiply(s, client, worker, &what, 2);
    assert_int_equal(get_only_operand(client).coded_blocks, 2);
    const size_t used = check_health(client).memory_bytes;
    assert_true(used >= 2 * 500 * 400 * 8);
    /* 3 (A + B) + 2 C: more than is free, less than is free without coded blocks. */
    const problem other = {.rows = 680, .inner = 680, .cols = 120};
    send_head(client, 3, KOFN_METHOD_MULTIPLY, &other);
    assert_int_equal(check_health(client).jobs_queued, 1);
    assert_true(get_only_operand(client).coded_blocks < 2);
    assert_true(check_health(client).memory_bytes <= s->config.memory);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void
a_master_that_stops_takes_no_operands(void **state)
{
    stage *s = *state;
    s->config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &small); // holds it up: there is no worker
    send_upload_head(client, 2, "", 0);
    (void)check_health(client);
    kofn_master_stop(s->master);
    kofn_msg_reply reply;
    do {
        send_operand(s, client, 3, &small, 0);
        expect(client, &kofn_reply_message, &reply);
    } while (reply.status == KOFN_OK); // it has not heard of it yet
    assert_int_equal(reply.status, KOFN_UNAVAILABLE);
    kofn_master_stop(s->master);
    for (size_t i = 0; i < 2; i++) { // the job, and the upload that was under way
        expect(client, &kofn_reply_message, &reply);
        assert_int_equal(reply.status, KOFN_UNAVAILABLE);
    }
    stage_join(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)
        T(either_factor_or_both_may_be_stored),
        T(a_stored_operand_is_used_as_it_is_and_transposed),
        T(an_operand_may_be_the_transpose_of_what_was_sent),
        T(one_operand_may_be_both_factors),
        T(operands_without_elements_are_stored),
        T(a_plain_client_stores_and_uses_operands),
        T(an_operand_outlives_its_client),
        T(a_shape_that_is_said_must_be_the_stored_one),
        T(stored_shapes_that_cannot_be_multiplied_are_refused),
        T(what_is_neither_described_nor_stored_is_refused),
        T(a_block_of_a_stored_operand_is_one_too_many),
        T(operands_of_no_dtype_are_refused),
        T(a_second_product_does_not_encode_again),
        T(blocks_are_found_though_the_other_operand_must_be_encoded),
        T(another_family_with_equal_coefficients_finds_them),
        T(orthopoly_finds_what_orthomatdot_made),
        T(a_transposed_product_finds_them),
        T(other_coefficients_find_nothing),
        T(without_a_budget_nothing_is_kept),
        T(an_operand_in_use_is_dropped_when_the_job_is_done),
        T(a_job_that_ends_early_lets_go_of_its_operand),
        T(an_operand_nobody_uses_goes_after_the_keep_time),
        T(an_upload_that_is_given_up_leaves_nothing),
        T(an_upload_past_its_deadline_is_over),
        T(a_bad_block_ends_the_upload_and_nothing_else),
        T(the_same_key_is_the_same_operand),
        T(the_first_whole_upload_keeps_the_key),
        T(a_retried_product_is_known_though_its_operand_is_gone),
        T(more_operands_than_the_limit_are_refused),
        T(an_operand_beyond_the_memory_is_refused),
        T(coded_blocks_yield_to_jobs),
        T(a_master_that_stops_takes_no_operands),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
