/* Memory that runs out while pairs become a batch, or two matrices a sketch or the parts of complex
 * ones: every allocation fails once, the call says so, and leaks nothing. */
#include "client/batch.h"
#include "client/complex.h"
#include "client/sketches.h"

#include "tests/assert.h"
#include "tests/unit/short_memory.h"

enum { COUNT = 5, SIZE = 3 };

static kofn_error error;

static void
every_allocation_of_a_batch_may_fail(void **state)
{
    static const size_t of[] = {0, 1};
    static const double scale[] = {1, 1}, weights[] = {1, 2, 3, 4, 5};
    const kofn_dependency depends = {.pair = 2, .count = 2, .of = of, .scale = scale};
    double at[COUNT][SIZE * SIZE] = {{1}, {2}, {3}, {1}, {7}};
    kofn_matrix side[COUNT];
    kofn_pool *pool;
    (void)state;
    assert_ok(kofn_pool_new(0, &pool, &error));
    for (size_t i = 0; i < COUNT; i++)
        side[i] = (kofn_matrix){.data = at[i], .dtype = KOFN_F64, .rows = SIZE, .cols = SIZE};
    for (size_t sum = 0; sum < 2; sum++) {
        const kofn_pairs pairs = {.count = COUNT,
                                  .x = side,
                                  .y = side,
                                  .weights = sum ? weights : NULL,
                                  .dependency_count = sum,
                                  .dependencies = &depends};
        kofn_status status;
        size_t n = 0;
        do {
            kofn_gathering g;
            memory_calls = 0;
            memory_fails_at = ++n;
            status = kofn_gathering_init(&g, &pairs, "f64", pool, &error);
            memory_fails_at = 0;
            if (status == KOFN_OK)
                kofn_gathering_fini(&g);
            else
                assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
        } while (status != KOFN_OK);
        assert_in_range(n, 10, 100);
    }
    kofn_pool_destroy(&pool);
}

static void
every_allocation_of_a_sketch_may_fail(void **state)
{
    static double at[7 * 7];
    static const char *const sketches[] = {"cr", "grid_cr"};
    const kofn_matrix m = {.data = at, .dtype = KOFN_F64, .rows = 7, .cols = 7};
    kofn_pool *pool;
    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        at[i] = 1 + (double)i;
    assert_ok(kofn_pool_new(0, &pool, &error));
    for (size_t i = 0; i < 2; i++) {
        const kofn_product_options options = {.sketch = sketches[i],
                                              .samples = 6,
                                              .code = {.x = 2, .z = 3, .y = 2, .has_seed = true}};
        kofn_status status;
        size_t n = 0;
        do {
            kofn_sketching s;
            memory_calls = 0;
            memory_fails_at = ++n;
            status = kofn_sketching_init(&s, pool, &m, &m, &options, &error);
            memory_fails_at = 0;
            if (status == KOFN_OK)
                kofn_sketching_fini(&s);
            else
                assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
        } while (status != KOFN_OK);
        assert_in_range(n, 6, 100);
    }
    kofn_pool_destroy(&pool);
}

static void
every_allocation_of_a_complex_product_may_fail(void **state)
{
    static const double at[2 * SIZE * SIZE] = {1, 2, 3};
    static const char *const methods[] = {"3m", "4m", "plain"};
    const kofn_matrix m = {.data = at, .dtype = KOFN_C128, .rows = SIZE, .cols = SIZE};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const kofn_product_options options = {.complex_method = methods[i]};
        kofn_status status;
        size_t n = 0;
        do {
            kofn_complex z;
            kofn_pool *pool = NULL;
            assert_ok(kofn_pool_new(0, &pool, &error));
            memory_calls = 0;
            memory_fails_at = ++n;
            status = kofn_complex_init(&z, pool, &m, &m, &options, 0, &error);
            memory_fails_at = 0;
            if (status != KOFN_OK)
                assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
            kofn_complex_fini(&z);
            kofn_pool_destroy(&pool);
        } while (status != KOFN_OK);
        assert_in_range(n, 3, 100);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_batch_may_fail),
        cmocka_unit_test(every_allocation_of_a_sketch_may_fail),
        cmocka_unit_test(every_allocation_of_a_complex_product_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
