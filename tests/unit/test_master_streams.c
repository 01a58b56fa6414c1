/* Streams in the master: what is opened and refused, places and their order, pushes that come
 * again, clients that go and come back, and ends. Rounds themselves are the scheduler's
 * (test_rounds). */
#include "tests/unit/master_stage.h"

#include "master/streams.h"

#include <math.h>

/* One mini-task a job, plain: numbers are exact, and who answers it ends the job. */
static const kofn_msg_open_stream one_by_one = {
    .scheme = "uncoded", .slots = 1, .code = {.x = 1, .y = 1}, .limit = 4, .grace_ms = 60000};

/* Two rounds a job, and two mini-tasks. */
static const kofn_msg_open_stream two_rounds = {
    .scheme = "idip", .slots = 1, .delay = 1, .code = {.x = 2, .y = 1}, .grace_ms = 60000};

static const problem small = {.rows = 6, .inner = 4, .cols = 3};

/* ---- helpers --------------------------------------------------------------------------------- */

/* Its code's lists are cleared. */
static kofn_msg_stream
open_stream(peer *p, const kofn_msg_open_stream *asked)
{
    kofn_msg_stream opened;
    send_call(p, 500000, KOFN_METHOD_OPEN_STREAM, &kofn_open_stream_message, asked);
    assert_int_equal(expect_reply(p, 500000, &kofn_stream_message, &opened), KOFN_OK);
    assert_string_equal(opened.state, "open");
    const kofn_msg_stream stream = opened;
    kofn_message_clear(&kofn_stream_message, &opened);
    return stream;
}

/* Refused so, with these words. */
static void
assert_not_opened(peer *p, const kofn_msg_open_stream *asked, kofn_status status, const char *words)
{
    kofn_msg_reply reply;
    send_call(p, 500001, KOFN_METHOD_OPEN_STREAM, &kofn_open_stream_message, asked);
    expect(p, &kofn_reply_message, &reply);
    if (reply.status != status || !strstr(reply.message, words))
        fail_msg("status %d, '%s', and not '%s'", (int)reply.status, reply.message, words);
}

static problem
job_of(const kofn_msg_stream *stream, uint64_t index)
{
    problem what = small;
    what.rows += index % 3; // shapes may differ
    what.stream = stream->id;
    what.index = index;
    return what;
}

/* Call numbers are the indices. */
static void
push(stage *s, peer *p, const kofn_msg_stream *stream, uint64_t index)
{
    const problem what = job_of(stream, index);
    send_product(s, p, index, KOFN_METHOD_PUSH, &what);
}

static void
push_head(peer *p, const kofn_msg_stream *stream, uint64_t index)
{
    const problem what = job_of(stream, index);
    send_head(p, index, KOFN_METHOD_PUSH, &what);
}

/* B has another number of rows than A columns. */
static void
push_misfit(peer *p, uint64_t call, const kofn_msg_stream *stream, uint64_t index)
{
    kofn_msg_push misfit = {.index = index,
                            .a = {.dtype = "f64", .rows = 2, .cols = 3},
                            .b = {.dtype = "f64", .rows = 2, .cols = 3}};
    snprintf(misfit.stream, sizeof misfit.stream, "%s", stream->id);
    send_call(p, call, KOFN_METHOD_PUSH, &kofn_push_message, &misfit);
}

static void
expect_job(stage *s, peer *p, const kofn_msg_stream *stream, uint64_t index, char *ret_job)
{
    const problem what = job_of(stream, index);
    expect_product(s, p, index, &what, ret_job);
}

static kofn_msg_reply
expect_failure(peer *p, uint64_t call, kofn_status status)
{
    kofn_msg_reply reply;
    expect(p, &kofn_reply_message, &reply);
    if (reply.status != status)
        print_error("%s\n", reply.message);
    assert_int_equal(reply.call, call);
    assert_int_equal(reply.status, status);
    return reply;
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

static kofn_msg_stream
close_stream(peer *p, uint64_t call, const kofn_msg_stream *stream, bool abandon)
{
    kofn_msg_close_stream order = {.abandon = abandon};
    kofn_msg_stream closed = {.state = ""};
    snprintf(order.stream, sizeof order.stream, "%s", stream->id);
    send_call(p, call, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    assert_int_equal(expect_reply(p, call, &kofn_stream_message, &closed), KOFN_OK);
    assert_string_equal(closed.state, "closed");
    const kofn_msg_stream account = closed;
    kofn_message_clear(&kofn_stream_message, &closed);
    return account;
}

/* As the master lists it; state "" when it does not. */
static kofn_msg_stream
find_stream(peer *p, const kofn_msg_stream *stream)
{
    kofn_msg_streams list;
    kofn_msg_stream found = {.state = ""};
    send_call(p, 900, KOFN_METHOD_LIST_STREAMS, NULL, NULL);
    assert_int_equal(expect_reply(p, 900, &kofn_streams_message, &list), KOFN_OK);
    const kofn_msg_stream *at = list.streams.at;
    for (size_t i = 0; i < list.streams.count; i++)
        if (strcmp(at[i].id, stream->id) == 0)
            found = at[i];
    kofn_message_clear(&kofn_streams_message, &list);
    return found;
}

static void
await_stream_state(peer *p, const kofn_msg_stream *stream, const char *state)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (strcmp(find_stream(p, stream).state, state) != 0)
        assert_true(kofn_clock_ns() < until_ns);
}

static void
await_pushed(peer *p, const kofn_msg_stream *stream, uint64_t pushed)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (find_stream(p, stream).pushed != pushed)
        assert_true(kofn_clock_ns() < until_ns);
}

/* Until the job that came so many before the last one is cancelled, with the connection of its
 * blocks. */
static void
await_lost_upload(peer *p, size_t before)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    for (bool lost = false; !lost;) {
        kofn_msg_jobs jobs;
        assert_true(kofn_clock_ns() < until_ns);
        send_call(p, 60, KOFN_METHOD_LIST_JOBS, NULL, NULL);
        assert_int_equal(expect_reply(p, 60, &kofn_jobs_message, &jobs), KOFN_OK);
        lost = strcmp(((kofn_msg_job *)jobs.jobs.at)[before].state, "cancelled") == 0;
        kofn_message_clear(&kofn_jobs_message, &jobs);
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void
what_is_left_open_follows_from_the_rest_and_is_told(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 4; i++)
        (void)join_worker_of(s, (const char *[]){"a", "b", "c", "d"}[i], 2, "f64,gf256");
    const kofn_msg_stream idip = open_stream(
        client, &(kofn_msg_open_stream){.scheme = "idip", .tolerance = 0.5, .rescue = -1});
    assert_int_equal(idip.slots, 4); // as many as there are workers
    assert_int_equal(idip.delay, 3);
    assert_int_equal(idip.window, 4);
    assert_int_equal(idip.need, 12); // one straggler: (P - 1) W, as square as can be
    assert_int_equal(idip.failures, 4);
    assert_int_equal(idip.code.x * idip.code.y, 12);
    assert_int_equal(idip.code.x, 3);
    assert_int_equal(idip.limit, 8);
    assert_int_equal(idip.grace_ms, 10000);
    assert_true(idip.tolerance == 0.5 && idip.rescue == 0);
    assert_string_equal(idip.code.family, "rkrp");

    const kofn_msg_stream poly = open_stream(
        client,
        &(kofn_msg_open_stream){
            .scheme = "polynomial", .field = "gf256", .tolerance = -1, .rescue = 0.5, .limit = 1});
    assert_int_equal(poly.need, 3);
    assert_true(poly.tolerance == 0 && poly.rescue == 0.5);
    assert_int_equal(poly.delay, 0);
    assert_string_equal(poly.code.family, "polynomial");
    assert_string_equal(poly.field, "gf256");

    const kofn_msg_stream none = open_stream(
        client, &(kofn_msg_open_stream){.scheme = "uncoded", .field = "gf4", .slots = 7});
    assert_int_equal(none.need, 7);
    assert_string_equal(none.code.family, "uncoded"); // no points: gf4 has 4
    assert_int_equal(none.code.tasks, 7);

    const kofn_msg_stream fewer =
        open_stream(client, &(kofn_msg_open_stream){.scheme = "idip", .failures = 6});
    assert_int_equal(fewer.need, 10); // P W - N
    assert_int_equal(fewer.code.x, 2);
    assert_int_equal(fewer.code.y, 5);

    const kofn_msg_stream late =
        open_stream(client, &(kofn_msg_open_stream){.scheme = "idip", .delay = 64});
    assert_int_equal(late.window, 65);
    assert_int_equal(late.need, 63);      // 3 x 21 of the 64 that are usual, and not 3 x 65
    assert_int_equal(late.failures, 197); // P W - need
    const kofn_msg_stream many =
        open_stream(client, &(kofn_msg_open_stream){.scheme = "dip", .slots = 1000});
    assert_int_equal(many.need, 512);
    const kofn_msg_stream crowd =
        open_stream(client, &(kofn_msg_open_stream){.scheme = "uncoded", .slots = 1000});
    assert_int_equal(crowd.need, 1000); // nothing to solve
}

