#include "master/sched/forecast.h"
#include "common/base/rng.h"
#include "tests/assert.h"

/* Closed forms against all continuations of a pattern, slot by slot. Slot 0 is asked about. */
enum { ROUNDS_MAX = 32, SLOTS_MAX = 3 };

typedef struct model {
    size_t slots, window, failures;
    size_t burst, burst_slots; // 0: the arbitrary model
} model;

static size_t
count_bits(unsigned bits)
{
    return (size_t)__builtin_popcount(bits);
}

/* Does the window that ends with round `last` conform? pattern[t]: slots that straggle, as bits. */
static bool
window_conforms(const model *m, const unsigned *pattern, size_t last)
{
    const size_t first = last + 1 > m->window ? last + 1 - m->window : 0;
    size_t failures = 0;
    unsigned all = 0;
    for (size_t t = first; t <= last; t++) {
        failures += count_bits(pattern[t]);
        all |= pattern[t];
    }
    return m->burst > 0 ? count_bits(all) <= m->burst_slots : failures <= m->failures;
}

static bool
runs_conform(const model *m, const unsigned *pattern, size_t rounds)
{
    for (size_t slot = 0; m->burst > 0 && slot < m->slots; slot++)
        for (size_t t = 0, run = 0; t < rounds; t++) {
            run = pattern[t] >> slot & 1 ? run + 1 : 0;
            if (run > m->burst)
                return false;
        }
    return true;
}

/* Is there a continuation of `past` rounds by `left` ones in which slot 0 always straggles? */
static bool
may_fail_all_brute(const model *m, unsigned *pattern, size_t past, size_t left)
{
    if (left == 0)
        return runs_conform(m, pattern, past);
    for (unsigned bits = 1; bits < 1u << m->slots; bits += 2) {
        pattern[past] = bits;
        if (window_conforms(m, pattern, past) && may_fail_all_brute(m, pattern, past + 1, left - 1))
            return true;
    }
    return false;
}

static size_t
make_past(kofn_rng *rng, const model *m, unsigned *pattern)
{
    const size_t rounds = kofn_rng_below(rng, 2 * m->window + 1);
    for (size_t t = 0; t < rounds; t++) {
        pattern[t] = (unsigned)kofn_rng_below(rng, 1u << m->slots);
        if (!window_conforms(m, pattern, t) || !runs_conform(m, pattern, t + 1))
            pattern[t] = 0;
    }
    return rounds;
}

static void
line_13_agrees_with_all_continuations(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    size_t may = 0, cases = 0;
    for (size_t i = 0; i < 20000; i++) {
        model m = {.slots = 1 + kofn_rng_below(&rng, SLOTS_MAX),
                   .window = 1 + kofn_rng_below(&rng, 4)};
        m.failures = kofn_rng_below(&rng, m.slots * m.window);
        unsigned pattern[ROUNDS_MAX];
        const size_t past = make_past(&rng, &m, pattern);
        kofn_history h = {.window = m.window};
        for (size_t t = 0; t < past; t++)
            kofn_history_add(&h, count_bits(pattern[t]));
        for (size_t left = 1; left <= m.window; left++) {
            const bool got = kofn_history_may_fail_all(&h, left, m.failures);
            assert_int_equal(got, may_fail_all_brute(&m, pattern, past, left));
            may += got;
            cases++;
        }
    }
    assert_in_range(may, cases / 5, cases / 5 * 4); // both happen
}

static void
burst_forecast_agrees_with_all_continuations(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    size_t may = 0, cases = 0;
    for (size_t i = 0; i < 20000; i++) {
        model m = {.slots = 1 + kofn_rng_below(&rng, SLOTS_MAX),
                   .window = 1 + kofn_rng_below(&rng, 4)};
        m.burst = 1 + kofn_rng_below(&rng, m.window);
        m.burst_slots = kofn_rng_below(&rng, m.slots + 1);
        unsigned pattern[ROUNDS_MAX];
        const size_t past = make_past(&rng, &m, pattern);
        kofn_history h = {.window = m.window};
        kofn_burst bursts[SLOTS_MAX] = {0};
        for (size_t t = 0; t < past; t++) {
            kofn_history_add(&h, count_bits(pattern[t]));
            for (size_t slot = 0; slot < m.slots; slot++)
                if (pattern[t] >> slot & 1)
                    kofn_burst_add(&bursts[slot], t + 1);
        }
        size_t recent = 0;
        for (size_t slot = 0; slot < m.slots; slot++)
            recent += kofn_burst_is_recent(&bursts[slot], &h);
        for (size_t left = 1; left <= m.window; left++) {
            const bool got =
                kofn_burst_may_fail_all(&bursts[0], &h, left, m.burst, recent, m.burst_slots);
            assert_int_equal(got, may_fail_all_brute(&m, pattern, past, left));
            may += got;
            cases++;
        }
    }
    assert_in_range(may, cases / 5, cases / 5 * 4);
}

static void
a_pattern_conforms_while_its_last_window_does(void **state)
{
    (void)state;
    kofn_history h = {.window = 3};
    assert_true(kofn_history_admits(&h, 2, 2));
    assert_false(kofn_history_admits(&h, 3, 2));
    kofn_history_add(&h, 2);
    kofn_history_add(&h, 0);
    assert_false(kofn_history_admits(&h, 1, 2));
    kofn_history_add(&h, 0);
    assert_true(kofn_history_admits(&h, 2, 2)); // the two are three rounds back
    assert_int_equal(kofn_history_sum(&h, 3), 2);
    assert_int_equal(kofn_history_sum(&h, 2), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_13_agrees_with_all_continuations),
        cmocka_unit_test(burst_forecast_agrees_with_all_continuations),
        cmocka_unit_test(a_pattern_conforms_while_its_last_window_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
