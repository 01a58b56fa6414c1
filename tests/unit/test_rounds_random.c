/* Schemes over random patterns of stragglers, in virtual time. What holds whatever happens is asserted
 * by the rig after each round. */
#include "tests/unit/rounds_rig.h"

enum { SLOW = 1000000 }; // a straggler that brings nothing unless it is waited for

/* ---- patterns -------------------------------------------------------------------------------- */

typedef struct pattern {
    kofn_rng rng;
    uint64_t round; // that `slow` is of
    bool slow[RIG_SLOTS_MAX];
    size_t counts[KOFN_DELAY_MAX + 1]; // of the last rounds
    size_t failures, window, slots;    // conforming
    double delta, enter, leave;        // or random: alone, or in bursts
    double factor;                     // of a straggler
    double all;                        // probability that all straggle
} pattern;

/* Any number that the window leaves, and any of the slots. */
static void
draw_conforming(pattern *p)
{
    size_t sum = 0, most = 0;
    p->counts[p->round % p->window] = 0;
    for (size_t i = 0; i < p->window; i++)
        sum += p->counts[i];
    most = p->failures - sum < p->slots ? p->failures - sum : p->slots;
    size_t count = kofn_rng_below(&p->rng, most + 1);
    p->counts[p->round % p->window] = count;
    for (size_t slot = 0; slot < p->slots; slot++) {
        p->slow[slot] = kofn_rng_below(&p->rng, p->slots - slot) < count;
        count -= p->slow[slot];
    }
}

static void
draw_random(pattern *p)
{
    const bool all = kofn_rng_unit(&p->rng) < p->all;
    for (size_t slot = 0; slot < p->slots; slot++) {
        const double u = kofn_rng_unit(&p->rng);
        if (p->enter > 0)
            p->slow[slot] = p->slow[slot] ? u >= p->leave : u < p->enter;
        else
            p->slow[slot] = u < p->delta;
        p->slow[slot] |= all;
    }
}

static double
get_factor(rounds_rig *rig, uint64_t round, size_t slot)
{
    pattern *p = rig->context;
    for (; p->round < round; p->round++) {
        if (p->window > 0)
            draw_conforming(p);
        else
            draw_random(p);
    }
    return p->slow[slot] ? p->factor : 1;
}

/* ---- the (N, W) model ------------------------------------------------------------------------ */

static void
uncoded_rows_have_all_come_back(rounds_rig *rig, const rig_job *job)
{
    size_t given = 0, answered = 0;
    for (size_t row = 0; row < rig->plain; row++) {
        given += job->out[row] > 0;
        answered += job->answered[row];
    }
    assert_int_equal(given, 0);
    assert_true(job->answers >= rig->need);
    (void)answered;
}

static void
idip_bears_every_conforming_pattern(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20), 0);
    for (size_t i = 0; i < 300; i++) {
        const size_t slots = 1 + kofn_rng_below(&rng, 6), window = 1 + kofn_rng_below(&rng, 5);
        const size_t failures = kofn_rng_below(&rng, slots * window);
        pattern p = {.failures = failures, .window = window, .slots = slots, .factor = SLOW};
        kofn_rng_init(&p.rng, kofn_rng_u64(&rng), 0);
        rounds_rig rig;
        rig_open(&rig,
                 (kofn_rounds_config){.scheme = KOFN_SCHEME_IDIP,
                                      .slots = (int64_t)slots,
                                      .window = (int64_t)window},
                 slots * window - failures);
        assert_int_equal(rig.config.failures, failures);
        rig.tell = i % 2 == 0 ? RIG_AT_DUE : RIG_AT_END;
        rig.context = &p;
        rig.factor = get_factor;
        if (rig.tell == RIG_AT_DUE)
            rig.on_finish = uncoded_rows_have_all_come_back;
        rig_fill_all(&rig);
        for (size_t job = 0; job < 300; job++) {
            rig_push(&rig);
            assert_true(rig_round(&rig));
        }
        while (rig_round(&rig))
            ;
        assert_int_equal(rig.first, rig.pushed + 1);
        assert_int_equal(kofn_rounds_get_view(rig.rounds).waited, 0);
        assert_in_range(kofn_rounds_get_view(rig.rounds).load_max, 1, window);
        rig_close(&rig);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idip_bears_every_conforming_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