static void
configured_defaults_count_together_or_not_at_all(void **state)
{
    stage *s = *state;
    s->config.streams = (kofn_rounds_config){
        .scheme = KOFN_SCHEME_IDIP, .slots = 3, .window = 2, .failures = 2, .tolerance = 0.75};
    s->config.stream_code = (kofn_code_spec){.family = "polynomial", .part = {2, 1, 2}};
    s->config.stream_grace_ns = 7 * KOFN_NS_PER_S;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream plain = open_stream(client, &(kofn_msg_open_stream){.limit = 5});
    assert_string_equal(plain.scheme, "idip");
    assert_int_equal(plain.slots, 3);
    assert_int_equal(plain.window, 2);
    assert_int_equal(plain.failures, 2); // 3 x 2 - 4
    assert_string_equal(plain.code.family, "polynomial");
    assert_int_equal(plain.grace_ms, 7000);
    assert_int_equal(plain.limit, 5);
    const kofn_msg_stream other = open_stream(client, &(kofn_msg_open_stream){.slots = 2});
    assert_int_equal(other.delay, 3); // and not window - 1 = 1
    assert_true(other.tolerance == 0.75);
    const kofn_msg_stream named =
        open_stream(client, &(kofn_msg_open_stream){.scheme = "dip", .slots = 5});
    assert_int_equal(named.lambda, 5);
    assert_int_equal(named.failures, 0); // of which dip has none
    assert_int_equal(named.need, 4);     // its parts are not of the rounds
}

/* Polynomials over gf16 have 15 points, over gf256 255. Rows: of dip P (T + need / P), of idip up
 * to need - 1 + P. */
