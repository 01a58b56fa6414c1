/* libkofn against a master that does what each test wants. */
#include "tests/assert.h"

#include "client/engine.h"
#include "client/kofn.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "tests/unit/fake_master.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <sys/time.h>
#include <unistd.h>

typedef struct fixture {
    fake_master fake;
    kofn_client *client;
} fixture;

static kofn_client *
open_client(const char *endpoint)
{
    kofn_error error;
    kofn_client *client = NULL;
    const kofn_client_options options = {
        .endpoint = endpoint, .patience_ms = 10000, .backoff_ms = 1, .backoff_max_ms = 20};
    assert_ok(kofn_client_open(&options, &client, &error));
    return client;
}

static void
begin(fixture *f, fake_handler *handle, void *test)
{
    fake_start(&f->fake, handle, test);
    f->client = open_client(f->fake.endpoint);
}

static void
end(fixture *f)
{
    kofn_client_close(&f->client);
    fake_stop(&f->fake);
}

/* ---- matrices -------------------------------------------------------------------------------- */

static double *
random_elements(size_t count, uint64_t stream)
{
    kofn_rng rng;
    kofn_rng_init(&rng, 5, stream);
    double *at = malloc((count ? count : 1) * sizeof *at);
    assert_non_null(at);
    for (size_t i = 0; i < count; i++)
        at[i] = kofn_rng_unit(&rng) - 0.5;
    return at;
}

static double
element_of(const kofn_matrix *m, size_t row, size_t col)
{
    const size_t stride = m->stride ? m->stride : m->cols;
    const double *at = m->data;
    return m->transposed ? at[col * stride + row] : at[row * stride + col];
}

/* max |C - A B| <= inner eps for elements below 1/2: inner products of `inner` terms below 1/4. */
static void
assert_is_product(kofn_result *result, const kofn_matrix *a, const kofn_matrix *b)
{
    kofn_error error;
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal((uintptr_t)c.data % sizeof(double), 0);
    const size_t inner = a->transposed ? a->rows : a->cols;
    double worst = 0;
    for (size_t i = 0; i < c.rows; i++)
        for (size_t j = 0; j < c.cols; j++) {
            double sum = 0;
            for (size_t k = 0; k < inner; k++)
                sum += element_of(a, i, k) * element_of(b, k, j);
            worst = fmax(worst, fabs(sum - element_of(&c, i, j)));
        }
    assert_at_most(worst, (double)inner * DBL_EPSILON);
}

typedef struct pair {
    kofn_matrix a, b;
    double *data[2];
} pair;

static pair
pair_new(size_t rows, size_t inner, size_t cols)
{
    pair p = {.data = {random_elements(rows * inner, 1), random_elements(inner * cols, 2)}};
    p.a = (kofn_matrix){.data = p.data[0], .dtype = KOFN_F64, .rows = rows, .cols = inner};
    p.b = (kofn_matrix){.data = p.data[1], .dtype = KOFN_F64, .rows = inner, .cols = cols};
    return p;
}

static void
pair_fini(pair *p)
{
    free(p->data[0]);
    free(p->data[1]);
}

static void
assert_multiplies(kofn_client *client, const kofn_matrix *a, const kofn_matrix *b)
{
    kofn_error error;
    kofn_result *result = NULL;
    assert_ok(kofn_client_multiply(client, a, b, NULL, &result, &error));
    assert_is_product(result, a, b);
    kofn_result_destroy(&result);
}

/* ---- handlers -------------------------------------------------------------------------------- */

static void
do_multiply(fake_master *fake, fake_call *call)
{
    fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static void
do_nothing(fake_master *fake, fake_call *call)
{
    (void)fake;
    (void)call;
}

/* ---- products -------------------------------------------------------------------------------- */

static void
multiply_brings_the_product(void **state)
{
    fixture f;
    pair p = pair_new(7, 5, 3);
    (void)state;
    begin(&f, do_multiply, NULL);
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    assert_int_equal(f.fake.call_count, 1);
    pair_fini(&p);
}

static void
strided_and_transposed_operands_are_sent_as_they_are_stored(void **state)
{
    fixture f;
    double *data = random_elements(100, 3);
    const kofn_matrix a = {
        .data = data, .dtype = KOFN_F64, .rows = 5, .cols = 7, .stride = 11, .transposed = true};
    const kofn_matrix b = {.data = data + 20, .dtype = KOFN_F64, .rows = 5, .cols = 4, .stride = 9};
    (void)state;
    begin(&f, do_multiply, NULL);
    assert_multiplies(f.client, &a, &b);
    end(&f);
    free(data);
}

static void
empty_and_single_element_matrices_multiply(void **state)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {0, 3, 2}, {3, 0, 2}, {2, 3, 0}, {0, 0, 0}};
    fixture f;
    (void)state;
    begin(&f, do_multiply, NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        kofn_error error;
        kofn_result *result = NULL;
        pair p = pair_new(shapes[i][0], shapes[i][1], shapes[i][2]);
        assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error));
        assert_is_product(result, &p.a, &p.b);
        assert_int_equal(kofn_result_get_rows(result), shapes[i][0]);
        assert_int_equal(kofn_result_get_cols(result), shapes[i][2]);
        kofn_result_destroy(&result);
        pair_fini(&p);
    }
    end(&f);
}

static void
check_large_operand(fake_master *fake, fake_call *call)
{
    const kofn_bands *a = &call->operands.mat[0];
    const kofn_msg_outcome outcome = {.job = {.state = "done"},
                                      .c = {.dtype = "f64", .rows = a->rows, .cols = 1}};
    bool *same = fake->test;
    *same = true;
    for (size_t i = 0; i < a->count; i++)
        for (size_t row = 0; row < a->at[i].mat.rows; row++) {
            double first;
            memcpy(&first, kofn_mat_get_row(&a->at[i].mat, row), sizeof first);
            *same = *same && first == (double)(a->at[i].first_row + row);
        }
    (void)outcome;
    fake_send_product(fake, call, &outcome.c, a->rows);
}

/* 80 MiB, five windows: what is unacknowledged stays below a window and a message. */
static void
an_operand_larger_than_the_window_is_sent_as_credit_allows(void **state)
{
    enum { ROWS = 10240, COLS = 1024 };
    fixture f;
    bool same = false;
    double *data = calloc((size_t)ROWS * COLS, sizeof *data);
    double *vector = calloc(COLS, sizeof *vector);
    (void)state;
    assert_non_null(data);
    assert_non_null(vector);
    for (size_t row = 0; row < ROWS; row++)
        data[row * COLS] = (double)row;
    const kofn_matrix a = {.data = data, .dtype = KOFN_F64, .rows = ROWS, .cols = COLS};
    const kofn_matrix b = {.data = vector, .dtype = KOFN_F64, .rows = COLS, .cols = 1};
    begin(&f, check_large_operand, &same);
    kofn_error error;
    kofn_result *result = NULL;
    assert_ok(kofn_client_multiply(f.client, &a, &b, NULL, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_true(same);
    assert_true(f.fake.unacked_max <= KOFN_WINDOW_BYTES + KOFN_WINDOW_BYTES / 4 + KOFN_CHUNK_BYTES);
    free(data);
    free(vector);
}

static void
refuse_head(fake_master *fake, fake_call *call)
{
    if (fake->call_count == 1)
        fake_refuse(fake, call, KOFN_RESOURCE_EXHAUSTED, "too large", 0);
}

static void
a_call_that_is_refused_in_mid_upload_sends_no_more(void **state)
{
    enum { ROWS = 16384, COLS = 1024 };
    fixture f;
    kofn_error error;
    kofn_result *result = NULL;
    double *data = calloc((size_t)ROWS * COLS, sizeof *data);
    pair p = pair_new(2, 2, 2);
    (void)state;
    assert_non_null(data);
    const kofn_matrix a = {.data = data, .dtype = KOFN_F64, .rows = ROWS, .cols = COLS};
    const kofn_matrix b = {.data = data, .dtype = KOFN_F64, .rows = COLS, .cols = 1};
    begin(&f, do_multiply, NULL);
    f.fake.on_head = refuse_head;
    assert_fails(kofn_client_multiply(f.client, &a, &b, NULL, &result, &error),
                 KOFN_RESOURCE_EXHAUSTED);
    free(data); // nobody reads it any more
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    assert_int_equal(f.fake.peers, 1);
    assert_true(f.fake.taken < (size_t)ROWS * COLS * sizeof(double) / 2);
    pair_fini(&p);
}

/* 24 MiB of product: more than a window, so it comes in data messages, and only if acknowledged. */
static void
a_product_larger_than_the_window_is_acknowledged_as_it_comes(void **state)
{
    fixture f;
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix c;
    pair p = pair_new(3072, 1, 1024);
    (void)state;
    begin(&f, do_multiply, NULL);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    for (size_t i = 0; i < c.rows; i += 7) // products of two numbers are exact in any order
        for (size_t j = 0; j < c.cols; j += 5)
            assert_true(element_of(&c, i, j) == p.data[0][i] * p.data[1][j]);
    kofn_result_destroy(&result);
    end(&f);
    pair_fini(&p);
}

static void
multiply_in_small_frames(fake_master *fake, fake_call *call)
{
    fake_multiply(fake, call, 256);
}

static void
a_product_in_many_bands_is_joined_and_copied(void **state)
{
    fixture f;
    pair p = pair_new(50, 4, 9);
    kofn_error error;
    kofn_result *result = NULL;
    kofn_matrix c;
    double copy[50 * 12];
    (void)state;
    begin(&f, multiply_in_small_frames, NULL);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error));
    assert_is_product(result, &p.a, &p.b);
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_ok(kofn_result_copy(result, copy, 12, &error));
    for (size_t i = 0; i < 50; i++)
        assert_memory_equal(copy + 12 * i, (const double *)c.data + i * c.stride,
                            9 * sizeof(double));
    assert_fails(kofn_result_copy(result, copy, 8, &error), KOFN_INVALID_ARGUMENT);
    kofn_result_destroy(&result);
    end(&f);
    pair_fini(&p);
}

