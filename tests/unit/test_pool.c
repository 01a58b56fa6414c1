#include "common/base/pool.h"

#include "tests/assert.h"

#include <pthread.h>

#define MIB ((size_t)1 << 20)

static kofn_error error;

static kofn_pool *
pool_with(size_t keep_bytes)
{
    kofn_pool *pool = NULL;
    assert_ok(kofn_pool_new(keep_bytes, &pool, &error));
    return pool;
}

static kofn_buf *
get(kofn_pool *pool, size_t bytes)
{
    kofn_buf *buf = NULL;
    assert_ok(kofn_pool_get(pool, bytes, &buf, &error));
    return buf;
}

static size_t
bytes_out(kofn_pool *pool)
{
    size_t out, idle;
    kofn_pool_get_usage(pool, &out, &idle);
    return out;
}

static size_t
bytes_idle(kofn_pool *pool)
{
    size_t out, idle;
    kofn_pool_get_usage(pool, &out, &idle);
    return idle;
}

static void
buffers_of_every_size_are_aligned_and_writable(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(64 * MIB);
    static const size_t sizes[] = {1,   63,      64,      255,     256,        257,      384,
                                   385, 512,     513,     32768,   32769,      MIB - 64, MIB - 63,
                                   MIB, MIB + 1, 3 * MIB, 4 * MIB, 5 * MIB + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        kofn_buf *buf = get(pool, sizes[i]);
        char *data = kofn_buf_get_data(buf);
        assert_int_equal((uintptr_t)data % 64, 0);
        assert_int_equal(kofn_buf_get_size(buf), sizes[i]);
        memset(data, 0xa5, sizes[i]);
        assert_true(bytes_out(pool) >= sizes[i]);
        kofn_buf_unref(&buf);
        assert_null(buf);
    }
    kofn_pool_destroy(&pool);
    assert_null(pool);
}

static void
at_most_a_third_of_a_fresh_buffer_is_unused(void **state)
{
    (void)state;
    for (size_t bytes = 257; bytes < 8 * MIB; bytes += bytes / 7) {
        kofn_pool *pool = pool_with(0);
        kofn_buf *buf = get(pool, bytes);
        assert_true(bytes_out(pool) >= bytes);
        assert_true(bytes_out(pool) - bytes <= bytes_out(pool) / 3);
        kofn_buf_unref(&buf);
        kofn_pool_destroy(&pool);
    }
}

static void
an_empty_buffer_is_a_buffer(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(0);
    kofn_buf *buf = get(pool, 0);
    assert_int_equal(kofn_buf_get_size(buf), 0);
    assert_non_null(kofn_buf_get_data(buf));
    kofn_buf_unref(&buf);
    kofn_pool_destroy(&pool);
}

static void
a_returned_buffer_is_used_again_for_sizes_like_it(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(64 * MIB);
    kofn_buf *buf = get(pool, 2 * MIB);
    void *first = kofn_buf_get_data(buf);
    kofn_buf_unref(&buf);

    buf = get(pool, 2 * MIB - 1000); // same class
    assert_ptr_equal(kofn_buf_get_data(buf), first);
    assert_int_equal(kofn_buf_get_size(buf), 2 * MIB - 1000);
    kofn_buf_unref(&buf);
    buf = get(pool, 3 * MIB / 2); // the class below
    assert_ptr_equal(kofn_buf_get_data(buf), first);
    assert_int_equal(bytes_out(pool), 2 * MIB);
    assert_int_equal(bytes_idle(pool), 0);
    kofn_buf_unref(&buf);
    buf = get(pool, MIB); // two below: a page saved is not worth half a buffer
    assert_ptr_not_equal(kofn_buf_get_data(buf), first);
    kofn_buf_unref(&buf);
    kofn_pool_destroy(&pool);
}

static void
the_last_one_back_is_the_first_one_out(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(MIB);
    kofn_buf *a = get(pool, 1000), *b = get(pool, 1000);
    void *warm = kofn_buf_get_data(a);
    kofn_buf_unref(&b);
    kofn_buf_unref(&a);
    a = get(pool, 1000);
    assert_ptr_equal(kofn_buf_get_data(a), warm);
    kofn_buf_unref(&a);
    kofn_pool_destroy(&pool);
}

