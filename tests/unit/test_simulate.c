/* The simulator against what can be worked out by hand. */
#include "tests/unit/simulate_rig.h"

#include "common/base/rng.h"

#include <math.h>

/* More than S of P straggle. */
static double
miss(size_t p, size_t s, double delta)
{
    double sum = 0;
    for (size_t i = s + 1; i <= p; i++)
        sum += exp(lgamma((double)p + 1) - lgamma((double)i + 1) - lgamma((double)(p - i) + 1) +
                   (double)i * log(delta) + (double)(p - i) * log1p(-delta));
    return sum;
}

static void
choose_rounds(kofn_sim_config *c, kofn_scheme scheme, size_t x, size_t y)
{
    (void)snprintf(c->policy, sizeof c->policy, "rounds");
    c->rounds.scheme = scheme;
    c->rounds.tolerance = 0;
    c->code.part = (kofn_partition){x, 1, y};
}

/* Section 4 of the paper: (alpha p + 1 - p) / (P - S). Each job is slow with probability p, alone,
 * so the mean's standard deviation is (alpha - 1) / (P - S) sqrt(p (1 - p) / J). */
static void
assert_formula(size_t p, size_t x, size_t y, double delta, double alpha, bool rounds, int64_t seed)
{
    const double k = (double)(x * y), slow = miss(p, p - x * y, delta);
    char text[64];
    kofn_sim_config c = config_of((int64_t)p, 4000);
    (void)snprintf(text, sizeof text, "iid:delta=%g,slowdown=%g", delta, alpha);
    choose_stragglers(&c, text, seed);
    choose_code(&c, x * y < p ? "polynomial" : "uncoded", x, y, p);
    if (rounds)
        choose_rounds(&c, x * y < p ? KOFN_SCHEME_POLYNOMIAL : KOFN_SCHEME_UNCODED, x, y);
    kofn_sim_figures f = simulate(&c);
    const double sigma = (alpha - 1) / k * sqrt(slow * (1 - slow) / (double)c.jobs);
    assert_at_most(fabs(f.time - (alpha * slow + 1 - slow) / k), 5 * sigma + 1e-6);
    assert_at_most(fabs(f.load - 1 / k), 1e-12);
    assert_at_most(fabs(f.slow - delta),
                   5 * sqrt(delta * (1 - delta) / (double)p / (double)c.jobs));
    kofn_sim_figures_fini(&f);
}

static void
a_polynomial_code_takes_what_the_paper_says(void **state)
{
    (void)state;
    const int64_t seed = (int64_t)test_seed(1);
    for (int rounds = 0; rounds < 2; rounds++) {
        assert_formula(4, 2, 1, 0.3, 5, rounds, seed);
        assert_formula(4, 3, 1, 0.1, 5, rounds, seed);
        assert_formula(6, 2, 2, 0.2, 10, rounds, seed);
        assert_formula(6, 1, 1, 0.5, 10, rounds, seed);
    }
}

static void
uncoded_takes_what_the_paper_says(void **state)
{
    (void)state;
    const int64_t seed = (int64_t)test_seed(2);
    for (int rounds = 0; rounds < 2; rounds++) {
        assert_formula(4, 2, 2, 0.3, 5, rounds, seed);
        assert_formula(6, 6, 1, 0.05, 10, rounds, seed);
    }
}

static void
as_many_persistent_stragglers_as_a_code_loses_cost_nothing(void **state)
{
    (void)state;
    for (int64_t slow = 0; slow <= 3; slow++) {
        kofn_sim_config c = config_of(6, 50);
        choose_stragglers(&c, "persistent:slowdown=7", 1);
        c.stragglers.count = slow;
        choose_code(&c, "polynomial", 2, 2, 6);
        kofn_sim_figures f = simulate(&c);
        assert_at_most(fabs(f.time - (slow <= 2 ? 0.25 : 1.75)), 1e-6);
        assert_at_most(fabs(kofn_sim_percentile(&f, 1) - kofn_sim_percentile(&f, 0)), 1e-6);
        assert_int_equal(f.sent, 6 * 50);
        assert_int_equal(f.answered, 4 * 50);
        assert_int_equal(f.cancelled, 2 * 50);
        kofn_sim_figures_fini(&f);
    }
}