static void
a_result_outlives_its_client(void **state)
{
    fixture f;
    pair p = pair_new(50, 4, 9);
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, multiply_in_small_frames, NULL);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error));
    end(&f);
    assert_is_product(result, &p.a, &p.b);
    assert_string_equal(kofn_result_get_account(result)->job, "00c0ffee00c0ffee");
    assert_int_equal(kofn_result_get_account(result)->answers, 5);
    assert_true(kofn_result_get_account(result)->seconds.call > 0);
    kofn_result_destroy(&result);
    pair_fini(&p);
}

static void
operands_that_do_not_match_are_refused_before_anything_is_sent(void **state)
{
    fixture f;
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, do_multiply, NULL);
    kofn_matrix wrong = p.b;
    wrong.transposed = true;
    assert_fails(kofn_client_multiply(f.client, &p.a, &wrong, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    wrong = p.b;
    wrong.dtype = KOFN_F32;
    assert_fails(kofn_client_multiply(f.client, &p.a, &wrong, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    wrong.dtype = KOFN_DTYPE_NONE;
    assert_fails(kofn_client_multiply(f.client, &p.a, &wrong, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    wrong = p.b;
    wrong.data = NULL;
    assert_fails(kofn_client_multiply(f.client, &p.a, &wrong, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    wrong = p.b;
    wrong.stride = 1;
    assert_fails(kofn_client_multiply(f.client, &p.a, &wrong, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    wrong = p.a;
    wrong.rows = SIZE_MAX / 2;
    assert_fails(kofn_client_multiply(f.client, &wrong, &p.b, NULL, &result, &error),
                 KOFN_OUT_OF_RANGE);
    end(&f);
    assert_int_equal(f.fake.call_count, 0);
    assert_null(result);
    pair_fini(&p);
}

static void
what_cannot_be_accepted_is_refused_before_anything_is_sent(void **state)
{
    static const kofn_product_options wrong[] = {
        {.accept = {.kind = KOFN_ACCEPT_WITHIN}},
        {.accept = {.kind = KOFN_ACCEPT_WITHIN, .error = -1e-6}},
        {.accept = {.kind = KOFN_ACCEPT_WITHIN, .error = NAN}},
        {.accept = {.kind = KOFN_ACCEPT_WITHIN, .error = INFINITY}},
        {.accept = {.kind = (kofn_accept_choice)3}},
        {.settle_ms = -1},
        {.settle_ms = 86400001},
    };
    fixture f;
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, do_multiply, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, &wrong[i], &result, &error),
                     i < 5 ? KOFN_INVALID_ARGUMENT : KOFN_OUT_OF_RANGE);
    end(&f);
    assert_int_equal(f.fake.call_count, 0);
    pair_fini(&p);
}

static void
what_is_accepted_arrives(void **state)
{
    static const struct {
        kofn_product_options options;
        const char *accept;
        double error;
    } cases[] = {
        {{.accept = {.error = 1}}, "", 0}, // no error was asked for
        {{.accept = {.kind = KOFN_ACCEPT_EXACTLY}}, "exact", 0},
        {{.accept = {.kind = KOFN_ACCEPT_WITHIN, .error = 1e-6},
          .deadline_best = true,
          .settle_ms = 200},
         "error",
         1e-6},
    };
    fixture f;
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    (void)state;
    begin(&f, do_multiply, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_result *result = NULL;
        assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &cases[i].options, &result, &error));
        kofn_result_destroy(&result);
        const kofn_msg_product *product = &f.fake.calls[i].product;
        assert_string_equal(product->accept, cases[i].accept);
        assert_true(product->accept_error == cases[i].error);
        assert_int_equal(product->deadline_best, cases[i].options.deadline_best);
        assert_int_equal(product->settle_ms, cases[i].options.settle_ms);
    }
    end(&f);
    pair_fini(&p);
}

static void
what_the_caller_asks_for_arrives(void **state)
{
    fixture f;
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    kofn_result *result = NULL;
    kofn_product_options options = {.policy = "speculative", .timeout_ms = 60000, .key = "k1"};
    (void)state;
    assert_ok(kofn_code_choice_set(&options.code, "family", "rkrp", &error));
    assert_ok(kofn_code_choice_set(&options.code, "partition", "2,1,2", &error));
    assert_ok(kofn_code_choice_set(&options.code, "tasks", "6", &error));
    assert_ok(kofn_code_choice_set(&options.code, "seed", "18446744073709551615", &error));
    assert_ok(kofn_code_choice_set(&options.code, "systematic", "no", &error));
    begin(&f, do_multiply, NULL);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error));
    kofn_result_destroy(&result);
    kofn_client_close(&f.client);

    const fake_call *call = &f.fake.calls[0];
    const kofn_msg_code *code = &call->product.code;
    const kofn_msg_set *set = code->sets.at;
    assert_string_equal(call->call.key, "k1");
    assert_in_range(call->call.timeout_ms, 1, 60001);
    assert_string_equal(call->product.policy, "speculative");
    assert_string_equal(code->family, "rkrp");
    assert_int_equal(code->x * 100 + code->z * 10 + code->y, 212);
    assert_int_equal(code->tasks, 6);
    assert_true(code->has_seed && code->seed == UINT64_MAX);
    assert_int_equal(code->sets.count, 1);
    assert_string_equal(set->name, "systematic");
    assert_string_equal(set->value, "no");
    end(&f);
    pair_fini(&p);
}

static void
a_choice_of_code_is_checked_with_a_hint(void **state)
{
    kofn_error error;
    kofn_code_choice choice = {.family = "rkpr"};
    (void)state;
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, NULL, &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "rkrp"));
    memset(choice.family, 'x', sizeof choice.family); // without its NUL
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, NULL, &error), KOFN_INVALID_ARGUMENT);
    choice = (kofn_code_choice){.set_count = KOFN_CLIENT_SETS_MAX + 1};
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, NULL, &error), KOFN_INVALID_ARGUMENT);
    choice = (kofn_code_choice){.family = "polynomial", .x = 2, .z = 1, .y = 2, .tasks = 3};
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, NULL, &error), KOFN_INVALID_ARGUMENT);
    choice.tasks = 5;
    assert_ok(kofn_code_choice_check(&choice, KOFN_F64, NULL, &error));
    assert_ok(kofn_code_choice_check(&choice, KOFN_I64, NULL, &error));
    assert_ok(kofn_code_choice_check(&choice, KOFN_I32, "integers", &error));
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, "integers", &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_choice_check(&choice, KOFN_I64, "gf256", &error), KOFN_INVALID_ARGUMENT);
    assert_ok(kofn_code_choice_check(&choice, KOFN_U8, NULL, &error));
    assert_ok(kofn_code_choice_check(&choice, KOFN_U32, "gfp:5", &error));
    assert_fails(kofn_code_choice_check(&choice, KOFN_U32, "gfp:3", &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "gfp:5"));
    assert_fails(kofn_code_choice_check(&choice, KOFN_U32, "", &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_choice_check(&choice, KOFN_F64, "f32", &error), KOFN_INVALID_ARGUMENT);
}

/* ---- many in flight -------------------------------------------------------------------------- */

enum { FLIGHT = 32 };

static void
answer_in_reverse(fake_master *fake, fake_call *call)
{
    (void)call;
    if (fake->call_count == FLIGHT)
        for (size_t i = FLIGHT; i-- > 0;)
            fake_multiply(fake, &fake->calls[i], KOFN_CHUNK_BYTES);
}

