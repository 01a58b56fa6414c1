/* Schemes over random patterns of stragglers, in virtual time: two million rounds, or more of them
 * with $KOFN_TEST_STREAMS. What holds whatever happens is asserted by the rig after each round. */
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

/* Of a job that has had all its rounds. */
static void
plain_rows_have_all_come_back(rounds_rig *rig, const rig_job *job)
{
    for (size_t row = 0; row < rig->plain && rig_is_due(rig, job->id); row++)
        assert_true(job->answered[row] || !job->given[row]);
    assert_true(job->answers >= rig->need);
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
        rig.tell = RIG_AT_END;
        rig.context = &p;
        rig.factor = get_factor;
        rig.on_finish = plain_rows_have_all_come_back;
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

/* ---- Theorem 3.1 ----------------------------------------------------------------------------- */

/* A stream of (N, W), under patterns that are given as a bit for each slot and round. */
typedef struct bits {
    const uint32_t *slow; // [round - 1]
    size_t rounds;
} bits;

static double
get_bits_factor(rounds_rig *rig, uint64_t round, size_t slot)
{
    const bits *b = rig->context;
    return round <= b->rounds && b->slow[round - 1] >> slot & 1 ? SLOW : 1;
}

/* The longest list of any round: times 1 / need, the load of the worst round. */
static size_t
measure_load(int scheme, size_t slots, size_t window, size_t failures, const bits *b)
{
    static rounds_rig rig;
    const kofn_rounds_config config = {
        .scheme = scheme, .slots = (int64_t)slots, .window = (int64_t)window};
    rig_open(&rig, config, slots * window - failures);
    rig.context = (void *)b; // only read
    rig.factor = get_bits_factor;
    rig.tell = RIG_AT_END;
    rig_fill_all(&rig);
    for (size_t t = 0; t < b->rounds; t++) {
        rig_push(&rig);
        assert_true(rig_round(&rig));
    }
    while (rig_round(&rig))
        ;
    const kofn_rounds_view view = kofn_rounds_get_view(rig.rounds);
    assert_int_equal(view.waited, 0);
    assert_int_equal(rig.first, rig.pushed + 1);
    rig_close(&rig);
    return (size_t)view.load_max;
}

typedef struct worst {
    size_t slots, window, failures;
    int scheme;
    size_t patterns, load;
} worst;

static void
try_pattern(worst *w, const bits *b)
{
    const size_t load = measure_load(w->scheme, w->slots, w->window, w->failures, b);
    w->load = load > w->load ? load : w->load;
    w->patterns++;
}

/* All patterns of `rounds` rounds that conform, from round `t` on. */
static void
try_all(worst *w, uint32_t *slow, size_t t, size_t rounds)
{
    if (t == rounds) {
        try_pattern(w, &(bits){slow, rounds});
        return;
    }
    size_t sum = 0;
    for (size_t back = 1; back < w->window && back <= t; back++)
        sum += (size_t)__builtin_popcount(slow[t - back]);
    for (slow[t] = 0; slow[t] < 1u << w->slots; slow[t]++)
        if (sum + (size_t)__builtin_popcount(slow[t]) <= w->failures)
            try_all(w, slow, t + 1, rounds);
}

static void
try_some(worst *w, kofn_rng *rng)
{
    enum { ROUNDS = 40 };
    uint32_t slow[ROUNDS];
    pattern p = {.failures = w->failures, .window = w->window, .slots = w->slots};
    kofn_rng_init(&p.rng, kofn_rng_u64(rng), 0);
    for (; p.round < ROUNDS; p.round++) {
        draw_conforming(&p);
        slow[p.round] = 0;
        for (size_t slot = 0; slot < w->slots; slot++)
            slow[p.round] |= (uint32_t)p.slow[slot] << slot;
    }
    try_pattern(w, &(bits){slow, ROUNDS});
}

/* The load of a round is that of its longest list, 1 / need for each mini-task: the bound of the
 * theorem, 1 / (P - N / W) = W / need, is met where the longest list has W of them. In each round
 * one slot is the first, and no straggler: no pattern has more than W (P - 1), whatever N. */
static bool
is_reached(const worst *w)
{
    return w->failures <= w->window * (w->slots - 1);
}

/* All N in the first W rounds: in the last of them every job lacks something. */
static void
try_full(worst *w, kofn_rng *rng)
{
    uint32_t slow[KOFN_DELAY_MAX + 1] = {0};
    for (size_t left = w->failures; left > 0;) {
        const size_t t = kofn_rng_below(rng, w->window);
        const uint32_t more = slow[t] | 1u << kofn_rng_below(rng, w->slots);
        if (more == slow[t] || (size_t)__builtin_popcount(more) == w->slots)
            continue;
        slow[t] = more;
        left--;
    }
    try_pattern(w, &(bits){slow, w->window});
}

static void
assert_worst_load(const worst *w)
{
    const size_t least = is_reached(w) ? w->window : 1;
    if (w->load < least || w->load > w->window)
        print_error("%s P=%zu W=%zu N=%zu: load %zu in %zu patterns\n",
                    kofn_scheme_name((kofn_scheme)w->scheme), w->slots, w->window, w->failures,
                    w->load, w->patterns);
    assert_in_range(w->load, least, w->window);
}

static void
dip_and_idip_meet_the_least_load_over_all_patterns(void **state)
{
    (void)state;
    size_t patterns = 0;
    const int schemes[] = {KOFN_SCHEME_DIP, KOFN_SCHEME_IDIP};
    for (size_t slots = 1; slots <= 4; slots++)
        for (size_t window = 2; slots * window <= 8; window++)
            for (size_t failures = 0; failures < slots * window; failures++)
                for (size_t i = 0; i < 2; i++) {
                    worst w = {slots, window, failures, .scheme = schemes[i]};
                    uint32_t slow[16];
                    try_all(&w, slow, 0, window + window / 2);
                    assert_worst_load(&w);
                    patterns += w.patterns;
                }
    print_message("%zu patterns\n", patterns);
}

static void
dip_and_idip_meet_the_least_load_over_random_patterns(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(31), 0);
    for (size_t i = 0; i < 100; i++) {
        const size_t slots = 2 + kofn_rng_below(&rng, 7), window = 2 + kofn_rng_below(&rng, 6);
        worst w = {.slots = slots, .window = window};
        w.failures = kofn_rng_below(&rng, slots * window);
        w.scheme = i % 2 == 0 ? KOFN_SCHEME_DIP : KOFN_SCHEME_IDIP;
        for (size_t tries = 0; tries < 30; tries++)
            try_some(&w, &rng);
        if (is_reached(&w))
            try_full(&w, &rng);
        assert_worst_load(&w);
    }
}