static void
the_same_seed_gives_the_same_figures(void **state)
{
    (void)state;
    double time[3];
    for (int64_t i = 0; i < 3; i++) {
        kofn_sim_config c = config_of(5, 300);
        choose_stragglers(&c, "fritchman", 3);
        choose_code(&c, "polynomial", 3, 1, 5);
        c.jitter = 0.2;
        c.seed = i / 2;
        kofn_sim_figures f = simulate(&c);
        time[i] = f.time;
        kofn_sim_figures_fini(&f);
    }
    assert_true(time[0] == time[1]);
    assert_true(time[0] != time[2]);
}

static double
time_of(const kofn_sim_config *c)
{
    kofn_sim_figures f = simulate(c);
    const double time = f.time;
    kofn_sim_figures_fini(&f);
    return time;
}

static void
copies_beat_waiting_where_stragglers_are_rare_and_cost_nothing_where_there_are_none(void **state)
{
    (void)state;
    kofn_sim_config c = config_of(10, 2000);
    c.unit_ns = 100 * KOFN_NS_PER_S; // the floor of copies is far below a task
    const double undisturbed = time_of(&c);
    choose_stragglers(&c, "iid:delta=0.01,slowdown=20", 1);
    const double waited = time_of(&c);
    (void)snprintf(c.policy, sizeof c.policy, "speculative");
    const double copied = time_of(&c);
    assert_at_most(copied, 0.5 * waited);
    assert_at_most(undisturbed, copied);
    choose_stragglers(&c, "none", 1);
    assert_at_most(fabs(time_of(&c) - undisturbed), 1e-9);
}

/* Nobody is slow: four products a job on four workers, each a quarter of a second, whatever decodes
 * them. And with one of six workers three times as slow, and 1.5 times the median for what is late:
 * a coded row goes out after 0.375 s, and comes after another quarter. */
static void
two_stages_cost_nothing_where_nobody_is_slow_and_a_second_one_where_somebody_is(void **state)
{
    (void)state;
    for (int decoder = 0; decoder < 2; decoder++) {
        static const char *const families[] = {"rkrp", "polynomial"};
        for (size_t i = 0; i < 2; i++) {
            kofn_sim_config c = config_of(4, 50);
            choose_code(&c, families[i], 2, 2, 0);
            c.code.tasks = i == 0 ? 0 : 8;
            (void)snprintf(c.policy, sizeof c.policy, "two_stage");
            c.decoder = decoder;
            kofn_sim_figures f = simulate(&c);
            assert_int_equal(f.sent, 200);
            assert_int_equal(f.answered, 200);
            assert_true(fabs(f.time - 0.25) < 1e-6);
            kofn_sim_figures_fini(&f);

            c.workers = 6;
            choose_stragglers(&c, "persistent:count=1,slowdown=3", 1);
            f = simulate(&c);
            assert_int_equal(f.backups, 0);
            assert_true(fabs(kofn_sim_percentile(&f, 1) - 0.625) < 1e-6);
            const double least = kofn_sim_percentile(&f, 0); // it is known for slow then
            assert_true(fabs(least - 0.25) < 1e-6);
            kofn_sim_figures_fini(&f);
        }
    }
}

static void
rateless_rows_run_to_their_end(void **state)
{
    (void)state;
    kofn_sim_config c = config_of(6, 500);
    choose_stragglers(&c, "iid:delta=0.3", 1);
    choose_code(&c, "rkrp", 2, 2, 5);
    (void)snprintf(c.policy, sizeof c.policy, "rateless");
    kofn_sim_figures f = simulate(&c);
    assert_true(f.answered >= 4 * 500);
    assert_in_range(f.sent, 5 * 500 + 1, 20 * 500); // more than oneshot would
    kofn_sim_figures_fini(&f);
}