static void
calls_in_flight_end_in_any_order(void **state)
{
    fixture f;
    kofn_error error;
    pair pairs[FLIGHT];
    kofn_call *calls[FLIGHT];
    (void)state;
    begin(&f, answer_in_reverse, NULL);
    for (size_t i = 0; i < FLIGHT; i++) {
        pairs[i] = pair_new(3 + i, 4, 2);
        assert_ok(kofn_client_start(f.client, &pairs[i].a, &pairs[i].b, NULL, &calls[i], &error));
        kofn_call_set_context(calls[i], &pairs[i]);
    }
    bool seen[FLIGHT] = {false};
    for (size_t i = 0; i < FLIGHT; i++) {
        kofn_call *call = NULL;
        kofn_result *result = NULL;
        assert_ok(kofn_client_next(f.client, -1, &call, &error));
        assert_non_null(call);
        pair *p = kofn_call_get_context(call);
        assert_false(seen[p - pairs]);
        seen[p - pairs] = true;
        assert_true(kofn_call_poll(call));
        assert_ok(kofn_call_finish(&call, &result, &error));
        assert_null(call);
        assert_is_product(result, &p->a, &p->b);
        kofn_result_destroy(&result);
        pair_fini(p);
    }
    kofn_call *none = NULL;
    assert_fails(kofn_client_next(f.client, 0, &none, &error), KOFN_FAILED_PRECONDITION);
    end(&f);
}

static void
next_names_each_call_once(void **state)
{
    fixture f;
    kofn_error error;
    pair p = pair_new(2, 2, 2);
    kofn_call *calls[2];
    kofn_call *next[2];
    (void)state;
    begin(&f, do_multiply, NULL);
    for (size_t i = 0; i < 2; i++)
        assert_ok(kofn_client_start(f.client, &p.a, &p.b, NULL, &calls[i], &error));
    for (size_t i = 0; i < 2; i++)
        assert_ok(kofn_client_next(f.client, -1, &next[i], &error));
    assert_true((next[0] == calls[0] && next[1] == calls[1]) ||
                (next[0] == calls[1] && next[1] == calls[0]));
    assert_fails(kofn_client_next(f.client, 0, &next[0], &error), KOFN_FAILED_PRECONDITION);
    end(&f);
    pair_fini(&p);
}

static void
next_returns_when_the_time_is_over(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    kofn_error error;
    kofn_call *call = NULL;
    kofn_call *next = NULL;
    (void)state;
    begin(&f, do_nothing, NULL);
    assert_ok(kofn_client_start(f.client, &p.a, &p.b, NULL, &call, &error));
    assert_ok(kofn_client_next(f.client, 30, &next, &error));
    assert_null(next);
    assert_false(kofn_call_poll(call));
    end(&f); // with the call still open
    pair_fini(&p);
}

static void
answer_second_call_only(fake_master *fake, fake_call *call)
{
    if (fake->call_count == 2)
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

/* The second call's reply shows that the master has read what came before it. */
static void
an_abandoned_call_is_told_and_its_late_reply_dropped(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    kofn_error error;
    kofn_call *call = NULL;
    (void)state;
    begin(&f, answer_second_call_only, NULL);
    assert_ok(kofn_client_start(f.client, &p.a, &p.b, NULL, &call, &error));
    kofn_call *none = NULL;
    while (atomic_load(&f.fake.call_count) == 0)
        assert_ok(kofn_client_next(f.client, 5, &none, &error));
    kofn_call_abandon(&call);
    assert_null(call);
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    assert_int_equal(f.fake.abandoned, 1);
    assert_int_equal(f.fake.last_abandoned, f.fake.calls[0].call.call);
    pair_fini(&p);
}

/* ---- retries --------------------------------------------------------------------------------- */

static void
refuse_twice(fake_master *fake, fake_call *call)
{
    if (fake->call_count <= 2)
        fake_refuse(fake, call, KOFN_UNAVAILABLE, "stopping", 1);
    else
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static void
unavailable_is_tried_again_with_the_same_key(void **state)
{
    fixture f;
    pair p = pair_new(5, 4, 3);
    (void)state;
    begin(&f, refuse_twice, NULL);
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    assert_int_equal(f.fake.call_count, 3);
    assert_int_equal(strlen(f.fake.calls[0].call.key), 32);
    assert_string_equal(f.fake.calls[0].call.key, f.fake.calls[1].call.key);
    assert_string_equal(f.fake.calls[0].call.key, f.fake.calls[2].call.key);
    assert_true(f.fake.calls[0].call.call != f.fake.calls[1].call.call);
    pair_fini(&p);
}

static void
refuse_always(fake_master *fake, fake_call *call)
{
    fake_refuse(fake, call, *(kofn_status *)fake->test, "no, because of this", 0);
}

static void
retries_end(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    kofn_error error;
    kofn_result *result = NULL;
    kofn_status with = KOFN_UNAVAILABLE;
    (void)state;
    begin(&f, refuse_always, &with);
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error),
                 KOFN_UNAVAILABLE);
    assert_string_equal(error.text, "no, because of this");
    end(&f);
    assert_int_equal(f.fake.call_count, 9); // once and 8 retries
    pair_fini(&p);
}

static void
what_is_refused_is_not_tried_again(void **state)
{
    static const kofn_status statuses[] = {KOFN_INVALID_ARGUMENT, KOFN_RESOURCE_EXHAUSTED,
                                           KOFN_INTERNAL, KOFN_CANCELLED, KOFN_DATA_LOSS};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        fixture f;
        pair p = pair_new(2, 2, 2);
        kofn_error error;
        kofn_result *result = NULL;
        kofn_status with = statuses[i];
        begin(&f, refuse_always, &with);
        assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error), with);
        assert_string_equal(error.text, "no, because of this");
        end(&f);
        assert_int_equal(f.fake.call_count, 1);
        pair_fini(&p);
    }
}