/* ---- whatever happens ------------------------------------------------------------------------ */

typedef struct chaos {
    pattern stragglers; // first: the context of get_factor
    kofn_rng rng;
    double rate; // of disturbances, after each event
} chaos;

static size_t
draw_slot(rounds_rig *rig, bool present) // P: there is none
{
    chaos *c = rig->context;
    const size_t slots = (size_t)rig->config.slots, first = kofn_rng_below(&c->rng, slots);
    for (size_t i = 0; i < slots; i++)
        if (rig->slots[(first + i) % slots].present == present)
            return (first + i) % slots;
    return slots;
}

static void
fill_one(rounds_rig *rig)
{
    const size_t slot = draw_slot(rig, false);
    assert_true(slot < (size_t)rig->config.slots);
    rig_fill(rig, slot);
}

static void
lose_one(rounds_rig *rig)
{
    chaos *c = rig->context;
    const size_t slot = draw_slot(rig, true);
    if (slot < (size_t)rig->config.slots && rig->slots[slot].count > 0)
        rig_lose(rig, slot, kofn_rng_below(&c->rng, rig->slots[slot].count));
}

/* Jobs that are given up, and calls that mean nothing. */
static void
finish_one(rounds_rig *rig)
{
    chaos *c = rig->context;
    const uint64_t id = rig->first + kofn_rng_below(&c->rng, rig->pushed - rig->first + 2);
    if (rig_job_at(rig, id)->id == id)
        rig_finish(rig, id);
    kofn_rounds_finish(rig->rounds, rig->now_ns, id);
    kofn_rounds_answer(rig->rounds, rig->now_ns, id, 0, 0);
    kofn_rounds_lose(rig->rounds, rig->now_ns, id, 0, 0);
}

static void
disturb(rounds_rig *rig)
{
    chaos *c = rig->context;
    if (kofn_rng_unit(&c->rng) >= c->rate)
        return;
    const size_t slots = (size_t)rig->config.slots;
    switch (kofn_rng_below(&c->rng, 8)) {
    case 0:
    case 1: {
        const size_t slot = draw_slot(rig, true);
        if (slot < slots)
            rig_vacate(rig, slot);
        break;
    }
    case 2:
    case 3:
        if (draw_slot(rig, false) < slots)
            fill_one(rig);
        break;
    case 4:
    case 5:
        lose_one(rig);
        break;
    case 6:
        if (rig->pushed + 1 - rig->first < RIG_JOBS_MAX / 2)
            rig_push(rig);
        break;
    default:
        finish_one(rig);
    }
}