static void
over_a_small_field_what_is_open_is_chosen_to_fit(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const struct {
        kofn_msg_open_stream asked;
        uint64_t delay, parts;
    } cases[] = {
        {{.scheme = "dip", .slots = 5, .field = "gf256"}, 3, 16}, // 35 rows
        {{.scheme = "dip", .slots = 5, .field = "gf16"}, 1, 8},   // 15
        {{.scheme = "dip", .slots = 5, .field = "gf16", .code = {.x = 2, .y = 5}}, 1, 10},
        {{.scheme = "dip", .slots = 5, .field = "gf16", .delay = 2}, 2, 5},
        {{.scheme = "dip", .slots = 50, .field = "gf256"}, 2, 147},
        {{.scheme = "dip", .slots = 100, .field = "gf256"}, 1, 100}, // a delay of 1 is not enough
        {{.scheme = "dip",
          .slots = 80,
          .field = "gf256",
          .code = {.family = "matdot", .x = 1, .z = 20, .y = 1}},
         2,
         39}, // 2 z - 1
        {{.scheme = "idip", .slots = 5, .field = "gf16"}, 2, 12},
        {{.scheme = "idip", .slots = 5, .field = "gf16", .delay = 3}, 3, 11},
        {{.scheme = "idip_burst", .slots = 6, .burst = 2, .field = "gf16"}, 1, 10},
        {{.scheme = "polynomial", .slots = 15, .field = "gf16"}, 0, 14},
        {{.scheme = "uncoded", .slots = 20, .field = "gf16"}, 0, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_msg_stream stream = open_stream(client, &cases[i].asked);
        assert_int_equal(stream.delay, cases[i].delay);
        assert_int_equal(stream.need, cases[i].parts);
    }
    const kofn_msg_open_stream wrong[] = {
        {.scheme = "dip", .slots = 5, .field = "gf16", .delay = 3},
        {.scheme = "dip", .slots = 16, .field = "gf16"},
        {.scheme = "polynomial", .slots = 16, .field = "gf16"},
        {.scheme = "idip", .slots = 5, .field = "gf16", .code = {.x = 4, .y = 4}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_not_opened(client, &wrong[i], KOFN_INVALID_ARGUMENT,
                          "field gf16 has only 15 points");
}

static void
what_contradicts_itself_is_refused_with_the_equation(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const struct {
        kofn_msg_open_stream asked;
        kofn_status status;
        const char *words;
    } cases[] = {
        {{.scheme = "idipp", .slots = 4}, KOFN_INVALID_ARGUMENT, "idip"},
        {{.scheme = "idip", .slots = 4, .delay = 3, .window = 3},
         KOFN_INVALID_ARGUMENT,
         "T = W - 1"},
        {{.scheme = "idip", .slots = 4, .window = 4, .failures = 3, .code = {.x = 3, .y = 4}},
         KOFN_INVALID_ARGUMENT,
         "need = P W - N"},
        {{.scheme = "idip", .slots = 2, .window = 2, .code = {.x = 3, .y = 2}},
         KOFN_INVALID_ARGUMENT,
         "need = P W - N"},
        {{.scheme = "dip", .slots = 4, .lambda = 5}, KOFN_OUT_OF_RANGE, "lambda"},
        {{.scheme = "dip", .slots = 4, .failures = 2},
         KOFN_INVALID_ARGUMENT,
         "failures: the scheme dip has no such key"},
        {{.scheme = "polynomial", .slots = 4, .code = {.x = 3, .y = 2}},
         KOFN_INVALID_ARGUMENT,
         "need <= P"},
        {{.scheme = "polynomial", .slots = 4, .delay = 1}, KOFN_INVALID_ARGUMENT, "T = W - 1 = 0"},
        {{.scheme = "idip_burst", .slots = 4, .window = 4, .burst = 3, .code = {.x = 3, .y = 4}},
         KOFN_INVALID_ARGUMENT,
         "B divides N"},
        {{.slots = 4, .tolerance = 1e300}, KOFN_OUT_OF_RANGE, "tolerance"},
        {{.slots = 4, .tolerance = 0.0 / 0.0}, KOFN_OUT_OF_RANGE, "tolerance"},
        {{.slots = 4, .rescue = 1e300}, KOFN_OUT_OF_RANGE, "rescue"},
        {{.slots = 4, .limit = 3}, KOFN_INVALID_ARGUMENT, "T + 1 = 4"},
        {{.slots = 4, .field = "integers"}, KOFN_UNIMPLEMENTED, "integers"},
        {{.slots = 4, .field = "f65"}, KOFN_NOT_FOUND, "f64"},
        {{.slots = 4, .field = "gfp:6"}, KOFN_INVALID_ARGUMENT, "prime"},
        {{.slots = 4, .code = {.family = "rkpr"}}, KOFN_NOT_FOUND, "rkrp"},
        {{.slots = 4, .code = {.tasks = 5}}, KOFN_INVALID_ARGUMENT, "tasks"},
        {{.slots = 4, .code = {.reserve = 5}}, KOFN_INVALID_ARGUMENT, "reserve"},
        {{.slots = 4, .code = {.parts = "2,2"}}, KOFN_INVALID_ARGUMENT, "outer"},
        {{.slots = 4, .code = {.x = 65536, .y = 65536}}, KOFN_OUT_OF_RANGE, "65536"},
        {{.slots = 10000, .delay = 64, .code = {.x = 2, .y = 2}}, KOFN_OUT_OF_RANGE, "rows"},
        {{.scheme = "idip", .slots = 4, .code = {.x = 2, .z = 2, .y = 2}},
         KOFN_INVALID_ARGUMENT,
         ""},
        {{.slots = 4, .code = {.family = "eps_matdot", .x = 1, .z = 2, .y = 1}},
         KOFN_INVALID_ARGUMENT,
         "estimates"},
        {{.slots = 4, .code = {.family = "alloy_local", .x = 2, .z = 2, .y = 2}}, 0, NULL},
        {{.slots = 5, .delay = 64, .code = {.x = 19, .y = 27}},
         KOFN_OUT_OF_RANGE,
         "need 513 answers, and 512 are the most that are solved for (in need^3 steps): take "
         "partition 8,1,8"},
        {{.scheme = "idip", .slots = 9, .delay = 63, .failures = 63},
         KOFN_OUT_OF_RANGE,
         "need 513 answers (need = P W - N), and 512 are the most that are solved for (in need^3 "
         "steps): take partition 8,1,8 and leave failures out"},
        {{.slots = 4, .field = "gf256", .code = {.family = "orthopoly"}},
         KOFN_INVALID_ARGUMENT,
         "orthopoly: field gf256"},
        {{.scheme = ""}, KOFN_FAILED_PRECONDITION, "worker"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_msg_reply reply;
        send_call(client, i + 1, KOFN_METHOD_OPEN_STREAM, &kofn_open_stream_message,
                  &cases[i].asked);
        expect(client, &kofn_reply_message, &reply);
        if (reply.status == KOFN_OK || (cases[i].words && (reply.status != cases[i].status ||
                                                           !strstr(reply.message, cases[i].words))))
            fail_msg("case %zu: status %d, '%s', and not '%s'", i, (int)reply.status, reply.message,
                     cases[i].words ? cases[i].words : "a refusal");
    }
}

static void
streams_are_limited_for_each_client_and_for_all(void **state)
{
    stage *s = *state;
    s->config.streams_max = 3;
    s->config.client_streams_max = 2;
    stage_run(s);
    peer *one = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream first = open_stream(one, &one_by_one);
    (void)open_stream(one, &one_by_one);
    assert_not_opened(one, &one_by_one, KOFN_RESOURCE_EXHAUSTED, "limits.client_streams");
    (void)open_stream(other, &one_by_one);
    assert_not_opened(other, &one_by_one, KOFN_RESOURCE_EXHAUSTED, "limits.streams");
    (void)close_stream(one, 7, &first, false);
    (void)open_stream(one, &one_by_one);
}

/* Their codes take a while: the others come before the first of them is there. */
static void
streams_that_open_together_count_too(void **state)
{
    stage *s = *state;
    enum { CALLS = 6, OWN = 2 };
    s->config.client_streams_max = OWN;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_open_stream asked = {.slots = 100, .code = {.x = 22, .y = 22}};
    size_t opened = 0, refused = 0;
    for (uint64_t call = 1; call <= CALLS; call++)
        send_call(client, call, KOFN_METHOD_OPEN_STREAM, &kofn_open_stream_message, &asked);
    for (size_t i = 0; i < CALLS; i++) {
        kofn_msg_reply reply;
        expect(client, &kofn_reply_message, &reply);
        opened += reply.status == KOFN_OK;
        refused += reply.status == KOFN_RESOURCE_EXHAUSTED &&
                   strstr(reply.message, "limits.client_streams") != NULL;
    }
    assert_int_equal(opened, OWN);
    assert_int_equal(refused, CALLS - OWN);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void
jobs_of_any_shape_share_rounds_and_are_answered(void **state)
{
    stage *s = *state;
    enum { JOBS = 9 };
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &two_rounds);
    char id[KOFN_ID_MAX];
    assert_int_equal(stream.need, 2);
    assert_int_equal(stream.limit, 4);
    for (uint64_t i = 1; i <= JOBS; i++) {
        task t;
        push(s, client, &stream, i);
        expect_task(worker, &t);
        const uint64_t round = t.head.round; // for workers that straggle on purpose
        assert_int_equal(t.head.slot, 0);
        answer(s, worker, &t);
        answer_tasks(s, worker, 1);
        expect_job(s, client, &stream, i, id);
        const kofn_msg_job job = get_job(client, id);
        assert_int_equal(job.born, round);
        assert_string_equal(job.stream, stream.id);
        assert_string_equal(job.policy, "rounds");
        assert_int_equal(job.index, i);
        assert_in_range(job.born, i, 2 * i);
        assert_in_range(job.finished, job.born, job.born + 1); // by T
        assert_false(job.durable);
    }
    const kofn_msg_stream closed = close_stream(client, 100, &stream, false);
    assert_int_equal(closed.pushed, JOBS);
    assert_int_equal(closed.answered, JOBS);
    assert_int_equal(closed.done, JOBS);
    assert_int_equal(closed.failed, 0);
    assert_int_equal(closed.returned, 2 * JOBS);
    assert_true(closed.rounds >= JOBS && closed.busy > 0);
}

static void
a_job_that_ends_early_is_answered_in_its_turn(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    push_misfit(client, 2, &stream, 2);
    push(s, client, &stream, 3);
    await_pushed(client, &stream, 3);
    assert_int_equal(find_stream(client, &stream).answered, 0);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
    const kofn_msg_reply reply = expect_failure(client, 2, KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(reply.message, "must be equal"));
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 3, NULL);
    const kofn_msg_stream now = find_stream(client, &stream);
    assert_int_equal(now.done, 2);
    assert_int_equal(now.failed, 1);
}

/* Whoever named no field is not told to leave it out. */
static void
integers_are_refused_as_no_elements_of_a_stream(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    kofn_msg_push integers = {.a = {.dtype = "i32", .rows = 2, .cols = 2},
                              .b = {.dtype = "i32", .rows = 2, .cols = 2},
                              .index = 1};
    snprintf(integers.stream, sizeof integers.stream, "%s", stream.id);
    send_call(client, 1, KOFN_METHOD_PUSH, &kofn_push_message, &integers);
    const kofn_msg_reply reply = expect_failure(client, 1, KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(reply.message, "streams are not made of integers: convert i32"));
}

/* Each uses up its index, and the jobs around it are none the worse. */
static void
jobs_that_do_not_fit_are_refused_alone(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    const struct {
        kofn_msg_push push;
        kofn_status status;
    } cases[] = {
        {{.a = {.dtype = "f64", .rows = 2, .cols = 3}, .b = {.dtype = "f64", .rows = 2, .cols = 3}},
         KOFN_INVALID_ARGUMENT},
        {{.a = {.dtype = "f32", .rows = 2, .cols = 2}, .b = {.dtype = "f32", .rows = 2, .cols = 2}},
         KOFN_INVALID_ARGUMENT},
        {{.a = {.dtype = "i64", .rows = 2, .cols = 2}, .b = {.dtype = "i64", .rows = 2, .cols = 2}},
         KOFN_INVALID_ARGUMENT},
        {{.a = {.dtype = "f64", .rows = 2, .cols = 2}, .b = {.dtype = "f32", .rows = 2, .cols = 2}},
         KOFN_INVALID_ARGUMENT},
        {{.a = {.dtype = "f16", .rows = 2, .cols = 2}, .b = {.dtype = "f16", .rows = 2, .cols = 2}},
         KOFN_UNIMPLEMENTED},
        {{.a = {.dtype = "f64", .rows = 2, .cols = 2}}, KOFN_INVALID_ARGUMENT},
        {{.a = {.dtype = "f64", .rows = 2, .cols = 2}, .operand_b = "0123456789abcdef"},
         KOFN_NOT_FOUND},
        {{.a = {.dtype = "f64", .rows = INT32_MAX, .cols = 1},
          .b = {.dtype = "f64", .rows = 1, .cols = INT32_MAX}},
         KOFN_OUT_OF_RANGE},
        {{.a = {.dtype = "f64", .rows = 1 << 20, .cols = 1 << 20},
          .b = {.dtype = "f64", .rows = 1 << 20, .cols = 1}},
         KOFN_RESOURCE_EXHAUSTED},
        {{.a = {.dtype = "f64", .rows = 2, .cols = 2}, .b = {.dtype = "f64", .rows = 2, .cols = 2}},
         KOFN_INVALID_ARGUMENT}, // no blocks come
    };
    uint64_t index = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_msg_push misfit = cases[i].push;
        snprintf(misfit.stream, sizeof misfit.stream, "%s", stream.id);
        misfit.index = ++index;
        send_call(client, index, KOFN_METHOD_PUSH, &kofn_push_message, &misfit);
        (void)expect_failure(client, index, cases[i].status);
        index++;
        push(s, client, &stream, index);
        answer_tasks(s, worker, 1);
        expect_job(s, client, &stream, index, NULL);
    }
    assert_int_equal(find_stream(client, &stream).failed, sizeof cases / sizeof cases[0]);
}

static void
a_gap_and_index_zero_are_refused_and_use_up_nothing(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push_misfit(client, 90, &stream, 2);
    assert_non_null(strstr(expect_failure(client, 90, KOFN_OUT_OF_RANGE).message, "1 is expected"));
    push_misfit(client, 91, &stream, 0);
    (void)expect_failure(client, 91, KOFN_INVALID_ARGUMENT);
    push_misfit(client, 92, &stream, UINT64_MAX);
    (void)expect_failure(client, 92, KOFN_OUT_OF_RANGE);
    push_misfit(client, 93, &(kofn_msg_stream){.id = "0123456789abcdef"}, 1);
    (void)expect_failure(client, 93, KOFN_NOT_FOUND);
    push_misfit(client, 94, &(kofn_msg_stream){.id = "nonsense"}, 1);
    (void)expect_failure(client, 94, KOFN_NOT_FOUND);
    push(s, client, &stream, 1);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
}

static void
the_window_holds_pushes_back_and_lets_them_on(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    for (uint64_t i = 1; i <= 4; i++)
        push(s, client, &stream, i);
    push_misfit(client, 5, &stream, 5);
    const kofn_msg_reply reply = expect_failure(client, 5, KOFN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(reply.message, "limit is 4"));
    assert_true(reply.retry_ms > 0);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
    push(s, client, &stream, 5);
    answer_tasks(s, worker, 4);
    for (uint64_t i = 2; i <= 5; i++)
        expect_job(s, client, &stream, i, NULL);
}

static void
a_push_without_room_uses_up_nothing(void **state)
{
    stage *s = *state;
    s->config.jobs_max = 2;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    push(s, client, &stream, 2);
    push_misfit(client, 91, &stream, 3);
    assert_true(expect_failure(client, 91, KOFN_RESOURCE_EXHAUSTED).retry_ms > 0);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
    push(s, client, &stream, 3);
    answer_tasks(s, worker, 2);
    expect_job(s, client, &stream, 2, NULL);
    expect_job(s, client, &stream, 3, NULL);
}

/* ---- again ----------------------------------------------------------------------------------- */

static void
a_push_that_comes_again_is_the_same_job(void **state)
{
    stage *s = *state;
    char once[KOFN_ID_MAX], again[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    await_pushed(client, &stream, 1);
    push(s, other, &stream, 1); // while it is under way: its first caller waits no more
    (void)expect_failure(client, 1, KOFN_ABORTED);
    answer_tasks(s, worker, 1);
    expect_job(s, other, &stream, 1, once);
    push(s, client, &stream, 1); // and when it is done: the outcome again
    expect_job(s, client, &stream, 1, again);
    assert_string_equal(once, again);
    assert_int_equal(find_stream(client, &stream).pushed, 1);
}

static void
an_outcome_that_was_received_is_let_go(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
    assert_true(check_health(client).memory_bytes > 0);
    problem second = job_of(&stream, 2);
    second.received = UINT64_MAX; // more than there is, and than was answered
    send_product(s, client, 2, KOFN_METHOD_PUSH, &second);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, NULL);
    push(s, client, &stream, 1);
    (void)expect_failure(client, 1, KOFN_FAILED_PRECONDITION);
    push(s, client, &stream, 2); // it was not answered when it was said to be received
    expect_job(s, client, &stream, 2, NULL);
    for (uint64_t i = 3; i <= 6; i++) { // nothing is said, and still they go
        push(s, client, &stream, i);
        answer_tasks(s, worker, 1);
        expect_job(s, client, &stream, i, NULL);
    }
    push(s, client, &stream, 2);
    (void)expect_failure(client, 2, KOFN_FAILED_PRECONDITION);
    push(s, client, &stream, 3);
    expect_job(s, client, &stream, 3, NULL);
}

static void
an_index_whose_blocks_were_lost_may_be_pushed_again(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(gone, &one_by_one);
    push_head(gone, &stream, 1);
    push(s, gone, &stream, 2);
    await_pushed(client, &stream, 2);
    close_peer(gone);
    push(s, client, &stream, 2); // before or after the master finds out
    push(s, client, &stream, 1);
    answer_tasks(s, worker, 2);
    expect_job(s, client, &stream, 1, NULL);
    expect_job(s, client, &stream, 2, NULL);
}

static void
a_push_again_in_mid_upload_begins_anew(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    peer *other = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push_head(client, &stream, 1);
    await_pushed(client, &stream, 1);
    push(s, other, &stream, 1);
    assert_int_equal(expect_failure(client, 1, KOFN_ABORTED).body.length, 0); // uses up no index
    const kofn_msg_data late = {.id = 1};
    post(client, &kofn_data_message, &late); // of the former: dropped
    answer_tasks(s, worker, 1);
    expect_job(s, other, &stream, 1, NULL);
    assert_int_equal(find_stream(client, &stream).done, 1);
}

/* Whoever watches it does not bring its blocks. */
static void
a_watcher_keeps_no_lost_upload(void **state)
{
    stage *s = *state;
    kofn_msg_jobs jobs;
    kofn_msg_event event;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2), *watcher = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream stream = open_stream(gone, &one_by_one);
    push_head(gone, &stream, 1);
    await_pushed(client, &stream, 1);
    send_call(client, 60, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 60, &kofn_jobs_message, &jobs), KOFN_OK);
    send_job_call(watcher, 61, KOFN_METHOD_WATCH, ((kofn_msg_job *)jobs.jobs.at)[0].id);
    kofn_message_clear(&kofn_jobs_message, &jobs);
    expect(watcher, &kofn_event_message, &event);
    kofn_message_clear(&kofn_event_message, &event);
    close_peer(gone);
    await_lost_upload(client, 0);
    push(s, client, &stream, 1);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
}

