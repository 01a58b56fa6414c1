/* The worker's coded blocks: by name, least recently used out, every departure told. */
#include "tests/assert.h"

#include "common/base/hash.h"
#include "worker/cache.h"

enum { ROWS = 4, BYTES = ROWS * ROWS * 8 };

typedef struct stage {
    kofn_cache cache;
    char gone[256]; // names that were told, in order
} stage;

static void
note_gone(void *context, const char *name)
{
    stage *s = context;
    strncat(s->gone, name, sizeof s->gone - strlen(s->gone) - 1);
}

static void
init(stage *s, size_t blocks)
{
    s->gone[0] = '\0';
    kofn_cache_init(&s->cache, blocks * (BYTES + sizeof(kofn_cached)), note_gone, s);
}

static void
put(stage *s, const char *name, double *elements)
{
    const kofn_mat mat = kofn_mat_wrap(elements, KOFN_F64, ROWS, ROWS);
    kofn_bands bands;
    kofn_error error;
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    kofn_cache_put(&s->cache, name, &bands);
    kofn_bands_fini(&bands);
}

static double a[ROWS * ROWS], b[ROWS * ROWS];

static void
a_block_is_found_by_its_name_alone(void **state)
{
    (void)state;
    stage s;
    init(&s, 4);
    put(&s, "a", a);
    put(&s, "b", b);
    assert_ptr_equal(kofn_cache_find(&s.cache, "a")->at[0].mat.data, a);
    assert_ptr_equal(kofn_cache_find(&s.cache, "b")->at[0].mat.data, b);
    assert_null(kofn_cache_find(&s.cache, "ab"));
    assert_null(kofn_cache_find(&s.cache, ""));
    put(&s, "a", b); // it is there
    assert_ptr_equal(kofn_cache_find(&s.cache, "a")->at[0].mat.data, a);
    assert_string_equal(s.gone, "");
    kofn_cache_fini(&s.cache);
}

/* One number by kofn_hash_text. */
static const char *const twins[2] = {"8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"};

static void
of_two_names_with_one_hash_the_second_is_not_kept(void **state)
{
    (void)state;
    stage s;
    init(&s, 4);
    assert_true(kofn_hash_text(twins[0]) == kofn_hash_text(twins[1]));
    put(&s, twins[0], a);
    assert_null(kofn_cache_find(&s.cache, twins[1]));
    put(&s, twins[1], b);
    assert_string_equal(s.gone, twins[1]);
    assert_null(kofn_cache_find(&s.cache, twins[1]));
    assert_ptr_equal(kofn_cache_find(&s.cache, twins[0])->at[0].mat.data, a);
    kofn_cache_fini(&s.cache);
}

static void
what_was_used_least_recently_goes_first_and_is_told(void **state)
{
    (void)state;
    stage s;
    init(&s, 2);
    put(&s, "a", a);
    put(&s, "b", b);
    assert_non_null(kofn_cache_find(&s.cache, "a"));
    put(&s, "c", a);
    assert_string_equal(s.gone, "b");
    assert_null(kofn_cache_find(&s.cache, "b"));
    assert_non_null(kofn_cache_find(&s.cache, "a"));
    kofn_cache_shrink(&s.cache, 0);
    assert_string_equal(s.gone, "bca");
    assert_int_equal(s.cache.bytes, 0);
    kofn_cache_fini(&s.cache);
}

static void
a_block_that_comes_again_is_used_most_recently(void **state)
{
    (void)state;
    stage s;
    init(&s, 2);
    put(&s, "a", a);
    put(&s, "b", b);
    put(&s, "a", a);
    put(&s, "c", a);
    assert_string_equal(s.gone, "b");
    kofn_cache_fini(&s.cache);
}

static void
a_budget_of_nothing_keeps_nothing_and_says_so(void **state)
{
    (void)state;
    stage s;
    init(&s, 0);
    put(&s, "a", a);
    assert_string_equal(s.gone, "a");
    assert_null(kofn_cache_find(&s.cache, "a"));
    kofn_cache_fini(&s.cache);
}

static void
a_block_that_is_too_large_pushes_nothing_out(void **state)
{
    (void)state;
    stage s;
    init(&s, 1);
    put(&s, "a", a);
    s.cache.limit = BYTES;
    put(&s, "b", b);
    assert_string_equal(s.gone, "b");
    assert_non_null(kofn_cache_find(&s.cache, "a"));
    kofn_cache_fini(&s.cache);
}

static void
the_number_of_blocks_is_bounded(void **state)
{
    (void)state;
    stage s;
    init(&s, 2 * KOFN_CACHED_MAX);
    for (size_t i = 0; i < KOFN_CACHED_MAX + 2; i++) {
        char name[KOFN_TAG_MAX];
        (void)snprintf(name, sizeof name, "<%zu>", i);
        put(&s, name, a);
    }
    assert_string_equal(s.gone, "<0><1>");
    assert_int_equal(s.cache.by_hash.count, KOFN_CACHED_MAX);
    kofn_cache_fini(&s.cache);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_found_by_its_name_alone),
        cmocka_unit_test(of_two_names_with_one_hash_the_second_is_not_kept),
        cmocka_unit_test(what_was_used_least_recently_goes_first_and_is_told),
        cmocka_unit_test(a_block_that_comes_again_is_used_most_recently),
        cmocka_unit_test(a_budget_of_nothing_keeps_nothing_and_says_so),
        cmocka_unit_test(a_block_that_is_too_large_pushes_nothing_out),
        cmocka_unit_test(the_number_of_blocks_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