static kofn_rounds_config
draw_config(kofn_rng *rng, int scheme, size_t *ret_need)
{
    const size_t slots = 1 + kofn_rng_below(rng, 6);
    kofn_rounds_config config = {.scheme = scheme, .slots = (int64_t)slots};
    config.tolerance = kofn_rng_below(rng, 3) * 0.25;
    config.rescue = kofn_rng_below(rng, 2) * 3.0;
    switch (scheme) {
    case KOFN_SCHEME_DIP:
        config.delay = 1 + (int64_t)kofn_rng_below(rng, 5);
        config.lambda = (int64_t)kofn_rng_below(rng, slots + 1);
        *ret_need = 1 + kofn_rng_below(rng, 12);
        break;
    case KOFN_SCHEME_POLYNOMIAL:
        *ret_need = 1 + kofn_rng_below(rng, slots);
        break;
    case KOFN_SCHEME_UNCODED:
        *ret_need = 1 + kofn_rng_below(rng, 12);
        break;
    default:
        config.window = 1 + (int64_t)kofn_rng_below(rng, 5);
        const size_t all = slots * (size_t)config.window;
        const size_t burst = 1 + kofn_rng_below(rng, (uint64_t)config.window);
        *ret_need = all - burst * kofn_rng_below(rng, all / burst + 1);
        *ret_need += *ret_need == 0 ? burst : 0;
        if (scheme == KOFN_SCHEME_IDIP_BURST)
            config.burst = (int64_t)burst;
    }
    return config;
}

static void
draw_pattern(kofn_rng *rng, pattern *p)
{
    p->delta = kofn_rng_unit(rng) * 0.7;
    p->all = kofn_rng_below(rng, 3) == 0 ? 0.1 : 0;
    if (kofn_rng_below(rng, 2) == 0) {
        p->enter = 0.05 + kofn_rng_unit(rng) * 0.3;
        p->leave = 0.1 + kofn_rng_unit(rng) * 0.6;
    }
    const double factors[] = {1.1, 3, 5, SLOW};
    p->factor = factors[kofn_rng_below(rng, 4)];
    kofn_rng_init(&p->rng, kofn_rng_u64(rng), 0);
}

static size_t
count_rows(const kofn_rounds_config *config, size_t need)
{
    size_t plain = 0, coded = 0;
    kofn_rounds_count_rows(config, need, &plain, &coded);
    return plain + coded;
}

/* A stream with a scheme, in which anything happens at `rate`. */
static void
run_stream(kofn_rng *rng, int scheme, size_t rounds, double rate)
{
    size_t need = 0;
    const kofn_rounds_config config = draw_config(rng, scheme, &need);
    static rounds_rig rig;
    rig_open(&rig, config, need);
    chaos c = {.rate = rate};
    draw_pattern(rng, &c.stragglers);
    c.stragglers.slots = (size_t)config.slots;
    kofn_rng_init(&c.rng, kofn_rng_u64(rng), 0);
    rig.context = &c;
    rig.factor = get_factor;
    rig.disturb = rate > 0 ? disturb : NULL;
    rig.on_stuck = rate > 0 ? fill_one : NULL;
    rig.tell = (rig_tell)kofn_rng_below(rng, 3);
    rig.credit = kofn_rng_below(rng, 3);
    const size_t spare = count_rows(&rig.config, need) - need;
    rig.extra = kofn_rng_below(rng, 3) == 0 ? kofn_rng_below(rng, spare < 3 ? spare + 1 : 3) : 0;
    rig_fill_all(&rig);

    uint64_t past[KOFN_DELAY_MAX + 1] = {0}; // stragglers of the last W rounds
    const bool conforms = scheme == KOFN_SCHEME_IDIP || scheme == KOFN_SCHEME_IDIP_BURST;
    for (size_t t = 0; t < rounds; t++) {
        if (kofn_rng_below(rng, 10) > 0 && rig.pushed + 1 - rig.first < RIG_JOBS_MAX / 2)
            rig_push(&rig);
        if (!rig_round(&rig) && draw_slot(&rig, true) == (size_t)config.slots)
            fill_one(&rig);
        uint64_t sum = 0;
        past[rig.round % (uint64_t)rig.config.window] = kofn_rounds_get_view(rig.rounds).stragglers;
        for (int64_t i = 0; i < rig.config.window; i++)
            sum += past[i];
        assert_true(!conforms || sum <= (uint64_t)rig.config.failures);
    }
    rig_close(&rig);
}

static void
run_streams(uint64_t seed, double rate)
{
    const char *text = getenv("KOFN_TEST_STREAMS");
    const size_t streams = text ? strtoul(text, NULL, 10) : TEST_AMOUNT(1400, 280), rounds = 500;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(seed), 0);
    for (size_t i = 0; i < streams; i++)
        run_stream(&rng, (int)(i % 5), rounds, rate);
}

static void
each_job_is_finished_in_time_whoever_straggles(void **state)
{
    (void)state;
    run_streams(21, 0);
}

static void
each_job_is_finished_in_time_whatever_happens(void **state)
{
    (void)state;
    run_streams(22, 0.05);
    run_streams(23, 0.5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idip_bears_every_conforming_pattern),
        cmocka_unit_test(dip_and_idip_meet_the_least_load_over_all_patterns),
        cmocka_unit_test(dip_and_idip_meet_the_least_load_over_random_patterns),
        cmocka_unit_test(each_job_is_finished_in_time_whoever_straggles),
        cmocka_unit_test(each_job_is_finished_in_time_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