static void
jobs_at_once_share_the_workers(void **state)
{
    (void)state;
    kofn_sim_config c = config_of(4, 100);
    choose_code(&c, "uncoded", 2, 1, 2);
    kofn_sim_figures f = simulate(&c);
    assert_at_most(fabs(f.time - 0.5), 1e-9);
    assert_at_most(fabs(f.busy - 0.5), 1e-9);
    kofn_sim_figures_fini(&f);
    c.at_once = 2;
    f = simulate(&c);
    assert_at_most(fabs(f.time - 0.25), 1e-9);
    assert_at_most(fabs(f.busy - 1), 1e-9);
    kofn_sim_figures_fini(&f);
}

static void
a_worker_does_one_task_after_another(void **state)
{
    (void)state;
    kofn_sim_config c = config_of(1, 10);
    choose_code(&c, "uncoded", 5, 1, 5);
    c.overhead_ns = KOFN_NS_PER_S / 10;
    for (c.credit = 1; c.credit <= 5; c.credit += 2)
        assert_at_most(fabs(time_of(&c) - 5 * (0.2 + 0.1)), 1e-9);
}

/* The q-quantile of exp(sigma z) is exp(sigma z_q); its estimate from n draws has the standard
 * deviation sqrt(q (1 - q) / n) over the density there. */
