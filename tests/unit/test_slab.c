#include "common/base/slab.h"

#include "common/base/rng.h"
#include "tests/assert.h"

#include <stdint.h>

enum { RECORDS = 1000, BYTES = 4248 };

static void
take_clean(kofn_slab *slab, unsigned char **ret_at)
{
    *ret_at = kofn_slab_take(slab);
    assert_non_null(*ret_at);
    assert_int_equal((uintptr_t)*ret_at % _Alignof(max_align_t), 0);
    for (size_t b = 0; b < 41; b++)
        assert_int_equal((*ret_at)[b], 0);
}

static void
a_record_is_zeros_and_aligned_and_its_own(void **state)
{
    (void)state;
    static unsigned char *at[RECORDS];
    kofn_slab slab;
    kofn_slab_init(&slab, 41);
    for (size_t i = 0; i < RECORDS; i++) {
        take_clean(&slab, &at[i]);
        memset(at[i], (int)(i % 255) + 1, 41);
    }
    for (size_t i = 1; i < RECORDS; i += 2)
        kofn_slab_give(&slab, at[i]);
    for (size_t i = 1; i < RECORDS; i += 2)
        take_clean(&slab, &at[i]);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(at[i][0], i % 2 ? 0 : i % 255 + 1);
        assert_int_equal(at[i][40], i % 2 ? 0 : i % 255 + 1);
        kofn_slab_give(&slab, at[i]);
    }
    kofn_slab_fini(&slab);
}

static void
the_last_record_of_a_chunk_gives_it_back(void **state)
{
    (void)state;
    static void *at[RECORDS];
    kofn_slab slab;
    kofn_slab_init(&slab, BYTES);
    assert_int_equal(kofn_slab_count_bytes(&slab), 0);
    for (size_t i = 0; i < RECORDS; i++)
        at[i] = kofn_slab_take(&slab);
    const size_t full = kofn_slab_count_bytes(&slab);
    assert_in_range(full, (size_t)RECORDS * BYTES, (size_t)RECORDS * BYTES * 21 / 20);
    for (size_t i = 0; i < RECORDS / 2; i++) // oldest first, as jobs are forgotten
        kofn_slab_give(&slab, at[i]);
    assert_true(kofn_slab_count_bytes(&slab) < full * 11 / 20);
    for (size_t i = RECORDS / 2; i < RECORDS; i++)
        kofn_slab_give(&slab, at[i]);
    assert_int_equal(kofn_slab_count_bytes(&slab), 0);
    kofn_slab_fini(&slab);
}

/* A table that is full, in which the oldest makes room for the newest, stays as large as it is; so
 * does one in which anybody does. */
static void
what_comes_and_goes_takes_no_more_room(void **state)
{
    (void)state;
    static void *at[RECORDS];
    kofn_slab slab;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    kofn_slab_init(&slab, BYTES);
    for (size_t i = 0; i < RECORDS; i++)
        at[i] = kofn_slab_take(&slab);
    const size_t full = kofn_slab_count_bytes(&slab);
    for (size_t i = 0; i < 20 * (size_t)RECORDS; i++) {
        const size_t which = i < 10 * (size_t)RECORDS ? i % RECORDS : kofn_rng_below(&rng, RECORDS);
        kofn_slab_give(&slab, at[which]);
        at[which] = kofn_slab_take(&slab);
        assert_true(kofn_slab_count_bytes(&slab) <= full);
    }
    for (size_t i = 0; i < RECORDS; i++)
        kofn_slab_give(&slab, at[i]);
    kofn_slab_give(&slab, NULL);
    kofn_slab_fini(&slab);
}

static void
a_record_larger_than_a_chunk_has_one_of_its_own(void **state)
{
    (void)state;
    kofn_slab slab;
    kofn_slab_init(&slab, 100000);
    void *a = kofn_slab_take(&slab), *b = kofn_slab_take(&slab);
    assert_true(kofn_slab_count_bytes(&slab) >= 200000);
    memset(a, 1, 100000);
    memset(b, 2, 100000);
    kofn_slab_give(&slab, a);
    assert_int_equal(((unsigned char *)b)[99999], 2);
    kofn_slab_give(&slab, b);
    kofn_slab_fini(&slab);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_zeros_and_aligned_and_its_own),
        cmocka_unit_test(the_last_record_of_a_chunk_gives_it_back),
        cmocka_unit_test(what_comes_and_goes_takes_no_more_room),
        cmocka_unit_test(a_record_larger_than_a_chunk_has_one_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