static void
idle_memory_stays_within_its_limit_largest_first(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(3 * MIB);
    kofn_buf *small = get(pool, MIB), *middle = get(pool, 2 * MIB), *large = get(pool, 8 * MIB);
    kofn_buf_unref(&large);
    assert_int_equal(bytes_idle(pool), 0);
    kofn_buf_unref(&middle);
    assert_int_equal(bytes_idle(pool), 2 * MIB);
    kofn_buf_unref(&small);
    assert_int_equal(bytes_idle(pool), 3 * MIB);

    small = get(pool, 512);
    kofn_buf_unref(&small); // the 2 MiB go, the small ones stay
    assert_int_equal(bytes_idle(pool), MIB + 512);
    assert_int_equal(bytes_out(pool), 0);
    kofn_pool_destroy(&pool);
}

static void
usage_counts_what_is_out_and_what_waits(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(MIB);
    kofn_buf *a = get(pool, 4096), *b = get(pool, 4096);
    assert_int_equal(bytes_out(pool), 8192);
    kofn_buf_unref(&a);
    assert_int_equal(bytes_out(pool), 4096);
    assert_int_equal(bytes_idle(pool), 4096);
    kofn_buf_unref(&b);
    assert_int_equal(bytes_out(pool), 0);
    assert_int_equal(bytes_idle(pool), 8192);
    kofn_pool_destroy(&pool);
}

static void
a_buffer_lives_until_its_last_ref_goes(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(MIB);
    kofn_buf *a = get(pool, 100);
    kofn_buf *b = kofn_buf_ref(a);
    assert_ptr_equal(a, b);
    memset(kofn_buf_get_data(a), 7, 100);
    kofn_buf_unref(&a);
    assert_int_equal(bytes_idle(pool), 0);
    assert_int_equal(((const char *)kofn_buf_get_data(b))[99], 7);
    kofn_buf_unref(&b);
    assert_true(bytes_idle(pool) > 0);
    kofn_buf_unref(&b); // NULL by now
    kofn_pool_destroy(&pool);
}

static void
buffers_outlive_a_destroyed_pool(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(MIB);
    kofn_buf *a = get(pool, 1000), *b = get(pool, 2 * MIB), *idle = get(pool, 50);
    kofn_buf_unref(&idle);
    kofn_pool_destroy(&pool);
    kofn_pool_destroy(&pool); // NULL by now
    memset(kofn_buf_get_data(a), 1, 1000);
    memset(kofn_buf_get_data(b), 1, 2 * MIB);
    kofn_buf_unref(&a);
    kofn_buf_unref(&b); // frees the pool: leak checkers see to it
}

static void
what_no_machine_has_is_refused(void **state)
{
    (void)state;
    kofn_pool *pool = pool_with(MIB);
    kofn_buf *buf = NULL;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, (size_t)1 << 48,
                                   (size_t)1 << 46};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_fails(kofn_pool_get(pool, sizes[i], &buf, &error), KOFN_RESOURCE_EXHAUSTED);
        assert_null(buf);
        assert_int_equal(bytes_out(pool), 0);
    }
    kofn_pool_destroy(&pool);
}

static void
count_release(void *data, void *hint)
{
    assert_ptr_equal(data, hint);
    (*(int *)hint)++;
}

static void
wrapped_memory_is_released_once_with_its_hint(void **state)
{
    (void)state;
    int releases = 0;
    kofn_buf *a = NULL;
    assert_ok(kofn_buf_wrap(&releases, sizeof releases, count_release, &releases, &a, &error));
    assert_ptr_equal(kofn_buf_get_data(a), &releases);
    assert_int_equal(kofn_buf_get_size(a), sizeof releases);
    kofn_buf *b = kofn_buf_ref(a);
    kofn_buf_unref(&a);
    assert_int_equal(releases, 0);
    kofn_buf_unref(&b);
    assert_int_equal(releases, 1);
}

static void
wrapped_memory_may_need_no_release(void **state)
{
    (void)state;
    static char forever[8];
    kofn_buf *buf = NULL;
    assert_ok(kofn_buf_wrap(forever, sizeof forever, NULL, NULL, &buf, &error));
    kofn_buf_unref(&buf);
}