static void
a_stream_that_is_over_holds_no_memory(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    kofn_msg_open_stream asked = one_by_one;
    asked.grace_ms = 1;
    const uint64_t before = check_health(client).memory_bytes;
    const kofn_msg_stream stream = open_stream(client, &asked);
    assert_true(check_health(client).memory_bytes > before);
    for (uint64_t i = 1; i <= 6; i++) {
        push(s, client, &stream, i);
        answer_tasks(s, worker, 1);
        expect_job(s, client, &stream, i, NULL);
    }
    push_misfit(client, 7, &stream, 7);
    (void)expect_failure(client, 7, KOFN_INVALID_ARGUMENT);
    (void)close_stream(client, 70, &stream, false);
    await_stream_state(client, &stream, "");
    assert_int_equal(check_health(client).memory_bytes, before);
}

static void
a_closed_stream_keeps_its_account_and_not_its_code(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_open_stream asked = {
        .slots = 100, .code = {.x = 22, .y = 22}, .grace_ms = 3600000};
    const size_t code_bytes = 484 * (22 + 22) * sizeof(double); // at least
    const kofn_msg_stream stream = open_stream(client, &asked);
    const uint64_t opened = check_health(client).memory_bytes;
    (void)close_stream(client, 70, &stream, false);
    const uint64_t closed = check_health(client).memory_bytes;
    assert_true(closed > 0 && closed + code_bytes <= opened);
    (void)close_stream(client, 71, &stream, false);
}

