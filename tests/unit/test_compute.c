#include "tests/assert.h"

#include "common/base/clock.h"
#include "proto/block.h"
#include "worker/compute.h"

#include <poll.h>

enum { PATIENCE_MS = 20000 };

typedef struct bench {
    kofn_pool *pool;
    kofn_compute *compute;
} bench;

static void
bench_open(bench *b)
{
    kofn_error error;
    assert_ok(kofn_pool_new(1 << 24, &b->pool, &error));
    assert_ok(kofn_compute_new(b->pool, &b->compute, &error));
}

static void
bench_close(bench *b)
{
    kofn_compute_destroy(&b->compute);
    kofn_pool_destroy(&b->pool);
}

/* A size x size matrix in two bands or so, all elements equal. */
static void
make_bands(bench *b, size_t size, double value, kofn_bands *bands)
{
    kofn_error error;
    assert_ok(
        kofn_block_bands_new(b->pool, KOFN_F64, size, size, 4 * size * (size + 1), bands, &error));
    for (size_t i = 0; i < bands->count; i++)
        for (size_t j = 0; j < bands->at[i].mat.rows * size; j++)
            ((double *)bands->at[i].mat.data)[j] = value;
}

static void
make_work(bench *b, size_t size, kofn_work *work)
{
    *work = (kofn_work){
        .field = kofn_field_find("f64"), .count = 2, .chunk_bytes = 4096, .faults = {.repeat = 1}};
    make_bands(b, size, 2.0, &work->operand[0]);
    make_bands(b, size, 3.0, &work->operand[1]);
}

static kofn_work *
wait_done(bench *b)
{
    struct pollfd fd = {.fd = kofn_compute_get_fd(b->compute), .events = POLLIN};
    for (;;) {
        kofn_work *work = kofn_compute_take_done(b->compute);
        if (work)
            return work;
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    }
}

/* 2 x 3, summed `size` times: exact in f64. */
static void
assert_right(const kofn_work *work, size_t size)
{
    assert_int_equal(work->status, KOFN_OK);
    assert_true(kofn_bands_are_complete(&work->c));
    for (size_t i = 0; i < work->c.count; i++)
        for (size_t j = 0; j < work->c.at[i].mat.rows * size; j++)
            assert_true(((double *)work->c.at[i].mat.data)[j] == 6.0 * (double)size);
}