static void
vanish_once(fake_master *fake, fake_call *call)
{
    if (fake->call_count == 1)
        fake->vanish = true;
    else
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static void
a_master_that_vanishes_and_returns_gets_the_same_call_again(void **state)
{
    fixture f;
    pair p = pair_new(6, 5, 4);
    (void)state;
    begin(&f, vanish_once, NULL);
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    assert_int_equal(f.fake.call_count, 2);
    assert_string_equal(f.fake.calls[0].call.key, f.fake.calls[1].call.key);
    pair_fini(&p);
}

/* Each time it is called but the last, it answers something and goes. */
static void
vanish_often(fake_master *fake, fake_call *call)
{
    const size_t *times = fake->test;
    const kofn_msg_job running = {.id = "00000000000000aa", .state = "running"};
    const kofn_msg_outcome outcome = {.job = {.id = "00000000000000aa", .state = "done"},
                                      .c = {.dtype = "f64", .rows = 2, .cols = 3}};
    if (call->job.let_go)
        return; // and is gone
    fake_event(fake, call, &running);
    if (fake->call_count <= *times)
        fake->vanish = true;
    else
        fake_send_product(fake, call, &outcome.c, 2);
}

static void
a_wait_outlives_more_masters_than_it_has_retries(void **state)
{
    fixture f;
    size_t times = 12; // retries: 8
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, vanish_often, &times);
    assert_ok(kofn_client_wait(f.client, "00000000000000aa", NULL, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_true(f.fake.call_count > times); // and one more, which lets the product go
    assert_int_equal(f.fake.peers, times + 1);
    for (size_t i = 0; i <= times; i++)
        assert_string_equal(f.fake.calls[i].job.job, "00000000000000aa");
}

static void
vanish_always(fake_master *fake, fake_call *call)
{
    (void)call;
    fake->vanish = true;
}

static void
a_master_that_falls_as_soon_as_it_stands_is_not_there(void **state)
{
    fixture f = {.client = NULL};
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    fake_start(&f.fake, vanish_always, NULL);
    const kofn_client_options options = {
        .endpoint = f.fake.endpoint, .patience_ms = 200, .backoff_ms = 1, .backoff_max_ms = 20};
    assert_ok(kofn_client_open(&options, &f.client, &error));
    assert_fails(kofn_client_wait(f.client, "aa", NULL, &result, &error), KOFN_UNAVAILABLE);
    end(&f);
}

typedef struct put_off {
    size_t times;
    kofn_status with;
    uint64_t retry_ms;
    int64_t called_ns[FAKE_CALLS_MAX];
    kofn_error error; // of the call
} put_off;

static void
put_off_often(fake_master *fake, fake_call *call)
{
    put_off *how = fake->test;
    const size_t number = fake->call_count;
    how->called_ns[number - 1] = kofn_clock_ns();
    if (number <= how->times)
        fake_refuse(fake, call, how->with, "no room", how->retry_ms);
    else
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static kofn_status
multiply_insisting(bool insist, int64_t timeout_ms, put_off *how)
{
    fixture f = {.client = NULL};
    pair p = pair_new(2, 2, 2);
    kofn_result *result = NULL;
    kofn_error error;
    how->error = (kofn_error){.status = KOFN_OK};
    fake_start(&f.fake, put_off_often, how);
    const kofn_client_options options = {
        .endpoint = f.fake.endpoint, .insist = insist, .backoff_ms = 1, .backoff_max_ms = 2};
    const kofn_product_options product = {.timeout_ms = timeout_ms};
    assert_ok(kofn_client_open(&options, &f.client, &error));
    const kofn_status status =
        kofn_client_multiply(f.client, &p.a, &p.b, &product, &result, &how->error);
    kofn_result_destroy(&result);
    end(&f);
    pair_fini(&p);
    return status;
}

static void
who_insists_is_put_off_until_the_deadline(void **state)
{
    put_off full = {.times = 20, .with = KOFN_RESOURCE_EXHAUSTED, .retry_ms = 1};
    put_off stopping = {.times = 20, .with = KOFN_UNAVAILABLE};
    put_off always = {.times = FAKE_CALLS_MAX, .with = KOFN_RESOURCE_EXHAUSTED, .retry_ms = 20};
    (void)state;
    assert_int_equal(multiply_insisting(false, 0, &full), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(multiply_insisting(true, 0, &full), KOFN_OK);
    assert_int_equal(multiply_insisting(true, 0, &stopping), KOFN_OK);
    assert_int_equal(multiply_insisting(true, 200, &always), KOFN_DEADLINE_EXCEEDED);
    assert_non_null(strstr(always.error.text, "put off: no room"));
}

static void
nobody_comes_again_sooner_than_told(void **state)
{
    put_off how = {.times = 3, .with = KOFN_RESOURCE_EXHAUSTED, .retry_ms = 40};
    (void)state;
    assert_int_equal(multiply_insisting(false, 0, &how), KOFN_OK);
    for (size_t i = 1; i <= how.times; i++)
        assert_true(how.called_ns[i] - how.called_ns[i - 1] >= 40 * KOFN_NS_PER_MS);
}

static void
where_no_master_is_the_call_is_unavailable(void **state)
{
    kofn_error error;
    kofn_client *client = NULL;
    kofn_result *result = NULL;
    pair p = pair_new(2, 2, 2);
    const kofn_client_options options = {.endpoint = "tcp://127.0.0.1:1", .patience_ms = 100};
    (void)state;
    assert_ok(kofn_client_open(&options, &client, &error));
    assert_fails(kofn_client_multiply(client, &p.a, &p.b, NULL, &result, &error), KOFN_UNAVAILABLE);
    assert_non_null(strstr(error.text, "tcp://127.0.0.1:1"));
    kofn_health health;
    assert_fails(kofn_client_check(client, NULL, 50, &health, &error), KOFN_UNAVAILABLE);
    kofn_client_close(&client);
    assert_null(client);
    kofn_client_close(&client);
    pair_fini(&p);
}

static void
who_had_no_time_to_knock_does_not_say_that_no_master_is_there(void **state)
{
    static const struct {
        int64_t timeout_ms;
        kofn_status status;
    } cases[] = {{1, KOFN_DEADLINE_EXCEEDED}, {800, KOFN_UNAVAILABLE}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_client *client = NULL;
        char job[KOFN_CLIENT_JOB_MAX];
        pair p = pair_new(2, 2, 2);
        const kofn_client_options options = {.endpoint = "tcp://127.0.0.1:1"};
        const kofn_product_options submit = {.timeout_ms = cases[i].timeout_ms};
        assert_ok(kofn_client_open(&options, &client, &error));
        assert_fails(kofn_client_submit(client, &p.a, &p.b, &submit, job, &error), cases[i].status);
        kofn_client_close(&client);
        pair_fini(&p);
    }
}

static void
options_out_of_range_are_refused(void **state)
{
    static const kofn_client_options wrong[] = {
        {.endpoint = "nonsense"},      {.endpoint = "tcp://"}, {.patience_ms = -1},
        {.backoff_ms = INT64_MAX},     {.local_workers = -2},  {.backoff_max_ms = -5},
        {.local_workers = 1000000000}, {.away_ms = -2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_client *client = NULL;
        assert_fails(kofn_client_open(&wrong[i], &client, &error), KOFN_INVALID_ARGUMENT);
        assert_null(client);
    }
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void
a_master_that_does_not_answer_is_left_after_the_deadline(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_product_options options = {.timeout_ms = 100};
    (void)state;
    begin(&f, do_nothing, NULL);
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error),
                 KOFN_DEADLINE_EXCEEDED);
    end(&f);
    assert_int_equal(f.fake.abandoned, f.fake.call_count); // 0 where there was no time to connect
    pair_fini(&p);
}

/* ---- refusals of which call nobody knows ----------------------------------------------------- */

static const fake_call no_call = {.call = {.call = 0}};

typedef struct turned_away {
    size_t times;
    kofn_status with;
    uint64_t retry_ms;
} turned_away;

static void
turn_away(fake_master *fake, fake_call *call)
{
    const turned_away *how = fake->test;
    if (fake->call_count <= how->times)
        fake_refuse(fake, &no_call, how->with, "nobody knows of which call", how->retry_ms);
    else
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

/* With a deadline, lest a client that does not hear it waits for ever. */
static kofn_status
multiply_turned_away(turned_away *how, bool insist, fixture *f)
{
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_product_options multiply = {.timeout_ms = 20000};
    fake_start(&f->fake, turn_away, how);
    const kofn_client_options options = {.endpoint = f->fake.endpoint,
                                         .insist = insist,
                                         .retries = 3,
                                         .backoff_ms = 1,
                                         .backoff_max_ms = 5};
    assert_ok(kofn_client_open(&options, &f->client, &error));
    const kofn_status status =
        kofn_client_multiply(f->client, &p.a, &p.b, &multiply, &result, &error);
    kofn_result_destroy(&result);
    end(f);
    pair_fini(&p);
    return status;
}

static void
who_finds_no_room_comes_again_on_another_connection(void **state)
{
    static const uint64_t hints_ms[] = {0, 20};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        turned_away how = {2, KOFN_RESOURCE_EXHAUSTED, hints_ms[i]};
        assert_int_equal(multiply_turned_away(&how, false, &f), KOFN_OK);
        assert_int_equal(f.fake.call_count, 3);
        assert_int_equal(f.fake.peers, 3);
        assert_string_equal(f.fake.calls[0].call.key, f.fake.calls[2].call.key);
    }
}

static void
whose_calls_are_put_off_altogether_makes_them_again(void **state)
{
    fixture f;
    turned_away how = {2, KOFN_UNAVAILABLE, 0};
    (void)state;
    assert_int_equal(multiply_turned_away(&how, false, &f), KOFN_OK);
    assert_int_equal(f.fake.peers, 3);
}

static void
who_finds_no_room_at_last_is_told(void **state)
{
    fixture f;
    turned_away how = {1000, KOFN_RESOURCE_EXHAUSTED, 1};
    (void)state;
    assert_int_equal(multiply_turned_away(&how, false, &f), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(f.fake.call_count, 4); // once and 3 retries
}

static void
who_may_not_speak_any_more_is_told(void **state)
{
    fixture f;
    turned_away how = {1000, KOFN_UNAUTHENTICATED, 0};
    (void)state;
    assert_int_equal(multiply_turned_away(&how, true, &f), KOFN_UNAUTHENTICATED);
    assert_int_equal(f.fake.call_count, 1);
}

/* However much its caller insists: another try brings the same. */
static void
a_call_that_cannot_be_read_is_not_sent_for_ever(void **state)
{
    fixture f;
    turned_away how = {1000, KOFN_INVALID_ARGUMENT, 0};
    (void)state;
    assert_int_equal(multiply_turned_away(&how, true, &f), KOFN_INVALID_ARGUMENT);
    assert_int_equal(f.fake.call_count, 4);
}

/* Damage on the way is chance, and not counted. */
static void
a_call_that_was_damaged_is_sent_again(void **state)
{
    fixture f;
    turned_away how = {6, KOFN_DATA_LOSS, 0};
    (void)state;
    assert_int_equal(multiply_turned_away(&how, false, &f), KOFN_OK);
    assert_int_equal(f.fake.call_count, 7);
}

static void
hear_nothing_once(fake_master *fake, fake_call *call)
{
    if (fake->call_count > 1)
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

/* The head of a product, and that its rows follow. */
static void
hear_a_beginning_once(fake_master *fake, fake_call *call)
{
    if (fake->call_count > 1) {
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
        return;
    }
    const kofn_msg_outcome outcome = {.c = {.dtype = "f64", .rows = 4, .cols = 2}};
    kofn_wire_buffer body = {0};
    (void)!kofn_message_pack(&kofn_outcome_message, &outcome, &body, NULL);
    const kofn_msg_reply reply = {.version = KOFN_PROTOCOL_VERSION,
                                  .call = call->call.call,
                                  .more = true,
                                  .body = {.bytes = body.at, .length = body.length}};
    (void)!kofn_peer_post(fake->peer, &kofn_reply_message, &reply, NULL);
    kofn_wire_buffer_fini(&body);
}

static void
a_call_of_which_nothing_is_heard_is_sent_again(void **state)
{
    fake_handler *const handlers[] = {hear_nothing_once, hear_a_beginning_once};
    pair p = pair_new(4, 3, 2);
    const kofn_product_options multiply = {.timeout_ms = 20000};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        kofn_error error;
        kofn_result *result = NULL;
        begin(&f, handlers[i], NULL);
        f.client->silence_ns = 200 * KOFN_NS_PER_MS;
        assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &multiply, &result, &error));
        assert_is_product(result, &p.a, &p.b);
        kofn_result_destroy(&result);
        end(&f);
        assert_true(f.fake.peers >= 2);
    }
    pair_fini(&p);
}

/* ---- replies that are none ------------------------------------------------------------------- */

static void
send_garbage_once(fake_master *fake, fake_call *call)
{
    if (fake->call_count == 1)
        fake_send_raw(fake, fake->test, strlen(fake->test));
    else
        fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static void
garbage_fails_the_call_and_not_the_client(void **state)
{
    static const char *const garbage[] = {"\xc1", "HTTP/1.1 400 Bad Request\r\n",
                                          "\xdd\xff\xff\xff", "\x81\xa4type\xa5reply", "\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        fixture f;
        pair p = pair_new(2, 2, 2);
        kofn_error error;
        kofn_result *result = NULL;
        begin(&f, send_garbage_once, (void *)(uintptr_t)garbage[i]);
        assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error),
                     KOFN_DATA_LOSS);
        assert_multiplies(f.client, &p.a, &p.b);
        end(&f);
        assert_int_equal(f.fake.peers, 2); // the first connection was dropped
        pair_fini(&p);
    }
}

static void
send_strangers_first(fake_master *fake, fake_call *call)
{
    static const char unknown_type[] = "\x82\xa4type\xa5novel\xa1x\x01";
    const fake_call stranger = {.call = {.call = 999}};
    const kofn_msg_nothing nothing = {0};
    const kofn_msg_data data = {.id = 998};
    fake_send_raw(fake, unknown_type, sizeof unknown_type - 1);
    fake_reply(fake, &stranger, &kofn_nothing_message, &nothing);
    (void)!kofn_peer_post(fake->peer, &kofn_data_message, &data, NULL);
    fake_multiply(fake, call, KOFN_CHUNK_BYTES);
}

static void
messages_for_nobody_are_dropped(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    (void)state;
    begin(&f, send_strangers_first, NULL);
    assert_multiplies(f.client, &p.a, &p.b);
    end(&f);
    pair_fini(&p);
}

static void
reply_with_wrong_body(fake_master *fake, fake_call *call)
{
    static const kofn_wire_field fields[] = {{.name = "job", .type = KOFN_WIRE_U64, .size = 8}};
    static const kofn_wire_message wrong = {
        .name = "wrong", .fields = fields, .count = 1, .struct_size = 8};
    const uint64_t seven = 7;
    fake_reply(fake, call, &wrong, &seven);
}

static void
a_reply_with_a_malformed_body_fails_its_call(void **state)
{
    fixture f;
    pair p = pair_new(2, 2, 2);
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, reply_with_wrong_body, NULL);
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error), KOFN_INTERNAL);
    assert_non_null(strstr(error.text, "Multiply"));
    end(&f);
    pair_fini(&p);
}