/* The product of the first is in the way of the job that comes then. */
static void
a_closed_stream_goes_when_memory_is_short(void **state)
{
    stage *s = *state;
    s->config.memory = 3 << 20;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    problem large = {
        .rows = 360, .inner = 1, .cols = 360}; // 1 MiB, and two of them when it is made
    for (uint64_t i = 1; i <= 3; i++) {
        const kofn_msg_stream stream = open_stream(client, &one_by_one);
        large.stream = stream.id;
        large.index = 1;
        send_product(s, client, i, KOFN_METHOD_PUSH, &large);
        answer_tasks(s, worker, 1);
        expect_product(s, client, i, &large, NULL);
        (void)close_stream(client, 70 + i, &stream, false);
    }
}

/* B is opened last and closed first. */
static void
closed_streams_are_kept_as_far_as_there_is_room(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream a = open_stream(client, &one_by_one),
                          b = open_stream(client, &one_by_one);
    (void)close_stream(client, 70, &b, false);
    (void)close_stream(client, 71, &a, false);
    for (size_t i = 0; i < KOFN_STREAMS_CLOSED_MAX - 1; i++) {
        const kofn_msg_stream next = open_stream(client, &one_by_one);
        (void)close_stream(client, 72 + i, &next, false);
    }
    await_stream_state(client, &b, "");
    assert_string_equal(find_stream(client, &a).state, "closed");
}

/* It is cancelled, and its push waits for its turn: what comes for it is dropped. */
static void
blocks_for_a_job_that_is_over_are_dropped(void **state)
{
    stage *s = *state;
    kofn_msg_jobs jobs;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push_head(client, &stream, 1);
    push_head(client, &stream, 2);
    await_pushed(client, &stream, 2);
    send_call(client, 60, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 60, &kofn_jobs_message, &jobs), KOFN_OK);
    const kofn_msg_job second = ((kofn_msg_job *)jobs.jobs.at)[0];
    kofn_message_clear(&kofn_jobs_message, &jobs);
    send_job_call(client, 61, KOFN_METHOD_CANCEL, second.id);
    assert_int_equal(expect_reply(client, 61, NULL, NULL), KOFN_OK);
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 2, .more = true});
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 2});
    assert_string_equal(get_job(client, second.id).state, "cancelled");
    post(client, &kofn_data_message, &(kofn_msg_data){.id = 1}); // which is too little
    (void)expect_failure(client, 1, KOFN_INVALID_ARGUMENT);
    (void)expect_failure(client, 2, KOFN_CANCELLED);
    push(s, client, &stream, 3);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 3, NULL);
}

static void
a_stream_is_charged_for_the_copies_of_a_rescue(void **state)
{
    enum { SLOTS = 1000, ROUNDS = 4, LEAST = 48 }; // bytes of a mini-task
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    kofn_msg_open_stream asked = {
        .scheme = "dip", .slots = SLOTS, .delay = ROUNDS - 1, .code = {.x = 2, .y = 2}};
    const uint64_t none = check_health(client).memory_bytes;
    (void)open_stream(client, &asked);
    const uint64_t one = check_health(client).memory_bytes - none;
    asked.rescue = 2;
    (void)open_stream(client, &asked);
    const uint64_t other = check_health(client).memory_bytes - none - one;
    assert_true(other >= one + (uint64_t)SLOTS * ROUNDS * LEAST);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
a_cancelled_job_is_answered_in_its_turn_and_the_stream_goes_on(void **state)
{
    stage *s = *state;
    kofn_msg_jobs jobs;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    for (uint64_t i = 1; i <= 3; i++)
        push(s, client, &stream, i);
    await_pushed(client, &stream, 3);
    send_call(client, 60, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 60, &kofn_jobs_message, &jobs), KOFN_OK);
    assert_int_equal(jobs.jobs.count, 3);
    const kofn_msg_job second = ((kofn_msg_job *)jobs.jobs.at)[1];
    assert_int_equal(second.index, 2);
    send_job_call(client, 61, KOFN_METHOD_CANCEL, second.id);
    kofn_message_clear(&kofn_jobs_message, &jobs);
    assert_int_equal(expect_reply(client, 61, NULL, NULL), KOFN_OK);
    answer_tasks(s, worker, 2);
    expect_job(s, client, &stream, 1, NULL);
    (void)expect_failure(client, 2, KOFN_CANCELLED);
    expect_job(s, client, &stream, 3, NULL);
}

static void
an_abandoned_push_ends_its_job_and_no_other(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push_head(client, &stream, 1);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    push(s, client, &stream, 2);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, NULL);
    push(s, client, &stream, 1); // its index stays used
    (void)expect_failure(client, 1, KOFN_CANCELLED);
    const kofn_msg_stream now = find_stream(client, &stream);
    assert_int_equal(now.done, 1);
    assert_int_equal(now.failed, 1);
}