static void
jitter_is_log_normal(void **state)
{
    (void)state;
    const double sigma = 0.5, z = 1.2815515655446004, q = 0.9, n = 20000;
    kofn_sim_config c = config_of(1, (int64_t)n);
    c.jitter = sigma;
    c.seed = (int64_t)test_seed(1);
    kofn_sim_figures f = simulate(&c);
    const double normal = exp(-z * z / 2) / sqrt(2 * M_PI);
    assert_at_most(fabs(log(kofn_sim_percentile(&f, q)) - sigma * z),
                   5 * sigma * sqrt(q * (1 - q) / n) / normal);
    assert_at_most(fabs(log(kofn_sim_percentile(&f, 0.5))),
                   5 * sigma * sqrt(0.25 / n) * sqrt(2 * M_PI));
    assert_at_most(kofn_sim_percentile(&f, 0.999), kofn_sim_percentile(&f, 1));
    kofn_sim_figures_fini(&f);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* f_b: rounds until b answers are there when each worker gives one in a round with probability
 * 1 - delta; where none does, all do in the end (section 4, and the supplement). */
static double
count_rounds(size_t b, size_t p, double delta)
{
    double f[64] = {0};
    for (size_t n = 1; n <= b; n++) {
        double none = pow(delta, (double)p), sum = 1 + none * (n > p ? f[n - p] : 0);
        for (size_t i = 1; i <= p; i++) {
            const double chance =
                exp(lgamma((double)p + 1) - lgamma((double)i + 1) - lgamma((double)(p - i) + 1) +
                    (double)i * log1p(-delta) + (double)(p - i) * log(delta));
            sum += chance * (n > i ? f[n - i] : 0);
        }
        f[n] = sum;
    }
    return f[b];
}

/* Of a delay that no job comes near to, and stragglers so slow that nothing of their lists comes in
 * time, as in the formula. Lists of successive rounds are alike, so that the mean's spread is not
 * that of a sum of independent ones: measured over 20 seeds it is 0.8 %. */
static void
dip_with_a_long_delay_takes_what_the_paper_says_of_an_endless_one(void **state)
{
    (void)state;
    const double alpha = 20, delta = 0.3, all = pow(delta, 5);
    kofn_sim_config c = config_of(5, 20000);
    choose_stragglers(&c, "iid:delta=0.3,slowdown=20", (int64_t)test_seed(1));
    choose_rounds(&c, KOFN_SCHEME_DIP, 2, 4);
    c.rounds.delay = 30;
    const double expected = count_rounds(8, 5, delta) / 8 * (alpha * all + 1 - all);
    assert_at_most(fabs(time_of(&c) / expected - 1), 5 * 0.008);
}

/* Of the i.i.d. model: (alpha p + 1 - p) / (P - N / W), where p is the chance that a window has
 * more than N. */
static void
idip_keeps_the_bound_of_the_paper(void **state)
{
    (void)state;
    const int64_t seed = (int64_t)test_seed(1);
    for (int64_t failures = 4; failures <= 10; failures += 2) {
        kofn_sim_config c = config_of(4, 5000);
        choose_stragglers(&c, "iid:delta=0.15", seed);
        choose_rounds(&c, KOFN_SCHEME_IDIP, (size_t)(16 - failures), 1);
        c.rounds.window = 4;
        c.rounds.failures = failures;
        const double slow = miss(16, (size_t)failures, 0.15);
        assert_at_most(time_of(&c), (5 * slow + 1 - slow) / (4 - (double)failures / 4) * 1.01);
    }
}

/* Theorem 3.1 and what follows it: both keep to the load, and since none is waited for in time as
 * well. N < P, so that in no round all are slow. */
static void
patterns_that_conform_cost_idip_and_dip_the_least_load(void **state)
{
    (void)state;
    for (int idip = 0; idip < 2; idip++) {
        kofn_sim_config c = config_of(6, 3000);
        choose_stragglers(&c, "arbitrary:failures=4,window=4,slowdown=50", (int64_t)test_seed(3));
        choose_rounds(&c, idip ? KOFN_SCHEME_IDIP : KOFN_SCHEME_DIP, 5, 4);
        c.rounds.delay = 3;
        kofn_sim_figures f = simulate(&c);
        assert_int_equal(f.waited, 0);
        assert_at_most(f.load, 1 / (6 - 4.0 / 4));
        assert_at_most(f.time, 1 / (6 - 4.0 / 4));
        kofn_sim_figures_fini(&f);
    }
}

/* need, from what the scheme leaves open. */
static size_t
draw_need(kofn_rng *rng, kofn_sim_config *c, int scheme, int64_t delay)
{
    const uint64_t workers = (uint64_t)c->workers, window = (uint64_t)delay + 1;
    c->rounds.delay = scheme == KOFN_SCHEME_UNCODED || scheme == KOFN_SCHEME_POLYNOMIAL ? 0 : delay;
    if (scheme == KOFN_SCHEME_DIP) {
        c->rounds.lambda = (int64_t)kofn_rng_below(rng, workers) + 1;
        return kofn_rng_below(rng, 2 * workers * window) + 1;
    }
    if (scheme == KOFN_SCHEME_UNCODED)
        return kofn_rng_below(rng, 3 * workers) + 1;
    if (scheme == KOFN_SCHEME_POLYNOMIAL)
        return kofn_rng_below(rng, workers) + 1;
    c->rounds.window = (int64_t)window;
    uint64_t burst = 1;
    if (scheme == KOFN_SCHEME_IDIP_BURST)
        c->rounds.burst = (int64_t)(burst = kofn_rng_below(rng, window) + 1);
    const uint64_t most = (workers * window - 1) / burst;
    c->rounds.failures = (int64_t)(kofn_rng_below(rng, most + 1) * burst);
    return workers * window - (uint64_t)c->rounds.failures;
}

static kofn_sim_config
draw_stream(kofn_rng *rng)
{
    static const char *const models[] = {"none",          "persistent:count=2",
                                         "iid:delta=0.4", "iid:delta=0.05,slowdown=100",
                                         "fritchman",     "arbitrary:failures=5,window=3"};
    kofn_sim_config c = config_of((int64_t)kofn_rng_below(rng, 6) + 2, 300);
    const int scheme = (int)kofn_rng_below(rng, KOFN_SCHEME_UNCODED + 1);
    const int64_t least = scheme == KOFN_SCHEME_DIP; // its T
    choose_stragglers(&c, models[kofn_rng_below(rng, 6)], (int64_t)kofn_rng_below(rng, 1000));
    const size_t need = draw_need(rng, &c, scheme, (int64_t)kofn_rng_below(rng, 5) + least);
    choose_rounds(&c, scheme, need, 1);
    c.rounds.tolerance = kofn_rng_below(rng, 2) ? kofn_rng_unit(rng) : 0;
    c.rounds.rescue = kofn_rng_below(rng, 3) ? 0 : 2;
    c.jitter = kofn_rng_below(rng, 2) ? 0.3 : 0;
    c.credit = (int64_t)kofn_rng_below(rng, 3) + 1;
    c.at_once = (int64_t)kofn_rng_below(rng, 8);
    return c;
}

static void
no_job_of_a_stream_is_later_than_its_delay(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (int i = 0; i < 200; i++) {
        char name[KOFN_SIM_NAME_MAX];
        kofn_error error;
        kofn_sim_config c = draw_stream(&rng);
        assert_ok(kofn_sim_settle(&c, &error));
        kofn_sim_format(&c, name, sizeof name);
        kofn_sim_figures f = simulate(&c);
        if ((int64_t)f.delay_max > c.rounds.delay || f.answered < 300 * c.code.part.x)
            fail_msg("%s: delay %" PRIu64 ", %" PRIu64 " answers", name, f.delay_max, f.answered);
        assert_true(f.rounds + 1 >= 300 && f.load > 0 && f.time > 0);
        kofn_sim_figures_fini(&f);
    }
}

static void
assert_counted(int scheme, const char *family, const char *field, size_t y)
{
    kofn_sim_config c = config_of(5, 300);
    c.field = kofn_field_find(field);
    choose_stragglers(&c, "fritchman", 1);
    choose_code(&c, family, 2, y, 5);
    if (scheme >= 0)
        choose_rounds(&c, scheme, 2, y);
    if (scheme == KOFN_SCHEME_DIP)
        c.rounds.delay = 2;
    if (scheme == KOFN_SCHEME_IDIP || scheme == KOFN_SCHEME_IDIP_BURST)
        c.rounds.window = 2;
    c.jitter = 0.3;
    kofn_sim_figures counted = simulate(&c);
    c.decoder = true;
    kofn_sim_figures decoded = simulate(&c);
    assert_true(counted.time == decoded.time);
    assert_int_equal(counted.sent, decoded.sent);
    assert_int_equal(counted.waited, decoded.waited);
    kofn_sim_figures_fini(&counted);
    kofn_sim_figures_fini(&decoded);
}

static void
counting_says_what_the_decoder_says(void **state)
{
    (void)state;
    static const int schemes[] = {KOFN_SCHEME_DIP, KOFN_SCHEME_IDIP, KOFN_SCHEME_IDIP_BURST,
                                  KOFN_SCHEME_POLYNOMIAL};
    assert_counted(-1, "rkrp", "f64", 2);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        assert_counted(schemes[i], "rkrp", "f64", 2);
        assert_counted(schemes[i], "polynomial", "f64", 2);
        assert_counted(schemes[i], "", "f64", 2);
        assert_counted(schemes[i], "", "gf256", 1); // of more parts some sets do not suffice
    }
    assert_counted(KOFN_SCHEME_UNCODED, "polynomial", "f64", 2);
}