typedef struct claim {
    kofn_msg_matrix c;
    size_t rows_sent;
} claim;

static void
reply_with_claim(fake_master *fake, fake_call *call)
{
    const claim *what = fake->test;
    fake_send_product(fake, call, &what->c, what->rows_sent);
}

static void
a_product_of_another_shape_or_cut_short_is_data_loss(void **state)
{
    claim claims[] = {
        {{.dtype = "f64", .rows = 3, .cols = 3}, 3}, {{.dtype = "f32", .rows = 2, .cols = 3}, 2},
        {{.dtype = "f64", .rows = 2, .cols = 3}, 1}, {{.dtype = "f64", .rows = 2, .cols = 3}, 3},
        {{.dtype = "f64", .rows = 2, .cols = 3}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        fixture f;
        pair p = pair_new(2, 4, 3);
        kofn_error error;
        kofn_result *result = NULL;
        begin(&f, reply_with_claim, &claims[i]);
        assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error),
                     KOFN_DATA_LOSS);
        assert_null(result);
        end(&f);
        pair_fini(&p);
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

typedef struct job_script {
    size_t submits, waits, watches, cancels;
    size_t held, let_go; // waits for a product that stays, and for one that need not
    bool forget;         // the first job: as a master does that was restarted
    bool hold;           // do not answer the wait
    bool gone;           // the product was fetched already
    int stopping;        // so many waits are put off
    char last_job[KOFN_ID_MAX];
} job_script;

static void
serve_job(fake_master *fake, fake_call *call)
{
    job_script *script = fake->test;
    const kofn_msg_job_ref ref = {.job = "00000000000000aa"};
    const kofn_msg_job running = {.id = "00000000000000aa", .state = "running", .progress = 0.5};
    kofn_msg_outcome outcome = {.job = {.id = "00000000000000aa", .state = "done"}};
    memcpy(script->last_job, call->job.job, sizeof script->last_job);
    switch (call->method) {
    case KOFN_METHOD_SUBMIT:
        script->submits++;
        fake_reply(fake, call, &kofn_job_ref_message, &ref);
        break;
    case KOFN_METHOD_WATCH:
        script->watches++;
        fake_event(fake, call, &running);
        break;
    case KOFN_METHOD_WAIT:
        if (call->job.let_go) {
            script->let_go++;
            break;
        }
        script->waits++;
        script->held += call->job.hold;
        if (script->hold)
            break;
        if (script->stopping-- > 0) {
            fake_refuse(fake, call, KOFN_UNAVAILABLE, "the master is stopping", 1);
            break;
        }
        if (script->forget) {
            script->forget = false;
            fake_refuse(fake, call, KOFN_NOT_FOUND, "job is not known", 0);
            break;
        }
        if (!script->gone && !call->job.without_result)
            outcome.c = (kofn_msg_matrix){.dtype = "f64", .rows = 2, .cols = 3};
        if (outcome.c.rows > 0)
            fake_send_product(fake, call, &outcome.c, 2);
        else
            fake_reply(fake, call, &kofn_outcome_message, &outcome);
        break;
    case KOFN_METHOD_CANCEL:
        script->cancels++;
        (void)snprintf(outcome.job.state, sizeof outcome.job.state, "cancelled");
        outcome.job.status = KOFN_CANCELLED;
        fake_reply(fake, call, &kofn_outcome_message, &outcome);
        break;
    case KOFN_METHOD_GET_JOB:
        fake_refuse(fake, call, KOFN_NOT_FOUND, "job is not known", 0);
        break;
    default:
        abort();
    }
}

static void
a_submitted_job_is_waited_for_and_cancelled_by_its_id(void **state)
{
    fixture f;
    job_script script = {0};
    pair p = pair_new(2, 4, 3);
    kofn_error error;
    kofn_result *result = NULL;
    kofn_account account;
    char job[KOFN_CLIENT_JOB_MAX];
    (void)state;
    begin(&f, serve_job, &script);
    assert_ok(kofn_client_submit(f.client, &p.a, &p.b, NULL, job, &error));
    assert_string_equal(job, "00000000000000aa");
    assert_ok(kofn_client_wait(f.client, job, NULL, &result, &error));
    assert_int_equal(kofn_result_get_rows(result), 2);
    kofn_result_destroy(&result);

    const kofn_wait_options account_only = {.without_product = true};
    assert_ok(kofn_client_wait(f.client, job, &account_only, &result, &error));
    kofn_matrix c;
    assert_fails(kofn_result_get_matrix(result, &c, &error), KOFN_FAILED_PRECONDITION);
    assert_fails(kofn_result_write_npy(result, "/nowhere.npy", &error), KOFN_FAILED_PRECONDITION);
    kofn_result_destroy(&result);

    assert_ok(kofn_client_cancel(f.client, job, &account, &error));
    assert_string_equal(account.state, "cancelled");
    assert_int_equal(account.status, KOFN_CANCELLED);
    assert_fails(kofn_client_get_job(f.client, "ffff", &account, &error), KOFN_NOT_FOUND);
    assert_fails(
        kofn_client_get_job(f.client, "an id that is much too long to be one", &account, &error),
        KOFN_NOT_FOUND);
    end(&f);
    pair_fini(&p);
}

/* The cancel behind it shows that the master has read it. */
static void
a_product_is_let_go_when_it_has_arrived(void **state)
{
    fixture f;
    job_script script = {0};
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_wait_options account_only = {.without_product = true};
    (void)state;
    begin(&f, serve_job, &script);
    assert_ok(kofn_client_wait(f.client, "aa", &account_only, &result, &error));
    kofn_result_destroy(&result);
    assert_ok(kofn_client_wait(f.client, "aa", NULL, &result, &error));
    kofn_result_destroy(&result);
    assert_ok(kofn_client_cancel(f.client, "aa", NULL, &error));
    end(&f);
    assert_int_equal(script.waits, 2);
    assert_int_equal(script.held, 1);
    assert_int_equal(script.let_go, 1);
}

static void
submit_late(fake_master *fake, fake_call *call)
{
    const kofn_msg_job_ref ref = {.job = "00000000000000aa"};
    (void)usleep(500000);
    fake_reply(fake, call, &kofn_job_ref_message, &ref);
}

static double
processor_seconds(void)
{
    struct timespec used;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void
waiting_does_not_spin(void **state)
{
    fixture f;
    pair p = pair_new(2, 4, 3);
    kofn_error error;
    char job[KOFN_CLIENT_JOB_MAX];
    (void)state;
    begin(&f, submit_late, NULL);
    const double before = processor_seconds();
    assert_ok(kofn_client_submit(f.client, &p.a, &p.b, NULL, job, &error));
    assert_at_most(processor_seconds() - before, 0.1); // of the 0.5 s that it waits
    end(&f);
    pair_fini(&p);
}

static void
a_product_that_was_fetched_before_is_not_found(void **state)
{
    fixture f;
    job_script script = {.gone = true};
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, serve_job, &script);
    assert_fails(kofn_client_wait(f.client, "aa", NULL, &result, &error), KOFN_NOT_FOUND);
    assert_null(result);
    end(&f);
}

/* The job's own end comes with its account; a master that stops has none to give. */
static void
a_wait_that_is_put_off_is_no_end_of_the_job(void **state)
{
    fixture f;
    job_script script = {.stopping = 2};
    kofn_error error;
    kofn_result *result = NULL;
    (void)state;
    begin(&f, serve_job, &script);
    assert_ok(kofn_client_wait(f.client, "aa", NULL, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_int_equal(script.waits, 3);
}

typedef struct last_state {
    char at[16];
} last_state;

static bool
note_state(void *context, const kofn_account *account)
{
    last_state *last = context;
    memcpy(last->at, account->state, sizeof last->at);
    return true;
}

typedef struct onlooker {
    size_t calls;
    double progress;
    const char *stop_at; // state
} onlooker;

static bool
look_on(void *context, const kofn_account *account)
{
    onlooker *o = context;
    o->calls++;
    if (account->progress > 0)
        o->progress = account->progress;
    return !o->stop_at || strcmp(account->state, o->stop_at) != 0;
}

typedef struct verifier {
    const char *says; // how it verifies: an older master nothing
    size_t asked, cancels;
} verifier;

static void
serve_verified(fake_master *fake, fake_call *call)
{
    verifier *v = fake->test;
    const kofn_msg_job_ref ref = {.job = "00000000000000aa"};
    kofn_msg_outcome outcome = {.job = {.id = "00000000000000aa", .state = "running"}};
    (void)snprintf(outcome.job.verify, sizeof outcome.job.verify, "%s", v->says);
    switch (call->method) {
    case KOFN_METHOD_MULTIPLY:
        fake_multiply(fake, call, KOFN_CHUNK_BYTES); // without a word on how
        break;
    case KOFN_METHOD_SUBMIT:
        fake_reply(fake, call, &kofn_job_ref_message, &ref);
        break;
    case KOFN_METHOD_CANCEL:
        v->cancels++;
        fake_reply(fake, call, &kofn_outcome_message, &outcome);
        break;
    case KOFN_METHOD_GET_JOB:
        v->asked++;
        fake_reply(fake, call, &kofn_outcome_message, &outcome);
        break;
    default:
        abort();
    }
}

/* Unknown fields are ignored, so an older master takes the order and verifies nothing. */
static void
a_product_that_was_not_verified_as_asked_is_none(void **state)
{
    fixture f;
    pair p = pair_new(2, 4, 3);
    verifier v = {.says = ""};
    onlooker looker = {0};
    kofn_error error;
    kofn_result *result = NULL;
    kofn_product_options options = {.verify = "freivalds"};
    (void)state;
    begin(&f, serve_verified, &v);
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "freivalds"));
    options.progress = look_on; // then it is submitted
    options.context = &looker;
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error),
                 KOFN_FAILED_PRECONDITION);
    assert_null(result);
    options = (kofn_product_options){.verify = "none"}; // which needs no proof
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_int_equal(v.asked, 1);
    assert_int_equal(v.cancels, 1);
    pair_fini(&p);
}

