#include "common/base/rng.h"

#include "tests/assert.h"

#include <math.h>

static void
words_are_chacha20_of_seed_stream_and_counter(void **state)
{
    (void)state;
    /* From an independent ChaCha20 (RFC 8439): key seed | stream | refills | 0 in little-endian
     * words, nonce "LibsodiumDRG", block counter from 0. */
    static const struct {
        uint64_t seed, stream, first[3], refilled;
    } known[] = {
        {1,
         0,
         {UINT64_C(0x912fe8375f9b0604), UINT64_C(0x411a9fb95efd37dc), UINT64_C(0xcf002a128d6eb124)},
         UINT64_C(0xe001d7bb7656062b)},
        {UINT64_MAX,
         7,
         {UINT64_C(0x021ea9516a87ff13), UINT64_C(0x42823f1d33a41a92), UINT64_C(0x593963e0cb5e5033)},
         UINT64_C(0x6f44905a38539233)},
    };
    for (size_t i = 0; i < 2; i++) {
        kofn_rng rng;
        kofn_rng_init(&rng, known[i].seed, known[i].stream);
        for (size_t j = 0; j < 3; j++)
            assert_true(kofn_rng_u64(&rng) == known[i].first[j]);
        for (size_t j = 3; j < KOFN_RNG_WORDS; j++)
            (void)kofn_rng_u64(&rng);
        assert_true(kofn_rng_u64(&rng) == known[i].refilled);
    }
}

static void
streams_of_one_seed_differ(void **state)
{
    (void)state;
    kofn_rng a, b, c;
    kofn_rng_init(&a, 5, 0);
    kofn_rng_init(&b, 5, 1);
    kofn_rng_init(&c, 6, 0);
    const uint64_t first = kofn_rng_u64(&a);
    assert_true(first != kofn_rng_u64(&b));
    assert_true(first != kofn_rng_u64(&c));
}

static void
below_stays_below_and_is_even(void **state)
{
    (void)state;
    enum { BOUND = 7, DRAWS = 70000 };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    size_t counts[BOUND] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        const uint64_t value = kofn_rng_below(&rng, BOUND);
        assert_true(value < BOUND);
        counts[value]++;
    }
    /* Pearson's chi^2 with 6 degrees of freedom exceeds 38 once in a million. */
    double chi2 = 0;
    for (size_t i = 0; i < BOUND; i++) {
        const double expected = (double)DRAWS / BOUND;
        chi2 += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    }
    assert_at_most(chi2, 38);
    assert_int_equal(kofn_rng_below(&rng, 1), 0);
}

static void
below_rejects_the_words_that_would_favour_some(void **state)
{
    (void)state;
    /* 2^64 words on 3 * 2^62 values: without rejection the lowest third would be drawn from twice
     * as many words, which moves the mean from bound / 2 to 5 / 12 bound. Its deviation after n
     * draws is bound / sqrt(12 n). */
    enum { DRAWS = 20000 };
    const uint64_t bound = UINT64_C(3) << 62;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    double sum = 0;
    for (size_t i = 0; i < DRAWS; i++)
        sum += (double)kofn_rng_below(&rng, bound) / (double)bound;
    assert_at_most(fabs(sum / DRAWS - 0.5), 5 / sqrt(12.0 * DRAWS));
}

static void
unit_is_in_the_half_open_interval(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    double sum = 0;
    enum { DRAWS = 100000 };
    for (size_t i = 0; i < DRAWS; i++) {
        const double value = kofn_rng_unit(&rng);
        assert_true(value >= 0 && value < 1);
        sum += value;
    }
    assert_at_most(fabs(sum / DRAWS - 0.5), 5 / sqrt(12.0 * DRAWS));
}

static void
normals_have_the_moments_of_a_normal(void **state)
{
    (void)state;
    /* After n draws the mean deviates by 1 / sqrt(n), the variance by sqrt(2 / n), the fourth
     * moment by sqrt(96 / n). */
    enum { DRAWS = 200000 };
    const double n = DRAWS;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    double m1 = 0, m2 = 0, m4 = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        const double x = kofn_rng_normal(&rng);
        m1 += x / n;
        m2 += x * x / n;
        m4 += x * x * x * x / n;
    }
    assert_at_most(fabs(m1), 5 / sqrt(n));
    assert_at_most(fabs(m2 - 1), 5 * sqrt(2 / n));
    assert_at_most(fabs(m4 - 3), 5 * sqrt(96 / n));
}

static void
normals_come_in_pairs(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, 1, 0);
    const double first = kofn_rng_normal(&rng);
    const size_t used = rng.next;
    const double second = kofn_rng_normal(&rng);
    assert_int_equal(rng.next, used);
    assert_true(first != second);
    (void)kofn_rng_normal(&rng);
    assert_true(rng.next > used);
}

static void
normals_are_floats_so_that_machines_agree(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(15), 0);
    for (size_t i = 0; i < 1000; i++) {
        const double x = kofn_rng_normal(&rng);
        assert_true(x == (double)(float)x);
    }
}

static void
the_same_seed_replays_every_kind_of_draw(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(16);
    kofn_rng a, b;
    kofn_rng_init(&a, seed, 3);
    kofn_rng_init(&b, seed, 3);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(kofn_rng_normal(&a) == kofn_rng_normal(&b));
        assert_true(kofn_rng_below(&a, 1000) == kofn_rng_below(&b, 1000));
        assert_true(kofn_rng_unit(&a) == kofn_rng_unit(&b));
    }
}

static void
fresh_seeds_differ(void **state)
{
    (void)state;
    assert_true(kofn_rng_fresh_seed() != kofn_rng_fresh_seed());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_chacha20_of_seed_stream_and_counter),
        cmocka_unit_test(streams_of_one_seed_differ),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(below_rejects_the_words_that_would_favour_some),
        cmocka_unit_test(unit_is_in_the_half_open_interval),
        cmocka_unit_test(normals_have_the_moments_of_a_normal),
        cmocka_unit_test(normals_come_in_pairs),
        cmocka_unit_test(normals_are_floats_so_that_machines_agree),
        cmocka_unit_test(the_same_seed_replays_every_kind_of_draw),
        cmocka_unit_test(fresh_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