/* ---- who watches ----------------------------------------------------------------------------- */

typedef struct seen {
    uint64_t jobs, asked, rounds, waited;
    int64_t ended_ns;
    double seconds, load, stragglers;
} seen;

static void
see_job(void *context, const kofn_sim_job *job)
{
    seen *s = context;
    assert_int_equal(job->job, ++s->jobs);
    assert_int_equal(job->begun_ns, s->ended_ns);
    assert_true(job->ended_ns > job->begun_ns);
    assert_int_equal(job->sent, 5);
    assert_int_equal(job->answered, 3);
    assert_false(job->failed);
    s->ended_ns = job->ended_ns;
    s->seconds += (double)(job->ended_ns - job->begun_ns) * 1e-9;
}

static void
see_round(void *context, const kofn_sim_round *round)
{
    seen *s = context;
    assert_int_equal(round->round, ++s->rounds);
    assert_int_equal(round->begun_ns, s->ended_ns);
    assert_true(round->ended_ns > round->begun_ns);
    assert_true(round->load > 0 && round->stragglers <= 4 && round->slow <= 4);
    s->waited += round->waited;
    s->load += (double)round->load;
    s->stragglers += (double)round->stragglers;
    s->ended_ns = round->ended_ns;
    s->seconds += (double)(round->ended_ns - round->begun_ns) * 1e-9;
}

static bool
stop(void *context, uint64_t ended)
{
    seen *s = context;
    s->asked = ended;
    return false;
}

static kofn_sim_config
watched(int64_t jobs)
{
    kofn_sim_config c = config_of(5, jobs);
    choose_code(&c, "polynomial", 3, 1, 5);
    choose_stragglers(&c, "iid", 1);
    return c;
}