static void
work_is_done_in_the_order_in_which_it_came(void **state)
{
    (void)state;
    enum { COUNT = 50, SIZE = 20 };
    bench b;
    kofn_work work[COUNT];
    bench_open(&b);
    for (size_t i = 0; i < COUNT; i++) {
        make_work(&b, SIZE, &work[i]);
        kofn_compute_push(b.compute, &work[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(wait_done(&b), &work[i]);
        assert_right(&work[i], SIZE);
        assert_int_equal(work[i].operand[0].count, 0); // let go
        kofn_work_fini(&work[i]);
    }
    assert_null(kofn_compute_take_done(b.compute));
    bench_close(&b);
}

static void
descriptor_is_readable_only_while_something_is_done(void **state)
{
    (void)state;
    bench b;
    kofn_work work;
    bench_open(&b);
    struct pollfd fd = {.fd = kofn_compute_get_fd(b.compute), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    make_work(&b, 4, &work);
    kofn_compute_push(b.compute, &work);
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    assert_ptr_equal(kofn_compute_take_done(b.compute), &work);
    assert_null(kofn_compute_take_done(b.compute));
    assert_int_equal(poll(&fd, 1, 0), 0);
    kofn_work_fini(&work);
    bench_close(&b);
}

static void
cancelled_work_comes_back_at_once_or_as_cancelled(void **state)
{
    (void)state;
    bench b;
    kofn_work running, queued;
    bench_open(&b);
    make_work(&b, 200, &running);
    make_work(&b, 4, &queued);
    running.faults.repeat = INT64_MAX;
    kofn_compute_push(b.compute, &running);
    kofn_compute_push(b.compute, &queued);
    assert_true(kofn_compute_cancel(b.compute, &queued));
    if (!kofn_compute_cancel(b.compute, &running)) { // else it had not even begun
        assert_ptr_equal(wait_done(&b), &running);
        assert_int_equal(running.status, KOFN_CANCELLED);
        assert_int_equal(running.c.count, 0);
    }
    kofn_work_fini(&queued);
    kofn_work_fini(&running);
    bench_close(&b);
}

/* Whether the cancel finds it computing or waiting: nothing is left of it. */
static void
work_that_waits_behind_its_product_is_cancelled_at_once(void **state)
{
    (void)state;
    bench b;
    kofn_work waits;
    bench_open(&b);
    for (int lag = 0; lag < 2; lag++) {
        make_work(&b, 100, &waits);
        waits.faults.least_ns = lag ? 0 : 3600 * KOFN_NS_PER_S;
        waits.faults.lag = lag ? 1e9 : 0;
        kofn_compute_push(b.compute, &waits);
        struct pollfd fd = {.fd = kofn_compute_get_fd(b.compute), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 20), 0); // most likely it waits by now
        if (!kofn_compute_cancel(b.compute, &waits)) {
            assert_ptr_equal(wait_done(&b), &waits);
            assert_int_equal(waits.status, KOFN_CANCELLED);
            assert_int_equal(waits.c.count, 0);
            assert_null(kofn_compute_take_done(b.compute)); // and nothing is readable
        }
        kofn_work_fini(&waits);
    }
    bench_close(&b);
}

static void
an_actor_that_ends_does_not_wait_for_the_slow(void **state)
{
    (void)state;
    bench b;
    kofn_work waits;
    bench_open(&b);
    make_work(&b, 4, &waits);
    waits.faults.least_ns = INT64_MAX;
    kofn_compute_push(b.compute, &waits);
    struct pollfd fd = {.fd = kofn_compute_get_fd(b.compute), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 20), 0);
    kofn_compute_destroy(&b.compute);
    kofn_work_fini(&waits);
    bench_close(&b);
}

static void
slow_work_takes_its_time_and_is_right(void **state)
{
    (void)state;
    enum { SIZE = 60 };
    bench b;
    kofn_work work;
    bench_open(&b);
    make_work(&b, SIZE, &work);
    work.faults.least_ns = 60 * KOFN_NS_PER_MS;
    int64_t start_ns = kofn_clock_ns();
    kofn_compute_push(b.compute, &work);
    assert_ptr_equal(wait_done(&b), &work);
    assert_true(kofn_clock_ns() - start_ns >= work.faults.least_ns);
    assert_right(&work, SIZE);
    kofn_work_fini(&work);

    make_work(&b, SIZE, &work);
    work.faults.repeat = 50;
    work.faults.lag = 4;
    start_ns = kofn_clock_ns();
    kofn_compute_push(b.compute, &work);
    assert_ptr_equal(wait_done(&b), &work);
    assert_true(kofn_clock_ns() - start_ns >= 5 * work.compute_ns);
    assert_right(&work, SIZE);
    kofn_work_fini(&work);
    bench_close(&b);
}

static void
cancel_of_work_that_is_done_changes_nothing(void **state)
{
    (void)state;
    bench b;
    kofn_work work;
    bench_open(&b);
    make_work(&b, 4, &work);
    kofn_compute_push(b.compute, &work);
    struct pollfd fd = {.fd = kofn_compute_get_fd(b.compute), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    assert_false(kofn_compute_cancel(b.compute, &work));
    assert_ptr_equal(kofn_compute_take_done(b.compute), &work);
    assert_right(&work, 4);
    kofn_work_fini(&work);
    bench_close(&b);
}

static void
cancel_wakes_a_sleeper(void **state)
{
    (void)state;
    bench b;
    kofn_work work;
    bench_open(&b);
    make_work(&b, 4, &work);
    work.faults.sleep_ns = 3600 * KOFN_NS_PER_S;
    kofn_compute_push(b.compute, &work);
    if (!kofn_compute_cancel(b.compute, &work)) {
        assert_ptr_equal(wait_done(&b), &work);
        assert_int_equal(work.status, KOFN_CANCELLED);
    }
    kofn_work_fini(&work);
    bench_close(&b);
}

static void
destroy_gives_everything_up(void **state)
{
    (void)state;
    enum { COUNT = 5 };
    bench b;
    kofn_work work[COUNT];
    bench_open(&b);
    for (size_t i = 0; i < COUNT; i++) {
        make_work(&b, 200, &work[i]);
        work[i].faults.repeat = INT64_MAX;
    }
    size_t before, out, idle;
    kofn_pool_get_usage(b.pool, &before, &idle);
    for (size_t i = 0; i < COUNT; i++)
        kofn_compute_push(b.compute, &work[i]);
    do // until the first has begun: it gathers its operands and makes room for C
        kofn_pool_get_usage(b.pool, &out, &idle);
    while (out == before);
    kofn_compute_destroy(&b.compute); // returns, though that is work for ages
    for (size_t i = 0; i < COUNT; i++)
        kofn_work_fini(&work[i]);
    kofn_pool_get_usage(b.pool, &out, &idle);
    assert_int_equal(out, 0);
    bench_close(&b);
}

static void
shapes_that_do_not_match_are_invalid(void **state)
{
    (void)state;
    bench b;
    kofn_work work;
    bench_open(&b);
    make_work(&b, 4, &work);
    kofn_bands_fini(&work.operand[1]);
    make_bands(&b, 5, 1.0, &work.operand[1]);
    kofn_work_run(&work, b.pool);
    assert_int_equal(work.status, KOFN_INVALID_ARGUMENT);
    assert_int_equal(work.c.count, 0);
    kofn_work_fini(&work);
    bench_close(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_in_the_order_in_which_it_came),
        cmocka_unit_test(descriptor_is_readable_only_while_something_is_done),
        cmocka_unit_test(cancelled_work_comes_back_at_once_or_as_cancelled),
        cmocka_unit_test(work_that_waits_behind_its_product_is_cancelled_at_once),
        cmocka_unit_test(an_actor_that_ends_does_not_wait_for_the_slow),
        cmocka_unit_test(slow_work_takes_its_time_and_is_right),
        cmocka_unit_test(cancel_of_work_that_is_done_changes_nothing),
        cmocka_unit_test(cancel_wakes_a_sleeper),
        cmocka_unit_test(destroy_gives_everything_up),
        cmocka_unit_test(shapes_that_do_not_match_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