/* ---- several threads ------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 3000, SLOTS = 16 };

/* Threads put buffers into slots and take out what others put there. */
typedef struct exchange {
    kofn_pool *pool;
    pthread_mutex_t lock;
    kofn_buf *slots[SLOTS];
} exchange;

typedef struct trader {
    exchange *with;
    unsigned seed;
    bool is_intact;
} trader;

static bool
is_filled(const kofn_buf *buf)
{
    const unsigned char *data = kofn_buf_get_data(buf);
    const size_t size = kofn_buf_get_size(buf);
    return data[0] == (unsigned char)size && data[size - 1] == (unsigned char)size;
}

static void *
trade(void *context)
{
    trader *t = context;
    for (int i = 0; i < ROUNDS && t->is_intact; i++) {
        const size_t size = 1 + (size_t)rand_r(&t->seed) % 5000;
        kofn_buf *buf = NULL;
        if (kofn_pool_get(t->with->pool, size, &buf, NULL) != KOFN_OK)
            break;
        unsigned char *data = kofn_buf_get_data(buf);
        data[0] = data[size - 1] = (unsigned char)size;
        kofn_buf *kept = kofn_buf_ref(buf);

        const size_t slot = (size_t)rand_r(&t->seed) % SLOTS;
        pthread_mutex_lock(&t->with->lock);
        kofn_buf *other = t->with->slots[slot];
        t->with->slots[slot] = buf;
        pthread_mutex_unlock(&t->with->lock);

        t->is_intact = is_filled(kept) && (!other || is_filled(other));
        kofn_buf_unref(&other);
        kofn_buf_unref(&kept);
    }
    return NULL;
}

static void
threads_share_a_pool_and_its_buffers(void **state)
{
    (void)state;
    exchange with = {.pool = pool_with(64 * 1024), .lock = PTHREAD_MUTEX_INITIALIZER};
    trader traders[THREADS];
    pthread_t threads[THREADS];
    const unsigned seed = (unsigned)test_seed(21);
    for (unsigned i = 0; i < THREADS; i++) {
        traders[i] = (trader){.with = &with, .seed = seed + i, .is_intact = true};
        assert_int_equal(pthread_create(&threads[i], NULL, trade, &traders[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(traders[i].is_intact);
    for (size_t i = 0; i < SLOTS; i++)
        kofn_buf_unref(&with.slots[i]);
    assert_int_equal(bytes_out(with.pool), 0);
    assert_true(bytes_idle(with.pool) <= 64 * 1024);
    kofn_pool_destroy(&with.pool);
}

static void *
let_go(void *context)
{
    kofn_buf *buf = context;
    kofn_buf_unref(&buf);
    return NULL;
}

static void
the_last_buffer_frees_the_pool_whoever_is_last(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        kofn_pool *pool = pool_with(MIB);
        pthread_t threads[2];
        for (size_t t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, let_go, get(pool, 300)), 0);
        kofn_pool_destroy(&pool);
        for (size_t t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_of_every_size_are_aligned_and_writable),
        cmocka_unit_test(at_most_a_third_of_a_fresh_buffer_is_unused),
        cmocka_unit_test(an_empty_buffer_is_a_buffer),
        cmocka_unit_test(a_returned_buffer_is_used_again_for_sizes_like_it),
        cmocka_unit_test(the_last_one_back_is_the_first_one_out),
        cmocka_unit_test(idle_memory_stays_within_its_limit_largest_first),
        cmocka_unit_test(usage_counts_what_is_out_and_what_waits),
        cmocka_unit_test(a_buffer_lives_until_its_last_ref_goes),
        cmocka_unit_test(buffers_outlive_a_destroyed_pool),
        cmocka_unit_test(what_no_machine_has_is_refused),
        cmocka_unit_test(wrapped_memory_is_released_once_with_its_hint),
        cmocka_unit_test(wrapped_memory_may_need_no_release),
        cmocka_unit_test(threads_share_a_pool_and_its_buffers),
        cmocka_unit_test(the_last_buffer_frees_the_pool_whoever_is_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