static void
each_job_is_told_of_in_order(void **state)
{
    (void)state;
    kofn_error error;
    kofn_sim_figures f;
    seen s = {0};
    const kofn_sim_config c = watched(500);
    const kofn_sim_observer observer = {.context = &s, .on_job = see_job};
    assert_ok(kofn_sim_run(&c, &observer, &f, &error));
    assert_int_equal(s.jobs, 500);
    assert_at_most(fabs(s.seconds - f.seconds), 1e-6);
    assert_at_most(fabs(f.time - f.seconds / 500), 1e-9);
    kofn_sim_figures_fini(&f);
}

static void
each_round_is_told_of_in_order(void **state)
{
    (void)state;
    kofn_error error;
    kofn_sim_figures f;
    seen s = {0};
    kofn_sim_config c = config_of(4, 500);
    choose_stragglers(&c, "iid", 1);
    choose_rounds(&c, KOFN_SCHEME_IDIP, 3, 4);
    c.rounds.window = 4;
    c.rounds.tolerance = 0.25;
    const kofn_sim_observer observer = {.context = &s, .on_round = see_round};
    assert_ok(kofn_sim_run(&c, &observer, &f, &error));
    assert_int_equal(s.rounds, f.rounds);
    assert_int_equal(s.waited, f.waited);
    assert_true(f.waited > 0 && f.rounds >= 500 && f.rounds <= 503);
    assert_at_most(fabs(s.load / 12 / (double)f.rounds - f.load), 1e-9);
    assert_at_most(fabs(s.stragglers / 4 / (double)f.rounds - f.stragglers), 1e-9);
    assert_true(f.stragglers > 0.05 && f.stragglers < f.slow);
    /* One round after another, and the last is over with its job. */
    assert_at_most(fabs(s.seconds - f.seconds), 1e-9);
    kofn_sim_figures_fini(&f);
}

static void
a_run_that_is_stopped_is_cancelled(void **state)
{
    (void)state;
    kofn_error error;
    kofn_sim_figures f;
    seen s = {0};
    const kofn_sim_config c = watched(1000000);
    const kofn_sim_observer observer = {.context = &s, .go_on = stop};
    assert_fails(kofn_sim_run(&c, &observer, &f, &error), KOFN_CANCELLED);
    assert_in_range(s.asked, 1, 100000);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static void
what_is_out_of_bounds_is_refused(void **state)
{
    (void)state;
    const kofn_sim_config good = config_of(4, 10);
    kofn_sim_config c = good;
    c.workers = 0;
    assert_refused(c, KOFN_OUT_OF_RANGE, "workers");
    c = good;
    c.workers = INT64_MAX;
    assert_refused(c, KOFN_OUT_OF_RANGE, "workers");
    c = good;
    c.jobs = -1;
    assert_refused(c, KOFN_OUT_OF_RANGE, "jobs");
    c = good;
    c.seed = -1;
    assert_refused(c, KOFN_OUT_OF_RANGE, "seed");
    c = good;
    c.jitter = NAN;
    assert_refused(c, KOFN_OUT_OF_RANGE, "jitter");
    c = good;
    c.credit = KOFN_CREDIT_MAX + 1;
    assert_refused(c, KOFN_OUT_OF_RANGE, "credit");
    c = good;
    c.unit_ns = 0;
    assert_refused(c, KOFN_OUT_OF_RANGE, "unit");
    c = good;
    choose_code(&c, "uncoded", 150, 100, 15000);
    c.unit_ns = KOFN_NS_PER_MS;
    assert_refused(c, KOFN_OUT_OF_RANGE, "unit");
}

static void
times_beyond_all_numbers_end_a_run(void **state)
{
    (void)state;
    kofn_sim_config c = config_of(4, 10);
    choose_stragglers(&c, "persistent:count=1,slowdown=1e6", 1);
    c.unit_ns = 1000000 * KOFN_NS_PER_S; // 10^21 ns are no time
    assert_refused(c, KOFN_FAILED_PRECONDITION, "after 0 of 10 jobs");
}

static void
what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    const kofn_sim_config good = config_of(4, 10);
    kofn_sim_config c = good;
    (void)snprintf(c.policy, sizeof c.policy, "onesho");
    assert_refused(c, KOFN_NOT_FOUND, "oneshot");
    c = good;
    choose_code(&c, "polynomial", 3, 1, 2);
    assert_refused(c, KOFN_INVALID_ARGUMENT, "x y = 3");
    c = good;
    choose_stragglers(&c, "persistent:count=5", 1);
    assert_refused(c, KOFN_INVALID_ARGUMENT, "5");
    c = good;
    choose_stragglers(&c, "trace:file=/nowhere", 1);
    assert_refused(c, KOFN_NOT_FOUND, "/nowhere");
}