static void
a_job_that_will_not_be_verified_as_asked_is_cancelled(void **state)
{
    static const char *const says[] = {"", "parity", "freivalds"};
    pair p = pair_new(2, 4, 3);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        verifier v = {.says = says[i]};
        kofn_error error;
        char job[KOFN_CLIENT_JOB_MAX] = "untouched";
        const kofn_product_options options = {.verify = "freivalds"};
        begin(&f, serve_verified, &v);
        const kofn_status status = kofn_client_submit(f.client, &p.a, &p.b, &options, job, &error);
        end(&f);
        assert_int_equal(status, i < 2 ? KOFN_FAILED_PRECONDITION : KOFN_OK);
        assert_string_equal(job, i < 2 ? "untouched" : "00000000000000aa");
        assert_int_equal(v.cancels, i < 2);
    }
    pair_fini(&p);
}

/* Once it was heard: for away_ms where there is no deadline, else until that. */
static void
how_long_a_master_may_be_away_is_bounded(void **state)
{
    fixture f = {.client = NULL};
    kofn_error error;
    kofn_result *result = NULL;
    job_script script = {.hold = true};
    onlooker waker = {.stop_at = "away"};
    last_state looker = {0};
    const kofn_wait_options until_away = {
        .timeout_ms = 60000, .progress = look_on, .context = &waker};
    const kofn_wait_options shorter = {
        .timeout_ms = 100, .progress = note_state, .context = &looker};
    (void)state;
    fake_start(&f.fake, serve_job, &script);
    const kofn_client_options options = {
        .endpoint = f.fake.endpoint, .away_ms = 300, .backoff_ms = 1, .backoff_max_ms = 20};
    assert_ok(kofn_client_open(&options, &f.client, &error));
    assert_ok(kofn_client_cancel(f.client, "aa", NULL, &error)); // heard
    fake_stop(&f.fake);
    assert_fails(kofn_client_wait(f.client, "aa", &until_away, &result, &error), KOFN_CANCELLED);
    const int64_t begin_ns = kofn_clock_ns();
    assert_fails(kofn_client_wait(f.client, "aa", &shorter, &result, &error), KOFN_UNAVAILABLE);
    assert_string_equal(looker.at, "away");
    assert_fails(kofn_client_wait(f.client, "aa", NULL, &result, &error), KOFN_UNAVAILABLE);
    assert_non_null(strstr(error.text, "no master answers at "));
    assert_true(kofn_clock_ns() - begin_ns >= 400 * KOFN_NS_PER_MS);
    kofn_client_close(&f.client);
}

static void
progress_is_shown_while_a_product_is_waited_for(void **state)
{
    fixture f;
    job_script script = {0};
    onlooker looker = {0};
    pair p = pair_new(2, 4, 3);
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_product_options options = {.progress = look_on, .context = &looker};
    (void)state;
    begin(&f, serve_job, &script);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_int_equal(script.submits, 1);
    assert_int_equal(script.watches, 1);
    assert_true(looker.calls > 0);
    pair_fini(&p);
}

static void
an_onlooker_who_has_enough_cancels_the_product(void **state)
{
    fixture f;
    job_script script = {.hold = true};
    onlooker looker = {.stop_at = "running"};
    pair p = pair_new(2, 4, 3);
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_product_options options = {.progress = look_on, .context = &looker};
    (void)state;
    begin(&f, serve_job, &script);
    assert_fails(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error),
                 KOFN_CANCELLED);
    end(&f);
    assert_int_equal(script.cancels, 1);
    assert_string_equal(script.last_job, "00000000000000aa");
    assert_true(looker.progress == 0.5);
    pair_fini(&p);
}

static void
a_job_that_a_restarted_master_forgot_is_submitted_again(void **state)
{
    fixture f;
    job_script script = {.forget = true};
    onlooker looker = {0};
    pair p = pair_new(2, 4, 3);
    kofn_error error;
    kofn_result *result = NULL;
    const kofn_product_options options = {.progress = look_on, .context = &looker};
    (void)state;
    begin(&f, serve_job, &script);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, &options, &result, &error));
    kofn_result_destroy(&result);
    end(&f);
    assert_int_equal(script.submits, 2);
    pair_fini(&p);
}

static volatile sig_atomic_t caught;

static void
catch_signal(int number)
{
    caught = number;
}

static bool
until_signal(void *context, const kofn_account *account)
{
    (void)context;
    (void)account;
    return !caught;
}

static void
a_signal_ends_waiting_at_once(void **state)
{
    fixture f;
    job_script script = {.hold = true};
    kofn_error error;
    kofn_result *result = NULL;
    struct sigaction action = {.sa_handler = catch_signal};
    const kofn_wait_options options = {.progress = until_signal};
    (void)state;
    caught = 0;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    begin(&f, serve_job, &script);
    const struct itimerval soon = {.it_value = {.tv_usec = 50000}}; // before the wait is as good
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_fails(kofn_client_wait(f.client, "aa", &options, &result, &error), KOFN_CANCELLED);
    end(&f);
    assert_int_equal(script.cancels, 0); // the job goes on
}

/* ---- stored operands ------------------------------------------------------------------------- */

typedef struct operand_script {
    size_t puts, drops, products;
    size_t unavailable; // so many puts are refused first
    bool without_product;
    bool transposed;
    char keys[2][KOFN_KEY_TEXT_MAX], dropped[KOFN_ID_MAX];
    kofn_msg_matrix put;
    kofn_msg_product product; // the last one
    size_t matrices;          // that came with it
    double first;             // element of the upload
} operand_script;