static void
a_deadline_ends_its_job_alone(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    problem first = job_of(&stream, 1);
    task t;
    first.timeout_ms = 2000;
    send_product(s, client, 1, KOFN_METHOD_PUSH, &first);
    expect_task(worker, &t); // and never answers
    task_fini(&t);
    (void)expect_failure(client, 1, KOFN_DEADLINE_EXCEEDED);
    kofn_msg_cancel cancel;
    expect(worker, &kofn_cancel_message, &cancel);
    push(s, client, &stream, 2);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, NULL);
}

static void
a_stream_that_is_closed_finishes_its_jobs_and_takes_no_more(void **state)
{
    stage *s = *state;
    kofn_msg_stream closed;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    kofn_msg_close_stream order = {.abandon = false};
    snprintf(order.stream, sizeof order.stream, "%s", stream.id);
    push(s, client, &stream, 1);
    push(s, client, &stream, 2);
    await_pushed(client, &stream, 2);
    send_call(client, 70, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    await_stream_state(client, &stream, "closing");
    push_misfit(client, 71, &stream, 3);
    (void)expect_failure(client, 71, KOFN_FAILED_PRECONDITION);
    answer_tasks(s, worker, 2);
    expect_job(s, client, &stream, 1, NULL);
    expect_job(s, client, &stream, 2, NULL);
    assert_int_equal(expect_reply(client, 70, &kofn_stream_message, &closed), KOFN_OK);
    assert_string_equal(closed.state, "closed");
    assert_int_equal(closed.done, 2);
    kofn_message_clear(&kofn_stream_message, &closed);
    push(s, client, &stream, 2); // what is known is still told
    expect_job(s, client, &stream, 2, NULL);
    assert_int_equal(close_stream(client, 72, &stream, false).done, 2);
}

static void
a_close_that_takes_too_long_is_told_so(void **state)
{
    stage *s = *state;
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    expect_task(worker, &t);
    kofn_msg_close_stream order = {.abandon = false};
    snprintf(order.stream, sizeof order.stream, "%s", stream.id);
    send_timed_call(client, 70, 100, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    const kofn_msg_reply reply = expect_failure(client, 70, KOFN_DEADLINE_EXCEEDED);
    assert_non_null(strstr(reply.message, "goes on closing"));
    assert_string_equal(find_stream(client, &stream).state, "closing");
    answer(s, worker, &t);
    expect_job(s, client, &stream, 1, NULL);
    assert_int_equal(close_stream(client, 71, &stream, false).done, 1);
}

/* Its blocks go on coming. */
static void
a_push_again_to_a_stream_that_closes_ends_no_upload(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    kofn_msg_close_stream order = {.abandon = false};
    snprintf(order.stream, sizeof order.stream, "%s", stream.id);
    push_head(client, &stream, 1);
    await_pushed(client, &stream, 1);
    send_call(other, 70, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    await_stream_state(client, &stream, "closing");
    push_misfit(other, 1, &stream, 1);
    (void)expect_failure(other, 1, KOFN_FAILED_PRECONDITION);
    const kofn_msg_stream now = find_stream(client, &stream);
    assert_string_equal(now.state, "closing");
    assert_int_equal(now.failed, 0);
}

static void
an_abandoned_stream_cancels_its_jobs(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    for (uint64_t i = 1; i <= 3; i++)
        push(s, client, &stream, i);
    push_head(client, &stream, 4); // in mid-upload
    await_pushed(client, &stream, 4);
    const kofn_msg_stream closed = close_stream(other, 70, &stream, true);
    for (uint64_t i = 1; i <= 4; i++)
        (void)expect_failure(client, i, KOFN_CANCELLED);
    assert_int_equal(closed.failed, 4);
    assert_int_equal(closed.answered, 4);
    push_misfit(client, 71, &stream, 5);
    (void)expect_failure(client, 71, KOFN_FAILED_PRECONDITION);
}

/* Nobody can push it any more, so nobody waits for it. */
static void
a_free_index_does_not_keep_a_stream_from_closing(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(gone, &one_by_one);
    push_head(gone, &stream, 1);
    await_pushed(client, &stream, 1);
    push(s, client, &stream, 2); // behind the first
    await_pushed(client, &stream, 2);
    close_peer(gone);
    await_lost_upload(client, 1);
    kofn_msg_close_stream order = {.abandon = false};
    kofn_msg_stream closed;
    snprintf(order.stream, sizeof order.stream, "%s", stream.id);
    send_call(client, 70, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, NULL);
    assert_int_equal(expect_reply(client, 70, &kofn_stream_message, &closed), KOFN_OK);
    assert_int_equal(closed.done, 1);
    assert_int_equal(closed.failed, 1);
    kofn_message_clear(&kofn_stream_message, &closed);
}

static void
a_client_that_goes_has_its_stream_closed_after_the_grace(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker(s, "w", 2);
    kofn_msg_open_stream asked = one_by_one;
    asked.grace_ms = 2000;
    const kofn_msg_stream stream = open_stream(gone, &asked);
    push(s, gone, &stream, 1);
    await_pushed(client, &stream, 1);
    close_peer(gone);
    await_stream_state(client, &stream, "closed");
    const kofn_msg_stream closed = find_stream(client, &stream);
    assert_int_equal(closed.failed, 1);
    push(s, client, &stream, 1); // not as a job that was cancelled
    (void)expect_failure(client, 1, KOFN_NOT_FOUND);
    await_stream_state(client, &stream, ""); // its account stays as long again
    push_misfit(client, 5, &stream, 1);
    (void)expect_failure(client, 5, KOFN_NOT_FOUND);
    assert_int_equal(check_health(client).jobs_running, 0);
}

/* Whether the reply was on its way or not. */
static void
a_stream_that_nobody_heard_of_ends(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    kofn_msg_open_stream asked = {.slots = 100, .code = {.x = 22, .y = 22}, .grace_ms = 2000};
    kofn_msg_streams list;
    send_call(gone, 1, KOFN_METHOD_OPEN_STREAM, &kofn_open_stream_message, &asked);
    post(gone, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    kofn_msg_reply reply;
    send_call(gone, 2, KOFN_METHOD_CHECK, NULL, NULL);
    do // both came before this
        expect(gone, &kofn_reply_message, &reply);
    while (reply.call != 2);
    close_peer(gone);
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (check_health(client).memory_bytes > 0)
        assert_true(kofn_clock_ns() < until_ns);
    send_call(client, 1, KOFN_METHOD_LIST_STREAMS, NULL, NULL);
    assert_int_equal(expect_reply(client, 1, &kofn_streams_message, &list), KOFN_OK);
    assert_int_equal(list.streams.count, 0);
    kofn_message_clear(&kofn_streams_message, &list);
}

/* The client heard of none of them, and its connection stays. */
static void
a_stream_whose_reply_crossed_an_abandon_ends(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream used = open_stream(client, &one_by_one);
    push_head(client, &used, 1);
    await_pushed(client, &used, 1);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 500000});
    assert_string_equal(find_stream(client, &used).state, "open");
    const kofn_msg_stream unheard = open_stream(client, &one_by_one);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1234});
    assert_string_equal(find_stream(client, &unheard).state, "open");
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 500000});
    assert_string_equal(find_stream(client, &unheard).state, "closed");
    assert_string_equal(find_stream(client, &used).state, "open");
}