/* As kofn stream has it for as many workers. */
static void
an_open_partition_is_chosen_for_the_scheme(void **state)
{
    (void)state;
    const struct {
        kofn_scheme scheme;
        int64_t workers, delay, failures;
        size_t x, y, want_x, want_y;
    } cases[] = {
        {KOFN_SCHEME_DIP, 5, 0, 0, 0, 0, 4, 4},     {KOFN_SCHEME_DIP, 5, 2, 0, 0, 0, 3, 4},
        {KOFN_SCHEME_DIP, 5, 0, 0, 0, 8, 2, 8},     {KOFN_SCHEME_DIP, 5, 0, 0, 5, 0, 5, 3},
        {KOFN_SCHEME_IDIP, 4, 3, 1, 0, 0, 3, 5},    {KOFN_SCHEME_POLYNOMIAL, 5, 0, 0, 0, 0, 2, 2},
        {KOFN_SCHEME_UNCODED, 6, 0, 0, 0, 0, 2, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_sim_config c = config_of(cases[i].workers, 10);
        choose_rounds(&c, cases[i].scheme, cases[i].x, cases[i].y);
        c.rounds.delay = cases[i].delay;
        c.rounds.failures = cases[i].failures;
        c.code.part.z = 0;
        assert_ok(kofn_sim_settle(&c, &error));
        assert_int_equal(c.code.part.x, cases[i].want_x);
        assert_int_equal(c.code.part.z, 1);
        assert_int_equal(c.code.part.y, cases[i].want_y);
    }
}

static void
contradictions_of_a_stream_are_refused_with_the_equation(void **state)
{
    (void)state;
    const kofn_sim_config good = config_of(4, 10);
    kofn_sim_config c = good;
    choose_rounds(&c, KOFN_SCHEME_IDIP, 3, 2);
    c.rounds.window = 4;
    c.rounds.failures = 9;
    assert_refused(c, KOFN_INVALID_ARGUMENT, "P W - N");
    c = good;
    choose_rounds(&c, KOFN_SCHEME_POLYNOMIAL, 5, 1);
    assert_refused(c, KOFN_INVALID_ARGUMENT, "P");
    c = good;
    choose_rounds(&c, KOFN_SCHEME_DIP, 2, 2);
    c.code.part.z = 2;
    assert_refused(c, KOFN_INVALID_ARGUMENT, "X,1,Y");
    c = good;
    choose_rounds(&c, KOFN_SCHEME_DIP, SIZE_MAX / 2, 3);
    assert_refused(c, KOFN_OUT_OF_RANGE, "answers");
    c = config_of(1000, 10);
    choose_rounds(&c, KOFN_SCHEME_DIP, 20, 20);
    c.rounds.lambda = 1;
    assert_refused(c, KOFN_OUT_OF_RANGE, "larger lambda");
}

static void
jobs_that_fail_are_counted(void **state)
{
    (void)state;
    kofn_error error;
    kofn_sim_figures f;
    kofn_sim_config c = config_of(4, 20);
    c.field = kofn_field_find("gf4"); // so few values that random rows are often dependent
    choose_code(&c, "alloy_global", 2, 2, 5);
    c.sched.wait_for_better_ns = 0;
    for (c.code.seed = 1; c.code.seed < 50; c.code.seed++) {
        assert_ok(kofn_sim_run(&c, NULL, &f, &error));
        const uint64_t failed = f.failed;
        assert_int_equal(f.jobs, 20);
        if (failed > 0) {
            assert_int_equal(failed, 20);
            assert_non_null(strstr(f.why, "do not give the product"));
            assert_true(kofn_sim_percentile(&f, 1) == 0);
        }
        kofn_sim_figures_fini(&f);
        if (failed > 0)
            return;
    }
    fail_msg("no seed gave dependent rows");
}

static kofn_sim_config
stream_of(kofn_scheme scheme, int64_t workers, const char *field)
{
    kofn_sim_config c;
    kofn_sim_config_init(&c);
    c.workers = workers;
    c.jobs = 20;
    c.field = kofn_field_find(field);
    choose_rounds(&c, scheme, 0, 0);
    return c;
}

/* As the master does: what it refuses is no use to know the time of. */
static void
what_is_open_of_a_stream_fits_its_field_and_its_decoder(void **state)
{
    (void)state;
    kofn_error error;
    kofn_sim_config c = stream_of(KOFN_SCHEME_DIP, 80, "gf256");
    assert_ok(kofn_sim_settle(&c, &error));
    assert_int_equal(c.rounds.delay, 1);
    assert_int_equal(c.code.part.x * c.code.part.y, 158);
    c = stream_of(KOFN_SCHEME_DIP, 4, "gf4");
    assert_fails(kofn_sim_settle(&c, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "coded rows"));
    c = stream_of(KOFN_SCHEME_DIP, 200, "f64");
    c.code.part = (kofn_partition){30, 1, 26};
    assert_fails(kofn_sim_settle(&c, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "780 answers"));
}

static void
ten_thousand_workers_share_a_stream(void **state)
{
    (void)state;
    static const kofn_scheme schemes[] = {KOFN_SCHEME_DIP, KOFN_SCHEME_IDIP, KOFN_SCHEME_UNCODED};
    for (size_t i = 0; i < 3; i++) {
        kofn_error error;
        kofn_sim_config c = stream_of(schemes[i], 10000, "f64");
        choose_stragglers(&c, "iid:delta=0.1", 1);
        assert_ok(kofn_sim_settle(&c, &error));
        kofn_sim_figures f = simulate(&c);
        assert_true(f.rounds >= 20);
        kofn_sim_figures_fini(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_polynomial_code_takes_what_the_paper_says),
        cmocka_unit_test(uncoded_takes_what_the_paper_says),
        cmocka_unit_test(as_many_persistent_stragglers_as_a_code_loses_cost_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_figures),
        cmocka_unit_test(
            copies_beat_waiting_where_stragglers_are_rare_and_cost_nothing_where_there_are_none),
        cmocka_unit_test(
            two_stages_cost_nothing_where_nobody_is_slow_and_a_second_one_where_somebody_is),
        cmocka_unit_test(rateless_rows_run_to_their_end),
        cmocka_unit_test(jobs_at_once_share_the_workers),
        cmocka_unit_test(a_worker_does_one_task_after_another),
        cmocka_unit_test(jitter_is_log_normal),
        cmocka_unit_test(dip_with_a_long_delay_takes_what_the_paper_says_of_an_endless_one),
        cmocka_unit_test(idip_keeps_the_bound_of_the_paper),
        cmocka_unit_test(patterns_that_conform_cost_idip_and_dip_the_least_load),
        cmocka_unit_test(no_job_of_a_stream_is_later_than_its_delay),
        cmocka_unit_test(counting_says_what_the_decoder_says),
        cmocka_unit_test(each_job_is_told_of_in_order),
        cmocka_unit_test(each_round_is_told_of_in_order),
        cmocka_unit_test(a_run_that_is_stopped_is_cancelled),
        cmocka_unit_test(what_is_out_of_bounds_is_refused),
        cmocka_unit_test(times_beyond_all_numbers_end_a_run),
        cmocka_unit_test(what_does_not_fit_together_is_refused),
        cmocka_unit_test(an_open_partition_is_chosen_for_the_scheme),
        cmocka_unit_test(contradictions_of_a_stream_are_refused_with_the_equation),
        cmocka_unit_test(jobs_that_fail_are_counted),
        cmocka_unit_test(what_is_open_of_a_stream_fits_its_field_and_its_decoder),
        cmocka_unit_test(ten_thousand_workers_share_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