static void
serve_operands(fake_master *fake, fake_call *call)
{
    operand_script *script = fake->test;
    const kofn_msg_operand_ref ref = {.operand = "00000000000000bb"};
    const kofn_msg_outcome account = {.job = {.id = "01", .state = "done"}};
    kofn_msg_operand operands[] = {{.id = "00000000000000bb",
                                    .matrix = {.dtype = "f64", .rows = 2, .cols = 3},
                                    .transposed = true,
                                    .bytes = 48,
                                    .coded_blocks = 5,
                                    .jobs = 1}};
    const kofn_msg_operands list = {.operands = {.at = operands, .count = 1}};
    switch (call->method) {
    case KOFN_METHOD_PUT_OPERAND:
        script->put = call->put.matrix;
        script->transposed = call->put.transposed;
        memcpy(script->keys[script->puts % 2], call->call.key, KOFN_KEY_TEXT_MAX);
        if (call->operands.mat[0].count > 0)
            memcpy(&script->first, call->operands.mat[0].at[0].mat.data, sizeof script->first);
        if (script->puts++ < script->unavailable)
            fake_refuse(fake, call, KOFN_UNAVAILABLE, "not now", 1);
        else
            fake_reply(fake, call, &kofn_operand_ref_message, &ref);
        break;
    case KOFN_METHOD_DROP_OPERAND:
        memcpy(script->dropped, call->operand.operand, sizeof script->dropped);
        if (script->drops++ == 0)
            fake_reply(fake, call, &kofn_nothing_message, &(kofn_msg_nothing){0});
        else
            fake_refuse(fake, call, KOFN_NOT_FOUND, "operand is not stored", 0);
        break;
    case KOFN_METHOD_LIST_OPERANDS:
        fake_reply(fake, call, &kofn_operands_message, &list);
        break;
    case KOFN_METHOD_MULTIPLY:
        script->product = call->product;
        script->matrices = call->operands.count;
        if (script->without_product)
            fake_reply(fake, call, &kofn_outcome_message, &account);
        else
            fake_send_product(fake, call, &(kofn_msg_matrix){.dtype = "f64", .rows = 2, .cols = 3},
                              2);
        break;
    default:
        abort();
    }
}