/* No call of it is open, so nothing else would find out for a minute. */
static void
a_client_that_goes_silently_is_missed(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    kofn_msg_open_stream asked = one_by_one;
    asked.grace_ms = 2000;
    const kofn_msg_stream stream = open_stream(gone, &asked);
    close_peer(gone);
    await_stream_state(client, &stream, "closed"); // within PATIENCE_MS
}

static void
a_client_that_comes_back_finds_its_jobs(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(gone, &one_by_one);
    push(s, gone, &stream, 1);
    push(s, gone, &stream, 2);
    await_pushed(client, &stream, 2);
    close_peer(gone);
    answer_tasks(s, worker, 2); // nobody waits, and yet they are done
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    while (find_stream(client, &stream).answered < 2)
        assert_true(kofn_clock_ns() < until_ns);
    push(s, client, &stream, 1);
    push(s, client, &stream, 2);
    expect_job(s, client, &stream, 1, NULL);
    expect_job(s, client, &stream, 2, NULL);
    assert_int_equal(find_stream(client, &stream).done, 2);
}

static void
a_master_that_stops_finishes_what_was_pushed(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push(s, client, &stream, 1);
    await_pushed(client, &stream, 1);
    kofn_master_stop(s->master);
    while (strcmp(check_health(client).status, "NOT_SERVING") != 0)
        ;
    assert_not_opened(client, &one_by_one, KOFN_UNAVAILABLE, "stopping");
    push_misfit(client, 71, &stream, 2);
    (void)expect_failure(client, 71, KOFN_UNAVAILABLE);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 1, NULL);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

/* The index is free, and nobody may push it any more. */
static void
a_free_index_does_not_keep_a_master_from_stopping(void **state)
{
    stage *s = *state;
    s->config.grace_ns = 3600 * KOFN_NS_PER_S;
    stage_run(s);
    peer *gone = open_client(s, KOFN_WINDOW_BYTES), *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(gone, &one_by_one);
    push_head(gone, &stream, 1);
    await_pushed(client, &stream, 1);
    push(s, client, &stream, 2); // waits for it
    push_misfit(client, 3, &stream, 3);
    await_pushed(client, &stream, 3);
    close_peer(gone);
    await_lost_upload(client, 2);
    kofn_master_stop(s->master);
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, NULL);
    (void)expect_failure(client, 3, KOFN_INVALID_ARGUMENT);
    stage_join(s);
    assert_int_equal(s->ended, KOFN_OK);
}

/* Both slots have a mini-task of the job; `late` answers once the round waits for it. */
static void
play_round(stage *s, peer *client, const kofn_msg_stream *stream, uint64_t index, peer *first,
           peer *late)
{
    const int64_t until_ns = kofn_clock_after(kofn_clock_ns(), PATIENCE_MS * KOFN_NS_PER_MS);
    task t;
    push(s, client, stream, index);
    expect_task(late, &t);
    answer_tasks(s, first, 1);
    while (find_stream(client, stream).waited != index)
        assert_true(kofn_clock_ns() < until_ns);
    answer(s, late, &t);
    expect_job(s, client, stream, index, NULL);
}

static kofn_msg_stream
close_traced(peer *p, uint64_t call, const kofn_msg_stream *stream)
{
    kofn_msg_close_stream order = {.trace = true};
    kofn_msg_stream closed;
    snprintf(order.stream, sizeof order.stream, "%s", stream->id);
    send_call(p, call, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    assert_int_equal(expect_reply(p, call, &kofn_stream_message, &closed), KOFN_OK);
    return closed;
}

static void
who_asks_gets_the_trace_of_who_was_late(void **state)
{
    stage *s = *state;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    peer *a = join_worker(s, "a", 2), *b = join_worker(s, "b", 2);
    const kofn_msg_stream stream = open_stream(
        client, &(kofn_msg_open_stream){.scheme = "uncoded", .slots = 2, .code = {.x = 1, .y = 2}});
    play_round(s, client, &stream, 1, a, b);
    play_round(s, client, &stream, 2, b, a);
    play_round(s, client, &stream, 3, a, b);
    const kofn_msg_stream plain = close_stream(client, 100, &stream, false);
    assert_int_equal(plain.late, 3);
    assert_int_equal(plain.timed, 3);
    assert_true(plain.slowdown > 1 + plain.tolerance);
    assert_int_equal(plain.trace.length, 0);
    assert_int_equal(find_stream(client, &stream).trace.length, 0);
    for (uint64_t again = 0; again < 2; again++) {
        kofn_msg_stream traced = close_traced(client, 101 + again, &stream);
        const unsigned char *rows = traced.trace.at;
        assert_int_equal(traced.trace.length, traced.rounds); // a byte each
        assert_int_equal(traced.rounds, 3);
        assert_true(rows[0] == 1 || rows[0] == 2); // whichever slot b has
        assert_int_equal(rows[1], rows[0] ^ 3);
        assert_int_equal(rows[2], rows[0]);
        kofn_message_clear(&kofn_stream_message, &traced);
    }
    const kofn_msg_stream empty = open_stream(client, &one_by_one);
    kofn_msg_stream traced = close_traced(client, 103, &empty);
    assert_int_equal(traced.trace.length, 0);
    kofn_message_clear(&kofn_stream_message, &traced);
}

static void
stored_operands_serve_in_streams(void **state)
{
    stage *s = *state;
    char id[KOFN_ID_MAX], job[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    put_operand(s, client, 80, &small, 0, id);
    const kofn_msg_stream stream = open_stream(client, &two_rounds);
    for (uint64_t i = 1; i <= 3; i++) {
        problem what = small;
        what.stream = stream.id;
        what.index = i;
        what.operand[0] = id;
        send_product(s, client, i, KOFN_METHOD_PUSH, &what);
        answer_tasks(s, worker, 2);
        expect_product(s, client, i, &what, job);
        assert_true(i == 1 || get_job(client, job).blocks_reused > 0); // one code for all jobs
    }
}

/* A window of 4 KiB each way, and matrices of 80 KiB. */
static void
jobs_come_and_go_in_pieces(void **state)
{
    stage *s = *state;
    s->config.chunk_bytes = 4096;
    stage_run(s);
    peer *client = open_client(s, 4096), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &two_rounds);
    for (uint64_t i = 1; i <= 3; i++) {
        const problem what = {.rows = 100 + i,
                              .inner = 100,
                              .cols = 101 - i,
                              .frame_rows = 3,
                              .stream = stream.id,
                              .index = i};
        send_product(s, client, i, KOFN_METHOD_PUSH, &what);
        answer_tasks(s, worker, 2);
        expect_product(s, client, i, &what, NULL);
    }
}

static void
numbers_that_are_none_are_told(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    problem what = job_of(&stream, 1);
    task t;
    what.scale = NAN;
    send_product(s, client, 1, KOFN_METHOD_PUSH, &what);
    expect_task(worker, &t);
    kofn_msg_result head = result_of(worker, &t);
    head.nonfinite = true;
    answer_filled(s, worker, &head, NAN);
    task_fini(&t);
    expect_product(s, client, 1, &what, job);
    assert_true(get_job(client, job).nonfinite);
    push(s, client, &stream, 2); // and the next one knows nothing of it
    answer_tasks(s, worker, 1);
    expect_job(s, client, &stream, 2, job);
    assert_false(get_job(client, job).nonfinite);
}

/* Whoever watches a job by its id is told of it when it ends, and not in its turn. */
static void
a_watcher_need_not_wait_for_the_turn(void **state)
{
    stage *s = *state;
    kofn_msg_jobs jobs;
    kofn_msg_event event;
    kofn_msg_outcome watched;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *other = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    push_head(client, &stream, 1); // holds the others back
    push(s, client, &stream, 2);
    await_pushed(other, &stream, 2);
    send_call(other, 60, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(other, 60, &kofn_jobs_message, &jobs), KOFN_OK);
    const kofn_msg_job second = ((kofn_msg_job *)jobs.jobs.at)[0];
    kofn_message_clear(&kofn_jobs_message, &jobs);
    send_job_call(other, 61, KOFN_METHOD_WATCH, second.id);
    expect(other, &kofn_event_message, &event);
    assert_int_equal(event.job.index, 2);
    kofn_message_clear(&kofn_event_message, &event);
    send_job_call(client, 62, KOFN_METHOD_CANCEL, second.id);
    assert_int_equal(expect_reply(client, 62, NULL, NULL), KOFN_OK);
    expect(other, &kofn_event_message, &event);
    kofn_message_clear(&kofn_event_message, &event);
    assert_int_equal(expect_reply(other, 61, &kofn_outcome_message, &watched), KOFN_OK);
    assert_string_equal(watched.job.state, "cancelled");
    kofn_message_clear(&kofn_outcome_message, &watched);
    post(client, &kofn_abandon_message, &(kofn_msg_abandon){.call = 1});
    (void)expect_failure(client, 2, KOFN_CANCELLED);
}

/* Nobody answers, and the grace time is short: jobs end as others do, in their order. */
static void
a_master_that_cannot_finish_says_so_to_all_pushes(void **state)
{
    stage *s = *state;
    kofn_msg_stream closed;
    s->config.grace_ns = 100 * KOFN_NS_PER_MS;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    (void)join_worker(s, "w", 2);
    const kofn_msg_stream stream = open_stream(client, &one_by_one);
    kofn_msg_close_stream order = {.abandon = false};
    snprintf(order.stream, sizeof order.stream, "%s", stream.id);
    for (uint64_t i = 1; i <= 3; i++)
        push(s, client, &stream, i);
    push_head(client, &stream, 4);
    await_pushed(client, &stream, 4);
    send_call(client, 70, KOFN_METHOD_CLOSE_STREAM, &kofn_close_stream_message, &order);
    await_stream_state(client, &stream, "closing");
    kofn_master_stop(s->master);
    for (uint64_t i = 1; i <= 4; i++)
        (void)expect_failure(client, i, KOFN_UNAVAILABLE);
    assert_int_equal(expect_reply(client, 70, &kofn_stream_message, &closed), KOFN_OK);
    assert_int_equal(closed.failed, 4);
    kofn_message_clear(&kofn_stream_message, &closed);
    stage_join(s);
}

#define T(name_) cmocka_unit_test_setup_teardown(name_, stage_setup, stage_teardown)

/* ---- verification ---------------------------------------------------------------------------- */

/* Who pushes says nothing of it: what is configured holds, and where that is parity, each answer is
 * looked at. */
static void
answers_of_a_stream_are_verified_as_configured(void **state)
{
    for (int how = KOFN_VERIFY_FREIVALDS; how <= KOFN_VERIFY_PARITY; how++) {
        stage *s = *state;
        char name[KOFN_ID_MAX];
        kofn_msg_cancel cancel;
        task t;
        s->config.verify = how;
        stage_run(s);
        peer *client = open_client(s, KOFN_WINDOW_BYTES), *liar = join_worker(s, "liar", 1);
        const kofn_msg_stream stream = open_stream(client, &one_by_one);
        push(s, client, &stream, 1);
        expect_task(liar, &t);
        const kofn_msg_result head = result_of(liar, &t);
        task_fini(&t);
        answer_filled(s, liar, &head, 12345);
        expect(liar, &kofn_cancel_message, &cancel);
        peer *good = join_worker(s, "good", 1); // and takes the place of the one that is out
        answer_tasks(s, good, 1);
        expect_job(s, client, &stream, 1, name);
        const kofn_msg_job account = get_job(client, name);
        assert_string_equal(account.verify, "freivalds");
        assert_string_equal(account.liars, "liar");
        assert_int_equal(account.refuted, 1);
        push(s, client, &stream, 2);
        answer_tasks(s, good, 1);
        expect_job(s, client, &stream, 2, name);
        assert_int_equal(get_job(client, name).refuted, 0);
        stage_teardown(state);
        stage_setup(state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_of_a_stream_are_verified_as_configured),
        T(what_is_left_open_follows_from_the_rest_and_is_told),
        T(configured_defaults_count_together_or_not_at_all),
        T(over_a_small_field_what_is_open_is_chosen_to_fit),
        T(what_contradicts_itself_is_refused_with_the_equation),
        T(streams_are_limited_for_each_client_and_for_all),
        T(streams_that_open_together_count_too),
        T(jobs_of_any_shape_share_rounds_and_are_answered),
        T(a_job_that_ends_early_is_answered_in_its_turn),
        T(integers_are_refused_as_no_elements_of_a_stream),
        T(jobs_that_do_not_fit_are_refused_alone),
        T(a_gap_and_index_zero_are_refused_and_use_up_nothing),
        T(the_window_holds_pushes_back_and_lets_them_on),
        T(a_push_without_room_uses_up_nothing),
        T(a_push_that_comes_again_is_the_same_job),
        T(an_outcome_that_was_received_is_let_go),
        T(an_index_whose_blocks_were_lost_may_be_pushed_again),
        T(a_push_again_in_mid_upload_begins_anew),
        T(blocks_for_a_job_that_is_over_are_dropped),
        T(a_watcher_keeps_no_lost_upload),
        T(a_stream_that_is_over_holds_no_memory),
        T(a_stream_is_charged_for_the_copies_of_a_rescue),
        T(a_closed_stream_keeps_its_account_and_not_its_code),
        T(a_closed_stream_goes_when_memory_is_short),
        T(closed_streams_are_kept_as_far_as_there_is_room),
        T(a_cancelled_job_is_answered_in_its_turn_and_the_stream_goes_on),
        T(an_abandoned_push_ends_its_job_and_no_other),
        T(a_deadline_ends_its_job_alone),
        T(a_stream_that_is_closed_finishes_its_jobs_and_takes_no_more),
        T(a_close_that_takes_too_long_is_told_so),
        T(a_push_again_to_a_stream_that_closes_ends_no_upload),
        T(an_abandoned_stream_cancels_its_jobs),
        T(a_free_index_does_not_keep_a_stream_from_closing),
        T(a_client_that_goes_has_its_stream_closed_after_the_grace),
        T(a_stream_that_nobody_heard_of_ends),
        T(a_stream_whose_reply_crossed_an_abandon_ends),
        T(a_client_that_goes_silently_is_missed),
        T(a_client_that_comes_back_finds_its_jobs),
        T(a_master_that_stops_finishes_what_was_pushed),
        T(a_free_index_does_not_keep_a_master_from_stopping),
        T(who_asks_gets_the_trace_of_who_was_late),
        T(stored_operands_serve_in_streams),
        T(jobs_come_and_go_in_pieces),
        T(numbers_that_are_none_are_told),
        T(a_watcher_need_not_wait_for_the_turn),
        T(a_master_that_cannot_finish_says_so_to_all_pushes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