static void
an_operand_is_put_and_dropped_by_its_id(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {.unavailable = 1};
    pair p = pair_new(4, 5, 1);
    char id[KOFN_CLIENT_JOB_MAX];
    (void)state;
    begin(&f, serve_operands, &script);
    p.a.transposed = true;
    assert_ok(kofn_client_put(f.client, &p.a, NULL, id, &error));
    assert_string_equal(id, "00000000000000bb");
    assert_ok(kofn_client_drop(f.client, id, &error));
    assert_fails(kofn_client_drop(f.client, id, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_client_drop(f.client, "far too long for an id of ours", &error),
                 KOFN_NOT_FOUND);
    end(&f);
    assert_int_equal(script.puts, 2); // refused once, made again under its key
    assert_string_equal(script.keys[0], script.keys[1]);
    assert_int_equal(strlen(script.keys[0]), 32);
    assert_int_equal(script.put.rows, 4);
    assert_int_equal(script.put.cols, 5);
    assert_true(script.transposed);
    assert_true(script.first == p.data[0][0]);
    assert_string_equal(script.dropped, id);
    pair_fini(&p);
}

static void
an_upload_without_elements_or_with_an_operand_is_refused(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {0};
    char id[KOFN_CLIENT_JOB_MAX] = "untouched";
    const kofn_matrix wrong[] = {{.rows = 2, .cols = 2},
                                 {.dtype = KOFN_F64, .rows = 2, .cols = 2},
                                 {.operand = "00000000000000bb"}};
    (void)state;
    begin(&f, serve_operands, &script);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(kofn_client_put(f.client, &wrong[i], NULL, id, &error), KOFN_INVALID_ARGUMENT);
    end(&f);
    assert_string_equal(id, "untouched");
    assert_int_equal(script.puts, 0);
}

static bool
refuse_to_wait(void *context, const kofn_account *account)
{
    (*(size_t *)context)++;
    (void)account;
    return false;
}

static void
an_upload_can_be_given_up(void **state)
{
    fixture f;
    kofn_error error;
    size_t asked = 0;
    pair p = pair_new(300, 300, 1);
    char id[KOFN_CLIENT_JOB_MAX];
    const kofn_put_options options = {.progress = refuse_to_wait, .context = &asked};
    (void)state;
    begin(&f, do_nothing, NULL);
    assert_fails(kofn_client_put(f.client, &p.a, &options, id, &error), KOFN_CANCELLED);
    assert_true(asked >= 1);
    end(&f);
    pair_fini(&p);
}

static void
of_a_stored_factor_only_its_id_is_sent(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {0};
    kofn_result *result = NULL;
    pair p = pair_new(2, 4, 3);
    const kofn_matrix stored = {.operand = "00000000000000bb", .transposed = true},
                      described = {
                          .operand = "00000000000000bb", .dtype = KOFN_F64, .rows = 4, .cols = 2};
    (void)state;
    begin(&f, serve_operands, &script);
    assert_ok(kofn_client_multiply(f.client, &stored, &p.b, NULL, &result, &error));
    kofn_result_destroy(&result);
    assert_string_equal(script.product.operand_a, "00000000000000bb");
    assert_string_equal(script.product.operand_b, "");
    assert_string_equal(script.product.a.dtype, "");
    assert_int_equal(script.product.b.rows, 4);
    assert_true(script.product.transpose_a);
    assert_int_equal(script.matrices, 1);
    assert_ok(kofn_client_multiply(f.client, &p.a, &described, NULL, &result, &error));
    kofn_result_destroy(&result);
    assert_string_equal(script.product.operand_b, "00000000000000bb");
    assert_int_equal(script.product.b.rows, 4);
    assert_ok(kofn_client_multiply(f.client, &stored, &stored, NULL, &result, &error));
    assert_int_equal(script.matrices, 0);
    assert_int_equal(kofn_result_get_cols(result), 3); // the reply decides
    kofn_result_destroy(&result);
    end(&f);
    pair_fini(&p);
}

static void
an_operand_without_a_possible_id_is_not_sent(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {0};
    kofn_result *result = NULL;
    const kofn_matrix empty = {.operand = ""}, longest = {.operand = "012345678901234567890"};
    (void)state;
    begin(&f, serve_operands, &script);
    assert_fails(kofn_client_multiply(f.client, &empty, &empty, NULL, &result, &error),
                 KOFN_NOT_FOUND);
    assert_fails(kofn_client_multiply(f.client, &longest, &longest, NULL, &result, &error),
                 KOFN_INVALID_ARGUMENT);
    end(&f);
    assert_int_equal(atomic_load(&f.fake.call_count), 0);
}

static void
a_product_of_stored_factors_must_come_with_the_reply(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {.without_product = true};
    kofn_result *result = NULL;
    const kofn_matrix stored = {.operand = "00000000000000bb"};
    (void)state;
    begin(&f, serve_operands, &script);
    assert_fails(kofn_client_multiply(f.client, &stored, &stored, NULL, &result, &error),
                 KOFN_DATA_LOSS);
    end(&f);
}

static void
a_list_of_operands_comes_as_plain_structs(void **state)
{
    fixture f;
    kofn_error error;
    operand_script script = {0};
    kofn_operand_info *operands = NULL;
    size_t count = 0;
    (void)state;
    begin(&f, serve_operands, &script);
    assert_ok(kofn_client_list_operands(f.client, &operands, &count, &error));
    end(&f);
    assert_int_equal(count, 1);
    assert_string_equal(operands[0].operand, "00000000000000bb");
    assert_int_equal(operands[0].dtype, KOFN_F64);
    assert_int_equal(operands[0].rows, 2);
    assert_int_equal(operands[0].cols, 3);
    assert_true(operands[0].transposed);
    assert_int_equal(operands[0].bytes, 48);
    assert_int_equal(operands[0].coded_blocks, 5);
    assert_int_equal(operands[0].jobs, 1);
    free(operands);
}

/* ---- the service ----------------------------------------------------------------------------- */

static void
serve_lists(fake_master *fake, fake_call *call)
{
    kofn_msg_job jobs[2] = {{.id = "01", .state = "done"}, {.id = "02", .state = "running"}};
    kofn_msg_worker workers[1] = {{.name = "w01", .state = "idle", .cores = 4, .gflops = 12.5}};
    kofn_msg_param policy = {.name = "oneshot", .help = "all at once"};
    switch (call->method) {
    case KOFN_METHOD_LIST_JOBS:
        fake_reply(fake, call, &kofn_jobs_message,
                   &(kofn_msg_jobs){.jobs = {.at = jobs, .count = 2}});
        break;
    case KOFN_METHOD_LIST_WORKERS:
        fake_reply(fake, call, &kofn_workers_message,
                   &(kofn_msg_workers){.workers = {.at = workers, .count = 1}});
        break;
    case KOFN_METHOD_LIST_CODES: {
        kofn_msg_codes codes = {0};
        if (kofn_msg_codes_fill(NULL, &codes, NULL) != KOFN_OK)
            abort();
        kofn_msg_codes with = codes;
        with.policies = (kofn_wire_list){.at = &policy, .count = 1};
        fake_reply(fake, call, &kofn_codes_message, &with);
        kofn_message_clear(&kofn_codes_message, &codes);
        break;
    }
    case KOFN_METHOD_CHECK:
        fake_reply(fake, call, &kofn_health_message,
                   &(kofn_msg_health){.status = "SERVING", .workers = 1, .uptime_ms = 42});
        break;
    default:
        abort();
    }
}

static void
lists_of_jobs_workers_and_codes_come_as_plain_structs(void **state)
{
    fixture f;
    kofn_error error;
    kofn_account *jobs = NULL;
    kofn_worker_info *workers = NULL;
    kofn_code_list codes;
    kofn_code_list own;
    kofn_health health;
    size_t count = 0;
    (void)state;
    begin(&f, serve_lists, NULL);
    assert_ok(kofn_client_list_jobs(f.client, 0, &jobs, &count, &error));
    assert_int_equal(count, 2);
    assert_string_equal(jobs[1].state, "running");
    assert_ok(kofn_client_list_workers(f.client, &workers, &count, &error));
    assert_int_equal(count, 1);
    assert_string_equal(workers[0].name, "w01");
    assert_true(workers[0].gflops == 12.5);
    assert_ok(kofn_client_list_codes(f.client, &codes, &error));
    assert_ok(kofn_client_list_codes(NULL, &own, &error));
    assert_int_equal(codes.policy_count, 1);
    assert_int_equal(codes.family_count, own.family_count);
    assert_true(own.family_count >= 4);
    for (size_t i = 0; i < own.family_count; i++)
        assert_string_equal(own.families[i].name, codes.families[i].name);
    assert_string_equal(own.policies[0].name, "auto");
    assert_true(own.policy_count >= 3);
    assert_ok(kofn_client_check(f.client, NULL, 0, &health, &error));
    assert_string_equal(health.status, "SERVING");
    assert_int_equal(health.uptime_ms, 42);
    kofn_code_list_fini(&codes);
    kofn_code_list_fini(&own);
    free(jobs);
    free(workers);
    end(&f);
}

static void
a_master_that_does_not_answer_a_check_is_unavailable(void **state)
{
    fixture f;
    kofn_error error;
    kofn_health health;
    (void)state;
    begin(&f, do_nothing, NULL);
    assert_fails(kofn_client_check(f.client, NULL, 100, &health, &error), KOFN_UNAVAILABLE);
    end(&f);
}

static bool
never(void *context, const kofn_account *account)
{
    ++*(int *)context;
    assert_string_equal(account->state, "");
    return false;
}

static void
a_call_without_a_progress_of_its_own_is_given_up_by_the_clients(void **state)
{
    fake_master fake;
    kofn_client *client = NULL;
    kofn_error error;
    kofn_worker_info *workers = NULL;
    size_t count = 0;
    int asked = 0;
    (void)state;
    fake_start(&fake, do_nothing, NULL);
    const kofn_client_options options = {
        .endpoint = fake.endpoint, .progress = never, .context = &asked};
    assert_ok(kofn_client_open(&options, &client, &error));
    assert_fails(kofn_client_list_workers(client, &workers, &count, &error), KOFN_CANCELLED);
    assert_int_equal(asked, 1);
    assert_null(workers);
    kofn_client_close(&client);
    fake_stop(&fake);
}

static void
a_product_is_written_complete_or_not_at_all(void **state)
{
    fixture f;
    pair p = pair_new(4, 3, 2);
    kofn_error error;
    kofn_result *result = NULL;
    char path[] = "/tmp/kofn-test-client-XXXXXX";
    char file[64];
    (void)state;
    assert_non_null(mkdtemp(path));
    begin(&f, do_multiply, NULL);
    assert_ok(kofn_client_multiply(f.client, &p.a, &p.b, NULL, &result, &error));
    (void)snprintf(file, sizeof file, "%s/c.npy", path);
    assert_ok(kofn_result_write_npy(result, file, &error));
    assert_int_equal(unlink(file), 0);
    (void)snprintf(file, sizeof file, "%s/no/c.npy", path);
    assert_fails(kofn_result_write_npy(result, file, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_result_write_npy(result, "/dev/full", &error), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(rmdir(path), 0);
    kofn_result_destroy(&result);
    end(&f);
    pair_fini(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_brings_the_product),
        cmocka_unit_test(strided_and_transposed_operands_are_sent_as_they_are_stored),
        cmocka_unit_test(empty_and_single_element_matrices_multiply),
        cmocka_unit_test(an_operand_larger_than_the_window_is_sent_as_credit_allows),
        cmocka_unit_test(a_call_that_is_refused_in_mid_upload_sends_no_more),
        cmocka_unit_test(a_product_larger_than_the_window_is_acknowledged_as_it_comes),
        cmocka_unit_test(a_product_in_many_bands_is_joined_and_copied),
        cmocka_unit_test(a_result_outlives_its_client),
        cmocka_unit_test(operands_that_do_not_match_are_refused_before_anything_is_sent),
        cmocka_unit_test(what_cannot_be_accepted_is_refused_before_anything_is_sent),
        cmocka_unit_test(what_is_accepted_arrives),
        cmocka_unit_test(what_the_caller_asks_for_arrives),
        cmocka_unit_test(a_choice_of_code_is_checked_with_a_hint),
        cmocka_unit_test(calls_in_flight_end_in_any_order),
        cmocka_unit_test(next_names_each_call_once),
        cmocka_unit_test(next_returns_when_the_time_is_over),
        cmocka_unit_test(an_abandoned_call_is_told_and_its_late_reply_dropped),
        cmocka_unit_test(unavailable_is_tried_again_with_the_same_key),
        cmocka_unit_test(retries_end),
        cmocka_unit_test(what_is_refused_is_not_tried_again),
        cmocka_unit_test(a_master_that_vanishes_and_returns_gets_the_same_call_again),
        cmocka_unit_test(a_wait_outlives_more_masters_than_it_has_retries),
        cmocka_unit_test(a_master_that_falls_as_soon_as_it_stands_is_not_there),
        cmocka_unit_test(how_long_a_master_may_be_away_is_bounded),
        cmocka_unit_test(who_insists_is_put_off_until_the_deadline),
        cmocka_unit_test(nobody_comes_again_sooner_than_told),
        cmocka_unit_test(a_product_is_let_go_when_it_has_arrived),
        cmocka_unit_test(a_wait_that_is_put_off_is_no_end_of_the_job),
        cmocka_unit_test(where_no_master_is_the_call_is_unavailable),
        cmocka_unit_test(who_had_no_time_to_knock_does_not_say_that_no_master_is_there),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(a_master_that_does_not_answer_is_left_after_the_deadline),
        cmocka_unit_test(who_finds_no_room_comes_again_on_another_connection),
        cmocka_unit_test(whose_calls_are_put_off_altogether_makes_them_again),
        cmocka_unit_test(who_finds_no_room_at_last_is_told),
        cmocka_unit_test(who_may_not_speak_any_more_is_told),
        cmocka_unit_test(a_call_that_cannot_be_read_is_not_sent_for_ever),
        cmocka_unit_test(a_call_that_was_damaged_is_sent_again),
        cmocka_unit_test(a_call_of_which_nothing_is_heard_is_sent_again),
        cmocka_unit_test(garbage_fails_the_call_and_not_the_client),
        cmocka_unit_test(messages_for_nobody_are_dropped),
        cmocka_unit_test(a_reply_with_a_malformed_body_fails_its_call),
        cmocka_unit_test(a_product_of_another_shape_or_cut_short_is_data_loss),
        cmocka_unit_test(a_submitted_job_is_waited_for_and_cancelled_by_its_id),
        cmocka_unit_test(a_product_that_was_not_verified_as_asked_is_none),
        cmocka_unit_test(a_job_that_will_not_be_verified_as_asked_is_cancelled),
        cmocka_unit_test(waiting_does_not_spin),
        cmocka_unit_test(a_product_that_was_fetched_before_is_not_found),
        cmocka_unit_test(progress_is_shown_while_a_product_is_waited_for),
        cmocka_unit_test(an_onlooker_who_has_enough_cancels_the_product),
        cmocka_unit_test(a_job_that_a_restarted_master_forgot_is_submitted_again),
        cmocka_unit_test(a_signal_ends_waiting_at_once),
        cmocka_unit_test(an_operand_is_put_and_dropped_by_its_id),
        cmocka_unit_test(an_upload_without_elements_or_with_an_operand_is_refused),
        cmocka_unit_test(an_upload_can_be_given_up),
        cmocka_unit_test(of_a_stored_factor_only_its_id_is_sent),
        cmocka_unit_test(an_operand_without_a_possible_id_is_not_sent),
        cmocka_unit_test(a_product_of_stored_factors_must_come_with_the_reply),
        cmocka_unit_test(a_list_of_operands_comes_as_plain_structs),
        cmocka_unit_test(lists_of_jobs_workers_and_codes_come_as_plain_structs),
        cmocka_unit_test(a_master_that_does_not_answer_a_check_is_unavailable),
        cmocka_unit_test(a_call_without_a_progress_of_its_own_is_given_up_by_the_clients),
        cmocka_unit_test(a_product_is_written_complete_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
